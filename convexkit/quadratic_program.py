"""Quadratic programs by one call, in the words of the `qpsolvers` package."""

from __future__ import annotations

from typing import Any

import numpy as np

from .problem import qp
from .solver import solve


def solve_qp(P: Any, q: Any, G: Any = None, h: Any = None, A: Any = None, b: Any = None, lb: Any = None,
             ub: Any = None, *, tol: float = 1e-8, maxiter: int = 100,
             time_limit: float | None = None) -> np.ndarray | None:
    """The x that minimises ½xᵀPx + qᵀx subject to Gx ≤ h, Ax = b, lb ≤ x ≤ ub; None if none was found.

    Parameters
    ----------
    P : (n, n) array or sparse, symmetric and positive semidefinite; None for a linear program
    q : (n,) array
    G, h : (k, n) array or sparse, (k,) array; a (n,) array G is one row, +inf in h switches a row off
    A, b : (p, n) array or sparse, (p,) array
    lb, ub : (n,) arrays or numbers, ±inf where a variable has no bound
    tol, maxiter, time_limit : as for `solve`

    Returns
    -------
    (n,) ndarray or None
        None for whatever is not `optimal` to tol: infeasible, unbounded, out of iterations or time, imprecise.

    Raises
    ------
    ProblemError
        For shapes that do not fit, NaN, crossed bounds, an asymmetric P, or an option out of range.
    NotConvexError
        If P is not positive semidefinite.

    Notes
    -----
    Arguments and answer are those of `qpsolvers.solve_qp`. To learn why the answer is None, or for multipliers and
    certificates, call `solve` on the same data, `ck.solve(ck.qp(P, q, G, h, A, b, lb=lb, ub=ub))`.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> ck.solve_qp(2 * np.eye(2), [-1.0, -6.0], G=[1.0, 1.0], h=[2.0], lb=0.0).round(6)
    array([0., 2.])
    >>> ck.solve_qp(np.eye(1), [1.0], lb=2.0, G=[[1.0]], h=[1.0]) is None
    True
    >>> ck.solve(ck.qp(np.eye(1), [1.0], lb=2.0, G=[[1.0]], h=[1.0])).status.value
    'infeasible'
    """
    solution = solve(qp(P, q, G, h, A, b, lb=lb, ub=ub), tol=tol, maxiter=maxiter, time_limit=time_limit)
    return solution.x if solution.success else None
