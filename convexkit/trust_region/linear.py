"""Affine models: the dual in closed form, given H⁻¹g by conjugate gradient."""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh

from ..conjugate_gradient import CGStatus, conjugate_gradient
from ..operators import as_operator
from ..quadratic import CONVEXITY_TOLERANCE, Quadratic
from ..validation import as_symmetric
from .exact import ASYMMETRY, asymmetric
from .results import TrustRegionResult, TrustRegionStatus, zero_step

# A metric given as an array of at most this size is asked for its smallest eigenvalue (a few ms), so that
# the step comes with a finite bound on its error.
EIGENVALUE_SIZE = 300


def steepest_step(model: Quadratic, radius: float) -> TrustRegionResult:
    """Without a metric: straight downhill to the boundary."""
    g_norm = float(np.linalg.norm(model.q))
    if g_norm == 0.0:
        return zero_step(model, TrustRegionStatus.STATIONARY, "the gradient is zero.")
    lam = g_norm / radius
    p = -model.q / lam
    return TrustRegionResult(p, lam, model(p), model.r - g_norm * radius, TrustRegionStatus.BOUNDARY, True,
                             "steepest descent to the boundary.", 0)


def linear_step(model: Quadratic, radius: float, metric: Any, rtol: float, maxiter: int | None, M: Any, x0: Any,
                min_eigenvalue: float | None) -> TrustRegionResult:
    """With a metric: p = -H⁻¹g/lam, lam = √(gᵀH⁻¹g)/radius."""
    g = model.q
    # An operator's own dtype is only a hint; products follow the type of g.
    H = as_operator(metric, model.n, dtype=g.dtype)
    if min_eigenvalue is None:
        min_eigenvalue = getattr(H, "min_eigenvalue", None)
        if min_eigenvalue is None and isinstance(metric, np.ndarray) and model.n <= EIGENVALUE_SIZE:
            matrix = as_symmetric("metric", metric)
            min_eigenvalue = float(eigvalsh(matrix, subset_by_index=[0, 0])[0])
            # Conjugate gradient may not meet the negative direction; the eigenvalue has already told.
            if min_eigenvalue < -CONVEXITY_TOLERANCE * float(np.linalg.norm(matrix)):
                return zero_step(model, TrustRegionStatus.NUMERICAL_ERROR,
                                 f"no step: the metric has the eigenvalue {min_eigenvalue:.1e}; it must be positive "
                                 "definite; damp it with ck.damped.")
    if not g.any():
        return zero_step(model, TrustRegionStatus.STATIONARY, "the gradient is zero.")
    cg = conjugate_gradient(H, g, x0, rtol=rtol, maxiter=maxiter, M=M, keep=1)
    v, residual = cg.x, cg.residual_vector
    if cg.pairs is not None and np.isfinite(residual).all():
        # One direction d with its product, and Hv = g - residual: vᵀHd and dᵀHv say for nothing whether H is symmetric.
        d, Hd = cg.pairs[0][:, 0], cg.pairs[1][:, 0]
        size = float(np.linalg.norm(v) * np.linalg.norm(Hd) + np.linalg.norm(d) * np.linalg.norm(g - residual))
        error = abs(float(v @ Hd) - float(d @ (g - residual)))
        if error > ASYMMETRY.get(g.dtype, 1e-4) * size:
            raise asymmetric("metric", error / size)
    # vᵀHv = vᵀ(g - residual): no further product.
    vHv = float(v @ (g - residual))
    if cg.status is CGStatus.NONPOSITIVE_CURVATURE or not np.isfinite(vHv) or vHv <= 0:
        return zero_step(model, TrustRegionStatus.NUMERICAL_ERROR,
                         f"no step: {cg.message} The metric must be positive definite; damp it with ck.damped.",
                         cg.nit, cg)
    # Scaling v to the boundary makes the step feasible whatever CG left over.
    lam = sqrt(vHv) / radius
    p = -v / lam
    # gᵀH⁻¹g = vᵀg + vᵀresidual + residualᵀH⁻¹residual ≤ ... + ‖residual‖² / min_eigenvalue
    missed = cg.residual**2
    if missed > 0:
        missed = missed / min_eigenvalue if min_eigenvalue is not None and min_eigenvalue > 0 else inf
    gHg = max(float(v @ g) + float(v @ residual) + missed, 0.0)
    # The optimal value is -radius·√(gᵀH⁻¹g), which is also the largest value of the dual.
    return TrustRegionResult(p, lam, model(p), model.r - radius * sqrt(gHg), TrustRegionStatus.BOUNDARY, True,
                             f"CG {cg.status} after {cg.nit} iterations; multiplier {lam:.3g}.", cg.nit, cg)
