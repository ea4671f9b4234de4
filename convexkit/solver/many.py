"""Many problems: those of one shape side by side, the rest one by one, spread over workers if there are any."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, as_completed
from typing import Any

from ..duality import KKTResiduals, within_reach
from ..errors import ProblemError
from ..interior_point import Outcome, Settings, limited_threads, run_batch, shape_key
from ..problem import QCQP
from ..solution import Solution, Status
from .one import routed, settings_of
from .units import is_sharp
from .verdict import in_figures

# A batch of fewer problems gains nothing; a larger one than BATCH no longer does, and takes memory.
SMALLEST_BATCH, BATCH = 3, 1000
# Pieces into which an executor's work on problems of one shape is cut: enough to keep a machine's cores evenly busy.
PIECES = 64


def solve_many(problems: Sequence[QCQP], *, tol: float = 1e-8, maxiter: int = 100, time_limit: float | None = None,
               executor: Executor | None = None, callback: Callable[[int, int], Any] | None = None) -> list[Solution]:
    """Solve many problems; small dense ones of one shape are iterated side by side.

    Parameters
    ----------
    problems : sequence of QCQP, of any shapes
    tol, maxiter, time_limit : as for `solve`; the time limit holds for each batch, and for each problem alone
    executor : concurrent.futures.Executor, optional
        Spreads batches and single problems over its workers: a process pool, or the executor of dask, ray or mpi4py.
    callback : callable(int, int), optional
        For a progress bar: called with the number of problems done, and of all, after each batch or single problem.

    Returns
    -------
    list of Solution, in the order of the problems
        As from `solve`. A member of a batch that is not plainly solved is solved again alone, so verdicts and
        certificates are the same. `seconds` of a member is its share of the batch.

    Raises
    ------
    NotConvexError, ProblemError
        As `solve`; the message starts with the index of the problem.

    Notes
    -----
    Batches need at least three dense problems with the same sizes and the same finite bounds, of up to 64 variables;
    up to 12 where the compiled kernel is in use, which solves larger ones faster one by one. One thousand problems
    with n = 8, m = 3 take about a sixtieth of the time of a loop over `solve` without the kernel.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> disc = ck.Quadratic(2 * np.eye(2), np.zeros(2), -1.0)
    >>> problems = [ck.QCQP(ck.Quadratic(None, [np.cos(t), np.sin(t)]), [disc]) for t in (0.0, 1.0, 2.0, 3.0)]
    >>> [round(solution.value, 6) for solution in ck.solve_many(problems)]
    [-1.0, -1.0, -1.0, -1.0]
    """
    if isinstance(problems, QCQP):
        raise ProblemError("problems must be a sequence of QCQP; use solve for one.")
    if executor is not None and not hasattr(executor, "submit"):
        raise ProblemError(f"executor must have a submit method, as concurrent.futures.Executor; got "
                           f"{type(executor).__name__}.")
    if callback is not None and not callable(callback):
        raise ProblemError(f"callback must be callable; got {type(callback).__name__}.")
    problems = list(problems)
    for i, problem in enumerate(problems):
        if not isinstance(problem, QCQP):
            raise ProblemError(f"problems[{i}] must be a QCQP; got {type(problem).__name__}.")
    settings = settings_of(tol, maxiter, time_limit)
    groups: dict[Any, list[int]] = {}
    for i, problem in enumerate(problems):
        groups.setdefault(shape_key(problem), []).append(i)
    pieces: list[tuple[bool, list[int]]] = []
    for key, members in groups.items():
        together = key is not None and len(members) >= SMALLEST_BATCH
        if executor is None:
            size = BATCH if together else 1
        else:
            size = max(SMALLEST_BATCH, -(-len(members) // PIECES))
        pieces += [(together, members[k:k + size]) for k in range(0, len(members), size)]
    work = [(together, [problems[i] for i in members], settings) for together, members in pieces]
    done = 0

    def tell(piece: int) -> None:
        nonlocal done
        done += len(pieces[piece][1])
        if callback is not None:
            callback(done, len(problems))

    answers: list[list[Solution | ProblemError]] = []
    if executor is None:
        for k, arguments in enumerate(work):
            answers.append(_piece(*arguments))
            tell(k)
    else:
        futures = [executor.submit(_piece, *arguments) for arguments in work]
        if callback is not None:
            places = {future: k for k, future in enumerate(futures)}
            for future in as_completed(futures):
                tell(places[future])
        answers = [future.result() for future in futures]
    solutions: dict[int, Solution] = {}
    for (_, members), answer in zip(pieces, answers, strict=True):
        for i, solution in zip(members, answer, strict=True):
            if isinstance(solution, ProblemError):
                raise type(solution)(f"problems[{i}]: {solution}")
            solutions[i] = solution
    return [solutions[i] for i in range(len(problems))]


def _piece(together: bool, problems: list[QCQP], settings: Settings) -> list[Solution | ProblemError]:
    """Solutions of a part of `solve_many`'s problems: as one batch, or one by one. Runs in a worker."""
    start = time.perf_counter()
    batch: list[tuple[Outcome | None, KKTResiduals | None]] = [(None, None)] * len(problems)
    if together:
        with limited_threads():
            batch = list(run_batch(problems, settings))
    share = (time.perf_counter() - start) / max(len(problems), 1)
    answers: list[Solution | ProblemError] = []
    for problem, (outcome, residuals) in zip(problems, batch, strict=True):
        if outcome is not None and residuals is not None and within_reach(problem, outcome.point.x):
            point = outcome.point
            answer = Solution(Status.OPTIMAL, f"solved: {in_figures(residuals, outcome)}.", point.x, point.lam,
                              point.nu, point.lam_lb, point.lam_ub, residuals.value, residuals.dual_value,
                              residuals, None, outcome.nit, share)
            if is_sharp(problem, answer, settings.tol):
                answers.append(answer)
                continue
        try:
            solution = routed(problem, settings, None, time.perf_counter())
        except ProblemError as error:
            answers.append(error)
            continue
        if solution.status is Status.INTERRUPTED:
            raise KeyboardInterrupt  # one answer cannot stand for the rest
        answers.append(solution)
    return answers
