"""What a descent by trust-region steps returns, and what it tells on the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..words import Word


class DescentStatus(Word):
    """How a descent ended.

    `converged`: the gradient passed the tolerance, and no direction of negative curvature was found. `precision_limit`:
    rounding of f hides what is left to gain. `unbounded`: f reached -inf.

    >>> import convexkit as ck
    >>> ck.DescentStatus.CONVERGED.value
    'converged'
    """

    CONVERGED = "converged"
    ITERATION_LIMIT = "iteration_limit"
    PRECISION_LIMIT = "precision_limit"
    UNBOUNDED = "unbounded"
    NUMERICAL_ERROR = "numerical_error"


@dataclass(frozen=True)
class DescentRecord:
    """What a callback sees after each trial: where the descent is now and how the model did.

    `x` (a view; copy to keep), `fun`, `gradient_norm`, `radius` for the next trial, `ratio` of actual to predicted
    fall (nan where f was not finite), `accepted`, `nit`, and `products` so far.

    >>> import numpy as np, convexkit as ck
    >>> ratios = []
    >>> _ = ck.trust_region_minimize(lambda x: (x**2).sum(), np.ones(2), callback=lambda r: ratios.append(r.ratio))
    >>> [round(ratio, 12) for ratio in ratios]
    [1.0]
    """

    nit: int
    x: np.ndarray
    fun: float
    gradient_norm: float
    radius: float
    ratio: float
    accepted: bool
    products: int


@dataclass(frozen=True)
class DescentResult:
    """The best point that a descent found, and why it stopped there.

    Attributes
    ----------
    x : (n,) array
    fun, gradient, gradient_norm : f(x), ∇f(x), ‖∇f(x)‖
    status, success, message : why it stopped
    nit : int, trial steps
    nfev, ngev : int, values and gradients of f
    products : int, Hessian-vector products; a Hessian formed from products counts n, one given as a matrix none
    radius : float, the trust radius at the end

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> result = ck.trust_region_minimize(lambda x: (x[0] - 1)**2 + x[1]**4, np.array([0.0, 1.0]))
    >>> result.success, result.x.round(2)
    (True, array([1., 0.]))
    """

    x: np.ndarray
    fun: float
    gradient: np.ndarray
    gradient_norm: float
    status: DescentStatus
    success: bool
    message: str
    nit: int
    nfev: int
    ngev: int
    products: int
    radius: float
