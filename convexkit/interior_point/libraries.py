"""Libraries that factor one sparse quasi-definite matrix after another, all of one pattern, without pivoting.

SuperLU comes with scipy. qdldl is picked up where it is installed and the factors are sparse: it does the symbolic work
once, and is then about five times as fast. Where they fill up, its columns one at a time are no match for SuperLU's
blocks, nor are those for MKL's, which pypardiso brings on x86.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

# Entries per column of L, on average, up to which qdldl is the faster one.
SPARSE_FACTOR = 40
# Rows from which Pardiso is worth its start, a tenth of a second.
LARGE = 20000


class Library(Protocol):
    """`order` is how the rows and columns of the matrices are to be arranged; `factor` gives the function that solves.

    RuntimeError if a pivot vanishes.
    """

    name: str
    order: np.ndarray

    def factor(self, matrix: Any) -> Callable[[np.ndarray], np.ndarray]: ...


def _definite(pattern: Any) -> Any:
    """A diagonally dominant matrix of the pattern, which includes the diagonal."""
    matrix = sp.csc_matrix(pattern, copy=True)
    matrix.sort_indices()
    columns = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    matrix.data = np.where(matrix.indices == columns, 1.0 + 2.0 * np.diff(matrix.indptr)[columns], 1.0)
    return matrix


class SuperLU:
    """scipy's SuperLU in symmetric mode, in its own minimum-degree order, found once."""

    name = "SuperLU"

    def __init__(self, pattern: Any):
        factors = splu(_definite(pattern), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                       options={"SymmetricMode": True})
        self.order = np.argsort(factors.perm_c)  # perm_c[k] is the position that column k moves to

    def factor(self, matrix: Any) -> Callable[[np.ndarray], np.ndarray]:
        return splu(matrix, permc_spec="NATURAL", diag_pivot_thresh=0.0, options={"SymmetricMode": True}).solve


class Qdldl:
    """qdldl, which brings its own minimum-degree order. Raises ValueError if the factors are not sparse."""

    name = "qdldl"

    def __init__(self, pattern: Any, module: Any):
        matrix = _definite(pattern)
        size = matrix.shape[0]
        self.order = np.arange(size)
        upper = matrix.indices <= np.repeat(self.order.astype(matrix.indices.dtype), np.diff(matrix.indptr))
        self._upper = np.flatnonzero(upper)
        starts = np.concatenate(([0], np.cumsum(upper)))[matrix.indptr]
        self._triangle = sp.csc_matrix((matrix.data[self._upper], matrix.indices[self._upper], starts),
                                       shape=matrix.shape)
        self._solver = module.Solver(self._triangle, upper=True)
        if self._solver.factors()[0].nnz > SPARSE_FACTOR * size:
            raise ValueError("the factors are not sparse")

    def factor(self, matrix: Any) -> Callable[[np.ndarray], np.ndarray]:
        self._triangle.data = matrix.data[self._upper]
        try:
            self._solver.update(self._triangle, upper=True)
        except Exception as error:
            raise RuntimeError(str(error)) from None
        return self._solver.solve


class Pardiso:
    """MKL's Pardiso through pypardiso, in an order by nested dissection and with pivots of size one and two."""

    name = "MKL Pardiso"
    # Settings by number, from one on: they are given; METIS's order; pivots below 1e-13 are raised to it; its own
    # scaling; pivoting within blocks (Bunch and Kaufman).
    SETTINGS = ((1, 1), (2, 2), (10, 13), (11, 1), (13, 1), (21, 1))
    SYMMETRIC_INDEFINITE = -2
    ANALYSE, FACTOR, SOLVE = 11, 22, 33

    def __init__(self, pattern: Any, module: Any):
        matrix = _definite(pattern)
        size = matrix.shape[0]
        self.order = np.arange(size)
        # The lower triangle by columns is the upper one by rows.
        lower = matrix.indices >= np.repeat(self.order, np.diff(matrix.indptr))
        self._lower = np.flatnonzero(lower)
        starts = np.concatenate(([0], np.cumsum(lower)))[matrix.indptr]
        self._triangle = sp.csr_matrix((matrix.data[self._lower], matrix.indices[self._lower], starts),
                                       shape=matrix.shape)
        self._solver = module.PyPardisoSolver(mtype=self.SYMMETRIC_INDEFINITE)
        for number, value in self.SETTINGS:
            self._solver.set_iparm(number, value)
        weakref.finalize(self, self._solver.free_memory, everything=True)
        self._call(self.ANALYSE, np.zeros(size))

    def _call(self, phase: int, rhs: np.ndarray) -> np.ndarray:
        self._solver.set_phase(phase)
        try:
            return self._solver._call_pardiso(self._triangle, rhs)
        except Exception as error:
            raise RuntimeError(str(error)) from None

    def factor(self, matrix: Any) -> Callable[[np.ndarray], np.ndarray]:
        self._triangle.data = matrix.data[self._lower]
        self._call(self.FACTOR, np.zeros(self.order.size))
        return lambda rhs: self._call(self.SOLVE, rhs)


def choose_library(pattern: Any, *, curved: bool) -> Library:
    """Of what is installed, the fastest that suits a symmetric CSC pattern: qdldl, MKL's Pardiso, or SuperLU.

    With curved rows SuperLU's solutions, which are a little sharper, made the difference on two problems of QPLIB.
    """
    if curved:
        return SuperLU(pattern)
    try:
        import qdldl

        return Qdldl(pattern, qdldl)
    except (ImportError, ValueError):
        pass
    if pattern.shape[0] >= LARGE:
        try:
            import pypardiso

            return Pardiso(pattern, pypardiso)
        except ImportError:
            pass
    return SuperLU(pattern)
