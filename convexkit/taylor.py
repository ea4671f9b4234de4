"""Taylor models of a smooth function, as quadratics in the step, and a test that they are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import autodiff
from .errors import ProblemError
from .quadratic import Quadratic
from .validation import as_real_array


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
