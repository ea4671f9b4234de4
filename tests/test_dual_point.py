"""The dual function at a point: value, minimiser, supergradient, Hessian, and why it is -inf where it is."""

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from benchmarks import dual_function
from convexkit.quadratic import minimise

from .gallery import disc, random_qcqp, single_variable

# ---------------------------------------------------------------- weak duality


def _with_a_feasible_point(rng, *, convex):
    """A small problem with rows of every kind that hold at x, and x."""
    n = int(rng.integers(1, 4))
    x = rng.standard_normal(n)

    def curvature():
        F = rng.standard_normal((int(rng.integers(0, n + 1)), n))
        P = F.T @ F
        return P if convex else P - rng.exponential(1.0) * np.eye(n) * (rng.random() < 0.6)

    def row(slack):
        f = ck.Quadratic(curvature(), rng.standard_normal(n))
        return ck.Quadratic(f.P, f.q, -f(x) - slack)

    def slack():
        return rng.exponential(1.0) * (rng.random() < 0.6)

    rows = [row(slack()) for _ in range(rng.integers(0, 3))]
    ball = ck.Quadratic(2 * np.eye(n), np.zeros(n), -float(x @ x) - slack())
    linear, equal = int(rng.integers(0, 3)), int(rng.integers(0, 2))
    G, A = rng.standard_normal((linear, n)), rng.standard_normal((equal, n))
    h = G @ x + rng.exponential(1.0, linear) * (rng.random(linear) < 0.6)
    h[rng.random(linear) < 0.1] = np.inf
    bounded = rng.random(n)
    lb = np.where(bounded < 0.4, x - rng.exponential(1.0, n) * (rng.random(n) < 0.6), -np.inf)
    ub = np.where((bounded > 0.2) & (bounded < 0.6), x + rng.exponential(1.0, n) * (rng.random(n) < 0.6), np.inf)
    cones = []
    if rng.random() < 0.4:
        B, c = rng.standard_normal((2, n)), rng.standard_normal(n)
        b = rng.standard_normal(2)
        cones = [ck.SecondOrderCone(B, b, c, float(np.linalg.norm(B @ x + b) - c @ x) + slack())]
    problem = ck.QCQP(ck.Quadratic(curvature(), rng.standard_normal(n)), [ball, *rows], G=G, h=h, A=A, b=A @ x, lb=lb,
                      ub=ub, cones=cones)
    return problem, x


def _multipliers(problem, rng):
    lam = rng.exponential(1.0, problem.m) * (rng.random(problem.m) < 0.7)
    lam[len(problem.inequalities):][np.isinf(problem.h)] = 0.0
    z = []
    for cone in problem.cones:
        tail = rng.standard_normal(cone.size - 1)
        z.append(np.concatenate(([np.linalg.norm(tail) + rng.exponential(0.5)], tail)))
    return lam, rng.standard_normal(problem.p), z


@pytest.mark.parametrize("convex", [True, False])
def test_weak_duality_holds_in_ten_thousand_draws(convex):
    # 5000 for each: 500 problems, ten draws of multipliers; above is the least of f₀ at feasible points that we know.
    rng = np.random.default_rng(20 + convex)
    finite = 0
    for _ in range(500):
        problem, x = _with_a_feasible_point(rng, convex=convex)
        L = ck.Lagrangian(problem)
        above = problem.objective(x)
        for _ in range(10):
            lam, nu, z = _multipliers(problem, rng)
            bounds = () if rng.random() < 0.7 else tuple(
                rng.exponential(1.0, problem.n) * np.isfinite(limit) for limit in (problem.lb, problem.ub))
            value = L.dual_function(lam, nu, *bounds, lam_cones=z)
            assert value <= above + 1e-9 * (1.0 + abs(above)), (problem, x, lam, nu, bounds, z)
            finite += np.isfinite(value)
    assert finite > 2000


# ---------------------------------------------------------------- supergradient and Hessian


def _every_multiplier(problem, rng):
    lam, nu, z = _multipliers(problem, rng)
    return lam, nu, rng.random(problem.n), rng.random(problem.n), z


def _definite_problem(rng, structure):
    n, k = 5, 3
    def member(r):
        F = rng.standard_normal((n, n))
        q = rng.standard_normal(n)
        if structure == "dense":
            return ck.Quadratic(F.T @ F + np.eye(n), q, r)
        if structure == "sparse":
            return ck.Quadratic(sp.diags_array([np.full(n - 1, -0.5), np.full(n, 2.0 + rng.random()),
                                                np.full(n - 1, -0.5)], offsets=[-1, 0, 1]).tocsr(), q, r)
        if structure == "factored":
            return ck.Quadratic.from_factor(F[:2], diag=1.0 + rng.random(n), q=q, r=r)
        P = F.T @ F + np.eye(n)
        return ck.Quadratic(lambda v: P @ v, q, r)
    return ck.QCQP(member(0.5), [member(-1.0), member(-2.0)], G=rng.standard_normal((k, n)), h=rng.random(k),
                   A=rng.standard_normal((2, n)), b=rng.random(2), lb=-1.0 - rng.random(n), ub=1.0 + rng.random(n),
                   cones=[ck.SecondOrderCone(rng.standard_normal((2, n)), rng.random(2), rng.random(n), 1.0)])


@pytest.mark.parametrize("structure", ["dense", "sparse", "factored", "operator"])
def test_the_supergradient_is_that_of_central_differences_in_every_multiplier(structure):
    rng = np.random.default_rng(3)
    problem = _definite_problem(rng, structure)
    L = ck.Lagrangian(problem)
    lam, nu, lam_lb, lam_ub, (z,) = _every_multiplier(problem, rng)
    lam = lam + 0.1
    point = L.dual_point(lam, nu, lam_lb, lam_ub, [z])
    at = np.concatenate([lam, nu, lam_lb, lam_ub, z])
    ends = np.cumsum([lam.size, nu.size, lam_lb.size, lam_ub.size])

    def g(v):
        return L.dual_function(*np.split(v, ends)[:4], [v[ends[-1]:]])

    step = 1e-5
    differences = np.array([(g(at + step * e) - g(at - step * e)) / (2 * step) for e in np.eye(at.size)])
    found = np.concatenate([point.value_wrt_lam, point.value_wrt_nu, point.value_wrt_lam_lb, point.value_wrt_lam_ub,
                            point.value_wrt_cones[0]])
    np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(point.gradient, np.concatenate([point.value_wrt_lam, point.value_wrt_nu]))
    assert point.value == L.dual_function(lam, nu, lam_lb, lam_ub, [z])
    np.testing.assert_array_equal(point.x, L.minimizer(lam, nu, lam_lb, lam_ub, [z]))


@pytest.mark.parametrize("structure", ["dense", "sparse", "factored", "operator"])
@pytest.mark.parametrize("over_box", [False, True])
def test_the_hessian_is_that_of_the_gradient_s_differences(structure, over_box):
    rng = np.random.default_rng(4)
    problem = _definite_problem(rng, structure)
    problem.lb[:], problem.ub[:] = -rng.uniform(0.02, 0.6, 5), rng.uniform(0.02, 0.6, 5)
    L = ck.Lagrangian(problem)
    lam, nu, lam_lb, lam_ub, z = _every_multiplier(problem, rng)
    lam = lam + 0.1
    rest = (None, None, z) if over_box else (lam_lb, lam_ub, z)
    point = L.dual_point(lam, nu, *rest)
    if over_box:  # some variables at a bound, some not
        assert 0 < ((point.x > problem.lb) & (point.x < problem.ub)).sum() < problem.n
    at, m, step = np.concatenate([lam, nu]), problem.m, 1e-6
    H = np.array([(L.dual_point((at + step * e)[:m], (at + step * e)[m:], *rest).gradient
                   - L.dual_point((at - step * e)[:m], (at - step * e)[m:], *rest).gradient) / (2 * step)
                  for e in np.eye(at.size)])
    np.testing.assert_allclose(point.hessian(), H, rtol=1e-5, atol=1e-6)
    assert np.linalg.eigvalsh(point.hessian())[-1] <= 1e-12 * np.abs(point.hessian()).max()


def test_the_supergradient_inequality_is_global_where_g_has_a_kink():
    # An LP over a box: g is piecewise linear, and at a kink any minimiser gives a supergradient.
    problem = ck.lp([1.0, -1.0], G=[[1.0, 2.0], [-1.0, 1.0]], h=[1.0, 0.5], lb=-1.0, ub=2.0)
    L = ck.Lagrangian(problem)
    rng = np.random.default_rng(5)
    for lam in (np.array([0.5, 0.0]), np.array([0.0, 1.0]), rng.exponential(1.0, 2)):
        point = L.dual_point(lam)
        assert (point.x >= problem.lb).all()
        assert (point.x <= problem.ub).all()
        for other in rng.exponential(1.0, (50, 2)):
            assert L.dual_function(other) <= point.value + point.value_wrt_lam @ (other - lam) + 1e-12


def test_newton_on_the_dual_of_exercise_5_1_meets_the_optimum():
    L, lam = ck.Lagrangian(single_variable().problem), np.array([1.0])
    for _ in range(6):
        point = L.dual_point(lam)
        lam = lam - np.linalg.solve(point.hessian(), point.gradient)
    np.testing.assert_allclose(lam, [2.0], rtol=1e-12)
    assert L.dual_point(lam).value == pytest.approx(5.0, rel=1e-12)


def test_the_hessian_of_an_lp_is_zero_and_that_of_a_singular_p_is_by_hand():
    lp = ck.lp([1.0, 1.0], A=[[1.0, 1.0]], b=[1.0])
    np.testing.assert_array_equal(ck.Lagrangian(lp).dual_point(None, [-1.0]).hessian(), [[0.0]])
    # ½x₁² with x₁ = 1: g(nu) = -½nu² - nu; the second variable is flat and in no row.
    flat = ck.Lagrangian(ck.qp(np.diag([1.0, 0.0]), [0.0, 0.0], A=[[1.0, 0.0]], b=[1.0])).dual_point(None, [0.3])
    assert flat.value == pytest.approx(-0.5 * 0.09 - 0.3, rel=1e-12)
    np.testing.assert_allclose(flat.hessian(), [[-1.0]], rtol=1e-12)
    np.testing.assert_allclose(flat.value_wrt_nu, [-1.3], rtol=1e-12)
    # All variables at a bound: g is linear there.
    corner = ck.Lagrangian(ck.qp([[1.0]], [-5.0], G=[[1.0]], h=[3.0], ub=1.0)).dual_point([0.5])
    np.testing.assert_array_equal(corner.hessian(), [[0.0]])
    nothing = ck.Lagrangian(ck.qp([[1.0]], [-5.0])).dual_point()
    assert nothing.hessian().shape == (0, 0)


# ---------------------------------------------------------------- off the domain


INDEFINITE = ck.QCQP(ck.Quadratic(np.diag([1.0, -1.0])), [disc([0.0, 0.0])])


@pytest.mark.parametrize(("problem", "multipliers", "reason"), [
    (single_variable().problem, ([-1.0],), "lam[0] = -1 is negative"),
    (ck.lp([1.0], G=[[1.0]] * 3, h=[1.0] * 3), ([1.0, -2.0, -3.0],), "lam[1] = -2 is negative, and 1 more entries are"),
    (ck.lp([1.0], lb=0.0), (None, None, [-0.5]), "lam_lb[0] = -0.5 is negative"),
    (ck.socp([3.0, 4.0], [ck.SecondOrderCone(np.eye(2), d=1.0)]), (None, None, None, None, [[4.0, 3.0, 4.0]]),
     "lam_cones[0] is outside its cone: ‖z‖ = 5 exceeds z₀ = 4"),
    (ck.lp([1.0], G=[[1.0], [1.0]], h=[1.0, np.inf]), ([0.0, 2.0],), "lam[1] = 2 weighs on h[1], which is inf"),
    (ck.lp([1.0, 1.0], ub=1.0), (None, None, [0.0, 1.0], [0.0, 0.0]), "lam_lb[1] = 1 weighs on lb[1], which is -inf"),
    (ck.lp([1.0], lb=0.0), (None, None, [0.0], [1.0]), "lam_ub[0] = 1 weighs on ub[0], which is inf"),
    (INDEFINITE, ([0.35],), "P(lam) has eigenvalue -0.3 along x = (0, 1)"),
    (ck.QCQP(ck.Quadratic(sp.csr_array(INDEFINITE.objective.P))), (), "P(lam) has eigenvalue -1 along x = (0, 1)"),
    (ck.qp(np.diag([1.0, 0.0]), [0.0, -2.0]), (),
     "the slope of L has a component 2 where P(lam) is flat: L falls without end along x = (0, 1)"),
    (ck.lp([0.0, 3.0, 4.0], lb=[0.0, 0.0, -np.inf]), (),
     "the slope of L has a component 4 and L has no curvature, and no bound stops it: L falls without end along "
     "x = (0, 0, -1)"),
    (ck.lp([1.0, 0.0, 0.0, 0.0, 0.0, 2.0]), (),
     "the slope of L has a component 2.236 and L has no curvature: L falls without end along x with x[0] = -0.447, "
     "x[5] = -0.894"),
    (ck.lp(np.ones(9)), (),
     "the slope of L has a component 3 and L has no curvature: L falls without end along x with x[0] = -0.333, "
     "x[1] = -0.333, x[2] = -0.333, x[3] = -0.333, ..."),
    (ck.qp(np.diag([1.0, 0.0]), [0.0, -1e200], lb=0.0), (), "the slope of L has a component 1e+200"),
    (ck.qp([[1e-200]], [1e200]), (), "the numbers leave the range of floats"),
])
def test_the_reason_off_the_domain_is_in_words_and_numbers(problem, multipliers, reason):
    point = ck.Lagrangian(problem).dual_point(*multipliers)
    assert point.value == -np.inf
    assert not point.in_domain
    assert point.reason.replace("x = (0, -1)", "x = (0, 1)").startswith(reason)  # an eigenvector has either sign
    for name in ("x", "gradient", "value_wrt_lam", "value_wrt_nu", "value_wrt_lam_lb", "value_wrt_lam_ub",
                 "value_wrt_cones"):
        assert getattr(point, name) is None
    assert point.hessian() is None


def test_inside_the_domain_there_is_no_reason_and_no_direction():
    point = ck.Lagrangian(single_variable().problem).dual_point([1.0])
    assert point.in_domain
    assert point.reason == ""
    assert point.direction is None


@pytest.mark.parametrize("n", [4, 1500])
@pytest.mark.parametrize("structure", ["sparse", "factored", "summed"])
def test_the_direction_of_negative_curvature_is_a_cut_in_every_structure(n, structure):
    diagonal = np.linspace(1.0, 2.0, n)
    diagonal[n // 2] = -0.5
    objective = ck.Quadratic(sp.diags_array([np.full(n - 1, 0.01), diagonal, np.full(n - 1, 0.01)],
                                            offsets=[-1, 0, 1]).tocsr())
    if structure == "factored":
        objective = ck.Quadratic.from_factor(np.full((1, n), 1e-3), diag=diagonal)
    extra = ck.Quadratic.from_factor(np.full((1, n), 1e-3)) if structure == "summed" else disc(np.zeros(n)) \
        if n < 10 else ck.Quadratic(sp.eye_array(n, format="csr"), None, -1.0)
    L = ck.Lagrangian(ck.QCQP(objective, [extra]))
    point = L.dual_point([0.01])
    d = point.direction
    assert np.linalg.norm(d) == pytest.approx(1.0)
    assert d @ L.at([0.01]).hessp(d) < -0.4
    assert point.reason.startswith("P(lam) has eigenvalue -0.")


def test_a_direction_of_fall_is_flat_and_steep():
    problem = ck.qp(np.outer([1.0, 2.0, 2.0], [1.0, 2.0, 2.0]), [1.0, 0.0, 0.0])
    d = ck.Lagrangian(problem).dual_point().direction
    assert np.abs(problem.objective.hessp(d)).max() < 1e-12
    assert problem.objective.q @ d < -0.1


def test_a_bound_within_a_radius_is_a_bound_there():
    # x ≥ 2 priced at 0.999: L = x + 0.999(2 - x) = 1.998 + 0.001x, at least 1.998 - 0.001·radius.
    point = ck.Lagrangian(ck.lp([1.0], G=[[-1.0]], h=[-2.0])).dual_point([0.999])
    assert point.bound() == -np.inf
    assert point.bound(5.0) == pytest.approx(1.993)
    inside = ck.Lagrangian(single_variable().problem).dual_point([2.0])
    assert inside.bound(3.0) == pytest.approx(5.0)
    assert ck.Lagrangian(single_variable().problem).dual_point([-1.0]).bound(3.0) == -np.inf


# ---------------------------------------------------------------- what it costs


@pytest.mark.parametrize("kind", ["definite", "ill-conditioned", "singular"])
def test_a_dual_point_costs_one_factorization(kind, monkeypatch):
    rng = np.random.default_rng(6)
    n = 60
    scale = {"definite": np.ones(n), "ill-conditioned": np.logspace(0, -3, n),
             "singular": np.repeat([1.0, 0.0], n // 2)}[kind]
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]

    def member(r):
        F = (rng.standard_normal((n, n)) + 8 * np.eye(n)) * scale
        P = Q @ (F.T @ F) @ Q.T
        return ck.Quadratic((P + P.T) / 2, P @ rng.standard_normal(n), r)

    problem = ck.QCQP(member(0.0), [member(-1.0), member(-1.0)])
    count = {"cholesky": 0, "eigh": 0}
    for name in count:
        original = getattr(minimise, name)

        def counted(*arguments, _name=name, _original=original, **options):
            count[_name] += 1
            return _original(*arguments, **options)

        monkeypatch.setattr(minimise, name, counted)
    point = ck.Lagrangian(problem).dual_point([0.5, 0.25])
    assert point.in_domain
    assert point.reason == ""
    assert point.hessian().shape == (2, 2)
    assert count == {"cholesky": 1, "eigh": 0}
    f = ck.Lagrangian(problem).at([0.5, 0.25])
    x, *_ = np.linalg.lstsq(f.P, -f.q, rcond=1e-10)
    assert point.value == pytest.approx(f(x), rel=1e-9)


def test_eigenvalues_of_rounding_size_count_as_zero_and_small_ones_do_not():
    rng = np.random.default_rng(7)
    Q = np.linalg.qr(rng.standard_normal((20, 20)))[0]

    def dual(values, component):
        P = (Q * values) @ Q.T
        q = Q @ np.concatenate([[component], np.ones(19)])
        return ck.Lagrangian(ck.qp((P + P.T) / 2, q)).dual_point()

    ones = np.ones(19)
    for tiny in (0.0, 1e-15, -1e-15, 1e-11, -1e-11):
        assert dual(np.concatenate([[tiny], ones]), 0.0).value == pytest.approx(-9.5, rel=1e-9)
        assert not dual(np.concatenate([[tiny], ones]), 0.5).in_domain
    assert dual(np.concatenate([[1e-6], ones]), 1e-3).value == pytest.approx(-9.5 - 0.5, rel=1e-6)
    assert dual(np.concatenate([[-1e-6], ones]), 0.0).reason.startswith("P(lam) has eigenvalue -1e-06")


@pytest.mark.parametrize("n", [8, 300])
def test_the_solve_of_a_factored_minimum_is_the_pseudo_inverse_where_p_is_not_flat(n):
    rng = np.random.default_rng(8)
    F = rng.standard_normal((n // 2, n))
    P = F.T @ F
    V = rng.standard_normal((n, 3))
    expected = np.linalg.pinv(P, rcond=1e-10) @ V
    W = minimise.factored_minimum(ck.Quadratic(P, P @ np.ones(n))).solve(V)
    np.testing.assert_allclose(P @ W, P @ expected, rtol=1e-6, atol=1e-7 * np.abs(P @ expected).max())
    np.testing.assert_allclose(W.T @ P @ W, V.T @ expected, rtol=1e-6, atol=1e-7 * np.abs(V.T @ expected).max())


def test_where_p_is_flat_the_minimiser_has_nothing_along_it():
    rng = np.random.default_rng(10)
    F = rng.standard_normal((3, 6))
    q = rng.standard_normal(6)
    value, x, leftover = minimise.minimum(ck.Quadratic(F.T @ F, q))
    pseudo = np.linalg.pinv(F.T @ F, rcond=1e-10)
    np.testing.assert_allclose(x, -pseudo @ q, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(leftover, q - F.T @ F @ pseudo @ q, rtol=1e-7, atol=1e-9)
    assert value == pytest.approx(-0.5 * q @ pseudo @ q, rel=1e-7)


def test_a_point_of_many_rows_has_the_gradients_of_all_of_them():
    rng = np.random.default_rng(9)
    problem = random_qcqp(4, 3, rng, linear=2, equalities=1)
    point = ck.Lagrangian(problem).dual_point(rng.random(5), rng.standard_normal(1))
    np.testing.assert_allclose(point.gradient,
                               np.concatenate([problem.inequality_values(point.x), problem.equality_values(point.x)]))
    assert point.hessian().shape == (6, 6)


def test_the_benchmark_compares_values_before_it_times_them(capsys):
    assert dual_function.main(["--quick", "--repeats", "1"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == [
        "definite", "condition", "rank", "tridiagonal"]
    with pytest.raises(SystemExit):
        dual_function.main(["--repeats", "0"])


def test_a_sum_of_sparse_matrices_of_one_pattern_leaves_them_alone():
    P = sp.csr_array(np.array([[2.0, 1.0], [1.0, 3.0]]))
    total = ck.weighted_sum([1.0, 2.0], [ck.Quadratic(P), ck.Quadratic(sp.csr_array(4 * P.toarray()))]).P
    np.testing.assert_array_equal(total.toarray(), 9 * P.toarray())
    total.indices[:] = 0
    np.testing.assert_array_equal(P.toarray(), [[2.0, 1.0], [1.0, 3.0]])
