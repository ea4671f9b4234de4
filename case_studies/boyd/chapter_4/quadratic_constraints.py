"""Quadratic constraints."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import brentq

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter


@chapter.case(
    "4.21", "C4-12", "Exercise 4.21 (a)", "A linear function on an ellipsoid",
    statement="The smallest value of a linear function on an ellipsoid has a closed form, and so have its multiplier "
              "and its dual function.",
    primal="minimise cᵀx   subject to  xᵀAx ≤ 1",
    dual="maximise g(λ) = -cᵀA⁻¹c/(4λ) - λ   subject to  λ > 0;   λ = ½√(cᵀA⁻¹c)")
def ellipsoid() -> Answer:
    A, c = np.array([[4.0, 1, 0], [1, 3, 1], [0, 1, 2]]), np.array([1.0, -2, 3])
    problem = ck.QCQP(ck.Quadratic(None, c), [ck.Quadratic(2 * A, None, -1.0)])
    solution = solved(problem)
    dual = ck.Lagrangian(problem).dual_function
    size = np.sqrt(c @ np.linalg.solve(A, c))
    lams = np.array([0.2, 0.5, 1.0, 2.0, 5.0])
    return Answer(
        solution.value, solution.dual_value, solution.x, {"λ": solution.lam},
        checks=(
            Check("p* = -√(cᵀA⁻¹c)", solution.value, -size),
            Check("x = -A⁻¹c/√(cᵀA⁻¹c)", solution.x, -np.linalg.solve(A, c) / size),
            Check("λ", solution.lam, [size / 2]),
            Check("g at λ = 0.2, 0.5, 1, 2, 5", [dual([t]) for t in lams], -(size**2) / (4 * lams) - lams),
        ),
        solved=((problem, solution),))


@ellipsoid.picture("The dual function is concave, with its maximum p* at λ = ½√(cᵀA⁻¹c).")
def _(axes: Any) -> None:
    answer = ellipsoid.answer
    dual = ck.Lagrangian(answer.solved[0][0]).dual_function
    lam = np.linspace(0.45, 5, 200)
    axes.plot(lam, [dual([t]) for t in lam], label="g(λ)")
    axes.axhline(answer.value, color="0.6", linestyle=":", label="p*")
    axes.plot(answer.multipliers["λ"], [answer.value], "ko")
    axes.set(xlabel="λ", ylabel="g(λ)")
    axes.legend(frameon=False)


@chapter.case(
    "4.22", "C4-15", "Exercise 4.22", "A quadratic over the unit ball",
    statement="x = -(P + λI)⁻¹q, where λ is 0 if that point lies in the ball, and otherwise the root of ‖x(λ)‖ = 1. "
              "With q a tenth as long the ball does not matter.",
    primal="minimise ½xᵀPx + qᵀx + r   subject to  xᵀx ≤ 1",
    dual="maximise -½qᵀ(P + λI)⁻¹q + r - λ/2   subject to  λ ≥ 0;   the multiplier of xᵀx ≤ 1 is λ/2")
def ball() -> Answer:
    P, q = np.array([[3.0, 1, 0], [1, 2, 0.5], [0, 0.5, 1]]), np.array([2.0, -3, 1])
    disc = ck.Quadratic(2 * np.eye(3), None, -1.0)
    problem, inner = (ck.QCQP(ck.Quadratic(P, slope, 0.5), [disc]) for slope in (q, q / 10))
    solution, inside = solved(problem), solved(inner)

    def at(lam: float) -> np.ndarray:
        return -np.linalg.solve(P + lam * np.eye(3), q)

    lam = brentq(lambda t: at(t) @ at(t) - 1, 0, 100, xtol=1e-14)
    step = ck.trust_region_step(ck.Quadratic(P, q, 0.5), radius=1.0)
    return Answer(
        solution.value, solution.dual_value, solution.x, {"multiplier": solution.lam},
        checks=(
            Check("p*", solution.value, -2.69926, "other solver, six digits", 2e-6),
            Check("p*", solution.value, 0.5 * at(lam) @ P @ at(lam) + q @ at(lam) + 0.5, "secular equation"),
            Check("x", solution.x, at(lam), "secular equation"),
            Check("multiplier", 2 * solution.lam[0], lam, "secular equation"),
            Check("d*", -0.5 * q @ -at(lam) + 0.5 - lam / 2, solution.value, "strong duality"),
            Check("x, as a trust-region step", step.p, at(lam), "secular equation"),
            Check("q/10: p*", inside.value, 0.5 - 0.005 * q @ np.linalg.solve(P, q)),
            Check("q/10: x", inside.x, -np.linalg.solve(P, q / 10)),
            Check("q/10: multiplier", inside.lam, [0.0]),
        ),
        solved=((problem, solution), (inner, inside)))


@ball.picture("‖x(λ)‖ falls with λ. It is 1 at the multiplier for q (blue); for q/10 (orange) it is below 1 already at "
              "λ = 0.")
def _(axes: Any) -> None:
    P, q = np.array([[3.0, 1, 0], [1, 2, 0.5], [0, 0.5, 1]]), np.array([2.0, -3, 1])
    lam = np.linspace(0, 5, 200)
    size = np.array([np.linalg.norm(np.linalg.solve(P + t * np.eye(3), q)) for t in lam])
    axes.plot(lam, size, label="‖x(λ)‖ for q")
    axes.plot(lam, size / 10, label="for q/10")
    axes.axhline(1, color="0.6", linestyle=":")
    axes.plot(2 * ball.answer.multipliers["multiplier"], [1], "ko")
    axes.set(xlabel="λ", ylabel="‖x(λ)‖", ylim=(0, None))
    axes.legend(frameon=False)


@chapter.case(
    "4.23", "C4-16", "Exercise 4.23", "The ℓ₄ norm by quadratics",
    statement="The sum of fourth powers of the errors, as a problem with one quadratic constraint for each error: "
              "(aᵢᵀx - bᵢ)² ≤ yᵢ, and Σ yᵢ² as objective.",
    primal="minimise Σ yᵢ²   subject to  (aᵢᵀx - bᵢ)² ≤ yᵢ",
    dual="maximise -Σ (¼λᵢ² + ¼zᵢ²/λᵢ) - bᵀz   subject to  Aᵀz = 0,  λ > 0;   λᵢ = 2rᵢ²,  zᵢ = 4rᵢ³ where r = Ax - b")
def fourth_powers() -> Answer:
    rng = np.random.default_rng(423)
    A, b = rng.standard_normal((20, 5)), rng.standard_normal(20)
    rows = [ck.Quadratic.from_factor(np.sqrt(2) * np.r_[a, np.zeros(20)][None], q=np.r_[-2 * t * a, -e], r=t**2)
            for a, t, e in zip(A, b, np.eye(20), strict=True)]
    problem = ck.QCQP(ck.Quadratic(np.diag(np.r_[np.zeros(5), np.full(20, 2.0)]), np.zeros(25)), rows)
    solution = solved(problem, tol=1e-10)
    r = A @ solution.x[:5] - b
    return Answer(
        solution.value, solution.dual_value, solution.x[:5], {},
        checks=(
            Check("Σ rᵢ⁴", solution.value, 162.96471, "other solver", 1e-7),
            Check("Σ rᵢ⁴", solution.value, (r**4).sum(), "its definition"),
            Check("‖r‖₄", solution.value**0.25, 3.5729208, "other solver", 1e-7),
            Check("its slope 4Aᵀr³ at x", 4 * A.T @ r**3 / (r**4).sum(), np.zeros(5), "optimality"),
            Check("λᵢ = 2rᵢ²", solution.lam, 2 * r**2, "stationarity"),
        ),
        solved=((problem, solution),))


@chapter.case(
    "4.4.2", "C4-29", "Section 4.4.2", "A QCQP with three curved constraints",
    statement="Six variables, a quadratic objective, three quadratic constraints and one equality, with random "
              "matrices. One constraint is active; the others have the multiplier 0.",
    primal="minimise ½xᵀP₀x + q₀ᵀx   subject to  ½xᵀPₖx + qₖᵀx + rₖ ≤ 0,  k = 1, 2, 3,  1ᵀx = 1/2",
    dual="maximise -½c(λ, ν)ᵀP(λ)⁻¹c(λ, ν) + rᵀλ - ν/2   subject to  λ ≥ 0;\n"
         "P(λ) = P₀ + Σ λₖPₖ,  c(λ, ν) = q₀ + Σ λₖqₖ + ν1")
def three_curved() -> Answer:
    rng = np.random.default_rng(4400)
    P = [M.T @ M for M in (rng.standard_normal((6, 6)) for _ in range(4))]
    q, r = rng.standard_normal((4, 6)), np.array([0.0, -3, -4, -5])
    f = [ck.Quadratic(P[k], q[k], r[k]) for k in range(4)]
    problem = ck.QCQP(f[0], f[1:], A=np.ones((1, 6)), b=[0.5])
    solution = solved(problem)
    lam, nu, x = solution.lam, solution.nu[0], solution.x
    P_lam, c = P[0] + np.tensordot(lam, P[1:], 1), q[0] + lam @ q[1:] + nu
    dual = -0.5 * c @ np.linalg.solve(P_lam, c) + lam @ r[1:] - nu / 2
    return Answer(
        solution.value, dual, x, {"λ": lam, "ν": solution.nu},
        checks=(
            Check("p*", solution.value, -1.5099105, "other solver", 1e-7),
            Check("λ", lam, [0.175442, 0, 0], "other solver, six digits", 1e-6),
            Check("ν", nu, 0.014808415, "other solver", 1e-6),
            Check("g(λ, ν), by the formula", dual, solution.value, "strong duality"),
            Check("g(λ, ν), by the Lagrangian", ck.Lagrangian(problem).dual_function(lam, solution.nu), dual),
            Check("x = -P(λ)⁻¹c(λ, ν)", x, -np.linalg.solve(P_lam, c), "stationarity"),
            Check("the three constraints", [g(x) for g in f[1:]], np.zeros(3), "feasibility", 1e-7, "at most"),
        ),
        solved=((problem, solution),))


@chapter.case(
    "A4.37", "C4-36", "Additional exercise 4.37", "Convex, with a segment of solutions",
    statement="The objective depends on x₁ alone: every point of the set with x₁ = -1 is optimal. The multipliers are "
              "unique all the same.",
    primal="minimise x₁²   subject to  x₁ ≤ -1,  x₁² + x₂² ≤ 2",
    dual="maximise -λ₁²/(4(1 + λ₂)) + λ₁ - 2λ₂   subject to  λ ≥ 0;   λ = (2, 0)")
def segment() -> Answer:
    P = np.diag([2.0, 0])
    disc = ck.Quadratic(2 * np.eye(2), None, -2.0)
    problem = ck.QCQP(ck.Quadratic(P, np.zeros(2)), [disc], G=[[1.0, 0]], h=[-1.0])
    solution = solved(problem)
    # The ends of the set of solutions: minimise and maximise x₂ where x₁ = -1 and the disc.
    ends = [ck.QCQP(ck.Quadratic(None, [0.0, s]), [disc], A=[[1.0, 0]], b=[-1.0]) for s in (1.0, -1.0)]
    low, high = solved(ends[0]), solved(ends[1])
    return Answer(
        solution.value, solution.dual_value, None, {"λ of x₁ ≤ -1": solution.lam[1], "λ of the disc": solution.lam[0]},
        checks=(
            Check("p*", solution.value, 1.0),
            Check("x₁", solution.x[0], -1.0),
            Check("|x₂| is at most 1", abs(solution.x[1]) <= 1 + 1e-6, True),
            Check("λ of x₁ ≤ -1 and of the disc", solution.lam[::-1], [2.0, 0.0]),
            Check("least and largest x₂ of a solution", [low.value, -high.value], [-1.0, 1.0]),
        ),
        solved=((problem, solution), *zip(ends, (low, high), strict=True)))


@segment.picture("The feasible set is a cap of the disc; level lines of x₁² are vertical. The whole chord is optimal.")
def _(axes: Any) -> None:
    from ..pages import contours

    contours(axes, lambda x: x[0] ** 2, (-1.7, 0.6), (-1.6, 1.6), levels=[0.1, 0.4, 1, 1.6, 2.4], labels=True)
    angle = np.linspace(0, 2 * np.pi, 300)
    axes.plot(np.sqrt(2) * np.cos(angle), np.sqrt(2) * np.sin(angle), color="tab:blue", linewidth=0.8)
    cap = np.linspace(0.75 * np.pi, 1.25 * np.pi, 100)
    axes.fill(np.sqrt(2) * np.cos(cap), np.sqrt(2) * np.sin(cap), alpha=0.3, color="tab:blue")
    axes.plot([-1, -1], [-1, 1], color="k", linewidth=4, solid_capstyle="butt")
    axes.annotate("solutions", (-1, 0.3), xytext=(8, 0), textcoords="offset points")
    axes.set(aspect="equal", xlim=(-1.7, 0.6), ylim=(-1.6, 1.6), xlabel="x₁", ylabel="x₂")
