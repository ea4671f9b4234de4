"""Conjugates and Fenchel's inequality against closed forms, enumeration and cvxpy."""

from __future__ import annotations

import re

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck

HYPERBOLA = ck.SecondOrderCone([[0.0, 0.0], [1.0, -1.0]], [2.0, 0.0], [1.0, 1.0])  # x₁x₂ ≥ 1, x ≥ 0


def rises(f, y, found):
    """Along the direction given, yᵀx - f(x) rises without end."""
    values = [float(y @ (t * found.direction)) - f(t * found.direction) for t in (1.0, 1e3, 1e6)]
    return found.value == np.inf and values[0] < values[1] < values[2] and values[2] > 1e2


# ---------------------------------------------------------------- quadratics


@pytest.mark.parametrize("seed", range(6))
def test_the_conjugate_of_a_quadratic_is_that_of_the_pseudoinverse(seed):
    rng = np.random.default_rng(seed)
    n, rank = 5, int(rng.integers(1, 6))
    F, q, r = rng.standard_normal((rank, n)), rng.standard_normal(n), 1.5
    P = F.T @ F
    y = q + P @ rng.standard_normal(n)
    expected = 0.5 * (y - q) @ np.linalg.pinv(P, rcond=1e-10) @ (y - q) - r
    for f in (ck.Quadratic(P, q, r), ck.Quadratic(sp.csr_array(P), q, r), ck.Quadratic.from_factor(F, None, q, r)):
        found = ck.conjugate(f, y)
        assert found.success
        assert found.attained
        assert found.value == pytest.approx(expected, rel=1e-8)
        assert y @ found.x - f(found.x) == pytest.approx(expected, rel=1e-8)
        np.testing.assert_allclose(f.gradient(found.x), y, atol=1e-8)
        assert ck.fenchel_gap(f, found.x, y) == pytest.approx(0.0, abs=1e-12)
    if rank < n:
        off = y + 1e-3 * np.linalg.svd(F)[2][-1]
        outside = ck.conjugate(ck.Quadratic(P, q, r), off)
        assert outside.status == ck.Status.UNBOUNDED
        assert "not in the range of P" in outside.message
        assert np.isnan(outside.x).all()
        assert outside.attained is False
        assert outside.bound == np.inf
        assert rises(ck.Quadratic(P, q, r), off, outside)


def test_an_affine_function_has_one_slope():
    f = ck.Quadratic(None, [1.0, 2.0], 3.0)
    assert ck.conjugate(f, [1.0, 2.0]).value == -3.0
    outside = ck.conjugate(f, [1.0, 2.5])
    assert rises(f, np.array([1.0, 2.5]), outside)
    assert "the only slope of an affine function" in outside.message


def test_a_quadratic_that_is_not_convex_is_unbounded_for_every_slope():
    f = ck.Quadratic(np.diag([1.0, -2.0]))
    found = ck.conjugate(f, [1.0, 1.0])
    assert found.status == ck.Status.UNBOUNDED
    assert "eigenvalue -2.0e+00" in found.message
    assert rises(f, np.array([1.0, 1.0]), found)


def test_the_conjugate_of_the_conjugate_is_the_function():
    rng = np.random.default_rng(7)
    F = rng.standard_normal((4, 4))
    P, x = F.T @ F, rng.standard_normal(4)
    assert ck.conjugate(ck.Quadratic(np.linalg.inv(P)), x).value == pytest.approx(0.5 * x @ P @ x, rel=1e-9)


def test_a_slope_that_misses_the_range_by_rounding_is_in_it():
    rng = np.random.default_rng(8)
    F = rng.standard_normal((3, 6))
    y = (F.T @ F) @ rng.standard_normal(6)
    noisy = y + 1e-12 * rng.standard_normal(6)
    assert np.isfinite(ck.conjugate(ck.Quadratic.from_factor(F), noisy).value)
    assert ck.conjugate(ck.Quadratic.from_factor(F), y + 1e-6 * rng.standard_normal(6)).value == np.inf
    assert np.isfinite(ck.conjugate(ck.Quadratic.from_factor(F), y + 1e-6 * rng.standard_normal(6), rtol=1e-3).value)


# ---------------------------------------------------------------- piecewise linear functions


def test_the_conjugate_of_a_scalar_piecewise_linear_function_interpolates():
    slopes, intercepts = np.array([-2.0, -1.0, 1.0, 3.0]), np.array([-3.0, 0.0, 0.0, -4.0])
    f = ck.MaxAffine(slopes, intercepts)
    for y in np.linspace(-2, 3, 21):
        found = ck.conjugate(f, [y])
        assert found.success
        assert found.attained
        assert found.value == pytest.approx(np.interp(y, slopes, -intercepts), abs=1e-8)
        assert found.bound == pytest.approx(found.value, abs=1e-8)
    for y in (-2.1, 3.5):
        assert rises(f, np.array([y]), ck.conjugate(f, [y]))


@pytest.mark.parametrize("seed", range(6))
def test_the_conjugate_of_a_maximum_of_affine_functions_agrees_with_cvxpy(seed):
    cp = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(seed)
    A, b = rng.standard_normal((8, 3)), rng.standard_normal(8)
    f = ck.MaxAffine(A, b)
    y = A.T @ rng.dirichlet(np.ones(8))
    theta = cp.Variable(8, nonneg=True)
    model = cp.Problem(cp.Minimize(-b @ theta), [A.T @ theta == y, cp.sum(theta) == 1])
    model.solve(solver="CLARABEL")
    found = ck.conjugate(f, y)
    assert found.value == pytest.approx(model.value, abs=1e-6)
    assert f(found.x) + found.value >= y @ found.x - 1e-9
    far = 10 * A[0]
    assert rises(f, far, ck.conjugate(f, far))


def test_a_single_piece_and_no_intercepts():
    f = ck.MaxAffine([[1.0, 2.0]])
    assert f([1.0, 1.0]) == 3.0
    assert f.n == 2
    assert repr(f) == "MaxAffine(1 pieces, n=2)"
    assert ck.conjugate(f, [1.0, 2.0]).value == pytest.approx(0.0, abs=1e-9)
    assert ck.conjugate(f, [1.0, 2.1]).value == np.inf


# ---------------------------------------------------------------- norms and entropies


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0, np.inf])
def test_the_conjugate_of_a_norm_is_the_indicator_of_the_dual_ball(p):
    f = ck.Norm(p)
    rng = np.random.default_rng(3)
    y = rng.standard_normal(5)
    size = f.dual(y)
    # ‖y‖_q is the largest yᵀx over ‖x‖ₚ ≤ 1: attained by maximizer, and by no draw.
    x = f.maximizer(y)
    assert f(x) == pytest.approx(1.0)
    assert y @ x == pytest.approx(size)
    draws = rng.standard_normal((2000, 5))
    assert max(y @ d / f(d) for d in draws) <= size + 1e-12
    inside, outside = ck.conjugate(f, y / size), ck.conjugate(f, 1.01 * y / size)
    assert inside.value == 0.0
    assert inside.attained
    assert rises(f, 1.01 * y / size, outside)
    assert f.dual.dual.p == pytest.approx(p)


def test_log_sum_exp_and_negative_entropy_are_conjugates():
    rng = np.random.default_rng(2)
    f, g = ck.LogSumExp(), ck.NegativeEntropy()
    y = rng.dirichlet(np.ones(5))
    found = ck.conjugate(f, y)
    assert found.value == pytest.approx(g(y))
    assert found.attained
    assert y @ found.x - f(found.x) == pytest.approx(found.value)
    for x in rng.standard_normal((50, 5)):
        assert ck.fenchel_gap(f, x, y) >= -1e-14
    # On the edge of the simplex the supremum is approached, not attained.
    edge = ck.conjugate(f, [0.5, 0.5, 0.0])
    assert edge.value == pytest.approx(-np.log(2))
    assert edge.attained is False
    assert np.isnan(edge.x).all()
    for bad, words in (([0.5, 0.4], "sums to 0.9"), ([1.0, 1.0], "sums to 2"),
                       ([1.5, -0.5], r"y\[1\] = -0.5 is negative")):
        outside = ck.conjugate(f, bad)
        assert rises(f, np.array(bad), outside)
        assert re.search(words, outside.message)
    tail = ck.conjugate(g, [0.0, 2.0])
    assert tail.value == pytest.approx(np.exp(-1) + np.exp(1))
    np.testing.assert_allclose(tail.x, np.exp([-1.0, 1.0]))
    assert g([0.5, -0.1]) == np.inf
    assert ck.fenchel_gap(g, [0.5, -0.1], [0.0, 0.0]) == np.inf
    assert ck.fenchel_gap(g, tail.x, [0.0, 2.0]) == pytest.approx(0.0, abs=1e-15)
    # Large entries do not overflow.
    assert f([1000.0, 1000.0]) == pytest.approx(1000.0 + np.log(2))
    assert repr(f) == "LogSumExp()"
    assert repr(g) == "NegativeEntropy()"
    assert repr(ck.Norm(2)) == "Norm(2)"


# ---------------------------------------------------------------- problems, sets and callables


def test_the_conjugate_of_an_indicator_is_the_support_function():
    ball = ck.ConvexSet.ball([1.0, 0.0], 2.0)
    found = ck.conjugate(ball, [3.0, 4.0])
    assert found.value == pytest.approx(3 + 2 * 5)
    assert found.attained
    assert ck.conjugate(ck.ConvexSet.halfspace([1.0, 0.0], 1.0), [0.0, 1.0]).value == np.inf
    assert ck.fenchel_gap(ball, [1.0, 0.0], [3.0, 4.0]) == pytest.approx(10.0)
    assert ck.fenchel_gap(ball, [5.0, 0.0], [3.0, 4.0]) == np.inf
    away = ck.conjugate(ck.ConvexSet(cones=[HYPERBOLA]), [0.0, -1.0])
    assert away.attained is False
    assert away.status == ck.Status.OPTIMAL_INACCURATE


@pytest.mark.parametrize("seed", range(4))
def test_the_conjugate_of_a_quadratic_on_a_set_agrees_with_cvxpy(seed):
    cp = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(seed)
    F, q, G = rng.standard_normal((2, 4)), rng.standard_normal(4), rng.standard_normal((3, 4))
    problem = ck.QCQP(ck.Quadratic(F.T @ F, q, 0.5), G=G, h=np.ones(3), lb=-1.0, ub=2.0)
    y = 3 * rng.standard_normal(4)
    x = cp.Variable(4)
    model = cp.Problem(cp.Maximize(y @ x - 0.5 * cp.sum_squares(F @ x) - q @ x - 0.5), [G @ x <= 1, x >= -1, x <= 2])
    model.solve(solver="CLARABEL")
    found = ck.conjugate(problem, y)
    assert found.success
    assert found.attained
    assert found.value == pytest.approx(model.value, abs=1e-6)
    assert found.bound >= found.value - 1e-7
    assert found.bound == pytest.approx(found.value, abs=1e-5)
    assert ck.fenchel_gap(problem, found.x, y) == pytest.approx(0.0, abs=1e-6)
    assert ck.fenchel_gap(problem, np.full(4, 5.0), y) == np.inf


def test_an_affine_objective_on_a_set_moves_the_support_function():
    problem = ck.lp([1.0, -1.0], G=[[1.0, 1.0]], h=[1.0], lb=0.0)
    found = ck.conjugate(problem, [3.0, 0.0])  # sup of 2x₁ + x₂ over the triangle
    assert found.value == pytest.approx(2.0, abs=1e-8)
    np.testing.assert_allclose(found.x, [1.0, 0.0], atol=1e-7)


def test_the_domain_of_a_problems_conjugate():
    open_below = ck.QCQP(ck.Quadratic(np.diag([0.0, 2.0])), G=[[1.0, -1.0]], h=[0.0], lb=[-np.inf, 0.0])
    outside = ck.conjugate(open_below, [-1.0, 0.0])
    assert outside.status == ck.Status.UNBOUNDED
    assert outside.value == np.inf
    np.testing.assert_allclose(outside.direction, [-1.0, 0.0], atol=1e-9)
    nowhere = ck.QCQP(ck.Quadratic(np.eye(1)), G=[[1.0], [-1.0]], h=[-1.0, -1.0])
    empty = ck.conjugate(nowhere, [1.0])
    assert empty.status == ck.Status.INFEASIBLE
    assert empty.value == -np.inf
    assert not empty.success


def test_a_callable_is_maximised_from_a_point_of_its_domain():
    cube = ck.conjugate(lambda x: anp.exp(3 * anp.log(x[0])), [2.0], x0=[1.0])
    assert cube.success
    assert cube.value == pytest.approx(2 * (2 / 3) ** 1.5, rel=1e-8)
    assert cube.bound == pytest.approx(cube.value, abs=1e-7)
    huber = ck.conjugate(lambda x: anp.where(abs(x[0]) <= 1, x[0] ** 2 / 2, abs(x[0]) - 0.5), [0.8], x0=[0.1])
    assert huber.value == pytest.approx(0.32, rel=1e-8)
    logistic = ck.conjugate(lambda x: anp.log(1 + anp.exp(x[0])), [0.3], x0=[0.0])
    assert logistic.value == pytest.approx(0.3 * np.log(0.3) + 0.7 * np.log(0.7), rel=1e-8)
    endless = ck.conjugate(lambda x: anp.maximum(x[0], 0.0) ** 2, [-1.0], x0=[1.0])
    assert endless.value == np.inf
    assert endless.direction == pytest.approx([-1.0])
    gap = ck.fenchel_gap(lambda x: anp.exp(x[0]), [1.0], [2.0])
    assert gap == pytest.approx(np.e + (2 * np.log(2) - 2) - 2, rel=1e-8)


@pytest.mark.parametrize(("call", "words"), [
    (lambda: ck.conjugate(ck.Quadratic(np.eye(2)), [1.0]), "y has length 1; expected 2"),
    (lambda: ck.conjugate(lambda x: x[0] ** 2, [1.0]), "x0 is missing: for a function give a point of its domain"),
    (lambda: ck.conjugate("f", [1.0]), "f must be a Quadratic, .* got str"),
    (lambda: ck.conjugate(ck.Norm(2), [1.0], rtol=-1.0), "rtol = -1 is out of range"),
    (lambda: ck.conjugate(ck.Norm(2), [1.0], tol=1.0), "tol = 1 is out of range"),
    (lambda: ck.conjugate(ck.Norm(2), [np.nan]), "y has 1 entries that are not finite"),
    (lambda: ck.conjugate(lambda x: x[0] ** 2, [1.0], x0=[1.0, 2.0]), "x0 has length 2; expected 1"),
    (lambda: ck.fenchel_gap(ck.Quadratic(np.eye(2)), [1.0], [1.0]), "x has length 1; expected 2"),
    (lambda: ck.fenchel_gap(ck.Norm(2), [1.0, 2.0], [1.0]), "y has length 1; expected 2"),
    (lambda: ck.Norm(0.5), r"p = 0.5 is out of range; expected a number in \[1, inf\]"),
    (lambda: ck.MaxAffine(np.zeros((0, 2))), r"A has shape \(0, 2\); a maximum needs at least one piece"),
    (lambda: ck.MaxAffine([[1.0, 2.0]], [1.0, 2.0]), "b has length 2; expected 1"),
    (lambda: ck.MaxAffine([[1.0, 2.0]])([1.0]), "x has length 1; expected 2"),
], ids=range(13))
def test_mistakes_are_named(call, words):
    with pytest.raises(ck.ProblemError, match=words):
        call()


# ---------------------------------------------------------------- Fenchel's inequality


def test_fenchels_inequality_holds_with_equality_at_gradients_only():
    rng = np.random.default_rng(11)
    F = rng.standard_normal((3, 3))
    f = ck.Quadratic(F.T @ F, rng.standard_normal(3), -2.0)
    for _ in range(200):
        x, y = rng.standard_normal((2, 3))
        gap = ck.fenchel_gap(f, x, y)
        assert gap > 0
        assert gap == pytest.approx(f(x) + ck.conjugate(f, y).value - x @ y, rel=1e-6)
        assert ck.fenchel_gap(f, x, f.gradient(x)) == 0.0
    # No cancellation next to the gradient: ½gᵀP⁻¹g with g of size 1e-9, where the sum has lost all digits.
    step = 1e-9 * rng.standard_normal(3)
    near = ck.fenchel_gap(f, x, f.gradient(x) + step)
    assert near == pytest.approx(0.5 * step @ np.linalg.solve(F.T @ F, step), rel=1e-5)


def test_a_gap_without_a_conjugate_is_not_a_number():
    hard = ck.fenchel_gap(lambda x: anp.exp(x[0]), [0.0], [1.0], tol=1e-12)
    assert hard == pytest.approx(0.0, abs=1e-10)
    problem = ck.QCQP(ck.Quadratic([[0.0]], [1.0]), cones=[ck.SecondOrderCone([[1.0]], d=1.0)])
    assert ck.fenchel_gap(problem, [0.5], [3.0]) == pytest.approx(0.5 + 2.0 - 1.5, abs=1e-7)
