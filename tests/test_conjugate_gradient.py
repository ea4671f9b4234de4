"""Conjugate gradient against Cholesky, scipy's cg and explicit norms; every status is reached."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import cg as scipy_cg

import convexkit as ck
from convexkit import CGStatus as Status


def spd(n, condition=100.0, seed=0):
    """A symmetric positive definite matrix with eigenvalues from 1 to `condition`, and a right-hand side."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (Q * np.geomspace(1.0, condition, n)) @ Q.T
    return (A + A.T) / 2, rng.standard_normal(n)


def indefinite(n=20, seed=1):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (Q * np.linspace(-1.0, 5.0, n)) @ Q.T
    return (A + A.T) / 2, rng.standard_normal(n)


# --- Solving ---

@settings(derandomize=True, max_examples=25, deadline=None)
@given(n=st.integers(1, 40), condition=st.floats(1.0, 1e6), seed=st.integers(0, 1000))
def test_cg_equals_cholesky(n, condition, seed):
    A, b = spd(n, condition, seed)
    result = ck.conjugate_gradient(A, b, rtol=1e-10, maxiter=100 * n)
    assert result.status == Status.CONVERGED
    exact = cho_solve(cho_factor(A), b)
    assert np.linalg.norm(result.x - exact) <= 2e-10 * condition * np.linalg.norm(exact)


def test_cg_takes_the_iterations_and_the_iterates_of_scipy():
    A, b = spd(60, 1e3)
    for nit in (1, 3, 5):
        ours = ck.conjugate_gradient(A, b, rtol=1e-14, maxiter=nit).x
        np.testing.assert_allclose(ours, scipy_cg(A, b, rtol=1e-14, maxiter=nit)[0], rtol=1e-10)
    # Rounding grows with the iterations, differently on each processor. How far, scipy's own run shows on the same
    # system with its unknowns in reverse: exact iterates would be the same.
    for nit in (10, 20, 40):
        theirs = scipy_cg(A, b, rtol=1e-14, maxiter=nit)[0]
        growth = np.linalg.norm(theirs - scipy_cg(A[::-1, ::-1], b[::-1], rtol=1e-14, maxiter=nit)[0][::-1])
        ours = ck.conjugate_gradient(A, b, rtol=1e-14, maxiter=nit).x
        assert np.linalg.norm(ours - theirs) <= 100 * growth
    steps = []
    scipy_cg(A, b, rtol=1e-8, atol=0.0, callback=steps.append)
    # Beyond n iterations rounding decides: a few more or less.
    assert ck.conjugate_gradient(A, b, rtol=1e-8).nit == pytest.approx(len(steps), rel=0.05)


def test_preconditioned_cg_takes_the_iterates_of_scipy():
    A, b = spd(60, 1e3)
    A = A * np.outer(d := np.geomspace(0.1, 10, 60), d)
    M = ck.jacobi(A.diagonal())
    for nit in (1, 5, 20):
        ours = ck.conjugate_gradient(A, b, rtol=1e-14, maxiter=nit, M=M).x
        np.testing.assert_allclose(ours, scipy_cg(A, b, rtol=1e-14, maxiter=nit, M=M)[0], rtol=1e-7, atol=1e-12)
    assert ck.conjugate_gradient(A, b, M=M).nit < ck.conjugate_gradient(A, b).nit / 2


@pytest.mark.parametrize("wrap", [np.asarray, np.asfortranarray, np.ndarray.tolist, sp.csr_matrix, ck.as_operator,
                                  lambda A: lambda v: A @ v, lambda A: lambda v: A @ v.reshape(-1, 1)])
def test_all_forms_of_a_matrix_give_the_same_answer(wrap):
    A, b = spd(12)
    result = ck.conjugate_gradient(wrap(A), b, rtol=1e-12)
    np.testing.assert_allclose(result.x, np.linalg.solve(A, b), rtol=1e-9)


def test_as_many_iterations_as_distinct_eigenvalues_suffice():
    A = np.diag(np.repeat([1.0, 4.0, 9.0], 10))
    assert ck.conjugate_gradient(A, np.random.default_rng(0).standard_normal(30), rtol=1e-12).nit == 3


def test_the_reported_residual_is_that_of_x():
    A, b = spd(30, 1e4)
    for maxiter in (3, 300):
        result = ck.conjugate_gradient(A, b, rtol=1e-9, maxiter=maxiter)
        np.testing.assert_allclose(result.residual_vector, b - A @ result.x, atol=1e-13)
        assert result.residual == pytest.approx(np.linalg.norm(b - A @ result.x), rel=1e-4)
        assert result.relative_residual == pytest.approx(result.residual / np.linalg.norm(b), rel=1e-12)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e-9, 1.0, 1e9, 1e140])
def test_the_size_of_b_does_not_change_the_relative_accuracy(size):
    A, b = spd(30)
    reference = ck.conjugate_gradient(A, b, rtol=1e-8)
    result = ck.conjugate_gradient(A, size * b, rtol=1e-8)
    if size < 1e-150:
        # Squares underflow: that is said, and nothing wrong is claimed.
        assert result.status == Status.NUMERICAL_ERROR
        assert not result.success
        return
    assert result.success
    assert np.linalg.norm(size * b - A @ result.x) <= 1e-8 * np.linalg.norm(size * b)
    assert abs(result.nit - reference.nit) <= 2


def test_b_of_norm_1e_minus_9_in_float32_is_solved_to_the_same_relative_accuracy():
    A, b = (array.astype(np.float32) for array in spd(30))
    small = (b * np.float32(1e-9 / np.linalg.norm(b))).astype(np.float32)
    result = ck.conjugate_gradient(A, small, rtol=1e-4)
    assert result.success
    assert result.x.dtype == result.residual_vector.dtype == np.float32
    exact = np.linalg.solve(A.astype(float), small.astype(float))
    assert np.linalg.norm(result.x - exact) <= 1e-2 * np.linalg.norm(exact)


@pytest.mark.parametrize("matrix_type", [np.float32, np.float64])
@pytest.mark.parametrize("vector_type", [np.float32, np.float64])
@pytest.mark.parametrize("wrap", [np.asarray, ck.as_operator])
def test_the_answer_has_the_type_of_b_whatever_that_of_the_matrix(matrix_type, vector_type, wrap):
    A, b = spd(20)
    result = ck.conjugate_gradient(wrap(A.astype(matrix_type)), b.astype(vector_type), np.full(20, 0.1), rtol=1e-4,
                                   M=ck.jacobi(A.diagonal()))
    assert result.success
    assert result.x.dtype == result.residual_vector.dtype == vector_type


def test_b_zero_gives_x_zero_at_once_even_from_a_warm_start():
    A, _ = spd(5)
    for x0 in (None, np.ones(5)):
        result = ck.conjugate_gradient(A, np.zeros(5), x0)
        assert result.success
        assert (result.nit, result.residual, result.relative_residual) == (0, 0.0, 0.0)
        assert not result.x.any()
    assert ck.conjugate_gradient(A, np.zeros(5), radius=1.0).status == Status.CONVERGED


def test_one_unknown_takes_one_iteration():
    result = ck.conjugate_gradient([[4.0]], [2.0])
    assert (result.x.tolist(), result.nit) == ([0.5], 1)


def test_no_unknowns_are_an_ordinary_system():
    assert ck.conjugate_gradient(np.zeros((0, 0)), np.zeros(0)).success


def test_a_column_counts_as_a_right_hand_side():
    A, b = spd(6)
    result = ck.conjugate_gradient(lambda v: (A @ v)[:, None], b[:, None])
    assert result.x.shape == (6,)


def test_a_warm_start_near_the_solution_saves_iterations_and_the_solution_takes_none():
    A, b = spd(40, 1e4)
    x = np.linalg.solve(A, b)
    cold = ck.conjugate_gradient(A, b)
    warm = ck.conjugate_gradient(A, b, x + 1e-5 * np.random.default_rng(0).standard_normal(40))
    assert warm.success
    assert warm.nit < cold.nit
    exact = ck.conjugate_gradient(A, b, x)
    assert (exact.nit, exact.products) == (0, 1)
    np.testing.assert_array_equal(exact.x, x)


def test_the_absolute_tolerance_counts_where_it_is_looser():
    A, b = spd(40, 1e4)
    loose = ck.conjugate_gradient(A, b, rtol=0.0, atol=0.1 * np.linalg.norm(b))
    assert loose.success
    assert 1e-3 < loose.relative_residual <= 0.1


def test_the_callback_sees_every_iteration_and_the_energy_falls():
    A, b = spd(30, 1e3)
    records = []
    result = ck.conjugate_gradient(A, b, callback=lambda r: records.append((r.nit, r.x.copy(), r.residual)))
    assert [nit for nit, _, _ in records] == list(range(1, result.nit + 1))
    np.testing.assert_array_equal(records[-1][1], result.x)
    energies = [0.5 * x @ A @ x - b @ x for _, x, _ in records]
    assert all(np.diff(energies) < 0)


def test_inputs_are_not_modified_and_nothing_is_remembered():
    A, b = spd(20, 1e3)
    x0, diagonal = np.full(20, 0.5), A.diagonal().copy()
    copies = A.copy(), b.copy(), x0.copy(), diagonal.copy()
    first, second = (ck.conjugate_gradient(A, b, x0, M=ck.jacobi(diagonal)) for _ in range(2))
    for array, copy in zip((A, b, x0, diagonal), copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(first.x, second.x)
    assert first.products == second.products


def test_a_preconditioner_that_returns_its_argument_does_no_harm():
    A, b = spd(20, 1e3)
    plain, identity = ck.conjugate_gradient(A, b), ck.conjugate_gradient(A, b, M=lambda v: v)
    np.testing.assert_allclose(identity.x, plain.x, atol=1e-5)
    assert ck.conjugate_gradient(lambda v: v, b).nit == 1


# --- Statuses ---

def test_the_iteration_limit_returns_the_last_iterate_and_both_accuracies():
    A, b = spd(50, 1e6)
    result = ck.conjugate_gradient(A, b, rtol=1e-10, maxiter=3)
    assert result.status == Status.ITERATION_LIMIT
    assert (result.success, result.nit, result.products) == (False, 3, 4)
    assert "3 iterations, the limit; asked for 1.0e-10" in result.message


def test_zero_iterations_return_the_start():
    A, b = spd(5)
    result = ck.conjugate_gradient(A, b, np.ones(5), maxiter=0)
    assert result.status == Status.ITERATION_LIMIT
    np.testing.assert_array_equal(result.x, np.ones(5))


def test_cg_reports_nonpositive_curvature_with_its_direction():
    A, b = indefinite()
    result = ck.conjugate_gradient(A, b)
    assert result.status == Status.NONPOSITIVE_CURVATURE
    assert not result.success
    d = result.direction
    assert result.curvature == pytest.approx(d @ A @ d / (d @ d), rel=1e-10)
    assert result.curvature <= 0
    assert f"iteration {result.nit + 1}" in result.message


@pytest.mark.parametrize("form", [np.asarray, lambda A: ck.as_operator(A.__matmul__, len(A))])
def test_a_singular_system_without_a_solution_says_so_and_comes_closest(form):
    # ‖b - Ax‖ is least, and equal to the part of b in the null space, where A(b - Ax) = 0.
    J = np.random.default_rng(3).standard_normal((10, 40))
    A, b = J.T @ J, np.random.default_rng(4).standard_normal(40)
    outside = b - np.linalg.pinv(J) @ (J @ b)
    result = ck.conjugate_gradient(form(A), b)
    assert (result.status, result.singular) == (ck.CGStatus.NONPOSITIVE_CURVATURE, True)
    assert "b is not in its range" in result.message
    assert result.nit < 40
    np.testing.assert_allclose(result.residual_vector, outside, atol=1e-8)
    np.testing.assert_allclose(result.x, np.linalg.pinv(A, rcond=1e-10) @ b, atol=1e-8)
    assert result.residual == pytest.approx(np.linalg.norm(outside))
    several = ck.conjugate_gradient(form(A), np.stack([b, A @ b], axis=1))
    assert [column.singular for column in several.columns] == [True, False]
    assert several.columns[1].success
    assert "b is not in its range" in several.columns[0].message
    # What has a solution is solved all the same.
    assert ck.conjugate_gradient(form(A), A @ b).success


def test_a_singular_product_with_its_factor_does_not_run_away():
    # dᵀJᵀJd = ‖Jd‖² is never negative, and far below eps·‖A‖‖d‖² along the null space: residuals grow, steps do not.
    J = np.random.default_rng(5).standard_normal((20, 400))
    b = np.random.default_rng(6).standard_normal(400)
    result = ck.conjugate_gradient(lambda v: J.T @ (J @ v), b)
    assert result.singular
    assert result.nit < 60
    assert result.relative_residual < 1
    assert np.linalg.norm(J @ result.residual_vector) <= 1e-8 * np.linalg.norm(J @ b)


def test_a_condition_number_of_1e14_is_not_called_singular():
    b = np.random.default_rng(7).standard_normal(60)
    for diagonal in (np.geomspace(1.0, 1e12, 60), np.r_[1e-14, np.linspace(0.5, 1.0, 59)]):
        result = ck.conjugate_gradient(np.diag(diagonal), b, maxiter=4000)
        assert result.success
        assert not result.singular


def test_a_zero_matrix_has_zero_curvature():
    result = ck.conjugate_gradient(np.zeros((2, 2)), np.ones(2))
    assert result.status == Status.NONPOSITIVE_CURVATURE
    assert result.curvature == 0.0


def test_a_product_that_is_not_finite_is_a_numerical_error():
    calls = []

    def product(v):
        calls.append(1)
        return v * np.array([1.0, 2.0, 3.0]) if len(calls) < 2 else v * np.nan

    result = ck.conjugate_gradient(product, np.ones(3))
    assert result.status == Status.NUMERICAL_ERROR
    assert result.nit == 1
    assert np.isfinite(result.x).all()
    assert "product with A is not finite" in result.message
    warm = ck.conjugate_gradient(lambda v: v * np.nan, np.ones(3), np.ones(3))
    assert warm.status == Status.NUMERICAL_ERROR


@pytest.mark.parametrize("M", [lambda v: -v, lambda v: 0 * v, lambda v: v * np.nan])
def test_a_preconditioner_that_is_not_positive_definite_is_a_numerical_error(M):
    A, b = spd(5)
    result = ck.conjugate_gradient(A, b, M=M)
    assert result.status == Status.NUMERICAL_ERROR
    assert "M must be symmetric positive definite" in result.message


def test_an_accuracy_beyond_the_precision_is_reported_and_the_best_is_returned():
    A, b = (array.astype(np.float32) for array in spd(60, 1e4))
    result = ck.conjugate_gradient(A, b, rtol=1e-9, maxiter=5000)
    assert result.status == Status.NUMERICAL_ERROR
    assert not result.success
    assert "cannot be reduced in float32" in result.message
    # What could be had: a residual of rounding size, eps·κ, relative to b.
    assert result.relative_residual < 1e-2


def test_success_is_never_claimed_on_the_recurred_residual_alone():
    # The recurred residual passes the tolerance long before the true one does; the run goes on from the latter.
    A, b = spd(80, 1e8, seed=4)
    for rtol in (1e-8, 1e-9, 1e-10, 1e-11):
        result = ck.conjugate_gradient(A, b, rtol=rtol, maxiter=20000)
        true = np.linalg.norm(b - A @ result.x) / np.linalg.norm(b)
        assert result.success == (result.status == Status.CONVERGED)
        assert not result.success or true <= rtol * (1 + 1e-3)


def test_underflow_is_a_numerical_error_and_not_a_curvature():
    result = ck.conjugate_gradient(np.diag([1.0, 2.0]).astype(np.float32), np.full(2, 1e-25, np.float32))
    assert result.status == Status.NUMERICAL_ERROR
    assert "underflows in float32" in result.message


# --- Radius ---

def model(A, b, x):
    return 0.5 * x @ A @ x - b @ x


def precondition(kind, n):
    """M and the explicit M⁻¹."""
    if kind == "none":
        return None, np.eye(n)
    if kind == "jacobi":
        diagonal = np.geomspace(0.5, 20.0, n)
        return ck.jacobi(diagonal), np.diag(diagonal)
    inverse, _ = spd(n, 30.0, seed=9)
    return np.linalg.inv(inverse), inverse


@pytest.mark.parametrize("kind", ["none", "jacobi", "dense"])
@pytest.mark.parametrize("build", [lambda: spd(30, 1e4), indefinite])
def test_the_truncated_path_lengthens_in_the_norm_of_inverse_m_and_descends_to_the_boundary(kind, build):
    A, b = build()
    M, M_inverse = precondition(kind, b.size)
    full = ck.conjugate_gradient(A, b, rtol=1e-10, M=M)
    for share in (0.01, 0.3, 0.9):
        radius = share * np.sqrt(full.x @ M_inverse @ full.x)
        path = []
        result = ck.conjugate_gradient(A, b, rtol=1e-10, M=M, radius=radius,
                                       callback=lambda r, path=path: path.append(r.x.copy()))
        assert result.success
        assert result.status in (Status.BOUNDARY, Status.NONPOSITIVE_CURVATURE)
        assert len(path) == result.nit
        lengths = [0.0] + [np.sqrt(x @ M_inverse @ x) for x in path]
        assert all(np.diff(lengths) > 0)
        # The recurred norm agrees with the explicit one.
        assert lengths[-1] == pytest.approx(radius, rel=1e-12 if M is None else 1e-5)
        assert all(np.diff([0.0] + [model(A, b, x) for x in path]) < 0)
        np.testing.assert_allclose(result.residual_vector, b - A @ result.x, atol=1e-12)


def test_a_radius_beyond_the_solution_changes_nothing():
    A, b = spd(20)
    plain = ck.conjugate_gradient(A, b, rtol=1e-10)
    result = ck.conjugate_gradient(A, b, rtol=1e-10, radius=2 * np.linalg.norm(plain.x))
    assert result.status == Status.CONVERGED
    np.testing.assert_allclose(result.x, plain.x, rtol=1e-12)


def test_a_tiny_radius_gives_the_steepest_descent_step():
    A, b = spd(20)
    result = ck.conjugate_gradient(A, b, radius=1e-6)
    assert (result.status, result.nit) == (Status.BOUNDARY, 1)
    np.testing.assert_allclose(result.x, 1e-6 * b / np.linalg.norm(b), rtol=1e-12)
    assert "1e-06" in result.message


def test_hard_negative_curvature_is_followed_downhill_to_the_boundary():
    A, b = -np.eye(4) * 1e8, np.array([1e-6, 0.0, 0.0, 0.0])
    result = ck.conjugate_gradient(A, b, radius=2.0)
    assert result.status == Status.NONPOSITIVE_CURVATURE
    assert result.success
    np.testing.assert_allclose(result.x, [2.0, 0.0, 0.0, 0.0], rtol=1e-14)
    assert model(A, b, result.x) < 0
    assert result.curvature == pytest.approx(-1e8)
    assert "followed to the boundary" in result.message


def test_negative_curvature_met_inside_the_region_still_descends():
    # The first step is short and harmless; the second direction has negative curvature.
    A, b = np.diag([100.0, 100.0, -1.0]), np.array([1.0, 0.5, 0.1])
    path = []
    result = ck.conjugate_gradient(A, b, radius=50.0, callback=lambda r: path.append(r.x.copy()))
    assert result.status == Status.NONPOSITIVE_CURVATURE
    assert result.nit == len(path) >= 2
    assert np.linalg.norm(result.x) == pytest.approx(50.0, rel=1e-12)
    assert all(np.diff([model(A, b, x) for x in path]) < 0)


def test_truncation_keeps_float32():
    A, b = (array.astype(np.float32) for array in spd(20))
    result = ck.conjugate_gradient(A, b, radius=0.1)
    assert result.x.dtype == np.float32
    assert np.linalg.norm(result.x) == pytest.approx(0.1, rel=1e-5)


# --- Bad input ---

@pytest.mark.parametrize(("options", "words"), [
    ({"rtol": -1.0}, "rtol"), ({"rtol": 1.0}, "rtol"), ({"atol": -1.0}, "atol"), ({"atol": np.inf}, "atol"),
    ({"maxiter": -1}, "maxiter"), ({"maxiter": 2.0}, "maxiter"), ({"radius": 0.0}, "radius"),
    ({"x0": np.ones(3)}, r"x0 has shape \(3,\); expected \(5,\)"),
    ({"x0": np.ones(5), "radius": 1.0}, "x0 must be zero"),
    ({"M": np.eye(3)}, "expected"), ({"x0": np.full(5, np.nan)}, "x0 has 5 entries"),
])
def test_options_that_do_not_fit_are_refused(options, words):
    A, b = spd(5)
    with pytest.raises(ck.ProblemError, match=words):
        ck.conjugate_gradient(A, b, **options)


@pytest.mark.parametrize(("b", "words"), [(np.ones((5, 2, 2)), "b must be a vector"), (1.0, "b must be a vector"),
                                          (np.ones(4), "expected"), ([np.inf] * 5, "not finite")])
def test_right_hand_sides_that_do_not_fit_are_refused(b, words):
    with pytest.raises(ck.ProblemError, match=words):
        ck.conjugate_gradient(np.eye(5), b)


@pytest.mark.parametrize("wrap", [np.asarray, np.ndarray.tolist, sp.csr_matrix])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_matrix_that_is_not_finite_is_refused_and_not_called_a_numerical_error(bad, wrap):
    A, b = spd(5)
    A[3, 1] = A[1, 3] = bad
    for x0 in (None, np.ones(5)):
        with pytest.raises(ck.ProblemError, match="finite"):
            ck.conjugate_gradient(wrap(A), b, x0)
    with pytest.raises(ck.ProblemError, match="M has 2 entries that are not finite"):
        ck.conjugate_gradient(np.eye(5), b, M=A)


@pytest.mark.parametrize(("diagonal", "words"), [([1.0, 0.0], r"diagonal\[1\] = 0 is not positive"),
                                                 ([1.0, -2.0], "not positive"), (np.eye(2), "must be a vector"),
                                                 ([np.nan], "not finite")])
def test_jacobi_refuses_a_diagonal_that_is_not_positive(diagonal, words):
    with pytest.raises(ck.ProblemError, match=words):
        ck.jacobi(diagonal)


def test_jacobi_divides_vectors_and_blocks_and_keeps_float32():
    M = ck.jacobi(np.array([2.0, 4.0], np.float32))
    assert (M @ np.ones(2, np.float32)).tolist() == [0.5, 0.25]
    assert (M @ np.ones((2, 3), np.float32)).tolist() == [[0.5] * 3, [0.25] * 3]
    assert M.dtype == np.float32
    assert ck.jacobi([]).shape == (0, 0)


def test_each_status_prints_as_its_word():
    assert [str(status) for status in Status] == ["converged", "iteration_limit", "nonpositive_curvature", "boundary",
                                                  "numerical_error"]


# --- Several right-hand sides ---

@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("form", ["array", "sparse", "callable"])
def test_columns_are_solved_as_each_alone(form, dtype):
    A, _ = spd(50, 1e3, seed=4)
    A = A.astype(dtype)
    B = np.random.default_rng(5).standard_normal((50, 4)).astype(dtype)
    B[:, 2] *= 1e-6
    given = {"array": A, "sparse": sp.csr_array(A), "callable": lambda v: A @ v}[form]
    rtol = 1e-9 if dtype is np.float64 else 1e-4
    together = ck.conjugate_gradient(given, B, rtol=rtol)
    assert together.success
    assert together.x.dtype == dtype
    assert together.x.shape == together.residual_vector.shape == (50, 4)
    assert together.products == sum(column.products for column in together.columns)
    for j, column in enumerate(together.columns):
        alone = ck.conjugate_gradient(given, B[:, j], rtol=rtol)
        assert column.nit == pytest.approx(alone.nit, rel=0.1, abs=3)
        np.testing.assert_array_equal(column.x, together.x[:, j])
        true = np.linalg.norm(B[:, j] - A @ column.x) / np.linalg.norm(B[:, j])
        assert true <= 2 * rtol
        assert column.relative_residual == pytest.approx(true, rel=5e-2)


def test_columns_start_where_they_are_told_and_zero_columns_are_zero():
    A, b = spd(20)
    B = np.stack([b, 0 * b, 2 * b], axis=1)
    exact = np.linalg.solve(A, B)
    result = ck.conjugate_gradient(A, B, exact + np.eye(20)[:, :3], rtol=1e-8, M=ck.jacobi(np.diag(A)))
    assert result.success
    np.testing.assert_allclose(result.x, exact, atol=1e-6)
    assert not result.x[:, 1].any()
    again = ck.conjugate_gradient(A, B, exact, rtol=1e-8)
    assert (again.nit, again.products) == (0, 3)


def test_each_column_ends_in_its_own_way():
    A = np.diag([1.0, 2.0, -1.0, 4.0])
    B = np.array([[1.0, 1, 1, 0], [1, 0, 0, 1], [0, 1, np.nan, 0], [0, 0, 0, 0]])
    with pytest.raises(ck.ProblemError, match=r"b has 1 entries that are not finite"):
        ck.conjugate_gradient(A, B)
    B[2, 2] = 0.0
    result = ck.conjugate_gradient(A, B)
    assert [column.status for column in result.columns] == [Status.CONVERGED, Status.NONPOSITIVE_CURVATURE,
                                                            Status.CONVERGED, Status.CONVERGED]
    assert result.status is Status.NONPOSITIVE_CURVATURE
    assert not result.success
    assert result.direction @ A @ result.direction <= 0
    assert "3 of 4 columns" in result.message
    assert result.message.count("column 1") == 1
    short = ck.conjugate_gradient(spd(30, 1e4)[0], np.eye(30)[:, :2], maxiter=3)
    assert short.status is Status.ITERATION_LIMIT
    assert short.nit == 3


def test_columns_with_a_product_that_is_not_finite_say_so():
    result = ck.conjugate_gradient(lambda v: np.where(v > 0.5, np.nan, v), np.eye(3))
    assert result.status is Status.NUMERICAL_ERROR
    wrong = ck.conjugate_gradient(np.eye(3), np.eye(3), M=-np.eye(3))
    assert wrong.status is Status.NUMERICAL_ERROR
    assert "positive definite" in wrong.message


@pytest.mark.parametrize(("options", "words"), [({"radius": 1.0}, "radius"), ({"keep": 3}, "keep")])
def test_what_is_for_one_right_hand_side_is_refused_for_several(options, words):
    with pytest.raises(ck.ProblemError, match=f"{words} = .* one right-hand side"):
        ck.conjugate_gradient(np.eye(4), np.eye(4)[:, :2], **options)
    with pytest.raises(ck.ProblemError, match="no column"):
        ck.conjugate_gradient(np.eye(4), np.zeros((4, 0)))
    with pytest.raises(ck.ProblemError, match="x0 has shape"):
        ck.conjugate_gradient(np.eye(4), np.eye(4), np.ones(4))


def test_a_callback_sees_all_columns():
    A, _ = spd(12)
    seen = []
    result = ck.conjugate_gradient(A, np.eye(12)[:, :3], callback=lambda record: seen.append(record))
    assert len(seen) == result.nit
    assert all(record.x.shape == (12, 3) for record in seen)
    np.testing.assert_allclose(seen[-1].x, result.x, atol=1e-12)


# --- A sequence of systems ---

def drifting(condition, n=300, count=20):
    """A sequence of systems in which matrix and right-hand side drift smoothly."""
    A, b = spd(n, condition, seed=8)
    rng = np.random.default_rng(9)
    drift = rng.standard_normal((n, n)) * 0.01
    towards = rng.standard_normal(n)
    for t in range(count):
        E = np.eye(n) + 0.02 * np.sin(t / 5) * (drift + drift.T)
        yield E @ A @ E, b + 0.02 * t * towards


def test_the_last_solutions_save_products_in_a_sequence():
    cold = warm = 0
    solutions = []
    for A, b in drifting(1e4):
        cold += ck.conjugate_gradient(A, b, rtol=1e-8).products
        start = np.stack(solutions[-4:], axis=1) if solutions else None
        result = ck.conjugate_gradient(A, b, start, rtol=1e-8)
        assert result.success
        np.testing.assert_allclose(A @ result.x, b, atol=1e-7 * np.linalg.norm(b))
        solutions.append(result.x)
        warm += result.products
    assert warm <= 0.6 * cold


def test_the_best_combination_of_columns_is_the_solution_where_it_is_one():
    A, b = spd(30, 1e4)
    x = np.linalg.solve(A, b)
    other = np.ones(30)
    result = ck.conjugate_gradient(A, b, np.stack([x + other, 2 * other, other], axis=1), rtol=1e-8)
    assert (result.nit, result.products) == (0, 2)
    np.testing.assert_allclose(result.x, x, rtol=1e-8)


def test_learnt_directions_undo_small_eigenvalues():
    n = 300
    rng = np.random.default_rng(2)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (Q * np.r_[np.geomspace(1e-3, 1e-1, 8), np.linspace(1, 10, n - 8)]) @ Q.T
    first = ck.conjugate_gradient(A, rng.standard_normal(n), rtol=1e-8, keep=20)
    D, AD = first.pairs
    assert D.shape[1] <= 20
    np.testing.assert_allclose(A @ D, AD, atol=1e-12 * abs(AD).max())
    M = ck.limited_memory(first)
    np.testing.assert_allclose(M @ AD, D, atol=1e-9 * abs(D).max())
    b = rng.standard_normal(n)
    assert (ck.conjugate_gradient(A, b, M=M, rtol=1e-8).products
            <= 0.7 * ck.conjugate_gradient(A, b, rtol=1e-8).products)


def test_learnt_directions_that_coincide_leave_a_positive_definite_preconditioner():
    A, b = spd(20, 1e3)
    first = ck.conjugate_gradient(A, b, rtol=1e-6, keep=5)
    twice = dataclasses.replace(first, pairs=tuple(np.repeat(part, 2, axis=1) for part in first.pairs))
    M = ck.limited_memory(twice) @ np.eye(20)
    assert np.linalg.eigvalsh((M + M.T) / 2)[0] > 0


def test_learning_needs_a_run_that_kept_something():
    with pytest.raises(ck.ProblemError, match="keep"):
        ck.limited_memory(ck.conjugate_gradient(np.eye(3), np.ones(3)))
    with pytest.raises(ck.ProblemError, match="CGResult"):
        ck.limited_memory(np.eye(3))


def test_directions_are_kept_from_the_whole_run():
    A, b = spd(200, 1e4)
    result = ck.conjugate_gradient(A, b, rtol=1e-10, keep=10)
    assert result.nit > 100
    D, _ = result.pairs
    assert 5 <= D.shape[1] <= 10
    late = ck.conjugate_gradient(A, b, rtol=1e-10, maxiter=result.nit // 2, keep=200).pairs[0]
    assert abs(late.T @ D).max(axis=0).min() < np.linalg.norm(D[:, 0]) ** 2


# --- What the coefficients tell ---

def test_ritz_values_reach_the_ends_of_the_spectrum():
    A, b = spd(80, 500.0)
    result = ck.conjugate_gradient(A, b, rtol=1e-10)
    values = result.ritz_values()
    assert len(values) == result.nit
    assert (np.diff(values) >= 0).all()
    assert values[0] == pytest.approx(1.0, rel=1e-4)
    assert values[-1] == pytest.approx(500.0, rel=1e-6)
    assert result.condition() == pytest.approx(500.0, rel=1e-4)
    scaled = ck.conjugate_gradient(A, b, rtol=1e-10, M=np.linalg.inv(A))
    assert scaled.condition() == pytest.approx(1.0, rel=1e-6)
    assert ck.conjugate_gradient(A, 0 * b).ritz_values().size == 0


@pytest.mark.parametrize("maxiter", [1, 3, 8, 20, 60])
@pytest.mark.parametrize("damping", [1e-3, 0.1, 1.0])
def test_the_energy_error_of_a_damped_matrix_is_a_bound_and_close(maxiter, damping):
    A, b = spd(40, 100.0)
    A -= (1 - 1e-9) * np.linalg.eigvalsh(A)[0] * np.eye(40)
    damped = ck.damped(A, damping)
    result = ck.conjugate_gradient(damped, b, rtol=1e-9, maxiter=maxiter)
    error = result.x - np.linalg.solve(A + damping * np.eye(40), b)
    true = np.sqrt(error @ (damped @ error))
    assert true <= result.energy_error() * (1 + 1e-6) + 1e-9 * np.linalg.norm(b)
    if 3 <= result.nit < 20 and damping == 1.0:
        assert result.energy_error() <= 3 * true
    # What it is good for: the minimum of ½xᵀAx - bᵀx is known to within half its square.
    attained = 0.5 * result.x @ (damped @ result.x) - b @ result.x
    minimum = -0.5 * b @ np.linalg.solve(A + damping * np.eye(40), b)
    assert attained - 0.5 * result.energy_error() ** 2 <= minimum + 1e-9 * abs(minimum)


def test_without_a_known_bound_the_energy_error_is_an_estimate():
    A, b = spd(60, 100.0)
    result = ck.conjugate_gradient(A, b, rtol=1e-3)
    error = result.x - np.linalg.solve(A, b)
    assert 0.5 <= result.energy_error() / np.sqrt(error @ A @ error) <= 5
    assert ck.conjugate_gradient(A, 0 * b).energy_error() == 0.0
    assert np.isnan(ck.conjugate_gradient(-A, b).energy_error())


# --- Block Jacobi ---

@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_block_jacobi_solves_with_the_diagonal_blocks(size, make):
    A, b = spd(20)
    M = ck.block_jacobi(make(A), size)
    expected = np.zeros_like(b)
    for start in range(0, 20, size):
        rows = slice(start, start + size)
        expected[rows] = np.linalg.solve(A[rows, rows], b[rows])
    np.testing.assert_allclose(M @ b, expected, rtol=1e-9)
    np.testing.assert_allclose(M @ np.stack([b, 2 * b], axis=1), np.stack([expected, 2 * expected], axis=1), rtol=1e-9)


def test_block_jacobi_names_the_block_that_is_not_positive_definite():
    with pytest.raises(ck.ProblemError, match="row 2 to row 3"):
        ck.block_jacobi(np.diag([1.0, 1.0, 1.0, -1.0]), 2)


# ---------------------------------------------------------------- public least-squares problems

LEAST_SQUARES = next((folder for root in Path(__file__).resolve().parents
                      if (folder := root / "shared" / "data" / "least_squares").is_dir()), Path("nowhere"))


@pytest.mark.shared
@pytest.mark.skipif(not LEAST_SQUARES.is_dir(), reason="the public problem sets are not here")
def test_the_normal_equations_of_public_problems_reach_the_published_residual():
    with open(LEAST_SQUARES / "reference.csv", newline="") as file:
        published = list(csv.DictReader(file))
    assert published
    for row in published:
        with np.load(LEAST_SQUARES / f"{row['name']}.npz") as data:
            matrix = sp.csc_array((data["data"], data["indices"], data["indptr"]), shape=tuple(data["shape"]))
            y = data["b"].reshape(-1)
        result = ck.conjugate_gradient(lambda v, M=matrix: M.T @ (M @ v), matrix.T @ y, rtol=1e-14)
        assert result.success, row["name"]
        residual, least = np.linalg.norm(matrix @ result.x - y), float(row["min_residual_norm"])
        # A system with a solution has the residual zero, and what is published is its rounding.
        assert residual == pytest.approx(least, rel=1e-8, abs=1e-13 * np.linalg.norm(y)), row["name"]
        assert np.linalg.norm(result.x) == pytest.approx(float(row["min_norm_solution_norm"]), rel=1e-8)


@pytest.mark.parametrize("size", [1.0, 1e10, 1e16, 1e18])
def test_a_singular_float32_system_comes_closest_whatever_its_size(size):
    # ‖Ab‖² is beyond the range of float32 from 1e18 on.
    diagonal = np.r_[np.zeros(3), np.linspace(1.0, 30.0, 27)]
    A, b = np.diag(diagonal * size).astype(np.float32), np.full(30, 10.0, dtype=np.float32)
    result = ck.conjugate_gradient(A, b)
    assert result.singular
    closest = np.r_[np.zeros(3), 10.0 / (diagonal[3:] * size)]
    np.testing.assert_allclose(result.x * size, closest * size, atol=2e-3)


@pytest.mark.parametrize(("A", "b", "options", "words"), [
    (1.0, 1e25, {}, "beyond the range of float32"), (1e30, 1e20, {}, "not finite"),
    (1e30, 1e15, {"M": np.eye(9, dtype=np.float32) * 1e-30}, None),
    (1.0, 1e15, {"M": np.eye(9, dtype=np.float32) * 1e30}, "should be positive"),
    (1.0, 1e25, {"radius": 1.0}, "beyond"),
], ids=str)
def test_what_is_beyond_the_range_of_the_type_is_a_status_and_no_warning(A, b, options, words):
    # The tests turn warnings into errors.
    diagonal = np.arange(1.0, 10.0, dtype=np.float32) * np.float32(A)
    side = np.full(9, b, dtype=np.float32)
    for matrix in (np.diag(diagonal), lambda v: diagonal * v):
        result = ck.conjugate_gradient(matrix, side, **options)
        assert result.status is (ck.CGStatus.CONVERGED if words is None else ck.CGStatus.NUMERICAL_ERROR)
        assert words is None or words in result.message
    if not options:
        columns = ck.conjugate_gradient(np.diag(diagonal), np.stack([side, side], axis=1))
        assert columns.status is ck.CGStatus.NUMERICAL_ERROR
