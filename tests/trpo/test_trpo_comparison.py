"""Groups of runs: tables, bands and films."""

from dataclasses import replace

import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo.__main__ import main
from case_studies.trpo.comparison import bootstrap_interval, compare, groups, interquartile_mean
from case_studies.trpo.config import TrpoConfig
from case_studies.trpo.evaluation import Evaluation
from case_studies.trpo.plots import plot
from case_studies.trpo.recording import record
from case_studies.trpo.training import train

gymnasium = pytest.importorskip("gymnasium")

SHORT = TrpoConfig(steps=2000, batch_size=500, envs=2, hidden=(8,))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1, 2):
        train(replace(SHORT, seed=seed), folder / f"trpo{seed}")
    train(replace(SHORT, algorithm="npg", steps=1000), folder / "npg0")
    return [folder / name for name in ("trpo0", "npg0", "trpo1", "trpo2")]


def test_runs_that_differ_in_seed_or_budget_only_are_one_group(runs):
    trpo, npg = groups(runs)
    assert (trpo.seeds, npg.seeds) == (3, 1)
    assert trpo.label == "CartPole-v1 algorithm=trpo"
    steps, returns = trpo.curves()
    assert steps.tolist() == [500, 1000, 1500, 2000]
    assert returns.shape == (3, 4)


def test_the_table_has_the_numbers_of_the_runs(runs):
    header, trpo, npg = compare(runs).splitlines()
    assert header.split() == ["runs", "seeds", "steps", "mean", "IQM", "95", "%", "interval", "worst", "best", "steps",
                              "to", "goal"]
    final = groups(runs)[0].curves()[1][:, -1]
    cells = trpo.split()
    assert cells[2:5] == ["3", "2000", f"{final.mean():.1f}"]
    assert f"{final.min():.1f}" in cells
    assert "(0 of 3)" in trpo
    assert "(0 of 1)" in npg


def test_the_goal_is_counted_over_a_full_window(runs, monkeypatch, tmp_path):
    monkeypatch.setattr(gymnasium.spec("CartPole-v1"), "reward_threshold", 1.0)
    train(replace(SHORT, steps=8000), tmp_path / "longer")
    (group,) = groups([tmp_path / "longer"])
    episodes, steps = (group.progress[0][name] for name in ("episodes", "env_steps"))
    first = steps[episodes >= 100][0]
    assert first > steps[0]
    assert compare([tmp_path / "longer"]).endswith(f" {first:.0f} (1 of 1)")
    monkeypatch.setattr(gymnasium.spec("CartPole-v1"), "reward_threshold", None)
    assert compare(runs[:1]).endswith(" -")


def test_the_interquartile_mean_is_that_of_the_middle_half():
    values = np.random.default_rng(0).standard_normal(8)
    assert interquartile_mean(values) == pytest.approx(np.sort(values)[2:6].mean())
    # Five runs: the middle 2.5 of them, the second and the fourth by three quarters each.
    assert interquartile_mean(np.array([-99.0, 1.0, 2.0, 4.0, 99.0])) == pytest.approx((0.75 + 2 + 3) / 2.5)
    assert interquartile_mean(np.array([7.0])) == 7.0


def test_the_bootstrap_interval_covers_its_mean_and_does_not_change():
    values = np.random.default_rng(1).standard_normal((10, 3))
    low, high = bootstrap_interval(values)
    assert (low < interquartile_mean(values)).all()
    assert (interquartile_mean(values) < high).all()
    np.testing.assert_array_equal(bootstrap_interval(values), (low, high))


def test_several_seeds_are_drawn_with_a_band(runs, tmp_path):
    pytest.importorskip("matplotlib")
    assert plot(runs, tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_confidence_interval_of_an_evaluation_is_student_s():
    from scipy import stats

    returns = np.random.default_rng(0).normal(5.0, 2.0, 12)
    expected = stats.t.interval(0.95, 11, loc=returns.mean(), scale=stats.sem(returns))
    np.testing.assert_allclose(Evaluation(returns).interval(), expected, rtol=1e-10)
    assert np.isnan(Evaluation(returns[:1]).interval()).all()


# Films

def test_a_film_is_made_without_a_display(runs, tmp_path, capsys, monkeypatch):
    from PIL import Image

    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    for name, form in (("film.gif", "GIF"), ("film.png", "PNG")):
        assert main(["record", str(runs[0]), "--out", str(tmp_path / name), "--frames", "6"]) == 0
        assert "6 frames, the start of an episode" in capsys.readouterr().out
        with Image.open(tmp_path / name) as film:
            assert film.format == form
            assert film.size == (600, 400)
            assert film.n_frames > 1
    film = record(runs[0], tmp_path / "whole.gif", stochastic=True, seed=3)
    assert film.whole
    assert film.total_return == film.frames


def test_a_film_that_cannot_be_made_says_why(runs, tmp_path, monkeypatch):
    from gymnasium.envs.classic_control import CartPoleEnv

    with pytest.raises(ck.ProblemError, match=r"must end in one of \.gif"):
        record(runs[0], tmp_path / "film.mp4")
    with pytest.raises(ck.FormatError, match="no such file"):
        record(tmp_path, tmp_path / "film.gif")
    with pytest.raises(ck.ProblemError, match="cannot be written"):
        record(runs[0], tmp_path / "no" / "film.gif", frames=1)

    def dark(self):
        raise RuntimeError("no light")

    with monkeypatch.context() as patch:
        patch.setattr(CartPoleEnv, "render", dark)
        with pytest.raises(ck.ProblemError, match="CartPole-v1' cannot be rendered here: no light"):
            record(runs[0], tmp_path / "film.gif")
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ck.MissingDependencyError, match="pillow"):
        record(runs[0], tmp_path / "film.gif")
