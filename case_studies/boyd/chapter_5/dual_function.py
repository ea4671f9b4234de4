"""The Lagrangian, its infimum, and what that bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter


@chapter.case(
    "5.1", "C5-01", "Exercise 5.1", "A parabola over an interval",
    statement="Minimise x² + 1 where (x - 2)(x - 4) ≤ 0. Find the optimum, the dual function, and the optimal value "
              "p*(u) when the right-hand side becomes u.",
    primal="minimise x² + 1   subject to  x² - 6x + 8 ≤ u",
    dual="L(x, λ) = (1 + λ)x² - 6λx + 1 + 8λ, so x(λ) = 3λ/(1 + λ) and\n"
         "maximise g(λ) = -9λ²/(1 + λ) + 1 + 8λ   subject to  λ ≥ 0")
def parabola() -> Answer:
    f0, f1 = ck.Quadratic([[2.0]], [0.0], 1.0), ck.Quadratic([[2.0]], [-6.0], 8.0)
    problem = ck.QCQP(f0, [f1])
    solution = solved(problem)
    dual = ck.Lagrangian(problem).dual_function
    lams = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 8.0])
    values, prices = [], []
    shifts = np.array([-0.5, 0.0, 1.0, 3.0, 8.0, 10.0])
    for u in shifts:
        moved = solved(ck.QCQP(f0, [ck.Quadratic([[2.0]], [-6.0], 8.0 - u)]))
        values.append(moved.value)
        prices.append(moved.lam[0])
    curve = np.where(shifts <= 8, 11 + shifts - 6 * np.sqrt(1 + shifts), 1.0)
    too_low = ck.QCQP(f0, [ck.Quadratic([[2.0]], [-6.0], 8.0 + 1.5)])
    nothing: Any = ck.solve(too_low)
    return Answer(
        solution.value, solution.dual_value, solution.x, {"λ": solution.lam},
        checks=(
            Check("p*", solution.value, 5.0),
            Check("x", solution.x, [2.0]),
            Check("λ", solution.lam, [2.0]),
            Check("g at λ = 0, ½, 1, 2, 3, 8", [dual([t]) for t in lams], -9 * lams**2 / (1 + lams) + 1 + 8 * lams),
            Check("p*(u) at u = -½, 0, 1, 3, 8, 10", values, curve),
            Check("-dp*/du there, the multiplier", prices[:4], (3 / np.sqrt(1 + shifts) - 1)[:4], rtol=1e-5),
            Check("p*(u) ≥ p*(0) - λu", values, solution.value - solution.lam[0] * shifts, "weak duality", 1e-7,
                  "at least"),
            Check("u = -1.5 is infeasible: the certificate verifies", nothing.certificate.verify(too_low), True),
        ),
        solved=((problem, solution),),
        notes=("The tangent at u = 0 has slope -λ and lies below p*(u) everywhere: the price of the constraint is "
               "exact for small changes and optimistic for large ones, either way.",))


@parabola.picture("The optimal value p*(u) and its tangent at u = 0, whose slope is -λ = -2. The tangent never lies "
                  "above.")
def _(axes: Any) -> None:
    u = np.linspace(-1, 10, 300)
    axes.plot(u, np.where(u <= 8, 11 + u - 6 * np.sqrt(1 + np.minimum(u, 8)), 1.0), label="p*(u)")
    axes.plot(u, 5 - 2 * u, "--", label="p*(0) - λu")
    axes.plot([0], [5], "ko", markersize=4)
    axes.set(xlabel="u", ylabel="optimal value", ylim=(-3, 11))
    axes.legend(frameon=False)


@chapter.case(
    "5.1.5", "C5-02", "Sections 5.1.3 and 5.1.5", "The least-norm point of an affine set",
    statement="Among the solutions of Ax = b, the one with the least norm; its dual is an unconstrained quadratic.",
    primal="minimise xᵀx   subject to  Ax = b",
    dual="maximise g(ν) = -¼νᵀAAᵀν - bᵀν,   x(ν) = -½Aᵀν")
def least_norm() -> Answer:
    A, b = np.array([[1.0, 2, 0, 1], [0, 1, 1, -1]]), np.array([3.0, 1.0])
    problem = ck.qp(2 * np.eye(4), np.zeros(4), A=A, b=b)
    solution = solved(problem)
    dual = ck.Lagrangian(problem).dual_function
    nu = np.linalg.solve(A @ A.T, -2 * b)
    return Answer(
        solution.value, solution.dual_value, solution.x, {"ν": solution.nu},
        checks=(
            Check("p* = bᵀ(AAᵀ)⁻¹b", solution.value, b @ np.linalg.solve(A @ A.T, b)),
            Check("x = Aᵀ(AAᵀ)⁻¹b", solution.x, A.T @ np.linalg.solve(A @ A.T, b)),
            Check("ν = -2(AAᵀ)⁻¹b", solution.nu, nu),
            Check("g(-1, 0)", dual(nu=[-1.0, 0.0]), 1.5, "book"),
            Check("g at the optimal ν", dual(nu=solution.nu), solution.value, "strong duality"),
        ),
        solved=((problem, solution),))


@chapter.case(
    "5.5.3", "C5-42", "Section 5.5.3, Example 5.1", "An equality-constrained quadratic is one linear system",
    statement="With equalities only, the KKT conditions of a convex quadratic are linear.",
    primal="minimise ½xᵀPx + qᵀx   subject to  Ax = b",
    dual="[P Aᵀ; A 0]·(x, ν) = (-q, b);   g(ν) = -½(q + Aᵀν)ᵀP⁻¹(q + Aᵀν) - bᵀν")
def kkt_system() -> Answer:
    P, q = np.array([[2.0, 0, 1], [0, 3, 0], [1, 0, 4]]), np.array([1.0, -2, 0])
    A, b = np.ones((1, 3)), np.array([2.0])
    problem = ck.qp(P, q, A=A, b=b)
    solution = solved(problem)
    by_hand = np.linalg.solve(np.block([[P, A.T], [A, np.zeros((1, 1))]]), np.concatenate([-q, b]))
    c = q + A.T @ solution.nu
    return Answer(
        solution.value, solution.dual_value, solution.x, {"ν": solution.nu},
        checks=(
            Check("x", solution.x, by_hand[:3]),
            Check("ν", solution.nu, by_hand[3:]),
            Check("g(ν)", ck.Lagrangian(problem).dual_function(nu=solution.nu),
                  -0.5 * c @ np.linalg.solve(P, c) - b @ solution.nu),
            Check("d* = p*", solution.dual_value, solution.value, "strong duality"),
        ),
        solved=((problem, solution),))


@chapter.case(
    "5.27", "C5-24", "Exercise 5.27", "Least squares with an equality",
    statement="Fit with one linear condition on the coefficients; the multiplier comes from the same linear system.",
    primal="minimise ‖Ax - b‖²   subject to  Gx = h",
    dual="[2AᵀA Gᵀ; G 0]·(x, ν) = (2Aᵀb, h)")
def constrained_fit() -> Answer:
    A, b = np.array([[1.0, 2], [3, 1], [1, 1]]), np.array([1.0, 2, 3])
    G, h = np.array([[1.0, -1.0]]), np.array([0.5])
    problem = ck.qp(2 * A.T @ A, -2 * A.T @ b, A=G, b=h, r=b @ b)
    solution = solved(problem)
    by_hand = np.linalg.solve(np.block([[2 * A.T @ A, G.T], [G, np.zeros((1, 1))]]), np.concatenate([2 * A.T @ b, h]))
    return Answer(
        solution.value, solution.dual_value, solution.x, {"ν": solution.nu},
        checks=(
            Check("x", solution.x, by_hand[:2]),
            Check("ν", solution.nu, by_hand[2:]),
            Check("‖Ax - b‖²", solution.value, np.sum((A @ by_hand[:2] - b) ** 2)),
        ),
        solved=((problem, solution),))
