"""What a problem's quadratics and rows are at a point, many of them in one pass over their data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..quadratic import CHUNK, Quadratic, entry_size, runs, stacked
from ..validation import dense

# Cancellation below this share of a row's terms is left out of account.
NOTICEABLE = 1e-10
EPS = float(np.finfo(float).eps)


def coefficient_size(f: Quadratic) -> float:
    """Largest coefficient of q, and of P where it can be read off."""
    size = float(np.abs(f.q).max(initial=0.0))
    if f.structure == "operator":
        return max(size, 1.0)
    if f.structure == "dense":
        return max(size, float(np.abs(f.P.diagonal()).max(initial=0.0)))
    return size if f.P is None else max(size, entry_size(f.P))


def row_floor(constant: Any, coefficient: Any) -> np.ndarray:
    """What a row's residual is measured against at least: min(1, coefficient) if its constant is zero, else 0.

    A row such as x² ≤ 0 or x - y ≤ 0 has no size of its own near x = 0. A constant below 1e-14 of the largest
    coefficient is the rounding of zero.
    """
    return np.where(np.abs(constant) <= 1e-14 * np.asarray(coefficient), np.minimum(1.0, coefficient), 0.0)


@dataclass(frozen=True, eq=False)
class AtPoint:
    """m quadratics at a point x; all arrays (m,) but `slope`.

    Attributes
    ----------
    half, linear, constant : ½xᵀPᵢx, qᵢᵀx, rᵢ
    linear_terms : |qᵢ|ᵀ|x|
    largest : `coefficient_size` of each
    curvature : the size of the terms of xᵀPᵢx: Σ |Pⱼⱼ|xⱼ² of a dense Pᵢ, Σ |Pⱼₖ|xₖ² of a sparse one, ‖|F||x|‖² +
        Σ |dⱼ|xⱼ² of a factored one, and ‖Pᵢ|x|‖·‖x‖ of an operator if `operators` is set, else 0
    lost : a bound on what rounding can take off ½xᵀPᵢx, where it exceeds a share of terms; else 0, and 0 of an operator
        unless `operators` is set
    slope : (n,) array Σ lamᵢ(Pᵢx + qᵢ)
    slope_size : float, largest |entry| of any lamᵢ(Pᵢx + qᵢ)
    """

    half: np.ndarray
    linear: np.ndarray
    constant: np.ndarray
    linear_terms: np.ndarray
    largest: np.ndarray
    curvature: np.ndarray
    lost: np.ndarray
    slope: np.ndarray
    slope_size: float

    @property
    def values(self) -> np.ndarray:
        """fᵢ(x)."""
        return self.half + self.linear + self.constant

    @property
    def terms(self) -> np.ndarray:
        """|½xᵀPᵢx| + |qᵢ|ᵀ|x| + |rᵢ|."""
        return np.abs(self.half) + self.linear_terms + np.abs(self.constant)


def at_point(quadratics: Sequence[Quadratic], x: np.ndarray, lam: np.ndarray | None = None, *,
             noticeable: float = NOTICEABLE, operators: bool = False) -> AtPoint:
    """`AtPoint` of quadratics; `lost` is kept where it exceeds `noticeable` of the terms and the row's floor.

    One product with each P, a second one with an operator for its `curvature`. Everything else is done for as many
    quadratics at once as fit into the cache.
    """
    n, m = x.size, len(quadratics)
    ax, squares = np.abs(x), x * x
    half, linear, linear_terms, largest, curvature, lost = (np.zeros(m) for _ in range(6))
    constant = np.array([f.r for f in quadratics], dtype=np.float64)
    slope, slope_size = np.zeros(n), 0.0
    for part in runs([n] * m):
        members = quadratics[part]
        q = stacked([f.q for f in members])
        work = np.abs(q)
        largest[part], linear_terms[part] = work.max(axis=1), work @ ax
        linear[part] = q @ x
        slopes = np.zeros(q.shape)
        dense_ones, diagonals = _products(members, x, ax, squares, slopes, largest[part], curvature[part], lost[part])
        half[part] = 0.5 * (slopes @ x)
        if operators:
            for i, f in enumerate(members, start=part.start):
                if f.structure == "operator":
                    curvature[i] = np.linalg.norm(f.hessp(ax)) * np.linalg.norm(ax)
                    lost[i] = 2.0 * EPS * curvature[i]
        terms = np.abs(half[part]) + linear_terms[part] + np.abs(constant[part])
        limit = noticeable * np.maximum(terms, row_floor(constant[part], largest[part]))
        # (Σ √Pⱼⱼ|xⱼ|)² ≤ n·Σ Pⱼⱼxⱼ² spares most dense P the roots.
        far = 2.0 * EPS * n * curvature[part][dense_ones] > 0.5 * limit[dense_ones]
        lost[part][dense_ones[far]] = 2.0 * EPS * (np.sqrt(diagonals[far]) @ ax) ** 2
        for i in dense_ones[far]:
            if lost[part][i] > limit[i]:  # where it matters, |x|ᵀ|P||x| itself
                lost[part][i] = 2.0 * EPS * float(ax @ (np.abs(members[i].P) @ ax))
        lost[part][lost[part] <= limit] = 0.0
        if lam is not None and (active := np.flatnonzero(lam[part])).size:
            weights = lam[part][active]
            slopes += q
            if active.size < len(members):
                slopes = slopes[active]
            slope += weights @ slopes
            np.abs(slopes, out=slopes)
            slope_size = max(slope_size, float((np.abs(weights) * slopes.max(axis=1)).max()))
    return AtPoint(half, linear, constant, linear_terms, largest, curvature, lost, slope, slope_size)


def _products(members: Sequence[Quadratic], x: np.ndarray, ax: np.ndarray, squares: np.ndarray, products: np.ndarray,
              largest: np.ndarray, curvature: np.ndarray, lost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write Px of each member into the rows of `products`, and what else P says into the other three.

    Rounding takes a few eps of ½|x|ᵀ|P||x| off ½xᵀPx. Along a flat direction of P the form stays small while its terms
    grow, and far out nothing of it is left. Bounds that cost no more than the product:

        dense, P ⪰ 0       (Σ √Pⱼⱼ|xⱼ|)², left to the caller, who gets which members are dense and their |diagonals|
        sparse             Σ |Pᵢⱼ| xⱼ², over the entries
        FᵀF + diag(d)      ‖|F||x|‖² + Σ |dⱼ|xⱼ²
    """
    factors: dict[int, list[int]] = {}
    dense_ones = []
    for i, f in enumerate(members):
        P = f.P
        if P is None:
            continue
        if f.structure == "dense":
            products[i] = P @ x
            dense_ones.append(i)
        elif f.structure == "sparse":
            products[i] = P @ x
            if P.nnz:
                entries = np.abs(P.data)
                curvature[i] = entries @ squares[P.indices]
                largest[i] = max(largest[i], entries.max())
                lost[i] = 2.0 * EPS * curvature[i]
        elif f.structure == "factored":
            if P.factor.size > CHUNK or sp.issparse(P.factor):
                y, ay = P.factor @ x, abs(P.factor) @ ax
                products[i] = P.factor.T @ y + P.diag * x
                curvature[i] = ay @ ay + np.abs(P.diag) @ squares
                largest[i] = max(largest[i], entry_size(P))
                lost[i] = 2.0 * EPS * curvature[i]
            else:
                factors.setdefault(P.factor.shape[0], []).append(i)
        else:
            products[i] = f.hessp(x)
            largest[i] = max(largest[i], 1.0)
    for k, chosen in factors.items():
        diag = stacked([members[i].P.diag for i in chosen])
        step, bend, big = diag * x, np.abs(diag) @ squares, np.abs(diag).max(axis=1)
        for part in runs([k * x.size] * len(chosen)) if k else ():
            stack = np.concatenate([members[i].P.factor for i in chosen[part]])
            step[part] += np.einsum("mkn,mk->mn", stack.reshape(-1, k, x.size), (stack @ x).reshape(-1, k))
            np.abs(stack, out=stack)
            bend[part] += ((stack @ ax).reshape(-1, k) ** 2).sum(axis=1)
            big[part] = np.maximum(big[part], stack.reshape(-1, k * x.size).max(axis=1) ** 2)
        products[chosen], curvature[chosen], lost[chosen] = step, bend, 2.0 * EPS * bend
        largest[chosen] = np.maximum(largest[chosen], big)
    diagonals = np.zeros((0, x.size))
    if dense_ones:
        diagonals = np.abs(stacked([members[i].P.diagonal() for i in dense_ones]))
        curvature[dense_ones] = diagonals @ squares
        largest[dense_ones] = np.maximum(largest[dense_ones], diagonals.max(axis=1))
    return np.array(dense_ones, dtype=np.intp), diagonals


def row_largest(matrix: Any) -> np.ndarray:
    """Largest |entry| of each row of a dense or sparse matrix."""
    return row_terms(matrix, np.zeros(matrix.shape[1]))[1]


def row_terms(matrix: Any, ax: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|matrix|·ax and the largest |entry| of each row, of a dense matrix without a copy of it."""
    if 0 in matrix.shape:
        return np.zeros(matrix.shape[0]), np.zeros(matrix.shape[0])
    if sp.issparse(matrix):
        magnitude = abs(matrix)
        return magnitude @ ax, dense(magnitude.max(axis=1)).reshape(-1)
    terms, largest = np.empty(matrix.shape[0]), np.empty(matrix.shape[0])
    for part in runs([matrix.shape[1]] * matrix.shape[0]):
        magnitude = np.abs(matrix[part])
        terms[part], largest[part] = magnitude @ ax, magnitude.max(axis=1)
    return terms, largest
