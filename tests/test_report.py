"""Reports: text for people, plain data for programs, a picture of the iterations."""

import dataclasses
import json
import sys

import numpy as np
import pytest

import convexkit as ck
from convexkit import report

from .gallery import CASES


@pytest.mark.parametrize("name", CASES)
def test_every_solution_has_a_summary_and_is_strict_json(name):
    problem = CASES[name]().problem
    solution = ck.solve(problem)
    lines = report.summary(problem, solution).splitlines()
    assert lines[0] == f"status          {solution.status}"
    assert lines[1] == f"problem         {problem!r}"
    assert lines[-1] == f"message         {solution.message}"
    assert all(line[15] == " " and line[16] != " " for line in lines)
    assert json.loads(json.dumps(report.as_dict(problem, solution), allow_nan=False))["status"] == solution.status


def test_a_summary_shows_value_evidence_and_the_worst_row():
    problem = CASES["diet"]().problem
    text = report.summary(problem, ck.solve(problem))
    assert "value           13.90909" in text
    for word in ("dual value", "gap", "stationarity", "primal", "dual ", "complementarity", "iterations", "seconds"):
        assert f"\n{word}" in text
    early = ck.solve(problem, maxiter=1)
    assert f"({early.residuals.where})" in report.summary(problem, early)


def test_a_summary_says_whether_the_certificate_verifies():
    problem = CASES["infeasible_pair"]().problem
    solution = ck.solve(problem)
    assert "certificate     verifies on the data as given" in report.summary(problem, solution)
    assert "value           inf" in report.summary(problem, solution)
    forged = dataclasses.replace(solution, certificate=dataclasses.replace(
        solution.certificate, lam=-solution.certificate.lam))
    assert "certificate     does NOT verify" in report.summary(problem, forged)
    assert report.as_dict(problem, forged)["certificate"]["verified"] is False


def test_a_solution_without_evidence_still_has_a_summary():
    problem = CASES["diet"]().problem
    bare = dataclasses.replace(ck.solve(problem), residuals=None)
    assert report.summary(problem, bare).splitlines()[2].startswith("iterations")
    assert report.as_dict(problem, bare)["residuals"] is None


def test_numbers_that_json_does_not_have_become_null():
    problem = CASES["unbounded_lp"]().problem
    data = report.as_dict(problem, ck.solve(problem))
    assert data["value"] is None
    assert data["x"] == [None, None]
    assert data["certificate"]["direction"] is not None


def solved_by_hand(problem, x, lam_cones, certificate=None):
    """A solution of a problem without rows or bounds that bind."""
    residuals = None if certificate else ck.kkt_residuals(problem, x, lam_cones=lam_cones)
    status = ck.Status.INFEASIBLE if certificate else ck.Status.OPTIMAL
    value = np.inf if certificate else residuals.value
    none = np.zeros(problem.n)
    return ck.Solution(status, "by hand.", np.asarray(x), np.zeros(0), np.zeros(0), none, none, value, value, residuals,
                       certificate, 3, 0.25, lam_cones=tuple(np.asarray(z) for z in lam_cones))


def test_cone_multipliers_are_reported_in_words_and_as_lists():
    problem = ck.socp([3.0, 4.0], [ck.SecondOrderCone([[1.0, 0.0]], d=9.0), ck.SecondOrderCone(np.eye(2), d=1.0)])
    solution = solved_by_hand(problem, [-0.6, -0.8], [[0.0, 0.0], [5.0, 3.0, 4.0]])
    assert "\nlam_cones       up to 5.0e+00 (cones[1])\n" in report.summary(problem, solution)
    assert "2 cones" in report.summary(problem, solution).splitlines()[1]
    data = json.loads(json.dumps(report.as_dict(problem, solution), allow_nan=False))
    assert data["lam_cones"] == [[0.0, 0.0], [5.0, 3.0, 4.0]]
    outside = solved_by_hand(problem, [-0.9, -1.2], [[0.0, 0.0], [5.0, 3.0, 4.0]])
    assert "(cones[1] is violated by 5.0e-01)" in report.summary(problem, outside)
    assert report.as_dict(problem, outside)["residuals"]["where"] == "cones[1] is violated by 5.0e-01"


def test_a_certificate_with_cones_is_reported_as_lists():
    problem = ck.socp([0.0, 1.0], [ck.SecondOrderCone(np.eye(2), d=-1.0)])
    none = np.zeros(2)
    proof = ck.InfeasibilityCertificate(np.zeros(0), np.zeros(0), none, none, (np.array([1.0, 0.0, 0.0]),))
    solution = solved_by_hand(problem, [np.nan, np.nan], [[1.0, 0.0, 0.0]], proof)
    assert "certificate     verifies on the data as given" in report.summary(problem, solution)
    data = json.loads(json.dumps(report.as_dict(problem, solution), allow_nan=False))
    assert data["certificate"]["lam_cones"] == [[1.0, 0.0, 0.0]]
    assert data["certificate"]["verified"] is True
    assert data["x"] == [None, None]


def test_a_problem_without_cones_has_no_line_and_an_empty_list_for_them():
    problem = CASES["diet"]().problem
    solution = ck.solve(problem)
    assert "lam_cones" not in report.summary(problem, solution)
    assert report.as_dict(problem, solution)["lam_cones"] == []


def test_iteration_lines_stand_under_their_header():
    records = []
    ck.solve(CASES["diet"]().problem, callback=records.append)
    for record in records[1:]:
        line = report.iteration_line(record)
        assert len(line) == len(report.ITERATION_HEADER)
        assert len(line.split()) == len(report.ITERATION_HEADER.replace("dual value", "dual_value").split())
        assert float(line.split()[1]) == pytest.approx(record.value, rel=1e-6)


@pytest.mark.parametrize("name", ["diet", "redundant_equalities", "infeasible_pair", "unbounded_lp", "nothing_at_all"])
def test_iterations_are_drawn_whatever_the_residuals_are(tmp_path, name):
    pytest.importorskip("matplotlib")
    records = []
    ck.solve(CASES[name]().problem, callback=records.append)
    odd = dataclasses.replace(records[-1], iteration=len(records), primal=0.0, dual=np.inf, gap=1e300)
    report.plot_iterations([*records, odd], tmp_path / "iterations.png")
    assert (tmp_path / "iterations.png").read_bytes().startswith(b"\x89PNG")


def test_a_summary_needs_the_problem_and_then_its_solution():
    problem = CASES["diet"]().problem
    with pytest.raises(ck.ProblemError, match="summary takes the problem, then its solution"):
        report.summary(ck.solve(problem), problem)


def test_no_records_are_no_picture(tmp_path):
    with pytest.raises(ck.ProblemError, match="records is empty"):
        report.plot_iterations([], tmp_path / "nothing.png")


def test_a_picture_without_matplotlib_names_the_extra(tmp_path, monkeypatch):
    records = []
    ck.solve(CASES["diet"]().problem, callback=records.append)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ck.MissingDependencyError, match=r"pip install 'convexkit\[plot\]'"):
        report.plot_iterations(records, tmp_path / "nothing.png")
