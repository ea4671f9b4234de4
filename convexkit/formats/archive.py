"""Numpy archives (.npz): written whole or not at all, read without executing anything or believing any size."""

from __future__ import annotations

import contextlib
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError
from .text import LARGEST_EXPANSION

# No byte of a deflated stream stands for more than this many (the format's limit is 1032).
LARGEST_DEFLATION = 1040
# An archive may unpack to FREE_ARCHIVE bytes, beyond that to LARGEST_EXPANSION times its size on the disk and at most
# to LARGEST_ARCHIVE; or to its size on the disk, if that is more.
FREE_ARCHIVE = 2**29
LARGEST_ARCHIVE = 2**31


class Arrays(dict[str, np.ndarray]):
    """Arrays by key, and the size of the file that held them."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size


def read_arrays(path: Path, known: Callable[[str], bool], expected: str) -> Arrays:
    """The arrays of an archive by key; keys that are not known are refused."""
    size = path.stat().st_size
    data = Arrays(size)
    left = max(size, min(LARGEST_ARCHIVE, max(FREE_ARCHIVE, LARGEST_EXPANSION * size)))
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                key = member.filename.removesuffix(".npy")
                if not known(key):
                    raise FormatError(f"{path}: unknown key {key!r}; {expected}")
                if key in data:
                    raise FormatError(f"{path}: {key} is there twice.")
                data[key] = _read_array(path, archive, member, key, left)
                left -= data[key].nbytes
    except FormatError:
        raise
    except (OSError, EOFError) as error:
        raise FormatError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
        raise FormatError(f"{path}: not a readable .npz archive ({error}). Make one with numpy.savez, or see "
                          "`python -m convexkit solve FILE --write-example`.") from None
    return data


def _read_array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, key: str, left: int) -> np.ndarray:
    with _damage_named(path, key), archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        header = (np.lib.format.read_array_header_1_0 if version == (1, 0)
                  else np.lib.format.read_array_header_2_0)
        shape, _, dtype = header(stream)
        size = int(np.prod([int(k) for k in shape], dtype=object)) if shape else 1
        start = stream.tell()
    if dtype.hasobject or dtype.kind not in "fiub":
        raise FormatError(f"{path}: {key} holds {dtype}, not numbers.")
    # The archive's own word on its size is a claim as well; what is on the disk is not.
    held = min(member.file_size, LARGEST_DEFLATION * path.stat().st_size) - start
    if size * dtype.itemsize > held:
        raise FormatError(f"{path}: the header of {key} claims shape {shape}, {size * dtype.itemsize} bytes, but "
                          f"the file holds {held}.")
    if size * dtype.itemsize > left:
        raise FormatError(f"{path}: unpacks to far more than its size, {size * dtype.itemsize} bytes for {key} "
                          "alone; store it uncompressed if that is meant.")
    with _damage_named(path, key), archive.open(member) as stream, np.errstate(over="ignore"):
        array = np.lib.format.read_array(stream, allow_pickle=False)
        return array.astype(np.float64) if dtype.itemsize > 8 else array


@contextlib.contextmanager
def _damage_named(path: Path, key: str) -> Iterator[None]:
    """Whatever others' parsers make of damaged bytes, as one error that names the file and the key.

    Three of them meet here (zip, zlib, and Python's own for the header), each with exceptions of its own: TokenError,
    zlib.error, RuntimeError for a password, MemoryError for deep nesting.
    """
    try:
        yield
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise FormatError(f"{path}: {key} is not a readable array ({' '.join(reason.split())}).") from None


def write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Store arrays as a compressed archive; a target that is there stays as it was until all is written."""
    # Beside the target, so that the last step is one rename; opened like any new file, so that others may read it.
    temporary = path.parent / f".convexkit-{os.getpid()}-{threading.get_ident()}.tmp"
    try:
        with open(temporary, "xb") as stream:
            np.savez_compressed(stream, **arrays)
        os.replace(temporary, path)
    except OSError as error:
        raise FormatError(f"{path}: cannot be written: {error.strerror or error}.") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()  # gone already if all went well
