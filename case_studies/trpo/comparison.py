"""Runs that differ only in their seed, taken together: means, interquartile means and their uncertainty.

Agarwal et al. 2021: with a handful of seeds, report the interquartile mean and a bootstrap interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

import convexkit as ck

from .config import TrpoConfig
from .run_folder import read_config, read_progress
from .training import WINDOW

# Runs that differ in these only are of one group.
WITHIN = ("seed", "steps", "processes")
RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Group:
    """Runs with the same settings but for seed, budget and where they were made.

    Attributes
    ----------
    config : of the first run
    label : the environment and the settings in which it differs from other groups
    progress : one dictionary of columns for each run (see `read_progress`)
    """

    config: TrpoConfig
    label: str
    progress: list[dict[str, np.ndarray]]

    @property
    def seeds(self) -> int:
        """Number of runs."""
        return len(self.progress)

    def curves(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps (T,) and returns (seeds, T), as far as the shortest run goes; nan before the first episode."""
        length = min(len(columns["env_steps"]) for columns in self.progress)
        return (self.progress[0]["env_steps"][:length],
                np.stack([columns["mean_return_100"][:length] for columns in self.progress]))


def groups(runs: Sequence[str | Path]) -> list[Group]:
    """Sort runs into groups, in the order in which they were named.

    Raises
    ------
    FormatError
        If a run cannot be read, or has no iteration yet.
    """
    loaded: dict[tuple[object, ...], list[tuple[TrpoConfig, dict[str, np.ndarray]]]] = {}
    for run in map(Path, runs):
        config, progress = read_config(run), read_progress(run)
        if not progress["iteration"].size:
            raise ck.FormatError(f"{run}: no iteration has been finished, there is nothing to plot.")
        key = tuple(getattr(config, option.name) for option in fields(config) if option.name not in WITHIN)
        loaded.setdefault(key, []).append((config, progress))
    configs = [members[0][0] for members in loaded.values()]
    return [Group(members[0][0], _label(members[0][0], configs), [progress for _, progress in members])
            for members in loaded.values()]


def _label(config: TrpoConfig, others: list[TrpoConfig]) -> str:
    """The environment, and the settings that are not the same for all its groups."""
    rivals = [other for other in others if other.env == config.env]
    differing = [option.name for option in fields(TrpoConfig) if option.name not in WITHIN
                 and any(getattr(other, option.name) != getattr(config, option.name) for other in rivals)]
    return " ".join([config.env, *(f"{name}={getattr(config, name)}" for name in differing)])


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """Mean of the middle half along the first axis; a run on the edge counts by the share that is inside.

    >>> import numpy as np
    >>> float(interquartile_mean(np.array([0.0, 1.0, 2.0, 100.0]))), float(interquartile_mean(np.array([3.0, 5.0])))
    (1.5, 4.0)
    """
    ordered = np.sort(values, axis=0)
    n = len(ordered)
    # Run i covers [i, i+1) of n; its weight is what of that lies within [n/4, 3n/4).
    i = np.arange(n)
    weight = np.clip(np.minimum(i + 1, 0.75 * n) - np.maximum(i, 0.25 * n), 0.0, None)
    middle: np.ndarray = np.tensordot(weight / weight.sum(), ordered, axes=1)
    return middle


def bootstrap_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % interval of the interquartile mean over runs (first axis), by resampling runs; the same on every call."""
    rng = np.random.default_rng(0)
    chosen = rng.integers(len(values), size=(len(values), RESAMPLES))
    means = interquartile_mean(values[chosen])
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def compare(runs: Sequence[str | Path]) -> str:
    """A table with a line for each group: final return over seeds, its interval, and the steps to the goal.

    The final return of a run is its mean over the last 100 training episodes. The goal is the return at which
    Gymnasium calls the environment solved, if it says so; "steps to goal" is the median over seeds, and how many
    of them got there.
    """
    rows = [("runs", "seeds", "steps", "mean", "IQM", "95 % interval", "worst", "best", "steps to goal")]
    for group in groups(runs):
        steps, returns = group.curves()
        final = returns[:, -1]
        low, high = bootstrap_interval(final)
        rows.append((group.label, str(group.seeds), f"{steps[-1]:.0f}", f"{final.mean():.1f}",
                     f"{interquartile_mean(final):.1f}", f"{low:.1f} to {high:.1f}", f"{final.min():.1f}",
                     f"{final.max():.1f}", _to_goal(group)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                               for i, (cell, w) in enumerate(zip(row, widths, strict=True))) for row in rows)


def _to_goal(group: Group) -> str:
    from .environments import require_gymnasium

    try:
        goal = require_gymnasium().spec(group.config.env).reward_threshold
    except Exception:  # an environment that is not registered here, or no gymnasium at all
        goal = None
    if goal is None:
        return "-"
    reached = []
    for columns in group.progress:
        there = (columns["episodes"] >= WINDOW) & (columns["mean_return_100"] >= goal)
        if there.any():
            reached.append(columns["env_steps"][there.argmax()])
    return f"{np.median(reached):.0f} ({len(reached)} of {group.seeds})" if reached else f"- (0 of {group.seeds})"
