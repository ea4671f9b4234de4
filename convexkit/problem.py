"""The problem that convexkit solves, and short ways to write its special cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .errors import ProblemError
from .quadratic import Quadratic
from .validation import as_bound, as_matrix, as_real_array, as_vector


def _members(name: str, values: Any, kind: type, n: int) -> tuple:
    """`values` as a tuple of `kind`, each with n variables."""
    if not isinstance(values, Iterable):
        raise ProblemError(f"{name} must be a sequence of {kind.__name__}; got {type(values).__name__}.")
    values = tuple(values)
    for i, f in enumerate(values):
        if not isinstance(f, kind):
            raise ProblemError(f"{name}[{i}] must be a {kind.__name__}; got {type(f).__name__}.")
        if f.n != n:  # type: ignore[attr-defined]
            raise ProblemError(f"{name}[{i}] has {f.n} variables; the objective has {n}.")  # type: ignore[attr-defined]
    return values


def _rows(matrix_name: str, matrix: Any, vector_name: str, vector: Any, n: int) -> tuple[Any, np.ndarray]:
    """A pair such as (G, h), checked together; (0, n) and (0,) if both are None."""
    if matrix is None and vector is None:
        return np.zeros((0, n)), np.zeros(0)
    if matrix is None or vector is None:
        given, missing = (vector_name, matrix_name) if matrix is None else (matrix_name, vector_name)
        raise ProblemError(f"{given} was given without {missing}; they go together.")
    if (type(matrix) is type(vector) is np.ndarray and matrix.shape == (0, n) and vector.shape == (0,)
            and matrix.dtype == vector.dtype == np.float64):
        return matrix, vector
    matrix = as_matrix(matrix_name, matrix, n)
    vector = as_real_array(vector_name, vector, finite=vector_name == "b").astype(np.float64, copy=False)
    vector = as_vector(vector_name, vector, matrix.shape[0], finite=vector_name == "b")
    return matrix, vector


class SecondOrderCone:
    """The constraint ‖Ax + b‖₂ ≤ cᵀx + d.

    Its multiplier is a vector (z₀, z) of length k + 1 in the same cone, ‖z‖ ≤ z₀, and enters the Lagrangian as
    -z₀(cᵀx + d) - zᵀ(Ax + b).

    Parameters
    ----------
    A : (k, n) array or sparse, k ≥ 1
    b : (k,) array, optional; zero if omitted
    c : (n,) array, optional; zero if omitted
    d : float

    Raises
    ------
    ProblemError
        For shapes that do not fit, NaN or inf; the message names the argument.

    Notes
    -----
    A ball ‖x - a‖ ≤ r is cheaper as a `Quadratic`: ½‖x‖² - aᵀx + ½(‖a‖² - r²) ≤ 0. A cone with c ≠ 0 is not one
    quadratic inequality. Boyd & Vandenberghe, section 4.4.2.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> cone = ck.SecondOrderCone(np.eye(2), c=[0.0, 1.0], d=2.0)              # ‖x‖ ≤ x₂ + 2
    >>> round(cone.value([3.0, 1.0]), 6)                                       # √10 - 3
    0.162278
    >>> ck.solve(ck.QCQP(ck.Quadratic(None, [1.0, 2.0]), cones=[cone])).x.round(3)
    array([-1.  , -0.75])
    """

    __slots__ = ("A", "b", "c", "d")

    def __init__(self, A: Any, b: Any = None, c: Any = None, d: Any = 0.0):
        self.A = as_matrix("A", A)
        k, n = self.A.shape
        if k == 0 or n == 0:
            raise ProblemError(f"A has shape {self.A.shape}; a cone needs at least one row and one variable. "
                               "0 ≤ cᵀx + d is a row of G.")
        self.b = np.zeros(k) if b is None else as_vector("b", b, k)
        self.c = np.zeros(n) if c is None else as_vector("c", c, n)
        constant = as_vector("d", d)
        if constant.size != 1:
            raise ProblemError(f"d must be a number; it has length {constant.size}.")
        self.d = float(constant[0])

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.A.shape[1]

    @property
    def size(self) -> int:
        """k + 1, the length of its multiplier."""
        return self.A.shape[0] + 1

    def slack(self, x: Any) -> np.ndarray:
        """(k + 1,) array (cᵀx + d, Ax + b), which the constraint wants in the cone."""
        x = as_vector("x", x, self.n)
        return np.concatenate(([self.c @ x + self.d], self.A @ x + self.b))

    def value(self, x: Any) -> float:
        """‖Ax + b‖ - (cᵀx + d); feasible where ≤ 0."""
        s = self.slack(x)
        return float(np.linalg.norm(s[1:]) - s[0])

    def __repr__(self) -> str:
        return f"SecondOrderCone({self.size - 1} rows, n={self.n})"


class QCQP:
    """A quadratically constrained quadratic problem.

        minimise    f₀(x)
        subject to  fᵢ(x) ≤ 0,   Gx ≤ h,   Ax = b,   lb ≤ x ≤ ub,   ‖Aₖx + bₖ‖ ≤ cₖᵀx + dₖ

    with every f a `Quadratic` ½xᵀPx + qᵀx + r. Multipliers are ordered as the rows are: `lam` holds the
    quadratic inequalities first and then the rows of G, `nu` the rows of A, `lam_lb` and `lam_ub` the bounds,
    and `lam_cones` one vector for each second-order cone.

    Parameters
    ----------
    objective : Quadratic
    inequalities : sequence of Quadratic
    G, h : (k, n) array or sparse, (k,) array; +inf in h switches a row off
    A, b : (p, n) array or sparse, (p,) array
    lb, ub : (n,) arrays or numbers, ±inf where a variable has no bound
    cones : sequence of SecondOrderCone

    Raises
    ------
    ProblemError
        For shapes that do not fit, NaN, or crossed bounds; the message names the argument.

    Notes
    -----
    Convexity is checked by `solve`, not here: Lagrangians and bounds make sense without it. Data are
    referred to, not copied, where they are float64 already, and never modified.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> disc = ck.Quadratic(2 * np.eye(2), np.zeros(2), -1.0)          # x₁² + x₂² ≤ 1
    >>> problem = ck.QCQP(ck.Quadratic(None, [1.0, 1.0]), [disc], lb=-0.5)
    >>> problem
    QCQP(n=2, 1 quadratic + 0 linear inequalities, 0 equalities, 2 bounds)
    >>> ck.solve(problem).x.round(6)
    array([-0.5, -0.5])
    """

    __slots__ = ("A", "G", "b", "cones", "h", "inequalities", "lb", "objective", "ub")

    def __init__(self, objective: Quadratic, inequalities: Sequence[Quadratic] = (), *, G: Any = None, h: Any = None,
                 A: Any = None, b: Any = None, lb: Any = None, ub: Any = None,
                 cones: Sequence[SecondOrderCone] = ()):
        if not isinstance(objective, Quadratic):
            raise ProblemError(f"objective must be a Quadratic; got {type(objective).__name__}.")
        if isinstance(inequalities, Quadratic):
            raise ProblemError("inequalities must be a sequence; write [f] for a single constraint.")
        n = objective.n
        if n == 0:
            raise ProblemError("objective has no variables; a problem needs at least one.")
        if isinstance(cones, SecondOrderCone):
            raise ProblemError("cones must be a sequence; write [cone] for a single one.")
        self.objective = objective
        self.inequalities = _members("inequalities", inequalities, Quadratic, n)
        self.cones = _members("cones", cones, SecondOrderCone, n)
        self.G, self.h = _rows("G", G, "h", h, n)
        if self.h.size and not (self.h > -np.inf).all():
            where = int(np.argmax(np.isnan(self.h) | (self.h == -np.inf)))
            raise ProblemError(f"h[{where}] = {self.h[where]}; a right-hand side is a number, or +inf for no limit.")
        self.A, self.b = _rows("A", A, "b", b, n)
        self.lb = as_bound("lb", lb, n, -np.inf)
        self.ub = as_bound("ub", ub, n, np.inf)
        crossed = self.lb > self.ub
        if crossed.any():
            j = int(np.argmax(crossed))
            raise ProblemError(f"lb[{j}] = {self.lb[j]:g} exceeds ub[{j}] = {self.ub[j]:g}; bounds are crossed at "
                               f"{int(crossed.sum())} of {n} variables.")

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.objective.n

    @property
    def m(self) -> int:
        """Number of inequalities with an entry in `lam`: quadratics, then rows of G."""
        return len(self.inequalities) + self.h.size

    @property
    def p(self) -> int:
        """Number of equalities."""
        return self.b.size

    def inequality_values(self, x: np.ndarray) -> np.ndarray:
        """(m,) array of fᵢ(x), then Gx - h; feasible where ≤ 0. Rows with h = +inf read -inf."""
        x = as_vector("x", x, self.n)
        return np.concatenate(([f(x) for f in self.inequalities], self.G @ x - self.h))

    def equality_values(self, x: np.ndarray) -> np.ndarray:
        """(p,) array Ax - b."""
        return self.A @ as_vector("x", x, self.n) - self.b

    def feasibility_problem(self) -> QCQP:
        """The same constraints with the objective 0: any feasible point is optimal."""
        return QCQP(Quadratic(None, np.zeros(self.n)), self.inequalities, G=self.G, h=self.h, A=self.A, b=self.b,
                    lb=self.lb, ub=self.ub, cones=self.cones)

    def cone_values(self, x: np.ndarray) -> np.ndarray:
        """One number for each cone, ‖Aₖx + bₖ‖ - (cₖᵀx + dₖ); feasible where ≤ 0."""
        x = as_vector("x", x, self.n)
        return np.array([cone.value(x) for cone in self.cones])

    def __repr__(self) -> str:
        bounds = int(np.isfinite(self.lb).sum() + np.isfinite(self.ub).sum())
        cones = f", {len(self.cones)} cones" if self.cones else ""
        return (f"QCQP(n={self.n}, {len(self.inequalities)} quadratic + {self.h.size} linear inequalities, "
                f"{self.p} equalities, {bounds} bounds{cones})")


def lp(c: Any, G: Any = None, h: Any = None, A: Any = None, b: Any = None, *, lb: Any = None,
       ub: Any = None) -> QCQP:
    """The linear program: minimise cᵀx subject to Gx ≤ h, Ax = b, lb ≤ x ≤ ub.

    Examples
    --------
    >>> import convexkit as ck
    >>> problem = ck.lp([-4.0, -3.0], G=[[1.0, 1.0], [2.0, 1.0]], h=[10.0, 15.0], lb=0.0)
    >>> ck.solve(problem).x.round(6)
    array([5., 5.])
    """
    return QCQP(Quadratic(None, as_vector("c", c)), G=G, h=h, A=A, b=b, lb=lb, ub=ub)


def qp(P: Any, q: Any, G: Any = None, h: Any = None, A: Any = None, b: Any = None, *, lb: Any = None,
       ub: Any = None, r: float = 0.0) -> QCQP:
    """The quadratic program: minimise ½xᵀPx + qᵀx + r subject to Gx ≤ h, Ax = b, lb ≤ x ≤ ub.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> problem = ck.qp(np.eye(2), [-1.0, -2.0], A=[[1.0, 1.0]], b=[2.0])
    >>> ck.solve(problem).x.round(6)
    array([0.5, 1.5])
    """
    return QCQP(Quadratic(P, q, r), G=G, h=h, A=A, b=b, lb=lb, ub=ub)


def socp(c: Any, cones: Sequence[SecondOrderCone], G: Any = None, h: Any = None, A: Any = None, b: Any = None, *,
         lb: Any = None, ub: Any = None) -> QCQP:
    """The second-order cone program: minimise cᵀx subject to ‖Aₖx + bₖ‖ ≤ cₖᵀx + dₖ and linear rows as in `lp`.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> ball = ck.SecondOrderCone(np.eye(2), d=1.0)
    >>> ck.solve(ck.socp([3.0, 4.0], [ball])).x.round(6)
    array([-0.6, -0.8])
    """
    return QCQP(Quadratic(None, as_vector("c", c)), G=G, h=h, A=A, b=b, lb=lb, ub=ub, cones=cones)
