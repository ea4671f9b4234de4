"""One constraint, three ways: a closed form with conjugate gradient, the interior point, and cvxpy.

    minimise  gᵀp   subject to   ½(pᵀHp - radius²) ≤ 0
    p* = -H⁻¹g / lam*,   lam* = √(gᵀH⁻¹g) / radius,   p*-value = -radius·√(gᵀH⁻¹g)

Stationarity g + lam·Hp = 0 gives p; the active constraint gives lam (Boyd & Vandenberghe, section 5.2.4).
"""

import warnings

import cvxpy as cp
import numpy as np
import pytest

import convexkit as ck
from convexkit import cvxpy_bridge

# What clarabel is asked for; it is believed only where its point passes ck.kkt_residuals.
TIGHT = {"solver": cp.CLARABEL, "tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}
SIZES = (1, 2, 10, 50)
# Relative tolerance on p and the multiplier for each condition number of H. An error of eps·cond(H) in H⁻¹g is far
# below; all three ways stop at KKT residuals of 1e-8 or less.
TOLERANCE = {1.0: 1e-6, 1e2: 1e-6, 1e4: 1e-6}
# A value is off by the square of what the point is off by.
VALUE_TOLERANCE = 1e-6
# With a quadratic objective besides the cone clarabel's residuals end between 1e-9 and 5e-6.
LOOSE = 1e-5


def metric_with_factor(n, condition, seed):
    """H = FᵀF with the given condition number (1 if n = 1), and F."""
    rng = np.random.default_rng(seed)
    orthogonal = np.linalg.qr(rng.normal(size=(n, n)))[0]
    F = np.sqrt(np.geomspace(1.0, condition, n))[:, None] * orthogonal.T
    return F.T @ F, F


def through_cvxpy(objective, p, F, radius, problem, accept):
    """(p, value, multiplier) from clarabel, which is given the factor; its point must pass on the original rows.

    The cone ‖Fp‖ ≤ radius is what clarabel solves best: given ½‖Fp‖² ≤ ½radius² it stops with multipliers that
    are off by 1e-6. With multiplier y of the cone, stationarity g + y·Hp/‖Fp‖ = 0 says lam = y / radius.
    """
    constraint = cp.norm(F @ p) <= radius
    source = cp.Problem(cp.Minimize(objective), [constraint])
    with warnings.catch_warnings():
        # "Solution may be inaccurate": the residuals below decide.
        warnings.simplefilter("ignore", UserWarning)
        source.solve(**TIGHT)
    lam = float(np.asarray(constraint.dual_value).reshape(-1)[0]) / radius
    assert ck.kkt_residuals(problem, p.value, [lam]).max() <= accept
    return p.value, source.value, lam


def assert_same(way, reference, tolerance):
    p, value, lam = way
    p_star, value_star, lam_star = reference
    np.testing.assert_allclose(p, p_star, rtol=0, atol=tolerance * np.linalg.norm(p_star))
    assert value == pytest.approx(value_star, rel=VALUE_TOLERANCE)
    assert lam == pytest.approx(lam_star, rel=tolerance, abs=1e-8)


@pytest.mark.parametrize("condition", TOLERANCE)
@pytest.mark.parametrize("n", SIZES)
def test_the_linear_model_has_one_answer_by_closed_form_cg_interior_point_and_cvxpy(n, condition):
    H, F = metric_with_factor(n, condition, seed=n)
    g = np.random.default_rng(100 + n).normal(size=n)
    radius = 0.2
    solved = np.linalg.solve(H, g)
    lam_star = np.sqrt(g @ solved) / radius
    reference = (-solved / lam_star, -radius * np.sqrt(g @ solved), lam_star)

    model = ck.Quadratic(None, g)
    step = ck.trust_region_step(model, radius=radius, metric=H, rtol=1e-10, maxiter=20 * n)
    assert step.success
    assert step.cg.success
    assert step.gap <= 1e-6 * abs(step.value)

    problem = ck.QCQP(model, [ck.Quadratic(H, np.zeros(n), -radius**2 / 2)])
    solution = ck.solve(problem).require_optimal()
    assert solution.residuals.max() <= 1e-8

    p = cp.Variable(n)
    outside = through_cvxpy(g @ p, p, F, radius, problem, accept=1e-7)
    for way in ((step.p, step.value, step.lam), (solution.x, solution.value, solution.lam[0]), outside):
        assert_same(way, reference, TOLERANCE[condition])
        assert ck.kkt_residuals(problem, way[0], [way[2]]).max() <= 1e-6


@pytest.mark.parametrize("n", SIZES)
def test_the_bridge_brings_the_same_step_home(n):
    H, F = metric_with_factor(n, 100.0, seed=n)
    g = np.random.default_rng(100 + n).normal(size=n)
    step = ck.trust_region_step(ck.Quadratic(None, g), radius=0.2, metric=H, rtol=1e-10, maxiter=20 * n)
    p = cp.Variable(n)
    source = cp.Problem(cp.Minimize(g @ p), [cp.sum_squares(F @ p) / 2 <= 0.02])
    bridge = cvxpy_bridge.from_cvxpy(source)
    bridge.write_back(ck.solve(bridge.problem))
    assert source.status == "optimal"
    assert_same((p.value, source.value, float(source.constraints[0].dual_value)), (step.p, step.value, step.lam),
                TOLERANCE[1e2])


@pytest.mark.parametrize(("radius", "inside"), [(0.1, False), (100.0, True)])
@pytest.mark.parametrize("n", SIZES)
def test_a_convex_quadratic_model_has_one_answer_on_the_boundary_and_inside(n, radius, inside):
    H, F = metric_with_factor(n, 100.0, seed=n)
    P, root = metric_with_factor(n, 10.0, seed=50 + n)
    g = np.random.default_rng(100 + n).normal(size=n)
    model = ck.Quadratic(P, g)
    step = ck.trust_region_step(model, radius=radius, metric=H)
    assert step.success
    assert step.status.value == ("interior" if inside else "boundary")
    reference = (step.p, step.value, step.lam)
    # The same conditions that define the answer: (P + lam·H)p = -g, and inside lam = 0.
    np.testing.assert_allclose((P + step.lam * H) @ step.p, -g, atol=1e-8 * np.linalg.norm(g))
    assert (step.lam == 0) == inside

    problem = ck.QCQP(model, [ck.Quadratic(H, np.zeros(n), -radius**2 / 2)])
    solution = ck.solve(problem, tol=1e-9).require_optimal()
    assert_same((solution.x, solution.value, solution.lam[0]), reference, TOLERANCE[1e2])
    p = cp.Variable(n)
    outside = through_cvxpy(cp.sum_squares(root @ p) / 2 + g @ p, p, F, radius, problem, accept=LOOSE)
    assert_same(outside, reference, 10 * LOOSE)
