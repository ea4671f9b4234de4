import autograd.numpy as anp
import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo.networks import Mlp, dense_layer
from case_studies.trpo.normalization import LIMIT, RunningMoments
from case_studies.trpo.policies import Policy

NETWORK = Mlp((3, 7, 5, 2))


def theta_and_inputs(dtype=np.float64, rows=11):
    rng = np.random.default_rng(0)
    return (rng.standard_normal(NETWORK.size).astype(dtype), rng.standard_normal((rows, 3)).astype(dtype))


def test_the_network_is_the_formula():
    theta, x = theta_and_inputs()
    W1, b1 = theta[:21].reshape(3, 7), theta[21:28]
    W2, b2 = theta[28:63].reshape(7, 5), theta[63:68]
    W3, b3 = theta[68:78].reshape(5, 2), theta[78:]
    expected = np.tanh(np.tanh(x @ W1 + b1) @ W2 + b2) @ W3 + b3
    np.testing.assert_allclose(NETWORK(theta, x), expected, rtol=1e-12)


def test_a_network_without_hidden_layers_is_affine():
    network = Mlp((2, 1))
    np.testing.assert_allclose(network(np.array([2.0, 3.0, 1.0]), np.array([[1.0, 10.0]])), [[33.0]])


def test_layers_are_views_of_theta():
    theta, _ = theta_and_inputs()
    W, b = NETWORK.layers(theta)[1]
    W[:], b[:] = 0.0, 0.0
    assert np.count_nonzero(theta == 0) == 7 * 5 + 5


def test_a_dense_layer_has_the_derivatives_of_autograd():
    rng = np.random.default_rng(0)
    x, W, b = rng.standard_normal((5, 3)), rng.standard_normal((3, 4)), rng.standard_normal(4)
    parts = np.split(np.arange(31), [15, 27])

    def mine(t):
        return anp.sum(dense_layer(t[parts[0]].reshape((5, 3)), t[parts[1]].reshape((3, 4)), t[parts[2]]) ** 2)

    def theirs(t):
        return anp.sum(anp.tanh(anp.dot(t[parts[0]].reshape((5, 3)), t[parts[1]].reshape((3, 4))) + t[parts[2]]) ** 2)

    t, v = np.concatenate([x.ravel(), W.ravel(), b]), rng.standard_normal(31)
    assert mine(t) == pytest.approx(theirs(t))
    np.testing.assert_allclose(ck.gradient(mine, t), ck.gradient(theirs, t), atol=1e-12)
    np.testing.assert_allclose(ck.hessian_operator(mine, t) @ v, ck.hessian_operator(theirs, t) @ v, atol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu"])
def test_the_network_has_the_derivatives_of_its_layers(activation):
    network = Mlp((3, 7, 5, 2), activation)
    theta, x = theta_and_inputs()
    v = np.random.default_rng(1).standard_normal(network.size)

    def whole(t):
        return anp.sum(network(t, x) ** 2)

    def layered(t):
        return anp.sum(network.layered(t, x) ** 2)

    assert whole(theta) == pytest.approx(layered(theta))
    np.testing.assert_allclose(ck.gradient(whole, theta), ck.gradient(layered, theta), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(ck.hessian_operator(whole, theta) @ v, ck.hessian_operator(layered, theta) @ v,
                               rtol=1e-9, atol=1e-9)
    one, other = (ck.gauss_newton_operator(f, theta, lambda u: u) @ v
                  for f in (lambda t: network(t, x), lambda t: network.layered(t, x)))
    np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("activation", "expected"), [("tanh", np.tanh), ("relu", lambda z: np.maximum(z, 0)),
                                                      ("elu", lambda z: np.where(z > 0, z, np.exp(z) - 1))])
def test_activations_are_the_usual_ones(activation, expected):
    z = np.linspace(-3, 3, 14).reshape(1, -1)
    np.testing.assert_allclose(dense_layer(np.zeros((1, 1)), np.zeros((1, 14)), z, activation), expected(z), atol=1e-15)
    actor = Mlp((1, 14, 14), activation)
    theta = np.concatenate([np.zeros(14), z[0], np.eye(14).ravel(), np.zeros(14)])
    forward = actor.fast_forward(theta, 1, np.zeros(1), np.ones(1))
    np.testing.assert_allclose(forward(np.zeros((1, 1))), expected(z), atol=1e-15)


def test_the_names_of_activations_are_those_of_the_settings():
    from case_studies.trpo.config import TrpoConfig
    from case_studies.trpo.networks import ACTIVATIONS

    setting = TrpoConfig.__dataclass_fields__["activation"]
    assert setting.metadata["range"].words == tuple(ACTIVATIONS)


def test_parameters_behind_those_of_the_network_have_no_gradient():
    theta, x = theta_and_inputs()
    longer = np.concatenate([theta, [7.0]])
    gradient = ck.gradient(lambda t: anp.sum(NETWORK(t, x)), longer)
    assert gradient[-1] == 0
    np.testing.assert_array_equal(gradient[:-1], ck.gradient(lambda t: anp.sum(NETWORK(t, x)), theta))


def test_forward_and_backward_derivatives_of_the_network_agree():
    theta, x = theta_and_inputs()
    v = np.random.default_rng(1).standard_normal(NETWORK.size)
    # JᵀJ from the operator against J row by row from gradients.
    J = np.array([ck.gradient(lambda t, i=i, j=j: NETWORK(t, x[i:i + 1])[0, j], theta)
                  for i in range(len(x)) for j in range(2)])
    np.testing.assert_allclose(ck.gauss_newton_operator(lambda t: NETWORK(t, x), theta, lambda u: u) @ v,
                               J.T @ (J @ v), rtol=1e-10, atol=1e-10)


def test_a_saturated_layer_does_not_overflow_in_float32():
    x, b = np.ones((1, 1), np.float32), np.zeros(2, np.float32)
    W = np.array([[-500.0, 500.0]], np.float32)
    np.testing.assert_array_equal(ck.gradient(lambda b: anp.sum(dense_layer(x, W, b)), b), [0.0, 0.0])


def test_models_of_the_network_have_the_right_slopes():
    theta, x = theta_and_inputs()

    def f(theta):
        return anp.sum(NETWORK(theta, x) ** 2)

    p = np.random.default_rng(1).standard_normal(NETWORK.size)
    steps = (1e-2, 3e-3, 1e-3, 3e-4)
    assert ck.error_slope(f, theta, ck.linear_model(f, theta), p, steps=steps) == pytest.approx(2, abs=0.1)
    assert ck.error_slope(f, theta, ck.quadratic_model(f, theta), p, steps=steps) == pytest.approx(3, abs=0.1)


def test_derivatives_of_a_float32_network_are_float32():
    theta, x = theta_and_inputs(np.float32)
    value, gradient = ck.value_and_gradient(lambda t: anp.sum(NETWORK(t, x)), theta)
    assert np.asarray(value).dtype == gradient.dtype == np.float32
    assert (ck.gauss_newton_operator(lambda t: NETWORK(t, x), theta, lambda u: u) @ theta).dtype == np.float32


@pytest.mark.parametrize("rows", [1, 4])
def test_fast_forward_is_the_network_on_normalised_inputs(rows):
    theta, x = theta_and_inputs(np.float32, rows)
    shift, scale = np.array([1.0, -2.0, 0.0], np.float32), np.array([0.5, 3.0, 1.0], np.float32)
    forward = NETWORK.fast_forward(theta, rows, shift, scale)
    expected = NETWORK(theta, (x - shift) / scale)
    np.testing.assert_allclose(forward(x), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(forward(x), expected, rtol=1e-4, atol=1e-5)  # buffers are reused, inputs kept


def test_fast_forward_limits_its_inputs_as_the_normaliser_does():
    theta, x = theta_and_inputs(np.float32, 4)
    moments = RunningMoments.start(3).updated(np.random.default_rng(0).standard_normal((50, 3)))
    x[0], x[1] = [1e3, 0.0, -1e9], [0.0, -50.0, 0.0]
    normalized = moments.normalized(x)
    assert normalized.dtype == np.float32
    assert np.abs(normalized).max() == LIMIT
    kept = x.copy()
    forward = NETWORK.fast_forward(theta, 4, *moments.shift_and_scale(), moments.limit)
    np.testing.assert_allclose(forward(x), NETWORK(theta, normalized), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("policy", [Policy.discrete(3, 4), Policy.continuous(3, 2, initial_log_std=-0.5)],
                         ids=["discrete", "continuous"])
def test_the_actor_is_the_policy(policy):
    rng = np.random.default_rng(0)
    theta = policy.initial(rng) + rng.standard_normal(policy.size).astype(np.float32) * np.float32(0.1)
    x = rng.standard_normal((6, 3)).astype(np.float32)
    shift, scale = np.full(3, 0.3, np.float32), np.full(3, 2.0, np.float32)
    np.testing.assert_allclose(policy.actor(theta, 6, shift, scale)(x), policy.outputs(theta, (x - shift) / scale),
                               atol=1e-5)


def test_initial_weights_are_orthogonal_and_the_policy_nearly_uniform():
    network = Mlp((4, 64, 64, 2))
    theta = network.initial(np.random.default_rng(0), output_gain=0.01)
    (first, _), (W, b), (last, _) = network.layers(theta)
    np.testing.assert_allclose(W.T @ W, 2 * np.eye(64), atol=1e-5)
    np.testing.assert_allclose(first @ first.T, 2 * np.eye(4), atol=1e-5)
    np.testing.assert_allclose(last.T @ last, 1e-4 * np.eye(2), atol=1e-9)
    assert not b.any()
    policy = Policy.discrete(4, 2)
    outputs = policy.outputs(policy.initial(np.random.default_rng(0)), np.ones((1, 4), np.float32))
    assert policy.distribution.entropy(outputs)[0] == pytest.approx(np.log(2), abs=1e-3)
