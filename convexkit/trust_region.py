"""The trust-region subproblem: one quadratic model, one centred quadratic constraint, one multiplier."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from math import inf, sqrt
from typing import Any

import numpy as np
from scipy.linalg import LinAlgError, eigh, eigvalsh
from scipy.sparse.linalg import LinearOperator

from .conjugate_gradient import CGResult, CGStatus, conjugate_gradient
from .errors import ProblemError
from .operators import as_operator
from .quadratic import CONVEXITY_TOLERANCE, Quadratic
from .validation import as_real_array, as_symmetric, in_range

# A metric given as an array of at most this size is asked for its smallest eigenvalue (a few ms), so that
# the step comes with a finite bound on its error.
EIGENVALUE_SIZE = 300


class TrustRegionStatus(str, Enum):
    """Where the step ended.

    `stationary`: the gradient is zero and the step too. `numerical_error`: the metric or the gradient is
    not usable, the message says why, and the step is zero.

    >>> import convexkit as ck
    >>> [status.value for status in ck.TrustRegionStatus][:3]
    ['boundary', 'interior', 'hard_case']
    """

    BOUNDARY = "boundary"
    INTERIOR = "interior"
    HARD_CASE = "hard_case"
    TRUNCATED = "truncated"
    STATIONARY = "stationary"
    NUMERICAL_ERROR = "numerical_error"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class TrustRegionResult:
    """A step within the trust region, with its multiplier and a bound on what it misses.

    Attributes
    ----------
    p : (n,) array, the step
    lam : float, multiplier of ½(‖p‖²_M - radius²) ≤ 0
    value : float, model(p)
    dual_value : float, a lower bound on the model over the region; -inf where none is known
    status, success, message : where it ended
    nit : int, iterations (CG, or Newton on the secular equation)
    cg : CGResult or None, the inner solve, where there was one

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> step = ck.trust_region_step(ck.Quadratic(None, [3.0, 4.0]), radius=1.0)
    >>> step.p, step.lam, step.value, step.gap
    (array([-0.6, -0.8]), 5.0, -5.0, 0.0)
    """

    p: np.ndarray
    lam: float
    value: float
    dual_value: float
    status: TrustRegionStatus
    success: bool
    message: str
    nit: int
    cg: CGResult | None = None

    @property
    def gap(self) -> float:
        """value - dual_value: how far at most the step is from optimal, in units of the model."""
        return max(self.value - self.dual_value, 0.0)


def trust_region_step(model: Quadratic, *, radius: float, metric: Any = None, rtol: float = 1e-6,
                      maxiter: int | None = None, M: Any = None, x0: Any = None,
                      min_eigenvalue: float | None = None) -> TrustRegionResult:
    """Minimise a quadratic model of a step p over ‖p‖_M ≤ radius, with ‖p‖²_M = pᵀ(metric)p.

        minimise  ½pᵀPp + gᵀp + r    subject to    ½(pᵀHp - radius²) ≤ 0,     H = metric, or I

    For an affine model the dual is solved in closed form, given H⁻¹g:

        L(p, lam) = gᵀp + lam·½(pᵀHp - radius²)    =>    p = -H⁻¹g / lam,
        g(lam)    = -½gᵀH⁻¹g / lam - ½lam·radius²  =>    lam = √(gᵀH⁻¹g) / radius.

    With radius = √(2·max_kl) and H the Fisher matrix that is TRPO's step. H⁻¹g comes from conjugate
    gradient, so H may be an operator. Otherwise:

    - P and metric given as arrays (or sparse, or factored): the global minimiser, P indefinite or not, hard
      case included, by an eigendecomposition of the pencil (P, H) and Newton's method on the secular equation;
    - P an operator: conjugate gradient truncated at the boundary (Steihaug), an approximation.

    Parameters
    ----------
    model : Quadratic in the step
    radius : float > 0, in the units of ‖p‖_M
    metric : (n, n) array, sparse, LinearOperator, callable or None; symmetric positive definite
    rtol, maxiter, M, x0 : passed to `conjugate_gradient` (M preconditions the metric; x0 guesses H⁻¹g)
    min_eigenvalue : float, optional
        A known lower bound on the eigenvalues of the metric. `damped` metrics carry theirs. It turns the
        residual of conjugate gradient into a bound on the error of the step.

    Returns
    -------
    TrustRegionResult
        An unfinished CG run is used for what it is worth: the step is feasible, and `gap` tells the loss.

    Raises
    ------
    ProblemError
        For shapes that do not fit, radius ≤ 0, or a metric or M together with an operator P.

    Notes
    -----
    Boyd & Vandenberghe, section 5.2.4 and Appendix B.1; Conn, Gould & Toint, *Trust-Region Methods*,
    chapter 7; Schulman et al. 2015, Appendix C.

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
    """
    if not isinstance(model, Quadratic):
        raise ProblemError(f"model must be a Quadratic in the step; got {type(model).__name__}. "
                           "See linear_model and quadratic_model.")
    radius = in_range("radius", radius, 0.0, inf)
    if not model.is_affine:
        if model.structure == "operator":
            if metric is not None:
                raise ProblemError("metric cannot be combined with an operator P yet; give both as arrays, "
                                   "or substitute p = metric^(-1/2)·u so that the metric becomes the identity.")
            if M is not None:
                raise ProblemError("M cannot be combined with an operator P: preconditioned conjugate gradient is "
                                   "truncated in the norm of M⁻¹, which is not the region that was asked for.")
            return _truncated(model, radius, rtol, maxiter)
        return _exact(model, radius, metric)
    if metric is None:
        g_norm = float(np.linalg.norm(model.q))
        if g_norm == 0.0:
            return _zero_step(model, TrustRegionStatus.STATIONARY, "the gradient is zero.")
        lam = g_norm / radius
        p = -model.q / lam
        value = model(p)
        return TrustRegionResult(p, lam, value, min(model.r - g_norm * radius, value), TrustRegionStatus.BOUNDARY,
                                 True, "steepest descent to the boundary.", 0)
    return _linear(model, radius, metric, rtol, maxiter, M, x0, min_eigenvalue)


def _zero_step(model: Quadratic, status: TrustRegionStatus, message: str, nit: int = 0,
               cg: CGResult | None = None) -> TrustRegionResult:
    optimal = status is TrustRegionStatus.STATIONARY
    return TrustRegionResult(np.zeros_like(model.q), 0.0, model.r, model.r if optimal else -inf, status, optimal,
                             message, nit, cg)


def _linear(model: Quadratic, radius: float, metric: Any, rtol: float, maxiter: int | None, M: Any, x0: Any,
            min_eigenvalue: float | None) -> TrustRegionResult:
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
                return _zero_step(model, TrustRegionStatus.NUMERICAL_ERROR,
                                  f"no step: the metric has the eigenvalue {min_eigenvalue:.1e}; it must be positive "
                                  "definite; damp it with ck.damped.")
    if not g.any():
        return _zero_step(model, TrustRegionStatus.STATIONARY, "the gradient is zero.")
    cg = conjugate_gradient(H, g, x0, rtol=rtol, maxiter=maxiter, M=M)
    v, residual = cg.x, cg.residual_vector
    # vᵀHv = vᵀ(g - residual): no further product.
    vHv = float(v @ (g - residual))
    if cg.status is CGStatus.NONPOSITIVE_CURVATURE or not np.isfinite(vHv) or vHv <= 0:
        return _zero_step(model, TrustRegionStatus.NUMERICAL_ERROR,
                          f"no step: {cg.message} The metric must be positive definite; damp it with ck.damped.",
                          cg.nit, cg)
    # Scaling v to the boundary makes the step feasible whatever CG left over.
    lam = sqrt(vHv) / radius
    p = -v / lam
    value = model(p)
    # gᵀH⁻¹g = vᵀg + vᵀresidual + residualᵀH⁻¹residual ≤ ... + ‖residual‖² / min_eigenvalue
    missed = cg.residual**2
    if missed > 0:
        missed = missed / min_eigenvalue if min_eigenvalue is not None and min_eigenvalue > 0 else inf
    gHg = max(float(v @ g) + float(v @ residual) + missed, 0.0)
    # The optimal value is -radius·√(gᵀH⁻¹g), which is also the largest value of the dual.
    dual_value = model.r - radius * sqrt(gHg)
    # Rounding may leave the dual value a few units above the primal one.
    return TrustRegionResult(p, lam, value, min(dual_value, value), TrustRegionStatus.BOUNDARY, True,
                             f"CG {cg.status} after {cg.nit} iterations; multiplier {lam:.3g}.", cg.nit, cg)


def _truncated(model: Quadratic, radius: float, rtol: float, maxiter: int | None) -> TrustRegionResult:
    if not model.q.any():
        return _zero_step(model, TrustRegionStatus.STATIONARY,
                          "the gradient is zero; truncated CG cannot leave a stationary point.")
    cg = conjugate_gradient(model.P, -model.q, rtol=rtol, maxiter=maxiter, radius=radius)
    p = cg.x
    # residual = -q - Pp; stationarity of the Lagrangian in the direction p: pᵀ(residual - lam·p) = 0
    outside = cg.status in (CGStatus.BOUNDARY, CGStatus.NONPOSITIVE_CURVATURE)
    lam = max(float(p @ cg.residual_vector), 0.0) / radius * radius if outside else 0.0
    status = TrustRegionStatus.TRUNCATED if outside or not cg.success else TrustRegionStatus.INTERIOR
    return TrustRegionResult(p, lam, model(p), -inf, status, cg.status is not CGStatus.NUMERICAL_ERROR,
                             f"truncated CG: {cg.message}", cg.nit, cg)


def _exact(model: Quadratic, radius: float, metric: Any) -> TrustRegionResult:
    """Global minimiser from P V = H V diag(w), VᵀHV = I: with p = Vy, minimise ½Σwᵢyᵢ² + cᵀy over ‖y‖ ≤ radius."""
    H = None
    if metric is not None:
        H = as_symmetric("metric", as_operator(metric, model.n) @ np.eye(model.n)
                         if isinstance(metric, LinearOperator) or callable(metric)
                         else as_real_array("metric", metric.toarray() if hasattr(metric, "toarray") else metric))
        if H.shape[0] != model.n:
            raise ProblemError(f"metric has shape {H.shape}; expected ({model.n}, {model.n}).")
    try:
        # In float64 whatever the model's type: the hard case is decided at 1e-12 of the eigenvalues.
        w, V = eigh(*(None if matrix is None else matrix.astype(np.float64, copy=False)
                      for matrix in (model.hessian(), H)))
    except LinAlgError:
        return _zero_step(model, TrustRegionStatus.NUMERICAL_ERROR,
                          "no step: the metric is not positive definite; damp it with ck.damped.")
    c = V.T @ model.q
    y, mu, nit, status = _secular(w, c, radius)
    lam = max(float(mu - w[0]), 0.0) if status is not TrustRegionStatus.INTERIOR else 0.0
    p = (V @ y).astype(model.q.dtype, copy=False)
    # g(lam) = r - ½Σ cᵢ²/(wᵢ + lam) - ½lam·radius², with wᵢ + lam = (wᵢ - w₀) + mu free of cancellation.
    shifted = w if status in (TrustRegionStatus.INTERIOR, TrustRegionStatus.STATIONARY) else (w - w[0]) + mu
    live = shifted > 0
    dual_value = model.r - 0.5 * float(np.sum(c[live] ** 2 / shifted[live])) - 0.5 * lam * radius * radius
    result = TrustRegionResult(p, lam, model(p), dual_value, status, True,
                               f"{status}; multiplier {lam:.3g}, smallest eigenvalue {w[0]:.3g}.", nit)
    # Rounding may leave the dual value a few units above the primal one.
    return replace(result, dual_value=min(result.dual_value, result.value))


def _secular(w: np.ndarray, c: np.ndarray, radius: float) -> tuple[np.ndarray, float, int, TrustRegionStatus]:
    """Solve ‖y(mu)‖ = radius for y(mu)ᵢ = -cᵢ / ((wᵢ - w₀) + mu) and mu = lam + w₀ ≥ max(w₀, 0).

    Newton's method on 1/‖y(mu)‖, a nearly linear function, from the left of the root: monotone convergence.
    Working with mu and not lam keeps full accuracy next to the hard case, where lam → -w₀.
    """
    size = float(np.linalg.norm(c))
    delta = w - w[0]
    lowest = delta <= 1e-12 * max(abs(w[0]), abs(w[-1]))
    if size == 0.0 and w[0] >= 0:
        return np.zeros_like(c), w[0], 0, TrustRegionStatus.STATIONARY
    if w[0] > 0:
        y = -c / w
        if np.linalg.norm(y) <= radius:
            return y, w[0], 0, TrustRegionStatus.INTERIOR
    # Components of rounding size in the lowest eigenspace are zero: the hard case is decided here.
    c_low = float(np.linalg.norm(c[lowest]))
    if c_low <= 1e-14 * size and w[0] <= 0:
        y = np.zeros_like(c)
        y[~lowest] = -c[~lowest] / delta[~lowest]
        inside = float(np.linalg.norm(y))
        if inside <= radius:
            if w[0] == 0:
                return y, 0.0, 0, TrustRegionStatus.INTERIOR
            y[0] += sqrt(max(radius * radius - inside**2, 0.0))
            return y, 0.0, 0, TrustRegionStatus.HARD_CASE
        c = np.where(lowest, 0.0, c)
    # The root is at least where the lowest eigenspace alone fills the region: ‖y‖ ≥ c_low / (δ + mu).
    mu = max(w[0], c_low / radius - float(delta[lowest].max()), 1e-16 * size / radius)
    nit = 0
    for nit in range(1, 101):  # noqa: B007 (it is returned)
        shifted = delta + mu
        y = -c / shifted
        norm = float(np.linalg.norm(y))
        if norm <= radius * (1 + 1e-15):
            break
        # Newton for 1/‖y‖ = 1/radius:  mu += (‖y‖/radius - 1)·‖y‖² / Σ cᵢ²/(δᵢ + mu)³
        step = (norm / radius - 1.0) * norm**2 / float(np.sum(c**2 / shifted**3))
        if step <= 1e-16 * mu:
            break
        mu += step
    return y * min(1.0, radius / float(np.linalg.norm(y))), mu, nit, TrustRegionStatus.BOUNDARY
