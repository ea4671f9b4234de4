"""One quadratic in every structure: the same values, gradients, sums and minima."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import convexkit as ck
from convexkit.quadratic import definite, entry_size, is_zero, minimum, restricted, weighted_sum

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


# Symmetric matrices with known smallest eigenvalue, in every way that they are judged: (P, smallest, ‖P‖).

def chain(n):
    """Tridiagonal (-1, 2, -1): eigenvalues 2 - 2cos(kπ/(n + 1))."""
    return sp.diags_array([-np.ones(n - 1), np.full(n, 2.0), -np.ones(n - 1)], offsets=[-1, 0, 1], format="csr")


def chain_eigenvalue(n):
    return 4.0 * np.sin(np.pi / (2.0 * (n + 1))) ** 2


def grid(k):
    """Five-point Laplacian of a k × k grid: sums of two eigenvalues of the chain."""
    return sp.csr_array(sp.kron(chain(k), sp.eye_array(k)) + sp.kron(sp.eye_array(k), chain(k)))


def arrow(n):
    """2 on the diagonal and a border v: eigenvalues 2 and 2 ± ‖v‖, here with ‖v‖ = 2."""
    v = np.sqrt(4.0 / (n - 1)) * np.ones(n - 1)
    rest, hub = np.arange(1, n), np.zeros(n - 1, dtype=int)
    entries = np.concatenate([np.full(n, 2.0), v, v])
    return sp.csr_array((entries, (np.concatenate([np.arange(n), rest, hub]),
                                   np.concatenate([np.arange(n), hub, rest]))), shape=(n, n))


def scattered(P, n, rng):
    """P on randomly chosen ones of n variables; the others are not touched."""
    at = rng.permutation(n)[:P.shape[0]]
    entries = sp.coo_array(P)
    return sp.csr_array((entries.data, (at[entries.row], at[entries.col])), shape=(n, n))


def full_blocks(rng):
    """Blocks of 1 to 40 variables with eigenvalues 1, …, 2, and one of three variables with the eigenvalue 0."""
    def one(size):
        vectors = np.linalg.qr(rng.standard_normal((size, size)))[0]
        return (vectors * np.linspace(1.0, 2.0, size)) @ vectors.T

    blocks = [one(size) for size in rng.integers(1, 41, size=300)]
    blocks.insert(137, np.full((3, 3), -0.5) + 1.5 * np.eye(3))
    P = sp.csr_array(sp.block_diag(blocks))
    return sp.csr_array((P + P.T) / 2)


KNOWN = {
    "dense": lambda rng: (chain(60).toarray(), chain_eigenvalue(60), 4.0),
    "diagonal": lambda rng: (sp.diags_array(np.linspace(1.0, 3.0, 4000), format="csr"), 1.0, 3.0),
    "few touched": lambda rng: (scattered(chain(40), 5000, rng), chain_eigenvalue(40), 4.0),
    "blocks": lambda rng: (scattered(full_blocks(rng), 20_000, rng), 0.0, 2.0),
    "small and full": lambda rng: (sp.csr_array(np.cos(np.subtract.outer(*2 * [np.arange(400.0)]))), 0.0, 200.0),
    "banded": lambda rng: (scattered(chain(100_000), 100_000, rng), chain_eigenvalue(100_000), 4.0),
    "two dimensions": lambda rng: (grid(60), 2.0 * chain_eigenvalue(60), 8.0),
    "arrow": lambda rng: (scattered(arrow(30_000), 31_000, rng), 0.0, 4.0),
}


@pytest.mark.parametrize("name", KNOWN)
def test_an_eigenvalue_of_rounding_size_is_accepted_and_a_larger_one_refused(name):
    P, smallest, norm = KNOWN[name](np.random.default_rng(1))
    touched = sp.diags_array((abs(P).sum(axis=1) > 0).astype(float)) if sp.issparse(P) else np.eye(len(P))
    for share, convex in ((0.0, True), (1e-14, True), (1e-10, False), (1e-3, False)):
        f = ck.Quadratic(P - (smallest + share * norm) * touched)
        assert f.is_convex() == convex, share
        # Beyond 1000 connected variables an eigenvalue is found to three digits, or to 1e-12·‖P‖.
        assert f.smallest_eigenvalue() == pytest.approx(-share * norm, rel=2e-3, abs=3e-11 * norm)


def test_general_sparse_matrices_are_judged_by_the_pivots_of_a_sparse_factorization(monkeypatch):
    monkeypatch.setattr(definite, "BAND_WORK", 0.0)
    P, smallest = grid(40), 2.0 * chain_eigenvalue(40)
    for share, convex in ((0.0, True), (1e-14, True), (1e-10, False), (1e-3, False)):
        f = ck.Quadratic(sp.csr_array(P - (smallest + 8.0 * share) * sp.eye_array(1600)))
        assert f.is_convex() == convex, share
        assert f.smallest_eigenvalue() == pytest.approx(-8.0 * share, rel=2e-3, abs=1e-10)
    # A pivot of zero: P = [[0, 1], [1, 0]] on every pair, joined by a chain.
    pairs = sp.kron(sp.eye_array(800), [[0.0, 1.0], [1.0, 0.0]])
    joined = pairs + 1e-3 * sp.diags_array([np.ones(1598)] * 2, offsets=[-2, 2])
    assert not ck.Quadratic(sp.csr_array(joined)).is_convex()
    assert definite.Shifted(sp.csr_array(pairs)).solver(0.0) is None
    assert definite.Shifted(sp.csr_array(sp.kron(sp.eye_array(800), np.ones((2, 2))))).solver(0.0) is None
    f = ck.Quadratic(P, np.ones(1600))
    np.testing.assert_allclose(P @ minimum(f)[1], -1.0, atol=1e-12)


def test_every_large_block_is_judged():
    for shifts, convex in (((0.0, 0.0), True), ((0.0, 1e-3), False), ((1e-3, 0.0), False)):
        blocks = [grid(20) - (2.0 * chain_eigenvalue(20) + shift) * sp.eye_array(400) for shift in shifts]
        f = ck.Quadratic(sp.csr_array(sp.block_diag([*blocks, np.eye(3)])))
        assert f.is_convex() == convex
        assert f.smallest_eigenvalue() == pytest.approx(-max(shifts), abs=1e-13)


def test_a_variable_that_all_others_touch_does_not_hide_that_these_are_indefinite():
    n = 3000
    rest = chain(n) - (chain_eigenvalue(n) + 1e-3) * sp.eye_array(n)
    border = sp.csr_array(np.full((1, n), 1e-3))
    P = sp.csr_array(sp.block_array([[rest, border.T], [border, np.full((1, 1), 1e3)]]))
    assert not ck.Quadratic(P).is_convex()
    lifted = sp.csr_array(P + 2e-3 * sp.eye_array(n + 1))
    assert ck.Quadratic(lifted).is_convex() == (np.linalg.eigvalsh(lifted.toarray())[0] >= 0)


def test_a_million_variables_are_judged_without_forming_anything():
    n = 1_000_000
    diagonal = np.linspace(0.0, 1.0, n)
    assert ck.Quadratic(sp.diags_array(diagonal, format="csr")).is_convex()
    diagonal[n // 2] = -1e-10
    assert not ck.Quadratic(sp.diags_array(diagonal, format="csr")).is_convex()
    pair = np.array([[1.0, 1.0], [1.0, 1.0]])
    blocks = sp.kron(sp.eye_array(n // 2), pair, format="csr")
    f = ck.Quadratic(blocks, np.ones(n))
    assert f.is_convex()
    assert f.smallest_eigenvalue() == pytest.approx(0.0, abs=1e-15)
    blocks.data[4 * 1234 + 1:4 * 1234 + 3] = 1.0 + 1e-9
    assert not ck.Quadratic(blocks).is_convex()


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_convexity_is_judged_at_any_scale(scale):
    P = grid(20) - 2.0 * chain_eigenvalue(20) * sp.eye_array(400)
    for matrix in (P.toarray(), P, sp.csr_array(scale * np.eye(3)) / scale):
        assert ck.Quadratic(scale * matrix).is_convex()
        shifted = matrix - 1e-9 * (np.eye(400) if isinstance(matrix, np.ndarray) else sp.eye_array(matrix.shape[0]))
        assert ck.Quadratic(scale * shifted).is_convex() == (matrix.shape[0] == 3)


def test_a_matrix_is_judged_as_it_is_stored():
    # Explicit zeros, entries given twice, Fortran order and float32 change nothing.
    data, columns = np.array([1.0, 1.0, 3.0, 3.0, 2.0, 0.0]), np.array([0, 0, 1, 0, 1, 2])
    twice = sp.csr_array((data, columns, np.array([0, 3, 6, 6])), shape=(3, 3))
    f = ck.Quadratic(twice)
    assert f.P.nnz == 6
    assert not f.is_convex()
    assert f.smallest_eigenvalue() == pytest.approx(-1.0, rel=1e-14), "of [[2, 3], [3, 2]] and 0"
    matrix = np.asfortranarray(P.astype(np.float32))
    assert ck.Quadratic(matrix).is_convex()
    assert not ck.Quadratic(matrix - 2 * np.eye(3, dtype=np.float32)).is_convex()


def test_a_large_factored_matrix_with_a_negative_diagonal_is_judged_by_its_schur_complement():
    rng = np.random.default_rng(2)
    n, k = 1500, 3
    F, diag = rng.standard_normal((k, n)), 1.0 + rng.random(n)
    diag[[7, 900]] = -0.5
    F[:, [7, 900]] *= 100.0  # enough to lift the negative entries, and not so with a thousandth of F
    for factor in (F, sp.csr_array(F), 0.001 * F):
        f = ck.Quadratic.from_factor(factor, diag)
        smallest = np.linalg.eigvalsh(f.hessian())[0]
        assert f.is_convex() == (smallest >= 0)
        assert f.smallest_eigenvalue() == pytest.approx(smallest, rel=2e-3)
    assert ck.Quadratic.from_factor(F, diag).is_convex() != ck.Quadratic.from_factor(0.001 * F, diag).is_convex()
    diag[:k + 1] = -1e-3
    assert not ck.Quadratic.from_factor(F, diag).is_convex(), "more negative entries than rows"
    diag[:] = np.where(diag < 0, -1e-13, diag)
    assert ck.Quadratic.from_factor(F, diag).is_convex(), "rounding of zero"
    assert ck.Quadratic.from_factor(F, 0.0).smallest_eigenvalue() == pytest.approx(0.0, abs=1e-8)
    tall = ck.Quadratic.from_factor(np.vstack([np.eye(n), np.eye(n)]), -1.0)
    assert tall.is_convex()
    assert not ck.Quadratic.from_factor(np.vstack([np.eye(n), np.eye(n)]), -2.1).is_convex()


# --- Sums ---

@pytest.mark.parametrize("first", FORMS)
@pytest.mark.parametrize("second", FORMS)
def test_a_weighted_sum_has_the_sum_of_the_values(first, second):
    f, g, affine = FORMS[first](), FORMS[second](), ck.Quadratic(None, [1.0, 0.0, 0.0], 2.0)
    total = weighted_sum([2.0, 0.5, 3.0], [f, g, affine])
    x = np.array([0.3, -1.0, 2.0])
    assert total(x) == pytest.approx(2 * f(x) + 0.5 * g(x) + 3 * affine(x), rel=1e-13)
    np.testing.assert_allclose(total.hessian(), 2.5 * P, rtol=1e-13)


def test_a_sparse_factor_counts_in_a_sum_as_a_dense_one():
    x = np.array([0.3, -1.0, 2.0])
    sparse, dense = ck.Quadratic.from_factor(sp.csr_array(F), 1.0), ck.Quadratic.from_factor(F, 1.0)
    total = weighted_sum([2.0, -3.0, 1.0, 1.5], [sparse, sparse, dense, FORMS["sparse"]()])
    assert total(x) == pytest.approx(1.5 * FORMS["dense"]()(x), rel=1e-13)


def test_sums_keep_structure_where_they_can():
    assert weighted_sum([2.0], [FORMS["factored"]()]).structure == "factored"
    assert weighted_sum([1.0, 1.0], [FORMS["sparse"](), FORMS["sparse"]()]).structure == "sparse"
    assert weighted_sum([0.0, 1.0], [FORMS["dense"](), ck.Quadratic(None, Q)]).structure == "affine"
    assert weighted_sum([-1.0], [FORMS["factored"]()]).smallest_eigenvalue() < 0


def test_sums_of_large_sparse_and_factored_terms_are_not_formed():
    rng = np.random.default_rng(3)
    n = 1100
    x = rng.standard_normal(n)
    band = ck.Quadratic(chain(n), rng.standard_normal(n), 1.0)
    few = ck.Quadratic.from_factor(rng.standard_normal((3, n)), diag=rng.random(n))
    more = ck.Quadratic.from_factor(rng.standard_normal((5, n)), q=rng.standard_normal(n))
    thin = ck.Quadratic.from_factor(sp.random_array((40, n), density=0.01, rng=rng, format="csr"), diag=1.0)
    for weights, terms, structure in (
            ([2.0, 3.0], [few, more], "factored"), ([2.0, 3.0], [thin, thin], "factored"),
            ([1.0, 2.0], [band, thin], "sparse"), ([1.0, 2.0], [band, few], "operator"),
            ([1.0, 2.0, 3.0, 4.0], [band, few, more, thin], "operator"), ([1.0, 1.0], [few, thin], "operator"),
            ([1.0, -2.0], [band, few], "operator"), ([1.0, 1.0], [ck.Quadratic(np.eye(n)), few], "dense"),
            ([1.0, 1.0], [band, ck.Quadratic.from_factor(np.ones((n + 1, n)))], "dense")):
        total = weighted_sum(weights, terms)
        assert total.structure == structure
        assert total(x) == pytest.approx(sum(w * f(x) for w, f in zip(weights, terms, strict=True)), rel=1e-12)
        np.testing.assert_allclose(total.hessian(), sum(w * f.hessian() for w, f in zip(weights, terms, strict=True)),
                                   atol=1e-12 * n)
    summed = weighted_sum([1.0, 2.0], [band, few])
    assert summed.is_convex()
    assert weighted_sum([-1e-3, 1.0], [band, few]).is_convex() == (
        np.linalg.eigvalsh(few.hessian() - 1e-3 * band.hessian())[0] >= 0)
    assert summed.smallest_eigenvalue() == pytest.approx(np.linalg.eigvalsh(summed.hessian())[0], rel=1e-9)
    for matrix in (summed.P, few.P):
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(matrix)) @ x, matrix @ x)
    np.testing.assert_allclose(summed.P @ np.eye(n)[:, :3], summed.hessian()[:, :3], atol=1e-12)


def test_a_sum_that_leaves_the_range_of_floats_is_refused():
    with pytest.raises(ck.ProblemError, match="P has 1 entries that are not finite"), np.errstate(over="ignore"):
        weighted_sum([10.0], [ck.Quadratic([[1e308]])])


@pytest.mark.parametrize("form", [form for form in FORMS if form != "operator"])
def test_part_of_a_matrix_keeps_its_structure(form):
    f = FORMS[form]()
    keep = np.array([True, False, True])
    part = ck.Quadratic(restricted(f.P, keep), Q[keep])
    assert part.structure == form
    np.testing.assert_allclose(part.hessian(), P[np.ix_(keep, keep)], rtol=1e-14)
    assert not is_zero(f.P)
    assert entry_size(f.P) >= 0.9 * np.abs(P).max() or form == "factored"


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


def bounds_from_below(f, found, rng):
    """Whether f(y) ≥ value + leftoverᵀy at points near and far."""
    value, x, leftover = found
    for size in (0.0, 1.0, 1e3):
        y = x + size * rng.standard_normal(f.n)
        bound = value + leftover @ y
        assert bound <= f(y) + 1e-12 * (abs(value) + np.abs(leftover) @ np.abs(y) + abs(f.r))


LARGE_FORMS = {
    "diagonal": lambda rng: sp.diags_array(0.1 + rng.random(5000), format="csr"),
    "blocks": lambda rng: sp.csr_array(sp.kron(sp.eye_array(700), [[2.0, 1.0, 0.0], [1.0, 2.0, -1.0], [0, -1, 2.0]])),
    "banded": lambda rng: chain(3000),
    "two dimensions": lambda rng: grid(45),
    "arrow": lambda rng: sp.csr_array(arrow(5000) + 0.1 * sp.eye_array(5000)),
    "half touched": lambda rng: sp.csr_array(sp.block_diag([grid(34), np.zeros((5, 5)), np.diag([3.0, 4.0])])),
}


@pytest.mark.parametrize("form", LARGE_FORMS)
def test_the_minimum_of_a_large_sparse_quadratic_is_where_the_gradient_vanishes(form):
    rng = np.random.default_rng(6)
    P = LARGE_FORMS[form](rng)
    n = P.shape[0]
    expected = rng.standard_normal(n) * (abs(P).sum(axis=1) > 0)
    f = ck.Quadratic(P, -(P @ expected), 0.5)
    value, x, leftover = minimum(f)
    assert not leftover.any()
    np.testing.assert_allclose(x, expected, atol=1e-8)
    assert value == pytest.approx(f(expected), rel=1e-12)
    bounds_from_below(f, (value, x, leftover), rng)


@pytest.mark.parametrize("diag", ["positive", "zero", "some zero"])
@pytest.mark.parametrize("kind", ["dense", "sparse", "beside sparse"])
def test_the_minimum_of_a_large_factored_quadratic_is_where_the_gradient_vanishes(kind, diag):
    rng = np.random.default_rng(7)
    n, k = 1400, 6
    F = rng.standard_normal((k, n))
    if kind == "sparse":
        F = sp.vstack([sp.random_array((300, n), density=0.01, rng=rng, format="csr"), sp.csr_array(F)], format="csr")
    d = {"positive": 0.1 + rng.random(n), "zero": np.zeros(n), "some zero": 1.0 * (rng.random(n) < 0.5)}[diag]
    q = -(F.T @ rng.standard_normal(F.shape[0]) + d * rng.standard_normal(n))
    f = ck.Quadratic.from_factor(F, d, q)
    if kind == "beside sparse":
        f = weighted_sum([1.0, 1.0], [f, ck.Quadratic(sp.diags_array(d, format="csr"))])
    value, x, leftover = minimum(f)
    assert np.abs(f.gradient(x)).max() <= 1e-9 * np.abs(q).max()
    assert np.abs(leftover).max() <= 1e-9 * np.abs(q).max()
    assert value == pytest.approx(f(x), rel=1e-9)
    expected = f.r - 0.5 * q @ np.linalg.lstsq(f.hessian(), q)[0]
    assert value == pytest.approx(expected, rel=1e-9)
    bounds_from_below(f, (value, x, leftover), rng)


def test_the_fullest_rows_of_a_sparse_factor_are_kept_apart(monkeypatch):
    from convexkit.quadratic import minimise

    monkeypatch.setattr(minimise, "GRAM_ENTRIES", 2e6)
    rng = np.random.default_rng(8)
    n = 1500
    F = sp.vstack([sp.random_array((200, n), density=0.01, rng=rng), np.ones((1, n))], format="csr")
    f = ck.Quadratic.from_factor(F, 0.5, rng.standard_normal(n))
    _, x, leftover = minimum(f)
    np.testing.assert_allclose(x, np.linalg.solve(f.hessian(), -f.q), atol=1e-10)
    assert not leftover.any()


def test_the_slope_that_is_left_of_a_large_flat_quadratic_bounds_it_from_below():
    # Second differences are flat along constants and slopes: q = Pw + a constant keeps the constant.
    rng = np.random.default_rng(9)
    n = 2000
    D = sp.diags_array([np.ones(n - 2), np.full(n - 2, -2.0), np.ones(n - 2)], offsets=[0, 1, 2], shape=(n - 2, n))
    P = sp.csr_array(D.T @ D)
    w = rng.standard_normal(n)
    f = ck.Quadratic(P, P @ w)
    value, x, leftover = minimum(f)
    assert np.abs(leftover).max() <= 1e-10
    assert value == pytest.approx(-0.5 * w @ P @ w, rel=1e-9)
    sloping = ck.Quadratic(P, P @ w + 3.0)
    value, x, leftover = minimum(sloping)
    np.testing.assert_allclose(leftover, 3.0, rtol=1e-3)
    assert value == pytest.approx(-0.5 * w @ P @ w, rel=1e-2)
    assert np.abs(x).max() < 1e5, "x does not run away along the flat"
    bounds_from_below(sloping, (value, x, leftover), rng)
    factored = ck.Quadratic.from_factor(np.ones((1, n)), q=np.concatenate([np.full(n - 1, 2.0), [3.0]]))
    value, x, leftover = minimum(factored)
    mean = 2.0 + 1.0 / n
    np.testing.assert_allclose(leftover, factored.q - mean, atol=1e-9)
    assert value == pytest.approx(-0.5 * mean**2, rel=1e-9)
    bounds_from_below(factored, (value, x, leftover), rng)


def test_variables_that_stand_alone_are_solved_exactly_whatever_the_others_are():
    diagonal = np.concatenate([np.full(1500, 1e9), [1e-5, 0.0, 1e-12]])
    q = np.concatenate([np.zeros(1500), [1e-5, 2.0, 3.0]])
    value, x, leftover = minimum(ck.Quadratic(sp.diags_array(diagonal, format="csr"), q))
    assert x[1500] == -1.0
    assert value == -0.5e-5
    assert leftover[1500:].tolist() == [0.0, 2.0, 3.0]


def test_large_indefinite_quadratics_have_no_minimiser():
    shift = 2.0 * chain_eigenvalue(40) + 0.01
    for P in (sp.diags_array(np.linspace(-1e-3, 1.0, 2000), format="csr"),
              sp.csr_array(grid(40) - shift * sp.eye_array(1600)),
              sp.csr_array(arrow(2000) - 0.1 * sp.eye_array(2000)),
              sp.csr_array(sp.block_diag([[[0.0, 1.0], [1.0, 0.0]], sp.eye_array(1500)]))):
        value, x, _ = minimum(ck.Quadratic(P))
        assert value == -np.inf
        assert x is None
    diag = np.ones(1200)
    diag[0] = -1.0
    F = np.zeros((1, 1200))
    F[0, 0] = 2.0
    assert minimum(ck.Quadratic.from_factor(0.1 * F, diag))[1] is None
    value, x, _ = minimum(ck.Quadratic.from_factor(F, diag, np.ones(1200)))
    assert value == pytest.approx(-0.5 * (1199 + 1 / 3))
    value, x, leftover = minimum(ck.Quadratic(sp.csr_array((2000, 2000)), np.ones(2000)))
    assert (value, np.abs(x).max(), leftover.min()) == (0.0, 0.0, 1.0)
    value, x, leftover = minimum(ck.Quadratic.from_factor(np.zeros((2, 2000)), q=np.ones(2000)))
    assert (value, np.abs(x).max(), leftover.min()) == (0.0, 0.0, 1.0)
