"""Environments that live in processes of their own, stepped together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

import convexkit as ck

from . import environments


class Remote:
    """One environment in a process of its own: Gymnasium's AsyncVectorEnv of one, without its automatic reset."""

    def __init__(self, env_id: str):
        vector = environments.require_gymnasium().vector
        try:
            mode = vector.AutoresetMode.DISABLED
        except AttributeError:
            raise ck.MissingDependencyError("processes = True needs gymnasium 1.1 or newer.") from None
        self._env = vector.AsyncVectorEnv([partial(environments.make, env_id)], autoreset_mode=mode)

    def reset(self, *, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
        """The first observation of the episode with that seed."""
        observations, _ = self._env.reset(seed=[seed])
        return observations[0], {}

    def send(self, action: Any) -> None:
        """Begin a step."""
        self._env.step_async(np.asarray(action)[None])

    def receive(self) -> tuple[np.ndarray, float, bool, bool, None]:
        """What the step that was begun has brought."""
        observations, rewards, terminated, truncated, _ = self._env.step_wait()
        return observations[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), None

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, None]:
        """A whole step."""
        self.send(action)
        return self.receive()

    def close(self) -> None:
        """End the process."""
        self._env.close()


class Pool(list[Remote]):
    """Environments in processes of their own, for a `Collector`: the same run as with a list, bit for bit.

    It pays where a step takes much longer than a message between processes.
    """

    def step_all(self, actions: Sequence[Any]) -> list[Any]:
        """One step of every environment, all at the same time."""
        for env, action in zip(self, actions, strict=True):
            env.send(action)
        return [env.receive() for env in self]
