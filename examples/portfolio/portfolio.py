"""Maximise return under a variance cap: one QCQP with its evidence, then the whole efficient frontier."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import convexkit as ck

HERE = Path(__file__).parent


def load_port1(folder: Path = HERE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean returns (31,), covariance (31, 31) and the published frontier (2000, 2) as return, variance."""
    _, mean, deviation = np.loadtxt(folder / "port1_mean_sd.txt").T
    i, j, value = np.loadtxt(folder / "port1_correlation.txt").T
    correlation = np.zeros((mean.size, mean.size))
    correlation[i.astype(int) - 1, j.astype(int) - 1] = value
    correlation[j.astype(int) - 1, i.astype(int) - 1] = value
    return mean, correlation * np.outer(deviation, deviation), np.loadtxt(folder / "port1_frontier.txt")


def capped_variance(mean: np.ndarray, covariance: np.ndarray, cap: float) -> ck.QCQP:
    """maximise meanᵀx  subject to  xᵀCx ≤ cap,  Σx = 1,  x ≥ 0,  written as a minimisation."""
    variance = ck.Quadratic(2.0 * covariance, np.zeros(mean.size), -cap)
    return ck.QCQP(ck.Quadratic(None, -mean), [variance], A=np.ones((1, mean.size)), b=[1.0], lb=0.0)


def plot_frontier(path: Path, mean: np.ndarray, covariance: np.ndarray, published: np.ndarray,
                  ours: np.ndarray) -> None:
    """Risk against return: the published curve, our points on it, and the single assets below it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(100 * np.sqrt(published[:, 1]), 100 * published[:, 0], color="0.6", linewidth=5,
              label="published frontier (2000 points)")
    axes.plot(100 * np.sqrt(ours[:, 1]), 100 * ours[:, 0], "o", color="C0", markersize=4,
              label=f"convexkit ({len(ours)} QCQPs)")
    axes.plot(100 * np.sqrt(np.diag(covariance)), 100 * mean, "x", color="C3", label="single assets")
    axes.set_xlabel("standard deviation of the weekly return, %")
    axes.set_ylabel("mean weekly return, %")
    axes.set_title("Hang Seng, 31 assets: the most return for each level of risk")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> int:
    """Solve, print, plot; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the picture (default %(default)s)")
    parser.add_argument("--points", type=int, default=50, help="points along the frontier (default %(default)s)")
    options = parser.parse_args(arguments)
    if not 2 <= options.points <= 1990:
        print(f"error: --points {options.points}: expected 2 to 1990.", file=sys.stderr)
        return 2
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"error: --out {options.out}: {error.strerror}.", file=sys.stderr)
        return 2
    mean, covariance, published = load_port1()

    cap = float(published[1000, 1])
    problem = capped_variance(mean, covariance, cap)
    solution = ck.solve(problem).require_optimal()
    print(f"Maximise the return with a variance of at most {cap:.6g}:\n")
    print(ck.report.summary(problem, solution))
    price = -ck.sensitivity(problem, solution.x, solution.lam, solution.nu, solution.lam_lb,
                            solution.lam_ub).value_wrt_h[0]
    print(f"\nreturn          {-solution.value:.9f}   (published {published[1000, 0]:.9f})")
    print(f"price of risk   {price:.4f}   (weekly return gained for each unit of variance allowed)")
    held = np.flatnonzero(solution.x > 1e-6)
    print("holdings        " + ", ".join(f"asset {k + 1}: {solution.x[k]:.1%}" for k in held))

    chosen = np.linspace(0, 1989, options.points).astype(int)
    start = time.perf_counter()
    solutions = [ck.solve(capped_variance(mean, covariance, variance)).require_optimal()
                 for variance in published[chosen, 1]]
    seconds = time.perf_counter() - start
    returns = np.array([-s.value for s in solutions])
    worst = float(np.abs(returns - published[chosen, 0]).max())
    print(f"\n{len(chosen)} points along the frontier in {seconds:.2f} s; largest difference from the published "
          f"returns {worst:.1e}, which are rounded to 1e-9 in return and variance")
    path = options.out / "frontier.png"
    try:
        plot_frontier(path, mean, covariance, published, np.column_stack([returns, published[chosen, 1]]))
    except ImportError:
        print("matplotlib is not installed, so there is no picture; pip install 'convexkit[plot]'")
        return 0
    print(f"picture: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
