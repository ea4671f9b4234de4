"""The value baseline: a network fitted to returns by Gauss-Newton steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import autograd.numpy as anp
import numpy as np

import convexkit as ck

from .networks import Mlp

# Relative residual at which the Gauss-Newton system counts as solved; the iteration limit comes first as a rule.
CG_RTOL = 1e-2


@dataclass(frozen=True)
class Baseline:
    """V(s) = shift + scale · network(weights, s), so that the network fits numbers of size one.

    Before the first fit scale is 0, and V is 0.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 2)).astype(np.float32)
    >>> returns = 100.0 + 10.0 * x[:, 0]
    >>> baseline = Baseline.start(Mlp((2, 16, 1)), rng).fitted(x, returns, rng, passes=10)
    >>> bool(explained_variance(baseline.values(x), returns) > 0.99)
    True
    """

    network: Mlp
    weights: np.ndarray
    shift: float = 0.0
    scale: float = 0.0

    @classmethod
    def start(cls, network: Mlp, rng: np.random.Generator) -> Baseline:
        """An untrained baseline."""
        return cls(network, network.initial(rng, output_gain=0.01))

    def values(self, observations: np.ndarray) -> np.ndarray:
        """V at (N, d) normalised observations, (N,) float64."""
        return self.shift + self.scale * self.network(self.weights, observations)[:, 0].astype(np.float64)

    def rescaled(self, targets: np.ndarray) -> Baseline:
        """The same function, with shift and scale taken from new targets.

            shift' + scale'·(c·Wᵀh + b') = shift + scale·(Wᵀh + b)
            c = scale/scale',   b' = c·b + (shift - shift')/scale'

        van Hasselt et al. 2016. A first call has no function to keep; equal targets have no scale to give.
        """
        shift, scale = float(targets.mean()), float(targets.std())
        # The deviation of equal targets is of rounding size.
        if scale <= 1e-12 * float(np.abs(targets).max()):
            return self if self.scale > 0 else replace(self, shift=shift)
        if self.scale == 0:
            return replace(self, shift=shift, scale=scale)
        weights = self.weights.copy()
        W, b = self.network.layers(weights)[-1]
        W *= self.scale / scale
        b *= self.scale / scale
        b += (self.shift - shift) / scale
        return replace(self, weights=weights, shift=shift, scale=scale)

    def fitted(self, observations: np.ndarray, targets: np.ndarray, rng: np.random.Generator, *, passes: int = 1,
               parts: int = 3, cg_iterations: int = 4, damping: float = 0.03) -> Baseline:
        """After a few Gauss-Newton steps, each on its own random part of the batch, whose loss does not rise.

            minimise  (1/2N) Σ (V(s) - target)² / scale²,       (JᵀJ/N + damping·I) p = -gradient

        Parameters
        ----------
        observations : (N, d), normalised
        targets : (N,), in units of return
        rng : deals the rows to the parts
        passes, parts, cg_iterations, damping : `value_*` of `TrpoConfig`

        Notes
        -----
        A pass costs as much as one Gauss-Newton step on the whole batch, whatever the number of parts: one gradient,
        cg_iterations + 1 products with JᵀJ and one loss for each trial. Steps on parts get further, as the later
        ones start from where the earlier ones have come to.
        """
        if passes == 0:
            return self
        baseline = self.rescaled(targets)
        if baseline.scale == 0:
            return baseline
        goal = ((targets - baseline.shift) / baseline.scale).astype(observations.dtype)[:, None]
        weights = baseline.weights
        for _ in range(passes):
            for rows in np.array_split(rng.permutation(len(goal)), min(parts, len(goal))):
                weights = gauss_newton_step(self.network, weights, observations[rows], goal[rows], cg_iterations,
                                            damping)
        return replace(baseline, weights=weights)


def gauss_newton_step(network: Mlp, weights: np.ndarray, x: np.ndarray, goal: np.ndarray, cg_iterations: int,
                      damping: float) -> np.ndarray:
    """New weights after one damped Gauss-Newton step towards network(weights, x) = goal; the old ones if it fails."""
    share = 1.0 / len(goal)

    def outputs(w: Any) -> Any:
        return network(w, x)

    def loss(w: Any) -> Any:
        # Not anp.mean and not **: their derivatives in autograd turn float32 into float64.
        error = outputs(w) - goal
        return anp.sum(error * error) * (0.5 * share)

    model = ck.linear_model(loss, weights)
    curvature = ck.gauss_newton_operator(outputs, weights, lambda u: share * u)
    p = ck.conjugate_gradient(ck.damped(curvature, damping), -model.q, rtol=CG_RTOL, maxiter=cg_iterations).x
    return ck.backtracking(loss, weights, p, float(model.q @ p), fx=model.r, maxiter=10).x


def explained_variance(values: np.ndarray, targets: np.ndarray) -> float:
    """1 - Var(targets - values) / Var(targets): 1 is perfect, 0 no better than a constant; nan if Var = 0."""
    variance = float(np.var(targets))
    return 1.0 - float(np.var(targets - values)) / variance if variance > 0 else float("nan")
