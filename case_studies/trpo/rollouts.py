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
from .runners import lean_step


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
    costs : (T, N) float64, the entry of info that has a limit, or None
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
    costs: np.ndarray | None = None

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


@dataclass(frozen=True)
class Standing:
    """Where N environments stand: enough to bring them there again.

    Each episode starts from its own seed. An environment that draws all its random numbers from that seed, as
    Gymnasium asks for, is a function of it and of the actions since; no environment need know how to save itself.

    Attributes
    ----------
    episodes : (N,) int, number of the running episode of each, from 0
    lengths : (N,) int, its steps so far
    actions : (sum of lengths, ...), those of the first environment, then those of the second, ...
    returns : (N,), its rewards so far
    observations : (N, d), what each shows now: if a replay ends elsewhere, the environment does not repeat itself
    steps : int, steps of each environment since the start of the run
    """

    episodes: np.ndarray
    lengths: np.ndarray
    actions: np.ndarray
    returns: np.ndarray
    observations: np.ndarray
    steps: int


class Collector:
    """Steps a list of environments; remembers where each stands between batches.

    Parameters
    ----------
    envs : environments with the Gymnasium interface, without automatic reset; a list or a `Pool`
    size : int, length of a flattened observation
    to_env : callable, an array of N actions -> list of N actions (see `Spaces`)
    seed_of : callable, number of the environment, number of its episode -> seed of that episode
    name : str, of the environment, for messages
    cost_key : str, optional, an entry of info to be kept

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
    >>> collector = Collector([Coin()], 1, lambda a: a.tolist(), lambda n, episode: episode)
    >>> batch = collector.collect(lambda x: np.array([[0.0, 99.0]]), Categorical(2), 5, np.random.default_rng(0))
    >>> batch.episode_returns, batch.ends.tolist(), batch.observations[:, 0, 0].tolist()
    ([2.0, 2.0], [[1, 0], [3, 0]], [0.0, 1.0, 0.0, 1.0, 0.0])
    """

    def __init__(self, envs: Sequence[Any], size: int, to_env: Callable[[np.ndarray], list[Any]],
                 seed_of: Callable[[int, int], int], name: str = "env", cost_key: str | None = None):
        self._envs = envs
        # Without its info a step can be had for less.
        steppers = [lean_step(env) if cost_key is None else env.step for env in envs]
        # A pool steps its environments together; a list of them, one after the other.
        self._step_all = getattr(envs, "step_all", None) or (
            lambda actions: [step(action) for step, action in zip(steppers, actions, strict=True)])
        self._to_env = to_env
        self._seed_of = seed_of
        self._name = name
        self._cost_key = cost_key
        count = len(envs)
        self._episodes = [0] * count
        self._returns = [0.0] * count
        self._lengths = [0] * count
        # Actions since the last reset, in pieces.
        self._history: list[list[np.ndarray]] = [[] for _ in range(count)]
        self._steps = 0
        first = [np.asarray(self._reset(n)) for n in range(count)]
        self._shape = first[0].shape
        self._now = np.array(first, dtype=np.float32).reshape(count, size)

    def _reset(self, n: int) -> Any:
        return self._envs[n].reset(seed=self._seed_of(n, self._episodes[n]))[0]

    def standing(self) -> Standing:
        """Where the environments stand, for `resume`."""
        pieces = [piece for history in self._history for piece in history]
        return Standing(np.array(self._episodes), np.array(self._lengths),
                        np.concatenate(pieces) if pieces else np.zeros(0), np.array(self._returns), self._now.copy(),
                        self._steps)

    def resume(self, standing: Standing) -> list[int]:
        """Bring the environments to where they stood, by repeating their running episodes.

        Returns
        -------
        list of int
            Environments whose replay did not end at the observation recorded: they begin a new episode.
        """
        self._episodes = standing.episodes.tolist()
        self._lengths = standing.lengths.tolist()
        self._returns = standing.returns.tolist()
        self._steps = standing.steps
        strayed = []
        parts = np.split(standing.actions, np.cumsum(standing.lengths)[:-1])
        with np.errstate(invalid="ignore", over="ignore"):
            for n, actions in enumerate(parts):
                seen, done = self._reset(n), False
                for action in self._to_env(actions) if len(actions) else []:
                    if done:
                        break
                    seen, _, terminated, truncated, _ = self._envs[n].step(action)
                    done = terminated or truncated
                self._now[n] = np.asarray(seen, dtype=np.float32).reshape(-1)
                self._history[n] = [actions] if len(actions) else []
                if done or self._now[n].tobytes() != standing.observations[n].tobytes():
                    strayed.append(n)
                    self._episodes[n] += 1
                    self._lengths[n], self._returns[n], self._history[n] = 0, 0.0, []
                    self._now[n] = np.asarray(self._reset(n), dtype=np.float32).reshape(-1)
        return strayed

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
        step, key = self._step_all, self._cost_key
        costs: list[float] = []
        # What is not finite is found below, and named; numpy need not warn of its consequences.
        with np.errstate(invalid="ignore", over="ignore"):
            for t in range(horizon):
                chosen = distribution.sample(actor(observations[t]), noise[t])
                actions.append(chosen)
                following = as_seen[t + 1]
                earned = []
                for n, (seen, reward, terminated, truncated, info) in enumerate(step(self._to_env(chosen))):
                    if key is not None:
                        costs.append(self._cost(info, t, n))
                    earned.append(reward)
                    returns[n] += reward
                    lengths[n] += 1
                    if terminated or truncated:
                        ends.append((t, n, terminated, truncated))
                        finals.append(np.array(seen, dtype=np.float32).reshape(size))
                        episode_returns.append(float(returns[n]))
                        episode_lengths.append(lengths[n])
                        returns[n], lengths[n] = 0.0, 0
                        self._episodes[n] += 1
                        seen = self._reset(n)
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
        taken = np.array(actions)
        last_end = dict(zip(n_end.tolist(), t_end.tolist(), strict=True))  # of several ends, the last one stays
        for n, history in enumerate(self._history):
            if n in last_end:
                history.clear()
            piece = taken[last_end.get(n, -1) + 1:, n]
            if len(piece):
                history.append(piece.copy())
        return Batch(observations[:-1], taken, earned_all, terminated_all, truncated_all, self._now,
                     np.stack([t_end, n_end], axis=1), final_observations, episode_returns, episode_lengths,
                     np.array(costs).reshape(horizon, count) if key is not None else None)

    def _cost(self, info: Any, t: int, n: int) -> float:
        """The entry of info; of a vector, or of what is no number, nothing can be a limit."""
        try:
            cost = float(info[self._cost_key])
        except (KeyError, TypeError, ValueError):
            known = ", ".join(sorted(map(str, info))) or "nothing"
            raise ck.ConvexkitError(f"environment {n} ({self._name}) has no number {self._cost_key!r} in its info in "
                                    f"its step {self._steps + t + 1}; it has {known}.") from None
        if not np.isfinite(cost):
            raise ck.ConvexkitError(f"environment {n} ({self._name}) returned {self._cost_key} = {cost} in its step "
                                    f"{self._steps + t + 1}; training cannot continue.")
        return cost

    def _check(self, observations: np.ndarray, rewards: np.ndarray) -> None:
        for what, bad in (("an observation", ~np.isfinite(observations).all(axis=2)),
                          ("a reward", ~np.isfinite(rewards))):
            if bad.any():
                t, n = np.argwhere(bad)[0]
                raise ck.ConvexkitError(f"environment {n} ({self._name}) returned {what} that is not finite in its "
                                        f"step {self._steps + t + 1}; training cannot continue.")
