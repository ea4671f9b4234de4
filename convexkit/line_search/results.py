"""What a line search returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ProblemError
from ..words import Word


class LineSearchStatus(Word):
    """Why a line search stopped.

    `sufficient_decrease`: f fell by its share. `strong_wolfe`: and the slope has flattened. `exact`: the minimiser
    along p. `boundary`: the last step inside the limits. The others accept no step.

    >>> import convexkit as ck
    >>> ck.LineSearchStatus.SUFFICIENT_DECREASE.value
    'sufficient_decrease'
    """

    SUFFICIENT_DECREASE = "sufficient_decrease"
    NOT_A_DESCENT_DIRECTION = "not_a_descent_direction"
    ITERATION_LIMIT = "iteration_limit"
    NUMERICAL_ERROR = "numerical_error"
    STRONG_WOLFE = "strong_wolfe"
    EXACT = "exact"
    BOUNDARY = "boundary"
    UNBOUNDED = "unbounded"


@dataclass(frozen=True)
class LineSearchResult:
    """The point that a line search accepted, or the start if it accepted none.

    Attributes
    ----------
    x : (n,) array
    fun : float, f(x)
    step : float, x = start + step·p; 0 if no point was accepted
    status, success, message : why it stopped
    nit : int, trial points tried
    nfev : int, evaluations of f (trials outside the domain cost none)
    gradient : (n,) array or None, ∇f(x) where the search evaluated it
    ngev : int, evaluations of the gradient

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> result = ck.backtracking(lambda x: x @ x, np.array([1.0]), np.array([-4.0]), slope=-8.0)
    >>> result.success, result.step, result.nit
    (True, 0.25, 3)
    """

    x: np.ndarray
    fun: float
    step: float
    status: LineSearchStatus
    success: bool
    message: str
    nit: int
    nfev: int
    gradient: np.ndarray | None = None
    ngev: int = 0


def as_scalar(value: Any) -> float:
    """What f returned, as a float."""
    if np.size(value) != 1:
        raise ProblemError(f"f must return a scalar; it returned shape {np.shape(value)}.")
    return float(np.reshape(value, ()))
