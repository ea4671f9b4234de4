"""The step of Gymnasium's planar MuJoCo runners without what a learner does not look at: the same numbers, sooner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# HalfCheetah falls over but never ends; Hopper and Walker2d end when they are not healthy.
RUNNERS = {
    "gymnasium.envs.mujoco.half_cheetah_v5": "HalfCheetahEnv",
    "gymnasium.envs.mujoco.hopper_v5": "HopperEnv",
    "gymnasium.envs.mujoco.walker2d_v5": "Walker2dEnv",
}
Step = Callable[[Any], tuple[Any, Any, bool, bool, dict[str, Any]]]


def lean_step(env: Any) -> Step:
    """`env.step`, or for HalfCheetah-v5, Hopper-v5 and Walker2d-v5 a function that does the same, bit for bit.

    Around the physics, Gymnasium's step of Hopper spends a fifth of its time on an `info`, on finding out twice whether
    the hopper is healthy, and on contact forces that it does not show. Left out are `info`, which is empty, and
    `mj_rnePostConstraint`, which writes what only Ant and Humanoid observe. The physics are MuJoCo's own `mj_step`,
    on the environment's own model and data, so that its `reset` and the time limit work as before.

    Parameters
    ----------
    env : as `gymnasium.make` gives it, with `disable_env_checker=True`

    Notes
    -----
    All else, environments made with options that change what is seen or when an episode ends included, keeps its step.

    Examples
    --------
    >>> class Coin:
    ...     def step(self, action):
    ...         return [0.0], 1.0, True, False, {}
    >>> coin = Coin()
    >>> lean_step(coin) == coin.step
    True
    """
    inner = getattr(env, "unwrapped", None)
    kind = type(inner).__name__ if RUNNERS.get(type(inner).__module__) == type(inner).__name__ else None
    if inner is None or kind is None or not _as_registered(env, inner):
        return env.step
    from mujoco import mj_step

    model, data, frames, dt = inner.model, inner.data, inner.frame_skip, inner.dt
    qpos, qvel, ctrl = data.qpos, data.qvel, data.ctrl  # views: they show the state as it is
    place, tail = qpos.item, qpos[1:]
    forward, cost, most = inner._forward_reward_weight, inner._ctrl_cost_weight, env._max_episode_steps
    join, square, total = np.concatenate, np.square, np.add.reduce

    def advance(action: np.ndarray) -> tuple[float, float, bool]:
        """One step of the physics: reward for the way made, control cost, and whether time is up."""
        before = place(0)
        ctrl[:] = action
        mj_step(model, data, frames)
        env._elapsed_steps += 1
        # The cost is a float32, as its action; float() is exact.
        return (forward * ((place(0) - before) / dt), float(cost * total(square(action))),
                env._elapsed_steps >= most)

    def running(action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        way, effort, late = advance(action)
        return join((tail, qvel)), way - effort, False, late, {}

    if kind == "HalfCheetahEnv":
        return running
    (z_low, z_high), (angle_low, angle_high) = inner._healthy_z_range, inner._healthy_angle_range
    low, high = getattr(inner, "_healthy_state_range", (-np.inf, np.inf))  # Hopper's
    alive, slowest, fastest = inner._healthy_reward, np.full(qvel.size, -10.0), np.full(qvel.size, 10.0)

    def upright(action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        way, effort, late = advance(action)
        _, z, angle, *_ = state = qpos.tolist()
        others = state[2:] + qvel.tolist()
        healthy = (z_low < z < z_high and angle_low < angle < angle_high
                   and low < min(others) and max(others) < high)
        seen = join((tail, np.minimum(np.maximum(qvel, slowest), fastest)))
        return seen, way + healthy * alive - effort, not healthy, late, {}

    return upright


def _as_registered(env: Any, inner: Any) -> bool:
    """Whether a time limit and the check of order are all that is wrapped around it, and no option changes its step."""
    return (type(env).__name__ == "TimeLimit" and type(env.env).__name__ == "OrderEnforcing" and env.env.env is inner
            and inner.render_mode is None and inner._exclude_current_positions_from_observation
            and getattr(inner, "_terminate_when_unhealthy", True))
