"""Equalities on their own: which rows are independent, whether they agree, and problems that have nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lstsq, qr, solve_triangular, svd

from ..quadratic import Quadratic, minimum

# A pivot below this share of the largest, rows being of size one, marks a dependent row; a right-hand side that
# differs from the combination of the others by more than this share of their terms contradicts them.
DEPENDENT = 1e-10
# Shares of a combination of rows below this are rounding.
NEGLIGIBLE = 1e-13


@dataclass(frozen=True)
class Independence:
    """`kept`: indices of independent rows, in order. `contradiction`: ν with Aᵀν = 0 and bᵀν < 0, or None."""

    kept: np.ndarray
    contradiction: np.ndarray | None


def independent_rows(A: np.ndarray, b: np.ndarray) -> Independence:
    """Split the rows of Ax = b by a pivoted QR factorization of Aᵀ. O(n p²).

        Aᵀ Π = Q [R₁ R₂]   =>   dependent rows = Yᵀ · independent rows,  R₁Y = R₂
    """
    p = b.size
    if p == 0:
        return Independence(np.arange(0), None)
    R, pivots = qr(A.T, mode="r", pivoting=True, check_finite=False)
    sizes = np.abs(np.diagonal(R))
    rank = int(np.count_nonzero(sizes > DEPENDENT * sizes[0])) if sizes.size and sizes[0] > 0 else 0
    if rank == p:
        return Independence(np.arange(p), None)
    kept, dependent = pivots[:rank], pivots[rank:]
    Y = solve_triangular(R[:rank, :rank], R[:rank, rank:]) if rank else np.zeros((0, p))
    return independence(b, kept, dependent, Y)


def independence(b: np.ndarray, kept: np.ndarray, dependent: np.ndarray, Y: np.ndarray) -> Independence:
    """What the right-hand sides say of dependent rows = Yᵀ · kept rows, the rows being of comparable size."""
    # What rounding leaves of a zero in Y would count where the other right-hand sides are zero.
    Y = np.where(np.abs(Y) > NEGLIGIBLE * np.abs(Y).max(axis=0, initial=1.0), Y, 0.0)
    mismatch = b[dependent] - Y.T @ b[kept]
    terms = np.abs(b[dependent]) + np.abs(Y).T @ np.abs(b[kept])
    # As everywhere, a right-hand side below 1e-14 of its row is zero.
    terms = np.where(np.abs(mismatch) <= 1e-14 * (1.0 + np.abs(Y).sum(axis=0)), np.inf, terms)
    share = np.abs(mismatch) / np.where(terms > 0, terms, 1.0)
    worst = int(np.argmax(share))
    contradiction = None
    if share[worst] > DEPENDENT:
        contradiction = np.zeros(b.size)
        contradiction[dependent[worst]] = 1.0
        contradiction[kept] = -Y[:, worst]
        contradiction *= -np.sign(mismatch[worst]) / abs(mismatch[worst])
    return Independence(np.sort(kept), contradiction)


def minimise_on_subspace(f: Quadratic, A: np.ndarray, b: np.ndarray
                         ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Minimise f(x) subject to Ax = b with independent rows, by elimination: x = x₀ + Zy with AZ = 0.

    Returns
    -------
    x, nu : a minimiser and ν with ∇f(x) + Aᵀν = 0, as nearly as f is bounded
    direction : a d with Ad = 0 along which f falls without end, or None

    Notes
    -----
    One singular value decomposition and one factorization, O(n³), whatever the rank of P.
    """
    n = f.n
    if b.size:
        U, sizes, Vt = svd(A, full_matrices=True, check_finite=False)
        x0 = Vt[:b.size].T @ ((U.T @ b) / sizes)
        Z = Vt[b.size:].T
    else:
        x0, Z = np.zeros(n), np.eye(n)
    P = f.hessian()
    slope = P @ x0 + f.q
    reduced = Z.T @ P @ Z
    if np.abs(reduced).max(initial=0.0) <= 1e-13 * np.abs(P).max(initial=0.0):
        reduced = np.zeros_like(reduced)  # P is flat on the whole subspace, and this is rounding
    _, y, leftover = minimum(Quadratic(reduced, Z.T @ slope, 0.0))
    if y is None:
        y = np.zeros(Z.shape[1])
    x = x0 + Z @ y
    gradient = P @ x + f.q
    nu = -lstsq(A.T, gradient, check_finite=False)[0] if b.size else np.zeros(0)
    size = float(np.abs(leftover).max(initial=0.0))
    # Slopes of rounding size, against the terms they were summed from, are zero.
    terms = float(np.abs(f.q).max(initial=0.0)) + float((np.abs(P) @ np.abs(x0)).max(initial=0.0))
    if size <= 1e-9 * terms:
        return x, nu, None
    direction = -(Z @ leftover) / float(np.abs(Z @ leftover).max())
    direction[np.abs(direction) <= 1e-12] = 0.0  # rounding, in which P may seem to bend
    return x, nu, direction
