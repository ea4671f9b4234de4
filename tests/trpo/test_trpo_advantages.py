import numpy as np
import pytest

from case_studies.trpo.advantages import gae


def random_stream(rng, T=60):
    ends = rng.random(T) < 0.2
    terminated = ends & (rng.random(T) < 0.5)
    return rng.standard_normal((3, T)), terminated, ends & ~terminated


def direct_sum(rewards, values, next_values, terminated, truncated, gamma, gae_lambda):
    """A[t] = Σ_k (gamma·gae_lambda)^k delta[t+k], summed to the end of the episode that t belongs to."""
    T = len(rewards)
    advantages = np.zeros(T)
    for t in range(T):
        for k in range(T - t):
            s = t + k
            bootstrap = 0.0 if terminated[s] else gamma * next_values[s]
            advantages[t] += (gamma * gae_lambda) ** k * (rewards[s] + bootstrap - values[s])
            if terminated[s] or truncated[s]:
                break
    return advantages


@pytest.mark.parametrize(("gamma", "gae_lambda"), [(0.99, 0.95), (0.9, 0.0), (1.0, 1.0), (0.0, 0.5)])
def test_gae_equals_the_direct_sum(gamma, gae_lambda):
    stream = random_stream(np.random.default_rng(0))
    (rewards, values, next_values), terminated, truncated = stream
    got = gae(rewards, values, next_values, terminated, truncated, gamma=gamma, gae_lambda=gae_lambda)
    expected = direct_sum(rewards, values, next_values, terminated, truncated, gamma, gae_lambda)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_lambda_one_without_values_is_the_discounted_return():
    rewards = np.array([1.0, 2.0, 3.0])
    zero, end = np.zeros(3), np.array([False, False, True])
    got = gae(rewards, zero, zero, end, ~end & False, gamma=0.5, gae_lambda=1.0)
    np.testing.assert_allclose(got, [1 + 1 + 0.75, 2 + 1.5, 3.0])


@pytest.mark.parametrize("gae_lambda", [0.0, 0.7, 1.0])
def test_a_time_limit_is_no_loss_in_a_two_state_mdp(gae_lambda):
    # States a and b alternate for ever, with rewards 1 and 2:  V(a) = 1 + γV(b),  V(b) = 2 + γV(a).
    gamma = 0.9
    value_a, value_b = (1 + 2 * gamma) / (1 - gamma**2), (2 + gamma) / (1 - gamma**2)
    values = np.array([value_a, value_b, value_a, value_b, value_a])
    next_values = np.array([value_b, value_a, value_b, value_a, value_b])
    rewards = np.array([1.0, 2.0, 1.0, 2.0, 1.0])
    never, limit = np.zeros(5, bool), np.array([False, False, True, False, False])
    # Every step is what the values expect: no advantage anywhere, wherever the time limit falls.
    truncated = gae(rewards, values, next_values, never, limit, gamma=gamma, gae_lambda=gae_lambda)
    np.testing.assert_allclose(truncated, np.zeros(5), atol=1e-12)
    # A true end in the same place costs the discounted future, and earlier steps see it through lambda.
    ended = gae(rewards, values, next_values, limit, never, gamma=gamma, gae_lambda=gae_lambda)
    loss, decay = -gamma * value_b, gamma * gae_lambda
    np.testing.assert_allclose(ended, [decay**2 * loss, decay * loss, loss, 0.0, 0.0], atol=1e-12)


def test_nothing_leaks_across_the_end_of_an_episode():
    (rewards, values, next_values), terminated, truncated = random_stream(np.random.default_rng(1))
    options = {"gamma": 0.99, "gae_lambda": 0.95}
    before = gae(rewards, values, next_values, terminated, truncated, **options)
    last = int(np.flatnonzero(terminated | truncated)[0])
    rewards[last + 1:] += 100.0
    after = gae(rewards, values, next_values, terminated, truncated, **options)
    np.testing.assert_array_equal(before[:last + 1], after[:last + 1])
    assert (before[last + 1:] != after[last + 1:]).all()


def test_gae_of_an_empty_stream_is_empty():
    none, no = np.zeros(0), np.zeros(0, bool)
    assert gae(none, none, none, no, no, gamma=0.9, gae_lambda=0.9).shape == (0,)
