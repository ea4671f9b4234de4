"""python -m case_studies.trpo train | evaluate | plot

One clear line on standard error for every mistake; exit code 2 for bad input, 1 if a run fails on its way,
130 if it is interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import convexkit as ck

from .config import TrpoConfig, describe

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def option(name: str) -> str:
    """How a setting is spelled on the command line."""
    return "--" + name.replace("_", "-")


def parser() -> argparse.ArgumentParser:
    """The command line; the options of `train` are the fields of `TrpoConfig`, with the same words."""
    top = argparse.ArgumentParser(prog="python -m case_studies.trpo",
                                  description="Trust region policy optimization, built from convexkit.")
    commands = top.add_subparsers(dest="command", required=True)

    train = commands.add_parser("train", help="train a policy", description="Train a policy.")
    train.add_argument("--out", type=Path, required=True, help="Folder of the run; it must not exist yet.")
    train.add_argument("--quiet", action="store_true", help="No progress bar and no summary.")
    for setting in fields(TrpoConfig):
        default = setting.default
        # argparse expands % in help texts.
        words = f"{describe(setting)} Default: {_shown(default)}.".replace("%", "%%")
        kind: dict[str, Any] = {"type": type(default), "metavar": setting.name.upper()}
        if isinstance(default, bool):
            kind = {"action": argparse.BooleanOptionalAction}
        elif isinstance(default, tuple):
            kind = {"type": int, "nargs": "*", "metavar": "WIDTH"}
        train.add_argument(option(setting.name), default=default, help=words, **kind)

    evaluate = commands.add_parser("evaluate", help="play a trained policy",
                                   description="Play a trained policy, with sampled and with likeliest actions.")
    evaluate.add_argument("run", type=Path, help="Folder of a run.")
    evaluate.add_argument("--episodes", type=int, default=100, help="Episodes of each kind. Default: 100.")
    evaluate.add_argument("--seed", type=int, default=0, help="Seed of environments and actions. Default: 0.")

    plot = commands.add_parser("plot", help="draw runs", description="Draw one or more runs in one picture.")
    plot.add_argument("runs", type=Path, nargs="+", metavar="run", help="Folders of runs.")
    plot.add_argument("--out", type=Path, help="Picture to write. Default: curves.png in the first run's folder.")
    return top


def _shown(default: Any) -> str:
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


@contextmanager
def progress_bar(total: int, quiet: bool) -> Iterator[Callable[[Any], None]]:
    """A callback that moves a bar on a terminal, where tqdm is installed; otherwise one that does nothing."""
    if quiet or not sys.stderr.isatty():
        yield lambda record: None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield lambda record: None
        return
    with tqdm(total=total, unit="step", unit_scale=True) as bar:
        def show(record: Any) -> None:
            bar.set_postfix(episodes=record.episodes, mean_return=f"{record.mean_return_100:.1f}",
                            kl=f"{record.kl:.4f}", refresh=False)
            bar.update(record.env_steps - bar.n)

        yield show


def run_train(arguments: argparse.Namespace) -> int:
    """Train, and say how it ended."""
    from .training import train

    config = TrpoConfig(**{setting.name: getattr(arguments, setting.name) for setting in fields(TrpoConfig)})
    with progress_bar(config.iterations * config.horizon * config.envs, arguments.quiet) as show:
        result = train(config, arguments.out, callback=show)
    if not arguments.quiet:
        print(summary(config, result, arguments.out))
    return INTERRUPTED if result.interrupted else 0


def summary(config: TrpoConfig, result: Any, out: Path) -> str:
    """A few lines on a finished run."""
    lines = []
    if result.interrupted:
        lines.append(f"Interrupted after {len(result.records)} of {config.iterations} iterations.")
    if result.records:
        last = result.records[-1]
        lines.append(f"{config.env}: {last.env_steps} steps in {last.wall_seconds:.1f} s "
                     f"({last.env_steps / last.wall_seconds:.0f} a second), {last.episodes} episodes, "
                     f"mean of the last {min(last.episodes, 100)}: {last.mean_return_100:.1f}.")
        if result.solved_at is not None:
            lines.append(f"Solved: the mean of the last 100 episodes reached {result.threshold:g} after "
                         f"{result.solved_at} steps.")
        elif result.threshold is not None:
            lines.append(f"Not solved: the mean of the last 100 episodes did not reach {result.threshold:g}.")
    lines.append(f"Written to {out}.")
    return "\n".join(lines)


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate, and print both means with their standard errors."""
    from .evaluation import evaluate

    if arguments.episodes < 1:
        raise ck.ProblemError(f"episodes must be at least 1; got {arguments.episodes}.")
    if arguments.seed < 0:
        raise ck.ProblemError(f"seed must be at least 0; got {arguments.seed}.")
    for name, result in evaluate(arguments.run, episodes=arguments.episodes, seed=arguments.seed).items():
        print(f"{name}: {result}")
    return 0


def run_plot(arguments: argparse.Namespace) -> int:
    """Plot, and print where to."""
    from .plots import plot

    print(plot(arguments.runs, arguments.out or arguments.runs[0] / "curves.png"))
    return 0


def named(error: Exception) -> str:
    """The message of an error, with the option it is about spelled as on the command line."""
    first, separator, rest = str(error).partition(" ")
    known = {setting.name for setting in fields(TrpoConfig)} | {"out", "episodes"}
    return (option(first) if first in known else first) + separator + rest


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    >>> main(["train", "--gamma", "2", "--out", "nowhere"])
    2
    """
    arguments = parser().parse_args(argv)
    run = {"train": run_train, "evaluate": run_evaluate, "plot": run_plot}[arguments.command]
    try:
        return run(arguments)
    except KeyboardInterrupt:
        print("interrupted.", file=sys.stderr)
        return INTERRUPTED
    except ck.ConvexkitError as error:
        print(f"error: {named(error)}", file=sys.stderr)
        usage = isinstance(error, (ck.ProblemError, ck.FormatError, ck.MissingDependencyError))
        return 2 if usage else 1
    except OSError as error:  # a disk that is full by now, say; what was finished is whole
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
