"""Advantages from rewards and values."""

from __future__ import annotations

import numpy as np


def gae(rewards: np.ndarray, values: np.ndarray, next_values: np.ndarray, terminated: np.ndarray,
        truncated: np.ndarray, *, gamma: float, gae_lambda: float) -> np.ndarray:
    """Generalized advantage estimates of one stream of steps.

        delta[t] = r[t] + gamma · (1 - terminated[t]) · V(s[t+1]) - V(s[t])
        A[t]     = delta[t] + gamma · gae_lambda · (1 - done[t]) · A[t+1]

    Parameters
    ----------
    rewards, values, next_values : (T,) ndarray, in units of reward
        `next_values[t]` is V at the observation that followed step t, before any reset.
    terminated, truncated : (T,) bool ndarray
        Termination removes the bootstrap; either one stops the recursion.

    Returns
    -------
    (T,) ndarray
        Not normalised.

    Notes
    -----
    O(T). Schulman et al. 2016, eq. 16.

    Examples
    --------
    >>> import numpy as np
    >>> reward, value, end = np.ones(3), np.zeros(3), np.array([False, False, True])
    >>> gae(reward, value, value, end, np.zeros(3, bool), gamma=0.5, gae_lambda=1.0)
    array([1.75, 1.5 , 1.  ])
    """
    delta = rewards + gamma * np.where(terminated, 0.0, next_values) - values
    carry = np.where(terminated | truncated, 0.0, gamma * gae_lambda)
    # Python floats: a loop over array elements costs five times as much.
    advantages, advantage = [], 0.0
    for d, c in zip(delta.tolist()[::-1], carry.tolist()[::-1], strict=True):
        advantage = d + c * advantage
        advantages.append(advantage)
    return np.array(advantages[::-1], dtype=np.float64)
