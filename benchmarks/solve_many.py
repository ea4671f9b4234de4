"""Many small dense QCQPs: one batch against a loop, and against conic solvers in a loop.

    python benchmarks/solve_many.py [--quick] [--repeats 5]

The problems are  min ½xᵀP₀x + q₀ᵀx  s.t.  ½xᵀPᵢx + qᵢᵀx + rᵢ ≤ 0,  P = MᵀM/n and q standard normal, r uniform in
[-5, -1]. A time counts everything from the QCQP objects to points and multipliers, conversion to cones included.
The batch's answers must have KKT residuals of at most 1e-8 on the data as given, which makes their values known; any
method is timed only if its worst answer is feasible and has that value to 1e-6, relatively, and the table shows it.
(Multipliers that come back from cones carry the square root of the tolerance, so they are not held against anyone.)
Methods take turns, so that a busy moment falls on all of them. The solvers ecos and clarabel take part where they are
installed.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

import convexkit as ck
from convexkit.interior_point import Settings
from convexkit.interior_point.batch import run_batch

FULL = [(1000, 8, 3), (1000, 2, 1), (1000, 20, 5), (100, 50, 5)]
QUICK = [(20, 8, 3), (10, 20, 5)]
TOLERANCE = 1e-8
WORST = 1e-6  # what any method's answers must reach for its time to count

Answer = tuple[np.ndarray, np.ndarray | None]
Method = Callable[[Sequence[ck.QCQP]], list[Answer]]


def make_problem(n: int, m: int, rng: np.random.Generator) -> ck.QCQP:
    """A random problem that is strictly feasible at 0."""
    def quadratic(r: float) -> ck.Quadratic:
        M = rng.standard_normal((n, n))
        return ck.Quadratic(M.T @ M / n, rng.standard_normal(n), r)

    return ck.QCQP(quadratic(0.0), [quadratic(-rng.uniform(1.0, 5.0)) for _ in range(m)])


def batch(problems: Sequence[ck.QCQP]) -> list[Answer]:
    """All problems at once; what the batch leaves unfinished, alone."""
    answers: list[Answer] = []
    for problem, (outcome, _) in zip(problems, run_batch(problems, Settings(tol=TOLERANCE)), strict=True):
        point: Any = outcome.point if outcome.kind == "converged" else ck.solve(problem, tol=TOLERANCE)
        answers.append((point.x, point.lam))
    return answers


def loop(problems: Sequence[ck.QCQP]) -> list[Answer]:
    """One after the other."""
    return [(solution.x, solution.lam) for solution in (ck.solve(problem, tol=TOLERANCE) for problem in problems)]


def cone_rows(f: ck.Quadratic, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (M, c) with c - Mz in the second-order cone where ½xᵀPx + qᵀz + r ≤ 0, z being x and perhaps more.

    With P = FᵀF and t = -qᵀz - r:  ½‖Fx‖² ≤ t  is  ‖(√2·Fx, t - 1)‖ ≤ t + 1.
    """
    F = np.linalg.cholesky(f.P).T
    M = np.zeros((f.n + 2, q.size))
    M[:2] = q
    M[2:, :f.n] = -np.sqrt(2.0) * F
    c = np.zeros(f.n + 2)
    c[:2] = 1.0 - f.r, -1.0 - f.r
    return M, c


def with_clarabel(problems: Sequence[ck.QCQP]) -> list[Answer]:
    """The quadratic objective as it is, each constraint a cone."""
    clarabel = importlib.import_module("clarabel")
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = TOLERANCE
    answers: list[Answer] = []
    for problem in problems:
        blocks = [cone_rows(f, f.q) for f in problem.inequalities]
        solution = clarabel.DefaultSolver(
            sp.csc_matrix(np.triu(problem.objective.P)), problem.objective.q,
            sp.csc_matrix(np.concatenate([M for M, _ in blocks])), np.concatenate([c for _, c in blocks]),
            [clarabel.SecondOrderConeT(problem.n + 2)] * len(blocks), settings).solve()
        answers.append((np.array(solution.x), None))
    return answers


def with_ecos(problems: Sequence[ck.QCQP]) -> list[Answer]:
    """The objective too becomes a cone, below a new variable."""
    ecos = importlib.import_module("ecos")
    answers: list[Answer] = []
    for problem in problems:
        n = problem.n
        blocks = [cone_rows(problem.objective, np.append(problem.objective.q, -1.0))]
        blocks += [cone_rows(f, np.append(f.q, 0.0)) for f in problem.inequalities]
        solution = ecos.solve(
            np.append(np.zeros(n), 1.0), sp.csc_matrix(np.concatenate([M for M, _ in blocks])),
            np.concatenate([c for _, c in blocks]), {"l": 0, "q": [n + 2] * len(blocks)}, verbose=False,
            feastol=TOLERANCE, abstol=TOLERANCE, reltol=TOLERANCE)
        answers.append((solution["x"][:n], None))
    return answers


def methods() -> dict[str, Method]:
    """Our two, and the peers that are installed; says which are not."""
    found: dict[str, Method] = {"batch": batch, "loop of solve": loop}
    for name, method in (("clarabel", with_clarabel), ("ecos", with_ecos)):
        try:
            importlib.import_module(name)
            found[name] = method
        except ImportError:
            print(f"{name} is not installed: left out.")
    return found


def worst_error(problems: Sequence[ck.QCQP], answers: Sequence[Answer], values: Sequence[float]) -> float:
    """The largest primal residual, or distance from the optimal value relative to it (or to 1), of any answer."""
    worst = 0.0
    for problem, (x, lam), value in zip(problems, answers, values, strict=True):
        residuals = ck.kkt_residuals(problem, x, lam)
        worst = max(worst, residuals.primal, abs(residuals.value - value) / max(1.0, abs(value)),
                    0.0 if lam is None else residuals.max())
    return worst


def optimal_values(problems: Sequence[ck.QCQP], answers: Sequence[Answer]) -> list[float]:
    """The values of answers that their multipliers prove optimal; RuntimeError if they do not."""
    values = []
    for problem, (x, lam) in zip(problems, answers, strict=True):
        residuals = ck.kkt_residuals(problem, x, lam)
        if not residuals.max() <= TOLERANCE * (1 + 1e-6):
            raise RuntimeError(f"an answer of the batch has a KKT residual of {residuals.max():.1e}.")
        values.append(residuals.value)
    return values


def run(sizes: Sequence[tuple[int, int, int]], repeats: int, seed: int = 0) -> list[dict[str, Any]]:
    """One row for each size and method, with the median time and quartiles of the repeats in seconds."""
    rows = []
    chosen = methods()
    for count, n, m in sizes:
        rng = np.random.default_rng(seed)
        problems = [make_problem(n, m, rng) for _ in range(count)]
        # The first run warms up and is judged; only who passes is timed.
        values = optimal_values(problems, batch(problems))
        errors = {name: worst_error(problems, method(problems), values) for name, method in chosen.items()}
        times: dict[str, list[float]] = {name: [] for name in chosen if errors[name] <= WORST}
        for _ in range(repeats):
            for name in times:
                start = time.perf_counter()
                chosen[name](problems)
                times[name].append(time.perf_counter() - start)
        for name in chosen:
            quartiles = np.quantile(times[name], [0.25, 0.5, 0.75]) if name in times else np.full(3, np.nan)
            rows.append({"problems": count, "n": n, "m": m, "method": name, "error": errors[name],
                         "quartile1_s": quartiles[0], "median_s": quartiles[1], "quartile3_s": quartiles[2]})
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows in words, each beside the batch."""
    lines = [f"{'problems':>8} {'n':>3} {'m':>3}  {'method':<14} {'median ms':>10} {'quartiles ms':>20} "
             f"{'to batch':>8}  worst error"]
    own = {(row["problems"], row["n"], row["m"]): row["median_s"] for row in rows if row["method"] == "batch"}
    for row in rows:
        size = row["problems"], row["n"], row["m"]
        if np.isnan(row["median_s"]):
            timing = f"{'not timed':>10} {'':>20} {'':>8}"
        else:
            spread = f"{1e3 * row['quartile1_s']:.1f} to {1e3 * row['quartile3_s']:.1f}"
            timing = f"{1e3 * row['median_s']:>10.1f} {spread:>20} {row['median_s'] / own[size]:>8.1f}"
        lines.append(f"{size[0]:>8} {size[1]:>3} {size[2]:>3}  {row['method']:<14} {timing}  {row['error']:.1e}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few problems, in seconds")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each method (default 5)")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    print(table(run(QUICK if options.quick else FULL, options.repeats)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
