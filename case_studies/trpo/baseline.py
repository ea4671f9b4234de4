"""The value baseline: a network fitted to returns by Gauss-Newton steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

import convexkit as ck

from .networks import Mlp
from .tangents import Tangents

# The scale falls by a fifth at most from batch to batch. Where one batch has nearly equal targets, dividing by their
# deviation would blow up the last layer, and what is left of the damping would be nothing. Measured on CartPole, where
# such batches are common once the pole stays up: with 0.5 in place of 0.8 it is solved less often.
SCALE_FALL = 0.8
# Relative residual at which the system of a fitting step counts as solved. Measured: a smaller one explains no more.
CG_RTOL = 0.2


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
        """The same function, with shift and scale taken from new targets: their mean, and their deviation or SCALE_FALL
        times the old scale, whichever is larger.

            shift' + scale'·(c·Wᵀh + b') = shift + scale·(Wᵀh + b)
            c = scale/scale',   b' = c·b + (shift - shift')/scale'

        van Hasselt et al. 2016. A first call has no function to keep; equal targets have no scale to give.
        """
        shift, scale = float(targets.mean()), float(targets.std())
        if self.scale == 0:
            # The deviation of equal targets is of rounding size.
            equal = scale <= 1e-12 * float(np.abs(targets).max())
            return replace(self, shift=shift, scale=0.0 if equal else scale)
        scale = max(scale, SCALE_FALL * self.scale)
        weights = self.weights.copy()
        W, b = self.network.layers(weights)[-1]
        W *= self.scale / scale
        b *= self.scale / scale
        b += (self.shift - shift) / scale
        return replace(self, weights=weights, shift=shift, scale=scale)

    def fitted(self, observations: np.ndarray, targets: np.ndarray, rng: np.random.Generator, *, passes: int = 1,
               rows: int = 200, cg_iterations: int = 50, damping: float = 0.1) -> Baseline:
        """After one Gauss-Newton step on each of many small random parts of the batch.

            minimise  (1/2m) Σ (V(s) - target)² / scale²     over a part of m rows at a time

        Parameters
        ----------
        observations : (N, d), normalised
        targets : (N,), in units of return
        rng : deals the rows to the parts
        passes, rows, cg_iterations, damping : `value_*` of `TrpoConfig`

        Notes
        -----
        Small parts make the later steps start from where the earlier ones have come to, and each costs little, see
        `gauss_newton_step`. The share taken of a step falls from 1 to 1/K over the K steps of the fit: what the parts
        do not agree on averages out.
        """
        if passes == 0:
            return self
        baseline = self.rescaled(targets)
        if baseline.scale == 0:
            return baseline
        goal = ((targets - baseline.shift) / baseline.scale).astype(observations.dtype)
        parts = max(1, round(len(goal) / rows))
        deals = [part for _ in range(passes) for part in np.array_split(rng.permutation(len(goal)), parts)]
        weights = baseline.weights
        for number, part in enumerate(deals):
            weights = gauss_newton_step(self.network, weights, observations[part], goal[part],
                                        share=1.0 - number / len(deals), cg_iterations=cg_iterations, damping=damping)
        return replace(baseline, weights=weights)


def gauss_newton_step(network: Mlp, weights: np.ndarray, x: np.ndarray, goal: np.ndarray, *, share: float,
                      cg_iterations: int, damping: float, rtol: float = CG_RTOL) -> np.ndarray:
    """New weights after a damped Gauss-Newton step towards network(weights, x) = goal; the old ones if it fails.

        minimise  (1/2m)‖e - Jp‖² + (damping/2)‖p‖²,     e = goal - network(weights, x)
        dual      (JJᵀ + m·damping I) a = e,     p = Jᵀa

    The dual has one unknown for each of the m rows, against thousands of weights, and its matrix is formed without J
    (see `Tangents`): a product in conjugate gradients takes microseconds. The first trial of the line search is
    weights + share·p.
    """
    m = len(goal)
    tangents = Tangents.at(network, weights, x)
    error = goal - tangents.outputs
    K = tangents.kernel()
    K.flat[::m + 1] += m * damping
    a = ck.conjugate_gradient(K, error, rtol=rtol, maxiter=cg_iterations).x
    loss = float(error @ error) / (2 * m)
    # gᵀp = -eᵀJJᵀa/m = -eᵀ(K - m·damping I)a/m, and eᵀKa = ‖e‖² because the residual is orthogonal to e.
    slope = -(2 * loss - damping * float(error @ a))

    def loss_at(w: np.ndarray) -> float:
        left = goal - network(w, x)[:, 0]
        return float(left @ left) / (2 * m)

    return ck.backtracking(loss_at, weights, tangents.pull_back(a), slope, fx=loss, step=share, maxiter=10).x


def explained_variance(values: np.ndarray, targets: np.ndarray) -> float:
    """1 - Var(targets - values) / Var(targets): 1 is perfect, 0 no better than a constant; nan if Var = 0."""
    variance = float(np.var(targets))
    return 1.0 - float(np.var(targets - values)) / variance if variance > 0 else float("nan")
