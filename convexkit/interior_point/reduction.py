"""A problem without what is settled beforehand: variables with one value, rows that are multiples of others.

    lb = ub, or a·x = b with one entry      x is a constant; its multiplier is what stationarity leaves over
    aᵀx ≤ h and s·aᵀx ≤ h', s > 0            the tighter one stays; the other's multiplier is zero
    aᵀx ≤ h and s·aᵀx ≤ -s·h, s < 0          one equality, whose multiplier goes to a row by its sign
    aᵀx = b and s·aᵀx = s·b                  one equality

Pairs of rows that leave no room between them have no strictly feasible point, and multipliers that grow without end:
a solver that takes them as they are loses half of its digits. Whatever contradicts something is left as it is: the
iteration then finds the proof in the user's own rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..duality import row_terms
from ..problem import QCQP, SecondOrderCone
from ..quadratic import Quadratic, restricted
from .multipliers import Multipliers

# Rows of largest entry one are multiples of each other if no entry differs by more; right-hand sides agree alike.
SAME = 1e-14
# What cancellation may leave of a row without entries.
ROUNDING = 1e-13


@dataclass(frozen=True)
class Parallel:
    """Rows that are multiples of each other: `group` numbers them, `factor` is each row's multiple of its group's."""

    group: np.ndarray
    factor: np.ndarray


def parallel_rows(matrix: Any) -> Parallel | None:
    """Which rows of a dense or CSR matrix are multiples of each other; None if no two are. O(nonzeros).

    A weighted sum of a row's entries, over the largest, tells rows apart; those that agree are compared entry by entry.
    """
    rows, n = matrix.shape
    if rows < 2:
        return None
    if sp.issparse(matrix):
        magnitude = abs(matrix).max(axis=1)
        largest = (magnitude.toarray() if sp.issparse(magnitude) else np.asarray(magnitude)).reshape(-1)
    else:
        largest = np.abs(matrix).max(axis=1, initial=0.0)
    # Multiples of the golden ratio fill [0, 1) evenly, and no few of them cancel.
    weights = 1.0 + np.modf(np.arange(1, n + 1) * 0.6180339887498949)[0]
    key = np.where(largest > 0, (matrix @ weights) / np.where(largest > 0, largest, 1.0), np.nan)
    order = np.argsort(np.abs(key), kind="stable")
    size = np.abs(key[order])
    near = np.flatnonzero(size[1:] - size[:-1] <= 1e-12 * size[1:])  # False for NaN, so empty rows stay alone
    if not near.size:
        return None
    first, second = order[near], order[near + 1]
    sign = np.where((key[first] < 0) == (key[second] < 0), 1.0, -1.0)
    if sp.issparse(matrix):
        scaled = sp.diags_array(1.0 / largest[first]) @ matrix[first] \
            - sp.diags_array(sign / largest[second]) @ matrix[second]
        worst = abs(sp.csr_array(scaled)).max(axis=1)
        difference = (worst.toarray() if sp.issparse(worst) else np.asarray(worst)).reshape(-1)
    else:
        difference = np.abs(matrix[first] / largest[first, None]
                            - matrix[second] * (sign / largest[second])[:, None]).max(axis=1)
    same = difference <= SAME
    if not same.any():
        return None
    starts = np.ones(rows, dtype=bool)  # of a group, in the sorted order
    starts[near[same] + 1] = False
    group = np.empty(rows, dtype=np.intp)
    group[order] = np.cumsum(starts) - 1
    factor = np.where(key < 0, -largest, largest)
    factor[largest == 0] = 1.0
    return Parallel(group, factor)


class Reduction:
    """`problem` is what is left to solve; `restore` takes its points back to the problem that was given."""

    def __init__(self, given: QCQP):
        self._given = given
        self.problem = given
        n, p = given.n, given.p
        self._rows = np.arange(given.h.size)
        self._equalities = np.arange(p)
        # Equalities made of two rows of G each: their rows as they stand in the equality, opposite ones, and the ratio.
        self._upper = self._lower = np.zeros(0, dtype=np.intp)
        self._ratio = np.zeros(0)
        self._free = np.arange(n)
        self._x = np.zeros(n)
        self._by_row = np.full(n, -1)  # the equality that fixes a variable
        self._by_row_entry = np.ones(n)
        rows_changed = self._parallel_inequalities() | self._parallel_equalities()
        fixed = self._fixed()
        if rows_changed or fixed.any():
            self._build(fixed)

    def _parallel_inequalities(self) -> bool:
        given = self._given
        found = parallel_rows(given.G)
        if found is None:
            return False
        groups = int(found.group.max()) + 1
        limit = given.h / found.factor
        upper, lower = np.full(groups, np.inf), np.full(groups, -np.inf)
        up = found.factor > 0
        np.minimum.at(upper, found.group[up], limit[up])
        np.maximum.at(lower, found.group[~up], limit[~up])
        number = np.arange(given.h.size)
        # The last row that is as tight as any in its group.
        upper_row, lower_row = np.full(groups, -1), np.full(groups, -1)
        tight = up & (limit == upper[found.group]) & np.isfinite(limit)
        upper_row[found.group[tight]] = number[tight]
        tight = ~up & (limit == lower[found.group]) & np.isfinite(limit)
        lower_row[found.group[tight]] = number[tight]
        both = (upper_row >= 0) & (lower_row >= 0)
        crossed = both & (lower > upper + SAME * np.maximum(np.abs(lower), np.abs(upper)))
        met = both & ~crossed & (upper - lower <= SAME * np.maximum(np.abs(lower), np.abs(upper)))
        alone = np.bincount(found.group, minlength=groups)[found.group] == 1
        keep = alone | crossed[found.group] | (number == upper_row[found.group]) | (number == lower_row[found.group])
        keep &= ~met[found.group]
        self._rows = number[keep]
        self._upper, self._lower = upper_row[met], lower_row[met]
        self._ratio = found.factor[self._upper] / -found.factor[self._lower]
        return not keep.all()

    def _parallel_equalities(self) -> bool:
        given = self._given
        found = parallel_rows(given.A)
        if found is None:
            return False
        value = given.b / found.factor
        _, first = np.unique(found.group, return_index=True)
        leader = first[found.group]
        difference = np.abs(value - value[leader])
        repeated = (leader != np.arange(value.size)) & (difference <= SAME * np.abs(value))
        self._equalities = np.flatnonzero(~repeated)
        return bool(repeated.any())

    def _fixed(self) -> np.ndarray:
        """Which variables have one value; nothing where a quadratic row or an operator would have to be rewritten."""
        given = self._given
        nothing = np.zeros(given.n, dtype=bool)
        if given.inequalities or given.objective.structure == "operator":
            return nothing
        fixed = (given.lb == given.ub) & np.isfinite(given.lb)
        self._x[fixed] = given.lb[fixed]
        if given.p:
            if sp.issparse(given.A):
                A = sp.csr_array(given.A)
                if not (A.has_canonical_format and A.data.all()):
                    A = A.copy()
                    A.sum_duplicates()
                    A.eliminate_zeros()
                i = np.flatnonzero(np.diff(A.indptr) == 1)
                j, v = A.indices[A.indptr[i]], A.data[A.indptr[i]]
            else:
                i = np.flatnonzero(np.count_nonzero(given.A, axis=1) == 1)
                j = np.abs(given.A[i]).argmax(axis=1) if i.size else i
                v = given.A[i, j]
            j, first = np.unique(j, return_index=True)
            i, v = i[first], v[first]
            value = given.b[i] / v
            inside = (value >= given.lb[j]) & (value <= given.ub[j]) & ~fixed[j] & np.isfinite(value)
            i, j, v, value = i[inside], j[inside], v[inside], value[inside]
            self._x[j], self._by_row[j], self._by_row_entry[j] = value, i, v
            fixed = fixed.copy()
            fixed[j] = True
        return nothing if fixed.all() else fixed

    def _build(self, fixed: np.ndarray) -> None:
        given, x = self._given, np.where(fixed, self._x, 0.0)
        self._x = x
        self._free = free = np.flatnonzero(~fixed)
        if not fixed.any():
            self._by_row[:] = -1
        taken = np.zeros(given.p, dtype=bool)
        taken[self._by_row[fixed & (self._by_row >= 0)]] = True
        self._equalities = self._equalities[~taken[self._equalities]]
        G, h = given.G[self._rows], given.h[self._rows]
        A, b = given.A[self._equalities], given.b[self._equalities]
        pairs, limits = given.G[self._upper], given.h[self._upper]
        if fixed.any():
            G, h, _ = _without(G, h, x, free)
            A, b, stays = _without(A, b, x, free)
            self._equalities, A, b = self._equalities[stays], A[stays], b[stays]
            pairs, limits, stays = _without(pairs, limits, x, free)
            self._upper, self._lower, self._ratio = self._upper[stays], self._lower[stays], self._ratio[stays]
            pairs, limits = pairs[stays], limits[stays]
        if self._upper.size:
            if sp.issparse(pairs) or sp.issparse(A):
                A = sp.csr_array(sp.vstack([sp.csr_array(A), sp.csr_array(pairs)]))
            else:
                A = np.concatenate([A, pairs])
            b = np.concatenate([b, limits])
        objective, cones = given.objective, given.cones
        if fixed.any():
            P = None if objective.P is None else restricted(objective.P, ~fixed)
            objective = Quadratic(P, (objective.hessp(x) + objective.q)[free], objective(x))
            cones = tuple(SecondOrderCone(cone.A[:, free], cone.b + cone.A @ x, cone.c[free], cone.d + cone.c @ x)
                          for cone in cones)
        self.problem = QCQP(objective, given.inequalities, G=G, h=h, A=A, b=b, lb=given.lb[free], ub=given.ub[free],
                            cones=cones)

    def restore(self, point: Multipliers, *, objective: bool) -> Multipliers:
        """The point in the problem as given; what stationarity leaves to fixed variables, with f₀ or without."""
        given = self._given
        if self.problem is given:
            return point
        quadratics, p = len(given.inequalities), self._equalities.size
        x = self.expand(point.x) + self._x
        lam, nu = np.zeros(given.m), np.zeros(given.p)
        lam[:quadratics] = point.lam[:quadratics]
        lam[quadratics + self._rows] = point.lam[quadratics:]
        nu[self._equalities] = point.nu[:p]
        lam[quadratics + self._upper] = np.maximum(point.nu[p:], 0.0)
        lam[quadratics + self._lower] = self._ratio * np.maximum(-point.nu[p:], 0.0)
        lam_lb, lam_ub = self.expand(point.lam_lb), self.expand(point.lam_ub)
        if self._free.size < given.n:
            slope = given.G.T @ lam[quadratics:] + given.A.T @ nu
            if objective:
                slope = slope + given.objective.gradient(x)
            for cone, z in zip(given.cones, point.lam_cones, strict=False):
                slope = slope - z[0] * cone.c - cone.A.T @ z[1:]
            slope[self._free] = 0.0
            by_row = np.flatnonzero(self._by_row >= 0)
            nu[self._by_row[by_row]] = -slope[by_row] / self._by_row_entry[by_row]
            slope[by_row] = 0.0
            lam_lb += np.maximum(slope, 0.0)
            lam_ub += np.maximum(-slope, 0.0)
        return Multipliers(x, lam, nu, lam_lb, lam_ub, point.lam_cones)

    def expand(self, v: np.ndarray) -> np.ndarray:
        """A vector of the remaining variables, zero elsewhere."""
        if self._free.size == self._given.n:
            return v
        out = np.zeros(self._given.n)
        out[self._free] = v
        return out

    def restrict(self, point: Multipliers) -> Multipliers:
        """A point of the problem as given, as one of what is left."""
        if self.problem is self._given:
            return point
        quadratics = len(self._given.inequalities)
        lam_G = point.lam[quadratics:]
        pairs = lam_G[self._upper] - lam_G[self._lower] / np.where(self._ratio > 0, self._ratio, 1.0)
        return Multipliers(point.x[self._free], np.concatenate([point.lam[:quadratics], lam_G[self._rows]]),
                           np.concatenate([point.nu[self._equalities], pairs]), point.lam_lb[self._free],
                           point.lam_ub[self._free], point.lam_cones)


def _without(matrix: Any, limits: np.ndarray, x: np.ndarray, free: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    """The remaining columns, the limits less matrix·x, and which rows are more than 0ᵀx against 0."""
    rest = matrix[:, free]
    if sp.issparse(rest):
        rest = sp.csr_array(rest)
        used = np.bincount(np.repeat(np.arange(rest.shape[0]), np.diff(rest.indptr)), weights=rest.data != 0,
                           minlength=rest.shape[0]) > 0
    else:
        used = rest.any(axis=1)
    remaining = limits - matrix @ x
    # What rounding leaves of zero would be a constant of its own size, and the row never met to a share of that.
    products, largest = row_terms(matrix, np.abs(x))
    terms = np.abs(limits) + products + 0.1 * largest  # a constant of 1e-14 of the coefficients is zero too
    remaining[np.isfinite(terms) & (np.abs(remaining) <= ROUNDING * terms)] = 0.0
    return rest, remaining, used | (remaining != 0)
