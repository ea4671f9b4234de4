"""The figures of progress.csv for TensorBoard: an optional view, from which nothing is read back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import convexkit as ck

from .run_folder import IterationRecord

FOLDER = "tensorboard"


class Board:
    """A callback for `train` and `resume` that writes each row to RUN/tensorboard.

    Raises
    ------
    MissingDependencyError
        If tensorboardX is not installed; it is small, and needs neither torch nor tensorflow.
    """

    def __init__(self, run: str | Path):
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ck.MissingDependencyError(
                "tensorboard needs tensorboardX, which is missing: pip install 'convexkit[tensorboard]'.") from None
        self._open, self._run = SummaryWriter, Path(run)
        self._writer: Any = None

    def __call__(self, record: IterationRecord) -> None:
        """Write the numbers of a row, at its environment steps."""
        if self._writer is None:
            # Not before the first row: `train` wants a folder that is empty. What a killed run wrote beyond its last
            # checkpoint is made again, and purged here.
            # Files are named by the second in which they begin: two parts of a run may share it.
            self._writer = self._open(str(self._run / FOLDER), purge_step=record.env_steps,
                                      filename_suffix=f".{record.env_steps}")
        for name, value in asdict(record).items():
            if isinstance(value, (int, float)) and name != "env_steps":
                self._writer.add_scalar(name, value, record.env_steps)

    def __enter__(self) -> Board:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        if self._writer is not None:
            self._writer.close()
