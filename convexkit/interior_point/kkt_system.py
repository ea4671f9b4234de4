"""The linear system of each iteration, behind one protocol, and its dense backend."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtrs

from .form import Form
from .settings import Settings


class KKTSystem(Protocol):
    """What the iteration asks of a backend; the data and their structure are the backend's own business.

        [ H + Jᵀ diag(w) J   Aᵀ ] [ dx  ]   [ rhs_x ]
        [ A                  0  ] [ dnu ] = [ rhs_y ]      H = Σ weights[k]·P[k],  J = all rows, bounds included
    """

    name: str

    def products(self, x: np.ndarray) -> np.ndarray:
        """(k, n) array of P[k] x."""

    def factor(self, weights: np.ndarray, J: np.ndarray, w: np.ndarray) -> bool:
        """Form and factor the matrix; False if it cannot be factored even with regularization."""

    def solve(self, rhs_x: np.ndarray, rhs_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Solve for (n, j) and (p, j) right-hand sides, refined."""


class DenseCholesky:
    """Normal equations: one n×n Cholesky factor, and a Schur complement for the equalities.

    Memory: two n×n arrays and J's size, taken once. Time of `factor`: n³/3 + (rows)·n² + (k)·n².
    """

    name = "dense Cholesky"

    def __init__(self, form: Form, settings: Settings):
        n = form.n
        self._form, self._settings = form, settings
        self._flat = form.P.reshape(form.P.shape[0], n * n)
        self._tall = form.P.reshape(form.P.shape[0] * n, n)
        self._K = np.zeros((n, n))
        self._scaled_rows = np.empty_like(form.rows)
        self._gram_A = form.A.T @ form.A if form.p else None

    def products(self, x: np.ndarray) -> np.ndarray:  # noqa: D102 - the protocol says it
        return (self._tall @ x).reshape(-1, self._form.n)

    def factor(self, weights: np.ndarray, J: np.ndarray, w: np.ndarray) -> bool:  # noqa: D102
        form, K, n = self._form, self._K, self._form.n
        if weights.size:
            np.dot(weights, self._flat, out=K.reshape(n * n))
        else:
            K.fill(0.0)
        split = J.shape[0]
        if split:
            np.multiply(J, np.sqrt(w[:split])[:, None], out=self._scaled_rows)
            K += self._scaled_rows.T @ self._scaled_rows
        diagonal = np.einsum("ii->i", K)
        middle = split + form.low.size
        if form.low.size:
            diagonal[form.low] += w[split:middle] * form.d_low**2
        if form.high.size:
            diagonal[form.high] += w[middle:] * form.d_high**2
        self._augment = 0.0
        matrix = K
        if self._gram_A is not None:
            # K + rho·AᵀA has the same solutions once rho·Aᵀrhs_y is added on the right, and is definite
            # wherever the problem has a unique step.
            trace = float(np.einsum("ii->i", self._gram_A).sum())
            size = float(diagonal.sum())
            self._augment = (size if size > 0 else 1.0) / trace if trace > 0 else 0.0
            matrix = K + self._augment * self._gram_A
            diagonal = np.einsum("ii->i", matrix)
        largest = float(diagonal.max(initial=0.0))
        if not np.isfinite(largest):
            return False
        # Symmetric Jacobi scaling: the factor has unit diagonal, whatever the units of x.
        self._jacobi = 1.0 / np.sqrt(np.where(diagonal > 1e-300, diagonal, max(largest, 1.0)))
        unit = matrix * self._jacobi[:, None]
        unit *= self._jacobi
        for regularization in (1e-14, 1e-12, 1e-10, 1e-8, 1e-6):
            candidate = unit.copy()
            np.einsum("ii->i", candidate)[:] += regularization * max(1.0, n / 100)
            factor, info = dpotrf(candidate.T, lower=1, clean=0, overwrite_a=1)
            if info == 0:
                break
        else:
            return False
        self._factor = factor
        if form.p:
            # Schur complement S = A K⁻¹ Aᵀ = YᵀY with Y = L⁻¹ D Aᵀ.
            Y, info = dtrtrs(factor, self._jacobi[:, None] * form.A.T, lower=1)
            S = Y.T @ Y
            size = np.einsum("ii->i", S)
            self._schur_jacobi = 1.0 / np.sqrt(np.where(size > 1e-300, size, 1.0))
            S *= self._schur_jacobi[:, None]
            S *= self._schur_jacobi
            # Dependent equalities make S singular; the regularized system, refined, gives one of its solutions.
            np.einsum("ii->i", S)[:] += 1e-12
            self._schur, info = dpotrf(S, lower=1, clean=0, overwrite_a=1)
            if info != 0:
                return False
        return True

    def _solve_once(self, rhs_x: np.ndarray, rhs_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        form, D = self._form, self._jacobi[:, None]
        if not form.p:
            return D * dpotrs(self._factor, D * rhs_x, lower=1)[0], rhs_y
        if self._augment:
            rhs_x = rhs_x + self._augment * (form.A.T @ rhs_y)
        u = D * dpotrs(self._factor, D * rhs_x, lower=1)[0]
        E = self._schur_jacobi[:, None]
        dnu = E * dpotrs(self._schur, E * (form.A @ u - rhs_y), lower=1)[0]
        return u - D * dpotrs(self._factor, D * (form.A.T @ dnu), lower=1)[0], dnu

    def solve(self, rhs_x: np.ndarray, rhs_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # noqa: D102
        form = self._form
        dx, dnu = self._solve_once(rhs_x, rhs_y)
        size = np.abs(rhs_x).max(initial=0.0) + np.abs(rhs_y).max(initial=0.0)
        previous = np.inf
        for _ in range(self._settings.refinements):
            error_x = rhs_x - self._K @ dx
            error_y = rhs_y
            if form.p:
                error_x -= form.A.T @ dnu
                error_y = rhs_y - form.A @ dx
            error = max(np.abs(error_x).max(initial=0.0), np.abs(error_y).max(initial=0.0))
            if error <= self._settings.refine_above * size or not error < 0.5 * previous:
                break
            previous = error
            more_x, more_nu = self._solve_once(error_x, error_y)
            dx = dx + more_x
            dnu = dnu + more_nu
        return dx, dnu
