"""The nearest point of a set, with the multipliers that prove it nearest."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..duality import kkt_residuals
from ..interior_point import Multipliers
from ..problem import QCQP, SecondOrderCone
from ..quadratic import Quadratic
from ..solution import Solution, Status
from ..solver import solve
from ..validation import as_vector, dense, in_range
from .sets import ConvexSet, as_set

# A gap of ε in ½d² leaves √ε of uncertainty in the point: the solver is asked for so much more than the caller is.
TIGHTER = 1e-2
# Below this distance gaps, which are relative to at least 1, say too little about ½‖x - point‖².
SMALL = 0.03
# A distance below this, relative to the point's size, may be the square root of what a solver leaves of its square.
NEAR = 1e-4


@dataclass(frozen=True, eq=False)
class Projection:
    """The point of a set that is nearest to another, and why no point is nearer.

    Attributes
    ----------
    x : (n,) array, the nearest point; NaN if the set is empty
    distance : float, ‖point - x‖; inf if the set is empty
    normal : (n,) array, the unit vector (point - x)/distance, zero if the point is in the set. The halfspace
        normalᵀz ≤ normalᵀx contains the set
    problem : QCQP, minimise ½‖Mz + c - point‖² over the constraints of the set
    solution : Solution of it: z, multipliers, residuals; the certificate if the set is empty. Where the set is stated
        by its constraints, point - x = Σ lamᵢ∇fᵢ(x) + Gᵀlam + Aᵀnu - lam_lb + lam_ub, a vector of the normal cone
    status, success, message, nit : those of the solution
    method : "closed form" or "interior-point"

    Examples
    --------
    >>> import convexkit as ck
    >>> found = ck.project([3.0, 4.0], ck.ConvexSet.ball([0.0, 0.0], 1.0))
    >>> found.x.round(6), found.distance, found.method
    (array([0.6, 0.8]), 4.0, 'closed form')
    >>> found.solution.lam                        # point - x = lam·x
    array([4.])
    """

    status: Status
    message: str
    x: np.ndarray
    distance: float
    normal: np.ndarray
    problem: QCQP
    solution: Solution
    method: str
    success: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "success", self.status is Status.OPTIMAL)

    @property
    def nit(self) -> int:
        """Iterations of the solver; 0 in closed form."""
        return self.solution.nit


def project(point: Any, onto: Any, *, tol: float = 1e-8) -> Projection:
    """The point of a convex set that is nearest to `point`.

        minimise ½‖x - point‖²   subject to  x in the set

    Parameters
    ----------
    point : (n,) array
    onto : ConvexSet; or a QCQP, Quadratic or SecondOrderCone, which stand for the set that they state
    tol : float, on the KKT residuals of the answer

    Returns
    -------
    Projection
        `infeasible` with a certificate if the set is empty.

    Raises
    ------
    NotConvexError
        If a quadratic of the set is not convex.
    ProblemError
        For a point of another dimension, or an option out of range.

    Notes
    -----
    Closed forms: halfspace, affine set, box, ball, simplex, ℓ₁ ball, second-order and monotone cone in O(n log n) at
    most; ellipsoids and single quadratics by a secular equation, O(n³); convex hulls and generated cones by
    non-negative least squares. Any other set goes to `solve`, in the coordinates of the displacement. Either answer is
    judged by the same residuals. The nearest point of a closed set always exists and is unique.
    Boyd & Vandenberghe, section 8.1.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> ck.project([2.0, 1.0, -1.0], ck.ConvexSet.simplex(3)).x
    array([1., 0., 0.])
    >>> hyperbola = ck.SecondOrderCone([[0.0, 0.0], [1.0, -1.0]], [2.0, 0.0], [1.0, 1.0])       # x₁x₂ ≥ 1, x ≥ 0
    >>> found = ck.project([0.0, 0.0], hyperbola)
    >>> found.x.round(6), round(found.distance, 6)
    (array([1., 1.]), 1.414214)
    """
    start = time.perf_counter()
    C = as_set("onto", onto)
    a = as_vector("point", point, C.n)
    tol = in_range("tol", tol, 1e-12, 1e-2, low_open=False, high_open=False)
    problem = _problem(C, a)
    if C.matrix is None and violation(C.constraints, a) == 0.0:
        solution = _judged(problem, _at_rest(problem, a), tol, start)
        if solution is not None:
            return _projection(C, a, problem, solution)
    found = C.form.nearest(a)
    solution = None if found is None else _judged(problem, found, tol, start, _arrived(C, a, found.x))
    if solution is None:
        solution = _by_solver(C, a, problem, tol, start)
    if C.matrix is not None and np.isfinite(solution.x).all():
        # Of the squared distance a solver leaves about tol: near zero, ask whether the point is in the set.
        near = float(np.linalg.norm(a - C.point(solution.x))) <= NEAR * max(1.0, float(abs(a).max()))
        z = preimage(C, a, tol) if near and not _arrived(C, a, solution.x) else None
        if z is not None and (inside := _judged(problem, _at_rest(problem, z), tol, start, True)) is not None:
            solution = inside
    return _projection(C, a, problem, solution)


def preimage(C: ConvexSet, x: np.ndarray, tol: float) -> np.ndarray | None:
    """The shortest z that meets the constraints with Mz + c = x; None if none was found, up to tol."""
    assert C.matrix is not None
    assert C.offset is not None
    pr = C.constraints
    found = solve(QCQP(Quadratic.from_factor(np.zeros((0, pr.n)), 1.0), pr.inequalities, G=pr.G, h=pr.h,
                       A=np.vstack([dense(pr.A), C.matrix]), b=np.append(pr.b, x - C.offset), lb=pr.lb, ub=pr.ub,
                       cones=pr.cones), tol=max(TIGHTER * tol, 1e-12))
    return found.x if found.residuals is not None and found.residuals.primal <= tol else None


def _arrived(C: ConvexSet, a: np.ndarray, z: np.ndarray) -> bool:
    """Whether the distance is rounding: there is no slope then that multipliers could balance."""
    if C.matrix is None or C.offset is None:
        return False
    size = float(abs(C.matrix).max(initial=0.0)) * float(abs(z).sum()) + float(abs(C.offset).max() + abs(a).max())
    return float(np.linalg.norm(a - C.point(z))) <= 8 * float(np.finfo(float).eps) * size


def violation(problem: QCQP, x: np.ndarray) -> float:
    """The largest violation of a constraint at x, relative to its terms."""
    return kkt_residuals(problem, x).primal


def tightly(problem: QCQP, tol: float) -> Solution:
    """`solve` to a hundredth of tol, and what falls short of that is still optimal if it keeps tol itself."""
    solution = solve(problem, tol=max(TIGHTER * tol, 1e-12))
    return accepted(solution, tol)


def accepted(solution: Solution, tol: float) -> Solution:
    """An answer that keeps tol, though not the hundredth of it that was asked for, is optimal."""
    if solution.success or solution.residuals is None or solution.residuals.max() > tol:
        return solution
    return replace(solution, status=Status.OPTIMAL, message=f"solved to {solution.residuals.max():.1e}.")


def _problem(C: ConvexSet, a: np.ndarray) -> QCQP:
    """minimise ½‖Mz + c - a‖² over the constraints of C."""
    if C.matrix is None or C.offset is None:
        objective = Quadratic.from_factor(np.zeros((0, C.n)), 1.0, -a, 0.5 * float(a @ a)) if C.n > 100 \
            else Quadratic(np.eye(C.n), -a, 0.5 * float(a @ a))
    else:
        off = C.offset - a
        objective = Quadratic.from_factor(C.matrix, None, C.matrix.T @ off, 0.5 * float(off @ off))
    return with_objective(C.constraints, objective)


def with_objective(constraints: QCQP, objective: Quadratic) -> QCQP:
    """The same constraints under another objective."""
    return QCQP(objective, constraints.inequalities, G=constraints.G, h=constraints.h, A=constraints.A,
                b=constraints.b, lb=constraints.lb, ub=constraints.ub, cones=constraints.cones)


def _at_rest(problem: QCQP, z: np.ndarray) -> Multipliers:
    zero = np.zeros(problem.n)
    return Multipliers(z, np.zeros(problem.m), np.zeros(problem.p), zero, zero,
                       tuple(np.zeros(cone.size) for cone in problem.cones))


def _judged(problem: QCQP, point: Multipliers, tol: float, start: float, arrived: bool = False) -> Solution | None:
    """The answer in closed form, or None if rounding has spoilt it."""
    residuals = kkt_residuals(problem, point.x, point.lam, point.nu, point.lam_lb, point.lam_ub, point.lam_cones)
    if not (residuals.primal if arrived else residuals.max()) <= tol:
        return None
    return Solution(Status.OPTIMAL, f"closed form, residuals {residuals.max():.1e}.", point.x, point.lam, point.nu,
                    point.lam_lb, point.lam_ub, residuals.value, residuals.dual_value, residuals, None, 0,
                    time.perf_counter() - start, "closed form", point.lam_cones)


def _by_solver(C: ConvexSet, a: np.ndarray, problem: QCQP, tol: float, start: float) -> Solution:
    """Solved in d = (x - a)/unit where the set is stated by its constraints, so that gaps are relative to ‖d‖².

    The unit is 1 at first; if the distance turns out small, the problem is solved once more with it as the unit.
    """
    if C.matrix is not None:
        return tightly(problem, tol)
    near = tightly(displaced(problem, a), tol)
    if near.certificate is not None or not np.isfinite(near.x).all():
        return near
    distance = float(np.linalg.norm(near.x))
    found = returned(problem, near, a, 1.0, tol)
    if near.success and 0.0 < distance < SMALL:
        again = tightly(displaced(problem, a, distance), tol)
        if again.success:
            found = returned(problem, again, a, distance, tol)
    return replace(found, seconds=time.perf_counter() - start)


def returned(problem: QCQP, near: Solution, a: np.ndarray, s: float, tol: float) -> Solution:
    """The solution of `displaced`, for the problem itself.

    The objective was divided by s² and the rows were not, so that their multipliers are s² times as large; bounds were
    divided by s, and theirs are s times as large.
    """
    x = s * near.x + a
    lam, nu, lam_lb, lam_ub = s**2 * near.lam, s**2 * near.nu, s * near.lam_lb, s * near.lam_ub
    cones = tuple(s**2 * z for z in near.lam_cones)
    residuals = kkt_residuals(problem, x, lam, nu, lam_lb, lam_ub, cones)
    return replace(near, x=x, lam=lam, nu=nu, lam_lb=lam_lb, lam_ub=lam_ub, lam_cones=cones, value=residuals.value,
                   dual_value=residuals.dual_value, residuals=residuals if residuals.max() <= tol else near.residuals)


def displaced(problem: QCQP, a: np.ndarray, s: float = 1.0) -> QCQP:
    """The problem in d = (x - a)/s, with its objective divided by s²."""
    def shifted(f: Quadratic) -> Quadratic:
        return Quadratic(None, s * f.gradient(a), f(a)) if f.P is None else \
            Quadratic(f.P if s == 1.0 else s * s * f.hessian(), s * f.gradient(a), f(a))

    f0 = problem.objective
    return QCQP(Quadratic(f0.P, f0.gradient(a) / s, f0(a) / s**2), [shifted(f) for f in problem.inequalities],
                G=s * problem.G, h=problem.h - problem.G @ a, A=s * problem.A, b=problem.b - problem.A @ a,
                lb=(problem.lb - a) / s, ub=(problem.ub - a) / s,
                cones=[SecondOrderCone(s * k.A, k.b + k.A @ a, s * k.c, k.d + float(k.c @ a)) for k in problem.cones])


def _projection(C: ConvexSet, a: np.ndarray, problem: QCQP, solution: Solution) -> Projection:
    x = C.point(solution.x)
    if solution.status is Status.INFEASIBLE:
        x = np.full(C.n, np.nan)
        return Projection(solution.status, f"the set is empty: {solution.message}", x, np.inf, np.zeros(C.n), problem,
                          solution, solution.method)
    away = a - x
    distance = float(np.linalg.norm(away))
    normal = away / distance if distance > 0 else np.zeros(C.n)
    return Projection(solution.status, solution.message, x, distance, normal, problem, solution, solution.method)
