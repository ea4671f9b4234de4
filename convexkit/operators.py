"""Symmetric linear operators: one way in, damping, and a cheap probe for symmetry."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from .errors import ProblemError
from .validation import as_real_array, in_range


class SymmetricOperator(LinearOperator):
    """A square `LinearOperator` from a product v -> Av that is handed vectors of shape (n,) only.

    scipy passes (n, 1) columns to some callables and expects the same shape back; here that is settled
    once. `min_eigenvalue` is what is known about the spectrum: a lower bound, or None.
    """

    def __init__(self, n: int, matvec: Any, *, dtype: Any = np.float64, matmat: Any = None,
                 min_eigenvalue: float | None = None):
        self._product = matvec
        self._block_product = matmat
        self.min_eigenvalue = min_eigenvalue
        # What LinearOperator.__init__ does, without its checks of a shape that is right: ten thousand factored
        # constraints are ten thousand operators.
        self.dtype, self.shape = np.dtype(dtype), (n, n)

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        result = np.asarray(self._product(np.asarray(v).reshape(-1)))
        if result.size != self.shape[0]:
            raise ProblemError(f"the operator returned shape {result.shape} for a vector of length {self.shape[0]}.")
        return result.reshape(-1)

    def _matmat(self, V: np.ndarray) -> np.ndarray:
        if self._block_product is not None:
            return self._block_product(V)
        return np.stack([self._matvec(column) for column in V.T], axis=1)

    def _adjoint(self) -> SymmetricOperator:
        return self

    _transpose = _adjoint


def as_operator(A: Any, n: int | None = None, *, dtype: Any = None,
                min_eigenvalue: float | None = None) -> LinearOperator:
    """A symmetric matrix or a product with one, as a square `LinearOperator`.

    Parameters
    ----------
    A : (n, n) array, sparse matrix, LinearOperator, or callable v -> Av
        A callable needs `n`. It is always handed a vector of shape (n,).
    n : int, optional
        Number of columns, needed for a callable and checked otherwise.
    dtype : optional
        Type of the entries that a callable returns; float64 if omitted.
    min_eigenvalue : float, optional
        A lower bound on the eigenvalues of A that you know. It travels with the operator and turns residuals into
        bounds (`CGResult.energy_error`, `trust_region_step`, `solve` by the dual method). It is not checked.

    Raises
    ------
    ProblemError
        If A is not square, or its size is not n, or it is a callable and n is missing.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> A = ck.as_operator(lambda v: 2.0 * v, 3)
    >>> A @ np.ones(3)
    array([2., 2., 2.])
    """
    if isinstance(A, LinearOperator):
        operator: LinearOperator = A
    elif sp.issparse(A):
        operator = aslinearoperator(A.tocsr())
    elif callable(A):
        if n is None:
            raise ProblemError("n is missing: as_operator cannot tell the size of a callable.")
        operator = SymmetricOperator(n, A, dtype=np.float64 if dtype is None else dtype)
    else:
        matrix = as_real_array("A", A)
        if matrix.ndim != 2:
            raise ProblemError(f"A must be a square matrix; it has shape {matrix.shape}.")
        operator = aslinearoperator(matrix)
    if operator.shape[0] != operator.shape[1]:
        raise ProblemError(f"A must be square; it has shape {operator.shape}.")
    if n is not None and operator.shape[0] != n:
        raise ProblemError(f"A has shape {operator.shape}; expected ({n}, {n}).")
    if min_eigenvalue is not None:
        known = in_range("min_eigenvalue", min_eigenvalue, -np.inf, np.inf)
        return SymmetricOperator(operator.shape[0], operator.matvec, dtype=operator.dtype, matmat=operator.matmat,
                                 min_eigenvalue=known)
    return operator


def damped(A: Any, damping: float, n: int | None = None) -> SymmetricOperator:
    """A + damping·I as an operator, without forming it.

    If A is positive semidefinite, as a Fisher or Gauss-Newton matrix is, then `damping` bounds the smallest
    eigenvalue of the result from below. It is kept as `min_eigenvalue`, and `trust_region_step` uses it to
    bound the error of an inexact solve.

    Parameters
    ----------
    A : as in `as_operator`
    damping : float, at least 0, in units of A's entries
    n : int, needed if A is a callable

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> A = ck.damped(np.diag([1.0, 0.0]), 0.5)
    >>> A @ np.array([1.0, 1.0]), A.min_eigenvalue
    (array([1.5, 0.5]), 0.5)
    """
    damping = in_range("damping", damping, 0.0, np.inf, low_open=False)
    operator = as_operator(A, n)
    dtype = operator.dtype
    # A numpy float64 scalar would turn float32 products into float64; a Python float does not.
    return SymmetricOperator(
        operator.shape[0],
        lambda v: operator.matvec(v) + damping * v,
        dtype=dtype,
        matmat=lambda V: operator.matmat(V) + damping * V,
        min_eigenvalue=damping if damping > 0 else None,
    )


def symmetry_error(A: Any, *, rng: np.random.Generator, probes: int = 3, n: int | None = None) -> float:
    """Largest relative difference |⟨Au, v⟩ - ⟨u, Av⟩| / (‖Au‖‖v‖ + ‖u‖‖Av‖) over random pairs (u, v).

    Zero up to rounding for a symmetric A. It costs 2·probes products; a nonsymmetric A escapes with
    probability zero.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> rng = np.random.default_rng(0)
    >>> ck.symmetry_error(np.array([[2.0, 1.0], [1.0, 3.0]]), rng=rng) < 1e-12
    True
    >>> ck.symmetry_error(np.array([[2.0, 1.0], [0.0, 3.0]]), rng=rng) > 1e-3
    True
    """
    operator = as_operator(A, n)
    worst = 0.0
    for _ in range(probes):
        u, v = rng.standard_normal((2, operator.shape[0])).astype(operator.dtype, copy=False)
        Au, Av = operator.matvec(u), operator.matvec(v)
        size = np.linalg.norm(Au) * np.linalg.norm(v) + np.linalg.norm(u) * np.linalg.norm(Av)
        if size > 0:
            worst = max(worst, abs(float(Au @ v) - float(u @ Av)) / float(size))
    return worst
