"""A point with its multipliers, and what the two prove."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..duality import ATTAINABLE, coefficient_size, row_floor, row_largest, row_terms, split_by_sign
from ..problem import QCQP
from .terms import Terms


@dataclass(frozen=True, eq=False)
class State:
    """A point with its multipliers, and what is known of it. Residuals are relative, as those of `kkt_residuals`.

    Attributes
    ----------
    x : (n,) array
    weights : (1 + m,) array, 1 and then λ of the quadratic inequalities
    on_rows : array, λ of the rows of G, then ν
    slopes : (1 + m, n) array of the ∇fᵢ(x)
    residual : (n,) array, ∇L(x), without what the bounds' multipliers balance
    lam_lb, lam_ub : (n,) arrays
    violations : array, fᵢ(x) of the inequalities, Gx - h, Ax - b
    stationarity, primal, complementarity : float
    value, lagrangian : float, f₀(x), L(x)
    bound : float, a lower bound on the optimal value; -inf where none is known
    scale, slope_scale : float, what values and slopes are relative to
    """

    x: np.ndarray
    weights: np.ndarray
    on_rows: np.ndarray
    slopes: np.ndarray
    residual: np.ndarray
    lam_lb: np.ndarray
    lam_ub: np.ndarray
    violations: np.ndarray
    stationarity: float
    primal: float
    complementarity: float
    value: float
    lagrangian: float
    bound: float
    scale: float
    slope_scale: float

    @property
    def gap(self) -> float:
        """value - bound, relative."""
        return abs(self.value - self.bound) / self.scale

    def lam(self, problem: QCQP) -> np.ndarray:
        """(m,) array, as in a `Solution`."""
        return np.concatenate([self.weights[1:], self.on_rows[:problem.h.size]])

    def nu(self, problem: QCQP) -> np.ndarray:
        """(p,) array."""
        return self.on_rows[problem.h.size:]


def tangent_bound(x: np.ndarray, lagrangian: float, slope: np.ndarray, least: float, lb: np.ndarray,
                  ub: np.ndarray) -> float:
    """A lower bound on L over the box, from its value and slope at any x and a lower bound on its curvature.

        L(y) ≥ L(x) + slopeᵀ(y - x) + ½least·‖y - x‖²,   minimised for each variable by itself

    Without bounds that is L(x) - ‖slope‖² / (2·least).
    """
    if least > 0:
        step = np.clip(x - slope / least, lb, ub) - x
    else:
        step = np.where(slope > 0, lb, np.where(slope < 0, ub, x)) - x
        if not np.isfinite(step).all():
            return -np.inf
    return lagrangian + float(slope @ step) + 0.5 * least * float(step @ step)


class Judge:
    """Measures points of one problem."""

    def __init__(self, terms: Terms):
        self.terms = terms
        self.problem = problem = terms.problem
        self.unit = min(1.0, coefficient_size(problem.objective))
        self.boxed = bool(np.isfinite(problem.lb).any() or np.isfinite(problem.ub).any())
        self.sizes_q = np.abs(terms.q)
        self.largest = np.array([coefficient_size(f) for f in problem.inequalities])
        self.row_largest = row_largest(terms.rows)

    def state(self, x: np.ndarray, weights: np.ndarray, on_rows: np.ndarray, slopes: np.ndarray,
              least: float | None = None) -> State:
        """Everything about a point, from the gradients there: no product. `least` overrides the known curvature."""
        terms, problem = self.terms, self.problem
        ax = np.abs(x)
        values = terms.values(x, slopes)
        finite = np.isfinite(terms.limits)
        rows = np.where(finite, terms.rows @ x - np.where(finite, terms.limits, 0.0), -np.inf)
        violations = np.concatenate([values[1:], rows])
        pull = terms.rows.T @ on_rows
        slope = weights @ slopes + pull
        lam_lb, lam_ub = np.zeros(terms.n), np.zeros(terms.n)
        residual = slope
        if self.boxed:
            lower, upper = split_by_sign(slope, np.where(x <= problem.lb, problem.lb, -np.inf),
                                         np.where(x >= problem.ub, problem.ub, np.inf))
            lam_lb, lam_ub = lower, upper
            residual = slope - lower + upper
        slope_scale = max(float(np.abs(slopes[0] - terms.q[0]).max()), float(self.sizes_q[0].max()),
                          float((weights[1:] * np.abs(slopes[1:]).max(axis=1)).max(initial=0.0)),
                          float(np.abs(pull).max()), float(lam_lb.max()), float(lam_ub.max()))
        if not terms.q[0].any():
            slope_scale = max(slope_scale, self.unit)
        # What rows are measured against, as in kkt_residuals.
        halves = 0.5 * np.abs((slopes - terms.q) @ x)
        linear = self.sizes_q @ ax
        sizes = np.maximum((halves + linear)[1:] + np.abs(terms.r[1:]), row_floor(terms.r[1:], self.largest))
        limits = np.where(finite, terms.limits, 0.0)
        row_sizes = np.maximum(row_terms(terms.rows, ax)[0] + np.abs(limits), row_floor(limits, self.row_largest))
        sizes = np.concatenate([sizes, row_sizes])
        wrong = np.maximum(violations, 0.0)
        equal = problem.m + np.arange(problem.p)
        wrong[equal] = np.abs(violations[equal])
        with np.errstate(divide="ignore", invalid="ignore"):
            primal = float(np.where(wrong > 0, wrong / sizes, 0.0).max(initial=0.0))
        lam = np.concatenate([weights[1:], on_rows])
        with np.errstate(invalid="ignore"):
            products = np.where(lam == 0, 0.0, lam * violations)
        weighted = float(np.where(lam == 0, 0.0, np.abs(lam) * sizes).max(initial=0.0))
        scale = max(halves[0] + linear[0], self.unit, ATTAINABLE * weighted)
        scale = scale if scale > 0 else 1.0  # without an objective value and gap are zero
        value = float(values[0])
        lagrangian = value + float(products.sum())
        bound = tangent_bound(x, lagrangian, slope, terms.floor(weights) if least is None else least, problem.lb,
                              problem.ub)
        return State(x, weights, on_rows, slopes, residual, lam_lb, lam_ub, violations,
                     float(np.abs(residual).max()) / slope_scale if residual.any() else 0.0, primal,
                     float(np.abs(products).max(initial=0.0)) / scale, value, lagrangian, bound, scale, slope_scale)
