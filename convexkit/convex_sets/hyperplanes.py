"""Hyperplanes that separate two sets, or support one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from scipy.linalg import null_space

from ..problem import QCQP
from ..quadratic import Quadratic
from ..solution import Solution, Status
from ..solver import solve
from ..validation import as_vector, dense, in_range
from .distance import NearestPoints, lifted, nearest_points, together, widened
from .projection import project, violation
from .sets import ConvexSet, as_set
from .support import support_function

# A margin below this share of the sizes involved is zero, as far as two support functions can tell.
CONTACT = 1e-7
# Depths to which interiors overlap, relative, below which sets only touch.
DEPTH = 1e-6


class HyperplaneStatus(str, Enum):
    """What a hyperplane does, or why there is none.

    >>> import convexkit as ck
    >>> [str(status) for status in ck.HyperplaneStatus][:3]
    ['strict', 'not_strict', 'supporting']
    """

    STRICT = "strict"
    NOT_STRICT = "not_strict"
    SUPPORTING = "supporting"
    OVERLAPPING = "overlapping"
    INTERIOR = "interior"
    OUTSIDE = "outside"
    EMPTY = "empty"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, eq=False)
class Hyperplane:
    """{x : aᵀx = b}, with the first set in aᵀx ≤ b and the second, if there is one, in aᵀx ≥ b.

    Attributes
    ----------
    a : (n,) array, a unit vector; NaN where there is no hyperplane
    b : float
    margin : float, inf of aᵀy over the second set less sup of aᵀx over the first: the width of the slab between them.
        Strictly separated sets have a positive one
    verified : bool, whether both sides were proved by multipliers: aᵀx ≤ b on the first set, aᵀy ≥ b on the second
    x : (n,) array; of the supporting hyperplane the point of contact, else the point of the first set that is nearest
        to the second, or a common point; NaN where there is none
    status : HyperplaneStatus. `strict`: a slab of positive width separates the sets. `not_strict`: the sets lie on
        either side, but no slab was found. `overlapping`: relative interiors meet at x, so that no hyperplane has
        them on two sides.
        `supporting`; or `interior` and `outside`, for a point that is not on the boundary. `empty`: a set is empty
    success : bool, there is a hyperplane
    message : str
    nit : int, iterations of the solver

    Examples
    --------
    >>> import convexkit as ck
    >>> disc, other = ck.ConvexSet.ball([0.0, 0.0], 1.0), ck.ConvexSet.ball([4.0, 3.0], 2.0)
    >>> plane = ck.separating_hyperplane(disc, other)
    >>> plane.a.round(6), round(plane.b, 6), round(plane.margin, 6), plane.verify(disc, other)
    (array([0.8, 0.6]), 2.0, 2.0, True)
    """

    status: HyperplaneStatus
    message: str
    a: np.ndarray
    b: float
    margin: float
    verified: bool
    x: np.ndarray
    nit: int = 0
    success: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "success", self.status in (HyperplaneStatus.STRICT, HyperplaneStatus.NOT_STRICT,
                                                            HyperplaneStatus.SUPPORTING))

    def verify(self, C: Any, D: Any = None) -> bool:
        """Whether multipliers prove C to lie in aᵀx ≤ b, and D in aᵀx ≥ b. Two support functions; 1e-7 is rounding."""
        if not self.success:
            return False
        size = CONTACT * max(1.0, abs(self.b))
        return support_function(C, self.a).bound <= self.b + size and (
            D is None or -support_function(D, -self.a).bound >= self.b - size)


def separating_hyperplane(C: Any, D: Any, *, tol: float = 1e-8) -> Hyperplane:
    """A hyperplane with C on one side and D on the other.

    Disjoint sets: the normal is the difference of the nearest points, or what the multipliers make of it, and the
    hyperplane lies in the middle of the slab. Sets that touch, or come as near as one likes without touching, have no
    slab between them: the normal comes from the multipliers of

        minimise t   subject to the inequalities of C and D, each relaxed by t, and x = y

    whose optimal value is negative where interiors overlap.

    Parameters
    ----------
    C, D : ConvexSet; or a QCQP, Quadratic or SecondOrderCone, which stand for the set that they state
    tol : float, as for `solve`

    Returns
    -------
    Hyperplane
        Both sides are checked with support functions, after the fact.

    Raises
    ------
    NotConvexError, ProblemError
        As `project`.

    Notes
    -----
    Up to three solves for the normal, and two for each candidate that is checked. Boyd & Vandenberghe, section 2.5.1.

    Examples
    --------
    Disjoint and closed, yet no slab fits between x₁x₂ ≥ 1 and x₂ ≤ 0:

    >>> import convexkit as ck
    >>> hyperbola = ck.SecondOrderCone([[0.0, 0.0], [1.0, -1.0]], [2.0, 0.0], [1.0, 1.0])
    >>> below = ck.ConvexSet.halfspace([0.0, 1.0], 0.0)
    >>> plane = ck.separating_hyperplane(below, hyperbola)
    >>> plane.status.value, plane.a.round(6), plane.margin
    ('not_strict', array([0., 1.]), 0.0)
    >>> ck.separating_hyperplane(hyperbola, ck.ConvexSet.ball([1.0, 1.0], 1.0)).status.value
    'overlapping'
    """
    C, D = as_set("C", C), as_set("D", D)
    near = nearest_points(C, D, tol=tol)
    nothing = np.full(C.n, np.nan)
    if near.status is Status.INFEASIBLE:
        return Hyperplane(HyperplaneStatus.EMPTY, f"{near.message} Every hyperplane separates it from the other.",
                          nothing, np.nan, np.nan, False, nothing, near.nit)
    k = C.constraints.n
    size = max(1.0, float(abs(near.solution.x).max(initial=0.0))) if np.isfinite(near.solution.x).all() else 1.0
    if near.distance > CONTACT and not (near.attained is False and near.distance < 1e-3):
        apart = C.point(near.solution.x[:k]) - D.point(near.solution.x[k:])
        best = _best(C, D, _normals(C, D, near.solution, -apart), near.distance)
        if best is not None and best[0] > CONTACT * min(size, 1.0):
            margin, a, b, proved = best
            return Hyperplane(HyperplaneStatus.STRICT, f"a slab of width {margin:.3g} lies between the sets.", a, b,
                              margin, proved, near.x, near.nit)
    return _touching(C, D, near, size)


def _touching(C: ConvexSet, D: ConvexSet, near: NearestPoints, size: float) -> Hyperplane:
    """Sets at distance zero: overlapping, or on two sides of a hyperplane that both come near to."""
    nothing = np.full(C.n, np.nan)
    relaxed, k = _relaxed(C, D), C.constraints.n
    found = solve(relaxed, tol=1e-10)
    nit = near.nit + found.nit
    if not np.isfinite(found.x).all():
        return Hyperplane(HyperplaneStatus.UNKNOWN, f"no hyperplane was found: {found.message}", nothing, np.nan,
                          np.nan, False, near.x, nit)
    if found.x[-1] < -DEPTH:
        return Hyperplane(HyperplaneStatus.OVERLAPPING, "their relative interiors meet, at x: no hyperplane has them "
                          "on two sides.", nothing, np.nan, np.nan, False, C.point(found.x[:k]), nit)
    link = found.nu[-C.n:]
    best = _best(C, D, _normals(C, D, found, -link), 0.0)
    if best is None or best[0] < -1e-4 * size:
        return Hyperplane(HyperplaneStatus.UNKNOWN, "the sets touch or nearly do, and no hyperplane was found between "
                          "them.", nothing, np.nan, np.nan, False, near.x, nit)
    margin, a, b, proved = best
    met = "they share x" if near.distance == 0 else "they come as near as one likes without meeting"
    return Hyperplane(HyperplaneStatus.NOT_STRICT, f"the sets lie on either side, with no slab between: {met}.", a, b,
                      min(margin, 0.0) if margin < -CONTACT * size else 0.0, proved, near.x, nit)


def _best(C: ConvexSet, D: ConvexSet, normals: Iterator[np.ndarray], target: float
          ) -> tuple[float, np.ndarray, float, bool] | None:
    """(margin, a, b, proved) of the candidate with the widest slab; one that comes near to target ends the search.

    A margin is known by proof where both support functions have a finite bound; else by their values.
    """
    best = None
    for a in normals:
        low, high = support_function(C, a), support_function(D, -a)
        proved = np.isfinite(low.bound) and np.isfinite(high.bound)
        left, right = (low.bound, -high.bound) if proved else (low.value, -high.value)
        if not (np.isfinite(left) and np.isfinite(right)):
            continue
        margin = right - left
        # Where one side is approached only, its value is short of the truth: the other side tells where it ends.
        b = right if low.attained is False else left if high.attained is False else 0.5 * (left + right)
        if best is None or margin > best[0]:
            best = (margin, a, b, bool(proved))
        if proved and margin >= target - CONTACT * max(1.0, abs(left), abs(right)):
            return margin, a, b, True
    return best


def _normals(C: ConvexSet, D: ConvexSet, found: Solution, apart: np.ndarray) -> Iterator[np.ndarray]:
    """Unit normals to try: the multipliers of C, those of D, and the difference of the nearest points.

    For a set stated by its constraints Σ lamᵢ∇fᵢ + Gᵀlam + Aᵀnu - lam_lb + lam_ub lies in the cone of normals up to
    rounding, where a difference of points has the solver's error: of an unbounded set that is no normal at all.
    """
    k = C.constraints.n
    from_C, from_D = _pull(C.constraints, D.constraints, found, k)
    for v, known in ((from_C, C.matrix is None), (-from_D, D.matrix is None), (apart, True)):
        size = float(np.linalg.norm(v))
        if known and size > 0:
            yield v / size


def _pull(first: QCQP, second: QCQP, found: Solution, k: int) -> tuple[np.ndarray, np.ndarray]:
    """What the multipliers of either set's own constraints add to the slope of the Lagrangian."""
    sides = []
    quadratics = (len(first.inequalities), len(second.inequalities))
    rows, equalities, cones = (first.h.size, second.h.size), (first.p, second.p), (len(first.cones), len(second.cones))
    for i, (problem, z) in enumerate(((first, found.x[:k]), (second, found.x[k:k + second.n]))):
        lam = found.lam[i * quadratics[0]:][:quadratics[i]]
        lam_G = found.lam[sum(quadratics) + i * rows[0]:][:rows[i]]
        nu = found.nu[i * equalities[0]:][:equalities[i]]
        span = slice(i * k, i * k + problem.n)
        low, high = found.lam_lb[span].copy(), found.lam_ub[span].copy()
        if sum(rows) < found.lam.size - sum(quadratics):  # some bounds were relaxed, and are rows
            more = _bounds_as_rows(first, second, found, i)
            low, high = low + more[0], high + more[1]
        v = problem.G.T @ lam_G + problem.A.T @ nu - low + high
        for weight, f in zip(lam, problem.inequalities, strict=True):
            v = v + weight * f.gradient(z)
        for vector, cone in zip(found.lam_cones[i * cones[0]:][:cones[i]], problem.cones, strict=True):
            v = v - vector[0] * cone.c - cone.A.T @ vector[1:]
        sides.append(v)
    return sides[0], sides[1]


def _bounds_as_rows(first: QCQP, second: QCQP, found: Solution, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers of the bounds of the i-th set in `_relaxed`, where they follow the rows of both sets."""
    at = len(first.inequalities) + len(second.inequalities) + first.h.size + second.h.size
    span = slice(i * first.n, i * first.n + (first.n, second.n)[i])
    sides = []
    for limited in _loose(first, second):
        multipliers = np.zeros(limited.size)
        multipliers[limited] = found.lam[at:][:int(limited.sum())]
        at += int(limited.sum())
        sides.append(multipliers[span])
    return sides[0], sides[1]


def _loose(first: QCQP, second: QCQP) -> tuple[np.ndarray, np.ndarray]:
    """Which variables of (z₁, z₂) have a lower, and an upper bound that leaves them room."""
    lb, ub = np.append(first.lb, second.lb), np.append(first.ub, second.ub)
    return np.isfinite(lb) & (lb < ub), np.isfinite(ub) & (lb < ub)


def _relaxed(C: ConvexSet, D: ConvexSet) -> QCQP:
    """minimise t over (z₁, z₂, t): inequalities ≤ t·(their size), x = y, t ≥ -1; equalities stay."""
    both, F, off = together(C, D)
    n = both.n
    last = np.eye(n + 1)[-1]
    curved = [lifted(f, 0, 1, [-max(float(abs(f.q).max(initial=0.0)), float(abs(f.hessian()).max(initial=0.0)))])
              for f in both.inequalities]
    eye, (low, high) = np.eye(n), _loose(C.constraints, D.constraints)
    rows = np.vstack([dense(both.G), -eye[low], eye[high]])
    rows = np.hstack([rows, -np.maximum(np.linalg.norm(rows, axis=1), np.finfo(float).tiny)[:, None]])
    A = np.vstack([dense(both.A), F])
    cones = [widened(k, 0, 1, [max(float(np.linalg.norm(k.c)), float(abs(dense(k.A)).max()))]) for k in both.cones]
    return QCQP(Quadratic(None, last), curved, G=rows, h=np.concatenate([both.h, -both.lb[low], both.ub[high]]),
                A=np.hstack([A, np.zeros((len(A), 1))]), b=np.append(both.b, -off),
                lb=np.append(np.where(low, -np.inf, both.lb), -1.0),
                ub=np.append(np.where(high, np.inf, both.ub), np.inf), cones=cones)


def supporting_hyperplane(C: Any, x: Any, *, tol: float = 1e-6) -> Hyperplane:
    """A hyperplane through a boundary point of a convex set, with the set on one side: aᵀz ≤ aᵀx for z in C.

    At a corner, where there are many, the normals of the active constraints are averaged.

    Parameters
    ----------
    C : ConvexSet; or a QCQP, Quadratic or SecondOrderCone, which stand for the set that they state
    x : (n,) array
    tol : float, how far x may be from the boundary, relative to the terms of a constraint there

    Returns
    -------
    Hyperplane
        `interior` or `outside` where x is not on the boundary; `project` leads there from outside.

    Raises
    ------
    NotConvexError, ProblemError
        As `project`.

    Notes
    -----
    Boyd & Vandenberghe, section 2.5.2.

    Examples
    --------
    >>> import convexkit as ck
    >>> hyperbola = ck.SecondOrderCone([[0.0, 0.0], [1.0, -1.0]], [2.0, 0.0], [1.0, 1.0])       # x₁x₂ ≥ 1, x ≥ 0
    >>> plane = ck.supporting_hyperplane(hyperbola, [2.0, 0.5])
    >>> (plane.a / plane.a[1]).round(6), round(float(plane.b / plane.a[1]), 6)                      # x₁/4 + x₂ = 1
    (array([0.25, 1.  ]), 1.0)
    >>> ck.supporting_hyperplane(hyperbola, [2.0, 2.0]).status.value
    'interior'
    """
    C = as_set("C", C)
    x = as_vector("x", x, C.n)
    tol = in_range("tol", tol, 1e-12, 1e-2, low_open=False, high_open=False)
    nothing = np.full(C.n, np.nan)
    if C.matrix is None:
        if violation(C.constraints, x) > tol:
            return _outside(C, x)
        a = _outward(C.constraints, x, tol)
    else:
        found = project(x, C)
        size = max(1.0, float(abs(x).max(initial=0.0)))
        if not found.success or found.distance > tol * size:
            return _outside(C, x)
        point = ConvexSet.ball(x, 0.0)
        relaxed = solve(_relaxed(C, point), tol=1e-10)
        a = None
        if np.isfinite(relaxed.x).all() and relaxed.x[-1] >= -max(tol, DEPTH):
            a = -relaxed.nu[-C.n:]
        elif (across := _across(C)) is not None:
            a = across
    if a is None or not np.linalg.norm(a) > 0:
        return Hyperplane(HyperplaneStatus.INTERIOR, "no hyperplane supports the set at x, which is in its interior.",
                          nothing, np.nan, np.nan, False, x)
    a = a / np.linalg.norm(a)
    b = float(a @ x)
    highest = support_function(C, a)
    proved = highest.bound <= b + max(tol, CONTACT) * max(1.0, float(abs(x).max()))
    if not proved:
        return Hyperplane(HyperplaneStatus.UNKNOWN, f"the normal of the active constraints is none of the set: aᵀz "
                          f"rises {highest.bound - b:.1e} above aᵀx.", nothing, np.nan, np.nan, False, x)
    return Hyperplane(HyperplaneStatus.SUPPORTING, "aᵀz ≤ aᵀx on the whole set.", a, b, 0.0, True, x)


def _across(C: ConvexSet) -> np.ndarray | None:
    """A normal of the affine hull of an image, as far as equalities and the matrix tell it; None if that is all."""
    assert C.matrix is not None
    fixed = np.eye(C.constraints.n)[C.constraints.lb == C.constraints.ub]
    free = null_space(np.vstack([dense(C.constraints.A), fixed])) if C.constraints.p + len(fixed) else \
        np.eye(C.constraints.n)
    beyond = null_space((C.matrix @ free).T)
    return beyond[:, 0] if beyond.size else None


def _outside(C: ConvexSet, x: np.ndarray) -> Hyperplane:
    nothing = np.full(C.n, np.nan)
    found = project(x, C)
    if found.status is Status.INFEASIBLE:
        return Hyperplane(HyperplaneStatus.EMPTY, found.message, nothing, np.nan, np.nan, False, nothing)
    return Hyperplane(HyperplaneStatus.OUTSIDE, f"x is outside the set, at a distance of {found.distance:.3g}; project "
                      "it first.", nothing, np.nan, np.nan, False, x)


def _outward(problem: QCQP, x: np.ndarray, tol: float) -> np.ndarray | None:
    """The mean of the unit normals of the constraints that are active at x; None if there are none."""
    normals: list[np.ndarray] = []
    size = float(abs(x).max(initial=0.0))

    def active(value: float, terms: float) -> bool:
        return value >= -tol * max(terms, np.finfo(float).tiny)

    for f in problem.inequalities:
        Px, slope = f.hessp(x), f.gradient(x)
        terms = 0.5 * abs(float(x @ Px)) + float(abs(f.q) @ abs(x)) + abs(f.r)
        if not active(f(x), terms):
            continue
        if np.linalg.norm(slope) <= tol * (np.linalg.norm(Px) + np.linalg.norm(f.q)):
            # f is at its minimum, which is zero: the set lies in P(z - x) = 0.
            P = f.hessian()
            slope = P[int(np.argmax(P.diagonal()))] if P.any() else slope
        normals.append(slope)
    G = dense(problem.G)
    for row, h in zip(G, problem.h, strict=True):
        if np.isfinite(h) and active(float(row @ x) - h, float(abs(row) @ abs(x)) + abs(h)):
            normals.append(row)
    for e, lb, ub, value in zip(np.eye(problem.n), problem.lb, problem.ub, x, strict=True):
        for sign, bound in ((-1.0, lb), (1.0, ub)):
            if np.isfinite(bound) and active(sign * (value - bound), abs(value) + abs(bound) or max(size, 1.0)):
                normals.append(sign * e)
    for cone in problem.cones:
        s = cone.slack(x)
        height, tail = float(s[0]), s[1:]
        terms = abs(height) + float(np.linalg.norm(tail)) or 1.0
        if active(float(np.linalg.norm(tail)) - height, terms):
            A = dense(cone.A)
            if np.linalg.norm(tail) > tol * (abs(cone.d) + float(np.linalg.norm(cone.b)) + float(abs(A).max()) * size):
                normals.append(A.T @ tail / np.linalg.norm(tail) - cone.c)
            else:
                normals.append(-cone.c if cone.c.any() else A[int(np.argmax(np.linalg.norm(A, axis=1)))])
    units = [v / np.linalg.norm(v) for v in normals if np.linalg.norm(v) > 0]
    if units:
        mean = np.mean(units, axis=0)
        return mean if np.linalg.norm(mean) > 1e-3 else units[0]
    A = dense(problem.A)
    rows = [row for row in A if row.any()]
    return rows[0] if rows else None

