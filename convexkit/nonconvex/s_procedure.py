"""The S-lemma: when does one quadratic inequality imply another?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..duality import coefficient_size
from ..errors import ProblemError
from ..quadratic import Quadratic, minimum, weighted_sum
from ..solution import Status
from .one_quadratic import minimize_quadratic
from .pencil import below_level


@dataclass(frozen=True, eq=False)
class SLemma:
    """Whether f₁(x) ≤ 0 implies f₀(x) ≤ 0, with a multiplier or a counterexample.

    Attributes
    ----------
    holds : bool or None; None where neither could be shown (no interior, or numbers too close to call)
    lam : float, f₀(x) ≤ lam·f₁(x) for every x, lam ≥ 0; NaN where there is none
    x : (n,) array or None, a counterexample: f₁(x) ≤ 0 and f₀(x) > 0
    worst : float, the largest f₀(x) where f₁(x) ≤ 0; +inf if there is none
    message : str

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> small, large = ck.Quadratic(2 * np.eye(2), None, -1.0), ck.Quadratic(2 * np.eye(2), None, -4.0)
    >>> ck.s_lemma(large, small).holds, ck.s_lemma(small, large).holds
    (True, False)
    """

    holds: bool | None
    lam: float
    x: np.ndarray | None
    worst: float
    message: str

    def verify(self, f0: Quadratic, f1: Quadratic) -> bool:
        """Whether the multiplier, or the counterexample, proves the claim on these two quadratics."""
        if self.holds is None:
            return False
        if self.holds:
            terms = abs(f0.r) + self.lam * abs(f1.r) + coefficient_size(f0)
            value, x, leftover = minimum(weighted_sum([-1.0, self.lam], [f0, f1]))
            slope = np.abs(f0.q).max(initial=0.0) + self.lam * np.abs(f1.q).max(initial=0.0)
            return bool(self.lam >= 0 and x is not None and np.abs(leftover).max(initial=0.0) <= 1e-9 * slope
                        and value >= -1e-9 * terms)
        return bool(self.x is not None and f1(self.x) <= 0 and f0(self.x) > 0)


def s_lemma(f0: Quadratic, f1: Quadratic) -> SLemma:
    """Whether f₁(x) ≤ 0 implies f₀(x) ≤ 0, for quadratics that need not be convex.

        f₁(x) ≤ 0  ⇒  f₀(x) ≤ 0     if and only if     some lam ≥ 0 has   f₀(x) ≤ lam·f₁(x) for every x

    provided that f₁ is negative somewhere. The right side is the matrix inequality
    lam·[P₁ q₁; q₁ᵀ 2r₁] - [P₀ q₀; q₀ᵀ 2r₀] ⪰ 0.

    Parameters
    ----------
    f0, f1 : Quadratic

    Returns
    -------
    SLemma

    Notes
    -----
    -f₀ is minimised where f₁ ≤ 0, by `minimize_quadratic`. Boyd & Vandenberghe, Appendix B.2.

    Examples
    --------
    Is every point of the hyperbola's branch x₁x₂ ≥ 1 outside the disc of radius √2?

    >>> import numpy as np, convexkit as ck
    >>> branch = ck.Quadratic([[0.0, -1.0], [-1.0, 0.0]], None, 1.0)          # 1 - x₁x₂ ≤ 0
    >>> outside = ck.Quadratic(-2 * np.eye(2), None, 2.0)                     # 2 - ‖x‖² ≤ 0
    >>> answer = ck.s_lemma(outside, branch)
    >>> answer.holds, round(answer.lam, 9), answer.verify(outside, branch)
    (True, 2.0, True)
    >>> answer = ck.s_lemma(branch, outside)
    >>> answer.holds, answer.verify(branch, outside)
    (False, True)
    """
    for name, f in (("f0", f0), ("f1", f1)):
        if not isinstance(f, Quadratic):
            raise ProblemError(f"{name} must be a Quadratic; got {type(f).__name__}.")
    minus = weighted_sum([-1.0], [f0])
    found = minimize_quadratic(minus, f1)
    if found.status is Status.INFEASIBLE:
        # Nothing satisfies f₁ ≤ 0, so that everything follows; a large multiple of f₁ may show it.
        return SLemma(True, _large_multiplier(f0, f1), None, -np.inf, "f₁ is positive everywhere: the implication is "
                      "empty, and true.")
    worst = -found.value
    terms = abs(f0.r) + found.lam * abs(f1.r) + coefficient_size(f0) if np.isfinite(found.lam) else np.inf
    if found.status is Status.OPTIMAL and -found.dual_value <= 1e-10 * terms:
        return SLemma(True, found.lam, None, worst, f"f₀ ≤ {found.lam:.6g}·f₁ everywhere.")
    candidates = [found.x] if np.isfinite(found.x).all() else []
    if worst > 0:
        level = max(-0.5 * worst, -1.0) if np.isfinite(worst) else -1e-6 * (abs(f0.r) + coefficient_size(f0))
        more = below_level(minus, f1, level, 0.0)
        candidates += [more] if more is not None else []
    for x in candidates:
        inside = _pulled_in(f1, x)
        if inside is not None and f0(inside) > 0:
            return SLemma(False, np.nan, inside, worst,
                          f"f₀ = {f0(inside):.6g} at a point where f₁ = {f1(inside):.3g}.")
    if found.status is Status.OPTIMAL_INACCURATE and worst <= 0:
        return SLemma(None, np.nan, None, worst, "the implication holds, but f₁ is negative nowhere, and no multiplier "
                      "shows it." if not np.isfinite(found.lam) else f"too close to call: {found.message}")
    return SLemma(None, np.nan, None, worst, f"too close to call: {found.message}")


def _pulled_in(f1: Quadratic, x: np.ndarray) -> np.ndarray | None:
    """x, moved by the rounding it takes to have f₁(x) ≤ 0."""
    for share in (0.0, 1.0, 10.0, 1e3, 1e5):
        slope = f1.gradient(x)
        if f1(x) <= 0:
            return x
        steep = float(slope @ slope)
        if steep == 0:
            return None
        x = x - (f1(x) + share * 1e-15 * (abs(f1.r) + coefficient_size(f1))) / steep * slope
    return x if f1(x) <= 0 else None


def _large_multiplier(f0: Quadratic, f1: Quadratic) -> float:
    """The first lam of 1, 10, … with f₀ ≤ lam·f₁ everywhere, NaN if there is none."""
    for lam in 10.0 ** np.arange(0, 13):
        if SLemma(True, float(lam), None, 0.0, "").verify(f0, f1):
            return float(lam)
    return np.nan
