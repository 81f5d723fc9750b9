"""Gradient penalties of a discriminator at given images."""

from collections.abc import Callable

import tensorflow as tf


def squared_slopes(
    discriminator: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns scores, and the squared norm of each score's gradient.

    `r1 = gamma / 2 * mean(slopes)` (Mescheder et al., arXiv:1801.04406).

    Args:
        discriminator: Images to scores, of any shape.
        images: [N, H, W, C].

    Returns:
        The scores, and float32 [N].
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        scores = discriminator(images)
        total = tf.reduce_sum(scores)
    gradients = tf.cast(tape.gradient(total, images), tf.float32)
    return scores, tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3])


def gradient_penalty(squared: tf.Tensor, target: float = 1.0) -> tf.Tensor:
    """Mean of `(norm - target)^2` (Gulrajani et al., arXiv:1704.00028).

    Args:
        squared: Squared norms, [N].
        target: The norm without a penalty.
    """
    # The root has no derivative at 0.
    return tf.reduce_mean(tf.square(tf.sqrt(squared + 1e-12) - target))


def between(
    discriminator: Callable[[tf.Tensor], tf.Tensor],
    real: tf.Tensor,
    fake: tf.Tensor,
    places: tf.Tensor,
    shrinkage: float = 1.0,
) -> tf.Tensor:
    """WGAN-GP's penalty: how far slopes between reals and fakes are from 1.

    Args:
        discriminator: Images to scores, of any shape.
        real: [N, H, W, C].
        fake: [N, H, W, C].
        places: In [0, 1], [N]; 0 is real.
        shrinkage: What the slopes are divided by.
    """
    _, slopes = squared_slopes(discriminator, interpolates(real, fake, places))
    return gradient_penalty(slopes / shrinkage**2)


def drift(scores: tf.Tensor) -> tf.Tensor:
    """Mean squared score, which keeps a critic near 0 (ProGAN, arXiv:1710.10196).

    Args:
        scores: Of reals, [N, ...].
    """
    return tf.reduce_mean(tf.square(tf.cast(scores, tf.float32)))


def interpolates(real: tf.Tensor, fake: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """Returns interpolations between real and fake images.

    Args:
        real: [N, H, W, C].
        fake: [N, H, W, C].
        places: In [0, 1], [N]; 0 is real.
    """
    return real + (fake - real) * tf.reshape(places, [-1, 1, 1, 1])
