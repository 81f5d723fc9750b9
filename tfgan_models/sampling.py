"""Latents and noise as functions of a seed: the same on every machine, in any batch.

Philox (Salmon et al., 2011) is what every device computes alike.
"""

from collections.abc import Sequence

import tensorflow as tf

FIXED_NOISE = 0
"""The seed of the noise that pictures share where noise is not to vary."""

_LATENT, _NOISE = 0, 1


def latents(seeds: tf.Tensor, size: int) -> tf.Tensor:
    """Draws the latent of each seed.

    Args:
        seeds: int64 [N].
        size: Of a latent.

    Returns:
        N(0, 1), float32 [N, size].
    """
    return _normal(seeds, (size,), _LATENT)


def noise(seeds: tf.Tensor, shapes: Sequence[tuple[int, int, int]]) -> list[tf.Tensor]:
    """Draws the noise maps of each seed.

    Args:
        seeds: int64 [N].
        shapes: Of each style layer's map, [h, w, 1].

    Returns:
        For each style layer N(0, 1), float32 [N, h, w, 1].
    """
    return [_normal(seeds, shape, _NOISE + i) for i, shape in enumerate(shapes)]


def _normal(seeds: tf.Tensor, shape: tuple[int, ...], purpose: int) -> tf.Tensor:
    def draw(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_normal(
            shape, tf.stack([seed, tf.constant(purpose, tf.int64)]), alg="philox"
        )

    return tf.map_fn(
        draw,
        tf.cast(seeds, tf.int64),
        fn_output_signature=tf.TensorSpec(shape, tf.float32),
    )
