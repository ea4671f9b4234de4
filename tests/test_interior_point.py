"""The form of a problem, its scaling, and how runs end; for the KKT backends see test_kkt_backends."""

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from convexkit.interior_point import Settings, run
from convexkit.interior_point.form import Form
from convexkit.interior_point.scaling import LARGEST, SMALLEST

from .gallery import CASES, disc, random_qcqp

INF = np.inf


def form_of(problem):
    return Form(problem, Settings().scaling_passes)


def all_rows(form, J):
    """J with the rows of the bounds under it, as a dense matrix."""
    low, high = np.zeros((form.low.size, form.n)), np.zeros((form.high.size, form.n))
    low[np.arange(form.low.size), form.low] = -form.d_low
    high[np.arange(form.high.size), form.high] = form.d_high
    return np.concatenate([J, low, high])


# ---------------------------------------------------------------- form


def test_multipliers_return_to_the_users_order_with_affine_rows_absent_rows_and_fixed_variables():
    affine, flat = ck.Quadratic(None, [1.0, 0.0, 0.0, 0.0], -9.0), ck.Quadratic(np.zeros((4, 4)), [0, 1.0, 0, 0], -9.0)
    problem = ck.QCQP(ck.Quadratic(np.eye(4)), [affine, disc(np.zeros(4), 3.0), flat, disc(np.zeros(4), 4.0)],
                      G=[[1.0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0]], h=[5.0, INF, 6.0], A=[[1.0, 1, 1, 1]],
                      b=[1.0], lb=[-1.0, 2.0, -INF, -INF], ub=[INF, 2.0, 7.0, INF])
    form = form_of(problem)
    assert (form.mq, form.ml, form.p) == (2, 4, 2)
    np.testing.assert_array_equal(form.low, [0])
    np.testing.assert_array_equal(form.high, [2])
    # Multipliers 1..8 in the form's own order, in the user's units: curved, affine, finite rows of G, bounds.
    scaling = np.concatenate([form.scaling.rows, form.d_low, form.d_high]) / form.c
    lam = np.arange(1.0, 9.0) / scaling
    nu = np.array([10.0, -20.0]) / (form.scaling.equalities / form.c)
    point = form.unscale(np.arange(4.0), lam, nu, 1.0)
    np.testing.assert_allclose(point.lam, [3.0, 1.0, 4.0, 2.0, 5.0, 0.0, 6.0], rtol=1e-14)
    np.testing.assert_allclose(point.lam_lb, [7.0, 20.0, 0.0, 0.0], rtol=1e-14)
    np.testing.assert_allclose(point.lam_ub, [0.0, 0.0, 8.0, 0.0], rtol=1e-14)
    np.testing.assert_allclose(point.nu, [10.0], rtol=1e-14)
    half = form.unscale(np.arange(4.0), lam, nu, 2.0)
    np.testing.assert_allclose(half.x, np.arange(4.0) / 2)
    np.testing.assert_allclose(half.lam, point.lam / 2)


def test_a_row_of_each_kind_carries_the_multiplier_that_its_slope_demands():
    # Five variables with P = I and q = -2, each held at 1 by a row of another kind: every multiplier is 1/slope.
    n = 5
    unit = np.eye(n)
    rows = [ck.Quadratic(None, 2.0 * unit[0], -2.0), ck.Quadratic(2.0 * np.outer(unit[1], unit[1]), r=-1.0)]
    problem = ck.QCQP(ck.Quadratic(np.eye(n), np.full(n, -2.0)), rows, G=np.vstack([unit[0], 4.0 * unit[2]]),
                      h=[INF, 4.0], A=[0.5 * unit[3]], b=[0.5], ub=[INF, INF, INF, INF, 1.0])
    solution = ck.solve(problem)
    np.testing.assert_allclose(solution.x, np.ones(n), atol=1e-7)
    np.testing.assert_allclose(solution.lam, [0.5, 0.5, 0.0, 0.25], atol=1e-7)
    np.testing.assert_allclose(solution.nu, [2.0], atol=1e-7)
    np.testing.assert_allclose(solution.lam_ub, [0, 0, 0, 0, 1.0], atol=1e-7)
    np.testing.assert_array_equal(solution.lam_lb, np.zeros(n))


@pytest.mark.parametrize(("slope", "lower", "upper"), [(3.0, 3.0, 0.0), (-3.0, 0.0, 3.0)])
def test_the_multiplier_of_a_fixed_variable_goes_to_the_bound_it_pushes_against(slope, lower, upper):
    solution = ck.solve(ck.lp([slope], lb=2.0, ub=2.0))
    assert solution.lam_lb[0] == pytest.approx(lower, abs=1e-6)
    assert solution.lam_ub[0] == pytest.approx(upper, abs=1e-6)


def test_rows_and_their_transpose_are_adjoint():
    rng = np.random.default_rng(11)
    form = form_of(random_qcqp(6, 2, rng, linear=3, bounds=True))
    v, y = rng.standard_normal(6), rng.standard_normal(form.m)
    J = rng.standard_normal(form.rows.shape)
    assert form.times(J, v) @ y == pytest.approx(form.transposed(J, y) @ v, rel=1e-12)
    np.testing.assert_allclose(form.times(J, v), all_rows(form, J) @ v, atol=1e-14)


def test_sparse_and_dense_data_have_the_same_form():
    dense = ck.QCQP(ck.Quadratic(np.diag([1.0, 2.0])), [disc([0.0, 0.0])], G=[[1.0, 0.0]], h=[1.0], A=[[0.0, 1.0]],
                    b=[0.5])
    sparse = ck.QCQP(ck.Quadratic(sp.diags_array([1.0, 2.0])), [ck.Quadratic(2 * sp.eye_array(2), r=-1.0)],
                     G=sp.csr_matrix([[1.0, 0.0]]), h=[1.0], A=sp.csr_matrix([[0.0, 1.0]]), b=[0.5])
    for name in ("q0", "rows", "A", "b", "constants", "diagonals"):
        np.testing.assert_array_equal(getattr(form_of(dense), name), getattr(form_of(sparse), name))


# ---------------------------------------------------------------- scaling


@pytest.mark.parametrize("name", CASES)
def test_scales_are_positive_finite_and_limited(name):
    scaling = form_of(CASES[name]().problem).scaling
    for factors in (scaling.rows, scaling.equalities, scaling.columns, np.array([scaling.objective])):
        assert (factors > 0).all()
        assert np.isfinite(factors).all()
    assert scaling.columns.min() >= SMALLEST
    assert scaling.columns.max() <= LARGEST


def test_scaled_rows_have_size_one_in_scaled_variables():
    rng = np.random.default_rng(4)
    problem = random_qcqp(5, 3, rng, linear=4, equalities=2)
    form = form_of(problem)
    E = form.scaling.columns
    linear = np.abs(form.rows * E).max(axis=1)
    linear[:form.mq] = np.maximum(linear[:form.mq], np.abs(form.diagonals * E * E).max(axis=1))
    sizes = np.maximum(linear, np.abs(form.constants))
    np.testing.assert_allclose(sizes, 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.maximum(np.abs(form.A * E).max(axis=1), np.abs(form.b)), 1.0, rtol=1e-12)


def test_scaled_data_do_not_depend_on_the_units_of_rows_and_objective():
    rng = np.random.default_rng(4)
    plain = random_qcqp(5, 2, rng, linear=3, equalities=2)
    row = 10.0 ** rng.uniform(-3, 3, 3)
    f0 = plain.objective
    other = ck.QCQP(ck.Quadratic(1e-5 * f0.P, 1e-5 * f0.q),
                    [ck.Quadratic(1e4 * f.P, 1e4 * f.q, 1e4 * f.r) for f in plain.inequalities],
                    G=row[:, None] * plain.G, h=row * plain.h, A=1e-4 * plain.A, b=1e-4 * plain.b)
    a, b = form_of(plain), form_of(other)
    np.testing.assert_allclose(b.rows, a.rows, rtol=1e-9)
    np.testing.assert_allclose(b.A, a.A, rtol=1e-9)
    np.testing.assert_allclose(b.scaling.columns, a.scaling.columns, rtol=1e-9)
    assert b.c * 1e-5 == pytest.approx(a.c, rel=1e-9)


# ---------------------------------------------------------------- run


def test_the_outcome_says_how_it_ended():
    assert run(CASES["ball_qp"]().problem, Settings()).kind == "converged"
    assert run(CASES["ball_qp"]().problem, Settings(maxiter=2)).kind == "iteration_limit"
    assert run(CASES["ball_qp"]().problem, Settings(time_limit=0.0)).kind == "time_limit"
    infeasible = run(CASES["disjoint_discs"]().problem, Settings())
    assert infeasible.kind == "infeasible"
    assert infeasible.certificate is not None
    unbounded = run(CASES["unbounded_lp"]().problem, Settings())
    assert unbounded.kind == "unbounded"
    assert unbounded.direction is not None
    assert run(ck.lp([1e300, 1e300], lb=-1e19, ub=1e19), Settings()).kind == "stalled"


@pytest.mark.parametrize("name", ["box_qp", "ball_qp", "diet", "medium_random_qcqp", "markowitz_variance_cap",
                                  "portfolio_frontier_point", "duplicate_constraints", "wide_equalities",
                                  "row_of_zeros"])
def test_ordinary_problems_take_few_iterations(name):
    assert ck.solve(CASES[name]().problem).nit <= 15


def test_what_does_not_fit_into_memory_is_refused_with_numbers():
    n = 200_000
    operator = ck.as_operator(lambda v: v, n)
    problem = ck.QCQP(ck.Quadratic(operator), lb=0.0)
    with pytest.raises(ck.ProblemError, match=r"needs \d+\.\d GiB stored densely \(n = 200000"):
        run(problem, Settings())


def test_what_is_sparse_fits():
    n = 200_000
    solution = ck.solve(ck.qp(sp.eye_array(n, format="csr"), np.full(n, -1.0), lb=0.0, ub=0.5))
    assert solution.success
    np.testing.assert_allclose(solution.x[[0, -1]], 0.5, atol=1e-6)


def test_a_quadratic_that_is_flat_on_the_subspace_of_its_equalities_is_solved():
    # ½wᵀPw + ν with P of rank 2: on Pw + Aᵀν = 0 only the null space of P is left, where ZᵀPZ is rounding.
    P, a = np.array([[2.0, 2.0, 0.0], [2.0, 4.0, 2.0], [0.0, 2.0, 2.0]]), np.array([1.0, 2.0, 3.0])
    M = np.zeros((4, 4))
    M[:3, :3] = P
    solution = ck.solve(ck.QCQP(ck.Quadratic(M, [0.0, 0.0, 0.0, 1.0]), A=-np.column_stack([P, a]), b=np.zeros(3)))
    assert solution.success, solution.message
    # Its multipliers are the x of least xᵀPx with aᵀx = 1, which is zero along P's null space (1, -1, 1)/2.
    np.testing.assert_allclose(solution.nu, [0.5, -0.5, 0.5], atol=1e-9)


def test_a_direction_with_rounding_in_a_curved_variable_still_proves_unboundedness():
    # ½‖w‖² + ν₁ + 3ν₂ where w = -(1 + ν₁ + 2ν₂)·1: along ν = (2, -1) nothing changes but the objective.
    A = np.column_stack([-np.eye(3), -np.ones(3), -2.0 * np.ones(3)])
    problem = ck.QCQP(ck.Quadratic(np.diag([1.0, 1.0, 1.0, 0.0, 0.0]), [0.0, 0.0, 0.0, 1.0, 3.0]), A=A, b=np.ones(3))
    solution = ck.solve(problem)
    assert solution.status == "unbounded", solution.message
    assert solution.certificate.verify(problem)
