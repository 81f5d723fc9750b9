"""StackGAN's discriminators (Zhang et al., arXiv:1612.03242)."""

from typing import Any

import keras

from tfgan_models.layers.tensors import Dtype, Tensor
from tfgan_models.networks import stackgan_parts as parts
from tfgan_models.networks.arguments import arguments
from tfgan_models.networks.labelled import check_sizes


@keras.saving.register_keras_serializable(package="tfgan_models")
class StageOneDiscriminator(keras.Model):
    """Classifies whether an image is real and matches a text embedding.

    4x4 convolutions of stride 2 down to 4x4, a residual block; the compressed
    embedding is concatenated there. No convolution has a bias. 4,029,824 trainable
    parameters with the defaults. The published TensorFlow code has no activation before
    the last of these convolutions in stage one, unlike everywhere else; here there is
    one.

    Args:
        resolution: Side of the images, a power of two of at least 16.
        embedding_size: Of the text embedding.
        condition_size: Size to which the embedding is compressed.
        filters: Channels of the first convolution; doubled at each halving. If
            that leads to more than 8 times as many, 1x1 convolutions lead back.
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
        filters: int = 64,
        channels: int = 3,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        parts.check_resolution("resolution", resolution)
        check_sizes(
            embedding_size=embedding_size,
            condition_size=condition_size,
            channels=channels,
        )
        parts.check_filters(filters)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        super().__init__(name=name, autocast=False, dtype=policy, **kwargs)
        self.body = parts.discriminator_body(
            resolution, embedding_size, condition_size, filters, channels, policy
        )
        self.resolution = resolution
        self.embedding_size = embedding_size
        self.condition_size = condition_size
        self.filters = filters
        self.channels = channels
        self.policy = policy
        self.built = True

    def call(
        self, image: Tensor, embedding: Tensor, training: bool | None = None
    ) -> Tensor:
        """Scores whether images are real and match the text.

        Args:
            image: [N, R, R, channels] in [-1, 1].
            embedding: [N, embedding_size].
            training: Whether this is a training step.

        Returns:
            Logits, float32 [N, 1] (no sigmoid).
        """
        return self.body([image, embedding], training=training)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, StageOneDiscriminator)


@keras.saving.register_keras_serializable(package="tfgan_models")
class StageTwoDiscriminator(StageOneDiscriminator):
    """`StageOneDiscriminator` at the size of stage two.

    48,603,520 trainable parameters with the defaults.

    Args:
        resolution: See `StageOneDiscriminator`.
        embedding_size: See `StageOneDiscriminator`.
        condition_size: See `StageOneDiscriminator`.
        filters: See `StageOneDiscriminator`.
        channels: See `StageOneDiscriminator`.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.
    """

    def __init__(
        self,
        resolution: int = 256,
        embedding_size: int = 1024,
        condition_size: int = 128,
        filters: int = 64,
        channels: int = 3,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            resolution,
            embedding_size,
            condition_size,
            filters,
            channels,
            name,
            dtype,
            **kwargs,
        )
