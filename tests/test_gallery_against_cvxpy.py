"""Every problem of the gallery beside cvxpy: same verdict, same value.

cvxpy is given factors of each P (an eigendecomposition), so that it does not take rounding for curvature, and its
value counts only if its own point passes `ck.kkt_residuals` on the original rows.
"""

from __future__ import annotations

import numpy as np
import pytest

import convexkit as ck
from tests.gallery import CASES

cp = pytest.importorskip("cvxpy")

USABLE = 1e-6
UNDECIDED = (ck.Status.ITERATION_LIMIT, ck.Status.TIME_LIMIT, ck.Status.NUMERICAL_ERROR)


def in_cvxpy(problem):
    """The problem as a cvxpy problem, quadratics as sums of squares."""
    x = cp.Variable(problem.n)

    def quadratic(f):
        expression = f.q @ x + f.r
        eigenvalues, vectors = np.linalg.eigh(f.hessian())
        kept = eigenvalues > 1e-13 * max(np.abs(eigenvalues).max(), 1e-300)
        if kept.any():
            factor = np.sqrt(eigenvalues[kept] / 2)[:, None] * vectors[:, kept].T
            expression = cp.sum_squares(factor @ x) + expression
        return expression

    def dense(matrix):
        return matrix.toarray() if hasattr(matrix, "toarray") else matrix

    constraints = [quadratic(f) <= 0 for f in problem.inequalities]
    finite = np.isfinite(problem.h)
    if finite.any():
        constraints.append(dense(problem.G)[finite] @ x <= problem.h[finite])
    if problem.p:
        constraints.append(dense(problem.A) @ x == problem.b)
    for bound, sign in ((problem.lb, 1.0), (problem.ub, -1.0)):
        finite = np.isfinite(bound)
        if finite.any():
            constraints.append(sign * x[finite] >= sign * bound[finite])
    return x, cp.Problem(cp.Minimize(quadratic(problem.objective)), constraints)


def answer_of_cvxpy(problem):
    """(status, value) from Clarabel, or None where it has no usable answer."""
    x, theirs = in_cvxpy(problem)
    try:
        theirs.solve(solver=cp.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    except cp.SolverError:
        return None
    if theirs.status in (cp.INFEASIBLE, cp.UNBOUNDED):
        return theirs.status, theirs.value
    # A point far from feasible on the rows as given is no oracle, whatever its status says.
    if theirs.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE) or x.value is None or \
            ck.kkt_residuals(problem, x.value).primal > USABLE:
        return None
    return cp.OPTIMAL, problem.objective(x.value)


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
def test_the_gallery_agrees_with_cvxpy(record_property):
    worst, compared, without_oracle = (0.0, ""), 0, []
    for name, make in CASES.items():
        problem = make().problem
        solution = ck.solve(problem)
        theirs = answer_of_cvxpy(problem)
        if solution.status in UNDECIDED:
            assert name == "unbounded_without_a_ray"
            continue
        if theirs is None or solution.status is ck.Status.OPTIMAL_INACCURATE:
            without_oracle.append(name)
            continue
        status, value = theirs
        if status == cp.UNBOUNDED and solution.status is ck.Status.INFEASIBLE:
            # Clarabel's "unbounded" proves a falling direction only; without a feasible point ours is the verdict.
            assert solution.certificate.verify(problem), name
            continue
        assert str(solution.status) == status, name
        compared += 1
        if solution.success:
            # As in the residuals: relative to the objective's terms, and to one unit of it at least.
            terms = np.abs(problem.objective.q) @ np.abs(solution.x)
            difference = abs(solution.value - value) / max(1.0, abs(value), float(terms))
            worst = max(worst, (difference, name))
    record_property("worst", worst)
    print(f"{compared} of {len(CASES)} compared; largest relative difference in value {worst[0]:.1e} ({worst[1]}); "
          f"no oracle for {', '.join(without_oracle)}")
    assert worst[0] <= 1e-6, worst
    assert compared >= 0.85 * len(CASES), without_oracle
