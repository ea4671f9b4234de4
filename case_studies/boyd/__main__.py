"""python -m case_studies.boyd [ID] [--picture FILE.png] [--write-docs FOLDER]"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from .chapters import CHAPTERS
from .pages import write, write_picture
from .story import told


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m case_studies.boyd", description="Problems of Boyd & Vandenberghe, "
                                     "Convex Optimization, chapters 2 to 5, solved and checked.")
    parser.add_argument("id", nargs="?", help="the case to run, such as 5.1; all are listed if omitted")
    parser.add_argument("--picture", metavar="FILE.png", type=Path, help="also draw the case into a file")
    parser.add_argument("--write-docs", metavar="FOLDER", type=Path, help="run all cases and write the gallery")
    options = parser.parse_args(argv)
    cases = {case.id: case for chapter in CHAPTERS for case in chapter.cases}
    if options.write_docs:
        files = write(CHAPTERS, options.write_docs)
        print(f"wrote {len(files)} files into {options.write_docs}")
        return 0
    if options.id is None:
        for chapter in CHAPTERS:
            print(f"Chapter {chapter.number}: {chapter.title}")
            for case in chapter.cases:
                print(f"  {case.id:10s} {case.title}")
        return 0
    if options.id not in cases:
        near = difflib.get_close_matches(options.id, cases, n=4, cutoff=0.3)
        print(f"error: no case {options.id!r}; near it: {', '.join(near) or 'none'}. "
              "All are listed by python -m case_studies.boyd", file=sys.stderr)
        return 2
    case = cases[options.id]
    answer = case.run()
    print(told(case, answer))
    if options.picture:
        if case.draw is None:
            print(f"error: {case.id} has no picture.", file=sys.stderr)
            return 2
        write_picture(case, options.picture)
        print(f"\npicture: {options.picture}")
    return 0 if all(check.passed for check in answer.checks) else 1


if __name__ == "__main__":
    sys.exit(main())
