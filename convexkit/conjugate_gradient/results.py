"""What a conjugate gradient run returns: statuses, records, and what its coefficients tell of the spectrum."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

from ..words import Word


class CGStatus(Word):
    """How a conjugate gradient run ended.

    >>> import convexkit as ck
    >>> ck.CGStatus("converged") is ck.CGStatus.CONVERGED
    True
    """

    CONVERGED = "converged"
    ITERATION_LIMIT = "iteration_limit"
    NONPOSITIVE_CURVATURE = "nonpositive_curvature"
    BOUNDARY = "boundary"
    NUMERICAL_ERROR = "numerical_error"


@dataclass(frozen=True)
class CGRecord:
    """What a callback sees after each iteration: `nit`, `x` (a view; copy to keep), recurred residual norm.

    >>> import numpy as np, convexkit as ck
    >>> norms = []
    >>> _ = ck.conjugate_gradient(np.diag([1.0, 2.0]), np.ones(2), callback=lambda r: norms.append(r.residual))
    >>> len(norms)
    2
    """

    nit: int
    x: np.ndarray
    residual: float


@dataclass(frozen=True)
class CGResult:
    """A solution of Ax = b, or the best that could be had and why.

    Attributes
    ----------
    x : (n,) array, of the type of b; (n, k) for k right-hand sides
    status, success, message : `success` only if the *recomputed* residual passed the tolerance, or if
        `radius` was given and x is the truncated minimiser on the boundary; of the worst column if there are several
    nit : int, iterations; the most of any column
    products : int, products of A with a vector
    residual : float, ‖b - Ax‖, recomputed at the end; the largest of all columns
    relative_residual : float, ‖b - Ax‖ / ‖b‖ (0 if b = 0, which x = 0 solves); the largest of all columns
    residual_vector : (n,) or (n, k) array, b - Ax
    direction : (n,) array or None, a d with dᵀAd ≤ 0 if one was met
    curvature : float, dᵀAd / dᵀd for that direction, else nan
    singular : bool, that curvature is rounding of zero: A is singular and b is not in its range, as far as can be told.
        For one right-hand side without `radius`, x is then A⁺b, the shortest that comes closest
    columns : tuple of CGResult, one for each right-hand side; empty if there was one only
    steps, ratios : (nit,) arrays, the lengths αₖ of the steps and rₖ₊₁ᵀMrₖ₊₁ / rₖᵀMrₖ, since the last restart
    pairs : ((n, j), (n, j)) arrays D and AD, up to `keep` conjugate directions and their products, for `limited_memory`
    known : float, the largest lower bound on A's eigenvalues that was known (`damped` gives one), else nan

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> result = ck.conjugate_gradient(np.diag([1.0, -1.0]), np.ones(2))
    >>> result.success, result.status.value, result.curvature <= 0
    (False, 'nonpositive_curvature', True)
    """

    x: np.ndarray
    status: CGStatus
    success: bool
    message: str
    nit: int
    products: int
    residual: float
    relative_residual: float
    residual_vector: np.ndarray
    direction: np.ndarray | None = None
    curvature: float = float("nan")
    columns: tuple[CGResult, ...] = ()
    steps: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    ratios: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False)
    pairs: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)
    square: float = field(default=float("nan"), repr=False)  # rᵀMr of the last residual
    known: float = float("nan")
    singular: bool = False

    def ritz_values(self) -> np.ndarray:
        """Approximate eigenvalues of A, of MA with a preconditioner, ascending; those at both ends settle first.

        Eigenvalues of the Lanczos matrix that the run built on its way. All lie between the extreme eigenvalues of A.
        O(nit²). Golub & Van Loan, section 11.3.

        >>> import numpy as np, convexkit as ck
        >>> ck.conjugate_gradient(np.diag([1.0, 2.0, 4.0]), np.ones(3), rtol=1e-12).ritz_values().round(6)
        array([1., 2., 4.])
        """
        if not self.steps.size:
            return np.zeros(0)
        diagonal = 1.0 / self.steps
        diagonal[1:] += self.ratios[:-1] / self.steps[:-1]
        values: np.ndarray = eigvalsh_tridiagonal(diagonal, np.sqrt(self.ratios[:-1]) / self.steps[:-1])
        return values

    def condition(self) -> float:
        """Largest over smallest Ritz value: at most, and soon nearly, the condition number of A (of MA)."""
        values = self.ritz_values()
        return float(values[-1] / values[0]) if values.size and values[0] > 0 else float("nan")

    def energy_error(self) -> float:
        """The error in the norm of A, ‖x - A⁻¹b‖_A; half its square is what x is above the minimum of ½xᵀAx - bᵀx.

        An upper bound, up to rounding, where a lower bound `known` on the eigenvalues is known and x0 was zero or
        given (Gauss-Radau quadrature: Meurant & Tichý 2013); an estimate, √(rᵀMr / smallest Ritz value), otherwise.
        nan if neither can be had.

        >>> import numpy as np, convexkit as ck
        >>> A = ck.damped(np.diag([0.0, 1.0, 2.0, 3.0]), 1.0)
        >>> short = ck.conjugate_gradient(A, np.ones(4), maxiter=2)
        >>> error = short.x - 1.0 / np.array([1.0, 2.0, 3.0, 4.0])
        >>> float(np.sqrt(error @ (A @ error))) <= short.energy_error() < 0.3
        True
        """
        if self.square == 0.0:
            return 0.0
        if self.known > 0:
            bound = 1.0 / self.known
            for step, ratio in zip(self.steps, self.ratios, strict=True):
                rest = bound - step
                if not rest > 0:  # the bound on the eigenvalues is met: rounding decides from here on
                    bound = 1.0 / self.known
                    break
                bound = rest / (self.known * rest + ratio)
            return float(np.sqrt(bound * self.square))
        values = self.ritz_values()
        return float(np.sqrt(self.square / values[0])) if values.size and values[0] > 0 else float("nan")
