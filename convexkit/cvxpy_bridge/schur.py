"""The dual of any QCQP as a semidefinite program for cvxpy: a linear matrix inequality in the multipliers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from ..duality import PrimalDualPoint
from ..errors import ProblemError
from ..problem import QCQP


@dataclass(frozen=True, eq=False)
class SchurDual:
    """The dual of a QCQP as a cvxpy problem, with the way back. Made by `schur_dual`.

    Attributes
    ----------
    problem : QCQP
    source : cvxpy.Problem, which maximises γ; solve it with any solver that takes semidefinite constraints
    matrix : the cvxpy expression of the (n + 1, n + 1) matrix that has to be positive semidefinite

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> from convexkit import cvxpy_bridge
    >>> problem = ck.QCQP(ck.Quadratic([[-1.0]]), [ck.Quadratic([[2.0]], [0.0], -1.0)])       # -½x² where x² ≤ 1
    >>> dual = cvxpy_bridge.schur_dual(problem)
    >>> _ = dual.source.solve(solver="CLARABEL")
    >>> round(float(dual.source.value), 6), dual.read_point().lam.round(6)
    (-0.5, array([0.5]))
    """

    problem: QCQP
    source: Any
    matrix: Any
    _variables: dict = field(repr=False)
    _lmi: Any = field(repr=False)
    _rows: np.ndarray = field(repr=False)
    _below: np.ndarray = field(repr=False)
    _above: np.ndarray = field(repr=False)

    def read_point(self) -> PrimalDualPoint:
        """x and all multipliers from the solved `source`.

        The dual of the matrix inequality is ½[X x; xᵀ 1], so that x is its last column over its last entry. If the
        problem is convex, x is optimal; if not, only where X = xxᵀ, and `duality_report` says what it is worth.

        Raises
        ------
        ProblemError
            If `source` has not been solved, or its status is not optimal.
        """
        if self.source.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
            raise ProblemError(f"source has no point to read: its status is {self.source.status}. Call source.solve() "
                               "with a solver that takes semidefinite constraints.")
        pr, n = self.problem, self.problem.n
        quadratics = len(pr.inequalities)
        value = {name: np.zeros(0) if v is None else np.atleast_1d(v.value) for name, v in self._variables.items()}
        lam, lam_lb, lam_ub = np.zeros(pr.m), np.zeros(n), np.zeros(n)
        lam[np.concatenate([np.arange(quadratics), quadratics + self._rows])] = value["lam"]
        lam_lb[self._below], lam_ub[self._above] = value["lam_lb"], value["lam_ub"]
        ends = np.cumsum([cone.size for cone in pr.cones])[:-1]
        cones = tuple(np.split(value["cones"], ends)) if pr.cones else ()
        Z = np.asarray(self._lmi.dual_value)
        Z = (Z + Z.T) / 2
        return PrimalDualPoint(Z[:n, n] / Z[n, n], lam, value["nu"], lam_lb, lam_ub, cones)


def schur_dual(problem: QCQP) -> SchurDual:
    """The dual of a QCQP, convex or not, as a semidefinite program.

        maximise    γ
        subject to  [ P(lam)            q(lam, nu, ...)        ]
                    [ q(lam, nu, ...)ᵀ  2(r(lam, nu, ...) - γ) ]  ⪰ 0,   lam ≥ 0,   ‖z‖ ≤ z₀ in every cone

    where L(x, lam, nu, ...) = ½xᵀP(lam)x + q(lam, nu, ...)ᵀx + r(lam, nu, ...), which is at least γ for every x if
    and only if the matrix is positive semidefinite.

    Parameters
    ----------
    problem : QCQP, with a few hundred variables at most: the matrix is stated entry by entry

    Returns
    -------
    SchurDual

    Notes
    -----
    A convex problem's dual is a `QCQP` of its own, and cheaper: `dual_problem`. Boyd & Vandenberghe, section 5.2.4
    and appendix B; the dual of this dual is the semidefinite (Shor) relaxation.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> from convexkit import cvxpy_bridge
    >>> ball = ck.Quadratic(2 * np.eye(2), np.zeros(2), -1.0)
    >>> problem = ck.QCQP(ck.Quadratic(None, [3.0, 4.0]), [ball])
    >>> dual = cvxpy_bridge.schur_dual(problem)
    >>> _ = dual.source.solve(solver="CLARABEL")
    >>> round(float(dual.source.value), 5), dual.read_point().x.round(4)
    (-5.0, array([-0.6, -0.8]))
    """
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
    pr, n = problem, problem.n
    rows = np.flatnonzero(np.isfinite(pr.h))
    below, above = np.flatnonzero(np.isfinite(pr.lb)), np.flatnonzero(np.isfinite(pr.ub))
    quadratics = len(pr.inequalities)

    def variable(name: str, size: int, **attributes: Any) -> Any:
        return cp.Variable(size, name=name, **attributes) if size else None

    variables = {"lam": variable("lam", quadratics + rows.size, nonneg=True), "nu": variable("nu", pr.p),
                 "lam_lb": variable("lam_lb", below.size, nonneg=True),
                 "lam_ub": variable("lam_ub", above.size, nonneg=True),
                 "cones": variable("lam_cones", sum(cone.size for cone in pr.cones))}
    gamma = cp.Variable(name="gamma")

    # Each column is one multiplier's [P q; qᵀ 2r], flattened.
    unit = sp.eye_array(n, format="csr")
    heads = [np.concatenate(([cone.d], cone.b)) for cone in pr.cones]
    tails = [sp.vstack([sp.csr_array(cone.c[None, :]), sp.csr_array(cone.A)]) for cone in pr.cones]
    columns = {
        "lam": [_flat(f.hessian(), f.q, f.r) for f in pr.inequalities]
        + [_flat(None, row, -limit) for row, limit in zip(_dense_rows(pr.G[rows]), pr.h[rows], strict=True)],
        "nu": [_flat(None, row, -limit) for row, limit in zip(_dense_rows(pr.A), pr.b, strict=True)],
        "lam_lb": [_flat(None, -row, limit) for row, limit in zip(_dense_rows(unit[below]), pr.lb[below], strict=True)],
        "lam_ub": [_flat(None, row, -limit) for row, limit in zip(_dense_rows(unit[above]), pr.ub[above], strict=True)],
        "cones": [_flat(None, -row, -constant) for head, tail in zip(heads, tails, strict=True)
                  for row, constant in zip(_dense_rows(tail), head, strict=True)],
    }
    f0 = pr.objective
    flat = _flat(f0.hessian(), f0.q, f0.r).toarray().reshape(-1) - 2.0 * _corner(n) * gamma
    for name, members in columns.items():
        if members:
            flat = flat + sp.hstack(members, format="csc") @ variables[name]
    matrix = cp.reshape(flat, (n + 1, n + 1), order="F")
    lmi = matrix >> 0
    constraints = [lmi]
    first = 0
    for cone in pr.cones:
        z = variables["cones"][first:first + cone.size]
        constraints.append(cp.SOC(z[0], z[1:]))
        first += cone.size
    source = cp.Problem(cp.Maximize(gamma), constraints)
    return SchurDual(pr, source, matrix, variables, lmi, rows, below, above)


def _dense_rows(matrix: Any) -> np.ndarray:
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)


def _corner(n: int) -> np.ndarray:
    corner = np.zeros((n + 1) ** 2)
    corner[-1] = 1.0
    return corner


def _flat(P: np.ndarray | None, q: np.ndarray, r: float) -> Any:
    """[P q; qᵀ 2r] as a sparse column."""
    n = q.size
    block = np.zeros((n + 1, n + 1))
    if P is not None:
        block[:n, :n] = P
    block[:n, n] = block[n, :n] = q
    block[n, n] = 2.0 * r
    return sp.csc_array(block.reshape(-1, 1))
