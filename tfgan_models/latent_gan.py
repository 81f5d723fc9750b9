"""LatentGAN: what GAN, CGAN and DCGAN share."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgan_models import batches, compatibility, losses, penalties
from tfgan_models.adversarial import GANModel

# Distinct from the purposes of a paper's own random keys.
_TEST, _ON_BETWEEN = 0, 19


class LatentGAN(GANModel):
    """A generator of images from latents, and a discriminator, of fixed size.

    `fit` takes batches {"real": [N, H, W, C]} in [-1, 1] and, with classes, "label"
    [N], from 0; other keys are ignored. Calling the model generates images from latents
    or, with classes, from (latents, classes).

    Args:
        generator: Latents [N, latent_size] to images [N, H, W, C]; with classes, lists
            of latents and one-hot labels [N, label_size]. Any functional or sequential
            `keras.Model` works. Latents are N(0, 1), unless its attribute
            `latent_distribution` is "uniform": [-1, 1).
        discriminator: Such images, or lists of images and labels, to logits [N, 1].
            Any functional or sequential one, likewise.
        loss: One of `losses.ADVERSARIAL`.
        gp_weight: Weight of the gradient penalty, for "wgan_gp" only.
        **kwargs: Those of `GANModel`; the papers have no `ema_decay`.

    Raises:
        ValueError: The networks do not fit together, or take labels and should not, or
            the other way round; or an argument is not valid.
    """

    loss_names = ("g_loss", "d_loss", "penalty")
    conditional = False

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        loss: str = "minimax",
        gp_weight: float = 10.0,
        **kwargs: Any,
    ) -> None:
        self.latent_size, self.label_size = compatibility.check_networks(
            generator, discriminator, self.conditional
        )
        compatibility.check_not_negative(gp_weight=gp_weight)
        self.game = losses.adversarial(loss)
        super().__init__(
            {"generator": generator}, {"discriminator": discriminator}, **kwargs
        )
        self.generator = generator
        self.discriminator = discriminator
        self.latent_distribution = compatibility.latent_distribution(generator)
        self.loss_name = loss
        self.gp_weight = gp_weight

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        """See `SteppedModel.batch_spec`."""
        spec = {"real": batches.images(*self.discriminator.inputs[0].shape[1:])}
        return spec | ({"label": batches.labels()} if self.label_size else {})

    @property
    def call_spec(self) -> Any:
        """See `SteppedModel.call_spec`."""
        return batches.latents(self.latent_size, self.label_size)

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Generates images from latents [N, latent_size].

        With classes, from (latents, classes int [N]).
        """
        latent, *label = inputs if self.label_size else (inputs,)
        labels = [self.one_hot(classes) for classes in label]
        generator = self.exported_networks["generator"]
        return generator(_joined(latent, labels), training=training)

    def one_hot(self, label: tf.Tensor) -> tf.Tensor:
        """Returns classes [N] as float32 [N, label_size].

        Raises:
            tf.errors.InvalidArgumentError: One is not in [0, label_size).
        """
        size, name = self.label_size, type(self).__name__
        # tf.one_hot silently returns zeros for any other number.
        message = (
            f"{name} needs labels, each from 0 to {size - 1}; -1 is an unknown one."
        )
        known = [
            tf.debugging.assert_non_negative(label, message),
            tf.debugging.assert_less(label, tf.constant(size, label.dtype), message),
        ]
        with tf.control_dependencies([check for check in known if check is not None]):
            return tf.one_hot(label, size)

    def generate(self, real: tf.Tensor, purpose: int, *labels: tf.Tensor) -> tf.Tensor:
        """Returns generated images, as many as real ones, in training mode.

        Args:
            real: [N, H, W, C].
            purpose: Distinguishes the random keys of one step.
            *labels: One-hot [N, label_size], with classes.
        """
        latent = self._latents(real, purpose)
        return self.forward(self.generator, _joined(latent, labels), purpose=purpose)

    def judge(self, images: tf.Tensor, purpose: int, *labels: tf.Tensor) -> tf.Tensor:
        """Returns the logits of images in training mode.

        Args:
            images: [N, H, W, C].
            purpose: Distinguishes the calls of one step, also from the generator's.
            *labels: See `generate`.
        """
        joined = _joined(images, labels)
        return self.forward(self.discriminator, joined, purpose=purpose)

    def penalty(
        self, real: tf.Tensor, fake: tf.Tensor, purpose: int, *labels: tf.Tensor
    ) -> tf.Tensor:
        """Returns the gradient penalty between reals and fakes.

        Args:
            real: [N, H, W, C].
            fake: [N, H, W, C].
            purpose: Distinguishes the random keys of one step.
            *labels: See `generate`.

        Returns:
            A scalar, 0 if the loss has no such penalty.
        """
        if not self.game.penalizes_slopes:
            return tf.constant(0.0)
        # Sampled from [-1, 1), like latents.
        places = self.draw_samples(purpose, tf.shape(real)[0], distribution="uniform")
        return penalties.between(
            lambda images: self.judge(images, _ON_BETWEEN, *labels),
            real,
            fake,
            0.5 + 0.5 * places,
        )

    def test_losses(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `SteppedModel.test_losses`; the fakes are from latents of this step."""
        real, latent = data["real"], self._latents(data["real"], _TEST)
        label = [data["label"]] if self.label_size else []
        labels = [self.one_hot(classes) for classes in label]
        fake = self((latent, *label) if label else latent, training=False)
        real, fake = (
            self.discriminator(_joined(images, labels), training=False)
            for images in (real, fake)
        )
        return {
            "g_loss": self.game.generator(fake),
            "d_loss": self.game.discriminator(real, fake),
        }

    def _latents(self, real: tf.Tensor, purpose: int) -> tf.Tensor:
        """As many latents as there are real images, for a `purpose`."""
        return self.draw_samples(
            purpose,
            tf.shape(real)[0],
            self.latent_size,
            distribution=self.latent_distribution,
        )


def _joined(tensor: tf.Tensor, labels: Sequence[tf.Tensor]) -> Any:
    """A network's input: the tensor, or a list of it and labels."""
    return [tensor, *labels] if labels else tensor
