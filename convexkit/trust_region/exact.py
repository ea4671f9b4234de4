"""Models whose matrix is at hand: the global minimiser, hard case included, with the dual value as its proof."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import LinAlgError, cholesky, eigh, solve_triangular
from scipy.linalg.lapack import dsygst
from scipy.sparse.linalg import LinearOperator

from ..errors import ProblemError
from ..operators import as_operator
from ..quadratic import Quadratic
from ..validation import as_real_array, as_symmetric
from .cholesky import more_sorensen
from .results import TrustRegionResult, TrustRegionStatus, zero_step
from .secular import solve_secular

# Up to this size an eigendecomposition takes no longer than the few Cholesky factorizations that can replace it.
EIGEN_SIZE = 40
# An operator or a product may be this far from symmetric, relative to its size, by rounding or finite differences.
ASYMMETRY = {np.dtype(np.float64): 1e-4, np.dtype(np.float32): 1e-2}


def formed_metric(metric: Any, n: int) -> np.ndarray | None:
    """The metric as a dense symmetric array."""
    if metric is None:
        return None
    if isinstance(metric, LinearOperator) or (callable(metric) and not sp.issparse(metric)):
        return formed_operator("metric", metric, n)
    metric = as_real_array("metric", metric.toarray() if hasattr(metric, "toarray") else metric)
    H: np.ndarray = as_symmetric("metric", metric)
    if H.shape[0] != n:
        raise ProblemError(f"metric has shape {H.shape}; expected ({n}, {n}).")
    return H


def formed_operator(name: str, A: Any, n: int, dtype: Any = np.float64) -> np.ndarray:
    """An operator as a symmetric array, from n products; refused if it is not symmetric."""
    dense = np.asarray(as_operator(A, n) @ np.eye(n, dtype=dtype))
    if not np.isfinite(dense).all():
        return dense
    worst = float(np.abs(dense - dense.T).max(initial=0.0))
    size = float(np.abs(dense).max(initial=0.0))
    if worst > ASYMMETRY.get(dense.dtype, 1e-4) * size:
        raise asymmetric(name, worst / size)
    return (dense + dense.T) / 2


def asymmetric(name: str, error: float) -> ProblemError:
    """The complaint about an operator that is not symmetric."""
    return ProblemError(f"{name} is not symmetric: uᵀ({name})v and vᵀ({name})u differ by {error:.1e} of its size. "
                        "Give the symmetric part, (A + Aᵀ)/2, which has the same values.")


def exact_step(model: Quadratic, radius: float, metric: Any, inner: float = 0.0, *, products: int = 0,
               eigen: bool = False) -> TrustRegionResult:
    """Global minimiser by Moré and Sorensen's method, or from P V = H V diag(w), VᵀHV = I.

    With p = Vy the pencil leaves ½Σwᵢyᵢ² + cᵀy over ‖y‖ ≤ radius. The eigendecomposition takes some twenty times as
    long as a Cholesky factorization, and has the last digits next to the hard case: it is the way back for the other.
    """
    # In float64 whatever the model's type: the hard case is decided at 1e-12 of the eigenvalues.
    P = np.asarray(model.hessian(), dtype=np.float64)
    g = model.q.astype(np.float64, copy=False)
    H = formed_metric(metric, model.n)
    if not np.isfinite(P).all():
        return zero_step(model, TrustRegionStatus.NUMERICAL_ERROR, "no step: a product with P is not finite.",
                         products=products)
    factor = None
    try:
        if H is not None:
            H = H.astype(np.float64, copy=False)
            if not np.isfinite(H).all():
                raise LinAlgError
            factor = cholesky(H, lower=True)
    except LinAlgError:
        return zero_step(model, TrustRegionStatus.NUMERICAL_ERROR,
                         "no step: the metric is not positive definite; damp it with ck.damped.", products=products)
    if not eigen and model.n > EIGEN_SIZE and inner == 0.0:
        A, b = P, g
        if factor is not None:
            # u = Lᵀp has the Euclidean norm that p has in the metric H = LLᵀ.
            lower = dsygst(P, factor, lower=1)[0]
            A = np.tril(lower) + np.tril(lower, -1).T
            b = solve_triangular(factor, g, lower=True)
        found = more_sorensen(A, b, radius)
        if found is not None:
            p = found.y if factor is None else solve_triangular(factor, found.y, lower=True, trans=1)
            return _result(model, p, found, f"{found.nit} Cholesky factorizations", products)
    w, V = eigh(P, H)
    found = solve_secular(w, V.T @ g, radius, inner)
    return _result(model, V @ found.y, found, f"smallest eigenvalue {w[0]:.3g}", products)


def _result(model: Quadratic, p: np.ndarray, found: Any, how: str, products: int) -> TrustRegionResult:
    p = p.astype(model.q.dtype, copy=False)
    where = "on the inner boundary" if found.lam < 0 else str(found.status)
    return TrustRegionResult(p, found.lam, model(p), model.r + found.dual_value, found.status, True,
                             f"{where}; multiplier {found.lam:.3g}, {how}.", found.nit, products=products)
