"""The trust-region step: closed forms, KKT conditions, duality, brute force, and a public set of 159 cases."""

import csv
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import convexkit as ck
from convexkit import TrustRegionStatus as Status

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "trust_region"


def spd(n, condition=50.0, seed=0):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (Q * np.geomspace(1.0, condition, n)) @ Q.T
    return (A + A.T) / 2


def symmetric(n, seed):
    half = np.random.default_rng(seed).standard_normal((n, n))
    return half + half.T


def assert_optimal(step, P, g, radius, H=None):
    """Feasible, (P + lam·H)p = -g, P + lam·H ⪰ 0, complementary, and the dual value is tight and below."""
    H = np.eye(g.size) if H is None else H
    size = np.linalg.norm(g) + np.linalg.norm(P) * radius
    length = np.sqrt(step.p @ H @ step.p)
    assert length <= radius * (1 + 1e-10)
    assert step.lam >= 0
    np.testing.assert_allclose((P + step.lam * H) @ step.p, -g, atol=1e-9 * size)
    assert np.linalg.eigvalsh(P + step.lam * H)[0] >= -1e-9 * (np.linalg.norm(P) + step.lam)
    assert step.lam * (radius - length) <= 1e-8 * size
    assert step.dual_value <= step.value
    assert step.gap <= 1e-9 * max(abs(step.value), 1e-3)
    assert step.success


# --- Affine models: the dual in closed form ---

@settings(derandomize=True, max_examples=25, deadline=None)
@given(n=st.integers(1, 12), seed=st.integers(0, 1000), delta=st.floats(1e-4, 10.0))
def test_the_step_of_an_affine_model_has_the_closed_form(n, seed, delta):
    # p = -√(2δ / gᵀH⁻¹g) H⁻¹g and lam = √(gᵀH⁻¹g / 2δ) for the constraint ½pᵀHp ≤ δ
    H, g = spd(n, seed=seed), np.random.default_rng(seed).standard_normal(n)
    Hg = np.linalg.solve(H, g)
    step = ck.trust_region_step(ck.Quadratic(None, g, 7.0), radius=np.sqrt(2 * delta), metric=H, rtol=1e-12,
                                maxiter=50 * n)
    expected = -np.sqrt(2 * delta / (g @ Hg)) * Hg
    np.testing.assert_allclose(step.p, expected, atol=1e-9 * np.linalg.norm(expected))
    assert step.lam == pytest.approx(np.sqrt(g @ Hg / (2 * delta)), rel=1e-9)
    assert step.value == pytest.approx(7.0 - np.sqrt(2 * delta * (g @ Hg)), rel=1e-9)
    assert step.status == Status.BOUNDARY
    assert 0.5 * step.p @ H @ step.p == pytest.approx(delta, rel=1e-9)
    assert step.dual_value <= step.value
    assert step.gap <= 1e-8 * abs(step.value - 7.0)


def test_without_a_metric_the_step_is_steepest_descent():
    step = ck.trust_region_step(ck.Quadratic(None, [3.0, 4.0], 1.0), radius=0.5)
    np.testing.assert_allclose(step.p, [-0.3, -0.4], rtol=1e-15)
    assert (step.lam, step.status, step.nit, step.cg) == (10.0, Status.BOUNDARY, 0, None)
    assert step.value == pytest.approx(-1.5)
    assert step.dual_value <= step.value


@pytest.mark.parametrize("wrap", [np.asarray, sp.csr_matrix, ck.as_operator, lambda H: lambda v: H @ v])
def test_all_forms_of_a_metric_give_the_same_step(wrap):
    H, g = spd(8), np.arange(1.0, 9.0)
    step = ck.trust_region_step(ck.Quadratic(None, g), radius=0.1, metric=wrap(H), rtol=1e-12)
    Hg = np.linalg.solve(H, g)
    np.testing.assert_allclose(step.p, -0.1 * Hg / np.sqrt(g @ Hg), rtol=1e-9)


@pytest.mark.parametrize("maxiter", [1, 2, 4, 8])
@pytest.mark.parametrize("seed", range(5))
def test_the_gap_of_an_inexact_solve_bounds_what_the_step_misses(maxiter, seed):
    H, g = spd(30, 1e3, seed), np.random.default_rng(seed).standard_normal(30)
    optimum = -0.3 * np.sqrt(g @ np.linalg.solve(H, g))
    step = ck.trust_region_step(ck.Quadratic(None, g), radius=0.3, metric=lambda v: H @ v, maxiter=maxiter,
                                min_eigenvalue=np.linalg.eigvalsh(H)[0])
    assert step.cg.status == ck.CGStatus.ITERATION_LIMIT
    assert step.dual_value <= optimum <= step.value
    assert step.value - optimum <= step.gap < np.inf
    assert step.p @ H @ step.p == pytest.approx(0.09, rel=1e-9), "feasible whatever CG left over"


def test_without_a_known_eigenvalue_the_gap_of_an_inexact_solve_is_infinite():
    H, g = spd(30, 1e3), np.ones(30)
    step = ck.trust_region_step(ck.Quadratic(None, g), radius=0.3, metric=lambda v: H @ v, maxiter=2)
    assert step.gap == np.inf


def test_a_damped_metric_brings_its_own_eigenvalue_bound():
    J = np.random.default_rng(0).standard_normal((5, 30))
    H = ck.damped(lambda v: J.T @ (J @ v), 0.1, 30)
    g = np.random.default_rng(1).standard_normal(30)
    step = ck.trust_region_step(ck.Quadratic(None, g), radius=0.3, metric=H, maxiter=2)
    optimum = -0.3 * np.sqrt(g @ np.linalg.solve(J.T @ J + 0.1 * np.eye(30), g))
    assert step.dual_value <= optimum <= step.value
    assert step.gap < np.inf


def test_a_small_array_metric_is_asked_for_its_smallest_eigenvalue():
    H, g = spd(30, 1e3), np.ones(30)
    step = ck.trust_region_step(ck.Quadratic(None, g), radius=0.3, metric=H, maxiter=2)
    optimum = -0.3 * np.sqrt(g @ np.linalg.solve(H, g))
    assert step.dual_value <= optimum <= step.value
    assert step.gap < np.inf


def test_a_preconditioner_and_a_warm_start_change_the_work_and_not_the_step():
    d = np.geomspace(1.0, 100.0, 30)
    H, g = spd(30) * np.outer(d, d), np.ones(30)
    options = {"radius": 0.3, "metric": H, "rtol": 1e-10, "maxiter": 1000}
    plain = ck.trust_region_step(ck.Quadratic(None, g), **options)
    jacobi = ck.trust_region_step(ck.Quadratic(None, g), M=ck.jacobi(H.diagonal()), **options)
    warm = ck.trust_region_step(ck.Quadratic(None, g), x0=np.linalg.solve(H, g), **options)
    np.testing.assert_allclose(jacobi.p, plain.p, rtol=1e-5, atol=1e-9 * np.linalg.norm(plain.p))
    np.testing.assert_allclose(warm.p, plain.p, rtol=1e-5, atol=1e-9 * np.linalg.norm(plain.p))
    assert jacobi.nit < plain.nit
    assert warm.nit <= 1


def test_a_tiny_gradient_gives_the_same_direction():
    H, g = spd(10), np.arange(1.0, 11.0)
    steps = [ck.trust_region_step(ck.Quadratic(None, size * g), radius=0.1, metric=H, rtol=1e-10)
             for size in (1.0, 1e-9, 1e-30)]
    for step in steps[1:]:
        np.testing.assert_allclose(step.p, steps[0].p, rtol=1e-7)


def test_float32_models_have_float32_steps():
    H, g = spd(10).astype(np.float32), np.ones(10, np.float32)
    affine, dense, operator = ck.Quadratic(None, g), ck.Quadratic(H, g), ck.Quadratic(lambda v: H @ v, g)
    for model, metric in [(affine, H), (affine, None), (dense, H), (dense, None), (operator, None)]:
        step = ck.trust_region_step(model, radius=0.01, metric=metric, rtol=1e-4)
        assert step.success
        assert step.p.dtype == np.float32
        length = np.sqrt(step.p @ (H @ step.p)) if metric is not None else np.linalg.norm(step.p)
        assert length <= 0.01 * (1 + 1e-5)


def test_inputs_are_not_modified_and_nothing_is_remembered():
    P, H, g = symmetric(6, 0), spd(6), np.ones(6)
    copies = P.copy(), H.copy(), g.copy()
    affine, dense, operator = ck.Quadratic(None, g), ck.Quadratic(P, g), ck.Quadratic(lambda v: P @ v, g)
    for model, metric in [(affine, H), (dense, H), (operator, None)]:
        first, second = (ck.trust_region_step(model, radius=0.5, metric=metric) for _ in range(2))
        np.testing.assert_array_equal(first.p, second.p)
    for array, copy in zip((P, H, g), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


# --- Quadratic models: the global minimiser ---

@settings(derandomize=True, max_examples=60, deadline=None)
@given(n=st.integers(1, 10), seed=st.integers(0, 1000), radius=st.floats(1e-3, 1e3), with_metric=st.booleans())
def test_the_step_of_any_quadratic_model_satisfies_the_kkt_conditions(n, seed, radius, with_metric):
    P, g = symmetric(n, seed), np.random.default_rng(seed + 1).standard_normal(n)
    H = spd(n, seed=seed) if with_metric else None
    assert_optimal(ck.trust_region_step(ck.Quadratic(P, g), radius=radius, metric=H), P, g, radius, H)


@pytest.mark.parametrize("seed", range(6))
def test_in_the_plane_the_step_is_as_good_as_a_search_of_the_boundary_and_the_interior(seed):
    P, g = symmetric(2, seed), np.random.default_rng(seed + 9).standard_normal(2)
    angle = np.linspace(0, 2 * np.pi, 200001)
    points = 0.8 * np.array([np.cos(angle), np.sin(angle)])
    best = np.min(0.5 * np.sum(points * (P @ points), axis=0) + g @ points)
    if np.linalg.eigvalsh(P)[0] > 0 and np.linalg.norm(inside := -np.linalg.solve(P, g)) <= 0.8:
        best = min(best, 0.5 * g @ inside)
    step = ck.trust_region_step(ck.Quadratic(P, g), radius=0.8)
    assert step.value <= best + 1e-12
    assert step.value == pytest.approx(best, abs=1e-8)


def test_an_interior_minimiser_is_the_newton_step_with_multiplier_zero():
    P, g = spd(6), np.ones(6)
    step = ck.trust_region_step(ck.Quadratic(P, g), radius=100.0)
    assert (step.status, step.lam) == (Status.INTERIOR, 0.0)
    np.testing.assert_allclose(step.p, -np.linalg.solve(P, g), rtol=1e-12)
    assert_optimal(step, P, g, 100.0)


def test_a_singular_model_with_its_minimiser_inside_has_multiplier_zero():
    step = ck.trust_region_step(ck.Quadratic(np.diag([0.0, 2.0]), [0.0, 2.0]), radius=5.0)
    assert (step.status, step.lam) == (Status.INTERIOR, 0.0)
    assert step.value == pytest.approx(-1.0)


@pytest.mark.parametrize("multiplicity", [1, 2])
def test_the_hard_case_reaches_the_boundary_along_the_lowest_eigenvector(multiplicity):
    w = np.array([-2.0] * multiplicity + [1.0, 3.0])
    g = np.array([0.0] * multiplicity + [1.0, 1.0])
    Q = np.linalg.qr(np.random.default_rng(3).standard_normal((w.size, w.size)))[0]
    for rotation in (np.eye(w.size), Q):
        P, gradient = rotation @ np.diag(w) @ rotation.T, rotation @ g
        step = ck.trust_region_step(ck.Quadratic((P + P.T) / 2, gradient), radius=2.0)
        # lam = 2, the other components are -1/3 and -1/5, the rest of the length goes along the lowest eigenvector.
        assert step.lam == pytest.approx(2.0, rel=1e-12)
        assert np.linalg.norm(step.p) == pytest.approx(2.0, rel=1e-12)
        assert step.value == pytest.approx(-4.0 - 0.5 * (1 / 3 + 1 / 5), rel=1e-12)
        assert_optimal(step, P, gradient, 2.0)
    assert step.status in (Status.HARD_CASE, Status.BOUNDARY)


def test_the_hard_case_is_named_and_a_small_radius_makes_it_easy():
    model = ck.Quadratic(np.diag([-2.0, 1.0]), [0.0, 3.0])
    assert ck.trust_region_step(model, radius=2.0).status == Status.HARD_CASE
    # ‖p(lam = 2)‖ = 1: within a smaller radius the multiplier is larger and the case is ordinary.
    easy = ck.trust_region_step(model, radius=0.5)
    assert easy.status == Status.BOUNDARY
    assert_optimal(easy, np.diag([-2.0, 1.0]), np.array([0.0, 3.0]), 0.5)


@pytest.mark.parametrize("small", [1e-3, 1e-8, 1e-13, 1e-15, 1e-18])
def test_next_to_the_hard_case_the_step_is_still_optimal(small):
    P, g = np.diag([-2.0, 1.0, 5.0]), np.array([small, 1.0, -2.0])
    assert_optimal(ck.trust_region_step(ck.Quadratic(P, g), radius=3.0), P, g, 3.0)


def test_a_zero_gradient_is_stationary_or_a_saddle():
    still = ck.trust_region_step(ck.Quadratic(spd(3), np.zeros(3), 2.0), radius=1.0)
    assert (still.status, still.value, still.gap) == (Status.STATIONARY, 2.0, 0.0)
    assert not still.p.any()
    saddle = ck.trust_region_step(ck.Quadratic(np.diag([-2.0, 1.0]), np.zeros(2)), radius=3.0)
    assert saddle.status == Status.HARD_CASE
    np.testing.assert_allclose(abs(saddle.p), [3.0, 0.0], atol=1e-12)
    for model, metric in [(ck.Quadratic(None, np.zeros(3), 2.0), None), (ck.Quadratic(None, np.zeros(3), 2.0), spd(3)),
                          (ck.Quadratic(lambda v: v, np.zeros(3), 2.0), None)]:
        step = ck.trust_region_step(model, radius=1.0, metric=metric)
        assert (step.status, step.success, step.value, step.dual_value) == (Status.STATIONARY, True, 2.0, 2.0)


def test_one_variable_has_the_closed_form():
    assert ck.trust_region_step(ck.Quadratic([[2.0]], [-1.0]), radius=3.0).p.tolist() == [0.5]
    assert ck.trust_region_step(ck.Quadratic([[-2.0]], [-1.0]), radius=3.0).p.tolist() == [3.0]


@pytest.mark.parametrize("wrap", [np.asarray, sp.csr_matrix, ck.as_operator, lambda H: lambda v: H @ v])
def test_sparse_and_factored_models_and_all_metrics_agree_with_dense_ones(wrap):
    F = np.random.default_rng(0).standard_normal((2, 4))
    P, g, H = F.T @ F + np.eye(4), np.ones(4), spd(4)
    dense = ck.trust_region_step(ck.Quadratic(P, g), radius=0.3, metric=H)
    for model in (ck.Quadratic(sp.csr_matrix(P), g), ck.Quadratic.from_factor(F, diag=1.0, q=g)):
        step = ck.trust_region_step(model, radius=0.3, metric=wrap(H))
        np.testing.assert_allclose(step.p, dense.p, rtol=1e-9)


def test_the_exact_step_agrees_with_the_dual_one_as_curvature_vanishes():
    H, g = spd(5), np.arange(1.0, 6.0)
    affine = ck.trust_region_step(ck.Quadratic(None, g), radius=0.2, metric=H, rtol=1e-12)
    nearly = ck.trust_region_step(ck.Quadratic(1e-12 * np.eye(5), g), radius=0.2, metric=H)
    np.testing.assert_allclose(nearly.p, affine.p, rtol=1e-8)
    assert nearly.lam == pytest.approx(affine.lam, rel=1e-9)


# --- Operator models: truncated ---

@pytest.mark.parametrize("radius", [0.01, 0.1, 1e3])
@pytest.mark.parametrize("P", [spd(20, 1e3), symmetric(20, 2)], ids=["definite", "indefinite"])
def test_the_truncated_step_is_feasible_and_between_the_cauchy_point_and_the_optimum(P, radius):
    g = np.random.default_rng(5).standard_normal(20)
    model = ck.Quadratic(P, g)
    step = ck.trust_region_step(ck.Quadratic(lambda v: P @ v, g), radius=radius, rtol=1e-10, method="truncated")
    exact = ck.trust_region_step(model, radius=radius)
    curvature = g @ P @ g
    t = radius / np.linalg.norm(g) if curvature <= 0 else min(radius / np.linalg.norm(g), g @ g / curvature)
    assert np.linalg.norm(step.p) <= radius * (1 + 1e-12)
    assert exact.value - 1e-9 * abs(exact.value) <= step.value <= model(-t * g) + 1e-12
    assert step.dual_value == -np.inf
    assert step.success
    assert step.lam >= 0
    assert step.status in (Status.TRUNCATED, Status.INTERIOR)


def test_a_truncated_step_inside_is_the_newton_step_and_an_unfinished_one_says_so():
    P, g = spd(20), np.ones(20)
    model = ck.Quadratic(lambda v: P @ v, g)
    step = ck.trust_region_step(model, radius=1e3, rtol=1e-12, method="truncated")
    assert (step.status, step.lam) == (Status.INTERIOR, 0.0)
    np.testing.assert_allclose(step.p, -np.linalg.solve(P, g), rtol=1e-9)
    unfinished = ck.trust_region_step(model, radius=1e3, rtol=1e-12, maxiter=2, method="truncated")
    assert unfinished.status == Status.TRUNCATED
    assert "limit" in unfinished.message


def test_a_model_whose_products_are_not_finite_gives_no_success():
    for method in ("exact", "lanczos", "truncated"):
        step = ck.trust_region_step(ck.Quadratic(lambda v: v * np.nan, np.ones(3)), radius=1.0, method=method)
        assert (step.success, step.status) == (False, Status.NUMERICAL_ERROR) or method == "truncated"
        assert not step.success


# --- Unusable metrics and bad input ---

@pytest.mark.parametrize("metric", [-np.eye(3), np.diag([1.0, 1.0, -1.0]), lambda v: -v, lambda v: v * np.nan])
def test_a_metric_that_is_not_positive_definite_gives_the_zero_step_and_says_so(metric):
    step = ck.trust_region_step(ck.Quadratic(None, [1.0, 0.0, 0.0], 4.0), radius=1.0, metric=metric)
    assert step.status == Status.NUMERICAL_ERROR
    assert not step.success
    assert not step.p.any()
    assert (step.value, step.dual_value) == (4.0, -np.inf)
    assert "positive definite" in step.message


def test_an_indefinite_metric_of_a_quadratic_model_gives_the_zero_step():
    step = ck.trust_region_step(ck.Quadratic(np.eye(2), [1.0, 1.0]), radius=1.0, metric=np.diag([1.0, -1.0]))
    assert step.status == Status.NUMERICAL_ERROR
    assert not step.p.any()
    assert "damp" in step.message


@pytest.mark.parametrize(("arguments", "words"), [
    ({"model": np.eye(2)}, "model must be a Quadratic in the step; got ndarray"),
    ({"radius": 0.0}, "radius"), ({"radius": -1.0}, "radius"), ({"radius": np.inf}, "radius"),
    ({"radius": np.nan}, "radius"),
    ({"metric": np.eye(3)}, "expected"), ({"metric": np.array([[1.0, 1.0], [0.0, 1.0]])}, "metric is not symmetric"),
    ({"model": ck.Quadratic(np.eye(2)), "metric": np.eye(3)}, r"metric has shape \(3, 3\); expected \(2, 2\)"),
    ({"model": ck.Quadratic(lambda v: v, np.ones(2)), "metric": np.eye(3), "method": "lanczos"},
     r"metric has shape \(3, 3\); expected \(2, 2\)"),
    ({"method": "steepest"}, "method = 'steepest' is not known; choose one of 'auto', 'exact'"),
    ({"inner_radius": 2.0}, "inner_radius = 2 is out of range"), ({"inner_radius": -1.0}, "inner_radius"),
    ({"centre": np.ones(3)}, r"centre has shape \(3,\); expected \(2,\)"),
    ({"model": ck.Quadratic(np.eye(2)), "inner_radius": 0.5, "method": "truncated"}, "inner_radius = 0.5 cannot be"),
    ({"model": ck.Quadratic(lambda v: np.array([[1.0, 2.0], [0.0, 1.0]]) @ v, np.ones(2))},
     r"P is not symmetric: .* differ by 1\.0e\+00 of its size"),
    ({"model": ck.Quadratic(lambda v: np.array([[1.0, 2.0], [0.0, 1.0]]) @ v, np.ones(2)), "method": "lanczos"},
     "P is not symmetric"),
    ({"model": ck.Quadratic(np.eye(2)), "metric": lambda v: np.array([[1.0, 2.0], [0.0, 1.0]]) @ v},
     "metric is not symmetric"),
    ({"model": ck.Quadratic(lambda v: v[:1], np.ones(2)), "method": "lanczos"}, "returned shape"),
    ({"maxiter": -1}, "maxiter"), ({"rtol": 1.0}, "rtol"), ({"min_eigenvalue": np.nan}, "min_eigenvalue"),
    ({"model": ck.Quadratic(lambda v: v, np.ones(2)), "M": np.eye(2)}, "M cannot be combined"),
])
def test_arguments_that_do_not_fit_are_refused(arguments, words):
    with pytest.raises(ck.ProblemError, match=words):
        ck.trust_region_step(**{"model": ck.Quadratic(None, np.ones(2)), "radius": 1.0, **arguments})


def test_each_status_prints_as_its_word():
    assert [str(status) for status in Status] == ["boundary", "interior", "hard_case", "truncated", "stationary",
                                                  "numerical_error"]


# --- The public set ---

@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the public problem sets do not ship with the project")
def test_all_159_public_cases_are_solved_to_the_reference_value_with_a_small_gap():
    data = np.load(SHARED / "trs.npz")
    with open(SHARED / "reference.csv", newline="", encoding="utf-8") as file:
        cases = list(csv.DictReader(file))
    assert len(cases) == 159
    for case in cases:
        g, H, radius = data[case["problem"] + "_g"], data[case["problem"] + "_H"], float(case["radius"])
        step = ck.trust_region_step(ck.Quadratic((H + H.T) / 2, g), radius=radius)
        optimum = float(case["optimal_value"])
        name = f"{case['problem']}, radius {radius}"
        assert step.success, name
        assert np.linalg.norm(step.p) <= radius * (1 + 1e-12), name
        assert step.value <= optimum + 1e-8 * abs(optimum), name
        assert step.gap <= 1e-8 * abs(optimum), name
        assert step.lam == pytest.approx(float(case["multiplier"]), rel=1e-5, abs=1e-8 * np.linalg.norm(H)), name
