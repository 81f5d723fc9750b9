"""The patch discriminators of pix2pix (arXiv:1611.07004) and CycleGAN."""

from typing import Any

import keras
from keras import layers

from tfgan_models.layers.tensors import Dtype, Tensor
from tfgan_models.networks import blocks
from tfgan_models.networks.arguments import arguments


@keras.saving.register_keras_serializable(package="tfgan_models")
class PatchDiscriminator(keras.Model):
    """Classifies overlapping patches: a map with a logit per patch.

    4x4 convolutions: `layers` of stride 2, then two of stride 1. Receptive field 16,
    34, 70, 142, 286, 574 px for 1 to 6 layers; the paper's is 70 (3 layers): 2,764,737
    parameters for 3 channels and instance norm, a 30x30 map for 256 px.

    Args:
        filters: Channels of the first convolution; doubled up to 8 times.
        layers: Convolutions of stride 2, 1 to 6.
        channels: Channels of the image (pix2pix: those of input and output together).
        norm: "instance", "affine_instance" (with a learned scale and offset), "batch"
            or "none"; never on the first convolution.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "image" [N, H, W, channels] in [-1, 1]; output "logits" float32
    [N, h, w, 1] (no sigmoid).

    Raises:
        ValueError: An unknown `norm`, `layers` outside 1..6 or fewer than 1 filter.
    """

    def __init__(
        self,
        filters: int = 64,
        layers: int = 3,
        channels: int = 3,
        norm: str = "instance",
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        blocks.check_norm(norm)
        if not 1 <= layers <= 6 or filters < 1:
            raise ValueError(
                "layers must be 1 to 6 and filters 1 or more. Received: "
                f"layers={layers}, filters={filters}"
            )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        image = keras.Input((None, None, channels), name="image")

        x = _conv_leaky(image, filters, 2, "none", policy, "conv1")
        for i in range(1, layers + 1):
            width = filters * min(2**i, 8)
            strides = 2 if i < layers else 1
            x = _conv_leaky(x, width, strides, norm, policy, f"conv{i + 1}")
        x = keras.layers.ZeroPadding2D(1, dtype=policy, name="head_pad")(x)
        x = blocks.convolution(1, 4, dtype=policy, name="head_conv")(x)
        x = keras.layers.Activation("linear", dtype="float32", name="logits")(x)

        super().__init__(inputs=image, outputs=x, name=name, **kwargs)
        self.filters = filters
        self.strided_layers = layers
        self.channels = channels
        self.norm = norm
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, PatchDiscriminator, layers=self.strided_layers)


@keras.saving.register_keras_serializable(package="tfgan_models")
class PixelDiscriminator(keras.Model):
    """Classifies each pixel on its own: 1x1 convolutions, receptive field 1.

    8,705 parameters for 3 channels and instance norm; 9,024 for 6 and batch norm.

    Args:
        filters: Channels of the first convolution; doubled in the second.
        channels: Channels of the image (pix2pix: those of input and output together).
        norm: "instance", "affine_instance" (with a learned scale and offset), "batch"
            or "none"; on the second convolution.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "image" [N, H, W, channels] in [-1, 1]; output "logits" float32
    [N, H, W, 1] (no sigmoid).

    Raises:
        ValueError: An unknown `norm` or fewer than 1 filter.
    """

    def __init__(
        self,
        filters: int = 64,
        channels: int = 3,
        norm: str = "instance",
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        blocks.check_norm(norm)
        if filters < 1:
            raise ValueError(f"filters must be 1 or more. Received: filters={filters}")
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        bias = norm != "batch"
        image = keras.Input((None, None, channels), name="image")

        x = blocks.convolution(filters, 1, dtype=policy, name="conv1_conv")(image)
        x = layers.LeakyReLU(0.2, dtype=policy, name="conv1_relu")(x)
        x = blocks.convolution(
            2 * filters, 1, use_bias=bias, dtype=policy, name="conv2_conv"
        )(x)
        x = blocks.normalization(norm, dtype=policy, name="conv2_norm")(x)
        x = layers.LeakyReLU(0.2, dtype=policy, name="conv2_relu")(x)
        x = blocks.convolution(1, 1, use_bias=bias, dtype=policy, name="head_conv")(x)
        x = layers.Activation("linear", dtype="float32", name="logits")(x)

        super().__init__(inputs=image, outputs=x, name=name, **kwargs)
        self.filters = filters
        self.channels = channels
        self.norm = norm
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, PixelDiscriminator)


def _conv_leaky(
    x: Tensor,
    filters: int,
    strides: int,
    norm: str,
    policy: keras.DTypePolicy,
    name: str,
) -> Tensor:
    """4x4 convolution padded by 1, normalisation, LeakyReLU(0.2)."""
    x = layers.ZeroPadding2D(1, dtype=policy, name=f"{name}_pad")(x)
    x = blocks.convolution(
        filters,
        4,
        strides,
        use_bias=norm != "batch",
        dtype=policy,
        name=f"{name}_conv",
    )(x)
    x = blocks.normalization(norm, dtype=policy, name=f"{name}_norm")(x)
    return layers.LeakyReLU(0.2, dtype=policy, name=f"{name}_relu")(x)
