"""Running mean and standard deviation of observations."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

# A deviation below this share of the mean is rounding of float32 observations: the feature is constant.
CONSTANT = 1e-6
# A feature further than so many deviations from its mean counts as that far: one that hardly ever stirs, like a
# contact force, would swamp the network when it does. stable-baselines3 (VecNormalize) has the same number.
LIMIT = 10.0


@dataclass(frozen=True)
class RunningMoments:
    """Count, mean and sum of squared deviations of all rows seen; updating returns a new object.

    Examples
    --------
    >>> import numpy as np
    >>> moments = RunningMoments.start(1).updated(np.array([[1.0], [3.0]])).updated(np.array([[5.0]]))
    >>> moments.count, moments.mean, moments.squares
    (3, array([3.]), array([8.]))
    """

    count: int
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def start(cls, size: int) -> RunningMoments:
        """Nothing seen: shift 0 and scale 1."""
        return cls(0, np.zeros(size), np.zeros(size))

    def updated(self, rows: np.ndarray) -> RunningMoments:
        """With a batch (N, d) of rows added.

        Chan, Golub & LeVeque 1983: for two sets with means apart by `gap`,
            mean = mean_a + gap·n_b/n,    squares = squares_a + squares_b + gap²·n_a·n_b/n.
        """
        rows = np.asarray(rows, dtype=np.float64)
        added, total = len(rows), self.count + len(rows)
        mean = rows.mean(axis=0)
        gap = mean - self.mean
        squares = ((rows - mean) ** 2).sum(axis=0)
        return RunningMoments(total, self.mean + gap * (added / total),
                              self.squares + squares + gap**2 * (self.count * added / total))

    def shift_and_scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation as float32; a feature that has been constant so far has scale 1."""
        if self.count == 0:
            return np.zeros(self.mean.size, np.float32), np.ones(self.mean.size, np.float32)
        deviation = np.sqrt(self.squares / self.count)
        constant = deviation <= CONSTANT * np.abs(self.mean)
        return self.mean.astype(np.float32), np.where(constant, 1.0, deviation).astype(np.float32)

    @property
    def limit(self) -> float:
        """Largest size of a normalised feature; none before anything was seen, when deviations are not known."""
        return LIMIT if self.count else inf

    def normalized(self, rows: np.ndarray) -> np.ndarray:
        """(x - mean) / deviation, within the limit; float32 for float32 rows (N, d).

        >>> import numpy as np
        >>> moments = RunningMoments.start(1).updated(np.array([[-1.0], [1.0]]))
        >>> moments.normalized(np.array([[0.5], [300.0]], np.float32)).tolist()
        [[0.5], [10.0]]
        """
        shift, scale = self.shift_and_scale()
        return np.clip((rows - shift) / scale, -self.limit, self.limit)
