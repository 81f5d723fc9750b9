"""ProGAN: progressive growing of GANs (Karras et al., arXiv:1710.10196)."""

from typing import Any

import keras
import tensorflow as tf

from tfgan_models import compatibility, losses, penalties
from tfgan_models.adversarial import watching
from tfgan_models.growing_gan import GrowingGAN
from tfgan_models.growth import Growth
from tfgan_models.micro_batches import Tensors

# Purposes of random keys in a step.
_LATENT, _BETWEEN, _AUGMENT = 0, 2, 4


@keras.saving.register_keras_serializable(package="tfgan_models")
class ProGAN(GrowingGAN):
    """ProGAN, by default with its WGAN-GP loss; with classes, AC-GAN's is added.

    Args:
        generator: A `ProgressiveGenerator`.
        discriminator: A `ProgressiveDiscriminator` of the same resolution and labels.
        schedule: See `GrowingGAN`.
        loss: One of `losses.ADVERSARIAL`; "wgan_gp" in the paper, the only one with
            gradient penalty and drift.
        gp_weight: Weight of the gradient penalty; the norm's target, 1, holds at the
            full resolution, see `GrowingGAN.shrinkage`.
        drift_weight: Weight of the mean squared score of reals.
        label_weight: Weight of the cross entropy of classes, on reals and fakes.
        **kwargs: Those of `GrowingGAN`.

    Raises:
        ValueError: Arguments that do not fit together.
    """

    loss_names = ("g_loss", "d_loss", "penalty", "drift", "real_sign", "fake_sign")
    examples = ("ProgressiveGenerator", "ProgressiveDiscriminator")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        schedule: Growth,
        loss: str = "wgan_gp",
        gp_weight: float = 10.0,
        drift_weight: float = 0.001,
        label_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        compatibility.check_not_negative(
            drift_weight=drift_weight, label_weight=label_weight
        )
        super().__init__(generator, discriminator, schedule, loss, gp_weight, **kwargs)
        self.drift_weight = drift_weight
        self.label_weight = label_weight

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator.

        Args:
            data: "real" and "label", this replica's.

        Returns:
            The running mean of each of `loss_names`.
        """
        batch = self.batch(data)
        labels = {k: v for k, v in batch.items() if k == "labels"}

        gradients, judged = self.in_micro_batches(
            self._discriminator_gradients, batch | self.draws(0)
        )
        self.apply(gradients, self.discriminator, self.discriminator_optimizer)

        gradients, drawn = self.in_micro_batches(
            self._generator_gradients, labels | self.draws(1)
        )
        self.apply(gradients, self.generator, self.generator_optimizer)
        return self.finish_step(judged | drawn)

    def draws(self, part: int) -> Tensors:
        """Returns all random numbers of one of the two parts of a step.

        Args:
            part: 0 for the discriminator's, 1 for the generator's.

        Returns:
            "latent" [N, latent_size]; "between" [N], see `GrowingGAN.places_between`;
            "keys" for the augmentation.
        """
        return {
            "latent": self.normal(_LATENT + part, self.generator.latent_size),
            "between": self.places_between(_BETWEEN + part),
            "keys": self.keys(_AUGMENT + part),
        }

    def _generate(self, batch: Tensors) -> tf.Tensor:
        return self.generator(
            batch["latent"],
            labels=batch.get("labels"),
            resolution=self.phase.resolution,
            alpha=self.alpha(),
        )

    def _judge(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self.discriminator(images, alpha=self.alpha())

    def score(self, images: tf.Tensor, batch: Tensors) -> tf.Tensor:
        """See `GrowingGAN.score`."""
        return self._judge(images)[0]

    def _label_loss(self, logits: tf.Tensor, batch: Tensors) -> tf.Tensor | float:
        if "labels" not in batch:
            return 0.0
        return self.label_weight * losses.label_loss(batch["labels"], logits)

    def _discriminator_gradients(self, batch: Tensors) -> tuple[Tensors, Tensors]:
        fake = self._generate(batch)
        real = self.augmented(batch["real"], batch, 0)
        fake = self.augmented(fake, batch, 1)
        with watching(self.discriminator_variables) as tape:
            real_scores, real_logits = self._judge(real)
            fake_scores, fake_logits = self._judge(fake)
            penalty = self.penalty(real, fake, batch)
            drift = tf.constant(0.0)
            if self.game.penalizes_slopes:
                drift = penalties.drift(real_scores)
            d_loss = self.game.discriminator(real_scores, fake_scores)
            total = d_loss + self.gp_weight * penalty + self.drift_weight * drift
            total += self._label_loss(real_logits, batch)
            total += self._label_loss(fake_logits, batch)
        gradients = self.gradients(
            total, self.discriminator, self.discriminator_optimizer, tape
        )
        return gradients, {
            "d_loss": d_loss,
            "penalty": penalty,
            "drift": drift,
            "real_sign": losses.sign_mean(real_scores),
            "fake_sign": losses.sign_mean(fake_scores),
        }

    def _generator_gradients(self, batch: Tensors) -> tuple[Tensors, Tensors]:
        with watching(self.generator_variables) as tape:
            fake = self.augmented(self._generate(batch), batch, 0)
            scores, logits = self._judge(fake)
            g_loss = self.game.generator(scores)
            total = g_loss + self._label_loss(logits, batch)
        gradients = self.gradients(
            total, self.generator, self.generator_optimizer, tape
        )
        return gradients, {"g_loss": g_loss}
