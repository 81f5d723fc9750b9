"""SRGAN: photo-realistic single image super-resolution (Ledig et al., 2017)."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgan_models import batches, compatibility, losses
from tfgan_models.adversarial import GANModel, copy, watching
from tfgan_models.metrics.features import perceptual
from tfgan_models.optimizers import scaled_if_float16


@keras.saving.register_keras_serializable(package="tfgan_models")
class SRGAN(GANModel):
    """Super-resolution in two stages (arXiv:1609.04802).

    The first trains "srresnet" by squared error alone. The second trains
    "srgan", which starts as a copy of it, against the discriminator and with a
    perceptual
    loss: in each step the discriminator, then the generator.
    Each stage has its own optimizers, so the first stage's moments
    and step count do not carry over.

    `fit` takes batches {"low": [N, h, w, C], "high": [N, scale h, scale w, C]} in
    [-1, 1], "high" of the discriminator's size. Calling the model upscales with the
    network of the current stage. Before `fit` resumes from a step, and at the step
    `first_stage_steps`, `begin` must be called.

    Args:
        generator: Images [N, h, w, C] to [N, scale h, scale w, C], [-1, 1]; an
            `SRResNet` in the paper. It becomes "srresnet". Any functional or sequential
            `keras.Model` with one input and one output.
        discriminator: Logits, of any shape, for high-resolution images. Any such model,
            likewise.
        features: What the second stage compares: a name for `perceptual.features`,
            "vgg54" in the paper, which `compile` then loads; or its result;
            None: the pixels, the paper's SRGAN-MSE.
        first_stage_steps: Steps of the first stage; 0: the second stage starts from
            `generator` as it is.
        adversarial_weight: Of -log D(G(low)) relative to the features' distance.
        pixel_weight: Of the pixels' squared error relative to that of the features,
            which may not constrain colours; 0 in the paper.
        **kwargs: Those of `GANModel`; the paper has no `ema_decay`.

    Raises:
        ValueError: A negative number of steps or weight, or networks that do not fit
            together.
    """

    loss_names = ("g_loss", "mse", "perceptual", "gan", "d_loss")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        features: perceptual.Features | str | None = "vgg54",
        first_stage_steps: int = 1_000_000,
        adversarial_weight: float = 1e-3,
        pixel_weight: float = 0.0,
        **kwargs: Any,
    ) -> None:
        compatibility.check_not_negative(
            first_stage_steps=first_stage_steps,
            adversarial_weight=adversarial_weight,
            pixel_weight=pixel_weight,
        )
        _, made = compatibility.check_translator("generator", generator)
        compatibility.check_judge("discriminator", discriminator, made)
        second = copy(generator)
        second.trainable = True
        super().__init__(
            {"srresnet": generator, "srgan": second},
            {"discriminator": discriminator},
            **kwargs,
        )
        self.discriminator = discriminator
        self.features = features
        self.first_stage_steps = first_stage_steps
        self.adversarial_weight = adversarial_weight
        self.pixel_weight = pixel_weight
        self.stage = 1 if first_stage_steps else 2

    def compile(
        self,
        generator_optimizer: keras.optimizers.Optimizer | None = None,
        discriminator_optimizer: keras.optimizers.Optimizer | None = None,
        first_stage_optimizer: keras.optimizers.Optimizer | None = None,
        **kwargs: Any,
    ) -> None:
        """Configures training; see `GANModel.compile`.

        Args:
            generator_optimizer: Of the second stage; None, here and below: the paper's.
            discriminator_optimizer: Of the second stage.
            first_stage_optimizer: Of the first stage.
            **kwargs: `run_eagerly` of `keras.Model.compile`.
        """
        with self.distribute_strategy.scope():
            if isinstance(self.features, str):
                self.features = perceptual.features(self.features)
        super().compile(generator_optimizer, discriminator_optimizer, **kwargs)
        generator = self.generators["srresnet"]
        with self.distribute_strategy.scope():
            self.first_stage_optimizer = scaled_if_float16(
                first_stage_optimizer or _adam(1e-4), [generator]
            )
            self.first_stage_optimizer.build(generator.trainable_variables)

    def paper_optimizer(self) -> keras.optimizers.Optimizer:
        """The second stage's; see `GANModel.paper_optimizer`."""
        decay = keras.optimizers.schedules.PiecewiseConstantDecay
        return _adam(decay([100_000], [1e-4, 1e-5]))

    def get_compile_config(self) -> dict[str, Any]:
        """Returns the optimizers, serialised, for a `.keras` file."""
        first = keras.saving.serialize_keras_object(self.first_stage_optimizer)
        return super().get_compile_config() | {"first_stage_optimizer": first}

    def optimizers_in_use(self) -> list[keras.optimizers.Optimizer]:
        """See `GANModel.optimizers_in_use`."""
        if self.stage == 1:
            return [self.first_stage_optimizer]
        return super().optimizers_in_use()

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        """See `SteppedModel.batch_spec`."""
        return {
            "low": batches.images(*self.generator.inputs[0].shape[1:]),
            "high": batches.images(*self.discriminator.inputs[0].shape[1:]),
        }

    @property
    def generator(self) -> keras.Model:
        """The network trained in the current stage."""
        return self.generators["srresnet" if self.stage == 1 else "srgan"]

    @property
    def generator_variables(self) -> list[keras.Variable]:
        """The variables of `generator_optimizer`: the second stage's generator's."""
        return self.generators["srgan"].trainable_variables

    @property
    def exported_networks(self) -> dict[str, keras.Model]:
        """The networks that have been trained: "srgan" from the second stage on."""
        trained = {"srresnet": self.first_stage_steps > 0, "srgan": self.stage == 2}
        networks = super().exported_networks
        return {name: networks[name] for name in networks if trained[name]}

    def source_names(self, name: str) -> Sequence[str]:
        """See `GANModel.source_names`; the other stage's, if the run has no such one.

        Without a first stage, "srgan" starts as a copy of "srresnet", see `begin`, so
        both take another run's "srgan".
        """
        if name == "srgan" or not self.first_stage_steps:
            return ["srgan", "srresnet"]
        return ["srresnet", "srgan"]

    def begin(self, step: int) -> None:
        """Prepares to train from a step.

        At the first step of the second stage, "srgan" becomes a copy of the first
        stage's result: of its EMA, if it has one.

        Args:
            step: The steps done so far.
        """
        if step == self.first_stage_steps:
            result = self.generators["srresnet"]
            if self.first_stage_steps:
                result = super().exported_networks["srresnet"]
            weights = result.get_weights()
            for networks in (self.generators, self.ema_generators):
                for network in networks.values():
                    network.set_weights(weights)
        stage = 1 if step < self.first_stage_steps else 2
        if stage != self.stage:
            self.train_function = None
        self.stage = stage
        self.averaged_since = self.first_stage_steps if stage == 2 else 0

    @property
    def call_spec(self) -> tf.TensorSpec:
        """See `SteppedModel.call_spec`."""
        return tf.TensorSpec(self.generator.inputs[0].shape, tf.float32, "image")

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Upscales images [N, H, W, C] in [-1, 1] to [N, scale H, scale W, C]."""
        name = "srresnet" if self.stage == 1 else "srgan"
        return self.exported_networks[name](inputs, training=training)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of the current stage.

        Args:
            data: "low" and "high", this replica's pairs in [-1, 1].

        Returns:
            The running mean of each loss in `loss_names`; 0 for those that the first
            stage does not have.
        """
        if self.stage == 1:
            return self._first_stage_step(data["low"], data["high"])
        return self._second_stage_step(data["low"], data["high"])

    def _first_stage_step(
        self, low: tf.Tensor, high: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        variables = self.generator.trainable_variables
        with watching(variables) as tape:
            mse = losses.l2_loss(self.forward(self.generator, low), high)
        self.minimize(mse, variables, self.first_stage_optimizer, tape)
        none = tf.zeros([])
        return self.finish_step(
            {"g_loss": mse, "mse": mse, "perceptual": none, "gan": none, "d_loss": none}
        )

    def _second_stage_step(
        self, low: tf.Tensor, high: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """One step of the discriminator, then one of the generator against it."""
        with watching(self.generator_variables) as generator_tape:
            fake = self.forward(self.generator, low)

        with watching(self.discriminator_variables) as tape:
            d_loss = losses.cross_entropy_discriminator_loss(
                self.forward(self.discriminator, high),
                self.forward(self.discriminator, fake),
            )
        self.minimize(
            d_loss, self.discriminator_variables, self.discriminator_optimizer, tape
        )

        # The same fake, scored by the updated discriminator.
        with generator_tape:
            gan = losses.cross_entropy_generator_loss(
                self.forward(self.discriminator, fake)
            )
            content, mse, distance = self._content(fake, high)
            g_loss = content + self.adversarial_weight * gan
        self.minimize(
            g_loss, self.generator_variables, self.generator_optimizer, generator_tape
        )
        return self.finish_step(
            {
                "g_loss": g_loss,
                "mse": mse,
                "perceptual": distance,
                "gan": gan,
                "d_loss": d_loss,
            }
        )

    def _content(
        self, fake: tf.Tensor, high: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The loss of "srgan", and its pixel and feature distances."""
        mse = losses.l2_loss(fake, high)
        if self.features is None:
            return mse, mse, tf.zeros([])
        if isinstance(self.features, str):
            raise ValueError(
                f"features={self.features} are loaded by compile. Call it first."
            )
        distance = losses.l2_loss(self.features(fake), self.features(high))
        return distance + self.pixel_weight * mse, mse, distance

    def test_losses(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `SteppedModel.test_losses`; those of the current stage."""
        high, fake = data["high"], self(data["low"], training=False)
        if self.stage == 1:
            mse = losses.l2_loss(fake, high)
            return {"g_loss": mse, "mse": mse}
        judged = self.discriminator(fake, training=False)
        gan = losses.cross_entropy_generator_loss(judged)
        content, mse, distance = self._content(fake, high)
        return {
            "g_loss": content + self.adversarial_weight * gan,
            "mse": mse,
            "perceptual": distance,
            "gan": gan,
            "d_loss": losses.cross_entropy_discriminator_loss(
                self.discriminator(high, training=False), judged
            ),
        }

    def training_state(self) -> dict[str, Any]:
        """See `GANModel.training_state`; adds the first stage's optimizer."""
        state = super().training_state()
        return state | {"first_stage_optimizer": self.first_stage_optimizer}

    def save_own_variables(self, store: Any) -> None:
        """See `GANModel.save_own_variables`; adds the stage."""
        super().save_own_variables(store)
        store["stage"] = self.stage

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` wrote."""
        super().load_own_variables(store)
        self.stage = int(store["stage"][()])

    def get_config(self) -> dict[str, Any]:
        """See `SteppedModel.get_config`; features by their name."""
        return super().get_config() | {
            "generator": keras.saving.serialize_keras_object(
                self.generators["srresnet"]
            ),
            "features": getattr(self.features, "name", self.features),
        }


def _adam(
    rate: float | keras.optimizers.schedules.LearningRateSchedule,
) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(rate, beta_1=0.9, epsilon=1e-8)
