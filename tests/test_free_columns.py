"""Columns that nothing bounds, constraints said again, and objectives that fall without end: solved as they are."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog

import convexkit as ck
from convexkit.interior_point.recession import recession_problem

# --- Free columns ---


def free_columns(seed, n, kind):
    """(problem, value, ν, rows): a linear program with an optimum, then free variables of a kind, kept optimal.

    Each occurs in one equality, one of `rows`, with an entry a, and costs -a·ν: it says what ν is.
    """
    rng = np.random.default_rng(seed)
    p, m, share = max(2, n // 3), max(1, n // 4), 0.7 if n < 50 else 6 / n
    A, G = (rng.standard_normal((k, n)) * (rng.random((k, n)) < share) for k in (p, m))
    lam, nu = rng.exponential(1.0, m) * (rng.random(m) < 0.5), rng.standard_normal(p)
    bound = rng.exponential(1.0, n) * (rng.random(n) < 0.5)
    x = np.where(bound > 0, 0.0, rng.random(n))
    rows = rng.choice(p, max(1, p // 2), replace=kind == "several")
    if kind == "costless":
        nu[rows] = 0.0
    cost = bound - A.T @ nu - G.T @ lam
    columns = np.arange(n, n + rows.size)
    free = np.zeros((p, rows.size))
    free[rows, columns - n] = rng.choice([-1.0, 1.0], rows.size) * 10.0 ** rng.uniform(-3.0, 3.0, rows.size)
    if kind == "parallel":  # columns that cancel: any multiple of (2, 0, 1) can be added
        more = rng.standard_normal((p, 2))
        free = np.hstack([free, more, -2.0 * more[:, :1]])
    A, G = np.hstack([A, free]), np.hstack([G, np.zeros((m, free.shape[1]))])
    x = np.concatenate([x, rng.standard_normal(free.shape[1]) * 10.0 ** rng.uniform(-1.0, 3.0, free.shape[1])])
    matrix = np.asarray if n < 50 else sp.csr_array
    lb = np.where(np.arange(A.shape[1]) < n, 0.0, -np.inf)
    problem = ck.lp(np.concatenate([cost, -(free.T @ nu)]), G=matrix(G), h=G @ x + (lam == 0) * rng.exponential(1.0, m),
                    A=matrix(A), b=A @ x, lb=lb)
    return problem, float(problem.objective(x)), nu, rows


@pytest.mark.parametrize("kind", ["one for each row", "several", "costless", "parallel"])
@pytest.mark.parametrize(("n", "seeds"), [(6, 15), (30, 8), (200, 2)])
def test_a_free_column_of_one_row_says_what_its_multiplier_is(n, seeds, kind):
    for seed in range(seeds):
        problem, value, nu, rows = free_columns(seed, n, kind)
        solution = ck.solve(problem)
        assert solution.status is ck.Status.OPTIMAL
        assert solution.value == pytest.approx(value, rel=1e-6, abs=1e-6)
        assert solution.residuals.max() <= 1e-8
        np.testing.assert_allclose(solution.nu[rows], nu[rows], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("matrix", [np.asarray, sp.csr_array])
def test_free_columns_gain_nothing_by_being_taken_out_first(matrix):
    # minimise cᵀx + 3t where Ax + 2t = b: t = (b - Ax)/2 taken out leaves c - 3/2·a, without a row.
    rng = np.random.default_rng(5)
    n = 90
    a, c = rng.standard_normal(n), rng.standard_normal(n)
    kept = ck.lp(np.append(c, 3.0), A=matrix(np.append(a, 2.0)[None, :]), b=[4.0],
                 lb=np.append(np.full(n, -1.0), -np.inf), ub=np.append(np.ones(n), np.inf))
    out = ck.QCQP(ck.Quadratic(None, c - 1.5 * a, 6.0), lb=-1.0, ub=1.0)
    first, second = ck.solve(kept), ck.solve(out)
    assert first.value == pytest.approx(second.value, rel=1e-8)
    assert first.nu == pytest.approx([-1.5])
    assert first.nit <= second.nit + 2
    np.testing.assert_allclose(first.x[n], (4.0 - a @ second.x) / 2, rtol=1e-6)


@pytest.mark.parametrize("kind", ["nowhere", "against each other"])
@pytest.mark.parametrize(("n", "seeds"), [(6, 15), (30, 8), (200, 2)])
def test_free_columns_that_fall_are_a_proof_of_unboundedness(n, seeds, kind):
    for seed in range(seeds):
        problem = free_columns(seed, n, "one for each row")[0]
        A, q = problem.A, problem.objective.q
        column = np.zeros((problem.p, 1)) if kind == "nowhere" else A[:, [n]]  # the second of two, a little dearer
        cost = 1.0 if kind == "nowhere" else q[n] + 0.1 * abs(q[n])
        wider = sp.hstack([A, column], format="csr") if sp.issparse(A) else np.hstack([A, column])
        G = sp.hstack([problem.G, sp.csr_array((problem.G.shape[0], 1))], format="csr") if sp.issparse(A) \
            else np.hstack([problem.G, np.zeros((problem.G.shape[0], 1))])
        falling = ck.lp(np.append(q, cost), G=G, h=problem.h, A=wider, b=problem.b, lb=np.append(problem.lb, -np.inf))
        solution = ck.solve(falling)
        assert solution.status is ck.Status.UNBOUNDED, seed
        assert solution.certificate.verify(falling)


@pytest.mark.parametrize("matrix", [np.asarray, sp.csr_array])
def test_a_free_column_that_falls_proves_nothing_where_no_point_is_feasible(matrix):
    # x₁ + x₂ ≤ 1 and x₁ + 2x₂ ≥ 5 with x₁, x₂ in [0, 1]; x₃ occurs in the objective alone.
    G = matrix(np.array([[1.0, 1.0, 0.0], [-1.0, -2.0, 0.0]]))
    problem = ck.lp([0.0, 1.0, -1.0], G=G, h=[1.0, -5.0], lb=[0.0, 0.0, -np.inf], ub=[1.0, 1.0, np.inf])
    solution = ck.solve(problem)
    assert solution.status is ck.Status.INFEASIBLE
    assert solution.certificate.verify(problem)


# --- Constraints said again ---


def said_again(seed, structure, copies):
    """(once, again): a problem, and one whose curved constraints occur several times, each with a scale of its own."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 25))
    factors = [np.eye(n), *(rng.standard_normal((int(rng.integers(1, n + 1)), n)) for _ in range(3))]
    data = [(F, rng.standard_normal(n) * (i > 0), -n * (0.5 + rng.exponential())) for i, F in enumerate(factors)]

    def quadratic(F, q, r, scale=1.0):
        if structure == "factored":
            return ck.Quadratic.from_factor(np.sqrt(scale) * F, q=scale * q, r=scale * r)
        P = scale * (F.T @ F)
        return ck.Quadratic(sp.csr_array(P) if structure == "sparse" else P, scale * q, scale * r)

    rows = [quadratic(*row) for row in data]
    again = rows + [quadratic(*row, 10.0 ** rng.uniform(-3.0, 3.0)) for row in data for _ in range(copies)]
    objective = ck.Quadratic(np.eye(n) * (seed % 2), rng.standard_normal(n))
    order = rng.permutation(len(again))
    return ck.QCQP(objective, rows), ck.QCQP(objective, [again[i] for i in order]), order


@pytest.mark.parametrize("structure", ["dense", "sparse", "factored"])
@pytest.mark.parametrize("copies", [1, 6])
def test_curved_constraints_said_again_change_nothing(structure, copies):
    for seed in range(6):
        once, again, order = said_again(seed, structure, copies)
        first, second = ck.solve(once), ck.solve(again)
        assert (first.status, second.status) == (ck.Status.OPTIMAL, ck.Status.OPTIMAL)
        assert second.value == pytest.approx(first.value, rel=1e-7)
        assert second.nit <= first.nit + 3
        # Copies share the multiplier: λ of one, in its units, plus those of the others in theirs.
        gradients = [f.gradient(second.x) for f in again.inequalities]
        shared = np.zeros(len(once.inequalities))
        for position, number in enumerate(order):
            i = number if number < shared.size else (number - shared.size) // copies
            ratio = float(np.linalg.norm(gradients[position])
                          / np.linalg.norm(once.inequalities[i].gradient(second.x)))
            shared[i] += second.lam[position] * ratio
        np.testing.assert_allclose(shared, first.lam, rtol=1e-4, atol=1e-5)


# --- Objectives that fall without end ---


def falling_lp(seed):
    """A feasible linear program, more often unbounded than not: rows of random sizes, some bounds."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    m, p = int(rng.integers(0, n + 3)), int(rng.integers(0, max(1, n // 2)))
    units = 10.0 ** rng.uniform(-3.0, 3.0, n) if seed % 3 == 0 else np.ones(n)
    G, A = rng.standard_normal((m, n)) * units, rng.standard_normal((p, n)) * units
    if seed % 3 == 1:
        G, A = np.round(G), np.round(A)
    x = rng.standard_normal(n)
    return ck.lp(rng.standard_normal(n) * units, G=G, h=G @ x + rng.exponential(1.0, m) * (rng.random(m) < 0.7), A=A,
                 b=A @ x, lb=np.where(rng.random(n) < 0.4, x - rng.exponential(1.0, n), -np.inf),
                 ub=np.where(rng.random(n) < 0.15, x + rng.exponential(1.0, n), np.inf))


def test_random_linear_programs_are_solved_or_proved_unbounded_as_by_highs():
    seen = set()
    for seed in range(300):
        problem = falling_lp(seed)
        solution = ck.solve(problem)
        reference = linprog(problem.objective.q, problem.G if problem.h.size else None, problem.h, problem.A,
                            problem.b, bounds=np.stack([problem.lb, problem.ub], axis=1), method="highs")
        expected = {0: ck.Status.OPTIMAL, 3: ck.Status.UNBOUNDED}.get(reference.status)
        seen.add(expected)
        if expected is not None:  # HiGHS sometimes says only that it is one of unbounded and infeasible
            assert solution.status is expected, seed
        if solution.status is ck.Status.UNBOUNDED:
            assert solution.certificate.verify(problem)
            assert solution.nit <= 25
    assert {ck.Status.OPTIMAL, ck.Status.UNBOUNDED} <= seen


def planted_fall(seed):
    """A feasible problem of random parts, none of which stops a direction d along which the objective falls."""
    rng = np.random.default_rng(seed)
    structure = ("dense", "sparse", "factored")[seed % 3]
    n = int(rng.integers(60, 110)) if structure == "sparse" else int(rng.integers(2, 40))
    d = rng.standard_normal(n) * (rng.random(n) < 0.5)
    d[int(rng.integers(n))] = 1.0
    x = rng.standard_normal(n)

    def level(rows):
        return rows - np.outer(rows @ d, d) / float(d @ d)

    def falls(row):
        return row if row @ d <= 0 else -row

    def quadratic(q, value):
        F = rng.standard_normal((int(rng.integers(1, min(n, 6) + 1)), n))
        F = F * (d == 0) * (rng.random(F.shape) < 0.1) if structure == "sparse" else level(F)
        r = value - float(0.5 * np.sum((F @ x) ** 2) + q @ x)
        if structure == "factored":
            return ck.Quadratic.from_factor(F, q=q, r=r)
        return ck.Quadratic(sp.csr_array(F.T @ F) if structure == "sparse" else F.T @ F, q, r)

    c = falls(rng.standard_normal(n))
    G = np.array([falls(row) for row in rng.standard_normal((4, n))])
    G[:2] = level(G[:2])
    A, B = level(rng.standard_normal((min(2, n - 1), n))), level(rng.standard_normal((2, n)))
    up = -falls(rng.standard_normal(n))
    cones = [ck.SecondOrderCone(B, -B @ x, up, 1.0 - up @ x)] if seed % 4 == 0 else []
    rows = [quadratic(falls(rng.standard_normal(n)), -rng.exponential()) for _ in range(int(rng.integers(0, 4)))]
    matrix = sp.csr_array if structure == "sparse" else np.asarray
    return ck.QCQP(quadratic(c, 0.0) if seed % 2 else ck.Quadratic(None, c), rows, G=matrix(G),
                   h=G @ x + rng.exponential(1.0, 4), A=matrix(A), b=A @ x,
                   lb=np.where((d >= 0) & (rng.random(n) < 0.3), x - 1.0, -np.inf), cones=cones)


@pytest.mark.parametrize("part", range(4))
def test_every_fall_that_was_planted_is_proved(part):
    for seed in range(15 * part, 15 * part + 15):
        problem = planted_fall(seed)
        solution = ck.solve(problem)
        assert solution.status is ck.Status.UNBOUNDED, (seed, solution.message)
        assert solution.certificate.verify(problem)


@pytest.mark.parametrize("seed", range(6))
def test_the_shortest_direction_is_one_of_recession(seed):
    problem = planted_fall(seed)
    search = recession_problem(problem, np.ones(problem.n))
    direction = ck.solve(search, tol=1e-10).require_optimal().x
    direction = np.where(np.abs(direction) < 1e-9 * np.abs(direction).max(), 0.0, direction)
    assert ck.UnboundednessCertificate(np.zeros(problem.n), direction).falls(problem)


def test_no_direction_is_sought_without_a_slope_or_where_a_p_is_known_by_products():
    ones = np.ones(3)
    assert recession_problem(ck.QCQP(ck.Quadratic(None, np.zeros(3)), lb=0.0), ones) is None
    assert recession_problem(ck.QCQP(ck.Quadratic(lambda v: v, ones)), ones) is None
    wide = ck.Quadratic.from_factor(np.ones((2, 1500)), q=np.ones(1500))
    assert recession_problem(ck.QCQP(wide), np.ones(1500)) is None


@pytest.mark.parametrize("tilt", [1e-9, 5e-9])
def test_a_direction_that_leaves_a_cone_by_rounding_proves_nothing(tilt):
    # x₁x₂ ≥ 1: x₂ tends to 0 and is never below. (1, -tilt) leaves the cone by twice tilt, and falls by tilt.
    hyperbola = ck.SecondOrderCone([[0.0, 0.0], [1.0, -1.0]], [2.0, 0.0], [1.0, 1.0])
    problem = ck.socp([0.0, 1.0], [hyperbola])
    assert not ck.UnboundednessCertificate(np.array([1.0, 1.0]), np.array([1.0, -tilt])).verify(problem)
    assert ck.solve(problem).status is not ck.Status.UNBOUNDED


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_a_bound_that_two_rows_imply_is_not_overlooked(size):
    # x₁ ≤ x₃ and x₃ ≤ x₁ + size·x₂ imply x₂ ≥ 0, wherever x₁ and x₃ are.
    rows = [[1.0, 0.0, -1.0], [-1.0, -size, 1.0]]
    for problem in (ck.lp([0.0, 1.0, 0.0], G=rows, h=[0.0, 0.0]),
                    ck.QCQP(ck.Quadratic(np.diag([0.0, 0.0, 0.0]), [0.0, 1.0, 0.0]), G=rows, h=[0.0, 1.0]),
                    ck.lp([0.0, 1.0, 0.0], G=sp.csr_array(np.array(rows)), h=[1e-3, 0.0])):
        assert ck.solve(problem).status is not ck.Status.UNBOUNDED
