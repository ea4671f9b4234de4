"""A convex set: the points that satisfy constraints, or an affine image of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ProblemError
from ..problem import QCQP, SecondOrderCone
from ..quadratic import Quadratic
from ..validation import as_bound, as_count, as_matrix, as_real_array, as_vector, dense, in_range
from .closed_forms import (
    AffineForm,
    BallForm,
    BoxForm,
    CrossPolytopeForm,
    EllipsoidForm,
    Form,
    GeneratedConeForm,
    HalfspaceForm,
    HullForm,
    MonotoneForm,
    QuadraticForm,
    SecondOrderConeForm,
    SimplexForm,
)


class ConvexSet:
    """The points that satisfy the constraints of a QCQP, or an affine image of them.

        C = {Mz + c : fᵢ(z) ≤ 0,  Gz ≤ h,  Az = b,  lb ≤ z ≤ ub,  ‖Aₖz + bₖ‖ ≤ cₖᵀz + dₖ}

    M is the identity and c zero for a set stated by its constraints. Ellipsoids, ℓ₁ balls, convex hulls and generated
    cones are images of simpler sets; `image` makes others. Wherever a set is expected, a `QCQP` (its constraints), a
    `Quadratic` (where it is ≤ 0) and a `SecondOrderCone` will do.

    Parameters
    ----------
    inequalities, G, h, A, b, lb, ub, cones : as for `QCQP`
    n : int, optional, the number of variables where nothing else tells it

    Attributes
    ----------
    n : int, dimension of the space that the set lies in
    constraints : QCQP with objective zero, in z
    matrix, offset : M and c; None where M is the identity and c is zero

    Raises
    ------
    ProblemError
        For shapes that do not fit, NaN, crossed bounds; the message names the argument.

    Notes
    -----
    Boyd & Vandenberghe, chapter 2. Sets with a closed form (halfspaces, affine sets, boxes, balls, ellipsoids, one
    quadratic, the second-order cone, simplex, ℓ₁ ball, monotone cone, hulls and generated cones) are projected on
    without the solver.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> wedge = ck.ConvexSet(G=[[1.0, 1.0]], h=[1.0], lb=0.0)
    >>> wedge
    ConvexSet(n=2, constraints)
    >>> wedge.contains([0.5, 0.2]), wedge.contains([1.0, 0.2])
    (True, False)
    >>> ck.project([1.0, 1.0], wedge).x.round(6)
    array([0.5, 0.5])
    """

    __slots__ = ("constraints", "form", "kind", "matrix", "offset")

    def __init__(self, inequalities: Sequence[Quadratic] = (), *, G: Any = None, h: Any = None, A: Any = None,
                 b: Any = None, lb: Any = None, ub: Any = None, cones: Sequence[SecondOrderCone] = (),
                 n: int | None = None):
        if isinstance(inequalities, Quadratic):
            raise ProblemError("inequalities must be a sequence; write [f] for a single constraint.")
        if isinstance(cones, SecondOrderCone):
            raise ProblemError("cones must be a sequence; write [cone] for a single one.")
        size = _dimension(inequalities, cones, G, A, lb, ub) if n is None else as_count("n", n, minimum=1)
        problem = QCQP(Quadratic(None, np.zeros(size)), inequalities, G=G, h=h, A=A, b=b, lb=lb, ub=ub, cones=cones)
        self._set(problem, "constraints", recognised(problem))

    def _set(self, problem: QCQP, kind: str, form: Form, matrix: np.ndarray | None = None,
             offset: np.ndarray | None = None) -> ConvexSet:
        self.constraints, self.kind, self.form = problem, kind, form
        self.matrix, self.offset = matrix, offset
        return self

    @classmethod
    def _of(cls, kind: str, form: Form, k: int, *, matrix: np.ndarray | None = None, offset: np.ndarray | None = None,
            inequalities: Sequence[Quadratic] = (), **rows: Any) -> ConvexSet:
        problem = QCQP(Quadratic(None, np.zeros(k)), inequalities, **rows)
        return cls.__new__(cls)._set(problem, kind, form, matrix, offset)

    @classmethod
    def of(cls, problem: QCQP) -> ConvexSet:
        """The feasible set of a problem."""
        if not isinstance(problem, QCQP):
            raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
        feasible = problem.feasibility_problem()
        return cls.__new__(cls)._set(feasible, "constraints", recognised(feasible))

    @classmethod
    def halfspace(cls, a: Any, b: float) -> ConvexSet:
        """{x : aᵀx ≤ b}."""
        a, b = _normal(a), _number("b", b)
        return cls._of("halfspace", HalfspaceForm(a, b), a.size, G=a[None], h=[b])

    @classmethod
    def hyperplane(cls, a: Any, b: float) -> ConvexSet:
        """{x : aᵀx = b}."""
        a, b = _normal(a), _number("b", b)
        return cls._of("hyperplane", AffineForm(a[None], np.array([b])), a.size, A=a[None], b=[b])

    @classmethod
    def box(cls, lb: Any, ub: Any) -> ConvexSet:
        """{x : lb ≤ x ≤ ub}; infinite entries for no bound. One of them may be a number."""
        sizes = [np.size(v) for v in (lb, ub) if v is not None and np.ndim(v) > 0]
        n = sizes[0] if sizes else 1
        lb, ub = as_bound("lb", lb, n, -np.inf), as_bound("ub", ub, n, np.inf)
        return cls._of("box", BoxForm(lb, ub), n, lb=lb, ub=ub)

    @classmethod
    def ball(cls, centre: Any, radius: float) -> ConvexSet:
        """{x : ‖x - centre‖ ≤ radius}; a single point for radius 0."""
        centre = as_vector("centre", centre)
        radius = in_range("radius", radius, 0.0, np.inf, low_open=False)
        if radius == 0.0:
            return cls._of("point", BoxForm(centre, centre), centre.size, lb=centre, ub=centre)
        f = Quadratic(np.eye(centre.size), -centre, 0.5 * (float(centre @ centre) - radius**2))
        return cls._of("ball", BallForm(centre, radius), centre.size, inequalities=[f])

    @classmethod
    def ellipsoid(cls, centre: Any, B: Any) -> ConvexSet:
        """{centre + Bu : ‖u‖ ≤ 1}. B has n rows and may be singular: a flat set. A vector holds semi-axes."""
        centre, B = as_vector("centre", centre), as_real_array("B", B).astype(np.float64)
        B = as_matrix("B", np.diag(B) if B.ndim == 1 else B)
        _has_rows("B", B, centre.size, "centre")
        k = B.shape[1]
        return cls._of("ellipsoid", EllipsoidForm(B, centre), k, matrix=B, offset=centre,
                       inequalities=[Quadratic(np.eye(k), None, -0.5)])

    @classmethod
    def second_order_cone(cls, n: int) -> ConvexSet:
        """{(x, t) : ‖x‖ ≤ t} in n dimensions, t being the last of them."""
        n = as_count("n", n, minimum=2)
        rows = np.eye(n)
        return cls._of("second-order cone", SecondOrderConeForm(), n, cones=[SecondOrderCone(rows[:-1], c=rows[-1])])

    @classmethod
    def simplex(cls, n: int, total: float = 1.0) -> ConvexSet:
        """{x : x ≥ 0, 1ᵀx = total}."""
        n, total = as_count("n", n, minimum=1), in_range("total", total, 0.0, np.inf)
        return cls._of("simplex", SimplexForm(total), n, lb=0.0, A=np.ones((1, n)), b=[total])

    @classmethod
    def l1_ball(cls, centre: Any, radius: float) -> ConvexSet:
        """{x : ‖x - centre‖₁ ≤ radius}."""
        centre, radius = as_vector("centre", centre), in_range("radius", radius, 0.0, np.inf)
        n = centre.size
        return cls._of("l1 ball", CrossPolytopeForm(centre, radius), 2 * n, matrix=np.hstack([np.eye(n), -np.eye(n)]),
                       offset=centre, lb=0.0, G=np.ones((1, 2 * n)), h=[radius])

    @classmethod
    def monotone_cone(cls, n: int) -> ConvexSet:
        """{x : x₁ ≥ x₂ ≥ … ≥ xₙ ≥ 0}."""
        n = as_count("n", n, minimum=1)
        return cls._of("monotone cone", MonotoneForm(), n, G=_descents(n), h=np.zeros(n))

    @classmethod
    def convex_hull(cls, points: Any) -> ConvexSet:
        """The convex hull of points, one a row: {Vᵀz : z ≥ 0, 1ᵀz = 1}."""
        V = dense(as_matrix("points", points))
        if V.size == 0:
            raise ProblemError(f"points has shape {V.shape}; a hull needs at least one point, one a row.")
        return cls._of("convex hull", HullForm(V), len(V), matrix=V.T, offset=np.zeros(V.shape[1]), lb=0.0,
                       A=np.ones((1, len(V))), b=[1.0])

    @classmethod
    def generated_cone(cls, A: Any) -> ConvexSet:
        """{Az : z ≥ 0}, the cone that the columns of A generate."""
        A = dense(as_matrix("A", A))
        if A.size == 0:
            raise ProblemError(f"A has shape {A.shape}; a generated cone needs at least one column.")
        return cls._of("generated cone", GeneratedConeForm(A), A.shape[1], matrix=A, offset=np.zeros(len(A)), lb=0.0)

    @property
    def n(self) -> int:
        """Dimension of the space that the set lies in."""
        return self.constraints.n if self.matrix is None else self.matrix.shape[0]

    def image(self, matrix: Any, offset: Any = None) -> ConvexSet:
        """{matrix·x + offset : x in this set}."""
        M = dense(as_matrix("matrix", matrix, self.n))
        offset = np.zeros(len(M)) if offset is None else as_vector("offset", offset, len(M))
        if self.matrix is not None and self.offset is not None:
            M, offset = M @ self.matrix, M @ self.offset + offset
        form = _OfImage(self.form)
        return ConvexSet.__new__(ConvexSet)._set(self.constraints, f"image of {self.kind}", form, M, offset)

    def point(self, z: np.ndarray) -> np.ndarray:
        """Mz + c."""
        return z if self.matrix is None or self.offset is None else self.matrix @ z + self.offset

    def contains(self, x: Any, tol: float = 1e-8) -> bool:
        """Whether x is in the set, up to tol: of the terms of each constraint, or of |x| for the distance to an image.

        Whatever the solver cannot decide counts as not contained.
        """
        from .projection import project, violation

        x = as_vector("x", x, self.n)
        if self.matrix is None:
            return violation(self.constraints, x) <= tol
        found = project(x, self)
        return bool(found.distance <= tol * max(1.0, float(abs(x).max(initial=0.0))))

    def __repr__(self) -> str:
        return f"ConvexSet(n={self.n}, {self.kind})"


class _OfImage(Form):
    """The support function of an image is that of what it is an image of; nearest points are not."""

    def __init__(self, form: Form):
        self.form = form

    def support(self, y: np.ndarray) -> Any:
        return self.form.support(y)


def as_set(name: str, value: Any) -> ConvexSet:
    """A set, or what stands for one: the constraints of a QCQP, a Quadratic ≤ 0, a SecondOrderCone."""
    if isinstance(value, ConvexSet):
        return value
    if isinstance(value, QCQP):
        return ConvexSet.of(value)
    if isinstance(value, Quadratic):
        return ConvexSet([value])
    if isinstance(value, SecondOrderCone):
        return ConvexSet(cones=[value])
    raise ProblemError(f"{name} must be a ConvexSet, or a QCQP, Quadratic or SecondOrderCone that states one; got "
                       f"{type(value).__name__}.")


def recognised(problem: QCQP) -> Form:
    """The closed form of constraints of one kind only."""
    bounds = np.isfinite(problem.lb).any() or np.isfinite(problem.ub).any()
    kinds = (len(problem.inequalities), problem.h.size, problem.p, int(bounds), len(problem.cones))
    if kinds == (1, 0, 0, 0, 0):
        f = problem.inequalities[0]
        if not f.is_affine:
            return QuadraticForm(f)
        return HalfspaceForm(f.q, -f.r) if f.q.any() else Form()
    if kinds == (0, 1, 0, 0, 0) and np.isfinite(problem.h[0]):
        row = dense(problem.G)[0]
        return HalfspaceForm(row, float(problem.h[0])) if row.any() else Form()
    if kinds[0] == kinds[1] == kinds[3] == kinds[4] == 0 and kinds[2] > 0:
        return AffineForm(dense(problem.A), problem.b)
    if kinds[:3] == (0, 0, 0) and kinds[4] == 0:
        return BoxForm(problem.lb, problem.ub)
    return Form()


def _descents(n: int) -> np.ndarray:
    """Rows x₂ - x₁, …, xₙ - xₙ₋₁, -xₙ."""
    G = np.zeros((n, n))
    G[np.arange(n), np.arange(n)] = -1.0
    G[np.arange(n - 1), np.arange(1, n)] = 1.0
    return G


def _dimension(inequalities: Any, cones: Any, G: Any, A: Any, lb: Any, ub: Any) -> int:
    """The number of variables, from the first argument that tells it."""
    for members in (inequalities, cones):
        for member in members:
            if hasattr(member, "n"):
                return int(member.n)
    for matrix in (G, A):
        if matrix is not None:
            shape = matrix.shape if hasattr(matrix, "shape") else as_real_array("G or A", matrix).shape
            if shape:
                return int(shape[-1])
    for bound in (lb, ub):
        if bound is not None and np.ndim(bound) > 0:
            return int(np.size(bound))
    raise ProblemError("n is missing: nothing that was given tells how many variables there are.")


def _normal(a: Any) -> np.ndarray:
    a = as_vector("a", a)
    if not a.any():
        raise ProblemError("a is zero; a halfspace or hyperplane needs a normal.")
    return a


def _number(name: str, value: Any) -> float:
    array = as_vector(name, value)
    if array.size != 1:
        raise ProblemError(f"{name} must be a number; it has length {array.size}.")
    return float(array[0])


def _has_rows(name: str, matrix: np.ndarray, n: int, other: str) -> None:
    if matrix.shape[0] != n:
        raise ProblemError(f"{name} has shape {matrix.shape}; expected {n} rows, one for each entry of {other}.")
