"""python -m case_studies.boyd"""

import subprocess
import sys
from pathlib import Path

import pytest

from case_studies.boyd import __main__ as command
from case_studies.boyd import verdict
from case_studies.boyd.case import Answer, Chapter, Check
from case_studies.boyd.chapters import CHAPTERS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small(monkeypatch) -> Chapter:
    """A chapter of two cases in place of all, the second of them wrong."""
    chapter = Chapter(9, "Toys")

    @chapter.case("9.1", "C9-01", "Exercise 9.1", "Right", statement="s", primal="p", dual="d")
    def right() -> Answer:
        return Answer(1.0, 1.0, checks=(Check("p*", 1.0, 1.0), Check("x", 2.0001, 2.0, "other solver", 1e-3)))

    @chapter.case("9.2", "C9-02", "Exercise 9.2", "Wrong", statement="s", primal="p", dual="d")
    def wrong() -> Answer:
        return Answer(1.0, 2.0, checks=(Check("p*", 1.0, 1.0),))

    monkeypatch.setattr(command, "CHAPTERS", [chapter])
    return chapter


def test_without_arguments_all_are_listed(capsys):
    assert command.main([]) == 0
    text = capsys.readouterr().out
    for chapter in CHAPTERS:
        assert f"Chapter {chapter.number}: {chapter.title}\n" in text
        for case in chapter.cases:
            assert f"  {case.id:7s} {case.title}" in text


def test_an_id_tells_the_story_with_its_checks(capsys):
    assert command.main(["5.1"]) == 0
    text = capsys.readouterr().out
    for words in ("Exercise 5.1: A parabola over an interval", "primal\n    minimise x² + 1", "dual\n    L(x, λ)",
                  "p* = 5", "λ = (2)", "closed form: 5", "largest KKT residual", "weak duality: at most 5"):
        assert words in text
    assert "DISAGREES" not in text
    if verdict.cvxpy_is_here():
        assert "multipliers = (2); cvxpy: (2)" in text
    assert command.main(["a5.4"]) == 0  # large or small letters
    assert "Where is the source?" in capsys.readouterr().out


def test_the_module_runs_as_a_program():
    out = subprocess.run([sys.executable, "-m", "case_studies.boyd", "5.1.5"], capture_output=True, text=True, cwd=ROOT)
    assert out.returncode == 0, out.stderr
    assert "g(-1, 0) = 1.5" in out.stdout
    out = subprocess.run([sys.executable, "-m", "case_studies.boyd", "5.999"], capture_output=True, text=True, cwd=ROOT)
    assert out.returncode == 2
    assert out.stdout == ""
    assert out.stderr.startswith("error: no problem '5.999'; near it: ")
    assert len(out.stderr.splitlines()) == 1


def test_an_unknown_id_gets_near_names(capsys):
    assert command.main(["A5.40"]) == 2
    assert "near it: A5.4" in capsys.readouterr().err
    assert command.main(["zzz"]) == 2
    assert "near it: none. All are listed by python -m case_studies.boyd" in capsys.readouterr().err


def test_a_picture_is_written_on_request(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "parabola.png"
    assert command.main(["5.1", "--picture", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert f"picture: {path}" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "reason"), [
    (["5.1.5", "--picture", "x.png"], "5.1.5 has no picture."),
    (["5.1", "--picture", "x.pdf"], "the name must end in .png"),
    (["--picture", "x.png"], "--picture needs the problem to draw"),
    (["5.1", "--check"], "ask for one thing"),
    (["--check", "--write-docs", "out"], "ask for one thing")])
def test_requests_that_make_no_sense_say_why(arguments, reason, capsys):
    assert command.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert reason in captured.err


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert command.main(["5.1", "--picture", str(tmp_path / "no" / "where.png")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_without_matplotlib_a_picture_names_the_extra(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert command.main(["5.1", "--picture", str(tmp_path / "x.png")]) == 2
    assert "pip install 'convexkit[plot]'" in capsys.readouterr().err


def test_without_cvxpy_the_story_says_what_was_not_compared(monkeypatch, capsys):
    monkeypatch.setattr(verdict, "cvxpy_is_here", lambda: False)
    monkeypatch.setattr(command, "cvxpy_is_here", lambda: False)
    assert command.main(["5.1"]) == 0
    text = capsys.readouterr().out
    assert "pip install 'convexkit[cvxpy]'" in text
    assert "cvxpy: (2)" not in text


def test_check_counts_rows_and_finds_the_worst_disagreement(small, capsys):
    assert command.main(["--check"]) == 1  # d* = 2 > p* = 1 in the second
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["chapter", "rows", "passed", "checks"]
    assert lines[1].split() == ["9", "2", "1", "5"]
    assert "  figures found elsewhere: 5.0e-05 at 9.1, x (other solver; 1e-03 is allowed)" in lines
    assert lines[-1] == "FAILED 9.2: d* ≤ p* is 2.0, weak duality: 1.0"
    small.cases.pop()
    assert command.main(["--check"]) == 0
    assert "FAILED" not in capsys.readouterr().out


def test_a_story_that_disagrees_ends_with_1(small, capsys):
    assert command.main(["9.2"]) == 1
    assert "DISAGREES: d* ≤ p*" in capsys.readouterr().out


def test_write_docs_writes_index_pages_and_pictures(small, tmp_path, capsys):
    assert command.main(["--write-docs", str(tmp_path / "gallery")]) == 0
    assert "wrote 2 files" in capsys.readouterr().out
    assert "| [9 Toys](chapter_9.md) | 2 | 0 |" in (tmp_path / "gallery" / "README.md").read_text(encoding="utf-8")
    assert "### 9.2 Wrong" in (tmp_path / "gallery" / "chapter_9.md").read_text(encoding="utf-8")
    (tmp_path / "file").write_text("")
    assert command.main(["--write-docs", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
