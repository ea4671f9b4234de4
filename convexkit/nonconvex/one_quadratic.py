"""Minimise a quadratic subject to one quadratic constraint, neither of them convex: the dual is tight."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.linalg import eigh, svd

from ..duality import coefficient_size
from ..errors import ProblemError
from ..quadratic import Quadratic, minimum, weighted_sum
from ..solution import Status
from .derivative import DualDerivative
from .pencil import ZERO, below_level, most_definite, size

# What is left of a sum that should vanish, relative to its terms.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class GlobalMinimum:
    """A global minimum over lower ≤ f₁(x) ≤ upper, with its multiplier as proof.

    Attributes
    ----------
    status : Status; `optimal`, `infeasible`, `unbounded`, or `optimal_inaccurate` where the infimum is not attained,
        has no multiplier or keeps a gap, `numerical_error` where rounding hides the answer; the message says which
    success : bool, status is `optimal`
    message : str
    x : (n,) array; for `unbounded` a feasible point with a very low value where one was found, else NaN
    lam : float, multiplier of the constraint: positive if f₁(x) = upper, negative if f₁(x) = lower, 0 between;
        inf where none exists
    value, dual_value : float, f₀(x) and the bound inf f₀ + lam·(f₁ - upper or lower)
    hard_case : bool, P₀ + lam·P₁ is singular, and x has a component in its null space
    nit : int, evaluations of the dual function's derivative

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> f0 = ck.Quadratic(np.diag([-2.0, 1.0]), [0.0, 3.0])
    >>> disc = ck.Quadratic(np.eye(2), None, -2.0)                     # ‖x‖ ≤ 2
    >>> found = ck.minimize_quadratic(f0, disc)
    >>> found.lam, found.hard_case, found.verify(f0, disc)
    (2.0, True, True)
    """

    status: Status
    message: str
    x: np.ndarray
    lam: float
    value: float
    dual_value: float
    hard_case: bool
    nit: int
    lower: float
    upper: float
    success: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "success", self.status is Status.OPTIMAL)

    @property
    def gap(self) -> float:
        """value - dual_value: zero up to rounding where there is strong duality."""
        return self.value - self.dual_value

    def verify(self, objective: Quadratic, constraint: Quadratic, *, tol: float = 1e-7) -> bool:
        """Whether x is feasible and the multiplier proves that no feasible point is lower, both to `tol`.

        For an `infeasible` result: whether lam·(f₁ - limit) is positive everywhere. One factorization.
        """
        if self.status is Status.INFEASIBLE:
            zero = Quadratic(None, np.zeros(constraint.n))
            return _dual_value(zero, constraint, self.lam, self.lower, self.upper) > 0
        if not (np.isfinite(self.x).all() and np.isfinite(self.lam)):
            return False
        f1 = constraint(self.x)
        room = tol * (abs(f1 - constraint.r) + abs(constraint.r) + coefficient_size(constraint))
        if f1 > self.upper + room or f1 < self.lower - room:
            return False
        bound = _dual_value(objective, constraint, self.lam, self.lower, self.upper)
        value = objective(self.x)
        terms = max(abs(value - objective.r), abs(self.lam * (f1 - constraint.r)), 1e-300)
        return bool(value - bound <= tol * max(terms, min(1.0, coefficient_size(objective))))


def minimize_quadratic(objective: Quadratic, constraint: Quadratic, *, lower: float = -np.inf,
                       upper: float = 0.0) -> GlobalMinimum:
    """The global minimum of a quadratic subject to one quadratic constraint, convex or not.

        minimise f₀(x)   subject to   lower ≤ f₁(x) ≤ upper

    The dual has one variable: maximise g(lam) = inf f₀ + lam·f₁ - lam·(upper if lam > 0 else lower) over the interval
    in which P₀ + lam·P₁ ⪰ 0. If f₁ takes values inside the limits, its maximum is the minimum, although nothing is
    convex (the S-procedure), and lam is the proof.

    Parameters
    ----------
    objective, constraint : Quadratic, of any structure; they are formed
    lower, upper : float; (-inf, 0) is f₁(x) ≤ 0, two equal numbers are an equality

    Returns
    -------
    GlobalMinimum

    Raises
    ------
    ProblemError
        For quadratics of different size, crossed limits or two infinite ones.

    Notes
    -----
    O(n³): the pencil (P₀, P₁) is diagonalised, g' has a closed form, and its root is found by bracketing, with the
    distance to the end of the interval as the variable so that the neighbourhood of the hard case keeps its digits.
    In the hard case x gets a component in the null space of P₀ + lam·P₁. Boyd & Vandenberghe, section 5.2.4 and
    Appendix B; Pong & Wolkowicz 2014 for the interval.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> A, b = np.array([[2.0, 1, 0], [1, -3, 1], [0, 1, 1]]), np.array([1.0, 1, -2])
    >>> found = ck.minimize_quadratic(ck.Quadratic(2 * A, 2 * b), ck.Quadratic(2 * np.eye(3), None, -1.0))
    >>> round(found.value, 6), round(found.lam, 6), found.gap < 1e-9
    (-6.600768, 4.712724, True)

    A hyperbola as an equality: the point of x₁x₂ = 1 nearest to (1, -1).

    >>> nearest = ck.minimize_quadratic(ck.Quadratic(2 * np.eye(2), [-2.0, 2.0], 2.0),
    ...                                 ck.Quadratic([[0.0, 1.0], [1.0, 0.0]], None, -1.0), lower=0.0)
    >>> round(nearest.value, 6), round(float(nearest.x.prod()), 9), nearest.hard_case
    (3.0, 1.0, True)
    """
    f0, f1, lower, upper = _checked(objective, constraint, lower, upper)
    low, at_low, left = minimum(f1)
    minus = weighted_sum([-1.0], [f1])
    high, at_high, right = minimum(minus)
    low = -np.inf if at_low is None or _matters(left, _largest(f1.q)) else low
    high = np.inf if at_high is None or _matters(right, _largest(f1.q)) else -high
    room = 1e-12 * (abs(f1.r) + abs(low if np.isfinite(low) else 0.0) + abs(high if np.isfinite(high) else 0.0)
                    + coefficient_size(f1) * 1e-3)
    for end, limit, sign, word in ((low, upper, 1.0, "above"), (high, lower, -1.0, "below")):
        if sign * (end - limit) > room:
            return _result(Status.INFEASIBLE, f"the constraint's values are never {'below' if sign > 0 else 'above'} "
                           f"{end:.6g}, which is {word} the limit {limit:.6g}.", np.full(f0.n, np.nan), sign, np.inf,
                           np.inf, False, 0, lower, upper)
        if sign * (end - limit) >= -room:
            return _on_affine_set(f0, f1, at_low if sign > 0 else at_high, lower, upper)
    return _Search(f0, f1, lower, upper).run()


def _checked(objective: Any, constraint: Any, lower: float, upper: float) -> tuple[Quadratic, Quadratic, float, float]:
    for name, f in (("objective", objective), ("constraint", constraint)):
        if not isinstance(f, Quadratic):
            raise ProblemError(f"{name} must be a Quadratic; got {type(f).__name__}.")
    if objective.n != constraint.n:
        raise ProblemError(f"constraint has {constraint.n} variables; the objective has {objective.n}.")
    if objective.n == 0:
        raise ProblemError("objective has no variables; a problem needs at least one.")
    lower, upper = float(lower), float(upper)
    if not lower <= upper or lower == np.inf or upper == -np.inf:
        raise ProblemError(f"lower = {lower:g} and upper = {upper:g} leave no value for the constraint.")
    if lower == -np.inf and upper == np.inf:
        raise ProblemError("lower and upper are both infinite, which is no constraint; give one of them.")

    def formed(f: Quadratic) -> Quadratic:
        return Quadratic(None if f.P is None else f.hessian().astype(np.float64), f.q.astype(np.float64), f.r)

    return formed(objective), formed(constraint), lower, upper


def _matters(leftover: np.ndarray, terms: float) -> bool:
    return bool(np.abs(leftover).max(initial=0.0) > ROUNDING * terms)


def _largest(q: np.ndarray) -> float:
    return float(np.abs(q).max(initial=0.0))


def _dual_value(f0: Quadratic, f1: Quadratic, lam: float, lower: float, upper: float) -> float:
    limit = upper if lam > 0 else lower if lam < 0 else 0.0
    if not np.isfinite(limit):
        return -np.inf
    return _lagrangian_minimum(f0, f1, lam)[0] - lam * limit


def _lagrangian_minimum(f0: Quadratic, f1: Quadratic, lam: float) -> tuple[float, np.ndarray, np.ndarray]:
    """inf f₀ + lam·f₁, a minimiser and a basis of the null space of P(lam); what is rounding is judged by the terms."""
    L = weighted_sum([1.0, lam], [f0, f1])
    terms = size(f0.hessian()) * (f0.P is not None) + abs(lam) * size(f1.hessian()) * (f1.P is not None)
    w, V = eigh(L.hessian())
    c = V.T @ L.q
    null = w <= 1e-13 * terms
    kept = np.where(null, 0.0, -c / np.where(null, 1.0, w))
    value = L.r + 0.5 * float(c @ kept)
    if w[0] < -1e-10 * terms or _matters(c[null], _largest(f0.q) + abs(lam) * _largest(f1.q)):
        value = -np.inf
    return value, V @ kept, V[:, w <= ROUNDING * terms]


def _result(status: Status, message: str, x: np.ndarray, lam: float, value: float, dual_value: float, hard: bool,
            nit: int, lower: float, upper: float) -> GlobalMinimum:
    # Rounding may leave the dual value a few units above the primal one.
    if 0 < dual_value - value <= 1e-9 * max(abs(value), abs(dual_value), 1.0):
        dual_value = value
    return GlobalMinimum(status, message, x, float(lam), float(value), float(dual_value), hard, nit, lower, upper)


def _on_affine_set(f0: Quadratic, f1: Quadratic, at: Any, lower: float, upper: float) -> GlobalMinimum:
    """No interior: the feasible set is where f₁ is extreme, x = at + Zz with P₁Z = 0. Minimise f₀ on it."""
    if f1.P is None or not f1.P.any():
        Z = np.eye(f0.n)
    else:
        w, V = np.linalg.eigh(f1.P)
        Z = V[:, np.abs(w) <= ROUNDING * np.abs(w).max()]
    inner = Quadratic(Z.T @ f0.hessian() @ Z, Z.T @ f0.gradient(at), f0(at)) if Z.shape[1] else None
    if inner is None:
        x, value = at, f0(at)
    else:
        value, z, leftover = minimum(inner)
        if z is None or _matters(leftover, _largest(f0.gradient(at))):
            return _result(Status.UNBOUNDED, "the constraint holds on an affine set only, on which the objective falls "
                           "without end.", at + Z @ _far_down(inner), 0.0, -np.inf, -np.inf, False, 0, lower, upper)
        x = at + Z @ z
    if np.abs(f0.gradient(x)).max() <= ROUNDING * max(np.abs(f0.q).max(), coefficient_size(f0)) \
            and f0.is_convex():
        return _result(Status.OPTIMAL, "the objective's own minimum satisfies the constraint.", x, 0.0, value, value,
                       False, 0, lower, upper)
    return _result(Status.OPTIMAL_INACCURATE, "the constraint has no interior: it holds on an affine set only, where "
                   "its quadratic is extreme. There x is optimal, but no multiplier exists, or only in the limit.",
                   x, np.inf, value, value, False, 0, lower, upper)


def _far_down(f: Quadratic) -> np.ndarray:
    """A point at which a quadratic that is unbounded below is very low."""
    w, V = eigh(f.hessian())
    room = ROUNDING * size(f.hessian())
    flat = V[:, np.abs(w) <= room]
    d = V[:, 0] if w[0] < -room else -flat @ (flat.T @ f.q)
    d = -d if float(d @ f.q) > 0 else d
    return 1e8 * d / np.linalg.norm(d)


class _Search:
    """The maximum of the dual function over the interval in which P₀ + lam·P₁ ⪰ 0, and a point that attains it."""

    def __init__(self, f0: Quadratic, f1: Quadratic, lower: float, upper: float):
        self.f0, self.f1, self.lower, self.upper = f0, f1, lower, upper
        self.P0, self.P1 = f0.hessian(), f1.hessian()
        self.nit = 0

    def run(self) -> GlobalMinimum:
        a, b = size(self.P0), size(self.P1)
        # The common null space Z: squares tell that there is none, singular values which it is.
        w, V = eigh((self.P0 / a) @ (self.P0 / a) + (self.P1 / b) @ (self.P1 / b))
        flat = np.zeros(w.size, dtype=bool)
        if w[0] < 1e-12:
            w, V = svd(np.concatenate([self.P0 / a, self.P1 / b]), full_matrices=False)[1:]
            V, flat = V.T, w <= ZERO
        Z, Y = V[:, flat], V[:, ~flat]
        z0, z1 = Z.T @ self.f0.q, Z.T @ self.f1.q
        tiny0 = ROUNDING * max(_largest(self.f0.q), 1e-300)
        tiny1 = ROUNDING * max(_largest(self.f1.q), 1e-300)
        if np.abs(z1).max(initial=0.0) <= tiny1:
            if np.abs(z0).max(initial=0.0) > tiny0:
                return self._unbounded("along a direction in which the constraint does not change")
            return self._diagonalised(Y)
        # Both are affine along Z, the constraint is not constant: only one multiplier balances the slope there.
        lam = -float(z0 @ z1) / float(z1 @ z1)
        lam = 0.0 if abs(lam) * np.abs(z1).max() <= tiny0 else lam
        if np.abs(z0 + lam * z1).max() > tiny0 + abs(lam) * tiny1:
            return self._unbounded("along a direction in which the constraint does not change")
        if (lam < 0 and self.lower == -np.inf) or (lam > 0 and self.upper == np.inf):
            return self._unbounded("along a direction that leads away from the limit")
        return self._at(lam)

    # --- one admissible multiplier ---

    def _at(self, lam: float, *, certain: bool = True) -> GlobalMinimum:
        """The answer if lam is the only candidate: minimisers of L(·, lam) are x₀ + Zz; find z that meets the limit."""
        value, x, Z = _lagrangian_minimum(self.f0, self.f1, lam)
        if value == -np.inf:
            return self._unbounded("for every multiplier the Lagrangian is unbounded below", certain=certain)
        return self._finished(lam, x, Z, certain=certain)

    def _finished(self, lam: float, x: np.ndarray, Z: np.ndarray, *, certain: bool = True) -> GlobalMinimum:
        """Move x within x + Zz until the constraint holds as lam wants it, and report."""
        f1 = self.f1
        value1 = f1(x)
        target = self.upper if lam > 0 else self.lower if lam < 0 else float(np.clip(value1, self.lower, self.upper))
        terms = abs(value1) + abs(f1.r) + abs(target) + coefficient_size(f1) + float(np.abs(f1.q) @ np.abs(x))
        hard, missing = False, value1 - target
        if abs(missing) > 1e-12 * terms and Z.shape[1]:
            step = _reach(Z.T @ self.P1 @ Z, Z.T @ f1.gradient(x), missing)
            if step is not None:
                x, hard = x + Z @ step, True
        # What rounding left: along the constraint's own gradient, which changes f₀ + lam·f₁ to second order only.
        for _ in range(3):
            slope = f1.gradient(x)
            missing = f1(x) - (target if lam != 0 else float(np.clip(f1(x), self.lower, self.upper)))
            if missing == 0 or not slope.any() or abs(missing) > 1e-6 * terms:
                break
            x = x - missing / float(slope @ slope) * slope
        value, dual = self.f0(x), _dual_value(self.f0, f1, lam, self.lower, self.upper)
        if abs(missing) > 1e-6 * terms and not certain:
            return _result(Status.NUMERICAL_ERROR, "no point was found that attains the dual's value; the data may be "
                           "too badly conditioned to tell.", np.full(x.size, np.nan), lam, np.nan, dual, hard, self.nit,
                           self.lower, self.upper)
        if abs(missing) > 1e-6 * terms:
            return _result(Status.OPTIMAL_INACCURATE, f"the infimum {dual:.6g} is not attained: points that come near "
                           "it run off to infinity.", np.full(x.size, np.nan), lam, dual, dual, hard, self.nit,
                           self.lower, self.upper)
        where = "inside the limits" if lam == 0 else f"at the limit {target:g}"
        found = _result(Status.OPTIMAL, f"globally optimal {where}, multiplier {lam:.6g}"
                        f"{', in the hard case' if hard else ''}.", x, lam, value, dual, hard, self.nit, self.lower,
                        self.upper)
        if found.verify(self.f0, f1):
            return found
        return _result(Status.OPTIMAL_INACCURATE, f"the proof is spoilt by rounding: a gap of {value - dual:.1e}, the "
                       f"constraint off by {abs(missing):.1e}; the data are badly conditioned.", x, lam, value, dual,
                       hard, self.nit, self.lower, self.upper)

    # --- an interval of them ---

    def _diagonalised(self, Y: np.ndarray) -> GlobalMinimum:
        """x = Yy with P₀, P₁ without a common null space; diagonalise them together if one P₀ + lam·P₁ is definite."""
        low = 0.0 if self.lower == -np.inf else -np.inf
        high = 0.0 if self.upper == np.inf else np.inf
        if Y.shape[1] == 0:
            return self._at(0.0)
        P0, P1 = Y.T @ self.P0 @ Y, Y.T @ self.P1 @ Y
        P0, P1 = (P0 + P0.T) / 2, (P1 + P1.T) / 2
        member = most_definite(P0, P1, low, high)
        if member.smallest < -ZERO:
            # The eigenvectors with a negative value on either side are the proof, unless it is rounding.
            return self._unbounded("P₀ + lam·P₁ is indefinite for every admissible multiplier",
                                   certain=member.of_A < -1e-8)
        if member.smallest <= 1e-10:
            return self._at(member.t, certain=abs(member.smallest) <= 1e-13)
        hat = member.t
        mu, V = eigh(P1, P0 + hat * P1)
        V = Y @ V
        a, b = V.T @ (self.f0.q + hat * self.f1.q), V.T @ self.f1.q
        # In y: P₀ + (hat + s)P₁ = I + s·diag(mu), slope a + s·b; positive semidefinite for s between -1/mu's.
        left, right = -1.0 / mu[-1] if mu[-1] > 0 else -np.inf, -1.0 / mu[0] if mu[0] < 0 else np.inf
        # An end that is lam = 0 up to rounding is lam = 0.
        ends = tuple(-hat if abs(end + hat) <= 1e-12 * abs(hat) else end for end in (left, right))
        first, last = max(low - hat, ends[0]), min(high - hat, ends[1])
        curve = DualDerivative(mu, a, b, self.f1.r, (ends[0], ends[1]))
        s, from_end = self._root(curve, first, last, -hat)
        self.nit = curve.calls
        y, null = curve.minimiser(s, from_end)
        lam = 0.0 if s == -hat else hat + (s if from_end is None else from_end.s)
        # With a definite member the minimum is attained: what misses it is rounding.
        return self._finished(lam, V @ y, V[:, null], certain=False)

    def _root(self, curve: DualDerivative, first: float, last: float, zero: float) -> tuple[float, Any]:
        """Where f₁(y(s)) - limit changes sign; the limit is `upper` right of lam = 0, `lower` left of it."""
        if first <= zero <= last:
            value = curve.at_end(zero)
            if value is not None:
                low, high = value
                if low <= self.upper and high >= self.lower:
                    return zero, None
                side = 1.0 if low > self.upper else -1.0
            else:
                side = 1.0 if zero == curve.ends[0] else -1.0  # f₁ → ∞ at the lower end, -∞ at the upper one
            first, last = (zero, last) if side > 0 else (first, zero)
        else:
            side = 1.0 if first > zero else -1.0
        limit = self.upper if side > 0 else self.lower
        for end in (first, last):
            value = curve.at_end(end) if np.isfinite(end) else None
            # The range of f₁ over the minimisers at an end: the hard case if the limit is in it.
            if value is not None and value[0] <= limit <= value[1]:
                return end, None
        return curve.solve(limit, first, last)

    def _unbounded(self, why: str, *, certain: bool = True) -> GlobalMinimum:
        x, value = np.full(self.f0.n, np.nan), -np.inf
        if self.lower == -np.inf or self.upper == np.inf:
            sign, limit = (1.0, self.upper) if self.lower == -np.inf else (-1.0, self.lower)
            level = -1e6 * (abs(self.f0.r) + coefficient_size(self.f0) + 1.0)
            found = below_level(self.f0, weighted_sum([sign], [self.f1]), level, sign * limit)
            x = found if found is not None else x
        if not certain and np.isnan(x).any():
            return _result(Status.NUMERICAL_ERROR, f"the objective seems to have no lower bound ({why}), but no point "
                           "was found that shows it; the data may be too badly conditioned to tell.", x, 0.0, np.nan,
                           -np.inf, False, self.nit, self.lower, self.upper)
        return _result(Status.UNBOUNDED, f"the objective has no lower bound: {why}.", x, 0.0, value, -np.inf, False,
                       self.nit, self.lower, self.upper)


def _reach(K: np.ndarray, slope: np.ndarray, missing: float) -> np.ndarray | None:
    """A z with missing + slopeᵀz + ½zᵀKz = 0 along an eigenvector of K or along the slope; None if there is none."""
    w, U = eigh(K)
    largest = max(float(np.abs(w).max()), 1e-300)
    for i in ([int(np.argmin(w)), int(np.argmax(w))] if missing > 0 else [int(np.argmax(w)), int(np.argmin(w))]):
        k, c = float(w[i]), float(U[:, i] @ slope)
        if abs(k) <= 1e-12 * largest:
            continue
        root = c * c - 2.0 * k * missing
        if root >= 0:
            # Of the two roots the shorter one.
            q = -(c + np.copysign(np.sqrt(root), c))
            return U[:, i] * min((t for t in (q / k, 2.0 * missing / q if q != 0 else np.inf)), key=abs)
    flat = np.abs(w) <= 1e-12 * largest
    along = U[:, flat] @ (U[:, flat].T @ slope)
    steep = float(along @ along)
    return -missing / steep * along if steep > 0 else None
