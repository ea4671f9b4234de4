"""Moré and Sorensen's method: Newton on the secular equation by Cholesky factors, safeguarded, hard case included."""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtrs

from .results import TrustRegionStatus
from .secular import Secular

# Easy cases take 3 to 6 factorizations, hard ones up to 15; what takes more is left to the eigendecomposition.
LARGEST_COUNT = 30
# The step reaches the boundary, or the dual value the primal one, to this relative accuracy.
ACCURACY = 1e-13
# Where no multiplier in floating point does better, a step this near to the boundary, relatively, will do.
NEAR = 1e-10
# A step that is put together from Newton's and the lowest eigenvector leaves at most this of ‖g‖ + ‖P‖·radius.
RESIDUAL = 1e-12
EPS = float(np.finfo(np.float64).eps)
# Share of the bracket at which a multiplier is tried that Newton's method does not place.
SHARE = 0.01


def more_sorensen(P: np.ndarray, g: np.ndarray, radius: float) -> Secular | None:
    """Minimise ½pᵀPp + gᵀp over ‖p‖ ≤ radius for a dense symmetric P; None where rounding bars the way.

        p(lam) = -(P + lam·I)⁻¹g,    dual value  ½gᵀp(lam) - ½lam·radius²   wherever P + lam·I has a Cholesky factor

    `lam` is kept in a bracket [low, high]: low rises by failed factorizations (which give a direction of negative
    curvature), by Newton steps from the left, and by -zᵀPz with z from inverse iteration; high falls wherever p(lam)
    is too short. There p + tau·z reaches the boundary and misses ½tau²·zᵀ(P + lam·I)z at most: in the hard case that
    tends to zero as lam does to -w₀. Moré & Sorensen 1983; Conn, Gould & Toint, section 7.3.
    """
    n = g.size
    norm_g = float(np.linalg.norm(g))
    diagonal = P.diagonal()
    rows = np.abs(P).sum(axis=1)
    others = rows - np.abs(diagonal)
    size = min(float(rows.max()), float(np.linalg.norm(P)))  # ≥ ‖P‖
    # ‖g‖/(largest eigenvalue + lam) ≤ ‖p(lam)‖ ≤ ‖g‖/(smallest + lam), with Gershgorin's bounds on both.
    low = max(0.0, -float(diagonal.min()), norm_g / radius - min(float((diagonal + others).max()), size))
    high = max(0.0, norm_g / radius - max(float((diagonal - others).min()), -size))
    lam = 0.0 if low == 0.0 else _within(low, high)
    z: np.ndarray | None = None
    for nit in range(1, LARGEST_COUNT + 1):
        A = P.copy(order="C")
        A.flat[::n + 1] += lam
        # The transpose of a C array is a Fortran array, which LAPACK takes in place.
        L, info = dpotrf(A.T, lower=1, overwrite_a=1, clean=0)
        if info > 0:
            low = max(low, lam + _curvature(P, L, lam, info - 1))
            if high - low <= 4 * EPS * size:
                return None
            lam = _within(low, high)
            continue
        p = -dpotrs(L, g, lower=1)[0]
        length = float(np.linalg.norm(p))
        if not np.isfinite(length):
            return None
        dual_value = 0.5 * float(g @ p) - 0.5 * lam * radius * radius
        if lam == 0.0 and length <= radius:
            status = TrustRegionStatus.STATIONARY if norm_g == 0.0 else TrustRegionStatus.INTERIOR
            return Secular(p, 0.0, dual_value, nit, status)
        if abs(length - radius) <= ACCURACY * radius:
            return Secular(p * min(1.0, radius / length), lam, dual_value, nit, TrustRegionStatus.BOUNDARY)
        newton = lam
        if length > 0:
            q = dtrtrs(L, p, lower=1)[0]
            newton += (length / radius - 1.0) * (length / float(np.linalg.norm(q))) ** 2
        if length > radius:
            low = max(low, lam)
            if newton <= lam * (1 + 1e-16):  # as near as the multiplier's own rounding allows
                if length > radius * (1 + NEAR):
                    return None
                return Secular(p * (radius / length), lam, dual_value, nit, TrustRegionStatus.BOUNDARY)
            lam = newton if newton < high or nit == 1 else _within(low, high)
            continue
        high = min(high, lam)
        # A probe that no structure of P is likely to miss; the last z is a better one.
        start, rounds = (np.cos(np.arange(1.0, n + 1.0) ** 1.5), 3) if z is None else (z, 1)
        for _ in range(rounds):
            start = dpotrs(L, start, lower=1)[0]
            start /= np.linalg.norm(start)
        z = start
        Pz = P @ z
        rayleigh = float(z @ Pz)
        low = max(low, -rayleigh)
        # The root of smaller size of ‖p + tau·z‖ = radius.
        pz = float(p @ z)
        root = sqrt(pz * pz + (radius - length) * (radius + length))
        tau = (radius - length) * (radius + length) / (pz + (root if pz >= 0 else -root))
        residual = abs(tau) * float(np.linalg.norm(Pz + lam * z))
        missed = 0.5 * tau * tau * max(rayleigh + lam, 0.0)
        if missed <= ACCURACY * abs(dual_value) and residual <= RESIDUAL * (norm_g + size * radius):
            q = p + tau * z
            return Secular(q * (radius / float(np.linalg.norm(q))), lam, dual_value, nit, TrustRegionStatus.HARD_CASE)
        if high - low <= 4 * EPS * size:  # the eigenvalue itself is not known better than that
            return None
        lam = newton if low < newton < high else _within(low, high)
    return None


def _within(low: float, high: float) -> float:
    """A multiplier inside the bracket: near its low end, which inverse iteration places well."""
    return max(sqrt(low * high), low + SHARE * (high - low)) if low < 0.5 * high else low + SHARE * (high - low)


def _curvature(P: np.ndarray, L: np.ndarray, lam: float, k: int) -> float:
    """How far at least lam lies below -w₀, after a factorization that failed at pivot k.

        v = (-L₁⁻ᵀl, 1, 0),   l = L₁⁻¹a,   vᵀ(P + lam·I)v = α - lᵀl ≤ 0,   with a, α the start of column k of P + lam·I
    """
    alpha = float(P[k, k]) + lam
    if k == 0:
        return max(-alpha, 0.0)
    l = dtrtrs(L[:k, :k], P[:k, k], lower=1)[0]  # noqa: E741 (the row of the factor, by its usual name)
    v = dtrtrs(L[:k, :k], l, lower=1, trans=1)[0]
    return max(float(l @ l) - alpha, 0.0) / (1.0 + float(v @ v))
