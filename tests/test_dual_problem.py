"""The dual as a problem of its own: values, the maps both ways, and the dual of the dual."""

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from convexkit.quadratic import factor_of

from .gallery import CASES, disc, random_qcqp

# Problems whose optimum is attained on both sides.
SOLVED = [name for name, make in CASES.items() if make().status == ("optimal",)
          and name not in ("touching_discs", "unbounded_optimal_set")]
INF = np.inf


def random_program(rng, *, n=5, sparse=False, singular=False, cones=0):
    """A feasible, bounded LP or QP (or with cones) with rows, ranges, equalities and bounds of every kind."""
    x = rng.standard_normal(n)
    F = rng.standard_normal((2 if singular else n, n))
    G = rng.standard_normal((4, n))
    G[1] = -G[0]  # a range: two rows
    h = G @ x + rng.exponential(1.0, 4)
    h[3] = INF
    A = rng.standard_normal((2, n))
    lb, ub = x - rng.exponential(1.0, n), x + rng.exponential(1.0, n)
    lb[0], ub[0], ub[1], lb[2] = -INF, INF, INF, -INF
    extra = [ck.SecondOrderCone(rng.standard_normal((2, n)), rng.standard_normal(2), np.zeros(n),
                                float(np.linalg.norm(rng.standard_normal(2)) + 5.0)) for _ in range(cones)]
    extra = [ck.SecondOrderCone(c.A, c.b, c.c, float(np.linalg.norm(c.A @ x + c.b) + 0.5)) for c in extra]
    wrap = sp.csr_array if sparse else np.asarray
    # A slope that the rows can balance keeps a singular problem bounded.
    q = -(F.T @ rng.standard_normal(len(F))) + A.T @ rng.standard_normal(2) - G[:3].T @ rng.exponential(1.0, 3)
    return ck.QCQP(ck.Quadratic(wrap(F.T @ F), q, 0.7), G=wrap(G), h=h, A=wrap(A), b=A @ x, lb=lb, ub=ub, cones=extra)


def solved(problem, tol=1e-10):
    solution = ck.solve(problem, tol=tol)
    assert solution.status in ("optimal", "optimal_inaccurate"), solution.message
    return solution


# ---------------------------------------------------------------- by hand


def test_the_dual_of_an_lp_is_the_book_s():
    # Section 5.2.1: maximise -hᵀlam where Gᵀlam + c = lam_lb ≥ 0, lam ≥ 0.
    lp = ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 15.0], lb=0.0)
    dual = ck.dual_problem(lp)
    assert [dual.label(k) for k in range(4)] == ["lam[0]", "lam[1]", "lam_lb[0]", "lam_lb[1]"]
    np.testing.assert_array_equal(dual.problem.objective.q, [10.0, 15.0, 0.0, 0.0])
    np.testing.assert_array_equal(dual.problem.A, [[-1.0, -2.0, 1.0, 0.0], [-1.0, -1.0, 0.0, 1.0]])
    np.testing.assert_array_equal(dual.problem.b, [-4.0, -3.0])
    np.testing.assert_array_equal(dual.problem.lb, np.zeros(4))
    assert dual.problem.objective.is_affine


def test_the_dual_of_the_dual_of_an_lp_is_the_lp_with_its_slacks():
    lp = ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 15.0], lb=0.0)
    twice = ck.dual_problem(ck.dual_problem(lp).problem)
    # nu is x, lam_lb the slacks of the rows and of the bounds: Gx + s = h, x - s = 0.
    assert [twice.label(k) for k in range(6)] == ["nu[0]", "nu[1]", *(f"lam_lb[{j}]" for j in range(4))]
    np.testing.assert_array_equal(twice.problem.objective.q, [-4.0, -3.0, 0, 0, 0, 0])
    np.testing.assert_array_equal(twice.problem.A[:, :2], [[1, 1], [2, 1], [-1, 0], [0, -1]])
    np.testing.assert_array_equal(twice.problem.A[:, 2:], np.eye(4))
    np.testing.assert_array_equal(twice.problem.b, [10.0, 15.0, 0.0, 0.0])


@pytest.mark.parametrize("kind", ["lp", "qp", "singular", "sparse", "cones"])
def test_feasible_points_of_the_dual_of_the_dual_are_those_of_the_primal(kind):
    rng = np.random.default_rng(1)
    problem = random_program(rng, singular=kind == "singular", sparse=kind == "sparse", cones=2 * (kind == "cones"))
    if kind == "lp":
        problem = ck.QCQP(ck.Quadratic(None, problem.objective.q, 0.7), G=problem.G, h=problem.h, A=problem.A,
                          b=problem.b, lb=problem.lb, ub=problem.ub)
    dual = ck.dual_problem(problem)
    twice = ck.dual_problem(dual.problem)
    finite = np.isfinite(problem.h)
    null = np.linalg.svd(problem.A.toarray() if kind == "sparse" else problem.A)[2][2:]
    x0 = solved(problem).x
    for _ in range(5):
        x = x0 + 1e-3 * null.T @ rng.standard_normal(null.shape[0])
        slacks = np.concatenate([(problem.h - problem.G @ x)[finite], (x - problem.lb)[dual.bounds_below],
                                 (problem.ub - x)[dual.bounds_above]])
        lam_lb = np.zeros(dual.problem.n)
        lam_lb[np.flatnonzero(np.isfinite(dual.problem.lb))] = slacks
        w = np.zeros(dual.problem.n)
        w[dual.columns["w"]] = x if kind != "lp" else 0.0
        v = twice.variables(w, None, x, lam_lb, None, [cone.slack(x) for cone in problem.cones])
        # The equalities say that the slacks are slacks; signs and cones of the multipliers are the constraints.
        np.testing.assert_allclose(twice.problem.A @ v, twice.problem.b, atol=1e-9)
        assert twice.problem.objective(v) == pytest.approx(problem.objective(x), rel=1e-10)


# ---------------------------------------------------------------- values and points


@pytest.mark.parametrize("name", SOLVED)
def test_the_dual_of_the_gallery_has_the_primal_s_value_and_gives_its_point_back(name):
    problem = CASES[name]().problem
    primal, dual = ck.solve(problem), ck.dual_problem(problem)
    solution = ck.solve(dual.problem)
    assert solution.success, solution.message
    scale = 1.0 + abs(primal.value)
    assert dual.value(solution) == pytest.approx(primal.value, abs=1e-6 * scale)
    point = dual.point(solution)
    # Without an objective any multiplier at all is infinitely large relative to it.
    assert ck.kkt_residuals(problem, *point).max() < (np.inf if name == "zero_objective" else 1e-6)
    assert ck.kkt_residuals(problem, point.x).primal < 1e-6
    assert problem.objective(point.x) == pytest.approx(primal.value, abs=1e-6 * scale)
    twice = ck.dual_problem(dual.problem)
    again = ck.solve(twice.problem)
    assert -twice.value(again) == pytest.approx(primal.value, abs=1e-6 * scale)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["qp", "singular", "sparse", "cones"])
def test_random_programs_with_ranges_and_bounds_are_solved_through_their_dual(kind, seed):
    rng = np.random.default_rng(seed)
    problem = random_program(rng, singular=kind == "singular", sparse=kind == "sparse", cones=2 * (kind == "cones"))
    primal, dual = solved(problem), ck.dual_problem(problem)
    point = dual.point(solved(dual.problem))
    assert dual.value(solved(dual.problem)) == pytest.approx(primal.value, rel=1e-7, abs=1e-7)
    assert ck.kkt_residuals(problem, *point).max() < 1e-6
    if kind == "qp":  # one minimiser only
        np.testing.assert_allclose(point.x, primal.x, atol=1e-6)


@pytest.mark.parametrize("structure", ["dense", "sparse", "factored", "operator", "affine"])
def test_curved_rows_of_every_structure_become_rotated_cones(structure):
    rng = np.random.default_rng(2)
    n = 4
    F = rng.standard_normal((2, n))
    P = F.T @ F + np.diag([1.0, 0.0, 2.0, 0.0])
    q = rng.standard_normal(n)
    row = {"dense": lambda: ck.Quadratic(P, q, -1.0), "sparse": lambda: ck.Quadratic(sp.csr_array(P), q, -1.0),
           "factored": lambda: ck.Quadratic.from_factor(F, diag=[1.0, 0.0, 2.0, 0.0], q=q, r=-1.0),
           "operator": lambda: ck.Quadratic(lambda v: P @ v, q, -1.0),
           "affine": lambda: ck.Quadratic(None, q, -1.0)}[structure]()
    objective = ck.Quadratic.from_factor(rng.standard_normal((2, n)), diag=[0.0, 1.0, 1.0, 1.0], q=-np.ones(n))
    problem = ck.QCQP(objective, [row, disc(np.zeros(n), 2.0)])
    dual = ck.dual_problem(problem)
    assert len(dual.problem.cones) == (1 if structure == "affine" else 2)
    primal, solution = solved(problem), solved(dual.problem, 1e-11)
    assert dual.value(solution) == pytest.approx(primal.value, rel=1e-7)
    np.testing.assert_allclose(dual.point(solution).x, primal.x, atol=1e-6)
    np.testing.assert_allclose(dual.point(solution).lam, primal.lam, atol=1e-6)


def test_a_step_of_newton_s_method_gives_the_digits_of_the_multipliers_back():
    problem = CASES["single_variable"]().problem
    dual = ck.dual_problem(problem)
    solution = ck.solve(dual.problem)
    raw = dual.multipliers(solution.x)[0]
    assert abs(raw[0] - 2.0) > 1e-6  # -g is flat at its bottom
    np.testing.assert_allclose(dual.point(solution).lam, [2.0], rtol=1e-8)
    # It never makes a point worse: an optimal one stays, and so does one of a problem without multipliers.
    from convexkit.duality.corrected import corrected
    exact = ck.PrimalDualPoint(np.array([2.0]), np.array([2.0]), np.zeros(0), np.zeros(1), np.zeros(1), ())
    assert corrected(problem, exact) is exact
    free = ck.PrimalDualPoint(np.array([5.0]), np.zeros(0), np.zeros(0), np.zeros(1), np.zeros(1), ())
    assert corrected(ck.qp([[1.0]], [0.0]), free) is free


def test_the_dual_s_variables_at_the_optimum_are_feasible_and_have_the_dual_value():
    rng = np.random.default_rng(3)
    problem = random_qcqp(5, 2, rng, linear=2, equalities=1, bounds=True)
    primal, dual = solved(problem, 1e-11), ck.dual_problem(problem)
    v = dual.variables(primal.x, primal.lam, primal.nu, primal.lam_lb, primal.lam_ub)
    assert ck.kkt_residuals(dual.problem, v).primal < 1e-8
    assert -dual.problem.objective(v) == pytest.approx(primal.value, rel=1e-7)
    lam, nu, lam_lb, lam_ub, cones = dual.multipliers(v)
    for mine, theirs in ((lam, primal.lam), (nu, primal.nu), (lam_lb, primal.lam_lb), (lam_ub, primal.lam_ub)):
        np.testing.assert_array_equal(mine, theirs)
    assert cones == ()


def test_every_variable_of_the_dual_has_a_name_of_its_own():
    rng = np.random.default_rng(4)
    problem = random_program(rng, n=3, cones=2)
    problem = ck.QCQP(problem.objective, [disc(np.zeros(3), 9.0), ck.Quadratic(None, np.ones(3), -99.0)], G=problem.G,
                      h=problem.h, A=problem.A, b=problem.b, lb=problem.lb, ub=problem.ub, cones=problem.cones)
    dual = ck.dual_problem(problem)
    labels = [dual.label(k) for k in range(dual.problem.n)]
    assert len(set(labels)) == len(labels)
    assert labels[:3] == ["w[0]", "w[1]", "w[2]"]
    # Row 3 of G is switched off and has no multiplier; lam counts the two quadratics first.
    assert labels[3:8] == ["lam[0]", "lam[1]", "lam[2]", "lam[3]", "lam[4]"]
    assert {"t[0]", "z[0][2]", "lam_cones[0][0]", "lam_cones[1][2]", "lam_lb[1]", "lam_ub[2]"} <= set(labels)
    with pytest.raises(ck.ProblemError, match=f"column = {dual.problem.n} is out of range"):
        dual.label(dual.problem.n)


def test_large_sparse_and_factored_problems_keep_their_structure():
    n = 3000
    rng = np.random.default_rng(5)
    chain = sp.diags_array([np.full(n - 1, -1.0), np.full(n, 2.1), np.full(n - 1, -1.0)], offsets=[-1, 0, 1]).tocsr()
    problem = ck.QCQP(ck.Quadratic(chain, -np.ones(n)), [ck.Quadratic(chain, None, -40.0)], lb=0.0)
    dual = ck.dual_problem(problem)
    assert sp.issparse(dual.problem.A)
    assert dual.problem.A.nnz < 12 * n
    primal, solution = ck.solve(problem), ck.solve(dual.problem)
    assert solution.success
    assert dual.value(solution) == pytest.approx(primal.value, rel=1e-6)
    F = rng.standard_normal((3, n))
    portfolio = ck.QCQP(ck.Quadratic.from_factor(F, diag=0.1, q=rng.standard_normal(n)), A=np.ones((1, n)), b=[1.0],
                        lb=0.0)
    dual = ck.dual_problem(portfolio)
    assert dual.problem.objective.structure == "sparse"
    assert dual.columns["w"] == slice(0, 3 + n)
    assert dual.value(ck.solve(dual.problem)) == pytest.approx(ck.solve(portfolio).value, rel=1e-6)


# ---------------------------------------------------------------- infeasible and unbounded


@pytest.mark.parametrize("name", ["disjoint_discs", "bounds_against_a_row", "impossible_row_of_zeros",
                                  "ball_outside_the_box", "impossible_zero_quadratic", "contradictory_equalities"])
def test_a_dual_without_bound_proves_the_primal_infeasible(name):
    problem = CASES[name]().problem
    dual = ck.dual_problem(problem)
    solution = ck.solve(dual.problem)
    assert solution.status == "unbounded"
    assert dual.value(solution) == np.inf
    assert dual.certificate(solution.certificate).verify(problem)
    with pytest.raises(ck.ProblemError, match="its status is unbounded"):
        dual.point(solution)


@pytest.mark.parametrize("name", ["unbounded_lp", "unbounded_qcqp", "unbounded_qp_flat_direction"])
def test_an_infeasible_dual_gives_the_direction_along_which_the_primal_falls(name):
    problem = CASES[name]().problem
    dual = ck.dual_problem(problem)
    solution = ck.solve(dual.problem)
    assert solution.status == "infeasible"
    feasible = ck.solve(problem).certificate.x
    certificate = dual.certificate(solution.certificate, feasible)
    assert certificate.verify(problem)
    assert not dual.certificate(solution.certificate, feasible + 1e9 * np.arange(1.0, problem.n + 1)).verify(problem) \
        or certificate.falls(problem)


# ---------------------------------------------------------------- refused


def test_a_problem_that_is_not_convex_is_refused_with_what_to_do():
    nonconvex = ck.QCQP(ck.Quadratic(np.eye(2)), [ck.Quadratic(np.diag([1.0, -2.0]), None, -1.0)])
    with pytest.raises(ck.NotConvexError, match=r"inequalities\[0\].P is not positive semidefinite: smallest "
                                                r"eigenvalue -2.0e\+00. The dual is a semidefinite .*schur_dual"):
        ck.dual_problem(nonconvex)
    with pytest.raises(ck.NotConvexError, match=r"objective\.P is not"):
        ck.dual_problem(ck.qp([[-1.0]], [0.0]))


def test_what_is_no_problem_and_what_does_not_fit_is_refused_by_name():
    with pytest.raises(ck.ProblemError, match="problem must be a QCQP; got list"):
        ck.dual_problem([])
    dual = ck.dual_problem(ck.lp([1.0], lb=0.0))
    with pytest.raises(ck.ProblemError, match="v has length 3; the dual has 1 variables"):
        dual.multipliers(np.zeros(3))
    with pytest.raises(ck.ProblemError, match="certificate must be one of the dual's solution; got str"):
        dual.certificate("proof")
    with pytest.raises(ck.ProblemError, match="nu has length 1; expected 0: one for each row of A"):
        dual.variables([1.0], None, [1.0])


# ---------------------------------------------------------------- factors


@pytest.mark.parametrize("P", [
    np.diag([1.0, 0.0, 4.0]), np.ones((3, 3)), 2.0 * np.eye(3) + 1.0, np.zeros((3, 3)),
    sp.csr_array(np.ones((3, 3))), sp.diags_array([1.0, 0.0, 2.0]).tocsr(), sp.csr_array((3, 3)),
])
def test_a_factor_squares_to_its_matrix(P):
    F = factor_of(ck.Quadratic(P))
    gram = F.T @ F
    np.testing.assert_allclose(gram.toarray() if sp.issparse(gram) else gram,
                               P.toarray() if sp.issparse(P) else P, atol=1e-14)


def test_a_large_sparse_matrix_has_a_sparse_factor():
    n = 1500
    chain = sp.diags_array([np.full(n - 1, -1.0), np.full(n, 2.0), np.full(n - 1, -1.0)], offsets=[-1, 0, 1]).tocsr()
    wide = sp.block_diag([sp.csr_array((2, 2)), chain], format="csr")
    F = factor_of(ck.Quadratic(wide))
    assert F.nnz < 10 * n
    assert abs(F.T @ F - wide).max() < 1e-10
    indefinite_diagonal = ck.Quadratic.from_factor(np.eye(3), diag=[-0.5, 0.0, 1.0])
    F = factor_of(indefinite_diagonal)
    np.testing.assert_allclose(F.T @ F, np.diag([0.5, 1.0, 2.0]), atol=1e-14)
