"""What `solve` returns: a status, a point with its multipliers, and the evidence."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .duality import InfeasibilityCertificate, KKTResiduals, UnboundednessCertificate
from .errors import NotSolvedError
from .words import Word


class Status(Word):
    """What is claimed of a problem, in cvxpy's words where it has one.

    >>> import convexkit as ck
    >>> ck.Status.OPTIMAL == "optimal"
    True
    """

    OPTIMAL = "optimal"
    OPTIMAL_INACCURATE = "optimal_inaccurate"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    ITERATION_LIMIT = "iteration_limit"
    TIME_LIMIT = "time_limit"
    INTERRUPTED = "interrupted"
    NUMERICAL_ERROR = "numerical_error"


@dataclass(frozen=True)
class IterationRecord:
    """One iteration, as a callback sees it. Residuals are relative and on the user's own scale.

    Attributes
    ----------
    iteration : int
    value, dual_value : float
    primal, dual, gap : float, relative residuals of feasibility, stationarity and duality gap
    step : float, length of the step that led here
    tau, kappa : float, the homogeneous pair: tau > 0 tends to a solution, kappa > 0 to a certificate; 1 and 0 by the
        dual method
    mu : float, mean complementarity
    seconds : float since the start

    Examples
    --------
    >>> import convexkit as ck
    >>> records = []
    >>> _ = ck.solve(ck.lp([1.0], lb=0.0, ub=1.0), callback=records.append)
    >>> records[-1].gap < 1e-8
    True
    """

    iteration: int
    value: float
    dual_value: float
    primal: float
    dual: float
    gap: float
    step: float
    tau: float
    kappa: float
    mu: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Solution:
    """The answer to a problem, with its evidence.

    Attributes
    ----------
    status : Status
    success : bool, status is `optimal`
    message : str, what happened, with numbers, and what to try
    x : (n,) array; NaN where the status is `infeasible` or `unbounded`
    lam : (m,) array, multipliers of the quadratic inequalities, then of the rows of G
    nu : (p,) array, multipliers of Ax = b
    lam_lb, lam_ub : (n,) arrays, multipliers of the bounds, zero where there is none
    lam_cones : tuple of arrays (z₀, z) with ‖z‖ ≤ z₀, one for each cone ‖Ax + b‖ ≤ cᵀx + d and as long as its rows
        plus one; L gains -z₀(cᵀx + d) - zᵀ(Ax + b). Empty for a problem without cones
    value : float, f₀(x); +inf if infeasible, -inf if unbounded
    dual_value : float, L(x, lam, nu); see `Lagrangian.dual_function` for a bound that holds exactly
    residuals : KKTResiduals, of the point on the data as given; None with a certificate
    certificate : InfeasibilityCertificate, UnboundednessCertificate or None
    nit : int, iterations
    seconds : float, wall time
    method : str, `interior-point` or `dual`
    products : int, products of a P with a vector that the dual method took

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> disc = ck.Quadratic(2 * np.eye(2), np.zeros(2), -1.0)
    >>> solution = ck.solve(ck.QCQP(ck.Quadratic(None, [3.0, 4.0]), [disc]))
    >>> solution.status.value, solution.x.round(6), round(solution.value, 6), solution.lam.round(6)
    ('optimal', array([-0.6, -0.8]), -5.0, array([2.5]))
    >>> solution.residuals.max() < 1e-8, abs(solution.gap) < 1e-7
    (True, True)
    """

    status: Status
    message: str
    x: np.ndarray
    lam: np.ndarray
    nu: np.ndarray
    lam_lb: np.ndarray
    lam_ub: np.ndarray
    value: float
    dual_value: float
    residuals: KKTResiduals | None
    certificate: InfeasibilityCertificate | UnboundednessCertificate | None
    nit: int
    seconds: float
    method: str = "interior-point"
    lam_cones: tuple[np.ndarray, ...] = field(default=())
    products: int = 0
    success: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "success", self.status is Status.OPTIMAL)

    @property
    def gap(self) -> float:
        """value - dual_value, in units of the objective."""
        return self.value - self.dual_value if np.isfinite(self.value) else float("inf")

    def require_optimal(self) -> Solution:
        """This solution if it is optimal, else NotSolvedError with the reason."""
        if not self.success:
            raise NotSolvedError(f"{self.status}: {self.message}")
        return self
