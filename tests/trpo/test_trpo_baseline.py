import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo.baseline import SCALE_FALL, Baseline, explained_variance, gauss_newton_step
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
        baseline = baseline.fitted(x, targets, RNG, rows=len(x))
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


def test_parts_of_more_rows_than_there_are_or_of_one_row_are_ordinary():
    x, targets = data(3)
    for rows in (1, 2, 1000):
        assert np.isfinite(start().fitted(x, targets, RNG, rows=rows).weights).all()


def test_a_fitting_step_is_the_damped_gauss_newton_step_of_the_dense_jacobian():
    # minimise (1/2m)‖e - Jp‖² + (damping/2)‖p‖²: (JᵀJ/m + damping·I) p = Jᵀe/m
    rng = np.random.default_rng(0)
    network = Mlp((3, 5, 4, 1), "elu")
    theta, x = network.initial(rng).astype(np.float64), rng.standard_normal((20, 3))
    goal = network(theta, x)[:, 0] + 0.01 * rng.standard_normal(20)  # so near that the line search takes it whole
    J = np.stack([ck.gradient(lambda t, i=i: network(t, x[i:i + 1])[0, 0], theta) for i in range(20)])
    p = np.linalg.solve(J.T @ J / 20 + 0.3 * np.eye(theta.size), J.T @ (goal - network(theta, x)[:, 0]) / 20)
    new = gauss_newton_step(network, theta, x, goal, share=1.0, cg_iterations=100, damping=0.3, rtol=1e-12)
    np.testing.assert_allclose(new - theta, p, rtol=1e-8, atol=1e-12)
    half = gauss_newton_step(network, theta, x, goal, share=0.5, cg_iterations=100, damping=0.3, rtol=1e-12)
    np.testing.assert_allclose(half - theta, 0.5 * p, rtol=1e-8, atol=1e-12)


def test_a_fit_that_is_perfect_stays():
    x, _ = data(10)
    network = Mlp((3, 5, 1))
    theta = network.initial(np.random.default_rng(0))
    stayed = gauss_newton_step(network, theta, x, network(theta, x)[:, 0], share=1.0, cg_iterations=10, damping=0.1)
    np.testing.assert_array_equal(stayed, theta)


def test_one_batch_of_nearly_equal_targets_does_not_blow_up_the_last_layer():
    x, targets = data()
    baseline = start().fitted(x, targets, RNG)
    calm = baseline.fitted(x, 200.0 + 1e-9 * (targets - 200.0), RNG)
    assert calm.scale == pytest.approx(SCALE_FALL * baseline.scale)
    assert np.abs(calm.weights).max() < 10
    again = calm.fitted(x, targets, RNG)
    assert explained_variance(again.values(x), targets) > 0.5
