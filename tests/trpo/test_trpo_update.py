from dataclasses import replace

import autograd.numpy as anp
import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo.objectives import fisher_operator, mean_kl, surrogate_loss
from case_studies.trpo.training import share_of
from case_studies.trpo.update import UpdateResult, next_damping, npg_update, trpo_update, vpg_update

from .toys import generic_theta, small_policies


def tabular(theta):
    """The functions of a softmax bandit with three actions, all expectations exact."""
    def log_policy(t):
        return t - anp.log(anp.sum(anp.exp(t)))

    old = np.exp(log_policy(theta))
    advantages = np.array([1.0, 0.0, -2.0])
    advantages = advantages - old @ advantages

    def loss(t):
        return -anp.sum(anp.exp(log_policy(t)) * advantages)

    def kl(t):
        return anp.sum(old * (np.log(old) - log_policy(t)))

    return loss, kl, np.diag(old) - np.outer(old, old)


THETA = np.array([0.3, -0.1, 0.2])


@pytest.mark.parametrize("max_kl", [1e-4, 1e-2, 0.3])
def test_an_update_gains_within_the_trust_region(max_kl):
    loss, kl, F = tabular(THETA)
    result = trpo_update(THETA, loss, kl, F, max_kl=max_kl, damping=1e-6)
    assert result.success
    assert 0 < result.kl <= max_kl
    assert result.kl == kl(result.theta)
    assert result.surrogate_gain == pytest.approx(loss(THETA) - loss(result.theta))
    assert result.surrogate_gain >= 0.1 * result.predicted_gain > 0
    assert result.cg_status == "converged"


def test_a_small_update_is_the_closed_form():
    # p = √(2δ / gᵀH⁻¹g) H⁻¹g for the ascent direction, lam = √(gᵀH⁻¹g / 2δ)
    loss, kl, F = tabular(THETA)
    max_kl, damping = 1e-6, 1e-3
    H, g = F + damping * np.eye(3), ck.gradient(loss, THETA)
    direction = np.linalg.solve(H, g)
    result = trpo_update(THETA, loss, kl, F, max_kl=max_kl, damping=damping, cg_rtol=1e-12)
    np.testing.assert_allclose(result.theta - THETA, -result.step * np.sqrt(2 * max_kl / (g @ direction)) * direction,
                               rtol=1e-6, atol=1e-12)
    assert result.multiplier == pytest.approx(np.sqrt(g @ direction / (2 * max_kl)))
    assert result.suboptimality <= 1e-10 * result.predicted_gain


def test_the_multiplier_prices_the_trust_region():
    # Predicted gain = √(2δ gᵀH⁻¹g), whose derivative in δ is the multiplier.
    loss, kl, F = tabular(THETA)
    gains = [-ck.trust_region_step(ck.linear_model(loss, THETA), radius=np.sqrt(2 * d),
                                   metric=ck.damped(F, 1e-3), rtol=1e-12).value + loss(THETA)
             for d in (0.99e-3, 1.01e-3)]
    result = trpo_update(THETA, loss, kl, F, max_kl=1e-3, damping=1e-3, cg_rtol=1e-12)
    assert result.multiplier == pytest.approx((gains[1] - gains[0]) / 0.02e-3, rel=1e-4)


def test_a_failed_line_search_returns_the_old_theta_bitwise():
    loss, _, F = tabular(THETA)
    before = THETA.copy()
    result = trpo_update(THETA, loss, lambda t: np.inf, F, trials=3)
    assert not result.success
    assert result.theta.tobytes() == before.tobytes()
    assert (result.surrogate_gain, result.kl, result.step) == (0.0, 0.0, 0.0)
    assert result.line_search_trials == 3
    assert result.predicted_gain > 0
    assert "no step accepted" in result.message


def test_a_kl_that_is_not_a_number_is_outside_the_trust_region():
    loss, _, F = tabular(THETA)
    assert not trpo_update(THETA, loss, lambda t: np.nan, F).success


def test_a_step_that_is_too_long_is_shortened_to_the_true_kl():
    # A Fisher matrix that claims a tenth of the curvature proposes steps with ten times the divergence.
    loss, kl, F = tabular(THETA)
    result = trpo_update(THETA, loss, kl, 0.1 * F, max_kl=0.01, damping=1e-9)
    assert result.success
    assert result.line_search_trials > 1
    assert result.kl <= 0.01


def test_zero_advantages_leave_theta_where_it_is():
    _, kl, F = tabular(THETA)
    result = trpo_update(THETA, lambda t: 0.0 * anp.sum(t), kl, F)
    assert not result.success
    assert result.theta is THETA
    assert result.message == "the gradient is zero."
    assert (result.cg_status, result.cg_iterations, result.cg_residual) == ("not_needed", 0, 0.0)


def test_an_unfinished_cg_run_is_reported_and_still_feasible():
    rng = np.random.default_rng(0)
    policy = small_policies()["discrete"]
    theta = generic_theta(policy, rng)
    observations = rng.standard_normal((50, 3))
    outputs = policy.outputs(theta, observations)
    actions = policy.distribution.sample(outputs, policy.distribution.noise(rng, (50,)))
    result = trpo_update(theta, surrogate_loss(policy, observations, actions, rng.standard_normal(50), outputs),
                         mean_kl(policy, observations, outputs), fisher_operator(policy, observations, theta),
                         cg_iterations=2, cg_rtol=1e-9, damping=1e-3)
    assert (result.cg_status, result.cg_iterations) == ("iteration_limit", 2)
    assert result.cg_residual > 1e-9
    assert result.suboptimality > 0
    assert result.success
    assert result.kl <= 0.01


def test_an_indefinite_metric_gives_no_step_and_says_why():
    loss, kl, _ = tabular(THETA)
    result = trpo_update(THETA, loss, kl, -np.eye(3), damping=0.1)
    assert not result.success
    assert "positive definite" in result.message
    assert result.theta is THETA


def test_repeated_updates_solve_the_bandit():
    theta = THETA
    for _ in range(200):
        loss, kl, F = tabular(theta)
        theta = trpo_update(theta, loss, kl, F, max_kl=0.05, damping=1e-4).theta
    p = np.exp(theta - theta.max())
    assert p[0] / p.sum() > 0.99


# The report, and the other two algorithms

def test_the_predicted_kl_is_that_of_the_undamped_metric():
    loss, kl, F = tabular(THETA)
    for max_kl, damping, share in ((1e-3, 0.3, 1.0), (0.1, 1e-3, 0.2)):
        result = trpo_update(THETA, loss, kl, share * F, max_kl=max_kl, damping=damping, cg_rtol=1e-12)
        p = result.theta - THETA
        assert result.predicted_kl == pytest.approx(0.5 * p @ (share * F) @ p, rel=1e-9)
    assert result.line_search_trials > 1  # the metric was an underestimate


def test_predicted_and_true_kl_and_gain_agree_for_a_small_step():
    loss, kl, F = tabular(THETA)
    result = trpo_update(THETA, loss, kl, F, max_kl=1e-8, damping=1e-6)
    assert result.kl == pytest.approx(result.predicted_kl, rel=1e-3)
    assert result.surrogate_gain == pytest.approx(result.predicted_gain, rel=1e-3)


def test_the_natural_gradient_is_the_step_without_the_search():
    loss, kl, F = tabular(THETA)
    options = {"max_kl": 0.1, "damping": 1e-3, "cg_rtol": 1e-12}
    searched, whole = (update(THETA, loss, kl, 0.2 * F, **options) for update in (trpo_update, npg_update))
    assert searched.line_search_trials > 1
    np.testing.assert_allclose(searched.theta - THETA, searched.step * (whole.theta - THETA), rtol=1e-9)
    assert whole.kl == pytest.approx(kl(whole.theta))
    assert whole.kl > 0.1
    assert whole.multiplier == searched.multiplier
    assert (whole.step, whole.line_search_trials) == (1.0, 0)


def test_the_plain_gradient_goes_down_the_gradient():
    loss, kl, F = tabular(THETA)
    g = ck.gradient(loss, THETA)
    result = vpg_update(THETA, loss, kl, F, step=0.01)
    np.testing.assert_allclose(result.theta, THETA - 0.01 * g, rtol=1e-12)
    assert result.predicted_gain == pytest.approx(0.01 * g @ g)
    assert result.predicted_kl == pytest.approx(0.5 * 1e-4 * g @ F @ g)
    assert result.surrogate_gain == pytest.approx(loss(THETA) - loss(result.theta))


def test_a_whole_step_to_a_place_that_is_no_number_is_not_taken():
    _, kl, F = tabular(THETA)
    for update in (lambda *f: npg_update(*f), lambda *f: vpg_update(*f, step=1.0)):
        result = update(THETA, lambda t: anp.where(t[0] == THETA[0], -t[0], np.nan), kl, F)
        assert not result.success
        assert result.theta is THETA
        assert "a loss of nan" in result.message


def test_the_damping_follows_the_line_search_within_its_range():
    full = UpdateResult(THETA, True, "", line_search_trials=1)
    shortened, refused = replace(full, line_search_trials=2), replace(full, success=False, line_search_trials=12)
    assert next_damping(1.0, full) == pytest.approx(0.9)
    assert next_damping(1.0, shortened) == next_damping(1.0, refused) == pytest.approx(1.5)
    assert next_damping(1.0, replace(full, success=False, line_search_trials=0)) == 1.0
    assert next_damping(9.0, shortened) == 10.0
    assert next_damping(1e-4, full) == 1e-4


def test_a_metric_from_a_share_of_the_batch_changes_the_step_but_not_the_bound():
    rng = np.random.default_rng(0)
    policy = small_policies()["continuous"]
    theta = generic_theta(policy, rng)
    observations = rng.standard_normal((60, 3))
    outputs = policy.outputs(theta, observations)
    actions = policy.distribution.sample(outputs, policy.distribution.noise(rng, (60,)))
    kl = mean_kl(policy, observations, outputs)
    loss = surrogate_loss(policy, observations, actions, rng.standard_normal(60), outputs)
    steps = [trpo_update(theta, loss, kl, fisher_operator(policy, share_of(observations, share), theta))
             for share in (1.0, 0.2)]
    assert not np.allclose(steps[0].theta, steps[1].theta)
    for step in steps:
        assert step.success
        assert kl(step.theta) == step.kl <= 0.01
