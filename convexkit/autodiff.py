"""Derivatives of functions written with `autograd.numpy`: the only place that knows autograd.

autograd is imported on first use, so `import convexkit` does not wait for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from .errors import ProblemError
from .validation import as_real_array

ScalarFunction = Callable[[np.ndarray], Any]


def _point(x: Any) -> np.ndarray:
    point = as_real_array("x", x)
    if point.ndim != 1:
        raise ProblemError(f"x must be a vector; it has shape {point.shape}.")
    return point


def value_and_gradient(f: ScalarFunction, x: Any) -> tuple[float, np.ndarray]:
    """f(x) and ∇f(x) in one forward and one backward pass.

    Parameters
    ----------
    f : callable (n,) -> scalar, written with `autograd.numpy`
    x : (n,) array; float32 stays float32

    Raises
    ------
    ProblemError
        If f does not return a scalar.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> value, gradient = ck.value_and_gradient(lambda x: x @ x, np.array([1.0, 2.0]))
    >>> float(value), gradient
    (5.0, array([2., 4.]))
    """
    from autograd import make_vjp

    x = _point(x)
    vjp, value = make_vjp(f)(x)
    if np.ndim(value) != 0:
        raise ProblemError(f"f must return a scalar; it returned shape {np.shape(value)}.")
    # The seed has the type of the value, so that float32 functions have float32 gradients.
    seed = np.ones((), dtype=np.asarray(value).dtype)[()]
    return value, np.asarray(vjp(seed), dtype=x.dtype)


def gradient(f: ScalarFunction, x: Any) -> np.ndarray:
    """∇f(x) by reverse-mode differentiation, at a small multiple of the cost of f.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> ck.gradient(lambda x: (x**3).sum(), np.array([1.0, 2.0]))
    array([ 3., 12.])
    """
    return value_and_gradient(f, x)[1]


def _symmetric(n: int, product: Callable[[np.ndarray], np.ndarray], dtype: Any) -> LinearOperator:
    return LinearOperator((n, n), matvec=product, rmatvec=product, dtype=dtype)


def _backward(f: Callable[[np.ndarray], Any], x: np.ndarray) -> Callable[[Any], Any]:
    """The backward pass of f at x. A constant, such as the gradient of a linear function, is not worth a warning."""
    from autograd import make_vjp

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Output seems independent of input")
        backward: Callable[[Any], Any] = make_vjp(f)(x)[0]
    return backward


def hessian_operator(f: ScalarFunction, x: Any) -> LinearOperator:
    """∇²f(x) as an operator; each product v -> ∇²f(x)v is one backward pass through the gradient.

        ∇²f(x) v = ∇ₓ (∇f(x)ᵀ v)

    The gradient's graph is built once, here; products reuse it.

    Raises
    ------
    ProblemError
        If f does not return a scalar.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> H = ck.hessian_operator(lambda x: (x**3).sum(), np.array([1.0, 2.0]))
    >>> H @ np.array([1.0, 1.0])
    array([ 6., 12.])
    """
    from autograd import grad

    x = _point(x)

    def scalar(y: Any) -> Any:
        value = f(y)
        if np.shape(value) != ():
            raise ProblemError(f"f must return a scalar; it returned shape {np.shape(value)}.")
        return value

    vjp = _backward(grad(scalar), x)

    def product(v: np.ndarray) -> np.ndarray:
        return np.asarray(vjp(np.asarray(v, dtype=x.dtype).reshape(-1)), dtype=x.dtype)

    return _symmetric(x.size, product, x.dtype)


def hessian(f: ScalarFunction, x: Any) -> np.ndarray:
    """∇²f(x) as a dense symmetric (n, n) array: one graph, n backward passes through it."""
    H = hessian_operator(f, x) @ np.eye(np.size(x))
    return (H + H.T) / 2


def value_and_jacobian(f: Callable[[np.ndarray], Any], x: Any) -> tuple[np.ndarray, np.ndarray]:
    """f(x) as a vector of length k (a scalar counts as one) and its (k, n) Jacobian, one backward pass a row.

    Raises
    ------
    ProblemError
        If f returns more than one axis.
    """
    from autograd import make_vjp

    x = _point(x)
    vjp, value = make_vjp(f)(x)
    shape = np.shape(value)
    if len(shape) > 1:
        raise ProblemError(f"f must return a scalar or a vector; it returned shape {shape}.")
    if shape == ():
        return np.array([float(value)]), np.asarray(vjp(np.ones(())[()]), dtype=np.float64).reshape(1, -1)
    rows = [np.asarray(vjp(unit), dtype=np.float64) for unit in np.eye(shape[0])]
    return np.asarray(value, dtype=np.float64), np.reshape(rows, (shape[0], x.size))


def gauss_newton_operator(outputs: Callable[[np.ndarray], Any], x: Any,
                          weight: Callable[[np.ndarray], np.ndarray]) -> LinearOperator:
    """JᵀMJ as an operator, with J the Jacobian of `outputs` at x and M ⪰ 0 applied by `weight`.

    With the parameters of a distribution as outputs and M their Fisher matrix, this is the Fisher matrix of
    the parameters x: positive semidefinite by construction, and equal to the Hessian of the KL divergence at
    zero. The forward and the backward linearisation are built once; a product is one pass through each.

    Parameters
    ----------
    outputs : callable (n,) -> array of any shape, written with `autograd.numpy`
    x : (n,) array; float32 stays float32
    weight : callable, an array of the outputs' shape -> M times it, symmetric positive semidefinite

    Notes
    -----
    autograd's derivatives of `mean` and `**` turn float32 into float64; `sum(e * e) * share` does not.
    Schraudolph 2002, "Fast curvature matrix-vector products for second-order gradient descent".

    Examples
    --------
    >>> import autograd.numpy as anp, numpy as np, convexkit as ck
    >>> A = np.array([[1.0, 2.0], [0.0, 1.0], [1.0, 0.0]])
    >>> H = ck.gauss_newton_operator(lambda x: anp.dot(A, x), np.zeros(2), lambda u: 2.0 * u)
    >>> np.allclose(H @ np.eye(2), 2.0 * A.T @ A)
    True
    """
    from autograd import make_vjp

    x = _point(x)
    vjp, y = make_vjp(outputs)(x)
    # u -> Jᵀu is linear, so the transpose of its own derivative, at any u, is v -> Jv. Linearising it once
    # spares the forward pass that autograd's make_jvp would repeat in every product.
    jvp, _ = make_vjp(vjp)(np.zeros_like(y))

    def product(v: np.ndarray) -> np.ndarray:
        v = np.asarray(v, dtype=x.dtype).reshape(-1)
        return np.asarray(vjp(weight(jvp(v))), dtype=x.dtype)

    return _symmetric(x.size, product, x.dtype)


def with_pullback(forward: Callable[..., tuple[np.ndarray, Callable[[np.ndarray], Sequence[np.ndarray]]]],
                  *arrays: Any) -> Any:
    """The value of `forward(*arrays)`, traced by autograd with a derivative that `forward` brings itself.

    Parameters
    ----------
    forward : callable, plain arrays -> (value, pullback); the pullback takes weights of the value's shape and returns
        the gradient of weightsᵀvalue in each of the arrays. First derivatives only
    arrays : arrays, or what autograd traces

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> from convexkit.autodiff import with_pullback
    >>> def square(x):
    ...     return x * x, lambda w: [2 * w * x]
    >>> ck.gradient(lambda x: with_pullback(square, x)[0], np.array([3.0, 1.0]))
    array([6., 0.])
    """
    from autograd.extend import defvjp_argnums, primitive

    pullbacks: list[Callable[[np.ndarray], Sequence[np.ndarray]]] = []

    @primitive
    def value(*plain: Any) -> np.ndarray:
        result, pullback = forward(*plain)
        pullbacks.append(pullback)
        return result

    def backward(argnums: Sequence[int], *_: Any) -> Callable[[Any], tuple]:
        def of(weights: Any) -> tuple:
            gradients = pullbacks[-1](weights)
            return tuple(gradients[i] for i in argnums)

        return of

    defvjp_argnums(value, backward)
    return value(*arrays)
