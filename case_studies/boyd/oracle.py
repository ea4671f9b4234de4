"""A QCQP said again in cvxpy, and our answer beside cvxpy's."""

from __future__ import annotations

from typing import Any

import numpy as np

import convexkit as ck

from .case import Check

OPTIONS = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}


def checks(problem: ck.QCQP, solution: ck.Solution) -> tuple[Check, ...]:
    """Status, value and, where they are unique, multipliers and point."""
    model, constraints, x = said_in_cvxpy(problem)
    model.solve(solver="CLARABEL", **OPTIONS)
    words = {"infeasible_inaccurate": "infeasible", "unbounded_inaccurate": "unbounded"}
    status = words.get(model.status, model.status)
    found = [Check(f"status {solution.status}, by cvxpy {status}", solution.status.value.split("_")[0] ==
                   status.split("_")[0], True, "cvxpy")]
    if not solution.success:
        return tuple(found)
    found.append(Check("optimal value", solution.value, model.value, "cvxpy"))
    if _unique(problem, solution):
        theirs = np.concatenate([np.atleast_1d(c.dual_value).ravel() for c in constraints]) if constraints else []
        ours = np.concatenate([solution.lam, solution.lam_lb[np.isfinite(problem.lb)],
                               solution.lam_ub[np.isfinite(problem.ub)], solution.nu])
        size = max(1.0, float(abs(ours).max(initial=0.0)))
        found.append(Check("multipliers", ours / size, np.asarray(theirs) / size, "cvxpy", rtol=2e-5))
    return tuple(found)


def said_in_cvxpy(problem: ck.QCQP) -> tuple[Any, list[Any], Any]:
    """(cvxpy problem, its constraints in the order lam, lam_lb, lam_ub, nu, variable)."""
    import cvxpy as cp

    x = cp.Variable(problem.n)

    def quadratic(f: ck.Quadratic) -> Any:
        curved = 0 if f.P is None else 0.5 * cp.quad_form(x, cp.psd_wrap(f.hessian()))
        return curved + f.q @ x + f.r

    constraints = [quadratic(f) <= 0 for f in problem.inequalities]
    if problem.h.size:
        constraints.append(problem.G @ x <= problem.h)
    low, high = np.isfinite(problem.lb), np.isfinite(problem.ub)
    if low.any():
        constraints.append(x[np.flatnonzero(low)] >= problem.lb[low])
    if high.any():
        constraints.append(x[np.flatnonzero(high)] <= problem.ub[high])
    if problem.b.size:
        constraints.append(problem.A @ x == problem.b)
    return cp.Problem(cp.Minimize(quadratic(problem.objective)), constraints), constraints, x


def _unique(problem: ck.QCQP, solution: ck.Solution) -> bool:
    """Whether the multipliers are: the gradients of active constraints are linearly independent."""
    if problem.cones:
        return False
    x, rows = solution.x, [*np.asarray(problem.A)]
    scale = 1e-5 * (1 + abs(x).max())
    rows += [f.gradient(x) for f in problem.inequalities if f(x) > -scale]
    rows += [row for row, h in zip(np.asarray(problem.G), problem.h, strict=True) if row @ x > h - scale]
    rows += [-e for e, bound, t in zip(np.eye(problem.n), problem.lb, x, strict=True) if t < bound + scale]
    rows += [e for e, bound, t in zip(np.eye(problem.n), problem.ub, x, strict=True) if t > bound - scale]
    if not rows:
        return True
    units = np.array([row / max(float(np.linalg.norm(row)), 1e-300) for row in rows])
    return len(units) <= problem.n and bool(np.linalg.svd(units, compute_uv=False)[-1] > 1e-4)
