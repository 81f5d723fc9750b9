"""Images of seeds: each generated alone, so that batching cannot change rounding."""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from tfgan_models import sampling
from tfgan_models.data.images import to_uint8
from tfgan_models.errors import UsageError
from tfgan_models.tasks.generators import Generator, LatentModel, StyleModel

CUTOFF = 8
"""The number of style layers that are truncated: those of 4 to 32 px."""

_SIDES = {"coarse": (4, 8), "middle": (16, 32), "fine": (64, 1024)}


@dataclasses.dataclass(frozen=True)
class Setting:
    """How images are generated.

    Attributes:
        label: The class; None if there are none.
        psi: Truncation psi.
        noise: "const": the same noise in all; "random": different in each; "none".
    """

    label: int | None = None
    psi: float = 0.7
    noise: str = "const"

    def noise_seed(self, seed: int) -> int | None:
        """Returns the noise seed of the image of `seed`; None for no noise."""
        return {"const": sampling.FIXED_NOISE, "random": seed, "none": None}[self.noise]


def latent(generator: Generator, seed: int) -> tf.Tensor:
    """Returns the latent of a seed, [1, latent_size]."""
    seeds = tf.constant([seed], tf.int64)
    return sampling.latents(seeds, generator.latent_size, generator.distribution)


def labels(label: int | None, count: int = 1) -> tf.Tensor | None:
    """Returns a class for each of `count` samples, int64 [count]; None for none."""
    return None if label is None else tf.fill([count], tf.constant(label, tf.int64))


def map_seed(generator: StyleModel, seed: int, label: int | None) -> np.ndarray:
    """Returns the w of a seed, [D]."""
    return map_latent(generator, latent(generator, seed), label)


def map_latent(generator: StyleModel, z: tf.Tensor, label: int | None) -> np.ndarray:
    """Returns the w of a latent [1, latent_size], [D]."""
    return generator.mapping(z, labels(label)).numpy()[0]


def truncate(
    generator: StyleModel, w: np.ndarray, psi: float, cutoff: int = CUTOFF
) -> np.ndarray:
    """Returns a w for each style layer, [layers, D].

    Args:
        generator: Has the average w.
        w: [D].
        psi: 1: w itself, 0: the average.
        cutoff: Only the style layers before this one are truncated.
    """
    ws = np.repeat(w[None], generator.layers, axis=0)
    average = generator.w_avg
    ws[:cutoff] = average + np.float32(psi) * (ws[:cutoff] - average)
    return ws


def noise_maps(generator: StyleModel, seed: int | None) -> list[tf.Tensor]:
    """Returns the noise of a seed, [1, h, w, 1] for each layer; None: zeros."""
    shapes = generator.noise_shapes
    if seed is None:
        return [tf.zeros([1, *shape]) for shape in shapes]
    return sampling.noise(tf.constant([seed], tf.int64), shapes)


def from_w(generator: StyleModel, ws: np.ndarray, noise: int | None) -> np.ndarray:
    """Returns the image [R, R, C] of a w for each style layer, [layers, D].

    Args:
        generator: The generator.
        ws: [layers, D].
        noise: The seed of the noise; None: none.
    """
    images = generator.synthesis(tf.constant(ws[None]), noise_maps(generator, noise))
    return images.numpy()[0]


def from_latent(
    generator: Generator, z: tf.Tensor, setting: Setting, noise: int | None
) -> np.ndarray:
    """Returns the image [R, R, C] of a latent [1, latent_size].

    Args:
        generator: The generator.
        z: The latent.
        setting: Class and psi.
        noise: The seed of the noise; None: none.
    """
    if isinstance(generator, LatentModel):
        return generator.draw(z, labels(setting.label)).numpy()[0]
    w = map_latent(generator, z, setting.label)
    return from_w(generator, truncate(generator, w, setting.psi), noise)


def from_seed(generator: Generator, seed: int, setting: Setting) -> np.ndarray:
    """Returns the image [R, R, C] of a seed."""
    z = latent(generator, seed)
    return from_latent(generator, z, setting, setting.noise_seed(seed))


def style_layers(generator: StyleModel, name: str) -> list[int]:
    """Returns the style layers that are "coarse", "middle", "fine" or "all".

    Raises:
        UsageError: The generator has no such layers.
    """
    low, high = _SIDES.get(name, (0, math.inf))
    found = [
        i for i, shape in enumerate(generator.noise_shapes) if low <= shape[0] <= high
    ]
    if not found:
        raise UsageError(
            f"{name} styles are those of {low} px and more; this model ends at "
            f"{generator.resolution} px. Take coarse"
            f"{' or middle' if generator.resolution > 8 else ''}."
        )
    return found


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Returns an image [R, R, C] in [-1, 1] as uint8 [R, R, 3]."""
    pixels = to_uint8(image)
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy()


def mixed(
    generator: StyleModel, seed: int, other: int, styles: str, setting: Setting
) -> np.ndarray:
    """Returns the w of a seed with some styles of another's, [layers, D].

    Args:
        generator: The generator.
        seed: The seed of the other styles.
        other: The seed of the styles taken.
        styles: "coarse", "middle" or "fine": the styles taken.
        setting: Class and psi.

    Raises:
        UsageError: The generator has no such styles.
    """
    taken = style_layers(generator, styles)
    ws, others = (styles_of(generator, s, setting) for s in (seed, other))
    ws[taken] = others[taken]
    return ws


def styles_of(generator: StyleModel, seed: int, setting: Setting) -> np.ndarray:
    """Returns the truncated w of a seed for each style layer, [layers, D]."""
    w = map_seed(generator, seed, setting.label)
    return truncate(generator, w, setting.psi)


def untruncated(
    generator: Generator, seeds: tf.Tensor, label: tf.Tensor | None
) -> tf.Tensor:
    """Returns the images of seeds, without truncation and with noise of their own.

    Args:
        generator: The generator.
        seeds: int64 [N].
        label: Classes, int64 [N], if there are any.
    """
    z = sampling.latents(seeds, generator.latent_size, generator.distribution)
    if isinstance(generator, LatentModel):
        return generator.draw(z, label)
    w = generator.mapping(z, label)
    ws = tf.repeat(w[:, tf.newaxis], generator.layers, axis=1)
    return generator.synthesis(ws, sampling.noise(seeds, generator.noise_shapes))
