"""python -m case_studies.trpo train | resume | evaluate | plot | compare | record

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

from .config import Choice, TrpoConfig, describe

BOARD = "Write the figures of progress.csv for TensorBoard too, to the folder tensorboard of the run."
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def option(name: str) -> str:
    """How a setting is spelled on the command line."""
    return "--" + name.replace("_", "-")


def parser() -> argparse.ArgumentParser:
    """The command line; the options of `train` are the fields of `TrpoConfig`, with the same words."""
    top = argparse.ArgumentParser(prog="python -m case_studies.trpo",
                                  description="Trust region policy optimization, built from convexkit.")
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, sentence: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=sentence[0].lower() + sentence[1:-1], description=sentence)

    train = command("train", "Train a policy.")
    train.epilog = "Defaults are those for most environments; settings.toml has others for some."
    train.add_argument("--out", type=Path, required=True, help="Folder of the run; it must not exist yet.")
    train.add_argument("--quiet", action="store_true", help="No progress bar and no summary.")
    train.add_argument("--tensorboard", action="store_true", help=BOARD)
    for setting in fields(TrpoConfig):
        # Only what is typed gets here: the rest comes from settings.toml, and then from the defaults.
        train.add_argument(option(setting.name), default=argparse.SUPPRESS, **_kind(setting))

    resume = command("resume", "Go on with a run that was finished, interrupted or killed.")
    resume.add_argument("run", type=Path, help="Folder of a run.")
    resume.add_argument("--steps", type=int, help="New total of environment steps. Default: that of the run.")
    resume.add_argument("--quiet", action="store_true", help="No progress bar and no summary.")
    resume.add_argument("--tensorboard", action="store_true", help=BOARD)

    evaluate = command("evaluate", "Play a trained policy, with sampled and with likeliest actions.")
    evaluate.add_argument("run", type=Path, help="Folder of a run.")
    evaluate.add_argument("--episodes", type=int, default=100, help="Episodes of each kind. Default: 100.")
    evaluate.add_argument("--seed", type=int, default=0, help="Seed of environments and actions. Default: 0.")

    plot = command("plot", "Draw one or more runs; seeds of the same settings become one band.")
    plot.add_argument("runs", type=Path, nargs="+", metavar="run", help="Folders of runs.")
    plot.add_argument("--out", type=Path, help="Picture to write. Default: curves.png in the first run's folder.")

    compare = command("compare", "Compare groups of runs: final returns with confidence intervals, steps to the goal.")
    compare.add_argument("runs", type=Path, nargs="+", metavar="run", help="Folders of runs.")

    record = command("record", "Film a trained policy; no display is needed.")
    record.add_argument("run", type=Path, help="Folder of a run.")
    record.add_argument("--out", type=Path, help="Film to write, .gif, .webp or .png (animated). "
                                                 "Default: film.gif in the run's folder.")
    record.add_argument("--seed", type=int, default=0, help="Seed of the episode. Default: 0.")
    record.add_argument("--frames", type=int, default=500, help="Frames at most. Default: 500.")
    record.add_argument("--stochastic", action="store_true", help="Sampled actions instead of the likeliest ones.")
    return top


def _kind(setting: Any) -> dict[str, Any]:
    """How argparse takes one setting."""
    default = setting.default
    shown = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    # argparse expands % in help texts.
    words = {"help": f"{describe(setting)} Default: {shown}.".replace("%", "%%")}
    if isinstance(default, bool):
        return {"action": argparse.BooleanOptionalAction, **words}
    if isinstance(default, tuple):
        return {"type": int, "nargs": "*", "metavar": "WIDTH", **words}
    if isinstance(setting.metadata["range"], Choice):
        return {"choices": setting.metadata["range"].words, **words}
    return {"type": type(default), "metavar": setting.name.upper(), **words}


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


@contextmanager
def watched(total: int, arguments: argparse.Namespace, run: Path) -> Iterator[Callable[[Any], None]]:
    """A callback for the progress bar, and for TensorBoard if asked for."""
    with progress_bar(total, arguments.quiet) as show:
        if not arguments.tensorboard:
            yield show
            return
        from .tensorboard import Board

        with Board(run) as board:
            def both(record: Any) -> None:
                show(record)
                board(record)

            yield both


def run_train(arguments: argparse.Namespace) -> int:
    """Train, and say how it ended."""
    from .training import train

    typed = {setting.name: getattr(arguments, setting.name) for setting in fields(TrpoConfig)
             if hasattr(arguments, setting.name)}
    config = TrpoConfig.for_env(typed.pop("env", TrpoConfig.env), **typed)
    with watched(config.iterations * config.horizon * config.envs, arguments, arguments.out) as show:
        result = train(config, arguments.out, callback=show)
    return _ended(arguments, config, result, arguments.out)


def run_resume(arguments: argparse.Namespace) -> int:
    """Resume, and say how it ended."""
    from .run_folder import read_config
    from .training import resume

    config = read_config(arguments.run)
    total = config.steps if arguments.steps is None else arguments.steps
    with watched(total, arguments, arguments.run) as show:
        result = resume(arguments.run, steps=arguments.steps, callback=show)
    return _ended(arguments, read_config(arguments.run), result, arguments.run)


def _ended(arguments: argparse.Namespace, config: TrpoConfig, result: Any, out: Path) -> int:
    if not arguments.quiet:
        print(summary(config, result, out))
    return INTERRUPTED if result.interrupted else 0


def summary(config: TrpoConfig, result: Any, out: Path) -> str:
    """A few lines on a finished run."""
    lines = []
    if result.strayed:
        lines.append(f"Environments {result.strayed} did not repeat their episode and began a new one: the run is not "
                     "bit for bit that of one without interruption.")
    if result.interrupted:
        lines.append(f"Interrupted after {len(result.records)} of {config.iterations} iterations.")
    if result.records:
        last, wall = result.records[-1], sum(timing.wall for timing in result.timings)
        steps = len(result.timings) * config.horizon * config.envs
        pace = f"{steps} steps in {wall:.1f} s ({steps / wall:.0f} a second)" if steps else "nothing left to do"
        lines.append(f"{config.env}: {pace}, {last.episodes} episodes, "
                     f"mean of the last {min(last.episodes, 100)}: {last.mean_return_100:.1f}.")
        if result.solved_at is not None:
            lines.append(f"Solved: the mean of the last 100 episodes reached {result.threshold:g} after "
                         f"{result.solved_at} steps.")
        elif result.threshold is not None:
            lines.append(f"Not solved: the mean of the last 100 episodes did not reach {result.threshold:g}.")
    lines.append(f"Written to {out}.")
    return "\n".join(lines)


def _at_least(arguments: argparse.Namespace, **least: int) -> None:
    for name, bound in least.items():
        if getattr(arguments, name) < bound:
            raise ck.ProblemError(f"{name} must be at least {bound}; got {getattr(arguments, name)}.")


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Evaluate, and print both means with their errors."""
    from .evaluation import evaluate

    _at_least(arguments, episodes=1, seed=0)
    for name, result in evaluate(arguments.run, episodes=arguments.episodes, seed=arguments.seed).items():
        print(f"{name}: {result}")
    return 0


def run_plot(arguments: argparse.Namespace) -> int:
    """Plot, and print where to."""
    from .plots import plot

    print(plot(arguments.runs, arguments.out or arguments.runs[0] / "curves.png"))
    return 0


def run_compare(arguments: argparse.Namespace) -> int:
    """Print the table."""
    from .comparison import compare

    print(compare(arguments.runs))
    return 0


def run_record(arguments: argparse.Namespace) -> int:
    """Film, and print what was filmed."""
    from .recording import record

    _at_least(arguments, seed=0, frames=1)
    out = arguments.out or arguments.run / "film.gif"
    film = record(arguments.run, out, seed=arguments.seed, frames=arguments.frames, stochastic=arguments.stochastic)
    print(f"{out}: {film}")
    return 0


def named(error: Exception) -> str:
    """The message of an error, with the option it is about spelled as on the command line."""
    first, separator, rest = str(error).partition(" ")
    known = {setting.name for setting in fields(TrpoConfig)} | {"out", "episodes", "frames"}
    return (option(first) if first in known else first) + separator + rest


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    >>> main(["train", "--gamma", "2", "--out", "nowhere"])
    2
    """
    arguments = parser().parse_args(argv)
    run = {"train": run_train, "resume": run_resume, "evaluate": run_evaluate, "plot": run_plot,
           "compare": run_compare, "record": run_record}[arguments.command]
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
