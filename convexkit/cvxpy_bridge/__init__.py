"""From cvxpy to a native `QCQP` and back: the only place that knows cvxpy. There are two doors.

`from_cvxpy` reads the problem as the user wrote it. cvxpy's own route to a solver rewrites quadratic constraints
as second-order cones, with lifted variables; here they stay quadratics, with P taken as the user gave it.
Piecewise-linear atoms (abs, max, norm1, norm_inf, sum_largest, ...), norms and other atoms of second-order
cones go through cvxpy's own epigraph rewriting. Three steps: `lowering` turns every expression into an affine one,
with a placeholder variable for each square; `squares` knows what the placeholders stand for; `bridge` reads off
coefficients.

`CONVEXKIT`, in `conic_solver`, is a solver for cvxpy's own `solve`, and gets the problem as cvxpy rewrote it.

Both sort their rows into bounds and G, and find the multipliers again, by `rows`.
"""

from __future__ import annotations

from ..errors import MissingDependencyError

try:
    import cvxpy as _cvxpy  # noqa: F401
except ImportError as error:  # pragma: no cover - depends on the environment
    raise MissingDependencyError("cvxpy is not installed; install it with: pip install 'convexkit[cvxpy]'") from error

from .bridge import Bridge, from_cvxpy
from .conic_solver import CONVEXKIT
from .schur import SchurDual, schur_dual
from .shor import ShorBound, shor_bound

__all__ = ["CONVEXKIT", "Bridge", "SchurDual", "ShorBound", "from_cvxpy", "schur_dual", "shor_bound"]
