"""The linear system of each iteration, behind one protocol, with iterative refinement for every backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from .cones import NesterovTodd
from .form import Form
from .settings import Settings

# Relative residual at which refinement stops where a rough solution will do.
ROUGH = 1e-6


class KKTSystem(ABC):
    """What the iteration asks of a backend; the data and their structure are the backend's own business.

        [ H   Jᵀ   Aᵀ ] [ dx   ]   [ rhs_x ]
        [ J  -W²   0  ] [ dlam ] = [ rhs_z ]      H = c·P₀ + Σ weightsᵢ·Pᵢ,  J = all rows, bounds included
        [ A   0    0  ] [ dnu  ]   [ rhs_y ]

    `J` holds the rows without those of the bounds, as the form lays them out; the iteration overwrites the curved ones
    before it calls `factor`.
    """

    name: str
    rough = False  # set by the iteration while a few digits will do, as for the predictor
    turns = 1  # how often a predictor may be corrected, by what a solution costs beside the factorization

    def __init__(self, form: Form, settings: Settings):
        self.form, self.settings = form, settings
        self.J = form.rows.copy()

    @abstractmethod
    def factor(self, c: float, weights: np.ndarray, scaling: NesterovTodd) -> bool:
        """Form and factor the matrix; False if it cannot be factored even with regularization."""

    @abstractmethod
    def solve(self, rhs_x: np.ndarray, rhs_z: np.ndarray, rhs_y: np.ndarray
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Solve for (n,), (m,) and (p,) right-hand sides, refined."""


class NormalEquations(KKTSystem):
    """A backend that eliminates dlam and factors H + JᵀW⁻²J, n×n."""

    scaling: NesterovTodd

    @abstractmethod
    def _once(self, rhs_x: np.ndarray, rhs_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A solution as good as the factors give it."""

    @abstractmethod
    def _product(self, dx: np.ndarray) -> np.ndarray:
        """(H + JᵀW⁻²J)·dx, of the matrix without regularization."""

    def solve(self, rhs_x: np.ndarray, rhs_z: np.ndarray, rhs_y: np.ndarray
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        form, scaling = self.form, self.scaling
        weighted = scaling.inverse_square(rhs_z)
        dx, dnu = self._refined(rhs_x + form.transposed(self.J, weighted), rhs_y)
        return dx, scaling.inverse_square(form.times(self.J, dx)) - weighted, dnu

    def _refined(self, rhs_x: np.ndarray, rhs_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Refine until the residual is rounding, or no longer halves."""
        A, p = self.form.A, self.form.p
        dx, dnu = self._once(rhs_x, rhs_y)
        size = np.abs(rhs_x).max(initial=0.0) + np.abs(rhs_y).max(initial=0.0)
        previous = np.inf
        for _ in range(self.settings.refinements):
            error_x = rhs_x - self._product(dx)
            error_y = rhs_y
            if p:
                error_x -= A.T @ dnu
                error_y = rhs_y - A @ dx
            error = max(np.abs(error_x).max(initial=0.0), np.abs(error_y).max(initial=0.0))
            if error <= (ROUGH if self.rough else self.settings.refine_above) * size or not error < 0.5 * previous:
                break
            previous = error
            more_x, more_nu = self._once(error_x, error_y)
            dx = dx + more_x
            dnu = dnu + more_nu
        return dx, dnu


def jacobi_scale(diagonal: np.ndarray) -> np.ndarray:
    """1/√diagonal, entries that vanish replaced by the largest one."""
    largest = float(diagonal.max(initial=0.0))
    return 1.0 / np.sqrt(np.where(diagonal > 1e-300, diagonal, max(largest, 1.0)))


def add_bounds(form: Form, w: Any, diagonal: np.ndarray) -> None:
    """Add the bounds' part of JᵀW⁻²J to a diagonal, in place."""
    split = form.rows.shape[0]
    middle = split + form.low.size
    if form.low.size:
        diagonal[form.low] += w[split:middle] * form.d_low**2
    if form.high.size:
        diagonal[form.high] += w[middle:] * form.d_high**2
