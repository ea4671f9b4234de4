"""Quadratics of two-valued variables: bounds from the dual, good points, and the gap between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh

from ..errors import ProblemError
from ..quadratic import Quadratic
from ..validation import as_count

# Sweeps after which the search for the dual's maximum is given up, and how often its gap is looked at.
SWEEPS, LOOK = 2000, 20
# Partitions that are tried at once.
CHUNK = 2**14


@dataclass(frozen=True, eq=False)
class BinaryResult:
    """The best point found for two-valued variables, with a bound that no point is below.

    Attributes
    ----------
    x : (n,) array of the two levels
    value : float, f(x)
    bound : float, the largest lower bound found; true whatever rounding did
    eigenvalue_bound : float, n·λ_min, the bound of equal multipliers
    nu : (n,) array, multipliers of (x - a)(x - b) = 0 that prove `bound`: the minimum over all of ℝⁿ of
        f(x) + Σ nuⱼ(xⱼ - a)(xⱼ - b)
    exact : bool, every point was tried, or the gap is closed up to rounding: x is optimal
    success : bool, same as `exact`
    message : str
    nit : int, sweeps of the search for the bound
    levels : (a, b)

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> triangle = ck.Quadratic(2 * (np.ones((3, 3)) - np.eye(3)))             # a cut of three nodes: one edge is lost
    >>> found = ck.minimize_binary(triangle, rng=np.random.default_rng(0))
    >>> found.value, round(found.bound, 6), found.exact
    (-2.0, -3.0, True)
    """

    x: np.ndarray
    value: float
    bound: float
    eigenvalue_bound: float
    nu: np.ndarray
    exact: bool
    message: str
    nit: int
    levels: tuple[float, float]

    @property
    def success(self) -> bool:
        """Same as `exact`."""
        return self.exact

    @property
    def gap(self) -> float:
        """value - bound: how far at most the point is from optimal; duality alone may not close it."""
        return self.value - self.bound


def minimize_binary(objective: Quadratic, *, rng: np.random.Generator, levels: tuple[float, float] = (-1.0, 1.0),
                    trials: int = 100, enumerate_up_to: int = 16) -> BinaryResult:
    """Minimise a quadratic over x ∈ {a, b}ⁿ, as well as that can be done, and say how well that is.

    For levels ±1 and f = xᵀWx the dual is  maximise -1ᵀnu  subject to  W + diag(nu) ⪰ 0, the same as that of the
    semidefinite relaxation, minimise tr(WX) with X ⪰ 0, Xⱼⱼ = 1. Its value bounds f from below at every point. The gap
    to the best point is an answer: strong duality does not hold in general.

    Parameters
    ----------
    objective : Quadratic, convex or not
    rng : numpy.random.Generator, for the start and for the rounding
    levels : the two values of each variable
    trials : int ≥ 1, random hyperplanes that are tried
    enumerate_up_to : int ≤ 24, up to so many variables all points are tried too

    Returns
    -------
    BinaryResult

    Notes
    -----
    The relaxation is solved over X = VᵀV with √(2n) rows, one unit vector after the other, O(n²√n) a sweep; a shift of
    nu by the smallest eigenvalue makes the bound true wherever that stops. Points come from random hyperplanes through
    V and flips of single variables as long as these help. The same bound by an interior-point method for semidefinite
    programs: `cvxpy_bridge.shor_bound`. Boyd & Vandenberghe, section 5.1.5 and exercise 5.39; Goemans & Williamson
    1995; Wang, Chang & Kolter 2017.

    Examples
    --------
    >>> import numpy as np, convexkit as ck
    >>> rng = np.random.default_rng(539)
    >>> W = rng.standard_normal((10, 10))
    >>> W = (W + W.T) / 2
    >>> found = ck.minimize_binary(ck.Quadratic(2 * W), rng=rng)              # xᵀWx is ½xᵀ(2W)x
    >>> round(found.value, 6), round(found.bound, 5), round(found.eigenvalue_bound, 6)
    (-26.413418, -29.2517, -34.265814)
    """
    if not isinstance(objective, Quadratic):
        raise ProblemError(f"objective must be a Quadratic; got {type(objective).__name__}.")
    if not isinstance(rng, np.random.Generator):
        raise ProblemError(f"rng must be a numpy.random.Generator; got {type(rng).__name__}. "
                           "Write rng=np.random.default_rng(0).")
    a, b = _levels(levels)
    trials = as_count("trials", trials, minimum=1)
    if as_count("enumerate_up_to", enumerate_up_to) > 24:
        raise ProblemError(f"enumerate_up_to = {enumerate_up_to} means 2^{enumerate_up_to} points; at most 24.")
    n = objective.n
    if n == 0:
        raise ProblemError("objective has no variables; a problem needs at least one.")
    # x = centre + half·s with s ∈ {-1, 1}ⁿ
    P, centre, half = objective.hessian(), 0.5 * (a + b), 0.5 * (b - a)
    at = np.full(n, centre)
    W, slope, constant = 0.5 * half**2 * P, half * objective.gradient(at), objective(at)
    # sᵀWs + slopeᵀs = tᵀKt with t = (s, 1), and t and -t are the same
    homogeneous = bool(slope.any())
    K = np.block([[W, 0.5 * slope[:, None]], [0.5 * slope[None], np.zeros((1, 1))]]) if homogeneous else W
    diagonal = K.diagonal().copy()
    low = _lowest(K)
    eigenvalue_bound = constant + len(K) * low
    bare = K - np.diag(diagonal)
    V, nu, total, nit = _unit_vectors(bare, rng)
    own = total + float(diagonal.sum()) + constant
    nu = nu - diagonal
    if eigenvalue_bound > own:
        own, nu = eigenvalue_bound, np.full(len(K), -low)
    t = _local_search(bare, _rounded(bare, V, trials, rng))
    enumerated = n <= enumerate_up_to
    if enumerated:
        t = _better(bare, t, _all_points(bare))
    s = t[:n] * (t[n] if homogeneous else 1.0)
    x = np.where(s > 0, b, a)
    value = objective(x)
    size = float(np.abs(K).sum()) + abs(constant)
    exact = enumerated or bool(value - own <= 1e-8 * size)
    how = f"all {2**n} points were tried" if enumerated else f"{trials} hyperplanes and single flips were tried"
    message = f"value {value:.6g}, bound {own:.6g}: a gap of {max(value - own, 0.0):.3g}; {how}."
    # Of nuⱼ(tⱼ² - 1) in the multipliers of (x - a)(x - b) = half²(s² - 1); a row for t = 1 costs its nu in the bound.
    return BinaryResult(x, float(value), float(min(own, value)), float(min(eigenvalue_bound, value)),
                        nu[:n] / half**2, exact, message, nit, (a, b))


def _levels(levels: Any) -> tuple[float, float]:
    try:
        a, b = (float(level) for level in levels)
    except (TypeError, ValueError):
        raise ProblemError(f"levels must be two numbers; got {levels!r}.") from None
    if not (np.isfinite([a, b]).all() and a < b):
        raise ProblemError(f"levels = ({a:g}, {b:g}); expected two finite numbers, the smaller first.")
    return a, b


def _lowest(K: np.ndarray) -> float:
    """A number that is not above the smallest eigenvalue, nor below it by more than rounding."""
    room = 4.0 * len(K) * np.finfo(float).eps * float(np.linalg.norm(K))
    return float(eigvalsh(K, subset_by_index=[0, 0])[0]) - room


def _unit_vectors(K: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Unit rows V that minimise Σ Kᵢⱼ vᵢᵀvⱼ, multipliers nu with K + diag(nu) ⪰ 0, and the bound -Σ nu. diag(K) = 0.

    vᵢ ← -gᵢ/‖gᵢ‖ with gᵢ = Σⱼ Kᵢⱼvⱼ; at the minimum gᵢ = -nuᵢvᵢ, nuᵢ = ‖gᵢ‖.
    """
    N = len(K)
    V = rng.standard_normal((N, int(np.ceil(np.sqrt(2.0 * N))) + 1))
    V /= np.linalg.norm(V, axis=1)[:, None]
    best: tuple[float, np.ndarray] = (-np.inf, np.zeros(N))
    size = float(np.abs(K).sum())
    sweep = 0
    for sweep in range(1, SWEEPS + 1):
        for i in range(N):
            g = K[i] @ V
            length = float(np.sqrt(g @ g))
            if length > 0:
                V[i] = g / -length
        if sweep % LOOK == 0 or sweep == SWEEPS:
            KV = K @ V
            value = float((KV * V).sum())
            nu = np.linalg.norm(KV, axis=1)
            shift = _lowest(K + np.diag(nu))
            nu = nu - shift
            bound = -float(nu.sum())
            if bound > best[0]:
                best = bound, nu
            if value - best[0] <= 1e-9 * size:
                break
    return V, best[1], best[0], sweep


def _rounded(K: np.ndarray, V: np.ndarray, trials: int, rng: np.random.Generator) -> np.ndarray:
    """(N, trials) array of signs, each column from one random hyperplane."""
    return np.where(V @ rng.standard_normal((V.shape[1], trials)) >= 0, 1.0, -1.0)


def _local_search(K: np.ndarray, T: np.ndarray) -> np.ndarray:
    """The best column of T after flipping single signs for as long as that lowers tᵀKt: a flip adds -4tᵢ(Kt)ᵢ."""
    KT = K @ T
    columns = np.arange(T.shape[1])
    room = 1e-12 * float(np.abs(K).sum())
    for _ in range(50 * len(K)):
        gain = T * KT
        flip = gain.argmax(axis=0)
        moving = columns[gain[flip, columns] > room]
        if not moving.size:
            break
        rows = flip[moving]
        KT[:, moving] -= 2.0 * K[:, rows] * T[rows, moving]
        T[rows, moving] *= -1.0
    return T[:, int(np.argmin((T * (K @ T)).sum(axis=0)))]


def _better(K: np.ndarray, t: np.ndarray, other: np.ndarray) -> np.ndarray:
    return other if other @ K @ other < t @ K @ t else t


def _all_points(K: np.ndarray) -> np.ndarray:
    """The best t of all with t = 1 in the last place."""
    N = len(K)
    best, value = np.ones(N), np.inf
    for start in range(0, 2 ** (N - 1), CHUNK):
        codes = np.arange(start, min(start + CHUNK, 2 ** (N - 1)))
        T = np.ones((codes.size, N))
        T[:, :N - 1] = 1.0 - 2.0 * ((codes[:, None] >> np.arange(N - 1)) & 1)
        values = np.einsum("ij,ij->i", T @ K, T)
        i = int(np.argmin(values))
        if values[i] < value:
            best, value = T[i], float(values[i])
    return best
