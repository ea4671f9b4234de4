"""Conjugate gradient against direct solves: where is the crossover?

    python benchmarks/cg_vs_dense.py [--quick | --reference] [--resume] --out out/

Times LAPACK's Cholesky (dense) and SuperLU (sparse), factorization and solve, against conjugate gradient with and
without Jacobi's preconditioner, and scipy's `cg` and `minres`, over sizes, spectra, condition numbers and accuracies;
prints tables and the crossovers, and writes `cg_vs_dense.csv`, `cg_vs_dense.png` (time against n) and
`cg_crossover.png` (time over time, over n and condition). Every run's answer is checked, and one that misses the asked
relative residual has a status and no time. Methods take turns (A B A B), so a busy moment falls on all of them; with
one BLAS thread times are the processor's.

Problems: cg_problems.py. Timing: cg_measure.py. Tables and pictures: cg_report.py.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import scipy

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).absolute().parents[1]))
import convexkit as ck
from benchmarks.cg_measure import ITERATIVE, PATIENCE_RATIO, Row, measure
from benchmarks.cg_problems import DENSE, make_problem
from benchmarks.cg_report import answer, plot, plot_surfaces, read_csv, report, write_csv

GRID: dict[str, list[Any]] = {"sizes": [125, 250, 500, 1000, 2000], "conditions": [1e1, 1e3, 1e5],
                              "accuracies": [1e-2, 1e-6, 1e-10], "large": [1000, 10_000, 100_000]}
QUICK: dict[str, list[Any]] = {"sizes": [50, 100, 200], "conditions": [1e1, 1e3], "accuracies": [1e-2, 1e-8],
                               "large": [400, 2500]}
REFERENCE: dict[str, list[Any]] = {"sizes": [100, 250, 500, 1000, 2000, 4000, 8000, 20_000],
                                   "conditions": [1e1, 1e2, 1e4, 1e6, 1e8],
                                   "accuracies": [1e-2, 1e-4, 1e-6, 1e-8, 1e-10],
                                   "large": [1000, 10_000, 100_000, 1_000_000]}
SPARSE = ("grid", "diagonal plus low rank")
PROBLEMS = (*DENSE, *SPARSE)
# A dense problem holds A, a copy that Cholesky overwrites, and what makes A.
COPIES = 4


def plan(conditions: list[float], every: bool = False) -> list[tuple[str, float]]:
    """The log-uniform spectrum at every condition number, the others at one, or at every one too."""
    middle = conditions[len(conditions) // 2]
    if every:
        return [(problem, kappa) for problem in DENSE for kappa in conditions]
    return ([("log-uniform", kappa) for kappa in conditions]
            + [("uniform", middle), ("clustered", conditions[-1]), ("scaled", middle), ("fisher", middle)])


def plan_large(conditions: list[float], every: bool = False) -> list[tuple[str, float]]:
    """The sparse grid and the operator: at one condition number, or at every one."""
    chosen = conditions if every else [conditions[len(conditions) // 2]]
    return [(problem, kappa) for problem in SPARSE for kappa in chosen]


def run(sizes: list[int], conditions: list[float], accuracies: list[float], repeats: int, seed: int, threads: int,
        progress: Callable[[str], Any] = lambda text: None, *, large: Sequence[int] = (), every: bool = False,
        problems: Sequence[str] = PROBLEMS, methods: tuple[str, ...] = ITERATIVE, patience: float = PATIENCE_RATIO,
        known: Sequence[Row] = (), done: Callable[[list[Row]], Any] = lambda rows: None) -> list[Row]:
    """All measurements, as rows of the CSV; `large` are the sizes of the sparse and operator problems.

    `known` rows of earlier runs come first, and what they hold (problem, size, condition) is not measured again.
    """
    try:
        from threadpoolctl import threadpool_limits

        limited: Any = threadpool_limits(limits=threads)
        used: int | str = threads
        # With one thread the processor's time is the wall's without what others take of it.
        clock = time.process_time if threads == 1 else time.perf_counter
    except ImportError:
        limited, used, clock = nullcontext(), "unknown", time.perf_counter
        progress("threadpoolctl is not installed: the number of BLAS threads is whatever the environment says.")
    common = {"threads": used, "seed": seed, "convexkit": ck.__version__, "numpy": np.__version__,
              "scipy": scipy.__version__, "python": platform.python_version(),
              "machine": f"{platform.machine()} {os.cpu_count()} cores"}
    rows = list(known)
    held = {(row["problem"], row["n"], row["condition"]) for row in known}
    planned = [(*pair, sizes) for pair in plan(conditions, every)] \
        + [(*pair, large) for pair in plan_large(conditions, every)]
    with limited:
        for problem, condition, ns in planned:
            if problem not in problems:
                continue
            for n in ns:
                if (problem, n if problem != "grid" else round(n**0.5) ** 2, condition) in held:
                    continue
                try:
                    A, b = make_problem(problem, n, condition, np.random.default_rng([seed, n]))
                except ImportError as error:  # the Fisher matrix needs gymnasium
                    progress(f"skipped {problem}: {error}")
                    break
                rows += [{"problem": problem, "n": b.size, "condition": condition, **common, **row}
                         for row in measure(A, b, accuracies, repeats, clock, methods, patience)]
                done(rows)
            else:
                progress(f"measured {problem}, condition {condition:g}")
    return rows


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="cg_vs_dense", description="Conjugate gradient against direct solves.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes, a few seconds")
    size.add_argument("--reference", action="store_true",
                      help="every spectrum at every condition number: a quarter of an hour, with --max-n 20000 hours")
    parser.add_argument("--out", type=Path, required=True, help="folder for cg_vs_dense.csv and the pictures")
    for name, kind, text in [("sizes", int, "numbers of unknowns of the dense problems"),
                             ("conditions", float, "condition numbers"),
                             ("accuracies", float, "relative residuals to reach"),
                             ("large", int, "numbers of unknowns of the sparse and operator problems")]:
        parser.add_argument(f"--{name}", type=kind, nargs="+", help=text)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=PROBLEMS, metavar="NAME",
                        help=f"only these, of {', '.join(PROBLEMS)}")
    parser.add_argument("--peers", nargs="*", choices=ITERATIVE[1:], default=ITERATIVE[1:], metavar="NAME",
                        help=f"besides cg and the direct solver only these, of {', '.join(ITERATIVE[1:])}")
    parser.add_argument("--patience", type=float, default=PATIENCE_RATIO,
                        help="give an iterative run up after so many times the direct solver's time (default 6)")
    parser.add_argument("--markdown", action="store_true", help="print the answer in one table as Markdown, too")
    parser.add_argument("--resume", action="store_true", help="keep what the table in --out holds, and add to it")
    parser.add_argument("--max-n", type=int, default=4000,
                        help="leave out larger dense problems (20000 takes 13 GB; default 4000)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each method; three times as many if short")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads, for all methods (default 1)")
    args = parser.parse_args(argv)
    sizes_given = args.sizes is not None
    for name, value in (QUICK if args.quick else REFERENCE if args.reference else GRID).items():
        # Whoever names the dense sizes has named the benchmark's sizes.
        default = [] if name == "large" and sizes_given else value
        setattr(args, name, sorted(set(default if getattr(args, name) is None else getattr(args, name))))
    for name, low, high in [("sizes", 2, 20000), ("conditions", 1, 1e12), ("accuracies", 1e-14, 0.5),
                            ("large", 4, 1e7), ("max_n", 2, 20000), ("repeats", 1, 1000), ("seed", 0, 2**32),
                            ("threads", 1, 1024), ("patience", 0.1, 1e6)]:
        if not all(low <= value <= high for value in np.atleast_1d(getattr(args, name))):
            print(f"cg_vs_dense: --{name.replace('_', '-')} must lie between {low:g} and {high:g}.", file=sys.stderr)
            return 2
    csv_path = args.out / "cg_vs_dense.csv"
    known: list[Row] = []
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        open(csv_path, "a").close()
        if args.resume:
            known = read_csv(csv_path)
    except (ValueError, KeyError) as error:
        print(f"cg_vs_dense: cannot add to {csv_path}: it is not a table of this benchmark ({error}).",
              file=sys.stderr)
        return 2
    except OSError as error:
        print(f"cg_vs_dense: cannot write to {args.out}: {error.strerror}.", file=sys.stderr)
        return 2

    def progress(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    left_out = [n for n in args.sizes if n > args.max_n]
    if left_out:
        progress(f"left out n = {', '.join(map(str, left_out))}: beyond --max-n {args.max_n}; the largest would take "
                 f"{COPIES * 8 * left_out[-1] ** 2 / 1e9:.1f} GB.")
    run([n for n in args.sizes if n <= args.max_n], args.conditions, args.accuracies, args.repeats, args.seed,
        args.threads, progress, large=args.large, every=args.reference, problems=args.problems,
        methods=("cg", *args.peers), patience=args.patience, known=known, done=lambda rows: write_csv(csv_path, rows))
    rows = read_csv(csv_path)
    print(f"{report(rows)}\n\nTable: {csv_path}")
    if args.markdown:
        print(f"\n{answer(rows)}")
    try:
        plot(rows, args.out / "cg_vs_dense.png")
        drawn = plot_surfaces(rows, args.out / "cg_crossover.png")
        print(f"Pictures: {args.out / 'cg_vs_dense.png'}" + (f", {args.out / 'cg_crossover.png'}" if drawn else ""))
    except ImportError:
        print("No picture: matplotlib is not installed (pip install 'convexkit[plot]').")
    return 0


if __name__ == "__main__":
    sys.exit(main())
