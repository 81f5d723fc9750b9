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


def wasserstein_generator_loss(fake_scores: tf.Tensor) -> tf.Tensor:
    """Minus the mean score of fakes (WGAN, arXiv:1701.07875).

    Args:
        fake_scores: The critic's outputs for fakes, [N, ...].

    Returns:
        A scalar.
    """
    return -tf.reduce_mean(_float32(fake_scores))


def wasserstein_discriminator_loss(
    real_scores: tf.Tensor, fake_scores: tf.Tensor
) -> tf.Tensor:
    """Mean score of fakes minus that of reals (WGAN, arXiv:1701.07875).

    Args:
        real_scores: The critic's outputs for reals, [N, ...].
        fake_scores: The same for fakes.

    Returns:
        A scalar.
    """
    return tf.reduce_mean(_float32(fake_scores)) - tf.reduce_mean(_float32(real_scores))


def label_loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Mean cross entropy of classes (AC-GAN, arXiv:1610.09585).

    Args:
        labels: One-hot [N, classes].
        logits: [N, classes].

    Returns:
        A scalar, log(classes) where all are equally likely.
    """
    return tf.reduce_mean(
        tf.nn.softmax_cross_entropy_with_logits(_float32(labels), _float32(logits))
    )


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
