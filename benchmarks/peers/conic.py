"""Cone solvers: clarabel, moreau, ecos, scs, qoco, and cvxopt's coneqp."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

import convexkit as ck

from .base import Answer, Options
from .cone_form import ConeForm, DenseConeForm, cone_form, full, upper


def with_clarabel(problem: ck.QCQP, options: Options, factors: dict[int, Any] | None = None) -> Answer:
    clarabel = importlib.import_module("clarabel")
    form = cone_form(problem, factors=factors)
    A, b = form.rows()
    cones = [kind(size) for kind, size in ((clarabel.ZeroConeT, form.zero),
                                           (clarabel.NonnegativeConeT, form.linear)) if size]
    cones += [clarabel.SecondOrderConeT(size) for size in form.sizes]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_feas = settings.tol_gap_abs = settings.tol_gap_rel = options.tol
    settings.time_limit = options.time_limit
    settings.max_threads = options.threads
    solution = clarabel.DefaultSolver(upper(problem.objective), problem.objective.q, A, b, cones, settings).solve()
    return Answer(np.array(solution.x), str(solution.status), solution.iterations)


def _moreau_cones(form: ConeForm) -> Any:
    moreau = importlib.import_module("moreau")
    return moreau.Cones(num_zero_cones=form.zero, num_nonneg_cones=form.linear,
                        so_cone_dims=form.sizes)


def _moreau_settings(options: Options, batch: int = 1) -> Any:
    moreau = importlib.import_module("moreau")
    ipm = moreau.IPMSettings(tol_feas=options.tol, tol_gap_abs=options.tol, tol_gap_rel=options.tol)
    return moreau.Settings(solver="ipm", device="cpu", batch_size=batch, time_limit=options.time_limit,
                           ipm_settings=ipm)


def with_moreau(problem: ck.QCQP, options: Options, factors: dict[int, Any] | None = None) -> Answer:
    moreau = importlib.import_module("moreau")
    form = cone_form(problem, factors=factors)
    A, b = form.rows()
    solver = moreau.Solver(full(problem.objective), problem.objective.q, A.tocsr(), b, cones=_moreau_cones(form),
                           settings=_moreau_settings(options))
    solution = solver.solve()
    return Answer(np.asarray(solution.x), solver.info.status.name, int(solver.info.iterations))


def batch_with_moreau(problems: Sequence[ck.QCQP], options: Options) -> list[Answer]:
    """One compiled structure, all data at once. The problems share sizes and sparsity."""
    moreau = importlib.import_module("moreau")
    first = problems[0]
    n, m = first.n, len(first.inequalities)
    if all(f.structure == "dense" for p in problems for f in (p.objective, *p.inequalities)) and not first.p \
            and not first.h.size and not np.isfinite([first.lb, first.ub]).any():
        # All dense: one stack of Cholesky factorizations, and the blocks of `cone_block` side by side.
        count = len(problems)
        factors = np.linalg.cholesky(np.array([[f.P for f in p.inequalities] for p in problems]))
        q = np.array([[f.q for f in p.inequalities] for p in problems])
        r = np.array([[f.r for f in p.inequalities] for p in problems])
        gamma = np.sqrt(-r)
        blocks = np.empty((count, m, n + 2, n))
        blocks[:, :, :2] = (q / gamma[..., None])[:, :, None]
        np.multiply(factors.transpose(0, 1, 3, 2), -np.sqrt(2.0), out=blocks[:, :, 2:])
        right = np.zeros((count, m, n + 2))
        right[..., 0], right[..., 1] = gamma - r / gamma, -gamma - r / gamma
        rows = m * (n + 2)
        P_values = np.array([p.objective.P for p in problems]).reshape(count, n * n)
        A_values, b = blocks.reshape(count, rows * n), right.reshape(count, rows)
        P_start, P_index = np.arange(n + 1) * n, np.tile(np.arange(n), n)
        A_start, A_index = np.arange(rows + 1) * n, np.tile(np.arange(n), rows)
        cones = moreau.Cones(so_cone_dims=[n + 2] * m)
    else:
        shared: dict[int, Any] = {}
        forms = [cone_form(p, factors=shared) for p in problems]
        stacks = [form.rows() for form in forms]
        pattern, P = stacks[0][0].tocsr(), full(first.objective)
        matrices = [M.tocsr() for M, _ in stacks]
        if any(not np.array_equal(M.indices, pattern.indices) for M in matrices):
            raise ValueError("the problems differ in sparsity.")
        rows = pattern.shape[0]
        A_values, b = np.array([M.data for M in matrices]), np.array([c for _, c in stacks])
        P_values = np.array([full(p.objective).data for p in problems])
        if (A_values == A_values[0]).all() and (P_values == P_values[0]).all():
            A_values, P_values = A_values[0], P_values[0]  # only right-hand sides differ
        P_start, P_index, A_start, A_index = P.indptr, P.indices, pattern.indptr, pattern.indices
        cones = _moreau_cones(forms[0])
    solver = moreau.CompiledSolver(n=n, m=rows, P_row_offsets=P_start, P_col_indices=P_index, A_row_offsets=A_start,
                                   A_col_indices=A_index, cones=cones,
                                   settings=_moreau_settings(options, len(problems)))
    solver.setup(P_values, A_values)
    solution = solver.solve(np.array([p.objective.q for p in problems]), b)
    return [Answer(x, status.name, int(nit)) for x, status, nit in
            zip(np.asarray(solution.x), solver.info.status, solver.info.iterations, strict=True)]


def with_ecos(problem: ck.QCQP, options: Options, factors: dict[int, Any] | None = None) -> Answer:
    """The objective too becomes a cone, below a new variable."""
    ecos = importlib.import_module("ecos")
    curved = not problem.objective.is_affine
    form = cone_form(problem, epigraph=curved, factors=factors)
    G, h = form.inequalities()
    A, b = form.equations() if form.equal else (None, None)
    cost = np.append(np.zeros(problem.n), 1.0) if curved else problem.objective.q
    solution = ecos.solve(cost, G, h, {"l": form.linear, "q": form.sizes}, A, b,
                          verbose=False, feastol=options.tol, abstol=options.tol, reltol=options.tol)
    return Answer(solution["x"][:problem.n], solution["info"]["infostring"], int(solution["info"]["iter"]))


def with_scs(problem: ck.QCQP, options: Options, factors: dict[int, Any] | None = None) -> Answer:
    scs = importlib.import_module("scs")
    form = cone_form(problem, factors=factors)
    A, b = form.rows()
    cones = {"z": form.zero, "l": form.linear, "q": form.sizes}
    solver = scs.SCS({"P": upper(problem.objective), "A": A, "b": b, "c": problem.objective.q}, cones, verbose=False,
                     eps_abs=options.tol, eps_rel=options.tol, max_iters=10**6, time_limit_secs=options.time_limit)
    solution = solver.solve()
    return Answer(solution["x"], solution["info"]["status"], solution["info"]["iter"])


def with_qoco(problem: ck.QCQP, options: Options, factors: dict[int, Any] | None = None) -> Answer:
    qoco = importlib.import_module("qoco")
    form = cone_form(problem, factors=factors)
    G, h = form.inequalities()
    A, b = form.equations() if form.equal else (None, None)
    P = None if problem.objective.is_affine else upper(problem.objective)
    solver = qoco.QOCO()
    sizes = np.array(form.sizes, dtype=np.int32) if form.sizes else None
    solver.setup(problem.n, h.size, problem.p, P, problem.objective.q, A, b, G if h.size else None,
                 h if h.size else None, form.linear, len(form.sizes), sizes, abstol=options.tol,
                 reltol=options.tol, verbose=False)
    solution = solver.solve()
    return Answer(np.asarray(solution.x), str(solution.status), int(solution.iters))


def cvxopt_matrix(M: Any) -> Any:
    cvxopt = importlib.import_module("cvxopt")
    if not sp.issparse(M):
        return cvxopt.matrix(np.asarray(M, dtype=np.float64))
    coo = M.tocoo()
    return cvxopt.spmatrix(coo.data, coo.row, coo.col, coo.shape)


def with_coneqp(problem: ck.QCQP, options: Options, factors: dict[int, Any] | None = None) -> Answer:
    """cvxopt's quadratic cone program."""
    cvxopt = importlib.import_module("cvxopt")
    solvers = importlib.import_module("cvxopt.solvers")
    form = cone_form(problem, factors=factors)
    blocks = form.nonnegative + form.cones
    if isinstance(form, DenseConeForm):
        G, h = form.matrix.toarray(), form.right
    elif any(sp.issparse(M) for M, _ in blocks):
        G, h = form.inequalities()
    else:  # cvxopt is faster on dense rows as dense ones
        G, h = np.concatenate([M for M, _ in blocks]), np.concatenate([c for _, c in blocks])
    f0 = problem.objective
    P = cvxopt.spmatrix([], [], [], (f0.n, f0.n)) if f0.is_affine else cvxopt_matrix(
        f0.P if f0.structure in ("dense", "sparse") else f0.hessian())
    dims = {"l": form.linear, "q": form.sizes, "s": []}
    A, b = (cvxopt_matrix(problem.A), cvxopt.matrix(problem.b)) if problem.p else (None, None)
    solution = solvers.coneqp(P, cvxopt.matrix(f0.q), cvxopt_matrix(G), cvxopt.matrix(h), dims, A, b,
                              options=cvxopt_options(options))
    return Answer(np.array(solution["x"]).ravel(), solution["status"], solution["iterations"])


def cvxopt_options(options: Options) -> dict[str, Any]:
    return {"show_progress": False, "abstol": options.tol, "reltol": options.tol, "feastol": options.tol}
