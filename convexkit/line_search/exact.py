"""The minimiser of a quadratic along a line, as far as the limits allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, sqrt
from typing import Any

import numpy as np

from ..errors import ProblemError
from ..validation import as_real_array, in_range
from .results import LineSearchResult, LineSearchStatus


def exact_step(f: Any, x: Any, p: Any, *, max_step: float = inf, constraints: Sequence[Any] = (),
               in_domain: Callable[[np.ndarray], Any] | None = None) -> LineSearchResult:
    """The step that minimises a quadratic along p, as far as the limits allow.

        step = -∇f(x)ᵀp / pᵀPp     where pᵀPp > 0,  else as far as the limits go

    Parameters
    ----------
    f : Quadratic
    x, p : (n,) arrays, start and direction; neither is modified
    max_step : float > 0, the longest step allowed
    constraints : sequence of Quadratics, each ≤ 0 at x
        The step ends where the first of them would become positive, by its root along p.
    in_domain : callable (n,) -> bool, optional
        Asked at the step, and where that is outside, for the last step inside by bisection: a convex domain.

    Returns
    -------
    LineSearchResult
        Status `exact`, `boundary` (a limit came first), `not_a_descent_direction`, `unbounded` (f falls along p without
        end and no limit stops it; the step is 0), or `numerical_error`.

    Raises
    ------
    ProblemError
        If f or a constraint is no Quadratic, a constraint is positive at x, shapes do not fit, or max_step ≤ 0.

    Notes
    -----
    One product with P, and one with each constraint's. Boyd & Vandenberghe, section 9.2.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> f = ck.Quadratic(np.diag([1.0, 4.0]), [-1.0, -4.0])
    >>> ck.exact_step(f, np.zeros(2), np.array([1.0, 1.0])).step
    1.0
    >>> disc = ck.Quadratic(2 * np.eye(2), np.zeros(2), -1.0)                # x₁² + x₂² ≤ 1
    >>> result = ck.exact_step(f, np.zeros(2), np.array([1.0, 1.0]), constraints=[disc])
    >>> result.status.value, round(result.step, 6)
    ('boundary', 0.707107)
    """
    functions = [("f", f), *((f"constraints[{i}]", c) for i, c in enumerate(constraints))]
    for name, function in functions:
        if not (hasattr(function, "hessp") and hasattr(function, "gradient")):
            raise ProblemError(f"{name} must be a Quadratic; got {type(function).__name__}.")
    max_step = in_range("max_step", max_step, 0.0, inf, high_open=False)
    x, p = as_real_array("x", x), as_real_array("p", p)
    if x.shape != p.shape:
        raise ProblemError(f"x has shape {x.shape} but p has shape {p.shape}; they must be equal.")

    def along(function: Any) -> tuple[float, float, float]:
        """Value, slope and curvature of t -> function(x + t·p) at t = 0."""
        g = function.gradient(x)
        return 0.5 * float(x @ (g + function.q)) + function.r, float(g @ p), float(p @ function.hessp(p))

    start, slope, curvature = along(f)

    def stay(status: LineSearchStatus, message: str) -> LineSearchResult:
        return LineSearchResult(x, start, 0.0, status, False, message, 0, 1)

    if not np.isfinite([start, slope, curvature]).all():
        return stay(LineSearchStatus.NUMERICAL_ERROR, f"f = {start:g}, slope = {slope:g}, curvature = {curvature:g} "
                                                      "along p must be finite.")
    if slope >= 0:
        return stay(LineSearchStatus.NOT_A_DESCENT_DIRECTION,
                    f"slope = {slope:.3e} is not negative: p does not lead downhill.")
    limit, which = max_step, "max_step"
    for name, function in functions[1:]:
        c, s, k = along(function)
        if not c <= 1e-12 * (abs(function.r) + float(np.abs(function.q) @ np.abs(x))):
            raise ProblemError(f"{name} = {c:.3g} at x: the start must satisfy it, or no step keeps to its limit.")
        root = _first_root(min(c, 0.0), s, k)
        if root < limit:
            limit, which = root, name
    step = -slope / curvature if curvature > 0 else inf
    bounded = step <= limit
    step = min(step, limit)
    if step == inf:
        return stay(LineSearchStatus.UNBOUNDED, f"f falls along p without end: slope {slope:.3e}, curvature "
                                                f"{curvature:.3e}, and no limit.")
    trials = 1
    if in_domain is not None and not in_domain(x + step * p):
        inside, outside, bounded, which = 0.0, step, False, "the domain"
        while outside - inside > 1e-15 * step and trials < 60:
            trials += 1
            middle = 0.5 * (inside + outside)
            inside, outside = (middle, outside) if in_domain(x + middle * p) else (inside, middle)
        step = inside
    point = x + step * p
    if step == 0.0 or np.array_equal(point, x):
        return stay(LineSearchStatus.BOUNDARY, f"no step: x is at the edge of {which}, and p leads out.")
    value = start + step * (slope + 0.5 * step * curvature)
    status = LineSearchStatus.EXACT if bounded else LineSearchStatus.BOUNDARY
    return LineSearchResult(point, value, step, status, True, f"the minimiser along p, step {step:.3g}." if bounded else
                            f"step {step:.3g}, where {which} ends.", trials, 1)


def _first_root(c: float, s: float, k: float) -> float:
    """The least t ≥ 0 beyond which c + s·t + ½k·t² becomes positive, for c ≤ 0; inf if there is none."""
    square = s * s - 2 * k * c
    if k > 0:
        return -2 * c / (s + sqrt(square)) if s > 0 else (sqrt(square) - s) / k
    return -2 * c / (s + sqrt(square)) if s > 0 and square >= 0 else inf
