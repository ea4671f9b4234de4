"""A multilayer perceptron whose weights are views of one flat vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from math import sqrt
from operator import add
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.extend import defjvp_argnums, defvjp_argnums, primitive


@dataclass(frozen=True)
class Activation:
    """A function of z = xW + b, in place, and its slope as a function of its value y: no z need be kept."""

    apply: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[Any], Any]


# tanh' = 1 - y². ELU and ReLU have their usual slope 1 where y > 0; ELU is exp(z) - 1 elsewhere, with slope y + 1.
ACTIVATIONS = {
    "tanh": Activation(lambda z: np.tanh(z, out=z), lambda y: 1 - y * y),
    "relu": Activation(lambda z: np.maximum(z, 0, out=z), lambda y: (y > 0).astype(y.dtype)),
    "elu": Activation(lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda y: 1 + anp.minimum(y, 0)),
}


@primitive
def dense_layer(x: Any, W: Any, b: Any, activation: str = "tanh") -> Any:
    """y = activation(xW + b), for x (N, d), as one operation to autograd.

        dy = (dx W + x dW + db) ∘ slope(y),     1 - y² for tanh

    With y at hand the derivative costs no transcendental function; autograd's own rule for tanh divides by
    cosh²z, which also overflows in float32 from |z| = 45 on. Gauss-Newton products take half the time.
    """
    z = x @ W
    z += b
    return ACTIVATIONS[activation].apply(z)


def _layer_vjp(argnums: tuple[int, ...], y: Any, arguments: tuple[Any, ...], _: Any) -> Callable[[Any], Any]:
    x, W, _b, *activation = arguments
    slope = ACTIVATIONS[activation[0] if activation else "tanh"].slope(y)

    def vjp(g: Any) -> tuple[Any, ...]:
        gz = g * slope
        cotangents = (lambda: anp.dot(gz, W.T), lambda: anp.dot(x.T, gz), lambda: anp.sum(gz, axis=0))
        return tuple(cotangents[argnum]() for argnum in argnums)

    return vjp


def _layer_jvp(argnums: tuple[int, ...], tangents: tuple[Any, ...], y: Any, arguments: tuple[Any, ...], _: Any
               ) -> Any:
    x, W, _b, *activation = arguments
    products = (lambda g: anp.dot(g, W), lambda g: anp.dot(x, g), lambda g: g)
    dz = reduce(add, (products[argnum](g) for argnum, g in zip(argnums, tangents, strict=True)))
    return dz * ACTIVATIONS[activation[0] if activation else "tanh"].slope(y)


defvjp_argnums(dense_layer, _layer_vjp)
defjvp_argnums(dense_layer, _layer_jvp)


@dataclass(frozen=True)
class Mlp:
    """x -> W_Lᵀ tanh(... tanh(W_1ᵀx + b_1) ...) + b_L, with theta = (W_1, b_1, ..., W_L, b_L) flat.

    Parameters
    ----------
    sizes : widths of input, hidden layers and output
    activation : of the hidden layers, a name in `ACTIVATIONS`

    Examples
    --------
    >>> import numpy as np
    >>> network = Mlp((3, 8, 2))
    >>> theta = network.initial(np.random.default_rng(0))
    >>> theta.shape, theta.dtype.name, network(theta, np.ones((5, 3), np.float32)).shape
    ((50,), 'float32', (5, 2))
    """

    sizes: tuple[int, ...]
    activation: str = "tanh"

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum((rows + 1) * columns for rows, columns in zip(self.sizes, self.sizes[1:], strict=False))

    def layers(self, theta: Any) -> list[tuple[Any, Any]]:
        """(W, b) of each layer, as views of theta (of a traced theta: as functions of it)."""
        layers, start = [], 0
        for rows, columns in zip(self.sizes, self.sizes[1:], strict=False):
            middle, end = start + rows * columns, start + (rows + 1) * columns
            layers.append((theta[start:middle].reshape((rows, columns)), theta[middle:end]))
            start = end
        return layers

    def __call__(self, theta: Any, x: Any) -> Any:
        """Outputs (N, k) for inputs (N, d); differentiable in theta."""
        *hidden, (W, b) = self.layers(theta)
        for weights, bias in hidden:
            x = dense_layer(x, weights, bias, self.activation)
        return anp.dot(x, W) + b

    def initial(self, rng: np.random.Generator, *, output_gain: float = 1.0) -> np.ndarray:
        """Weights with orthonormal rows or columns, times √2 in hidden layers and output_gain in the last; b = 0.

        Saxe, McClelland & Ganguli 2014. A small output gain starts the policy near uniform.
        """
        theta = np.zeros(self.size, dtype=np.float32)
        layers = self.layers(theta)
        for number, (W, _) in enumerate(layers, start=1):
            rows, columns = W.shape
            Q, R = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
            # With the signs of diag(R) taken out, Q is uniformly distributed.
            Q *= np.sign(np.diag(R))
            W[:] = (output_gain if number == len(layers) else sqrt(2.0)) * (Q if rows >= columns else Q.T)
        return theta

    def fast_forward(self, theta: np.ndarray, rows: int, shift: np.ndarray, scale: np.ndarray
                     ) -> Callable[[np.ndarray], np.ndarray]:
        """The network on (x - shift) / scale for batches of exactly `rows`, without allocation: a few µs.

            W_1ᵀ((x - shift) / scale) + b_1 = (W_1 / scale)ᵀx + (b_1 - W_1ᵀ(shift / scale))

        The result is overwritten by the next call.
        """
        (W, b), *rest = self.layers(theta)
        folded = (W / scale[:, None], b - (shift / scale) @ W)
        steps = [(weights, np.tile(bias, (rows, 1)), np.empty((rows, bias.size), theta.dtype))
                 for weights, bias in (folded, *rest)]
        *hidden, (W_last, b_last, last) = steps
        matmul, plus, apply = np.matmul, np.add, ACTIVATIONS[self.activation].apply

        def forward(x: np.ndarray) -> np.ndarray:
            for weights, bias, out in hidden:
                matmul(x, weights, out=out)
                plus(out, bias, out=out)
                x = apply(out)
            matmul(x, W_last, out=last)
            return plus(last, b_last, out=last)

        return forward
