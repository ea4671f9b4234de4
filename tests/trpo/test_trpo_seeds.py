from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

import convexkit as ck
from case_studies.trpo.comparison import groups
from case_studies.trpo.config import TrpoConfig
from case_studies.trpo.seeds import train_seeds

pytest.importorskip("gymnasium")

SHORT = TrpoConfig(steps=1000, batch_size=500, envs=2, hidden=(8,))


def test_two_workers_make_the_runs_of_one_process(tmp_path):
    here = train_seeds(SHORT, [0, 1, 2], tmp_path / "here")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        there = train_seeds(SHORT, [0, 1, 2], tmp_path / "there", executor=executor)
    assert [run.name for run in there] == ["seed_0", "seed_1", "seed_2"]
    for one, other in zip(here, there, strict=True):
        for name in ("progress.csv", "checkpoint.npz"):
            assert (one / name).read_bytes() == (other / name).read_bytes()
    (group,) = groups(here)
    assert group.seeds == 3


def test_ray_makes_the_runs_of_one_process(tmp_path):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        job = ray.remote(train_seeds)
        ray.get([job.remote(SHORT, [seed], tmp_path / "there") for seed in (0, 1)])
    finally:
        ray.shutdown()
    for run in train_seeds(SHORT, [0, 1], tmp_path / "here"):
        there = tmp_path / "there" / run.name
        assert (run / "progress.csv").read_bytes() == (there / "progress.csv").read_bytes()


def test_a_run_that_is_there_already_is_resumed_and_a_failure_is_raised(tmp_path):
    (run,) = train_seeds(SHORT, [4], tmp_path)
    before = (run / "progress.csv").read_bytes()
    train_seeds(SHORT, [4], tmp_path)
    assert (run / "progress.csv").read_bytes() == before
    (run / "checkpoint.npz").unlink()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor, \
            pytest.raises(ck.FormatError, match="no such file"):
        train_seeds(SHORT, [4], tmp_path, executor=executor)
