"""How many threads BLAS may take: one, but for the factorizations of large matrices.

Two threads that share a core with other work wait for each other: a Cholesky factorization with n = 200 took 0.2 ms
with one thread and 250 ms with two on a busy machine. Products and sums, which wait for memory, gain little from a
second one. What gains is the n³ of a large factorization.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

# From this many variables on a factorization takes all threads.
MANY_VARIABLES = 1000

# The number of threads is one for the whole process: who comes first notes it, who leaves last puts it back.
_lock = Lock()
_inside = 0
_usual: list[tuple[Any, int]] = []


@lru_cache(maxsize=1)
def _libraries() -> list[Any]:
    """threadpoolctl's handles on the BLAS libraries in this process; none where it is not installed."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return []
    return [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]


@contextmanager
def limited_threads() -> Iterator[None]:
    """A context in which BLAS takes one thread; a few µs. Without threadpoolctl whatever the environment says holds."""
    global _inside
    libraries = _libraries()
    with _lock:
        if _inside == 0:
            _usual[:] = [(library, library.get_num_threads()) for library in libraries]
            for library in libraries:
                library.set_num_threads(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                for library, count in _usual:
                    library.set_num_threads(count)


@contextmanager
def all_threads(n: int) -> Iterator[None]:
    """Within `limited_threads`, the usual number of threads for a factorization of n ≥ 1000 variables."""
    if n < MANY_VARIABLES:
        yield
        return
    with _lock:
        # Another solve beside this one has its own use for the other cores.
        alone = _inside == 1
        if alone:
            for library, count in _usual:
                library.set_num_threads(count)
    try:
        yield
    finally:
        with _lock:
            if alone and _inside:
                for library, _ in _usual:
                    library.set_num_threads(1)
