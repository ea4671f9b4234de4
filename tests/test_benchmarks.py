"""The benchmark runs, checks every answer before it keeps a time, and explains bad input."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cg_vs_dense


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The folder of one quick run, and what it printed."""
    out = tmp_path_factory.mktemp("cg_vs_dense")
    root = str(Path(cg_vs_dense.__file__).parents[1])
    run = subprocess.run([sys.executable, cg_vs_dense.__file__, "--quick", "--out", str(out / "new")], check=False,
                         capture_output=True, text=True, encoding="utf-8", cwd=root,
                         env={**os.environ, "PYTHONPATH": root, "PYTHONIOENCODING": "utf-8"})
    assert run.returncode == 0, run.stderr
    return out / "new", run.stdout


def test_a_quick_run_writes_one_row_for_each_problem_size_condition_accuracy_and_method(quick):
    out, _ = quick
    rows = cg_vs_dense.read_csv(out / "cg_vs_dense.csv")
    with open(out / "cg_vs_dense.csv", newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == cg_vs_dense.COLUMNS
    keys = [(row["problem"], row["n"], row["condition"], row["accuracy"], row["method"]) for row in rows]
    assert len(set(keys)) == len(keys)
    problems, sizes, accuracies = 4, len(cg_vs_dense.QUICK["sizes"]), len(cg_vs_dense.QUICK["accuracies"])
    # Three iterative methods at each accuracy, Cholesky and the bare product once.
    assert len(rows) == problems * sizes * (3 * accuracies + 2)


def test_a_row_has_a_time_if_and_only_if_its_answer_passed_the_tolerance(quick):
    rows = cg_vs_dense.read_csv(quick[0] / "cg_vs_dense.csv")
    for row in rows:
        assert np.isfinite(row["median_s"]) == (row["status"] == "converged") == (row["repeats"] > 0)
        if row["status"] == "converged":
            assert row["residual"] <= row["accuracy"]
            assert 0 < row["quartile1_s"] <= row["median_s"] <= row["quartile3_s"]
        assert row["numpy"] == np.__version__
        assert row["threads"] in ("1", "unknown")
    assert any(row["status"] == "iteration_limit" for row in rows), "a run that was given up is reported"


def test_a_quick_run_prints_the_table_the_crossovers_and_the_cost_of_an_iteration(quick):
    out, text = quick
    assert "Where conjugate gradient overtakes the dense solve:" in text
    assert text.count("wins") == len([line for line in text.splitlines() if "accuracy" in line and "κ" in line])
    assert "One CG iteration costs" in text
    assert str(out / "cg_vs_dense.csv") in text


def test_a_quick_run_draws_the_picture(quick):
    pytest.importorskip("matplotlib")
    assert (quick[0] / "cg_vs_dense.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("problem", ["log-uniform", "clustered", "scaled"])
def test_problems_are_symmetric_positive_definite_with_the_stated_condition(problem):
    A, b = cg_vs_dense.make_problem(problem, 40, 100.0, np.random.default_rng(0))
    np.testing.assert_array_equal(A, A.T)
    eigenvalues = np.linalg.eigvalsh(A)
    assert b.shape == (40,)
    if problem == "scaled":
        assert eigenvalues[0] > 0
        return
    assert eigenvalues[-1] / eigenvalues[0] == pytest.approx(100.0, rel=0.03)
    assert eigenvalues[0] == pytest.approx(1.0, rel=0.02)
    assert abs(A - np.diag(A.diagonal())).max() > 0.1, "dense"


def test_an_inaccurate_answer_is_never_timed(monkeypatch):
    honest = cg_vs_dense.solve

    def sloppy(A, b, method, accuracy, maxiter):
        x, iterations, status = honest(A, b, method, accuracy, maxiter)
        return (x * (1 + 1e-3), iterations, status) if method == "cg" else (x, iterations, status)

    monkeypatch.setattr(cg_vs_dense, "solve", sloppy)
    A, b = cg_vs_dense.make_problem("log-uniform", 30, 10.0, np.random.default_rng(0))
    rows = cg_vs_dense.measure(A, b, [1e-1, 1e-6], 2)
    statuses = {(row["method"], row["accuracy"]): (row["status"], row["repeats"] > 0) for row in rows}
    assert statuses["cg", 1e-6] == ("inaccurate", False)
    assert statuses["cg", 1e-1] == ("converged", True)
    assert statuses["cholesky", 1e-6] == statuses["scipy-cg", 1e-6] == ("converged", True)


def line(sizes, seconds):
    return [{"n": n, "median_s": s, "status": "converged" if np.isfinite(s) else "iteration_limit"}
            for n, s in zip(sizes, seconds, strict=True)]


@pytest.mark.parametrize(("cg_seconds", "words"), [
    # Cholesky costs n³ and CG 100·n² units: equal at n = 100, whatever the measured sizes.
    ([100 * n**2 for n in (50, 200, 400)], "CG wins from n ≈ 100 (4× faster at n = 400)"),
    ([1.0, 1.0, 1.0], "CG wins throughout, from n = 50"),
    ([1000 * n**2 for n in (50, 200, 400)], "Cholesky wins throughout, up to n = 400 (by 2.5×)"),
    ([np.nan, 1.0, 1.0], "CG wins from n ≤ 200"),
    ([1.0, 1.0, np.nan], "Cholesky wins throughout, up to n = 400 (CG: iteration_limit)"),
])
def test_the_crossover_is_interpolated_between_measured_sizes(cg_seconds, words):
    sizes = (50, 200, 400)
    assert cg_vs_dense.crossover(line(sizes, [n**3 for n in sizes]), line(sizes, cg_seconds)).startswith(words)


def test_where_cholesky_itself_fails_nobody_wins():
    assert "Cholesky itself" in cg_vs_dense.crossover(line([2], [np.nan]), line([2], [1.0]))


@pytest.mark.parametrize(("arguments", "words"), [
    (["--sizes", "1"], "--sizes must lie between 2 and 20000"), (["--conditions", "0.5"], "--conditions must lie"),
    (["--conditions", "nan"], "--conditions must lie"), (["--accuracies", "1"], "--accuracies must lie"),
    (["--repeats", "0"], "--repeats must lie"), (["--threads", "0"], "--threads must lie"),
    (["--seed", "-1"], "--seed must lie"),
])
def test_bad_options_give_one_message_and_a_nonzero_exit(arguments, words, tmp_path, capsys):
    assert cg_vs_dense.main(["--out", str(tmp_path / "out"), *arguments]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_unwritable_folder_gives_one_message_and_a_nonzero_exit(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert cg_vs_dense.main(["--quick", "--out", str(tmp_path / "file" / "out")]) == 2
    message = capsys.readouterr().err
    assert "cannot write to" in message
    assert message.count("\n") == 1


def test_a_missing_matplotlib_skips_the_picture_and_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    arguments = ["--sizes", "8", "16", "--conditions", "10", "--accuracies", "1e-6", "--repeats", "1"]
    assert cg_vs_dense.main(["--out", str(tmp_path), *arguments]) == 0
    assert "matplotlib is not installed" in capsys.readouterr().out
    assert (tmp_path / "cg_vs_dense.csv").exists()
    assert not (tmp_path / "cg_vs_dense.png").exists()


def test_a_missing_threadpoolctl_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    said = []
    rows = cg_vs_dense.run([8], [10.0], [1e-6], 1, 0, 1, said.append)
    assert {row["threads"] for row in rows} == {"unknown"}
    assert "threadpoolctl is not installed" in said[0]
