"""Adversarial and reconstruction losses.

Every function takes float tensors of any shape and returns the float32 mean over all
their elements: one value for one replica's share of the batch. Dividing by the number
of replicas is `GANModel.minimize`'s, once, for the total.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf


def least_squares_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """LSGAN's generator loss: (D(fake) - 1)^2 (arXiv:1611.04076).

    Args:
        fake_logits: The discriminator's outputs for fakes, [N, ...], no sigmoid.

    Returns:
        A scalar, 0 if every output is 1.
    """
    return tf.reduce_mean(tf.square(_float32(fake_logits) - 1.0))


def least_squares_discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tf.Tensor:
    """LSGAN's discriminator loss: ((D(real) - 1)^2 + D(fake)^2) / 2.

    Args:
        real_logits: The discriminator's outputs for reals, [N, ...], no sigmoid.
        fake_logits: The same for fakes.

    Returns:
        A scalar, 0 if every output is 1 for reals and 0 for fakes.
    """
    real = tf.reduce_mean(tf.square(_float32(real_logits) - 1.0))
    fake = tf.reduce_mean(tf.square(_float32(fake_logits)))
    return 0.5 * (real + fake)


def cross_entropy_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """The non-saturating generator loss: -log D(fake) (arXiv:1406.2661).

    Args:
        fake_logits: The discriminator's outputs for fakes, [N, ...]; D is their
            sigmoid.

    Returns:
        A scalar, log 2 if D = 0.5 everywhere.
    """
    return tf.reduce_mean(tf.nn.softplus(-_float32(fake_logits)))


def cross_entropy_discriminator_loss(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tf.Tensor:
    """The discriminator loss: -log D(real) - log(1 - D(fake)) (arXiv:1406.2661).

    Args:
        real_logits: The discriminator's outputs for reals, [N, ...]; D is their
            sigmoid.
        fake_logits: The same for fakes.

    Returns:
        A scalar, 2 log 2 if D = 0.5 everywhere.
    """
    real = tf.reduce_mean(tf.nn.softplus(-_float32(real_logits)))
    fake = tf.reduce_mean(tf.nn.softplus(_float32(fake_logits)))
    return real + fake


def minimax_generator_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """The generator's minimax loss: log(1 - D(fake)) (arXiv:1406.2661).

    It saturates: its gradient vanishes if the discriminator detects every fake.

    Args:
        fake_logits: The discriminator's outputs for fakes, [N, ...]; D is their
            sigmoid.

    Returns:
        A scalar, at most 0; -log 2 if D = 0.5 everywhere.
    """
    return -tf.reduce_mean(tf.nn.softplus(_float32(fake_logits)))


def hinge_generator_loss(fake_scores: tf.Tensor) -> tf.Tensor:
    """Minus the mean score of fakes (arXiv:1705.02894).

    Args:
        fake_scores: The discriminator's outputs for fakes, [N, ...].

    Returns:
        A scalar.
    """
    return wasserstein_generator_loss(fake_scores)


def hinge_discriminator_loss(
    real_scores: tf.Tensor, fake_scores: tf.Tensor
) -> tf.Tensor:
    """max(0, 1 - D(real)) + max(0, 1 + D(fake)) (arXiv:1705.02894).

    Args:
        real_scores: The discriminator's outputs for reals, [N, ...].
        fake_scores: The same for fakes.

    Returns:
        A scalar, 0 if all reals are above 1 and all fakes below -1.
    """
    real = tf.reduce_mean(tf.nn.relu(1.0 - _float32(real_scores)))
    fake = tf.reduce_mean(tf.nn.relu(1.0 + _float32(fake_scores)))
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


def sign_mean(scores: tf.Tensor) -> tf.Tensor:
    """Mean sign of scores: 1 if the discriminator classifies all as real."""
    return tf.reduce_mean(tf.sign(scores))


def label_loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Mean cross entropy of classes (AC-GAN, arXiv:1610.09585).

    Args:
        labels: One-hot [N, classes].
        logits: [N, classes].

    Returns:
        A scalar, log(classes) if all are equally likely.
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


def l2_loss(images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Mean squared difference.

    Args:
        images: [N, H, W, C].
        targets: The same shape.

    Returns:
        A scalar.
    """
    return tf.reduce_mean(tf.square(_float32(images) - _float32(targets)))


def gaussian_kl_loss(mean: tf.Tensor, log_sigma: tf.Tensor) -> tf.Tensor:
    """KL divergence of N(mean, sigma^2) from N(0, 1), per dimension.

    The mean over batch and dimensions, as in StackGAN's published code; the
    divergence of a whole vector is this times the number of dimensions.

    Args:
        mean: [N, D].
        log_sigma: The logarithm of the standard deviation, [N, D].

    Returns:
        A scalar, 0 for N(0, 1).
    """
    mean, log_sigma = _float32(mean), _float32(log_sigma)
    return tf.reduce_mean(
        -log_sigma + 0.5 * (tf.exp(2.0 * log_sigma) + tf.square(mean) - 1.0)
    )


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """The losses of generator and discriminator.

    Attributes:
        generator: Scores of fakes -> a scalar.
        discriminator: (scores of reals, scores of fakes) -> a scalar.
        penalizes_slopes: Whether the discriminator also needs the gradient penalty.
    """

    generator: Callable[[tf.Tensor], tf.Tensor]
    discriminator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    penalizes_slopes: bool = False


ADVERSARIAL = {
    "minimax": AdversarialLoss(
        minimax_generator_loss, cross_entropy_discriminator_loss
    ),
    "non_saturating": AdversarialLoss(
        cross_entropy_generator_loss, cross_entropy_discriminator_loss
    ),
    "lsgan": AdversarialLoss(
        least_squares_generator_loss, least_squares_discriminator_loss
    ),
    "hinge": AdversarialLoss(hinge_generator_loss, hinge_discriminator_loss),
    "wgan_gp": AdversarialLoss(
        wasserstein_generator_loss, wasserstein_discriminator_loss, True
    ),
}
"""Adversarial losses of an unconditional or conditional GAN, by name."""


def adversarial(name: str) -> AdversarialLoss:
    """Returns one of `ADVERSARIAL`.

    Raises:
        ValueError: There is none with that name.
    """
    if name not in ADVERSARIAL:
        raise ValueError(
            f"loss must be one of {', '.join(ADVERSARIAL)}. Received: loss={name!r}"
        )
    return ADVERSARIAL[name]


def _float32(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.float32)
