"""Timing of direct and iterative solvers on one linear system; answers are checked before a time counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse.linalg import cg as scipy_cg
from scipy.sparse.linalg import minres, splu

import convexkit as ck

# A run is given up after this many seconds, or this many times the direct solver's own time if that is longer.
PATIENCE_SECONDS, PATIENCE_RATIO = 0.5, 6.0
PRODUCTS = 10  # bare products timed together, so that the clock resolves them
ITERATIVE = ("cg", "cg-jacobi", "scipy-cg", "minres")
# Fill of a sparse factorization beyond this many unknowns of a grid takes gigabytes.
LARGEST_SPARSE = 300_000

Row = dict[str, Any]


def direct_method(A: Any) -> str | None:
    """The direct solver for a matrix of this kind; none where only products are known."""
    if isinstance(A, np.ndarray):
        return "cholesky"
    return "superlu" if sp.issparse(A) and A.shape[0] <= LARGEST_SPARSE else None


def iterative_methods(A: Any, wanted: tuple[str, ...] = ITERATIVE) -> tuple[str, ...]:
    """Those of the wanted iterative solvers that A admits; Jacobi needs a diagonal."""
    return tuple(method for method in wanted if method != "cg-jacobi" or hasattr(A, "diagonal"))


def solve(A: Any, b: np.ndarray, method: str, accuracy: float, maxiter: int) -> tuple[np.ndarray, int, str]:
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
    if method == "superlu":
        factors = splu(A, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        return factors.solve(b), 0, "converged"
    if method in ("scipy-cg", "minres"):
        steps = 0

        def count(_: np.ndarray) -> None:
            nonlocal steps
            steps += 1

        options: dict[str, Any] = {"atol": 0.0} if method == "scipy-cg" else {}
        x, info = (scipy_cg if method == "scipy-cg" else minres)(A, b, rtol=accuracy, maxiter=maxiter, callback=count,
                                                                 **options)
        return x, steps, "converged" if info == 0 and steps < maxiter else "iteration_limit"
    M = ck.jacobi(A.diagonal()) if method == "cg-jacobi" else None
    result = ck.conjugate_gradient(A, b, rtol=accuracy, maxiter=maxiter, M=M)
    return result.x, result.nit, str(result.status)


def minres_tolerance(A: Any, b: np.ndarray, accuracy: float, maxiter: int) -> float:
    """The rtol with which scipy's minres, which measures against ‖A‖‖x‖, reaches ‖b - Ax‖ ≤ accuracy·‖b‖."""
    rtol = accuracy
    for _ in range(6):
        x, _, status = solve(A, b, "minres", rtol, maxiter)
        residual = float(np.linalg.norm(b - A @ x) / np.linalg.norm(b))
        if residual <= accuracy or status != "converged":
            break
        rtol = max(0.5 * rtol * accuracy / residual, 1e-16)
    return rtol


def measure(A: Any, b: np.ndarray, accuracies: list[float], repeats: int,
            clock: Callable[[], float] = time.perf_counter, methods: tuple[str, ...] = ITERATIVE,
            patience: float = PATIENCE_RATIO) -> list[Row]:
    """Rows of all methods on one problem. Methods take turns; each answer is checked before its time is kept.

    An iterative run is given up after `patience` times the direct solver's time, or half a second if that is longer.
    """
    rtol: dict[tuple[str, float], float] = {}

    def timed(method: str, accuracy: float, maxiter: int) -> tuple[float, np.ndarray, int, str]:
        if method == "minres" and (method, accuracy) not in rtol:
            rtol[method, accuracy] = minres_tolerance(A, b, accuracy, maxiter)
        start = clock()
        x, iterations, status = solve(A, b, method, rtol.get((method, accuracy), accuracy), maxiter)
        return (clock() - start) / (PRODUCTS if method == "product" else 1), x, iterations, status

    tightest = min(accuracies)
    product = [timed("product", tightest, 0)[0] for _ in range(3)]
    direct = direct_method(A)
    # The direct solver's first run sets the limit, and counts: at n = 20 000 it takes minutes.
    first = None if direct is None else timed(direct, tightest, 0)
    limit = PATIENCE_SECONDS if first is None else max(PATIENCE_SECONDS, patience * first[0])
    maxiter = max(10, min(10 * b.size, int(limit / min(product))))
    if direct is None:
        maxiter = max(maxiter, 300)  # there is nothing else
    keys = [("product", tightest)] + ([(direct, tightest)] if direct is not None else [])
    keys += [(method, a) for a in reversed(accuracies) for method in iterative_methods(A, methods)]
    seconds: dict[tuple[str, float], list[float]] = {key: [] for key in keys}
    rows: dict[tuple[str, float], Row] = {}
    limited: dict[str, Row] = {}
    for turn in range(3 * repeats):
        for key in keys:
            method, accuracy = key
            times, row = seconds[key], rows.get(key)
            enough = 0.05 if turn >= repeats else 1.0 if turn >= min(3, repeats) else np.inf
            if sum(times) > enough or (row is not None and row["status"] != "converged"):
                continue
            if method in limited:
                # The iterates do not depend on the tolerance: what missed a looser one misses this one too.
                rows[key] = {**limited[method], "accuracy": accuracy}
                continue
            elapsed, x, iterations, status = (first if method == direct and turn == 0 and first is not None
                                              else timed(method, accuracy, maxiter))
            residual = 0.0 if method == "product" else float(np.linalg.norm(b - A @ x) / np.linalg.norm(b))
            if method == direct:
                # It is what it is: counted for every accuracy that it meets, and written with the tightest of them.
                reached = [a for a in accuracies if residual <= a]
                accuracy = min(reached, default=tightest)
            if status == "converged" and not residual <= accuracy:
                status = "inaccurate"
            row = rows[key] = {"accuracy": accuracy, "method": method, "status": status,
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
