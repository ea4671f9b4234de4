"""A smooth program in scaled units: values, rows and residuals for the iteration, multipliers for the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as la
import scipy.sparse as sp

from ..errors import ProblemError
from ..validation import as_bound, as_matrix, as_vector
from .functions import Function, Sum

# A row of A that others imply to this share of its size is left out.
DEPENDENT = 1e-10


@dataclass
class Point:
    """A point with slacks and multipliers, all inequalities in one order: functions, rows of G, lower, upper bounds."""

    x: np.ndarray
    s: np.ndarray
    lam: np.ndarray
    nu: np.ndarray

    def stacked(self) -> np.ndarray:
        """All of it in one vector."""
        return np.concatenate([self.x, self.s, self.lam, self.nu])


@dataclass
class Values:
    """What a program is at one x, scaled: f and its gradient, constraint values c ≤ 0, Jacobian of the functions."""

    f: float
    gradient: np.ndarray
    c: np.ndarray
    J: np.ndarray


class Program:
    """minimise f(x)/unit subject to row scales times (g(x), Gx - h, lb - x, x - ub) ≤ 0 and Ax = b."""

    def __init__(self, f: Function, inequalities: Sequence[Function], G: Any, h: Any, A: Any, b: Any, lb: Any, ub: Any,
                 x0: np.ndarray):
        n = x0.size
        self.n, self.f, self.inequalities = n, f, list(inequalities)
        self.G, self.h = rows("G", G, "h", h, n)
        self.A_full, self.b_full = rows("A", A, "b", b, n)
        self.lb, self.ub = as_bound("lb", lb, n, -np.inf), as_bound("ub", ub, n, np.inf)
        if (self.lb > self.ub).any():
            j = int(np.argmax(self.lb > self.ub))
            raise ProblemError(f"lb[{j}] = {self.lb[j]:g} exceeds ub[{j}] = {self.ub[j]:g}.")
        f.start(x0, scalar=True)
        at_start = [g.start(x0, scalar=False) for g in self.inequalities]
        self.limited = np.flatnonzero(np.isfinite(self.h))
        # A variable between equal bounds is an equality: it has no interior.
        self.fixed = np.flatnonzero(self.lb == self.ub)
        self.given = self.b_full.size
        if self.fixed.size:
            units = np.zeros((self.fixed.size, n))
            units[np.arange(self.fixed.size), self.fixed] = 1.0
            A_given = self.A_full.toarray() if sp.issparse(self.A_full) else self.A_full
            self.A_full = np.concatenate([A_given, units])
            self.b_full = np.concatenate([self.b_full, self.lb[self.fixed]])
        free = self.lb < self.ub
        self.low, self.high = np.flatnonzero(np.isfinite(self.lb) & free), np.flatnonzero(np.isfinite(self.ub) & free)
        self.rows = dense_or_sparse(self.G)[self.limited]
        self.limits = self.h[self.limited]
        self.k = sum(value.size for value in at_start)
        self.sizes = [value.size for value in at_start]
        m = self.k + self.limited.size + self.low.size + self.high.size
        self.m = m
        self._independent_equalities()
        # Units: slopes of size one at the start.
        self.unit = 1.0
        self.d = np.ones(m)
        values = self.evaluate(x0)
        self.unit = _size(float(np.abs(values.gradient).max(initial=0.0)))
        norms = np.abs(values.J).max(axis=1, initial=0.0)
        linear = np.asarray(abs(self.rows).max(axis=1).todense()).ravel() if sp.issparse(self.rows) else np.abs(
            self.rows).max(axis=1, initial=0.0)
        self.d[:self.k] = [1.0 / _size(norm) for norm in norms]
        self.d[self.k:self.k + self.limited.size] = [1.0 / _size(norm) for norm in linear]

    def _independent_equalities(self) -> None:
        """Leave out rows of A that others imply; `inconsistent` is a ν with Aᵀν = 0, bᵀν < 0 if there is one."""
        A = self.A_full.toarray() if sp.issparse(self.A_full) else self.A_full
        self.inconsistent: np.ndarray | None = None
        self.kept = np.arange(len(A))
        norms = np.sqrt((A * A).sum(axis=1))
        scale = np.where(norms > 0, norms, 1.0)
        if len(A):
            R, order = la.qr((A / scale[:, None]).T, mode="r", pivoting=True)
            size = np.abs(np.diag(R))
            rank = int((size > DEPENDENT * max(1.0, size.max(initial=0.0))).sum())
            if rank < len(A):
                self.kept = np.sort(order[:rank])
                rest = np.setdiff1d(np.arange(len(A)), self.kept)
                combination = np.linalg.lstsq(A[self.kept].T, A[rest].T, rcond=None)[0]
                miss = self.b_full[rest] - combination.T @ self.b_full[self.kept]
                size_b = np.abs(self.b_full[rest]) + np.abs(combination.T) @ np.abs(self.b_full[self.kept])
                wrong = np.flatnonzero(np.abs(miss) > 1e-9 * np.where(size_b > 0, size_b, 1.0))
                if wrong.size:
                    nu = np.zeros(len(A))
                    nu[rest[wrong[0]]] = 1.0
                    nu[self.kept] = -combination[:, wrong[0]]
                    self.inconsistent = -np.sign(miss[wrong[0]]) * nu / scale[rest[wrong[0]]]
        self.e = 1.0 / scale[self.kept]
        self.A = A[self.kept] * self.e[:, None]
        self.b = self.b_full[self.kept] * self.e

    def values_only(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """f and c, scaled; NaN or inf outside the domain."""
        parts = [g.value(x) for g in self.inequalities]
        parts += [self.rows @ x - self.limits, self.lb[self.low] - x[self.low], x[self.high] - self.ub[self.high]]
        return float(self.f.value(x)[0]) / self.unit, self.d * np.concatenate(parts)

    def evaluate(self, x: np.ndarray) -> Values:
        """f, its gradient, c, and the Jacobian of the functions, scaled."""
        f, gradient = self.f.value_and_jacobian(x)
        values, jacobians = [], [np.zeros((0, self.n))]
        for g in self.inequalities:
            value, jacobian = g.value_and_jacobian(x)
            values.append(value)
            jacobians.append(jacobian)
        values += [self.rows @ x - self.limits, self.lb[self.low] - x[self.low], x[self.high] - self.ub[self.high]]
        return Values(float(f[0]) / self.unit, gradient[0] / self.unit, self.d * np.concatenate(values),
                      self.d[:self.k, None] * np.concatenate(jacobians))

    def second(self, x: np.ndarray, lam: np.ndarray) -> Sum:
        """The second derivatives of f + Σ lamₖgₖ at x, in scaled units."""
        weights, start = [np.array([1.0 / self.unit])], 0
        for size in self.sizes:
            weights.append((self.d * lam)[start:start + size])
            start += size
        return Sum([self.f, *self.inequalities], weights, x)

    def times(self, v: np.ndarray, J: np.ndarray) -> np.ndarray:
        """The slopes of all inequalities along v."""
        return np.concatenate([J @ v, self.d[self.k:self.k + self.limited.size] * (self.rows @ v), -v[self.low],
                               v[self.high]])

    def transposed(self, y: np.ndarray, J: np.ndarray) -> np.ndarray:
        """Σ yₖ·(slope of inequality k)."""
        k, r = self.k, self.k + self.limited.size
        out = J.T @ y[:k] + self.rows.T @ (self.d[k:r] * y[k:r])
        out[self.low] -= y[r:r + self.low.size]
        out[self.high] += y[r + self.low.size:]
        return out

    def gram(self, w: np.ndarray, J: np.ndarray) -> np.ndarray:
        """Σ wₖ·slopeₖ·slopeₖᵀ, dense."""
        k, r = self.k, self.k + self.limited.size
        K = (J.T * w[:k]) @ J
        if r > k:
            R = self.rows
            weighted = R.T.multiply(w[k:r] * self.d[k:r]**2) @ R if sp.issparse(R) else (
                R.T * (w[k:r] * self.d[k:r]**2)) @ R
            K += weighted.toarray() if sp.issparse(weighted) else weighted
        K[np.diag_indices(self.n)] += self.bound_weights(w)
        return K

    def bound_weights(self, w: np.ndarray) -> np.ndarray:
        """The diagonal that bounds add to `gram`."""
        r = self.k + self.limited.size
        diagonal = np.zeros(self.n)
        diagonal[self.low] += w[r:r + self.low.size]
        diagonal[self.high] += w[r + self.low.size:]
        return diagonal

    def multipliers(self, lam: np.ndarray, nu: np.ndarray, unit: float | None = None
                    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(lam, nu, lam_lb, lam_ub) in the user's units and order."""
        unit = self.unit if unit is None else unit
        lam = self.d * lam * unit
        k, r = self.k, self.k + self.limited.size
        rows_of_G = np.zeros(self.h.size)
        rows_of_G[self.limited] = lam[k:r]
        full = np.zeros(self.b_full.size)
        full[self.kept] = self.e * nu * unit
        lam_lb, lam_ub = np.zeros(self.n), np.zeros(self.n)
        lam_lb[self.low], lam_ub[self.high] = lam[r:r + self.low.size], lam[r + self.low.size:]
        forces = full[self.given:]
        lam_lb[self.fixed], lam_ub[self.fixed] = np.maximum(-forces, 0.0), np.maximum(forces, 0.0)
        return np.concatenate([lam[:k], rows_of_G]), full[:self.given], lam_lb, lam_ub


def _size(value: float) -> float:
    return value if 0 < value < np.inf else 1.0


def dense_or_sparse(matrix: Any) -> Any:
    """CSR or array."""
    return matrix.tocsr() if sp.issparse(matrix) else matrix


def rows(matrix_name: str, matrix: Any, vector_name: str, vector: Any, n: int) -> tuple[Any, np.ndarray]:
    """A pair such as (G, h); (0, n) and (0,) if both are None."""
    if matrix is None and vector is None:
        return np.zeros((0, n)), np.zeros(0)
    if matrix is None or vector is None:
        given, missing = (vector_name, matrix_name) if matrix is None else (matrix_name, vector_name)
        raise ProblemError(f"{given} was given without {missing}; they go together.")
    matrix = as_matrix(matrix_name, matrix, n)
    vector = as_vector(vector_name, vector, matrix.shape[0], finite=vector_name == "b")
    if np.isnan(vector).any() or (vector == -np.inf).any():
        raise ProblemError(f"{vector_name} holds NaN or -inf; a right-hand side is a number, or +inf for no limit.")
    return matrix, vector
