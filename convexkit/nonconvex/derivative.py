"""The derivative of the dual function of one constraint, in coordinates in which both quadratics are diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

# A component of the slope in the null space of P(lam) below this share of the slope is zero: the hard case.
HARD = 1e-13


@dataclass
class FromEnd:
    """s = end + direction·distance, with the distance small and known to all its digits."""

    end: float
    direction: float
    distance: float

    @property
    def s(self) -> float:
        """The point itself."""
        return self.end + self.direction * self.distance


class DualDerivative:
    """g'(s) = f₁(y(s)),  y(s)ᵢ = -(aᵢ + s·bᵢ)/(1 + s·muᵢ): falls from end to end of its interval."""

    def __init__(self, mu: np.ndarray, a: np.ndarray, b: np.ndarray, r: float, ends: tuple[float, float]):
        self.mu, self.a, self.b, self.r, self.ends = mu, a, b, r, ends
        self.calls = 0

    def curvature(self, s: float, near: FromEnd | None = None) -> np.ndarray:
        """1 + s·mu, without cancellation next to an end: (1 + end·mu) + direction·distance·mu."""
        if near is None or near.end not in self.ends:
            return 1.0 + s * self.mu
        extreme = self.mu[-1] if near.end == self.ends[0] else self.mu[0]
        return (extreme - self.mu) / extreme + near.direction * near.distance * self.mu

    def value(self, near: FromEnd) -> float:
        """f₁ at y(s) inside the interval."""
        self.calls += 1
        y = -(self.a + near.s * self.b) / self.curvature(near.s, near)
        return float(0.5 * (self.mu * y) @ y + self.b @ y + self.r)

    def minimiser(self, s: float, near: FromEnd | None = None) -> tuple[np.ndarray, np.ndarray]:
        """y(s) and the mask of components that are free, where the curvature and the slope both vanish."""
        curvature = self.curvature(near.s if near is not None else s, near if near is not None else
                                   FromEnd(s, 0.0, 0.0) if s in self.ends else None)
        slope = self.a + (near.s if near is not None else s) * self.b
        flat = np.abs(curvature) <= 1e-12
        y = np.where(flat, 0.0, -slope / np.where(flat, 1.0, curvature))
        return y, flat

    def at_end(self, s: float) -> tuple[float, float] | None:
        """The range of f₁ over all minimisers at s, possibly an end of the interval; None if there are none."""
        self.calls += 1
        y, flat = self.minimiser(s)
        slope = self.a + s * self.b
        if np.linalg.norm(slope[flat]) > HARD * (np.linalg.norm(self.a) + abs(s) * np.linalg.norm(self.b)):
            return None
        value = float(0.5 * (self.mu * y) @ y + self.b @ y + self.r)
        # Along a free component f₁ = value + b·z + ½mu·z²; its extreme is b²/(2mu) away.
        own = flat & (self.mu != 0)
        turn = float((-0.5 * self.b[own] ** 2 / self.mu[own]).sum())
        up, down = bool((self.mu[flat] > 0).any()), bool((self.mu[flat] < 0).any())
        return (-np.inf if down else value + (turn if up else 0.0)), (np.inf if up else value + (turn if down else 0.0))

    def solve(self, limit: float, first: float, last: float) -> tuple[float, FromEnd]:
        """The s between first and last with f₁(y(s)) = limit, where it is above limit at first and below at last."""
        finite = [end for end in (first, last) if np.isfinite(end)]
        # Measure from the end that is nearer to the root, in powers of e.
        unit = 1.0 / max(float(np.abs(self.mu).max()), 1e-300)
        if len(finite) == 2:
            middle = 0.5 * (first + last)
            from_first = self.value(FromEnd(first, 1.0, middle - first)) <= limit
            end, direction, reach = (first, 1.0, middle - first) if from_first else (last, -1.0, last - middle)
        else:
            end, direction = (first, 1.0) if finite and finite[0] == first else (last, -1.0)
            if not finite:
                end, direction = 0.0, 1.0 if self.value(FromEnd(0.0, 1.0, 0.0)) > limit else -1.0
            reach = max(unit, abs(end))
            for _ in range(200):
                if (self.value(FromEnd(end, direction, reach)) - limit) * direction <= 0:
                    break
                reach *= 4.0

        def excess(logarithm: float) -> float:
            return self.value(FromEnd(end, direction, float(np.exp(logarithm)))) - limit

        top = float(np.log(reach))
        bottom = top
        for _ in range(200):
            bottom -= 4.0
            if excess(bottom) * direction > 0:
                break
        else:
            return end, None  # type: ignore[return-value]
        root = brentq(excess, bottom, top, xtol=1e-15, rtol=1e-15, maxiter=500)
        near = FromEnd(end, direction, float(np.exp(root)))
        return near.s, near
