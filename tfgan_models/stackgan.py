"""StackGAN: text to image in two stages (Zhang et al., arXiv:1612.03242)."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgan_models import (
    batches,
    losses,
    optimizers,
    sampling,
    stackgan_compatibility,
    text_matching,
)
from tfgan_models.adversarial import GANModel, watching
from tfgan_models.networks import StackGenerator

# Purposes of random keys in a step.
_LATENT, _NOISE_ONE, _NOISE_TWO = range(3)

_STAGES = (0, 1, 2)
_CALLED_WITH = ("embedding", "latent")


@keras.saving.register_keras_serializable(package="tfgan_models")
class StackGAN(GANModel):
    """StackGAN, whose second stage is trained while the first is frozen.

    `fit` takes batches {"real": [N, S, S, C], "wrong": the same, images of other
    captions, both in [-1, 1], "embedding": [N, embedding_size]}. S is a multiple of
    the resolution of the stage in training. If the generator has a text encoder,
    characters "caption" int32 [N, L] replace "embedding". Call `begin`
    before each stage. A loss that a stage does not have is 0.

    - Stage 0, the first `matching_steps` steps: text and image encoder learn to match.
    - Stage 1, the next `first_stage_steps` steps: small images. The text encoder
      is frozen from here on.
    - Stage 2, if the generator has one, from there on: large images. Stage one runs
      as at inference, with the moving averages of its normalisations, so that stage two
      sees the same images then; the published code left it in training mode.

    Args:
        generator: A `StackGenerator`, or a network with its attributes.
        stage_one_discriminator: Of stage one's images.
        stage_two_discriminator: Of stage two's, if there is one.
        image_encoder: Images to embeddings, with `resolution`; for stage 0.
        matching_steps: Steps of stage 0.
        first_stage_steps: Steps of stage 1.
        kl_weight: Weight of the conditions' divergence from N(0, 1), a mean over
            dimensions; see `losses.gaussian_kl_loss`.
        **kwargs: Those of `GANModel`; the paper has no `ema_decay`.

    Raises:
        ValueError: Networks or numbers that do not fit together.
    """

    def __init__(
        self,
        generator: StackGenerator,
        stage_one_discriminator: keras.Model,
        stage_two_discriminator: keras.Model | None = None,
        image_encoder: keras.Model | None = None,
        matching_steps: int = 0,
        *,
        first_stage_steps: int,
        kl_weight: float = 2.0,
        **kwargs: Any,
    ) -> None:
        stackgan_compatibility.check_numbers(
            matching_steps, first_stage_steps, kl_weight
        )
        stackgan_compatibility.check_networks(
            generator, stage_one_discriminator, stage_two_discriminator, image_encoder
        )
        stackgan_compatibility.check_encoders(generator, image_encoder, matching_steps)
        generators = {"generator": generator, "image_encoder": image_encoder}
        discriminators = {
            "stage_one": stage_one_discriminator,
            "stage_two": stage_two_discriminator,
        }
        super().__init__(_existing(generators), _existing(discriminators), **kwargs)
        self.loss_names = ("g_loss", "gan", "kl", "d_loss")
        if image_encoder is not None:
            self.loss_names += ("matching",)
        self.generator = generator
        self.stage_one_discriminator = stage_one_discriminator
        self.stage_two_discriminator = stage_two_discriminator
        self.image_encoder = image_encoder
        self.matching_steps = matching_steps
        self.first_stage_steps = first_stage_steps
        self.kl_weight = kl_weight
        self.stage = self.stage_at(0)

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer | None = None,
        discriminator_optimizer: keras.optimizers.Optimizer | None = None,
        learning_rates: Sequence[
            float | keras.optimizers.schedules.LearningRateSchedule
        ]
        | None = None,
        **kwargs: Any,
    ) -> None:
        """Configures training and starts its first stage; see `GANModel.compile`.

        Args:
            generator_optimizer: Updates the encoders in stage 0, then the generator;
                None, here and below: the paper's, whose rate is constant.
            discriminator_optimizer: Updates the discriminators.
            learning_rates: The rate of stages 0, 1 and 2, for both optimizers: a number
                or, if the optimizers were created with one, a schedule, which restarts
                with each stage. None: the optimizers' own, in all.
            **kwargs: `run_eagerly` of `keras.Model.compile`.

        Raises:
            ValueError: There are not three rates.
        """
        if learning_rates is not None and len(learning_rates) != len(_STAGES):
            raise ValueError(
                "learning_rates must be three: those of stages 0, 1 and 2. Received: "
                f"learning_rates={learning_rates}"
            )
        self.learning_rates = learning_rates
        super().compile(generator_optimizer, discriminator_optimizer, **kwargs)
        self.begin(0)

    def get_compile_config(self) -> dict[str, Any]:
        """See `GANModel.get_compile_config`."""
        rates = keras.saving.serialize_keras_object(self.learning_rates)
        return super().get_compile_config() | {"learning_rates": rates}

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        """See `SteppedModel.batch_spec`."""
        image = batches.images(None, None, self.generator.channels)
        text = {"caption": tf.TensorSpec([None, None], tf.int32)}
        if self.generator.text_encoder is None:
            size = self.generator.embedding_size
            text = {"embedding": tf.TensorSpec([None, size], tf.float32)}
        return {"real": image, "wrong": image} | text

    @property
    def exported_networks(self) -> dict[str, keras.Model]:
        """The generator: its averaged copy if there is one."""
        return {"generator": super().exported_networks["generator"]}

    def stage_at(self, step: int) -> int:
        """Returns the stage, 0 to 2, of a step."""
        if step < self.matching_steps:
            return 0
        first_is_over = step >= self.matching_steps + self.first_stage_steps
        return 2 if first_is_over and self.generator.stage_two is not None else 1

    def begin(self, step: int) -> None:
        """Prepares to train from a step: the first of a stage, or one within it.

        At the first step of a stage the optimizers are reset, and their
        learning rates restart. The generator outputs the stage that training has
        reached.

        Args:
            step: The steps done so far.
        """
        stage = self.stage_at(step)
        starts = (0, self.matching_steps, self.matching_steps + self.first_stage_steps)
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            if step == starts[stage]:
                optimizers.reset(optimizer)
            if self.learning_rates is not None:
                optimizer.learning_rate = self.learning_rates[stage]
        if stage == 2 and step == starts[2] and self.ema_generators:
            # Stage two trains on the averaged stage one, which is frozen from here on.
            kept = self.ema_generators["generator"].stage_one
            self.generator.stage_one.set_weights(kept.get_weights())
        if stage != self.stage:
            self.train_function = None
        self.stage = stage
        self.averaged_since = starts[stage]
        for network in (self.generator, self.exported_networks["generator"]):
            network.stages = max(stage, 1)

    def status(self) -> dict[str, float]:
        """Returns the progress of training, for the log."""
        return {"stage": self.stage}

    @property
    def call_spec(self) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        """See `SteppedModel.call_spec`."""
        sizes = {n: getattr(self.generator, f"{n}_size") for n in _CALLED_WITH}
        return tuple(
            tf.TensorSpec([None, size], tf.float32, name)
            for name, size in sizes.items()
        )

    def call(
        self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False
    ) -> tf.Tensor:
        """Generates images from (embeddings, latents), with mean conditions."""
        embedding, latent = inputs
        return self.exported_networks["generator"](embedding, latent, training=training)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the current stage.

        Args:
            data: This replica's part of the batch.

        Returns:
            The running mean of each loss in `loss_names`.
        """
        step = (self._matching_step, self._stage_one_step, self._stage_two_step)
        found = step[self.stage](data)
        return self.finish_step(dict.fromkeys(self.loss_names, 0.0) | found)

    @property
    def _encoders(self) -> tuple[keras.Model, keras.Model]:
        """The image and text encoders, which a matching stage needs."""
        image_encoder, text_encoder = self.image_encoder, self.generator.text_encoder
        if image_encoder is None or text_encoder is None:
            raise ValueError(f"{self.name} has no encoders to begin with.")
        return image_encoder, text_encoder

    def _matching_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Trains both encoders: a caption's embedding should match its image's."""
        image_encoder, text_encoder = encoders = self._encoders
        variables = [v for encoder in encoders for v in encoder.trainable_variables]
        small = _reduced(data["real"], image_encoder.resolution)
        with watching(variables) as tape:
            images = self.forward(image_encoder, small)
            texts = self.forward(text_encoder, data["caption"])
            loss = text_matching.matching_loss(images, texts)
        self.minimize(loss, variables, self.generator_optimizer, tape)
        return {"matching": loss}

    def _stage_one_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Equations 3 and 4."""
        embedding = self._embedding(data)
        return self._compete(
            self.generator.stage_one,
            (embedding, *self._stage_one_draws(embedding)),
            self.stage_one_discriminator,
            data,
            embedding,
        )

    def _stage_two_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Equations 5 and 6: an image of stage one replaces the latent."""
        embedding = self._embedding(data)
        draws = self._stage_one_draws(embedding)
        small, *_ = self.generator.stage_one(embedding, *draws, training=False)
        return self._compete(
            self.generator.stage_two,
            (small, embedding, self._noise(_NOISE_TWO, embedding)),
            self.stage_two_discriminator,
            data,
            embedding,
        )

    def _compete(
        self,
        generator: keras.Model,
        inputs: tuple[tf.Tensor, ...],
        discriminator: keras.Model,
        data: dict[str, tf.Tensor],
        embedding: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """One step of a discriminator, then one of a generator against it.

        The discriminator must also detect mismatching text (section 3.3):
        images of other captions count as half of the fakes.
        """
        real, wrong = (
            _reduced(data[key], generator.resolution) for key in ("real", "wrong")
        )
        weights = generator.trainable_variables
        with watching(weights) as generator_tape:
            fake, mean, log_sigma = self.forward(generator, *inputs)
            kl = losses.gaussian_kl_loss(mean, log_sigma)

        judges = discriminator.trainable_variables
        with watching(judges) as tape:
            logits, wrong_logits, fake_logits = (
                self.forward(discriminator, image, embedding)
                for image in (real, wrong, fake)
            )
            d_loss = _discriminator_loss(logits, wrong_logits, fake_logits)
        self.minimize(d_loss, judges, self.discriminator_optimizer, tape)

        # The same fake, scored by the updated discriminator.
        with generator_tape:
            judged = self.forward(discriminator, fake, embedding)
            gan = losses.cross_entropy_generator_loss(judged)
            g_loss = gan + self.kl_weight * kl
        self.minimize(g_loss, weights, self.generator_optimizer, generator_tape)
        return {"g_loss": g_loss, "gan": gan, "kl": kl, "d_loss": d_loss}

    def test_losses(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `SteppedModel.test_losses`; those of the current stage."""
        if self.stage == 0:
            image_encoder, text_encoder = self._encoders
            small = _reduced(data["real"], image_encoder.resolution)
            images = image_encoder(small, training=False)
            texts = text_encoder(data["caption"], training=False)
            return {"matching": text_matching.matching_loss(images, texts)}
        kept = self.exported_networks["generator"]
        network, discriminator = kept.stage_one, self.stage_one_discriminator
        embedding = self._embedding(data, kept)
        inputs = (embedding, *self._stage_one_draws(embedding))
        if self.stage == 2:
            small, *_ = network(*inputs, training=False)
            inputs = (small, embedding, self._noise(_NOISE_TWO, embedding))
            network, discriminator = kept.stage_two, self.stage_two_discriminator
        fake, mean, log_sigma = network(*inputs, training=False)
        reals = (_reduced(data[key], network.resolution) for key in ("real", "wrong"))
        logits, wrong, judged = (
            discriminator(image, embedding, training=False) for image in (*reals, fake)
        )
        gan = losses.cross_entropy_generator_loss(judged)
        kl = losses.gaussian_kl_loss(mean, log_sigma)
        return {
            "g_loss": gan + self.kl_weight * kl,
            "gan": gan,
            "kl": kl,
            "d_loss": _discriminator_loss(logits, wrong, judged),
        }

    def _embedding(
        self, data: dict[str, tf.Tensor], generator: StackGenerator | None = None
    ) -> tf.Tensor:
        """The captions' embeddings, [N, embedding_size], from a generator's encoder."""
        encoder = (generator or self.generator).text_encoder
        if encoder is None:
            return data["embedding"]
        return encoder(data["caption"], training=False)

    def _stage_one_draws(self, embedding: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The latent and stage one's noise for this replica's images."""
        count = tf.shape(embedding)[0]
        latent = self.draw_samples(_LATENT, count, self.generator.latent_size)
        return latent, self._noise(_NOISE_ONE, embedding)

    def _noise(self, purpose: int, embedding: tf.Tensor) -> tf.Tensor:
        """The noise of a stage's conditioning, [N, condition_size]."""
        count, size = tf.shape(embedding)[0], self.generator.condition_size
        uniform = self.draw_samples(purpose, count, size, distribution="uniform")
        return sampling.truncated_normal(uniform)


def _reduced(images: tf.Tensor, resolution: int) -> tf.Tensor:
    """Returns images [N, S, S, C] averaged over blocks, [N, resolution, ...]."""
    side = images.shape[1]
    if side % resolution:
        raise ValueError(
            f"Images must have a multiple of the resolution {resolution} of the stage "
            f"in training. Received: images of {side} px"
        )
    factor = side // resolution
    return tf.nn.avg_pool2d(images, factor, factor, "VALID") if factor > 1 else images


def _discriminator_loss(
    real: tf.Tensor, wrong: tf.Tensor, fake: tf.Tensor
) -> tf.Tensor:
    """Of logits, with those for images of other captions as half of the fakes."""
    against_wrong = losses.cross_entropy_discriminator_loss(real, wrong)
    against_fake = losses.cross_entropy_discriminator_loss(real, fake)
    return 0.5 * (against_wrong + against_fake)


def _existing(networks: dict[str, keras.Model | None]) -> dict[str, keras.Model]:
    return {name: network for name, network in networks.items() if network is not None}
