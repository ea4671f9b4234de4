"""The problem on a subspace: a small QCQP, whose dual function bounds that of the whole from above."""

from __future__ import annotations

import numpy as np

from ..interior_point import Outcome, Settings, over_one_ellipsoid, run
from ..problem import QCQP
from ..quadratic import Quadratic
from .terms import Terms

# A direction that lies within the span of the others up to this share of its length brings nothing new.
NEW = 1e-10


class Model:
    """min f₀(x) s.t. f(x) ≤ 0, Gx ≤ h, Ax = b over x = anchor + Vy, with V orthonormal.

        fᵢ(a + Vy) = ½yᵀ(VᵀPᵢV)y + (Vᵀ∇fᵢ(a))ᵀy + fᵢ(a)

    One product with each P for each column of V, and none for a solve.
    """

    def __init__(self, terms: Terms, anchor: np.ndarray | None = None, slopes: np.ndarray | None = None):
        self.terms = terms
        count = len(terms.quadratics)
        self.anchor = anchor
        self.slopes = terms.q if slopes is None else slopes
        self.constants = terms.r if anchor is None or slopes is None else terms.values(anchor, slopes)
        self.limits = terms.limits if anchor is None else terms.limits - terms.rows @ anchor
        self.V = np.zeros((terms.n, 0))
        self.P = np.zeros((count, 0, 0))
        self.q = np.zeros((count, 0))
        self.rows = np.zeros((terms.limits.size, 0))

    def add(self, block: np.ndarray) -> int:
        """Widen V by the columns of `block`; how many of them were new."""
        terms, before = self.terms, self.V.shape[1]
        fresh: list[np.ndarray] = []
        for column in block.T:
            length = float(np.linalg.norm(column))
            if not 0 < length < np.inf:
                continue
            v = column / length
            for _ in range(2):  # Gram and Schmidt, twice is enough
                v = v - self.V @ (self.V.T @ v)
                for w in fresh:
                    v = v - w * float(w @ v)
                if not (size := float(np.linalg.norm(v))) > NEW:
                    break
                v /= size
            else:
                fresh.append(v)
        if not fresh:
            return 0
        new = np.stack(fresh, axis=1)
        V = np.concatenate([self.V, new], axis=1)
        total = V.shape[1]
        P = np.zeros((len(terms.quadratics), total, total))
        P[:, :before, :before] = self.P
        for i in terms.curved:
            part = V.T @ terms.product(i, new)
            P[i, :, before:] = part
            P[i, before:, :] = part.T
            P[i, before:, before:] = (part[before:] + part[before:].T) / 2
            self._require_convex(i, P[i], V)
        self.V, self.P = V, P
        self.q = np.concatenate([self.q, self.slopes @ new], axis=1)
        self.rows = np.concatenate([self.rows, terms.rows @ new], axis=1)
        return total - before

    def _require_convex(self, i: int, P: np.ndarray, V: np.ndarray) -> None:
        """The smallest eigenvalue on the subspace is a curvature that P has."""
        values, vectors = np.linalg.eigh(P)
        if values[0] < -1e-12 * max(values[-1], self.terms.size[i]):
            self.terms.require_convex(i, V @ vectors[:, 0])

    def shrink(self, size: int, y: np.ndarray) -> None:
        """Keep the `size` youngest columns, and one for the point Vy: no product."""
        k = self.V.shape[1]
        if k <= size:
            return
        S = np.zeros((k, size + 1))
        S[k - size:, :size] = np.eye(size)
        rest = np.concatenate([y[:k - size], np.zeros(size)])
        S[:, size] = rest / np.linalg.norm(rest) if rest.any() else np.eye(k)[0]
        self.V = self.V @ S
        self.P = np.matmul(S.T, self.P @ S)
        self.q, self.rows = self.q @ S, self.rows @ S

    def solve(self, settings: Settings) -> Outcome:
        """The small problem by the interior-point method; one ellipsoid alone by its formula."""
        problem = self.terms.problem
        functions = [Quadratic(P if self.terms.quadratics[i].P is not None else None, q, c)
                     for i, (P, q, c) in enumerate(zip(self.P, self.q, self.constants, strict=True))]
        G, A = self.rows[:problem.h.size], self.rows[problem.h.size:]
        h, b = self.limits[:problem.h.size], self.limits[problem.h.size:]
        small = QCQP(functions[0], functions[1:], G=G, h=h, A=A, b=b)
        if (point := over_one_ellipsoid(small)) is not None:
            return Outcome("converged", point, point, None, None, 0, "closed form")
        return run(small, settings)

    def point(self, y: np.ndarray) -> np.ndarray:
        """anchor + Vy."""
        return self.V @ y if self.anchor is None else self.anchor + self.V @ y
