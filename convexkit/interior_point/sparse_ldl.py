"""The sparse backend: one quasi-definite matrix over variables, rows and equalities, factored without pivoting.

    [ H     Jᵀ    Aᵀ ] [ dx ]
    [ J    -W²    0  ] [ dλ ]
    [ A     0     0  ] [ dν ]

Every symmetric permutation of a quasi-definite matrix has an LDLᵀ factorization (Vanderbei, SIAM J. Optim. 5, 1995), so
the order is chosen once, for little fill. A small multiple of ±1 on the diagonal makes the matrix quasi-definite where
H or A are rank-deficient; refinement takes its effect out of the solution.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from .cones import NesterovTodd
from .curvature import SparseStack
from .form import Form
from .kkt_system import ROUGH, KKTSystem, add_bounds
from .libraries import choose_library
from .settings import Settings

# Cones up to this size enter W² as dense blocks; larger ones as a diagonal with two more rows and columns.
LARGEST_BLOCK = 6
REFINEMENTS = 10
# Relative residual at which refinement stops.
SHARP = 1e-12
# Ways to factor, tried in turn: what is added to the diagonal of the scaled matrix, with the sign that makes it
# quasi-definite; the threshold for pivoting; and the relative residual, after refinement, above which the next way is
# tried. Where the matrix is nearly singular, factors without pivoting can be useless; pivoting needs hardly any
# regularization, but takes two to ten times as long, or more.
WAYS = ((1e-10, 0.0, 1e-9), (1e-8, 0.0, 1e-9), (1e-14, 0.1, np.inf))


class SparseLDL(KKTSystem):
    """A factorization with a fixed order; the pattern and where each number goes are found once (see `libraries`)."""

    scaling: NesterovTodd

    def __init__(self, form: Form, settings: Settings):
        super().__init__(form, settings)
        stack = form.curvature
        assert isinstance(stack, SparseStack)
        n, rows, p = form.n, form.rows.shape[0], form.p
        cones = form.cones
        large = cones.sizes > LARGEST_BLOCK
        extra = 2 * int(large.sum())
        self._size = size = n + rows + extra + p
        self._H: np.ndarray | None = None
        self._largest: np.ndarray | None = None  # off the diagonal, in each column
        J = form.rows
        J_row = np.repeat(np.arange(rows), np.diff(J.indptr))
        A_row = np.repeat(np.arange(p), np.diff(form.A.indptr))

        # H, as a linear function of (c, weights), over the union of the patterns and the diagonal.
        first = sp.coo_array(stack.P0)
        diagonal = np.arange(n)
        keys = np.concatenate([first.row.astype(np.int64) * n + first.col, stack.a.astype(np.int64) * n + stack.b,
                               diagonal.astype(np.int64) * n + diagonal])
        pattern, slot = np.unique(keys, return_inverse=True)
        values = np.concatenate([first.data, stack.entries, np.zeros(n)])
        source = np.concatenate([np.zeros(first.nnz, np.intp), 1 + stack.owner, np.zeros(n, np.intp)])
        # The matrix is formed in variables of comparable size, x = columns·x̂, so that what is added to its diagonal is
        # small beside what is there. With curved rows, whose entries change, that gained nothing.
        self._columns_of_x = E = np.ones(n) if form.mq else form.scaling.columns
        values *= E[pattern[slot] // n] * E[pattern[slot] % n]
        self._H_map = sp.csr_array((values, (slot, source)), shape=(pattern.size, 1 + form.mq))
        self._H_diagonal = np.searchsorted(pattern, diagonal.astype(np.int64) * n + diagonal)

        # W²: the diagonal of all rows, pairs within small cones, borders of large ones.
        start = cones.part.start
        small = np.flatnonzero(~large)
        pairs = [np.indices((k, k)).reshape(2, -1) + h for k, h in zip(cones.sizes[small], cones.heads[small],
                                                                     strict=True)]
        both = np.concatenate(pairs, axis=1) if pairs else np.zeros((2, 0), np.intp)
        both = both[:, both[0] != both[1]]
        self._pair_i, self._pair_j = both
        self._large = np.flatnonzero(large)
        inside = np.flatnonzero(cones.spread(large)) if cones.count else np.zeros(0, np.intp)
        self._inside = inside
        number = np.searchsorted(self._large, cones.spread(np.arange(cones.count))[inside]) if inside.size else inside
        self._number = number
        v_at, u_at = n + rows + 2 * number, n + rows + 2 * number + 1
        cone_at = n + start + inside
        A_at = n + rows + extra

        # (row, column) of every number, one group after the other; those of J, pairs and borders occur twice.
        H_row, H_column = pattern // n, pattern % n
        every = np.arange(size)
        groups = {"H": (H_row, H_column), "J": (n + J_row, J.indices), "Jt": (J.indices, n + J_row),
                  "pairs": (n + start + self._pair_i, n + start + self._pair_j), "v": (cone_at, v_at),
                  "vt": (v_at, cone_at), "u": (cone_at, u_at), "ut": (u_at, cone_at),
                  "A": (A_at + A_row, form.A.indices), "At": (form.A.indices, A_at + A_row),
                  "corner": (every[n:], every[n:])}
        i, j = (np.concatenate([pair[k] for pair in groups.values()]).astype(np.int32) for k in (0, 1))
        number_of = np.arange(i.size)
        index = sp.csc_array((number_of, (i, j)), shape=(size, size))
        index.sort_indices()
        self._library = choose_library(index, curved=form.mq > 0)
        self.name = f"sparse LDL ({self._library.name})"
        order = self._library.order
        place = np.empty(size, dtype=np.int32)
        place[order] = every
        self._order, self._place = order, place
        if (place != every).any():
            index = sp.csc_array((number_of, (place[i], place[j])), shape=(size, size))
            index.sort_indices()
        # Where each number goes. What does not change between iterations is written once.
        slots = np.empty(i.size, dtype=np.intp)
        slots[index.data] = number_of
        ends = np.cumsum([pair[0].size for pair in groups.values()])
        self._slots = dict(zip(groups, np.split(slots, ends[:-1]), strict=True))
        self._data = np.zeros(i.size)
        self._data[self._slots["J"]] = self._data[self._slots["Jt"]] = J.data * E[J.indices]
        self._data[self._slots["A"]] = self._data[self._slots["At"]] = form.A.data * E[form.A.indices]
        self._bent = stack.q.size  # entries of J that change
        self._bent_size = E[J.indices[:self._bent]]
        self._size_in_order = np.concatenate([E, np.ones(size - n)])[order]
        self._rows = index.indices.astype(np.intp)
        self._starts = index.indptr[:-1].astype(np.intp)
        self._columns = np.repeat(every, np.diff(index.indptr))
        self._matrix = sp.csc_array((np.zeros(i.size), index.indices, index.indptr), shape=(size, size))
        # Symmetric, so that the columns are the rows.
        self._exact = sp.csr_array((np.zeros(i.size), index.indices, index.indptr), shape=(size, size))
        self._diagonal = np.flatnonzero(self._rows == self._columns)
        signs = np.ones(size)
        signs[n:] = -1.0
        signs[n + rows + 1:n + rows + extra:2] = 1.0  # the u of large cones
        self._signs = signs[order]

    def factor(self, c: float, weights: np.ndarray, scaling: NesterovTodd) -> bool:
        form, cones = self.form, self.form.cones
        data, slots = self._data, self._slots
        rows = form.rows.shape[0]
        if form.mq or self._H is None:
            self._H = self._H_map @ np.concatenate(([c], weights))
            data[slots["H"]] = self._H
        if form.mq:
            bent = self._bent
            data[slots["J"][:bent]] = data[slots["Jt"][:bent]] = self.J.data[:bent] * self._bent_size
        bounds = np.zeros(form.n)
        add_bounds(form, scaling.w, bounds)
        data[slots["H"][self._H_diagonal]] = self._H[self._H_diagonal] + bounds * self._columns_of_x**2
        self.scaling = scaling
        square = 1.0 / scaling.w[:rows]
        if cones.count:
            part = cones.part
            entries = np.arange(cones.total)
            square[part] = scaling.square_entries(entries, entries)
            data[slots["pairs"]] = -scaling.square_entries(self._pair_i, self._pair_j)
            if self._large.size:
                # W² = eta²·(diag(d, 1, …, 1) + uuᵀ - vvᵀ), with v and u as columns of their own (Domahidi, Chu and
                # Boyd, "ECOS", 2013).
                heads = cones.heads[self._large]
                w0 = scaling.point[heads]
                w0w0 = 2.0 * w0 * w0 - 1.0
                tail = w0 * w0 - 1.0
                d = np.maximum(0.5 * (w0 * w0 + tail * (1.0 - 4.0 * w0 * w0 / (1.0 + 2.0 * tail))), 0.0)
                u0 = np.sqrt(w0w0 - d)
                u1 = 2.0 * w0 / u0
                v1 = np.sqrt(np.maximum(u1 * u1 - 2.0, 0.0))
                eta2 = scaling.eta[self._large]**2
                number, is_head = self._number, np.isin(self._inside, heads)
                point = scaling.point[self._inside]
                data[slots["u"]] = data[slots["ut"]] = \
                    -eta2[number] * np.where(is_head, u0[number], u1[number] * point)
                data[slots["v"]] = data[slots["vt"]] = -eta2[number] * np.where(is_head, 0.0, v1[number] * point)
                square[part.start + self._inside] = eta2[number] * np.where(is_head, d[number], 1.0)
                data[slots["corner"][rows:rows + 2 * eta2.size]] = np.stack([-eta2, eta2], axis=1).ravel()
        data[slots["corner"][:rows]] = -square
        exact = self._exact.data
        largest = self._largest
        if form.mq or cones.count or largest is None:
            np.abs(data, out=exact)
            exact[self._diagonal] = 0.0
            self._largest = largest = np.maximum.reduceat(exact, self._starts)
        largest = np.maximum(largest, np.abs(data[self._diagonal]))
        if not np.isfinite(largest.max(initial=0.0)):
            return False
        scale = 1.0 / np.sqrt(np.where(largest > 0, largest, 1.0))
        self._scale = scale * self._size_in_order
        np.take(scale, self._rows, out=exact, mode="clip")
        exact *= data
        exact *= np.take(scale, self._columns, mode="clip")
        self._level = 0
        return self._decompose()

    def _decompose(self) -> bool:
        """Factor in the present way, or the next one that works."""
        for level in range(self._level, len(WAYS)):
            self._level = level
            regularization, threshold, _ = WAYS[level]
            np.copyto(self._matrix.data, self._exact.data)
            self._matrix.data[self._diagonal] += regularization * self._signs
            try:
                if threshold:
                    self._inverse = splu(self._matrix, permc_spec="COLAMD", diag_pivot_thresh=threshold).solve
                else:
                    self._inverse = self._library.factor(self._matrix)
                return True
            except RuntimeError:  # a pivot is exactly zero
                continue
        return False

    def solve(self, rhs_x: np.ndarray, rhs_z: np.ndarray, rhs_y: np.ndarray
              ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        form = self.form
        rows, p = form.rows.shape[0], form.p
        # Bounds are part of the diagonal of H.
        weighted = self.scaling.w[rows:] * rhs_z[rows:]
        bounds = np.zeros(form.n)
        middle = form.low.size
        bounds[form.low] -= form.d_low * weighted[:middle]
        bounds[form.high] += form.d_high * weighted[middle:]
        rhs = np.zeros(self._size)
        rhs[:form.n] = rhs_x + bounds
        rhs[form.n:form.n + rows] = rhs_z[:rows]
        rhs[self._size - p:] = rhs_y
        rhs = self._scale * rhs[self._order]
        solution, error = self._refined(rhs)
        while not error <= max(WAYS[self._level][2], ROUGH if self.rough else 0.0):
            self._level += 1
            if not self._decompose():
                break
            other, other_error = self._refined(rhs)
            if not other_error >= error:
                solution, error = other, other_error
        out = (self._scale * solution)[self._place]
        dx = out[:form.n]
        lam = np.concatenate([out[form.n:form.n + rows], -form.d_low * dx[form.low], form.d_high * dx[form.high]])
        lam[rows:] = self.scaling.w[rows:] * lam[rows:] - weighted
        return dx, lam, out[self._size - p:]

    def _refined(self, rhs: np.ndarray) -> tuple[np.ndarray, float]:
        """A solution of the scaled system, whose entries are at most one, and its relative residual."""
        solution = best = self._inverse(rhs)
        size = np.abs(rhs).max(initial=0.0)
        enough = (ROUGH if self.rough else SHARP) * size
        least = np.inf
        for _ in range(REFINEMENTS):
            residual = rhs - self._exact @ solution
            error = np.abs(residual).max(initial=0.0)
            if not error < least:
                break
            stuck = not error < 0.5 * least
            least, best = error, solution
            if error <= enough or stuck:
                break
            solution = solution + self._inverse(residual)
        return best, least / size if size > 0 else 0.0

