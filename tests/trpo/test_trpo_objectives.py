"""The facts one should know about the objective and the constraint, each against an independent computation."""

import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo.objectives import fisher_operator, mean_kl, surrogate_loss

from .toys import generic_theta, small_policies

N = 40
KINDS = sorted(small_policies())


def setting(kind):
    rng = np.random.default_rng(11)
    policy = small_policies()[kind]
    theta = generic_theta(policy, rng)
    observations = rng.standard_normal((N, 3))
    outputs = policy.outputs(theta, observations)
    actions = policy.distribution.sample(outputs, policy.distribution.noise(rng, (N,)))
    return policy, theta, observations, outputs, actions, rng.standard_normal(N), rng


def scores(policy, theta, observations, actions):
    """∇log π(a|s) for each row, one gradient at a time."""
    return np.array([
        ck.gradient(lambda t, s=s, a=a: policy.distribution.log_prob(policy.outputs(t, s[None]), a[None])[0], theta)
        for s, a in zip(observations, actions, strict=True)])


@pytest.mark.parametrize("kind", KINDS)
def test_kl_and_its_gradient_vanish_at_the_old_policy(kind):
    policy, theta, observations, outputs, *_ = setting(kind)
    value, gradient = ck.value_and_gradient(mean_kl(policy, observations, outputs), theta)
    assert value == 0
    np.testing.assert_allclose(gradient, 0, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_the_surrogate_at_the_old_policy_is_the_mean_advantage(kind):
    policy, theta, observations, outputs, actions, advantages, _ = setting(kind)
    loss = surrogate_loss(policy, observations, actions, advantages, outputs)
    assert loss(theta) == pytest.approx(-advantages.mean(), abs=1e-14)
    centred = surrogate_loss(policy, observations, actions, advantages - advantages.mean(), outputs)
    assert centred(theta) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_the_surrogate_is_the_policy_gradient(kind):
    policy, theta, observations, outputs, actions, advantages, _ = setting(kind)
    loss = surrogate_loss(policy, observations, actions, advantages, outputs)
    policy_gradient = (advantages[:, None] * scores(policy, theta, observations, actions)).mean(axis=0)
    np.testing.assert_allclose(ck.gradient(loss, theta), -policy_gradient, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_fisher_operator_is_the_hessian_of_kl(kind):
    policy, theta, observations, outputs, *_ = setting(kind)
    F = fisher_operator(policy, observations, theta) @ np.eye(policy.size)
    H = ck.hessian_operator(mean_kl(policy, observations, outputs), theta) @ np.eye(policy.size)
    np.testing.assert_allclose(F, H, atol=1e-12)


def test_the_fisher_operator_is_the_dense_fisher_matrix():
    policy, theta, observations, outputs, *_ = setting("discrete")
    n = policy.distribution.n
    # F = (1/N) Σ_s Σ_a π(a|s) ∇log π ∇log πᵀ, with the sum over actions taken exactly.
    F = np.zeros((policy.size, policy.size))
    for action in range(n):
        actions = np.full(N, action)
        weights = np.exp(policy.distribution.log_prob(outputs, actions)) / N
        S = scores(policy, theta, observations, actions)
        F += S.T @ (weights[:, None] * S)
    np.testing.assert_allclose(fisher_operator(policy, observations, theta) @ np.eye(policy.size), F, atol=1e-12)


def test_the_fisher_operator_is_the_covariance_of_sampled_scores():
    policy, theta, observations, *_, rng = setting("continuous")
    one = observations[:1]
    repeats = 1500
    many = np.repeat(policy.outputs(theta, one), repeats, axis=0)
    actions = policy.distribution.sample(many, policy.distribution.noise(rng, (repeats,)))
    S = scores(policy, theta, np.repeat(one, repeats, axis=0), actions)
    F = fisher_operator(policy, one, theta) @ np.eye(policy.size)
    assert np.linalg.norm(S.T @ S / repeats - F) < 0.15 * np.linalg.norm(F)


@pytest.mark.parametrize("kind", KINDS)
def test_the_fisher_operator_is_symmetric_and_semidefinite(kind):
    policy, theta, observations, *_, rng = setting(kind)
    F = fisher_operator(policy, observations, theta)
    assert ck.symmetry_error(F, rng=rng) < 1e-12
    assert np.linalg.eigvalsh(F @ np.eye(policy.size)).min() > -1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_taylor_models_of_objective_and_constraint_have_the_right_slopes(kind):
    policy, theta, observations, outputs, actions, advantages, rng = setting(kind)
    loss = surrogate_loss(policy, observations, actions, advantages, outputs)
    kl = mean_kl(policy, observations, outputs)
    p = rng.standard_normal(policy.size)
    steps = (1e-2, 3e-3, 1e-3, 3e-4)
    assert ck.error_slope(loss, theta, ck.linear_model(loss, theta), p, steps=steps) == pytest.approx(2, abs=0.15)
    model = ck.quadratic_model(kl, theta, hessian=fisher_operator(policy, observations, theta))
    assert ck.error_slope(kl, theta, model, p, steps=steps) == pytest.approx(3, abs=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_objectives_of_float32_data_are_float32(kind):
    policy, theta, observations, _, actions, advantages, _ = setting(kind)
    theta, observations = theta.astype(np.float32), observations.astype(np.float32)
    outputs = policy.outputs(theta, observations)
    loss = surrogate_loss(policy, observations, actions.astype(outputs.dtype) if kind == "continuous" else actions,
                          advantages, outputs)
    for f in (loss, mean_kl(policy, observations, outputs)):
        value, gradient = ck.value_and_gradient(f, theta)
        assert np.asarray(value).dtype == gradient.dtype == np.float32
    assert (fisher_operator(policy, observations, theta) @ theta).dtype == np.float32
    assert mean_kl(policy, observations, outputs)(theta) == 0
