"""Playing a trained policy: with its random actions, and with its likeliest ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from . import environments
from .checkpoint import Checkpoint, check_sizes, load
from .run_folder import CHECKPOINT

# An observation and a random generator -> an action in the environment's own form.
Choice = Callable[[Any, np.random.Generator], Any]


@dataclass(frozen=True)
class Evaluation:
    """Returns of whole episodes.

    Examples
    --------
    >>> import numpy as np
    >>> print(Evaluation(np.array([1.0, 2.0, 3.0])))
    2.0 ± 0.6 over 3 episodes, 95 % interval of the mean -0.5 to 4.5
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

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of the mean, by Student's t distribution; nan for a single episode."""
        n = self.returns.size
        if n < 2:
            return nan, nan
        half = float(stdtrit(n - 1, (1 + level) / 2)) * self.standard_error
        return self.mean - half, self.mean + half

    def __str__(self) -> str:
        low, high = self.interval()
        return (f"{self.mean:.1f} ± {self.standard_error:.1f} over {self.returns.size} episodes, "
                f"95 % interval of the mean {low:.1f} to {high:.1f}")


def load_actor(run: Path, **options: Any) -> tuple[Checkpoint, Any, dict[str, Choice]]:
    """The checkpoint of a run, an environment for it, and its two ways to choose actions.

    Parameters
    ----------
    run : a run folder
    options : for `environments.make`

    Raises
    ------
    FormatError, ProblemError
        If there is no usable checkpoint, or the environment cannot be made.
    """
    path = run / CHECKPOINT
    stored = load(path)
    env = environments.make(stored.config.env, **options)
    try:
        known = environments.spaces(env)
        policy = known.policy(stored.config)
        check_sizes(stored, path, theta=policy.size, observations=known.observations)
    except BaseException:
        env.close()
        raise
    actor = policy.actor(stored.theta, 1, *stored.moments.shift_and_scale(), stored.moments.limit)
    distribution = policy.distribution

    def outputs(observation: Any) -> np.ndarray:
        return actor(np.asarray(observation, dtype=np.float32).reshape(1, -1))

    return stored, env, {
        "stochastic": lambda observation, rng: known.to_env(
            distribution.sample(outputs(observation), distribution.noise(rng, (1,))))[0],
        "deterministic": lambda observation, rng: known.to_env(distribution.mode(outputs(observation)))[0],
    }


def play(env: Any, choose: Choice, seed: int, rng: np.random.Generator) -> Iterator[tuple[float, bool]]:
    """One episode, step by step: each reward, and whether it was the last."""
    observation, _ = env.reset(seed=seed)
    done = False
    while not done:
        observation, reward, terminated, truncated, _ = env.step(choose(observation, rng))
        done = bool(terminated or truncated)
        yield float(reward), done


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
    _, env, choices = load_actor(Path(run))
    try:
        results = {}
        for name, choose in choices.items():
            # The same environments for both, so that they differ by their actions only.
            env_stream, action_stream = np.random.SeedSequence(seed, spawn_key=(2**16,)).spawn(2)
            rng = np.random.default_rng(action_stream)
            returns = [sum(reward for reward, _ in play(env, choose, int(episode_seed), rng))
                       for episode_seed in env_stream.generate_state(episodes)]
            results[name] = Evaluation(np.array(returns))
    finally:
        env.close()
    return results
