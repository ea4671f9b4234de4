"""Nearest points of two sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..errors import ProblemError
from ..problem import QCQP, SecondOrderCone
from ..quadratic import Quadratic
from ..quadratic.matrices import FactoredMatrix
from ..solution import Solution, Status
from ..validation import in_range
from .attainment import escape
from .projection import SMALL, displaced, returned, tightly, with_objective
from .sets import ConvexSet, as_set

# A distance below this share of the points' size is the square root of what a solver leaves of ½d²: there the sets are
# asked for a point that they share.
NEAR = 1e-4
# A common point this many times farther out than points held back by the smallest weight is one of those that run away.
BEYOND = 10.0
# Up to so many variables an identity is stored in full.
LARGEST_DENSE = 200


@dataclass(frozen=True, eq=False)
class NearestPoints:
    """A pair of points of two sets that are as near to each other as any.

    Attributes
    ----------
    x, y : (n,) arrays, points of the first and the second set; NaN where a set is empty or no pair attains the distance
    distance : float, ‖x - y‖; inf if a set is empty
    attained : bool or None, whether there is such a pair; None where that is not known
    direction : (n,) array or None; where the distance is not attained, the direction in which near pairs run away
    problem : QCQP, minimise ½‖x - y‖² over both constraints, in (z₁, z₂)
    solution : Solution of it, with the multipliers of both sets
    status, success, message, nit : `optimal_inaccurate` where the distance is approached but not attained

    Examples
    --------
    >>> import convexkit as ck
    >>> near = ck.nearest_points(ck.ConvexSet.ball([0.0, 0.0], 1.0), ck.ConvexSet.ball([4.0, 3.0], 2.0))
    >>> near.x.round(6), near.y.round(6), round(near.distance, 6), near.attained
    (array([0.8, 0.6]), array([2.4, 1.8]), 2.0, True)
    """

    status: Status
    message: str
    x: np.ndarray
    y: np.ndarray
    distance: float
    attained: bool | None
    direction: np.ndarray | None
    problem: QCQP
    solution: Solution
    success: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "success", self.status is Status.OPTIMAL)

    @property
    def nit(self) -> int:
        """Iterations of the solver."""
        return self.solution.nit


def nearest_points(C: Any, D: Any, *, tol: float = 1e-8) -> NearestPoints:
    """The distance of two convex sets, and a pair of points that attains it.

        minimise ½‖x - y‖²   subject to  x in C,  y in D

    Parameters
    ----------
    C, D : ConvexSet; or a QCQP, Quadratic or SecondOrderCone, which stand for the set that they state
    tol : float, as for `solve`

    Returns
    -------
    NearestPoints
        `infeasible` with a certificate if a set is empty. Sets that meet have distance 0 and one common point.

    Raises
    ------
    NotConvexError, ProblemError
        As `project`.

    Notes
    -----
    Sets of rows, bounds and convex quadratics always have a nearest pair. With second-order cones the distance may be
    approached only by points that run away: then there is a direction of recession in which a cone opens, which one
    more problem looks for, and three with ½w‖(x, y)‖² added for falling w tell whether points follow it.

    Examples
    --------
    >>> import convexkit as ck
    >>> hyperbola = ck.SecondOrderCone([[0.0, 0.0], [1.0, -1.0]], [2.0, 0.0], [1.0, 1.0])      # x₁x₂ ≥ 1, x ≥ 0
    >>> near = ck.nearest_points(hyperbola, ck.ConvexSet.halfspace([0.0, 1.0], 0.0))           # x₂ ≤ 0
    >>> near.attained, near.distance < 1e-3, near.status.value, near.x
    (False, True, 'optimal_inaccurate', array([nan, nan]))
    """
    C, D = as_set("C", C), as_set("D", D)
    if C.n != D.n:
        raise ProblemError(f"C lies in {C.n} dimensions, D in {D.n}; they must agree.")
    tol = in_range("tol", tol, 1e-12, 1e-2, low_open=False, high_open=False)
    constraints, F, off = together(C, D)
    q, r = F.T @ off, 0.5 * float(off @ off)
    # Two rows of a sparse F share no more than one variable: FᵀF is as sparse as it is.
    objective = Quadratic(sp.csr_array(F.T @ F), q, r) if sp.issparse(F) else Quadratic.from_factor(F, None, q, r)
    problem = with_objective(constraints, objective)
    solution = _sharpened(problem, tightly(problem, tol), tol)
    k = C.constraints.n
    nothing = np.full(C.n, np.nan)
    if solution.status is Status.INFEASIBLE:
        return NearestPoints(solution.status, f"a set is empty: {solution.message}", nothing, nothing, np.inf, False,
                             None, problem, solution)
    if not np.isfinite(solution.x).all():
        return NearestPoints(solution.status, solution.message, nothing, nothing, np.nan, None, None, problem, solution)
    x, y = C.point(solution.x[:k]), D.point(solution.x[k:])
    distance = float(np.linalg.norm(x - y))
    run = escape(problem, solution) if problem.cones else None
    if distance <= NEAR * max(1.0, *(float(abs(v).max()) for v in (x, y, off))):
        shared = _shared(constraints, F, off, tol)
        # The shortest common point, if there is one, is longer than any that was held back, but not by much.
        if shared is not None and (run is None or float(np.linalg.norm(shared)) <= BEYOND * run.reach):
            x = C.point(shared[:k])
            return NearestPoints(Status.OPTIMAL, "the sets meet.", x, x, 0.0, True, None, problem, solution)
    if run is not None and run.escapes:
        along = run.direction[:k] if C.matrix is None else C.matrix @ run.direction[:k]
        return NearestPoints(Status.OPTIMAL_INACCURATE, f"the distance is not attained: {run.message}", nothing,
                             nothing, distance, False, along / np.linalg.norm(along), problem, solution)
    attained = None if run is not None and run.escapes is None else solution.success or None
    return NearestPoints(solution.status, solution.message, x, y, distance, attained, None, problem, solution)


def _sharpened(problem: QCQP, solution: Solution, tol: float) -> Solution:
    """A small distance, solved for once more in units of itself, from where it was found.

    Gaps are relative to at least 1, and ½d² is far below: of a d of 1e-4 the first solve leaves 1 % open.
    """
    for _ in range(2):
        distance = float(np.sqrt(max(2.0 * solution.value, 0.0)))
        if not (solution.success and 0.0 < distance < SMALL):
            break
        again = tightly(displaced(problem, solution.x, distance), tol)
        better = returned(problem, again, solution.x, distance, tol) if again.success else solution
        if not better.value <= solution.value or better.residuals is None or better.residuals.primal > tol:
            break
        settled = better.value > 0.98 * solution.value
        solution = better
        if settled:
            break
    return solution


def _shared(constraints: QCQP, F: Any, off: np.ndarray, tol: float) -> np.ndarray | None:
    """The shortest (z₁, z₂) with x = y; None if none was found."""
    joined = QCQP(Quadratic.from_factor(np.zeros((0, constraints.n)), 1.0), constraints.inequalities, G=constraints.G,
                  h=constraints.h, A=stacked_rows(constraints.A, F), b=np.append(constraints.b, -off),
                  lb=constraints.lb, ub=constraints.ub, cones=constraints.cones)
    found = tightly(joined, tol)
    return found.x if found.residuals is not None and found.residuals.primal <= tol else None


def together(C: ConvexSet, D: ConvexSet) -> tuple[QCQP, Any, np.ndarray]:
    """The constraints of both sets on (z₁, z₂), and (F, off) with x - y = F(z₁, z₂) + off."""
    first, second = C.constraints, D.constraints
    k, m = first.n, second.n
    inequalities = [lifted(f, 0, m) for f in first.inequalities] + [lifted(f, k, 0) for f in second.inequalities]
    cones = [widened(c, 0, m) for c in first.cones] + [widened(c, k, 0) for c in second.cones]

    def stacked(above: Any, below: Any) -> Any:
        return sp.block_diag([above, below], format="csr") if sp.issparse(above) or sp.issparse(below) else \
            np.block([[above, np.zeros((above.shape[0], m))], [np.zeros((below.shape[0], k)), below]])

    both = QCQP(Quadratic(None, np.zeros(k + m)), inequalities, G=stacked(first.G, second.G),
                h=np.append(first.h, second.h), A=stacked(first.A, second.A), b=np.append(first.b, second.b),
                lb=np.append(first.lb, second.lb), ub=np.append(first.ub, second.ub), cones=cones)
    M, N = (_identity(z) if S.matrix is None else S.matrix for S, z in ((C, k), (D, m)))
    off = (np.zeros(C.n) if C.offset is None else C.offset) - (np.zeros(D.n) if D.offset is None else D.offset)
    F = sp.hstack([M, -N], format="csr") if sp.issparse(M) or sp.issparse(N) else np.hstack([M, -N])
    return both, F, off


def stacked_rows(above: Any, below: Any) -> Any:
    """One matrix on top of the other, sparse if either is."""
    if sp.issparse(above) or sp.issparse(below):
        return sp.vstack([above, below], format="csr")
    return np.vstack([above, below])


def _identity(n: int) -> Any:
    return np.eye(n) if n <= LARGEST_DENSE else sp.eye_array(n, format="csr")


def lifted(f: Quadratic, before: int, after: int, q_after: Any = None) -> Quadratic:
    """f as a function of more variables, before and after its own; q_after are the slopes in the last of them."""
    q = np.concatenate([np.zeros(before), f.q, np.zeros(after) if q_after is None else q_after])
    if f.P is None:
        return Quadratic(None, q, f.r)
    if isinstance(f.P, FactoredMatrix):
        F = f.P.factor
        wide = sp.hstack([sp.csr_array((F.shape[0], before)), F, sp.csr_array((F.shape[0], after))], format="csr") \
            if sp.issparse(F) else np.pad(F, ((0, 0), (before, after)))
        return Quadratic.from_factor(wide, np.pad(f.P.diag, (before, after)), q, f.r)
    if sp.issparse(f.P):
        return Quadratic(sp.block_diag([sp.csr_array((before, before)), f.P, sp.csr_array((after, after))],
                                       format="csr"), q, f.r)
    return Quadratic(np.pad(f.hessian(), (before, after)), q, f.r)


def widened(cone: SecondOrderCone, before: int, after: int, c_after: Any = None) -> SecondOrderCone:
    """A cone in more variables."""
    A = sp.hstack([sp.csr_array((cone.size - 1, before)), cone.A, sp.csr_array((cone.size - 1, after))], format="csr") \
        if sp.issparse(cone.A) else np.pad(cone.A, ((0, 0), (before, after)))
    c = np.concatenate([np.zeros(before), cone.c, np.zeros(after) if c_after is None else c_after])
    return SecondOrderCone(A, cone.b, c, cone.d)
