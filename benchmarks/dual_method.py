"""The dual method on problems that are known by products: time, products and memory from n = 1000 to a million.

    python benchmarks/dual_method.py [--quick] --out out/

One objective and m constraints, all strictly feasible. Where the P's can be formed (n ≤ 2000), the interior point
solves the same problem with arrays, and the values are compared. Every answer is judged by `kkt_residuals` before its
time is kept. Writes `dual_method.csv`.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

import convexkit as ck

COLUMNS = ["family", "n", "m", "condition", "tol", "method", "status", "wall_s", "cpu_s", "iterations", "products",
           "product_s", "residual", "gap", "value", "difference", "peak_gb", "seed", "convexkit", "numpy", "scipy",
           "python", "machine"]
FAMILIES = ("low rank", "sparse", "mixed", "boxed", "trpo")
FORMED = 2000  # the interior point forms (m + 1)·n² numbers
LARGEST_BOXED = 100_000  # tens of thousands of products; minutes beyond
RANK = 10

Row = dict[str, Any]


def curvature(kind: str, n: int, condition: float, rng: np.random.Generator) -> tuple[Any, float, Callable[[], Any]]:
    """A product v -> Pv for vectors and columns, a lower bound on the eigenvalues, and P itself on request."""
    if kind == "sparse":
        # Links between neighbours, positive semidefinite, plus I.
        link = np.exp(rng.uniform(0.0, np.log(condition), n - 1)) / 4
        P = sp.diags_array([-link, np.r_[link, 0] + np.r_[0, link] + 1.0, -link], offsets=[-1, 0, 1]).tocsr()
        return P.__matmul__, 1.0, lambda: P
    F, d = rng.standard_normal((RANK, n)) / np.sqrt(RANK), np.exp(rng.uniform(0.0, np.log(condition), n))

    def product(v: np.ndarray) -> np.ndarray:
        return F.T @ (F @ v) + (d * v if v.ndim == 1 else d[:, None] * v)

    return product, float(d.min()), lambda: F.T @ F + np.diag(d)


def make_problem(family: str, n: int, m: int, condition: float, seed: int, formed: bool = False) -> ck.QCQP:
    """The problem by its products or, for the same numbers, with the P's as arrays.

    `low rank`: diagonal plus rank 10; `sparse`: a chain; `mixed`: both in turn; `boxed`: mixed with |xⱼ| ≤ ½; `trpo`: a
    linear objective, one centred quadratic and m - 1 linear rows.
    """
    rng = np.random.default_rng([seed, n])
    inside = 0.4 * rng.standard_normal(n) if family != "boxed" else rng.uniform(-0.4, 0.4, n)
    functions = []
    for i in range(m + 1 if family != "trpo" else 2):
        kind = "sparse" if family == "sparse" or (family in ("mixed", "boxed") and i % 2) else "low rank"
        product, least, form = curvature(kind, n, condition, rng)
        by_products = LinearOperator((n, n), matvec=product, matmat=product, dtype=np.float64)
        P: Any = form() if formed else ck.as_operator(by_products, min_eigenvalue=least)
        q = rng.standard_normal(n) * (10.0 if i == 0 else 1.0)
        if family == "trpo":
            functions.append(ck.Quadratic(None, q) if i == 0 else ck.Quadratic(P, np.zeros(n), -0.01))
        else:
            f = ck.Quadratic(P, q)
            functions.append(f if i == 0 else ck.Quadratic(f.P, q, -f(inside)))
    if family == "trpo":
        G = rng.standard_normal((m - 1, n)) - 0.5 * functions[0].q
        return ck.QCQP(functions[0], functions[1:], G=G, h=np.full(m - 1, 1e-3))
    half = 0.5 if family == "boxed" else None
    return ck.QCQP(functions[0], functions[1:], lb=None if half is None else -half, ub=half)


def measure(family: str, n: int, m: int, condition: float, tol: float, seed: int) -> list[Row]:
    """One row for the dual method and, where the P's can be formed, one for the interior point."""
    rows = []
    best = float("nan")
    for method in ("dual", "interior-point"):
        if method == "interior-point" and n > FORMED:
            continue
        problem = make_problem(family, n, m, condition, seed, formed=method != "dual")
        wall, cpu = time.perf_counter(), time.process_time()
        # The reference is two digits more exact, so that the difference is the dual method's.
        solution = ck.solve(problem, tol=tol if method == "dual" else max(1e-2 * tol, 1e-10), method=method)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        residuals = ck.kkt_residuals(problem, solution.x, solution.lam, solution.nu, solution.lam_lb, solution.lam_ub)
        status = str(solution.status)
        if solution.success and residuals.max() > tol:
            status = "inaccurate"
        if method == "dual":
            best = solution.value
        v = np.ones(n)
        each = time.process_time()
        for f in (problem.objective, *problem.inequalities):
            f.hessp(v)
        each = time.process_time() - each
        rows.append({
            "family": family, "n": n, "m": m, "condition": condition, "tol": tol, "method": method, "status": status,
            "wall_s": wall, "cpu_s": cpu, "iterations": solution.nit, "products": solution.products, "product_s":
            each / sum(f.P is not None for f in (problem.objective, *problem.inequalities)),
            "residual": residuals.max(), "gap": solution.gap / max(abs(solution.value), 1e-300),
            "value": solution.value, "difference": abs(best - solution.value) / abs(solution.value),
            "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
            / 1e9, "seed": seed, "convexkit": ck.__version__, "numpy": np.__version__, "scipy": scipy.__version__,
            "python": platform.python_version(), "machine": f"{platform.machine()} {os.cpu_count()} cores"})
    return rows


def line(row: Row) -> str:
    """One row as text."""
    words = (f"{row['family']:>9} n = {row['n']:>8} m = {row['m']}: {row['method']:>14} {row['status']:>10} in "
             f"{row['wall_s']:8.2f} s ({row['cpu_s']:.2f} s of processor time), {row['iterations']} iterations")
    if row["method"] == "dual":
        share = row["products"] * row["product_s"] / row["cpu_s"] if row["cpu_s"] > 0 else float("nan")
        return words + (f", {row['products']} products ({share:.0%} of the time), residual {row['residual']:.0e}, gap "
                        f"{row['gap']:.0e}, peak {row['peak_gb']:.2f} GB")
    return words + f"; values differ by {row['difference']:.0e}"


def write_csv(path: Path, rows: list[Row]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows({name: f"{x:.6g}" if isinstance(x, float) else x for name, x in row.items()} for row in rows)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="dual_method", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="n = 1000 only, a few seconds")
    parser.add_argument("--out", type=Path, required=True, help="folder for dual_method.csv")
    parser.add_argument("--sizes", type=int, nargs="+", help="numbers of variables")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--constraints", type=int, default=5)
    parser.add_argument("--condition", type=float, default=100.0, help="of the diagonals and of the chains' links")
    parser.add_argument("--tol", type=float, default=1e-6)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    sizes = args.sizes or ([1000] if args.quick else [1000, 10_000, 100_000, 1_000_000])
    if min(sizes) < 10 or args.constraints < 1 or args.condition < 1:
        print("dual_method: sizes must be at least 10, constraints and condition at least 1.", file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for n in sizes:
        for family in args.families:
            if family == "boxed" and n > LARGEST_BOXED:
                continue
            rows += (new := measure(family, n, args.constraints, args.condition, args.tol, args.seed))
            print("\n".join(line(row) for row in new), flush=True)
            write_csv(args.out / "dual_method.csv", rows)
    print(f"Table: {args.out / 'dual_method.csv'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
