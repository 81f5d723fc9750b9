"""StackGAN's networks (Zhang et al., arXiv:1612.03242)."""

from typing import Any

import keras

from tfgan_models.layers.tensors import Dtype, Tensor
from tfgan_models.networks import stackgan_parts as parts
from tfgan_models.networks.arguments import arguments
from tfgan_models.networks.labelled import check_sizes


def _draw(mean: Tensor, log_sigma: Tensor, noise: Tensor) -> Tensor:
    """Returns the condition sampled with a noise, all [N, condition_size]."""
    return mean + keras.ops.exp(log_sigma) * noise


class _ConditionedGenerator(keras.Model):
    """Both stages' generators: conditioning augmentation, then a body.

    Attributes:
        conditioning: Embedding to mean and log sigma of the condition.
        body: Generates from the condition and one more input.
    """

    def __init__(
        self,
        conditioning: keras.Model,
        body: keras.Model,
        policy: keras.DTypePolicy,
        name: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, autocast=False, dtype=policy, **kwargs)
        self.conditioning = conditioning
        self.body = body
        self.policy = policy
        self.built = True

    def condition(
        self,
        embedding: Tensor,
        noise: Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Samples the condition of an embedding (section 3.2).

        Args:
            embedding: [N, embedding_size].
            noise: The paper's epsilon, [N, condition_size]; N(0, 1), truncated at 2 in
                the published code. None: zero, and the condition is the mean.
            training: Whether this is a training step.

        Returns:
            The condition, its mean and its log sigma, float32 [N, condition_size].
        """
        mean, log_sigma = self.conditioning(embedding, training=training)
        if noise is None:
            return mean, mean, log_sigma
        return _draw(mean, log_sigma, noise), mean, log_sigma


@keras.saving.register_keras_serializable(package="tfgan_models")
class StageOneGenerator(_ConditionedGenerator):
    """Text embedding and latent to a small image.

    A dense layer to 4x4, then upsampling by nearest neighbour and 3x3 convolution; a
    residual block at 4x4 and one at 8x8. No convolution has a bias. 14,247,808
    trainable parameters with the defaults.

    Args:
        resolution: Side of the images, a power of two of at least 16.
        embedding_size: Of the text embedding.
        condition_size: Of the condition sampled from it.
        latent_size: Of the latent.
        filters: Channels at half the resolution; doubled at each halving down to 4x4.
        channels: Of the images.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Raises:
        ValueError: A size is out of range.
    """

    def __init__(
        self,
        resolution: int = 64,
        embedding_size: int = 1024,
        condition_size: int = 128,
        latent_size: int = 100,
        filters: int = 128,
        channels: int = 3,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        parts.check_resolution("resolution", resolution)
        check_sizes(
            embedding_size=embedding_size,
            condition_size=condition_size,
            latent_size=latent_size,
            channels=channels,
        )
        parts.check_filters(filters)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        super().__init__(
            parts.conditioning(embedding_size, condition_size, policy, "stage1"),
            parts.stage_one_body(
                resolution, condition_size, latent_size, filters, channels, policy
            ),
            policy,
            name,
            **kwargs,
        )
        self.resolution = resolution
        self.embedding_size = embedding_size
        self.condition_size = condition_size
        self.latent_size = latent_size
        self.filters = filters
        self.channels = channels

    def call(
        self,
        embedding: Tensor,
        latent: Tensor,
        noise: Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Generates images.

        Args:
            embedding: [N, embedding_size].
            latent: [N, latent_size], N(0, 1).
            noise: See `condition`.
            training: Whether this is a training step.

        Returns:
            Images, float32 [N, R, R, channels] in [-1, 1], and the mean and log sigma
            of the condition.
        """
        drawn, mean, log_sigma = self.condition(embedding, noise, training)
        return self.body([drawn, latent], training=training), mean, log_sigma

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, StageOneGenerator)


@keras.saving.register_keras_serializable(package="tfgan_models")
class StageTwoGenerator(_ConditionedGenerator):
    """A small image and its text embedding to a large image.

    Two downsamplings, the condition concatenated, residual blocks, then upsampling by
    nearest neighbour and 3x3 convolution. No convolution has a bias. 26,290,080
    trainable parameters with the defaults.

    Args:
        resolution: Side of the output images, a power of two above `input_resolution`.
        input_resolution: Side of the input images, a power of two of at least 16.
        embedding_size: Of the text embedding.
        condition_size: Of the condition sampled from it.
        filters: Channels at the input's size; 4 times as many where the condition is
            concatenated, halved at each upsampling.
        residual_blocks: Number of residual blocks, 0 or more.
        channels: Of the images.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Raises:
        ValueError: A size is out of range.
    """

    def __init__(
        self,
        resolution: int = 256,
        input_resolution: int = 64,
        embedding_size: int = 1024,
        condition_size: int = 128,
        filters: int = 128,
        residual_blocks: int = 4,
        channels: int = 3,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        parts.check_resolution("input_resolution", input_resolution)
        parts.check_resolution("resolution", resolution, 2 * input_resolution)
        check_sizes(
            embedding_size=embedding_size,
            condition_size=condition_size,
            channels=channels,
        )
        parts.check_filters(filters, resolution // input_resolution)
        if residual_blocks < 0:
            raise ValueError(
                "residual_blocks must be 0 or more. Received: "
                f"residual_blocks={residual_blocks}"
            )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        super().__init__(
            parts.conditioning(embedding_size, condition_size, policy, "stage2"),
            parts.stage_two_body(
                resolution,
                input_resolution,
                condition_size,
                filters,
                residual_blocks,
                channels,
                policy,
            ),
            policy,
            name,
            **kwargs,
        )
        self.resolution = resolution
        self.input_resolution = input_resolution
        self.embedding_size = embedding_size
        self.condition_size = condition_size
        self.filters = filters
        self.residual_blocks = residual_blocks
        self.channels = channels

    def call(
        self,
        image: Tensor,
        embedding: Tensor,
        noise: Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Generates images.

        Args:
            image: [N, r, r, channels] in [-1, 1], from stage one.
            embedding: [N, embedding_size].
            noise: See `condition`; stage two's own.
            training: Whether this is a training step.

        Returns:
            Images, float32 [N, R, R, channels] in [-1, 1], and the mean and log sigma
            of the condition.
        """
        drawn, mean, log_sigma = self.condition(embedding, noise, training)
        return self.body([image, drawn], training=training), mean, log_sigma

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, StageTwoGenerator)


@keras.saving.register_keras_serializable(package="tfgan_models")
class StackGenerator(keras.Model):
    """Both stages in a row, and the text encoder if there is one: what is exported.

    Args:
        stage_one: A `StageOneGenerator`.
        stage_two: A `StageTwoGenerator` for its images; None: there is one stage.
        text_encoder: Characters int32 [N, L] to embeddings, with `embedding_size`;
            None: embeddings come from elsewhere.
        stages: The stage that training has reached, 1 or 2, whose images are output;
            None: the last.
        name: Name of the network.
        **kwargs: Those of `keras.Model`.

    Raises:
        ValueError: Networks that do not fit together.
    """

    def __init__(
        self,
        stage_one: StageOneGenerator,
        stage_two: StageTwoGenerator | None = None,
        text_encoder: keras.Model | None = None,
        stages: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        last = 1 if stage_two is None else 2
        if stages is not None and not 1 <= stages <= last:
            raise ValueError(f"stages must be 1 to {last}. Received: stages={stages}")
        if stage_two is not None:
            side = stage_two.input_resolution
            parts.check_equal("resolution", stage_one.resolution, side)
            for size in ("embedding_size", "condition_size", "channels"):
                pair = getattr(stage_one, size), getattr(stage_two, size)
                parts.check_equal(size, *pair)
        if text_encoder is not None:
            size = text_encoder.embedding_size
            parts.check_equal("embedding_size", stage_one.embedding_size, size)
        super().__init__(name=name, autocast=False, **kwargs)
        self.stage_one = stage_one
        self.stage_two = stage_two
        self.text_encoder = text_encoder
        self.stages = stages or last
        self.embedding_size = stage_one.embedding_size
        self.condition_size = stage_one.condition_size
        self.latent_size = stage_one.latent_size
        self.channels = stage_one.channels
        self.built = True

    @property
    def resolution(self) -> int:
        """Side in pixels of the output images."""
        second = self._second
        return self.stage_one.resolution if second is None else second.resolution

    @property
    def _second(self) -> StageTwoGenerator | None:
        """Stage two, if the images are its output."""
        return self.stage_two if self.stages == 2 else None

    def call(
        self,
        embedding: Tensor,
        latent: Tensor,
        noise_one: Tensor | None = None,
        noise_two: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Generates images.

        Args:
            embedding: [N, embedding_size].
            latent: [N, latent_size], N(0, 1).
            noise_one: Stage one's noise of the condition, [N, condition_size]; None:
                zero, and the condition is its mean.
            noise_two: The same for stage two.
            training: Whether this is a training step.

        Returns:
            float32 [N, resolution, resolution, channels] in [-1, 1].
        """
        image, *_ = self.stage_one(embedding, latent, noise_one, training=training)
        if self._second is not None:
            image, *_ = self._second(image, embedding, noise_two, training=training)
        return image

    def functional(self) -> keras.Model:
        """Returns a functional model on the same layers, for export.

        Its inputs, by name: "embedding" [N, embedding_size], "latent" [N, latent_size]
        and "noise_one" [N, condition_size]; if stage two is used, also "noise_two". The
        noise is N(0, 1), truncated at 2, as in training: without it, images would be
        of conditions that training hardly ever saw.
        """

        def given(name: str, size: int) -> Tensor:
            inputs[name] = keras.Input((size,), name=name)
            return inputs[name]

        def condition(stage: _ConditionedGenerator, noise: str) -> Tensor:
            mean, log_sigma = stage.conditioning.call(embedding)
            return _draw(mean, log_sigma, given(noise, self.condition_size))

        inputs: dict[str, Tensor] = {}
        embedding = given("embedding", self.embedding_size)
        latent = given("latent", self.latent_size)
        drawn = condition(self.stage_one, "noise_one")
        image = self.stage_one.body.call([drawn, latent])
        if self._second is not None:
            drawn = condition(self._second, "noise_two")
            image = self._second.body.call([image, drawn])
        image = keras.layers.Activation("linear", dtype="float32", name="image")(image)
        return keras.Model(inputs, image, name=self.name)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, networks serialised."""
        serialize = keras.saving.serialize_keras_object
        return {
            "stage_one": serialize(self.stage_one),
            "stage_two": serialize(self.stage_two),
            "text_encoder": serialize(self.text_encoder),
            "stages": self.stages,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "StackGenerator":
        """Builds the network from what `get_config` returned."""
        deserialize = keras.saving.deserialize_keras_object
        networks = ("stage_one", "stage_two", "text_encoder")
        return cls(**config | {key: deserialize(config[key]) for key in networks})
