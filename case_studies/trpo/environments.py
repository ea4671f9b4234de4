"""The door to Gymnasium: making environments, and translating between their spaces and arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import convexkit as ck

from .config import TrpoConfig
from .policies import Policy


def require_gymnasium() -> Any:
    """The gymnasium module, or an error that says how to get it."""
    try:
        import gymnasium
    except ImportError:
        raise ck.MissingDependencyError(
            "TRPO needs gymnasium, which is not installed: pip install 'convexkit[trpo]'.") from None
    return gymnasium


def make(env_id: str) -> Any:
    """One environment by its Gymnasium id.

    Raises
    ------
    ProblemError
        If there is no such environment or it cannot be made here, in one line that names the option `env`.
    """
    gymnasium = require_gymnasium()
    try:
        # The checker is for authors of environments. A warning that a newer version exists is no news to
        # someone who asked for this one.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return gymnasium.make(env_id, disable_env_checker=True)
    except Exception as error:  # the constructor of an environment may raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ck.ProblemError(f"env = {env_id!r} cannot be made: {reason}") from None


@dataclass(frozen=True)
class Spaces:
    """What the policy must know of an environment's spaces.

    Attributes
    ----------
    observations : int, length of a flattened observation
    actions : int, number of choices or length of an action
    discrete : bool
    to_env : callable, actions (N,) or (N, m) -> list of N actions in the environment's own form
    """

    observations: int
    actions: int
    discrete: bool
    to_env: Callable[[np.ndarray], list[Any]]

    def policy(self, config: TrpoConfig) -> Policy:
        """An untrained policy for these spaces."""
        if self.discrete:
            return Policy.discrete(self.observations, self.actions, hidden=config.hidden)
        return Policy.continuous(self.observations, self.actions, hidden=config.hidden,
                                 initial_log_std=config.initial_log_std)


def spaces(env: Any) -> Spaces:
    """The spaces of an environment.

    Raises
    ------
    ProblemError
        If actions are neither Discrete nor a Box of floats, or observations are not a Box.
    """
    kinds = require_gymnasium().spaces
    name = getattr(env.spec, "id", None) or type(env.unwrapped).__name__
    seen, acted = env.observation_space, env.action_space
    if not isinstance(seen, kinds.Box):
        raise ck.ProblemError(f"env = {name!r} has observations of type {type(seen).__name__}; "
                              "TRPO here takes Box observations.")
    size = int(np.prod(seen.shape))
    if isinstance(acted, kinds.Discrete):
        first = int(acted.start)

        def choices(actions: np.ndarray) -> list[Any]:
            return (actions + first).tolist()

        # Environments check plain integers fastest.
        return Spaces(size, int(acted.n), True, choices)
    if isinstance(acted, kinds.Box) and np.issubdtype(acted.dtype, np.floating):
        low, high, shape, dtype = acted.low.reshape(-1), acted.high.reshape(-1), acted.shape, acted.dtype

        def vectors(actions: np.ndarray) -> list[Any]:
            # The policy's density is that of the unclipped action; clipping belongs to the environment.
            return list(np.clip(actions, low, high).astype(dtype, copy=False).reshape(len(actions), *shape))

        return Spaces(size, int(np.prod(shape)), False, vectors)
    raise ck.ProblemError(f"env = {name!r} has actions of type {type(acted).__name__}; "
                          "TRPO here takes Discrete actions or a Box of floats.")
