"""A dense problem as the kernel holds it, its equilibration, and its KKT residuals on the data as given.

Formulas are those of `interior_point.scaling`, `form` and `duality.kkt`, which explain them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...duality import ATTAINABLE, NOTICEABLE
from ..scaling import EVEN, LARGEST, SMALLEST
from .linear import allocating, compiled, largest, product

EPS = float(np.finfo(float).eps)
# Fields of the evidence, in the order of `KKTResiduals`; then the worst row, and by how much it is violated.
STATIONARITY, PRIMAL, DUAL, COMPLEMENTARITY, GAP, VALUE, DUAL_VALUE, WORST, AMOUNT = range(9)
FIELDS = 9


class Data(NamedTuple):
    """The problem as given. Lines are, in this order: curved quadratics, affine ones, rows of G, rows of A.

    P : packed (1 + mq, N), the objective's first; D : (1 + mq, n), their diagonals
    q0, r0 : of the objective
    lines : (r + p, n), the q's, G and A; ends : (r + p,), the r's, -h and -b
    quadratics, r : how many lines are quadratics, and inequalities
    bounds : (2, n), lb and ub
    """

    P: np.ndarray
    D: np.ndarray
    q0: np.ndarray
    r0: float
    lines: np.ndarray
    ends: np.ndarray
    quadratics: int
    r: int
    bounds: np.ndarray


class Scales(NamedTuple):
    """Factors of lines, columns and objective; `at` and `edge` say that bound k is the row edge[k]·x[at[k]]."""

    lines: np.ndarray
    columns: np.ndarray
    c: float
    at: np.ndarray
    edge: np.ndarray
    floor: np.ndarray  # of all rows, bounds included, then of the equalities


@compiled
def _inverse(size):
    return 1.0 / size if size > 0.0 else 1.0


@compiled
def _sizes(data, i, E):
    """Largest linear and quadratic coefficient of line i, with columns scaled by E."""
    linear = quadratic = 0.0
    row, mq = data.lines[i], data.P.shape[0] - 1
    for j in range(E.size):
        linear = max(linear, abs(row[j]) * E[j])
    if i < mq:
        for j in range(E.size):
            quadratic = max(quadratic, abs(data.D[1 + i, j]) * E[j] * E[j])
    return linear, quadratic


@compiled
def _objective(data, E):
    size = 0.0
    for j in range(E.size):
        size = max(size, abs(data.q0[j]) * E[j], abs(data.D[0, j]) * E[j] * E[j])
    return _inverse(size)


@allocating
def equilibrate(data, passes, at, edge):
    """`scaling.equilibrate`; `edge` is given with signs and returned with scales."""
    n, count, mq, r = data.q0.size, data.ends.size, data.P.shape[0] - 1, data.r
    E, d, column = np.ones(n), np.ones(count), np.empty(n)
    floor = np.zeros(count + at.size)
    c, even = 1.0, False
    for turn in range(passes + 2):
        # The first turn brings rows to size one, the last fits them to the final columns; both leave the columns.
        inner = 0 < turn <= passes
        if inner and even:
            continue
        if turn == passes + 1 and mq:
            # One factor for all columns, so that solutions have size one.
            logarithms, counted = 0.0, 0
            for i in range(count):
                linear, quadratic = _sizes(data, i, E)
                end = abs(data.ends[i])
                if end > 0.0:
                    root = linear + np.sqrt(linear * linear + 4.0 * quadratic * end)
                    logarithms += np.log(2.0 * end * _inverse(root))
                    counted += 1
            for k in range(at.size):
                limit = abs(data.bounds[1 if edge[k] > 0.0 else 0, at[k]])
                if limit > 0.0:
                    logarithms += np.log(limit / E[at[k]])
                    counted += 1
            if counted:
                factor = np.exp(logarithms / counted)
                for j in range(n):
                    E[j] *= factor
        smallest = largest_factor = 1.0
        for j in range(n):
            column[j] = c * abs(data.D[0, j]) * E[j] * E[j]
        for i in range(count):
            linear, quadratic = _sizes(data, i, E)
            size = max(linear, quadratic)
            if mq:  # constants count where there are curved rows
                size = max(size, abs(data.ends[i]))
            if not inner:
                d[i] = _inverse(size)
                continue
            for j in range(n):
                t = abs(data.lines[i, j]) * E[j]
                if i < mq:
                    t = max(t, abs(data.D[1 + i, j]) * E[j] * E[j])
                column[j] = max(column[j], d[i] * t)
            factor = np.sqrt(_inverse(d[i] * size))
            smallest, largest_factor = min(smallest, factor), max(largest_factor, factor)
            d[i] *= factor
        if inner:
            for j in range(n):
                factor = np.sqrt(_inverse(column[j]))
                smallest, largest_factor = min(smallest, factor), max(largest_factor, factor)
                E[j] *= factor
            even = smallest >= EVEN and 1.0 / largest_factor >= EVEN
        c = _objective(data, E)
    for j in range(n):
        E[j] = min(max(E[j], SMALLEST), LARGEST)
    c = min(max(c, SMALLEST), LARGEST)
    # Bounds, and what residuals are measured against at least: `monitor.Monitor`.
    for k in range(at.size):
        limit = abs(data.bounds[1 if edge[k] > 0.0 else 0, at[k]])
        size = max(E[at[k]], limit) if mq else E[at[k]]
        edge[k] /= size
        floor[r + k] = abs(edge[k]) if limit <= 1e-14 else 0.0
    for i in range(count):
        floor[i if i < r else at.size + i] = d[i] * line_floor(data, i)
    return Scales(d, E, c, at, edge, floor)


@compiled
def line_floor(data, i):
    """`duality.row_floor` of a line."""
    size = largest(data.lines[i])
    if i < data.P.shape[0] - 1:
        size = max(size, largest(data.D[1 + i]))
    return min(1.0, size) if abs(data.ends[i]) <= 1e-14 * size else 0.0


@compiled
def _ratio(amount, size):
    if amount == 0.0:
        return 0.0
    return amount / size if size > 0.0 else np.inf


@compiled
def _worse(out, where, violation, size):
    """Keep the violation if it is the largest so far, relative to its size."""
    share = violation / size if violation > 0.0 else 0.0
    if not share <= out[PRIMAL]:
        out[PRIMAL], out[WORST], out[AMOUNT] = share, where, violation


@allocating
def residuals(data, x, y, lam_bounds, out):
    """Fill `out` with the residuals of a point; y are the multipliers of the lines. One product with each P."""
    n, count, mq, r = x.size, data.ends.size, data.P.shape[0] - 1, data.r
    slope, gradient, G_lam, A_nu = np.empty(n), np.zeros(n), np.zeros(n), np.zeros(n)
    half = 0.5 * product(data.P[0], x, gradient)
    slope_size = max(largest(data.q0), largest(gradient))
    unit = min(1.0, max(largest(data.q0), largest(data.D[0])))
    if largest(data.q0) == 0.0:
        slope_size = max(slope_size, unit)
    value, size = half + data.r0, abs(half)
    for j in range(n):
        slope[j] = data.q0[j] + gradient[j]
        value += data.q0[j] * x[j]
        size += abs(data.q0[j] * x[j])
    size = max(size, unit)

    for k in range(FIELDS):
        out[k] = 0.0
    out[WORST] = -1.0
    products = most_negative = largest_lam = complementarity = weighted = 0.0
    for i in range(count):
        row, multiplier = data.lines[i], y[i]
        row_value, row_size = data.ends[i], abs(data.ends[i])
        for j in range(n):
            row_value += row[j] * x[j]
            row_size += abs(row[j] * x[j])
        if i < mq:
            half = 0.5 * product(data.P[1 + i], x, gradient)
            row_value += half
            row_size += abs(half)
        row_size = max(row_size, line_floor(data, i))
        if i < mq:
            # What cancellation may have taken off xᵀPx, where it is worth a word.
            roots = 0.0
            for j in range(n):
                roots += np.sqrt(abs(data.D[1 + i, j])) * abs(x[j])
            lost = 2.0 * EPS * roots * roots
            if lost > NOTICEABLE * row_size:
                row_value += lost
        if i < data.quadratics:
            steepest = 0.0
            for j in range(n):
                t = row[j] + gradient[j] if i < mq else row[j]
                slope[j] += multiplier * t
                steepest = max(steepest, abs(t))
            slope_size = max(slope_size, abs(multiplier) * steepest)
        elif i < r:
            for j in range(n):
                G_lam[j] += multiplier * row[j]
        else:
            for j in range(n):
                A_nu[j] += multiplier * row[j]
        t = multiplier * row_value
        products += t
        if i < r:
            _worse(out, i, row_value, row_size)
            complementarity = max(complementarity, abs(t))
            weighted = max(weighted, abs(multiplier) * row_size)
            most_negative, largest_lam = max(most_negative, -multiplier), max(largest_lam, abs(multiplier))
        else:
            _worse(out, i, abs(row_value), row_size)
    slope_size = max(slope_size, largest(G_lam), largest(A_nu))
    for j in range(n):
        slope[j] += G_lam[j] + A_nu[j] - lam_bounds[0, j] + lam_bounds[1, j]
        for side in range(2):
            limit, multiplier = data.bounds[side, j], lam_bounds[side, j]
            if abs(limit) < np.inf:
                beyond = limit - x[j] if side == 0 else x[j] - limit
                floor = 1.0 if abs(limit) <= 1e-14 else 0.0
                _worse(out, count + side * n + j, beyond, max(abs(limit) + abs(x[j]), floor))
                t = multiplier * beyond
                products += t
                complementarity = max(complementarity, abs(t))
            elif multiplier != 0.0:
                complementarity = np.inf
            slope_size = max(slope_size, abs(multiplier))
            most_negative, largest_lam = max(most_negative, -multiplier), max(largest_lam, abs(multiplier))
    size = max(size, ATTAINABLE * weighted)
    out[STATIONARITY] = _ratio(largest(slope), slope_size)
    out[DUAL] = _ratio(most_negative, largest_lam)
    out[COMPLEMENTARITY] = _ratio(complementarity, size)
    out[GAP] = _ratio(abs(products), size)
    out[VALUE] = value
    out[DUAL_VALUE] = value + products
