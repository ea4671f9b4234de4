"""Second-order cones of a problem and their multipliers, all cones at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..problem import SecondOrderCone
from ..quadratic import runs, stacked
from .rows import EPS, row_floor, row_terms

# Entries of A and c that are put side by side at once.
BLOCK = 2**20


@dataclass(frozen=True, eq=False)
class Parts:
    """The multipliers (z₀, z) of all cones, or other vectors of their shapes, such as the slacks (cᵀx + d, Ax + b).

    Attributes
    ----------
    heads : (m,) array, the first entry of each
    tails : array, the others, one cone's after the other's
    starts : (m,) array of int, where in `tails` each begins; none is empty
    """

    heads: np.ndarray
    tails: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, vectors: Sequence[np.ndarray]) -> Parts:
        """Take vectors apart."""
        if not len(vectors):
            return NO_PARTS
        sizes = np.array([v.size for v in vectors], dtype=np.intp)
        flat = np.concatenate(vectors)
        first = np.cumsum(sizes) - sizes
        tail = np.ones(flat.size, dtype=bool)
        tail[first] = False
        return cls(flat[first], flat[tail], first - np.arange(sizes.size))

    @classmethod
    def offsets(cls, cones: Sequence[SecondOrderCone]) -> Parts:
        """(d, b) of each cone."""
        tails = [cone.b for cone in cones]
        sizes = np.array([b.size for b in tails], dtype=np.intp)
        return cls(np.array([cone.d for cone in cones], dtype=np.float64),
                   np.concatenate(tails) if tails else np.zeros(0), np.cumsum(sizes) - sizes)

    def __abs__(self) -> Parts:
        return Parts(np.abs(self.heads), np.abs(self.tails), self.starts)

    def __matmul__(self, other: Parts) -> float:
        return float(self.heads @ other.heads) + float(self.tails @ other.tails)

    def products(self, other: Parts) -> np.ndarray:
        """(m,) array of inner products, cone by cone."""
        sums = np.add.reduceat(self.tails * other.tails, self.starts) if self.starts.size else 0.0
        return self.heads * other.heads + sums

    @property
    def norms(self) -> np.ndarray:
        """(m,) array ‖z‖."""
        return np.sqrt(np.add.reduceat(self.tails * self.tails, self.starts)) if self.starts.size else np.zeros(0)

    @property
    def largest(self) -> float:
        """The largest |z₀| or ‖z‖."""
        return max(float(np.abs(self.heads).max(initial=0.0)), float(self.norms.max(initial=0.0)))

    def raised(self) -> Parts:
        """With z₀ raised to ‖z‖ where it is below, by a little more than the rounding of ‖z‖."""
        return Parts(np.maximum(self.heads, self.norms * (1.0 + 8.0 * EPS)), self.tails, self.starts)

    def vectors(self) -> tuple[np.ndarray, ...]:
        """One vector (z₀, z) for each cone."""
        pieces = np.split(self.tails, self.starts[1:]) if self.starts.size else []
        return tuple(np.concatenate(([head], piece)) for head, piece in zip(self.heads, pieces, strict=True))


NO_PARTS = Parts(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.intp))


def _blocks(cones: Sequence[SecondOrderCone]) -> Iterator[tuple[slice, slice, np.ndarray, Any]]:
    """(cones, rows, C, A) of consecutive cones: their c as rows of C, their A one above the other.

    A large A comes alone and is not copied.
    """
    start = row = 0
    for sparse, group in groupby(cones, key=lambda cone: sp.issparse(cone.A)):
        members = list(group)
        sizes = [cone.n + (cone.A.nnz if sparse else cone.A.size) for cone in members]
        for part in runs(sizes, BLOCK):
            A = [cone.A for cone in members[part]]
            stack = A[0] if len(A) == 1 else sp.vstack(A, format="csr") if sparse else np.concatenate(A)
            rows = slice(row, row + stack.shape[0])
            yield slice(start + part.start, start + part.stop), rows, stacked([cone.c for cone in members[part]]), stack
            row = rows.stop
        start += len(members)


@dataclass(frozen=True, eq=False)
class ConesAtPoint:
    """m cones at a point x.

    Attributes
    ----------
    slack : (cᵀx + d, Ax + b), in parts
    terms : (|c|ᵀ|x| + |d|, |A||x| + |b|), in parts
    values : (m,) array ‖Ax + b‖ - (cᵀx + d)
    sizes : (m,) array, what a violation is measured against: the norm and the number of `terms`, added
    constants, coefficients : (m,) arrays ‖b‖ + |d|, and the largest |entry| of A and c
    """

    slack: Parts
    terms: Parts
    values: np.ndarray
    sizes: np.ndarray
    constants: np.ndarray
    coefficients: np.ndarray


NO_CONES = ConesAtPoint(NO_PARTS, NO_PARTS, *(np.zeros(0) for _ in range(4)))


def cones_at_point(cones: Sequence[SecondOrderCone], x: np.ndarray, *, offsets: bool = True) -> ConesAtPoint:
    """`ConesAtPoint` in one pass over the data; without b and d if `offsets` is false, as for a direction."""
    if not cones:
        return NO_CONES
    slack = Parts.offsets(cones)
    if not offsets:
        slack = Parts(0.0 * slack.heads, 0.0 * slack.tails, slack.starts)
    terms = abs(slack)
    constants = terms.heads + terms.norms
    coefficients = np.zeros(len(cones))
    ax = np.abs(x)
    for some, rows, C, A in _blocks(cones):
        slack.heads[some] += C @ x
        slack.tails[rows] += A @ x
        spread, largest = row_terms(C, ax)
        terms.heads[some] += spread
        spread, entries = row_terms(A, ax)
        terms.tails[rows] += spread
        coefficients[some] = np.maximum(largest, np.maximum.reduceat(entries, slack.starts[some] - rows.start))
    sizes = np.maximum(terms.heads + terms.norms, row_floor(constants, coefficients))
    return ConesAtPoint(slack, terms, slack.norms - slack.heads, sizes, constants, coefficients)


def pull(cones: Sequence[SecondOrderCone], z: Parts, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(n,) arrays Σ z₀c and Σ Aᵀz, by which the cones' terms lower the slope of L."""
    heads, tails = np.zeros(n), np.zeros(n)
    for some, rows, C, A in _blocks(cones):
        heads += z.heads[some] @ C
        tails += A.T @ z.tails[rows]
    return heads, tails


def pull_terms(cones: Sequence[SecondOrderCone], z: Parts, n: int) -> np.ndarray:
    """(n,) array Σ |z₀||c| + |A|ᵀ|z|, what the rounding of `pull` is proportional to."""
    total = np.zeros(n)
    for some, rows, C, A in _blocks(cones):
        total += np.abs(z.heads[some]) @ np.abs(C) + abs(A).T @ np.abs(z.tails[rows])
    return total
