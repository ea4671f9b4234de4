import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo.distributions import Categorical, DiagonalGaussian
from case_studies.trpo.rollouts import Collector

from .toys import Countdown, gymnasium

ALWAYS = {0: np.array([[99.0, 0.0]]), 1: np.array([[0.0, 99.0]])}


def collector(*envs):
    return Collector(envs, 2, lambda actions: actions.tolist(), lambda n, episode: 100 * n + episode)


def collect(source, horizon, action):
    return source.collect(lambda x: np.repeat(ALWAYS[action], len(x), axis=0), Categorical(2), horizon,
                          np.random.default_rng(0))


def test_a_time_limit_truncates_and_its_last_observation_is_kept():
    batch = collect(collector(Countdown(limit=4)), 6, action=0)
    assert batch.truncated[:, 0].tolist() == [False, False, False, True, False, False]
    assert not batch.terminated.any()
    # No transition belongs to two episodes: after step 3 the next observation is that of a fresh episode ...
    np.testing.assert_array_equal(batch.observations[:, 0], [[0, 1], [1, 1], [2, 1], [3, 1], [0, 2], [1, 2]])
    # ... and what truly followed is kept for the bootstrap.
    np.testing.assert_array_equal(batch.final_observations, [[4, 1]])
    np.testing.assert_array_equal(batch.last_observations, [[2, 2]])
    assert batch.ends.tolist() == [[3, 0]]


def test_a_true_end_terminates():
    batch = collect(collector(Countdown(limit=4, trap=2)), 7, action=1)
    assert batch.terminated[:, 0].tolist() == [False, False, True, False, False, True, False]
    assert not batch.truncated.any()
    assert (batch.episode_returns, batch.episode_lengths) == ([3.0, 3.0], [3, 3])


def test_next_values_come_from_before_the_reset():
    batch = collect(collector(Countdown(limit=4), Countdown(limit=3)), 6, action=0)

    def value(observations):
        return observations[..., 0] + 10.0 * observations[..., 1]

    following = batch.next_values(value(batch.observations), value(batch.last_observations),
                                  value(batch.final_observations))
    np.testing.assert_array_equal(following[:, 0], [11, 12, 13, 14, 21, 22])
    np.testing.assert_array_equal(following[:, 1], [11, 12, 13, 21, 22, 23])


def test_episodes_go_on_from_batch_to_batch():
    source = collector(Countdown(limit=5))
    first, second = collect(source, 3, action=0), collect(source, 3, action=0)
    np.testing.assert_array_equal(second.observations[0], first.last_observations)
    assert first.episode_lengths == []
    assert second.episode_lengths == [5]
    np.testing.assert_array_equal(first.observations[:, 0, 0], [0, 1, 2])  # not overwritten by the second


def test_environments_do_not_mix():
    batch = collect(collector(Countdown(limit=2), Countdown(limit=50)), 4, action=0)
    assert batch.truncated[:, 0].tolist() == [False, True, False, True]
    assert not batch.truncated[:, 1].any()
    np.testing.assert_array_equal(batch.flat(batch.observations)[1], batch.observations[0, 1])


class Broken(Countdown):
    """Returns something that is not finite in its third step."""

    def __init__(self, observation=0.0, reward=0.0):
        super().__init__(limit=100)
        self.bad = observation, reward

    def step(self, action):
        seen, reward, *rest = super().step(action)
        if self.t == 3:
            seen, reward = seen + np.float32(self.bad[0]), reward + self.bad[1]
        return seen, reward, *rest


@pytest.mark.parametrize(("bad", "what"), [({"observation": np.nan}, "an observation"),
                                           ({"observation": np.inf}, "an observation"),
                                           ({"reward": np.nan}, "a reward"), ({"reward": -np.inf}, "a reward")])
def test_what_is_not_finite_is_named_with_environment_and_step(bad, what):
    source = collector(Countdown(limit=100), Broken(**bad))
    collect(source, 2, action=0)
    with pytest.raises(ck.ConvexkitError, match=rf"environment 1 \(env\) returned {what} that is not finite in its step 3;"):
        collect(source, 2, action=0)


def test_observations_of_any_shape_are_flattened():
    class Picture(Countdown):
        def _see(self):
            return np.full((2, 3), self.t, dtype=np.uint8)

    source = Collector([Picture(limit=2)], 6, lambda a: a.tolist(), lambda n, episode: episode)
    batch = collect(source, 3, action=0)
    assert batch.observations.shape == (3, 1, 6)
    np.testing.assert_array_equal(batch.final_observations, np.full((1, 6), 2.0))


def test_continuous_actions_are_kept_unclipped_and_sent_clipped():
    from case_studies.trpo.environments import spaces

    class Pushed(Countdown):
        def __init__(self):
            super().__init__(limit=100)
            self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1, 2), np.float32)
            self.seen = []

        def step(self, action):
            assert self.action_space.contains(action)
            self.seen.append(action)
            return super().step(0)

    env = Pushed()
    known = spaces(env)
    assert (known.observations, known.distribution) == (2, DiagonalGaussian(2))
    source = Collector([env], 2, known.to_env, lambda n, episode: episode)
    batch = source.collect(lambda x: np.array([[5.0, 0.5, -9.0, -9.0]], np.float32), DiagonalGaussian(2), 3,
                           np.random.default_rng(0))
    assert batch.actions.shape == (3, 1, 2)
    np.testing.assert_allclose(batch.actions[:, 0], [[5.0, 0.5]] * 3, atol=1e-2)
    np.testing.assert_allclose(np.array(env.seen)[:, 0], [[1.0, 0.5]] * 3, atol=1e-2)


def test_a_discrete_space_may_start_anywhere():
    from case_studies.trpo.environments import spaces

    env = Countdown()
    env.action_space = gymnasium.spaces.Discrete(3, start=-1)
    assert spaces(env).to_env(np.array([0, 2])) == [-1, 1]


@pytest.mark.parametrize(("attribute", "space"), [
    ("action_space", gymnasium.spaces.MultiBinary(3)),
    ("action_space", gymnasium.spaces.Box(0, 5, (2,), np.int32)),
    ("observation_space", gymnasium.spaces.Discrete(5)),
])
def test_other_spaces_are_refused_by_name(attribute, space):
    from case_studies.trpo.environments import spaces

    env = Countdown()
    setattr(env, attribute, space)
    with pytest.raises(ck.ProblemError, match=r"env = 'Countdown' has \w+ of type " + type(space).__name__):
        spaces(env)
