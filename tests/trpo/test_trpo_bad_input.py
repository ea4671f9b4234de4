"""Hostile settings and environments: a clear message or an ordinary outcome, and the last good checkpoint intact."""

import re
from dataclasses import replace

import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo import checkpoint
from case_studies.trpo.__main__ import main
from case_studies.trpo.checkpoint import load
from case_studies.trpo.config import TrpoConfig
from case_studies.trpo.training import Trainer, resume, train

gymnasium = pytest.importorskip("gymnasium")

SHORT = TrpoConfig(steps=1200, batch_size=400, envs=2, hidden=(8,))


@pytest.fixture
def registered():
    """Registers an environment class under an id, and forgets it afterwards."""
    names = []

    def register(name, entry_point):
        gymnasium.register(name, entry_point=entry_point)
        names.append(name)
        return name

    yield register
    for name in names:
        del gymnasium.registry[name]


class Still(gymnasium.Env):
    """One state, for ever; episodes of four steps. Action 1 earns 1."""

    def __init__(self):
        self.observation_space = gymnasium.spaces.Box(0, 1, (1,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.full(1, 0.5, np.float32), {}

    def step(self, action):
        self.t += 1
        return np.full(1, 0.5, np.float32), float(action), False, self.t == 4, {}


def test_a_batch_of_one_state_is_learnt_from(registered, tmp_path):
    name = registered("Still-v0", Still)
    result = train(replace(SHORT, env=name, steps=40_000, max_kl=0.05), tmp_path / "run")
    assert result.records[-1].mean_return_100 > 3.8  # of 4
    assert all(record.kl <= 0.05 for record in result.records)


@pytest.mark.parametrize("max_kl", [1e-30, 1e-12, 1e6, 1e30])
def test_a_tiny_or_huge_trust_region_is_an_ordinary_run(max_kl, tmp_path):
    result = train(replace(SHORT, max_kl=max_kl), tmp_path / "run")
    for record in result.records:
        assert np.isfinite(record.kl)
        assert record.kl <= max_kl
        assert record.surrogate_gain >= 0
    assert np.isfinite(result.theta).all()


def test_equal_advantages_leave_the_policy_bitwise_unchanged(tmp_path):
    trainer = Trainer(SHORT)
    before = trainer.theta.tobytes()
    observations = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    outputs = trainer.policy.outputs(trainer.theta, observations)
    for algorithm in ("trpo", "npg", "vpg"):
        trainer.config = replace(SHORT, algorithm=algorithm)
        update = trainer._improve(observations, np.zeros(50, int), np.zeros(50), outputs)
        assert not update.success
        assert update.theta.tobytes() == before
        assert update.message == "the gradient is zero."
    trainer.close()


@pytest.mark.parametrize(("what", "seen", "reward"), [("a reward", 0.0, np.nan), ("an observation", np.inf, 1.0)])
def test_what_is_not_finite_stops_the_run_and_keeps_the_checkpoint(what, seen, reward, tmp_path, monkeypatch, capsys):
    from gymnasium.envs.classic_control import CartPoleEnv

    train(replace(SHORT, steps=800), tmp_path / "run")
    before = (tmp_path / "run" / "checkpoint.npz").read_bytes()
    step, count = CartPoleEnv.step, iter(range(10**6))

    def broken(self, action):
        observation, _, *rest = step(self, action)
        fine = next(count) < 160  # at least what it takes to get the environments to where they stood
        return (observation, 1.0, *rest) if fine else (observation + np.float32(seen), reward, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(CartPoleEnv, "step", broken)
        assert main(["resume", str(tmp_path / "run"), "--steps", "1200"]) == 1
    message = capsys.readouterr().err
    # Two batches of 200 steps for each of two environments are done.
    found = re.search(rf"\(CartPole-v1\) returned {what} that is not finite in its step (\d+);", message)
    assert 400 < int(found.group(1)) <= 600
    assert (tmp_path / "run" / "checkpoint.npz").read_bytes() == before
    resume(tmp_path / "run", steps=1200)
    assert load(tmp_path / "run" / "checkpoint.npz").iteration == 3


def test_a_disk_that_fills_up_leaves_the_last_good_checkpoint(tmp_path, monkeypatch, capsys):
    train(replace(SHORT, steps=800), tmp_path / "run")
    whole = tmp_path / "whole"
    train(SHORT, whole)
    before = (tmp_path / "run" / "checkpoint.npz").read_bytes()

    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.np, "savez", full)
        assert main(["resume", str(tmp_path / "run"), "--steps", "1200"]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert (tmp_path / "run" / "checkpoint.npz").read_bytes() == before
    resume(tmp_path / "run", steps=1200)
    assert (tmp_path / "run" / "checkpoint.npz").read_bytes() == (whole / "checkpoint.npz").read_bytes()
    assert (tmp_path / "run" / "progress.csv").read_bytes() == (whole / "progress.csv").read_bytes()


def test_a_missing_physics_engine_names_the_extra(tmp_path, capsys, monkeypatch):
    def missing(*arguments, **options):
        raise gymnasium.error.DependencyNotInstalled('MuJoCo is not installed, run `pip install "gymnasium[mujoco]"`')

    monkeypatch.setattr(gymnasium, "make", missing)
    assert main(["train", "--env", "Hopper-v5", "--out", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: --env = 'Hopper-v5' cannot be made: MuJoCo is not installed")
    assert "pip install 'convexkit[trpo]'" in message
    assert not (tmp_path / "run").exists()


class Levers(Still):
    """Two switches and a dial; earns 1 for the right setting of all three."""

    def __init__(self, binary):
        super().__init__()
        self.action_space = gymnasium.spaces.MultiBinary(2) if binary else gymnasium.spaces.MultiDiscrete([2, 3])
        self.right = [1, 0] if binary else [1, 2]

    def step(self, action):
        assert self.action_space.contains(action)
        seen, _, *rest = super().step(0)
        return seen, float(list(action) == self.right), *rest


@pytest.mark.parametrize("binary", [True, False], ids=["MultiBinary", "MultiDiscrete"])
def test_combined_actions_are_learnt(binary, registered, tmp_path):
    name = registered("Levers-v0", lambda **_: Levers(binary))
    result = train(replace(SHORT, env=name, steps=20_000, max_kl=0.05), tmp_path / "run")
    assert result.records[0].mean_return_100 < 2
    assert result.records[-1].mean_return_100 > 3.5  # of 4
    resume(tmp_path / "run", steps=20_400)


def test_a_checkpoint_of_another_version_says_so(tmp_path):
    train(replace(SHORT, steps=400), tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.npz"
    with np.load(path, allow_pickle=False) as data:
        stored = {key: data[key] for key in data.files}
    np.savez(path, **(stored | {"format": 1}))
    with pytest.raises(ck.FormatError, match="format 1; this version reads 2"):
        resume(tmp_path / "run")
