"""The semidefinite relaxation of a quadratic problem that is not convex, through cvxpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import numpy as np

from ..duality import Lagrangian
from ..errors import NotSolvedError, ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic, minimum, weighted_sum
from ..validation import dense


@dataclass(frozen=True, eq=False)
class ShorBound:
    """A lower bound of a quadratic problem from its semidefinite relaxation.

    Attributes
    ----------
    bound : float, the dual function at the relaxation's multipliers, computed here on the problem's own data: no
        feasible point is below; -inf if the multipliers are not quite in its domain
    relaxed_value : float, the relaxation's value as the semidefinite solver gave it
    x, X : (n,) and (n, n) arrays, its solution; X = xxᵀ up to rounding means that x solves the problem
    lam, nu, lam_lb, lam_ub : arrays, multipliers as in `QCQP`
    lam_levels : (n,) array, multipliers of (x - a)(x - b) = 0; zeros without levels
    rank_one : float, the largest |X - xxᵀ| over the largest |X|

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> from convexkit import cvxpy_bridge
    >>> triangle = ck.QCQP(ck.Quadratic(2 * (np.ones((3, 3)) - np.eye(3))))
    >>> round(cvxpy_bridge.shor_bound(triangle, levels=(-1, 1)).bound, 5)
    -3.0
    """

    bound: float
    relaxed_value: float
    x: np.ndarray
    X: np.ndarray
    lam: np.ndarray
    nu: np.ndarray
    lam_lb: np.ndarray
    lam_ub: np.ndarray
    lam_levels: np.ndarray
    rank_one: float


def shor_bound(problem: QCQP, *, levels: tuple[float, float] | None = None, solver: str = "CLARABEL",
               **options: Any) -> ShorBound:
    """A lower bound of a QCQP, convex or not, by Shor's semidefinite relaxation: xxᵀ is replaced by X with X ⪰ xxᵀ.

        minimise    ½tr(P₀X) + q₀ᵀx + r₀
        subject to  ½tr(PᵢX) + qᵢᵀx + rᵢ ≤ 0,  Gx ≤ h,  Ax = b,  lb ≤ x ≤ ub,   [X x; xᵀ 1] ⪰ 0

    It is the dual of the dual; the bound is that of the dual function, with the multipliers that cvxpy returns.

    Parameters
    ----------
    problem : QCQP without cones
    levels : (a, b), optional; every variable is to take one of two values: Xⱼⱼ - (a + b)xⱼ + ab = 0
    solver, options : passed to cvxpy's `solve`

    Returns
    -------
    ShorBound

    Raises
    ------
    NotSolvedError
        If the semidefinite solver ends without a solution; where the relaxation is unbounded, it gives no bound.
    ProblemError
        For cones.

    Notes
    -----
    With levels the bound is made true by raising their multipliers until P is positive definite, which costs n times
    the solver's error; without, those of convex rows are raised a little if that is needed. O(n⁶) at worst: n = 100
    takes seconds. For two levels alone `minimize_binary` has the same bound without a semidefinite solver. Boyd &
    Vandenberghe, Appendix B.3 and exercise 5.39.

    Examples
    --------
    One quadratic constraint: the relaxation is tight, and X has rank one.

    >>> import numpy as np, convexkit as ck
    >>> from convexkit import cvxpy_bridge
    >>> A, b = np.array([[2.0, 1, 0], [1, -3, 1], [0, 1, 1]]), np.array([1.0, 1, -2])
    >>> problem = ck.QCQP(ck.Quadratic(2 * A, 2 * b), [ck.Quadratic(2 * np.eye(3), None, -1.0)])
    >>> found = cvxpy_bridge.shor_bound(problem)
    >>> round(found.relaxed_value, 5), found.rank_one < 1e-3
    (-6.60077, True)
    """
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
    if problem.cones:
        raise ProblemError(f"the problem has {len(problem.cones)} cones; Shor's relaxation is that of quadratic rows.")
    n = problem.n
    Z = cp.Variable((n + 1, n + 1), PSD=True)
    X, x = Z[:n, :n], Z[:n, n]

    def lifted(f: Quadratic) -> Any:
        curved = 0.5 * cp.trace(f.hessian() @ X) if f.P is not None else 0.0
        return curved + f.q @ x + f.r

    low, high, finite = np.isfinite(problem.lb), np.isfinite(problem.ub), np.isfinite(problem.h)
    corner = Z[n, n] == 1
    quadratics = [lifted(f) <= 0 for f in problem.inequalities]
    linear = [dense(problem.G)[finite] @ x <= problem.h[finite]] if finite.any() else []
    equal = [dense(problem.A) @ x == problem.b] if problem.p else []
    lower = [x[low] >= problem.lb[low]] if low.any() else []
    upper = [x[high] <= problem.ub[high]] if high.any() else []
    a, b = levels if levels is not None else (0.0, 0.0)
    two = [cp.diag(X) - (a + b) * x + a * b == 0] if levels is not None else []
    relaxed = cp.Problem(cp.Minimize(lifted(problem.objective)),
                         [corner, *quadratics, *linear, *equal, *lower, *upper, *two])
    value = relaxed.solve(solver=solver, **options)
    if relaxed.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        raise NotSolvedError(f"the relaxation is {relaxed.status}: it gives no bound. "
                             + ("No point is feasible." if relaxed.status.startswith("infeasible") else
                                "Bounds on the variables, as quadratics (x - lb)(x - ub) ≤ 0, may help."))

    def duals(rows: list, mask: np.ndarray) -> np.ndarray:
        every = np.zeros(mask.size)
        if rows:
            every[mask] = np.reshape(rows[0].dual_value, -1)
        return every

    lam = np.maximum(np.concatenate([np.array([float(np.squeeze(c.dual_value)) for c in quadratics]),
                                     duals(linear, finite)]), 0.0)
    nu = duals(equal, np.ones(problem.p, dtype=bool))
    lam_lb, lam_ub = np.maximum(duals(lower, low), 0.0), np.maximum(duals(upper, high), 0.0)
    of_levels = duals(two, np.ones(n, dtype=bool))
    L = Lagrangian(problem).at(lam, nu, lam_lb, lam_ub)
    if levels is not None:
        bound, of_levels = _over_levels(L, of_levels, float(a), float(b))
    else:
        bound, lam = _inside_domain(problem, lam, nu, lam_lb, lam_ub)
    point, square = np.asarray(x.value), np.asarray(X.value)
    rank_one = float(np.abs(square - np.outer(point, point)).max() / max(np.abs(square).max(), 1e-300))
    return ShorBound(bound, float(value), point, square, lam, nu, lam_lb, lam_ub, of_levels, rank_one)


def _inside_domain(problem: QCQP, lam: np.ndarray, nu: np.ndarray, lam_lb: np.ndarray, lam_ub: np.ndarray
                   ) -> tuple[float, np.ndarray]:
    """The dual function at lam or, if rounding put that outside its domain, a little further along the convex rows."""
    dual = Lagrangian(problem).dual_function
    best = dual(lam, nu, lam_lb, lam_ub), lam
    convex = np.array([f.P is not None and f.is_convex() for f in problem.inequalities] + [False] * problem.h.size)
    if np.isfinite(best[0]) or not convex.any():
        return best
    for share in 10.0 ** np.arange(-10.0, -2.0):
        trial = lam + convex * share * max(1.0, float(lam.max()))
        value = dual(trial, nu, lam_lb, lam_ub)
        if value > best[0]:
            best = value, trial
    return best


def _over_levels(L: Quadratic, weights: np.ndarray, a: float, b: float) -> tuple[float, np.ndarray]:
    """inf over x of L + Σ wⱼ(xⱼ - a)(xⱼ - b), the weights raised until it is strictly convex: a bound on {a, b}ⁿ."""
    square = np.eye(L.n)
    P = L.hessian() + 2.0 * np.diag(weights)
    room = 1e-10 * max(float(np.linalg.norm(P)), 1e-300)
    lift = max(room - float(np.linalg.eigvalsh(P)[0]), 0.0) / 2.0
    raised = weights + lift
    ring = Quadratic(2.0 * square * raised, -(a + b) * raised, a * b * float(raised.sum()))
    value, x, leftover = minimum(weighted_sum([1.0, 1.0], [L, ring]))
    if x is None:
        return -np.inf, raised
    # The tangent at x bounds from below; over the box of the levels it loses no more than this.
    lost = np.maximum(-leftover * a, -leftover * b) if leftover.any() else np.zeros(L.n)
    return value - float(np.maximum(lost, 0.0).sum()), raised
