"""Quadratic programs, norms and second-order cones."""

from __future__ import annotations

from typing import Any

import numpy as np

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter


@chapter.case(
    "5.11", "C5-15", "Exercise 5.11", "A sum of norms",
    statement="Three norms and a quadratic. Each norm is the largest zᵀ(Ax + b) over the unit ball, which is where the "
              "dual variables come from.",
    primal="minimise Σ ‖Aᵢx + bᵢ‖ + ½‖x - x₀‖²",
    dual="maximise Σ zᵢᵀ(Aᵢx₀ + bᵢ) - ½‖Σ Aᵢᵀzᵢ‖²   subject to  ‖zᵢ‖ ≤ 1")
def sum_of_norms() -> Answer:
    A = [np.eye(2), np.array([[1.0, 1], [0, 2]]), np.array([[2.0, 0], [1, -1]])]
    b = [np.array([1.0, 0]), np.array([0.0, -3]), np.array([-1.0, 1])]
    x0 = np.array([2.0, 1])
    # Variables (x, t): minimise 1ᵀt + ½‖x - x₀‖² with ‖Aᵢx + bᵢ‖ ≤ tᵢ.
    f0 = ck.Quadratic(np.diag([1.0, 1, 0, 0, 0]), np.r_[-x0, 1, 1, 1], 0.5 * x0 @ x0)
    cones = [ck.SecondOrderCone(np.c_[A[i], np.zeros((2, 3))], b[i], np.eye(5)[2 + i]) for i in range(3)]
    problem = ck.QCQP(f0, cones=cones)
    solution = solved(problem, tol=1e-10)
    z = [-multiplier[1:] for multiplier in solution.lam_cones]
    # The dual as a problem of its own, in z = (z₁, z₂, z₃): each ball is one quadratic row.
    stacked = np.concatenate([Ai.T for Ai in A], axis=1)
    balls = [ck.Quadratic(2 * np.diag(np.repeat(np.eye(3)[i], 2)), None, -1.0) for i in range(3)]
    dual = ck.QCQP(ck.Quadratic(stacked.T @ stacked, -np.concatenate([A[i] @ x0 + b[i] for i in range(3)])), balls)
    other = solved(dual)
    x = solution.x[:2]
    return Answer(
        solution.value, -other.value, x, {"z₁": z[0], "z₂": z[1], "z₃": z[2]},
        checks=(
            Check("p*", solution.value, 5.1194672, "other solver", 1e-7),
            Check("d*, solved as a problem of its own", -other.value, solution.value, "strong duality"),
            Check("the cones' multipliers", np.concatenate(z), other.x, "the dual's solution", 1e-5),
            Check("x = x₀ - Σ Aᵢᵀzᵢ", x, x0 - stacked @ other.x, "stationarity", 1e-5),
            Check("zᵢ is the direction of Aᵢx + bᵢ", z[0], (A[0] @ x + b[0]) / np.linalg.norm(A[0] @ x + b[0]),
                  "complementarity", 1e-5),
        ),
        solved=((problem, solution), (dual, other)))


@chapter.case(
    "5.19", "C5-19", "Exercise 5.19", "A cap on the largest holdings",
    statement="A portfolio in which the two largest of ten holdings make up at most 40 %. The sum of the r largest is "
              "a maximum over many subsets, but by LP duality it takes n + 1 variables only.",
    primal="minimise xᵀΣx   subject to  p̄ᵀx ≥ 0.2,  1ᵀx = 1,  x ≥ 0,  rt + 1ᵀu ≤ 0.4,  t + uᵢ ≥ xᵢ,  u ≥ 0",
    dual="the multiplier of the cap is what a relaxation of it is worth")
def largest_holdings() -> Answer:
    rng = np.random.default_rng(519)
    n, r, cap = 10, 2, 0.4
    mean, T = rng.standard_normal(n), rng.standard_normal((n, n))
    covariance = T.T @ T

    def portfolio(cap: float) -> ck.QCQP:
        P = np.zeros((2 * n + 1, 2 * n + 1))  # variables (x, t, u)
        P[:n, :n] = 2 * covariance
        G = np.concatenate([np.r_[np.zeros(n), r, np.ones(n)][None], np.r_[-mean, np.zeros(n + 1)][None],
                            np.c_[np.eye(n), -np.ones(n), -np.eye(n)]])
        return ck.qp(P, np.zeros(2 * n + 1), G, np.r_[cap, -0.2, np.zeros(n)],
                     np.r_[np.ones(n), np.zeros(n + 1)][None], [1.0],
                     lb=np.r_[np.zeros(n), -np.inf, np.zeros(n)])

    problem = portfolio(cap)
    solution = solved(problem)
    x, step = solution.x[:n], 1e-4
    slope = (solved(portfolio(cap + step)).value - solved(portfolio(cap - step)).value) / (2 * step)
    return Answer(
        solution.value, solution.dual_value, x, {"λ of the cap": solution.lam[0]},
        checks=(
            Check("p*", solution.value, 0.94247848, "other solver", 1e-7),
            Check("sum of the two largest holdings", np.sort(x)[-2:].sum(), cap, "the constraint is active"),
            Check("multiplier of the cap", solution.lam[0], 6.4650098, "other solver", 1e-5),
            Check("multiplier of the cap = -dp*/d(cap)", solution.lam[0], -slope, "finite differences", 1e-4),
        ),
        solved=((problem, solution),))


@chapter.case(
    "A5.5", "C5-32", "Additional exercise 5.5", "Projection on the ℓ₁ ball",
    statement="The nearest point of the ℓ₁ ball is a soft threshold, and the threshold is the multiplier.",
    primal="minimise ½‖x - a‖²   subject to  ‖x‖₁ ≤ 1",
    dual="maximise g(λ) = Σ [½aᵢ² - ½(|aᵢ| - λ)₊²] - λ   subject to  λ ≥ 0;   xᵢ = sign(aᵢ)(|aᵢ| - λ)₊")
def l1_ball() -> Answer:
    a = np.array([0.9, -0.7, 0.4, 0.1, -0.05])
    n = a.size
    # Variables (x, s) with |xᵢ| ≤ sᵢ and 1ᵀs ≤ 1.
    problem = ck.qp(np.diag(np.r_[np.ones(n), np.zeros(n)]), np.r_[-a, np.zeros(n)],
                    np.block([[np.eye(n), -np.eye(n)], [-np.eye(n), -np.eye(n)], [np.zeros((1, n)), np.ones((1, n))]]),
                    np.r_[np.zeros(2 * n), 1], r=0.5 * a @ a)
    solution = solved(problem)
    # 0.9 + 0.7 + 0.4 - 3λ = 1, and 0.1 < λ: three entries stay.
    lam = (0.9 + 0.7 + 0.4 - 1) / 3
    x = np.sign(a) * np.maximum(abs(a) - lam, 0)
    dual = np.sum(0.5 * a**2 - 0.5 * np.maximum(abs(a) - lam, 0) ** 2) - lam
    return Answer(
        solution.value, solution.dual_value, solution.x[:n], {"λ": solution.lam[-1]},
        checks=(
            Check("x", solution.x[:n], x),
            Check("λ, the threshold", solution.lam[-1], lam),
            Check("p*", solution.value, 0.5 * np.sum((x - a) ** 2)),
            Check("d* = g(λ)", dual, solution.value, "strong duality"),
        ),
        solved=((problem, solution),))


@l1_ball.picture("The dual function of the projection: a concave function of one variable, with its maximum at the "
                 "threshold.")
def _(axes: Any) -> None:
    a = np.array([0.9, -0.7, 0.4, 0.1, -0.05])
    lam = np.linspace(0, 0.8, 200)
    values = [np.sum(0.5 * a**2 - 0.5 * np.maximum(abs(a) - t, 0) ** 2) - t for t in lam]
    axes.plot(lam, values)
    axes.axvline(1 / 3, color="0.6", linestyle=":")
    axes.plot([1 / 3], [max(values)], "ko", markersize=4)
    axes.annotate("λ = 1/3", (1 / 3, max(values)), (0.37, max(values) - 0.08))
    axes.set(xlabel="λ", ylabel="g(λ)")


@chapter.case(
    "A5.23", "C5-48", "Additional exercise 5.23", "The point nearest to three discs",
    statement="How much must three discs be blown up (their squared radii raised by t) until they meet?",
    primal="minimise t   subject to  ‖x - bᵢ‖² ≤ rᵢ² + t",
    dual="maximise Σ λᵢ(‖bᵢ‖² - rᵢ²) - ‖Σ λᵢbᵢ‖²   subject to  1ᵀλ = 1,  λ ≥ 0;   x = Σ λᵢbᵢ")
def three_discs() -> Answer:
    b, r = np.array([[0.0, 0], [3, 0], [1, 2.5]]), np.array([1.0, 1.5, 1])
    discs = [ck.Quadratic(np.diag([2.0, 2, 0]), np.r_[-2 * b[i], -1], b[i] @ b[i] - r[i] ** 2) for i in range(3)]
    problem = ck.QCQP(ck.Quadratic(None, [0.0, 0, 1]), discs)
    solution = solved(problem)
    dual = ck.qp(2 * b @ b.T, r**2 - np.sum(b**2, axis=1), A=np.ones((1, 3)), b=[1.0], lb=0.0)
    other = solved(dual)
    return Answer(
        solution.value, -other.value, solution.x[:2], {"λ": solution.lam},
        checks=(
            Check("p*", solution.value, 1.5395139, "other solver", 1e-7),
            Check("d*, a quadratic program over the simplex", -other.value, solution.value, "strong duality"),
            Check("λ", solution.lam, other.x, "the dual's solution", 1e-5),
            Check("x = Σ λᵢbᵢ", solution.x[:2], b.T @ solution.lam, "stationarity"),
        ),
        solved=((problem, solution), (dual, other)))


@three_discs.picture("The discs (full) and the discs grown until they share one point (dashed): the point is the "
                     "average of the centres with the multipliers as weights.")
def _(axes: Any) -> None:
    b, r = np.array([[0.0, 0], [3, 0], [1, 2.5]]), np.array([1.0, 1.5, 1])
    x, t, angle = three_discs.answer.x, three_discs.answer.value, np.linspace(0, 2 * np.pi, 200)
    for i, color in enumerate(("tab:blue", "tab:orange", "tab:green")):
        for radius, style in ((r[i], "-"), (np.sqrt(r[i] ** 2 + t), "--")):
            axes.plot(b[i, 0] + radius * np.cos(angle), b[i, 1] + radius * np.sin(angle), style, color=color)
        axes.plot([b[i, 0], x[0]], [b[i, 1], x[1]], color=color, linewidth=0.8)
    axes.plot(*x, "ko")
    axes.set(aspect="equal", xlabel="x₁", ylabel="x₂")


@chapter.case(
    "E5.6", "C5-46", "Examples 5.6 to 5.9", "Norm approximation and its duals",
    statement="Fit four points by a line in the ℓ₁, ℓ₂ and ℓ∞ norms. Each has a dual over the unit ball of the dual "
              "norm.",
    primal="minimise ‖Ax - b‖ₚ   for p = 1, 2, ∞",
    dual="maximise bᵀν   subject to  Aᵀν = 0,  ‖ν‖ ≤ 1 in the dual norm (∞, 2, 1)")
def norm_approximation() -> Answer:
    A, b = np.array([[1.0, 0], [1, 1], [1, 2], [1, 3]]), np.array([1.0, 0, 2, 5])
    m, n = A.shape
    one = ck.lp(np.r_[np.zeros(n), np.ones(m)], np.block([[A, -np.eye(m)], [-A, -np.eye(m)]]), np.r_[b, -b])
    top = ck.lp(np.r_[np.zeros(n), 1], np.c_[np.r_[A, -A], -np.ones(2 * m)], np.r_[b, -b])
    two = ck.socp(np.r_[np.zeros(n), 1], [ck.SecondOrderCone(np.c_[A, np.zeros(m)], -b, np.r_[np.zeros(n), 1])])
    dual_one = ck.lp(-b, None, None, A.T, np.zeros(n), lb=-1.0, ub=1.0)
    dual_two = ck.QCQP(ck.Quadratic(None, -b), [ck.Quadratic(2 * np.eye(m), None, -1.0)], A=A.T, b=np.zeros(n))
    dual_top = ck.lp(np.r_[-b, np.zeros(m)], np.block([[np.eye(m), -np.eye(m)], [-np.eye(m), -np.eye(m)],
                     [np.zeros((1, m)), np.ones((1, m))]]), np.r_[np.zeros(2 * m), 1], np.c_[A.T, np.zeros((n, m))],
                     np.zeros(n))
    pairs = [(problem, solved(problem)) for problem in (one, dual_one, two, dual_two, top, dual_top)]
    values = [solution.value for _, solution in pairs]
    fit = np.linalg.lstsq(A, b, rcond=None)[0]
    return Answer(
        None, None, None, {"p* for 1, 2, ∞": np.array(values[::2])},
        checks=(
            Check("p* for 1, 2, ∞", values[::2], [4.0, np.linalg.norm(A @ fit - b), 7 / 6], "closed form, by hand"),
            Check("d*, each solved on its own", [-v for v in values[1::2]], values[::2], "strong duality"),
        ),
        solved=tuple(pairs),
        notes=("The ℓ₁ fit is not unique here; its value is.",))


@norm_approximation.picture("Lines through four points. The ℓ₁ fit is not unique: every line of the band that is a "
                            "mixture of the four through two points each (dotted) is optimal.")
def _(axes: Any) -> None:
    A, b = np.array([[1.0, 0], [1, 1], [1, 2], [1, 3]]), np.array([1.0, 0, 2, 5])
    top = solved(ck.lp([0.0, 0, 1], np.c_[np.r_[A, -A], -np.ones(8)], np.r_[b, -b])).x[:2]
    through = [np.linalg.solve(A[[i, j]], b[[i, j]]) for i in range(4) for j in range(i)]
    best = np.array([fit for fit in through if abs(A @ fit - b).sum() < 4 + 1e-9])
    t = np.linspace(-0.2, 3.2, 100)
    lines = best[:, :1] + best[:, 1:] * t
    axes.fill_between(t, lines.min(axis=0), lines.max(axis=0), color="tab:blue", alpha=0.25, label="ℓ₁")
    axes.plot(t, lines.T, ":", color="tab:blue")
    for fit, words, color in ((np.linalg.lstsq(A, b, rcond=None)[0], "ℓ₂", "tab:orange"), (top, "ℓ∞", "tab:green")):
        axes.plot(t, fit[0] + fit[1] * t, label=words, color=color)
    axes.plot(A[:, 1], b, "ko")
    axes.legend(frameon=False)
    axes.set(xlabel="t", ylabel="b")
