"""Where the compiled kernel is kept, and whether it is there. Nothing here needs numba.

Compiling takes the better part of a minute, once for a machine and a version: too long for a first call of `solve` to
do unasked. `python -m convexkit compile` does it; until then, and without numba, the reference iterates.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ...errors import ConvexkitError, MissingDependencyError

HERE = Path(__file__).parent
# Everything that the machine code depends on: the sources, and the modules whose constants they use.
SOURCES = tuple(HERE.parents[1] / place for place in (
    *(f"interior_point/compiled/{name}.py" for name in ("linear", "passes", "problem", "kernel")),
    "interior_point/scaling.py", "interior_point/settings.py", "interior_point/embedding.py", "duality/kkt.py",
    "duality/rows.py"))
STAMP = "ready"


def _processor() -> str:
    """What tells processors apart that need different machine code."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    except OSError:
        return platform.processor()


@lru_cache(maxsize=1)
def _name() -> str | None:
    """The folder's name, from all that the machine code depends on; None without numba."""
    try:
        digest = hashlib.sha256(f"{version('numba')} {sys.version} {platform.machine()} {_processor()}".encode())
    except PackageNotFoundError:
        return None
    for source in SOURCES:
        digest.update(source.read_bytes())
        if source.parent == HERE:  # numba takes machine code of a file that was moved or written again for stale
            digest.update(f"{source} {source.stat().st_mtime}".encode())
    return f"convexkit-{digest.hexdigest()[:16]}"


def _places() -> list[Path]:
    """Where the folder may lie: beside the sources, or in the user's cache."""
    name = _name()
    if name is None:
        return []
    caches = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return [HERE / "__pycache__" / name, Path(caches) / "convexkit" / name]


@lru_cache(maxsize=1)
def folder() -> Path | None:
    """The folder with finished machine code for this machine and these versions, or None."""
    for place in _places():
        try:
            if (place / STAMP).is_file():
                return place
        except OSError:
            continue
    return None


def available() -> bool:
    """Whether the kernel can be used at once."""
    return folder() is not None


def compile_kernel() -> tuple[Path, float]:
    """Compile the kernel unless that was done before; the folder, and the seconds it took (0 if there was no need).

    Raises
    ------
    MissingDependencyError
        Without numba.
    ConvexkitError
        If no folder can be written.
    """
    if _name() is None:
        raise MissingDependencyError("numba is not installed; pip install 'convexkit[compiled]' brings it.")
    ready = folder()
    if ready is not None:
        return ready, 0.0
    start = time.perf_counter()
    place = writable()
    from .entry import warm_up

    warm_up()
    temporary = place / f"{STAMP}.{os.getpid()}"
    temporary.write_text("compiled\n")
    os.replace(temporary, place / STAMP)
    folder.cache_clear()
    return place, time.perf_counter() - start


def writable() -> Path:
    """The first place that can be written."""
    problems = []
    for place in _places():
        try:
            place.mkdir(parents=True, exist_ok=True)
            probe = place / f"probe.{os.getpid()}"
            probe.write_text("")
            probe.unlink()
            return place
        except OSError as error:
            problems.append(f"{place}: {error.strerror}")
    raise ConvexkitError(f"no folder for the compiled kernel can be written ({'; '.join(problems)}).")
