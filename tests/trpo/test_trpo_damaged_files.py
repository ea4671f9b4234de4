"""A damaged run folder is refused by name and entry, never with a traceback or a silent wrong answer."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("gymnasium")

import convexkit as ck
from case_studies.trpo import checkpoint
from case_studies.trpo.config import TrpoConfig
from case_studies.trpo.run_folder import read_config, read_progress
from case_studies.trpo.training import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(TrpoConfig(env="CartPole-v1", steps=400, envs=1, batch_size=200, hidden=(8,)), folder)
    return folder


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def rewritten(path, **changes):
    with np.load(path, allow_pickle=False) as data:
        stored = {key: data[key] for key in data.files}
    np.savez(path, **(stored | changes))


@pytest.mark.parametrize(("changes", "words"), [
    ({"theta": np.full(50, np.nan, dtype=np.float32)}, "'theta' holds numbers that are not finite"),
    ({"theta": np.zeros((2, 2))}, r"'theta' has type float64 and shape \(2, 2\); expected numbers in 1 dim"),
    ({"squares": np.zeros(3)}, r"'mean' has shape \(4,\), 'squares' \(3,\)"),
    ({"squares": np.array("many")}, "'squares' has type <U4"),
    ({"value_weights": np.array("none")}, "'value_weights' has type <U4"),
    ({"config": np.array("{}")}, "'config' holds no settings"),
    ({"config": np.array(1.5)}, "'config' has type float64 and shape .* expected text"),
    ({"count": np.array("{}")}, "'count' has type <U2"),
    ({"format": np.array(1)}, "format 1; this version reads 2"),
    ({"standing_lengths": np.array([1, 2])}, r"'standing_lengths' has shape \(2,\); 1 environments need \(1,\)"),
    ({"standing_lengths": np.array([10**6])}, r"'standing_lengths' \[1000000\] do not add up"),
    ({"standing_actions": np.array(["left"])}, "'standing_actions' has type <U4"),
    ({"standing_observations": np.zeros((1, 3))}, r"'standing_observations' has shape \(1, 3\)"),
    ({"recent": np.zeros((2, 2))}, "'recent' has type float64"),
])
def test_a_damaged_entry_of_a_checkpoint_is_named(run, changes, words):
    path = run / "checkpoint.npz"
    rewritten(path, **changes)
    with pytest.raises(ck.FormatError, match=words) as caught:
        checkpoint.load(path)
    assert str(caught.value).count("checkpoint.npz") == 1


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_checkpoint_is_refused_without_bad_advice(run, content):
    path = run / "checkpoint.npz"
    path.write_bytes(content)
    with pytest.raises(ck.FormatError, match="not a checkpoint, or a damaged one") as caught:
        checkpoint.load(path)
    assert "pickle" not in str(caught.value)


def test_a_cut_row_of_progress_is_named_by_its_line(run):
    path = run / "progress.csv"
    path.write_text(path.read_text().rstrip("\n").rsplit(",", 3)[0] + "\n")
    with pytest.raises(ck.FormatError, match=r"line 3 has 15 entries; expected 18"):
        read_progress(run)


def test_settings_that_are_a_list_are_refused(run):
    (run / "config.json").write_text("[1, 2]")
    with pytest.raises(ck.FormatError, match="holds a list, not the settings of a run"):
        read_config(run)
