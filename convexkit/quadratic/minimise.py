"""The unconstrained minimum of a quadratic, at the cost of its structure."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_solve, eigh
from scipy.linalg.lapack import dpotrf

from .definite import CONVEXITY_TOLERANCE, LARGE, Shifted, Solve, compressed, frobenius, norm_bound
from .matrices import FactoredMatrix, SummedMatrix
from .quadratic import Quadratic, formed

# Share of ‖P‖ below which an eigenvalue counts as zero when a quadratic is minimised.
NULL_SPACE_TOLERANCE = 1e-9
# The same for a variable that no other variable touches: its minimum is one exact division.
NULL_ENTRY_TOLERANCE = 1e-15
# Squares of the rows of a sparse factor, summed: entries that its Gram matrix may take.
GRAM_ENTRIES = 2e7

EPS = float(np.finfo(float).eps)


def minimum(f: Quadratic) -> tuple[float, np.ndarray | None, np.ndarray]:
    """A minimiser of a quadratic, the slope that is left there, and what the two say about the infimum.

        f(y) ≥ value + leftoverᵀy   for every y,   value = r - ½xᵀPx,   leftover = Px + q

    which is the tangent at x; with leftover = 0, value is the infimum. In exact arithmetic x = -P⁺q and leftover is
    the part of q in the null space of P:

        inf f = r - ½ qᵀP⁺q   if P ⪰ 0 and q ∈ range(P),   else -inf

    Returns
    -------
    value : float, r - ½xᵀPx; -inf if P is indefinite
    x : (n,) array, -P⁺q, or None if P is indefinite
    leftover : (n,) array, Px + q, with components of rounding size set to zero
        In exact arithmetic anything but zero means inf f = -inf. In floating point the caller, who knows the
        terms that were summed to q, decides what is rounding.

    Notes
    -----
    Up to n = 1000, and for dense P and operators of any size: one Cholesky factorization where P is clearly definite,
    else one eigendecomposition, O(n³). Eigenvalues down to 1e-9·‖P‖ count as zero.

    Larger sparse and factored P are not formed. One factorization of P + 1e-12·‖P‖·I, sparse or by the Woodbury
    identity, and a few solves with it bring Px + q to rounding where the eigenvalues of P are well beyond 1e-12·‖P‖.
    There x is approximate, and leftover may keep a little of q's other part; the tangent at x bounds f from below all
    the same, and `value` is lowered by the rounding of xᵀPx. A variable that no other touches is solved exactly.
    """
    q = np.asarray(f.q, dtype=np.float64)
    if f.P is None or f.n == 0:
        return f.r, np.zeros(f.n), q.copy()
    P = formed(f)
    if sp.issparse(P):
        low, x, leftover = _sparse(P, q)
    elif isinstance(P, FactoredMatrix) and f.n > LARGE:
        low, x, leftover = _factored(P, q)
    elif isinstance(P, SummedMatrix) and f.n > LARGE:
        low, x, leftover = _summed(P.base, P.factor, q)
    else:
        low, x, leftover = _dense(P if isinstance(P, np.ndarray) else P.toarray(), q)
    return f.r + low, x, leftover


Found = tuple[float, np.ndarray | None, np.ndarray]


def _dense(P: np.ndarray, q: np.ndarray) -> Found:
    if not P.any():
        return 0.0, np.zeros(q.size), q.copy()
    factor, info = dpotrf(P, lower=1, clean=1)
    # Pivots bound the condition number from below only, but with a ratio this mild it has never been far off.
    if info == 0 and factor.diagonal().min() > 1e-3 * factor.diagonal().max():
        x = -cho_solve((factor, True), q, check_finite=False)
        return 0.5 * float(q @ x), x, np.zeros(q.size)
    eigenvalues, vectors = eigh(P)
    size = max(abs(eigenvalues[0]), abs(eigenvalues[-1]))
    if eigenvalues[0] < -NULL_SPACE_TOLERANCE * size:
        return _indefinite(q.size)
    components = vectors.T @ q
    null = eigenvalues <= NULL_SPACE_TOLERANCE * size
    kept = components[~null]
    x = -vectors[:, ~null] @ (kept / eigenvalues[~null])
    return -0.5 * float(kept @ (kept / eigenvalues[~null])), x, vectors[:, null] @ components[null]


def _indefinite(n: int) -> Found:
    return -np.inf, None, np.zeros(n)


def _sparse(P: Any, q: np.ndarray) -> Found:
    """Variables that P does not touch keep their slope; those alone on their row are divisions; then the others."""
    touched, matrix = compressed(P)
    diagonal = matrix.diagonal()
    size = float(np.abs(matrix.data).max(initial=0.0))
    alone = np.diff(matrix.indptr) == 1
    alone &= diagonal != 0
    d, slope = diagonal[alone], q[touched[alone]]
    if d.min(initial=0.0) < -NULL_SPACE_TOLERANCE * size:
        return _indefinite(q.size)
    curved = d > NULL_ENTRY_TOLERANCE * size
    step = np.where(curved, -slope / np.where(curved, d, 1.0), 0.0)
    x, leftover = np.zeros(q.size), q.copy()
    x[touched[alone]] = step
    leftover[touched[alone]] = np.where(curved, 0.0, slope)
    low = 0.5 * float(slope @ step)
    together = np.flatnonzero(~alone)
    if together.size:
        inner, others = matrix[together][:, together], touched[together]
        if others.size <= LARGE:
            more, step_or_none, left = _dense(inner.toarray(), q[others])
        else:
            more, step_or_none, left = _summed(inner, np.zeros((0, others.size)), q[others])
        if step_or_none is None:
            return _indefinite(q.size)
        low += more
        x[others], leftover[others] = step_or_none, left
    return low, x, leftover


def _factored(P: FactoredMatrix, q: np.ndarray) -> Found:
    """A dense factor by the Woodbury identity; of a sparse one all rows but the fullest go into a sparse matrix."""
    base = sp.diags_array(P.diag, format="csr")
    if not sp.issparse(P.factor):
        return _summed(base, P.factor, q)
    counts = np.diff(P.factor.indptr)
    order = np.argsort(counts, kind="stable")
    full = order[np.cumsum(counts[order].astype(float) ** 2) > GRAM_ENTRIES]
    thin = P.factor[np.setdiff1d(order, full)]
    base = sp.csr_array(base + thin.T @ thin)
    if not full.size:
        return _sparse(base, q)
    return _summed(base, P.factor[full].toarray(), q)


def _summed(base: Any, F: np.ndarray, q: np.ndarray) -> Found:
    """base + FᵀF, through one factorization of it plus a shift.

    Each round takes the part that P can balance out of the slope ℓ = Px + q. With S = P + δI, on an eigenvector of
    eigenvalue λ,

        (δS⁻¹)²ℓ is the share (δ/(λ + δ))² of ℓ: all of it where λ = 0, next to nothing where λ ≫ δ
        v = (I - (δS⁻¹)²)²ℓ: the rest; a second time, as the first leaves 1e-4 where λ = 0 in floating point
        x ← x - S⁻¹v leaves of ℓ about the share δ/λ where λ ≫ δ, all of it where λ = 0

    so that x does not grow along directions in which P is flat.
    """
    absolute, absolute_F = abs(base), np.abs(F)
    size = norm_bound(absolute, base.data) + frobenius(F @ F.T)
    if size == 0.0:
        return 0.0, np.zeros(q.size), q.copy()
    delta = CONVEXITY_TOLERANCE * size
    solve = _woodbury(base, F, delta)
    if solve is None:
        # A base that is not semidefinite by itself may be so with F.
        return _dense(base.toarray() + F.T @ F, q) if F.size else _indefinite(q.size)
    x = Px = spread = np.zeros(q.size)
    before = np.inf
    for _ in range(20):
        left = Px + q
        for _ in range(2):
            left = left - delta * solve(delta * solve(left))
        amount = float(np.abs(left).max())
        if amount > 0.95 * before or (np.abs(left) <= 4.0 * EPS * (spread + np.abs(q))).all():
            break
        before = amount
        x = x - solve(left)
        Px = base @ x + F.T @ (F @ x)
        spread = absolute @ np.abs(x) + absolute_F.T @ (absolute_F @ np.abs(x))
    leftover = Px + q
    leftover[np.abs(leftover) <= 16.0 * EPS * (spread + np.abs(q))] = 0.0
    return -0.5 * float(x @ Px) - 4.0 * EPS * float(np.abs(x) @ spread), x, leftover


def _woodbury(base: Any, F: np.ndarray, delta: float) -> Solve | None:
    """v -> (base + δI + FᵀF)⁻¹v, or None if base + δI is not positive definite.

        (B + FᵀF)⁻¹ = B⁻¹ - B⁻¹Fᵀ (I + F B⁻¹ Fᵀ)⁻¹ F B⁻¹
    """
    diagonal = base.diagonal()
    of_base: Solve | None
    if base.nnz == np.count_nonzero(diagonal):
        of_base = (lambda v: (v.T / (diagonal + delta)).T) if diagonal.min() > -delta else None
    else:
        of_base = Shifted(base).solver(delta)
    if of_base is None or not F.size:
        return of_base
    through = of_base(np.ascontiguousarray(F.T))
    inner = F @ through
    inner[np.diag_indices_from(inner)] += 1.0
    factor, _ = dpotrf(inner, lower=1, clean=1)

    def solve(v: np.ndarray) -> np.ndarray:
        w = of_base(v)
        return w - through @ cho_solve((factor, True), F @ w, check_finite=False)

    return solve
