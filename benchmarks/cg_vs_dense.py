"""Conjugate gradient against the dense solve: where is the crossover?

    python benchmarks/cg_vs_dense.py [--quick] --out out/

Times LAPACK's Cholesky (factorization and solve, n³/3 multiplications) against conjugate gradient (n² an
iteration) over sizes, condition numbers and accuracies; prints a table and the crossovers, and writes
`cg_vs_dense.csv` and `cg_vs_dense.png`. Every run's answer is checked, and one that misses the asked relative
residual has a status and no time. Methods take turns (A B A B), so a busy moment falls on all of them.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from scipy.fft import dct
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse.linalg import cg as scipy_cg

import convexkit as ck

COLUMNS = ["problem", "n", "condition", "accuracy", "method", "status", "median_s", "quartile1_s", "quartile3_s",
           "repeats", "iterations", "residual", "threads", "seed", "convexkit", "numpy", "scipy", "python", "machine"]
FULL: dict[str, list[Any]] = {"sizes": [125, 250, 500, 1000, 2000], "conditions": [1e1, 1e3, 1e5],
                              "accuracies": [1e-2, 1e-6, 1e-10]}
QUICK: dict[str, list[Any]] = {"sizes": [50, 100, 200], "conditions": [1e1, 1e3], "accuracies": [1e-2, 1e-8]}
# A run of CG is given up after this many seconds, or this many times Cholesky's own time if that is longer.
PATIENCE_SECONDS, PATIENCE_RATIO = 0.5, 6.0
PRODUCTS = 10  # bare products timed together, so that the clock resolves them

Row = dict[str, Any]


def make_problem(problem: str, n: int, condition: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A symmetric positive definite matrix with eigenvalues from 1 to `condition`, and a right-hand side.

    `log-uniform`: eigenvalues evenly spaced in the logarithm. `clustered`: five clusters, 1 % wide. `scaled`:
    DAD with A log-uniform and D diagonal from 0.1 to 10, which only a preconditioner can undo.
    """
    if problem == "clustered":
        eigenvalues = np.geomspace(1.0, condition, 5)[np.arange(n) % 5] * rng.uniform(0.99, 1.01, n)
    else:
        eigenvalues = np.geomspace(1.0, condition, n)
    signs = rng.choice([-1.0, 1.0], (2, n, 1))

    def rotate(X: np.ndarray) -> np.ndarray:
        # Two cosine transforms with random signs between them: orthogonal, dense, and O(n² log n).
        return signs[1] * dct(signs[0] * dct(X, norm="ortho", axis=0), norm="ortho", axis=0)

    A = rotate(rotate(np.diag(eigenvalues)).T)
    if problem == "scaled":
        d = rng.permutation(np.geomspace(0.1, 10.0, n))
        A *= d * d[:, None]
    return (A + A.T) / 2, rng.standard_normal(n)


def solve(A: np.ndarray, b: np.ndarray, method: str, accuracy: float, maxiter: int) -> tuple[np.ndarray, int, str]:
    """x, iterations and status of one method. `product` is no solve: it multiplies, for comparison."""
    if method == "product":
        for _ in range(PRODUCTS):
            A @ b
        return b, 1, "converged"
    if method == "cholesky":
        try:
            return cho_solve(cho_factor(A, lower=True, check_finite=False), b, check_finite=False), 0, "converged"
        except LinAlgError:
            return np.zeros_like(b), 0, "not_positive_definite"
    if method == "scipy-cg":
        steps: list[np.ndarray] = []
        x, info = scipy_cg(A, b, rtol=accuracy, atol=0.0, maxiter=maxiter, callback=steps.append)
        return x, len(steps), "converged" if info == 0 else "iteration_limit"
    M = ck.jacobi(A.diagonal()) if method == "cg-jacobi" else None
    result = ck.conjugate_gradient(A, b, rtol=accuracy, maxiter=maxiter, M=M)
    return result.x, result.nit, str(result.status)


def measure(A: np.ndarray, b: np.ndarray, accuracies: list[float], repeats: int) -> list[Row]:
    """Rows of all methods on one problem. Methods take turns; each answer is checked before its time is kept."""

    def timed(method: str, accuracy: float, maxiter: int) -> tuple[float, np.ndarray, int, str]:
        start = time.perf_counter()
        x, iterations, status = solve(A, b, method, accuracy, maxiter)
        return (time.perf_counter() - start) / (PRODUCTS if method == "product" else 1), x, iterations, status

    tightest = min(accuracies)
    product = [timed("product", tightest, 0)[0] for _ in range(3)]
    limit = max(PATIENCE_SECONDS, PATIENCE_RATIO * timed("cholesky", tightest, 0)[0])
    maxiter = max(10, min(10 * b.size, int(limit / min(product))))
    keys = [("product", tightest), ("cholesky", tightest)]
    keys += [(method, a) for a in reversed(accuracies) for method in ("cg", "cg-jacobi", "scipy-cg")]
    seconds: dict[tuple[str, float], list[float]] = {key: [] for key in keys}
    rows: dict[tuple[str, float], Row] = {}
    limited: dict[str, Row] = {}
    for turn in range(3 * repeats):
        for method, accuracy in keys:
            times, row = seconds[method, accuracy], rows.get((method, accuracy))
            enough = 0.05 if turn >= repeats else 1.0 if turn >= 3 else np.inf
            if sum(times) > enough or (row is not None and row["status"] != "converged"):
                continue
            if method in limited:
                # The iterates do not depend on the tolerance: what missed a looser one misses this one too.
                rows[method, accuracy] = {**limited[method], "accuracy": accuracy}
                continue
            elapsed, x, iterations, status = timed(method, accuracy, maxiter)
            residual = 0.0 if method == "product" else float(np.linalg.norm(b - A @ x) / np.linalg.norm(b))
            if status == "converged" and not residual <= accuracy:
                status = "inaccurate"
            row = rows[method, accuracy] = {"accuracy": accuracy, "method": method, "status": status,
                                            "iterations": iterations, "residual": residual}
            if status == "converged":
                times.append(elapsed)
            elif status == "iteration_limit":
                limited[method] = row
        limited.clear()
    for key, row in rows.items():
        times = seconds[key] if row["status"] == "converged" else []
        quartiles = np.quantile(times, [0.25, 0.5, 0.75]) if times else ["", "", ""]
        row.update(quartile1_s=quartiles[0], median_s=quartiles[1], quartile3_s=quartiles[2], repeats=len(times))
    return list(rows.values())


def plan(conditions: list[float]) -> list[tuple[str, float]]:
    """The log-uniform spectrum at every condition number, a clustered one at the largest, a scaled one in between."""
    middle = conditions[len(conditions) // 2]
    return [("log-uniform", kappa) for kappa in conditions] + [("clustered", conditions[-1]), ("scaled", middle)]


def run(sizes: list[int], conditions: list[float], accuracies: list[float], repeats: int, seed: int, threads: int,
        progress: Callable[[str], Any] = lambda text: None) -> list[Row]:
    """All measurements, as rows of the CSV; sizes, conditions and accuracies in increasing order."""
    try:
        from threadpoolctl import threadpool_limits

        limited: Any = threadpool_limits(limits=threads)
        used: int | str = threads
    except ImportError:
        limited, used = nullcontext(), "unknown"
        progress("threadpoolctl is not installed: the number of BLAS threads is whatever the environment says.")
    common = {"threads": used, "seed": seed, "convexkit": ck.__version__, "numpy": np.__version__,
              "scipy": scipy.__version__, "python": platform.python_version(),
              "machine": f"{platform.machine()} {os.cpu_count()} cores"}
    rows = []
    with limited:
        for problem, condition in plan(conditions):
            for n in sizes:
                A, b = make_problem(problem, n, condition, np.random.default_rng([seed, n]))
                rows += [{"problem": problem, "n": n, "condition": condition, **common, **row}
                         for row in measure(A, b, accuracies, repeats)]
            progress(f"measured {problem}, condition {condition:g}")
    return rows


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({name: f"{x:.4g}" if isinstance(x, float) else x for name, x in row.items()} for row in rows)


def read_csv(path: Path) -> list[Row]:
    """The rows with their numbers as numbers; the time of a run that missed its tolerance is nan."""
    rows: list[Row] = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    for row in rows:
        row.update({name: int(row[name]) for name in ("n", "repeats", "iterations")})
        row.update({name: float(row[name] or "nan") for name in COLUMNS if name.endswith("_s")})
        row.update({name: float(row[name]) for name in ("condition", "accuracy", "residual")})
    return rows


def curve(rows: list[Row], problem: str, condition: float, method: str, accuracy: float | None = None) -> list[Row]:
    """The rows of one line of the picture, by size. Cholesky and the product are measured once for all accuracies."""
    line = (row for row in rows if (row["problem"], row["condition"], row["method"]) == (problem, condition, method))
    return sorted((row for row in line if accuracy in (None, row["accuracy"])), key=lambda row: row["n"])


def crossover(dense: list[Row], iterative: list[Row]) -> str:
    """From which n on CG is faster at every larger measured size, interpolated in log time against log n."""
    n = np.array([row["n"] for row in dense])
    # A run that missed its tolerance or was given up counts as infinitely slow.
    ratio = np.array([r["median_s"] / d["median_s"] for r, d in zip(iterative, dense, strict=True)])
    log_ratio = np.log(np.where(np.isnan(ratio), np.inf, ratio))
    if any(np.isnan(row["median_s"]) for row in dense):
        return f"Cholesky itself misses the tolerance ({', '.join(sorted({row['status'] for row in dense}))})"
    if log_ratio[-1] >= 0:
        by = f"by {ratio[-1]:.3g}×" if np.isfinite(log_ratio[-1]) else f"CG: {iterative[-1]['status']}"
        return f"Cholesky wins throughout, up to n = {n[-1]} ({by})"
    gain = f"{1 / ratio[-1]:.3g}× faster at n = {n[-1]}"
    if (log_ratio < 0).all():
        return f"CG wins throughout, from n = {n[0]} ({gain})"
    last = int(np.flatnonzero(log_ratio >= 0)[-1])
    if np.isinf(log_ratio[last]):
        return f"CG wins from n ≤ {n[last + 1]} ({gain})"
    share = log_ratio[last] / (log_ratio[last] - log_ratio[last + 1])
    return f"CG wins from n ≈ {n[last] * (n[last + 1] / n[last]) ** share:.0f} ({gain})"


def report(rows: list[Row]) -> str:
    """The table, where the crossovers are, and what an iteration costs."""
    lines, verdicts, costs = [], [], []
    heads = {"cg": "CG", "cg-jacobi": "CG + Jacobi", "scipy-cg": "scipy cg"}
    for problem, condition in dict.fromkeys((row["problem"], row["condition"]) for row in rows):
        dense = curve(rows, problem, condition, "cholesky")
        lines += [f"\n{problem}, condition {condition:g}: milliseconds (iterations)",
                  f"accuracy      n   cholesky {' '.join(f'{head:>23}' for head in heads.values())}  CG/chol"]
        for accuracy in sorted({row["accuracy"] for row in rows}, reverse=True):
            curves = {method: curve(rows, problem, condition, method, accuracy) for method in heads}
            for d, *others in zip(dense, *curves.values(), strict=True):
                cells = (f"{row['status'] if np.isnan(row['median_s']) else format(1e3 * row['median_s'], '.2f'):>15} "
                         f"({row['iterations']:>5})" for row in others)
                lines.append(f"{accuracy:>8.0e} {d['n']:>6} {1e3 * d['median_s']:>10.2f} {' '.join(cells)} "
                             f"{others[0]['median_s'] / d['median_s']:>8.2f}")
            for method in ("cg", "cg-jacobi") if problem == "scaled" else ("cg",):
                verdicts.append(f"  {problem:<11} κ = {condition:<6g}, accuracy {accuracy:.0e}, {heads[method]:<11}: "
                                + crossover(dense, curves[method]))
    for n in sorted({row["n"] for row in rows}):
        each: dict[str, list[float]] = {method: [] for method in ("product", "cg", "scipy-cg")}
        for row in rows:
            if row["n"] == n and row["method"] in each and row["repeats"] > 0:
                each[row["method"]].append(row["median_s"] / row["iterations"])
        product, ours, theirs = (np.median(values or [np.nan]) for values in each.values())
        costs.append(f"{ours / product:.2f} ({theirs / product:.2f}) at n = {n}")
    return "\n".join([*lines, "\nWhere conjugate gradient overtakes the dense solve:", *verdicts, "\nOne CG iteration "
                      f"costs, in bare matrix-vector products (scipy's cg in parentheses): {', '.join(costs)}."])


def plot(csv_path: Path, png_path: Path) -> None:
    """Time against n from the CSV, one panel for each spectrum and condition number."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = read_csv(csv_path)
    accuracies = sorted({row["accuracy"] for row in rows}, reverse=True)
    sizes = sorted({row["n"] for row in rows})
    shown = list(dict.fromkeys((row["problem"], row["condition"]) for row in rows))
    width, height = min(3, len(shown)), -(-len(shown) // 3)
    figure, axes = plt.subplots(height, width, figsize=(4.2 * width, 3.7 * height + 0.9), sharey=True, squeeze=False,
                                layout="constrained")
    colours = plt.get_cmap("viridis")(np.linspace(0.85, 0.15, len(accuracies)))

    def draw(axis: Any, line: list[Row], **style: Any) -> None:
        n, low, middle, high = ([r[key] for r in line] for key in ("n", "quartile1_s", "median_s", "quartile3_s"))
        axis.fill_between(n, low, high, color=style["color"], alpha=0.2, linewidth=0)
        axis.plot(n, middle, **style)

    for axis, (problem, condition) in zip(axes.flat, shown, strict=False):
        draw(axis, curve(rows, problem, condition, "product"), color="0.6", linewidth=1, label="one product Av")
        draw(axis, curve(rows, problem, condition, "cholesky"), color="black", linewidth=2, marker="s", markersize=4,
             label="Cholesky")
        for accuracy, colour in zip(accuracies, colours, strict=True):
            draw(axis, curve(rows, problem, condition, "cg", accuracy), color=colour, marker="o", markersize=4,
                 label=f"CG, accuracy {accuracy:.0e}")
            if problem == "scaled":
                draw(axis, curve(rows, problem, condition, "cg-jacobi", accuracy), color=colour, linestyle="--",
                     marker="o", markersize=4, markerfacecolor="white", label=f"CG + Jacobi, accuracy {accuracy:.0e}")
        axis.set(xscale="log", yscale="log", xlabel="n", title=f"{problem}, condition {condition:g}")
        axis.set_xticks(sizes, [str(n) for n in sizes])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    figure.supylabel("seconds (median; band: quartiles)")
    figure.suptitle(f"Conjugate gradient against Cholesky, BLAS threads: {rows[0]['threads']}; "
                    "lines of CG end where it was given up")
    handles = {h.get_label(): h for axis in axes.flat for h in axis.get_legend_handles_labels()[0]}
    for axis in axes.flat[len(shown):]:
        axis.axis("off")
    if len(shown) < axes.size:
        axes.flat[-1].legend(handles.values(), handles.keys(), loc="center", frameon=False, fontsize=11)
    else:
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(png_path, dpi=130)
    plt.close(figure)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="cg_vs_dense", description="Conjugate gradient against the dense solve.")
    parser.add_argument("--quick", action="store_true", help="small sizes, a few seconds")
    parser.add_argument("--out", type=Path, required=True, help="folder for cg_vs_dense.csv and cg_vs_dense.png")
    for name, kind, text in [("sizes", int, "numbers of unknowns"), ("conditions", float, "condition numbers"),
                             ("accuracies", float, "relative residuals to reach")]:
        parser.add_argument(f"--{name}", type=kind, nargs="+", help=text)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each method; three times as many if short")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="BLAS threads, for all methods (default 1)")
    args = parser.parse_args(argv)
    for name, value in (QUICK if args.quick else FULL).items():
        setattr(args, name, sorted(set(getattr(args, name) or value)))
    for name, low, high in [("sizes", 2, 20000), ("conditions", 1, 1e12), ("accuracies", 1e-14, 0.5),
                            ("repeats", 1, 1000), ("seed", 0, 2**32), ("threads", 1, 1024)]:
        if not all(low <= value <= high for value in np.atleast_1d(getattr(args, name))):
            print(f"cg_vs_dense: --{name} must lie between {low:g} and {high:g}.", file=sys.stderr)
            return 2
    csv_path, png_path = args.out / "cg_vs_dense.csv", args.out / "cg_vs_dense.png"
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        open(csv_path, "a").close()
    except OSError as error:
        print(f"cg_vs_dense: cannot write to {args.out}: {error.strerror}.", file=sys.stderr)
        return 2
    write_csv(csv_path, run(args.sizes, args.conditions, args.accuracies, args.repeats, args.seed, args.threads,
                            lambda text: print(text, file=sys.stderr)))
    print(f"{report(read_csv(csv_path))}\n\nTable: {csv_path}")
    try:
        plot(csv_path, png_path)
        print(f"Picture: {png_path}")
    except ImportError:
        print("No picture: matplotlib is not installed (pip install 'convexkit[plot]').")
    return 0


if __name__ == "__main__":
    sys.exit(main())
