"""Several seeds of one configuration, one after the other or spread over an executor."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from .config import TrpoConfig
from .training import resume, train


def train_seeds(config: TrpoConfig, seeds: Iterable[int], out: str | Path, *, executor: Executor | None = None
                ) -> list[Path]:
    """Train each seed into its own folder under `out`; the runs are the same wherever they are made.

    Parameters
    ----------
    config : TrpoConfig; its own seed is not used
    seeds : integers
    out : folder; the run of seed 3 is `out/seed_3`. A run that is there already is resumed
    executor : any `concurrent.futures.Executor`, optional: processes, or those of dask, Ray or mpi4py, if the workers
        see the same disk

    Returns
    -------
    list of Path
        The run folders, for `plot` and `compare`.

    Raises
    ------
    ProblemError, FormatError
        As `train` and `resume` do; the first failure is raised after all seeds have ended.
    """
    jobs = [(replace(config, seed=seed), Path(out) / f"seed_{seed}") for seed in seeds]
    if executor is None:
        for job in jobs:
            _run(*job)
    else:
        futures = [executor.submit(_run, *job) for job in jobs]
        failures = [failure for failure in (future.exception() for future in futures) if failure is not None]
        if failures:
            raise failures[0]
    return [folder for _, folder in jobs]


def _run(config: TrpoConfig, folder: Path) -> None:
    if folder.exists():
        resume(folder, steps=config.steps)
    else:
        train(config, folder)
