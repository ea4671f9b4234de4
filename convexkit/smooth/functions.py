"""The user's functions with their derivatives, and what is wrong with them in the user's words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..autodiff import hessian, hessian_operator, value_and_jacobian
from ..errors import ProblemError
from ..quadratic import Quadratic

HINT = "write it with autograd.numpy (import autograd.numpy as np) and avoid assignments into arrays"


class Function:
    """A scalar or vector function of x: value, Jacobian, and second derivatives of weighted components.

    Outside its domain a function returns NaN or +inf, without a warning.
    """

    def __init__(self, name: str, f: Callable[[np.ndarray], Any] | Quadratic):
        if not callable(f):
            raise ProblemError(f"{name} must be a callable of x, or a Quadratic; got {type(f).__name__}.")
        self.name, self.f = name, f
        self.quadratic = f if isinstance(f, Quadratic) else None
        self.size = 0  # known from the first evaluation on

    def start(self, x: np.ndarray, scalar: bool) -> np.ndarray:
        """The value at x0, checked: shape, finiteness, and that derivatives can be had."""
        if self.quadratic is not None and self.quadratic.n != x.size:
            raise ProblemError(f"{self.name} has {self.quadratic.n} variables; x0 has {x.size}.")
        try:
            value, jacobian = self.value_and_jacobian(x)
        except ProblemError as error:
            raise ProblemError(f"{self.name}: {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise ProblemError(f"{self.name} cannot be differentiated at x0 ({type(error).__name__}: {error}); "
                               f"{HINT}.") from error
        if scalar and value.size != 1:
            raise ProblemError(f"{self.name} must return a scalar; it returned {value.size} values.")
        if not np.isfinite(value).all() or not np.isfinite(jacobian).all():
            k = int(np.argmax(~(np.isfinite(value) & np.isfinite(jacobian).all(axis=1))))
            component = f", component {k}," if value.size > 1 else ""
            raise ProblemError(f"{self.name}{component} is {value[k]:g} at x0 with a slope of size "
                               f"{np.abs(jacobian[k]).max(initial=0.0):g}: x0 must lie in its domain, away from the "
                               "edge. Choose another x0.")
        self.size = value.size
        return value

    def value(self, x: np.ndarray) -> np.ndarray:
        """The components at x, NaN or inf outside the domain."""
        if self.quadratic is not None:
            return np.array([self.quadratic.value(x)])
        with np.errstate(all="ignore"):
            return self._checked(np.asarray(self.f(x), dtype=np.float64).reshape(-1))

    def _checked(self, value: np.ndarray) -> np.ndarray:
        if self.size and value.size != self.size:
            raise ProblemError(f"{self.name} returned {value.size} values at one point and {self.size} at another.")
        return value

    def value_and_jacobian(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The components and their gradients as rows."""
        if self.quadratic is not None:
            return np.array([self.quadratic.value(x)]), self.quadratic.gradient(x)[None, :]
        with np.errstate(all="ignore"):
            value, jacobian = value_and_jacobian(self.f, x)
        return self._checked(value), jacobian


class Sum:
    """f + Σ weights·g: the part of the Lagrangian that is not linear, at one point and for one set of weights."""

    def __init__(self, functions: Sequence[Function], weights: Sequence[np.ndarray], x: np.ndarray):
        self.quadratics = [(float(w[0]), f.quadratic) for f, w in zip(functions, weights, strict=True)
                           if f.quadratic is not None]
        self.others = [(f, w) for f, w in zip(functions, weights, strict=True) if f.quadratic is None]
        self.x = x

    def _total(self, x: Any) -> Any:
        total: Any = 0.0
        for f, weights in self.others:
            values = f.f(x)
            total = total + (weights * values).sum() if np.ndim(weights * values) else total + weights[0] * values
        return total

    def hessian(self) -> np.ndarray:
        """The (n, n) matrix of second derivatives."""
        H = np.zeros((self.x.size, self.x.size))
        for weight, f in self.quadratics:
            H += weight * f.hessian()
        if self.others:
            with np.errstate(all="ignore"):
                H += hessian(self._total, self.x)
        return H

    def operator(self) -> Callable[[np.ndarray], np.ndarray]:
        """The product with it, from one graph."""
        product: LinearOperator | None = None
        if self.others:
            with np.errstate(all="ignore"):
                product = hessian_operator(self._total, self.x)

        def hessp(v: np.ndarray) -> np.ndarray:
            out = np.zeros_like(self.x) if product is None else product.matvec(v)
            for weight, f in self.quadratics:
                out = out + weight * f.hessp(v)
            return out

        return hessp
