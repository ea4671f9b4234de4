"""The front door: check convexity, choose a method, and certify what comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import replace
from typing import Any

import numpy as np

from .dual_method import solve_by_products
from .duality import (
    InfeasibilityCertificate,
    KKTResiduals,
    Lagrangian,
    UnboundednessCertificate,
    coefficient_size,
    kkt_residuals,
    within_reach,
)
from .errors import NotConvexError, ProblemError
from .interior_point import (
    Multipliers,
    Outcome,
    Settings,
    all_threads,
    limited_threads,
    over_one_ellipsoid,
    run,
    run_batch,
    run_compiled,
    shape_key,
)
from .problem import QCQP
from .quadratic import doubtful, weighted_sum
from .solution import IterationRecord, Solution, Status
from .validation import as_count, in_range

METHODS = ("auto", "interior-point", "dual")
# Up to so many variables `auto` forms the P's of a problem that the dual method leaves open.
FORMED = 1000
# Above this many variables it takes as long to factor every dense P as to solve the problem.
LATE = 256
# A batch of fewer problems gains nothing; a larger one than BATCH no longer does, and takes memory.
SMALLEST_BATCH, BATCH = 3, 1000
# Pieces into which an executor's work on problems of one shape is cut: enough to keep a machine's cores evenly busy.
PIECES = 64


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
        more than 256 variables are not all factored for that: there P₀ + Σ lamᵢPᵢ ⪰ 0 is proved of the answer, which
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
    settings, warm = _settings(tol, maxiter, time_limit), _warm(problem, warm_start)
    if method == "dual":
        return solve_by_products(problem, settings, callback, start, None if warm is None else warm.x)
    return (_routed if method == "auto" else _alone)(problem, settings, callback, start, warm)


def _routed(problem: QCQP, settings: Settings, callback: Callable[[IterationRecord], Any] | None, start: float,
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


def _settings(tol: float, maxiter: int, time_limit: float | None) -> Settings:
    return Settings(
        tol=in_range("tol", tol, 1e-12, 1e-2, low_open=False, high_open=False),
        maxiter=as_count("maxiter", maxiter, minimum=1),
        time_limit=np.inf if time_limit is None else in_range("time_limit", time_limit, 0.0, np.inf, high_open=False),
    )


def _alone(problem: QCQP, settings: Settings, callback: Callable[[IterationRecord], Any] | None,
           start: float, warm: Multipliers | None = None) -> Solution:
    if callback is None and (found := run_compiled(problem, settings, warm)) is not None:
        solution = _judged(problem, found, settings, start)
        if solution.success:
            return solution
    with limited_threads():
        return _solved(problem, settings, callback, start, warm)


def _solved(problem: QCQP, settings: Settings, callback: Callable[[IterationRecord], Any] | None, start: float,
            warm: Multipliers | None) -> Solution:
    if (point := over_one_ellipsoid(problem)) is not None:
        residuals = _residuals(problem, point)
        if residuals.max() <= settings.tol:
            outcome = Outcome("converged", point, point, None, None, 0, "closed form", residuals)
            return _judged(problem, outcome, settings, start)
    late = _proved_late(problem)
    require_convex(problem, late)
    outcome = run(problem, settings, callback, warm)
    if outcome.kind == "infeasible":
        return _infeasible(problem, outcome.certificate, outcome.nit, outcome.backend, start)
    if late and not (outcome.kind == "converged" and _convex_lagrangian(problem, outcome.point)):
        require_convex(problem)
    if outcome.kind == "unbounded":
        return _unbounded(problem, outcome, settings, start)
    return _judged(problem, outcome, settings, start)


def solve_many(problems: Sequence[QCQP], *, tol: float = 1e-8, maxiter: int = 100, time_limit: float | None = None,
               executor: Executor | None = None, callback: Callable[[int, int], Any] | None = None) -> list[Solution]:
    """Solve many problems; small dense ones of one shape are iterated side by side.

    Parameters
    ----------
    problems : sequence of QCQP, of any shapes
    tol, maxiter, time_limit : as for `solve`; the time limit holds for each batch, and for each problem alone
    executor : concurrent.futures.Executor, optional
        Spreads batches and single problems over its workers: a process pool, or the executor of dask, ray or mpi4py.
    callback : callable(int, int), optional
        For a progress bar: called with the number of problems done, and of all, after each batch or single problem.

    Returns
    -------
    list of Solution, in the order of the problems
        As from `solve`. A member of a batch that is not plainly solved is solved again alone, so verdicts and
        certificates are the same. `seconds` of a member is its share of the batch.

    Raises
    ------
    NotConvexError, ProblemError
        As `solve`; the message starts with the index of the problem.

    Notes
    -----
    Batches need at least three dense problems with the same sizes and the same finite bounds, of up to 64 variables;
    up to 16 where the compiled kernel is in use, which solves larger ones faster one by one. One thousand problems
    with n = 8, m = 3 take about a sixtieth of the time of a loop over `solve` without the kernel.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> disc = ck.Quadratic(2 * np.eye(2), np.zeros(2), -1.0)
    >>> problems = [ck.QCQP(ck.Quadratic(None, [np.cos(t), np.sin(t)]), [disc]) for t in (0.0, 1.0, 2.0, 3.0)]
    >>> [round(solution.value, 6) for solution in ck.solve_many(problems)]
    [-1.0, -1.0, -1.0, -1.0]
    """
    if isinstance(problems, QCQP):
        raise ProblemError("problems must be a sequence of QCQP; use solve for one.")
    if executor is not None and not hasattr(executor, "submit"):
        raise ProblemError(f"executor must have a submit method, as concurrent.futures.Executor; got "
                           f"{type(executor).__name__}.")
    if callback is not None and not callable(callback):
        raise ProblemError(f"callback must be callable; got {type(callback).__name__}.")
    problems = list(problems)
    for i, problem in enumerate(problems):
        if not isinstance(problem, QCQP):
            raise ProblemError(f"problems[{i}] must be a QCQP; got {type(problem).__name__}.")
    settings = _settings(tol, maxiter, time_limit)
    groups: dict[Any, list[int]] = {}
    for i, problem in enumerate(problems):
        groups.setdefault(shape_key(problem), []).append(i)
    pieces: list[tuple[bool, list[int]]] = []
    for key, members in groups.items():
        together = key is not None and len(members) >= SMALLEST_BATCH
        if executor is None:
            size = BATCH if together else 1
        else:
            size = max(SMALLEST_BATCH, -(-len(members) // PIECES))
        pieces += [(together, members[k:k + size]) for k in range(0, len(members), size)]
    work = [(together, [problems[i] for i in members], settings) for together, members in pieces]
    done = 0

    def tell(piece: int) -> None:
        nonlocal done
        done += len(pieces[piece][1])
        if callback is not None:
            callback(done, len(problems))

    answers: list[list[Solution | ProblemError]] = []
    if executor is None:
        for k, arguments in enumerate(work):
            answers.append(_piece(*arguments))
            tell(k)
    else:
        futures = [executor.submit(_piece, *arguments) for arguments in work]
        if callback is not None:
            places = {future: k for k, future in enumerate(futures)}
            for future in as_completed(futures):
                tell(places[future])
        answers = [future.result() for future in futures]
    solutions: dict[int, Solution] = {}
    for (_, members), answer in zip(pieces, answers, strict=True):
        for i, solution in zip(members, answer, strict=True):
            if isinstance(solution, ProblemError):
                raise type(solution)(f"problems[{i}]: {solution}")
            solutions[i] = solution
    return [solutions[i] for i in range(len(problems))]


def _piece(together: bool, problems: list[QCQP], settings: Settings) -> list[Solution | ProblemError]:
    """Solutions of a part of `solve_many`'s problems: as one batch, or one by one. Runs in a worker."""
    start = time.perf_counter()
    batch: list[tuple[Outcome | None, KKTResiduals | None]] = [(None, None)] * len(problems)
    if together:
        with limited_threads():
            batch = list(run_batch(problems, settings))
    share = (time.perf_counter() - start) / max(len(problems), 1)
    answers: list[Solution | ProblemError] = []
    for problem, (outcome, residuals) in zip(problems, batch, strict=True):
        if outcome is not None and residuals is not None and within_reach(problem, outcome.point.x):
            point = outcome.point
            answers.append(Solution(Status.OPTIMAL, f"solved: {_figures(residuals, outcome)}.", point.x, point.lam,
                                    point.nu, point.lam_lb, point.lam_ub, residuals.value, residuals.dual_value,
                                    residuals, None, outcome.nit, share))
            continue
        try:
            solution = _routed(problem, settings, None, time.perf_counter())
        except ProblemError as error:
            answers.append(error)
            continue
        if solution.status is Status.INTERRUPTED:
            raise KeyboardInterrupt  # one answer cannot stand for the rest
        answers.append(solution)
    return answers


def _proved_late(problem: QCQP) -> bool:
    """Whether convexity is proved of the answer, not of every P beforehand.

    If L(·, lam, nu) is convex and x minimises it, x is optimal whatever the single P's are: one factorization in place
    of one for each P, which together would cost as much as the whole iteration.
    """
    every = (problem.objective, *problem.inequalities)
    return problem.n > LATE and sum(f.structure == "dense" for f in every) > 2


def _convex_lagrangian(problem: QCQP, point: Multipliers) -> bool:
    quadratics = len(problem.inequalities)
    combined = weighted_sum(np.concatenate([[1.0], point.lam[:quadratics]]), (problem.objective, *problem.inequalities))
    with all_threads(problem.n):
        return combined.is_convex()


def require_convex(problem: QCQP, late: bool = False) -> None:
    """Raise NotConvexError with the name of the row if a P is not positive semidefinite.

    If `late`, only what is easily seen of dense P's counts.
    """
    with all_threads(problem.n):
        for i, f in enumerate((problem.objective, *problem.inequalities)):
            if (late and f.structure == "dense" and not doubtful(f.P)) or f.is_convex():
                continue
            name = "objective.P" if i == 0 else f"inequalities[{i - 1}].P"
            raise NotConvexError(
                f"{name} is not positive semidefinite: smallest eigenvalue {f.smallest_eigenvalue():.1e}. "
                "A convex solver needs P ⪰ 0; for one quadratic constraint see trust_region_step.")


def _solution(status: Status, message: str, point: Multipliers, value: float, dual_value: float,
              residuals: Any, certificate: Any, nit: int, start: float) -> Solution:
    return Solution(status, message, point.x, point.lam, point.nu, point.lam_lb, point.lam_ub, value, dual_value,
                    residuals, certificate, nit, time.perf_counter() - start, lam_cones=point.lam_cones)


def _nothing(problem: QCQP) -> Multipliers:
    """No point: NaN everywhere, in the right shapes."""
    return Multipliers(np.full(problem.n, np.nan), np.full(problem.m, np.nan), np.full(problem.p, np.nan),
                       np.full(problem.n, np.nan), np.full(problem.n, np.nan),
                       tuple(np.full(cone.size, np.nan) for cone in problem.cones))


def _infeasible(problem: QCQP, certificate: InfeasibilityCertificate | None, nit: int, backend: str,
                start: float) -> Solution:
    assert certificate is not None
    point = Multipliers(np.full(problem.n, np.nan), certificate.lam, certificate.nu, certificate.lam_lb,
                        certificate.lam_ub, certificate.lam_cones)
    return _solution(Status.INFEASIBLE,
                     f"no point satisfies all constraints: the certificate's margin is "
                     f"{certificate.margin(problem):.3g} ({nit} iterations, {backend}).",
                     point, np.inf, np.inf, None, certificate, nit, start)


def _feasible_point(problem: QCQP, settings: Settings, start: float) -> Outcome:
    return run(problem.feasibility_problem(),
               replace(settings, time_limit=start + settings.time_limit - time.perf_counter()))


def _unbounded(problem: QCQP, outcome: Outcome, settings: Settings, start: float) -> Solution:
    """A falling direction proves unboundedness only from a feasible point; look for one."""
    assert outcome.direction is not None
    found = _feasible_point(problem, settings, start)
    nit = outcome.nit + found.nit
    if found.kind == "infeasible":
        return _infeasible(problem, found.certificate, nit, outcome.backend, start)
    certificate = UnboundednessCertificate(found.point.x, outcome.direction)
    if certificate.verify(problem):
        return _solution(Status.UNBOUNDED,
                         f"the objective falls without end along the certificate's direction "
                         f"({nit} iterations, {outcome.backend}).",
                         _nothing(problem), -np.inf, -np.inf, None, certificate, nit, start)
    residuals = kkt_residuals(problem, found.point.x)
    status = {"iteration_limit": Status.ITERATION_LIMIT, "time_limit": Status.TIME_LIMIT}.get(
        found.kind, Status.NUMERICAL_ERROR)
    return _solution(status,
                     "the objective falls without end along a direction, but no feasible point was found to start "
                     f"from (primal residual {residuals.primal:.1e}: {residuals.where}).",
                     found.point, residuals.value, -np.inf, residuals, None, nit, start)


def _judged(problem: QCQP, outcome: Outcome, settings: Settings, start: float) -> Solution:
    """The status that the residuals of the best point allow, whatever the iteration thought of it."""
    point = outcome.point
    residuals = outcome.residuals or _residuals(problem, point)
    error = residuals.max()
    figures = _figures(residuals, outcome)
    if error <= settings.tol:
        status, message = Status.OPTIMAL, f"solved: {figures}."
    elif error <= settings.loose_tol:
        status = Status.OPTIMAL_INACCURATE
        message = (f"solved to {error:.1e}, not to tol = {settings.tol:.0e}: {figures}. The problem may lack a "
                   "strictly feasible point, or its data may be badly scaled.")
    elif (bounded := _bounded(problem, outcome, settings, start)) is not None:
        return bounded
    elif outcome.kind == "iteration_limit":
        status, message = Status.ITERATION_LIMIT, f"stopped at maxiter = {settings.maxiter}: {figures}."
    elif outcome.kind == "time_limit":
        status, message = Status.TIME_LIMIT, f"stopped at time_limit = {settings.time_limit:g} s: {figures}."
    elif outcome.kind == "interrupted":
        status, message = Status.INTERRUPTED, f"stopped by the keyboard: {figures}."
    else:
        # A problem that is infeasible by very little may stall on its objective, and still prove itself without.
        found = _feasible_point(problem, settings, start)
        if found.kind == "infeasible":
            return _infeasible(problem, found.certificate, outcome.nit + found.nit, outcome.backend, start)
        status = Status.NUMERICAL_ERROR
        message = f"no further progress: {figures}. Try rescaling variables, or a larger tol."
    return _solution(status, message, point, residuals.value, residuals.dual_value, residuals, None,
                     outcome.nit, start)


def _residuals(problem: QCQP, point: Multipliers) -> KKTResiduals:
    return kkt_residuals(problem, point.x, point.lam, point.nu, point.lam_lb, point.lam_ub, point.lam_cones)


def _figures(residuals: KKTResiduals, outcome: Outcome) -> str:
    return (f"stationarity {residuals.stationarity:.1e}, primal {residuals.primal:.1e}, complementarity "
            f"{residuals.complementarity:.1e}, gap {residuals.gap:.1e} after {outcome.nit} iterations, "
            f"{outcome.backend}")


def _bounded(problem: QCQP, outcome: Outcome, settings: Settings, start: float) -> Solution | None:
    """A feasible point whose value the dual function proves nearly optimal, though it has no multipliers.

    Without a strictly feasible point the dual optimum may not be attained: then stationarity stays away from zero
    while lam grows, but g(lam, nu) still rises to the optimal value, and is a bound whatever stationarity says.
    """
    point = outcome.bounded
    residuals = _residuals(problem, point)
    if residuals.primal > settings.loose_tol:
        return None
    # The multipliers of quadratic rows grow until ΣλᵢPᵢ is all there is of L against rounding, and g falls to -inf.
    # Smaller ones give a bound that counts.
    dual, quadratics, best, bound = Lagrangian(problem), len(problem.inequalities), point, -np.inf
    for share in (1.0, 0.1, 0.01):
        lam = point.lam.copy()
        lam[:quadratics] *= share
        other = dual.dual_function(lam, point.nu, point.lam_lb, point.lam_ub, point.lam_cones)
        if other > bound:
            bound, best = other, replace(point, lam=lam)
    point, residuals = best, _residuals(problem, best)
    size = max(abs(residuals.value), abs(bound), min(1.0, coefficient_size(problem.objective)))
    gap = abs(residuals.value - bound)
    if not (np.isfinite(bound) and gap <= settings.loose_tol * size):
        return None
    message = (f"the value is within {gap:.1e} of the bound g(lam, nu), with primal residual {residuals.primal:.1e}, "
               f"but stationarity stops at {residuals.stationarity:.1e} after {outcome.nit} iterations, "
               f"{outcome.backend}: multipliers seem not to exist. Look for constraints that leave no "
               "strictly feasible point.")
    return _solution(Status.OPTIMAL_INACCURATE, message, point, residuals.value, bound, residuals, None,
                     outcome.nit, start)
