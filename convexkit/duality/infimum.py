"""The infimum of a quadratic in every structure, products included."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..conjugate_gradient import CGStatus, conjugate_gradient
from ..quadratic import Quadratic, minimum

# Operators of up to this many variables are formed, as `minimum` does: that sees every eigenvalue.
FORMED = 1000
# What conjugate gradient is asked for, and how long.
RTOL, LONGEST = 1e-13, 10_000


def by_products(f: Quadratic) -> bool:
    """Whether f's P is an operator that is too large to be formed."""
    return isinstance(f.P, LinearOperator) and not hasattr(f.P, "toarray") and f.n > FORMED


def infimum(f: Quadratic) -> tuple[float, np.ndarray | None, np.ndarray]:
    """`minimum`, and for a large operator the same by conjugate gradient: O(√κ) products and no n×n matrix.

    The tangent at x, value + leftoverᵀy, is a bound whatever accuracy conjugate gradient reached.
    """
    if not by_products(f):
        return minimum(f)
    q = np.asarray(f.q, dtype=np.float64)
    if not q.any():
        return f.r, np.zeros(f.n), q.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        result = conjugate_gradient(f.P, -q, rtol=RTOL, maxiter=min(10 * f.n, LONGEST))
    if result.status is CGStatus.NONPOSITIVE_CURVATURE and result.curvature < 0 and not result.singular:
        return -np.inf, None, np.zeros(f.n)
    x, leftover = result.x, -result.residual_vector
    return f.r - 0.5 * float(x @ (leftover - q)), x, leftover
