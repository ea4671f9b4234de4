"""The P's of a problem, kept as they are structured, and what the iteration asks of all of them at once.

Each stack holds the objective's P₀ and those of the curved inequalities, unscaled. `products` gives P₀x and all Pᵢx in
a layout of the stack's own, which the other methods take:

    at(x, c, weights)     the same, at a point from which K = c·P₀ + Σ weightsᵢ·Pᵢ may be asked for next
    along(Px, v)          (Pᵢx)ᵀv of each inequality, cheapest if v is the x that Px was made of
    combine(y, Px)        Σ yᵢ·Pᵢx
    gradients(t, d, Px, J)  writes dᵢ(t·Pᵢx + qᵢ) into the curved rows of J

None loops over the inequalities in Python, unless each of them is so large that the loop costs nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from scipy.linalg.blas import dsymv
from scipy.sparse.csgraph import reverse_cuthill_mckee

from ..quadratic import FactoredMatrix, Quadratic, add_up, is_flat
from ..validation import dense

# Factors of so few rows are multiplied out row by row of all factors at once.
FEW_ROWS = 8


class Curvature(Protocol):
    """What every stack of P's can do; `count` inequalities, `objective` if P₀ is there."""

    count: int
    objective: bool

    def products(self, x: np.ndarray) -> tuple[np.ndarray, Any]: ...
    def at(self, x: np.ndarray, c: float, weights: np.ndarray) -> tuple[np.ndarray, Any]: ...
    def along(self, Px: Any, v: np.ndarray) -> np.ndarray: ...
    def combine(self, y: np.ndarray, Px: Any) -> np.ndarray: ...
    def rows(self) -> Any: ...
    def gradients(self, t: float, d: np.ndarray, Px: Any, J: Any) -> None: ...
    def diagonals(self) -> tuple[np.ndarray, Any]: ...


class _DenseRows(ABC):
    """Curved rows as a dense (count, n) array: what DenseStack and FactorStack share."""

    q: np.ndarray
    count: int

    @abstractmethod
    def products(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...

    def at(self, x: np.ndarray, c: float, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.products(x)

    def along(self, Px: np.ndarray, v: np.ndarray) -> np.ndarray:
        return Px @ v

    def combine(self, y: np.ndarray, Px: np.ndarray) -> np.ndarray:
        return y @ Px

    def rows(self) -> np.ndarray:
        return self.q

    def gradients(self, t: float, d: np.ndarray, Px: np.ndarray, J: np.ndarray) -> None:
        rows = J[:self.count]
        np.multiply(Px, t, out=rows)
        rows += self.q
        rows *= d[:, None]


class DenseStack(_DenseRows):
    """Full matrices, one after the other in one array: a product with all is one matrix-vector product."""

    def __init__(self, objective: Quadratic, inequalities: Sequence[Quadratic], n: int):
        self.objective = not is_flat(objective)
        self.count = len(inequalities)
        curved = ([objective] if self.objective else []) + list(inequalities)
        self.P = np.empty((len(curved), n, n))
        for k, f in enumerate(curved):
            self.P[k] = f.hessian()
        self.q = np.array([f.q for f in inequalities], dtype=np.float64).reshape(-1, n)
        self._tall = self.P.reshape(len(curved) * n, n)
        self._flat = self.P.reshape(len(curved), n * n)
        self._zero = np.zeros(n)

    def products(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        every = (self._tall @ x).reshape(-1, x.size)
        return (every[0], every[1:]) if self.objective else (self._zero, every)

    def diagonals(self) -> tuple[np.ndarray, np.ndarray]:
        every = self.P.diagonal(axis1=1, axis2=2)
        return (every[0], every[1:]) if self.objective else (self._zero, every)

    def weighted(self, c: float, weights: np.ndarray, K: np.ndarray) -> None:
        """K = c·P₀ + Σ weightsᵢ·Pᵢ, in one pass over the stack."""
        every = np.concatenate(([c], weights)) if self.objective else weights
        if every.size:
            np.dot(every, self._flat, out=K.reshape(-1))
        else:
            K.fill(0.0)


class DenseList(_DenseRows):
    """Full matrices where they are, for sizes at which a copy costs more than a call for each.

    From n = 200 or so one pass over a P takes a hundred times as long as the call that starts it, and a stacked copy
    would double the memory and, with its page faults, take as long as several iterations. P's larger than the
    processor's cache are read at the memory's pace, so `at` also forms the weighted sum while it has them there, of
    half of each where the kernel was compiled. Only the upper triangle of a sum is meant.
    """

    def __init__(self, objective: Quadratic, inequalities: Sequence[Quadratic], n: int):
        self.objective = not is_flat(objective)
        self.count = len(inequalities)
        curved = [*([objective] if self.objective else []), *inequalities]
        self._P = [np.ascontiguousarray(f.hessian(), dtype=np.float64) for f in curved]
        self.q = np.array([f.q for f in inequalities], dtype=np.float64).reshape(-1, n)
        self._zero = np.zeros(n)
        self._sum = np.zeros((n, n))
        self._weights: np.ndarray | None = None  # those of `_sum`
        from .compiled import PassesOver, available  # which imports what imports this

        # Without curved rows one matrix remains, whose sum is the same every time.
        self._passes = PassesOver(self._P) if self.count and available() else None

    def _split(self, every: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (every[0], every[1:]) if self.objective else (self._zero, every)

    def products(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # One triangle is half of the memory to read.
        every = np.empty((len(self._P), x.size))
        if self._passes is not None:
            self._passes.multiply(np.ascontiguousarray(x), every)
        else:
            for P, out in zip(self._P, every, strict=True):
                dsymv(1.0, P.T, x, y=out, overwrite_y=1)
        return self._split(every)

    def at(self, x: np.ndarray, c: float, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        every = np.empty((len(self._P), x.size))
        self._weights = self._every(c, weights)
        if self._passes is not None:
            self._passes.add_up(self._weights, np.ascontiguousarray(x), every, self._sum)
        else:
            add_up(self._weights, self._P, self._sum, x, every)
        return self._split(every)

    def _every(self, c: float, weights: np.ndarray) -> np.ndarray:
        return np.concatenate(([c], weights)) if self.objective else weights

    def diagonals(self) -> tuple[np.ndarray, np.ndarray]:
        return self._split(np.array([P.diagonal() for P in self._P]).reshape(-1, self._zero.size))

    def weighted(self, c: float, weights: np.ndarray, K: np.ndarray) -> None:
        """K = c·P₀ + Σ weightsᵢ·Pᵢ."""
        every = self._every(c, weights)
        if self._weights is not None and np.array_equal(every, self._weights):
            np.copyto(K, self._sum)
        else:
            add_up(every, self._P, K)


class FactorStack(_DenseRows):
    """Pᵢ = FᵢᵀFᵢ + diag(Dᵢ), the factors padded with zero rows to one rank; P₀ the same, or a full matrix.

    Pᵢx is kept as (Fᵢx, x): what is asked of it along x and of its sums needs no more, only gradients are formed.
    """

    def __init__(self, objective: Quadratic, inequalities: Sequence[Quadratic], n: int):
        self.objective = not is_flat(objective)
        self.count = len(inequalities)
        self.q = np.array([f.q for f in inequalities], dtype=np.float64).reshape(-1, n)
        factors = [dense(f.P.factor) if f.structure == "factored" else np.zeros((0, n)) for f in inequalities]
        ranks = {F.shape[0] for F in factors}
        rank = max(ranks, default=0)
        if len(ranks) == 1 and rank:
            self.F = np.concatenate(factors).reshape(self.count, rank, n)
        else:
            self.F = np.zeros((self.count, rank, n))
            for i, F in enumerate(factors):
                self.F[i, :F.shape[0]] = F
        self.D = np.concatenate([_diagonal(f, n) for f in inequalities] or [np.zeros(0)]).reshape(self.count, n)
        self.has_diagonals = bool(self.D.any())
        self.tall = self.F.reshape(self.count * rank, n)
        self.rank = rank
        self.F0, self.D0, self.P0 = np.zeros((0, n)), np.zeros(n), None
        if self.objective:
            if _is_factored(objective):
                if objective.structure == "factored":
                    self.F0 = dense(objective.P.factor)
                self.D0 = _diagonal(objective, n)
            else:
                self.P0 = objective.hessian()

    def products(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        if self.P0 is not None:
            P0x = self.P0 @ x
        else:
            P0x = self.F0.T @ (self.F0 @ x) + self.D0 * x
        return P0x, ((self.tall @ x).reshape(self.count, self.rank), x)

    def along(self, Px: Any, v: np.ndarray) -> np.ndarray:
        inner, x = Px
        other = inner if v is x else (self.tall @ v).reshape(inner.shape)
        out = np.einsum("ik,ik->i", inner, other)
        return out + self.D @ (x * v) if self.has_diagonals else out

    def combine(self, y: np.ndarray, Px: Any) -> np.ndarray:
        inner, x = Px
        out = (y[:, None] * inner).reshape(-1) @ self.tall
        return out + (y @ self.D) * x if self.has_diagonals else out

    def gradients(self, t: float, d: np.ndarray, Px: Any, J: np.ndarray) -> None:
        inner, x = Px
        rows = J[:self.count]
        inner = inner * t
        if self.rank <= FEW_ROWS:  # a product of small matrices for each of many rows costs three times as much
            rows[:] = self.q
            for k in range(self.rank):
                rows += inner[:, k, None] * self.F[:, k]
        else:
            np.matmul(inner[:, None], self.F, out=rows[:, None])
            rows += self.q
        if self.has_diagonals:
            rows += self.D * (t * x)
        rows *= d[:, None]

    def diagonals(self) -> tuple[np.ndarray, np.ndarray]:
        first = self.P0.diagonal() if self.P0 is not None else np.einsum("ij,ij->j", self.F0, self.F0) + self.D0
        return first, np.einsum("irj,irj->ij", self.F, self.F) + self.D

    def weighted(self, c: float, weights: np.ndarray, K: np.ndarray) -> None:
        """K = c·P₀ + Σ weightsᵢ·Pᵢ: one matrix product with all factors stacked."""
        if self.P0 is not None:
            np.multiply(self.P0, c, out=K)
        else:
            np.dot(self.F0.T, c * self.F0, out=K)
        if self.tall.shape[0]:
            scaled = self.tall * np.sqrt(np.repeat(weights, self.rank))[:, None]
            K += scaled.T @ scaled
        np.einsum("ii->i", K)[:] += c * self.D0 + weights @ self.D


class SparseStack:
    """Sparse P's. The curved rows of J are one CSR matrix of fixed pattern, and Px is its array of entries.

    An entry (i, a) of that pattern has a row of `tall`, row a of Pᵢ: all Pᵢx are one sparse product.
    """

    def __init__(self, objective: Quadratic, inequalities: Sequence[Quadratic], n: int):
        self.objective = not is_flat(objective)
        self.count = count = len(inequalities)
        self.n = n
        self._band: tuple[np.ndarray, int] | None = None
        self.P0 = sp.csr_array(objective.P if sp.issparse(objective.P) else _sparse(objective)) if self.objective \
            else sp.csr_array((n, n))
        # The pattern of row i holds the rows of Pᵢ that are not empty, and the entries of qᵢ. Its order is that of all
        # rows of all P's, one after the other, so that the entries stay where they are.
        matrices, columns, counts, q = [], [np.zeros(0, np.intp)], [np.zeros(1, np.intp)], [np.zeros(0)]
        for f in inequalities:
            P = sp.csr_array(_sparse(f))
            if not P.has_canonical_format:
                P = P.copy()
                P.sum_duplicates()
            in_row = np.diff(P.indptr)
            column = np.flatnonzero((in_row > 0) | (f.q != 0))
            matrices.append(P)
            columns.append(column)
            counts.append(in_row[column])
            q.append(np.asarray(f.q, dtype=np.float64)[column])
        self.column = np.concatenate(columns)
        sizes = np.array([column.size for column in columns[1:]], dtype=np.intp)
        self.row = np.repeat(np.arange(count), sizes)
        self.indptr = np.concatenate([[0], np.cumsum(sizes)])
        self.q = np.concatenate(q)
        # Every entry of every P: owner i, row a, column b, value.
        nothing = np.zeros(0, np.int32)
        self.entries = np.concatenate([np.zeros(0), *(P.data for P in matrices)])
        self.b = np.concatenate([nothing, *(P.indices for P in matrices)])
        in_rows = np.concatenate(counts)
        self.a = np.repeat(self.column.astype(self.b.dtype), in_rows[1:])
        self.owner = np.repeat(np.arange(count), [P.nnz for P in matrices])
        self.tall = sp.csr_array((self.entries, self.b, np.cumsum(in_rows)), shape=(self.column.size, n))
        self._pattern = sp.csr_array((np.ones(self.column.size), self.column, self.indptr), shape=(count, n))

    def products(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.P0 @ x, self.tall @ x

    def at(self, x: np.ndarray, c: float, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.products(x)

    def along(self, Px: np.ndarray, v: np.ndarray) -> np.ndarray:
        self._pattern.data = Px
        return self._pattern @ v

    def combine(self, y: np.ndarray, Px: np.ndarray) -> np.ndarray:
        return np.bincount(self.column, weights=y[self.row] * Px, minlength=self.n)

    def rows(self) -> Any:
        return sp.csr_array((self.q, self.column, self.indptr), shape=(self.count, self.n))

    def gradients(self, t: float, d: np.ndarray, Px: np.ndarray, J: Any) -> None:
        J.data[:self.q.size] = d[self.row] * (t * Px + self.q)

    def diagonals(self) -> tuple[np.ndarray, Any]:
        on = self.a == self.b
        return self.P0.diagonal(), sp.csr_array((self.entries[on], (self.owner[on], self.a[on])),
                                                shape=(self.count, self.n))


    def band(self) -> tuple[np.ndarray, int]:
        """An order of the variables and the bandwidth of all P's in it: as given, or Cuthill-McKee's if it is less."""
        if self._band is None:
            n = self.n
            first = sp.coo_array(self.P0)
            i, j = np.concatenate([first.row, self.a]), np.concatenate([first.col, self.b])
            natural = int(np.abs(i - j).max(initial=0))
            self._band = np.arange(n), natural
            if natural > 4:
                graph = sp.csr_array((np.ones(i.size), (i, j)), shape=(n, n))
                order = reverse_cuthill_mckee(graph, symmetric_mode=True).astype(np.intp)
                place = np.empty(n, dtype=np.intp)
                place[order] = np.arange(n)
                width = int(np.abs(place[i] - place[j]).max(initial=0))
                if width < natural:
                    self._band = order, width
        return self._band


def _sparse(f: Quadratic) -> Any:
    """P as a sparse array; a factor F is multiplied out as FᵀF."""
    if sp.issparse(f.P):
        return f.P
    if isinstance(f.P, FactoredMatrix):
        F = sp.csr_array(f.P.factor)
        return F.T @ F + sp.diags_array(f.P.diag)
    return sp.csr_array(f.hessian())


def _is_factored(f: Quadratic) -> bool:
    """Whether P is known as FᵀF + diag(d), a diagonal matrix and an absent one included."""
    return f.structure in ("affine", "factored") or (f.structure == "sparse" and is_diagonal(f.P))


def is_diagonal(P: Any) -> bool:
    """Whether a sparse matrix has no entry off its diagonal."""
    coo = P.tocoo()
    return bool((coo.row == coo.col).all())


def _diagonal(f: Quadratic, n: int) -> np.ndarray:
    """The diagonal part of a factored, a diagonal or an absent P."""
    if f.structure == "factored":
        return f.P.diag
    return np.zeros(n) if f.P is None else f.P.diagonal()


def factored(objective: Quadratic, inequalities: Sequence[Quadratic]) -> bool:
    """Whether a FactorStack is the smaller one: every inequality has a factor, of a rank well below n."""
    n = objective.n
    if not any(f.structure == "factored" for f in (objective, *inequalities)):
        return False
    if not all(_is_factored(f) for f in inequalities) or objective.structure == "operator":
        return False
    ranks = [f.P.factor.shape[0] if f.structure == "factored" else 0 for f in (objective, *inequalities)]
    return max(ranks) <= n // 2 and len(inequalities) * max(ranks[1:], default=0) <= 4 * sum(ranks)
