"""python -m case_studies.boyd [ID] [--picture FILE.png] [--check] [--write-docs FOLDER]

Exit code 0 if every check passed, 1 if one did not, 2 for a request that makes no sense.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

import convexkit as ck

from .case import Case
from .chapters import CHAPTERS
from .pages import write, write_picture
from .story import told
from .verdict import all_checks, cvxpy_is_here, table


class RequestError(Exception):
    """What was asked for cannot be done; the message says why."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m case_studies.boyd", description="Problems of Boyd & Vandenberghe, "
                                  "Convex Optimization, solved and checked. Without arguments they are listed.")
    top.add_argument("id", nargs="?", help="the problem to tell: 5.1 is an exercise, 5.2.4 a section, E5.2 an example, "
                                           "A5.4 an additional exercise")
    top.add_argument("--picture", metavar="FILE.png", type=Path, help="also draw the problem into a file")
    top.add_argument("--check", action="store_true", help="run all; print the rows passed and the worst disagreement")
    top.add_argument("--write-docs", metavar="FOLDER", type=Path, help="run all and write the gallery")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = parser().parse_args(argv)
    try:
        if (options.id is not None) + options.check + (options.write_docs is not None) > 1:
            raise RequestError("ask for one thing: a problem, --check or --write-docs.")
        if options.picture and options.id is None:
            raise RequestError("--picture needs the problem to draw, such as 5.1.")
        if options.check:
            text, passed = table(CHAPTERS)
            print(text)
            return 0 if passed else 1
        if options.write_docs:
            files = write(CHAPTERS, options.write_docs)
            print(f"wrote {len(files)} files into {options.write_docs}")
            return 0
        if options.id is None:
            print(listing())
            return 0
        return tell(find(options.id), options.picture)
    except (RequestError, OSError, ck.MissingDependencyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def listing() -> str:
    """All problems, by chapter."""
    lines = []
    for chapter in CHAPTERS:
        lines.append(f"Chapter {chapter.number}: {chapter.title}")
        lines += [f"  {case.id:7s} {case.title}" for case in chapter.cases]
    return "\n".join(lines)


def find(id: str) -> Case:
    """The problem of that number, in large or small letters."""
    cases = {case.id: case for chapter in CHAPTERS for case in chapter.cases}
    wanted = next((known for known in cases if known.lower() == id.strip().lower()), None)
    if wanted is None:
        near = difflib.get_close_matches(id, cases, n=4, cutoff=0.3)
        raise RequestError(f"no problem {id!r}; near it: {', '.join(near) or 'none'}. "
                           "All are listed by python -m case_studies.boyd")
    return cases[wanted]


def tell(case: Case, picture: Path | None) -> int:
    """Print the story of one problem, and draw it if asked to; returns the exit code."""
    if picture and case.draw is None:
        raise RequestError(f"{case.id} has no picture.")
    if picture and picture.suffix.lower() != ".png":
        raise RequestError(f"--picture {picture}: the name must end in .png.")
    checks = all_checks(case)
    print(told(case, checks))
    if not cvxpy_is_here():
        print("\nNot compared with cvxpy, which is not installed: pip install 'convexkit[cvxpy]'")
    if picture:
        try:
            write_picture(case, picture)
        except ModuleNotFoundError as error:
            raise RequestError(f"pictures need matplotlib: pip install 'convexkit[plot]' ({error})") from None
        print(f"\npicture: {picture}")
    return 0 if all(check.passed for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
