"""Files: what is written comes back, and a damaged or hostile file is refused in one sentence."""

import contextlib
import struct
import time
import zipfile

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import convexkit as ck
from convexkit.formats import KEYS

from .gallery import CASES


def same(f, g):
    np.testing.assert_array_equal(f.hessian(), g.hessian())
    np.testing.assert_array_equal(f.q, g.q)
    assert f.r == g.r


@pytest.mark.parametrize("name", CASES)
def test_a_problem_comes_back_as_it_was_written(tmp_path, name):
    problem = CASES[name]().problem
    path = tmp_path / "problem.npz"
    ck.write_problem(path, problem)
    again = ck.read_problem(str(path))
    assert repr(again) == repr(problem)
    same(again.objective, problem.objective)
    for f, g in zip(again.inequalities, problem.inequalities, strict=True):
        same(f, g)
    for key in ("G", "h", "A", "b", "lb", "ub"):
        before, after = getattr(problem, key), getattr(again, key)
        np.testing.assert_array_equal(after, before.toarray() if sp.issparse(before) else before)
    assert [p.name for p in tmp_path.iterdir()] == ["problem.npz"]


def test_a_linear_objective_stays_linear_and_takes_no_matrix(tmp_path):
    path = tmp_path / "lp"
    ck.write_problem(path, ck.lp(np.ones(3000), lb=0.0))
    assert path.stat().st_size < 10_000
    assert ck.read_problem(path).objective.is_affine


def test_the_keys_of_the_table_are_the_keys_that_are_read(tmp_path):
    path = tmp_path / "all.npz"
    arrays = {"P0": np.eye(2), "q0": np.ones(2), "r0": 3, "P": np.ones((1, 2, 2)), "q": np.ones((1, 2)), "r": [-9.0],
              "G": np.eye(2), "h": [1.0, np.inf], "A": np.ones((1, 2)), "b": [1.0], "lb": -np.inf, "ub": [1.0, np.inf]}
    assert set(arrays) == set(KEYS)
    np.savez(path, **arrays)
    problem = ck.read_problem(path)
    assert repr(problem) == "QCQP(n=2, 1 quadratic + 2 linear inequalities, 1 equalities, 1 bounds)"
    assert problem.objective(np.ones(2)) == 6.0


def test_missing_parts_of_inequalities_are_zeros(tmp_path):
    path = tmp_path / "few.npz"
    np.savez(path, q0=np.ones(2, dtype=np.int8), P=np.ones((2, 2, 2), dtype=np.float32))
    problem = ck.read_problem(path)
    assert [f.r for f in problem.inequalities] == [0.0, 0.0]
    np.savez(path, P0=np.eye(2), q=[[1.0, 2.0]])
    assert ck.read_problem(path).inequalities[0].is_affine


def refused(path, words=""):
    """The FormatError of a file: one line that starts with its name."""
    with pytest.raises(ck.FormatError) as caught:
        ck.read_problem(path)
    message = str(caught.value)
    assert words in message
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_a_missing_file_a_folder_and_text_are_refused(tmp_path):
    refused(tmp_path / "nothing.npz", "no such file")
    refused(tmp_path, "is a folder")
    text = tmp_path / "text.npz"
    text.write_text("P0 = 1")
    assert "--write-example" in refused(text, "not a readable .npz archive")
    text.write_bytes(b"")
    refused(text, "not a readable .npz archive")
    single = tmp_path / "single.npz"
    with open(single, "wb") as stream:
        np.save(stream, np.ones(3))
    refused(single, "not a readable .npz archive")


def test_an_unreadable_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "locked.npz"
    ck.write_problem(path, ck.lp([1.0]))

    def denied(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(zipfile, "ZipFile", denied)
    refused(path, "cannot be read: Permission denied")


def test_every_truncation_is_refused(tmp_path):
    path, cut = tmp_path / "whole.npz", tmp_path / "cut.npz"
    ck.write_problem(path, ck.example_problem())
    raw = path.read_bytes()
    for length in range(0, len(raw) - 1, 97):
        cut.write_bytes(raw[:length])
        refused(cut)


def test_objects_are_refused_and_never_unpickled(tmp_path):
    touched = []

    class Bomb:
        def __reduce__(self):
            return touched.append, (1,)

    path = tmp_path / "objects.npz"
    np.savez(path, q0=np.array([Bomb()], dtype=object))
    refused(path, "q0 holds object, not numbers")
    assert not touched


@pytest.mark.parametrize(("arrays", "words"), [
    ({"q0": np.ones(2), "c": np.ones(2)}, "unknown key 'c'; known keys are P0, q0"),
    ({"q0": np.array(["a"])}, "q0 holds <U1, not numbers"),
    ({"q0": np.ones(2, dtype=complex)}, "q0 holds complex128, not numbers"),
    ({"q0": np.zeros(1, dtype=[("a", float)])}, "not numbers"),
    ({"q0": np.zeros(1, dtype="datetime64[s]")}, "not numbers"),
    ({"h": np.ones(2)}, "neither P0 nor q0 is there"),
    ({}, "neither P0 nor q0 is there"),
    ({"q0": np.array([1.0, np.nan])}, "q[1] = nan"),
    ({"q0": np.zeros(0)}, "no variables"),
    ({"q0": np.zeros(0), "P": np.zeros((10**15, 0, 0))}, "no variables"),
    ({"q0": np.ones(2), "P0": np.ones((2, 3))}, "P must be a square matrix; it has shape (2, 3)"),
    ({"q0": np.ones(3), "P0": np.eye(2)}, "P has shape (2, 2) but q has length 3"),
    ({"P0": np.array([[1.0, 2.0], [0.0, 1.0]])}, "P is not symmetric"),
    ({"q0": np.ones(2), "r0": np.ones(2)}, "r must be a number"),
    ({"q0": np.ones(2), "P": np.eye(2)}, "P has shape (2, 2); expected (2, 2, 2)"),
    ({"q0": np.ones(2), "P": np.ones((1, 2, 2)), "q": np.ones((2, 2))}, "q has shape (2, 2); expected (1, 2)"),
    ({"q0": np.ones(2), "P": np.ones((1, 2, 2)), "r": np.ones(2)}, "r has shape (2,); expected (1,)"),
    ({"q0": np.ones(2), "r": 1.0}, "r has shape (); expected (1,)"),
    ({"q0": np.ones(2), "q": np.array([[1.0, 2.0], [np.inf, 0.0]])}, "inequality 1: q has 1 entries"),
    ({"q0": np.ones(2), "G": np.eye(2)}, "G was given without h"),
    ({"q0": np.ones(2), "G": np.eye(3), "h": np.ones(3)}, "G has shape (3, 3); expected 2 columns"),
    ({"q0": np.ones(2), "A": np.eye(2), "b": np.ones(1)}, "b has length 1; expected 2"),
    ({"q0": np.ones(2), "lb": 1.0, "ub": 0.0}, "bounds are crossed at 2 of 2"),
])
def test_arrays_that_state_no_problem_are_refused_by_key(tmp_path, arrays, words):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    refused(path, words)


def store(path, header, data=b"", version=1, name="q0.npy", times=1):
    """An archive with one array whose header is whatever is given."""
    raw = header.encode("latin1")
    length = struct.pack("<H" if version == 1 else "<I", len(raw))
    with zipfile.ZipFile(path, "w") as archive:
        for _ in range(times):
            archive.writestr(name, b"\x93NUMPY" + bytes([version, 0]) + length + raw + data)


def header(shape, descr="'<f8'"):
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


def test_every_version_of_numpys_header_is_read(tmp_path):
    path = tmp_path / "versions.npz"
    for version in (1, 2, 3):
        store(path, header("(2,)"), np.array([1.0, 2.0]).tobytes(), version)
        np.testing.assert_array_equal(ck.read_problem(path).objective.q, [1.0, 2.0])


@pytest.mark.parametrize("shape", ["(10**12,)".replace("10**12", "1000000000000"), "(1000000, 1000000)", "(4,)"])
def test_a_header_that_claims_more_than_the_file_holds_is_refused_at_once(tmp_path, shape):
    path = tmp_path / "huge.npz"
    store(path, header(shape), b"\0" * 8)
    start = time.perf_counter()
    refused(path, f"claims shape {shape}")
    assert time.perf_counter() - start < 1.0


def test_an_archive_that_lies_about_its_own_size_is_refused_at_once(tmp_path):
    path = tmp_path / "liar.npz"
    store(path, header("(100000000, 5)"), b"\0" * 8)
    raw = bytearray(path.read_bytes())
    raw[22:26] = struct.pack("<I", 4_000_000_100)            # local header: size once unpacked
    directory = raw.rfind(b"PK\x01\x02")
    raw[directory + 24:directory + 28] = struct.pack("<I", 4_000_000_100)
    path.write_bytes(raw)
    refused(path, "claims shape (100000000, 5), 4000000000 bytes, but the file holds")


@pytest.mark.parametrize("text", [
    "", "{", "{'descr': (", "'''", "{}", "[]", "0", "-" * 9000 + "1", "(" * 5000, header("(-1,)"), header("(1.5,)"),
    header((1,) * 100), header("(1,)", "'zz'"), header("(1,)", "'|O'"), header("(1,)", "('<f8', (3,))"),
    header("(1,)").replace("False", "7"), header("(1L,)"), "\x00\xff",
])
def test_a_header_that_is_no_header_is_refused(tmp_path, text):
    path = tmp_path / "header.npz"
    store(path, text, b"\0" * 8)
    refused(path, "q0")


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "twice.npz"
    with pytest.warns(UserWarning, match="Duplicate name"):
        store(path, header("(1,)"), b"\0" * 8, times=2)
    refused(path, "q0 is there twice")


def test_numbers_too_large_for_float64_are_refused(tmp_path):
    path = tmp_path / "long.npz"
    value = np.array([np.finfo(np.longdouble).max])
    if np.finfo(np.longdouble).maxexp == np.finfo(np.float64).maxexp:
        pytest.skip("long doubles are doubles here")
    np.savez(path, q0=value)
    refused(path, "q[0] = inf")


@pytest.mark.parametrize(("offsets", "value", "words"), [
    ((6, 8), 1, "encrypted"), ((8, 10), 77, "compression method is not supported")])
def test_archives_that_zipfile_cannot_unpack_are_refused(tmp_path, offsets, value, words):
    path = tmp_path / "odd.npz"
    ck.write_problem(path, ck.lp([1.0]))
    raw = bytearray(path.read_bytes())
    local, directory = offsets[0], raw.find(b"PK\x01\x02") + offsets[1]
    raw[local] = raw[directory] = value
    path.write_bytes(raw)
    refused(path, words)


def test_damaged_compressed_data_are_refused(tmp_path):
    path = tmp_path / "damaged.npz"
    np.savez_compressed(path, q0=np.arange(1000.0))
    raw = bytearray(path.read_bytes())
    raw[60:90] = b"\xff" * 30
    path.write_bytes(raw)
    refused(path, "q0 is not a readable array")


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.data())
def test_any_damage_is_a_format_error_or_a_problem(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "fuzz.npz"
    if data.draw(st.booleans()):
        np.savez(path, q0=np.array([1.0, 2.0]), lb=np.zeros(2))
        raw = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 8))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    else:
        raw = data.draw(st.binary(max_size=200))
    path.write_bytes(raw)
    with contextlib.suppress(ck.FormatError):
        assert isinstance(ck.read_problem(path), ck.QCQP)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.text(alphabet="{}()[]'\",:<f8 descrshapefortran_orderFalse0123456789-L", max_size=80))
def test_any_header_is_a_format_error_or_a_problem(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "header.npz"
    store(path, text, b"\0" * 16)
    with pytest.raises(ck.FormatError):
        ck.read_problem(path)


# ---------------------------------------------------------------- writing


def test_a_target_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    problem = ck.lp([1.0])
    folder = tmp_path / "folder.npz"
    folder.mkdir()
    file = tmp_path / "file"
    file.write_text("not a folder")
    for target in (folder, tmp_path / "missing" / "x.npz", file / "x.npz", tmp_path / ("x" * 300)):
        with pytest.raises(ck.FormatError, match="cannot be written") as caught:
            ck.write_problem(target, problem)
        assert str(caught.value).startswith(f"{target}: ")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.npz"]
    assert not list(folder.iterdir())


def test_a_failed_write_leaves_the_old_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "old.npz"
    ck.write_problem(path, ck.lp([1.0]))
    before = path.read_bytes()

    def full(stream, **arrays):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(ck.FormatError, match="No space left on device"):
        ck.write_problem(path, ck.lp([2.0]))

    def interrupted(stream, **arrays):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ck.write_problem(path, ck.lp([2.0]))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["old.npz"]


def test_a_written_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    ck.write_problem(tmp_path / "problem.npz", ck.lp([1.0]))
    assert (tmp_path / "problem.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_long_file_name_is_no_obstacle(tmp_path):
    path = tmp_path / ("n" * 250)
    ck.write_problem(path, ck.lp([1.0]))
    assert ck.read_problem(path).n == 1
