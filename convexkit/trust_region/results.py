"""What a trust-region step returns."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from ..conjugate_gradient import CGResult
from ..quadratic import Quadratic
from ..words import Word


class TrustRegionStatus(Word):
    """Where the step ended.

    `boundary`, `interior`: a global minimiser, on the boundary or inside. `hard_case`: a global minimiser that needs
    a component along the lowest eigenvector, which the gradient misses. `truncated`: feasible and no worse than the
    Cauchy point, but not shown to be a minimiser. `stationary`: the gradient is zero and the step too.
    `numerical_error`: the metric, the gradient or a product is not usable, the message says why, and the step is zero.

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


@dataclass(frozen=True)
class TrustRegionResult:
    """A step within the trust region, with its multiplier and a bound on what it misses.

    Attributes
    ----------
    p : (n,) array, the step
    lam : float, multiplier of ½(‖p - centre‖²_M - radius²) ≤ 0; negative where it is the inner radius that holds
        the step, as the multiplier of ½(inner_radius² - ‖p - centre‖²_M) ≤ 0 with its sign turned
    value : float, model(p)
    dual_value : float, a lower bound on the model over the region; -inf where none is known
    status, success, message : where it ended
    nit : int, iterations (CG, Lanczos, factorizations, or Newton on the secular equation)
    cg : CGResult or None, the inner solve, where there was one
    estimate : float, what `dual_value` would be if the least eigenvalue seen were the least of all; equal to
        `dual_value` where that is known
    products : int, products with an operator P

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
    estimate: float = -inf
    products: int = 0

    def __post_init__(self) -> None:
        # Rounding may leave a bound a few units above the value; a known bound is the best estimate.
        dual_value = min(self.dual_value, self.value)
        object.__setattr__(self, "dual_value", dual_value)
        object.__setattr__(self, "estimate", max(min(self.estimate, self.value), dual_value))

    @property
    def gap(self) -> float:
        """value - dual_value: how far at most the step is from optimal, in units of the model."""
        return max(self.value - self.dual_value, 0.0)

    @property
    def estimated_gap(self) -> float:
        """value - estimate: how far the step seems to be from optimal; no bound where it is less than `gap`."""
        return max(self.value - self.estimate, 0.0)


def zero_step(model: Quadratic, status: TrustRegionStatus, message: str, nit: int = 0, cg: CGResult | None = None,
              **fields: Any) -> TrustRegionResult:
    """No step at all: optimal at a stationary point, else a failure of which nothing is known."""
    optimal = status is TrustRegionStatus.STATIONARY
    return TrustRegionResult(np.zeros_like(model.q), 0.0, model.r, model.r if optimal else -inf, status, optimal,
                             message, nit, cg, **fields)
