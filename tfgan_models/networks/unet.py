"""The U-Net generator of pix2pix (arXiv:1611.07004)."""

from typing import Any

import keras
from keras import layers

from tfgan_models.layers import ReflectionPadding2D
from tfgan_models.layers.tensors import Dtype, Tensor
from tfgan_models.networks import blocks
from tfgan_models.networks.arguments import arguments


@keras.saving.register_keras_serializable(package="tfgan_models")
class UNetGenerator(keras.Model):
    """Image to image: an encoder to 1x1 and a decoder, joined by skips at each size.

    All encoder convolutions are 4x4, stride 2. The innermost encoder convolution has no
    normalisation: at 1x1 that would be zero. Skips pass the decoder's ReLU. With the
    defaults 54,413,955 trainable parameters; with 7 downsamplings 41,828,995.

    Args:
        downsamplings: Halvings, 2 or more: 8 for 256 px, 7 for 128 px.
        filters: Channels of the first convolution; doubled up to 8 times.
        channels: Channels of the input image.
        output_channels: Channels of the output image; None: those of the input.
        norm: "batch" as in pix2pix, "instance", "affine_instance" (with a learned
            scale and offset) or "none". Convolutions that a batch normalisation
            follows have no bias.
        inference_norm: If norm is "batch", the statistics of a call with
            training=False: the moving "averages" of training, or each "image"'s own,
            as in the paper's tests with batches of one. Both are deterministic.
        dropout: Rate of the dropout in the decoder's first three blocks, as far as
            these are at 8 x filters (from 5 downsamplings on); 0 for none. Active
            in training only.
        upsampling: 4x4 "transposed" convolution as in the paper, or "resize": nearest
            neighbour then 3x3 convolution, which avoids checkerboard artefacts; the
            last two convolutions are then at full size and see the input image too.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "image" [N, H, W, channels] in [-1, 1], H and W multiples of
    2^downsamplings; output float32 [N, H, W, output_channels] in [-1, 1].

    Raises:
        ValueError: An unknown `norm` or the like, or fewer than 2 downsamplings or
            1 filter.
    """

    def __init__(
        self,
        downsamplings: int = 8,
        filters: int = 64,
        channels: int = 3,
        output_channels: int | None = None,
        norm: str = "batch",
        inference_norm: str = "averages",
        dropout: float = 0.5,
        upsampling: str = "transposed",
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        blocks.check_norm(norm)
        blocks.check_upsampling(upsampling)
        blocks.check_inference_norm(inference_norm)
        if downsamplings < 2 or filters < 1:
            raise ValueError(
                "downsamplings must be 2 or more and filters 1 or more. Received: "
                f"downsamplings={downsamplings}, filters={filters}"
            )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        bias = norm != "batch"
        by_image = inference_norm == "image"
        outputs = output_channels or channels
        widths = [filters * min(2**i, 8) for i in range(downsamplings)]
        image = keras.Input((None, None, channels), name="image")

        x = image
        skips = []
        for i, width in enumerate(widths, start=1):
            if i > 1:
                skips.append(x)
                x = layers.LeakyReLU(0.2, dtype=policy, name=f"down{i}_relu")(x)
            x = layers.ZeroPadding2D(1, dtype=policy, name=f"down{i}_pad")(x)
            x = blocks.convolution(
                width, 4, 2, use_bias=bias, dtype=policy, name=f"down{i}_conv"
            )(x)
            if 1 < i < downsamplings:
                x = blocks.normalization(
                    norm, by_image, dtype=policy, name=f"down{i}_norm"
                )(x)
        for i in range(downsamplings, 1, -1):
            x = layers.ReLU(dtype=policy, name=f"up{i}_relu")(x)
            x = _upsample(x, widths[i - 2], upsampling, bias, policy, f"up{i}")
            x = blocks.normalization(norm, by_image, dtype=policy, name=f"up{i}_norm")(
                x
            )
            if dropout and i > max(4, downsamplings - 3):
                x = layers.Dropout(dropout, dtype=policy, name=f"up{i}_dropout")(x)
            x = layers.Concatenate(dtype=policy, name=f"up{i}_skip")([skips.pop(), x])
        x = layers.ReLU(dtype=policy, name="up1_relu")(x)
        if upsampling == "resize":
            x = _resize_head(x, image, filters, outputs, policy)
        else:
            x = _upsample(x, outputs, upsampling, True, policy, "up1")
        x = layers.Activation("tanh", dtype="float32", name="translated_image")(x)

        super().__init__(inputs=image, outputs=x, name=name, **kwargs)
        self.size_multiple = 2**downsamplings
        self.downsamplings = downsamplings
        self.filters = filters
        self.channels = channels
        self.output_channels = output_channels
        self.norm = norm
        self.inference_norm = inference_norm
        self.dropout = dropout
        self.upsampling = upsampling
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, UNetGenerator)


def _upsample(
    x: Tensor,
    filters: int,
    upsampling: str,
    bias: bool,
    policy: keras.DTypePolicy,
    name: str,
) -> Tensor:
    """Doubles height and width, [N, H, W, C] -> [N, 2H, 2W, filters]."""
    if upsampling == "resize":
        return blocks.resize_convolution(x, filters, name, use_bias=bias, dtype=policy)
    return blocks.transposed_convolution(
        filters, 4, "same", use_bias=bias, dtype=policy, name=f"{name}_conv"
    )(x)


def _resize_head(
    x: Tensor, image: Tensor, filters: int, outputs: int, policy: keras.DTypePolicy
) -> Tensor:
    """The last doubling of the "resize" kind, [N, h, w, C] -> [N, 2h, 2w, outputs].

    The finest skip has half the image's size, and resizing makes no detail: that
    comes from the image itself.
    """
    x = layers.UpSampling2D(2, dtype=policy, name="up1_resize")(x)
    x = layers.Concatenate(dtype=policy, name="up1_skip")([image, x])
    x = ReflectionPadding2D(1, dtype=policy, name="up1_pad")(x)
    x = blocks.convolution(filters, 3, dtype=policy, name="up1_conv")(x)
    x = layers.ReLU(dtype=policy, name="head_relu")(x)
    x = ReflectionPadding2D(1, dtype=policy, name="head_pad")(x)
    return blocks.convolution(outputs, 3, dtype=policy, name="head_conv")(x)
