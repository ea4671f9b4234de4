"""A hyperplane between two sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..solution import Status
from ..solver import solve
from .contact import normals, relaxed
from .distance import NearestPoints, nearest_points
from .hyperplanes import CONTACT, DEPTH, Hyperplane, HyperplaneStatus
from .sets import ConvexSet, as_set
from .support import support_function


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
        best = _best(C, D, normals(C, D, near.solution, -apart), near.distance)
        if best is not None and best[0] > CONTACT * min(size, 1.0):
            margin, a, b, proved = best
            return Hyperplane(HyperplaneStatus.STRICT, f"a slab of width {margin:.3g} lies between the sets.", a, b,
                              margin, proved, near.x, near.nit)
    return _touching(C, D, near, size)


def _touching(C: ConvexSet, D: ConvexSet, near: NearestPoints, size: float) -> Hyperplane:
    """Sets at distance zero: overlapping, or on two sides of a hyperplane that both come near to."""
    nothing = np.full(C.n, np.nan)
    k = C.constraints.n
    found = solve(relaxed(C, D), tol=1e-10)
    nit = near.nit + found.nit
    if not np.isfinite(found.x).all():
        return Hyperplane(HyperplaneStatus.UNKNOWN, f"no hyperplane was found: {found.message}", nothing, np.nan,
                          np.nan, False, near.x, nit)
    if found.x[-1] < -DEPTH:
        return Hyperplane(HyperplaneStatus.OVERLAPPING, "their relative interiors meet, at x: no hyperplane has them "
                          "on two sides.", nothing, np.nan, np.nan, False, C.point(found.x[:k]), nit)
    link = found.nu[-C.n:]
    best = _best(C, D, normals(C, D, found, -link), 0.0)
    if best is None or best[0] < -1e-4 * size:
        return Hyperplane(HyperplaneStatus.UNKNOWN, "the sets touch or nearly do, and no hyperplane was found between "
                          "them.", nothing, np.nan, np.nan, False, near.x, nit)
    margin, a, b, proved = best
    met = "they share x" if near.distance == 0 else "they come as near as one likes without meeting"
    return Hyperplane(HyperplaneStatus.NOT_STRICT, f"the sets lie on either side, with no slab between: {met}.", a, b,
                      min(margin, 0.0) if margin < -CONTACT * size else 0.0, proved, near.x, nit)


def _best(C: ConvexSet, D: ConvexSet, candidates: Iterator[np.ndarray], target: float
          ) -> tuple[float, np.ndarray, float, bool] | None:
    """(margin, a, b, proved) of the candidate with the widest slab; one that comes near to target ends the search.

    A margin is known by proof where both support functions have a finite bound; else by their values.
    """
    best = None
    for a in candidates:
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
