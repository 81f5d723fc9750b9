"""CGAN: a GAN conditioned on the class (Mirza & Osindero, 2014)."""

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
class CGAN(GANModel):
    """G(z|y) against D(x|y), y the class (arXiv:1411.1784).

    `fit` takes batches {"real": [N, H, W, C] in [-1, 1], "label": [N], from 0}. A step
    is GAN's; the fakes have the classes of the batch. Calling the model generates
    images from latents and classes.

    Args:
        generator: Latents [N, latent_size] and one-hot labels [N, label_size], as a
            list, to images [N, H, W, C]; a `ConditionalMLPGenerator` in the paper. Any
            functional `keras.Model` works. Latents are N(0, 1), unless its attribute
            `latent_distribution` is "uniform": [-1, 1).
        discriminator: A list of such images and labels to logits [N, 1]; a
            `ConditionalMLPDiscriminator` in the paper. Any functional one, likewise.
        loss: One of `losses.ADVERSARIAL`; "minimax" in the paper.
        gp_weight: Weight of the gradient penalty, for "wgan_gp" only.
        ema_decay: See `GANModel`; the paper has none.
        seed: See `GANModel`.
        **kwargs: `name` and the like of `keras.Model`.

    Raises:
        ValueError: The networks do not fit together or take no labels, or an argument
            is not valid.
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
        latent_size, label_size = compatibility.check_networks(
            generator, discriminator, conditional=True
        )
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
        self.label_size = label_size
        self.latent_distribution = compatibility.latent_distribution(generator)
        self.game = game
        self.loss_name = loss
        self.gp_weight = gp_weight

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        """See `SteppedModel.batch_spec`."""
        shape = self.discriminator.inputs[0].shape[1:]
        return {"real": batches.images(*shape), "label": batches.labels()}

    def paper_optimizer(self) -> keras.optimizers.Optimizer:
        """See `GANModel.paper_optimizer`."""
        return annealing.paper_sgd()

    @property
    def call_spec(self) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        """See `SteppedModel.call_spec`."""
        return (
            tf.TensorSpec([None, self.latent_size], tf.float32, "latent"),
            tf.TensorSpec([None], tf.int64, "label"),
        )

    def call(
        self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """Generates images from (latents [N, latent_size], classes int [N])."""
        latent, label = inputs
        generator = self.exported_networks["generator"]
        return generator([latent, self._one_hot(label)], training=training)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator on new noise.

        Args:
            data: "real" and "label", this replica's images and their classes.

        Returns:
            The running mean of each loss in `loss_names`.

        Raises:
            tf.errors.InvalidArgumentError: A label is not in [0, label_size).
        """
        real, labels = data["real"], self._one_hot(data["label"])

        fake = self._generate(labels, _LATENT)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in self.discriminator_variables])
            d_loss = self.game.discriminator(
                self._judge(real, labels, _ON_REAL),
                self._judge(fake, labels, _ON_FAKE),
            )
            penalty = self._penalty(real, fake, labels)
            total = d_loss + self.gp_weight * penalty
        self.minimize(
            total, self.discriminator_variables, self.discriminator_optimizer, tape
        )

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in self.generator_variables])
            fake = self._generate(labels, _NEW_LATENT)
            g_loss = self.game.generator(self._judge(fake, labels, _ON_NEW_FAKE))
        self.minimize(g_loss, self.generator_variables, self.generator_optimizer, tape)
        return self.finish_step(
            {"g_loss": g_loss, "d_loss": d_loss, "penalty": penalty}
        )

    def _one_hot(self, label: tf.Tensor) -> tf.Tensor:
        """Classes [N] as one-hot float32 [N, label_size], checked for their range."""
        size = self.label_size
        # tf.one_hot silently returns zeros for any other number.
        message = f"CGAN needs labels, each from 0 to {size - 1}; -1 is an unknown one."
        known = [
            tf.debugging.assert_non_negative(label, message),
            tf.debugging.assert_less(label, tf.constant(size, label.dtype), message),
        ]
        with tf.control_dependencies([check for check in known if check is not None]):
            return tf.one_hot(label, size)

    def test_losses(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `SteppedModel.test_losses`; the fakes are from latents of this step."""
        label = data["label"]
        fake = self((self._latent(label, _LATENT), label), training=False)
        real, fake = (
            self.discriminator([x, self._one_hot(label)], training=False)
            for x in (data["real"], fake)
        )
        return {
            "g_loss": self.game.generator(fake),
            "d_loss": self.game.discriminator(real, fake),
        }

    def _latent(self, labels: tf.Tensor, purpose: int) -> tf.Tensor:
        """A latent for each label, for a `purpose`."""
        return self.draw_samples(
            purpose,
            tf.shape(labels)[0],
            self.latent_size,
            distribution=self.latent_distribution,
        )

    def _generate(self, labels: tf.Tensor, purpose: int) -> tf.Tensor:
        """An image for each label."""
        latent = self._latent(labels, purpose)
        return self.forward(self.generator, [latent, labels], purpose=purpose)

    def _judge(self, images: tf.Tensor, labels: tf.Tensor, purpose: int) -> tf.Tensor:
        return self.forward(self.discriminator, [images, labels], purpose=purpose)

    def _penalty(
        self, real: tf.Tensor, fake: tf.Tensor, labels: tf.Tensor
    ) -> tf.Tensor:
        """Gradient penalty: the norm's distance from 1, between reals and fakes."""
        if not self.game.penalizes_slopes:
            return tf.constant(0.0)
        places = self.draw_samples(_BETWEEN, tf.shape(real)[0], distribution="uniform")
        _, slopes = penalties.squared_slopes(
            lambda images: self._judge(images, labels, _ON_BETWEEN),
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
