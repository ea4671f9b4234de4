"""A linear objective over one ellipsoid, compiled: `interior_point.closed_form`, which has the formula."""

from __future__ import annotations

import numpy as np

from ..closed_form import WORST_PIVOTS
from .linear import allocating, backward, cholesky, compiled, dot, forward, product, unpack


@compiled
def _solve(L, rhs, out):
    for j in range(rhs.size):
        out[j] = rhs[j]
    forward(L, out)
    backward(L, out)


@allocating
def over_one_ellipsoid(packed, q, r, q0, x, y):
    """Fill in the solution and its multiplier; False if P is not plainly definite or there is no interior."""
    n = x.size
    L, u, v, error, more = np.empty((n, n)), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    unpack(packed, L)
    if not cholesky(L):
        return False
    least = most = L[0, 0]
    for j in range(n):
        least, most = min(least, L[j, j]), max(most, L[j, j])
    if not least > WORST_PIVOTS * most:
        return False
    for solution, right in ((u, q), (v, q0)):
        _solve(L, right, solution)
        product(packed, solution, error)
        for j in range(n):
            error[j] = right[j] - error[j]
        _solve(L, error, more)
        for j in range(n):
            solution[j] += more[j]
    room, reach = dot(q, u) - 2.0 * r, dot(q0, v)
    if not (room > 0.0 and reach > 0.0):
        return False
    lam = np.sqrt(reach / room)
    for j in range(n):
        x[j] = -u[j] - v[j] / lam
    y[0] = lam
    return True
