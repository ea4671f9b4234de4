"""One pass over full matrices that lie anywhere in memory, compiled: half of each is read, and read once.

A P that does not fit into the processor's cache is read at the memory's pace. Its upper triangle says everything, and a
row of it serves the weighted sum and the product while it is in the cache. NumPy has no call for either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from .linear import allocating


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
def sum_and_products(where, weights, x, products, total):
    """The upper triangle of total = Σ weights[k]·P_k, and products[k] = P_k·x; `where` are addresses of the P's.

    Row by row over all of them, four at a time in the sum.
    """
    n, count = x.size, where.size
    for k in range(count):
        out = products[k]
        for j in range(n):
            out[j] = 0.0
    for i in range(n):
        row, k = total[i, i:], 0
        for j in range(n - i):
            row[j] = 0.0
        while k + 4 <= count:
            p, q = carray(_pointer(where[k]), (n, n))[i, i:], carray(_pointer(where[k + 1]), (n, n))[i, i:]
            r, s = carray(_pointer(where[k + 2]), (n, n))[i, i:], carray(_pointer(where[k + 3]), (n, n))[i, i:]
            a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            for j in range(n - i):
                row[j] += a * p[j] + b * q[j] + c * r[j] + d * s[j]
            k += 4
        while k < count:
            p, a = carray(_pointer(where[k]), (n, n))[i, i:], weights[k]
            for j in range(n - i):
                row[j] += a * p[j]
            k += 1
        right, xi = x[i + 1:], x[i]
        for k in range(count):
            p, out = carray(_pointer(where[k]), (n, n))[i, i:], products[k, i:]
            inner = p[0] * xi
            entries, below = p[1:], out[1:]
            for j in range(n - i - 1):
                inner += entries[j] * right[j]
                below[j] += entries[j] * xi
            out[0] += inner
