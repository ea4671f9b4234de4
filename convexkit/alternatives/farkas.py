"""The lemma of Farkas, by projection on a cone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from ..validation import as_matrix, as_vector, dense

# A sum that should vanish, or be nonpositive, relative to its terms.
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class FarkasAlternative:
    """Which of  Ax ≤ 0, cᵀx < 0  and  Aᵀy + c = 0, y ≥ 0  has a solution, with that solution.

    Attributes
    ----------
    first : bool; True if x solves the first system, False if y solves the second
    x : (n,) array or None, of length 1
    y : (m,) array or None
    residual : float, how far the solution is from solving its equations, relative to their terms

    Examples
    --------
    >>> import convexkit as ck
    >>> A = [[1.0, -2.0], [-1.0, -1.0], [2.0, 1.0]]
    >>> ck.farkas(A, [1.0, 1.0]).y
    array([0., 1., 0.])
    """

    first: bool
    x: np.ndarray | None
    y: np.ndarray | None
    residual: float

    def verify(self, A: Any, c: Any, *, tol: float = ROUNDING) -> bool:
        """Whether the solution solves its system on these data: equations and rows to `tol` of their terms."""
        c = as_vector("c", c)
        A = as_matrix("A", A, c.size)
        if self.first:
            assert self.x is not None
            terms = np.linalg.norm(dense(A), axis=1) * np.linalg.norm(self.x)
            return bool((A @ self.x <= tol * terms).all() and c @ self.x < -tol * (np.abs(c) @ np.abs(self.x)))
        assert self.y is not None
        terms = np.abs(dense(A)).T @ np.abs(self.y) + np.abs(c)
        return bool((self.y >= 0).all() and (np.abs(A.T @ self.y + c) <= tol * terms.max(initial=0.0)).all())


def farkas(A: Any, c: Any) -> FarkasAlternative:
    """Exactly one of two systems has a solution:   Ax ≤ 0, cᵀx < 0   or   Aᵀy + c = 0, y ≥ 0.

    Project -c on the cone {Aᵀy : y ≥ 0}. What is left over, x = -(Aᵀy + c), is zero, or else solves the first system:

        Ax ≤ 0,   yᵀAx = 0   =>   cᵀx = -‖x‖²

    Parameters
    ----------
    A : (m, n) array or sparse (taken as dense)
    c : (n,) array

    Returns
    -------
    FarkasAlternative

    Notes
    -----
    Least squares with y ≥ 0 by an active-set method, exact up to rounding; x is decided to be zero below 1e-10 of the
    terms of Aᵀy + c. y has at most n nonzeros. Boyd & Vandenberghe, section 5.8.3; the other form, of
    Ax ≤ b against Aᵀy = 0, bᵀy < 0, y ≥ 0, is `alternative` of the problem with these rows.

    Examples
    --------
    >>> import convexkit as ck
    >>> A = [[1.0, -2.0], [-1.0, -1.0], [2.0, 1.0]]
    >>> answer = ck.farkas(A, [-1.0, -4.0])
    >>> answer.first, answer.verify(A, [-1.0, -4.0])
    (True, True)
    """
    c = as_vector("c", c)
    A = dense(as_matrix("A", A, c.size))
    if not A.shape[0] or not c.any():
        return FarkasAlternative(bool(c.any()), -c / np.linalg.norm(c) if c.any() else None,
                                 None if c.any() else np.zeros(A.shape[0]), 0.0)
    # Rows of length 1, so that what is active does not depend on their units.
    lengths = np.linalg.norm(A, axis=1)
    units = A / np.where(lengths > 0, lengths, 1.0)[:, None]
    weights, _ = nnls(units.T, -c / np.linalg.norm(c), maxiter=30 * max(A.shape))
    weights[weights <= 8 * np.finfo(float).eps * weights.max()] = 0.0
    y = np.linalg.norm(c) * weights / np.where(lengths > 0, lengths, 1.0)
    left = A.T @ y + c
    terms = (np.abs(A).T @ y + np.abs(c)).max()
    residual = float(np.abs(left).max() / terms)
    if residual <= 1e-10:
        return FarkasAlternative(False, None, y, residual)
    x = -left / np.linalg.norm(left)
    return FarkasAlternative(True, x, None, float(np.maximum(units @ x, 0.0).max()))
