"""What is settled before the iteration: rows that are bounds or say nothing, fixed variables, multiples of rows."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from convexkit.interior_point import sparse_rank
from convexkit.interior_point.presolve import bounds_from_rows
from convexkit.interior_point.reduction import Reduction, parallel_rows
from convexkit.interior_point.sparse_rank import independent_sparse_rows


def not_compiled(record):
    """A callback, with which small dense problems too go to the iteration that reduces them first."""


@pytest.mark.parametrize("matrix", [np.asarray, sp.csr_array])
def test_rows_with_one_entry_become_the_tightest_bounds(matrix):
    G = np.array([[2.0, 0.0], [-4.0, 0.0], [1.0, 0.0], [0.0, -1.0], [1.0, 1.0], [0.0, 0.0]])
    problem = ck.lp([1.0, 1.0], G=matrix(G), h=[6.0, 8.0, 5.0, 1.0, 3.0, 0.0], lb=[-1.0, -5.0])
    bounds, remaining = bounds_from_rows(problem)
    np.testing.assert_array_equal(bounds.lb, [-1.0, -1.0])      # its own bound is tighter than -8/4
    np.testing.assert_array_equal(bounds.ub, [3.0, np.inf])     # 6/2 is tighter than 5
    np.testing.assert_array_equal(bounds.low_row, [-1, 3])
    np.testing.assert_array_equal(bounds.high_row, [0, -1])
    np.testing.assert_array_equal(remaining, [4])


def test_the_multiplier_of_a_bound_comes_back_to_its_row():
    # minimise -x subject to 4x ≤ 8 and x ≤ 3: the price of the first row is 1/4.
    solution = ck.solve(ck.lp([-1.0], G=[[1.0], [4.0]], h=[3.0, 8.0]))
    np.testing.assert_allclose(solution.x, [2.0], atol=1e-7)
    np.testing.assert_allclose(solution.lam, [0.0, 0.25], atol=1e-7)
    np.testing.assert_array_equal(solution.lam_ub, [0.0])
    assert solution.residuals.max() <= 1e-8


def test_two_rows_that_fix_a_variable_share_its_multiplier_by_sign():
    solution = ck.solve(ck.lp([1.0, -1.0], G=[[1.0, 0.0], [-2.0, 0.0], [0.0, 1.0]], h=[2.0, -4.0, 5.0]))
    np.testing.assert_allclose(solution.x, [2.0, 5.0], atol=1e-7)
    np.testing.assert_allclose(solution.lam, [0.0, 0.5, 1.0], atol=1e-6)


@pytest.mark.parametrize("options", [{"G": [[1.0], [-1.0]], "h": [1.0, -2.0]}, {"G": [[-3.0]], "h": [-6.0], "ub": 1.0}])
def test_bounds_that_cross_are_their_own_proof(options):
    problem = ck.lp([1.0], **options)
    solution = ck.solve(problem)
    assert solution.status is ck.Status.INFEASIBLE
    assert solution.nit == 0
    assert solution.certificate.verify(problem)


@pytest.mark.parametrize("matrix", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("h", [-1.0, -1.5e-5, -1e6])
def test_an_impossible_empty_row_is_a_proof_too(matrix, h):
    G = np.zeros((3, 50))
    G[0, :3], G[2, :] = 1.0, -1.0
    for problem in (ck.lp(np.ones(50), G=matrix(G), h=[-3.0, h, 2.0], lb=0.0), ck.QCQP(
            ck.Quadratic(None, -np.ones(50)), [ck.Quadratic(None, np.zeros(50), -h)], G=matrix(G[:1]), h=[3.0])):
        solution = ck.solve(problem, callback=not_compiled)
        assert solution.status is ck.Status.INFEASIBLE
        assert (solution.nit, solution.certificate.verify(problem)) == (0, True)


def test_a_bound_of_1e20_means_none():
    n = 3
    solution = ck.solve(ck.qp(np.eye(n), -np.ones(n), G=np.ones((1, n)), h=[1e20], lb=-1e20, ub=1e30))
    np.testing.assert_allclose(solution.x, np.ones(n), atol=1e-8)
    assert solution.success


def test_duplicate_and_parallel_rows_change_nothing():
    G, h = np.array([[1.0, 2.0], [1.0, 2.0], [2.0, 4.0], [-1.0, 1.0]]), np.array([2.0, 2.0, 4.0, 3.0])
    once = ck.solve(ck.qp(np.eye(2), [-3.0, -3.0], G=G[[0, 3]], h=h[[0, 3]]))
    often = ck.solve(ck.qp(np.eye(2), [-3.0, -3.0], G=G, h=h))
    assert often.success
    np.testing.assert_allclose(often.x, once.x, atol=1e-6)
    assert often.lam[:2].sum() + 2 * often.lam[2] == pytest.approx(once.lam[0], abs=1e-5)


def test_a_column_that_occurs_nowhere_is_free_or_a_proof_of_unboundedness():
    G = np.array([[1.0, 1.0, 0.0]])
    free = ck.solve(ck.lp([-1.0, -1.0, 0.0], G=G, h=[1.0]))
    assert free.success
    problem = ck.lp([-1.0, -1.0, 1.0], G=G, h=[1.0])
    falling = ck.solve(problem)
    assert falling.status is ck.Status.UNBOUNDED
    assert falling.certificate.verify(problem)


@pytest.mark.parametrize("matrix", [np.asarray, sp.csr_array])
def test_rows_that_are_multiples_are_found_whatever_their_scale_and_sign(matrix):
    rows = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [-0.3, -0.6, 0.0], [1.0, 2.0, 1e-3], [0.0, 0.0, 0.0],
                     [1e-6, 2e-6, 0.0], [0.0, 0.0, 0.0], [2.0, 1.0, 0.0]])
    found = parallel_rows(matrix(rows))
    group = found.group[0]
    np.testing.assert_array_equal(np.flatnonzero(found.group == group), [0, 2, 5])
    np.testing.assert_allclose(found.factor[[0, 2, 5]] / found.factor[0], [1.0, -0.3, 1e-6], rtol=1e-12)
    assert np.unique(found.group).size == 6                      # empty rows are not multiples of each other
    assert parallel_rows(matrix(rows[[0, 1, 7]])) is None


@pytest.mark.parametrize("matrix", [np.asarray, sp.csr_array])
def test_of_parallel_rows_the_tightest_stays_and_a_pair_without_room_is_an_equality(matrix):
    G = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [-1.0, -1.0, 0.0], [0.0, 1.0, 1.0], [0.0, -3.0, -3.0]])
    problem = ck.qp(np.eye(3), -np.ones(3), G=matrix(G), h=[4.0, 3.0, 5.0, 1.0, -3.0], A=matrix(np.ones((2, 3))),
                    b=[1.5, 1.5])
    left = Reduction(problem).problem
    assert (left.h.size, left.p) == (2, 2)
    np.testing.assert_array_equal(left.h, [3.0, 5.0])
    np.testing.assert_array_equal(left.b, [1.5, 1.0])
    solution = ck.solve(problem, callback=not_compiled)
    assert solution.residuals.max() <= 1e-8
    np.testing.assert_allclose(solution.x, [0.5, 0.5, 0.5], atol=1e-7)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_multiplier_of_a_pair_goes_to_the_row_that_holds(sign):
    # minimise ±(x + y) where x + y ≤ 1 and -2x - 2y ≤ -2: one of the rows pays 1, or 1/2.
    problem = ck.lp([sign, sign], G=[[1.0, 1.0], [-2.0, -2.0]], h=[1.0, -2.0], lb=0.0)
    solution = ck.solve(problem, callback=not_compiled)
    np.testing.assert_allclose(solution.lam, [0.0, 0.5] if sign > 0 else [1.0, 0.0], atol=1e-6)
    assert solution.residuals.max() <= 1e-8
    again = ck.solve(problem, warm_start=solution, callback=not_compiled)
    assert again.success


@pytest.mark.parametrize("matrix", [np.asarray, sp.csr_array])
def test_parallel_rows_that_contradict_each_other_stay_and_are_a_proof(matrix):
    for options in ({"G": matrix(np.array([[1.0, 1.0], [-2.0, -2.0]])), "h": [1.0, -4.0]},
                    {"A": matrix(np.array([[1.0, 1.0], [2.0, 2.0]])), "b": [1.0, 3.0]}):
        problem = ck.lp([1.0, 1.0], lb=-5.0, ub=5.0, **options)
        assert Reduction(problem).problem is problem
        solution = ck.solve(problem)
        assert solution.status is ck.Status.INFEASIBLE
        assert solution.certificate.verify(problem)


@pytest.mark.parametrize("structure", ["dense", "sparse", "factored"])
def test_fixed_variables_leave_the_problem_and_their_multipliers_return(structure):
    rng = np.random.default_rng(4)
    n = 120
    F = rng.standard_normal((10, n))
    d = rng.uniform(1.0, 2.0, n)
    P = {"dense": F.T @ F + np.diag(d), "sparse": sp.diags_array(d).tocsr()}.get(structure)
    q = rng.standard_normal(n)
    objective = ck.Quadratic.from_factor(F, diag=d, q=q, r=3.0) if P is None else ck.Quadratic(P, q, 3.0)
    lb, ub = np.full(n, -1.0), np.full(n, 1.0)
    lb[:4] = ub[:4] = rng.uniform(-1, 1, 4)
    A = np.zeros((4, n))
    A[0, 5], A[1, 6], A[2, :20], A[3, [0, 5]] = 2.0, -4.0, 1.0, 1.0       # the last row is met, or not, by then
    b = np.array([1.0, 1.0, 0.3, lb[0] + 0.5])
    matrix = sp.csr_array if structure == "sparse" else np.asarray
    problem = ck.QCQP(objective, A=matrix(A), b=b, G=matrix(np.eye(n)[[0]] + np.eye(n)[[9]]), h=[0.2], lb=lb, ub=ub)
    left = Reduction(problem).problem
    assert (left.n, left.p) == (n - 6, 1)
    solution = ck.solve(problem)
    assert solution.success
    np.testing.assert_allclose(solution.x[[5, 6]], [0.5, -0.25], rtol=1e-12)
    slope = problem.objective.gradient(solution.x) + A.T @ solution.nu + solution.lam_ub - solution.lam_lb
    slope[[0, 9]] += solution.lam[0]
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)
    assert (solution.lam_lb * solution.lam_ub)[:4].max() == 0
    wrong = ck.QCQP(objective, A=matrix(A), b=b + [0, 0, 0, 1.0], lb=lb, ub=ub)
    answer = ck.solve(wrong)
    assert answer.status is ck.Status.INFEASIBLE
    assert answer.certificate.verify(wrong)


def test_fixed_variables_of_a_cone_program_get_their_multipliers():
    cone = ck.SecondOrderCone(np.eye(3), d=2.0)
    solution = ck.solve(ck.socp([1.0, 1.0, -1.0], [cone], lb=[-5.0, 1.0, -5.0], ub=[5.0, 1.0, 5.0]))
    assert solution.residuals.max() <= 1e-8
    np.testing.assert_allclose(solution.x, [-np.sqrt(1.5), 1.0, np.sqrt(1.5)], atol=1e-6)


def test_an_unbounded_direction_keeps_fixed_variables_where_they_are():
    problem = ck.lp([1.0, -1.0, 0.0], A=[[1.0, -1.0, 1.0]], b=[2.0], lb=[1.0, 0.0, 0.0], ub=[1.0, np.inf, np.inf])
    solution = ck.solve(problem)
    assert solution.status is ck.Status.UNBOUNDED
    assert solution.certificate.verify(problem)
    assert solution.certificate.direction[0] == 0


def test_where_every_variable_is_fixed_nothing_is_taken_out():
    solution = ck.solve(ck.lp([1.0, 2.0], lb=[1.0, 2.0], ub=[1.0, 2.0]))
    assert solution.success
    np.testing.assert_allclose(solution.x, [1.0, 2.0])


def rows_with_combinations(rng, rows=40, columns=60, combinations=4):
    """Sparse rows with right-hand sides of a point, among them some that are combinations of three to eight others."""
    A = rng.standard_normal((rows, columns)) * (rng.random((rows, columns)) < 0.15)
    W = np.zeros((combinations, rows))
    for w in W:
        w[rng.choice(rows, int(rng.integers(3, 9)), replace=False)] = rng.uniform(0.2, 2.0)
    A = np.concatenate([A, W @ A])[rng.permutation(rows + combinations)]
    A = A[np.abs(A).max(axis=1) > 0]
    A /= np.abs(A).max(axis=1)[:, None]
    return A, A @ rng.standard_normal(columns)


@pytest.mark.parametrize("seed", range(20))
def test_sparse_rows_that_follow_from_others_are_found(seed):
    A, b = rows_with_combinations(np.random.default_rng(seed))
    found = independent_sparse_rows(sp.csr_array(A), b)
    assert found.contradiction is None
    assert found.kept.size == np.linalg.matrix_rank(A) == np.linalg.matrix_rank(A[found.kept]) < b.size
    left_out = np.setdiff1d(np.arange(b.size), found.kept)
    Y = np.linalg.lstsq(A[found.kept].T, A[left_out].T, rcond=None)[0]
    assert np.linalg.norm(Y, axis=0).max() < 30                   # the others' errors are not magnified in them
    wrong = b.copy()
    wrong[left_out[0]] += 1.0
    nu = independent_sparse_rows(sp.csr_array(A), wrong).contradiction
    assert np.abs(A.T @ nu).max() <= 1e-10 * np.abs(nu).max()
    assert wrong @ nu < 0


def test_rows_with_columns_of_their_own_and_empty_ones_need_no_factors():
    A = sp.csr_array(np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]))
    np.testing.assert_array_equal(independent_sparse_rows(A, np.zeros(4)).kept, [0, 1, 2])
    found = independent_sparse_rows(A, np.array([1.0, 1.0, 1.0, -0.5]))
    np.testing.assert_allclose(found.contradiction, [0.0, 0.0, 0.0, 2.0])


def test_rows_whose_products_would_be_full_all_count_as_independent():
    A = np.zeros((200, 210))
    A[:, 0] = 1.0
    A[np.arange(199), np.arange(1, 200)] = A[np.arange(1, 200), np.arange(1, 200)] = 1.0
    A[:, 205] = 1.0
    assert independent_sparse_rows(sp.csr_array(A), np.ones(200)).kept.size == 200


@pytest.mark.parametrize("consistent", [True, False])
def test_a_flow_that_is_said_once_too_often_is_solved_or_contradicted_at_once(consistent):
    # The rows of a network sum to zero: what its nodes demand must, too.
    rng = np.random.default_rng(3)
    nodes, arcs = 60, 200
    tail, head = rng.integers(0, nodes, arcs), rng.integers(0, nodes, arcs)
    head = np.where(head == tail, (tail + 1) % nodes, head)
    A = sp.csr_array((np.tile([1.0, -1.0], arcs), (np.stack([tail, head], 1).ravel(), np.repeat(np.arange(arcs), 2))),
                     shape=(nodes, arcs))
    b = A @ rng.uniform(0.2, 0.8, arcs) + (0.0 if consistent else 1.0)
    problem = ck.qp(sp.eye_array(arcs).tocsr(), rng.standard_normal(arcs), A=A, b=b, lb=0.0, ub=1.0)
    solution = ck.solve(problem)
    if consistent:
        assert solution.success
        assert ck.kkt_residuals(problem, solution.x, solution.lam, solution.nu, solution.lam_lb,
                                solution.lam_ub).max() <= 1e-8
    else:
        assert solution.status is ck.Status.INFEASIBLE
        assert (solution.nit, solution.certificate.verify(problem)) == (0, True)


PLATE = Path(__file__).resolve().parents[2] / "shared" / "data" / "qplib" / "QPLIB_3088.npz"


@pytest.mark.shared
@pytest.mark.skipif(not PLATE.is_file(), reason="the public problem sets are not here")
@pytest.mark.parametrize("seed", [0, 4])
def test_curved_rows_over_dependent_equalities_are_solved_in_any_order(seed):
    # Its equalities follow from each other by one, to the ten digits that they are given with. Most multipliers of the
    # discs are zero, the factors need pivots, and nu ran out to 1e4 while tau fell: no permutation of it was solved.
    given, rng = ck.read_problem(PLATE), np.random.default_rng(seed)
    columns, rows = rng.permutation(given.n), rng.permutation(given.p)
    discs = [ck.Quadratic(sp.csr_array(f.P)[columns][:, columns], f.q[columns], f.r) for f in given.inequalities]
    objective = ck.Quadratic(None, given.objective.q[columns])
    solution = ck.solve(ck.QCQP(objective, discs, A=sp.csr_array(given.A)[rows][:, columns], b=given.b[rows]))
    assert solution.success, solution.message
    assert solution.value == pytest.approx(-0.9460285026, rel=1e-7)     # clarabel at 1e-9
    assert np.abs(solution.nu).max() < 100.0


def test_rows_in_echelon_form_are_independent_without_another_look(monkeypatch):
    rng = np.random.default_rng(0)
    A = sp.diags_array([rng.standard_normal(50), rng.uniform(1.0, 2.0, 50)], offsets=[0, 7], shape=(50, 57)).tocsr()
    A.sort_indices()
    monkeypatch.setattr(sparse_rank, "_without_own_columns", None)  # not called
    found = independent_sparse_rows(A, np.zeros(50))
    assert found.contradiction is None
    np.testing.assert_array_equal(found.kept, np.arange(50))


@pytest.mark.parametrize("turned", [False, True])
def test_rows_that_end_in_one_column_or_in_a_small_entry_are_looked_at(turned):
    row = np.array([[1.0, 2.0, 0.0, 3.0], [0.0, 1.0, 1.0, 1e-9], [2.0, 4.0, 0.0, 6.0]])
    A = sp.csr_array(row[:, ::-1] if turned else row)
    assert not sparse_rank._staircase(A)
    assert independent_sparse_rows(A, np.zeros(3)).kept.size == 2
