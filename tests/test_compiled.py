"""The compiled kernel: the reference's answers, and its silence where it has none."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from convexkit import __main__ as command_line
from convexkit.errors import ConvexkitError, MissingDependencyError
from convexkit.interior_point import Settings, compile_kernel, over_one_ellipsoid, run, run_compiled
from convexkit.interior_point.compiled import PassesOver, cache, entry

from .gallery import CASES, random_qcqp

SETTINGS = Settings(tol=1e-8, maxiter=100, time_limit=np.inf)


@pytest.fixture(scope="module", autouse=True)
def kernel():
    pytest.importorskip("numba")
    compile_kernel()


def compare(problem, found, reference):
    """Two runs of one iteration differ by rounding, which an ill-conditioned problem enlarges."""
    ours, theirs = found.point, reference.point
    unit = max(1.0, abs(problem.objective(theirs.x)))
    assert problem.objective(ours.x) == pytest.approx(problem.objective(theirs.x), abs=3e-8 * unit)
    assert abs(found.nit - reference.nit) <= 1
    judged = ck.kkt_residuals(problem, ours.x, ours.lam, ours.nu, ours.lam_lb, ours.lam_ub)
    assert judged.max() <= SETTINGS.tol
    if found.residuals is not None:
        for field in dataclasses.fields(judged):
            if field.name != "where":
                assert getattr(found.residuals, field.name) == pytest.approx(
                    getattr(judged, field.name), rel=1e-9, abs=1e-13 * unit), field.name
        if judged.primal > 1e-13:
            assert found.residuals.where == judged.where


@pytest.mark.parametrize("name", CASES)
def test_it_agrees_with_the_reference_or_is_silent(name):
    case = CASES[name]()
    found = run_compiled(case.problem, SETTINGS)
    if found is None:
        return
    assert not {"infeasible", "unbounded"} & set(case.status), "no verdict without a certificate"
    reference = run(case.problem, SETTINGS)
    if found.backend == entry.CLOSED_FORM:
        reference = dataclasses.replace(reference, nit=0)
    compare(case.problem, found, reference)


@pytest.mark.parametrize("n", [1, 3, 5, 30, 256])
def test_one_ellipsoid_takes_no_iteration(n):
    rng = np.random.default_rng(n)
    F = rng.standard_normal((n + 3, n))
    problem = ck.QCQP(ck.Quadratic(None, rng.standard_normal(n)),
                      [ck.Quadratic(F.T @ F, rng.standard_normal(n), -1.0)])
    found, reference = run_compiled(problem, SETTINGS, late=n > 128), over_one_ellipsoid(problem)
    assert (found.nit, found.backend) == (0, "compiled closed form")
    np.testing.assert_allclose(found.point.x, reference.x, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found.point.lam, reference.lam, rtol=1e-8)
    assert found.residuals.max() <= 1e-8


def test_it_solves_what_it_is_made_for():
    """What it is silent on is for a reason, and the list does not grow unseen."""
    eligible = [name for name in CASES if _plain(CASES[name]())]
    silent = {name for name in eligible if run_compiled(CASES[name]().problem, SETTINGS) is None}
    assert silent <= {"only_bounds", "fixed_variables", "all_variables_fixed", "row_of_zeros", "sparse_rows",
                      "feasible_set_is_a_line", "lp_in_a_corner"}


def _plain(case):
    problem = case.problem
    return ("optimal" in case.status and not problem.cones and problem.n <= 256 and problem.m + problem.n > 0
            and np.isfinite(np.concatenate([problem.lb, -problem.ub, problem.h])).any()
            and all(f.P is None or isinstance(f.P, np.ndarray) for f in (problem.objective, *problem.inequalities)))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("n", [1, 3, 5, 8, 30, 67])
def test_problems_with_every_kind_of_row(n, seed):
    rng = np.random.default_rng(1000 * n + seed)
    problem = random_qcqp(n, seed % 4, rng, linear=[0, 7, n][seed % 3], equalities=[0, 1, n // 3][seed // 4],
                          bounds=bool(seed % 2))
    found = run_compiled(problem, SETTINGS)
    if problem.m + np.isfinite(problem.lb).sum() == 0:
        assert found is None, "linear algebra, not an iteration"
        return
    if found is None:
        # Small random problems may have no interior; the front door then has the reference's verdict.
        assert n <= 5
        return
    compare(problem, found, run(problem, SETTINGS))


def test_data_of_other_types_and_orders_are_taken():
    rng = np.random.default_rng(3)
    M = rng.integers(-3, 4, (6, 6))
    P = M.T @ M
    reference = None
    for variant in (P, P.astype(np.float32), np.asfortranarray(P.astype(float)), np.repeat(P, 2, axis=1)[:, ::2]):
        problem = ck.QCQP(ck.Quadratic(variant, np.arange(6.0)), [ck.Quadratic(variant, None, -1.0)], lb=-0.1)
        found = run_compiled(problem, SETTINGS)
        assert found is not None
        reference = found.point.x if reference is None else reference
        np.testing.assert_allclose(found.point.x, reference, atol=1e-7)


def test_affine_rows_among_curved_ones_keep_their_multipliers():
    rng = np.random.default_rng(5)
    F = rng.standard_normal((4, 4))
    rows = [ck.Quadratic(None, [1.0, 0, 0, 0], -0.5), ck.Quadratic(F.T @ F, None, -1.0),
            ck.Quadratic(np.zeros((4, 4)), [0, 1.0, 0, 0], -0.1)]
    problem = ck.QCQP(ck.Quadratic(np.eye(4), [-3.0, -2, -1, 1]), rows, G=np.array([[0, 0, 1.0, 1], [0, 1, 0, 0]]),
                      h=[0.2, np.inf], A=[[1.0, 1, 1, 1]], b=[0.3], lb=[-1, -np.inf, -1, -np.inf])
    found, reference = run_compiled(problem, SETTINGS), run(problem, SETTINGS)
    assert found is not None
    compare(problem, found, reference)
    np.testing.assert_allclose(found.point.lam, reference.point.lam, atol=1e-6)
    assert found.point.lam[-1] == 0.0, "a row without a limit has no multiplier"


SILENT = {
    "a cone": lambda: ck.socp([1.0, 1.0], [ck.SecondOrderCone(np.eye(2), np.zeros(2), np.zeros(2), 1.0)]),
    "sparse rows": lambda: ck.qp(np.eye(3), np.ones(3), G=sp.eye_array(3, format="csr"), h=np.ones(3)),
    "a sparse P": lambda: ck.QCQP(ck.Quadratic(sp.eye_array(300, format="csr"), np.ones(300)), lb=np.zeros(300)),
    "a fixed variable": lambda: ck.qp(np.eye(2), [1.0, 1.0], lb=[0.0, 1.0], ub=[2.0, 1.0]),
    "no inequality": lambda: ck.qp(np.eye(2), [1.0, 1.0], A=[[1.0, 1.0]], b=[1.0]),
    "no point": lambda: ck.lp([1.0], G=[[1.0], [-1.0]], h=[0.0, -1.0]),
    "no feasible disc": lambda: ck.QCQP(ck.Quadratic(None, [1.0, 0.0]),
                                        [ck.Quadratic(2 * np.eye(2), [0.0, 0.0], -1.0),
                                         ck.Quadratic(2 * np.eye(2), [-6.0, 0.0], 8.0)]),
    "no end": lambda: ck.lp([-1.0, 0.0], lb=0.0),
    "one flat ellipsoid": lambda: ck.QCQP(ck.Quadratic(None, [1.0, 0.0]),
                                          [ck.Quadratic(np.diag([1.0, 0.0]), None, -1.0)]),
    "one point": lambda: ck.QCQP(ck.Quadratic(None, [1.0, 0.0]), [ck.Quadratic(np.eye(2), None, 0.0)]),
    "many variables": lambda: ck.qp(np.eye(257), np.ones(257), lb=0.0),
}


@pytest.mark.parametrize("name", SILENT)
def test_it_is_silent_on(name):
    assert run_compiled(SILENT[name](), SETTINGS) is None


def test_a_p_that_is_not_convex_is_left_to_the_front_door_to_name():
    problem = ck.QCQP(ck.Quadratic(np.eye(2), [1.0, 1.0]), [ck.Quadratic(np.diag([1.0, -1e-9]), None, -1.0)])
    assert run_compiled(problem, SETTINGS) is None
    with pytest.raises(ck.NotConvexError, match=r"inequalities\[0\]"):
        ck.solve(problem)


@pytest.mark.parametrize("options", [{"maxiter": 2}, {"time_limit": 0.5}])
def test_it_is_silent_when_it_has_not_enough_of(options):
    problem = random_qcqp(8, 3, np.random.default_rng(0))
    assert run_compiled(problem, dataclasses.replace(SETTINGS, **options)) is None


def test_the_front_door_uses_it_unless_every_iteration_is_asked_for():
    problem = random_qcqp(8, 3, np.random.default_rng(0))
    plain = ck.solve(problem)
    assert "compiled dense Cholesky" in plain.message
    watched = ck.solve(problem, callback=lambda record: None)
    assert "compiled" not in watched.message
    np.testing.assert_allclose(plain.x, watched.x, atol=1e-7)


@pytest.mark.parametrize("n", [4, 12, 40])
def test_a_warm_start_is_that_of_the_reference(n):
    rng = np.random.default_rng(n)
    problem = random_qcqp(n, 3, rng, linear=5, equalities=1, bounds=True)
    old = run(problem, SETTINGS).point
    moved = ck.QCQP(ck.Quadratic(problem.objective.P, problem.objective.q + 0.02 * rng.standard_normal(n)),
                    problem.inequalities, G=problem.G, h=problem.h, A=problem.A, b=problem.b, lb=problem.lb,
                    ub=problem.ub)
    found, reference = run_compiled(moved, SETTINGS, old), run(moved, SETTINGS, None, old)
    compare(moved, found, reference)
    assert found.nit < run_compiled(moved, SETTINGS).nit


def test_a_warm_start_knows_rows_that_are_bounds():
    G, h = np.array([[1.0, 0.0], [0.0, -2.0], [1.0, 1.0]]), np.array([0.5, 1.0, 0.7])
    problem = ck.QCQP(ck.Quadratic(np.eye(2), [-1.0, -1.0]), [ck.Quadratic(np.eye(2), None, -1.0)], G=G, h=h)
    cold = run_compiled(problem, SETTINGS)
    again = run_compiled(problem, SETTINGS, cold.point)
    assert again.nit < cold.nit
    np.testing.assert_allclose(again.point.lam, cold.point.lam, atol=1e-6)


def test_solve_many_gives_it_what_is_too_large_for_a_batch():
    problems = [random_qcqp(24, 3, np.random.default_rng(k)) for k in range(4)]
    assert all("compiled" in solution.message for solution in ck.solve_many(problems))


def test_a_problem_is_left_as_it_was():
    problem = random_qcqp(6, 2, np.random.default_rng(1), linear=3, equalities=1, bounds=True)
    before = [np.array(v) for v in (problem.lb, problem.ub, problem.G, problem.h, problem.A, problem.objective.P,
                                    problem.objective.q, problem.inequalities[0].P)]
    run_compiled(problem, SETTINGS)
    after = (problem.lb, problem.ub, problem.G, problem.h, problem.A, problem.objective.P, problem.objective.q,
             problem.inequalities[0].P)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_command_says_where_the_kernel_is(capsys):
    assert command_line.main(["compile"]) == 0
    assert capsys.readouterr().out == f"nothing to do: the kernel is in {cache.folder()}\n"


def test_without_numba_the_command_says_what_to_install_and_solve_works(capsys, monkeypatch):
    monkeypatch.setattr(cache, "_name", lambda: None)
    cache.folder.cache_clear()
    try:
        assert command_line.main(["compile"]) == 2
        assert "pip install 'convexkit[compiled]'" in capsys.readouterr().err
        with pytest.raises(MissingDependencyError):
            compile_kernel()
        solution = ck.solve(random_qcqp(8, 3, np.random.default_rng(0)))
        assert solution.success
        assert "compiled" not in solution.message
    finally:
        monkeypatch.undo()
        cache.folder.cache_clear()


def test_where_nothing_can_be_written_the_reason_is_given(monkeypatch):
    monkeypatch.setattr(cache, "_places", lambda: [Path("/dev/null/first"), Path("/dev/null/second")])
    with pytest.raises(ConvexkitError, match=r"no folder .*first.*second"):
        cache.writable()


def test_machine_code_of_a_file_that_was_written_again_is_stale_as_numba_takes_it_to_be(tmp_path, monkeypatch):
    pytest.importorskip("numba")
    source = tmp_path / "kernel.py"
    source.write_text("")
    monkeypatch.setattr(cache, "HERE", tmp_path)
    monkeypatch.setattr(cache, "SOURCES", (source,))
    name = cache._name.__wrapped__
    first = name()
    assert name() == first
    os.utime(source, (1.0, 1.0))
    assert name() != first


def test_every_source_of_the_machine_code_is_in_its_name():
    """A change of any module that the kernel takes constants or formulas from has to compile it anew."""
    here = cache.HERE
    package = here.parents[1]
    needed = set()
    for name in ("linear", "problem", "kernel"):
        text = (here / f"{name}.py").read_text()
        assert here / f"{name}.py" in cache.SOURCES
        for line in text.splitlines():
            if line.startswith("from .."):
                module = line.split()[1]
                base = here.parents[len(module) - len(module.lstrip(".")) - 2]
                needed.add((base, module.lstrip("."), line.split("import ")[1]))
    assert needed
    listed = {source.relative_to(package).as_posix() for source in cache.SOURCES}
    for base, module, names in needed:
        place = base / f"{module}.py"
        if place.is_file():
            assert place.relative_to(package).as_posix() in listed, place
            continue
        texts = {source: source.read_text() for source in (base / module).glob("*.py")}
        for name in names.strip("()").split(", "):
            homes = [source for source, text in texts.items() if f"\n{name} = " in text or f"\n{name}: " in text]
            assert homes, name
            for home in homes:
                assert home.relative_to(package).as_posix() in listed, home


@pytest.mark.parametrize("name", CASES)
def test_the_reference_behind_the_front_door_gives_the_same_verdict(name, monkeypatch):
    case = CASES[name]()
    with_kernel = ck.solve(case.problem)
    monkeypatch.setattr("convexkit.solver.one.run_compiled", lambda problem, settings, warm=None, late=False: None)
    without = ck.solve(case.problem)
    assert "compiled" not in without.message
    assert str(without.status) in case.status
    if with_kernel.success and without.success:
        assert with_kernel.value == pytest.approx(without.value, abs=3e-8 * max(1.0, abs(without.value)))


def test_equalities_that_contradict_each_other_are_not_met_far_out():
    # The kernel regularizes dependent equalities; at |x| = 1e8 the two rows look met relative to their terms.
    rows = {"G": [[1.0, 0.0]], "h": [5.0], "A": [[1.0, 1.0], [1.0, 1.0]], "b": [1.0, 2.0]}
    problems = [ck.lp([0.0, 0.0], **rows), ck.qp(np.zeros((2, 2)), [0.0, 0.0], **rows)]
    for solution in (*map(ck.solve, problems), *ck.solve_many([*problems, *problems])):
        assert solution.status is ck.Status.INFEASIBLE
        assert solution.certificate.verify(problems[0])


def test_no_problem_needs_another_signature_than_the_one_that_is_compiled():
    # Another one would be compiled within a first solve, for half a minute.
    from convexkit.interior_point.compiled.passes import all_products, sum_and_products

    for make in CASES.values():
        ck.solve(make().problem)
    ck.solve(random_qcqp(8, 3, np.random.default_rng(0), linear=2, equalities=1, bounds=True))
    n = 257
    disc = ck.Quadratic(np.eye(n), None, -0.5)
    ck.solve(ck.QCQP(ck.Quadratic(np.asfortranarray(2.0 * np.eye(n)), np.ones(n)), [disc, disc]))
    assert [len(kernel.signatures) for kernel in (*entry._kernels(), sum_and_products, all_products)] == [1] * 4


@pytest.mark.parametrize(("n", "count"), [(1, 1), (3, 2), (17, 4), (30, 5), (33, 9)])
def test_passes_over_matrices_that_lie_anywhere_give_their_sum_and_products(n, count):
    rng = np.random.default_rng(n)
    matrices = [(M + M.T) / 2 for M in rng.standard_normal((count, n, n))]
    weights, x = rng.standard_normal(count), rng.standard_normal(n)
    products, total = np.full((count, n), np.nan), np.full((n, n), np.nan)
    passes, once_more = PassesOver(matrices), products.copy()
    passes.add_up(weights, x, products, total)
    passes.multiply(x, once_more)
    for found in (products, once_more):
        np.testing.assert_allclose(found, [P @ x for P in matrices], atol=1e-13 * n)
    everything = sum(w * P for w, P in zip(weights, matrices, strict=True))
    np.testing.assert_allclose(np.triu(total), np.triu(everything), atol=1e-13 * n)


def test_a_large_problem_has_the_same_answer_with_the_compiled_pass_and_without(monkeypatch):
    problem = random_qcqp(260, 3, np.random.default_rng(0))
    found = ck.solve(problem)
    monkeypatch.setattr("convexkit.interior_point.compiled.available", lambda: False)
    reference = ck.solve(problem)
    assert found.nit == reference.nit
    np.testing.assert_allclose(found.x, reference.x, rtol=1e-8, atol=1e-10)
