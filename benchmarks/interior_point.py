"""The interior-point solver against its peers, family by family.

    python benchmarks/interior_point.py [--quick] [--family dense portfolio ...] --out out/

Writes `interior_point.csv` and `interior_point.png`. Every method gets the same arrays, the same tolerance of 1e-8 and
one BLAS thread (all, where the row says so), and its time runs from the arrays to the point: Cholesky factors for
cones, stacking for callbacks and convexkit's own checks of its input included. The answer of a first run is judged on
the data as given, and a method is timed only if no row is violated by more than 1e-6 of its terms and the value is
within 1e-6 of the best answer's; for convexkit all KKT residuals must be within 1e-6 as well. Methods take turns, so
that a busy moment falls on all of them, each in a process of its own that is ended at the limit of time. Solvers that
are not installed are left out and named.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg.lapack import dpotrf

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).absolute().parents[1]))
from benchmarks.families import FAMILIES, Instance, Size, make
from benchmarks.measuring import (
    Judgement,
    Row,
    Run,
    Worker,
    data_bytes,
    judge,
    kkt,
    limited_threads,
    read_csv,
    surroundings,
    write_csv,
)
from benchmarks.peers import METHODS, Answer, DenseStack, Options, claim
from convexkit.errors import MissingDependencyError
from convexkit.interior_point import compile_kernel

COLUMNS = ["family", "size", "problems", "method", "status", "solver_status", "iterations", "violation",
           "value_error", "kkt", "median_s", "quartile1_s", "quartile3_s", "cpu_s", "runs", "to_convexkit", "yardstick",
           "to_yardstick", "peak_over_data", "threads", "tol", "seed", "version", "convexkit", "numpy", "scipy",
           "python", "machine"]
NUMBERS = ["violation", "value_error", "kkt", "median_s", "quartile1_s", "quartile3_s", "cpu_s", "to_convexkit",
           "to_yardstick", "peak_over_data", "tol"]
INTEGERS = ["problems", "iterations", "runs", "seed"]

TOLERANCE = 1e-8
WORST = 1e-6  # what an answer must reach for its time to count
TIME_LIMIT = 30.0
ENOUGH = 30.0  # seconds of timed runs after which a method gets no more turns
LARGE = 10_000_000  # bytes of data from which peak memory is measured


def best_value(judgements: Iterable[Judgement]) -> float:
    """The lowest value among the points that meet the rows to the tolerance asked, or else to WORST."""
    found = list(judgements)
    for violation in (TOLERANCE, WORST):
        values = [j.value for j in found if j.violation <= violation]
        if values:
            return min(values)
    return float("nan")


def verdict(instance: Instance, answers: dict[str, list[Answer]]) -> dict[str, Row]:
    """Violation, difference in value from the best answer, KKT residual (ours), and whether the time may count."""
    judged = {name: [judge(p, a.x) for p, a in zip(instance.problems, found, strict=True)]
              for name, found in answers.items()}
    best = [best_value(each) for each in zip(*judged.values(), strict=True)] if judged else []
    rows: dict[str, Row] = {}
    for name, judgements in judged.items():
        violation = max(j.violation for j in judgements)
        errors = [abs(j.value - value) / (max(j.scale, abs(value)) or 1.0)
                  for j, value in zip(judgements, best, strict=True)]
        error = float("inf") if np.isnan(errors).any() else max(errors)
        solutions = [a.solution for a in answers[name]]
        residual = max((kkt(p, s) if np.isfinite(s.x).all() else np.inf
                        for p, s in zip(instance.problems, solutions, strict=True) if s is not None),
                       default=float("nan"))
        good = violation <= WORST and error <= WORST and not residual > WORST
        rows[name] = {"status": "solved" if good else "inaccurate", "violation": violation, "value_error": error,
                      "kkt": residual, "iterations": sum(a.iterations for a in answers[name]),
                      "solver_status": ", ".join(dict.fromkeys(a.status for a in answers[name]))}
    return rows


def yardstick(instance: Instance) -> tuple[str, Callable[[], Any]] | None:
    """The least that an iteration (or, for one ellipsoid, the answer) costs in LAPACK; None for other families."""
    problem = instance.problems[0]
    if instance.family == "one ellipsoid":
        P = problem.inequalities[0].P
        return "one Cholesky", lambda: dpotrf(np.array(P, order="F"), lower=1, clean=0, overwrite_a=1)
    if instance.family != "dense":
        return None
    stack = DenseStack((problem.objective, *problem.inequalities))
    weights = np.ones(len(stack.P))
    return "iterations × (Cholesky + weighted sum)", lambda: dpotrf(stack.hessian(weights).T, lower=1, clean=0,
                                                                    overwrite_a=1)


def measure(instance: Instance, names: Sequence[str], repeats: int, threads: int = 1, isolate: bool = True,
            time_limit: float = TIME_LIMIT) -> list[Row]:
    """One row for each method. Whoever passes the first run takes part in the turns."""
    options = Options(TOLERANCE, time_limit, threads)

    def caller(name: str) -> Callable[[], list[Answer]]:
        return lambda: METHODS[name].run(instance.problems, options)

    workers = {name: Worker(caller(name), threads, isolate) for name in names}
    unit = yardstick(instance)
    ruler = Worker(unit[1], threads, isolate) if unit else None
    try:
        first = {name: worker.run(1, 1.5 * time_limit + 5.0) for name, worker in workers.items()}
        rows: dict[str, Row] = {name: {"status": "failed", "solver_status": run.error} for name, run in first.items()
                                if run.error}
        rows |= verdict(instance, {name: run.returned for name, run in first.items() if not run.error})
        times = turns({name: worker for name, worker in workers.items() if rows[name]["status"] == "solved"},
                      first, ruler, repeats, time_limit)
        if "convexkit" in times and isolate and (size := data_bytes(instance.problems)) >= LARGE:
            peak = workers["convexkit"].peak_memory(10 * time_limit)
            rows["convexkit"]["peak_over_data"] = np.nan if peak is None else peak / size
    finally:
        for worker in [*workers.values(), *([ruler] if ruler else [])]:
            worker.close()
    unit_column = cost_column(threads)
    ours = np.median(times["convexkit"][:, unit_column]) if "convexkit" in times else np.nan
    for name, row in rows.items():
        if name not in times:
            if row["status"] == "solved":
                row.update(status="failed", solver_status=workers[name].dead or "failed when it was run again")
            continue
        quartile1, median, quartile3 = np.quantile(times[name][:, 0], [0.25, 0.5, 0.75])
        cost = np.median(times[name][:, unit_column])
        row.update(quartile1_s=quartile1, median_s=median, quartile3_s=quartile3, runs=len(times[name]),
                   cpu_s=np.median(times[name][:, 1]), to_convexkit=cost / ours)
        if unit and "ruler" in times:
            count = row["iterations"] if unit[0].startswith("iterations") else 1
            length = np.median(times["ruler"][:, unit_column])
            row.update(yardstick=unit[0], to_yardstick=cost / (count * length) if count else np.nan)
    common = {"family": instance.family, "size": size_text(instance.size), "problems": len(instance.problems),
              "threads": threads, "tol": TOLERANCE, **surroundings()}
    return [{**common, "method": name, "version": METHODS[name].version(), **rows[name]} for name in names]


def turns(workers: dict[str, Worker], first: dict[str, Run], ruler: Worker | None, repeats: int,
          time_limit: float) -> dict[str, np.ndarray]:
    """(runs, 2) wall and processor times of the methods in turn, and of the yardstick as `ruler`.

    Short runs are repeated within a turn.
    """
    everyone = dict(workers)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}
    # The first run also paid for first touches; a short one is looked at again before it says how often to repeat.
    lengths = {name: first[name].seconds[0] for name in workers}
    lengths |= {name: (workers[name].run(1, time_limit).seconds or [length])[-1]
                for name, length in lengths.items() if length < 1.0}
    if ruler is not None and workers:
        everyone["ruler"], times["ruler"] = ruler, []
        lengths["ruler"] = sum(ruler.run(2, time_limit).seconds[1:])
    for _ in range(repeats):
        for name, worker in everyone.items():
            if sum(wall for wall, _ in times[name]) > ENOUGH:
                continue
            if lengths[name] > ENOUGH / 2:
                # Long enough for imports and first touches not to matter.
                times[name] = [(first[name].seconds[0], first[name].cpu[0])]
                continue
            number = int(np.clip(0.03 / max(lengths[name], 1e-9), 1, 20))
            found = worker.run(number, number * (1.5 * time_limit + 5.0))
            times[name] += zip(found.seconds, found.cpu, strict=True)
    return {name: np.array(pairs) for name, pairs in times.items() if pairs}


def cost_column(threads: int) -> int:
    """Which of (wall, processor) time two methods are compared by.

    With one thread the processor's time: the same as the wall's on a quiet machine, and steadier on a shared one. A
    solver that takes a second thread unasked is charged for both.
    """
    return 1 if threads == 1 else 0


def size_text(size: Size) -> str:
    return "x".join(map(str, size))


def run(families: Sequence[str], *, quick: bool = False, sizes: Sequence[str] | None = None,
        methods: Sequence[str] | None = None, repeats: int = 5, seed: int = 0, time_limit: float = TIME_LIMIT,
        progress: Callable[[str], Any] = lambda text: None) -> list[Row]:
    """All measurements, as rows of the CSV."""
    rows: list[Row] = []
    wanted = [name for name in METHODS if methods is None or name in methods]
    missing = [name for name in wanted if not METHODS[name].available()]
    if missing:
        progress(f"not there, so left out: {', '.join(missing)}.")
    with limited_threads(1) as arranged:
        if arranged != 1:
            progress("threadpoolctl is not installed: the number of BLAS threads is whatever the environment says.")
        for name in wanted:
            if name not in missing:
                importlib.import_module(METHODS[name].package)
        for family in families:
            of_family = FAMILIES[family]
            for size in of_family.quick if quick else of_family.sizes:
                if sizes is not None and size_text(size) not in sizes:
                    continue
                names = [name for name in of_family.entrants(size) if name in wanted and name not in missing]
                if not names:
                    continue
                threads = (os.cpu_count() or 1) if size == of_family.all_threads else 1
                instance = make(family, size, seed)
                found = measure(instance, names, repeats, threads, isolate=not quick, time_limit=time_limit)
                rows += [{**row, "seed": seed, **({} if arranged == 1 else {"threads": arranged})} for row in found]
                progress(table(found))
    return rows


def table(rows: Sequence[Row]) -> str:
    """The rows in words, by family and size."""
    lines: list[str] = []
    for family, size in dict.fromkeys((row["family"], row["size"]) for row in rows):
        group = [row for row in rows if (row["family"], row["size"]) == (family, size)]
        words = FAMILIES[family].words.format(*size.split("x")) if family in FAMILIES else size
        threads = "" if str(group[0]["threads"]) == "1" else f", threads: {group[0]['threads']}"
        lines += [f"\n{family}: {words}{threads}",
                  f"  {'method':<15} {'median ms':>10} {'quartiles ms':>22} {'cpu ms':>10} {'to ours':>8} {'iter':>6} "
                  f"{'violation':>9} {'value':>8}"]
        for row in group:
            if not row.get("median_s", np.nan) > 0:
                reason = row["solver_status"] if row["status"] == "failed" else (
                    f"{row['status']}: violation {row['violation']:.1e}, value off by {row['value_error']:.1e}, "
                    f"{'' if np.isnan(row['kkt']) else 'KKT residual {:.1e}, '.format(row['kkt'])}"
                    f"{row['solver_status'][:60]}")
                lines.append(f"  {row['method']:<15} {reason}")
                continue
            spread = f"{1e3 * row['quartile1_s']:.2f} to {1e3 * row['quartile3_s']:.2f}"
            extra = ""
            if row.get("to_yardstick", np.nan) > 0 and row["method"] in ("convexkit", "closed form"):
                extra += f"  {row['to_yardstick']:.2f} × {row['yardstick']}"
            if row.get("peak_over_data", np.nan) > 0:
                extra += f"  peak memory {row['peak_over_data']:.2f} × data"
            ratio = f"{row['to_convexkit']:.2f}" if row["to_convexkit"] > 0 else ""
            if claim(row["solver_status"]) == "almost":
                extra += f"  ({row['solver_status']})"
            lines.append(f"  {row['method']:<15} {1e3 * row['median_s']:>10.2f} {spread:>22} "
                         f"{1e3 * row['cpu_s']:>10.2f} {ratio:>8} {row['iterations'] or '':>6} "
                         f"{row['violation']:>9.1e} {row['value_error']:>8.1e}{extra}")
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """The table of docs/benchmarks.md: for each instance our time, and those of peers that solved it, fastest first.

    A star marks a right answer of which the solver itself claims less.
    """
    def cost(row: Row) -> float:
        return row["cpu_s"] if str(row["threads"]) == "1" else row["median_s"]

    def figures(seconds: float) -> str:
        scaled, unit = (seconds, "s") if seconds >= 1 else (1e3 * seconds, "ms")
        return f"{scaled:.2g} {unit}" if scaled < 9.5 else f"{scaled:.0f} {unit}"

    def doubt(row: Row) -> str:
        return "*" if claim(row["solver_status"]) == "almost" else ""

    solved = [row for row in rows if row.get("median_s", np.nan) > 0]
    ours = [name for name in ("convexkit", "convexkit warm") if any(row["method"] == name for row in solved)]
    lines = [f"| problem | {''.join(f'{name} | ' for name in ours)}peers |", f"|---|{'---|' * len(ours)}---|"]
    for family, size in dict.fromkeys((row["family"], row["size"]) for row in rows):
        group = sorted((row for row in solved if (row["family"], row["size"]) == (family, size)), key=cost)
        own = [next((figures(cost(row)) for row in group if row["method"] == name), "") for name in ours]
        peers = ", ".join(f"{row['method']} {figures(cost(row))}{doubt(row)}" for row in group
                          if row["method"] not in ours)
        threads = {str(row["threads"]) for row in group} - {"1", "unknown"}
        words = f"{family}: {FAMILIES[family].words.format(*size.split('x'))}{' (all threads)' if threads else ''}"
        lines.append(f"| {words} | {''.join(f'{cell} | ' for cell in own)}{peers} |")
    return "\n".join(lines)


def plot(csv_path: Path, png_path: Path) -> None:
    """One line for each instance, one mark for each method that solved it, at its median time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [row for row in read_csv(csv_path, NUMBERS, INTEGERS) if row["median_s"] > 0]
    instances = list(dict.fromkeys((row["family"], row["size"]) for row in rows))
    methods = sorted({row["method"] for row in rows}, key=list(METHODS).index)
    figure, axis = plt.subplots(figsize=(9.5, 1.6 + 0.36 * len(instances)), layout="constrained")
    colours = plt.get_cmap("tab20")(np.arange(len(methods)) % 20)
    heights = np.linspace(0.3, -0.3, len(methods))  # methods beside each other, not upon each other
    for method, colour, marker, height in zip(methods, colours, "Do^vs<>pPX*hdH8" * 2, heights, strict=False):
        own = [row for row in rows if row["method"] == method]
        ours = method.startswith("convexkit")
        axis.scatter([row["median_s"] for row in own],
                     [height - instances.index((row["family"], row["size"])) for row in own],
                     color="black" if ours else [colour], marker=marker, s=70 if ours else 38, label=method,
                     facecolors="none" if method == "convexkit warm" else None, zorder=3 if ours else 2)
    labels = [f"{family}: {FAMILIES[family].words.format(*size.split('x'))}" for family, size in instances]
    axis.set_yticks([-i for i in range(len(instances))], labels)
    axis.set(xscale="log", xlabel="seconds from arrays to a checked answer (median)")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(png_path, dpi=130)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="interior_point", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, a few seconds, in one process")
    parser.add_argument("--out", type=Path, required=True, help="folder for interior_point.csv and interior_point.png")
    parser.add_argument("--family", nargs="+", metavar="NAME", help=f"one or more of: {', '.join(FAMILIES)}")
    parser.add_argument("--size", nargs="+", metavar="NxM", help="only these sizes of the families, such as 500x10")
    parser.add_argument("--method", nargs="+", metavar="NAME", help=f"one or more of: {', '.join(METHODS)}")
    parser.add_argument("--repeats", type=int, help="turns of each method (default 5; 2 with --quick)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time-limit", type=float, default=TIME_LIMIT, help="seconds a run may take (default 30)")
    parser.add_argument("--markdown", action="store_true", help="print the table as in docs/benchmarks.md")
    parser.add_argument("--keep", action="store_true", help="keep the rows of other instances in an existing table")
    args = parser.parse_args(argv)
    for option, given, known in (("family", args.family, FAMILIES), ("method", args.method, METHODS)):
        for name in given or []:
            if name not in known:
                return _refuse(f"--{option} {name} is not known; choose from {', '.join(known)}.")
    sizes = known_sizes(args.family or list(FAMILIES), args.quick)
    for size in args.size or []:
        if size not in sizes:
            return _refuse(f"--size {size} is no size of the families chosen; choose from {', '.join(sizes)}.")
    repeats = (2 if args.quick else 5) if args.repeats is None else args.repeats
    for name, value, low in (("repeats", repeats, 1), ("seed", args.seed, 0), ("time-limit", args.time_limit, 0.1)):
        if not value >= low:
            return _refuse(f"--{name} must be at least {low:g}.")
    csv_path, png_path = args.out / "interior_point.csv", args.out / "interior_point.png"
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        kept = read_csv(csv_path, NUMBERS, INTEGERS) if args.keep and csv_path.exists() else []
        open(csv_path, "a").close()
    except OSError as error:
        return _refuse(f"cannot write to {args.out}: {error.strerror}.")
    print(prepare_kernel(), file=sys.stderr, flush=True)
    rows = run(args.family or list(FAMILIES), quick=args.quick, sizes=args.size, methods=args.method, repeats=repeats,
               seed=args.seed, time_limit=args.time_limit,
               progress=lambda text: print(text, file=sys.stderr, flush=True))
    measured = {(row["family"], row["size"], row["method"]) for row in rows}
    rows = [row for row in kept if (row["family"], row["size"], row["method"]) not in measured] + rows
    order = [(name, size_text(size)) for name, family in FAMILIES.items() for size in family.quick + family.sizes]
    rows.sort(key=lambda row: order.index((row["family"], row["size"])))
    write_csv(csv_path, COLUMNS, rows)
    written = read_csv(csv_path, NUMBERS, INTEGERS)
    print(f"{markdown(written) if args.markdown else table(written)}\n\nTable: {csv_path}")
    try:
        plot(csv_path, png_path)
        print(f"Picture: {png_path}")
    except ImportError:
        print("No picture: matplotlib is not installed (pip install 'convexkit[plot]').")
    return 0


def prepare_kernel() -> str:
    """Compile the kernel where numba is installed, so that no timed run does; what will be measured, in words."""
    try:
        compile_kernel()
    except MissingDependencyError:
        return "convexkit without the compiled kernel: numba is not installed"
    return "convexkit with the compiled kernel"


def known_sizes(families: Sequence[str], quick: bool) -> list[str]:
    """The sizes that the families have, as `--size` spells them."""
    return list(dict.fromkeys(size_text(size) for name in families
                              for size in (FAMILIES[name].quick if quick else FAMILIES[name].sizes)))


def _refuse(message: str) -> int:
    print(f"interior_point: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
