"""The loop: collect, estimate advantages, update the policy, fit the baseline, record."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import checkpoint as checkpoints
from . import environments
from .advantages import gae
from .baseline import Baseline, explained_variance
from .config import TrpoConfig
from .networks import Mlp
from .normalization import RunningMoments
from .objectives import fisher_operator, mean_kl, surrogate_loss
from .policies import Policy
from .rollouts import Batch, Collector
from .run_folder import CHECKPOINT, COLUMNS, PROGRESS, IterationRecord, create, csv_row
from .update import UpdateResult, trpo_update

WINDOW = 100  # episodes in mean_return_100


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended.

    Attributes
    ----------
    records : one IterationRecord for each iteration
    theta : (n,) array, final parameters of the policy
    interrupted : bool, by the keyboard
    threshold : float or None, the return at which Gymnasium calls the environment solved
    solved_at : int or None, environment steps when `mean_return_100` first reached it over a full window
    """

    records: list[IterationRecord]
    theta: np.ndarray
    interrupted: bool
    threshold: float | None
    solved_at: int | None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread, where threadpoolctl is installed: two hurt products as small as these."""
    with ExitStack() as stack:
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:
            pass
        else:
            stack.enter_context(threadpool_limits(limits=1, user_api="blas"))
        yield


class Trainer:
    """The state of a run: policy, baseline, normaliser, environments, random numbers.

    Everything random comes from one `SeedSequence`; the same configuration gives the same run.
    """

    def __init__(self, config: TrpoConfig):
        self.config = config
        self.envs = [environments.make(config.env)]
        try:
            known = environments.spaces(self.envs[0])
            self.envs += [environments.make(config.env) for _ in range(config.envs - 1)]
            streams = np.random.SeedSequence(config.seed).spawn(3 + config.envs)
            policy_rng, baseline_rng, self.rng = (np.random.default_rng(stream) for stream in streams[:3])
            self.policy: Policy = known.policy(config)
            self.theta = self.policy.initial(policy_rng)
            self.baseline = Baseline.start(Mlp((known.observations, *config.hidden, 1)), baseline_rng)
            self.moments = RunningMoments.start(known.observations)
            seeds = [int(stream.generate_state(1)[0]) for stream in streams[3:]]
            self.collector = Collector(self.envs, known.observations, known.to_env, seeds)
        except BaseException:
            self.close()
            raise
        self.env_steps = 0
        self.episodes = 0
        self.recent: deque[float] = deque(maxlen=WINDOW)

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()

    def iterate(self) -> dict[str, Any]:
        """Collect one batch and learn from it; returns the columns of its row, without iteration and time."""
        config = self.config
        shift, scale = self.moments.shift_and_scale()
        actor = self.policy.actor(self.theta, config.envs, shift, scale)
        batch = self.collector.collect(actor, self.policy.distribution, config.horizon, self.rng)
        observations = (batch.flat(batch.observations) - shift) / scale
        values, advantages = self._evaluate(batch, observations, shift, scale)
        targets = values + advantages

        outputs = self.policy.outputs(self.theta, observations)
        update = self._improve(observations, batch.flat(batch.actions), advantages, outputs)
        entropy = float(self.policy.distribution.entropy(outputs).mean())
        explained = explained_variance(values, targets)

        self.theta = update.theta
        self.baseline = self.baseline.fitted(observations, targets, iterations=config.value_iterations,
                                             cg_iterations=config.value_cg_iterations, damping=config.value_damping)
        if config.normalize_observations:
            self.moments = self.moments.updated(batch.flat(batch.observations))
        self.env_steps += batch.steps
        self.episodes += len(batch.episode_returns)
        self.recent.extend(batch.episode_returns)
        return {
            "env_steps": self.env_steps, "episodes": self.episodes,
            "mean_return_100": float(np.mean(self.recent)) if self.recent else float("nan"),
            "kl": update.kl, "predicted_gain": update.predicted_gain, "surrogate_gain": update.surrogate_gain,
            "multiplier": update.multiplier, "cg_status": update.cg_status, "cg_iterations": update.cg_iterations,
            "cg_residual": update.cg_residual, "line_search_trials": update.line_search_trials,
            "explained_variance": explained, "entropy": entropy,
        }

    def _evaluate(self, batch: Batch, observations: np.ndarray, shift: np.ndarray, scale: np.ndarray
                  ) -> tuple[np.ndarray, np.ndarray]:
        """Values and advantages of all steps, flat: one pass of the baseline, one recursion per environment."""
        ends = np.concatenate([batch.last_observations, batch.final_observations])
        values = self.baseline.values(observations).reshape(batch.rewards.shape)
        last, final = np.split(self.baseline.values((ends - shift) / scale), [len(batch.last_observations)])
        following = batch.next_values(values, last, final)
        advantages = np.stack([
            gae(batch.rewards[:, n], values[:, n], following[:, n], batch.terminated[:, n], batch.truncated[:, n],
                gamma=self.config.gamma, gae_lambda=self.config.gae_lambda)
            for n in range(self.config.envs)], axis=1)
        return values.reshape(-1), advantages.reshape(-1)

    def _improve(self, observations: np.ndarray, actions: np.ndarray, advantages: np.ndarray,
                 outputs: np.ndarray) -> UpdateResult:
        config = self.config
        return trpo_update(
            self.theta,
            surrogate_loss(self.policy, observations, actions, standardized(advantages), outputs),
            mean_kl(self.policy, observations, outputs),
            fisher_operator(self.policy, observations, self.theta),
            max_kl=config.max_kl, damping=config.damping, cg_iterations=config.cg_iterations, cg_rtol=config.cg_rtol,
            alpha=config.sufficient_decrease, beta=config.shrink, trials=config.line_search_trials)

    def checkpoint(self, iteration: int) -> checkpoints.Checkpoint:
        """The present state, as `evaluate` needs it."""
        return checkpoints.Checkpoint(self.config, self.theta, self.baseline.weights, self.baseline.shift,
                                      self.baseline.scale, self.moments, iteration, self.env_steps)


def standardized(advantages: np.ndarray) -> np.ndarray:
    """Advantages with mean 0 and deviation 1; all zero if they are all equal.

    The mean of the score ∇log π is zero, so a shift changes the gradient by noise only; the scale leaves
    the step where it is, since the trust region and not the gradient sets its length.
    """
    centred = advantages - advantages.mean()
    deviation = float(advantages.std())
    # A deviation of rounding size is zero: equal advantages say that no action is better than another.
    if deviation <= 1e-12 * float(np.abs(advantages).max()):
        return np.zeros_like(advantages)
    return centred / deviation


def train(config: TrpoConfig, out: str | Path, *, callback: Callable[[IterationRecord], Any] | None = None
          ) -> TrainingResult:
    """Train a policy and write config.json, progress.csv and checkpoint.npz to a new folder.

    Parameters
    ----------
    config : TrpoConfig
    out : folder; it must not exist yet, or be empty
    callback : callable(IterationRecord), optional, after each iteration

    Returns
    -------
    TrainingResult
        KeyboardInterrupt ends the run early: what was finished is on disk, and `interrupted` is True.

    Raises
    ------
    ProblemError
        For an environment that cannot be made or trained on, or a folder that exists or cannot be written;
        nothing has been written then.
    """
    started = time.perf_counter()
    records: list[IterationRecord] = []
    solved_at = None
    interrupted = False
    with one_blas_thread():
        trainer = Trainer(config)
        try:
            threshold = getattr(trainer.envs[0].spec, "reward_threshold", None)
            folder = create(Path(out), config)
            # Unbuffered: a row is on disk, whole, as soon as it is known.
            with open(folder / PROGRESS, "xb", buffering=0) as progress:
                progress.write(csv_row(COLUMNS))
                checkpoints.save(folder / CHECKPOINT, trainer.checkpoint(0))
                try:
                    for iteration in range(1, config.iterations + 1):
                        columns = trainer.iterate()
                        record = IterationRecord(iteration=iteration, wall_seconds=time.perf_counter() - started,
                                                 **columns)
                        progress.write(csv_row(astuple(record)))
                        checkpoints.save(folder / CHECKPOINT, trainer.checkpoint(iteration))
                        records.append(record)
                        full = len(trainer.recent) == WINDOW
                        if solved_at is None and threshold is not None and full and record.mean_return_100 >= threshold:
                            solved_at = record.env_steps
                        if callback is not None:
                            callback(record)
                except KeyboardInterrupt:
                    interrupted = True
        finally:
            trainer.close()
    return TrainingResult(records, trainer.theta, interrupted, threshold, solved_at)
