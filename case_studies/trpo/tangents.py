"""The Jacobian of a network with one output, kept as its factors: no row of it is ever formed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .networks import ACTIVATIONS, Mlp


@dataclass(frozen=True)
class Tangents:
    """J (N, n) of network(theta, x)[:, 0], by its factors: in each layer the row of an input is an outer product.

        ∂y/∂Wᵢ = hᵢ₋₁ gᵢᵀ,   ∂y/∂bᵢ = gᵢ,       g_L = 1,  gᵢ₋₁ = (Wᵢ gᵢ) ∘ slopeᵢ₋₁

    Attributes
    ----------
    outputs : (N,)
    inputs : hᵢ₋₁ of each layer, (N, width before)
    signals : gᵢ of each layer, (N, width after)

    Examples
    --------
    >>> import numpy as np
    >>> line = Tangents.at(Mlp((1, 1)), np.array([2.0, 1.0]), np.array([[3.0], [4.0]]))     # y = 2x + 1
    >>> line.outputs, line.kernel(), line.pull_back(np.array([1.0, 0.0]))
    (array([7., 9.]), array([[10., 13.], [13., 17.]]), array([3., 1.]))
    """

    network: Mlp
    outputs: np.ndarray
    inputs: list[np.ndarray]
    signals: list[np.ndarray]

    @classmethod
    def at(cls, network: Mlp, theta: np.ndarray, x: np.ndarray) -> Tangents:
        """One pass forward and one back."""
        layers = network.layers(theta)
        activation = ACTIVATIONS[network.activation]
        inputs = [x]
        for W, b in layers[:-1]:
            z = inputs[-1] @ W
            z += b
            inputs.append(activation.apply(z))
        W, b = layers[-1]
        outputs = inputs[-1] @ W
        outputs += b
        signals = [np.ones_like(outputs)]
        for h, (W, _) in zip(inputs[:0:-1], layers[:0:-1], strict=True):
            g = signals[-1] @ W.T
            g *= activation.slope(h)
            signals.append(g)
        return cls(network, outputs[:, 0], inputs, signals[::-1])

    def kernel(self) -> np.ndarray:
        """JJᵀ = Σ (hhᵀ + 1) ∘ (ggᵀ), (N, N), the sum over layers: N² products of short rows instead of n-vectors."""
        total = self.inputs[-1] @ self.inputs[-1].T  # of the last layer, where g = 1
        total += 1
        for h, g in zip(self.inputs[:-1], self.signals[:-1], strict=True):
            part = h @ h.T
            part += 1
            part *= g @ g.T
            total += part
        return total

    def pull_back(self, a: np.ndarray) -> np.ndarray:
        """Jᵀa, (n,)."""
        total = np.empty(self.network.size, a.dtype)
        for (W, b), h, g in zip(self.network.layers(total), self.inputs, self.signals, strict=True):
            weighted = g * a[:, None]
            np.matmul(h.T, weighted, out=W)
            np.sum(weighted, axis=0, out=b)
        return total
