"""Products with A and M, with as little as possible around them, and a norm that does not underflow."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
from scipy.sparse.linalg import aslinearoperator

from ..operators import as_operator
from ..validation import as_real_array

# A step this many times longer than the shortest, or a residual this many times larger than b, is looked at: is the
# curvature below eps of the largest?
LONG = 1e6


def product_with(name: str, A: Any, n: int, dtype: np.dtype) -> Callable[[np.ndarray], np.ndarray]:
    """v -> Av of type `dtype`, for a vector v of that type, with as little as possible around the product."""
    if isinstance(A, np.ndarray) and A.ndim == 2:
        # A pass over A in search of NaN costs as much as two products; a NaN shows in the first product anyway.
        matrix = as_real_array(name, A, finite=False)
        as_operator(aslinearoperator(matrix), n)
        # numpy's own product spares the checks of LinearOperator.matvec, some microseconds each, and a matrix
        # of another type is converted once, not in every product.
        return matrix.astype(dtype, copy=False).dot
    operator = as_operator(A, n, dtype=dtype)
    return lambda v: operator.matvec(v).astype(dtype, copy=False)


def block_product(name: str, A: Any, n: int, dtype: np.dtype) -> Callable[[np.ndarray], np.ndarray]:
    """V -> (AVᵀ)ᵀ of type `dtype`, for vectors that are the rows of V."""
    if isinstance(A, np.ndarray) and A.ndim == 2:
        matrix = as_real_array(name, A, finite=False)
        as_operator(aslinearoperator(matrix), n)
        matrix = matrix.astype(dtype, copy=False)
        return lambda V: V @ matrix  # A is symmetric
    operator = as_operator(A, n, dtype=dtype)
    return lambda V: np.asarray(operator.matmat(V.T)).T.astype(dtype, order="C", copy=False)


def norm(v: np.ndarray) -> float:
    """‖v‖, also where the squares of the entries underflow or overflow (below 1e-19 in float32)."""
    square = float(v.dot(v))
    if np.finfo(v.dtype).tiny < square < float("inf") or not v.any() or not np.isfinite(v).all():
        return sqrt(square)
    scale = float(abs(v).max())
    return scale * float(np.linalg.norm(v / scale))


def best_combination(A: Any, b: np.ndarray, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The x = Xy that minimises ½xᵀAx - bᵀx, its residual, and the products with A that it took."""
    # Columns of solutions to similar systems are nearly parallel: an orthonormal basis of what they span.
    U, sizes, _ = np.linalg.svd(X, full_matrices=False)
    U = U[:, sizes > sizes[:1] * len(X) * np.finfo(X.dtype).eps]
    AU = block_product("A", A, b.size, b.dtype)(np.ascontiguousarray(U.T)).T
    # Where A is singular or not definite, some combination will do.
    y = np.linalg.lstsq(U.T @ AU, U.T @ b, rcond=None)[0].astype(b.dtype, copy=False)
    return U @ y, b - AU @ y, U.shape[1]


def closest(product: Callable[[np.ndarray], np.ndarray], b: np.ndarray, rtol: float,
            maxiter: int) -> tuple[np.ndarray, int]:
    """The shortest of the x with the least ‖b - Ax‖, for a singular A ⪰ 0, and the products that it took.

        Az = Ab  has a solution, and z = A⁺Ab is the part of b in the range of A;   Ax = z  has one too, x = A⁺b

    Conjugate gradient from zero stays in the range, where A is as good as definite.
    """
    z, first = _consistent(product, product(b), rtol, maxiter)
    x, second = _consistent(product, z, rtol, maxiter)
    return x, 1 + first + second


def _consistent(product: Callable[[np.ndarray], np.ndarray], b: np.ndarray, rtol: float,
                maxiter: int) -> tuple[np.ndarray, int]:
    """Textbook conjugate gradient for a b in the range of A, scaled to ‖b‖ = 1 as its square may be beyond float32."""
    size = norm(b)
    if not 0 < size < float("inf"):
        return np.zeros_like(b), 0
    x, r = np.zeros_like(b), b / size
    d, rr = r.copy(), float(r @ r)
    stop = rtol * rtol * rr
    for nit in range(maxiter):
        if rr <= stop:
            return size * x, nit
        Ad = product(d)
        dAd = float(d @ Ad)
        if not 0 < dAd < float("inf"):
            return size * x, nit + 1
        step = rr / dAd
        x += step * d
        r -= step * Ad
        before, rr = rr, float(r @ r)
        d *= rr / before
        d += r
    return size * x, maxiter
