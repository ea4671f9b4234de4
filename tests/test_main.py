"""The command line: exit codes, one line for a mistake, JSON that any parser reads."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import convexkit as ck
from convexkit import __main__ as command_line
from convexkit.solution import Status

from .gallery import CASES

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def stored(tmp_path):
    """A function that stores a problem of the gallery and returns the file's name."""
    def store(name):
        path = tmp_path / f"{name}.npz"
        ck.write_problem(path, CASES[name]().problem)
        return str(path)

    return store


def strict_json(text):
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def run_module(*arguments):
    return subprocess.run([sys.executable, "-m", "convexkit", *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)


# ---------------------------------------------------------------- as a program


def test_the_program_solves_its_own_example(tmp_path):
    path = str(tmp_path / "example.npz")
    written = run_module("solve", path, "--write-example")
    assert (written.returncode, written.stderr) == (0, "")
    assert written.stdout == f"wrote {path}; solve it with: python -m convexkit solve {path}\n"
    solved = run_module("solve", path)
    assert (solved.returncode, solved.stderr) == (0, "")
    assert solved.stdout.startswith("status          optimal\n")


def test_the_program_reports_a_bad_file_in_one_line(tmp_path):
    result = run_module("solve", str(tmp_path / "missing.npz"))
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == f"error: {tmp_path / 'missing.npz'}: no such file.\n"


def test_the_program_exits_with_the_code_of_the_status(stored):
    result = run_module("solve", stored("infeasible_pair"), "--json")
    assert result.returncode == 4
    assert strict_json(result.stdout)["status"] == "infeasible"


# ---------------------------------------------------------------- as a function


@pytest.mark.parametrize(("name", "arguments", "code"), [
    ("diet", [], 0), ("diet", ["--tol", "1e-4", "--method", "interior-point"], 0), ("infeasible_pair", [], 4),
    ("unbounded_lp", [], 5), ("diet", ["--maxiter", "1"], 6), ("diet", ["--time-limit", "1e-9"], 7),
    ("touching_discs", ["--tol", "1e-12"], 3),
])
def test_exit_codes_tell_outcomes_apart_and_only_optimal_is_zero(stored, capsys, name, arguments, code):
    path = stored(name)
    assert command_line.main(["solve", path, *arguments]) == code
    captured = capsys.readouterr()
    assert captured.err == ""
    status = captured.out.splitlines()[0].split()[-1]
    assert command_line.EXIT_CODES[Status(status)] == code
    assert (code == 0) == (status == "optimal")


def test_every_status_has_its_own_exit_code():
    codes = [command_line.EXIT_CODES[status] for status in Status]
    assert len({*codes, command_line.BAD_INPUT, 1}) == len(Status) + 2


@pytest.mark.parametrize("name", ["diet", "infeasible_pair", "unbounded_lp", "feasible_set_is_a_point",
                                  "no_constraints", "fixed_variables", "both_infeasible", "touching_discs"])
def test_json_is_strict_and_holds_the_solution(stored, capsys, name):
    command_line.main(["solve", stored(name), "--json"])
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    data = strict_json(out)
    problem = CASES[name]().problem
    solution = ck.solve(problem)
    assert data["status"] == solution.status
    assert data["success"] == solution.success
    for key, size in (("x", problem.n), ("lam", problem.m), ("nu", problem.p), ("lam_lb", problem.n)):
        assert len(data[key]) == size
    if solution.success:
        np.testing.assert_array_equal(data["x"], solution.x)
        assert data["value"] == solution.value
        assert data["certificate"] is None
    if solution.certificate is not None:
        assert data["certificate"]["verified"] is True
        assert data["certificate"]["kind"] == type(solution.certificate).__name__
        assert data["x"] == [None] * problem.n
        assert data["value"] is None


@pytest.mark.parametrize(("name", "code"), [("diet", 0), ("infeasible_pair", 4)])
def test_verbose_prints_one_line_an_iteration_and_one_at_the_end_to_standard_error(stored, capsys, name, code):
    assert command_line.main(["solve", stored(name), "--verbose", "--json"]) == code
    captured = capsys.readouterr()
    first, *iterations, last = captured.err.splitlines()
    assert first == ck.report.ITERATION_HEADER
    answer = strict_json(captured.out)
    assert len(iterations) >= answer["nit"]
    assert [int(line.split()[0]) for line in iterations] == list(range(len(iterations)))
    assert last.startswith(f"{answer['status']} after {answer['nit']} iterations and ")
    assert last.endswith(f" seconds: {answer['message']}")


# minimise x + 2y over x + y ≥ 1, x ≤ 0.25, x, y ≥ 0: x = 0.25, y = 0.75, value 1.75
LINEAR_PROGRAM = {
    "problem.mps": """ROWS
 N cost
 G sum
COLUMNS
 x cost 1 sum 1
 y cost 2 sum 1
RHS
 rhs sum 1
BOUNDS
 UP bound x 0.25
ENDATA
""",
    "problem.qplib": """problem
LCL
minimize
2
1
0
2
1 1
2 2
0
2
1 1 1
1 2 1
1e20
1
0
1e20
0
0
0
1e20
1
1 0.25
0
0
0
0
0
0
0
0
""",
    "problem.cbf": """VER
1
OBJSENSE
MIN
VAR
2 1
L+ 2
CON
2 1
L+ 2
OBJACOORD
2
0 1
1 2
ACOORD
3
0 0 1
0 1 1
1 0 -1
BCOORD
2
0 -1
1 0.25
"""}


@pytest.mark.parametrize("name", LINEAR_PROGRAM)
def test_files_of_every_format_are_solved(tmp_path, capsys, name):
    for path, content in ((tmp_path / name, LINEAR_PROGRAM[name].encode()),
                          (tmp_path / f"{name}.gz", gzip.compress(LINEAR_PROGRAM[name].encode()))):
        path.write_bytes(content)
        assert command_line.main(["solve", str(path), "--json"]) == 0
        answer = strict_json(capsys.readouterr().out)
        assert answer["value"] == pytest.approx(1.75)
        assert answer["x"] == pytest.approx([0.25, 0.75])


def test_a_cone_of_a_file_is_solved(tmp_path, capsys):
    # minimise u + v over 2uv ≥ w², w = 2: u = v = √2
    path = tmp_path / "rotated.cbf"
    path.write_text("VER\n3\nOBJSENSE\nMIN\nVAR\n3 1\nQR 3\nCON\n1 1\nL= 1\nOBJACOORD\n2\n0 1\n1 1\nACOORD\n1\n0 2 1\n"
                    "BCOORD\n1\n0 -2\n")
    assert command_line.main(["solve", str(path), "--json"]) == 0
    answer = strict_json(capsys.readouterr().out)
    assert answer["x"] == pytest.approx([2**0.5, 2**0.5, 2.0], rel=1e-5)
    assert answer["value"] == pytest.approx(2 * 2**0.5)


def test_a_cone_that_is_not_supported_is_one_line_on_standard_error(tmp_path, capsys):
    path = tmp_path / "exponential.cbf"
    path.write_text("VER\n3\nOBJSENSE\nMIN\nVAR\n3 1\nEXP 3\n")
    assert command_line.main(["solve", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (f"error: {path}: line 7: cone EXP is an exponential cone, which is not supported; "
                            "supported are F, L=, L+, L-, Q, QR.\n")


def test_an_example_is_written_as_an_archive_only(tmp_path, capsys):
    for name in LINEAR_PROGRAM:
        assert command_line.main(["solve", str(tmp_path / name), "--write-example"]) == 2
        assert "problems are written as .npz only" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_example_never_replaces_anything(tmp_path, capsys):
    path = tmp_path / "mine.npz"
    path.write_text("precious")
    link = tmp_path / "link.npz"
    link.symlink_to(tmp_path / "elsewhere.npz")
    for target in (path, link, tmp_path):
        assert command_line.main(["solve", str(target), "--write-example"]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err == f"error: {target} exists and is left alone; name a new file.\n"
    assert path.read_text() == "precious"
    assert link.is_symlink()
    assert not (tmp_path / "elsewhere.npz").exists()


@pytest.mark.parametrize("arguments", [
    ["--tol", "0"], ["--tol", "nan"], ["--maxiter", "0"], ["--time-limit", "-1"], ["--time-limit", "nan"]])
def test_options_out_of_range_are_one_line_on_standard_error(stored, capsys, arguments):
    assert command_line.main(["solve", stored("diet"), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1


def test_a_problem_that_is_not_convex_is_one_line_on_standard_error(tmp_path, capsys):
    path = tmp_path / "saddle.npz"
    ck.write_problem(path, ck.qp(np.diag([1.0, -2.0]), [0.0, 0.0]))
    assert command_line.main(["solve", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: objective.P is not positive semidefinite: smallest eigenvalue -2.0e+00")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + b"\0" * 40])
def test_a_file_that_is_no_problem_is_one_line_on_standard_error(tmp_path, capsys, content):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    assert command_line.main(["solve", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {path}: ")
    assert captured.err.count("\n") == 1


def test_an_example_that_cannot_be_written_is_one_line_on_standard_error(tmp_path, capsys):
    assert command_line.main(["solve", str(tmp_path / "none" / "x.npz"), "--write-example"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_interrupt_ends_without_a_traceback(stored, capsys, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "solve", interrupt)
    assert command_line.main(["solve", stored("diet")]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("arguments", [[], ["solve"], ["solve", "x.npz", "--method", "magic"], ["resolve", "x.npz"],
                                       ["solve", "x.npz", "--maxiter", "many"]])
def test_a_command_that_cannot_be_parsed_exits_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        command_line.main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_names_every_format_key_and_exit_code(capsys):
    with pytest.raises(SystemExit) as caught:
        command_line.main(["solve", "--help"])
    assert caught.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    for word in (*ck.formats.KEYS, *ck.formats.FORMATS):
        assert f" {word} " in out
    for status, code in command_line.EXIT_CODES.items():
        assert f"{code} {status}" in out


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit):
        command_line.main(["--version"])
    assert capsys.readouterr().out == f"convexkit {ck.__version__}\n"
