"""Hyperplanes, halfspaces and what they enclose."""

from __future__ import annotations

from typing import Any

import numpy as np

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter


@chapter.case(
    "2.5", "C2-01", "Exercise 2.5", "The distance of two parallel hyperplanes",
    statement="How far apart are aᵀx = 3 and aᵀx = 12 for a = (1, 2, 2)? No pair of nearest points is special; their "
              "difference is.",
    primal="minimise ½‖x - y‖²   subject to  aᵀx = b₁,  aᵀy = b₂",
    dual="maximise g(ν) = ν(b₂ - b₁) - ½ν²‖a‖²:   largest at ν = (b₂ - b₁)/‖a‖²")
def parallel() -> Answer:
    a, b = np.array([1.0, 2.0, 2.0]), np.array([3.0, 12.0])
    near = ck.nearest_points(ck.ConvexSet.hyperplane(a, b[0]), ck.ConvexSet.hyperplane(a, b[1]))
    plane = ck.separating_hyperplane(ck.ConvexSet.hyperplane(a, b[0]), ck.ConvexSet.hyperplane(a, b[1]))
    nu = (b[1] - b[0]) / (a @ a)
    return Answer(
        near.solution.value, nu * (b[1] - b[0]) - 0.5 * nu**2 * a @ a, None, {"ν": near.solution.nu},
        checks=(
            Check("distance |b₁ - b₂|/‖a‖", near.distance, 3.0),
            Check("squared distance", near.distance**2, 9.0, "other solver"),
            Check("y - x", near.y - near.x, 3 * a / np.linalg.norm(a)),
            Check("ν = ±(b₂ - b₁)/‖a‖²", near.solution.nu, [nu, -nu]),
            Check("d* = g(ν)", nu * (b[1] - b[0]) - 0.5 * nu**2 * a @ a, near.solution.value, "strong duality"),
            Check("the hyperplane between them", np.append(plane.a, plane.b), np.append(a / 3, 2.5)),
        ),
        solved=((near.problem, near.solution),))


@chapter.case(
    "2.7", "C2-03", "Exercise 2.7", "Nearer to a than to b",
    statement="The points at least as near to a = (1, 0, 2) as to b = (3, 4, 0) form a halfspace: in ‖x - a‖² ≤ ‖x - "
              "b‖² the squares of x cancel. How far can one go in it in the direction of b - a?",
    primal="minimise -cᵀx  subject to  cᵀx ≤ d, |xᵢ| ≤ 5,   c = 2(b - a),  d = ‖b‖² - ‖a‖²",
    dual="maximise -dλ - 5‖(1 - λ)c‖₁   subject to  λ ≥ 0:   λ = 1, the normal is the objective")
def nearer() -> Answer:
    a, b = np.array([1.0, 0.0, 2.0]), np.array([3.0, 4.0, 0.0])
    # ‖x - a‖² - ‖x - b‖² as a difference of two quadratics, whose P is zero.
    gap = ck.weighted_sum([1.0, -1.0], [ck.Quadratic(2 * np.eye(3), -2 * v, v @ v) for v in (a, b)])
    c, d = gap.q, -gap.r
    C = ck.ConvexSet.halfspace(c, d)
    problem = ck.lp(-c, c[None], [d], lb=-5.0, ub=5.0)
    solution = solved(problem)
    draws = 4 * np.random.default_rng(27).standard_normal((1000, 3))
    nearer_to_a = np.linalg.norm(draws - a, axis=1) <= np.linalg.norm(draws - b, axis=1)
    middle = ck.supporting_hyperplane(C, (a + b) / 2)
    return Answer(
        solution.value, solution.dual_value, None, {"λ": solution.lam},
        checks=(
            Check("P", gap.hessian(), np.zeros((3, 3))),
            Check("c = 2(b - a)", c, [4.0, 8.0, -4.0]),
            Check("d = ‖b‖² - ‖a‖²", d, 20.0),
            Check("largest cᵀx", -solution.value, 20.0),
            Check("λ", solution.lam, [1.0]),
            Check("of 1000 points, in the halfspace just where nearer to a",
                  int(((draws @ c <= d) == nearer_to_a).sum()), 1000, "distances", 0.0),
            Check("projection of b", ck.project(b, C).x, (a + b) / 2, "the midpoint"),
            Check("normal at the midpoint", middle.a, (b - a) / np.linalg.norm(b - a)),
        ),
        solved=((problem, solution),))


@chapter.case(
    "2.9", "C2-04", "Exercise 2.9 and section 4.3.1", "The largest disc in a Voronoi cell",
    statement="The cell of x₀ = 0 are the points nearer to it than to five others: five halfspaces. A disc is inside a "
              "halfspace aᵀx ≤ b where its centre keeps a distance of r‖a‖: the largest one comes from a linear "
              "program.",
    primal="maximise r   subject to  aᵢᵀx + ‖aᵢ‖r ≤ bᵢ,   aᵢ = 2xᵢ,  bᵢ = ‖xᵢ‖²",
    dual="minimise bᵀλ   subject to  Aᵀλ = 0,  Σ λᵢ‖aᵢ‖ = 1,  λ ≥ 0")
def voronoi() -> Answer:
    others = np.array([[2.0, 0.0], [0.0, 3.0], [-2.0, 1.0], [-1.0, -2.0], [2.0, -2.0]])
    A, b = 2 * others, np.sum(others**2, axis=1)
    sizes = np.linalg.norm(A, axis=1)
    problem = ck.lp([0.0, 0.0, -1.0], np.c_[A, sizes], b)
    solution = solved(problem)
    dual = ck.lp(b, A=np.vstack([A.T, sizes]), b=[0.0, 0.0, 1.0], lb=0.0)
    other = solved(dual)
    centre, r = solution.x[:2], solution.x[2]
    cell = ck.ConvexSet(G=A, h=b)
    walls = [ck.nearest_points(ck.ConvexSet.ball(centre, 0.0), ck.ConvexSet.hyperplane(a, t)).distance
             for a, t in zip(A, b, strict=True)]
    return Answer(
        r, other.value, centre, {"λ": solution.lam},
        checks=(
            Check("r", r, 1.0676275, "other solver", 1e-7),
            Check("centre", centre, [-0.0676275, -0.0225425], "other solver", 1e-6),
            Check("r, by the dual as a problem of its own", other.value, r, "strong duality"),
            Check("distances of the centre to the walls", np.sort(walls)[:3], np.full(3, r), "three walls are touched"),
            Check("the centre is in the cell", cell.contains(centre), True, "the halfspaces"),
        ),
        solved=((problem, solution), (dual, other)))


@voronoi.picture("The cell of the origin among five other points, and the largest disc in it, which touches three "
                 "walls. Its centre is not the origin.")
def _(axes: Any) -> None:
    others = np.array([[2.0, 0.0], [0.0, 3.0], [-2.0, 1.0], [-1.0, -2.0], [2.0, -2.0]])
    A, b = 2 * others, np.sum(others**2, axis=1)
    u, v = np.meshgrid(np.linspace(-2.6, 2.6, 300), np.linspace(-2.6, 3.4, 300))
    excess = np.max(np.stack([u, v], axis=-1) @ A.T - b, axis=-1)
    axes.contourf(u, v, excess, levels=[-1e3, 0], colors=["tab:blue"], alpha=0.25)
    axes.contour(u, v, excess, levels=[0], colors=["tab:blue"], linewidths=1.2)
    t = np.linspace(0, 2 * np.pi, 200)
    axes.plot(-0.0676275 + 1.0676275 * np.cos(t), -0.0225425 + 1.0676275 * np.sin(t), color="k", linewidth=1)
    axes.plot(-0.0676275, -0.0225425, "k+")
    axes.plot(0, 0, "o", color="tab:blue")
    axes.plot(*others.T, "s", color="tab:gray", markersize=5)
    axes.set(aspect="equal", xlabel="x₁", ylabel="x₂")
