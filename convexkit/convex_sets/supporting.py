"""A hyperplane that touches one set."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import null_space

from ..problem import QCQP
from ..solution import Status
from ..solver import solve
from ..validation import as_vector, dense, in_range
from .contact import relaxed
from .hyperplanes import CONTACT, DEPTH, Hyperplane, HyperplaneStatus
from .projection import project, violation
from .sets import ConvexSet, as_set
from .support import support_function


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
        if not all(f.is_convex() for f in C.constraints.inequalities):
            solve(C.constraints)  # raises, with the name of the quadratic
        a = _outward(C.constraints, x, tol)
    else:
        found = project(x, C)
        size = max(1.0, float(abs(x).max(initial=0.0)))
        if not found.success or found.distance > tol * size:
            return _outside(C, x)
        point = ConvexSet.ball(x, 0.0)
        touching = solve(relaxed(C, point), tol=1e-10)
        a = None
        if np.isfinite(touching.x).all() and touching.x[-1] >= -max(tol, DEPTH):
            a = -touching.nu[-C.n:]
        elif (across := _across(C)) is not None:
            a = across
    if a is None or not np.linalg.norm(a) > 0:
        return Hyperplane(HyperplaneStatus.INTERIOR, "no hyperplane supports the set at x, which is in its interior.",
                          nothing, np.nan, np.nan, False, x)
    a = a / np.linalg.norm(a)
    b = float(a @ x)
    # Slopes of active constraints are normals: 0 ≥ f(z) ≥ f(x) + ∇f(x)ᵀ(z - x), with f(x) = 0. What multipliers of an
    # image's relaxed problem say is asked of the support function.
    if C.matrix is not None:
        highest = support_function(C, a)
        if not highest.bound <= b + max(tol, CONTACT) * max(1.0, float(abs(x).max())):
            return Hyperplane(HyperplaneStatus.UNKNOWN, f"the normal that was found is none of the set: aᵀz rises "
                              f"{highest.bound - b:.1e} above aᵀx.", nothing, np.nan, np.nan, False, x)
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
        A = dense(cone.A)
        terms = float(abs(cone.c) @ abs(x)) + abs(cone.d) + float(np.linalg.norm(abs(A) @ abs(x) + abs(cone.b)))
        if active(float(np.linalg.norm(tail)) - height, terms):
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

