"""The exact quantities of a finite decision process, against simulation, recursion and each other."""

import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo.tabular import Mdp, softmax


def case():
    rng = np.random.default_rng(0)
    mdp = Mdp.random(5, 3, gamma=0.8, rng=rng)
    return mdp, softmax(rng.standard_normal((5, 3))), softmax(rng.standard_normal((5, 3)))


def test_values_are_the_limit_of_repeated_backups():
    mdp, pi, _ = case()
    V = np.zeros(5)
    for _ in range(200):
        V = (pi * (mdp.reward + mdp.gamma * mdp.transition @ V)).sum(axis=1)
    np.testing.assert_allclose(mdp.values(pi), V, rtol=1e-12)


def test_visits_are_the_discounted_sum_over_time():
    mdp, pi, _ = case()
    P = np.einsum("sa,sat->st", pi, mdp.transition)
    state, total = mdp.start.copy(), np.zeros(5)
    for t in range(300):
        total += (1 - mdp.gamma) * mdp.gamma**t * state
        state = P.T @ state
    np.testing.assert_allclose(mdp.visits(pi), total, rtol=1e-12)
    assert total.sum() == pytest.approx(1)


def test_advantages_of_a_policy_are_zero_on_average():
    mdp, pi, _ = case()
    np.testing.assert_allclose((pi * mdp.advantages(pi)).sum(axis=1), 0, atol=1e-14)


def test_performance_differs_by_the_advantages_met_on_the_way():
    # Kakade & Langford 2002: J(new) - J(old) = E_{s~d_new, a~new}[A_old] / (1 - γ)
    mdp, old, new = case()
    met = (mdp.visits(new)[:, None] * new * mdp.advantages(old)).sum() / (1 - mdp.gamma)
    assert mdp.performance(new) - mdp.performance(old) == pytest.approx(met, rel=1e-12)


def test_the_gradient_of_performance_is_that_of_the_surrogate():
    mdp, _, _ = case()
    logits = np.random.default_rng(1).standard_normal(15)
    old = softmax(logits.reshape(5, 3))
    policy_gradient = ck.gradient(lambda x: mdp.performance(softmax(x.reshape((5, 3)))), logits)
    surrogate = ck.gradient(lambda x: mdp.surrogate(old, softmax(x.reshape((5, 3)))), logits)
    np.testing.assert_allclose(policy_gradient, surrogate / (1 - mdp.gamma), atol=1e-12)


def test_the_sampled_estimators_agree_with_the_exact_ones():
    # Two states, both autoreset-free: GAE with the true values and lambda = 0 averages to the true advantage.
    from case_studies.trpo.advantages import gae

    mdp = Mdp(np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]), np.array([[0.0, 1.0], [2.0, 0.0]]),
              np.array([1.0, 0.0]), gamma=0.5)
    pi = np.full((2, 2), 0.5)
    rng, s = np.random.default_rng(0), 0
    states, actions, rewards = [], [], []
    for _ in range(4000):
        a = int(rng.random() < 0.5)
        states.append(s)
        actions.append(a)
        rewards.append(mdp.reward[s, a])
        s = int(mdp.transition[s, a].argmax())
    V, never = mdp.values(pi), np.zeros(4000, bool)
    following = V[[*states[1:], s]]
    exact = mdp.advantages(pi)[states, actions]
    np.testing.assert_allclose(gae(np.array(rewards), V[states], following, never, never, gamma=0.5, gae_lambda=0.0),
                               exact, atol=1e-12)
    spread = gae(np.array(rewards), V[states], following, never, never, gamma=0.5, gae_lambda=0.9)
    for state, action in np.ndindex(2, 2):
        chosen = spread[(np.array(states) == state) & (np.array(actions) == action)]
        error = chosen.std() / len(chosen)**0.5
        assert chosen.mean() == pytest.approx(mdp.advantages(pi)[state, action], abs=4 * error)
