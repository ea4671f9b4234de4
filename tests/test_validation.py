"""User input becomes arrays of known shape, or an error that says what was wrong with it."""

import numpy as np
import pytest
import scipy.sparse as sp

from convexkit.errors import ConvexkitError, MissingDependencyError, NotConvexError, NotSolvedError, ProblemError
from convexkit.validation import (
    as_bound,
    as_count,
    as_matrix,
    as_real_array,
    as_symmetric,
    as_vector,
    check_finite,
    in_range,
)


def test_problem_errors_are_value_errors_and_convexkit_errors():
    assert issubclass(ProblemError, ValueError)
    assert issubclass(ProblemError, ConvexkitError)
    assert issubclass(NotConvexError, ProblemError)
    assert issubclass(NotSolvedError, RuntimeError)
    assert issubclass(MissingDependencyError, ImportError)


# --- as_real_array ---

@pytest.mark.parametrize(("value", "dtype"), [
    ([1, 2], np.float64), (np.ones(2, np.float16), np.float64), (np.ones(2, np.float32), np.float32),
    (np.ones(2, ">f8"), np.float64), ([True, False], np.float64), ([[1.0]], np.float64), ([], np.float64),
])
def test_float32_stays_and_everything_else_becomes_float64(value, dtype):
    assert as_real_array("x", value).dtype == dtype


def test_a_float64_array_is_passed_through_without_a_copy():
    x = np.ones(3)
    assert as_real_array("x", x) is x


@pytest.mark.parametrize(("value", "words"), [
    ([[1.0], [1.0, 2.0]], "x is not a rectangular array"),
    ([1.0, 1j], "x is complex"),
    (["one"], "x must hold numbers"),
    ([None], "x must hold numbers|finite"),
    ([object()], "x must hold numbers"),
])
def test_what_is_not_a_real_array_is_refused_by_name(value, words):
    with pytest.raises(ProblemError, match=words):
        as_real_array("x", value)


def test_a_nonfinite_entry_is_named_with_its_place_and_the_count():
    with pytest.raises(ProblemError, match=r"2 entries that are not finite; the first is P\[0, 1\] = nan"):
        as_real_array("P", [[0.0, np.nan], [np.inf, 1.0]])


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(ProblemError, match="r = nan is not finite"):
        as_real_array("r", np.nan)


def test_opposite_infinities_are_found_and_a_sum_that_overflows_is_no_infinity():
    with pytest.raises(ProblemError, match=r"x\[0\] = inf"):
        check_finite("x", np.array([np.inf, -np.inf]))
    check_finite("x", np.full(4, 1e308))
    check_finite("x", np.full(4, 3e38, np.float32))


def test_infinite_entries_pass_where_they_are_welcome():
    assert np.isinf(as_real_array("ub", [np.inf], finite=False)).all()


# --- as_vector, as_matrix ---

@pytest.mark.parametrize("value", [[1.0, 2.0], [[1.0, 2.0]], [[1.0], [2.0]], np.array([1, 2], np.float32)])
def test_rows_columns_and_lists_become_float64_vectors(value):
    vector = as_vector("q", value, 2)
    assert vector.shape == (2,)
    assert vector.dtype == np.float64


def test_a_scalar_is_a_vector_of_length_one():
    assert as_vector("q", 3.0, 1).tolist() == [3.0]


def test_a_vector_of_wrong_shape_or_length_is_refused():
    with pytest.raises(ProblemError, match=r"q must be a vector; it has shape \(2, 2\)"):
        as_vector("q", np.ones((2, 2)))
    with pytest.raises(ProblemError, match="q has length 2; expected 3"):
        as_vector("q", np.ones(2), 3)


def test_a_vector_is_one_row_of_a_matrix_and_nothing_is_no_row():
    assert as_matrix("G", [1.0, 2.0], 2).shape == (1, 2)
    assert as_matrix("G", [], 2).shape == (0, 2)
    assert as_matrix("G", [], 0).shape == (0, 0)


def test_a_sparse_matrix_becomes_float64_csr():
    G = as_matrix("G", sp.coo_matrix(np.eye(2, dtype=int)), 2)
    assert G.format == "csr"
    assert G.dtype == np.float64


@pytest.mark.parametrize(("value", "words"), [
    (np.ones((2, 2)), "expected 3 columns"),
    (sp.eye(2), "expected 3 columns"),
    (np.ones(2), r"G must be a matrix; it has shape \(2,\)"),
    (np.ones((1, 1, 3)), "G must be a matrix"),
    (sp.csr_matrix(np.array([[1j, 0, 0]])), "G is complex"),
    (sp.csr_matrix(np.array([[np.nan, 0, 0]])), r"G\.data has 1 entries"),
])
def test_what_is_not_a_matrix_of_that_width_is_refused(value, words):
    with pytest.raises(ProblemError, match=words):
        as_matrix("G", value, 3)


# --- as_symmetric ---

@pytest.mark.parametrize("wrap", [np.asarray, sp.csr_matrix])
def test_rounding_asymmetry_is_averaged_away_and_a_symmetric_matrix_is_untouched(wrap):
    P = np.array([[2.0, 1.0], [1.0, 3.0]])
    same = as_symmetric("P", wrap(P))
    assert abs(same - P).max() == 0
    P[0, 1] += 1e-12
    averaged = as_symmetric("P", wrap(P))
    assert abs(averaged - averaged.T).max() == 0
    assert averaged[0, 1] == pytest.approx(1.0 + 5e-13, abs=1e-15)
    assert P[0, 1] == 1.0 + 1e-12, "the input was modified"


@pytest.mark.parametrize("wrap", [np.asarray, sp.csr_matrix])
def test_asymmetry_beyond_rounding_is_refused_with_both_entries(wrap):
    with pytest.raises(ProblemError, match=r"P\[0, 1\] = 1 but P\[1, 0\] = 2.*\(P \+ P\.T\) / 2"):
        as_symmetric("P", wrap(np.array([[1.0, 1.0], [2.0, 1.0]])))


def probed(n=100):
    """A symmetric matrix large enough to be checked by products."""
    M = np.random.default_rng(0).standard_normal((n, n))
    return M @ M.T


def test_a_large_matrix_that_is_symmetric_up_to_rounding_is_taken_as_it_is():
    P = probed()
    P = (P + P.T) / 2
    assert as_symmetric("P", P) is P
    off = P.copy()
    off[3, 70] *= 1.0 + 4e-16
    assert off[3, 70] != off[70, 3]
    assert as_symmetric("P", off) is off


def test_a_large_matrix_that_is_off_by_more_than_rounding_is_averaged():
    P = probed()
    P[3, 70] += 1e-11 * np.abs(P).max()
    averaged = as_symmetric("P", P)
    assert averaged is not P
    np.testing.assert_array_equal(averaged, averaged.T)


@pytest.mark.parametrize(("i", "j"), [(0, 99), (99, 0), (50, 51)])
def test_one_wrong_entry_of_a_large_matrix_is_found(i, j):
    P = probed()
    P[i, j] += 1e-9 * np.abs(P).max()
    with pytest.raises(ProblemError, match="P is not symmetric"):
        as_symmetric("P", P)


@pytest.mark.parametrize("entry", [np.nan, np.inf, -np.inf])
def test_one_entry_of_a_large_matrix_that_is_not_finite_is_found(entry):
    P = probed()
    P[5, 6] = P[6, 5] = entry
    with pytest.raises(ProblemError, match=r"P has 2 entries that are not finite; the first is P\[5, 6\]"):
        as_symmetric("P", P)


def test_products_that_overflow_leave_a_large_matrix_to_the_comparison():
    P = np.full((100, 100), 1e307)
    np.testing.assert_array_equal(as_symmetric("P", P), P)


def test_a_float32_gram_matrix_counts_as_symmetric_and_stays_float32():
    F = np.random.default_rng(0).standard_normal((300, 40)).astype(np.float32)
    # Summed in two different orders, as a blocked product may do.
    P = np.tril(F.T @ F) + np.triu(F[::-1].copy().T @ F[::-1].copy(), 1)
    assert np.abs(P - P.T).max() > 1e-10 * np.abs(P).max()
    symmetric = as_symmetric("P", P)
    assert symmetric.dtype == np.float32
    np.testing.assert_array_equal(symmetric, symmetric.T)


def test_a_scalar_is_a_symmetric_matrix_and_a_rectangle_is_not():
    assert as_symmetric("P", 2.0).shape == (1, 1)
    assert as_symmetric("P", np.zeros((0, 0))).shape == (0, 0)
    for value in (np.ones((1, 2)), np.ones(3), sp.csr_matrix(np.ones((1, 2)))):
        with pytest.raises(ProblemError, match="P must be a square matrix"):
            as_symmetric("P", value)


# --- as_bound, in_range, as_count ---

def test_bounds_take_none_a_scalar_or_a_vector_with_infinities():
    assert as_bound("lb", None, 2, -np.inf).tolist() == [-np.inf, -np.inf]
    assert as_bound("lb", 1, 2, -np.inf).tolist() == [1.0, 1.0]
    assert as_bound("ub", [1.0, np.inf], 2, np.inf).tolist() == [1.0, np.inf]


@pytest.mark.parametrize(("value", "words"), [
    ([1.0, np.nan], r"ub\[1\] is NaN; write inf"),
    ([-np.inf, 1.0], r"ub\[0\] = -inf leaves no value for variable 0"),
    ([1.0], "ub has length 1; expected 2"),
])
def test_a_bound_that_cannot_be_met_or_read_is_refused(value, words):
    with pytest.raises(ProblemError, match=words):
        as_bound("ub", value, 2, np.inf)


def test_a_number_in_its_interval_is_returned_as_a_float():
    assert in_range("tol", np.float32(0.5), 0, 1) == 0.5
    assert in_range("tol", 0, 0, 1, low_open=False) == 0.0
    assert in_range("tol", 1, 0, 1, high_open=False) == 1.0


@pytest.mark.parametrize("value", [0, 1, np.nan, -1, np.inf])
def test_a_number_outside_an_open_interval_is_refused_with_the_interval(value):
    with pytest.raises(ProblemError, match=r"expected a number in \(0, 1\)"):
        in_range("alpha", value, 0, 1)


@pytest.mark.parametrize("value", ["much", None, [1, 2]])
def test_what_is_no_number_is_refused_with_the_interval(value):
    with pytest.raises(ProblemError, match=r"alpha must be a number in \[0, 1\]"):
        in_range("alpha", value, 0, 1, low_open=False, high_open=False)


def test_counts_are_integers_of_at_least_the_minimum():
    assert as_count("maxiter", np.int64(3)) == 3
    for value in (-1, 1.0, True, "3", None):
        with pytest.raises(ProblemError, match="maxiter must be an integer of at least 0"):
            as_count("maxiter", value)
