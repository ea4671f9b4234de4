"""Chapter 4: every row of the catalogue, against closed forms, other solvers' figures and cvxpy."""

import pytest

from case_studies.boyd.chapter_4 import chapter

from .judge import agrees_with_cvxpy, covers, draws, judge

ROWS = """C4-01a C4-01b C4-01c C4-01d C4-01e C4-02 C4-03 C4-04 C4-06a C4-07 C4-09 C4-10 C4-11 C4-12 C4-15 C4-16 C4-18
C4-19 C4-21 C4-23 C4-25 C4-26 C4-27 C4-29 C4-31 C4-33 C4-35 C4-36 C4-37"""


def test_every_row_of_the_catalogue_has_a_case():
    covers(chapter, ROWS)


@pytest.mark.parametrize("case", chapter.cases, ids=lambda case: case.id)
def test_the_case_holds(case):
    judge(case)


@pytest.mark.parametrize("case", chapter.cases, ids=lambda case: case.id)
def test_cvxpy_agrees(case):
    agrees_with_cvxpy(case)


@pytest.mark.parametrize("case", chapter.cases, ids=lambda case: case.id)
def test_the_picture_is_drawn(case, tmp_path):
    draws(case, tmp_path)
