"""Learning results of the case study: train several seeds of an environment, evaluate them, keep the curves.

    python benchmarks/trpo_results.py --env Hopper-v5 --steps 1000000 --seeds 5 --out benchmarks/results/trpo

Settings are those of `case_studies/trpo/settings.toml`. Run folders are kept under --runs: a seed that was interrupted
is resumed, one that is done is not trained again. Two tables grow: `curves_ENV.csv` (about fifty points a run of the
mean return over the last 100 training episodes) and `returns.csv` (a row for each seed: the last point, and evaluations
with sampled and with likeliest actions on fresh environments, with standard errors).
"""

from __future__ import annotations

import argparse
import csv
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).absolute().parents[1]))
from case_studies.trpo.config import TrpoConfig
from case_studies.trpo.evaluation import evaluate
from case_studies.trpo.run_folder import TIMING, TIMING_COLUMNS, read_progress
from case_studies.trpo.training import resume, train

CURVE = ["env", "seed", "env_steps", "mean_return_100"]
RETURNS = ["env", "seed", "steps", "mean_return_100", "solved_at", "stochastic", "stochastic_error", "deterministic",
           "deterministic_error", "episodes", "cpu_seconds", "peak_mib"]
POINTS = 50
PARTS = TIMING_COLUMNS[2:]  # processor seconds


def run_seed(config: TrpoConfig, folder: Path, episodes: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Train (or finish) one seed and evaluate it: its row, and its curve."""
    result = resume(folder, steps=config.steps) if folder.exists() else train(config, folder)
    with open(folder / TIMING, newline="", encoding="utf-8") as file:  # of all parts of a run that was interrupted
        seconds = sum(float(row[part]) for row in csv.DictReader(file) for part in PARTS)
    scores = evaluate(folder, episodes=episodes)
    progress = read_progress(folder)
    points = np.unique(np.linspace(0, len(progress["env_steps"]) - 1, POINTS).astype(int))
    curve = [{"env": config.env, "seed": config.seed, "env_steps": f"{progress['env_steps'][i]:.0f}",
              "mean_return_100": f"{progress['mean_return_100'][i]:.2f}"} for i in points]
    row = {"env": config.env, "seed": config.seed, "steps": result.records[-1].env_steps,
           "mean_return_100": f"{result.records[-1].mean_return_100:.2f}", "solved_at": result.solved_at or "",
           "episodes": episodes, "cpu_seconds": f"{seconds:.1f}",
           "peak_mib": f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}"}
    for kind, score in scores.items():
        row |= {kind: f"{score.mean:.2f}", f"{kind}_error": f"{score.standard_error:.2f}"}
    return row, curve


def replace_rows(path: Path, columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
    """Write rows into a table, in place of those with the same environment and seed."""
    keys = {(row["env"], str(row["seed"])) for row in rows}
    kept = []
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            kept = [row for row in csv.DictReader(file) if (row["env"], row["seed"]) not in keys]
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept + rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the seeds of one environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seeds", type=int, default=5, help="how many; default 5")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--episodes", type=int, default=100, help="of each evaluation; default 100")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where run folders are kept")
    parser.add_argument("--out", type=Path, default=Path("out"), help="where the tables are")
    arguments = parser.parse_args(argv)
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        config = TrpoConfig.for_env(arguments.env, steps=arguments.steps, seed=seed)
        row, curve = run_seed(config, arguments.runs / f"{arguments.env}_{seed}", arguments.episodes)
        replace_rows(arguments.out / f"curves_{arguments.env}.csv", CURVE, curve)
        replace_rows(arguments.out / "returns.csv", RETURNS, [row])
        print(*row.values(), flush=True)


if __name__ == "__main__":
    main()
