"""The objective and the constraint of TRPO, as functions of a flat theta.

At the old policy theta_k: surrogate = 0 (with advantages of mean zero), mean KL = 0 and ∇(mean KL) = 0, and
∇surrogate is the policy gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd.numpy as anp
import numpy as np
from scipy.sparse.linalg import LinearOperator

import convexkit as ck

from .policies import Policy


def surrogate_loss(policy: Policy, observations: np.ndarray, actions: np.ndarray, advantages: np.ndarray,
                   old_outputs: np.ndarray) -> Callable[[Any], Any]:
    """theta -> -(1/N) Σ π(a|s) / π_old(a|s) · A, the negative surrogate advantage.

    Parameters
    ----------
    policy : Policy
    observations : (N, d), actions : (N,) or (N, m), advantages : (N,)
    old_outputs : (N, k), `policy.outputs` at the parameters that chose the actions
    """
    old_log_prob = policy.distribution.log_prob(old_outputs, actions)
    weights = (-advantages / len(advantages)).astype(observations.dtype)

    def loss(theta: Any) -> Any:
        log_prob = policy.distribution.log_prob(policy.outputs(theta, observations), actions)
        return anp.sum(anp.exp(log_prob - old_log_prob) * weights)

    return loss


def mean_kl(policy: Policy, observations: np.ndarray, old_outputs: np.ndarray) -> Callable[[Any], Any]:
    """theta -> (1/N) Σ KL(π_old(·|s) ‖ π_theta(·|s)), in nats; zero with zero gradient at the old theta."""
    # Not anp.mean: its derivative in autograd turns float32 into float64.
    share = 1.0 / len(observations)

    def kl(theta: Any) -> Any:
        return anp.sum(policy.distribution.kl(old_outputs, policy.outputs(theta, observations))) * share

    return kl


def fisher_operator(policy: Policy, observations: np.ndarray, theta: np.ndarray) -> LinearOperator:
    """F = (1/N) Σ JᵀMJ, the Fisher matrix of the policy and the Hessian of `mean_kl` at theta.

    J is the Jacobian of the outputs at one observation, M the Fisher matrix of the distribution. Positive
    semidefinite by construction; no second derivative is taken.
    """
    product = policy.distribution.fisher(policy.outputs(theta, observations))
    share = 1.0 / len(observations)
    return ck.gauss_newton_operator(lambda t: policy.outputs(t, observations), theta, lambda u: share * product(u))
