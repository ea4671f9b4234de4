"""One pass over full matrices that lie anywhere in memory, compiled: half of each is read, and read once.

A P that does not fit into the processor's cache is read at the memory's pace. One triangle says everything, and a row
of it serves the weighted sum and the product while it is in the cache. NumPy has no call for either. The sum has to be
in the upper triangle, which LAPACK factors faster, so the products beside it take rows that begin at the diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from .linear import allocating, compiled, symmetric_product


def _as_pointer(context, address):
    """The address of a float64 as a pointer."""
    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.float64)(types.uintp), generate


_pointer: Any = intrinsic(_as_pointer)


def addresses(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Where C-ordered float64 arrays are. Keep the arrays as long as the addresses are used."""
    return np.array([matrix.ctypes.data for matrix in matrices], dtype=np.uintp)


@allocating
def _sum_row(where, weights, i, row):
    """row = Σ weights[k]·P_k[i, i:], four at a time."""
    shape, count, k = (i + row.size, i + row.size), where.size, 0
    for j in range(row.size):
        row[j] = 0.0
    while k + 4 <= count:
        p, q = carray(_pointer(where[k]), shape)[i, i:], carray(_pointer(where[k + 1]), shape)[i, i:]
        r, s = carray(_pointer(where[k + 2]), shape)[i, i:], carray(_pointer(where[k + 3]), shape)[i, i:]
        a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for j in range(row.size):
            row[j] += a * p[j] + b * q[j] + c * r[j] + d * s[j]
        k += 4
    while k < count:
        p, a = carray(_pointer(where[k]), shape)[i, i:], weights[k]
        for j in range(row.size):
            row[j] += a * p[j]
        k += 1


@compiled
def _add_four(P, i, x, out):
    """The share of rows i to i + 3 of an upper triangle in out = Px."""
    a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
    # Sliced, so that indices are seen to start at 0: a negative one would count from the end, which no vector can.
    p, q, r, s = P[i, i + 4:], P[i + 1, i + 4:], P[i + 2, i + 4:], P[i + 3, i + 4:]
    right, below = x[i + 4:], out[i + 4:]
    in_p = in_q = in_r = in_s = 0.0
    for j in range(x.size - i - 4):
        t = right[j]
        in_p += p[j] * t
        in_q += q[j] * t
        in_r += r[j] * t
        in_s += s[j] * t
        below[j] += a * p[j] + b * q[j] + c * r[j] + d * s[j]
    p, q, r, s = P[i, i:], P[i + 1, i:], P[i + 2, i:], P[i + 3, i:]
    out[i] += in_p + p[0] * a + p[1] * b + p[2] * c + p[3] * d
    out[i + 1] += in_q + p[1] * a + q[1] * b + q[2] * c + q[3] * d
    out[i + 2] += in_r + p[2] * a + q[2] * b + r[2] * c + r[3] * d
    out[i + 3] += in_s + p[3] * a + q[3] * b + r[3] * c + s[3] * d


@compiled
def _add_one(P, i, x, out):
    """The share of row i of an upper triangle in out = Px."""
    entries, right, below, xi = P[i, i + 1:], x[i + 1:], out[i + 1:], x[i]
    inner = P[i, i] * xi
    for j in range(x.size - i - 1):
        inner += entries[j] * right[j]
        below[j] += entries[j] * xi
    out[i] += inner


@allocating
def all_products(where, x, products):
    """products[k] = P_k·x."""
    for k in range(where.size):
        symmetric_product(carray(_pointer(where[k]), (x.size, x.size)), x, products[k])


@allocating
def sum_and_products(where, weights, x, products, total):
    """The upper triangle of total = Σ weights[k]·P_k, and products[k] = P_k·x; `where` are addresses of the P's.

    Four rows of all matrices at a time: the sum's rows, then the products, while they are in the cache.
    """
    n, i = x.size, 0
    for k in range(where.size):
        out = products[k]
        for j in range(n):
            out[j] = 0.0
    while i < n:
        together = 4 if i + 4 <= n else 1
        for row in range(i, i + together):
            _sum_row(where, weights, row, total[row, row:])
        for k in range(where.size):
            P = carray(_pointer(where[k]), (n, n))
            if together == 4:
                _add_four(P, i, x, products[k])
            else:
                _add_one(P, i, x, products[k])
        i += together
