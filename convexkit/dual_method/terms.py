"""The problem's functions by products alone: counted, checked for what they return, and probed once."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from ..conjugate_gradient import jacobi
from ..errors import NotConvexError, ProblemError
from ..operators import SymmetricOperator
from ..problem import QCQP

# Largest |⟨Pu, v⟩ - ⟨u, Pv⟩| / (‖Pu‖‖v‖ + ‖u‖‖Pv‖) of a symmetric P: rounding, in float64 and in float32.
ASYMMETRY, ASYMMETRY_SINGLE = 1e-10, 1e-4
# Curvature below this share of ‖Pv‖‖v‖ is negative beyond rounding, in float64 and in float32.
NEGATIVE, NEGATIVE_SINGLE = 1e-10, 1e-4
# Arrays of at most this size are asked for their smallest eigenvalue.
EIGENVALUE_SIZE = 1000


def least_eigenvalue(P: Any) -> float:
    """A lower bound on the eigenvalues of a P ⪰ 0 that is known or cheap to have; 0 where there is none better."""
    known = getattr(P, "min_eigenvalue", None)
    if known is not None:
        return max(float(known), 0.0)
    if sp.issparse(P):
        # Gershgorin: no eigenvalue is below the smallest Pⱼⱼ - Σ |Pⱼₖ| over k ≠ j.
        return max(float((2.0 * P.diagonal() - abs(P) @ np.ones(P.shape[0])).min()), 0.0)
    if isinstance(P, np.ndarray) and len(P) <= EIGENVALUE_SIZE:
        return max(float(np.linalg.eigvalsh(P)[0]), 0.0)
    diagonal = getattr(P, "diag", None)  # FᵀF + diag(d)
    return max(float(diagonal.min()), 0.0) if isinstance(diagonal, np.ndarray) else 0.0


class Terms:
    """f₀, ..., f_m and the rows of G and A, with every product counted.

    Attributes
    ----------
    q, r : (1 + m, n) and (1 + m,) arrays of the quadratics, the objective first
    rows, limits : G over A, and h over b
    curved : indices of the quadratics that have a P
    least : (1 + m,) array of `least_eigenvalue`
    size : (1 + m,) array, ‖Pv‖/‖v‖ for a fixed v: an order of magnitude
    products : int, products of a P with a vector so far
    """

    def __init__(self, problem: QCQP):
        self.problem, self.n = problem, problem.n
        self.quadratics = (problem.objective, *problem.inequalities)
        self.q = np.array([f.q for f in self.quadratics], dtype=np.float64)
        self.r = np.array([f.r for f in self.quadratics])
        if sp.issparse(problem.G) or sp.issparse(problem.A):
            self.rows: Any = sp.vstack([sp.csr_array(problem.G), sp.csr_array(problem.A)], format="csr")
        else:
            self.rows = np.concatenate([problem.G, problem.A])
        self.limits = np.concatenate([problem.h, problem.b])
        self.curved = [i for i, f in enumerate(self.quadratics) if f.P is not None]
        self.least = np.array([0.0 if f.P is None else least_eigenvalue(f.P) for f in self.quadratics])
        self.products = 0
        self.size = np.zeros(len(self.quadratics))
        for i in self.curved:
            self._probe(i)
        diagonals = [_diagonal(f.P) for f in self.quadratics]
        self.diagonals = None if any(d is None for d in diagonals) else np.array([
            np.zeros(self.n) if f.P is None else d for f, d in zip(self.quadratics, diagonals, strict=True)])

    def name(self, i: int) -> str:
        """What the user calls Pᵢ."""
        return "objective.P" if i == 0 else f"inequalities[{i - 1}].P"

    def product(self, i: int, X: np.ndarray) -> np.ndarray:
        """PᵢX for a vector or for columns, in float64."""
        P = self.quadratics[i].P
        if P is None:
            return np.zeros_like(X)
        self.products += 1 if X.ndim == 1 else X.shape[1]
        try:
            if isinstance(P, LinearOperator):
                result = P.matvec(X) if X.ndim == 1 else P.matmat(X)
            else:
                result = P @ X
        except ValueError as error:  # ProblemError is one
            raise ProblemError(f"{self.name(i)}: {error}") from error
        result = np.asarray(result, dtype=np.float64)
        if result.shape != X.shape:
            raise ProblemError(f"{self.name(i)} returned shape {result.shape} for shape {X.shape}.")
        if not np.isfinite(result.sum()) and np.isfinite(X).all() and not np.isfinite(result).all():
            raise ProblemError(f"{self.name(i)} returned {int((~np.isfinite(result)).sum())} entries that are not "
                               f"finite for a vector that is.")
        return result

    def _probe(self, i: int) -> None:
        """Two products with fixed vectors: is an operator symmetric, is its curvature positive, how large is it."""
        u, v = np.random.default_rng(0).standard_normal((2, self.n))
        Pv = self.product(i, v)
        length = float(np.linalg.norm(v))
        self.size[i] = float(np.linalg.norm(Pv)) / length
        if self.quadratics[i].structure != "operator":
            return
        single = self.quadratics[i].P.dtype == np.float32
        Pu = self.product(i, u)
        one, other = float(Pu @ v), float(u @ Pv)
        scale = float(np.linalg.norm(Pu)) * length + float(np.linalg.norm(u)) * float(np.linalg.norm(Pv))
        if abs(one - other) > (ASYMMETRY_SINGLE if single else ASYMMETRY) * scale:
            raise ProblemError(f"{self.name(i)} is not symmetric: ⟨Pu, v⟩ = {one:.6g} but ⟨u, Pv⟩ = {other:.6g} for "
                               "two vectors. If ½xᵀPx is meant, use v -> (Pv + Pᵀv)/2.")
        for vector, product in ((u, Pu), (v, Pv)):
            self.require_convex(i, vector, product)

    def require_convex(self, i: int, v: np.ndarray, Pv: np.ndarray | None = None) -> None:
        """NotConvexError if vᵀPᵢv is negative beyond rounding."""
        Pv = self.product(i, v) if Pv is None else Pv
        square, bend = float(v @ v), float(v @ Pv)
        single = getattr(self.quadratics[i].P, "dtype", np.float64) == np.float32
        share = NEGATIVE_SINGLE if single else NEGATIVE
        if bend < -share * max(float(np.linalg.norm(Pv)) * np.sqrt(square), self.size[i] * square):
            raise NotConvexError(
                f"{self.name(i)} is not positive semidefinite: a direction of curvature {bend / square:.1e} was met. "
                "A convex solver needs P ⪰ 0; for one quadratic constraint see trust_region_step.")

    def gradients(self, x: np.ndarray) -> np.ndarray:
        """(1 + m, n) array of the ∇fᵢ(x)."""
        slopes = self.q.copy()
        for i in self.curved:
            slopes[i] += self.product(i, x)
        return slopes

    def values(self, x: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """fᵢ(x) = ½(∇fᵢ(x) + qᵢ)ᵀx + rᵢ from the gradients: no product."""
        return 0.5 * (slopes @ x + self.q @ x) + self.r

    def slope(self, slopes: np.ndarray, weights: np.ndarray, on_rows: np.ndarray) -> np.ndarray:
        """Σ weightsᵢ∇fᵢ + rowsᵀon_rows."""
        return weights @ slopes + self.rows.T @ on_rows

    def floor(self, weights: np.ndarray) -> float:
        """A lower bound on the eigenvalues of Σ weightsᵢPᵢ, for weights ≥ 0 and P's ⪰ 0."""
        return float(weights @ self.least)

    def curvature(self, weights: np.ndarray, free: np.ndarray | None = None) -> SymmetricOperator:
        """Σ weightsᵢPᵢ as an operator; with `free`, of those variables alone, vectors being zero elsewhere."""
        used = [i for i in self.curved if weights[i] != 0.0]
        least = self.floor(weights)

        def product(V: np.ndarray) -> np.ndarray:
            total = np.zeros(V.shape)
            for i in used:
                part = self.product(i, V)
                total += part if weights[i] == 1.0 else weights[i] * part
            if free is not None:
                total[~free] = 0.0
            return total

        return SymmetricOperator(self.n, product, matmat=product, min_eigenvalue=least if least > 0 else None)

    def preconditioner(self, weights: np.ndarray) -> Any:
        """Jacobi's, where the diagonals of all P's can be read off and differ."""
        if self.diagonals is None:
            return None
        diagonal = weights @ self.diagonals
        if not diagonal.min() > 0 or diagonal.max() <= 2.0 * diagonal.min():
            return None
        return jacobi(diagonal)


def _diagonal(P: Any) -> np.ndarray | None:
    """The diagonal of an array, a sparse or a factored matrix; None for an operator, which does not show it."""
    if P is None:
        return np.zeros(0)
    if isinstance(P, np.ndarray) or sp.issparse(P):
        return np.asarray(P.diagonal(), dtype=np.float64)
    factor = getattr(P, "factor", None)
    if factor is None or not hasattr(P, "diag"):
        return None
    squares = factor.multiply(factor).sum(axis=0) if sp.issparse(factor) else np.einsum("ij,ij->j", factor, factor)
    return np.asarray(squares, dtype=np.float64).reshape(-1) + P.diag
