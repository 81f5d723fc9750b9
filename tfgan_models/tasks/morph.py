"""Videos that morph from image to image and end where they start."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfgan_models import extras
from tfgan_models.errors import UsageError
from tfgan_models.runs import files
from tfgan_models.tasks import synthesis
from tfgan_models.tasks.generators import Generator, StyleModel
from tfgan_models.tasks.synthesis import Setting


@dataclasses.dataclass(frozen=True)
class Video:
    """A loop through the images of seeds; frames are generated when requested.

    Attributes:
        generator: The generator.
        seeds: Passed through at equal intervals.
        setting: How images are generated; random noise differs in each frame.
        space: "w": a periodic cubic spline; "z": great circles between Gaussian
            latents, straight lines between uniform ones, which stay inside the cube.
        count: Frames of the whole loop.
    """

    generator: Generator
    seeds: Sequence[int]
    setting: Setting
    space: str
    count: int

    def frames(self) -> Iterator[np.ndarray]:
        """Yields the frames, uint8 [R, R, 3]."""
        places = np.arange(self.count) * (len(self.seeds) / self.count)
        if self.space == "w" and isinstance(self.generator, StyleModel):
            made = _through_w(self.generator, self.seeds, self.setting, places)
        else:
            made = _through_z(self.generator, self.seeds, self.setting, places)
        return map(synthesis.to_rgb, made)

    def save(self, path: str | Path, fps: int = 30) -> Path:
        """Writes an MP4 or GIF file, according to its extension; complete or absent.

        Raises:
            UsageError: Another extension, or the video writer is not installed.
        """
        path = Path(path).expanduser()
        if path.suffix not in (".mp4", ".gif"):
            raise UsageError(
                f"A video's name must end in .mp4 or .gif. Received: {path.name}"
            )
        write_video(path, self.frames(), fps)
        return path


def _through_w(
    generator: StyleModel, seeds: Sequence[int], setting: Setting, places: np.ndarray
) -> Iterator[np.ndarray]:
    knots = [synthesis.map_seed(generator, seed, setting.label) for seed in seeds]
    for frame, w in enumerate(periodic_spline(np.stack(knots))(places)):
        ws = synthesis.truncate(generator, w.astype(np.float32), setting.psi)
        yield synthesis.from_w(generator, ws, setting.noise_seed(frame))


def _through_z(
    generator: Generator, seeds: Sequence[int], setting: Setting, places: np.ndarray
) -> Iterator[np.ndarray]:
    knots = [synthesis.latent(generator, seed).numpy()[0] for seed in seeds]
    between = lerp if generator.distribution == "uniform" else slerp
    for frame, place in enumerate(places):
        first = int(place)
        z = between(knots[first], knots[(first + 1) % len(knots)], place - first)
        latent = tf.constant(z[None].astype(np.float32))
        yield synthesis.from_latent(
            generator, latent, setting, setting.noise_seed(frame)
        )


def periodic_spline(knots: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the closed cubic curve through points, smooth to the second derivative.

    Args:
        knots: [K, D], passed at 0, 1, ..., K - 1.

    Returns:
        A function from positions [N] in [0, K] to points [N, D]; K is the same as 0.
    """
    knots = np.asarray(knots, np.float64)
    count = len(knots)
    # Equal second derivatives on both sides of each knot: a cyclic system of slopes.
    system = 4.0 * np.eye(count)
    for i in range(count):
        system[i, i - 1] += 1.0
        system[i, (i + 1) % count] += 1.0
    rise = np.roll(knots, -1, axis=0) - np.roll(knots, 1, axis=0)
    slopes = np.linalg.solve(system, 3.0 * rise)

    def curve(places: np.ndarray) -> np.ndarray:
        start = np.floor(places).astype(int)
        t = (places - start)[:, None]
        here, there = start % count, (start + 1) % count
        return (
            (1 + 2 * t) * (1 - t) ** 2 * knots[here]
            + t * (1 - t) ** 2 * slopes[here]
            + t**2 * (3 - 2 * t) * knots[there]
            - t**2 * (1 - t) * slopes[there]
        )

    return curve


def slerp(start: np.ndarray, end: np.ndarray, t: float) -> np.ndarray:
    """Interpolates spherically between two latents; their lengths linearly.

    Args:
        start: [D].
        end: [D].
        t: 0 is `start`, 1 is `end`.
    """
    start, end = start.astype(np.float64), end.astype(np.float64)
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    a, b = start / lengths[0], end / lengths[1]
    angle = np.arccos(np.clip(a @ b, -1.0, 1.0))
    across = b - (a @ b) * a
    across /= max(np.linalg.norm(across), 1e-12)
    length = lengths[0] + t * (lengths[1] - lengths[0])
    return length * (a * np.cos(t * angle) + across * np.sin(t * angle))


def lerp(start: np.ndarray, end: np.ndarray, t: float) -> np.ndarray:
    """Interpolates linearly between two latents; arguments as for `slerp`."""
    return (1.0 - t) * start + t * end


def write_video(path: Path, frames: Iterable[np.ndarray], fps: int) -> None:
    """Writes a video that is complete or absent; one frame is in memory at a time.

    Args:
        path: Ends with .mp4 or .gif.
        frames: uint8 [H, W, 3].
        fps: Frames per second.

    Raises:
        UsageError: The video writer is not installed.
    """
    unfinished = path.with_name(f"{files.UNFINISHED}{path.name}")
    with _writer(unfinished, fps) as writer:
        for frame in frames:
            writer.append_data(_even(frame) if path.suffix == ".mp4" else frame)
    unfinished.replace(path)


def _even(frame: np.ndarray) -> np.ndarray:
    """Repeats the last row and column of odd sides, which MP4 does not support."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _writer(path: Path, fps: int) -> Any:
    try:
        import imageio.v2 as imageio

        if path.suffix == ".gif":
            return imageio.get_writer(path, mode="I", duration=1000 / fps, loop=0)
        import imageio_ffmpeg  # noqa: F401  (imageio would not say what is missing)
    except ImportError as error:
        raise UsageError(extras.missing("A film", error.name, "generate")) from error
    # Sides are even already, or may stay odd.
    return imageio.get_writer(
        path, format="FFMPEG", fps=fps, codec="libx264", quality=8, macro_block_size=1
    )
