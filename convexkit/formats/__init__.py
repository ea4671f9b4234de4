"""Problems in files, one reader for each format. Reading executes nothing and believes no count."""

from __future__ import annotations

import os
import stat
from importlib import import_module
from pathlib import Path

import numpy as np

from ..errors import FormatError, ProblemError
from ..problem import QCQP
from ..quadratic import Quadratic
from .keys import KEYS, SPARSE

__all__ = ["FORMATS", "KEYS", "SPARSE", "example_problem", "read_problem", "write_problem"]

# suffix -> what it is; the table of docs/files.md is checked against this one. Text may be compressed: .cbf.gz
FORMATS = {
    ".npz": "numpy archive with the keys below; the only one that is written",
    ".mps": "linear programs in free or fixed format, with the quadratic sections of QPS",
    ".qps": "the same",
    ".qplib": "quadratic programs as QPLIB publishes them",
    ".cbf": "second-order cone programs, Conic Benchmark Format 1 to 3",
}
# Where their readers are. They are loaded when they are needed: few programs read problems at all.
MODULES = {".npz": "npz", ".mps": "mps", ".qps": "mps", ".qplib": "qplib", ".cbf": "cbf"}


def _suffix(path: Path) -> str:
    """The suffix that names the format, in small letters, without .gz."""
    name = path.name.lower()
    if name.endswith(".gz") and not name.endswith(".npz.gz"):
        name = name.removesuffix(".gz")
    return os.path.splitext(name)[1]


def read_problem(path: str | os.PathLike) -> QCQP:
    """The problem stored in a file: .npz, .mps, .qps, .qplib or .cbf, the last four also with .gz.

    A maximisation is read as the minimisation of the negative objective, so the optimal value has the other
    sign. docs/files.md says what each format may hold.

    Parameters
    ----------
    path : file name; its suffix tells the format

    Raises
    ------
    FormatError
        If there is no such file, or it is damaged or truncated, announces more than it holds, states what is not
        supported (integer variables, for instance) or what is no problem (crossed bounds, a matrix that is not
        symmetric). One line, with the file and the line or key.

    Notes
    -----
    Nothing in the file is executed (no pickles), and memory is taken only for what the file really holds.
    About a microsecond for each number of a text.

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
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise FormatError(f"{path}: no such file.") from None
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror or error}.") from None
    if stat.S_ISDIR(mode):
        raise FormatError(f"{path}: is a folder; expected a file.")
    if not stat.S_ISREG(mode):
        raise FormatError(f"{path}: is not a regular file.")
    try:
        suffix = _suffix(path)
        if suffix not in FORMATS:
            # `write_problem` writes under any name.
            with open(path, "rb") as stream:
                if stream.read(4) != b"PK\x03\x04":
                    raise FormatError(f"{path}: its name does not tell the format; supported are {', '.join(FORMATS)}, "
                                      "and text also compressed, as in .mps.gz.")
            suffix = ".npz"
        reader = import_module(f".{MODULES[suffix]}", __name__).read
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused as not finite
            return reader(path)
    except ProblemError as error:
        raise FormatError(f"{path}: {error}") from None
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except MemoryError:
        raise FormatError(f"{path}: needs more memory than there is.") from None


def write_problem(path: str | os.PathLike, problem: QCQP) -> None:
    """Store a problem as a compressed .npz file: whole, or not at all.

    Parameters
    ----------
    path : file name; replaced if it exists
    problem : QCQP
        Dense matrices are stored as arrays, sparse ones by their entries, factors as factors, cones as they are;
        where some factors or some cones are sparse, all of them are stored so.

    Raises
    ------
    ProblemError
        If a matrix is an operator, of which only products are known.
    FormatError
        If the file cannot be written, or its suffix is that of a format that is only read.

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
    path = Path(path)
    if _suffix(path) in FORMATS.keys() - {".npz"}:
        raise FormatError(f"{path}: problems are written as .npz only; name the file so.")
    from .store import write

    write(path, problem)


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
