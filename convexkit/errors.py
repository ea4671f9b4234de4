"""What convexkit raises: only for a caller's mistake, never for a problem's nature.

An infeasible or unbounded problem is an answer and comes back as a `Status`.
"""

from __future__ import annotations


class ConvexkitError(Exception):
    """Base class of everything that convexkit raises on purpose.

    >>> import convexkit as ck
    >>> issubclass(ck.ProblemError, ck.ConvexkitError)
    True
    """


class ProblemError(ConvexkitError, ValueError):
    """Data that state no problem: a wrong shape, NaN, crossed bounds, an option out of range.

    >>> import convexkit as ck
    >>> ck.Quadratic([[1.0, 0.0]])
    Traceback (most recent call last):
        ...
    convexkit.errors.ProblemError: P must be a square matrix; it has shape (1, 2).
    """


class NotConvexError(ProblemError):
    """A quadratic that has to be convex is not; names the row and its smallest eigenvalue.

    >>> import convexkit as ck
    >>> ck.solve(ck.QCQP(ck.Quadratic([[-1.0]])))
    Traceback (most recent call last):
        ...
    convexkit.errors.NotConvexError: objective.P is not positive semidefinite: smallest eigenvalue -1.0e+00. \
A convex solver needs P ⪰ 0; for one quadratic constraint see trust_region_step.
    """


class NotSolvedError(ConvexkitError, RuntimeError):
    """`Solution.require_optimal` was called on a solution that is not optimal; says why it is not.

    >>> import convexkit as ck
    >>> round(ck.solve(ck.lp([1.0], lb=2.0, ub=3.0)).require_optimal().value, 6)
    2.0
    >>> ck.solve(ck.lp([1.0], ub=3.0)).require_optimal()
    Traceback (most recent call last):
        ...
    convexkit.errors.NotSolvedError: unbounded: the objective falls without end ...
    """


class NotDifferentiableError(ConvexkitError, RuntimeError):
    """A solution has no derivative in the data where it was asked for one; says which rows are to blame.

    >>> import convexkit as ck
    >>> kink = ck.qp([[1.0]], [0.0], lb=0.0)                       # x = max(-q, 0) at q = 0
    >>> ck.solution_derivatives(kink, ck.solve(kink)).require_regular()
    Traceback (most recent call last):
        ...
    convexkit.errors.NotDifferentiableError: lb[0] holds with equality and a multiplier of zero: ...
    """


class FormatError(ConvexkitError, ValueError):
    """A file that cannot be read as a problem; names the file and the key.

    >>> import convexkit as ck
    >>> ck.read_problem("missing.npz")
    Traceback (most recent call last):
        ...
    convexkit.errors.FormatError: missing.npz: no such file.
    """


class MissingDependencyError(ConvexkitError, ImportError):
    """An optional package is not installed; names the extra that brings it.

    >>> import convexkit as ck
    >>> issubclass(ck.MissingDependencyError, ImportError)
    True
    """
