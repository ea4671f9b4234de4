"""Second-order cones."""

from __future__ import annotations

from typing import Any

import numpy as np

import convexkit as ck

from ..case import Answer, Check, solved
from .chapter import chapter


@chapter.case(
    "4.25", "C4-18", "Exercise 4.25", "The widest slab between two families of ellipses",
    statement="A line with two ellipses on each side, as far from all four as possible. An ellipse {c + Bu : ‖u‖ ≤ 1} "
              "lies on one side of it if aᵀc + b + ‖Bᵀa‖ ≤ -t. The dual looks for the shortest way between the convex "
              "hulls of the two families.",
    primal="maximise t   subject to  aᵀcᵢ + b + ‖Bᵢᵀa‖ ≤ -t  in family 1,\n"
           "aᵀcᵢ + b - ‖Bᵢᵀa‖ ≥ t  in family 2,  ‖a‖ ≤ 1",
    dual="minimise ½‖p₂ - p₁‖   subject to  pₖ = Σ θᵢcᵢ + Bᵢwᵢ over family k,  ‖wᵢ‖ ≤ θᵢ,  Σ θᵢ = 1 in each family")
def slab() -> Answer:
    centres = np.array([[0.0, 0], [1, -1], [3, 2], [2, 4]])
    B = [np.diag([0.5, 0.3]), np.array([[0.4, 0.1], [0, 0.2]]), np.diag([0.6, 0.6]), np.diag([0.2, 0.9])]
    side = np.array([1.0, 1, -1, -1])
    # Variables (a, b, t): ‖Bᵀa‖ ≤ ∓(aᵀc + b) - t, and the unit ball.
    cones = [ck.SecondOrderCone(np.c_[Bi.T, np.zeros((2, 2))], None, np.r_[-s * c, -s, -1])
             for Bi, c, s in zip(B, centres, side, strict=True)]
    cones.append(ck.SecondOrderCone(np.eye(2, 4), None, None, 1.0))
    problem = ck.socp([0.0, 0, 0, -1], cones)
    solution = solved(problem, tol=1e-10)
    a, b, t = solution.x[:2], solution.x[2], solution.x[3]
    # The dual, in (θ, w₁ … w₄, d): ‖p₂ - p₁‖ ≤ d.
    ways = np.concatenate([(-side * centres.T), *(-s * Bi for Bi, s in zip(B, side, strict=True)), np.zeros((2, 1))],
                          axis=1)
    within = [ck.SecondOrderCone(np.eye(13)[4 + 2 * i:6 + 2 * i], None, np.eye(13)[i]) for i in range(4)]
    dual = ck.socp(np.r_[np.zeros(12), 0.5], [*within, ck.SecondOrderCone(ways, None, np.eye(13)[12])],
                   A=np.r_[[[1.0, 1, 0, 0], [0, 0, 1, 1]]] @ np.eye(4, 13), b=[1.0, 1])
    other = solved(dual, tol=1e-10)
    way = ways @ other.x
    reach = [side[i] * (a @ centres[i] + b) + np.linalg.norm(B[i].T @ a) for i in range(4)]
    return Answer(
        solution.value, -other.value, None, {"a": a, "b": b, "t": t},
        checks=(
            Check("half the width of the slab", t, 1.2708548, "other solver", 1e-7),
            Check("a", a, [0.736127, 0.676843], "other solver, six digits", 1e-6),
            Check("b", b, -1.6912134, "other solver", 1e-6),
            Check("half the shortest way, solved as a problem of its own", other.value, t, "strong duality"),
            Check("a, the direction of the shortest way", a, way / np.linalg.norm(way), "the dual's solution", 1e-5),
            Check("how far the ellipses stay away", reach, np.full(4, -t), "feasibility", 1e-8, "at most"),
        ),
        solved=((problem, solution), (dual, other)))


@slab.picture("Two families of ellipses, the line that separates them, the borders of the slab (dashed), and the "
              "shortest way between the convex hulls, which the slab's normal follows.")
def _(axes: Any) -> None:
    centres = np.array([[0.0, 0], [1, -1], [3, 2], [2, 4]])
    B = [np.diag([0.5, 0.3]), np.array([[0.4, 0.1], [0, 0.2]]), np.diag([0.6, 0.6]), np.diag([0.2, 0.9])]
    circle = np.stack([np.cos(np.linspace(0, 2 * np.pi, 100)), np.sin(np.linspace(0, 2 * np.pi, 100))])
    for i, color in enumerate(("tab:blue", "tab:blue", "tab:orange", "tab:orange")):
        axes.fill(*(centres[i][:, None] + B[i] @ circle), color=color, alpha=0.4)
    (_, solution), (_, other) = slab.answer.solved
    a, b, t = solution.x[:2], solution.x[2], solution.x[3]
    u = np.array([-1.0, 4.5])
    for level, style in ((0, "-"), (t, "--"), (-t, "--")):
        axes.plot(u, (level - b - a[0] * u) / a[1], "k" + style, linewidth=1 if style == "-" else 0.8)
    theta, w = other.x[:4], other.x[4:12].reshape(4, 2)
    ends = [sum(theta[i] * centres[i] + B[i] @ w[i] for i in pair) for pair in ((0, 1), (2, 3))]
    axes.plot(*np.array(ends).T, "o-", color="tab:red", markersize=4)
    axes.set(aspect="equal", xlim=(-1, 4.5), ylim=(-1.6, 5.1), xlabel="x₁", ylabel="x₂")


@chapter.case(
    "4.26", "C4-19", "Exercise 4.26", "Harmonic and geometric means by hyperbolic constraints",
    statement="xᵀx ≤ yz with y, z ≥ 0 is a second-order cone: ‖(2x, y - z)‖ ≤ y + z. With it the harmonic and the "
              "geometric mean of the slacks of a triangle become cone programs. Here both are largest in the same "
              "point.",
    primal="minimise 1ᵀt   subject to  1 ≤ tᵢyᵢ,  y = Ax - b\n"
           "maximise s   subject to  u₁² ≤ y₁y₂,  u₂² ≤ y₃s,  s² ≤ u₁u₂,  y = Ax - b",
    dual="harmonic:   maximise 2Σ √zᵢ + bᵀz   subject to  Aᵀz = 0,  z ≥ 0\n"
         "geometric:  minimise -bᵀz   subject to  Aᵀz = 0,  (z₁z₂z₃)^(1/3) ≥ 1/3,  z ≥ 0")
def means() -> Answer:
    A, b = np.array([[1.0, 0], [0, 1], [-1, -1]]), np.array([0.0, 0, -3])

    def hyperbolic(x: np.ndarray, y: np.ndarray, z: np.ndarray, y0: float = 0.0, z0: float = 0.0, x0: float = 0.0
                   ) -> ck.SecondOrderCone:
        """(xᵀv + x0)² ≤ (yᵀv + y0)(zᵀv + z0) for the variables v."""
        return ck.SecondOrderCone(np.stack([2 * x, y - z]), [2 * x0, y0 - z0], y + z, y0 + z0)

    e = np.eye(5)  # variables (x, t), then (x, u₁, u₂, s)
    y = A @ np.eye(2, 5)
    one = [hyperbolic(np.zeros(5), y[i], e[2 + i], -b[i], x0=1.0) for i in range(3)]
    harmonic = ck.socp(np.r_[0, 0, 1, 1, 1], one)
    first = solved(harmonic, tol=1e-10)
    geometric = ck.socp(-e[4], [hyperbolic(e[2], y[0], y[1], -b[0], -b[1]), hyperbolic(e[3], y[2], e[4], -b[2]),
                                hyperbolic(e[4], e[2], e[3])])
    second = solved(geometric, tol=1e-10)
    grid = np.stack(np.meshgrid(np.linspace(0.01, 2.98, 150), np.linspace(0.01, 2.98, 150)), axis=-1).reshape(-1, 2)
    slack = (grid @ A.T - b)[(grid @ A.T - b > 0).all(axis=1)]
    best_harmonic, best_geometric = (1 / (1 / slack).sum(axis=1)).max(), (slack.prod(axis=1) ** (1 / 3)).max()
    return Answer(
        None, None, first.x[:2], {"geometric mean": -second.value, "x, geometric": second.x[:2]},
        checks=(
            Check("harmonic mean / 3", 1 / first.value, 1 / 3),
            Check("its x", first.x[:2], [1.0, 1.0], "closed form", 1e-5),
            Check("geometric mean", -second.value, 1.0),
            Check("its x", second.x[:2], [1.0, 1.0], "closed form", 1e-5),
            Check("points of a grid, harmonic", best_harmonic, 1 / first.value, "enumeration", 1e-9, "at most"),
            Check("points of a grid, geometric", best_geometric, -second.value, "enumeration", 1e-9, "at most"),
            Check("harmonic: Σ tᵢ", first.value, 2 * 3 + b.sum(), "the dual at z = (1, 1, 1), by hand"),
            Check("geometric: mean", -second.value, -b.sum() / 3, "the dual at z = (1, 1, 1)/3, by hand"),
        ),
        solved=((harmonic, first), (geometric, second)))


@means.picture("Level curves of the harmonic mean (blue) and the geometric mean (orange, dashed; same values) of the "
               "three slacks of a triangle. Both are largest in (1, 1).")
def _(axes: Any) -> None:
    from ..pages import contours

    def slacks(x: np.ndarray) -> np.ndarray:
        y = np.array([x[0], x[1], 3 - x[0] - x[1]])
        return y if (y > 1e-9).all() else np.full(3, np.nan)

    axes.plot([0, 3, 0, 0], [0, 0, 3, 0], color="k")
    contours(axes, lambda x: 3 / (1 / slacks(x)).sum(), (0, 3), (0, 3), levels=[0.4, 0.6, 0.8, 0.95],
             colors="tab:blue", labels=True)
    contours(axes, lambda x: slacks(x).prod() ** (1 / 3), (0, 3), (0, 3), levels=[0.4, 0.6, 0.8, 0.95],
             colors="tab:orange", linestyles="dashed")
    axes.plot(*means.answer.x, "ko")
    axes.set(aspect="equal", xlabel="x₁", ylabel="x₂")
