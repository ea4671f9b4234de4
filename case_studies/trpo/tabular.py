"""Finite decision processes, where every expectation of TRPO is a sum: the ground that the theory stands on.

A policy is a table pi of probabilities (S, A). Everything below is exact; nothing is sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np


@dataclass(frozen=True)
class Mdp:
    """A finite Markov decision process.

    Attributes
    ----------
    transition : (S, A, S), probability of the next state
    reward : (S, A), expected
    start : (S,), distribution of the first state
    gamma : discount, below 1

    Examples
    --------
    One state, two actions: the value of always choosing the second is 1 + γ + γ² + ...

    >>> import numpy as np
    >>> mdp = Mdp(np.ones((1, 2, 1)), np.array([[0.0, 1.0]]), np.ones(1), gamma=0.5)
    >>> float(mdp.performance(np.array([[0.0, 1.0]])))
    2.0
    """

    transition: np.ndarray
    reward: np.ndarray
    start: np.ndarray
    gamma: float

    @classmethod
    def random(cls, states: int, actions: int, *, gamma: float, rng: np.random.Generator) -> Mdp:
        """Each action leads to three states at most, so that actions matter; rewards are standard normal."""
        transition = np.zeros((states, actions, states))
        for s, a in np.ndindex(states, actions):
            transition[s, a, rng.choice(states, min(3, states), replace=False)] = rng.dirichlet(np.ones(min(3, states)))
        return cls(transition, rng.standard_normal((states, actions)), np.full(states, 1 / states), gamma)

    def values(self, pi: Any) -> Any:
        """V, which solves V = r_π + γP_πV. Differentiable in pi."""
        P = anp.einsum("sa,sat->st", pi, self.transition)
        return anp.linalg.solve(anp.eye(len(self.start)) - self.gamma * P, anp.sum(pi * self.reward, axis=1))

    def advantages(self, pi: np.ndarray) -> np.ndarray:
        """A(s, a) = r(s, a) + γE[V(s')] - V(s)."""
        V = self.values(pi)
        advantages: np.ndarray = self.reward + self.gamma * self.transition @ V - V[:, None]
        return advantages

    def visits(self, pi: np.ndarray) -> np.ndarray:
        """d(s) = (1-γ) Σ γᵗ P(sₜ = s), which sums to one and solves d = (1-γ)·start + γP_πᵀd."""
        P = np.einsum("sa,sat->st", pi, self.transition)
        d: np.ndarray = (1 - self.gamma) * np.linalg.solve(np.eye(len(P)) - self.gamma * P.T, self.start)
        return d

    def performance(self, pi: Any) -> Any:
        """J = E[Σ γᵗrₜ] = startᵀV. Differentiable in pi."""
        return anp.dot(self.start, self.values(pi))

    def surrogate(self, old: np.ndarray, new: Any) -> Any:
        """L = Σ d_old(s) Σ new(a|s) A_old(s, a): linear in the new policy."""
        return anp.sum(self.visits(old)[:, None] * self.advantages(old) * new)

    def mean_kl(self, old: np.ndarray, new: Any) -> Any:
        """Σ d_old(s) KL(old(·|s) ‖ new(·|s)): convex in the new policy. Probabilities must be positive."""
        return anp.sum(self.visits(old)[:, None] * old * (np.log(old) - anp.log(new)))


def softmax(logits: Any) -> Any:
    """Probabilities (S, A) from logits (S, A).

    >>> softmax(np.zeros((1, 2)))
    array([[0.5, 0.5]])
    """
    e = anp.exp(logits - anp.max(logits, axis=1, keepdims=True))
    return e / anp.sum(e, axis=1, keepdims=True)
