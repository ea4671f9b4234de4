"""cvxpy problems come in native, and answers go back in cvxpy's own shapes and signs."""

import dataclasses
import sys
import time
import warnings

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from convexkit import cvxpy_bridge

CVXPY = tuple(int(part) for part in cp.__version__.split(".")[:2])

RNG = np.random.default_rng(7)
N = 4
C = RNG.normal(size=N)
ROWS = RNG.normal(size=(3, N))
B = RNG.normal(size=3)
F = RNG.normal(size=(3, N))
P = F.T @ F + np.eye(N)
S = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 3.0]])
TARGET = np.arange(6.0).reshape(2, 3)


def flat(dual):
    """A dual value as one vector: that of an SOC is a list of two arrays."""
    return np.concatenate([np.ravel(part) for part in dual]) if isinstance(dual, list) else np.ravel(dual)


def reference(source):
    """Value, points and duals from another solver."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        source.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    return source.value, {v.id: v.value for v in source.variables()}, [flat(c.dual_value) for c in source.constraints]


def through_bridge(source, **options):
    bridge = cvxpy_bridge.from_cvxpy(source)
    solution = ck.solve(bridge.problem, **options)
    bridge.write_back(solution)
    return bridge, solution


def box(x):
    return [x >= -2, x <= 2]


# Each takes a fresh vector x of length 4 and a fresh 2×3 matrix X and returns (objective, constraints). All have
# bounds, unique duals where the comparison below asks for them, and a strictly feasible point.
FEASIBLE = {
    "x @ P @ x": lambda x, X: (cp.Minimize(x @ P @ x + C @ x), box(x)),
    "quad_form with a sparse P": lambda x, X: (cp.Minimize(cp.quad_form(x, sp.csc_matrix(P)) + C @ x), box(x)),
    "quad_form in psd_wrap": lambda x, X: (cp.Minimize(cp.quad_form(x, cp.psd_wrap(P)) + C @ x), box(x)),
    "quad_form with assume_PSD": lambda x, X: (
        cp.Minimize(C @ x), [cp.quad_form(x, P, assume_PSD=True) <= 1, *box(x)]),
    "quad_form of an affine argument": lambda x, X: (
        cp.Minimize(cp.sum_squares(x - C)), [cp.quad_form(ROWS @ x + B, S) <= 3, *box(x)]),
    "quad_form of some entries": lambda x, X: (cp.Minimize(cp.quad_form(x[[2, 0, 3]], S) + C @ x), box(x)),
    "sum_squares of a wide factor": lambda x, X: (
        cp.Minimize(cp.sum_squares(x) - 3 * C @ x), [cp.sum_squares(F[:1] @ x - 1) <= 0.5, *box(x)]),
    "power 2": lambda x, X: (cp.Minimize(cp.sum(cp.power(x, 2)) + C @ x), box(x)),
    "a vector of squares": lambda x, X: (cp.Minimize(C @ x), [cp.square(x) <= np.array([1.0, 2.0, 3.0, 0.5])]),
    "a norm squared": lambda x, X: (cp.Minimize(C @ x), [cp.norm(x - 1) ** 2 <= 2, *box(x)]),
    "a Frobenius norm squared": lambda x, X: (cp.Minimize(cp.sum(X)), [cp.norm(X - TARGET, "fro") ** 2 <= 2]),
    "quad_over_lin with a constant": lambda x, X: (cp.Minimize(cp.quad_over_lin(F @ x - B, 2.0) + C @ x), box(x)),
    "quad_over_lin along an axis": lambda x, X: (
        cp.Minimize(cp.sum(X)), [cp.sum_squares(X, axis=0) <= np.array([1.0, 2.0, 3.0])]),
    "sum_squares along the rows": lambda x, X: (
        cp.Minimize(cp.sum(cp.multiply(TARGET - 2, X))), [cp.sum_squares(X, axis=1) <= np.array([1.0, 2.0])]),
    "a difference of squares": lambda x, X: (
        cp.Minimize(2 * cp.sum_squares(x) - (-cp.square(x[0])) / 2 + C @ x), box(x)),
    "indexing and reversal": lambda x, X: (cp.Minimize(C @ x), [cp.square(x[::-1])[1:] <= 1, *box(x)]),
    "reshape in C order": lambda x, X: (
        cp.Minimize(cp.sum(cp.reshape(cp.square(x), (2, 2), order="C") @ np.array([1.0, 2.0])) + C @ x), box(x)),
    "reshape in Fortran order": lambda x, X: (
        cp.Minimize(cp.sum(cp.reshape(cp.square(x), (2, 2), order="F") @ np.array([1.0, 2.0])) + C @ x), box(x)),
    "a matrix variable": lambda x, X: (
        cp.Minimize(cp.sum_squares(X - TARGET)), [X.T <= TARGET.T + 0.5, X @ np.ones(3) <= np.array([2.0, 9.0])]),
    "squares of a matrix": lambda x, X: (cp.Minimize(-cp.sum(X)), [cp.square(X) <= TARGET + 1]),
    "equality of matrices": lambda x, X: (
        cp.Minimize(cp.sum_squares(X - TARGET)), [X[:, :2] == np.array([[1.0, 2.0], [3.0, 4.0]])]),
    "matrix times squares": lambda x, X: (
        cp.Minimize(C @ x), [np.array([[1.0, 2, 3, 4], [4, 3, 2, 1]]) @ cp.square(x) <= np.array([1.0, 2.0])]),
    "a broadcast scalar": lambda x, X: (cp.Minimize(cp.sum_squares(x - C) - x[0]), [x <= x[0] + 0.5, *box(x)]),
    "abs": lambda x, X: (cp.Minimize(cp.sum(cp.abs(x - C)) + cp.sum_squares(x)), [x[0] >= 0.1]),
    "max": lambda x, X: (cp.Minimize(cp.max(x) + cp.sum_squares(x - C)), box(x)),
    "min, maximised": lambda x, X: (cp.Maximize(cp.min(x) - cp.sum_squares(x - C)), box(x)),
    "pos": lambda x, X: (cp.Minimize(cp.sum(cp.pos(x - C)) + cp.sum_squares(x + 1)), box(x)),
    "norm1": lambda x, X: (cp.Minimize(cp.sum_squares(x - C)), [cp.norm1(x) <= 0.5]),
    "norm_inf": lambda x, X: (cp.Minimize(cp.sum_squares(x - C)), [cp.norm_inf(x) <= 0.2]),
    "sum_largest": lambda x, X: (cp.Minimize(cp.sum_squares(x - C)), [cp.sum_largest(x, 2) <= 0.2]),
    "maximum of quadratics": lambda x, X: (
        cp.Minimize(cp.maximum(cp.sum_squares(x - C), cp.sum_squares(x + 1), cp.sum_squares(F @ x) + 1)), box(x)),
    "abs of a square": lambda x, X: (cp.Minimize(cp.abs(cp.square(x[0] - 1)) + cp.sum_squares(x)), box(x)),
    "square of a square": lambda x, X: (cp.Minimize(cp.square(cp.square(x[0])) + cp.sum_squares(x - 1.5)), box(x)),
    "square of pos": lambda x, X: (cp.Minimize(cp.sum_squares(cp.pos(x - C)) + cp.sum_squares(x - 1)), box(x)),
    "huber": lambda x, X: (cp.Minimize(cp.sum(cp.huber(ROWS @ x - 5 * B, 0.3)) + cp.sum_squares(x)), box(x)),
    "cumsum": lambda x, X: (cp.Minimize(cp.sum_squares(cp.cumsum(x) - 1) + C @ x), box(x)),
    "variance": lambda x, X: (cp.Minimize(cp.var(x) + cp.square(x[0] - 1)), box(x)),
    "a concave maximum": lambda x, X: (cp.Maximize(C @ x - cp.quad_form(x, P)), [x >= 0]),
    "sum of both senses": lambda x, X: (cp.Maximize(C @ x + 3), [cp.sum_squares(x) <= 4, x[0] == 0.1]),
}
if CVXPY < (1, 8):  # sum_squares takes no axis there
    FEASIBLE = {name: make for name, make in FEASIBLE.items()
                if name not in ("quad_over_lin along an axis", "sum_squares along the rows")}

# The same with second-order cones.
CONIC = {
    "a bound on a norm": lambda x, X: (cp.Minimize(C @ x), [cp.norm(x) <= 1]),
    "a norm below an affine function": lambda x, X: (
        cp.Minimize(C @ x), [2 * cp.norm(ROWS @ x - 1) + x[0] <= 3, *box(x)]),
    "a norm below a variable": lambda x, X: (
        cp.Minimize(x[3] + 0.1 * C @ x), [cp.norm(x[:3] - 1) <= x[3], x[3] >= 0.5]),
    "norms of columns": lambda x, X: (
        cp.Minimize(cp.sum(cp.multiply(TARGET - 2, X))), [cp.norm(X, axis=0) <= np.array([1.0, 2.0, 3.0])]),
    "a Frobenius norm": lambda x, X: (cp.Minimize(cp.sum(cp.multiply(TARGET - 2, X))), [cp.norm(X, "fro") <= 2]),
    "SOC": lambda x, X: (cp.Minimize(C @ x), [cp.SOC(x[0] + 2, ROWS @ x - 1), *box(x)]),
    "SOC by columns": lambda x, X: (
        cp.Minimize(cp.sum(cp.multiply(TARGET - 2, X))), [cp.SOC(cp.Constant([1.0, 2.0, 3.0]), X, axis=0)]),
    "SOC by rows": lambda x, X: (
        cp.Minimize(cp.sum(cp.multiply(TARGET - 2, X)) + x[0]),
        [cp.SOC(x[:2] + np.array([1.0, 2.0]), X, axis=1), *box(x)]),
    "norms in the objective": lambda x, X: (
        cp.Minimize(cp.norm(ROWS @ x - 1) + cp.norm(x - C) + cp.sum_squares(x)), [x[0] >= 0.2]),
    "a norm beside a square": lambda x, X: (cp.Minimize(C @ x), [cp.norm(x) + cp.sum_squares(F @ x) <= 1]),
    "a square of a norm and more": lambda x, X: (cp.Minimize(C @ x + cp.square(cp.norm(x) + 1)), [x[0] >= -3]),
    "a sum of norms": lambda x, X: (
        cp.Minimize(C @ x + cp.sum_squares(x)), [cp.norm(x - 1) + cp.norm(x + 1) <= 4.5]),
    "the larger of two norms": lambda x, X: (
        cp.Minimize(C @ x + 0.1 * cp.sum_squares(x)), [cp.maximum(cp.norm(x), cp.norm(x - 1)) <= 1.5]),
    "the norm of abs": lambda x, X: (
        cp.Minimize(C @ x + cp.sum_squares(x)), [cp.norm(cp.abs(x) + 1) <= 3]),
    "quad_over_lin with a variable": lambda x, X: (cp.Minimize(cp.quad_over_lin(x - 3, x[0] + 4)), box(x)),
    "a bound on quad_over_lin": lambda x, X: (cp.Minimize(C @ x), [cp.quad_over_lin(x, x[0] + 4) <= 1]),
    "sqrt, maximised": lambda x, X: (cp.Maximize(cp.sum(cp.sqrt(x + 2)) - cp.norm(x)), box(x)),
    "inverses": lambda x, X: (cp.Minimize(cp.sum(cp.inv_pos(x)) + 2 * cp.sum(x)), [x[0] >= 1]),
    "standard deviation": lambda x, X: (cp.Minimize(cp.std(x) + cp.square(x[0] - 1) + cp.norm(x - C)), box(x)),
}


@pytest.mark.parametrize("name", [*FEASIBLE, *CONIC])
def test_value_point_and_duals_agree_with_cvxpys_own_solve(name):
    x, X = cp.Variable(N), cp.Variable((2, 3))
    source = cp.Problem(*(FEASIBLE | CONIC)[name](x, X))
    value, points, duals = reference(source)
    _, solution = through_bridge(source)
    assert solution.status == "optimal"
    assert solution.residuals.max() <= 1e-8
    assert source.status == "optimal"
    assert source.value == pytest.approx(value, rel=1e-6, abs=1e-7)
    # Along the boundary of a curved row a point is only as sharp as the root of the gap.
    for variable in source.variables():
        assert variable.value.shape == variable.shape
        np.testing.assert_allclose(variable.value, points[variable.id], atol=5e-4)
    for constraint, dual in zip(source.constraints, duals, strict=True):
        own = constraint.dual_value
        assert isinstance(own, list) or np.shape(own) == constraint.shape
        np.testing.assert_allclose(flat(own), dual, atol=5e-4)
        assert np.max(constraint.violation()) <= 1e-6
    assert source.solver_stats.solver_name == "convexkit"
    assert source.solver_stats.num_iters == solution.nit
    assert source.solver_stats.extra_stats["solution"] is solution


def test_quadratic_rows_stay_quadratic_and_single_variables_become_bounds():
    x = cp.Variable(N)
    source = cp.Problem(cp.Minimize(C @ x), [cp.sum_squares(x) <= 1, 2 * x >= -1, -x >= -3, ROWS @ x <= 1])
    problem = cvxpy_bridge.from_cvxpy(source).problem
    assert repr(problem) == "QCQP(n=4, 1 quadratic + 3 linear inequalities, 0 equalities, 8 bounds)"
    np.testing.assert_array_equal(problem.lb, np.full(N, -0.5))
    np.testing.assert_array_equal(problem.ub, np.full(N, 3.0))


def test_a_norm_below_an_affine_function_is_one_cone_and_nothing_else():
    x = cp.Variable(N)
    source = cp.Problem(cp.Minimize(C @ x), [2 * cp.norm(F @ x - B) + 1 <= x[0] + 4, x >= -2])
    problem = cvxpy_bridge.from_cvxpy(source).problem
    assert repr(problem) == "QCQP(n=4, 0 quadratic + 0 linear inequalities, 0 equalities, 4 bounds, 1 cones)"
    cone, = problem.cones
    np.testing.assert_array_equal(cone.A, F)
    np.testing.assert_array_equal(cone.b, -B)
    np.testing.assert_array_equal(cone.c, [0.5, 0, 0, 0])
    assert cone.d == 1.5


def test_cones_keep_the_order_of_the_norms_and_free_no_variable_with_other_uses():
    x, t = cp.Variable(N), cp.Variable()
    native = {
        "the user's own top": ([cp.SOC(t, x), t <= 3], 5, 1),
        "one top for each norm": ([cp.norm(x) <= 1, cp.norm(x - 1) <= t], 5, 2),
        "two norms in a row": ([cp.norm(x) + cp.norm(x - 1) <= t], 6, 2),
        "a norm and a square": ([cp.norm(x) + cp.square(t) <= 3], 6, 1),
        "no limit": ([cp.norm(x) <= np.inf], 6, 1),
    }
    for name, (constraints, n, cones) in native.items():
        problem = cvxpy_bridge.from_cvxpy(cp.Problem(cp.Minimize(C @ x + t), constraints)).problem
        assert (problem.n, len(problem.cones)) == (n, cones), name
    shared = cp.norm(x)
    twice = cvxpy_bridge.from_cvxpy(cp.Problem(cp.Minimize(shared), [shared <= 1, cp.square(shared + 1) <= 3])).problem
    assert (twice.n, len(twice.cones)) == (N + 2, 3)


def test_constant_cones_are_dropped_where_they_hold():
    x = cp.Variable(2)
    holds = cp.SOC(cp.Constant(1.0), cp.Constant([0.5, 0.5]))
    source = cp.Problem(cp.Minimize(cp.sum_squares(x - 1)), [holds, cp.sum(x) <= 5])
    bridge, _ = through_bridge(source)
    assert bridge.problem.cones == ()
    np.testing.assert_array_equal(flat(holds.dual_value), 0)


@pytest.mark.skipif(CVXPY < (1, 9), reason="this cvxpy has no empty variables")
def test_a_cone_without_a_vector_is_a_linear_row():
    x = cp.Variable(2)
    top = cp.SOC(2 * x[0] + x[1] - 3, cp.Variable(0))
    bridge, _ = through_bridge(cp.Problem(cp.Minimize(cp.sum_squares(x)), [top]))
    assert (bridge.problem.cones, bridge.problem.m) == ((), 1)
    # 2x = u (2, 1), and 2x₁ + x₂ = 3.
    np.testing.assert_allclose(top.dual_value[0], 1.2, atol=1e-6)


def test_an_infeasible_cone_has_a_proof():
    x = cp.Variable(2)
    source = cp.Problem(cp.Minimize(cp.sum(x)), [cp.norm(x) <= 1, x >= 3])
    bridge, solution = through_bridge(source)
    assert (source.status, x.value) == ("infeasible", None)
    assert solution.certificate.verify(bridge.problem)


def test_p_is_the_users_matrix_doubled():
    rng = np.random.default_rng(3)
    wide = rng.normal(size=(2, 6))
    gram = wide.T @ wide
    x = cp.Variable(6)
    source = cp.Problem(cp.Minimize(cp.quad_form(x, gram, assume_PSD=True)))
    objective = cvxpy_bridge.from_cvxpy(source).problem.objective
    np.testing.assert_array_equal(objective.P, gram + gram.T)
    sparse = sp.diags([np.arange(1.0, 7.0)], [0], format="csc")
    objective = cvxpy_bridge.from_cvxpy(cp.Problem(cp.Minimize(cp.quad_form(x, sparse)))).problem.objective
    assert objective.structure == "sparse"
    np.testing.assert_array_equal(objective.hessian(), 2 * sparse.toarray())


def test_few_rows_and_a_diagonal_stay_factored():
    rng = np.random.default_rng(3)
    wide, diagonal = rng.normal(size=(2, 6)), rng.uniform(1, 2, 6)
    x = cp.Variable(6)
    risk = 3 * cp.sum_squares(wide @ x - 1) + cp.sum_squares(cp.multiply(diagonal, x))
    objective = cvxpy_bridge.from_cvxpy(cp.Problem(cp.Minimize(risk))).problem.objective
    assert objective.structure == "factored"
    point = rng.normal(size=6)
    x.value = point
    assert objective(point) == pytest.approx(float(risk.value), rel=1e-12)


def test_a_weight_below_zero_is_summed_and_refused_by_the_solver_by_name():
    x = cp.Variable(6)
    source = cp.Problem(cp.Minimize(x[0]), [cp.sum_squares(x) <= 1, cp.square(x[0]) - 2 * cp.sum_squares(x[1:]) <= 1])
    with pytest.raises(ck.NotConvexError, match=r"inequalities\[1\]\.P"):
        ck.solve(cvxpy_bridge.from_cvxpy(source).problem)


def test_squares_that_cancel_leave_an_affine_row():
    x = cp.Variable(2)
    source = cp.Problem(cp.Minimize(cp.sum(x)), [cp.square(x[0]) - cp.square(x[0]) + x[0] >= -1, x >= -3])
    through_bridge(source)
    np.testing.assert_allclose(x.value, [-1, -3], atol=1e-6)


@pytest.mark.parametrize(("attributes", "lb", "ub"), [
    ({"nonneg": True}, [0, 0], [np.inf, np.inf]), ({"nonpos": True}, [-np.inf, -np.inf], [0, 0]),
    ({"pos": True}, [0, 0], [np.inf, np.inf]), ({"neg": True}, [-np.inf, -np.inf], [0, 0]),
    ({"bounds": [-1, 2]}, [-1, -1], [2, 2]), ({"bounds": [None, np.array([1.0, 3.0])]}, [-np.inf, -np.inf], [1, 3]),
    ({"bounds": [np.array([-np.inf, 1.0]), None]}, [-np.inf, 1], [np.inf, np.inf]),
])
def test_attributes_of_variables_become_bounds(attributes, lb, ub):
    x = cp.Variable(2, **attributes)
    problem = cvxpy_bridge.from_cvxpy(cp.Problem(cp.Minimize(cp.sum_squares(x)))).problem
    np.testing.assert_array_equal(problem.lb, lb)
    np.testing.assert_array_equal(problem.ub, ub)


def test_bounds_of_a_matrix_variable_are_read_in_cvxpys_order():
    X = cp.Variable((2, 3), bounds=[TARGET, TARGET + 1])
    problem = cvxpy_bridge.from_cvxpy(cp.Problem(cp.Minimize(cp.sum(X)))).problem
    np.testing.assert_array_equal(problem.lb, TARGET.reshape(-1, order="F"))


def test_the_tightest_of_several_bounds_takes_the_multiplier():
    x = cp.Variable()
    source = cp.Problem(cp.Minimize(x), [x >= -3, 2 * x >= -2, -x <= 2, x >= -1])
    through_bridge(source)
    assert float(x.value) == pytest.approx(-1, abs=1e-6)
    np.testing.assert_allclose([float(c.dual_value) for c in source.constraints], [0, 0.5, 0, 0], atol=1e-6)


def test_crossed_bounds_are_infeasible_with_a_proof():
    x = cp.Variable(2, bounds=[0, 1])
    source = cp.Problem(cp.Minimize(cp.sum(x)), [x >= np.array([0.5, 3.0]), x <= 5])
    bridge, solution = through_bridge(source)
    assert solution.certificate.verify(bridge.problem)
    assert (source.status, source.value, x.value) == ("infeasible", np.inf, None)
    assert source.constraints[0].dual_value[1] > 0


@pytest.mark.skipif(CVXPY < (1, 9), reason="this cvxpy takes numbers only")
def test_crossed_bounds_of_attributes_are_infeasible_with_a_proof():
    limit = cp.Parameter(value=2.0)
    x = cp.Variable(2, bounds=[limit, 1])
    source = cp.Problem(cp.Minimize(cp.sum(x)), [x <= 5, cp.sum(x) == 1])
    bridge, solution = through_bridge(source)
    assert solution.certificate.verify(bridge.problem)
    assert source.status == "infeasible"


def test_parameters_are_read_when_the_bridge_is_built():
    x, weight, limit = cp.Variable(N), cp.Parameter(nonneg=True, value=2.0), cp.Parameter(N, value=np.ones(N))
    source = cp.Problem(cp.Minimize(weight * cp.sum_squares(x) - C @ x), [x <= limit])
    for value in (2.0, 0.1):
        weight.value = value
        through_bridge(source)
        np.testing.assert_allclose(x.value, np.minimum(C / (2 * value), 1), atol=1e-5)


@pytest.mark.skipif(CVXPY < (1, 9), reason="this cvxpy takes numbers only")
def test_a_parameter_may_bound_a_variable():
    limit = cp.Parameter(value=1.5)
    x = cp.Variable(bounds=[None, limit])
    problem = cvxpy_bridge.from_cvxpy(cp.Problem(cp.Maximize(x))).problem
    assert problem.ub[0] == 1.5


def test_a_parameter_without_a_value_is_named():
    x = cp.Variable()
    with pytest.raises(ck.ProblemError, match="parameter budget has no value"):
        cvxpy_bridge.from_cvxpy(cp.Problem(cp.Minimize(cp.Parameter(name="budget") * x), [x >= 0]))


def test_constraints_without_variables_are_dropped_where_they_hold():
    x = cp.Variable()
    source = cp.Problem(cp.Minimize(cp.square(x - 1)), [cp.Constant(0) <= 1, 0 * x == 0, x - x <= 0, x <= 3])
    bridge, _ = through_bridge(source)
    assert (bridge.problem.m, bridge.problem.p) == (0, 0)
    assert [float(c.dual_value) for c in source.constraints[:3]] == [0, 0, 0]


@pytest.mark.parametrize("false", [lambda x: cp.Constant(1) <= 0, lambda x: 0 * x == 1])
def test_a_constraint_without_variables_that_fails_is_infeasible(false):
    x = cp.Variable()
    source = cp.Problem(cp.Minimize(cp.square(x)), [x <= 1, false(x)])
    bridge, solution = through_bridge(source)
    assert source.status == "infeasible"
    assert solution.certificate.verify(bridge.problem)


def test_a_constant_objective_asks_for_any_feasible_point():
    x = cp.Variable(N)
    source = cp.Problem(cp.Maximize(5), [x >= 1, cp.sum_squares(x) <= 10])
    through_bridge(source)
    assert source.value == 5
    assert x.value.min() >= 1 - 1e-6


def test_unused_variables_get_a_value_and_repeated_constraints_a_dual_each():
    x, y = cp.Variable(N), cp.Variable()
    ball = cp.sum_squares(x) <= 1
    source = cp.Problem(cp.Minimize(C @ x), [ball, ball, 0 * y <= 1])
    through_bridge(source)
    assert np.isfinite(y.value)
    np.testing.assert_allclose(x.value, -C / np.linalg.norm(C), atol=1e-5)
    assert float(ball.dual_value) >= 0


@pytest.mark.parametrize("sense", [cp.Minimize, cp.Maximize])
def test_infeasible_and_unbounded_problems_end_as_in_cvxpy(sense):
    x = cp.Variable(2)
    infeasible = [cp.sum_squares(x) <= 1, cp.sum_squares(x - 3) <= 1]
    unbounded = [x <= 1] if sense is cp.Minimize else [x >= 1]
    for constraints in (infeasible, unbounded):
        source = cp.Problem(sense(cp.sum(x)), constraints)
        source.solve(solver=cp.CLARABEL)
        expected = source.status, source.value
        through_bridge(source)
        assert (source.status, source.value) == expected
        assert x.value is None
        # Multipliers of an infeasible problem are its proof; an unbounded one has none.
        assert (source.constraints[0].dual_value is None) == (source.status == "unbounded")


def test_a_stopped_run_writes_its_best_point_and_says_user_limit():
    x = cp.Variable(N)
    source = cp.Problem(cp.Minimize(cp.sum_squares(F @ x - B) + C @ x), [cp.norm1(x) <= 1, cp.sum_squares(x) <= 0.3])
    _, solution = through_bridge(source, maxiter=1)
    assert solution.status == "iteration_limit"
    assert source.status == "user_limit"
    assert x.value.shape == (N,)
    assert source.value == solution.value


def test_a_numerical_error_is_cvxpys_solver_error():
    x = cp.Variable(2)
    source = cp.Problem(cp.Minimize(cp.sum(x)), [x >= 0])
    bridge = cvxpy_bridge.from_cvxpy(source)
    failed = dataclasses.replace(ck.solve(bridge.problem), status=ck.Status.NUMERICAL_ERROR)
    bridge.write_back(failed)
    assert source.status == "solver_error"


def test_from_cvxpy_leaves_the_users_problem_alone():
    x = cp.Variable(N, nonneg=True)
    x.value = np.ones(N)
    source = cp.Problem(cp.Minimize(cp.sum_squares(F @ x - B)), [cp.norm1(x) <= 1, x <= 0.5])
    before = (str(source), source.status, [c.id for c in source.constraints], [v.id for v in source.variables()])
    cvxpy_bridge.from_cvxpy(source)
    assert before == (str(source), source.status, [c.id for c in source.constraints],
                      [v.id for v in source.variables()])
    np.testing.assert_array_equal(x.value, np.ones(N))
    assert source.constraints[0].dual_value is None


@pytest.mark.parametrize(("shape", "word"), [
    (2, "integer"), (2, "boolean"), ((2, 2), "PSD"), ((2, 2), "NSD"), ((2, 2), "symmetric"), ((2, 2), "diag"),
    ((2, 2), "hermitian"), (2, "complex"), (2, "imag"),
])
def test_unsupported_variables_are_named_with_their_attribute(shape, word):
    variable = cp.Variable(shape, name="k", **{word: True})
    with pytest.raises(ck.ProblemError, match=f"variable k is .*{word}"):
        cvxpy_bridge.from_cvxpy(cp.Problem(cp.Minimize(cp.sum(cp.real(variable)))))


@pytest.mark.parametrize(("build", "message"), [
    (lambda x, t, Z: (cp.sum(x), [cp.SOC(t, cp.square(x))]), "constraint 0 has a square inside a second-order cone"),
    (lambda x, t, Z: (cp.sum(x), [cp.SOC(t, cp.abs(x))]), "constraint 0: .* neither quadratic nor convex"),
    (lambda x, t, Z: (cp.sum(x), [cp.norm(x) >= 1]), "constraint 0: .* neither quadratic nor convex"),
    (lambda x, t, Z: (cp.trace(Z), [x >= 0, Z >> 0]), "constraint 1 needs a constraint of type PSD"),
    (lambda x, t, Z: (t, [cp.ExpCone(x[0], x[1], x[2])]), "constraint 0 needs a constraint of type ExpCone"),
    (lambda x, t, Z: (cp.exp(t), []), r"objective: exp\(.*ExpCone"),
    (lambda x, t, Z: (-cp.log(t), []), r"objective: log\(.*ExpCone"),
    (lambda x, t, Z: (cp.lambda_max(Z + Z.T), []), "objective: lambda_max"),
    (lambda x, t, Z: (t, [cp.sum_squares(x) == 1]), "constraint 0 is a quadratic equality"),
    (lambda x, t, Z: (x[0] * x[1], []), "neither quadratic nor convex"),
    (lambda x, t, Z: (t, [cp.abs(t) >= 1]), "constraint 0: .* neither quadratic nor convex"),
    (lambda x, t, Z: (t, [cp.abs(t) == 1]), "constraint 0: .* neither quadratic nor convex"),
    (lambda x, t, Z: (cp.square(cp.min(x)), []), "neither quadratic nor convex"),
    (lambda x, t, Z: (cp.square(cp.square(t) - 1), []), "does not follow cvxpy's DCP rules"),
])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_not_supported_is_named(build, message):
    objective, constraints = build(cp.Variable(3), cp.Variable(), cp.Variable((3, 3)))
    with pytest.raises(ck.ProblemError, match=message):
        cvxpy_bridge.from_cvxpy(cp.Problem(cp.Minimize(objective), constraints))


def test_something_else_than_a_problem_is_refused():
    with pytest.raises(ck.ProblemError, match=r"must be a cvxpy\.Problem; got Variable"):
        cvxpy_bridge.from_cvxpy(cp.Variable())


def test_a_solution_of_another_problem_is_refused():
    x = cp.Variable(2)
    bridge = cvxpy_bridge.from_cvxpy(cp.Problem(cp.Minimize(cp.sum(x)), [x >= 0, cp.sum(x) <= 3]))
    for other in (ck.solve(ck.lp([1.0], lb=0.0)), ck.solve(ck.lp([1.0, 1.0], lb=0.0)), None):
        with pytest.raises(ck.ProblemError, match="does not belong"):
            bridge.write_back(other)


def test_variables_with_three_axes_are_read_in_cvxpys_order():
    target = np.arange(12.0).reshape(2, 3, 2)
    T = cp.Variable((2, 3, 2))
    through_bridge(cp.Problem(cp.Minimize(cp.sum_squares(T - target)), [T >= -1]))
    # The order of the axes is at stake; an optimum of a square is only as sharp as the root of the gap.
    np.testing.assert_allclose(T.value, target, atol=1e-3)


def test_large_linear_problems_convert_in_a_moment():
    x = cp.Variable(20_000)
    source = cp.Problem(cp.Minimize(cp.sum(x)), [x >= -1, x <= 1])
    start = time.perf_counter()
    problem = cvxpy_bridge.from_cvxpy(source).problem
    # 0.03 s on one core; a loop over rows, or a matrix reshaped through rows × columns, took many seconds.
    assert time.perf_counter() - start < 2.0
    assert problem.m == 0
    assert np.isfinite(problem.lb).all()


def test_without_cvxpy_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    monkeypatch.delitem(sys.modules, "convexkit.cvxpy_bridge")
    with pytest.raises(ck.MissingDependencyError, match="pip install"):
        __import__("convexkit.cvxpy_bridge")
