"""Farkas, alternatives, Slater and certificates of optimality: exactly one side holds, with a proof that verifies."""

import numpy as np
import pytest
from scipy.optimize import linprog

import convexkit as ck

from .gallery import CASES


def touching_discs():
    discs = [ck.Quadratic(2 * np.eye(2), [-2.0, -2 * s], 1.0) for s in (1.0, -1.0)]
    return ck.QCQP(ck.Quadratic(2 * np.eye(2)), discs)


def random_system(seed):
    """Quadratics that touch or leave room, integer rows and bounds: many without interior, many infeasible."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))

    def quadratic():
        F, x0 = rng.standard_normal((rng.integers(1, n + 1), n)), rng.integers(-1, 2, n).astype(float)
        P = F.T @ F
        return ck.Quadratic(P, -P @ x0, 0.5 * x0 @ P @ x0 - rng.choice([0, 0, 0.5, 2.0]))

    k = int(rng.integers(0, 5))
    return ck.QCQP(ck.Quadratic(None, np.zeros(n)), [quadratic() for _ in range(rng.integers(0, 3))],
                   G=rng.integers(-2, 3, (k, n)).astype(float), h=rng.integers(-1, 2, k).astype(float),
                   lb=np.where(rng.random(n) < 0.3, 0.0, -np.inf), ub=np.where(rng.random(n) < 0.3, 1.0, np.inf))


# ---------------------------------------------------------------- Farkas


def test_farkas_of_section_5_8():
    A = [[1.0, -2.0], [-1.0, -1.0], [2.0, 1.0]]
    second = ck.farkas(A, [1.0, 1.0])
    assert not second.first
    np.testing.assert_allclose(second.y, [0.0, 1.0, 0.0], atol=1e-14)
    first = ck.farkas(A, [-1.0, -4.0])
    assert first.first
    assert first.verify(A, [-1.0, -4.0])
    assert not first.verify(A, [1.0, 1.0])


@pytest.mark.parametrize("seed", range(40))
def test_exactly_one_of_the_two_systems_is_solved(seed):
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 8), rng.integers(1, 5)
    A, c = rng.integers(-2, 3, (m, n)).astype(float), rng.integers(-2, 3, n).astype(float)
    answer = ck.farkas(A, c)
    assert answer.verify(A, c)
    lowest = linprog(c, A_ub=A, b_ub=np.zeros(m), bounds=(-1, 1)).fun
    assert answer.first == (lowest < -1e-9)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_farkas_does_not_depend_on_units(scale):
    A = np.array([[1.0, -2.0], [-1.0, -1.0], [2.0, 1.0]]) * np.array([[scale], [1.0], [1.0 / scale]])
    assert not ck.farkas(A, [scale, scale]).first
    assert ck.farkas(A, [-scale, -4 * scale]).first


def test_farkas_without_rows_or_without_c():
    assert ck.farkas(np.zeros((0, 2)), [1.0, 0.0]).x.tolist() == [-1.0, 0.0]
    assert not ck.farkas([[1.0, 2.0]], [0.0, 0.0]).first
    with pytest.raises(ck.ProblemError, match="A has shape"):
        ck.farkas([[1.0, 2.0]], [1.0, 2.0, 3.0])


# ---------------------------------------------------------------- alternatives of a problem's constraints


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_a_system_has_a_point_or_a_proof(seed, strict):
    problem = random_system(seed)
    answer = ck.alternative(problem, strict=strict)
    assert answer.holds is not None
    assert answer.verify(problem)
    assert (answer.x is None) == (not answer.holds)
    if strict and answer.holds:
        assert problem.inequality_values(answer.x).max(initial=-np.inf) < 0
        assert (answer.x > problem.lb).all()
        assert (answer.x < problem.ub).all()
    if strict and not answer.holds and ck.alternative(problem).holds:
        # Equality is implied where the weights are: no feasible point leaves room there.
        rows = answer.certificate.weights(problem)
        i = int(np.argmax(rows.flat()))
        inside = ck.alternative(problem).x
        every = np.concatenate([problem.inequality_values(inside), problem.lb - inside, inside - problem.ub])
        assert every[i] == pytest.approx(0.0, abs=1e-4)


def test_discs_that_touch_have_a_common_point_but_no_interior():
    problem = touching_discs()
    np.testing.assert_allclose(ck.alternative(problem).x, [1.0, 0.0], atol=1e-3)
    answer = ck.alternative(problem, strict=True)
    assert answer.holds is False
    np.testing.assert_allclose(answer.certificate.lam / answer.certificate.lam.sum(), [0.5, 0.5], atol=1e-6)
    assert answer.certificate.infimum(problem) == pytest.approx(0.0, abs=1e-7)
    # Farther apart, the same weights prove more; closer, nothing.
    apart = ck.QCQP(problem.objective, [ck.Quadratic(f.P, f.q, f.r + 0.01) for f in problem.inequalities])
    closer = ck.QCQP(problem.objective, [ck.Quadratic(f.P, f.q, f.r - 0.01) for f in problem.inequalities])
    assert ck.alternative(apart).certificate.verify(apart)
    assert not answer.certificate.verify(closer)
    assert ck.alternative(closer, strict=True).verify(closer)


def test_the_other_form_of_farkas_is_the_alternative_of_the_rows():
    # x ≤ -1, x ≥ 0: y = (1, 1) has Gᵀy = 0 and hᵀy < 0.
    problem = ck.lp([0.0], G=[[1.0], [-1.0]], h=[-1.0, 0.0])
    y = ck.alternative(problem).certificate.lam
    np.testing.assert_allclose(problem.G.T @ y, 0.0, atol=1e-9)
    assert problem.h @ y < 0


def test_equalities_alone_are_a_system_too():
    assert ck.alternative(ck.lp([0.0, 0.0], A=[[1.0, 1.0]], b=[1.0]), strict=True).holds
    contradiction = ck.lp([0.0, 0.0], A=[[1.0, 1.0], [1.0, 1.0]], b=[1.0, 2.0])
    for strict in (False, True):
        answer = ck.alternative(contradiction, strict=strict)
        assert answer.holds is False
        assert answer.verify(contradiction)
    with_rows = ck.lp([0.0, 0.0], G=[[1.0, 0.0]], h=[5.0], A=[[1.0, 1.0], [1.0, 1.0]], b=[1.0, 2.0])
    assert ck.alternative(with_rows, strict=True).verify(with_rows)


def test_wrong_problems_are_refused():
    for function in (ck.alternative, ck.slater):
        with pytest.raises(ck.ProblemError, match="problem must be a QCQP; got int"):
            function(3)
        with pytest.raises(ck.NotConvexError, match=r"inequalities\[0\]"):
            function(ck.QCQP(ck.Quadratic([[1.0]]), [ck.Quadratic([[-1.0]])]))


# ---------------------------------------------------------------- Slater


@pytest.mark.parametrize("seed", range(40))
def test_slaters_condition_is_decided_with_evidence(seed):
    problem = random_system(seed)
    found = ck.slater(problem)
    assert found.holds is not None
    assert found.verify(problem)
    if found.interior:
        assert found.margin > 0
        assert problem.inequality_values(found.x).max(initial=-np.inf) <= -found.margin


def test_implied_equalities_are_named_and_the_others_are_strict():
    # x₁ + x₂ ≤ 1 and ≥ 1 by two rows; the disc and x₁ ≥ 0 leave room.
    disc = ck.Quadratic(2 * np.eye(2), None, -4.0)
    problem = ck.QCQP(ck.Quadratic(None, [1.0, 0.0]), [disc], G=[[1.0, 1.0], [-1.0, -1.0]], h=[1.0, -1.0],
                      lb=[0.0, -np.inf])
    found = ck.slater(problem)
    assert (found.holds, found.interior, found.implied) == (True, False, ("G[0]", "G[1]"))
    assert found.margin > 0.5
    assert "linear" in found.message
    # A disc that the two rows touch: now the quadratic is implied too.
    tight = ck.QCQP(problem.objective, [ck.Quadratic(2 * np.eye(2), None, -0.5)], G=problem.G, h=problem.h)
    found = ck.slater(tight)
    assert found.holds is False
    assert "inequalities[0]" in found.implied
    assert found.verify(tight)


def test_slater_of_an_infeasible_problem_brings_the_proof():
    problem = ck.lp([0.0], G=[[1.0], [-1.0]], h=[0.0, -1.0])
    found = ck.slater(problem)
    assert found.holds is False
    assert found.message == "no point is feasible."
    assert isinstance(found.certificates[0], ck.InfeasibilityCertificate)
    assert found.verify(problem)


def test_slater_of_the_cone_with_a_duality_gap():
    # Additional exercise 5.32: ‖x‖ ≤ x₂ holds with equality wherever it holds.
    problem = ck.socp([1.0, 0.0], [ck.SecondOrderCone(np.eye(2), None, [0.0, 1.0])], [[-1.0, 0.0]], [1.0])
    found = ck.slater(problem)
    assert (found.holds, found.implied) == (False, ("cones[0]",))
    assert found.verify(problem)
    wide = ck.socp([1.0, 0.0], [ck.SecondOrderCone(np.eye(2), None, [0.0, 1.0], 1.0)])
    assert ck.slater(wide).interior


def test_a_problem_without_rows_satisfies_slaters_condition():
    found = ck.slater(ck.qp(np.eye(2), [1.0, 1.0]))
    assert found.holds
    assert found.margin == np.inf


# ---------------------------------------------------------------- certificates of optimality


@pytest.mark.parametrize("name", [name for name, make in CASES.items()
                                  if make().status == ("optimal",) and make().problem.n <= 50])
def test_every_optimal_solution_is_its_own_proof(name):
    problem = CASES[name]().problem
    solution = ck.solve(problem)
    proof = ck.OptimalityCertificate.of(solution)
    assert proof.verify(problem)
    assert proof.residuals(problem).max() <= 1e-8


def test_a_proof_of_optimality_fails_on_another_problem_and_at_another_point():
    problem = ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 15.0], lb=0.0)
    proof = ck.OptimalityCertificate.of(ck.solve(problem))
    assert not proof.verify(ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 16.0], lb=0.0))
    assert not ck.OptimalityCertificate(np.array([5.0, 4.9]), proof.lam).verify(problem)
    assert not ck.OptimalityCertificate(np.array([np.nan, 0.0]), proof.lam).verify(problem)


def test_a_stationary_point_of_a_nonconvex_problem_is_no_proof_but_the_global_minimum_is():
    f0, sphere = ck.Quadratic(np.diag([-6.0, 2.0, 4.0]), [2.0, 2.0, 2.0]), ck.Quadratic(2 * np.eye(3), None, -1.0)
    problem = ck.QCQP(f0, [sphere])
    verdicts = [ck.OptimalityCertificate(p.x, np.array([p.lam])).verify(problem)
                for p in ck.stationary_points(f0, sphere) if p.lam >= 0]
    assert verdicts == [False, False, True]
