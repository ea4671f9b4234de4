"""QCQPs by products alone: the answers of the interior point and of closed forms, bounds that hold, verdicts proved."""

import time
import warnings

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck

from .gallery import CASES, disc


def operator(matrix, least=None):
    """The matrix by its products."""
    return ck.as_operator(lambda v: matrix @ v, matrix.shape[0], min_eigenvalue=least)


def by_products(problem):
    """The same problem with every P an operator."""
    functions = [f if f.P is None else ck.Quadratic(operator(f.hessian()), f.q, f.r)
                 for f in (problem.objective, *problem.inequalities)]
    return ck.QCQP(functions[0], functions[1:], G=problem.G, h=problem.h, A=problem.A, b=problem.b, lb=problem.lb,
                   ub=problem.ub)


def spd(n, condition, rng):
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    return (Q * np.geomspace(1.0, condition, n)) @ Q.T


def random_pair(n, m, rows=0, equalities=0, condition=100.0, objective=True, seed=0, bounds=None):
    """A feasible problem with arrays, and the same with operators whose least eigenvalue is known to be 1."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    matrices = [spd(n, condition, rng) for _ in range(m + 1)]
    slopes = [np.sqrt(n) * rng.standard_normal(n) * (10.0 if i == 0 else 1.0) for i in range(m + 1)]
    constants = [0.0] + [-(0.5 * x @ P @ x + q @ x) - n * rng.uniform(0.5, 1.5)
                         for P, q in zip(matrices[1:], slopes[1:], strict=True)]
    G, A = rng.standard_normal((rows, n)), rng.standard_normal((equalities, n))
    linear = {"G": G, "h": G @ x + rng.uniform(0.0, 1.0, rows), "A": A, "b": A @ x}
    if bounds is not None:
        linear |= {"lb": np.minimum(x, 0.0) + bounds[0], "ub": np.maximum(x, 0.0) + bounds[1]}

    def problem(kind):
        functions = [ck.Quadratic(kind(P), q, r) for P, q, r in zip(matrices, slopes, constants, strict=True)]
        f0 = functions[0] if objective else ck.Quadratic(None, slopes[0])
        return ck.QCQP(f0, functions[1:], **linear)

    return problem(lambda P: P), problem(lambda P: operator(P, 1.0))


# What the dual method leaves open, and why: no strictly feasible point, or an infimum that is not attained, or a
# Lagrangian that has no minimum except for multipliers on a face (an asset without risk, and no upper bounds).
LEFT_OPEN = {"touching_discs", "feasible_set_is_a_point", "feasible_set_is_a_line", "unbounded_without_a_ray",
             "markowitz"}
CURVED = [name for name, make in CASES.items()
          if not make().problem.cones and any(f.P is not None for f in (make().problem.objective,
                                                                       *make().problem.inequalities))]


@pytest.mark.parametrize("name", [name for name in CURVED if name not in LEFT_OPEN])
def test_every_case_of_the_gallery_is_decided_by_products(name):
    case = CASES[name]()
    problem = by_products(case.problem)
    solution = ck.solve(problem, method="dual")
    assert solution.status.value in case.status
    assert solution.method == "dual"
    if solution.status is ck.Status.OPTIMAL:
        assert solution.residuals.max() <= 1e-8
        assert ck.kkt_residuals(case.problem, solution.x, solution.lam, solution.nu, solution.lam_lb,
                                solution.lam_ub).max() <= 1e-7
        if case.value is not None:
            assert solution.value == pytest.approx(case.value, rel=1e-6, abs=1e-6)
    elif solution.status is ck.Status.NUMERICAL_ERROR:  # which some cases may end with, as rounding has it
        assert ck.solve(problem).certificate.verify(case.problem)
    else:
        assert solution.certificate.verify(case.problem)


@pytest.mark.parametrize("name", sorted(LEFT_OPEN))
def test_what_the_dual_method_leaves_open_is_formed_and_decided_where_it_is_small(name):
    case = CASES[name]()
    problem = by_products(case.problem)
    assert ck.solve(problem, method="dual").status in (ck.Status.NUMERICAL_ERROR, ck.Status.OPTIMAL_INACCURATE)
    assert ck.solve(problem).status.value in {*case.status, "optimal_inaccurate"}


@pytest.mark.parametrize("options", [
    {"n": 60, "m": 1}, {"n": 100, "m": 5}, {"n": 80, "m": 4, "rows": 5, "equalities": 3},
    {"n": 80, "m": 3, "objective": False}, {"n": 80, "m": 3, "rows": 2, "objective": False},
    {"n": 60, "m": 0, "rows": 4, "equalities": 4}, {"n": 60, "m": 2, "condition": 1e5},
    {"n": 60, "m": 0, "bounds": (-0.5, np.inf)}, {"n": 60, "m": 1, "bounds": (-0.5, np.inf)},
    {"n": 100, "m": 4, "bounds": (-1.0, 1.0)}, {"n": 80, "m": 3, "rows": 4, "equalities": 3, "bounds": (-0.5, np.inf)},
    {"n": 80, "m": 3, "objective": False, "bounds": (-1.0, 1.0)}, {"n": 80, "m": 0, "equalities": 5, "bounds": (-1, 1)},
], ids=str)
def test_products_lead_to_the_answer_of_the_interior_point(options):
    explicit, products = random_pair(**options)
    reference = ck.solve(explicit, tol=1e-10)
    solution = ck.solve(products)
    assert (reference.success, solution.success, solution.method) == (True, True, "dual")
    assert solution.value == pytest.approx(reference.value, rel=1e-7)
    np.testing.assert_allclose(solution.lam, reference.lam, atol=1e-4 * max(1.0, np.abs(reference.lam).max(initial=0)))
    assert ck.kkt_residuals(explicit, solution.x, solution.lam, solution.nu, solution.lam_lb,
                            solution.lam_ub).max() <= 1e-8
    assert solution.products > 0
    assert f"{solution.products} products" in solution.message


@pytest.mark.parametrize("bounds", [None, (-1.0, 1.0)])
def test_every_dual_value_on_the_way_is_a_bound_and_every_value_without_bounds_is_reached(bounds):
    explicit, products = random_pair(80, 4, rows=3, equalities=2, bounds=bounds)
    best = ck.solve(explicit, tol=1e-10).value
    records = []
    solution = ck.solve(products, callback=records.append)
    slack = 1e-9 * abs(best)
    assert solution.success
    assert len(records) > 2
    assert all(record.dual_value <= best + slack for record in records)
    if bounds is None:  # points of the subspace are feasible
        assert all(record.value >= best - slack and record.primal <= 1e-9 for record in records)
    # The last bound is close, and true although conjugate gradient has left a residual.
    assert best - 1e-7 * abs(best) <= solution.dual_value <= best + slack


def test_a_loose_tolerance_gives_a_bound_that_holds():
    explicit, products = random_pair(120, 3, condition=1e4)
    best = ck.solve(explicit, tol=1e-10).value
    loose = ck.solve(products, tol=1e-2)
    assert loose.success
    assert loose.dual_value <= best <= loose.value + 1e-9 * abs(best)
    assert 0 <= loose.gap <= 1e-2 * 10 * abs(best)
    assert loose.products < 0.7 * ck.solve(products).products


# ---------------------------------------------------------------- closed forms


def trpo(n=300, seed=0):
    """Gradient, damped Fisher matrix as operator and as array, and δ."""
    rng = np.random.default_rng(seed)
    J, g = rng.standard_normal((50, n)), rng.standard_normal(n)
    H = J.T @ J / 50 + 0.01 * np.eye(n)
    return g, ck.damped(lambda v: J.T @ (J @ v) / 50, 0.01, n), H, 0.01


def test_one_centred_constraint_gives_the_step_of_trpo():
    # p = -√(2δ/gᵀH⁻¹g) H⁻¹g,   λ = √(gᵀH⁻¹g/2δ)
    g, F, H, delta = trpo()
    solution = ck.solve(ck.QCQP(ck.Quadratic(None, g), [ck.Quadratic(F, np.zeros_like(g), -delta)]), tol=1e-10)
    inverse = np.linalg.solve(H, g)
    p = -np.sqrt(2 * delta / (g @ inverse)) * inverse
    step = ck.trust_region_step(ck.Quadratic(None, g), radius=np.sqrt(2 * delta), metric=F, rtol=1e-13)
    assert solution.success
    np.testing.assert_allclose(solution.x, p, rtol=0, atol=1e-11 * np.abs(p).max())
    np.testing.assert_allclose(solution.x, step.p, rtol=0, atol=1e-11 * np.abs(p).max())
    assert solution.lam[0] == pytest.approx(step.lam, rel=1e-14)
    assert solution.lam[0] == pytest.approx(np.sqrt(g @ inverse / (2 * delta)), rel=1e-13)


@pytest.mark.parametrize("c", [-0.05, 0.0, 0.02])
def test_a_second_linear_constraint_gives_the_step_of_constrained_policy_optimization(c):
    # minimise gᵀp  s.t.  c + bᵀp ≤ 0,  ½pᵀHp ≤ δ.  With q = gᵀH⁻¹g, r = gᵀH⁻¹b, s = bᵀH⁻¹b (Achiam et al. 2017,
    # Theorem 2): where both bind,  λ = √((q - r²/s)/(2δ - c²/s)),  ν = (λc - r)/s,  p = -H⁻¹(g + νb)/λ.
    g, F, H, delta = trpo()
    b = -0.2 * g + np.random.default_rng(1).standard_normal(g.size)  # cheaper is worse
    q, r, s = g @ np.linalg.solve(H, g), g @ np.linalg.solve(H, b), b @ np.linalg.solve(H, b)
    lam = np.sqrt((q - r * r / s) / (2 * delta - c * c / s))
    nu = (lam * c - r) / s
    if nu < 0:  # the row is idle
        lam, nu = np.sqrt(q / (2 * delta)), 0.0
    p = -np.linalg.solve(H, g + nu * b) / lam
    problem = ck.QCQP(ck.Quadratic(None, g), [ck.Quadratic(F, np.zeros_like(g), -delta)], G=b[None], h=[-c])
    solution = ck.solve(problem, tol=1e-10)
    assert solution.success
    np.testing.assert_allclose(solution.x, p, rtol=0, atol=1e-7 * np.abs(p).max())
    np.testing.assert_allclose(solution.lam, [lam, nu], rtol=1e-7, atol=1e-8 * lam)


def test_no_step_within_the_region_satisfies_a_row_that_is_too_far():
    # bᵀp ≥ -√(2δ bᵀH⁻¹b) in the region; a row beyond that is infeasible, and the multipliers prove it.
    g, F, H, delta = trpo()
    reach = np.sqrt(2 * delta * g @ np.linalg.solve(H, g))
    for share, status in ((0.999, "optimal"), (1.001, "infeasible")):
        problem = ck.QCQP(ck.Quadratic(None, g), [ck.Quadratic(F, np.zeros_like(g), -delta)], G=g[None],
                          h=[-share * reach])
        solution = ck.solve(problem)
        assert solution.status.value == status
        if status == "infeasible":
            assert solution.certificate.verify(problem)
            assert solution.method == "dual"


# ---------------------------------------------------------------- cvxpy


def through_cvxpy(parts):
    """Value and point of minimise f₀ where fᵢ ≤ 0, each (F, d, q, r) being ½‖Fx‖² + ½xᵀdiag(d)x + qᵀx + r."""
    x = cp.Variable(parts[0][1].size)
    values = [0.5 * cp.sum_squares(F @ x) + 0.5 * cp.sum_squares(cp.multiply(np.sqrt(d), x)) + q @ x + r
              for F, d, q, r in parts]
    source = cp.Problem(cp.Minimize(values[0]), [value <= 0 for value in values[1:]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "may be inaccurate": the comparison decides
        source.solve(solver=cp.CLARABEL)
    return source.value, x.value


def with_products(parts):
    functions = [ck.Quadratic(ck.as_operator(lambda v, F=F, d=d: F.T @ (F @ v) + d * v, d.size,
                                             min_eigenvalue=d.min()), q, r) for F, d, q, r in parts]
    return ck.QCQP(functions[0], functions[1:])


def test_cvxpy_agrees_on_factors_that_are_given_as_products():
    rng = np.random.default_rng(2)
    n, k, m = 200, 5, 3
    parts = [(rng.standard_normal((k, n)) / 4, rng.uniform(1.0, 3.0, n), rng.standard_normal(n), -float(i))
             for i in range(1, m + 1)]
    parts = [(rng.standard_normal((k, n)) / 4, rng.uniform(1.0, 3.0, n), 5.0 * rng.standard_normal(n), 0.0), *parts]
    value, x = through_cvxpy(parts)
    solution = ck.solve(with_products(parts))
    assert solution.success
    assert solution.value == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(solution.x, x, atol=1e-3 * np.abs(x).max())  # values are flat at the optimum


# ---------------------------------------------------------------- large


def large(n, m, seed=0):
    """P's diagonal plus rank 5, or a sparse chain, as operators that say their least eigenvalue."""
    rng = np.random.default_rng(seed)
    x, functions = rng.standard_normal(n), []
    for i in range(m + 1):
        if i % 2:
            link = rng.uniform(1.0, 30.0, n - 1)
            chain = sp.diags_array([-link, np.r_[link, 0] + np.r_[0, link] + 1.0, -link], offsets=[-1, 0, 1]).tocsr()
            P = ck.as_operator(chain.__matmul__, n, min_eigenvalue=1.0)
        else:
            F, d = rng.standard_normal((5, n)) / 10, rng.uniform(1.0, 100.0, n)
            P = ck.as_operator(lambda v, F=F, d=d: F.T @ (F @ v) + d * v, n, min_eigenvalue=1.0)
        f = ck.Quadratic(P, rng.standard_normal(n) * (10.0 if i == 0 else 1.0))
        functions.append(f if i == 0 else ck.Quadratic(f.P, f.q, -f(x)))
    return functions


@pytest.mark.parametrize("boxed", [False, True])
def test_nothing_of_size_n_by_n_is_formed(boxed):
    n = 30_000  # 7 GB, were it formed
    functions = large(n, 2)
    problem = ck.QCQP(functions[0], functions[1:], lb=-0.5 if boxed else None, ub=0.5 if boxed else None)
    solution = ck.solve(problem, tol=1e-6)
    assert solution.success
    assert solution.method == "dual"
    assert solution.products < (6000 if boxed else 1500)
    lam = solution.lam
    # The judges work by products too.
    residuals = ck.kkt_residuals(problem, solution.x, lam, lam_lb=solution.lam_lb, lam_ub=solution.lam_ub)
    assert residuals.max() <= 1e-6
    assert ck.sensitivity(problem, solution.x, lam, None, solution.lam_lb, solution.lam_ub).residual <= 1e-6
    bound = ck.Lagrangian(problem).dual_function(lam, None, solution.lam_lb, solution.lam_ub)
    assert bound == pytest.approx(solution.value, rel=1e-6)
    if not boxed:
        x = ck.Lagrangian(problem).minimizer(lam)
        np.testing.assert_allclose(x, solution.x, atol=1e-4)


def test_the_dual_function_of_a_large_operator_takes_bounds_as_the_domain():
    functions = large(2000, 1)
    problem = ck.QCQP(functions[0], functions[1:], lb=-0.5, ub=0.5)
    solution = ck.solve(problem)
    L = ck.Lagrangian(problem)
    assert solution.success
    assert L.dual_function(solution.lam) == pytest.approx(solution.value, rel=1e-7)
    # At other multipliers it is a bound.
    assert L.dual_function(0.5 * solution.lam) <= solution.value + 1e-7 * abs(solution.value)
    # Where the operator bends down there is no infimum.
    down = ck.QCQP(ck.Quadratic(lambda v: v - 5.0 * v[0] * np.eye(1, 2000)[0], np.ones(2000)))
    assert ck.Lagrangian(down).dual_function() == -np.inf


def test_a_contradiction_of_large_operators_is_proved_by_products():
    n = 30_000
    near, far = (ck.Quadratic(ck.damped(lambda v: 0.0 * v, 1.0, n), np.full(n, -c), 0.5 * n * c * c - 0.5 * 100.0**2)
                 for c in (0.0, 2.0))  # balls of radius 100 around 0 and 2·1, whose distance is 346
    problem = ck.QCQP(ck.Quadratic(None, np.ones(n)), [near, far])
    solution = ck.solve(problem)
    assert solution.status is ck.Status.INFEASIBLE
    assert solution.certificate.verify(problem)
    assert solution.products < 100


def test_a_falling_direction_of_large_operators_is_proved_by_products():
    n = 30_000
    rng = np.random.default_rng(0)
    F, q = rng.standard_normal((5, n)), rng.standard_normal(n)
    problem = ck.QCQP(ck.Quadratic(None, q), [ck.Quadratic(lambda v: F.T @ (F @ v), np.zeros(n), -1.0)])
    solution = ck.solve(problem)
    assert solution.status is ck.Status.UNBOUNDED
    assert solution.certificate.verify(problem)
    # And with the low rank in the objective, without a constraint.
    problem = ck.QCQP(ck.Quadratic(lambda v: F.T @ (F @ v), q))
    solution = ck.solve(problem)
    assert solution.status is ck.Status.UNBOUNDED
    assert solution.certificate.verify(problem)


def test_a_singular_objective_is_no_obstacle_where_the_minimum_exists():
    # Least squares with fewer rows than variables: over a ball, over a box, with x ≥ 0, and free.
    rng = np.random.default_rng(0)
    J, y = rng.standard_normal((30, 1500)), rng.standard_normal(30)
    f = ck.Quadratic(lambda v: J.T @ (J @ v), -J.T @ y, 0.5 * y @ y)
    ball = ck.Quadratic(sp.eye_array(1500, format="csr"), None, -0.5 * 0.1**2)
    for limits in ({}, {"lb": 0.0}, {"lb": -1e-3, "ub": 1e-3}, {"inequalities": [ball]}):
        assert ck.solve(ck.QCQP(f, **limits), method="dual").success, limits


# ---------------------------------------------------------------- what the operators are


def test_float32_products_are_accepted():
    J, q = (np.random.default_rng(i).standard_normal(s).astype(np.float32) for i, s in enumerate([(20, 50), 50]))
    f = ck.Quadratic(ck.as_operator(lambda v: J.T @ (J @ v.astype(np.float32)) + v.astype(np.float32), 50,
                                    dtype=np.float32), q)
    ball = ck.Quadratic(ck.as_operator(lambda v: v.astype(np.float32), 50, dtype=np.float32), 0 * q, -0.01)
    solution = ck.solve(ck.QCQP(f, [ball]), tol=1e-4, method="dual")
    exact = ck.solve(ck.QCQP(ck.Quadratic(f.hessian(), q), [ck.Quadratic(np.eye(50), None, -0.01)]))
    assert solution.success
    assert solution.value == pytest.approx(exact.value, rel=1e-4)


def shifted(n):
    return lambda v: 10.0 * v + np.roll(v, 1)


@pytest.mark.parametrize(("P", "error", "words"), [
    (shifted(40), ck.ProblemError, r"inequalities\[0\].P is not symmetric: ⟨Pu, v⟩ = .* but ⟨u, Pv⟩ = "),
    (lambda v: v[:3], ck.ProblemError, r"inequalities\[0\].P: the operator returned shape \(3,\)"),
    (lambda v: np.where(v > 0, np.nan, v), ck.ProblemError, r"inequalities\[0\].P returned \d+ entries that are not"),
    (lambda v: -v, ck.NotConvexError, r"inequalities\[0\].P is not positive semidefinite: a direction of curvature -1"),
    (lambda v: np.r_[v[:-1], -0.5 * v[-1]], ck.NotConvexError, r"inequalities\[0\].P is not .*: a direction of curvat"),
], ids=["asymmetric", "shape", "nan", "negative", "one negative"])
def test_an_operator_that_is_no_convex_quadratic_is_refused_with_numbers(P, error, words):
    q = np.random.default_rng(0).standard_normal(40)
    with pytest.raises(error, match=words):
        ck.solve(ck.QCQP(ck.Quadratic(None, q), [ck.Quadratic(P, 0 * q, -1.0)]), method="dual")


def test_an_indefinite_array_beside_an_operator_is_named():
    problem = ck.QCQP(ck.Quadratic(lambda v: v, np.ones(2)), [ck.Quadratic(np.diag([1.0, -1.0]), None, -1.0)])
    with pytest.raises(ck.NotConvexError, match=r"inequalities\[0\].P is not positive semidefinite: smallest eigenval"):
        ck.solve(problem, method="dual")


def test_what_the_dual_method_cannot_take_is_refused():
    with pytest.raises(ck.ProblemError, match="the dual method takes no second-order cones; the problem has 1"):
        ck.solve(ck.QCQP(ck.Quadratic(np.eye(2)), cones=[ck.SecondOrderCone(np.eye(2), d=1.0)]), method="dual")
    with pytest.raises(ck.ProblemError, match="needs a P in the objective or an inequality"):
        ck.solve(ck.lp([1.0], lb=0.0), method="dual")


def test_operators_are_solved_by_products_and_arrays_are_not():
    assert ck.solve(ck.QCQP(ck.Quadratic(lambda v: v, [1.0, 2.0]))).method == "dual"
    assert ck.solve(ck.QCQP(ck.Quadratic(np.eye(2), [1.0, 2.0]))).method == "interior-point"
    assert ck.solve(ck.QCQP(ck.Quadratic(np.eye(2), [1.0, 2.0])), method="dual").method == "dual"
    assert ck.solve(ck.QCQP(ck.Quadratic(lambda v: v, [1.0, 2.0])), method="interior-point").method == "interior-point"
    many = ck.solve_many([ck.QCQP(ck.Quadratic(lambda v: v, [1.0, 2.0])), ck.qp(np.eye(2), [1.0, 2.0])])
    assert [solution.method for solution in many] == ["dual", "interior-point"]
    cone = ck.SecondOrderCone(np.eye(2), d=1.0)
    assert ck.solve(ck.QCQP(ck.Quadratic(lambda v: v, [1.0, 2.0]), cones=[cone])).method == "interior-point"


def test_the_message_tells_a_bound_from_an_estimate():
    J, q = np.random.default_rng(0).standard_normal((80, 40)), np.ones(40)
    known = ck.solve(ck.QCQP(ck.Quadratic(ck.as_operator(lambda v: J.T @ (J @ v) + v, 40, min_eigenvalue=1.0), q)))
    unknown = ck.solve(ck.QCQP(ck.Quadratic(lambda v: J.T @ (J @ v) + v, q)))
    assert known.success
    assert unknown.success
    assert "estimate" not in known.message
    assert "the dual value is an estimate, with the smallest Ritz value" in unknown.message


# ---------------------------------------------------------------- limits


def test_the_limits_stop_with_the_best_point():
    _, problem = random_pair(100, 4)
    few = ck.solve(problem, method="dual", maxiter=1)
    assert few.status is ck.Status.ITERATION_LIMIT
    assert np.isfinite(few.x).all()
    assert "maxiter = 1" in few.message
    assert few.dual_value <= few.value

    def slow(v):
        time.sleep(0.01)
        return v * np.linspace(1.0, 1e4, 100)

    sleepy = ck.QCQP(ck.Quadratic(slow, np.ones(100)), [disc(np.zeros(100), 1e-3)])
    late = ck.solve(sleepy, method="dual", time_limit=0.1)
    assert late.status is ck.Status.TIME_LIMIT
    assert "time_limit = 0.1" in late.message


def test_the_keyboard_stops_between_and_inside_iterations():
    _, problem = random_pair(60, 2)

    def stop(record):
        if record.iteration == 2:
            raise KeyboardInterrupt

    stopped = ck.solve(problem, callback=stop)
    assert stopped.status is ck.Status.INTERRUPTED
    assert np.isfinite(stopped.x).all()
    count = 0

    def interrupted(v):
        nonlocal count
        count += 1
        if count > 20:
            raise KeyboardInterrupt
        return v * np.linspace(1.0, 1e4, 60)

    stopped = ck.solve(ck.QCQP(ck.Quadratic(interrupted, np.ones(60))), method="dual")
    assert stopped.status is ck.Status.INTERRUPTED
    assert "no point was found" in stopped.message


def test_a_warm_start_saves_products():
    _, products = random_pair(200, 3, condition=1e3)
    first = ck.solve(products)
    nudged = ck.QCQP(ck.Quadratic(products.objective.P, 1.001 * products.objective.q), products.inequalities)
    assert ck.solve(nudged, warm_start=first).products < ck.solve(nudged).products


@pytest.mark.slow
def test_two_thousand_variables_agree_with_interior_point_and_cvxpy():
    rng = np.random.default_rng(3)
    n, k, m = 2000, 10, 5
    factors, diagonals = rng.standard_normal((m + 1, k, n)) / 10, np.exp(rng.uniform(0.0, np.log(100.0), (m + 1, n)))
    q = rng.standard_normal((m + 1, n))
    q[0] *= 10.0
    at = rng.standard_normal(n)
    r = [0.0] + [-float(0.5 * (np.sum((F @ at) ** 2) + d @ at**2) + c @ at)
                 for F, d, c in zip(factors[1:], diagonals[1:], q[1:], strict=True)]
    parts = list(zip(factors, diagonals, q, r, strict=True))
    solution = ck.solve(with_products(parts))
    explicit = [ck.Quadratic(F.T @ F + np.diag(d), c, s) for F, d, c, s in parts]
    reference = ck.solve(ck.QCQP(explicit[0], explicit[1:]))
    assert solution.success
    assert reference.success
    assert solution.value == pytest.approx(reference.value, rel=1e-6)
    assert solution.value == pytest.approx(through_cvxpy(parts)[0], rel=1e-6)
    np.testing.assert_allclose(solution.x, reference.x, atol=1e-6 * np.abs(reference.x).max())
