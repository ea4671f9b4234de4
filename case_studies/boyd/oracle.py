"""A problem said again in cvxpy, and our answer beside cvxpy's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import convexkit as ck

from .case import Check

# Clarabel is asked for all digits and then for ten. What it calls inaccurate after that is still better than what its
# default tolerances let pass: its termination test is relative to the largest numbers of a problem.
TOLERANCES = (1e-12, 1e-10)
OPTIONS = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)


def checks(problem: ck.QCQP, solution: ck.Solution) -> tuple[Check, ...]:
    """Status, value and, where they are unique, point and multipliers.

    With ε the larger of the KKT residuals of the two answers, points and multipliers are compared to 100ε in a linear
    program, which scipy's HiGHS solves where Clarabel loses digits; in a curved one, where values change with the
    square of an error, to 2√ε; and never closer than 1e-6.
    """
    model, constraints, x = said_in_cvxpy(problem)
    status = best_effort(model)
    found = [Check(f"status {solution.status}, by cvxpy {status}",
                   str(solution.status).removesuffix("_inaccurate") == status, True, "cvxpy")]
    if not solution.success:
        return tuple(found)
    curved = any(f.P is not None for f in (problem.objective, *problem.inequalities)) or bool(problem.cones)
    theirs = _by_kind(problem, constraints)
    their_eps = ck.kkt_residuals(problem, x.value, *theirs).max()
    if their_eps > 1e-8 and not curved and best_effort(model, "SCIPY") == status:
        theirs = _by_kind(problem, constraints)
        their_eps = ck.kkt_residuals(problem, x.value, *theirs).max()
    our_eps = ck.kkt_residuals(problem, solution.x, solution.lam, solution.nu, solution.lam_lb, solution.lam_ub,
                               solution.lam_cones).max()
    eps = max(our_eps, their_eps)
    allowed = max(1e-6, 2 * np.sqrt(eps) if curved else 100 * eps)
    found.append(Check("optimal value", solution.value, model.value, "cvxpy"))
    if point_is_unique(problem, solution):
        found.append(Check("point", solution.x, x.value, "cvxpy", allowed))
    if multipliers_are_unique(problem, solution):
        lam, nu, low, high, cones = theirs
        low_at, high_at = np.isfinite(problem.lb), np.isfinite(problem.ub)
        found.append(Check("multipliers",
                           np.concatenate([solution.lam, solution.lam_lb[low_at], solution.lam_ub[high_at],
                                           *solution.lam_cones, solution.nu]),
                           np.concatenate([lam, low[low_at], high[high_at], *cones, nu]), "cvxpy", allowed))
    return tuple(found)


def _by_kind(problem: ck.QCQP, constraints: list[Any]) -> tuple[Any, ...]:
    """cvxpy's multipliers as (lam, nu, lam_lb, lam_ub, lam_cones)."""
    parts = [np.ravel(part) for c in constraints for part in _parts(c.dual_value)]
    lam = [parts.pop(0) for _ in range(len(problem.inequalities) + bool(problem.h.size))]
    bounds = []
    for bound in (problem.lb, problem.ub):
        bounds.append(np.zeros(problem.n))
        if np.isfinite(bound).any():
            bounds[-1][np.isfinite(bound)] = np.maximum(parts.pop(0), 0.0)
    cones = []
    for _ in problem.cones:
        top, rest = parts.pop(0), parts.pop(0)
        cones.append(np.concatenate([np.maximum(top, np.linalg.norm(rest)), rest]))
    nu = parts.pop(0) if problem.b.size else np.zeros(0)
    return np.maximum(np.concatenate([*lam, np.zeros(0)]), 0.0), nu, *bounds, tuple(cones)


def best_effort(model: Any, solver: str = "CLARABEL") -> str:
    """Solve a cvxpy problem to as many digits as can be had; returns the status, accurate or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "may be inaccurate"
        if solver == "SCIPY":
            model.solve(solver=solver, scipy_options={"method": "highs", "primal_feasibility_tolerance": 1e-10,
                                                      "dual_feasibility_tolerance": 1e-10})
            return str(model.status)
        for tol in TOLERANCES:
            model.solve(solver=solver, tol_gap_abs=tol, tol_gap_rel=tol, tol_feas=tol)
            if not model.status.endswith("_inaccurate"):
                break
    return str(model.status).removesuffix("_inaccurate")


def said_in_cvxpy(problem: ck.QCQP) -> tuple[Any, list[Any], Any]:
    """(cvxpy problem, its constraints in the order lam, lam_lb, lam_ub, lam_cones, nu, variable)."""
    import cvxpy as cp

    x = cp.Variable(problem.n)

    def quadratic(f: ck.Quadratic) -> Any:
        return (0 if f.P is None else 0.5 * cp.sum_squares(_root(f.hessian()) @ x)) + f.q @ x + f.r

    constraints = [quadratic(f) <= 0 for f in problem.inequalities]
    if problem.h.size:
        constraints.append(problem.G @ x <= problem.h)
    low, high = np.isfinite(problem.lb), np.isfinite(problem.ub)
    if low.any():
        constraints.append(x[np.flatnonzero(low)] >= problem.lb[low])
    if high.any():
        constraints.append(x[np.flatnonzero(high)] <= problem.ub[high])
    constraints += [cp.SOC(cone.c @ x + cone.d, cone.A @ x + cone.b) for cone in problem.cones]
    if problem.b.size:
        constraints.append(problem.A @ x == problem.b)
    return cp.Problem(cp.Minimize(quadratic(problem.objective)), constraints), constraints, x


def _root(P: np.ndarray) -> np.ndarray:
    """F with FᵀF = P ⪰ 0, a row for each eigenvalue beyond rounding.

    cvxpy's own quad_form factors P = LDLᵀ with pivots on the diagonal and in pairs, and drops pivots by their size. Of
    a P of low rank that may lose a tenth, as rounding on one processor or another will have it; what is solved then is
    another problem.
    """
    w, V = np.linalg.eigh(P)
    kept = w > 1e-14 * P.shape[0] * max(w[-1], 0.0)
    root: np.ndarray = np.sqrt(w[kept])[:, None] * V[:, kept].T
    return root


def _parts(dual_value: Any) -> list[Any]:
    """A cone's dual value comes in two parts."""
    return list(dual_value) if isinstance(dual_value, list) else [dual_value]


def _active(problem: ck.QCQP, solution: ck.Solution) -> tuple[list[np.ndarray], list[float], bool]:
    """Gradients of the constraints that hold with equality, their multipliers, and whether all have a gradient."""
    x = solution.x
    scale = 1e-5 * (1 + float(abs(x).max()))
    found = [(row, np.inf) for row in np.asarray(problem.A)]
    k = len(problem.inequalities)
    found += [(f.gradient(x), lam) for f, lam in zip(problem.inequalities, solution.lam, strict=False) if f(x) > -scale]
    found += [(row, lam) for row, h, lam in zip(np.asarray(problem.G), problem.h, solution.lam[k:], strict=True)
              if row @ x > h - scale]
    found += [(-e, lam) for e, bound, t, lam in zip(np.eye(problem.n), problem.lb, x, solution.lam_lb, strict=True)
              if t < bound + scale]
    found += [(e, lam) for e, bound, t, lam in zip(np.eye(problem.n), problem.ub, x, solution.lam_ub, strict=True)
              if t > bound - scale]
    smooth = True
    for cone, lam in zip(problem.cones, solution.lam_cones, strict=True):
        y, top = cone.A @ x + cone.b, float(cone.c @ x + cone.d)
        if np.linalg.norm(y) > top - scale:
            smooth = smooth and top > 100 * scale  # at the tip there is no gradient
            found.append((cone.A.T @ y / max(float(np.linalg.norm(y)), 1e-300) - cone.c, lam[0]))
    units = [(row / max(float(np.linalg.norm(row)), 1e-300), lam) for row, lam in found]
    return [row for row, _ in units], [float(lam) for _, lam in units], smooth


def multipliers_are_unique(problem: ck.QCQP, solution: ck.Solution) -> bool:
    """The gradients of active constraints are linearly independent."""
    rows, _, smooth = _active(problem, solution)
    if not smooth:
        return False
    return not rows or (len(rows) <= problem.n
                        and bool(np.linalg.svd(np.array(rows), compute_uv=False)[-1] > 1e-4))


def point_is_unique(problem: ck.QCQP, solution: ck.Solution) -> bool:
    """The Lagrangian curves upward along all directions in which no constraint with a price stops us."""
    rows, prices, smooth = _active(problem, solution)
    strict = [row for row, lam in zip(rows, prices, strict=True) if lam > 1e-5]
    if not smooth:
        return False
    P = np.zeros((problem.n, problem.n)) if problem.objective.P is None else np.array(problem.objective.hessian())
    for f, lam in zip(problem.inequalities, solution.lam, strict=False):
        P = P if f.P is None else P + lam * f.hessian()
    free = np.eye(problem.n)
    if strict:
        _, sizes, V = np.linalg.svd(np.array(strict))
        free = V[int((sizes > 1e-6).sum()):].T
    curvature = np.linalg.eigvalsh(free.T @ P @ free)
    return not curvature.size or bool(curvature[0] > 1e-4 * max(1.0, abs(P).max()))
