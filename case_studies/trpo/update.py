"""The updates: Taylor models, a trust-region step, and a line search with KL as its domain.

    minimise  surrogate_loss(theta + p)    subject to    mean_kl(theta + p) ≤ max_kl

    models       loss + gᵀp,                        ½pᵀ(F + damping·I)p ≤ max_kl
    step         p = -H⁻¹g / lam,                   lam = √(gᵀH⁻¹g) / √(2·max_kl),   H = F + damping·I
    line search  theta + β^j p for the first j that is feasible and gains enough

The natural policy gradient takes the step as it is, without the search; the vanilla policy gradient goes -step·g.
Nothing here knows of policies or environments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite, sqrt
from typing import Any

import numpy as np

import convexkit as ck

Function = Callable[[Any], Any]

# Levenberg-Marquardt: a step that the line search had to shorten was longer than the models are good for, and one
# that passed at once may have been too timid. Martens & Grosse 2015 lower their damping as slowly.
DAMPING_UP, DAMPING_DOWN = 1.5, 0.9
# Relative to F, whose entries are of size one: below the first a float32 product is rounding, above the second the
# step is the plain gradient.
DAMPING_RANGE = 1e-4, 10.0


@dataclass(frozen=True)
class UpdateResult:
    """What one update did. Gains are decreases of the loss: positive is better.

    Attributes
    ----------
    theta : (n,) array; the old one itself if `success` is False
    success, message : whether theta has moved, and why not
    predicted_gain : gain of the linear model over the accepted step (over the full step, if none was)
    surrogate_gain, kl : true gain and true mean KL at theta; both 0 if it has not moved
    predicted_kl : ½pᵀFp, without the damping, over the same step as predicted_gain
    multiplier : of the constraint on the model, in units of loss per nat
    suboptimality : bound on the model's gain lost by an unfinished conjugate gradient run
    cg_status, cg_iterations, cg_residual : how the linear system was solved; the residual is relative to ‖g‖
    line_search_trials : points tried
    step : share of the full step that was taken
    """

    theta: np.ndarray
    success: bool
    message: str
    predicted_gain: float = 0.0
    surrogate_gain: float = 0.0
    predicted_kl: float = 0.0
    kl: float = 0.0
    multiplier: float = 0.0
    suboptimality: float = 0.0
    cg_status: str = "not_needed"
    cg_iterations: int = 0
    cg_residual: float = 0.0
    line_search_trials: int = 0
    step: float = 0.0


def natural_step(theta: np.ndarray, surrogate_loss: Function, fisher: Any, max_kl: float, damping: float,
                 cg_iterations: int | None, cg_rtol: float) -> tuple[ck.Quadratic, np.ndarray, UpdateResult]:
    """The linear model of the loss, the trust-region step p, and the report of an update that has not moved yet."""
    model = ck.linear_model(surrogate_loss, theta)
    step = ck.trust_region_step(model, radius=sqrt(2.0 * max_kl), metric=ck.damped(fisher, damping), rtol=cg_rtol,
                                maxiter=cg_iterations)
    report = UpdateResult(theta, False, step.message, predicted_gain=0.0 - float(model.q @ step.p), multiplier=step.lam,
                          suboptimality=step.gap)
    if step.success and step.cg is not None:
        # The step ends on the boundary of the damped region, ½pᵀ(F + damping·I)p = max_kl: no further product.
        report = replace(report, predicted_kl=max(max_kl - 0.5 * damping * float(step.p @ step.p), 0.0),
                         cg_status=str(step.cg.status), cg_iterations=step.cg.nit,
                         cg_residual=step.cg.relative_residual)
    elif step.cg is not None:
        report = replace(report, cg_status=str(step.cg.status), cg_iterations=step.cg.nit)
    return model, step.p, report


def trpo_update(theta: np.ndarray, surrogate_loss: Function, mean_kl: Function, fisher: Any, *, max_kl: float = 0.01,
                damping: float = 0.1, cg_iterations: int | None = 10, cg_rtol: float = 0.01, alpha: float = 0.1,
                beta: float = 0.7, trials: int = 12) -> UpdateResult:
    """One step of trust region policy optimization.

    Parameters
    ----------
    theta : (n,) array, the old parameters
    surrogate_loss, mean_kl : callables (n,) -> scalar; the loss written with `autograd.numpy`
    fisher : (n, n) operator or array, the Hessian of mean_kl at theta
    max_kl, damping, cg_iterations, cg_rtol, alpha, beta, trials : see `TrpoConfig`

    Returns
    -------
    UpdateResult
        No gradient (all advantages zero) and a failed line search are ordinary outcomes: the old theta.

    Notes
    -----
    One gradient, cg_iterations + 1 products with F, and one KL and one loss for each trial.
    Schulman et al. 2015, section 6 and Appendix C.

    Examples
    --------
    >>> import autograd.numpy as anp, numpy as np
    >>> result = trpo_update(np.zeros(2), lambda t: -t[0], lambda t: 0.5 * anp.sum(t**2), np.eye(2),
    ...                      max_kl=0.02, damping=1e-9)
    >>> result.theta.round(6), round(result.kl, 6), round(result.multiplier, 6)
    (array([0.2, 0. ]), 0.02, 5.0)
    """
    model, p, report = natural_step(theta, surrogate_loss, fisher, max_kl, damping, cg_iterations, cg_rtol)
    if not report.predicted_gain > 0:
        return report
    kl = 0.0

    def within(candidate: np.ndarray) -> bool:
        nonlocal kl
        kl = float(mean_kl(candidate))
        return kl <= max_kl

    # A trial far outside the region may overflow; inf and nan are refused like any value too large.
    with np.errstate(over="ignore", invalid="ignore"):
        search = ck.backtracking(surrogate_loss, theta, p, -report.predicted_gain, fx=model.r, alpha=alpha, beta=beta,
                                 maxiter=trials, in_domain=within)
    report = replace(report, message=search.message, line_search_trials=search.nit)
    if not search.success:
        return report
    # The search ends with the point it accepts, so `kl` is that point's.
    return replace(report, theta=search.x, success=True, predicted_gain=report.predicted_gain * search.step,
                   predicted_kl=report.predicted_kl * search.step**2, surrogate_gain=float(model.r) - search.fun,
                   kl=kl, step=search.step)


def npg_update(theta: np.ndarray, surrogate_loss: Function, mean_kl: Function, fisher: Any, *, max_kl: float = 0.01,
               damping: float = 0.1, cg_iterations: int | None = 10, cg_rtol: float = 0.01) -> UpdateResult:
    """One step of the natural policy gradient: the step of `trpo_update`, taken whole and unseen.

    Nothing checks the true KL or the true gain; both are reported. Kakade 2001, with the length of the step set by
    the model of the KL.

    Examples
    --------
    >>> import autograd.numpy as anp, numpy as np
    >>> result = npg_update(np.zeros(2), lambda t: -t[0], lambda t: 0.6 * anp.sum(t**2), np.eye(2), damping=1e-9)
    >>> round(result.predicted_kl, 6), round(result.kl, 6)       # the metric was an underestimate
    (0.01, 0.012)
    """
    model, p, report = natural_step(theta, surrogate_loss, fisher, max_kl, damping, cg_iterations, cg_rtol)
    if not report.predicted_gain > 0:
        return report
    return _whole(model, theta + p, surrogate_loss, mean_kl, report)


def vpg_update(theta: np.ndarray, surrogate_loss: Function, mean_kl: Function, fisher: Any, *, step: float
               ) -> UpdateResult:
    """One step of the vanilla policy gradient: theta - step·g.

    The Fisher matrix, here, only predicts the KL for the report.

    Examples
    --------
    >>> import autograd.numpy as anp, numpy as np
    >>> vpg_update(np.zeros(2), lambda t: -t[0], lambda t: 0.5 * anp.sum(t**2), np.eye(2), step=0.1).theta
    array([0.1, 0. ])
    """
    model = ck.linear_model(surrogate_loss, theta)
    p = -step * model.q
    report = UpdateResult(theta, False, "the gradient is zero.", predicted_gain=0.0 - float(model.q @ p))
    if not report.predicted_gain > 0:
        return report
    report = replace(report, predicted_kl=0.5 * float(p @ (fisher @ p)))
    return _whole(model, theta + p, surrogate_loss, mean_kl, report)


def _whole(model: ck.Quadratic, candidate: np.ndarray, surrogate_loss: Function, mean_kl: Function,
           report: UpdateResult) -> UpdateResult:
    """The report of a step that is taken whatever it brings, unless what it brings is no number."""
    with np.errstate(over="ignore", invalid="ignore"):
        fun, kl = float(surrogate_loss(candidate)), float(mean_kl(candidate))
    if not isfinite(fun) or not isfinite(kl):
        return replace(report, message=f"the step leads to a loss of {fun:g} and a KL of {kl:g}; theta was kept.")
    return replace(report, theta=candidate, success=True, message="taken whole.", surrogate_gain=float(model.r) - fun,
                   kl=kl, step=1.0)


def next_damping(damping: float, result: UpdateResult) -> float:
    """The damping of the next update: less after a full step, more after a shortened or refused one.

    >>> from dataclasses import replace
    >>> import numpy as np
    >>> full = UpdateResult(np.zeros(1), True, "", line_search_trials=1)
    >>> round(next_damping(0.1, full), 4), round(next_damping(0.1, replace(full, line_search_trials=3)), 4)
    (0.09, 0.15)
    """
    if not result.line_search_trials:  # no gradient, or no search: nothing was learnt
        return damping
    full = result.success and result.line_search_trials == 1
    low, high = DAMPING_RANGE
    return min(max(damping * (DAMPING_DOWN if full else DAMPING_UP), low), high)
