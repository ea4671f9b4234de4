"""Which rows of a sparse Ax = b follow from the others: found before the iteration, for the cost of a few products.

A row that follows from others leaves its multiplier open: the matrix of a step is singular, and what rounding leaves
of Ax - b along that row sends ν out without end where the regularization is small.

    rows in echelon form                independent, all of them
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
# last one little. Where too many are suspected, only those below the second number are.
SHIFT, SUSPECTED = 1e-12, (1e-5, 1e-9)
# What rounding may leave of a dependent row, relative to the terms that cancel.
ROUNDING = 1e-12
REFINEMENTS = 5
# How many suspects may turn out to be none.
ROUNDS = 20
# Entries of a combination up to this are left alone, and how many exchanges may be made for each dependent row.
MAGNIFIED, EXCHANGES = 2.0, 5
# RRᵀ is formed if it takes no more products than this, and this many for each entry of A; candidates are looked at if
# their combinations take no more than this many numbers.
PRODUCTS, PRODUCTS_EACH, NUMBERS = 10_000, 50, 2_000_000


def independent_sparse_rows(A: Any, b: np.ndarray) -> Independence:
    """`independent_rows` for a CSR matrix without entries that occur twice.

    Where RRᵀ would be full or the candidates are many, all rows count as independent, as they do where it is in doubt.
    """
    every = np.arange(b.size)
    rest = every[:0] if _staircase(A) else _without_own_columns(A)
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


def _staircase(A: Any) -> bool:
    """Whether no two rows end, or no two rows begin, in one column: rows in echelon form, as those of dynamics are.

    The entry there must be a row's own as below. O(entries), where taking rows out stage by stage is a loop.
    """
    starts, ends = A.indptr[:-1], A.indptr[1:]
    if not A.shape[0] or (starts == ends).any() or not A.has_sorted_indices:
        return False
    magnitude = np.abs(A.data)
    least = OWN * np.maximum.reduceat(magnitude, starts)
    return any((magnitude[at] >= least).all() and (magnitude[at] > 0).all() and np.unique(A.indices[at]).size == at.size
               for at in (ends - 1, starts))


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
    Y, dependent = np.zeros((rows, 0)), np.zeros(0, dtype=np.intp)
    products = float((np.bincount(R.indices).astype(float)**2).sum())
    if not rows or products > max(PRODUCTS, PRODUCTS_EACH * R.nnz):
        return dependent, Y
    gram = sp.csc_array(R @ R.T)
    try:
        factors = _factored(gram)
        pivots = factors.U.diagonal()[factors.perm_c]  # perm_c[k] is the position that row k moves to
        suspects = next((few for few in (np.flatnonzero(pivots <= limit) for limit in SUSPECTED)
                         if few.size * rows <= NUMBERS), dependent)
        others = np.setdiff1d(np.arange(rows), suspects)
        for _ in range(ROUNDS):
            if not suspects.size:
                break
            y, left = _fitted(R, gram, suspects, others)
            follows = left <= ROUNDING
            new = np.zeros((rows, int(follows.sum())))
            new[others] = y[:, follows]
            Y, dependent = np.concatenate([Y, new], axis=1), np.append(dependent, suspects[follows])
            # The one that is furthest from the others is one of them; the rest may follow from it.
            suspects, left = suspects[~follows], left[~follows]
            if suspects.size:
                first = int(left.argmax())
                others = np.append(others, suspects[first])
                suspects = np.delete(suspects, first)
    except RuntimeError:  # a pivot is exactly zero
        pass
    others, dependent, y = _exchanged(np.setdiff1d(np.arange(rows), dependent), dependent,
                                      np.delete(Y, dependent, axis=0))
    Y = np.zeros((rows, dependent.size))
    Y[others] = y
    return dependent, Y


def _fitted(R: Any, gram: Any, suspects: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least-squares combinations y of `others` for each suspect, and what is left over, relative to its terms."""
    y = np.zeros((others.size, suspects.size))
    known, asked = R[others], R[suspects].toarray()
    left = asked
    if others.size:
        factors = _factored(gram[others][:, others])
        for _ in range(REFINEMENTS):
            y += factors.solve(known @ left.T)
            left = asked - (known.T @ y).T
    terms = np.abs(asked) + (abs(known).T @ np.abs(y)).T
    return y, np.abs(left).max(axis=1, initial=0.0) / terms.max(axis=1, initial=1e-300)


def _exchanged(others: np.ndarray, dependent: np.ndarray, y: np.ndarray
               ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with rows exchanged until no entry of y is large: R[dependent] = yᵀR[others].

    The row to leave out is the one that a combination takes most of: what the others are off by reaches it unmagnified.
    """
    for _ in range(EXCHANGES * dependent.size):
        k, t = np.unravel_index(int(np.abs(y).argmax()), y.shape)
        pivot = y[k, t]
        if abs(pivot) <= MAGNIFIED:
            break
        # dependent_t = … + pivot·others_k, solved for others_k, and put into the other combinations.
        column, row = y[:, t] / pivot, y[k].copy()
        y = y - column[:, None] * row
        y[k], y[:, t] = row / pivot, -column
        y[k, t] = 1.0 / pivot
        others[k], dependent[t] = dependent[t], others[k]
    return others, dependent, y


def _factored(gram: Any) -> Any:
    """LU factors of a sparse positive semidefinite matrix plus εI, without pivoting."""
    shifted = sp.csc_matrix(gram + SHIFT * sp.eye_array(gram.shape[0], format="csc"))
    return splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
