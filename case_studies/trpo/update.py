"""The TRPO update: Taylor models, a trust-region step, and a line search with KL as its domain.

    minimise  surrogate_loss(theta + p)    subject to    mean_kl(theta + p) ≤ max_kl

    models       loss + gᵀp,                        ½pᵀ(F + damping·I)p ≤ max_kl
    step         p = -H⁻¹g / lam,                   lam = √(gᵀH⁻¹g) / √(2·max_kl),   H = F + damping·I
    line search  theta + β^j p for the first j that is feasible and gains enough

Nothing here knows of policies or environments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np

import convexkit as ck


@dataclass(frozen=True)
class UpdateResult:
    """What one update did. Gains are decreases of the loss: positive is better.

    Attributes
    ----------
    theta : (n,) array; the old one itself if `success` is False
    success, message : whether theta has moved, and why not
    predicted_gain : gain of the linear model over the accepted step (over the full step, if none was)
    surrogate_gain, kl : true gain and true mean KL at theta; both 0 if it has not moved
    multiplier : of the constraint on the model, in units of loss per nat
    cg_status, cg_iterations, cg_residual : how the linear system was solved; the residual is relative to ‖g‖
    line_search_trials : points tried
    step : share of the full step that was taken
    suboptimality : bound on the model's gain lost by an unfinished conjugate gradient run
    """

    theta: np.ndarray
    success: bool
    message: str
    predicted_gain: float
    surrogate_gain: float
    kl: float
    multiplier: float
    cg_status: str
    cg_iterations: int
    cg_residual: float
    line_search_trials: int
    step: float
    suboptimality: float


def trpo_update(theta: np.ndarray, surrogate_loss: Callable[[Any], Any], mean_kl: Callable[[Any], Any], fisher: Any,
                *, max_kl: float = 0.01, damping: float = 0.1, cg_iterations: int | None = 10, cg_rtol: float = 0.01,
                alpha: float = 0.1, beta: float = 0.7, trials: int = 12) -> UpdateResult:
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
    model = ck.linear_model(surrogate_loss, theta)
    step = ck.trust_region_step(model, radius=sqrt(2.0 * max_kl), metric=ck.damped(fisher, damping), rtol=cg_rtol,
                                maxiter=cg_iterations)
    slope = float(model.q @ step.p)
    cg = step.cg
    stay = UpdateResult(
        theta, False, step.message, predicted_gain=0.0, surrogate_gain=0.0, kl=0.0, multiplier=step.lam,
        cg_status=str(cg.status) if cg is not None else "not_needed",
        cg_iterations=cg.nit if cg is not None else 0,
        cg_residual=cg.relative_residual if cg is not None else 0.0,
        line_search_trials=0, step=0.0, suboptimality=step.gap)
    if not slope < 0:
        return stay

    kl = 0.0

    def within(candidate: np.ndarray) -> bool:
        nonlocal kl
        kl = float(mean_kl(candidate))
        return kl <= max_kl

    # A trial far outside the region may overflow; inf and nan are refused like any value too large.
    with np.errstate(over="ignore", invalid="ignore"):
        search = ck.backtracking(surrogate_loss, theta, step.p, slope, fx=model.r, alpha=alpha, beta=beta,
                                 maxiter=trials, in_domain=within)
    if not search.success:
        return replace(stay, message=search.message, predicted_gain=-slope, line_search_trials=search.nit)
    # The search ends with the point it accepts, so `kl` is that point's.
    return replace(stay, theta=search.x, success=True, message=search.message, predicted_gain=-slope * search.step,
                   surrogate_gain=model.r - search.fun, kl=kl, line_search_trials=search.nit, step=search.step)
