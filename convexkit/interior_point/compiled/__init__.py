"""The iteration on small and medium dense problems, compiled by numba where that is installed.

At n = 8 nearly all of a solve is the overhead of calling NumPy; compiled, the same iteration takes a few hundredths of
the time. The reference remains `iteration.run`: it takes every problem that the kernel does not plainly solve.
"""

from .cache import available, compile_kernel
from .entry import PassesOver, run_compiled

__all__ = ["PassesOver", "available", "compile_kernel", "run_compiled"]
