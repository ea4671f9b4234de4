"""One problem: check the options, choose a method, run it, judge its answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dual_method import solve_by_products
from ..errors import ProblemError
from ..interior_point import (
    Multipliers,
    Outcome,
    Settings,
    limited_threads,
    over_one_ellipsoid,
    run,
    run_compiled,
)
from ..problem import QCQP
from ..solution import IterationRecord, Solution, Status
from ..validation import as_count, in_range
from .convexity import convex_lagrangian, proved_late, require_convex
from .units import is_sharp, sharpened
from .verdict import infeasible, judged, residuals_at, unbounded

METHODS = ("auto", "interior-point", "dual")
# Up to so many variables `auto` forms the P's of a problem that the dual method leaves open.
FORMED = 1000


def solve(problem: QCQP, *, tol: float = 1e-8, method: str = "auto", maxiter: int = 100,
          time_limit: float | None = None, callback: Callable[[IterationRecord], Any] | None = None,
          warm_start: Solution | None = None) -> Solution:
    """Solve a convex QCQP to a certified answer.

    Parameters
    ----------
    problem : QCQP
    tol : float in [1e-12, 1e-2]
        Bound on the relative KKT residuals and gap of an `optimal` answer, on the data as given.
    method : "auto", "interior-point" or "dual"
        "dual" is for P's that are known by their products and few constraints besides bounds: conjugate gradient and a
        few multipliers, nothing of size n×n. "auto" takes it if a P is an operator, and forms the P's of a problem that
        it leaves open if n ≤ 1000. "interior-point" asks an operator for all its columns.
    maxiter : int ≥ 1, iterations
    time_limit : float > 0, optional, seconds of wall time
    callback : callable(IterationRecord), optional, called once an iteration
    warm_start : Solution, optional
        Of a similar problem with the same shapes: saves iterations where data change a little. The answer is judged as
        ever; a solution without a point is ignored.

    Returns
    -------
    Solution
        `optimal`, `infeasible` or `unbounded` with evidence that has been checked on the user's data;
        `optimal_inaccurate` if residuals stop between tol and 1e-5; else the reason for stopping, with the
        best point found. Ctrl-C ends the iteration and returns the same way, with status `interrupted`.

    Raises
    ------
    NotConvexError
        If a P has an eigenvalue below -1e-12·‖P‖; names the row and the eigenvalue. More than two dense P's with
        more than 128 variables are not all factored for that: there P₀ + Σ lamᵢPᵢ ⪰ 0 is proved of the answer, which
        makes it optimal whatever the single P's are, and every P is checked only where it cannot be proved. An operator
        is taken at its word until conjugate gradient meets a direction of negative curvature.
    ProblemError
        If an option is out of range, or an operator is not symmetric or returns what it should not.

    Notes
    -----
    Homogeneous interior-point method, 5 to 12 iterations as a rule, each with one n×n Cholesky
    factorization. The convexity check costs one more for each P, or one in all (see above). Dense problems with up to
    256 variables are iterated in machine code once `python -m convexkit compile` was run; without it, and with a
    callback, by NumPy, with the same iterates up to rounding.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> problem = ck.QCQP(ck.Quadratic(np.eye(2), [-3.0, -4.0]), [ck.Quadratic(2 * np.eye(2), [0, 0], -1.0)])
    >>> solution = ck.solve(problem)
    >>> solution.status.value, solution.x.round(6), solution.lam.round(6)
    ('optimal', array([0.6, 0.8]), array([2.]))
    """
    start = time.perf_counter()
    if callback is not None and not callable(callback):
        raise ProblemError(f"callback must be callable; got {type(callback).__name__}.")
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}. A cvxpy problem goes through "
                           "convexkit.cvxpy_bridge.from_cvxpy.")
    if method not in METHODS:
        raise ProblemError(f"method = {method!r} is not known; choose one of {', '.join(map(repr, METHODS))}.")
    settings, warm = settings_of(tol, maxiter, time_limit), _warm(problem, warm_start)
    if method == "dual":
        return solve_by_products(problem, settings, callback, start, None if warm is None else warm.x)
    return (routed if method == "auto" else _alone)(problem, settings, callback, start, warm)


def routed(problem: QCQP, settings: Settings, callback: Callable[[IterationRecord], Any] | None, start: float,
           warm: Multipliers | None = None) -> Solution:
    """By products where a P is an operator, unless there are cones; by the interior point where that is left open."""
    # A sum of sparse and factored matrices shows its entries; only a product does not.
    hidden = any(f.structure == "operator" and not hasattr(f.P, "toarray")
                 for f in (problem.objective, *problem.inequalities))
    if hidden and not problem.cones:
        solution = solve_by_products(problem, settings, callback, start, None if warm is None else warm.x)
        if problem.n > FORMED or solution.status is not Status.NUMERICAL_ERROR:
            return solution
    return _alone(problem, settings, callback, start, warm)


def _warm(problem: QCQP, solution: Solution | None) -> Multipliers | None:
    """The point to start near, checked against the problem's shapes."""
    if solution is None:
        return None
    if not isinstance(solution, Solution):
        raise ProblemError(f"warm_start must be a Solution; got {type(solution).__name__}.")
    point = Multipliers(solution.x, solution.lam, solution.nu, solution.lam_lb, solution.lam_ub, solution.lam_cones)
    sizes = [cone.size for cone in problem.cones]
    for name, given, expected in (("x", point.x.size, problem.n), ("lam", point.lam.size, problem.m),
                                  ("nu", point.nu.size, problem.p),
                                  ("lam_cones", [z.size for z in point.lam_cones], sizes)):
        if given != expected:
            raise ProblemError(f"warm_start is of another problem: its {name} has size {given}; expected {expected}.")
    every = (*vars(point).values(),)[:5]
    return point if all(np.isfinite(v).all() for v in (*every, *point.lam_cones)) else None


def settings_of(tol: float, maxiter: int, time_limit: float | None) -> Settings:
    """The options of the iteration, checked."""
    return Settings(
        tol=in_range("tol", tol, 1e-12, 1e-2, low_open=False, high_open=False),
        maxiter=as_count("maxiter", maxiter, minimum=1),
        time_limit=np.inf if time_limit is None else in_range("time_limit", time_limit, 0.0, np.inf, high_open=False),
    )


def _alone(problem: QCQP, settings: Settings, callback: Callable[[IterationRecord], Any] | None,
           start: float, warm: Multipliers | None = None) -> Solution:
    solution = _as_given(problem, settings, callback, start, warm)
    if is_sharp(problem, solution, settings.tol):
        return solution
    return sharpened(problem, solution, settings, callback, start,
                     lambda other, left, tell: _as_given(other, left, tell, time.perf_counter()))


def _as_given(problem: QCQP, settings: Settings, callback: Callable[[IterationRecord], Any] | None,
              start: float, warm: Multipliers | None = None) -> Solution:
    found = run_compiled(problem, settings, warm, proved_late(problem)) if callback is None else None
    if found is not None:
        solution = judged(problem, found, settings, start)
        if solution.success:
            return solution
    with limited_threads():
        return _solved(problem, settings, callback, start, warm)


def _solved(problem: QCQP, settings: Settings, callback: Callable[[IterationRecord], Any] | None, start: float,
            warm: Multipliers | None) -> Solution:
    if (point := over_one_ellipsoid(problem)) is not None:
        residuals = residuals_at(problem, point)
        if residuals.max() <= settings.tol:
            outcome = Outcome("converged", point, point, None, None, 0, "closed form", residuals)
            return judged(problem, outcome, settings, start)
    late = proved_late(problem)
    require_convex(problem, late)
    outcome = run(problem, settings, callback, warm)
    if outcome.kind == "infeasible":
        return infeasible(problem, outcome.certificate, outcome.nit, outcome.backend, start)
    if late and not (outcome.kind == "converged" and (outcome.convex or convex_lagrangian(problem, outcome.point))):
        require_convex(problem)
    if outcome.kind == "unbounded":
        return unbounded(problem, outcome, settings, start)
    return judged(problem, outcome, settings, start)
