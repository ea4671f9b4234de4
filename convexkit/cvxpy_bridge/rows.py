"""cvxpy's rows and ours: rows with a single variable become bounds, and every row finds its multiplier again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..problem import QCQP, SecondOrderCone
from ..solution import Solution


@dataclass(frozen=True)
class SortedRows:
    """Gx ≤ h and lb ≤ x ≤ ub, and where the multipliers of the rows they came from are found.

    Attributes
    ----------
    G, h, lb, ub : the arguments of a `QCQP`, G as CSR
    kept : for each row of G the row it is; beyond the last row if it was an attribute's bound
    taken : the rows that set a bound
    slot, factor : (taken,) arrays; the multiplier of a taken row is factor times entry `slot` of [lam_lb, lam_ub]
    loose, loose_slot, loose_factor : the same of rows that would have set a bound, if another were not as tight
    """

    G: Any
    h: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    kept: np.ndarray
    taken: np.ndarray
    slot: np.ndarray
    factor: np.ndarray
    loose: np.ndarray
    loose_slot: np.ndarray
    loose_factor: np.ndarray


def sort_rows(matrix: Any, limit: np.ndarray, lb: np.ndarray, ub: np.ndarray) -> SortedRows:
    """matrix·x ≤ limit and lb ≤ x ≤ ub, sorted. `matrix` is CSR without stored zeros."""
    n = lb.size
    lb, ub = lb.copy(), ub.copy()
    # Crossed bounds are the problem's nature here, not a caller's mistake: they become rows, and so a proof.
    own = np.flatnonzero(lb > ub)
    if own.size:
        unit = sp.csr_matrix((np.ones(own.size), (np.arange(own.size), own)), shape=(own.size, n))
        matrix = sp.vstack([matrix, -unit, unit], format="csr")
        limit = np.concatenate([limit, -lb[own], ub[own]])
        lb[own], ub[own] = -np.inf, np.inf
    single = np.flatnonzero(np.diff(matrix.indptr) == 1)
    column, slope = matrix.indices[matrix.indptr[single]], matrix.data[matrix.indptr[single]]
    tight_lb, from_lb = _tighten(lb, column, slope, limit[single] / slope, upper=False)
    tight_ub, from_ub = _tighten(ub, column, slope, limit[single] / slope, upper=True)
    crossed = tight_lb > tight_ub
    tight_lb[crossed], tight_ub[crossed], from_lb[crossed], from_ub[crossed] = lb[crossed], ub[crossed], -1, -1
    is_row = np.ones(limit.size, dtype=bool)
    is_row[single[~crossed[column]]] = False
    kept = np.flatnonzero(is_row)
    chosen = np.concatenate([from_lb, from_ub])
    slot = np.flatnonzero(chosen >= 0)
    loose = ~is_row[single]
    loose[chosen[slot]] = False
    # The multiplier of slope·x ≤ limit is that of the bound on x, over |slope|.
    return SortedRows(matrix[kept], limit[kept], tight_lb, tight_ub, kept, single[chosen[slot]], slot,
                      1.0 / np.abs(slope[chosen[slot]]), single[loose], column[loose] + n * (slope[loose] > 0),
                      1.0 / np.abs(slope[loose]))


def _tighten(bound: np.ndarray, column: np.ndarray, slope: np.ndarray, limit: np.ndarray, *,
             upper: bool) -> tuple[np.ndarray, np.ndarray]:
    """The bounds with those limits that are tighter, and which limit set each of them, or -1.

    The tightest of several takes the multiplier; the first of equals.
    """
    bound, chosen = bound.copy(), np.full(bound.size, -1)
    side = np.flatnonzero((slope > 0) == upper)
    order = side[np.lexsort((side, limit[side] if upper else -limit[side], column[side]))]
    first = order[np.unique(column[order], return_index=True)[1]]
    first = first[limit[first] < bound[column[first]] if upper else limit[first] > bound[column[first]]]
    bound[column[first]], chosen[column[first]] = limit[first], first
    return bound, chosen


def second_order_cone(matrix: Any, constant: np.ndarray, block: slice,
                      stored: Callable[[Any], Any] = lambda part: part) -> SecondOrderCone:
    """Rows `block` of matrix·x + constant, the top first, as ‖Ax + b‖ ≤ cᵀx + d. `matrix` is CSR."""
    top = block.start
    # Cut by hand: there may be thousands of cones, and scipy's slices take most of the time.
    starts = matrix.indptr[top:block.stop + 1]
    first, rest, end = starts[0], starts[1], starts[-1]
    c = np.zeros(matrix.shape[1])
    c[matrix.indices[first:rest]] = matrix.data[first:rest]
    A = sp.csr_matrix((matrix.data[rest:end], matrix.indices[rest:end], starts[1:] - rest),
                      shape=(block.stop - top - 1, matrix.shape[1]))
    return SecondOrderCone(stored(A), constant[top + 1:block.stop], c, constant[top])


class Places:
    """For each of cvxpy's rows, where its multiplier stands in a solution, and what to multiply it by.

    Positions count through [0, lam, nu, lam_lb, lam_ub, lam_cones]; position 0 is for rows without a multiplier.
    """

    def __init__(self, problem: QCQP, rows: int):
        self.position, self.factor = np.zeros(rows, dtype=int), np.ones(rows)
        self._nu = 1 + problem.m
        self._bounds = self._nu + problem.p
        self._cones = self._bounds + 2 * problem.n
        self._quadratics = len(problem.inequalities)
        self._sizes = (problem.m, problem.p, problem.n, problem.n, *(cone.size for cone in problem.cones))
        # Rows that another bound makes redundant have no multiplier here, and may have one elsewhere.
        self.loose = self.loose_position = np.zeros(0, dtype=int)
        self.loose_factor = np.zeros(0)

    def quadratics(self, rows: np.ndarray) -> None:
        """These rows are the quadratic inequalities, in order."""
        self.position[rows] = 1 + np.arange(rows.size)

    def inequalities(self, rows: np.ndarray, found: SortedRows) -> None:
        """These rows were sorted into G and bounds."""
        own = np.flatnonzero(found.kept < rows.size)
        self.position[rows[found.kept[own]]] = 1 + self._quadratics + own
        self.position[rows[found.taken]] = self._bounds + found.slot
        self.factor[rows[found.taken]] = found.factor
        self.loose, self.loose_factor = rows[found.loose], found.loose_factor
        self.loose_position = self._bounds + found.loose_slot

    def equalities(self, rows: np.ndarray) -> None:
        """These rows are those of A, in order."""
        self.position[rows] = self._nu + np.arange(rows.size)

    def cones(self, blocks: list[slice]) -> None:
        """These blocks of rows are the cones, in order, each with its top first."""
        first = self._cones
        for block in blocks:
            self.position[block] = first + np.arange(block.stop - block.start)
            first += block.stop - block.start

    def duals(self, solution: Solution) -> np.ndarray:
        """The multiplier of every row."""
        every = np.concatenate(([0.0], solution.lam, solution.nu, solution.lam_lb, solution.lam_ub,
                                *solution.lam_cones))
        return self.factor * every[self.position]

    def multipliers(self, duals: np.ndarray) -> list[np.ndarray]:
        """[lam, nu, lam_lb, lam_ub, then one for each cone] from the multiplier of every row, the way back of `duals`.

        What stands for no row, the multipliers of bounds that are attributes of variables, is zero.
        """
        every = np.zeros(1 + sum(self._sizes))
        np.add.at(every, self.position, duals / self.factor)
        np.add.at(every, self.loose_position, duals[self.loose] / self.loose_factor)
        return np.split(every[1:], np.cumsum(self._sizes)[:-1])
