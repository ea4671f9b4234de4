"""Logarithms and determinants, by `ck.minimize`."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np

import convexkit as ck

from ..case import Answer, Check
from ..oracle import best_effort
from .chapter import chapter


@chapter.case(
    "4.47", "C4-31", "Exercise 4.47", "The completion with the largest determinant",
    statement="Of a symmetric 4 × 4 matrix seven entries are given and three are free. The completion of largest "
              "determinant has zeros in its inverse where entries were free. Here the given entries form a tree, "
              "1-2, 1-4 and 2-3, and everything has a closed form: along a path, correlations multiply.",
    primal="minimise -log det X   subject to  X₁₁ = 3, X₂₂ = 2, X₃₃ = 1, X₄₄ = 5, X₁₂ = 1/2, X₁₄ = 1/4, X₂₃ = 3/4",
    dual="maximise log det Z - tr ZA + 4   over Z ≻ 0 with zeros at the free entries;   Z = X⁻¹")
def completion() -> Answer:
    given = np.array([[3, 0.5, 0, 0.25], [0.5, 2, 0.75, 0], [0, 0.75, 1, 0], [0.25, 0, 0, 5]])
    free = [(0, 2), (1, 3), (2, 3)]
    directions = np.zeros((3, 4, 4))
    for k, (i, j) in enumerate(free):
        directions[k, i, j] = directions[k, j, i] = 1.0

    def f(x: Any) -> Any:
        """-log det as the sum over pivots of Gaussian elimination: each is positive, or X is not positive definite."""
        X = given + anp.tensordot(x, directions, 1)
        pivots = [X[0, 0]] + [X[k, k] - X[k, :k] @ anp.linalg.solve(X[:k, :k], X[:k, k]) for k in (1, 2, 3)]
        return -sum(anp.log(p) for p in pivots)

    solution = ck.minimize(f, np.zeros(3), tol=1e-10).require_optimal()
    X = given + np.tensordot(solution.x, directions, 1)
    Z = np.linalg.inv(X)
    Z_dual = Z.copy()
    for i, j in free:
        Z_dual[i, j] = Z_dual[j, i] = 0.0
    bound = np.linalg.slogdet(Z_dual)[1] - np.trace(Z_dual @ given) + 4
    along_paths = [0.5 * 0.75 / 2, 0.5 * 0.25 / 3, 0.75 * 0.5 * 0.25 / (2 * 3)]
    determinant = 3 * 2 * 1 * 5 * (1 - 0.5**2 / 6) * (1 - 0.25**2 / 15) * (1 - 0.75**2 / 2)
    return Answer(
        solution.value, bound, solution.x, {"Z₁₁, Z₂₂, Z₃₃, Z₄₄": np.diag(Z)},
        checks=(
            Check("free entries X₁₃, X₂₄, X₃₄", solution.x, along_paths),
            Check("det X", np.linalg.det(X), determinant),
            Check("log det X", -solution.value, 3.0242207, "other solver", 1e-7),
            Check("X⁻¹ at the free entries", [Z[i, j] for i, j in free], np.zeros(3), "optimality"),
            Check("d*, from Z with those entries set to 0", bound, solution.value, "strong duality"),
        ))


@completion.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    X: Any = cp.Variable((4, 4), symmetric=True)
    given = {(0, 0): 3, (1, 1): 2, (2, 2): 1, (3, 3): 5, (0, 1): 0.5, (0, 3): 0.25, (1, 2): 0.75}
    problem = cp.Problem(cp.Maximize(cp.log_det(X)), [X[i, j] == value for (i, j), value in given.items()])
    best_effort(problem)
    return (Check("log det X", -completion.answer.value, problem.value, "cvxpy, a semidefinite program"),
            Check("X₁₃, X₂₄, X₃₄", completion.answer.x, [X.value[0, 2], X.value[1, 3], X.value[2, 3]],
                  "cvxpy, a semidefinite program", 1e-5))


@chapter.case(
    "4.60", "C4-33", "Exercise 4.60", "Log-optimal investment",
    statement="Five assets, ten equally likely outcomes of a period. Splitting the wealth in fractions x again and "
              "again, it grows like exp(t·R) with R = 1/10 Σ log pₛᵀx. Optimality says that no asset earns more than "
              "the portfolio: 1/10 Σ pₛⱼ/pₛᵀx ≤ 1.",
    primal="minimise -1/10 Σ log pₛᵀx   subject to  1ᵀx = 1,  x ≥ 0",
    dual="maximise 1/10 Σ log(10 yₛ)   subject to  Pᵀy ≤ 1,  y ≥ 0;   yₛ = 1/(10 pₛᵀx),  ν = 1")
def growth() -> Answer:
    P = np.stack([[3.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 3.5],
                  [1.11, 0.97, 0.99, 1.05, 1.16, 0.99, 0.92, 1.13, 0.93, 0.99],
                  [1.11, 0.98, 0.99, 1.06, 0.99, 0.99, 1.08, 1.10, 0.95, 0.97],
                  [1.04, 1.05, 0.99, 0.99, 1.07, 1.06, 0.99, 0.99, 1.04, 0.98], np.full(10, 1.01)], axis=1)
    solution = ck.minimize(lambda x: -anp.log(P @ x).mean(), np.full(5, 0.2), A=np.ones((1, 5)), b=[1.0], lb=0.0,
                           tol=1e-10).require_optimal()
    x = solution.x
    y = 1 / (10 * (P @ x))
    y = y / (P.T @ y).max()  # exactly feasible for the dual
    bound = np.log(10 * y).mean()
    earned = (P / (P @ x)[:, None]).mean(axis=0)
    return Answer(
        solution.value, bound, x, {"ν": solution.nu, "λ of x ≥ 0": solution.lam_lb},
        checks=(
            Check("growth rate", -solution.value, 0.023078321, "other solver", 1e-7),
            Check("of equal shares", np.log(P @ np.full(5, 0.2)).mean(), 0.01137077, "other solver", 1e-7),
            Check("x", x, [0.05797, 0.4, 0.2923, 0.2498, 0], "other solver, four digits", 6e-5),
            Check("ν", solution.nu, [1.0]),
            Check("λ of x ≥ 0 = 1 - 1/10 Σ pₛⱼ/pₛᵀx", solution.lam_lb, 1 - earned, "stationarity"),
            Check("no asset earns more than the portfolio", earned, np.ones(5), "optimality", 1e-7, "at most"),
            Check("d*, from y alone", bound, solution.value, "strong duality"),
        ))


@growth.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    P = np.stack([[3.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 3.5],
                  [1.11, 0.97, 0.99, 1.05, 1.16, 0.99, 0.92, 1.13, 0.93, 0.99],
                  [1.11, 0.98, 0.99, 1.06, 0.99, 0.99, 1.08, 1.10, 0.95, 0.97],
                  [1.04, 1.05, 0.99, 0.99, 1.07, 1.06, 0.99, 0.99, 1.04, 0.98], np.full(10, 1.01)], axis=1)
    x = cp.Variable(5)
    rows = [cp.sum(x) == 1, x >= 0]
    problem = cp.Problem(cp.Minimize(-cp.sum(cp.log(P @ x)) / 10), rows)
    best_effort(problem)
    ours = growth.answer
    return (Check("growth rate", -ours.value, -problem.value, "cvxpy"),
            Check("x", ours.x, x.value, "cvxpy", 1e-5),
            Check("ν", ours.multipliers["ν"][0], float(rows[0].dual_value), "cvxpy", 1e-5),
            Check("λ of x ≥ 0", ours.multipliers["λ of x ≥ 0"], rows[1].dual_value, "cvxpy", 1e-5))


@growth.picture("Wealth over 1000 periods, the same random outcomes for both: log-optimal shares (blue) and equal "
                "shares (orange), with the lines exp(t·R) that they follow in the long run (dotted).")
def _(axes: Any) -> None:
    P = np.stack([[3.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 3.5],
                  [1.11, 0.97, 0.99, 1.05, 1.16, 0.99, 0.92, 1.13, 0.93, 0.99],
                  [1.11, 0.98, 0.99, 1.06, 0.99, 0.99, 1.08, 1.10, 0.95, 0.97],
                  [1.04, 1.05, 0.99, 0.99, 1.07, 1.06, 0.99, 0.99, 1.04, 0.98], np.full(10, 1.01)], axis=1)
    outcomes, t = np.random.default_rng(0).integers(10, size=1000), np.arange(1001)
    portfolios = ((growth.answer.x, "log-optimal", "tab:blue"), (np.full(5, 0.2), "equal", "tab:orange"))
    for shares, words, color in portfolios:
        axes.semilogy(t, np.r_[1, np.cumprod(P[outcomes] @ shares)], label=words, color=color)
        axes.semilogy(t, np.exp(t * np.log(P @ shares).mean()), ":", color=color)
    axes.set(xlabel="period", ylabel="wealth")
    axes.legend(frameon=False)
