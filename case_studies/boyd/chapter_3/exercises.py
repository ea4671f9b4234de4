"""Conjugates of piecewise linear functions, powers, inverses and sums."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter
from .oracles import conjugate


@chapter.case(
    "3.36a", "C3-01", "Exercise 3.36(a)", "The conjugate of the largest entry",
    statement="f(x) = max xᵢ. Its slopes are the mixtures of unit vectors: the conjugate is 0 on the simplex, +∞ "
              "elsewhere.",
    primal="maximise yᵀx - t   subject to  xᵢ ≤ t",
    dual="minimise 0   subject to  θ = y,  θ ≥ 0,  1ᵀθ = 1:   f*(y) = 0 if y is in the simplex")
def largest_entry() -> Answer:
    f = ck.MaxAffine(np.eye(3))
    ys = np.array([[0.2, 0.3, 0.5], [0.5, 0.6, -0.1], [0.2, 0.2, 0.2]])
    found = [ck.conjugate(f, y) for y in ys]
    directions = np.array([one.direction for one in found[1:]])
    rates = [y @ d - f(d) for y, d in zip(ys[1:], directions, strict=True)]
    simplex = ck.support_function(ck.ConvexSet.simplex(3), [3.0, -1.0, 2.0])
    return Answer(
        None, None, None, {},
        checks=(
            Check("f*", [one.value for one in found], [0.0, np.inf, np.inf], rtol=1e-8),
            Check("yᵀd > f(d) for both directions given", [rate > 1e-3 for rate in rates], [True, True],
                  "they prove it"),
            Check("f is the support function of the simplex", simplex.value, f([3.0, -1.0, 2.0])),
        ))


@largest_entry.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    return tuple(Check(f"f*({y})", ck.conjugate(ck.MaxAffine(np.eye(3)), y).value, conjugate(cp.max, y), "cvxpy")
                 for y in ([0.2, 0.3, 0.5], [0.5, 0.6, -0.1], [0.2, 0.2, 0.2]))


SLOPES, INTERCEPTS = np.array([-2.0, -1.0, 1.0, 3.0]), np.array([-3.0, 0.0, 0.0, -4.0])


@chapter.case(
    "3.36c", "C3-03", "Exercise 3.36(c)", "The conjugate of a piecewise linear function",
    statement="f(x) = max (aᵢx + bᵢ) with slopes -2, -1, 1, 3. Corners of f become pieces of f*, and pieces corners: "
              "f* connects the points (aᵢ, -bᵢ), and is +∞ beyond the outer slopes.",
    primal="maximise yx - t   subject to  aᵢx + bᵢ ≤ t",
    dual="minimise -bᵀθ   subject to  aᵀθ = y,  θ ≥ 0,  1ᵀθ = 1")
def piecewise() -> Answer:
    slopes, intercepts = np.array([-2.0, -1.0, 1.0, 3.0]), np.array([-3.0, 0.0, 0.0, -4.0])
    f = ck.MaxAffine(slopes, intercepts)
    ys = np.array([-1.5, 0.0, 2.0])
    found = [ck.conjugate(f, [y]) for y in ys]
    dense = np.linspace(-1.9, 2.9, 17)
    beyond = [ck.conjugate(f, [y]).value for y in (-2.5, 3.1)]
    problem = ck.lp([-2.0, 1.0], np.c_[slopes, -np.ones(4)], -intercepts)
    solution = solved(problem)
    return Answer(
        None, None, np.array([one.x[0] for one in found]), {"θ at y = 2": solution.lam},
        checks=(
            Check("f* at -1.5, 0, 2", [one.value for one in found], [1.5, 0.0, 2.0]),
            Check("what multipliers prove", [one.bound for one in found], [1.5, 0.0, 2.0]),
            Check("f* at 17 points between", [ck.conjugate(f, [y]).value for y in dense],
                  np.interp(dense, slopes, -intercepts), "interpolation"),
            Check("f* at -2.5 and 3.1", beyond, [np.inf, np.inf]),
            Check("θ at y = 2, halfway between the slopes 1 and 3", solution.lam, [0.0, 0.0, 0.5, 0.5], "by hand"),
            Check("the corners of f that attain f* at -1.5 and 2", [found[0].x[0], found[2].x[0]],
                  [-3.0, 2.0], "by hand"),
        ),
        solved=((problem, solution),))


@piecewise.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    f = ck.MaxAffine(SLOPES, INTERCEPTS)
    return tuple(Check(f"f*({y})", ck.conjugate(f, [y]).value, conjugate(
        lambda x: cp.max(cp.multiply(SLOPES, cp.sum(x)) + INTERCEPTS), y), "cvxpy") for y in (-1.5, 0.0, 2.0))


@piecewise.picture("f and its conjugate: the three corners of f are the three pieces of f*, the four pieces of f its "
                   "four corners.")
def _(axes: Any) -> None:
    x = np.linspace(-4.5, 3.5, 400)
    axes.plot(x, (SLOPES[:, None] * x + INTERCEPTS[:, None]).max(axis=0), label="f(x)")
    axes.plot(SLOPES, -INTERCEPTS, "o-", color="tab:orange", label="f*(y)", markersize=4)
    axes.axhline(0, color="0.8", linewidth=0.6)
    axes.axvline(0, color="0.8", linewidth=0.6)
    axes.set(xlabel="x, y", ylim=(-1, 7))
    axes.legend(frameon=False)


@chapter.case(
    "3.36d", "C3-04", "Exercise 3.36(d)", "The conjugate of a power",
    statement="f(x) = xᵖ on x > 0, here p = 3. For y > 0 the supremum is where pxᵖ⁻¹ = y; for y ≤ 0 it is 0, "
              "approached as x falls to 0.",
    primal="maximise yx - x³   subject to  x > 0",
    dual="f*(y) = (p - 1)(y/p)^(p/(p-1)) if y > 0, else 0")
def power() -> Answer:
    def cube(x: Any) -> Any:
        return anp.exp(3 * anp.log(x[0]))  # x³, and nothing for x ≤ 0

    ys = np.array([0.5, 2.0, 7.0])
    found = [ck.conjugate(cube, [y], x0=[1.0]) for y in ys]
    # y = -1 on the closure x ≥ 0, where the supremum is attained.
    closed = ck.minimize(lambda x: x[0] ** 3 + x[0], [1.0], lb=0.0).require_optimal()
    return Answer(
        found[1].value, None, found[1].x, {"λ of x ≥ 0 at y = -1": closed.lam_lb},
        checks=(
            Check("f*(2) = 2(2/3)^1.5", found[1].value, 2 * (2 / 3) ** 1.5),
            Check("f*(2)", found[1].value, 1.088662, "book", 1e-6),
            Check("f* at ½, 2, 7", [one.value for one in found], 2 * (ys / 3) ** 1.5),
            Check("x = √(y/3)", [one.x[0] for one in found], np.sqrt(ys / 3)),
            Check("f*(-1)", -closed.value, 0.0),
            Check("λ there: 3x² - y - λ = 0 at x = 0", closed.lam_lb, [1.0]),
        ))


@power.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    theirs = [conjugate(lambda x: cp.power(x[0], 3), y, lambda x: [x >= 0]) for y in (2.0, -1.0)]
    ours = [-ck.minimize(lambda x: x[0] ** 3 - 2 * x[0], [1.0], lb=0.0).value,
            -ck.minimize(lambda x: x[0] ** 3 + x[0], [1.0], lb=0.0).value]
    return (Check("f* at 2 and -1, over x ≥ 0", ours, theirs, "cvxpy"),)


@power.picture("f*(2) is how far the line 2x can be lifted off x³: the largest vertical distance, where slopes agree.")
def _(axes: Any) -> None:
    x = np.linspace(0, 1.6, 200)
    best = np.sqrt(2 / 3)
    axes.plot(x, x**3, label="x³")
    axes.plot(x, 2 * x, color="tab:orange", label="2x")
    axes.plot(x, 2 * x - 2 * (2 / 3) ** 1.5, "--", color="tab:orange", linewidth=0.9, label="tangent, 2x - f*(2)")
    axes.plot([best, best], [best**3, 2 * best], color="k", linewidth=1)
    axes.annotate("f*(2) = 1.089", (best, 1.1), (1.05, -0.4), arrowprops={"arrowstyle": "-", "color": "0.5"})
    axes.set(xlabel="x", ylim=(-1.2, 3.4))
    axes.legend(frameon=False)


@chapter.case(
    "3.37", "C3-10", "Exercise 3.37", "The conjugate of the trace of the inverse",
    statement="f(X) = tr X⁻¹ on positive definite matrices, here 2×2. The supremum of tr(YX) - tr X⁻¹ is where X⁻² = "
              "-Y.",
    primal="maximise tr(YX) - tr X⁻¹   subject to  X ≻ 0",
    dual="f*(Y) = -2 tr (-Y)^½  for Y ⪯ 0,   X = (-Y)^-½")
def trace_of_inverse() -> Answer:
    def f(x: Any) -> Any:  # X = [x₁ x₂; x₂ x₃]: tr X / det X, and nothing unless both are positive
        return anp.exp(anp.log(x[0] + x[2]) - anp.log(x[0] * x[2] - x[1] ** 2))

    Ys = [-np.diag([1.0, 4.0]), -np.array([[2.0, 1.0], [1.0, 2.0]])]
    found = [ck.conjugate(f, [Y[0, 0], 2 * Y[0, 1], Y[1, 1]], x0=[1.0, 0.0, 1.0]) for Y in Ys]

    def root(M: np.ndarray, power: float) -> np.ndarray:
        w, V = np.linalg.eigh(M)
        return V * w**power @ V.T

    return Answer(
        None, None, np.array([one.x for one in found]), {},
        checks=(
            Check("f*(-diag(1, 4))", found[0].value, -6.0),
            Check("f*(-[2 1; 1 2]) = -2(√3 + 1)", found[1].value, -2 * (np.sqrt(3) + 1)),
            Check("-2 tr (-Y)^½", [one.value for one in found], [-2 * np.trace(root(-Y, 0.5)) for Y in Ys]),
            Check("X = (-Y)^-½", [one.x for one in found],
                  [root(-Y, -0.5)[[0, 0, 1], [0, 1, 1]] for Y in Ys], "closed form", 1e-6),
        ))


@trace_of_inverse.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    X = cp.Variable((2, 2), PSD=True)
    Y = -np.array([[2.0, 1.0], [1.0, 2.0]])
    model = cp.Problem(cp.Maximize(cp.trace(Y @ X) - cp.tr_inv(X)))
    model.solve(solver="CLARABEL")
    def f(x: Any) -> Any:
        return anp.exp(anp.log(x[0] + x[2]) - anp.log(x[0] * x[2] - x[1] ** 2))

    ours = ck.conjugate(f, [Y[0, 0], 2 * Y[0, 1], Y[1, 1]], x0=[1.0, 0.0, 1.0]).value
    return (Check("f*(-[2 1; 1 2])", ours, model.value, "cvxpy"),)


@chapter.case(
    "A3.57", "C3-13", "Additional exercises 3.57 and 3.58", "The Huber function as an infimal convolution",
    statement="The least |y| + ½z² over all ways to split x = y + z is the Huber function: small parts are squared, "
              "what exceeds 1 is paid for linearly. Conjugates of infimal convolutions are sums of conjugates.",
    primal="minimise |y| + ½z²   subject to  y + z = x",
    dual="maximise xu - ½u²   subject to  |u| ≤ 1:   (|·|)* + (½(·)²)* = ½u² on [-1, 1]")
def huber() -> Answer:
    # Variables (y, z, t) with |y| ≤ t.
    f0, G = ck.Quadratic(np.diag([0.0, 1.0, 0.0]), [0.0, 0.0, 1.0]), np.array([[1.0, 0, -1], [-1, 0, -1]])

    def split(x: float) -> tuple[ck.QCQP, ck.Solution]:
        problem = ck.QCQP(f0, G=G, h=np.zeros(2), A=[[1.0, 1.0, 0.0]], b=[x])
        return problem, solved(problem)

    xs = np.array([0.5, 3.0, -2.0])
    pairs = [split(x) for x in xs]
    by_dual = [solved(ck.qp([[1.0]], [-x], lb=-1.0, ub=1.0)) for x in xs]
    u = 0.8
    parts = [ck.conjugate(ck.Norm(1), [u]).value, ck.conjugate(ck.Quadratic([[1.0]]), [u]).value]
    # The conjugate of the whole: sup of u(y + z) - |y| - ½z².
    whole = ck.conjugate(ck.QCQP(f0, G=G, h=np.zeros(2)), [u, u, 0.0])
    return Answer(
        None, None, np.array([solution.x[:2] for _, solution in pairs]),
        {"ν": [solution.nu[0] for _, solution in pairs]}, checks=(
            Check("at 0.5, 3, -2", [solution.value for _, solution in pairs], [0.125, 2.5, 1.5]),
            Check("by the dual", [-solution.value for solution in by_dual], [0.125, 2.5, 1.5]),
            Check("z, cut off at ±1", [solution.x[1] for _, solution in pairs], np.clip(xs, -1, 1)),
            Check("ν, minus the slope of the Huber function", [solution.nu[0] for _, solution in pairs],
                  -np.clip(xs, -1, 1),
                  rtol=1e-6),
            Check("sum of the conjugates at 0.8", sum(parts), 0.32),
            Check("conjugate of the convolution at 0.8", whole.value, 0.32, rtol=1e-6),
        ),
        solved=tuple(pairs))


@huber.picture("|x|, ½x², and their infimal convolution, which follows the parabola up to 1 and then keeps its slope.")
def _(axes: Any) -> None:
    x = np.linspace(-3, 3, 300)
    axes.plot(x, abs(x), color="0.6", label="|x|")
    axes.plot(x, x**2 / 2, "--", color="0.6", label="½x²")
    axes.plot(x, np.where(abs(x) <= 1, x**2 / 2, abs(x) - 0.5), color="tab:blue", label="infimal convolution")
    axes.plot([0.5, 3, -2], [0.125, 2.5, 1.5], "ko", markersize=4)
    axes.set(xlabel="x", ylim=(-0.2, 4))
    axes.legend(frameon=False)


@chapter.case(
    "A3.61", "C3-12", "Additional exercises 3.61 and 3.62", "The positive part and its square",
    statement="f(x) = max(x, 0) has slopes between 0 and 1 only; its square has every slope that is not negative.",
    primal="maximise yx - t   and   yx - t²,   subject to  t ≥ x,  t ≥ 0",
    dual="f*(y) = 0 on [0, 1], else +∞;   (f²)*(y) = ¼y² for y ≥ 0, else +∞")
def positive_part() -> Answer:
    f = ck.MaxAffine([0.0, 1.0])
    square = ck.QCQP(ck.Quadratic(np.diag([0.0, 2.0])), G=[[1.0, -1.0]], h=[0.0], lb=[-np.inf, 0.0])
    ys = np.array([0.4, 3.0, -1.0])
    of_f = [ck.conjugate(f, [y]).value for y in ys]
    of_square = [ck.conjugate(square, [y, 0.0]) for y in ys]
    # The same as a smooth function, whose second derivative jumps at zero.
    smooth = [ck.conjugate(lambda x: anp.maximum(x[0], 0.0) ** 2, [y], x0=[1.0]).value for y in ys]
    return Answer(
        None, None, None, {},
        checks=(
            Check("f* at 0.4, 3, -1", of_f, [0.0, np.inf, np.inf]),
            Check("(f²)* there", [one.value for one in of_square], [0.04, 2.25, np.inf]),
            Check("x = y/2", [one.x[0] for one in of_square[:2]], [0.2, 1.5]),
            Check("direction at -1", of_square[2].direction, [-1.0, 0.0], "by hand"),
            Check("(f²)* by Newton's method", smooth, [0.04, 2.25, np.inf]),
        ))


@positive_part.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    f = [conjugate(lambda x: cp.pos(x[0]), y) for y in (0.4, 3.0)]
    ours = [ck.conjugate(ck.MaxAffine([0.0, 1.0]), [y]).value for y in (0.4, 3.0)]
    epigraph = ck.QCQP(ck.Quadratic(np.diag([0.0, 2.0])), G=[[1.0, -1.0]], h=[0.0], lb=[-np.inf, 0.0])
    our_square = [ck.conjugate(epigraph, [y, 0.0]).value for y in (0.4, 3.0, -1.0)]
    square = [conjugate(lambda x: cp.square(cp.pos(x[0])), y) for y in (0.4, 3.0, -1.0)]
    return (Check("f* at 0.4 and 3", ours, f, "cvxpy"),
            Check("(f²)* at 0.4, 3, -1", our_square, square, "cvxpy"))


@positive_part.picture("The two conjugates where they are finite: zero on [0, 1] for the positive part, ¼y² on y ≥ 0 "
                       "for its square.")
def _(axes: Any) -> None:
    y = np.linspace(0, 3, 100)
    axes.plot(y, y**2 / 4, label="conjugate of max(x, 0)²")
    axes.plot([0, 0, 1, 1], [2.5, 0, 0, 2.5], color="tab:orange", label="conjugate of max(x, 0)")
    axes.plot([0.4, 3], [0.04, 2.25], "ko", markersize=4)
    axes.set(xlabel="y", ylim=(-0.2, 2.5))
    axes.legend(frameon=False)
