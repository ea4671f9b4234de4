"""The set above a branch of a hyperbola: closed, convex, and with neighbours that it comes near to without end."""

from __future__ import annotations

from typing import Any

import numpy as np

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter

# x₁x₂ ≥ 1 with x ≥ 0 is 4 + (x₁ - x₂)² ≤ (x₁ + x₂)², a second-order cone; for oracles and pictures.
HYPERBOLA = ck.SecondOrderCone([[0.0, 0.0], [1.0, -1.0]], b=[2.0, 0.0], c=[1.0, 1.0])


@chapter.case(
    "2.11", "C2-05", "Exercise 2.11", "The point of a hyperbolic set that is nearest to the origin",
    statement="{x ≥ 0 : x₁x₂ ≥ 1} is convex, though the function x₁x₂ is neither convex nor concave: written as a "
              "second-order cone it shows.",
    primal="minimise ½‖x‖²   subject to  ‖(2, x₁ - x₂)‖ ≤ x₁ + x₂",
    dual="maximise -2z₁ - ½‖(z₀ + z₂, z₀ - z₂)‖²   over ‖(z₁, z₂)‖ ≤ z₀:   z = (1, -1, 0)")
def nearest_to_origin() -> Answer:
    hyperbola = ck.SecondOrderCone([[0.0, 0.0], [1.0, -1.0]], b=[2.0, 0.0], c=[1.0, 1.0])
    found = ck.project([0.0, 0.0], hyperbola)
    t = np.geomspace(0.05, 20, 2001)
    curve = np.sqrt(t**2 + 1 / t**2)
    return Answer(
        found.solution.value, found.solution.dual_value, found.x, {"z": found.solution.lam_cones[0]},
        checks=(
            Check("x", found.x, [1.0, 1.0]),
            Check("distance", found.distance, np.sqrt(2)),
            Check("squared distance", found.distance**2, 2.0, "other solver"),
            Check("z", found.solution.lam_cones[0], [1.0, -1.0, 0.0], "by hand", 1e-6),
            Check("2001 points of the curve", curve.min(), found.distance, "enumeration", 1e-8, "at least"),
            Check("the set lies beyond the line x₁ + x₂ = 2", -ck.support_function(hyperbola, [-1.0, -1.0]).bound, 2.0,
                  "the normal of the projection"),
        ),
        solved=((found.problem, found.solution),))


@nearest_to_origin.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    x = cp.Variable(2)
    model = cp.Problem(cp.Minimize(cp.sum_squares(x)), [cp.geo_mean(x) >= 1])
    model.solve(solver="CLARABEL")
    found = ck.project([0.0, 0.0], HYPERBOLA)
    return (Check("squared distance", found.distance**2, model.value, "cvxpy"),
            Check("x", found.x, x.value, "cvxpy", 1e-4))


@nearest_to_origin.picture("The set, the circle around the origin that touches it, and the line that supports the set "
                           "there.")
def _(axes: Any) -> None:
    from .drawing import hyperbola, line, segment

    hyperbola(axes)
    t = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.sqrt(2) * np.cos(t), np.sqrt(2) * np.sin(t), color="0.6", linewidth=0.8)
    line(axes, np.array([1.0, 1.0]), 2.0, color="tab:orange")
    segment(axes, np.zeros(2), np.ones(2), color="k", linewidth=1)
    axes.plot([0, 1], [0, 1], "ko", markersize=4)
    axes.set(aspect="equal", xlim=(-1.6, 4.5), ylim=(-1.6, 3.4), xlabel="x₁", ylabel="x₂")


@chapter.case(
    "2.23", "C2-09", "Exercise 2.23", "Two disjoint closed sets that no slab separates",
    statement="{x₁x₂ ≥ 1, x ≥ 0} and {x₂ ≤ 0} have no point in common, and no two nearest ones: (t, 1/t) and (t, 0) "
              "come as near as one likes. A solver will hand back some t; that must not be taken for a solution.",
    primal="minimise ½‖x - y‖²   subject to  x₁x₂ ≥ 1,  x ≥ 0,  y₂ ≤ 0:   infimum 0, not attained",
    dual="maximise -S₁(a) - S₂(-a)   subject to  ‖a‖ ≤ 1:   0 at a = (0, -1), attained")
def unattained() -> Answer:
    hyperbola = ck.SecondOrderCone([[0.0, 0.0], [1.0, -1.0]], b=[2.0, 0.0], c=[1.0, 1.0])
    below = ck.ConvexSet.halfspace([0.0, 1.0], 0.0)
    near = ck.nearest_points(hyperbola, below)
    plane = ck.separating_hyperplane(hyperbola, below)
    support = ck.support_function(hyperbola, [0.0, -1.0])
    direction, t = np.asarray(near.direction), 10.0 ** np.arange(1, 7)
    return Answer(
        0.0, 0.0, None, {"a": plane.a},
        checks=(
            Check("distance found, to three digits", round(near.distance, 3), 0.0, "by hand"),
            Check("attained", near.attained, False, "by hand"),
            Check("claimed as solved", near.success, False, "by hand"),
            Check("points handed out", bool(np.isfinite(near.x).any()), False, "there are none"),
            Check("direction in which near pairs run away, to one digit", direction.round(1), [1.0, 0.0],
                  "by hand"),
            Check("distances of (t, 1/t) and (t, 0), t = 10, …, 10⁶", np.linalg.norm(np.stack([t, 1 / t]) - np.stack(
                [t, 0 * t]), axis=0), 1 / t, "by hand"),
            Check("the hyperplane x₂ = 0", np.append(plane.a, plane.b), [0.0, -1.0, 0.0], "by hand", 1e-6),
            Check("a strict one", plane.status == ck.HyperplaneStatus.STRICT, False, "there is none"),
            Check("sup of -x₂ over the first set, to three digits", round(support.value, 3), 0.0, "by hand"),
            Check("attained", support.attained, False, "by hand"),
        ),
        notes=(f"What `ck.nearest_points` says: {near.status}, {near.message.split(':')[0]}. Both sets have the "
               "direction (1, 0) of recession, and the cone opens along it; for sets of linear rows and convex "
               "quadratics only, this cannot happen.",))


@unattained.picture("The hyperbola and the halfplane below it. The gap at x₁ = t is 1/t; the only line in between is "
                    "x₂ = 0.")
def _(axes: Any) -> None:
    from .drawing import hyperbola, segment

    hyperbola(axes, 10.0)
    axes.fill_between([-1, 10], [-2, -2], [0, 0], alpha=0.25, color="tab:orange")
    axes.axhline(0, color="k", linewidth=1.2)
    for t in (1.0, 2.0, 4.0, 8.0):
        segment(axes, np.array([t, 0]), np.array([t, 1 / t]), color="0.4", linewidth=1)
        axes.plot([t, t], [0, 1 / t], "ko", markersize=3)
    axes.set(xlim=(-0.5, 9.5), ylim=(-1.2, 3.2), xlabel="x₁", ylabel="x₂")


@chapter.case(
    "2.24", "C2-10", "Exercise 2.24(a)", "Supporting lines of the hyperbolic set",
    statement="At (t, 1/t) the line x₁/t² + x₂ = 2/t supports {x ≥ 0 : x₁x₂ ≥ 1}; the set is the intersection of all "
              "such halfplanes.",
    primal="minimise x₁/t² + x₂   subject to  ‖(2, x₁ - x₂)‖ ≤ x₁ + x₂;   t = 2",
    dual="maximise -2z₁   subject to  z₀ + z₂ = 1/t²,  z₀ - z₂ = 1,  ‖(z₁, z₂)‖ ≤ z₀:   z₁ = -1/t")
def supporting() -> Answer:
    hyperbola = ck.SecondOrderCone([[0.0, 0.0], [1.0, -1.0]], b=[2.0, 0.0], c=[1.0, 1.0])
    t = 2.0
    plane = ck.supporting_hyperplane(hyperbola, [t, 1 / t])
    a, b = plane.a / plane.a[1], plane.b / plane.a[1]
    lowest = ck.support_function(hyperbola, [-1 / t**2, -1.0])
    ts = np.array([0.1, 0.5, 1.0, 2.0, 5.0])
    normals = [ck.supporting_hyperplane(hyperbola, [s, 1 / s]).a for s in ts]
    problem = ck.socp([1 / t**2, 1.0], [hyperbola])
    solution = solved(problem, tol=1e-11)
    return Answer(
        solution.value, solution.dual_value, solution.x, {"z": solution.lam_cones[0]},
        checks=(
            Check("2/t", solution.value, 1.0),
            Check("x = (t, 1/t)", solution.x, [2.0, 0.5], "closed form", 1e-5),
            Check("by the support function", -lowest.value, 1.0),
            Check("and what its multipliers prove", -lowest.bound, 1.0),
            Check("hyperplane at (2, ½)", np.append(a, b), [0.25, 1.0, 1.0]),
            Check("z", solution.lam_cones[0], [0.625, -0.5, -0.375], "by hand", 1e-5),
            Check("normals at t = 0.1, ½, 1, 2, 5", normals, -np.stack([1 / ts**2, 1 + 0 * ts], axis=1)
                  / np.hypot(1 / ts**2, 1)[:, None]),
            Check("at (2, 2)", ck.supporting_hyperplane(hyperbola, [2.0, 2.0]).status == ck.HyperplaneStatus.INTERIOR,
                  True, "an interior point has none"),
        ),
        solved=((problem, solution),))


@supporting.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    x = cp.Variable(2)
    model = cp.Problem(cp.Minimize(x[0] / 4 + x[1]), [cp.geo_mean(x) >= 1])
    model.solve(solver="CLARABEL")
    return (Check("value", ck.solve(ck.socp([0.25, 1.0], [HYPERBOLA])).value, model.value, "cvxpy"),)


@supporting.picture("Supporting lines at five points of the hyperbola; the set is what they leave over.")
def _(axes: Any) -> None:
    from .drawing import hyperbola, line

    hyperbola(axes)
    for t in (0.3, 0.6, 1.0, 2.0, 4.0):
        plane = ck.supporting_hyperplane(HYPERBOLA, [t, 1 / t])
        line(axes, plane.a, plane.b, color="tab:orange", linewidth=0.9)
        axes.plot(t, 1 / t, "ko", markersize=3)
    axes.set(aspect="equal", xlim=(-0.5, 5.5), ylim=(-0.5, 4), xlabel="x₁", ylabel="x₂")
