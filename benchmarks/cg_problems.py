"""Linear systems for the benchmark of conjugate gradient: dense, a policy's Fisher matrix, sparse, by products."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.fft import dct
from scipy.sparse.linalg import LinearOperator

DENSE = ("log-uniform", "uniform", "clustered", "scaled", "fisher")
# Entries of the low-rank part of an operator, as columns.
RANK = 10
# Observations behind a Fisher matrix; its rank is at most this.
BATCH = 1024

System = tuple[Any, np.ndarray]


def make_problem(problem: str, n: int, condition: float, rng: np.random.Generator) -> System:
    """A symmetric positive definite matrix with eigenvalues from 1 to `condition`, and a right-hand side.

    `log-uniform`: eigenvalues evenly spaced in the logarithm. `uniform`: evenly spaced. `clustered`: five clusters,
    1 % wide. `scaled`: DAD with A log-uniform and D diagonal from 0.1 to 10, which only a preconditioner can undo.
    `fisher`: F + damping·I of a policy network on CartPole. `grid`: the Laplacian of a square grid plus a multiple of
    I, sparse, the number of unknowns rounded to a square. `diagonal plus low rank`: given by its products alone.
    """
    if problem == "grid":
        return grid(n, condition, rng)
    if problem == "diagonal plus low rank":
        return by_products(n, condition, rng)
    if problem == "fisher":
        return fisher(n, condition, rng)
    if problem == "clustered":
        eigenvalues = np.geomspace(1.0, condition, 5)[np.arange(n) % 5] * rng.uniform(0.99, 1.01, n)
    else:
        eigenvalues = (np.linspace if problem == "uniform" else np.geomspace)(1.0, condition, n)
    signs = rng.choice([-1.0, 1.0], (2, n, 1))

    def rotate(X: np.ndarray) -> np.ndarray:
        # Two cosine transforms with random signs between them: orthogonal, dense, and O(n² log n).
        X = dct(X, norm="ortho", axis=0, overwrite_x=True)
        X *= signs[0]
        X = dct(X, norm="ortho", axis=0, overwrite_x=True)
        X *= signs[1]
        return X

    A = rotate(rotate(np.diag(eigenvalues)).T.copy())
    if problem == "scaled":
        d = rng.permutation(np.geomspace(0.1, 10.0, n))
        A *= d * d[:, None]
    return (A + A.T) / 2, rng.standard_normal(n)


def grid(n: int, condition: float, rng: np.random.Generator) -> System:
    """Five-point Laplacian plus a shift, with the condition number that is asked for if the grid alone has a larger."""
    side = max(2, round(np.sqrt(n)))
    line = sp.diags_array([-np.ones(side - 1), np.full(side, 2.0), -np.ones(side - 1)], offsets=[-1, 0, 1])
    eye = sp.eye_array(side)
    laplacian = sp.kron(line, eye) + sp.kron(eye, line)
    low, high = (8.0 * np.sin(k * np.pi / (2 * (side + 1))) ** 2 for k in (1, side))
    shift = max((high - condition * low) / (condition - 1.0), 0.0) if condition > 1 else 0.0
    return (laplacian + shift * sp.eye_array(side * side)).tocsc(), rng.standard_normal(side * side)


def by_products(n: int, condition: float, rng: np.random.Generator) -> System:
    """v -> d∘v + Fᵀ(Fv), eigenvalues from 1 to about `condition`, ten of them larger."""
    d, F = np.geomspace(1.0, condition, n), rng.standard_normal((RANK, n)) * np.sqrt(condition / n)

    def product(v: np.ndarray) -> np.ndarray:
        return (d * v.T).T + F.T @ (F @ v)

    return LinearOperator((n, n), matvec=product, matmat=product, dtype=np.float64), rng.standard_normal(n)


def fisher(n: int, condition: float, rng: np.random.Generator) -> System:
    """(F + damping·I)/damping, F of n parameters of a new two-layer policy, and a policy-gradient-like side.

    Parameters beyond n are frozen: a principal block of F. The observations are those of random actions on CartPole.
    """
    from autograd.core import make_vjp

    from case_studies.trpo.environments import require_gymnasium
    from case_studies.trpo.policies import Policy

    env = require_gymnasium().make("CartPole-v1")
    seen = [env.reset(seed=int(rng.integers(2**31)))[0]]
    while len(seen) < BATCH:
        observation, _, terminated, truncated, _ = env.step(int(rng.integers(2)))
        seen.append(env.reset()[0] if terminated or truncated else observation)
    observations = np.array(seen, dtype=np.float64)
    observations = (observations - observations.mean(axis=0)) / observations.std(axis=0)
    width = 2
    while (policy := Policy.discrete(4, 2, hidden=(width, width))).size < n:
        width += 1
    # With two actions F = (1/N) Σ p(1 - p)·∇d∇dᵀ, d the difference of the two outputs: a Gram matrix of rank N.
    theta, slopes = policy.initial(rng).astype(np.float64), np.empty((BATCH, n))
    for slope, observation in zip(slopes, observations, strict=True):
        pull_back, outputs = make_vjp(lambda t, x=observation[None]: policy.outputs(t, x), theta)
        p = 1.0 / (1.0 + np.exp(outputs[0, 1] - outputs[0, 0]))
        slope[:] = np.sqrt(p * (1.0 - p) / BATCH) * pull_back(np.array([[1.0, -1.0]]))[:n]
    block = slopes.T @ slopes
    # The largest eigenvalue, of the smaller of the two Gram matrices.
    gram = slopes @ slopes.T if n > BATCH else block
    damping = float(np.linalg.eigvalsh(gram)[-1]) / (condition - 1.0)
    side = block @ rng.standard_normal(n)
    block /= damping
    block[np.diag_indices(n)] += 1.0
    return block, side
