"""What cvxpy says of a conjugate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def conjugate(f: Callable[[Any], Any], y: Any, constraints: Callable[[Any], list[Any]] | None = None) -> float:
    """sup of yᵀx - f(x), by cvxpy; f takes a cvxpy variable."""
    import cvxpy as cp

    y = np.atleast_1d(np.asarray(y, dtype=float))
    x = cp.Variable(y.size)
    model = cp.Problem(cp.Maximize(y @ x - f(x)), [] if constraints is None else constraints(x))
    model.solve(solver="CLARABEL")
    return float(model.value)
