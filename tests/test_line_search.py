"""Backtracking: what it accepts satisfies the inequality, and what it rejects leaves the start."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convexkit as ck
from convexkit import LineSearchStatus as Status


def square(x):
    return float(x @ x)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(alpha=st.floats(0.01, 0.49), beta=st.floats(0.1, 0.9), curvature=st.floats(0.1, 1e4), start=st.floats(0.1, 10))
def test_the_accepted_step_satisfies_armijo_and_is_the_first_that_does(alpha, beta, curvature, start):
    # f = ½c·x² along -∇f: Armijo holds exactly for steps up to 2(1 - alpha)/c, so the count is known.
    x = np.array([start])
    f, g = lambda y: 0.5 * curvature * float(y @ y), curvature * x
    result = ck.backtracking(f, x, -g, slope=float(-g @ g), alpha=alpha, beta=beta, maxiter=200)
    assert result.status == Status.SUFFICIENT_DECREASE
    assert result.success
    assert result.fun == f(result.x)
    np.testing.assert_array_equal(result.x, x - result.step * g)
    assert result.fun <= f(x) - alpha * result.step * float(g @ g) * (1 - 1e-12)
    assert result.step * curvature <= 2 * (1 - alpha) * (1 + 1e-9)
    if result.nit > 1:
        assert result.step / beta * curvature >= 2 * (1 - alpha) * (1 - 1e-9)
    assert result.step == pytest.approx(beta ** (result.nit - 1), rel=1e-12)


def test_the_domain_is_asked_before_f_is_evaluated():
    evaluated = []

    def f(x):
        evaluated.append(x[0])
        return float(-np.log(x[0]) + x[0])

    x, p = np.array([3.0]), np.array([-6.0])
    result = ck.backtracking(f, x, p, slope=(1 - 1 / 3) * -6.0, in_domain=lambda y: y[0] > 0)
    # Steps 1 and ½ end at -3 and 0, outside; ¼ ends at 1.5. f is seen at the start and there only.
    assert evaluated == [3.0, 1.5]
    assert (result.nit, result.nfev, result.step) == (3, 2, 0.25)


@pytest.mark.parametrize("outside", [nan, inf])
def test_nan_and_infinity_count_as_outside_the_domain(outside):
    result = ck.backtracking(lambda x: square(x) if x[0] > 0.4 else outside, [1.0], [-2.0], slope=-4.0)
    # Steps 1 and ½ end at -1 and 0; ¼ ends at 0.5.
    assert result.success
    assert result.x.tolist() == [0.5]


def test_a_known_value_at_the_start_is_not_computed_again():
    calls = []
    result = ck.backtracking(lambda x: calls.append(1) or square(x), [1.0], [-1.0], slope=-2.0, fx=1.0)
    assert len(calls) == result.nfev == 1


def test_the_first_trial_can_be_longer_than_one():
    result = ck.backtracking(square, [8.0], [-1.0], slope=-16.0, step=8.0)
    assert (result.step, result.nit, result.x.tolist()) == (8.0, 1, [0.0])


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_a_direction_that_does_not_descend_is_reported(slope):
    result = ck.backtracking(square, [1.0], [1.0], slope=slope)
    assert result.status == Status.NOT_A_DESCENT_DIRECTION
    assert (result.success, result.step, result.nit, result.nfev) == (False, 0.0, 0, 1)
    assert "slope" in result.message


@pytest.mark.parametrize(("fx", "slope", "p"), [(nan, -1.0, 1.0), (inf, -1.0, 1.0), (1.0, nan, 1.0), (1.0, -inf, 1.0),
                                                (1.0, -1.0, nan), (1.0, -1.0, inf)])
def test_a_start_that_is_not_finite_is_a_numerical_error(fx, slope, p):
    result = ck.backtracking(square, [1.0], [p], slope=slope, fx=fx)
    assert result.status == Status.NUMERICAL_ERROR
    assert not result.success
    assert result.x.tolist() == [1.0]


def test_the_iteration_limit_returns_the_start_and_says_what_the_last_trial_did():
    result = ck.backtracking(square, [1.0], [-4.0], slope=-8.0, maxiter=2)
    assert result.status == Status.ITERATION_LIMIT
    assert (result.success, result.step, result.nit, result.nfev) == (False, 0.0, 2, 3)
    assert result.x.tolist() == [1.0]
    assert result.fun == 1.0
    assert "2 trials" in result.message
    assert "0.5" in result.message


def test_a_domain_without_a_way_in_ends_at_the_limit_without_evaluating_f():
    result = ck.backtracking(square, [1.0], [-1.0], slope=-2.0, fx=1.0, maxiter=5, in_domain=lambda x: False)
    assert (result.status, result.nit, result.nfev) == (Status.ITERATION_LIMIT, 5, 0)
    assert "outside the domain" in result.message


def test_a_step_too_short_to_change_x_is_not_a_decrease():
    # The slope has the wrong sign, f rises along p: every visible step must be rejected, and so must the
    # invisible ones, where f(x) ≤ f(x) + rounding.
    result = ck.backtracking(lambda x: float(x[0]), [1.0], [1.0], slope=-1.0)
    assert result.status == Status.ITERATION_LIMIT
    assert result.x.tolist() == [1.0]
    assert "too short to change x" in result.message


def test_float32_points_stay_float32_and_inputs_are_not_modified():
    x, p = np.array([1.0, 2.0], np.float32), np.array([-4.0, -8.0], np.float32)
    result = ck.backtracking(lambda y: y @ y, x, p, slope=np.float64(-40.0), alpha=np.float64(0.1),
                             step=np.float64(1.0))
    assert result.success
    assert result.x.dtype == np.float32
    assert x.tolist() == [1.0, 2.0]
    assert p.tolist() == [-4.0, -8.0]


def test_nothing_is_remembered_between_calls():
    first, second = (ck.backtracking(square, np.array([3.0]), np.array([-6.0]), slope=-36.0) for _ in range(2))
    assert (first.x == second.x).all()
    assert first.message == second.message


@pytest.mark.parametrize("options", [{"alpha": 0.0}, {"alpha": 0.5}, {"beta": 0.0}, {"beta": 1.0}, {"step": 0.0},
                                     {"step": inf}, {"step": nan}, {"maxiter": 0}, {"maxiter": 2.5}])
def test_options_out_of_range_are_refused_by_name(options):
    with pytest.raises(ck.ProblemError, match=next(iter(options))):
        ck.backtracking(square, [1.0], [-1.0], slope=-2.0, **options)


def test_shapes_that_differ_and_starts_that_are_not_finite_are_refused():
    with pytest.raises(ck.ProblemError, match=r"x has shape \(1,\) but p has shape \(2,\)"):
        ck.backtracking(square, [1.0], [1.0, 1.0], slope=-1.0)
    with pytest.raises(ck.ProblemError, match="x has 1 entries that are not finite"):
        ck.backtracking(square, [nan], [1.0], slope=-1.0)


def test_each_status_prints_as_its_word():
    assert [str(status) for status in Status] == ["sufficient_decrease", "not_a_descent_direction", "iteration_limit",
                                                  "numerical_error"]
