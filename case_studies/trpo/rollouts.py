"""Collecting experience: environments stepped side by side, reset at once when an episode ends.

Only actions are computed while stepping; log-probabilities and values come later, in one pass over the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import convexkit as ck

from .distributions import Distribution


@dataclass(frozen=True)
class Batch:
    """T steps of N environments.

    Attributes
    ----------
    observations : (T, N, d) float32, as the environments gave them
    actions : (T, N) int or (T, N, m) float32, as sampled, before clipping
    rewards : (T, N) float64
    terminated, truncated : (T, N) bool
    last_observations : (N, d), where each environment stands now
    ends : (K, 2) int, the (t, n) at which an episode ended
    final_observations : (K, d), the observation that followed, before the reset
    episode_returns, episode_lengths : of the K episodes that ended, undiscounted
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    last_observations: np.ndarray
    ends: np.ndarray
    final_observations: np.ndarray
    episode_returns: list[float]
    episode_lengths: list[int]

    @property
    def steps(self) -> int:
        """T·N."""
        return self.rewards.size

    def flat(self, array: np.ndarray) -> np.ndarray:
        """(T, N, ...) -> (T·N, ...)."""
        return array.reshape(self.steps, *array.shape[2:])

    def next_values(self, values: np.ndarray, last_values: np.ndarray, final_values: np.ndarray) -> np.ndarray:
        """V at the observation that followed each step, before any reset.

        Parameters
        ----------
        values : (T, N), last_values : (N,), final_values : (K,)
            V at `observations`, `last_observations` and `final_observations`.
        """
        following = np.concatenate([values[1:], last_values[None]])
        following[self.ends[:, 0], self.ends[:, 1]] = final_values
        return following


class Collector:
    """Steps a list of environments; remembers where each stands between batches.

    Parameters
    ----------
    envs : environments with the Gymnasium interface, without automatic reset
    size : int, length of a flattened observation
    to_env : callable, an array of N actions -> list of N actions (see `Spaces`)
    seeds : one integer for each environment

    Examples
    --------
    >>> from case_studies.trpo.distributions import Categorical
    >>> class Coin:                                    # two steps, reward for action 1
    ...     def reset(self, *, seed=None):
    ...         self.t = 0
    ...         return [0.0], {}
    ...     def step(self, action):
    ...         self.t += 1
    ...         return [float(self.t)], float(action), self.t == 2, False, {}
    >>> collector = Collector([Coin()], 1, lambda a: a.tolist(), [0])
    >>> batch = collector.collect(lambda x: np.array([[0.0, 99.0]]), Categorical(2), 5, np.random.default_rng(0))
    >>> batch.episode_returns, batch.ends.tolist(), batch.observations[:, 0, 0].tolist()
    ([2.0, 2.0], [[1, 0], [3, 0]], [0.0, 1.0, 0.0, 1.0, 0.0])
    """

    def __init__(self, envs: Sequence[Any], size: int, to_env: Callable[[np.ndarray], list[Any]],
                 seeds: Sequence[int]):
        self._envs = list(envs)
        self._to_env = to_env
        first = [np.asarray(env.reset(seed=seed)[0]) for env, seed in zip(self._envs, seeds, strict=True)]
        self._shape = first[0].shape
        self._now = np.array(first, dtype=np.float32).reshape(len(first), size)
        self._returns = [0.0] * len(first)
        self._lengths = [0] * len(first)
        self._steps = 0

    def collect(self, actor: Callable[[np.ndarray], np.ndarray], distribution: Distribution, horizon: int,
                rng: np.random.Generator) -> Batch:
        """`horizon` steps of every environment.

        Parameters
        ----------
        actor : callable, observations (N, d) -> outputs (N, k) of the policy
        distribution : turns outputs and noise into actions

        Raises
        ------
        ConvexkitError
            If an environment returned an observation or a reward that is not finite; names step and environment.
        """
        count, size = self._now.shape
        noise = distribution.noise(rng, (horizon, count))
        observations = np.empty((horizon + 1, count, size), dtype=np.float32)
        observations[0] = self._now
        as_seen = observations.reshape(horizon + 1, count, *self._shape)
        actions: list[np.ndarray] = []
        rewards: list[list[float]] = []
        ends: list[tuple[int, int, bool, bool]] = []
        finals: list[np.ndarray] = []
        episode_returns: list[float] = []
        episode_lengths: list[int] = []
        returns, lengths = self._returns, self._lengths
        steppers = [env.step for env in self._envs]
        # What is not finite is found below, and named; numpy need not warn of its consequences.
        with np.errstate(invalid="ignore", over="ignore"):
            for t in range(horizon):
                chosen = distribution.sample(actor(observations[t]), noise[t])
                actions.append(chosen)
                following = as_seen[t + 1]
                earned = []
                for n, action in enumerate(self._to_env(chosen)):
                    seen, reward, terminated, truncated, _ = steppers[n](action)
                    earned.append(reward)
                    returns[n] += reward
                    lengths[n] += 1
                    if terminated or truncated:
                        ends.append((t, n, terminated, truncated))
                        finals.append(np.array(seen, dtype=np.float32).reshape(size))
                        episode_returns.append(float(returns[n]))
                        episode_lengths.append(lengths[n])
                        returns[n], lengths[n] = 0.0, 0
                        seen, _ = self._envs[n].reset()
                    following[n] = seen
                rewards.append(earned)
        # K endings as columns t, n, terminated, truncated.
        t_end, n_end, terminations, truncations = np.array(ends, dtype=np.intp).reshape(-1, 4).T
        final_observations = np.array(finals, dtype=np.float32).reshape(-1, size)
        earned_all = np.array(rewards, dtype=np.float64).reshape(horizon, count)
        following_all = observations[1:].copy()
        following_all[t_end, n_end] = final_observations
        self._check(following_all, earned_all)
        terminated_all, truncated_all = np.zeros((2, horizon, count), dtype=bool)
        terminated_all[t_end, n_end] = terminations
        truncated_all[t_end, n_end] = truncations
        self._now = observations[-1].copy()
        self._steps += horizon
        return Batch(observations[:-1], np.array(actions), earned_all, terminated_all, truncated_all, self._now,
                     np.stack([t_end, n_end], axis=1), final_observations, episode_returns, episode_lengths)

    def _check(self, observations: np.ndarray, rewards: np.ndarray) -> None:
        for what, bad in (("an observation", ~np.isfinite(observations).all(axis=2)),
                          ("a reward", ~np.isfinite(rewards))):
            if bad.any():
                t, n = np.argwhere(bad)[0]
                raise ck.ConvexkitError(f"environment {n} returned {what} that is not finite in its step "
                                        f"{self._steps + t + 1}; training cannot continue.")
