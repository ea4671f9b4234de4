"""Whether a symmetric matrix is positive semidefinite, and its smallest eigenvalue, at the cost of its structure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_solve, eigvalsh
from scipy.linalg.blas import dnrm2, dsymv
from scipy.linalg.lapack import dpbtrf, dpbtrs, dpotrf, dsterf
from scipy.sparse.csgraph import connected_components, reverse_cuthill_mckee
from scipy.sparse.linalg import splu

from ..validation import probe
from .matrices import FactoredMatrix, SummedMatrix

# Eigenvalues down to -CONVEXITY_TOLERANCE·‖P‖ are rounding of zero: a Gram matrix FᵀF computed in float64
# has eigenvalues as low as -n·eps·‖P‖, and n·eps reaches 1e-12 at n = 5000.
CONVEXITY_TOLERANCE = 1e-12
# Up to this many variables a matrix may be formed: n² entries take 8 MB, a factorization a few hundredths of a second.
LARGE = 1000
# Steps of Lanczos' method that look for a negative eigenvalue: one well apart from the others shows within so many.
PROBES = 6
# Connected blocks up to this size are factored as dense arrays, all blocks of one size in one call.
BLOCK = 200
# Where P touches no more variables than these, it is formed.
FEW = 64
# Entries that a dense part of a sparse factorization may take (all of it, a border, a band), and n·width² of a band.
DENSE_ENTRIES, BAND_WORK = 2e7, 4e9


def is_psd(P: Any) -> bool:
    """Whether P has no eigenvalue below -1e-12·‖P‖. P is dense, CSR, factored, or any operator with `toarray`."""
    if sp.issparse(P):
        return _Sparse(P).is_psd()
    if isinstance(P, FactoredMatrix):
        return _factored_is_psd(P)
    if isinstance(P, SummedMatrix) and _Sparse(P.base).is_psd():
        return True
    return _dense_is_psd(P if isinstance(P, np.ndarray) else P.toarray())


def smallest_eigenvalue(P: Any) -> float:
    """The smallest eigenvalue of P, of the kinds that `is_psd` takes."""
    if sp.issparse(P):
        return _Sparse(P).smallest_eigenvalue()
    if isinstance(P, FactoredMatrix) and P.shape[0] > LARGE:
        if sp.issparse(P.factor):
            return _Sparse(_sparse_gram(P)).smallest_eigenvalue()
        return _factored_smallest(P.factor, P.diag)
    return float(eigvalsh(P if isinstance(P, np.ndarray) else P.toarray(), subset_by_index=[0, 0])[0])


def doubtful(P: np.ndarray) -> bool:
    """Whether a few steps of Lanczos' method see a negative eigenvalue of a dense P. Cost: six products.

    True is as good as certain; False says only that no large negative eigenvalue lies apart from the others.
    """
    n = P.shape[0]
    if P.diagonal().min() < 0:
        return True
    matrix = P if P.flags.c_contiguous else P.T
    v = probe(n)
    v = v / math.sqrt(float(v @ v))
    before, alphas, betas = np.zeros(n), [], [0.0]
    for _ in range(min(PROBES, n)):
        w = dsymv(1.0, matrix.T, v, lower=0)
        alphas.append(float(v @ w))
        w -= alphas[-1] * v
        w -= betas[-1] * before
        beta = math.sqrt(float(w @ w))
        if not beta > 1e-8 * abs(alphas[0]):
            break
        before, v = v, w / beta
        betas.append(beta)
    ritz = dsterf(alphas, betas[1:len(alphas)])[0] if len(alphas) > 1 else alphas
    return bool(ritz[0] < -1e-8 * max(abs(ritz[0]), abs(ritz[-1])))


def frobenius(entries: np.ndarray) -> float:
    """√Σ entries², also where the squares are beyond the range of floats."""
    flat = entries.ravel(order="K")
    if flat.size == 0:
        return 0.0
    with np.errstate(over="ignore", under="ignore"):
        squares = float(flat @ flat)
    return float(np.sqrt(squares)) if 1e-200 < squares < 1e200 else float(dnrm2(flat.astype(np.float64, copy=False)))


def norm_bound(absolute: Any, entries: np.ndarray) -> float:
    """An upper bound of ‖P‖₂ for a sparse P, from |P| and its entries; within a few times ‖P‖₂.

    For any w > 0 no eigenvalue of |P| exceeds the largest (|P|w)ⱼ/wⱼ (Collatz and Wielandt). With w = 1 this is the
    1-norm; a step or two of the power method bring it close where single rows are much fuller than others.
    """
    bound = frobenius(entries)
    w = np.ones(absolute.shape[0])
    for _ in range(4 if bound > 0 else 0):
        product = absolute @ w
        bound = min(bound, float((product / w).max()))
        w = np.maximum(product / product.max(), 1e-12)
    return bound


# --- Dense ---


def _dense_is_psd(P: np.ndarray) -> bool:
    """One Cholesky factorization and one copy of P."""
    size = frobenius(P)
    # Cholesky of P + shift·I succeeds if all eigenvalues of P exceed -shift, up to about n·eps·‖P‖ of rounding.
    shift = CONVEXITY_TOLERANCE * size
    if size == 0.0 or cholesky(P, shift)[1] == 0:
        return True
    return bool(eigvalsh(P, subset_by_index=[0, 0])[0] >= -shift)


def cholesky(P: np.ndarray, shift: float) -> tuple[np.ndarray, int]:
    """dpotrf of P + shift·I, lower; only the lower triangle of the factor is meant. One copy."""
    scratch = np.array(P if P.flags.c_contiguous else P.T, dtype=np.float64, order="C")
    scratch.reshape(-1)[::len(scratch) + 1] += shift
    factor, info = dpotrf(scratch.T, lower=1, clean=0, overwrite_a=1)
    return factor, info


# --- Sparse ---


class _Sparse:
    """A sparse symmetric matrix without the variables it does not touch, in connected blocks.

    `scale` is what the entries were divided by, `size` an upper bound of the norm of what is left. A diagonal matrix
    is not taken apart, and one that touches few variables is formed.
    """

    def __init__(self, P: Any):
        n = P.shape[0]
        self.touches_all = True
        self.diagonal = P.diagonal().astype(np.float64, copy=False)
        self.matrix: Any = None
        self.few: np.ndarray | None = None
        self.scale = 1.0
        if P.nnz == np.count_nonzero(self.diagonal):
            self.size = float(np.abs(self.diagonal).max(initial=0.0))
            return
        counts = np.diff(P.indptr)
        touched = np.flatnonzero(counts)
        self.touches_all = touched.size == n
        if touched.size <= FEW:
            self.few = _formed_from(P, counts, touched)
            return
        touched, matrix = compressed(P)
        self.touches_all = touched.size == n
        # Powers of two are exact; entries near 1 can be squared.
        largest = float(np.abs(matrix.data).max(initial=0.0))
        self.scale = 2.0 ** np.ceil(np.log2(largest)) if largest > 0 else 1.0
        matrix.data /= self.scale
        self.matrix = matrix
        self.diagonal = matrix.diagonal()
        self.rows = np.repeat(np.arange(touched.size), np.diff(matrix.indptr))
        absolute = abs(matrix)
        self.row_sums = absolute @ np.ones(touched.size)
        self.size = norm_bound(absolute, matrix.data)

    def is_psd(self) -> bool:
        if self.few is not None:
            return _dense_is_psd(self.few)
        shift = CONVEXITY_TOLERANCE * self.size
        if self.diagonal.min(initial=0.0) < -shift:
            return False
        if self.matrix is None:
            return True
        # Gershgorin: no eigenvalue is below the smallest Pⱼⱼ - Σ |Pⱼₖ| over k ≠ j.
        if (2.0 * self.diagonal - self.row_sums).min(initial=0.0) >= -shift:
            return True
        self._split()
        # Rounding of a block of 200 is 1e-14 at most, far below the shift: what fails has an eigenvalue below.
        for stack in self._small_blocks():
            stack.reshape(len(stack), -1)[:, ::stack.shape[1] + 1] += shift
            try:
                np.linalg.cholesky(stack)
            except np.linalg.LinAlgError:
                return False
        return all(Shifted(block).solver(shift) is not None for block in self._large_blocks())

    def smallest_eigenvalue(self) -> float:
        least = [] if self.touches_all else [0.0]
        if self.few is not None:
            return min([*least, float(eigvalsh(self.few, subset_by_index=[0, 0])[0])])
        if self.matrix is None:
            return float(self.diagonal.min())
        self._split()
        alone = self.sizes[self.label] == 1
        if alone.any():
            least.append(float(self.diagonal[alone].min()))
        least += [float(np.linalg.eigvalsh(stack)[:, 0].min()) for stack in self._small_blocks()]
        for block in self._large_blocks():
            if block.shape[0] <= LARGE:
                least.append(float(eigvalsh(block.toarray(), subset_by_index=[0, 0])[0]))
            else:
                least.append(_smallest_by_bisection(block, CONVEXITY_TOLERANCE * self.size))
        return self.scale * min(least)

    def _split(self) -> None:
        count, self.label = connected_components(self.matrix, directed=False)
        self.sizes = np.bincount(self.label, minlength=count)
        self.order = np.argsort(self.label, kind="stable")
        self.starts = np.cumsum(self.sizes) - self.sizes

    def _small_blocks(self) -> Iterator[np.ndarray]:
        """(k, s, s) stacks of the blocks of 2 to BLOCK variables, of one size s each, a few million entries at once."""
        place = np.empty_like(self.label)  # of a variable within its block
        place[self.order] = np.arange(self.label.size) - np.repeat(self.starts, self.sizes)
        owner = self.label[self.rows]
        small = np.flatnonzero((self.sizes[owner] > 1) & (self.sizes[owner] <= BLOCK))
        small = small[np.lexsort((owner[small], self.sizes[owner[small]]))]
        owner = owner[small]
        rows, columns, values = self.rows[small], self.matrix.indices[small], self.matrix.data[small]
        ends = np.flatnonzero(np.concatenate(([True], owner[1:] != owner[:-1], [True])))[:owner.size + 1]
        blocks = owner[ends[:-1]]
        sizes = self.sizes[blocks]
        number = np.empty(self.sizes.size, dtype=np.intp)
        begin = 0
        while begin < blocks.size:
            s = int(sizes[begin])
            same = int(np.searchsorted(sizes, s, side="right"))
            end = min(same, begin + max(1, 2**22 // s**2))
            number[blocks[begin:end]] = np.arange(end - begin)
            part = slice(ends[begin], ends[end])
            stack = np.zeros((end - begin, s, s))
            stack[number[owner[part]], place[rows[part]], place[columns[part]]] = values[part]
            yield stack
            begin = end

    def _large_blocks(self) -> Iterator[Any]:
        for c in np.flatnonzero(self.sizes > BLOCK):
            if self.sizes[c] == self.label.size:
                yield self.matrix
            else:
                members = self.order[self.starts[c]:self.starts[c] + self.sizes[c]]
                yield self.matrix[members][:, members]


def _formed_from(P: Any, counts: np.ndarray, touched: np.ndarray) -> np.ndarray:
    """The rows and columns `touched` of a CSR matrix as an array, `counts` being the entries of each row."""
    k = touched.size
    place = np.zeros(P.shape[0], dtype=np.intp)  # columns that no row touches hold explicit zeros
    place[touched] = np.arange(k)
    rows = np.repeat(np.arange(k), counts[touched])
    return np.bincount(rows * k + place[P.indices], weights=P.data, minlength=k * k).reshape(k, k)


def compressed(P: Any) -> tuple[np.ndarray, Any]:
    """The variables that a sparse matrix touches, and the matrix of those alone: a fresh float64 CSR without zeros."""
    matrix = sp.csr_array(P, dtype=np.float64, copy=True)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    touched = np.flatnonzero(np.diff(matrix.indptr))
    if touched.size < matrix.shape[0]:
        place = np.empty(matrix.shape[0], dtype=matrix.indices.dtype)
        place[touched] = np.arange(touched.size)
        indptr = np.concatenate((matrix.indptr[:1], matrix.indptr[touched + 1]))
        matrix = sp.csr_array((matrix.data, place[matrix.indices], indptr), shape=(touched.size,) * 2)
    return touched, matrix


Solve = Callable[[np.ndarray], np.ndarray]


class Shifted:
    """P + shift·I for a sparse P and any number of shifts: `solver(shift)` is v -> (P + shift·I)⁻¹v, or None.

    None says that P + shift·I is not positive definite. Dense Cholesky where P is small and full; variables that most
    others touch are eliminated last, by a dense Schur complement; then banded Cholesky after reordering where the band
    is narrow, else SuperLU with diagonal pivots: positive pivots throughout make P + shift·I = LU the product LDLᵀ with
    D ≻ 0.
    """

    def __init__(self, P: Any):
        self._P = P
        n = self._n = P.shape[0]
        self.solver: Callable[[float], Solve | None] = self._sparse
        if n * n <= DENSE_ENTRIES and P.nnz > 0.1 * n * n:
            self._dense_P = P.toarray()
            self.solver = self._dense
            return
        counts = np.diff(P.indptr)
        hubs = np.flatnonzero(counts > max(64.0, 10.0 * np.sqrt(n)))  # as in the minimum-degree orderings
        if 0 < hubs.size <= DENSE_ENTRIES / n:
            self._hubs, self._rest = hubs, np.setdiff1d(np.arange(n), hubs)
            rows = P[self._rest]
            self._inner = Shifted(rows[:, self._rest])
            self._border, self._corner = rows[:, hubs].toarray(), P[hubs][:, hubs].toarray()
            self.solver = self._bordered
            return
        self._order = reverse_cuthill_mckee(sp.csr_array(P), symmetric_mode=True)
        place = np.empty(n, dtype=np.intp)
        place[self._order] = np.arange(n)
        entries = P.tocoo()
        i, j = place[entries.row], place[entries.col]
        width = int((i - j).max(initial=0))
        if (width + 1) * n <= DENSE_ENTRIES and width * width * n <= BAND_WORK:
            low = i >= j
            self._band = np.zeros((width + 1, n), order="F")
            self._band[(i - j)[low], j[low]] = entries.data[low]
            self.solver = self._banded

    def _dense(self, shift: float) -> Solve | None:
        factor, info = cholesky(self._dense_P, shift)
        return (lambda v: cho_solve((factor, True), v, check_finite=False)) if info == 0 else None

    def _banded(self, shift: float) -> Solve | None:
        band = self._band.copy(order="F")
        band[0] += shift
        factor, info = dpbtrf(band, lower=1, overwrite_ab=1)

        def solve(v: np.ndarray) -> np.ndarray:
            out = np.empty_like(v)
            out[self._order] = dpbtrs(factor, v[self._order], lower=1)[0]
            return out

        return solve if info == 0 else None

    def _bordered(self, shift: float) -> Solve | None:
        # [ A  B ]        A = P + shift·I of the rest, and S = C + shift·I - BᵀA⁻¹B of the hubs:
        # [ Bᵀ C ]        definite if both are.
        inner = self._inner.solver(shift)
        if inner is None:
            return None
        through = inner(self._border)
        schur = self._corner - self._border.T @ through
        factor, info = cholesky((schur + schur.T) / 2, shift)

        def solve(v: np.ndarray) -> np.ndarray:
            out = np.empty_like(v)
            out[self._hubs] = cho_solve((factor, True), v[self._hubs] - through.T @ v[self._rest], check_finite=False)
            out[self._rest] = inner(v[self._rest]) - through @ out[self._hubs]
            return out

        return solve if info == 0 else None

    def _sparse(self, shift: float) -> Solve | None:
        shifted = (self._P + shift * sp.eye_array(self._n, format="csr")).tocsc()
        try:
            lu = splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        except RuntimeError:  # a pivot of exactly zero
            return None
        definite = np.array_equal(lu.perm_r, lu.perm_c) and lu.U.diagonal().min() > 0
        return lu.solve if definite else None


def _smallest_by_bisection(P: Any, tolerance: float) -> float:
    """The smallest eigenvalue of a sparse P to three digits, or to the tolerance: P - μI ≻ 0 says that it exceeds μ."""
    shifted = Shifted(P)
    low, high = -tolerance, float(P.diagonal().min())
    while shifted.solver(-low) is None:
        low, high = 100.0 * low, low
    while high - low > max(tolerance, 1e-3 * abs(high)):
        middle = 0.5 * (low + high)
        if shifted.solver(-middle) is None:
            high = middle
        else:
            low = middle
    return low


# --- Factored ---


def _factored_is_psd(P: FactoredMatrix) -> bool:
    if P.diag.min(initial=0.0) >= 0:
        return True
    n, k = P.diag.size, P.factor.shape[0]
    if n <= LARGE or (k > n and not sp.issparse(P.factor)):
        return _dense_is_psd(P.toarray())
    if sp.issparse(P.factor):
        return _Sparse(_sparse_gram(P)).is_psd()
    size = frobenius(P.factor @ P.factor.T) + float(np.abs(P.diag).max())
    return _factored_is_definite(P.factor, P.diag + CONVEXITY_TOLERANCE * size)


def _sparse_gram(P: FactoredMatrix) -> Any:
    return sp.csr_array(P.factor.T @ P.factor) + sp.diags_array(P.diag, format="csr")


def _factored_is_definite(F: np.ndarray, d: np.ndarray) -> bool:
    """Whether FᵀF + diag(d) ≻ 0, in O(nk²).

    With N where d ≤ 0 and R elsewhere, the matrix is definite if its Schur complement in the variables N is:

        diag(d_N) + F_Nᵀ (I + F_R diag(d_R)⁻¹ F_Rᵀ)⁻¹ F_N

    More than k variables N would hold a v with Fv = 0 and vᵀdiag(d)v ≤ 0.
    """
    low = d <= 0
    if not low.any():
        return True
    if np.count_nonzero(low) > F.shape[0]:
        return False
    inner = (F[:, ~low] / d[~low]) @ F[:, ~low].T
    inner[np.diag_indices_from(inner)] += 1.0
    factor, _ = cholesky(inner, 0.0)
    schur = F[:, low].T @ cho_solve((factor, True), F[:, low], check_finite=False)
    schur[np.diag_indices_from(schur)] += d[low]
    return cholesky((schur + schur.T) / 2, 0.0)[1] == 0


def _factored_smallest(F: np.ndarray, d: np.ndarray) -> float:
    """The smallest eigenvalue of FᵀF + diag(d), by bisection: it is the largest μ with FᵀF + diag(d - μ) ⪰ 0."""
    low, high = float(d.min()), float((d + np.einsum("kn,kn->n", F, F)).min())
    tolerance = CONVEXITY_TOLERANCE * max(abs(low), abs(high))
    while high - low > tolerance:
        middle = 0.5 * (low + high)
        if _factored_is_definite(F, d - middle):
            low = middle
        else:
            high = middle
    return low
