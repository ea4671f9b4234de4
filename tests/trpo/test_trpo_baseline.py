import numpy as np
import pytest

from case_studies.trpo.baseline import Baseline, explained_variance
from case_studies.trpo.networks import Mlp
from case_studies.trpo.normalization import RunningMoments


def data(N=400):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, 3)).astype(np.float32)
    return x, 200.0 + 30.0 * np.tanh(x[:, 0] - x[:, 1]).astype(np.float64)


RNG = np.random.default_rng(3)


def start():
    return Baseline.start(Mlp((3, 16, 1)), np.random.default_rng(1))


def test_the_baseline_learns_returns_of_any_size():
    x, targets = data()
    for factor in (1e-6, 1.0, 1e6):
        baseline = start().fitted(x, factor * targets, RNG, passes=10)
        assert explained_variance(baseline.values(x), factor * targets) > 0.95


def test_a_step_on_the_whole_batch_never_raises_the_loss():
    x, targets = data()
    baseline, loss = start(), np.inf
    for _ in range(10):
        baseline = baseline.fitted(x, targets, RNG, parts=1)
        now = np.mean((baseline.values(x) - targets) ** 2)
        assert now <= loss * (1 + 1e-5)
        loss = now


def test_rescaling_keeps_the_function():
    x, targets = data()
    baseline = start().fitted(x, targets, RNG)
    moved = baseline.rescaled(10.0 * targets - 7.0)
    assert moved.scale == pytest.approx(10 * baseline.scale)
    np.testing.assert_allclose(moved.values(x), baseline.values(x), rtol=1e-5)


def test_an_untrained_baseline_is_zero():
    np.testing.assert_array_equal(start().values(data()[0]), 0.0)


def test_constant_targets_are_an_ordinary_input():
    x, targets = data()
    constant = np.full(len(x), 0.1)
    first = start().fitted(x, constant, RNG)
    np.testing.assert_allclose(first.values(x), 0.1, rtol=1e-12)
    assert np.isnan(explained_variance(first.values(x), np.full(len(x), 5.0)))
    later = start().fitted(x, targets, RNG).fitted(x, np.full(len(x), 200.0), RNG, passes=10)
    np.testing.assert_allclose(later.values(x), 200.0, atol=3.0)


def test_no_passes_freeze_the_function():
    x, targets = data()
    baseline = start()
    assert baseline.fitted(x, targets, RNG, passes=0) is baseline


def test_explained_variance_is_one_for_truth_and_zero_for_a_constant():
    _, targets = data()
    assert explained_variance(targets + 3.0, targets) == pytest.approx(1)
    assert explained_variance(np.zeros_like(targets), targets) == pytest.approx(0)


def test_running_moments_are_those_of_all_rows():
    rng = np.random.default_rng(0)
    rows = 1e3 + rng.standard_normal((500, 4)) * [1.0, 10.0, 0.1, 3.0]
    moments = RunningMoments.start(4)
    for part in np.split(rows, [7, 8, 200]):
        moments = moments.updated(part)
    assert moments.count == 500
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.squares / 500, rows.var(axis=0), rtol=1e-9)
    shift, scale = moments.shift_and_scale()
    assert shift.dtype == scale.dtype == np.float32
    np.testing.assert_allclose(scale, rows.std(axis=0), rtol=1e-6)


def test_a_constant_feature_is_not_scaled():
    moments = RunningMoments.start(2).updated(np.array([[3.0, 1.0], [3.0, 2.0]]))
    np.testing.assert_allclose(moments.shift_and_scale()[1], [1.0, 0.5])
    np.testing.assert_array_equal(RunningMoments.start(2).shift_and_scale(), [[0.0, 0.0], [1.0, 1.0]])


def test_nothing_is_limited_before_anything_was_seen():
    np.testing.assert_array_equal(RunningMoments.start(1).normalized(np.array([[1e6]])), [[1e6]])


def test_the_same_random_numbers_give_the_same_fit():
    x, targets = data()
    once, twice = (start().fitted(x, targets, np.random.default_rng(5)) for _ in range(2))
    assert once.weights.tobytes() == twice.weights.tobytes()


def test_more_parts_than_rows_are_as_many_as_rows():
    x, targets = data(3)
    assert np.isfinite(start().fitted(x, targets, RNG, parts=10).weights).all()
