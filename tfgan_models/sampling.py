"""Latents and noise as functions of a seed: the same on every machine, in any batch.

Philox (Salmon et al., 2011) gives the same numbers on every device.
"""

import math
from collections.abc import Sequence

import tensorflow as tf

FIXED_NOISE = 0
"""The seed of the noise shared by images if noise should not vary."""

_LATENT, _NOISE = 0, 1


DISTRIBUTIONS = ("normal", "uniform")
"""Distributions of latents: N(0, 1), or uniform in [-1, 1)."""


def draw(shape: Sequence[int], key: tf.Tensor, distribution: str) -> tf.Tensor:
    """Draws float32 random numbers.

    Args:
        shape: Of the result.
        key: int32 or int64 [2].
        distribution: One of `DISTRIBUTIONS`.
    """
    if distribution == "uniform":
        return tf.random.stateless_uniform(shape, key, -1.0, 1.0, alg="philox")
    return tf.random.stateless_normal(shape, key, alg="philox")


def latents(seeds: tf.Tensor, size: int, distribution: str = "normal") -> tf.Tensor:
    """Draws the latent of each seed.

    Args:
        seeds: int64 [N].
        size: Of a latent.
        distribution: One of `DISTRIBUTIONS`.

    Returns:
        float32 [N, size].
    """
    return _draw(seeds, (size,), _LATENT, distribution)


def noise(seeds: tf.Tensor, shapes: Sequence[tuple[int, int, int]]) -> list[tf.Tensor]:
    """Draws the noise maps of each seed.

    Args:
        seeds: int64 [N].
        shapes: Of each style layer's map, [h, w, 1].

    Returns:
        For each style layer N(0, 1), float32 [N, h, w, 1].
    """
    return [_draw(seeds, shape, _NOISE + i) for i, shape in enumerate(shapes)]


def _draw(
    seeds: tf.Tensor,
    shape: tuple[int, ...],
    purpose: int,
    distribution: str = "normal",
) -> tf.Tensor:
    def one(seed: tf.Tensor) -> tf.Tensor:
        key = tf.stack([seed, tf.constant(purpose, tf.int64)])
        return draw(shape, key, distribution)

    return tf.map_fn(
        one,
        tf.cast(seeds, tf.int64),
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
    )


def truncated_normal(uniform: tf.Tensor) -> tf.Tensor:
    """Maps uniform numbers to a normal distribution truncated at 2 standard deviations.

    Args:
        uniform: In [-1, 1), any shape.

    Returns:
        As many samples of N(0, 1), conditioned on [-2, 2].
    """
    root = math.sqrt(2.0)
    return root * tf.math.erfinv(uniform * math.erf(root))
