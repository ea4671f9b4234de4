"""The dual of a convex QCQP as a problem of its own, with the maps between the two."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..errors import NotConvexError, ProblemError
from ..problem import QCQP, SecondOrderCone
from ..quadratic import FactoredMatrix, Quadratic, factor_of, formed, is_zero
from ..validation import as_vector, dense
from .certificates import InfeasibilityCertificate, UnboundednessCertificate
from .corrected import corrected
from .multipliers import PrimalDualPoint, multipliers

# A matrix of this many entries is kept dense whatever is in it.
SMALL = 4096


@dataclass(frozen=True, eq=False)
class DualProblem:
    """The dual of a convex problem, with its variables, and the way back.

    Made by `dual_problem`, which has the formula.

    Attributes
    ----------
    primal : QCQP
    problem : QCQP, the dual, to solve: it minimises -g, so that the optimal values are p* = d* = -problem's
    columns : dict of name -> slice or array, where in the dual's variables each multiplier stands
        `w`, `lam`, `nu`, `lam_lb`, `lam_ub`, `lam_cones`, `t`, `z`.
    rows_of_G, bounds_below, bounds_above : arrays of int
        The rows of G with a finite right-hand side, and the variables with finite bounds: those that have multipliers.

    Examples
    --------
    The cheapest mix and the prices that support it (Boyd & Vandenberghe, section 5.1.5):

    >>> import convexkit as ck
    >>> problem = ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 15.0], lb=0.0)
    >>> dual = ck.dual_problem(problem)
    >>> dual.problem
    QCQP(n=4, 0 quadratic + 0 linear inequalities, 2 equalities, 4 bounds)
    >>> solution = ck.solve(dual.problem)
    >>> point = dual.point(solution)
    >>> round(dual.value(solution), 6), point.x.round(6), point.lam.round(6)
    (-35.0, array([5., 5.]), array([2., 1.]))
    """

    primal: QCQP
    problem: QCQP
    columns: dict[str, Any]
    rows_of_G: np.ndarray
    bounds_below: np.ndarray
    bounds_above: np.ndarray
    _objective_map: Any = field(repr=False)  # K of w = Kx
    _factors: dict[int, Any] = field(repr=False)  # i -> Fᵢ of each curved inequality
    _curved: dict[int, tuple[int, slice]] = field(repr=False)  # i -> column of tᵢ, columns of zᵢ

    def value(self, solution: Any) -> float:
        """d* from a solution of `problem`: minus its value. +inf says that the primal is infeasible."""
        return -float(solution.value)

    def multipliers(self, v: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
        """(lam, nu, lam_lb, lam_ub, lam_cones) of the primal, in its order, from the dual's variables.

        Limits that are infinite have no variable, and the multiplier zero.
        """
        v = as_vector("v", v)
        if v.size != self.problem.n:
            raise ProblemError(f"v has length {v.size}; the dual has {self.problem.n} variables.")
        pr, own = self.primal, self.columns
        quadratics = len(pr.inequalities)
        lam, lam_lb, lam_ub = np.zeros(pr.m), np.zeros(pr.n), np.zeros(pr.n)
        lam[np.concatenate([np.arange(quadratics), quadratics + self.rows_of_G])] = v[own["lam"]]
        lam_lb[self.bounds_below] = v[own["lam_lb"]]
        lam_ub[self.bounds_above] = v[own["lam_ub"]]
        ends = np.cumsum([cone.size for cone in pr.cones])[:-1]
        cones = tuple(np.split(v[own["lam_cones"]], ends)) if pr.cones else ()
        return lam, v[own["nu"]].copy(), lam_lb, lam_ub, cones

    def point(self, solution: Any) -> PrimalDualPoint:
        """The primal's solution from one of `problem`: x is the multiplier of its n equalities, one for each variable.

        At the optimum -g is flat in the multipliers of curved rows, which its solver therefore knows to the square root
        of its tolerance only. A step or two of Newton's method on the active rows give the other digits back.

        `ck.kkt_residuals(dual.primal, *dual.point(solution))` judges it.
        """
        x = as_vector("solution.nu", solution.nu, self.primal.n, finite=False)
        if not (np.isfinite(x).all() and np.isfinite(solution.x).all()):
            raise ProblemError(f"solution has no point (its status is {solution.status}); "
                               "dual.certificate(solution.certificate) reads its certificate.")
        # A bound of the dual that is violated by its solver's rounding would be a negative multiplier here.
        lam, nu, lam_lb, lam_ub, cones = self.multipliers(solution.x)
        point = PrimalDualPoint(x.copy(), np.maximum(lam, 0.0), nu, np.maximum(lam_lb, 0.0), np.maximum(lam_ub, 0.0),
                                cones)
        return corrected(self.primal, point)

    def variables(self, x: Any, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
                  lam_cones: Any = None) -> np.ndarray:
        """The dual's variables at a primal point with its multipliers: w = Kx, zᵢ = lamᵢFᵢx, tᵢ = ½lamᵢ‖Fᵢx‖².

        Feasible for `problem` where ∇ₓL(x, lam, nu) = 0 and the multipliers have their signs; its value there is
        then -L(x, lam, nu).

        Examples
        --------
        >>> import convexkit as ck
        >>> dual = ck.dual_problem(ck.lp([1.0], G=[[-1.0]], h=[-2.0]))
        >>> dual.variables([2.0], [1.0])
        array([1.])
        """
        pr, own = self.primal, self.columns
        x = as_vector("x", x, pr.n)
        lam, nu, lam_lb, lam_ub, lam_cones = multipliers(pr, lam, nu, lam_lb, lam_ub, lam_cones)
        v = np.zeros(self.problem.n)
        v[own["w"]] = self._objective_map @ x
        v[own["lam"]] = np.concatenate([lam[:len(pr.inequalities)], lam[len(pr.inequalities):][self.rows_of_G]])
        v[own["nu"]] = nu
        v[own["lam_lb"]], v[own["lam_ub"]] = lam_lb[self.bounds_below], lam_ub[self.bounds_above]
        v[own["lam_cones"]] = np.concatenate(lam_cones) if lam_cones else 0.0
        for i, (t, z) in self._curved.items():
            image = self._factors[i] @ x
            v[z], v[t] = lam[i] * image, 0.5 * lam[i] * float(image @ image)
        return v

    def certificate(self, certificate: Any, x: Any = None) -> InfeasibilityCertificate | UnboundednessCertificate:
        """What a certificate of `problem` proves of the primal.

        The direction along which the dual has no bound proves the primal infeasible. The multipliers that prove the
        dual infeasible are a direction along which the primal falls; with a feasible `x`, it proves the primal
        unbounded (without, the origin is taken, and `verify` tells whether it is feasible).

        Examples
        --------
        >>> import convexkit as ck
        >>> problem = ck.lp([0.0], G=[[1.0], [-1.0]], h=[1.0, -2.0])      # x ≤ 1 and x ≥ 2
        >>> dual = ck.dual_problem(problem)
        >>> answer = ck.solve(dual.problem)
        >>> answer.status.value, dual.certificate(answer.certificate).verify(problem)
        ('unbounded', True)
        """
        if isinstance(certificate, UnboundednessCertificate):
            return InfeasibilityCertificate(*self.multipliers(certificate.direction))
        if isinstance(certificate, InfeasibilityCertificate):
            d = as_vector("certificate.nu", certificate.nu, self.primal.n)
            at = np.zeros(self.primal.n) if x is None else as_vector("x", x, self.primal.n)
            return UnboundednessCertificate(at, d / float(np.abs(d).max(initial=0.0) or 1.0))
        raise ProblemError(f"certificate must be one of the dual's solution; got {type(certificate).__name__}.")

    def label(self, column: int) -> str:
        """What a variable of the dual is, such as `lam[3]`, the multiplier of the primal's row 3.

        Examples
        --------
        >>> import convexkit as ck
        >>> dual = ck.dual_problem(ck.lp([1.0, 1.0], A=[[1.0, 2.0]], b=[1.0], lb=[0.0, -float("inf")]))
        >>> [dual.label(k) for k in range(dual.problem.n)]
        ['nu[0]', 'lam_lb[0]']
        """
        if not 0 <= column < self.problem.n:
            raise ProblemError(f"column = {column} is out of range; the dual has {self.problem.n} variables.")
        quadratics = len(self.primal.inequalities)
        for i, (t, z) in self._curved.items():
            if column == t:
                return f"t[{i}]"
            if z.start <= column < z.stop:
                return f"z[{i}][{column - z.start}]"
        for name, entries in (("w", None), ("lam", np.concatenate([np.arange(quadratics),
                                                                   quadratics + self.rows_of_G])),
                              ("nu", None), ("lam_lb", self.bounds_below), ("lam_ub", self.bounds_above)):
            own = self.columns[name]
            if own.start <= column < own.stop:
                return f"{name}[{column - own.start if entries is None else entries[column - own.start]}]"
        ends = self.columns["lam_cones"].start + np.cumsum([cone.size for cone in self.primal.cones])
        k = int(np.searchsorted(ends, column, side="right"))
        return f"lam_cones[{k}][{column - ends[k] + self.primal.cones[k].size}]"


def dual_problem(problem: QCQP) -> DualProblem:
    """The dual of a convex LP, QP, QCQP or SOCP as a `QCQP` of its own.

    With P₀ = KᵀMK and Pᵢ = FᵢᵀFᵢ, and a variable for every row, bound and cone of the primal,

        minimise    ½wᵀMw + Σ tᵢ - Σ lamᵢrᵢ + hᵀlam_G + bᵀnu - lbᵀlam_lb + ubᵀlam_ub + Σ (d z₀ + bᵀz)ₖ - r₀
        subject to  KᵀMw + q₀ + Σ (lamᵢqᵢ + Fᵢᵀzᵢ) + Gᵀlam_G + Aᵀnu - lam_lb + lam_ub - Σ (z₀c + Aᵀz)ₖ = 0
                    ‖zᵢ‖² ≤ 2 lamᵢtᵢ,   lam ≥ 0,   ‖z‖ ≤ z₀ in every cone

    which is -g(lam, nu), minimised. No matrix is inverted: w and zᵢ stand for Kx and lamᵢFᵢx, so that P₀ and the Pᵢ
    may be singular. K is the identity (M = P₀) or, of `from_factor(F, diag)`, the factor's rows (M = I and diag).

    Parameters
    ----------
    problem : QCQP, convex

    Returns
    -------
    DualProblem
        `problem` to solve; `point` reads the primal's x (the multipliers of the equalities) and all multipliers off
        its solution.

    Raises
    ------
    NotConvexError
        If a P is not positive semidefinite. The dual is a semidefinite program then:
        `convexkit.cvxpy_bridge.schur_dual` states it, and `Lagrangian.dual_point` evaluates it.

    Notes
    -----
    The dual of the dual is the primal with its slacks as variables: there nu is x again, w its curved part, and lam_lb
    the slacks h - Gx, x - lb, ub - x. A quadratic inequality has become ½‖Fᵢx‖² + qᵢᵀx + rᵢ ≤ 0 as a second-order
    cone. Boyd & Vandenberghe, sections 5.2.1, 5.2.4 and 5.9.

    Costs a factorization of each Pᵢ that has no factor yet, and none of P₀.

    Examples
    --------
    Least norm on a line, ½‖x‖² with x₁ + 2x₂ = 5: g(nu) = -5/2·nu² - 5nu, largest at nu = -1.

    >>> import numpy as np, convexkit as ck
    >>> dual = ck.dual_problem(ck.qp(np.eye(2), np.zeros(2), A=[[1.0, 2.0]], b=[5.0]))
    >>> solution = ck.solve(dual.problem)
    >>> round(dual.value(solution), 6), dual.point(solution).nu.round(6), dual.point(solution).x.round(6)
    (2.5, array([-1.]), array([1., 2.]))
    """
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
    for i, f in enumerate((problem.objective, *problem.inequalities)):
        if not f.is_convex():
            name = "objective.P" if i == 0 else f"inequalities[{i - 1}].P"
            raise NotConvexError(
                f"{name} is not positive semidefinite: smallest eigenvalue {f.smallest_eigenvalue():.1e}. The dual is "
                "a semidefinite program then: convexkit.cvxpy_bridge.schur_dual(problem) states it for cvxpy, and "
                "Lagrangian(problem).dual_point(lam, nu) evaluates it.")
    pr, n = problem, problem.n
    rows = np.flatnonzero(np.isfinite(pr.h))
    below, above = np.flatnonzero(np.isfinite(pr.lb)), np.flatnonzero(np.isfinite(pr.ub))
    K, M = _middle(pr.objective)
    factors = {i: F for i, f in enumerate(pr.inequalities) if (F := factor_of(f)).shape[0]}

    quadratics = len(pr.inequalities)
    sizes = {"w": M.shape[0], "lam": quadratics + rows.size, "nu": pr.p, "lam_lb": below.size, "lam_ub": above.size,
             "lam_cones": sum(cone.size for cone in pr.cones), "t": len(factors),
             "z": sum(F.shape[0] for F in factors.values())}
    ends = np.cumsum(list(sizes.values()))
    columns = {name: slice(int(end) - size, int(end)) for (name, size), end in zip(sizes.items(), ends, strict=True)}
    # Without a single row, bound or curvature the dual has no variables; one that does nothing makes it a problem.
    total = max(int(ends[-1]), 1)
    curved, start = {}, columns["z"].start
    for k, (i, F) in enumerate(factors.items()):
        curved[i] = (columns["t"].start + k, slice(start, start + F.shape[0]))
        start += F.shape[0]

    cost = np.zeros(total)
    cost[columns["lam"]] = np.concatenate([[-f.r for f in pr.inequalities], pr.h[rows]])
    cost[columns["nu"]] = pr.b
    cost[columns["lam_lb"]], cost[columns["lam_ub"]] = -pr.lb[below], pr.ub[above]
    if pr.cones:
        cost[columns["lam_cones"]] = np.concatenate([np.concatenate(([cone.d], cone.b)) for cone in pr.cones])
    cost[columns["t"]] = 1.0
    cost += 0.0  # no -0.0 for a reader

    # Minus the slope of L, so that the multipliers of these equalities are x, and q₀ their right-hand side.
    unit = sp.eye_array(n, format="csr")
    blocks: list[Any] = []
    if M.shape[0]:
        blocks.append(-(K.T @ M))
    if quadratics:
        blocks.append(-np.array([f.q for f in pr.inequalities], dtype=np.float64).T)
    blocks += [-pr.G[rows].T, -pr.A.T, unit[:, below], -unit[:, above]]
    for cone in pr.cones:
        blocks += [cone.c[:, None], cone.A.T]
    blocks += [np.zeros((n, len(factors))), *(-F.T for F in factors.values())]
    if not ends[-1]:
        blocks = [np.zeros((n, 1))]
    slope = _side_by_side(blocks, n)

    # lam ≥ 0 where no cone says so.
    lb = np.full(total, -np.inf if ends[-1] else 0.0)
    lb[columns["lam"]], lb[columns["lam_lb"]], lb[columns["lam_ub"]] = 0.0, 0.0, 0.0
    cones = _own_cones(pr, columns["lam_cones"].start, total)
    for i, (t, z) in curved.items():
        lam = columns["lam"].start + i
        lb[lam] = -np.inf
        cones.append(_rotated(lam, t, z, total))
    dual = QCQP(Quadratic(_embedded(M, total), cost, -pr.objective.r), A=slope, b=pr.objective.q, lb=lb, cones=cones)
    return DualProblem(pr, dual, columns, rows, below, above, K, factors, curved)


def _middle(f: Quadratic) -> tuple[Any, Any]:
    """(K, M) with P = KᵀMK, M square and none of K's rows idle: of a factor and a diagonal, or of P itself."""
    P = formed(f)
    if P is None or is_zero(P):
        return np.zeros((0, f.n)), np.zeros((0, 0))
    if isinstance(P, FactoredMatrix) and P.diag.min(initial=0.0) >= 0:
        own = np.flatnonzero(P.diag)
        picked = sp.csr_array((np.ones(own.size), (np.arange(own.size), own)), shape=(own.size, f.n))
        K = sp.vstack([sp.csr_array(P.factor), picked], format="csr") if own.size else P.factor
        return K, sp.diags_array(np.concatenate([np.ones(P.factor.shape[0]), P.diag[own]]), format="csr")
    if not sp.issparse(P):
        P = (P if isinstance(P, np.ndarray) else P.toarray()).astype(np.float64, copy=False)
        used = np.flatnonzero(P.any(axis=1))
    else:
        P = sp.csr_array(P)
        used = np.flatnonzero(abs(P) @ np.ones(f.n))
    M = P[used][:, used]
    K = sp.csr_array((np.ones(used.size), (np.arange(used.size), used)), shape=(used.size, f.n))
    return K, M


def _embedded(M: Any, total: int) -> Any:
    """M as the leading block of a matrix of `total` rows, zero elsewhere; None if M is empty."""
    k = M.shape[0]
    if k == 0:
        return None
    if sp.issparse(M) or total * total > max(SMALL, 4 * k * k):
        rest = sp.csr_array((total - k, total - k))
        return sp.block_diag([M, rest], format="csr") if total > k else sp.csr_array(M)
    full = np.zeros((total, total))
    full[:k, :k] = M
    return full


def _side_by_side(blocks: list[Any], n: int) -> Any:
    """Blocks of n rows, dense if they are few entries or mostly filled."""
    blocks = [block for block in blocks if block.shape[1]]
    if not blocks:
        return np.zeros((n, 0))
    stack = sp.hstack([sp.csr_array(block) for block in blocks], format="csr")
    filled = stack.shape[0] * stack.shape[1] <= SMALL or stack.nnz > 0.2 * stack.shape[0] * stack.shape[1]
    return dense(stack) if filled else stack


def _own_cones(pr: QCQP, first: int, total: int) -> list[SecondOrderCone]:
    """‖z‖ ≤ z₀ for the multipliers of the primal's cones."""
    cones = []
    for cone in pr.cones:
        k = cone.size - 1
        top = np.zeros(total)
        top[first] = 1.0
        cones.append(SecondOrderCone(_select(np.arange(first + 1, first + 1 + k), np.ones(k), total), c=top))
        first += k + 1
    return cones


def _rotated(lam: int, t: int, z: slice, total: int) -> SecondOrderCone:
    """‖z‖² ≤ 2·lam·t with lam, t ≥ 0 is ‖(√2 z, lam - t)‖ ≤ lam + t."""
    k = z.stop - z.start
    A = sp.csr_array((np.concatenate([np.full(k, np.sqrt(2.0)), [1.0, -1.0]]),
                      (np.concatenate([np.arange(k), [k, k]]), np.concatenate([np.arange(z.start, z.stop), [lam, t]]))),
                     shape=(k + 1, total))
    top = np.zeros(total)
    top[[lam, t]] = 1.0
    return SecondOrderCone(dense(A) if A.shape[0] * total <= SMALL else A, c=top)


def _select(columns: np.ndarray, values: np.ndarray, total: int) -> Any:
    rows = sp.csr_array((values, (np.arange(columns.size), columns)), shape=(columns.size, total))
    return dense(rows) if columns.size * total <= SMALL else rows
