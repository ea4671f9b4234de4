"""TRPO end to end: environment steps per second of processor time, beside sb3-contrib's TRPO.

Same machine, same network (two layers of 64, tanh), same environments, batch and trust region, all other settings at
the defaults of each, one thread:

    python benchmarks/trpo_speed.py --out benchmarks/results/trpo

Runs take turns, so that a busy spell of the machine meets both. A row is one run: method, environment, steps, seed,
processor seconds, and the mean return of the last 100 training episodes (of all, if there were fewer). Where
sb3-contrib is missing its rows are left out, and the script says so. `--quick` makes a few thousand steps of CartPole.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).absolute().parents[1]))
from benchmarks.measuring import limited_threads
from case_studies.trpo import environments
from case_studies.trpo.config import TrpoConfig
from case_studies.trpo.training import train

COLUMNS = ["method", "env", "envs", "batch_size", "max_kl", "steps", "seed", "cpu_seconds", "steps_per_cpu_second",
           "mean_return_100"]
# Steps, environments and trust region of each race. One environment is sb3-contrib's default and its fastest learner.
RACES: dict[str, dict[str, Any]] = {
    "CartPole-v1": {"steps": 20_480, "envs": 1, "batch_size": 2048, "max_kl": 0.01, "gamma": 0.99},
    "Pendulum-v1": {"steps": 20_480, "envs": 1, "batch_size": 2048, "max_kl": 0.01, "gamma": 0.9},
    "Hopper-v5": {"steps": 20_480, "envs": 2, "batch_size": 2048, "max_kl": 0.02, "gamma": 0.99},
    "HalfCheetah-v5": {"steps": 20_480, "envs": 2, "batch_size": 2048, "max_kl": 0.04, "gamma": 0.99},
}
QUICK = {"CartPole-v1": {**RACES["CartPole-v1"], "steps": 4096}}


def ours(env: str, race: dict[str, Any], seed: int) -> tuple[float, float]:
    """Processor seconds and mean return of the case study."""
    config = TrpoConfig(env=env, **race, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        result = train(config, Path(folder) / "run")
        return time.process_time() - started, result.records[-1].mean_return_100


def theirs(env: str, race: dict[str, Any], seed: int) -> tuple[float, float]:
    """Processor seconds and mean return of sb3-contrib, normalising for MuJoCo as its zoo does."""
    import torch
    from sb3_contrib import TRPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import VecNormalize

    torch.set_num_threads(1)
    envs = make_vec_env(env, n_envs=race["envs"], seed=seed)
    if env.startswith(("Hopper", "HalfCheetah")):
        envs = VecNormalize(envs, gamma=race["gamma"])
    model = TRPO("MlpPolicy", envs, n_steps=race["batch_size"] // race["envs"], gamma=race["gamma"],
                 target_kl=race["max_kl"], seed=seed, device="cpu")
    started = time.process_time()
    model.learn(race["steps"])
    seconds = time.process_time() - started
    returns = [episode["r"] for episode in model.ep_info_buffer]
    envs.close()
    return seconds, float(np.mean(returns))


def methods() -> dict[str, Callable[[str, dict[str, Any], int], tuple[float, float]]]:
    """Ours, and theirs if it is installed."""
    try:
        import sb3_contrib  # noqa: F401
    except ImportError:
        print("sb3-contrib is not installed: its rows are left out.")
        return {"convexkit": ours}
    return {"convexkit": ours, "sb3-contrib": theirs}


def run(races: dict[str, dict[str, Any]], seeds: int) -> list[dict[str, Any]]:
    """All rows; methods take turns."""
    rows = []
    for env, race in races.items():
        environments.make(env).close()  # its modules are loaded before anyone's clock runs
        for seed in range(seeds):
            for method, measure in methods().items():
                seconds, mean_return = measure(env, race, seed)
                rows.append({"method": method, "env": env, "envs": race["envs"], "batch_size": race["batch_size"],
                             "max_kl": race["max_kl"], "steps": race["steps"], "seed": seed,
                             "cpu_seconds": f"{seconds:.3f}", "steps_per_cpu_second": f"{race['steps'] / seconds:.0f}",
                             "mean_return_100": f"{mean_return:.1f}"})
                print(*rows[-1].values(), flush=True)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Medians over seeds, and the ratio."""
    lines = ["| environment | steps/CPU-s | sb3-contrib | ratio | return | sb3-contrib |", "|---|---|---|---|---|---|"]
    for env in dict.fromkeys(row["env"] for row in rows):
        def median(method: str, column: str, env: str = env) -> float:
            values = [float(row[column]) for row in rows if row["env"] == env and row["method"] == method]
            return float(np.median(values)) if values else float("nan")

        speeds = [median(method, "steps_per_cpu_second") for method in ("convexkit", "sb3-contrib")]
        returns = [median(method, "mean_return_100") for method in ("convexkit", "sb3-contrib")]
        lines.append(f"| {env} | {speeds[0]:.0f} | {speeds[1]:.0f} | {speeds[0] / speeds[1]:.1f} | {returns[0]:.0f} | "
                     f"{returns[1]:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Run the races, write trpo_speed.csv, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for trpo_speed.csv")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each method; default 2")
    parser.add_argument("--envs", nargs="+", choices=list(RACES), default=list(RACES), help="races to run; default all")
    parser.add_argument("--quick", action="store_true", help="a few thousand steps of CartPole, one seed")
    arguments = parser.parse_args()
    races = QUICK if arguments.quick else {env: RACES[env] for env in arguments.envs}
    with limited_threads(1):
        rows = run(races, 1 if arguments.quick else arguments.seeds)
    path = arguments.out / "trpo_speed.csv"
    if path.exists():  # rows of other races stay
        with open(path, newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["env"] not in races] + rows
    arguments.out.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(table(rows))
    print(f"Written to {path}.")


if __name__ == "__main__":
    main()
