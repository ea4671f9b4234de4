"""Symmetric matrices that are kept as sums instead of being formed, and stacks of small arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg.blas import daxpy

from ..operators import SymmetricOperator

# Entries that are handled at once: a few arrays of this size stay in a processor's cache.
CHUNK = 2**16


class FactoredMatrix(SymmetricOperator):
    """FᵀF + diag(d) without forming it: `factor` F is (k, n), `diag` is (n,), a product costs O(kn).

    Built by `Quadratic.from_factor`.
    """

    def __init__(self, factor: Any, diag: np.ndarray):
        self.factor = factor
        self.diag = diag
        # Methods, not functions made here: ten thousand factors are looked through by Python's garbage collector.
        super().__init__(diag.size, None)

    def __reduce__(self) -> tuple:
        return FactoredMatrix, (self.factor, self.diag)

    def _matvec(self, v: np.ndarray) -> np.ndarray:
        v = np.asarray(v).reshape(-1)
        return self.factor.T @ (self.factor @ v) + self.diag * v

    def _matmat(self, V: np.ndarray) -> np.ndarray:
        return self.factor.T @ (self.factor @ V) + self.diag[:, None] * V

    def toarray(self) -> np.ndarray:
        """The (n, n) matrix, formed."""
        gram = self.factor.T @ self.factor
        dense = gram.toarray() if sp.issparse(gram) else gram
        dense[np.diag_indices_from(dense)] += self.diag
        return dense


class SummedMatrix(SymmetricOperator):
    """B + FᵀF without forming it: `base` B is (n, n) sparse, `factor` F is (k, n) dense.

    What large sparse and factored matrices add up to.
    """

    def __init__(self, base: Any, factor: np.ndarray):
        self.base = base
        self.factor = factor
        super().__init__(base.shape[0], lambda v: base @ v + factor.T @ (factor @ v),
                         matmat=lambda V: base @ V + factor.T @ (factor @ V))

    def __reduce__(self) -> tuple:
        return SummedMatrix, (self.base, self.factor)

    def toarray(self) -> np.ndarray:
        """The (n, n) matrix, formed."""
        return self.factor.T @ self.factor + self.base.toarray()


def is_zero(P: Any) -> bool:
    """Whether every entry of an array, a sparse, factored or summed matrix is zero (of a sum, of each part)."""
    return not any(part.any() for part in entries(P))


def entry_size(P: Any) -> float:
    """Largest |entry| of an array or a sparse matrix; of a factored or summed one, of diagonal and squared factor."""
    largest = [float(np.abs(part).max(initial=0.0)) for part in entries(P)]
    return max(largest[0], largest[1] ** 2) if len(largest) > 1 else largest[0]


def entries(P: Any) -> list[Any]:
    """The arrays of numbers that P is made of, a factor's last; none of None and of an operator."""
    if P is None or not (isinstance(P, (np.ndarray, FactoredMatrix, SummedMatrix)) or sp.issparse(P)):
        return []
    if isinstance(P, (FactoredMatrix, SummedMatrix)):
        first = P.diag if isinstance(P, FactoredMatrix) else P.base.data
        return [first, P.factor.data if sp.issparse(P.factor) else P.factor]
    return [P.data if sp.issparse(P) else P]


def restricted(P: Any, keep: np.ndarray) -> Any:
    """The rows and columns of P where the mask `keep` is true, in P's own structure."""
    if isinstance(P, FactoredMatrix):
        return FactoredMatrix(P.factor[:, keep], P.diag[keep])
    if isinstance(P, SummedMatrix):
        return SummedMatrix(P.base[keep][:, keep], P.factor[:, keep])
    return P[keep][:, keep] if sp.issparse(P) else P[np.ix_(keep, keep)]


def runs(sizes: Sequence[int], limit: int = CHUNK) -> Iterator[slice]:
    """Consecutive members whose sizes add up to at most `limit`; a larger one comes alone.

    >>> from convexkit.quadratic import runs
    >>> list(runs([3, 3, 9, 1], limit=6))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    start, total = 0, 0
    for i, size in enumerate(sizes):
        if i > start and total + size > limit:
            yield slice(start, i)
            start, total = i, 0
        total += size
    if start < len(sizes):
        yield slice(start, len(sizes))


def stacked(vectors: Sequence[np.ndarray]) -> np.ndarray:
    """Vectors of one length as the rows of a float64 matrix; a single one is not copied."""
    if len(vectors) == 1:
        return np.asarray(vectors[0], dtype=np.float64)[None, :]
    return np.concatenate(vectors, dtype=np.float64).reshape(len(vectors), vectors[0].size)


def add_up(weights: np.ndarray, matrices: Sequence[np.ndarray], total: np.ndarray, x: np.ndarray | None = None,
           products: np.ndarray | None = None) -> None:
    """total = Σ weights[k]·matrices[k] of C-ordered (n, n) arrays, and products[k] = matrices[k]·x in the same pass.

    A block of rows at a time, which stays in the processor's cache while every matrix adds to it, and in which a matrix
    is read from memory once for both.
    """
    if not matrices:
        total.fill(0.0)
    block = max(1, CHUNK // max(len(total), 1))
    for start in range(0, len(total), block):
        rows = slice(start, start + block)
        part = total[rows]
        flat = part.reshape(-1)
        for k, (weight, matrix) in enumerate(zip(weights.tolist(), matrices, strict=True)):
            if k == 0:
                np.multiply(matrix[rows], weight, out=part)
            else:
                daxpy(matrix[rows].reshape(-1), flat, a=weight)
            if products is not None and x is not None:
                np.dot(matrix[rows], x, out=products[k, rows])
