import csv
import sys
from pathlib import Path

import pytest

from case_studies.trpo.__main__ import main

pytest.importorskip("gymnasium")

RUN = ["--batch-size", "200", "--envs", "2", "--hidden", "4", "--quiet"]


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    """(step, value) of one figure, read back from the event files."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for path in sorted(folder.glob("events.*")):
        data, at = path.read_bytes(), 0
        while at < len(data):  # length (8 bytes), checksum (4), event, checksum (4)
            length = int.from_bytes(data[at:at + 8], "little")
            event = Event.FromString(data[at + 12:at + 12 + length])
            found.update((event.step, value.simple_value) for value in event.summary.value if value.tag == name)
            at += 16 + length
    return sorted(found.items())


def test_tensorboard_shows_what_progress_csv_holds_also_after_a_resumption(tmp_path):
    pytest.importorskip("tensorboardX")
    run = tmp_path / "run"
    assert main(["train", "--steps", "400", *RUN, "--tensorboard", "--out", str(run)]) == 0
    assert main(["resume", str(run), "--steps", "800", "--quiet", "--tensorboard"]) == 0
    with open(run / "progress.csv", newline="") as file:
        rows = [(int(row["env_steps"]), float(row["kl"])) for row in csv.DictReader(file)]
    seen = scalars(run / "tensorboard", "kl")
    assert [step for step, _ in seen] == [step for step, _ in rows] == [200, 400, 600, 800]
    assert [value for _, value in seen] == pytest.approx([value for _, value in rows], rel=1e-6)


def test_tensorboard_without_its_writer_names_the_extra_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert main(["train", "--steps", "400", *RUN, "--tensorboard", "--out", str(tmp_path / "run")]) == 2
    assert "pip install 'convexkit[tensorboard]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
