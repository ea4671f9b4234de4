"""Status and Solution: the words, and what can be asked of them."""

import dataclasses
import pickle

import numpy as np
import pytest

import convexkit as ck

from .gallery import CASES


def test_statuses_are_strings_in_cvxpys_words():
    assert [str(s) for s in ck.Status] == ["optimal", "optimal_inaccurate", "infeasible", "unbounded",
                                           "iteration_limit", "time_limit", "interrupted", "numerical_error"]
    assert ck.Status.OPTIMAL == "optimal"
    assert ck.Status("time_limit") is ck.Status.TIME_LIMIT
    assert f"{ck.Status.INFEASIBLE}" == "infeasible"


def test_only_optimal_is_success():
    solution = ck.solve(CASES["diet"]().problem)
    for status in ck.Status:
        assert dataclasses.replace(solution, status=status).success == (status is ck.Status.OPTIMAL)


def test_an_optimal_solution_is_handed_through():
    solution = ck.solve(CASES["diet"]().problem)
    assert solution.require_optimal() is solution
    assert solution.method == "interior-point"


@pytest.mark.parametrize("name", ["infeasible_pair", "unbounded_lp"])
def test_requiring_an_optimum_that_is_not_there_says_why(name):
    solution = ck.solve(CASES[name]().problem)
    with pytest.raises(ck.NotSolvedError, match=f"^{solution.status}: ") as caught:
        solution.require_optimal()
    assert solution.message in str(caught.value)
    assert isinstance(caught.value, RuntimeError)
    assert solution.gap == np.inf


def test_the_gap_is_the_difference_of_the_two_values():
    solution = ck.solve(CASES["ball_qp"]().problem)
    assert solution.gap == solution.value - solution.dual_value
    assert abs(solution.gap) <= 1e-7


def test_a_solution_cannot_be_changed_by_accident():
    solution = ck.solve(CASES["diet"]().problem)
    with pytest.raises(dataclasses.FrozenInstanceError):
        solution.value = 0.0


def test_solutions_compare_by_identity_and_travel_between_processes():
    first, second = (ck.solve(CASES["diet"]().problem) for _ in range(2))
    assert first == first
    assert first != second
    assert len({first, second}) == 2
    copy = pickle.loads(pickle.dumps(first))
    assert copy.status is first.status
    np.testing.assert_array_equal(copy.x, first.x)


def test_a_solution_has_one_multiplier_for_each_cone_and_none_without_cones():
    x, none = np.array([-0.6, -0.8]), np.zeros(2)
    bare = ck.Solution(ck.Status.OPTIMAL, "solved.", x, np.zeros(0), np.zeros(0), none, none, -5.0, -5.0, None, None,
                       7, 0.1)
    assert bare.lam_cones == ()
    assert bare.success
    with_cones = dataclasses.replace(bare, lam_cones=(np.array([5.0, 3.0, 4.0]),))
    assert with_cones.success
    problem = ck.socp([3.0, 4.0], [ck.SecondOrderCone(np.eye(2), d=1.0)])
    assert ck.kkt_residuals(problem, with_cones.x, lam_cones=with_cones.lam_cones).max() <= 1e-15
    assert ck.solve(CASES["diet"]().problem).lam_cones == ()
