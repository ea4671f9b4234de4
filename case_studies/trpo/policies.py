"""A policy: a network, a distribution, and one flat vector of parameters for both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import autograd.numpy as anp
import numpy as np

from .distributions import Categorical, DiagonalGaussian, Distribution
from .networks import Mlp


@dataclass(frozen=True)
class Policy:
    """π(a|s) as a function of theta = (network weights, log standard deviations if actions are continuous).

    Parameters
    ----------
    network : Mlp, observations -> logits or means
    distribution : of the actions, see `distributions`
    initial_log_std : float, where the log standard deviations start

    Examples
    --------
    >>> import numpy as np
    >>> policy = Policy.discrete(4, 2, hidden=(8,))
    >>> theta = policy.initial(np.random.default_rng(0))
    >>> policy.outputs(theta, np.zeros((3, 4), np.float32)).shape
    (3, 2)
    """

    network: Mlp
    distribution: Distribution
    initial_log_std: float = 0.0

    @classmethod
    def over(cls, distribution: Distribution, observations: int, *, hidden: tuple[int, ...] = (64, 64),
             activation: str = "tanh", initial_log_std: float = 0.0) -> Policy:
        """A policy with a given distribution of actions; deviations of a Gaussian do not depend on the state."""
        heads = distribution.d if isinstance(distribution, DiagonalGaussian) else distribution.outputs
        return cls(Mlp((observations, *hidden, heads), activation), distribution, initial_log_std)

    @classmethod
    def discrete(cls, observations: int, actions: int, *, hidden: tuple[int, ...] = (64, 64)) -> Policy:
        """A policy that chooses one of `actions` numbers."""
        return cls.over(Categorical(actions), observations, hidden=hidden)

    @classmethod
    def continuous(cls, observations: int, actions: int, *, hidden: tuple[int, ...] = (64, 64),
                   initial_log_std: float = 0.0) -> Policy:
        """A policy that chooses a vector of length `actions`."""
        return cls.over(DiagonalGaussian(actions), observations, hidden=hidden, initial_log_std=initial_log_std)

    @property
    def extra(self) -> int:
        """Number of parameters beside the network's: the log standard deviations."""
        return self.distribution.outputs - self.network.sizes[-1]

    @property
    def size(self) -> int:
        """Length of theta."""
        return self.network.size + self.extra

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """A first theta: nearly uniform, or nearly zero mean. float32."""
        # An output layer of size 1/100: Andrychowicz et al. 2021, section 3.2.
        log_std = np.full(self.extra, self.initial_log_std, dtype=np.float32)
        return np.concatenate([self.network.initial(rng, output_gain=0.01), log_std])

    def quieted(self, theta: np.ndarray, ceiling: float) -> np.ndarray:
        """Theta with no log standard deviation above the ceiling; theta itself if none is."""
        log_std = theta[self.network.size:]
        if not (log_std > ceiling).any():
            return theta
        return np.concatenate([theta[:self.network.size], np.minimum(log_std, theta.dtype.type(ceiling))])

    def outputs(self, theta: Any, observations: np.ndarray) -> Any:
        """Parameters of the distribution for each (normalised) observation, (N, k); differentiable in theta."""
        heads = self.network(theta, observations)
        if not self.extra:
            return heads
        log_std = theta[self.network.size:]
        # An outer product with ones repeats log_std for every row, also for a traced theta.
        repeated = anp.dot(np.ones((len(observations), 1), observations.dtype), anp.reshape(log_std, (1, -1)))
        return anp.concatenate((heads, repeated), axis=1)

    def actor(self, theta: np.ndarray, rows: int, shift: np.ndarray, scale: np.ndarray, limit: float = inf
              ) -> Callable[[np.ndarray], np.ndarray]:
        """`outputs` for `rows` raw observations at a time, normalised by shift, scale and limit, made to be fast."""
        forward = self.network.fast_forward(theta[:self.network.size], rows, shift, scale, limit)
        if not self.extra:
            return forward
        outputs = np.empty((rows, self.distribution.outputs), theta.dtype)
        outputs[:, self.network.sizes[-1]:] = theta[self.network.size:]

        def act(observations: np.ndarray) -> np.ndarray:
            outputs[:, :self.network.sizes[-1]] = forward(observations)
            return outputs

        return act
