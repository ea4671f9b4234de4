"""Problems solved side by side have the answers that they have alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from benchmarks import solve_many as benchmark
from convexkit.interior_point import Outcome, Settings
from convexkit.interior_point.batch import _inverses, run_batch
from convexkit.interior_point.stack import convex_mask, residuals_batch, shape_key
from tests.gallery import CASES, disc

SETTINGS = Settings()
STACKABLE = [name for name, make in CASES.items() if shape_key(make().problem) is not None]
Family = Callable[[np.random.Generator], ck.QCQP]
FAMILIES: dict[str, Family] = {}


def family(make: Family) -> Family:
    """Put a function that draws one problem into FAMILIES."""
    FAMILIES[make.__name__] = make
    return make


def quadratic(rng: np.random.Generator, n: int, r: float, rank: int | None = None) -> ck.Quadratic:
    M = rng.standard_normal((n if rank is None else rank, n))
    return ck.Quadratic(M.T @ M / n, rng.standard_normal(n), r)


def dense(rng: np.random.Generator, n: int, m: int, **rows) -> ck.QCQP:
    """Strictly feasible at 0, with a unique solution and unique multipliers almost surely."""
    return ck.QCQP(quadratic(rng, n, 1.5), [quadratic(rng, n, -rng.uniform(1.0, 5.0)) for _ in range(m)], **rows)


@family
def quadratics_only(rng):
    return dense(rng, 8, 3)


@family
def equalities(rng):
    return dense(rng, 6, 2, A=rng.standard_normal((2, 6)), b=0.1 * rng.standard_normal(2))


@family
def rows_of_G_one_of_them_off(rng):
    h = rng.uniform(0.5, 1.0, 4)
    h[2] = np.inf
    return dense(rng, 5, 2, G=rng.standard_normal((4, 5)), h=h)


@family
def bounds_on_some_variables(rng):
    lb, ub = -rng.uniform(0.1, 1.0, 5), rng.uniform(0.1, 1.0, 5)
    lb[1], ub[[0, 3]] = -np.inf, np.inf
    return dense(rng, 5, 2, lb=lb, ub=ub)


@family
def everything_at_once(rng):
    affine = ck.Quadratic(None, rng.standard_normal(6), -rng.uniform(0.5, 1.0))
    flat = ck.Quadratic(np.zeros((6, 6)), rng.standard_normal(6), -rng.uniform(0.5, 1.0))
    return ck.QCQP(quadratic(rng, 6, 0.0), [affine, quadratic(rng, 6, -1.0), flat, quadratic(rng, 6, -2.0, rank=2)],
                   G=rng.standard_normal((2, 6)), h=rng.uniform(0.5, 1.0, 2), A=rng.standard_normal((1, 6)), b=[0.1],
                   lb=-1.0, ub=2.0)


@family
def affine_objective(rng):
    return ck.QCQP(ck.Quadratic(None, rng.standard_normal(4)), [quadratic(rng, 4, -1.0), quadratic(rng, 4, -2.0)])


@family
def one_variable(rng):
    return dense(rng, 1, 1)


@family
def no_inequality(rng):
    return dense(rng, 4, 0)


@family
def equalities_only(rng):
    return dense(rng, 4, 0, A=rng.standard_normal((2, 4)), b=rng.standard_normal(2))


@family
def linear_programs(rng):
    return ck.lp(rng.standard_normal(4), G=rng.standard_normal((3, 4)), h=rng.uniform(0.5, 1.0, 3), lb=-1.0, ub=1.0)


@family
def variables_and_rows_scaled_by_a_thousand(rng):
    D = np.diag(10.0 ** rng.uniform(-3, 3, 5))
    problem = dense(rng, 5, 2)

    def scaled(f: ck.Quadratic) -> ck.Quadratic:
        size = 10.0 ** rng.uniform(-3, 3)
        return ck.Quadratic(size * (D @ f.P @ D), size * (D @ f.q), size * f.r)

    return ck.QCQP(scaled(problem.objective), [scaled(f) for f in problem.inequalities])


def draw(name: str, count: int = 12, seed: int = 0) -> list[ck.QCQP]:
    rng = np.random.default_rng(seed)
    return [FAMILIES[name](rng) for _ in range(count)]


def same(outcome: Outcome, other: Outcome) -> None:
    """Equal to 1e-9 of the larger numbers."""
    assert (outcome.kind, outcome.nit) == (other.kind, other.nit)
    for name in ("x", "lam", "nu", "lam_lb", "lam_ub"):
        np.testing.assert_allclose(getattr(outcome.point, name), getattr(other.point, name), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_batch_has_the_answers_of_solve(name):
    problems = draw(name)
    assert len({shape_key(problem) for problem in problems}) == 1
    assert shape_key(problems[0]) is not None
    # Both below the default tolerance, so that points and multipliers can be compared; with some BLAS libraries
    # rounding keeps a batch, which works with inverses, from 1e-10.
    for problem, (outcome, residuals) in zip(problems, run_batch(problems, Settings(tol=1e-9)), strict=True):
        alone = ck.solve(problem, tol=1e-9)
        assert alone.status == ck.Status.OPTIMAL
        assert outcome.kind == "converged"
        assert residuals.max() <= 1e-9
        assert residuals.value == pytest.approx(alone.value, rel=1e-8, abs=1e-8)
        point = outcome.point
        for name, other in (("x", alone.x), ("lam", alone.lam), ("nu", alone.nu), ("lam_lb", alone.lam_lb),
                            ("lam_ub", alone.lam_ub)):
            size = max(1.0, np.abs(other).max(initial=0.0))
            np.testing.assert_allclose(getattr(point, name), other, rtol=1e-4, atol=1e-5 * size)


@pytest.mark.parametrize("name", FAMILIES)
def test_residuals_of_a_batch_are_kkt_residuals(name):
    rng = np.random.default_rng(1)
    problems = draw(name)
    n, m, p = problems[0].n, problems[0].m, problems[0].p
    off = [i for i in range(m) if i >= len(problems[0].inequalities)
           and problems[0].h[i - len(problems[0].inequalities)] == np.inf]
    count = len(problems)
    x, lam, nu = rng.standard_normal((count, n)), rng.standard_normal((count, m)), rng.standard_normal((count, p))
    lam[:, off] = 0.0
    lam_lb = np.where(np.isfinite([pr.lb for pr in problems]), rng.uniform(0.0, 1.0, (count, n)), 0.0)
    lam_ub = np.where(np.isfinite([pr.ub for pr in problems]), rng.uniform(0.0, 1.0, (count, n)), 0.0)
    x[0], lam[0], nu[0], lam_lb[0], lam_ub[0] = 0.0, 0.0, 0.0, 0.0, 0.0
    for i, found in enumerate(residuals_batch(problems, x, lam, nu, lam_lb, lam_ub)):
        known = ck.kkt_residuals(problems[i], x[i], lam[i], nu[i], lam_lb[i], lam_ub[i])
        for name in ("stationarity", "primal", "dual", "complementarity", "gap", "value", "dual_value"):
            assert getattr(found, name) == pytest.approx(getattr(known, name), rel=1e-11, abs=1e-13)
        assert found.where == known.where
        assert found.max() == pytest.approx(known.max(), rel=1e-11, abs=1e-13)


def test_a_multiplier_on_an_absent_limit_and_a_point_of_nan_are_failures_as_for_one():
    problems = draw("rows_of_G_one_of_them_off", 2)
    m, none = problems[0].m, np.zeros((2, 5))
    x = np.array([np.zeros(5), np.full(5, np.nan)])
    with np.errstate(invalid="ignore"):
        records = residuals_batch(problems, x, np.ones((2, m)), np.zeros((2, 0)), none, none)
    assert [record.max() for record in records] == [np.inf, np.inf]


@pytest.mark.parametrize("name", STACKABLE)
def test_residuals_agree_on_the_gallery_too(name):
    problem = CASES[name]().problem
    rng = np.random.default_rng(0)
    lam = rng.uniform(0.0, 1.0, problem.m)
    lam[len(problem.inequalities):][problem.h == np.inf] = 0.0
    x, nu = rng.standard_normal(problem.n), rng.standard_normal(problem.p)
    lam_lb = np.where(np.isfinite(problem.lb), 0.5, 0.0)
    lam_ub = np.where(np.isfinite(problem.ub), 0.25, 0.0)
    known = ck.kkt_residuals(problem, x, lam, nu, lam_lb, lam_ub)
    found, = residuals_batch([problem], x[None], lam[None], nu[None], lam_lb[None], lam_ub[None])
    for name in ("stationarity", "primal", "dual", "complementarity", "gap", "value", "dual_value"):
        assert getattr(found, name) == pytest.approx(getattr(known, name), rel=1e-11, abs=1e-13)
    assert found.where == known.where


@pytest.mark.parametrize("name", STACKABLE)
def test_a_batch_of_one_is_solved_or_handed_back_and_never_wrong(name):
    case = CASES[name]()
    (outcome, residuals), = run_batch([case.problem], SETTINGS)
    assert outcome.kind in ("converged", "unfinished")
    if outcome.kind == "converged":
        assert "optimal" in case.status
        assert residuals.max() <= SETTINGS.tol
        point = outcome.point
        again = ck.kkt_residuals(case.problem, point.x, point.lam, point.nu, point.lam_lb, point.lam_ub)
        assert again.max() <= SETTINGS.tol * (1 + 1e-6)
        if case.value is not None:
            assert residuals.value == pytest.approx(case.value, rel=1e-6, abs=1e-6)
    else:
        assert residuals is None


def test_infeasible_and_unbounded_members_come_back_unfinished_and_disturb_nobody():
    rng = np.random.default_rng(2)
    good = [ck.QCQP(ck.Quadratic(None, rng.standard_normal(2)), [disc(0.3 * rng.standard_normal(2)), disc(np.zeros(2))])
            for _ in range(8)]
    infeasible = ck.QCQP(ck.Quadratic(None, [1.0, 0.0]), [disc([0.0, 0.0]), disc([9.0, 0.0])])
    strip = ck.Quadratic(np.diag([2.0, 0.0]), np.zeros(2), -1.0)
    unbounded = ck.QCQP(ck.Quadratic(None, [0.0, 1.0]), [strip, strip])
    mixed = [infeasible, *good[:4], unbounded, *good[4:], infeasible]
    outcomes = [outcome for outcome, _ in run_batch(mixed, SETTINGS)]
    assert [i for i, outcome in enumerate(outcomes) if outcome.kind != "converged"] == [0, 5, 10]
    assert {outcome.kind for outcome in outcomes} == {"converged", "unfinished"}
    others = [outcome for i, outcome in enumerate(outcomes) if i not in (0, 5, 10)]
    for outcome, (by_themselves, _) in zip(others, run_batch(good, SETTINGS), strict=True):
        same(outcome, by_themselves)
    # What comes back unfinished is for solve, which has the proofs.
    assert ck.solve(infeasible).status == ck.Status.INFEASIBLE
    assert ck.solve(unbounded).status == ck.Status.UNBOUNDED


@pytest.mark.parametrize("name", FAMILIES)
def test_an_outcome_does_not_depend_on_the_company(name):
    problems = draw(name)
    together = [outcome for outcome, _ in run_batch(problems, SETTINGS)]
    for problem, outcome in zip(problems, together, strict=True):
        same(outcome, run_batch([problem], SETTINGS)[0][0])


def test_order_is_kept_and_a_second_run_is_identical():
    problems = draw("quadratics_only", 30)
    first, second, backwards = (run_batch(some, SETTINGS) for some in (problems, problems, problems[::-1]))
    for (a, a_residuals), (b, b_residuals), (c, _) in zip(first, second, backwards[::-1], strict=True):
        np.testing.assert_array_equal(a.point.x, b.point.x)
        assert a_residuals == b_residuals
        same(a, c)


def test_inputs_are_not_modified_and_no_two_answers_share_memory():
    problems = draw("everything_at_once", 4)

    def data(problem):
        quadratics = (problem.objective, *problem.inequalities)
        arrays = [f.q for f in quadratics] + [f.P for f in quadratics if f.P is not None]
        arrays += [problem.G, problem.h, problem.A, problem.b, problem.lb, problem.ub]
        return [array.copy() for array in arrays]

    before = [data(problem) for problem in problems]
    outcomes = [outcome for outcome, _ in run_batch(problems, SETTINGS)]
    for problem, old in zip(problems, before, strict=True):
        for a, b in zip(old, data(problem), strict=True):
            np.testing.assert_array_equal(a, b)
    for i, one in enumerate(outcomes):
        for other in outcomes[i + 1:]:
            assert not np.shares_memory(one.point.x, other.point.x)
            assert not np.shares_memory(one.point.lam, other.point.lam)


def test_no_problems_no_outcomes():
    assert run_batch([], SETTINGS) == []


def test_a_problem_without_objective_has_multipliers_zero():
    problems = [ck.QCQP(ck.Quadratic(None, np.zeros(2)), [disc([0.1 * i, 0.0]), disc([0.0, 1.0])]) for i in range(5)]
    for outcome, residuals in run_batch(problems, SETTINGS):
        assert outcome.kind == "converged"
        assert residuals.max() <= SETTINGS.tol
        assert not outcome.point.lam.any()


def test_iteration_and_time_limits_leave_problems_unfinished():
    problems = draw("quadratics_only", 3)
    for settings in (Settings(maxiter=2), Settings(time_limit=0.0)):
        outcomes = [outcome for outcome, _ in run_batch(problems, settings)]
        assert [outcome.kind for outcome in outcomes] == ["unfinished"] * 3
        assert all(outcome.nit <= settings.maxiter and np.isfinite(outcome.point.x).all() for outcome in outcomes)


def test_convexity_is_judged_as_for_one():
    rng = np.random.default_rng(3)
    M = rng.standard_normal((6, 1, 4, 4))
    P = M @ M.transpose(0, 1, 3, 2)
    rank_one = np.outer([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0])
    P[1], P[2], P[3], P[4] = rank_one, rank_one - 1e-3 * np.eye(4), -np.eye(4), 0.0
    expected = [all(ck.Quadratic(matrix).is_convex() for matrix in matrices) for matrices in P]
    assert expected == [True, True, False, False, True, True]
    assert convex_mask(P).tolist() == expected
    assert convex_mask(P[[0, 1, 5]]).all()
    assert convex_mask(np.zeros((3, 0, 4, 4))).tolist() == [True] * 3


def test_a_nonconvex_member_comes_back_unfinished():
    problems = draw("quadratics_only", 3)
    problems[1] = ck.QCQP(ck.Quadratic(-np.eye(8), np.ones(8)), problems[1].inequalities)
    assert [outcome.kind for outcome, _ in run_batch(problems, SETTINGS)] == ["converged", "unfinished", "converged"]
    # A saddle at the starting point satisfies every KKT condition.
    saddles = [ck.qp(np.diag([1.0, size]), np.zeros(2)) for size in (-1.0, 1.0)]
    assert [outcome.kind for outcome, _ in run_batch(saddles, SETTINGS)] == ["unfinished", "converged"]


def test_problems_share_a_key_if_and_only_if_they_can_be_stacked():
    eye, ones = np.eye(3), np.ones(3)
    plain = ck.QCQP(ck.Quadratic(eye, ones), [ck.Quadratic(eye, ones, -1.0)], G=[[1.0, 0.0, 0.0]], h=[1.0], lb=-1.0)
    others = [
        ck.QCQP(ck.Quadratic(None, ones), [ck.Quadratic(eye, ones, -1.0)], G=[[1.0, 0.0, 0.0]], h=[1.0], lb=-1.0),
        ck.QCQP(ck.Quadratic(eye, ones), [ck.Quadratic(None, ones, -1.0)], G=[[1.0, 0.0, 0.0]], h=[1.0], lb=-1.0),
        ck.QCQP(ck.Quadratic(eye, ones), [ck.Quadratic(eye, ones, -1.0)], G=[[1.0, 0.0, 0.0]], h=[np.inf], lb=-1.0),
        ck.QCQP(ck.Quadratic(eye, ones), [ck.Quadratic(eye, ones, -1.0)], G=[[1.0, 0.0, 0.0]], h=[1.0], ub=1.0),
        ck.QCQP(ck.Quadratic(eye, ones), [ck.Quadratic(eye, ones, -1.0)], A=[[1.0, 0.0, 0.0]], b=[1.0], lb=-1.0),
        ck.QCQP(ck.Quadratic(eye, ones), G=[[1.0, 0.0, 0.0]], h=[1.0], lb=-1.0),
    ]
    assert len({shape_key(problem) for problem in (plain, *others)}) == 7
    twin = ck.QCQP(ck.Quadratic(2 * eye, 2 * ones), [ck.Quadratic(eye, ones, -3.0)], G=[[0.0, 0.0, 2.0]], h=[4.0],
                   lb=-9.0)
    assert shape_key(twin) == shape_key(plain)


def test_what_cannot_be_stacked_has_no_key():
    eye, ones = np.eye(3), np.ones(3)
    alone = [
        ck.QCQP(ck.Quadratic.from_factor(np.ones((1, 3)), q=ones)),
        ck.QCQP(ck.Quadratic(lambda v: v, ones)),
        ck.QCQP(ck.Quadratic(sp.eye_array(3, format="csr"), ones)),
        ck.QCQP(ck.Quadratic(eye, ones), A=sp.csr_array(np.ones((1, 3))), b=[1.0]),
        ck.QCQP(ck.Quadratic(eye, ones), lb=0.0, ub=[0.0, 1.0, 1.0]),
        ck.QCQP(ck.Quadratic(eye, ones), G=[[0.0, 0.0, 0.0]], h=[1.0]),
        ck.QCQP(ck.Quadratic(eye, ones), [ck.Quadratic(None, np.zeros(3), -1.0)]),
        ck.qp(np.eye(80), np.ones(80)),
    ]
    assert [shape_key(problem) for problem in alone] == [None] * len(alone)


def test_one_singular_matrix_does_not_spoil_the_stack():
    matrices = np.array([2.0 * np.eye(2), np.zeros((2, 2)), [[1.0, 1.0], [0.0, 1.0]]])
    inverses = _inverses(matrices)
    np.testing.assert_allclose(inverses[[0, 2]], [0.5 * np.eye(2), [[1.0, -1.0], [0.0, 1.0]]])
    assert np.isnan(inverses[1]).all()


def test_flat_directions_and_dependent_equalities_are_solved():
    # Nothing depends on x₂, and the second equality repeats the first.
    problems = [ck.QCQP(ck.Quadratic(np.diag([2.0, 0.0]), [-float(i), 0.0]), [disc([0.0, 0.0], 3.0)],
                        A=[[1.0, 0.0], [2.0, 0.0]], b=[1.0, 2.0]) for i in range(4)]
    for i, (outcome, residuals) in enumerate(run_batch(problems, SETTINGS)):
        assert outcome.kind == "converged"
        assert residuals.max() <= SETTINGS.tol
        assert outcome.point.x[0] == pytest.approx(1.0, abs=1e-7)
        assert residuals.value == pytest.approx(1.0 - i, abs=1e-6)


def test_the_quick_benchmark_times_every_method_at_every_size(capsys):
    assert benchmark.main(["--quick", "--repeats", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    timed = [line for line in lines if line.split()[:1] in (["20"], ["10"])]
    assert len(timed) == 2 * len([line for line in timed if line.split()[0] == "20"])
    assert sum(" batch " in line or " loop of solve " in line for line in timed) == 4
    assert not any("not timed" in line for line in timed)


def test_the_benchmark_gives_no_time_to_wrong_answers(monkeypatch):
    def sloppy(problems):
        return [(0.999 * x, None) for x, _ in benchmark.batch(problems)]

    monkeypatch.setattr(benchmark, "methods", lambda: {"batch": benchmark.batch, "sloppy": sloppy})
    rows = benchmark.run([(3, 4, 2)], repeats=1)
    assert {row["method"]: bool(np.isnan(row["median_s"])) for row in rows} == {"batch": False, "sloppy": True}
    assert "not timed" in benchmark.table(rows)


def test_the_benchmark_needs_a_batch_that_is_right():
    rng = np.random.default_rng(0)
    problems = [benchmark.make_problem(3, 1, rng)]
    with pytest.raises(RuntimeError, match="KKT residual"):
        benchmark.optimal_values(problems, [(np.ones(3), np.zeros(1))])


# ---------------------------------------------------------------- solve_many, the front door


def mixture(count: int = 24) -> list[ck.QCQP]:
    """Problems of three shapes in turn, one infeasible and one unbounded among them, and one that is sparse."""
    rng = np.random.default_rng(5)
    makers = list(FAMILIES.values())[:3]
    problems = [makers[i % 3](rng) for i in range(count)]
    problems[7] = ck.QCQP(ck.Quadratic(None, [1.0, 0.0]), [disc([0.0, 0.0]), disc([4.0, 3.0])])
    problems[11] = ck.lp([-1.0], lb=0.0)
    problems[13] = ck.qp(sp.identity(4, format="csr"), -np.ones(4), ub=0.5)
    return problems


def assert_same_answers(problems: list[ck.QCQP], solutions: list[ck.Solution]) -> None:
    for problem, many in zip(problems, solutions, strict=True):
        alone = ck.solve(problem)
        assert many.status is alone.status
        if many.success:
            assert many.residuals is not None
            assert many.residuals.max() <= 1e-8
            assert ck.kkt_residuals(problem, many.x, many.lam, many.nu, many.lam_lb, many.lam_ub).max() <= 1e-8
            assert many.value == pytest.approx(alone.value, rel=1e-6, abs=1e-7)
        else:
            assert many.certificate is not None
            assert many.certificate.verify(problem)


def test_solve_many_gives_every_problem_the_answer_that_it_has_alone():
    problems = mixture()
    assert_same_answers(problems, ck.solve_many(problems))


def test_solve_many_of_nothing_is_nothing():
    assert ck.solve_many([]) == []


def test_solve_many_tells_how_far_it_is():
    from concurrent.futures import ThreadPoolExecutor

    problems, told = mixture(), []
    ck.solve_many(problems, callback=lambda *counts: told.append(counts))
    assert told[-1] == (len(problems), len(problems))
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    told.clear()
    with ThreadPoolExecutor(2) as pool:
        ck.solve_many(problems, executor=pool, callback=lambda *counts: told.append(counts))
    assert told[-1] == (len(problems), len(problems))
    with pytest.raises(ck.ProblemError, match="callback must be callable; got int"):
        ck.solve_many(problems, callback=3)


def test_solve_many_spreads_over_a_process_pool():
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    problems = mixture()
    problems.append(ck.QCQP(ck.Quadratic(None, [1.0, 1.0]), [ck.Quadratic.from_factor(np.eye(2), r=-0.5)]))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert_same_answers(problems, ck.solve_many(problems, executor=pool))


def test_solve_many_spreads_over_dask():
    distributed = pytest.importorskip("distributed")
    problems = mixture()
    with distributed.Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as client:
        assert_same_answers(problems, ck.solve_many(problems, executor=client.get_executor()))


def test_solve_many_names_the_problem_that_is_wrong():
    problems = mixture()
    problems[9] = ck.QCQP(ck.Quadratic([[-1.0]]), lb=0.0, ub=1.0)
    with pytest.raises(ck.NotConvexError, match=r"problems\[9\]: objective.P is not positive semidefinite"):
        ck.solve_many(problems)
    with pytest.raises(ck.ProblemError, match=r"problems\[1\] must be a QCQP; got int"):
        ck.solve_many([problems[0], 3])
    with pytest.raises(ck.ProblemError, match="tol = 1 is out of range"):
        ck.solve_many(problems, tol=1.0)
