"""Affine expressions from quadratic, piecewise-linear and second-order cone ones."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from cvxpy.atoms.affine.affine_atom import AffAtom
from cvxpy.atoms.elementwise import power as power_module
from cvxpy.atoms.elementwise.huber import huber
from cvxpy.atoms.elementwise.maximum import maximum
from cvxpy.atoms.elementwise.minimum import minimum
from cvxpy.atoms.max import max as max_atom
from cvxpy.atoms.min import min as min_atom
from cvxpy.atoms.pnorm import Pnorm
from cvxpy.atoms.quad_form import QuadForm
from cvxpy.atoms.quad_over_lin import quad_over_lin
from cvxpy.constraints.nonpos import Inequality, NonNeg, NonPos
from cvxpy.constraints.second_order import SOC
from cvxpy.constraints.zero import Equality, Zero
from cvxpy.cvxcore.python import canonInterface
from cvxpy.reductions.dcp2cone.canonicalizers import CANON_METHODS

from ..errors import ProblemError

# The class was called power up to cvxpy 1.7.
Power: Any = getattr(power_module, "Power", None) or power_module.power
_REFUSED = ("boolean", "integer", "PSD", "NSD", "symmetric", "diag", "hermitian", "complex", "imag", "sparsity")


def standard(where: str, constraint: Any) -> tuple[str, Any]:
    """A constraint as ("<=", e) for e ≤ 0, ("==", e) for e = 0, or ("soc", e) for ‖e[1:, j]‖ ≤ e[0, j] for every j."""
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
    if isinstance(constraint, SOC):
        tops, rest = constraint.args
        if rest.size == 0:
            return "<=", -tops
        if rest.ndim < 2:
            rest = cp.reshape(rest, (rest.size, 1), order="F")
        elif constraint.axis == 1:
            rest = rest.T
        return "soc", cp.vstack([cp.reshape(tops, (1, tops.size), order="F"), rest])
    raise ProblemError(f"{where} needs a constraint of type {type(constraint).__name__}; supported are <=, >= and == "
                       "with quadratic or piecewise-linear sides and norms, and SOC.")


class Lowering:
    """Affine expressions from quadratic, piecewise-linear and second-order cone ones.

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
        self.own = self.n  # columns of the user's variables; those of epigraphs follow

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
            kind, expression = standard(where, constraint)
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
            raise ProblemError(f"{self._where}: {type(expression).__name__} is neither quadratic nor piecewise linear, "
                               "and no second-order cones express it.")
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
