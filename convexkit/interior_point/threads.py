"""How many threads BLAS may take: one, but for the factorizations of large matrices.

Two threads that share a core with other work wait for each other: a Cholesky factorization with n = 200 took 0.2 ms
with one thread and 250 ms with two on a busy machine. Products and sums, which wait for memory, gain little from a
second one. What gains is the n³ of a large factorization.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import local
from typing import Any

# From this many variables on a factorization takes all threads.
MANY_VARIABLES = 1000

# What this thread has found on entering `limited_threads`: pairs (library, number of threads).
_found = local()


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
    """A context in which BLAS takes one thread; a few µs. Without threadpoolctl whatever the environment says holds.

    Of several Python threads that solve at the same time, threadpoolctl lets one decide.
    """
    before = getattr(_found, "usual", None)
    usual = [(library, library.get_num_threads()) for library in _libraries()]
    _found.usual = before or usual
    for library, _ in usual:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, count in usual:
            library.set_num_threads(count)
        _found.usual = before


@contextmanager
def all_threads(n: int) -> Iterator[None]:
    """Within `limited_threads`, the usual number of threads for a factorization of n ≥ 1000 variables."""
    usual = getattr(_found, "usual", None) if n >= MANY_VARIABLES else None
    for library, count in usual or ():
        library.set_num_threads(count)
    try:
        yield
    finally:
        for library, _ in usual or ():
            library.set_num_threads(1)
