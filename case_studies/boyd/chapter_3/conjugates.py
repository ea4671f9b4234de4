"""Conjugates of quadratics, norms and the logarithm of a sum of exponentials; Fenchel's inequality."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import numpy as np

import convexkit as ck

from ..case import Answer, Check
from .chapter import chapter
from .oracles import conjugate


@chapter.case(
    "3.3.1", "C3-06", "Section 3.3.1", "A quadratic with a flat direction",
    statement="For f(x) = ½xᵀQx with a singular Q the conjugate is finite only where y is in the range of Q: along the "
              "null space nothing holds yᵀx back.",
    primal="maximise yᵀx - ½xᵀQx,   Q = diag(2, 0)",
    dual="f*(y) = ½yᵀQ⁺y if y ∈ range(Q), else +∞")
def singular() -> Answer:
    f = ck.Quadratic(np.diag([2.0, 0.0]))
    inside, outside = ck.conjugate(f, [3.0, 0.0]), ck.conjugate(f, [3.0, 1e-3])
    d = np.asarray(outside.direction)
    rising = [1e-3 * t * d[1] + 3 * t * d[0] - f(t * d) for t in (1e3, 1e6, 1e9)]
    # A rotated one, of rank 2 in three dimensions, against the pseudoinverse.
    F = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]])
    y = F.T @ [0.5, -2.0]
    rotated = ck.conjugate(ck.Quadratic(F.T @ F), y)
    return Answer(
        inside.value, inside.bound, inside.x, {},
        checks=(
            Check("f*(3, 0)", inside.value, 9 / 4),
            Check("x", inside.x, [1.5, 0.0]),
            Check("f*(3, 10⁻³)", outside.value, np.inf),
            Check("direction", outside.direction, [0.0, 1.0]),
            Check("yᵀ(td) - f(td) at t = 10³, 10⁶, 10⁹", rising, [1.0, 1e3, 1e6], "by hand"),
            Check("rank 2 in three dimensions", rotated.value, 0.5 * y @ np.linalg.pinv(F.T @ F) @ y, "pseudoinverse"),
        ),
        notes=(f"What `ck.conjugate` says of the second: {outside.message}",))


@singular.oracle
def _() -> tuple[Check, ...]:
    f = ck.Quadratic(np.diag([2.0, 0.0]))
    return tuple(Check(f"f*({y[0]:g}, {y[1]:g})", ck.conjugate(f, y).value, conjugate(lambda x: x[0] ** 2, y), "cvxpy")
                 for y in ((3.0, 0.0), (3.0, 1e-3)))


@chapter.case(
    "E3.22", "C3-05", "Example 3.22", "The conjugate of a quadratic",
    statement="f(x) = ½xᵀQx with Q positive definite has the conjugate ½yᵀQ⁻¹y, attained at x = Q⁻¹y.",
    primal="maximise yᵀx - ½xᵀQx",
    dual="f*(y) = ½yᵀQ⁻¹y")
def definite() -> Answer:
    Q = np.array([[2.0, 1.0], [1.0, 2.0]])
    f, ys = ck.Quadratic(Q), np.array([[1.0, 0.0], [3.0, -1.0]])
    found = [ck.conjugate(f, y) for y in ys]
    twice = ck.conjugate(ck.Quadratic(np.linalg.inv(Q)), [1.0, 2.0])
    with_terms = ck.conjugate(ck.Quadratic(Q, [1.0, -1.0], 4.0), [4.0, -2.0])
    return Answer(
        None, None, np.array([one.x for one in found]), {},
        checks=(
            Check("f*(1, 0) and f*(3, -1)", [one.value for one in found], [1 / 3, 13 / 3]),
            Check("x = Q⁻¹y", [one.x for one in found], np.linalg.solve(Q, ys.T).T),
            Check("f** = f at (1, 2)", twice.value, f(np.array([1.0, 2.0]))),
            Check("with a linear term and a constant: f*(y + q) - r", with_terms.value, 13 / 3 - 4),
        ))


@definite.oracle
def _() -> tuple[Check, ...]:
    Q = np.array([[2.0, 1.0], [1.0, 2.0]])
    import cvxpy as cp

    return tuple(Check(f"f*({y[0]:g}, {y[1]:g})", ck.conjugate(ck.Quadratic(Q), y).value,
                       conjugate(lambda x: 0.5 * cp.quad_form(x, Q), y), "cvxpy") for y in ((1.0, 0.0), (3.0, -1.0)))


@chapter.case(
    "E3.25", "C3-09", "Example 3.25", "Log-sum-exp and the negative entropy",
    statement="The conjugate of log Σ exp(xᵢ) is Σ yᵢ log yᵢ on the simplex. Adding the same number to all xᵢ adds it "
              "to the function: only y that sum to one can hold that.",
    primal="maximise yᵀx - log Σ exp(xᵢ)",
    dual="f*(y) = Σ yᵢ log yᵢ if y ≥ 0 and 1ᵀy = 1, else +∞;   x = log y, up to a constant")
def log_sum_exp() -> Answer:
    f, y = ck.LogSumExp(), np.array([0.5, 0.25, 0.25])
    found = ck.conjugate(f, y)
    # With x₃ = 0 the maximiser is unique, and a smooth problem for ck.minimize.
    smooth = ck.conjugate(lambda x: anp.log(1 + anp.exp(x[0]) + anp.exp(x[1])), y[:2], x0=[0.0, 0.0])
    edge = ck.conjugate(f, [0.5, 0.5, 0.0])
    outside = [ck.conjugate(f, z).value for z in ([0.5, 0.5, 0.5], [0.7, 0.6, -0.3])]
    return Answer(
        found.value, found.bound, found.x, {},
        checks=(
            Check("f*(½, ¼, ¼) = -1.5 log 2", found.value, -1.5 * np.log(2)),
            Check("by Newton's method, x₃ = 0", smooth.value, -1.5 * np.log(2)),
            Check("x, up to a constant", smooth.x, (np.log(y) - np.log(y[2]))[:2], "closed form", 1e-6),
            Check("Fenchel's gap at x = log y", ck.fenchel_gap(f, found.x, y), 0.0),
            Check("gradient of f at x", np.exp(found.x) / np.exp(found.x).sum(), y),
            Check("f*(½, ½, 0), not attained", edge.value, -np.log(2)),
            Check("attained there", edge.attained, False, "x₃ would be -∞"),
            Check("off the simplex", outside, [np.inf, np.inf]),
        ))


@log_sum_exp.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    y = np.array([0.5, 0.25, 0.25])
    theirs = conjugate(cp.log_sum_exp, y, lambda x: [x[0] == 0])
    return (Check("f*(½, ¼, ¼)", ck.conjugate(ck.LogSumExp(), y).value, theirs, "cvxpy"),)


@chapter.case(
    "E3.26", "C3-07", "Example 3.26", "The conjugate of a norm",
    statement="A norm's conjugate is 0 on the unit ball of the dual norm and +∞ outside: if ‖y‖ exceeds 1 there, some "
              "x has yᵀx > ‖x‖, and so has every multiple of it.",
    primal="maximise yᵀx - ‖x‖",
    dual="f*(y) = 0 if ‖y‖⁎ ≤ 1, else +∞")
def norms() -> Answer:
    l1, l2 = ck.Norm(1), ck.Norm(2)
    ys = [np.array([1.0, -1.0, 0.5]), np.array([1.1, 0.0, 0.0]), np.array([0.6, 0.8])]
    found = [ck.conjugate(f, y) for f, y in zip((l1, l1, l2), ys, strict=True)]
    d = np.asarray(found[1].direction)
    # ‖x‖₁ as a piecewise linear function, one piece for each pattern of signs.
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T
    pieces = [ck.conjugate(ck.MaxAffine(signs), y) for y in ys[:2]]
    return Answer(
        None, None, None, {"direction": d},
        checks=(
            Check("f*: ℓ₁ at (1, -1, ½), at (1.1, 0, 0), ℓ₂ at (0.6, 0.8)",
                  [one.value for one in found], [0, np.inf, 0]),
            Check("yᵀd - ‖d‖₁ in the second", ys[1] @ d - l1(d), 0.1, "by hand"),
            Check("ℓ₁ as a maximum of eight affine functions", [one.value for one in pieces],
                  [0, np.inf], "a linear program"),
            Check("dual norms", [l1.dual(ys[0]), l1.dual(ys[1]), l2.dual(ys[2])], [1.0, 1.1, 1.0], "by hand"),
        ))


@norms.oracle
def _() -> tuple[Check, ...]:
    import cvxpy as cp

    rows = ((1, cp.norm1, [1.0, -1.0, 0.5]), (1, cp.norm1, [1.1, 0.0, 0.0]), (2, cp.norm2, [0.6, 0.8]))
    return tuple(Check(f"ℓ{p} at {y}", ck.conjugate(ck.Norm(p), y).value, conjugate(norm, y), "cvxpy")
                 for p, norm, y in rows)


@chapter.case(
    "3.3.2", "C3-20", "Section 3.3.2", "Fenchel's inequality",
    statement="f(x) + f*(y) ≥ xᵀy for all x and y, with equality exactly where y is the gradient of f at x. For f(x) = "
              "½xᵀQx + bᵀx the gap is ½(∇f(x) - y)ᵀQ⁻¹(∇f(x) - y).",
    primal="f(x) + f*(y) - xᵀy at x = (1, 2)",
    dual="zero where y = Qx + b")
def fenchel() -> Answer:
    Q, b, x = np.array([[3.0, 1], [1, 2]]), np.array([1.0, -1]), np.array([1.0, 2])
    f = ck.Quadratic(Q, b)
    slope = f.gradient(x)
    ys = np.random.default_rng(332).standard_normal((50, 2)) * 5
    gaps = np.array([ck.fenchel_gap(f, x, y) for y in ys])
    sums = np.array([f(x) + ck.conjugate(f, y).value - x @ y for y in ys])
    return Answer(
        None, None, None, {"∇f(x)": slope},
        checks=(
            Check("gap at y = 0", ck.fenchel_gap(f, x, [0.0, 0.0]), 0.5 * slope @ np.linalg.solve(Q, slope)),
            Check("gap at y = 0", ck.fenchel_gap(f, x, [0.0, 0.0]), 7.2, "other solver"),
            Check("gap at y = ∇f(x)", ck.fenchel_gap(f, x, slope), 0.0, "closed form", 1e-15),
            Check("smallest gap at 50 y", gaps.min(), 0.0, "Fenchel's inequality", 0.0, "at least"),
            Check("largest difference from f(x) + f*(y) - xᵀy", abs(sums - gaps).max(), 0.0, "the definition", 1e-12),
        ))


@fenchel.picture("The gap at x = (1, 2) as a function of y: zero at the gradient (dot), growing in every direction; "
                 "7.2 at y = 0 (square).")
def _(axes: Any) -> None:
    Q, slope = np.array([[3.0, 1], [1, 2]]), np.array([6.0, 4.0])
    u, v = np.meshgrid(np.linspace(-3, 14, 200), np.linspace(-4, 11, 200))
    away = np.stack([u - slope[0], v - slope[1]], axis=-1)
    gap = 0.5 * np.einsum("...i,ij,...j", away, np.linalg.inv(Q), away)
    lines = axes.contour(u, v, gap, levels=[0.5, 2, 4, 7.2, 12, 18, 25], colors="0.6", linewidths=0.8)
    axes.clabel(lines, fontsize=7)
    axes.plot(*slope, "ko", markersize=5)
    axes.plot(0, 0, "ks", markersize=5)
    axes.set(xlabel="y₁", ylabel="y₂", aspect="equal")
