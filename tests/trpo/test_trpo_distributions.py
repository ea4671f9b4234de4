import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

import convexkit as ck
from case_studies.trpo.distributions import Bernoulli, Categorical, DiagonalGaussian, MultiCategorical

RNG_SEED = 7


def categorical_case(n=5, rows=6):
    rng = np.random.default_rng(RNG_SEED)
    old, new = 2.0 * rng.standard_normal((2, rows, n))
    return Categorical(n), old, new


def gaussian_case(d=3, rows=6):
    rng = np.random.default_rng(RNG_SEED)
    old, new = 0.5 * rng.standard_normal((2, rows, 2 * d))
    return DiagonalGaussian(d), old, new


def multi_categorical_case(rows=6):
    rng = np.random.default_rng(RNG_SEED)
    old, new = 2.0 * rng.standard_normal((2, rows, 6))
    return MultiCategorical((2, 1, 3)), old, new


def bernoulli_case(n=3, rows=6):
    rng = np.random.default_rng(RNG_SEED)
    old, new = 2.0 * rng.standard_normal((2, rows, n))
    return Bernoulli(n), old, new


CASES = {"categorical": categorical_case, "gaussian": gaussian_case, "several choices": multi_categorical_case,
         "switches": bernoulli_case}


@pytest.mark.parametrize("case", ["several choices", "switches"])
def test_products_of_finite_distributions_are_sums_over_all_actions(case):
    distribution, old, new = CASES[case]()
    sizes = distribution.sizes if case == "several choices" else (2,) * distribution.n
    actions = [np.array(action) for action in np.ndindex(*sizes)]
    log_p, log_q = (np.stack([distribution.log_prob(outputs, np.tile(action, (6, 1))) for action in actions])
                    for outputs in (old, new))
    np.testing.assert_allclose(np.exp(log_p).sum(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(distribution.kl(old, new), (np.exp(log_p) * (log_p - log_q)).sum(axis=0), rtol=1e-9)
    np.testing.assert_allclose(distribution.entropy(old), -(np.exp(log_p) * log_p).sum(axis=0), rtol=1e-9)
    best = np.array(actions)[log_p.argmax(axis=0)]
    np.testing.assert_array_equal(distribution.mode(old), best)


@pytest.mark.parametrize("case", ["several choices", "switches"])
def test_samples_of_finite_products_have_their_frequencies(case):
    distribution, outputs, _ = CASES[case]()
    N = 100_000
    repeated = np.tile(outputs[:1], (N, 1))
    actions = distribution.sample(repeated, distribution.noise(np.random.default_rng(0), (N,)))
    for action in np.unique(actions, axis=0):
        p = np.exp(distribution.log_prob(outputs[:1], action[None]))[0]
        share = (actions == action).all(axis=1).mean()
        assert share == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / N))


def test_switches_survive_large_log_odds():
    switches = Bernoulli(2)
    outputs = np.array([[1000.0, -1000.0]], dtype=np.float32)
    assert switches.log_prob(outputs, np.array([[1, 0]]))[0] == 0
    assert switches.log_prob(outputs, np.array([[0, 1]]))[0] == -2000
    assert switches.entropy(outputs)[0] == 0
    assert switches.kl(outputs, outputs.copy())[0] == 0
    assert np.isfinite(ck.gradient(lambda x: switches.entropy(x.reshape((1, 2)))[0], outputs[0])).all()


def probabilities(logits):
    p = np.exp(logits)
    return p / p.sum(axis=1, keepdims=True)


def test_categorical_probabilities_are_the_softmax():
    distribution, logits, _ = categorical_case()
    log_p = np.stack([distribution.log_prob(logits, np.full(6, action)) for action in range(5)], axis=1)
    np.testing.assert_allclose(np.exp(log_p), probabilities(logits), rtol=1e-12)


def test_categorical_kl_and_entropy_are_finite_sums():
    distribution, old, new = categorical_case()
    p, q = probabilities(old), probabilities(new)
    expected = [stats.entropy(a, b) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(distribution.kl(old, new), expected, rtol=1e-10)
    np.testing.assert_allclose(distribution.entropy(old), [stats.entropy(a) for a in p], rtol=1e-12)


def test_categorical_survives_large_logits():
    distribution = Categorical(3)
    logits = np.array([[1000.0, 0.0, -1000.0]], dtype=np.float32)
    assert distribution.log_prob(logits, np.array([0]))[0] == 0
    assert distribution.log_prob(logits, np.array([2]))[0] == -2000
    assert distribution.entropy(logits)[0] == 0
    assert np.isfinite(ck.gradient(lambda x: distribution.entropy(x.reshape((1, 3)))[0], logits[0])).all()


def test_gaussian_log_prob_and_entropy_are_those_of_scipy():
    distribution, outputs, _ = gaussian_case()
    mean, std = outputs[:, :3], np.exp(outputs[:, 3:])
    actions = np.random.default_rng(1).standard_normal((6, 3))
    np.testing.assert_allclose(distribution.log_prob(outputs, actions),
                               stats.norm.logpdf(actions, mean, std).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(distribution.entropy(outputs), stats.norm.entropy(mean, std).sum(axis=1), rtol=1e-12)


def test_gaussian_kl_is_the_integral():
    distribution, old, new = gaussian_case(d=1)
    for o, n in zip(old, new, strict=True):
        p, q = stats.norm(o[0], np.exp(o[1])), stats.norm(n[0], np.exp(n[1]))
        integral, _ = quad(lambda x, p=p, q=q: p.pdf(x) * (p.logpdf(x) - q.logpdf(x)), -12, 12)
        assert distribution.kl(o[None], n[None])[0] == pytest.approx(integral, rel=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_kl_is_nonnegative_and_exactly_zero_at_equality(case):
    distribution, old, new = CASES[case]()
    assert (distribution.kl(old, new) > 0).all()
    for dtype in (np.float32, np.float64):
        same = old.astype(dtype)
        assert (distribution.kl(same, same.copy()) == 0).all()


@pytest.mark.parametrize("case", CASES)
def test_fisher_matrix_is_the_hessian_of_kl(case):
    distribution, old, _ = CASES[case]()
    product = distribution.fisher(old)
    k = old.shape[1]
    for row in range(len(old)):
        one = old[row:row + 1]
        H = ck.hessian_operator(lambda x, one=one: distribution.kl(one, x.reshape(one.shape))[0], one[0]) @ np.eye(k)
        columns = np.stack([product(np.tile(e, (len(old), 1)))[row] for e in np.eye(k)], axis=1)
        np.testing.assert_allclose(columns, H, atol=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_float32_stays_float32(case):
    distribution, old, new = CASES[case]()
    old, new = old.astype(np.float32), new.astype(np.float32)
    noise = distribution.noise(np.random.default_rng(0), (len(old),))
    actions = distribution.sample(old, noise)
    for array in (noise, distribution.log_prob(old, actions), distribution.kl(old, new), distribution.entropy(old),
                  distribution.fisher(old)(new)):
        assert array.dtype == np.float32


def test_categorical_samples_have_their_frequencies():
    distribution = Categorical(3)
    N = 200_000
    outputs = np.tile(np.log([0.2, 0.5, 0.3]), (N, 1))
    actions = distribution.sample(outputs, distribution.noise(np.random.default_rng(0), (N,)))
    # Four standard deviations of a frequency.
    np.testing.assert_allclose(np.bincount(actions) / N, [0.2, 0.5, 0.3], atol=4 * np.sqrt(0.25 / N))
    assert distribution.mode(outputs[:1])[0] == 1


def test_gaussian_samples_have_their_moments():
    distribution = DiagonalGaussian(2)
    N = 200_000
    outputs = np.tile([1.0, -2.0, 0.0, np.log(3.0)], (N, 1))
    actions = distribution.sample(outputs, distribution.noise(np.random.default_rng(0), (N,)))
    np.testing.assert_allclose(actions.mean(axis=0), [1.0, -2.0], atol=4 * 3 / np.sqrt(N))
    np.testing.assert_allclose(actions.std(axis=0), [1.0, 3.0], rtol=4 / np.sqrt(2 * N))
    np.testing.assert_array_equal(distribution.mode(outputs[:1]), [[1.0, -2.0]])


@pytest.mark.parametrize("case", CASES)
def test_entropy_is_the_mean_of_minus_log_prob(case):
    distribution, outputs, _ = CASES[case]()
    N = 100_000
    repeated = np.tile(outputs[:1], (N, 1))
    actions = distribution.sample(repeated, distribution.noise(np.random.default_rng(3), (N,)))
    surprise = -distribution.log_prob(repeated, actions)
    assert surprise.mean() == pytest.approx(distribution.entropy(outputs)[0], abs=4 * surprise.std() / np.sqrt(N))
