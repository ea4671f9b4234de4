"""The positive semidefinite cone: the one set of chapter 2 that is not stated by quadratics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh

from ..validation import as_symmetric, dense


@dataclass(frozen=True, eq=False)
class SemidefiniteProjection:
    """The positive semidefinite matrix nearest to A in the Frobenius norm, and why none is nearer.

    Attributes
    ----------
    X : (n, n) array, X ⪰ 0
    Z : (n, n) array, the multiplier of X ⪰ 0: X - A = Z ⪰ 0 with tr(XZ) = 0
    distance : float, ‖A - X‖_F = ‖Z‖_F
    eigenvalues : (n,) array of A, ascending

    Examples
    --------
    >>> import convexkit as ck
    >>> found = ck.project_semidefinite([[1.0, 2.0], [2.0, 1.0]])               # eigenvalues -1 and 3
    >>> found.X.round(6), found.Z.round(6), round(found.distance, 6)
    (array([[1.5, 1.5], [1.5, 1.5]]), array([[ 0.5, -0.5], [-0.5,  0.5]]), 1.0)
    """

    X: np.ndarray
    Z: np.ndarray
    distance: float
    eigenvalues: np.ndarray


def project_semidefinite(A: Any) -> SemidefiniteProjection:
    """The nearest positive semidefinite matrix: negative eigenvalues are set to zero.

        minimise ½‖X - A‖²_F   subject to  X ⪰ 0

    Parameters
    ----------
    A : (n, n) array or sparse, symmetric

    Raises
    ------
    ProblemError
        If A is not square, not symmetric, or has NaN.

    Notes
    -----
    One eigendecomposition, O(n³). A = X - Z splits A between the cone and its polar (Moreau). Boyd & Vandenberghe,
    sections 2.2.5 and 8.1.1.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> found = ck.project_semidefinite(np.diag([3.0, -4.0]))
    >>> found.X, found.distance
    (array([[3., 0.], [0., 0.]]), 4.0)
    """
    matrix = np.asarray(dense(as_symmetric("A", A)), dtype=np.float64)
    w, V = eigh(matrix)
    X = (V * np.maximum(w, 0.0)) @ V.T + 0.0
    Z = (V * np.maximum(-w, 0.0)) @ V.T + 0.0
    return SemidefiniteProjection(X, Z, float(np.linalg.norm(np.minimum(w, 0.0))), w)
