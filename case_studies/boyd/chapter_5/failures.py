"""Where strong duality fails, or multipliers do not exist."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np
from scipy.special import lambertw

import convexkit as ck

from ..case import Answer, Check
from .chapter import chapter


@chapter.case(
    "5.26", "C5-23", "Exercise 5.26", "Two discs that touch: no multipliers",
    statement="The feasible set is one point, where the two gradients point in opposite directions. The optimum is "
              "that point, the KKT conditions have no solution, and the dual comes as near to p* as it likes.",
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
            Check("the sum of the multipliers found is beyond 100", solution.lam.sum() > 100, True, "they diverge"),
        ),
        notes=("No point satisfies both inequalities strictly: Slater's condition fails. A solver's multipliers are "
               "then large and meaningless, and their size is the symptom.",))


@touching_discs.picture("The two discs share one point. The objective's gradient there (arrow) is no combination of "
                        "the discs' normals, which are vertical.")
def _(axes: Any) -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    for s in (1, -1):
        axes.fill(1 + np.cos(angle), s + np.sin(angle), alpha=0.25, color="tab:blue")
    for radius in (0.5, 1.0, 1.5):
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color="0.6", linewidth=0.8)
    axes.plot(1, 0, "ko")
    for dx, dy, words, shift in ((0.6, 0.0, "∇f₀", (3, -4)), (0.0, 0.6, "∇f₂", (4, -6)), (0.0, -0.6, "∇f₁", (4, -2))):
        axes.annotate("", (1 + dx, dy), (1, 0), arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0})
        axes.annotate(words, (1 + dx, dy), xytext=shift, textcoords="offset points")
    axes.set(aspect="equal", xlim=(-1.6, 2.3), ylim=(-2.1, 2.1), xlabel="x₁", ylabel="x₂")


@chapter.case(
    "5.21", "C5-20", "Exercise 5.21", "A convex problem with a duality gap",
    statement="The constraint x²/y ≤ 0 with y > 0 leaves only x = 0. The dual sees that x²/y can be made as small as "
              "one likes with x large, and stops at 0.",
    primal="minimise e⁻ˣ   subject to  x²/y ≤ u,  y > 0",
    dual="g(λ) = inf {e⁻ˣ + λx²/y : y > 0} = 0 for every λ ≥ 0:   p* = 1, d* = 0")
def gap() -> Answer:
    def limited(u: float, top: float) -> ck.Solution:
        """The problem as x² ≤ uy with y ≤ top besides, in the variables x and w = y/top: p* = exp(-√(u·top))."""
        row = ck.Quadratic(np.diag([2.0, 0]), [0, -u * top])
        return ck.minimize(lambda v: anp.exp(-v[0]), [0.0, 0.5], inequalities=[row], ub=[np.inf, 1.0],
                           tol=1e-10).require_optimal()

    def lagrangian(lam: float, top: float) -> ck.Solution:
        """inf of e⁻ˣ + λx²/y over 0 < y ≤ top: at y = top, and e⁻ˣ = 2λx/top there."""
        return ck.minimize(lambda x: anp.exp(-x[0]) + lam * x[0] ** 2 / top, [0.0], tol=1e-12).require_optimal()

    tops = np.array([1.0, 100, 1600])
    values = np.array([limited(0.01, top).value for top in tops])
    shifts = np.array([1e-1, 1e-2, 1e-3, 1e-4])
    near = [limited(u, 1.0) for u in shifts]
    heights = np.array([1.0, 1e3, 1e6, 1e9])
    infima = np.array([lagrangian(1.0, top).value for top in heights])
    x = lambertw(heights / 2).real
    return Answer(
        1.0, 0.0, None, {},
        checks=(
            Check("p*(0.01) if y ≤ 1, 100, 1600: exp(-√(0.01 y)), to 0", values, np.exp(-np.sqrt(0.01 * tops))),
            Check("p*(u) if y ≤ 1, for u = 0.1 … 10⁻⁴: exp(-√u), to p*(0) = 1", [s.value for s in near],
                  np.exp(-np.sqrt(shifts))),
            Check("its multipliers exp(-√u)/(2√u), to ∞", [s.lam[0] for s in near],
                  np.exp(-np.sqrt(shifts)) / (2 * np.sqrt(shifts)), "closed form", 1e-5),
            Check("g(1) if y ≤ 1, 10³, 10⁶, 10⁹, to d* = 0", infima, np.exp(-x) + x**2 / heights, "Lambert's W"),
        ),
        notes=("p*(u) jumps from 1 at u = 0 to 0 at every u > 0: where p* is not continuous there is no tangent, hence "
               "no multiplier. Slater's condition fails. Limits on y make the problem tame; without them the infimum "
               "is not attained.",))


@gap.picture("p*(u) for y ≤ 1, 10, 100, 1000: each curve starts at 1 with an infinite slope. Without a limit on y the "
             "curve is 0 for every u > 0, and its tangent at u = 0 does not exist.")
def _(axes: Any) -> None:
    u = np.linspace(0, 1, 400)
    for top in (1, 10, 100, 1000):
        axes.plot(u, np.exp(-np.sqrt(u * top)), label=f"y ≤ {top}")
    axes.plot(0, 1, "ko")
    axes.set(xlabel="u", ylabel="p*(u)", ylim=(-0.03, 1.05))
    axes.legend(frameon=False)


@chapter.case(
    "A5.32", "C5-38", "Additional exercise 5.32", "A second-order cone problem with a duality gap",
    statement="√(x₁² + x₂²) ≤ x₂ says x₁ = 0 and x₂ ≥ 0; the dual does not know.",
    primal="minimise x₁   subject to  √(x₁² + x₂²) ≤ x₂,  -x₁ ≤ 1",
    dual="g(λ₁, λ₂) = -λ₂ if λ₂ = 1, else -∞:   p* = 0, d* = -1")
def cone_gap() -> Answer:
    cone = ck.SecondOrderCone(np.eye(2), None, [0.0, 1.0])
    problem = ck.socp([1.0, 0.0], [cone], [[-1.0, 0.0]], [1.0])
    x = ck.solve(problem).x  # where it stops: no multipliers confirm it, and the status says so
    dual = ck.Lagrangian(problem).dual_function
    # Every (z₀, z) in the cone with z₀c + Aᵀz = (1 - λ₂)·(1, 0) has λ₂ = 1: only then is the slope zero.
    return Answer(
        0.0, -1.0, None, {},
        checks=(
            Check("g at λ₂ = 1, z = 0", dual([1.0], lam_cones=[np.zeros(3)]), -1.0, "by hand"),
            Check("g at λ₂ = 0.5, z = 0", dual([0.5], lam_cones=[np.zeros(3)]), -np.inf, "by hand"),
            Check("g at λ₂ = 1, z = (1, 0, -1)", dual([1.0], lam_cones=[np.array([1.0, 0.0, -1.0])]), -1.0, "by hand"),
            Check("where `ck.solve` stops, -1 ≤ x₁ ≤ 0", -1 - 1e-6 <= x[0] <= 1e-6, True, "weak duality"),
            Check("and the cone holds to 1e-5", ck.kkt_residuals(problem, x).primal <= 1e-5, True, "evidence"),
        ),
        notes=("For every ε > 0 the cone widened by ε contains points with x₁ = -1 (x₂ large enough), so that a solver "
               "with any tolerance may stop anywhere between -1 and 0, and no multipliers confirm its point: only the "
               "gap between p* and d* shows what is wrong.",))
