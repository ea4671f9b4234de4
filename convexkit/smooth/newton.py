"""The Newton system of a smooth program, by one Cholesky factorization or by conjugate gradient."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import scipy.linalg as la
from scipy.linalg import LinAlgError

from ..conjugate_gradient import conjugate_gradient, jacobi
from ..errors import NotConvexError
from .program import Program, Values

# An eigenvalue of the Hessian down to this share of its size is rounding of zero.
NEGATIVE = 1e-9
ROUNDING = 1e-12
REFINEMENTS = 3


class Newton(Protocol):
    """Solves [K Aᵀ; A 0](dx, dnu) = (u, v) with K = ∇²L + Σ wₖ·slopeₖ·slopeₖᵀ + tie·I."""

    products: int

    def solve(self, u: np.ndarray, v: np.ndarray, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
        """(dx, dnu)."""


class Dense:
    """K formed and factored; the equalities by their Schur complement."""

    def __init__(self, program: Program, x: np.ndarray, values: Values, lam: np.ndarray, w: np.ndarray,
                 tie: float = 0.0):
        H = program.second(x, lam).hessian()
        require_convex(program, H, x, lam)
        self.A = program.A
        self.K = H + program.gram(w, values.J) + tie * np.eye(len(H))
        self.products = 0
        # Directions that K leaves free are taken from the equalities, which changes no solution.
        gram = float((self.A * self.A).sum())
        curved = np.diag(self.K)[np.diag(self.K) > 0]
        # Typical curvature, not the largest: beside 1/x of an entropy at x = 1e-18 all else would be rounding.
        self.augment = (len(self.K) * float(np.median(curved)) if curved.size else 1.0) / gram if gram > 0 else 0.0
        M = self.K + self.augment * (self.A.T @ self.A) if self.augment else self.K
        diagonal = np.diag(M)
        self.scale = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, max(diagonal.max(initial=0.0), 1.0)))
        scaled = M * self.scale[:, None] * self.scale
        shift = 1e-14
        while True:
            try:
                self.factor = la.cholesky(scaled + shift * np.eye(len(M)), lower=True, check_finite=False)
                break
            except LinAlgError:
                shift *= 100
                if shift > 1e-2:
                    raise
        self.Y = la.solve_triangular(self.factor, (self.A * self.scale).T, lower=True, check_finite=False)
        with np.errstate(over="ignore", invalid="ignore"):
            S = self.Y.T @ self.Y
        if not np.isfinite(S).all():  # K so flat that its inverse overflows: no step from here
            raise FloatingPointError
        self.schur = la.cholesky(S + 1e-14 * np.trace(S) * np.eye(len(S)), lower=True) if len(S) else S

    def _once(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        half = la.solve_triangular(self.factor, self.scale * (u + self.augment * (self.A.T @ v)), lower=True,
                                   check_finite=False)
        dnu = la.cho_solve((self.schur, True), self.Y.T @ half - v) if v.size else v
        dx = la.solve_triangular(self.factor, half - self.Y @ dnu, lower=True, trans=1, check_finite=False)
        return self.scale * dx, dnu

    def solve(self, u: np.ndarray, v: np.ndarray, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
        """(dx, dnu), refined while that halves the error."""
        dx, dnu = self._once(u, v)
        previous = np.inf
        for _ in range(REFINEMENTS):
            error_u, error_v = u - self.K @ dx - self.A.T @ dnu, v - self.A @ dx
            worst = max(np.abs(error_u).max(initial=0.0), np.abs(error_v).max(initial=0.0))
            if not worst < 0.5 * previous or worst == 0:
                break
            previous = worst
            more = self._once(error_u, error_v)
            dx, dnu = dx + more[0], dnu + more[1]
        return dx, dnu


class Iterative:
    """K through products alone: conjugate gradient in the null space of A."""

    def __init__(self, program: Program, x: np.ndarray, values: Values, lam: np.ndarray, w: np.ndarray,
                 tie: float = 0.0):
        self.tie = tie
        self.program, self.values, self.w, self.products = program, values, w, 0
        self.hessp = program.second(x, lam).operator()
        self.A = program.A
        self.Q: np.ndarray
        self.R: np.ndarray
        self.Q, self.R = la.qr(self.A.T, mode="economic") if len(self.A) else (np.zeros((x.size, 0)), np.zeros((0, 0)))
        # The diagonal that bounds and rows contribute, on top of a typical curvature of the rest.
        signs = np.where(np.arange(x.size) % 2 == 0, 1.0, -1.0)
        typical = abs(float(signs @ self.hessp(signs))) / x.size
        k, r = program.k, program.k + program.limited.size
        diagonal = program.bound_weights(w) + (w[:k] @ values.J**2)
        if r > k:
            squares = program.rows.multiply(program.rows) if hasattr(program.rows, "multiply") else program.rows**2
            diagonal = diagonal + np.asarray(squares.T @ (w[k:r] * program.d[k:r]**2)).ravel()
        floor = typical if typical > 0 else max(float(diagonal.max(initial=0.0)), 1.0) * 1e-12
        self.M = None if len(self.A) else jacobi(diagonal + floor + tie)

    def _product(self, v: np.ndarray) -> np.ndarray:
        self.products += 1
        program, J = self.program, self.values.J
        return self.hessp(v) + self.tie * v + program.transposed(self.w * program.times(v, J), J)

    def _project(self, v: np.ndarray) -> np.ndarray:
        return v - self.Q @ (self.Q.T @ v) if self.Q.shape[1] else v

    def solve(self, u: np.ndarray, v: np.ndarray, accuracy: float) -> tuple[np.ndarray, np.ndarray]:
        """(dx, dnu) to a residual of `accuracy` relative to u; NotConvexError on negative curvature."""
        start = self.Q @ la.solve_triangular(self.R, v, trans=1) if v.size else np.zeros_like(u)
        rest = u - self._product(start) if v.any() else u
        target = self._project(rest)
        result = conjugate_gradient(lambda d: self._project(self._product(self._project(d))), target, rtol=accuracy,
                                    maxiter=max(1000, 2 * u.size), M=self.M)
        if result.direction is not None and result.curvature < 0:
            d = result.direction
            if float(d @ self._product(d)) < -NEGATIVE * float(d @ d) * max(1.0, float(np.abs(self.w).max(initial=0))):
                raise NotConvexError(f"the Hessian has a direction of curvature {result.curvature:.1e}: f or an "
                                     "inequality is not convex.")
        dx = start + self._project(result.x)
        dnu = la.solve_triangular(self.R, self.Q.T @ (u - self._product(dx))) if v.size else v
        return dx, dnu


def require_convex(program: Program, H: np.ndarray, x: np.ndarray, lam: np.ndarray) -> None:
    """Raise NotConvexError if ∇²L has a negative eigenvalue, naming the function that brings it in."""
    size = float(np.abs(H).max(initial=0.0))
    if size == 0.0:
        return
    if not np.isfinite(size):
        raise FloatingPointError
    try:
        la.cholesky(H + NEGATIVE * size * np.eye(len(H)), lower=True, check_finite=False)
    except LinAlgError:
        smallest = float(la.eigvalsh(H, subset_by_index=[0, 0])[0])
        # Rounding beside slopes of one, from which units are taken: where all exponentials but one have died away,
        # p - p² is as good as 0 and may come out below.
        if smallest >= -max(NEGATIVE * size * len(H), ROUNDING * (1.0 + float(lam.max(initial=0.0)))):
            return
        parts = [("f", np.zeros_like(lam))]
        start = 0
        for g, count in zip(program.inequalities, program.sizes, strict=True):
            for j in range(start, start + count):
                unit = np.zeros_like(lam)
                unit[j] = 1.0
                parts.append((f"{g.name}" + (f", component {j - start}," if count > 1 else ""), unit))
            start += count
        alone = program.second(x, np.zeros_like(lam)).hessian()
        for name, weights in parts:
            part = program.second(x, weights).hessian() - (0.0 if name == "f" else alone)
            lowest = float(la.eigvalsh(part, subset_by_index=[0, 0])[0])
            if lowest < -max(NEGATIVE * float(np.abs(part).max()) * len(H), ROUNDING):
                raise NotConvexError(f"{name} is not convex: its Hessian has the eigenvalue {lowest:.1e} at a point "
                                     "of the iteration, in units of its slope at x0.") from None
        raise NotConvexError(f"the Lagrangian is not convex: smallest eigenvalue {smallest:.1e}.") from None
