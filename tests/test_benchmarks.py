"""The benchmarks run, check every answer before they keep a time, and explain bad input."""

import csv
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

import convexkit as ck
from benchmarks import (
    cg_measure,
    cg_problems,
    cg_report,
    cg_vs_dense,
    dual_method,
    families,
    interior_point,
    measuring,
    problem_sets,
)
from benchmarks.peers import METHODS, Answer, Options, claim
from benchmarks.peers.callbacks import IpoptProblem, stack
from benchmarks.peers.cone_form import cone_form


def run_script(module, *arguments):
    """What a benchmark prints when it is run as a script."""
    root = str(Path(module.__file__).parents[1])
    run = subprocess.run([sys.executable, module.__file__, *arguments], check=False, capture_output=True, text=True,
                         encoding="utf-8", cwd=root,
                         env={**os.environ, "PYTHONPATH": root, "PYTHONIOENCODING": "utf-8"})
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The folder of one quick run, and what it printed."""
    out = tmp_path_factory.mktemp("cg_vs_dense") / "new"
    return out, run_script(cg_vs_dense, "--quick", "--out", str(out))


def test_a_quick_run_writes_one_row_for_each_problem_size_condition_accuracy_and_method(quick):
    out, _ = quick
    pytest.importorskip("gymnasium")
    rows = cg_report.read_csv(out / "cg_vs_dense.csv")
    with open(out / "cg_vs_dense.csv", newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == cg_report.COLUMNS
    keys = [(row["problem"], row["n"], row["condition"], row["accuracy"], row["method"]) for row in rows]
    assert len(set(keys)) == len(keys)
    problems, sizes, large, accuracies = 6, *(len(cg_vs_dense.QUICK[key]) for key in ("sizes", "large", "accuracies"))
    # Four iterative methods at each accuracy, a direct solver and the bare product once; for an operator no Jacobi and
    # no direct solver.
    assert len(rows) == (problems * sizes + large) * (4 * accuracies + 2) + large * (3 * accuracies + 1)


def test_a_row_has_a_time_if_and_only_if_its_answer_passed_the_tolerance(quick):
    rows = cg_report.read_csv(quick[0] / "cg_vs_dense.csv")
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
    assert "Where conjugate gradient overtakes the direct solve:" in text
    assert text.count("wins") == len([line for line in text.splitlines() if "accuracy" in line and "κ" in line])
    assert "One CG iteration costs" in text
    assert str(out / "cg_vs_dense.csv") in text


def test_a_quick_run_draws_the_picture(quick):
    pytest.importorskip("matplotlib")
    for name in ("cg_vs_dense.png", "cg_crossover.png"):
        assert (quick[0] / name).read_bytes().startswith(b"\x89PNG")


def test_a_surface_holds_the_ratio_of_times_and_marks_what_was_given_up():
    def row(method, n, condition, seconds):
        return {"problem": "p", "method": method, "n": n, "condition": condition, "accuracy": 1e-2, "median_s": seconds}

    rows = [row(method, n, condition, seconds) for n in (10, 20) for condition in (1.0, 100.0)
            for method, seconds in (("cholesky", 1.0), ("cg", np.nan if (n, condition) == (10, 100.0) else n / 100))]
    sizes, conditions, ratio = cg_report.surface(rows, "p", 1e-2)
    assert (sizes, conditions) == ([10, 20], [1.0, 100.0])
    np.testing.assert_allclose(ratio, [[-1.0, np.log10(0.2)], [np.inf, np.log10(0.2)]])


@pytest.mark.parametrize("problem", ["log-uniform", "uniform", "clustered", "scaled", "fisher", "grid",
                                     "diagonal plus low rank"])
def test_problems_are_symmetric_positive_definite_with_the_stated_condition(problem):
    if problem == "fisher":
        pytest.importorskip("gymnasium")
    A, b = cg_problems.make_problem(problem, 64, 20.0 if problem == "grid" else 100.0, np.random.default_rng(0))
    A = A @ np.eye(64)
    np.testing.assert_allclose(A, A.T, rtol=0, atol=1e-13 * abs(A).max())
    eigenvalues = np.linalg.eigvalsh(A)
    assert b.shape == (64,)
    if problem in ("scaled", "diagonal plus low rank"):
        assert eigenvalues[0] > 0
        return
    if problem == "fisher":  # no more than its damping is known of the smallest
        assert eigenvalues[-1] == pytest.approx(100.0, rel=0.02)
        assert 1.0 - 1e-9 <= eigenvalues[0] < 2.0
        return
    if problem == "grid":
        assert eigenvalues[-1] / eigenvalues[0] == pytest.approx(20.0, rel=1e-6)
        return
    assert eigenvalues[-1] / eigenvalues[0] == pytest.approx(100.0, rel=0.03)
    assert eigenvalues[0] == pytest.approx(1.0, rel=0.02)
    assert abs(A - np.diag(A.diagonal())).max() > 0.1, "dense"


def test_an_inaccurate_answer_is_never_timed(monkeypatch):
    honest = cg_measure.solve

    def sloppy(A, b, method, accuracy, maxiter):
        x, iterations, status = honest(A, b, method, accuracy, maxiter)
        return (x * (1 + 1e-3), iterations, status) if method == "cg" else (x, iterations, status)

    monkeypatch.setattr(cg_measure, "solve", sloppy)
    A, b = cg_problems.make_problem("log-uniform", 30, 10.0, np.random.default_rng(0))
    rows = cg_measure.measure(A, b, [1e-1, 1e-6], 2)
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
    assert cg_report.crossover(line(sizes, [n**3 for n in sizes]), line(sizes, cg_seconds)).startswith(words)


def test_where_cholesky_itself_fails_nobody_wins():
    assert "Cholesky itself" in cg_report.crossover(line([2], [np.nan]), line([2], [1.0]))


@pytest.mark.parametrize(("arguments", "words"), [
    (["--sizes", "1"], "--sizes must lie between 2 and 20000"), (["--conditions", "0.5"], "--conditions must lie"),
    (["--conditions", "nan"], "--conditions must lie"), (["--accuracies", "1"], "--accuracies must lie"),
    (["--repeats", "0"], "--repeats must lie"), (["--threads", "0"], "--threads must lie"),
    (["--seed", "-1"], "--seed must lie"), (["--large", "1"], "--large must lie"),
    (["--max-n", "1"], "--max-n must lie"),
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


def test_sizes_beyond_max_n_are_left_out_and_named_with_their_memory(tmp_path, capsys):
    arguments = ["--sizes", "8", "64", "--max-n", "32", "--conditions", "10", "--accuracies", "1e-2", "--repeats", "1"]
    assert cg_vs_dense.main(["--out", str(tmp_path), *arguments]) == 0
    assert "left out n = 64: beyond --max-n 32; the largest would take 0.0 GB" in capsys.readouterr().err
    assert {row["n"] for row in cg_report.read_csv(tmp_path / "cg_vs_dense.csv")} == {8}


def test_a_run_adds_to_an_earlier_one_and_measures_only_what_is_missing(tmp_path, capsys):
    common = ["--out", str(tmp_path), "--conditions", "10", "--repeats", "1", "--problems", "log-uniform"]
    assert cg_vs_dense.main([*common, "--sizes", "8", "16", "--accuracies", "1e-2", "1e-6"]) == 0
    first = (tmp_path / "cg_vs_dense.csv").read_text().splitlines()
    assert cg_vs_dense.main([*common, "--sizes", "16", "32", "--accuracies", "1e-2", "--peers", "--resume",
                             "--markdown"]) == 0
    second = (tmp_path / "cg_vs_dense.csv").read_text().splitlines()
    assert second[:len(first)] == first
    added = [line.split(",") for line in second[len(first):]]
    assert {(row[1], row[4]) for row in added} == {("32", "product"), ("32", "cholesky"), ("32", "cg")}
    text = capsys.readouterr().out
    assert "| matrix | κ = 10 |" in text
    assert "–" in text  # n = 32 has no run of the peers


def test_only_a_table_of_this_benchmark_is_added_to(tmp_path, capsys):
    (tmp_path / "cg_vs_dense.csv").write_text("problem,n\nlog-uniform,8\n")
    assert cg_vs_dense.main(["--out", str(tmp_path), "--resume", "--sizes", "8"]) == 2
    assert "is not a table of this benchmark" in capsys.readouterr().err
    assert (tmp_path / "cg_vs_dense.csv").read_text() == "problem,n\nlog-uniform,8\n"


@pytest.mark.parametrize(("seconds", "cell"), [
    ([100 * n**2 for n in (50, 200, 400)], "100"), ([1.0, 1.0, 1.0], "50"),
    ([1000 * n**2 for n in (50, 200, 400)], "> 400"),
])
def test_the_answer_in_one_table_is_the_crossover(seconds, cell):
    sizes = (50, 200, 400)
    common = {"problem": "p", "condition": 10.0, "accuracy": 1e-2}
    rows = [{**row, **common, "method": method} for method, times in
            (("cholesky", [n**3 for n in sizes]), ("cg", seconds)) for row in line(sizes, times)]
    assert cg_report.answer(rows).splitlines()[-1] == f"| p | {cell} |"
    assert cg_report.answer([{**row, "median_s": np.nan} for row in rows]).endswith("| p | – |")


def test_minres_is_asked_for_what_reaches_the_common_residual():
    A, b = cg_problems.make_problem("log-uniform", 50, 1e4, np.random.default_rng(0))
    rtol = cg_measure.minres_tolerance(A, b, 1e-6, 1000)
    x, _, status = cg_measure.solve(A, b, "minres", rtol, 1000)
    assert status == "converged"
    assert np.linalg.norm(b - A @ x) <= 1e-6 * np.linalg.norm(b)


def test_the_fisher_matrix_is_skipped_without_gymnasium(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    said = []
    rows = cg_vs_dense.run([8], [10.0], [1e-2], 1, 0, 1, said.append)
    assert "fisher" not in {row["problem"] for row in rows}
    assert any(text.startswith("skipped fisher") for text in said)


# The dual method on its own.

def test_the_dual_method_is_measured_and_agrees_with_the_interior_point(tmp_path, capsys):
    arguments = ["--sizes", "60", "--constraints", "2", "--out", str(tmp_path)]
    assert dual_method.main(arguments) == 0
    assert "values differ by" in capsys.readouterr().out
    with open(tmp_path / "dual_method.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["optimal"] * (2 * len(dual_method.FAMILIES))
    assert {row["family"] for row in rows} == set(dual_method.FAMILIES)
    for row in rows:
        assert float(row["residual"]) <= 1e-6
        assert float(row["difference"]) <= 1e-6
        assert (int(row["products"]) > 0) == (row["method"] == "dual")
    assert dual_method.main(["--sizes", "1", "--out", str(tmp_path)]) == 2


# The race of interior_point.py.

@pytest.fixture(scope="module")
def race(tmp_path_factory):
    """The table of one quick race, its folder, and what it printed."""
    out = tmp_path_factory.mktemp("interior_point") / "new"
    text = run_script(interior_point, "--quick", "--repeats", "1", "--out", str(out))
    rows = measuring.read_csv(out / "interior_point.csv", interior_point.NUMBERS, interior_point.INTEGERS)
    return rows, out, text


def test_a_quick_race_runs_every_family_and_convexkit_solves_them_all(race):
    rows, out, text = race
    with open(out / "interior_point.csv", newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == interior_point.COLUMNS
    keys = [(row["family"], row["size"], row["method"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {row["family"] for row in rows} == set(families.FAMILIES)
    for row in rows:
        if row["method"] == "convexkit":
            assert row["status"] == "solved", row
            assert row["kkt"] <= interior_point.WORST
            assert row["iterations"] >= 0
    assert str(out / "interior_point.csv") in text


def test_a_race_keeps_a_time_if_and_only_if_the_answer_passed(race):
    rows, _, _ = race
    for row in rows:
        assert np.isfinite(row["median_s"]) == (row["status"] == "solved") == (row["runs"] > 0)
        if row["status"] == "solved":
            assert max(row["violation"], row["value_error"]) <= interior_point.WORST
            assert 0 < row["quartile1_s"] <= row["median_s"] <= row["quartile3_s"]
        assert row["tol"] == interior_point.TOLERANCE
    closed = next(row for row in rows if row["method"] == "closed form")
    assert closed["yardstick"] == "one Cholesky"
    assert closed["to_yardstick"] > 0


def test_the_markdown_table_has_one_line_for_each_instance(race):
    rows, _, _ = race
    lines = interior_point.markdown(rows).splitlines()
    assert lines[0].startswith("| problem | convexkit | ")
    assert len(lines) == 2 + len({(row["family"], row["size"]) for row in rows})
    assert any(line.startswith("| one ellipsoid: n = 10 | ") and "closed form" in line for line in lines)


def test_a_quick_race_draws_the_picture(race):
    pytest.importorskip("matplotlib")
    assert (race[1] / "interior_point.png").read_bytes().startswith(b"\x89PNG")


QUICK_INSTANCES = [(name, size) for name, family in families.FAMILIES.items() for size in family.quick]


@pytest.mark.parametrize(("name", "size"), QUICK_INSTANCES)
def test_families_are_the_same_for_the_same_seed_feasible_and_have_active_limits(name, size):
    instance, again, other = (families.make(name, size, seed) for seed in (0, 0, 1))
    problem = instance.problems[0]
    np.testing.assert_array_equal(problem.objective.q, again.problems[0].objective.q)
    assert not np.array_equal(problem.b if name == "MPC" else problem.objective.q,
                              other.problems[0].b if name == "MPC" else other.problems[0].objective.q)
    solution = ck.solve(problem).require_optimal()
    active = np.concatenate((solution.lam, solution.lam_lb, solution.lam_ub)) > 1e-6
    assert active.any()
    assert f"{name} " in instance.label


def points_around(problem, rng):
    """Points on both sides of the limits."""
    x = ck.solve(problem).require_optimal().x
    return [x + scale * rng.standard_normal(problem.n) for scale in (0.0, 1e-3, 0.1, 1.0, 3.0)] + [0.5 * x]


@pytest.mark.parametrize(("name", "size"), QUICK_INSTANCES)
def test_the_cone_form_holds_the_same_points_as_the_quadratics(name, size):
    problem = families.make(name, size).problems[0]
    epigraph = not problem.objective.is_affine
    form = cone_form(problem, epigraph=epigraph)
    A, b = form.equations()
    M, c = form.inequalities()
    for x in points_around(problem, np.random.default_rng(0)):
        y = problem.objective(x)
        for above in (1e-3, -1e-3) if epigraph else (0.0,):
            z = np.append(x, y + above * (1 + abs(y))) if epigraph else x
            np.testing.assert_allclose(A @ z - b, problem.equality_values(x), atol=1e-12)
            s = c - M @ z
            linear, cones = s[:form.linear], np.split(s[form.linear:], np.cumsum(form.sizes)[:-1])
            expected = problem.inequality_values(x)
            quadratic = expected[:len(problem.inequalities)]
            bounds = np.concatenate((x - problem.ub, problem.lb - x))
            np.testing.assert_allclose(linear, -np.concatenate((expected[len(quadratic):],
                                                                bounds[np.isfinite(bounds)])), atol=1e-12)
            inside = [t[0] - np.linalg.norm(t[1:]) for t in cones if t.size]
            wanted = ([-above] if epigraph else []) + list(quadratic)
            assert len(inside) == len(wanted)
            for margin, value in zip(inside, wanted, strict=True):
                assert abs(value) < 1e-7 or (margin > 0) == (value < 0)


@pytest.mark.parametrize(("name", "size"), [key for key in QUICK_INSTANCES if key[0] not in ("MPC", "dense QP")])
def test_stacks_and_callbacks_agree_with_the_quadratics_one_by_one(name, size):
    problem = families.make(name, size).problems[0]
    quadratics = [problem.objective, *problem.inequalities]
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal(problem.n), rng.uniform(size=len(quadratics))
    values, gradients = stack(quadratics).at(x)
    np.testing.assert_allclose(values, [f(x) for f in quadratics], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(gradients, [f.gradient(x) for f in quadratics], rtol=1e-10, atol=1e-12)
    H = sum(w * f.hessian() for w, f in zip(z, quadratics, strict=True))
    np.testing.assert_allclose(stack(quadratics).hessian(z), H, atol=1e-10)
    callbacks = IpoptProblem(problem)
    assert callbacks.objective(x) == pytest.approx(values[0])
    np.testing.assert_allclose(callbacks.constraints(x)[:problem.m], problem.inequality_values(x) + np.concatenate(
        (np.zeros(len(problem.inequalities)), problem.h)), atol=1e-10)
    J = sp.coo_matrix((callbacks.jacobian(x), callbacks.jacobianstructure()),
                      shape=(problem.m + problem.p, problem.n)).toarray()
    np.testing.assert_allclose(J[:len(problem.inequalities)], gradients[1:], atol=1e-10)
    np.testing.assert_allclose(J[problem.m:], problem.A.toarray() if sp.issparse(problem.A) else problem.A)
    lower = sp.coo_matrix((callbacks.hessian(x, z[1:], z[0]), callbacks.hessianstructure()), shape=H.shape).toarray()
    np.testing.assert_allclose(lower, np.tril(H), atol=1e-10)


@pytest.mark.parametrize("method", [name for name in METHODS if not name.startswith("convexkit")])
def test_a_peer_that_is_installed_agrees_on_every_family_it_takes_part_in(method):
    if not METHODS[method].available():
        pytest.skip(f"{METHODS[method].package} is not installed")
    for name, size in QUICK_INSTANCES:
        if method not in families.FAMILIES[name].entrants(size):
            continue
        instance = families.make(name, size)
        instance = replace(instance, problems=instance.problems[:3])
        rows = interior_point.verdict(instance, {who: METHODS[who].run(instance.problems, Options())
                                                 for who in ("convexkit", method)})
        assert rows[method]["status"] == rows["convexkit"]["status"] == "solved", (name, rows)
        assert claim(rows[method]["solver_status"]) == "solved" or method in ("closed form", "daqp", "ipopt", "slsqp")


def test_the_version_of_a_package_with_another_distribution_name_comes_from_the_package():
    assert replace(METHODS["slsqp"], package="numpy").version() == np.__version__
    assert replace(METHODS["slsqp"], package="numpy.linalg").version() == "unknown"


def test_an_inaccurate_answer_is_never_timed_in_a_race(monkeypatch):
    honest = METHODS["slsqp"]

    def shifted(problem, options):
        answer = honest.solve(problem, options)
        return replace(answer, x=answer.x * (1 + 1e-4))

    monkeypatch.setitem(METHODS, "slsqp", replace(honest, solve=shifted))
    rows = interior_point.measure(families.make("single", (8, 3)), ["convexkit", "slsqp"], 1, isolate=False)
    assert [row["status"] for row in rows] == ["solved", "inaccurate"]
    assert "median_s" not in rows[1]
    assert "inaccurate: violation" in interior_point.table(rows)


def test_multipliers_that_do_not_fit_make_our_own_answer_inaccurate(monkeypatch):
    honest = METHODS["convexkit"]

    def careless(problem, options):
        answer = honest.solve(problem, options)
        return replace(answer, solution=replace(answer.solution, lam=0.0 * answer.solution.lam))

    monkeypatch.setitem(METHODS, "convexkit", replace(honest, solve=careless))
    (row,) = interior_point.measure(families.make("single", (8, 3)), ["convexkit"], 1, isolate=False)
    assert row["status"] == "inaccurate"
    assert row["kkt"] > 1e-3


def test_a_method_that_raises_hangs_or_dies_is_reported_and_the_race_goes_on(monkeypatch):
    if "fork" not in measuring.multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")

    def raises(problem, options):
        raise ValueError("not today")

    monkeypatch.setitem(METHODS, "slsqp", replace(METHODS["slsqp"], solve=raises))
    monkeypatch.setitem(METHODS, "closed form",
                        replace(METHODS["closed form"], solve=lambda problem, options: os._exit(3)))
    rows = interior_point.measure(families.make("single", (8, 3)), ["slsqp", "closed form", "convexkit"], 1)
    assert [row["status"] for row in rows] == ["failed", "failed", "solved"]
    assert [row["solver_status"] for row in rows[:2]] == ["ValueError: not today", "its process ended with exit code 3"]

    worker = measuring.Worker(lambda: time.sleep(60), 1)
    assert worker.run(1, limit=0.2).error == "stopped after 0 s"
    assert worker.run().error == "stopped after 0 s"
    worker.close()


def test_the_best_value_is_the_lowest_of_the_points_that_are_feasible():
    def judged(violation, value):
        return measuring.Judgement(violation, value, 1.0)

    assert interior_point.best_value([judged(1e-9, -1.0), judged(1e-7, -1.1), judged(1.0, -9.0)]) == -1.0
    assert interior_point.best_value([judged(1e-7, -1.1), judged(1.0, -9.0)]) == -1.1
    assert np.isnan(interior_point.best_value([judged(1.0, -9.0)]))


def test_points_are_judged_relative_to_the_terms_of_each_row():
    disc = ck.Quadratic(2 * np.eye(2), np.zeros(2), -1.0)
    problem = ck.QCQP(ck.Quadratic(None, [1.0, 2.0], 5.0), [disc], G=[[1.0, -1.0]], h=[0.0], A=[[1.0, 1.0]], b=[1.0],
                      lb=0.0, ub=[2.0, np.inf])
    good = measuring.judge(problem, np.array([0.5, 0.5]))
    assert (good.violation, good.value, good.scale) == (0.0, 6.5, 1.5)
    assert measuring.judge(problem, np.array([0.0, 2.0])).violation == pytest.approx(3 / 5)  # the disc: 4 - 1 of 4 + 1
    assert measuring.judge(problem, np.array([0.6, 0.4])).violation == pytest.approx(0.2)  # G: 0.2, sizes at least 1
    assert measuring.judge(problem, np.array([0.25, 0.25])).violation == pytest.approx(0.5 / 1.5)  # A
    assert measuring.judge(problem, np.array([-1e-3, 1.001])).violation == pytest.approx(1e-3, rel=0.01)  # lb
    assert measuring.judge(problem, np.array([np.nan, 1.0])).violation == np.inf
    cone = ck.QCQP(ck.Quadratic(None, [1.0, 2.0]), cones=[ck.SecondOrderCone(np.eye(2), d=1.0)])
    assert measuring.judge(cone, np.array([3.0, 4.0])).violation == pytest.approx(4 / 6)
    assert measuring.judge(cone, np.array([0.6, 0.8])).violation <= 1e-16


def test_the_size_of_the_data_counts_shared_and_structured_arrays_once():
    # One covariance and one row of ones for all points.
    assert measuring.data_bytes(families.make("frontier", (8, 20)).problems) == 8 * (20 * 20 + 20)
    (portfolio,) = families.make("portfolio", (50, 5)).problems
    assert measuring.data_bytes([portfolio]) == 8 * (3 * (5 * 50 + 50) + 50)
    (banded,) = families.make("banded", (200, 3)).problems
    assert measuring.data_bytes([banded]) == sum(
        part.nbytes for f in (banded.objective, *banded.inequalities) for part in (f.P.data, f.P.indices, f.P.indptr))


@pytest.mark.parametrize(("arguments", "words"), [
    (["--family", "round"], "--family round is not known"), (["--method", "magic"], "--method magic is not known"),
    (["--size", "7x7"], "--size 7x7 is no size"), (["--repeats", "0"], "--repeats must be at least 1"),
    (["--seed", "-1"], "--seed must be at least 0"), (["--time-limit", "0"], "--time-limit must be at least"),
])
def test_bad_options_of_a_race_give_one_message_and_a_nonzero_exit(arguments, words, tmp_path, capsys):
    assert interior_point.main(["--out", str(tmp_path / "out"), *arguments]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_keep_replaces_the_rows_that_were_measured_again_and_no_others(tmp_path, capsys):
    base = ["--quick", "--repeats", "1", "--out", str(tmp_path), "--keep", "--family"]
    for family in (["one ellipsoid", "--method", "closed form"], ["single", "--method", "slsqp"],
                   ["single", "--method", "slsqp"]):
        assert interior_point.main([*base, *family]) == 0
    rows = measuring.read_csv(tmp_path / "interior_point.csv", interior_point.NUMBERS, interior_point.INTEGERS)
    assert [(row["family"], row["size"]) for row in rows] == [("single", "8x3"), ("one ellipsoid", "10"),
                                                              ("one ellipsoid", "40")]
    assert "Table:" in capsys.readouterr().out


# The problem sets.

@pytest.fixture
def sets(tmp_path):
    """A folder with a small set of each kind, in the formats of the public ones."""
    def save(folder, name, **fields):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(tmp_path / folder / f"{name}.mat", fields)

    def column(*values):
        return np.array(values, dtype=float)[:, None]

    # minimise ½(x² + y²) - x - y + 3 with x + y = 1, x - y ≤ 0.2, -1 ≤ x ≤ 1e20: 2.25 at (0.5, 0.5).
    A = sp.csc_matrix([[1.0, 1.0], [1.0, -1.0], [1.0, 0.0]])
    qp = {"P": sp.eye(2, format="csc"), "q": column(-1, -1), "r": 3.0, "A": A, "l": column(1, -1e20, -1),
          "u": column(1, 0.2, 1e20), "n": 2, "m": 3}
    save("qps", "SMALL", **qp)
    save("qps", "MISPRINT", **qp)
    save("qps", "BENT", **{**qp, "P": sp.diags([1.0, -1.0], format="csc")})
    (tmp_path / "qps" / "BROKEN.mat").write_bytes(b"not a matrix")
    (tmp_path / "qps" / "optimal_values.csv").write_text(
        "name,obj_ours,status_ours,note\nSMALL,2.25,Solved,\nMISPRINT,2.3,Solved,\nBENT,,,P is not convex\n")
    # minimise -x + 1 over x + y = 1, 0 ≤ x, y ≤ 4: 0 at (1, 0); and the same with x + y = -1.
    lp = {"A": sp.csc_matrix([[1.0, 1.0]]), "c": column(-1, 0), "lo": column(0, 0), "hi": column(4, 1e30), "z0": 1.0}
    save("lps", "EASY", b=column(1), **lp)
    (tmp_path / "lps" / "optimal_values.csv").write_text("name,obj_highs,status\nEASY,0.0,Optimal\n")
    outer = {name: lp[name] for name in ("c", "lo", "hi", "z0")}
    save("infeasible", "EMPTY", Problem={"A": lp["A"], "b": column(-1), "aux": outer})
    (tmp_path / "infeasible" / "list.csv").write_text("name,status_highs\nEMPTY,Infeasible\n")
    (tmp_path / "qcqps" / "nonconvex").mkdir(parents=True)
    np.savez(tmp_path / "qcqps" / "nonconvex" / "SADDLE.npz", P0=np.diag([1.0, -1.0]))
    ck.write_problem(tmp_path / "qcqps" / "DISC.npz",
                     ck.QCQP(ck.Quadratic(None, [1.0, 0.0]), [ck.Quadratic(2 * np.eye(2), np.zeros(2), -1.0)]))
    (tmp_path / "qcqps" / "optimal_values.csv").write_text("name,obj_ours,status_ours\nDISC,-1.0,Solved\n")
    return tmp_path


def test_problem_sets_are_read_solved_refused_or_proved_infeasible_as_is_right(sets, capsys):
    out = sets / "out"
    assert problem_sets.main([str(sets), "--time-limit", "20", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    rows = {row["problem"]: row for row in measuring.read_csv(
        out / "problem_sets.csv", ["relative_error", "violation", "kkt", "seconds", "value"], ["iterations"])}
    outcomes = {name: (row["outcome"], row["status"]) for name, row in rows.items()}
    assert outcomes == {
        "SMALL": ("solved", "optimal"), "MISPRINT": ("WRONG", "optimal"), "BENT": ("solved", "refused"),
        "BROKEN": ("outside", "not stated"), "EASY": ("solved", "optimal"), "EMPTY": ("solved", "infeasible"),
        "SADDLE": ("solved", "refused"), "DISC": ("solved", "optimal")}
    for name in ("SMALL", "EASY", "DISC"):
        assert max(rows[name]["relative_error"], rows[name]["violation"], rows[name]["kkt"]) <= 1e-6
        assert rows[name]["iterations"] >= 0
    assert "all                    convexkit" in text
    assert str(out / "problem_sets.csv") in text


def test_a_quick_run_takes_the_smallest_files_of_each_folder(sets):
    text = run_script(problem_sets, str(sets), "--quick", "--solver", "convexkit", "--time-limit", "20")
    assert text.count("qps                    ") == 1 + problem_sets.QUICK
    assert "lps                    convexkit       1 of 1" in text


def test_a_set_with_a_damaged_file_goes_on_and_says_so(sets, capsys):
    assert problem_sets.main([str(sets / "qps"), "--only", "BROKEN", "SMALL", "--time-limit", "20"]) == 0
    text = capsys.readouterr().out
    assert "not a readable .mat file" in text
    assert "1 of 1" in text


def test_both_sides_of_a_row_become_equalities_and_one_sided_rows(sets):
    problem, rows = problem_sets.read(sets / "qps" / "SMALL.mat")
    assert repr(problem) == "QCQP(n=2, 0 quadratic + 2 linear inequalities, 1 equalities, 0 bounds)"
    np.testing.assert_array_equal(problem.G.toarray(), [[1.0, -1.0], [-1.0, 0.0]])
    np.testing.assert_array_equal(problem.h, [0.2, 1.0])
    assert (problem.b.tolist(), problem.objective.r) == ([1.0], 3.0)
    np.testing.assert_array_equal(rows.lower, [1.0, -np.inf, -1.0])
    np.testing.assert_array_equal(rows.upper, [1.0, 0.2, np.inf])


def test_verdicts_on_answers_need_the_claim_and_the_evidence(sets):
    case = next(c for c in problem_sets.find(sets / "qps") if c.name == "SMALL")
    problem, _ = problem_sets.read(case.path)
    x = np.array([0.5, 0.5])

    def outcome(status, point, expected="optimal"):
        return problem_sets.verdict(replace(case, expected=expected), problem, Answer(point, status), False)["outcome"]

    assert outcome("Solved", x) == "solved"
    assert outcome("AlmostSolved", x) == "almost"
    assert outcome("Solved", x + 1e-5) == "inexact"
    assert outcome("Solved", x + 1.0) == "WRONG"
    assert outcome("AlmostSolved", x + 1.0) == outcome("MaxIterations", x) == "failed"
    assert outcome("PrimalInfeasible", x) == "WRONG"
    assert outcome("PrimalInfeasible", x, "infeasible") == "solved"
    assert outcome("Solved", x, "infeasible") == outcome("Solved", x, "nonconvex") == "WRONG"
    assert outcome("DualInfeasible", x) == "failed"


@pytest.mark.parametrize(("arguments", "words"), [
    (["nowhere"], "is not a folder"), ([".", "--solver", "magic"], "--solver magic is not known"),
    ([".", "--time-limit", "0"], "--time-limit must be positive"), (["."], "no problem was found"),
    ([".", "--only", "NAME"], "there is no such problem"),
])
def test_bad_options_of_problem_sets_give_one_message(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert problem_sets.main(arguments) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1


def test_the_shifted_geometric_mean_and_the_profile_are_what_they_are_called(tmp_path):
    assert measuring.shifted_geometric_mean([1.0, 3.0], 1.0) == pytest.approx(np.sqrt(2 * 4) - 1)
    assert np.isnan(measuring.shifted_geometric_mean([]))
    pytest.importorskip("matplotlib")
    times = {"a": np.array([1.0, 2.0, np.inf]), "b": np.array([2.0, np.inf, np.inf])}
    measuring.performance_profile(times, tmp_path / "profile.png", "two solvers")
    assert (tmp_path / "profile.png").read_bytes().startswith(b"\x89PNG")
