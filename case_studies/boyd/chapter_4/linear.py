"""Linear programs: closed forms, norms, flows, and what relaxing integers gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter


@chapter.case(
    "4.8", "C4-04", "Exercise 4.8 (c, d, e)", "Linear programs that need no solver",
    statement="A linear function over a box, over the probability simplex, and over the vectors in the unit box that "
              "sum to 2.5. Each answer can be read off: go to the bound opposite to the sign of cᵢ; take the smallest "
              "cᵢ; fill up the smallest cᵢ until 2.5 is used up.",
    primal="minimise cᵀx   subject to  -1 ≤ x ≤ 2;   or  1ᵀx = 1, x ≥ 0;   or  1ᵀx = 2.5, 0 ≤ x ≤ 1",
    dual="box:      maximise Σ min(-cᵢ, 2cᵢ), no variables are left\n"
         "simplex:  maximise -ν   subject to  c + ν1 ≥ 0\n"
         "capped:   maximise -2.5ν - Σ (-cᵢ - ν)₊")
def by_sorting() -> Answer:
    c = np.array([3.0, -1, 2, -4, 1])
    ones = np.ones((1, 5))
    box = ck.lp(c, lb=-1.0, ub=2.0)
    simplex = ck.lp(c, A=ones, b=[1.0], lb=0.0)
    capped = ck.lp(c, A=ones, b=[2.5], lb=0.0, ub=1.0)
    x, y, z = solved(box), solved(simplex), solved(capped)
    return Answer(
        None, None, None, {"x": x.x, "x, simplex": y.x, "x, capped": z.x, "ν, simplex": y.nu, "ν, capped": z.nu},
        checks=(
            Check("box: p*", x.value, np.minimum(-c, 2 * c).sum()),
            Check("box: x", x.x, np.where(c > 0, -1.0, 2.0)),
            Check("box: λ, lower and upper", [x.lam_lb, x.lam_ub], [np.maximum(c, 0), np.maximum(-c, 0)]),
            Check("simplex: p*", y.value, c.min()),
            Check("simplex: ν", y.nu, [-c.min()]),
            Check("capped: p*", z.value, -4 - 1 + 0.5 * 1),
            Check("capped: x", z.x, [0, 1, 0, 1, 0.5]),
            Check("capped: ν, from the entry that is filled in part", z.nu, [-1.0]),
        ),
        solved=((box, x), (simplex, y), (capped, z)))


@chapter.case(
    "4.11", "C4-06a", "Exercise 4.11", "The ℓ₁ norm approximation",
    statement="Thirty equations in six unknowns, fitted with the smallest sum of absolute errors.",
    primal="minimise 1ᵀt   subject to  -t ≤ Ax - b ≤ t",
    dual="maximise -bᵀz   subject to  Aᵀz = 0,  -1 ≤ z ≤ 1")
def least_absolute_errors() -> Answer:
    rng = np.random.default_rng(411)
    A, b = rng.standard_normal((30, 6)), rng.standard_normal(30)
    eye = np.eye(30)
    problem = ck.lp(np.r_[np.zeros(6), np.ones(30)], np.block([[A, -eye], [-A, -eye]]), np.r_[b, -b])
    solution = solved(problem, tol=1e-10)
    dual = ck.lp(b, A=A.T, b=np.zeros(6), lb=-1.0, ub=1.0)
    other = solved(dual, tol=1e-10)
    z = solution.lam[:30] - solution.lam[30:]
    residual = A @ solution.x[:6] - b
    far = abs(residual) > 1e-6
    return Answer(
        solution.value, -other.value, solution.x[:6], {},
        checks=(
            Check("p*", solution.value, 19.245172, "other solver", 1e-7),
            Check("p* = ‖Ax - b‖₁", solution.value, abs(residual).sum(), "its definition"),
            Check("d*, solved as a problem of its own", -other.value, solution.value, "strong duality"),
            Check("z, from the primal's multipliers", z, other.x, "the dual's solution"),
            Check("z is the sign of the errors that are not 0", z[far], np.sign(residual[far]), "complementarity"),
            Check("as many equations hold exactly as there are unknowns", int((~far).sum()), 6, "theory"),
        ),
        solved=((problem, solution), (dual, other)))


@chapter.case(
    "4.12", "C4-07", "Exercise 4.12", "The cheapest flow through a network",
    statement="Eight nodes, an arc from i to j for every i < j, with capacity 1 + (3i + 5j mod 4) and cost "
              "1 + (7i + 2j mod 5) a unit; four units go from node 0 to node 7. The multipliers of the balances are "
              "potentials: what a unit is worth at each node.",
    primal="minimise cᵀf   subject to  flow out - flow in = supply at each node,  0 ≤ f ≤ capacity",
    dual="maximise -bᵀν - Σ uₐ(πₐ - cₐ)₊   where πₐ = νⱼ - νᵢ is the rise of the potential along arc a = (i, j)")
def cheapest_flow() -> Answer:
    arcs = [(i, j) for i in range(8) for j in range(i + 1, 8)]
    cost = np.array([1.0 + (7 * i + 2 * j) % 5 for i, j in arcs])
    capacity = np.array([1.0 + (3 * i + 5 * j) % 4 for i, j in arcs])
    A = np.array([[(k == i) - (k == j) for i, j in arcs] for k in range(8)], dtype=float)

    def network(units: float) -> ck.QCQP:
        b = np.r_[units, np.zeros(6), -units]
        return ck.lp(cost, A=A[:7], b=b[:7], lb=0.0, ub=capacity)  # the last balance follows: its potential is 0

    problem = network(4.0)
    solution = solved(problem)
    nu = np.r_[solution.nu, 0.0]
    rise = np.array([nu[j] - nu[i] for i, j in arcs])
    bound = -4.0 * nu[0] - np.sum(capacity * np.maximum(rise - cost, 0))
    more, less = solved(network(4.25)), solved(network(3.75))
    return Answer(
        solution.value, solution.dual_value, None, {"worth of a unit at node 7, less that at node 0": -nu[0]},
        checks=(
            Check("p*", solution.value, 18.0, "other solver"),
            Check("d*, from the potentials alone", bound, 18.0, "strong duality"),
            Check("difference of potentials between node 7 and node 0", -nu[0], 5.0, "other solver"),
            Check("a quarter of a unit more costs", more.value - solution.value, 5 / 4, "the price"),
            Check("a quarter less saves", solution.value - less.value, 5 / 4, "the price"),
        ),
        solved=((problem, solution),))


@chapter.case(
    "4.15", "C4-09", "Exercises 4.15 and 5.13", "Zeros and ones, relaxed",
    statement="Minimise cᵀx over x ∈ {0, 1}²⁰ with Ax ≤ b. Letting x vary in [0, 1] gives a lower bound L; rounding "
              "the relaxed solution at each of 101 thresholds, and keeping the best that is feasible, an upper one U. "
              "The Lagrangian with xᵢ² - xᵢ in place of the bounds gives L again.",
    primal="minimise cᵀx   subject to  Ax ≤ b,  0 ≤ x ≤ 1   (relaxed from x ∈ {0, 1})",
    dual="maximise -bᵀμ - Σ (-cᵢ - aᵢᵀμ)₊   subject to  μ ≥ 0;   the same with xᵢ² ≤ xᵢ and νᵢ = |cᵢ + aᵢᵀμ|")
def rounded() -> Answer:
    rng = np.random.default_rng(415)
    A = rng.random((40, 20))
    b, c = A @ np.ones(20) / 2, -rng.random(20)
    problem = ck.lp(c, A, b, lb=0.0, ub=1.0)
    solution = solved(problem)
    points = [(solution.x >= t).astype(float) for t in np.linspace(0, 1, 101)]
    upper = min(c @ x for x in points if (A @ x <= b).all())
    slope = c + A.T @ solution.lam
    dual = -b @ solution.lam - np.maximum(-slope, 0).sum()
    squares = ck.QCQP(ck.Quadratic(None, c), [ck.Quadratic(2 * np.outer(e, e), -e) for e in np.eye(20)], G=A, h=b)
    lagrange = ck.Lagrangian(squares).dual_function(np.r_[abs(slope), solution.lam])
    exact = milp(c, constraints=LinearConstraint(A, ub=b), integrality=np.ones(20), bounds=Bounds(0, 1)).fun
    return Answer(
        solution.value, solution.dual_value, None, {"U": upper},
        checks=(
            Check("L", solution.value, -6.1612396, "other solver", 1e-7),
            Check("U", upper, -5.708744, "other solver", 1e-7),
            Check("L, from μ alone", dual, solution.value, "strong duality"),
            Check("L, from the Lagrangian with xᵢ² - xᵢ", lagrange, solution.value, "exercise 5.13"),
            Check("L", solution.value, exact, "branch and bound by scipy.optimize.milp", 1e-9, "at most"),
            Check("U", upper, exact, "branch and bound by scipy.optimize.milp", 1e-9, "at least"),
        ),
        solved=((problem, solution),))


@rounded.picture("Rounding at a threshold t: the higher it is, the fewer entries become 1, and the cost rises. The "
                 "first threshold at which no row is violated gives U.")
def _(axes: Any) -> None:
    rng = np.random.default_rng(415)
    A = rng.random((40, 20))
    b, c = A @ np.ones(20) / 2, -rng.random(20)
    x = solved(ck.lp(c, A, b, lb=0.0, ub=1.0)).x
    t = np.linspace(0, 0.99, 100)
    points = np.array([(x >= s).astype(float) for s in t])
    cost, violation = points @ c, (points @ A.T - b).max(axis=1)
    axes.plot(t, cost, label="cost", drawstyle="steps-post")
    axes.plot(t, violation, label="largest violation", drawstyle="steps-post")
    axes.axhline(c @ x, color="0.5", linestyle=":", label="L")
    k = int(np.argmin(np.where(violation <= 0, cost, np.inf)))
    axes.plot(t[k], cost[k], "ko", label="U")
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.legend(frameon=False)
    axes.set(xlabel="threshold t", ylabel="cost, violation")
