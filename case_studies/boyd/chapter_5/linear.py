"""Linear programs and their duals."""

from __future__ import annotations

from typing import Any

import numpy as np

import convexkit as ck

from ..case import Answer, Check, load, solved
from .chapter import chapter


@chapter.case(
    "5.2.1", "C5-03", "Sections 5.1.5 and 5.2.1", "A linear program and its dual",
    statement="Two products, two resources: the dual variables are what a unit of each resource is worth.",
    primal="minimise -4x₁ - 3x₂   subject to  x₁ + x₂ ≤ 10,  2x₁ + x₂ ≤ 15,  x ≥ 0",
    dual="maximise -10λ₁ - 15λ₂   subject to  λ₁ + 2λ₂ ≥ 4,  λ₁ + λ₂ ≥ 3,  λ ≥ 0")
def two_products() -> Answer:
    c, G, h = np.array([-4.0, -3]), np.array([[1.0, 1], [2, 1]]), np.array([10.0, 15])
    problem = ck.lp(c, G, h, lb=0.0)
    solution = solved(problem)
    dual = ck.lp(h, -G.T, c, lb=0.0)  # minimise hᵀλ subject to Gᵀλ ≥ -c
    prices = solved(dual)
    return Answer(
        solution.value, solution.dual_value, solution.x, {"λ": solution.lam},
        checks=(
            Check("p*", solution.value, -35.0),
            Check("x", solution.x, [5.0, 5.0]),
            Check("λ", solution.lam, [2.0, 1.0]),
            Check("value of the dual, solved as a problem of its own", -prices.value, -35.0),
            Check("its solution", prices.x, solution.lam, "the primal's multipliers"),
            Check("its multipliers", prices.lam, solution.x, "the primal's solution"),
        ),
        solved=((problem, solution), (dual, prices)))


@two_products.picture("The feasible set, level lines of the objective, and the optimal corner, where both resources "
                      "are used up.")
def _(axes: Any) -> None:
    from ..pages import contours

    axes.fill([0, 7.5, 5, 0], [0, 0, 5, 10], alpha=0.2, color="tab:blue")
    axes.plot([0, 7.5, 5, 0, 0], [0, 0, 5, 10, 0], color="tab:blue")
    contours(axes, lambda x: -4 * x[0] - 3 * x[1], (0, 9), (0, 11), levels=[-35, -28, -20, -12], labels=True)
    axes.plot([5], [5], "ko")
    axes.annotate("x = (5, 5)", (5, 5), xytext=(9, 3), textcoords="offset points")
    axes.set(xlim=(0, 9), ylim=(0, 11), xlabel="x₁", ylabel="x₂")


@chapter.case(
    "5.2.5", "C5-07", "Section 5.2.5", "A matrix game",
    statement="Mixed strategies for a game with payoff matrix P: what the row player can guarantee and what the column "
              "player can guarantee are a pair of dual linear programs.",
    primal="minimise t   subject to  Pᵀu ≤ t1,  1ᵀu = 1,  u ≥ 0",
    dual="maximise s   subject to  Pv ≥ s1,  1ᵀv = 1,  v ≥ 0")
def matrix_game() -> Answer:
    P = np.array([[3.0, -1, 2, 0], [-2, 4, -1, 1], [1, 0, -3, 2]])
    m, n = P.shape
    rows = ck.lp(np.r_[np.zeros(m), 1], np.c_[P.T, -np.ones(n)], np.zeros(n), np.r_[np.ones(m), 0][None], [1.0],
                 lb=np.r_[np.zeros(m), -np.inf])
    columns = ck.lp(np.r_[np.zeros(n), -1], np.c_[-P, np.ones(m)], np.zeros(m), np.r_[np.ones(n), 0][None], [1.0],
                    lb=np.r_[np.zeros(n), -np.inf])
    u, v = solved(rows), solved(columns)
    return Answer(
        u.value, -v.value, None, {"u": u.x[:m], "v": v.x[:n]},
        checks=(
            Check("value of the game", u.value, 19 / 22),
            Check("what the column player guarantees", -v.value, u.value, "strong duality"),
            Check("v, as multipliers of the row player's problem", u.lam, v.x[:n], "the other problem", 1e-5),
            Check("u", u.x[:m], np.array([9, 7, 6]) / 22),
            Check("worst payoff of u over all columns", (P.T @ u.x[:m]).max(), u.value, "enumeration"),
        ),
        solved=((rows, u), (columns, v)))


@chapter.case(
    "5.5", "C5-12", "Exercise 5.5", "The dual with equalities",
    statement="A linear program with inequalities and equalities; the dual has a sign on one set of variables only.",
    primal="minimise cᵀx   subject to  Gx ≤ h,  Ax = b",
    dual="maximise -hᵀλ - bᵀν   subject to  c + Gᵀλ + Aᵀν = 0,  λ ≥ 0")
def with_equalities() -> Answer:
    c, G, h = np.array([1.0, 1, 3]), -np.eye(3), np.zeros(3)
    A, b = np.array([[1.0, 2, 1], [0, 1, -1]]), np.array([4.0, 1])
    problem = ck.lp(c, G, h, A, b)
    solution = solved(problem)
    dual = ck.lp(np.r_[h, b], None, None, np.c_[G.T, A.T], -c, lb=np.r_[np.zeros(3), -np.inf, -np.inf])
    multipliers = solved(dual)
    return Answer(
        solution.value, solution.dual_value, solution.x, {"λ": solution.lam, "ν": solution.nu},
        checks=(
            Check("p*", solution.value, 3.0, "other solver"),
            Check("d*, solved as a problem of its own", -multipliers.value, solution.value, "strong duality"),
            Check("(λ, ν)", np.r_[solution.lam, solution.nu], multipliers.x, "the dual's solution", 1e-5),
            Check("ν", solution.nu, [-1.0, 1.0], "other solver", 1e-5),
        ),
        solved=((problem, solution), (dual, multipliers)))


@chapter.case(
    "5.6", "C5-13", "Exercise 5.6", "What least squares says about the Chebyshev approximation",
    statement="How good can the best ℓ∞ fit be? A dual feasible point built from the least-squares residual r gives "
              "‖r‖₂²/‖r‖₁ as a bound, better than ‖r‖∞/√m.",
    primal="minimise t   subject to  -t1 ≤ Ax - b ≤ t1",
    dual="maximise bᵀν   subject to  ‖ν‖₁ ≤ 1,  Aᵀν = 0")
def chebyshev_bound() -> Answer:
    rng = np.random.default_rng(56)
    A, b = rng.standard_normal((20, 4)), rng.standard_normal(20)
    G = np.block([[A, -np.ones((20, 1))], [-A, -np.ones((20, 1))]])
    problem = ck.lp(np.r_[np.zeros(4), 1], G, np.r_[b, -b])
    solution = solved(problem)
    r = b - A @ np.linalg.lstsq(A, b, rcond=None)[0]
    nu = r / abs(r).sum()
    return Answer(
        solution.value, solution.dual_value, None, {},
        checks=(
            Check("p*", solution.value, 0.75954034, "other solver", 1e-7),
            Check("‖r‖₂²/‖r‖₁", r @ r / abs(r).sum(), 0.6233031, "other solver", 1e-6),
            Check("‖r‖₂²/‖r‖₁ is the dual value of ν = r/‖r‖₁", b @ nu, r @ r / abs(r).sum()),
            Check("that ν is dual feasible: ‖Aᵀν‖", abs(A.T @ nu).max(), 0.0),
            Check("the bound", r @ r / abs(r).sum(), solution.value, "weak duality", 1e-9, "at most"),
            Check("the weaker bound ‖r‖∞/√m", abs(r).max() / np.sqrt(20), r @ r / abs(r).sum(), "theory", 1e-9,
                  "at most"),
        ),
        solved=((problem, solution),))


@chapter.case(
    "5.23", "C5-22", "Exercise 5.23", "Neither the problem nor its dual has a point",
    statement="For linear programs strong duality can fail in one way only: p* = +∞ and d* = -∞.",
    primal="minimise x   subject to  0·x ≤ -1,  x ≤ 1",
    dual="maximise λ₁ - λ₂   subject to  0·λ₁ + λ₂ = -1,  λ ≥ 0")
def both_infeasible() -> Answer:
    problem = ck.lp([1.0], [[0.0], [1.0]], [-1.0, 1.0])
    solution: Any = ck.solve(problem)
    dual = ck.lp([-1.0, 1.0], None, None, [[0.0, 1.0]], [-1.0], lb=0.0)
    other: Any = ck.solve(dual)
    return Answer(
        np.inf, -np.inf, None, {},
        checks=(
            Check("the primal's certificate verifies", solution.certificate.verify(problem), True),
            Check("the dual's certificate verifies", other.certificate.verify(dual), True),
            Check("p*", solution.value, np.inf),
            Check("d*", -other.value, -np.inf),
        ),
        solved=((problem, solution), (dual, other)),
        notes=("The certificate of the primal is λ = (1, 0): it weighs the first row alone, which says 0 ≤ -1.",))


@chapter.case(
    "5.28", "C5-25", "Exercise 5.28", "A proof that a point is optimal",
    statement="Show that x = (1, 1, 1, 1) is optimal: multipliers that satisfy the KKT conditions are the whole proof.",
    primal="minimise 47x₁ + 93x₂ + 17x₃ - 93x₄   subject to  Ax ≤ b (five rows)",
    dual="maximise -bᵀλ   subject to  Aᵀλ + c = 0,  λ ≥ 0")
def proof_by_multipliers() -> Answer:
    c = np.array([47.0, 93, 17, -93])
    A = np.array([[-1.0, -6, 1, 3], [-1, -2, 7, 1], [0, 3, -10, -1], [-6, -11, -2, 12], [1, 6, -1, -3]])
    b = np.array([-3.0, 5, -8, -7, 4])
    problem = ck.lp(c, A, b)
    solution = solved(problem)
    x, lam = np.ones(4), np.array([3.0, 2, 2, 7, 0])
    proof = ck.kkt_residuals(problem, x, lam)
    return Answer(
        solution.value, solution.dual_value, solution.x, {"λ": solution.lam},
        checks=(
            Check("x", solution.x, x, "book"),
            Check("λ", solution.lam, lam, "by hand"),
            Check("KKT residuals of the hand-made proof", proof.max(), 0.0, "the KKT conditions", 1e-12),
            Check("p*", solution.value, c @ x),
            Check("rank of the active rows: x is the only optimum", np.linalg.matrix_rank(A[:4]), 4),
        ),
        solved=((problem, solution),))


@chapter.case(
    "5.8.1", "C5-43", "Sections 5.8.1 and 5.9.4", "Farkas: exactly one of two systems has a solution",
    statement="Either some x has Ax ≤ 0 and cᵀx < 0, or some y ≥ 0 has Aᵀy + c = 0. Whichever it is, a linear program "
              "finds it and proves that the other is empty.",
    primal="minimise 0   subject to  Aᵀy = -c,  y ≥ 0",
    dual="x with Ax ≤ 0 and cᵀx < 0: the certificate of infeasibility, and the other way round")
def farkas() -> Answer:
    A = np.array([[1.0, -2], [-1, -1], [2, 1]])
    first = ck.lp(np.zeros(3), None, None, A.T, [-1.0, -1], lb=0.0)
    second = ck.lp(np.zeros(3), None, None, A.T, [1.0, 4], lb=0.0)
    y = solved(first)
    nothing: Any = ck.solve(second)
    x = nothing.certificate.nu  # Aᵀy = -c combined with weights x: 0 ≤ (Ax)ᵀy = -cᵀx has no solution
    x = x if np.array([-1.0, -4]) @ x < 0 else -x
    return Answer(
        None, None, None, {"y for c = (1, 1)": y.x},
        checks=(
            Check("c = (1, 1): y", y.x, [0.0, 1.0, 0.0]),
            Check("Aᵀy + c", A.T @ y.x + 1, [0.0, 0.0], "the alternative"),
            Check("c = (-1, -4): the certificate verifies", nothing.certificate.verify(second), True),
            Check("it holds an x with Ax ≤ 0", (A @ x).max() <= 0, True, "the alternative"),
            Check("and cᵀx < 0", [-1.0, -4] @ x < 0, True, "the alternative"),
        ),
        solved=((first, y), (second, nothing)))


@farkas.picture("The cone {x : Ax ≤ 0} and the half-plane cᵀx < 0 for c = (-1, -4): they meet, so no y exists.")
def _(axes: Any) -> None:
    A, c = np.array([[1.0, -2], [-1, -1], [2, 1]]), np.array([-1.0, -4])
    u, v = np.meshgrid(np.linspace(-2, 2, 300), np.linspace(-2, 2, 300))
    cone = np.max(np.einsum("ij,jkl->ikl", A, np.stack([u, v])), axis=0)
    axes.contourf(u, v, c[0] * u + c[1] * v, levels=[-20, 0], colors=["tab:orange"], alpha=0.2)
    axes.contourf(u, v, cone, levels=[-10, 0], colors=["tab:blue"], alpha=0.6)
    axes.annotate("", 0.2 * c, (0, 0), arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0})
    axes.text(-0.28, -0.62, "c", ha="right")
    axes.text(-1.25, 1.55, "Ax ≤ 0", ha="center")
    axes.text(0.9, 1.2, "cᵀx < 0", ha="center")
    ticks = [-2, -1, 0, 1, 2]
    axes.set(xlabel="x₁", ylabel="x₂", aspect="equal", xlim=(-2, 2), ylim=(-1, 2), xticks=ticks, yticks=ticks[1:])


@chapter.case(
    "A5.13", "C5-35", "Additional exercise 5.13", "Costs deduced from decisions",
    statement="Ten optimal decisions xᵏ of min cᵀx subject to Ax ≥ bᵏ are seen; c₁ = 1. Which costs are consistent "
              "with them? By LP duality xᵏ is optimal if and only if some λᵏ ≥ 0 with Aᵀλᵏ = c has λᵏᵀ(Axᵏ - bᵏ) = 0.",
    primal="minimise or maximise cᵢ   subject to  Aᵀλᵏ = c,  λᵏ ≥ 0,  λᵏⱼ = 0 where row j is slack at xᵏ,  c₁ = 1",
    dual="each bound comes with multipliers, one for each equation of each decision")
def deduced_costs() -> Answer:
    data = load("deducing_costs.npz")
    A, B, X = data["A"], data["B"], data["X"]
    (m, n), K = A.shape, X.shape[1]
    size = n + m * K
    rows = np.zeros((n * K + 1, size))
    upper = np.full(size, np.inf)
    for k in range(K):
        rows[n * k:n * (k + 1), :n] = -np.eye(n)
        rows[n * k:n * (k + 1), n + m * k:n + m * (k + 1)] = A.T
        upper[n + m * k:n + m * (k + 1)][A @ X[:, k] - B[:, k] > 1e-3] = 0.0  # data to four decimals
    rows[-1, 0] = 1.0
    ends = np.r_[np.zeros(n * K), 1.0]
    lower = np.r_[np.full(n, -np.inf), np.zeros(m * K)]
    intervals, problems = [], []
    for i in range(n):
        pair = []
        for sign in (1.0, -1.0):
            problem = ck.lp(sign * np.eye(size)[i], None, None, rows, ends, lb=lower, ub=upper)
            solution = solved(problem)
            problems.append((problem, solution))
            pair.append(sign * solution.value)
        intervals.append(pair)
    printed = [[1.0, 1.0], [0.6477, 1.7335], [0.0609, 0.4044], [0.0161, 1.5127], [0.7378, 1.0723]]
    truth = data["c_true"] / data["c_true"][0]
    return Answer(
        None, None, None, {},
        checks=(
            Check("intervals of c", np.array(intervals), printed, "other solver, four digits", 6e-5),
            Check("the true costs, above the lower ends", truth - np.array(intervals)[:, 0], np.zeros(n), "data", 1e-6,
                  "at least"),
            Check("and below the upper ends", truth - np.array(intervals)[:, 1], np.zeros(n), "data", 1e-6, "at most"),
        ),
        solved=tuple(problems[:2]))


@chapter.case(
    "A5.21", "C5-36", "Additional exercise 5.21", "A linear program robust to its costs",
    statement="Each cost may be off by 25 % and their mean by 10 %. The worst cost over that polyhedron is itself a "
              "linear program; its dual, put inside, makes one of the whole.",
    primal="minimise over x  max {cᵀx : F c ≤ g}   subject to  Ax ≥ b",
    dual="minimise gᵀλ   subject to  Fᵀλ = x,  λ ≥ 0,  Ax ≥ b")
def robust_costs() -> Answer:
    state = np.random.RandomState(10)
    A, b, c = state.rand(30, 10), state.rand(30, 1).ravel(), (1 + state.rand(10, 1)).ravel()
    n = c.size
    F = np.concatenate([np.eye(n), -np.eye(n), np.full((1, n), 1 / n), np.full((1, n), -1 / n)])
    g = np.r_[1.25 * c, -0.75 * c, 1.1 * c.mean(), -0.9 * c.mean()]
    robust = ck.lp(np.r_[np.zeros(n), g], np.c_[-A, np.zeros((30, g.size))], -b, np.c_[-np.eye(n), F.T], np.zeros(n),
                   lb=np.r_[np.full(n, -np.inf), np.zeros(g.size)])
    plain = ck.lp(c, -A, -b)
    x, x_plain = solved(robust), solved(plain)

    def worst(x: np.ndarray) -> float:
        return -solved(ck.lp(-x, F, g)).value

    return Answer(
        x.value, x.dual_value, None, {},
        checks=(
            Check("robust x: worst cost", x.value, 3.1659611, "other solver", 1e-6),
            Check("robust x: nominal cost", c @ x.x[:n], 2.5232089, "other solver", 1e-5),
            Check("nominal x: nominal cost", x_plain.value, 2.1092715, "other solver", 1e-6),
            Check("nominal x: worst cost", worst(x_plain.x), 7.2215623, "other solver", 1e-5),
            Check("worst cost of the robust x, by the inner problem", worst(x.x[:n]), x.value, "strong duality"),
        ),
        solved=((robust, x), (plain, x_plain)))
