"""Random QCQPs, known by construction to be feasible, infeasible or unbounded: our verdicts beside cvxpy's.

Hypothesis draws the shape of a problem and a seed, the seed draws its numbers. cvxpy is given factors
(`sum_squares(F @ x)`), and its answer counts only after `ck.kkt_residuals` has passed it on the original rows:
where it does not, the comparison is skipped and counted, and our own evidence is checked all the same.
"""

import functools
import warnings
from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import convexkit as ck

PROFILE = settings(derandomize=True, max_examples=200, deadline=None, database=None,
                   suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
CLARABEL = {"solver": cp.CLARABEL, "tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}

KKT_TOLERANCE = 1e-7         # of our answers
BELIEVED = 1e-6              # largest KKT residual with which clarabel's answer counts
VALUE_TOLERANCE = 1e-6       # relative
POINT_TOLERANCE = 1e-4       # relative; a value off by ε allows √ε in x, where the objective is strongly convex
MULTIPLIER_TOLERANCE = 1e-4  # relative, where LICQ and strict complementarity hold with the margin below
MARGIN = 1e-2
MOST_SKIPPED = 0.2           # share of the cases in which clarabel may fail the check of its residuals,
MOST_SKIPPED_UNBOUNDED = 0.5  # or end an unbounded problem without a verdict, which it does in two of five


@dataclass
class Problem:
    """Factors and coefficients: f(x) = ½‖Fx‖² + qᵀx + r for each (F, q, r), the objective first."""

    quadratics: list
    G: np.ndarray
    h: np.ndarray
    A: np.ndarray
    b: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    note: str = ""
    proof: dict = field(default_factory=dict)

    def native(self):
        """The QCQP, with P formed for every other quadratic."""
        forms = [ck.Quadratic(F.T @ F, q, r) if i % 2 else ck.Quadratic.from_factor(F, q=q, r=r)
                 for i, (F, q, r) in enumerate(self.quadratics)]
        return ck.QCQP(forms[0], forms[1:], G=self.G, h=self.h, A=self.A, b=self.b, lb=self.lb, ub=self.ub)

    def through_cvxpy(self):
        """(status, value, x, (lam, nu, lam_lb, lam_ub)) from clarabel."""
        n = self.lb.size
        x = cp.Variable(n)
        f = [cp.sum_squares(F @ x) / 2 + q @ x + r for F, q, r in self.quadratics]
        rows = [g <= 0 for g in f[1:]]
        # cvxpy before 1.8 takes no constraint without rows.
        linear = self.G @ x <= self.h if self.h.size else None
        equal = self.A @ x == self.b if self.b.size else None
        low, high = np.flatnonzero(np.isfinite(self.lb)), np.flatnonzero(np.isfinite(self.ub))
        above = x[low] >= self.lb[low] if low.size else None
        below = x[high] <= self.ub[high] if high.size else None
        some = [c for c in (linear, equal, above, below) if c is not None]
        source = cp.Problem(cp.Minimize(f[0]), rows + some)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "Solution may be inaccurate": the caller judges
            try:
                source.solve(**CLARABEL)
            except cp.SolverError:
                return "solver_error", np.nan, None, None
        if x.value is None:
            return source.status, source.value, None, None

        def duals(constraints):
            return np.concatenate([np.zeros(0)] + [np.ravel(c.dual_value) for c in constraints if c is not None])

        lam_lb, lam_ub = np.zeros(n), np.zeros(n)
        lam_lb[low], lam_ub[high] = duals([above]), duals([below])
        return source.status, source.value, x.value, (duals([*rows, linear]), duals([equal]), lam_lb, lam_ub)


def scale(rng):
    return 10.0 ** rng.uniform(-1, 1)


def factor(rng, rank, n):
    return scale(rng) * rng.normal(size=(rank, n)) / np.sqrt(n)


def curved_row(rng, n, x, slack, F):
    """A quadratic with factor F that is -slack at x, times a random scale."""
    q = rng.normal(size=n) * scale(rng)
    weight = scale(rng)
    value = 0.5 * np.sum((F @ x) ** 2) + q @ x
    return np.sqrt(weight) * F, weight * q, -weight * (value + slack)


def ball(n, centre, radius, weight=1.0):
    """weight·½(‖x - centre‖² - radius²)."""
    return np.sqrt(weight) * np.eye(n), -weight * centre, 0.5 * weight * (centre @ centre - radius**2)


@st.composite
def shapes(draw):
    """(rng, n, rows of G, rows of A, which bounds, ranks of the objective and up to four quadratic rows)."""
    n = draw(st.integers(1, 6))
    m = draw(st.integers(0, 4))
    rows = draw(st.integers(0, 3))
    equalities = draw(st.integers(0, n - 1))
    bounded = draw(st.lists(st.sampled_from(["none", "lower", "upper", "both"]), min_size=n, max_size=n))
    ranks = draw(st.lists(st.integers(1, n), min_size=m + 1, max_size=m + 1))
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))), n, rows, equalities, bounded, ranks


def around(rng, x, bounded):
    """Bounds with x strictly inside."""
    lb = np.where([b in ("lower", "both") for b in bounded], x - rng.uniform(0.1, 2, x.size), -np.inf)
    ub = np.where([b in ("upper", "both") for b in bounded], x + rng.uniform(0.1, 2, x.size), np.inf)
    return lb, ub


@st.composite
def feasible_problems(draw):
    """A known interior point, and a full-rank objective, a ball or a box to keep the optimum finite."""
    rng, n, rows, equalities, bounded, ranks = draw(shapes())
    kept = draw(st.sampled_from(["objective", "ball", "box"]))
    x = rng.normal(size=n)
    F0 = factor(rng, ranks[0], n)
    if kept == "objective":
        F0 = np.vstack([F0, 0.5 * scale(rng) * np.eye(n)])
    if kept == "box":
        bounded = ["both"] * n
    quadratics = [(F0, rng.normal(size=n) * scale(rng), rng.normal())]
    quadratics += [curved_row(rng, n, x, rng.uniform(0.1, 1), factor(rng, rank, n)) for rank in ranks[1:]]
    if kept == "ball":
        quadratics.append(ball(n, x + 0.1 * rng.normal(size=n), rng.uniform(1, 3), scale(rng)))
    G, A = rng.normal(size=(rows, n)) * scale(rng), rng.normal(size=(equalities, n)) * scale(rng)
    lb, ub = around(rng, x, bounded)
    return Problem(quadratics, G, G @ x + rng.uniform(0.1, 1, rows), A, A @ x, lb, ub, f"kept finite by its {kept}")


@st.composite
def infeasible_problems(draw):
    """Rows that any point satisfies with room, and two that contradict each other by a margin."""
    rng, n, rows, _, bounded, ranks = draw(shapes())
    kind = draw(st.sampled_from(["two balls", "ball and halfspace", "equalities", "bounds and row",
                                 "ellipsoid and row"]))
    x = rng.normal(size=n)
    quadratics = [(factor(rng, rank, n), rng.normal(size=n), 0.0) for rank in ranks[:1]]
    quadratics += [curved_row(rng, n, x, rng.uniform(0.1, 1), factor(rng, rank, n)) for rank in ranks[1:]]
    G, A = rng.normal(size=(rows, n)), np.zeros((0, n))
    h, b = G @ x + rng.uniform(0.1, 1, rows), np.zeros(0)
    lb, ub = around(rng, x, bounded)
    gap = rng.uniform(0.2, 2)
    a = rng.normal(size=n)
    a /= np.linalg.norm(a)
    radius = rng.uniform(0.5, 2)
    if kind == "two balls":
        other = rng.uniform(0.5, 2)
        quadratics += [ball(n, x, radius, scale(rng)), ball(n, x + (radius + other + gap) * a, other, scale(rng))]
    elif kind == "ball and halfspace":
        quadratics.append(ball(n, x, radius, scale(rng)))
        G, h = np.vstack([G, -a]), np.append(h, -(a @ x + radius + gap))
    elif kind == "ellipsoid and row":
        # max aᵀ(y - x) over ½‖F(y - x)‖² ≤ ½radius² is radius·√(aᵀ(FᵀF)⁻¹a).
        F = factor(rng, n, n) + scale(rng) * np.eye(n)
        F = F if np.linalg.cond(F) < 100 else np.eye(n)
        reach = radius * np.sqrt(a @ np.linalg.solve(F.T @ F, a))
        quadratics.append((F, -F.T @ F @ x, 0.5 * np.sum((F @ x) ** 2) - 0.5 * radius**2))
        G, h = np.vstack([G, -a]), np.append(h, -(a @ x + reach + gap))
    elif kind == "equalities":
        A, b = np.array([a, -2.0 * a]), np.array([a @ x, -2.0 * (a @ x) + gap])
    else:
        lb, ub = x - rng.uniform(0.1, 1, n), x + rng.uniform(0.1, 1, n)
        highest = np.where(a > 0, a * ub, a * lb).sum()
        G, h = np.vstack([G, -a]), np.append(h, -(highest + gap))
    return Problem(quadratics, G, h, A, b, lb, ub, kind)


@st.composite
def unbounded_problems(draw):
    """A feasible point and a direction d in which nothing stops the objective."""
    rng, n, rows, equalities, bounded, ranks = draw(shapes())
    x, d = rng.normal(size=n), rng.integers(-2, 3, size=n).astype(float)
    if not d.any():
        d[0] = 1.0

    def flat(count):
        """Rows orthogonal to d exactly, and FᵀF with them: small integers times a power of two."""
        M = rng.integers(-3, 4, size=(count, n)).astype(float)
        return (M * (d @ d) - np.outer(M @ d, d)) * 2.0 ** rng.integers(-6, -1)

    def falling(v):
        return v - (v @ d + rng.uniform(0.1, 1)) * d / (d @ d)

    quadratics = [(flat(ranks[0]), falling(rng.normal(size=n)), 0.0)]
    for rank in ranks[1:]:
        F, q = flat(rank), falling(rng.normal(size=n))
        quadratics.append((F, q, -(0.5 * np.sum((F @ x) ** 2) + q @ x) - rng.uniform(0.1, 1)))
    G = np.array([falling(row) for row in rng.normal(size=(rows, n))]).reshape(rows, n)
    A = flat(equalities)
    lb, ub = around(rng, x, bounded)
    lb[d < 0], ub[d > 0] = -np.inf, np.inf
    return Problem(quadratics, G, G @ x + rng.uniform(0.1, 1, rows), A, A @ x, lb, ub, "falls along d",
                   {"x": x, "d": d / np.abs(d).max()})


@dataclass
class Tally:
    """How many comparisons were made, how many skipped, and the largest disagreement of each kind."""

    cases: int = 0
    skipped: int = 0
    undecided: list = field(default_factory=list)
    worst: dict = field(default_factory=dict)

    def compare(self, name, ours, theirs, size, tolerance):
        difference = float(np.max(np.abs(np.subtract(ours, theirs)), initial=0.0)) / size
        self.worst[name] = max(self.worst.get(name, 0.0), difference)
        assert difference <= tolerance, f"{name}: ours {ours}, cvxpy's {theirs}, relative difference {difference:.1e}"


def multipliers_are_unique(native, solution):
    """Whether gradients of the active rows are clearly independent, and every row clearly active or not."""
    x = solution.x
    values = np.concatenate([native.inequality_values(x), native.lb - x, x - native.ub])
    gradients = np.vstack([np.array([f.gradient(x) for f in native.inequalities]).reshape(-1, native.n), native.G,
                           -np.eye(native.n), np.eye(native.n)])
    norms = np.maximum(np.linalg.norm(gradients, axis=1), 1e-300)
    weights = np.concatenate([solution.lam, solution.lam_lb, solution.lam_ub]) * norms
    weights /= max(1.0, np.linalg.norm(native.objective.gradient(x)))
    active = values / norms > -MARGIN
    if (weights[active] < MARGIN).any():
        return False
    rows = gradients[active] / norms[active, None]
    if native.p:
        rows = np.vstack([rows, native.A / np.linalg.norm(native.A, axis=1)[:, None]])
    return not len(rows) or (len(rows) <= native.n and np.linalg.svd(rows, compute_uv=False)[-1] > MARGIN)


def strongly_convex(f):
    eigenvalues = np.linalg.eigvalsh(f.hessian())
    return eigenvalues[0] > MARGIN * max(1.0, eigenvalues[-1])


def solved(tally, native, expected):
    """Our solution, with its evidence checked; None, and counted, if it makes no claim. A false claim fails."""
    tally.cases += 1
    solution = ck.solve(native)
    if solution.status.value not in ("optimal", "infeasible", "unbounded"):
        tally.undecided.append((solution.status.value, native))
        return None
    assert solution.status == expected, solution.message
    if expected != "optimal":
        assert solution.certificate.verify(native)
        assert solution.value == (np.inf if expected == "infeasible" else -np.inf)
        return solution
    multipliers = (solution.lam, solution.nu, solution.lam_lb, solution.lam_ub)
    assert ck.kkt_residuals(native, solution.x, *multipliers).max() <= KKT_TOLERANCE
    return solution


@functools.cache
def feasible_family():
    tally = Tally()

    @PROFILE
    @given(feasible_problems())
    def check(case):
        native = case.native()
        solution = solved(tally, native, "optimal")
        status, value, x, duals = case.through_cvxpy()
        assert status not in ("infeasible", "unbounded"), "the construction is wrong"
        if solution is None:
            return
        if x is None or ck.kkt_residuals(native, x, *duals).max() > BELIEVED:
            tally.skipped += 1
            return
        tally.compare("value", solution.value, value, max(1.0, abs(value)), VALUE_TOLERANCE)
        if strongly_convex(native.objective):
            tally.compare("x", solution.x, x, max(1.0, np.abs(x).max()), POINT_TOLERANCE)
        every = np.concatenate(duals)
        if multipliers_are_unique(native, solution):
            tally.compare("multipliers", np.concatenate([solution.lam, solution.nu, solution.lam_lb, solution.lam_ub]),
                          every, max(1.0, np.abs(every).max(initial=0.0)), MULTIPLIER_TOLERANCE)
        else:
            theirs = ck.kkt_residuals(native, x, *duals).dual_value
            tally.compare("dual value", solution.dual_value, theirs, max(1.0, abs(theirs)), 10 * VALUE_TOLERANCE)

    check()
    return tally


@functools.cache
def infeasible_family():
    tally = Tally()

    @PROFILE
    @given(infeasible_problems())
    def check(case):
        solved(tally, case.native(), "infeasible")
        status = case.through_cvxpy()[0]
        assert status not in ("optimal", "unbounded"), "the construction is wrong"
        tally.skipped += status != "infeasible"

    check()
    return tally


@functools.cache
def unbounded_family():
    tally = Tally()

    @PROFILE
    @given(unbounded_problems())
    def check(case):
        native = case.native()
        # The problem is what it was made to be.
        assert ck.UnboundednessCertificate(case.proof["x"], case.proof["d"]).verify(native)
        solved(tally, native, "unbounded")
        status = case.through_cvxpy()[0]
        assert status not in ("optimal", "infeasible"), "the construction is wrong"
        tally.skipped += status != "unbounded"

    check()
    return tally


def test_feasible_problems_have_cvxpys_value_point_and_multipliers():
    tally = feasible_family()
    assert tally.cases
    assert not tally.undecided
    assert tally.skipped <= MOST_SKIPPED * tally.cases
    # Each kind of comparison took place.
    assert set(tally.worst) == {"value", "x", "multipliers", "dual value"}


def test_a_verdict_of_infeasible_has_a_proof_and_cvxpy_agrees():
    tally = infeasible_family()
    assert tally.cases
    assert tally.skipped <= MOST_SKIPPED * tally.cases


def test_a_verdict_of_unbounded_has_a_proof_and_cvxpy_agrees():
    tally = unbounded_family()
    assert tally.cases
    assert tally.skipped <= MOST_SKIPPED_UNBOUNDED * tally.cases


@pytest.mark.parametrize("family", [infeasible_family, unbounded_family])
def test_every_problem_is_decided(family):
    tally = family()
    statuses = sorted(status for status, _ in tally.undecided)
    assert not tally.undecided, f"{len(statuses)} of {tally.cases} without a verdict: {statuses}"
