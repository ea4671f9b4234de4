"""A limit on a cost: constrained policy optimization, Achiam et al. 2017.

    minimise  gᵀp    subject to    ½pᵀHp ≤ max_kl,   c + bᵀp ≤ 0

with c the mean cost of a step minus its limit, and b the gradient of that mean. It is the problem of TRPO and one row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isfinite, sqrt
from typing import Any

import autograd.numpy as anp
import numpy as np

import convexkit as ck

from .policies import Policy
from .update import Function, UpdateResult, trpo_update

# The metric is a float32 product: a tighter tolerance than this asks for digits that it does not have.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Limit:
    """The mean of info[key] over steps must not be more than `most`.

    >>> Limit.parse("cost<=0.1")
    Limit(key='cost', most=0.1)
    """

    key: str
    most: float

    @classmethod
    def parse(cls, text: str) -> Limit | None:
        """KEY<=NUMBER, or None for the word none."""
        if text == "none":
            return None
        parts = re.fullmatch(r"\s*(\w+)\s*<=\s*(\S+)\s*", text)
        try:
            limit = cls(parts[1], float(parts[2])) if parts else None
        except ValueError:
            limit = None
        if limit is None or not isfinite(limit.most):
            raise ck.ProblemError(f"constraint = {text!r} must be none or KEY<=NUMBER, as in cost<=0.1, with KEY an "
                                  "entry of the environment's info.")
        return limit


@dataclass(frozen=True)
class ConstraintRecord:
    """One row of constraint.csv.

    Attributes
    ----------
    cost, limit : mean cost of a step of the batch, and what it may be
    multiplier : of the cost's row, in units of loss per unit of cost; 0 in a recovery step
    predicted_change, change : of the mean cost, by its linear model and by its surrogate, over the step taken
    recovery : 1 if no step within the trust region meets the limit, and the step only lowers the cost
    """

    iteration: int
    cost: float
    limit: float
    multiplier: float
    predicted_change: float
    change: float
    recovery: int


def surrogate_cost(policy: Policy, observations: np.ndarray, actions: np.ndarray, advantages: np.ndarray,
                   old_outputs: np.ndarray, excess: float) -> Function:
    """theta -> excess + (1/N) Σ (π(a|s)/π_old(a|s) - 1)·A_C, which is c at the old theta.

    By the performance difference lemma (1-γ)(J' - J) = E[A_C] over states of the old and actions of the new policy, up
    to second order: the change of the mean cost of a step, if states are weighted as the discount asks.
    """
    old_log_prob = policy.distribution.log_prob(old_outputs, actions)
    weights = ((advantages - advantages.mean()) / len(advantages)).astype(observations.dtype)

    def cost(theta: Any) -> Any:
        log_prob = policy.distribution.log_prob(policy.outputs(theta, observations), actions)
        return anp.sum((anp.exp(log_prob - old_log_prob) - 1) * weights) + excess

    return cost


def cpo_update(theta: np.ndarray, surrogate_loss: Function, mean_kl: Function, fisher: Any, cost: Function, *,
               max_kl: float = 0.01, damping: float = 0.1, cg_iterations: int | None = 10, cg_rtol: float = 0.01,
               alpha: float = 0.1, beta: float = 0.7, trials: int = 12) -> tuple[UpdateResult, dict[str, float]]:
    """One step of constrained policy optimization, and multiplier, predicted_change, change and recovery.

    Parameters
    ----------
    cost : callable (n,) -> scalar, at most 0 where the limit is kept; the others as in `trpo_update`

    Notes
    -----
    From a policy that keeps the limit, the line search lowers the loss and keeps KL and cost; from one that does not,
    it lowers the cost and keeps KL. If no step meets the limit, and this is proved, the step is the trust-region step
    of the cost alone.

    Examples
    --------
    >>> import autograd.numpy as anp, numpy as np
    >>> loss, cost = lambda t: -t[0] - t[1], lambda t: t[0] - 0.05
    >>> result, _ = cpo_update(np.zeros(2), loss, lambda t: 0.5 * anp.sum(t**2), np.eye(2), cost, max_kl=0.02,
    ...                        damping=1e-9, alpha=0.01)
    >>> result.theta.round(3)                                    # on both boundaries: (0.05, √(0.04 - 0.05²))
    array([0.05 , 0.194])
    """
    common: dict[str, Any] = {"max_kl": max_kl, "damping": damping, "cg_iterations": cg_iterations,
                              "cg_rtol": cg_rtol, "alpha": alpha, "beta": beta, "trials": trials}
    nothing = {"multiplier": 0.0, "predicted_change": 0.0, "change": 0.0, "recovery": 0}
    priced = ck.linear_model(cost, theta)
    b, c = np.asarray(priced.q, np.float64), float(priced.r)
    if not b.any():  # no step changes the cost
        return trpo_update(theta, surrogate_loss, mean_kl, fisher, **common), nothing
    model = ck.linear_model(surrogate_loss, theta)
    g = np.asarray(model.q, np.float64)
    # The solver works in float64, and judges symmetry by the type that the products have.
    H = ck.damped(ck.as_operator(lambda v: fisher @ v.astype(theta.dtype), theta.size, dtype=theta.dtype), damping)
    region = ck.Quadratic(H, np.zeros(theta.size), -max_kl)
    solution = ck.solve(ck.QCQP(ck.Quadratic(None, g), [region], G=b[None], h=[-c]), method="dual", tol=TOLERANCE)
    recovery = solution.status == ck.Status.INFEASIBLE
    if recovery:
        step = ck.trust_region_step(ck.Quadratic(None, b), radius=sqrt(2 * max_kl), metric=H, rtol=cg_rtol,
                                    maxiter=cg_iterations)
        p, multiplier, price = step.p, 0.0, 0.0
    else:
        p = solution.x
        multiplier, price = (float(value) for value in solution.lam)
    report = UpdateResult(theta, False, solution.message, predicted_gain=0.0 - float(g @ p), multiplier=multiplier)
    if not np.isfinite(p).all():
        return report, nothing
    nothing = {**nothing, "multiplier": price, "recovery": int(recovery)}
    kl = 0.0

    def within(candidate: np.ndarray) -> bool:
        nonlocal kl
        kl = float(mean_kl(candidate))
        return kl <= max_kl and (c > 0 or float(cost(candidate)) <= 0)

    merit, slope, start = (cost, float(b @ p), c) if c > 0 else (surrogate_loss, float(g @ p), float(model.r))
    with np.errstate(over="ignore", invalid="ignore"):
        search = ck.backtracking(merit, theta, p.astype(theta.dtype), slope, fx=start, alpha=alpha, beta=beta,
                                 maxiter=trials, in_domain=within)
    report = replace(report, message=search.message, line_search_trials=search.nit)
    if not search.success:
        return report, nothing
    predicted_kl = 0.5 * search.step**2 * float(p @ (H @ p) - damping * (p @ p))
    return (replace(report, theta=search.x, success=True, predicted_gain=report.predicted_gain * search.step,
                    surrogate_gain=float(model.r) - float(surrogate_loss(search.x)), kl=kl, step=search.step,
                    predicted_kl=max(predicted_kl, 0.0)),
            {**nothing, "predicted_change": float(b @ p) * search.step, "change": float(cost(search.x)) - c})
