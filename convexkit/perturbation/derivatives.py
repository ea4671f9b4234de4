"""Derivatives of a solution in the data, by the implicit function theorem on the KKT system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg.blas import daxpy
from scipy.linalg.lapack import dgecon, dgetrf, dgetrs
from scipy.sparse.linalg import splu

from ..errors import NotDifferentiableError, ProblemError
from ..interior_point import limited_threads
from ..problem import QCQP
from ..quadratic import FactoredMatrix, Quadratic
from ..solution import Solution
from ..validation import as_vector, dense
from .active import STRICT, ActiveSet, active_set, hessian_and_rows

# A reciprocal condition number below this makes the KKT matrix singular for our purposes.
SINGULAR = 1e-13
Solve = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
NAMES = ("P0", "q0", "r0", "P", "q", "r", "G", "h", "A", "b", "lb", "ub")


@dataclass(frozen=True, eq=False)
class ProblemGradient:
    """The derivative of a number in all data of a problem.

    Attributes
    ----------
    P0, q0, r0 : of the objective. A dense P has a symmetric array S, with ⟨S, dP⟩ for symmetric dP; a sparse one the
        same on its own pattern; a factored one the pair (in F, in diag); None for an affine function
    P, q, r : of the inequalities: a tuple of such matrices, an (mq, n) and an (mq,) array
    G, h, A, b : in the shapes of the data; G and A dense, or sparse on their own pattern
    lb, ub : (n,) arrays, zero where there is no bound

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.qp([[2.0]], [-4.0], G=[[1.0]], h=[1.0])                  # x = min(-q/2, h)
    >>> ck.solution_derivatives(problem, ck.solve(problem)).vjp(x=[1.0]).h.round(9)
    array([1.])
    """

    P0: Any
    q0: np.ndarray
    r0: float
    P: tuple
    q: np.ndarray
    r: np.ndarray
    G: Any
    h: np.ndarray
    A: Any
    b: np.ndarray
    lb: np.ndarray
    ub: np.ndarray


@dataclass(frozen=True, eq=False)
class SolutionChange:
    """The derivative of a solution along a direction in the data.

    Attributes
    ----------
    x, lam, nu, lam_lb, lam_ub : arrays
    value : float, the derivative of the optimal value

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.qp([[2.0]], [-4.0], G=[[1.0]], h=[1.0])
    >>> change = ck.solution_derivatives(problem, ck.solve(problem)).jvp(h=[1.0])
    >>> change.x.round(9), change.lam.round(9), round(change.value, 6)
    (array([1.]), array([-2.]), -2.0)
    """

    x: np.ndarray
    lam: np.ndarray
    nu: np.ndarray
    lam_lb: np.ndarray
    lam_ub: np.ndarray
    value: float


@dataclass(frozen=True, eq=False)
class SolutionDerivatives:
    """The derivatives of (x, lam, nu) at a solution, as products with vectors; made by `solution_derivatives`.

    Attributes
    ----------
    regular : bool, whether the solution is differentiable there
    message : str, why not, or what the evidence is
    active : tuple of str, the rows that hold with equality
    strictness : float, by how many times the larger of slack and multiplier exceeds the smaller one, in the row where
        that is least; below 1000 strict complementarity fails
    rcond : float, reciprocal condition number of the KKT matrix; NaN for sparse data

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> disc = ck.Quadratic(2 * np.eye(2), None, -1.0)
    >>> problem = ck.QCQP(ck.Quadratic(None, [3.0, 4.0]), [disc])
    >>> D = ck.solution_derivatives(problem, ck.solve(problem))
    >>> D.regular, D.active
    (True, ('inequalities[0]',))
    >>> D.jvp(r=[-0.2]).x.round(6)                       # the disc grows: x = -√(1.2)·(0.6, 0.8), slope 0.1
    array([-0.06, -0.08])
    """

    regular: bool
    message: str
    active: tuple[str, ...]
    strictness: float
    rcond: float
    _problem: QCQP = field(repr=False)
    _solution: Any = field(repr=False)
    _set: ActiveSet = field(repr=False)
    _solve: Solve = field(repr=False)

    def require_regular(self) -> SolutionDerivatives:
        """These derivatives if there are any, else NotDifferentiableError with the reason."""
        if not self.regular:
            raise NotDifferentiableError(self.message)
        return self

    def vjp(self, *, x: Any = None, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
            value: float = 0.0) -> ProblemGradient:
        """The gradient in all data of  xᵀx* + lamᵀlam* + nuᵀnu* + lam_lbᵀlam_lb* + lam_ubᵀlam_ub* + value·p*.

        One solve with the factors of the KKT matrix K, which is symmetric: with Kw = (x, lam, nu) the gradient in data
        θ of a system F(z, θ) = 0 is -wᵀ∂F/∂θ. That of p* alone needs no solve, and only unique multipliers: it is
        ∂L/∂θ.

        Raises
        ------
        NotDifferentiableError
            If the solution is not regular, unless only `value` is given.
        """
        pr = self._problem
        sizes = {"x": pr.n, "lam": pr.m, "nu": pr.p, "lam_lb": pr.n, "lam_ub": pr.n}
        given = {name: np.zeros(sizes[name]) if v is None else as_vector(name, v, sizes[name])
                 for name, v in (("x", x), ("lam", lam), ("nu", nu), ("lam_lb", lam_lb), ("lam_ub", lam_ub))}
        with limited_threads():
            return self._vjp(given, value)

    def _vjp(self, given: dict[str, np.ndarray], value: float) -> ProblemGradient:
        pr = self._problem
        if not any(v.any() for v in given.values()):
            return self._gradient(np.zeros(pr.n), np.zeros(pr.m), np.zeros(pr.p), np.zeros(pr.n), np.zeros(pr.n), value)
        self.require_regular()
        active = self._set
        on_bounds = np.zeros(pr.n)
        on_bounds[active.lb], on_bounds[active.ub] = -given["lam_lb"][active.lb], given["lam_ub"][active.ub]
        w_x, w_rows, pull = self._solve(given["x"], np.concatenate([given["lam"][active.lam], given["nu"]]), on_bounds)
        w_lam = np.zeros(pr.m)
        w_lam[active.lam], w_nu = w_rows[:active.lam.size], w_rows[active.lam.size:]
        w_lb, w_ub = np.zeros(pr.n), np.zeros(pr.n)
        w_lb[active.lb] = (pull - given["x"])[active.lb]
        w_ub[active.ub] = (given["x"] - pull)[active.ub]
        return self._gradient(w_x, w_lam, w_nu, w_lb, w_ub, value)

    def _gradient(self, w_x: np.ndarray, w_lam: np.ndarray, w_nu: np.ndarray, w_lb: np.ndarray, w_ub: np.ndarray,
                  value: float) -> ProblemGradient:
        """-wᵀ∂F/∂θ + value·∂L/∂θ.

        In Pᵢ: -lamᵢ·½(wxᵀ + xwᵀ) + eᵢ·½xxᵀ,  in qᵢ: -lamᵢw + eᵢx,  in rᵢ: eᵢ,   eᵢ = value·lamᵢ - (w_lam)ᵢ
        """
        pr, s, active = self._problem, self._solution, self._set
        quadratics, x = len(pr.inequalities), s.x
        lam, lam_lb, lam_ub = np.zeros(pr.m), np.zeros(pr.n), np.zeros(pr.n)
        lam[active.lam] = s.lam[active.lam]
        lam_lb[active.lb], lam_ub[active.ub] = s.lam_lb[active.lb], s.lam_ub[active.ub]
        e, e_nu = value * lam - w_lam, value * s.nu - w_nu
        curved = slice(0, quadratics)
        P0, P = _matrix_gradients(pr, x, w_x, lam[curved], e[curved], value)
        of_G = _outer(pr.G, -lam[quadratics:], w_x, e[quadratics:], x)
        of_A = _outer(pr.A, -s.nu, w_x, e_nu, x)
        return ProblemGradient(P0, value * x - w_x, value, P,
                               np.outer(e[curved], x) - np.outer(lam[curved], w_x), e[curved], of_G, -e[quadratics:],
                               of_A, -e_nu, value * lam_lb - w_lb, w_ub - value * lam_ub)

    def jvp(self, **directions: Any) -> SolutionChange:
        """The derivative of the solution along a direction in the data.

        Parameters
        ----------
        P0, q0, r0, P, q, r, G, h, A, b, lb, ub : changes, in the shapes of the data (P: sequence of (n, n) arrays, q
            and r: one row and one number for each quadratic inequality); zero where omitted

        Raises
        ------
        NotDifferentiableError
            If the solution is not regular.
        """
        self.require_regular()
        pr, s, active = self._problem, self._solution, self._set
        d = _directions(pr, directions)
        quadratics, x = len(pr.inequalities), s.x
        # What F changes by at fixed (x, lam, nu): stationarity, rows, bounds.
        slope = d["P0"] @ x + d["q0"]
        rows = np.concatenate([[0.5 * float(x @ (dP @ x)) + float(dq @ x) + dr
                                for dP, dq, dr in zip(d["P"], d["q"], d["r"], strict=True)], d["G"] @ x - d["h"]])
        value = 0.5 * float(x @ (d["P0"] @ x)) + float(d["q0"] @ x) + float(d["r0"])
        equalities = d["A"] @ x - d["b"]
        for i in active.lam[active.lam < quadratics]:
            slope = slope + s.lam[i] * (d["P"][i] @ x + d["q"][i])
        slope = slope + d["A"].T @ s.nu
        linear = active.lam[active.lam >= quadratics]
        slope = slope + d["G"][linear - quadratics].T @ s.lam[linear]
        on_bounds = np.zeros(pr.n)
        on_bounds[active.lb], on_bounds[active.ub] = d["lb"][active.lb], d["ub"][active.ub]
        right = -np.concatenate([rows[active.lam], equalities])
        dx, d_rows, pull = self._solve(-slope, right, on_bounds)
        lam, lam_lb, lam_ub = np.zeros(pr.m), np.zeros(pr.n), np.zeros(pr.n)
        lam[active.lam] = d_rows[:active.lam.size]
        lam_lb[active.lb], lam_ub[active.ub] = (pull + slope)[active.lb], -(pull + slope)[active.ub]
        value += float(s.lam[active.lam] @ rows[active.lam]) + float(s.nu @ equalities)
        value += float(s.lam_lb[active.lb] @ d["lb"][active.lb]) - float(s.lam_ub[active.ub] @ d["ub"][active.ub])
        return SolutionChange(dx, lam, d_rows[active.lam.size:], lam_lb, lam_ub, value)


def solution_derivatives(problem: QCQP, solution: Solution) -> SolutionDerivatives:
    """The derivatives of a solution in all data of its problem, where there are any.

    At a solution with the active rows f_B(x) = 0 the KKT conditions are equations F(z, θ) = 0 in z = (x, lam_B, nu) and
    the data θ, and dz = -K⁻¹∂F with

        [ P₀ + Σ lamᵢPᵢ   J_Bᵀ   Aᵀ ]
    K = [ J_B             0      0  ]
        [ A               0      0  ]

    It holds where K is nonsingular and every active row has a positive multiplier (strict complementarity); elsewhere
    `regular` is False and `message` names the rows.

    Parameters
    ----------
    problem : QCQP without cones
    solution : Solution of it, `optimal`; solve with tol=1e-10 for nine digits

    Returns
    -------
    SolutionDerivatives

    Raises
    ------
    NotSolvedError
        If the solution is not optimal.
    ProblemError
        If it is of another problem, or the problem has cones.

    Notes
    -----
    One factorization of K, with the variables at their bounds left out, and for each product one solve.
    Fiacco 1983; Amos & Kolter 2017; Boyd & Vandenberghe, section 5.6 for p*.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> problem = ck.qp(np.diag([1.0, 2.0]), [-1.0, -1.0], A=[[1.0, 1.0]], b=[1.0])
    >>> D = ck.solution_derivatives(problem, ck.solve(problem))
    >>> D.vjp(x=[1.0, 0.0]).b.round(6)                                # x₁ = (2b + q₂ - q₁)/3
    array([0.666667])
    """
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
    if not isinstance(solution, Solution):
        raise ProblemError(f"solution must be a Solution; got {type(solution).__name__}.")
    solution.require_optimal()
    if (solution.x.size, solution.lam.size, solution.nu.size) != (problem.n, problem.m, problem.p):
        sizes = f"({solution.x.size}, {solution.lam.size}, {solution.nu.size})"
        raise ProblemError(f"solution is of another problem: it has (n, m, p) = {sizes}; expected ({problem.n}, "
                           f"{problem.m}, {problem.p}).")
    with limited_threads():
        return _derivatives(problem, solution)


def _derivatives(problem: QCQP, solution: Solution) -> SolutionDerivatives:
    active = active_set(problem, solution)
    names = active.names(problem)
    equal = np.flatnonzero(problem.lb == problem.ub)
    solve, rcond = _factored(problem, solution, active)
    regular, message = True, f"{len(names)} active rows, all with a clearly positive multiplier."
    if equal.size:
        regular, message = False, (f"lb[{equal[0]}] equals ub[{equal[0]}], so that neither can move alone; write the "
                                   "fixed variable as an equality.")
    elif active.strictness < STRICT:
        regular, message = False, (f"{active.weakest} holds with equality and a multiplier of zero: to one side it is "
                                   "active and to the other not, and the solution has a kink.")
    elif not rcond > SINGULAR:
        regular, message = False, ("the KKT matrix is singular: the gradients of the active rows "
                                   f"({', '.join(names) or 'none'}) and of Ax = b depend on each other, or the "
                                   "objective is flat along a direction that they leave free. See multiplier_set.")
    return SolutionDerivatives(regular, message, names, active.strictness, rcond, problem, solution, active, solve)


def _factored(problem: QCQP, solution: Solution, active: ActiveSet) -> tuple[Solve, float]:
    """(c_x, c_rows, on_bounds) -> (w_x, w_rows, pull) with K w = c, and the reciprocal condition number of K.

    `on_bounds` gives w_x for the variables at their bounds; pull is H w_x + Jᵀw_rows, all of stationarity but bounds.
    """
    H, J, _ = hessian_and_rows(problem, solution.x, solution.lam, active.lam)
    n, k = problem.n, J.shape[0] + problem.p
    free = np.ones(n, dtype=bool)
    free[active.lb] = free[active.ub] = False
    if sp.issparse(H):
        rows = sp.vstack([J, sp.csr_array(problem.A)], format="csr")
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).reshape(-1))
    else:
        rows = np.concatenate([J, dense(problem.A)]) if problem.p else J
        lengths = np.linalg.norm(rows, axis=1)
    # Rows as long as H is large: the condition number is then one of the problem, not of its units.
    size = float(np.abs(H.data if sp.issparse(H) else H).max(initial=0.0)) or 1.0
    scale = size / np.where(lengths > 0, lengths, 1.0)
    if sp.issparse(H):
        scaled = sp.diags_array(scale) @ rows
        inner_rows = scaled[:, free]
        K = sp.block_array([[H[free][:, free], inner_rows.T], [inner_rows, sp.csr_array((k, k))]], format="csc")
        try:
            lu = splu(K)
        except RuntimeError:
            return _nothing, 0.0
        pivots = np.abs(lu.U.diagonal())
        rcond = float(pivots.min(initial=np.inf) / pivots.max(initial=1e-300))
        inner: Callable[[np.ndarray], np.ndarray] = lu.solve
    else:
        scaled = scale[:, None] * rows
        count = int(free.sum())
        K = np.zeros((count + k, count + k), order="F")
        K[:count, :count] = H if count == n else H[np.ix_(free, free)]
        K[count:, :count] = scaled if count == n else scaled[:, free]
        K[:count, count:] = K[count:, :count].T
        if not K.size:
            inner, rcond = (lambda right: right), 1.0
        else:
            norm = float(np.abs(K).sum(axis=0).max())
            factors, pivot, _ = dgetrf(K, overwrite_a=1)
            rcond = float(dgecon(factors, norm)[0]) if norm > 0 else 0.0
            inner = lambda right: dgetrs(factors, pivot, right)[0]  # noqa: E731

    def solve(c_x: np.ndarray, c_rows: np.ndarray, on_bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        w = np.where(free, 0.0, on_bounds)
        right_x, right_rows = c_x, c_rows
        if on_bounds.any():
            right_x, right_rows = c_x - H @ w, c_rows - rows @ w
        found = inner(np.concatenate([right_x[free], scale * right_rows]))
        w[free] = found[:found.size - k]
        w_rows = scale * found[found.size - k:]
        return w, w_rows, H @ w + rows.T @ w_rows if not free.all() else c_x

    return solve, rcond


def _nothing(*_: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # pragma: no cover - never regular
    raise NotDifferentiableError("the KKT matrix is singular.")


def _matrix_gradients(problem: QCQP, x: np.ndarray, w: np.ndarray, lam: np.ndarray, e: np.ndarray, value: float
                      ) -> tuple[Any, tuple]:
    """-lamᵢ·½(wxᵀ + xwᵀ) + eᵢ·½xxᵀ for the objective (1, value) and each inequality, in the structure of its P."""
    functions = (problem.objective, *problem.inequalities)
    pairs = list(zip((1.0, *lam), (value, *e), strict=True))
    square = cross = None
    if any(f.structure in ("dense", "operator") for f in functions):
        square, half = np.multiply.outer(0.5 * x, x), np.multiply.outer(0.5 * w, x)
        cross = half + half.T

    def of(f: Quadratic, weight: float, change: float) -> Any:
        if f.P is None:
            return None
        if sp.issparse(f.P):
            i, j = f.P.tocoo().coords
            entries = -0.5 * weight * (w[i] * x[j] + x[i] * w[j]) + 0.5 * change * x[i] * x[j]
            return sp.csr_array((entries, (i, j)), shape=f.P.shape)
        if isinstance(f.P, FactoredMatrix):
            # d(FᵀF) = dFᵀF + FᵀdF: 2F·(gradient in P), of rank two
            Fx, Fw = f.P.factor @ x, f.P.factor @ w
            in_F = -weight * (np.outer(Fw, x) + np.outer(Fx, w)) + change * np.outer(Fx, x)
            return in_F, -weight * w * x + 0.5 * change * x * x
        assert square is not None
        assert cross is not None
        if weight == 0 and change == 0:
            return np.zeros_like(square)
        return _combined(-weight, cross, change, square)

    gradients = [of(f, weight, change) for f, (weight, change) in zip(functions, pairs, strict=True)]
    return gradients[0], tuple(gradients[1:])


def _combined(a: float, first: np.ndarray, b: float, second: np.ndarray) -> np.ndarray:
    """a·first + b·second, with one pass where one of the two is zero."""
    total = a * first
    if b != 0:
        daxpy(second.reshape(-1), total.reshape(-1), a=b)
    return total


def _outer(matrix: Any, a: np.ndarray, left: np.ndarray, b: np.ndarray, right: np.ndarray) -> Any:
    """a leftᵀ + b rightᵀ, on the pattern of a sparse matrix."""
    if not sp.issparse(matrix):
        return np.outer(a, left) + np.outer(b, right)
    i, j = matrix.tocoo().coords
    return sp.csr_array((a[i] * left[j] + b[i] * right[j], (i, j)), shape=matrix.shape)


def _directions(problem: QCQP, given: dict[str, Any]) -> dict[str, Any]:
    """Changes of all data, zero where omitted, checked."""
    n, quadratics = problem.n, len(problem.inequalities)
    unknown = sorted(set(given) - set(NAMES))
    if unknown:
        raise ProblemError(f"{unknown[0]} is no data of a problem; choose from {', '.join(NAMES)}.")
    shapes = {"P0": (n, n), "q0": (n,), "r0": (), "q": (quadratics, n), "r": (quadratics,), "G": problem.G.shape,
              "h": problem.h.shape, "A": problem.A.shape, "b": problem.b.shape, "lb": (n,), "ub": (n,)}
    found: dict[str, Any] = {}
    for name, shape in shapes.items():
        value: Any = given.get(name)
        if not sp.issparse(value):
            value = np.zeros(shape) if value is None else np.asarray(value, dtype=np.float64)
        if value.shape != shape:
            raise ProblemError(f"{name} has shape {value.shape}; expected {shape}.")
        found[name] = value
    P = given.get("P")
    P = [np.zeros((n, n))] * quadratics if P is None else list(P)
    if len(P) != quadratics or any(np.shape(dP) != (n, n) for dP in P):
        raise ProblemError(f"P must hold {quadratics} matrices of shape ({n}, {n}), one for each quadratic inequality.")
    return {**found, "P": P}
