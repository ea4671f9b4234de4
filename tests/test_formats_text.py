"""What all text formats share: compression, limits, speed, and that only FormatError comes out of damaged files."""

import gzip
import time
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import convexkit as ck
from convexkit.formats import text as limits

from .test_formats_cbf import BASE, cbf
from .test_formats_mps import BOTH_TRIANGLES, FIXED_QUADRATIC, ONE_TRIANGLE, with_section
from .test_formats_qplib import WHOLE

SEEDS = {
    "mps": with_section("RANGES\n r l 3 e -1\nBOUNDS\n UP b x 3\n MI b y\nQUADOBJ\n" + ONE_TRIANGLE
                        + "QCMATRIX l\n" + BOTH_TRIANGLES).encode(),
    "qps": FIXED_QUADRATIC.encode(),
    "qplib": WHOLE.encode(),
    "cbf": BASE.encode(),
}


def refused(path, words):
    """The FormatError of a file: one line, soon."""
    start = time.perf_counter()
    with pytest.raises(ck.FormatError) as caught:
        ck.read_problem(path)
    assert time.perf_counter() - start < 5.0
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert "\n" not in message
    assert len(message) < 600


def stored(path, content):
    path.write_bytes(content)
    return path


# ---------------------------------------------------------------- compression


@pytest.mark.parametrize("suffix", SEEDS)
def test_compressed_text_is_the_same_problem(tmp_path, suffix):
    plain = ck.read_problem(stored(tmp_path / f"a.{suffix}", SEEDS[suffix]))
    x = np.linspace(-1.0, 2.0, plain.n)
    half = len(SEEDS[suffix]) // 2
    members = gzip.compress(SEEDS[suffix][:half]) + gzip.compress(SEEDS[suffix][half:])
    for name, content in ((f"b.{suffix}.gz", gzip.compress(SEEDS[suffix])), (f"c.{suffix}.gz", members),
                          (f"d.{suffix.upper()}.GZ", gzip.compress(SEEDS[suffix])),
                          (f"e.{suffix}", gzip.compress(SEEDS[suffix])), (f"f.{suffix}.gz", SEEDS[suffix])):
        other = ck.read_problem(stored(tmp_path / name, content))
        assert repr(other) == repr(plain)
        assert other.objective(x) == plain.objective(x)


def test_damaged_and_truncated_gzip_data_are_refused(tmp_path):
    packed = gzip.compress(SEEDS["cbf"])
    for length in range(2, len(packed), 7):
        refused(stored(tmp_path / "cut.cbf.gz", packed[:length]), "is not readable gzip data, or is truncated")
    for where in range(12, len(packed), 11):
        flipped = bytearray(packed)
        flipped[where] ^= 0x10
        refused(stored(tmp_path / "flip.cbf.gz", bytes(flipped)), "")
    refused(stored(tmp_path / "tail.cbf.gz", packed + b"rubbish"), "is not readable gzip data")


@pytest.mark.parametrize("filling", [b"\0", b"\n", b" ", b"0 0 1\n", b"# comment\n"])
def test_gzip_bombs_are_refused_before_they_fill_the_memory(tmp_path, filling):
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = filling * (2**20 // len(filling))
    packed = b"".join([compressor.compress(b"VER\n3\n"), *(compressor.compress(block) for _ in range(100)),
                       compressor.flush()])
    refused(stored(tmp_path / "bomb.cbf.gz", packed), "compressed bytes unpack to more than")


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("suffix", ["mps", "qplib", "cbf"])
def test_a_line_of_ten_megabytes_is_refused(tmp_path, suffix):
    first = {"mps": b"NAME\n", "qplib": b"name\n", "cbf": b"VER\n"}[suffix]
    for content in (b"1 " * 5_000_000, b"#" * 10_000_000, b" x" + b"9" * 10_000_000, first + b"a b " * 2_500_000):
        refused(stored(tmp_path / f"long.{suffix}", content), f"is longer than {limits.LONGEST_LINE} characters")


@pytest.mark.parametrize("suffix", ["mps", "qplib", "cbf"])
def test_a_file_of_blank_lines_is_refused(tmp_path, suffix):
    refused(stored(tmp_path / f"blank.{suffix}", b"\n" * 5_000_000), "blank")
    refused(stored(tmp_path / f"empty.{suffix}", b""), "the file ends")


def test_a_number_of_sixty_thousand_digits_is_refused(tmp_path):
    text = cbf([("F", 1)], [("F", 1)], constant="7" * 60_000)
    refused(stored(tmp_path / "digits.cbf", text.encode()), "'7777777777777777777777777777777777777777...'")
    refused(stored(tmp_path / "digits.qplib", WHOLE.replace("3 # number of var", "3" * 60_000).encode()), "an integer")


def test_a_text_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "LARGEST_TEXT", 100)
    refused(stored(tmp_path / "long.cbf", SEEDS["cbf"]), "bytes; text is read up to 100")


@pytest.mark.parametrize(("name", "content", "words"), [
    ("vars.cbf", b"VER\n3\nOBJSENSE\nMIN\nVAR\n1000000000 1\nF 1000000000\n", "the number of variables is 1000000000"),
    ("cones.cbf", b"VER\n3\nOBJSENSE\nMIN\nVAR\n100000 2001\n" + b"Q 2\n" * 2000 + b"F 96000\n",
     "2000 quadratic inequalities and cones of 100000 variables need 200000000 numbers"),
    ("rows.cbf", b"VER\n3\nOBJSENSE\nMIN\nVAR\n1 1\nF 1\nCON\n1000000000 1\nF 1000000000\n", "the number of rows is"),
    ("entries.cbf", b"VER\n3\nOBJSENSE\nMIN\nVAR\n1 1\nF 1\nOBJACOORD\n1000000000\n0 1\n", "1000000000 entries of"),
    ("vars.qplib", b"name\nLCN\nminimize\n1000000000\n", "the number of variables is 1000000000"),
    ("terms.qplib", b"name\nQCN\nminimize\n2\n1000000000\n1 1 1\n", "1000000000 quadratic terms of the objective"),
])
def test_counts_that_the_file_cannot_justify_are_refused_at_once(tmp_path, name, content, words):
    refused(stored(tmp_path / name, content), words)


def test_other_alphabets_are_welcome_in_comments_only(tmp_path):
    for suffix, mark in (("mps", "* "), ("qplib", "! "), ("qplib", "% "), ("qplib", "# "), ("cbf", "# ")):
        content = f"{mark}Übung\n".encode() + SEEDS[suffix]
        assert ck.read_problem(stored(tmp_path / f"a.{suffix}", content)).n
        refused(stored(tmp_path / f"b.{suffix}", "Übung\n".encode() + SEEDS[suffix]), "holds the byte 0xc3; expected")
        refused(stored(tmp_path / f"c.{suffix}", SEEDS[suffix].decode().encode("utf-16")), "holds the byte")


# ---------------------------------------------------------------- speed


def test_a_hundred_thousand_entries_take_about_a_second(tmp_path):
    n = m = 10_000
    values = np.random.default_rng(0).normal(size=10 * m).tolist()
    entries = [(k // 10, (k // 10 + k % 10) % n, repr(v)) for k, v in enumerate(values)]
    mps = ["ROWS", " N obj", *(f" L r{i}" for i in range(m)), "COLUMNS"]
    for j, i, v in sorted((j, i, v) for i, j, v in entries):
        mps.append(f" x{j} r{i} {v}")
    contents = {
        "large.cbf": cbf([("F", n)], [("L-", m)], A=entries),
        "large.mps": "\n".join([*mps, "ENDATA", ""]),
        "large.qplib": "\n".join(["name", "LCL", "minimize", str(n), str(m), "0.0", "0", "0.0", str(len(entries)),
                                  *(f"{i + 1} {j + 1} {v}" for i, j, v in entries), "1e20", "-1e20", "0", "0.0", "0",
                                  "0.0", "0", "1e20", "0", "0.0", "0", "0.0", "0", "0.0", "0", "0", "0", ""]),
    }
    matrices = []
    for name, content in contents.items():
        path = stored(tmp_path / name, content.encode())
        start = time.process_time()
        problem = ck.read_problem(path)
        # 0.2 s to 0.3 s on a quiet machine; the clock counts this process only.
        assert time.process_time() - start < 3.0
        matrices.append(problem.G)
        assert problem.G.nnz == len(entries)
    assert abs(matrices[0] - matrices[1]).max() == 0.0
    assert abs(matrices[0] - matrices[2]).max() == 0.0


# ---------------------------------------------------------------- damage

WORDS = [b"-1", b"0", b"1", b"2", b"1.5", b"1e999", b"nan", b"inf", b"-inf", b"1e308", b"1_0", b"1d3", b"+1", b"99999",
         b"100000", b"1000000000", b"99999999999999999999", b"", b"x", b"y", b"l", b"obj", b"N", b"L", b"Q", b"QR",
         b"F", b"EXP", b"INT", b"ENDATA", b"QMATRIX", b"RHS", b"'MARKER'", b"\xff", b"A" * 500, b"1 " * 50, b"\n", b"#",
         b"*"]


@st.composite
def damaged(draw, seed):
    """A seed after truncation, flipped bytes, or lines swapped, repeated, dropped or changed in one word."""
    kind = draw(st.sampled_from(["cut", "bytes", "lines", "lines", "lines"]))
    if kind == "cut":
        return seed[:draw(st.integers(0, len(seed)))]
    if kind == "bytes":
        raw = bytearray(seed)
        for _ in range(draw(st.integers(1, 6))):
            raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
        return bytes(raw)
    lines = seed.split(b"\n")
    for _ in range(draw(st.integers(1, 3))):
        i, j = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        change = draw(st.sampled_from(["word", "word", "word", "swap", "repeat", "drop"]))
        words = lines[i].split()
        if change == "word" and words:
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(WORDS))
            lines[i] = (b" " if lines[i].startswith(b" ") else b"") + b" ".join(words)
        elif change == "swap":
            lines[i], lines[j] = lines[j], lines[i]
        elif change == "repeat":
            lines.insert(i, lines[j])
        elif len(lines) > 1:
            del lines[i]
    return b"\n".join(lines)


@pytest.mark.parametrize("suffix", SEEDS)
def test_any_damage_is_a_format_error_or_a_problem_and_soon(tmp_path, suffix):
    outcomes = set()

    @settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(damaged(SEEDS[suffix]), st.booleans())
    def check(content, packed):
        path = stored(tmp_path / f"fuzz.{suffix}", gzip.compress(content, 1) if packed else content)
        start = time.perf_counter()
        message = f"{path}: "
        try:
            outcomes.add(type(ck.read_problem(path)))
        except ck.FormatError as error:
            outcomes.add(ck.FormatError)
            message = str(error)
        assert time.perf_counter() - start < 2.0
        assert message.startswith(f"{path}: ")
        assert "\n" not in message

    check()
    assert outcomes == {ck.QCQP, ck.FormatError}


@pytest.mark.parametrize("suffix", SEEDS)
def test_any_bytes_are_a_format_error(tmp_path, suffix):
    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=300))
    def check(content):
        with pytest.raises(ck.FormatError):
            ck.read_problem(stored(tmp_path / f"fuzz.{suffix}", content))

    check()
