"""The dual function at one (lam, nu): value, minimiser, supergradient, Hessian, and why it is -inf where it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..problem import QCQP
from ..quadratic import Minimum, Quadratic
from ..validation import dense
from .box import minimum_over_box
from .cones import Parts, cones_at_point
from .infimum import downhill, infimum, part
from .multipliers import SLOPE_TOLERANCE, absent_limit, multipliers, slope_terms, wrong_sign

# Entries of a direction that a sentence shows.
SHOWN = 4


@dataclass(frozen=True, eq=False)
class DualPoint:
    """g(lam, nu) = inf over x of L(x, lam, nu) with everything that its one factorization tells.

    Made by `Lagrangian.dual_point`.

    Attributes
    ----------
    value : float, g(lam, nu); -inf outside its domain
    x : (n,) array, a minimiser of L(·, lam, nu); None outside the domain
    lam, nu, lam_lb, lam_ub, lam_cones : the multipliers it belongs to
        Negative rounding is set to zero. Bounds that were given no multipliers have those that make g largest.
    tangent, leftover : float and (n,) array: L(y, lam, nu) ≥ tangent + leftoverᵀy for every y
        `leftover` is rounding in the domain; -inf and zeros where L has negative curvature or a sign is wrong.
    value_wrt_lam, value_wrt_nu, value_wrt_lam_lb, value_wrt_lam_ub, value_wrt_cones : a supergradient of g
        The values of the constraints at x: f(x) and Gx - h, Ax - b, lb - x, x - ub, -(cᵀx + d, Ax + b). None outside
        the domain; -inf for a limit that is absent.

    Notes
    -----
    g(lam', nu') ≤ g(lam, nu) + (constraints at x)ᵀ(change of the multipliers), for every (lam', nu'). Boyd &
    Vandenberghe, sections 5.1.2 and 5.6; the derivative where x is unique.

    Examples
    --------
    Minimise x² + 1 subject to (x - 2)(x - 4) ≤ 0: g(lam) = -9 lam²/(1 + lam) + 1 + 8 lam.

    >>> import convexkit as ck
    >>> problem = ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0)])
    >>> point = ck.Lagrangian(problem).dual_point([1.0])
    >>> point.value, point.x, point.value_wrt_lam, point.hessian()
    (4.5, array([1.5]), array([1.25]), array([[-2.25]]))
    >>> outside = ck.Lagrangian(problem).dual_point([-2.0])
    >>> outside.value, outside.reason
    (-inf, 'lam[0] = -2 is negative')
    """

    value: float
    x: np.ndarray | None
    lam: np.ndarray
    nu: np.ndarray
    lam_lb: np.ndarray
    lam_ub: np.ndarray
    lam_cones: tuple[np.ndarray, ...]
    tangent: float
    leftover: np.ndarray
    _problem: QCQP = field(repr=False)
    _function: Quadratic | None = field(repr=False)  # L(·, lam, nu) without the bounds, if these are the domain of x
    _found: Minimum | None = field(repr=False)
    _over_box: bool = field(repr=False)
    _sign: str = field(repr=False, default="")

    @property
    def in_domain(self) -> bool:
        """Whether g is finite here."""
        return self.x is not None

    @cached_property
    def reason(self) -> str:
        """Why g is -inf here, in words and numbers; empty inside the domain.

        Where P(lam) is not positive semidefinite, one smallest eigenvalue is computed for this sentence.
        """
        if self.in_domain:
            return ""
        if self._sign:
            return self._sign
        direction = self.direction
        if direction is None or self._function is None or self._found is None:
            return "the numbers leave the range of floats"
        along = _in_words(direction)
        if self._found.x is None:
            curvature = float(direction @ self._function.hessp(direction))
            return f"P(lam) has eigenvalue {curvature:.4g} along {along}"
        steepness = _length(self.leftover)
        flat = "where P(lam) is flat" if self._function.P is not None else "and L has no curvature"
        if self._over_box:
            flat += ", and no bound stops it"
        return f"the slope of L has a component {steepness:.4g} {flat}: L falls without end along {along}"

    @cached_property
    def direction(self) -> np.ndarray | None:
        """A direction d, ‖d‖ = 1, along which L(·, lam, nu) falls without end; None if no such d makes g = -inf here.

        With dᵀP(lam)d < 0, dᵀP(lam')d ≥ 0 is a cut: linear in lam', met by the whole domain, and not by this lam.
        """
        if self.in_domain or self._sign or self._function is None or self._found is None:
            return None
        if self._found.x is None:
            return downhill(self._function)
        size = _length(self.leftover)
        return -self.leftover / size if 0 < size < np.inf else None

    @cached_property
    def value_wrt_lam(self) -> np.ndarray | None:
        """fᵢ(x), then Gx - h."""
        return None if self.x is None else self._problem.inequality_values(self.x)

    @cached_property
    def value_wrt_nu(self) -> np.ndarray | None:
        """Ax - b."""
        return None if self.x is None else self._problem.equality_values(self.x)

    @property
    def value_wrt_lam_lb(self) -> np.ndarray | None:
        """lb - x."""
        return None if self.x is None else self._problem.lb - self.x

    @property
    def value_wrt_lam_ub(self) -> np.ndarray | None:
        """x - ub."""
        return None if self.x is None else self.x - self._problem.ub

    @cached_property
    def value_wrt_cones(self) -> tuple[np.ndarray, ...] | None:
        """-(cᵀx + d, Ax + b) of each cone."""
        if self.x is None:
            return None
        return tuple(-s for s in cones_at_point(self._problem.cones, self.x).slack.vectors())

    @property
    def gradient(self) -> np.ndarray | None:
        """(m + p,) array, `value_wrt_lam` and `value_wrt_nu` in one vector, as `hessian` orders them."""
        if self.value_wrt_lam is None or self.value_wrt_nu is None:
            return None
        return np.concatenate((self.value_wrt_lam, self.value_wrt_nu))

    def hessian(self) -> np.ndarray | None:
        """(m + p, m + p) array ∇²g = -J P(lam)⁺ Jᵀ in (lam, nu), J the gradients of all rows at x; None off the domain.

        The multipliers of bounds and cones stay as they are; bounds without multipliers keep variables at their bound
        where they are, so that P and J are those of the other variables. Where P(lam) is singular this is the
        Hessian along directions that stay in the domain. It is negative semidefinite: g is concave.

        Uses the factorization that `value` came from (over a box, one of the free variables), and m + p solves.
        """
        if self.x is None or self._function is None or self._found is None:
            return None
        pr = self._problem
        J = np.concatenate([np.array([f.gradient(self.x) for f in pr.inequalities]).reshape(-1, pr.n),
                            dense(pr.G), dense(pr.A)])
        if self._function.P is None:
            return np.zeros((len(J), len(J)))
        solve, P = self._found.solve, self._function
        if self._over_box and (solve is None or not ((self.x > pr.lb) & (self.x < pr.ub)).all()):
            free = (self.x > pr.lb) & (self.x < pr.ub)
            if not free.any():
                return np.zeros((len(J), len(J)))
            J = J[:, free]
            P = Quadratic._of(part(P, free), np.zeros(int(free.sum())), 0.0)
            solve = infimum(P).solve
        if solve is None or not len(J):
            return np.zeros((len(J), len(J)))
        # P⁺ = P⁺PP⁺ keeps symmetry and sign.
        W = solve(np.ascontiguousarray(J.T))
        H = -(W.T @ np.column_stack([P.hessp(w) for w in W.T]))
        return (H + H.T) / 2

    def bound(self, radius: float = np.inf) -> float:
        """A lower bound of f₀ over all feasible x with |xⱼ| ≤ radius: tangent - radius·Σ|leftoverⱼ|.

        With radius = inf this is `value`. A finite one gets something out of multipliers that miss the domain by
        rounding or by a loose tolerance.

        Examples
        --------
        >>> import convexkit as ck
        >>> loose = ck.Lagrangian(ck.lp([1.0], G=[[-1.0]], h=[-2.0])).dual_point([0.999])
        >>> loose.value, round(loose.bound(radius=10.0), 6)
        (-inf, 1.988)
        """
        if not np.isfinite(radius):
            return self.value
        return self.tangent - radius * float(np.abs(self.leftover).sum())


def _length(v: np.ndarray) -> float:
    """‖v‖, also where the squares are beyond the range of floats."""
    largest = float(np.abs(v).max(initial=0.0))
    return largest * float(np.linalg.norm(v / largest)) if 0 < largest < np.inf else largest


def _in_words(d: np.ndarray) -> str:
    """A direction by its entries if it has few, else by its largest."""
    if d.size <= SHOWN:
        return f"x = ({', '.join(f'{v + 0.0:.3g}' for v in d)})"
    visible = np.flatnonzero(np.abs(d) > 1e-3 * np.abs(d).max())
    shown = np.sort(visible[np.argsort(-np.abs(d[visible]), kind="stable")[:SHOWN]])
    return "x with " + ", ".join(f"x[{j}] = {d[j]:.3g}" for j in shown) + (", ..." if visible.size > SHOWN else "")


@np.errstate(over="ignore", invalid="ignore")  # what is beyond the range of floats is no bound, and says so
def evaluate(lagrangian: Any, lam: Any, nu: Any, lam_lb: Any, lam_ub: Any, lam_cones: Any) -> DualPoint:
    """`Lagrangian.dual_point`."""
    pr = lagrangian.problem
    over_box = lam_lb is None and lam_ub is None
    lam, nu, lam_lb, lam_ub, lam_cones = multipliers(pr, lam, nu, lam_lb, lam_ub, lam_cones)
    z = Parts.of(lam_cones)
    largest = max(*(float(np.abs(v).max(initial=0.0)) for v in (lam, nu, lam_lb, lam_ub)), z.largest)
    own = (lam, nu, lam_lb, lam_ub, lam_cones)

    def outside(sign: str = "", function: Quadratic | None = None, found: Minimum | None = None) -> DualPoint:
        known = found is not None and found.x is not None and np.isfinite(found.value)
        return DualPoint(-np.inf, None, *own, found.value if known and found else -np.inf,
                         found.leftover if known and found else np.zeros(pr.n), pr, function, found, over_box, sign)

    if sign := wrong_sign(pr, lam, lam_lb, lam_ub, z, largest):
        return outside(sign)
    lam, lam_lb, lam_ub = (np.maximum(v, 0.0) for v in (lam, lam_lb, lam_ub))
    lam_cones = z.raised().vectors()
    own = (lam, nu, lam_lb, lam_ub, lam_cones)
    function = lagrangian._sum(*own)
    if function.r == -np.inf:
        return outside(absent_limit(pr, lam, lam_lb, lam_ub) or "the numbers leave the range of floats")
    over_box = over_box and bool((np.isfinite(pr.lb) | np.isfinite(pr.ub)).any())
    if over_box:
        lam_lb, lam_ub, found = minimum_over_box(function, pr.lb, pr.ub)
        own = (lam, nu, lam_lb, lam_ub, lam_cones)
    else:
        found = infimum(function)
    if found.x is None:
        return outside(function=function, found=found)
    if not (np.isfinite(found.value) and np.isfinite(found.x).all()):
        return outside("the numbers leave the range of floats")
    if found.leftover.any():
        terms = slope_terms(pr, *own)
        if (np.abs(found.leftover)
                > SLOPE_TOLERANCE * np.maximum(terms, terms.max(initial=0.0) * SLOPE_TOLERANCE)).any():
            return outside(function=function, found=found)
    return DualPoint(found.value, found.x, *own, found.value, found.leftover, pr, function, found, over_box)
