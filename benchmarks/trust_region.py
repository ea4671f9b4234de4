"""Minimising without constraints: `trust_region_minimize` beside scipy's trust-exact and trust-krylov.

    python benchmarks/trust_region.py [--quick] [--sizes 12 100 1000] [--out out/]

Every method gets the same functions (benchmarks/unconstrained.py), starts, autograd derivatives and tolerance: the norm
of the gradient at most 1e-6 of that at the start, recomputed at the returned point before a run counts as solved. A
Hessian that is formed counts n products. Ours look for negative curvature before they end, which scipy's do not: those
products are counted. Writes trust_region.csv and prints the table as Markdown.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

import convexkit as ck
from benchmarks.measuring import Row, surroundings, write_csv
from benchmarks.unconstrained import PROBLEMS, Function

COLUMNS = ["function", "n", "method", "status", "iterations", "nfev", "ngev", "products", "fun", "gradient_share",
           "cpu_s", "convexkit", "numpy", "scipy", "python", "machine"]
FULL, QUICK = [12, 100, 1000], [12]
TOLERANCE = 1e-6
LARGEST_EXACT = 100  # formed Hessians cost n products each
LIMIT = 2000


class Counted:
    """A function with its derivatives, and how often each was asked for."""

    def __init__(self, f: Function):
        self.f = f
        self.nfev = self.ngev = self.products = 0
        self.last: tuple[bytes, Any] = (b"", None)

    def value(self, x: np.ndarray) -> float:
        """f(x)."""
        self.nfev += 1
        with np.errstate(all="ignore"):
            return float(self.f(x))

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """∇f(x)."""
        self.ngev += 1
        return ck.gradient(self.f, x) if np.isfinite(x).all() else np.full_like(x, np.nan)

    def operator(self, x: np.ndarray) -> Any:
        """∇²f(x) by products; the graph at the last x is kept, for those who ask at every product."""
        key = x.tobytes()
        if self.last[0] != key:
            self.last = key, ck.hessian_operator(self.f, x)
        return self.last[1]

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        """∇²f(x)v."""
        self.products += 1
        if not (np.isfinite(x).all() and np.isfinite(v).all()):
            return np.full_like(v, np.nan)  # a method's own mistake is its own to deal with
        product: np.ndarray = self.operator(x) @ v
        return product

    def hessian(self, x: np.ndarray) -> np.ndarray:
        """∇²f(x), formed."""
        self.products += x.size
        H = self.operator(x) @ np.eye(x.size)
        return np.asarray((H + H.T) / 2)


def ours(method: str) -> Callable[[Counted, np.ndarray, float], tuple[np.ndarray, int, str]]:
    """`trust_region_minimize` by one method, with counted derivatives."""
    def run(f: Counted, x0: np.ndarray, gtol: float) -> tuple[np.ndarray, int, str]:
        hessian: Any = f.hessian if method == "exact" else lambda x: lambda v: f.product(x, v)
        result = ck.trust_region_minimize(f.value, x0, gradient=f.gradient, hessian=hessian, method=method, rtol=0.0,
                                          atol=gtol, maxiter=LIMIT)
        return result.x, result.nit, str(result.status)
    return run


def scipys(method: str) -> Callable[[Counted, np.ndarray, float], tuple[np.ndarray, int, str]]:
    """One of scipy's methods, with counted derivatives."""
    def run(f: Counted, x0: np.ndarray, gtol: float) -> tuple[np.ndarray, int, str]:
        derivatives: dict[str, Any] = {"hess": f.hessian} if method == "trust-exact" else {"hessp": f.product}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = minimize(f.value, x0, jac=f.gradient, method=method, options={"gtol": gtol, "maxiter": LIMIT},
                              **derivatives)
        return result.x, int(result.nit), "converged" if result.success else str(result.message)
    return run


# First the two that form Hessians, then the two that take products.
METHODS = {"convexkit exact": ours("exact"), "scipy trust-exact": scipys("trust-exact"),
           "convexkit lanczos": ours("lanczos"), "scipy trust-krylov": scipys("trust-krylov")}


def run(sizes: Sequence[int]) -> list[Row]:
    """One row for each function, size and method."""
    rows = []
    for name, problem in PROBLEMS.items():
        for n in sorted({problem.fixed or max(n // problem.multiple, 1) * problem.multiple for n in sizes}):
            x0 = problem.start(n)
            gtol = TOLERANCE * float(np.linalg.norm(ck.gradient(problem.f, x0)))
            for method, call in METHODS.items():
                if "exact" in method and n > LARGEST_EXACT:
                    continue
                counted = Counted(problem.f)
                started = time.process_time()
                try:
                    x, iterations, status = call(counted, x0, gtol)
                except (ArithmeticError, np.linalg.LinAlgError, ck.ConvexkitError) as error:
                    x, iterations, status = x0, 0, f"{type(error).__name__}: {error}"
                seconds = time.process_time() - started
                share = TOLERANCE * float(np.linalg.norm(Counted(problem.f).gradient(x))) / gtol
                if not share <= TOLERANCE * (1 + 1e-6) and status == "converged":
                    status = "inaccurate"
                rows.append({"function": name, "n": n, "method": method, "status": status, "iterations": iterations,
                             "nfev": counted.nfev, "ngev": counted.ngev, "products": counted.products,
                             "fun": float(problem.f(x)), "gradient_share": share, "cpu_s": seconds, **surroundings()})
    return rows


def table(rows: Sequence[Row]) -> str:
    """Markdown: one line for each function and size, "evaluations / products; f" for each method, then ratios."""
    names = list(dict.fromkeys(row["method"] for row in rows))
    lines = ["| function | n | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    cases: dict[tuple[str, int], dict[str, Row]] = {}
    for row in rows:
        cases.setdefault((row["function"], row["n"]), {})[row["method"]] = row
    for (function, n), found in cases.items():
        cells = []
        for name in names:
            cell: Row | None = found.get(name)
            if cell is None:
                cells.append("")
            elif cell["status"] != "converged":
                cells.append("failed")
            else:
                cells.append(f"{cell['nfev']} / {cell['products']}; {cell['fun']:.4g}")
        lines.append(f"| {function.replace('_', ' ')} | {n} | " + " | ".join(cells) + " |")
    lines.append("")
    for first, second in (("convexkit exact", "scipy trust-exact"), ("convexkit lanczos", "scipy trust-krylov")):
        both = [(a, b) for found in cases.values() if (a := found.get(first)) and (b := found.get(second))
                and a["status"] == b["status"] == "converged"]
        if both:
            ratios = {what: float(np.exp(np.mean([np.log(a[what] / b[what]) for a, b in both])))
                      for what in ("nfev", "products", "cpu_s")}
            lines.append(f"{first} over {second}, geometric means over {len(both)} runs that both solved: "
                         f"evaluations {ratios['nfev']:.2f}, products {ratios['products']:.2f}, processor time "
                         f"{ratios['cpu_s']:.2f}.")
        solved = [sum(name in found and found[name]["status"] == "converged" for found in cases.values())
                  for name in (first, second)]
        lines.append(f"Solved: {first} {solved[0]}, {second} {solved[1]} of "
                     f"{sum(first in found for found in cases.values())}.")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write the CSV, print the table."""
    parser = argparse.ArgumentParser(description="trust_region_minimize beside scipy's trust-region methods")
    parser.add_argument("--quick", action="store_true", help=f"n = {QUICK[0]} only, in seconds")
    parser.add_argument("--sizes", type=int, nargs="+", help="variables; default " + " ".join(map(str, FULL)))
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for trust_region.csv")
    options = parser.parse_args(arguments)
    sizes = options.sizes or (QUICK if options.quick else FULL)
    if min(sizes) < 4:
        print(f"error: --sizes {min(sizes)}: the functions need at least 4 variables.", file=sys.stderr)
        return 2
    rows = run(sizes)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        write_csv(options.out / "trust_region.csv", COLUMNS, rows)
    except OSError as error:
        print(f"error: cannot write to {options.out}: {error.strerror}.", file=sys.stderr)
        return 2
    print(table(rows))
    print(f"\nwrote {options.out / 'trust_region.csv'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
