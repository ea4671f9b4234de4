"""How many threads BLAS may take: one for small problems, where two only wait for each other."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

# Below this many variables a second thread slows BLAS down, on a busy machine a hundredfold: a Cholesky factorization
# with n = 200 took 0.2 ms with one thread and 250 ms with two that shared their cores with others.
MANY_VARIABLES = 1000


@lru_cache(maxsize=1)
def _controller() -> Any:
    """threadpoolctl's handle on the BLAS libraries in this process, or None where it is not installed."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()


def limited_threads(n: int) -> AbstractContextManager:
    """A context in which BLAS takes one thread for problems of fewer than 1000 variables; about 40 µs.

    Without threadpoolctl, or for larger problems, whatever the environment says holds.
    """
    controller = _controller() if n < MANY_VARIABLES else None
    return nullcontext() if controller is None else controller.limit(limits=1, user_api="blas")
