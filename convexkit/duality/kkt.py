"""How far a point is from optimal: the KKT residuals and the duality gap of any (x, lam, nu)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..problem import QCQP
from ..validation import as_vector
from .cones import Parts, cones_at_point, pull
from .multipliers import multipliers
from .rows import at_point, coefficient_size, row_floor, row_terms

# Sums are exact to about 1e-16 of their terms; a relative gap of 1e-10 then needs a scale of 1e-6 of them.
ATTAINABLE = 1e-6


@dataclass(frozen=True)
class KKTResiduals:
    """Relative KKT residuals, each zero at an optimal point; value and dual value in units of the objective.

    Attributes
    ----------
    stationarity : ‖∇ₓL‖∞ over the largest of the terms that are summed to it
    primal : largest violation of a row, bound or cone, over the size of its terms at x
    dual : most negative multiplier of an inequality or bound, or ‖z‖ - z₀ of a cone, over the largest one
    complementarity : largest |lamᵢfᵢ(x)| or |(z₀, z)ᵀ(slack of a cone)|, over the size of the objective's terms (at
        least min(1, its largest coefficient): an optimal value of zero is met absolutely)
    gap : |value - dual_value|, over the same
    value : f₀(x)
    dual_value : L(x, lam, nu), equal to the dual function where stationarity is zero
    where : str, the worst primal row in words, empty if no row is violated

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.lp([1.0], G=[[-1.0]], h=[-2.0])                  # minimise x, x ≥ 2
    >>> ck.kkt_residuals(problem, [2.0], [1.0]).max()
    0.0
    >>> wrong = ck.kkt_residuals(problem, [1.0], [1.0])
    >>> wrong.primal > 0.1, wrong.where
    (True, 'G row 0 exceeds its limit by 1.0e+00')
    """

    stationarity: float
    primal: float
    dual: float
    complementarity: float
    gap: float
    value: float
    dual_value: float
    where: str

    def max(self) -> float:
        """The largest of the four residuals and the gap."""
        worst = (self.stationarity, self.primal, self.dual, self.complementarity, self.gap)
        return float("inf") if any(np.isnan(worst)) else max(worst)


def bound_sizes(limit: np.ndarray, ax: np.ndarray) -> np.ndarray:
    """What the violation of a bound is measured against: as for a row, its terms, or 1 if the bound is zero."""
    finite = np.where(np.isfinite(limit), limit, 0.0)
    return np.maximum(np.abs(finite) + ax, row_floor(finite, 1.0))


@np.errstate(over="ignore", invalid="ignore")  # an overflow makes a residual inf or NaN, which max() reports as inf
def kkt_residuals(problem: QCQP, x: Any, lam: Any = None, nu: Any = None, lam_lb: Any = None,
                  lam_ub: Any = None, lam_cones: Any = None) -> KKTResiduals:
    """The four KKT residuals and the duality gap of any point, from any solver.

        ∇f₀(x) + Σ lamᵢ∇fᵢ(x) + Aᵀnu - lam_lb + lam_ub - Σ (z₀c + Aᵀz)ₖ = 0,
        f(x) ≤ 0,  Ax = b,  lb ≤ x ≤ ub,  sₖ = (cₖᵀx + dₖ, Aₖx + bₖ) in its cone,
        lam ≥ 0,   (z₀, z)ₖ in its cone,   lamᵢfᵢ(x) = 0,   (z₀, z)ₖᵀsₖ = 0

    Parameters
    ----------
    problem : QCQP
    x : (n,) array
    lam : (m,) array, quadratic inequalities first, then rows of G; zeros if omitted
    nu : (p,) array; zeros if omitted
    lam_lb, lam_ub : (n,) arrays, optional
        If both are omitted and there are bounds, those that the slope at x implies are used.
    lam_cones : sequence of arrays (z₀, z), one for each cone and as long as its rows plus one; zeros if omitted

    Returns
    -------
    KKTResiduals
        Relative to the size of the terms at x: scaling a row, the objective or all variables changes
        nothing. A row without a constant term is measured against at most 1, so that {x² ≤ 0} can be met.

    Notes
    -----
    One product with each P, a few microseconds for each inequality besides. Boyd & Vandenberghe, section 5.5.3; for
    cones section 5.9.2.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> problem = ck.QCQP(ck.Quadratic(None, [1.0, 0.0]), [ck.Quadratic(np.eye(2), [0.0, 0.0], -0.5)])
    >>> ck.kkt_residuals(problem, [-1.0, 0.0], [1.0]).max()
    0.0
    """
    implied = lam_lb is None and lam_ub is None
    lam, nu, lam_lb, lam_ub, lam_cones = multipliers(problem, lam, nu, lam_lb, lam_ub, lam_cones)
    x = as_vector("x", x, problem.n)
    z = Parts.of(lam_cones)
    quadratics = len(problem.inequalities)
    ax = np.abs(x)

    # The objective: its terms, its slope, the size that value and gap are relative to.
    f0 = problem.objective
    Px = f0.hessp(x)
    half = 0.5 * float(x @ Px)
    value = half + float(f0.q @ x) + f0.r
    value_scale = abs(half) + float(np.abs(f0.q) @ ax)
    slope = Px + f0.q
    slope_scale = max(float(np.abs(Px).max(initial=0.0)), float(np.abs(f0.q).max(initial=0.0)))
    unit = min(1.0, coefficient_size(f0))
    if not f0.q.any():
        slope_scale = max(slope_scale, unit)
    value_scale = max(value_scale, unit)

    # Inequalities, in the order of lam.
    curved = at_point(problem.inequalities, x, lam[:quadratics])
    finite = np.isfinite(problem.h)
    h = np.where(finite, problem.h, 0.0)
    # A quadratic row may be violated by what rounding takes off it, without showing it.
    values = np.concatenate([curved.values + curved.lost, np.where(finite, problem.G @ x - h, -np.inf)])
    sizes = np.concatenate([np.maximum(curved.terms, row_floor(curved.constant, curved.largest)),
                            _row_sizes(problem.G, ax, h)])
    equalities = problem.A @ x - problem.b
    cones = cones_at_point(problem.cones, x)
    slope = slope + curved.slope
    slope_scale = max(slope_scale, curved.slope_size)
    parts = [matrix.T @ multiplier for matrix, multiplier in ((problem.G, lam[quadratics:]), (problem.A, nu))
             if multiplier.size]
    if problem.cones:  # -lam_conesᵀ(cᵀx + d, Ax + b) of each
        parts += [-share for share in pull(problem.cones, z, problem.n)]
    for part in parts:
        slope = slope + part
        slope_scale = max(slope_scale, float(np.abs(part).max(initial=0.0)))

    to_lb = x - problem.lb  # +inf where there is no bound
    to_ub = problem.ub - x
    if implied:
        # A slope at a bound is that bound's multiplier; far from it, a failure of stationarity.
        reach = value_scale / slope_scale if slope_scale > 0 else 0.0
        lam_lb = np.where((slope > 0) & (to_lb <= reach), slope, 0.0)
        lam_ub = np.where((slope < 0) & (to_ub <= reach), -slope, 0.0)
    slope = slope - lam_lb + lam_ub
    slope_scale = max(slope_scale, float(np.abs(lam_lb).max(initial=0.0)), float(np.abs(lam_ub).max(initial=0.0)))

    # Primal feasibility, with the worst row in words.
    shares = {
        "inequalities": _share(values[:quadratics], sizes[:quadratics]),
        "G": _share(values[quadratics:], sizes[quadratics:]),
        "A": _share(np.abs(equalities), _row_sizes(problem.A, ax, problem.b)),
        "lb": _share(-to_lb, bound_sizes(problem.lb, ax)),
        "ub": _share(-to_ub, bound_sizes(problem.ub, ax)),
        "cones": _share(cones.values, cones.sizes),
    }
    worst = max(shares, key=lambda name: shares[name].max(initial=0.0))
    primal = float(shares[worst].max(initial=0.0))
    where = ""
    if primal > 0:
        i = int(np.argmax(shares[worst]))
        amount = {"inequalities": values[:quadratics], "G": values[quadratics:], "A": np.abs(equalities),
                  "lb": -to_lb, "ub": -to_ub, "cones": cones.values}[worst][i]
        where = {"inequalities": f"inequalities[{i}] is positive by {amount:.1e}",
                 "G": f"G row {i} exceeds its limit by {amount:.1e}", "A": f"A row {i} is off by {amount:.1e}",
                 "lb": f"x[{i}] is below its bound by {amount:.1e}",
                 "ub": f"x[{i}] is above its bound by {amount:.1e}",
                 "cones": f"cones[{i}] is violated by {amount:.1e}"}[worst]

    largest = max(*(float(np.abs(v).max(initial=0.0)) for v in (lam, lam_lb, lam_ub)), z.largest)
    most_negative = max(float((-v).max(initial=0.0)) for v in (lam, lam_lb, lam_ub, z.heads - z.norms))
    # Each lamᵢ·(its distance); a multiplier on an absent limit is an infinite failure.
    products = np.concatenate([_product(lam, values), _product(lam_lb, -to_lb), _product(lam_ub, -to_ub),
                               -z.products(cones.slack)])
    complementarity = float(np.abs(products).max(initial=0.0))
    dual_value = value + float(products.sum()) + float(nu @ equalities)
    # lamᵢ·(terms of row i) may be much larger than the objective: its rounding limits what a gap can show.
    weighted = max(float((np.abs(lam) * np.where(np.isfinite(sizes), sizes, 0.0)).max(initial=0.0)),
                   float(abs(z).products(cones.terms).max(initial=0.0)))
    value_scale = max(value_scale, ATTAINABLE * weighted)
    return KKTResiduals(
        stationarity=_ratio(float(np.abs(slope).max(initial=0.0)), slope_scale),
        primal=primal,
        dual=_ratio(most_negative, largest),
        complementarity=_ratio(complementarity, value_scale),
        gap=_ratio(abs(value - dual_value), value_scale),
        value=value,
        dual_value=dual_value,
        where=where,
    )


def _row_sizes(matrix: Any, ax: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """|matrix|·|x| + |limit|, and at least the row's floor."""
    if not limit.size:
        return limit
    terms, largest = row_terms(matrix, ax)
    return np.maximum(terms + np.abs(limit), row_floor(limit, largest))


def _share(violation: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Positive part of violation over size, 0/0 being 0."""
    if not violation.size:
        return violation
    violation = np.maximum(violation, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(violation > 0, violation / size, 0.0)


def _product(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """weights·values with 0·inf = 0."""
    if not weights.any():
        return np.zeros(weights.size)
    with np.errstate(invalid="ignore"):
        return np.where(weights == 0, 0.0, weights * values)


def _ratio(amount: float, size: float) -> float:
    return 0.0 if amount == 0 else (amount / size if size > 0 else float("inf"))
