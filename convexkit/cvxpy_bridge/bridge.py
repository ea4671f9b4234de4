"""The way there, `from_cvxpy`, and the way back, `Bridge.write_back`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from cvxpy.problems.problem import SolverStats
from cvxpy.reductions import EvalParams
from cvxpy.reductions.solution import Solution as CvxpySolution

from ..errors import ProblemError
from ..problem import QCQP
from ..solution import Solution, Status
from .lowering import Lowering, standard
from .squares import Squares, stored

_STATUS = {
    Status.OPTIMAL: cp.OPTIMAL, Status.OPTIMAL_INACCURATE: cp.OPTIMAL_INACCURATE,
    Status.INFEASIBLE: cp.INFEASIBLE, Status.UNBOUNDED: cp.UNBOUNDED,
    Status.ITERATION_LIMIT: cp.USER_LIMIT, Status.TIME_LIMIT: cp.USER_LIMIT,
    Status.NUMERICAL_ERROR: cp.SOLVER_ERROR,
}


@dataclass(frozen=True)
class Bridge:
    """A cvxpy problem with its native form.

    Attributes
    ----------
    problem : QCQP, to solve; it minimises, also where the cvxpy problem maximises
    source : cvxpy.Problem

    Examples
    --------
    >>> import cvxpy as cp, convexkit as ck
    >>> from convexkit import cvxpy_bridge
    >>> x = cp.Variable(2)
    >>> source = cp.Problem(cp.Minimize(x[0] + x[1]), [cp.sum_squares(x) <= 2])
    >>> bridge = cvxpy_bridge.from_cvxpy(source)
    >>> bridge.problem
    QCQP(n=2, 1 quadratic + 0 linear inequalities, 0 equalities, 0 bounds)
    >>> bridge.write_back(ck.solve(bridge.problem))
    >>> x.value.round(6), source.status, round(float(source.constraints[0].dual_value), 6)
    (array([-1., -1.]), 'optimal', 0.5)
    """

    problem: QCQP
    source: Any
    _offsets: dict = field(repr=False)  # variable id -> its first column
    _duals: tuple = field(repr=False)  # for each constraint of the source: (positions in _multipliers, factors)
    _sign: float = field(repr=False)

    def write_back(self, solution: Solution) -> None:
        """Store values of variables, duals, status and value in the cvxpy problem, as its own solve would.

        Parameters
        ----------
        solution : Solution of `problem`

        Raises
        ------
        ProblemError
            If the solution has other shapes than `problem`.

        Notes
        -----
        Duals follow cvxpy: those of `<=` and `>=` are nonnegative, and those of `==` belong to
        f₀ + nuᵀ(lhs - rhs) of the equivalent minimisation. If the problem is infeasible they are the
        certificate's multipliers; if it is unbounded they are None. Where cvxpy would raise (`user_limit`,
        `solver_error`), the best point is stored and the status says what to think of it.

        Examples
        --------
        >>> import cvxpy as cp, convexkit as ck
        >>> from convexkit import cvxpy_bridge
        >>> x = cp.Variable()
        >>> source = cp.Problem(cp.Maximize(x), [x >= 2, x**2 <= 1])
        >>> bridge = cvxpy_bridge.from_cvxpy(source)
        >>> bridge.write_back(ck.solve(bridge.problem))
        >>> source.status, source.value, x.value
        ('infeasible', -inf, None)
        """
        pr = self.problem
        if not isinstance(solution, Solution) or (solution.x.size, solution.lam.size, solution.nu.size) \
                != (pr.n, pr.m, pr.p):
            raise ProblemError("solution does not belong to this bridge's problem.")
        status = _STATUS[solution.status]
        variables = self.source.variables()
        primal, dual = {}, {}
        if np.isfinite(solution.x).all():
            primal = {v.id: solution.x[self._offsets[v.id]:][:v.size].reshape(v.shape, order="F") for v in variables}
        if solution.status is not Status.UNBOUNDED:
            # Position 0 is for rows without a multiplier of their own.
            every = np.concatenate(([0.0], solution.lam, solution.nu, solution.lam_lb, solution.lam_ub))
            dual = {c.id: (factors * every[positions]).reshape(c.shape, order="F")
                    for c, (positions, factors) in zip(self.source.constraints, self._duals, strict=True)}
        value = self._sign * solution.value
        if status in (cp.USER_LIMIT, cp.SOLVER_ERROR):
            for variable in variables:
                variable.save_value(primal.get(variable.id))
            for constraint in self.source.constraints:
                constraint.save_dual_value(dual[constraint.id])
            self.source._status, self.source._value = status, value
        else:
            self.source.unpack(CvxpySolution(status, value, primal, dual, {}))
            for constraint in self.source.constraints:
                if constraint.id in dual:  # cvxpy before 1.8 leaves out the proof of an infeasible problem
                    constraint.save_dual_value(dual[constraint.id])
        self.source._solver_stats = SolverStats("convexkit", solve_time=solution.seconds, num_iters=solution.nit)


def from_cvxpy(source: Any) -> Bridge:
    """A cvxpy LP, QP or QCQP as a native `QCQP`, quadratic rows included, with the way back.

    Parameters
    ----------
    source : cvxpy.Problem
        Not modified. Parameters are read at their current values. Rows with a single variable become bounds,
        rows without any are dropped where they hold.

    Returns
    -------
    Bridge

    Raises
    ------
    ProblemError
        Names what is not supported: integer or matrix-structured variables, cones, atoms that are neither
        quadratic nor piecewise linear, quadratic equalities, piecewise-linear atoms that bend the wrong way,
        a parameter without a value.

    Notes
    -----
    Convexity of quadratics is left to `solve`, which names the row and its eigenvalue. Cost: cvxpy's own
    extraction of affine coefficients, and one FᵀF for each square whose F has at least n/2 rows.

    Examples
    --------
    >>> import cvxpy as cp, convexkit as ck
    >>> from convexkit import cvxpy_bridge
    >>> x = cp.Variable(nonneg=True)
    >>> source = cp.Problem(cp.Maximize(3 * x), [x**2 <= 4])
    >>> bridge = cvxpy_bridge.from_cvxpy(source)
    >>> bridge.write_back(ck.solve(bridge.problem))
    >>> round(float(source.value), 6)
    6.0
    """
    if not isinstance(source, cp.Problem):
        raise ProblemError(f"source must be a cvxpy.Problem; got {type(source).__name__}.")
    for parameter in source.parameters():
        if parameter.value is None:
            raise ProblemError(f"parameter {parameter.name()} has no value; set its .value first.")
    sign = -1.0 if isinstance(source.objective, cp.Maximize) else 1.0
    plain = EvalParams().apply(source)[0] if source.parameters() else source
    lowering = Lowering(source.variables())
    minimised = -plain.objective.expr if sign < 0 else plain.objective.expr
    expressions = [lowering.lower_checked("objective", "<=", minimised)]
    equality, owners = [False], [-1]
    for i, constraint in enumerate(plain.constraints):
        kind, expression = standard(f"constraint {i}", constraint)
        expressions.append(lowering.lower_checked(f"constraint {i}", kind, expression))
        equality.append(kind == "==")
        owners.append(i)
    for kind, expression in lowering.epigraph_rows():
        expressions.append(expression)
        equality.append(kind == "==")
        owners.append(-1)
    sizes = [expression.size for expression in expressions]
    native, position, factor = _sort_rows(lowering, expressions, np.repeat(equality, sizes), np.repeat(owners, sizes))
    ends = np.cumsum(sizes)
    duals = tuple((position[end - size:end], factor[end - size:end])
                  for i, size, end in zip(owners, sizes, ends, strict=True) if i >= 0)
    return Bridge(native, source, lowering.offsets, duals, sign)


def _sort_rows(lowering: Lowering, expressions: list, is_equal: np.ndarray,
               owner: np.ndarray) -> tuple[QCQP, np.ndarray, np.ndarray]:
    """The native problem, and for each row where its multiplier is found and what to multiply it by.

    Row 0 is the objective. Positions count through [nothing, lam, nu, lam_lb, lam_ub].
    """
    n = lowering.n
    matrix, constant = lowering.coefficients(expressions)
    linear, curved = matrix[:, :n].tocsr(), matrix[:, n:].tocsr()
    count, is_curved = np.diff(linear.indptr), np.diff(curved.indptr) > 0
    bad = is_equal & is_curved
    if bad.any():
        raise ProblemError(f"constraint {owner[bad][0]} is a quadratic equality, which is not convex.")
    # A row is one of: curved, equality, bound, linear; or the objective, or a constant that holds.
    holds = ~is_curved & (count == 0) & np.where(is_equal, constant == 0, constant <= 0)
    holds[0] = True
    curved_rows = np.flatnonzero(~holds & is_curved)
    equal_rows = np.flatnonzero(~holds & is_equal)
    plain = ~holds & ~is_curved & ~is_equal
    bound_rows = np.flatnonzero(plain & (count == 1))
    column, slope = linear.indices[linear.indptr[bound_rows]], linear.data[linear.indptr[bound_rows]]
    own_lb, own_ub = _attribute_bounds(lowering)
    lb, from_lb = _tighten(own_lb, column, slope, -constant[bound_rows] / slope, upper=False)
    ub, from_ub = _tighten(own_ub, column, slope, -constant[bound_rows] / slope, upper=True)
    # Crossed bounds are the problem's nature here, not a caller's mistake: their rows stay rows.
    crossed = lb > ub
    lb[crossed], ub[crossed], from_lb[crossed], from_ub[crossed] = own_lb[crossed], own_ub[crossed], -1, -1
    linear_rows = np.sort(np.concatenate([np.flatnonzero(plain & (count != 1)), bound_rows[crossed[column]]]))

    squares = Squares(lowering)
    problem = QCQP(squares.quadratic(linear, curved, constant, 0),
                   [squares.quadratic(linear, curved, constant, int(i)) for i in curved_rows],
                   G=stored(linear[linear_rows]), h=-constant[linear_rows],
                   A=stored(linear[equal_rows]), b=-constant[equal_rows], lb=lb, ub=ub)
    position, factor = np.zeros(matrix.shape[0], dtype=int), np.ones(matrix.shape[0])
    position[np.concatenate([curved_rows, linear_rows, equal_rows])] = 1 + np.arange(problem.m + problem.p)
    for chosen, first in ((from_lb, 1 + problem.m + problem.p), (from_ub, 1 + problem.m + problem.p + n)):
        used = np.flatnonzero(chosen >= 0)
        position[bound_rows[chosen[used]]] = first + used
        # The multiplier of slope·x + constant ≤ 0 is that of the bound on x, over |slope|.
        factor[bound_rows[chosen[used]]] = 1.0 / np.abs(slope[chosen[used]])
    return problem, position, factor


def _tighten(bound: np.ndarray, column: np.ndarray, slope: np.ndarray, limit: np.ndarray, *,
             upper: bool) -> tuple[np.ndarray, np.ndarray]:
    """The bounds with those limits that are tighter, and which limit set each of them, or -1.

    The tightest of several takes the multiplier; the first of equals.
    """
    bound, chosen = bound.copy(), np.full(bound.size, -1)
    side = np.flatnonzero((slope > 0) == upper)
    order = side[np.lexsort((side, limit[side] if upper else -limit[side], column[side]))]
    first = order[np.unique(column[order], return_index=True)[1]]
    first = first[limit[first] < bound[column[first]] if upper else limit[first] > bound[column[first]]]
    bound[column[first]], chosen[column[first]] = limit[first], first
    return bound, chosen


def _attribute_bounds(lowering: Lowering) -> tuple[np.ndarray, np.ndarray]:
    """lb and ub from the attributes of the variables: nonneg, nonpos, pos, neg, bounds."""
    lb, ub = np.full(lowering.n, -np.inf), np.full(lowering.n, np.inf)
    for variable in lowering.variables:
        own = slice(lowering.offsets[variable.id], lowering.offsets[variable.id] + variable.size)
        if variable.attributes["nonneg"] or variable.attributes["pos"]:
            lb[own] = 0.0
        if variable.attributes["nonpos"] or variable.attributes["neg"]:
            ub[own] = 0.0
        given = variable.attributes.get("bounds") or (None, None)
        for values, tighter, bound in zip((lb, ub), (np.maximum, np.minimum), given, strict=True):
            limit: Any = bound.value if isinstance(bound, cp.Expression) else bound
            if limit is not None:
                limit = limit.toarray() if sp.issparse(limit) else limit
                values[own] = tighter(values[own], np.broadcast_to(limit, variable.shape).reshape(-1, order="F"))
    return lb, ub
