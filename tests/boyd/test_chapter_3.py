"""Chapter 3: every row of the catalogue, against closed forms, other solvers' figures and cvxpy."""

import pytest

from case_studies.boyd.chapter_3 import chapter

from .judge import agrees_with_cvxpy, covers, draws, judge

ROWS = """C3-01 C3-03 C3-04 C3-05 C3-06 C3-07 C3-09 C3-10 C3-12 C3-13 C3-14 C3-16 C3-17 C3-20"""


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
