"""A multilayer perceptron whose weights are views of one flat vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp
from autograd.extend import defvjp, defvjp_argnums, primitive


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
    cosh²z, which also overflows in float32 from |z| = 45 on.
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


defvjp_argnums(dense_layer, _layer_vjp)


# The whole network as one operation, twice as fast as its layers one by one: nothing is sliced out of theta and
# added up again on the way back.
#
#     forward    h₀ = x,  hᵢ = activation(hᵢ₋₁Wᵢ + bᵢ)
#     Jv         dᵢ = (hᵢ₋₁dWᵢ + dbᵢ + dᵢ₋₁Wᵢ) ∘ slopeᵢ
#     Jᵀg        gᵢ₋₁ = (gᵢWᵢᵀ) ∘ slopeᵢ₋₁,  dWᵢ = hᵢ₋₁ᵀgᵢ,  dbᵢ = Σ gᵢ
#
# `tape` is a list that the forward pass fills with the hᵢ, and the first of the others with their slopes.

@primitive
def _forward(theta: Any, x: Any, network: Mlp, tape: list[list[np.ndarray]]) -> Any:
    *hidden, (W, b) = network.layers(theta)
    tape[:] = [[x], []]
    values = tape[0]
    apply = ACTIVATIONS[network.activation].apply
    for weights, bias in hidden:
        z = values[-1] @ weights
        z += bias
        values.append(apply(z))
    y = values[-1] @ W
    y += b
    return y


def _played(network: Mlp, tape: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    """Values and slopes of the hidden layers."""
    values, slopes = tape
    if len(slopes) < len(values) - 1:
        slopes[:] = [ACTIVATIONS[network.activation].slope(h) for h in values[1:]]
    return tape


@primitive
def _pull_back(g: Any, theta: Any, x: Any, network: Mlp, tape: list[list[np.ndarray]]) -> Any:
    """Jᵀg."""
    gradient = np.empty_like(theta)
    gradient[network.size:] = 0  # what follows the network's own parameters in theta
    layers, parts = network.layers(theta), network.layers(gradient)
    values, slopes = _played(network, tape)
    for i in range(len(layers) - 1, -1, -1):
        np.matmul(values[i].T, g, out=parts[i][0])
        np.sum(g, axis=0, out=parts[i][1])
        if i:
            g = g @ layers[i][0].T
            g *= slopes[i - 1]
    return gradient


def _push_forward(v: Any, theta: Any, network: Mlp, tape: list[list[np.ndarray]]) -> np.ndarray:
    """Jv."""
    layers, parts = network.layers(theta), network.layers(np.asarray(v))
    values, slopes = _played(network, tape)
    d = None
    for i, ((W, _), (dW, db)) in enumerate(zip(layers, parts, strict=True)):
        z = values[i] @ dW
        z += db
        if d is not None:
            z += d @ W
        if i < len(slopes):
            z *= slopes[i]
        d = z
    return np.asarray(d)


def _again(theta: Any, g: Any, x: Any, network: Mlp) -> Callable[[Any], Any]:
    """c -> ∂/∂theta (cᵀJᵀg), for second derivatives: through the layers one by one."""
    back: Callable[[Any], Any] = make_vjp(lambda t: make_vjp(lambda u: network.layered(u, x))(t)[0](g))(theta)[0]
    return back


defvjp(_forward, lambda y, theta, x, network, tape: lambda g: _pull_back(g, theta, x, network, tape), argnums=(0,))
defvjp(_pull_back,
       lambda _, g, theta, x, network, tape: lambda c: _push_forward(c, theta, network, tape),
       lambda _, g, theta, x, network, tape: _again(theta, g, x, network), argnums=(0, 1))


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
        return _forward(theta, x, self, [])

    def layered(self, theta: Any, x: Any) -> Any:
        """The same, layer by layer: slower, and differentiable any number of times."""
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

    def fast_forward(self, theta: np.ndarray, rows: int, shift: np.ndarray, scale: np.ndarray, limit: float = inf
                     ) -> Callable[[np.ndarray], np.ndarray]:
        """The network on (x - shift) / scale for batches of exactly `rows`, without allocation: a few µs.

        A `limit` to the size of (x - shift) / scale is one to x.

            W_1ᵀ((x - shift) / scale) + b_1 = (W_1 / scale)ᵀx + (b_1 - W_1ᵀ(shift / scale))

        The result is overwritten by the next call.
        """
        (W, b), *rest = self.layers(theta)
        folded = (W / scale[:, None], b - (shift / scale) @ W)
        steps = [(weights, np.tile(bias, (rows, 1)), np.empty((rows, bias.size), theta.dtype))
                 for weights, bias in (folded, *rest)]
        *hidden, (W_last, b_last, last) = steps
        plus, apply = np.add, ACTIVATIONS[self.activation].apply

        # Whole arrays of limits, as of biases: at this size it is broadcasting that takes the time. So does matmul:
        # x.dot is the same product for two thirds of it.
        low, high = (np.tile(bound, (rows, 1)) for bound in (shift - limit * scale, shift + limit * scale))
        least, most, within = np.maximum, np.minimum, np.empty((rows, shift.size), theta.dtype)
        bounded = limit < inf

        def forward(x: np.ndarray) -> np.ndarray:
            if bounded:
                x = most(least(x, low, out=within), high, out=within)
            for weights, bias, out in hidden:
                x.dot(weights, out)
                plus(out, bias, out=out)
                x = apply(out)
            x.dot(W_last, last)
            return plus(last, b_last, out=last)

        return forward
