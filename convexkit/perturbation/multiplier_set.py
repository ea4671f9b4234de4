"""All multipliers of a solution: one, a range, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog, nnls

from ..duality import Lagrangian, Rows, kkt_residuals, row_sizes, row_values
from ..errors import ProblemError
from ..problem import QCQP
from ..solution import Solution
from ..validation import as_vector, dense
from .active import STRICT, relative, row_scales, strictness

# A row is active if its slack is below this share of its terms, some way above a solver's tolerance.
ACTIVE = 1e-6
# Gradients whose singular values are below this share of the largest are dependent: x itself is no better known.
DEPENDENT = 1e-6
# A multiplier below this share of the slope is zero: an interior point's, where it should be zero, is about 1e-5.
POSITIVE = 1e-4
# The multipliers along which the dual function is evaluated if it has no maximum.
SIZES = 10.0 ** np.arange(0, 8)


def program(cost: np.ndarray, **rows: Any) -> Any:
    """A linear program by HiGHS; without its presolve if that cannot tell infeasible from unbounded."""
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    found = linprog(cost, method="highs", options=options, **rows)
    if found.status in (0, 2, 3):
        return found
    return linprog(cost, method="highs", options={**options, "presolve": False}, **rows)


@dataclass(frozen=True, eq=False)
class Polytope:
    """{y : Ey = f, y ≥ 0 for the first k} with y in units of `scale`; the multipliers of active rows, then nu."""

    E: Any
    f: np.ndarray
    k: int
    scale: np.ndarray

    def extreme(self, cost: np.ndarray) -> tuple[float, np.ndarray | None]:
        """min costᵀ(scale·y) and where; (-inf, None) if it is unbounded, (inf, None) if the polytope is empty."""
        free = self.E.shape[1] - self.k
        if self.E.shape[1] == 0:
            return (0.0, np.zeros(0)) if np.abs(self.f).max(initial=0.0) <= 1e-7 else (np.inf, None)
        own = cost * self.scale
        size = float(np.abs(own).max(initial=0.0)) or 1.0
        found = program(own / size, A_eq=self.E, b_eq=self.f, bounds=[(0, None)] * self.k + [(None, None)] * free)
        if found.status == 0:
            return float(found.fun) * size, self.scale * found.x
        return (-np.inf if found.status == 3 else np.inf), None


@dataclass(frozen=True, eq=False)
class MultiplierSet:
    """The multipliers that a solution has.

    Attributes
    ----------
    exist : bool; False where stationarity has no solution: then the dual optimum is not attained, or there is a gap
    unique : bool
    independent : bool, the gradients of the active rows and of Ax = b are linearly independent (LICQ)
    bounded : bool, no multiplier can be arbitrarily large: as much as that a strictly feasible point exists and the
        rows of A are independent (MFCQ)
    strictly_complementary : bool, some multipliers are positive on every active row
    lam_low, lam_high, nu_low, nu_high, lam_lb_low, lam_lb_high, lam_ub_low, lam_ub_high : arrays, the range of each
        multiplier over the optimal dual set, ±inf where it has no end; None if there are none. (0, 0) on inactive rows
    cones_low, cones_high : arrays, the range of z₀ for each cone
    active : tuple of str, rows that hold with equality
    direction : (n,) array or None; where no multipliers exist, a direction that to first order lowers the objective and
        violates no active row
    bounds : tuple of (size, bound), where no multipliers exist: the dual function at multipliers of growing size
    message : str

    Examples
    --------
    Additional exercise 5.1 of Boyd & Vandenberghe: three lines meet in the plane.

    >>> import numpy as np, convexkit as ck
    >>> problem = ck.qp([[2.0, -1.0], [-1.0, 4.0]], [-1.0, 0.0], G=[[1.0, 2.0], [1.0, -4.0], [5.0, 76.0]],
    ...                 h=[-2.0, -3.0, 1.0])
    >>> found = ck.multiplier_set(problem, ck.solve(problem))
    >>> found.exist, found.unique, found.lam_low.round(4), found.lam_high.round(4)
    (True, False, array([0.    , 2.4444, 0.    ]), array([3.3889, 4.7743, 0.2118]))
    """

    exist: bool
    unique: bool
    independent: bool
    bounded: bool
    strictly_complementary: bool
    lam_low: np.ndarray | None
    lam_high: np.ndarray | None
    nu_low: np.ndarray | None
    nu_high: np.ndarray | None
    lam_lb_low: np.ndarray | None
    lam_lb_high: np.ndarray | None
    lam_ub_low: np.ndarray | None
    lam_ub_high: np.ndarray | None
    cones_low: np.ndarray | None
    cones_high: np.ndarray | None
    active: tuple[str, ...]
    direction: np.ndarray | None
    bounds: tuple[tuple[float, float], ...]
    message: str


def multiplier_set(problem: QCQP, solution: Solution | Any) -> MultiplierSet:
    """Whether the multipliers of a solution are unique, the range of each, or why there are none.

    At a given x, stationarity is linear in the multipliers of the active rows, so that they form a polyhedron:

        ∇f₀(x) + Σ lamᵢ∇fᵢ(x) + Aᵀnu = 0,   lamᵢ ≥ 0 on active rows, 0 on the others

    For a convex problem it is the set of all optimal dual points, whichever solution x it is taken at.

    Parameters
    ----------
    problem : QCQP; a cone must not be active at its apex, where it has no gradient
    solution : Solution, or an (n,) array x, optimal for the problem

    Returns
    -------
    MultiplierSet

    Raises
    ------
    ProblemError
        If x is not feasible, or a cone is active at its apex.

    Notes
    -----
    Unique without further work if the active gradients are independent; else two linear programs for each multiplier.
    Rows count as active below a slack of 1e-6 of their terms, gradients as dependent below a relative singular value of
    1e-6: a problem that is closer to degenerate than that is reported as degenerate.
    Boyd & Vandenberghe, section 5.5.3; Additional exercise 5.1, exercise 5.26.

    Examples
    --------
    Two discs that touch in (1, 0), exercise 5.26: no multipliers, and a dual that comes as near to 1 as one likes.

    >>> import numpy as np, convexkit as ck
    >>> discs = [ck.Quadratic(2 * np.eye(2), [-2.0, -2 * s], 1.0) for s in (1.0, -1.0)]
    >>> problem = ck.QCQP(ck.Quadratic(2 * np.eye(2)), discs)
    >>> found = ck.multiplier_set(problem, [1.0, 0.0])
    >>> found.exist, found.lam_low, abs(found.direction).round(6)
    (False, None, array([1., 0.]))
    >>> [(size, round(bound, 6)) for size, bound in found.bounds[:4]]
    [(1.0, 0.666667), (10.0, 0.952381), (100.0, 0.995025), (1000.0, 0.9995)]
    """
    found = analysed(problem, solution)
    if found.lowest is None:
        return _none(problem, found)
    k, scale, lowest, size = found.polytope.k, found.polytope.scale, found.lowest, found.size
    if found.independent:
        low = high = lowest
    else:
        ends = [(found.polytope.extreme(unit)[0], -found.polytope.extreme(-unit)[0]) for unit in np.eye(scale.size)]
        low, high = np.array([end[0] for end in ends]), np.array([end[1] for end in ends])
        # Of a width of rounding: one number.
        same = np.isfinite(low) & np.isfinite(high)
        same[same] = (high - low)[same] <= 1e-7 * (np.abs(low) + size * scale)[same]
        low, high = np.where(same, lowest, low), np.where(same, lowest, high)
    unique, bounded = bool((low == high).all()), bool(np.isfinite(high).all() and np.isfinite(low).all())
    strict = bool((high[:k] > POSITIVE * size * scale[:k]).all())
    message = "unique: the active gradients are independent." if found.independent else \
        "unique, though the active gradients are dependent." if unique else \
        f"not unique: {scale.size} active rows and equalities, whose gradients have rank {found.rank}."
    if not np.isfinite(high[:k]).all():
        message += " Some can be arbitrarily large: there is no strictly feasible point."
    elif not bounded:
        message += " Those of Ax = b can be arbitrarily large: its rows depend on each other."
    (lows, nu_low), (highs, nu_high) = spread(found.rows, k, low), spread(found.rows, k, high)
    return MultiplierSet(
        exist=True, unique=unique, independent=found.independent, bounded=bounded, strictly_complementary=strict,
        lam_low=lows.lam, lam_high=highs.lam, nu_low=nu_low, nu_high=nu_high, lam_lb_low=lows.lb, lam_lb_high=highs.lb,
        lam_ub_low=lows.ub, lam_ub_high=highs.ub, cones_low=lows.cones, cones_high=highs.cones,
        active=found.rows.names(problem), direction=None, bounds=(), message=message)


@dataclass(frozen=True, eq=False)
class Analysed:
    """The polyhedron of multipliers at x before its extent is known; `lowest` is a point of it, None if it is empty."""

    x: np.ndarray
    rows: Rows
    M: np.ndarray
    slope: np.ndarray
    size: float
    rank: int
    polytope: Polytope
    lowest: np.ndarray | None

    @property
    def independent(self) -> bool:
        """Whether the gradients are linearly independent."""
        return self.rank == self.polytope.scale.size


def analysed(problem: QCQP, solution: Solution | Any) -> Analysed:
    """Active rows at a point, their gradients, and the equations of stationarity that they can be asked to satisfy."""
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
    given = solution if isinstance(solution, Solution) else None
    x = as_vector("x", solution.x if given is not None else solution, problem.n, finite=False)
    if not np.isfinite(x).all():
        status = f"; its status is {given.status}" if given is not None else ""
        raise ProblemError(f"solution has no point x{status}. Multipliers belong to an optimal point.")
    residuals = kkt_residuals(problem, x)
    if residuals.primal > 1e-4:
        raise ProblemError(f"x is not feasible: {residuals.where}. Multipliers belong to an optimal point.")
    rows = _active(problem, x, given)
    M, lengths = _gradients(problem, x, rows)
    k = M.shape[1]
    M = np.column_stack([M, dense(problem.A).T])
    lengths = np.concatenate([lengths, np.linalg.norm(dense(problem.A), axis=1)])
    scale = 1.0 / np.where(lengths > 0, lengths, 1.0)
    M = M * scale
    slope = problem.objective.gradient(x)
    size = max(float(np.abs(slope).max()), float(np.abs(problem.objective.q).max()), 1e-300)
    U, values, _ = np.linalg.svd(M, full_matrices=False)
    rank = int((values > DEPENDENT).sum())  # the columns have length 1 or 0
    U = U[:, :rank]
    left = slope - U @ (U.T @ slope)
    if not _curved(problem, rows) and np.count_nonzero(M) <= 0.1 * M.size:
        # Exact gradients with few entries: kept as they are, with a right-hand side that they can reach.
        polytope = Polytope(sp.csr_array(M), -U @ (U.T @ slope), k, scale)
    else:
        polytope = Polytope(U.T @ M, -U.T @ slope, k, scale)
    lowest = polytope.extreme(np.zeros(M.shape[1]))[1] if np.abs(left).max(initial=0.0) <= 1e-4 * size else None
    if lowest is None and rank == M.shape[1] and np.abs(left).max(initial=0.0) <= 1e-4 * size:
        # Independent gradients, and a multiplier that rounding has made negative.
        y = np.linalg.lstsq(M, -slope, rcond=None)[0]
        if (y[:k] >= -1e-6 * max(float(np.abs(y).max(initial=0.0)), size)).all():
            lowest = scale * np.concatenate([np.maximum(y[:k], 0.0), y[k:]])
    return Analysed(x, rows, M, slope, size, rank, polytope, lowest)


def _curved(problem: QCQP, rows: Rows) -> bool:
    return bool(rows.lam[:len(problem.inequalities)].any() or rows.cones.any())


def spread(rows: Rows, k: int, y: np.ndarray) -> tuple[Rows, np.ndarray]:
    """Multipliers of the k active rows, then nu, as multipliers of all rows, and nu."""
    flat = np.zeros(rows.flat().size)
    flat[rows.flat()] = y[:k]
    return rows.like(flat), y[k:]


def _active(problem: QCQP, x: np.ndarray, solution: Solution | None) -> Rows:
    """Mask of rows with next to no slack, or with more multiplier than slack."""
    limits = Rows.of(problem)
    fixed = problem.lb == problem.ub
    mask = Rows(limits.lam, np.isfinite(problem.lb), np.isfinite(problem.ub), limits.cones)
    terms = row_scales(problem, x)
    values = row_values(problem, x).flat()
    with np.errstate(invalid="ignore"):
        active = mask.flat() & (values >= -ACTIVE * terms)
    if solution is not None and solution.success:
        slack, weight = relative(problem, solution)
        active |= limits.flat() & (weight.flat() > slack.flat()) & (slack.flat() < 1e-3)
        active |= strictness(problem, slack, weight) < STRICT  # on its way to both zero
    rows = limits.like(active)
    rows.lb[fixed] = rows.ub[fixed] = True
    return rows


def _gradients(problem: QCQP, x: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """(n, k) gradients of the active rows as columns, and their lengths, zero where that is rounding of zero."""
    quadratics = len(problem.inequalities)
    chosen = np.flatnonzero(rows.lam)
    columns = [problem.inequalities[i].gradient(x) for i in chosen[chosen < quadratics]]
    columns += list(dense(problem.G[chosen[chosen >= quadratics] - quadratics])) if problem.h.size else []
    identity = np.eye(problem.n)
    columns += list(-identity[rows.lb]) + list(identity[rows.ub])
    for i in np.flatnonzero(rows.cones):
        cone = problem.cones[i]
        y = cone.slack(x)[1:]
        length = float(np.linalg.norm(y))
        if length <= ACTIVE * float(np.linalg.norm(abs(cone.A) @ np.abs(x) + np.abs(cone.b))):
            raise ProblemError(f"cones[{i}] is active at its apex, where it has no gradient: its multipliers fill a "
                               "cone and have no ranges.")
        columns.append(cone.A.T @ (y / length) - cone.c)
    M = np.array(columns).reshape(-1, problem.n).T
    size = row_sizes(problem)[rows.flat()]
    lengths = np.linalg.norm(M, axis=0)
    real = lengths > DEPENDENT * size * max(1.0, float(np.abs(x).max(initial=0.0)))
    return M * real, lengths * real


def _none(problem: QCQP, found: Analysed) -> MultiplierSet:
    """Why there are no multipliers: a direction, and the dual function along weights whose gradients cancel."""
    x, rows, M, slope, polytope = found.x, found.rows, found.M, found.slope, found.polytope
    k = polytope.k
    columns = np.column_stack([M, -M[:, k:]])
    # Singular values that are rounding must not count here either: project on the gradients' range first.
    U, values, _ = np.linalg.svd(M, full_matrices=False)
    U = U[:, values > DEPENDENT]
    clean = U @ (U.T @ columns)
    y, _ = nnls(clean, -slope) if clean.shape[1] else (np.zeros(0), 0.0)
    d = -(slope + clean @ y)
    direction = d / np.linalg.norm(d)
    base = np.concatenate([y[:k], y[k:M.shape[1]] - y[M.shape[1]:]]) * polytope.scale
    bounds: list[tuple[float, float]] = []
    weights = _cancelling(polytope)
    if weights is not None:
        for size in SIZES:
            for start in (np.zeros(base.size), base):
                bound = _dual_value(problem, x, *spread(rows, k, start + size * weights))
                if np.isfinite(bound):
                    bounds.append((float(size), bound))
                    break
    value = problem.objective(x)
    why = "the gradients of the active rows cannot balance that of the objective"
    if bounds:
        best = max(bound for _, bound in bounds)
        tail = f"the dual function rises to {best:.8g} at multipliers of size {bounds[-1][0]:.0e}, against f₀(x) = " \
            f"{value:.8g}"
        tail += ": its supremum is not attained." if value - best <= 1e-3 * max(1.0, abs(value)) else ": a gap is left."
    else:
        tail = "no bound was found along weights whose gradients cancel; there may be a duality gap."
    return MultiplierSet(
        exist=False, unique=False, independent=found.independent, bounded=False, strictly_complementary=False,
        lam_low=None, lam_high=None, nu_low=None, nu_high=None, lam_lb_low=None, lam_lb_high=None, lam_ub_low=None,
        lam_ub_high=None, cones_low=None, cones_high=None, active=rows.names(problem), direction=direction,
        bounds=tuple(bounds),
        message=f"none exist: {why}; {tail}")


def _cancelling(polytope: Polytope) -> np.ndarray | None:
    """Weights ≥ 0, the largest 1, with Σ weightᵢ∇fᵢ + Aᵀnu = 0: along them the Lagrangian's slope stays as it is."""
    k, free = polytope.k, polytope.E.shape[1] - polytope.k
    if k == 0:
        return None
    found = program(-np.concatenate([np.ones(k), np.zeros(free)]), A_eq=polytope.E, b_eq=np.zeros(len(polytope.f)),
                    bounds=[(0, 1)] * k + [(None, None)] * free)
    if found.status != 0 or found.x[:k].max(initial=0.0) < 1e-6:
        return None
    y = polytope.scale * found.x
    return y / y[:k].max()


def _dual_value(problem: QCQP, x: np.ndarray, rows: Rows, nu: np.ndarray) -> float:
    cones = []
    for cone, z0 in zip(problem.cones, rows.cones, strict=True):
        y = cone.slack(x)[1:]
        length = float(np.linalg.norm(y))
        cones.append(np.append(z0, -z0 * y / length if length > 0 else 0.0 * y))
    return Lagrangian(problem).dual_function(rows.lam, nu, rows.lb, rows.ub, cones if cones else None)
