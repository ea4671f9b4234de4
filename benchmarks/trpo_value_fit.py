"""The value fit: Gauss-Newton steps with conjugate gradient beside twenty epochs of Adam, on the batches of real runs.

A run of TRPO is made once per environment and its batches are kept. Then each method fits its own baseline to the same
batches in the same order, starting where it stood after the one before:

    python benchmarks/trpo_value_fit.py --out benchmarks/results/trpo

Settings are those of `settings.toml` for the environment, and the passes are over parts of so many rows, damped so
much. The median over batches of the explained variance is reported on the batch just fitted (`after`), and on the next
one, before it is fitted (`ahead`): that is the one the advantages are computed with. `share` is the part of the run's
processor time that the fit took. All are means over several runs (--seeds). Adam: step 1e-3, minibatches of 128, the
derivatives written by hand, as fast as we can.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).absolute().parents[1]))
from benchmarks.measuring import limited_threads
from case_studies.trpo import training
from case_studies.trpo.baseline import Baseline, explained_variance
from case_studies.trpo.config import TrpoConfig
from case_studies.trpo.networks import Mlp

COLUMNS = ["env", "method", "seeds", "batches", "batch_size", "after", "ahead", "ms_per_batch", "share"]
# CartPole until the pole stays up: from then on targets differ by little more than rounding, and the explained variance
# says nothing.
RUNS = {"CartPole-v1": {"steps": 30_000}, "Pendulum-v1": {"steps": 60_000}, "LunarLander-v3": {"steps": 60_000},
        "Hopper-v5": {"steps": 60_000}}
QUICK = {"CartPole-v1": {"steps": 4000}}

Data = list[tuple[np.ndarray, np.ndarray]]


def batches_of_a_run(config: TrpoConfig) -> tuple[Data, float]:
    """Observations and targets of each batch, and the share of the processor time that the fit took."""
    kept: Data = []
    fitted = Baseline.fitted

    def keep(self: Baseline, observations: np.ndarray, targets: np.ndarray, *rest: Any, **options: Any) -> Baseline:
        kept.append((observations.copy(), targets.copy()))
        return fitted(self, observations, targets, *rest, **options)

    try:
        Baseline.fitted = keep  # type: ignore[method-assign]
        with tempfile.TemporaryDirectory() as folder:
            timings = training.train(config, Path(folder) / "run").timings
    finally:
        Baseline.fitted = fitted  # type: ignore[method-assign]
    fit = sum(timing.value_fit for timing in timings)
    return kept, fit / sum(timing.rollout + timing.update + timing.value_fit + timing.rest for timing in timings)


class Adam:
    """Epochs of minibatches; moments are kept from batch to batch. Kingma & Ba 2015."""

    def __init__(self, size: int, epochs: int, rate: float = 1e-3, minibatch: int = 128):
        self.epochs, self.rate, self.minibatch = epochs, rate, minibatch
        self.first, self.second, self.count = np.zeros(size, np.float32), np.zeros(size, np.float32), 0

    def __call__(self, baseline: Baseline, x: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> Baseline:
        baseline = baseline.rescaled(targets)
        weights, gradient = baseline.weights.copy(), np.empty_like(baseline.weights)
        (W1, b1), (W2, b2), (W3, b3) = baseline.network.layers(weights)
        (G1, h1), (G2, h2), (G3, h3) = baseline.network.layers(gradient)
        goal = ((targets - baseline.shift) / baseline.scale).astype(np.float32)[:, None]
        for _ in range(self.epochs):
            order = rng.permutation(len(goal))
            for start in range(0, len(goal), self.minibatch):
                rows = order[start:start + self.minibatch]
                x0 = x[rows]
                x1 = np.tanh(x0 @ W1 + b1)
                x2 = np.tanh(x1 @ W2 + b2)
                d3 = (x2 @ W3 + b3 - goal[rows]) * (2 / len(rows))
                G3[:], h3[:] = x2.T @ d3, d3.sum(axis=0)
                d2 = (d3 @ W3.T) * (1 - x2 * x2)
                G2[:], h2[:] = x1.T @ d2, d2.sum(axis=0)
                d1 = (d2 @ W2.T) * (1 - x1 * x1)
                G1[:], h1[:] = x0.T @ d1, d1.sum(axis=0)
                self.count += 1
                self.first += 0.1 * (gradient - self.first)
                self.second += 0.001 * (gradient * gradient - self.second)
                step = self.rate * (1 - 0.999**self.count) ** 0.5 / (1 - 0.9**self.count)
                weights -= step * self.first / (np.sqrt(self.second) + 1e-8)
        return replace(baseline, weights=weights)


def measure(fit: Callable[..., Baseline], data: Data) -> tuple[float, float, float]:
    """Median explained variance after the fit and ahead of it, and processor milliseconds for a batch."""
    rng = np.random.default_rng(0)
    baseline = Baseline.start(Mlp((data[0][0].shape[1], 64, 64, 1)), np.random.default_rng(1))
    after, ahead, seconds = [], [], 0.0
    for observations, targets in data:
        ahead.append(explained_variance(baseline.values(observations), targets))
        started = time.process_time()
        baseline = fit(baseline, observations, targets, rng)
        seconds += time.process_time() - started
        after.append(explained_variance(baseline.values(observations), targets))
    return float(np.median(after)), float(np.median(ahead[1:])), 1e3 * seconds / len(data)


def run(runs: dict[str, dict[str, Any]], seeds: int) -> list[dict[str, Any]]:
    """All rows."""
    rows = []
    for env, options in runs.items():
        found: dict[str, list[tuple[float, float, float]]] = {}
        shares, batches = [], 0
        for seed in range(seeds):
            config = TrpoConfig.for_env(env, **options, seed=seed)
            data, share = batches_of_a_run(config)
            shares.append(share)
            batches = len(data)
            size = Mlp((data[0][0].shape[1], *config.hidden, 1)).size
            settings: dict[str, Any] = {"rows": config.value_rows, "damping": config.value_damping}
            methods: dict[str, Callable[..., Baseline]] = {
                "Gauss-Newton, 1 pass": partial(Baseline.fitted, **settings, passes=1),
                "Gauss-Newton, 2 passes": partial(Baseline.fitted, **settings, passes=2),
                "Adam, 20 epochs": Adam(size, 20)}
            for method, fit in methods.items():
                found.setdefault(method, []).append(measure(fit, data))
        for method, results in found.items():
            after, ahead, milliseconds = np.mean(results, axis=0)
            rows.append({"env": env, "method": method, "seeds": seeds, "batches": batches,
                         "batch_size": config.horizon * config.envs,
                         "after": f"{after:.3f}", "ahead": f"{ahead:.3f}", "ms_per_batch": f"{milliseconds:.2f}",
                         "share": f"{np.mean(shares):.3f}" if method == "Gauss-Newton, 1 pass" else ""})
            print(*rows[-1].values(), flush=True)
    return rows


def main() -> None:
    """Run, and write trpo_value_fit.csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for trpo_value_fit.csv")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each environment; default 5")
    parser.add_argument("--quick", action="store_true", help="four batches of CartPole")
    arguments = parser.parse_args()
    with limited_threads(1):
        rows = run(QUICK, 1) if arguments.quick else run(RUNS, arguments.seeds)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with open(arguments.out / "trpo_value_fit.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"Written to {arguments.out / 'trpo_value_fit.csv'}.")


if __name__ == "__main__":
    main()
