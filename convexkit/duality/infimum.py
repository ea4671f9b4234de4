"""The infimum of a quadratic in every structure, products included."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..conjugate_gradient import CGStatus, conjugate_gradient
from ..operators import SymmetricOperator
from ..quadratic import Minimum, Quadratic, factored_minimum, falling_direction, formed, is_zero, restricted

# Operators of up to this many variables are formed, as `minimum` does: that sees every eigenvalue.
FORMED = 1000
# What conjugate gradient is asked for, and how long.
RTOL, LONGEST = 1e-13, 10_000


def by_products(f: Quadratic) -> bool:
    """Whether f's P is an operator that is too large to be formed."""
    return isinstance(f.P, LinearOperator) and not hasattr(f.P, "toarray") and f.n > FORMED


def infimum(f: Quadratic) -> Minimum:
    """`factored_minimum`, and for a large operator the same by conjugate gradient: O(√κ) products and no n×n matrix.

    The tangent at x, value + leftoverᵀy, is a bound whatever accuracy conjugate gradient reached.
    """
    if not by_products(f):
        return factored_minimum(f)
    q = np.asarray(f.q, dtype=np.float64)
    longest = min(10 * f.n, LONGEST)

    def solve(V: np.ndarray) -> np.ndarray:
        return conjugate_gradient(f.P, V, rtol=RTOL, maxiter=longest).x

    if not q.any():
        return Minimum(f.r, np.zeros(f.n), q.copy(), solve)
    with np.errstate(over="ignore", invalid="ignore"):
        result = conjugate_gradient(f.P, -q, rtol=RTOL, maxiter=longest)
    if result.status is CGStatus.NONPOSITIVE_CURVATURE and result.curvature < 0 and not result.singular:
        return Minimum(-np.inf, None, np.zeros(f.n), None)
    x, leftover = result.x, -result.residual_vector
    return Minimum(f.r - 0.5 * float(x @ (leftover - q)), x, leftover, solve)


def downhill(f: Quadratic) -> np.ndarray | None:
    """A direction d, ‖d‖ = 1, with dᵀPd < 0, for an f of which `infimum` says that P is indefinite."""
    if not by_products(f):
        return falling_direction(f)[1]
    d = conjugate_gradient(f.P, -np.asarray(f.q, dtype=np.float64), rtol=RTOL, maxiter=min(10 * f.n, LONGEST)).direction
    return None if d is None else d / np.linalg.norm(d)


def seems_flat(f: Quadratic) -> bool:
    """Whether f has no P, or one of zeros; that a large operator is one of them is not seen."""
    return f.P is None or (not by_products(f) and is_zero(formed(f)))


def part(f: Quadratic, free: np.ndarray) -> Any:
    """The rows and columns of P where `free` is true."""
    if not by_products(f):
        return restricted(formed(f), free)

    def product(v: np.ndarray) -> np.ndarray:
        whole = np.zeros(f.n)
        whole[free] = v
        return f.hessp(whole)[free]

    return SymmetricOperator(int(free.sum()), product)
