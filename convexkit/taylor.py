"""Taylor models of a smooth function, as quadratics in the step: whether they are right, and how far to trust them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import autodiff
from .errors import ProblemError
from .quadratic import Quadratic
from .validation import as_count, as_real_array, in_range


def linear_model(f: Callable[[np.ndarray], Any], x: Any) -> Quadratic:
    """f(x) + ∇f(x)ᵀp, an affine `Quadratic` in the step p.

    Parameters
    ----------
    f : callable (n,) -> scalar, written with `autograd.numpy`
    x : (n,) array, the point of expansion; float32 stays float32

    Notes
    -----
    One forward and one backward pass. The error is o(‖p‖), and ≤ ½L‖p‖² where ∇f is L-Lipschitz.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> model = ck.linear_model(lambda x: (x**2).sum(), np.array([1.0, 2.0]))
    >>> model.q, model.r, model([0.1, 0.0])
    (array([2., 4.]), 5.0, 5.2)
    """
    value, gradient = autodiff.value_and_gradient(f, x)
    return Quadratic(None, gradient, value)


def quadratic_model(f: Callable[[np.ndarray], Any], x: Any, *, hessian: Any = None) -> Quadratic:
    """f(x) + ∇f(x)ᵀp + ½pᵀHp, a `Quadratic` in the step p.

    Parameters
    ----------
    f : callable (n,) -> scalar, written with `autograd.numpy`
    x : (n,) array, the point of expansion
    hessian : as `Quadratic.P`, optional
        What to use for H: a Gauss-Newton or Fisher operator, say. The default is ∇²f(x) as an operator
        whose products are Hessian-vector products; it is never formed.

    Notes
    -----
    The error with H = ∇²f(x) is o(‖p‖²), and ≤ ⅙L‖p‖³ where ∇²f is L-Lipschitz. `model.hessian()` forms H.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> model = ck.quadratic_model(lambda x: (x**3).sum(), np.array([1.0, 2.0]))
    >>> model.hessian()
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    value, gradient = autodiff.value_and_gradient(f, x)
    return Quadratic(autodiff.hessian_operator(f, x) if hessian is None else hessian, gradient, value)


def error_slope(f: Callable[[np.ndarray], Any], x: Any, model: Quadratic, p: Any, *,
                steps: Any = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)) -> float:
    """The power of t with which |f(x + t·p) - model(t·p)| falls: 2 for a right gradient, 3 with a right Hessian.

    A wrong gradient shows slope 1; a right gradient with a wrong Hessian, slope 2. It is +inf where the
    model is exact.

    Parameters
    ----------
    f : callable (n,) -> scalar
    x, p : (n,) arrays, the point of expansion and a direction
    model : Quadratic in the step
    steps : decreasing positive numbers, the t to try; errors near rounding are left out of the fit

    Raises
    ------
    ProblemError
        If x and p differ in shape, steps are not positive, or f is not finite at one of the points.

    Notes
    -----
    Least-squares slope of log error against log t. Nocedal & Wright, section 8.1, on checking derivatives.

    Examples
    --------
    >>> import autograd.numpy as anp, numpy as np, convexkit as ck
    >>> f, x, p = lambda x: anp.exp(x).sum(), np.array([0.3, -0.2]), np.array([1.0, 2.0])
    >>> round(ck.error_slope(f, x, ck.linear_model(f, x), p), 1)
    2.0
    >>> round(ck.error_slope(f, x, ck.quadratic_model(f, x), p), 1)
    3.0
    """
    x, p, t = as_real_array("x", x), as_real_array("p", p), as_real_array("steps", steps)
    if x.shape != p.shape:
        raise ProblemError(f"x has shape {x.shape} but p has shape {p.shape}; they must be equal.")
    if t.ndim != 1 or t.size < 2 or t.min() <= 0:
        raise ProblemError("steps must hold at least two positive numbers.")
    # tolist() gives Python floats, which leave float32 points float32.
    values = np.array([float(f(x + step * p)) for step in t.tolist()])
    errors = np.abs(values - np.array([model(step * p) for step in t.tolist()]))
    if not np.isfinite(errors).all():
        raise ProblemError(f"f(x + t·p) is not finite for t = {t[~np.isfinite(errors)][0]:.3g}; try shorter steps.")
    # An error below some tens of units of rounding of the values says nothing about the model.
    floor = 50 * np.finfo(x.dtype).eps * max(np.abs(values).max(), abs(model.r))
    told = errors > floor
    if told.sum() < 2:
        return float("inf")
    return float(np.polyfit(np.log(t[told]), np.log(errors[told]), 1)[0])


def remainder_bound(model: Quadratic, p: Any, lipschitz: float) -> float:
    """How far f(x + p) is from model(p) at most, given a Lipschitz constant of the first derivative left out.

        |f(x + p) - linear_model(p)|    ≤ ½L‖p‖²      with ‖∇f(y) - ∇f(z)‖ ≤ L‖y - z‖
        |f(x + p) - quadratic_model(p)| ≤ L‖p‖³/6     with ‖∇²f(y) - ∇²f(z)‖ ≤ L‖y - z‖

    Parameters
    ----------
    model : Quadratic in the step, the Taylor model of f: `linear_model` or `quadratic_model`
    p : (n,) array, the step
    lipschitz : float ≥ 0
        L on the segment from x to x + p. `segment_lipschitz` estimates it.

    Raises
    ------
    ProblemError
        For a p of another length, or a negative L.

    Notes
    -----
    Lagrange's form of the remainder. A Gauss-Newton model has another error: its Hessian is not that of f.

    Examples
    --------
    >>> import autograd.numpy as anp, numpy as np, convexkit as ck
    >>> f, x, p = lambda x: anp.sin(x[0]), np.zeros(1), np.array([0.1])
    >>> error = abs(f(x + p) - ck.linear_model(f, x)(p))
    >>> bool(error <= ck.remainder_bound(ck.quadratic_model(f, x), p, lipschitz=1.0)), round(error * 1e6)
    (True, 167)
    """
    p = as_real_array("p", p)
    if p.shape != (model.n,):
        raise ProblemError(f"p has shape {p.shape}; expected ({model.n},).")
    lipschitz = in_range("lipschitz", lipschitz, 0.0, float("inf"), low_open=False, high_open=False)
    length = float(np.linalg.norm(p))
    if length == 0.0:
        return 0.0
    return 0.5 * lipschitz * length**2 if model.is_affine else lipschitz * length**3 / 6


def segment_lipschitz(f: Callable[[np.ndarray], Any], x: Any, p: Any, *, order: int = 2, points: int = 17) -> float:
    """How fast the order-th derivative of f changes along the segment from x to x + p: an estimate from below.

        order 1:  max |(∇f(yᵢ₊₁) - ∇f(yᵢ))ᵀp| / (‖yᵢ₊₁ - yᵢ‖‖p‖)
        order 2:  max |pᵀ(∇²f(yᵢ₊₁) - ∇²f(yᵢ))p| / (‖yᵢ₊₁ - yᵢ‖‖p‖²),     yᵢ equally spaced on the segment

    With `remainder_bound` it tells the error of a linear model (order 1) or a quadratic one (order 2) along p, short by
    O(1/points) at most where the next derivative is smooth. It knows nothing of other directions.

    Parameters
    ----------
    f : callable (n,) -> scalar, written with `autograd.numpy`
    x, p : (n,) arrays; p ≠ 0
    order : 1 or 2
    points : int ≥ 2

    Raises
    ------
    ProblemError
        For shapes that do not fit, p = 0, or a derivative that is not finite on the segment.

    Notes
    -----
    `points` gradients for order 1, and as many Hessian-vector products for order 2.

    Examples
    --------
    >>> import autograd.numpy as anp, numpy as np, convexkit as ck
    >>> f, x, p = lambda x: anp.exp(x).sum(), np.zeros(1), np.ones(1)
    >>> L = ck.segment_lipschitz(f, x, p)                           # the third derivative is at most e
    >>> 2.6 < L < np.e
    True
    >>> bool(abs(f(x + p) - ck.quadratic_model(f, x)(p)) <= ck.remainder_bound(ck.quadratic_model(f, x), p, L))
    True
    """
    x, p = as_real_array("x", x), as_real_array("p", p)
    if x.shape != p.shape:
        raise ProblemError(f"x has shape {x.shape} but p has shape {p.shape}; they must be equal.")
    if order not in (1, 2):
        raise ProblemError(f"order must be 1 or 2; got {order!r}.")
    points = as_count("points", points, minimum=2)
    length = float(np.linalg.norm(p))
    if length == 0.0:
        raise ProblemError("p is zero: there is no segment.")
    u = p / length
    t = np.linspace(0.0, 1.0, points)
    along = []
    for share in t.tolist():
        y = x + share * p
        change = autodiff.gradient(f, y) if order == 1 else autodiff.hessian_operator(f, y) @ u
        along.append(float(change @ u))
        if not np.isfinite(along[-1]):
            raise ProblemError(f"derivative {order} of f is not finite at x + t·p for t = {share:.3g}; shorten p.")
    return float(np.max(np.abs(np.diff(along)) / (np.diff(t) * length)))
