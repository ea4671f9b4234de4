"""`minimize` against closed forms and cvxpy, values and multipliers; every status and refusal is reached."""

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import brentq

import convexkit as ck
from convexkit.solution import Status

METHODS = ["dense", "cg"]


def entropy(x):
    return (x * anp.log(x)).sum()


def assert_optimal(solution, f, inequalities=(), *, G=None, h=None, A=None, b=None, lb=None, ub=None, tol=1e-6):
    """The KKT conditions, written out with the multipliers that came back and derivatives of our own taking."""
    assert solution.status is Status.OPTIMAL, solution.message
    assert solution.success
    x, n = solution.x, solution.x.size
    slope = ck.gradient(f, x)
    size = 1.0 + abs(slope).max()
    start = 0
    for g in inequalities:
        values = np.atleast_1d(g(x))
        lam = solution.lam[start:start + values.size]
        start += values.size
        assert (values <= tol).all()
        assert (abs(lam * values) <= tol * (1 + abs(solution.value))).all()
        for k, weight in enumerate(lam):
            slope = slope + weight * ck.gradient(lambda y, g=g, k=k: anp.reshape(g(y), (-1,))[k], x)
    if G is not None:
        G, h = np.asarray(G), np.asarray(h)
        lam = solution.lam[start:]
        assert (G @ x <= h + tol * (1 + abs(h))).all()
        slope = slope + G.T @ lam
    if A is not None:
        np.testing.assert_allclose(np.asarray(A) @ x, b, atol=tol)
        slope = slope + np.asarray(A).T @ solution.nu
    assert (solution.lam >= 0).all()
    assert (solution.lam_lb >= 0).all()
    assert (solution.lam_ub >= 0).all()
    slope = slope - solution.lam_lb + solution.lam_ub
    assert abs(slope).max() <= tol * size
    if lb is not None:
        assert (x >= np.broadcast_to(lb, n) - tol).all()
    if ub is not None:
        assert (x <= np.broadcast_to(ub, n) + tol).all()
    assert solution.residuals.max() <= 1e-7
    assert solution.value == pytest.approx(float(f(x)), rel=1e-12, abs=1e-12)
    assert solution.dual_value <= solution.value + 1e-7 * (1 + abs(solution.value))


# --- Closed forms ---

@pytest.mark.parametrize("method", METHODS)
def test_entropy_on_the_simplex_is_uniform(method):
    solution = ck.minimize(entropy, np.full(6, 0.3), A=np.ones((1, 6)), b=[1.0], method=method)
    assert_optimal(solution, entropy, A=np.ones((1, 6)), b=[1.0])
    np.testing.assert_allclose(solution.x, 1 / 6, atol=1e-7)
    assert solution.value == pytest.approx(-np.log(6), abs=1e-8)
    assert solution.nu == pytest.approx([np.log(6) - 1], abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_water_filling_has_the_level_of_its_closed_form(method):
    a = np.array([0.1, 0.5, 0.9, 1.4, 0.3])

    def cost(x):
        return -anp.log(a + x).sum()

    solution = ck.minimize(cost, np.full(5, 0.2), A=np.ones((1, 5)), b=[1.0], lb=0.0, method=method)
    assert_optimal(solution, cost, A=np.ones((1, 5)), b=[1.0], lb=0.0)
    level = brentq(lambda w: np.maximum(w - a, 0).sum() - 1, 0.1, 3.0)
    np.testing.assert_allclose(solution.x, np.maximum(level - a, 0), atol=1e-6)
    assert solution.nu == pytest.approx([1 / level], rel=1e-6)
    np.testing.assert_allclose(solution.lam_lb, np.maximum(1 / level - 1 / a, 0) * 0 + np.where(
        a > level, 1 / level - 1 / a, 0), atol=1e-5)


def test_a_quadratic_is_met_in_one_newton_step_and_quadratics_are_taken_as_they_are():
    P, q = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, -1.0])
    solution = ck.minimize(ck.Quadratic(P, q), np.zeros(2))
    assert solution.nit <= 2
    np.testing.assert_allclose(solution.x, -np.linalg.solve(P, q), rtol=1e-12)
    disc = ck.Quadratic(2 * np.eye(2), None, -1.0)
    far = ck.Quadratic(np.eye(2), [-3.0, -4.0])
    for f, g in ((far, disc), (far.value, disc.value), (far, lambda x: x @ x - 1)):
        if f is not far:
            f, g = lambda x: 0.5 * x @ x - 3 * x[0] - 4 * x[1], lambda x: x @ x - 1
        ball = ck.minimize(f, np.zeros(2), inequalities=[g])
        np.testing.assert_allclose(ball.x, [0.6, 0.8], atol=1e-7)
        assert ball.lam == pytest.approx([2.0], abs=1e-6)


@pytest.mark.parametrize("start", [[0.0, 0.0], [5.0, -3.0], [-4.0, 4.0]])
def test_it_agrees_with_the_solver_for_quadratics_from_any_start(start):
    rng = np.random.default_rng(0)
    F, H = rng.standard_normal((2, 2, 2))
    f0, f1 = ck.Quadratic(F.T @ F, [1.0, -2.0]), ck.Quadratic(H.T @ H + np.eye(2), [0.5, 0.1], -1.0)
    G, h = np.array([[1.0, 1.0]]), np.array([0.3])
    exact = ck.solve(ck.QCQP(f0, [f1], G=G, h=h, lb=-1.0, ub=[np.inf, 0.9]))
    ours = ck.minimize(f0, start, inequalities=[f1], G=G, h=h, lb=-1.0, ub=[np.inf, 0.9])
    assert ours.success
    np.testing.assert_allclose(ours.x, exact.x, atol=1e-6)
    np.testing.assert_allclose(ours.lam, exact.lam, atol=1e-5)
    np.testing.assert_allclose(ours.lam_ub, exact.lam_ub, atol=1e-5)


# --- cvxpy ---

def cases():
    rng = np.random.default_rng(3)
    E, e = rng.standard_normal((12, 5)), rng.standard_normal(12)
    X = rng.standard_normal((60, 4))
    y = np.sign(X @ rng.standard_normal(4) + rng.standard_normal(60))
    P, p = rng.standard_normal((25, 4)), rng.uniform(0.2, 1.0, 25)
    S = rng.uniform(0.7, 1.4, (10, 5))
    C = rng.uniform(0, 1, (4, 6))
    return {
        "log-sum-exp": (lambda x: anp.log(anp.sum(anp.exp(anp.dot(E, x) + e))), np.zeros(5), [], {},
                        lambda cp, x: (cp.log_sum_exp(E @ x + e), [])),
        "logistic in a ball": (lambda w: anp.sum(anp.logaddexp(0.0, -y * anp.dot(X, w))), np.zeros(4),
                               [lambda w: w @ w - 0.5], {},
                               lambda cp, x: (cp.sum(cp.logistic(cp.multiply(-y, X @ x))), [cp.sum_squares(x) <= 0.5])),
        "analytic centre": (lambda x: -anp.log(p - anp.dot(P, x)).sum(), np.zeros(4), [], {},
                            lambda cp, x: (-cp.sum(cp.log(p - P @ x)), [])),
        "entropy with rows": (entropy, np.full(6, 0.3), [], {"A": np.ones((1, 6)), "b": [1.0], "G": C, "h": np.full(
            4, 0.4)}, lambda cp, x: (-cp.sum(cp.entr(x)), [C @ x <= 0.4, cp.sum(x) == 1])),
        "log-optimal portfolio": (lambda x: -anp.sum(anp.log(anp.dot(S, x))), np.full(5, 0.2), [],
                                  {"A": np.ones((1, 5)), "b": [1.0], "lb": 0.0},
                                  lambda cp, x: (-cp.sum(cp.log(S @ x)), [cp.sum(x) == 1, x >= 0])),
        "geometric program": (lambda z: anp.logaddexp(anp.logaddexp(z[0] + z[1], z[1] - 2 * z[0]), z[2]), np.zeros(3),
                              [lambda z: anp.array([anp.logaddexp(-z[0] - z[2], z[1] - z[2]) - 0.5, z[2] - 1.0])],
                              {"lb": -2.0}, lambda cp, x: (cp.log_sum_exp(cp.hstack([x[0] + x[1], x[1] - 2 * x[0],
                                                                                      x[2]])),
                                                           [cp.log_sum_exp(cp.hstack([-x[0] - x[2], x[1] - x[2]]))
                                                            <= 0.5, x[2] <= 1, x >= -2])),
        "fourth powers": (lambda x: anp.sum((anp.dot(E, x) - e) ** 4), np.ones(5), [lambda x: anp.exp(x) - 1.2], {},
                          lambda cp, x: (cp.sum(cp.power(E @ x - e, 4)), [cp.exp(x) <= 1.2])),
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", cases())
def test_values_and_multipliers_are_those_of_cvxpy(name, method):
    cp = pytest.importorskip("cvxpy")
    f, x0, inequalities, rows, modelled = cases()[name]
    solution = ck.minimize(f, x0, inequalities=inequalities, method=method, **rows)
    assert_optimal(solution, f, inequalities, **rows)
    x = cp.Variable(x0.size)
    objective, constraints = modelled(cp, x)
    reference = cp.Problem(cp.Minimize(objective), constraints)
    reference.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    assert solution.value == pytest.approx(reference.value, rel=1e-6, abs=1e-7)
    np.testing.assert_allclose(solution.x, x.value, atol=2e-4)
    theirs = [np.atleast_1d(c.dual_value) for c in constraints]
    ours = {"logistic in a ball": [solution.lam], "entropy with rows": [solution.lam, solution.nu],
            "log-optimal portfolio": [solution.nu, solution.lam_lb],
            "geometric program": [solution.lam[:1], solution.lam[1:2], solution.lam_lb],
            "fourth powers": [solution.lam]}.get(name, [])
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other.ravel(), atol=2e-4 * (1 + abs(other).max()))


# --- Many variables ---

def test_thousands_of_variables_need_products_only():
    n = 4000
    weights = np.linspace(1.0, 2.0, n)
    solution = ck.minimize(lambda x: (weights * x * anp.log(x)).sum(), np.full(n, 1.0 / n), A=np.ones((1, n)), b=[1.0])
    assert solution.success
    assert "conjugate gradient" in solution.message
    # wᵢ(1 + log xᵢ) + ν = 0
    np.testing.assert_allclose(weights * (1 + np.log(solution.x)), -solution.nu[0], rtol=1e-5)


def test_sparse_rows_are_taken():
    G = sp.csr_array(-np.eye(4))
    for method in METHODS:
        solution = ck.minimize(lambda x: anp.sum(anp.exp(x)), np.zeros(4), G=G, h=-np.arange(4.0), method=method)
        np.testing.assert_allclose(solution.x, np.arange(4.0), atol=1e-6)
        np.testing.assert_allclose(solution.lam, np.exp(np.arange(4.0)), rtol=1e-5)


# --- What a problem may be like ---

def test_redundant_and_fixed_variables_are_ordinary():
    A, b = np.array([[1.0, 1, 1], [2, 2, 2], [0, 0, 0]]), np.array([1.0, 2, 0])
    solution = ck.minimize(entropy, np.full(3, 0.2), A=A, b=b, lb=[0, 0, 0.5], ub=[np.inf, np.inf, 0.5])
    np.testing.assert_allclose(solution.x, [0.25, 0.25, 0.5], atol=1e-7)
    slope = 1 + np.log(solution.x) + A.T @ solution.nu - solution.lam_lb + solution.lam_ub
    np.testing.assert_allclose(slope, 0, atol=1e-6)


def test_equalities_without_a_common_point_are_infeasible_with_a_proof():
    A, b = np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([1.0, 3.0])
    solution = ck.minimize(lambda x: x @ x, np.zeros(2), A=A, b=b)
    assert solution.status is Status.INFEASIBLE
    np.testing.assert_allclose(A.T @ solution.nu, 0, atol=1e-12)
    assert b @ solution.nu < 0, "the sum nuᵀ(Ax - b) = -nuᵀb is positive at every x"
    assert np.isnan(solution.x).all()


@pytest.mark.parametrize("method", METHODS)
def test_inequalities_without_a_common_point_are_infeasible_with_a_proof(method):
    def g(x):
        return anp.array([anp.exp(x[0]) - 1.0, x[1] ** 2 - x[0] + 1.0])

    solution = ck.minimize(lambda x: x @ x, np.zeros(2), inequalities=[g], method=method)
    assert solution.status is Status.INFEASIBLE, solution.message
    lam = solution.lam
    assert (lam >= 0).all()
    lowest = ck.minimize(lambda x: anp.dot(lam, g(x)), np.zeros(2))
    assert lowest.success
    assert lowest.value > 0
    unattained = ck.minimize(lambda x: x @ x, np.zeros(2), inequalities=[lambda x: anp.exp(x[0]) + x[1] ** 2 + 0.1],
                             method=method)
    assert unattained.status is Status.INFEASIBLE, unattained.message


@pytest.mark.parametrize(("f", "rows"), [
    (lambda x: -x[0], {}), (lambda x: -anp.log(x[0]), {}), (lambda x: -x[0], {"lb": 0.0}),
    (lambda x: anp.exp(x[1]) - x[0], {"G": [[0.0, -1.0]], "h": [3.0]}),
])
def test_what_falls_without_end_is_unbounded(f, rows):
    solution = ck.minimize(f, np.ones(2), **rows)
    assert solution.status is Status.UNBOUNDED, solution.message
    assert solution.value == solution.dual_value == -np.inf


def test_a_fall_without_a_feasible_point_is_infeasible_and_not_unbounded():
    # x₁ + x₂ falls along x₂; x₁ ≥ 1 and x₁ ≤ -1 contradict each other by 2 wherever x₂ is.
    solution = ck.minimize(lambda x: x.sum(), np.ones(2), inequalities=[lambda x: -anp.log(x[0]), lambda x: x[0] + 1])
    assert solution.status is Status.INFEASIBLE, solution.message
    lam = solution.lam
    lowest = ck.minimize(lambda x: -lam[0] * anp.log(x[0]) + lam[1] * (x[0] + 1), np.ones(2))
    assert lowest.value > 0


def test_a_fall_from_a_start_that_is_not_feasible_is_still_unbounded():
    solution = ck.minimize(lambda x: x.sum(), np.ones(2), G=[[1.0, 0.0]], h=[-5.0])
    assert solution.status is Status.UNBOUNDED, solution.message


DOMAIN_ALONE = {
    "a row": (lambda x: -anp.log(x).sum(), {"G": [[1.0, 0.0]], "h": [-1.0]}),
    "the edge": (lambda x: -anp.log(x).sum(), {"G": [[1.0, 0.0]], "h": [0.0]}),
    "an equality": (lambda x: -anp.log(x).sum(), {"A": [[1.0, 1.0]], "b": [-1.0]}),
    "a function": (entropy, {"inequalities": [lambda x: x.sum() + 1]}),
    "bounds": (lambda x: -anp.sqrt(x).sum(), {"ub": -1.0}),
}


@pytest.mark.parametrize("name", DOMAIN_ALONE)
def test_constraints_that_only_the_domain_contradicts_are_named_and_once_it_is_stated_proved(name):
    f, options = DOMAIN_ALONE[name]
    silent = ck.minimize(f, np.ones(2), **options)
    assert silent.status in (Status.NUMERICAL_ERROR, Status.ITERATION_LIMIT)
    assert "outside the domain" in silent.message
    if name not in ("the edge", "bounds"):  # x ≥ 0 and x ≤ 0 have a point in common; lb > ub is the caller's mistake
        assert ck.minimize(f, np.ones(2), lb=0.0, **options).status is Status.INFEASIBLE


def test_an_infimum_that_is_not_attained_is_approached():
    solution = ck.minimize(lambda x: anp.exp(-x[0]), np.zeros(1))
    assert solution.success
    assert 0 < solution.value < 1e-8
    assert solution.x[0] > 15


def test_the_domain_is_respected_from_its_edge():
    def f(x):
        return -anp.log(x[0]) - anp.log(1 - x[0]) + 100 * x[0]

    solution = ck.minimize(f, np.array([1 - 1e-6]))
    exact = brentq(lambda x: -1 / x + 1 / (1 - x) + 100, 1e-6, 0.5, xtol=1e-15)
    assert solution.success
    assert solution.value == pytest.approx(f([exact]), rel=1e-8)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_units_of_the_objective_do_not_matter(scale):
    plain = ck.minimize(entropy, np.full(3, 0.3), A=np.ones((1, 3)), b=[1.0], G=[[0.0, 1.0, 2.0]], h=[0.5])
    scaled = ck.minimize(lambda x: scale * entropy(x), np.full(3, 0.3), A=np.ones((1, 3)), b=[1.0],
                         G=[[0.0, 1.0, 2.0]], h=[0.5])
    assert scaled.success
    np.testing.assert_allclose(scaled.x, plain.x, atol=1e-6)
    np.testing.assert_allclose(scaled.lam, scale * plain.lam, rtol=1e-4)


@pytest.mark.parametrize("start", [[0.0, 50.0], [-5.0, 50.0], [0.0, 99.0], [0.0, 1e-3], [2.0, 50.0]])
def test_a_row_whose_slope_at_the_start_misleads_is_taken_in_new_units(start):
    # minimise exp(-x) subject to x² ≤ y/100, y ≤ 100: x = 1, y = 100; 2λ = exp(-1), and y's bound costs λ/100.
    records = []
    solution = ck.minimize(lambda v: anp.exp(-v[0]), start, inequalities=[ck.Quadratic(np.diag([2.0, 0]), [0, -0.01])],
                           ub=[np.inf, 100.0], callback=records.append)
    assert solution.success, solution.message
    assert solution.nit <= 40
    assert solution.value == pytest.approx(np.exp(-1), abs=1e-7)
    np.testing.assert_allclose(solution.x, [1.0, 100.0], rtol=1e-4)
    np.testing.assert_allclose(solution.lam, np.exp(-1) / 2, rtol=1e-4)
    np.testing.assert_allclose(solution.lam_ub, [0.0, np.exp(-1) / 200], atol=1e-6)
    numbers = [record.iteration for record in records]
    assert numbers == sorted(numbers)
    assert numbers[-1] == solution.nit


def log_sum_exp(x):
    return anp.log(anp.sum(anp.exp(5 * x))) / 5


def test_a_function_that_is_flat_at_the_start_is_minimised():
    # All but one exponential have died away: slope (1, 0, 0), and no curvature to speak of.
    solution = ck.minimize(log_sum_exp, [3.0, -2.0, 1.0], A=[[1.0, 2.0, 3.0]], b=[6.0])
    # Stationarity: the weights of the softmax are in the ratio 1 : 2 : 3.
    assert_optimal(solution, log_sum_exp, A=[[1.0, 2.0, 3.0]], b=[6.0])
    x = np.log([1.0, 2.0, 3.0]) / 5
    np.testing.assert_allclose(solution.x, x + (6 - x @ [1, 2, 3]) / 6, atol=1e-6)


@pytest.mark.parametrize("curvature", [0.0, 1.0])
@pytest.mark.parametrize("start", [[3.0, -2.0, 1.0], [30.0, -20.0, 1.0], [-9.0, 4.0, 20.0]])
def test_rows_that_are_flat_at_the_start_do_not_matter(curvature, start):
    f = ck.Quadratic(np.diag([curvature, 0, 0]), [1.0 - curvature, 1.0, 1.0])
    rows = [lambda x: log_sum_exp(-x) - 2, lambda x: log_sum_exp(x) - 3]
    solution = ck.minimize(f, start, inequalities=rows, A=[[1.0, 2.0, 3.0]], b=[6.0])
    assert_optimal(solution, lambda x: 0.5 * curvature * x[0]**2 + f.q @ x, rows, A=[[1.0, 2.0, 3.0]], b=[6.0])


def test_a_second_derivative_that_is_zero_at_the_start_is_no_obstacle():
    rng = np.random.default_rng(45)
    A, b = rng.standard_normal((16, 8)), 3 * rng.standard_normal(16)

    def huber(x):
        r = A @ x - b
        return anp.where(anp.abs(r) <= 2, r**2, 2 * (2 * anp.abs(r) - 2)).sum()

    solution = ck.minimize(huber, np.zeros(8))
    assert solution.success, solution.message
    np.testing.assert_allclose(A.T @ np.clip(2 * (A @ solution.x - b), -4, 4), np.zeros(8), atol=1e-6)


def test_an_entropy_with_a_share_of_e_to_the_minus_50_is_not_called_unbounded():
    cost = np.array([0.0, 5.0, 50.0])
    solution = ck.minimize(lambda x: entropy(x) + cost @ x, np.full(3, 1 / 3), A=np.ones((1, 3)), b=[1.0])
    assert solution.success, solution.message
    np.testing.assert_allclose(solution.x, np.exp(-cost) / np.exp(-cost).sum(), rtol=1e-6)


@pytest.mark.parametrize("sharpness", [1.0, 5.0, 20.0, 50.0])
@pytest.mark.parametrize("limits", [{}, {"A": np.ones((1, 4)), "b": [1.0]}, {"lb": -1.0, "ub": 1.0}])
def test_a_smoothed_maximum_lies_above_the_maximum_by_at_most_log_m(sharpness, limits):
    # Exercise 5.7: min max(Ax + b) ≤ min 1/g log Σ exp(g(Ax + b)) ≤ min max(Ax + b) + log(m)/g; for large g, f has
    # kinks but for rounding.
    rng = np.random.default_rng(57)
    A, b = rng.standard_normal((15, 4)), rng.standard_normal(15)
    linear = {"A": np.ones((1, 5)) * [1, 1, 1, 1, 0], "b": [1.0]} if "A" in limits else {
        name: np.r_[np.full(4, value), np.sign(value) * np.inf] for name, value in limits.items()}
    exact = ck.solve(ck.lp([0.0, 0, 0, 0, 1], np.c_[A, -np.ones(15)], -b, **linear)).require_optimal()
    for start in (np.zeros(4), np.array([3.0, -2, 1, 0])):
        smooth = ck.minimize(lambda x: anp.log(anp.exp(sharpness * (A @ x + b)).sum()) / sharpness, start, **limits)
        assert smooth.success, smooth.message
        assert exact.value - 1e-7 <= smooth.value <= exact.value + np.log(15) / sharpness + 1e-7


def test_a_geometric_program_that_falls_without_end_says_so():
    solution = ck.minimize(lambda y: y[0], np.zeros(2), inequalities=[lambda y: anp.logaddexp(y[0], y[1])])
    assert solution.status is Status.UNBOUNDED
    assert solution.value == -np.inf


def test_limits_return_the_best_point_and_say_so():
    records = []
    stopped = ck.minimize(lambda x: anp.sum(anp.exp(x) - x), np.full(3, 5.0), maxiter=2, callback=records.append)
    assert stopped.status is Status.ITERATION_LIMIT
    assert np.isfinite(stopped.x).all()
    assert [record.iteration for record in records] == [0, 1, 2]
    late = ck.minimize(entropy, np.full(3, 0.3), A=np.ones((1, 3)), b=[1.0], lb=0.1, time_limit=1e-9)
    assert late.status is Status.TIME_LIMIT


@pytest.mark.parametrize("method", METHODS)
def test_a_function_that_is_not_convex_is_named(method):
    with pytest.raises(ck.NotConvexError, match="not convex"):
        ck.minimize(lambda x: anp.cos(x[0]) + x[1] ** 2, np.array([0.1, 1.0]), method=method)
    if method == "dense":
        with pytest.raises(ck.NotConvexError, match=r"inequalities\[1\], component 1,"):
            ck.minimize(lambda x: x[0], np.array([0.3, 0.1]), inequalities=[
                lambda x: x @ x - 4, lambda x: anp.array([x[0] - 9, -5 * x[0] ** 2 + 0.1 * x[1] - 1.0])])


@pytest.mark.parametrize(("call", "words"), [
    (lambda: ck.minimize(lambda x: -anp.log(x[0]), [-1.0]), "f is nan at x0"),
    (lambda: ck.minimize(lambda x: x[0], [1.0], inequalities=[lambda x: anp.log(x - 1.0)]),
     r"inequalities\[0\] is -inf"),
    (lambda: ck.minimize(lambda x: float(np.linalg.norm(x)), [1.0, 1.0]), "autograd.numpy"),
    (lambda: ck.minimize(lambda x: x, [1.0, 1.0]), "f must return a scalar; it returned 2"),
    (lambda: ck.minimize(lambda x: anp.outer(x, x), [1.0, 1.0]), "f: f must return a scalar or a vector"),
    (lambda: ck.minimize(3.0, [1.0]), "f must be a callable"),
    (lambda: ck.minimize(lambda x: x[0], [np.nan]), "x0 has 1 entries that are not finite"),
    (lambda: ck.minimize(lambda x: x[0], [1.0], inequalities=lambda x: x[0]), "must be a sequence"),
    (lambda: ck.minimize(ck.Quadratic(np.eye(3)), [1.0]), "f has 3 variables; x0 has 1"),
    (lambda: ck.minimize(lambda x: x[0], [1.0], G=[[1.0]]), "G was given without h"),
    (lambda: ck.minimize(lambda x: x[0], [1.0], G=[[1.0]], h=[np.nan]), "NaN"),
    (lambda: ck.minimize(lambda x: x[0], [1.0], lb=2.0, ub=1.0), "exceeds"),
    (lambda: ck.minimize(lambda x: x[0], [1.0], method="newton"), "method = 'newton'"),
    (lambda: ck.minimize(lambda x: x[0], [1.0], tol=1.0), "tol"),
    (lambda: ck.minimize(lambda x: x[0], [1.0], callback=3), "callback must be callable"),
])
def test_a_mistake_is_named(call, words):
    with pytest.raises(ck.ProblemError, match=words):
        call()


def test_a_function_whose_length_changes_is_refused():
    lengths = iter([2, 2, 3, 3, 3, 3])
    with pytest.raises(ck.ProblemError, match="returned 3 values at one point and 2 at another"):
        ck.minimize(lambda x: x @ x, np.ones(2), inequalities=[lambda x: anp.ones(next(lengths)) * x[0] - 5.0])
