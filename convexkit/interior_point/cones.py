"""Second-order cones: their algebra, and the Nesterov-Todd scaling of slacks and multipliers.

Slacks and multipliers of all rows are one vector: nonnegative entries, and a stretch of cones one after the other,
(s₀, s₁) with ‖s₁‖ ≤ s₀ each. For nonnegative entries everything below is elementwise: W = √(s/λ).

Vandenberghe, "The CVXOPT linear and quadratic cone program solvers" (2010), sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class Cones:
    """Where the cones lie in a vector of m entries: from `start` on, with the given sizes (2 or more each)."""

    def __init__(self, start: int, sizes: Sequence[int]):
        self.sizes = np.asarray(sizes, dtype=np.intp)
        self.count = self.sizes.size
        self.total = int(self.sizes.sum())
        self.part = slice(start, start + self.total)
        self.heads = np.concatenate(([0], np.cumsum(self.sizes)[:-1])).astype(np.intp) if self.count else \
            np.zeros(0, np.intp)
        self._owner = np.repeat(np.arange(self.count), self.sizes)
        self._sign = -np.ones(self.total)
        self._sign[self.heads] = 1.0

    def identity(self, m: int) -> np.ndarray:
        """The vector e of m entries: 1, and (1, 0, …, 0) in each cone."""
        e = np.ones(m)
        e[self.part] = 0.0
        e[self.part][self.heads] = 1.0
        return e

    def spread(self, per_cone: np.ndarray) -> np.ndarray:
        """One number for each cone, repeated for its entries."""
        return per_cone[self._owner]

    def inner(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """uᵀv of each cone; v may have several columns."""
        product = u * v if v.ndim == 1 else u[:, None] * v
        return np.add.reduceat(product, self.heads, axis=0)

    def largest(self, v: np.ndarray) -> np.ndarray:
        """max |v| of each cone."""
        return np.maximum.reduceat(np.abs(v), self.heads)

    def tail_norm(self, v: np.ndarray) -> np.ndarray:
        """‖v₁‖ of each cone."""
        tail = v.copy()
        tail[self.heads] = 0.0
        return np.sqrt(np.add.reduceat(tail * tail, self.heads))

    def determinant(self, v: np.ndarray) -> np.ndarray:
        """v₀² - ‖v₁‖², without cancellation near the boundary."""
        tail, head = self.tail_norm(v), v[self.heads]
        return (head - tail) * (head + tail)

    def reflected(self, v: np.ndarray) -> np.ndarray:
        """(v₀, -v₁)."""
        return self._sign * v if v.ndim == 1 else self._sign[:, None] * v

    def product(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """u ∘ v = (uᵀv, u₀v₁ + v₀u₁)."""
        out = self.spread(u[self.heads]) * v + self.spread(v[self.heads]) * u
        out[self.heads] = self.inner(u, v)
        return out

    def quotient(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The x with u ∘ x = v, for u inside the cone."""
        head = self.inner(self.reflected(u), v) / self.determinant(u)
        out = (v - self.spread(head) * u) / self.spread(u[self.heads])
        out[self.heads] = head
        return out

    def longest(self, v: np.ndarray, dv: np.ndarray) -> float:
        """The largest step α with v + α·dv in all cones.

        det(v + α·dv) = aα² + 2bα + c; its smallest positive root is c/(√(b² - ac) - b).
        """
        tail = dv.copy()
        tail[self.heads] = 0.0
        a = self.determinant(dv)
        b = self.inner(self.reflected(v), dv)
        c = self.determinant(v)
        discriminant = b * b - a * c
        denominator = np.sqrt(np.maximum(discriminant, 0.0)) - b
        leaves = (discriminant >= 0) & (denominator > 0)
        return float((c[leaves] / denominator[leaves]).min(initial=np.inf))


class NesterovTodd:
    """The W with Wλ = W⁻¹s =: v of one point; `w` is the diagonal of W⁻² outside the cones."""

    def __init__(self, cones: Cones, s: np.ndarray, lam: np.ndarray):
        self.cones, self._s, self._lam = cones, s, lam
        self.w = lam / s
        if not cones.count:
            return
        part = cones.part
        self.w[part] = 1.0  # not theirs
        det_s, det_z = cones.determinant(s[part]), cones.determinant(lam[part])
        unit_s = s[part] / cones.spread(np.sqrt(det_s))
        unit_z = lam[part] / cones.spread(np.sqrt(det_z))
        gamma = np.sqrt(0.5 * (1.0 + cones.inner(unit_s, unit_z)))
        # W = eta·[w₀ w₁ᵀ; w₁ I + w₁w₁ᵀ/(1 + w₀)] with w₀² - ‖w₁‖² = 1.
        self.point = (unit_s + cones.reflected(unit_z)) / cones.spread(2.0 * gamma)
        tail = cones.tail_norm(self.point)
        self.point[cones.heads] = np.sqrt(1.0 + tail * tail)
        self.eta = (det_s / det_z) ** 0.25
        self.scaled = self._times(lam[part])

    def _times(self, v: np.ndarray, *, inverse: bool = False) -> np.ndarray:
        """Wv or W⁻¹v for the cones' entries; v may have several columns."""
        cones, w = self.cones, self.point
        head, w_head = v[cones.heads], w[cones.heads]
        eta = self.eta
        if v.ndim == 2:
            w_head, eta = w_head[:, None], eta[:, None]
        every = cones.inner(w, v)
        along = every - w_head * head  # w₁ᵀv₁
        sign = -1.0 if inverse else 1.0
        factor = cones.spread(sign * head + along / (1.0 + w_head))
        out = v + factor * (w if v.ndim == 1 else w[:, None])
        out[cones.heads] = w_head * head + sign * along
        return out * cones.spread(1.0 / eta if inverse else eta)

    def inverse_square(self, v: np.ndarray) -> np.ndarray:
        """W⁻²v."""
        if not self.cones.count:
            return self.w * v
        out = self.w * v
        part = self.cones.part
        out[part] = self._times(self._times(v[part], inverse=True), inverse=True)
        return out

    def inverse(self, v: np.ndarray) -> np.ndarray:
        """W⁻¹v."""
        out = np.sqrt(self.w) * v
        if self.cones.count:
            out[self.cones.part] = self._times(v[self.cones.part], inverse=True)
        return out

    def target(self, mu: float, ds: np.ndarray | None = None, dlam: np.ndarray | None = None) -> np.ndarray:
        """t = W(v⁻¹∘(μe - v∘v - (W⁻¹ds)∘(Wdλ))): what ds + W²dλ has to be; -s + μ/λ - … outside the cones."""
        cones = self.cones
        rest = mu if ds is None or dlam is None else mu - ds * dlam
        out = rest / self._lam - self._s
        if cones.count:
            part = cones.part
            goal = np.zeros(cones.total)
            goal[cones.heads] = mu
            if ds is not None and dlam is not None:
                goal -= cones.product(self._times(ds[part], inverse=True), self._times(dlam[part]))
            out[part] = self._times(cones.quotient(self.scaled, goal)) - self._s[part]
        return out

    def scale_rows(self, rows: np.ndarray, out: np.ndarray) -> np.ndarray:
        """W⁻¹·rows for a dense matrix of the leading entries (nonnegative ones, then the cones)."""
        np.multiply(rows, np.sqrt(self.w[:rows.shape[0]])[:, None], out=out)
        if self.cones.count:
            out[self.cones.part] = self._times(rows[self.cones.part], inverse=True)
        return out

    def square_entries(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Entries (i, j) of W² for pairs within one cone: eta²·(2wwᵀ - diag(1, -1, …, -1))."""
        signs = np.where(i == j, np.where(np.isin(i, self.cones.heads), -1.0, 1.0), 0.0)
        return self.cones.spread(self.eta**2)[i] * (2.0 * self.point[i] * self.point[j] + signs)


def worst_ratio(v: np.ndarray, dv: np.ndarray, cones: Cones) -> float:
    """The largest step that keeps v + α·dv nonnegative and in its cones."""
    ratio: Any = -dv / v
    if cones.count:
        ratio[cones.part] = 0.0
    worst = float(ratio.max(initial=0.0))
    step = 1.0 / worst if worst > 0 else np.inf
    return min(step, cones.longest(v[cones.part], dv[cones.part])) if cones.count else step
