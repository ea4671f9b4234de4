"""Multiplier sets, one-sided derivatives, price ranges: against the book, closed forms, and solved neighbours."""

import numpy as np
import pytest

import convexkit as ck

from .gallery import random_qcqp


def degenerate_corner():
    """Additional exercise 5.1: three rows active in the plane."""
    return ck.qp([[2.0, -1.0], [-1.0, 4.0]], [-1.0, 0.0], G=[[1.0, 2.0], [1.0, -4.0], [5.0, 76.0]],
                 h=[-2.0, -3.0, 1.0])


def touching_discs():
    """Exercise 5.26."""
    discs = [ck.Quadratic(2 * np.eye(2), [-2.0, -2 * s], 1.0) for s in (1.0, -1.0)]
    return ck.QCQP(ck.Quadratic(2 * np.eye(2)), discs)


def moving_fit():
    """Exercise 5.33: the best l1 fit of data b + eps·d, and the direction of its right-hand sides."""
    A = np.array([[-2.0, 7, 1], [-5, -1, 3], [-7, 3, -5], [-1, 4, -4], [1, 5, 5], [2, -5, -1]])
    b, d = np.array([-4.0, 3, 9, 0, -11, 5]), np.array([-10.0, -13, -27, -10, -7, 14])
    problem = ck.lp(np.r_[np.zeros(3), np.ones(6)], np.block([[A, -np.eye(6)], [-A, -np.eye(6)]]), np.r_[-b, b])
    return problem, np.r_[-d, d]


def value_at(problem, t, **moves):
    solution = ck.solve(ck.perturbed(problem, **{name: t * np.asarray(v) for name, v in moves.items()}))
    return solution.value if solution.residuals is not None else np.inf


# ---------------------------------------------------------------- perturbed problems and the global inequality


def test_perturbed_moves_every_right_hand_side():
    rng = np.random.default_rng(0)
    problem = random_qcqp(4, 2, rng, linear=3, equalities=1, bounds=True)
    u, v, lb, ub, x = *(rng.standard_normal(k) for k in (5, 1)), *rng.random((2, 4)), rng.standard_normal(4)
    moved = ck.perturbed(problem, u=u, v=v, lb=-lb, ub=ub)
    np.testing.assert_allclose(moved.inequality_values(x), problem.inequality_values(x) - u, atol=1e-12)
    np.testing.assert_allclose(moved.equality_values(x), problem.equality_values(x) - v, atol=1e-12)
    np.testing.assert_allclose(moved.lb, problem.lb - lb)
    np.testing.assert_allclose(moved.ub, problem.ub + ub)
    with pytest.raises(ck.ProblemError, match="u has length 2; expected 5: 2 quadratic inequalities, then 3 rows of G"):
        ck.perturbed(problem, u=[1.0, 2.0])


@pytest.mark.parametrize("seed", range(8))
def test_prices_bound_every_perturbed_problem_from_below(seed):
    rng = np.random.default_rng(seed)
    problem = random_qcqp(4, 2, rng, linear=3, equalities=1, bounds=True)
    s = ck.solve(problem)
    prices = ck.sensitivity(problem, s.x, s.lam, s.nu, s.lam_lb, s.lam_ub)
    assert prices.lower_bound() == pytest.approx(s.value, rel=1e-6, abs=1e-6)
    for size in (0.01, 0.3, 3.0):
        u, v, lb, ub = size * rng.standard_normal(5), size * rng.standard_normal(1), -size * rng.random(4), \
            size * rng.random(4)
        solution = ck.solve(ck.perturbed(problem, u=u, v=v, lb=lb, ub=ub))
        assert solution.value >= prices.lower_bound(u=u, v=v, lb=lb, ub=ub) - 1e-7 * (1 + abs(solution.value))


def test_prices_of_cones_bound_too():
    problem = ck.socp([3.0, 4.0], [ck.SecondOrderCone(np.eye(2), d=1.0)])
    s = ck.solve(problem)
    prices = ck.sensitivity(problem, s.x, lam_cones=s.lam_cones)
    wider = ck.socp([3.0, 4.0], [ck.SecondOrderCone(np.eye(2), [0.1, 0.0], d=1.5)])
    assert ck.solve(wider).value >= prices.lower_bound(cones=[[0.5, 0.1, 0.0]]) - 1e-7
    with pytest.raises(ck.ProblemError, match="u has length 1; expected 0"):
        prices.lower_bound(u=[1.0])


# ---------------------------------------------------------------- the set of multipliers


def test_multipliers_at_the_degenerate_corner_are_a_range():
    problem = degenerate_corner()
    found = ck.multiplier_set(problem, ck.solve(problem))
    assert (found.exist, found.unique, found.independent, found.bounded, found.strictly_complementary) \
        == (True, False, False, True, True)
    # By hand: at x = (-7/3, 1/6) the slope is (-35/6, 3), and lam ≥ 0 with Gᵀlam = (35/6, -3) is the segment between
    # the points with lam₁ = 0 and with lam₃ = 0: two 2×2 systems.
    right = np.array([35 / 6, -3.0])
    ends = []
    for rows in ([1, 2], [0, 1]):
        y = np.zeros(3)
        y[rows] = np.linalg.solve(problem.G[rows].T, right)
        assert (y >= 0).all()
        assert ck.kkt_residuals(problem, [-7 / 3, 1 / 6], y).max() < 1e-12
        ends.append(y)
    np.testing.assert_allclose(found.lam_low, np.min(ends, axis=0), atol=1e-6)
    np.testing.assert_allclose(found.lam_high, np.max(ends, axis=0), atol=1e-6)


def test_ranges_contain_what_a_solver_finds_and_are_attained():
    # The same row three times, with factors: lam₁ + 2lam₂ + 4lam₃ = 3.
    problem = ck.qp(np.eye(2), [-3.0, 0.0], G=[[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]], h=[0.0, 0.0, 0.0],
                    lb=[-np.inf, 0.0])
    s = ck.solve(problem)
    found = ck.multiplier_set(problem, s)
    np.testing.assert_allclose(found.lam_high, [3.0, 1.5, 0.75], atol=1e-6)
    np.testing.assert_allclose(found.lam_low, 0.0, atol=1e-6)
    assert (s.lam >= found.lam_low - 1e-6).all()
    assert (s.lam <= found.lam_high + 1e-6).all()
    assert not found.strictly_complementary  # lb[1] is active without a price
    assert ck.multiplier_set(problem, [0.0, 0.0]).lam_lb_high[1] == pytest.approx(0.0, abs=1e-12)


def test_unique_multipliers_are_those_of_the_solver():
    rng = np.random.default_rng(4)
    problem = random_qcqp(5, 2, rng, linear=3, equalities=1, bounds=True)
    s = ck.solve(problem)
    found = ck.multiplier_set(problem, s)
    assert found.unique
    assert found.independent
    np.testing.assert_allclose(found.lam_low, s.lam, atol=1e-6)
    np.testing.assert_allclose(found.nu_low, s.nu, atol=1e-6)
    np.testing.assert_allclose(found.lam_lb_low, s.lam_lb, atol=1e-6)


def test_discs_that_touch_have_no_multipliers_and_a_dual_that_is_not_attained():
    problem = touching_discs()
    for point in (ck.solve(problem), [1.0, 0.0]):
        found = ck.multiplier_set(problem, point)
        assert (found.exist, found.unique, found.lam_low, found.nu_high) == (False, False, None, None)
        sizes, bounds = np.array(found.bounds).T
        np.testing.assert_allclose(bounds, 2 * sizes / (2 * sizes + 1), atol=1e-6)
        assert "not attained" in found.message
        # The direction lowers the objective and, to first order, violates nothing.
        assert problem.objective.gradient(np.array([1.0, 0.0])) @ found.direction < -1.0
        assert all(abs(f.gradient(np.array([1.0, 0.0])) @ found.direction) < 1e-6 for f in problem.inequalities)


def test_a_square_that_must_vanish_has_no_multiplier_unless_none_is_needed():
    square = ck.Quadratic(np.diag([2.0, 0.0]))
    needs = ck.QCQP(ck.Quadratic(np.eye(2), [1.0, 0.0]), [square])
    assert not ck.multiplier_set(needs, ck.solve(needs)).exist
    free = ck.QCQP(ck.Quadratic(np.eye(2), [0.0, 1.0]), [square])
    found = ck.multiplier_set(free, ck.solve(free))
    assert found.exist
    assert not found.bounded
    assert found.lam_high[0] == np.inf


def test_the_cone_with_a_duality_gap_has_no_multipliers():
    problem = ck.socp([1.0, 0.0], [ck.SecondOrderCone(np.eye(2), None, [0.0, 1.0])], [[-1.0, 0.0]], [1.0])
    found = ck.multiplier_set(problem, [0.0, 1.0])
    assert not found.exist
    assert "gap" in found.message


def test_a_cone_has_one_number_as_its_multiplier_away_from_its_apex():
    problem = ck.socp([3.0, 4.0], [ck.SecondOrderCone(np.eye(2), d=1.0)])
    found = ck.multiplier_set(problem, ck.solve(problem))
    assert found.unique
    np.testing.assert_allclose(found.cones_low, [5.0], atol=1e-6)
    apex = ck.socp([0.0, 1.0], [ck.SecondOrderCone(np.eye(2), None, [0.0, 1.0])])
    with pytest.raises(ck.ProblemError, match=r"cones\[0\] is active at its apex"):
        ck.multiplier_set(apex, [0.0, 0.0])


def test_equations_written_twice_and_fixed_variables_have_unbounded_multipliers():
    twice = ck.qp(np.eye(2), [0.0, 0.0], A=[[1.0, 1.0], [1.0, 1.0]], b=[1.0, 1.0])
    found = ck.multiplier_set(twice, ck.solve(twice))
    assert not found.unique
    assert not found.bounded
    assert (found.nu_low == -np.inf).all()
    assert (found.nu_high == np.inf).all()
    fixed = ck.qp(np.eye(2), [1.0, 2.0], lb=[1.0, -1.0], ub=[1.0, 3.0])
    found = ck.multiplier_set(fixed, ck.solve(fixed))
    assert (found.lam_lb_high[0], found.lam_ub_high[0]) == (np.inf, np.inf)
    assert found.lam_lb_low[1] == found.lam_lb_high[1] == pytest.approx(1.0)


def test_points_that_are_not_solutions_are_refused():
    problem = degenerate_corner()
    with pytest.raises(ck.ProblemError, match="x is not feasible: G row"):
        ck.multiplier_set(problem, [0.0, 0.0])
    infeasible = ck.lp([0.0], G=[[1.0], [-1.0]], h=[0.0, -1.0])
    no_point = ck.solve(infeasible)
    with pytest.raises(ck.ProblemError, match="its status is infeasible"):
        ck.multiplier_set(infeasible, no_point)
    with pytest.raises(ck.ProblemError, match="problem must be a QCQP"):
        ck.multiplier_set(1, [0.0])
    assert not ck.multiplier_set(problem, [-3.0, 0.1]).exist  # feasible, but not optimal


# ---------------------------------------------------------------- one-sided derivatives


@pytest.mark.parametrize("u", [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, -1, 0.5]])
def test_slopes_at_the_degenerate_corner_are_those_of_solved_neighbours(u):
    problem = degenerate_corner()
    s = ck.solve(problem)
    slopes = ck.one_sided_derivatives(problem, s, u=u)
    t = 1e-5
    assert slopes.right == pytest.approx((value_at(problem, t, u=u) - 74 / 9) / t, abs=1e-2)
    assert slopes.left == pytest.approx((value_at(problem, -t, u=u) - 74 / 9) / -t, abs=1e-2)
    assert slopes.left <= slopes.right + 1e-9
    for lam, slope in ((slopes.lam_left, slopes.left), (slopes.lam_right, slopes.right)):
        assert -lam @ u == pytest.approx(slope)
        assert ck.kkt_residuals(problem, s.x, lam).max() < 1e-6


def test_a_unique_price_has_one_slope_and_an_end_of_p_an_infinite_one():
    problem = ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0)])
    slopes = ck.one_sided_derivatives(problem, ck.solve(problem), u=[1.0])
    assert slopes.left == slopes.right == pytest.approx(-2.0, abs=1e-6)
    # x ≤ 0 and x ≥ 0: raising the second is infeasible.
    pinned = ck.lp([1.0], G=[[1.0]], h=[0.0], lb=0.0)
    slopes = ck.one_sided_derivatives(pinned, ck.solve(pinned), lb=[1.0])
    assert slopes.right == np.inf
    assert slopes.lam_right is None
    assert slopes.left == pytest.approx(1.0)  # below 0 the minimum follows the bound
    slopes = ck.one_sided_derivatives(pinned, ck.solve(pinned), lb=[-1.0])
    assert (slopes.left, slopes.right) == (-np.inf, pytest.approx(-1.0))


def test_slopes_in_equalities_and_bounds_are_differences():
    rng = np.random.default_rng(2)
    problem = random_qcqp(4, 1, rng, linear=2, equalities=1, bounds=True)
    s = ck.solve(problem, tol=1e-10)
    moves = {"v": [1.0], "lb": rng.standard_normal(4), "ub": rng.standard_normal(4), "u": rng.standard_normal(3)}
    slopes = ck.one_sided_derivatives(problem, s, **moves)
    t = 1e-4
    assert slopes.right == pytest.approx((value_at(problem, t, **moves) - value_at(problem, -t, **moves)) / (2 * t),
                                         abs=1e-4)


def test_without_multipliers_there_is_no_slope():
    with pytest.raises(ck.NotDifferentiableError, match="none exist"):
        ck.one_sided_derivatives(touching_discs(), [1.0, 0.0], u=[1.0, 0.0])


# ---------------------------------------------------------------- how far a price holds


def test_the_piece_of_exercise_5_33():
    problem, u = moving_fit()
    found = ck.price_range(problem, ck.solve(problem), u=u)
    assert found.same
    assert found.exact
    assert (found.low, found.high) == (pytest.approx(-0.2, abs=1e-8), pytest.approx(0.5, abs=1e-8))
    assert found.slope_right == pytest.approx(7.0, abs=1e-8)
    for t in (found.low, found.high):
        assert value_at(problem, t, u=u) == pytest.approx(4 + 7 * t, abs=1e-6)
        assert value_at(problem, 1.3 * t, u=u) > 4 + 7 * 1.3 * t + 1e-3


def test_the_range_of_exercise_5_1_ends_where_the_row_lets_go():
    problem = ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0)])
    found = ck.price_range(problem, ck.solve(problem), u=[1.0])
    assert (found.low, found.high) == (pytest.approx(-1.0, abs=1e-9), pytest.approx(8.0, abs=1e-9))
    assert not found.exact
    assert "following" in found.message
    assert found.active_right == ("inequalities[0]",)


def test_a_degenerate_corner_is_a_breakpoint():
    problem = degenerate_corner()
    found = ck.price_range(problem, ck.solve(problem), u=[0.0, 1.0, 0.0])
    assert not found.same
    assert "breakpoint" in found.message
    assert found.active_left == ("G[1]", "G[2]")
    assert found.active_right == ("G[0]", "G[1]")
    # On the right rows 0 and 1 hold until the second lets go.
    assert found.high == pytest.approx(5.5, abs=1e-6)
    inside, outside = (ck.solve(ck.perturbed(problem, u=[0.0, t, 0.0])).lam for t in (5.4, 5.6))
    assert inside[1] > 1e-3
    assert outside[1] < 1e-6


@pytest.mark.parametrize("kind", ["lp", "qp", "qcqp"])
@pytest.mark.parametrize("seed", range(5))
def test_within_the_range_the_active_set_stays_and_beyond_it_changes(kind, seed):
    rng = np.random.default_rng(seed)
    n, k = 3, 5
    G, h = rng.integers(-3, 4, (k, n)).astype(float), rng.integers(1, 5, k).astype(float)
    P = {"lp": None, "qp": np.diag([1.0, 0.0, 2.0]), "qcqp": None}[kind]
    balls = [ck.Quadratic(np.eye(n), None, -1.5)] if kind == "qcqp" else []
    problem = ck.QCQP(ck.Quadratic(P, rng.integers(-3, 4, n).astype(float) + 0.1), balls, G=G, h=h, lb=-2.0, ub=3.0)
    u = rng.standard_normal(problem.m)
    found = ck.price_range(problem, ck.solve(problem, tol=1e-10), u=u)
    assert found.low <= 0 <= found.high
    for sign, end, names in ((1, found.high, found.active_right), (-1, -found.low, found.active_left)):
        if not 1e-6 < end < np.inf:
            continue
        for share, stays in ((0.5, True), (0.97, True), (1.03, False)):
            moved = ck.perturbed(problem, u=sign * share * end * u)
            solution = ck.solve(moved, tol=1e-10)
            if solution.residuals is None:
                assert not stays
                continue
            active = [f"G[{i - len(balls)}]" if i >= len(balls) else f"inequalities[{i}]"
                      for i in np.flatnonzero(solution.lam > 1e-5)]
            active += [f"lb[{j}]" for j in np.flatnonzero(solution.lam_lb > 1e-5)]
            active += [f"ub[{j}]" for j in np.flatnonzero(solution.lam_ub > 1e-5)]
            assert (tuple(active) == names) == stays


def test_a_range_of_a_bound_and_of_an_equality():
    # minimise x₁ + 2x₂, x₁ + x₂ = 1, x ≥ 0: x = (1, 0) as long as b ≥ 0.
    problem = ck.lp([1.0, 2.0], A=[[1.0, 1.0]], b=[1.0], lb=0.0)
    found = ck.price_range(problem, ck.solve(problem), v=[1.0])
    assert (found.low, found.high, found.slope_left) == (pytest.approx(-1.0), np.inf, pytest.approx(1.0))
    found = ck.price_range(problem, ck.solve(problem), lb=[0.0, 1.0])
    assert (found.low, found.high) == (-np.inf, pytest.approx(1.0))
    assert found.slope_right == pytest.approx(1.0)


def test_a_side_that_is_infeasible_at_once_has_no_range():
    pinned = ck.lp([1.0], G=[[1.0]], h=[0.0], lb=0.0)
    found = ck.price_range(pinned, ck.solve(pinned), u=[1.0])
    assert found.low == 0.0
    assert found.slope_left == -np.inf
    assert found.high == np.inf
    assert found.slope_right == pytest.approx(0.0, abs=1e-9)


def test_wrong_arguments_of_price_range_are_named():
    problem = degenerate_corner()
    s = ck.solve(problem)
    with pytest.raises(ck.ProblemError, match="the direction is zero"):
        ck.price_range(problem, s)
    with pytest.raises(ck.ProblemError, match="v has length 1; expected 0"):
        ck.price_range(problem, s, v=[1.0])
    cone = ck.socp([3.0, 4.0], [ck.SecondOrderCone(np.eye(2), d=1.0)])
    of_cone = ck.solve(cone)
    with pytest.raises(ck.ProblemError, match="1 cones"):
        ck.price_range(cone, of_cone, u=[])
    infeasible = ck.lp([0.0], G=[[1.0], [-1.0]], h=[0.0, -1.0])
    no_point = ck.solve(infeasible)
    with pytest.raises(ck.NotSolvedError):
        ck.price_range(infeasible, no_point, u=[1.0, 0.0])
