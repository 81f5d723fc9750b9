"""Adversarial and reconstruction losses.

Every function takes float tensors of any shape and returns the float32 mean over all
their elements: one value for one replica's share of the batch. Dividing by the number
of replicas is `GANModel.minimize`'s, once, for the total.
"""

import tensorflow as tf


def least_squares_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """LSGAN's loss of a generator: (D(fake) - 1)^2 (arXiv:1611.04076).

    Args:
        fake_logits: The discriminator's outputs for fakes, [N, ...], no sigmoid.

    Returns:
        A scalar, 0 where every fake is judged 1.
    """
    return tf.reduce_mean(tf.square(_float32(fake_logits) - 1.0))


def least_squares_discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tf.Tensor:
    """LSGAN's loss of a discriminator: ((D(real) - 1)^2 + D(fake)^2) / 2.

    Args:
        real_logits: The discriminator's outputs for reals, [N, ...], no sigmoid.
        fake_logits: The same for fakes.

    Returns:
        A scalar, 0 where every real is judged 1 and every fake 0.
    """
    real = tf.reduce_mean(tf.square(_float32(real_logits) - 1.0))
    fake = tf.reduce_mean(tf.square(_float32(fake_logits)))
    return 0.5 * (real + fake)


def cross_entropy_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """The generator's loss that does not saturate: -log D(fake) (arXiv:1406.2661).

    Args:
        fake_logits: The discriminator's outputs for fakes, [N, ...]; D is their
            sigmoid.

    Returns:
        A scalar, log 2 where the discriminator cannot tell.
    """
    return tf.reduce_mean(tf.nn.softplus(-_float32(fake_logits)))


def cross_entropy_discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tf.Tensor:
    """The discriminator's loss: -log D(real) - log(1 - D(fake)) (arXiv:1406.2661).

    Args:
        real_logits: The discriminator's outputs for reals, [N, ...]; D is their
            sigmoid.
        fake_logits: The same for fakes.

    Returns:
        A scalar, 2 log 2 where the discriminator cannot tell.
    """
    real = tf.reduce_mean(tf.nn.softplus(-_float32(real_logits)))
    fake = tf.reduce_mean(tf.nn.softplus(_float32(fake_logits)))
    return real + fake


def l1_loss(images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference.

    Args:
        images: [N, H, W, C].
        targets: The same shape.

    Returns:
        A scalar.
    """
    return tf.reduce_mean(tf.abs(_float32(images) - _float32(targets)))


def _float32(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.float32)
