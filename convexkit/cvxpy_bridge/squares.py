"""What squares of affine expressions are, as coefficients of a `Quadratic`."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from cvxpy.atoms.quad_form import QuadForm
from cvxpy.atoms.quad_over_lin import quad_over_lin

from ..quadratic import Quadratic
from .lowering import Lowering

# A matrix with a larger share of nonzeros than this is stored dense.
DENSE_SHARE = 0.2


def stored(matrix: Any) -> Any:
    """A sparse matrix as it is, or dense where that is no larger."""
    rows, columns = matrix.shape
    dense = columns < 100 or matrix.nnz > DENSE_SHARE * rows * columns
    return matrix.toarray() if dense else sp.csr_matrix(matrix)


class Squares:
    """What the placeholders stand for, as coefficients: each entry is a sum of weighted squares of Fx + c."""

    def __init__(self, lowering: Lowering):
        self.n = lowering.n
        self.atoms = [atom for _, atom in lowering.squares.values()]
        self._starts = np.cumsum([0] + [placeholder.size for placeholder, _ in lowering.squares.values()])
        arguments = [atom.args[0] for atom in self.atoms]
        self._arguments: list[tuple[Any, np.ndarray]] = []
        if arguments:
            F, c = lowering.coefficients(arguments)
            F, ends = F[:, :self.n].tocsr(), np.cumsum([argument.size for argument in arguments])
            self._arguments = [(F[end - argument.size:end], c[end - argument.size:end])
                               for argument, end in zip(arguments, ends, strict=True)]

    def uses(self) -> np.ndarray:
        """(n,) array: how often each variable occurs in the squares."""
        return sum((np.bincount(F.indices, minlength=self.n) for F, _ in self._arguments), np.zeros(self.n, dtype=int))

    def keep(self, columns: np.ndarray) -> None:
        """Leave out variables that do not occur: `columns` is True for those that stay."""
        self.n = int(columns.sum())
        self._arguments = [(F[:, columns], c) for F, c in self._arguments]

    def quadratic(self, linear: Any, curved: Any, constant: np.ndarray, row: int) -> Quadratic:
        """Row `row` of linear·x + curved·placeholders + constant."""
        q = np.zeros(self.n)
        own = slice(linear.indptr[row], linear.indptr[row + 1])
        q[linear.indices[own]] = linear.data[own]
        own = slice(curved.indptr[row], curved.indptr[row + 1])
        columns, weights = curved.indices[own], curved.data[own]
        if not columns.size:
            return Quadratic(None, q, constant[row])
        total = _Sum(q, float(constant[row]))
        which = np.searchsorted(self._starts, columns, side="right") - 1
        for k in np.unique(which):
            self._add_to(total, k, columns[which == k] - self._starts[k], weights[which == k])
        return total.quadratic()

    def _add_to(self, total: _Sum, k: int, entries: np.ndarray, weights: np.ndarray) -> None:
        atom, (F, c) = self.atoms[k], self._arguments[k]
        if isinstance(atom, QuadForm):
            total.add_form(F, c, float(weights[0]) * _values(atom.args[1]))
            return
        if isinstance(atom, quad_over_lin):
            each = np.zeros(atom.size)
            each[entries] = weights / float(np.asarray(_values(atom.args[1])).reshape(-1)[0])
            row_weights = each[_group(atom)]
        else:
            row_weights = np.zeros(c.size)
            row_weights[entries] = weights
        used = np.flatnonzero(row_weights)
        total.add_squares(F[used] if used.size < c.size else F, c[used], row_weights[used])


def _values(expression: Any) -> Any:
    value = expression.value
    return value if sp.issparse(value) else np.asarray(value, dtype=np.float64)


def _group(atom: Any) -> np.ndarray:
    """For each entry of the argument of sum_squares, in Fortran order, the entry of the result it counts to."""
    shape = atom.args[0].shape
    if getattr(atom, "axis", None) is None:
        return np.zeros(int(np.prod(shape)), dtype=int)
    summed = {axis % len(shape) for axis in np.atleast_1d(atom.axis)}
    kept = tuple(1 if axis in summed else size for axis, size in enumerate(shape))
    index = np.arange(int(np.prod(kept))).reshape(kept, order="F")
    return np.broadcast_to(index, shape).reshape(-1, order="F")


class _Sum:
    """qᵀx + r + a sum of squares, kept apart by structure: diagonal, factors, matrices."""

    def __init__(self, q: np.ndarray, r: float):
        self.q, self.r, self.n = q, r, q.size
        self.diag = np.zeros(self.n)
        self.factors: list = []
        self.matrices: list = []

    def add_squares(self, F: Any, c: np.ndarray, weights: np.ndarray) -> None:
        """Add Σ weightsᵢ(Fx + c)ᵢ²."""
        self.q += 2.0 * (F.T @ (weights * c))
        self.r += float(c @ (weights * c))
        count = np.diff(F.indptr)
        if count.max(initial=0) <= 1:
            self.diag += np.bincount(F.indices, 2.0 * np.repeat(weights, count) * F.data**2, minlength=self.n)
        elif (weights > 0).all():
            self.factors.append(stored(sp.diags(np.sqrt(2.0 * weights)) @ F))
        else:
            F = stored(F)
            gram = F.T @ (weights[:, None] * F if isinstance(F, np.ndarray) else sp.diags(weights) @ F)
            self.matrices.append(gram + gram.T)

    def add_form(self, F: Any, c: np.ndarray, W: Any) -> None:
        """Add (Fx + c)ᵀW(Fx + c)."""
        W = W + W.T
        if c.any():
            self.q += F.T @ (W @ c)
            self.r += 0.5 * float(c @ (W @ c))
        if (np.diff(F.indptr) == 1).all() and (F.data == 1).all() and np.unique(F.indices).size == F.indices.size:
            W = self._placed(W, F.indices)
        else:
            F = stored(F)
            W = F.T @ (W @ F)
            W = 0.5 * (W + W.T)
        self.matrices.append(W)

    def _placed(self, W: Any, columns: np.ndarray) -> Any:
        """W in the rows and columns of some of the variables: the usual case, and no product is needed."""
        if np.array_equal(columns, np.arange(self.n)):
            return W
        if not sp.issparse(W) and W.size > DENSE_SHARE * self.n**2:
            P = np.zeros((self.n, self.n))
            P[np.ix_(columns, columns)] = W
            return P
        W = sp.coo_matrix(W)
        return sp.csr_matrix((W.data, (columns[W.row], columns[W.col])), shape=(self.n, self.n))

    def quadratic(self) -> Quadratic:
        """Factored if all terms are squares of fewer than n/2 rows, besides a diagonal; else P summed up."""
        rows = sum(factor.shape[0] for factor in self.factors)
        if self.factors and not self.matrices and rows < self.n / 2 and self.diag.min() >= 0:
            dense = any(isinstance(factor, np.ndarray) for factor in self.factors)
            stacked = np.vstack([f if isinstance(f, np.ndarray) else f.toarray() for f in self.factors]) if dense \
                else sp.vstack(self.factors, format="csr")
            return Quadratic.from_factor(stacked, diag=self.diag, q=self.q, r=self.r)
        own = np.flatnonzero(self.diag)
        P: Any = sp.csr_matrix((self.diag[own], (own, own)), shape=(self.n, self.n))
        for matrix in (*(factor.T @ factor for factor in self.factors), *self.matrices):
            P = np.asarray(P + matrix) if isinstance(matrix, np.ndarray) else P + matrix
        if sp.issparse(P):
            P = sp.csr_matrix(P)
            if P.nnz == 0:
                return Quadratic(None, self.q, self.r)
            P = P.toarray() if P.nnz > DENSE_SHARE * self.n**2 else P
        return Quadratic(P, self.q, self.r)
