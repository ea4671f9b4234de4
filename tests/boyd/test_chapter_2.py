"""Chapter 2: every row of the catalogue, against closed forms, other solvers' figures and cvxpy."""

import pytest

from case_studies.boyd.chapter_2 import chapter

from .judge import agrees_with_cvxpy, covers, draws, judge

ROWS = """C2-01 C2-03 C2-04 C2-05 C2-06 C2-09 C2-10 C2-11 C2-12 C2-13 C2-14 C2-15 C2-16 C2-18 C2-20"""


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
