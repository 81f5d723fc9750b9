"""GAN: the adversarial game of two networks (Goodfellow et al., 2014)."""

from typing import Any

import keras
import tensorflow as tf

from tfgan_models import annealing, batches, compatibility, losses, penalties
from tfgan_models.adversarial import GANModel

# Purposes of random keys in a step.
_LATENT, _NEW_LATENT, _BETWEEN = 0, 1, 2
# The discriminator's calls, whose dropout differs from the generator's.
_ON_REAL, _ON_FAKE, _ON_NEW_FAKE, _ON_BETWEEN = 16, 17, 18, 19


@keras.saving.register_keras_serializable(package="tfgan_models")
class GAN(GANModel):
    """A generator of images from noise and a discriminator (arXiv:1406.2661).

    `fit` takes batches {"real": [N, H, W, C]} in [-1, 1]; other keys are
    ignored. Calling the model generates images from latents. A step is one pass of
    algorithm 1 with k = 1.

    Args:
        generator: Latents [N, latent_size] to images [N, H, W, C]; an `MLPGenerator` in
            the paper. Any functional or sequential `keras.Model` works. Latents are
            N(0, 1), unless its attribute `latent_distribution` is "uniform": [-1, 1).
        discriminator: Such images to logits [N, 1]; an `MLPDiscriminator` in the paper.
            Any functional or sequential one, likewise.
        loss: One of `losses.ADVERSARIAL`. "minimax" is the paper's game;
            "non_saturating" is its advice if the discriminator wins early.
        gp_weight: Weight of the gradient penalty, for "wgan_gp" only.
        ema_decay: See `GANModel`; the paper has none.
        seed: See `GANModel`.
        **kwargs: `name` and the like of `keras.Model`.

    Raises:
        ValueError: The networks do not fit together, or an argument is not valid.
    """

    loss_names = ("g_loss", "d_loss", "penalty")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        loss: str = "minimax",
        gp_weight: float = 10.0,
        ema_decay: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        latent_size, _ = compatibility.check_networks(generator, discriminator)
        compatibility.check_weight(gp_weight)
        game = losses.adversarial(loss)
        super().__init__(
            generators={"generator": generator},
            discriminators={"discriminator": discriminator},
            ema_decay=ema_decay,
            seed=seed,
            **kwargs,
        )
        self.generator = generator
        self.discriminator = discriminator
        self.latent_size = latent_size
        self.latent_distribution = compatibility.latent_distribution(generator)
        self.game = game
        self.loss_name = loss
        self.gp_weight = gp_weight

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        """See `SteppedModel.batch_spec`."""
        return {"real": batches.images(*self.discriminator.inputs[0].shape[1:])}

    def paper_optimizer(self) -> keras.optimizers.Optimizer:
        """See `GANModel.paper_optimizer`."""
        return annealing.paper_sgd()

    @property
    def call_spec(self) -> tf.TensorSpec:
        """See `SteppedModel.call_spec`."""
        return tf.TensorSpec([None, self.latent_size], tf.float32, "latent")

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Generates images from latents [N, latent_size]."""
        return self.exported_networks["generator"](inputs, training=training)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator on new noise.

        Args:
            data: "real", this replica's images in [-1, 1].

        Returns:
            The running mean of each loss in `loss_names`.
        """
        real = data["real"]

        fake = self._generate(real, _LATENT)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in self.discriminator_variables])
            d_loss = self.game.discriminator(
                self._judge(real, _ON_REAL), self._judge(fake, _ON_FAKE)
            )
            penalty = self._penalty(real, fake)
            total = d_loss + self.gp_weight * penalty
        self.minimize(
            total, self.discriminator_variables, self.discriminator_optimizer, tape
        )

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in self.generator_variables])
            fake = self._generate(real, _NEW_LATENT)
            g_loss = self.game.generator(self._judge(fake, _ON_NEW_FAKE))
        self.minimize(g_loss, self.generator_variables, self.generator_optimizer, tape)
        return self.finish_step(
            {"g_loss": g_loss, "d_loss": d_loss, "penalty": penalty}
        )

    def test_losses(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `SteppedModel.test_losses`; the fakes are from latents of this step."""
        fake = self(self._latent(data["real"], _LATENT), training=False)
        real, fake = (
            self.discriminator(x, training=False) for x in (data["real"], fake)
        )
        return {
            "g_loss": self.game.generator(fake),
            "d_loss": self.game.discriminator(real, fake),
        }

    def _latent(self, real: tf.Tensor, purpose: int) -> tf.Tensor:
        """As many latents as there are real images, for a `purpose`."""
        return self.draw_samples(
            purpose,
            tf.shape(real)[0],
            self.latent_size,
            distribution=self.latent_distribution,
        )

    def _generate(self, real: tf.Tensor, purpose: int) -> tf.Tensor:
        latent = self._latent(real, purpose)
        return self.forward(self.generator, latent, purpose=purpose)

    def _judge(self, images: tf.Tensor, purpose: int) -> tf.Tensor:
        return self.forward(self.discriminator, images, purpose=purpose)

    def _penalty(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        """Gradient penalty: the norm's distance from 1, between reals and fakes."""
        if not self.game.penalizes_slopes:
            return tf.constant(0.0)
        places = self.draw_samples(_BETWEEN, tf.shape(real)[0], distribution="uniform")
        _, slopes = penalties.squared_slopes(
            lambda images: self._judge(images, _ON_BETWEEN),
            # Sampled from [-1, 1), like latents.
            penalties.interpolates(real, fake, 0.5 + 0.5 * places),
        )
        return penalties.gradient_penalty(slopes)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, networks serialised."""
        serialize = keras.saving.serialize_keras_object
        return {
            "generator": serialize(self.generator),
            "discriminator": serialize(self.discriminator),
            "loss": self.loss_name,
            "gp_weight": self.gp_weight,
            "ema_decay": self.ema_decay,
            "seed": self.seed,
            "name": self.name,
        }
