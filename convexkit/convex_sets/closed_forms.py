"""Nearest points and support functions that can be written down, each with the multipliers that prove it.

Each form speaks of z, the variable of the constraints; the set itself is {Mz + c}, and M is the identity but for
ellipsoids, ℓ₁ balls, convex hulls and generated cones. Multipliers are those of

    minimise ½‖Mz + c - p‖²   subject to the constraints on z
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import brentq, nnls

from ..interior_point import Multipliers
from ..quadratic import Quadratic
from ..trust_region import trust_region_step

# Where a support function is finite only on a cone of slopes, a slope that misses it by this share of its length counts
# as in it: slopes are often computed, as differences of nearest points.
SLOPE_TOLERANCE = 1e-9

# (value, z that attains it or None, direction in z along which it grows without end or None)
Support = tuple[float, "np.ndarray | None", "np.ndarray | None"]


def at(x: np.ndarray, lam: np.ndarray | None = None, nu: np.ndarray | None = None, lam_lb: np.ndarray | None = None,
       lam_ub: np.ndarray | None = None, lam_cones: tuple[np.ndarray, ...] = ()) -> Multipliers:
    """A point with its multipliers, those left out being absent or zero."""
    none, zero = np.zeros(0), np.zeros(x.size)
    return Multipliers(x, none if lam is None else lam, none if nu is None else nu, zero if lam_lb is None else lam_lb,
                       zero if lam_ub is None else lam_ub, lam_cones)


class Form:
    """What is known of a set in closed form; None where nothing is. Parts are given in the order of the annotations.

    A dozen small classes: as dataclasses they would be a tenth of the time that `import convexkit` takes.
    """

    def __init__(self, *parts: Any) -> None:
        for name, part in zip(type(self).__annotations__, parts, strict=True):
            setattr(self, name, part)

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        return None

    def support(self, y: np.ndarray) -> Support | None:
        """sup of yᵀz over the constraints."""
        return None


class ConeForm(Form):
    """A closed convex cone: its support function is zero on the polar cone, and a projection tells where that is."""

    def support(self, y: np.ndarray) -> Support | None:
        """sup of yᵀz over the constraints."""
        found = self.nearest(y)
        if found is None:
            return None
        # Moreau: y = (its projection on the cone) + (its projection on the polar cone).
        if np.linalg.norm(found.x) <= SLOPE_TOLERANCE * np.linalg.norm(y):
            return 0.0, np.zeros(y.size), None
        return np.inf, None, found.x


class HalfspaceForm(Form):
    """aᵀz ≤ b, a ≠ 0."""

    a: np.ndarray
    b: float

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        lam = max((float(self.a @ p) - self.b) / float(self.a @ self.a), 0.0)
        return at(p - lam * self.a, np.array([lam]))

    def support(self, y: np.ndarray) -> Support | None:
        """sup of yᵀz over the constraints."""
        size = float(self.a @ self.a)
        share = max(float(self.a @ y) / size, 0.0)
        across = y - share * self.a
        if np.linalg.norm(across) <= SLOPE_TOLERANCE * np.linalg.norm(y):
            return share * self.b, self.b * self.a / size, None
        return np.inf, None, across


class AffineForm(Form):
    """Az = b, rows dependent or not."""

    A: np.ndarray
    b: np.ndarray

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        off = np.linalg.lstsq(self.A, self.A @ p - self.b)[0]  # the shortest step onto the set
        return at(p - off, nu=np.linalg.lstsq(self.A.T, off)[0])

    def support(self, y: np.ndarray) -> Support | None:
        """sup of yᵀz over the constraints."""
        x0, nu = np.linalg.lstsq(self.A, self.b)[0], np.linalg.lstsq(self.A.T, y)[0]
        if np.linalg.norm(self.A @ x0 - self.b) > 1e-12 * (np.linalg.norm(self.b) + abs(self.A).max(initial=0.0)):
            return None  # nothing satisfies the rows: the solver proves it
        across = y - self.A.T @ nu
        if np.linalg.norm(across) <= SLOPE_TOLERANCE * np.linalg.norm(y):
            return float(nu @ self.b), x0, None
        return np.inf, None, across


class BoxForm(Form):
    """lb ≤ z ≤ ub, infinite where there is no bound."""

    lb: np.ndarray
    ub: np.ndarray

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        return at(np.clip(p, self.lb, self.ub), lam_lb=np.maximum(self.lb - p, 0.0),
                  lam_ub=np.maximum(p - self.ub, 0.0))

    def support(self, y: np.ndarray) -> Support | None:
        """sup of yᵀz over the constraints."""
        limit = np.where(y > 0, self.ub, np.where(y < 0, self.lb, np.clip(0.0, self.lb, self.ub)))
        free = np.isinf(limit)
        small = abs(y) <= SLOPE_TOLERANCE * abs(y).max(initial=0.0)
        if (free & ~small).any():
            return np.inf, None, np.where(free & ~small, np.sign(y), 0.0)
        z = np.where(free, np.clip(0.0, self.lb, self.ub), limit)
        return float(np.where(free, 0.0, y) @ z), z, None


class BallForm(Form):
    """½(‖z - centre‖² - radius²) ≤ 0."""

    centre: np.ndarray
    radius: float

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        away = p - self.centre
        share = max(float(np.linalg.norm(away)) / self.radius, 1.0)
        return at(self.centre + away / share, np.array([share - 1.0]))

    def support(self, y: np.ndarray) -> Support | None:
        """sup of yᵀz over the constraints."""
        size = float(np.linalg.norm(y))
        z = self.centre + (self.radius / size * y if size > 0 else 0.0)
        return float(y @ self.centre) + self.radius * size, z, None


class EllipsoidForm(Form):
    """{Bz + c : ½(‖z‖² - 1) ≤ 0}: a trust-region subproblem, solved by its secular equation, B singular or not."""

    B: np.ndarray
    c: np.ndarray

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        off = self.c - p
        step = trust_region_step(Quadratic(self.B.T @ self.B, self.B.T @ off, 0.5 * float(off @ off)), radius=1.0)
        return at(step.p, np.array([step.lam])) if step.success else None

    def support(self, y: np.ndarray) -> Support | None:
        """sup of yᵀz over the constraints."""
        return BallForm(np.zeros(y.size), 1.0).support(y)


class QuadraticForm(Form):
    """f(z) ≤ 0 with P ⪰ 0: ellipsoids, cylinders, parabolas. z(λ) = (I + λP)⁻¹(p - λq), and f(z(λ)) = 0 gives λ."""

    f: Quadratic

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        if self.f(p) <= 0:
            return at(p, np.zeros(1))
        w, V = self._curvature()
        if w is None:
            return None  # the solver says what is wrong with it
        q, y = V.T @ self.f.q, V.T @ p

        def point(lam: float) -> np.ndarray:
            return (y - lam * q) / (1.0 + lam * w)

        def excess(lam: float) -> float:
            z = point(lam)
            return float(0.5 * w @ z**2 + q @ z) + self.f.r

        high = 1.0 / max(w[-1], np.finfo(float).tiny)
        for _ in range(60):
            if excess(high) < 0:
                lam = brentq(excess, 0.0, high, xtol=1e-300, rtol=4 * np.finfo(float).eps, maxiter=500)
                return at(V @ point(lam), np.array([lam]))
            high *= 4.0
        return None  # no interior: an empty set, or one without multipliers

    def support(self, y: np.ndarray) -> Support | None:
        """sup of yᵀz over the constraints.

        In the coordinates of P's eigenvectors, with n for the flat ones and c for the curved ones:
        q_n = 0:  y_n = 0 is needed; an ellipsoid around -P⁺q, or a cylinder over one
        q_n ≠ 0:  the set opens along -q_n, as a parabola does; y_n = t·q_n with t > 0 is needed; t is the multiplier
        """
        w, V = self._curvature()
        if w is None:
            return None
        q, y = V.T @ self.f.q, V.T @ y
        curved = w > 0
        inverse = np.where(curved, 1.0 / np.where(curved, w, 1.0), 0.0)
        q_n, y_n = np.where(curved, 0.0, q), np.where(curved, 0.0, y)
        if np.linalg.norm(q_n) <= 1e-12 * np.linalg.norm(q):
            depth = 0.5 * float(inverse @ q**2) - self.f.r
            terms = 0.5 * float(inverse @ q**2) + abs(self.f.r)
            if depth < -1e-15 * terms:
                return None  # an empty set: the solver proves it
            if np.linalg.norm(y_n) > SLOPE_TOLERANCE * np.linalg.norm(y):
                return np.inf, None, V @ y_n
            size = float(np.sqrt(inverse @ y**2))
            radius = float(np.sqrt(2.0 * max(depth, 0.0)))
            z = inverse * (radius / size * y - q if size > 0 else -q)
            return float(-inverse * q @ y) + radius * size, V @ z, None
        steep = float(q_n @ q_n)
        t = max(float(y_n @ q_n) / steep, 0.0)
        across = y_n - t * q_n
        if np.linalg.norm(across) > SLOPE_TOLERANCE * np.linalg.norm(y):
            return np.inf, None, V @ across
        if t * np.sqrt(steep) <= SLOPE_TOLERANCE * np.linalg.norm(y):
            # Along a parabola yᵀz rises like a root: without end, though in no direction of recession.
            return (np.inf, None, None) if y.any() else (0.0, V @ (-(max(self.f.r, 0.0) / steep) * q_n), None)
        z = np.where(curved, inverse * (y / t - q), 0.0)
        z = z - (float(0.5 * w @ z**2 + q @ z) + self.f.r) / steep * q_n  # f(z) = 0
        return float(y @ z), V @ z, None

    def _curvature(self) -> tuple[np.ndarray | None, np.ndarray]:
        """Eigenvalues of P, those of rounding size set to zero, and its eigenvectors; None if one is negative."""
        w, V = eigh(self.f.hessian())
        if w[0] < -1e-12 * abs(w).max():
            return None, V
        return np.where(w > 1e-12 * w[-1], w, 0.0), V


class SecondOrderConeForm(ConeForm):
    """‖(z₁, …, zₙ₋₁)‖ ≤ zₙ."""

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        tail, height = p[:-1], float(p[-1])
        size = float(np.linalg.norm(tail))
        if size <= height:
            x = p.copy()
        elif size <= -height:
            x = np.zeros(p.size)
        else:
            x = 0.5 * (size + height) * np.append(tail / size, 1.0)
        moved = x - p
        return at(x, lam_cones=(np.concatenate([moved[-1:], moved[:-1]]),))


class SimplexForm(Form):
    """z ≥ 0, 1ᵀz = total > 0."""

    total: float

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        # zᵢ = (pᵢ - τ)₊ with τ such that they sum to the total: the k largest stay.
        descending = np.sort(p)[::-1]
        levels = (np.cumsum(descending) - self.total) / np.arange(1, p.size + 1)
        tau = levels[np.flatnonzero(descending > levels)[-1]]
        return at(np.maximum(p - tau, 0.0), nu=np.array([tau]), lam_lb=np.maximum(tau - p, 0.0))

    def support(self, y: np.ndarray) -> Support | None:
        """sup of yᵀz over the constraints."""
        z = np.zeros(y.size)
        z[np.argmax(y)] = self.total
        return self.total * float(y.max()), z, None


class CrossPolytopeForm(Form):
    """c + z₊ - z₋ with (z₊, z₋) ≥ 0 and 1ᵀ(z₊ + z₋) ≤ radius: the ℓ₁ ball. A soft threshold, which is λ."""

    centre: np.ndarray
    radius: float

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        away = p - self.centre
        size = abs(away)
        lam = 0.0
        if size.sum() > self.radius:
            found = SimplexForm(self.radius).nearest(size)
            assert found is not None
            lam = float(found.nu[0])
        moved = np.sign(away) * np.minimum(size, lam)  # p - x
        kept = away - moved
        z = np.concatenate([np.maximum(kept, 0.0), np.maximum(-kept, 0.0)])
        return at(z, np.array([lam]), lam_lb=np.maximum(np.concatenate([lam - moved, lam + moved]), 0.0))

    def support(self, y: np.ndarray) -> Support | None:
        """sup of yᵀz over the constraints."""
        z = np.zeros(y.size)
        z[np.argmax(y)] = self.radius * (y.max() > 0)
        return self.radius * max(float(y.max()), 0.0), z, None


class MonotoneForm(ConeForm):
    """z₁ ≥ z₂ ≥ … ≥ zₙ ≥ 0: adjacent values that are out of order are pooled, then cut off at zero."""

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        sums: list[float] = []
        counts: list[int] = []
        for value in p:
            total, count = float(value), 1
            while sums and sums[-1] * count <= total * counts[-1]:  # the mean before is not above this one
                total, count = total + sums.pop(), count + counts.pop()
            sums.append(total)
            counts.append(count)
        x = np.maximum(np.repeat(np.array(sums) / np.array(counts), counts), 0.0)
        # p - x = Gᵀλ with rows z₂ - z₁ ≤ 0, …, -zₙ ≤ 0: λ are the leading partial sums of x - p.
        return at(x, np.maximum(np.cumsum(x - p), 0.0))


class HullForm(Form):
    """{Vᵀz : z ≥ 0, 1ᵀz = 1}, the rows of V being points."""

    points: np.ndarray

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        # Minimise ‖(V - 1pᵀ)ᵀu‖² + s²(1ᵀu - 1)² over u ≥ 0. For u = tz with 1ᵀz = 1 that is t²‖·‖² + s²(t - 1)²,
        # smallest for the weights of the nearest point whatever t is; s brings both parts to one size.
        away = self.points - p
        if not away.any():
            return at(np.full(len(away), 1.0 / len(away)), nu=np.zeros(1))
        s = max(float(np.sqrt(np.mean(away**2))), np.finfo(float).tiny)
        try:
            u = nnls(np.vstack([away.T, np.full(len(away), s)]), np.append(np.zeros(p.size), s))[0]
        except RuntimeError:
            return None
        if not u.sum() > 0:
            return None
        z = u / u.sum()
        slope = self.points @ (z @ away)
        nu = -float(slope @ z)
        return at(z, nu=np.array([nu]), lam_lb=np.maximum(slope + nu, 0.0))

    def support(self, y: np.ndarray) -> Support | None:
        """sup of yᵀz over the constraints."""
        return SimplexForm(1.0).support(y)


class GeneratedConeForm(Form):
    """{Az : z ≥ 0}, by non-negative least squares (Lawson & Hanson): an active set, exact up to rounding."""

    A: np.ndarray

    def nearest(self, p: np.ndarray) -> Multipliers | None:
        """The z whose point is nearest to p."""
        try:
            z = nnls(self.A, p)[0]
        except RuntimeError:
            return None
        return at(z, lam_lb=np.maximum(self.A.T @ (self.A @ z - p), 0.0))

    def support(self, y: np.ndarray) -> Support | None:
        """sup of yᵀz over the constraints."""
        return BoxForm(np.zeros(y.size), np.full(y.size, np.inf)).support(y)
