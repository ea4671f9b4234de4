"""One quadratic in every structure: the same values, gradients, sums and minima."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import convexkit as ck
from convexkit.quadratic import minimum, weighted_sum

F = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]])
P = F.T @ F + np.diag([1.0, 2.0, 3.0])
Q = np.array([1.0, -2.0, 0.5])
R = 0.75
FORMS = {
    "dense": lambda: ck.Quadratic(P, Q, R),
    "sparse": lambda: ck.Quadratic(sp.csr_matrix(P), Q, R),
    "factored": lambda: ck.Quadratic.from_factor(F, diag=[1.0, 2.0, 3.0], q=Q, r=R),
    "operator": lambda: ck.Quadratic(lambda v: P @ v, Q, R),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_structure_has_the_same_value_gradient_and_hessian(form):
    f = FORMS[form]()
    x = np.array([0.3, -1.0, 2.0])
    assert f.structure == form
    assert f(x) == f.value(x) == pytest.approx(0.5 * x @ P @ x + Q @ x + R, rel=1e-14)
    np.testing.assert_allclose(f.gradient(x), P @ x + Q, rtol=1e-14)
    np.testing.assert_allclose(f.hessp(x), P @ x, rtol=1e-14)
    np.testing.assert_allclose(f.hessian(), P, rtol=1e-14)
    assert f.smallest_eigenvalue() == pytest.approx(np.linalg.eigvalsh(P)[0], rel=1e-12)
    assert f.is_convex()
    assert repr(f) == f"Quadratic({form}, n=3)"


def test_an_affine_function_has_no_curvature():
    f = ck.Quadratic(None, Q, R)
    x = np.ones(3)
    assert f.is_affine
    assert f.structure == "affine"
    assert f(x) == Q.sum() + R
    assert f.hessp(x).tolist() == [0.0, 0.0, 0.0]
    assert f.hessian().shape == (3, 3)
    assert f.smallest_eigenvalue() == 0.0
    assert f.is_convex()


def test_one_variable_may_be_written_with_scalars():
    f = ck.Quadratic(2.0, 1.0, 3.0)
    assert f.n == 1
    assert f([2.0]) == 9.0


def test_the_gradient_agrees_with_differences():
    f = FORMS["factored"]()
    x = np.array([0.3, -1.0, 2.0])
    differences = [(f(x + 1e-6 * e) - f(x - 1e-6 * e)) / 2e-6 for e in np.eye(3)]
    np.testing.assert_allclose(f.gradient(x), differences, atol=1e-7)


def test_q_is_zero_if_omitted_and_a_column_counts_as_a_vector():
    assert ck.Quadratic(P).q.tolist() == [0.0, 0.0, 0.0]
    assert ck.Quadratic(P, Q[:, None]).q.shape == (3,)


def test_data_are_not_copied_and_not_modified():
    copy = P.copy()
    f = ck.Quadratic(P, Q)
    assert f.P is P
    f(np.ones(3)), f.gradient(np.ones(3)), f.is_convex(), minimum(f)
    np.testing.assert_array_equal(P, copy)


def test_a_factor_alone_is_its_gram_matrix_and_a_scalar_diagonal_is_repeated():
    np.testing.assert_allclose(ck.Quadratic.from_factor(F).hessian(), F.T @ F)
    np.testing.assert_allclose(ck.Quadratic.from_factor(sp.csr_matrix(F), diag=2.0).hessian(), F.T @ F + 2 * np.eye(3))


@pytest.mark.parametrize(("arguments", "words"), [
    (([[1.0, 0.0]],), "P must be a square matrix"), (([[1.0, 1.0], [0.0, 1.0]],), "P is not symmetric"),
    (([[np.nan]],), "not finite"), ((None, None), "P and q are both missing"), ((lambda v: v,), "q is missing"),
    ((P, np.ones(2)), "P has shape .* but q has length 2"), ((P, np.ones((2, 2))), "q must be a vector"),
    ((P, Q, [1.0, 2.0]), "r must be a number"), ((P, Q, np.nan), "r = nan is not finite"),
    ((P, [np.inf] * 3), "q has 3 entries"),
])
def test_data_that_state_no_quadratic_are_refused(arguments, words):
    with pytest.raises(ck.ProblemError, match=words):
        ck.Quadratic(*arguments)


def test_a_point_of_the_wrong_length_is_refused():
    for method in (ck.Quadratic(P).value, ck.Quadratic(P).gradient):
        with pytest.raises(ck.ProblemError, match=r"x has shape \(2,\); expected \(3,\)"):
            method([1.0, 2.0])


def test_a_factor_and_a_diagonal_that_do_not_fit_are_refused():
    with pytest.raises(ck.ProblemError, match="diag has length 2; expected 3"):
        ck.Quadratic.from_factor(F, diag=[1.0, 2.0])


# --- Convexity ---

@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(1, 8), st.integers(0, 1000))
def test_convexity_of_random_matrices_agrees_with_their_eigenvalues(n, seed):
    rng = np.random.default_rng(seed)
    half = rng.standard_normal((n, n))
    matrix = half + half.T + rng.uniform(0, 4) * np.eye(n)
    convex = bool(np.linalg.eigvalsh(matrix)[0] >= 0)
    for P_any in (matrix, sp.csr_matrix(matrix), ck.as_operator(matrix)):
        f = ck.Quadratic(P_any, np.zeros(n))
        assert f.is_convex() == convex
        assert f.smallest_eigenvalue() == pytest.approx(np.linalg.eigvalsh(matrix)[0], abs=1e-12 * n)


def test_a_gram_matrix_of_low_rank_is_convex_in_spite_of_rounding():
    factor = np.random.default_rng(0).standard_normal((3, 60)) * 1e4
    assert ck.Quadratic(factor.T @ factor).is_convex()


def test_a_small_negative_eigenvalue_is_found_in_every_structure():
    indefinite = np.diag([1.0, 1.0, -1e-9])
    for matrix in (indefinite, sp.csr_matrix(indefinite), ck.as_operator(indefinite)):
        assert not ck.Quadratic(matrix, np.zeros(3)).is_convex()
    assert not ck.Quadratic.from_factor(np.zeros((1, 3)), diag=[1.0, 1.0, -1e-9]).is_convex()
    assert not ck.Quadratic([[0.0, 1.0], [1.0, 0.0]]).is_convex(), "zero diagonal"


def test_a_negative_diagonal_with_a_large_factor_can_still_be_convex():
    assert ck.Quadratic.from_factor(10 * np.eye(2), diag=[-1.0, -1.0]).is_convex()


def test_a_sparse_matrix_is_judged_block_by_block():
    # A block diagonal of 2 x 2 blocks [[1, c], [c, 1]] has the eigenvalues 1 ± c.
    for c, convex in ((0.5, True), (1.5, False)):
        f = ck.Quadratic(sp.block_diag([np.eye(1), [[1.0, c], [c, 1.0]], np.eye(2)], format="csr"))
        assert f.is_convex() == convex
        assert f.smallest_eigenvalue() == pytest.approx(1 - c, abs=1e-14)
    assert ck.Quadratic(sp.csr_matrix((3, 3))).is_convex()


def test_the_zero_matrix_is_convex():
    assert ck.Quadratic(np.zeros((2, 2))).is_convex()


# --- Sums ---

@pytest.mark.parametrize("first", FORMS)
@pytest.mark.parametrize("second", FORMS)
def test_a_weighted_sum_has_the_sum_of_the_values(first, second):
    f, g, affine = FORMS[first](), FORMS[second](), ck.Quadratic(None, [1.0, 0.0, 0.0], 2.0)
    total = weighted_sum([2.0, 0.5, 3.0], [f, g, affine])
    x = np.array([0.3, -1.0, 2.0])
    assert total(x) == pytest.approx(2 * f(x) + 0.5 * g(x) + 3 * affine(x), rel=1e-13)
    np.testing.assert_allclose(total.hessian(), 2.5 * P, rtol=1e-13)


def test_sums_keep_structure_where_they_can():
    assert weighted_sum([2.0], [FORMS["factored"]()]).structure == "factored"
    assert weighted_sum([1.0, 1.0], [FORMS["sparse"](), FORMS["sparse"]()]).structure == "sparse"
    assert weighted_sum([0.0, 1.0], [FORMS["dense"](), ck.Quadratic(None, Q)]).structure == "affine"
    assert weighted_sum([-1.0], [FORMS["factored"]()]).smallest_eigenvalue() < 0


@pytest.mark.parametrize(("weights", "quadratics"), [([1.0], []), ([], []), ([1.0, 2.0], [ck.Quadratic(P)])])
def test_weights_that_do_not_match_are_refused(weights, quadratics):
    with pytest.raises(ck.ProblemError, match="one weight for each"):
        weighted_sum(weights, quadratics)


# --- Minimum ---

@pytest.mark.parametrize("form", FORMS)
def test_the_minimum_of_a_definite_quadratic_is_where_the_gradient_vanishes(form):
    f = FORMS[form]()
    value, x, leftover = minimum(f)
    np.testing.assert_allclose(x, -np.linalg.solve(P, Q), rtol=1e-12)
    assert value == pytest.approx(R - 0.5 * Q @ np.linalg.solve(P, Q), rel=1e-12)
    assert value == pytest.approx(f(x), rel=1e-12)
    assert not leftover.any()


def test_the_minimum_of_a_semidefinite_quadratic_uses_the_pseudoinverse():
    value, x, leftover = minimum(ck.Quadratic(np.diag([2.0, 0.0]), [2.0, 0.0], 1.0))
    assert value == pytest.approx(0.0, abs=1e-15)
    np.testing.assert_allclose(x, [-1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(leftover, 0.0, atol=1e-15)


def test_where_a_quadratic_is_flat_the_slope_that_is_left_is_returned():
    value, x, leftover = minimum(ck.Quadratic(np.diag([2.0, 0.0]), [2.0, 3.0]))
    assert value == pytest.approx(-1.0)
    np.testing.assert_allclose(x, [-1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(leftover, [0.0, 3.0], atol=1e-15)
    for flat in (ck.Quadratic(None, [1.0, 0.0], 3.0), ck.Quadratic(np.zeros((2, 2)), [1.0, 0.0], 3.0)):
        value, x, leftover = minimum(flat)
        assert (value, x.tolist(), leftover.tolist()) == (3.0, [0.0, 0.0], [1.0, 0.0])


def test_an_indefinite_quadratic_is_unbounded_below_and_has_no_minimiser():
    value, x, _ = minimum(ck.Quadratic(np.diag([1.0, -1.0])))
    assert value == -np.inf
    assert x is None


def test_the_minimum_of_an_ill_conditioned_quadratic_keeps_its_accuracy():
    value, x, _ = minimum(ck.Quadratic(np.diag([1.0, 1e-7]), [1.0, 1e-7]))
    np.testing.assert_allclose(x, [-1.0, -1.0], rtol=1e-9)
    assert value == pytest.approx(-0.5 - 0.5e-7, rel=1e-12)
