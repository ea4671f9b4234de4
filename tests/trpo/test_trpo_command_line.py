import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from case_studies.trpo.__main__ import main
from case_studies.trpo.config import TrpoConfig

pytest.importorskip("gymnasium")

SHORT = ["--steps", "4000", "--batch-size", "1000", "--hidden", "16"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "cartpole"
    assert main(["train", "--env", "CartPole-v1", *SHORT, "--seed", "0", "--out", str(folder)]) == 0
    return folder


def fails(capsys, *arguments):
    """The one line that a command prints before it ends with exit code 2."""
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    return err


def test_train_evaluate_and_plot(run, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert len((run / "progress.csv").read_text().splitlines()) == 5
    assert main(["evaluate", str(run), "--episodes", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert lines[0].startswith("stochastic: ")
    assert lines[1].startswith("deterministic: ")
    assert all("±" in line and "3 episodes" in line for line in lines)
    picture = tmp_path / "curves.png"
    assert main(["plot", str(run), str(run), "--out", str(picture)]) == 0
    assert picture.stat().st_size > 1000


def test_train_says_how_it_ended(tmp_path, capsys):
    assert main(["train", *SHORT, "--out", str(tmp_path / "run")]) == 0
    out, err = capsys.readouterr()
    assert "CartPole-v1: 4000 steps" in out
    assert "Not solved" in out
    assert err == ""  # no progress bar where nobody watches
    assert main(["train", *SHORT, "--out", str(tmp_path / "quiet"), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("env", ["Nope-v1", "nope", "CartPole-v99", "no_such_module:Env-v0", "HalfCheetah-v3", ""])
def test_an_unknown_environment_is_named(env, tmp_path, capsys):
    assert "--env" in fails(capsys, "train", "--env", env, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unsupported_action_space_is_named(tmp_path, capsys):
    import gymnasium

    from .toys import Countdown

    class Buttons(Countdown):
        def __init__(self):
            super().__init__()
            self.action_space = gymnasium.spaces.Text(3)

    gymnasium.register("Buttons-v0", entry_point=Buttons)
    try:
        message = fails(capsys, "train", "--env", "Buttons-v0", "--out", tmp_path / "run")
    finally:
        del gymnasium.registry["Buttons-v0"]
    assert "--env = 'Buttons-v0' has actions of type Text" in message
    assert not (tmp_path / "run").exists()


def test_an_output_folder_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("kept")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        assert "--out" in fails(capsys, "train", *SHORT, "--out", out)
    assert (tmp_path / "file").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_no_folder(tmp_path, capsys, monkeypatch):
    from case_studies.trpo import checkpoint

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "replace", full)
    message = fails(capsys, "train", *SHORT, "--out", tmp_path / "run")
    assert "--out" in message
    assert "No space left on device" in message
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_on_its_way_ends_with_code_1(tmp_path, capsys, monkeypatch):
    from gymnasium.envs.classic_control import CartPoleEnv

    step = CartPoleEnv.step

    def unpaid(self, action):
        seen, _, *rest = step(self, action)
        return seen, np.nan, *rest

    monkeypatch.setattr(CartPoleEnv, "step", unpaid)
    assert main(["train", *SHORT, "--out", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == ("error: environment 0 (CartPole-v1) returned a reward that is not finite in its "
                                       "step 1; training cannot continue.\n")


def test_a_disk_that_fills_up_ends_with_code_1(tmp_path, capsys, monkeypatch):
    from case_studies.trpo import checkpoint

    def full(*arguments, **arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.np, "savez", full)
    assert main(["train", *SHORT, "--out", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == "error: [Errno 28] No space left on device\n"


def test_an_existing_run_is_refused(run, capsys):
    before = {path: path.read_bytes() for path in run.iterdir()}
    assert "--out" in fails(capsys, "train", *SHORT, "--out", run)
    assert {path: path.read_bytes() for path in run.iterdir()} == before


@pytest.mark.parametrize(("option", "value"), [("--gamma", "2"), ("--max-kl", "-1"), ("--steps", "10"),
                                               ("--hidden", "0"), ("--seed", "-1"), ("--batch-size", "3")])
def test_a_setting_out_of_range_is_named_as_it_was_typed(option, value, tmp_path, capsys):
    assert option in fails(capsys, "train", option, value, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_no_run_is_refused(run, tmp_path, capsys):
    assert str(tmp_path) in fails(capsys, "evaluate", tmp_path)
    assert str(tmp_path) in fails(capsys, "plot", tmp_path, "--out", tmp_path / "curves.png")
    assert "--episodes" in fails(capsys, "evaluate", run, "--episodes", "0")
    assert "seed" in fails(capsys, "evaluate", run, "--seed", "-1")
    assert "--out" in fails(capsys, "plot", run, "--out", tmp_path / "no" / "curves.png")


@pytest.mark.parametrize("arguments", [[], ["train"], ["train", "--out", "x", "--steps", "many"], ["fly"]])
def test_bad_usage_ends_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    capsys.readouterr()


def test_help_shows_the_words_of_the_settings(capsys):
    with pytest.raises(SystemExit) as error:
        main(["train", "--help"])
    assert error.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for setting in fields(TrpoConfig):
        assert setting.metadata["sentence"] in text
        assert "--" + setting.name.replace("_", "-") in text


def test_missing_gymnasium_names_the_extra(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    assert "pip install 'convexkit[trpo]'" in fails(capsys, "train", *SHORT, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_missing_matplotlib_names_the_extra(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    assert "pip install 'convexkit[plot]'" in fails(capsys, "plot", run, "--out", tmp_path / "curves.png")


def test_threads_and_bars_are_optional(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["train", *SHORT, "--out", str(tmp_path / "run")]) == 0


def test_a_terminal_sees_a_bar(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["train", *SHORT, "--out", str(tmp_path / "run")]) == 0
    assert "episodes=" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_an_interrupt_ends_with_code_130_and_a_valid_run(tmp_path):
    from case_studies.trpo.checkpoint import load
    from case_studies.trpo.run_folder import read_progress

    folder = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-m", "case_studies.trpo", "train", "--steps", "10000000",
                                "--batch-size", "1000", "--hidden", "16", "--out", str(folder)],
                               cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    progress, patience = folder / "progress.csv", time.monotonic() + 60
    while not progress.exists() or progress.read_text().count("\n") < 3:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < patience
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Interrupted" in out
    assert "Traceback" not in err
    # A row is written before its checkpoint; an interrupt may fall between the two.
    assert len(read_progress(folder)["iteration"]) - load(folder / "checkpoint.npz").iteration in (0, 1)
