"""MPS and QPS: every section against the formula of its definition, HiGHS as a second opinion, and refusals by line."""

import gzip

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck

from .gallery import CASES


def read(tmp_path, text, name="problem.mps"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ck.read_problem(path)


def refused(tmp_path, text, words, line=None, name="problem.mps"):
    """The FormatError of a text: one line with the file, the line and the words."""
    with pytest.raises(ck.FormatError) as caught:
        read(tmp_path, text, name)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: " + ("" if line is None else f"line {line}: ")), message
    assert words in message
    assert "\n" not in message


ROWS = """NAME rows
ROWS
 N obj
 L l
 G g
 E e
 N other
COLUMNS
 x obj 1 l 1
 x g 2 other 7
 y obj -2 e 3
 y l -1
RHS
 rhs obj -5 l 4
 rhs g 1 e 6
{}ENDATA
"""


def with_section(text):
    return ROWS.format(text)


def test_rows_bounds_and_the_constant_of_the_objective(tmp_path):
    problem = read(tmp_path, with_section(""))
    np.testing.assert_array_equal(problem.objective.q, [1.0, -2.0])
    assert problem.objective.r == 5.0
    assert problem.objective.is_affine
    # l: x - y <= 4; g: 2x >= 1, negated; e: 3y = 6; the second free row is none.
    np.testing.assert_array_equal(problem.G.toarray(), [[1.0, -1.0], [-2.0, 0.0]])
    np.testing.assert_array_equal(problem.h, [4.0, -1.0])
    np.testing.assert_array_equal(problem.A.toarray(), [[0.0, 3.0]])
    np.testing.assert_array_equal(problem.b, [6.0])
    np.testing.assert_array_equal(problem.lb, [0.0, 0.0])
    np.testing.assert_array_equal(problem.ub, [np.inf, np.inf])


@pytest.mark.parametrize(("ranges", "sides"), [
    ("l 3", {"l": (1.0, 4.0)}), ("l -3", {"l": (1.0, 4.0)}), ("g 3", {"g": (1.0, 4.0)}), ("g -3", {"g": (1.0, 4.0)}),
    ("e 3", {"e": (6.0, 9.0)}), ("e -3", {"e": (3.0, 6.0)}), ("e 0", {"e": (6.0, 6.0)}), ("l 0", {"l": (4.0, 4.0)}),
    ("l 1e20", {"l": (-np.inf, 4.0)}), ("other 5", {}),
])
def test_ranges_give_rows_a_second_side(tmp_path, ranges, sides):
    problem = read(tmp_path, with_section(f"RANGES\n rng {ranges}\n"))
    expected = {"l": (-np.inf, 4.0), "g": (1.0, np.inf), "e": (6.0, 6.0), **sides}
    rows = {"l": [1.0, -1.0], "g": [2.0, 0.0], "e": [0.0, 3.0]}
    upper = [(rows[k], high) for k, (low, high) in expected.items() if low != high < np.inf]
    lower = [([-v for v in rows[k]], -low) for k, (low, high) in expected.items() if high != low > -np.inf]
    equal = [(rows[k], low) for k, (low, high) in expected.items() if low == high]
    np.testing.assert_array_equal(problem.G.toarray(), [row for row, _ in upper + lower])
    np.testing.assert_array_equal(problem.h, [side for _, side in upper + lower])
    if equal:
        np.testing.assert_array_equal(problem.A.toarray(), [row for row, _ in equal])
        np.testing.assert_array_equal(problem.b, [side for _, side in equal])


@pytest.mark.parametrize(("bounds", "low", "high"), [
    (" UP b x 4", 0.0, 4.0), (" LO b x -4", -4.0, np.inf), (" FX b x 4", 4.0, 4.0), (" FR b x", -np.inf, np.inf),
    (" MI b x", -np.inf, np.inf), (" PL b x", 0.0, np.inf), (" UP b x -4", -np.inf, -4.0), (" UP b x 0", 0.0, 0.0),
    (" LO b x -9\n UP b x -4", -9.0, -4.0), (" UP b x -4\n LO b x -9", -9.0, -4.0),
    (" MI b x\n UP b x 3", -np.inf, 3.0), (" UP b x 1e30", 0.0, np.inf),
    (" LO b x -1e20", -np.inf, np.inf), (" UP b x inf", 0.0, np.inf),
    (" LO b x -Infinity", -np.inf, np.inf), (" UP x 4", 0.0, 4.0), (" FR x", -np.inf, np.inf), (" up b x 4", 0.0, 4.0),
    (" FR b x 0", -np.inf, np.inf), (" MI x 0", -np.inf, np.inf), (" UP b x 1.5D+1", 0.0, 15.0),
])
def test_bounds_of_every_kind(tmp_path, bounds, low, high):
    problem = read(tmp_path, with_section(f"BOUNDS\n{bounds}\n"))
    assert (problem.lb[0], problem.ub[0]) == (low, high)
    assert (problem.lb[1], problem.ub[1]) == (0.0, np.inf)


Q = np.array([[2.0, -1.0], [-1.0, 4.0]])
ONE_TRIANGLE = " x x 2 y -1\n y y 4\n"
OTHER_TRIANGLE = " x x 2\n y x -1\n y y 4\n"
BOTH_TRIANGLES = " x x 2\n x y -1\n y x -1\n y y 4\n"


@pytest.mark.parametrize("section", [
    "QUADOBJ\n" + ONE_TRIANGLE, "QUADOBJ\n" + OTHER_TRIANGLE, "QMATRIX\n" + BOTH_TRIANGLES, "QSECTION\n" + ONE_TRIANGLE,
    "QSECTION obj\n" + ONE_TRIANGLE])
def test_quadratic_terms_of_the_objective(tmp_path, section):
    problem = read(tmp_path, with_section(section))
    assert problem.objective.structure == "sparse"
    np.testing.assert_array_equal(problem.objective.hessian(), Q)
    assert not problem.inequalities


@pytest.mark.parametrize(("section", "factor"), [
    ("QCMATRIX {}\n" + BOTH_TRIANGLES, 2.0), ("QSECTION {}\n" + ONE_TRIANGLE, 1.0)])
def test_quadratic_terms_of_rows(tmp_path, section, factor):
    # QCMATRIX is xᵀQx, QSECTION is ½xᵀQx.
    problem = read(tmp_path, with_section(section.format("l")))
    assert repr(problem) == "QCQP(n=2, 1 quadratic + 1 linear inequalities, 1 equalities, 2 bounds)"
    f = problem.inequalities[0]
    x = np.array([3.0, 5.0])
    assert f(x) == pytest.approx(0.5 * factor * x @ Q @ x + x[0] - x[1] - 4.0)
    problem = read(tmp_path, with_section(section.format("g")))
    assert problem.inequalities[0](x) == pytest.approx(1.0 - 0.5 * factor * x @ Q @ x - 2.0 * x[0])
    with pytest.raises(ck.NotConvexError, match=r"inequalities\[0\].P"):
        ck.solve(problem)
    both = read(tmp_path, with_section(section.format("e")))
    assert [f(x) for f in both.inequalities] == pytest.approx(
        [0.5 * factor * x @ Q @ x + 3.0 * x[1] - 6.0, 6.0 - 0.5 * factor * x @ Q @ x - 3.0 * x[1]])
    assert both.p == 0


def test_several_quadratic_sections(tmp_path):
    rows = "QCMATRIX l\n x x 1\nQCMATRIX g\n y y 1\n"
    problem = read(tmp_path, with_section("QMATRIX\n" + BOTH_TRIANGLES + rows))
    assert repr(problem) == "QCQP(n=2, 2 quadratic + 0 linear inequalities, 1 equalities, 2 bounds)"


@pytest.mark.parametrize("sense", [
    "OBJSENSE\n MAX\n", "OBJSENSE MAX\n", "OBJSENSE\n    MAXIMIZE\n", "objsense\n max\n"])
def test_a_maximisation_is_the_minimisation_of_the_negative(tmp_path, sense):
    text = with_section("QUADOBJ\n" + ONE_TRIANGLE)
    problem = read(tmp_path, text.replace("ROWS\n", sense + "ROWS\n"))
    np.testing.assert_array_equal(problem.objective.q, [-1.0, 2.0])
    np.testing.assert_array_equal(problem.objective.hessian(), -Q)
    assert problem.objective.r == -5.0
    assert read(tmp_path, with_section("").replace("ROWS\n", "OBJSENSE\n MIN\nROWS\n")).objective.r == 5.0


def test_another_free_row_can_be_the_objective(tmp_path):
    problem = read(tmp_path, with_section("").replace("ROWS\n", "OBJNAME\n other\nROWS\n"))
    np.testing.assert_array_equal(problem.objective.q, [7.0, 0.0])
    assert problem.objective.r == 0.0
    text = with_section("").replace("ROWS\n", "OBJNAME\n l\nROWS\n")
    refused(tmp_path, text, "OBJNAME names 'l', which is no row of type N")


def test_comments_blank_lines_windows_line_ends_and_missing_sets(tmp_path):
    text = with_section("BOUNDS\n UP x 4\n").replace(" rhs ", " ")
    text = "* é, a comment in another alphabet\n\n" + text.replace("COLUMNS", "* here\n\t\nCOLUMNS")
    problem = read(tmp_path, text.replace("\n", "\r\n"))
    assert repr(problem) == "QCQP(n=2, 0 quadratic + 2 linear inequalities, 1 equalities, 3 bounds)"
    assert problem.objective.r == 5.0


def test_no_free_row_is_the_objective_zero(tmp_path):
    problem = read(tmp_path, "ROWS\n L c\nCOLUMNS\n x c 1\nENDATA\n")
    np.testing.assert_array_equal(problem.objective.q, [0.0])


def columns(*fields):
    """A line of fixed format: fields at columns 2, 5, 15, 25, 40 and 50."""
    line = ""
    for field, start in zip(fields, (1, 4, 14, 24, 39, 49), strict=False):
        line = line.ljust(start) + field
    return line + "\n"


FIXED = "".join([
    "NAME          MY PROBLEM\n", "ROWS\n", columns("N", "THE COST"), columns("L", "ROW ONE"), columns("E", "ROW TWO"),
    "COLUMNS\n", columns("", "COL ONE", "THE COST", "1.0", "ROW ONE", "1.0"), columns("", "COL ONE", "ROW TWO", "2.0"),
    columns("", "COL TWO", "THE COST", "-3.0", "ROW ONE", "1.0"),
    "RHS\n", columns("", "", "ROW ONE", "4.0", "ROW TWO", "5.0"), "RANGES\n", columns("", "RNG", "ROW ONE", "1.5"),
    "BOUNDS\n", columns("UP", "BND", "COL ONE", "3.0"), columns("FR", "BND", "COL TWO"), "ENDATA\n"])
FIXED_QUADRATIC = FIXED.replace("ENDATA", "QUADOBJ\n" + columns("", "COL ONE", "COL ONE", "2.0", "COL TWO", "-1.0")
                                + "ENDATA")


def test_fixed_format_has_names_with_blanks(tmp_path):
    problem = read(tmp_path, FIXED_QUADRATIC)
    np.testing.assert_array_equal(problem.objective.q, [1.0, -3.0])
    np.testing.assert_array_equal(problem.objective.hessian(), [[2.0, -1.0], [-1.0, 0.0]])
    np.testing.assert_array_equal(problem.G.toarray(), [[1.0, 1.0], [-1.0, -1.0]])
    np.testing.assert_array_equal(problem.h, [4.0, -2.5])
    np.testing.assert_array_equal(problem.A.toarray(), [[2.0, 0.0]])
    np.testing.assert_array_equal(problem.lb, [0.0, -np.inf])
    np.testing.assert_array_equal(problem.ub, [3.0, np.inf])


def test_fixed_and_free_format_agree_where_names_have_no_blanks(tmp_path):
    text = FIXED_QUADRATIC
    for name in ("THE COST", "ROW ONE", "ROW TWO", "COL ONE", "COL TWO"):
        text = text.replace(name, name.replace(" ", "_"))
    free, fixed = read(tmp_path, text), read(tmp_path, FIXED_QUADRATIC)
    np.testing.assert_array_equal(free.G.toarray(), fixed.G.toarray())
    np.testing.assert_array_equal(free.h, fixed.h)
    np.testing.assert_array_equal(free.objective.hessian(), fixed.objective.hessian())


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(("old", "new", "words", "line"), [
    ("ENDATA\n", "", "the file ends without ENDATA; it is empty or truncated", 15),
    (" x obj 1 l 1\n", " x obj 1 l 1\n M1 'MARKER' 'INTORG'\n", "'INTORG'\" marks integer variables", 10),
    ("ENDATA", "BOUNDS\n BV b x\nENDATA", "bound BV makes a binary variable, which is not supported", 17),
    ("ENDATA", "BOUNDS\n LI b x 1\nENDATA", "bound LI makes an integer variable", 17),
    ("ENDATA", "BOUNDS\n SC b x 1\nENDATA", "bound SC makes a semicontinuous variable", 17),
    ("ENDATA", "BOUNDS\n XX b x 1\nENDATA", "unknown bound 'XX'; supported are UP, LO, FX, FR, MI and PL", 17),
    ("ENDATA", "BOUNDS\n UP b z 1\nENDATA", "column 'z' is not in COLUMNS", 17),
    ("ENDATA", "BOUNDS\n UP b x\nENDATA", "expected UP, a name for the set of bounds, a column and a number", 17),
    ("ENDATA", "BOUNDS\n UP b x nan\nENDATA", "the bound is 'nan'", 17),
    ("ENDATA", "BOUNDS\n UP b x -inf\nENDATA", "bound UP -inf leaves no value for column 'x'", 17),
    ("ENDATA", "BOUNDS\n FX b x 1e20\nENDATA", "bound FX inf leaves no value", 17),
    ("ENDATA", "BOUNDS\n UP b x 1\n FX b x 2\nENDATA", "column 'x' has a second upper bound", 18),
    ("ENDATA", "BOUNDS\n UP b x 1\n UP c y 2\nENDATA", "BOUNDS has a second set, 'c', after 'b'", 18),
    ("ENDATA", "BOUNDS\n LO b x 2\n UP b x 1\nENDATA", "bounds are crossed at 1 of 2", None),
    ("ENDATA", "SOS\n S1 s x:1\nENDATA", "section SOS is for special ordered sets, which are not supported", 16),
    ("ENDATA", "CSECTION k 0 QUAD\n x\nENDATA", "use a .cbf file", 16),
    ("ENDATA", "MYSECTION\n x\nENDATA", "unknown section 'MYSECTION'; supported are NAME, OBJSENSE", 16),
    ("ENDATA", "x obj 1\nENDATA", "Lines of data start with a blank", 16),
    ("ENDATA", "QUADOBJ\n x y 1\n y x 1\nENDATA", "entry of QUADOBJ, which takes one triangle, is given twice", 18),
    ("ENDATA", "QUADOBJ\n x x 1\nQMATRIX\n x x 1\nENDATA", "the quadratic terms of the objective are given twice", 18),
    ("ENDATA", "QMATRIX\n x y 1\nENDATA", "the objective is not symmetric: its entry (0, 1) is 1", None),
    ("ENDATA", "QCMATRIX l\n x y 1\nENDATA", "row 'l' is not symmetric", None),
    ("ENDATA", "QCMATRIX\n x x 1\nENDATA", "expected the name of a row after QCMATRIX", 16),
    ("ENDATA", "QCMATRIX zz\n x x 1\nENDATA", "row 'zz' is not in ROWS", 16),
    ("ENDATA", "QCMATRIX obj\n x x 1\nENDATA", "the terms of the objective are in QUADOBJ", 16),
    ("ENDATA", "QUADOBJ\n x\nENDATA", "got 1 fields", 17),
    ("ENDATA", "QUADOBJ\n x z 1\nENDATA", "column 'z' is not in COLUMNS", 17),
    ("ENDATA", "RANGES\n r obj 1\nENDATA", "RANGES has an entry for the objective, row 'obj'", 17),
    ("ENDATA", "RANGES\n r l 1 l 1\nENDATA", "row 'l' has two entries in RANGES", 17),
    ("ENDATA", "RANGES\n r l nan\nENDATA", "the number is 'nan'", 17),
    (" rhs g 1 e 6", " rhs g 1 g 6", "row 'g' has two entries in RHS", 15),
    (" rhs g 1 e 6", " other g 1", "RHS has a second set, 'other', after 'rhs'", 15),
    (" rhs g 1 e 6", " rhs g 1 e", "one or two pairs of a row and a number; got 4 fields", 15),
    (" rhs g 1 e 6", " rhs g 1 e inf", "row 'e' has sides inf and inf", None),
    (" y l -1", " y l -1_0", "expected a number for the coefficient; got '-1_0'", 12),
    (" y l -1", " y l 0x10", "expected a number for the coefficient; got '0x10'", 12),
    (" y l -1", " y l 1e999", "the coefficient is '1e999'; expected a finite number", 12),
    (" y l -1", " y l 1x", "expected a number for the coefficient; got '1x'", 12),
    (" y l -1", " y zz -1", "row 'zz' is not in ROWS", 12),
    (" y l -1", " y e -1", "this entry is given twice; first in line 11", 12),
    (" y l -1", " x e -1", "column 'x' is there already", 12),
    (" y l -1", " y l -1 e", "got 4 fields", 12),
    (" G g", " G l", "row 'l' is there twice", 5),
    (" G g", " Z g", "expected N, L, G or E and the name of a row", 5),
    (" G g", " G g\udc80", "holds the byte 0x80; expected ASCII text", 5),
    ("ROWS", " data\nROWS", "data before the first section", 2),
    ("ROWS", "OBJSENSE\n MOX\nROWS", "expected MIN or MAX; got 'MOX'", 3),
    ("COLUMNS\n x obj 1 l 1\n x g 2 other 7\n y obj -2 e 3\n y l -1\n", "COLUMNS\n", "no columns", None),
])
def test_what_is_wrong_or_not_supported_is_named_with_its_line(tmp_path, old, new, words, line):
    text = with_section("")
    assert old in text
    changed = text.replace(old, new, 1)
    if "no columns" in words:
        changed = changed[:changed.index("RHS")] + "ENDATA\n"
    refused(tmp_path, changed.encode("utf-8", "surrogateescape"), words, line)


def test_every_truncation_is_refused(tmp_path):
    text = with_section("QUADOBJ\n" + ONE_TRIANGLE)
    for length in range(len(text) - 2):
        refused(tmp_path, text[:length], "")


# ---------------------------------------------------------------- against others


def write_mps(path, problem, section="QUADOBJ"):
    """A QCQP without cones as an MPS file: its own rows, in free format, written from the definition."""
    f = problem.objective
    G, A = sp.csc_matrix(problem.G), sp.csc_matrix(problem.A)
    lines = ["NAME test", "ROWS", " N obj", *(f" L g{i}" for i in range(problem.h.size)),
             *(f" E a{i}" for i in range(problem.p)), "COLUMNS"]
    for j in range(problem.n):
        lines.append(f" x{j} obj {float(f.q[j])!r}")
        for prefix, matrix in (("g", G), ("a", A)):
            part = slice(matrix.indptr[j], matrix.indptr[j + 1])
            lines += [f" x{j} {prefix}{i} {float(v)!r}"
                      for i, v in zip(matrix.indices[part], matrix.data[part], strict=True)]
    lines += ["RHS", f" rhs obj {-f.r!r}", *(f" rhs g{i} {float(v)!r}" for i, v in enumerate(problem.h)),
              *(f" rhs a{i} {float(v)!r}" for i, v in enumerate(problem.b)), "BOUNDS"]
    for j, (low, high) in enumerate(zip(problem.lb, problem.ub, strict=True)):
        lines += [f" LO b x{j} {float(low)!r}" if np.isfinite(low) else f" MI b x{j}"]
        lines += [f" UP b x{j} {float(high)!r}"] * bool(np.isfinite(high))
    if not f.is_affine:
        P = f.P if f.structure == "sparse" else f.hessian()
        P = sp.triu(P) if section == "QUADOBJ" else sp.coo_matrix(P)
        lines += [section, *(f" x{i} x{j} {float(v)!r}" for i, j, v in zip(P.row, P.col, P.data, strict=True))]
    path.write_text("\n".join([*lines, "ENDATA", ""]))


LINEAR_ROWS = [name for name in CASES if not CASES[name]().problem.inequalities
               and CASES[name]().problem.objective.structure != "operator"]


@pytest.mark.parametrize("name", LINEAR_ROWS)
def test_problems_of_the_gallery_come_back_through_mps(tmp_path, name):
    problem = CASES[name]().problem
    for section in ("QUADOBJ", "QMATRIX"):
        path = tmp_path / "case.qps"
        write_mps(path, problem, section)
        again = ck.read_problem(path)
        np.testing.assert_array_equal(again.objective.hessian(), problem.objective.hessian())
        for key in ("q", "r"):
            np.testing.assert_array_equal(getattr(again.objective, key), getattr(problem.objective, key))
        kept = np.isfinite(problem.h)
        for key, before in (("h", problem.h[kept]), ("b", problem.b), ("lb", problem.lb), ("ub", problem.ub)):
            np.testing.assert_array_equal(getattr(again, key), before)
        for key, before in (("G", problem.G[kept]), ("A", problem.A)):
            if before.shape[0]:
                after = getattr(again, key)
                np.testing.assert_array_equal(after.toarray(), before.toarray() if sp.issparse(before) else before)


@pytest.mark.parametrize("text", [
    with_section("RANGES\n r l 3 g -3\n r e -1\nBOUNDS\n LO b x -4\n UP b y 3\nQUADOBJ\n" + ONE_TRIANGLE),
    with_section("RANGES\n r e 3\nBOUNDS\n MI b x\n FX b y 3\nQMATRIX\n" + BOTH_TRIANGLES),
    FIXED])
def test_highs_reads_the_same_problem(tmp_path, text):
    highspy = pytest.importorskip("highspy")
    problem = read(tmp_path, text)
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(tmp_path / "problem.mps")) == highspy.HighsStatus.kOk
    model = highs.getModel()
    lp, n = model.lp_, problem.n
    np.testing.assert_array_equal(lp.col_cost_, problem.objective.q)
    assert lp.offset_ == problem.objective.r
    np.testing.assert_array_equal(lp.col_lower_, problem.lb)
    np.testing.assert_array_equal(lp.col_upper_, problem.ub)
    if model.hessian_.dim_:
        lower = sp.csc_matrix((model.hessian_.value_, model.hessian_.index_, model.hessian_.start_), (n, n)).toarray()
        np.testing.assert_array_equal(lower + np.tril(lower, -1).T, problem.objective.hessian())
    matrix = sp.csc_matrix((lp.a_matrix_.value_, lp.a_matrix_.index_, lp.a_matrix_.start_), (lp.num_row_, n)).toarray()
    low, high = np.array(lp.row_lower_), np.array(lp.row_upper_)
    equal = low == high
    upper, lower = ~equal & np.isfinite(high), ~equal & np.isfinite(low)
    np.testing.assert_array_equal(problem.G.toarray(), np.vstack([matrix[upper], -matrix[lower]]))
    np.testing.assert_array_equal(problem.h, np.concatenate([high[upper], -low[lower]]))
    np.testing.assert_array_equal(problem.b, low[equal])


def test_a_compressed_file_is_read(tmp_path):
    (tmp_path / "problem.mps.gz").write_bytes(gzip.compress(with_section("").encode()))
    assert ck.read_problem(tmp_path / "problem.mps.gz").n == 2
