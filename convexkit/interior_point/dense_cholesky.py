"""The dense backend: normal equations and one n×n Cholesky factor."""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import daxpy, dsymv, dsyrk
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtrs

from ..quadratic import CONVEXITY_TOLERANCE, frobenius
from .cones import NesterovTodd
from .form import Form
from .kkt_system import NormalEquations, add_bounds, jacobi_scale
from .settings import Settings
from .threads import all_threads


class DenseCholesky(NormalEquations):
    """One n×n Cholesky factor, and a Schur complement for the equalities.

    Memory: two n×n arrays and J's size, taken once. Time of `factor`: n³/3 + (rows)·n² + one pass over the P's. Only
    the upper triangle of K is meant, which BLAS, to which the arrays are transposed, calls the lower one: that one
    OpenBLAS factors faster, by a quarter at n = 500.
    """

    name = "dense Cholesky"

    def __init__(self, form: Form, settings: Settings):
        super().__init__(form, settings)
        n = form.n
        self._K = np.zeros((n, n))
        self._factor = np.zeros((n, n))
        self._scaled_rows = np.empty_like(form.rows)
        self._gram_A = np.ascontiguousarray(form.A.T @ form.A) if form.p else None

    def factor(self, c: float, weights: np.ndarray, scaling: NesterovTodd) -> bool:
        self.scaling = scaling
        form, K, n = self.form, self._K, self.form.n
        form.curvature.weighted(c, weights, K)  # type: ignore[attr-defined]
        if self.J.shape[0]:
            scaling.scale_rows(self.J, self._scaled_rows)
            with all_threads(n):
                dsyrk(1.0, self._scaled_rows.T, beta=1.0, c=K.T, lower=1, overwrite_c=1)
        diagonal = np.einsum("ii->i", K)
        add_bounds(form, scaling.w, diagonal)
        size = float(diagonal.sum())
        if not np.isfinite(size):
            return False
        self._augment = 0.0
        if self._gram_A is not None:
            # K + rho·AᵀA has the same solutions once rho·Aᵀrhs_y is added on the right, and is definite
            # wherever the problem has a unique step.
            trace = float(np.einsum("ii->i", self._gram_A).sum())
            self._augment = (size if size > 0 else 1.0) / trace if trace > 0 else 0.0
        matrix, on_diagonal = self._factor, np.einsum("ii->i", self._factor)
        for regularization in (1e-14, 1e-12, 1e-10, 1e-8, 1e-6):
            np.copyto(matrix, K)
            if self._gram_A is not None:
                daxpy(self._gram_A.reshape(-1), matrix.reshape(-1), a=self._augment)
            # Relative to each diagonal entry, as if the matrix had been scaled to a unit diagonal: Cholesky's method
            # commutes with a scaling.
            on_diagonal += regularization * max(1.0, n / 100) * jacobi_scale(on_diagonal) ** -2.0
            with all_threads(n):
                _, info = dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)
            if info == 0:
                break
        else:
            return False
        if form.p:
            # Schur complement S = A K⁻¹ Aᵀ = YᵀY with Y = L⁻¹Aᵀ.
            Y, info = dtrtrs(self._factor.T, form.A.T, lower=1)
            S = Y.T @ Y
            self._schur_jacobi = jacobi_scale(np.einsum("ii->i", S))
            S *= self._schur_jacobi[:, None]
            S *= self._schur_jacobi
            # Dependent equalities make S singular; the regularized system, refined, gives one of its solutions.
            np.einsum("ii->i", S)[:] += 1e-12
            self._schur, info = dpotrf(S, lower=1, clean=0, overwrite_a=1)
            if info != 0:
                return False
        return True

    def curves_up(self, c: float, weights: np.ndarray) -> bool:
        """Whether H alone has a Cholesky factor, after a shift by 1e-12·‖H‖. Overwrites K's arrays."""
        H = self._K
        self.form.curvature.weighted(c, weights, H)  # type: ignore[attr-defined]
        np.einsum("ii->i", H)[:] += CONVEXITY_TOLERANCE * frobenius(H)
        with all_threads(self.form.n):
            return dpotrf(H.T, lower=1, clean=0, overwrite_a=1)[1] == 0

    def _once(self, rhs_x: np.ndarray, rhs_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        form, factor = self.form, self._factor.T
        if not form.p:
            return dpotrs(factor, rhs_x, lower=1)[0], rhs_y
        if self._augment:
            rhs_x = rhs_x + self._augment * (form.A.T @ rhs_y)
        u = dpotrs(factor, rhs_x, lower=1)[0]
        E = self._schur_jacobi
        dnu = E * dpotrs(self._schur, E * (form.A @ u - rhs_y), lower=1)[0]
        return u - dpotrs(factor, form.A.T @ dnu, lower=1)[0], dnu

    def _product(self, dx: np.ndarray) -> np.ndarray:
        return dsymv(1.0, self._K.T, dx, lower=1)
