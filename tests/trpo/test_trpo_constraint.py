from dataclasses import replace

import autograd.numpy as anp
import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo import environments
from case_studies.trpo.config import TrpoConfig
from case_studies.trpo.constraint import Limit, cpo_update
from case_studies.trpo.training import Trainer, resume, train
from tests.trpo.toys import gymnasium

H = np.array([[2.0, 0.3], [0.3, 1.0]])


def quadratic(theta):
    return 0.5 * anp.dot(theta, anp.dot(H, theta))


class Bandit(gymnasium.Env):
    """Action 1 earns 1 and costs 1; with a mean cost of at most L, the best policy takes it with probability L."""

    def __init__(self):
        self.observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), float(action), True, False, {"cost": float(action), "word": "no", "bad": np.nan}


@pytest.fixture
def bandit(monkeypatch):
    monkeypatch.setattr(environments, "make", lambda *_, **__: Bandit())
    return TrpoConfig(env="Bandit", steps=12_000, batch_size=400, envs=4, hidden=(4,), constraint="cost<=0.3")


def step(g, b, c, delta=0.02, **options):
    return cpo_update(np.zeros(2), lambda t: anp.dot(g, t), quadratic, H, lambda t: anp.dot(b, t) + c, max_kl=delta,
                      damping=1e-12, **{"alpha": 1e-3, **options})


def test_the_step_is_the_closed_form_with_both_constraints_active():
    g, b, c, delta = np.array([-1.0, -1.0]), np.array([1.0, 0.2]), -0.02, 0.02
    q, r, s = g @ np.linalg.solve(H, g), g @ np.linalg.solve(H, b), b @ np.linalg.solve(H, b)
    lam = np.sqrt((q - r * r / s) / (2 * delta - c * c / s))
    nu = (lam * c - r) / s
    result, report = step(g, b, c)
    # The line search may shorten the step by rounding of the boundary: compare directions, then lengths.
    p = -np.linalg.solve(H, g + nu * b) / lam
    np.testing.assert_allclose(result.theta / result.step, p, rtol=1e-3)
    assert report["multiplier"] == pytest.approx(nu, rel=1e-3)
    assert result.multiplier == pytest.approx(lam, rel=1e-3)
    assert result.kl <= delta
    assert b @ result.theta + c <= 0
    assert not report["recovery"]


def test_a_limit_that_no_step_reaches_leads_to_the_recovery_step():
    b, delta = np.array([1.0, 0.2]), 0.02
    s = b @ np.linalg.solve(H, b)
    result, report = step(np.array([-1.0, 0.0]), b, 2 * np.sqrt(2 * delta * s), cg_rtol=1e-10)
    np.testing.assert_allclose(result.theta / result.step, -np.sqrt(2 * delta / s) * np.linalg.solve(H, b), rtol=1e-6)
    assert report["recovery"] == 1
    assert report["change"] < 0


def test_a_broken_limit_that_can_be_kept_is_kept_again_though_the_loss_rises():
    result, report = step(np.array([-1.0, 0.0]), np.array([1.0, 0.0]), 0.05)
    assert result.success
    assert not report["recovery"]
    assert result.surrogate_gain < 0
    assert report["change"] == pytest.approx(-0.05 * result.step, rel=1e-3)


def test_a_cost_that_no_step_changes_leaves_the_step_of_trpo():
    result, report = step(np.array([-1.0, 0.0]), np.zeros(2), 1.0)
    assert result.success
    assert report["multiplier"] == 0


def test_the_true_cost_is_held_by_the_line_search():
    # The linear model promises a cost of 0 at t₀ = 0.1; with the square it is kept only further in.
    result, _ = cpo_update(np.zeros(2), lambda t: -t[0], quadratic, H, lambda t: t[0] + 3 * t[0] ** 2 - 0.1,
                           max_kl=0.02, damping=1e-12)
    assert result.success
    assert result.line_search_trials > 1
    assert result.theta[0] + 3 * result.theta[0] ** 2 <= 0.1


def test_the_constrained_optimum_of_a_bandit_is_found(bandit, tmp_path):
    train(bandit, tmp_path / "run")
    table = np.genfromtxt(tmp_path / "run" / "constraint.csv", delimiter=",", names=True)
    assert table["cost"][0] > 0.4  # near a half: the limit is broken at the start
    # The mean of 400 coins has a deviation of 0.023, of ten such means 0.007.
    assert table["cost"][-10:].mean() == pytest.approx(0.3, abs=0.03)


def test_without_a_limit_the_bandit_is_played_for_its_reward(bandit, tmp_path):
    result = train(replace(bandit, constraint="none"), tmp_path / "run")
    assert result.records[-1].mean_return_100 > 0.9
    assert not (tmp_path / "run" / "constraint.csv").exists()


def test_a_constrained_run_in_parts_is_the_whole_run_bit_for_bit(bandit, tmp_path):
    whole = train(replace(bandit, steps=3200), tmp_path / "whole")
    train(replace(bandit, steps=1600), tmp_path / "parts")
    parts = resume(tmp_path / "parts", steps=3200)
    assert whole.theta.tobytes() == parts.theta.tobytes()
    for name in ("progress.csv", "constraint.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_costs_with_a_sign_or_a_word_in_place_of_a_limit_are_refused():
    assert Limit.parse("x_velocity <= -1.5") == Limit("x_velocity", -1.5)
    for text in ("cost", "cost<0.1", "cost<=much", "cost<=inf", "<=1"):
        with pytest.raises(ck.ProblemError, match="must be none or KEY<=NUMBER"):
            TrpoConfig(constraint=text)
    for settings in ({"algorithm": "npg"}, {"processes": True}):
        with pytest.raises(ck.ProblemError, match=r"constraint = 'cost<=1' needs algorithm = 'trpo'"):
            TrpoConfig(constraint="cost<=1", **settings)


@pytest.mark.parametrize(("key", "words"), [("speed", "no number 'speed' .* it has bad, cost, word"),
                                            ("word", "no number 'word'"), ("bad", "returned bad = nan in its step 1")])
def test_an_info_without_the_cost_is_named(bandit, key, words):
    trainer = Trainer(replace(bandit, constraint=f"{key}<=1"))
    with pytest.raises(ck.ConvexkitError, match=words):
        trainer.iterate()


def test_a_checkpoint_whose_cost_baseline_does_not_fit_is_refused(bandit, tmp_path):
    run = tmp_path / "run"
    train(replace(bandit, steps=800), run)
    with np.load(run / "checkpoint.npz") as data:
        arrays = {key: data[key] for key in data.files}
    np.savez(run / "checkpoint.npz", **{**arrays, "cost_weights": np.zeros(3)})
    with pytest.raises(ck.FormatError, match=r"'cost_weights' has shape \(3,\)"):
        resume(run)
    arrays.pop("cost_weights")
    np.savez(run / "checkpoint.npz", **arrays)
    with pytest.raises(ck.FormatError, match="the array 'cost_weights' is missing"):
        resume(run)
