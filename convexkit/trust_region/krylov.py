"""A growing subspace of steps, orthonormal in the metric, and what products with P have told about the rest."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np

from .exact import ASYMMETRY, asymmetric

Product = Callable[[np.ndarray], np.ndarray]
# Entries of the basis (512 MB in float64), and vectors in it, after which it is built anew from the best of it.
ENTRIES, FEWEST, MOST = 2**26, 40, 600
# What couples kept vectors to dropped ones by less than so many units of rounding is forgotten in a restart.
LEAK = 1e4


class ProductError(ArithmeticError):
    """A product that is not finite, or a metric that is not positive definite; says which."""


class Krylov:
    """V with VᵀHV = I, T = VᵀPV, and an exact account of the products:

        H⁻¹P V = V T + R C        R: at most a few `pending` vectors, H-orthonormal among themselves and to V

    Starting from one pending vector and always taking the newest, this is Lanczos' method with the basis kept
    orthonormal, T tridiagonal and R, C one column and row. A second start, or a combination of the pending vectors,
    keeps the account as it is. So a vector p = Vy has the residual (P + lam·H)p + g = H(V(Ty + lam·y + Vᵀg) + R C y)
    whatever the history; without a metric H is left out.
    """

    def __init__(self, n: int, P: Product, dtype: np.dtype, H: Product | None, solve_H: Product | None):
        self.n, self.P, self.H, self.solve_H, self.dtype = n, P, H, solve_H, dtype
        self.capacity = min(n, max(FEWEST, min(MOST, ENTRIES // max(n, 1))))
        self.products = 0
        self.asymmetry = ASYMMETRY.get(np.dtype(dtype), 1e-4)
        self.k = 0
        size = min(self.capacity, 32)
        self._V = np.empty((size, self.n), self.dtype)
        self._HV = self._V if self.H is None else np.empty_like(self._V)
        self.T = np.zeros((0, 0))
        self.R: list[np.ndarray] = []
        self.HR: list[np.ndarray] = []
        self.C = np.zeros((0, 0))

    @property
    def size(self) -> float:
        """The largest entry of the projected matrix, a lower bound on ‖P‖ (in the metric)."""
        return float(np.abs(self.T).max(initial=0.0))

    def combine(self, y: np.ndarray) -> np.ndarray:
        """The vector Vy."""
        combined: np.ndarray = self._V[:self.k].T @ y.astype(self.dtype)
        return combined

    def inner(self, g: np.ndarray) -> np.ndarray:
        """Vᵀg."""
        return (self._V[:self.k] @ g).astype(np.float64)

    def add(self, v: np.ndarray) -> np.ndarray | None:
        """Make pending what v has beyond V; its combination of them, or None if that is nothing."""
        largest = float(np.abs(v).max(initial=0.0))
        if not largest > 0:
            return None
        v = (v / largest).astype(self.dtype)  # its square neither underflows nor overflows
        before = sqrt(self._square(v)[0])
        direction = np.zeros(len(self.R))
        for _ in range(2):
            v -= self._V[:self.k].T @ (self._HV[:self.k] @ v)
            for i, (r, Hr) in enumerate(zip(self.R, self.HR, strict=True)):
                along = float(Hr @ v)
                direction[i] += along
                v -= along * r
        square, Hv = self._square(v)
        length, rounding = sqrt(square), 100 * np.finfo(self.dtype).eps * before
        if length > rounding:
            self.R.append(v / length)
            self.HR.append(self.R[-1] if self.H is None else Hv / length)
            self.C = np.vstack([self.C, np.zeros((1, self.k))])
            direction = np.append(direction, length)
        return direction if float(np.linalg.norm(direction)) > rounding else None

    def _square(self, v: np.ndarray) -> tuple[float, np.ndarray]:
        Hv = v if self.H is None else self.H(v)
        square = float(v @ Hv)
        if not np.isfinite(square):
            raise ProductError("a product with the metric is not finite." if self.H is not None else
                               "a vector is not finite or beyond the range of its type.")
        if square < 0:
            raise ProductError(f"the metric is not positive definite: vᵀHv = {square:.1e}; damp it with ck.damped.")
        return square, Hv

    def expand(self, direction: np.ndarray | None = None) -> None:
        """Take the combination `direction` of the pending vectors (the newest if None) into V: one product with P."""
        if direction is None:
            direction = np.zeros(len(self.R))
            direction[-1] = 1.0
        u, Hu, old = self._take(direction / float(np.linalg.norm(direction)))
        k = self.k
        if k == len(self._V):
            grown = np.empty((min(2 * k, self.capacity), self.n), self.dtype)
            grown[:k] = self._V
            shared = self._HV is self._V
            self._V = grown
            if shared:
                self._HV = grown
            else:
                HV = np.empty_like(grown)
                HV[:k], self._HV = self._HV, HV
        self._V[k] = u
        if self.H is not None:
            self._HV[k] = Hu
        self.k = k + 1
        Pu = self.P(u)
        self.products += 1
        if not np.isfinite(Pu).all():
            raise ProductError("a product with P is not finite.")
        # Coefficients of H⁻¹Pu along V; those along earlier vectors are known from their own products.
        h = self.inner(Pu)
        T = np.zeros((k + 1, k + 1))
        T[:k, :k] = self.T
        self._check_symmetry(h[:k], old, abs(float(h[k])))
        T[k, :k] = T[:k, k] = 0.5 * (h[:k] + old)
        T[k, k] = h[k]
        self.T = T
        w = Pu.copy() if self.solve_H is None else self.solve_H(Pu)
        self.C = np.hstack([self.C, np.zeros((len(self.R), 1))])
        w -= self._V[:k + 1].T @ h.astype(self.dtype)
        for i, (r, Hr) in enumerate(zip(self.R, self.HR, strict=True)):
            self.C[i, k] = along = float(Hr @ w)
            w -= along * r
        # Once more, against rounding: twice is enough.
        w -= self._V[:k + 1].T @ (self._HV[:k + 1] @ w)
        for r, Hr in zip(self.R, self.HR, strict=True):
            w -= float(Hr @ w) * r
        square, Hw = self._square(w)
        length = sqrt(square)
        # Below rounding the space is invariant, and there is no direction left.
        if length > 10 * np.finfo(self.dtype).eps * max(self.size, float(np.abs(self.C).max(initial=0.0))):
            self.R.append(w / length)
            self.HR.append(self.R[-1] if self.H is None else Hw / length)
            row = np.zeros((1, k + 1))
            row[0, k] = length
            self.C = np.vstack([self.C, row])

    def _take(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """u = Ra, H·u, and its row of C, with R and C left for the directions orthogonal to it."""
        count = len(self.R)
        if count == 1:
            old: np.ndarray = self.C[0] * a[0]
            u, Hu = self.R.pop() * float(a[0]), self.HR.pop() * float(a[0])
            self.C = np.zeros((0, self.k))
            return u, Hu, old
        # An orthogonal matrix whose first column is a: the pending vectors are turned so that u is one of them.
        Q = np.linalg.qr(np.column_stack([a, np.eye(count)]))[0]
        Q[:, 0] = a
        R, HR, C = np.array(self.R), np.array(self.HR), Q.T @ self.C
        turned = Q.T.astype(self.dtype) @ R
        held = turned if self.H is None else Q.T.astype(self.dtype) @ HR
        self.R, self.HR, self.C = list(turned[1:]), list(held[1:]), C[1:]
        return turned[0], held[0], C[0]

    def _check_symmetry(self, h: np.ndarray, old: np.ndarray, last: float) -> None:
        difference = float(np.abs(h - old).max(initial=0.0))
        size = max(self.size, float(np.abs(h).max(initial=0.0)), float(np.abs(old).max(initial=0.0)), last)
        if difference > self.asymmetry * size:
            raise asymmetric("P", difference / size)

    def restart(self, S: np.ndarray) -> None:
        """Keep the vectors VS only, for S with orthonormal columns; costs no product.

        H⁻¹P(VS) = (VS)(SᵀTS) + V(I - SSᵀ)TS + R(CS): what T leads out of the kept vectors becomes pending. That is
        nothing for eigenvectors of T, so only a few directions leak where S holds mostly those.
        """
        TS = self.T @ S
        kept = S.T @ TS
        leaking = TS - S @ kept
        U, sizes, _ = np.linalg.svd(leaking, full_matrices=False)
        U = U[:, sizes > LEAK * np.finfo(self.dtype).eps * self.size]
        U = np.linalg.qr(U - S @ (S.T @ U))[0]  # small ones are orthogonal to S to a few digits only
        U = np.linalg.qr(U - S @ (S.T @ U))[0]
        count = U.shape[1]
        leaks = [self.combine(U[:, i]) for i in range(count)]
        leaks_H = leaks if self.H is None else [self._HV[:self.k].T @ U[:, i].astype(self.dtype) for i in range(count)]
        self.R, self.HR = leaks + self.R, list(leaks_H) + self.HR
        self.C = np.vstack([U.T @ leaking, self.C @ S])
        for basis in [self._V] if self._HV is self._V else [self._V, self._HV]:
            for at in range(0, self.n, 4096):  # in strips, so that no second basis is needed
                strip = basis[:self.k, at:at + 4096]
                basis[:S.shape[1], at:at + 4096] = S.T.astype(self.dtype) @ strip
        self.T, self.k = (kept + kept.T) / 2, S.shape[1]
