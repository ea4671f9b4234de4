"""Many problems of one shape as stacked arrays: shape keys, convexity, and exact residuals for all at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..duality import ATTAINABLE, NOTICEABLE, KKTResiduals, row_floor
from ..problem import QCQP
from ..quadratic import CONVEXITY_TOLERANCE, Quadratic
from .compiled import available

# Above this many variables LAPACK, not Python, takes the time of a single solve: a batch gains a factor of 60 at n = 8,
# 3 at n = 64, 1.2 at n = 150. One of fewer than three problems gains nothing. The compiled kernel has no overhead to
# share: against a loop of it a batch gains a factor of 1.3 at n = 8, nothing at n = 12, and loses above.
LARGEST_N = 64
LARGEST_N_COMPILED = 12
Bundle = TypeVar("Bundle", bound="Arrays")


def shape_key(problem: QCQP) -> Hashable | None:
    """What problems must have in common to be stacked; None if this one has to be solved alone.

    Sizes, which quadratics are curved, which rows of h and which bounds are finite. Sparse, factored and operator
    data, fixed variables, rows of zeros and more than 64 variables (12 with the compiled kernel) are solved alone. A
    few microseconds.
    """
    n = problem.n
    if n > (LARGEST_N_COMPILED if available() else LARGEST_N) or problem.cones:
        return None
    if not (isinstance(problem.G, np.ndarray) and isinstance(problem.A, np.ndarray)):
        return None
    curved: list[bool] = []
    for f in (problem.objective, *problem.inequalities):
        if f.P is None:
            flat = True
        elif isinstance(f.P, np.ndarray):
            flat = f.P.item(0) == 0 and not f.P.any()
        else:
            return None
        if flat and curved and not f.q.any():
            return None
        curved.append(not flat)
    low, high = np.isfinite(problem.lb).tobytes(), np.isfinite(problem.ub).tobytes()
    if b"\1" in low and b"\1" in high and (problem.lb == problem.ub).any():
        return None
    rows = b""
    if problem.h.size:
        if not problem.G.any(axis=1).all():
            return None
        rows = np.isfinite(problem.h).tobytes()
    return n, tuple(curved), rows, problem.p, low, high


class Arrays:
    """A bundle of arrays with the problems along the first axis; other attributes are common to all problems."""

    def take(self: Bundle, which: np.ndarray) -> Bundle:
        """A copy of the part that `which`, a mask or indices, selects."""
        part = object.__new__(type(self))
        for name, value in vars(self).items():
            vars(part)[name] = (value[which] if isinstance(value, np.ndarray) else
                                value.take(which) if isinstance(value, Arrays) else value)
        return part

    def put(self: Bundle, which: np.ndarray, part: Bundle) -> None:
        """Overwrite what `which` selects."""
        for name, value in vars(part).items():
            if isinstance(value, np.ndarray):
                vars(self)[name][which] = value


class Stack(Arrays):
    """The data of B problems of one `shape_key`, as given and in the user's order.

    Attributes
    ----------
    P : (B, k, n, n) array, those of `curved`: indices into objective, then inequalities
    q, r : (B, 1 + quadratics, n) and (B, 1 + quadratics) arrays
    sizes : (B, 1 + quadratics) array, largest coefficients of q and the diagonal of P
    G, h, A, b, lb, ub : (B, rows, n) and (B, rows) arrays
    """

    def __init__(self, problems: Sequence[QCQP]):
        first, count = problems[0], len(problems)
        n, self.quadratics = first.n, len(first.inequalities)
        every = [(pr.objective, *pr.inequalities) for pr in problems]
        curved = [i for i, f in enumerate(every[0]) if f.P is not None and f.P.any()]
        self.curved = tuple(curved)

        def joined(parts: list[Any], *shape: int) -> np.ndarray:
            if 0 in shape:
                return np.zeros((count, *shape))
            return np.concatenate(parts).astype(np.float64, copy=False).reshape(count, *shape)

        self.P = joined([fs[i].P for fs in every for i in curved], len(curved), n, n)
        self.q = joined([f.q for fs in every for f in fs], 1 + self.quadratics, n)
        self.r = np.array([f.r for fs in every for f in fs]).reshape(count, 1 + self.quadratics)
        self.G = joined([pr.G for pr in problems], first.h.size, n)
        self.h = joined([pr.h for pr in problems], first.h.size)
        self.A = joined([pr.A for pr in problems], first.p, n)
        self.b = joined([pr.b for pr in problems], first.p)
        self.lb = joined([pr.lb for pr in problems], n) if np.isfinite(first.lb).any() else np.full((count, n), -np.inf)
        self.ub = joined([pr.ub for pr in problems], n) if np.isfinite(first.ub).any() else np.full((count, n), np.inf)
        self.sizes = row_max(self.q, 2)
        self.sizes[:, curved] = np.maximum(self.sizes[:, curved], row_max(self.P.diagonal(axis1=2, axis2=3), 2))

    def products(self, x: np.ndarray) -> np.ndarray:
        """(B, k, n) array of Px."""
        count, k, n, _ = self.P.shape
        return times(self.P.reshape(count, k * n, n), x).reshape(count, k, n)


def times(M: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Mv for each problem."""
    return (M @ v[:, :, None])[:, :, 0]


def sums(v: np.ndarray, M: np.ndarray) -> np.ndarray:
    """vᵀM for each problem."""
    return (v[:, None, :] @ M)[:, 0]


def dot(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """uᵀv for each problem."""
    return np.einsum("bi,bi->b", u, v)


def row_max(array: np.ndarray, axis: int = 1) -> np.ndarray:
    """Largest magnitude along an axis, 0 where it is empty."""
    # The axis is short as a rule, and NumPy reduces a short axis fast only if the others lie behind it.
    ahead = array.transpose(axis, *range(axis), *range(axis + 1, array.ndim))
    return np.abs(ahead, order="C").max(axis=0, initial=0.0)


def safe(size: np.ndarray) -> np.ndarray:
    """Sizes to divide by: 1 where there is none."""
    return np.where(size > 0, size, 1.0)


def convex_mask(P: np.ndarray) -> np.ndarray:
    """(B,) mask of the problems all of whose P, given as a (B, k, n, n) stack, are positive semidefinite.

    One stacked Cholesky factorization of P + 1e-12·trace(P)·I; `Quadratic.is_convex` only where that fails.
    """
    count, k = P.shape[:2]
    # A negative trace leaves no shift that could help: Cholesky fails, as it should.
    shift = CONVEXITY_TOLERANCE * np.einsum("bkii->bk", P)
    shifted = P.copy()
    np.einsum("bkii->bki", shifted)[:] += shift[:, :, None]
    if not count * k:
        return np.ones(count, dtype=bool)
    try:
        np.linalg.cholesky(shifted)
        return np.ones(count, dtype=bool)
    except np.linalg.LinAlgError:
        return np.array([all(Quadratic(matrix).is_convex() for matrix in matrices) for matrices in P])


def residuals_batch(problems: Sequence[QCQP], x: np.ndarray, lam: np.ndarray, nu: np.ndarray, lam_lb: np.ndarray,
                    lam_ub: np.ndarray) -> list[KKTResiduals]:
    """`kkt_residuals` of problems of one `shape_key`, with the points and multipliers stacked as rows."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # as in kkt_residuals: inf or NaN is a failure
        return Residuals(Stack(problems), x, lam, nu, lam_lb, lam_ub).records()


class Residuals(Arrays):
    """The fields of `KKTResiduals` as (B,) arrays, by the same formulas."""

    def __init__(self, stack: Stack, x: np.ndarray, lam: np.ndarray, nu: np.ndarray, lam_lb: np.ndarray,
                 lam_ub: np.ndarray):
        count, n = x.shape
        quadratics = stack.quadratics
        ax = np.abs(x)
        Px = np.zeros((count, 1 + quadratics, n))
        Px[:, stack.curved] = stack.products(x)
        half = 0.5 * times(Px, x)
        values = half + times(stack.q, x) + stack.r
        terms = np.abs(half) + times(np.abs(stack.q), ax)
        slopes = Px + stack.q
        unit = np.minimum(1.0, stack.sizes[:, 0])
        self.value = values[:, 0]
        size = np.maximum(terms[:, 0], unit)
        q0_size = row_max(stack.q[:, 0])
        slope_size = np.maximum(np.maximum(row_max(Px[:, 0]), q0_size), np.where(q0_size == 0, unit, 0.0))

        finite = np.isfinite(stack.h)
        h = np.where(finite, stack.h, 0.0)
        sizes = np.concatenate([
            np.maximum(terms[:, 1:] + np.abs(stack.r[:, 1:]), row_floor(stack.r[:, 1:], stack.sizes[:, 1:])),
            _row_sizes(stack.G, ax, h)], axis=1)
        # What cancellation may have taken off xᵀPx, where it is worth a word.
        lost = np.zeros_like(values)
        roots = np.sqrt(np.abs(stack.P.diagonal(axis1=2, axis2=3)))
        lost[:, stack.curved] = 2.0 * np.finfo(float).eps * times(roots, ax) ** 2
        lost = np.where(lost[:, 1:] > NOTICEABLE * sizes[:, :quadratics], lost[:, 1:], 0.0)
        inequalities = np.concatenate([values[:, 1:] + lost, np.where(finite, times(stack.G, x) - h, -np.inf)], axis=1)
        equalities = times(stack.A, x) - stack.b
        G_lam, A_nu = sums(lam[:, quadratics:], stack.G), sums(nu, stack.A)
        slope = slopes[:, 0] + sums(lam[:, :quadratics], slopes[:, 1:]) + G_lam + A_nu - lam_lb + lam_ub
        parts = np.concatenate([G_lam, A_nu, lam_lb, lam_ub, lam[:, :quadratics] * row_max(slopes[:, 1:], 2)], axis=1)
        slope_size = np.maximum(slope_size, row_max(parts))

        # Violations in the user's order: inequalities, A, lower and upper bounds.
        bounds = np.concatenate([stack.lb, stack.ub], axis=1)
        ends = np.where(np.isfinite(bounds), bounds, 0.0)
        ends = np.maximum(np.abs(ends) + np.concatenate([ax, ax], axis=1), row_floor(ends, 1.0))
        beyond = np.concatenate([stack.lb - x, x - stack.ub], axis=1)
        self.words = [f"inequalities[{i}] is positive" for i in range(quadratics)]
        self.words += [f"G row {i} exceeds its limit" for i in range(stack.h.shape[1])]
        self.words += [f"A row {i} is off" for i in range(stack.b.shape[1])]
        self.words += [f"x[{j}] is {side} its bound" for side in ("below", "above") for j in range(n)]
        violations = np.concatenate([inequalities, np.abs(equalities), beyond], axis=1)
        relative_to = np.concatenate([sizes, _row_sizes(stack.A, ax, stack.b), ends], axis=1)
        shares = np.where(violations > 0, violations / relative_to, 0.0)
        self.worst = shares.argmax(axis=1)
        self.primal = shares[np.arange(count), self.worst]
        self.amount = violations[np.arange(count), self.worst]

        signed = np.concatenate([lam, lam_lb, lam_ub], axis=1)
        self.dual = ratio((-signed).max(axis=1, initial=0.0), row_max(signed))
        products = np.where(signed == 0, 0.0, signed * np.concatenate([inequalities, beyond], axis=1))
        size = np.maximum(size, ATTAINABLE * row_max(lam * sizes))
        self.dual_value = self.value + products.sum(axis=1) + dot(nu, equalities)
        self.stationarity = ratio(row_max(slope), slope_size)
        self.complementarity = ratio(row_max(products), size)
        self.gap = ratio(np.abs(self.value - self.dual_value), size)

    def max(self) -> np.ndarray:
        """The largest of the residuals and the gap; NaN if one of them is."""
        return np.max([self.stationarity, self.primal, self.dual, self.complementarity, self.gap], axis=0)

    def records(self) -> list[KKTResiduals]:
        """One `KKTResiduals` for each problem."""
        where = [f"{self.words[i]} by {amount:.1e}" if share > 0 else "" for i, amount, share in
                 zip(self.worst.tolist(), self.amount.tolist(), self.primal.tolist(), strict=True)]
        fields = (self.stationarity, self.primal, self.dual, self.complementarity, self.gap, self.value,
                  self.dual_value)
        return [KKTResiduals(*row) for row in zip(*(field.tolist() for field in fields), where, strict=True)]


def _row_sizes(matrix: np.ndarray, ax: np.ndarray, limit: np.ndarray) -> np.ndarray:
    magnitude = np.abs(matrix)
    return np.maximum(times(magnitude, ax) + np.abs(limit), row_floor(limit, row_max(matrix, 2)))


def ratio(amount: np.ndarray, size: np.ndarray) -> np.ndarray:
    """amount/size with 0/0 = 0."""
    return np.where(amount == 0, 0.0, np.where(size > 0, amount / size, np.inf))
