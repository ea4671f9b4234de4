"""Problems named for their property, with the answer in closed form where there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

import convexkit as ck

INF = np.inf
PORTFOLIO = Path(__file__).resolve().parents[1] / "examples" / "portfolio"


@dataclass(frozen=True, eq=False)
class Case:
    """A problem and what is known of its answer; `status` holds every status that would be true.

    `value` and `x` are None where there is no closed form, `x` also where the minimiser is not unique.
    """

    name: str
    problem: ck.QCQP
    status: tuple[str, ...] = ("optimal",)
    value: float | None = None
    x: np.ndarray | None = None


CASES: dict[str, Callable[[], Case]] = {}


def case(make: Callable[[], Case]) -> Callable[[], Case]:
    """Put a function that returns a Case into the gallery."""
    CASES[make.__name__] = make
    return make


def disc(centre, radius=1.0) -> ck.Quadratic:
    """‖x - centre‖² ≤ radius²."""
    centre = np.asarray(centre, dtype=float)
    return ck.Quadratic(2.0 * np.eye(centre.size), -2.0 * centre, centre @ centre - radius**2)


# ---------------------------------------------------------------- optimal, from the book


@case
def single_variable() -> Case:
    """Boyd 5.1: minimise x² + 1 where (x - 2)(x - 4) ≤ 0; lam = 2."""
    return Case("single_variable", ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0)]),
                value=5.0, x=np.array([2.0]))


@case
def least_norm() -> Case:
    """Boyd 5.1.3: minimise xᵀx where Ax = b; p* = bᵀ(AAᵀ)⁻¹b."""
    A, b = np.array([[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 1.0, -1.0]]), np.array([3.0, 1.0])
    y = np.linalg.solve(A @ A.T, b)
    return Case("least_norm", ck.qp(2.0 * np.eye(4), np.zeros(4), A=A, b=b), value=float(b @ y), x=A.T @ y)


@case
def lp_two_rows() -> Case:
    """Boyd 5.1.5: -35 at (5, 5) with prices (2, 1)."""
    return Case("lp_two_rows", ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 15.0], lb=0.0),
                value=-35.0, x=np.array([5.0, 5.0]))


@case
def diet() -> Case:
    """The cheapest diet: the floors on nutrients 1 and 3 bind, foods 1 and 2 are bought (Boyd 4.3.1)."""
    cost = np.array([3.0, 3.5, 4.0, 2.0, 5.0])
    food = np.array([[4.0, 8, 7, 1.3, 8], [9, 11, 10, 3, 4], [30, 5, 9, 20, 17]])
    floor = np.array([24.0, 40.0, 90.0])
    x = np.zeros(5)
    x[:2] = np.linalg.solve(food[[0, 2]][:, :2], floor[[0, 2]])
    return Case("diet", ck.lp(cost, G=-food, h=-floor, lb=0.0), value=float(cost @ x), x=x)


@case
def box_qp() -> Case:
    """Boyd exercise 4.3: x = (1, ½, -1)."""
    P = np.array([[13.0, 12.0, -2.0], [12.0, 17.0, 6.0], [-2.0, 6.0, 12.0]])
    return Case("box_qp", ck.qp(P, [-22.0, -14.5, 13.0], lb=-1.0, ub=1.0, r=1.0), value=-21.625,
                x=np.array([1.0, 0.5, -1.0]))


@case
def ellipsoid_linear() -> Case:
    """Boyd exercise 4.21(a): cᵀx where xᵀAx ≤ 1; -√(cᵀA⁻¹c) at -A⁻¹c/√(cᵀA⁻¹c)."""
    A, c = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]]), np.array([1.0, -2.0, 3.0])
    y = np.linalg.solve(A, c)
    root = float(np.sqrt(c @ y))
    return Case("ellipsoid_linear", ck.QCQP(ck.Quadratic(None, c), [ck.Quadratic(2.0 * A, np.zeros(3), -1.0)]),
                value=-root, x=-y / root)


@case
def ball_qp() -> Case:
    """Boyd exercise 4.22, with q chosen so that x = -(P + 2I)⁻¹q = (2, -2, 1)/3 has length one and lam = 1."""
    P = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
    x = np.array([2.0, -2.0, 1.0]) / 3.0
    q = -(P + 2.0 * np.eye(3)) @ x
    return Case("ball_qp", ck.QCQP(ck.Quadratic(P, q, 0.5), [disc(np.zeros(3))]),
                value=float(0.5 * x @ P @ x + q @ x + 0.5), x=x)


@case
def ball_qp_with_interior_minimum() -> Case:
    """Boyd exercise 4.22 with a small q: the ball does not matter."""
    P, q = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]]), np.array([0.2, -0.3, 0.1])
    x = -np.linalg.solve(P, q)
    return Case("ball_qp_with_interior_minimum", ck.QCQP(ck.Quadratic(P, q, 0.5), [disc(np.zeros(3))]),
                value=float(0.5 * q @ x + 0.5), x=x)


def markowitz_data() -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of four assets, the last without risk."""
    covariance = np.array([[0.0064, 0.0008, -0.0011, 0.0], [0.0008, 0.0025, 0.0, 0.0], [-0.0011, 0.0, 0.0004, 0.0],
                           [0.0, 0.0, 0.0, 0.0]])
    return np.array([0.12, 0.10, 0.07, 0.03]), covariance


@case
def markowitz() -> Case:
    """Boyd 4.4.1: least variance for a return of 10 %; three assets are held, and their KKT system gives them."""
    mean, S = markowitz_data()
    held, k = slice(0, 3), 3
    K = np.zeros((k + 2, k + 2))
    K[:k, :k] = 2.0 * S[held, held]
    K[:k, k], K[:k, k + 1] = 1.0, mean[held]
    K[k, :k], K[k + 1, :k] = 1.0, mean[held]
    x = np.append(np.linalg.solve(K, [0.0, 0.0, 0.0, 1.0, 0.10])[:k], 0.0)
    return Case("markowitz", ck.qp(2.0 * S, np.zeros(4), G=-mean[None], h=[-0.10], A=np.ones((1, 4)), b=[1.0], lb=0.0),
                value=float(x @ S @ x), x=x)


@case
def markowitz_variance_cap() -> Case:
    """Boyd 4.4.2 turned round: most return for the variance of `markowitz`, which is 10 %."""
    mean, S = markowitz_data()
    other = markowitz()
    return Case("markowitz_variance_cap",
                ck.QCQP(ck.Quadratic(None, -mean), [ck.Quadratic(2.0 * S, np.zeros(4), -other.value)],
                        A=np.ones((1, 4)), b=[1.0], lb=0.0), value=-0.10, x=other.x)


@case
def equality_qp() -> Case:
    """Boyd 5.5.3: the KKT system of an equality-constrained QP."""
    P = np.array([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [1.0, 0.0, 4.0]])
    q = np.array([1.0, -2.0, 0.0])
    K = np.block([[P, np.ones((3, 1))], [np.ones((1, 3)), np.zeros((1, 1))]])
    x = np.linalg.solve(K, np.append(-q, 2.0))[:3]
    return Case("equality_qp", ck.qp(P, q, A=np.ones((1, 3)), b=[2.0]), value=float(0.5 * x @ P @ x + q @ x), x=x)


@case
def degenerate_optimal_face() -> Case:
    """Additional exercise 4.37: x₁² where x₁ ≤ -1 and ‖x‖² ≤ 2; every |x₂| ≤ 1 is optimal."""
    return Case("degenerate_optimal_face",
                ck.QCQP(ck.Quadratic(np.diag([2.0, 0.0])), [disc([0.0, 0.0], np.sqrt(2.0))], G=[[1.0, 0.0]], h=[-1.0]),
                value=1.0)


# ---------------------------------------------------------------- optimal, odd shapes


@case
def no_constraints() -> Case:
    return Case("no_constraints", ck.QCQP(ck.Quadratic(np.diag([1.0, 4.0]), [-1.0, 2.0], 3.0)), value=2.0,
                x=np.array([1.0, -0.5]))


@case
def nothing_at_all() -> Case:
    """Zero objective, no constraints: every point is optimal."""
    return Case("nothing_at_all", ck.QCQP(ck.Quadratic(None, np.zeros(3), 2.0)), value=2.0)


@case
def only_bounds() -> Case:
    return Case("only_bounds", ck.lp([1.0, -1.0, 0.0], lb=[-1.0, -5.0, 0.0], ub=[1.0, 2.0, 0.0]), value=-3.0,
                x=np.array([-1.0, 2.0, 0.0]))


@case
def one_variable_at_its_bound() -> Case:
    return Case("one_variable_at_its_bound", ck.lp([-2.0], ub=3.0), value=-6.0, x=np.array([3.0]))


@case
def one_variable_between_zero_and_one() -> Case:
    """The optimum is x = 0: nothing but the other bound says what is small."""
    return Case("one_variable_between_zero_and_one", ck.lp([2.0], lb=0.0, ub=1.0), value=0.0, x=np.zeros(1))


@case
def one_variable_fixed_by_an_equality() -> Case:
    return Case("one_variable_fixed_by_an_equality", ck.lp([1.0], A=[[2.0]], b=[4.0]), value=2.0, x=np.array([2.0]))


@case
def fixed_variables() -> Case:
    """x₁ = 1 and x₃ = -2 by their bounds, the rest follows."""
    return Case("fixed_variables", ck.qp(np.eye(3), [0.0, 1.0, 5.0], lb=[1.0, -INF, -2.0], ub=[1.0, INF, -2.0]),
                value=0.5 - 0.5 + 2.0 - 10.0, x=np.array([1.0, -1.0, -2.0]))


@case
def all_variables_fixed() -> Case:
    return Case("all_variables_fixed", ck.lp([1.0, -1.0, 2.0], lb=[1.0, 2.0, 0.0], ub=[1.0, 2.0, 0.0]), value=-1.0,
                x=np.array([1.0, 2.0, 0.0]))


@case
def nearly_fixed_variables() -> Case:
    return Case("nearly_fixed_variables", ck.lp([1.0, 1.0], lb=1.0, ub=1.0 + 1e-12), value=2.0, x=np.ones(2))


@case
def free_columns() -> Case:
    """x₂ and x₃ appear in no row and no objective."""
    return Case("free_columns", ck.QCQP(ck.Quadratic(np.diag([1.0, 0.0, 0.0]), [-3.0, 0.0, 0.0]),
                                        [ck.Quadratic(np.diag([2.0, 0.0, 0.0]), np.zeros(3), -4.0)]),
                value=-4.0)


@case
def zero_objective() -> Case:
    """Any feasible point: the constant is the value."""
    return Case("zero_objective", ck.QCQP(ck.Quadratic(None, [0.0, 0.0], 5.0), [disc([3.0, 0.0])]), value=5.0)


@case
def duplicate_constraints() -> Case:
    """A disc four times and a row three times: multipliers are not unique, the point is."""
    return Case("duplicate_constraints", ck.QCQP(ck.Quadratic(None, [3.0, 4.0]), [disc([0.0, 0.0])] * 4,
                                                 G=[[1.0, 0.0]] * 3, h=[1.0] * 3), value=-5.0, x=np.array([-0.6, -0.8]))


@case
def redundant_equalities() -> Case:
    """One equality twice and a row of zeros; the projection of (-1, -2, -3) on Σx = 1."""
    x = np.array([-1.0, -2.0, -3.0]) + 7.0 / 3.0
    return Case("redundant_equalities", ck.qp(np.eye(3), [1.0, 2.0, 3.0], A=[[1, 1, 1], [2, 2, 2], [0, 0, 0]],
                                              b=[1.0, 2.0, 0.0]), value=float(0.5 * x @ x + x @ [1.0, 2.0, 3.0]), x=x)


@case
def more_equalities_than_variables() -> Case:
    """Five consistent equations in three unknowns leave one point."""
    A = np.random.default_rng(5).standard_normal((5, 3))
    x = np.array([1.0, -2.0, 3.0])
    return Case("more_equalities_than_variables", ck.qp(np.eye(3), np.ones(3), A=A, b=A @ x), value=9.0, x=x)


@case
def square_equalities() -> Case:
    A = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, -1.0], [1.0, 0.0, 3.0]])
    x = np.array([1.0, 2.0, -1.0])
    return Case("square_equalities", ck.lp([1.0, 1.0, 1.0], A=A, b=A @ x), value=2.0, x=x)


@case
def wide_equalities() -> Case:
    """Three equations in forty unknowns; the least-norm solution is Aᵀ(AAᵀ)⁻¹b."""
    A = np.random.default_rng(8).standard_normal((3, 40))
    b = np.array([1.0, -2.0, 3.0])
    y = np.linalg.solve(A @ A.T, b)
    return Case("wide_equalities", ck.qp(np.eye(40), np.zeros(40), A=A, b=b), value=float(0.5 * b @ y), x=A.T @ y)


@case
def switched_off_rows() -> Case:
    """Rows with h = +inf among rows that bind."""
    return Case("switched_off_rows", ck.qp(np.eye(2), [-3.0, -4.0], G=[[1.0, 0.0], [5.0, 5.0], [0.0, 1.0]],
                                           h=[1.0, INF, 2.0]), value=0.5 + 2.0 - 3.0 - 8.0, x=np.array([1.0, 2.0]))


@case
def all_rows_switched_off() -> Case:
    return Case("all_rows_switched_off", ck.qp(np.eye(2), [1.0, 1.0], G=np.eye(2), h=[INF, INF]), value=-1.0,
                x=-np.ones(2))


@case
def row_of_zeros() -> Case:
    """0ᵀx ≤ 0 and 0ᵀx ≤ 3 say nothing."""
    return Case("row_of_zeros", ck.qp(np.eye(2), [1.0, 2.0], G=np.zeros((2, 2)), h=[0.0, 3.0]), value=-2.5,
                x=np.array([-1.0, -2.0]))


@case
def zero_quadratic() -> Case:
    """A quadratic inequality whose P is zero is a linear row; one between curved rows keeps its place in lam."""
    rows = [disc([0.0, 0.0], 10.0), ck.Quadratic(np.zeros((2, 2)), [1.0, 1.0], -1.0), disc([0.0, 0.0], 20.0)]
    return Case("zero_quadratic", ck.QCQP(ck.Quadratic(np.eye(2), [-2.0, -2.0]), rows), value=-1.75,
                x=np.array([0.5, 0.5]))


@case
def rank_deficient_P() -> Case:
    """½‖Fx - y‖² with ‖Fx‖² ≤ 1: the point Fx = y/‖y‖ is unique, x is not."""
    F = np.random.default_rng(3).standard_normal((2, 6))
    y = np.array([3.0, 4.0])
    return Case("rank_deficient_P",
                ck.QCQP(ck.Quadratic(F.T @ F, -F.T @ y, 12.5), [ck.Quadratic(2.0 * F.T @ F, np.zeros(6), -1.0)],
                        lb=-10.0, ub=10.0), value=8.0)


@case
def every_structure_of_P() -> Case:
    """Sparse, factored, operator and dense P in one problem, each the unit ball or the identity."""
    eye = np.eye(3)
    rows = [ck.Quadratic(sp.csr_matrix(2.0 * eye), np.zeros(3), -1.0), ck.Quadratic.from_factor(eye, r=-3.0),
            ck.Quadratic(lambda v: 2.0 * v, np.zeros(3), -4.0)]
    c = np.array([-2.0, 2.0, -1.0])
    return Case("every_structure_of_P", ck.QCQP(ck.Quadratic(eye, c), rows), value=0.5 - 3.0, x=-c / 3.0)


@case
def sparse_rows() -> Case:
    return Case("sparse_rows", ck.lp([-4.0, -3.0], G=sp.csr_matrix([[1.0, 1.0], [2.0, 1.0]]), h=[10.0, 15.0],
                                     A=sp.csr_matrix((1, 2)), b=[0.0], lb=0.0), value=-35.0, x=np.array([5.0, 5.0]))


@case
def spd_ill_conditioned() -> Case:
    """Condition 1e8, minimiser inside the ball."""
    P = np.diag(np.logspace(-4, 4, 9))
    x = np.full(9, 0.1)
    return Case("spd_ill_conditioned", ck.QCQP(ck.Quadratic(P, -P @ x), [disc(np.zeros(9))]),
                value=float(-0.5 * x @ P @ x))


@case
def badly_scaled_rows() -> Case:
    """`box_qp` cut by a row that binds, rows scaled by 1e±6: the answer is that of the rows as they were."""
    G = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    h = np.array([1.0, 5.0, 5.0])
    scale = np.array([1e6, 1e-6, 1.0])
    ball = disc(np.zeros(3), 10.0)
    return Case("badly_scaled_rows",
                ck.QCQP(ck.Quadratic(np.eye(3), [-1.0, -2.0, 0.0]),
                        [ck.Quadratic(1e-6 * ball.P, 1e-6 * ball.q, 1e-6 * ball.r)], G=G * scale[:, None], h=h * scale,
                        A=[[0.0, 0.0, 1e-6]], b=[0.0]), value=-1.5, x=np.array([0.0, 1.0, 0.0]))


@case
def badly_scaled_variables() -> Case:
    """`ellipsoid_linear` in units of 1e±3."""
    unit = np.array([1e3, 1.0, 1e-3])
    other = ellipsoid_linear()
    f0, f1 = other.problem.objective, other.problem.inequalities[0]
    return Case("badly_scaled_variables",
                ck.QCQP(ck.Quadratic(None, f0.q * unit), [ck.Quadratic(f1.P * np.outer(unit, unit), f1.q, f1.r)]),
                value=other.value, x=other.x / unit)


@case
def large_bounds() -> Case:
    return Case("large_bounds", ck.lp([1.0, 1.0], lb=-1e9, ub=1e9), value=-2e9, x=np.full(2, -1e9))


@case
def nearly_touching_discs() -> Case:
    """Discs that overlap by 2e-3: the nearest point to (0, 5) is the upper corner of the lens."""
    a = 1.0 - 1e-3
    x = np.array([0.0, np.sqrt(1.0 - a * a)])
    return Case("nearly_touching_discs", ck.QCQP(ck.Quadratic(2.0 * np.eye(2), [0.0, -10.0], 25.0),
                                                 [disc([a, 0.0]), disc([-a, 0.0])]),
                value=float((x[1] - 5.0) ** 2), x=x)


@case
def small_random_qcqp() -> Case:
    return Case("small_random_qcqp", random_qcqp(8, 3, np.random.default_rng(83)))


@case
def medium_random_qcqp() -> Case:
    return Case("medium_random_qcqp", random_qcqp(40, 6, np.random.default_rng(406)))


@case
def portfolio_frontier_point() -> Case:
    """Most return of 31 assets for a published variance."""
    mean, covariance, frontier = load_port1()
    return Case("portfolio_frontier_point", frontier_problem(mean, covariance, frontier[1000, 1]),
                value=-float(frontier[1000, 0]))


# ---------------------------------------------------------------- no Slater point

TRUE_OF_SOME_POINT = ("optimal", "optimal_inaccurate", "iteration_limit", "numerical_error")


@case
def touching_discs() -> Case:
    """Boyd exercise 5.26: one feasible point, (1, 0), and no multipliers."""
    return Case("touching_discs", ck.QCQP(ck.Quadratic(2.0 * np.eye(2)), [disc([1.0, 1.0]), disc([1.0, -1.0])]),
                ("optimal", "optimal_inaccurate"))


@case
def feasible_set_is_a_point() -> Case:
    """x₁ where xᵀx ≤ 0: x = 0, and no multipliers."""
    return Case("feasible_set_is_a_point", ck.QCQP(ck.Quadratic(None, [1.0, 0.0, 0.0]), [ck.Quadratic(2 * np.eye(3))]),
                TRUE_OF_SOME_POINT)


@case
def feasible_set_is_a_line() -> Case:
    """x₁ where x₁² ≤ 0, -x₁ ≤ 1: convex, p* = 0 and d* = -1 (the gap of additional exercise 5.32, as a QCQP)."""
    return Case("feasible_set_is_a_line", ck.QCQP(ck.Quadratic(None, [1.0, 0.0]), [ck.Quadratic(np.diag([2.0, 0.0]))],
                                                  G=[[-1.0, 0.0]], h=[1.0]), TRUE_OF_SOME_POINT)


@case
def unbounded_optimal_set() -> Case:
    """x₂² where x ≥ 0: optimal on a ray, which has no analytic centre."""
    return Case("unbounded_optimal_set", ck.QCQP(ck.Quadratic(np.diag([0.0, 2.0])), lb=0.0), value=0.0)


# ---------------------------------------------------------------- infeasible


@case
def infeasible_pair() -> Case:
    """Two halfspaces that do not meet."""
    return Case("infeasible_pair", ck.lp([1.0, 1.0], G=[[1.0, 2.0], [-1.0, -2.0]], h=[1.0, -2.0]), ("infeasible",))


@case
def disjoint_discs() -> Case:
    return Case("disjoint_discs", ck.QCQP(ck.Quadratic(2.0 * np.eye(2)), [disc([0.0, 0.0]), disc([4.0, 3.0], 2.0)]),
                ("infeasible",))


@case
def nearly_disjoint_discs() -> Case:
    """Disjoint by 1e-3."""
    return Case("nearly_disjoint_discs", ck.QCQP(ck.Quadratic(2.0 * np.eye(2)), [disc([0, 0]), disc([2.001, 0])]),
                ("infeasible",))


@case
def barely_infeasible() -> Case:
    """x₁ ≤ 1 and x₁ ≥ 1 + 1e-6: a proof, or a point that is off by no more than it says."""
    return Case("barely_infeasible", ck.lp([1.0, 0.0], G=[[1.0, 0.0], [-1.0, 0.0]], h=[1.0, -1.0 - 1e-6], lb=-5, ub=5),
                ("infeasible", "optimal_inaccurate", "numerical_error"))


@case
def both_infeasible() -> Case:
    """Boyd exercise 5.23: minimise x where 0·x ≤ -1, x ≤ 1; primal and dual are infeasible, and the primal's word
    comes first."""
    return Case("both_infeasible", ck.lp([1.0], G=[[0.0], [1.0]], h=[-1.0, 1.0]), ("infeasible",))


@case
def falling_but_infeasible() -> Case:
    """A direction of descent without a feasible point to start from."""
    return Case("falling_but_infeasible", ck.lp([-1.0, 0.0], G=[[0.0, 1.0], [0.0, -1.0]], h=[0.0, -1.0]),
                ("infeasible",))


@case
def contradictory_equalities() -> Case:
    return Case("contradictory_equalities", ck.qp(np.eye(3), np.ones(3), A=[[1, 1, 1], [2, 2, 2]], b=[1.0, 3.0]),
                ("infeasible",))


@case
def parallel_equalities_along_a_ray() -> Case:
    """-x₁ + 2x₂ = 0 and = -2, with a descent direction along both: far out, they differ by rounding."""
    return Case("parallel_equalities_along_a_ray", ck.lp([3.0, 0.0], A=[[-1.0, 2.0], [-1.0, 2.0]], b=[0.0, -2.0],
                                                         ub=[INF, 1.0]), ("infeasible", "numerical_error"))


@case
def impossible_row_of_zeros() -> Case:
    return Case("impossible_row_of_zeros", ck.qp(np.eye(2), [1.0, 1.0], A=[[0.0, 0.0]], b=[1.0]), ("infeasible",))


@case
def impossible_zero_quadratic() -> Case:
    return Case("impossible_zero_quadratic", ck.QCQP(ck.Quadratic(np.eye(2)), [ck.Quadratic(np.zeros((2, 2)), r=1.0)]),
                ("infeasible",))


@case
def bounds_against_a_row() -> Case:
    """Fixed variables whose sum is not what the equality wants."""
    return Case("bounds_against_a_row", ck.lp([1.0, -1.0], A=[[1.0, 1.0]], b=[7.0], lb=[1.0, 2.0], ub=[1.0, 2.0]),
                ("infeasible",))


@case
def ball_outside_the_box() -> Case:
    return Case("ball_outside_the_box", ck.QCQP(ck.Quadratic(None, [1.0, 1.0]), [disc([3.0, 3.0])], lb=-1.0, ub=1.0),
                ("infeasible",))


# ---------------------------------------------------------------- unbounded


@case
def unbounded_lp() -> Case:
    return Case("unbounded_lp", ck.lp([-1.0, -1.0], G=[[1.0, -1.0]], h=[1.0], lb=0.0), ("unbounded",))


@case
def unbounded_free_variable() -> Case:
    return Case("unbounded_free_variable", ck.lp([0.0, 1.0]), ("unbounded",))


@case
def unbounded_qp_flat_direction() -> Case:
    """½x₁² - x₂ where x₁ ≤ 5."""
    return Case("unbounded_qp_flat_direction", ck.qp(np.diag([1.0, 0.0]), [0.0, -1.0], G=[[1.0, 0.0]], h=[5.0]),
                ("unbounded",))


@case
def unbounded_qcqp() -> Case:
    """A cylinder, and the objective falls along its axis."""
    return Case("unbounded_qcqp", ck.QCQP(ck.Quadratic(None, [0.0, -1.0]),
                                          [ck.Quadratic(np.diag([2.0, 0.0]), np.zeros(2), -1.0)]), ("unbounded",))


@case
def unbounded_without_a_ray() -> Case:
    """-x₁ where x₁² ≤ x₂: every ray in the set has a constant objective, so no certificate of ours exists."""
    return Case("unbounded_without_a_ray", ck.QCQP(ck.Quadratic(None, [-1.0, 0.0]),
                                                   [ck.Quadratic(np.diag([2.0, 0.0]), [0.0, -1.0])]),
                ("unbounded", "iteration_limit", "numerical_error"))


@case
def transportation() -> Case:
    """Two sources, two sinks: the balance of the last is the sum of the others, so A has rank 3."""
    A = [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]]
    return Case("transportation", ck.lp([1.0, 2.0, 3.0, 5.0], A=A, b=[1.0, 1.0, 1.0, 1.0], lb=0.0), value=5.0,
                x=np.array([0.0, 1.0, 1.0, 0.0]))


@case
def optimum_at_the_origin() -> Case:
    """Every bound is zero and so is the answer: nothing but the bounds says how large x might be."""
    return Case("optimum_at_the_origin", ck.qp(np.eye(3), np.ones(3), lb=0.0), value=0.0, x=np.zeros(3))


@case
def lp_in_a_corner() -> Case:
    return Case("lp_in_a_corner", ck.lp([-1.0], G=[[1.0]], h=[0.0], lb=0.0), value=0.0, x=np.zeros(1))


@case
def unbounded_across_a_slab() -> Case:
    """A slab has two flat directions, and nothing else bounds the objective along them."""
    F = np.array([[3.0, 3.0, -1.0]])
    return Case("unbounded_across_a_slab", ck.QCQP(ck.Quadratic(None, [-3.0, 1.0, 1.0]),
                                                   [ck.Quadratic(F.T @ F, np.zeros(3), -1.0)]), ("unbounded",))


@case
def impossible_form_along_a_flat_direction() -> Case:
    """½(Fx)² + 0.3 ≤ 0: far out along the null space of F, rounding makes the computed form negative."""
    rng = np.random.default_rng(0)
    F, c, g = rng.normal(size=(1, 3)), rng.normal(size=3), rng.normal(size=3)
    return Case("impossible_form_along_a_flat_direction", ck.QCQP(
        ck.Quadratic(None, c), [ck.Quadratic(F.T @ F, np.zeros(3), 0.3), ck.Quadratic(None, g, -10.0)]),
        ("infeasible", "numerical_error", "iteration_limit"))


# ---------------------------------------------------------------- generators and data


def random_qcqp(n: int, m: int, rng: np.random.Generator, *, linear: int = 0, equalities: int = 0,
                bounds: bool = False) -> ck.QCQP:
    """A dense convex QCQP with x = 0 strictly feasible, so that strong duality holds."""
    def quadratic(r: float) -> ck.Quadratic:
        F = rng.standard_normal((n, n))
        return ck.Quadratic(F.T @ F / n, rng.standard_normal(n), r)

    objective = quadratic(0.0)
    rows = [quadratic(-float(rng.uniform(0.5, 2.0))) for _ in range(m)]
    G = rng.standard_normal((linear, n)) if linear else None
    h = rng.uniform(0.1, 1.0, linear) if linear else None
    A = rng.standard_normal((equalities, n)) if equalities else None
    b = np.zeros(equalities) if equalities else None
    box = {"lb": -rng.uniform(0.1, 1.0, n), "ub": rng.uniform(0.1, 1.0, n)} if bounds else {}
    return ck.QCQP(objective, rows, G=G, h=h, A=A, b=b, **box)


def load_port1() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (31,), covariance (31, 31) and published frontier (2000, 2), columns return and variance."""
    moments = np.loadtxt(PORTFOLIO / "port1_mean_sd.txt")
    mean, deviation = moments[:, 1], moments[:, 2]
    correlation = np.eye(mean.size)
    for i, j, value in np.loadtxt(PORTFOLIO / "port1_correlation.txt"):
        correlation[int(i) - 1, int(j) - 1] = correlation[int(j) - 1, int(i) - 1] = value
    return mean, correlation * np.outer(deviation, deviation), np.loadtxt(PORTFOLIO / "port1_frontier.txt")


def frontier_problem(mean: np.ndarray, covariance: np.ndarray, variance: float) -> ck.QCQP:
    """Most return, long only, fully invested, xᵀΣx ≤ variance."""
    n = mean.size
    return ck.QCQP(ck.Quadratic(None, -mean), [ck.Quadratic(2.0 * covariance, np.zeros(n), -float(variance))],
                   A=np.ones((1, n)), b=[1.0], lb=0.0)
