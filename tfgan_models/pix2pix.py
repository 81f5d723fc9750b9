"""Pix2Pix: image-to-image translation learnt from pairs (Isola et al., 2017)."""

from typing import Any

import keras
import tensorflow as tf

from tfgan_models import batches, compatibility, losses
from tfgan_models.adversarial import GANModel, watching


@keras.saving.register_keras_serializable(package="tfgan_models")
class Pix2Pix(GANModel):
    """A generator and a conditional discriminator (arXiv:1611.07004).

    `fit` takes batches {"real_a": [N, H, W, channels], "real_b": ...} in [-1, 1], where
    A is the input and B the target. Calling the model translates. The only noise is the
    generator's dropout, which is active in training only: what is called and exported
    is deterministic, whereas the paper keeps it at test time. The generator determines
    its normalisation statistics: `inference_norm` of a U-Net.

    Args:
        generator: Images of A to images of B of the same size, [-1, 1]; a U-Net in the
            paper. Any functional or sequential `keras.Model` with one input and one
            output.
        discriminator: Logits, of any shape, for an image of A and one of B,
            concatenated along the channels. Any such model, likewise.
        l1_weight: The paper's lambda, weight of the distance to the target.
        **kwargs: Those of `GANModel`; the paper has no `ema_decay`.

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
        **kwargs: Any,
    ) -> None:
        channels = compatibility.check_translator("generator", generator)
        super().__init__({"generator": generator}, {"b": discriminator}, **kwargs)
        compatibility.check_not_negative(l1_weight=l1_weight)
        (judged, *_), _ = compatibility.shapes("discriminator", discriminator)
        if judged[-1] != sum(channels):
            raise ValueError(
                "The discriminator sees input and output together and must have "
                f"{' + '.join(map(str, channels))} = {sum(channels)} channels. "
                f"Received: channels={judged[-1]}"
            )
        compatibility.check_judge("discriminator", discriminator, sum(channels))
        self.generator = generator
        self.discriminator = discriminator
        self.l1_weight = l1_weight

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        """See `SteppedModel.batch_spec`."""
        return {
            "real_a": batches.images(*self.generator.inputs[0].shape[1:]),
            "real_b": batches.images(*self.generator.outputs[0].shape[1:]),
        }

    @property
    def call_spec(self) -> tf.TensorSpec:
        """See `SteppedModel.call_spec`."""
        return tf.TensorSpec(self.generator.inputs[0].shape, tf.float32, "image")

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Translates images [N, H, W, C] in [-1, 1]."""
        return self.exported_networks["generator"](inputs, training=training)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator against it.

        Args:
            data: "real_a" and "real_b", this replica's pairs in [-1, 1].

        Returns:
            The running mean of each loss in `loss_names`.
        """
        source, target = data["real_a"], data["real_b"]

        with watching(self.generator_variables) as generator_tape:
            fake = self.forward(self.generator, source)

        with watching(self.discriminator_variables) as tape:
            # Halved, which slows the discriminator down (section 3.3).
            d_loss = 0.5 * losses.cross_entropy_discriminator_loss(
                self._judge(source, target), self._judge(source, fake)
            )
        self.minimize(
            d_loss, self.discriminator_variables, self.discriminator_optimizer, tape
        )

        # The same fake, scored by the updated discriminator.
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

    def test_losses(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `SteppedModel.test_losses`; all of `loss_names`."""
        source, target = data["real_a"], data["real_b"]
        fake = self(source, training=False)
        real, judged = (
            self.discriminator(tf.concat([source, image], axis=-1), training=False)
            for image in (target, fake)
        )
        gan = losses.cross_entropy_generator_loss(judged)
        l1 = losses.l1_loss(fake, target)
        d_loss = 0.5 * losses.cross_entropy_discriminator_loss(real, judged)
        return {
            "g_loss": gan + self.l1_weight * l1,
            "gan": gan,
            "l1": l1,
            "d_loss": d_loss,
        }

    def _judge(self, source: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        """The discriminator's logits for `image` as a translation of `source`."""
        return self.forward(self.discriminator, tf.concat([source, image], axis=-1))
