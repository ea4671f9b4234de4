"""The folder of a run: config.json, progress.csv and checkpoint.npz, and how to read the first two."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

import convexkit as ck

from .checkpoint import write_atomically
from .config import TrpoConfig

CONFIG, PROGRESS, CHECKPOINT = "config.json", "progress.csv", "checkpoint.npz"


@dataclass(frozen=True)
class IterationRecord:
    """One row of progress.csv, and what a callback sees.

    `episodes` counts from the start of the run; `mean_return_100` is the mean of the last 100 episodes (of
    all, while there are fewer; nan before the first). `explained_variance` is the baseline's, before it is
    fitted to the batch. `entropy` is that of the policy that collected the batch. For the others see
    `UpdateResult`.
    """

    iteration: int
    env_steps: int
    wall_seconds: float
    episodes: int
    mean_return_100: float
    kl: float
    predicted_gain: float
    surrogate_gain: float
    multiplier: float
    cg_status: str
    cg_iterations: int
    cg_residual: float
    line_search_trials: int
    explained_variance: float
    entropy: float


COLUMNS = tuple(column.name for column in fields(IterationRecord))


def create(out: Path, config: TrpoConfig) -> Path:
    """Create the folder of a run, with its config.json.

    Raises
    ------
    ProblemError
        If it exists and is not empty, or cannot be written; nothing is left behind, and nothing deleted.
    """
    text = json.dumps(config.to_dict(), indent=2) + "\n"
    try:
        if out.is_dir():
            if any(out.iterdir()):
                raise ck.ProblemError(f"out = {str(out)!r} exists and is not empty; choose another folder.")
            write_atomically(out / CONFIG, lambda file: file.write(text.encode()))
        else:
            out.mkdir(parents=True)
            try:
                write_atomically(out / CONFIG, lambda file: file.write(text.encode()))
            except BaseException:
                out.rmdir()
                raise
    except OSError as error:
        raise ck.ProblemError(f"out = {str(out)!r} cannot be written: {error.strerror or error}.") from None
    return out


def csv_row(values: Iterable[Any]) -> bytes:
    """One line of a csv file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


def read_config(run: Path) -> TrpoConfig:
    """The settings of a run folder.

    Raises
    ------
    FormatError
        If config.json is missing or not a configuration.
    """
    path = run / CONFIG
    try:
        settings = json.loads(path.read_text())
        if not isinstance(settings, dict):
            raise ck.ProblemError(f"holds a {type(settings).__name__}, not the settings of a run.")
        return TrpoConfig.from_dict(settings)
    except OSError:
        raise ck.FormatError(f"{run}: not a run folder; it has no readable {CONFIG}.") from None
    except (ValueError, TypeError) as error:  # json's own error and ProblemError are ValueErrors
        raise ck.FormatError(f"{path}: {error}") from None


def read_progress(run: Path) -> dict[str, np.ndarray]:
    """The columns of progress.csv by name: numbers as arrays, words as arrays of strings.

    Raises
    ------
    FormatError
        If the file is missing, its columns are not those of `IterationRecord`, or an entry is no number.
    """
    path = run / PROGRESS
    try:
        with open(path, newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error):
        raise ck.FormatError(f"{run}: not a run folder; it has no readable {PROGRESS}.") from None
    if tuple(header) != COLUMNS:
        raise ck.FormatError(f"{path}: its columns are not those of a TRPO run.")
    words = {column.name for column in fields(IterationRecord) if column.type == "str"}
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ck.FormatError(f"{path}: line {number} has {len(row)} entries; expected {len(header)}.")
    try:
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(header)
        return {name: np.array(column, dtype=str if name in words else float)
                for name, column in zip(header, columns, strict=True)}
    except ValueError as error:
        raise ck.FormatError(f"{path}: {error}") from None
