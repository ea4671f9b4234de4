"""From cvxpy to a native `QCQP` and back: the only place that knows cvxpy.

cvxpy's own route to a solver rewrites quadratic constraints as second-order cones, with lifted variables.
Here they stay quadratics, with P taken as the user gave it. Piecewise-linear atoms (abs, max, norm1,
norm_inf, sum_largest, ...) go through cvxpy's own epigraph rewriting.

Three steps: `_Lowering` turns every expression into an affine one, with a placeholder variable for each
square; `_Squares` knows what the placeholders stand for; `from_cvxpy` reads off coefficients and sorts rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from .errors import MissingDependencyError, ProblemError
from .problem import QCQP
from .quadratic import Quadratic
from .solution import Solution, Status

try:
    import cvxpy as cp
    from cvxpy.atoms.affine.affine_atom import AffAtom
    from cvxpy.atoms.elementwise.huber import huber
    from cvxpy.atoms.elementwise.maximum import maximum
    from cvxpy.atoms.elementwise.minimum import minimum
    from cvxpy.atoms.elementwise.power import Power
    from cvxpy.atoms.max import max as max_atom
    from cvxpy.atoms.min import min as min_atom
    from cvxpy.atoms.pnorm import Pnorm
    from cvxpy.atoms.quad_form import QuadForm
    from cvxpy.atoms.quad_over_lin import quad_over_lin
    from cvxpy.constraints.nonpos import Inequality, NonNeg, NonPos
    from cvxpy.constraints.zero import Equality, Zero
    from cvxpy.cvxcore.python import canonInterface
    from cvxpy.problems.problem import SolverStats
    from cvxpy.reductions import EvalParams
    from cvxpy.reductions.dcp2cone.canonicalizers import CANON_METHODS
    from cvxpy.reductions.solution import Solution as CvxpySolution
except ImportError as error:  # pragma: no cover - depends on the environment
    raise MissingDependencyError("cvxpy is not installed; install it with: pip install 'convexkit[cvxpy]'") from error

# A matrix with a larger share of nonzeros than this is stored dense.
DENSE_SHARE = 0.2

_STATUS = {
    Status.OPTIMAL: cp.OPTIMAL, Status.OPTIMAL_INACCURATE: cp.OPTIMAL_INACCURATE,
    Status.INFEASIBLE: cp.INFEASIBLE, Status.UNBOUNDED: cp.UNBOUNDED,
    Status.ITERATION_LIMIT: cp.USER_LIMIT, Status.TIME_LIMIT: cp.USER_LIMIT,
    Status.NUMERICAL_ERROR: cp.SOLVER_ERROR,
}
_REFUSED = ("boolean", "integer", "PSD", "NSD", "symmetric", "diag", "hermitian", "complex", "imag", "sparsity")


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
    lowering = _Lowering(source.variables())
    minimised = -plain.objective.expr if sign < 0 else plain.objective.expr
    expressions = [lowering.lower_checked("objective", "<=", minimised)]
    equality, owners = [False], [-1]
    for i, constraint in enumerate(plain.constraints):
        kind, expression = _standard(f"constraint {i}", constraint)
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


def _sort_rows(lowering: _Lowering, expressions: list, is_equal: np.ndarray,
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

    squares = _Squares(lowering)
    problem = QCQP(squares.quadratic(linear, curved, constant, 0),
                   [squares.quadratic(linear, curved, constant, int(i)) for i in curved_rows],
                   G=_stored(linear[linear_rows]), h=-constant[linear_rows],
                   A=_stored(linear[equal_rows]), b=-constant[equal_rows], lb=lb, ub=ub)
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


def _attribute_bounds(lowering: _Lowering) -> tuple[np.ndarray, np.ndarray]:
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


def _standard(where: str, constraint: Any) -> tuple[str, Any]:
    """A constraint as ("<=", e) for e ≤ 0, or ("==", e) for e = 0."""
    if isinstance(constraint, Inequality):
        return "<=", constraint.expr
    if isinstance(constraint, Equality):
        return "==", constraint.expr
    if isinstance(constraint, NonPos):
        return "<=", constraint.args[0]
    if isinstance(constraint, NonNeg):
        return "<=", -constraint.args[0]
    if isinstance(constraint, Zero):
        return "==", constraint.args[0]
    name = type(constraint).__name__
    hint = " Write a bound on a 2-norm as sum_squares(x) <= t**2." if name == "SOC" else ""
    raise ProblemError(f"{where} needs a constraint of type {name}; supported are <=, >= and == with quadratic or "
                       f"piecewise-linear sides.{hint}")


def _stored(matrix: Any) -> Any:
    """A sparse matrix as it is, or dense where that is no larger."""
    rows, columns = matrix.shape
    dense = columns < 100 or matrix.nnz > DENSE_SHARE * rows * columns
    return matrix.toarray() if dense else sp.csr_matrix(matrix)


class _Lowering:
    """Affine expressions from quadratic and piecewise-linear ones.

    Squares of affine expressions become placeholder variables: an exact substitution, whatever their sign.
    Other atoms become cvxpy's epigraph variables with rows of their own, which is right only where cvxpy's
    rules of convex programming hold; they are checked with the placeholders as plain variables.
    """

    def __init__(self, variables: list):
        self.variables: list = []
        self.offsets: dict[int, int] = {}  # variable id -> its first column
        self.n = 0
        self.squares: dict[int, tuple[Any, Any]] = {}  # placeholder id -> (placeholder, square of an affine expression)
        self._exact: dict[int, tuple[Any, Any]] = {}  # id of an atom -> (its placeholder, the atom, kept alive)
        self._pending: list = []
        self._where = ""
        for variable in variables:
            self._add(variable)

    def _add(self, variable: Any) -> None:
        if variable.id in self.offsets or variable.id in self.squares:
            return
        unsupported = [name for name in _REFUSED if variable.attributes.get(name)]
        if unsupported:
            raise ProblemError(f"variable {variable.name()} is {', '.join(unsupported)}; convexkit takes real "
                               "continuous variables without matrix structure.")
        self.offsets[variable.id] = self.n
        self.variables.append(variable)
        self.n += variable.size

    def lower_checked(self, where: str, kind: str, expression: Any) -> Any:
        """`expression` as an affine tree over variables and placeholders."""
        self._where = where
        exact = self._substituted(expression)
        if not (exact.is_affine() or (kind == "<=" and exact.is_convex())):
            raise ProblemError(f"{where}: {_text(expression)} is neither quadratic nor convex by cvxpy's DCP rules. "
                               "Write a product of variables as quad_form.")
        return self._lowered(expression)

    def epigraph_rows(self) -> Any:
        """The rows that epigraphs brought along, as (kind, affine tree)."""
        while self._pending:
            where, constraint = self._pending.pop()
            self._where = where
            kind, expression = _standard(where, constraint)
            yield kind, self._lowered(expression)

    def _placeholder(self, square: Any) -> Any:
        placeholder = cp.Variable(square.shape)
        self.squares[placeholder.id] = (placeholder, square)
        return placeholder

    def _substituted(self, expression: Any) -> Any:
        """`expression` with placeholders for the squares of affine expressions."""
        if expression.is_constant() or isinstance(expression, cp.Variable):
            return expression
        square = _as_square(expression)
        if square is not None and square.args[0].is_affine():
            if id(expression) not in self._exact:
                argument = self._lowered(square.args[0])
                placeholder = self._placeholder(square.copy([argument, *square.args[1:]]))
                self._exact[id(expression)] = (placeholder, expression)
            return self._exact[id(expression)][0]
        return _rebuilt(expression, [self._substituted(argument) for argument in expression.args])

    def _lowered(self, expression: Any) -> Any:
        if expression.is_constant():
            return expression if isinstance(expression, cp.Constant) else cp.Constant(expression.value)
        if isinstance(expression, cp.Variable):
            self._add(expression)
            return expression
        if id(expression) in self._exact:
            return self._exact[id(expression)][0]
        arguments = [self._lowered(argument) for argument in expression.args]
        method = CANON_METHODS.get(type(expression))  # type: ignore[call-overload]
        if isinstance(expression, AffAtom) and method is None:
            return _rebuilt(expression, arguments)
        if not isinstance(expression, _SELECTIONS):
            arguments = [self._bounded(expression, *pair) for pair in zip(expression.args, arguments, strict=True)]
        square = _as_square(expression.copy(arguments))
        if square is not None:
            return self._placeholder(square)
        if isinstance(expression, huber):
            # huber(e) = min over v of v² + 2M|e - v|
            v = cp.Variable(expression.shape)
            return self._lowered(cp.square(v) + 2 * expression.M * cp.abs(arguments[0] - v))
        if method is None:
            raise ProblemError(f"{self._where}: {type(expression).__name__} is neither quadratic nor piecewise linear.")
        affine, constraints = method(expression, arguments)
        where = f"{self._where}: {_text(expression)}"
        self._pending += [(where, constraint) for constraint in constraints]
        return affine

    def _bounded(self, outer: Any, argument: Any, lowered: Any) -> Any:
        """A curved argument of an atom as a new variable t ≥ argument, or ≤ where it is concave."""
        if not any(variable.id in self.squares for variable in lowered.variables()):
            return lowered
        if not (outer.is_dcp() and (argument.is_convex() or argument.is_concave())):
            raise ProblemError(f"{self._where}: {_text(outer)} does not follow cvxpy's DCP rules.")
        t = cp.Variable(argument.shape)
        self._add(t)
        self._pending.append((self._where, lowered <= t if argument.is_convex() else lowered >= t))
        return t

    def coefficients(self, expressions: list) -> tuple[Any, np.ndarray]:
        """(rows × columns) CSR matrix A and b of affine trees, columns for variables and then placeholders."""
        columns, total = dict(self.offsets), self.n
        for placeholder, _ in self.squares.values():
            columns[placeholder.id] = total
            total += placeholder.size
        rows = sum(expression.size for expression in expressions)
        # cvxpy's answer is one sparse column, entry (i, j) at i + rows·j, the last j for b. Cut into columns here,
        # because reshaping it costs time and memory in proportion to rows × columns.
        tensor = sp.csc_matrix(canonInterface.get_problem_matrix(
            [e.canonical_form[0] for e in expressions], total, columns, {-1: 1}, {-1: 0}, rows,
            cp.SCIPY_CANON_BACKEND))
        tensor.sum_duplicates()
        flat = tensor.indices.astype(np.int64)
        starts = np.searchsorted(flat, rows * np.arange(total + 2))
        matrix = sp.csc_matrix((tensor.data, flat % rows, starts), shape=(rows, total + 1))
        matrix.eliminate_zeros()
        return matrix[:, :total].tocsr(), matrix[:, [total]].toarray().reshape(-1)


# Atoms whose value is one of their arguments: their epigraph is exact for arguments of any shape.
_SELECTIONS = (maximum, minimum, max_atom, min_atom)


def _as_square(expression: Any) -> Any:
    """`expression` if it is a square of its first argument, sum_squares(e) for norm(e)², else None."""
    if isinstance(expression, (QuadForm, quad_over_lin)):
        return expression if expression.args[1].is_constant() else None
    if not isinstance(expression, Power) or float(expression.p.value) != 2.0:
        return None
    inner = expression.args[0]
    if isinstance(inner, Pnorm) and float(inner.p) == 2.0 and inner.axis is None and inner.size == 1:
        return cp.sum_squares(inner.args[0])
    return expression


def _rebuilt(expression: Any, arguments: list) -> Any:
    same = all(new is old for new, old in zip(arguments, expression.args, strict=True))
    return expression if same else expression.copy(arguments)


def _text(expression: Any) -> str:
    text = str(expression).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


class _Squares:
    """What the placeholders stand for, as coefficients: each entry is a sum of weighted squares of Fx + c."""

    def __init__(self, lowering: _Lowering):
        self.n = lowering.n
        self.atoms = [atom for _, atom in lowering.squares.values()]
        self._starts = np.cumsum([0] + [placeholder.size for placeholder, _ in lowering.squares.values()])
        arguments = [atom.args[0] for atom in self.atoms]
        self._arguments: list[tuple[Any, np.ndarray]] = []
        if arguments:
            F, c = lowering.coefficients(arguments)
            F, ends = F[:, :self.n].tocsr(), np.cumsum([argument.size for argument in arguments])
            self._arguments = [(F[end - argument.size:end], c[end - argument.size:end])
                               for argument, end in zip(arguments, ends, strict=True)]

    def quadratic(self, linear: Any, curved: Any, constant: np.ndarray, row: int) -> Quadratic:
        """Row `row` of linear·x + curved·placeholders + constant."""
        q = np.zeros(self.n)
        own = slice(linear.indptr[row], linear.indptr[row + 1])
        q[linear.indices[own]] = linear.data[own]
        own = slice(curved.indptr[row], curved.indptr[row + 1])
        columns, weights = curved.indices[own], curved.data[own]
        if not columns.size:
            return Quadratic(None, q, constant[row])
        total = _Sum(q, float(constant[row]))
        which = np.searchsorted(self._starts, columns, side="right") - 1
        for k in np.unique(which):
            self._add_to(total, k, columns[which == k] - self._starts[k], weights[which == k])
        return total.quadratic()

    def _add_to(self, total: _Sum, k: int, entries: np.ndarray, weights: np.ndarray) -> None:
        atom, (F, c) = self.atoms[k], self._arguments[k]
        if isinstance(atom, QuadForm):
            total.add_form(F, c, float(weights[0]) * _values(atom.args[1]))
            return
        if isinstance(atom, quad_over_lin):
            each = np.zeros(atom.size)
            each[entries] = weights / float(np.asarray(_values(atom.args[1])).reshape(-1)[0])
            row_weights = each[_group(atom)]
        else:
            row_weights = np.zeros(c.size)
            row_weights[entries] = weights
        used = np.flatnonzero(row_weights)
        total.add_squares(F[used] if used.size < c.size else F, c[used], row_weights[used])


def _values(expression: Any) -> Any:
    value = expression.value
    return value if sp.issparse(value) else np.asarray(value, dtype=np.float64)


def _group(atom: Any) -> np.ndarray:
    """For each entry of the argument of sum_squares, in Fortran order, the entry of the result it counts to."""
    shape = atom.args[0].shape
    if getattr(atom, "axis", None) is None:
        return np.zeros(int(np.prod(shape)), dtype=int)
    summed = {axis % len(shape) for axis in np.atleast_1d(atom.axis)}
    kept = tuple(1 if axis in summed else size for axis, size in enumerate(shape))
    index = np.arange(int(np.prod(kept))).reshape(kept, order="F")
    return np.broadcast_to(index, shape).reshape(-1, order="F")


class _Sum:
    """qᵀx + r + a sum of squares, kept apart by structure: diagonal, factors, matrices."""

    def __init__(self, q: np.ndarray, r: float):
        self.q, self.r, self.n = q, r, q.size
        self.diag = np.zeros(self.n)
        self.factors: list = []
        self.matrices: list = []

    def add_squares(self, F: Any, c: np.ndarray, weights: np.ndarray) -> None:
        """Add Σ weightsᵢ(Fx + c)ᵢ²."""
        self.q += 2.0 * (F.T @ (weights * c))
        self.r += float(c @ (weights * c))
        count = np.diff(F.indptr)
        if count.max(initial=0) <= 1:
            self.diag += np.bincount(F.indices, 2.0 * np.repeat(weights, count) * F.data**2, minlength=self.n)
        elif (weights > 0).all():
            self.factors.append(_stored(sp.diags(np.sqrt(2.0 * weights)) @ F))
        else:
            F = _stored(F)
            gram = F.T @ (weights[:, None] * F if isinstance(F, np.ndarray) else sp.diags(weights) @ F)
            self.matrices.append(gram + gram.T)

    def add_form(self, F: Any, c: np.ndarray, W: Any) -> None:
        """Add (Fx + c)ᵀW(Fx + c)."""
        W = W + W.T
        if c.any():
            self.q += F.T @ (W @ c)
            self.r += 0.5 * float(c @ (W @ c))
        if (np.diff(F.indptr) == 1).all() and (F.data == 1).all() and np.unique(F.indices).size == F.indices.size:
            W = self._placed(W, F.indices)
        else:
            F = _stored(F)
            W = F.T @ (W @ F)
            W = 0.5 * (W + W.T)
        self.matrices.append(W)

    def _placed(self, W: Any, columns: np.ndarray) -> Any:
        """W in the rows and columns of some of the variables: the usual case, and no product is needed."""
        if np.array_equal(columns, np.arange(self.n)):
            return W
        if not sp.issparse(W) and W.size > DENSE_SHARE * self.n**2:
            P = np.zeros((self.n, self.n))
            P[np.ix_(columns, columns)] = W
            return P
        W = sp.coo_matrix(W)
        return sp.csr_matrix((W.data, (columns[W.row], columns[W.col])), shape=(self.n, self.n))

    def quadratic(self) -> Quadratic:
        """Factored if all terms are squares of fewer than n/2 rows, besides a diagonal; else P summed up."""
        rows = sum(factor.shape[0] for factor in self.factors)
        if self.factors and not self.matrices and rows < self.n / 2 and self.diag.min() >= 0:
            dense = any(isinstance(factor, np.ndarray) for factor in self.factors)
            stacked = np.vstack([f if isinstance(f, np.ndarray) else f.toarray() for f in self.factors]) if dense \
                else sp.vstack(self.factors, format="csr")
            return Quadratic.from_factor(stacked, diag=self.diag, q=self.q, r=self.r)
        own = np.flatnonzero(self.diag)
        P: Any = sp.csr_matrix((self.diag[own], (own, own)), shape=(self.n, self.n))
        for matrix in (*(factor.T @ factor for factor in self.factors), *self.matrices):
            P = np.asarray(P + matrix) if isinstance(matrix, np.ndarray) else P + matrix
        if sp.issparse(P):
            P = sp.csr_matrix(P)
            if P.nnz == 0:
                return Quadratic(None, self.q, self.r)
            P = P.toarray() if P.nnz > DENSE_SHARE * self.n**2 else P
        return Quadratic(P, self.q, self.r)
