"""From what a user hands in to float64 arrays of known shape, and the wording when that fails."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg.blas import ddot, sdot

from .errors import ProblemError

# |P - Pᵀ| up to this share of max|P| is rounding and is averaged away; beyond it, P was a mistake.
# In float32 a Gram matrix is off by more than that: there the share is 100 units of rounding.
ASYMMETRY_TOLERANCE = 1e-10
# A matrix is compared with its transpose in strips of so many rows, above so many in all: half the time at n = 1000.
STRIP = 64
LARGEST_STRIP = 600
# From so many rows on products with one vector are cheaper than a comparison.
SMALLEST_PROBED = 64
EPS = float(np.finfo(float).eps)
# Up to so many rows as strings of bytes: a quarter of the time of NumPy's calls at n = 8.
LARGEST_BYTES = 20


def as_real_array(name: str, value: Any, *, finite: bool = True) -> np.ndarray:
    """`value` as a real floating array: float32 stays float32, everything else becomes float64."""
    if type(value) is np.ndarray and value.dtype == np.float64:
        array = value
    else:
        array = _floating(name, value)
    if finite:
        check_finite(name, array)
    return array


def _floating(name: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ProblemError(f"{name} is not a rectangular array of numbers: {error}.") from None
    if array.dtype not in (np.float64, np.float32):
        if np.iscomplexobj(array):
            raise ProblemError(f"{name} is complex; convexkit works over the reals. Stack real and imaginary parts.")
        try:
            array = array.astype(np.float64, copy=False)
        except (TypeError, ValueError):
            raise ProblemError(f"{name} must hold numbers; it has dtype {array.dtype}.") from None
    return array


def check_finite(name: str, array: np.ndarray) -> None:
    """Raise ProblemError naming the first entry of `array` that is NaN or infinite."""
    # One call and no temporary: a sum of squares is finite only if every term is, short of overflow. Of that BLAS does
    # not warn, unlike NumPy.
    flat = array.reshape(-1) if array.flags.c_contiguous else array.ravel(order="K")
    if flat.size == 0 or math.isfinite((ddot if flat.dtype == np.float64 else sdot)(flat, flat)):
        return
    bad = np.argwhere(~np.isfinite(array))
    if len(bad) == 0:
        return
    if array.ndim == 0:
        raise ProblemError(f"{name} = {array} is not finite.")
    where = ", ".join(str(i) for i in bad[0])
    shown = array[tuple(bad[0])]
    raise ProblemError(f"{name} has {len(bad)} entries that are not finite; the first is {name}[{where}] = {shown}.")


def dense(matrix: Any) -> np.ndarray:
    """A matrix as an array, whether it was sparse or not."""
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)


def as_vector(name: str, value: Any, n: int | None = None, *, finite: bool = True) -> np.ndarray:
    """`value` as a float64 vector of length n; a scalar stands for a vector of length 1."""
    array = as_real_array(name, value, finite=finite)
    if array.dtype != np.float64:
        array = array.astype(np.float64)
    if array.ndim == 0:
        array = array.reshape(1)
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim != 1:
        raise ProblemError(f"{name} must be a vector; it has shape {array.shape}.")
    if n is not None and array.size != n:
        raise ProblemError(f"{name} has length {array.size}; expected {n}.")
    return array


def as_matrix(name: str, value: Any, columns: int | None = None) -> Any:
    """`value` as a float64 matrix, dense or CSR, with the given number of columns; a vector is one row."""
    if type(value) is not np.ndarray and sp.issparse(value):
        if value.dtype.kind == "c":
            raise ProblemError(f"{name} is complex; convexkit works over the reals.")
        matrix = value.tocsr().astype(np.float64)
        check_finite(f"{name}.data", matrix.data)
    else:
        matrix = as_real_array(name, value)
        if matrix.dtype != np.float64:
            matrix = matrix.astype(np.float64)
        if matrix.ndim == 1 and columns is not None and (matrix.size == columns or matrix.size == 0):
            matrix = matrix.reshape(1 if matrix.size else 0, columns)
        if matrix.ndim != 2:
            raise ProblemError(f"{name} must be a matrix; it has shape {matrix.shape}.")
    if columns is not None and matrix.shape[1] != columns:
        raise ProblemError(f"{name} has shape {matrix.shape}; expected {columns} columns, one per variable.")
    return matrix


def as_symmetric(name: str, value: Any) -> Any:
    """`value` as a symmetric float matrix, dense or CSR. Asymmetry of more than rounding size is averaged away."""
    if _plainly_symmetric(value):
        return value
    if type(value) is not np.ndarray and sp.issparse(value):
        matrix = as_matrix(name, value)
    else:
        matrix = as_real_array(name, value)
        if matrix.ndim == 0:
            matrix = matrix.reshape(1, 1)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ProblemError(f"{name} must be a square matrix; it has shape {matrix.shape}.")
    if isinstance(matrix, np.ndarray) and _is_symmetric(matrix):
        return matrix
    difference = abs(matrix - matrix.T)
    worst = difference.max() if matrix.shape[0] else 0.0
    if worst == 0.0:
        return matrix
    scale = abs(matrix).max()
    if worst > max(ASYMMETRY_TOLERANCE, 100 * np.finfo(matrix.dtype).eps) * scale:
        i, j = np.unravel_index(np.argmax(difference.toarray() if sp.issparse(difference) else difference),
                                matrix.shape)
        raise ProblemError(
            f"{name} is not symmetric: {name}[{i}, {j}] = {matrix[i, j]:.6g} but {name}[{j}, {i}] = "
            f"{matrix[j, i]:.6g}. If ½xᵀPx is meant, pass (P + P.T) / 2, which has the same values."
        )
    return (matrix + matrix.T) / 2


def _plainly_symmetric(value: Any) -> bool:
    """Whether a dense P of 64 rows or more is finite and symmetric up to rounding; False leaves the question open.

    P and Pᵀ are multiplied with one vector, which takes a third of the time of comparing them entry by entry and
    looking for NaN. An entry that is off by 1e-13 of the largest product shows, as do NaN and infinity.
    """
    if not (type(value) is np.ndarray and value.dtype == np.float64 and value.ndim == 2
            and value.shape[0] == value.shape[1] >= SMALLEST_PROBED):
        return False
    v = probe(len(value))
    with np.errstate(all="ignore"):
        rows, columns = value @ v, v @ value
        size = float(np.abs(rows).max())
        return bool(np.abs(rows - columns).max() <= EPS * math.sqrt(v.size) * size < math.inf)


@lru_cache(maxsize=16)
def probe(n: int) -> np.ndarray:
    """n numbers of either sign between 1 and 2 in size."""
    rng = np.random.default_rng(n)
    v = rng.uniform(1.0, 2.0, n) * rng.choice([-1.0, 1.0], n)
    v.flags.writeable = False
    return v


def _is_symmetric(matrix: np.ndarray) -> bool:
    """Whether a dense matrix equals its transpose, compared in strips that stay in the processor's cache."""
    n = len(matrix)
    if n <= LARGEST_BYTES and matrix.tobytes() == matrix.T.tobytes():
        return True  # and if not, 0 and -0 may be all that differs
    if n <= LARGEST_STRIP:
        return bool((matrix == matrix.T).all())
    return all((matrix[i:i + STRIP, :i + STRIP] == matrix[:i + STRIP, i:i + STRIP].T).all() for i in range(0, n, STRIP))


def as_bound(name: str, value: Any, n: int, missing: float) -> np.ndarray:
    """A bound vector of length n: None is `missing` (±inf) everywhere, a scalar is repeated, inf is welcome."""
    if value is None:
        return np.full(n, missing)
    # One comparison for NaN and for the wrong infinity.
    if (type(value) is np.ndarray and value.dtype == np.float64 and value.shape == (n,)
            and (value < np.inf if missing < 0 else value > -np.inf).all()):
        return value
    array = as_real_array(name, value, finite=False).astype(np.float64, copy=False)
    if array.ndim == 0:
        array = np.full(n, float(array))
    array = as_vector(name, array, n, finite=False)
    if np.isnan(array).any():
        where = int(np.argmax(np.isnan(array)))
        raise ProblemError(f"{name}[{where}] is NaN; write {missing} where a variable has no bound.")
    if (array == -missing).any():
        where = int(np.argmax(array == -missing))
        raise ProblemError(f"{name}[{where}] = {-missing} leaves no value for variable {where}.")
    return array


def in_range(name: str, value: Any, low: float, high: float, *, low_open: bool = True, high_open: bool = True) -> float:
    """`value` as a float inside the interval; raises ProblemError with the interval in its message."""
    interval = f"{'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ProblemError(f"{name} must be a number in {interval}; got {value!r}.") from None
    above = number > low if low_open else number >= low
    below = number < high if high_open else number <= high
    if not (above and below):
        raise ProblemError(f"{name} = {number:g} is out of range; expected a number in {interval}.")
    return number


def as_count(name: str, value: Any, *, minimum: int = 0) -> int:
    """`value` as an integer of at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < minimum:
        raise ProblemError(f"{name} must be an integer of at least {minimum}; got {value!r}.")
    return int(value)
