"""A step after which f has fallen and its slope has flattened."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, sqrt
from typing import Any

import numpy as np

from ..errors import ProblemError
from ..validation import as_count, as_real_array, in_range
from .results import LineSearchResult, LineSearchStatus, as_scalar


def strong_wolfe(f: Callable[[np.ndarray], Any], gradient: Callable[[np.ndarray], Any], x: Any, p: Any, *,
                 slope: float | None = None, fx: float | None = None, alpha: float = 1e-4, curvature: float = 0.9,
                 step: float = 1.0, max_step: float = inf, maxiter: int = 60,
                 in_domain: Callable[[np.ndarray], Any] | None = None) -> LineSearchResult:
    """A step after which f has fallen by its share and its slope has flattened by its share.

        f(x + step·p) ≤ f(x) + alpha·step·slope    and    |∇f(x + step·p)ᵀp| ≤ curvature·|slope|

    What a quasi-Newton update needs: the second condition makes yᵀs positive. Backtracking suffices elsewhere and
    needs no gradient at its trials.

    Parameters
    ----------
    f, gradient : callables (n,) -> float and (n,) -> (n,) array
    x, p : (n,) arrays, start and direction; neither is modified
    slope, fx : floats, optional, ∇f(x)ᵀp and f(x) if already known
    alpha, curvature : floats, 0 < alpha < curvature < 1, and alpha < 0.5
    step : float > 0, first trial
    max_step : float > 0, the longest step allowed
    maxiter : int ≥ 1, trials before giving up
    in_domain : callable (n,) -> bool, optional
        A trial outside is too long, as is one where f is NaN or +inf: f and gradient are not asked there.

    Returns
    -------
    LineSearchResult
        With `gradient` at the accepted point. Where only the first condition could be met (at max_step, at the edge of
        the domain, or in maxiter trials), the status is `sufficient_decrease`, success is False, and `x` is the best
        such point; with none, `x` is the start.

    Raises
    ------
    ProblemError
        For options out of range, or shapes that do not fit.

    Notes
    -----
    Bracketing and zoom with cubic interpolation: Nocedal & Wright, Algorithms 3.5 and 3.6, as in
    `scipy.optimize.line_search`, which knows no domain and does not say why it stopped.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> f, gradient = lambda x: x[0]**4, lambda x: 4 * x**3
    >>> result = ck.strong_wolfe(f, gradient, np.array([2.0]), np.array([-32.0]), curvature=0.1)
    >>> result.status.value, bool(abs(result.gradient @ [-32.0]) <= 0.1 * 1024), result.nfev
    ('strong_wolfe', True, 4)
    """
    alpha = in_range("alpha", alpha, 0.0, 0.5)
    curvature = in_range("curvature", curvature, alpha, 1.0)
    max_step = in_range("max_step", max_step, 0.0, inf, high_open=False)
    step = min(in_range("step", step, 0.0, inf), max_step)
    maxiter = as_count("maxiter", maxiter, minimum=1)
    x, p = as_real_array("x", x), as_real_array("p", p, finite=False)
    if x.shape != p.shape:
        raise ProblemError(f"x has shape {x.shape} but p has shape {p.shape}; they must be equal.")
    nfev = ngev = 0

    def gradient_at(point: np.ndarray) -> np.ndarray:
        g = as_real_array("gradient", gradient(point), finite=False)
        if g.shape != x.shape:
            raise ProblemError(f"gradient has shape {g.shape}; expected {x.shape}.")
        return g

    if fx is None:
        fx, nfev = f(x), 1
    start = as_scalar(fx)
    if slope is None:
        slope, ngev = float(gradient_at(x) @ p), 1
    slope = float(slope)
    if not np.isfinite(slope) or not np.isfinite(start) or not np.isfinite(p).all():
        return LineSearchResult(x, start, 0.0, LineSearchStatus.NUMERICAL_ERROR, False, f"f(x) = {start:g}, slope = "
                                f"{slope:g}: f, slope and p must be finite at the start.", 0, nfev, None, ngev)
    if slope >= 0:
        return LineSearchResult(x, start, 0.0, LineSearchStatus.NOT_A_DESCENT_DIRECTION, False,
                                f"slope = {slope:.3e} is not negative: p does not lead downhill.", 0, nfev, None, ngev)
    # low: the best trial that meets the first condition, as (step, f, slope); high: a step that is too long, or with
    # the minimiser between it and low. Its slope is nan where it was not asked for, its f inf outside the domain.
    low, high = (0.0, start, slope), (inf, inf, float("nan"))
    best: tuple[np.ndarray, np.ndarray] | None = None
    t, why, trial = step, "", 0
    for trial in range(1, maxiter + 1):
        candidate = x + t * p
        value = inf
        if np.array_equal(candidate, x if best is None else best[0]):
            why += "; the next would not change x"
            break
        if in_domain is not None and not in_domain(candidate):
            why = "the last trial lay outside the domain"
        else:
            value = as_scalar(f(candidate))
            nfev += 1
            why = f"f changed by {value - start:.3e}"
        if not value <= start + alpha * t * slope or value >= low[1]:
            high = (t, value if np.isfinite(value) else inf, float("nan"))
        else:
            g = gradient_at(candidate)
            ngev += 1
            along = float(g @ p)
            if abs(along) <= -curvature * slope:
                return LineSearchResult(candidate, value, t, LineSearchStatus.STRONG_WOLFE, True, f"step {t:.3g} "
                                        f"accepted after {trial} trials.", trial, nfev, g, ngev)
            if not np.isfinite(along):
                high = (t, inf, float("nan"))
                why = "the gradient is not finite at the last trial"
            else:
                why = f"the slope is {along:.3e} where {-curvature * slope:.3e} in size was asked for"
                if along * ((high[0] if high[0] < inf else inf) - low[0]) >= 0:
                    high = low
                low, best = (t, value, along), (candidate, g)
                if t == max_step and along < 0:
                    why += f", at max_step = {max_step:g}"
                    break
        t = _next_trial(low, high, max_step)
    if best is None:
        return LineSearchResult(x, start, 0.0, LineSearchStatus.ITERATION_LIMIT, False,
                                f"no step accepted in {trial} trials: {why}.", trial, nfev, None, ngev)
    return LineSearchResult(best[0], low[1], low[0], LineSearchStatus.SUFFICIENT_DECREASE, False, "f has fallen by its "
                            f"share, but the slope has not flattened, after {trial} trials: {why}.", trial, nfev,
                            best[1], ngev)


def _next_trial(low: tuple[float, float, float], high: tuple[float, float, float], max_step: float) -> float:
    """The minimiser of the cubic or parabola through what is known, off both ends; without an upper end, longer."""
    a, fa, da = low
    b, fb, db = high
    if b == inf:
        return min(max(4.0 * a, np.finfo(np.float64).tiny), max_step)
    width = b - a
    t = a + 0.5 * width
    if np.isfinite(fb):
        if np.isfinite(db):
            # Nocedal & Wright, equation (3.59).
            d1 = da + db - 3 * (fb - fa) / width
            square = d1 * d1 - da * db
            if square >= 0:
                d2 = np.sign(width) * sqrt(square)
                bottom = db - da + 2 * d2
                t = b - width * (db + d2 - d1) / bottom if bottom != 0 else t
        else:
            bend = (fb - fa - da * width) / width**2
            t = a - da / (2 * bend) if bend > 0 else t
    near, far = sorted((a + 0.1 * width, b - 0.1 * width))
    return float(min(max(t, near), far)) if np.isfinite(t) else float(a + 0.5 * width)
