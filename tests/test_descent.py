"""trust_region_minimize: local minimisers of functions with known ones, saddles left, edges of domains survived."""

from dataclasses import FrozenInstanceError
from itertools import pairwise

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import convexkit as ck
from benchmarks import trust_region, unconstrained
from benchmarks.unconstrained import PROBLEMS
from convexkit import DescentStatus as Status

# Local minimisers' values where they are known in closed form, for n = 12.
VALUES = {"rosenbrock": 0.0, "powell_singular": 0.0, "beale": 0.0, "wood": 0.0, "brown_badly_scaled": 0.0,
          "brown_almost_linear": 0.0, "broyden_tridiagonal": 0.0, "arrowhead": 0.0, "double_wells": 0.0}


@pytest.mark.parametrize("method", ["exact", "lanczos"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_well_known_functions_are_minimised_to_a_point_of_zero_slope_and_nonnegative_curvature(name, method):
    problem = PROBLEMS[name]
    x0 = problem.start(problem.fixed or 12)
    result = ck.trust_region_minimize(problem.f, x0, method=method)
    assert (result.status, result.success) == (Status.CONVERGED, True), result.message
    g0 = float(np.linalg.norm(ck.gradient(problem.f, x0)))
    g = ck.gradient(problem.f, result.x)
    np.testing.assert_allclose(result.gradient, g, atol=1e-14 * g0)
    assert result.gradient_norm == pytest.approx(np.linalg.norm(g), abs=1e-14 * g0)
    H = ck.hessian_operator(problem.f, result.x) @ np.eye(x0.size)
    assert np.linalg.eigvalsh((H + H.T) / 2)[0] >= -1e-6 * np.abs(H).max()
    assert result.fun == problem.f(result.x)
    assert result.fun < problem.f(x0)
    if name in VALUES:
        assert result.fun == pytest.approx(VALUES[name], abs=1e-6)
    assert result.nit <= 120


@settings(derandomize=True, max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 90), radius=st.floats(0.1, 100.0))
def test_a_convex_quadratic_is_minimised_exactly_whatever_the_radius(seed, n, radius):
    rng = np.random.default_rng(seed)
    d, b = rng.uniform(0.1, 10.0, n), rng.standard_normal(n)
    result = ck.trust_region_minimize(lambda x: 0.5 * anp.sum(d * x * x) + anp.sum(b * x), np.zeros(n), radius=radius,
                                      rtol=1e-10)
    assert result.success
    np.testing.assert_allclose(result.x, -b / d, rtol=1e-7, atol=1e-9)


def test_given_derivatives_in_any_form_find_the_same_minimiser_as_autograds():
    f = unconstrained.broyden_tridiagonal
    n = 70
    x0 = np.full(n, -1.0)

    def gradient(x):
        return ck.gradient(f, x)

    def dense(x):
        H = ck.hessian_operator(f, x) @ np.eye(n)
        return (H + H.T) / 2

    forms = {"array": dense, "sparse": lambda x: sp.csr_matrix(dense(x)),
             "operator": lambda x: ck.hessian_operator(f, x), "callable": lambda x: ck.hessian_operator(f, x).matvec,
             "list": lambda x: dense(x).tolist()}
    free = ck.trust_region_minimize(f, x0)
    for name, hessian in forms.items():
        result = ck.trust_region_minimize(lambda x: float(f(x)), x0, gradient=gradient, hessian=hessian)
        assert result.success
        assert result.fun == pytest.approx(0.0, abs=1e-9)
        # A matrix is factored, at no product; the others take products.
        assert (result.products == 0) == (name in ("array", "sparse", "list"))
    assert free.success
    assert free.products > 0


def test_a_saddle_and_a_maximum_are_left_and_are_kept_if_so_asked():
    for n in (2, 80):
        def bowl(x):
            return -0.5 * anp.sum(x**2) + 0.25 * anp.sum(x**4) + 3 * x[0] ** 2

        result = ck.trust_region_minimize(bowl, np.zeros(n))
        assert result.success
        assert result.fun == pytest.approx(-0.25 * (n - 1), rel=1e-9)
        kept = ck.trust_region_minimize(bowl, np.zeros(n), second_order=False)
        assert (kept.status, kept.nit, kept.products) == (Status.CONVERGED, 0, 0)
    stopped = ck.trust_region_minimize(bowl, np.zeros(2), maxiter=0)
    assert stopped.status == Status.ITERATION_LIMIT
    assert "on a saddle" in stopped.message


def test_a_trial_outside_the_domain_is_rejected_and_the_radius_shrinks():
    def barrier(x):
        return anp.sum(10 * x - anp.log(x))

    records = []
    result = ck.trust_region_minimize(barrier, np.full(3, 5.0), radius=100.0, callback=records.append)
    assert result.success
    np.testing.assert_allclose(result.x, 0.1, rtol=1e-6)
    outside = [record for record in records if np.isnan(record.ratio)]
    assert outside
    assert not any(record.accepted for record in outside)
    before = [100.0] + [record.radius for record in records]
    assert all(record.radius < earlier for record, earlier in zip(records, before, strict=False) if record in outside)


def test_a_gradient_that_is_not_finite_at_a_trial_is_a_rejection_too():
    # √x has a value at 0 and no slope.
    def f(x):
        return float(x[0] - np.sqrt(x[0])) if x[0] >= 0 else np.nan

    with np.errstate(all="ignore"):
        result = ck.trust_region_minimize(f, [1.0], radius=1.0, hessian=lambda x: [[0.25 * x[0] ** -1.5]],
                                          gradient=lambda x: np.array([1 - 0.5 / np.sqrt(x[0])]))
    assert result.success
    assert result.x[0] == pytest.approx(0.25, rel=1e-6)


def test_the_records_tell_the_story_and_every_number_fits():
    records = []
    f = unconstrained.rosenbrock
    result = ck.trust_region_minimize(f, np.array([-1.2, 1.0]), callback=records.append)
    assert [record.nit for record in records] == list(range(1, result.nit + 1))
    values = [record.fun for record in records]
    assert all(after <= before for before, after in pairwise(values))
    assert values[-1] == result.fun
    assert records[-1].gradient_norm == result.gradient_norm
    assert result.nfev == result.nit + 1
    assert result.ngev == 1 + sum(record.accepted for record in records)
    for record, after in pairwise(records):
        assert not after.accepted or after.ratio > 1e-4
        assert record.radius > 0
    assert any(not record.accepted for record in records)
    with pytest.raises(FrozenInstanceError):
        result.fun = 0.0


def test_a_rejected_trial_costs_no_product():
    seen = []
    f = unconstrained.chained_rosenbrock
    ck.trust_region_minimize(f, np.tile([-1.2, 1.0], 50), method="lanczos", radius=1e3, maxiter=30, rtol=1e-12,
                             callback=seen.append)
    rejected = [(before, after) for before, after in pairwise(seen) if not after.accepted
                and not before.accepted]
    assert rejected
    # With a smaller radius the old space may have to grow a little, never to start anew.
    assert sum(after.products - before.products for before, after in rejected) <= len(rejected)


def test_the_end_is_reported_for_what_it_is():
    f = unconstrained.rosenbrock
    limited = ck.trust_region_minimize(f, np.array([-1.2, 1.0]), maxiter=3)
    assert (limited.status, limited.success, limited.nit) == (Status.ITERATION_LIMIT, False, 3)
    assert "asked for" in limited.message
    below = ck.trust_region_minimize(lambda x: -np.inf if x[0] < -3 else float(x[0]), [0.0], radius=1.0,
                                     gradient=lambda x: np.ones(1), hessian=lambda x: np.zeros((1, 1)))
    assert (below.status, below.fun, below.success) == (Status.UNBOUNDED, -np.inf, False)
    nans = ck.trust_region_minimize(lambda x: float(x @ x), [1.0], gradient=lambda x: 2 * x,
                                    hessian=lambda x: lambda v: v * np.nan)
    assert nans.status == Status.NUMERICAL_ERROR
    assert nans.x.tolist() == [1.0]
    A = np.random.default_rng(0).standard_normal((8, 4))
    hidden = ck.trust_region_minimize(lambda x: anp.sum((anp.dot(A, anp.tanh(x)) - 1) ** 2), np.zeros(4), rtol=0.0)
    assert hidden.status == Status.PRECISION_LIMIT
    assert "within the rounding of f" in hidden.message
    for level, words in [(0.0, "within the rounding of f"), (-1.0, "no step longer than the rounding of x")]:
        lying = ck.trust_region_minimize(lambda x, r=level: float(x[0] + r), [1.0], gradient=lambda x: -np.ones(1),
                                         hessian=lambda x: np.zeros((1, 1)))
        assert lying.status == Status.PRECISION_LIMIT
        assert words in lying.message
        assert "are the derivatives those of f?" in lying.message


def test_the_accuracy_asked_for_is_reached_where_the_minimum_is_not_zero():
    # f = 1e6 + ...: its rounding is 1e-10, and ratios of changes below that mean nothing.
    result = ck.trust_region_minimize(lambda x: 1e6 + anp.sum(anp.cosh(x - 0.3)), np.full(4, 2.0), rtol=1e-10)
    assert result.success
    np.testing.assert_allclose(result.x, 0.3, atol=1e-9)


def test_float32_stays_float32():
    for n in (3, 90):
        result = ck.trust_region_minimize(lambda x: anp.sum((x - 1) ** 2 * (x + 3) ** 2), np.full(n, 3, np.float32),
                                          rtol=1e-4)
        assert result.success
        assert result.x.dtype == result.gradient.dtype == np.float32
        np.testing.assert_allclose(result.x, 1.0, atol=1e-3)


def test_inputs_are_not_modified_and_nothing_is_remembered():
    x0 = np.tile([-1.2, 1.0], 50)
    first, second = (ck.trust_region_minimize(unconstrained.rosenbrock, x0) for _ in range(2))
    assert x0.tolist() == [-1.2, 1.0] * 50
    np.testing.assert_array_equal(first.x, second.x)
    assert first.message == second.message


@pytest.mark.parametrize(("options", "words"), [
    ({"method": "newton"}, "method = 'newton' is not known"), ({"radius": 0.0}, "radius"), ({"rtol": 2.0}, "rtol"),
    ({"radius": 2.0, "max_radius": 1.0}, "radius = 2 is out of range"), ({"atol": -1.0}, "atol"),
    ({"maxiter": -1}, "maxiter"), ({"callback": 3}, "callback must be callable"), ({"max_radius": 0.0}, "max_radius"),
    ({"x0": np.ones((2, 2))}, "x0 must be a vector"), ({"x0": []}, "at least one variable"),
    ({"x0": [np.nan, 1.0]}, "x0 has 1 entries that are not finite"), ({"f": 3}, "f must be callable"),
    ({"gradient": 3}, "gradient must be callable"), ({"hessian": np.eye(2)}, "hessian must be callable"),
    ({"f": lambda x: x}, r"f must return a scalar; it returned shape \(2,\)"),
    ({"f": lambda x: np.nan}, "f is nan at x0"),
    ({"gradient": lambda x: np.ones(3)}, r"gradient\(x\) has shape \(3,\); expected \(2,\)"),
    ({"gradient": lambda x: x * np.nan}, "the gradient of f is not finite at x0"),
    ({"hessian": lambda x: np.eye(3)}, r"hessian\(x\) has shape \(3, 3\); expected \(2, 2\)"),
    ({"hessian": lambda x: np.array([[1.0, 1.0], [0.0, 1.0]])}, r"hessian\(x\) is not symmetric"),
    ({"hessian": lambda x: lambda v: np.array([[1.0, 1.0], [0.0, 1.0]]) @ v, "method": "lanczos"},
     "P is not symmetric"),
    ({"hessian": lambda x: lambda v: np.array([[1.0, 1.0], [0.0, 1.0]]) @ v, "method": "exact"},
     r"hessian\(x\) is not symmetric"),
])
def test_arguments_that_do_not_fit_are_refused(options, words):
    arguments = {"f": unconstrained.rosenbrock, "x0": np.array([-1.2, 1.0]), **options}
    with pytest.raises(ck.ProblemError, match=words):
        ck.trust_region_minimize(arguments.pop("f"), arguments.pop("x0"), **arguments)


@pytest.mark.parametrize("radius", [None, 1e-3])
@pytest.mark.parametrize("n", [2, 6, 30])
def test_a_hessian_that_is_not_symmetric_is_refused_at_once(n, radius):
    # Steps of so short a radius end on the boundary after one product each, and one product cannot tell.
    products = []
    H = np.eye(n) + np.triu(np.random.default_rng(n).standard_normal((n, n)), 1)

    def hessian(x):
        return lambda v: products.append(v) or H @ v

    with pytest.raises(ck.ProblemError, match="P is not symmetric"):
        ck.trust_region_minimize(unconstrained.rosenbrock, np.linspace(-1.2, 1.0, n), hessian=hessian, method="lanczos",
                                 radius=radius)
    assert len(products) <= 3


# --- The benchmark ---

@pytest.fixture
def three(monkeypatch):
    """The benchmark on three functions, so that it takes a moment."""
    monkeypatch.setattr(trust_region, "PROBLEMS", {name: PROBLEMS[name] for name in ("beale", "engval", "arrowhead")})


def test_a_quick_run_of_the_benchmark_writes_every_row_and_ours_solve_all(three, tmp_path, capsys):
    assert trust_region.main(["--quick", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "Solved: convexkit exact 3" in printed
    assert "Solved: convexkit lanczos 3" in printed
    assert "geometric means over 3 runs" in printed
    written = (tmp_path / "trust_region.csv").read_text().splitlines()
    assert written[0] == ",".join(trust_region.COLUMNS)
    assert len(written) == 1 + 3 * len(trust_region.METHODS)


def test_a_point_that_misses_the_tolerance_is_not_called_solved(three, monkeypatch):
    monkeypatch.setitem(trust_region.METHODS, "convexkit exact", lambda f, x0, gtol: (x0, 0, "converged"))
    rows = [row for row in trust_region.run([4]) if row["method"] == "convexkit exact"]
    assert {row["status"] for row in rows} == {"inaccurate"}


def test_a_method_that_raises_is_reported_in_its_row(three, monkeypatch):
    def raises(f, x0, gtol):
        raise ck.ProblemError("no")

    monkeypatch.setitem(trust_region.METHODS, "convexkit exact", raises)
    rows = trust_region.run([4])
    assert {row["status"] for row in rows if row["method"] == "convexkit exact"} == {"ProblemError: no"}
    assert "failed" in trust_region.table(rows)


def test_the_benchmark_explains_bad_options(three, tmp_path, capsys):
    assert trust_region.main(["--sizes", "2"]) == 2
    assert "at least 4 variables" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert trust_region.main(["--sizes", "4", "--out", str(tmp_path / "file" / "out")]) == 2
    assert "cannot write" in capsys.readouterr().err
