"""Dense linear algebra on lower triangles, compiled: half the memory to read, and no call overhead.

A symmetric matrix is *packed*: row i of its lower triangle starts at i(i + 1)/2. Up to some 200 variables these loops
are as fast as LAPACK's, below 50 several times faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import config, njit

from .cache import folder, writable

PLACE = str(folder() or writable())


def compiled(function: Callable, allocates: bool = False, **options: Any) -> Any:
    """`function` as machine code, kept in the kernel's folder.

    Sums may be reordered, so that they run on vector registers; NaN, inf and division by zero keep their meaning.
    References to arrays are counted only in a function that makes arrays: counting costs more than the arithmetic of
    eight variables.
    """
    settings: dict[str, Any] = {"cache": True, "error_model": "numpy", "fastmath": {"reassoc", "contract"},
                                "_nrt": allocates, **options}
    before = vars(config)["CACHE_DIR"]
    vars(config)["CACHE_DIR"] = PLACE
    try:
        return njit(**settings)(function)
    finally:
        vars(config)["CACHE_DIR"] = before


def allocating(function: Callable, **options: Any) -> Any:
    """`compiled`, for a function that makes arrays."""
    return compiled(function, True, **options)


@compiled
def pack(P, out):
    """Copy the lower triangle of P."""
    n, at = P.shape[0], 0
    for i in range(n):
        row = P[i]
        for j in range(i + 1):
            out[at + j] = row[j]
        at += i + 1


@compiled
def unpack(packed, L):
    """The lower triangle of L."""
    at = 0
    for i in range(L.shape[0]):
        row = L[i]
        for j in range(i + 1):
            row[j] = packed[at + j]
        at += i + 1


@compiled
def four_products(p, q, r, s, i, x, out):
    """The share of rows p, q, r, s, from i on, of a lower triangle in out = Px; the rows above come before.

    Four rows together take each entry of x and of out from memory once instead of four times.
    """
    a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
    in_p = in_q = in_r = in_s = 0.0
    for j in range(i):
        t = x[j]
        in_p += p[j] * t
        in_q += q[j] * t
        in_r += r[j] * t
        in_s += s[j] * t
        out[j] += a * p[j] + b * q[j] + c * r[j] + d * s[j]
    out[i] = in_p + p[i] * a + q[i] * b + r[i] * c + s[i] * d
    out[i + 1] = in_q + q[i] * a + q[i + 1] * b + r[i + 1] * c + s[i + 1] * d
    out[i + 2] = in_r + r[i] * a + r[i + 1] * b + r[i + 2] * c + s[i + 2] * d
    out[i + 3] = in_s + s[i] * a + s[i + 1] * b + s[i + 2] * c + s[i + 3] * d


@compiled
def one_product(row, i, x, out):
    """The share of row i of a lower triangle in out = Px; the rows above come before."""
    xi, inner = x[i], 0.0
    for j in range(i):
        inner += row[j] * x[j]
        out[j] += row[j] * xi
    out[i] = inner + row[i] * xi


@compiled
def product(packed, x, out):
    """out = Px; returns xᵀPx."""
    n, i, at, total = x.size, 0, 0, 0.0
    while i + 4 <= n:
        second, third, fourth = at + i + 1, at + 2 * i + 3, at + 3 * i + 6
        four_products(packed[at:], packed[second:], packed[third:], packed[fourth:], i, x, out)
        at, i = fourth + i + 4, i + 4
    while i < n:
        one_product(packed[at:], i, x, out)
        at, i = at + i + 1, i + 1
    for i in range(n):
        total += out[i] * x[i]
    return total


@compiled
def sum_row(weights, packed, at, row):
    """row = Σ weights[k]·packed[k, at:at + row.size], four at a time."""
    count, k = weights.size, 0
    for j in range(row.size):
        row[j] = 0.0
    while k + 4 <= count:
        a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        p, q, r, s = packed[k, at:], packed[k + 1, at:], packed[k + 2, at:], packed[k + 3, at:]
        for j in range(row.size):
            row[j] += a * p[j] + b * q[j] + c * r[j] + d * s[j]
        k += 4
    while k < count:
        a, p = weights[k], packed[k, at:]
        for j in range(row.size):
            row[j] += a * p[j]
        k += 1


@compiled
def weighted_sum(weights, packed, K):
    """Lower triangle of K = Σ weights[k]·packed[k]."""
    at = 0
    for i in range(K.shape[0]):
        sum_row(weights, packed, at, K[i, :i + 1])
        at += i + 1


@compiled
def sum_and_products(weights, packed, x, first, others, K):
    """`weighted_sum`, and first = P₀x, others[k] = Pₖ₊₁x, in one pass over the matrices."""
    n, i, at = K.shape[0], 0, 0
    while i < n:
        together = 4 if i + 4 <= n else 1
        start = at
        for row in range(i, i + together):
            sum_row(weights, packed, at, K[row, :row + 1])
            at += row + 1
        for k in range(weights.size):
            P, out = packed[k, start:], others[k - 1] if k else first
            if together == 4:
                four_products(P, P[i + 1:], P[2 * i + 3:], P[3 * i + 6:], i, x, out)
            else:
                one_product(P, i, x, out)
        i += together


@compiled
def add_gram(weights, rows, K):
    """Add Σ weights[k]·rows[k]·rows[k]ᵀ to the lower triangle of K, four rows at a time."""
    n, count = K.shape[0], rows.shape[0]
    k = 0
    while k + 4 <= count:
        p, q, r, s = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        for i in range(n):
            a, b, c, d = weights[k] * p[i], weights[k + 1] * q[i], weights[k + 2] * r[i], weights[k + 3] * s[i]
            row = K[i]
            for j in range(i + 1):
                row[j] += a * p[j] + b * q[j] + c * r[j] + d * s[j]
        k += 4
    while k < count:
        p = rows[k]
        for i in range(n):
            a, row = weights[k] * p[i], K[i]
            for j in range(i + 1):
                row[j] += a * p[j]
        k += 1


@compiled
def cholesky(L):
    """Overwrite the lower triangle of a matrix with its factor; False if a pivot is not positive.

    Row by row, four rows together, so that each row above is read once for four inner products.
    """
    n, i = L.shape[0], 0
    while i < n:
        together = min(4, n - i)
        if together == 4:
            a, b, c, d = L[i], L[i + 1], L[i + 2], L[i + 3]
            for j in range(i):
                above = L[j]
                sum_a, sum_b, sum_c, sum_d = 0.0, 0.0, 0.0, 0.0
                for k in range(j):
                    v = above[k]
                    sum_a += a[k] * v
                    sum_b += b[k] * v
                    sum_c += c[k] * v
                    sum_d += d[k] * v
                inverse = 1.0 / above[j]
                a[j] = (a[j] - sum_a) * inverse
                b[j] = (b[j] - sum_b) * inverse
                c[j] = (c[j] - sum_c) * inverse
                d[j] = (d[j] - sum_d) * inverse
        first = i if together == 4 else 0
        for row in range(i, i + together):
            a = L[row]
            for j in range(first, row + 1):
                above = L[j]
                sum_a = 0.0
                for k in range(j):
                    sum_a += a[k] * above[k]
                if j < row:
                    a[j] = (a[j] - sum_a) / above[j]
                else:
                    pivot = a[j] - sum_a
                    if not pivot > 0.0:
                        return False
                    a[j] = np.sqrt(pivot)
        i += together
    return True


@compiled
def forward(L, v):
    """v ← L⁻¹v."""
    for i in range(v.size):
        row, inner = L[i], 0.0
        for j in range(i):
            inner += row[j] * v[j]
        v[i] = (v[i] - inner) / row[i]


@compiled
def backward(L, v):
    """v ← L⁻ᵀv."""
    for i in range(v.size - 1, -1, -1):
        row = L[i]
        t = v[i] / row[i]
        v[i] = t
        for j in range(i):
            v[j] -= t * row[j]


@compiled
def symmetric_product(K, x, out):
    """out = Kx from the lower triangle of K."""
    n, i = x.size, 0
    while i + 4 <= n:
        four_products(K[i], K[i + 1], K[i + 2], K[i + 3], i, x, out)
        i += 4
    while i < n:
        one_product(K[i], i, x, out)
        i += 1


@compiled
def times(M, x, out):
    """out = Mx, for the leading out.size rows of M."""
    for i in range(out.size):
        row, inner = M[i], 0.0
        for j in range(x.size):
            inner += row[j] * x[j]
        out[i] = inner


@compiled
def add_transposed(M, y, factor, out):
    """out += factor·Mᵀy, for the leading y.size rows of M."""
    for i in range(y.size):
        row, t = M[i], factor * y[i]
        if t != 0.0:
            for j in range(out.size):
                out[j] += t * row[j]


@compiled
def dot(u, v):
    """uᵀv."""
    total = 0.0
    for i in range(u.size):
        total += u[i] * v[i]
    return total


@compiled
def largest(v):
    """max |vᵢ|, 0 for an empty vector; NaN if an entry is."""
    size = 0.0
    for t in v:
        t = abs(t)
        if not t <= size:
            size = t
            if size != size:
                return size
    return size


@compiled
def shifted_cholesky(P, tolerance):
    """Overwrite the lower triangle of P with the factor of P + tolerance·‖P‖·I; False if there is none."""
    n, total = P.shape[0], 0.0
    for i in range(n):
        row = P[i]
        for j in range(i):
            total += 2.0 * row[j] * row[j]
        total += row[i] * row[i]
    if total == 0.0:
        return True
    shift = tolerance * np.sqrt(total)
    for i in range(n):
        P[i, i] += shift
    return cholesky(P)


@compiled
def is_psd(packed, scratch, tolerance):
    """Whether P + tolerance·‖P‖·I has a Cholesky factor: False leaves the verdict to `definite.is_psd`."""
    unpack(packed, scratch)
    return shifted_cholesky(scratch, tolerance)


@compiled
def glance(packed, start, scratch, steps):
    """Whether so many steps of Lanczos' method see no negative eigenvalue: `definite.doubtful`, the other way round."""
    n, at, beta, size, taken = scratch.shape[0], 0, 0.0, 0.0, 0
    v, w, before, alphas, squares = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    length = np.sqrt(dot(start, start))
    for j in range(n):
        if packed[at] < 0.0:
            return False
        at += j + 2
        v[j], before[j] = start[j] / length, 0.0
    for step in range(min(steps, n)):
        alpha = product(packed, v, w)
        alphas[step], squares[step] = alpha, beta * beta
        size, taken = max(size, abs(alpha) + 2.0 * beta), step + 1
        for j in range(n):
            w[j] -= alpha * v[j] + beta * before[j]
        beta = np.sqrt(dot(w, w))
        if not beta > 1e-8 * abs(alphas[0]):
            break
        for j in range(n):
            before[j] = v[j]
            v[j] = w[j] / beta
    # The pivots of the tridiagonal matrix have the signs of its eigenvalues.
    pivot = 1.0
    for step in range(taken):
        pivot = alphas[step] + 1e-8 * size - squares[step] / pivot
        if not pivot > 0.0:
            return size == 0.0
    return True


@compiled
def take(P, out, scratch, tolerance, start, steps):
    """Pack P, and say whether it is plainly positive semidefinite; with steps > 0, by a glance."""
    pack(P, out)
    if steps > 0:
        return glance(out, start, scratch, steps)
    return is_psd(out, scratch, tolerance)
