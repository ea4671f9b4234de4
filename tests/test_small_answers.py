"""Answers of any size: the tolerance is a share of them, whatever units the data came in."""

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from convexkit.solver.units import in_units


def sized(kind, seed, size, n=8):
    """A problem of rows and bounds around a point, whose solution and value are `size` times those of size 1."""
    rng = np.random.default_rng(seed)
    G, x = rng.standard_normal((n, n)), rng.standard_normal(n)
    h, lb, ub = G @ x + rng.exponential(1.0, n), x - 2 * rng.exponential(1.0, n), x + 2 * rng.exponential(1.0, n)
    F, q = rng.standard_normal((n // 2, n)), rng.standard_normal(n)
    objective, rows, cones = ck.Quadratic(None, q, 7.0 * size), [], []
    if kind == "qp":
        objective = ck.Quadratic(F.T @ F / size, q, 7.0 * size)
    elif kind == "sparse":
        objective = ck.Quadratic(sp.csr_array(F.T @ F / size), q, 7.0 * size)
    elif kind == "factored":
        objective = ck.Quadratic.from_factor(F / np.sqrt(size), q=q, r=7.0 * size)
    elif kind == "cone":
        c = rng.standard_normal(n)
        cones = [ck.SecondOrderCone(F, -size * (F @ x), c, size * (1.0 - c @ x))]
    elif kind == "qcqp":
        for _ in range(3):
            B, g = rng.standard_normal((n, n)), rng.standard_normal(n)
            r = -(0.5 * float(np.sum((B @ x) ** 2)) + g @ x) - rng.exponential()
            rows.append(ck.Quadratic(B.T @ B / size, g, r * size))
    return ck.QCQP(objective, rows, G=G, h=size * h, lb=size * lb, ub=size * ub, cones=cones)


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e4])
@pytest.mark.parametrize("kind", ["lp", "qp", "sparse", "factored", "cone", "qcqp"])
def test_values_are_right_to_the_same_share_in_all_units(kind, size):
    for seed in range(6):
        reference = ck.solve(sized(kind, seed, 1.0), tol=1e-10)
        problem = sized(kind, seed, size)
        solution = ck.solve(problem)
        assert solution.status is ck.Status.OPTIMAL
        assert solution.value / size == pytest.approx(reference.value, rel=1e-6)
        np.testing.assert_allclose(solution.x / size, reference.x, atol=1e-3)
        assert ck.kkt_residuals(problem, solution.x, solution.lam, solution.nu, solution.lam_lb, solution.lam_ub,
                                solution.lam_cones).max() <= 1e-8


def test_a_batch_of_small_answers_is_as_exact_as_each_alone():
    problems = [sized("qp", seed, 1e-6) for seed in range(12)]
    for seed, solution in enumerate(ck.solve_many(problems)):
        reference = ck.solve(sized("qp", seed, 1.0), tol=1e-10)
        assert solution.value / 1e-6 == pytest.approx(reference.value, rel=1e-6)


@pytest.mark.parametrize("size", [1e-5, 1e-9])
def test_a_small_box_has_its_corner_in_closed_form(size):
    # minimise ½‖x‖²/size - 2·1ᵀx over 0 ≤ x ≤ size: every variable at its bound, value -3n/2 of the size.
    solution = ck.solve(ck.qp(np.eye(5) / size, np.full(5, -2.0), lb=0.0, ub=size), tol=1e-9)
    assert solution.value == pytest.approx(-7.5 * size, rel=1e-8)
    np.testing.assert_allclose(solution.lam_ub, 1.0, rtol=1e-6)


def test_an_optimum_at_the_origin_takes_one_solve():
    # Its value is noise in any units, and the bounds say that x may be of size one.
    solution = ck.solve(ck.qp(np.eye(4), np.zeros(4), G=np.ones((1, 4)), h=[1.0], lb=-1.0, ub=1.0))
    assert solution.status is ck.Status.OPTIMAL
    assert abs(solution.value) <= 1e-8
    assert "in units of" not in solution.message


def test_the_message_names_the_units():
    solution = ck.solve(sized("qp", 0, 1e-6))
    assert "in units of" in solution.message
    assert solution.message.startswith("solved: ")


@pytest.mark.parametrize("kind", ["lp", "qp", "sparse", "factored", "cone", "qcqp"])
def test_units_change_values_and_points_by_their_size_and_multipliers_not_at_all(kind):
    problem = sized(kind, 3, 1.0)
    solution = ck.solve(problem)
    scaled = in_units(problem, 0.01)
    x = solution.x / 0.01
    assert scaled.objective(x) == pytest.approx(solution.value / 0.01)
    residuals = ck.kkt_residuals(scaled, x, solution.lam, solution.nu, solution.lam_lb, solution.lam_ub,
                                 solution.lam_cones)
    assert residuals.max() <= 1e-7


def test_steps_that_go_to_and_fro_are_noticed():
    # Mehrotra's corrections sent this one back and forth between two points, with two values, for as long as it could.
    value = ck.solve(sized("qp", 13, 1.0), tol=1e-10).value
    for size in (0.125, 0.1, 1 / 7.3):
        solution = ck.solve(sized("qp", 13, size))
        assert solution.status is ck.Status.OPTIMAL
        assert solution.nit <= 40
        assert solution.value / size == pytest.approx(value, rel=1e-6)


def test_a_callback_is_told_of_both_solves_as_of_one():
    problem = ck.qp(1e7 * np.eye(2), [-1.0, -3.0], G=[[1.0, 1.0]], h=[1e-7], lb=0.0)
    records = []
    solution = ck.solve(problem, callback=records.append)
    assert "in units of" in solution.message
    assert [record.iteration for record in records] == list(range(solution.nit + 1))
    assert records[-1].value == pytest.approx(solution.value, rel=1e-6)
