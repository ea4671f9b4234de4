"""Support functions: the largest value of a linear function over a set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..duality import Lagrangian, UnboundednessCertificate
from ..problem import QCQP
from ..quadratic import Quadratic
from ..solution import Solution, Status
from ..validation import as_vector, in_range
from .attainment import escape
from .closed_forms import SLOPE_TOLERANCE
from .projection import tightly, with_objective
from .sets import ConvexSet, as_set


@dataclass(frozen=True, eq=False)
class SupportValue:
    """S(y) = sup of yᵀx over a set.

    Attributes
    ----------
    value : float; +inf where it is unbounded, -inf for an empty set
    x : (n,) array, a point that attains it; NaN where none does or none was found
    bound : float, a value that multipliers prove S(y) not to exceed: yᵀx ≤ bound holds on the whole set; +inf where
        nothing is proved
    attained : bool or None, whether a point of the set attains it; None where that is not known
    direction : (n,) array or None. For +inf: a direction of recession of the set along which yᵀx rises without end;
        None where it rises along a parabola only, as x₁ does on x₁² ≤ x₂. Where the supremum is not attained: the
        direction in which near-maximisers run away
    status, success, message, nit : `optimal`, `unbounded`, `infeasible` for an empty set; `optimal_inaccurate` where
        the value is approached but not attained

    Examples
    --------
    >>> import convexkit as ck
    >>> found = ck.support_function(ck.ConvexSet.box([0.0, 0.0], [1.0, float("inf")]), [2.0, 1.0])
    >>> found.value, found.direction, found.status.value
    (inf, array([0., 1.]), 'unbounded')
    """

    status: Status
    message: str
    value: float
    x: np.ndarray
    bound: float
    attained: bool | None
    direction: np.ndarray | None = None
    nit: int = 0
    success: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "success", self.status in (Status.OPTIMAL, Status.UNBOUNDED))


def support_function(of: Any, y: Any, *, tol: float = 1e-8) -> SupportValue:
    """The support function of a convex set, S(y) = sup of yᵀx over x in the set.

    Parameters
    ----------
    of : ConvexSet; or a QCQP, Quadratic or SecondOrderCone, which stand for the set that they state
    y : (n,) array
    tol : float, as for `solve`

    Returns
    -------
    SupportValue
        The halfspace yᵀx ≤ S(y) contains the set and touches it where the supremum is attained.

    Raises
    ------
    NotConvexError, ProblemError
        As `project`.

    Notes
    -----
    Closed forms as for `project`; else one `solve`. Over rows, bounds and convex quadratics
    a finite supremum is attained (Belousov & Klatte 2002); with cones it may not be, and is then looked into with one
    more problem, see `SupportValue.attained`. Boyd & Vandenberghe, sections 2.5 and 3.3.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> ellipsoid = ck.ConvexSet.ellipsoid([1.0, -1.0], [[2.0, 0.0], [1.0, 1.0]])
    >>> found = ck.support_function(ellipsoid, [1.0, 2.0])           # yᵀc + ‖Bᵀy‖ = -1 + √20
    >>> round(found.value, 6), found.x.round(6)
    (3.472136, array([2.788854, 0.341641]))
    >>> hyperbola = ck.SecondOrderCone([[0.0, 0.0], [1.0, -1.0]], [2.0, 0.0], [1.0, 1.0])      # x₁x₂ ≥ 1, x ≥ 0
    >>> away = ck.support_function(hyperbola, [0.0, -1.0])           # sup of -x₂: 0, approached as x₁ grows
    >>> away.attained, abs(away.value) < 1e-4, away.direction.round(3)
    (False, True, array([1., 0.]))
    """
    C = as_set("of", of)
    y = as_vector("y", y, C.n)
    tol = in_range("tol", tol, 1e-12, 1e-2, low_open=False, high_open=False)
    slope = y if C.matrix is None else C.matrix.T @ y
    # Of an image, Mᵀy may be rounding only: y is at right angles to a column of M.
    cleaned = slope.copy()
    if C.matrix is not None:
        cleaned[abs(slope) <= SLOPE_TOLERANCE * (abs(C.matrix).T @ abs(y))] = 0.0
    for pulled in (slope, cleaned):
        known = C.form.support(pulled)
        if known is not None and np.isfinite(known[0]):
            break
    if known is None:
        return _by_solver(C, y, cleaned, tol)
    value, z, direction = known
    along = None if direction is None else _unit(_linear_part(C, direction))
    if z is None:
        how = "the direction." if along is not None else "a parabola, though in no direction of recession."
        return SupportValue(Status.UNBOUNDED, f"yᵀx rises without end along {how}", np.inf, np.full(C.n, np.nan),
                            np.inf, False, along)
    value += float(y @ C.offset) if C.offset is not None else 0.0
    return SupportValue(Status.OPTIMAL, "closed form.", value, C.point(z), value, True)


def _by_solver(C: ConvexSet, y: np.ndarray, slope: np.ndarray, tol: float) -> SupportValue:
    problem = with_objective(C.constraints, Quadratic(None, -slope))
    constant = float(y @ C.offset) if C.offset is not None else 0.0
    solution = tightly(problem, tol)
    nothing = np.full(C.n, np.nan)
    if solution.status is Status.INFEASIBLE:
        return SupportValue(solution.status, f"the set is empty: {solution.message}", -np.inf, nothing, -np.inf, False,
                            None, solution.nit)
    if solution.status is Status.UNBOUNDED:
        assert isinstance(solution.certificate, UnboundednessCertificate)
        return SupportValue(solution.status, "yᵀx rises without end along the direction.", np.inf, nothing, np.inf,
                            False, _unit(_linear_part(C, solution.certificate.direction)), solution.nit)
    ceiling = upper_bound(problem, solution) + constant
    value = constant - solution.value
    run = escape(problem, solution) if problem.cones else None
    if run is not None and run.escapes:
        return SupportValue(Status.OPTIMAL_INACCURATE, f"the supremum is not attained: {run.message}", value, nothing,
                            np.inf, False, _unit(_linear_part(C, run.direction)), solution.nit)
    attained = None if run is not None and run.escapes is None else solution.success or None
    return SupportValue(solution.status, solution.message, value, C.point(solution.x), ceiling, attained, None,
                        solution.nit)


def upper_bound(problem: QCQP, solution: Solution) -> float:
    """-g(lam, nu) at the multipliers found, or at those that remain when the ones near zero are set to zero.

    Where the set has no end, a multiplier of 1e-11 that should be zero tilts the slope, and the bound is +inf.
    """
    dual = Lagrangian(problem).dual_function
    own = dual(solution.lam, solution.nu, solution.lam_lb, solution.lam_ub, solution.lam_cones)
    largest = max(float(abs(v).max(initial=0.0)) for v in (solution.lam, solution.nu, solution.lam_lb, solution.lam_ub,
                                                           *solution.lam_cones))
    for share in (1e-9, 1e-7):
        if np.isfinite(own):
            break
        lam = np.where(solution.lam > share * largest, solution.lam, 0.0)
        cones = tuple(z if z[0] > share * largest else 0.0 * z for z in solution.lam_cones)
        own = dual(lam, solution.nu, lam_cones=cones)
    return -own


def _linear_part(C: ConvexSet, d: np.ndarray) -> np.ndarray:
    return d if C.matrix is None else C.matrix @ d


def _unit(d: np.ndarray) -> np.ndarray:
    return d / np.linalg.norm(d) + 0.0  # no -0.0
