"""Draws the pictures of these pages: python docs/trpo/pictures.py [folder]."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import convexkit as ck
from case_studies.trpo.distributions import DiagonalGaussian
from case_studies.trpo.objectives import fisher_operator, mean_kl, surrogate_loss
from case_studies.trpo.policies import Policy


def figure(width: float, height: float, columns: int = 1) -> tuple[Figure, Any]:
    """A figure without a window, and its panels."""
    drawing = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawing)
    return drawing, drawing.subplots(1, columns)


def kl_ball(folder: Path) -> None:
    """A Gaussian action with parameters (mean, log deviation): where the divergence is δ, and where its model is."""
    normal, old = DiagonalGaussian(1), np.zeros((1, 2))
    drawing, panels = figure(9, 3.8, 3)
    for panel, delta in zip(panels, (0.01, 0.1, 1.0), strict=True):
        # ½pᵀFp = δ with F = diag(1, 2)
        size = np.sqrt(2 * delta)
        means, deviations = np.meshgrid(np.linspace(-1.9, 1.9, 200) * size, np.linspace(-1.5, 1.5, 200) * size)
        new = np.stack([means.ravel(), deviations.ravel()], axis=1)
        divergence = normal.kl(np.repeat(old, len(new), axis=0), new).reshape(means.shape)
        panel.contourf(means, deviations, divergence, levels=[0, delta], colors=["#9ecae1"])
        panel.contour(means, deviations, divergence, levels=[delta], colors="C0")
        model = 0.5 * (means**2 + 2 * deviations**2)
        panel.contour(means, deviations, model, levels=[delta], colors="C3", linestyles="--")
        panel.plot(0, 0, "k.")
        panel.set_title(f"δ = {delta:g}")
        panel.set_xlabel("change of the mean")
    panels[0].set_ylabel("change of log deviation")
    drawing.suptitle("KL ≤ δ (blue) and the ellipse of its quadratic model (red)")
    drawing.savefig(folder / "kl_ball.png", dpi=100)


def small_step() -> tuple[Any, Any, np.ndarray, Any]:
    """The policy of the pages: loss, KL, theta, and the trust-region step at δ = 0.01."""
    rng = np.random.default_rng(0)
    policy = Policy.discrete(3, 4, hidden=(5,))
    theta = policy.initial(rng) + 0.3 * rng.standard_normal(policy.size)
    states = rng.standard_normal((200, 3))
    old = policy.outputs(theta, states)
    actions = policy.distribution.sample(old, policy.distribution.noise(rng, (200,)))
    advantages = rng.standard_normal(200)
    loss = surrogate_loss(policy, states, actions, advantages - advantages.mean(), old)
    kl = mean_kl(policy, states, old)
    model = ck.linear_model(loss, theta)
    metric = ck.damped(fisher_operator(policy, states, theta), 0.01)
    return loss, kl, theta, (model, ck.trust_region_step(model, radius=np.sqrt(0.02), metric=metric), metric)


def step_length(folder: Path) -> None:
    """True divergence along the step, against the parabola of the model."""
    _, kl, theta, (_, step, metric) = small_step()
    lengths = np.geomspace(0.05, 60, 80)
    drawing, panel = figure(6, 3.8)
    curvature = 0.5 * (step.p @ (metric @ step.p) - 0.01 * step.p @ step.p)  # without the damping
    panel.loglog(lengths, [kl(theta + t * step.p) for t in lengths], color="C0", label="true mean KL")
    panel.loglog(lengths, curvature * lengths**2, "C3--", label="½t²pᵀFp")
    panel.axhline(0.01, color="k", linewidth=0.8, linestyle=":", label="δ")
    panel.axvline(1.0, color="k", linewidth=0.8)
    panel.set_xlabel("length, in full steps")
    panel.set_ylabel("divergence, nats")
    panel.legend()
    panel.grid(alpha=0.3)
    drawing.savefig(folder / "step_length.png", dpi=100)


def line_search(folder: Path) -> None:
    """A step three times too long: trials outside the region, and the first that is inside and gains enough."""
    loss, kl, theta, (model, step, _) = small_step()
    p, alpha, beta = 3 * step.p, 0.1, 0.7
    slope = float(model.q @ p)
    t = np.linspace(0, 1.1, 120)
    drawing, panels = figure(9, 3.8, 2)
    gain, divergence = panels
    gain.plot(t, [loss(theta) - loss(theta + s * p) for s in t], color="C0", label="true gain")
    gain.plot(t, -slope * t, "C3--", label="linear model")
    gain.plot(t, -alpha * slope * t, "k:", label=f"asked for: {alpha:g} of it")
    divergence.plot(t, [kl(theta + s * p) for s in t], color="C0", label="true mean KL")
    divergence.axhline(0.01, color="k", linestyle=":", label="δ")
    search = ck.backtracking(loss, theta, p, slope, alpha=alpha, beta=beta, in_domain=lambda x: kl(x) <= 0.01)
    trials = beta ** np.arange(search.nit)
    for number, s in enumerate(trials, start=1):
        style = "go" if number == search.nit else "rx"
        gain.plot(s, loss(theta) - loss(theta + s * p), style)
        divergence.plot(s, kl(theta + s * p), style)
    for panel in panels:
        panel.set_xlabel("step, as a share of the first trial")
        panel.legend()
        panel.grid(alpha=0.3)
    gain.set_title("Gain")
    divergence.set_title("Divergence: red trials are outside")
    drawing.savefig(folder / "line_search.png", dpi=100)


def results(folder: Path) -> None:
    """The curves of benchmarks/results/trpo: a thin line for each seed, their mean thick."""
    tables = sorted((Path(__file__).parents[2] / "benchmarks" / "results" / "trpo").glob("curves_*.csv"))
    columns = 4
    lines = -(-len(tables) // columns)
    drawing = Figure(figsize=(3 * columns, 2.4 * lines), layout="constrained")
    FigureCanvasAgg(drawing)
    panels = drawing.subplots(lines, columns, squeeze=False)
    for panel in panels.flat[len(tables):]:
        panel.set_visible(False)
    for panel, table in zip(panels.flat, tables, strict=False):
        with open(table, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        seeds = {row["seed"]: [] for row in rows}  # type: dict[str, list[tuple[float, float]]]
        for row in rows:
            seeds[row["seed"]].append((float(row["env_steps"]), float(row["mean_return_100"])))
        curves = [np.array(points).T for points in seeds.values()]
        for steps, returns in curves:
            panel.plot(steps, returns, color="C0", linewidth=0.7, alpha=0.6)
        if len(curves) > 1:
            panel.plot(curves[0][0], np.mean([returns for _, returns in curves], axis=0), color="C0", linewidth=2)
        panel.set_title(f"{rows[0]['env']} ({len(curves)} seed{'s' * (len(curves) > 1)})", fontsize="medium")
        panel.ticklabel_format(axis="x", style="sci", scilimits=(3, 3))
        panel.grid(alpha=0.3)
    drawing.supxlabel("environment steps")
    drawing.supylabel("mean of the last 100 training episodes")
    drawing.savefig(folder / "results.png", dpi=90)


def main() -> None:
    """Draw all four."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for draw in (kl_ball, step_length, line_search, results):
        draw(folder)


if __name__ == "__main__":
    main()
