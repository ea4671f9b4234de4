"""Slater's condition: a strictly feasible point with its margin, or the reason that there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..duality import InfeasibilityCertificate, Rows, kkt_residuals, row_values
from ..errors import ProblemError
from ..problem import QCQP
from ..solver import require_convex
from .margin import deepest, strictly_inside
from .systems import NoInteriorCertificate, alternative, infeasible, no_interior


@dataclass(frozen=True, eq=False)
class SlaterResult:
    """Whether Slater's condition holds, with the evidence.

    Attributes
    ----------
    holds : bool or None; a feasible point satisfies every quadratic and every cone strictly (rows of G and bounds need
        not be strict). Then multipliers exist and there is no duality gap. None where it could not be decided
    interior : bool, a feasible point satisfies all inequalities strictly, rows of G and bounds too
    x : (n,) array or None, the feasible point
    margin : float, the smallest -fᵢ(x) in the units of its row, over all inequalities if there is an interior, else
        over quadratics and cones (+inf if there are none). NaN without a point
    implied : tuple of str, rows that hold with equality at every feasible point
    certificates : tuple, proofs of `implied`, each for some of the rows; or of infeasibility
    message : str

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> discs = [ck.Quadratic(2 * np.eye(2), [-2.0, -2 * s], 1.0) for s in (1.0, -1.0)]     # they touch in (1, 0)
    >>> found = ck.slater(ck.QCQP(ck.Quadratic(2 * np.eye(2)), discs))
    >>> found.holds, found.implied
    (False, ('inequalities[0]', 'inequalities[1]'))
    """

    holds: bool | None
    interior: bool
    x: np.ndarray | None
    margin: float
    implied: tuple[str, ...]
    certificates: tuple[InfeasibilityCertificate | NoInteriorCertificate, ...]
    message: str

    def verify(self, problem: QCQP) -> bool:
        """Whether the point and the certificates prove what is claimed of `problem`."""
        if not all(proof.verify(problem) for proof in self.certificates):
            return False
        if self.holds and self.x is not None:
            return kkt_residuals(problem, self.x).primal <= 1e-7 \
                and strictly_inside(problem, self.x, _to_be_strict(problem, self.interior))
        return self.holds is False and bool(self.certificates)


def slater(problem: QCQP) -> SlaterResult:
    """A strictly feasible point of a convex problem with its margin, or why there is none.

    Parameters
    ----------
    problem : QCQP, convex; its objective plays no part

    Returns
    -------
    SlaterResult

    Raises
    ------
    NotConvexError
        If a P is not positive semidefinite.

    Notes
    -----
    The largest row, in units of its largest coefficient, is minimised. Where it cannot be negative, multipliers name
    rows that hold with equality at every feasible point; the search is repeated without these until a point is
    strictly inside the others. Margins below about 1e-9 of a row's terms are taken for none.
    Boyd & Vandenberghe, section 5.2.3.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> disc = ck.Quadratic(2 * np.eye(2), None, -1.0)
    >>> found = ck.slater(ck.QCQP(ck.Quadratic(None, [1.0, 1.0]), [disc], lb=0.0))
    >>> found.interior, found.margin > 0.1
    (True, True)

    x₁ ≤ 0 and x₁ ≥ 0 leave no interior, but the rows are linear, and Slater's condition holds:

    >>> found = ck.slater(ck.QCQP(ck.Quadratic(None, [1.0, 1.0]), [disc], G=[[1.0, 0.0]], h=[0.0], lb=[0.0, -1.0]))
    >>> found.holds, found.interior, found.implied
    (True, False, ('G[0]', 'lb[0]'))
    """
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}.")
    require_convex(problem)
    rows = Rows.of(problem)
    left = rows.flat()
    implied = np.zeros(left.size, dtype=bool)
    proofs: list[NoInteriorCertificate] = []
    found = None
    while left.any():
        found = deepest(problem, rows.like(left))
        if strictly_inside(problem, found.x, rows.like(left)) and kkt_residuals(problem, found.x).primal <= 1e-7:
            break
        if not proofs and (no_point := infeasible(problem, found)) is not None:
            return SlaterResult(False, False, None, np.nan, (), (no_point,), "no point is feasible.")
        proof = no_interior(problem, found)
        weights = proof.weights(problem).flat() if proof is not None else np.zeros(left.size)
        new = left & (weights > 1e-6 * weights.max(initial=0.0))
        if proof is None or not new.any():
            if proofs:  # what is known is known; which other rows are implied is not
                return _judged(problem, rows, implied, proofs, None)
            return SlaterResult(None, False, None, np.nan, (), (), f"it could not be decided: {found.solution.message}")
        proofs.append(proof)
        implied |= new
        left = left & ~new
    if left.any():
        assert found is not None
        return _judged(problem, rows, implied, proofs, found.x)
    point = alternative(problem)
    if point.certificate is not None:
        return SlaterResult(False, False, None, np.nan, (), (point.certificate,), "no point is feasible.")
    return _judged(problem, rows, implied, proofs, point.x)


def _to_be_strict(problem: QCQP, interior: bool) -> Rows:
    rows = Rows.of(problem)
    if interior:
        return rows
    quadratics = np.arange(problem.m) < len(problem.inequalities)
    nothing = np.zeros(problem.n, dtype=bool)
    return Rows(quadratics, nothing, nothing, rows.cones)


def _judged(problem: QCQP, rows: Rows, implied: np.ndarray, proofs: list[NoInteriorCertificate],
            x: np.ndarray | None) -> SlaterResult:
    interior = x is not None and not implied.any()
    strict = _to_be_strict(problem, interior)
    blocked = bool((implied & strict.flat()).any())
    names = rows.like(implied).names(problem)
    holds = False if blocked else None if x is None else True
    margin = float(-row_values(problem, x).flat()[strict.flat()].max(initial=-np.inf)) if x is not None else np.nan
    if interior:
        message = f"a point that is inside every row, by {margin:.3g} at least."
    elif blocked:
        message = f"every feasible point has equality in {', '.join(names)}; multipliers may not exist."
    elif holds:
        message = f"every feasible point has equality in {', '.join(names)}, which are linear; all others are strict."
    else:
        message = f"every feasible point has equality in {', '.join(names)}; of the other rows nothing could be shown."
    return SlaterResult(holds, interior, x, margin, names, tuple(proofs), message)
