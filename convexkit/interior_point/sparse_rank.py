"""Which rows of a sparse Ax = b follow from the others: found before the iteration, for the cost of a few products.

A row that follows from others leaves its multiplier open: the matrix of a step is singular, and what rounding leaves
of Ax - b along that row sends ν out without end where the regularization is small.

    rows with a column of their own     independent; without them others have columns of their own, and so on
    the rest, R, rows of length one     RRᵀ + εI = LDLᵀ, where a row that follows from those before has a pivot of about
                                        ε‖y‖² for the combination y = (…, 1) that vanishes
    candidates                          least squares on the others, refined: dependent if nothing but rounding is left
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from .equalities import Independence, independence

# A row's own column must hold this share of its largest entry, or it is hardly its own.
OWN = 1e-3
# The ε above, and the pivots below which a row is suspected. ε‖y‖² is large where a combination takes many rows and the
# last one little; where a suspect for that is none, others may follow from it, and only the smallest are looked at.
SHIFT, SUSPECTED = 1e-12, (1e-5, 1e-9)
# What rounding may leave of a dependent row, relative to the terms that cancel.
ROUNDING = 1e-12
REFINEMENTS = 5
# RRᵀ is formed if it takes no more products than this, and this many for each entry of A; candidates are looked at if
# their combinations take no more than this many numbers.
PRODUCTS, PRODUCTS_EACH, NUMBERS = 10_000, 50, 2_000_000


def independent_sparse_rows(A: Any, b: np.ndarray) -> Independence:
    """`independent_rows` for a CSR matrix without entries that occur twice.

    Where RRᵀ would be full or the candidates are many, all rows count as independent, as they do where it is in doubt.
    """
    every = np.arange(b.size)
    rest = _without_own_columns(A)
    if not rest.size:
        return Independence(every, None)
    R = A[rest]
    lengths = np.sqrt(np.bincount(np.repeat(np.arange(rest.size), np.diff(R.indptr)), weights=R.data**2,
                                  minlength=rest.size))
    used = np.flatnonzero(lengths)
    dependent, Y = _combinations((sp.diags_array(1.0 / lengths[used]) @ R[used]).tocsr())
    gone = np.concatenate([rest[lengths == 0], rest[used[dependent]]])
    if not gone.size:
        return Independence(every, None)
    kept = np.setdiff1d(every, gone)
    whole = np.zeros((b.size, gone.size))
    whole[rest[used], gone.size - dependent.size:] = Y * lengths[used][dependent] / lengths[used][:, None]
    return independence(b, kept, gone, whole[kept])


def _without_own_columns(A: Any) -> np.ndarray:
    """The rows that are left when those with a column of their own are taken out, again and again. O(entries)."""
    p, n = A.shape
    of_entry = np.repeat(np.arange(p), np.diff(A.indptr))
    magnitude = np.abs(A.data)
    largest = np.zeros(p)
    np.maximum.at(largest, of_entry, magnitude)
    left = np.ones(p, dtype=bool)
    # For each column: how many rows have it, and the sums of their numbers and entries: where it is one row, its own.
    count = np.bincount(A.indices, weights=magnitude > 0, minlength=n)
    number = np.bincount(A.indices, weights=of_entry * (magnitude > 0), minlength=n)
    entry = np.bincount(A.indices, weights=magnitude, minlength=n)
    own = np.flatnonzero(count == 1)
    while own.size:
        rows = number[own].astype(np.intp)
        rows = np.unique(rows[(entry[own] >= OWN * largest[rows]) & left[rows]])
        left[rows] = False
        lengths = np.diff(A.indptr)[rows]
        at = np.repeat(A.indptr[rows] - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths) \
            + np.arange(lengths.sum())
        at = at[magnitude[at] > 0]
        columns = A.indices[at]
        np.subtract.at(count, columns, 1.0)
        np.subtract.at(number, columns, of_entry[at])
        np.subtract.at(entry, columns, magnitude[at])
        columns = np.unique(columns)
        own = columns[count[columns] == 1]
    return np.flatnonzero(left)


def _combinations(R: Any) -> tuple[np.ndarray, np.ndarray]:
    """Dependent rows, and a (rows, dependent) matrix Y with R[dependent] = YᵀR, zero on the dependent rows."""
    rows = R.shape[0]
    products = float((np.bincount(R.indices).astype(float)**2).sum())
    if rows and products <= max(PRODUCTS, PRODUCTS_EACH * R.nnz):
        gram = sp.csc_array(R @ R.T)
        try:
            factors = _factored(gram)
            pivots = factors.U.diagonal()[factors.perm_c]  # perm_c[k] is the position that row k moves to
            for limit in SUSPECTED:
                suspects = np.flatnonzero(pivots <= limit)
                if not suspects.size:
                    break
                if suspects.size * rows > NUMBERS:
                    continue
                others = np.flatnonzero(pivots > limit)
                y, follows = _fitted(R, gram, suspects, others)
                if follows.all() or limit == SUSPECTED[-1]:
                    Y = np.zeros((rows, int(follows.sum())))
                    Y[others] = y[:, follows]
                    return suspects[follows], Y
        except RuntimeError:  # a pivot is exactly zero
            pass
    return np.zeros(0, dtype=np.intp), np.zeros((rows, 0))


def _fitted(R: Any, gram: Any, suspects: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least-squares combinations y of `others` for each suspect, and for which of them nothing is left over."""
    y = np.zeros((others.size, suspects.size))
    known, asked = R[others], R[suspects].toarray()
    left = asked
    if others.size:
        factors = _factored(gram[others][:, others])
        for _ in range(REFINEMENTS):
            y += factors.solve(known @ left.T)
            left = asked - (known.T @ y).T
    terms = np.abs(asked) + (abs(known).T @ np.abs(y)).T
    return y, np.abs(left).max(axis=1, initial=0.0) <= ROUNDING * terms.max(axis=1, initial=0.0)


def _factored(gram: Any) -> Any:
    """LU factors of a sparse positive semidefinite matrix plus εI, without pivoting."""
    shifted = sp.csc_matrix(gram + SHIFT * sp.eye_array(gram.shape[0], format="csc"))
    return splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
