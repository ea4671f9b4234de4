"""Derivatives of a solution in its data: closed forms, finite differences, adjoints, and autograd."""

import autograd.numpy as anp
import numpy as np
import pytest
import scipy.sparse as sp

import convexkit as ck

PARTS = ("x", "lam", "nu", "lam_lb", "lam_ub")


def draw(seed, n=None):
    """A random convex QCQP with rows of every kind and a strictly feasible point."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7)) if n is None else n

    def definite():
        F = rng.standard_normal((n, n))
        return F @ F.T / n + 0.1 * np.eye(n)

    x0 = 0.3 * rng.standard_normal(n)
    f0 = ck.Quadratic(definite() if rng.random() < 0.8 else None, 2 * rng.standard_normal(n), 0.5)
    rows = [ck.Quadratic(2 * np.eye(n), None, -4.0)] if f0.P is None else []
    for _ in range(rng.integers(0, 3)):
        P, q = definite(), rng.standard_normal(n)
        rows.append(ck.Quadratic(P, q, -(0.5 * x0 @ P @ x0 + q @ x0) - rng.random()))
    G, A = rng.standard_normal((rng.integers(0, 3), n)), rng.standard_normal((rng.integers(0, 2), n))
    return ck.QCQP(f0, rows, G=G, h=G @ x0 + rng.random(len(G)), A=A, b=A @ x0,
                   lb=np.where(rng.random(n) < 0.5, x0 - rng.random(n), -np.inf),
                   ub=np.where(rng.random(n) < 0.3, x0 + rng.random(n), np.inf)), rng


def directions(problem, rng):
    n, quadratics = problem.n, len(problem.inequalities)

    def symmetric():
        S = rng.standard_normal((n, n))
        return (S + S.T) / 2

    return {"P0": symmetric() if problem.objective.P is not None else np.zeros((n, n)), "q0": rng.standard_normal(n),
            "r0": 0.7, "P": [symmetric() for _ in range(quadratics)], "q": rng.standard_normal((quadratics, n)),
            "r": rng.standard_normal(quadratics), "G": rng.standard_normal(problem.G.shape),
            "h": rng.standard_normal(problem.h.size), "A": rng.standard_normal(problem.A.shape),
            "b": rng.standard_normal(problem.p), "lb": rng.standard_normal(n) * np.isfinite(problem.lb),
            "ub": rng.standard_normal(n) * np.isfinite(problem.ub)}


def moved(problem, d, t):
    f0 = problem.objective
    return ck.QCQP(ck.Quadratic(None if f0.P is None else f0.P + t * d["P0"], f0.q + t * d["q0"], f0.r + t * d["r0"]),
                   [ck.Quadratic(f.P + t * P, f.q + t * q, f.r + t * r)
                    for f, P, q, r in zip(problem.inequalities, d["P"], d["q"], d["r"], strict=True)],
                   **{name: getattr(problem, name) + t * d[name] for name in ("G", "h", "A", "b", "lb", "ub")})


def flat(s):
    return np.concatenate([*(getattr(s, name) for name in PARTS), [s.value]])


# ---------------------------------------------------------------- against differences, and against each other


@pytest.mark.parametrize("seed", range(25))
def test_the_change_along_all_data_is_that_of_central_differences(seed):
    problem, rng = draw(seed)
    D = ck.solution_derivatives(problem, ck.solve(problem, tol=1e-10)).require_regular()
    d, t = directions(problem, rng), 1e-4
    at = {s: flat(ck.solve(moved(problem, d, s * t), tol=1e-11)) for s in (-2, -1, 1, 2)}
    near, far = at[1] - at[-1], at[2] - at[-2]
    differences = (8 * near - far) / (12 * t)
    ours = flat(D.jvp(**d))
    assert np.abs(ours - differences).max() <= 2e-5 * (1 + np.abs(ours).max())


@pytest.mark.parametrize("seed", range(25))
def test_the_gradient_is_the_adjoint_of_the_change(seed):
    problem, rng = draw(seed)
    D = ck.solution_derivatives(problem, ck.solve(problem))
    d = directions(problem, rng)
    change = D.jvp(**d)
    weights = {name: rng.standard_normal(getattr(change, name).size) for name in PARTS}
    value = float(rng.standard_normal())
    g = D.vjp(**weights, value=value)
    forward = sum(weights[name] @ getattr(change, name) for name in PARTS) + value * change.value
    backward = sum(np.sum(np.asarray(getattr(g, name)) * np.asarray(d[name])) for name in d if name not in ("P0", "P"))
    backward += sum(np.sum(a * b) for a, b in zip(g.P, d["P"], strict=True))
    backward += 0.0 if g.P0 is None else np.sum(g.P0 * d["P0"])
    assert backward == pytest.approx(forward, rel=1e-9, abs=1e-9)
    for S in (g.P0, *g.P):
        if S is not None:
            np.testing.assert_allclose(S, S.T, rtol=1e-12, atol=1e-14)


def test_derivatives_of_the_disc_in_closed_form():
    # minimise cᵀx over ‖x‖² ≤ R²: x = -Rc/‖c‖, lam = ‖c‖/(2R), p* = -R‖c‖; here r = -R².
    c, R = np.array([3.0, 4.0]), 2.0
    problem = ck.QCQP(ck.Quadratic(None, c), [ck.Quadratic(2 * np.eye(2), None, -R**2)])
    D = ck.solution_derivatives(problem, ck.solve(problem))
    change = D.jvp(r=[-2 * R])  # dR = 1
    np.testing.assert_allclose(change.x, -c / 5, atol=1e-9)
    np.testing.assert_allclose(change.lam, [-5 / (2 * R**2)], atol=1e-9)
    assert change.value == pytest.approx(-5.0)
    np.testing.assert_allclose(D.vjp(value=1.0).q0, -R * c / 5, atol=1e-9)
    # dx/dc = -R(I - ccᵀ/‖c‖²)/‖c‖
    np.testing.assert_allclose(D.vjp(x=[1.0, 0.0]).q0, (-R * (np.eye(2) - np.outer(c, c) / 25) / 5)[0], atol=1e-9)


def test_sparse_and_factored_data_have_gradients_in_their_own_structure():
    n = 300
    rng = np.random.default_rng(0)
    chain = sp.diags_array([np.full(n - 1, -1.0), np.full(n, 2.5), np.full(n - 1, -1.0)], offsets=[-1, 0, 1]).tocsr()
    q, A = rng.standard_normal(n), sp.random_array((5, n), density=0.05, rng=rng, format="csr")
    found = {}
    for name, P, M in (("sparse", chain, A), ("dense", chain.toarray(), A.toarray())):
        problem = ck.QCQP(ck.Quadratic(P, q), [ck.Quadratic(P, None, -3.0)], A=M, b=np.ones(5), lb=-1.0)
        D = ck.solution_derivatives(problem, ck.solve(problem, tol=1e-9)).require_regular()
        found[name] = D.vjp(x=np.cos(np.arange(n)), lam=[1.0])
    sparse, dense = found["sparse"], found["dense"]
    pattern = chain.toarray() != 0
    np.testing.assert_allclose(sparse.P0.toarray(), np.where(pattern, dense.P0, 0.0), atol=1e-6)
    np.testing.assert_allclose(sparse.P[0].toarray(), np.where(pattern, dense.P[0], 0.0), atol=1e-6)
    np.testing.assert_allclose(sparse.A.toarray(), np.where(A.toarray() != 0, dense.A, 0.0), atol=1e-6)
    np.testing.assert_allclose(sparse.q0, dense.q0, atol=1e-6)

    F, diag = rng.standard_normal((2, 4)), np.array([1.0, 2.0, 1.0, 3.0])
    build = lambda F, diag: ck.QCQP(ck.Quadratic.from_factor(F, diag=diag, q=np.ones(4)),  # noqa: E731
                                    [ck.Quadratic.from_factor(F, r=-0.02)])
    in_F, in_diag = ck.solution_derivatives(build(F, diag), ck.solve(build(F, diag), tol=1e-10)).vjp(x=np.ones(4)).P0
    t, E = 1e-5, np.zeros((2, 4))
    E[1, 2] = t
    only = lambda F0, diag0: ck.QCQP(ck.Quadratic.from_factor(F0, diag=diag0, q=np.ones(4)),  # noqa: E731
                                     [ck.Quadratic.from_factor(F, r=-0.02)])
    up, down = (ck.solve(only(F + s * E, diag), tol=1e-11).x.sum() for s in (1, -1))
    assert in_F[1, 2] == pytest.approx((up - down) / (2 * t), abs=1e-5)
    up, down = (ck.solve(only(F, diag + s * t * np.eye(4)[3]), tol=1e-11).x.sum() for s in (1, -1))
    assert in_diag[3] == pytest.approx((up - down) / (2 * t), abs=1e-5)


# ---------------------------------------------------------------- where there is no derivative


def test_a_row_that_is_active_without_a_price_is_a_kink():
    kink = ck.qp([[1.0]], [0.0], lb=0.0)
    D = ck.solution_derivatives(kink, ck.solve(kink))
    assert not D.regular
    assert D.message.startswith("lb[0] holds with equality")
    with pytest.raises(ck.NotDifferentiableError, match="kink"):
        D.vjp(x=[1.0])
    with pytest.raises(ck.NotDifferentiableError, match="kink"):
        D.jvp(q0=[1.0])
    # The optimal value has a derivative all the same: x.
    assert D.vjp(value=1.0).q0 == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize(("problem", "words"), [
    (ck.qp(np.eye(2), [-1.0, -1.0], G=[[1.0, 1.0], [2.0, 2.0]], h=[0.0, 0.0]), "singular"),   # a row written twice
    (ck.lp([1.0, 1.0], A=[[1.0, 1.0]], b=[1.0], lb=0.0), "singular"),                          # x is not unique
    (ck.qp(np.eye(2), [1.0, 2.0], lb=[1.0, -1.0], ub=[1.0, 3.0]), r"lb\[0\] equals ub\[0\]"),
])
def test_irregular_solutions_say_why(problem, words):
    D = ck.solution_derivatives(problem, ck.solve(problem))
    assert not D.regular
    with pytest.raises(ck.NotDifferentiableError, match=words):
        D.require_regular()


def test_wrong_arguments_are_named():
    problem, _ = draw(0)
    s = ck.solve(problem)
    D = ck.solution_derivatives(problem, s)
    for arguments, words in (({"x": [1.0]}, "x has length 1"), ({"lam": np.zeros(99)}, "lam has length 99")):
        with pytest.raises(ck.ProblemError, match=words):
            D.vjp(**arguments)
    for arguments, words in (({"c": [1.0]}, "c is no data of a problem; choose from P0"),
                             ({"q0": np.ones(99)}, r"q0 has shape \(99,\)"), ({"P": [np.eye(99)]}, "P must hold")):
        with pytest.raises(ck.ProblemError, match=words):
            D.jvp(**arguments)
    with pytest.raises(ck.ProblemError, match="solution is of another problem"):
        ck.solution_derivatives(ck.lp([1.0], lb=0.0), s)
    with pytest.raises(ck.ProblemError, match="solution must be a Solution"):
        ck.solution_derivatives(problem, s.x)
    with pytest.raises(ck.ProblemError, match="problem must be a QCQP"):
        ck.solution_derivatives(None, s)
    cone = ck.socp([3.0, 4.0], [ck.SecondOrderCone(np.eye(2), d=1.0)])
    with pytest.raises(ck.ProblemError, match="1 cones"):
        ck.solution_derivatives(cone, ck.solve(cone))
    unbounded = ck.lp([1.0])
    no_point = ck.solve(unbounded)
    with pytest.raises(ck.NotSolvedError):
        ck.solution_derivatives(unbounded, no_point)


# ---------------------------------------------------------------- under autograd


@pytest.mark.parametrize("name", ["P0", "q0", "r0", "P", "q", "r", "G", "h", "A", "b", "lb", "ub"])
def test_autograd_differentiates_through_solve_in_every_datum(name):
    problem, rng = draw(11, n=4)
    data = {"P0": problem.objective.P, "q0": problem.objective.q, "r0": np.array(problem.objective.r),
            "P": np.array([f.P for f in problem.inequalities]), "q": np.array([f.q for f in problem.inequalities]),
            "r": np.array([f.r for f in problem.inequalities]), "G": problem.G, "h": problem.h, "A": problem.A,
            "b": problem.b, "lb": problem.lb, "ub": problem.ub}
    if data[name].size == 0:
        pytest.skip("this problem has none")
    weights = {part: rng.standard_normal(size) for part, size in zip(
        PARTS, (problem.n, problem.m, problem.p, problem.n, problem.n), strict=True)}
    step = rng.standard_normal(data[name].shape)
    if name in ("P0", "P"):
        step = (step + np.swapaxes(step, -1, -2)) / 2

    def f(t):
        s = ck.differentiable_solve(problem, **{name: data[name] + t[0] * step})
        return sum(anp.dot(weights[part], getattr(s, part)) for part in PARTS) + anp.sin(s.value)

    t = 1e-4
    near, far = (f(np.array([k * t])) - f(np.array([-k * t])) for k in (1, 2))
    assert ck.gradient(f, np.zeros(1))[0] == pytest.approx((8 * near - far) / (12 * t), rel=1e-5, abs=1e-5)


def test_several_data_at_once_and_data_that_share_a_parameter():
    problem = ck.qp(2 * np.eye(2), [0.0, 0.0], G=[[1.0, 1.0]], h=[-1.0])

    def f(theta):  # minimise ‖x‖² where θ₁x₁ + x₂ ≤ -θ₂: x = -θ₂(θ₁, 1)/(θ₁² + 1)
        G = anp.stack([anp.stack([theta[0], 1.0])])
        return ck.differentiable_solve(problem, G=G, h=-theta[1:]).x[0]

    a, b = 0.7, 1.3
    expected = [-b * (1 - a * a) / (a * a + 1) ** 2, -a / (a * a + 1)]
    np.testing.assert_allclose(ck.gradient(f, np.array([a, b])), expected, atol=1e-8)


def test_a_learning_step_lowers_its_loss():
    # Which q makes the projection on the simplex be `target`? Descent on ‖x(q) - target‖².
    problem = ck.qp(np.eye(3), np.zeros(3), A=np.ones((1, 3)), b=[1.0], lb=0.0)
    target, q = np.array([0.2, 0.3, 0.5]), np.zeros(3)

    def loss(q):
        return anp.sum((ck.differentiable_solve(problem, q0=q).x - target) ** 2)

    for _ in range(30):
        q = q - 0.5 * ck.gradient(loss, q)
    assert loss(q) < 1e-6


def test_what_cannot_be_solved_or_differentiated_is_raised_in_plain_words():
    with pytest.raises(ck.NotSolvedError, match="infeasible"):
        ck.differentiable_solve(ck.lp([0.0], G=[[1.0], [-1.0]], h=[0.0, 0.0]), h=np.array([0.0, -1.0]))
    kink = ck.qp([[1.0]], [0.0], lb=0.0)
    with pytest.raises(ck.NotDifferentiableError, match="kink"):
        ck.gradient(lambda q: ck.differentiable_solve(kink, q0=q).x[0], np.zeros(1))
    with pytest.raises(ck.ProblemError, match=r"q0 has shape \(2,\); expected \(1,\)"):
        ck.differentiable_solve(kink, q0=np.zeros(2))
    with pytest.raises(ck.ProblemError, match="c is no data"):
        ck.differentiable_solve(kink, c=np.zeros(1))
    with pytest.raises(ck.ProblemError, match="problem must be a QCQP"):
        ck.differentiable_solve(None)
    with pytest.raises(ck.ProblemError, match="1 cones"):
        ck.differentiable_solve(ck.socp([3.0, 4.0], [ck.SecondOrderCone(np.eye(2), d=1.0)]))


def test_derivatives_of_two_hundred_variables_have_every_part():
    rng = np.random.default_rng(0)
    n, m = 200, 20

    def definite():
        F = rng.standard_normal((n, n))
        return F @ F.T / n

    problem = ck.QCQP(ck.Quadratic(definite(), rng.standard_normal(n)),
                      [ck.Quadratic(definite(), rng.standard_normal(n), -1.0) for _ in range(m)])
    solution = ck.solve(problem)
    gradient = ck.solution_derivatives(problem, solution).vjp(x=np.ones(n), lam=np.ones(m))
    assert gradient.P[0].shape == (n, n)
    f0, size, step = problem.objective, np.linalg.norm(gradient.q0), 1e-5

    def along(t):
        shifted = ck.Quadratic(f0.P, f0.q + t / size * gradient.q0)
        there = ck.solve(ck.QCQP(shifted, problem.inequalities), tol=1e-11)
        return there.x.sum() + there.lam.sum()

    assert (along(step) - along(-step)) / (2 * step) == pytest.approx(size, rel=1e-5)
