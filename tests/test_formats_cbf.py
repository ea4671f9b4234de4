"""The Conic Benchmark Format: every cone at points inside, on and outside of it, and refusals by line."""

import numpy as np
import pytest

from .test_formats_mps import read as read_as
from .test_formats_mps import refused as refused_as


def read(tmp_path, text):
    return read_as(tmp_path, text, "problem.cbf")


def refused(tmp_path, text, words, line=None):
    refused_as(tmp_path, text, words, line, "problem.cbf")


def cbf(variables, constraints=(), objective=(), constant=None, A=(), b=(), sense="MIN", version=3):
    """A file from lists of cones, of entries (i, j, value) and (i, value)."""
    lines = ["VER", version, "", "OBJSENSE", sense, ""]
    for word, cones in (("VAR", variables), ("CON", constraints)):
        if cones:
            lines += [word, f"{sum(size for _, size in cones)} {len(cones)}", *(f"{c} {k}" for c, k in cones), ""]
    for word, entries in (("OBJACOORD", objective), ("ACOORD", A), ("BCOORD", b)):
        if word == "ACOORD" and constant is not None:
            lines += ["OBJBCOORD", constant, ""]
        if entries:
            lines += [word, len(entries), *(" ".join(map(str, entry)) for entry in entries), ""]
    return "\n".join(map(str, lines))


def test_linear_rows_bounds_and_the_objective(tmp_path):
    problem = read(tmp_path, cbf(
        [("F", 1), ("L+", 1), ("L-", 1), ("L=", 1)], [("L=", 1), ("L+", 2), ("L-", 1), ("F", 1)], [(0, 2.0), (3, -1.0)],
        1.5, [(0, 0, 1.0), (1, 1, 2.0), (2, 2, 3.0), (3, 3, 4.0), (4, 0, 9.0)], [(0, -5.0), (1, 6.0), (3, 7.0)]))
    np.testing.assert_array_equal(problem.objective.q, [2.0, 0.0, 0.0, -1.0])
    assert problem.objective.r == 1.5
    np.testing.assert_array_equal(problem.lb, [-np.inf, 0.0, -np.inf, 0.0])
    np.testing.assert_array_equal(problem.ub, [np.inf, np.inf, 0.0, 0.0])
    # x - 5 = 0;   4w + 7 ≤ 0 first, then 2y + 6 ≥ 0 and 3z ≥ 0, negated
    np.testing.assert_array_equal(problem.A.toarray(), [[1.0, 0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(problem.b, [5.0])
    np.testing.assert_array_equal(problem.G.toarray(), [[0, 0, 0, 4.0], [0, -2.0, 0, 0], [0, 0, -3.0, 0]])
    np.testing.assert_array_equal(problem.h, [-7.0, 6.0, 0.0])
    assert not np.signbit(problem.h[2])
    assert not problem.cones


def test_a_maximisation_is_the_minimisation_of_the_negative(tmp_path):
    problem = read(tmp_path, cbf([("F", 1)], objective=[(0, 2.0)], constant=3.0, sense="MAX"))
    assert (problem.objective.q[0], problem.objective.r) == (-2.0, -3.0)


def membership(cone, z):
    """How far z is inside a cone, by its definition; negative outside."""
    if cone == "Q":
        return z[0] - np.linalg.norm(z[1:])
    return min(z[0], z[1], 2.0 * z[0] * z[1] - z[2:] @ z[2:])


@pytest.mark.parametrize("cone", ["Q", "QR"])
@pytest.mark.parametrize("size", [3, 4, 7])
def test_cones_of_variables_and_of_rows_are_those_of_their_definition(tmp_path, cone, size):
    rng = np.random.default_rng(size)
    A, b = rng.normal(size=(size, size)).round(3), rng.normal(size=size).round(3)
    entries = [(i, j, A[i, j]) for i in range(size) for j in range(size)]
    of_variables = read(tmp_path, cbf([("F", 2), (cone, size)]))
    of_rows = read(tmp_path, cbf([("F", size)], [("F", 1), (cone, size)], A=[(i + 1, j, v) for i, j, v in entries],
                                 b=[(i + 1, v) for i, v in enumerate(b)]))
    seen = set()
    for _ in range(300):
        z = rng.normal(size=size)
        z[:2] = 1.3 * abs(z[:2]) * rng.choice([1, 1, 1, -1], 2)
        inside = membership(cone, z)
        seen.add(inside > 0)
        assert (of_variables.cone_values(np.concatenate([[3.0, -3.0], z]))[0] < 0) == (inside > 0)
        assert (of_rows.cone_values(np.linalg.solve(A, z - b))[0] < 0) == (inside > 0)
    assert seen == {True, False}
    # On the boundary: 2uv = ‖w‖², or z₀ = ‖z‖.
    w = rng.normal(size=size - 2)
    first = [0.7, w @ w / 1.4] if cone == "QR" else [np.sqrt(1.0 + w @ w), 1.0]
    z = np.concatenate([first, w])
    assert abs(of_variables.cone_values(np.concatenate([[0.0, 0.0], z]))[0]) < 1e-12


def test_cones_without_a_norm_are_linear(tmp_path):
    problem = read(tmp_path, cbf([("Q", 1), ("QR", 2)], [("Q", 1), ("QR", 2)],
                                 A=[(0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0)], b=[(1, 4.0)]))
    np.testing.assert_array_equal(problem.lb, [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(problem.G.toarray(), -np.eye(3))
    np.testing.assert_array_equal(problem.h, [0.0, 4.0, 0.0])
    assert not problem.cones


def test_a_rotated_cone_has_the_answer_of_its_closed_form(tmp_path):
    # minimise u + v over 2uv ≥ w², w = 2: u = v = √2.
    problem = read(tmp_path, cbf([("QR", 3)], [("L=", 1)], [(0, 1.0), (1, 1.0)], A=[(0, 2, 1.0)], b=[(0, -2.0)]))
    cp = pytest.importorskip("cvxpy")
    variable = cp.Variable(3)
    cone = problem.cones[0]
    model = cp.Problem(cp.Minimize(problem.objective.q @ variable), [
        cp.SOC(cone.c @ variable + cone.d, cone.A @ variable + cone.b), problem.A @ variable == problem.b])
    model.solve(solver=cp.CLARABEL)
    assert model.value == pytest.approx(2.0 * np.sqrt(2.0), rel=1e-6)


def test_versions_comments_and_sections_without_entries(tmp_path):
    for version in (1, 2, 3):
        assert read(tmp_path, cbf([("F", 1)], version=version)).n == 1
    text = "# é\n" + cbf([("F", 2)], [("L=", 1)], A=[(0, 0, 1.0)]).replace("CON", "# here\n\n\nCON")
    assert read(tmp_path, (text + "INT\n0\n").replace("\n", "\r\n")).p == 1


BASE = cbf([("F", 1), ("QR", 3)], [("L=", 1), ("Q", 2)], [(0, 1.0)], 2.0, [(0, 1, 1.0), (1, 2, 3.0)], [(2, 4.0)])


@pytest.mark.parametrize(("old", "new", "words", "line"), [
    ("VER\n3", "VER\n4", "the version is 4; supported are 1, 2 and 3", 2),
    ("VER\n3\n", "", "section 'OBJSENSE' comes before VER", 2),
    ("MIN", "MAXI", "expected MIN or MAX; got 'MAXI'", 5),
    ("QR 3", "EXP 3", "cone EXP is an exponential cone, which is not supported; supported are F, L=, L+, L-, Q", 10),
    ("QR 3", "@0:POW 3", "cone @0:POW is a power cone, which is not supported", 10),
    ("QR 3", "@0:POW* 3", "cone @0:POW* is a dual power cone", 10),
    ("QR 3", "SVECPSD 3", "cone SVECPSD is a cone of semidefinite matrices", 10),
    ("QR 3", "XX 3", "unknown cone 'XX'; supported are", 10),
    ("QR 3", "QR 4", "the size of cone QR is 4; expected 2 to 3, as 1 of 4 variables are in cones already", 10),
    ("QR 3", "QR 1", "the size of cone QR is 1; expected 2", 10),
    ("QR 3", "QR 2", "the cones hold 3 variables, but 4 are announced", 10),
    ("QR 3", "QR -1", "the size of cone QR is -1; expected 0 or more", 10),
    ("4 2\nF", "4000000 2\nF", "the number of variables is 4000000, but the file has", 8),
    ("4 2\nF", "4 2000\nF", "2000 cones are announced, but only", 8),
    ("CON\n", "INT\n1\n0\nCON\n", "section INT is for integer variables, which are not supported", 12),
    ("CON\n", "PSDVAR\n1\n3\nCON\n", "section PSDVAR is for semidefinite variables", 12),
    ("CON\n", "POWCONES\n1 3\n3\n1\n1\n1\nCON\n", "expected the number of entries of POWCONES", 13),
    ("CON\n", "CHANGE\nCON\n", "section CHANGE is for a sequence of problems", 12),
    ("CON\n", "CUN\n", "unknown section 'CUN'; supported are VER", 12),
    ("CON\n", "CON 3\n", "expected the name of a section, such as VAR or ACOORD; got 'CON 3'", 12),
    ("OBJBCOORD\n2.0", "OBJACOORD\n0", "section OBJACOORD is there twice; first in line 17", 21),
    ("OBJBCOORD\n2.0", "OBJBCOORD\n1_0", "expected a number for the constant of the objective; got '1_0'", 22),
    ("0 1.0\n\nOBJ", "4 1.0\n\nOBJ", "variable is 4; expected 0 to 3", 19),
    ("ACOORD\n2\n", "ACOORD\n3\n", "expected entries of ACOORD, 3 values (row variable value) on a line; got 1", 29),
    ("ACOORD\n2\n", "ACOORD\n1\n", "expected the name of a section", 27),
    ("ACOORD\n2\n", "ACOORD\n-2\n", "is -2; expected 0 or more", 25),
    ("1 2 3.0", "3 2 3.0", "row is 3; expected 0 to 2", 27),
    ("1 2 3.0", "0 1 3.0", "this entry is given twice; first in line 26", 27),
    ("1 2 3.0", "1 2 inf", "value is 'inf'; expected a finite number", 27),
    ("2 4.0", "2 4.0 5", "2 values (row value) on a line; got 3", 31),
    ("2 4.0", "-1 4.0", "row is -1; expected 0 to 2", 31),
    ("BCOORD\n1\n2 4.0", "BCOORD\n1", "1 entries of BCOORD are announced, but", None),
    ("OBJACOORD", "\udce9", "holds the byte 0xe9; expected ASCII text", 17),
])
def test_what_is_wrong_or_not_supported_is_named_with_its_line(tmp_path, old, new, words, line):
    assert old in BASE
    refused(tmp_path, BASE.replace(old, new, 1).encode("utf-8", "surrogateescape"), words, line)


def test_sections_need_those_that_they_refer_to(tmp_path):
    refused(tmp_path, "VER\n1\nOBJSENSE\nMIN\nACOORD\n0\n", "section ACOORD comes before VAR", 5)
    refused(tmp_path, "VER\n1\nOBJSENSE\nMIN\nVAR\n1 1\nF 1\nBCOORD\n0\n", "section BCOORD comes before CON", 8)
    refused(tmp_path, "VER\n1\nOBJSENSE\nMIN\n", "the file ends without section VAR", 4)
    refused(tmp_path, "VER\n1\nVAR\n1 1\nF 1\n", "the file ends without section OBJSENSE")
    refused(tmp_path, "", "the file ends without section VER")
    refused(tmp_path, "VER\n1\nOBJSENSE\nMIN\nVAR\n0 0\n", "no variables")
