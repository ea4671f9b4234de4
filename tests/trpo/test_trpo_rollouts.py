import numpy as np
import pytest

import convexkit as ck
from case_studies.trpo.distributions import Bernoulli, Categorical, DiagonalGaussian, MultiCategorical
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
    with pytest.raises(ck.ConvexkitError, match=rf"environment 1 \(env\) returned {what} that .* in its step 3;"):
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


def dictionary():
    return gymnasium.spaces.Dict({"position": gymnasium.spaces.Box(0, 1, (2,))})


@pytest.mark.parametrize(("attribute", "space", "message"), [
    ("action_space", gymnasium.spaces.Box(0, 5, (2,), np.int32), "has actions of type Box"),
    ("action_space", dictionary(), "has actions of type Dict"),
    ("observation_space", gymnasium.spaces.Discrete(5), "has observations of type Discrete"),
    ("observation_space", dictionary(), "observations of type Dict; .*FlattenObservation"),
    ("observation_space", gymnasium.spaces.Text(5), "observations of type Text"),
    ("observation_space", gymnasium.spaces.Box(0, 255, (96, 64, 3), np.uint8), "images of 96×64×3 as observations"),
    ("observation_space", gymnasium.spaces.Box(0, 255, (84, 84), np.uint8), "images of 84×84 as observations"),
])
def test_other_spaces_are_refused_by_name(attribute, space, message):
    from case_studies.trpo.environments import spaces

    env = Countdown()
    setattr(env, attribute, space)
    with pytest.raises(ck.ProblemError, match=r"env = 'Countdown' has " + message.removeprefix("has ")):
        spaces(env)


def test_several_choices_and_switches_reach_the_environment_in_its_own_form():
    from case_studies.trpo.environments import spaces

    env = Countdown()
    env.action_space = gymnasium.spaces.MultiDiscrete([2, 3], start=[0, 5])
    known = spaces(env)
    assert known.distribution == MultiCategorical((2, 3))
    for action in known.to_env(np.array([[0, 2], [1, 0]])):
        assert env.action_space.contains(action)
    env.action_space = gymnasium.spaces.MultiBinary((2, 2))
    known = spaces(env)
    assert known.distribution == Bernoulli(4)
    (action,) = known.to_env(np.array([[1, 0, 0, 1]], np.int8))
    assert env.action_space.contains(action)
    np.testing.assert_array_equal(action, [[1, 0], [0, 1]])


# Where the environments stand

class Walk(Countdown):
    """Random steps from the episode's seed, and from the actions."""

    def reset(self, *, seed=None, options=None):
        gymnasium.Env.reset(self, seed=seed)
        self.t, self.place = 0, self.np_random.normal()
        return self._see(), {}

    def step(self, action):
        self.place += self.np_random.normal() + action
        return super().step(action)

    def _see(self):
        return np.array([self.t, self.place], dtype=np.float32)


def random_collect(source, horizon, seed):
    return source.collect(lambda x: np.zeros((len(x), 2)), Categorical(2), horizon, np.random.default_rng(seed))


def test_a_new_collector_goes_on_where_another_one_stood():
    first = collector(Walk(limit=7, trap=4), Walk(limit=5), Walk(limit=100, trap=99))
    random_collect(first, 6, seed=1)
    random_collect(first, 6, seed=2)
    standing = first.standing()
    assert standing.lengths[2] == 12
    assert len(standing.actions) == standing.lengths.sum()
    second = collector(Walk(limit=7, trap=4), Walk(limit=5), Walk(limit=100, trap=99))
    assert second.resume(standing) == []
    one, two = random_collect(first, 9, seed=3), random_collect(second, 9, seed=3)
    for name in ("observations", "rewards", "terminated", "truncated", "ends", "final_observations"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert one.episode_returns == two.episode_returns
    assert one.episode_lengths == two.episode_lengths


def test_an_environment_that_does_not_repeat_itself_begins_a_new_episode_and_is_named():
    class Restless(Walk):
        offset = 0.0

        def step(self, action):
            self.place += Restless.offset
            return super().step(action)

    first = collector(Walk(limit=100, trap=99), Restless(limit=100, trap=99))
    random_collect(first, 6, seed=1)
    Restless.offset = 1.0
    second = collector(Walk(limit=100, trap=99), Restless(limit=100, trap=99))
    assert second.resume(first.standing()) == [1]
    batch = random_collect(second, 2, seed=2)
    np.testing.assert_array_equal(batch.observations[0, :, 0], [6, 0])


def test_a_standing_of_fresh_environments_has_no_actions():
    first, second = collector(Walk(), Walk()), collector(Walk(), Walk())
    assert first.standing().actions.size == 0
    assert second.resume(first.standing()) == []
    np.testing.assert_array_equal(random_collect(first, 5, 1).observations, random_collect(second, 5, 1).observations)


def test_environments_in_processes_of_their_own_make_the_same_run(tmp_path):
    from dataclasses import replace

    from case_studies.trpo.config import TrpoConfig
    from case_studies.trpo.training import resume, train

    here = TrpoConfig(env="Pendulum-v1", steps=1200, batch_size=600, envs=2, hidden=(8,), gamma=0.9)
    train(here, tmp_path / "here")
    train(replace(here, processes=True, steps=600), tmp_path / "there")
    assert resume(tmp_path / "there", steps=1200).strayed == []
    for name in ("progress.csv", "timing.csv"):
        assert (tmp_path / "there" / name).exists()
    assert (tmp_path / "here" / "progress.csv").read_bytes() == (tmp_path / "there" / "progress.csv").read_bytes()


class TwoStates(gymnasium.Env):
    """Action 0 stays, action 1 changes the state, and earns 1 from the first; truncated after five steps.

    Leaving the second state ends the episode once in a while.
    """

    def __init__(self):
        self.observation_space = gymnasium.spaces.Box(0, 1, (2,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.state = 0, 0
        return np.eye(2, dtype=np.float32)[0], {}

    def step(self, action):
        self.t += 1
        reward, terminated = float(self.state == 0 and action == 1), self.state == 1 and action == 1
        self.state = self.state ^ action
        return np.eye(2, dtype=np.float32)[self.state], reward, terminated, self.t == 5, {}


def test_true_values_give_true_advantages_at_every_kind_of_end():
    from case_studies.trpo.advantages import gae

    # Uniform policy, gamma = 1/2: V0 = ½(V0/2) + ½(1 + V1/2), V1 = ½(V1/2) + ½·0, the end  =>  V1 = 0, V0 = 2/3.
    V = np.array([2 / 3, 0.0])
    exact = np.array([[V[0] / 2 - V[0], 1 + V[1] / 2 - V[0]], [V[1] / 2 - V[1], 0.0 - V[1]]])
    source = Collector([TwoStates(), TwoStates()], 2, lambda actions: actions.tolist(), lambda n, episode: episode)
    batch = source.collect(lambda x: np.zeros((2, 2)), Categorical(2), 400, np.random.default_rng(0))
    assert batch.truncated.sum() > 10
    assert batch.terminated.sum() > 10
    following = batch.next_values(batch.observations @ V, batch.last_observations @ V, batch.final_observations @ V)
    for n in range(2):
        advantages = gae(batch.rewards[:, n], batch.observations[:, n] @ V, following[:, n], batch.terminated[:, n],
                         batch.truncated[:, n], gamma=0.5, gae_lambda=0.0)
        states = batch.observations[:, n].argmax(axis=1)
        np.testing.assert_allclose(advantages, exact[states, batch.actions[:, n]], atol=1e-6)
