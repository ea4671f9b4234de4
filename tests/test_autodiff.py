"""Derivatives against closed forms and central differences."""

import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convexkit as ck

RNG_SEED = 3


def softplus_sum(x):
    """Smooth, strictly convex, with all derivatives: Σ log(1 + exp(xᵢ)) + ½(x₀x₁)²."""
    return anp.sum(anp.logaddexp(0.0, x)) + 0.5 * (x[0] * x[1]) ** 2


def central_gradient(f, x, h=1e-5):
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(x.size)])


def test_value_and_gradient_of_a_quadratic_have_the_closed_form():
    P = np.array([[3.0, 1.0], [1.0, 2.0]])
    x = np.array([0.5, -1.0])
    value, gradient = ck.value_and_gradient(lambda y: 0.5 * anp.dot(y, anp.dot(P, y)), x)
    assert float(value) == pytest.approx(0.5 * x @ P @ x, rel=1e-15)
    np.testing.assert_allclose(gradient, P @ x, rtol=1e-15)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=2, max_size=6).map(np.array))
def test_gradient_agrees_with_central_differences(x):
    np.testing.assert_allclose(ck.gradient(softplus_sum, x), central_gradient(softplus_sum, x), atol=1e-8, rtol=1e-6)


def test_hessian_products_agree_with_differences_of_the_gradient_and_are_symmetric():
    x = np.random.default_rng(RNG_SEED).standard_normal(4)
    H = ck.hessian_operator(softplus_sum, x)
    differences = np.array([(ck.gradient(softplus_sum, x + 1e-5 * e) - ck.gradient(softplus_sum, x - 1e-5 * e)) / 2e-5
                            for e in np.eye(4)])
    np.testing.assert_allclose(H @ np.eye(4), differences, atol=1e-8)
    assert ck.symmetry_error(H, rng=np.random.default_rng(0)) < 1e-14


def test_hessian_of_a_cubic_has_the_closed_form_whatever_the_order_of_products():
    x = np.array([1.0, -2.0, 0.5])
    H = ck.hessian_operator(lambda y: anp.sum(y**3), x)
    first = H @ np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(H @ np.array([0.0, 1.0, 1.0]), [0.0, -12.0, 3.0])
    np.testing.assert_array_equal(H @ np.array([1.0, 0.0, 0.0]), first)


def test_functions_of_one_variable_and_affine_and_constant_functions_are_ordinary():
    assert ck.gradient(lambda x: x[0] ** 2, [3.0]).tolist() == [6.0]
    assert (ck.hessian_operator(lambda x: x[0] ** 2, [3.0]) @ np.ones(1)).tolist() == [2.0]
    c = np.array([1.0, 2.0])
    assert ck.gradient(lambda x: anp.dot(c, x), np.zeros(2)).tolist() == [1.0, 2.0]


@pytest.mark.filterwarnings("ignore:Output seems independent")
def test_hessian_of_an_affine_and_gradient_of_a_constant_function_are_zero():
    c = np.array([1.0, 2.0])
    assert (ck.hessian_operator(lambda x: anp.dot(c, x), np.zeros(2)) @ c).tolist() == [0.0, 0.0]
    assert ck.gradient(lambda x: 7.0, np.zeros(2)).tolist() == [0.0, 0.0]


def test_float32_points_have_float32_derivatives():
    x = np.array([0.5, -1.0], np.float32)
    value, gradient = ck.value_and_gradient(lambda y: anp.sum(y**3), x)
    assert np.asarray(value).dtype == np.float32
    assert gradient.dtype == np.float32
    H = ck.hessian_operator(lambda y: anp.sum(y**3), x)
    assert H.dtype == np.float32
    assert (H @ np.ones(2, np.float32)).dtype == np.float32
    G = ck.gauss_newton_operator(lambda y: 2 * y, x, lambda u: u)
    assert (G @ np.ones(2, np.float32)).dtype == np.float32


def test_gauss_newton_is_JtMJ_and_equals_the_hessian_where_the_residual_vanishes():
    rng = np.random.default_rng(RNG_SEED)
    W, x = rng.standard_normal((5, 3)), rng.standard_normal(3)
    M = np.diag(rng.uniform(1, 2, 5))

    def outputs(y):
        return anp.tanh(anp.dot(W, y))

    J = np.diag(1 - np.tanh(W @ x) ** 2) @ W
    G = ck.gauss_newton_operator(outputs, x, lambda u: M @ u)
    np.testing.assert_allclose(G @ np.eye(3), J.T @ M @ J, rtol=1e-12)
    target = outputs(x)
    H = ck.hessian_operator(lambda y: 0.5 * anp.sum(anp.diag(M) * (outputs(y) - target) ** 2), x)
    np.testing.assert_allclose(G @ np.eye(3), H @ np.eye(3), rtol=1e-12)


def test_gauss_newton_takes_outputs_of_any_shape_and_is_positive_semidefinite():
    W = np.random.default_rng(RNG_SEED).standard_normal((4, 3))
    G = ck.gauss_newton_operator(lambda y: anp.outer(anp.dot(W, y), anp.ones(2)), np.zeros(3), lambda u: u)
    dense = G @ np.eye(3)
    np.testing.assert_allclose(dense, 2 * W.T @ W, rtol=1e-12)
    assert np.linalg.eigvalsh(dense)[0] > 0


def test_a_function_that_is_not_scalar_is_refused():
    with pytest.raises(ck.ProblemError, match=r"f must return a scalar; it returned shape \(2,\)"):
        ck.gradient(lambda x: 2 * x, np.zeros(2))
    with pytest.raises(ck.ProblemError, match=r"f must return a scalar; it returned shape \(2,\)"):
        ck.hessian_operator(lambda x: 2 * x, np.zeros(2))


@pytest.mark.parametrize("function", [ck.gradient, ck.hessian_operator])
def test_a_point_that_is_no_vector_is_refused(function):
    with pytest.raises(ck.ProblemError, match="x must be a vector"):
        function(anp.sum, np.zeros((2, 2)))
    with pytest.raises(ck.ProblemError, match="not finite"):
        function(anp.sum, [np.nan])


def test_the_point_is_not_modified():
    x = np.array([1.0, 2.0])
    ck.hessian_operator(softplus_sum, x) @ x
    ck.gradient(softplus_sum, x)
    assert x.tolist() == [1.0, 2.0]


def test_operators_run_f_once_however_many_products_are_asked_for_and_keep_float32():
    # Counted, and the type seen in every product, forward and backward: one linearisation of either kind.
    W = np.random.default_rng(0).standard_normal((20, 10)).astype(np.float32)
    calls, weighted = [], []

    def outputs(y):
        calls.append(1)
        return anp.tanh(anp.dot(W, y))

    def weight(u):
        weighted.append(u.dtype)
        return 2 * u

    x = np.ones(10, np.float32)
    G = ck.gauss_newton_operator(outputs, x, weight)
    H = ck.hessian_operator(lambda y: anp.sum(outputs(y) * outputs(y)), x)
    built = len(calls)
    for _ in range(5):
        assert (G @ x).dtype == np.float32
        assert (H @ x).dtype == np.float32
    assert len(calls) == built == 3, "once for G, and twice in one run for H"
    assert set(weighted) == {np.dtype(np.float32)}
