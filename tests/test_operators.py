"""Every way to hand over a symmetric matrix multiplies alike."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import convexkit as ck
from convexkit.operators import SymmetricOperator

A = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 2.0]])
FORMS = {
    "array": A, "list": A.tolist(), "csr": sp.csr_matrix(A), "coo": sp.coo_matrix(A), "sparray": sp.csc_array(A),
    "operator": aslinearoperator(A), "callable": lambda v: A @ v, "symmetric": SymmetricOperator(3, lambda v: A @ v),
    "callable returning a column": lambda v: (A @ v)[:, None],
    "block product": SymmetricOperator(3, lambda v: A @ v, matmat=lambda V: A @ V),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_multiplies_vectors_columns_and_blocks(form):
    operator = ck.as_operator(FORMS[form], 3)
    v, V = np.array([1.0, 2.0, 3.0]), np.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(operator @ v, A @ v)
    np.testing.assert_allclose(operator.matvec(v[:, None]), (A @ v)[:, None])
    np.testing.assert_allclose(operator @ V, A @ V)


@pytest.mark.parametrize("form", FORMS)
def test_u_times_Av_equals_Au_times_v(form):
    operator = ck.as_operator(FORMS[form], 3)
    u, v = np.random.default_rng(1).standard_normal((2, 3))
    assert u @ operator.matvec(v) == pytest.approx(operator.matvec(u) @ v, rel=1e-14)


def test_a_callable_is_always_handed_a_vector():
    shapes = []

    def product(v):
        shapes.append(v.shape)
        return A @ v

    operator = ck.as_operator(product, 3)
    operator.matvec(np.ones((3, 1)))
    operator.matvec(np.ones(3))
    operator @ np.ones((3, 2))
    assert set(shapes) == {(3,)}


def test_the_adjoint_and_the_transpose_are_the_operator_itself():
    operator = SymmetricOperator(3, lambda v: A @ v)
    assert operator.H is operator
    assert operator.T is operator


def test_an_operator_passes_through_unchanged():
    operator = aslinearoperator(A)
    assert ck.as_operator(operator) is operator


def test_a_float32_array_gives_float32_products():
    assert (ck.as_operator(A.astype(np.float32)) @ np.ones(3, np.float32)).dtype == np.float32


@pytest.mark.parametrize(("value", "n", "words"), [
    (lambda v: v, None, "n is missing"),
    (np.ones(3), None, "A must be a square matrix"),
    (np.ones((2, 3)), None, r"A must be square; it has shape \(2, 3\)"),
    (aslinearoperator(np.ones((2, 3))), None, "A must be square"),
    (A, 4, r"A has shape \(3, 3\); expected \(4, 4\)"),
    (sp.eye(3), 4, "expected"),
    ([[np.nan]], None, "not finite"),
])
def test_what_is_no_square_matrix_of_that_size_is_refused(value, n, words):
    with pytest.raises(ck.ProblemError, match=words):
        ck.as_operator(value, n)


def test_a_callable_that_returns_the_wrong_size_is_refused_when_it_is_called():
    operator = ck.as_operator(lambda v: v[:2], 3)
    with pytest.raises(ck.ProblemError, match=r"returned shape \(2,\) for a vector of length 3"):
        operator @ np.ones(3)


@pytest.mark.parametrize("form", FORMS)
def test_damping_adds_a_multiple_of_the_identity(form):
    operator = ck.damped(FORMS[form], 0.5, 3)
    np.testing.assert_allclose(operator @ np.eye(3), A + 0.5 * np.eye(3))
    np.testing.assert_allclose(operator @ np.ones(3), A @ np.ones(3) + 0.5)
    assert operator.min_eigenvalue == 0.5


def test_damping_zero_claims_nothing_about_the_spectrum():
    assert ck.damped(A, 0.0).min_eigenvalue is None


def test_damping_keeps_float32():
    operator = ck.damped(A.astype(np.float32), np.float64(0.1))
    assert operator.dtype == np.float32
    assert (operator @ np.ones(3, np.float32)).dtype == np.float32


@pytest.mark.parametrize("damping", [-1.0, np.nan, np.inf])
def test_damping_that_is_negative_or_not_finite_is_refused(damping):
    with pytest.raises(ck.ProblemError, match="damping"):
        ck.damped(A, damping)


def test_symmetry_error_is_rounding_for_symmetric_and_large_for_nonsymmetric_operators():
    symmetric = ck.symmetry_error(lambda v: A @ v, rng=np.random.default_rng(0), n=3)
    skewed = ck.symmetry_error(A + np.triu(A, 1), rng=np.random.default_rng(0))
    assert symmetric < 1e-15
    assert skewed > 1e-2


def test_symmetry_error_of_zero_is_zero_and_depends_on_the_rng_alone():
    assert ck.symmetry_error(np.zeros((2, 2)), rng=np.random.default_rng(0)) == 0.0
    B = np.array([[1.0, 2.0], [0.0, 1.0]])
    first, second = (ck.symmetry_error(B, rng=np.random.default_rng(5)) for _ in range(2))
    assert first == second


def test_symmetry_error_accepts_float32_operators():
    operator = LinearOperator((3, 3), matvec=lambda v: A.astype(np.float32) @ v, dtype=np.float32)
    assert ck.symmetry_error(operator, rng=np.random.default_rng(0)) < 1e-6


def test_a_known_eigenvalue_travels_with_the_operator_and_with_sums():
    known = ck.as_operator(lambda v: 3.0 * v, 4, min_eigenvalue=2.0)
    assert known.min_eigenvalue == 2.0
    np.testing.assert_array_equal(known @ np.eye(4), 3.0 * np.eye(4))
    f, g = ck.Quadratic(known), ck.Quadratic(ck.damped(lambda v: v, 0.5, 4))
    assert ck.weighted_sum([1.0, 2.0], [f, g]).P.min_eigenvalue == 3.0
    # A weight below zero, or a term that says nothing, leaves nothing known.
    assert ck.weighted_sum([1.0, -1.0], [f, g]).P.min_eigenvalue is None
    assert ck.weighted_sum([1.0, 1.0], [f, ck.Quadratic(lambda v: v, np.zeros(4))]).P.min_eigenvalue is None
    with pytest.raises(ck.ProblemError, match="min_eigenvalue"):
        ck.as_operator(np.eye(2), min_eigenvalue=np.nan)
