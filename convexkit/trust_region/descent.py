"""`trust_region_minimize`: a local minimiser of a smooth function, convex or not, by trust-region steps."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, sqrt
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from .. import autodiff
from ..errors import ProblemError
from ..operators import as_operator
from ..quadratic import Quadratic
from ..validation import as_count, as_real_array, as_symmetric, in_range
from .descent_results import DescentRecord, DescentResult, DescentStatus
from .exact import exact_step, formed_operator
from .lanczos import LanczosModel, lanczos_step
from .results import TrustRegionResult, TrustRegionStatus
from .step import FORMED_SIZE, OPERATOR_SIZE

METHODS = ("auto", "exact", "lanczos")
# A trial is taken if f falls by this share of what the model promised, and the radius changes below and above these
# (Conn, Gould & Toint, section 6.1, with a laxer acceptance: what falls is kept).
ACCEPT, POOR, GOOD = 1e-4, 0.25, 0.75
# A change of f below this many units of its rounding says nothing about the model.
NOISE = 10


class _Function:
    """f with its derivatives, autograd's or the caller's, and a count of what was asked for."""

    def __init__(self, f: Callable[[np.ndarray], Any], gradient: Any, hessian: Any, method: str):
        for name, value in (("f", f), ("gradient", gradient), ("hessian", hessian)):
            if value is not None and not callable(value):
                raise ProblemError(f"{name} must be callable; got {type(value).__name__}.")
        self.f, self.given_gradient, self.given_hessian, self.method = f, gradient, hessian, method
        self.nfev = self.ngev = self.products = self.models = 0

    def value(self, x: np.ndarray) -> float:
        self.nfev += 1
        with np.errstate(all="ignore"):  # outside its domain f returns NaN or inf
            value = self.f(x)
        if np.size(value) != 1:
            raise ProblemError(f"f must return a scalar; it returned shape {np.shape(value)}.")
        return float(np.reshape(value, ()))

    def gradient(self, x: np.ndarray) -> np.ndarray:
        self.ngev += 1
        if self.given_gradient is None:
            return autodiff.gradient(self.f, x)
        g = as_real_array("gradient(x)", self.given_gradient(x), finite=False)
        if g.shape != x.shape:
            raise ProblemError(f"gradient(x) has shape {g.shape}; expected {x.shape}.")
        return g.astype(x.dtype, copy=False)

    def model(self, x: np.ndarray, fx: float, g: np.ndarray) -> _Model:
        """The quadratic model at x: formed if it is small or at hand, else known by products."""
        n = x.size
        if self.given_hessian is None:
            H: Any = autodiff.hessian_operator(self.f, x)
        else:
            H = self.given_hessian(x)
            if not (isinstance(H, LinearOperator) or sp.issparse(H) or callable(H)):
                H = as_symmetric("hessian(x)", H)
            if hasattr(H, "shape") and H.shape != (n, n):
                raise ProblemError(f"hessian(x) has shape {H.shape}; expected ({n}, {n}).")
        products = isinstance(H, LinearOperator) or (callable(H) and not sp.issparse(H))
        formed = n <= OPERATOR_SIZE if products else isinstance(H, np.ndarray) or n <= FORMED_SIZE
        if self.method != "auto":
            formed = self.method == "exact"
        if formed and products:
            self.products += n
            H = formed_operator("hessian(x)", H, n, x.dtype)
        elif formed and sp.issparse(H):
            H = H.toarray()
        # The first model is asked whether it is symmetric: steps to the boundary may never need a second product.
        least, self.models = 1 if self.models else 2, self.models + 1
        return _Model(Quadratic._of(H if formed else as_operator(H, n, dtype=x.dtype), g, fx), formed, least)


class _Model:
    """One model; steps of several radii share what was learnt of it."""

    def __init__(self, quadratic: Quadratic, formed: bool, least: int):
        self.quadratic, self.formed, self.least = quadratic, formed, least
        self.learnt: LanczosModel | None = None

    def product(self, v: np.ndarray) -> np.ndarray:
        return np.asarray(self.quadratic.hessp(v)).astype(v.dtype, copy=False)

    def step(self, radius: float, rtol: float, check: bool) -> TrustRegionResult:
        if self.formed:
            return exact_step(self.quadratic, radius, None)
        if self.learnt is None:
            self.learnt = LanczosModel(self.product, self.quadratic.q, least=self.least)
        limit = max(10 * self.quadratic.n, 100)
        return lanczos_step(self.quadratic, self.product, radius, 0.0, rtol, limit, None, learnt=self.learnt,
                            check=check)


def trust_region_minimize(f: Callable[[np.ndarray], Any], x0: Any, *,
                          gradient: Callable[[np.ndarray], Any] | None = None,
                          hessian: Callable[[np.ndarray], Any] | None = None, radius: float | None = None,
                          max_radius: float = inf, rtol: float = 1e-8, atol: float = 0.0, maxiter: int = 1000,
                          method: str = "auto", second_order: bool = True,
                          callback: Callable[[DescentRecord], Any] | None = None) -> DescentResult:
    """Minimise a smooth function, convex or not, by steps within a trust region.

        p = argmin of the model  f(x) + ∇f(x)ᵀp + ½pᵀ∇²f(x)p  over  ‖p‖ ≤ radius
        ratio = (f(x) - f(x + p)) / (f(x) - model(p))

    The trial is taken if f falls by a share of what the model promised. A ratio below ¼ shrinks the radius, one above ¾
    at the boundary doubles it. A trial where f is not finite is a rejected one.

    Parameters
    ----------
    f : callable (n,) -> scalar, written with `autograd.numpy` unless both derivatives are given
        Outside its domain it returns NaN or inf.
    x0 : (n,) array where f is finite; float32 stays float32
    gradient : callable (n,) -> (n,) array, optional
    hessian : callable (n,) -> (n, n) array, sparse matrix, LinearOperator, or a callable v -> ∇²f(x)v; optional
    radius : float > 0, optional, the first one; the length of the Cauchy step if omitted
    max_radius : float > 0
    rtol, atol : stop when ‖∇f(x)‖ ≤ max(rtol·(the largest ‖∇f‖ so far), atol)
    maxiter : int, trial steps
    method : "exact" forms and factors the Hessian, "lanczos" needs products only; "auto" takes products above 64
        variables, or above 1000 where the Hessian is given as a sparse matrix
    second_order : bool
        Where the gradient is small, look for a direction of negative curvature, and leave a saddle or a maximum along
        it. With products that takes some 20 to 100 of them, once.
    callback : callable(DescentRecord), optional, after each trial

    Returns
    -------
    DescentResult
        A local minimiser, to the tolerances, where the status is `converged`.

    Raises
    ------
    ProblemError
        For a function that is not finite at x0, shapes that do not fit, a Hessian that is not symmetric, options out
        of range.

    Notes
    -----
    One value and at most one gradient of f a trial, and a Hessian or a run of Lanczos per accepted one; a rejected
    trial costs no product. Lanczos runs to the accuracy min(0.1, √(‖∇f‖/largest ‖∇f‖)), which gives superlinear
    convergence. Conn, Gould & Toint, *Trust-Region Methods*, chapters 6 and 7; Nocedal & Wright, chapter 4.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> rosenbrock = lambda x: (100 * (x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2).sum()
    >>> result = ck.trust_region_minimize(rosenbrock, np.array([-1.2, 1.0]))
    >>> result.status.value, result.x.round(6), result.nit < 30
    ('converged', array([1., 1.]), True)

    A start on a saddle, where the gradient is zero:

    >>> round(ck.trust_region_minimize(lambda x: x[0]**2 - x[1]**2 + x[1]**4 / 2, np.zeros(2)).fun, 9)
    -0.5
    """
    if method not in METHODS:
        raise ProblemError(f"method = {method!r} is not known; choose one of {', '.join(map(repr, METHODS))}.")
    if callback is not None and not callable(callback):
        raise ProblemError(f"callback must be callable; got {type(callback).__name__}.")
    max_radius = in_range("max_radius", max_radius, 0.0, inf, high_open=False)
    if radius is not None:
        radius = in_range("radius", radius, 0.0, max_radius, high_open=max_radius == inf)
    rtol, atol = in_range("rtol", rtol, 0.0, 1.0, low_open=False), in_range("atol", atol, 0.0, inf, low_open=False)
    maxiter = as_count("maxiter", maxiter)
    x = as_real_array("x0", x0)
    if x.ndim != 1 or x.size == 0:
        raise ProblemError(f"x0 must be a vector of at least one variable; it has shape {x.shape}.")
    x = x.copy()
    function = _Function(f, gradient, hessian, method)
    fx = function.value(x)
    if not np.isfinite(fx):
        raise ProblemError(f"f is {fx} at x0: x0 must lie in its domain.")
    g = function.gradient(x)
    if not np.isfinite(g).all():
        raise ProblemError("the gradient of f is not finite at x0: x0 must lie in its domain, away from the edge.")
    return _descend(function, x, fx, g, radius, max_radius, rtol, atol, maxiter, second_order, callback)


def _descend(function: _Function, x: np.ndarray, fx: float, g: np.ndarray, radius: float | None, max_radius: float,
             rtol: float, atol: float, maxiter: int, second_order: bool,
             callback: Callable[[DescentRecord], Any] | None) -> DescentResult:
    eps = float(np.finfo(x.dtype).eps)
    g_norm = largest = float(np.linalg.norm(g))
    model: _Model | None = None
    nit, probed, saddle = 0, False, False

    def end(status: DescentStatus, message: str) -> DescentResult:
        return DescentResult(x, fx, g, g_norm, status, status is DescentStatus.CONVERGED, message, nit, function.nfev,
                             function.ngev, function.products, inf if radius is None else radius)

    while True:
        tolerance = max(rtol * largest, atol)
        small = g_norm <= tolerance
        figures = f"‖∇f‖ = {g_norm:.1e} after {nit} trials"
        if small and not second_order:
            return end(DescentStatus.CONVERGED, f"converged: {figures}.")
        if nit >= maxiter and not small:
            return end(DescentStatus.ITERATION_LIMIT, f"stopped at maxiter: {figures}; asked for {tolerance:.1e}.")
        if model is None:
            model = function.model(x, fx, g)
        if radius is None:
            radius = min(_cauchy_length(model, function, g, g_norm, x), max_radius)
        if small and not probed:
            # A small slope says nothing about a short radius: look as far as x is large.
            radius, probed = min(max(radius, float(np.linalg.norm(x)), 1.0), max_radius), True
        accuracy = min(0.1, sqrt(g_norm / largest)) if largest > 0 else 0.1
        step = model.step(radius, accuracy, check=small)
        function.products += step.products
        if step.status is TrustRegionStatus.NUMERICAL_ERROR:
            return end(DescentStatus.NUMERICAL_ERROR, f"{figures}; the model is not usable: {step.message}")
        # (H + lam·I)p = -g and H ⪰ 0 bound lam·‖p‖ by ‖g‖: a larger multiplier proves negative curvature.
        saddle = saddle or (small and step.lam * radius > max(tolerance, 10 * eps * largest))
        if small and not saddle:
            return end(DescentStatus.CONVERGED, f"converged: {figures}; no direction of negative curvature seen.")
        if nit >= maxiter:
            return end(DescentStatus.ITERATION_LIMIT, f"stopped at maxiter: {figures}, on a saddle.")
        nit += 1
        p, predicted = step.p, fx - step.value
        trial = x + p
        value = function.value(trial)
        if value == -inf:
            x, fx = trial, value
            return end(DescentStatus.UNBOUNDED, f"f is -inf at ‖x‖ = {np.linalg.norm(x):.1e}.")
        noise = NOISE * eps * max(abs(fx), abs(value)) if np.isfinite(value) else 0.0
        # A trial whose gradient is not finite is as useless as one whose value is not.
        g_trial: np.ndarray | None = None
        if predicted <= noise and abs(value - fx) <= noise:
            # Rounding of f hides the fall; the gradient tells whether there was progress.
            g_trial = function.gradient(trial)
            better = float(np.linalg.norm(g_trial)) < g_norm if np.isfinite(g_trial).all() else False
            if not better and small:
                return end(DescentStatus.CONVERGED, f"converged: {figures}; negative curvature within rounding of f.")
            if not better:
                return end(DescentStatus.PRECISION_LIMIT,
                           f"{figures}; asked for {tolerance:.1e}, but the model promises a fall of {predicted:.1e}, "
                           f"within the rounding of f = {fx:.6g}. If that is early: are the derivatives those of f?")
            ratio = 1.0
        else:
            ratio = (fx - value) / predicted if np.isfinite(value) and predicted > 0 else float("nan")
            if ratio > ACCEPT:
                g_trial = function.gradient(trial)
                if not np.isfinite(g_trial).all():
                    g_trial, ratio = None, float("nan")
        length = float(np.linalg.norm(p))
        radius = _next_radius(radius, length, ratio, fx, value, float(g @ p), max_radius)
        accepted = g_trial is not None
        if g_trial is not None:
            x, fx, g, model, probed = trial, value, g_trial, None, False
            saddle = False
            g_norm = float(np.linalg.norm(g))
            largest = max(largest, g_norm)
        if callback is not None:
            callback(DescentRecord(nit, x, fx, g_norm, radius, ratio, accepted, function.products))
        if not accepted and radius <= eps * max(float(np.linalg.norm(x)), np.finfo(x.dtype).tiny / eps):
            return end(DescentStatus.PRECISION_LIMIT, f"{figures}; no step longer than the rounding of x lowers f: "
                                                      "are the derivatives those of f?")


def _cauchy_length(model: _Model, function: _Function, g: np.ndarray, g_norm: float, x: np.ndarray) -> float:
    """‖g‖³/gᵀHg, where the model along -g is least; the size of x where it has no minimum."""
    size = max(float(np.linalg.norm(x)), 1.0)
    if g_norm == 0.0:
        return size
    u = g / g_norm
    curvature = float(u @ model.product(u))
    if not model.formed:
        function.products += 1
    return g_norm / curvature if curvature > 0 and g_norm < 10 * size * curvature else size


def _next_radius(radius: float, length: float, ratio: float, fx: float, value: float, slope: float,
                 max_radius: float) -> float:
    """Smaller after a poor trial, by the parabola through f(x), its slope and the trial; larger after a good one."""
    if not ratio >= POOR:
        if not np.isfinite(value):
            return 0.25 * length
        # f(x) + slope·t + (value - f(x) - slope)·t² is least at:
        bend = value - fx - slope
        share = -0.5 * slope / bend if slope < 0 and bend > 0 else 0.25
        return min(max(share, 0.1), 0.5) * length
    if ratio > GOOD and length >= 0.9 * radius:
        return min(2.0 * radius, max_radius)
    return radius
