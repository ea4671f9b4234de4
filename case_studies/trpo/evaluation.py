"""Playing a trained policy: with its random actions, and with its likeliest ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan, sqrt
from pathlib import Path

import numpy as np

import convexkit as ck

from . import environments
from .checkpoint import load
from .policies import Policy
from .run_folder import CHECKPOINT

Choice = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """Returns of whole episodes.

    Examples
    --------
    >>> import numpy as np
    >>> print(Evaluation(np.array([1.0, 3.0])))
    2.0 ± 1.0 over 2 episodes
    """

    returns: np.ndarray

    @property
    def mean(self) -> float:
        """Mean return."""
        return float(self.returns.mean())

    @property
    def standard_error(self) -> float:
        """Standard deviation of the mean; nan for a single episode."""
        n = self.returns.size
        return float(self.returns.std(ddof=1)) / sqrt(n) if n > 1 else nan

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.standard_error:.1f} over {self.returns.size} episodes"


def evaluate(run: str | Path, *, episodes: int = 100, seed: int = 0) -> dict[str, Evaluation]:
    """Play `episodes` episodes each with sampled and with likeliest actions.

    Parameters
    ----------
    run : a run folder
    episodes : int ≥ 1
    seed : of environments and sampled actions; training uses other random streams for any seed

    Returns
    -------
    dict
        "stochastic", what training optimises, and "deterministic", which may hide failure: on CartPole the
        likeliest actions can score 500 while the sampled ones are far from it.

    Raises
    ------
    FormatError, ProblemError
        If there is no usable checkpoint, or the environment cannot be made.
    """
    path = Path(run) / CHECKPOINT
    stored = load(path)
    env = environments.make(stored.config.env)
    try:
        known = environments.spaces(env)
        policy = known.policy(stored.config)
        for name, array, size in (("theta", stored.theta, policy.size),
                                  ("mean", stored.moments.mean, known.observations)):
            if array.shape != (size,):
                raise ck.FormatError(f"{path}: {name} has shape {array.shape}; {stored.config.env} needs ({size},).")
        actor = policy.actor(stored.theta, 1, *stored.moments.shift_and_scale())
        results = {}
        for name, choose in _choices(policy).items():
            # The same environments for both, so that they differ by their actions only.
            env_stream, action_stream = np.random.SeedSequence(seed, spawn_key=(2**16,)).spawn(2)
            rng = np.random.default_rng(action_stream)
            seeds = env_stream.generate_state(episodes)
            returns = []
            for episode_seed in seeds:
                observation, _ = env.reset(seed=int(episode_seed))
                total, done = 0.0, False
                while not done:
                    outputs = actor(np.asarray(observation, dtype=np.float32).reshape(1, -1))
                    action = known.to_env(choose(outputs, rng))[0]
                    observation, reward, terminated, truncated, _ = env.step(action)
                    total += float(reward)
                    done = terminated or truncated
                returns.append(total)
            results[name] = Evaluation(np.array(returns))
    finally:
        env.close()
    return results


def _choices(policy: Policy) -> dict[str, Choice]:
    distribution = policy.distribution
    return {
        "stochastic": lambda outputs, rng: distribution.sample(outputs, distribution.noise(rng, (1,))),
        "deterministic": lambda outputs, rng: distribution.mode(outputs),
    }
