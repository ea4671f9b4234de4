import csv
import json
from dataclasses import replace

import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo import training
from case_studies.trpo.checkpoint import load, save
from case_studies.trpo.config import TrpoConfig
from case_studies.trpo.evaluation import evaluate
from case_studies.trpo.plots import plot
from case_studies.trpo.policies import Policy
from case_studies.trpo.run_folder import read_progress
from case_studies.trpo.training import noise_ceiling, standardized, train, trust_region

gymnasium = pytest.importorskip("gymnasium")

SHORT = TrpoConfig(steps=3000, batch_size=1000, envs=4, hidden=(16,))


def rows(run):
    with open(run / "progress.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "short"
    train(SHORT, folder)
    return folder


def test_a_run_writes_settings_progress_and_checkpoint(run):
    assert sorted(path.name for path in run.iterdir()) == ["checkpoint.npz", "config.json", "progress.csv",
                                                            "timing.csv"]
    assert TrpoConfig.from_dict(json.loads((run / "config.json").read_text())) == SHORT
    header = (run / "progress.csv").read_text().splitlines()[0]
    assert header == ("iteration,env_steps,episodes,mean_return_100,kl,predicted_kl,predicted_gain,surrogate_gain,"
                      "multiplier,suboptimality,cg_status,cg_iterations,cg_residual,line_search_trials,step,damping,"
                      "explained_variance,entropy")
    assert [(row["iteration"], row["env_steps"]) for row in rows(run)] == [("1", "1000"), ("2", "2000"), ("3", "3000")]
    for row in rows(run):
        assert 0 < float(row["kl"]) <= SHORT.max_kl
        assert 0 < float(row["predicted_kl"]) <= SHORT.max_kl
        assert float(row["suboptimality"]) >= 0
        assert float(row["surrogate_gain"]) > 0
        assert 0 < float(row["entropy"]) <= np.log(2) + 1e-6
        assert 1 <= int(row["cg_iterations"]) <= SHORT.cg_iterations


def test_the_same_seed_gives_the_same_run(run, tmp_path):
    train(SHORT, tmp_path / "again")
    train(replace(SHORT, seed=1), tmp_path / "other")

    def learning(folder):
        return (folder / "progress.csv").read_bytes()

    assert learning(tmp_path / "again") == learning(run)
    assert learning(tmp_path / "other") != learning(run)
    assert load(tmp_path / "again" / "checkpoint.npz").theta.tobytes() == load(run / "checkpoint.npz").theta.tobytes()


def test_continuous_actions_are_trained(tmp_path):
    config = TrpoConfig(env="Pendulum-v1", steps=2000, batch_size=1000, envs=2, hidden=(16,), gamma=0.9)
    result = train(config, tmp_path / "run")
    assert all(0 < record.kl <= config.max_kl for record in result.records)
    assert result.records[0].entropy == pytest.approx(0.5 * (1 + np.log(2 * np.pi)), abs=1e-6)
    assert result.threshold is None
    assert result.solved_at is None
    assert evaluate(tmp_path / "run", episodes=2)["deterministic"].returns.shape == (2,)


@pytest.mark.parametrize("algorithm", ["trpo", "npg"])
def test_an_annealed_trust_region_shrinks_as_it_was_told(algorithm, tmp_path):
    config = replace(SHORT, algorithm=algorithm, anneal_steps=4000, steps=6000, max_kl=0.02, damping=1e-4)
    records = train(config, tmp_path / "run").records
    regions = [0.02, 0.015, 0.01, 0.005, 0.001, 0.001]
    np.testing.assert_allclose([trust_region(config, 1000 * i) for i in range(6)], regions)
    assert all(0 < record.kl <= region for record, region in zip(records, regions, strict=True) if algorithm == "trpo")
    # The model's step ends on the boundary of the damped region, which so light a damping hardly moves.
    predicted = [record.predicted_kl / record.step**2 for record in records]
    np.testing.assert_allclose(predicted, regions, rtol=0.05)


def test_the_noise_of_actions_ends_where_it_was_told(tmp_path):
    config = TrpoConfig(env="Pendulum-v1", steps=5000, batch_size=1000, hidden=(8,), noise_steps=4000,
                        final_log_std=-2.0)
    records = train(config, tmp_path / "run").records
    ceilings = [0.0, -0.5, -1.0, -1.5, -2.0]
    np.testing.assert_allclose([noise_ceiling(config, 1000 * i) for i in range(5)], ceilings)
    # Of the policy that made the batch: one action with entropy log std + (1 + log 2π)/2.
    log_std = [record.entropy - 0.5 * (1 + np.log(2 * np.pi)) for record in records]
    assert all(value <= ceiling + 1e-6 for value, ceiling in zip(log_std, ceilings, strict=True))
    assert log_std[4] == pytest.approx(-2.0, abs=1e-6)


def test_a_ceiling_over_the_noise_changes_nothing():
    policy = Policy.continuous(3, 2, initial_log_std=-0.5)
    theta = policy.initial(np.random.default_rng(0))
    assert policy.quieted(theta, -0.5) is theta
    assert policy.quieted(theta, np.inf) is theta
    quiet = policy.quieted(theta, -1.0)
    assert quiet.dtype == theta.dtype
    assert (quiet[-2:] == -1.0).all()
    assert (quiet[:-2] == theta[:-2]).all()
    assert (theta[-2:] == -0.5).all()


def test_a_longer_run_begins_like_a_shorter_one_though_both_are_annealed(tmp_path):
    config = replace(SHORT, anneal_steps=2000)
    short, long = (train(replace(config, steps=steps), tmp_path / str(steps)) for steps in (2000, 3000))
    assert long.records[:2] == short.records


def test_the_budget_is_rounded_down_to_whole_batches(tmp_path):
    result = train(replace(SHORT, steps=2900, batch_size=1003), tmp_path / "run")
    assert [record.env_steps for record in result.records] == [1000, 2000]


def test_mean_return_100_is_the_mean_of_the_last_hundred_episodes(tmp_path, monkeypatch):
    returns = []
    collect = training.Collector.collect

    def spy(self, *arguments):
        batch = collect(self, *arguments)
        returns.extend(batch.episode_returns)
        return batch

    monkeypatch.setattr(training.Collector, "collect", spy)
    result = train(SHORT, tmp_path / "run")
    assert result.records[-1].episodes == len(returns) > 100
    assert result.records[-1].mean_return_100 == pytest.approx(np.mean(returns[-100:]))


def test_a_run_before_its_first_episode_has_no_mean(tmp_path):
    config = TrpoConfig(env="Pendulum-v1", steps=100, batch_size=100, envs=1, hidden=(4,))
    assert np.isnan(train(config, tmp_path / "run").records[0].mean_return_100)
    assert np.isnan(read_progress(tmp_path / "run")["mean_return_100"][0])


def test_the_keyboard_ends_a_run_and_keeps_what_was_finished(tmp_path):
    def stop(record):
        if record.iteration == 2:
            raise KeyboardInterrupt

    result = train(SHORT, tmp_path / "run", callback=stop)
    assert result.interrupted
    assert len(rows(tmp_path / "run")) == len(result.records) == 2
    assert load(tmp_path / "run" / "checkpoint.npz").iteration == 2


def test_a_failing_environment_keeps_what_was_finished(tmp_path, monkeypatch):
    from gymnasium.envs.classic_control import CartPoleEnv

    step, count = CartPoleEnv.step, iter(range(10**6))

    def failing(self, action):
        seen, reward, *rest = step(self, action)
        return seen, float("nan") if next(count) == 1700 else reward, *rest

    monkeypatch.setattr(CartPoleEnv, "step", failing)
    with pytest.raises(ck.ConvexkitError, match=r"environment 0 \(CartPole-v1\) .* not finite in its step 426"):
        train(SHORT, tmp_path / "run")
    assert len(rows(tmp_path / "run")) == 1
    assert load(tmp_path / "run" / "checkpoint.npz").iteration == 1


def test_solved_needs_a_full_window(tmp_path, monkeypatch):
    monkeypatch.setattr(gymnasium.spec("CartPole-v1"), "reward_threshold", 15.0)
    assert train(replace(SHORT, steps=1000), tmp_path / "short").solved_at is None
    assert train(SHORT, tmp_path / "long").solved_at in (2000, 3000)


def test_an_existing_run_is_not_touched(run):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(ck.ProblemError, match=r"out = .* exists and is not empty"):
        train(SHORT, run)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_an_empty_folder_is_welcome(tmp_path):
    assert len(train(replace(SHORT, steps=1000), tmp_path).records) == 1


def test_standardized_advantages_have_mean_zero_and_deviation_one():
    advantages = standardized(np.random.default_rng(0).standard_normal(100) * 7 + 3)
    assert advantages.mean() == pytest.approx(0, abs=1e-12)
    assert advantages.std() == pytest.approx(1)
    assert not standardized(np.full(10, 0.1)).any()
    assert not standardized(np.zeros(10)).any()


def test_an_environment_without_differences_trains_to_nothing(tmp_path, monkeypatch):
    from gymnasium.envs.classic_control import CartPoleEnv

    step = CartPoleEnv.step

    def dull(self, action):
        seen, _, *rest = step(self, action)
        return seen, 0.0, *rest

    monkeypatch.setattr(CartPoleEnv, "step", dull)
    result = train(SHORT, tmp_path / "run")
    for record in result.records:
        assert (record.kl, record.surrogate_gain, record.cg_status) == (0.0, 0.0, "not_needed")
        assert np.isnan(record.explained_variance)


# Checkpoints

def test_a_checkpoint_survives_the_round_trip(run, tmp_path):
    stored = load(run / "checkpoint.npz")
    assert stored.config == SHORT
    assert (stored.iteration, stored.env_steps) == (3, 3000)
    assert stored.moments.count == 3000
    save(tmp_path / "copy.npz", stored)
    again = load(tmp_path / "copy.npz")
    for name in ("theta", "value_weights"):
        assert getattr(again, name).tobytes() == getattr(stored, name).tobytes()
    assert again.moments.mean.tobytes() == stored.moments.mean.tobytes()
    assert (again.value_shift, again.value_scale) == (stored.value_shift, stored.value_scale)


def test_a_failed_write_leaves_the_old_checkpoint(run, tmp_path, monkeypatch):
    stored = load(run / "checkpoint.npz")
    path = tmp_path / "checkpoint.npz"
    save(path, stored)
    before = path.read_bytes()

    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        save(path, stored)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.npz"]


def damaged(path, **changes):
    with np.load(path, allow_pickle=False) as data:
        arrays = {key: data[key] for key in data.files}
    arrays.update({key: value for key, value in changes.items() if value is not None})
    return {key: value for key, value in arrays.items() if key not in changes or changes[key] is not None}


@pytest.mark.parametrize(("changes", "message"), [
    ({"theta": None}, "the array 'theta' is missing"),
    ({"format": 99}, "format 99"),
    ({"config": "{"}, "checkpoint.npz: "),
    ({"config": json.dumps({"speed": 1})}, "unknown setting 'speed'"),
    ({"config": json.dumps({"gamma": 7})}, "gamma = 7 is out of range"),
    ({"theta": np.zeros(3, np.float32)}, r"theta has shape \(3,\); CartPole-v1 needs \(114,\)"),
    ({"config": json.dumps({**SHORT.to_dict(), "env": "Acrobot-v1"})}, r"theta has shape .* Acrobot-v1 needs"),
])
def test_a_checkpoint_that_cannot_be_used_says_why(run, tmp_path, changes, message):
    path = tmp_path / "checkpoint.npz"
    np.savez(path, **damaged(run / "checkpoint.npz", **changes))
    with pytest.raises(ck.FormatError, match=message):
        evaluate(tmp_path, episodes=1)


def test_pickled_objects_are_never_loaded(tmp_path):
    path = tmp_path / "checkpoint.npz"
    np.savez(path, format=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ck.FormatError, match="not a checkpoint"):
        load(path)
    path.write_bytes(b"no zip file at all")
    with pytest.raises(ck.FormatError, match="not a checkpoint"):
        load(path)
    with pytest.raises(ck.FormatError, match="no such file"):
        load(tmp_path / "missing.npz")


# Evaluation and plots

def test_evaluation_is_reproducible_and_reports_both_policies(run):
    first, second = evaluate(run, episodes=5, seed=3), evaluate(run, episodes=5, seed=3)
    assert list(first) == ["stochastic", "deterministic"]
    for name, result in first.items():
        np.testing.assert_array_equal(result.returns, second[name].returns)
        assert result.mean == pytest.approx(result.returns.mean())
        assert result.standard_error == pytest.approx(result.returns.std(ddof=1) / np.sqrt(5))
    assert np.isnan(evaluate(run, episodes=1)["stochastic"].standard_error)


def test_plots_are_written(run, tmp_path):
    pytest.importorskip("matplotlib")
    for runs in ([run], [run, run]):
        path = plot(runs, tmp_path / "curves.png")
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_run_that_cannot_be_plotted_says_why(run, tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ck.FormatError, match="not a run folder"):
        plot([tmp_path], tmp_path / "curves.png")
    (tmp_path / "config.json").write_text((run / "config.json").read_text())
    with pytest.raises(ck.FormatError, match="not a run folder"):
        plot([tmp_path], tmp_path / "curves.png")
    header = (run / "progress.csv").read_text().splitlines()[0]
    for text, message in ((header + "\n", "nothing to plot"), ("a,b\n1,2\n", "columns"), ("", "columns"),
                          (header + "\n1,2\n", "progress.csv"), (header + "\n" + ",".join("x" * 18) + "\n", "float")):
        (tmp_path / "progress.csv").write_text(text)
        with pytest.raises(ck.FormatError, match=message):
            plot([tmp_path], tmp_path / "curves.png")
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(ck.FormatError, match=r"config\.json"):
        plot([tmp_path], tmp_path / "curves.png")
    for bad in (tmp_path / "no" / "such" / "folder.png", tmp_path / "curves.unknown"):
        with pytest.raises(ck.ProblemError, match="out = "):
            plot([run], bad)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_cartpole_is_solved_within_60k_steps(seed, tmp_path):
    result = train(TrpoConfig.for_env("CartPole-v1", steps=100_000, seed=seed), tmp_path / "run")
    assert result.solved_at is not None
    assert result.solved_at <= 60_000
    assert result.records[-1].mean_return_100 >= 475
    assert all(record.kl <= 0.01 for record in result.records)
