"""Problems to race on: seeded families of convex QCQPs, each feasible by construction and with active limits.

    instance = make("dense", (50, 5), seed=0)
    instance.problems[0]                 # a QCQP with its P's as a user has them: dense, banded or in factors

`FAMILIES` says which sizes and which methods belong to a family. A method is left out of a size where it was seen to
need more than half a minute, and a solver that cannot state a family's problems is not listed with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import solve_discrete_are

import convexkit as ck

Size = tuple[int, ...]


@dataclass(frozen=True)
class Instance:
    """A problem of a family, or a batch to be solved as one piece of work."""

    family: str
    size: Size
    problems: list[ck.QCQP]

    @property
    def label(self) -> str:
        """Family and size in words."""
        return f"{self.family} {FAMILIES[self.family].words.format(*self.size)}"


@dataclass(frozen=True)
class Family:
    """What is made (`make`), in which sizes, described in `words`; and who takes part.

    `methods` maps a method's name to the largest product of the size's numbers at which it takes part.
    """

    make: Callable[..., Any]
    words: str
    sizes: list[Size]
    quick: list[Size]
    methods: dict[str, float] = field(default_factory=dict)
    all_threads: Size | None = None  # the size that is run on all threads

    def entrants(self, size: Size) -> list[str]:
        """Names of the methods that take part at a size."""
        return [name for name, largest in self.methods.items() if np.prod(size) <= largest]


def make(family: str, size: Size, seed: int = 0) -> Instance:
    """The instance of a family; the same for the same arguments."""
    made = FAMILIES[family].make(*size, np.random.default_rng([seed, *size]))
    return Instance(family, size, made if isinstance(made, list) else [made])


def dense_quadratic(n: int, r: float, rng: np.random.Generator) -> ck.Quadratic:
    """P = MᵀM/n with M square and standard normal (condition of the order n²), q standard normal."""
    M = rng.standard_normal((n, n))
    return ck.Quadratic(M.T @ M / n, rng.standard_normal(n), r)


def random_dense(n: int, m: int, rng: np.random.Generator) -> ck.QCQP:
    """m ellipsoids that hold 0 well inside; the objective's own minimiser is far outside."""
    return ck.QCQP(dense_quadratic(n, 0.0, rng),
                   [dense_quadratic(n, -rng.uniform(1.0, 5.0), rng) for _ in range(m)])


def many_small(count: int, n: int, m: int, rng: np.random.Generator) -> list[ck.QCQP]:
    """`count` problems of one size, all data different."""
    return [random_dense(n, m, rng) for _ in range(count)]


def portfolio(n: int, k: int, rng: np.random.Generator) -> ck.QCQP:
    """Largest expected return of a long-only portfolio under three limits of risk.

        minimise −μᵀx   s.t.   ½‖Fᵢx‖² + ½xᵀDᵢx ≤ ½σᵢ²  (i = 1, 2, 3),   1ᵀx = 1,   x ≥ 0

    Fᵢ is (k, n): the factor models of three regimes. σᵢ² is 1.1 times the variance of equal weights.
    """
    mu = 0.05 + 0.05 * rng.standard_normal(n)
    equal = np.full(n, 1.0 / n)
    limits = []
    for _ in range(3):
        F = 0.2 / np.sqrt(k) * (0.3 + rng.standard_normal((k, n)))
        d = rng.uniform(0.01, 0.09, n)
        variance = float(np.sum((F @ equal) ** 2) + d @ equal**2)
        limits.append(ck.Quadratic.from_factor(F, diag=d, r=-0.55 * variance))
    return ck.QCQP(ck.Quadratic(None, -mu), limits, A=np.ones((1, n)), b=[1.0], lb=0.0)


def banded(n: int, m: int, rng: np.random.Generator) -> ck.QCQP:
    """Banded P's (three diagonals on either side) in the box −1 ≤ x ≤ 1.

    A random point of the box meets each limit with a tenth to spare; the objective pulls to another place.
    """
    width = 3
    inside = rng.uniform(-0.5, 0.5, n)

    def quadratic() -> tuple[Any, np.ndarray]:
        bands = [rng.uniform(0.5, 1.5, n), *(0.4 * rng.standard_normal(n - j) for j in range(1, width + 1))]
        L = sp.diags(bands, [-j for j in range(width + 1)], format="csr")
        P = (L @ L.T).tocsr()
        return (P + P.T) / 2, rng.standard_normal(n)

    P0, q0 = quadratic()
    limits = []
    for _ in range(m):
        P, q = quadratic()
        value = float(0.5 * inside @ (P @ inside) + q @ inside)
        limits.append(ck.Quadratic(P, q, -value - 0.1 * abs(value)))
    return ck.QCQP(ck.Quadratic(P0, 3.0 * q0), limits, lb=-1.0, ub=1.0)


def low_rank(n: int, m: int, rng: np.random.Generator) -> ck.QCQP:
    """Many constraints of rank 3, ½‖Fᵢx‖² + qᵢᵀx + rᵢ ≤ 0 with Fᵢ of shape (3, n), and a dense objective."""
    M = rng.standard_normal((n, n))
    limits = [ck.Quadratic.from_factor(rng.standard_normal((3, n)) / np.sqrt(3.0), q=rng.standard_normal(n) / 2,
                                       r=-rng.uniform(1.0, 5.0)) for _ in range(m)]
    return ck.QCQP(ck.Quadratic(M.T @ M / n, 3.0 * rng.standard_normal(n)), limits)


def linear_over_ellipsoid(n: int, rng: np.random.Generator) -> ck.QCQP:
    """A linear objective over one ellipsoid; the answer is one Cholesky factorization away."""
    M = rng.standard_normal((n, n + 2))
    ellipsoid = ck.Quadratic(M @ M.T / n, rng.standard_normal(n), -1.0)
    return ck.QCQP(ck.Quadratic(None, rng.standard_normal(n)), [ellipsoid])


def dense_qp(n: int, rows: int, rng: np.random.Generator) -> ck.QCQP:
    """A dense QP with dense rows; a random point meets them with up to 1 to spare."""
    M = rng.standard_normal((n, n))
    G = rng.standard_normal((rows, n))
    inside = rng.standard_normal(n)
    return ck.qp(M.T @ M / n + 0.01 * np.eye(n), 3.0 * rng.standard_normal(n), G=G,
                 h=G @ inside + rng.uniform(0.0, 1.0, rows) * np.sqrt(n))


def mpc(steps: int, rng: np.random.Generator) -> ck.QCQP:
    """Control over a horizon: 12 states and 4 inputs a step, known disturbances, bounds on inputs and states.

        minimise Σ ½xₜᵀQxₜ + ½uₜᵀRuₜ   s.t.   xₜ₊₁ = Axₜ + Buₜ + wₜ,   |u| ≤ 0.3,   |x| ≤ x_max

    Variables (u₀, x₁, u₁, x₂, …). x_max is a twentieth above what a clipped linear-quadratic regulator reaches, which
    makes the problem strictly feasible.
    """
    nx, nu = 12, 4
    A = rng.standard_normal((nx, nx))
    A /= np.abs(np.linalg.eigvals(A)).max()
    B = 0.5 * rng.standard_normal((nx, nu))
    Q, R = np.diag(rng.uniform(0.5, 2.0, nx)), 0.1 * np.eye(nu)
    w = 0.1 * rng.standard_normal((steps, nx))
    start = rng.standard_normal(nx)
    S = solve_discrete_are(A, B, Q, R)
    K = np.linalg.solve(R + B.T @ S @ B, B.T @ S @ A)
    x, largest = start, np.zeros(nx)
    for t in range(steps):
        x = A @ x + B @ np.clip(-K @ x, -0.29, 0.29) + w[t]
        largest = np.maximum(largest, np.abs(x))
    # Row block t:  xₜ₊₁ − Axₜ − Buₜ = wₜ,  with x₀ on the right.
    dynamics = sp.kron(sp.eye(steps), np.hstack([-B, np.eye(nx)]))
    dynamics = (dynamics + sp.kron(sp.eye(steps, k=-1), np.hstack([np.zeros((nx, nu)), -A]))).tocsr()
    right = w.copy()
    right[0] += A @ start
    bound = np.tile(np.concatenate([np.full(nu, 0.3), 1.05 * largest]), steps)
    P = sp.kron(sp.eye(steps), sp.block_diag([R, Q])).tocsr()
    P.eliminate_zeros()
    return ck.qp(P, np.zeros(P.shape[0]), A=dynamics, b=right.ravel(), lb=-bound, ub=bound)


def frontier(points: int, n: int, rng: np.random.Generator) -> list[ck.QCQP]:
    """An efficient frontier: largest expected return for each of `points` limits of variance.

        minimise −μᵀx   s.t.   ½xᵀΣx ≤ ½σ²,   1ᵀx = 1,   x ≥ 0

    The limits run from just above the variance of a defensive portfolio to just below that of the best single asset.
    """
    F = 0.2 / np.sqrt(10) * (0.3 + rng.standard_normal((10, n)))
    covariance = F.T @ F + np.diag(rng.uniform(0.01, 0.09, n))
    mu = 0.05 + 0.05 * rng.standard_normal(n)
    defensive = 1.0 / covariance.diagonal()
    defensive /= defensive.sum()
    low = 1.02 * defensive @ covariance @ defensive
    high = 0.98 * covariance[np.argmax(mu), np.argmax(mu)]
    objective, ones = ck.Quadratic(None, -mu), np.ones((1, n))
    return [ck.QCQP(objective, [ck.Quadratic(covariance, np.zeros(n), -0.5 * variance)], A=ones, b=[1.0], lb=0.0)
            for variance in np.geomspace(low, high, points)]


always = float("inf")
FAMILIES: dict[str, Family] = {
    "single": Family(random_dense, "n = {}, m = {}", [(8, 3)], [(8, 3)],
                     {"convexkit": always, "ecos": always, "clarabel": always, "moreau": always, "cvxopt cp": always,
                      "cvxopt coneqp": always, "slsqp": always, "ipopt": always, "qoco": always}),
    "batch": Family(many_small, "{} problems, n = {}, m = {}", [(1000, 8, 3)], [(20, 8, 3)],
                    {"convexkit": always, "moreau batch": always, "ecos": always, "clarabel": always,
                     "slsqp": always, "cvxopt cp": always}),
    "dense": Family(random_dense, "n = {}, m = {}",
                    [(50, 5), (100, 10), (200, 20), (500, 10), (500, 50), (1000, 10), (2000, 5)], [(30, 4)],
                    {"convexkit": always, "cvxopt cp": always, "ipopt": 10000, "cvxopt coneqp": 10000,
                     "clarabel": 4000, "ecos": 1000, "slsqp": 1000, "scs": 1000}, all_threads=(2000, 5)),
    "portfolio": Family(portfolio, "n = {}, factors of rank {}", [(500, 20), (2000, 50), (5000, 100)], [(50, 5)],
                        {"convexkit": always, "clarabel": always, "moreau": always, "ecos": 100000,
                         "ipopt": 10000}),
    "banded": Family(banded, "n = {}, m = {}", [(2000, 10), (20000, 10), (100000, 5)], [(200, 3)],
                     {"convexkit": always, "ipopt": always, "clarabel": always, "moreau": always, "qoco": 1000}),
    "rank 3": Family(low_rank, "n = {}, m = {}", [(100, 1000), (20, 10000)], [(10, 40)],
                     {"convexkit": always, "cvxopt cp": always, "cvxopt coneqp": always, "clarabel": always,
                      "moreau": always}),
    "one ellipsoid": Family(linear_over_ellipsoid, "n = {}", [(10,), (30,), (100,), (300,), (1000,), (3000,)],
                            [(10,), (40,)],
                            {"convexkit": always, "closed form": always, "cvxopt coneqp": 1000, "clarabel": 300,
                             "ecos": 100, "ipopt": 1000}),
    "dense QP": Family(dense_qp, "n = {}, {} rows", [(500, 1000)], [(30, 60)],
                       {"convexkit": always, "piqp": always, "cvxopt coneqp": always, "clarabel": always,
                        "osqp": always, "proxqp": always, "daqp": always, "quadprog": always}),
    "MPC": Family(mpc, "{} steps", [(625,)], [(10,)],
                  {"convexkit": always, "piqp": always, "osqp": always, "clarabel": always, "qoco": always,
                   "proxqp": 100}),
    "frontier": Family(frontier, "{} points, n = {}", [(100, 200)], [(8, 20)],
                       {"convexkit": always, "convexkit warm": always, "clarabel": always, "moreau batch": always,
                        "cvxopt cp": always, "ecos": always}),
}

