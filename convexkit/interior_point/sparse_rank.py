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
# The ε above, and the pivots that are suspected: those below SUSPECTED·ε for each row that a combination may have.
SHIFT, SUSPECTED = 1e-12, 10.0
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
    nothing = np.zeros(0, dtype=np.intp), np.zeros((rows, 0))
    products = float((np.bincount(R.indices).astype(float)**2).sum())
    if not rows or products > max(PRODUCTS, PRODUCTS_EACH * R.nnz):
        return nothing
    gram = sp.csc_array(R @ R.T)
    try:
        pivots, order = _pivots(gram, SHIFT)
        suspected = order[pivots <= SUSPECTED * SHIFT * rows]
        if not suspected.size or suspected.size * rows > NUMBERS:
            return nothing
        others = np.setdiff1d(np.arange(rows), suspected)
        solve = _factored(gram[others][:, others], SHIFT).solve if others.size else None
    except RuntimeError:  # a pivot is exactly zero
        return nothing
    known, asked = R[others], R[suspected].toarray()
    y = np.zeros((others.size, suspected.size))
    left = asked
    for _ in range(REFINEMENTS if solve is not None else 0):
        y += solve(known @ left.T)
        left = asked - (known.T @ y).T
    terms = np.abs(asked) + (abs(known).T @ np.abs(y)).T
    follows = np.abs(left).max(axis=1, initial=0.0) <= ROUNDING * terms.max(axis=1, initial=0.0)
    Y = np.zeros((rows, int(follows.sum())))
    Y[others] = y[:, follows]
    return suspected[follows], Y


def _factored(gram: Any, shift: float) -> Any:
    """LU factors of a sparse positive semidefinite matrix plus shift·I, without pivoting."""
    return splu(sp.csc_matrix(gram + shift * sp.eye_array(gram.shape[0], format="csc")), permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0, options={"SymmetricMode": True})


def _pivots(gram: Any, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """The pivots, and which row each belongs to."""
    factors = _factored(gram, shift)
    order = np.empty(gram.shape[0], dtype=np.intp)
    order[factors.perm_c] = np.arange(gram.shape[0])
    return factors.U.diagonal(), order
