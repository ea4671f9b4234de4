"""Multipliers of other solvers under the sign rule of this package. docs/signs.md has the table."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ProblemError
from ..problem import QCQP
from ..validation import as_vector
from .multipliers import PrimalDualPoint, multipliers


def point_from_linprog(problem: QCQP, result: Any) -> PrimalDualPoint:
    """x and multipliers from the result of `scipy.optimize.linprog` on the same LP.

        lam = -ineqlin.marginals,   nu = -eqlin.marginals,   lam_lb = lower.marginals,   lam_ub = -upper.marginals

    scipy's marginals are the derivatives of the optimal value in the right-hand sides; ours are multipliers.

    Parameters
    ----------
    problem : QCQP, with its G, h as scipy's A_ub, b_ub, and A, b as A_eq, b_eq
    result : what `linprog` returned, with method "highs", "highs-ds" or "highs-ipm"

    Raises
    ------
    ProblemError
        If there is no point or there are no marginals, or the sizes are those of another problem.

    Examples
    --------
    >>> import scipy.optimize, convexkit as ck
    >>> result = scipy.optimize.linprog([-4.0, -3.0], A_ub=[[1.0, 1.0], [2.0, 1.0]], b_ub=[10.0, 15.0])
    >>> problem = ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 15.0], lb=0.0)
    >>> point = ck.point_from_linprog(problem, result)
    >>> point.lam, ck.kkt_residuals(problem, *point).max() < 1e-9
    (array([2., 1.]), True)
    """
    if getattr(result, "x", None) is None:
        raise ProblemError(f"result has no point: {getattr(result, 'message', 'it is ' + type(result).__name__)}")
    if getattr(result, "ineqlin", None) is None:
        raise ProblemError("result has no marginals; call linprog with method='highs'.")
    x = as_vector("result.x", result.x)
    if x.size != problem.n:
        raise ProblemError(f"result.x has length {x.size}; the problem has {problem.n} variables.")
    lam, nu, lam_lb, lam_ub, cones = multipliers(
        problem, -np.asarray(result.ineqlin.marginals), -np.asarray(result.eqlin.marginals),
        np.asarray(result.lower.marginals), -np.asarray(result.upper.marginals))
    return PrimalDualPoint(x, lam + 0.0, nu + 0.0, lam_lb + 0.0, lam_ub + 0.0, cones)


def point_from_qpsolvers(problem: QCQP, solution: Any) -> PrimalDualPoint:
    """x and multipliers from the `Solution` of the `qpsolvers` package for the same QP.

        lam = z,   nu = y,   lam_ub - lam_lb = z_box: positive at an upper bound, negative at a lower one

    Parameters
    ----------
    problem : QCQP, with the same G, h, A, b, lb, ub
    solution : with `x`, `y`, `z`, `z_box`, the latter three None where the problem has no such rows

    Raises
    ------
    ProblemError
        If there is no point, or the sizes are those of another problem.

    Examples
    --------
    What `qpsolvers.solve_problem` returns for ½‖x‖² - 3x₁ with x₁ + x₂ = 1 and x ≤ ½:

    >>> import types, numpy as np, convexkit as ck
    >>> theirs = types.SimpleNamespace(x=np.array([0.5, 0.5]), y=np.array([-0.5]), z=None, z_box=np.array([3.0, 0.0]))
    >>> problem = ck.qp(np.eye(2), [-3.0, 0.0], A=[[1.0, 1.0]], b=[1.0], ub=0.5)
    >>> ck.kkt_residuals(problem, *ck.point_from_qpsolvers(problem, theirs)).max()
    0.0
    """
    if getattr(solution, "x", None) is None:
        raise ProblemError(f"solution has no point; it is a {type(solution).__name__} without x.")
    x = as_vector("solution.x", solution.x)
    if x.size != problem.n:
        raise ProblemError(f"solution.x has length {x.size}; the problem has {problem.n} variables.")

    def given(name: str) -> Any:
        value = getattr(solution, name, None)
        return None if value is None or np.size(value) == 0 else value

    box = given("z_box")
    box = np.zeros(problem.n) if box is None else as_vector("solution.z_box", box)
    lam, nu, lam_lb, lam_ub, cones = multipliers(problem, given("z"), given("y"), np.maximum(-box, 0.0),
                                                 np.maximum(box, 0.0))
    return PrimalDualPoint(x, lam, nu, lam_lb, lam_ub, cones)
