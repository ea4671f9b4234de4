"""A trained policy in one .npz file: parameters, baseline, normaliser and settings."""

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

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """What is left of a run.

    Attributes
    ----------
    config : TrpoConfig
    theta : (n,) float32, parameters of the policy
    value_weights : (m,) float32, with value_shift and value_scale: the baseline
    moments : RunningMoments, of the observations the policy was trained on
    iteration, env_steps : int, when it was taken
    """

    config: TrpoConfig
    theta: np.ndarray
    value_weights: np.ndarray
    value_shift: float
    value_scale: float
    moments: RunningMoments
    iteration: int
    env_steps: int


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file through `write(handle)` so that a reader finds the old one or the new one, never half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            write(file)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, replacing the file in one step."""
    moments = checkpoint.moments
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
    }
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

    def entry(key: str, kind: str, ndim: int) -> Any:
        if key not in stored:
            raise ck.FormatError(f"{path}: the array '{key}' is missing.")
        array = stored[key]
        if array.dtype.kind not in kind or array.ndim != ndim:
            raise ck.FormatError(f"{path}: '{key}' has type {array.dtype} and shape {array.shape}; expected "
                                 f"{'text' if kind == 'U' else 'numbers'} in {ndim} dimensions.")
        if kind != "U" and not np.isfinite(array).all():
            raise ck.FormatError(f"{path}: '{key}' holds numbers that are not finite.")
        return array if ndim else array[()]

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
    return Checkpoint(
        config, theta, weights, float(entry("value_shift", "fiu", 0)), float(entry("value_scale", "fiu", 0)),
        RunningMoments(int(entry("count", "iu", 0)), mean, squares), int(entry("iteration", "iu", 0)),
        int(entry("env_steps", "iu", 0)))
