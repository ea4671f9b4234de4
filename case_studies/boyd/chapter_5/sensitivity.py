"""What constraints are worth."""

from __future__ import annotations

from typing import Any

import numpy as np

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter


@chapter.case(
    "5.33", "C5-28", "Exercise 5.33", "How far a price holds",
    statement="The best ℓ₁ fit of data that move along a line: p*(ε) is convex and piecewise linear, and the dual "
              "solution at 0 gives the slope of its piece, as far as it stays feasible and optimal.",
    primal="minimise ‖Ax + b + εd‖₁",
    dual="maximise (b + εd)ᵀz   subject to  Aᵀz = 0,  ‖z‖∞ ≤ 1")
def moving_data() -> Answer:
    A = np.array([[-2.0, 7, 1], [-5, -1, 3], [-7, 3, -5], [-1, 4, -4], [1, 5, 5], [2, -5, -1]])
    b, d = np.array([-4.0, 3, 9, 0, -11, 5]), np.array([-10.0, -13, -27, -10, -7, 14])

    def fit(eps: float) -> ck.QCQP:
        c = b + eps * d
        return ck.lp(np.r_[np.zeros(3), np.ones(6)], np.block([[A, -np.eye(6)], [-A, -np.eye(6)]]), np.r_[-c, c])

    shifts = np.array([-1, -0.5, -0.2, -0.1, 0, 0.1, 0.3, 0.5, 0.75, 1.0])
    values = np.array([solved(fit(eps)).value for eps in shifts])
    problem = fit(0.0)
    solution = solved(problem)
    z = solution.lam[:6] - solution.lam[6:]
    return Answer(
        solution.value, solution.dual_value, solution.x[:3], {"z": z, "slope dᵀz": d @ z},
        checks=(
            Check("p*(ε) at ε = -1 … 1", values, [8.75, 3.625, 2.6, 3.3, 4, 4.7, 6.1, 7.5, 9.95492, 12.4098],
                  "other solver, six digits", 4e-6),
            Check("slope at 0, dᵀz", d @ z, 7.0, "differences of p*"),
            Check("p*(ε) ≥ p*(0) + ε dᵀz", values, solution.value + shifts * (d @ z), "weak duality", 1e-7, "at least"),
            Check("the piece from -0.2 to 0.5 is straight", values[2:8], 4 + 7 * shifts[2:8], "linear"),
        ),
        solved=((problem, solution),))


@moving_data.picture("p*(ε), convex and piecewise linear, with the tangent that the dual solution at ε = 0 gives.")
def _(axes: Any) -> None:
    shifts = np.array([-1, -0.5, -0.2, -0.1, 0, 0.1, 0.3, 0.5, 0.75, 1.0])
    values = moving_data.answer.checks[0].ours
    A = np.array([[-2.0, 7, 1], [-5, -1, 3], [-7, 3, -5], [-1, 4, -4], [1, 5, 5], [2, -5, -1]])
    b, d = np.array([-4.0, 3, 9, 0, -11, 5]), np.array([-10.0, -13, -27, -10, -7, 14])
    G = np.block([[A, -np.eye(6)], [-A, -np.eye(6)]])
    fine = np.linspace(-1, 1, 81)
    fits = [solved(ck.lp(np.r_[np.zeros(3), np.ones(6)], G, np.r_[-b - t * d, b + t * d])).value for t in fine]
    axes.plot(fine, fits, label="p*(ε)")
    axes.plot(shifts, values, "o", color="tab:blue", markersize=4)
    axes.plot([-0.6, 1], [4 - 4.2, 11], "--", label="p*(0) + ε dᵀz")
    axes.set(xlabel="ε", ylabel="optimal value", ylim=(0, 13))
    axes.legend(frameon=False)


@chapter.case(
    "A5.1", "C5-30", "Additional exercise 5.1", "Prices at a degenerate corner",
    statement="A quadratic program whose right-hand sides move a little. Three rows meet in the plane, so that the "
              "multipliers are not unique; each set of them predicts a value that is never above the exact one.",
    primal="minimise x₁² + 2x₂² - x₁x₂ - x₁   subject to  x₁ + 2x₂ ≤ -2 + δ₁,  x₁ - 4x₂ ≤ -3 + δ₂,  5x₁ + 76x₂ ≤ 1",
    dual="p*(δ) ≥ p*(0) - λ₁δ₁ - λ₂δ₂")
def degenerate_prices() -> Answer:
    P, q = np.array([[2.0, -1], [-1, 4]]), np.array([-1.0, 0])
    G, h = np.array([[1.0, 2], [1, -4], [5, 76]]), np.array([-2.0, -3, 1])
    problem = ck.qp(P, q, G, h)
    solution = solved(problem)
    shifts = [(i, j) for i in (0.0, -0.1, 0.1) for j in (0.0, -0.1, 0.1)]
    exact = [solved(ck.qp(P, q, G, h + np.array([i, j, 0]))).value for i, j in shifts]
    predicted = [solution.value - solution.lam[0] * i - solution.lam[1] * j for i, j in shifts]
    table = [8.222222, 8.706387, 7.98, 8.565, 8.815556, 8.318889, 8.222222, 8.706387, 7.751526]
    active = G[G @ solution.x > h - 1e-6]
    return Answer(
        solution.value, solution.dual_value, solution.x, {},
        checks=(
            Check("p*", solution.value, 74 / 9),
            Check("x", solution.x, [-7 / 3, 1 / 6]),
            Check("exact values for the nine δ", exact, table, "other solver", 1e-6),
            Check("exact values", exact, predicted, "prices: weak duality", 1e-7, "at least"),
            Check("active rows, in two variables", len(active), 3, "the corner is degenerate"),
            Check("KKT residuals of the multipliers that were found",
                  ck.kkt_residuals(problem, solution.x, solution.lam).max(), 0.0, "the KKT conditions"),
        ),
        solved=((problem, solution),),
        notes=("For δ₁ = 0.1 nothing is gained although λ₁ > 0: where multipliers are not unique, the derivative of p* "
               "to one side is not the price.",))


@degenerate_prices.picture("The feasible set, a sliver between three lines through one corner, and level curves of the "
                           "objective.")
def _(axes: Any) -> None:
    from ..pages import contours

    axes.fill([-7 / 3, -4, -4], [1 / 6, 21 / 76, -0.25], alpha=0.25, color="tab:blue")
    for ends in ((1.0, -0.25), (-0.25, 0.375), (21 / 76, 8.5 / 76)):  # x₂ of each line at x₁ = -4 and -1.5
        axes.plot([-4, -1.5], ends, color="tab:blue", linewidth=1)
    contours(axes, lambda x: float(x[0] ** 2 + 2 * x[1] ** 2 - x[0] * x[1] - x[0]), (-4, -1.5), (-0.6, 0.8),
             levels=[4, 6, 74 / 9, 11, 14], labels=True)
    axes.plot(-7 / 3, 1 / 6, "ko")
    axes.set(xlabel="x₁", ylabel="x₂", xlim=(-4, -1.5), ylim=(-0.6, 0.8))
