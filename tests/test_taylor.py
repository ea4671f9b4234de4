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


# --- Remainders ---

@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=5), st.integers(0, 100), st.floats(1e-3, 3.0))
def test_the_lagrange_bound_holds_with_a_true_constant(point, seed, length):
    # Σ sin xᵢ has derivatives of size 1 at most: L = 1 for the gradient and for the Hessian.
    def wave(x):
        return anp.sum(anp.sin(x))

    x = np.array(point)
    p = np.random.default_rng(seed).standard_normal(x.size)
    p *= length / np.linalg.norm(p)
    for model, bound in [(ck.linear_model(wave, x), 0.5 * length**2), (ck.quadratic_model(wave, x), length**3 / 6)]:
        assert ck.remainder_bound(model, p, 1.0) == pytest.approx(bound, rel=1e-12)
        assert abs(wave(x + p) - model(p)) <= bound + 1e-14


def test_the_bounds_are_attained_by_a_quadratic_and_a_cubic():
    square, cube = lambda x: 3.0 * x[0] ** 2, lambda x: x[0] ** 3
    p = np.array([0.7])
    linear = ck.linear_model(square, np.zeros(1))
    assert square(p) - linear(p) == pytest.approx(ck.remainder_bound(linear, p, 6.0), rel=1e-14)
    quadratic = ck.quadratic_model(cube, np.ones(1))
    assert cube(1 + p) - quadratic(p) == pytest.approx(ck.remainder_bound(quadratic, p, 6.0), rel=1e-12)
    assert ck.remainder_bound(quadratic, np.zeros(1), 6.0) == 0.0


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 2.0))
def test_the_estimate_along_a_segment_bounds_the_error_along_it(seed, length):
    rng = np.random.default_rng(seed)
    x, p = rng.standard_normal((2, 4))
    p *= length / np.linalg.norm(p)
    for order, model in [(1, ck.linear_model(f, x)), (2, ck.quadratic_model(f, x))]:
        L = ck.segment_lipschitz(f, x, p, order=order)
        error = abs(f(x + p) - model(p))
        # The largest difference quotient over sixteenths of the segment may fall short of the largest derivative.
        assert error <= 1.1 * ck.remainder_bound(model, p, L) + 1e-12


def test_the_estimate_has_the_closed_form_for_polynomials_and_tends_to_the_largest_derivative():
    x, p = np.array([1.0, -1.0]), np.array([3.0, 4.0])
    P = np.array([[2.0, 1.0], [1.0, -3.0]])
    assert ck.segment_lipschitz(lambda y: 0.5 * anp.dot(y, anp.dot(P, y)), x, p, order=1) == pytest.approx(
        abs(p @ P @ p) / 25, rel=1e-12)
    assert ck.segment_lipschitz(lambda y: 0.5 * anp.dot(y, anp.dot(P, y)), x, p) == pytest.approx(0.0, abs=1e-13)
    assert ck.segment_lipschitz(lambda y: y[0] ** 3, x, p) == pytest.approx(6 * (3 / 5) ** 3, rel=1e-12)
    shortfalls = [np.e - ck.segment_lipschitz(lambda y: anp.exp(y[0]), np.zeros(1), np.ones(1), points=k)
                  for k in (5, 17, 65)]
    assert shortfalls[0] > 3 * shortfalls[1] > 9 * shortfalls[2] > 0


def test_remainders_refuse_what_they_cannot_use():
    model = ck.linear_model(f, np.zeros(2))
    with pytest.raises(ck.ProblemError, match=r"p has shape \(3,\); expected \(2,\)"):
        ck.remainder_bound(model, np.ones(3), 1.0)
    with pytest.raises(ck.ProblemError, match="lipschitz"):
        ck.remainder_bound(model, np.ones(2), -1.0)
    with pytest.raises(ck.ProblemError, match="p is zero"):
        ck.segment_lipschitz(f, np.zeros(2), np.zeros(2))
    with pytest.raises(ck.ProblemError, match=r"order must be 1 or 2; got 3"):
        ck.segment_lipschitz(f, np.zeros(2), np.ones(2), order=3)
    with pytest.raises(ck.ProblemError, match="points"):
        ck.segment_lipschitz(f, np.zeros(2), np.ones(2), points=1)
    with pytest.raises(ck.ProblemError, match=r"p has shape \(3,\)"):
        ck.segment_lipschitz(f, np.zeros(2), np.ones(3))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_segment_that_leaves_the_domain_is_refused():
    with pytest.raises(ck.ProblemError, match=r"derivative 2 of f is not finite at x \+ t·p for t = 1"):
        ck.segment_lipschitz(lambda x: anp.log(x[0]), np.ones(1), -np.ones(1))
