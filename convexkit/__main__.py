"""`python -m convexkit solve FILE`: solve a problem from a file and print the evidence."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from . import __version__, report
from .errors import ConvexkitError
from .formats import FORMATS, KEYS, SPARSE, example_problem, read_problem, write_problem
from .interior_point import compile_kernel
from .solution import IterationRecord, Solution, Status
from .solver import METHODS, solve

# Exit codes: a script can tell the outcomes apart, and only `optimal` is success.
EXIT_CODES = {
    Status.OPTIMAL: 0, Status.OPTIMAL_INACCURATE: 3, Status.INFEASIBLE: 4, Status.UNBOUNDED: 5,
    Status.ITERATION_LIMIT: 6, Status.TIME_LIMIT: 7, Status.NUMERICAL_ERROR: 8,
    Status.INTERRUPTED: 130,
}
BAD_INPUT = 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m convexkit", description="Convex QCQPs with native quadratics.")
    parser.add_argument("--version", action="version", version=f"convexkit {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    formats = "\n".join(f"  {suffix:7s}{text}" for suffix, text in FORMATS.items())
    keys = "\n".join(f"  {key:6s}{text}" for key, text in KEYS.items())
    command = commands.add_parser(
        "solve", help=f"solve the problem in a file ({', '.join(FORMATS)})",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Solve the problem in FILE and print status, value, KKT residuals and time.",
        epilog=f"formats of FILE, by its suffix; text may be compressed, as in .mps.gz:\n{formats}\n\n"
               f"keys of a .npz file:\n{keys}\n"
               f"  Sparse {', '.join(SPARSE)}: NAME_v at (NAME_i, NAME_j) instead of NAME.\n\nexit codes: "
               + ", ".join(f"{code} {status}" for status, code in EXIT_CODES.items()) + f", {BAD_INPUT} bad input")
    command.add_argument("file", metavar="FILE")
    command.add_argument("--write-example", action="store_true",
                         help="write a small example problem to FILE (.npz) instead of solving; never replaces a file")
    command.add_argument("--json", action="store_true", help="print one JSON object, with x and all multipliers")
    command.add_argument("--tol", type=float, default=1e-8, help="relative tolerance (default %(default)g)")
    command.add_argument("--method", choices=METHODS, default="auto", help="default %(default)s")
    command.add_argument("--maxiter", type=int, default=100, help="iterations (default %(default)s)")
    command.add_argument("--time-limit", type=float, metavar="SECONDS", help="stop after this long")
    command.add_argument("--verbose", action="store_true",
                         help="print one line an iteration and one at the end, to standard error")
    commands.add_parser(
        "compile", help="compile the kernel for dense problems with up to 256 variables, once, by numba",
        description="Compile the iteration for dense problems with up to 256 variables. It takes up to a minute, once "
                    "for a machine and a version; such problems are then solved several times faster. Needs numba: "
                    "pip install 'convexkit[compiled]'.")
    return parser


def _compile() -> None:
    folder, seconds = compile_kernel()
    print(f"compiled in {seconds:.0f} s into {folder}" if seconds else f"nothing to do: the kernel is in {folder}")


def _print_iteration(record: IterationRecord) -> None:
    print(report.iteration_line(record), file=sys.stderr)


def _print_end(solution: Solution) -> None:
    print(f"{solution.status} after {solution.nit} iterations and {solution.seconds:.4f} seconds: {solution.message}",
          file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "compile":
            _compile()
            return 0
        if options.write_example:
            if os.path.lexists(options.file):
                print(f"error: {options.file} exists and is left alone; name a new file.", file=sys.stderr)
                return BAD_INPUT
            write_problem(options.file, example_problem())
            print(f"wrote {options.file}; solve it with: python -m convexkit solve {options.file}")
            return 0
        problem = read_problem(options.file)
        if options.verbose:
            print(report.ITERATION_HEADER, file=sys.stderr)
        solution = solve(problem, tol=options.tol, method=options.method, maxiter=options.maxiter,
                         time_limit=options.time_limit, callback=_print_iteration if options.verbose else None)
        if options.verbose:
            _print_end(solution)
    except ConvexkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    if options.json:
        print(json.dumps(report.as_dict(problem, solution), allow_nan=False))
    else:
        print(report.summary(problem, solution))
    return EXIT_CODES[solution.status]


if __name__ == "__main__":
    sys.exit(main())
