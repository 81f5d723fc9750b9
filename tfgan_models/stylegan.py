"""StyleGAN: a style-based generator (Karras et al., arXiv:1812.04948)."""

from typing import Any

import keras
import tensorflow as tf

from tfgan_models import compatibility, losses, penalties
from tfgan_models.adversarial import watching
from tfgan_models.growing_gan import GrowingGAN
from tfgan_models.growth import Growth
from tfgan_models.micro_batches import Tensors

# Purposes of random keys in a step.
_LATENT, _MIXED, _MIXING, _AUGMENT, _NOISE, _BETWEEN = 0, 2, 4, 6, 8, 100


@keras.saving.register_keras_serializable(package="tfgan_models")
class StyleGAN(GrowingGAN):
    """StyleGAN, by default with its non-saturating logistic loss, and R1 at every step.

    Calling the model generates without noise.

    Args:
        generator: A `StyleGenerator`.
        discriminator: A `StyleDiscriminator` of the same resolution and labels.
        schedule: See `GrowingGAN`.
        loss: One of `losses.ADVERSARIAL`; "non_saturating" in the paper.
        r1_gamma: Weight of the R1 penalty; 10 in the paper. It holds at the full
            resolution and is lower below, see `GrowingGAN.shrinkage`.
        gp_weight: Weight of the gradient penalty, for "wgan_gp" only.
        mixing_probability: Probability of a step with style mixing.
        **kwargs: Those of `GrowingGAN`.

    Raises:
        ValueError: Arguments that do not fit together.
    """

    loss_names = ("g_loss", "d_loss", "r1", "penalty", "real_sign", "fake_sign")
    examples = ("StyleGenerator", "StyleDiscriminator")
    needed = (
        (*GrowingGAN.needed[0], "mapping", "synthesis", "truncation"),
        GrowingGAN.needed[1],
    )

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        schedule: Growth,
        loss: str = "non_saturating",
        r1_gamma: float = 10.0,
        gp_weight: float = 10.0,
        mixing_probability: float = 0.9,
        **kwargs: Any,
    ) -> None:
        compatibility.check_not_negative(r1_gamma=r1_gamma)
        if not 0 <= mixing_probability <= 1:
            raise ValueError(
                "mixing_probability must be in [0, 1]. Received: "
                f"mixing_probability={mixing_probability}"
            )
        super().__init__(generator, discriminator, schedule, loss, gp_weight, **kwargs)
        self.r1_gamma = r1_gamma
        self.mixing_probability = mixing_probability

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator.

        The average w is updated with the w of both, as in the original.

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
        self.generator.truncation.track(judged.pop("w")[tf.newaxis])

        gradients, drawn = self.in_micro_batches(
            self._generator_gradients, labels | self.draws(1)
        )
        self.apply(gradients, self.generator, self.generator_optimizer)
        self.generator.truncation.track(drawn.pop("w")[tf.newaxis])
        return self.finish_step(judged | drawn)

    def draws(self, part: int) -> Tensors:
        """Returns all random numbers of one of the two parts of a step.

        Args:
            part: 0 for the discriminator's, 1 for the generator's.

        Returns:
            "latent" and "mixed_latent" [N, latent_size]; "noise" [N, h, w, 1] for each
            style layer; "cutoff" int32 [N], the same for all: the style layers from
            there on use the mixed latent; "keys" for the augmentation; "between" [N],
            see `GrowingGAN.places_between`.
        """
        size, resolution = self.generator.latent_size, self.phase.resolution
        shapes = self.generator.synthesis.noise_shapes(resolution)
        key = self.random_key(_MIXING + part)
        mixes, place = tf.unstack(tf.random.stateless_uniform([2], key))
        live = len(shapes)
        cutoff = 1 + tf.cast(place * (live - 1), tf.int32)
        cutoff = tf.where(mixes < self.mixing_probability, cutoff, live)
        return {
            "latent": self.normal(_LATENT + part, size),
            "mixed_latent": self.normal(_MIXED + part, size),
            "noise": [
                self.normal(_NOISE + 2 * i + part, *shape)
                for i, shape in enumerate(shapes)
            ],
            "cutoff": tf.fill([self.replica_batch], cutoff),
            "keys": self.keys(_AUGMENT + part),
            "between": self.places_between(_BETWEEN + part),
        }

    def _generate(self, batch: Tensors) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns images [N, R, R, C] and the w [N, w_size] of their first latents."""
        generator, labels = self.generator, batch.get("labels")
        w = generator.mapping(batch["latent"], labels=labels)
        other = generator.mapping(batch["mixed_latent"], labels=labels)
        layers = tf.range(generator.synthesis.num_layers)[tf.newaxis, :, tf.newaxis]
        first = layers < batch["cutoff"][:, tf.newaxis, tf.newaxis]
        ws = tf.where(first, w[:, tf.newaxis], other[:, tf.newaxis])
        images = generator.synthesis(
            ws,
            noise=batch["noise"],
            resolution=self.phase.resolution,
            alpha=self.alpha(),
        )
        return images, w

    def _judge(self, images: tf.Tensor, batch: Tensors) -> tf.Tensor:
        return self.discriminator(
            images, labels=batch.get("labels"), alpha=self.alpha()
        )

    def score(self, images: tf.Tensor, batch: Tensors) -> tf.Tensor:
        """See `GrowingGAN.score`."""
        return self._judge(images, batch)

    def _discriminator_gradients(self, batch: Tensors) -> tuple[Tensors, Tensors]:
        fake, w = self._generate(batch)
        real = self.augmented(batch["real"], batch, 0)
        fake = self.augmented(fake, batch, 1)
        with watching(self.discriminator_variables) as tape:
            real_scores, slopes = penalties.squared_slopes(
                lambda images: self._judge(images, batch), real
            )
            fake_scores = self._judge(fake, batch)
            r1 = tf.reduce_mean(slopes) / self.shrinkage() ** 2
            d_loss = self.game.discriminator(real_scores, fake_scores)
            penalty = self.penalty(real, fake, batch)
            total = d_loss + self.r1_gamma / 2 * r1 + self.gp_weight * penalty
        gradients = self.gradients(
            total, self.discriminator, self.discriminator_optimizer, tape
        )
        return gradients, {
            "d_loss": d_loss,
            "r1": r1,
            "penalty": penalty,
            "real_sign": losses.sign_mean(real_scores),
            "fake_sign": losses.sign_mean(fake_scores),
            "w": tf.reduce_mean(w, axis=0),
        }

    def _generator_gradients(self, batch: Tensors) -> tuple[Tensors, Tensors]:
        with watching(self.generator_variables) as tape:
            fake, w = self._generate(batch)
            fake = self.augmented(fake, batch, 0)
            g_loss = self.game.generator(self._judge(fake, batch))
        gradients = self.gradients(
            g_loss, self.generator, self.generator_optimizer, tape
        )
        return gradients, {"g_loss": g_loss, "w": tf.reduce_mean(w, axis=0)}
