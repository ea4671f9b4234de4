"""Projections, distances, support functions and hyperplanes against closed forms, cvxpy, and each other."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck
from convexkit.convex_sets.closed_forms import Form

from .gallery import disc

S = ck.ConvexSet
HYPERBOLA = ck.SecondOrderCone([[0.0, 0.0], [1.0, -1.0]], [2.0, 0.0], [1.0, 1.0])  # x₁x₂ ≥ 1, x ≥ 0
EMPTY = S(G=[[1.0, 0.0], [-1.0, 0.0]], h=[-1.0, -1.0])
TRIANGLE = S.convex_hull([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
N = 4


def family(name: str, rng: np.random.Generator) -> ck.ConvexSet:
    """A set of each kind with a closed form, in four dimensions."""
    def some(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape)

    F = some(2, N)
    return {
        "halfspace": lambda: S.halfspace(some(N), 0.3),
        "hyperplane": lambda: S.hyperplane(some(N), 0.3),
        "affine": lambda: S(A=some(2, N), b=some(2)),
        "box": lambda: S.box(-np.ones(N), [0.5, 1.0, 2.0, np.inf]),
        "ball": lambda: S.ball(some(N), 0.7),
        "ellipsoid": lambda: S.ellipsoid(some(N), some(N, N)),
        "flat ellipsoid": lambda: S.ellipsoid(some(N), some(N, 2)),
        "cylinder": lambda: S([ck.Quadratic(F.T @ F, F.T @ some(2), -1.0)]),
        "parabola": lambda: S([ck.Quadratic(F.T @ F, some(N), -1.0)]),
        "second-order cone": lambda: S.second_order_cone(N),
        "simplex": lambda: S.simplex(N, 2.0),
        "l1 ball": lambda: S.l1_ball(some(N), 1.5),
        "monotone cone": lambda: S.monotone_cone(N),
        "hull": lambda: S.convex_hull(some(9, N)),
        "generated cone": lambda: S.generated_cone(some(N, 3)),
        "point": lambda: S.ball(some(N), 0.0),
    }[name]()


KINDS = ["halfspace", "hyperplane", "affine", "box", "ball", "ellipsoid", "flat ellipsoid", "cylinder", "parabola",
         "second-order cone", "simplex", "l1 ball", "monotone cone", "hull", "generated cone", "point"]


def without_form(C: ck.ConvexSet) -> ck.ConvexSet:
    """The same set, which has to go to the solver."""
    return S.__new__(S)._set(C.constraints, "no form", Form(), C.matrix, C.offset)


# ---------------------------------------------------------------- projections


@pytest.mark.parametrize("kind", KINDS)
def test_closed_forms_are_the_projections_that_the_solver_finds(kind):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        C = family(kind, rng)
        p = 3 * rng.standard_normal(N)
        exact, solved = ck.project(p, C), ck.project(p, without_form(C))
        assert exact.success
        assert exact.method == "closed form"
        assert exact.nit == 0
        np.testing.assert_allclose(exact.x, solved.x, atol=2e-8 * (1 + abs(p).max()))
        assert exact.solution.residuals.max() <= 1e-12
        # The multipliers prove it: evidence from the data alone.
        s = exact.solution
        assert ck.kkt_residuals(exact.problem, s.x, s.lam, s.nu, s.lam_lb, s.lam_ub, s.lam_cones).max() <= 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_a_projection_is_one_idempotent_and_firmly_nonexpansive(kind):
    rng = np.random.default_rng(5)
    C = family(kind, rng)
    p, q = 3 * rng.standard_normal((2, N))
    x, y = ck.project(p, C).x, ck.project(q, C).x
    again = ck.project(x, C)
    assert again.distance <= 1e-10
    assert np.sum((x - y) ** 2) <= (p - q) @ (x - y) + 1e-12
    assert C.contains(x)
    assert C.contains(y)


def test_a_projection_reports_distance_normal_and_the_cone_of_normals():
    found = ck.project([3.0, 4.0], S.ball([0.0, 0.0], 1.0))
    assert found.distance == pytest.approx(4.0, rel=1e-15)
    np.testing.assert_allclose(found.normal, [0.6, 0.8], rtol=1e-15)
    np.testing.assert_allclose(found.solution.lam * found.x, np.array([3.0, 4.0]) - found.x, rtol=1e-14)
    inside = ck.project([0.1, 0.2], S.ball([0.0, 0.0], 1.0))
    assert inside.distance == 0.0
    assert not inside.normal.any()
    assert not inside.solution.lam.any()


@pytest.mark.parametrize("seed", range(6))
def test_projections_on_general_constraints_agree_with_cvxpy(seed):
    cp = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(seed)
    F, q = rng.standard_normal((3, N)), rng.standard_normal(N)
    G, A = rng.standard_normal((3, N)), rng.standard_normal((1, N))
    cone = ck.SecondOrderCone(rng.standard_normal((2, N)), rng.standard_normal(2), 0.5 * rng.standard_normal(N), 3.0)
    C = S([ck.Quadratic(F.T @ F, q, -2.0)], G=G, h=np.ones(3), A=A, b=[0.1], lb=-2.0, ub=np.full(N, 1.5), cones=[cone])
    p = 3 * rng.standard_normal(N)
    x = cp.Variable(N)
    cp.Problem(cp.Minimize(cp.sum_squares(x - p)), [
        0.5 * cp.sum_squares(F @ x) + q @ x <= 2, G @ x <= 1, A @ x == 0.1, x >= -2, x <= 1.5,
        cp.norm(cone.A @ x + cone.b) <= cone.c @ x + cone.d]).solve(solver="CLARABEL")
    found = ck.project(p, C)
    assert found.success
    assert found.method == "interior-point"
    assert found.nit > 0
    np.testing.assert_allclose(found.x, x.value, atol=1e-4)
    # cvxpy's default accuracy is the coarser one: our point is feasible, and no farther away than its value.
    assert C.contains(found.x, 1e-9)
    assert found.distance <= np.linalg.norm(x.value - p) + 1e-6


def test_the_point_is_exact_far_from_the_origin_and_close_to_the_set():
    # Gaps are relative to the displacement, not to the size of the point. With the disc's centre at 1e4, ‖c‖² - 1 is
    # known to 1e-8 only, and the distance to 1e-8 of 1e-3.
    for offset, rel in ((0.0, 1e-8), (1e4, 1e-5)):
        c = np.array([offset, 0.0])
        found = ck.project(c + [1.0 + 1e-3, 0.0], without_form(S([disc(c)], lb=-1e6)))
        assert found.distance == pytest.approx(1e-3, rel=rel)


@pytest.mark.parametrize(("make", "point", "x"), [
    (lambda: S.simplex(1), [3.0], [1.0]),
    (lambda: S.monotone_cone(1), [-3.0], [0.0]),
    (lambda: S.convex_hull([[1.0], [2.0]]), [-3.0], [1.0]),
    (lambda: S.convex_hull([[0.0, 0.0], [0.0, 0.0]]), [0.0, 0.0], [0.0, 0.0]),
    (lambda: S.convex_hull([[1.0, 2.0]]), [-3.0, 1.0], [1.0, 2.0]),
    (lambda: S.generated_cone([[0.0, 1.0], [0.0, 1.0]]), [0.0, 0.0], [0.0, 0.0]),
    (lambda: S.ellipsoid([0.0, 0.0], [0.0, 0.0]), [1.0, 2.0], [0.0, 0.0]),
    (lambda: S.ellipsoid([0.0, 0.0], [2.0, 1.0]), [0.0, 0.0], [0.0, 0.0]),
    (lambda: S(A=[[1.0, 1.0], [2.0, 2.0]], b=[0.0, 0.0]), [3.0, 1.0], [1.0, -1.0]),
    (lambda: S(n=2), [1.0, 2.0], [1.0, 2.0]),
    (lambda: S(G=[[1.0, 1.0]], h=[np.inf]), [1.0, 2.0], [1.0, 2.0]),
    (lambda: S(G=[[0.0, 0.0]], h=[1.0]), [1.0, 2.0], [1.0, 2.0]),
    (lambda: S([ck.Quadratic(None, [0.0, 0.0], -1.0)]), [1.0, 2.0], [1.0, 2.0]),
    (lambda: S.second_order_cone(2), [0.0, -3.0], [0.0, 0.0]),
    (lambda: S.second_order_cone(2), [1.0, 3.0], [1.0, 3.0]),
], ids=range(15))
def test_degenerate_sets_are_ordinary_inputs(make, point, x):
    found = ck.project(point, make())
    assert found.success
    np.testing.assert_allclose(found.x, x, atol=1e-12)


@pytest.mark.parametrize("C", [EMPTY, S(A=[[1.0, 0.0], [1.0, 0.0]], b=[0.0, 1.0]),
                               S([ck.Quadratic(np.eye(2), None, 1.0)]), S(G=[[0.0, 0.0]], h=[-1.0])],
                         ids=["rows", "equalities", "quadratic", "zero row"])
def test_an_empty_set_is_an_answer_with_a_certificate(C):
    found = ck.project([0.0, 0.0], C)
    assert found.status == ck.Status.INFEASIBLE
    assert not found.success
    assert found.solution.certificate.verify(found.problem)
    assert found.distance == np.inf
    assert np.isnan(found.x).all()
    assert not C.contains([0.0, 0.0])
    support = ck.support_function(C, [1.0, 0.0])
    assert support.status == ck.Status.INFEASIBLE
    assert support.value == -np.inf
    near = ck.nearest_points(C, S.ball([0.0, 0.0], 1.0))
    assert near.status == ck.Status.INFEASIBLE
    assert near.distance == np.inf
    assert near.solution.certificate.verify(near.problem)
    assert ck.separating_hyperplane(C, S.ball([0.0, 0.0], 1.0)).status == ck.HyperplaneStatus.EMPTY
    assert ck.supporting_hyperplane(C, [0.0, 0.5]).status == ck.HyperplaneStatus.EMPTY


def test_a_set_without_interior_is_projected_on_as_well_as_multipliers_allow():
    found = ck.project([3.0], ck.Quadratic([[2.0]], [0.0], 0.0))  # x² ≤ 0
    assert found.status == ck.Status.OPTIMAL_INACCURATE
    assert found.x == pytest.approx([0.0], abs=1e-5)


def test_a_set_that_is_not_convex_is_refused_by_name():
    with pytest.raises(ck.NotConvexError, match=r"inequalities\[0\].P is not positive semidefinite"):
        ck.project([0.0, 0.0], ck.Quadratic(-np.eye(2), [0.0, 0.0], 1.0))
    with pytest.raises(ck.NotConvexError, match=r"inequalities\[0\].P"):
        ck.support_function(ck.Quadratic(-np.eye(2), [0.0, 0.0], 1.0), [1.0, 0.0])


@pytest.mark.parametrize("seed", range(4))
def test_the_nearest_semidefinite_matrix_splits_a_matrix_between_the_cone_and_its_polar(seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((6, 6))
    A = A + A.T
    found = ck.project_semidefinite(A if seed else sp.csr_array(A))
    X, Z = found.X, found.Z
    np.testing.assert_allclose(X - Z, A, atol=1e-12)
    assert np.linalg.eigvalsh(X)[0] >= -1e-12
    assert np.linalg.eigvalsh(Z)[0] >= -1e-12
    assert np.trace(X @ Z) == pytest.approx(0.0, abs=1e-11)
    assert found.distance == pytest.approx(np.linalg.norm(A - X))
    np.testing.assert_allclose(ck.project_semidefinite(X).X, X, atol=1e-12)
    # For 2×2 matrices the cone is a second-order cone: (x₁₁ - x₂₂, 2x₁₂) against the trace.
    small = A[:2, :2]
    T = np.array([[1.0, 0, -1], [0, np.sqrt(2), 0], [1, 0, 1]]) / np.sqrt([[2.0], [1], [2]])  # an isometry
    cone = ck.project(T @ [small[0, 0], small[0, 1], small[1, 1]], S.second_order_cone(3))
    assert cone.distance == pytest.approx(ck.project_semidefinite(small).distance, abs=1e-12)


# ---------------------------------------------------------------- sets


def test_a_set_is_stated_by_what_already_states_one():
    rows = ck.QCQP(ck.Quadratic(np.eye(2), [5.0, 5.0]), G=[[1.0, 1.0]], h=[1.0])
    for stated in (rows, S.of(rows), S(G=[[1.0, 1.0]], h=[1.0]), S.halfspace([1.0, 1.0], 1.0),
                   ck.Quadratic(None, [1.0, 1.0], -1.0)):
        np.testing.assert_allclose(ck.project([1.0, 1.0], stated).x, [0.5, 0.5], rtol=1e-14)
    assert ck.project([0.0, 0.0], HYPERBOLA).distance == pytest.approx(np.sqrt(2), rel=1e-8)


def test_the_dimension_is_read_off_whatever_is_given():
    for C in (S([disc([0.0, 0.0])]), S(cones=[HYPERBOLA]), S(G=[[1.0, 2.0]], h=[1.0]),
              S(A=sp.csr_array([[1.0, 2.0]]), b=[1.0]), S(lb=[0.0, 0.0]), S(ub=[0.0, 0.0]), S(n=2),
              S.box(0.0, [1.0, 1.0])):
        assert C.n == 2
    assert repr(S.simplex(3)) == "ConvexSet(n=3, simplex)"


def test_images_of_images_and_their_support_functions():
    rng = np.random.default_rng(9)
    M, c = rng.standard_normal((2, 3)), rng.standard_normal(2)
    B = rng.standard_normal((3, 3))
    shadow = S.ellipsoid(np.ones(3), B).image(M, c)
    y = rng.standard_normal(2)
    expected = y @ (M @ np.ones(3) + c) + np.linalg.norm(B.T @ M.T @ y)
    assert ck.support_function(shadow, y).value == pytest.approx(expected)
    # The shadow of an ellipsoid is the ellipsoid with MB.
    p = 5 * rng.standard_normal(2)
    same = S.ellipsoid(M @ np.ones(3) + c, M @ B)
    np.testing.assert_allclose(ck.project(p, shadow).x, ck.project(p, same).x, atol=1e-8)
    assert shadow.contains(ck.project(p, same).x, 1e-6)
    assert not shadow.contains(M @ np.ones(3) + c + 100.0)
    moved = S.halfspace([1.0, 0.0], 0.0).image(np.eye(2), [2.0, 0.0])
    assert moved.contains([2.0, 5.0])
    assert not moved.contains([2.1, 5.0])


@pytest.mark.parametrize(("call", "words"), [
    (lambda: S(), "n is missing: nothing that was given tells how many variables"),
    (lambda: S(disc([0.0, 0.0])), "inequalities must be a sequence; write"),
    (lambda: S(cones=HYPERBOLA), "cones must be a sequence; write"),
    (lambda: S(n=0), "n must be an integer of at least 1; got 0"),
    (lambda: S(G=[[1.0, 1.0]]), "G was given without h"),
    (lambda: S.of(disc([0.0, 0.0])), "problem must be a QCQP; got Quadratic"),
    (lambda: S.halfspace([0.0, 0.0], 1.0), "a is zero; a halfspace or hyperplane needs a normal"),
    (lambda: S.hyperplane([1.0, 0.0], [1.0, 2.0]), "b must be a number; it has length 2"),
    (lambda: S.ball([0.0, 0.0], -1.0), "radius = -1 is out of range"),
    (lambda: S.box([0.0, 2.0], [1.0, 1.0]), r"lb\[1\] = 2 exceeds ub\[1\] = 1"),
    (lambda: S.ellipsoid([0.0, 0.0], np.eye(3)), r"B has shape \(3, 3\); expected 2 rows, one for each entry of c"),
    (lambda: S.second_order_cone(1), "n must be an integer of at least 2; got 1"),
    (lambda: S.simplex(3, 0.0), "total = 0 is out of range"),
    (lambda: S.l1_ball([0.0], np.inf), "radius = inf is out of range"),
    (lambda: S.convex_hull(np.zeros((0, 2))), r"points has shape \(0, 2\); a hull needs at least one point"),
    (lambda: S.generated_cone(np.zeros((2, 0))), r"A has shape \(2, 0\); a generated cone needs at least one column"),
    (lambda: S.simplex(3).image(np.eye(2)), r"matrix has shape \(2, 2\); expected 3 columns"),
    (lambda: S.simplex(3).contains([1.0]), "x has length 1; expected 3"),
    (lambda: ck.project([1.0], S.simplex(3)), "point has length 1; expected 3"),
    (lambda: ck.project([1.0], "disc"), "onto must be a ConvexSet, or a QCQP, Quadratic or SecondOrderCone .* got str"),
    (lambda: ck.project([1.0], S.simplex(1), tol=0.5), "tol = 0.5 is out of range"),
    (lambda: ck.support_function(S.simplex(3), [1.0]), "y has length 1; expected 3"),
    (lambda: ck.support_function(None, [1.0]), "of must be a ConvexSet"),
    (lambda: ck.nearest_points(S.simplex(3), S.simplex(2)), "C lies in 3 dimensions, D in 2; they must agree"),
    (lambda: ck.nearest_points(S.simplex(3), 1.0), "D must be a ConvexSet"),
    (lambda: ck.separating_hyperplane(S.simplex(3), S.simplex(2)), "C lies in 3 dimensions, D in 2"),
    (lambda: ck.supporting_hyperplane(S.simplex(3), [np.nan, 0.0, 0.0]), "x has 1 entries that are not finite"),
    (lambda: ck.project_semidefinite([[1.0, 2.0], [0.0, 1.0]]), r"A is not symmetric: A\[0, 1\] = 2 but"),
    (lambda: ck.cone_membership(np.zeros((2, 0)), [1.0, 1.0]), r"generators has shape \(2, 0\); a cone needs at least"),
    (lambda: ck.cone_membership(np.eye(2), [1.0]), "b has length 1; expected 2"),
    (lambda: ck.dual_cone_membership(np.eye(2), [1.0]), "y has length 1; expected 2"),
], ids=range(31))
def test_mistakes_are_named(call, words):
    with pytest.raises(ck.ProblemError, match=words):
        call()


# ---------------------------------------------------------------- support functions


@pytest.mark.parametrize("kind", KINDS)
def test_support_functions_are_those_that_the_solver_finds(kind):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        C = family(kind, rng)
        y = 3 * rng.standard_normal(N)
        if seed == 3:  # a slope in the cone where unbounded sets have a finite support
            p = 3 * rng.standard_normal(N)
            y = p - ck.project(p, C).x
        exact, solved = ck.support_function(C, y), ck.support_function(without_form(C), y)
        assert exact.success
        if exact.value == np.inf:
            # Along a parabola there is no direction, and the solver has nothing to show either.
            assert exact.direction is None or solved.status == ck.Status.UNBOUNDED
            if exact.direction is not None:
                assert y @ exact.direction > 0
                assert exact.status == ck.Status.UNBOUNDED
                x = ck.project(rng.standard_normal(N), C).x
                assert C.contains(x + 10 * exact.direction, 1e-7)
        else:
            assert exact.value == pytest.approx(solved.value, abs=1e-7)
            assert exact.attained
            assert y @ exact.x == pytest.approx(exact.value, abs=1e-9)
            assert C.contains(exact.x, 1e-7)
            assert solved.bound >= exact.value - 1e-7
            assert exact.bound == exact.value


def test_the_support_of_constraints_comes_with_a_bound_that_multipliers_prove():
    rng = np.random.default_rng(4)
    C = S([disc(np.zeros(3))], G=rng.standard_normal((4, 3)), h=np.full(4, 0.5))
    y = rng.standard_normal(3)
    found = ck.support_function(C, y)
    assert found.attained
    assert found.value <= found.bound + 1e-9
    assert found.bound - found.value < 1e-7
    draws = rng.standard_normal((2000, 3))
    draws = draws[[C.contains(x) for x in draws]]
    assert len(draws) > 50
    assert (draws @ y).max() <= found.bound


def test_a_parabola_has_no_direction_of_recession_for_what_grows_like_a_root():
    parabola = ck.Quadratic(np.diag([2.0, 0.0]), [0.0, -1.0])  # x₁² ≤ x₂
    found = ck.support_function(parabola, [1.0, 0.0])
    assert found.value == np.inf
    assert found.direction is None
    assert "parabola" in found.message
    down = ck.support_function(parabola, [1.0, -1.0])
    assert down.value == pytest.approx(0.25, rel=1e-14)
    np.testing.assert_allclose(down.x, [0.5, 0.25], rtol=1e-14)
    assert ck.support_function(parabola, [0.0, 0.0]).value == 0.0
    up = ck.support_function(parabola, [0.0, 1.0])
    assert up.value == np.inf
    np.testing.assert_allclose(up.direction, [0.0, 1.0], atol=1e-15)


def test_a_supremum_that_is_not_attained_is_not_claimed():
    for y, away in (([0.0, -1.0], [1.0, 0.0]), ([-1.0, 0.0], [0.0, 1.0])):
        found = ck.support_function(HYPERBOLA, y)
        assert found.attained is False
        assert not found.success
        assert found.status == ck.Status.OPTIMAL_INACCURATE
        assert np.isnan(found.x).all()
        assert found.value == pytest.approx(0.0, abs=1e-4)
        assert found.bound == np.inf
        np.testing.assert_allclose(found.direction, away, atol=1e-2)
    for t in (0.5, 1.0, 4.0):
        found = ck.support_function(HYPERBOLA, [-1 / t**2, -1.0])
        assert found.attained
        assert found.success
        assert found.value == pytest.approx(-2 / t, rel=1e-8)
        np.testing.assert_allclose(found.x, [t, 1 / t], rtol=1e-4)
    # Intersected with a box the same cone has its suprema attained.
    boxed = S(cones=[HYPERBOLA], ub=[10.0, 10.0])
    found = ck.support_function(boxed, [0.0, -1.0])
    assert found.attained
    assert found.value == pytest.approx(-0.1, rel=1e-7)


# ---------------------------------------------------------------- distances


def test_nearest_points_of_two_discs():
    near = ck.nearest_points(S.ball([0.0, 0.0], 1.0), S.ball([4.0, 3.0], 2.0))
    assert near.success
    assert near.attained
    assert near.nit > 0
    assert near.distance == pytest.approx(2.0, rel=1e-9)
    np.testing.assert_allclose(near.x, [0.8, 0.6], atol=1e-9)
    np.testing.assert_allclose(near.y, [2.4, 1.8], atol=1e-9)
    s = near.solution
    assert ck.kkt_residuals(near.problem, s.x, s.lam, s.nu, s.lam_lb, s.lam_ub, s.lam_cones).max() <= 1e-8


@pytest.mark.parametrize("seed", range(8))
def test_distances_of_random_sets_agree_with_cvxpy(seed):
    cp = pytest.importorskip("cvxpy")
    rng = np.random.default_rng(seed)
    F, G, V = rng.standard_normal((2, 3)), rng.standard_normal((5, 3)), rng.standard_normal((6, 3)) + 3
    C = S([ck.Quadratic.from_factor(F, r=-1.0)], G=G, h=np.ones(5))
    x, theta = cp.Variable(3), cp.Variable(6, nonneg=True)
    model = cp.Problem(cp.Minimize(cp.norm(x - V.T @ theta)), [0.5 * cp.sum_squares(F @ x) <= 1, G @ x <= 1,
                                                              cp.sum(theta) == 1])
    model.solve(solver="CLARABEL")
    near = ck.nearest_points(C, S.convex_hull(V))
    assert near.success
    assert near.attained
    assert near.distance == pytest.approx(model.value, abs=1e-5)
    assert C.contains(near.x)


@pytest.mark.parametrize(("C", "D"), [
    (S.box([0.0, 0.0], [1.0, 1.0]), S.box([1.0, 0.0], [2.0, 1.0])),
    (S.ball([0.0, 0.0], 1.0), S.ball([3.0, 0.0], 2.0)),
    (S.ball([0.0, 0.0], 1.0), S.ball([0.5, 0.0], 2.0)),
    (TRIANGLE, TRIANGLE.image(-np.eye(2))),
    (S.second_order_cone(2), S.second_order_cone(2).image(-np.eye(2))),
    (S.hyperplane([1.0, 1.0], 0.0), S.hyperplane([1.0, -1.0], 0.0)),
], ids=["boxes", "touching discs", "nested discs", "corners", "cones", "lines"])
def test_sets_that_meet_have_distance_zero_and_a_common_point(C, D):
    near = ck.nearest_points(C, D)
    assert near.success
    assert near.attained
    assert near.distance == 0.0
    np.testing.assert_array_equal(near.x, near.y)
    assert C.contains(near.x, 1e-6)
    assert D.contains(near.x, 1e-6)


def test_a_distance_that_is_not_attained_is_not_claimed():
    # Exercise 2.23: (t, 1/t) and (t, 0) come as near as one likes.
    for below, distance in ((0.0, 0.0), (-1.0, 1.0)):
        near = ck.nearest_points(HYPERBOLA, S.halfspace([0.0, 1.0], below))
        assert near.attained is False
        assert not near.success
        assert near.status == ck.Status.OPTIMAL_INACCURATE
        assert "not attained" in near.message
        assert np.isnan(near.x).all()
        assert np.isnan(near.y).all()
        assert near.distance == pytest.approx(distance, abs=1e-4)
        np.testing.assert_allclose(near.direction, [1.0, 0.0], atol=1e-2)
    # The same cone has nearest points to a line with another slope, and to a bounded set.
    for other, distance in ((S.halfspace([1.0, 1.0], 0.0), np.sqrt(2)), (S.ball([0.0, 0.0], 1.0), np.sqrt(2) - 1)):
        near = ck.nearest_points(HYPERBOLA, other)
        assert near.attained
        assert near.success
        assert near.distance == pytest.approx(distance, rel=1e-6)


def test_quadratics_and_rows_always_have_a_nearest_pair():
    # A parabola and a line below it; and the parabola with a direction of recession in common with a strip.
    parabola = S([ck.Quadratic(np.diag([2.0, 0.0]), [0.0, -1.0])])
    near = ck.nearest_points(parabola, S.halfspace([0.0, 1.0], -1.0))
    assert near.attained
    assert near.distance == pytest.approx(1.0, rel=1e-8)
    np.testing.assert_allclose(near.x, [0.0, 0.0], atol=1e-4)
    strip = ck.nearest_points(parabola, S(G=[[-1.0, 0.0]], h=[-5.0], ub=[np.inf, 1.0]))
    assert strip.attained
    assert strip.success
    assert strip.x[1] == pytest.approx(strip.x[0] ** 2, rel=1e-6)


# ---------------------------------------------------------------- hyperplanes


@pytest.mark.parametrize("seed", range(40))
def test_random_sets_are_separated_or_shown_to_overlap(seed):
    rng = np.random.default_rng(seed)
    kinds = rng.choice([kind for kind in KINDS if kind not in ("affine", "hyperplane")], 2)
    C, D = family(kinds[0], rng), family(kinds[1], rng).image(np.eye(N), 3 * rng.standard_normal(N))
    plane, near = ck.separating_hyperplane(C, D), ck.nearest_points(C, D)
    if plane.status == ck.HyperplaneStatus.OVERLAPPING:
        assert near.distance == 0.0
        assert C.contains(plane.x, 1e-6)
        assert D.contains(plane.x, 1e-6)
        assert not plane.success
        assert np.isnan(plane.a).all()
        assert not plane.verify(C, D)
    elif plane.status == ck.HyperplaneStatus.NOT_STRICT:
        # Cones that share their tip, or sets that touch where one lies in the boundary of the other.
        assert near.distance <= 1e-6
        assert plane.margin == 0.0
    else:
        assert plane.status == ck.HyperplaneStatus.STRICT
        assert plane.verified
        assert plane.verify(C, D)
        assert plane.margin == pytest.approx(near.distance, rel=1e-5)
        assert np.linalg.norm(plane.a) == pytest.approx(1.0)
        for _ in range(20):
            assert plane.a @ ck.project(5 * rng.standard_normal(N), C).x <= plane.b
            assert plane.a @ ck.project(5 * rng.standard_normal(N), D).x >= plane.b


@pytest.mark.parametrize(("C", "D", "a", "b"), [
    (S.ball([0.0, 0.0], 1.0), S.ball([3.0, 0.0], 2.0), [1.0, 0.0], 1.0),
    (S.box([0.0, 0.0], [1.0, 1.0]), S.box([1.0, 0.0], [2.0, 1.0]), [1.0, 0.0], 1.0),
    (S.ball([0.0, 0.0], 1.0), S.hyperplane([3.0, 4.0], 5.0), [0.6, 0.8], 1.0),
    (S.ball([0.0, 0.0], 1.0), S.ball([1.0, 0.0], 0.0), [1.0, 0.0], 1.0),
    (S.halfspace([1.0, 0.0], 0.0), S.halfspace([-1.0, 0.0], 0.0), [1.0, 0.0], 0.0),
    (S([ck.Quadratic(np.diag([2.0, 0.0]), [0.0, -1.0])]), S.halfspace([0.0, 1.0], 0.0), [0.0, -1.0], 0.0),
    (HYPERBOLA, S.halfspace([1.0, 1.0], 2.0), -np.sqrt([0.5, 0.5]), -np.sqrt(2)),
], ids=["discs", "boxes", "disc and line", "disc and point", "halfspaces", "parabola", "hyperbola"])
def test_sets_that_touch_have_a_hyperplane_but_no_slab(C, D, a, b):
    plane = ck.separating_hyperplane(C, D)
    assert plane.status == ck.HyperplaneStatus.NOT_STRICT
    assert plane.success
    assert plane.margin == 0.0
    np.testing.assert_allclose(plane.a, a, atol=1e-6)
    assert plane.b == pytest.approx(b, abs=1e-6)
    assert plane.verify(C, D)


def test_disjoint_sets_without_a_slab_are_separated_but_not_strictly():
    plane = ck.separating_hyperplane(HYPERBOLA, S.halfspace([0.0, 1.0], 0.0))
    assert plane.status == ck.HyperplaneStatus.NOT_STRICT
    assert plane.margin == 0.0
    np.testing.assert_allclose(np.append(plane.a, plane.b), [0.0, -1.0, 0.0], atol=1e-8)
    assert np.isnan(plane.x).all()
    assert "without meeting" in plane.message
    # With a gap there is a slab, though no nearest points.
    strict = ck.separating_hyperplane(HYPERBOLA, S.halfspace([0.0, 1.0], -1.0))
    assert strict.status == ck.HyperplaneStatus.STRICT
    assert strict.margin == pytest.approx(1.0, abs=1e-4)


def test_small_gaps_are_seen():
    for scale in (1e-3, 1.0, 1e3):
        plane = ck.separating_hyperplane(S.ball([0.0, 0.0], scale), S.ball([3.0001 * scale, 0.0], 2 * scale))
        assert plane.status == ck.HyperplaneStatus.STRICT
        assert plane.verified
        assert plane.margin == pytest.approx(1e-4 * scale, rel=1e-6)


def test_a_thin_set_inside_another_has_no_hyperplane_and_none_is_claimed():
    line = S(G=[[1.0, 0.0], [-1.0, 0.0]], h=[0.0, 0.0])  # x₁ = 0 said as two inequalities: no interior to speak of
    plane = ck.separating_hyperplane(line, S.ball([0.0, 0.0], 1.0))
    assert plane.status == ck.HyperplaneStatus.UNKNOWN
    assert not plane.success


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("affine", "hyperplane", "point")])
def test_projections_are_points_with_a_supporting_hyperplane(kind):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        C = family(kind, rng)
        p = 4 * rng.standard_normal(N)
        found = ck.project(p, C)
        if found.distance == 0.0:
            continue
        plane = ck.supporting_hyperplane(C, found.x)
        assert plane.status == ck.HyperplaneStatus.SUPPORTING
        assert plane.verify(C)
        assert plane.b == pytest.approx(plane.a @ found.x)
        for _ in range(20):
            assert plane.a @ ck.project(5 * rng.standard_normal(N), C).x <= plane.b + 1e-6


@pytest.mark.parametrize(("C", "x", "a"), [
    (S.box([0.0, 0.0], [1.0, 1.0]), [1.0, 1.0], np.sqrt([0.5, 0.5])),
    (S.box([0.0, 0.0], [1.0, 1.0]), [0.0, 0.5], [-1.0, 0.0]),
    (ck.Quadratic(2 * np.eye(2)), [0.0, 0.0], [1.0, 0.0]),  # ‖x‖² ≤ 0, where the gradient vanishes
    (S(G=[[1.0, 0.0], [-1.0, 0.0]], h=[0.0, 0.0]), [0.0, 3.0], [1.0, 0.0]),
    (S.second_order_cone(3), [0.0, 0.0, 0.0], [0.0, 0.0, -1.0]),
    (S.second_order_cone(3), [3.0, 4.0, 5.0], [0.6 / np.sqrt(2), 0.8 / np.sqrt(2), -np.sqrt(0.5)]),
    (ck.SecondOrderCone(np.eye(2)), [0.0, 0.0], [1.0, 0.0]),  # ‖x‖ ≤ 0
    (TRIANGLE, [0.5, 0.5], np.sqrt([0.5, 0.5])),
    (S.convex_hull([[0.0, 0.0], [1.0, 0.0]]), [0.3, 0.0], [0.0, 1.0]),
    (S.ellipsoid([0.0, 0.0], [2.0, 0.0]), [1.0, 0.0], [0.0, 1.0]),
    (S.ellipsoid([0.0, 0.0], [2.0, 1.0]), [2.0, 0.0], [1.0, 0.0]),
    (S.hyperplane([1.0, 1.0], 1.0), [1.0, 0.0], np.sqrt([0.5, 0.5])),
    (S.simplex(3), [0.2, 0.3, 0.5], np.full(3, np.sqrt(1 / 3))),
    (S.l1_ball([0.0, 0.0], 1.0), [0.3, 0.7], np.sqrt([0.5, 0.5])),
    (S.generated_cone([[2.0, 1.0], [1.0, 3.0]]), [4.0, 2.0], [1 / np.sqrt(5), -2 / np.sqrt(5)]),
], ids=range(15))
def test_supporting_hyperplanes_at_corners_edges_and_on_flat_sets(C, x, a):
    plane = ck.supporting_hyperplane(C, x)
    assert plane.status == ck.HyperplaneStatus.SUPPORTING
    assert plane.verified
    assert plane.verify(C)
    np.testing.assert_allclose(plane.a * np.sign(plane.a @ a), a, atol=1e-6)


@pytest.mark.parametrize(("C", "x", "status"), [
    (S.ball([0.0, 0.0], 1.0), [0.3, 0.3], "interior"), (S.ball([0.0, 0.0], 1.0), [2.0, 0.0], "outside"),
    (TRIANGLE, [0.3, 0.3], "interior"), (TRIANGLE, [1.0, 1.0], "outside"), (S(n=2), [0.0, 0.0], "interior"),
    (HYPERBOLA, [2.0, 2.0], "interior"), (HYPERBOLA, [0.0, 2.0], "outside"),
], ids=range(7))
def test_points_off_the_boundary_have_no_supporting_hyperplane(C, x, status):
    plane = ck.supporting_hyperplane(C, x)
    assert plane.status == status
    assert not plane.success
    assert np.isnan(plane.a).all()


# ---------------------------------------------------------------- cones


@pytest.mark.parametrize("seed", range(20))
def test_a_point_is_in_a_generated_cone_or_separated_from_it_and_never_both(seed):
    rng = np.random.default_rng(seed)
    m, k = rng.integers(2, 6, 2)
    A, b = rng.standard_normal((m, k)), rng.standard_normal(m)
    inside = ck.cone_membership(A, A @ rng.exponential(size=k))
    assert inside.inside
    assert inside.verify()
    assert inside.distance == 0.0
    assert not inside.y.any()
    found = ck.cone_membership(A, b)
    assert found.verify()
    if not found.inside:
        assert (A.T @ found.y >= -1e-12).all()
        assert found.y @ b == pytest.approx(-found.distance**2)
        assert ck.dual_cone_membership(A, found.y).inside


def test_membership_in_the_dual_cone_is_the_sign_of_the_products():
    A = np.array([[2.0, 1.0], [1.0, 3.0]])
    found = [ck.dual_cone_membership(A, y) for y in ([1.0, -0.2], [1.0, -2.0], [-1.0, 3.0], [-1.0, 0.3])]
    assert [one.inside for one in found] == [True, False, True, False]
    assert found[1].generator == 1
    assert found[3].generator == 0
    np.testing.assert_array_equal(found[1].z, [1.0, 3.0])
    # The edge of the dual cone belongs to it; sparse generators and a zero column are fine.
    assert ck.dual_cone_membership(sp.csr_array(np.array([[1.0, 0.0], [2.0, 0.0]])), [2.0, -1.0]).inside
    assert not ck.dual_cone_membership([[0.0, -1.0]], [1.0]).inside


def test_a_membership_does_not_verify_with_another_point():
    import dataclasses

    found = ck.cone_membership(np.eye(2), [1.0, -1.0])
    assert found.verify()
    assert not dataclasses.replace(found, point=np.array([1.0, 1.0])).verify()
    inside = ck.cone_membership(np.eye(2), [1.0, 1.0])
    assert not dataclasses.replace(inside, point=np.array([1.0, 2.0])).verify()


# ---------------------------------------------------------------- size


def test_large_sparse_sets_stay_sparse():
    n = 5000
    box = S.box(-np.ones(n), np.ones(n))
    beyond = S(G=sp.csr_array(-np.ones((1, n))), h=[-2.0 * n], ub=np.full(n, 4.0))
    near = ck.nearest_points(box, beyond)
    assert near.success
    assert near.distance == pytest.approx(np.sqrt(n), rel=1e-8)
    budget = S(G=sp.csr_array(np.ones((1, n))), h=[float(n)], lb=0.0)
    found = ck.project(np.full(n, 3.0), budget)
    np.testing.assert_allclose(found.x, np.ones(n), atol=1e-8)
