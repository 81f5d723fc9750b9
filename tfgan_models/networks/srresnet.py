"""The networks of SRGAN (Ledig et al., arXiv:1609.04802)."""

from typing import Any

import keras
from keras import layers

from tfgan_models.layers import PixelShuffle2D
from tfgan_models.layers.tensors import Dtype, Tensor
from tfgan_models.networks import blocks
from tfgan_models.networks.arguments import arguments

SCALES = (2, 4, 8)

_DISCRIMINATOR = ((1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2))
"""Of each convolution, the multiple of `filters` and the stride."""
_UNITS = 16
"""Units of the dense layer, a multiple of `filters`: 1024 in the paper."""


@keras.saving.register_keras_serializable(package="tfgan_models")
class SRResNet(keras.Model):
    """Image to larger image: residual blocks at low resolution, pixel shuffles.

    The paper's network (figure 4). Internally it uses [0, 1], the paper's range of
    the low resolution. Convolutions that a batch normalisation follows have no bias.
    For 3 channels 1,400,771 trainable parameters at scale 2, 1,548,547 at scale 4,
    1,696,323 at scale 8, and 4,224 averages each.

    Args:
        scale: Output pixels per input pixel, in each direction: 2, 4 or 8.
        filters: Channels of all but the first and the last map.
        residual_blocks: Blocks of two convolutions, 16 in the paper.
        channels: Channels of the image.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "image" [N, H, W, channels] in [-1, 1], any H and W; output "upscaled_image"
    float32 [N, scale H, scale W, channels]: linear, as in the paper, so values may
    leave [-1, 1] a little; clip what is shown.

    Raises:
        ValueError: Another `scale`, fewer than 1 filter or 0 residual blocks.
    """

    def __init__(
        self,
        scale: int = 4,
        filters: int = 64,
        residual_blocks: int = 16,
        channels: int = 3,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        if scale not in SCALES:
            raise ValueError(f"scale must be one of {SCALES}. Received: scale={scale}")
        if filters < 1 or residual_blocks < 0:
            raise ValueError(
                "filters must be 1 or more and residual_blocks 0 or more. Received: "
                f"filters={filters}, residual_blocks={residual_blocks}"
            )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        image = keras.Input((None, None, channels), name="image")

        x = layers.Rescaling(0.5, 0.5, dtype=policy, name="unit_range")(image)
        x = _same_conv(x, filters, 9, policy, "stem")
        stem = x = _prelu(x, policy, "stem")
        for i in range(1, residual_blocks + 1):
            x = _residual_block(x, filters, policy, f"block{i}")
        x = _conv_norm(x, filters, policy, "trunk")
        x = layers.Add(dtype=policy, name="trunk_add")([stem, x])
        for i in range(1, scale.bit_length()):
            x = _same_conv(x, 4 * filters, 3, policy, f"up{i}")
            x = PixelShuffle2D(2, dtype=policy, name=f"up{i}_shuffle")(x)
            x = _prelu(x, policy, f"up{i}")
        x = _same_conv(x, channels, 9, policy, "head")
        x = layers.Activation("linear", dtype="float32", name="upscaled_image")(x)

        super().__init__(inputs=image, outputs=x, name=name, **kwargs)
        self.scale = scale
        self.filters = filters
        self.residual_blocks = residual_blocks
        self.channels = channels
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, SRResNet)


@keras.saving.register_keras_serializable(package="tfgan_models")
class SRDiscriminator(keras.Model):
    """Classifies whole images of one size as real or generated.

    Eight 3x3 convolutions, every second one of stride 2, and two dense layers (figure
    4 of the paper). Convolutions that a batch normalisation follows have no bias. At
    96 px and 3 channels 23,563,649 trainable parameters, 18,875,392 of them in the
    first dense layer, and 3,712 averages.

    Args:
        image_size: Side of the images in pixels, a multiple of 16.
        filters: Channels of the first convolution; doubled up to 8 times.
        channels: Channels of the image.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "image" [N, image_size, image_size, channels] in [-1, 1]; output "logits"
    float32 [N, 1] (no sigmoid).

    Raises:
        ValueError: `image_size` is not a multiple of 16, or fewer than 1 filter.
    """

    def __init__(
        self,
        image_size: int = 96,
        filters: int = 64,
        channels: int = 3,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        if image_size < 16 or image_size % 16:
            raise ValueError(
                "image_size must be a multiple of 16: the discriminator halves it four "
                f"times. Received: image_size={image_size}"
            )
        if filters < 1:
            raise ValueError(f"filters must be 1 or more. Received: filters={filters}")
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        image = keras.Input((image_size, image_size, channels), name="image")

        x = image
        for i, (multiple, strides) in enumerate(_DISCRIMINATOR, start=1):
            # Not "same": with stride 2 that would pad only below and on the right.
            x = layers.ZeroPadding2D(1, dtype=policy, name=f"conv{i}_pad")(x)
            x = blocks.convolution(
                multiple * filters,
                3,
                strides,
                use_bias=i == 1,
                dtype=policy,
                name=f"conv{i}_conv",
            )(x)
            if i > 1:
                x = blocks.normalization("batch", dtype=policy, name=f"conv{i}_norm")(x)
            x = layers.LeakyReLU(0.2, dtype=policy, name=f"conv{i}_relu")(x)
        x = layers.Flatten(dtype=policy, name="flatten")(x)
        x = _dense(x, _UNITS * filters, policy, "hidden")
        x = layers.LeakyReLU(0.2, dtype=policy, name="hidden_relu")(x)
        x = _dense(x, 1, policy, "head")
        x = layers.Activation("linear", dtype="float32", name="logits")(x)

        super().__init__(inputs=image, outputs=x, name=name, **kwargs)
        self.image_size = image_size
        self.filters = filters
        self.channels = channels
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, SRDiscriminator)


def _residual_block(
    x: Tensor, filters: int, policy: keras.DTypePolicy, name: str
) -> Tensor:
    """A convolution, norm, PReLU, convolution and norm, added to x."""
    y = _conv_norm(x, filters, policy, f"{name}_1")
    y = _prelu(y, policy, name)
    y = _conv_norm(y, filters, policy, f"{name}_2")
    return layers.Add(dtype=policy, name=f"{name}_add")([x, y])


def _conv_norm(x: Tensor, filters: int, policy: keras.DTypePolicy, name: str) -> Tensor:
    x = _same_conv(x, filters, 3, policy, name, use_bias=False)
    return blocks.normalization("batch", dtype=policy, name=f"{name}_norm")(x)


def _same_conv(
    x: Tensor,
    filters: int,
    kernel_size: int,
    policy: keras.DTypePolicy,
    name: str,
    **kwargs: Any,
) -> Tensor:
    """A convolution that keeps height and width, padded with zeros."""
    return blocks.convolution(
        filters,
        kernel_size,
        padding="same",
        dtype=policy,
        name=f"{name}_conv",
        **kwargs,
    )(x)


def _prelu(x: Tensor, policy: keras.DTypePolicy, name: str) -> Tensor:
    """PReLU with a slope per channel, 0.25 at first (arXiv:1502.01852)."""
    return layers.PReLU(
        alpha_initializer=keras.initializers.Constant(0.25),
        # A slope per pixel would tie the network to one size.
        shared_axes=[1, 2],
        dtype=policy,
        name=f"{name}_prelu",
    )(x)


def _dense(x: Tensor, units: int, policy: keras.DTypePolicy, name: str) -> Tensor:
    return layers.Dense(
        units,
        kernel_initializer=keras.initializers.RandomNormal(0.0, 0.02),
        dtype=policy,
        name=f"{name}_dense",
    )(x)
