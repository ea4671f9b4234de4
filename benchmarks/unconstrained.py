"""Well-known test functions of unconstrained minimisation, with their standard starts.

Moré, Garbow & Hillstrom, "Testing unconstrained optimization software" (1981), and functions of the CUTEst collection,
written anew with `autograd.numpy`. Each takes any n that its definition allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import autograd.numpy as anp
import numpy as np

Function = Callable[[Any], Any]


class Problem(NamedTuple):
    """A function, its start, and what the sizes of a run must be a multiple of; `fixed` if n has one value only."""

    f: Function
    start: Callable[[int], np.ndarray]
    multiple: int = 1
    fixed: int = 0


def rosenbrock(x: Any) -> Any:
    """Σ 100(x₂ᵢ - x₂ᵢ₋₁²)² + (1 - x₂ᵢ₋₁)²: a curved valley in each pair (Moré 21)."""
    return (100 * (x[1::2] - x[::2] ** 2) ** 2 + (1 - x[::2]) ** 2).sum()


def chained_rosenbrock(x: Any) -> Any:
    """Σ 100(xᵢ₊₁ - xᵢ²)² + (1 - xᵢ)²: one long curved valley."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def powell_singular(x: Any) -> Any:
    """Groups of four whose Hessian is singular at the minimiser (Moré 22)."""
    a, b, c, d = x[::4], x[1::4], x[2::4], x[3::4]
    return ((a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4).sum()


def beale(x: Any) -> Any:
    """Three residuals yₖ - x₁(1 - x₂ᵏ) (Moré 5)."""
    y = np.array([1.5, 2.25, 2.625])
    return sum((y[k] - x[0] * (1 - x[1] ** (k + 1))) ** 2 for k in range(3))


def wood(x: Any) -> Any:
    """Groups of four with a saddle near the start (Moré 14)."""
    a, b, c, d = x[::4], x[1::4], x[2::4], x[3::4]
    return (100 * (b - a**2) ** 2 + (1 - a) ** 2 + 90 * (d - c**2) ** 2 + (1 - c) ** 2
            + 10 * (b + d - 2) ** 2 + 0.1 * (b - d) ** 2).sum()


def trigonometric(x: Any) -> Any:
    """Σ (n - Σⱼ cos xⱼ + i(1 - cos xᵢ) - sin xᵢ)²: many local minima (Moré 26)."""
    i = np.arange(1.0, x.size + 1)
    return ((x.size - anp.cos(x).sum() + i * (1 - anp.cos(x)) - anp.sin(x)) ** 2).sum()


def brown_badly_scaled(x: Any) -> Any:
    """Minimiser at (10⁶, 2·10⁻⁶) (Moré 4)."""
    return (x[0] - 1e6) ** 2 + (x[1] - 2e-6) ** 2 + (x[0] * x[1] - 2) ** 2


def brown_almost_linear(x: Any) -> Any:
    """xᵢ + Σxⱼ = n + 1, and the product of all is 1 (Moré 27)."""
    return ((x[:-1] + x.sum() - (x.size + 1)) ** 2).sum() + (anp.prod(x) - 1) ** 2


def broyden_tridiagonal(x: Any) -> Any:
    """Σ ((3 - 2xᵢ)xᵢ - xᵢ₋₁ - 2xᵢ₊₁ + 1)² (Moré 30)."""
    y = anp.concatenate([np.zeros(1), x, np.zeros(1)])
    return (((3 - 2 * x) * x - y[:-2] - 2 * y[2:] + 1) ** 2).sum()


def engval(x: Any) -> Any:
    """Σ (xᵢ² + xᵢ₊₁²)² - 4xᵢ + 3 (CUTEst's ENGVAL1)."""
    return ((x[:-1] ** 2 + x[1:] ** 2) ** 2 - 4 * x[:-1] + 3).sum()


def arrowhead(x: Any) -> Any:
    """Σ (xᵢ² + xₙ²)² - 4xᵢ + 3: the last variable meets all others (CUTEst's ARWHEAD)."""
    return ((x[:-1] ** 2 + x[-1] ** 2) ** 2 - 4 * x[:-1] + 3).sum()


def double_wells(x: Any) -> Any:
    """Σ ¼(xᵢ² - 1)² + ½(xᵢ - xᵢ₊₁)²: the start lies next to a saddle, two minimisers are at ±1."""
    return 0.25 * ((x**2 - 1) ** 2).sum() + 0.5 * ((x[1:] - x[:-1]) ** 2).sum()


def log_sum_exp(x: Any) -> Any:
    """log Σ exp(aₖᵀx + bₖ) over 2n + 1 rows aₖ, the last the opposite of their sum; convex (Boyd 9.3)."""
    rng = np.random.default_rng(93)
    n = x.size
    A = rng.standard_normal((2 * n, n)) / np.sqrt(n)
    A = np.concatenate([A, -A.sum(axis=0, keepdims=True)])
    z = anp.dot(A, x) + rng.uniform(-1, 1, 2 * n + 1)
    top = anp.max(z)
    return top + anp.log(anp.sum(anp.exp(z - top)))


PROBLEMS = {
    "rosenbrock": Problem(rosenbrock, lambda n: np.tile([-1.2, 1.0], n // 2), 2),
    "chained_rosenbrock": Problem(chained_rosenbrock, lambda n: np.tile([-1.2, 1.0], n // 2), 2),
    "powell_singular": Problem(powell_singular, lambda n: np.tile([3.0, -1.0, 0.0, 1.0], n // 4), 4),
    "beale": Problem(beale, lambda n: np.ones(2), 1, 2),
    "wood": Problem(wood, lambda n: np.tile([-3.0, -1.0, -3.0, -1.0], n // 4), 4),
    "trigonometric": Problem(trigonometric, lambda n: np.full(n, 1.0 / n)),
    "brown_badly_scaled": Problem(brown_badly_scaled, lambda n: np.ones(2), 1, 2),
    "brown_almost_linear": Problem(brown_almost_linear, lambda n: np.full(n, 0.5)),
    "broyden_tridiagonal": Problem(broyden_tridiagonal, lambda n: np.full(n, -1.0)),
    "engval": Problem(engval, lambda n: np.full(n, 2.0)),
    "arrowhead": Problem(arrowhead, lambda n: np.ones(n)),
    "double_wells": Problem(double_wells, lambda n: 1e-3 * np.cos(np.arange(1.0, n + 1))),
    "log_sum_exp": Problem(log_sum_exp, lambda n: np.ones(n)),
}
