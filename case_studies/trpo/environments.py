"""The door to Gymnasium: making environments, and translating between their spaces and arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

import convexkit as ck

from .config import TrpoConfig
from .distributions import Bernoulli, Categorical, DiagonalGaussian, Distribution, MultiCategorical
from .policies import Policy


def require_gymnasium() -> Any:
    """The gymnasium module, or an error that says how to get it."""
    try:
        import gymnasium
    except ImportError:
        raise ck.MissingDependencyError(
            "TRPO needs gymnasium, which is not installed: pip install 'convexkit[trpo]'.") from None
    return gymnasium


def make(env_id: str, **options: Any) -> Any:
    """One environment by its Gymnasium id; options are Gymnasium's.

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
            return gymnasium.make(env_id, disable_env_checker=True, **options)
    except Exception as error:  # the constructor of an environment may raise anything
        hint = ""
        if isinstance(error, gymnasium.error.DependencyNotInstalled):
            hint = " pip install 'convexkit[trpo]' brings classic control, Box2D and MuJoCo."
        raise ck.ProblemError(f"env = {env_id!r} cannot be made: {reason(error)}{hint}") from None


def reason(error: Exception) -> str:
    """The message of an error in one line, or its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True)
class Spaces:
    """What the policy must know of an environment's spaces.

    Attributes
    ----------
    observations : int, length of a flattened observation
    distribution : of the actions
    to_env : callable, actions (N,) or (N, m) -> list of N actions in the environment's own form
    """

    observations: int
    distribution: Distribution
    to_env: Callable[[np.ndarray], list[Any]]

    def policy(self, config: TrpoConfig) -> Policy:
        """An untrained policy for these spaces."""
        return Policy.over(self.distribution, self.observations, hidden=config.hidden, activation=config.activation,
                           initial_log_std=config.initial_log_std)


def spaces(env: Any) -> Spaces:
    """The spaces of an environment.

    Raises
    ------
    ProblemError
        If observations are not a Box of numbers (dictionaries and images are not), or actions are none of
        Discrete, MultiDiscrete, MultiBinary and Box of floats. The error names the environment and the space.
    """
    name = getattr(env.spec, "id", None) or type(env.unwrapped).__name__
    return Spaces(_observations(name, env.observation_space), *_actions(name, env.action_space))


def _observations(name: str, space: Any) -> int:
    kinds = require_gymnasium().spaces
    wanted = "TRPO here takes a Box of numbers"
    if isinstance(space, (kinds.Dict, kinds.Tuple, kinds.Discrete, kinds.MultiDiscrete, kinds.MultiBinary)):
        raise ck.ProblemError(f"env = {name!r} has observations of type {type(space).__name__}; {wanted}. "
                              "gymnasium.wrappers.FlattenObservation makes one of it.")
    if not isinstance(space, kinds.Box):
        raise ck.ProblemError(f"env = {name!r} has observations of type {type(space).__name__}; {wanted}.")
    if len(space.shape) >= 3 or (len(space.shape) == 2 and space.dtype == np.uint8):
        shape = "×".join(map(str, space.shape))
        raise ck.ProblemError(f"env = {name!r} has images of {shape} as observations; {wanted}, and has no "
                              "convolutions. Choose a variant that observes a state.")
    return int(np.prod(space.shape))


def _actions(name: str, space: Any) -> tuple[Distribution, Callable[[np.ndarray], list[Any]]]:
    kinds = require_gymnasium().spaces
    if isinstance(space, kinds.Discrete):
        first = int(space.start)
        # Environments check plain integers fastest.
        return Categorical(int(space.n)), lambda actions: (actions + first).tolist()
    if isinstance(space, kinds.MultiDiscrete):
        shape, starts = space.shape, np.asarray(space.start).reshape(-1)
        return (MultiCategorical(tuple(space.nvec.reshape(-1).tolist())),
                lambda actions: list((actions + starts).astype(space.dtype).reshape(len(actions), *shape)))
    if isinstance(space, kinds.MultiBinary):
        shape = space.shape
        return (Bernoulli(int(np.prod(shape))),
                lambda actions: list(actions.astype(space.dtype).reshape(len(actions), *shape)))
    if isinstance(space, kinds.Box) and np.issubdtype(space.dtype, np.floating):
        low, high, shape, dtype = space.low.reshape(-1), space.high.reshape(-1), space.shape, space.dtype

        @lru_cache(maxsize=4)
        def bounds(count: int) -> tuple[np.ndarray, np.ndarray]:
            return np.tile(low, (count, 1)), np.tile(high, (count, 1))

        def vectors(actions: np.ndarray) -> list[Any]:
            # The policy's density is that of the unclipped action; clipping belongs to the environment. np.clip says
            # the same in four times the time, and half of the rest would be broadcasting.
            lowest, highest = bounds(len(actions))
            clipped = np.minimum(np.maximum(actions, lowest), highest)
            return list(clipped.astype(dtype, copy=False).reshape(len(actions), *shape))

        return DiagonalGaussian(int(np.prod(shape))), vectors
    raise ck.ProblemError(f"env = {name!r} has actions of type {type(space).__name__}; "
                          "TRPO here takes Discrete, MultiDiscrete, MultiBinary, or a Box of floats.")
