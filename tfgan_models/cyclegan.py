"""CycleGAN: unpaired image-to-image translation (Zhu et al., arXiv:1703.10593)."""

import functools
from typing import Any

import keras
import tensorflow as tf

from tfgan_models import batches, compatibility, losses
from tfgan_models.adversarial import GANModel, normalizes_batches, watching
from tfgan_models.image_pool import ImagePool


@keras.saving.register_keras_serializable(package="tfgan_models")
class CycleGAN(GANModel):
    """Two generators, A to B and back, and a discriminator for each domain.

    `fit` takes batches {"real_a": [N, S, S, channels of A], "real_b": ...} in
    [-1, 1]. Calling the model translates A to B.

    Args:
        generator_a2b: The paper's G: images [N, H, W, channels of A] to images of B of
            the same size, in [-1, 1]. Like the others, any functional or sequential
            `keras.Model` that has one input and one output. If it has an attribute
            `size_multiple`, H and W are multiples of that.
        generator_b2a: The paper's F, in the other direction.
        discriminator_a: The paper's D_X: images of A to logits, of any shape.
        discriminator_b: The paper's D_Y.
        image_size: Side of the training images in pixels (the pools' images).
        cycle_weight: The paper's lambda.
        identity_weight: Weight of the identity loss relative to `cycle_weight`
            (section 5.2; 0.5 there). 0 skips its two forward passes.
        pool_size: Generated images kept for each discriminator; 50 in the paper,
            0 for none.
        **kwargs: Those of `GANModel`; the paper has no `ema_decay`.

    Raises:
        ValueError: A negative weight or pool size, networks that do not fit together,
            an identity loss between domains of different channels, or an `image_size`
            the networks cannot take.
    """

    loss_names = (
        "g_loss",
        "gan_a2b",
        "gan_b2a",
        "cycle_a",
        "cycle_b",
        "identity_a",
        "identity_b",
        "d_loss",
        "d_a",
        "d_b",
    )

    def __init__(
        self,
        generator_a2b: keras.Model,
        generator_b2a: keras.Model,
        discriminator_a: keras.Model,
        discriminator_b: keras.Model,
        image_size: int = 256,
        cycle_weight: float = 10.0,
        identity_weight: float = 0.5,
        pool_size: int = 50,
        **kwargs: Any,
    ) -> None:
        channels_a, channels_b = _check_networks(
            generator_a2b, generator_b2a, discriminator_a, discriminator_b, image_size
        )
        super().__init__(
            {"a2b": generator_a2b, "b2a": generator_b2a},
            {"a": discriminator_a, "b": discriminator_b},
            **kwargs,
        )
        if identity_weight and channels_a != channels_b:
            raise ValueError(
                "An identity loss needs domains with the same channels; set "
                f"identity_weight=0. Received: identity_weight={identity_weight}, "
                f"channels {channels_a} and {channels_b}"
            )
        compatibility.check_not_negative(
            cycle_weight=cycle_weight,
            identity_weight=identity_weight,
            pool_size=pool_size,
        )
        self.generator_a2b = generator_a2b
        self.generator_b2a = generator_b2a
        self.discriminator_a = discriminator_a
        self.discriminator_b = discriminator_b
        self.image_size = image_size
        self.channels = (channels_a, channels_b)
        self.cycle_weight = cycle_weight
        self.identity_weight = identity_weight
        self.pool_size = pool_size
        with self.distribute_strategy.scope():
            square = (image_size, image_size)
            self.pool_a = ImagePool(pool_size, (*square, channels_a))
            self.pool_b = ImagePool(pool_size, (*square, channels_b))

    @property
    def batch_spec(self) -> dict[str, tf.TensorSpec]:
        """See `SteppedModel.batch_spec`."""
        return {
            name: batches.images(self.image_size, self.image_size, channels)
            for name, channels in zip(("real_a", "real_b"), self.channels, strict=True)
        }

    @property
    def call_spec(self) -> tf.TensorSpec:
        """See `SteppedModel.call_spec`."""
        return tf.TensorSpec(self.generator_a2b.inputs[0].shape, tf.float32, "image")

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Translates images of A [N, H, W, C] in [-1, 1] to B."""
        return self.exported_networks["a2b"](inputs, training=training)

    def train_step(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One joint step of both generators, then one of both discriminators.

        Args:
            data: "real_a" and "real_b", this replica's images in [-1, 1].

        Returns:
            The running mean of each loss in `loss_names`.
        """
        real_a, real_b = data["real_a"], data["real_b"]

        # Only the generators are watched: their step needs no gradients of the
        # discriminators' weights.
        with watching(self.generator_variables) as tape:
            fake_b, same_b = self._translate(self.generator_a2b, real_a, real_b)
            fake_a, same_a = self._translate(self.generator_b2a, real_b, real_a)
            cycled_a = self.forward(self.generator_b2a, fake_b, purpose=2)
            cycled_b = self.forward(self.generator_a2b, fake_a, purpose=2)

            gan_a2b = losses.least_squares_generator_loss(
                self.forward(self.discriminator_b, fake_b)
            )
            gan_b2a = losses.least_squares_generator_loss(
                self.forward(self.discriminator_a, fake_a)
            )
            cycle_a = losses.l1_loss(cycled_a, real_a)
            cycle_b = losses.l1_loss(cycled_b, real_b)
            identity_a = losses.l1_loss(same_a, real_a)
            identity_b = losses.l1_loss(same_b, real_b)
            g_loss = self._generator_loss(
                gan_a2b + gan_b2a, cycle_a + cycle_b, identity_a + identity_b
            )
        self.minimize(g_loss, self.generator_variables, self.generator_optimizer, tape)

        # The fakes from before the generators' step, through the pools.
        shown_a = self.pool_a(fake_a, self.random_key(0))
        shown_b = self.pool_b(fake_b, self.random_key(1))
        with watching(self.discriminator_variables) as tape:
            d_a = self._discriminator_loss(self.discriminator_a, real_a, shown_a)
            d_b = self._discriminator_loss(self.discriminator_b, real_b, shown_b)
            d_loss = d_a + d_b
        self.minimize(
            d_loss, self.discriminator_variables, self.discriminator_optimizer, tape
        )
        return self.finish_step(
            {
                "g_loss": g_loss,
                "gan_a2b": gan_a2b,
                "gan_b2a": gan_b2a,
                "cycle_a": cycle_a,
                "cycle_b": cycle_b,
                "identity_a": identity_a,
                "identity_b": identity_b,
                "d_loss": d_loss,
                "d_a": d_a,
                "d_b": d_b,
            }
        )

    def _generator_loss(
        self, gan: tf.Tensor, cycle: tf.Tensor, identity: tf.Tensor
    ) -> tf.Tensor:
        return (
            gan
            + self.cycle_weight * cycle
            + self.cycle_weight * self.identity_weight * identity
        )

    def test_losses(self, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See `SteppedModel.test_losses`; all of `loss_names`, and no pool."""
        real = {"a": data["real_a"], "b": data["real_b"]}
        maker = {
            "b": functools.partial(self.exported_networks["a2b"], training=False),
            "a": functools.partial(self.exported_networks["b2a"], training=False),
        }
        judge = {"a": self.discriminator_a, "b": self.discriminator_b}
        found, gan = {}, {}
        for own, other in (("a", "b"), ("b", "a")):
            fake = maker[own](real[other])
            judged = judge[own](fake, training=False)
            gan[own] = losses.least_squares_generator_loss(judged)
            found[f"gan_{other}2{own}"] = gan[own]
            found[f"d_{own}"] = losses.least_squares_discriminator_loss(
                judge[own](real[own], training=False), judged
            )
            cycled = maker[own](maker[other](real[own]))
            found[f"cycle_{own}"] = losses.l1_loss(cycled, real[own])
            same = maker[own](real[own]) if self.identity_weight else real[own]
            found[f"identity_{own}"] = losses.l1_loss(same, real[own])
        both = {
            k: found[f"{k}_a"] + found[f"{k}_b"] for k in ("cycle", "identity", "d")
        }
        g_loss = self._generator_loss(
            gan["a"] + gan["b"], both["cycle"], both["identity"]
        )
        return found | {"g_loss": g_loss, "d_loss": both["d"]}

    def _translate(
        self, generator: keras.Model, source: tf.Tensor, target: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns generator(source) and generator(target), the identity.

        In one call, unless that would mix the statistics of two domains. Without an
        identity loss the second is `target` itself, whose loss is zero.
        """
        if not self.identity_weight:
            return self.forward(generator, source), target
        if normalizes_batches(generator):
            same = self.forward(generator, target, purpose=1)
            return self.forward(generator, source), same
        both = self.forward(generator, tf.concat([source, target], axis=0))
        translated, same = tf.split(both, 2)
        return translated, same

    def _discriminator_loss(
        self, discriminator: keras.Model, real: tf.Tensor, fake: tf.Tensor
    ) -> tf.Tensor:
        return losses.least_squares_discriminator_loss(
            self.forward(discriminator, real, purpose=1),
            self.forward(discriminator, fake, purpose=2),
        )

    def training_state(self) -> dict[str, Any]:
        """See `GANModel.training_state`; adds every replica's pools."""
        state = super().training_state()
        if self.pool_size:
            local = self.distribute_strategy.experimental_local_results
            for name, pool in (("pool_a", self.pool_a), ("pool_b", self.pool_b)):
                state[name] = {
                    "images": list(local(pool.images)),
                    "stored": list(local(pool.stored)),
                }
        return state


def _check_networks(
    generator_a2b: keras.Model,
    generator_b2a: keras.Model,
    discriminator_a: keras.Model,
    discriminator_b: keras.Model,
    image_size: int,
) -> tuple[int, int]:
    """Returns the channels of A and of B, shared by all networks."""
    channels = compatibility.check_translator("generator_a2b", generator_a2b)
    back = compatibility.check_translator("generator_b2a", generator_b2a)
    if back != channels[::-1]:
        raise ValueError(
            "generator_b2a must map B's channels back to A's. Received: "
            f"generator_a2b from {channels[0]} to {channels[1]}, generator_b2a from "
            f"{back[0]} to {back[1]}"
        )
    compatibility.check_side("generator_a2b", generator_a2b, image_size)
    compatibility.check_side("generator_b2a", generator_b2a, image_size)
    judges = {"discriminator_a": discriminator_a, "discriminator_b": discriminator_b}
    for (name, judge), count in zip(judges.items(), channels, strict=True):
        *sides, _ = compatibility.check_judge(name, judge, count)
        if not set(sides) <= {None, image_size}:
            raise ValueError(
                f"{name} must take images of image_size={image_size}. Received: {sides}"
            )
    return channels
