"""Proofs that a problem is infeasible or unbounded, checked from the data alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic
from .cones import Parts, cones_at_point
from .infimum import infimum
from .kkt import kkt_residuals
from .lagrangian import Lagrangian
from .multipliers import SIGN_TOLERANCE, multipliers, slope_terms
from .rows import EPS, at_point, row_largest, row_terms

# A component of a sum that vanishes up to this share of its terms is rounding: perturbing each coefficient
# by as much would make it vanish exactly.
ROUNDING = 1e-8
# A leftover slope beyond rounding is tolerated only if it cannot matter for points with |xⱼ| up to this.
RADIUS = 1e8
# A point with larger entries than this is looked at once more.
FAR = 1e3
# One within rounding must not matter for points this many times further out than the rows' own constants say.
DISTANCE = 100.0
# A bound or right-hand side of this size is a way to write "none", as in many solvers and files.
NO_BOUND = 1e20


def weighted_infimum(problem: QCQP, weights: Any) -> tuple[float, float]:
    """The infimum over |xⱼ| ≤ 1e8 of all constraints weighted with `weights`, and the size of the constants in it.

    `weights` has the attributes lam, nu, lam_lb, lam_ub and lam_cones. The infimum is -inf for weights of a wrong sign.
    """
    own = (weights.lam, weights.nu, weights.lam_lb, weights.lam_ub)
    if not all(np.isfinite(v).all() for v in (*own, *weights.lam_cones)) \
            or min(v.min(initial=0.0) for v in (weights.lam, weights.lam_lb, weights.lam_ub)) < 0:
        return -np.inf, 0.0
    z = Parts.of(multipliers(problem, *own, weights.lam_cones or None)[-1])
    if (z.norms - z.heads > SIGN_TOLERANCE * z.largest).any():
        return -np.inf, 0.0
    z = z.raised()
    every = (*own, z.vectors())
    feasibility = problem.feasibility_problem()
    combined = Lagrangian(feasibility).at(*every)
    if combined.r == -np.inf:
        return -np.inf, 0.0
    # The tangent at x is a bound everywhere: combined(y) ≥ value + leftoverᵀy.
    value, x, leftover, _ = infimum(combined)
    if x is None:
        return -np.inf, 0.0
    terms = slope_terms(feasibility, *every)
    left = np.abs(leftover)
    beyond = np.where(left > ROUNDING * terms, left, 0.0)
    # The constants that were summed to `value`, whose rounding a proof has to exceed.
    quadratics = len(problem.inequalities)
    constants = float(weights.lam[:quadratics] @ np.abs([f.r for f in problem.inequalities])) if quadratics else 0.0
    constants += abs(z) @ abs(Parts.offsets(problem.cones))
    for some, limits in ((weights.lam[quadratics:], problem.h), (weights.nu, problem.b),
                         (weights.lam_lb, problem.lb), (weights.lam_ub, problem.ub)):
        used = some != 0
        constants += float(np.abs(some[used]) @ np.abs(limits[used]))
    # Rounding of a slope must not matter either for points of the size at which the rows' terms reach their constants:
    # x ≤ 1 and x ≥ 1, each with a multiplier of 1e10, seem to contradict each other by 1 if the two differ by 1, and
    # what is left of the slope is 1e-10 of its terms.
    rounding = float(np.where(terms > 0, (left - beyond) / np.where(terms > 0, terms, 1.0), 0.0).sum())
    return value - RADIUS * float(beyond.sum()) - DISTANCE * rounding * constants, constants


@dataclass(frozen=True, eq=False)
class InfeasibilityCertificate:
    """Multipliers that prove that no point is feasible.

        lam, lam_lb, lam_ub ≥ 0,   ‖z‖ ≤ z₀ for each cone,   and   inf over x of
        Σ lamᵢfᵢ(x) + nuᵀ(Ax - b) + lam_lbᵀ(lb - x) + lam_ubᵀ(x - ub) - Σ (z₀(cᵀx + d) + zᵀ(Ax + b))ₖ > 0

    At a feasible x every term would be ≤ 0.

    Attributes
    ----------
    lam, nu, lam_lb, lam_ub : arrays, ordered as in `QCQP`
    lam_cones : tuple of arrays (z₀, z), one for each cone; empty if all are zero

    Notes
    -----
    Boyd & Vandenberghe, section 5.8, the weak alternative; section 5.9.4 for cones.

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.lp([0.0], G=[[1.0], [-1.0]], h=[1.0, -2.0])      # x ≤ 1 and x ≥ 2
    >>> certificate = ck.solve(problem).certificate
    >>> certificate.verify(problem), certificate.margin(problem) > 0
    (True, True)
    """

    lam: np.ndarray
    nu: np.ndarray
    lam_lb: np.ndarray
    lam_ub: np.ndarray
    lam_cones: tuple[np.ndarray, ...] = ()

    def margin(self, problem: QCQP) -> float:
        """The infimum above, or -inf if the multipliers prove nothing about points with |xⱼ| ≤ 1e8.

        A z that is outside its cone by rounding counts with z₀ raised to ‖z‖, and the infimum is that of the result.
        """
        margin, constants = weighted_infimum(problem, self)
        return margin if margin > 1e-12 * constants else -np.inf

    def verify(self, problem: QCQP) -> bool:
        """Whether the multipliers prove `problem` infeasible. One factorization."""
        return self.margin(problem) > 0


@dataclass(frozen=True, eq=False)
class UnboundednessCertificate:
    """A feasible point and a direction along which the objective falls without end.

        P₀d = 0,  q₀ᵀd < 0;   Pᵢd = 0,  qᵢᵀd ≤ 0;   Gd ≤ 0;   Ad = 0;   dⱼ ≥ 0 at a lower, ≤ 0 at an upper bound;
        ‖Aₖd‖ ≤ cₖᵀd for each cone

    Bounds and entries of h of 1e20 or more count as none.

    Attributes
    ----------
    x : (n,) array, a feasible point
    direction : (n,) array, d, with largest entry 1 in magnitude

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.lp([-1.0], lb=0.0)                                # maximise x over x ≥ 0
    >>> certificate = ck.solve(problem).certificate
    >>> certificate.verify(problem), certificate.direction
    (True, array([1.]))
    """

    x: np.ndarray
    direction: np.ndarray

    def falls(self, problem: QCQP) -> bool:
        """Whether d is a direction of recession of `problem` along which f₀ falls, whatever x is.

        Sums that should vanish may be off by rounding (1e-8 of their terms).
        """
        d = self.direction
        if d.shape != (problem.n,):
            raise ProblemError(f"direction has shape {d.shape}; expected ({problem.n},).")
        ad = np.abs(d)
        largest = float(ad.max(initial=0.0))
        if not np.isfinite(d).all() or largest == 0:
            return False
        # The objective first: most candidates fail there, and it is one of many.
        q = problem.objective.q
        terms = float(np.abs(q) @ ad)
        if problem.cones or any(f.structure == "operator" for f in (problem.objective, *problem.inequalities)):
            # Of a P known by products Pd = 0 can be told to a share of ‖P‖‖d‖ only, and ‖Ad‖ ≤ cᵀd to one of ‖A‖‖d‖:
            # (1, -1e-9) is not in x₁x₂ ≥ 0, but its cone is met up to rounding. What falls must not be of that size.
            terms = float(np.linalg.norm(q) * np.linalg.norm(d))
        if not self.rate(problem) < -1e-6 * terms or _bends((problem.objective,), d):
            return False
        if (d[problem.lb > -NO_BOUND] < 0).any() or (d[problem.ub < NO_BOUND] > 0).any():
            return False
        finite = problem.h < NO_BOUND
        G = problem.G[finite] if not finite.all() else problem.G
        if (G @ d > ROUNDING * row_terms(G, ad)[0]).any() \
                or (np.abs(problem.A @ d) > ROUNDING * row_terms(problem.A, ad)[0]).any():
            return False
        cones = cones_at_point(problem.cones, d, offsets=False)
        if (cones.values > ROUNDING * (cones.terms.heads + cones.terms.norms)).any():
            return False
        return not _bends(problem.inequalities, d, rising=True)

    def rate(self, problem: QCQP) -> float:
        """q₀ᵀd, by how much the objective changes for each unit along d."""
        return float(problem.objective.q @ self.direction)

    def verify(self, problem: QCQP) -> bool:
        """Whether (x, d) proves `problem` unbounded below. Two products with each P."""
        return self.falls(problem) and bool(np.isfinite(self.x).all()) \
            and kkt_residuals(problem, self.x).primal <= 1e-6 and meets_limits(problem, self.x)


def _bends(quadratics: Sequence[Quadratic], d: np.ndarray, *, rising: bool = False) -> bool:
    """Whether dᵀPd is positive for any of them, or qᵀd if `rising`, beyond rounding."""
    at = at_point(quadratics, d, operators=True)
    # dᵀPd = 0, judged against the curvature along the axes that d uses.
    rounding = max(ROUNDING**2, 4 * d.size * EPS)
    return bool((2.0 * at.half > rounding * at.curvature).any()
                or (rising and (at.linear > ROUNDING * at.linear_terms).any()))


def within_reach(problem: QCQP, x: np.ndarray) -> bool:
    """Whether x is not far out, or `meets_limits` there too: what a quick method has to show of its answer."""
    return bool(np.abs(x).max() <= FAR) or meets_limits(problem, x)


def meets_limits(problem: QCQP, x: np.ndarray) -> bool:
    """Whether no row is violated by more than 1e-4 of its limit (plus its largest coefficient), however large x is.

    Far out along a ray, where x is 1e8, a violation of 1 is rounding relative to the terms of its row, and rows that
    contradict each other look met. Relative to their limits they are not.
    """
    quadratics = at_point(problem.inequalities, x, noticeable=0.0, operators=True)
    cones = cones_at_point(problem.cones, x)
    finite = np.isfinite(problem.h)
    rows = np.where(finite, problem.G @ x - np.where(finite, problem.h, 0.0), -np.inf)
    excess = np.maximum(np.concatenate([quadratics.values + quadratics.lost, rows, cones.values]), 0.0)
    sizes = np.concatenate([np.abs(quadratics.constant) + quadratics.largest,
                            np.abs(problem.h) + row_largest(problem.G), cones.constants + cones.coefficients])
    off = np.abs(problem.equality_values(x))
    return bool((excess <= 1e-4 * sizes).all() and (off <= 1e-4 * (np.abs(problem.b) + row_largest(problem.A))).all())
