"""cvxpy calls convexkit: its own standard tests, and what its users see."""

import dataclasses
import inspect
import re
import sys
import time
import types
import warnings

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp
from cvxpy.tests import solver_test_helpers, test_qp_solvers

import convexkit as ck
from convexkit.cvxpy_bridge import CONVEXKIT, conic_solver

from .test_cvxpy_bridge import CONIC, CVXPY, FEASIBLE, B, C, F, N, flat, reference

# Every test of every class of cvxpy's standard tests, as (class, name): none is left out.
GROUPS = [(group, members) for group, members in inspect.getmembers(solver_test_helpers, inspect.isclass)
          if group.startswith("StandardTest")]
STANDARD = [(group, name) for group, members in GROUPS
            for name, _ in inspect.getmembers(members, callable) if name.startswith("test_")]
WHOLE = [member for member in STANDARD if member[1].startswith("test_mi_")]
# By the cones in their names: exponential, semidefinite and power cones.
OTHER_CONES = [member for member in STANDARD if re.search("exp|sdp|psd|pcp|power_cone", member[1])]
OURS = [member for member in STANDARD if member not in WHOLE + OTHER_CONES]


def standard_test(member, **options):
    group, name = member
    return getattr(getattr(solver_test_helpers, group), name)(solver=CONVEXKIT(), **options)


def test_the_standard_tests_are_those_we_know():
    assert {group for group, _ in OURS} >= {"StandardTestLPs", "StandardTestQPs", "StandardTestSOCPs"}
    assert {name for _, name in OURS} >= {f"test_lp_{i}" for i in range(8)} | {
        "test_qp_0", "test_lp_bound_attr", "test_socp_0", "test_socp_1", "test_socp_2", "test_socp_3ax0",
        "test_socp_3ax1", "test_socp_bounds_attr"}
    assert len(WHOLE) >= 8
    assert len(OTHER_CONES) >= 9


@pytest.mark.parametrize("member", OURS, ids=lambda member: member[1])
def test_cvxpys_standard_test_passes_with_duals(member, monkeypatch):
    if member[1] == "test_lp_7":  # asks whether another solver has long arithmetic before it goes on
        info = types.SimpleNamespace(get_backend_info=lambda: {"gmp": True})
        monkeypatch.setitem(sys.modules, "sdpap",
                            types.SimpleNamespace(sdpacall=types.SimpleNamespace(sdpacall=info)))
    parameters = inspect.signature(getattr(getattr(solver_test_helpers, member[0]), member[1])).parameters
    standard_test(member, **({"duals": True} if "duals" in parameters else {}))


@pytest.mark.parametrize("member", WHOLE, ids=lambda member: member[1])
def test_cvxpys_mixed_integer_tests_are_refused(member):
    message = "cone|Cone" if member in OTHER_CONES else r"variable \w+ is (boolean|integer).*continuous variables"
    with pytest.raises(cp.error.SolverError, match=message):
        standard_test(member)


@pytest.mark.parametrize("member", [member for member in OTHER_CONES if member not in WHOLE], ids=lambda m: m[1])
def test_cvxpys_tests_of_other_cones_are_refused_by_the_name_of_the_cone(member):
    with pytest.raises(cp.error.SolverError, match=r"CONVEXKIT.*(ExpCone|PSD|PowCone)"):
        standard_test(member)


def test_cvxpys_suite_for_qp_solvers_passes():
    case = test_qp_solvers.TestQp("test_all_solvers")
    case.setUp()
    case.solvers = [CONVEXKIT()]
    case.test_all_solvers()


# cvxpy 1.9 looks for bounds of sqrt(x) where x may be negative, with a warning, for solvers that take bounds.
@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt:RuntimeWarning")
@pytest.mark.parametrize("name", [*FEASIBLE, *CONIC])
def test_value_point_and_duals_agree_with_another_solver(name):
    x, X = cp.Variable(N), cp.Variable((2, 3))
    source = cp.Problem(*(FEASIBLE | CONIC)[name](x, X))
    value, points, duals = reference(source)
    source.solve(solver=CONVEXKIT(), ignore_dpp=True)
    solution = source.solver_stats.extra_stats["solution"]
    assert source.status == solution.status == "optimal"
    assert solution.residuals.max() <= 1e-8
    assert source.value == pytest.approx(value, rel=1e-6, abs=1e-7)
    for variable in source.variables():
        np.testing.assert_allclose(variable.value, points[variable.id], atol=5e-4)
    for constraint, dual in zip(source.constraints, duals, strict=True):
        np.testing.assert_allclose(flat(constraint.dual_value), dual, atol=5e-4)
        assert np.max(constraint.violation()) <= 1e-6


def test_duals_make_the_lagrangian_stationary():
    x = cp.Variable(N)
    source = cp.Problem(cp.Minimize(cp.sum_squares(F @ x - B) + C @ x),
                        [cp.sum(x) == 1, -2 * x <= 1, x <= 2, cp.SOC(x[0] + 1, x[1:]), x[2] >= -3, F @ x <= 3])
    source.solve(solver=CONVEXKIT())
    equal, low, high, cone, single, rows = (constraint.dual_value for constraint in source.constraints)
    gradient = 2 * F.T @ (F @ x.value - B) + C + equal - 2 * low + high + F.T @ rows
    gradient[2] -= single
    gradient -= flat(cone)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)
    assert min(low.min(), high.min(), single, rows.min()) >= -1e-8
    assert np.linalg.norm(cone[1]) <= cone[0][0] + 1e-8


@pytest.mark.parametrize("sense", [cp.Minimize, cp.Maximize])
def test_infeasible_and_unbounded_problems_end_as_in_cvxpy(sense):
    x = cp.Variable(2)
    infeasible = [cp.sum(x) <= 1, x >= 1]
    unbounded = [x <= 1] if sense is cp.Minimize else [x >= 1]
    for constraints in (infeasible, unbounded):
        source = cp.Problem(sense(cp.sum(x)), constraints)
        source.solve(solver=cp.CLARABEL)
        expected = source.status, source.value
        source.solve(solver=CONVEXKIT())
        assert (source.status, source.value) == expected
        assert x.value is None
        told = source.solver_stats.extra_stats
        assert told["solution"].certificate.verify(told["problem"])


@pytest.mark.skipif(CVXPY < (1, 9), reason="this cvxpy drops the multipliers of an infeasible problem")
def test_duals_of_an_infeasible_problem_are_its_proof():
    x = cp.Variable(3)
    rows, bound, equal = cp.sum(x) <= 1, x >= 1, x[0] - x[1] == 0
    source = cp.Problem(cp.Minimize(cp.sum_squares(x)), [rows, bound, equal])
    source.solve(solver=CONVEXKIT())
    assert source.status == "infeasible"
    # lam·(1, 1, 1) - mu + nu·(1, -1, 0) = 0, and lam·1 - mu·1 < 0: no x satisfies all three.
    lam, mu, nu = float(rows.dual_value), bound.dual_value, float(equal.dual_value)
    np.testing.assert_allclose(lam - mu + nu * np.array([1, -1, 0]), 0, atol=1e-7)
    assert min(lam, mu.min()) >= 0
    assert lam - mu.sum() < 0


def test_an_infeasible_cone_is_infeasible_with_a_proof():
    x = cp.Variable(2)
    source = cp.Problem(cp.Minimize(cp.sum(x)), [cp.norm(x) <= 1, x >= 3])
    source.solve(solver=CONVEXKIT())
    told = source.solver_stats.extra_stats
    assert (source.status, source.value) == ("infeasible", np.inf)
    assert told["solution"].certificate.verify(told["problem"])


def test_a_limit_gives_user_limit_and_the_best_point():
    x = cp.Variable(N)
    for limit in ({"maxiter": 1}, {"time_limit": 1e-9}):
        source = cp.Problem(cp.Minimize(cp.sum_squares(F @ x - B) + C @ x), [cp.norm1(x) <= 1])
        with pytest.warns(UserWarning, match="may be inaccurate"):
            source.solve(solver=CONVEXKIT(), **limit)
        assert source.status == "user_limit"
        assert np.isfinite(x.value).all()


def test_an_inaccurate_solution_is_reported_as_such(monkeypatch):
    answer(monkeypatch, ck.Status.OPTIMAL_INACCURATE)
    x = cp.Variable(2)
    source = cp.Problem(cp.Minimize(cp.sum(x)), [x >= 0])
    with pytest.warns(UserWarning, match="may be inaccurate"):
        source.solve(solver=CONVEXKIT())
    assert source.status == "optimal_inaccurate"


def test_lost_precision_is_a_solver_error_with_the_reason(monkeypatch):
    answer(monkeypatch, ck.Status.NUMERICAL_ERROR)
    x = cp.Variable(2)
    with pytest.raises(cp.error.SolverError, match="CONVEXKIT: because"):
        cp.Problem(cp.Minimize(cp.sum(x)), [x >= 0]).solve(solver=CONVEXKIT())


def answer(monkeypatch, status):
    """Let the solver end with `status`, which it seldom does on its own."""
    monkeypatch.setattr(conic_solver, "solve", lambda problem, **options: dataclasses.replace(
        ck.solve(problem, **options), status=status, message="because"))


def test_options_reach_the_solver():
    x = cp.Variable(N)
    source = cp.Problem(cp.Minimize(cp.sum_squares(F @ x - B) + C @ x), [cp.norm1(x) <= 1])
    iterations = []
    for tol in (1e-3, 1e-11):
        source.solve(solver=CONVEXKIT(), tol=tol, maxiter=50, time_limit=60.0)
        assert source.solver_stats.extra_stats["solution"].residuals.max() <= tol
        iterations.append(source.solver_stats.num_iters)
    assert iterations[0] < iterations[1]


@pytest.mark.parametrize(("options", "message"), [
    ({"eps": 1e-3}, "'eps' is no option of CONVEXKIT; there are tol, maxiter, time_limit"),
    ({"tol": 1.0}, "tol = 1 is out of range"),
    ({"maxiter": 0}, "maxiter must be an integer"),
    ({"time_limit": "soon"}, "time_limit must be a number"),
])
def test_an_option_that_is_unknown_or_out_of_range_is_named(options, message):
    x = cp.Variable()
    with pytest.raises(ck.ProblemError, match=message):
        cp.Problem(cp.Minimize(x), [x >= 0]).solve(solver=CONVEXKIT(), **options)


def test_verbose_prints_the_iterations_and_nothing_else_does(capsys):
    x = cp.Variable(N)
    source = cp.Problem(cp.Minimize(cp.sum_squares(x - C)), [cp.sum(x) <= C.sum() - 1])
    source.solve(solver=CONVEXKIT())
    assert capsys.readouterr().out == ""
    source.solve(solver=CONVEXKIT(), verbose=True)
    out = capsys.readouterr().out
    assert re.search(r"^QCQP\(n=", out, flags=re.MULTILINE)
    assert len(re.findall(r"^ +\d+ +-?\d\.\d+e", out, flags=re.MULTILINE)) >= source.solver_stats.num_iters
    assert re.search(r"^optimal: solved: ", out, flags=re.MULTILINE)


def test_warm_start_is_accepted_and_changes_nothing():
    x = cp.Variable(N)
    source = cp.Problem(cp.Minimize(cp.sum_squares(x - C)), [cp.sum(x) <= C.sum() - 1])
    points = []
    for warm_start in (True, False, True):
        source.solve(solver=CONVEXKIT(), warm_start=warm_start)
        points.append(x.value)
    np.testing.assert_array_equal(points[0], points[1])
    np.testing.assert_array_equal(points[0], points[2])


def test_statistics_are_filled_in():
    x = cp.Variable(N)
    source = cp.Problem(cp.Minimize(cp.sum_squares(x - C)), [cp.sum(x) <= C.sum() - 1])
    source.solve(solver=CONVEXKIT())
    stats = source.solver_stats
    assert stats.solver_name == "CONVEXKIT"
    assert stats.num_iters == stats.extra_stats["solution"].nit > 0
    assert 0 < stats.solve_time < 10
    assert stats.extra_stats["problem"].n >= N
    assert "convexkit" in CONVEXKIT().cite({})
    assert repr(CONVEXKIT()) == "CONVEXKIT()"


def test_a_parametrised_problem_is_compiled_once_for_all_solvers_of_the_class():
    x, weight = cp.Variable(N), cp.Parameter(nonneg=True)
    source = cp.Problem(cp.Minimize(weight * cp.sum_squares(x) - C @ x), [x <= 1])
    chains = []
    for value in (2.0, 0.1):
        weight.value = value
        source.solve(solver=CONVEXKIT())
        np.testing.assert_allclose(x.value, np.minimum(C / (2 * value), 1), atol=1e-5)
        chains.append(source._cache.solving_chain)
    assert chains[0] is chains[1]
    assert CONVEXKIT() != cp.CLARABEL


def test_integer_variables_are_refused_by_name():
    kept, count = cp.Variable(2, boolean=True, name="kept"), cp.Variable(integer=True, name="count")
    with pytest.raises(cp.error.SolverError, match="variable kept is boolean, count is integer; CONVEXKIT takes cont"):
        cp.Problem(cp.Minimize(cp.sum(kept) + count), [count >= 0.5]).solve(solver=CONVEXKIT())


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_quadratic_that_is_not_convex_after_all_is_named():
    x = cp.Variable(2)
    source = cp.Problem(cp.Minimize(cp.quad_form(x, cp.psd_wrap(np.diag([1.0, -1.0])))), [x <= 1, x >= -1])
    with pytest.raises(ck.NotConvexError, match=r"objective\.P"):
        source.solve(solver=CONVEXKIT())


def conic_data(source):
    return source.get_problem_data(CONVEXKIT())[0]


def test_the_objective_stays_quadratic_and_rows_of_one_variable_become_bounds():
    x = cp.Variable(N, nonneg=True)
    source = cp.Problem(cp.Minimize(cp.sum_squares(x - C) + 3), [2 * x <= 1, x[0] >= 0.1, cp.sum(x) <= 1])
    problem, _ = conic_solver.native(conic_data(source))
    assert repr(problem).startswith("QCQP(n=8, 0 quadratic + 1 linear inequalities, 4 equalities, 8 bounds")
    assert problem.objective.structure == "sparse"
    conic, _ = conic_solver.native(conic_data(cp.Problem(source.objective, [*source.constraints, cp.norm(x) <= 2])))
    assert [cone.size for cone in conic.cones] == [N + 1]
    source.solve(solver=CONVEXKIT(), use_quad_obj=False)
    through_cones = source.value
    assert source.solve(solver=CONVEXKIT()) == pytest.approx(through_cones, rel=1e-5)


def test_the_tightest_of_several_bounds_takes_the_multiplier():
    x = cp.Variable(bounds=[-5, None])
    source = cp.Problem(cp.Minimize(x), [x >= -3, 2 * x >= -2, -x <= 2, x >= -1])
    source.solve(solver=CONVEXKIT())
    assert float(x.value) == pytest.approx(-1, abs=1e-6)
    np.testing.assert_allclose([float(c.dual_value) for c in source.constraints], [0, 0.5, 0, 0], atol=1e-6)


def test_crossed_bounds_are_infeasible():
    x = cp.Variable(2, bounds=[0, 1])
    source = cp.Problem(cp.Minimize(cp.sum(x)), [x >= np.array([0.5, 3.0])])
    source.solve(solver=CONVEXKIT())
    assert source.status == "infeasible"


@pytest.mark.skipif(CVXPY < (1, 9), reason="this cvxpy takes numbers only")
def test_crossed_bounds_of_attributes_are_infeasible():
    limit = cp.Parameter(value=2.0)
    x = cp.Variable(2, bounds=[limit, 1])
    source = cp.Problem(cp.Minimize(cp.sum(x)), [x <= 5])
    source.solve(solver=CONVEXKIT())
    assert source.status == "infeasible"
    told = source.solver_stats.extra_stats
    assert told["solution"].certificate.verify(told["problem"])


def test_data_stay_sparse_and_convert_in_a_moment():
    n = 20_000
    x, t = cp.Variable(n), cp.Variable()
    chain = x[1:] - x[:-1]
    source = cp.Problem(cp.Minimize(cp.sum_squares(chain) + t), [chain <= 1, x[::2] == 1, cp.SOC(t, chain), x <= 3])
    data = conic_data(source)
    start = time.perf_counter()
    problem, _ = conic_solver.native(data)
    # 0.02 s on one core; one dense matrix of this size would need 3 GB.
    assert time.perf_counter() - start < 2.0
    assert problem.objective.structure == "sparse"
    assert all(sp.issparse(matrix) for matrix in (problem.G, problem.A, problem.cones[0].A))


def test_a_cone_of_height_one_is_a_linear_row():
    x = cp.Variable(2)
    source = cp.Problem(cp.Minimize(cp.sum(x)), [cp.sum(x) >= 1, x >= -3])
    data = conic_data(source)
    dims = data["dims"]
    data["dims"] = types.SimpleNamespace(zero=dims.zero, nonneg=dims.nonneg - 1, soc=[1])
    problem, places = conic_solver.native(data)
    assert (problem.m, problem.cones) == (1, ())
    assert places.duals(ck.solve(problem)).shape == (3,)


def test_a_problem_without_constraints_is_solved():
    x = cp.Variable(N)
    source = cp.Problem(cp.Maximize(3 - cp.sum_squares(x - C)))
    assert source.solve(solver=CONVEXKIT()) == pytest.approx(3)
    np.testing.assert_allclose(x.value, C, atol=1e-5)


def test_geometric_programs_are_refused_by_the_cone_they_need():
    x = cp.Variable(pos=True)
    with pytest.raises(cp.error.SolverError, match="ExpCone"):
        cp.Problem(cp.Minimize(x + 1 / x)).solve(solver=CONVEXKIT(), gp=True)


def test_quasiconvex_problems_go_through_by_bisection():
    x = cp.Variable(2, pos=True)
    source = cp.Problem(cp.Minimize((2 * x[0] + x[1] + 1) / (x[0] + x[1])), [x >= 1, x <= 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of the problems on the way are infeasible by very little
        source.solve(solver=CONVEXKIT(), qcp=True, low=1.0, high=4.0, eps=1e-4)
    assert source.value == pytest.approx(5 / 3, abs=1e-3)
