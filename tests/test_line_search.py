"""Backtracking: what it accepts satisfies the inequality, and what it rejects leaves the start."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convexkit as ck
from convexkit import LineSearchStatus as Status


def square(x):
    return float(x @ x)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(alpha=st.floats(0.01, 0.49), beta=st.floats(0.1, 0.9), curvature=st.floats(0.1, 1e4), start=st.floats(0.1, 10))
def test_the_accepted_step_satisfies_armijo_and_is_the_first_that_does(alpha, beta, curvature, start):
    # f = ½c·x² along -∇f: Armijo holds exactly for steps up to 2(1 - alpha)/c, so the count is known.
    x = np.array([start])
    f, g = lambda y: 0.5 * curvature * float(y @ y), curvature * x
    result = ck.backtracking(f, x, -g, slope=float(-g @ g), alpha=alpha, beta=beta, maxiter=200)
    assert result.status == Status.SUFFICIENT_DECREASE
    assert result.success
    assert result.fun == f(result.x)
    np.testing.assert_array_equal(result.x, x - result.step * g)
    assert result.fun <= f(x) - alpha * result.step * float(g @ g) * (1 - 1e-12)
    assert result.step * curvature <= 2 * (1 - alpha) * (1 + 1e-9)
    if result.nit > 1:
        assert result.step / beta * curvature >= 2 * (1 - alpha) * (1 - 1e-9)
    assert result.step == pytest.approx(beta ** (result.nit - 1), rel=1e-12)


def test_the_domain_is_asked_before_f_is_evaluated():
    evaluated = []

    def f(x):
        evaluated.append(x[0])
        return float(-np.log(x[0]) + x[0])

    x, p = np.array([3.0]), np.array([-6.0])
    result = ck.backtracking(f, x, p, slope=(1 - 1 / 3) * -6.0, in_domain=lambda y: y[0] > 0)
    # Steps 1 and ½ end at -3 and 0, outside; ¼ ends at 1.5. f is seen at the start and there only.
    assert evaluated == [3.0, 1.5]
    assert (result.nit, result.nfev, result.step) == (3, 2, 0.25)


@pytest.mark.parametrize("outside", [nan, inf])
def test_nan_and_infinity_count_as_outside_the_domain(outside):
    result = ck.backtracking(lambda x: square(x) if x[0] > 0.4 else outside, [1.0], [-2.0], slope=-4.0)
    # Steps 1 and ½ end at -1 and 0; ¼ ends at 0.5.
    assert result.success
    assert result.x.tolist() == [0.5]


def test_a_known_value_at_the_start_is_not_computed_again():
    calls = []
    result = ck.backtracking(lambda x: calls.append(1) or square(x), [1.0], [-1.0], slope=-2.0, fx=1.0)
    assert len(calls) == result.nfev == 1


def test_the_first_trial_can_be_longer_than_one():
    result = ck.backtracking(square, [8.0], [-1.0], slope=-16.0, step=8.0)
    assert (result.step, result.nit, result.x.tolist()) == (8.0, 1, [0.0])


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_a_direction_that_does_not_descend_is_reported(slope):
    result = ck.backtracking(square, [1.0], [1.0], slope=slope)
    assert result.status == Status.NOT_A_DESCENT_DIRECTION
    assert (result.success, result.step, result.nit, result.nfev) == (False, 0.0, 0, 1)
    assert "slope" in result.message


@pytest.mark.parametrize(("fx", "slope", "p"), [(nan, -1.0, 1.0), (inf, -1.0, 1.0), (1.0, nan, 1.0), (1.0, -inf, 1.0),
                                                (1.0, -1.0, nan), (1.0, -1.0, inf)])
def test_a_start_that_is_not_finite_is_a_numerical_error(fx, slope, p):
    result = ck.backtracking(square, [1.0], [p], slope=slope, fx=fx)
    assert result.status == Status.NUMERICAL_ERROR
    assert not result.success
    assert result.x.tolist() == [1.0]


def test_the_iteration_limit_returns_the_start_and_says_what_the_last_trial_did():
    result = ck.backtracking(square, [1.0], [-4.0], slope=-8.0, maxiter=2)
    assert result.status == Status.ITERATION_LIMIT
    assert (result.success, result.step, result.nit, result.nfev) == (False, 0.0, 2, 3)
    assert result.x.tolist() == [1.0]
    assert result.fun == 1.0
    assert "2 trials" in result.message
    assert "0.5" in result.message


def test_a_domain_without_a_way_in_ends_at_the_limit_without_evaluating_f():
    result = ck.backtracking(square, [1.0], [-1.0], slope=-2.0, fx=1.0, maxiter=5, in_domain=lambda x: False)
    assert (result.status, result.nit, result.nfev) == (Status.ITERATION_LIMIT, 5, 0)
    assert "outside the domain" in result.message


def test_a_step_too_short_to_change_x_is_not_a_decrease():
    # The slope has the wrong sign, f rises along p: every visible step must be rejected, and so must the
    # invisible ones, where f(x) ≤ f(x) + rounding.
    result = ck.backtracking(lambda x: float(x[0]), [1.0], [1.0], slope=-1.0)
    assert result.status == Status.ITERATION_LIMIT
    assert result.x.tolist() == [1.0]
    assert "too short to change x" in result.message


def test_float32_points_stay_float32_and_inputs_are_not_modified():
    x, p = np.array([1.0, 2.0], np.float32), np.array([-4.0, -8.0], np.float32)
    result = ck.backtracking(lambda y: y @ y, x, p, slope=np.float64(-40.0), alpha=np.float64(0.1),
                             step=np.float64(1.0))
    assert result.success
    assert result.x.dtype == np.float32
    assert x.tolist() == [1.0, 2.0]
    assert p.tolist() == [-4.0, -8.0]


def test_nothing_is_remembered_between_calls():
    first, second = (ck.backtracking(square, np.array([3.0]), np.array([-6.0]), slope=-36.0) for _ in range(2))
    assert (first.x == second.x).all()
    assert first.message == second.message


@pytest.mark.parametrize("options", [{"alpha": 0.0}, {"alpha": 0.5}, {"beta": 0.0}, {"beta": 1.0}, {"step": 0.0},
                                     {"step": inf}, {"step": nan}, {"maxiter": 0}, {"maxiter": 2.5}])
def test_options_out_of_range_are_refused_by_name(options):
    with pytest.raises(ck.ProblemError, match=next(iter(options))):
        ck.backtracking(square, [1.0], [-1.0], slope=-2.0, **options)


def test_shapes_that_differ_and_starts_that_are_not_finite_are_refused():
    with pytest.raises(ck.ProblemError, match=r"x has shape \(1,\) but p has shape \(2,\)"):
        ck.backtracking(square, [1.0], [1.0, 1.0], slope=-1.0)
    with pytest.raises(ck.ProblemError, match="x has 1 entries that are not finite"):
        ck.backtracking(square, [nan], [1.0], slope=-1.0)


def test_each_status_prints_as_its_word():
    assert [str(status) for status in Status] == ["sufficient_decrease", "not_a_descent_direction", "iteration_limit",
                                                  "numerical_error", "strong_wolfe", "exact", "boundary", "unbounded"]


# --- What descent with backtracking is worth: Boyd & Vandenberghe, section 9.3 ---

@settings(derandomize=True, max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), alpha=st.floats(0.01, 0.49), beta=st.floats(0.1, 0.9))
def test_the_descent_lemma_bounds_the_step_and_the_fall_from_below(seed, alpha, beta):
    # ∇²f ⪯ M·I: every step up to 1/M passes for any alpha < ½, so backtracking from 1 ends at min(1, β/M) at least,
    # and f falls by α·min(1, β/M)·‖∇f‖² at least.
    rng = np.random.default_rng(seed)
    A, x = rng.standard_normal((8, 5)), rng.standard_normal(5)

    def f(y):
        return float(np.logaddexp(0.0, A @ y).sum() + 0.5 * y @ y)

    g = A.T @ (1 / (1 + np.exp(-A @ x))) + x
    M = 0.25 * np.linalg.norm(A, 2) ** 2 + 1.0
    for t in (0.3 / M, 1 / M):
        assert f(x - t * g) <= f(x) - t * (1 - 0.5 * M * t) * (g @ g) + 1e-12
    result = ck.backtracking(f, x, -g, slope=-float(g @ g), alpha=alpha, beta=beta, maxiter=200)
    assert result.step >= min(1.0, beta / M) * (1 - 1e-12)
    assert result.fun <= f(x) - alpha * min(1.0, beta / M) * float(g @ g) + 1e-12


@pytest.mark.parametrize(("alpha", "beta"), [(0.1, 0.5), (0.3, 0.8), (0.45, 0.2)])
@pytest.mark.parametrize("condition", [2.0, 30.0, 300.0])
def test_gradient_descent_with_backtracking_converges_at_the_rate_of_section_9_3(alpha, beta, condition):
    # f(x⁺) - p* ≤ (1 - min{2mα, 2βαm/M})·(f(x) - p*) while mI ⪯ ∇²f ⪯ MI, hence at most
    # log((f(x⁰) - p*)/ε) / log(1/c) iterations to accuracy ε (9.18, 9.19).
    w = np.geomspace(0.5, 0.5 * condition, 6)
    m, M = w[0], w[-1]
    f = ck.Quadratic(np.diag(w))
    c = 1 - min(2 * m * alpha, 2 * beta * alpha * m / M)
    x = np.ones(6)
    first, iterations = f(x), 0
    while f(x) > 1e-6 * first:
        g = f.gradient(x)
        result = ck.backtracking(f, x, -g, slope=-float(g @ g), alpha=alpha, beta=beta)
        assert result.fun <= c * f(x)
        x, iterations = result.x, iterations + 1
    assert iterations <= np.log(1e6) / np.log(1 / c) + 1


@pytest.mark.parametrize("condition", [2.0, 30.0])
def test_gradient_descent_with_the_exact_step_converges_at_the_rate_of_section_9_3(condition):
    # c = 1 - m/M; Kantorovich's inequality has ((M - m)/(M + m))² for a quadratic, attained from (1/m, 0, ..., 1/M).
    w = np.geomspace(0.5, 0.5 * condition, 6)
    m, M = w[0], w[-1]
    f, x = ck.Quadratic(np.diag(w)), np.r_[1 / m, np.zeros(4), 1 / M]
    for _ in range(10):
        result = ck.exact_step(f, x, -f.gradient(x))
        assert result.fun == pytest.approx(((M - m) / (M + m)) ** 2 * f(x), rel=1e-9)
        assert result.fun <= (1 - m / M) * f(x)
        x = result.x


# --- Strong Wolfe ---

FUNCTIONS = {
    "quartic": (lambda x: float(((x - 1) ** 4).sum()), lambda x: 4 * (x - 1) ** 3, [3.0, -2.0]),
    "rosenbrock": (lambda x: float(100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2),
                   lambda x: np.array([-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)]),
                   [-1.2, 1.0]),
    "flat": (lambda x: float(-(x / (x * x + 2)).sum()), lambda x: -(2 - x * x) / (x * x + 2) ** 2, [0.1, 0.05]),
    "waves": (lambda x: float((x * x + 3 * np.sin(5 * x)).sum()), lambda x: 2 * x + 15 * np.cos(5 * x), [2.0, -3.0]),
    "barrier": (lambda x: float((x - np.log(x)).sum()), lambda x: 1 - 1 / x, [3.0, 0.01]),
}


@pytest.mark.parametrize("curvature", [0.9, 0.1, 0.01])
@pytest.mark.parametrize("step", [1e-4, 1.0, 1e3])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_accepted_step_satisfies_both_wolfe_conditions(name, step, curvature):
    f, gradient, start = FUNCTIONS[name]
    x = np.array(start)
    p = -gradient(x)
    slope = float(gradient(x) @ p)
    evaluated = []

    def watched(y):
        evaluated.append(y)
        return f(y)

    domain = (lambda y: bool((y > 0).all())) if name == "barrier" else None
    result = ck.strong_wolfe(watched, gradient, x, p, step=step, alpha=1e-4, curvature=curvature, in_domain=domain)
    assert (result.status, result.success) == (Status.STRONG_WOLFE, True), result.message
    np.testing.assert_allclose(result.x, x + result.step * p, rtol=1e-15)
    assert result.fun == f(result.x)
    assert result.fun <= f(x) + 1e-4 * result.step * slope
    assert abs(gradient(result.x) @ p) <= curvature * abs(slope)
    np.testing.assert_array_equal(result.gradient, gradient(result.x))
    assert result.nfev == len(evaluated)
    assert result.nit <= 25
    assert domain is None or all(domain(y) for y in evaluated)


@pytest.mark.parametrize("name", ["quartic", "rosenbrock", "flat"])
def test_scipy_and_the_strong_wolfe_search_accept_by_the_same_conditions_at_similar_cost(name):
    from scipy.optimize import line_search

    f, gradient, start = FUNCTIONS[name]
    x = np.array(start)
    p = -gradient(x)
    ours = ck.strong_wolfe(f, gradient, x, p, alpha=1e-4, curvature=0.1)
    theirs, nfev, *_ = line_search(f, gradient, x, p, c1=1e-4, c2=0.1)
    slope = float(gradient(x) @ p)
    for step in (ours.step, theirs):
        assert f(x + step * p) <= f(x) + 1e-4 * step * slope
        assert abs(gradient(x + step * p) @ p) <= 0.1 * abs(slope)
    assert ours.nfev <= nfev + 3


def test_where_the_slope_cannot_flatten_the_best_lower_point_is_returned_and_the_message_says_why():
    steep = (lambda x: float(-x[0]), lambda x: np.array([-1.0]))
    limited = ck.strong_wolfe(*steep, [0.0], [1.0], max_step=5.0)
    assert (limited.status, limited.success, limited.step) == (Status.SUFFICIENT_DECREASE, False, 5.0)
    assert "at max_step = 5" in limited.message
    edge = ck.strong_wolfe(*steep, [0.0], [1.0], in_domain=lambda x: x[0] <= 3.0)
    assert edge.status == Status.SUFFICIENT_DECREASE
    assert edge.step == pytest.approx(3.0, rel=1e-6)
    few = ck.strong_wolfe(*steep, [0.0], [1.0], maxiter=3)
    assert (few.status, few.step, few.nit) == (Status.SUFFICIENT_DECREASE, 16.0, 3)
    assert "after 3 trials: the slope is -1.000e+00 where 9.000e-01" in few.message


def test_a_search_without_any_lower_point_returns_the_start():
    shut = ck.strong_wolfe(square, lambda x: 2 * x, [1.0], [-1.0], in_domain=lambda x: False)
    assert (shut.status, shut.success, shut.step, shut.x.tolist()) == (Status.ITERATION_LIMIT, False, 0.0, [1.0])
    assert "outside the domain" in shut.message
    lying = ck.strong_wolfe(lambda x: float(x[0]), lambda x: np.array([-1.0]), [1.0], [1.0])
    assert lying.status == Status.ITERATION_LIMIT
    assert "would not change x" in lying.message


def test_a_gradient_that_is_not_finite_at_a_trial_makes_it_too_long():
    result = ck.strong_wolfe(square, lambda x: 2 * x if x[0] > -0.5 else np.array([nan]), [1.0], [-1.6], curvature=0.5)
    assert result.status == Status.STRONG_WOLFE
    assert result.x[0] > -0.5


def test_a_strong_wolfe_search_refuses_bad_starts_and_options():
    up = ck.strong_wolfe(square, lambda x: 2 * x, [1.0], [1.0])
    assert (up.status, up.ngev) == (Status.NOT_A_DESCENT_DIRECTION, 1)
    bad = ck.strong_wolfe(square, lambda x: 2 * x, [1.0], [nan], slope=-1.0)
    assert bad.status == Status.NUMERICAL_ERROR
    for options, words in [({"alpha": 0.6}, "alpha"), ({"curvature": 1e-5}, "curvature"),
                           ({"curvature": 1.0}, "curvature"),
                           ({"max_step": 0.0}, "max_step"), ({"step": 0.0}, "step"), ({"maxiter": 0}, "maxiter"),
                           ({"p": [1.0, 1.0]}, r"p has shape \(2,\)"),
                           ({"gradient": lambda x: np.ones(2)}, r"gradient has shape \(2,\); expected \(1,\)")]:
        arguments = {"gradient": lambda x: 2 * x, "x": [1.0], "p": [-1.0], **options}
        with pytest.raises(ck.ProblemError, match=words):
            ck.strong_wolfe(square, **arguments)


def test_float32_stays_float32_in_a_strong_wolfe_search():
    x = np.array([3.0, -1.0], np.float32)
    seen = set()

    def f(y):
        seen.add(y.dtype)
        return (y * y).sum()

    result = ck.strong_wolfe(f, lambda y: 2 * y, x, -2 * x, curvature=0.1)
    assert result.success
    assert result.x.dtype == np.float32
    assert seen == {np.dtype(np.float32)}


# --- The exact step of a quadratic ---

@settings(derandomize=True, max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_exact_step_is_a_stationary_point_along_p_or_the_first_limit(seed):
    rng = np.random.default_rng(seed)
    half = rng.standard_normal((4, 4))
    f, x, p = ck.Quadratic(half + half.T + 2 * np.eye(4), rng.standard_normal(4)), 0.1 * rng.standard_normal(4), None
    p = -f.gradient(x)
    ball = ck.Quadratic(2 * np.eye(4), np.zeros(4), -1.0)
    plane = ck.Quadratic(None, rng.standard_normal(4), -2.0)
    saddle = ck.Quadratic(np.diag([-1.0, 1.0, -2.0, 0.5]), rng.standard_normal(4), -1.0)
    result = ck.exact_step(f, x, p, constraints=[ball, plane, saddle])
    assert result.success
    np.testing.assert_allclose(result.x, x + result.step * p)
    assert result.fun == pytest.approx(f(result.x), rel=1e-9, abs=1e-9)
    # Against a fine search: feasible all the way, and beyond the step either f or a constraint rises.
    for t in np.linspace(0.0, 1.0, 201):
        assert max(c(x + t * result.step * p) for c in (ball, plane, saddle)) <= 1e-9
    if result.status == Status.EXACT:
        assert f.gradient(result.x) @ p == pytest.approx(0.0, abs=1e-9 * (p @ p))
    else:
        assert max(c(result.x + 1e-6 * result.step * p) for c in (ball, plane, saddle)) > 0
        assert f.gradient(result.x) @ p < 0


def test_an_exact_step_says_which_limit_it_met():
    f = ck.Quadratic(None, [-1.0])
    assert ck.exact_step(f, [0.0], [1.0]).status == Status.UNBOUNDED
    assert "without end" in ck.exact_step(ck.Quadratic([[-1.0]], [-1.0]), [0.0], [1.0]).message
    capped = ck.exact_step(f, [0.0], [1.0], max_step=2.5)
    assert (capped.status, capped.step, capped.fun) == (Status.BOUNDARY, 2.5, -2.5)
    assert "max_step" in capped.message
    domain = ck.exact_step(f, [0.0], [1.0], max_step=8.0, in_domain=lambda x: x[0] <= 3.0)
    assert domain.status == Status.BOUNDARY
    assert domain.step == pytest.approx(3.0, abs=1e-12)
    assert domain.step <= 3.0
    edge = ck.exact_step(f, [1.0], [1.0], constraints=[ck.Quadratic(None, [1.0], -1.0)])
    assert (edge.status, edge.success, edge.step) == (Status.BOUNDARY, False, 0.0)
    assert "p leads out" in edge.message
    assert ck.exact_step(f, [0.0], [-1.0]).status == Status.NOT_A_DESCENT_DIRECTION
    nans = ck.exact_step(ck.Quadratic(lambda v: v * nan, [-1.0]), [0.0], [1.0])
    assert nans.status == Status.NUMERICAL_ERROR


def test_a_constraint_met_at_the_start_does_not_stop_a_step_inwards():
    # x = 1 on the unit disc, p leads through it to the other side.
    disc = ck.Quadratic([[2.0]], [0.0], -1.0)
    result = ck.exact_step(ck.Quadratic(None, [1.0]), [1.0], [-1.0], constraints=[disc])
    assert (result.step, result.status) == (2.0, Status.BOUNDARY)


def test_an_exact_step_refuses_what_it_cannot_use():
    f = ck.Quadratic([[1.0]], [-1.0])
    with pytest.raises(ck.ProblemError, match="f must be a Quadratic; got function"):
        ck.exact_step(lambda x: x, [0.0], [1.0])
    with pytest.raises(ck.ProblemError, match=r"constraints\[0\] must be a Quadratic; got float"):
        ck.exact_step(f, [0.0], [1.0], constraints=[1.0])
    with pytest.raises(ck.ProblemError, match=r"constraints\[0\] = 1 at x"):
        ck.exact_step(f, [0.0], [1.0], constraints=[ck.Quadratic(None, [1.0], 1.0)])
    with pytest.raises(ck.ProblemError, match=r"p has shape \(2,\)"):
        ck.exact_step(f, [0.0], [1.0, 1.0])
    with pytest.raises(ck.ProblemError, match="max_step"):
        ck.exact_step(f, [0.0], [1.0], max_step=-1.0)
