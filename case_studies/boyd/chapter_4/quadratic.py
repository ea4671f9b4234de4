"""Quadratic objectives under linear constraints."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import brentq

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter


@chapter.case(
    "4.3", "C4-02", "Exercise 4.3", "A quadratic over a box",
    statement="Prove that x = (1, 1/2, -1) is optimal: the slope is 0 where xᵢ is free, and points outward at a bound.",
    primal="minimise ½xᵀPx + qᵀx + r   subject to  -1 ≤ x ≤ 1",
    dual="maximise over λ, μ ≥ 0  -½(q + μ - λ)ᵀP⁻¹(q + μ - λ) + r - 1ᵀ(λ + μ),   λ of -1 ≤ x, μ of x ≤ 1")
def box() -> Answer:
    P, q = np.array([[13.0, 12, -2], [12, 17, 6], [-2, 6, 12]]), np.array([-22, -14.5, 13])
    problem = ck.qp(P, q, r=1.0, lb=-1.0, ub=1.0)
    solution = solved(problem)
    x = np.array([1, 0.5, -1])
    proof = ck.kkt_residuals(problem, x, lam_lb=[0, 0, 2.0], lam_ub=[1.0, 0, 0])
    c = q + solution.lam_ub - solution.lam_lb
    dual = -0.5 * c @ np.linalg.solve(P, c) + 1 - (solution.lam_lb + solution.lam_ub).sum()
    return Answer(
        solution.value, solution.dual_value, solution.x, {"λ": solution.lam_lb, "μ": solution.lam_ub},
        checks=(
            Check("p*", solution.value, -21.625, "book"),
            Check("x", solution.x, x, "book"),
            Check("λ", solution.lam_lb, np.maximum(P @ x + q, 0), "the slope at x"),
            Check("μ", solution.lam_ub, np.maximum(-P @ x - q, 0), "the slope at x"),
            Check("largest KKT residual of the hand-made proof", proof.max(), 0.0, "by hand", 1e-12),
            Check("the dual's value", dual, -21.625, "strong duality"),
        ),
        solved=((problem, solution),))


@chapter.case(
    "4.5", "C4-03", "Exercise 4.5", "Three ways to say robust least squares",
    statement="The Huber penalty φ(u) is u² while |u| ≤ M and M(2|u| - M) beyond. The same x minimises Σ φ(aᵢᵀx - bᵢ), "
              "a least-squares problem with weights that are variables too, and a quadratic program.",
    primal="minimise Σ uᵢ² + 2Mvᵢ   subject to  -u - v ≤ Ax - b ≤ u + v,  0 ≤ u ≤ M,  v ≥ 0\n"
           "minimise Σ (aᵢᵀx - bᵢ)²/(wᵢ + 1) + M²wᵢ   subject to  w ≥ 0",
    dual="maximise -¼zᵀz - bᵀz   subject to  Aᵀz = 0,  ‖z‖∞ ≤ 2M;   zᵢ is the slope of φ at error i")
def huber() -> Answer:
    rng, M = np.random.default_rng(45), 2.0
    A, b = rng.standard_normal((16, 8)), 3 * rng.standard_normal(16)
    eye = np.eye(16)
    P = np.diag(np.r_[np.zeros(8), np.full(16, 2.0), np.zeros(16)])  # variables (x, u, v)
    G = np.block([[A, -eye, -eye], [-A, -eye, -eye]])
    program = ck.qp(P, np.r_[np.zeros(24), np.full(16, 2 * M)], G, np.r_[b, -b],
                    lb=np.r_[np.full(8, -np.inf), np.zeros(32)], ub=np.r_[np.full(8, np.inf), np.full(16, M),
                                                                          np.full(16, np.inf)])
    solution = solved(program)
    weighted = ck.minimize(lambda y: ((A @ y[:8] - b) ** 2 / (y[8:] + 1)).sum() + M**2 * y[8:].sum(), np.zeros(24),
                           lb=np.r_[np.full(8, -np.inf), np.zeros(16)], tol=1e-10).require_optimal()
    dual = ck.qp(0.5 * eye, b, A=A.T, b=np.zeros(8), lb=-2 * M, ub=2 * M)
    other = solved(dual)
    error = A @ solution.x[:8] - b
    penalty = np.where(abs(error) <= M, error**2, M * (2 * abs(error) - M)).sum()
    slope = A.T @ np.clip(2 * error, -2 * M, 2 * M)
    return Answer(
        solution.value, -other.value, solution.x[:8], {"z": solution.lam[:16] - solution.lam[16:]},
        checks=(
            Check("p*", solution.value, 54.181138, "other solver", 1e-7),
            Check("the Huber penalty at x", penalty, solution.value, "its definition"),
            Check("its slope at x", slope, np.zeros(8), "optimality of a convex function", 1e-6),
            Check("value of the weighted form", weighted.value, solution.value, "equivalence"),
            Check("x of the weighted form", weighted.x[:8], solution.x[:8], "equivalence", 1e-5),
            Check("its weights w = (|error|/M - 1)₊", weighted.x[8:], np.maximum(abs(error) / M - 1, 0), "closed form",
                  1e-5),
            Check("d*, solved as a problem of its own", -other.value, solution.value, "strong duality"),
            Check("z", solution.lam[:16] - solution.lam[16:], other.x, "the dual's solution", 1e-5),
        ),
        solved=((program, solution), (dual, other)))


@huber.picture("The penalty and the sixteen errors of the fit. The square of an error beyond M = 2 would weigh far "
               "more.")
def _(axes: Any) -> None:
    rng = np.random.default_rng(45)
    A, b = rng.standard_normal((16, 8)), 3 * rng.standard_normal(16)
    error, u = A @ huber.answer.x - b, np.linspace(-6.5, 6.5, 300)

    def phi(u: np.ndarray) -> np.ndarray:
        return np.where(abs(u) <= 2, u**2, 2 * (2 * abs(u) - 2))

    axes.plot(u, u**2, "--", color="0.6", label="u²")
    axes.plot(u, phi(u), label="φ(u)")
    axes.plot(error, phi(error), "ko", markersize=4, label="errors")
    axes.set(xlabel="error u", ylabel="penalty", xlim=(-6.5, 6.5), ylim=(-1, 22))
    axes.legend(frameon=False)


@chapter.case(
    "4.4.1", "C4-27", "Sections 4.4.1 and 4.4.2", "Portfolios: least risk, largest return",
    statement="Four assets, the last without risk; no selling short. The least variance for a mean return of at least "
              "10 %, a quadratic program; and the largest return with a variance of at most 0.002, with one quadratic "
              "constraint.",
    primal="minimise xᵀΣx   subject to  p̄ᵀx ≥ 0.1,  1ᵀx = 1,  x ≥ 0\n"
           "minimise -p̄ᵀx   subject to  xᵀΣx ≤ 0.002,  1ᵀx = 1,  x ≥ 0",
    dual="maximise 0.1λ - ν - g   where g = sup {(λp̄ - ν1 + μ)ᵀx - xᵀΣx : x},  λ, μ ≥ 0:  λ is the slope of the "
         "frontier")
def markowitz() -> Answer:
    mean = np.array([0.12, 0.10, 0.07, 0.03])
    S = np.array([[0.0064, 0.0008, -0.0011, 0], [0.0008, 0.0025, 0, 0], [-0.0011, 0, 0.0004, 0], [0, 0, 0, 0]])

    def least_risk(floor: float) -> ck.QCQP:
        return ck.qp(2 * S, np.zeros(4), -mean[None], [-floor], np.ones((1, 4)), [1.0], lb=0.0)

    problem = least_risk(0.10)
    safe = solved(problem, tol=1e-10)
    cap = ck.Quadratic(2 * S, None, -0.002)
    capped = ck.QCQP(ck.Quadratic(None, -mean), [cap], A=np.ones((1, 4)), b=[1.0], lb=0.0)
    bold = solved(capped, tol=1e-10)
    step = 1e-4
    more, less = (solved(least_risk(0.1 + s), tol=1e-10) for s in (step, -step))
    slope = (more.value - less.value) / (2 * step)
    # Three assets are held: the KKT system of section 4.4.1 with both rows active, in (x₁, x₂, x₃, λ, ν).
    rows = np.stack([-mean[:3], np.ones(3)])
    system = np.block([[2 * S[:3, :3], rows.T], [rows, np.zeros((2, 2))]])

    def by_hand(floor: float) -> np.ndarray:
        return np.linalg.solve(system, [0, 0, 0, -floor, 1.0])

    at_cap = brentq(lambda t: by_hand(t)[:3] @ S[:3, :3] @ by_hand(t)[:3] - 0.002, 0.1, 0.12, xtol=1e-15)
    return Answer(
        safe.value, safe.dual_value, safe.x, {"λ of the return": safe.lam, "λ of the variance": bold.lam},
        checks=(
            Check("least variance × 1000", 1e3 * safe.value, 1.2927811, "other solver", 1e-7),
            Check("x, from the KKT system", safe.x, np.r_[by_hand(0.1)[:3], 0]),
            Check("λ of the return", safe.lam[0], by_hand(0.1)[3]),
            Check("the same, d variance / d floor, × 10", 10 * safe.lam[0], 10 * slope, "finite differences", 1e-5),
            Check("largest return × 10", -10 * bold.value, 1.0586641, "other solver", 1e-7),
            Check("largest return × 10, from the KKT system", -10 * bold.value, 10 * at_cap),
            Check("its x, from the KKT system", bold.x, np.r_[by_hand(at_cap)[:3], 0]),
            Check("λ of the variance = 1/λ of the return there", bold.lam[0], 1 / by_hand(at_cap)[3]),
            Check("its x", bold.x, [0.41134, 0.50998, 0.078681, 0], "other solver, five digits", 1e-5),
            Check("λ of the variance", bold.lam[0], 7.40725, "other solver, five of its digits", 2e-5),
            Check("least variance for that return × 1000", 1e3 * solved(least_risk(-bold.value), tol=1e-10).value, 2.0,
                  "the other problem"),
        ),
        solved=((problem, safe), (capped, bold)))


@markowitz.picture("The least variance as a function of the return asked for: convex, with the tangent at 10 % whose "
                   "slope is the multiplier λ.")
def _(axes: Any) -> None:
    mean = np.array([0.12, 0.10, 0.07, 0.03])
    S = np.array([[0.0064, 0.0008, -0.0011, 0], [0.0008, 0.0025, 0, 0], [-0.0011, 0, 0.0004, 0], [0, 0, 0, 0]])
    floors = np.linspace(0.03, 0.12, 46)
    risks = [solved(ck.qp(2 * S, np.zeros(4), -mean[None], [-t], np.ones((1, 4)), [1.0], lb=0.0)).value for t in floors]
    (_, safe), (_, bold) = markowitz.answer.solved
    axes.plot(100 * floors, risks, label="least variance p*")
    axes.plot(100 * floors, safe.value + safe.lam[0] * (floors - 0.1), "--", label="tangent at 10 %, slope λ")
    axes.plot(10, safe.value, "ko", label="least variance for 10 %")
    axes.plot(-100 * bold.value, 0.002, "ks", label="largest return for 0.002")
    axes.set(xlabel="mean return asked for, %", ylabel="variance", ylim=(-0.002, 0.007))
    axes.legend(frameon=False)


@chapter.case(
    "4.28", "C4-21", "Exercise 4.28 (a)", "A quadratic program robust to its matrix",
    statement="The matrix of the objective may be any of three. The worst of the three objectives, in epigraph form, "
              "makes a problem with three quadratic constraints; their multipliers are the weights of the worst "
              "mixture.",
    primal="minimise t   subject to  ½xᵀPₖx + qᵀx ≤ t,  x₁ + x₂ ≥ 1,  x ≥ -1",
    dual="maximise over weights μ of the simplex the minimum of ½xᵀ(Σ μₖPₖ)x + qᵀx over the polyhedron")
def worst_of_three() -> Answer:
    P = [np.diag([1.0, 4]), np.array([[3.0, 1], [1, 2]]), np.array([[2.0, -1], [-1, 2]])]
    q = np.array([0.1, -0.2])
    rows = [ck.Quadratic(np.pad(Pk, (0, 1)), np.r_[q, -1.0]) for Pk in P]
    problem = ck.QCQP(ck.Quadratic(None, [0.0, 0, 1]), rows, G=[[-1.0, -1, 0]], h=[-1.0], lb=[-1.0, -1, -np.inf])
    solution = solved(problem)
    x, mu = solution.x[:2], solution.lam[:3]
    mixture = ck.qp(sum(w * Pk for w, Pk in zip(mu, P, strict=True)), q, [[-1.0, -1]], [-1.0], lb=-1.0)
    fixed = solved(mixture)
    # On x₁ + x₂ = 1 the first two objectives are equal where x₂² = x₁² + x₁x₂: x₁ = (3 - √5)/2.
    golden = (3 - np.sqrt(5)) / 2
    z = np.array([golden, 1 - golden])
    slopes = [(Pk @ z + q) @ [1, -1] for Pk in P[:2]]
    weight = slopes[1] / (slopes[1] - slopes[0])  # the mixture's slope along the line is 0
    return Answer(
        solution.value, fixed.value, x, {"μ": mu},
        checks=(
            Check("x", x, z),
            Check("p*", solution.value, 0.5 * z @ P[0] @ z + q @ z),
            Check("p*", solution.value, 0.75147084, "other solver", 1e-7),
            Check("μ", mu, [weight, 1 - weight, 0]),
            Check("d*, the minimum with the weights fixed", fixed.value, solution.value, "strong duality"),
        ),
        solved=((problem, solution), (mixture, fixed)))


@worst_of_three.picture("Level curves of the largest of three quadratics, with a kink where two are equal, and the "
                        "feasible set above the line. The optimum lies where the kink meets the line.")
def _(axes: Any) -> None:
    from ..pages import contours

    P = [np.diag([1.0, 4]), np.array([[3.0, 1], [1, 2]]), np.array([[2.0, -1], [-1, 2]])]
    q, x = np.array([0.1, -0.2]), worst_of_three.answer.x
    axes.fill([2, -1, 2], [-1, 2, 2], alpha=0.2, color="tab:blue")
    axes.plot([2, -1], [-1, 2], color="tab:blue")
    contours(axes, lambda x: max(0.5 * x @ Pk @ x + q @ x for Pk in P), (-1, 1.6), (-1, 1.6),
             levels=[0.1, 0.3, worst_of_three.answer.value, 1.5, 2.5, 4], labels=True)
    axes.plot(*x, "ko")
    axes.annotate("x", x, xytext=(7, 5), textcoords="offset points")
    axes.set(aspect="equal", xlim=(-1, 1.6), ylim=(-1, 1.6), xlabel="x₁", ylabel="x₂")
