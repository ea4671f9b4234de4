"""QPLIB's text format: every type of problem against the library's own formula, and refusals by line."""

import numpy as np
import pytest

from .test_formats_mps import read as read_as
from .test_formats_mps import refused as refused_as


def read(tmp_path, text):
    return read_as(tmp_path, text, "problem.qplib")


def refused(tmp_path, text, words, line=None):
    refused_as(tmp_path, text, words, line, "problem.qplib")


# minimise ½(2x₁² - x₁x₂ + 3x₂²) + ½x₁ + ½x₂ + 2x₃ + 1.25
# subject to  x₁ ≤ 4 - ½·2x₁²,   1 ≤ x₁ + x₃ + ½(2x₂² + ½x₁x₂) ≤ 4,   x₂ = 2,   x₁ ≥ -∞, -5 ≤ x ≤ 5
WHOLE = """Example of everything
QCQ # objective, variables, constraints
minimize
3 # number of variables
3 # number of constraints
3 # number of quadratic terms in objective
1 1 2.0
2 1 -1.0
2 2 3.0
0.5 # default value for linear coefficients in objective
1 # number of non-default linear coefficients in objective
3 2.0
1.25 # objective constant
3 # number of quadratic terms in all constraints
1 1 1 2.0
2 2 2 2.0
2 2 1 0.5
4 # number of linear terms in all constraints
1 1 1.0
2 1 1.0
2 3 1.0
3 2 1.0
1e20 # value for infinity
-1e20 # default left-hand-side value
2 # number of non-default left-hand-sides
2 1.0
3 2.0
4.0 # default right-hand-side value
1 # number of non-default right-hand-sides
3 2.0
-5.0 # default variable lower bound value
1 # number of non-default variable lower bounds
1 -1e20
5.0 # default variable upper bound value
0 # number of non-default variable upper bounds
0.0 # default variable primal value in starting point
0
0.0 # default constraint dual value in starting point
0
0.0 # default variable bound dual value in starting point
0
1 # number of non-default variable names
3 third
1 # number of non-default constraint names
2 second
"""
x = np.array([1.5, -2.0, 0.5])


def test_a_problem_with_everything(tmp_path):
    problem = read(tmp_path, WHOLE)
    assert repr(problem) == "QCQP(n=3, 3 quadratic + 0 linear inequalities, 1 equalities, 5 bounds)"
    objective = 0.5 * (2 * x[0]**2 - x[0] * x[1] + 3 * x[1]**2) + 0.5 * x[0] + 0.5 * x[1] + 2 * x[2] + 1.25
    assert problem.objective(x) == pytest.approx(objective)
    first = x[0]**2 + x[0] - 4.0
    second = x[0] + x[2] + 0.5 * (2 * x[1]**2 + 0.5 * x[0] * x[1])
    assert [f(x) for f in problem.inequalities] == pytest.approx([first, second - 4.0, 1.0 - second])
    np.testing.assert_array_equal(problem.A.toarray(), [[0.0, 1.0, 0.0]])
    np.testing.assert_array_equal(problem.b, [2.0])
    np.testing.assert_array_equal(problem.lb, [-np.inf, -5.0, -5.0])
    np.testing.assert_array_equal(problem.ub, [5.0, 5.0, 5.0])
    assert {f.structure for f in (problem.objective, *problem.inequalities)} == {"sparse"}


def test_a_term_off_the_diagonal_is_the_whole_coefficient_inside_the_half(tmp_path):
    problem = read(tmp_path, WHOLE)
    np.testing.assert_array_equal(problem.objective.hessian(), [[2.0, -0.5, 0.0], [-0.5, 3.0, 0.0], [0.0, 0.0, 0.0]])
    upper = read(tmp_path, WHOLE.replace("2 1 -1.0", "1 2 -1.0"))
    np.testing.assert_array_equal(upper.objective.hessian(), problem.objective.hessian())


def test_maximisation_turns_the_sign(tmp_path):
    low, high = read(tmp_path, WHOLE), read(tmp_path, WHOLE.replace("minimize", "Maximize"))
    assert high.objective(x) == pytest.approx(-low.objective(x))
    assert high.inequalities[1](x) == low.inequalities[1](x)


def sections(kind):
    """WHOLE without the sections that a type does not have."""
    lines = WHOLE.splitlines()
    cut = set()
    if kind[0] == "L":
        cut |= {*range(5, 9)}
    if kind[2] in "NBL":
        cut |= {*range(13, 17)}
    if kind[2] in "NB":
        cut |= {4, *range(17, 22), *range(23, 30), 37, 38}
        lines[43:] = ["0"]
    lines[1] = kind
    return "\n".join(line for k, line in enumerate(lines) if k not in cut) + "\n"


@pytest.mark.parametrize(("kind", "counts"), [
    ("LCL", "0 quadratic + 3 linear inequalities, 1 eq"), ("CCL", "0 quadratic + 3 linear inequalities, 1 eq"),
    ("DCB", "0 quadratic + 0 linear inequalities, 0 eq"), ("QCN", "0 quadratic + 0 linear inequalities, 0 eq"),
    ("LCQ", "3 quadratic + 0 linear inequalities, 1 eq"), ("CCC", "3 quadratic + 0 linear inequalities, 1 eq"),
    ("LCD", "3 quadratic + 0 linear inequalities, 1 eq"), ("LCN", "0 quadratic + 0 linear inequalities, 0 eq"),
])
def test_every_type_has_its_own_sections(tmp_path, kind, counts):
    problem = read(tmp_path, sections(kind))
    assert counts in repr(problem)
    assert problem.objective.is_affine == (kind[0] == "L")


def test_a_row_without_finite_side_is_none(tmp_path):
    text = sections("LCL").replace("-1e20 # default left", "-1e21 # default left")
    text = text.replace("4.0 # default right", "1e30 # default right")
    assert repr(read(tmp_path, text)) == "QCQP(n=3, 0 quadratic + 1 linear inequalities, 1 equalities, 5 bounds)"


@pytest.mark.parametrize(("old", "new", "words", "line"), [
    ("QCQ #", "QCX #", "the type of the problem is 'QCX'; expected three letters", 2),
    ("QCQ #", "Q #", "expected three letters", 2),
    ("QCQ #", "QBQ #", "problem type QBQ: variables are binary; only continuous variables", 2),
    ("QCQ #", "QMQ #", "variables are continuous and binary", 2),
    ("QCQ #", "QIQ #", "variables are integer", 2),
    ("QCQ #", "QGQ #", "variables are continuous, binary and integer", 2),
    ("minimize", "min", "expected minimize or maximize; got 'min'", 3),
    ("3 # number of var", "-3 # number of var", "the number of variables is -3; expected 0 or more", 4),
    ("3 # number of var", "3.5 # number of var", "expected an integer for the number of variables; got '3.5'", 4),
    ("3 # number of var", "0 # number of var", "expected none, for there are none of these", 7),
    ("3 # number of con", "1000000000 # number of con", "is 1000000000, but the file has", 5),
    ("3 # number of quadratic terms in obj", "99999 # number", "are announced, but only", 6),
    ("3 # number of quadratic terms in obj", "4 # number", "expected quadratic terms of", 10),
    ("2 1 -1.0", "4 1 -1.0", "i is 4; expected 1 to 3", 8),
    ("2 1 -1.0", "0 1 -1.0", "i is 0; expected 1 to 3", 8),
    ("2 1 -1.0", "2 1", "3 values (i j value) on a line; got 2", 8),
    ("2 1 -1.0", "2 1 nan", "value is 'nan'; expected a finite number", 8),
    ("2 1 -1.0", "2 1 1e999", "value is '1e999'", 8),
    ("2 1 -1.0", "2 1.0 -1.0", "expected an integer for j; got '1.0'", 8),
    ("2 1 -1.0", "2 2 -1.0", "this term is given twice; first in line 8", 9),
    ("2 2 3.0", "1 2 3.0", "this term is given twice; first in line 8", 9),
    ("2 1 1.0\n2 3", "2 3 1.0\n2 3", "this entry is given twice", 21),
    ("2 1.0\n3 2.0", "2 1.0\n2 2.0", "this index is given twice; first in line 26", 27),
    ("2 1.0\n3 2.0", "2 5.0\n3 2.0", "constraint 2 has sides 5 and 4", None),
    ("1e20 # value", "-1 # value", "the value for infinity is -1", 23),
    ("1e20 # value", "nan # value", "the value for infinity is 'nan'", 23),
    ("3 third\n", "4 third\n", "index is 4; expected 1 to 3", 43),
    ("2 second\n", "2 second\nmore\n", "expected the end of the file after the names", 46),
    ("1 # number of non-default constraint names\n2 second\n", "", "the file ends before the number of names of", 43),
    ("-5.0 # default variable lower", "6.0 # default variable lower", "bounds are crossed at 2 of 3", None),
    ("0.5 # default value", "0.5 \udcff", "holds the byte 0xff; expected ASCII text", 10),
])
def test_what_is_wrong_or_not_supported_is_named_with_its_line(tmp_path, old, new, words, line):
    assert old in WHOLE
    refused(tmp_path, WHOLE.replace(old, new, 1).encode("utf-8", "surrogateescape"), words, line)


def test_every_truncation_at_a_line_is_refused(tmp_path):
    lines = WHOLE.splitlines(keepends=True)
    for count in range(len(lines)):
        refused(tmp_path, "".join(lines[:count]), "")
