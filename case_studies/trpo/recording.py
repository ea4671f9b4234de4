"""A film of a trained policy, rendered off screen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import convexkit as ck

from . import environments
from .evaluation import load_actor, play

FORMATS = (".gif", ".webp", ".png")


@dataclass(frozen=True)
class Film:
    """What was filmed.

    >>> print(Film(frames=20, total_return=19.0, whole=True))
    20 frames, a whole episode with return 19.0
    """

    frames: int
    total_return: float
    whole: bool

    def __str__(self) -> str:
        return (f"{self.frames} frames, {'a whole episode' if self.whole else 'the start of an episode'} with return "
                f"{self.total_return:.1f}")


def record(run: str | Path, out: str | Path, *, seed: int = 0, frames: int = 500, stochastic: bool = False) -> Film:
    """Film one episode.

    Parameters
    ----------
    run : a run folder
    out : file to write: .gif, .webp, or .png (animated)
    seed : of the episode
    frames : at most so many
    stochastic : sampled actions instead of the likeliest ones

    Raises
    ------
    ProblemError
        For another ending, an environment that cannot be rendered here, or a file that cannot be written.
    MissingDependencyError
        If pillow is not installed.
    FormatError
        If there is no usable checkpoint.
    """
    out = Path(out)
    if out.suffix not in FORMATS:
        raise ck.ProblemError(f"out = {str(out)!r} must end in one of {', '.join(FORMATS)}.")
    try:
        from PIL import Image
    except ImportError:
        raise ck.MissingDependencyError(
            "films need pillow, which is not installed: pip install 'convexkit[plot]'.") from None
    stored, env, choose = load_actor(Path(run), render_mode="rgb_array")
    pictures: list[np.ndarray] = []
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2**16, 1)))
    try:
        step_return, whole = 0.0, False
        for reward, done in play(env, choose["stochastic" if stochastic else "deterministic"], seed, rng):
            try:
                picture = env.render()
            except Exception as error:  # renderers fail in their own ways where there is no display
                raise ck.ProblemError(f"env = {stored.config.env!r} cannot be rendered here: "
                                      f"{environments.reason(error)} For MuJoCo try MUJOCO_GL=egl or "
                                      "MUJOCO_GL=osmesa.") from None
            pictures.append(np.asarray(picture))
            step_return += reward
            whole = done
            if len(pictures) == frames:
                break
    finally:
        env.close()
    rate = env.metadata.get("render_fps", 30)
    images = [Image.fromarray(picture) for picture in pictures]
    try:
        images[0].save(out, save_all=True, append_images=images[1:], duration=max(1000 // rate, 20), loop=0)
    except OSError as error:
        raise ck.ProblemError(f"out = {str(out)!r} cannot be written: {error.strerror or error}.") from None
    return Film(len(pictures), step_return, whole)
