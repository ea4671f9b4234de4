"""Two symmetric matrices: which of A + tB are positive semidefinite, or a vector that shows why none is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from ..quadratic import Quadratic, minimum

# A smallest eigenvalue above this share of the matrices' size is comfortably positive: no need to look for a larger.
COMFORTABLE = 1e-3
# Below this share in magnitude an eigenvalue is zero.
ZERO = 1e-11


@dataclass(frozen=True, eq=False)
class Member:
    """The member A + tB of a pencil whose smallest eigenvalue is nearly the largest.

    Attributes
    ----------
    t : float
    smallest : float, smallest eigenvalue of cA/‖A‖ + sB/‖B‖, with c² + s² = 1
    of_A : float, smallest eigenvalue of A + tB, over ‖A‖
    below, above : (n,) arrays or None; eigenvectors v that need a larger, a smaller t: vᵀBv > 0, vᵀBv < 0 at the last
        members whose smallest eigenvalue was negative
    """

    t: float
    smallest: float
    of_A: float
    below: np.ndarray | None
    above: np.ndarray | None


def size(matrix: np.ndarray) -> float:
    """‖matrix‖ to within a factor of √n, 1 for zero."""
    largest = float(np.linalg.norm(matrix, np.inf)) if matrix.size else 0.0
    return largest if largest > 0 else 1.0


def most_definite(A: np.ndarray, B: np.ndarray, low: float, high: float) -> Member:
    """The t in [low, high] with the most positive definite A + tB, to the accuracy that matters.

    The smallest eigenvalue of A + tB is concave in t, with vᵀBv as a slope for its eigenvector v: bisection, in the
    angle atan(t‖B‖/‖A‖) so that t may go to infinity. It ends where the matrix is comfortably definite. One
    eigenvector for each of at most 60 steps, O(n³).
    """
    a, b = size(A), size(B)
    scale = a / b
    lo, hi = float(np.arctan(low / scale)), float(np.arctan(high / scale))
    best: tuple[float, float] = (-np.inf, lo)
    below = above = None
    # The ends themselves first: a single admissible t may be one of them.
    angles = [angle for angle in (lo, hi) if abs(angle) < 1.57]
    for k in range(60 + len(angles)):
        angle = angles[k] if k < len(angles) else 0.5 * (lo + hi)
        values, vectors = eigh(np.cos(angle) * A / a + np.sin(angle) * B / b, subset_by_index=[0, 0])
        v, smallest = vectors[:, 0], float(values[0])
        saturated = 1e-9 < smallest < 2.0 * max(best[0], 0.0)
        if smallest > best[0] + 1e-14:  # of members that rounding cannot tell apart the first: an end
            best = smallest, angle
        slope = float(v @ B @ v) / b
        if smallest < 0:
            if slope > 0:
                below = v
            else:
                above = v
        if k < len(angles):
            continue
        # Definite, and no longer growing: further out t only gets larger.
        if smallest > COMFORTABLE or saturated:
            break
        if slope > 0:
            lo = angle
        else:
            hi = angle
        if hi - lo < 1e-16:
            break
    smallest, angle = best
    t = float(np.clip(np.tan(angle) * scale, low, high))
    return Member(t, smallest, smallest / float(np.cos(angle)), below, above)


def both_negative(A: np.ndarray, B: np.ndarray, v: np.ndarray, w: np.ndarray, t: float) -> np.ndarray | None:
    """A vector d with dᵀBd = 0 and dᵀAd < 0 out of v and w with vᵀ(A + tB)v < 0, vᵀBv ≥ 0 and wᵀ… < 0, wᵀBw ≤ 0.

    d = v + τw: dᵀBd is a quadratic in τ with roots of both signs; that root is taken whose cross term of A + tB is not
    positive. None if rounding spoils it. Boyd & Vandenberghe, section B.2.
    """
    bv, bw, cross = float(v @ B @ v), float(w @ B @ w), float(v @ B @ w)
    if abs(bv) <= 1e-14 * size(B):
        return v
    if abs(bw) <= 1e-14 * size(B):
        return w
    root = np.sqrt(cross * cross - bv * bw)
    roots = ((-cross - root) / bw, (-cross + root) / bw)
    candidates = [v + tau * w for tau in roots]
    d = min(candidates, key=lambda u: float(u @ (A + t * B) @ u) / float(u @ u))
    return d / np.linalg.norm(d) if float(d @ A @ d) < 0 else None


def below_level(f0: Quadratic, f1: Quadratic, level: float, limit: float) -> np.ndarray | None:
    """A point with f₁(x) ≤ limit and f₀(x) < level, if no multiplier excludes it; None if rounding hides it.

    With forms of (x, 1): M = [[P, q], [qᵀ, 2r]], a vector with both forms negative is found from the eigenvectors that
    exclude every M₀ + lam·M₁ ⪰ 0. A vector whose last entry is zero is a direction to follow from a feasible point.
    """
    def form(f: Quadratic, shift: float) -> np.ndarray:
        return np.block([[f.hessian(), f.q[:, None]], [f.q[None], np.array([[2.0 * (f.r - shift)]])]])

    M0, M1 = form(f0, level), form(f1, limit)
    member = most_definite(M0, M1, 0.0, np.inf)
    if member.smallest >= 0 or (member.below is None and member.above is None):
        return None
    candidates = [v for v in (member.below, member.above) if v is not None]
    if len(candidates) == 2:
        d = both_negative(M0, M1, candidates[0], candidates[1], member.t)
        candidates = candidates if d is None else [d, *candidates]
    inside = minimum(f1)[1]
    start = inside if inside is not None else np.zeros(f0.n)
    found = []
    for d in candidates:
        points = [d[:-1] / d[-1]] if abs(d[-1]) > 1e-9 * np.abs(d).max() else []
        points += [start + sign * t * d[:-1] for t in 10.0 ** np.arange(0, 9) for sign in (1.0, -1.0)]
        found += [x for x in points if np.isfinite(x).all() and f1(x) <= limit and f0(x) < level]
    return min(found, key=lambda x: float(np.abs(x).max())) if found else None
