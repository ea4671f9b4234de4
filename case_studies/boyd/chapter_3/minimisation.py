"""Convexity through minimisation: over some variables, over all of them, and over a sum."""

from __future__ import annotations

from typing import Any

import numpy as np

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter


@chapter.case(
    "3.2.5", "C3-14", "Section 3.2.5 and Appendix A.5.5", "Minimising a quadratic over some of its variables",
    statement="Minimise xᵀAx + 2xᵀBy + yᵀCy over y with x held at (1, -1). What is left is a quadratic in x with the "
              "Schur complement A - BC⁻¹Bᵀ for its matrix, and is convex again.",
    primal="minimise xᵀAx + 2xᵀBy + yᵀCy   subject to  x = x₀",
    dual="the multiplier of x = x₀ is minus the slope there, ν = -2(A - BC⁻¹Bᵀ)x₀")
def partial() -> Answer:
    A, B = np.array([[4.0, 1], [1, 3]]), np.array([[1.0, 0], [2, 1]])
    C, x0 = np.array([[3.0, 1], [1, 2]]), np.array([1.0, -1.0])
    P = 2 * np.block([[A, B], [B.T, C]])

    def least(x: np.ndarray) -> ck.Solution:
        return solved(ck.qp(P, np.zeros(4), A=np.eye(2, 4), b=x))

    problem = ck.qp(P, np.zeros(4), A=np.eye(2, 4), b=x0)
    solution = solved(problem)
    schur = A - B @ np.linalg.solve(C, B.T)
    xs = np.random.default_rng(32).standard_normal((8, 2))
    return Answer(
        solution.value, solution.dual_value, solution.x, {"ν": solution.nu},
        checks=(
            Check("p* = x₀ᵀ(A - BC⁻¹Bᵀ)x₀", solution.value, x0 @ schur @ x0),
            Check("p*", solution.value, 4.4, "other solver"),
            Check("y = -C⁻¹Bᵀx₀", solution.x[2:], -np.linalg.solve(C, B.T @ x0)),
            Check("ν", solution.nu, -2 * schur @ x0),
            Check("at eight other x", [least(x).value for x in xs], [x @ schur @ x for x in xs]),
            Check("smallest eigenvalue of the Schur complement", np.linalg.eigvalsh(schur)[0], 0.0, "convexity", 0.0,
                  "at least"),
        ),
        solved=((problem, solution),))


@chapter.case(
    "E3.9", "C3-16", "Example 3.9", "The least-squares cost as a function of the weights",
    statement="The smallest weighted sum of squared residuals, g(w) = min over x of Σ wᵢ(aᵢᵀx - bᵢ)², is a minimum of "
              "functions that are linear in w, hence concave. The squared residuals at the minimum are a "
              "supergradient.",
    primal="minimise Σ wᵢ(aᵢᵀx - bᵢ)²",
    dual="g(w') ≤ g(w) + Σ (w'ᵢ - wᵢ)(aᵢᵀx(w) - bᵢ)²  for all w'")
def weights() -> Answer:
    A, b = np.array([[1.0, 0], [0, 1], [1, 1], [1, -1]]), np.array([1.0, 2, 2, 0])

    def fit(w: np.ndarray) -> tuple[ck.QCQP, ck.Solution]:
        problem = ck.qp(2 * A.T @ (w[:, None] * A), -2 * A.T @ (w * b), r=w @ b**2)
        return problem, solved(problem)

    w, v = np.ones(4), np.array([2.0, 0.5, 1.0, 3.0])
    pairs = [fit(w), fit(v), fit((w + v) / 2)]
    values = np.array([solution.value for _, solution in pairs])
    draws = np.random.default_rng(39).uniform(0.1, 4, (20, 4))
    g = np.array([fit(draw)[1].value for draw in draws])
    tangent = values[0] + (draws - w) @ (A @ pairs[0][1].x - b) ** 2
    return Answer(
        values[0], None, pairs[0][1].x, {"squared residuals": (A @ pairs[0][1].x - b) ** 2},
        checks=(
            Check("g at w, v and halfway", values, [0.66666667, 0.43478261, 0.59055118], "other solver"),
            Check("g(w)", values[0], np.linalg.lstsq(A, b)[1][0], "LAPACK"),
            Check("halfway, above the mean", values[2], values[:2].mean(), "concavity", 0.0, "at least"),
            Check("largest g - tangent at 20 draws", (g - tangent).max(), 0.0, "supergradient", 1e-8, "at most"),
        ),
        solved=tuple(pairs))


@weights.picture("g along the line through the two weightings, with the tangent of squared residuals halfway: "
                 "concave, and below its tangents.")
def _(axes: Any) -> None:
    A, b = np.array([[1.0, 0], [0, 1], [1, 1], [1, -1]]), np.array([1.0, 2, 2, 0])
    w, v, ts = np.ones(4), np.array([2.0, 0.5, 1.0, 3.0]), np.linspace(-0.4, 1.6, 120)

    def g(u: np.ndarray) -> float:
        x = np.linalg.solve(A.T @ (u[:, None] * A), A.T @ (u * b))
        return float(u @ (A @ x - b) ** 2)

    half = (w + v) / 2
    squares = (A @ np.linalg.solve(A.T @ (half[:, None] * A), A.T @ (half * b)) - b) ** 2
    axes.plot(ts, [g(w + t * (v - w)) for t in ts], label="g(w + t(v - w))")
    axes.plot(ts, g(half) + (ts - 0.5) * ((v - w) @ squares), "--", label="tangent halfway")
    axes.plot([0, 0.5, 1], [g(w), g((w + v) / 2), g(v)], "ko", markersize=4)
    axes.plot([0, 1], [g(w), g(v)], color="0.6", linewidth=0.8)
    axes.set(xlabel="t")
    axes.legend(frameon=False)


@chapter.case(
    "3.19", "C3-17", "Exercise 3.19", "The sum of the r largest entries",
    statement="The sum of the three largest of eight numbers is a maximum over 56 subsets; as a linear program it "
              "takes eight variables, and its dual one bound and eight excesses.",
    primal="maximise xᵀy   subject to  0 ≤ y ≤ 1,  1ᵀy = r",
    dual="minimise rt + Σ uᵢ   subject to  t + uᵢ ≥ xᵢ,  u ≥ 0")
def largest() -> Answer:
    x, r = np.array([3.0, -1, 4, 1, 5, -9, 2, 6]), 3
    problem = ck.lp(-x, A=np.ones((1, 8)), b=[r], lb=0.0, ub=1.0)
    solution = solved(problem)
    dual = ck.lp(np.r_[r, np.ones(8)], np.c_[-np.ones(8), -np.eye(8)], -x, lb=np.r_[-np.inf, np.zeros(8)])
    other = solved(dual)
    # The same number as a support function: of the set of y.
    found = ck.support_function(ck.ConvexSet(lb=np.zeros(8), ub=1.0, A=np.ones((1, 8)), b=[float(r)]), x)
    return Answer(
        -solution.value, other.value, solution.x, {},
        checks=(
            Check("6 + 5 + 4", -solution.value, np.sort(x)[-r:].sum()),
            Check("y", solution.x, [0, 0, 1, 0, 1, 0, 0, 1]),
            Check("value of the dual, solved as a problem of its own", other.value, 15.0),
            Check("its multipliers", other.lam, solution.x, "the primal's solution"),
            Check("rt + Σ (xᵢ - t)₊ at its t", r * other.x[0] + np.maximum(x - other.x[0], 0).sum(), 15.0),
            Check("the support function of the y", found.value, 15.0),
            Check("what its multipliers prove", found.bound, 15.0),
        ),
        solved=((problem, solution), (dual, other)),
        notes=("The threshold t may be anything between the third and the fourth largest entry: the multiplier of "
               "1ᵀy = r is not unique.",))


@largest.picture("The dual as a function of t alone, rt + Σ (xᵢ - t)₊: convex, and smallest between the fourth and the "
                 "third largest entry.")
def _(axes: Any) -> None:
    x, t = np.array([3.0, -1, 4, 1, 5, -9, 2, 6]), np.linspace(-2, 8, 300)
    axes.plot(t, 3 * t + np.maximum(x[:, None] - t, 0).sum(axis=0))
    axes.axhline(15, color="0.6", linestyle="--", linewidth=0.8)
    axes.plot([3, 4], [15, 15], color="k", linewidth=3)
    axes.set(xlabel="t", ylabel="rt + Σ (xᵢ - t)₊")
