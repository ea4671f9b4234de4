"""A run in parts is the run in one piece, bit for bit, however a part came to its end."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo.__main__ import main
from case_studies.trpo.checkpoint import load
from case_studies.trpo.config import TrpoConfig
from case_studies.trpo.training import resume, train

gymnasium = pytest.importorskip("gymnasium")

SHORT = TrpoConfig(steps=3000, batch_size=500, envs=3, hidden=(16,))
SAME = ("progress.csv", "checkpoint.npz", "config.json")


def contents(run):
    return {name: (run / name).read_bytes() for name in SAME}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(SHORT, folder)
    return folder


@pytest.fixture
def half(tmp_path):
    folder = tmp_path / "half"
    train(replace(SHORT, steps=1500), folder)
    return folder


def test_two_halves_are_the_whole(whole, half):
    result = resume(half, steps=SHORT.steps)
    assert contents(half) == contents(whole)
    assert [record.iteration for record in result.records] == [1, 2, 3, 4, 5, 6]
    assert result.strayed == []


@pytest.mark.parametrize("settings", [
    {"env": "Pendulum-v1", "gamma": 0.9, "batch_size": 300, "envs": 2},
    {"env": "LunarLander-v3", "batch_size": 500, "envs": 2},
    {"env": "Hopper-v5", "batch_size": 300, "envs": 1},
    {"algorithm": "npg", "metric_share": 0.3},
    {"algorithm": "vpg"},
    {"anneal_steps": 2500},
    {"env": "Pendulum-v1", "batch_size": 300, "noise_steps": 1000},
    {"adaptive_damping": True, "activation": "relu", "normalize_observations": False},
], ids=lambda settings: settings.get("env", settings.get("algorithm", "adaptive")))
def test_two_halves_are_the_whole_with_other_environments_and_settings(settings, tmp_path):
    config = replace(SHORT, hidden=(8,), **settings)
    train(replace(config, steps=4 * config.batch_size), tmp_path / "whole")
    train(replace(config, steps=2 * config.batch_size), tmp_path / "half")
    resume(tmp_path / "half", steps=4 * config.batch_size)
    assert contents(tmp_path / "half") == contents(tmp_path / "whole")


def test_an_interrupted_run_is_finished_without_being_told_its_length(whole, tmp_path):
    def stop(record):
        if record.iteration == 2:
            raise KeyboardInterrupt

    train(SHORT, tmp_path / "run", callback=stop)
    resume(tmp_path / "run")
    assert contents(tmp_path / "run") == contents(whole)


def test_a_finished_run_has_nothing_left_to_do(whole, tmp_path, capsys):
    run = shutil.copytree(whole, tmp_path / "run")
    assert main(["resume", str(run)]) == 0
    assert "nothing left to do" in capsys.readouterr().out
    assert contents(run) == contents(whole)


def test_rows_that_no_checkpoint_knows_of_are_dropped(whole, half):
    # Killed after a row was written, or in the middle of one, and before the checkpoint.
    for excess in (b"4,2000,1,2,3,4,5,6,7,8,converged,9,10,11,12,13,14,15\n", b"4,2000,1"):
        run = shutil.copytree(half, half.parent / f"run{len(excess)}")
        with open(run / "progress.csv", "ab") as file:
            file.write(excess)
        resume(run, steps=SHORT.steps)
        assert contents(run) == contents(whole)


def test_what_a_killed_write_leaves_behind_does_no_harm(whole, half):
    (half / ".checkpoint.npz.part").write_bytes(b"half a checkpoint")
    resume(half, steps=SHORT.steps)
    assert contents(half) == contents(whole)
    assert not (half / ".checkpoint.npz.part").exists()


def test_a_missing_timing_file_is_no_obstacle(whole, half):
    (half / "timing.csv").unlink()
    resume(half, steps=SHORT.steps)
    assert contents(half) == contents(whole)


def test_a_total_below_what_was_made_is_refused(half, capsys):
    before = contents(half)
    assert main(["resume", str(half), "--steps", "1000"]) == 2
    made = load(half / "checkpoint.npz").env_steps
    assert f"--steps = 1000 is less than the {made} steps that the run has made" in capsys.readouterr().err
    assert contents(half) == before


def test_progress_of_another_run_is_refused(half):
    rows = (half / "progress.csv").read_text().splitlines(keepends=True)
    (half / "progress.csv").write_text("".join(rows[:2]))
    with pytest.raises(ck.FormatError, match="its rows are not the 3 iterations"):
        resume(half, steps=SHORT.steps)


def test_a_checkpoint_of_another_environment_is_refused(half):
    with np.load(half / "checkpoint.npz", allow_pickle=False) as data:
        stored = {key: data[key] for key in data.files}
    other = str(stored["config"]).replace("CartPole-v1", "Acrobot-v1")
    np.savez(half / "checkpoint.npz", **(stored | {"config": other}))
    with pytest.raises(ck.FormatError, match=r"theta has shape .* Acrobot-v1 needs"):
        resume(half, steps=SHORT.steps)
    np.savez(half / "checkpoint.npz", **(stored | {"value_weights": np.zeros(3, np.float32)}))
    with pytest.raises(ck.FormatError, match=r"value_weights has shape \(3,\)"):
        resume(half, steps=SHORT.steps)


def test_a_run_that_strayed_says_so(half, monkeypatch, capsys):
    from gymnasium.envs.classic_control import CartPoleEnv

    reset = CartPoleEnv.reset

    def restless(self, *, seed=None, options=None):
        return reset(self, seed=None if seed is None else seed + 1, options=options)

    monkeypatch.setattr(CartPoleEnv, "reset", restless)
    assert main(["resume", str(half), "--steps", "2000"]) == 0
    assert "Environments [0, 1, 2] did not repeat their episode" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="sends SIGKILL")
def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path):
    config = TrpoConfig.for_env("CartPole-v1", batch_size=300, steps=300_000, envs=2, hidden=(16,))
    options = ["--batch-size", "300", "--steps", "300000", "--envs", "2", "--hidden", "16"]
    run = tmp_path / "run"
    command = [sys.executable, "-m", "case_studies.trpo", "train", *options, "--out", str(run)]
    for kill in range(3):
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        patience, before = time.monotonic() + 60, _iteration(run)
        while _iteration(run) < before + 3:
            assert process.poll() is None
            assert time.monotonic() < patience
            time.sleep(0.01 + 0.003 * kill)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        command = [sys.executable, "-m", "case_studies.trpo", "resume", str(run)]
        rows = (run / "progress.csv").read_bytes().count(b"\n") - 1
        assert rows - load(run / "checkpoint.npz").iteration in (0, 1)
    steps = (load(run / "checkpoint.npz").iteration + 1) * 300
    resume(run, steps=steps)
    train(replace(config, steps=steps), tmp_path / "whole")
    assert contents(run) == contents(tmp_path / "whole")


def _iteration(run):
    try:
        return load(run / "checkpoint.npz").iteration
    except ck.FormatError:
        return -1
