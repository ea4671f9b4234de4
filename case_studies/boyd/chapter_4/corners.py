"""One feasible set, five objectives."""

from __future__ import annotations

from typing import Any

import numpy as np

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter

SET = "2x₁ + x₂ ≥ 1,  x₁ + 3x₂ ≥ 1,  x ≥ 0"


def feasible_set(axes: Any, objective: Any, levels: list[float]) -> None:
    """The feasible set of exercise 4.1, level curves of an objective, and labels."""
    from ..pages import contours

    axes.fill([0, 0, 0.4, 1, 2.2, 2.2], [2.2, 1, 0.2, 0, 0, 2.2], alpha=0.2, color="tab:blue")
    axes.plot([0, 0, 0.4, 1, 2.2], [2.2, 1, 0.2, 0, 0], color="tab:blue")
    contours(axes, objective, (-0.1, 1.6), (-0.1, 1.6), levels=levels, labels=True)
    ticks = [0, 0.5, 1, 1.5]
    axes.set(xticks=ticks, yticks=ticks)
    axes.set(aspect="equal", xlim=(-0.1, 1.6), ylim=(-0.1, 1.6), xlabel="x₁", ylabel="x₂")


@chapter.case(
    "4.1a", "C4-01a", "Exercise 4.1 (a)", "The sum of the variables",
    statement="A polyhedron with three corners and no upper limit. The smallest x₁ + x₂ is attained at one corner, and "
              "both rows have a price there.",
    primal=f"minimise x₁ + x₂   subject to  {SET}",
    dual="maximise λ₁ + λ₂   subject to  2λ₁ + λ₂ ≤ 1,  λ₁ + 3λ₂ ≤ 1,  λ ≥ 0")
def smallest_sum() -> Answer:
    G, h = np.array([[-2.0, -1], [-1, -3]]), np.array([-1.0, -1])
    problem = ck.lp([1.0, 1], G, h, lb=0.0)
    solution = solved(problem)
    dual = ck.lp(h, -G.T, [1.0, 1], lb=0.0)
    prices = solved(dual)
    return Answer(
        solution.value, solution.dual_value, solution.x, {"λ": solution.lam},
        checks=(
            Check("p*", solution.value, 3 / 5),
            Check("x", solution.x, [2 / 5, 1 / 5]),
            Check("λ", solution.lam, [2 / 5, 1 / 5]),
            Check("d*, solved as a problem of its own", -prices.value, 3 / 5),
            Check("its solution", prices.x, [2 / 5, 1 / 5]),
        ),
        solved=((problem, solution), (dual, prices)))


@smallest_sum.picture("The feasible set and level lines of x₁ + x₂. The lowest line that meets the set does so in the "
                      "corner x = (2/5, 1/5).")
def _(axes: Any) -> None:
    feasible_set(axes, lambda x: x[0] + x[1], [0.3, 0.6, 1.0, 1.4, 1.8])
    axes.plot(*smallest_sum.answer.x, "ko")
    axes.annotate("x", smallest_sum.answer.x, xytext=(7, 5), textcoords="offset points")


@chapter.case(
    "4.1b", "C4-01b", "Exercise 4.1 (b)", "An objective without a bound",
    statement="The set reaches to infinity, and so does the objective. The dual, accordingly, has no feasible point.",
    primal=f"minimise -x₁ - x₂   subject to  {SET}",
    dual="maximise λ₁ + λ₂   subject to  2λ₁ + λ₂ ≤ -1,  λ₁ + 3λ₂ ≤ -1,  λ ≥ 0")
def no_bound() -> Answer:
    G, h = np.array([[-2.0, -1], [-1, -3]]), np.array([-1.0, -1])
    problem = ck.lp([-1.0, -1], G, h, lb=0.0)
    solution: Any = ck.solve(problem)
    dual = ck.lp(h, -G.T, [-1.0, -1], lb=0.0)
    other = ck.solve(dual)
    ray = solution.certificate.direction
    return Answer(
        solution.value, -other.value, None, {},
        checks=(
            Check("p*", solution.value, -np.inf),
            Check("d*", -other.value, -np.inf),
            Check("d stays in the set: Gd ≤ 0, d ≥ 0", (G @ ray).max() <= 0 <= ray.min(), True, "by hand"),
            Check("the objective falls along d", -ray.sum() < 0, True, "by hand"),
        ),
        solved=((problem, solution), (dual, other)),
        notes=("Two certificates stand for the two halves of the claim: a feasible point with a direction that never "
               "leaves the set and always falls, and a combination of the dual's rows that contradicts itself.",))


@chapter.case(
    "4.1c", "C4-01c", "Exercise 4.1 (c)", "Many solutions",
    statement="x₁ alone: its smallest value 0 is attained on a whole half-line. What a solver returns is one point of "
              "it.",
    primal=f"minimise x₁   subject to  {SET}",
    dual="maximise λ₁ + λ₂   subject to  2λ₁ + λ₂ ≤ 1,  λ₁ + 3λ₂ ≤ 0,  λ ≥ 0:   λ = 0 is the only feasible point")
def many_solutions() -> Answer:
    G, h = np.array([[-2.0, -1], [-1, -3]]), np.array([-1.0, -1])
    problem = ck.lp([1.0, 0], G, h, lb=0.0)
    solution = solved(problem)
    # How far does the set of solutions reach? Minimise and maximise x₂ where x₁ = 0.
    lowest = ck.lp([0.0, 1], G, h, lb=0.0, ub=[0.0, np.inf])
    highest = ck.lp([0.0, -1], G, h, lb=0.0, ub=[0.0, np.inf])
    end, none = solved(lowest), ck.solve(highest)
    return Answer(
        solution.value, solution.dual_value, None, {"λ": solution.lam, "λ of x ≥ 0": solution.lam_lb},
        checks=(
            Check("p*", solution.value, 0.0),
            Check("x₁", solution.x[0], 0.0),
            Check("x₂ is at least 1", solution.x[1] >= 1 - 1e-8, True),
            Check("λ", solution.lam, [0.0, 0.0]),
            Check("λ of x ≥ 0", solution.lam_lb, [1.0, 0.0]),
            Check("smallest x₂ among the solutions", end.value, 1.0),
            Check("largest x₂", -none.value, np.inf),
        ),
        solved=((problem, solution), (lowest, end), (highest, none)),
        notes=("The multipliers are unique although the point is not.",))


@many_solutions.picture("Every point of the thick half-line is optimal.")
def _(axes: Any) -> None:
    feasible_set(axes, lambda x: x[0], [0.3, 0.6, 0.9, 1.2])
    axes.plot([0, 0], [1, 1.6], color="k", linewidth=4, solid_capstyle="butt")
    axes.plot(0, 1, "ko")
    axes.annotate("solutions", (0, 1.3), xytext=(10, 0), textcoords="offset points")


@chapter.case(
    "4.1d", "C4-01d", "Exercise 4.1 (d)", "The larger of the two variables",
    statement="The maximum of two functions is not differentiable, but in epigraph form it is a linear program. The "
              "multipliers of the two new rows are the weights of a subgradient.",
    primal=f"minimise t   subject to  x₁ ≤ t,  x₂ ≤ t,  {SET}",
    dual="maximise λ₁ + λ₂   subject to  2λ₁ + λ₂ ≤ μ₁,  λ₁ + 3λ₂ ≤ μ₂,  μ₁ + μ₂ = 1,  λ, μ ≥ 0")
def smallest_maximum() -> Answer:
    G = np.array([[1.0, 0, -1], [0, 1, -1], [-2, -1, 0], [-1, -3, 0]])
    problem = ck.lp([0.0, 0, 1], G, [0.0, 0, -1, -1], lb=[0.0, 0, -np.inf])
    solution = solved(problem)
    return Answer(
        solution.value, solution.dual_value, solution.x[:2], {"μ": solution.lam[:2], "λ": solution.lam[2:]},
        checks=(
            Check("p*", solution.value, 1 / 3),
            Check("x", solution.x[:2], [1 / 3, 1 / 3]),
            Check("λ", solution.lam[2:], [1 / 3, 0.0]),
            Check("μ, the weights", solution.lam[:2], [2 / 3, 1 / 3]),
        ),
        solved=((problem, solution),))


@smallest_maximum.picture("Level curves of max(x₁, x₂) are corners on the diagonal. The optimum lies on an edge of the "
                          "set, not in one of its corners.")
def _(axes: Any) -> None:
    feasible_set(axes, lambda x: max(x[0], x[1]), [1 / 6, 1 / 3, 0.6, 0.9, 1.2])
    axes.plot(*smallest_maximum.answer.x, "ko")
    axes.annotate("x", smallest_maximum.answer.x, xytext=(7, 5), textcoords="offset points")


@chapter.case(
    "4.1e", "C4-01e", "Exercise 4.1 (e)", "A quadratic",
    statement="A quadratic program over the same set: the optimum lies within an edge, where the ellipse touches it.",
    primal=f"minimise x₁² + 9x₂²   subject to  {SET}",
    dual="L's slope: 2x₁ = 2λ₁ + λ₂,  18x₂ = λ₁ + 3λ₂, and\n"
         "maximise λ₁ + λ₂ - (2λ₁ + λ₂)²/4 - (λ₁ + 3λ₂)²/36   subject to  λ ≥ 0")
def touching_ellipse() -> Answer:
    problem = ck.qp(np.diag([2.0, 18]), np.zeros(2), [[-2.0, -1], [-1, -3]], [-1.0, -1], lb=0.0)
    solution = solved(problem)
    a, b = solution.lam
    return Answer(
        solution.value, solution.dual_value, solution.x, {"λ": solution.lam},
        checks=(
            Check("p*", solution.value, 1 / 2),
            Check("x", solution.x, [1 / 2, 1 / 6]),
            Check("λ", solution.lam, [0.0, 1.0]),
            Check("the dual's value at λ", a + b - (2 * a + b) ** 2 / 4 - (a + 3 * b) ** 2 / 36, 1 / 2),
        ),
        solved=((problem, solution),))


@touching_ellipse.picture("Level curves of x₁² + 9x₂² are ellipses; the one of value 1/2 touches the edge x₁ + 3x₂ = "
                          "1.")
def _(axes: Any) -> None:
    feasible_set(axes, lambda x: x[0] ** 2 + 9 * x[1] ** 2, [0.2, 0.5, 1.0, 2.0, 4.0])
    axes.plot(*touching_ellipse.answer.x, "ko")
    axes.annotate("x", touching_ellipse.answer.x, xytext=(5, 7), textcoords="offset points")
