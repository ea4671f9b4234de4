"""What a point and its multipliers prove of the optimal value, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..problem import QCQP
from ..validation import in_range
from .cones import Parts
from .dual_point import DualPoint
from .kkt import KKTResiduals, kkt_residuals
from .lagrangian import Lagrangian
from .multipliers import multipliers
from .rows import coefficient_size


@dataclass(frozen=True, eq=False)
class DualityReport:
    """Bounds on the optimal value p* that a point and its multipliers prove, with the evidence. `print` it.

    Attributes
    ----------
    value : float, f₀(x); p* ≤ value if x is feasible
    bound : float, g(lam, nu); p* ≥ bound, convex or not; -inf if the multipliers prove nothing
    gap : float, value - bound
    relative_gap : float, the gap over the larger of |value| and |bound| (at least min(1, f₀'s largest coefficient))
    feasible : bool, whether x meets every constraint to `tol`, relative to the terms of its row
    residuals : KKTResiduals, of the point as given
    worst : str, the worst primal row in words; empty if none is violated
    reason : str, why the bound is -inf; empty if it is not
    bound_nearby, radius : floats; f₀(x) ≥ bound_nearby for every feasible x with |xⱼ| ≤ radius
        What multipliers that miss the domain of g by their solver's tolerance still prove.
    verdict : str, what is proved
    tol : float

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 15.0], lb=0.0)
    >>> report = ck.duality_report(problem, [5.0, 5.0], [2.0, 1.0])
    >>> report.value, report.bound, report.gap
    (-35.0, -35.0, 0.0)
    >>> print(report.verdict)
    x is optimal: p* = -35, proved on both sides.
    """

    value: float
    bound: float
    gap: float
    relative_gap: float
    feasible: bool
    residuals: KKTResiduals
    worst: str
    reason: str
    bound_nearby: float
    radius: float
    verdict: str
    tol: float

    def __str__(self) -> str:
        r = self.residuals
        return "\n".join([
            f"value           {self.value:.10g}" + ("" if self.feasible else "   (x is not feasible)"),
            f"dual bound      {self.bound:.10g}" + (f"   ({self.reason})" if self.reason else ""),
            f"gap             {self.gap:.3g}" + (f" ({self.relative_gap:.1e} relative)" if self.gap < np.inf else ""),
            f"stationarity    {r.stationarity:.1e}",
            f"primal          {r.primal:.1e}" + (f"   ({self.worst})" if self.worst else ""),
            f"dual            {r.dual:.1e}",
            f"complementarity {r.complementarity:.1e}",
            f"verdict         {self.verdict}",
        ])


def duality_report(problem: QCQP, x: Any, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
                   lam_cones: Any = None, *, tol: float = 1e-6) -> DualityReport:
    """What any (x, lam, nu), from any solver, proves of the optimal value.

        g(lam, nu) ≤ p* ≤ f₀(x)     for lam ≥ 0 and feasible x

    Parameters
    ----------
    problem : QCQP, convex or not
    x, lam, nu, lam_lb, lam_ub, lam_cones : as in `kkt_residuals`, which judges the point as it is
        For the bound, multipliers that are negative by less than `tol` of the largest count as zero, and if there is
        no bound else, so do all that are as small: valid choices of multipliers too. Where bounds as the domain of x
        give more than lam_lb and lam_ub do, that is taken.
    tol : float in [1e-12, 1e-2], up to which x counts as feasible and the gap as closed

    Returns
    -------
    DualityReport

    Notes
    -----
    One or two factorizations of P(lam), and one product with each P. Where the gap stays open, each P is checked for
    convexity, as in `solve`. A point of cvxpy's comes from `Bridge.read_point`. Boyd & Vandenberghe, sections 5.1.3
    and 5.5.1.

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0)])
    >>> print(ck.duality_report(problem, [2.5], [1.0]))
    value           7.25
    dual bound      4.5
    gap             2.75 (3.8e-01 relative)
    stationarity    8.0e-01
    primal          0.0e+00
    dual            0.0e+00
    complementarity 1.2e-01
    verdict         4.5 ≤ p* ≤ 7.25: x misses the optimal value by at most 2.75.
    >>> print(ck.duality_report(problem, [1.0], [-1.0]).verdict)
    Nothing is proved: inequalities[0] is positive by 3.0e+00, and lam[0] = -1 is negative.
    """
    tol = in_range("tol", tol, 1e-12, 1e-2, low_open=False, high_open=False)
    residuals = kkt_residuals(problem, x, lam, nu, lam_lb, lam_ub, lam_cones)
    point = _best_bound(problem, lam, nu, lam_lb, lam_ub, lam_cones, tol)
    value, bound = residuals.value, point.value
    feasible = bool(residuals.primal <= tol)
    size = max(abs(value), abs(bound) if np.isfinite(bound) else 0.0, min(1.0, coefficient_size(problem.objective)))
    gap = value - bound
    relative = gap / size if np.isfinite(gap) and size > 0 else (0.0 if gap == 0 else np.inf)
    radius = 10.0 * max(1.0, float(np.abs(np.asarray(x, dtype=np.float64)).max(initial=0.0)))
    nearby = bound if np.isfinite(bound) else point.bound(radius)
    if np.isnan(nearby):
        nearby = -np.inf
    verdict = _verdict(problem, value, bound, relative, feasible, residuals, point, nearby, radius, tol)
    return DualityReport(value, bound, gap, relative, feasible, residuals, residuals.where, point.reason, nearby,
                         radius, verdict, tol)


def _best_bound(problem: QCQP, lam: Any, nu: Any, lam_lb: Any, lam_ub: Any, lam_cones: Any, tol: float) -> DualPoint:
    given = lam_lb is not None or lam_ub is not None
    lam, nu, lam_lb, lam_ub, lam_cones = multipliers(problem, lam, nu, lam_lb, lam_ub, lam_cones)
    z = Parts.of(lam_cones)
    largest = max(*(float(np.abs(v).max(initial=0.0)) for v in (lam, nu, lam_lb, lam_ub)), z.largest)
    lam, lam_lb, lam_ub = (np.where((v < 0) & (v >= -tol * largest), 0.0, v) for v in (lam, lam_lb, lam_ub))
    if ((z.norms - z.heads) <= tol * largest).all():
        lam_cones = z.raised().vectors()
    L = Lagrangian(problem)
    # Bounds as the domain are the best that their multipliers could be, but for the accuracy of that minimisation.
    best = L.dual_point(lam, nu, lam_cones=lam_cones)
    if not best.in_domain and best.direction is not None:
        # What a solver left of multipliers that should be zero may be all that misses the domain.
        small = tol * max(largest, coefficient_size(problem.objective))
        lam_kept, nu_kept = (np.where(np.abs(v) > small, v, 0.0) for v in (lam, nu))
        other = L.dual_point(lam_kept, nu_kept, None, None, [z if np.abs(z).max() > small else 0.0 * z
                                                             for z in lam_cones])
        best = other if other.in_domain else best
    if given and (np.isfinite(problem.lb) | np.isfinite(problem.ub)).any():
        other = L.dual_point(lam, nu, lam_lb, lam_ub, lam_cones)
        if other.value > best.value:
            return other
    return best


def _verdict(problem: QCQP, value: float, bound: float, relative: float, feasible: bool, residuals: KKTResiduals,
             point: DualPoint, nearby: float, radius: float, tol: float) -> str:
    up_to = f", up to the violation of {residuals.primal:.1e} ({residuals.where})" if residuals.primal > 1e-15 else ""
    why = point.reason
    if feasible and np.isfinite(bound):
        if abs(relative) <= tol:
            if bound == value:
                return f"x is optimal: p* = {value:.10g}, proved on both sides{up_to}."
            low, high = min(value, bound), max(value, bound)
            return f"x is optimal to {abs(relative):.1e}: {low:.12g} ≤ p* ≤ {high:.12g}{up_to}."
        if relative < 0:
            return (f"p* ≥ {bound:.10g} is proved, and f₀(x) = {value:.10g} is below it: x is feasible only up to the "
                    f"violation of {residuals.primal:.1e} ({residuals.where}), which is worth {-relative:.1e} of the "
                    "value.")
        text = f"{bound:.10g} ≤ p* ≤ {value:.10g}{up_to}: x misses the optimal value by at most {value - bound:.4g}."
        if not all(f.is_convex() for f in (problem.objective, *problem.inequalities)):
            text += (" The problem is not convex: strong duality is not guaranteed, and a gap may remain at the best "
                     "multipliers.")
        return text
    if np.isfinite(bound):
        return (f"p* ≥ {bound:.10g} is proved. No upper bound is: {residuals.where}, {residuals.primal:.1e} of the "
                "terms of its row.")
    near = (f" Of feasible points with |xⱼ| ≤ {radius:.3g} none has a value below {nearby:.10g}."
            if np.isfinite(nearby) else "")
    if feasible:
        return f"p* ≤ {value:.10g} is proved{up_to}. No lower bound is: {why}.{near}"
    return f"Nothing is proved: {residuals.where}, and {why}.{near}"
