"""What the races share: judging a point by the user's data, a process that can be stopped, tables and profiles."""

from __future__ import annotations

import csv
import multiprocessing
import os
import platform
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import scipy.sparse as sp

import convexkit as ck

Row = dict[str, Any]


@dataclass(frozen=True)
class Judgement:
    """How a point does on the data as given, computed without the help of any solver.

    Attributes
    ----------
    violation : largest violation of a row or bound, over the size of the row's terms at x; a row without a constant
        term, which has no size of its own near x = 0, is measured against at least min(1, its largest coefficient)
    value : f₀(x)
    scale : the size of the objective's terms at x, |½xᵀPx| + |qᵀx|: what a difference in value is relative to
    """

    violation: float
    value: float
    scale: float


def judge(problem: ck.QCQP, x: Any) -> Judgement:
    """Violation and value of a point; infinite where the point is not finite."""
    if x is None or x.shape != (problem.n,) or not np.isfinite(x).all():
        return Judgement(np.inf, np.nan, np.nan)

    def terms(f: ck.Quadratic) -> tuple[float, float]:
        return 0.5 * float(x @ f.hessp(x)), float(f.q @ x)

    ax, worst = np.abs(x), 0.0
    for f in problem.inequalities:
        half, linear = terms(f)
        size = abs(half) + float(np.abs(f.q) @ ax) + abs(f.r)
        worst = max(worst, _share(half + linear + f.r, size, f.r, np.abs(f.q).max()))
    for matrix, right, equal in ((problem.G, problem.h, False), (problem.A, problem.b, True)):
        rows = np.isfinite(right)
        if rows.any():
            excess, absolute = (matrix @ x - right)[rows], abs(matrix)
            size = (absolute @ ax + np.abs(right))[rows]
            largest = absolute.max(axis=1)
            largest = (largest.toarray().ravel() if sp.issparse(largest) else largest)[rows]
            worst = max(worst, _share(np.abs(excess) if equal else excess, size, right[rows], largest))
    for sign, limit in ((1.0, problem.ub), (-1.0, problem.lb)):
        rows = np.isfinite(limit)
        worst = max(worst, _share(sign * (x - limit)[rows], ax[rows] + np.abs(limit[rows]), limit[rows], 1.0))
    for cone in getattr(problem, "cones", ()):
        side, length = float(cone.c @ x) + cone.d, float(np.linalg.norm(cone.A @ x + cone.b))
        constant = max(abs(cone.d), float(np.abs(cone.b).max()))
        size = float(np.abs(cone.c) @ ax) + abs(cone.d) + float(np.linalg.norm(abs(cone.A) @ ax + np.abs(cone.b)))
        worst = max(worst, _share(length - side, size, constant, max(abs(cone.A).max(), np.abs(cone.c).max())))
    half, linear = terms(problem.objective)
    return Judgement(worst, half + linear + problem.objective.r, abs(half) + abs(linear))


def _share(excess: Any, size: Any, constant: Any, coefficient: Any) -> float:
    """The largest excess of some rows over their sizes. A constant of rounding size is none."""
    coefficient = np.asarray(coefficient)
    floor = np.where(np.abs(constant) <= 1e-14 * coefficient, np.minimum(1.0, coefficient), 0.0)
    size = np.maximum(size, floor)
    return float(np.max(np.maximum(excess, 0.0) / np.where(size > 0, size, 1.0), initial=0.0))


def kkt(problem: ck.QCQP, solution: Any) -> float:
    """The largest KKT residual of one of our solutions, on the data as given."""
    cones = {"lam_cones": solution.lam_cones} if getattr(problem, "cones", ()) else {}
    return ck.kkt_residuals(problem, solution.x, solution.lam, solution.nu, solution.lam_lb, solution.lam_ub,
                            **cones).max()


def data_bytes(problems: Sequence[ck.QCQP]) -> int:
    """Bytes of the matrices that state some problems; what they share is counted once."""
    arrays: dict[int, Any] = {}
    for problem in problems:
        for M in (*(f.P for f in (problem.objective, *problem.inequalities)), problem.G, problem.A):
            factored = hasattr(M, "factor")
            parts = (M.data, M.indices, M.indptr) if sp.issparse(M) else (M.factor, M.diag) if factored else (M,)
            arrays |= {id(part): part for part in parts if isinstance(part, np.ndarray)}
    return sum(array.nbytes for array in arrays.values())


@contextmanager
def limited_threads(threads: int) -> Iterator[int | str]:
    """BLAS and other pools on so many threads; yields what could be arranged."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(threads)))  # read by libraries that are loaded from now on
    try:
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:
            yield "unknown"
            return
        with threadpool_limits(limits=threads):
            yield threads
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass(frozen=True)
class Run:
    """Wall and processor times of some calls in seconds, what the last one returned, or why there is none."""

    seconds: list[float]
    cpu: list[float]
    returned: Any = None
    error: str = ""


def timed(call: Callable[[], Any], number: int = 1) -> Run:
    """`number` calls, each timed. An exception becomes the error."""
    seconds, cpu, returned = [], [], None
    try:
        for _ in range(number):
            start, cpu_start = time.perf_counter(), time.process_time()
            returned = call()
            seconds.append(time.perf_counter() - start)
            cpu.append(time.process_time() - cpu_start)
    except Exception as error:
        return Run([], [], None, f"{type(error).__name__}: {' '.join(str(error).split())}"[:200])
    return Run(seconds, cpu, returned)


def peak_memory(call: Callable[[], Any]) -> int:
    """Most bytes that Python and numpy held at once during a call, beyond what they held before it."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Worker:
    """One callable in a process of its own, so that it can be called again and again, and stopped.

    The process is a fork, which inherits the problem's data; `limit` is in seconds for each request. Where there is
    no fork, calls are made here and cannot be stopped.
    """

    def __init__(self, call: Callable[[], Any], threads: int, isolate: bool = True):
        self.call, self.threads = call, threads
        self.process: Any = None
        self.dead = ""
        if isolate and "fork" in multiprocessing.get_all_start_methods():
            context = multiprocessing.get_context("fork")
            self.pipe, theirs = context.Pipe()
            self.process = context.Process(target=self._serve, args=(theirs,), daemon=True)
            with warnings.catch_warnings():
                # From Python 3.12 on a fork warns where threads exist; those of BLAS survive one.
                warnings.simplefilter("ignore", DeprecationWarning)
                self.process.start()
            theirs.close()

    def _serve(self, pipe: Any) -> None:
        with limited_threads(self.threads):
            while (request := pipe.recv()) is not None:
                pipe.send(peak_memory(self.call) if request == "memory" else timed(self.call, request))

    def _ask(self, request: Any, limit: float) -> Any:
        """The answer, or None if it did not come in time; the process is then ended."""
        self.pipe.send(request)
        try:
            if self.pipe.poll(limit):
                return self.pipe.recv()
            self.dead = f"stopped after {limit:.0f} s"
        except EOFError:
            self.process.join()
            self.dead = f"its process ended with exit code {self.process.exitcode}"
        self.process.kill()
        self.process.join()
        return None

    def run(self, number: int = 1, limit: float = 60.0) -> Run:
        """`number` timed calls within `limit` seconds."""
        if self.dead:
            return Run([], [], None, self.dead)
        if self.process is None:
            with limited_threads(self.threads):
                return timed(self.call, number)
        answer = self._ask(number, limit)
        return Run([], [], None, self.dead) if answer is None else answer

    def peak_memory(self, limit: float = 60.0) -> int | None:
        if self.process is None:
            return peak_memory(self.call)
        return None if self.dead else self._ask("memory", limit)

    def close(self) -> None:
        if self.process is not None and not self.dead:
            self.pipe.send(None)
            self.process.join(5.0)
            if self.process.is_alive():
                self.process.kill()
                self.process.join()


def surroundings() -> Row:
    """The columns that say where a row was measured."""
    return {"convexkit": ck.__version__, "numpy": np.__version__, "scipy": scipy.__version__,
            "python": platform.python_version(), "machine": f"{platform.machine()} {os.cpu_count()} cores"}


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """A table; NaN and None become empty cells."""
    def cell(value: Any) -> Any:
        if value is None or (isinstance(value, float) and np.isnan(value)):
            return ""
        return f"{value:.6g}" if isinstance(value, float) else value

    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({name: cell(row.get(name)) for name in columns} for row in rows)


def read_csv(path: Path, numbers: Sequence[str], integers: Sequence[str] = ()) -> list[Row]:
    """The rows, with numbers as numbers; an empty cell is NaN, or 0 for an integer."""
    rows: list[Row] = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    for row in rows:
        row.update({name: float(row[name] or "nan") for name in numbers})
        row.update({name: int(row[name] or 0) for name in integers})
    return rows


def shifted_geometric_mean(times: Sequence[float], shift: float = 1.0) -> float:
    """exp(mean(log(tᵢ + shift))) - shift: small times count little, large ones do not rule. NaN for no times."""
    values = np.asarray(times, dtype=np.float64)
    return float(np.exp(np.log(values + shift).mean()) - shift) if values.size else float("nan")


def performance_profile(times: dict[str, np.ndarray], png: Path, title: str) -> None:
    """The share of problems that each solver solved within a factor of the fastest solver's time on that problem.

    `times` holds one array for each solver, in one order of problems, inf where a problem was not solved. Dolan and
    Moré 2002.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    best = np.min(list(times.values()), axis=0)
    solvable = np.isfinite(best)
    figure, axis = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
    ratios = {name: values[solvable] / best[solvable] for name, values in times.items()}
    finite = np.concatenate([r[np.isfinite(r)] for r in ratios.values()]) if solvable.any() else np.ones(1)
    end = max(10.0, 1.5 * finite.max(initial=1.0))
    for name, ratio in ratios.items():
        steps = np.sort(ratio[np.isfinite(ratio)])
        share = np.arange(1, steps.size + 1) / max(1, best.size)
        axis.step(np.concatenate(([1.0], steps, [end])), np.concatenate(([0.0], share, share[-1:] if steps.size else
                                                                         [0.0])),
                  where="post", label=f"{name} ({steps.size} of {best.size})")
    axis.set(xscale="log", xlim=(1.0, end), ylim=(0.0, 1.02), xlabel="time over the fastest solver's time",
             ylabel="share of problems solved", title=title)
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right")
    figure.savefig(png, dpi=130)
    plt.close(figure)
