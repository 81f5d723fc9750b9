"""Pix2Pix: image-to-image translation learnt from pairs (Isola et al., 2017)."""

from typing import Any

import keras
import tensorflow as tf

from tfgan_models import losses
from tfgan_models.adversarial import GANModel


@keras.saving.register_keras_serializable(package="tfgan_models")
class Pix2Pix(GANModel):
    """A generator and a discriminator that sees its input too (arXiv:1611.07004).

    `fit` takes batches {"input": [N, H, W, channels], "target": ...} in [-1, 1].
    Calling the model translates. The only noise is the generator's dropout, which is
    drawn in training alone: what is called and exported is deterministic, where the
    paper draws it at test time too. By which statistics it normalises, the generator
    says: `inference_norm` of a U-Net.

    Args:
        generator: Inputs to targets, [-1, 1]; a U-Net in the paper.
        discriminator: Logits for an input and an image, joined along the channels.
        l1_weight: The paper's lambda, weight of the distance to the target.
        ema_decay: See `GANModel`; the paper has none.
        seed: See `GANModel`.
        **kwargs: `name` and the like of `keras.Model`.

    Raises:
        ValueError: A negative weight, or a discriminator whose channels are not those
            of input and target together.
    """

    loss_names = ("g_loss", "gan", "l1", "d_loss")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        l1_weight: float = 100.0,
        ema_decay: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            generators={"generator": generator},
            discriminators={"b": discriminator},
            ema_decay=ema_decay,
            seed=seed,
            **kwargs,
        )
        if l1_weight < 0:
            raise ValueError(
                f"l1_weight must be 0 or more. Received: l1_weight={l1_weight}"
            )
        seen = discriminator.input_shape[-1]
        channels = generator.input_shape[-1], generator.output_shape[-1]
        if seen != sum(channels):
            raise ValueError(
                "The discriminator sees input and output together and must have "
                f"{' + '.join(map(str, channels))} = {sum(channels)} channels. "
                f"Received: channels={seen}"
            )
        self.generator = generator
        self.discriminator = discriminator
        self.l1_weight = l1_weight

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Translates images [N, H, W, C] in [-1, 1]."""
        return self.exported_networks["generator"](inputs, training=training)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator against it.

        Args:
            data: "input" and "target", this replica's pairs in [-1, 1].

        Returns:
            The running mean of each loss in `loss_names`.
        """
        source, target = data["input"], data["target"]

        with tf.GradientTape(watch_accessed_variables=False) as generator_tape:
            generator_tape.watch([v.value for v in self.generator_variables])
            fake = self.forward(self.generator, source)

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in self.discriminator_variables])
            # Halved, which slows the discriminator down (section 3.3).
            d_loss = 0.5 * losses.cross_entropy_discriminator_loss(
                self._judge(source, target), self._judge(source, fake)
            )
        self.minimize(
            d_loss, self.discriminator_variables, self.discriminator_optimizer, tape
        )

        # The same fake, judged by the discriminator as it is now.
        with generator_tape:
            gan = losses.cross_entropy_generator_loss(self._judge(source, fake))
            l1 = losses.l1_loss(fake, target)
            g_loss = gan + self.l1_weight * l1
        self.minimize(
            g_loss, self.generator_variables, self.generator_optimizer, generator_tape
        )
        return self.finish_step(
            {"g_loss": g_loss, "gan": gan, "l1": l1, "d_loss": d_loss}
        )

    def _judge(self, source: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        """The discriminator's logits for `image` as a translation of `source`."""
        return self.forward(self.discriminator, tf.concat([source, image], axis=-1))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, networks serialised."""
        serialize = keras.saving.serialize_keras_object
        return {
            "generator": serialize(self.generator),
            "discriminator": serialize(self.discriminator),
            "l1_weight": self.l1_weight,
            "ema_decay": self.ema_decay,
            "seed": self.seed,
            "name": self.name,
        }
