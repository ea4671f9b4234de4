"""The benchmarks of the case study run, in their quick form, and write what they say."""

import csv
import importlib
import sys

import pytest

pytest.importorskip("gymnasium")


def quick(name, out, monkeypatch, *arguments):
    """The rows of one table after a quick run; the environment variables that the script sets are forgotten."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")
    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments, "--out", str(out)])
    module.main()


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_step_is_timed_after_its_products_were_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    quick("trpo_step", tmp_path, monkeypatch, "--quick")
    assert "torch is not installed: its rows are left out." in capsys.readouterr().out
    table = rows(tmp_path / "trpo_step.csv")
    assert {(row["what"], row["method"]) for row in table} == {
        ("fisher product", "convexkit"), ("fisher product", "autograd double backward"),
        ("ten CG iterations", "convexkit"), ("update", "convexkit")}
    assert all(float(row["median_ms"]) > 0 for row in table)


def test_a_race_without_the_peer_has_our_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sb3_contrib", None)
    quick("trpo_speed", tmp_path, monkeypatch, "--quick")
    assert "sb3-contrib is not installed" in capsys.readouterr().out
    (row,) = rows(tmp_path / "trpo_speed.csv")
    assert (row["method"], row["env"], row["steps"]) == ("convexkit", "CartPole-v1", "4096")
    assert float(row["steps_per_cpu_second"]) > 500


def test_the_value_fit_is_measured_beside_adam(tmp_path, monkeypatch):
    quick("trpo_value_fit", tmp_path, monkeypatch, "--quick")
    table = rows(tmp_path / "trpo_value_fit.csv")
    assert [row["method"] for row in table] == ["Gauss-Newton, 1 pass", "Gauss-Newton, 2 passes", "Adam, 20 epochs"]
    assert 0 < float(table[0]["share"]) < 1
    assert all(float(row["after"]) > float(row["ahead"]) for row in table)


def test_results_of_a_seed_replace_its_earlier_ones_and_leave_the_others(tmp_path, monkeypatch):
    arguments = ["--env", "CartPole-v1", "--steps", "2000", "--episodes", "2", "--runs", str(tmp_path / "runs")]
    quick("trpo_results", tmp_path, monkeypatch, *arguments, "--seeds", "2")
    quick("trpo_results", tmp_path, monkeypatch, *arguments, "--seeds", "1", "--first-seed", "1", "--steps", "3000")
    assert [(row["seed"], row["steps"]) for row in rows(tmp_path / "returns.csv")] == [("0", "2000"), ("1", "3000")]
    curve = rows(tmp_path / "curves_CartPole-v1.csv")
    assert [(row["seed"], row["env_steps"]) for row in curve] == [
        ("0", "1000"), ("0", "2000"), ("1", "1000"), ("1", "2000"), ("1", "3000")]
