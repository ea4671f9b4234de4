"""All inequality rows of a problem, in one order: quadratics, rows of G, lower bounds, upper bounds, cones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..problem import QCQP
from ..validation import dense
from .rows import coefficient_size, row_largest


@dataclass(frozen=True, eq=False)
class Rows:
    """Which inequality rows are meant: masks, or anything else with one entry a row.

    Attributes
    ----------
    lam : (m,) array, quadratics, then rows of G
    lb, ub : (n,) arrays
    cones : (number of cones,) array
    """

    lam: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    cones: np.ndarray

    @classmethod
    def of(cls, problem: QCQP) -> Rows:
        """Mask of all rows with a limit. A variable with equal bounds is an equality, not two rows."""
        fixed = problem.lb == problem.ub
        return cls(np.concatenate([np.ones(len(problem.inequalities), dtype=bool), np.isfinite(problem.h)]),
                   np.isfinite(problem.lb) & ~fixed, np.isfinite(problem.ub) & ~fixed,
                   np.ones(len(problem.cones), dtype=bool))

    def flat(self) -> np.ndarray:
        """All entries in one array."""
        return np.concatenate([self.lam, self.lb, self.ub, self.cones])

    def like(self, flat: np.ndarray) -> Rows:
        """Rows of the same shapes, from one array."""
        ends = np.cumsum([self.lam.size, self.lb.size, self.ub.size])
        return Rows(*np.split(flat, ends))

    def names(self, problem: QCQP) -> tuple[str, ...]:
        """What the rows are called, where the entry is true."""
        quadratics = len(problem.inequalities)
        found = [f"inequalities[{i}]" if i < quadratics else f"G[{i - quadratics}]" for i in np.flatnonzero(self.lam)]
        for name, mask in (("lb", self.lb), ("ub", self.ub), ("cones", self.cones)):
            found += [f"{name}[{i}]" for i in np.flatnonzero(mask)]
        return tuple(found)


def row_values(problem: QCQP, x: np.ndarray) -> Rows:
    """fᵢ(x), Gx - h, lb - x, x - ub, ‖Ax + b‖ - cᵀx - d."""
    return Rows(problem.inequality_values(x), problem.lb - x, x - problem.ub, problem.cone_values(x))


def row_terms_at(problem: QCQP, x: np.ndarray) -> np.ndarray:
    """The size of the terms that `row_values` sums up, for each row: what its rounding is relative to."""
    ax = np.abs(x)
    quadratics = [abs(0.5 * float(x @ f.hessp(x))) + float(np.abs(f.q) @ ax) + abs(f.r) for f in problem.inequalities]
    finite = np.where(np.isfinite(problem.h), np.abs(problem.h), 0.0)
    cones = [float(np.linalg.norm(np.abs(dense(c.A)) @ ax + np.abs(c.b)) + np.abs(c.c) @ ax + abs(c.d))
             for c in problem.cones]
    bounds = [np.where(np.isfinite(b), np.abs(b), 0.0) + ax for b in (problem.lb, problem.ub)]
    return np.concatenate([quadratics, abs(problem.G) @ ax + finite, *bounds, cones])


def row_sizes(problem: QCQP) -> np.ndarray:
    """The largest coefficient of each row, 1 where there is none: the unit in which a row is relaxed."""
    every = np.concatenate([[coefficient_size(f) for f in problem.inequalities], row_largest(problem.G),
                            np.ones(2 * problem.n),
                            [max(float(abs(c.A).max()), float(np.abs(c.c).max())) for c in problem.cones]])
    return np.where(every > 0, every, 1.0)
