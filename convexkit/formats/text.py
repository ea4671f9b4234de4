"""Numbered lines and checked numbers of a text file that may be compressed, damaged or hostile."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from ..errors import FormatError

# Limits, stated in docs/files.md. Text of this length is already more than the solver can use.
LARGEST_TEXT = 2**28
# Files of numbers compress to a fifth or so; beyond this ratio (and this size) a file is a bomb.
LARGEST_EXPANSION = 40
FREE_EXPANSION = 2**24
# No line of any of the formats comes near.
LONGEST_LINE = 2**16
# A file may announce this many variables or rows without saying anything about them; more only if it is as long.
FREE_COUNT = 100_000

PRINTABLE = bytes([9, 10, 12, 13, *range(32, 127)])
# Blank lines and comments in a row. They cost nothing to compress, but time to read.
LONGEST_SILENCE = 100_000
# Lines that are held as Python objects at a time.
CHUNK = 2**16

# The columns of a table: a name for messages, and the limit of an index, or None for a number.
Columns = Sequence[tuple[str, int | None]]


def contents(path: Path) -> bytes:
    """The bytes of a file, unpacked if they are gzip's, however it is named."""
    with open(path, "rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        if not packed:
            if size > LARGEST_TEXT:
                raise FormatError(f"{path}: has {size} bytes; text is read up to {LARGEST_TEXT}.")
            return stream.read()
        limit = min(LARGEST_TEXT, max(FREE_EXPANSION, LARGEST_EXPANSION * size))
        chunks = []
        total = 0
        try:
            with gzip.GzipFile(fileobj=stream) as unpacked:
                while chunk := unpacked.read(2**20):
                    total += len(chunk)
                    if total > limit:
                        raise FormatError(f"{path}: {size} compressed bytes unpack to more than {limit}; text is read "
                                          f"up to {LARGEST_EXPANSION} times its compressed size and {LARGEST_TEXT} "
                                          "bytes.")
                    chunks.append(chunk)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FormatError(f"{path}: is not readable gzip data, or is truncated ({error}).") from None
        return b"".join(chunks)


def number(token: bytes) -> float:
    """A token as a number, Fortran's 1.5D+3 included; ValueError if it is none. May be infinite or NaN."""
    if b"_" in token:
        raise ValueError(token)
    try:
        return float(token)
    except ValueError:
        return float(token.lower().replace(b"d", b"e"))


def shown(token: bytes) -> str:
    """A token for a message: in quotes, and not longer than a message should be."""
    text = token[:40].decode("ascii", "backslashreplace")
    return repr(text + "..." if len(token) > 40 else text)


class Text:
    """A file as an iterator of lines, each a list of tokens; blank lines and comments are left out.

    `line` is the number of the line that was read last, for messages.
    """

    def __init__(self, path: Path, comments: bytes, first: int = 0):
        raw = contents(path)
        self.path = path
        self.line = 0
        self.size = len(raw)
        self.comments = [bytes([mark]) for mark in comments]
        self.first = first  # the smallest index
        self.printable = not raw.translate(None, PRINTABLE)
        self._stream = io.BytesIO(raw)
        self._tokens = self._split()

    def error(self, message: str, line: int | None = None) -> FormatError:
        """The error of a line, by default of the one read last."""
        return FormatError(f"{self.path}: line {self.line if line is None else line}: {message}")

    def lines(self) -> Iterator[bytes]:
        """Every line as it stands, its end included; its bytes are not checked yet."""
        while line := self._stream.readline(LONGEST_LINE + 1):
            self.line += 1
            if len(line) > LONGEST_LINE:
                raise self.error(f"is longer than {LONGEST_LINE} characters.")
            yield line

    def check_bytes(self, line: bytes) -> None:
        """Raise FormatError unless every byte is printable ASCII or a blank; needed only if `printable` is false."""
        odd = line.translate(None, PRINTABLE)
        if odd:
            raise self.error(f"holds the byte {odd[0]:#04x}; expected ASCII text.")

    def _split(self) -> Iterator[list[bytes]]:
        last = 0
        for line in self.lines():
            for mark in self.comments:
                if mark in line:
                    line = line[:line.index(mark)]
            if not self.printable:
                self.check_bytes(line)
            tokens = line.split()
            if tokens:
                last = self.line
                yield tokens
            elif self.line - last > LONGEST_SILENCE:
                raise self.error(f"is blank or a comment, as are {LONGEST_SILENCE} before it.")

    def __iter__(self) -> Iterator[list[bytes]]:
        return self._tokens

    def next(self, what: str, width: int | None = 1) -> list[bytes]:
        """The next line, which must hold `width` tokens; any number of them if None."""
        tokens = next(self._tokens, None)
        if tokens is None:
            raise self.error(f"the file ends before {what}.")
        if width is not None and len(tokens) != width:
            raise self.error(f"expected {what}: {width} value{'s' * (width > 1)} on a line; got {len(tokens)}.")
        return tokens

    # ------------------------------------------------------------ single values

    def number(self, token: bytes, what: str, line: int | None = None, *, infinite: bool = False) -> float:
        """A token as a finite number; with `infinite`, as any number but NaN."""
        try:
            value = number(token)
        except ValueError:
            raise self.error(f"expected a number for {what}; got {shown(token)}.", line) from None
        if math.isnan(value) or (math.isinf(value) and not infinite):
            raise self.error(f"{what} is {shown(token)}; expected a finite number.", line)
        return value

    def integer(self, token: bytes, what: str, line: int | None = None) -> int:
        """A token as an integer."""
        digits = token[1:] if token[:1] in (b"+", b"-") else token
        if not digits.isdigit() or len(digits) > 18:
            raise self.error(f"expected an integer for {what}; got {shown(token)}.", line)
        return int(token)

    def count(self, token: bytes, what: str) -> int:
        """A number of things, which must be 0 or more."""
        value = self.integer(token, what)
        if value < 0:
            raise self.error(f"{what} is {value}; expected 0 or more.")
        return value

    def dimension(self, token: bytes, what: str) -> int:
        """A number of variables or rows, for which memory is taken: only as much as the file can justify."""
        value = self.count(token, what)
        if value > max(FREE_COUNT, self.size):
            raise self.error(f"{what} is {value}, but the file has {self.size} characters; more than {FREE_COUNT} are "
                             "accepted only in a file that is as long.")
        return value

    def entries(self, token: bytes, what: str, width: int) -> int:
        """A number of lines to come, `width` values on each; it must fit into the file."""
        value = self.count(token, what)
        left = self.size - self._stream.tell()
        if value * 2 * width > left + 1:
            raise self.error(f"{value} {what} are announced, but only {left} characters follow; is the file truncated?")
        return value

    def index(self, token: bytes, limit: int, what: str, line: int | None = None) -> int:
        """An index, counted from 0 whatever the file counts from."""
        value = self.integer(token, what, line)
        if not self.first <= value < limit + self.first:
            allowed = f"{self.first} to {limit - 1 + self.first}" if limit else "none, for there are none of these"
            raise self.error(f"{what} is {value}; expected {allowed}.", line)
        return value - self.first

    # ------------------------------------------------------------ many values

    def table(self, count: int, columns: Columns, what: str) -> tuple[list[np.ndarray], np.ndarray]:
        """The next `count` lines by columns, and the number of each line.

        A column is its name and the limit of its indices, or None if it holds numbers. Vectorised: about a
        microsecond for each value.
        """
        parts = [[np.zeros(0, np.float64 if limit is None else np.int64)] for _, limit in columns]
        where = [np.zeros(0, np.int64)]
        left = count
        while left:
            rows, numbers = [], []
            for tokens in islice(self._tokens, min(left, CHUNK)):
                rows.append(tokens)
                numbers.append(self.line)
            if not rows:
                raise self.error(f"{count} {what} are announced, but the file ends after {count - left}.")
            for part, column in zip(parts, self._columns(rows, numbers, columns, what), strict=True):
                part.append(column)
            where.append(np.array(numbers, np.int64))
            left -= len(rows)
        return [np.concatenate(part) for part in parts], np.concatenate(where)

    def _columns(self, rows: list[list[bytes]], numbers: list[int], columns: Columns, what: str) -> list[np.ndarray]:
        try:
            by_column = list(zip(*rows, strict=True))
            if len(by_column) == len(columns):
                return [_numbers(tokens) if limit is None else _indices(tokens, self.first, limit)
                        for tokens, (_, limit) in zip(by_column, columns, strict=True)]
        except (ValueError, OverflowError):
            pass
        # Something is odd. Value by value, which finds the line, or reads what only Fortran writes.
        values: list[list] = [[] for _ in columns]
        for tokens, line in zip(rows, numbers, strict=True):
            if len(tokens) != len(columns):
                names = " ".join(name for name, _ in columns)
                raise self.error(f"expected {what}, {len(columns)} values ({names}) on a line; got {len(tokens)}.",
                                 line)
            for column, token, (name, limit) in zip(values, tokens, columns, strict=True):
                column.append(self.number(token, name, line) if limit is None
                              else self.index(token, limit, name, line))
        return [np.array(column, np.float64 if limit is None else np.int64)
                for column, (_, limit) in zip(values, columns, strict=True)]

    def numbers(self, tokens: list[bytes], lines: list[int], what: str) -> np.ndarray:
        """Tokens as finite numbers; `lines` are where they stand."""
        try:
            return _numbers(tokens)
        except ValueError:
            return np.array([self.number(token, what, line) for token, line in zip(tokens, lines, strict=True)])

    def unique(self, keys: np.ndarray, lines: np.ndarray, what: str) -> None:
        """Raise FormatError naming the line of the first entry whose key is there already."""
        if keys.size < 2:
            return
        order = np.argsort(keys, kind="stable")
        again = np.flatnonzero(np.diff(keys[order]) == 0)
        if again.size:
            # In a stable order the later one of a pair comes second.
            second = order[again + 1]
            worst = second[np.argmin(lines[second])]
            first = lines[np.argmax(keys == keys[worst])]
            raise self.error(f"{what} is given twice; first in line {first}.", int(lines[worst]))


def _numbers(tokens: Sequence[bytes]) -> np.ndarray:
    if b"_" in b"".join(tokens):
        raise ValueError
    values = np.fromiter(map(float, tokens), np.float64, len(tokens))
    if not np.isfinite(values).all():
        raise ValueError
    return values


def _indices(tokens: Sequence[bytes], first: int, limit: int) -> np.ndarray:
    if not b"".join(tokens).isdigit():
        raise ValueError
    values = np.fromiter(map(int, tokens), np.int64, len(tokens)) - first
    if values.size and (values.min() < 0 or values.max() >= limit):
        raise ValueError
    return values
