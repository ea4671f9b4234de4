"""Second-order cones: their algebra, the Nesterov-Todd scaling, and problems that have them."""

import cvxpy as cp
import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from convexkit.interior_point.cones import Cones, NesterovTodd, worst_ratio

SIZES, START, M = (2, 5, 3), 3, 15


def vectors(count, seed=0, *, inside=False, depth=0.3):
    rng = np.random.default_rng(seed)
    cones = Cones(START, SIZES)
    found = []
    for _ in range(count):
        v = rng.standard_normal(M)
        if inside:
            v = np.abs(v) + 0.1
            part = v[cones.part]
            part *= np.where(rng.random(part.size) < 0.5, -1, 1)
            part[cones.heads] = cones.tail_norm(part) * (1 + depth * rng.random(3)) + 1e-9
        found.append(v)
    return cones, found


def test_the_quotient_undoes_the_product():
    cones, (u, v) = vectors(2, inside=True)
    u, v = u[cones.part], v[cones.part]
    np.testing.assert_allclose(cones.quotient(u, cones.product(u, v)), v, rtol=1e-10)
    e = cones.identity(M)[cones.part]
    np.testing.assert_allclose(cones.product(e, v), v, rtol=1e-15)
    np.testing.assert_allclose(cones.product(u, v), cones.product(v, u), rtol=1e-15)


@pytest.mark.parametrize("depth", [1.0, 1e-2, 1e-5])
def test_the_scaling_takes_slack_and_multiplier_to_one_point(depth):
    cones, (s, lam) = vectors(2, seed=1, inside=True, depth=depth)
    scaling = NesterovTodd(cones, s, lam)
    # Wλ = W⁻¹s, so W⁻²s = λ.
    np.testing.assert_allclose(scaling.inverse_square(s), lam, rtol=1e-6)
    np.testing.assert_allclose(scaling.inverse(scaling.inverse(s)), lam, rtol=1e-6)
    np.testing.assert_allclose(scaling.inverse(s)[cones.part], scaling.scaled, rtol=1e-6)


def test_rows_are_scaled_as_vectors_are_and_squares_have_the_stated_entries():
    cones, (s, lam) = vectors(2, seed=2, inside=True)
    scaling = NesterovTodd(cones, s, lam)
    rows = START + cones.total
    identity = np.eye(rows)
    inverse = scaling.scale_rows(identity, np.empty_like(identity))
    full = np.zeros((M, rows))
    full[:rows] = identity
    np.testing.assert_allclose(inverse, np.stack([scaling.inverse(v)[:rows] for v in full.T], axis=1), atol=1e-12)
    square = np.linalg.inv(inverse.T @ inverse)[START:, START:]
    i, j = np.nonzero(square)
    same = cones.spread(np.arange(3))
    keep = same[i] == same[j]
    np.testing.assert_allclose(scaling.square_entries(i[keep], j[keep]), square[i[keep], j[keep]], rtol=1e-8)


def test_the_target_makes_the_linearised_complementarity_hold():
    # v∘(Wdλ + W⁻¹ds) = μe - v∘v - (W⁻¹ds_aff)∘(Wdλ_aff)   for   ds + W²dλ = t.
    cones, (s, lam, ds, dlam) = vectors(4, seed=3, inside=True)
    scaling = NesterovTodd(cones, s, lam)
    part, mu = cones.part, 0.3
    t = scaling.target(mu, ds, dlam)
    inverse = scaling.inverse
    times = np.linalg.inv(np.stack([inverse(e) for e in np.eye(M)], axis=1))
    v = inverse(s)
    left = inverse(t)
    right = cones.identity(M) * mu
    for k in range(START):
        assert v[k] * left[k] == pytest.approx(mu - v[k] ** 2 - inverse(ds)[k] * (times @ dlam)[k], rel=1e-9)
    right = mu * cones.identity(M)[part] - cones.product(v[part], v[part]) \
        - cones.product(inverse(ds)[part], (times @ dlam)[part])
    np.testing.assert_allclose(cones.product(v[part], left[part]), right, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", range(20))
def test_the_longest_step_is_the_one_that_bisection_finds(seed):
    cones, (v,) = vectors(1, seed=seed, inside=True)
    _, (dv,) = vectors(1, seed=seed + 100)

    def inside(step):
        w = v + step * dv
        rest = np.delete(w, np.arange(cones.part.start, cones.part.stop))
        part = w[cones.part]
        return (rest >= 0).all() and (part[cones.heads] >= cones.tail_norm(part)).all()

    low, high = 0.0, 1e6
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if inside(middle) else (low, middle)
    assert min(worst_ratio(v, dv, cones), 1e6) == pytest.approx(low, rel=1e-7)


def random_socp(seed, *, curved, sparse):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 40))
    x = rng.standard_normal(n)
    cones = []
    for _ in range(int(rng.integers(1, 7))):
        A = rng.standard_normal((int(rng.integers(1, 12)), n))
        A = A * (rng.random(A.shape) < 0.4) if sparse else A
        b, c = rng.standard_normal(A.shape[0]), 0.3 * rng.standard_normal(n)
        cones.append(ck.SecondOrderCone(sp.csr_array(A) if sparse else A, b, c,
                                        np.linalg.norm(A @ x + b) - c @ x + rng.random()))
    ball = [ck.Quadratic(sp.eye_array(n).tocsr() if sparse else np.eye(n), -x, 0.5 * x @ x - 2.0)] if curved else []
    A = np.ones((1, n))
    return ck.QCQP(ck.Quadratic(None, rng.standard_normal(n)), ball, cones=cones, lb=x - 3, ub=x + 3,
                   A=sp.csr_array(A) if sparse else A, b=[x.sum()])


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_random_cone_problems_agree_with_cvxpy_duals_included(monkeypatch, seed, curved, sparse):
    if sparse:
        monkeypatch.setattr("convexkit.interior_point.form.SMALL", 0)
        monkeypatch.setattr("convexkit.interior_point.form.FULL", 1.0)
    problem = random_socp(seed, curved=curved, sparse=sparse)
    solution = ck.solve(problem)
    assert solution.success, solution.message
    x = cp.Variable(problem.n)
    cones = [cp.SOC(k.c @ x + k.d, k.A @ x + k.b) for k in problem.cones]
    rest = [x >= problem.lb, x <= problem.ub, problem.A @ x == problem.b]
    rest += [cp.sum_squares(x + f.q) <= 4.0 for f in problem.inequalities]
    theirs = cp.Problem(cp.Minimize(problem.objective.q @ x), [*cones, *rest])
    theirs.solve(solver=cp.CLARABEL)
    assert solution.value == pytest.approx(theirs.value, rel=1e-6, abs=1e-6)
    for z, cone in zip(solution.lam_cones, cones, strict=True):
        dual = np.concatenate([np.ravel(part) for part in cone.dual_value])
        np.testing.assert_allclose(z, dual, atol=1e-4 * max(1.0, abs(dual).max()))


def test_two_cones_apart_are_infeasible_with_a_proof():
    near = ck.SecondOrderCone(np.eye(2), d=1.0)
    far = ck.SecondOrderCone(np.eye(2), b=[-3.0, 0.0], d=1.0)
    problem = ck.socp([1.0, 0.0], [near, far])
    solution = ck.solve(problem)
    assert solution.status is ck.Status.INFEASIBLE
    assert solution.certificate.verify(problem)
    assert len(solution.certificate.lam_cones) == 2


def test_a_direction_inside_a_cone_is_a_proof_of_unboundedness():
    problem = ck.socp([0.0, -1.0], [ck.SecondOrderCone([[1.0, 0.0]], c=[0.0, 1.0])])     # |x₁| ≤ x₂, maximise x₂
    solution = ck.solve(problem)
    assert solution.status is ck.Status.UNBOUNDED
    assert solution.certificate.verify(problem)


def test_the_point_of_a_cone_nearest_to_another_is_its_projection():
    # The projection of (a₀, a) onto ‖x‖ ≤ t, for |a₀| < ‖a‖, is ½(1 + a₀/‖a‖)·(‖a‖, a).
    a0, a = 0.5, np.array([1.0, 2.0, 2.0])
    problem = ck.QCQP(ck.Quadratic(np.eye(4), -np.concatenate(([a0], a))),
                      cones=[ck.SecondOrderCone(np.eye(4)[1:], c=np.eye(4)[0])])
    expected = 0.5 * (1 + a0 / 3.0) * np.concatenate(([3.0], a))
    np.testing.assert_allclose(ck.solve(problem).x, expected, atol=1e-6)


def test_a_cone_of_one_row_is_an_absolute_value():
    # minimise (x - 3)²/2 subject to |x| ≤ 1
    solution = ck.solve(ck.QCQP(ck.Quadratic([[1.0]], [-3.0]), cones=[ck.SecondOrderCone([[1.0]], d=1.0)]))
    np.testing.assert_allclose(solution.x, [1.0], atol=1e-7)
    np.testing.assert_allclose(solution.lam_cones[0], [2.0, -2.0], atol=1e-6)
