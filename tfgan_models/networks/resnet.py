"""The residual generator of CycleGAN (arXiv:1703.10593), after Johnson et al.

(arXiv:1603.08155).
"""

import functools
from typing import Any

import keras
from keras import layers

from tfgan_models.layers import ReflectionPadding2D
from tfgan_models.layers.tensors import Dtype, Tensor
from tfgan_models.networks import blocks
from tfgan_models.networks.arguments import arguments

Normalization = functools.partial[keras.layers.Layer]
"""`blocks.normalization` of a network; only needs a name."""


@keras.saving.register_keras_serializable(package="tfgan_models")
class ResNetGenerator(keras.Model):
    """Image to image: two downsamplings, residual blocks, two upsamplings.

    c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-3 in the paper's notation,
    padded as in PyTorch, so that equal weights give equal outputs. With the defaults
    11,378,179 parameters; with 6 blocks 7,837,699.

    Args:
        filters: Channels of the first convolution; 64 in the paper.
        residual_blocks: 9 for 256 px and more, 6 for 128 px.
        channels: Channels of the input image.
        output_channels: Channels of the output image; None: those of the input.
        norm: "instance", "affine_instance" (with a learned scale and offset), "batch"
            or "none". Convolutions that a batch normalisation follows have no bias.
        inference_norm: If norm is "batch": see `UNetGenerator`.
        dropout: Rate of the dropout inside each residual block; 0 for none.
        upsampling: "transposed" convolution as in the paper, or "resize": nearest
            neighbour then 3x3 convolution, which avoids checkerboard artefacts.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "image" [N, H, W, channels] in [-1, 1], H and W multiples of 4; output
    float32 [N, H, W, output_channels] in [-1, 1].

    Raises:
        ValueError: An unknown `norm` or the like, or fewer than 1 filter.
    """

    size_multiple = 4

    def __init__(
        self,
        filters: int = 64,
        residual_blocks: int = 9,
        channels: int = 3,
        output_channels: int | None = None,
        norm: str = "instance",
        dropout: float = 0.0,
        upsampling: str = "transposed",
        inference_norm: str = "averages",
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        blocks.check_norm(norm)
        blocks.check_inference_norm(inference_norm)
        blocks.check_upsampling(upsampling)
        if filters < 1 or residual_blocks < 0:
            raise ValueError(
                "filters must be 1 or more and residual_blocks 0 or more. Received: "
                f"filters={filters}, residual_blocks={residual_blocks}"
            )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        bias = norm != "batch"
        normalize = functools.partial(
            blocks.normalization, norm, inference_norm == "image", dtype=policy
        )
        image = keras.Input((None, None, channels), name="image")

        x = ReflectionPadding2D(3, dtype=policy, name="stem_pad")(image)
        x = _conv_norm_relu(x, filters, 7, 1, bias, normalize, "stem")
        for i, width in enumerate((2 * filters, 4 * filters), start=1):
            x = layers.ZeroPadding2D(1, dtype=policy, name=f"down{i}_pad")(x)
            x = _conv_norm_relu(x, width, 3, 2, bias, normalize, f"down{i}")
        for i in range(1, residual_blocks + 1):
            x = _residual_block(x, 4 * filters, bias, normalize, dropout, f"block{i}")
        for i, width in enumerate((2 * filters, filters), start=1):
            x = _upsample(x, width, upsampling, bias, policy, f"up{i}")
            x = normalize(name=f"up{i}_norm")(x)
            x = layers.ReLU(dtype=policy, name=f"up{i}_relu")(x)
        x = ReflectionPadding2D(3, dtype=policy, name="head_pad")(x)
        x = blocks.convolution(
            output_channels or channels, 7, dtype=policy, name="head_conv"
        )(x)
        x = layers.Activation("tanh", dtype="float32", name="translated_image")(x)

        super().__init__(inputs=image, outputs=x, name=name, **kwargs)
        self.filters = filters
        self.residual_blocks = residual_blocks
        self.channels = channels
        self.output_channels = output_channels
        self.norm = norm
        self.dropout = dropout
        self.upsampling = upsampling
        self.inference_norm = inference_norm
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, ResNetGenerator)


def _conv_norm_relu(
    x: Tensor,
    filters: int,
    kernel: int,
    strides: int,
    bias: bool,
    normalize: Normalization,
    name: str,
) -> Tensor:
    """Convolution, normalisation, ReLU on a padded x."""
    policy = normalize.keywords["dtype"]
    x = blocks.convolution(
        filters, kernel, strides, use_bias=bias, dtype=policy, name=f"{name}_conv"
    )(x)
    x = normalize(name=f"{name}_norm")(x)
    return layers.ReLU(dtype=policy, name=f"{name}_relu")(x)


def _residual_block(
    x: Tensor,
    filters: int,
    bias: bool,
    normalize: Normalization,
    dropout: float,
    name: str,
) -> Tensor:
    """Adds two reflection-padded 3x3 convolutions to x; no activation follows."""
    policy = normalize.keywords["dtype"]
    y = ReflectionPadding2D(1, dtype=policy, name=f"{name}_pad1")(x)
    y = _conv_norm_relu(y, filters, 3, 1, bias, normalize, f"{name}_1")
    if dropout:
        y = layers.Dropout(dropout, dtype=policy, name=f"{name}_dropout")(y)
    y = ReflectionPadding2D(1, dtype=policy, name=f"{name}_pad2")(y)
    y = blocks.convolution(
        filters, 3, use_bias=bias, dtype=policy, name=f"{name}_2_conv"
    )(y)
    y = normalize(name=f"{name}_2_norm")(y)
    return layers.Add(dtype=policy, name=f"{name}_add")([x, y])


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
    # PyTorch's padding 1, output_padding 1 drops the first row and column of the
    # full 2H + 1; Keras's "same" would drop the last.
    x = blocks.transposed_convolution(
        filters, 3, "valid", use_bias=bias, dtype=policy, name=f"{name}_conv"
    )(x)
    return layers.Cropping2D(((1, 0), (1, 0)), dtype=policy, name=f"{name}_crop")(x)
