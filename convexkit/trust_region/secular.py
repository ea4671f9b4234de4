"""The subproblem in the coordinates of the eigenvectors, where it is one equation in one unknown."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np

from .results import TrustRegionStatus

# Eigenvalues this close, relative to the largest, count as one; a gradient has no component along them if it is
# below this share of its length. Both are a few tens of units of rounding of an eigendecomposition.
CLUSTER, MISSED = 1e-12, 1e-14


class Secular(NamedTuple):
    """The minimiser y, its multiplier, and the dual value without the model's constant."""

    y: np.ndarray
    lam: float
    dual_value: float
    nit: int
    status: TrustRegionStatus


def solve_secular(w: np.ndarray, c: np.ndarray, radius: float, inner: float = 0.0) -> Secular:
    """Minimise ½Σwᵢyᵢ² + cᵀy over inner ≤ ‖y‖ ≤ radius, for ascending w.

        y(lam)ᵢ = -cᵢ/(wᵢ + lam),    lam ≥ -w₀,    ‖y(lam)‖ = radius with lam ≥ 0, or inner with lam ≤ 0, or lam = 0
        dual value  -½Σcᵢ²/(wᵢ + lam) - ½lam·‖y‖²

    Newton's method on 1/‖y(mu)‖, a nearly linear function of mu = lam + w₀, from the left of the root: monotone
    convergence. Working with mu and not lam keeps full accuracy next to the hard case, where lam → -w₀. Both lengths
    are tight by duality (Stern & Wolkowicz 1995).
    """
    size = float(np.linalg.norm(c))
    delta = w - w[0]
    lowest = delta <= CLUSTER * max(abs(w[0]), abs(w[-1]))
    if size == 0.0 and w[0] >= 0 and inner == 0.0:
        return Secular(np.zeros_like(c), 0.0, 0.0, 0, TrustRegionStatus.STATIONARY)
    target = radius
    if w[0] > 0:
        y = -c / w
        length = float(np.linalg.norm(y))
        if inner <= length <= radius:
            return Secular(y, 0.0, 0.5 * float(c @ y), 0, TrustRegionStatus.INTERIOR)
        target = radius if length > radius else inner
    c_low = float(np.linalg.norm(c[lowest]))
    # Components of rounding size in the lowest eigenspace are zero: the hard case is decided here.
    if c_low <= MISSED * size and (w[0] <= 0 or target < radius or inner == radius):
        y = np.zeros_like(c)
        y[~lowest] = -c[~lowest] / delta[~lowest]
        inside = float(np.linalg.norm(y))
        if w[0] == 0 and inside <= radius:
            # lam = 0 is optimal, and the lowest eigenspace is free: as far as the inner radius asks for.
            y[0] = sqrt(max(inner * inner - inside**2, 0.0))
            return Secular(y, 0.0, 0.5 * float(c[~lowest] @ y[~lowest]), 0, TrustRegionStatus.INTERIOR)
        if inside <= target:
            y[0] = sqrt(max(target * target - inside**2, 0.0))
            dual = 0.5 * float(c[~lowest] @ y[~lowest]) + 0.5 * float(w[0]) * target * target
            return Secular(y, -float(w[0]), dual, 0, TrustRegionStatus.HARD_CASE)
        c = np.where(lowest, 0.0, c)
    # The root is at least where the lowest eigenspace alone fills the region: ‖y‖ ≥ c_low / (δ + mu).
    mu = max(w[0] if target == radius and inner < radius else 0.0, c_low / target - float(delta[lowest].max()),
             1e-16 * size / target)
    nit = 0
    for nit in range(1, 101):  # noqa: B007 (it is returned)
        shifted = delta + mu
        y = -c / shifted
        norm = float(np.linalg.norm(y))
        if norm <= target * (1 + 1e-15):
            break
        # Newton for 1/‖y‖ = 1/target:  mu += (‖y‖/target - 1)·‖y‖² / Σ cᵢ²/(δᵢ + mu)³
        step = (norm / target - 1.0) * norm**2 / float(np.sum(y**2 / shifted))
        if step <= 1e-16 * mu:
            break
        mu += step
    lam = float(mu - w[0])
    if inner < radius:  # rounding must not turn the sign
        lam = max(lam, 0.0) if target == radius else min(lam, 0.0)
    dual = 0.5 * float(c @ (-c / shifted)) - 0.5 * lam * target * target
    norm = float(np.linalg.norm(y))
    if target == radius and norm < radius * (1 - 1e-9):
        # Where the least mu that rounding can tell from zero is too large, so is lam: it is zero to rounding.
        return Secular(y, 0.0, 0.5 * float(c @ y), nit, TrustRegionStatus.INTERIOR)
    return Secular(y * min(1.0, target / norm) if target == radius else y * (target / norm), lam, dual, nit,
                   TrustRegionStatus.BOUNDARY)
