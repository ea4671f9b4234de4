"""Backends for a matrix that is easy but for a few rows: diagonal, or banded, plus low rank.

With B the easy part and V the other rows, those of J among them, scaled by W⁻¹,

    [ B  Vᵀ  Aᵀ ] [ dx ]   [ rhs_x ]
    [ V  -I  0  ] [ y  ] = [ rhs_v ]     =>     M [ y; dν ] = [V; A]·B⁻¹rhs_x - [rhs_v; rhs_y]
    [ A  0   0  ] [ dν ]   [ rhs_y ]            M = diag(I, 0) + [V; A]·B⁻¹·[V; A]ᵀ

so that besides B only the small matrix M is factored (Sherman, Morrison and Woodbury). The rows of J keep unknowns
y = W·dλ of their own: eliminated, they would cost half of the digits where a multiplier is large.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg.lapack import dpbtrf, dpbtrs, dpotrf, dpotrs, dtbtrs

from ..validation import dense
from .cones import NesterovTodd
from .curvature import FactorStack, SparseStack
from .form import Form
from .kkt_system import KKTSystem, add_bounds, jacobi_scale
from .settings import Settings


class _EasyPlusLowRank(KKTSystem):
    """Forms and factors M; a child knows B."""

    scaling: NesterovTodd

    def __init__(self, form: Form, settings: Settings, rank: int):
        super().__init__(form, settings)
        self._rank = rank
        self._order: Any = slice(None)  # of the variables, in B and V
        self._wide = np.zeros((rank + form.p, form.n))  # [V; A]

    @abstractmethod
    def _half(self, rows: np.ndarray) -> np.ndarray:
        """L⁻¹·rowsᵀ with B = LLᵀ."""

    @abstractmethod
    def _base(self, rhs: np.ndarray) -> np.ndarray:
        """B⁻¹·rhs."""

    def _factor_small(self) -> bool:
        half = self._half(self._wide)
        M = half.T @ half
        diagonal = np.einsum("ii->i", M)
        diagonal[:self._rank] += 1.0
        if not np.isfinite(diagonal.max(initial=0.0)):
            return False
        self._jacobi = jacobi_scale(diagonal)
        M *= self._jacobi[:, None]
        M *= self._jacobi
        for regularization in (1e-14, 1e-12, 1e-10):
            candidate = M.copy()
            np.einsum("ii->i", candidate)[:] += regularization
            self._small, info = dpotrf(candidate, lower=1, clean=0, overwrite_a=1)
            if info == 0:
                return True
        return False

    @abstractmethod
    def _easy(self, dx: np.ndarray) -> np.ndarray:
        """B·dx."""

    def solve(self, rhs_x: np.ndarray, rhs_z: np.ndarray, rhs_y: np.ndarray
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        form, scaling = self.form, self.scaling
        rows, own = form.rows.shape[0], self._rank - form.rows.shape[0]
        inverse = scaling.inverse(rhs_z)
        # Bounds are part of B.
        middle = form.low.size
        weighted = scaling.w[rows:] * rhs_z[rows:]
        top = rhs_x.copy()
        top[form.low] -= form.d_low * weighted[:middle]
        top[form.high] += form.d_high * weighted[middle:]
        dx, small = self._refined(top[self._order], np.concatenate([np.zeros(own), inverse[:rows], rhs_y]))
        out = np.empty_like(dx)
        out[self._order] = dx
        lam = np.concatenate([small[own:self._rank], -form.d_low * out[form.low], form.d_high * out[form.high]])
        lam[rows:] = scaling.w[rows:] * lam[rows:] - weighted
        if rows:
            lam[:rows] = scaling.inverse(lam)[:rows]
        return out, lam, small[self._rank:]

    def _once(self, top: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u = self._base(top)
        if not low.size:
            return u, low
        small = self._jacobi * dpotrs(self._small, self._jacobi * (self._wide @ u - low), lower=1)[0]
        return u - self._base(self._wide.T @ small), small

    def _refined(self, top: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Refine until the residual is rounding, or no longer halves."""
        V, rank = self._wide, self._rank
        dx, small = self._once(top, low)
        size = np.abs(top).max(initial=0.0) + np.abs(low).max(initial=0.0)
        previous = np.inf
        for _ in range(self.settings.refinements):
            error_x = top - self._easy(dx) - V.T @ small
            error_v = low - V @ dx
            error_v[:rank] += small[:rank]
            error = max(np.abs(error_x).max(initial=0.0), np.abs(error_v).max(initial=0.0))
            if error <= self.settings.refine_above * size or not error < 0.5 * previous:
                break
            previous = error
            more_x, more = self._once(error_x, error_v)
            dx, small = dx + more_x, small + more
        return dx, small


class Woodbury(_EasyPlusLowRank):
    """Diagonal plus low rank: the factors of all P's and all rows are V. Time of `factor`: n·r² for r rows of V."""

    name = "diagonal plus low rank"
    turns = 0  # a solution costs a third of the factorization

    def __init__(self, form: Form, settings: Settings):
        stack = form.curvature
        assert isinstance(stack, FactorStack)
        self._stack = stack
        self._first = stack.F0.shape[0]
        self._factors = self._first + stack.tall.shape[0]
        super().__init__(form, settings, self._factors + form.rows.shape[0])
        self._wide[self._rank:] = form.A

    @staticmethod
    def suits(form: Form) -> bool:
        """Whether every variable has a diagonal entry, and V is well below square."""
        stack = form.curvature
        if not isinstance(stack, FactorStack) or stack.P0 is not None:
            return False
        rank = stack.F0.shape[0] + stack.tall.shape[0] + form.rows.shape[0] + form.p
        diagonal = stack.D0 + np.abs(stack.D).sum(axis=0)
        diagonal[form.low] += 1.0
        diagonal[form.high] += 1.0
        return rank <= 0.5 * form.n and bool((diagonal > 0).all())

    def factor(self, c: float, weights: np.ndarray, scaling: NesterovTodd) -> bool:
        self.scaling = scaling
        stack = self._stack
        B = c * stack.D0 + weights @ stack.D
        add_bounds(self.form, scaling.w, B)
        largest = float(B.max(initial=0.0))
        if not np.isfinite(largest):
            return False
        self._B = B = np.maximum(B, 1e-14 * largest)
        self._root = 1.0 / np.sqrt(B)
        V = self._wide
        np.multiply(stack.F0, np.sqrt(c), out=V[:self._first])
        np.multiply(stack.tall, np.sqrt(np.repeat(weights, stack.rank))[:, None], out=V[self._first:self._factors])
        scaling.scale_rows(self.J, V[self._factors:self._rank])
        return self._factor_small()

    def _half(self, rows: np.ndarray) -> np.ndarray:
        return (rows * self._root).T

    def _base(self, rhs: np.ndarray) -> np.ndarray:
        return rhs / self._B

    def _easy(self, dx: np.ndarray) -> np.ndarray:
        return self._B * dx


class Banded(_EasyPlusLowRank):
    """Banded P's in a Cuthill-McKee order, plus all rows, which are few. Time of `factor`: n·(bandwidth² + r²).

    The band is a linear function of the weights, kept as one sparse matrix.
    """

    name = "banded Cholesky"
    turns = 2

    def __init__(self, form: Form, settings: Settings):
        super().__init__(form, settings, form.rows.shape[0])
        stack = form.curvature
        assert isinstance(stack, SparseStack)
        self._order, self._width = stack.band()
        n, width = form.n, self._width
        place = np.empty(n, dtype=np.intp)
        place[self._order] = np.arange(n)
        first = sp.coo_array(stack.P0)
        i = np.concatenate([place[first.row], place[stack.a]])
        j = np.concatenate([place[first.col], place[stack.b]])
        source = np.concatenate([np.zeros(first.nnz, np.intp), 1 + stack.owner])
        values = np.concatenate([first.data, stack.entries])
        lower = i >= j
        i, j, source, values = i[lower], j[lower], source[lower], values[lower]
        # Column-major band storage: entry (i, j) is in row i - j of column j.
        self._map = sp.csr_array((values, (j * (width + 1) + i - j, source)),
                                 shape=(n * (width + 1), 1 + form.mq))
        self._wide[self._rank:] = dense(form.A)[:, self._order]

    @staticmethod
    def suits(form: Form) -> bool:
        """Whether there are curved rows, few rows in all, and a narrow band.

        Without curved rows the sparse backend is as fast, and more accurate where many rows are active.
        """
        stack = form.curvature
        return isinstance(stack, SparseStack) and form.mq > 0 and form.rows.shape[0] + form.p <= MOST_ROWS \
            and stack.band()[1] <= WIDEST

    def factor(self, c: float, weights: np.ndarray, scaling: NesterovTodd) -> bool:
        self.scaling = scaling
        form, n, width = self.form, self.form.n, self._width
        band = (self._map @ np.concatenate(([c], weights))).reshape(n, width + 1)
        bounds = np.zeros(n)
        add_bounds(form, scaling.w, bounds)
        band[:, 0] += bounds[self._order]
        if not np.isfinite(band[:, 0].max(initial=0.0)):
            return False
        self._band = band
        self._scale = scale = jacobi_scale(band[:, 0])
        # Padded, so that entry (j + k, j) finds the scale of row j + k.
        rows = np.lib.stride_tricks.sliding_window_view(np.concatenate([scale, np.zeros(width)]), width + 1)
        for regularization in (1e-14, 1e-12, 1e-10, 1e-8):
            unit = band * scale[:, None]
            unit *= rows
            unit[:, 0] += regularization
            self._factor, info = dpbtrf(unit.T, lower=1, overwrite_ab=1)
            if info == 0:
                break
        else:
            return False
        V = self._wide[:self._rank]
        scaling.scale_rows(dense(self.J)[:, self._order], V)
        return self._factor_small()

    def _half(self, rows: np.ndarray) -> np.ndarray:
        return dtbtrs(self._factor, np.asfortranarray((rows * self._scale).T), uplo="L")[0]

    def _base(self, rhs: np.ndarray) -> np.ndarray:
        return self._scale * dpbtrs(self._factor, self._scale * rhs, lower=1)[0]

    def _easy(self, dx: np.ndarray) -> np.ndarray:
        out = self._band[:, 0] * dx
        for k in range(1, self._width + 1):
            column = self._band[:-k, k]
            out[k:] += column * dx[:-k]
            out[:-k] += column * dx[k:]
        return out


# A wider band, or more rows, is left to the sparse backend.
WIDEST, MOST_ROWS = 60, 60
