"""CGAN: a GAN conditioned on the class (Mirza & Osindero, 2014)."""

import keras
import tensorflow as tf

from tfgan_models import annealing
from tfgan_models.adversarial import watching
from tfgan_models.latent_gan import LatentGAN

# Purposes of random keys in a step.
_LATENT, _NEW_LATENT, _BETWEEN = 0, 1, 2
# The discriminator's calls, whose dropout differs from the generator's.
_ON_REAL, _ON_FAKE, _ON_NEW_FAKE = 16, 17, 18


@keras.saving.register_keras_serializable(package="tfgan_models")
class CGAN(LatentGAN):
    """G(z|y) against D(x|y), y the class (arXiv:1411.1784).

    See `LatentGAN` for its arguments; the paper has a `ConditionalMLPGenerator`, a
    `ConditionalMLPDiscriminator` and the loss "minimax". A step is GAN's; the fakes
    have the classes of the batch.
    """

    conditional = True

    def paper_optimizer(self) -> keras.optimizers.Optimizer:
        """See `GANModel.paper_optimizer`."""
        return annealing.paper_sgd()

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator on new noise.

        Args:
            data: "real" and "label", this replica's images and their classes.

        Returns:
            The running mean of each loss in `loss_names`.

        Raises:
            tf.errors.InvalidArgumentError: A label is not in [0, label_size).
        """
        real, labels = data["real"], self.one_hot(data["label"])

        fake = self.generate(real, _LATENT, labels)
        with watching(self.discriminator_variables) as tape:
            d_loss = self.game.discriminator(
                self.judge(real, _ON_REAL, labels), self.judge(fake, _ON_FAKE, labels)
            )
            penalty = self.penalty(real, fake, _BETWEEN, labels)
            total = d_loss + self.gp_weight * penalty
        self.minimize(
            total, self.discriminator_variables, self.discriminator_optimizer, tape
        )

        with watching(self.generator_variables) as tape:
            fake = self.generate(real, _NEW_LATENT, labels)
            g_loss = self.game.generator(self.judge(fake, _ON_NEW_FAKE, labels))
        self.minimize(g_loss, self.generator_variables, self.generator_optimizer, tape)
        return self.finish_step(
            {"g_loss": g_loss, "d_loss": d_loss, "penalty": penalty}
        )
