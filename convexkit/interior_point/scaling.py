"""Equilibration: row scales that make multipliers and slacks of different rows comparable.

Only rows and the objective are scaled in the iteration. Column scales are computed along with them, because
what a "large" row is depends on the units of x, and they scale the bounds, which are rows of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Scales stay within these limits, so that a row of nearly zeros is not blown up to a constraint.
SMALLEST, LARGEST = 1e-8, 1e8


@dataclass(frozen=True)
class Scaling:
    """Positive factors: `rows` multiply inequalities, `equalities` rows of A, `objective` f₀; x = columns·x̂."""

    rows: np.ndarray
    equalities: np.ndarray
    columns: np.ndarray
    objective: float


def _safe(size: np.ndarray) -> np.ndarray:
    """Sizes to divide by: 1 where a row or column is empty."""
    return np.where(size > 0, size, 1.0)


def equilibrate(P_diagonals: np.ndarray, curved_objective: bool, q0: np.ndarray, q: np.ndarray, r: np.ndarray,
                A: np.ndarray, b: np.ndarray, lb: np.ndarray, low: np.ndarray, ub: np.ndarray, high: np.ndarray,
                passes: int) -> Scaling:
    """Ruiz's simultaneous row and column scaling, with each quadratic represented by the diagonal of its P.

    For P ⪰ 0 no entry exceeds √(PᵢᵢPⱼⱼ), so diagonals suffice, and a pass costs O(mn) instead of O(mn²).
    """
    n = q0.size
    absolute_q, absolute_A, absolute_q0 = np.abs(q), np.abs(A), np.abs(q0)
    first = int(curved_objective)
    D = np.abs(P_diagonals[first:])  # of the curved inequalities
    D0 = np.abs(P_diagonals[0]) if curved_objective else np.zeros(n)
    curved = D.shape[0]
    # Rows and objective start at size one, so that the result does not depend on the units they came in.
    row = np.maximum(absolute_q.max(axis=1, initial=0.0), np.abs(r))
    if curved:
        row[:curved] = np.maximum(row[:curved], D.max(axis=1))
    size = max(float(absolute_q0.max(initial=0.0)), float(D0.max(initial=0.0)))
    E, d, c = np.ones(n), 1.0 / _safe(row), 1.0 / size if size > 0 else 1.0
    dA = 1.0 / _safe(np.maximum(absolute_A.max(axis=1, initial=0.0), np.abs(b)))
    for _ in range(passes):
        linear = absolute_q * d[:, None] * E
        row = linear.max(axis=1, initial=0.0)
        column = linear.max(axis=0, initial=0.0)
        if curved:
            quadratic = D * d[:curved, None] * (E * E)
            row[:curved] = np.maximum(row[:curved], quadratic.max(axis=1))
            column = np.maximum(column, quadratic.max(axis=0))
        # A constant term counts for its row, so that rᵢ = 1e6 does not start 1e6 from feasible.
        row = np.maximum(row, np.abs(r) * d)
        equality = absolute_A * dA[:, None] * E
        column = np.maximum(column, equality.max(axis=0, initial=0.0))
        equality_row = np.maximum(equality.max(axis=1, initial=0.0), np.abs(b) * dA)
        column = np.maximum(column, c * D0 * E * E)
        d = d / np.sqrt(_safe(row))
        dA = dA / np.sqrt(_safe(equality_row))
        E = E / np.sqrt(_safe(column))
        size = max(float((absolute_q0 * E).max(initial=0.0)), float((D0 * E * E).max(initial=0.0)))
        c = 1.0 / size if size > 0 else 1.0
    # Curved rows leave one factor for all variables open, which trades their P's against their constants. Choose it so
    # that solutions have size one: the distance at which a row's terms reach its constant, averaged over all rows.
    # (Linear problems do better without: their rows say nothing about the size of x that E does not know.)
    linear = (absolute_q * E).max(axis=1, initial=0.0)
    quadratic = np.zeros(linear.size)
    if curved:
        quadratic[:curved] = (D * (E * E)).max(axis=1)
    # The positive root of quadratic·t² + linear·t = |r|, without cancellation.
    root = linear + np.sqrt(linear * linear + 4.0 * quadratic * np.abs(r))
    distances = np.concatenate([
        2.0 * np.abs(r) / _safe(root), np.abs(b) / _safe((absolute_A * E).max(axis=1, initial=0.0)),
        np.abs(lb) / E[low], np.abs(ub) / E[high]])
    distances = distances[distances > 0]
    if curved and distances.size:
        E = E * np.exp(np.log(distances).mean())
        size = max(float((absolute_q0 * E).max(initial=0.0)), float((D0 * E * E).max(initial=0.0)))
        c = 1.0 / size if size > 0 else 1.0
    # Finish with one exact pass over the rows.
    row = (absolute_q * E).max(axis=1, initial=0.0)
    if curved:
        row[:curved] = np.maximum(row[:curved], (D * (E * E)).max(axis=1))
    row = np.maximum(row, np.abs(r))
    equality_row = np.maximum((absolute_A * E).max(axis=1, initial=0.0), np.abs(b))
    return Scaling(1.0 / _safe(row), 1.0 / _safe(equality_row), np.clip(E, SMALLEST, LARGEST),
                   float(np.clip(c, SMALLEST, LARGEST)))
