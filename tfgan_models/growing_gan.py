"""GrowingGAN: what ProGAN and StyleGAN share in training."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import keras
import tensorflow as tf

from tfgan_models import (
    augmentation,
    batches,
    growing_compatibility,
    growth,
    losses,
    micro_batches,
    optimizers,
    penalties,
)
from tfgan_models.adversarial import GANModel, counter
from tfgan_models.growing_compatibility import SIZES
from tfgan_models.micro_batches import Tensors
from tfgan_models.optimizers import SkippingAdam

# Distinct from the purposes of a step.
_TEST = 10_000

N = TypeVar("N")


class GrowingGAN(GANModel):
    """A GAN whose resolution grows during training.

    `fit` takes batches {"real": [N, R, R, C] in [-1, 1], "label": int32 [N]} at the
    resolution R and batch size of the schedule's phase; call `begin`
    before each phase. Calling the model generates images from latents or, with
    classes, from (latents, classes).

    Args:
        generator: A network that grows, with the attributes in `needed`.
        discriminator: Likewise; of the same resolution, channels and labels.
        schedule: The `Growth` schedule.
        loss: One of `losses.ADVERSARIAL`.
        gp_weight: Weight of the gradient penalty, for "wgan_gp" only; the norm's
            target, 1, holds at the full resolution, see `shrinkage`.
        ema_half_life: Half-life, in images, of old weights in the averaged
            generator.
        micro_batch: Images of a replica processed at once; their
            gradients are summed. 0: all.
        augment: "none", "diffaug" or "ada", on the discriminator's images.
        ada_target: ADA's target for the mean sign of the discriminator on reals.
        ada_speed: Images it takes ADA's probability to go from 0 to 1.
        **kwargs: Those of `GANModel` but `ema_decay`.

    Raises:
        ValueError: Arguments that do not fit together.
    """

    examples: tuple[str, str]
    needed: tuple[tuple[str, ...], tuple[str, ...]] = (
        (*SIZES, "latent_size", "smallest_resolution", "grown"),
        (*SIZES, "group_size"),
    )

    counter_names = ("step", "images_seen")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        schedule: growth.Growth,
        loss: str,
        gp_weight: float = 10.0,
        ema_half_life: float = 10_000.0,
        micro_batch: int = 0,
        augment: str = "none",
        ada_target: float = 0.6,
        ada_speed: float = 500_000.0,
        **kwargs: Any,
    ) -> None:
        growing_compatibility.check_networks(
            generator, discriminator, self.needed, self.examples
        )
        growing_compatibility.check_schedule(generator, schedule)
        growing_compatibility.check_options(
            ema_half_life, gp_weight, micro_batch, augment
        )
        self.game = losses.adversarial(loss)
        # The decay depends on the batch and is set at the start of each phase.
        super().__init__(
            {"generator": generator},
            {"discriminator": discriminator},
            ema_decay=0.5,
            **kwargs,
        )
        self.generator = generator
        self.discriminator = discriminator
        self.schedule = schedule
        self.loss_name = loss
        self.gp_weight = gp_weight
        self.ema_half_life = ema_half_life
        self.micro_batch = micro_batch
        self.augment = augment
        self.ada_target = ada_target
        self.ada_speed = ada_speed
        self.phases = growth.phases(schedule)
        self.phase = self.phases[0]
        replicas = self.distribute_strategy.num_replicas_in_sync
        for phase in self.phases:
            growing_compatibility.check_batch(
                phase.batch_size, replicas, micro_batch, discriminator.group_size
            )
        with self.distribute_strategy.scope():
            self.images_seen = counter("images_seen")
            self.ada_probability = None
            if augment == "ada":
                self.ada_probability = augmentation.AdaptiveProbability(
                    ada_target, speed_images=ada_speed
                )

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Configures training and starts its first phase; see `GANModel.compile`."""
        super().compile(*args, **kwargs)
        self.begin(0)

    def paper_optimizer(self) -> SkippingAdam:
        """See `GANModel.paper_optimizer`; the schedule sets the rate."""
        return SkippingAdam(0.001, beta_1=0.0, beta_2=0.99, epsilon=1e-8)

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        """See `SteppedModel.batch_spec`; that of the current phase."""
        side = self.phase.resolution
        spec = {"real": batches.images(side, side, self.generator.channels)}
        return spec | ({"label": batches.labels()} if self.generator.label_size else {})

    @property
    def default_batch_size(self) -> int:
        """The phase's."""
        return self.phase.batch_size

    @property
    def call_spec(self) -> Any:
        """See `SteppedModel.call_spec`."""
        return batches.latents(self.generator.latent_size, self.generator.label_size)

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Generates images from latents [N, latent_size].

        With classes, from (latents, classes int [N]).
        """
        size = self.generator.label_size
        latent, label = inputs if size else (inputs, None)
        labels = tf.one_hot(label, size) if size else None
        generator = self.exported_networks["generator"]
        return generator(latent, labels=labels, training=training)

    def begin(self, step: int) -> None:
        """Prepares to train from a step: the first of a phase, or one within it.

        At the first step of a phase the optimizers are reset.

        Args:
            step: The steps done so far.
        """
        phase = growth.at_step(self.phases, step)
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            optimizer.learning_rate = phase.learning_rate
            if step == phase.first_step:
                optimizers.inner(optimizer).reset()
        self.ema_decay = 0.5 ** (phase.batch_size / self.ema_half_life)
        self.averaged_since = min(
            p.first_step for p in self.phases if p.resolution == phase.resolution
        )
        # While a resolution is faded in, the previous one is output.
        grown = phase.resolution // 2 if phase.is_fading else phase.resolution
        for network in (self.generator, self.ema_generators["generator"]):
            network.grown = grown
        if phase != self.phase:
            self.train_function = None
        self.phase = phase

    def status(self) -> dict[str, float]:
        """Returns the progress of growing, for the log."""
        both = (self.generator_optimizer, self.discriminator_optimizer)
        told = {
            "images_seen": int(self.images_seen.numpy()),
            "resolution": self.phase.resolution,
            "alpha": float(keras.ops.convert_to_numpy(self.alpha())),
            "skipped_steps": sum(
                int(optimizers.inner(o).skipped.numpy()) for o in both
            ),
        }
        if self.ada_probability is not None:
            told["ada_probability"] = float(self.ada_probability.probability.numpy())
        return told

    def alpha(self) -> float | tf.Tensor:
        """Returns the fade-in of the resolution; a Python 1.0 if it is complete."""
        phase = self.phase
        if not phase.is_fading:
            return 1.0
        since = tf.cast(self.images_seen - phase.fade_start, tf.float32)
        return tf.clip_by_value(since / phase.fade_images, 0.0, 1.0)

    def shrinkage(self) -> float:
        """Returns full resolution / current resolution.

        The original's discriminator gets full-size images whose pixels are repeated
        this many times in each direction, and its gradient penalty is with respect to
        these. The norm of that gradient is the one at the current resolution divided by
        this.
        """
        return self.schedule.resolution / self.phase.resolution

    def batch(self, data: Mapping[str, tf.Tensor]) -> Tensors:
        """Returns the reals, faded as the networks are, and one-hot labels if any."""
        images = self._faded(data["real"])
        if images.shape[0] not in (None, self.replica_batch):
            raise ValueError(
                f"A batch of this phase has {self.phase.batch_size} images, "
                f"{self.replica_batch} of each replica. Received: {images.shape[0]}"
            )
        images = tf.ensure_shape(images, [self.replica_batch, *images.shape[1:]])
        return {"real": images} | self._labels(data)

    def _faded(self, images: tf.Tensor) -> tf.Tensor:
        """Images as the networks see them: half as sharp at the start of a fade."""
        alpha = self.alpha()
        if isinstance(alpha, float):
            return images
        side, channels = self.phase.resolution, images.shape[-1]
        blocks = tf.reshape(images, [-1, side // 2, 2, side // 2, 2, channels])
        means = tf.reduce_mean(blocks, axis=[2, 4], keepdims=True)
        old = tf.reshape(tf.broadcast_to(means, tf.shape(blocks)), tf.shape(images))
        return old + (images - old) * alpha

    def _labels(self, data: Mapping[str, tf.Tensor]) -> Tensors:
        size = self.generator.label_size
        return {"labels": tf.one_hot(data["label"], size)} if size else {}

    def score(self, images: tf.Tensor, batch: Tensors) -> tf.Tensor:
        """Returns the discriminator's scores [N, 1] of images at this phase.

        Args:
            images: [N, R, R, C].
            batch: "labels", one-hot [N, label_size], if there are classes.
        """
        raise NotImplementedError

    def test_losses(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `SteppedModel.test_losses`; without penalties and augmentation.

        The fakes are from latents of this step, at the phase's resolution. Images that
        do not fill a group of the minibatch standard deviation are left out.
        """
        count, group = tf.shape(data["real"])[0], self.discriminator.group_size
        whole = tf.maximum(count - count % group, tf.minimum(count, group))
        data = {name: part[:whole] for name, part in data.items()}
        labels = self._labels(data)
        fake = self.exported_networks["generator"](
            self.draw_samples(_TEST, whole, self.generator.latent_size),
            labels=labels.get("labels"),
            resolution=self.phase.resolution,
            alpha=self.alpha(),
        )
        real = self.score(self._faded(data["real"]), labels)
        fake = self.score(fake, labels)
        return {
            "g_loss": self.game.generator(fake),
            "d_loss": self.game.discriminator(real, fake),
        }

    def penalty(self, real: tf.Tensor, fake: tf.Tensor, batch: Tensors) -> tf.Tensor:
        """Returns the gradient penalty between reals and fakes; see `shrinkage`.

        Args:
            real: [N, R, R, C].
            fake: [N, R, R, C].
            batch: "between", see `places_between`; "labels" with classes.

        Returns:
            A scalar, 0 if the loss has no such penalty.
        """
        if not self.game.penalizes_slopes:
            return tf.constant(0.0)
        return penalties.between(
            lambda images: self.score(images, batch),
            real,
            fake,
            batch["between"],
            self.shrinkage(),
        )

    @property
    def replica_batch(self) -> int:
        """Images per step on one replica."""
        return self.phase.batch_size // self.distribute_strategy.num_replicas_in_sync

    def normal(self, purpose: int, *shape: int) -> tf.Tensor:
        """Draws N(0, 1), float32 [replica_batch, *shape]; see `random_key`."""
        key = self.random_key(purpose)
        return tf.random.stateless_normal([self.replica_batch, *shape], key)

    def keys(self, purpose: int) -> tf.Tensor:
        """Returns random keys, int32 [replica_batch, 2]; see `random_key`."""
        key, shape = self.random_key(purpose), [self.replica_batch, 2]
        return tf.random.stateless_uniform(shape, key, None, None, tf.int32)

    def places_between(self, purpose: int) -> tf.Tensor:
        """Returns positions for the gradient penalty, [replica_batch], in [0, 1)."""
        key, shape = self.random_key(purpose), [self.replica_batch]
        return tf.random.stateless_uniform(shape, key)

    def augmented(self, images: tf.Tensor, batch: Tensors, which: int) -> tf.Tensor:
        """Returns the discriminator's view of images, real or generated.

        Args:
            images: [N, R, R, C].
            batch: Its "keys" are used for augmentation.
            which: Distinguishes images of the same batch.
        """
        key = tf.random.fold_in(batch["keys"][0], which)
        if self.augment == "diffaug":
            return augmentation.diffaugment(images, key)
        if self.ada_probability is not None:
            return augmentation.ada(images, self.ada_probability.probability, key)
        return images

    def in_micro_batches(self, function: Callable[[Tensors], N], batch: Tensors) -> N:
        """Averages a function over parts of a batch; see `micro_batches.average`."""
        own = self.replica_batch
        size = min(self.micro_batch or own, own)
        group = min(self.discriminator.group_size, size)
        return micro_batches.average(function, batch, own // size, size, group)

    def gradients(
        self,
        loss: tf.Tensor,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        tape: tf.GradientTape,
    ) -> dict[str, tf.Tensor]:
        """Returns the gradients of the variables in use, by index.

        Blocks above the current resolution have none.
        """
        variables = network.trainable_variables
        found = self.scaled_gradients(loss, variables, optimizer, tape)
        return {str(i): g for i, g in enumerate(found) if g is not None}

    def apply(
        self,
        gradients: Mapping[str, tf.Tensor],
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
    ) -> None:
        """Applies the gradients returned by `gradients`."""
        variables = network.trainable_variables
        optimizer.apply(
            list(gradients.values()), [variables[int(i)] for i in gradients]
        )

    def finish_step(
        self, losses: Mapping[str, tf.Tensor], weight: float | tf.Tensor = 1.0
    ) -> dict[str, tf.Tensor]:
        """See `GANModel.finish_step`; also counts the images."""
        if self.ada_probability is not None:
            self.ada_probability.update(losses["real_sign"], self.phase.batch_size)
        self.images_seen.assign_add(self.phase.batch_size)
        # A step skipped by the optimizers must not spoil the means for good.
        values = tf.stack([tf.cast(v, tf.float32) for v in losses.values()])
        is_finite = tf.reduce_all(tf.math.is_finite(values))
        kept = {k: tf.where(is_finite, v, 0.0) for k, v in losses.items()}
        return super().finish_step(kept, weight * tf.cast(is_finite, tf.float32))

    def training_state(self) -> dict[str, Any]:
        """See `GANModel.training_state`; adds the images seen and ADA's state."""
        state = super().training_state() | {"images_seen": self.images_seen}
        if self.ada_probability is not None:
            state["ada_probability"] = self.ada_probability
        return state

    def get_config(self) -> dict[str, Any]:
        """See `SteppedModel.get_config`; phases set the average's decay."""
        config = super().get_config() | {"schedule": dataclasses.asdict(self.schedule)}
        del config["ema_decay"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GrowingGAN":
        """Builds the model from what `get_config` returned."""
        schedule = dict(config["schedule"])
        for table in ("batch_sizes", "learning_rates"):
            # JSON has turned the numbers into text.
            schedule[table] = {int(k): v for k, v in schedule[table].items()}
        return super().from_config(config | {"schedule": growth.Growth(**schedule)})
