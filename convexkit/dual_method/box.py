"""A convex quadratic over a box, from products alone: conjugate gradient on the variables that are free."""

from __future__ import annotations

import numpy as np

from ..conjugate_gradient import CGStatus
from .inner import Inner

# Rounds of choosing the free variables; a face is left after conjugate gradient has taken a tenth off its slope.
ROUNDS, PER_FACE = 200, 0.1


def binding(x: np.ndarray, slope: np.ndarray, lb: np.ndarray, ub: np.ndarray) -> np.ndarray:
    """Which variables are at a bound that the slope pushes them against."""
    return ((x <= lb) & (slope >= 0)) | ((x >= ub) & (slope <= 0))


def minimise_over_box(inner: Inner, weights: np.ndarray, on_rows: np.ndarray, lb: np.ndarray, ub: np.ndarray,
                      x: np.ndarray, slopes: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray, bool]:
    """Lower Σ weightsᵢfᵢ + on_rowsᵀ(rows·x) over the box until ‖slope of the free variables‖∞ ≤ tolerance.

    Rounds of two steps (Moré & Toraldo 1991): conjugate gradient on the variables that no bound holds, then as far
    along the projected path as the function falls; where a bound stands in the way at once, a projected step down the
    slope instead, which lets go of bounds and takes hold of others.

    Parameters
    ----------
    x, slopes : (n,) array in the box, (1 + m, n) array of the ∇fᵢ(x)

    Returns
    -------
    x, slopes : the new ones
    success : bool, False where the function falls out of the box's open end, or rounds were not enough
    """
    terms = inner.terms
    size = float(np.linalg.norm(np.minimum(ub - x, 1e150) + np.minimum(x - lb, 1e150)))
    radius = size if 0 < size < 1e149 else None
    for _ in range(ROUNDS):
        slope = terms.slope(slopes, weights, on_rows)
        free = ~binding(x, slope, lb, ub)
        g = np.where(free, slope, 0.0)
        size = float(np.abs(g).max(initial=0.0))
        if size <= tolerance:
            return x, slopes, True
        result = inner.solve(weights, -g, max(min(PER_FACE, 0.3 * tolerance / size), 1e-14), free, radius)
        d = result.x
        if result.status is CGStatus.NONPOSITIVE_CURVATURE and radius is None:
            return x, slopes, False  # flat, and downhill without end
        moved = False
        for direction in (d, None):
            if direction is None:
                # Down the slope, as far as is best without bounds.
                product = terms.curvature(weights).matvec(g)
                bend = float(g @ product)
                direction = -g * (float(g @ g) / bend if bend > 0 else 1.0)
            step = 1.0
            for _ in range(30):
                dx = np.clip(x + step * direction, lb, ub) - x
                changes = np.zeros_like(slopes)
                for i in terms.curved:
                    changes[i] = terms.product(i, dx)
                first = float(slope @ dx)
                if first < 0 and first + 0.5 * float(dx @ (weights @ changes)) <= 0.1 * first:
                    moved = True
                    break
                if direction is d and step < 1e-3:
                    break
                step *= 0.5
            if moved:
                break
        if not moved:
            return x, slopes, size <= 10.0 * tolerance
        x, slopes = x + dx, slopes + changes
    return x, slopes, False
