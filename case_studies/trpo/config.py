"""Every setting of a run: its default, what it means, its range and where the default comes from.

`settings.toml`, beside this file, has the values that differ for an environment.
"""

from __future__ import annotations

import sys
from dataclasses import Field, asdict, dataclass, field, fields
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

import convexkit as ck

from .constraint import Limit

SETTINGS = Path(__file__).with_name("settings.toml")


@dataclass(frozen=True)
class Interval:
    """The numbers a setting may take; an end is open unless it is said to be closed."""

    low: float = -inf
    high: float = inf
    closed_low: bool = False
    closed_high: bool = False

    def __contains__(self, number: float) -> bool:
        above = number >= self.low if self.closed_low else number > self.low
        below = number <= self.high if self.closed_high else number < self.high
        return above and below

    def __str__(self) -> str:
        return f"{'[' if self.closed_low else '('}{self.low:g}, {self.high:g}{']' if self.closed_high else ')'}"


@dataclass(frozen=True)
class Choice:
    """The words a setting may take."""

    words: tuple[str, ...]

    def __contains__(self, word: str) -> bool:
        return word in self.words

    def __str__(self) -> str:
        return ", ".join(self.words)


POSITIVE = Interval(0)
AT_LEAST_ZERO = Interval(0, closed_low=True)
AT_LEAST_ONE = Interval(1, closed_low=True)
SHARE = Interval(0, 1, closed_low=True, closed_high=True)


def setting(default: Any, sentence: str, source: str, interval: Interval | Choice | None = None) -> Any:
    """A dataclass field that carries its own documentation."""
    return field(default=default, metadata={"sentence": sentence, "range": interval, "source": source})


@dataclass(frozen=True)
class TrpoConfig:
    """The settings of one training run; `config.json` is this and nothing else.

    Raises
    ------
    ProblemError
        If a setting has the wrong type or is out of its range; names the setting.

    Examples
    --------
    >>> TrpoConfig(max_kl=0.02).max_kl
    0.02
    >>> TrpoConfig(gamma=1.5)
    Traceback (most recent call last):
        ...
    convexkit.errors.ProblemError: gamma = 1.5 is out of range; expected a number in [0, 1].
    """

    env: str = setting("CartPole-v1", "Gymnasium id of the environment.", "Gymnasium")
    algorithm: str = setting("trpo", "Trust region, natural gradient without line search, or plain gradient.", "",
                             Choice(("trpo", "npg", "vpg")))
    steps: int = setting(100_000, "Environment steps of the whole run, rounded down to whole batches.",
                         "the usual budget for classic control", AT_LEAST_ONE)
    seed: int = setting(0, "Seed of everything random: networks, actions and environments.", "", AT_LEAST_ZERO)
    envs: int = setting(8, "Environments stepped side by side in this process.",
                        "measured: one network pass serves all of them", AT_LEAST_ONE)
    processes: bool = setting(False, "Step each environment in a process of its own: the same run, sooner if a step is "
                                     "slow and processors are free.", "Gymnasium's AsyncVectorEnv")
    batch_size: int = setting(2000, "Steps between two updates, over all environments together.",
                              "measured on CartPole: half of it is less steady", Interval(2, closed_low=True))
    hidden: tuple[int, ...] = setting((64, 64), "Widths of the hidden layers of policy and baseline.",
                                      "Spinning Up", AT_LEAST_ONE)
    activation: str = setting("tanh", "Activation of the hidden layers.", "Spinning Up",
                              Choice(("tanh", "relu", "elu")))
    gamma: float = setting(0.99, "Discount factor.", "Schulman et al. 2016", SHARE)
    gae_lambda: float = setting(0.95, "Decay of the advantage estimator: 0 is one step, 1 is Monte Carlo.",
                                "Schulman et al. 2016", SHARE)
    max_kl: float = setting(0.01, "Trust region: the largest mean KL divergence of one update.",
                            "Schulman et al. 2015", POSITIVE)
    anneal_steps: int = setting(0, "Steps over which max_kl falls in a straight line to a twentieth of itself, where "
                                   "it stays; 0 keeps it constant. A number of its own, so that a longer run begins "
                                   "like a shorter one.", "as learning rates are annealed", AT_LEAST_ZERO)
    damping: float = setting(0.1, "Multiple of the identity added to the Fisher matrix.",
                             "Spinning Up", POSITIVE)
    adaptive_damping: bool = setting(False, "Raise the damping after a shortened step, lower it after a full one.",
                                     "Levenberg-Marquardt; Martens & Grosse 2015, section 6.5")
    metric_share: float = setting(1.0, "Share of the batch that the Fisher matrix is averaged over; gradient, KL and "
                                       "line search always see all of it.",
                                  "Schulman et al. 2015, Appendix C, took a tenth", Interval(0, 1, closed_high=True))
    cg_iterations: int = setting(10, "Largest number of conjugate gradient iterations of one update.",
                                 "Schulman et al. 2015, Appendix C", AT_LEAST_ONE)
    cg_rtol: float = setting(0.01, "Conjugate gradient stops at this relative residual.",
                             "measured: a smaller one changes no learning curve", Interval(0, 1, closed_low=True))
    sufficient_decrease: float = setting(0.1, "Share of the predicted gain that the line search asks for (alpha).",
                                         "Boyd & Vandenberghe, section 9.2", Interval(0, 0.5))
    shrink: float = setting(0.7, "Factor by which the line search shortens a refused step (beta).",
                            "Boyd & Vandenberghe, section 9.2", Interval(0, 1))
    line_search_trials: int = setting(12, "Largest number of trial steps of one line search.",
                                      "0.7 to the power of 11 is 2 %", AT_LEAST_ONE)
    vpg_step: float = setting(0.3, "Step length of the plain gradient: theta + vpg_step · gradient (vpg only).",
                              "measured on CartPole: 0.03 is slow, 3 is unsteady", POSITIVE)
    value_passes: int = setting(1, "Passes over each batch to fit the baseline to it; 0 freezes the baseline.",
                                "measured: benchmarks/trpo_value_fit.py", AT_LEAST_ZERO)
    value_rows: int = setting(200, "Rows in each of the random parts that a pass deals the batch to, one fitting step "
                                   "on each; a step solves a system of so many equations.",
                              "measured: benchmarks/trpo_value_fit.py", Interval(1, 2000, True, True))
    value_cg_iterations: int = setting(50, "Largest number of conjugate gradient iterations in each of these steps.",
                                       "measured: from 30 on it is not reached as a rule", AT_LEAST_ONE)
    value_damping: float = setting(0.1, "Multiple of the identity added to the baseline's Gauss-Newton matrix.",
                                   "measured: benchmarks/trpo_value_fit.py", POSITIVE)
    constraint: str = setting("none", "Limit on the mean over steps of an entry of info, as cost<=0.1; trpo only.",
                              "Achiam et al. 2017")
    initial_log_std: float = setting(0.0, "Logarithm of the first standard deviation of continuous actions.",
                                     "stable-baselines3", Interval())
    noise_steps: int = setting(0, "Steps over which continuous actions lose their noise: the logarithms of their "
                                  "deviations are held under a straight line from initial_log_std to final_log_std; 0 "
                                  "leaves them alone.", "measured: docs/trpo/results.md", AT_LEAST_ZERO)
    final_log_std: float = setting(-1.5, "Where that line ends and the ceiling stays.",
                                   "measured: docs/trpo/results.md", Interval())
    normalize_observations: bool = setting(True, "Shift and scale observations by their running mean and deviation.",
                                           "frozen within a batch, saved with the policy")

    def __post_init__(self) -> None:
        # json gives a list and the command line an argparse list; the frozen value is a tuple.
        if isinstance(self.hidden, list):
            object.__setattr__(self, "hidden", tuple(self.hidden))
        for option in fields(self):
            check(option, getattr(self, option.name))
        if self.limit is not None and (self.algorithm != "trpo" or self.processes):
            raise ck.ProblemError(f"constraint = {self.constraint!r} needs algorithm = 'trpo' and processes = False; "
                                  f"got {self.algorithm!r} and {self.processes}.")
        if self.batch_size < self.envs:
            raise ck.ProblemError(f"batch_size = {self.batch_size} is less than envs = {self.envs}; "
                                  "every environment must make at least one step in a batch.")
        if self.steps < self.batch_size:
            raise ck.ProblemError(f"steps = {self.steps} is less than batch_size = {self.batch_size}; "
                                  "there would be no update.")

    @classmethod
    def for_env(cls, env: str, **settings: Any) -> TrpoConfig:
        """The settings of `settings.toml` for an environment, and those given here on top of them.

        >>> TrpoConfig.for_env("Pendulum-v1").gamma, TrpoConfig.for_env("Pendulum-v1", gamma=0.9).gamma
        (0.95, 0.9)
        """
        return cls.from_dict({**tuned(env), **settings, "env": env})

    @property
    def limit(self) -> Limit | None:
        """What `constraint` says."""
        return Limit.parse(self.constraint)

    @property
    def horizon(self) -> int:
        """Steps of each environment in one batch: batch_size over envs, rounded down."""
        return self.batch_size // self.envs

    @property
    def iterations(self) -> int:
        """Updates of the run: as many whole batches as fit in `steps`."""
        return self.steps // (self.horizon * self.envs)

    def to_dict(self) -> dict[str, Any]:
        """The settings as json types."""
        return {**asdict(self), "hidden": list(self.hidden)}

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> TrpoConfig:
        """The inverse of `to_dict`.

        >>> TrpoConfig.from_dict(TrpoConfig(seed=3).to_dict()).seed
        3
        """
        unknown = sorted(set(settings) - {option.name for option in fields(cls)})
        if unknown:
            raise ck.ProblemError(f"unknown setting {unknown[0]!r}.")
        return cls(**settings)


def check(option: Field[Any], value: Any) -> None:
    """Raise ProblemError, naming the setting, unless the value has its type and lies in its range."""
    name, interval = option.name, option.metadata["range"]
    if option.type == "tuple[int, ...]":
        if not isinstance(value, tuple):
            raise ck.ProblemError(f"{name} must be a sequence of integers; got {value!r}.")
        for width in value:
            _check_number(name, width, int, interval)
    elif option.type in ("int", "float"):
        _check_number(name, value, int if option.type == "int" else float, interval)
    elif option.type == "bool" and not isinstance(value, bool):
        raise ck.ProblemError(f"{name} must be True or False; got {value!r}.")
    elif option.type == "str":
        if not (isinstance(value, str) and value):
            raise ck.ProblemError(f"{name} must be a name; got {value!r}.")
        if interval is not None and value not in interval:
            raise ck.ProblemError(f"{name} = {value!r} is unknown; expected one of {interval}.")


def _check_number(name: str, value: Any, kind: type, interval: Interval) -> None:
    accepted = (int,) if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, accepted):
        raise ck.ProblemError(f"{name} must be {'an integer' if kind is int else 'a number'}; got {value!r}.")
    if value not in interval:
        raise ck.ProblemError(f"{name} = {value:g} is out of range; expected "
                              f"{'an integer' if kind is int else 'a number'} in {interval}.")


def describe(option: Field[Any]) -> str:
    """Sentence, range and source of a setting in one line: the help of the command line."""
    interval, source = option.metadata["range"], option.metadata["source"]
    within = "one of" if isinstance(interval, Choice) else "in"
    notes = [note for note in (f"{within} {interval}" if interval is not None else "", source) if note]
    return option.metadata["sentence"] + (f" ({'; '.join(notes)})" if notes else "")


def tuned(env: str) -> dict[str, Any]:
    """The section of `settings.toml` for an environment: of its id, or of its name without the version.

    >>> tuned("Swimmer-v5") == tuned("Swimmer-v4"), tuned("Unheard-of-v0")
    (True, {})
    """
    sections = _sections()
    section = sections.get(env, sections.get(env.rpartition("-v")[0], {}))
    return {key: value for key, value in section.items() if key != "source"}


@cache
def _sections() -> dict[str, dict[str, Any]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            raise ck.MissingDependencyError(
                "settings.toml needs tomli before Python 3.11: pip install 'convexkit[trpo]'.") from None
    sections: dict[str, dict[str, Any]] = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    return sections
