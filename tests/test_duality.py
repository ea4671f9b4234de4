"""Lagrangian, dual function, KKT residuals, certificates and prices, each against the book or the definition."""

import re

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from convexkit.duality import coefficient_size

from .gallery import CASES, disc, random_qcqp, single_variable

OPTIMAL = [name for name, make in CASES.items() if make().status == ("optimal",) and make().x is not None]
INFEASIBLE = [name for name, make in CASES.items() if make().status == ("infeasible",)]
UNBOUNDED = ["unbounded_lp", "unbounded_qcqp"]


def random_multipliers(problem, rng):
    def some(size):
        return rng.exponential(1.0, size) * (rng.random(size) < 0.7)

    return some(problem.m), rng.standard_normal(problem.p)


# ---------------------------------------------------------------- the Lagrangian


def test_the_lagrangian_is_the_weighted_sum_of_its_definition():
    rng = np.random.default_rng(1)
    problem = random_qcqp(4, 2, rng, linear=3, equalities=2, bounds=True)
    x, lam, nu = rng.standard_normal(4), rng.standard_normal(5), rng.standard_normal(2)
    lam_lb, lam_ub = rng.standard_normal(4), rng.standard_normal(4)
    expected = (problem.objective(x) + lam @ problem.inequality_values(x) + nu @ problem.equality_values(x)
                + lam_lb @ (problem.lb - x) + lam_ub @ (x - problem.ub))
    L = ck.Lagrangian(problem)
    assert L.value(x, lam, nu, lam_lb, lam_ub) == pytest.approx(expected, rel=1e-12)
    assert L(x, lam, nu, lam_lb, lam_ub) == L.at(lam, nu, lam_lb, lam_ub)(x)
    assert L(x) == problem.objective(x)


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_is_that_of_central_differences(seed):
    rng = np.random.default_rng(seed)
    problem = random_qcqp(5, 2, rng, linear=2, equalities=1, bounds=True)
    x, (lam, nu) = rng.standard_normal(5), random_multipliers(problem, rng)
    bounds = rng.random(5), rng.random(5)
    L = ck.Lagrangian(problem)
    # A central difference of a quadratic is exact up to rounding, whatever the step.
    differences = [(L(x + e, lam, nu, *bounds) - L(x - e, lam, nu, *bounds)) / 2.0 for e in np.eye(5)]
    np.testing.assert_allclose(L.gradient(x, lam, nu, *bounds), differences, rtol=1e-10, atol=1e-10)


def test_a_lagrangian_needs_a_problem_and_multipliers_that_fit():
    with pytest.raises(ck.ProblemError, match="problem must be a QCQP; got Quadratic"):
        ck.Lagrangian(ck.Quadratic(np.eye(2)))
    L = ck.Lagrangian(random_qcqp(3, 1, np.random.default_rng(0), linear=2, equalities=1))
    for arguments, words in (({"lam": [1.0]}, "lam has length 1; expected 3: 1 quadratic inequalities, then 2 rows"),
                             ({"nu": [1.0, 2.0]}, "nu has length 2; expected 1: one for each row of A"),
                             ({"lam_lb": [1.0]}, "lam_lb has length 1; expected 3"),
                             ({"lam_ub": np.zeros(4)}, "lam_ub has length 4; expected 3"),
                             ({"nu": [np.nan]}, "nu has 1 entries that are not finite")):
        with pytest.raises(ck.ProblemError, match=words):
            L.dual_function(**arguments)


# ---------------------------------------------------------------- the dual function


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0, 2.0, 3.0, 10.0])
def test_dual_function_of_exercise_5_1(lam):
    L = ck.Lagrangian(single_variable().problem)
    assert L.dual_function([lam]) == pytest.approx(-9 * lam**2 / (1 + lam) + 1 + 8 * lam, rel=1e-12)
    np.testing.assert_allclose(L.minimizer([lam]), [3 * lam / (1 + lam)], rtol=1e-12)


@pytest.mark.parametrize("nu", [[-1.0, 0.0], [0.0, 0.0], [2.0, -3.0]])
def test_dual_function_of_the_least_norm_problem(nu):
    # Section 5.1.3: g(nu) = -¼ nuᵀAAᵀnu - bᵀnu; 1.5 at (-1, 0).
    problem = CASES["least_norm"]().problem
    nu = np.array(nu)
    expected = -0.25 * nu @ problem.A @ problem.A.T @ nu - problem.b @ nu
    assert ck.Lagrangian(problem).dual_function(None, nu) == pytest.approx(expected, rel=1e-12)


def test_dual_function_of_an_lp_is_finite_only_where_the_slope_vanishes():
    problem = ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], h=[10.0, 15.0, 0.0, 0.0])
    L = ck.Lagrangian(problem)
    assert L.dual_function([2.0, 1.0, 0.0, 0.0]) == pytest.approx(-35.0, rel=1e-14)
    assert L.dual_function([3.0, 1.0, 1.0, 1.0]) == pytest.approx(-45.0, rel=1e-14)
    assert L.dual_function([2.0, 1.0, 0.1, 0.0]) == -np.inf
    assert L.minimizer([2.0, 1.0, 0.1, 0.0]) is None


def test_bounds_as_the_domain_are_the_best_bound_multipliers():
    # inf over the box of cᵀx + lam·(row) is attained at a corner, coordinate by coordinate.
    problem = ck.lp([3.0, -1.0, 2.0], G=[[1.0, 1.0, 1.0]], h=[1.0], lb=[-1.0, -2.0, -3.0], ub=[1.0, 2.0, 3.0])
    slope = np.array([3.0, -1.0, 2.0]) + 0.5
    expected = float(np.minimum(slope * problem.lb, slope * problem.ub).sum()) - 0.5
    L = ck.Lagrangian(problem)
    assert L.dual_function([0.5]) == pytest.approx(expected, rel=1e-13)
    assert L.dual_function([0.5], None, np.maximum(slope, 0), np.maximum(-slope, 0)) == pytest.approx(expected)
    assert L.dual_function([0.5], None, np.zeros(3)) == -np.inf


def test_a_box_constrained_quadratic_is_minimised_over_its_box():
    case = CASES["box_qp"]()
    assert ck.Lagrangian(case.problem).dual_function() == pytest.approx(-21.625, rel=1e-8)


@pytest.mark.parametrize(("problem", "lam", "nu", "bounds"), [
    (single_variable().problem, [-0.5], None, ()),                                              # a negative multiplier
    (ck.QCQP(ck.Quadratic(np.diag([1.0, -1.0])), [disc([0.0, 0.0])]), [0.4], None, ()),         # P(lam) indefinite
    (ck.lp([1.0, 0.0], A=[[0.0, 1.0]], b=[0.0]), None, [1.0], ()),                              # a slope on a flat
    (ck.lp([-1.0], G=[[1.0]], h=[np.inf]), [1.0], None, ()),                                    # an absent row
    (ck.lp([1.0], ub=1.0), None, None, ([1.0], [0.0])),                                         # an absent lower bound
    (ck.lp([-1.0], lb=1.0), None, None, ([0.0], [1.0])),                                        # an absent upper bound
    (ck.lp([1.0, 1.0], lb=0.0), None, None, ([1.0, -1.0], [0.0, 0.0])),                         # a negative one there
    (ck.lp([1.0, 1.0], lb=[0.0, -np.inf]), None, None, ()),                                     # an open box
    (ck.qp(np.diag([1.0, -1.0]), [0.0, -1.0], lb=0.0), None, None, ()),                         # indefinite on a box
    (ck.qp(np.diag([1.0, 0.0]), [0.0, -1e200], lb=0.0), None, None, ()),                        # beyond all floats
    (ck.lp([1.0], G=[[1.0], [1.0]], h=[np.inf, 1.0]), [1.0, -1.0], None, ()),                   # two reasons at once
])
def test_the_dual_function_is_minus_infinity_off_its_domain(problem, lam, nu, bounds):
    assert ck.Lagrangian(problem).dual_function(lam, nu, *bounds) == -np.inf


def test_an_indefinite_problem_has_a_dual_function_where_p_of_lam_is_definite():
    # minimise -½x² where x² ≤ 1: g(lam) = -lam for lam ≥ ½, and d* = p* = -½ (the S-procedure).
    L = ck.Lagrangian(ck.QCQP(ck.Quadratic([[-1.0]]), [ck.Quadratic([[2.0]], [0.0], -1.0)]))
    assert L.dual_function([0.5]) == pytest.approx(-0.5)
    assert L.dual_function([2.0]) == pytest.approx(-2.0)
    assert L.dual_function([0.49]) == -np.inf


def test_weight_on_absent_rows_of_both_signs_is_never_nan():
    L = ck.Lagrangian(ck.lp([1.0], G=[[1.0], [1.0]], h=[np.inf, np.inf]))
    assert L.value([0.0], [1.0, -1.0]) == -np.inf


@pytest.mark.parametrize("seed", range(30))
def test_weak_duality_holds_for_all_multipliers(seed):
    # Thirty problems, ten draws each; half of them with bounds as the domain.
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    problem = random_qcqp(n, int(rng.integers(0, 4)), rng, linear=int(rng.integers(0, 4)),
                          equalities=int(rng.integers(0, n)), bounds=seed % 2 == 0)
    optimum = ck.solve(problem).require_optimal()
    L = ck.Lagrangian(problem)
    size = max(1.0, abs(optimum.value))
    for _ in range(10):
        lam, nu = random_multipliers(problem, rng)
        assert L.dual_function(lam, nu) <= optimum.value + 1e-7 * size
        explicit = L.dual_function(lam, nu, *(rng.random((2, n)) * np.isfinite(problem.lb)))
        assert explicit <= optimum.value + 1e-7 * size
    assert L.dual_function(optimum.lam, optimum.nu) == pytest.approx(optimum.value, abs=1e-5 * size)


def test_the_infimum_over_a_box_is_never_above_any_value_in_the_box():
    rng = np.random.default_rng(12)
    for _ in range(20):
        n = int(rng.integers(1, 6))
        F = rng.standard_normal((max(1, n - 1), n))
        problem = ck.qp(F.T @ F, rng.standard_normal(n), lb=-rng.random(n), ub=rng.random(n))
        bound = ck.Lagrangian(problem).dual_function()
        points = problem.lb + (problem.ub - problem.lb) * rng.random((200, n))
        lowest = min(problem.objective(x) for x in points)
        assert bound <= lowest + 1e-12
        assert bound == pytest.approx(ck.solve(problem).value, abs=1e-6)


def test_structures_of_p_share_one_dual_function():
    rng = np.random.default_rng(4)
    F = rng.standard_normal((3, 3))
    P, q, lam = F.T @ F, rng.standard_normal(3), [0.7]
    values = []
    for P1 in (P, sp.csr_matrix(P), lambda v: P @ v):
        problem = ck.QCQP(ck.Quadratic(P1, q), [ck.Quadratic(P1, -q, -1.0)])
        values.append(ck.Lagrangian(problem).dual_function(lam))
    factored = ck.QCQP(ck.Quadratic.from_factor(F, q=q), [ck.Quadratic.from_factor(F, q=-q, r=-1.0)])
    values.append(ck.Lagrangian(factored).dual_function(lam))
    np.testing.assert_allclose(values, values[0], rtol=1e-8)


# ---------------------------------------------------------------- KKT residuals


KKT = ck.QCQP(ck.Quadratic(np.eye(2), [-3.0, -4.0]), [disc([0.0, 0.0])], G=[[1.0, -1.0]], h=[1.0], A=[[0.0, 0.0]],
              b=[0.0], lb=-5.0, ub=5.0)
KKT_POINT = {"x": [0.6, 0.8], "lam": [2.0, 0.0], "nu": [0.0], "lam_lb": [0.0, 0.0], "lam_ub": [0.0, 0.0]}


def test_kkt_residuals_vanish_at_the_closed_form_optimum():
    residuals = ck.kkt_residuals(KKT, **KKT_POINT)
    assert residuals.max() <= 1e-15
    assert residuals.value == pytest.approx(-4.5, rel=1e-15)
    assert residuals.dual_value == pytest.approx(-4.5, rel=1e-15)
    # x = (0.6, 0.8) is on the circle only up to rounding.
    assert residuals.primal <= 1e-15


@pytest.mark.parametrize("name", [name for name in OPTIMAL if "scaled" not in name])
def test_kkt_residuals_of_the_gallery_vanish_at_the_optimum(name):
    case = CASES[name]()
    solution = ck.solve(case.problem)
    point = solution.lam, solution.nu, solution.lam_lb, solution.lam_ub, solution.lam_cones
    assert ck.kkt_residuals(case.problem, case.x, *point).max() < 1e-5


@pytest.mark.parametrize(("changes", "residual", "where"), [
    ({"lam": [1.5, 0.0]}, "stationarity", None),
    ({"x": [0.7, 0.9]}, "primal", "inequalities[0] is positive by"),
    ({"x": [0.0, -2.0]}, "primal", "inequalities[0] is positive by"),
    ({"lam": [-2.0, 0.0]}, "dual", None),
    ({"lam_lb": [-1.0, 0.0]}, "dual", None),
    ({"lam_ub": [0.0, -1.0]}, "dual", None),
    ({"lam": [2.0, 1.0]}, "complementarity", None),
    ({"lam_lb": [1.0, 0.0]}, "complementarity", None),
    ({"lam_ub": [1.0, 0.0]}, "complementarity", None),
    ({"lam": [2.0, 1.0]}, "gap", None),
])
def test_each_violation_shows_in_its_own_residual(changes, residual, where):
    residuals = ck.kkt_residuals(KKT, **{**KKT_POINT, **changes})
    assert getattr(residuals, residual) > 0.05
    assert residuals.max() >= getattr(residuals, residual)
    if where is not None:
        assert residuals.where.startswith(where)


@pytest.mark.parametrize(("x", "where"), [
    ([2.0, 0.0], "G row 0 exceeds its limit by 1.0e+00"),
    ([0.0, 3.0], "A row 0 is off by 3.0e+00"),
    ([-1.0, 0.0], "x[0] is below its bound by 1.0e+00"),
    ([0.0, -1.5], "x[1] is below its bound by 5.0e-01"),
])
def test_the_worst_row_is_named(x, where):
    problem = ck.lp([1.0, 1.0], G=[[1.0, 0.0]], h=[1.0], A=[[0.0, 1.0]], b=[0.0], lb=[0.0, -1.0], ub=[5.0, 3.0])
    residuals = ck.kkt_residuals(problem, x)
    assert residuals.primal > 0.1
    if x[1] == -1.5:  # both the equality and the bound are off; the equality by more
        where = "A row 0 is off by 1.5e+00"
    assert residuals.where == where
    assert ck.kkt_residuals(ck.lp([1.0], ub=1.0), [3.0]).where == "x[0] is above its bound by 2.0e+00"
    assert ck.kkt_residuals(problem, [0.0, 0.0]).where == ""


def test_multipliers_of_limits_that_are_absent_are_an_infinite_failure():
    problem = ck.lp([1.0], G=[[1.0]], h=[np.inf])
    for arguments in ({"lam": [1.0]}, {"lam_lb": [1.0]}, {"lam_ub": [1.0]}):
        residuals = ck.kkt_residuals(problem, [0.0], **arguments)
        assert residuals.max() == np.inf
        assert residuals.dual_value == -np.inf


def test_numbers_beyond_the_range_of_floats_are_an_infinite_residual():
    assert ck.kkt_residuals(ck.lp([1e300], lb=-1e300), [1e300], None, None, [1e300]).max() == np.inf


def test_bound_multipliers_are_implied_by_the_slope_only_at_the_bound():
    problem = ck.lp([1.0, -2.0], lb=0.0, ub=1.0)
    assert ck.kkt_residuals(problem, [0.0, 1.0]).max() == 0.0
    assert ck.kkt_residuals(problem, [0.0, 1.0], None, None, [1.0, 0.0], [0.0, 2.0]).max() == 0.0
    assert ck.kkt_residuals(problem, [0.0, 0.5]).max() > 0.1
    assert ck.kkt_residuals(problem, [0.0, 1.0], None, None, [1.0, 0.0]).stationarity == 1.0


@pytest.mark.parametrize("factor", [1e-9, 1e-3, 1e3, 1e9])
def test_residuals_do_not_depend_on_the_units_of_rows_objective_or_variables(factor):
    rng = np.random.default_rng(6)
    # Rows with constants other than zero have a size of their own; the floor of the others is in absolute units.
    F = rng.standard_normal((4, 4))
    P, q, G, h = F.T @ F, rng.standard_normal(4), rng.standard_normal((2, 4)), np.array([0.5, 1.0])
    A, b = rng.standard_normal((1, 4)), np.array([0.7])
    x, lam, nu = 10 * rng.standard_normal(4), np.array([0.3, 0.5, -0.1]), np.array([0.2])

    def residuals(objective=1.0, row=1.0, unit=1.0):
        problem = ck.QCQP(ck.Quadratic(objective * P * unit**2, objective * q * unit),
                          [ck.Quadratic(row * P * unit**2, -row * q * unit, -row)], G=row * G * unit, h=row * h,
                          A=row * A * unit, b=row * b)
        found = ck.kkt_residuals(problem, x / unit, lam * objective / row, nu * objective / row)
        return [found.stationarity, found.primal, found.dual, found.complementarity, found.gap]

    plain = residuals()
    assert min(plain) > 1e-3
    for scaled in (residuals(row=factor), residuals(unit=factor)):
        np.testing.assert_allclose(scaled, plain, rtol=1e-6)
    np.testing.assert_allclose(residuals(objective=factor), plain, rtol=1e-6)


def test_kkt_residuals_need_a_point_that_fits():
    with pytest.raises(ck.ProblemError, match="x has length 3; expected 2"):
        ck.kkt_residuals(KKT, np.zeros(3))
    with pytest.raises(ck.ProblemError, match="lam has length 1; expected 2"):
        ck.kkt_residuals(KKT, np.zeros(2), [1.0])
    for judge in (ck.kkt_residuals, ck.sensitivity):
        with pytest.raises(ck.ProblemError, match="problem must be a QCQP; got Quadratic"):
            judge(KKT.objective, np.zeros(2))


# ---------------------------------------------------------------- certificates


def parts_of(certificate, factor=1.0):
    return {**{name: factor * getattr(certificate, name) for name in ("lam", "nu", "lam_lb", "lam_ub")},
            "lam_cones": tuple(factor * z for z in certificate.lam_cones)}


@pytest.mark.parametrize("name", INFEASIBLE)
def test_a_certificate_of_infeasibility_proves_it_by_weak_duality(name):
    case = CASES[name]()
    certificate = ck.solve(case.problem).certificate
    margin = certificate.margin(case.problem)
    assert margin > 0
    assert certificate.verify(case.problem)
    # The combination of the rows is positive everywhere that we look.
    L = ck.Lagrangian(case.problem.feasibility_problem())
    for x in np.random.default_rng(0).standard_normal((50, case.problem.n)) * 10:
        assert L(x, *parts_of(certificate).values()) > 0.9 * margin


@pytest.mark.parametrize("name", INFEASIBLE)
def test_a_multiple_of_a_certificate_is_one(name):
    case = CASES[name]()
    c = ck.solve(case.problem).certificate
    for factor in (1e-6, 1e6):
        assert ck.InfeasibilityCertificate(**parts_of(c, factor)).verify(case.problem)


@pytest.mark.parametrize("name", INFEASIBLE)
def test_a_certificate_with_any_sign_changed_is_refused(name):
    case = CASES[name]()
    c = ck.solve(case.problem).certificate
    assert not ck.InfeasibilityCertificate(**parts_of(c, 0.0)).verify(case.problem)
    parts = parts_of(c)
    for key in ("lam", "nu", "lam_lb", "lam_ub"):
        values = parts[key]
        for i in np.flatnonzero(np.abs(values) > 1e-3 * max(1e-300, abs(values).max(initial=0.0))):
            for tampered in (-values[i], np.nan, np.inf):
                changed = values.copy()
                changed[i] = tampered
                proof = ck.InfeasibilityCertificate(**{**parts, key: changed})
                assert not proof.verify(case.problem), (key, i, tampered)


def test_no_multipliers_prove_a_feasible_problem_infeasible():
    rng = np.random.default_rng(9)
    for _ in range(40):
        problem = random_qcqp(3, 2, rng, linear=2, equalities=1, bounds=True)
        lam, nu = random_multipliers(problem, rng)
        assert not ck.InfeasibilityCertificate(lam, nu, rng.random(3), rng.random(3)).verify(problem)


def test_a_certificate_of_one_problem_does_not_verify_on_another():
    c = ck.solve(CASES["infeasible_pair"]().problem).certificate
    feasible = ck.lp([1.0, 1.0], G=[[1.0, 2.0], [-1.0, -2.0]], h=[1.0, 2.0])
    assert not c.verify(feasible)
    turned = ck.lp([1.0, 1.0], G=[[1.0, 2.0], [-2.0, -1.0]], h=[1.0, -2.0])
    assert not c.verify(turned)
    with pytest.raises(ck.ProblemError, match="lam has length 2; expected 0"):
        c.verify(ck.lp([1.0, 1.0]))


def test_weight_on_an_absent_limit_proves_nothing():
    problem = ck.lp([0.0], G=[[1.0]], h=[np.inf], ub=1.0)
    one, none = np.ones(1), np.zeros(1)
    assert not ck.InfeasibilityCertificate(one, np.zeros(0), none, none).verify(problem)
    assert not ck.InfeasibilityCertificate(none, np.zeros(0), one, one).verify(problem)


def test_an_indefinite_combination_proves_nothing():
    problem = ck.QCQP(ck.Quadratic(np.eye(1)), [ck.Quadratic([[-2.0]], [0.0], 1.0)])
    assert not ck.InfeasibilityCertificate(np.ones(1), np.zeros(0), np.zeros(1), np.zeros(1)).verify(problem)


@pytest.mark.parametrize("name", UNBOUNDED)
def test_a_tampered_direction_is_refused(name):
    case = CASES[name]()
    c = ck.solve(case.problem).certificate
    assert c.verify(case.problem)
    assert c.falls(case.problem)
    assert c.rate(case.problem) < 0
    for direction in (-c.direction, 0 * c.direction, c.direction * np.nan, np.array([1.0, -1.0]),
                      np.array([-1.0, -0.5])):
        assert not ck.UnboundednessCertificate(c.x, direction).verify(case.problem)
    for x in (np.array([5.0, -10.0]) if name == "unbounded_lp" else np.array([3.0, 0.0]), c.x * np.nan):
        assert not ck.UnboundednessCertificate(x, c.direction).verify(case.problem)
    with pytest.raises(ck.ProblemError, match=re.escape("direction has shape (3,); expected (2,)")):
        ck.UnboundednessCertificate(c.x, np.ones(3)).verify(case.problem)


@pytest.mark.parametrize("change", [
    {"G": [[1.0, 0.0]], "h": [1.0]}, {"A": [[1.0, -2.0]], "b": [0.0]}, {"ub": [5.0, np.inf]},
    {"inequalities": [ck.Quadratic(np.diag([1e-6, 0.0]), r=-1.0)]}, {"inequalities": [ck.Quadratic(None, [1.0, 0.0])]},
    {"objective": ck.Quadratic(np.diag([1e-9, 0.0]), [-1.0, -1.0])}, {"objective": ck.Quadratic(None, [1.0, -1.0])},
])
def test_a_direction_is_refused_when_anything_stops_the_fall(change):
    d = np.array([1.0, 1.0])
    certificate = ck.UnboundednessCertificate(np.zeros(2), d)
    assert certificate.verify(ck.QCQP(ck.Quadratic(None, [-1.0, -1.0]), lb=0.0))
    problem = ck.QCQP(**{"objective": ck.Quadratic(None, [-1.0, -1.0]), "lb": 0.0, **change})
    assert not certificate.verify(problem)


@pytest.mark.parametrize("P", [np.diag([0.0, 1.0]), sp.diags_array([0.0, 1.0]).tocsr(), lambda v: v * [0.0, 1.0]])
def test_a_direction_without_curvature_is_recognised_in_every_structure(P):
    problem = ck.QCQP(ck.Quadratic(P, [-1.0, 0.0]))
    assert ck.UnboundednessCertificate(np.zeros(2), np.array([1.0, 0.0])).verify(problem)
    assert not ck.UnboundednessCertificate(np.zeros(2), np.array([1.0, 0.1])).verify(problem)
    factored = ck.QCQP(ck.Quadratic.from_factor([[0.0, 1.0]], q=[-1.0, 0.0]))
    assert ck.UnboundednessCertificate(np.zeros(2), np.array([1.0, 0.0])).verify(factored)


@pytest.mark.parametrize("tilt", [1e-15, 1e-9, 1e-7])
@pytest.mark.parametrize("in_objective", [False, True])
def test_a_fall_of_the_size_of_rounding_proves_nothing_of_a_p_known_by_products(tilt, in_objective):
    # -x₁ where x₁² ≤ 1, or x₁² - x₁: bounded by x₁ alone, and x₂ is free. Along (tilt, 1) the objective falls by tilt,
    # and the curvature, tilt², is rounding of ‖P‖‖d‖².
    P = np.diag([2.0, 0.0])
    certificate = ck.UnboundednessCertificate(np.zeros(2), np.array([tilt, 1.0]))
    for curved in (P, lambda v: P @ v, sp.csr_array(P)):
        problem = ck.QCQP(ck.Quadratic(curved, [-1.0, 0.0])) if in_objective else ck.QCQP(
            ck.Quadratic(None, [-1.0, 0.0]), [ck.Quadratic(curved, np.zeros(2), -1.0)])
        assert not certificate.verify(problem)


def test_certificates_and_prices_compare_by_identity_and_can_be_kept_in_sets():
    case = CASES["infeasible_pair"]()
    first, second = (ck.solve(case.problem).certificate for _ in range(2))
    assert first == first
    assert first != second
    assert len({first, second}) == 2
    prices = ck.sensitivity(CASES["diet"]().problem, np.ones(5))
    assert prices in {prices}


# ---------------------------------------------------------------- sensitivity


def _smooth_problem(**changes):
    """Every kind of limit binds, each with a multiplier well above zero."""
    data = {"u": 0.0, "h": 0.6, "b": 1.0, "lb": 0.1, "ub": 0.3, "q": 0.0, **changes}
    F = np.random.default_rng(21).standard_normal((6, 6))
    q = np.array([-3.0, 2.0, -2.0, -3.0, -1.0, -2.0])
    q[5] += data["q"]
    ball = ck.Quadratic(2.0 * np.eye(6), np.zeros(6), -1.0 - data["u"])
    return ck.QCQP(ck.Quadratic(F.T @ F / 6 + np.eye(6), q), [ball], G=[[1.0, 0, 0, 0, 0, 0]], h=[data["h"]],
                   A=[[0, 0, 0, 1.0, 1.0, 1.0]], b=[data["b"]], lb=[-np.inf, data["lb"], *[-np.inf] * 4],
                   ub=[np.inf, np.inf, data["ub"], *[np.inf] * 3])


@pytest.mark.parametrize(("name", "price"), [
    ("u", lambda s: s.value_wrt_h[0]), ("h", lambda s: s.value_wrt_h[1]), ("b", lambda s: s.value_wrt_b[0]),
    ("lb", lambda s: s.value_wrt_lb[1]), ("ub", lambda s: s.value_wrt_ub[2]), ("q", lambda s: s.value_wrt_q[5]),
])
def test_prices_are_derivatives_of_the_optimal_value(name, price):
    problem = _smooth_problem()
    solution = ck.solve(problem, tol=1e-11).require_optimal()
    prices = ck.sensitivity(problem, solution.x, solution.lam, solution.nu, solution.lam_lb, solution.lam_ub)
    assert prices.residual <= 1e-11
    base = {"u": 0.0, "h": 0.6, "b": 1.0, "lb": 0.1, "ub": 0.3, "q": 0.0}[name]
    above, below = (ck.solve(_smooth_problem(**{name: base + e}), tol=1e-11).require_optimal().value
                    for e in (1e-4, -1e-4))
    derivative = (above - below) / 2e-4
    assert abs(derivative) > 1e-2
    assert price(prices) == pytest.approx(derivative, rel=1e-4)


def test_prices_of_bounds_are_implied_when_they_are_not_given():
    problem = _smooth_problem()
    solution = ck.solve(problem, tol=1e-10)
    full = ck.sensitivity(problem, solution.x, solution.lam, solution.nu, solution.lam_lb, solution.lam_ub)
    implied = ck.sensitivity(problem, solution.x, solution.lam, solution.nu)
    np.testing.assert_allclose(implied.value_wrt_lb, full.value_wrt_lb, atol=1e-7)
    np.testing.assert_allclose(implied.value_wrt_ub, full.value_wrt_ub, atol=1e-7)


@pytest.mark.parametrize("u", [-1.0, -0.5, 0.0, 1.0, 3.0, 8.0])
def test_the_perturbed_value_of_exercise_5_1_is_never_below_its_prediction(u):
    # p*(u) = 11 + u - 6√(1 + u) on [-1, 8], and p*(u) ≥ p*(0) - 2u.
    problem = ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0 - u)])
    solution = ck.solve(problem)
    value = 11 + u - 6 * np.sqrt(1 + u)
    assert str(solution.status) in ("optimal", "optimal_inaccurate")
    assert solution.value == pytest.approx(value, abs=2e-3 if u == -1.0 else 1e-6)
    slope = ck.sensitivity(single_variable().problem, [2.0], [2.0]).value_wrt_h[0]
    assert value >= 5.0 + slope * u - 1e-12


def test_a_point_far_out_does_not_make_contradictory_rows_feasible():
    problem = CASES["parallel_equalities_along_a_ray"]().problem
    d = np.array([-1.0, -0.5])
    for distance in (1.0, 1e4, 1e8, 1e12):
        assert not ck.UnboundednessCertificate(distance * d, d).verify(problem)
    assert ck.UnboundednessCertificate(1e8 * d, d).verify(ck.lp([3.0, 0.0], A=sp.csr_matrix([[-1.0, 2.0]]), b=[0.0]))


def test_a_bound_of_zero_is_judged_in_units_of_the_other_bounds():
    problem = ck.lp([2.0], lb=0.0, ub=1.0)
    assert ck.kkt_residuals(problem, [-1e-12], None, None, [2.0], [0.0]).max() <= 1e-11
    assert ck.kkt_residuals(problem, [-0.5], None, None, [2.0], [0.0]).primal == 0.5


# ---------------------------------------------------------------- many quadratics


def _every_structure(n, m, rng):
    """m convex quadratics in every structure by turns, some without a constant, some without q."""
    def one(i):
        F = rng.standard_normal((i % 4, n))
        q = rng.standard_normal(n) if i % 7 else np.zeros(n)
        r = -rng.random() if i % 5 else 0.0
        sparse = sp.random_array((3, n), density=0.2, rng=rng, format="csr")
        return [lambda: ck.Quadratic(None, q, r), lambda: ck.Quadratic(F.T @ F, q, r),
                lambda: ck.Quadratic(sp.csr_array(sparse.T @ sparse), q, r),
                lambda: ck.Quadratic.from_factor(F, diag=rng.random(n), q=q, r=r),
                lambda: ck.Quadratic.from_factor(sparse, q=q, r=r), lambda: ck.Quadratic(lambda v: F.T @ (F @ v), q, r),
                lambda: ck.Quadratic(sp.csr_array((n, n)), q, r)][i % 7]()

    return [one(i) for i in range(m)]


def test_residuals_of_many_inequalities_are_those_of_the_definition():
    # More than fit into one chunk, and a row that is violated by rounding of a large flat form.
    rng = np.random.default_rng(31)
    n, m = 400, 400
    fs = _every_structure(n, m, rng)
    q0 = rng.standard_normal(n)
    problem = ck.QCQP(ck.Quadratic(np.eye(n), q0), fs)
    x, lam = rng.standard_normal(n), rng.exponential(1.0, m) * (rng.random(m) < 0.6)
    found = ck.kkt_residuals(problem, x, lam)

    values = np.array([f(x) for f in fs])
    slopes = np.array([w * f.gradient(x) for w, f in zip(lam, fs, strict=True)])
    half = np.array([0.5 * x @ f.hessp(x) for f in fs])
    sizes = np.abs(half) + [np.abs(f.q) @ np.abs(x) + abs(f.r) for f in fs]
    floors = [min(1.0, coefficient_size(f)) if f.r == 0 else 0.0 for f in fs]
    slope = x + q0 + slopes.sum(axis=0)
    scale = max(np.abs(x).max(), np.abs(q0).max(), np.abs(slopes).max())
    assert found.stationarity == pytest.approx(np.abs(slope).max() / scale, rel=1e-12)
    with np.errstate(invalid="ignore"):
        shares = np.where(values > 0, values / np.maximum(sizes, floors), 0.0)
    assert found.primal == pytest.approx(shares.max(), rel=1e-12)
    assert found.where.startswith(f"inequalities[{np.argmax(shares)}] is positive by")
    assert found.dual_value == pytest.approx(problem.objective(x) + lam @ values, rel=1e-12)
    size = max(0.5 * x @ x + np.abs(q0) @ np.abs(x), 1.0)
    assert found.complementarity == pytest.approx(np.abs(lam * values).max() / size, rel=1e-12)


@pytest.mark.parametrize("P", [
    ck.Quadratic(np.array([[1.0, -1.0], [-1.0, 1.0]])), ck.Quadratic(sp.csr_array([[1.0, -1.0], [-1.0, 1.0]])),
    ck.Quadratic.from_factor([[1.0, -1.0]]), ck.Quadratic.from_factor(sp.csr_array([[1.0, -1.0]]))])
def test_what_rounding_takes_off_a_flat_form_counts_as_violation(P):
    # ½(x₁ - x₂)² ≤ 1 along x₁ = x₂: far out the form is 0 in floating point, whatever the last digits of x are.
    problem = ck.QCQP(ck.Quadratic(None, [0.0, 0.0]), [ck.Quadratic(P.P, r=-1.0)])
    assert ck.kkt_residuals(problem, [1e3, 1e3]).primal == 0.0
    assert ck.kkt_residuals(problem, [1e9, 1e9]).primal > 1.0
    # A limit that a ray leaves undecided is no feasible point of an unbounded problem.
    falling = ck.QCQP(ck.Quadratic(None, [-1.0, -1.0]), problem.inequalities)
    assert ck.UnboundednessCertificate(np.array([1e3, 1e3]), np.ones(2)).verify(falling)
    assert not ck.UnboundednessCertificate(np.array([1e9, 1e9]), np.ones(2)).verify(falling)


def test_a_row_of_g_is_measured_alike_dense_and_sparse_and_in_pieces():
    rng = np.random.default_rng(5)
    G, x, lam = rng.standard_normal((900, 150)), rng.standard_normal(150), rng.random(900)
    h = G @ x - 0.1 * rng.standard_normal(900)
    q = -G.T @ lam
    one, other = (ck.kkt_residuals(ck.lp(q, G=matrix, h=h), x, lam) for matrix in (G, sp.csr_array(G)))
    assert one.where == other.where
    for name in ("stationarity", "primal", "complementarity", "gap"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9, abs=1e-12)
    worst = (np.maximum(G @ x - h, 0.0) / (np.abs(G) @ np.abs(x) + np.abs(h))).max()
    assert one.primal == pytest.approx(worst, rel=1e-12)


# ---------------------------------------------------------------- large and sparse


def test_the_dual_function_of_a_large_sparse_problem_is_never_formed():
    # minimise ½xᵀDx - 1ᵀx on the box [0, ½] with D = diag(d): x = min(1/d, ½), coordinate by coordinate.
    n = 200_000
    d = 0.5 + np.arange(n) / n * 4.0
    x = np.minimum(1.0 / d, 0.5)
    problem = ck.QCQP(ck.Quadratic(sp.diags_array(d, format="csr"), -np.ones(n)), lb=0.0, ub=0.5)
    L = ck.Lagrangian(problem)
    lam_ub = np.maximum(1.0 - d * x, 0.0)
    expected = float((0.5 * d * x * x - x).sum())
    assert L.dual_function(None, None, np.zeros(n), lam_ub) == pytest.approx(expected, rel=1e-12)
    bound = L.dual_function()
    assert expected * (1 + 1e-6) <= bound <= expected * (1 - 1e-12)
    assert ck.kkt_residuals(problem, x, None, None, np.zeros(n), lam_ub).max() <= 1e-15


def test_large_factored_and_sparse_terms_share_one_dual_function():
    # P(lam) = tridiagonal + FᵀF + diag: kept as it is, and equal to the dense sum.
    rng = np.random.default_rng(8)
    n = 1200
    chain = sp.diags_array([-np.ones(n - 1), np.full(n, 2.1), -np.ones(n - 1)], offsets=[-1, 0, 1]).tocsr()
    F = rng.standard_normal((4, n))
    fs = [ck.Quadratic.from_factor(F[:2], diag=rng.random(n), q=rng.standard_normal(n), r=-1.0),
          ck.Quadratic.from_factor(F[2:], q=rng.standard_normal(n), r=-2.0)]
    q, lam = rng.standard_normal(n), [0.5, 2.0]
    kept = ck.Lagrangian(ck.QCQP(ck.Quadratic(chain, q), fs))
    formed = ck.Lagrangian(ck.QCQP(ck.Quadratic(chain.toarray(), q), fs))
    assert kept.at(lam).structure == "operator"
    assert kept.dual_function(lam) == pytest.approx(formed.dual_function(lam), rel=1e-11)
    np.testing.assert_allclose(kept.minimizer(lam), formed.minimizer(lam), atol=1e-9)


def test_bounds_are_the_domain_of_large_sums_too():
    # Half of the variables end at a bound; the others are solved for in what is left of the sum.
    rng = np.random.default_rng(10)
    n = 1200
    F = rng.standard_normal((3, n)) / 10
    objective = ck.Quadratic(sp.diags_array(1.0 + rng.random(n), format="csr"), rng.standard_normal(n))
    factored = ck.Quadratic.from_factor(F, diag=0.5, r=-1.0)
    kept = ck.Lagrangian(ck.QCQP(objective, [factored], lb=-0.3, ub=0.3))
    formed = ck.Lagrangian(ck.QCQP(ck.Quadratic(objective.hessian(), objective.q), [factored], lb=-0.3, ub=0.3))
    for lam in (0.0, 0.7):
        assert kept.dual_function([lam]) == pytest.approx(formed.dual_function([lam]), rel=1e-6)
    beyond = ck.QCQP(ck.Quadratic.from_factor(1e200 * np.ones((1, n)), q=np.ones(n)))
    with np.errstate(over="ignore", invalid="ignore"):
        assert ck.Lagrangian(beyond).dual_function() == -np.inf


def test_a_large_sparse_certificate_of_infeasibility_has_a_margin():
    # ½‖x‖² ≤ ½ and Σ xⱼ ≥ 2√n: with lam = (1, 1/√n) the sum is ½‖x‖² - ½ + 2 - Σ xⱼ/√n ≥ 1;
    # with lam = (1, t/√n) its least value is 2t - ½ - ½t², negative beyond t = 2 + √3.
    n = 20_000
    problem = ck.QCQP(ck.Quadratic(None, np.zeros(n)), [ck.Quadratic(sp.eye_array(n, format="csr"), r=-0.5)],
                      G=sp.csr_array(-np.ones((1, n))), h=[-2.0 * np.sqrt(n)])
    none = np.zeros(n)
    proof = ck.InfeasibilityCertificate(np.array([1.0, 1.0 / np.sqrt(n)]), np.zeros(0), none, none)
    assert proof.margin(problem) == pytest.approx(1.0, rel=1e-10)
    assert not ck.InfeasibilityCertificate(np.array([1.0, 3.8 / np.sqrt(n)]), np.zeros(0), none, none).verify(problem)


# ---------------------------------------------------------------- second-order cones


def random_cones(n, sizes, rng, *, sparse=False):
    """Cones around the origin, strictly feasible there; every second one with sparse A if asked."""
    def one(i, k):
        A, b = rng.standard_normal((k, n)), rng.standard_normal(k)
        return ck.SecondOrderCone(sp.csr_array(A) if sparse and i % 2 else A, b, 0.2 * rng.standard_normal(n),
                                  np.linalg.norm(b) + 1.0 + rng.random())

    return [one(i, k) for i, k in enumerate(sizes)]


def multiplier_in_cone(size, rng):
    z = rng.standard_normal(size - 1)
    return np.concatenate(([np.linalg.norm(z) * (1.0 + rng.random())], z))


def test_cones_enter_the_lagrangian_as_their_definition_says():
    rng = np.random.default_rng(2)
    cones = random_cones(4, (1, 3, 2), rng, sparse=True)
    problem = ck.QCQP(ck.Quadratic(np.eye(4), rng.standard_normal(4)), [disc(np.zeros(4))],
                      G=rng.standard_normal((2, 4)), h=np.ones(2), cones=cones)
    x, lam = rng.standard_normal(4), rng.random(3)
    z = [rng.standard_normal(cone.size) for cone in cones]  # L is defined for multipliers of any sign
    expected = (problem.objective(x) + lam @ problem.inequality_values(x)
                - sum(zk[0] * (cone.c @ x + cone.d) + zk[1:] @ (cone.A @ x + cone.b)
                      for zk, cone in zip(z, cones, strict=True)))
    L = ck.Lagrangian(problem)
    assert L.value(x, lam, lam_cones=z) == pytest.approx(expected, rel=1e-13)
    assert L(x, lam, None, None, None, z) == L.at(lam, lam_cones=z)(x)
    differences = [(L(x + e, lam, lam_cones=z) - L(x - e, lam, lam_cones=z)) / 2.0 for e in np.eye(4)]
    np.testing.assert_allclose(L.gradient(x, lam, lam_cones=z), differences, rtol=1e-10, atol=1e-10)


def test_the_dual_function_of_a_ball_is_minus_its_radius_times_the_slope():
    # minimise qᵀx where ‖x + b‖ ≤ d: g = -z₀d - zᵀb for z = q, and d* = p* = -d‖q‖ - qᵀb at z₀ = ‖q‖.
    q, b, d = np.array([3.0, 4.0]), np.array([1.0, -2.0]), 2.0
    problem = ck.socp(q, [ck.SecondOrderCone(np.eye(2), b, d=d)])
    L = ck.Lagrangian(problem)
    assert L.dual_function(lam_cones=[[5.0, *q]]) == pytest.approx(-d * 5.0 - q @ b, rel=1e-14)
    assert L.dual_function(lam_cones=[[7.0, *q]]) == pytest.approx(-d * 7.0 - q @ b, rel=1e-14)
    assert L.dual_function(lam_cones=[[5.0, 3.0, 3.9]]) == -np.inf     # a slope is left
    assert L.dual_function() == -np.inf
    assert L.minimizer(lam_cones=[[4.9, *q]]) is None                  # ‖z‖ > z₀
    x = -b - d * q / 5.0
    assert ck.kkt_residuals(problem, x, lam_cones=[[5.0, *q]]).max() <= 1e-15


def test_a_multiplier_outside_its_cone_by_rounding_is_brought_into_it():
    q = np.array([3.0, 4.0])
    L = ck.Lagrangian(ck.socp(q, [ck.SecondOrderCone(np.eye(2), d=2.0)]))
    for short in (1e-15, 1e-12, 1e-10):
        bound = L.dual_function(lam_cones=[[5.0 * (1.0 - short), *q]])
        assert -10.0 * (1.0 + 1e-13) <= bound <= -10.0
    assert L.dual_function(lam_cones=[[5.0 * (1.0 - 1e-7), *q]]) == -np.inf
    assert L.dual_function(lam_cones=[[-5.0, 0.0, 0.0]]) == -np.inf


@pytest.mark.parametrize(("lam_cones", "words"), [
    ([np.zeros(3)], "lam_cones has 1 entries; the problem has 2 cones."),
    ([np.zeros(3), np.zeros(2)], "lam_cones[1] has length 2; expected 4: one for cᵀx + d, then one for each row of A."),
    ([np.zeros(2), np.zeros(4)], "lam_cones[0] has length 2; expected 3: one for cᵀx + d"),
    ([np.zeros(3), [0.0, np.nan, 0.0, 0.0]], "lam_cones[1] has 1 entries that are not finite"),
    ([np.zeros(3), np.full(4, np.inf)], "lam_cones[1] has 4 entries that are not finite"),
    (3.0, "lam_cones must be a sequence, one array for each cone; got float."),
])
def test_cone_multipliers_that_do_not_fit_are_refused_by_name(lam_cones, words):
    problem = ck.QCQP(ck.Quadratic(np.eye(2)), cones=random_cones(2, (2, 3), np.random.default_rng(0)))
    for evaluate in (lambda: ck.Lagrangian(problem).dual_function(lam_cones=lam_cones),
                     lambda: ck.kkt_residuals(problem, np.zeros(2), lam_cones=lam_cones),
                     lambda: ck.sensitivity(problem, np.zeros(2), lam_cones=lam_cones)):
        with pytest.raises(ck.ProblemError, match=re.escape(words)):
            evaluate()
    with pytest.raises(ck.ProblemError, match="lam_cones has 1 entries; the problem has 0 cones"):
        ck.kkt_residuals(ck.lp([1.0]), [0.0], lam_cones=[[1.0, 0.0]])


def in_cvxpy(cp, problem):
    """(cvxpy problem, x, cones, other constraints) of a problem with P = I or none."""
    x = cp.Variable(problem.n)
    objective = problem.objective.q @ x
    if not problem.objective.is_affine:
        objective = objective + 0.5 * cp.sum_squares(x)
    cones = [cp.SOC(cone.c @ x + cone.d, cone.A @ x + cone.b) for cone in problem.cones]
    rows = [problem.G @ x <= problem.h, problem.A @ x == problem.b, x >= problem.lb, x <= problem.ub]
    return cp.Problem(cp.Minimize(objective), cones + rows), x, cones, rows


def duals_in_our_order(cones, rows):
    """cvxpy's dual values as lam, nu, lam_lb, lam_ub, lam_cones."""
    z = [np.concatenate([np.ravel(part) for part in cone.dual_value]) for cone in cones]
    return (*(np.atleast_1d(row.dual_value) for row in rows), z)


@pytest.mark.parametrize("seed", range(6))
def test_cone_multipliers_of_cvxpy_are_ours_as_they_are(seed):
    cp = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    problem = ck.QCQP(ck.Quadratic(np.eye(n) if seed % 2 else None, 5.0 * rng.standard_normal(n)),
                      G=rng.standard_normal((2, n)), h=0.5 + rng.random(2), A=rng.standard_normal((1, n)), b=[0.1],
                      lb=-4.0, ub=4.0, cones=random_cones(n, rng.integers(1, 5, size=3), rng, sparse=True))
    theirs, x, cones, rows = in_cvxpy(cp, problem)
    theirs.solve(solver=cp.CLARABEL)
    duals = duals_in_our_order(cones, rows)
    residuals = ck.kkt_residuals(problem, x.value, *duals)
    assert residuals.max() < 1e-6
    assert max(z[0] for z in duals[-1]) > 0.1, "a cone binds"
    assert residuals.dual_value == pytest.approx(theirs.value, abs=1e-6)
    turned = [z * np.where(np.arange(z.size) > 0, -1.0, 1.0) for z in duals[-1]]
    assert ck.kkt_residuals(problem, x.value, *duals[:-1], turned).max() > 1e-2
    # The dual function at their multipliers, moved into their cones, is their value; at any others it is below.
    L = ck.Lagrangian(problem)
    lam = np.maximum(duals[0], 0.0)
    inside = [np.concatenate(([max(z[0], np.linalg.norm(z[1:]))], z[1:])) for z in duals[-1]]
    assert L.dual_function(lam, duals[1], lam_cones=inside) == pytest.approx(theirs.value, abs=1e-5)
    for _ in range(20):
        drawn = [multiplier_in_cone(cone.size, rng) * (rng.random() < 0.7) for cone in problem.cones]
        assert L.dual_function(rng.random(2), rng.standard_normal(1), lam_cones=drawn) <= theirs.value + 1e-7


# minimise 3x₁ + 4x₂ where ‖x‖ ≤ 1: x = -(0.6, 0.8), z = (5, 3, 4). The second cone, |x₁| ≤ x₂ + 2, is slack.
BALL = ck.socp([3.0, 4.0], [ck.SecondOrderCone(np.eye(2), d=1.0),
                            ck.SecondOrderCone([[1.0, 0.0]], c=[0.0, 1.0], d=2.0)])
BALL_POINT = {"x": [-0.6, -0.8], "lam_cones": [[5.0, 3.0, 4.0], [0.0, 0.0]]}


@pytest.mark.parametrize(("changes", "residual", "where"), [
    ({"lam_cones": [[4.0, 2.4, 3.2], [0.0, 0.0]]}, "stationarity", ""),
    ({"x": [-0.9, -1.2]}, "primal", "cones[0] is violated by 5.0e-01"),
    ({"x": [0.0, -3.0]}, "primal", "cones[0] is violated by 2.0e+00"),
    ({"lam_cones": [[4.0, 3.0, 4.0], [0.0, 0.0]]}, "dual", ""),
    ({"lam_cones": [[5.0, 3.0, 4.0], [-1.0, 0.0]]}, "dual", ""),
    ({"lam_cones": [[5.0, 3.0, 4.0], [1.0, 0.0]]}, "complementarity", ""),
    ({"lam_cones": [[6.0, 3.0, 4.0], [0.0, 0.0]]}, "gap", ""),
])
def test_each_failure_of_a_cone_shows_in_its_own_residual(changes, residual, where):
    assert ck.kkt_residuals(BALL, **BALL_POINT).max() <= 1e-15
    residuals = ck.kkt_residuals(BALL, **{**BALL_POINT, **changes})
    assert getattr(residuals, residual) > 0.05
    assert residuals.where == where


def test_the_worst_cone_is_named_and_zero_constants_have_a_floor():
    beyond = ck.socp([1.0, 0.0], [ck.SecondOrderCone(np.eye(2), d=9.0), ck.SecondOrderCone([[2.0, 0.0]], c=[0.0, 1.0])])
    residuals = ck.kkt_residuals(beyond, [1.0, 1.0])
    assert residuals.where == "cones[1] is violated by 1.0e+00"
    assert residuals.primal == pytest.approx(1.0 / 3.0)
    # ‖2x₁‖ ≤ x₂ has no constant: near the origin a violation counts in units of at most 1.
    assert ck.kkt_residuals(beyond, [1e-12, 0.0]).primal == pytest.approx(2e-12)
    small = ck.socp([1.0, 0.0], [ck.SecondOrderCone([[2e-6, 0.0]], c=[0.0, 1e-6])])
    assert ck.kkt_residuals(small, [1e-12, 0.0]).primal == pytest.approx(1e-12)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_residuals_do_not_depend_on_the_units_of_a_cone(factor):
    rng = np.random.default_rng(3)
    cones = random_cones(3, (2, 3), rng)
    scaled = [ck.SecondOrderCone(factor * c.A, factor * c.b, factor * c.c, factor * c.d) for c in cones]
    x, q = 3.0 * rng.standard_normal(3), rng.standard_normal(3)
    z = [rng.standard_normal(c.size) for c in cones]
    plain = ck.kkt_residuals(ck.socp(q, cones), x, lam_cones=z)
    other = ck.kkt_residuals(ck.socp(q, scaled), x, lam_cones=[v / factor for v in z])
    for name in ("stationarity", "primal", "dual", "complementarity", "gap"):
        assert getattr(plain, name) > 1e-3
        assert getattr(other, name) == pytest.approx(getattr(plain, name), rel=1e-9)


def test_a_thousand_cones_have_the_residuals_of_the_definition():
    # Dense and sparse by turns and in stretches, so that they are taken in several pieces.
    rng = np.random.default_rng(4)
    n = 40
    cones = random_cones(n, rng.integers(1, 6, size=500), rng) + random_cones(n, rng.integers(1, 6, size=500), rng,
                                                                              sparse=True)
    problem = ck.socp(rng.standard_normal(n), cones)
    x, z = 2.0 * rng.standard_normal(n), [multiplier_in_cone(cone.size, rng) for cone in cones]
    z[17][0] *= 0.1
    found = ck.kkt_residuals(problem, x, lam_cones=z)
    slacks = [cone.slack(x) for cone in cones]
    np.testing.assert_allclose(problem.cone_values(x), [np.linalg.norm(s[1:]) - s[0] for s in slacks], rtol=1e-12)

    def size(cone):
        terms = abs(cone.A) @ np.abs(x) + np.abs(cone.b)
        return np.linalg.norm(terms) + np.abs(cone.c) @ np.abs(x) + abs(cone.d)

    shares = problem.cone_values(x) / [size(cone) for cone in cones]
    assert found.primal == pytest.approx(shares.max(), rel=1e-12)
    assert found.where.startswith(f"cones[{np.argmax(shares)}] is violated by")
    on_heads = sum(v[0] * cone.c for v, cone in zip(z, cones, strict=True))
    on_tails = sum(cone.A.T @ v[1:] for v, cone in zip(z, cones, strict=True))
    q = problem.objective.q
    scale = max(np.abs(v).max() for v in (q, on_heads, on_tails))
    assert found.stationarity == pytest.approx(np.abs(q - on_heads - on_tails).max() / scale, rel=1e-11)
    outside = np.linalg.norm(z[17][1:]) - z[17][0]
    assert found.dual == pytest.approx(outside / max(v[0] for v in z), rel=1e-12)
    products = sum(v @ s for v, s in zip(z, slacks, strict=True))
    assert found.dual_value == pytest.approx(found.value - products, rel=1e-12)


def test_a_cone_and_a_row_that_exclude_each_other_are_proved_infeasible():
    # ‖x‖ ≤ 1 and x₁ ≥ 2: lam = 1, z = (1, -1, 0) give 2 - x₁ - 1 + x₁ = 1 > 0.
    problem = ck.socp([0.0, 1.0], [ck.SecondOrderCone(np.eye(2), d=1.0)], G=[[-1.0, 0.0]], h=[-2.0])
    none = np.zeros(2)

    def proof(lam, *z):
        return ck.InfeasibilityCertificate(np.array([lam]), np.zeros(0), none, none, tuple(np.array(v) for v in z))

    good = proof(1.0, [1.0, -1.0, 0.0])
    assert good.verify(problem)
    assert good.margin(problem) == pytest.approx(1.0, rel=1e-12)
    L = ck.Lagrangian(problem.feasibility_problem())
    for x in np.random.default_rng(0).standard_normal((20, 2)):
        assert L(x, good.lam, lam_cones=good.lam_cones) == pytest.approx(1.0)
    assert proof(1.0, [1.0 - 1e-14, -1.0, 0.0]).verify(problem), "outside by rounding"
    for bad in (proof(1.0, [1.0, 1.0, 0.0]), proof(1.0, [0.5, -1.0, 0.0]), proof(1.0, [2.5, -1.0, 0.0]),
                proof(-1.0, [1.0, 1.0, 0.0]), proof(1.0, [np.nan, -1.0, 0.0]), proof(1.0), proof(0.0, [1.0, 0.0, 0.0])):
        assert not bad.verify(problem)
    with pytest.raises(ck.ProblemError, match="lam_cones has 2 entries; the problem has 1 cones"):
        proof(1.0, [1.0, 0.0, 0.0], [1.0, 0.0]).verify(problem)
    # A cone can be empty by itself: ‖x‖ ≤ -1.
    empty = ck.socp([0.0, 1.0], [ck.SecondOrderCone(np.eye(2), d=-1.0)])
    alone = ck.InfeasibilityCertificate(np.zeros(0), np.zeros(0), none, none, (np.array([1.0, 0.0, 0.0]),))
    assert alone.margin(empty) == pytest.approx(1.0)


def test_a_certificate_without_cone_multipliers_counts_them_as_zero():
    problem = ck.QCQP(ck.Quadratic(None, [0.0]), G=[[1.0], [-1.0]], h=[1.0, -2.0],
                      cones=[ck.SecondOrderCone([[1.0]], d=9.0)])
    proof = ck.InfeasibilityCertificate(np.ones(2), np.zeros(0), np.zeros(1), np.zeros(1))
    assert proof.lam_cones == ()
    assert proof.verify(problem)


@pytest.mark.parametrize("A", [[[1.0, 0.0]], sp.csr_array([[1.0, 0.0]])])
def test_a_direction_has_to_stay_in_every_cone(A):
    # minimise -x₂ where |x₁| ≤ x₂: directions with |d₁| ≤ d₂ fall for ever.
    problem = ck.socp([0.0, -1.0], [ck.SecondOrderCone(A, c=[0.0, 1.0], d=0.5)])
    start = np.zeros(2)
    for d, falls in (([0.0, 1.0], True), ([1.0, 1.0], True), ([-1.0, 1.0], True), ([1.0 + 1e-10, 1.0], True),
                     ([1.001, 1.0], False), ([0.0, -1.0], False)):
        assert ck.UnboundednessCertificate(start, np.array(d)).verify(problem) == falls
    up = np.array([0.0, 1.0])
    assert ck.UnboundednessCertificate(np.array([0.0, -0.4]), up).verify(problem)
    assert not ck.UnboundednessCertificate(np.array([0.0, -0.6]), up).verify(problem), "not feasible"
    # Far out a violation of 1 is rounding relative to the terms of a cone, and a contradiction all the same.
    apart = ck.socp([0.0, -1.0], [ck.SecondOrderCone([[1.0, -1.0]], b, d=0.1) for b in ([0.0], [-2.0])])
    for distance in (1.0, 1e4, 1e8):
        assert not ck.UnboundednessCertificate(np.full(2, distance) + [1.0, 0.0], np.ones(2)).verify(apart)


def test_prices_of_cones_are_derivatives_of_the_optimal_value():
    # minimise qᵀx where ‖x + b‖ ≤ d: p* = -d‖q‖ - qᵀb, so that dp*/dd = -‖q‖ = -z₀ and dp*/db = -q = -z.
    q, b, d = np.array([3.0, 4.0]), np.array([1.0, -2.0]), 2.0
    problem = ck.socp(q, [ck.SecondOrderCone(np.eye(2), b, d=d)])
    x = -b - d * q / 5.0
    prices = ck.sensitivity(problem, x, lam_cones=[[5.0, 3.0, 4.0]])
    assert prices.residual <= 1e-15
    np.testing.assert_array_equal(prices.value_wrt_cones[0], [-5.0, -3.0, -4.0])
    np.testing.assert_array_equal(prices.value_wrt_q, x)

    def value(d, b, q):
        return -d * np.linalg.norm(q) - q @ b

    derivative = [(value(d + e, b, q) - value(d - e, b, q)) / (2 * e) for e in (1e-6,)]
    derivative += [(value(d, b + e, q) - value(d, b - e, q)) / 2e-6 for e in 1e-6 * np.eye(2)]
    np.testing.assert_allclose(prices.value_wrt_cones[0], derivative, rtol=1e-8)
    np.testing.assert_allclose(prices.value_wrt_q, [(value(d, b, q + e) - value(d, b, q - e)) / 2e-6
                                                    for e in 1e-6 * np.eye(2)], rtol=1e-8)


def test_prices_of_bounds_beside_cones_are_implied_by_the_slope():
    # minimise x₁ + x₂ where ‖x‖ ≤ 1, x₁ ≥ 0: x = (0, -1), z = (1, 0, 1), and the bound takes the slope 1.
    problem = ck.socp([1.0, 1.0], [ck.SecondOrderCone(np.eye(2), d=1.0)], lb=[0.0, -np.inf])
    prices = ck.sensitivity(problem, [0.0, -1.0], lam_cones=[[1.0, 0.0, 1.0]])
    assert prices.residual == 0.0
    np.testing.assert_array_equal(prices.value_wrt_lb, [1.0, 0.0])
