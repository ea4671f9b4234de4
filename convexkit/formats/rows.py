"""From two-sided rows, as most files state them, to a QCQP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..errors import ProblemError
from ..problem import QCQP, SecondOrderCone
from ..quadratic import Quadratic
from ..validation import ASYMMETRY_TOLERANCE
from .text import FREE_COUNT

# Each quadratic row and each cone keeps arrays as long as x: together FREE_TOTAL numbers (128 MiB) for any file, beyond
# that TOTAL_PER_BYTE for each byte of the file, and at most LARGEST_TOTAL (1 GiB).
FREE_TOTAL = 2**24
TOTAL_PER_BYTE = 1000
LARGEST_TOTAL = 2**27
# Every one of them takes at least this many bytes to state.
LEAST_BYTES = 16


class Terms(NamedTuple):
    """Quadratic terms of many rows: ½xᵀQₖx has the entry `value` at (i, j) of Qₖ; both triangles are there."""

    k: np.ndarray
    i: np.ndarray
    j: np.ndarray
    value: np.ndarray


NO_TERMS = Terms(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def both_triangles(k: np.ndarray, i: np.ndarray, j: np.ndarray, value: np.ndarray) -> Terms:
    """Terms whose off-diagonal entries are given once, in either triangle."""
    off = i != j
    return Terms(*(np.concatenate(pair) for pair in
                   ((k, k[off]), (i, j[off]), (j, i[off]), (value, value[off]))))


def check_total(count: int, n: int, size: int) -> None:
    """Raise ProblemError if `count` quadratic rows and cones of n variables are too much for a file of this size."""
    limit = min(LARGEST_TOTAL, max(FREE_TOTAL, TOTAL_PER_BYTE * size))
    most = max(FREE_COUNT, size // LEAST_BYTES)
    if count * n > limit or count > most:
        raise ProblemError(f"{count} quadratic inequalities and cones of {n} variables need {count * n} numbers; a "
                           f"file of {size} bytes may have {most} of them with {limit} numbers.")


def symmetric(name: str, i: np.ndarray, j: np.ndarray, value: np.ndarray, n: int) -> Any:
    """A sparse symmetric matrix from entries that name both triangles; repeated entries are added."""
    matrix = sp.csr_matrix((value, (i, j)), (n, n))
    difference = abs(matrix - matrix.T).tocoo()
    if difference.nnz and difference.data.max() > ASYMMETRY_TOLERANCE * abs(matrix).max():
        worst = int(np.argmax(difference.data))
        row, column = int(difference.row[worst]), int(difference.col[worst])
        raise ProblemError(f"{name} is not symmetric: its entry ({row}, {column}) is {matrix[row, column]:.6g}, but "
                           f"({column}, {row}) is {matrix[column, row]:.6g}. Both triangles have to be given.")
    return matrix


def split(terms: Terms, names: Callable[[int], str], n: int) -> dict[int, Any]:
    """The matrix of each row that has quadratic terms, as sparse matrices by row.

    All rows at once, for there may be thousands with a few terms each; only where the terms are not exactly
    symmetric is every row looked at alone.
    """
    order = np.lexsort((terms.j, terms.i, terms.k))
    k, i, j, value = (part[order] for part in terms)
    new = np.ones(k.size, bool)
    new[1:] = (np.diff(k) != 0) | (np.diff(i) != 0) | (np.diff(j) != 0)
    value = np.add.reduceat(value, np.flatnonzero(new)) if k.size else value
    k, i, j = k[new], i[new], j[new]
    swapped = np.lexsort((i, j, k))
    exact = (np.array_equal(i, j[swapped]) and np.array_equal(j, i[swapped]) and np.array_equal(value, value[swapped]))
    rows, starts = np.unique(k, return_index=True)
    matrices = {}
    for row, start, end in zip(rows.tolist(), starts, np.append(starts, k.size)[1:], strict=True):
        part = slice(start, end)
        if exact:
            ends = np.cumsum(np.bincount(i[part], minlength=n))
            matrices[row] = sp.csr_matrix((value[part], j[part], np.concatenate(([0], ends))), (n, n))
        else:
            matrices[row] = symmetric(names(row), i[part], j[part], value[part], n)
    return matrices


def rows_of(matrix: Any, start: int, end: int) -> Any:
    """The rows from start to end of a sparse matrix, without scipy's general indexing."""
    pointers = matrix.indptr[start:end + 1]
    part = slice(pointers[0], pointers[-1])
    return sp.csr_matrix((matrix.data[part], matrix.indices[part], pointers - pointers[0]),
                         (end - start, matrix.shape[1]))


def assemble(objective: Quadratic, A: Any, low: np.ndarray, high: np.ndarray, terms: Terms = NO_TERMS, *,
             lb: Any = None, ub: Any = None, cones: Sequence[SecondOrderCone] = (),
             name: Callable[[int], str] = "row {}".format, size: int) -> QCQP:
    """The QCQP with rows low ≤ Ax + ½xᵀQx ≤ high, where only some rows have a Q.

    A linear row with low = high becomes an equality. Of the other linear rows, those with an upper side become
    rows of G first, in their order, then those with a lower side, negated. A quadratic row becomes an
    inequality for its upper side and then, negated, one for its lower side; a row without finite side is none.
    `size` is that of the file, which justifies only so much memory.

    Raises
    ------
    ProblemError
        Naming the row whose sides are NaN, crossed or unreachable, or whose Q is not symmetric.
    """
    n = objective.n
    A = sp.csr_matrix(A)
    bad = np.isnan(low) | np.isnan(high) | (low > high) | (low == np.inf) | (high == -np.inf)
    if bad.any():
        worst = int(np.argmax(bad))
        raise ProblemError(f"{name(worst)} has sides {low[worst]:g} and {high[worst]:g}; expected two numbers or "
                           "infinities that leave room between them.")
    nonzero = terms.value != 0
    terms = Terms(*(part[nonzero] for part in terms))
    curved = np.zeros(low.size, bool)
    curved[terms.k] = True
    has_high, has_low = np.isfinite(high), np.isfinite(low)
    check_total(int((has_high[curved].astype(int) + has_low[curved]).sum()) + len(cones), n, size)
    quadratics = split(terms, name, n)

    zeros = np.zeros(n)
    inequalities = []
    for row in np.flatnonzero(curved).tolist():
        Q = quadratics[row]
        entries = slice(A.indptr[row], A.indptr[row + 1])
        g = zeros
        if entries.stop > entries.start:
            g = np.zeros(n)
            np.add.at(g, A.indices[entries], A.data[entries])
        if has_high[row]:
            inequalities.append(Quadratic(Q, g, -high[row]))
        if has_low[row]:
            inequalities.append(Quadratic(-Q, -g, low[row]))

    equal = ~curved & (low == high)
    upper = ~curved & ~equal & has_high
    lower = ~curved & ~equal & has_low
    G = h = equalities = b = None
    if upper.any() or lower.any():
        G = sp.vstack([A[upper], -A[lower]], format="csr")
        h = np.concatenate([high[upper], 0.0 - low[lower]])  # and not -0.0
    if equal.any():
        equalities, b = A[equal], high[equal]
    return QCQP(objective, inequalities, G=G, h=h, A=equalities, b=b, lb=lb, ub=ub, cones=cones)
