"""A factor of a positive semidefinite matrix, P = FᵀF, in the cheapest structure that holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import eigh
from scipy.sparse.linalg import splu

from .definite import CONVEXITY_TOLERANCE, LARGE, cholesky, compressed, frobenius, norm_bound
from .matrices import FactoredMatrix
from .quadratic import Quadratic, formed


def factor_of(f: Quadratic) -> Any:
    """F with P = FᵀF, of shape (k, n), dense or CSR; k = 0 for an affine function. P has to be semidefinite.

    A factored P with diag ≥ 0 is taken as it is and a diagonal is read off; else one Cholesky factorization of the
    variables that P touches, or eigenvalues where it is singular. A sparse P that touches more than 1000 variables is
    factored by SuperLU, with 1e-12·‖P‖ added to its diagonal.

    >>> import numpy as np, convexkit as ck
    >>> from convexkit.quadratic import factor_of
    >>> F = factor_of(ck.Quadratic(np.array([[4.0, 2.0], [2.0, 1.0]])))
    >>> F.shape, (F.T @ F).round(12)
    ((1, 2), array([[4., 2.],
           [2., 1.]]))
    """
    P = formed(f)
    if P is None:
        return np.zeros((0, f.n))
    if isinstance(P, FactoredMatrix) and P.diag.min(initial=0.0) >= 0:
        if not P.diag.any():
            return P.factor
        own = np.flatnonzero(P.diag)
        rows = sp.csr_array((np.sqrt(P.diag[own]), (np.arange(own.size), own)), shape=(own.size, f.n))
        return sp.vstack([sp.csr_array(P.factor), rows], format="csr")
    if not sp.issparse(P):
        P = P if isinstance(P, np.ndarray) else P.toarray()
        touched = np.flatnonzero(P.any(axis=1))
        return _spread(_dense_factor(P[np.ix_(touched, touched)]), touched, f.n)
    touched, matrix = compressed(P)
    diagonal = matrix.diagonal()
    if matrix.nnz == np.count_nonzero(diagonal):
        root = sp.diags_array(np.sqrt(np.maximum(diagonal, 0.0)), format="csr")
    elif touched.size <= LARGE:
        return _spread(_dense_factor(matrix.toarray()), touched, f.n)
    else:
        root = _sparse_factor(matrix)
    place = sp.csr_array((np.ones(touched.size), (np.arange(touched.size), touched)), shape=(touched.size, f.n))
    return sp.csr_array(root @ place)


def _dense_factor(P: np.ndarray) -> np.ndarray:
    """Lᵀ of a Cholesky factorization where P is clearly definite, else √Λ Vᵀ of its positive eigenvalues."""
    factor, info = cholesky(P, 0.0)
    if info == 0 and factor.diagonal().min(initial=1.0) > 1e-5 * factor.diagonal().max(initial=1.0):
        return np.tril(factor).T
    values, vectors = eigh(P)
    kept = values > 1e-14 * len(P) * frobenius(P)
    return np.sqrt(values[kept])[:, None] * vectors[:, kept].T


def _sparse_factor(P: Any) -> Any:
    """√D Lᵀ of P + δI = L D Lᵀ, its columns back in P's order."""
    n = P.shape[0]
    shift = CONVEXITY_TOLERANCE * norm_bound(abs(P), P.data)
    lu = splu((P + shift * sp.eye_array(n, format="csr")).tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
              options={"SymmetricMode": True})
    root = sp.diags_array(np.sqrt(np.maximum(lu.U.diagonal(), 0.0))) @ lu.L.T
    return sp.csr_array(root)[:, lu.perm_c]


def _spread(F: np.ndarray, touched: np.ndarray, n: int) -> Any:
    """The columns of F at their places among n."""
    if touched.size == n:
        return F
    if touched.size > n // 4:
        full = np.zeros((len(F), n))
        full[:, touched] = F
        return full
    rows, columns = np.nonzero(F)
    return sp.csr_array((F[rows, columns], (rows, touched[columns])), shape=(len(F), n))
