"""The active set of a solution, and the KKT system that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg.blas import daxpy

from ..duality import Rows, coefficient_size, row_largest, row_sizes, row_terms_at, row_values
from ..errors import ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic
from ..validation import dense

# Rows with a relative slack or multiplier above this are clearly one or the other.
NEAR = 0.05
# Slack and multiplier of a row that differ by less than this factor are both on their way to zero.
STRICT = 1e3


@dataclass(frozen=True, eq=False)
class ActiveSet:
    """Which rows hold with equality at a solution, as index arrays.

    Attributes
    ----------
    lam : indices into `lam` (quadratics, then rows of G)
    lb, ub : indices of variables
    strictness : float, by how many times the larger of slack and multiplier exceeds the smaller one, at least, over all
        rows; each relative, to the terms of its row or to the largest multiplier. An interior point leaves both small
        and of one size where a row is active with a multiplier of zero
    weakest : str, the row that has it
    """

    lam: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    strictness: float
    weakest: str

    def names(self, problem: QCQP) -> tuple[str, ...]:
        """What the active rows are called."""
        rows = Rows(np.zeros(problem.m, dtype=bool), np.zeros(problem.n, dtype=bool), np.zeros(problem.n, dtype=bool),
                    np.zeros(0, dtype=bool))
        rows.lam[self.lam], rows.lb[self.lb], rows.ub[self.ub] = True, True, True
        return rows.names(problem)


def reach(problem: QCQP, x: np.ndarray) -> float:
    """How large x is, or would be if it were not zero, by the limits and by |q|/|P| of f₀; 1 if the data do not say.

    Where every constant of the data is zero, x is zero too, and what it has is rounding.
    """
    f0, size = problem.objective, row_sizes(problem)
    curved = np.array([abs(f.r) for f in problem.inequalities]) / size[:len(problem.inequalities)]
    limits = np.concatenate([problem.lb, problem.ub, problem.h / size[len(curved):problem.m], np.sqrt(2.0 * curved),
                             problem.b / np.maximum(row_largest(problem.A), 1e-300),
                             [cone.d for cone in problem.cones]])
    bend = coefficient_size(Quadratic(f0.P)) if f0.P is not None else 0.0
    of_data = max(float(np.abs(limits[np.isfinite(limits)]).max(initial=0.0)),
                  float(np.abs(f0.q).max()) / bend if bend > 0 else 0.0)
    return max(of_data, float(np.abs(x).max())) if of_data > 0 else 1.0


def row_scales(problem: QCQP, x: np.ndarray) -> np.ndarray:
    """What the slack of each row is relative to: its terms at x, at least its largest coefficient times 0.1·reach."""
    return np.maximum(row_terms_at(problem, x), 0.1 * row_sizes(problem) * reach(problem, x))


def relative(problem: QCQP, solution: Any) -> tuple[Rows, Rows]:
    """Slack and multiplier of each row in comparable numbers: over the row's scale, over the largest multiplier."""
    x = solution.x
    limits = Rows.of(problem).flat()
    size = row_sizes(problem)
    terms = row_scales(problem, x)
    rows = row_values(problem, x)
    with np.errstate(invalid="ignore"):
        slack = np.where(limits, -rows.flat() / terms, np.inf)
    heads = np.array([z[0] for z in solution.lam_cones]) if problem.cones else np.zeros(0)
    weights = size * np.concatenate([solution.lam, solution.lam_lb, solution.lam_ub, heads])
    f0 = problem.objective
    largest = max(float(weights.max(initial=0.0)), float(np.abs(f0.gradient(x)).max()), float(np.abs(f0.q).max()),
                  0.1 * coefficient_size(f0) * reach(problem, x), 1e-300)
    return rows.like(slack), rows.like(weights / largest)


def strictness(problem: QCQP, slack: Rows, weight: Rows) -> np.ndarray:
    """By how many times the larger of slack and multiplier exceeds the smaller one, where both are small; else inf."""
    larger, smaller = (np.abs(end(weight.flat(), slack.flat())) for end in (np.maximum, np.minimum))
    near = Rows.of(problem).flat() & (larger < NEAR)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(near, np.where(larger > 1e-12, larger / smaller, 0.0), np.inf)


def active_set(problem: QCQP, solution: Any) -> ActiveSet:
    """Rows whose relative multiplier exceeds their relative slack.

    Raises
    ------
    ProblemError
        For a problem with cones, whose multipliers are vectors.
    """
    if problem.cones:
        raise ProblemError(f"the problem has {len(problem.cones)} cones; active sets are those of quadratic and linear "
                           "rows and bounds. A ball ‖x - a‖ ≤ r can be written as a Quadratic.")
    slack, weight = relative(problem, solution)
    tight = weight.flat() > slack.flat()
    strict = strictness(problem, slack, weight)
    rows = weight.like(tight)
    i = int(np.argmin(strict)) if strict.size else 0
    weakest = weight.like(np.arange(strict.size) == i).names(problem) if strict.size else ("",)
    return ActiveSet(np.flatnonzero(rows.lam), np.flatnonzero(rows.lb), np.flatnonzero(rows.ub),
                     float(strict[i]) if strict.size else np.inf, weakest[0])


def hessian_and_rows(problem: QCQP, x: np.ndarray, lam: np.ndarray, active: np.ndarray) -> tuple[Any, Any, np.ndarray]:
    """P₀ + Σ lamᵢPᵢ over the active rows, their gradients, and their values, in one pass over the data.

    Dense, or sparse where every P that counts is.
    """
    quadratics = len(problem.inequalities)
    curved, linear = active[active < quadratics], active[active >= quadratics] - quadratics
    used = [problem.objective, *(problem.inequalities[i] for i in curved)]
    weights = [1.0, *lam[curved]]
    values = np.empty(active.size)
    as_sparse = all(f.P is None or sp.issparse(f.P) for f in used) and problem.n > 200
    H: Any = sp.csr_array((problem.n, problem.n)) if as_sparse else np.zeros((problem.n, problem.n))
    J = np.empty((curved.size, problem.n))
    for k, (w, f) in enumerate(zip(weights, used, strict=True)):
        if k:
            product = f.hessp(x)
            J[k - 1] = product + f.q
            values[k - 1] = 0.5 * float(x @ product) + float(f.q @ x) + f.r
        if f.P is None:
            continue
        if as_sparse:
            H = H + w * f.P
        elif isinstance(f.P, np.ndarray) and f.P.dtype == np.float64 and f.P.flags.c_contiguous:
            daxpy(f.P.reshape(-1), H.reshape(-1), a=w)
        else:
            H += w * f.hessian()
    G = problem.G[linear]
    values[curved.size:] = G @ x - problem.h[linear]
    if as_sparse:
        return H, sp.vstack([sp.csr_array(J), sp.csr_array(G)], format="csr"), values
    return H, np.concatenate([J, dense(G)]), values
