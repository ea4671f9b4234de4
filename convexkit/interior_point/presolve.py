"""What is read off the rows of G before the iteration: rows that say nothing, and rows that are bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from ..duality import NO_BOUND
from ..problem import QCQP


@dataclass(frozen=True)
class Bounds:
    """Bounds of the variables, those given and those that rows of G with one entry amount to.

    `low_row[j]` is the row that lb[j] comes from, -1 if it is the variable's own bound; `low_entry[j]` the magnitude of
    its coefficient.
    """

    lb: np.ndarray
    ub: np.ndarray
    low_row: np.ndarray
    low_entry: np.ndarray
    high_row: np.ndarray
    high_entry: np.ndarray

    def _sides(self, lam_lb: np.ndarray, lam_ub: np.ndarray) -> tuple:
        return (lam_lb, self.low_row, self.low_entry), (lam_ub, self.high_row, self.high_entry)

    def give_back(self, lam_lb: np.ndarray, lam_ub: np.ndarray, lam_G: np.ndarray) -> None:
        """Move multipliers of bounds to the rows that they come from, in place."""
        for multiplier, row, entry in self._sides(lam_lb, lam_ub):
            taken = np.flatnonzero(row >= 0)
            if taken.size:
                lam_G[row[taken]] += multiplier[taken] / entry[taken]
                multiplier[taken] = 0.0

    def take_over(self, lam_lb: np.ndarray, lam_ub: np.ndarray, lam_G: np.ndarray) -> None:
        """Move multipliers of rows that became bounds to those bounds, in place; `lam_G` is left as it is."""
        for multiplier, row, entry in self._sides(lam_lb, lam_ub):
            taken = np.flatnonzero(row >= 0)
            if taken.size:
                multiplier[taken] += lam_G[row[taken]] * entry[taken]


def bounds_from_rows(problem: QCQP) -> tuple[Bounds, np.ndarray]:
    """The bounds, and the indices of the rows of G that remain.

    A row 0ᵀx ≤ h with h ≥ 0 says nothing, nor does one with h ≥ 1e20; 0ᵀx ≤ h < 0 is the whole proof of infeasibility
    and stays. a·xⱼ ≤ h is the bound h/a; where several bound one variable, the tightest counts.
    """
    n, h, G = problem.n, problem.h, problem.G
    nowhere, ones = np.full(n, -1), np.ones(n)
    lb = np.where(problem.lb <= -NO_BOUND, -np.inf, problem.lb)
    ub = np.where(problem.ub >= NO_BOUND, np.inf, problem.ub)
    if h.size == 0:
        return Bounds(lb, ub, nowhere, ones, nowhere, ones), np.arange(0)
    if sp.issparse(G):
        coo = G.tocoo()
        present = coo.data != 0
        i, j, v = coo.row[present], coo.col[present], coo.data[present]
        entries = np.bincount(i, minlength=h.size)
    else:
        entries = np.count_nonzero(G, axis=1)
        i = np.flatnonzero(entries == 1)
        j = np.argmax(G[i] != 0, axis=1)
        v = G[i, j]
    remains = (h < NO_BOUND) & ((entries > 1) | ((entries == 0) & (h < 0)))
    single = (entries[i] == 1) & (h[i] < NO_BOUND)
    i, j, v = i[single], j[single], v[single]
    limit = h[i] / v
    rows, sizes = {}, {}
    for side, bound, chosen, best in (("low", lb, v < 0, np.maximum), ("high", ub, v > 0, np.minimum)):
        row, size = nowhere.copy(), ones.copy()
        candidate = np.full(n, -np.inf if side == "low" else np.inf)
        best.at(candidate, j[chosen], limit[chosen])
        wins = chosen & (limit == candidate[j]) & ((limit > bound[j]) if side == "low" else (limit < bound[j]))
        row[j[wins]], size[j[wins]] = i[wins], np.abs(v[wins])
        bound[j[wins]] = limit[wins]
        rows[side], sizes[side] = row, size
    return Bounds(lb, ub, rows["low"], sizes["low"], rows["high"], sizes["high"]), np.flatnonzero(remains)
