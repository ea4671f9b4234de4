"""The minimiser of the Lagrangian, by conjugate gradient that gives up in time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..conjugate_gradient import CGRecord, CGResult, CGStatus, conjugate_gradient
from .terms import Terms

# A run of conjugate gradient that has not arrived after so many iterations is used for what it is worth.
LONGEST = 3000


class OutOfTime(Exception):
    """The time limit was reached inside a run of conjugate gradient."""


class Inner:
    """Solves P(λ)c = -r, and remembers the smallest Ritz value that it met."""

    def __init__(self, terms: Terms, deadline: float):
        self.terms, self.deadline = terms, deadline
        self.ritz = np.inf

    def _watch(self, record: CGRecord) -> None:
        if time.perf_counter() > self.deadline:
            raise OutOfTime

    def solve(self, weights: np.ndarray, b: np.ndarray, rtol: float, free: np.ndarray | None = None,
              radius: float | None = None) -> CGResult:
        """P(weights)x = b for one right-hand side or for columns; cut at ‖x‖ = radius if that is given."""
        A = self.terms.curvature(weights, free)
        M: Any = self.terms.preconditioner(weights) if free is None else None
        result = conjugate_gradient(A, b, rtol=max(rtol, 1e-15), maxiter=min(LONGEST, 10 * len(b)), M=M,
                                    radius=radius, callback=self._watch)
        if result.status is CGStatus.NONPOSITIVE_CURVATURE and result.direction is not None:
            for i in self.terms.curved:
                if weights[i] > 0:
                    self.terms.require_convex(i, result.direction)
        if M is None and result.steps.size and result.status is not CGStatus.NONPOSITIVE_CURVATURE:
            # The system's scale is that of the weights; so is the Ritz value's.
            self.ritz = float(result.ritz_values()[0])
        return result
