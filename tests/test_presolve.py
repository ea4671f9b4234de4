"""Rows of G that are bounds, and rows that say nothing."""

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from convexkit.interior_point.presolve import bounds_from_rows


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


def test_an_impossible_empty_row_is_a_proof_too():
    problem = ck.lp([1.0], G=[[0.0]], h=[-1.0], lb=0.0)
    solution = ck.solve(problem)
    assert solution.status is ck.Status.INFEASIBLE
    assert solution.certificate.verify(problem)


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
