"""Convex functions that are not quadratic and whose conjugates are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ProblemError
from ..validation import as_matrix, as_vector, dense, in_range


class MaxAffine:
    """f(x) = maxᵢ (aᵢᵀx + bᵢ), convex and piecewise linear.

    Parameters
    ----------
    A : (m, n) array or sparse, slopes in rows; a vector holds the m slopes of a function of one variable
    b : (m,) array, zero if omitted

    Raises
    ------
    ProblemError
        For shapes that do not fit, NaN, or no piece at all.

    Notes
    -----
    Its conjugate is finite on the convex hull of the slopes: f*(y) = min {-bᵀθ : Aᵀθ = y, θ ≥ 0, 1ᵀθ = 1}. Boyd &
    Vandenberghe, exercise 3.36.

    Examples
    --------
    >>> import convexkit as ck
    >>> f = ck.MaxAffine([-1.0, 0.0, 2.0], [0.0, 1.0, -3.0])
    >>> [f([x]) for x in (-2.0, 0.0, 4.0)]
    [2.0, 1.0, 5.0]
    >>> round(ck.conjugate(f, [1.0]).value, 6)                 # halfway between the slopes 0 and 2: (-1 + 3)/2
    1.0
    """

    __slots__ = ("A", "b")

    def __init__(self, A: Any, b: Any = None):
        matrix = dense(as_matrix("A", np.reshape(A, (-1, 1)) if np.ndim(A) == 1 else A))
        if matrix.size == 0:
            raise ProblemError(f"A has shape {matrix.shape}; a maximum needs at least one piece and one variable.")
        self.A = matrix
        self.b = np.zeros(len(matrix)) if b is None else as_vector("b", b, len(matrix))

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.A.shape[1]

    def __call__(self, x: Any) -> float:
        """f(x)."""
        return float((self.A @ as_vector("x", x, self.n) + self.b).max())

    def __repr__(self) -> str:
        return f"MaxAffine({len(self.A)} pieces, n={self.n})"


class Norm:
    """f(x) = ‖x‖ₚ, for p from 1 to infinity.

    Its conjugate is 0 where ‖y‖_q ≤ 1, with 1/p + 1/q = 1, and +inf elsewhere.

    Parameters
    ----------
    p : float ≥ 1 or inf

    Raises
    ------
    ProblemError
        For p < 1, where ‖·‖ₚ is no norm.

    Examples
    --------
    >>> import convexkit as ck
    >>> ck.Norm(1)([3.0, -4.0]), ck.Norm(1).dual
    (7.0, Norm(inf))
    >>> ck.conjugate(ck.Norm(1), [1.0, -1.0, 0.5]).value, ck.conjugate(ck.Norm(1), [1.1, 0.0, 0.0]).value
    (0.0, inf)
    """

    __slots__ = ("p",)

    def __init__(self, p: float = 2.0):
        self.p = in_range("p", p, 1.0, np.inf, low_open=False, high_open=False)

    @property
    def dual(self) -> Norm:
        """The dual norm, ‖y‖_q = sup of yᵀx over ‖x‖ₚ ≤ 1."""
        return Norm(np.inf if self.p == 1 else 1.0 if np.isinf(self.p) else self.p / (self.p - 1))

    def maximizer(self, y: np.ndarray) -> np.ndarray:
        """The x with ‖x‖ₚ = 1 and yᵀx = ‖y‖_q, for y ≠ 0."""
        size = abs(y) / abs(y).max()
        if self.p == 1:
            return np.where(np.arange(y.size) == int(np.argmax(size)), np.sign(y), 0.0)
        x = np.sign(y) * (np.ones(y.size) if np.isinf(self.p) else size ** (self.dual.p - 1))
        return x / self(x)

    def __call__(self, x: Any) -> float:
        """f(x)."""
        return float(np.linalg.norm(as_vector("x", x), self.p))

    def __repr__(self) -> str:
        return f"Norm({self.p:g})"


class LogSumExp:
    """f(x) = log Σ exp(xᵢ).

    Its conjugate is the negative entropy Σ yᵢ log yᵢ on the simplex y ≥ 0, 1ᵀy = 1, and +inf elsewhere. Boyd &
    Vandenberghe, example 3.25.

    Examples
    --------
    >>> import convexkit as ck
    >>> round(ck.LogSumExp()([0.0, 0.0]), 6)
    0.693147
    >>> round(ck.conjugate(ck.LogSumExp(), [0.5, 0.25, 0.25]).value, 6)                    # -1.5 log 2
    -1.039721
    """

    __slots__ = ()

    def __call__(self, x: Any) -> float:
        """f(x)."""
        x = as_vector("x", x)
        highest = float(x.max())
        return highest + float(np.log(np.exp(x - highest).sum()))

    def __repr__(self) -> str:
        return "LogSumExp()"


class NegativeEntropy:
    """f(x) = Σ xᵢ log xᵢ for x ≥ 0, with 0 log 0 = 0; +inf elsewhere.

    Its conjugate is Σ exp(yᵢ - 1). Boyd & Vandenberghe, example 3.21.

    Examples
    --------
    >>> import convexkit as ck
    >>> ck.NegativeEntropy()([1.0, 0.0]), ck.NegativeEntropy()([-1.0])
    (0.0, inf)
    >>> ck.conjugate(ck.NegativeEntropy(), [1.0, 1.0]).value
    2.0
    """

    __slots__ = ()

    def __call__(self, x: Any) -> float:
        """f(x)."""
        x = as_vector("x", x)
        if (x < 0).any():
            return float("inf")
        return float(x @ np.log(np.where(x > 0, x, 1.0)))

    def __repr__(self) -> str:
        return "NegativeEntropy()"
