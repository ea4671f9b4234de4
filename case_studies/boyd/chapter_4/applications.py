"""Linear programs that answer a question: how large, how cheap, how likely, by which way."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter


@chapter.case(
    "4.3.1", "C4-23", "Section 4.3.1", "The Chebyshev centre of a polyhedron",
    statement="The largest disc inside four half-planes. In half-plane i the disc fits if aᵢᵀx + r‖aᵢ‖ ≤ bᵢ.",
    primal="minimise -r   subject to  aᵢᵀx + r‖aᵢ‖ ≤ bᵢ",
    dual="maximise -bᵀλ   subject to  Σ λᵢaᵢ = 0,  Σ λᵢ‖aᵢ‖ = 1,  λ ≥ 0")
def largest_disc() -> Answer:
    A, b = np.array([[2.0, 1], [2, -1], [-1, 2], [-1, -2]]), np.ones(4)
    problem = ck.lp([0.0, 0, -1], np.c_[A, np.linalg.norm(A, axis=1)], b)
    solution = solved(problem)
    # Two sets of multipliers, by hand: each leaves out one of the four tangent lines.
    first, second = np.array([0.0, 4, 5, 3]) / (12 * np.sqrt(5)), np.array([4.0, 0, 3, 5]) / (12 * np.sqrt(5))
    return Answer(
        solution.value, solution.dual_value, solution.x, {},
        checks=(
            Check("r", solution.x[2], 1 / np.sqrt(5)),
            Check("centre", solution.x[:2], [0.0, 0.0]),
            Check("rows that touch the disc, in three variables", int((np.c_[A, np.linalg.norm(A, axis=1)] @ solution.x
                                                                      > b - 1e-6).sum()), 4, "closed form"),
            *(Check(f"largest KKT residual with λ = {words}/(12√5)", ck.kkt_residuals(problem, [0, 0, 1 / np.sqrt(5)],
                                                                                    lam).max(), 0.0, "by hand", 1e-12)
              for words, lam in (("(0, 4, 5, 3)", first), ("(4, 0, 3, 5)", second))),
        ),
        solved=((problem, solution),),
        notes=("Four rows hold with equality in three variables, and the multipliers are not unique: each of the two "
               "sets above proves that the disc is the largest, and so does every mixture of them.",))


@largest_disc.picture("The polyhedron and its largest disc, which touches all four lines.")
def _(axes: Any) -> None:
    x = largest_disc.answer.x
    A, b = np.array([[2.0, 1], [-1, 2], [-1, -2], [2, -1]]), np.ones(4)
    corners = np.array([np.linalg.solve(A[[i, (i + 1) % 4]], b[[i, (i + 1) % 4]]) for i in range(4)])
    axes.fill(*corners.T, alpha=0.2, color="tab:blue")
    axes.plot(*np.r_[corners, corners[:1]].T, color="tab:blue")
    angle = np.linspace(0, 2 * np.pi, 200)
    axes.plot(x[0] + x[2] * np.cos(angle), x[1] + x[2] * np.sin(angle), color="k")
    axes.plot(*x[:2], "ko", markersize=4)
    touch = x[:2] + x[2] * A[0] / np.sqrt(5)
    axes.annotate("", touch, x[:2], arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0})
    axes.annotate("r = 1/√5", (x[:2] + touch) / 2, xytext=(-4, 8), textcoords="offset points", ha="right")
    axes.set(aspect="equal", xlabel="x₁", ylabel="x₂")


@chapter.case(
    "4.3.1-diet", "C4-25", "Section 4.3.1", "The cheapest diet, and what nutrients are worth",
    statement="Five foods, three nutrients with a floor each. The multipliers are prices of nutrients at which no food "
              "is worth more than it costs, and those that are eaten are worth exactly that.",
    primal="minimise cᵀx   subject to  Nx ≥ b,  x ≥ 0",
    dual="maximise bᵀλ   subject to  Nᵀλ ≤ c,  λ ≥ 0")
def diet() -> Answer:
    c, b = np.array([3.0, 3.5, 4, 2, 5]), np.array([24.0, 40, 90])
    N = np.array([[4.0, 8, 7, 1.3, 8], [9, 11, 10, 3, 4], [30, 5, 9, 20, 17]])
    problem = ck.lp(c, -N, -b, lb=0.0)
    solution = solved(problem)
    dual = ck.lp(-b, N.T, c, lb=0.0)
    prices = solved(dual)
    # Foods 1 and 2 with nutrients 1 and 3: a system of two equations each.
    corner = N[np.ix_([0, 2], [0, 1])]
    eaten, worth = np.linalg.solve(corner, b[[0, 2]]), np.linalg.solve(corner.T, c[:2])
    return Answer(
        solution.value, -prices.value, solution.x, {"λ": solution.lam},
        checks=(
            Check("p*", solution.value, 153 / 11),
            Check("x, from two equations", solution.x, np.r_[eaten, 0, 0, 0]),
            Check("λ, from two equations", solution.lam, [worth[0], 0, worth[1]]),
            Check("d*, solved as a problem of its own", -prices.value, 153 / 11),
            Check("its solution", prices.x, solution.lam, "the primal's multipliers"),
            Check("its multipliers", prices.lam, solution.x, "the primal's solution"),
        ),
        solved=((problem, solution), (dual, prices)))


@chapter.case(
    "4.3.2", "C4-26", "Section 4.3.2", "A ratio of affine functions",
    statement="Quasiconvex, and a linear program after the change of variables y = x/(eᵀx + f), z = 1/(eᵀx + f).",
    primal="minimise (cᵀx + d)/(eᵀx + f)   subject to  0 ≤ x ≤ 3,  x₁ + 2x₂ ≤ 5\n"
           "minimise cᵀy + dz   subject to  0 ≤ y ≤ 3z,  y₁ + 2y₂ ≤ 5z,  eᵀy + fz = 1,  z ≥ 0",
    dual="maximise -ν   subject to  multipliers of the cone over the polytope that balance (c, d) + ν(e, f)")
def ratio() -> Answer:
    c, d, e, f = np.array([1.0, -2]), 3.0, np.array([1.0, 1]), 2.0
    G = np.array([[1.0, 0, -3], [0, 1, -3], [1, 2, -5]])
    problem = ck.lp(np.r_[c, d], G, np.zeros(3), np.r_[e, f][None], [1.0], lb=0.0)
    solution = solved(problem)
    x = solution.x[:2] / solution.x[2]
    corners = np.array([[0, 0], [3, 0], [3, 1], [0, 2.5]])
    values = (corners @ c + d) / (corners @ e + f)
    return Answer(
        solution.value, solution.dual_value, x, {"ν": solution.nu},
        checks=(
            Check("p*, the best of four corners", solution.value, values.min(), "enumeration"),
            Check("p*", solution.value, -4 / 9),
            Check("x", x, [0, 2.5]),
            Check("ν = -p*", solution.nu, [4 / 9]),
        ),
        solved=((problem, solution),))


@ratio.picture("Level sets of a ratio of affine functions are lines through one point. The smallest value on the "
               "polytope is found in a corner.")
def _(axes: Any) -> None:
    from ..pages import contours

    axes.fill([0, 3, 3, 0], [0, 0, 1, 2.5], alpha=0.2, color="tab:blue")
    axes.plot([0, 3, 3, 0, 0], [0, 0, 1, 2.5, 0], color="tab:blue")
    contours(axes, lambda x: (x[0] - 2 * x[1] + 3) / (x[0] + x[1] + 2), (-0.3, 3.4), (-0.3, 3),
             levels=[-4 / 9, -0.2, 0, 0.25, 0.5, 0.75, 1, 1.25], labels=True)
    axes.plot(*ratio.answer.x, "ko")
    axes.annotate("p* = -4/9", ratio.answer.x, xytext=(9, 3), textcoords="offset points")
    axes.set(aspect="equal", xlabel="x₁", ylabel="x₂")


@chapter.case(
    "4.16", "C4-10", "Exercise 4.16", "Control with the least fuel",
    statement="A linear system is brought from rest to a given state in thirty steps. An input u costs |u| while |u| ≤ "
              "1 and 2|u| - 1 beyond: piecewise linear, hence a linear program.",
    primal="minimise 1ᵀt   subject to  ±u ≤ t,  ±2u - 1 ≤ t,  Hu = x_des,   H = (A²⁹b, …, Ab, b)",
    dual="maximise νᵀx_des - Σ (|hᵢᵀν| - 1)₊   subject to  |hᵢᵀν| ≤ 2,   hᵢ the columns of H")
def least_fuel() -> Answer:
    A, b = np.array([[-1.0, 0.4, 0.8], [1, 0, 0], [0, 1, 0]]), np.array([1.0, 0, 0.3])
    N, target = 30, np.array([7.0, 2, -6])
    H = np.stack([np.linalg.matrix_power(A, N - 1 - k) @ b for k in range(N)], axis=1)
    eye = np.eye(N)
    G = np.block([[eye, -eye], [-eye, -eye], [2 * eye, -eye], [-2 * eye, -eye]])
    problem = ck.lp(np.r_[np.zeros(N), np.ones(N)], G, np.r_[np.zeros(2 * N), np.ones(2 * N)],
                    np.c_[H, np.zeros((3, N))], target)
    solution = solved(problem)
    u = solution.x[:N]
    dual = ck.lp(np.r_[-target, np.ones(N)], np.block([[H.T, -eye], [-H.T, -eye]]), np.ones(2 * N),
                 lb=np.r_[np.full(3, -np.inf), np.zeros(N)], ub=np.r_[np.full(3, np.inf), np.ones(N)])
    other = solved(dual)
    state = np.zeros(3)
    for step in u:
        state = A @ state + b * step
    return Answer(
        solution.value, -other.value, None, {"ν": -solution.nu},
        checks=(
            Check("p*", solution.value, 17.323568, "other solver", 1e-7),
            Check("p* = fuel of u", solution.value, np.maximum(abs(u), 2 * abs(u) - 1).sum(), "its definition"),
            Check("the state after thirty steps", state, target, "simulation"),
            Check("d*, solved as a problem of its own", -other.value, solution.value, "strong duality"),
            Check("ν", -solution.nu, other.x[:3], "the dual's solution"),
        ),
        solved=((problem, solution), (dual, other)))


@least_fuel.picture("The input: off most of the time, else at ±1, beyond which fuel is twice as dear. Only the last "
                    "step, whose effect nothing can amplify or undo, goes beyond.")
def _(axes: Any) -> None:
    u = least_fuel.answer.solved[0][1].x[:30]
    axes.vlines(range(30), 0, u, color="tab:blue")
    axes.plot(range(30), u, "o", markersize=4)
    axes.axhline(0, color="k", linewidth=0.8)
    for level in (-1, 1):
        axes.axhline(level, color="0.6", linestyle=":")
    axes.set(xlabel="step", ylabel="input u")


@chapter.case(
    "4.17", "C4-11", "Exercise 4.17", "Activity levels with quantity discounts",
    statement="Four products, five resources. The price of a product falls once a quantity qⱼ is sold: the revenue is "
              "concave and piecewise linear, and its maximisation a linear program.",
    primal="minimise -1ᵀu   subject to  Ax ≤ c,  x ≥ 0,  uⱼ ≤ pⱼxⱼ,  uⱼ ≤ pⱼqⱼ + p̃ⱼ(xⱼ - qⱼ)",
    dual="resource prices λ ≥ 0 that minimise cᵀλ + Σ (pⱼ - p̃ⱼ)qⱼβⱼ   with  α + β = 1,  Aᵀλ ≥ pα + p̃β,  α, β ≥ 0")
def discounts() -> Answer:
    A = np.array([[1.0, 2, 0, 1], [0, 0, 3, 1], [0, 3, 1, 1], [2, 1, 2, 5], [1, 0, 3, 2]])
    p, low, q = np.array([3.0, 2, 7, 6]), np.array([2.0, 1, 4, 2]), np.array([4.0, 10, 5, 10])
    eye = np.eye(4)
    G = np.block([[A, np.zeros((5, 4))], [-np.diag(p), eye], [-np.diag(low), eye]])
    problem = ck.lp(np.r_[np.zeros(4), -np.ones(4)], G, np.r_[np.full(5, 100.0), np.zeros(4), (p - low) * q],
                    lb=np.r_[np.zeros(4), np.full(4, -np.inf)])
    solution = solved(problem)
    x, prices = solution.x[:4], solution.lam[:5]
    # The revenue of a unit of each product, at the margin, lies between p̃ and p, and all levels are positive:
    # Ax = c in rows 3, 4, 5 (prices not 0) and x₁ = q₁, where product 1 stands at its discount.
    corner = np.linalg.solve(np.r_[A[2:], [[1.0, 0, 0, 0]]], np.r_[100.0, 100, 100, 4])
    dual = -(100 * prices.sum() + ((p - low) * q) @ solution.lam[9:])
    return Answer(
        solution.value, solution.dual_value, x, {"λ, resource prices": prices},
        checks=(
            Check("revenue", -solution.value, 192.5, "other solver"),
            Check("revenue at x", np.minimum(p * x, p * q + low * (x - q)).sum(), 192.5, "its definition"),
            Check("x, from four equations", x, corner),
            Check("resource prices", prices, [0, 0, 0.03125, 0.90625, 0.71875], "other solver"),
            Check("d*, from the multipliers alone", dual, solution.value, "strong duality"),
        ),
        solved=((problem, solution),))


@chapter.case(
    "A4.25", "C4-35", "Additional exercise 4.25", "Bounds on a probability",
    statement="Four events of which a few probabilities are known, two of them conditional. How small and how large "
              "can prob(X₄ = 1) be? The unknowns are the sixteen probabilities of the joint distribution.",
    primal="minimise ±eᵀp   subject to  p ≥ 0,  1ᵀp = 1,  prob(X₁) = 0.9,  prob(X₂) = 0.9,  prob(X₃) = 0.1,\n"
           "prob(X₁ = 1, X₄ = 0, X₃ = 1) = 0.7 prob(X₃ = 1),  prob(X₄ = 1, X₂ = 1, X₃ = 0) = 0.6 prob(X₂ = 1, X₃ = 0)",
    dual="maximise -bᵀν   subject to  Aᵀν ± e ≥ 0:  a combination of what is known that never exceeds the indicator of "
         "X₄")
def probability_bounds() -> Answer:
    worlds = np.array(list(product((0.0, 1.0), repeat=4)))
    x1, x2, x3, x4 = worlds.T
    A = np.stack([np.ones(16), x1, x2, x3, x1 * (1 - x4) * x3 - 0.7 * x3, x4 * x2 * (1 - x3) - 0.6 * x2 * (1 - x3)])
    b = np.array([1, 0.9, 0.9, 0.1, 0, 0])
    lower, upper = ck.lp(x4, A=A, b=b, lb=0.0), ck.lp(-x4, A=A, b=b, lb=0.0)
    low, high = solved(lower), solved(upper)

    def exact(solution: ck.Solution, sign: float) -> float:
        """The bound of the multipliers rounded to fractions, or -inf if those are not exactly feasible."""
        nu = [Fraction(round(60 * t), 60) for t in solution.nu]
        tenths = [[Fraction(round(10 * a), 10) for a in row] for row in A]
        slopes = [sum(t * row[k] for t, row in zip(nu, tenths, strict=True)) + Fraction(int(sign * x4[k]))
                  for k in range(16)]
        bound = -(nu[0] + Fraction(9, 10) * (nu[1] + nu[2]) + Fraction(1, 10) * nu[3])
        return float(bound) if min(slopes) >= 0 else -np.inf

    return Answer(
        None, None, None, {"least": low.value, "largest": -high.value},
        checks=(
            Check("least prob(X₄ = 1)", low.value, 0.48, "other solver"),
            Check("largest prob(X₄ = 1)", -high.value, 0.61, "other solver"),
            Check("least, as multipliers in fractions prove it", exact(low, 1.0), 0.48, "exact arithmetic", 1e-12),
            Check("largest, in the same way", -exact(high, -1.0), 0.61, "exact arithmetic", 1e-12),
        ),
        solved=((lower, low), (upper, high)))


@chapter.case(
    "A4.15", "C4-37", "Additional exercise 4.15", "Through four way-points on little fuel",
    statement="A vehicle with two thrusters at 50° and 120°, drag, and gravity; it starts at rest in the origin and is "
              "to be in four places at four times, within a box. Fuel is the sum of all thrusts.",
    primal="minimise Σ (uₖ + wₖ)   subject to  pₖ₊₁ = pₖ + hvₖ,  vₖ₊₁ = (1 - α)vₖ + (h/m)fₖ,\n"
           "fₖ = uₖe₁ + wₖe₂ - (0, mg),  p₁ = v₁ = 0,  p₃₀, p₅₀, p₇₀, p₁₀₀ given,  |pₖ| ≤ 5,  u, w ≥ 0",
    dual="with u and w as the only variables:  maximise what way-points and box are worth,\n"
         "subject to  1 + (their weighted sum of the responses to thrust k) ≥ 0  for each thrust of each step")
def way_points() -> Answer:
    g, h, K, m, alpha = 10.0, 0.1, 100, 1.0, 0.1
    thrust = np.stack([[np.cos(t), np.sin(t)] for t in np.deg2rad([50.0, 120])], axis=1)
    # v[k] sums (1 - α)^(k-1-j)·(h/m)·f[j] over j < k, and p[k] sums h·v[j] over j < k: both linear in the thrusts.
    j = np.arange(K)
    speed = np.where(j[:, None] > j[None, :-1], (1 - alpha) ** (j[:, None] - 1.0 - j[None, :-1]), 0.0) * h / m
    place = h * np.concatenate([np.zeros((1, K - 1)), np.cumsum(speed, axis=0)[:-1]])
    response = np.concatenate([np.kron(place, thrust[:1]), np.kron(place, thrust[1:])])  # x of all steps, then y
    fall = np.r_[np.zeros(K), place @ np.full(K - 1, -m * g)]
    times = np.array([30, 50, 70, 100]) - 1
    points = np.array([[-2.0, 2], [3, 3], [-4, -1], [2, -4]])
    rows = np.r_[times, K + times]
    problem = ck.lp(np.ones(2 * (K - 1)), np.r_[response, -response], np.r_[5 - fall, 5 + fall], response[rows],
                    points.T.ravel() - fall[rows], lb=0.0)
    solution = solved(problem)
    path, motion = [np.zeros(2)], np.zeros(2)
    for u in solution.x.reshape(-1, 2):
        path.append(path[-1] + h * motion)
        motion = (1 - alpha) * motion + h / m * (thrust @ u - [0, m * g])
    return Answer(
        solution.value, solution.dual_value, None, {"path": np.array(path)[times].ravel()},
        checks=(
            Check("fuel", solution.value, 1055.3438, "other solver", 1e-7),
            Check("the way-points, flown step by step", np.array(path)[times], points, "simulation"),
            Check("largest coordinate on the way", abs(np.array(path)).max(), 5.0, "simulation", 1e-6, "at most"),
        ),
        solved=((problem, solution),))


@way_points.picture("The path from the origin (square) through the four way-points within the box.")
def _(axes: Any) -> None:
    h, alpha = 0.1, 0.1
    thrust = np.stack([[np.cos(t), np.sin(t)] for t in np.deg2rad([50.0, 120])], axis=1)
    path, motion = [np.zeros(2)], np.zeros(2)
    for u in way_points.answer.solved[0][1].x.reshape(-1, 2):
        path.append(path[-1] + h * motion)
        motion = (1 - alpha) * motion + h * (thrust @ u - [0, 10])
    axes.plot(*np.array(path).T, ".-", markersize=3, linewidth=0.8)
    axes.plot([-5, 5, 5, -5, -5], [-5, -5, 5, 5, -5], color="0.6", linestyle=":")
    axes.plot(0, 0, "ks")
    places = ((30, (-2, 2), (-40, 8)), (50, (3, 3), (8, -10)), (70, (-4, -1), (0, -14)), (100, (2, -4), (8, -3)))
    for k, point, shift in places:
        axes.plot(*point, "ko")
        axes.annotate(f"k = {k}", point, xytext=shift, textcoords="offset points")
    axes.set(aspect="equal", xlabel="p₁", ylabel="p₂")
