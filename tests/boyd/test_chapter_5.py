"""Chapter 5: every row of the catalogue, against closed forms, other solvers' figures and cvxpy."""

import pytest

from case_studies.boyd.chapter_5 import chapter

from .judge import agrees_with_cvxpy, covers, draws, judge

ROWS = """C5-01 C5-02 C5-03 C5-04 C5-05 C5-07 C5-09 C5-12 C5-13 C5-15 C5-16 C5-19 C5-20 C5-22 C5-23 C5-24 C5-25 C5-26
C5-28 C5-30 C5-31 C5-32 C5-35 C5-36 C5-37 C5-38 C5-41 C5-42 C5-43 C5-46 C5-47 C5-48"""


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
