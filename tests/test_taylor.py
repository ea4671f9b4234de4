"""Taylor models: exact where they must be, and their errors fall with slope 2 and 3."""

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convexkit as ck


def f(x):
    return anp.sum(anp.exp(x)) + 0.5 * anp.sum(x) ** 2


@settings(derandomize=True, max_examples=20, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=5), st.integers(0, 100))
def test_the_error_falls_with_slope_2_and_with_the_hessian_3(point, seed):
    x = np.array(point)
    p = np.random.default_rng(seed).uniform(0.5, 1.0, x.size)
    assert ck.error_slope(f, x, ck.linear_model(f, x), p) == pytest.approx(2.0, abs=0.1)
    assert ck.error_slope(f, x, ck.quadratic_model(f, x), p) == pytest.approx(3.0, abs=0.1)


def test_models_have_the_closed_form_value_gradient_and_hessian():
    x = np.array([0.2, -0.4, 1.0])
    gradient = np.exp(x) + x.sum()
    hessian = np.diag(np.exp(x)) + 1.0
    linear, quadratic = ck.linear_model(f, x), ck.quadratic_model(f, x)
    for model in (linear, quadratic):
        assert model.r == pytest.approx(f(x), rel=1e-15)
        np.testing.assert_allclose(model.q, gradient, rtol=1e-14)
    assert linear.is_affine
    assert quadratic.structure == "operator"
    np.testing.assert_allclose(quadratic.hessian(), hessian, rtol=1e-14)
    p = np.array([0.1, 0.2, -0.3])
    assert quadratic(p) == pytest.approx(f(x) + gradient @ p + 0.5 * p @ hessian @ p, rel=1e-14)


def test_the_model_of_a_quadratic_is_exact_and_the_slope_says_so():
    P, x, p = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, -1.0]), np.array([0.5, 2.0])
    model = ck.quadratic_model(lambda y: 0.5 * anp.dot(y, anp.dot(P, y)), x)
    assert ck.error_slope(ck.Quadratic(P), x, model, p) == np.inf
    assert ck.error_slope(ck.Quadratic(None, p), x, ck.linear_model(lambda y: anp.dot(p, y), x), p) == np.inf


def test_a_wrong_gradient_shows_slope_1_and_a_wrong_hessian_slope_2():
    x, p = np.array([0.2, -0.4]), np.array([1.0, 0.5])
    right = ck.quadratic_model(f, x)
    wrong_gradient = ck.Quadratic(right.P, 1.1 * right.q, right.r)
    wrong_hessian = ck.Quadratic(1.1 * right.hessian(), right.q, right.r)
    assert ck.error_slope(f, x, wrong_gradient, p) == pytest.approx(1.0, abs=0.1)
    assert ck.error_slope(f, x, wrong_hessian, p) == pytest.approx(2.0, abs=0.1)


def test_a_hessian_can_be_given_in_place_of_the_true_one():
    B = np.diag([1.0, 2.0])
    model = ck.quadratic_model(f, np.zeros(2), hessian=B)
    np.testing.assert_array_equal(model.hessian(), B)
    G = ck.gauss_newton_operator(lambda y: y, np.zeros(2), lambda u: u)
    np.testing.assert_array_equal(ck.quadratic_model(f, np.zeros(2), hessian=G).hessian(), np.eye(2))


def test_float32_points_have_float32_models_and_are_checked_at_float32_points():
    x = np.array([0.2, -0.4], np.float32)
    seen = []

    def g(y):
        seen.append(y.dtype)
        return f(y)

    model = ck.quadratic_model(f, x)
    assert model.q.dtype == np.float32
    assert model.hessp(x).dtype == np.float32
    assert ck.linear_model(f, x).q.dtype == np.float32
    assert ck.error_slope(g, x, ck.linear_model(f, x), np.ones(2, np.float32)) == pytest.approx(2.0, abs=0.1)
    assert set(seen) == {np.dtype(np.float32)}


def test_the_point_and_the_direction_are_not_modified():
    x, p = np.array([0.2, -0.4]), np.array([1.0, 0.5])
    ck.error_slope(f, x, ck.quadratic_model(f, x), p)
    assert x.tolist() == [0.2, -0.4]
    assert p.tolist() == [1.0, 0.5]


@pytest.mark.parametrize("steps", [[0.1], [0.1, 0.0], [0.1, -0.1], [[0.1, 0.01]]])
def test_steps_that_fit_no_line_are_refused(steps):
    with pytest.raises(ck.ProblemError, match="steps must hold at least two positive numbers"):
        ck.error_slope(f, [0.0], ck.linear_model(f, [0.0]), [1.0], steps=steps)


def test_a_direction_of_another_shape_is_refused():
    with pytest.raises(ck.ProblemError, match=r"x has shape \(1,\) but p has shape \(2,\)"):
        ck.error_slope(f, [0.0], ck.linear_model(f, [0.0]), [1.0, 1.0])


def test_a_function_that_is_not_finite_along_the_direction_is_not_called_exact():
    with pytest.raises(ck.ProblemError, match=r"not finite for t = 0\.1; try shorter steps"):
        ck.error_slope(lambda x: np.nan if x[0] > 0.05 else f(x), [0.0], ck.linear_model(f, [0.0]), [1.0])
