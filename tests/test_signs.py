"""Multipliers of other solvers, read under our sign rule: each point passes the KKT conditions of the same problem."""

import types

import numpy as np
import pytest
from scipy.optimize import linprog

import convexkit as ck

INF = np.inf


def random_lp(seed):
    rng = np.random.default_rng(seed)
    n, m, p = 6, 4, 2
    x = rng.standard_normal(n)
    G, A = rng.standard_normal((m, n)), rng.standard_normal((p, n))
    lb, ub = x - rng.exponential(1.0, n), x + rng.exponential(1.0, n)
    lb[0] = -INF
    ub[1] = INF
    return ck.lp(rng.standard_normal(n), G, G @ x + rng.exponential(0.5, m), A, A @ x, lb=lb, ub=ub)


@pytest.mark.parametrize("seed", range(8))
def test_linprog_s_marginals_are_read_with_every_sign(seed):
    problem = random_lp(seed)
    result = linprog(problem.objective.q, problem.G, problem.h, problem.A, problem.b,
                     bounds=np.column_stack([problem.lb, problem.ub]), method="highs")
    if result.status == 3:  # unbounded: two variables lack a bound
        with pytest.raises(ck.ProblemError, match="result has no point"):
            ck.point_from_linprog(problem, result)
        return
    point = ck.point_from_linprog(problem, result)
    assert ck.kkt_residuals(problem, *point).max() < 1e-9
    assert ck.duality_report(problem, *point).verdict.startswith("x is optimal")
    ours = ck.solve(problem)
    for mine, theirs in ((ours.lam, point.lam), (ours.nu, point.nu), (ours.lam_lb, point.lam_lb),
                         (ours.lam_ub, point.lam_ub)):
        np.testing.assert_allclose(theirs, mine, atol=1e-5)  # a random LP has one optimal basis


def test_all_draws_but_a_few_are_bounded():
    statuses = [ck.solve(random_lp(seed)).status.value for seed in range(8)]
    assert statuses.count("optimal") >= 5


def test_qpsolvers_multipliers_are_read_with_every_sign():
    # (x₁ - 3)² + (x₂ + 2)² where x₁ = 2x₂ + 3, x₁ ≤ 1, x₂ ≥ -5: z_box is positive at an upper bound.
    # By hand at (1, -1): 2(1 - 3) + y + z₁ = 0 and 2(-1 + 2) - 2y = 0, so y = 1 and z₁ = 3.
    problem = ck.qp(2 * np.eye(2), [-6.0, 4.0], A=[[1.0, -2.0]], b=[3.0], lb=[-5.0, -5.0], ub=[1.0, 5.0])
    theirs = types.SimpleNamespace(x=np.array([1.0, -1.0]), y=np.array([1.0]), z=np.zeros(0),
                                   z_box=np.array([3.0, 0.0]))
    point = ck.point_from_qpsolvers(problem, theirs)
    np.testing.assert_array_equal(point.lam_ub, [3.0, 0.0])
    assert ck.kkt_residuals(problem, *point).max() == 0.0
    # At a lower bound z_box is negative: x₂ ≥ -1 for (x₂ + 2)², by hand 2 + z = 0.
    low = ck.qp([[2.0]], [4.0], G=[[-1.0]], h=[9.0], lb=-1.0)
    theirs = types.SimpleNamespace(x=np.array([-1.0]), y=None, z=np.array([0.0]), z_box=np.array([-2.0]))
    point = ck.point_from_qpsolvers(low, theirs)
    np.testing.assert_array_equal(point.lam_lb, [2.0])
    assert ck.kkt_residuals(low, *point).max() == 0.0
    without = types.SimpleNamespace(x=np.array([-1.0]), y=None, z=None, z_box=None)
    assert ck.point_from_qpsolvers(low, without).lam_lb == [0.0]


@pytest.mark.parametrize(("read", "result", "words"), [
    (ck.point_from_linprog, None, "result has no point: it is NoneType"),
    (ck.point_from_linprog, types.SimpleNamespace(x=np.zeros(1)), "no marginals; call linprog with method='highs'"),
    (ck.point_from_linprog, types.SimpleNamespace(x=np.zeros(2), ineqlin=1), "result.x has length 2; the problem"),
    (ck.point_from_qpsolvers, types.SimpleNamespace(x=None), "solution has no point; it is a SimpleNamespace"),
    (ck.point_from_qpsolvers, types.SimpleNamespace(x=np.zeros(2)), "solution.x has length 2; the problem has 1"),
    (ck.point_from_qpsolvers, types.SimpleNamespace(x=np.zeros(1), z=np.ones(3)), "lam has length 3; expected 0"),
])
def test_results_that_do_not_fit_are_refused_by_name(read, result, words):
    with pytest.raises(ck.ProblemError, match=words):
        read(ck.lp([1.0], lb=0.0), result)
