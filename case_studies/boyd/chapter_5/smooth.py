"""Entropy, logarithms and analytic centres, by `ck.minimize`."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np

import convexkit as ck

from ..case import Answer, Check
from ..oracle import OPTIONS
from .chapter import chapter


@chapter.case(
    "5.1.6", "C5-05", "Sections 5.1.6 and 5.3", "A die with a mean of at most three",
    statement="Of all distributions on 1 … 6 with mean at most 3, the one of largest entropy.",
    primal="minimise Σ xᵢ log xᵢ   subject to  aᵀx ≤ 3,  1ᵀx = 1,   a = (1, …, 6)",
    dual="maximise -3λ - log Σ exp(-λaᵢ)   subject to  λ ≥ 0;   xᵢ ∝ exp(-λaᵢ)")
def die() -> Answer:
    a = np.arange(1.0, 7)
    solution = ck.minimize(lambda x: (x * anp.log(x)).sum(), np.full(6, 1 / 6), G=a[None], h=[3.0], A=np.ones((1, 6)),
                           b=[1.0]).require_optimal()
    dual = ck.minimize(lambda t: 3 * t[0] + anp.log(anp.sum(anp.exp(-t[0] * a))), [0.1], lb=0.0).require_optimal()
    weights = np.exp(-dual.x[0] * a)
    return Answer(
        solution.value, -dual.value, solution.x, {"λ": solution.lam},
        checks=(
            Check("p*", solution.value, -1.7485062, "other solver", 1e-7),
            Check("d*, one variable", -dual.value, solution.value, "strong duality"),
            Check("λ", solution.lam[0], dual.x[0], "the dual's solution", 1e-5),
            Check("x ∝ exp(-λa)", solution.x, weights / weights.sum(), "stationarity"),
            Check("mean", a @ solution.x, 3.0, "the constraint is active"),
        ))


@die.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    x, a = cp.Variable(6), np.arange(1.0, 7)
    rows = [a @ x <= 3, cp.sum(x) == 1]
    value = cp.Problem(cp.Minimize(-cp.sum(cp.entr(x))), rows).solve(solver="CLARABEL", **OPTIONS)
    ours = die.answer
    return (Check("p*", ours.value, value, "cvxpy"),
            Check("λ", ours.multipliers["λ"][0], float(rows[0].dual_value), "cvxpy", 1e-5))


@die.picture("The probabilities of the six faces fall off geometrically; the ratio is exp(-λ).")
def _(axes: Any) -> None:
    axes.bar(range(1, 7), die.answer.x, color="tab:blue", alpha=0.7)
    axes.axhline(1 / 6, color="0.5", linestyle=":", label="fair")
    axes.set(xlabel="face", ylabel="probability")
    axes.legend(frameon=False)


@chapter.case(
    "5.12", "C5-16", "Exercise 5.12", "The analytic centre and its dual",
    statement="The point that maximises the product of the slacks of five inequalities.",
    primal="minimise -Σ log(bᵢ - aᵢᵀx)",
    dual="maximise m - bᵀz + Σ log zᵢ   subject to  Aᵀz = 0;   zᵢ = 1/(bᵢ - aᵢᵀx)")
def centre() -> Answer:
    A, b = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1], [1, 1]]), np.ones(5)
    solution = ck.minimize(lambda x: -anp.log(b - A @ x).sum(), np.zeros(2)).require_optimal()
    dual = ck.minimize(lambda z: b @ z - anp.log(z).sum() - 5, np.ones(5), A=A.T, b=np.zeros(2)).require_optimal()
    return Answer(
        solution.value, -dual.value, solution.x, {"z": dual.x},
        checks=(
            Check("p*", solution.value, -0.2817287, "other solver", 1e-7),
            Check("d*, solved as a problem of its own", -dual.value, solution.value, "strong duality"),
            Check("z = 1/(b - Ax)", dual.x, 1 / (b - A @ solution.x), "stationarity", 1e-5),
            Check("ν of the dual is x, up to its sign", -dual.nu, solution.x, "the dual of the dual", 1e-5),
        ))


@centre.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    A, x = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1], [1, 1]]), cp.Variable(2)
    value = cp.Problem(cp.Minimize(-cp.sum(cp.log(np.ones(5) - A @ x)))).solve(solver="CLARABEL", **OPTIONS)
    return (Check("p*", centre.answer.value, value, "cvxpy"),)


@centre.picture("The polyhedron, level curves of the barrier, and its minimum, the analytic centre.")
def _(axes: Any) -> None:
    from ..pages import contours

    def barrier(x: np.ndarray) -> float:
        slacks = np.array([1 - x[0], 1 + x[0], 1 - x[1], 1 + x[1], 1 - x[0] - x[1]])
        return float(-np.log(slacks).sum()) if (slacks > 1e-9).all() else np.nan

    axes.plot([-1, 1, 1, 0, -1, -1], [-1, -1, 0, 1, 1, -1], color="tab:blue")
    contours(axes, barrier, (-1, 1), (-1, 1), levels=[-0.2, 0.2, 0.8, 1.6], labels=True)
    axes.plot(*centre.answer.x, "ko")
    ticks = [-1, -0.5, 0, 0.5, 1]
    axes.set(aspect="equal", xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xticks=ticks, yticks=ticks)
    axes.set(xlabel="x₁", ylabel="x₂")


@chapter.case(
    "E5.2", "C5-41", "Example 5.2", "Water-filling",
    statement="One unit of power over five channels. The KKT conditions say: fill up to one level.",
    primal="minimise -Σ log(aᵢ + xᵢ)   subject to  1ᵀx = 1,  x ≥ 0",
    dual="xᵢ = (1/ν - aᵢ)₊ with the level 1/ν such that Σ xᵢ = 1")
def water() -> Answer:
    a = np.array([0.1, 0.5, 0.9, 1.4, 0.3])
    solution = ck.minimize(lambda x: -anp.log(a + x).sum(), np.full(5, 0.2), A=np.ones((1, 5)), b=[1.0],
                           lb=0.0).require_optimal()
    level = (1 + 0.1 + 0.5 + 0.3) / 3  # three channels are filled: 0.1, 0.3, 0.5 < level < 0.9
    return Answer(
        solution.value, solution.dual_value, solution.x, {"ν": solution.nu, "λ of x ≥ 0": solution.lam_lb},
        checks=(
            Check("x", solution.x, np.maximum(level - a, 0)),
            Check("level 1/ν", 1 / solution.nu[0], level),
            Check("λ of x ≥ 0", solution.lam_lb, np.maximum(1 / level - 1 / a, 0), "closed form", 1e-5),
            Check("p*", solution.value, -np.log(np.maximum(level, a)).sum()),
        ))


@water.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    a, x = np.array([0.1, 0.5, 0.9, 1.4, 0.3]), cp.Variable(5)
    rows = [cp.sum(x) == 1, x >= 0]
    value = cp.Problem(cp.Minimize(-cp.sum(cp.log(a + x))), rows).solve(solver="CLARABEL", **OPTIONS)
    return (Check("p*", water.answer.value, value, "cvxpy"),
            Check("ν", water.answer.multipliers["ν"][0], float(rows[0].dual_value), "cvxpy", 1e-5))


@water.picture("Ground levels aᵢ (grey), power xᵢ (blue), and the common water level 1/ν.")
def _(axes: Any) -> None:
    a, x = np.array([0.1, 0.5, 0.9, 1.4, 0.3]), water.answer.x
    axes.bar(range(1, 6), a, color="0.75")
    axes.bar(range(1, 6), x, bottom=a, color="tab:blue", alpha=0.7)
    axes.axhline(1 / water.answer.multipliers["ν"][0], color="tab:blue", linestyle="--")
    axes.set(xlabel="channel", ylabel="level", ylim=(0, 1.5))


@chapter.case(
    "A5.14", "C5-47", "Additional exercise 5.14", "The Kantorovich inequality from the KKT conditions",
    statement="With bᵢ = 1/aᵢ the maximum of (aᵀx)(bᵀx) over the simplex is found at the two ends, half and half.",
    primal="minimise -log aᵀx - log bᵀx   subject to  1ᵀx = 1,  x ≥ 0",
    dual="KKT: aᵢ/aᵀx + bᵢ/bᵀx ≤ ν with equality where xᵢ > 0;  ν = 2")
def kantorovich() -> Answer:
    a = np.array([5.0, 3, 2, 1])
    b = 1 / a
    solution = ck.minimize(lambda x: -anp.log(a @ x) - anp.log(b @ x), np.full(4, 0.25), A=np.ones((1, 4)), b=[1.0],
                           lb=0.0, tol=1e-10).require_optimal()
    root = np.sqrt(a[0] / a[-1])
    slack = 2 - a / (a @ solution.x) - b / (b @ solution.x)
    return Answer(
        solution.value, solution.dual_value, solution.x, {"ν": solution.nu},
        checks=(
            Check("p*", solution.value, -2 * np.log((root + 1 / root) / 2)),
            Check("x", solution.x, [0.5, 0, 0, 0.5], "closed form", 1e-5),
            Check("ν", solution.nu, [2.0]),
            Check("λ of x ≥ 0", solution.lam_lb, slack, "stationarity", 1e-5),
        ))


@kantorovich.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    a, x = np.array([5.0, 3, 2, 1]), cp.Variable(4)
    value = cp.Problem(cp.Minimize(-cp.log(a @ x) - cp.log((1 / a) @ x)), [cp.sum(x) == 1, x >= 0]).solve(
        solver="CLARABEL", **OPTIONS)
    return (Check("p*", kantorovich.answer.value, value, "cvxpy"),)
