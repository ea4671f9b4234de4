"""The Lagrangian of a QCQP and its dual function, as objects to evaluate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import Bounds
from scipy.optimize import minimize as scipy_minimize

from ..errors import ProblemError
from ..operators import SymmetricOperator
from ..problem import QCQP
from ..quadratic import Quadratic, entry_size, formed, is_zero, restricted, runs, stacked, weighted_sum
from ..validation import as_vector, check_finite
from .cones import Parts, pull, pull_terms
from .infimum import by_products, infimum

# A multiplier down to -SIGN_TOLERANCE·max|lam| is rounding of zero and is read as zero.
SIGN_TOLERANCE = 1e-9
# A component of the slope is rounding if it is below this share of the terms that were summed to it.
SLOPE_TOLERANCE = 1e-7


def multipliers(problem: QCQP, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
                lam_cones: Any = None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
    """All multipliers as vectors of the right lengths; None stands for zeros. Raises ProblemError."""
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")

    def vector(name: str, value: Any, size: int, rows: str) -> np.ndarray:
        if value is None:
            return np.zeros(size)
        array = as_vector(name, value)
        if array.size != size:
            raise ProblemError(f"{name} has length {array.size}; expected {size}: {rows}.")
        return array

    quadratics, linear = len(problem.inequalities), problem.h.size
    return (vector("lam", lam, problem.m, f"{quadratics} quadratic inequalities, then {linear} rows of G"),
            vector("nu", nu, problem.p, "one for each row of A"),
            vector("lam_lb", lam_lb, problem.n, "one for each variable"),
            vector("lam_ub", lam_ub, problem.n, "one for each variable"),
            _cone_multipliers(problem, lam_cones))


def _cone_multipliers(problem: QCQP, lam_cones: Any) -> tuple[np.ndarray, ...]:
    sizes = [cone.size for cone in problem.cones]
    if lam_cones is None:
        return tuple(np.zeros(size) for size in sizes)
    if not isinstance(lam_cones, Iterable):
        raise ProblemError(f"lam_cones must be a sequence, one array for each cone; got {type(lam_cones).__name__}.")
    given = tuple(lam_cones)
    if len(given) != len(sizes):
        raise ProblemError(f"lam_cones has {len(given)} entries; the problem has {len(sizes)} cones.")
    # A thousand vectors that are what they should be are looked at once, together.
    if given and all(type(v) is np.ndarray and v.dtype == np.float64 and v.shape == (size,)
                     for v, size in zip(given, sizes, strict=True)) and np.isfinite(np.concatenate(given)).all():
        return given
    vectors = tuple(as_vector(f"lam_cones[{k}]", v) for k, v in enumerate(given))
    for k, (v, size) in enumerate(zip(vectors, sizes, strict=True)):
        if v.size != size:
            raise ProblemError(f"lam_cones[{k}] has length {v.size}; expected {size}: one for cᵀx + d, then one for "
                               "each row of A.")
    return vectors


class Lagrangian:
    """L(x, lam, nu) = f₀(x) + Σ lamᵢfᵢ(x) + nuᵀ(Ax - b) + lam_lbᵀ(lb - x) + lam_ubᵀ(x - ub).

    `lam` holds the quadratic inequalities first, then the rows of G. The bounds may have multipliers of
    their own or, in `dual_function`, be kept as the domain of x. A cone ‖Aₖx + bₖ‖ ≤ cₖᵀx + dₖ has a vector
    (z₀, z) with ‖z‖ ≤ z₀ in `lam_cones`, and L gains -z₀(cₖᵀx + dₖ) - zᵀ(Aₖx + bₖ).

    Parameters
    ----------
    problem : QCQP, convex or not

    Notes
    -----
    Boyd & Vandenberghe, sections 5.1.1 and 5.1.2; cones in section 5.9.1.

    Examples
    --------
    Minimise x² + 1 subject to (x - 2)(x - 4) ≤ 0 (Boyd & Vandenberghe, exercise 5.1):

    >>> import convexkit as ck
    >>> problem = ck.QCQP(ck.Quadratic([[2.0]], [0.0], 1.0), [ck.Quadratic([[2.0]], [-6.0], 8.0)])
    >>> L = ck.Lagrangian(problem)
    >>> L.value([2.0], [2.0]), L.gradient([2.0], [2.0])
    (5.0, array([0.]))
    >>> round(L.dual_function([2.0]), 9), L.dual_function([0.0])
    (5.0, 1.0)
    """

    __slots__ = ("problem",)

    def __init__(self, problem: QCQP):
        if not isinstance(problem, QCQP):
            raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
        self.problem = problem

    def at(self, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
           lam_cones: Any = None) -> Quadratic:
        """L(·, lam, nu) as a `Quadratic` in x. Cost: one weighted sum of the data.

        Its constant is -inf where a positive multiplier meets an infinite right-hand side.
        """
        pr = self.problem
        lam, nu, lam_lb, lam_ub, lam_cones = multipliers(pr, lam, nu, lam_lb, lam_ub, lam_cones)
        quadratics = len(pr.inequalities)
        total = weighted_sum(np.concatenate(([1.0], lam[:quadratics])), (pr.objective, *pr.inequalities))
        rows = lam[quadratics:]
        z = Parts.of(lam_cones)
        on_heads, on_tails = pull(pr.cones, z, pr.n)
        q = total.q + pr.G.T @ rows + pr.A.T @ nu - lam_lb + lam_ub - on_heads - on_tails
        constant = (total.r - float(nu @ pr.b) - z @ Parts.offsets(pr.cones)
                    + _constants((-rows, pr.h), (lam_lb, pr.lb), (-lam_ub, pr.ub)))
        check_finite("q", q)
        total.q, total.r = q, constant  # fresh from the sum; r may be -inf, which the constructor refuses in data
        return total

    def value(self, x: Any, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
              lam_cones: Any = None) -> float:
        """L(x, lam, nu), at any point and for multipliers of any sign."""
        return self.at(lam, nu, lam_lb, lam_ub, lam_cones).value(x)

    __call__ = value

    def gradient(self, x: Any, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
                 lam_cones: Any = None) -> np.ndarray:
        """∇ₓL(x, lam, nu), zero at a minimiser."""
        return self.at(lam, nu, lam_lb, lam_ub, lam_cones).gradient(x)

    def dual_function(self, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
                      lam_cones: Any = None) -> float:
        """g(lam, nu) = inf over x of L(x, lam, nu): never above the optimal value.

        Parameters
        ----------
        lam, nu : (m,) and (p,) arrays
        lam_lb, lam_ub : (n,) arrays, optional
            If both are omitted, the bounds are the domain over which the infimum is taken, which is the best
            that any bound multipliers could do.
        lam_cones : sequence of arrays (z₀, z), one for each cone; zeros if omitted

        Returns
        -------
        float
            -inf outside the domain of g: a negative multiplier, ‖z‖ > z₀, a P(lam) that is not positive
            semidefinite, a slope in a direction in which P(lam) is flat, or weight on an infinite right-hand side.

        Notes
        -----
        One factorization of P(lam) = P₀ + Σ lamᵢPᵢ. With bounds as the domain, a box-constrained quadratic
        is minimised approximately and the bound multipliers read off it: the result is a true bound still.
        """
        return self._infimum(lam, nu, lam_lb, lam_ub, lam_cones)[0]

    def minimizer(self, lam: Any = None, nu: Any = None, lam_lb: Any = None, lam_ub: Any = None,
                  lam_cones: Any = None) -> np.ndarray | None:
        """The x that attains `dual_function`, one of them if there are several, None if there is none."""
        return self._infimum(lam, nu, lam_lb, lam_ub, lam_cones)[1]

    @np.errstate(over="ignore", invalid="ignore")  # what is beyond the range of floats is no bound, and says so
    def _infimum(self, lam: Any, nu: Any, lam_lb: Any, lam_ub: Any, lam_cones: Any) -> tuple[float, np.ndarray | None]:
        pr = self.problem
        over_box = lam_lb is None and lam_ub is None
        lam, nu, lam_lb, lam_ub, lam_cones = multipliers(pr, lam, nu, lam_lb, lam_ub, lam_cones)
        z = Parts.of(lam_cones)
        largest = max(*(float(np.abs(v).max(initial=0.0)) for v in (lam, nu, lam_lb, lam_ub)), z.largest)
        if any((v < -SIGN_TOLERANCE * largest).any() for v in (lam, lam_lb, lam_ub, z.heads - z.norms)):
            return -np.inf, None
        lam, lam_lb, lam_ub = (np.maximum(v, 0.0) for v in (lam, lam_lb, lam_ub))
        lam_cones = z.raised().vectors()
        if over_box and (np.isfinite(pr.lb) | np.isfinite(pr.ub)).any():
            lam_lb, lam_ub = _bound_multipliers(self.at(lam, nu, lam_cones=lam_cones), pr.lb, pr.ub)
        function = self.at(lam, nu, lam_lb, lam_ub, lam_cones)
        if function.r == -np.inf:
            return -np.inf, None
        value, x, leftover = infimum(function)
        if x is None or np.isnan(value):
            return -np.inf, None
        terms = slope_terms(pr, lam, nu, lam_lb, lam_ub, lam_cones)
        if (np.abs(leftover) > SLOPE_TOLERANCE * np.maximum(terms, terms.max(initial=0.0) * SLOPE_TOLERANCE)).any():
            return -np.inf, None
        return value, x


def _constants(*pairs: tuple[np.ndarray, np.ndarray]) -> float:
    """Σ weights·limits over all pairs, with 0·inf = 0, and -inf where a term is, whatever the others are."""
    terms = np.concatenate([weights[weights != 0] * limits[weights != 0] for weights, limits in pairs])
    return -np.inf if (terms == -np.inf).any() else float(terms.sum())


def slope_terms(problem: QCQP, lam: np.ndarray, nu: np.ndarray, lam_lb: np.ndarray, lam_ub: np.ndarray,
                lam_cones: Sequence[np.ndarray]) -> np.ndarray:
    """(n,) array Σ |term| of the slope of L at x = 0: what its rounding errors are proportional to."""
    quadratics = len(problem.inequalities)
    total = np.abs(problem.objective.q) + lam_lb + lam_ub
    used = np.flatnonzero(lam[:quadratics])
    for part in runs([problem.n] * used.size):
        total = total + lam[used[part]] @ np.abs(stacked([problem.inequalities[i].q for i in used[part]]))
    total = total + abs(problem.G).T @ lam[quadratics:] + abs(problem.A).T @ np.abs(nu)
    return total + pull_terms(problem.cones, Parts.of(lam_cones), problem.n)


def _box_minimizer(f: Quadratic, lb: np.ndarray, ub: np.ndarray) -> np.ndarray:
    """A point in the box with f nearly as low as it gets; the start, if f falls out of the floats' range."""
    start = np.clip(np.zeros(f.n), lb, ub)
    # Powers of two are exact, so that a scale does not change the answer, only keeps its squares finite.
    scale = 2.0 ** -np.ceil(np.log2(max(float(np.abs(f.q).max()), 1.0 if by_products(f) else entry_size(formed(f)))))
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            found = scipy_minimize(lambda x: scale * f.value(x), start, jac=lambda x: scale * f.gradient(x),
                                   bounds=Bounds(lb, ub), method="L-BFGS-B",
                                   options={"maxiter": 500, "ftol": 1e-15, "gtol": 1e-12})
        except ProblemError:  # it stepped to inf, or to inf - inf
            return start
        return found.x if np.isfinite(f.gradient(found.x)).all() else start


def split_by_sign(slope: np.ndarray, lb: np.ndarray, ub: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(lam_lb, lam_ub) that balance a slope, each zero where there is no bound: lam_lb - lam_ub = slope elsewhere."""
    return (np.where(np.isfinite(lb), np.maximum(slope, 0.0), 0.0),
            np.where(np.isfinite(ub), np.maximum(-slope, 0.0), 0.0))


def _on(f: Quadratic, free: np.ndarray) -> Any:
    """The rows and columns of P where `free` is true."""
    if not by_products(f):
        return restricted(formed(f), free)

    def product(v: np.ndarray) -> np.ndarray:
        whole = np.zeros(f.n)
        whole[free] = v
        return f.hessp(whole)[free]

    return SymmetricOperator(int(free.sum()), product)


def _bound_multipliers(f: Quadratic, lb: np.ndarray, ub: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers of the bounds at (nearly) the minimiser of f over the box: its slope, split by sign."""
    if f.P is None or (not by_products(f) and is_zero(formed(f))):
        slope = f.q
    else:
        if infimum(f)[1] is None:
            # Bounds add no curvature: the infimum is -inf whatever their multipliers are.
            return np.zeros(f.n), np.zeros(f.n)
        x = _box_minimizer(f, lb, ub)
        slope = f.gradient(x)
        # Variables strictly inside have slope zero; solve for that exactly, and keep it if it stays inside.
        free = (x > lb) & (x < ub)
        if free.any():
            reduced = Quadratic(_on(f, free), slope[free])
            _, step, leftover = infimum(reduced)
            small = SLOPE_TOLERANCE * float(np.abs(f.q).max()) if by_products(reduced) else 0.0
            if step is not None and (np.abs(leftover) <= small).all():
                moved = x.copy()
                moved[free] += step
                if (moved >= lb).all() and (moved <= ub).all():
                    slope = f.gradient(moved)
    return split_by_sign(slope, lb, ub)
