"""The gallery in docs/boyd is what its generator writes, and the parts of a story say what they should."""

import configparser
import re
from pathlib import Path

import numpy as np
import pytest

from case_studies.boyd.case import Answer, Case, Chapter, Check, load
from case_studies.boyd.chapters import CHAPTERS
from case_studies.boyd.pages import page, picture_name, texts, write_picture
from case_studies.boyd.story import shown, source, theme, told, words

DOCS = Path(__file__).parents[2] / "docs" / "boyd"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
ALL = [case for chapter in CHAPTERS for case in chapter.cases]


def toy() -> Case:
    """A case of no depth."""
    return Case("9.1", "C9-01", "Exercise 9.1", "p* and |x|", "Find p* of |x|.", "minimise |x|", "maximise 0",
                lambda: Answer(0.0, 0.0, [0.0], {"λ": 1 / 3},
                               (Check("p*", 0.0, 0.0), Check("|x|", 0.1, 0.0, kind="at most"))))


@pytest.mark.parametrize("name", texts([]).keys() | {f"chapter_{chapter.number}.md" for chapter in CHAPTERS})
def test_the_committed_page_is_what_the_cases_say_now(name):
    now, committed = texts(CHAPTERS)[name], (DOCS / name).read_text(encoding="utf-8")
    again = "run python -m case_studies.boyd --write-docs docs/boyd and look at what changed"
    assert NUMBER.sub("#", now) == NUMBER.sub("#", committed), again
    # Numbers are rounded to six digits; where machines round to different sides, they differ by one in the last.
    found, kept = (np.array([float(t) for t in NUMBER.findall(text)]) for text in (now, committed))
    assert (abs(found - kept) <= 2e-5 * np.maximum(1.0, abs(kept))).all(), again


def test_every_picture_is_there_is_small_and_is_linked():
    linked = {path for chapter in CHAPTERS for path in re.findall(
        r"!\[[^\]]*\]\(([^)]+)\)", (DOCS / f"chapter_{chapter.number}.md").read_text(encoding="utf-8"))}
    assert linked == {picture_name(case) for case in ALL if case.draw is not None}
    kept = {f"pictures/{path.name}" for path in (DOCS / "pictures").iterdir()}
    assert kept == linked
    assert all((DOCS / name).stat().st_size < 40_000 for name in linked)


def test_ids_name_one_case_each_across_chapters():
    assert len({case.id.lower() for case in ALL}) == len(ALL)
    assert [chapter.number for chapter in CHAPTERS] == sorted({chapter.number for chapter in CHAPTERS})
    for chapter in CHAPTERS:
        for case in chapter.cases:
            assert re.match(rf"[AE]?{chapter.number}\.", case.id), case.id


def test_a_page_shows_statement_primal_dual_code_answer_and_checks():
    for chapter in CHAPTERS:
        text = page(chapter)
        assert text.count("\nPrimal:\n") == text.count("\nDual:\n") == text.count("```python\n") == len(chapter.cases)
        assert text.count("| checked | convexkit | reference | from |") == len(chapter.cases)
        assert ">>>" not in text  # the doctests of the docs would run it


def test_the_code_of_a_case_stops_where_the_answer_is_put_together():
    case = next(case for case in ALL if case.id == "5.1")
    assert source(case).startswith("f0, f1 = ck.Quadratic(")
    assert "return Answer" not in source(case)
    assert theme(case) == "The Lagrangian, its infimum, and what that bounds"


def test_stars_and_bars_of_formulas_are_not_markup():
    chapter = Chapter(9, "A toy")

    @chapter.case("9.1", "C9-01", "Exercise 9.1", "p* and |x|", statement="Find p* of |x|.", primal="minimise |x|",
                  dual="maximise 0")
    def run() -> Answer:
        return Answer(0.0, checks=(Check("|x|", 0.0, 0.0),))

    text = page(chapter)
    assert "p\\* and \\|x\\|" in text
    assert "| \\|x\\| | 0 | 0 | closed form |" in text
    assert "    minimise |x|" in text


def test_numbers_are_shown_to_six_digits_of_the_largest():
    assert shown(1 / 3) == "0.33333"
    assert shown(1e-12) == shown(-1e-12) == "0"
    assert shown([1234.5678, -1e-4]) == "(1234.57, 0)"
    assert shown([[1, 2], [3, 4]]) == "[(1, 2), (3, 4)]"
    assert shown(np.inf) == "∞"
    assert shown([-np.inf, 1.0]) == "(-∞, 1)"
    assert shown(float("nan")) == "not a number"
    assert (shown(True), shown(np.False_), shown(None)) == ("yes", "no", "none")


def test_a_check_measures_relative_to_the_reference_and_knows_its_side():
    assert Check("", 1000.1, 1000.0).error == pytest.approx(1e-4)
    assert not Check("", 1000.1, 1000.0).passed
    assert Check("", 1.0, 2.0, kind="at most").passed
    assert not Check("", 3.0, 2.0, kind="at most").passed
    assert Check("", [3.0, 2.0], [2.0, 2.0], kind="at least").passed
    assert Check("", np.inf, np.inf).passed
    assert not Check("", np.inf, -np.inf).passed
    assert not Check("", np.nan, 0.0).passed
    assert Check("", [1.0], 1.0).error == np.inf  # shapes differ
    assert words(Check("", 1.0, 2.0, kind="at most")) == "at most 2"


def test_a_story_says_which_check_fails():
    text = told(toy(), toy().answer.checks)
    assert "p* = 0" in text
    assert "λ = 0.33333" in text
    assert "agrees to 0.0e+00: p* = 0" in text
    assert "DISAGREES: |x| = 0.1; closed form: at most 0" in text


def test_a_case_without_a_picture_cannot_be_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match=r"9\.1 has no picture"):
        write_picture(toy(), tmp_path / "x.png")


def test_data_files_ship_with_the_package_and_hold_arrays_only():
    root = Path(__file__).parents[2]
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg", encoding="utf-8")
    assert setup["options.package_data"]["case_studies.boyd"] == "data/*"
    files = sorted((root / "case_studies" / "boyd" / "data").glob("*.npz"))
    assert len(files) == 2
    for path in files:
        arrays = load(path.name)  # refuses pickles
        assert all(arrays[name].dtype.kind in "fi" for name in arrays)
        assert path.name in (path.parent / "README.md").read_text(encoding="utf-8")
