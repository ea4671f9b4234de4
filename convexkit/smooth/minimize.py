"""`minimize`: the front door for smooth convex programs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..duality import KKTResiduals
from ..errors import ProblemError
from ..quadratic import Quadratic, weighted_sum
from ..solution import IterationRecord, Solution, Status
from ..validation import as_count, as_vector, in_range
from .functions import Function
from .iteration import Ending, Iteration, run
from .program import Program

METHODS = ("auto", "dense", "cg")
RESTARTS = 3  # from where no step was left
NEARBY = 1e-4  # tolerance of a run that only looks for a better start
LOOSE = 1e-5


def minimize(f: Callable[[np.ndarray], Any] | Quadratic, x0: Any, *,
             inequalities: Sequence[Callable[[np.ndarray], Any] | Quadratic] = (), G: Any = None, h: Any = None,
             A: Any = None, b: Any = None, lb: Any = None, ub: Any = None, tol: float = 1e-8, maxiter: int = 200,
             time_limit: float | None = None, method: str = "auto",
             callback: Callable[[IterationRecord], Any] | None = None) -> Solution:
    """Minimise a smooth convex function subject to smooth convex inequalities.

        minimise f(x)  subject to  gᵢ(x) ≤ 0,  Gx ≤ h,  Ax = b,  lb ≤ x ≤ ub

    Parameters
    ----------
    f : callable (n,) -> scalar, written with `autograd.numpy`, or a Quadratic
        Outside its domain it returns NaN or inf.
    x0 : (n,) array in the domain of f and of every inequality; it need not satisfy any constraint
    inequalities : sequence of callables (n,) -> scalar or (k,) array, or Quadratics
    G, h, A, b, lb, ub : linear rows and bounds, as for `QCQP`
    tol : float, on all relative KKT residuals and on the Newton decrement
    maxiter, time_limit, callback : as for `solve`
    method : "dense" factors the Hessian, "cg" needs products with it only; "auto" takes cg above 300 variables

    Returns
    -------
    Solution
        `lam` holds the components of the inequalities in their order, then the rows of G. `dual_value` is L(x, lam, nu)
        less the Newton decrement, what the minimum of L over x lies below to second order. `infeasible` comes with
        multipliers lam, nu of the inequalities whose weighted sum is positive everywhere, `unbounded` with the point
        from which f was seen to fall without end; neither has a certificate object.

    Raises
    ------
    NotConvexError
        Where a Hessian has a negative eigenvalue along the way; names the function.
    ProblemError
        For a function that cannot be differentiated or evaluated at x0, shapes that do not fit, options out of range.

    Notes
    -----
    Primal-dual Newton steps with slacks, predictor and corrector, and a backtracking line search on the residual. An
    iteration takes one Hessian (n backward passes) and one Cholesky factorization, or products alone. Boyd &
    Vandenberghe, section 11.7.

    Examples
    --------
    Maximum entropy on the simplex, with a bound on the mean:

    >>> import autograd.numpy as anp, numpy as np, convexkit as ck
    >>> entropy = lambda x: (x * anp.log(x)).sum()
    >>> solution = ck.minimize(entropy, np.full(3, 0.3), A=[[1.0, 1.0, 1.0]], b=[1.0], G=[[0.0, 1.0, 2.0]], h=[0.5])
    >>> solution.status.value, solution.x.round(4), solution.lam.round(4)
    ('optimal', array([0.6162, 0.2676, 0.1162]), array([0.8341]))
    """
    start = time.perf_counter()
    point = as_vector("x0", x0)
    if callable(inequalities) or isinstance(inequalities, Quadratic):
        raise ProblemError("inequalities must be a sequence; write [g] for a single one.")
    if method not in METHODS:
        raise ProblemError(f"method = {method!r} is not known; choose one of {', '.join(map(repr, METHODS))}.")
    if callback is not None and not callable(callback):
        raise ProblemError(f"callback must be callable; got {type(callback).__name__}.")
    tol = in_range("tol", tol, 1e-12, 1e-2, low_open=False, high_open=False)
    maxiter = as_count("maxiter", maxiter, minimum=1)
    limit = np.inf if time_limit is None else in_range("time_limit", time_limit, 0.0, np.inf, high_open=False)
    functions = [Function(f"inequalities[{i}]", g) for i, g in enumerate(inequalities)]

    def stated(at: np.ndarray, objective: Callable[[np.ndarray], Any] | Quadratic = f) -> Program:
        return Program(Function("f", objective), functions, G, h, A, b, lb, ub, at)

    program = stated(point)
    if program.inconsistent is not None:
        return _no_point(program, np.zeros(program.m), program.inconsistent, 0, start,
                         "Ax = b has no solution: nu combines its rows to 0 = a positive number.")
    ending = run(program, point, tol, maxiter, method, limit, callback, patient=False)
    if ending.kind == "unbounded" and _misses(program, ending):
        # Far out a violation of one is a small share of x: unbounded is what has a point to fall from.
        nothing = Quadratic(None, np.zeros(point.size))
        found = run(stated(point, nothing), point, tol, maxiter, method, start + limit - time.perf_counter(), None)
        ending.kind = "unbounded" if found.kind == "converged" else "stalled"
    if ending.kind != "converged" and ending.kind != "unbounded" and program.m and ending.error > tol:
        proof = _infeasible(program, point, ending, tol, method, start + limit - time.perf_counter())
        if proof is not None:
            lam, nu, margin, nit = proof
            return _no_point(program, lam, nu, ending.nit + nit, start,
                             f"no point satisfies all inequalities: weighted by lam and nu they sum to at least "
                             f"{margin:.2g} everywhere.")
    # Units are slopes at the start. Where curvature has changed them by orders of magnitude, the residual of one row
    # drowns the others and steps become short: take units and slacks anew. If that leads nowhere, f is too flat on its
    # way for the residual to measure progress: go where f + ½δ‖x - xₖ‖² is least, first.
    for attempt in range(RESTARTS):
        used = ending.nit
        if ending.kind != "stalled" or used >= maxiter:
            break
        x = ending.point.x
        if attempt > 0:
            near = _nearby(stated, f, x, 10.0**(1 - attempt), maxiter - used, method, start + limit)
            x, used = near.point.x, used + near.nit
        again = stated(x)
        later = None if callback is None else _counting_from(used, callback)
        retry = run(again, x, tol, max(maxiter - used, 0), method, start + limit - time.perf_counter(), later,
                    patient=attempt == RESTARTS - 1)
        ending.nit = retry.nit = used + retry.nit
        if retry.kind in ("converged", "unbounded") or retry.error < ending.error:
            program, point, ending = again, x, retry
    return _solution(program, ending, tol, point, method, start)


def _nearby(stated: Callable[..., Program], f: Callable[[np.ndarray], Any] | Quadratic, x: np.ndarray, weight: float,
            maxiter: int, method: str, deadline: float) -> Ending:
    """The end of a run on f + ½δ‖· - x‖², where δ is `weight` times what balances f's slope at the size of x."""
    slope = np.abs(Function("f", f).value_and_jacobian(x)[1]).max()
    delta = weight * max(float(slope), 1e-300) / (1.0 + float(np.abs(x).max()))

    def tied(y: Any) -> Any:
        away = y - x
        return f(y) + 0.5 * delta * (away @ away)

    objective = weighted_sum([1.0, delta], [f, Quadratic(sp.eye_array(x.size, format="csr"), -x)]) if isinstance(
        f, Quadratic) else tied
    return run(stated(x, objective), x, NEARBY, min(maxiter, 50), method, deadline - time.perf_counter(), None)


def _counting_from(first: int, callback: Callable[[IterationRecord], Any]) -> Callable[[IterationRecord], Any]:
    return lambda record: callback(replace(record, iteration=first + record.iteration))


def _solution(program: Program, ending: Ending, tol: float, x0: np.ndarray, method: str, start: float) -> Solution:
    state = Iteration(program, x0, method)
    state.point, state.values = ending.point, ending.values
    errors, unit, point = state.errors(), program.unit, ending.point
    lam, nu, lam_lb, lam_ub = program.multipliers(point.lam, point.nu)
    value = ending.values.f * unit
    r_e = program.A @ point.x - program.b
    decrement = ending.decrement if np.isfinite(ending.decrement) else 0.0
    lagrangian = ending.values.f + float(point.lam @ ending.values.c) + float(point.nu @ r_e)
    size = state.value_size()
    gap = abs(ending.values.f - lagrangian + decrement) / size
    residuals = KKTResiduals(errors.stationarity, errors.primal, 0.0,
                             float(np.abs(point.lam * ending.values.c).max(initial=0.0)) / size, gap, value,
                             (lagrangian - decrement) * unit, _worst(program, ending))
    error = max(residuals.max(), decrement / size)
    figures = (f"stationarity {residuals.stationarity:.1e}, primal {residuals.primal:.1e}, gap {gap:.1e} after "
               f"{ending.nit} iterations, {'Cholesky' if state.dense else 'conjugate gradient'}")
    if ending.kind == "unbounded":
        status, message = Status.UNBOUNDED, (f"f falls by as much in every decade of the way from x0, to {value:.3g} "
                                             f"at ‖x‖ = {np.abs(point.x).max():.1e}.")
        value = -np.inf
    elif ending.kind == "converged":
        status, message = Status.OPTIMAL, f"solved: {figures}."
    elif error <= LOOSE:
        status, message = Status.OPTIMAL_INACCURATE, f"solved to {error:.1e}, not to tol = {tol:.0e}: {figures}."
    else:
        status = {"iteration_limit": Status.ITERATION_LIMIT, "time_limit": Status.TIME_LIMIT}.get(
            ending.kind, Status.NUMERICAL_ERROR)
        message = {"iteration_limit": "stopped at maxiter", "time_limit": "stopped at the time limit"}.get(
            ending.kind, "no step reduces the residuals any more") + f": {figures}."
        if residuals.primal > LOOSE and _barred(program, ending):
            message += (" The nearest points that would satisfy the constraints lie outside the domain of the "
                        "functions, where values are not finite. Perhaps no point of the domain does; values do not "
                        "prove it: state the domain as constraints, x ≥ 0 for log x, and they will.")
    return Solution(status, message, point.x, lam, nu, lam_lb, lam_ub, value,
                    -np.inf if status is Status.UNBOUNDED else residuals.dual_value,
                    None if status is Status.UNBOUNDED else residuals, None, ending.nit, time.perf_counter() - start,
                    method="primal-dual Newton")


def _misses(program: Program, ending: Ending) -> bool:
    """Whether a constraint is violated, beyond what the size of x there explains."""
    off = np.concatenate([ending.values.c, np.abs(program.A @ ending.point.x - program.b)])
    return bool(off.max(initial=0.0) > 1e-6)


def _barred(program: Program, ending: Ending) -> bool:
    """Whether the shortest step that meets all violated constraints, to first order, leaves the domain."""
    x, values = ending.point.x, ending.values
    violated = np.flatnonzero(values.c > 0)
    units = np.zeros((violated.size, values.c.size))
    units[np.arange(violated.size), violated] = 1.0
    slopes = np.array([program.transposed(unit, values.J) for unit in units])
    step = np.linalg.lstsq(np.concatenate([slopes.reshape(-1, x.size), program.A]),
                           np.concatenate([-values.c[violated], program.b - program.A @ x]), rcond=None)[0]
    f, c = program.values_only(x + step)
    return not (np.isfinite(f) and np.isfinite(c).all())


def _worst(program: Program, ending: Ending) -> str:
    """The most violated row in words."""
    c = ending.values.c
    if not c.size or c.max() <= 0:
        return ""
    k = int(np.argmax(c))
    amount = f"{c[k] / program.d[k]:.1e}"
    for g, size in zip(program.inequalities, program.sizes, strict=True):
        if k < size:
            return f"{g.name}{f', component {k},' if size > 1 else ''} is positive by {amount}"
        k -= size
    for words, rows in (("G row {} exceeds its limit by ", program.limited), ("x[{}] is below its bound by ",
                        program.low), ("x[{}] is above its bound by ", program.high)):
        if k < rows.size:
            return words.format(rows[k]) + amount
        k -= rows.size
    return ""


def _no_point(program: Program, lam: np.ndarray, nu: np.ndarray, nit: int, start: float, message: str) -> Solution:
    nothing = np.full(program.n, np.nan)
    if nu.size == program.b_full.size and not lam.any():
        given = np.zeros(program.k + program.h.size), nu[:program.given], np.zeros(program.n), np.zeros(program.n)
    else:
        given = program.multipliers(lam, nu, 1.0)
    return Solution(Status.INFEASIBLE, message, nothing, *given, np.inf, np.inf, None, None, nit,
                    time.perf_counter() - start, method="primal-dual Newton")


def _infeasible(program: Program, x0: np.ndarray, ending: Ending, tol: float, method: str,
                time_left: float) -> tuple[np.ndarray, np.ndarray, float, int] | None:
    """Multipliers that prove that no point satisfies all inequalities: those of min t over c(x) ≤ t, Ax = b."""
    n = program.n
    functions = []
    at = 0
    for g, size in zip(program.inequalities, program.sizes, strict=True):
        functions.append(Function(g.name, _relaxed(g, program.d[at:at + size], n)))
        at += size
    r = program.k + program.limited.size
    scaled = program.d[program.k:r, None] * (program.rows.toarray() if hasattr(program.rows, "toarray")
                                             else program.rows)
    eye = np.eye(n)
    rows = np.concatenate([scaled, -eye[program.low], eye[program.high]])
    limits = np.concatenate([program.d[program.k:r] * program.limits, -program.lb[program.low],
                             program.ub[program.high]])
    best = ending.point.x if np.isfinite(ending.values.c).all() else x0
    c = program.evaluate(best).c
    z0 = np.append(best, float(c.max()) + 1.0)
    lower = np.append(np.full(n, -np.inf), -1.0)
    phase = Program(Function("f", Quadratic(None, np.append(np.zeros(n), 1.0))), functions,
                    np.column_stack([rows, -np.ones(len(rows))]) if len(rows) else None,
                    limits if len(rows) else None,
                    np.column_stack([program.A, np.zeros(len(program.A))]) if len(program.A) else None,
                    program.b if len(program.A) else None, lower, None, z0)
    found = run(phase, z0, min(tol, 1e-8), 200, method, time_left, None)
    margin = found.values.f * phase.unit
    # Where the least t is not attained, what is left of the slope must not use up the margin nearby.
    nearby = 10 * found.error * (1 + float(np.abs(found.point.x).max()))
    if margin <= 1e-7 or (found.kind != "converged" and (found.error > LOOSE or nearby > 0.5 * margin)):
        return None
    lam, nu, _, _ = phase.multipliers(found.point.lam, found.point.nu)
    return lam, nu, margin, found.nit


def _relaxed(g: Function, d: np.ndarray, n: int) -> Callable[[np.ndarray], Any] | Quadratic:
    """d·g(x) - t as a function of (x, t)."""
    if g.quadratic is not None:
        P = np.zeros((n + 1, n + 1))
        P[:n, :n] = d[0] * g.quadratic.hessian()
        return Quadratic(P, np.append(d[0] * g.quadratic.q, -1.0), d[0] * g.quadratic.r)
    f, factors = g.f, (d if d.size > 1 else d[0])
    return lambda z: factors * f(z[:n]) - z[n]
