"""Nearest points: hulls, ellipses, cones, polyhedra, discs."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import brentq

import convexkit as ck

from ..case import Answer, Check
from .chapter import chapter


@chapter.case(
    "2.1.4", "C2-15", "Section 2.1.4", "The point of a convex hull that is nearest to the origin",
    statement="Twelve points in five dimensions. Every point of their hull is a mixture of them; the shortest one "
              "mixes few, and the hyperplane through it, at right angles to it, has all twelve on the far side.",
    primal="minimise ‖Vᵀθ‖   subject to  θ ≥ 0,  1ᵀθ = 1",
    dual="maximise aᵀ0 - S(a) = minᵢ (-aᵀvᵢ)   subject to  ‖a‖ ≤ 1:   the widest slab between 0 and the points")
def hull() -> Answer:
    V = np.random.default_rng(7).standard_normal((12, 5)) + 0.8
    C = ck.ConvexSet.convex_hull(V)
    found = ck.project(np.zeros(5), C)
    x, theta = found.x, found.solution.x
    a = found.normal
    return Answer(
        found.distance, -ck.support_function(C, a).value, x, {"θ": theta},
        checks=(
            Check("‖x‖²", x @ x, 0.098304044, "other solver", 1e-7),
            Check("points in the mixture", int((theta > 1e-9).sum()), 3, "other solver", 0.0),
            Check("Vᵀθ", V.T @ theta, x, "the weights"),
            Check("xᵀv of all points", V @ x, np.full(12, x @ x), "obtuse angles", 1e-9, "at least"),
            Check("xᵀv of the points in the mixture", (V @ x)[theta > 1e-9], np.full(3, x @ x), "complementarity"),
            Check("d*, the width of the slab", -ck.support_function(C, a).value, found.distance, "strong duality"),
        ),
        solved=((found.problem, found.solution),),
        notes=("Nine of the twelve points could be left out without changing anything; the three that matter carry "
               "the proof.",))


@chapter.case(
    "2.2.2", "C2-16", "Section 2.2.2", "Projection on an ellipse",
    statement="The nearest point of the ellipse x₁²/4 + x₂² ≤ 1 to (3, 2). Stationarity gives x as a function of the "
              "multiplier, and the ellipse's equation then is one equation in one unknown, the secular equation.",
    primal="minimise ½‖x - p‖²   subject to  ½(x₁²/4 + x₂² - 1) ≤ 0",
    dual="maximise g(λ) = ½‖p‖² - ½Σ pᵢ²/(1 + λwᵢ) - ½λ,  w = (¼, 1);   x(λ) = p/(1 + λw)")
def ellipse() -> Answer:
    p, w = np.array([3.0, 2.0]), np.array([0.25, 1.0])
    found = ck.project(p, ck.Quadratic(np.diag(w), None, -0.5))
    lam = brentq(lambda t: np.sum(w * (p / (1 + t * w)) ** 2) - 1, 0, 100, xtol=1e-14)
    image = ck.project(p, ck.ConvexSet.ellipsoid([0.0, 0.0], [2.0, 1.0]))  # the same set as {Bu : ‖u‖ ≤ 1}
    by_solver = ck.solve(found.problem)
    dual = 0.5 * p @ p - 0.5 * np.sum(p**2 / (1 + lam * w)) - 0.5 * lam
    return Answer(
        found.solution.value, found.solution.dual_value, found.x, {"λ": found.solution.lam},
        checks=(
            Check("λ", found.solution.lam[0], lam, "secular equation"),
            Check("λ", found.solution.lam[0], 2.9548608, "other solver", 1e-6),
            Check("x = p/(1 + λw)", found.x, p / (1 + lam * w)),
            Check("squared distance", found.distance**2, 3.8574897, "other solver", 1e-7),
            Check("x by the ellipse as an image of the disc", image.x, found.x, "the other statement"),
            Check("x by the interior-point method", by_solver.x, found.x, "the secular equation"),
            Check("d* = g(λ)", dual, found.solution.value, "strong duality"),
        ),
        solved=((found.problem, found.solution), (found.problem, by_solver), (image.problem, image.solution)),
        notes=(f"`ck.project` says how: {found.method}.",))


@ellipse.picture("The point, its projection, and the tangent there, at right angles to the difference. The dashed "
                 "curve is x(λ) from λ = 0 at the point on, through the ellipse where the secular equation holds.")
def _(axes: Any) -> None:
    from .drawing import segment

    p, w = np.array([3.0, 2.0]), np.array([0.25, 1.0])
    x = ck.project(p, ck.Quadratic(np.diag(w), None, -0.5)).x
    t = np.linspace(0, 2 * np.pi, 200)
    axes.fill(2 * np.cos(t), np.sin(t), alpha=0.25)
    path = p / (1 + np.geomspace(1e-3, 1e3, 300)[:, None] * w)
    axes.plot(*path.T, "--", color="0.6", linewidth=1)
    segment(axes, p, x, color="k", linewidth=1)
    along = np.array([-(p - x)[1], (p - x)[0]]) / np.linalg.norm(p - x)
    segment(axes, x - 1.5 * along, x + 1.2 * along, color="tab:orange")
    axes.plot(*np.array([p, x]).T, "ko", markersize=4)
    axes.annotate("p", p, (3.08, 1.95))
    axes.annotate("x", x, (1.5, 0.25))
    axes.set(aspect="equal", xlim=(-2.3, 3.5), ylim=(-1.4, 2.5), xlabel="x₁", ylabel="x₂")


@chapter.case(
    "2.2.3", "C2-14", "Section 2.2.3", "Projection on the second-order cone",
    statement="The point (z, s) = ((3, 4), 1) lies below the cone ‖x‖ ≤ t. Its projection has a closed form, and what "
              "is left over lies in the polar cone, at right angles (Moreau).",
    primal="minimise ½‖x - z‖² + ½(t - s)²   subject to  ‖x‖ ≤ t",
    dual="maximise -½‖y‖² - yᵀ(z, s)  over y in the cone;   y = (x, t) - (z, s), the multiplier")
def cone() -> Answer:
    p = np.array([3.0, 4.0, 1.0])
    found = ck.project(p, ck.ConvexSet.second_order_cone(3))
    by_solver = ck.solve(found.problem)
    z0, z = found.solution.lam_cones[0][0], found.solution.lam_cones[0][1:]
    left = p - found.x
    grid = ck.ConvexSet.second_order_cone(3)
    return Answer(
        found.solution.value, found.solution.dual_value, found.x, {"(z₀, z)": found.solution.lam_cones[0]},
        checks=(
            Check("(x, t) = ½(‖z‖ + s)(z/‖z‖, 1)", found.x, [1.8, 2.4, 3.0]),
            Check("distance (‖z‖ - s)/√2", found.distance, 2 * np.sqrt(2)),
            Check("squared distance", found.distance**2, 8.0, "other solver"),
            Check("(x, t) by the interior-point method", by_solver.x, [1.8, 2.4, 3.0]),
            Check("multiplier", np.append(z, z0), -left, "(x, t) - (z, s)"),
            Check("Moreau: the parts are at right angles", left @ found.x, 0.0),
            Check("Moreau: the rest is projected on the tip", ck.project(left, grid).x, np.zeros(3), "polar cone"),
        ),
        solved=((found.problem, found.solution), (found.problem, by_solver)))


@cone.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    x = cp.Variable(3)
    model = cp.Problem(cp.Minimize(cp.sum_squares(x - np.array([3.0, 4.0, 1.0]))), [cp.SOC(x[2], x[:2])])
    model.solve(solver="CLARABEL")
    found = ck.project([3.0, 4.0, 1.0], ck.ConvexSet.second_order_cone(3))
    return (Check("squared distance", found.distance**2, model.value, "cvxpy"),
            Check("x", found.x, x.value, "cvxpy", 1e-5))


@cone.picture("The plane through the axis of the cone and the point: the cone (blue), its polar (orange), the point "
              "split into a part of each, at right angles.")
def _(axes: Any) -> None:
    from .drawing import segment

    axes.fill([0, 7, -7], [0, 7, 7], alpha=0.25)
    axes.fill([0, 7, -7], [0, -7, -7], alpha=0.25, color="tab:orange")
    p, x = np.array([5.0, 1.0]), np.array([3.0, 3.0])
    for a, b in (([0, 0], x), (x, p), ([0, 0], p - x), (p - x, p)):
        segment(axes, np.array(a), np.array(b), color="k", linewidth=1)
    axes.plot(*np.array([p, x, p - x]).T, "ko", markersize=4)
    axes.annotate("(z, s)", p, (5.15, 0.85))
    axes.annotate("(x, t)", x, (2.2, 3.4))
    axes.annotate("rest", p - x, (1.0, -2.8))
    axes.set(aspect="equal", xlim=(-4.5, 6.5), ylim=(-3.6, 4.6), xlabel="along z", ylabel="t")


@chapter.case(
    "2.2.4", "C2-18", "Section 2.2.4", "The distance of two polyhedra",
    statement="A cube and the part of a box above a slanted plane, in three dimensions. Polyhedra that do not meet "
              "always have a nearest pair, and a hyperplane in between.",
    primal="minimise ‖x - y‖   subject to  |xᵢ| ≤ 1;   1ᵀy ≥ 6,  y ≤ (2.5, 4, 4)",
    dual="maximise -S₁(a) - S₂(-a)   subject to  ‖a‖ ≤ 1:   the width of the slab that a is normal to")
def polyhedra() -> Answer:
    cube = ck.ConvexSet.box(-np.ones(3), np.ones(3))
    other = ck.ConvexSet(G=[[-1.0, -1.0, -1.0]], h=[-6.0], ub=[2.5, 4.0, 4.0])
    near = ck.nearest_points(cube, other)
    plane = ck.separating_hyperplane(cube, other)
    return Answer(
        near.distance, plane.margin, near.x, {"a": plane.a},
        checks=(
            Check("squared distance", near.distance**2, 3.0, "other solver"),
            Check("x, the corner of the cube", near.x, np.ones(3)),
            Check("y", near.y, np.full(3, 2.0)),
            Check("a = (1, 1, 1)/√3", plane.a, np.full(3, 1 / np.sqrt(3))),
            Check("d*, the width of the slab", plane.margin, near.distance, "strong duality"),
            Check("multipliers prove both sides", plane.verify(cube, other), True, "support functions"),
        ),
        solved=((near.problem, near.solution),))


@chapter.case(
    "2.5.1", "C2-06", "Section 2.5.1", "Two discs and the line between them",
    statement="The nearest points of two disjoint discs; the line half-way, at right angles to their difference, "
              "separates the discs, which is how the separating hyperplane theorem is proved.",
    primal="minimise ‖x - y‖   subject to  ½(‖x‖² - 1) ≤ 0,  ½(‖y - c‖² - 4) ≤ 0,  c = (4, 3)",
    dual="maximise -S₁(a) - S₂(-a) = aᵀc - 1 - 2   subject to  ‖a‖ ≤ 1:   a = c/5")
def discs() -> Answer:
    first, second = ck.ConvexSet.ball([0.0, 0.0], 1.0), ck.ConvexSet.ball([4.0, 3.0], 2.0)
    near = ck.nearest_points(first, second)
    plane = ck.separating_hyperplane(first, second)
    return Answer(
        near.distance, plane.margin, np.concatenate([near.x, near.y]), {"a": plane.a, "λ": near.solution.lam},
        checks=(
            Check("distance 5 - 1 - 2", near.distance, 2.0),
            Check("x", near.x, [0.8, 0.6]),
            Check("y", near.y, [2.4, 1.8]),
            Check("a = c/5", plane.a, [0.8, 0.6]),
            Check("b, in the middle of the slab", plane.b, 2.0),
            Check("d*, the width of the slab", plane.margin, 2.0),
            Check("λ: y - x = λ₁x = λ₂(c - y)", near.solution.lam, [2.0, 1.0]),
            Check("multipliers prove both sides", plane.verify(first, second), True, "support functions"),
        ),
        solved=((near.problem, near.solution),))


@discs.picture("The nearest points, the slab between the two tangents, and the separating line in its middle.")
def _(axes: Any) -> None:
    from .drawing import line, segment

    first, second = ck.ConvexSet.ball([0.0, 0.0], 1.0), ck.ConvexSet.ball([4.0, 3.0], 2.0)
    plane, near = ck.separating_hyperplane(first, second), ck.nearest_points(first, second)
    t = np.linspace(0, 2 * np.pi, 200)
    axes.fill(np.cos(t), np.sin(t), alpha=0.25)
    axes.fill(4 + 2 * np.cos(t), 3 + 2 * np.sin(t), alpha=0.25)
    line(axes, plane.a, plane.b, color="k", linewidth=1.2)
    for side in (-0.5, 0.5):
        line(axes, plane.a, plane.b + side * plane.margin, color="0.6", linestyle="--", linewidth=0.8)
    segment(axes, near.x, near.y, color="k", linewidth=0.8)
    axes.plot(*np.array([near.x, near.y]).T, "ko", markersize=4)
    axes.annotate("x", near.x, near.x + [-0.35, -0.05])
    axes.annotate("y", near.y, near.y + [0.12, 0.02])
    axes.set(aspect="equal", xlim=(-1.6, 6.4), ylim=(-1.6, 5.4), xlabel="x₁", ylabel="x₂")
