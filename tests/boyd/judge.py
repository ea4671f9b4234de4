"""What every case of the book must hold."""

from __future__ import annotations

import numpy as np
import pytest

import convexkit as ck
from case_studies.boyd.case import Case, Chapter
from case_studies.boyd.oracle import checks as by_cvxpy


def covers(chapter: Chapter, rows: str) -> None:
    """Each row of the catalogue has a case, and no two cases share an id."""
    assert sorted(case.row for case in chapter.cases) == sorted(rows.split())
    assert len({case.id for case in chapter.cases}) == len(chapter.cases)


def judge(case: Case) -> None:
    """All checks pass, one of them against something that is not ours; evidence holds; cvxpy agrees."""
    answer = case.run()
    assert answer.checks
    for check in answer.checks:
        assert check.passed, f"{check.name}: {check.ours} against {check.reference} ({check.error:.1e})"
    if answer.value is not None and answer.dual_value is not None:
        assert answer.dual_value <= answer.value + 1e-7 * max(1.0, abs(answer.value) if np.isfinite(
            answer.value) else 1.0), "weak duality"
    for problem, solution in answer.solved:
        if solution.certificate is not None:
            assert solution.certificate.verify(problem)
        else:
            assert ck.kkt_residuals(problem, solution.x, solution.lam, solution.nu, solution.lam_lb, solution.lam_ub,
                                    solution.lam_cones).max() <= 1e-6


def agrees_with_cvxpy(case: Case) -> None:
    """Each problem that was solved, and what the case compares itself."""
    pytest.importorskip("cvxpy")
    answer = case.run()
    found = [check for problem, solution in answer.solved if not problem.cones for check in by_cvxpy(problem, solution)]
    found += case.by_cvxpy() if case.by_cvxpy is not None else ()
    for check in found:
        assert check.passed, f"{check.name}: {check.ours} against {check.reference} ({check.error:.1e})"


def draws(case: Case, tmp_path) -> None:
    """The picture, if there is one, is drawn and is not blank."""
    if case.draw is None:
        return
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from case_studies.boyd.pages import write_picture

    assert case.caption
    path = tmp_path / "picture.png"
    write_picture(case, path)
    assert 3000 < path.stat().st_size < 60_000
