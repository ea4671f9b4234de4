from dataclasses import fields, replace

import pytest

import convexkit as ck
from case_studies.trpo.config import TrpoConfig, describe


def test_every_setting_has_a_sentence_and_numbers_have_a_range():
    for setting in fields(TrpoConfig):
        assert setting.metadata["sentence"].endswith(".")
        assert setting.metadata["sentence"] in describe(setting)
        if setting.type in ("int", "float"):
            assert str(setting.metadata["range"]) in describe(setting)


@pytest.mark.parametrize(("settings", "message"), [
    ({"gamma": 1.01}, "gamma = 1.01 is out of range; expected a number in [0, 1]."),
    ({"gamma": "high"}, "gamma must be a number; got 'high'."),
    ({"gamma": float("nan")}, "gamma = nan is out of range"),
    ({"max_kl": 0.0}, "max_kl = 0 is out of range"),
    ({"anneal_steps": -1}, "anneal_steps = -1 is out of range; expected an integer in [0, inf)."),
    ({"steps": 2.5}, "steps must be an integer; got 2.5."),
    ({"envs": True}, "envs must be an integer; got True."),
    ({"hidden": (64, 0)}, "hidden = 0 is out of range"),
    ({"hidden": 64}, "hidden must be a sequence of integers; got 64."),
    ({"sufficient_decrease": 0.5}, "sufficient_decrease = 0.5 is out of range"),
    ({"normalize_observations": 1}, "normalize_observations must be True or False; got 1."),
    ({"algorithm": "ppo"}, "algorithm = 'ppo' is unknown; expected one of trpo, npg, vpg."),
    ({"activation": "gelu"}, "activation = 'gelu' is unknown; expected one of tanh, relu, elu."),
    ({"metric_share": 0.0}, "metric_share = 0 is out of range"),
    ({"env": ""}, "env must be a name; got ''."),
    ({"envs": 30, "batch_size": 20}, "batch_size = 20 is less than envs = 30"),
    ({"steps": 10}, "steps = 10 is less than batch_size = 2000"),
])
def test_a_setting_out_of_range_is_named(settings, message):
    with pytest.raises(ck.ProblemError) as error:
        TrpoConfig(**settings)
    assert message in str(error.value)


def test_settings_survive_the_round_trip():
    config = TrpoConfig(hidden=(), gamma=1.0, seed=7)
    assert TrpoConfig.from_dict(config.to_dict()) == config
    assert TrpoConfig.from_dict({}) == TrpoConfig()
    with pytest.raises(ck.ProblemError, match="unknown setting 'speed'"):
        TrpoConfig.from_dict({"speed": 1})


def test_iterations_and_horizon_fit_the_budget():
    config = replace(TrpoConfig(), steps=10_000, batch_size=1001, envs=4)
    assert (config.horizon, config.iterations) == (250, 10)


def test_every_section_of_the_settings_file_is_valid_and_names_its_source():
    from case_studies.trpo.config import _sections

    for name, section in _sections().items():
        assert section["source"], name
        config = TrpoConfig.for_env(name + "-v5")
        for key, value in section.items():
            if key != "source":
                assert getattr(config, key) == value != getattr(TrpoConfig(), key), (name, key)


def test_settings_given_come_before_those_of_the_file_and_those_before_the_defaults():
    assert TrpoConfig.for_env("Pendulum-v1").gamma == 0.95
    assert TrpoConfig.for_env("Pendulum-v1", gamma=0.5).gamma == 0.5
    assert TrpoConfig.for_env("MountainCar-v0") == TrpoConfig(env="MountainCar-v0")
    with pytest.raises(ck.ProblemError, match="unknown setting 'speed'"):
        TrpoConfig.for_env("Pendulum-v1", speed=1)


def test_the_settings_file_needs_a_reader_before_python_3_11(monkeypatch):
    import sys

    from case_studies.trpo import config

    config._sections.cache_clear()
    monkeypatch.setattr(sys, "version_info", (3, 10))
    monkeypatch.setitem(sys.modules, "tomli", None)
    with pytest.raises(ck.MissingDependencyError, match=r"tomli before Python 3\.11"):
        config.tuned("Pendulum-v1")
    monkeypatch.undo()
    config._sections.cache_clear()
