"""GAN: the adversarial game of two networks (Goodfellow et al., 2014)."""

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
class GAN(LatentGAN):
    """A generator of images from noise and a discriminator (arXiv:1406.2661).

    See `LatentGAN` for its arguments; the paper has an `MLPGenerator`, an
    `MLPDiscriminator` and the loss "minimax", and advises "non_saturating" if the
    discriminator wins early. A step is one pass of algorithm 1 with k = 1.
    """

    def paper_optimizer(self) -> keras.optimizers.Optimizer:
        """See `GANModel.paper_optimizer`."""
        return annealing.paper_sgd()

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator on new noise.

        Args:
            data: "real", this replica's images in [-1, 1].

        Returns:
            The running mean of each loss in `loss_names`.
        """
        real = data["real"]

        fake = self.generate(real, _LATENT)
        with watching(self.discriminator_variables) as tape:
            d_loss = self.game.discriminator(
                self.judge(real, _ON_REAL), self.judge(fake, _ON_FAKE)
            )
            penalty = self.penalty(real, fake, _BETWEEN)
            total = d_loss + self.gp_weight * penalty
        self.minimize(
            total, self.discriminator_variables, self.discriminator_optimizer, tape
        )

        with watching(self.generator_variables) as tape:
            fake = self.generate(real, _NEW_LATENT)
            g_loss = self.game.generator(self.judge(fake, _ON_NEW_FAKE))
        self.minimize(g_loss, self.generator_variables, self.generator_optimizer, tape)
        return self.finish_step(
            {"g_loss": g_loss, "d_loss": d_loss, "penalty": penalty}
        )
