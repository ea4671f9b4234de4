"""What every case of the book must hold."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from case_studies.boyd.case import Case, Chapter, Check
from case_studies.boyd.verdict import by_cvxpy, evidence


def covers(chapter: Chapter, rows: str) -> None:
    """Each row of the catalogue has a case, with primal and dual written out, and no two cases share an id."""
    assert sorted(case.row for case in chapter.cases) == sorted(rows.split())
    assert len({case.id.lower() for case in chapter.cases}) == len(chapter.cases)
    for case in chapter.cases:
        assert all(text.strip() for text in (case.title, case.where, case.statement, case.primal, case.dual)), case.id


def judge(case: Case) -> None:
    """All checks pass, against something that is not ours; the evidence holds."""
    assert case.answer.checks
    _pass(case.answer.checks)
    _pass(evidence(case))


def agrees_with_cvxpy(case: Case) -> None:
    """Each problem that was solved, and what the case compares itself."""
    pytest.importorskip("cvxpy")
    _pass(by_cvxpy(case))


def draws(case: Case, tmp_path) -> None:
    """The picture, if there is one, is drawn, is not blank, and is small."""
    if case.draw is None:
        return
    pytest.importorskip("matplotlib")
    from case_studies.boyd.pages import write_picture

    assert case.caption
    path = tmp_path / "picture.png"
    write_picture(case, path)
    assert 3000 < path.stat().st_size < 40_000


def _pass(checks: Iterable[Check]) -> None:
    for check in checks:
        assert check.passed, f"{check.name}: {check.ours} against {check.reference} ({check.error:.1e})"
