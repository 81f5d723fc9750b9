"""DCGAN: deep convolutional GANs that train (Radford et al., 2015)."""

from typing import Any

import keras
import tensorflow as tf

from tfgan_models.adversarial import watching
from tfgan_models.latent_gan import LatentGAN

# Purposes of random keys in a step.
_LATENT, _BETWEEN = 0, 1
# The discriminator's calls.
_ON_REAL, _ON_FAKE, _ON_SAME_FAKE = 16, 17, 18


@keras.saving.register_keras_serializable(package="tfgan_models")
class DCGAN(LatentGAN):
    """A convolutional generator and discriminator (arXiv:1511.06434).

    Args:
        generator: See `LatentGAN`; a `DCGANGenerator` in the paper.
        discriminator: Likewise; a `DCGANDiscriminator`.
        loss: One of `losses.ADVERSARIAL`; "non_saturating" in the paper. The gradient
            penalty of "wgan_gp" is per image: use a discriminator with
            spectral normalisation, not with batch normalisation.
        **kwargs: Those of `LatentGAN`.

    Raises:
        ValueError: The networks do not fit together, or an argument is not valid.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        loss: str = "non_saturating",
        **kwargs: Any,
    ) -> None:
        super().__init__(generator, discriminator, loss, **kwargs)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator on the same noise.

        The discriminator gets reals and fakes in separate calls: its batch
        normalisation does not mix them.

        Args:
            data: "real", this replica's images in [-1, 1].

        Returns:
            The running mean of each loss in `loss_names`.
        """
        real = data["real"]

        with watching(self.generator_variables) as generator_tape:
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

        # The same fakes, scored by the updated discriminator.
        with generator_tape:
            g_loss = self.game.generator(self.judge(fake, _ON_SAME_FAKE))
        self.minimize(
            g_loss, self.generator_variables, self.generator_optimizer, generator_tape
        )
        return self.finish_step(
            {"g_loss": g_loss, "d_loss": d_loss, "penalty": penalty}
        )
