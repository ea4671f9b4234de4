"""Approximations of A⁻¹ that conjugate gradient takes as M."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.linalg import LinAlgError
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.sparse.linalg import LinearOperator

from ..errors import ProblemError
from ..operators import SymmetricOperator
from ..validation import as_count, as_real_array, as_symmetric, dense
from .results import CGResult


def jacobi(diagonal: Any) -> LinearOperator:
    """The preconditioner v -> v / diagonal, an approximation of A⁻¹ from the diagonal of A.

    Raises
    ------
    ProblemError
        If an entry is not positive; a positive definite A has a positive diagonal.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> A = np.diag([1.0, 1e6])
    >>> ck.conjugate_gradient(A, np.ones(2), M=ck.jacobi(np.diag(A))).nit
    1
    """
    diagonal = as_real_array("diagonal", diagonal)
    if diagonal.ndim != 1:
        raise ProblemError(f"diagonal must be a vector; it has shape {diagonal.shape}.")
    if diagonal.size and diagonal.min() <= 0:
        where = int(np.argmin(diagonal))
        raise ProblemError(f"diagonal[{where}] = {diagonal[where]:.3g} is not positive; "
                           "a positive definite matrix has a positive diagonal.")
    inverse = 1.0 / diagonal
    return SymmetricOperator(diagonal.size, lambda v: inverse * v, dtype=diagonal.dtype,
                             matmat=lambda V: inverse[:, None] * V)


def block_jacobi(A: Any, size: int) -> LinearOperator:
    """The preconditioner that solves with the diagonal blocks of A, each of `size` variables (the last may be smaller).

    Parameters
    ----------
    A : (n, n) array or sparse matrix
    size : int, at least 1; with 1 it is `jacobi` of A's diagonal

    Raises
    ------
    ProblemError
        If a block is not positive definite.

    Notes
    -----
    O(n·size²) once, O(n·size) a product. Saad 2003, section 10.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> A = np.kron(np.diag([1.0, 100.0]), np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> ck.conjugate_gradient(A, np.arange(4.0), M=ck.block_jacobi(A, 2)).nit
    1
    """
    matrix = as_symmetric("A", A)
    size = as_count("size", size, minimum=1)
    n = matrix.shape[0]
    factors = []
    for start in range(0, n, size):
        block = dense(matrix[start:start + size, start:start + size])
        try:
            factors.append(cholesky(block, lower=True))
        except LinAlgError:
            raise ProblemError(f"the block of A from row {start} to row {start + len(block) - 1} is not positive "
                               "definite; a positive definite matrix has positive definite diagonal blocks.") from None
    # All inverses of one size at once: a product is then one call, whatever the number of blocks.
    full = n // size
    inverses = np.stack([_inverse(L) for L in factors[:full]]) if full else np.zeros((0, size, size))
    last = _inverse(factors[full]) if len(factors) > full else np.zeros((0, 0))

    def product(V: np.ndarray) -> np.ndarray:
        columns = V.reshape(n, V.size // n)
        blocks = columns[:full * size].reshape(full, size, columns.shape[1])
        head = np.matmul(inverses, blocks).reshape(full * size, columns.shape[1])
        return np.concatenate([head, last @ columns[full * size:]]).reshape(V.shape)

    return SymmetricOperator(n, product, dtype=matrix.dtype, matmat=product)


def _inverse(L: np.ndarray) -> np.ndarray:
    inverse: np.ndarray = cho_solve((L, True), np.eye(len(L), dtype=L.dtype))
    return inverse


def limited_memory(result: CGResult) -> LinearOperator:
    """The preconditioner that an earlier run has learnt, for another right-hand side or a matrix that has drifted.

        M = (I - DYᵀ)(I - YDᵀ) + DDᵀ,    Y = AD,  DᵀAD = I

    It is A⁻¹ on the directions D that the run kept, and the identity on what is conjugate to them. It helps where a
    few eigenvalues lie far below the others; conjugate gradient deals with large ones by itself.

    Parameters
    ----------
    result : CGResult of a run with `keep`, of the same number of variables

    Raises
    ------
    ProblemError
        If the run kept no directions.

    Notes
    -----
    4nk operations a product for k directions, and no product with A. Morales & Nocedal 2000.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> A, b = np.diag(np.r_[1e-4, 1e-3, np.linspace(1.0, 2.0, 98)]), np.ones(100)
    >>> first = ck.conjugate_gradient(A, b, keep=20)
    >>> again = ck.conjugate_gradient(A, -b + 0.1 * np.arange(100), M=ck.limited_memory(first))
    >>> again.nit < first.nit
    True
    """
    if not isinstance(result, CGResult):
        raise ProblemError(f"result must be a CGResult; got {type(result).__name__}.")
    if result.pairs is None:
        raise ProblemError("result holds no directions; run conjugate_gradient with keep=20, say.")
    D, Y = result.pairs
    # Rounding has cost the directions some of their conjugacy: a Cholesky factor of DᵀAD gives it back.
    sizes = np.sqrt(np.einsum("ij,ij->j", D, Y))
    D, Y = D / sizes, Y / sizes
    gram = D.T @ Y
    try:
        R = cholesky((gram + gram.T) / 2, lower=True, check_finite=False)
    except LinAlgError:
        R = np.eye(len(gram))  # hardly any was left; M is positive definite all the same
    D, Y = (solve_triangular(R, V.T, lower=True, check_finite=False).T.astype(V.dtype) for V in (D, Y))

    def product(V: np.ndarray) -> np.ndarray:
        along = D.T @ V
        rest = V - Y @ along
        return rest - D @ (Y.T @ rest) + D @ along

    return SymmetricOperator(len(D), product, dtype=D.dtype, matmat=product)
