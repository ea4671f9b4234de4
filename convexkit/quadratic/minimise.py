"""The unconstrained minimum of a quadratic, at the cost of its structure."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_solve, eigh
from scipy.linalg.lapack import dpotrf, dpotrs

from .definite import CONVEXITY_TOLERANCE, LARGE, Shifted, Solve, cholesky, compressed, frobenius, norm_bound
from .matrices import FactoredMatrix, SummedMatrix
from .quadratic import Quadratic, formed

# Share of ‖P‖ below which an eigenvalue counts as zero when a quadratic is minimised.
NULL_SPACE_TOLERANCE = 1e-9
# The same for a variable that no other variable touches: its minimum is one exact division.
NULL_ENTRY_TOLERANCE = 1e-15
# Squares of the rows of a sparse factor, summed: entries that its Gram matrix may take.
GRAM_ENTRIES = 2e7

EPS = float(np.finfo(float).eps)


class Minimum(NamedTuple):
    """What `minimum` says, and `solve`, V -> W ≈ P⁺V for V of shape (n,) or (n, k); None if P is indefinite.

    Where P is singular, W may have 1e-4 of its size in the null space of P; PW and WᵀPW do not see it.
    """

    value: float
    x: np.ndarray | None
    leftover: np.ndarray
    solve: Solve | None


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
    One factorization of P + 1e-12·‖P‖·I: dense up to n = 1000 and for dense P and operators of any size, else sparse or
    by the Woodbury identity, without forming P. A solve or two bring Px + q to rounding where q has nothing in the null
    space of P; a few more separate what it has. An x so large that P must have an eigenvalue below 1e-9·‖P‖, and one
    between ±1e-9·‖P‖ that no factorization decides, cost a dense P an eigendecomposition; such eigenvalues count as
    zero. A variable that no other touches is solved exactly.

    For large sparse and factored P, leftover may keep a little of q's other part; the tangent at x bounds f from below
    all the same, and `value` is lowered by the rounding of xᵀPx.
    """
    return factored_minimum(f)[:3]


def factored_minimum(f: Quadratic) -> Minimum:
    """`minimum` with the factorization that it used, as `solve`: V -> P⁺V."""
    q = np.asarray(f.q, dtype=np.float64)
    if f.P is None or f.n == 0:
        return Minimum(f.r, np.zeros(f.n), q.copy(), np.zeros_like)
    P = formed(f)
    if sp.issparse(P):
        found = _sparse(P, q)
    elif isinstance(P, FactoredMatrix) and f.n > LARGE:
        found = _factored(P, q)
    elif isinstance(P, SummedMatrix) and f.n > LARGE:
        found = _summed(P.base, P.factor, q)
    else:
        found = _dense(P if isinstance(P, np.ndarray) else P.toarray(), q)
    return found._replace(value=f.r + found.value)


def _dense(P: np.ndarray, q: np.ndarray) -> Minimum:
    size = frobenius(P)
    if size == 0.0:
        return Minimum(0.0, np.zeros(q.size), q.copy(), np.zeros_like)
    P = P.astype(np.float64, copy=False)
    delta = CONVEXITY_TOLERANCE * size
    factor, info = cholesky(P, delta)
    if info != 0:
        # ‖P‖_F ≥ ‖P‖₂: a second failure leaves no doubt, and costs less than the eigenvalues.
        if cholesky(P, NULL_SPACE_TOLERANCE * size)[1] != 0:
            return _indefinite(q.size)
        return _by_eigenvalues(P, q)

    def shifted(v: np.ndarray) -> np.ndarray:
        return dpotrs(factor, v, lower=1)[0]

    pivots = factor.diagonal()
    # Pivots bound the condition number from below only, but with a ratio this mild it has never been far off.
    definite = bool(pivots.min() > 1e-3 * pivots.max())
    root = np.sqrt(np.maximum(P.diagonal(), 0.0))  # |Pᵢⱼ| ≤ √(PᵢᵢPⱼⱼ) bounds |P||x| in O(n)
    found = _refined(lambda v: P @ v, lambda ax: root * float(root @ ax), q, size, shifted, definite)
    if found is None:
        found = _separated(lambda v: P @ v, lambda ax: np.abs(P) @ ax, q, delta, shifted)
        if found.x is not None and frobenius(found.x) * size * NULL_SPACE_TOLERANCE > frobenius(q):
            return _by_eigenvalues(P, q)
    return found


def _refined(product: Solve, absolute: Solve, q: np.ndarray, size: float, shifted: Solve,
             definite: bool) -> Minimum | None:
    """-P⁻¹q, or -P⁺q for a q in the range of P, by refinement; None if Px + q does not come down to rounding.

    With S = P + δI, x ← x - S⁻¹(Px + q) leaves of the slope the share δ/(λ + δ) along an eigenvector of eigenvalue λ.
    `absolute` is |x| -> |P||x|, or more; where P is `definite`, slopes above rounding are left as they are.
    """
    delta = CONVEXITY_TOLERANCE * size
    x = -shifted(q)
    if not definite:
        x = x + delta * shifted(x)  # Px + q = -δx after the first: the first refinement needs no product
    before = np.inf
    for _ in range(4):
        left = product(x) + q
        amount = float(np.abs(left).max())
        if (np.abs(left) <= 8.0 * EPS * (absolute(np.abs(x)) + np.abs(q))).all():
            break
        if amount > 0.5 * before:
            if definite:
                break
            return None
        before = amount
        x = x - shifted(left)
    else:
        if not definite:
            return None
    if not definite and frobenius(x) * size * NULL_SPACE_TOLERANCE > frobenius(q):
        return None

    def solve(v: np.ndarray) -> np.ndarray:
        if not definite:
            return _filtered_solve(shifted, delta, v)
        w = shifted(v)
        return w + delta * shifted(w)

    # f(x) is above the infimum by ½ leftᵀP⁻¹left only: ½xᵀPx + qᵀx = ½(q + left)ᵀx.
    return Minimum(0.5 * float((q + left) @ x), x, np.zeros(q.size), solve)


def _filtered_solve(shifted: Solve, delta: float, v: np.ndarray) -> np.ndarray:
    """P⁺v with S = P + δI: what v has in the null space is taken out first, as in `_separated`.

    Each round leaves 1e-4 of it, and S⁻¹ makes 1e12/‖P‖ times as much of that.
    """
    for _ in range(5):
        v = v - delta * shifted(delta * shifted(v))
    w = shifted(v)
    return w + delta * shifted(w)


def _by_eigenvalues(P: np.ndarray, q: np.ndarray) -> Minimum:
    """-P⁺q, eigenvalues up to 1e-9·‖P‖ in magnitude counting as zero."""
    eigenvalues, vectors = eigh(P)
    size = max(abs(eigenvalues[0]), abs(eigenvalues[-1]))
    if eigenvalues[0] < -NULL_SPACE_TOLERANCE * size:
        return _indefinite(q.size)
    components = vectors.T @ q
    null = eigenvalues <= NULL_SPACE_TOLERANCE * size
    kept, basis, curvature = components[~null], vectors[:, ~null], eigenvalues[~null]

    def solve(v: np.ndarray) -> np.ndarray:
        return basis @ ((basis.T @ v).T / curvature).T

    return Minimum(-0.5 * float(kept @ (kept / curvature)), -basis @ (kept / curvature),
                   vectors[:, null] @ components[null], solve)


def _indefinite(n: int) -> Minimum:
    return Minimum(-np.inf, None, np.zeros(n), None)


def _sparse(P: Any, q: np.ndarray) -> Minimum:
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
    single, curvature = touched[alone][curved], d[curved]
    together = np.flatnonzero(~alone)
    others, inner_solve = touched[together], None
    if together.size:
        inner = matrix[together][:, together]
        if others.size <= LARGE:
            more, step_or_none, left, inner_solve = _dense(inner.toarray(), q[others])
        else:
            more, step_or_none, left, inner_solve = _summed(inner, np.zeros((0, others.size)), q[others])
        if step_or_none is None:
            return _indefinite(q.size)
        low += more
        x[others], leftover[others] = step_or_none, left

    def solve(v: np.ndarray) -> np.ndarray:
        out = np.zeros_like(v)
        out[single] = (v[single].T / curvature).T
        if inner_solve is not None:
            out[others] = inner_solve(v[others])
        return out

    return Minimum(low, x, leftover, solve)


def _factored(P: FactoredMatrix, q: np.ndarray) -> Minimum:
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


def _summed(base: Any, F: np.ndarray, q: np.ndarray) -> Minimum:
    """base + FᵀF, through one factorization of it plus a shift."""
    absolute, absolute_F = abs(base), np.abs(F)
    size = norm_bound(absolute, base.data) + frobenius(F @ F.T)
    if size == 0.0:
        return Minimum(0.0, np.zeros(q.size), q.copy(), np.zeros_like)
    delta = CONVEXITY_TOLERANCE * size
    solve = _woodbury(base, F, delta)
    if solve is None:
        # A base that is not semidefinite by itself may be so with F.
        return _dense(base.toarray() + F.T @ F, q) if F.size else _indefinite(q.size)

    def product(v: np.ndarray) -> np.ndarray:
        return base @ v + F.T @ (F @ v)

    def spread(ax: np.ndarray) -> np.ndarray:
        return absolute @ ax + absolute_F.T @ (absolute_F @ ax)

    found = _refined(product, spread, q, size, solve, False)
    if found is None:
        return _separated(product, spread, q, delta, solve)
    assert found.x is not None
    ax = np.abs(found.x)
    return found._replace(value=found.value - 4.0 * EPS * float(ax @ spread(ax)))


def _separated(product: Solve, absolute: Solve, q: np.ndarray, delta: float, solve: Solve) -> Minimum:
    """-P⁺q and the part of q in the null space of P, with `solve` v -> S⁻¹v for S = P + δI.

    Each round takes the part that P can balance out of the slope ℓ = Px + q. On an eigenvector of eigenvalue λ,

        (δS⁻¹)²ℓ is the share (δ/(λ + δ))² of ℓ: all of it where λ = 0, next to nothing where λ ≫ δ
        v = (I - (δS⁻¹)²)²ℓ: the rest; a second time, as the first leaves 1e-4 where λ = 0 in floating point
        x ← x - S⁻¹v leaves of ℓ about the share δ/λ where λ ≫ δ, all of it where λ = 0

    so that x does not grow along directions in which P is flat.
    """
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
        Px = product(x)
        spread = absolute(np.abs(x))
    # What the rounds left in x along flat directions is rounding, magnified.
    for _ in range(2):
        x = x - delta * solve(delta * solve(x))
    Px = product(x)
    spread = absolute(np.abs(x))
    leftover = Px + q
    leftover[np.abs(leftover) <= 16.0 * EPS * (spread + np.abs(q))] = 0.0
    return Minimum(-0.5 * float(x @ Px) - 4.0 * EPS * float(np.abs(x) @ spread), x, leftover,
                   lambda v: _filtered_solve(solve, delta, v))


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
