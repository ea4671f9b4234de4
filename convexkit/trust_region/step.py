"""`trust_region_step`: the front door of the trust-region subproblem, and its routing by structure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf, sqrt
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse.linalg import LinearOperator, splu

from ..conjugate_gradient import CGStatus, conjugate_gradient
from ..errors import ProblemError
from ..operators import as_operator
from ..quadratic import Quadratic
from ..validation import as_count, as_real_array, as_symmetric, in_range
from .exact import exact_step, formed_operator
from .krylov import Product, ProductError
from .lanczos import dual_loss, lanczos_step
from .linear import linear_step, steepest_step
from .results import TrustRegionResult, TrustRegionStatus, zero_step

METHODS = ("auto", "exact", "lanczos", "truncated")
# Up to so many variables an operator is asked for all its columns: no more products than Lanczos may take, and a proof.
OPERATOR_SIZE = 64
# Sparse and factored models of more variables are taken by products; dense ones have paid for their n² entries.
FORMED_SIZE = 1000


def trust_region_step(model: Quadratic, *, radius: float, metric: Any = None, centre: Any = None,
                      inner_radius: float = 0.0, method: str = "auto", rtol: float = 1e-6, maxiter: int | None = None,
                      M: Any = None, x0: Any = None, min_eigenvalue: float | None = None) -> TrustRegionResult:
    """Minimise a quadratic model of a step p over ‖p‖_M ≤ radius, with ‖p‖²_M = pᵀ(metric)p.

        minimise  ½pᵀPp + gᵀp + r    subject to    ½(pᵀHp - radius²) ≤ 0,     H = metric, or I

    For an affine model the dual is solved in closed form, given H⁻¹g:

        L(p, lam) = gᵀp + lam·½(pᵀHp - radius²)    =>    p = -H⁻¹g / lam,
        g(lam)    = -½gᵀH⁻¹g / lam - ½lam·radius²  =>    lam = √(gᵀH⁻¹g) / radius.

    With radius = √(2·max_kl) and H the Fisher matrix that is TRPO's step. H⁻¹g comes from conjugate
    gradient, so H may be an operator. A model with curvature, definite or not, has a global minimiser p with

        (P + lam·H)p = -g,    P + lam·H ⪰ 0,    lam·(radius - ‖p‖) = 0,

    whose dual value proves it. `method` says how it is found; "auto" goes by the structure:

    - "exact", where P is an array, or sparse or factored with up to 1000 variables, or an operator of up to 64:
      Cholesky factors (Moré & Sorensen), an eigendecomposition where that is cheaper or safer; hard case included;
    - "lanczos", where P is an operator, or large: the exact minimiser over a growing Krylov space, until its
      residual and what it seems to miss are below rtol. A second start then looks for directions of negative curvature
      that the gradient does not reach, the hard case among them;
    - "truncated": conjugate gradient cut off at the boundary (Steihaug), the cheapest, an approximation.

    Parameters
    ----------
    model : Quadratic in the step
    radius : float > 0, in the units of ‖p‖_M
    metric : (n, n) array, sparse, LinearOperator, callable or None; symmetric positive definite
    centre : (n,) array, optional
        The region is ‖p - centre‖_M ≤ radius instead.
    inner_radius : float in [0, radius]
        The region is inner_radius ≤ ‖p - centre‖_M ≤ radius instead; duality is tight here too.
    method : "auto", "exact", "lanczos" or "truncated"; an affine model has its closed form whatever is asked
    rtol : float, relative tolerance of conjugate gradient and Lanczos; the exact method has its own
    maxiter : int, optional, iterations of CG, or products of Lanczos; 10·n if omitted
    M : as metric, optional, an approximation of the metric's inverse, for systems with the metric
    x0 : (n,) array, optional, a guess of H⁻¹g for affine models
    min_eigenvalue : float, optional
        For an affine model a known lower bound on the eigenvalues of the metric, otherwise one on those of P relative
        to the metric: P ⪰ min_eigenvalue·H. `damped` operators and factored models carry theirs. It turns a residual
        into a bound on the error of the step, and spares Lanczos the second start where it is close enough.

    Returns
    -------
    TrustRegionResult
        An unfinished run is used for what it is worth: the step is feasible, and `gap` tells the loss.

    Raises
    ------
    ProblemError
        For shapes that do not fit, radius ≤ 0, an unknown method, a P or metric seen not to be symmetric, or M
        with an operator P and no metric.

    Notes
    -----
    Costs: "exact" some five Cholesky factorizations, n³/3 each; "lanczos" a product and O(nk) operations for the k-th
    vector of the basis, which is kept (512 MB at most, then restarted). Boyd & Vandenberghe, section 5.2.4 and Appendix
    B.1; Conn, Gould & Toint, *Trust-Region Methods*, chapter 7; Gould, Lucidi, Roma & Toint 1999; Schulman et al.
    2015, Appendix C.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> H = np.array([[2.0, 0.0], [0.0, 8.0]])
    >>> step = ck.trust_region_step(ck.Quadratic(None, [2.0, 4.0]), radius=0.2, metric=H)
    >>> step.p.round(6), round(step.lam, 6), round(float(0.5 * step.p @ H @ step.p), 6)
    (array([-0.1 , -0.05]), 10.0, 0.02)

    The hard case: a saddle whose gradient misses the negative direction.

    >>> step = ck.trust_region_step(ck.Quadratic(np.diag([-2.0, 1.0]), [0.0, 3.0]), radius=2.0)
    >>> step.status.value, step.lam, abs(step.p).round(6), step.gap < 1e-12
    ('hard_case', 2.0, array([1.732051, 1.      ]), True)

    A million variables by products; that P ⪰ -I makes the bound a true one:

    >>> d = np.linspace(-1.0, 1.0, 1_000_000)
    >>> step = ck.trust_region_step(ck.Quadratic(lambda v: d * v, np.ones(d.size)), radius=1.0, min_eigenvalue=-1.0)
    >>> step.success, step.gap <= 1e-6 * abs(step.value), step.products < 20
    (True, True, True)
    """
    if not isinstance(model, Quadratic):
        raise ProblemError(f"model must be a Quadratic in the step; got {type(model).__name__}. "
                           "See linear_model and quadratic_model.")
    radius = in_range("radius", radius, 0.0, inf)
    inner = in_range("inner_radius", inner_radius, 0.0, radius, low_open=False, high_open=False)
    rtol = in_range("rtol", rtol, 0.0, 1.0, low_open=False)
    if maxiter is not None:
        maxiter = as_count("maxiter", maxiter)
    if min_eigenvalue is not None:
        min_eigenvalue = in_range("min_eigenvalue", min_eigenvalue, -inf, inf)
    if method not in METHODS:
        raise ProblemError(f"method = {method!r} is not known; choose one of {', '.join(map(repr, METHODS))}.")
    if centre is None:
        return _centred(model, radius, inner, metric, method, rtol, maxiter, M, x0, min_eigenvalue)
    centre = as_real_array("centre", centre).astype(model.q.dtype, copy=False)
    if centre.shape != (model.n,):
        raise ProblemError(f"centre has shape {centre.shape}; expected ({model.n},).")
    # With p = centre + u the model is ½uᵀPu + (g + P·centre)ᵀu + model(centre).
    slope = model.gradient(centre)
    value = 0.5 * float(centre @ (slope + model.q)) + model.r
    if not np.isfinite(slope).all() or not np.isfinite(value):
        return replace(zero_step(model, TrustRegionStatus.NUMERICAL_ERROR,
                                 "no step: the product of P and centre is not finite."), p=centre)
    moved = Quadratic._of(model.P, slope, value)
    step = _centred(moved, radius, inner, metric, method, rtol, maxiter, M, x0, min_eigenvalue)
    return replace(step, p=centre + step.p)


def _centred(model: Quadratic, radius: float, inner: float, metric: Any, method: str, rtol: float, maxiter: int | None,
             M: Any, x0: Any, min_eigenvalue: float | None) -> TrustRegionResult:
    if model.n == 0:
        return zero_step(model, TrustRegionStatus.STATIONARY, "there are no variables.")
    if model.is_affine:
        step = steepest_step(model, radius) if metric is None else linear_step(model, radius, metric, rtol, maxiter, M,
                                                                               x0, min_eigenvalue)
        return _pushed_out(model, step, inner, metric) if inner > 0 else step
    operator = model.structure == "operator"
    if operator and M is not None and metric is None:
        raise ProblemError("M cannot be combined with an operator P unless there is a metric: M stands for the "
                           "metric's inverse. Preconditioning P changes the norm of the region: give that as metric.")
    if method == "auto":
        small = model.n <= OPERATOR_SIZE and (maxiter is None or maxiter >= model.n)
        formed = small if operator else model.structure == "dense" or model.n <= FORMED_SIZE
        method = "exact" if formed else "lanczos"
    if method == "exact":
        if not operator:
            return exact_step(model, radius, metric, inner)
        P = formed_operator("P", model.P, model.n)
        return exact_step(Quadratic._of(P, model.q, model.r), radius, metric, inner, products=model.n)
    if metric is None and min_eigenvalue is None:
        # FᵀF + diag(d) ⪰ min(d)·I
        min_eigenvalue = float(model.P.diag.min()) if model.structure == "factored" else getattr(
            model.P, "min_eigenvalue", None)
    try:
        H, solve_H = (None, None) if metric is None else metric_products(metric, model, M)
    except LinAlgError:
        return zero_step(model, TrustRegionStatus.NUMERICAL_ERROR,
                         "no step: the metric is not positive definite; damp it with ck.damped.")
    dtype = model.q.dtype

    def P_times(v: np.ndarray) -> np.ndarray:
        return np.asarray(model.hessp(v)).astype(dtype, copy=False)

    if method == "truncated":
        if inner > 0:
            raise ProblemError(f"inner_radius = {inner:g} cannot be combined with method = 'truncated', which starts "
                               "at the centre; use 'exact' or 'lanczos'.")
        try:
            return _truncated(model, P_times, radius, rtol, maxiter, H, solve_H, min_eigenvalue)
        except ProductError as error:
            return zero_step(model, TrustRegionStatus.NUMERICAL_ERROR, f"no step: {error}")
    limit = max(10 * model.n, 100) if maxiter is None else maxiter
    return lanczos_step(model, P_times, radius, inner, rtol, limit, min_eigenvalue, H, solve_H)


def metric_products(metric: Any, model: Quadratic, M: Any) -> tuple[Product, Product]:
    """v -> Hv and v -> H⁻¹v: by a factorization of an array or sparse matrix, by conjugate gradient for an operator."""
    n, dtype = model.n, model.q.dtype
    solve: Callable[[np.ndarray], np.ndarray]
    if isinstance(metric, LinearOperator) or (callable(metric) and not sp.issparse(metric)):
        H = as_operator(metric, n, dtype=dtype)
        tight = 1e-12 if dtype == np.float64 else 1e-6

        def solve(v: np.ndarray) -> np.ndarray:
            found = conjugate_gradient(H, v, rtol=tight, M=M)
            if found.status is CGStatus.NONPOSITIVE_CURVATURE:
                raise ProductError(f"the metric is not positive definite: {found.message} Damp it with ck.damped.")
            if not found.relative_residual <= 1e3 * tight:
                raise ProductError(f"a system with the metric was not solved: {found.message} M, an approximation of "
                                   "the metric's inverse, helps.")
            return found.x
    else:
        if not sp.issparse(metric):
            metric = as_real_array("metric", metric)
        matrix = as_symmetric("metric", metric)
        if matrix.shape[0] != n:
            raise ProblemError(f"metric has shape {matrix.shape}; expected ({n}, {n}).")
        if sp.issparse(matrix):
            # Pivots on the diagonal: all positive for a positive definite matrix, and only then.
            try:
                lu = splu(sp.csc_matrix(matrix.astype(np.float64)), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                          options={"SymmetricMode": True})
            except RuntimeError:  # exactly singular
                raise LinAlgError from None
            if (lu.perm_r != lu.perm_c).any() or not lu.U.diagonal().min(initial=1.0) > 0:
                raise LinAlgError
            solve = lu.solve
        else:
            factor = cho_factor(matrix.astype(np.float64, copy=False))

            def solve(v: np.ndarray) -> np.ndarray:
                result: np.ndarray = cho_solve(factor, v)
                return result
        H = as_operator(matrix, n)
    return (lambda v: np.asarray(H @ v).astype(dtype, copy=False),
            lambda v: np.asarray(solve(v.astype(np.float64, copy=False) if not isinstance(metric, LinearOperator)
                                       and not callable(metric) else v)).astype(dtype, copy=False))


def _pushed_out(model: Quadratic, step: TrustRegionResult, inner: float, metric: Any) -> TrustRegionResult:
    """Without a slope every step has the same value; one on the inner boundary is as good as any."""
    if step.status is not TrustRegionStatus.STATIONARY:
        return step
    p = np.zeros_like(model.q)
    p[0] = 1.0
    square = 1.0 if metric is None else float(p @ (as_operator(metric, model.n, dtype=p.dtype) @ p))
    if not square > 0:
        return zero_step(model, TrustRegionStatus.NUMERICAL_ERROR,
                         "no step: the metric is not positive definite; damp it with ck.damped.")
    return TrustRegionResult(p * (inner / sqrt(square)), 0.0, model.r, model.r, TrustRegionStatus.STATIONARY, True,
                             "the gradient is zero; a step on the inner boundary.", 0)


def _truncated(model: Quadratic, P: Product, radius: float, rtol: float, maxiter: int | None, H: Product | None,
               solve_H: Product | None, sigma: float | None) -> TrustRegionResult:
    """Steihaug's step. Preconditioned by H⁻¹, conjugate gradient measures its length in the norm of H."""
    if not model.q.any():
        return zero_step(model, TrustRegionStatus.STATIONARY,
                         "the gradient is zero; truncated CG cannot leave a stationary point.")
    cg = conjugate_gradient(P, -model.q, rtol=rtol, maxiter=maxiter, radius=radius, M=solve_H)
    p = cg.x
    Hp = p if H is None else H(p)
    length = sqrt(max(float(p @ Hp), 0.0))
    # residual = -g - Pp; stationarity of the Lagrangian in the direction p: pᵀ(residual - lam·Hp) = 0
    outside = cg.status in (CGStatus.BOUNDARY, CGStatus.NONPOSITIVE_CURVATURE)
    lam = max(float(p @ cg.residual_vector), 0.0) / radius / radius if outside else 0.0
    status = TrustRegionStatus.TRUNCATED if outside or not cg.success else TrustRegionStatus.INTERIOR
    value = model(p)
    dual_value = -inf
    if sigma is not None and np.isfinite(value):
        rho = lam * Hp - cg.residual_vector
        square = float(rho @ (rho if solve_H is None else solve_H(rho)))
        # What truncated CG calls zero outside is off the boundary by rounding only.
        dual_value = value - dual_loss(sqrt(max(square, 0.0)), min(length, radius), lam, sigma, radius, 0.0,
                                       float(rho @ p))
    return TrustRegionResult(p, lam, value, dual_value, status, cg.status is not CGStatus.NUMERICAL_ERROR,
                             f"truncated CG: {cg.message}", cg.nit, cg, products=cg.products)
