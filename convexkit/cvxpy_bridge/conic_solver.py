"""The door from cvxpy's side: a solver class that `cvxpy.Problem.solve` can call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cvxpy as cp
import cvxpy.settings as s
import numpy as np
import scipy.sparse as sp
from cvxpy.constraints import SOC
from cvxpy.reductions.solution import Solution as CvxpySolution
from cvxpy.reductions.solvers import utilities
from cvxpy.reductions.solvers.conic_solvers.conic_solver import ConicSolver

from ..errors import ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic
from ..report import ITERATION_HEADER, iteration_line
from ..solution import IterationRecord, Solution
from ..solver import solve
from .bridge import STATUS
from .rows import Places, second_order_cone, sort_rows

OPTIONS = ("tol", "maxiter", "time_limit")
# What cvxpy itself reads and leaves among the options.
_CVXPYS_OWN = ("use_quad_obj",)


@dataclass(frozen=True)
class _Answer:
    """What `solve_via_data` hands to `invert`: the duals are in the order of cvxpy's rows."""

    problem: QCQP
    solution: Solution
    duals: np.ndarray


class CONVEXKIT(ConicSolver):
    """convexkit as a solver of cvxpy: `problem.solve(solver=CONVEXKIT())`.

    cvxpy rewrites the problem with linear rows, second-order cones and a quadratic objective; convexkit solves that
    form. `from_cvxpy` keeps quadratic constraints as they are, without the factor of P and the n + 2 rows that a cone
    takes for each.

    Options of `solve`
    ------------------
    tol, maxiter, time_limit : as for `convexkit.solve`
    verbose : bool, prints a line for each iteration
    warm_start : accepted and without effect; every solve starts anew

    Raises
    ------
    ProblemError
        For an option that is not known or out of range.
    NotConvexError
        If the objective passed cvxpy's looser test of P ⪰ 0, or was declared convex, and is not.
    cvxpy.SolverError
        For integer variables, by name; for cones other than second-order ones; and if precision was lost before
        a solution was reached, with the reason.

    Notes
    -----
    Statuses, values and duals are cvxpy's, infeasible problems come with the multipliers of a proof, and a limit
    on iterations or time gives `user_limit` with the best point. `problem.solver_stats.extra_stats` holds what
    convexkit says of it: "solution", a `Solution`, and "problem", the `QCQP` it belongs to.

    Examples
    --------
    >>> import cvxpy as cp
    >>> from convexkit import cvxpy_bridge
    >>> x = cp.Variable(2)
    >>> problem = cp.Problem(cp.Minimize(cp.sum_squares(x - 2)), [cp.sum(x) <= 1])
    >>> round(float(problem.solve(solver=cvxpy_bridge.CONVEXKIT(), tol=1e-9)), 6), x.value.round(6)
    (4.5, array([0.5, 0.5]))
    >>> problem.status, round(float(problem.constraints[0].dual_value), 6)
    ('optimal', 3.0)
    """

    SUPPORTED_CONSTRAINTS: list = [*ConicSolver.SUPPORTED_CONSTRAINTS, SOC]  # noqa: RUF012
    MI_SUPPORTED_CONSTRAINTS = SUPPORTED_CONSTRAINTS
    # Not so, but otherwise cvxpy says no itself, before 1.9 in words about something else. `apply` names the variable.
    MIP_CAPABLE = True
    BOUNDED_VARIABLES = True

    # Solvers of this class are all alike; being equal lets cvxpy reuse a compiled problem.
    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return "CONVEXKIT()"

    def name(self) -> str:
        """The name that cvxpy shows."""
        return "CONVEXKIT"

    def import_solver(self) -> None:
        """Nothing to import."""

    def supports_quad_obj(self) -> bool:
        """½xᵀPx in the objective is kept, with any constraints."""
        return True

    def cite(self, data: Any) -> str:
        """A BibTeX entry."""
        return "@misc{convexkit,\n    title = {convexkit: convex optimization with native quadratic constraints}\n}"

    def can_solve(self, problem_form: Any) -> bool:
        """Whether the problem has only cones that are supported; if not, raises with their names.

        cvxpy 1.9 asks; earlier versions compare the cones themselves and name them.
        """
        if super().can_solve(problem_form):
            return True
        from cvxpy.reductions.solvers.solver import expand_cones
        cones = set(problem_form.cones(quad_obj=problem_form.has_quadratic_objective()))
        raise self._refusal(expand_cones(cones, frozenset(self.SUPPORTED_CONSTRAINTS))[0])

    def _refusal(self, cones: set) -> Exception:
        names = ", ".join(sorted(cone.__name__ for cone in cones.difference(self.SUPPORTED_CONSTRAINTS)))
        return cp.error.SolverError(f"{self.name()} takes linear rows, second-order cones and a quadratic objective; "
                                    f"this problem also needs {names}.")

    def apply(self, problem: Any) -> tuple[dict, dict]:
        """cvxpy's compiled problem as (data, data for the way back)."""
        whole = [f"{variable.name()} is {kind}" for variable in problem.variables for kind in ("boolean", "integer")
                 if variable.attributes[kind]]
        if whole:
            raise cp.error.SolverError(f"variable {', '.join(whole)}; {self.name()} takes continuous variables.")
        cones = {type(constraint) for constraint in problem.constraints}
        if not cones.issubset(self.SUPPORTED_CONSTRAINTS):  # before 1.9, cvxpy overlooks those of geometric programs
            raise self._refusal(cones)
        data, inverse_data = super().apply(problem)
        data[s.OFFSET] = inverse_data[s.OFFSET]
        # The sizes of a QP, under the names that cvxpy's QP solvers give them.
        dims = data[self.DIMS]
        data |= {"n_var": data[s.C].size, "n_eq": dims.zero, "n_ineq": dims.nonneg}
        return data, inverse_data

    def solve_via_data(self, data: dict, warm_start: bool, verbose: bool, solver_opts: dict,
                       solver_cache: dict | None = None) -> Any:
        """Solve what `apply` returned. Used by cvxpy, which hands the answer to `invert`."""
        unknown = [name for name in solver_opts if name not in (*OPTIONS, *_CVXPYS_OWN)]
        if unknown:
            raise ProblemError(f"{', '.join(map(repr, unknown))} is no option of {self.name()}; there are "
                               f"{', '.join(OPTIONS)}, and cvxpy's own.")
        options = {name: value for name, value in solver_opts.items() if name in OPTIONS}
        problem, places = native(data)
        if verbose:
            print(problem)
            print(ITERATION_HEADER)
        solution = solve(problem, callback=_print_line if verbose else None, **options)
        if verbose:
            print(f"{solution.status}: {solution.message}")
        return _Answer(problem, solution, places.duals(solution))

    def invert(self, solution: Any, inverse_data: Any) -> CvxpySolution:
        """The answer in cvxpy's terms."""
        answer, solution = solution, solution.solution
        status = STATUS[solution.status]
        if status == s.SOLVER_ERROR:
            raise cp.error.SolverError(f"{self.name()}: {solution.message}")
        attr = {s.SOLVE_TIME: solution.seconds, s.NUM_ITERS: solution.nit,
                s.EXTRA_STATS: {"solution": solution, "problem": answer.problem}}
        duals: dict = {}
        if status != s.UNBOUNDED:
            equalities = inverse_data[self.DIMS].zero
            for values, constraints in ((answer.duals[:equalities], inverse_data[self.EQ_CONSTR]),
                                        (answer.duals[equalities:], inverse_data[self.NEQ_CONSTR])):
                duals |= utilities.get_dual_values(values, utilities.extract_dual_value, constraints)
        primal = {} if status in s.INF_OR_UNB else {inverse_data[self.VAR_ID]: solution.x}
        return CvxpySolution(status, solution.value, primal, duals, attr)


def native(data: dict) -> tuple[QCQP, Places]:
    """cvxpy's conic data as a `QCQP`, and where the multipliers of its rows are found.

        minimise ½xᵀPx + cᵀx + offset   subject to   b - Ax ∈ {0} × nonnegative × second-order cones,  lb ≤ x ≤ ub

    Everything stays sparse.
    """
    dims, b, n = data[ConicSolver.DIMS], data[s.B], data[s.C].size
    A = sp.csr_matrix(data[s.A], shape=(b.size, n))
    A.sum_duplicates()
    A.eliminate_zeros()
    P = None
    if data.get(s.P) is not None:
        P = sp.csr_matrix(data[s.P])
        P = 0.5 * (P + P.T)
        P.eliminate_zeros()
    objective = Quadratic(P if P is not None and P.nnz else None, data[s.C], data[s.OFFSET])
    # A cone of height 1 is a linear row.
    heights = np.array(dims.soc, dtype=int)
    tops = dims.zero + dims.nonneg + np.cumsum(heights) - heights
    linear = np.concatenate([dims.zero + np.arange(dims.nonneg), tops[heights == 1]])
    blocks = [slice(top, top + height) for top, height in zip(tops, heights, strict=True) if height > 1]
    lb, ub = (np.full(n, missing) if bound is None else np.asarray(bound, dtype=np.float64)
              for bound, missing in ((data.get(s.LOWER_BOUNDS), -np.inf), (data.get(s.UPPER_BOUNDS), np.inf)))
    rows = sort_rows(A[linear], b[linear], lb, ub)
    slack = -A
    problem = QCQP(objective, G=rows.G, h=rows.h, A=A[:dims.zero], b=b[:dims.zero], lb=rows.lb, ub=rows.ub,
                   cones=[second_order_cone(slack, b, block) for block in blocks])
    places = Places(problem, b.size)
    places.equalities(np.arange(dims.zero))
    places.inequalities(linear, rows)
    places.cones(blocks)
    return problem, places


def _print_line(record: IterationRecord) -> None:
    print(iteration_line(record))
