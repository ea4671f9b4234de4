"""Distributions of actions, as functions of a network's outputs, and their Fisher matrices.

Each class maps an array of outputs (N, k) to log-probabilities, divergences and samples, and is
differentiable in the outputs. `fisher` is the metric of those outputs:

    M = E[∇log p ∇log pᵀ] = ∇²_new KL(old ‖ new) at new = old      (one k×k block for each row)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from math import log, pi
from operator import add
from typing import Any, Protocol

import autograd.numpy as anp
import numpy as np

Product = Callable[[np.ndarray], np.ndarray]


class Distribution(Protocol):
    """What a policy needs to know of its distribution."""

    @property
    def outputs(self) -> int:
        """k, the number of outputs that parametrise one distribution."""

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Random numbers for `sample`: float32, one row per distribution, drawn ahead for a whole batch."""

    def sample(self, outputs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Actions, a deterministic function of outputs and noise."""

    def mode(self, outputs: np.ndarray) -> np.ndarray:
        """The likeliest actions."""

    def log_prob(self, outputs: Any, actions: np.ndarray) -> Any:
        """Log-probability (or log-density) of the actions, (N,)."""

    def kl(self, old: np.ndarray, new: Any) -> Any:
        """KL(old ‖ new), row by row, (N,)."""

    def entropy(self, outputs: Any) -> Any:
        """Entropy in nats, (N,)."""

    def fisher(self, outputs: np.ndarray) -> Product:
        """u -> Mu, row by row."""


def _log_softmax(logits: Any) -> Any:
    # log Σ exp(l) = c + log Σ exp(l - c) for any c, so that c need not be differentiated: rint is a constant
    # to autograd, and within ½ of the largest logit.
    centre = anp.rint(anp.max(logits, axis=1, keepdims=True))
    shifted = logits - centre
    return shifted - anp.log(anp.sum(anp.exp(shifted), axis=1, keepdims=True))


@dataclass(frozen=True)
class Categorical:
    """One of n actions, with probabilities softmax(outputs).

    Examples
    --------
    >>> import numpy as np
    >>> coin = Categorical(2)
    >>> coin.entropy(np.zeros((1, 2))).round(4)
    array([0.6931])
    """

    n: int

    @property
    def outputs(self) -> int:
        """n logits, of which one is redundant."""
        return self.n

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Gumbel noise."""
        return rng.gumbel(size=(*shape, self.n)).astype(np.float32)

    def sample(self, outputs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """argmax(logits + Gumbel noise) has distribution softmax(logits)."""
        return (outputs + noise).argmax(axis=1)

    def mode(self, outputs: np.ndarray) -> np.ndarray:
        """The action of the largest logit."""
        return outputs.argmax(axis=1)

    def log_prob(self, outputs: Any, actions: np.ndarray) -> Any:
        """log softmax(outputs)[actions]."""
        log_p = _log_softmax(outputs)
        # A product with a 0/1 mask differentiates faster than fancy indexing.
        chosen = (actions[:, None] == np.arange(self.n)).astype(log_p.dtype)
        return anp.sum(log_p * chosen, axis=1)

    def kl(self, old: np.ndarray, new: Any) -> Any:
        """Σ p (log p - log q)."""
        log_p = _log_softmax(old)
        return anp.sum(np.exp(log_p) * (log_p - _log_softmax(new)), axis=1)

    def entropy(self, outputs: Any) -> Any:
        """-Σ p log p."""
        log_p = _log_softmax(outputs)
        return -anp.sum(anp.exp(log_p) * log_p, axis=1)

    def fisher(self, outputs: np.ndarray) -> Product:
        """M = diag(p) - ppᵀ."""
        p = np.exp(_log_softmax(outputs))

        def product(u: np.ndarray) -> np.ndarray:
            weighted = p * u
            return weighted - p * weighted.sum(axis=1, keepdims=True)

        return product


@dataclass(frozen=True)
class DiagonalGaussian:
    """d independent normal actions; outputs are d means, then d logarithms of standard deviations.

    Examples
    --------
    >>> import numpy as np
    >>> normal = DiagonalGaussian(1)
    >>> normal.log_prob(np.zeros((1, 2)), np.zeros((1, 1))).round(4)
    array([-0.9189])
    """

    d: int

    @property
    def outputs(self) -> int:
        """2d: means and log standard deviations."""
        return 2 * self.d

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Standard normal noise."""
        return rng.standard_normal((*shape, self.d), dtype=np.float32)

    def sample(self, outputs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Mean + std·noise."""
        return outputs[:, :self.d] + np.exp(outputs[:, self.d:]) * noise

    def mode(self, outputs: np.ndarray) -> np.ndarray:
        """The mean."""
        return outputs[:, :self.d].copy()

    def log_prob(self, outputs: Any, actions: np.ndarray) -> Any:
        """-½Σ((a - mean)/std)² - Σ log std - ½d log 2π."""
        mean, log_std = outputs[:, :self.d], outputs[:, self.d:]
        z = (actions - mean) * anp.exp(-log_std)
        return -0.5 * anp.sum(z * z, axis=1) - anp.sum(log_std, axis=1) - 0.5 * self.d * log(2 * pi)

    def kl(self, old: np.ndarray, new: Any) -> Any:
        """Σ log(σ'/σ) + (σ² + (mean - mean')²) / (2σ'²) - ½, with σ the old and σ' the new deviation."""
        log_ratio = old[:, self.d:] - new[:, self.d:]
        z = (old[:, :self.d] - new[:, :self.d]) * anp.exp(-new[:, self.d:])
        # ½(σ²/σ'² - 1) through expm1: near σ = σ' nothing cancels.
        return anp.sum(0.5 * anp.expm1(2 * log_ratio) - log_ratio + 0.5 * z * z, axis=1)

    def entropy(self, outputs: Any) -> Any:
        """Σ log std + ½d(1 + log 2π)."""
        return anp.sum(outputs[:, self.d:], axis=1) + 0.5 * self.d * (1 + log(2 * pi))

    def fisher(self, outputs: np.ndarray) -> Product:
        """M = diag(1/std², 2)."""
        diagonal = np.full_like(outputs, 2.0)
        diagonal[:, :self.d] = np.exp(-2 * outputs[:, self.d:])
        return lambda u: diagonal * u


@dataclass(frozen=True)
class MultiCategorical:
    """Several independent choices at once, the i-th among sizes[i]; outputs are their logits, side by side.

    Examples
    --------
    >>> import numpy as np
    >>> switch_and_die = MultiCategorical((2, 6))
    >>> switch_and_die.entropy(np.zeros((1, 8))).round(4), float(np.log(2 * 6).round(4))
    (array([2.4849]), 2.4849)
    """

    sizes: tuple[int, ...]

    @property
    def outputs(self) -> int:
        """The logits of all choices."""
        return sum(self.sizes)

    @property
    def parts(self) -> list[tuple[Categorical, slice]]:
        """Each choice, with its columns of the outputs."""
        ends = np.cumsum(self.sizes).tolist()
        return [(Categorical(n), slice(end - n, end)) for n, end in zip(self.sizes, ends, strict=True)]

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Gumbel noise."""
        return rng.gumbel(size=(*shape, self.outputs)).astype(np.float32)

    def sample(self, outputs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """(N, number of choices) integers, each as in `Categorical`."""
        return np.stack([part.sample(outputs[:, at], noise[:, at]) for part, at in self.parts], axis=1)

    def mode(self, outputs: np.ndarray) -> np.ndarray:
        """The largest logit of each choice."""
        return np.stack([part.mode(outputs[:, at]) for part, at in self.parts], axis=1)

    def log_prob(self, outputs: Any, actions: np.ndarray) -> Any:
        """Probabilities of independent choices multiply."""
        return _total(part.log_prob(outputs[:, at], actions[:, i]) for i, (part, at) in enumerate(self.parts))

    def kl(self, old: np.ndarray, new: Any) -> Any:
        """Divergences of independent choices add up."""
        return _total(part.kl(old[:, at], new[:, at]) for part, at in self.parts)

    def entropy(self, outputs: Any) -> Any:
        """Entropies of independent choices add up."""
        return _total(part.entropy(outputs[:, at]) for part, at in self.parts)

    def fisher(self, outputs: np.ndarray) -> Product:
        """M is block diagonal, a block for each choice."""
        products = [(part.fisher(outputs[:, at]), at) for part, at in self.parts]
        return lambda u: np.concatenate([product(u[:, at]) for product, at in products], axis=1)


@dataclass(frozen=True)
class Bernoulli:
    """n independent switches; outputs are log-odds, the i-th switch is on with probability 1/(1 + exp(-outputs[i])).

    Examples
    --------
    >>> import numpy as np
    >>> Bernoulli(3).log_prob(np.zeros((1, 3)), np.array([[1, 0, 1]])).round(4), float(np.log(1 / 8).round(4))
    (array([-2.0794]), -2.0794)
    """

    n: int

    @property
    def outputs(self) -> int:
        """n log-odds."""
        return self.n

    def noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Logistic noise, the difference of two Gumbel variables."""
        return rng.logistic(size=(*shape, self.n)).astype(np.float32)

    def sample(self, outputs: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """On where log-odds + logistic noise > 0, which has the probability asked for; (N, n) int8."""
        return (outputs + noise > 0).astype(np.int8)

    def mode(self, outputs: np.ndarray) -> np.ndarray:
        """On where the log-odds are positive."""
        return (outputs > 0).astype(np.int8)

    def log_prob(self, outputs: Any, actions: np.ndarray) -> Any:
        """-Σ log(1 + exp(∓outputs)), minus where the switch is on."""
        sign = np.where(actions > 0, -1.0, 1.0).astype(outputs.dtype)
        return -anp.sum(_softplus(sign * outputs), axis=1)

    def kl(self, old: np.ndarray, new: Any) -> Any:
        """Σ p (log p - log q) + (1-p) (log(1-p) - log(1-q)), where -log q = log(1 + exp(-new))."""
        p = _logistic(old)
        return anp.sum(p * (_softplus(-new) - _softplus(-old)) + (1 - p) * (_softplus(new) - _softplus(old)), axis=1)

    def entropy(self, outputs: Any) -> Any:
        """-Σ p log p + (1-p) log(1-p)."""
        p = anp.exp(-_softplus(-outputs))
        return anp.sum(p * _softplus(-outputs) + (1 - p) * _softplus(outputs), axis=1)

    def fisher(self, outputs: np.ndarray) -> Product:
        """M = diag(p(1-p))."""
        p = _logistic(outputs)
        variance = p * (1 - p)
        return lambda u: variance * u


def _total(terms: Iterable[Any]) -> Any:
    # Without sum()'s first 0, which would be one more node to differentiate.
    return reduce(add, terms)


def _softplus(x: Any) -> Any:
    # log(1 + eˣ) = logaddexp(0, x), without overflow; autograd knows its derivative.
    return anp.logaddexp(np.zeros((), x.dtype), x)


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(np.zeros((), x.dtype), -x))
