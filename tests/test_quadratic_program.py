"""solve_qp has the arguments and the answer of qpsolvers.solve_qp."""

import inspect

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from convexkit.quadratic_program import solve_qp


def random_qp(seed, n=8, m=12, p=3, rank=None):
    """A feasible QP with bounds: (P, q, G, h, A, b, lb, ub)."""
    rng = np.random.default_rng(seed)
    F = rng.normal(size=(n if rank is None else rank, n))
    inside = rng.uniform(-1, 1, n)
    G, A = rng.normal(size=(m, n)), rng.normal(size=(p, n))
    return (F.T @ F, rng.normal(size=n), G, G @ inside + rng.uniform(0, 1, m), A, A @ inside,
            inside - rng.uniform(0.5, 2, n), inside + rng.uniform(0.5, 2, n))


def test_arguments_are_those_of_qpsolvers():
    parameters = list(inspect.signature(solve_qp).parameters.values())
    assert [parameter.name for parameter in parameters[:8]] == ["P", "q", "G", "h", "A", "b", "lb", "ub"]
    assert [parameter.default for parameter in parameters[2:8]] == [None] * 6
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters[8:])


@pytest.mark.parametrize("rank", [None, 4, 0])
@pytest.mark.parametrize("seed", range(8))
def test_random_problems_agree_with_cvxpy(seed, rank):
    P, q, G, h, A, b, lb, ub = data = random_qp(seed, rank=rank)
    x = solve_qp(*data)
    y = cp.Variable(q.size)
    source = cp.Problem(cp.Minimize(cp.quad_form(y, cp.psd_wrap(P)) / 2 + q @ y),
                        [G @ y <= h, A @ y == b, y >= lb, y <= ub])
    source.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    assert 0.5 * x @ P @ x + q @ x == pytest.approx(source.value, rel=1e-6, abs=1e-7)
    assert max((G @ x - h).max(), abs(A @ x - b).max(), (lb - x).max(), (x - ub).max()) <= 1e-6
    if rank is None:
        np.testing.assert_allclose(x, y.value, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_sparse_and_dense_data_give_the_same_answer(seed):
    P, q, G, h, A, b, lb, ub = random_qp(seed)
    expected = solve_qp(P, q, G, h, A, b, lb, ub)
    for kind in (sp.csc_matrix, sp.csr_matrix, sp.csc_array, sp.coo_array):
        np.testing.assert_allclose(solve_qp(kind(P), q, kind(G), h, kind(A), b, lb, ub), expected, atol=1e-6)


def test_the_example_of_qpsolvers_is_solved():
    M = np.array([[1.0, 2.0, 0.0], [-8.0, 3.0, 2.0], [0.0, 1.0, 1.0]])
    G = np.array([[1.0, 2.0, 1.0], [2.0, 0.0, 1.0], [-1.0, 2.0, -1.0]])
    x = solve_qp(M.T @ M, np.array([3.0, 2.0, 3.0]) @ M, G, np.array([3.0, 2.0, -2.0]), np.ones(3), np.array([1.0]))
    # Optimal: feasible, and the negative gradient is a combination of the tight rows, with lam ≥ 0 for those of G.
    gradient = M.T @ M @ x + np.array([3.0, 2.0, 3.0]) @ M
    slack = np.array([3.0, 2.0, -2.0]) - G @ x
    tight = np.vstack([G[slack < 1e-6], np.ones(3)])
    weights, *_ = np.linalg.lstsq(tight.T, -gradient, rcond=None)
    np.testing.assert_allclose(tight.T @ weights, -gradient, atol=1e-6)
    assert weights[:-1].min() >= 0
    assert (slack >= -1e-8).all()
    assert x.sum() == pytest.approx(1)


def test_vectors_scalars_and_lists_are_welcome():
    one_row = solve_qp(np.eye(2), [-3.0, -4.0], G=[1.0, 1.0], h=[1.0], lb=0, ub=[np.inf, 0.75])
    np.testing.assert_allclose(one_row, [0.25, 0.75], atol=1e-6)
    column = solve_qp(np.eye(2), np.array([[-3.0], [-4.0]]), A=np.array([1.0, 1.0]), b=np.array([1.0]))
    np.testing.assert_allclose(column, [0, 1], atol=1e-6)
    np.testing.assert_allclose(solve_qp(np.eye(2), [-3.0, -4.0]), [3, 4], atol=1e-6)
    np.testing.assert_allclose(solve_qp(np.eye(2), [-3.0, -4.0], G=np.eye(2), h=[np.inf, 2.0]), [3, 2], atol=1e-6)


def test_p_may_be_missing_or_zero_for_a_linear_program():
    for P in (None, np.zeros((2, 2)), sp.csr_matrix((2, 2))):
        np.testing.assert_allclose(solve_qp(P, [-4.0, -3.0], [[1.0, 1.0], [2.0, 1.0]], [10.0, 15.0], lb=0), [5, 5],
                                   atol=1e-6)


def test_no_solution_is_none_and_solve_says_why():
    infeasible = ck.qp(np.eye(1), [0.0], [[1.0], [-1.0]], [0.0, -1.0])
    unbounded = ck.lp([1.0, 0.0], ub=0.0)
    assert solve_qp(np.eye(1), [0.0], [[1.0], [-1.0]], [0.0, -1.0]) is None
    assert solve_qp(None, [1.0, 0.0], ub=0.0) is None
    for problem, status in ((infeasible, "infeasible"), (unbounded, "unbounded")):
        solution = ck.solve(problem)
        assert solution.status == status
        assert solution.certificate.verify(problem)


def test_a_point_that_is_not_optimal_to_tol_is_none():
    data = random_qp(0)
    assert solve_qp(*data, maxiter=1) is None
    assert solve_qp(*data, time_limit=1e-9) is None
    assert solve_qp(*data, tol=1e-10) is not None


@pytest.mark.parametrize(("arguments", "options", "error", "message"), [
    ((np.ones((2, 3)), [1.0, 1.0]), {}, ck.ProblemError, "P must be a square matrix"),
    (([[1.0, 2.0], [0.0, 1.0]], [1.0, 1.0]), {}, ck.ProblemError, "P is not symmetric"),
    ((np.eye(2), [1.0, 1.0, 1.0]), {}, ck.ProblemError, "P has shape .* but q has length 3"),
    ((np.eye(2), [1.0, np.nan]), {}, ck.ProblemError, "q has 1 entries that are not finite"),
    ((np.eye(2), [1.0, 1.0], np.eye(2)), {}, ck.ProblemError, "G was given without h"),
    ((np.eye(2), [1.0, 1.0], np.eye(3), np.ones(3)), {}, ck.ProblemError, "G has shape"),
    ((np.eye(2), [1.0, 1.0]), {"b": [1.0]}, ck.ProblemError, "b was given without A"),
    ((np.eye(2), [1.0, 1.0]), {"lb": 1.0, "ub": 0.0}, ck.ProblemError, "bounds are crossed"),
    ((np.eye(2), [1.0, 1.0]), {"tol": 0.5}, ck.ProblemError, "tol = 0.5 is out of range"),
    ((-np.eye(2), [1.0, 1.0]), {}, ck.NotConvexError, "objective.P is not positive semidefinite"),
])
def test_bad_input_is_named(arguments, options, error, message):
    with pytest.raises(error, match=message):
        solve_qp(*arguments, **options)


def test_inputs_are_not_modified():
    data = random_qp(1)
    copies = [array.copy() for array in data]
    solve_qp(*data)
    for array, copy in zip(data, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
