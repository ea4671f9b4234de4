"""Public problem sets: which of their problems are solved, how exactly, and how fast.

    python benchmarks/problem_sets.py DIR [--solver convexkit clarabel ...] [--only NAMES] [--out out/]

DIR is the folder of a set, or a folder of such folders. Read are Maros-Meszaros QPs and Netlib LPs (.mat), and whatever
`ck.read_problem` reads (.npz, .cbf.gz, .qplib, .mps, …). A table `optimal_values.csv` beside the files gives the
optimal values; a `list.csv` whose problems are marked infeasible makes the right answer `infeasible` with a certificate
that verifies; and in a folder named `nonconvex` the right answer is to refuse with `NotConvexError`.

A problem counts as solved if the solver claims it at the tolerance of 1e-8 and the point, judged on the data as given,
violates no row by more than 1e-6 of its terms and has the known value to 1e-6, relatively (1e-5 where the table itself
gives fewer digits). Each run has a process of its own, which is ended soon after the limit of time.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.sparse as sp

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).absolute().parents[1]))
import convexkit as ck
from benchmarks.measuring import (
    Row,
    Worker,
    judge,
    kkt,
    limited_threads,
    performance_profile,
    shifted_geometric_mean,
    surroundings,
    write_csv,
)
from benchmarks.peers import METHODS, Answer, CannotState, Method, Options, Rows, claim

COLUMNS = ["set", "problem", "solver", "outcome", "status", "n", "m", "iterations", "seconds", "cpu_s", "value",
           "reference", "relative_error", "violation", "kkt", "message", "time_limit", "tol", "version", "convexkit",
           "numpy", "scipy", "python", "machine"]
TOLERANCE = 1e-8
WORST = 1e-6
SUFFIXES = (".mat", ".npz", ".cbf", ".cbf.gz", ".qplib", ".qplib.gz", ".mps", ".mps.gz", ".qps", ".qps.gz")
# Columns of `optimal_values.csv`, the most exact first, each with the column that says how good it is.
REFERENCES = [("obj_ours", "status_ours"), ("obj_highs", "status"), ("obj_clarabel", "status"),
              ("opt_published_BPMPD", ""), ("opt_published_netlib", ""), ("best_known_objective", "")]
INFINITE = 9e19
QUICK = 3  # problems of each folder with --quick
# `almost`: right, but the solver itself claims less. `inexact`: claimed, but not reached. `WRONG`: far off, or a false
# verdict. `outside`: the reader or the solver has no form for it.
SOLVED, ALMOST, INEXACT, WRONG, FAILED, OUTSIDE = "solved", "almost", "inexact", "WRONG", "failed", "outside"
GROSS = 1e-3  # an error from which a claimed optimum is wrong and not just inexact


@dataclass(frozen=True)
class Case:
    """A file, and what the right answer is: `optimal` (with a value, if one is known), `infeasible` or `nonconvex`."""

    folder: str
    name: str
    path: Path
    expected: str = "optimal"
    reference: float = float("nan")
    exact: float = WORST  # relative error that is allowed



def find(folder: Path) -> Iterator[Case]:
    """All problems in a folder, and below it in folders with a table or named `nonconvex` or `relaxed`."""
    tables = {path.parent for name in ("optimal_values.csv", "list.csv") for path in folder.rglob(name)}
    tables |= {path for name in ("nonconvex", "relaxed") for path in folder.rglob(name) if path.is_dir()}
    for place in sorted(tables | {folder}):
        known: dict[str, dict[str, str]] = {}
        for name in ("optimal_values.csv", "list.csv"):
            if (place / name).exists():
                with open(place / name, newline="", encoding="utf-8") as file:
                    known |= {row["name"]: row for row in csv.DictReader(file)}
        label = f"{place.parent.name}/{place.name}" if place.name in ("nonconvex", "relaxed") else place.name
        for path in sorted(place.iterdir()):
            suffix = next((s for s in sorted(SUFFIXES, key=len, reverse=True) if path.name.endswith(s)), None)
            if suffix is not None:
                name = path.name[:-len(suffix)]
                yield _case(label, name, path, known.get(name, {}), place.name == "nonconvex")


def _case(folder: str, name: str, path: Path, row: dict[str, str], nonconvex: bool) -> Case:
    if nonconvex or "not convex" in row.get("note", ""):
        return Case(folder, name, path, "nonconvex")
    if row.get("status_highs") == "Infeasible":
        return Case(folder, name, path, "infeasible")
    for column, status in REFERENCES:
        if row.get(column):
            good = row.get(status, "").split(" ")[-1].lower() in ("solved", "optimal")
            return Case(folder, name, path, "optimal", float(row[column]), WORST if good else 10 * WORST)
    return Case(folder, name, path)


def read(path: Path) -> tuple[ck.QCQP, Rows | None]:
    """The problem in a file, and its linear rows with both sides where the file has them so.

    Raises ck.ConvexkitError for what cannot be read or stated.
    """
    if path.suffix != ".mat":
        return ck.read_problem(path), None
    try:
        data = scipy.io.loadmat(path, squeeze_me=False)
    except Exception as error:  # a damaged file meets several parsers there
        raise ck.FormatError(f"{path}: not a readable .mat file ({' '.join(str(error).split())}).") from None
    if "P" in data:
        return from_two_sided(data)
    fields = data
    if "Problem" in data:
        record = data["Problem"][0, 0]
        fields = {name: record[name] for name in record.dtype.names}
        if "aux" in fields:
            extra = fields["aux"][0, 0]
            fields |= {name: extra[name] for name in extra.dtype.names}
    missing = [name for name in ("A", "b", "c", "lo", "hi") if name not in fields]
    if missing:
        raise ck.FormatError(f"{path}: holds neither P (a QP) nor {', '.join(missing)} (an LP).")
    A = sp.csr_matrix(fields["A"], dtype=np.float64)
    lower, upper = _limits(fields["lo"]), _limits(fields["hi"])
    constant = float(_vector(fields["z0"])[0]) if np.size(fields.get("z0", ())) else 0.0
    objective = ck.Quadratic(None, _vector(fields["c"]), constant)
    return ck.QCQP(objective, A=A, b=_vector(fields["b"]), lb=lower, ub=upper), None


def from_two_sided(data: dict[str, Any]) -> tuple[ck.QCQP, Rows]:
    """½xᵀPx + qᵀx + r over l ≤ Ax ≤ u: equalities to A, each finite side of another row to G."""
    P, A = sp.csr_matrix(data["P"], dtype=np.float64), sp.csr_matrix(data["A"], dtype=np.float64)
    if P.nnz and not sp.tril(P, -1).nnz and sp.triu(P, 1).nnz:
        P = (P + sp.triu(P, 1).T).tocsr()  # only the upper triangle is stored
    lower, upper = _limits(data["l"]), _limits(data["u"])
    equal = lower == upper
    above, below = np.isfinite(upper) & ~equal, np.isfinite(lower) & ~equal
    G = sp.vstack([A[above], -A[below]], format="csr")
    problem = ck.QCQP(ck.Quadratic(P if P.nnz else None, _vector(data["q"]), float(_vector(data["r"])[0])),
                      G=G, h=np.concatenate((upper[above], -lower[below])), A=A[equal], b=upper[equal])
    used = equal | above | below
    return problem, Rows(A[used], lower[used], upper[used])


def _vector(values: Any) -> np.ndarray:
    return np.asarray(values.todense() if sp.issparse(values) else values, dtype=np.float64).ravel()


def _limits(values: Any) -> np.ndarray:
    """Limits, with what these sets write for none (1e20, 1e30) as infinite."""
    limits = _vector(values)
    return np.where(np.abs(limits) >= INFINITE, np.copysign(np.inf, limits), limits)



def attempt(case: Case, method: Method, options: Options, isolate: bool = True) -> Row:
    """Read, solve and judge one problem with one solver."""
    row: Row = {"set": case.folder, "problem": case.name, "solver": method.name, "reference": case.reference,
                "time_limit": options.time_limit, "tol": options.tol, "version": method.version(), **surroundings()}
    ours = method.package == "convexkit"
    try:
        problem, rows = read(case.path)
    except ck.NotConvexError as error:
        right = case.expected == "nonconvex"
        return row | {"outcome": SOLVED if right else WRONG, "status": "refused", "message": str(error)}
    except ck.ConvexkitError as error:
        message = str(error).replace(f"{case.path}", case.path.name)  # the table is for others' machines too
        return row | {"outcome": OUTSIDE, "status": "not stated", "message": message}
    row |= {"n": problem.n, "m": problem.m + problem.p + len(getattr(problem, "cones", ()))}

    def call() -> Answer | ck.NotConvexError | CannotState:
        try:
            if method.two_sided:
                return method.solve(problem, options, rows=rows)
            return method.solve(problem, options)
        except (ck.NotConvexError, CannotState) as error:
            return error

    worker = Worker(call, options.threads, isolate)
    try:
        run = worker.run(1, 1.2 * options.time_limit + 10.0)
        if not run.error and sum(run.seconds) < 0.5:
            run = worker.run(2, options.time_limit)  # the first one paid for first touches
    finally:
        worker.close()
    if run.error:
        return row | {"outcome": FAILED, "status": "error", "message": run.error}
    if isinstance(run.returned, CannotState):
        return row | {"outcome": OUTSIDE, "status": "not stated", "message": str(run.returned)}
    row |= {"seconds": float(np.median(run.seconds)), "cpu_s": float(np.median(run.cpu))}
    if isinstance(run.returned, ck.NotConvexError):
        right = case.expected == "nonconvex"
        return row | {"outcome": SOLVED if right else WRONG, "status": "refused", "message": str(run.returned)}
    return row | verdict(case, problem, run.returned, ours)


def verdict(case: Case, problem: ck.QCQP, answer: Answer, ours: bool) -> Row:
    """Whether an answer is right, from the data as given and the known value."""
    claimed = claim(answer.status)
    solution = answer.solution if ours else None
    row: Row = {"status": answer.status, "iterations": answer.iterations,
                "message": solution.message if solution is not None else ""}
    if case.expected == "nonconvex":
        return row | {"outcome": WRONG if claimed == "solved" else FAILED,
                      "message": row["message"] or "not convex, and not refused."}
    if case.expected == "infeasible" or claimed == "infeasible":
        if claimed != "infeasible":
            return row | {"outcome": WRONG if claimed == "solved" else FAILED}
        if case.expected != "infeasible":
            return row | {"outcome": WRONG}
        if solution is not None and not solution.certificate.verify(problem):
            return row | {"outcome": WRONG, "message": "the certificate does not verify."}
        return row | {"outcome": SOLVED}
    judged = judge(problem, answer.x)
    error = abs(judged.value - case.reference) / max(1.0, abs(case.reference))
    residual = kkt(problem, solution) if solution is not None and np.isfinite(solution.x).all() else float("nan")
    good = judged.violation <= WORST and not error > case.exact and not residual > WORST
    gross = judged.violation > GROSS or error > GROSS
    if claimed == "nothing" or (claimed == "almost" and not good):
        outcome = FAILED
    elif good:
        outcome = SOLVED if claimed == "solved" else ALMOST
    else:
        outcome = WRONG if gross else INEXACT
    return row | {"outcome": outcome, "value": judged.value, "relative_error": error,
                  "violation": judged.violation, "kkt": residual}



def line(row: Row) -> str:
    """One problem in one line; the solver's message where the outcome is not right."""
    def shown(name: str, form: str) -> str:
        value = row.get(name, np.nan)
        return format(value, form) if value is not None and np.isfinite(value) else "-"

    text = (f"{row['set']:<22} {row['problem']:<20} {row['solver']:<10} {row['outcome']:<8} {row['status']:<18} "
            f"n={row.get('n', '-'):<6} m={row.get('m', '-'):<6} nit={row.get('iterations', '-'):<4} "
            f"{shown('seconds', '8.3f')} s  error {shown('relative_error', '.0e')}  "
            f"violation {shown('violation', '.0e')}  kkt {shown('kkt', '.0e')}")
    if row["outcome"] != SOLVED and row.get("message"):
        text += f"\n    {row['message']}"
    return text


def summary(rows: Sequence[Row], time_limit: float) -> str:
    """For each set and solver: how many are solved, and the shifted geometric mean of the times (shift 1 s)."""
    kinds = [ALMOST, INEXACT, WRONG, FAILED, OUTSIDE]
    lines = [f"{'set':<22} {'solver':<12} {'solved':>10} {' '.join(f'{kind:>8}' for kind in kinds)} {'mean time':>10}"]
    sets = list(dict.fromkeys(row["set"] for row in rows))
    for folder in [*sets, *(["all"] if len(sets) > 1 else [])]:
        for solver in dict.fromkeys(row["solver"] for row in rows):
            own = [row for row in rows if row["solver"] == solver and folder in (row["set"], "all")]
            inside = [row for row in own if row["outcome"] != OUTSIDE]
            if not own:
                continue
            count = {kind: sum(row["outcome"] == kind for row in own) for kind in [SOLVED, *kinds]}
            # Whatever is not solved counts as having taken the whole limit.
            times = [row.get("seconds", 0.0) if row["outcome"] == SOLVED else time_limit for row in inside]
            lines.append(f"{folder:<22} {solver:<12} {count[SOLVED]:>4} of {len(inside):<3} "
                         f"{' '.join(f'{count[kind]:>8}' for kind in kinds)} {shifted_geometric_mean(times):>8.3f} s")
    lines.append(f"Mean time: shifted geometric mean, shift 1 s; a problem that is not solved counts {time_limit:g} s.")
    return "\n".join(lines)


def plot(rows: Sequence[Row], png: Path) -> None:
    """Performance profile over the problems whose right answer is an optimum."""
    problems = list(dict.fromkeys((row["set"], row["problem"]) for row in rows
                                  if row["outcome"] != OUTSIDE and row["status"] != "refused"))
    times = {solver: np.full(len(problems), np.inf) for solver in dict.fromkeys(row["solver"] for row in rows)}
    for row in rows:
        key = row["set"], row["problem"]
        if key in problems and row["outcome"] == SOLVED:
            times[row["solver"]][problems.index(key)] = max(row.get("seconds", 0.0), 1e-6)
    sets = list(dict.fromkeys(p[0] for p in problems))
    whose = f": {', '.join(sets)}" if len(sets) <= 3 else f" of {len(sets)} sets"
    performance_profile(times, png, f"{len(problems)} problems{whose}")


def run(cases: Sequence[Case], solvers: Sequence[str], time_limit: float, isolate: bool = True,
        say: Callable[[str], Any] = lambda text: None) -> list[Row]:
    """All attempts, as rows of the CSV; `say` hears one line for each."""
    rows = []
    options = Options(TOLERANCE, time_limit, 1)
    with limited_threads(1):
        for solver in solvers:
            importlib.import_module(METHODS[solver].package)
        for case in cases:
            for solver in solvers:
                if case.expected == "nonconvex" and METHODS[solver].package != "convexkit":
                    continue  # nobody else offers to refuse
                rows.append(attempt(case, METHODS[solver], options, isolate))
                say(line(rows[-1]))
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="problem_sets", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("dir", type=Path, help="folder of a set, or of several")
    parser.add_argument("--solver", nargs="+", default=["convexkit"], metavar="NAME",
                        help=f"one or more of: {', '.join(METHODS)} (default convexkit)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these problems")
    parser.add_argument("--skip", nargs="+", default=[], metavar="NAME", help="not these problems")
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds for each problem (default 60)")
    parser.add_argument("--quick", action="store_true",
                        help=f"the {QUICK} smallest files of each folder, in one process")
    parser.add_argument("--out", type=Path, help="folder for problem_sets.csv and problem_sets.png")
    args = parser.parse_args(argv)
    unknown = [name for name in args.solver if name not in METHODS]
    if unknown:
        return _refuse(f"--solver {unknown[0]} is not known; choose from {', '.join(METHODS)}.")
    if not args.time_limit > 0:
        return _refuse("--time-limit must be positive.")
    if not args.dir.is_dir():
        return _refuse(f"{args.dir} is not a folder.")
    cases = list(find(args.dir))
    for option, names in (("only", args.only), ("skip", args.skip)):
        for name in names:
            if all(case.name != name for case in cases):
                return _refuse(f"--{option} {name}: there is no such problem in {args.dir}.")
    cases = [case for case in cases if (not args.only or case.name in args.only) and case.name not in args.skip]
    if args.quick:
        by_size = sorted(cases, key=lambda case: (case.folder, case.path.stat().st_size))
        cases = [case for i, case in enumerate(by_size) if [c.folder for c in by_size[:i]].count(case.folder) < QUICK]
    if not cases:
        return _refuse(f"no problem was found in {args.dir}; files end in {', '.join(SUFFIXES)}.")
    if args.out is not None:
        try:
            args.out.mkdir(parents=True, exist_ok=True)
            open(args.out / "problem_sets.csv", "a").close()
        except OSError as error:
            return _refuse(f"cannot write to {args.out}: {error.strerror}.")
    missing = [name for name in args.solver if not METHODS[name].available()]
    if missing:
        print(f"not there, so left out: {', '.join(missing)}.", file=sys.stderr)
    rows = run(cases, [name for name in args.solver if name not in missing], args.time_limit, isolate=not args.quick,
               say=lambda text: print(text, flush=True))
    print(f"\n{summary(rows, args.time_limit)}")
    if args.out is not None:
        write_csv(args.out / "problem_sets.csv", COLUMNS, rows)
        print(f"\nTable: {args.out / 'problem_sets.csv'}")
        try:
            plot(rows, args.out / "problem_sets.png")
            print(f"Picture: {args.out / 'problem_sets.png'}")
        except ImportError:
            print("No picture: matplotlib is not installed (pip install 'convexkit[plot]').")
    return 0


def _refuse(message: str) -> int:
    print(f"problem_sets: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
