"""Solvers of quadratic programs: piqp, osqp, proxqp, daqp, quadprog, highs."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import scipy.sparse as sp

import convexkit as ck

from .base import Answer, CannotState, Options, Rows
from .cone_form import cone_form, full, stacked, upper


def _qp_only(problem: ck.QCQP) -> None:
    if problem.inequalities or getattr(problem, "cones", ()):
        raise CannotState("it takes no quadratic constraints or cones.")


def two_sided(problem: ck.QCQP, rows: Rows | None) -> Rows:
    """The linear rows as l ≤ Ax ≤ u: as given, or from G and A."""
    if rows is not None:
        return rows
    finite = np.isfinite(problem.h)
    G = problem.G if finite.all() else problem.G[finite]
    h = problem.h[finite]
    if sp.issparse(G) or sp.issparse(problem.A):
        A: Any = sp.vstack([sp.csr_matrix(problem.A), sp.csr_matrix(G)], format="csr")
    else:
        A = np.concatenate([problem.A, G])
    return Rows(A, np.concatenate((problem.b, np.full(h.size, -np.inf))), np.concatenate((problem.b, h)))


def _split(rows: Rows) -> tuple[Any, np.ndarray, Any, np.ndarray, np.ndarray]:
    """(A, b, G, lower, upper): equalities apart from the rest."""
    equal = rows.lower == rows.upper
    return rows.A[equal], rows.upper[equal], rows.A[~equal], rows.lower[~equal], rows.upper[~equal]


def _is_dense(problem: ck.QCQP) -> bool:
    return not any(sp.issparse(M) for M in (problem.objective.P, problem.G, problem.A))


def with_piqp(problem: ck.QCQP, options: Options, rows: Rows | None = None) -> Answer:
    piqp = importlib.import_module("piqp")
    _qp_only(problem)
    A, b, G, lower, upper_ = _split(two_sided(problem, rows))
    f0 = problem.objective
    if _is_dense(problem):
        solver = piqp.DenseSolver()
        P = np.asfortranarray(f0.hessian())
        A, G = np.asfortranarray(A), np.asfortranarray(G)
    else:
        solver = piqp.SparseSolver()
        P, A, G = full(f0, sp.csc_matrix), sp.csc_matrix(A), sp.csc_matrix(G)
    solver.settings.eps_abs = solver.settings.eps_rel = options.tol
    solver.settings.eps_duality_gap_abs = solver.settings.eps_duality_gap_rel = options.tol
    solver.settings.check_duality_gap = True
    present = {"A": A, "b": b} if b.size else {}
    if upper_.size:
        present |= {"G": G, "h_l": lower, "h_u": upper_}
    for name, limit in (("x_l", problem.lb), ("x_u", problem.ub)):
        if np.isfinite(limit).any():
            present[name] = limit
    solver.setup(P, f0.q, **present)
    status = solver.solve()
    return Answer(np.array(solver.result.x), str(status).split(".")[-1], int(solver.result.info.iter))


def with_osqp(problem: ck.QCQP, options: Options, rows: Rows | None = None) -> Answer:
    osqp = importlib.import_module("osqp")
    _qp_only(problem)
    linear = two_sided(problem, rows)
    bounded = np.flatnonzero(np.isfinite(problem.lb) | np.isfinite(problem.ub))
    select = sp.csr_matrix((np.ones(bounded.size), (np.arange(bounded.size), bounded)),
                           shape=(bounded.size, problem.n))
    A = sp.vstack([sp.csr_matrix(linear.A), select], format="csc")
    solver = osqp.OSQP()
    solver.setup(upper(problem.objective), problem.objective.q, A,
                 np.concatenate((linear.lower, problem.lb[bounded])),
                 np.concatenate((linear.upper, problem.ub[bounded])), verbose=False, eps_abs=options.tol,
                 eps_rel=options.tol, max_iter=10**6, polishing=True, time_limit=options.time_limit)
    result = solver.solve(raise_error=False)
    return Answer(np.array(result.x), result.info.status, int(result.info.iter))


def with_proxqp(problem: ck.QCQP, options: Options, rows: Rows | None = None) -> Answer:
    proxqp = importlib.import_module("proxsuite").proxqp
    _qp_only(problem)
    A, b, G, lower, upper_ = _split(two_sided(problem, rows))
    f0, n = problem.objective, problem.n
    bounded = np.flatnonzero(np.isfinite(problem.lb) | np.isfinite(problem.ub))
    if bounded.size:
        select = sp.eye(n, format="csr")[bounded]
        G = sp.vstack([sp.csr_matrix(G), select], format="csc") if sp.issparse(G) else np.vstack([G, select.toarray()])
        lower, upper_ = np.append(lower, problem.lb[bounded]), np.append(upper_, problem.ub[bounded])
    lower, upper_ = np.maximum(lower, -1e20), np.minimum(upper_, 1e20)
    if _is_dense(problem):
        solver = proxqp.dense.QP(n, b.size, upper_.size)
        P = f0.hessian()
    else:
        solver = proxqp.sparse.QP(n, b.size, upper_.size)
        P, A, G = full(f0, sp.csc_matrix), sp.csc_matrix(A), sp.csc_matrix(G)
    solver.settings.eps_abs, solver.settings.eps_rel = options.tol, 0.0
    solver.settings.check_duality_gap = True
    solver.settings.eps_duality_gap_abs = solver.settings.eps_duality_gap_rel = options.tol
    present = {"A": A, "b": b} if b.size else {}
    if upper_.size:
        present |= {"C": G, "l": lower, "u": upper_}
    solver.init(P, f0.q, **present)
    solver.solve()
    return Answer(np.array(solver.results.x), str(solver.results.info.status).split(".")[-1],
                  int(solver.results.info.iter))


def with_daqp(problem: ck.QCQP, options: Options, rows: Rows | None = None) -> Answer:
    daqp = importlib.import_module("daqp")
    _qp_only(problem)
    linear = two_sided(problem, rows)
    lower = np.concatenate((np.maximum(problem.lb, -1e30), np.maximum(linear.lower, -1e30)))
    upper_ = np.concatenate((np.minimum(problem.ub, 1e30), np.minimum(linear.upper, 1e30)))
    sense = np.where(lower == upper_, 5, 0).astype(np.int32)
    A = np.ascontiguousarray(linear.A.toarray() if sp.issparse(linear.A) else linear.A, dtype=np.float64)
    x, _, flag, info = daqp.solve(np.array(problem.objective.hessian()), np.array(problem.objective.q, dtype=float), A,
                                  upper_, lower, sense, primal_tol=options.tol, dual_tol=options.tol,
                                  iter_limit=10**6)
    return Answer(np.array(x), f"exit flag {flag}", int(info["iterations"]))


def with_quadprog(problem: ck.QCQP, options: Options) -> Answer:
    quadprog = importlib.import_module("quadprog")
    _qp_only(problem)
    # Cᵀx ≥ b, equalities first.
    form = cone_form(problem)
    blocks = form.equal + form.nonnegative
    M: Any
    M, c = stacked(blocks, form.n) if any(sp.issparse(block[0]) for block in blocks) else (
        np.concatenate([block[0] for block in blocks]), np.concatenate([block[1] for block in blocks]))
    M = M.toarray() if sp.issparse(M) else M
    result = quadprog.solve_qp(np.array(problem.objective.hessian()), -problem.objective.q, -M.T, -c, problem.p)
    return Answer(result[0], "solved", int(result[3][0]))


def with_highs(problem: ck.QCQP, options: Options, rows: Rows | None = None) -> Answer:
    highspy = importlib.import_module("highspy")
    _qp_only(problem)
    linear, f0 = two_sided(problem, rows), problem.objective
    A = sp.csc_matrix(linear.A)
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_ = problem.n, A.shape[0]
    lp.col_cost_, lp.offset_ = f0.q, f0.r
    lp.col_lower_, lp.col_upper_ = problem.lb, problem.ub
    lp.row_lower_, lp.row_upper_ = linear.lower, linear.upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = A.indptr, A.indices, A.data
    if not f0.is_affine:
        P = sp.tril(full(f0), format="csc")
        model.hessian_.dim_ = problem.n
        model.hessian_.format_ = highspy.HessianFormat.kTriangular
        model.hessian_.start_, model.hessian_.index_, model.hessian_.value_ = P.indptr, P.indices, P.data
    solver = highspy.Highs()
    for name, value in {"output_flag": False, "time_limit": options.time_limit, "threads": options.threads,
                        "primal_feasibility_tolerance": max(options.tol, 1e-10),
                        "dual_feasibility_tolerance": max(options.tol, 1e-10)}.items():
        solver.setOptionValue(name, value)
    solver.passModel(model)
    solver.run()
    info = solver.getInfo()
    iterations = max(info.simplex_iteration_count, info.ipm_iteration_count, info.qp_iteration_count)
    return Answer(np.array(solver.getSolution().col_value), solver.modelStatusToString(solver.getModelStatus()),
                  int(iterations))
