"""The folder of a run: config.json, progress.csv, timing.csv and checkpoint.npz, and how to read the first two.

progress.csv is a function of the settings alone; what depends on the machine and the day is in timing.csv.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

import convexkit as ck

from .checkpoint import write_atomically
from .config import TrpoConfig
from .constraint import ConstraintRecord

CONFIG, PROGRESS, TIMING, CHECKPOINT = "config.json", "progress.csv", "timing.csv", "checkpoint.npz"
CONSTRAINT = "constraint.csv"  # of runs with a limit only


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
    episodes: int
    mean_return_100: float
    kl: float
    predicted_kl: float
    predicted_gain: float
    surrogate_gain: float
    multiplier: float
    suboptimality: float
    cg_status: str
    cg_iterations: int
    cg_residual: float
    line_search_trials: int
    step: float
    damping: float
    explained_variance: float
    entropy: float


COLUMNS = tuple(column.name for column in fields(IterationRecord))


@dataclass(frozen=True)
class Timing:
    """One row of timing.csv: seconds of one iteration on the wall, and of the processor for each of its parts."""

    iteration: int
    wall: float
    rollout: float
    update: float
    value_fit: float
    rest: float


CONSTRAINT_COLUMNS = tuple(column.name for column in fields(ConstraintRecord))
TIMING_COLUMNS = tuple(column.name for column in fields(Timing))


def write_config(run: Path, config: TrpoConfig) -> None:
    """Write config.json, replacing it in one step."""
    text = json.dumps(config.to_dict(), indent=2) + "\n"
    write_atomically(run / CONFIG, lambda file: file.write(text.encode()))


def create(out: Path, config: TrpoConfig) -> Path:
    """Create the folder of a run, with its config.json.

    Raises
    ------
    ProblemError
        If it exists and is not empty, or cannot be written; nothing is left behind, and nothing deleted.
    """
    try:
        if out.is_dir():
            if any(out.iterdir()):
                raise ck.ProblemError(f"out = {str(out)!r} exists and is not empty; choose another folder.")
            write_config(out, config)
        else:
            out.mkdir(parents=True)
            try:
                write_config(out, config)
            except BaseException:
                out.rmdir()
                raise
    except OSError as error:
        raise ck.ProblemError(f"out = {str(out)!r} cannot be written: {error.strerror or error}.") from None
    return out


def rewind(run: Path, iteration: int) -> list[IterationRecord]:
    """Cut progress.csv and timing.csv back to what a checkpoint knows of, and return those records.

    A row is written before its checkpoint: a run that was killed between the two has one row too many.

    Raises
    ------
    FormatError
        If there are fewer rows than the checkpoint has iterations: the files are not of one run.
    """
    # Cut first: the row that was being written may be half a row.
    for name, header in ((PROGRESS, COLUMNS), (TIMING, TIMING_COLUMNS), (CONSTRAINT, CONSTRAINT_COLUMNS)):
        path = run / name
        if name == CONSTRAINT and not path.exists():
            continue
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else [csv_row(header)]
        write_atomically(path, partial(_write_lines, lines[:iteration + 1]))
    columns = read_progress(run)
    if columns["iteration"].tolist() != list(range(1, iteration + 1)):
        raise ck.FormatError(f"{run / PROGRESS}: its rows are not the {iteration} iterations of {CHECKPOINT}.")
    kinds = {"int": int, "float": float, "str": str}
    return [IterationRecord(**{column.name: kinds[str(column.type)](columns[column.name][i])
                               for column in fields(IterationRecord)}) for i in range(iteration)]


def _write_lines(lines: list[bytes], file: IO[bytes]) -> None:
    file.writelines(lines)


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
