"""Where strong duality fails, or multipliers do not exist."""

from __future__ import annotations

from typing import Any

import numpy as np

import convexkit as ck

from ..case import Answer, Check
from .chapter import chapter


@chapter.case(
    "5.26", "C5-23", "Exercise 5.26", "Two discs that touch: no multipliers",
    statement="The feasible set is one point, where the two gradients point in opposite directions. The optimum is that "
              "point, the KKT conditions have no solution, and the dual comes as near to p* as it likes.",
    primal="minimise x₁² + x₂²   subject to  (x₁ - 1)² + (x₂ - 1)² ≤ 1,  (x₁ - 1)² + (x₂ + 1)² ≤ 1",
    dual="g(λ, λ) = 2λ/(2λ + 1) → 1 as λ → ∞: d* = 1 is not attained")
def touching_discs() -> Answer:
    discs = [ck.Quadratic(2 * np.eye(2), [-2.0, -2 * s], 1.0) for s in (1.0, -1.0)]
    problem = ck.QCQP(ck.Quadratic(2 * np.eye(2), np.zeros(2)), discs)
    solution = ck.solve(problem)
    dual = ck.Lagrangian(problem).dual_function
    lams = 10.0 ** np.arange(0, 7)
    values = np.array([dual([t, t]) for t in lams])
    return Answer(
        1.0, float(values[-1]), solution.x, {},
        checks=(
            Check("status is optimal_inaccurate", solution.status == ck.Status.OPTIMAL_INACCURATE
                  or solution.success, True, "no exact answer exists"),
            Check("x", solution.x, [1.0, 0.0], "closed form", 1e-3),
            Check("g(λ, λ) for λ = 1, 10, …, 10⁶", values, 2 * lams / (2 * lams + 1)),
            Check("d*", values, np.ones(7), "weak duality", 1e-12, "at most"),
            Check("the sum of the multipliers found grows beyond", solution.lam.sum(), 1e2, "they diverge", 0.0,
                  "at least"),
        ),
        notes=("No point satisfies both inequalities strictly: Slater's condition fails. A solver's multipliers are "
               "then large and meaningless, and their size is the symptom.",))


@touching_discs.picture("The two discs share one point. The objective's gradient there (arrow) is no combination of the "
                        "discs' normals, which are vertical.")
def _(axes: Any) -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    for s in (1, -1):
        axes.fill(1 + np.cos(angle), s + np.sin(angle), alpha=0.25, color="tab:blue")
    for radius in (0.5, 1.0, 1.5):
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color="0.6", linewidth=0.8)
    axes.plot(1, 0, "ko")
    for dx, dy in ((0.5, 0.0), (0.0, 0.5), (0.0, -0.5)):
        axes.annotate("", (1 + dx, dy), (1, 0), arrowprops={"arrowstyle": "->"})
    axes.set(aspect="equal", xlim=(-1.6, 2.3), ylim=(-2.1, 2.1), xlabel="x₁", ylabel="x₂")


@chapter.case(
    "5.21", "C5-20", "Exercise 5.21", "A convex problem with a duality gap",
    statement="The constraint x²/y ≤ 0 with y > 0 leaves only x = 0. The dual sees that x²/y can be made as small as one "
              "likes with x large, and stops at 0.",
    primal="minimise e⁻ˣ   subject to  x²/y ≤ u,  y > 0",
    dual="g(λ) = inf {e⁻ˣ + λx²/y : y > 0} = 0 for every λ ≥ 0:   p* = 1, d* = 0")
def gap() -> Answer:
    lams = np.array([0.0, 1.0, 100.0, 1e4])
    # Along y = x⁴ the Lagrangian is e⁻ˣ + λ/x², which falls to 0.
    along = np.array([[np.exp(-x) + t * x**2 / x**4 for x in (1e1, 1e4, 1e7)] for t in lams])
    # For u > 0 the point x = s, y = s²/u is feasible for every s.
    u, s = 1e-2, np.array([0.0, 5.0, 20.0])
    points = np.stack([s, np.maximum(s**2 / u, 1.0)])
    return Answer(
        1.0, 0.0, None, {},
        checks=(
            Check("inf of L for λ = 0, 1, 100, 10⁴, approached along y = x⁴", along[:, -1], np.zeros(4), "by hand"),
            Check("p*(0) = e⁰, the only feasible x", float(np.exp(-0.0)), 1.0, "by hand"),
            Check("feasible points for u = 0.01: x²/y", points[0] ** 2 / points[1], np.full(3, u), "by hand", 1e-12,
                  "at most"),
            Check("the last of their values, so that p*(0.01) = 0", np.exp(-points[0])[-1], 0.0, "by hand"),
        ),
        notes=("p*(u) jumps from 1 at u = 0 to 0 at every u > 0: where p* is not continuous there is no tangent, hence "
               "no multiplier. Slater's condition fails.",))


@chapter.case(
    "A5.32", "C5-38", "Additional exercise 5.32", "A second-order cone problem with a duality gap",
    statement="√(x₁² + x₂²) ≤ x₂ says x₁ = 0 and x₂ ≥ 0; the dual does not know.",
    primal="minimise x₁   subject to  √(x₁² + x₂²) ≤ x₂,  -x₁ ≤ 1",
    dual="g(λ₁, λ₂) = -λ₂ if λ₂ = 1, else -∞:   p* = 0, d* = -1")
def cone_gap() -> Answer:
    cone = ck.SecondOrderCone(np.eye(2), None, [0.0, 1.0])
    problem = ck.socp([1.0, 0.0], [cone], [[-1.0, 0.0]], [1.0])
    solution = ck.solve(problem)
    dual = ck.Lagrangian(problem).dual_function
    # Every (z₀, z) in the cone with z₀c + Aᵀz = (1 - λ₂)·(1, 0) has λ₂ = 1: only then is the slope zero.
    return Answer(
        0.0, -1.0, None, {},
        checks=(
            Check("g at λ₂ = 1, z = 0", dual([1.0], lam_cones=[np.zeros(3)]), -1.0, "by hand"),
            Check("g at λ₂ = 0.5, z = 0", dual([0.5], lam_cones=[np.zeros(3)]), -np.inf, "by hand"),
            Check("g at λ₂ = 1, z = (1, 0, -1)", dual([1.0], lam_cones=[np.array([1.0, 0.0, -1.0])]), -1.0, "by hand"),
            Check("the solver's value, somewhere in the gap, not below d*", solution.value if np.isfinite(
                solution.value) else -1.0, -1.0, "weak duality", 1e-6, "at least"),
            Check("violation of the cone at the solver's point, relative", ck.kkt_residuals(
                problem, solution.x).primal if np.isfinite(solution.x).all() else 0.0, 0.0, "tolerance", 1e-5,
                "at most"),
        ),
        notes=(f"Asked for this problem, `ck.solve` ends with status {solution.status}. For every ε > 0 the cone widened "
               "by ε contains points with x₁ = -1 (x₂ large enough), so that a solver with any tolerance may land "
               "anywhere between -1 and 0: only the gap between p* and d* shows that something is wrong.",))
