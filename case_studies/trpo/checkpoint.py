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
        with np.load(path, allow_pickle=False) as data:
            stored = {key: data[key] for key in data.files}
    except FileNotFoundError:
        raise ck.FormatError(f"{path}: no such file.") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ck.FormatError(f"{path}: not a checkpoint ({' '.join(str(error).split())}).") from None
    try:
        if int(stored["format"]) != FORMAT:
            raise ck.FormatError(f"{path}: format {int(stored['format'])}; this version reads {FORMAT}.")
        return Checkpoint(
            config=TrpoConfig.from_dict(json.loads(str(stored["config"]))),
            theta=stored["theta"], value_weights=stored["value_weights"],
            value_shift=float(stored["value_shift"]), value_scale=float(stored["value_scale"]),
            moments=RunningMoments(int(stored["count"]), stored["mean"], stored["squares"]),
            iteration=int(stored["iteration"]), env_steps=int(stored["env_steps"]))
    except KeyError as error:
        raise ck.FormatError(f"{path}: the array {error} is missing.") from None
    except (ck.ProblemError, TypeError, ValueError) as error:
        raise ck.FormatError(f"{path}: {error}") from None
