"""The way there, `from_cvxpy`, and the way back, `Bridge.write_back`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from cvxpy.problems.problem import SolverStats
from cvxpy.reductions import EvalParams
from cvxpy.reductions.solution import Solution as CvxpySolution

from ..duality import Lagrangian, PrimalDualPoint, split_by_sign
from ..errors import ProblemError
from ..problem import QCQP
from ..solution import Solution, Status
from .epigraphs import Known, completed
from .lowering import Lowering, standard
from .rows import Places, second_order_cone, sort_rows
from .squares import Squares, stored
from .unchanged import parameter_values, require_unchanged

STATUS = {
    Status.OPTIMAL: cp.OPTIMAL, Status.OPTIMAL_INACCURATE: cp.OPTIMAL_INACCURATE,
    Status.INFEASIBLE: cp.INFEASIBLE, Status.UNBOUNDED: cp.UNBOUNDED,
    Status.ITERATION_LIMIT: cp.USER_LIMIT, Status.TIME_LIMIT: cp.USER_LIMIT,
    Status.INTERRUPTED: cp.USER_LIMIT,
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
    _rows: tuple = field(repr=False)  # for each constraint of the source, the slice of its rows
    _places: Places = field(repr=False)  # of the multipliers of all rows
    _sign: float = field(repr=False)
    _own: int = field(repr=False)  # columns of the source's own variables; those of epigraphs follow
    _parameters: dict = field(repr=False)  # parameter id -> its value when the bridge was built

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
        certificate's multipliers; if it is unbounded they are None. The dual of an SOC is a pair in the cone, as in
        cvxpy. With `user_limit` and with `solver_error`, for which cvxpy would raise, the best point is stored and
        the status says what to think of it.

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
                != (pr.n, pr.m, pr.p) or [z.size for z in solution.lam_cones] != [cone.size for cone in pr.cones]:
            raise ProblemError("solution does not belong to this bridge's problem.")
        status = STATUS[solution.status]
        variables = self.source.variables()
        primal, dual = {}, {}
        if np.isfinite(solution.x).all():
            primal = {v.id: solution.x[self._offsets[v.id]:][:v.size].reshape(v.shape, order="F") for v in variables}
        if solution.status is not Status.UNBOUNDED:
            every = self._places.duals(solution)
            # cvxpy cuts the dual of an SOC itself: cone by cone, the top first.
            dual = {c.id: every[rows].reshape(-1 if isinstance(c, cp.SOC) else c.shape, order="F")
                    for c, rows in zip(self.source.constraints, self._rows, strict=True)}
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
                if constraint.id in dual:  # cvxpy before 1.9 leaves out the proof of an infeasible problem
                    constraint.save_dual_value(dual[constraint.id])
        self.source._solver_stats = SolverStats("convexkit", solve_time=solution.seconds, num_iters=solution.nit,
                                                extra_stats={"solution": solution, "problem": pr})


    def read_point(self) -> PrimalDualPoint:
        """The point that any solver left in the cvxpy problem, with its duals, as multipliers of `problem`.

        `ck.kkt_residuals(bridge.problem, *point)` and `ck.duality_report(bridge.problem, *point)` judge it.

        Raises
        ------
        ProblemError
            If the cvxpy problem has no point, or was changed since: a parameter or the data since the bridge was
            built, a variable's value or a parameter since it was solved.

        Notes
        -----
        cvxpy has no duals for attributes such as `nonneg` and `bounds`; their multipliers are those that the slope of
        the Lagrangian implies. A constraint's dual is None where a solver gave none, and is read as zero. Nor does it
        keep values and duals of the variables and rows that it adds for abs, max, norms and the like: with the duals
        of the constraints as they are, these are computed, by solving for them alone.

        Examples
        --------
        >>> import cvxpy as cp, convexkit as ck
        >>> from convexkit import cvxpy_bridge
        >>> x = cp.Variable(2)
        >>> source = cp.Problem(cp.Minimize(x[0] + x[1]), [cp.sum_squares(x) <= 2, x[1] >= 0])
        >>> _ = source.solve(solver="CLARABEL")
        >>> bridge = cvxpy_bridge.from_cvxpy(source)
        >>> point = bridge.read_point()
        >>> point.x.round(4), point.lam.round(4), point.lam_lb.round(4)
        (array([-1.4142,  0.    ]), array([0.3536]), array([0., 1.]))
        >>> ck.duality_report(bridge.problem, *point).relative_gap < 1e-6
        True
        """
        pr = self.problem
        require_unchanged(self, from_cvxpy)
        x = np.zeros(pr.n)
        for variable in self.source.variables():
            first = self._offsets[variable.id]
            x[first:first + variable.size] = np.reshape(variable.value, -1, order="F")
        rows = np.zeros(self._places.position.size)
        for constraint, own in zip(self.source.constraints, self._rows, strict=True):
            rows[own] = _flat_dual(constraint)
        lam, nu, lam_lb, lam_ub, *lam_cones = self._places.multipliers(rows)
        point = PrimalDualPoint(x, lam, nu, lam_lb, lam_ub, tuple(lam_cones))
        known = self._known()
        if not known.everything or pr.n > self._own:
            point = completed(pr, point, known)
        # Bounds that no row states have no dual in cvxpy: the slope that is left is theirs.
        implied = split_by_sign(Lagrangian(pr).gradient(*point), pr.lb, pr.ub)
        own = np.arange(pr.n) < self._own
        return point._replace(lam_lb=np.where(own & ~known.lam_lb, point.lam_lb + implied[0], point.lam_lb),
                              lam_ub=np.where(own & ~known.lam_ub, point.lam_ub + implied[1], point.lam_ub))

    def _known(self) -> Known:
        """Whose multipliers the source's own constraints have."""
        pr = self.problem
        mine = np.zeros(self._places.position.size, dtype=bool)
        for rows in self._rows:
            mine[rows] = True
        lam, nu, lam_lb, lam_ub, *cones = self._places.multipliers(mine.astype(float))
        everything = np.array([2 if (z > 0).all() else int(z[0] > 0) for z in cones], dtype=int)
        return Known(self._own, (lam > 0) | np.concatenate([np.zeros(len(pr.inequalities), bool), np.isinf(pr.h)]),
                     nu > 0, lam_lb > 0, lam_ub > 0, everything)


def _flat_dual(constraint: Any) -> np.ndarray | float:
    """A constraint's dual as its rows are ordered: by columns, an SOC cone by cone with the top first; 0 if None."""
    value = constraint.dual_value
    if isinstance(constraint, cp.SOC):
        if value is None or any(part is None for part in value):
            return 0.0
        tops, rest = (np.asarray(part, dtype=np.float64) for part in value)
        if rest.ndim == 2 and constraint.axis == 0:
            rest = rest.T
        return np.column_stack([tops.reshape(-1), rest.reshape(tops.size, -1)]).reshape(-1)
    return 0.0 if value is None else np.reshape(np.asarray(value, dtype=np.float64), -1, order="F")


def from_cvxpy(source: Any) -> Bridge:
    """A cvxpy LP, QP, QCQP or SOCP as a native `QCQP`, quadratic rows and cones included, with the way back.

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
        Names what is not supported: integer or matrix-structured variables, cones other than second-order ones,
        atoms that need such cones, quadratic equalities, piecewise-linear atoms and norms that bend the wrong way,
        a parameter without a value.

    Notes
    -----
    Squares become quadratics, and what cvxpy writes with second-order cones (`SOC`, norms, `quad_over_lin`, rational
    powers) becomes `SecondOrderCone`. An epigraph variable that serves one cone and one row is replaced, so that
    norm(Ax + b) <= c @ x + d is that cone and nothing else.

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
    kinds, owners = ["<="], [-1]
    for i, constraint in enumerate(plain.constraints):
        kind, expression = standard(f"constraint {i}", constraint)
        expressions.append(lowering.lower_checked(f"constraint {i}", kind, expression))
        kinds.append(kind)
        owners.append(i)
    for kind, expression in lowering.epigraph_rows():
        expressions.append(expression)
        kinds.append(kind)
        owners.append(-1)
    problem, places = _native(lowering, expressions, kinds, owners)
    ends = np.cumsum([expression.size for expression in expressions])
    rows = tuple(slice(end - expression.size, end)
                 for i, expression, end in zip(owners, expressions, ends, strict=True) if i >= 0)
    return Bridge(problem, source, lowering.offsets, rows, places, sign, lowering.own, parameter_values(source))


def _native(lowering: Lowering, expressions: list, kinds: list, owners: list) -> tuple[QCQP, Places]:
    """The native problem, and where the multipliers of all rows are found. Row 0 is the objective."""
    sizes = [expression.size for expression in expressions]
    kind, owner = np.repeat(kinds, sizes), np.repeat(owners, sizes)
    matrix, constant = lowering.coefficients(expressions)
    linear, curved = matrix[:, :lowering.n].tocsr(), matrix[:, lowering.n:].tocsr()
    is_curved = np.diff(curved.indptr) > 0
    for refused, what in (("==", "is a quadratic equality, which is not convex"),
                          ("soc", "has a square inside a second-order cone, which takes affine arguments")):
        bad = is_curved & (kind == refused)
        if bad.any():
            raise ProblemError(f"constraint {owner[bad][0]} {what}.")
    squares = Squares(lowering)
    lb, ub = _attribute_bounds(lowering)
    tops, heights = _cones(expressions, kinds, sizes)
    plain = ~is_curved & (kind == "<=")
    plain[0] = False  # the objective
    spare = _spare_tops(linear, constant, tops, plain & np.isfinite(constant), np.isfinite(lb) | np.isfinite(ub)
                        | (squares.uses() > 0) | (np.arange(lowering.n) < lowering.own))
    # The row a·t + gᵀx + k ≤ 0 leaves, and its t at the top of a cone becomes -(gᵀx + k)/a.
    shift = sp.csr_matrix((1.0 / spare.slope, (spare.top, spare.row)), shape=(constant.size, constant.size))
    stays = np.ones(lowering.n, dtype=bool)
    stays[spare.column] = False
    linear, constant = (linear - shift @ linear)[:, stays].tocsr(), constant - shift @ constant
    linear.eliminate_zeros()
    squares.keep(stays)
    plain[spare.row] = False

    # A row is one of: curved, equality, linear, of a cone; or the objective, or a constant that holds, or it left.
    empty = ~is_curved & (np.diff(linear.indptr) == 0)
    curved_rows = np.flatnonzero(is_curved & (kind == "<="))[int(is_curved[0]):]
    equal_rows = np.flatnonzero((kind == "==") & ~(empty & (constant == 0)))
    plain_rows = np.flatnonzero(plain & ~(empty & (constant <= 0)))
    rows = sort_rows(linear[plain_rows], -constant[plain_rows], lb[stays], ub[stays])
    blocks = [slice(top, top + height) for top, height in zip(tops, heights, strict=True)]
    blocks = [block for block in blocks if not (empty[block].all() and _holds(constant[block]))]
    problem = QCQP(squares.quadratic(linear, curved, constant, 0),
                   [squares.quadratic(linear, curved, constant, int(i)) for i in curved_rows],
                   G=stored(rows.G), h=rows.h, A=stored(linear[equal_rows]), b=-constant[equal_rows],
                   lb=rows.lb, ub=rows.ub,
                   cones=[second_order_cone(linear, constant, block, stored) for block in blocks])
    places = Places(problem, constant.size)
    places.quadratics(curved_rows)
    places.inequalities(plain_rows, rows)
    places.equalities(equal_rows)
    places.cones(blocks)
    # Stationarity in t: the multiplier of its row, times a, is that of the top.
    places.position[spare.row], places.factor[spare.row] = places.position[spare.top], 1.0 / spare.slope
    return problem, places


def _cones(expressions: list, kinds: list, sizes: list) -> tuple[np.ndarray, np.ndarray]:
    """First rows and heights of the cones: the columns of every expression of kind "soc"."""
    starts = np.cumsum([0, *sizes])
    tops, heights = [np.zeros(0, dtype=int)], [np.zeros(0, dtype=int)]
    for expression, kind, start in zip(expressions, kinds, starts, strict=False):
        if kind == "soc":
            height, count = expression.shape
            tops.append(start + height * np.arange(count))
            heights.append(np.full(count, height))
    return np.concatenate(tops), np.concatenate(heights)


class _SpareTops(NamedTuple):
    """Cones ‖y‖ ≤ t with a variable t that occurs in one other row only, a·t + gᵀx + k ≤ 0 with a > 0."""

    top: np.ndarray
    row: np.ndarray
    column: np.ndarray
    slope: np.ndarray


def _spare_tops(linear: Any, constant: np.ndarray, tops: np.ndarray, plain: np.ndarray,
                busy: np.ndarray) -> _SpareTops:
    """`plain` marks the linear inequalities, `busy` the variables that have other uses."""
    tops = tops[(np.diff(linear.indptr)[tops] == 1) & (constant[tops] == 0)]
    column = linear.indices[linear.indptr[tops]]
    by_column = linear.tocsc()
    used = (linear.data[linear.indptr[tops]] == 1) & ~busy[column] & (np.diff(by_column.indptr)[column] == 2)
    tops, column = tops[used], column[used]
    # Of the two entries in the column one is the top itself.
    entry = by_column.indptr[column]
    entry = entry + (by_column.indices[entry] == tops)
    row, slope = by_column.indices[entry], by_column.data[entry]
    used = plain[row] & (slope > 0)
    once = np.unique(row[used], return_index=True)[1]
    return _SpareTops(*(array[used][once] for array in (tops, row, column, slope)))


def _holds(slack: np.ndarray) -> bool:
    return bool(np.linalg.norm(slack[1:]) <= slack[0])


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
