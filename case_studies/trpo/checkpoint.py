"""A run in one .npz file: policy, baseline, normaliser, settings, and where the environments stand.

The file is data: arrays and a json text, read without pickle. There are no states of random generators in it because
none outlives an iteration: the numbers of iteration i come from (seed, i), those of an episode from (seed,
environment, number of the episode).
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

import convexkit as ck

from .config import TrpoConfig
from .normalization import RunningMoments
from .rollouts import Standing

FORMAT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A run after a whole iteration.

    Attributes
    ----------
    config : TrpoConfig
    theta : (n,) float32, parameters of the policy
    value_weights : (m,) float32, with value_shift and value_scale: the baseline
    moments : RunningMoments, of the observations; the next batch is normalised by them
    iteration, env_steps, episodes : int, when it was taken
    damping : of the next update
    recent : returns of the last episodes, at most 100
    standing : Standing, of the environments
    cost_weights, cost_shift, cost_scale : the baseline of the costs, if there is a limit on them
    """

    config: TrpoConfig
    theta: np.ndarray
    value_weights: np.ndarray
    value_shift: float
    value_scale: float
    moments: RunningMoments
    iteration: int
    env_steps: int
    episodes: int
    damping: float
    recent: tuple[float, ...]
    standing: Standing
    cost_weights: np.ndarray | None = None
    cost_shift: float = 0.0
    cost_scale: float = 0.0


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file through `write(handle)` so that a reader finds the old one or the new one, never half.

    What a killed process leaves behind is one file, which the next write replaces.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with open(temporary, "wb") as file:
            write(file)
            # On disk before it takes the name: after a power failure too, the name is that of a whole file.
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, replacing the file in one step."""
    moments, standing = checkpoint.moments, checkpoint.standing
    arrays: dict[str, Any] = {
        "format": FORMAT,
        "config": json.dumps(checkpoint.config.to_dict()),
        "theta": checkpoint.theta,
        "value_weights": checkpoint.value_weights,
        "value_shift": checkpoint.value_shift,
        "value_scale": checkpoint.value_scale,
        "count": moments.count,
        "mean": moments.mean,
        "squares": moments.squares,
        "iteration": checkpoint.iteration,
        "env_steps": checkpoint.env_steps,
        "episodes": checkpoint.episodes,
        "damping": checkpoint.damping,
        "recent": np.array(checkpoint.recent, dtype=np.float64),
        "standing_episodes": standing.episodes,
        "standing_lengths": standing.lengths,
        "standing_actions": standing.actions,
        "standing_returns": standing.returns,
        "standing_observations": standing.observations,
        "standing_steps": standing.steps,
    }
    if checkpoint.cost_weights is not None:
        arrays |= {"cost_weights": checkpoint.cost_weights, "cost_shift": checkpoint.cost_shift,
                   "cost_scale": checkpoint.cost_scale}
    write_atomically(path, lambda file: np.savez(file, **arrays))


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; no pickled object is ever loaded.

    Raises
    ------
    FormatError
        If the file is missing, damaged, of another format, or its arrays do not fit together.
    """
    try:
        # Opened here, because numpy leaves a damaged file open.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as data:
            stored = {key: data[key] for key in data.files}
    except FileNotFoundError:
        raise ck.FormatError(f"{path}: no such file.") from None
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
        raise ck.FormatError(f"{path}: not a checkpoint, or a damaged one; train again or name another run.") from None

    def entry(key: str, kind: str, ndim: int | None) -> Any:
        if key not in stored:
            raise ck.FormatError(f"{path}: the array '{key}' is missing.")
        array = stored[key]
        if array.dtype.kind not in kind or array.ndim != (array.ndim if ndim is None else ndim):
            raise ck.FormatError(f"{path}: '{key}' has type {array.dtype} and shape {array.shape}; expected "
                                 f"{'text' if kind == 'U' else 'numbers'} in "
                                 f"{'some' if ndim is None else ndim} dimensions.")
        if kind != "U" and not np.isfinite(array).all():
            raise ck.FormatError(f"{path}: '{key}' holds numbers that are not finite.")
        return array[()] if ndim == 0 else array

    version = int(entry("format", "iu", 0))
    if version != FORMAT:
        raise ck.FormatError(f"{path}: format {version}; this version reads {FORMAT}.")
    theta, weights = entry("theta", "f", 1), entry("value_weights", "f", 1)
    mean, squares = entry("mean", "f", 1), entry("squares", "f", 1)
    if mean.shape != squares.shape:
        raise ck.FormatError(f"{path}: 'mean' has shape {mean.shape}, 'squares' {squares.shape}; they must be equal.")
    text = str(entry("config", "U", 0))
    try:
        settings = json.loads(text)
        if not isinstance(settings, dict) or not settings:
            raise ck.ProblemError("'config' holds no settings.")
        config = TrpoConfig.from_dict(settings)
    except (TypeError, ValueError) as error:  # json's own error and ProblemError are ValueErrors
        raise ck.FormatError(f"{path}: {error}") from None
    costs: tuple[Any, ...] = ()
    if config.limit is not None:
        costs = (entry("cost_weights", "f", 1), float(entry("cost_shift", "fiu", 0)),
                 float(entry("cost_scale", "fiu", 0)))
        if costs[0].shape != weights.shape:
            raise ck.FormatError(f"{path}: 'cost_weights' has shape {costs[0].shape}, 'value_weights' {weights.shape}; "
                                 "they must be equal.")
    return Checkpoint(
        config, theta, weights, float(entry("value_shift", "fiu", 0)), float(entry("value_scale", "fiu", 0)),
        RunningMoments(int(entry("count", "iu", 0)), mean, squares), int(entry("iteration", "iu", 0)),
        int(entry("env_steps", "iu", 0)), int(entry("episodes", "iu", 0)), float(entry("damping", "fiu", 0)),
        tuple(entry("recent", "f", 1).tolist()), _standing(path, entry, config.envs, mean.size), *costs)


def check_sizes(stored: Checkpoint, path: Path, *, theta: int, observations: int, value_weights: int | None = None
                ) -> None:
    """Raise FormatError unless the arrays fit an environment's spaces and the settings' networks."""
    wanted = [("theta", stored.theta, theta), ("mean", stored.moments.mean, observations)]
    if value_weights is not None:
        wanted.append(("value_weights", stored.value_weights, value_weights))
    for name, array, size in wanted:
        if array.shape != (size,):
            raise ck.FormatError(f"{path}: {name} has shape {array.shape}; {stored.config.env} needs ({size},).")


def _standing(path: Path, entry: Callable[[str, str, int | None], Any], envs: int, size: int) -> Standing:
    standing = Standing(entry("standing_episodes", "iu", 1), entry("standing_lengths", "iu", 1),
                        entry("standing_actions", "fiu", None), entry("standing_returns", "f", 1),
                        entry("standing_observations", "f", 2), int(entry("standing_steps", "iu", 0)))
    shapes = {"standing_episodes": (envs,), "standing_lengths": (envs,), "standing_returns": (envs,),
              "standing_observations": (envs, size)}
    for key, shape in shapes.items():
        found = entry(key, "fiu", None).shape
        if found != shape:
            raise ck.FormatError(f"{path}: '{key}' has shape {found}; {envs} environments need {shape}.")
    if (standing.lengths < 0).any() or standing.actions.ndim == 0 or standing.lengths.sum() != len(standing.actions):
        raise ck.FormatError(f"{path}: 'standing_lengths' {standing.lengths.tolist()} do not add up to the number of "
                             f"'standing_actions', of shape {standing.actions.shape}.")
    return standing
