"""Strong duality without convexity, and bounds where it fails."""

from __future__ import annotations

from itertools import product
from typing import Any

import autograd.numpy as anp
import numpy as np
from scipy.optimize import brentq

import convexkit as ck

from ..case import Answer, Check, load, solved
from ..oracle import best_effort
from .chapter import chapter


@chapter.case(
    "5.2.4", "C5-09", "Section 5.2.4, page 229", "A quadratic that is not convex, over the unit ball",
    statement="One quadratic constraint, and strong duality holds although the objective is not convex: the multiplier "
              "makes A + λI positive semidefinite, which proves that the point is a global minimum.",
    primal="minimise xᵀAx + 2bᵀx   subject to  xᵀx ≤ 1",
    dual="maximise g(λ) = -bᵀ(A + λI)⁻¹b - λ   subject to  A + λI ⪰ 0,  λ ≥ 0")
def indefinite_over_a_ball() -> Answer:
    A, b = np.array([[2.0, 1, 0], [1, -3, 1], [0, 1, 1]]), np.array([1.0, 1, -2])
    step = ck.trust_region_step(ck.Quadratic(2 * A, 2 * b), radius=1.0)
    x, lam = step.p, step.lam / 2  # the constraint there is ½(xᵀx - 1) ≤ 0
    problem = ck.QCQP(ck.Quadratic(2 * A, 2 * b), [ck.Quadratic(2 * np.eye(3), None, -1.0)])
    value, bound = problem.objective(x), ck.Lagrangian(problem).dual_function([lam])
    root = brentq(lambda t: np.sum(np.linalg.solve(A + t * np.eye(3), b) ** 2) - 1,
                  1e-9 - np.linalg.eigvalsh(A)[0], 100.0, xtol=1e-15)
    angles = np.random.default_rng(0).standard_normal((20000, 3))
    angles /= np.linalg.norm(angles, axis=1)[:, None]
    return Answer(
        value, bound, x, {"λ": lam},
        checks=(
            Check("λ, root of ‖(A + λI)⁻¹b‖ = 1", lam, root, "secular equation"),
            Check("p*", value, -6.6007681, "other solver", 1e-7),
            Check("d* = g(λ)", bound, value, "strong duality"),
            Check("smallest eigenvalue of A + λI", np.linalg.eigvalsh(A + lam * np.eye(3))[0], 0.0, "the proof", 1e-9,
                  "at least"),
            Check("20 000 points of the sphere", np.min(np.einsum("ij,jk,ik->i", angles, A, angles) + 2 * angles @ b),
                  value, "enumeration", 1e-9, "at least"),
        ))


@indefinite_over_a_ball.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    A, b = np.array([[2.0, 1, 0], [1, -3, 1], [0, 1, 1]]), np.array([1.0, 1, -2])
    lam, t = cp.Variable(nonneg=True), cp.Variable()
    schur = cp.bmat([[A + lam * np.eye(3), b[:, None]], [b[None], cp.reshape(-lam - t, (1, 1), order="C")]])
    value = cp.Problem(cp.Maximize(t), [schur >> 0]).solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10)
    ours = indefinite_over_a_ball.answer
    return (Check("the dual as a semidefinite program", ours.dual_value, value, "cvxpy"),
            Check("λ", ours.multipliers["λ"], lam.value, "cvxpy", 1e-4))


@indefinite_over_a_ball.picture("The dual function on its domain λ > -λ_min(A) ≈ 3.4; its maximum is p*.")
def _(axes: Any) -> None:
    A, b = np.array([[2.0, 1, 0], [1, -3, 1], [0, 1, 1]]), np.array([1.0, 1, -2])
    low = -np.linalg.eigvalsh(A)[0]
    lam = np.linspace(low + 0.12, 9, 300)
    axes.plot(lam, [-b @ np.linalg.solve(A + t * np.eye(3), b) - t for t in lam])
    axes.axvline(low, color="0.6", linestyle=":")
    best = (float(indefinite_over_a_ball.answer.multipliers["λ"]), indefinite_over_a_ball.answer.value)
    axes.plot(*best, "ko", markersize=4)
    axes.annotate("p* = d*", best, xytext=(0, -14), textcoords="offset points", ha="center")
    axes.set(xlabel="λ", ylabel="g(λ)")


@chapter.case(
    "5.29", "C5-26", "Exercise 5.29", "All stationary points on a sphere",
    statement="On the unit sphere the KKT conditions are (D + νI)x = -b with ‖x‖ = 1: a rational equation in ν with "
              "four roots. The largest belongs to the global minimum.",
    primal="minimise -3x₁² + x₂² + 2x₃² + 2(x₁ + x₂ + x₃)   subject to  xᵀx = 1",
    dual="maximise -Σ 1/(dᵢ + ν) - ν   subject to  ν ≥ 3")
def on_a_sphere() -> Answer:
    d, b = np.array([-3.0, 1, 2]), np.ones(3)
    # Σ 1/(dᵢ + ν)² = 1, cleared of denominators
    poles = [np.poly1d([1.0, t]) for t in d]
    squares = [p * p for p in poles]
    roots = (squares[0] * squares[1] * squares[2] - squares[1] * squares[2] - squares[0] * squares[2]
             - squares[0] * squares[1]).roots
    nu = np.sort(roots[abs(roots.imag) < 1e-9].real)
    points = [-b / (d + t) for t in nu]
    values = np.array([x @ (d * x) + 2 * b @ x for x in points])
    step = ck.trust_region_step(ck.Quadratic(np.diag(2 * d), 2 * b), radius=1.0)
    problem = ck.QCQP(ck.Quadratic(np.diag(2 * d), 2 * b), [ck.Quadratic(2 * np.eye(3), None, -1.0)])
    return Answer(
        step.value, ck.Lagrangian(problem).dual_function([step.lam / 2]), step.p, {"ν": nu, "f": values},
        checks=(
            Check("ν of the four stationary points", nu, [-3.14929, 0.223509, 1.891899, 4.035226], "other solver"),
            Check("their values", values, [4.647283, -1.130403, -1.592192, -5.365493], "other solver", 1e-6),
            Check("the largest ν is the multiplier of the global minimum", step.lam / 2, nu[-1], "secular equation"),
            Check("p*", step.value, values[-1], "enumeration of all stationary points"),
            Check("d*", ck.Lagrangian(problem).dual_function([step.lam / 2]), step.value, "strong duality"),
        ))


@on_a_sphere.picture("The secular equation: ‖x(ν)‖² crosses 1 at the multipliers of the four stationary points.")
def _(axes: Any) -> None:
    nu = np.linspace(-5, 6, 4000)
    size = 1 / (nu - 3) ** 2 + 1 / (nu + 1) ** 2 + 1 / (nu + 2) ** 2
    axes.semilogy(nu, np.where(size < 300, size, np.nan))
    axes.axhline(1, color="0.5", linestyle="--")
    axes.plot(on_a_sphere.answer.multipliers["ν"], np.ones(4), "ko", markersize=4)
    axes.set(xlabel="ν", ylabel="‖x(ν)‖²", ylim=(0.05, 100))


@chapter.case(
    "A5.4", "C5-31", "Additional exercise 5.4", "Where is the source? Squared ranges",
    statement="Five distances to an unknown point. In the variables (x, t) with t = xᵀx the fit is a convex quadratic "
              "with one quadratic equality: not convex, and still solved to the global minimum by its dual.",
    primal="minimise Σ (t - 2yₖᵀx + ‖yₖ‖² - dₖ²)²   subject to  xᵀx - t = 0",
    dual="maximise over ν with P(ν) ⪰ 0 the minimum over (x, t) of the Lagrangian")
def source() -> Answer:
    y = np.array([[1.8, 2.5], [2.0, 1.7], [1.5, 1.5], [1.5, 2.0], [2.5, 1.5]])
    d = np.array([2.00, 1.24, 0.59, 1.31, 1.44])
    M, c = np.c_[-2 * y, np.ones(5)], np.sum(y**2, axis=1) - d**2
    f0 = ck.Quadratic(2 * M.T @ M, 2 * M.T @ c, c @ c)
    D, e = np.diag([2.0, 2, 0]), np.array([0.0, 0, -1])

    def at(nu: float) -> np.ndarray:
        return np.linalg.solve(f0.P + nu * D, -(f0.q + nu * e))

    # P(ν) is positive definite above `low`; the constraint's value falls along the way.
    low = -1 / np.max(np.linalg.eigvals(np.linalg.solve(f0.P, D)).real) + 1e-9
    nu = brentq(lambda t: at(t)[:2] @ at(t)[:2] - at(t)[2], low, 1e3, xtol=1e-14)
    z = at(nu)
    # An equality is a pair of inequalities; ν > 0 is the multiplier of xᵀx - t ≤ 0.
    bound = ck.Lagrangian(ck.QCQP(f0, [ck.Quadratic(D, e)])).dual_function([nu])
    grid = np.stack(np.meshgrid(np.linspace(-1, 4, 401), np.linspace(-1, 4, 401)), axis=-1).reshape(-1, 2)
    squares = np.sum((np.sum((grid[:, None] - y) ** 2, axis=2) - d**2) ** 2, axis=1)
    return Answer(
        f0(z), bound, z[:2], {"ν": nu},
        checks=(
            Check("x", z[:2], [1.32689, 0.644579], "other solver", 1e-5),
            Check("ν", nu, 0.58960919, "other solver", 1e-6),
            Check("p*", f0(z), 0.30720405, "other solver", 1e-7),
            Check("d* = g(ν)", bound, f0(z), "strong duality"),
            Check("t = xᵀx", z[2], z[:2] @ z[:2], "the constraint"),
            Check("160 801 points of the plane", squares.min(), f0(z), "enumeration", 1e-9, "at least"),
        ))


@source.picture("Level curves of the sum of squares, the five stations with their measured ranges, and the source.")
def _(axes: Any) -> None:
    from ..pages import contours

    y = np.array([[1.8, 2.5], [2.0, 1.7], [1.5, 1.5], [1.5, 2.0], [2.5, 1.5]])
    d = np.array([2.00, 1.24, 0.59, 1.31, 1.44])
    contours(axes, lambda x: float(np.sum((np.sum((x - y) ** 2, axis=1) - d**2) ** 2)), (0, 3.2), (0, 3),
             levels=[0.5, 1, 2, 5, 10, 20, 50])
    angle = np.linspace(0, 2 * np.pi, 200)
    for (u, v), radius in zip(y, d, strict=True):
        axes.plot(u + radius * np.cos(angle), v + radius * np.sin(angle), color="tab:blue", linewidth=0.6)
    axes.plot(*y.T, "s", color="tab:blue", label="stations, ranges")
    axes.plot(*source.answer.x, "ko", label="source")
    axes.legend(loc="upper left", framealpha=0.9)
    axes.set(aspect="equal", xlim=(0, 3.2), ylim=(0, 3), xlabel="x₁", ylabel="x₂")


@chapter.case(
    "5.39", "C5-04", "Section 5.1.5, Exercise 5.39", "Two-way partitioning",
    statement="Split ten items in two groups. All 1024 partitions can be tried; the dual gives a bound without trying.",
    primal="minimise xᵀWx   subject to  xᵢ² = 1",
    dual="maximise -1ᵀν   subject to  W + diag(ν) ⪰ 0")
def partitioning() -> Answer:
    rng = np.random.default_rng(539)
    W = rng.standard_normal((10, 10))
    W = (W + W.T) / 2

    def log_det(X: Any) -> Any:
        """The sum of the logarithms of the pivots: not a number unless X is positive definite."""
        pivots = [X[0, 0]] + [X[k, k] - X[k, :k] @ anp.linalg.solve(X[:k, :k], X[:k, k]) for k in range(1, len(X))]
        return sum(anp.log(p) for p in pivots)

    # minimise 1ᵀν - μ log det(W + diag(ν)) for smaller and smaller μ. At the minimum X = μ(W + diag(ν))⁻¹ has a
    # diagonal of ones, and tr(WX) exceeds the bound -1ᵀν by 10μ only.
    nu = np.full(10, 1 - np.linalg.eigvalsh(W)[0])
    for mu in (1.0, 1e-2, 1e-4, 1e-6, 1e-7):
        nu = ck.minimize(lambda v: v.sum() / mu - log_det(W + anp.diag(v)), nu).require_optimal().x  # noqa: B023
    X = mu * np.linalg.inv(W + np.diag(nu))
    signs = np.array(list(product((-1.0, 1.0), repeat=10)))
    exact = np.einsum("ij,jk,ik->i", signs, W, signs).min()
    rows = [ck.Quadratic(2 * np.outer(e, e), None, -1.0) for e in np.eye(10)]  # xᵢ² - 1
    by_lagrangian = ck.Lagrangian(ck.QCQP(ck.Quadratic(2 * W, np.zeros(10)), rows)).dual_function(nu)
    return Answer(
        exact, -nu.sum(), None, {"ν": nu},
        checks=(
            Check("dual bound", -nu.sum(), -29.251701, "other solver", 1e-6),
            Check("SDP relaxation, tr WX", (W * X).sum(), -nu.sum(), "strong duality of the two SDPs"),
            Check("diagonal of X", np.diag(X), np.ones(10), "feasibility"),
            Check("smallest eigenvalue of W + diag(ν)", np.linalg.eigvalsh(W + np.diag(nu))[0], 0.0, "feasibility", 0.0,
                  "at least"),
            Check("smallest value of all 1024 partitions", exact, -26.413418, "enumeration elsewhere", 1e-7),
            Check("the bound", -nu.sum(), exact, "weak duality", 1e-9, "at most"),
            Check("g(ν) by the Lagrangian", by_lagrangian, -nu.sum()),
            Check("the eigenvalue bound nλ_min(W)", 10 * np.linalg.eigvalsh(W)[0], -34.265814, "other solver", 1e-7),
        ),
        notes=("The gap is 2.84: strong duality fails with ten constraints that are not convex.",))


@partitioning.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    rng = np.random.default_rng(539)
    W = rng.standard_normal((10, 10))
    W = (W + W.T) / 2
    nu, X = cp.Variable(10), cp.Variable((10, 10), PSD=True)
    dual = cp.Problem(cp.Maximize(-cp.sum(nu)), [W + cp.diag(nu) >> 0])
    shor = cp.Problem(cp.Minimize(cp.trace(W @ X)), [cp.diag(X) == 1])
    best_effort(dual)
    best_effort(shor)
    ours = partitioning.answer
    return (Check("the dual as a semidefinite program", ours.dual_value, dual.value, "cvxpy"),
            Check("the relaxation as a semidefinite program", ours.dual_value, shor.value, "cvxpy"),
            Check("ν", ours.multipliers["ν"], nu.value, "cvxpy", 1e-5))


@partitioning.picture("All 1024 values of xᵀWx, sorted, above the dual bound (solid) and the eigenvalue bound "
                      "(dotted).")
def _(axes: Any) -> None:
    rng = np.random.default_rng(539)
    W = rng.standard_normal((10, 10))
    W = (W + W.T) / 2
    signs = np.array(list(product((-1.0, 1.0), repeat=10)))
    axes.plot(np.sort(np.einsum("ij,jk,ik->i", signs, W, signs)), ".", markersize=3, label="xᵀWx")
    axes.axhline(partitioning.answer.dual_value, color="tab:orange", label="dual bound")
    axes.axhline(10 * np.linalg.eigvalsh(W)[0], color="0.5", linestyle=":", label="nλ_min(W)")
    axes.set(xlabel="partitions in order of their value", ylabel="value")
    axes.legend(frameon=False)


@chapter.case(
    "A5.24", "C5-37", "Additional exercise 5.24", "A bound for switched control",
    statement="At each of 15 steps one of six matrices moves the state. Relaxing the dynamics with multipliers νₜ "
              "leaves one small minimum for each step and each matrix: the dual is a convex QCQP, its value a bound on "
              "all 6¹⁵ choices.",
    primal="minimise ½ Σ xₜᵀQxₜ   subject to  xₜ = A_{uₜ}xₜ₋₁,  uₜ ∈ {1, …, 6},  t = 1, …, 15",
    dual="minimise Σ sₜ + r   subject to  ½‖νₜ - Aₖᵀνₜ₊₁‖² ≤ sₜ in the norm of Q⁻¹,  (Aₖx₀)ᵀν₁ ≤ r,  for all k;  ν₁₆ = "
         "0")
def switched_control() -> Answer:
    data = load("sw_lin_ctrl.npz")
    A, Q, x0, T = data["A"], data["Q"], data["x0"], int(data["T"])
    n = 4 * T + T + 1  # ν₁ … ν_T, s₁ … s_T, r
    root = np.linalg.inv(np.linalg.cholesky(Q))  # ‖root·v‖² = vᵀQ⁻¹v
    rows = []
    for t in range(T):
        for Ak in A if t < T - 1 else A[:1]:
            F = np.zeros((4, n))
            F[:, 4 * t:4 * t + 4] = root
            if t < T - 1:
                F[:, 4 * t + 4:4 * t + 8] = -root @ Ak.T
            rows.append(ck.Quadratic.from_factor(F, q=-np.eye(n)[4 * T + t]))
    G = np.concatenate([np.stack([Ak @ x0 for Ak in A]), np.zeros((6, n - 5)), -np.ones((6, 1))], axis=1)
    problem = ck.QCQP(ck.Quadratic(None, np.r_[np.zeros(4 * T), np.ones(T + 1)]), rows, G=G, h=np.zeros(6))
    solution = solved(problem)
    # A good choice of matrices, by keeping the best 300 of all beginnings.
    beginnings = [(0.0, x0)]
    for _ in range(T):
        after = [(cost + 0.5 * y @ Q @ y, y) for cost, x in beginnings for y in A @ x]
        beginnings = sorted(after, key=lambda pair: pair[0])[:300]
    stated = float(data["pstar"])
    return Answer(
        stated, -solution.value, None, {},
        checks=(
            Check("dual bound", -solution.value, 5068.9979, "other solver", 1e-6),
            Check("dual bound", -solution.value, stated, "weak duality, optimum stated with the data", 1e-9, "at most"),
            Check("the best of 300 kept beginnings", beginnings[0][0], stated, "optimum stated with the data", 1e-9,
                  "at least"),
            Check("and how near it comes", beginnings[0][0], 1.001 * stated, "optimum stated with the data", 0.0,
                  "at most"),
        ),
        solved=((problem, solution),),
        notes=("The bound is less than half the optimum: the multipliers cannot know that a state follows from the one "
               "before by one matrix only.",))
