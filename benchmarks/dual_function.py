"""What one value of the dual function costs, against the bare linear algebra that it cannot do without.

    python benchmarks/dual_function.py [--quick] [--repeats 21]

The bare work is the weighted sum of six matrices and vectors, one factorization of the sum and one solve: Cholesky by
`scipy.linalg.cho_factor` for dense matrices, `scipy.linalg.solveh_banded` for tridiagonal ones. The matrices are well
conditioned, have a condition number of about 1e6, or rank n/2 (the bare work then adds 1e-9 to the diagonal, without
which Cholesky fails). A time counts only if the two values agree to 1e-6. Processor time; the two take turns.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

import convexkit as ck

FULL = [(kind, n) for kind in ("definite", "condition 1e6", "rank n/2") for n in (100, 200, 500, 1000, 2000)] \
    + [("tridiagonal", n) for n in (10_000, 100_000)]
QUICK = [("definite", 60), ("condition 1e6", 60), ("rank n/2", 60), ("tridiagonal", 2000)]
TERMS = 6


def make_terms(kind: str, n: int, rng: np.random.Generator) -> list[tuple[Any, np.ndarray]]:
    """Matrices P and vectors q in their range."""
    if kind == "tridiagonal":
        terms = []
        for _ in range(TERMS):
            off = rng.uniform(-1.0, 0.0, n - 1)
            terms.append((sp.diags_array([off, 2.5 + rng.random(n), off], offsets=[-1, 0, 1]).tocsr(),
                          rng.standard_normal(n)))
        return terms
    scale = {"definite": np.ones(n), "condition 1e6": np.logspace(0.0, -3.0, n),
             "rank n/2": np.repeat([1.0, 0.0], [n // 2, n - n // 2])}[kind]
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0] if kind == "rank n/2" else np.eye(n)
    terms = []
    for _ in range(TERMS):
        F = (rng.standard_normal((n, n)) / np.sqrt(n) + 2.0 * np.eye(n)) * scale
        P = Q @ (F.T @ F) @ Q.T
        terms.append(((P + P.T) / 2, P @ rng.standard_normal(n)))
    return terms


def bare(kind: str, terms: Sequence[tuple[Any, np.ndarray]], weights: np.ndarray) -> float:
    """r - ½qᵀP⁻¹q with as few steps as there are."""
    q = sum(w * q for w, (_, q) in zip(weights, terms, strict=True))
    if kind == "tridiagonal":
        P: Any = sum(w * P for w, (P, _) in zip(weights, terms, strict=True))
        x = scipy.linalg.solveh_banded(np.stack([np.append(0.0, P.diagonal(1)), P.diagonal()]), q)
    else:
        P = terms[0][0] * weights[0]
        for w, (matrix, _) in zip(weights[1:], terms[1:], strict=True):
            P += w * matrix
        if kind == "rank n/2":
            P[np.diag_indices(len(P))] += 1e-9
        x = scipy.linalg.cho_solve(scipy.linalg.cho_factor(P), q)
    return -0.5 * float(q @ x) - float(weights[1:].sum())


def median_ms(calls: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    """Medians of processor time, the calls taking turns."""
    times: list[list[int]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, own in zip(calls, times, strict=True):
            start = time.process_time_ns()
            call()
            own.append(time.process_time_ns() - start)
    return [float(np.median(own)) / 1e6 for own in times]


def run(sizes: Sequence[tuple[str, int]], repeats: int, seed: int = 0) -> list[dict[str, Any]]:
    """One row for each kind and size."""
    rows = []
    for kind, n in sizes:
        rng = np.random.default_rng(seed)
        terms = make_terms(kind, n, rng)
        quadratics = [ck.Quadratic(P, q, -1.0 if k else 0.0) for k, (P, q) in enumerate(terms)]
        L, lam = ck.Lagrangian(ck.QCQP(quadratics[0], quadratics[1:])), rng.random(TERMS - 1)
        weights = np.concatenate(([1.0], lam))
        value = L.dual_function(lam)
        if not abs(value - bare(kind, terms, weights)) <= 1e-6 * abs(value):
            raise RuntimeError(f"{kind}, n = {n}: the two values differ: {value} and {bare(kind, terms, weights)}.")
        ms = median_ms([lambda k=kind, t=terms, w=weights: bare(k, t, w),  # type: ignore[misc]
                        lambda L=L, lam=lam: L.dual_function(lam)], repeats)  # type: ignore[misc]
        rows.append({"kind": kind, "n": n, "bare_ms": ms[0], "ours_ms": ms[1], "ratio": ms[1] / ms[0]})
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small matrices, in seconds")
    parser.add_argument("--repeats", type=int, default=21, help="timed calls of each (default 21)")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    print(f"{'matrices':<14} {'n':>7} {'bare ms':>9} {'dual_function ms':>17} {'ratio':>6}")
    for row in run(QUICK if options.quick else FULL, options.repeats):
        print(f"{row['kind']:<14} {row['n']:>7} {row['bare_ms']:>9.3f} {row['ours_ms']:>17.3f} {row['ratio']:>6.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
