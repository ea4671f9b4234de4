"""Problems in files: numpy's .npz with documented keys. Reading executes nothing."""

from __future__ import annotations

import contextlib
import os
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .errors import FormatError, ProblemError
from .problem import QCQP
from .quadratic import Quadratic
from .validation import dense

# key -> what it holds; the table of docs/files.md is checked against this one.
KEYS = {
    "P0": "(n, n) array, objective ½xᵀP0 x + q0ᵀx + r0; omit for a linear objective",
    "q0": "(n,) array; omit for zeros (then P0 is needed)",
    "r0": "number; omit for 0",
    "P": "(k, n, n) array, quadratic inequalities ½xᵀP[i]x + q[i]ᵀx + r[i] ≤ 0",
    "q": "(k, n) array; omit for zeros",
    "r": "(k,) array; omit for zeros",
    "G": "(l, n) array, linear inequalities Gx ≤ h",
    "h": "(l,) array; +inf switches a row off",
    "A": "(p, n) array, equalities Ax = b",
    "b": "(p,) array",
    "lb": "(n,) array or number, lower bounds; -inf or omitted for none",
    "ub": "(n,) array or number, upper bounds; +inf or omitted for none",
}

# No byte of a deflated stream stands for more than this many (the format's limit is 1032).
LARGEST_DEFLATION = 1040


def read_problem(path: str | os.PathLike) -> QCQP:
    """The problem stored in a .npz file, with the keys of docs/files.md.

    Parameters
    ----------
    path : file name

    Raises
    ------
    FormatError
        If there is no such file, it is not a .npz archive, is truncated, holds an unknown key, objects
        instead of numbers, or arrays that state no problem. The message names the file and the key.

    Notes
    -----
    Nothing in the file is executed (no pickles), and an array is read only if the archive really holds as
    many bytes as its header claims.

    Examples
    --------
    >>> import os, tempfile, convexkit as ck
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = os.path.join(folder, "problem.npz")
    ...     ck.write_problem(name, ck.lp([1.0, 2.0], lb=0.0))
    ...     ck.read_problem(name)
    QCQP(n=2, 0 quadratic + 0 linear inequalities, 0 equalities, 2 bounds)
    """
    path = Path(path)
    if not path.exists():
        raise FormatError(f"{path}: no such file.")
    if path.is_dir():
        raise FormatError(f"{path}: is a folder; expected a .npz file.")
    data: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                key = member.filename.removesuffix(".npy")
                if key not in KEYS:
                    raise FormatError(f"{path}: unknown key {key!r}; known keys are {', '.join(KEYS)}.")
                if key in data:
                    raise FormatError(f"{path}: {key} is there twice.")
                data[key] = _read_array(path, archive, member, key)
    except (OSError, EOFError) as error:
        raise FormatError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: not a readable .npz archive ({error}). Make one with numpy.savez, or see "
                          "`python -m convexkit solve FILE --write-example`.") from None
    try:
        return _problem(data)
    except ProblemError as error:
        raise FormatError(f"{path}: {error}") from None


def _read_array(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, key: str) -> np.ndarray:
    try:
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            header = (np.lib.format.read_array_header_1_0 if version == (1, 0)
                      else np.lib.format.read_array_header_2_0)
            shape, _, dtype = header(stream)
            start = stream.tell()
        size = int(np.prod([int(k) for k in shape], dtype=object)) if shape else 1
        if dtype.hasobject or dtype.kind not in "fiub":
            raise FormatError(f"{path}: {key} holds {dtype}, not numbers.")
        # The archive's own word on its size is a claim as well; what is on the disk is not.
        held = min(member.file_size, LARGEST_DEFLATION * path.stat().st_size) - start
        if size * dtype.itemsize > held:
            raise FormatError(f"{path}: the header of {key} claims shape {shape}, {size * dtype.itemsize} bytes, but "
                              f"the file holds {held}.")
        with archive.open(member) as stream, np.errstate(over="ignore"):
            array = np.lib.format.read_array(stream, allow_pickle=False)
            return array.astype(np.float64) if dtype.itemsize > 8 else array
    except FormatError:
        raise
    except Exception as error:
        # Damaged bytes meet three parsers here (zip, zlib, and Python's own for the header), each with exceptions
        # of its own: TokenError, zlib.error, RuntimeError for a password, MemoryError for deep nesting.
        reason = str(error) or type(error).__name__
        raise FormatError(f"{path}: {key} is not a readable array ({' '.join(reason.split())}).") from None


def _problem(data: dict[str, np.ndarray]) -> QCQP:
    if "P0" not in data and "q0" not in data:
        raise ProblemError("neither P0 nor q0 is there; one of them says what is minimised.")
    try:
        objective = Quadratic(data.get("P0"), data.get("q0"), data.get("r0", 0.0))
    except ProblemError as error:
        raise ProblemError(f"objective (P0, q0, r0): {error}") from None
    n = objective.n
    if n == 0:
        raise ProblemError("the objective has no variables; a problem needs at least one.")
    inequalities: list[Quadratic] = []
    if "q" in data or "P" in data or "r" in data:
        given = next(data[key] for key in ("P", "q", "r") if key in data)
        count = given.shape[0] if given.ndim else 1
        shapes = {"P": (count, n, n), "q": (count, n), "r": (count,)}
        for key, shape in shapes.items():
            if key in data and data[key].shape != shape:
                raise ProblemError(f"{key} has shape {data[key].shape}; expected {shape}.")
        P, q, r = data.get("P"), data.get("q"), data.get("r", np.zeros(count))
        for i in range(count):
            try:
                inequalities.append(Quadratic(None if P is None else P[i], np.zeros(n) if q is None else q[i], r[i]))
            except ProblemError as error:
                raise ProblemError(f"inequality {i}: {error}") from None
    return QCQP(objective, inequalities, **{key: data.get(key) for key in ("G", "h", "A", "b", "lb", "ub")})


def write_problem(path: str | os.PathLike, problem: QCQP) -> None:
    """Store a problem as a compressed .npz file: whole, or not at all.

    Parameters
    ----------
    path : file name; replaced if it exists
    problem : QCQP, stored dense whatever its structure

    Raises
    ------
    FormatError
        If the file cannot be written.

    Examples
    --------
    >>> import os, tempfile, numpy as np, convexkit as ck
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     name = os.path.join(folder, "disc.npz")
    ...     ck.write_problem(name, ck.QCQP(ck.Quadratic(None, [1.0]), [ck.Quadratic([[2.0]], [0.0], -1.0)]))
    ...     with np.load(name) as archive:
    ...         sorted(archive)
    ['P', 'q', 'q0', 'r', 'r0']
    """
    if not isinstance(problem, QCQP):
        raise ProblemError(f"problem must be a QCQP; got {type(problem).__name__}. The file name comes first.")

    f0, curved = problem.objective, problem.inequalities
    arrays: dict[str, Any] = {"q0": f0.q, "r0": f0.r}
    if not f0.is_affine:
        arrays["P0"] = f0.hessian()
    if curved:
        arrays |= {"q": np.stack([f.q for f in curved]), "r": np.array([f.r for f in curved])}
    if not all(f.is_affine for f in curved):
        arrays["P"] = np.stack([f.hessian() for f in curved])
    if problem.h.size:
        arrays |= {"G": dense(problem.G), "h": problem.h}
    if problem.p:
        arrays |= {"A": dense(problem.A), "b": problem.b}
    if np.isfinite(problem.lb).any():
        arrays["lb"] = problem.lb
    if np.isfinite(problem.ub).any():
        arrays["ub"] = problem.ub
    path = Path(path)
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


def example_problem() -> QCQP:
    """A small QCQP with a row of every kind, as `python -m convexkit solve FILE --write-example` stores it.

        minimise    ½‖x‖² - 2x₁ - x₂ + x₃
        subject to  ‖x‖² ≤ 2,  x₁ + x₂ ≤ 1.5,  x₁ + x₂ + x₃ = 1,  0 ≤ x₁,  x ≤ 1

    Examples
    --------
    >>> import convexkit as ck
    >>> ck.solve(ck.example_problem()).x.round(4)
    array([ 1. ,  0.5, -0.5])
    """
    ball = Quadratic(2.0 * np.eye(3), np.zeros(3), -2.0)
    return QCQP(Quadratic(np.eye(3), [-2.0, -1.0, 1.0]), [ball], G=[[1.0, 1.0, 0.0]], h=[1.5],
                A=[[1.0, 1.0, 1.0]], b=[1.0], lb=[0.0, -np.inf, -np.inf], ub=1.0)
