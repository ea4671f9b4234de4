"""What a point proves: the report on anyone's (x, lam, nu), cvxpy's included, and the semidefinite dual."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck

from .gallery import CASES, disc, random_qcqp, single_variable

cp = pytest.importorskip("cvxpy")
from convexkit import cvxpy_bridge  # noqa: E402

from .test_cvxpy_bridge import CONIC, FEASIBLE  # noqa: E402


def solve_with(source, solver="CLARABEL", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        source.solve(solver=solver, **options)


# ---------------------------------------------------------------- the report


LP = ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 15.0], lb=0.0)


@pytest.mark.parametrize(("problem", "point", "verdict"), [
    (LP, ([5.0, 5.0], [2.0, 1.0]), "x is optimal: p* = -35, proved on both sides."),
    (LP, ([5.0, 4.0], [2.0, 1.0]), "-35 ≤ p* ≤ -32: x misses the optimal value by at most 3."),
    (LP, ([5.0, 6.0], [2.0, 1.0]), "p* ≥ -35 is proved. No upper bound is: G row 0 exceeds its limit by 1.0e+00, "),
    (ck.lp([-4.0, -3.0], G=LP.G, h=LP.h), ([5.0, 5.0], [2.0, 0.5]),
     "p* ≤ -35 is proved. No lower bound is: the slope of L has a component 1.118 and L has no curvature: L falls "
     "without end along x = (0.894, 0.447). Of feasible points with |xⱼ| ≤ 50 none has a value below -102.5."),
    (LP, ([5.0, 6.0], [2.0, -1.0]), "Nothing is proved: G row 0 exceeds its limit by 1.0e+00, and lam[1] = -1 is "
     "negative."),
    (single_variable().problem, ([2.0], [1.999]), "x is optimal to "),
    # Without convexity the bound holds, and a gap may stay: -½x² on [-1, 2] as two rows.
    (ck.QCQP(ck.Quadratic([[-1.0]]), [disc([0.0], 1.0), disc([0.5], 1.0)]), ([0.0], [0.5, 0.0]),
     "-0.5 ≤ p* ≤ 0: x misses the optimal value by at most 0.5. The problem is not convex: strong duality is not "
     "guaranteed, and a gap may remain at the best multipliers."),
    (ck.lp([1.0], G=[[-1.0]], h=[-2.0]), ([2.0 - 2e-7], [1.0]), "x is optimal to "),
])
def test_the_verdict_says_what_is_proved(problem, point, verdict):
    report = ck.duality_report(problem, *point)
    assert report.verdict.startswith(verdict)
    assert report.verdict in str(report)
    assert f"{report.value:.10g}" in str(report)


def test_a_value_below_the_bound_is_explained_by_the_violation():
    problem = ck.QCQP(ck.Quadratic(None, [1e6]), [ck.Quadratic(np.zeros((1, 1)), [-1.0], 2.0)], G=[[1.0]], h=[1e8])
    report = ck.duality_report(problem, [2.0 - 3e-6], [1e6, 0.0], tol=1e-5)
    assert report.gap < 0
    assert report.feasible
    tighter = ck.duality_report(problem, [2.0 - 3e-6], [1e6, 0.0], tol=1.2e-6)
    assert "is below it: x is feasible only up to" in tighter.verdict or not tighter.feasible


def test_the_bound_is_exact_and_never_above_the_value_of_a_solution():
    for name in ("markowitz", "ball_qp", "box_qp", "small_random_qcqp", "every_structure_of_P", "sparse_rows"):
        problem = CASES[name]().problem
        s = ck.solve(problem)
        report = ck.duality_report(problem, s.x, s.lam, s.nu, s.lam_lb, s.lam_ub, s.lam_cones)
        assert report.feasible
        assert abs(report.relative_gap) < 1e-6, (name, report)
        assert report.bound == report.bound_nearby
        assert report.verdict.startswith("x is optimal")


def test_multipliers_that_are_negative_by_a_solver_s_tolerance_count_as_zero():
    report = ck.duality_report(LP, [5.0, 5.0], [2.0, 1.0], lam_lb=[-1e-7, 0.0], lam_ub=[0.0, 0.0])
    assert report.bound == pytest.approx(-35.0)
    ball = ck.socp([3.0, 4.0], [ck.SecondOrderCone(np.eye(2), d=1.0)])
    report = ck.duality_report(ball, [-0.6, -0.8], lam_cones=[[5.0 - 1e-7, 3.0, 4.0]])
    assert report.bound == pytest.approx(-5.0, rel=1e-6)
    assert ck.duality_report(ball, [-0.6, -0.8], lam_cones=[[4.0, 3.0, 4.0]]).bound == -np.inf


def test_a_report_needs_multipliers_that_fit_and_a_tolerance_in_range():
    with pytest.raises(ck.ProblemError, match="lam has length 1; expected 2: 0 quadratic inequalities, then 2 rows"):
        ck.duality_report(LP, [5.0, 5.0], [2.0])
    with pytest.raises(ck.ProblemError, match="tol = 1 is out of range"):
        ck.duality_report(LP, [5.0, 5.0], [2.0, 1.0], tol=1.0)
    with pytest.raises(ck.ProblemError, match="x has length 3; expected 2"):
        ck.duality_report(LP, [5.0, 5.0, 1.0], [2.0, 1.0])


# ---------------------------------------------------------------- points of cvxpy's solvers


def every_kind(x, X):
    return [cp.sum_squares(x) <= 4, x[0] + 2 * x[1] <= 1, x[1] - x[2] >= -1, cp.sum(x) == 1, x >= -1.5, x <= 2,
            2 * x[0] <= 1, 3 * x[0] <= 1.5, X[0, 0] + x[3] == 1, cp.SOC(3 + x[0], cp.hstack([x[1], x[2]])),
            cp.square(X) <= 4, X[1, :] >= np.array([-1.0, 0.5])]


@pytest.mark.parametrize("solver", ["CLARABEL", "SCS", "ours"])
@pytest.mark.parametrize("sense", [cp.Minimize, cp.Maximize])
def test_points_of_other_solvers_are_read_with_their_multipliers(solver, sense):
    rng = np.random.default_rng(1)
    x, X = cp.Variable(4), cp.Variable((2, 2), bounds=[-3.0, 3.0])
    sign = 1.0 if sense is cp.Minimize else -1.0
    objective = sign * (cp.sum_squares(x - rng.standard_normal(4)) + rng.standard_normal(4) @ x
                        + cp.sum(cp.multiply(rng.standard_normal((2, 2)), X)) + 0.1 * cp.sum_squares(X))
    source = cp.Problem(sense(objective), every_kind(x, X))
    bridge = cvxpy_bridge.from_cvxpy(source)
    if solver == "ours":
        solution = ck.solve(bridge.problem)
        bridge.write_back(solution)
    else:
        solve_with(source, solver, **({"eps_abs": 1e-9, "eps_rel": 1e-9} if solver == "SCS" else {}))
    point = bridge.read_point()
    assert ck.kkt_residuals(bridge.problem, *point).max() < (1e-5 if solver == "SCS" else 2e-6)
    report = ck.duality_report(bridge.problem, *point, tol=1e-5)
    assert abs(report.relative_gap) < 1e-5
    assert sign * source.value == pytest.approx(report.bound, rel=1e-5)
    if solver == "ours":
        np.testing.assert_allclose(point.x, solution.x, rtol=1e-12)
        np.testing.assert_allclose(point.nu, solution.nu, rtol=1e-12)
        np.testing.assert_allclose(point.lam, solution.lam, rtol=1e-12)
        np.testing.assert_allclose(point.lam_cones[0], solution.lam_cones[0], rtol=1e-12)


def test_many_cones_by_rows_and_columns_are_read():
    t, X = cp.Variable(3), cp.Variable((2, 3))
    for axis, Y in ((0, X), (1, X.T)):
        source = cp.Problem(cp.Minimize(cp.sum(t) + cp.sum(cp.multiply(np.arange(6.0).reshape(2, 3), X)) / 10),
                            [cp.SOC(t, Y, axis=axis), X[0, :] == np.array([1.0, 2.0, 3.0])])
        solve_with(source)
        bridge = cvxpy_bridge.from_cvxpy(source)
        assert ck.kkt_residuals(bridge.problem, *bridge.read_point()).max() < 1e-6


def test_a_redundant_row_s_dual_is_counted_with_the_bound_it_repeats():
    x = cp.Variable()
    source = cp.Problem(cp.Minimize(cp.square(x + 3)), [x >= 1, 2 * x >= 2])
    bridge = cvxpy_bridge.from_cvxpy(source)
    solve_with(source)
    # Both rows are the bound x ≥ 1, whose multiplier 2(x + 3) = 8 a solver may split between them.
    assert bridge.read_point().lam_lb == pytest.approx([8.0], rel=1e-5)


def test_a_problem_that_was_changed_or_not_solved_is_refused_with_the_reason():
    x, p, data = cp.Variable(2), cp.Parameter(value=1.0, name="budget"), np.array([1.0, 2.0])
    source = cp.Problem(cp.Minimize(cp.sum_squares(x)), [data @ x >= p])
    bridge = cvxpy_bridge.from_cvxpy(source)
    with pytest.raises(ck.ProblemError, match="has not been solved: its status is None"):
        bridge.read_point()
    solve_with(source)
    assert bridge.read_point().x == pytest.approx([0.2, 0.4], rel=1e-6)
    p.value = 2.0
    with pytest.raises(ck.ProblemError, match=r"parameter budget was changed since the bridge was built\. Solve the "
                                              r"cvxpy problem again\. Build the bridge anew"):
        bridge.read_point()
    # A new bridge beside the old point: the objective is that of the solve, and the row is not met.
    assert ck.duality_report(*_problem_and_point(source)).verdict.startswith("p* ≥")
    x.value = np.array([3.0, 3.0])
    with pytest.raises(ck.ProblemError, match=r"since it was solved: its value was 0\.2, and its objective is 18"):
        cvxpy_bridge.from_cvxpy(source).read_point()


def _problem_and_point(source):
    bridge = cvxpy_bridge.from_cvxpy(source)
    return bridge.problem, *bridge.read_point()


def test_data_that_were_changed_in_place_are_noticed():
    x = cp.Variable(2, bounds=[np.zeros(2), np.ones(2)])
    source = cp.Problem(cp.Minimize(cp.sum(x)))
    bridge = cvxpy_bridge.from_cvxpy(source)
    solve_with(source)
    assert bridge.read_point().lam_lb == pytest.approx([1.0, 1.0])
    x.attributes["bounds"][0][0] = 0.5
    with pytest.raises(ck.ProblemError, match=r"problem was changed since the bridge was built: lb is another\. "
                                              r"Build the bridge anew"):
        bridge.read_point()


def test_what_differs_between_two_problems_is_named():
    from convexkit.cvxpy_bridge.unchanged import _difference

    def make(**changes):
        parts = {"q": np.ones(2), "r": 0.0, "G": np.eye(2), "h": np.ones(2), "lb": np.zeros(2), "F": np.eye(2),
                 "d": 1.0, "S": sp.eye_array(2, format="csr"), **changes}
        return ck.QCQP(ck.Quadratic(np.eye(2), parts["q"]), [ck.Quadratic.from_factor(parts["F"], r=-9.0 + parts["r"]),
                                                            ck.Quadratic(parts["S"], None, -9.0)],
                       G=parts["G"], h=parts["h"], lb=parts["lb"], cones=[ck.SecondOrderCone(np.eye(2), d=parts["d"])])

    assert _difference(make(), make()) == ""
    for changes, words in (({"q": np.zeros(2)}, "the objective is another"), ({"r": 1.0}, "inequalities[0] is another"),
                           ({"F": 2 * np.eye(2)}, "inequalities[0] is another"), ({"h": np.zeros(2)}, "h is another"),
                           ({"S": 2 * sp.eye_array(2, format="csr")}, "inequalities[1] is another"),
                           ({"G": 2 * np.eye(2)}, "G is another"), ({"lb": -np.ones(2)}, "lb is another"),
                           ({"d": 2.0}, "cones[0] is another"), ({"S": np.eye(2)}, "inequalities[1] is another")):
        assert _difference(make(), make(**changes)) == words


def test_an_infeasible_problem_has_no_point_to_read():
    x = cp.Variable(2)
    source = cp.Problem(cp.Minimize(cp.sum(x)), [x >= 1, x <= 0])
    solve_with(source)
    with pytest.raises(ck.ProblemError, match="its status is infeasible, and variable"):
        cvxpy_bridge.from_cvxpy(source).read_point()


@pytest.mark.parametrize("name", [*FEASIBLE, *CONIC])
def test_epigraph_variables_and_their_multipliers_are_completed(name):
    # cvxpy keeps neither values nor duals of what it adds for abs, max and norms: these are solved for.
    x, X = cp.Variable(4), cp.Variable((2, 3))
    source = cp.Problem(*{**FEASIBLE, **CONIC}[name](x, X))
    solve_with(source, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    bridge = cvxpy_bridge.from_cvxpy(source)
    point = bridge.read_point()
    np.testing.assert_array_equal(point.x[bridge._offsets[x.id]:][:4] if x.value is not None else [],
                                  x.value if x.value is not None else [])
    assert ck.kkt_residuals(bridge.problem, *point).max() < 1e-4
    report = ck.duality_report(bridge.problem, *point)
    assert abs(report.relative_gap) < 1e-6, report
    sign = -1.0 if isinstance(source.objective, cp.Maximize) else 1.0
    assert report.bound == pytest.approx(sign * source.value, rel=1e-6, abs=1e-6)


def test_a_point_that_is_not_optimal_is_completed_as_it_is():
    # ‖x‖₁ ≤ 1, minimise ½‖x - (2, 0)‖²: at (½, ¼) with a price of ½ the completed t is |x| and the bound stays below.
    x = cp.Variable(2)
    source = cp.Problem(cp.Minimize(cp.sum_squares(x - np.array([2.0, 0.0])) / 2), [cp.norm1(x) <= 1])
    bridge = cvxpy_bridge.from_cvxpy(source)
    x.value = np.array([0.5, 0.25])
    source.constraints[0].save_dual_value(np.array(0.5))
    source._status, source._value = "optimal", source.objective.value
    point = bridge.read_point()
    np.testing.assert_allclose(np.sort(point.x), [0.25, 0.25, 0.5, 0.5], atol=1e-8)
    report = ck.duality_report(bridge.problem, *point)
    assert report.feasible
    # g(½) = min ½‖x - (2, 0)‖² + ½(‖x‖₁ - 1) at x = (1.5, 0): 0.125 + 0.25.
    assert report.bound == pytest.approx(0.375, abs=1e-6)
    assert report.value == pytest.approx(0.5 * (1.5**2 + 0.25**2))


# ---------------------------------------------------------------- the semidefinite dual


@pytest.mark.parametrize("seed", range(3))
def test_the_schur_dual_has_the_value_and_the_point_of_solve(seed):
    rng = np.random.default_rng(seed)
    n = 4
    base = random_qcqp(n, 2, rng, linear=2, equalities=1, bounds=True)
    x = ck.solve(base).x
    cone = ck.SecondOrderCone(rng.standard_normal((2, n)), None, rng.standard_normal(n), 0.0)
    cone = ck.SecondOrderCone(cone.A, None, cone.c, -cone.value(x) * -1.0 + 0.1 if cone.value(x) > 0 else 1.0)
    problem = ck.QCQP(base.objective, base.inequalities, G=base.G, h=base.h, A=base.A, b=base.b, lb=base.lb, ub=base.ub,
                      cones=[cone])
    mine = ck.solve(problem)
    assert mine.success
    dual = cvxpy_bridge.schur_dual(problem)
    solve_with(dual.source)
    assert dual.source.value == pytest.approx(mine.value, rel=1e-5, abs=1e-5)
    point = dual.read_point()
    np.testing.assert_allclose(point.x, mine.x, atol=2e-4)
    assert ck.duality_report(problem, mine.x, *point[1:]).bound == pytest.approx(mine.value, rel=1e-4, abs=1e-4)


def test_the_schur_dual_of_a_nonconvex_problem_is_its_best_bound():
    # minimise -½x₁² + x₂ over the disc: one quadratic, so no gap (the S-procedure); lam from the secular equation.
    problem = ck.QCQP(ck.Quadratic(np.diag([-1.0, 0.0]), [0.0, 1.0]), [disc([0.0, 0.0])])
    dual = cvxpy_bridge.schur_dual(problem)
    solve_with(dual.source)
    angles = np.linspace(-np.pi, np.pi, 100_001)
    lowest = float((-0.5 * np.cos(angles)**2 + np.sin(angles)).min())
    assert dual.source.value == pytest.approx(lowest, abs=1e-6)
    report = ck.duality_report(problem, [0.0, -1.0], *dual.read_point()[1:])
    assert report.bound == pytest.approx(lowest, abs=1e-5)
    # Two-way partitioning, xᵢ² = 1 as two rows each: a bound below the best of the 2ⁿ points.
    rng = np.random.default_rng(4)
    W = rng.standard_normal((4, 4))
    W = W + W.T
    rows = [ck.Quadratic(np.diag(2 * s * e), None, -s) for e in np.eye(4) for s in (1.0, -1.0)]
    partition = ck.QCQP(ck.Quadratic(2 * W), rows)
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1)
    best = float(np.einsum("ik,ij,jk->k", signs, W, signs).min())
    dual = cvxpy_bridge.schur_dual(partition)
    solve_with(dual.source)
    # xᵀWx ≥ n·λ_min(W) by equal multipliers; the dual's are at least as good.
    assert 4 * np.linalg.eigvalsh(W)[0] - 1e-6 <= dual.source.value <= best + 1e-6


def test_the_schur_dual_is_refused_without_a_problem_or_a_solve():
    with pytest.raises(ck.ProblemError, match="problem must be a QCQP; got int"):
        cvxpy_bridge.schur_dual(3)
    dual = cvxpy_bridge.schur_dual(single_variable().problem)
    with pytest.raises(ck.ProblemError, match=r"its status is None\. Call source\.solve"):
        dual.read_point()
