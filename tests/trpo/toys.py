"""Small environments and policies with known answers, shared by the tests of the case study."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from case_studies.trpo.distributions import Bernoulli, MultiCategorical
from case_studies.trpo.policies import Policy

gymnasium = pytest.importorskip("gymnasium")


class Countdown(gymnasium.Env):
    """Observation: steps since the reset and the number of the episode. Reward: the action.

    Action 1 at step `trap` terminates; at step `limit` the episode is truncated.
    """

    def __init__(self, limit: int = 4, trap: int = 2):
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.limit, self.trap = limit, trap
        self.episode = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.t, self.episode = 0, self.episode + 1
        return self._see(), {}

    def step(self, action: int) -> Any:
        terminated = self.t == self.trap and action == 1
        self.t += 1
        return self._see(), float(action), terminated, not terminated and self.t == self.limit, {}

    def _see(self) -> np.ndarray:
        return np.array([self.t, self.episode], dtype=np.float32)


def small_policies() -> dict[str, Policy]:
    """One policy of each kind, small enough for dense matrices."""
    return {"discrete": Policy.discrete(3, 4, hidden=(5,)),
            "several choices": Policy.over(MultiCategorical((2, 3)), 3, hidden=(5,), activation="elu"),
            "switches": Policy.over(Bernoulli(3), 3, hidden=(5, 4)),
            "continuous": Policy.continuous(3, 2, hidden=(5,), initial_log_std=-0.3)}


def generic_theta(policy: Policy, rng: np.random.Generator) -> np.ndarray:
    """Parameters far from symmetric or uniform, in float64."""
    return policy.initial(rng).astype(np.float64) + 0.3 * rng.standard_normal(policy.size)
