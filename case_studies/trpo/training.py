"""The loop: collect, estimate advantages, update the policy, fit the baseline, record."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

import convexkit as ck

from . import checkpoint as checkpoints
from . import environments
from .advantages import gae
from .baseline import Baseline, explained_variance
from .config import TrpoConfig
from .constraint import ConstraintRecord, cpo_update, surrogate_cost
from .networks import Mlp
from .normalization import RunningMoments
from .objectives import fisher_operator, mean_kl, surrogate_loss
from .policies import Policy
from .pool import Pool, Remote
from .rollouts import Batch, Collector
from .run_folder import (
    CHECKPOINT,
    COLUMNS,
    CONSTRAINT,
    CONSTRAINT_COLUMNS,
    PROGRESS,
    TIMING,
    TIMING_COLUMNS,
    IterationRecord,
    Timing,
    create,
    csv_row,
    rewind,
    write_config,
)
from .update import UpdateResult, next_damping, npg_update, trpo_update, vpg_update

WINDOW = 100  # episodes in mean_return_100
ANNEALED_TO = 0.05  # share of max_kl: the length of a step goes with its square root, to a bit over a fifth
RESERVE = 2**25 - 2**16  # bytes; 32 MiB is the most that glibc's allocator adapts to


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended.

    Attributes
    ----------
    records : one IterationRecord for each iteration, those before a resumption included
    theta : (n,) array, final parameters of the policy
    interrupted : bool, by the keyboard
    threshold : float or None, the return at which Gymnasium calls the environment solved
    solved_at : int or None, environment steps when `mean_return_100` first reached it over a full window
    timings : one Timing for each iteration of this call
    strayed : environments that did not repeat their episode when the run was resumed, and began a new one
    """

    records: list[IterationRecord]
    theta: np.ndarray
    interrupted: bool
    threshold: float | None
    solved_at: int | None
    timings: list[Timing] = field(default_factory=list)
    strayed: list[int] = field(default_factory=list)


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
    """The state of a run: policy, baseline, normaliser, environments.

    Random numbers are drawn afresh from (seed, iteration) and (seed, environment, episode): the same configuration
    gives the same run, whole or in parts.
    """

    def __init__(self, config: TrpoConfig):
        self.config = config
        self.envs: list[Any] = [environments.make(config.env)]
        try:
            known = environments.spaces(self.envs[0])
            self.threshold = getattr(self.envs[0].spec, "reward_threshold", None)
            if config.processes:
                self.close()
                self.envs = Pool()
            while len(self.envs) < config.envs:
                self.envs.append(Remote(config.env) if config.processes else environments.make(config.env))
            self.policy: Policy = known.policy(config)
            self.theta = self.policy.initial(self._random(0))
            network = Mlp((known.observations, *config.hidden, 1), config.activation)
            self.baseline = Baseline.start(network, self._random(1))
            self.limit = config.limit
            self.cost_baseline = None if self.limit is None else Baseline.start(network, self._random(5))
            self.constraint: ConstraintRecord | None = None  # of the last iteration
            self.moments = RunningMoments.start(known.observations)
            self.collector = Collector(self.envs, known.observations, known.to_env, self._seed, config.env,
                                       None if self.limit is None else self.limit.key)
        except BaseException:
            self.close()
            raise
        self.damping = config.damping
        self.iteration = 0
        self.env_steps = 0
        self.episodes = 0
        self.recent: deque[float] = deque(maxlen=WINDOW)
        # One large block, taken and given back: from then on glibc keeps the memory of freed arrays for the next
        # ones, instead of returning it to the system after each and having every page cleared again.
        np.empty(RESERVE, np.uint8)

    def _random(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.config.seed, spawn_key=key))

    def _seed(self, n: int, episode: int) -> int:
        return int(np.random.SeedSequence(self.config.seed, spawn_key=(3, n, episode)).generate_state(1)[0])

    def close(self) -> None:
        """Close the environments."""
        for env in self.envs:
            env.close()

    def iterate(self) -> tuple[IterationRecord, dict[str, float]]:
        """Collect one batch and learn from it; returns its row, and the processor time of its parts."""
        config = self.config
        self.iteration += 1
        clock = [time.process_time()]
        self.theta = self.policy.quieted(self.theta, noise_ceiling(config, self.env_steps))
        actor = self.policy.actor(self.theta, config.envs, *self.moments.shift_and_scale(), self.moments.limit)
        batch = self.collector.collect(actor, self.policy.distribution, config.horizon,
                                       self._random(2, self.iteration))
        clock.append(time.process_time())
        observations = self.moments.normalized(batch.flat(batch.observations))
        values, advantages = self._evaluate(self.baseline, batch, batch.rewards, observations)
        targets = values + advantages
        outputs = self.policy.outputs(self.theta, observations)
        cost_values, cost_advantages = np.zeros(0), None
        if self.cost_baseline is not None and batch.costs is not None:
            cost_values, cost_advantages = self._evaluate(self.cost_baseline, batch, batch.costs, observations)
        update = self._improve(observations, batch.flat(batch.actions), standardized(advantages), outputs,
                               cost_advantages, batch.costs)
        entropy = float(self.policy.distribution.entropy(outputs).mean())
        explained = explained_variance(values, targets)
        self.theta = update.theta
        used, self.damping = self.damping, next_damping(self.damping, update) if config.adaptive_damping \
            else self.damping
        clock.append(time.process_time())
        options: dict[str, Any] = {"passes": config.value_passes, "rows": config.value_rows,
                                   "cg_iterations": config.value_cg_iterations, "damping": config.value_damping}
        self.baseline = self.baseline.fitted(observations, targets, self._random(4, self.iteration), **options)
        if self.cost_baseline is not None and cost_advantages is not None:
            self.cost_baseline = self.cost_baseline.fitted(observations, cost_values + cost_advantages,
                                                           self._random(6, self.iteration), **options)
        clock.append(time.process_time())
        if config.normalize_observations:
            self.moments = self.moments.updated(batch.flat(batch.observations))
        self.env_steps += batch.steps
        self.episodes += len(batch.episode_returns)
        self.recent.extend(batch.episode_returns)
        record = IterationRecord(
            self.iteration, self.env_steps, self.episodes,
            float(np.mean(self.recent)) if self.recent else float("nan"),
            update.kl, update.predicted_kl, update.predicted_gain, update.surrogate_gain, update.multiplier,
            update.suboptimality, update.cg_status, update.cg_iterations, update.cg_residual,
            update.line_search_trials, update.step, used, explained, entropy)
        return record, dict(zip(("rollout", "update", "value_fit"), np.diff(clock).tolist(), strict=True))

    def _evaluate(self, baseline: Baseline, batch: Batch, rewards: np.ndarray, observations: np.ndarray
                  ) -> tuple[np.ndarray, np.ndarray]:
        """Values and advantages of all steps, flat: one pass of the baseline, one recursion per environment."""
        ends = np.concatenate([batch.last_observations, batch.final_observations])
        values = baseline.values(observations).reshape(rewards.shape)
        last, final = np.split(baseline.values(self.moments.normalized(ends)), [len(batch.last_observations)])
        following = batch.next_values(values, last, final)
        advantages = np.stack([
            gae(rewards[:, n], values[:, n], following[:, n], batch.terminated[:, n], batch.truncated[:, n],
                gamma=self.config.gamma, gae_lambda=self.config.gae_lambda)
            for n in range(self.config.envs)], axis=1)
        return values.reshape(-1), advantages.reshape(-1)

    def _improve(self, observations: np.ndarray, actions: np.ndarray, advantages: np.ndarray,
                 outputs: np.ndarray, cost_advantages: np.ndarray | None = None,
                 costs: np.ndarray | None = None) -> UpdateResult:
        """The only place where the algorithms differ."""
        config = self.config
        loss = surrogate_loss(self.policy, observations, actions, advantages, outputs)
        kl = mean_kl(self.policy, observations, outputs)
        fisher = fisher_operator(self.policy, share_of(observations, config.metric_share), self.theta)
        if config.algorithm == "vpg":
            return vpg_update(self.theta, loss, kl, fisher, step=config.vpg_step)
        common: dict[str, Any] = {"max_kl": trust_region(config, self.env_steps), "damping": self.damping,
                                  "cg_iterations": config.cg_iterations, "cg_rtol": config.cg_rtol}
        if config.algorithm == "npg":
            return npg_update(self.theta, loss, kl, fisher, **common)
        if self.limit is not None and cost_advantages is not None and costs is not None:
            mean = float(costs.mean())
            cost = surrogate_cost(self.policy, observations, actions, cost_advantages, outputs, mean - self.limit.most)
            update, report = cpo_update(self.theta, loss, kl, fisher, cost, **common, alpha=config.sufficient_decrease,
                                        beta=config.shrink, trials=config.line_search_trials)
            self.constraint = ConstraintRecord(
                self.iteration, mean, self.limit.most, report["multiplier"], report["predicted_change"],
                report["change"], int(report["recovery"]))
            return update
        return trpo_update(self.theta, loss, kl, fisher, **common, alpha=config.sufficient_decrease,
                           beta=config.shrink, trials=config.line_search_trials)

    def checkpoint(self) -> checkpoints.Checkpoint:
        """The present state, as `evaluate` and `resume` need it."""
        costs = self.cost_baseline
        return checkpoints.Checkpoint(
            self.config, self.theta, self.baseline.weights, self.baseline.shift, self.baseline.scale, self.moments,
            self.iteration, self.env_steps, self.episodes, self.damping, tuple(self.recent),
            self.collector.standing(), *((costs.weights, costs.shift, costs.scale) if costs is not None else ()))

    def restore(self, stored: checkpoints.Checkpoint, path: Path) -> list[int]:
        """Take over the state of a checkpoint; returns the environments that did not repeat their episode.

        Raises
        ------
        FormatError
            If its arrays do not fit the environment.
        """
        checkpoints.check_sizes(stored, path, theta=self.theta.size, observations=self.moments.mean.size,
                                value_weights=self.baseline.weights.size)
        self.theta = stored.theta
        self.baseline = replace(self.baseline, weights=stored.value_weights, shift=stored.value_shift,
                                scale=stored.value_scale)
        if self.cost_baseline is not None and stored.cost_weights is not None:
            self.cost_baseline = replace(self.cost_baseline, weights=stored.cost_weights, shift=stored.cost_shift,
                                         scale=stored.cost_scale)
        self.moments, self.damping = stored.moments, stored.damping
        self.iteration, self.env_steps, self.episodes = stored.iteration, stored.env_steps, stored.episodes
        self.recent.extend(stored.recent)
        return self.collector.resume(stored.standing)


def trust_region(config: TrpoConfig, env_steps: int) -> float:
    """The largest mean KL of the update that follows `env_steps` steps: max_kl, or what annealing leaves of it.

    >>> config = TrpoConfig(max_kl=0.02, anneal_steps=1000)
    >>> trust_region(config, 0), trust_region(config, 500), trust_region(config, 5000)
    (0.02, 0.01, 0.001)
    """
    if not config.anneal_steps:
        return config.max_kl
    return config.max_kl * max(1.0 - env_steps / config.anneal_steps, ANNEALED_TO)


def noise_ceiling(config: TrpoConfig, env_steps: int) -> float:
    """The highest log standard deviation for the batch that begins after `env_steps` steps.

    >>> config = TrpoConfig(noise_steps=1000, initial_log_std=0.0, final_log_std=-2.0)
    >>> noise_ceiling(config, 0), noise_ceiling(config, 500), noise_ceiling(config, 5000)
    (0.0, -1.0, -2.0)
    """
    if not config.noise_steps:
        return inf
    done = min(1.0, env_steps / config.noise_steps)
    return config.initial_log_std + done * (config.final_log_std - config.initial_log_std)


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


def share_of(rows: np.ndarray, share: float) -> np.ndarray:
    """A share of the rows, at least one, evenly spread; no copy if it is all of them.

    >>> import numpy as np
    >>> share_of(np.arange(10), 0.3)
    array([0, 4, 9])
    """
    if share == 1.0:
        return rows
    return rows[np.linspace(0, len(rows) - 1, max(1, round(share * len(rows)))).astype(int)]


Callback = Callable[[IterationRecord], Any]


def train(config: TrpoConfig, out: str | Path, *, callback: Callback | None = None) -> TrainingResult:
    """Train a policy and write config.json, progress.csv, timing.csv and checkpoint.npz to a new folder.

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
    with one_blas_thread():
        trainer = Trainer(config)
        try:
            folder = create(Path(out), config)
            (folder / PROGRESS).write_bytes(csv_row(COLUMNS))
            (folder / TIMING).write_bytes(csv_row(TIMING_COLUMNS))
            if trainer.limit is not None:
                (folder / CONSTRAINT).write_bytes(csv_row(CONSTRAINT_COLUMNS))
            checkpoints.save(folder / CHECKPOINT, trainer.checkpoint())
            return _run(trainer, folder, [], [], callback)
        finally:
            trainer.close()


def resume(run: str | Path, *, steps: int | None = None, callback: Callback | None = None) -> TrainingResult:
    """Go on with a run, as if it had never stopped.

    Parameters
    ----------
    run : folder of a run, finished, interrupted or killed
    steps : int, new total of environment steps; the run's own if omitted
    callback : as in `train`

    Returns
    -------
    TrainingResult
        Bit for bit that of one long run, unless `strayed` names environments that do not repeat themselves.

    Raises
    ------
    FormatError
        If there is no usable checkpoint, or progress.csv does not belong to it.
    ProblemError
        If `steps` is less than the run has made.
    """
    run = Path(run)
    stored = checkpoints.load(run / CHECKPOINT)
    config = stored.config if steps is None else replace(stored.config, steps=steps)
    if config.iterations < stored.iteration:
        raise ck.ProblemError(f"steps = {config.steps} is less than the {stored.env_steps} steps that the run has "
                              "made; give the new total.")
    with one_blas_thread():
        trainer = Trainer(config)
        try:
            strayed = trainer.restore(stored, run / CHECKPOINT)
            records = rewind(run, stored.iteration)
            write_config(run, config)
            return _run(trainer, run, records, strayed, callback)
        finally:
            trainer.close()


def _run(trainer: Trainer, folder: Path, records: list[IterationRecord], strayed: list[int],
         callback: Callback | None) -> TrainingResult:
    """Iterate to the end of the budget; each iteration leaves its rows and then its checkpoint."""
    timings: list[Timing] = []
    interrupted = False
    # Unbuffered: a row is on disk, whole, as soon as it is known.
    with open(folder / PROGRESS, "ab", buffering=0) as progress, open(folder / TIMING, "ab", buffering=0) as timing:
        try:
            while trainer.iteration < trainer.config.iterations:
                wall, cpu = time.perf_counter(), time.process_time()
                record, parts = trainer.iterate()
                progress.write(csv_row(astuple(record)))
                if trainer.constraint is not None:
                    with open(folder / CONSTRAINT, "ab", buffering=0) as file:
                        file.write(csv_row(astuple(trainer.constraint)))
                checkpoints.save(folder / CHECKPOINT, trainer.checkpoint())
                rest = time.process_time() - cpu - sum(parts.values())
                timings.append(Timing(trainer.iteration, time.perf_counter() - wall, **parts, rest=rest))
                timing.write(csv_row([trainer.iteration, *(f"{t:.4f}" for t in astuple(timings[-1])[1:])]))
                records.append(record)
                if callback is not None:
                    callback(record)
        except KeyboardInterrupt:
            interrupted = True
    return TrainingResult(records, trainer.theta, interrupted, trainer.threshold, solved_at(records, trainer.threshold),
                          timings, strayed)


def solved_at(records: list[IterationRecord], threshold: float | None) -> int | None:
    """Environment steps when the mean over a full window of episodes first reached the threshold."""
    if threshold is None:
        return None
    return next((record.env_steps for record in records
                 if record.episodes >= WINDOW and record.mean_return_100 >= threshold), None)
