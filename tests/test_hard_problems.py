"""Problems on which solvers stumble: degenerate, without strictly feasible points, badly scaled, said twice over.

The families are those of the public sets, made here in any size: Lagrange multipliers of LISWET problems are huge, YAO
has no strictly complementary solution, transport problems are degenerate, and pairs of rows can leave no room. Each is
solved as made and in disguises that leave its value alone.
"""

from math import comb

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog

import convexkit as ck
from convexkit.interior_point import scaling


def differences(rows, order):
    """(rows, rows + order) matrix of finite differences of an order."""
    return sp.diags_array([np.full(rows, (-1.0) ** j * comb(order, j)) for j in range(order + 1)],
                          offsets=[order - j for j in range(order + 1)], shape=(rows, rows + order)).tocsr()


def smoothing(shape, order, n=600, noise=0.1):
    """LISWET's kind: the nearest vector to noisy samples of a function, with differences of an order at least zero."""
    t = np.linspace(0.0, 1.0, n + order)
    samples = shape(t) + noise * np.sin(np.arange(1, n + order + 1))
    return ck.qp(sp.eye_array(n + order).tocsr(), -samples, G=-differences(n, order), h=np.zeros(n),
                 r=0.5 * float(samples @ samples))


def convex_fit_with_ends(n=600):
    """YAO's kind: a sine, made convex, with a bound on its first value and the last two fixed."""
    problem = smoothing(np.sin, 2, n, noise=0.0)
    lb, ub = np.full(n + 2, -np.inf), np.full(n + 2, np.inf)
    lb[0], lb[n:], ub[n:] = 0.08, 0.0, 0.0
    return ck.QCQP(problem.objective, G=problem.G, h=problem.h, lb=lb, ub=ub)


def transport(suppliers=12, customers=15, seed=0):
    """Equal supplies and demands, which make every vertex degenerate; one row is implied by the others."""
    cost = np.random.default_rng(seed).integers(1, 10, suppliers * customers).astype(float)
    A = sp.vstack([sp.kron(sp.eye_array(suppliers), np.ones((1, customers))),
                   sp.kron(np.ones((1, suppliers)), sp.eye_array(customers))]).tocsr()
    return ck.lp(cost, A=A, b=np.concatenate([np.full(suppliers, float(customers)),
                                              np.full(customers, float(suppliers))]), lb=0.0)


def chained_qp(n=300, rows=150):
    """CVXQP's kind: squares of sums of three variables, rows that overlap, a box."""
    i = np.arange(n)
    S = sp.csr_array((np.ones(3 * n), (np.repeat(i, 3), np.stack([i, (2 * i + 1) % n, (3 * i + 2) % n], 1).ravel())),
                     shape=(n, n))
    P = (S.T @ sp.diags_array(1.0 + i) @ S).tocsr()
    j = np.arange(rows)
    A = sp.csr_array((np.tile([1.0, 2.0, 3.0], rows), (np.repeat(j, 3), np.stack(
        [j, (4 * j + 3) % n, (5 * j + 4) % n], 1).ravel())), shape=(rows, n))
    return ck.qp((P + P.T) / 2, np.zeros(n), A=A, b=A @ np.full(n, 0.7), lb=0.1, ub=10.0)


def grid_flow(side=12):
    """AUG2D's kind: the edges of a grid, for a flow that meets the demands of its nodes, which sum to zero."""
    node = np.arange(side * side).reshape(side, side)
    ends = np.concatenate([np.stack([node[:, :-1].ravel(), node[:, 1:].ravel()]),
                           np.stack([node[:-1].ravel(), node[1:].ravel()])], axis=1)
    edges = np.arange(ends.shape[1])
    A = sp.csr_array((np.concatenate([np.ones(edges.size), -np.ones(edges.size)]),
                      (ends.ravel(), np.tile(edges, 2))), shape=(side * side, edges.size))
    demand = np.random.default_rng(1).standard_normal(side * side)
    return A, demand - demand.mean()


PROBLEMS = {"square root": lambda: smoothing(np.sqrt, 2), "waves": lambda: smoothing(lambda t: np.sin(12 * t), 2),
            "step": lambda: smoothing(lambda t: 1.0 * (t > 0.5), 2), "loud": lambda: smoothing(np.sqrt, 2, noise=1.0),
            "monotone": lambda: smoothing(lambda t: np.abs(t - 0.5), 1), "ends": convex_fit_with_ends,
            "transport": transport, "chained": chained_qp}


@pytest.fixture(scope="module")
def plain():
    """Each problem and its solution."""
    problems = {name: make() for name, make in PROBLEMS.items()}
    return {name: (problem, ck.solve(problem)) for name, problem in problems.items()}


@pytest.mark.parametrize("name", PROBLEMS)
def test_degenerate_problems_are_solved_to_full_accuracy(name, plain):
    problem, solution = plain[name]
    assert solution.success, solution.message
    assert ck.kkt_residuals(problem, solution.x, solution.lam, solution.nu, solution.lam_lb,
                            solution.lam_ub).max() <= 1e-8


def test_the_degenerate_transport_problem_has_the_value_of_the_simplex_method(plain):
    problem, solution = plain["transport"]
    expected = linprog(problem.objective.q, A_eq=problem.A, b_eq=problem.b, method="highs").fun
    assert solution.value == pytest.approx(expected, rel=1e-8)


def changed(problem, **new):
    """The same problem with other data."""
    old = {"G": problem.G, "h": problem.h, "A": problem.A, "b": problem.b, "lb": problem.lb, "ub": problem.ub} | new
    return ck.QCQP(old.pop("objective", problem.objective), **old)


def rows_scaled(problem, rng):
    d, e = (10.0 ** rng.uniform(-5, 5, size) for size in (problem.h.size, problem.p))
    return changed(problem, G=(sp.diags_array(d) @ sp.csr_array(problem.G)).tocsr(), h=problem.h * d,
                   A=(sp.diags_array(e) @ sp.csr_array(problem.A)).tocsr(), b=problem.b * e)


def columns_scaled(problem, rng):
    d = 10.0 ** rng.uniform(-2, 2, problem.n)
    D, f = sp.diags_array(d), problem.objective
    P = None if f.P is None else (D @ f.P @ D).tocsr()
    return changed(problem, objective=ck.Quadratic(P if P is None else (P + P.T) / 2, f.q * d, f.r),
                   G=(sp.csr_array(problem.G) @ D).tocsr(), A=(sp.csr_array(problem.A) @ D).tocsr(),
                   lb=problem.lb / d, ub=problem.ub / d)


def said_twice(problem, rng):
    i, j = (rng.integers(0, max(size, 1), min(size, 30)) for size in (problem.h.size, problem.p))
    d, e = rng.uniform(0.1, 10, i.size), rng.uniform(0.1, 10, j.size) * rng.choice([-1, 1], j.size)
    G, A = sp.csr_array(problem.G), sp.csr_array(problem.A)
    return changed(problem, G=sp.vstack([G, sp.diags_array(d) @ G[i]]).tocsr(),
                   h=np.concatenate([problem.h, d * problem.h[i]]),
                   A=sp.vstack([A, sp.diags_array(e) @ A[j]]).tocsr(), b=np.concatenate([problem.b, e * problem.b[j]]))


def equalities_as_pairs(problem, rng):
    A = sp.csr_array(problem.A)
    return changed(problem, G=sp.vstack([sp.csr_array(problem.G), A, -A]).tocsr(),
                   h=np.concatenate([problem.h, problem.b, -problem.b]), A=None, b=None)


@pytest.mark.parametrize("name", ["waves", "step", "ends", "transport", "chained"])
@pytest.mark.parametrize("disguise", [rows_scaled, columns_scaled, said_twice, equalities_as_pairs])
def test_a_disguise_does_not_change_the_value(name, disguise, plain):
    problem, solution = plain[name]
    other = disguise(problem, np.random.default_rng(7))
    again = ck.solve(other)
    assert again.success, again.message
    assert again.value == pytest.approx(solution.value, rel=1e-6, abs=1e-6)


def test_flows_that_cannot_be_are_proved_so_and_others_found():
    A, demand = grid_flow()
    n = A.shape[1]
    free = ck.qp(sp.eye_array(n).tocsr(), np.zeros(n), A=A, b=demand)
    solution = ck.solve(free)
    assert solution.success
    np.testing.assert_allclose(solution.x, np.linalg.lstsq(A.toarray(), demand, rcond=None)[0], atol=1e-8)
    for options in ({"b": demand + 1.0}, {"b": demand, "lb": -0.01, "ub": 0.01}):
        problem = ck.qp(sp.eye_array(n).tocsr(), np.zeros(n), A=A, **options)
        answer = ck.solve(problem)
        assert answer.status is ck.Status.INFEASIBLE, answer.message
        assert answer.certificate.verify(problem)


def scaled_lp(seed, kind):
    """A sparse LP with rows and columns of sizes 1e-3 to 1e3: solvable with a known value, infeasible or unbounded."""
    rng = np.random.default_rng(seed)
    B = sp.random_array((60, 160), density=0.05, rng=rng, data_sampler=rng.standard_normal).tocsr()
    x = np.maximum(rng.standard_normal(160), 0.0)
    y = rng.standard_normal(60)
    c = B.T @ y + np.where(x > 0, 0.0, rng.uniform(0, 1, 160))
    D, R = 10.0 ** rng.uniform(-3, 3, 160), 10.0 ** rng.uniform(-3, 3, 60)
    A, b = (sp.diags_array(R) @ B @ sp.diags_array(D)).tocsr(), R * (B @ x)
    if kind == "unbounded":
        return ck.lp(-np.ones(160) * D, A=A, b=b, lb=0.0, ub=1e20), -np.inf
    if kind == "infeasible":  # a positive combination of x ≥ 0 is to be negative
        return ck.lp(c * D, A=sp.vstack([A, sp.csr_array((rng.uniform(0, 1, 160) * D)[None, :])]).tocsr(),
                     b=np.concatenate([b, [-1.0]]), lb=0.0), np.inf
    return ck.lp(c * D, A=A, b=b, lb=0.0), float(c @ x)


@pytest.mark.parametrize("kind", ["optimal", "infeasible", "unbounded"])
@pytest.mark.parametrize("seed", range(4))
def test_badly_scaled_linear_programs_get_the_right_verdict(kind, seed):
    problem, value = scaled_lp(seed, kind)
    solution = ck.solve(problem)
    assert solution.status == kind, solution.message
    if kind == "optimal":
        assert solution.value == pytest.approx(value, rel=1e-7)
    else:
        assert solution.certificate.verify(problem)


def test_two_opposite_rows_with_huge_multipliers_are_no_proof():
    # x₁ + x₂ ≤ 1 and ≥ 1, with multipliers that differ by 1: the sum of constants is 1, the slope that is left (1, 1).
    problem = ck.lp([1.0, 2.0], G=[[1.0, 1.0], [-1.0, -1.0]], h=[1.0, -1.0], lb=0.0)
    certificate = ck.InfeasibilityCertificate(np.array([2e10, 2e10 + 1.0]), np.zeros(0), np.zeros(2), np.zeros(2))
    assert not certificate.verify(problem)


@pytest.mark.parametrize("options", [
    {"c": [-1.0, -1.0, -1.0], "lb": 0.0, "ub": 1e20},
    {"c": [-1.0, -1.0], "G": [[1.0, -1.0]], "h": [1.0], "lb": 0.0, "ub": 1e20},
    {"c": [-1.0, -1.0], "G": [[1.0, 1.0], [1.0, -1.0]], "h": [1e20, 1.0], "lb": 0.0},
    {"c": [1.0, 1.0], "A": [[1.0, -1.0]], "b": [0.0], "lb": -1e30}])
def test_what_only_bounds_of_1e20_hold_is_unbounded(options):
    problem = ck.lp(**options)
    solution = ck.solve(problem)
    assert solution.status is ck.Status.UNBOUNDED
    assert solution.certificate.verify(problem)


@pytest.mark.parametrize("seed", [1059, 1083, 1133, 1181])
def test_without_a_slater_point_the_value_comes_with_a_bound(seed):
    # ‖Fx‖² ≤ 0 says Fx = 0, and has no multiplier; the dual value is approached, never met.
    rng = np.random.default_rng(seed)
    F, q = rng.standard_normal((3, 6)), rng.standard_normal(6)
    objective = ck.Quadratic(np.eye(6), q)
    problem = ck.QCQP(objective, [ck.Quadratic(F.T @ F)], lb=-1.0, ub=1.0)
    expected = ck.solve(ck.QCQP(objective, A=F, b=np.zeros(3), lb=-1.0, ub=1.0)).require_optimal().value
    solution = ck.solve(problem)
    assert solution.status in (ck.Status.OPTIMAL, ck.Status.OPTIMAL_INACCURATE)
    assert solution.value == pytest.approx(expected, abs=1e-5)


def uneven_flow(seed, nodes=40, arcs=120, groups=15):
    """Flows in a network, and limits on sums of flows in other units: a linear program like gfrd_pnc."""
    rng = np.random.default_rng(seed)
    tail = rng.integers(0, nodes, arcs)
    head = (tail + 1 + rng.integers(0, nodes - 1, arcs)) % nodes
    A = sp.csr_array((np.tile([1.0, -1.0], arcs), (np.stack([tail, head], 1).ravel(), np.repeat(np.arange(arcs), 2))),
                     shape=(nodes, arcs))
    G = sp.csr_array((rng.random((groups, arcs)) < 0.1) * rng.uniform(50.0, 2000.0, (groups, arcs)))
    x = rng.uniform(0.0, 5.0, arcs)
    return ck.lp(rng.uniform(1.0, 9.0, arcs), A=A, b=A @ x, G=G, h=G @ x, lb=0.0, ub=10.0)


@pytest.mark.parametrize("seed", range(4))
def test_units_of_variables_a_million_apart_change_neither_verdict_nor_value(seed):
    problem = uneven_flow(seed)
    d = 10.0 ** np.random.default_rng(seed + 100).uniform(-3, 3, problem.n)
    D = sp.diags_array(d)
    scaled = changed(problem, objective=ck.Quadratic(None, problem.objective.q * d), G=(problem.G @ D).tocsr(),
                     A=(problem.A @ D).tocsr(), lb=problem.lb / d, ub=problem.ub / d)
    expected = linprog(problem.objective.q, problem.G, problem.h, problem.A, problem.b, np.stack(
        [problem.lb, problem.ub], 1), method="highs").fun
    solution = ck.solve(scaled)
    assert solution.success, solution.message
    assert solution.value == pytest.approx(expected, rel=1e-6)
    assert solution.nit <= 1.5 * ck.solve(problem).nit


def test_even_entries_keep_their_scales_and_uneven_ones_are_scaled_alike_in_all_units():
    problem = uneven_flow(0)
    d = 10.0 ** np.random.default_rng(1).uniform(-3, 3, problem.n)

    def columns(scale):
        G = (problem.G @ sp.diags_array(scale)).tocsr()
        A = (problem.A @ sp.diags_array(scale)).tocsr()
        Q, E = scaling._Entries(G), scaling._Entries(A)
        return scaling._geometric(Q, E, problem.objective.q * scale) * scale

    first, second = columns(d), columns(1e3 / d)
    np.testing.assert_allclose(np.log(first / second), np.log(first / second).mean(), atol=0.05)
    nothing, even = scaling._Entries(problem.A[:0]), scaling._Entries(problem.A)
    np.testing.assert_array_equal(scaling._geometric(nothing, even, np.ones(problem.n)), 1.0)


def test_a_point_far_out_along_a_ray_is_not_called_optimal():
    # Unbounded; the iteration used to end at |x| = 2e21, where a value of -2e13 is rounding of terms of size 1e24.
    row = np.array([-3.0, 0.0, 3.0, 1.0, 2.0, -2.0, -1.0, 0.0])
    G = np.array([row, 1e-3 * row, np.eye(8)[6], -np.eye(8)[6]])
    A = np.array([[-2.0, -3.0, -3.0, 0.0, -1.0, 2.0, 3.0, 0.0], [1.0, -1.0, -1.0, -3.0, 0.0, -2.0, -1.0, 1.0]])
    ub = np.full(8, np.inf)
    ub[[3, 6]] = 3.0, 0.0
    c = 291.13042842 * np.array([-1.0, 3.0, 2.0, -1.0, 1.0, 2.0, -3.0, 1.0])
    problem = ck.lp(c, G=G, h=[-6.0, -0.006, -2.0, 2.0], A=A, b=[6.0, 4.0], ub=ub)
    highs = linprog(c, G, [-6.0, -0.006, -2.0, 2.0], A, [6.0, 4.0], bounds=[(None, u) for u in ub])
    assert highs.status == 3
    for callback in (None, lambda record: None):
        solution = ck.solve(problem, callback=callback)
        assert solution.status in (ck.Status.NUMERICAL_ERROR, ck.Status.UNBOUNDED)
        assert solution.certificate is None or solution.certificate.verify(problem)
