"""A strictly feasible point for a derivation: one that the user knows, or one that is looked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..alternatives import SlaterResult, slater
from ..problem import QCQP
from ..validation import as_vector


def strictly_feasible(problem: QCQP, known: Any = None) -> SlaterResult:
    """`slater`, unless `known`, a point that is said to be strictly feasible, is."""
    if known is not None:
        x = as_vector("slater", known, problem.n)
        off = float(np.abs(problem.equality_values(x)).max(initial=0.0))
        slacks = (-problem.inequality_values(x), -problem.cone_values(x), x - problem.lb, problem.ub - x)
        margin = float(min(part.min(initial=np.inf) for part in slacks))
        if margin > 0 and off <= 1e-9 * (1.0 + float(np.abs(problem.b).max(initial=0.0))):
            return SlaterResult(True, True, x, margin, (), (), "the point that was given is inside every row.")
    return slater(problem)
