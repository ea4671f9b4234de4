"""The front door: every status is what it claims, on problems whose answers are known."""

import dataclasses
import re

import numpy as np
import pytest
from scipy.optimize import linprog

import convexkit as ck
from convexkit.quadratic import doubtful
from convexkit.solution import Status
from convexkit.solver import one as front
from convexkit.solver import verdict

from .gallery import CASES, disc, random_qcqp

TOL = 1e-8
LOOSE = 1e-5
METHODS = ("auto", "interior-point")
FIGURES = ("stationarity", "primal", "dual", "complementarity", "gap")


def assert_same_evidence(ours, residuals):
    """The solver's evidence is the user's, to rounding: compiled, the sums are the same in another order."""
    for name in FIGURES:
        assert getattr(residuals, name) == pytest.approx(getattr(ours, name), rel=1e-9, abs=1e-13), name
    for name in ("value", "dual_value"):
        assert getattr(residuals, name) == pytest.approx(getattr(ours, name), rel=1e-12, abs=1e-12), name
    if ours.primal > 1e-13:
        assert residuals.where == ours.where


def assert_claim_is_true(problem, solution, tol=TOL):
    """What the status says, checked on the data alone."""
    status, residuals, certificate = solution.status, solution.residuals, solution.certificate
    assert solution.success == (status is Status.OPTIMAL)
    assert solution.message
    assert solution.nit >= 0
    for name, size in (("x", problem.n), ("lam", problem.m), ("nu", problem.p), ("lam_lb", problem.n),
                       ("lam_ub", problem.n)):
        assert getattr(solution, name).shape == (size,), name
    if status is Status.INFEASIBLE:
        assert isinstance(certificate, ck.InfeasibilityCertificate)
        assert certificate.verify(problem)
        assert solution.value == np.inf
        assert np.isnan(solution.x).all()
        return
    if status is Status.UNBOUNDED:
        assert isinstance(certificate, ck.UnboundednessCertificate)
        assert certificate.verify(problem)
        assert solution.value == -np.inf
        # Walk along it: feasible all the way, and lower all the time.
        here = problem.objective(certificate.x)
        for distance in (1.0, 1e3, 1e6):
            there = certificate.x + distance * certificate.direction
            assert ck.kkt_residuals(problem, there).primal <= 1e-6
            assert problem.objective(there) < here
        return
    assert certificate is None
    assert np.isfinite(solution.x).all()
    ours = ck.kkt_residuals(problem, solution.x, solution.lam, solution.nu, solution.lam_lb, solution.lam_ub)
    assert_same_evidence(ours, residuals)
    assert solution.value == pytest.approx(problem.objective(solution.x), rel=1e-12, abs=1e-13)
    if status is Status.OPTIMAL:
        for name in FIGURES:
            assert getattr(residuals, name) <= tol, name
    elif status is Status.OPTIMAL_INACCURATE and residuals.max() > LOOSE:
        # Multipliers that do not exist: then the dual function has to prove the value.
        bound = ck.Lagrangian(problem).dual_function(solution.lam, solution.nu, solution.lam_lb, solution.lam_ub)
        assert residuals.primal <= LOOSE
        assert np.isfinite(bound)
        assert abs(solution.value - bound) <= 2 * LOOSE * max(1.0, abs(bound))


@pytest.mark.parametrize("name", CASES)
def test_the_status_is_true_and_the_answer_is_the_closed_form(name):
    case = CASES[name]()
    solution = ck.solve(case.problem)
    assert str(solution.status) in case.status, solution.message
    assert_claim_is_true(case.problem, solution)
    if solution.status is Status.OPTIMAL and case.value is not None:
        scale = max(abs(case.value), 1e-2)
        assert solution.value == pytest.approx(case.value, abs=max(2e-7 * scale, 1e-8))
    if solution.status is Status.OPTIMAL and case.x is not None:
        np.testing.assert_allclose(solution.x, case.x, atol=1e-6 * max(1e-2, abs(case.x).max()))


@pytest.mark.parametrize("name", [name for name in CASES if name != "unbounded_without_a_ray"])
@pytest.mark.parametrize("tol", [1e-4, 1e-10])
def test_the_status_is_true_at_other_tolerances(name, tol):
    case = CASES[name]()
    solution = ck.solve(case.problem, tol=tol)
    # Within a loose tol, a problem that is infeasible by 1e-6 has an optimal point.
    loose = ("optimal",) if name == "barely_infeasible" else ()
    assert str(solution.status) in (*case.status, "optimal_inaccurate", *loose), solution.message
    assert_claim_is_true(case.problem, solution, tol)


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_verdict_is_never_given_in_few_iterations(name):
    case = CASES[name]()
    for maxiter in (1, 3, 6):
        solution = ck.solve(case.problem, maxiter=maxiter)
        assert str(solution.status) in (*case.status, "iteration_limit", "optimal_inaccurate", "numerical_error")
        assert_claim_is_true(case.problem, solution)


@pytest.mark.parametrize("name", ["ball_qp", "diet", "infeasible_pair", "unbounded_lp", "redundant_equalities"])
def test_two_calls_give_identical_results(name):
    first, second = (ck.solve(CASES[name]().problem) for _ in range(2))
    for field in dataclasses.fields(first):
        if field.name not in ("seconds", "certificate"):
            np.testing.assert_equal(getattr(first, field.name), getattr(second, field.name))


@pytest.mark.parametrize("name", ["box_qp", "markowitz_variance_cap", "fixed_variables", "switched_off_rows",
                                  "redundant_equalities", "ball_outside_the_box", "unbounded_qcqp"])
def test_the_users_arrays_are_never_modified(name):
    problem = CASES[name]().problem
    arrays = [problem.G, problem.h, problem.A, problem.b, problem.lb, problem.ub]
    for f in (problem.objective, *problem.inequalities):
        arrays += [f.q] if f.P is None else [f.q, f.P]
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    ck.solve(problem)
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)


def _scaled(problem, *, objective=1.0, rows=1.0):
    def times(factor, f):
        return ck.Quadratic(None if f.P is None else factor * f.P, factor * f.q, factor * f.r)

    return ck.QCQP(times(objective, problem.objective), [times(rows, f) for f in problem.inequalities],
                   G=rows * problem.G, h=rows * problem.h, A=rows * problem.A, b=rows * problem.b, lb=problem.lb,
                   ub=problem.ub)


def in_units(*names):
    return [(name, factor) for name in names for factor in (1e-6, 1e6)]


@pytest.mark.parametrize(("name", "factor"), in_units(
    "ball_qp", "diet", "lp_two_rows", "equality_qp", "markowitz_variance_cap", "box_qp", "nearly_touching_discs",
    "ellipsoid_linear", "single_variable"))
def test_scaling_the_objective_or_the_rows_changes_nothing_but_units(name, factor):
    case = CASES[name]()
    plain = ck.solve(case.problem)
    for scales in ({"objective": factor}, {"rows": factor}):
        solution = ck.solve(_scaled(case.problem, **scales))
        assert solution.status is Status.OPTIMAL
        np.testing.assert_allclose(solution.x, case.x, atol=3e-6 * abs(case.x).max())
        unit = scales.get("objective", 1.0)
        assert solution.value == pytest.approx(unit * case.value, rel=1e-6)
        np.testing.assert_allclose(solution.lam * scales.get("rows", 1.0) / unit, plain.lam,
                                   atol=1e-5 * max(1.0, abs(plain.lam).max(initial=0.0)))


@pytest.mark.parametrize(("name", "factor"), in_units(
    "infeasible_pair", "disjoint_discs", "nearly_disjoint_discs", "ball_outside_the_box", "unbounded_lp",
    "unbounded_qcqp", "contradictory_equalities"))
def test_scaling_does_not_change_a_proof(name, factor):
    case = CASES[name]()
    for scales in ({"objective": factor}, {"rows": factor}):
        problem = _scaled(case.problem, **scales)
        solution = ck.solve(problem)
        assert str(solution.status) in case.status
        assert_claim_is_true(problem, solution)


@pytest.mark.parametrize("seed", range(12))
def test_random_problems_with_every_kind_of_row_are_solved(seed):
    rng = np.random.default_rng(1000 + seed)
    n = int(rng.integers(1, 15))
    problem = random_qcqp(n, int(rng.integers(0, 5)), rng, linear=int(rng.integers(0, 6)),
                          equalities=int(rng.integers(0, n)), bounds=bool(seed % 2))
    solution = ck.solve(problem)
    assert solution.status is Status.OPTIMAL
    assert_claim_is_true(problem, solution)
    # x = 0 is feasible, and the dual function at our multipliers bounds every feasible value.
    assert solution.value <= problem.objective(np.zeros(n)) + 1e-7
    assert ck.Lagrangian(problem).dual_function(solution.lam, solution.nu) == pytest.approx(solution.value, abs=1e-5)


@pytest.mark.parametrize("order", [[2, 0, 1], [1, 2, 0]])
def test_the_order_of_rows_and_variables_does_not_matter(order):
    case = CASES["box_qp"]()
    f = case.problem.objective
    problem = ck.qp(f.P[np.ix_(order, order)], f.q[order], lb=-1.0, ub=1.0, r=f.r)
    np.testing.assert_allclose(ck.solve(problem).x, case.x[order], atol=1e-6)


# ---------------------------------------------------------------- options


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_accepted(method):
    assert ck.solve(CASES["ball_qp"]().problem, method=method).success


@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-11])
def test_residuals_of_an_optimal_answer_are_below_tol(tol):
    solution = ck.solve(CASES["ball_qp"]().problem, tol=tol)
    assert solution.status is Status.OPTIMAL
    assert solution.residuals.max() <= tol


def test_a_tighter_tol_takes_no_fewer_iterations():
    problem = CASES["medium_random_qcqp"]().problem
    counts = [ck.solve(problem, tol=tol).nit for tol in (1e-2, 1e-6, 1e-11)]
    assert counts == sorted(counts)


def test_the_callback_sees_every_iteration_once():
    records = []
    solution = ck.solve(CASES["ball_qp"]().problem, callback=records.append)
    assert [r.iteration for r in records] == list(range(solution.nit + 1))
    last = records[-1]
    assert max(last.primal, last.dual, last.gap) <= TOL
    assert last.value == pytest.approx(solution.value, abs=1e-7)
    assert last.dual_value == pytest.approx(solution.dual_value, abs=1e-7)
    assert all(0 < r.step <= 1 for r in records[1:])
    assert all(r.tau > 0 and r.kappa > 0 and r.mu > 0 for r in records)
    assert [r.seconds for r in records] == sorted(r.seconds for r in records)


def test_an_exception_in_the_callback_reaches_the_caller():
    def stop(record):
        raise KeyError(record.iteration)

    with pytest.raises(KeyError):
        ck.solve(CASES["ball_qp"]().problem, callback=stop)


def test_maxiter_is_a_limit_and_the_best_point_comes_back():
    solution = ck.solve(CASES["diet"]().problem, maxiter=1)
    assert solution.status is Status.ITERATION_LIMIT
    assert solution.nit == 1
    assert "maxiter = 1" in solution.message
    assert np.isfinite(solution.x).all()
    assert not solution.success


def test_time_limit_is_a_limit():
    solution = ck.solve(CASES["diet"]().problem, time_limit=1e-9)
    assert solution.status is Status.TIME_LIMIT
    assert "time_limit = 1e-09 s" in solution.message
    assert_claim_is_true(CASES["diet"]().problem, solution)


def test_without_a_slater_point_the_answer_is_inaccurate_or_within_tol():
    # Residuals at tol = 1e-12 are out of reach where multipliers grow without end.
    problem = CASES["touching_discs"]().problem
    solution = ck.solve(problem, tol=1e-12)
    assert solution.status is Status.OPTIMAL_INACCURATE
    assert_claim_is_true(problem, solution, 1e-12)
    np.testing.assert_allclose(solution.x, [1.0, 0.0], atol=1e-4)


def test_data_beyond_the_range_of_floats_end_in_a_numerical_error():
    solution = ck.solve(ck.lp([1e300, 1e300], lb=-1e19, ub=1e19))
    assert solution.status is Status.NUMERICAL_ERROR
    assert solution.residuals.max() == np.inf
    assert "no further progress" in solution.message


def _fails_to_find_a_feasible_point(kind):
    """`run`, except that the second run, for a feasible point, ends as `kind` at a point that is not feasible."""
    calls = []

    def run(problem, settings, callback=None, warm=None):
        outcome = solver_run(problem, settings, callback, warm)
        calls.append(settings)
        if len(calls) == 1:
            return outcome
        return dataclasses.replace(outcome, kind=kind, point=dataclasses.replace(outcome.point, x=np.full(2, -1.0)))

    solver_run = front.run
    return run


@pytest.mark.parametrize(("kind", "status"), [("stalled", Status.NUMERICAL_ERROR), ("time_limit", Status.TIME_LIMIT),
                                              ("iteration_limit", Status.ITERATION_LIMIT)])
def test_a_falling_direction_without_a_feasible_point_is_no_proof(monkeypatch, kind, status):
    run = _fails_to_find_a_feasible_point(kind)
    for module in (front, verdict):
        monkeypatch.setattr(module, "run", run)
    problem = CASES["unbounded_lp"]().problem
    solution = ck.solve(problem)
    assert solution.status is status
    assert solution.certificate is None
    assert solution.residuals.primal > 0
    assert "no feasible point was found" in solution.message


def test_ctrl_c_returns_the_best_point_so_far_with_its_status():
    def third(record):
        if record.iteration == 3:
            raise KeyboardInterrupt

    problem = CASES["diet"]().problem
    solution = ck.solve(problem, callback=third)
    assert solution.status is Status.INTERRUPTED
    assert "stopped by the keyboard" in solution.message
    assert solution.nit == 3
    assert np.isfinite(solution.x).all()
    assert 1e-5 < solution.residuals.max() < 1.0


@pytest.mark.parametrize("name", ["diet", "markowitz_variance_cap", "touching_discs"])
def test_a_warm_start_saves_iterations_and_changes_no_answer(name):
    problem = CASES[name]().problem
    cold = ck.solve(problem)
    warm = ck.solve(problem, warm_start=cold)
    if name != "touching_discs":  # without a strictly feasible point there are no multipliers to start near
        assert warm.nit < cold.nit
    assert warm.value == pytest.approx(cold.value, rel=1e-6, abs=1e-6)


def test_warm_starts_along_a_frontier_take_fewer_iterations():
    rng = np.random.default_rng(3)
    F = rng.standard_normal((30, 20))
    P, q = F.T @ F / 30, -rng.random(20)
    caps = P.mean() * np.linspace(1.0, 2.0, 25)  # from the variance of equal weights on
    problems = [ck.QCQP(ck.Quadratic(None, q), [ck.Quadratic(2 * P, np.zeros(20), -cap)], A=np.ones((1, 20)), b=[1.0],
                        lb=0.0) for cap in caps]
    cold = [ck.solve(problem) for problem in problems]
    warm = [cold[0]]
    for problem in problems[1:]:
        warm.append(ck.solve(problem, warm_start=warm[-1]))
    for one, other in zip(cold, warm, strict=True):
        assert one.success
        assert other.value == pytest.approx(one.value, rel=1e-6)
    assert sum(s.nit for s in warm) <= 0.7 * sum(s.nit for s in cold)


def test_a_warm_start_of_another_problem_is_refused():
    solution = ck.solve(ck.lp([1.0], lb=0.0))
    with pytest.raises(ck.ProblemError, match=r"warm_start is of another problem: its x has size 1; expected 2"):
        ck.solve(ck.lp([1.0, 1.0], lb=0.0), warm_start=solution)
    with pytest.raises(ck.ProblemError, match=r"warm_start must be a Solution; got ndarray"):
        ck.solve(ck.lp([1.0, 1.0], lb=0.0), warm_start=np.zeros(2))


def test_a_warm_start_without_a_point_is_ignored():
    nothing = ck.solve(ck.lp([1.0], G=[[1.0], [-1.0]], h=[1.0, -2.0]))
    assert nothing.status is Status.INFEASIBLE
    assert ck.solve(ck.lp([1.0], G=[[1.0], [-1.0]], h=[1.0, 0.0]), warm_start=nothing).success


@pytest.mark.parametrize("n", [1, 2, 30])
def test_a_linear_objective_over_one_ellipsoid_is_solved_in_closed_form(n):
    rng = np.random.default_rng(n)
    F = rng.standard_normal((n + 3, n))
    problem = ck.QCQP(ck.Quadratic(None, rng.standard_normal(n)),
                      [ck.Quadratic(F.T @ F, rng.standard_normal(n), -1.0)])
    solution = ck.solve(problem)
    assert solution.success
    assert solution.message.endswith("closed form.")
    assert solution.nit == 0
    assert_claim_is_true(problem, solution)
    # The same through the iteration, which a bound that does not matter brings about.
    bounded = ck.QCQP(problem.objective, problem.inequalities, lb=-1e6)
    assert ck.solve(bounded).value == pytest.approx(solution.value, rel=1e-7)


def test_every_status_has_been_reached_by_a_test_above():
    reached = {Status(s) for case in CASES.values() for s in case().status}
    assert reached | {Status.TIME_LIMIT, Status.INTERRUPTED} == set(Status)


@pytest.mark.parametrize(("options", "words"), [
    ({"tol": 0.0}, "tol = 0 is out of range"),
    ({"tol": 0.5}, "tol = 0.5 is out of range"),
    ({"tol": np.nan}, "tol = nan is out of range"),
    ({"tol": "tight"}, "tol must be a number"),
    ({"maxiter": 0}, "maxiter must be an integer of at least 1"),
    ({"maxiter": 10.0}, "maxiter must be an integer"),
    ({"maxiter": True}, "maxiter must be an integer"),
    ({"time_limit": 0.0}, "time_limit = 0 is out of range"),
    ({"time_limit": -1.0}, "time_limit = -1 is out of range"),
    ({"method": "simplex"}, "method = 'simplex' is not known; choose one of 'auto', 'interior-point'"),
])
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ck.ProblemError, match=re.escape(words)):
        ck.solve(CASES["ball_qp"]().problem, **options)


def test_only_problems_are_solved():
    with pytest.raises(ck.ProblemError, match="problem must be a QCQP; got ndarray"):
        ck.solve(np.eye(2))


def test_a_factor_of_zeros_is_no_curvature():
    zero = ck.Quadratic.from_factor(np.zeros((1, 4)), q=[1.0, 2.0, 3.0, 4.0])
    solution = ck.solve(ck.QCQP(ck.Quadratic.from_factor(np.zeros((1, 4))), A=np.ones((1, 4)), b=[1.0], lb=0.0))
    assert solution.status is Status.OPTIMAL
    limited = ck.solve(ck.QCQP(zero, [ck.Quadratic.from_factor(np.zeros((1, 4)), q=-np.ones(4), r=1.0)], lb=0.0))
    assert limited.value == pytest.approx(1.0)
    assert limited.lam[0] == pytest.approx(1.0)


# ---------------------------------------------------------------- convexity


def test_the_row_that_is_not_convex_is_named_with_its_eigenvalue():
    saddle = ck.Quadratic(np.array([[0.0, 3.0], [3.0, 0.0]]))
    ball = disc([0.0, 0.0])
    with pytest.raises(ck.NotConvexError, match=r"inequalities\[2\]\.P .* smallest eigenvalue -3\.0e\+00"):
        ck.solve(ck.QCQP(ball, [ball, ball, saddle]))
    with pytest.raises(ck.NotConvexError, match=r"objective\.P .* smallest eigenvalue -3\.0e\+00"):
        ck.solve(ck.QCQP(saddle, [ball]))


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_an_eigenvalue_of_rounding_size_is_tolerated_and_a_larger_one_is_not(size):
    def problem(smallest):
        c = np.sqrt(0.5)
        turn = np.array([[c, -c], [c, c]])
        P = size * turn @ np.diag([1.0, smallest]) @ turn.T
        return ck.qp((P + P.T) / 2, [size, 0.0], lb=-1.0, ub=1.0)

    solution = ck.solve(problem(-1e-14))
    assert solution.status is Status.OPTIMAL
    with pytest.raises(ck.NotConvexError, match="objective"):
        ck.solve(problem(-1e-9))


# Where the compiled kernel proves the answer's Lagrangian convex, and where NumPy does.
LATE = pytest.mark.parametrize("n", [150, 300])


def with_spectrum(eigenvalues, seed):
    """A dense symmetric matrix with the given eigenvalues and random eigenvectors."""
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((eigenvalues.size,) * 2))[0]
    P = (Q * eigenvalues) @ Q.T
    return (P + P.T) / 2


def large_dense(n, smallest, objective=None):
    """Three dense quadratics, the second with the given smallest eigenvalue; they meet the constraints at x = 0."""
    spectrum = np.linspace(1e-3, 1.0, n)
    last = spectrum.copy()
    last[0] = smallest
    q = np.random.default_rng(3).standard_normal(n)
    return ck.QCQP(objective or ck.Quadratic(None, q),
                   [ck.Quadratic(with_spectrum(spectrum, 1), None, -1e6),
                    ck.Quadratic(with_spectrum(last, 2), None, -1e-2),
                    ck.Quadratic(with_spectrum(spectrum, 4), None, -1e6)])


@LATE
@pytest.mark.parametrize("smallest", [-1.0, -1e-1, -1e-4])
def test_a_large_dense_row_that_is_not_convex_is_named_whether_a_glance_sees_it_or_not(n, smallest):
    # The objective is linear and only the second row is active: what the answer would need is its convexity.
    assert doubtful(large_dense(n, smallest).inequalities[1].P) is (smallest < -1e-3)
    with pytest.raises(ck.NotConvexError, match=re.escape(f"inequalities[1].P is not positive semidefinite: smallest "
                                                        f"eigenvalue {smallest:.1e}")):
        ck.solve(large_dense(n, smallest))


@LATE
def test_large_dense_rows_without_weight_need_not_be_convex_for_the_answer_to_be_proved(n):
    # A glance does not see an eigenvalue of -1e-6 among others of 1e-3.
    centre = np.full(n, 1e-4)
    problem = large_dense(n, -1e-6, ck.Quadratic(np.eye(n), -centre, 0.0))
    solution = ck.solve(problem)
    assert solution.status is Status.OPTIMAL
    np.testing.assert_allclose(solution.x, centre, rtol=1e-6)
    assert ck.Lagrangian(problem).dual_function(solution.lam) >= solution.value - 1e-10


@LATE
def test_a_large_dense_problem_agrees_with_the_check_of_every_row(n, monkeypatch):
    problem = large_dense(n, 0.5)
    quick = ck.solve(problem)
    monkeypatch.setattr("convexkit.solver.convexity.LATE", n)
    slow = ck.solve(problem)
    assert quick.status is slow.status is Status.OPTIMAL
    assert quick.value == slow.value


def test_every_dense_row_of_up_to_128_variables_has_to_be_convex():
    centre = np.full(128, 1e-4)
    with pytest.raises(ck.NotConvexError, match=re.escape("inequalities[1].P")):
        ck.solve(large_dense(128, -1e-6, ck.Quadratic(np.eye(128), -centre, 0.0)))


# ---------------------------------------------------------------- another solver's word


def small_integer_lp(rng):
    """Data of a small LP with integer coefficients: often degenerate, dependent, infeasible or unbounded."""
    n, m, p = int(rng.integers(1, 6)), int(rng.integers(1, 8)), int(rng.integers(0, 3))
    lb = np.where(rng.random(n) < 0.5, rng.integers(-3, 1, n), -np.inf)
    return {"c": rng.integers(-3, 4, n).astype(float), "G": rng.integers(-3, 4, (m, n)).astype(float),
            "h": rng.integers(-4, 8, m).astype(float), "A": rng.integers(-2, 3, (p, n)).astype(float),
            "b": rng.integers(-3, 4, p).astype(float), "lb": lb,
            "ub": np.where(rng.random(n) < 0.5, lb.clip(-3) + rng.integers(0, 5, n), np.inf)}


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_no_verdict_on_small_linear_programs_contradicts_highs(start):
    undecided = 0
    for seed in range(start, start + 50):
        data = small_integer_lp(np.random.default_rng(seed))
        oracle = linprog(data["c"], data["G"], data["h"], data["A"], data["b"], method="highs",
                         bounds=np.column_stack([data["lb"], data["ub"]]), options={"presolve": False})
        truth = {0: "optimal", 2: "infeasible", 3: "unbounded"}[oracle.status]
        problem = ck.lp(**data)
        solution = ck.solve(problem)
        assert_claim_is_true(problem, solution)
        if solution.status in ("numerical_error", "iteration_limit", "optimal_inaccurate"):
            undecided += 1
            continue
        assert str(solution.status) == truth, seed
        if truth == "optimal":
            assert solution.value == pytest.approx(oracle.fun, rel=1e-6, abs=1e-6), seed
    # Degenerate as they are, most of them have to be decided.
    assert undecided <= 10


def test_a_variable_whose_optimum_is_its_bound_of_zero_is_found():
    solution = ck.solve(ck.lp([-2.0], lb=-2.0, ub=0.0))
    assert solution.status is Status.OPTIMAL
    assert solution.x[0] == pytest.approx(0.0, abs=1e-7)


def test_two_contradictory_equations_in_one_variable_are_proved_so():
    assert ck.solve(ck.lp([-1.0], A=[[-2.0], [-2.0]], b=[1.0, -1.0], ub=0.0)).status is Status.INFEASIBLE
