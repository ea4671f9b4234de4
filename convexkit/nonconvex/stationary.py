"""All points at which a quadratic is stationary on a quadratic surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eig

from ..quadratic import Quadratic
from .one_quadratic import _checked


@dataclass(frozen=True, eq=False)
class StationaryPoint:
    """A point where ∇f₀(x) + lam·∇f₁(x) = 0 and f₁(x) = level.

    Attributes
    ----------
    x : (n,) array
    lam : float
    value : float, f₀(x)

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> circle = ck.Quadratic(2 * np.eye(2), None, -1.0)
    >>> points = ck.stationary_points(ck.Quadratic(None, [3.0, 4.0]), circle)
    >>> [(point.x.round(6).tolist(), round(point.value, 6)) for point in points]
    [([0.6, 0.8], 5.0), ([-0.6, -0.8], -5.0)]
    """

    x: np.ndarray
    lam: float
    value: float


def stationary_points(objective: Quadratic, constraint: Quadratic, *, level: float = 0.0) -> list[StationaryPoint]:
    """The points where a quadratic f₀ is stationary on f₁(x) = level, ordered by their multiplier.

        (P₀ + lam·P₁)x = -(q₀ + lam·q₁),   f₁(x) = level

    With z = -dx/dlam these are linear in (x, z) and, as a whole, a generalized eigenvalue problem in lam:

        [ P(lam)     0           q(lam)      ] [x]
        [ -P₁        P(lam)      -q₁         ] [z] = 0
        [ ½q₁ᵀ       -½q(lam)ᵀ   r₁ - level  ] [1]

    Returns
    -------
    list of StationaryPoint
        Points at which P₀ + lam·P₁ is singular, of which there is a whole curve as a rule, are left out.

    Notes
    -----
    O((2n + 1)³). The global minimum is one of them, with the largest lam if P₁ ≻ 0; `minimize_quadratic` finds it
    without the others, and in the hard case too. Boyd & Vandenberghe, exercise 5.29; Adachi et al. 2017.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> f0 = ck.Quadratic(np.diag([-6.0, 2.0, 4.0]), [2.0, 2.0, 2.0])
    >>> sphere = ck.Quadratic(2 * np.eye(3), None, -1.0)
    >>> [round(point.lam, 6) for point in ck.stationary_points(f0, sphere)]
    [-3.14929, 0.223509, 1.891899, 4.035226]
    """
    f0, f1, level, _ = _checked(objective, constraint, level, level)
    n = f0.n
    P0, P1, q0, q1 = f0.hessian(), f1.hessian(), f0.q[:, None], f1.q[:, None]
    Z, o = np.zeros((n, n)), np.zeros((n, 1))
    constant = np.block([[P0, Z, q0], [-P1, P0, -q1], [0.5 * q1.T, -0.5 * q0.T, np.array([[f1.r - level]])]])
    slope = np.block([[P1, Z, q1], [Z, P1, o], [o.T, -0.5 * q1.T, np.zeros((1, 1))]])
    ratios = eig(constant, -slope, right=False, homogeneous_eigvals=True)
    alpha, beta = ratios
    usable = np.abs(beta) > 1e-12 * np.abs(alpha)
    lams = alpha[usable] / beta[usable]
    size = max(float(np.abs(P0).max()), 1e-300), max(float(np.abs(P1).max()), 1e-300)
    found: list[StationaryPoint] = []
    for lam in np.sort(lams[np.abs(lams.imag) <= 1e-6 * (np.abs(lams) + size[0] / size[1])].real):
        point = _polished(f0, f1, level, float(lam))
        if point is not None and not any(abs(point.lam - other.lam) <= 1e-8 * (1.0 + abs(other.lam))
                                         for other in found):
            found.append(point)
    return sorted(found, key=lambda point: point.lam)


def _polished(f0: Quadratic, f1: Quadratic, level: float, lam: float) -> StationaryPoint | None:
    """Newton's method on the scalar equation f₁(x(lam)) = level; None if it goes nowhere, or P(lam) is singular."""
    for _ in range(20):
        P, q = f0.hessian() + lam * f1.hessian(), f0.q + lam * f1.q
        if np.linalg.cond(P) > 1e12:
            return None
        x = -np.linalg.solve(P, q)
        missing = f1(x) - level
        slope = f1.gradient(x)
        rate = -float(slope @ np.linalg.solve(P, slope))
        terms = abs(f1.r - level) + float(np.abs(f1.q) @ np.abs(x)) + abs(0.5 * x @ f1.hessp(x))
        if abs(missing) <= 1e-13 * terms or rate == 0:
            break
        lam -= missing / rate
    return StationaryPoint(x, lam, f0(x)) if abs(missing) <= 1e-7 * terms else None
