from types import SimpleNamespace

import numpy as np
import pytest

from case_studies.trpo import environments
from case_studies.trpo.runners import lean_step

from .toys import gymnasium

pytest.importorskip("mujoco")
RUNNERS = ["HalfCheetah-v5", "Hopper-v5", "Walker2d-v5"]


@pytest.mark.parametrize("name", RUNNERS)
def test_a_lean_step_is_the_step_bit_for_bit(name):
    whole, lean = environments.make(name), environments.make(name)
    step = lean_step(lean)
    assert step != lean.step
    rng = np.random.default_rng(0)
    first, again = whole.reset(seed=0)[0], lean.reset(seed=0)[0]
    assert first.tobytes() == again.tobytes()
    ends = {"terminated": 0, "truncated": 0}
    for t in range(2500):
        action = rng.uniform(-1, 1, whole.action_space.shape).astype(np.float32)
        seen, reward, terminated, truncated, _ = whole.step(action)
        others = step(action)
        assert others[0].dtype == seen.dtype
        assert others[0].tobytes() == seen.tobytes()
        assert others[1:4] == (reward, terminated, truncated)
        ends["terminated"] += bool(terminated)
        ends["truncated"] += bool(truncated)
        if terminated or truncated:
            assert whole.reset(seed=t)[0].tobytes() == lean.reset(seed=t)[0].tobytes()
    assert ends["truncated"] == 2 if name == "HalfCheetah-v5" else ends["terminated"] > 50


@pytest.mark.parametrize("velocity", [300.0, -300.0])
@pytest.mark.parametrize("name", RUNNERS[1:])
def test_a_joint_that_turns_too_fast_is_seen_and_judged_the_same(name, velocity):
    whole, lean = environments.make(name), environments.make(name)
    results = []
    for env, step in ((whole, whole.step), (lean, lean_step(lean))):
        env.reset(seed=0)
        env.unwrapped.data.qvel[-1] = velocity
        results.append(step(np.zeros(env.action_space.shape, np.float32)))
    assert results[0][0].tobytes() == results[1][0].tobytes()
    assert results[0][1:4] == results[1][1:4]
    assert np.abs(results[0][0]).max() == 10.0  # clipped
    # Of the two only the hopper ends for its speed, once it is 100.
    speed = np.abs(lean.unwrapped.data.qvel).max()
    assert results[0][2] == (name == "Hopper-v5" and speed >= 100), speed


@pytest.mark.parametrize(("name", "options"), [
    ("Hopper-v5", {"terminate_when_unhealthy": False}),
    ("HalfCheetah-v5", {"exclude_current_positions_from_observation": False}),
    ("Walker2d-v5", {"render_mode": "rgb_array"}),
    ("Hopper-v4", {}),
    ("Pendulum-v1", {}),
])
def test_other_environments_keep_their_step(name, options):
    env = environments.make(name, **options)
    assert lean_step(env) == env.step
    env.close()


def test_a_further_wrapper_keeps_its_step():
    env = gymnasium.wrappers.TransformReward(environments.make("Hopper-v5"), lambda reward: 2 * reward)
    assert lean_step(env) == env.step
    env = gymnasium.wrappers.TimeLimit(gymnasium.wrappers.ClipAction(gymnasium.make("Hopper-v5").unwrapped), 10)
    assert lean_step(env) == env.step


def test_what_is_no_environment_of_gymnasium_keeps_its_step():
    toy = SimpleNamespace(step=len)
    assert lean_step(toy) is len
