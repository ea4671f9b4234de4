"""Equilibration: row scales that make multipliers and slacks of different rows comparable.

Only rows and the objective are scaled in the iteration. Column scales are computed along with them, because
what a "large" row is depends on the units of x, and they scale the bounds, which are rows of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from .cones import Cones

# Scales stay within these limits, so that a row of nearly zeros is not blown up to a constraint.
SMALLEST, LARGEST = 1e-8, 1e8
# A pass that changes no scale by more than this is the last.
EVEN = 0.9
# Linear programs whose entries, within rows, differ by more than a factor of 2 in the mean square of logarithms start
# from geometric-mean scales: pilot_we takes 46 iterations in place of 76, and others a seventh less. Even ones fare as
# well without.
UNEVEN = np.log(2.0)
GEOMETRIC_PASSES = 20


@dataclass(frozen=True)
class Scaling:
    """Positive factors: `rows` multiply inequalities, `equalities` rows of A, `objective` f₀; x = columns·x̂."""

    rows: np.ndarray
    equalities: np.ndarray
    columns: np.ndarray
    objective: float


def _safe(size: np.ndarray) -> np.ndarray:
    """Sizes to divide by: 1 where a row or column is empty."""
    return np.where(size > 0, size, 1.0)


class _Entries:
    """|M| for a dense or CSR matrix, with the largest entries of rows and columns of diag(d)·|M|·diag(E)."""

    def __init__(self, matrix: Any):
        self.shape = matrix.shape
        self._dense = None if sp.issparse(matrix) else np.abs(matrix)
        if self._dense is not None:
            return
        matrix = sp.csr_array(matrix)
        keep = matrix.data != 0
        rows = np.repeat(np.arange(self.shape[0]), np.diff(matrix.indptr))
        self._row, self._column, self._data = rows[keep], matrix.indices[keep], np.abs(matrix.data[keep])
        self._used_rows, self._row_starts = np.unique(self._row, return_index=True)
        self._order = np.argsort(self._column, kind="stable")
        self._used_columns, self._column_starts = np.unique(self._column[self._order], return_index=True)

    def scaled(self, d: np.ndarray, E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Largest entry of each row, and of each column."""
        if self._dense is not None:
            scaled = self._dense * E
            rows = scaled.max(axis=1, initial=0.0) * d
            scaled *= d[:, None]
            return rows, scaled.max(axis=0, initial=0.0)
        rows, columns = np.zeros(self.shape[0]), np.zeros(self.shape[1])
        if self._data.size:
            values = self._data * d[self._row] * E[self._column]
            rows[self._used_rows] = np.maximum.reduceat(values, self._row_starts)
            columns[self._used_columns] = np.maximum.reduceat(values[self._order], self._column_starts)
        return rows, columns

    def rows(self, E: np.ndarray) -> np.ndarray:
        """Largest entry of each row of |M|·diag(E)."""
        if self._dense is not None:
            return (self._dense * E).max(axis=1, initial=0.0)
        return self.scaled(np.ones(self.shape[0]), E)[0]


def _geometric(Q: _Entries, equalities: _Entries, q0: np.ndarray) -> np.ndarray:
    """Column scales that bring entries of sparse rows near one in the geometric mean; ones if they are even as given.

        minimise Σ (log|aᵢⱼ| + log dᵢ + log Eⱼ)²  over d and E, by turns, with q₀ as one more row

    Largest entries can be made one in many ways, and which one Ruiz's passes arrive at depends on the units that the
    data came in; the least-squares scales do not (Curtis and Reid, J. Inst. Maths Applics 10, 1972). Without q₀ a
    column that is large in its rows, but not in the objective, got a scale at which stationarity was lost.
    """
    n, split = q0.size, Q.shape[0]
    m = split + equalities.shape[0] + 1
    costs = np.flatnonzero(q0)
    row = np.concatenate([Q._row, equalities._row + split, np.full(costs.size, m - 1)])
    column = np.concatenate([Q._column, equalities._column, costs])
    logs = np.log(np.concatenate([Q._data, equalities._data, np.abs(q0[costs])]))
    in_row = np.maximum(np.bincount(row, minlength=m), 1)
    in_column = np.maximum(np.bincount(column, minlength=n), 1)
    rows, columns = np.bincount(row, logs, m) / in_row, np.zeros(n)
    if not logs.size or np.sqrt(np.mean((logs - rows[row])**2)) <= UNEVEN:
        return np.ones(n)
    for _ in range(GEOMETRIC_PASSES):
        columns = np.bincount(column, logs - rows[row], n) / in_column
        rows = np.bincount(row, logs - columns[column], m) / in_row
    return np.exp(-columns)


def equilibrate(diagonal0: np.ndarray, diagonals: Any, q0: np.ndarray, rows: Any, r: np.ndarray, cones: Cones,
                A: Any, b: np.ndarray, lb: np.ndarray, low: np.ndarray, ub: np.ndarray, high: np.ndarray,
                passes: int) -> Scaling:
    """Ruiz's simultaneous row and column scaling, with each quadratic represented by the diagonal of its P.

    For P ⪰ 0 no entry exceeds √(PᵢᵢPⱼⱼ), so diagonals suffice, and a pass costs O(mn) instead of O(mn²). The leading
    rows are those of `diagonals`; the rows of a cone share one scale, or it would no longer be a cone.
    """
    n = q0.size
    Q, D, equalities = _Entries(rows), _Entries(diagonals), _Entries(A)
    curved = D.shape[0]
    absolute_q0, D0 = np.abs(q0), np.abs(diagonal0)
    absolute_r, absolute_b = (np.abs(r), np.abs(b)) if curved else (np.zeros(r.size), np.zeros(b.size))

    def together(row: np.ndarray) -> np.ndarray:
        if cones.count:
            row[cones.part] = cones.spread(cones.largest(row[cones.part]))
        return row

    def objective_scale(E: np.ndarray) -> float:
        size = max(float((absolute_q0 * E).max(initial=0.0)), float((D0 * E * E).max(initial=0.0)))
        return 1.0 / size if size > 0 else 1.0

    def row_sizes(E: np.ndarray) -> np.ndarray:
        row = np.maximum(Q.rows(E), absolute_r)
        if curved:
            row[:curved] = np.maximum(row[:curved], D.rows(E * E))
        return together(row)

    def equality_sizes(E: np.ndarray) -> np.ndarray:
        return np.maximum(equalities.rows(E), absolute_b)

    # Rows and objective start at size one, so that the result does not depend on the units they came in.
    linear = sp.issparse(A) and not curved and not D0.any()
    E = _geometric(Q, equalities, absolute_q0) if linear else np.ones(n)
    d, dA, c = 1.0 / _safe(row_sizes(E)), 1.0 / _safe(equality_sizes(E)), objective_scale(E)
    for _ in range(passes):
        row, column = Q.scaled(d, E)
        if curved:
            quadratic, quadratic_column = D.scaled(d[:curved], E * E)
            row[:curved] = np.maximum(row[:curved], quadratic)
            column = np.maximum(column, quadratic_column)
        row = together(np.maximum(row, absolute_r * d))
        equality_row, equality_column = equalities.scaled(dA, E)
        column = np.maximum(np.maximum(column, equality_column), c * D0 * E * E)
        factors = [np.sqrt(_safe(size)) for size in (row, np.maximum(equality_row, absolute_b * dA), column)]
        d, dA, E = d / factors[0], dA / factors[1], E / factors[2]
        c = objective_scale(E)
        if all(1.0 / factor.max(initial=1.0) >= EVEN and factor.min(initial=1.0) >= EVEN for factor in factors):
            break
    if curved:
        # One factor for all variables is still open, which trades the P's against the constants. Choose it so that
        # solutions have size one: the distance at which a row's terms reach its constant, averaged over all rows.
        linear = Q.rows(E)
        quadratic = np.zeros(linear.size)
        quadratic[:curved] = D.rows(E * E)
        # The positive root of quadratic·t² + linear·t = |r|, without cancellation.
        root = linear + np.sqrt(linear * linear + 4.0 * quadratic * absolute_r)
        distances = np.concatenate([2.0 * absolute_r / _safe(root), absolute_b / _safe(equalities.rows(E)),
                                    np.abs(lb) / E[low], np.abs(ub) / E[high]])
        distances = distances[distances > 0]
        if distances.size:
            E = E * np.exp(np.log(distances).mean())
            c = objective_scale(E)
    # Finish with one exact pass over the rows.
    return Scaling(1.0 / _safe(row_sizes(E)), 1.0 / _safe(equality_sizes(E)), np.clip(E, SMALLEST, LARGEST),
                   float(np.clip(c, SMALLEST, LARGEST)))
