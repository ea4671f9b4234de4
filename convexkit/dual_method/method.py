"""From a problem whose P's are products to a Solution with its evidence."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..duality import InfeasibilityCertificate, UnboundednessCertificate, kkt_residuals
from ..errors import NotConvexError, ProblemError
from ..interior_point import Settings
from ..problem import QCQP
from ..solution import IterationRecord, Solution, Status
from .boxed import Boxed
from .iteration import Found, Iteration, Unbounded
from .terms import Terms


def solve_by_products(problem: QCQP, settings: Settings, callback: Callable[[IterationRecord], Any] | None,
                      start: float, warm: np.ndarray | None = None) -> Solution:
    """The dual method; `warm` is a point near the solution.

    Raises
    ------
    ProblemError
        For cones, a problem without any P, and operators that are not symmetric or return what is not finite.
    NotConvexError
        If a direction of negative curvature is met.
    """
    if problem.cones:
        raise ProblemError(f"the dual method takes no second-order cones; the problem has {len(problem.cones)}. Use "
                           "method='interior-point', which forms the P's.")
    if all(f.P is None for f in (problem.objective, *problem.inequalities)):
        raise ProblemError("the dual method needs a P in the objective or an inequality: all functions are affine. "
                           "Use method='interior-point'.")
    for i, f in enumerate((problem.objective, *problem.inequalities)):
        if f.structure != "operator" and not f.is_convex():
            name = "objective.P" if i == 0 else f"inequalities[{i - 1}].P"
            raise NotConvexError(
                f"{name} is not positive semidefinite: smallest eigenvalue {f.smallest_eigenvalue():.1e}. "
                "A convex solver needs P ⪰ 0; for one quadratic constraint see trust_region_step.")
    terms = Terms(problem)
    kind = Boxed if np.isfinite(problem.lb).any() or np.isfinite(problem.ub).any() else Unbounded
    iteration = kind(terms, settings, callback, start)
    found = iteration.run(warm)
    return _solution(problem, terms, settings, iteration, found, start)


def _solution(problem: QCQP, terms: Terms, settings: Settings, iteration: Iteration, found: Found,
              start: float) -> Solution:
    work = f"{found.nit} iterations, {terms.products} products"
    nothing = np.full(problem.n, np.nan)

    def solution(status: Status, message: str, **parts: Any) -> Solution:
        default: dict[str, Any] = {"x": nothing, "lam": np.full(problem.m, np.nan), "nu": np.full(problem.p, np.nan),
                                   "lam_lb": nothing, "lam_ub": nothing, "value": np.nan, "dual_value": np.nan,
                                   "residuals": None, "certificate": None}
        return Solution(status, message, **{**default, **parts}, nit=found.nit, seconds=time.perf_counter() - start,
                        method="dual", products=terms.products)

    if isinstance(found.certificate, InfeasibilityCertificate):
        proof = found.certificate
        return solution(Status.INFEASIBLE, f"no point satisfies all constraints: the certificate's margin is "
                        f"{proof.margin(problem):.3g} ({work}, dual).", lam=proof.lam, nu=proof.nu,
                        lam_lb=proof.lam_lb, lam_ub=proof.lam_ub, value=np.inf, dual_value=np.inf, certificate=proof)
    if isinstance(found.certificate, UnboundednessCertificate):
        return solution(Status.UNBOUNDED, f"the objective falls without end along the certificate's direction "
                        f"({work}, dual).", value=-np.inf, dual_value=-np.inf, certificate=found.certificate)
    state = found.state
    if state is None:
        return solution(_stopped(found.kind), f"{_reason(found, settings)}: no point was found ({work}, dual).")
    lam, nu = state.lam(problem), state.nu(problem)
    residuals = found.residuals or kkt_residuals(problem, state.x, lam, nu, state.lam_lb, state.lam_ub)
    error = max(residuals.max(), state.gap if np.isfinite(state.bound) else 0.0)
    figures = (f"stationarity {residuals.stationarity:.1e}, primal {residuals.primal:.1e}, complementarity "
               f"{residuals.complementarity:.1e}, gap {state.gap:.1e} after {work}, dual")
    if not np.isfinite(state.bound):
        figures += "; no bound, as no lower bound on the eigenvalues of the P's is known (see damped)"
    elif found.estimated:
        figures += (f"; the dual value is an estimate, with the smallest Ritz value {iteration.inner.ritz:.1e} for the "
                    "unknown least eigenvalue")
    if error <= settings.tol:
        status, message = Status.OPTIMAL, f"solved: {figures}."
    elif error <= settings.loose_tol:
        status = Status.OPTIMAL_INACCURATE
        message = f"solved to {error:.1e}, not to tol = {settings.tol:.0e}: {figures}."
    else:
        status, message = _stopped(found.kind), f"{_reason(found, settings)}: {figures}."
    # Rounding may leave the bound a few units above the value.
    bound = min(state.bound, residuals.value) if error <= settings.loose_tol else state.bound
    return solution(status, message, x=state.x, lam=lam, nu=nu, lam_lb=state.lam_lb, lam_ub=state.lam_ub,
                    value=residuals.value, dual_value=bound, residuals=residuals)


def _stopped(kind: str) -> Status:
    return {"iteration_limit": Status.ITERATION_LIMIT, "time_limit": Status.TIME_LIMIT,
            "interrupted": Status.INTERRUPTED}.get(kind, Status.NUMERICAL_ERROR)


def _reason(found: Found, settings: Settings) -> str:
    reason = {"iteration_limit": f"stopped at maxiter = {settings.maxiter}",
              "time_limit": f"stopped at time_limit = {settings.time_limit:g} s",
              "interrupted": "stopped by the keyboard"}.get(found.kind, "no further progress")
    return reason + (f" ({found.words})" if found.words else "")
