"""A linear objective over one ellipsoid: the dual has one variable, and its maximum a formula."""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from ..problem import QCQP
from .form import Multipliers
from .threads import all_threads

# Diagonal entries of the Cholesky factor that differ by more than this leave the formula too few digits.
WORST_PIVOTS = 1e-6


def over_one_ellipsoid(problem: QCQP) -> Multipliers | None:
    """The solution of  min q₀ᵀx  s.t.  ½xᵀPx + qᵀx + r ≤ 0  with dense P ≻ 0; None if it is another problem.

        x(λ) = -P⁻¹(q + q₀/λ),   f(x(λ)) = ½q₀ᵀP⁻¹q₀/λ² - (½qᵀP⁻¹q - r) = 0
        λ* = √( q₀ᵀP⁻¹q₀ / (qᵀP⁻¹q - 2r) )

    With q = 0 and r = -δ it is TRPO's step. One Cholesky factorization, which proves P ≻ 0 on the way, and four
    triangular solves.
    """
    f0 = problem.objective
    if f0.P is not None or len(problem.inequalities) != 1 or problem.h.size or problem.p or problem.cones:
        return None
    f = problem.inequalities[0]
    if not isinstance(f.P, np.ndarray) or not f0.q.any():
        return None
    if np.isfinite(problem.lb).any() or np.isfinite(problem.ub).any():
        return None
    with all_threads(problem.n):
        factor, info = dpotrf(f.P.T, lower=1, clean=0)
    pivots = factor.diagonal()
    if info != 0 or pivots.min() <= WORST_PIVOTS * pivots.max():
        return None
    right = np.stack([f.q, f0.q], axis=1)
    both = dpotrs(factor, right, lower=1)[0]
    both += dpotrs(factor, right - f.P @ both, lower=1)[0]
    u, v = both.T
    room = float(f.q @ u) - 2.0 * f.r
    reach = float(f0.q @ v)
    if not (room > 0 and reach > 0):
        return None  # no interior: the iteration tells a point from nothing
    lam = np.sqrt(reach / room)
    x = -u - v / lam
    empty = np.zeros(problem.n)
    return Multipliers(x, np.array([lam]), np.zeros(0), empty, empty.copy())
