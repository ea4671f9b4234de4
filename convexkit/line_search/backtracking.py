"""Backtracking with a domain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ProblemError
from ..validation import as_count, as_real_array, in_range
from .results import LineSearchResult, LineSearchStatus, as_scalar


def backtracking(f: Callable[[np.ndarray], Any], x: Any, p: Any, slope: float, *, fx: float | None = None,
                 alpha: float = 0.1, beta: float = 0.5, step: float = 1.0, maxiter: int = 60,
                 in_domain: Callable[[np.ndarray], Any] | None = None) -> LineSearchResult:
    """Shrink the step until f has fallen by a fair share of what its slope promised.

        accept x + step·p   if   f(x + step·p) ≤ f(x) + alpha·step·slope,   else  step ← beta·step

    Parameters
    ----------
    f : callable (n,) -> float
    x, p : (n,) arrays, start and direction; neither is modified
    slope : float, ∇f(x)ᵀp, negative for a descent direction
    fx : float, optional, f(x) if already known
    alpha : float in (0, 0.5), share of the predicted decrease that is asked for
    beta : float in (0, 1), factor of one shrinkage
    step : float > 0, first trial
    maxiter : int ≥ 1, trials before giving up; the default, with beta = ½, ends near machine precision
    in_domain : callable (n,) -> bool, optional
        A trial outside is rejected before f is evaluated there. A constraint serves as well as a domain.

    Returns
    -------
    LineSearchResult
        On failure `x` is the start itself and `step` is 0: an ordinary outcome, not an exception.

    Raises
    ------
    ProblemError
        If alpha, beta, step or maxiter is out of range, or the shapes of x and p differ.

    Notes
    -----
    Boyd & Vandenberghe, Algorithm 9.2. NaN and +inf count as outside the domain of f.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> f = lambda x: -np.log(x[0]) + x[0]                  # dom f: x > 0
    >>> x, p = np.array([3.0]), np.array([-6.0])             # the full step leaves the domain
    >>> result = ck.backtracking(f, x, p, slope=(1 - 1/3) * -6.0, in_domain=lambda y: y[0] > 0)
    >>> result.x, result.nit, result.nfev
    (array([1.5]), 3, 2)
    """
    alpha = in_range("alpha", alpha, 0.0, 0.5)
    beta = in_range("beta", beta, 0.0, 1.0)
    step = in_range("step", step, 0.0, np.inf)
    maxiter = as_count("maxiter", maxiter, minimum=1)
    x, p = as_real_array("x", x), as_real_array("p", p, finite=False)
    if x.shape != p.shape:
        raise ProblemError(f"x has shape {x.shape} but p has shape {p.shape}; they must be equal.")
    slope = float(slope)
    nfev = 0
    if fx is None:
        fx, nfev = f(x), 1
    start = as_scalar(fx)

    def stay(status: LineSearchStatus, message: str, nit: int) -> LineSearchResult:
        return LineSearchResult(x, start, 0.0, status, False, message, nit, nfev)

    if not np.isfinite(slope) or not np.isfinite(start) or not np.isfinite(p).all():
        return stay(LineSearchStatus.NUMERICAL_ERROR,
                    f"f(x) = {start:g}, slope = {slope:g}: f, slope and p must be finite at the start.", 0)
    if slope >= 0:
        return stay(LineSearchStatus.NOT_A_DESCENT_DIRECTION,
                    f"slope = {slope:.3e} is not negative: p does not lead downhill.", 0)
    why = ""
    for trial in range(1, maxiter + 1):
        # float(step) is a Python float: it leaves float32 points float32.
        candidate = x + step * p
        if np.array_equal(candidate, x):
            # f(x) ≤ f(x) + rounding would pass for a decrease.
            why = "too short to change x"
        elif in_domain is not None and not in_domain(candidate):
            why = "outside the domain"
        else:
            value = as_scalar(f(candidate))
            nfev += 1
            if value <= start + alpha * step * slope:
                return LineSearchResult(candidate, value, step, LineSearchStatus.SUFFICIENT_DECREASE, True,
                                        f"step {step:.3g} accepted after {trial} trials.", trial, nfev)
            why = f"f changed by {value - start:.3e} where {alpha * step * slope:.3e} was asked for"
        step *= beta
    return stay(LineSearchStatus.ITERATION_LIMIT,
                f"no step accepted in {maxiter} trials; the last, step {step / beta:.3g}: {why}.", maxiter)
