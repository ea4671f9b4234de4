"""One quadratic: an objective, a constraint, and a Taylor model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from ..errors import ProblemError
from ..operators import as_operator
from ..validation import as_matrix, as_real_array, as_symmetric, as_vector
from .definite import is_psd, smallest_eigenvalue
from .matrices import FactoredMatrix, SummedMatrix, is_zero


class Quadratic:
    """The function ½xᵀPx + qᵀx + r.

    Parameters
    ----------
    P : (n, n) array, sparse matrix, LinearOperator or callable, or None for an affine function
        Symmetric. Asymmetry beyond rounding is refused, because ½xᵀPx leaves open what was meant.
    q : (n,) array, optional; zero if omitted (then P says what n is)
    r : float

    Raises
    ------
    ProblemError
        For shapes that do not fit, NaN or inf, an asymmetric P, or neither P nor q.

    Notes
    -----
    Data are referred to, not copied, where they are float64 already; they are never modified.
    A call costs one product with P.

    Attributes
    ----------
    P, q, r, n : as given, and the number of variables
    structure : str, what P is: `affine`, `dense`, `sparse`, `factored` or `operator`

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> f = ck.Quadratic([[2.0, 0.0], [0.0, 4.0]], [1.0, 0.0], 3.0)
    >>> x = np.array([1.0, 1.0])
    >>> f(x), f.gradient(x), f.hessp(x)
    (7.0, array([3., 4.]), array([2., 4.]))
    >>> ck.Quadratic(None, [1.0, -1.0]).is_affine
    True
    """

    __slots__ = ("P", "n", "q", "r", "structure")

    def __init__(self, P: Any = None, q: Any = None, r: Any = 0.0):
        matrix: Any = None
        if P is not None:
            if type(P) is np.ndarray:
                matrix = as_symmetric("P", P)
            elif isinstance(P, LinearOperator):
                matrix = as_operator(P)
            elif callable(P) and not sp.issparse(P):
                if q is None:
                    raise ProblemError("q is missing: a callable P does not say how many variables there are.")
                matrix = as_operator(P, as_real_array("q", q).size)
            else:
                matrix = as_symmetric("P", P)
        if q is not None:
            linear = _linear(q)
        elif matrix is not None:
            linear = np.zeros(matrix.shape[0], dtype=getattr(matrix, "dtype", np.float64))
        else:
            raise ProblemError("P and q are both missing; an affine function needs q.")
        if matrix is not None and matrix.shape[0] != linear.size:
            raise ProblemError(f"P has shape {matrix.shape} but q has length {linear.size}; they must agree.")
        self._take(matrix, linear, _constant(r))

    def _take(self, P: Any, q: np.ndarray, r: float) -> None:
        self.P = P
        self.q = q
        self.r = r
        self.n = q.size
        self.structure: str = _structure(P)

    @classmethod
    def from_factor(cls, F: Any, diag: Any = None, q: Any = None, r: Any = 0.0) -> Quadratic:
        """½‖Fx‖² + ½xᵀdiag(d)x + qᵀx + r, that is P = FᵀF + diag(d), never formed.

        Parameters
        ----------
        F : (k, n) array or sparse matrix, usually with k ≪ n
        diag : (n,) array or float, optional
        q : (n,) array, optional
        r : float

        Notes
        -----
        Give a factor where you have one: FᵀF formed in floating point is seldom exactly semidefinite.

        Examples
        --------
        >>> import numpy as np, convexkit as ck
        >>> f = ck.Quadratic.from_factor(np.array([[1.0, 2.0, 2.0]]), diag=1.0)
        >>> f(np.array([1.0, 1.0, 1.0]))
        14.0
        """
        factor = as_matrix("F", F)
        n = factor.shape[1]
        if diag is None:
            diagonal = np.zeros(n)
        elif np.ndim(diag) == 0:
            diagonal = np.full(n, as_vector("diag", diag)[0])
        else:
            diagonal = as_vector("diag", diag, n)
        linear = np.zeros(n) if q is None else _linear(q)
        if linear.size != n:
            raise ProblemError(f"F has shape {factor.shape} but q has length {linear.size}; they must agree.")
        return cls._of(FactoredMatrix(factor, diagonal), linear, _constant(r))

    @property
    def is_affine(self) -> bool:
        """Whether there is no quadratic term (P is None)."""
        return self.P is None

    def __repr__(self) -> str:
        return f"Quadratic({self.structure}, n={self.n})"

    def hessp(self, v: Any) -> np.ndarray:
        """The product Pv, for v of shape (n,)."""
        if self.P is None:
            return np.zeros_like(self.q)
        return self.P.matvec(v) if isinstance(self.P, LinearOperator) else self.P @ v

    def value(self, x: Any) -> float:
        """½xᵀPx + qᵀx + r."""
        x = as_real_array("x", x)
        if x.shape != (self.n,):
            raise ProblemError(f"x has shape {x.shape}; expected ({self.n},).")
        return float(0.5 * (x @ self.hessp(x)) + self.q @ x) + self.r

    __call__ = value

    def gradient(self, x: Any) -> np.ndarray:
        """Px + q."""
        x = as_real_array("x", x)
        if x.shape != (self.n,):
            raise ProblemError(f"x has shape {x.shape}; expected ({self.n},).")
        return self.hessp(x) + self.q

    def hessian(self) -> np.ndarray:
        """P as a dense (n, n) array, whatever its structure. An operator costs n products."""
        if self.P is None:
            return np.zeros((self.n, self.n))
        if isinstance(self.P, np.ndarray):
            return self.P
        if sp.issparse(self.P) or isinstance(self.P, (FactoredMatrix, SummedMatrix)):
            return self.P.toarray()
        dense = np.asarray(self.P @ np.eye(self.n, dtype=self.P.dtype))
        return (dense + dense.T) / 2

    def smallest_eigenvalue(self) -> float:
        """The smallest eigenvalue of P (0 for an affine function and for n = 0).

        O(n³) for dense P and for an operator. A sparse P is split into the connected blocks of its graph; blocks of
        more than 1000 variables take a few sparse factorizations each, the others O(size³). A factored P with more
        than 1000 variables takes O(nk²), 40 times.
        """
        if self.P is None or self.n == 0:
            return 0.0
        return smallest_eigenvalue(formed(self))

    def is_convex(self) -> bool:
        """Whether P ⪰ 0, an eigenvalue of rounding size (-1e-12·‖P‖) counting as zero.

        One Cholesky factorization for dense P. A sparse P is never formed: variables that it does not touch are left
        out, a diagonal is read off, small connected blocks are factored together, and large ones by a banded or a
        sparse factorization. Nothing for a factored P with diag ≥ 0, O(nk²) for another. An operator is asked for
        all its columns, O(n) products.
        """
        if self.P is None or self.n == 0:
            return True
        if self.structure == "factored" and self.P.diag.min() >= 0:
            return True
        return is_psd(formed(self))

    @classmethod
    def _of(cls, P: Any, q: np.ndarray, r: float) -> Quadratic:
        """A quadratic of parts that are known to fit: no checks, no copies, and r may be -inf."""
        f = cls.__new__(cls)
        f._take(P, q, r)
        return f


def _structure(P: Any) -> str:
    if P is None:
        return "affine"
    if isinstance(P, np.ndarray):
        return "dense"
    if isinstance(P, FactoredMatrix):
        return "factored"
    return "sparse" if sp.issparse(P) else "operator"


def _linear(q: Any) -> np.ndarray:
    """q as a vector."""
    linear = as_real_array("q", q)
    if linear.ndim == 0 or (linear.ndim == 2 and 1 in linear.shape):
        linear = linear.reshape(-1)
    if linear.ndim != 1:
        raise ProblemError(f"q must be a vector; it has shape {linear.shape}.")
    return linear


def _constant(r: Any) -> float:
    """r as a number."""
    if type(r) is float and math.isfinite(r):
        return r
    constant = as_real_array("r", r)
    if constant.size != 1:
        raise ProblemError(f"r must be a number; it has shape {constant.shape}.")
    return float(constant.reshape(-1)[0])


def is_flat(f: Quadratic) -> bool:
    """Whether f has no quadratic term, or one that is zero."""
    if f.P is None:
        return True
    if f.structure == "dense":
        return bool(f.P.item(-1) == 0.0) and not f.P.any()  # the last entry tells of most
    if f.structure == "factored":
        F = f.P.factor
        # One entry tells of most factors; there may be ten thousand.
        return not (isinstance(F, np.ndarray) and F.size and F.item(-1)) and is_zero(f.P)
    return f.structure == "sparse" and f.P.count_nonzero() == 0


def formed(f: Quadratic) -> Any:
    """P in the structure that it has; an operator, which shows none, as a dense array."""
    kept = f.structure != "operator" or isinstance(f.P, SummedMatrix)
    return f.P if kept and f.P is not None else f.hessian()
