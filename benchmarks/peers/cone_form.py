"""A QCQP as a second-order cone program, as well as a user of a cone solver would write it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import LinAlgError, cholesky, cholesky_banded
from scipy.sparse.csgraph import connected_components

import convexkit as ck


def factor(f: ck.Quadratic) -> Any:
    """F with P = FᵀF, of whatever shape costs least for the structure of P."""
    if f.structure == "factored":
        if not f.P.diag.any():
            return f.P.factor
        parts = [f.P.factor, sp.diags(np.sqrt(f.P.diag), format="csr")]
        return sp.vstack(parts, format="csr") if f.P.factor.size else parts[1]
    if f.structure == "dense":
        try:
            return cholesky(f.P, lower=False, check_finite=False)
        except LinAlgError:
            return _root(f.P)
    return _sparse_factor(f.P.tocsr())


def _root(P: np.ndarray) -> np.ndarray:
    """F with P = FᵀF from eigenvectors, for P of any rank."""
    eigenvalues, vectors = np.linalg.eigh(P)
    kept = eigenvalues > 1e-13 * max(eigenvalues[-1], 0.0)
    return (vectors[:, kept] * np.sqrt(eigenvalues[kept])).T


def _sparse_factor(P: Any) -> Any:
    n = P.shape[0]
    coo = P.tocoo()
    offsets = np.abs(coo.row - coo.col)
    width = int(offsets.max(initial=0))
    if width == 0:
        d = P.diagonal()
        used = np.flatnonzero(d)
        return sp.csr_matrix((np.sqrt(d[used]), (np.arange(used.size), used)), shape=(used.size, n))
    if width <= 50:
        lower = coo.row >= coo.col
        bands = np.zeros((width + 1, n))
        bands[offsets[lower], coo.col[lower]] = coo.data[lower]
        try:
            L = cholesky_banded(bands, lower=True, check_finite=False)
            return sp.diags([L[j, :n - j] for j in range(width + 1)], [-j for j in range(width + 1)],
                            format="csc").T.tocsr()
        except LinAlgError:
            pass
    # Block by block, with the eigenvectors of each connected block.
    count, label = connected_components(P, directed=False)
    sizes = np.bincount(label, minlength=count)
    order = np.argsort(label, kind="stable")
    starts = np.concatenate(([0], np.cumsum(sizes)))
    rows = []
    for c in range(count):
        members = order[starts[c]:starts[c + 1]]
        F = _root(P[members][:, members].toarray())
        if F.size:
            rows.append(sp.csr_matrix((F.ravel(), (np.repeat(np.arange(F.shape[0]), members.size),
                                                   np.tile(members, F.shape[0]))), shape=(F.shape[0], n)))
    return sp.vstack(rows, format="csr") if rows else sp.csr_matrix((0, n))


Block = tuple[Any, np.ndarray]  # (M, c): c - Mz lies in a cone


def cone_block(f: ck.Quadratic, F: Any, epigraph: int = 0) -> Block:
    """½‖Fx‖² ≤ t = -qᵀx - r as a second-order cone; with epigraph = 1, t = y - qᵀx - r for a last variable y.

    If t is a constant, ‖Fx‖ ≤ √(2t). Else, for any γ > 0,  ½‖Fx‖² ≤ γ·(t/γ)  is  ‖(√2·Fx, t/γ - γ)‖ ≤ t/γ + γ;
    γ² = |r| keeps both of the size of t at x = 0.
    """
    k, n = F.shape
    columns = n + epigraph
    if not epigraph and not f.q.any() and f.r <= 0:
        c = np.zeros(k + 1)
        c[0] = np.sqrt(-2.0 * f.r)
        return (sp.vstack([sp.csr_matrix((1, n)), -F]) if sp.issparse(F) else np.vstack([np.zeros(n), -F])), c
    gamma = np.sqrt(abs(f.r)) if f.r else 1.0
    c = np.zeros(k + 2)
    c[:2] = gamma - f.r / gamma, -gamma - f.r / gamma
    head = np.zeros((2, columns))
    head[:, :n] = f.q / gamma
    head[:, n:] = -1.0 / gamma
    if sp.issparse(F):
        tail = -np.sqrt(2.0) * F
        return sp.vstack([sp.csr_matrix(head), sp.hstack([tail, sp.csr_matrix((k, epigraph))])]), c
    M = np.zeros((k + 2, columns))
    M[:2] = head
    np.multiply(F, -np.sqrt(2.0), out=M[2:, :n])
    return M, c


@dataclass
class ConeForm:
    """min ½zᵀPz + qᵀz over rows c - Mz that are zero, nonnegative, or in second-order cones."""

    n: int
    equal: list[Block]
    nonnegative: list[Block]
    cones: list[Block]

    @property
    def zero(self) -> int:
        """Number of zero rows."""
        return sum(c.size for _, c in self.equal)

    @property
    def linear(self) -> int:
        """Number of nonnegative rows."""
        return sum(c.size for _, c in self.nonnegative)

    @property
    def sizes(self) -> list[int]:
        """Sizes of the second-order cones."""
        return [c.size for _, c in self.cones]

    def equations(self) -> Block:
        return stacked(self.equal, self.n)

    def inequalities(self) -> Block:
        return stacked(self.nonnegative + self.cones, self.n)

    def rows(self) -> Block:
        return stacked(self.equal + self.nonnegative + self.cones, self.n)


class DenseConeForm(ConeForm):
    """The same for dense quadratics and nothing else, written into one matrix: at n = 8 small arrays cost most."""

    def __init__(self, problem: ck.QCQP, quadratics: Sequence[ck.Quadratic], extra: int):
        n, m = problem.n, len(quadratics)
        super().__init__(n + extra, [], [], [])
        F = np.linalg.cholesky(np.array([f.P for f in quadratics])).transpose(0, 2, 1)
        q, r = np.array([f.q for f in quadratics]), np.array([f.r for f in quadratics])
        gamma = np.sqrt(np.abs(r))
        gamma[gamma == 0.0] = 1.0
        M = np.zeros((n + extra, m, n + 2))  # transposed: columns of a csc matrix, one after the other
        M[:n, :, :2] = (q / gamma[:, None]).T[:, :, None]
        np.multiply(F.transpose(2, 0, 1), -np.sqrt(2.0), out=M[:n, :, 2:])
        if extra:
            M[n, 0, :2] = -1.0 / gamma[0]
        c = np.zeros((m, n + 2))
        c[:, 0], c[:, 1] = gamma - r / gamma, -gamma - r / gamma
        where, index, start = dense_pattern(n, m, extra)
        self.matrix = sp.csc_matrix((M.ravel()[where], index, start), shape=(m * (n + 2), n + extra))
        self.right, self.count = c.ravel(), m

    @property
    def sizes(self) -> list[int]:
        return [self.right.size // self.count] * self.count

    def inequalities(self) -> Block:
        return self.matrix, self.right

    rows = inequalities


@lru_cache(maxsize=8)
def dense_pattern(n: int, m: int, extra: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the entries of m blocks (two full rows above a triangular factor) are, in csc order."""
    block = np.concatenate((np.ones((2, n), dtype=bool), np.triu(np.ones((n, n), dtype=bool))))
    mask = np.zeros((n + extra, m, n + 2), dtype=bool)
    mask[:n] = block.T[:, None, :]
    mask[n:, 0, :2] = True
    flat = mask.reshape(n + extra, -1)
    start = np.concatenate(([0], np.cumsum(flat.sum(axis=1))))
    return np.flatnonzero(flat), np.nonzero(flat)[1].astype(np.int32), start.astype(np.int32)


def stacked(blocks: list[Block], n: int) -> Block:
    """Blocks below each other, as a csc matrix."""
    if not blocks:
        return sp.csc_matrix((0, n)), np.zeros(0)
    c = np.concatenate([block[1] for block in blocks])
    if any(sp.issparse(block[0]) for block in blocks):
        return sp.vstack([sp.csr_matrix(block[0]) for block in blocks], format="csc"), c
    return sp.csc_matrix(np.concatenate([block[0] for block in blocks])), c


def cone_form(problem: ck.QCQP, epigraph: bool = False, factors: dict[int, Any] | None = None) -> ConeForm:
    """The constraints as cones; with `epigraph` the objective too, below a last variable.

    `factors` remembers factors of P's that occur in several problems.
    """
    only_dense = [problem.objective, *problem.inequalities] if epigraph else problem.inequalities
    if problem.n <= 64 and only_dense and factors is None and not (problem.p or problem.h.size) and all(
            f.structure == "dense" for f in only_dense) and not np.isfinite([problem.lb, problem.ub]).any() \
            and not getattr(problem, "cones", ()):
        with suppress(LinAlgError):
            return DenseConeForm(problem, only_dense, int(epigraph))
    factors = {} if factors is None else factors

    def factor_of(f: ck.Quadratic) -> Any:
        if id(f.P) not in factors:
            factors[id(f.P)] = factor(f)
        return factors[id(f.P)]

    n, extra = problem.n, int(epigraph)

    def widened(M: Any) -> Any:
        if not extra:
            return M
        return sp.hstack([M, sp.csr_matrix((M.shape[0], 1))]) if sp.issparse(M) else np.pad(M, ((0, 0), (0, 1)))

    form = ConeForm(n + extra, [], [], [])
    if problem.p:
        form.equal.append((widened(problem.A), problem.b))
    if problem.h.size:
        finite = np.isfinite(problem.h)
        form.nonnegative.append((widened(problem.G if finite.all() else problem.G[finite]), problem.h[finite]))
    for sign, limits in ((1.0, problem.ub), (-1.0, problem.lb)):
        finite = np.flatnonzero(np.isfinite(limits))
        if finite.size:
            select = sp.csr_matrix((np.full(finite.size, sign), (np.arange(finite.size), finite)),
                                   shape=(finite.size, n + extra))
            form.nonnegative.append((select, sign * limits[finite]))
    if epigraph:
        form.cones.append(cone_block(problem.objective, factor_of(problem.objective), 1))
    for f in problem.inequalities:
        if f.is_affine:
            form.nonnegative.append((widened(f.q[None, :]), np.array([-f.r])))
        else:
            M, c = cone_block(f, factor_of(f))
            form.cones.append((widened(M), c))
    for cone in getattr(problem, "cones", ()):
        M = sp.vstack([sp.csr_matrix(-cone.c[None, :]), -sp.csr_matrix(cone.A)])
        form.cones.append((widened(M), np.concatenate(([cone.d], cone.b))))
    return form


@lru_cache(maxsize=8)
def triangle(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pattern of a full upper triangle in csc order: flat places in a symmetric matrix, row indices, starts."""
    columns, rows = np.tril_indices(n)
    return columns * n + rows, rows.astype(np.int32), np.cumsum(np.arange(n + 1), dtype=np.int32)


def upper(f: ck.Quadratic) -> Any:
    """The upper triangle of P as a csc matrix."""
    if f.is_affine:
        return sp.csc_matrix((f.n, f.n))
    if f.structure == "dense" and f.n <= 64:
        where, index, start = triangle(f.n)
        return sp.csc_matrix((f.P.ravel()[where], index, start), shape=f.P.shape)
    if f.structure == "dense":
        return sp.csc_matrix(np.triu(f.P))
    return sp.triu(f.P if f.structure == "sparse" else sp.csr_matrix(f.hessian()), format="csc")


def full(f: ck.Quadratic, kind: type = sp.csr_matrix) -> Any:
    """P as a sparse matrix."""
    if f.is_affine:
        return kind((f.n, f.n))
    return kind(f.P if f.structure in ("dense", "sparse") else f.hessian())
