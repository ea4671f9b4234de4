"""What is said of a point that an iteration ended at: statuses, certificates and bounds, on the problem as given."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from ..duality import (
    InfeasibilityCertificate,
    KKTResiduals,
    Lagrangian,
    UnboundednessCertificate,
    coefficient_size,
    kkt_residuals,
)
from ..interior_point import Multipliers, Outcome, Settings, run
from ..problem import QCQP
from ..solution import Solution, Status

# A point this many times farther out than the limits of the problem, with a value that differs from its bound by this
# share, is no optimum: rays look like that.
FAR_OUT, DISAGREEING = 1e10, 1e-4


def _solution(status: Status, message: str, point: Multipliers, value: float, dual_value: float,
              residuals: Any, certificate: Any, nit: int, start: float) -> Solution:
    return Solution(status, message, point.x, point.lam, point.nu, point.lam_lb, point.lam_ub, value, dual_value,
                    residuals, certificate, nit, time.perf_counter() - start, lam_cones=point.lam_cones)


def _nothing(problem: QCQP) -> Multipliers:
    """No point: NaN everywhere, in the right shapes."""
    return Multipliers(np.full(problem.n, np.nan), np.full(problem.m, np.nan), np.full(problem.p, np.nan),
                       np.full(problem.n, np.nan), np.full(problem.n, np.nan),
                       tuple(np.full(cone.size, np.nan) for cone in problem.cones))


def infeasible(problem: QCQP, certificate: InfeasibilityCertificate | None, nit: int, backend: str,
               start: float) -> Solution:
    """No point satisfies all constraints, and the certificate says why."""
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


def unbounded(problem: QCQP, outcome: Outcome, settings: Settings, start: float) -> Solution:
    """A falling direction proves unboundedness only from a feasible point; look for one."""
    assert outcome.direction is not None
    found = _feasible_point(problem, settings, start)
    nit = outcome.nit + found.nit
    if found.kind == "infeasible":
        return infeasible(problem, found.certificate, nit, outcome.backend, start)
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


def judged(problem: QCQP, outcome: Outcome, settings: Settings, start: float) -> Solution:
    """The status that the residuals of the best point allow, whatever the iteration thought of it."""
    point = outcome.point
    residuals = outcome.residuals or residuals_at(problem, point)
    error = residuals.max()
    figures = in_figures(residuals, outcome)
    if error <= settings.loose_tol and _cancelled(problem, point, residuals):
        status = Status.NUMERICAL_ERROR
        message = (f"the point found lies {np.abs(point.x).max():.0e} out, where the value {residuals.value:.3g} and "
                   f"its bound {residuals.dual_value:.3g} are rounding of larger terms: {figures}. The problem may "
                   "be unbounded; bounds on the variables would settle it.")
    elif error <= settings.tol:
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
            return infeasible(problem, found.certificate, outcome.nit + found.nit, outcome.backend, start)
        status = Status.NUMERICAL_ERROR
        message = f"no further progress: {figures}. Try rescaling variables, or a larger tol."
    return _solution(status, message, point, residuals.value, residuals.dual_value, residuals, None,
                     outcome.nit, start)


def _cancelled(problem: QCQP, point: Multipliers, residuals: KKTResiduals) -> bool:
    """Whether x lies so far out that value and bound, which differ, agree only beside the terms they are made of."""
    limits = np.concatenate([problem.h, problem.b, problem.lb, problem.ub])
    largest = np.abs(limits[np.isfinite(limits)]).max(initial=1.0)
    value, bound = residuals.value, residuals.dual_value
    return bool(np.abs(point.x).max() > FAR_OUT * largest
                and abs(value - bound) > DISAGREEING * max(abs(value), abs(bound)))


def residuals_at(problem: QCQP, point: Multipliers) -> KKTResiduals:
    """The KKT residuals of a point of the iteration."""
    return kkt_residuals(problem, point.x, point.lam, point.nu, point.lam_lb, point.lam_ub, point.lam_cones)


def in_figures(residuals: KKTResiduals, outcome: Outcome) -> str:
    """The residuals, iterations and backend, for a message."""
    return (f"stationarity {residuals.stationarity:.1e}, primal {residuals.primal:.1e}, complementarity "
            f"{residuals.complementarity:.1e}, gap {residuals.gap:.1e} after {outcome.nit} iterations, "
            f"{outcome.backend}")


def _bounded(problem: QCQP, outcome: Outcome, settings: Settings, start: float) -> Solution | None:
    """A feasible point whose value the dual function proves nearly optimal, though it has no multipliers.

    Without a strictly feasible point the dual optimum may not be attained: then stationarity stays away from zero
    while lam grows, but g(lam, nu) still rises to the optimal value, and is a bound whatever stationarity says.
    """
    point = outcome.bounded
    residuals = residuals_at(problem, point)
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
    point, residuals = best, residuals_at(problem, best)
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
