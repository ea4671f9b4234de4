"""The direction in which a quadratic curves least."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh
from scipy.sparse.linalg import ArpackError, eigsh

from .definite import LARGE, compressed
from .matrices import FactoredMatrix, SummedMatrix
from .quadratic import Quadratic, formed


def falling_direction(f: Quadratic) -> tuple[float, np.ndarray]:
    """(dᵀPd, d) with ‖d‖ = 1 for the direction d in which P curves least: an eigenpair for what is dense or small.

    O(n³) for dense P. For large sparse and factored P by the Lanczos method, to a percent of ‖P‖'s range.
    """
    P = formed(f)
    d = np.zeros(f.n)
    if sp.issparse(P):
        touched, matrix = compressed(P)
        if touched.size > LARGE:
            d[touched] = _lanczos(matrix)
        elif touched.size:
            d[touched] = eigh(matrix.toarray(), subset_by_index=[0, 0])[1][:, 0]
    elif isinstance(P, (FactoredMatrix, SummedMatrix)) and f.n > LARGE:
        d = _lanczos(P)
    elif P is not None:
        d = eigh(P if isinstance(P, np.ndarray) else P.toarray(), subset_by_index=[0, 0])[1][:, 0]
    return float(d @ f.hessp(d)), d


def _lanczos(P: Any) -> np.ndarray:
    # The start is fixed and has a share of every variable, no two alike.
    start = 1.0 + np.modf(np.arange(P.shape[0]) * 0.6180339887498949)[0]
    try:
        return eigsh(P, k=1, which="SA", v0=start, tol=1e-2)[1][:, 0]
    except ArpackError as error:
        vectors = getattr(error, "eigenvectors", None)
        return vectors[:, 0] if vectors is not None and vectors.size else start / np.linalg.norm(start)
