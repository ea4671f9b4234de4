"""From cvxpy to a native `QCQP` and back: the only place that knows cvxpy.

cvxpy's own route to a solver rewrites quadratic constraints as second-order cones, with lifted variables.
Here they stay quadratics, with P taken as the user gave it. Other piecewise-linear atoms (abs, max, norm1,
norm_inf, sum_largest, ...) go through cvxpy's own epigraph rewriting.
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
    from cvxpy.atoms.elementwise.power import Power
    from cvxpy.atoms.quad_form import QuadForm
    from cvxpy.atoms.quad_over_lin import quad_over_lin
    from cvxpy.constraints.nonpos import Inequality, NonNeg, NonPos
    from cvxpy.constraints.zero import Equality, Zero
    from cvxpy.cvxcore.python import canonInterface
    from cvxpy.reductions import EvalParams
    from cvxpy.reductions.dcp2cone.canonicalizers import CANON_METHODS
    from cvxpy.reductions.solution import Solution as CvxpySolution
except ImportError as error:  # pragma: no cover - depends on the environment
    raise MissingDependencyError("cvxpy is not installed; install it with: pip install 'convexkit[cvxpy]'") from error

# A P with a larger share of nonzeros than this is stored dense.
DENSE_SHARE = 0.2

_STATUS = {
    Status.OPTIMAL: cp.OPTIMAL, Status.OPTIMAL_INACCURATE: cp.OPTIMAL_INACCURATE,
    Status.INFEASIBLE: cp.INFEASIBLE, Status.UNBOUNDED: cp.UNBOUNDED,
    Status.ITERATION_LIMIT: "user_limit", Status.TIME_LIMIT: "user_limit",
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
    _columns: dict = field(repr=False)  # variable id -> (variable, offset)
    _duals: tuple = field(repr=False)  # one list of dual locations for each constraint of the source
    _sign: float = field(repr=False)

    def write_back(self, solution: Solution) -> None:
        """Store values of variables, duals, status and value in the cvxpy problem, as its own solve would.

        Duals follow cvxpy: those of `<=` and `>=` are nonnegative, and those of `==` belong to
        f₀ + nuᵀ(lhs - rhs) of the equivalent minimisation.
        """
        if not isinstance(solution, Solution) or solution.lam_lb.shape != (self.problem.n,):
            raise ProblemError("solution does not belong to this bridge's problem.")
        status = _STATUS[solution.status]
        # Values exist where the solver stopped at a point; cvxpy leaves None elsewhere.
        primal, dual = {}, {}
        if np.isfinite(solution.value):
            for variable, offset in self._columns.values():
                if offset is not None:
                    primal[variable.id] = solution.x[offset:offset + variable.size].reshape(variable.shape, order="F")
            for constraint, places in zip(self.source.constraints, self._duals, strict=True):
                values = np.array([_dual(solution, kind, index, factor) for kind, index, factor in places])
                dual[constraint.id] = values.reshape(constraint.shape, order="F")
        if status in (cp.SOLVER_ERROR, "user_limit"):
            # cvxpy's own unpack would raise here and lose the point; the status says what to think of it.
            for variable, _ in self._columns.values():
                variable.save_value(primal.get(variable.id))
            for constraint in self.source.constraints:
                constraint.save_dual_value(dual[constraint.id])
            self.source._status, self.source._value = status, self._sign * solution.value
            return
        self.source.unpack(CvxpySolution(status, self._sign * solution.value, primal, dual, {}))


def _dual(solution: Solution, kind: str, index: int, factor: float) -> float:
    return factor * float({"lam": solution.lam, "nu": solution.nu, "lb": solution.lam_lb,
                           "ub": solution.lam_ub}.get(kind, np.zeros(index + 1))[index])


def from_cvxpy(source: Any) -> Bridge:
    """A cvxpy LP, QP or QCQP as a native `QCQP`, quadratic rows included, with the way back.

    Parameters
    ----------
    source : cvxpy.Problem
        Parameters are read at their current values. Rows with a single variable become bounds.

    Returns
    -------
    Bridge

    Raises
    ------
    ProblemError
        Names what is not supported: integer or matrix-structured variables, cones, atoms that are not
        quadratic or piecewise linear, a parameter without a value.

    Notes
    -----
    Convexity of quadratics is left to `solve`, which names the row and its eigenvalue.

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
    builder = _Builder(plain.variables())
    objective = builder.lower(sign * plain.objective.expr)
    rows: list[tuple[int | None, str, Any]] = []
    for i, constraint in enumerate(plain.constraints):
        kind, expression = _standard(i, constraint)
        rows.append((i, kind, builder.lower(expression)))
        builder.flush(rows)
    builder.flush(rows)
    return _assemble(source, sign, builder, objective, rows)


def _standard(i: int, constraint: Any) -> tuple[str, Any]:
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
    raise ProblemError(f"constraint {i} is of type {type(constraint).__name__}; supported are <=, >= and ==, "
                       "with quadratic or piecewise-linear sides.")


class _Builder:
    """Replaces quadratic atoms by placeholders and other atoms by cvxpy's epigraphs, leaving affine trees."""

    def __init__(self, variables: list):
        self.variables: list = []
        self.offsets: dict[int, int] = {}
        self.n = 0
        self.placeholders: dict[int, tuple[Any, Any]] = {}  # placeholder id -> (placeholder, its quadratic atom)
        self.pending: list = []
        for variable in variables:
            self._add(variable)

    def _add(self, variable: Any) -> None:
        if variable.id in self.offsets:
            return
        unsupported = [name for name in ("boolean", "integer") if variable.attributes[name]]
        unsupported += [name for name in ("PSD", "NSD", "symmetric", "diag", "hermitian", "complex", "imag", "sparsity")
                        if variable.attributes.get(name)]
        if unsupported:
            raise ProblemError(f"variable {variable.name()} is {', '.join(unsupported)}; convexkit takes real "
                               "continuous variables without matrix structure.")
        self.offsets[variable.id] = self.n
        self.variables.append(variable)
        self.n += variable.size

    def lower(self, expression: Any) -> Any:
        """`expression` as an affine tree over variables and placeholders."""
        if expression.is_constant():
            return cp.Constant(expression.value)
        if isinstance(expression, cp.Variable):
            self._add(expression)
            return expression
        if _is_square(expression):
            placeholder = cp.Variable(expression.shape)
            arguments = [self.lower(expression.args[0])]
            if any(v.id in self.placeholders for v in arguments[0].variables()):
                raise ProblemError(f"{expression} is of degree four; substitute a variable for the inner quadratic.")
            self.placeholders[placeholder.id] = (placeholder, expression.copy(arguments + list(expression.args[1:])))
            return placeholder
        arguments = [self.lower(argument) for argument in expression.args]
        if isinstance(expression, AffAtom):
            varying = [a for a in arguments if not a.is_constant()]
            if len(varying) > 1 and not expression.copy(arguments).is_affine():
                raise ProblemError(f"{expression} multiplies two variable expressions; write it as quad_form.")
            return expression.copy(arguments)
        method = CANON_METHODS.get(type(expression))  # type: ignore[call-overload]
        if method is None:
            raise ProblemError(f"{type(expression).__name__} is neither quadratic nor piecewise linear.")
        if not expression.is_dcp():
            raise ProblemError(f"{expression} does not follow cvxpy's DCP rules, which its epigraph needs.")
        affine, constraints = method(expression, arguments)
        self.pending += constraints
        return affine

    def flush(self, rows: list) -> None:
        """Append the constraints that epigraphs brought along, as rows without a source constraint."""
        while self.pending:
            constraint = self.pending.pop()
            if not isinstance(constraint, (Inequality, Equality, NonPos, NonNeg, Zero)):
                raise ProblemError(f"an atom needs a {type(constraint).__name__} cone; supported are quadratic and "
                                   "piecewise-linear atoms. Write a norm bound as sum_squares(x) <= t**2.")
            kind, expression = _standard(-1, constraint)
            rows.append((None, kind, self.lower(expression)))

    def coefficients(self, expression: Any) -> tuple[Any, np.ndarray]:
        """(rows × columns) sparse A and b of an affine tree, columns for variables and then placeholders."""
        columns = dict(self.offsets)
        total = self.n
        for key, (placeholder, _) in self.placeholders.items():
            columns[key] = total
            total += placeholder.size
        tensor = canonInterface.get_problem_matrix([expression.canonical_form[0]], total, columns, {-1: 1}, {-1: 0},
                                                   expression.size, None)
        A, b = canonInterface.get_matrix_from_tensor(tensor, np.ones(1), total)
        return sp.csr_matrix(A), np.asarray(b).reshape(-1)

    def squares(self) -> list[list[tuple[Any, Any, np.ndarray]]]:
        """For each entry of each placeholder: (F, W, c) with entry = (Fx + c)ᵀW(Fx + c)."""
        out: list[list] = []
        for placeholder, atom in self.placeholders.values():
            F, c = self.coefficients(atom.args[0])
            F = F[:, :self.n]
            if isinstance(atom, QuadForm):
                out.append([(F, atom.args[1].value, c)])
            elif isinstance(atom, quad_over_lin):
                if placeholder.size != 1:
                    raise ProblemError(f"{atom} along an axis is not supported; write one sum_squares a row.")
                weight = 1.0 / float(atom.args[1].value)
                out.append([(F, weight * sp.identity(F.shape[0]), c)])
            else:
                out.append([(F[j], sp.identity(1), c[j:j + 1]) for j in range(placeholder.size)])
        return [entry for entries in out for entry in [[e] for e in entries]]


def _is_square(expression: Any) -> bool:
    if isinstance(expression, QuadForm):
        return expression.args[1].is_constant()
    if isinstance(expression, quad_over_lin):
        return expression.args[1].is_constant()
    return isinstance(expression, Power) and float(expression.p.value) == 2.0


def _assemble(source: Any, sign: float, builder: _Builder, objective: Any, rows: list) -> Bridge:
    n = builder.n
    squares = builder.squares()

    def quadratics(expression: Any) -> tuple[Any, np.ndarray, dict[int, Quadratic]]:
        """The affine part (A, b) of each entry of a tree, and a Quadratic for those that have squares."""
        A, b = builder.coefficients(expression)
        linear, curved = A[:, :n], A[:, n:].tocsr()
        found = {}
        for i in np.flatnonzero(np.diff(curved.indptr)):
            start, end = curved.indptr[i], curved.indptr[i + 1]
            P: Any = sp.csr_matrix((n, n))
            q, r = linear[[i]].toarray().reshape(-1), float(b[i])
            for k, weight in zip(curved.indices[start:end], curved.data[start:end], strict=True):
                for F, W, c in squares[k]:
                    WF = W @ F
                    P = P + 2.0 * weight * (F.T @ WF)
                    q = q + 2.0 * weight * np.asarray(WF.T @ c).reshape(-1)
                    r += weight * float(c @ (W @ c))
            P = sp.csr_matrix(P)
            P.sum_duplicates()
            found[int(i)] = Quadratic(P.toarray() if P.nnz > DENSE_SHARE * n * n else P, q, r)
        return linear.tocsr(), b, found

    A0, b0, curved0 = quadratics(objective)
    f0 = curved0[0] if 0 in curved0 else Quadratic(None, A0.toarray().reshape(-1), float(b0[0]))

    lb, ub = np.full(n, -np.inf), np.full(n, np.inf)
    for variable in builder.variables:
        own = slice(builder.offsets[variable.id], builder.offsets[variable.id] + variable.size)
        lower, upper = variable.get_bounds() if hasattr(variable, "get_bounds") else (None, None)
        if lower is not None:
            lb[own] = np.broadcast_to(lower, variable.shape).reshape(-1, order="F")
        if upper is not None:
            ub[own] = np.broadcast_to(upper, variable.shape).reshape(-1, order="F")
    inequalities: list[Quadratic] = []
    G_rows: list[Any] = []
    A_rows: list[Any] = []
    h: list[float] = []
    b_values: list[float] = []
    places: list[list[tuple[str, int, float]]] = [[] for _ in source.constraints]
    for owner, kind, expression in rows:
        linear, constant, curved = quadratics(expression)
        if kind == "==" and curved:
            raise ProblemError(f"constraint {owner} is a quadratic equality, which is not convex.")
        for i in range(expression.size):
            row = linear[[i]]
            if kind == "==":
                place = ("nu", len(b_values), 1.0)
                A_rows.append(row)
                b_values.append(-constant[i])
            elif i in curved:
                place = ("lam", len(inequalities), 1.0)
                inequalities.append(curved[i])
            elif row.nnz == 1 and row.data[0] != 0:
                # a·xⱼ + b ≤ 0 is a bound; the tightest of several takes the multiplier.
                j, a = int(row.indices[0]), float(row.data[0])
                limit = -float(constant[i]) / a
                name, bounds, tighter = ("ub", ub, limit < ub[j]) if a > 0 else ("lb", lb, limit > lb[j])
                place = ("none", 0, 0.0)
                if tighter:
                    bounds[j] = limit
                    for other in places:
                        other[:] = [("none", 0, 0.0) if p[:2] == (name, j) else p for p in other]
                    place = (name, j, 1.0 / abs(a))
            else:
                place = ("row", len(h), 1.0)
                G_rows.append(row)
                h.append(-constant[i])
            if owner is not None:
                places[owner].append(place)
    if (lb > ub).any():
        # Crossed bounds are the problem's nature here, not a caller's mistake: keep them as rows.
        crossed = np.flatnonzero(lb > ub)
        unit = sp.identity(n, format="csr")[crossed]
        before = len(h)
        G_rows += [unit, -unit]
        h += list(ub[crossed]) + list(-lb[crossed])
        index = {("ub", int(k)): before + i for i, k in enumerate(crossed)}
        index |= {("lb", int(k)): before + len(crossed) + i for i, k in enumerate(crossed)}
        places = [[("row", index[p[:2]], p[2]) if p[:2] in index else p for p in place] for place in places]
        lb[crossed], ub[crossed] = -np.inf, np.inf
    count = len(inequalities)
    duals = tuple([("lam", count + k, f) if kind == "row" else (kind, k, f) for kind, k, f in place]
                  for place in places)
    native = QCQP(f0, inequalities, G=_stack(G_rows, n), h=np.array(h), A=_stack(A_rows, n), b=np.array(b_values),
                  lb=lb, ub=ub)
    known = {variable.id for variable in source.variables()}
    columns = {v.id: (v, builder.offsets[v.id]) for v in builder.variables if v.id in known}
    return Bridge(native, source, columns, duals, sign)


def _stack(rows: list, n: int) -> Any:
    """Sparse rows as one matrix, dense where that is no larger."""
    if not rows:
        return np.zeros((0, n))
    matrix = sp.vstack(rows, format="csr")
    return matrix.toarray() if matrix.nnz > DENSE_SHARE * matrix.shape[0] * n or n < 100 else matrix
