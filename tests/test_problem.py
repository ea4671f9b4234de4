"""QCQP and its short forms: what is accepted, what is refused and in which words."""

import re

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck

F0 = ck.Quadratic(np.eye(2), [1.0, 2.0], 3.0)


def test_a_problem_counts_variables_rows_and_bounds():
    problem = ck.QCQP(F0, [F0, F0], G=np.eye(2), h=[1.0, np.inf], A=[[1.0, 1.0]], b=[1.0], lb=[0.0, -np.inf], ub=5.0)
    assert (problem.n, problem.m, problem.p) == (2, 4, 1)
    assert repr(problem) == "QCQP(n=2, 2 quadratic + 2 linear inequalities, 1 equalities, 3 bounds)"


def test_values_are_ordered_as_multipliers_are():
    problem = ck.QCQP(F0, [ck.Quadratic(None, [1.0, 0.0], -5.0), F0], G=[[1.0, 1.0], [1.0, -1.0]], h=[1.0, np.inf],
                      A=[[2.0, 0.0]], b=[1.0])
    x = [1.0, 2.0]
    np.testing.assert_array_equal(problem.inequality_values(x), [-4.0, F0(np.array(x)), 2.0, -np.inf])
    np.testing.assert_array_equal(problem.equality_values(x), [1.0])


def test_missing_rows_and_bounds_are_empty_or_infinite():
    problem = ck.QCQP(F0)
    assert (problem.m, problem.p) == (0, 0)
    assert problem.G.shape == problem.A.shape == (0, 2)
    assert (problem.lb == -np.inf).all()
    assert (problem.ub == np.inf).all()
    assert problem.inequality_values([0.0, 0.0]).shape == problem.equality_values([0.0, 0.0]).shape == (0,)


def test_a_vector_is_one_row_and_a_number_is_every_bound():
    problem = ck.QCQP(F0, G=[1.0, 2.0], h=3.0, lb=-1, ub=[[4], [5]])
    np.testing.assert_array_equal(problem.G, [[1.0, 2.0]])
    np.testing.assert_array_equal(problem.h, [3.0])
    np.testing.assert_array_equal(problem.lb, [-1.0, -1.0])
    np.testing.assert_array_equal(problem.ub, [4.0, 5.0])


def test_sparse_rows_stay_sparse():
    problem = ck.lp([1.0, 1.0], G=sp.coo_matrix(np.eye(2)), h=[1.0, 1.0], A=sp.csc_matrix([[1.0, 1.0]]), b=[1.0])
    assert sp.issparse(problem.G)
    assert sp.issparse(problem.A)
    np.testing.assert_array_equal(problem.inequality_values([2.0, 0.0]), [1.0, -1.0])


def test_float64_data_are_referred_to_and_not_copied():
    G, h, A, b = np.eye(2), np.ones(2), np.ones((1, 2)), np.ones(1)
    problem = ck.QCQP(F0, G=G, h=h, A=A, b=b)
    assert problem.G is G
    assert problem.h is h
    assert problem.A is A
    assert problem.b is b


def test_lp_and_qp_are_problems_with_the_same_numbers():
    linear = ck.lp([1.0, 2.0], G=np.eye(2), h=[1.0, 1.0], lb=0.0)
    assert linear.objective.is_affine
    assert linear.inequalities == ()
    curved = ck.qp(np.eye(2), [1.0, 2.0], A=[[1.0, 1.0]], b=[1.0], ub=4.0, r=7.0)
    assert curved.objective([0.0, 0.0]) == 7.0
    assert curved.p == 1


@pytest.mark.parametrize(("arguments", "words"), [
    ({"objective": np.eye(2)}, "objective must be a Quadratic; got ndarray"),
    ({"objective": ck.Quadratic(None, np.zeros(0))}, "objective has no variables"),
    ({"inequalities": F0}, "inequalities must be a sequence; write [f]"),
    ({"inequalities": [F0, np.eye(2)]}, "inequalities[1] must be a Quadratic; got ndarray"),
    ({"inequalities": [ck.Quadratic(None, [1.0])]}, "inequalities[0] has 1 variables; the objective has 2"),
    ({"G": np.eye(2)}, "G was given without h"),
    ({"h": [1.0]}, "h was given without G"),
    ({"A": np.eye(2)}, "A was given without b"),
    ({"b": [1.0]}, "b was given without A"),
    ({"G": np.eye(3), "h": np.ones(3)}, "G has shape (3, 3); expected 2 columns"),
    ({"G": np.eye(2), "h": np.ones(3)}, "h has length 3; expected 2"),
    ({"G": np.eye(2), "h": [1.0, np.nan]}, "h[1] = nan"),
    ({"G": np.eye(2), "h": [-np.inf, 1.0]}, "h[0] = -inf"),
    ({"G": [[1.0, np.nan]], "h": [1.0]}, "G[0, 1] = nan"),
    ({"A": [[1.0, 1.0]], "b": [np.inf]}, "b[0] = inf"),
    ({"A": [[1j, 1.0]], "b": [1.0]}, "A is complex"),
    ({"A": [["a", "b"]], "b": [1.0]}, "A must hold numbers"),
    ({"lb": [0.0, np.nan]}, "lb[1] is NaN"),
    ({"lb": np.inf}, "lb[0] = inf leaves no value"),
    ({"ub": [1.0, -np.inf]}, "ub[1] = -inf leaves no value"),
    ({"ub": [1.0, 2.0, 3.0]}, "ub has length 3; expected 2"),
    ({"lb": [0.0, 3.0], "ub": [1.0, 2.0]}, "lb[1] = 3 exceeds ub[1] = 2; bounds are crossed at 1 of 2"),
])
def test_data_that_state_no_problem_are_refused_by_name(arguments, words):
    with pytest.raises(ck.ProblemError, match=re.escape(words)):
        ck.QCQP(**{"objective": F0, **arguments})


def test_points_of_the_wrong_length_are_refused():
    problem = ck.QCQP(F0, A=[[1.0, 1.0]], b=[1.0])
    for function in (problem.inequality_values, problem.equality_values):
        with pytest.raises(ck.ProblemError, match="x has length 3; expected 2"):
            function(np.zeros(3))
