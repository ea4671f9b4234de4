"""One quadratic constraint, the S-lemma, two-valued variables: against the book, enumeration, semidefinite programs."""

import numpy as np
import pytest

import convexkit as ck

INF = np.inf


def symmetric(rng, n):
    A = rng.standard_normal((n, n))
    return (A + A.T) / 2


KINDS = {
    "indefinite": symmetric,
    "definite": lambda rng, n: (lambda A: A @ A.T)(rng.standard_normal((n, n))),
    "negative": lambda rng, n: -(lambda A: A @ A.T)(rng.standard_normal((n, n))),
    "singular": lambda rng, n: (lambda F: F.T @ F)(rng.standard_normal((max(n - 1, 0), n))),
    "zero": lambda rng, n: np.zeros((n, n)),
    "signs": lambda rng, n: np.diag(rng.integers(-1, 2, n).astype(float)),
}


def feasible_points(f1, lower, upper, rng, count=100):
    """Points with lower ≤ f₁ ≤ upper: where random lines meet the limits, and what is inside by chance."""
    points = []
    for _ in range(count):
        x, d = rng.standard_normal(f1.n) * 10 ** rng.uniform(-1, 1.5), rng.standard_normal(f1.n)
        points.append(x)
        for limit in (lower, upper):
            if np.isfinite(limit):
                roots = np.roots([0.5 * d @ f1.hessp(d), f1.gradient(x) @ d, f1(x) - limit])
                points += [x + t.real * d for t in roots if abs(t.imag) < 1e-12]
    X = np.array(points)
    values = 0.5 * np.einsum("ij,ij->i", X @ f1.hessian(), X) + X @ f1.q + f1.r
    room = 1e-10 * (1 + (X**2).sum(axis=1))
    return X[(values <= upper + room) & (values >= lower - room)]


# ---------------------------------------------------------------- the global minimum


@pytest.mark.parametrize("limits", [(-INF, 0.0), (0.0, 0.0), (-1.0, 1.0), (0.0, INF)])
@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_no_feasible_point_is_below_a_proven_minimum(first, second, limits):
    rng = np.random.default_rng(list(KINDS).index(first) * 7 + list(KINDS).index(second))
    for n in (1, 3):
        f0 = ck.Quadratic(KINDS[first](rng, n), rng.standard_normal(n), 0.3)
        f1 = ck.Quadratic(KINDS[second](rng, n), rng.standard_normal(n), rng.standard_normal())
        found = ck.minimize_quadratic(f0, f1, lower=limits[0], upper=limits[1])
        points = feasible_points(f1, *limits, rng)
        if found.status == "infeasible":
            assert len(points) == 0
            assert found.verify(f0, f1)
            continue
        best = min((f0(x) for x in points), default=INF)
        if found.status != "numerical_error":
            assert best >= found.dual_value - 1e-5 * (1 + abs(found.value))
        if found.status == "optimal":
            assert best >= found.value - 1e-6 * (1 + abs(found.value))
        if found.status == "optimal":
            assert found.verify(f0, f1)
            assert found.gap <= 1e-7 * (1 + abs(found.value))
        elif found.status == "unbounded" and np.isfinite(found.x).all():
            assert f0(found.x) < -1e5
            assert limits[0] - 1e-6 <= f1(found.x) <= limits[1] + 1e-6


def test_trust_region_problem_of_section_5_2_4():
    A, b = np.array([[2.0, 1, 0], [1, -3, 1], [0, 1, 1]]), np.array([1.0, 1, -2])
    f0, disc = ck.Quadratic(2 * A, 2 * b), ck.Quadratic(2 * np.eye(3), None, -1.0)
    found = ck.minimize_quadratic(f0, disc)
    assert found.value == pytest.approx(-6.6007681, abs=1e-7)
    assert found.lam == pytest.approx(4.7127239, abs=1e-6)
    assert ck.Lagrangian(ck.QCQP(f0, [disc])).dual_function([found.lam]) == pytest.approx(found.value, abs=1e-9)
    step = ck.trust_region_step(f0, radius=1.0)
    np.testing.assert_allclose(found.x, step.p, atol=1e-9)


def test_source_localisation_of_additional_exercise_5_4():
    y = np.array([[1.8, 2.5], [2.0, 1.7], [1.5, 1.5], [1.5, 2.0], [2.5, 1.5]])
    d = np.array([2.00, 1.24, 0.59, 1.31, 1.44])
    M, c = np.c_[-2 * y, np.ones(5)], np.sum(y**2, axis=1) - d**2
    f0, f1 = ck.Quadratic(2 * M.T @ M, 2 * M.T @ c, c @ c), ck.Quadratic(np.diag([2.0, 2, 0]), [0.0, 0, -1])
    found = ck.minimize_quadratic(f0, f1, lower=0.0)
    np.testing.assert_allclose(found.x[:2], [1.32689, 0.644579], atol=1e-5)
    assert found.lam == pytest.approx(0.58960919, abs=1e-6)
    assert found.value == pytest.approx(0.30720405, abs=1e-7)
    assert found.verify(f0, f1)


@pytest.mark.parametrize("seed", range(10))
def test_one_constraint_agrees_with_the_trust_region_step(seed):
    rng = np.random.default_rng(seed)
    n = 6
    P, q, radius = symmetric(rng, n), rng.standard_normal(n), rng.uniform(0.5, 2)
    F = rng.standard_normal((n, n))
    H = F @ F.T + np.eye(n)
    found = ck.minimize_quadratic(ck.Quadratic(P, q), ck.Quadratic(H, None, -0.5 * radius**2))
    step = ck.trust_region_step(ck.Quadratic(P, q), radius=radius, metric=H)
    assert found.value == pytest.approx(step.value, rel=1e-9)
    assert found.lam == pytest.approx(step.lam, rel=1e-7)


@pytest.mark.parametrize("nearness", [0.0, 1e-14, 1e-10, 1e-6, 1e-3])
def test_the_neighbourhood_of_the_hard_case_keeps_its_digits(nearness):
    # Lowest eigenvalue -2 twice; the slope all but misses that eigenspace.
    f0 = ck.Quadratic(np.diag([-2.0, -2.0, 1.0]), [nearness, 0.0, 3.0])
    found = ck.minimize_quadratic(f0, ck.Quadratic(np.eye(3), None, -2.0))
    # At lam = 2: x₃ = -1, and x₁² + x₂² = 3; the value is -3 + ½ - 3, less nearness·√3 to first order.
    assert found.value == pytest.approx(-5.5 - np.sqrt(3) * nearness, abs=1e-9 + nearness**2)
    assert found.lam == pytest.approx(2.0 + nearness / np.sqrt(3), abs=1e-9 + nearness**2)
    assert found.x @ found.x == pytest.approx(4.0, abs=1e-12)


def test_a_constraint_that_is_a_saddle_is_minimised_over_all_of_it():
    # minimise x² + y² where xy ≥ 1: 2, at (1, 1); the pencil is definite between -1 and 1, and lam is at its end.
    found = ck.minimize_quadratic(ck.Quadratic(2 * np.eye(2)), ck.Quadratic([[0.0, -1.0], [-1.0, 0.0]], None, 1.0))
    assert (found.value, found.lam, found.hard_case) == (pytest.approx(2.0), pytest.approx(2.0), True)
    np.testing.assert_allclose(np.abs(found.x), [1.0, 1.0], atol=1e-9)


def test_an_infimum_that_is_not_attained_is_told_apart():
    # minimise x² where xy ≥ 1: 0 is approached with y → ∞.
    f0, f1 = ck.Quadratic(np.diag([2.0, 0.0])), ck.Quadratic([[0.0, -1.0], [-1.0, 0.0]], None, 1.0)
    found = ck.minimize_quadratic(f0, f1)
    assert found.status == "optimal_inaccurate"
    assert found.value == pytest.approx(0.0, abs=1e-12)
    assert "not attained" in found.message
    assert not found.verify(f0, f1)


def test_a_constraint_without_interior_has_an_answer_without_a_multiplier():
    # x² ≤ 0 leaves x = 0; minimise -x² + x + y²
    found = ck.minimize_quadratic(ck.Quadratic(np.diag([-2.0, 2.0]), [1.0, 0.0]), ck.Quadratic(np.diag([2.0, 0.0])))
    assert found.status == "optimal_inaccurate"
    assert found.lam == INF
    assert found.value == pytest.approx(0.0, abs=1e-12)
    # ... and where the objective's own minimum lies on it, zero is a multiplier.
    own = ck.minimize_quadratic(ck.Quadratic(np.diag([2.0, 2.0])), ck.Quadratic(np.diag([2.0, 0.0])))
    assert (own.status, own.lam) == ("optimal", 0.0)
    # ... and may fall without end along it.
    falls = ck.minimize_quadratic(ck.Quadratic(None, [0.0, 1.0]), ck.Quadratic(np.diag([2.0, 0.0])))
    assert falls.status == "unbounded"
    assert falls.x[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("digits", "statuses"), [(4, {"optimal"}), (10, {"optimal_inaccurate", "numerical_error"}),
                                                  (12, {"optimal_inaccurate", "numerical_error"})])
def test_thin_ellipsoids_are_solved_or_admitted_not_to_be(digits, statuses):
    # Axes that differ by 10^(digits/2): x grows as large, and rounding with it.
    rng = np.random.default_rng(0)
    n = 60
    A, Q = symmetric(rng, n), np.linalg.qr(rng.standard_normal((n, n)))[0]
    P = (Q * np.logspace(0, -digits, n)) @ Q.T
    f0, f1 = ck.Quadratic(A, rng.standard_normal(n)), ck.Quadratic((P + P.T) / 2, rng.standard_normal(n), -1.0)
    found = ck.minimize_quadratic(f0, f1)
    assert found.status.value in statuses
    assert found.verify(f0, f1) == found.success
    if not found.success:
        assert "conditioned" in found.message


def test_affine_objectives_and_constraints_are_ordinary_inputs():
    line = ck.Quadratic(None, [1.0, 0.0], -1.0)
    assert ck.minimize_quadratic(ck.Quadratic(None, [-2.0, 0.0]), line).value == pytest.approx(-2.0)
    assert ck.minimize_quadratic(ck.Quadratic(None, [2.0, 0.0]), line).status == "unbounded"
    assert ck.minimize_quadratic(ck.Quadratic(None, [0.0, 1.0]), line).status == "unbounded"
    assert ck.minimize_quadratic(ck.Quadratic(2 * np.eye(2)), line, lower=0.0).value == pytest.approx(1.0)
    constant = ck.Quadratic(None, [0.0, 0.0], -1.0)
    assert ck.minimize_quadratic(ck.Quadratic(2 * np.eye(2)), constant).value == pytest.approx(0.0)
    never = ck.Quadratic(None, [0.0, 0.0], 1.0)
    assert ck.minimize_quadratic(ck.Quadratic(2 * np.eye(2)), never).status == "infeasible"


@pytest.mark.parametrize(("arguments", "words"), [
    ((ck.Quadratic(np.eye(2)), ck.Quadratic(np.eye(3))), "constraint has 3 variables; the objective has 2"),
    ((ck.Quadratic(np.eye(2)), np.eye(2)), "constraint must be a Quadratic; got ndarray"),
])
def test_wrong_quadratics_are_named(arguments, words):
    with pytest.raises(ck.ProblemError, match=words):
        ck.minimize_quadratic(*arguments)


@pytest.mark.parametrize(("lower", "upper", "words"), [(1.0, 0.0, "leave no value"), (-INF, INF, "no constraint"),
                                                       (np.nan, 0.0, "leave no value")])
def test_wrong_limits_are_refused(lower, upper, words):
    f = ck.Quadratic(np.eye(2))
    with pytest.raises(ck.ProblemError, match=words):
        ck.minimize_quadratic(f, f, lower=lower, upper=upper)


def test_stationary_points_of_exercise_5_29():
    f0 = ck.Quadratic(np.diag([-6.0, 2.0, 4.0]), [2.0, 2.0, 2.0])
    sphere = ck.Quadratic(2 * np.eye(3), None, -1.0)
    points = ck.stationary_points(f0, sphere)
    np.testing.assert_allclose([p.lam for p in points], [-3.14929, 0.223509, 1.891899, 4.035226], atol=1e-5)
    np.testing.assert_allclose([p.value for p in points], [4.647283, -1.130403, -1.592192, -5.365493], atol=1e-5)
    for p in points:
        np.testing.assert_allclose(f0.gradient(p.x) + p.lam * sphere.gradient(p.x), 0.0, atol=1e-9)
        assert sphere(p.x) == pytest.approx(0.0, abs=1e-10)
    found = ck.minimize_quadratic(f0, sphere, lower=0.0)
    assert (found.value, found.lam) == (pytest.approx(points[-1].value), pytest.approx(points[-1].lam))


@pytest.mark.parametrize("seed", range(5))
def test_the_global_minimum_is_among_the_stationary_points(seed):
    rng = np.random.default_rng(seed)
    f0 = ck.Quadratic(symmetric(rng, 4), rng.standard_normal(4))
    f1 = ck.Quadratic(np.eye(4), rng.standard_normal(4), -2.0)
    values = [p.value for p in ck.stationary_points(f0, f1)]
    assert ck.minimize_quadratic(f0, f1, lower=0.0).value == pytest.approx(min(values), rel=1e-8)


# ---------------------------------------------------------------- the S-lemma


@pytest.mark.parametrize("seed", range(60))
def test_an_implication_has_a_multiplier_or_a_counterexample(seed):
    rng = np.random.default_rng(seed)
    n, kinds = int(rng.integers(1, 5)), list(KINDS.values())
    f1 = ck.Quadratic(kinds[seed % 6](rng, n), rng.standard_normal(n), rng.standard_normal())
    f0 = ck.Quadratic(kinds[seed // 6 % 6](rng, n), rng.standard_normal(n), rng.standard_normal() - 1.0)
    answer = ck.s_lemma(f0, f1)
    assert answer.holds is not None
    assert answer.verify(f0, f1)
    # Built to hold: f₀ = lam·f₁ - (a square).
    lam, A, x0 = rng.exponential(), rng.standard_normal((n, n)), rng.standard_normal(n)
    P = A @ A.T
    implied = ck.Quadratic(lam * f1.hessian() - P, lam * f1.q + P @ x0, lam * f1.r - 0.5 * x0 @ P @ x0 - 0.1)
    answer = ck.s_lemma(implied, f1)
    assert answer.holds
    assert answer.verify(implied, f1)


def test_the_s_lemma_needs_an_interior_and_says_so():
    # x² ≤ 0 implies x ≤ 0, but x ≤ lam·x² for no lam.
    answer = ck.s_lemma(ck.Quadratic(None, [1.0]), ck.Quadratic([[2.0]]))
    assert answer.holds is None
    assert "no multiplier" in answer.message
    assert not answer.verify(ck.Quadratic(None, [1.0]), ck.Quadratic([[2.0]]))
    with pytest.raises(ck.ProblemError, match="f1 must be a Quadratic; got list"):
        ck.s_lemma(ck.Quadratic([[2.0]]), [1.0])


# ---------------------------------------------------------------- two-valued variables


def partition(n=10, seed=539):
    W = np.random.default_rng(seed).standard_normal((n, n))
    return (W + W.T) / 2


def all_values(f, levels):
    codes = np.arange(2**f.n)[:, None] >> np.arange(f.n) & 1
    X = np.where(codes == 1, levels[1], levels[0])
    return 0.5 * np.einsum("ij,ij->i", X @ f.hessian(), X) + X @ f.q + f.r


def test_two_way_partitioning_of_exercise_5_39():
    found = ck.minimize_binary(ck.Quadratic(2 * partition()), rng=np.random.default_rng(0))
    assert found.value == pytest.approx(-26.413418, abs=1e-6)
    assert found.bound == pytest.approx(-29.251701, abs=1e-6)
    assert found.eigenvalue_bound == pytest.approx(-34.265814, abs=1e-6)
    assert found.gap == pytest.approx(2.838283, abs=1e-5)
    assert found.exact
    assert found.success
    assert "gap" in found.message


@pytest.mark.parametrize("levels", [(-1.0, 1.0), (0.0, 1.0), (2.0, 5.0)])
@pytest.mark.parametrize("seed", range(4))
def test_bounds_hold_and_multipliers_prove_them(seed, levels):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 8))
    f = ck.Quadratic(symmetric(rng, n), rng.standard_normal(n), 0.7)
    values = all_values(f, levels)
    found = ck.minimize_binary(f, rng=rng, levels=levels)
    assert found.value == pytest.approx(values.min(), abs=1e-12)
    assert set(found.x) <= set(levels)
    assert found.eigenvalue_bound - 1e-9 <= found.bound <= values.min() + 1e-12
    # The multipliers alone give the bound: a quadratic that agrees with f on the levels, minimised everywhere.
    a, b = levels
    ring = ck.Quadratic(2 * np.diag(found.nu), -(a + b) * found.nu, a * b * found.nu.sum())
    total = ck.weighted_sum([1.0, 1.0], [f, ring])
    proven = ck.Lagrangian(ck.QCQP(total)).dual_function()
    assert proven == pytest.approx(found.bound, rel=1e-4, abs=1e-4)
    # Without trying all points, rounding and flips find nearly as good a one.
    heuristic = ck.minimize_binary(f, rng=rng, levels=levels, enumerate_up_to=0)
    assert heuristic.value <= found.value + 1e-12


def test_a_problem_without_a_gap_is_known_to_be_solved_without_trying_all_points():
    # xᵀWx with W = -vvᵀ: the best point is sign(v), the bound -(Σ|vᵢ|)².
    v = np.random.default_rng(3).standard_normal(30)
    found = ck.minimize_binary(ck.Quadratic(-2 * np.outer(v, v)), rng=np.random.default_rng(0))
    assert found.value == pytest.approx(-np.abs(v).sum() ** 2)
    assert found.exact
    np.testing.assert_array_equal(found.x * found.x[0], np.sign(v) * np.sign(v[0]))


@pytest.mark.parametrize(("changes", "words"), [
    ({"rng": 0}, "rng must be a numpy.random.Generator; got int"),
    ({"levels": (1.0, 1.0)}, "the smaller first"), ({"levels": 1.0}, "levels must be two numbers"),
    ({"enumerate_up_to": 40}, "at most 24"), ({"trials": 0}, "trials must be an integer of at least 1"),
    ({"objective": np.eye(2)}, "objective must be a Quadratic"),
])
def test_wrong_arguments_of_minimize_binary_are_named(changes, words):
    arguments = {"objective": ck.Quadratic(np.eye(2)), "rng": np.random.default_rng(0), **changes}
    with pytest.raises(ck.ProblemError, match=words):
        ck.minimize_binary(arguments.pop("objective"), **arguments)


# ---------------------------------------------------------------- the semidefinite relaxation


def bridge():
    pytest.importorskip("cvxpy")
    from convexkit import cvxpy_bridge
    return cvxpy_bridge


@pytest.mark.parametrize("levels", [(-1.0, 1.0), (0.0, 1.0)])
def test_the_native_bound_is_that_of_the_semidefinite_program(levels):
    f = ck.Quadratic(2 * partition(8, 4), np.linspace(-1.0, 2.0, 8), 0.5)
    found = ck.minimize_binary(f, rng=np.random.default_rng(0), levels=levels)
    shor = bridge().shor_bound(ck.QCQP(f), levels=levels)
    assert shor.bound == pytest.approx(found.bound, abs=1e-5)
    assert shor.relaxed_value == pytest.approx(found.bound, abs=1e-5)
    assert shor.bound <= all_values(f, levels).min()


def test_shors_bound_of_a_problem_with_rows_is_below_every_feasible_point():
    rng = np.random.default_rng(2)
    f0 = ck.Quadratic(symmetric(rng, 3), rng.standard_normal(3))
    rows = [ck.Quadratic(np.eye(3), None, -2.0), ck.Quadratic(symmetric(rng, 3), rng.standard_normal(3), -1.0)]
    problem = ck.QCQP(f0, rows, G=[[1.0, 1.0, 1.0]], h=[1.5], A=[[1.0, -1.0, 0.0]], b=[0.2], lb=-1.5, ub=1.5)
    found = bridge().shor_bound(problem)
    assert np.isfinite(found.bound)
    assert found.bound == pytest.approx(found.relaxed_value, abs=1e-3)
    X = rng.uniform(-1.5, 1.5, (20000, 3))
    X[:, 1] = X[:, 0] - 0.2
    good = [x for x in X if problem.inequality_values(x).max() <= 0 and abs(x[1]) <= 1.5]
    assert good
    assert min(f0(x) for x in good) >= found.bound


def test_a_relaxation_without_a_bound_says_so():
    with pytest.raises(ck.NotSolvedError, match="unbounded"):
        bridge().shor_bound(ck.QCQP(ck.Quadratic([[-1.0]])))
    with pytest.raises(ck.ProblemError, match="1 cones"):
        bridge().shor_bound(ck.socp([1.0, 0.0], [ck.SecondOrderCone(np.eye(2), d=1.0)]))
    with pytest.raises(ck.ProblemError, match="problem must be a QCQP"):
        bridge().shor_bound(ck.Quadratic([[1.0]]))
