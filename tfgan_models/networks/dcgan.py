"""DCGAN's networks (Radford et al., arXiv:1511.06434)."""

import math
from typing import Any

import keras
from keras import layers

from tfgan_models.layers import SpectralConv2D, SpectralDense
from tfgan_models.layers.tensors import Dtype, Tensor
from tfgan_models.networks import blocks
from tfgan_models.networks.arguments import arguments
from tfgan_models.networks.labelled import LabelledNetwork, check_sizes, uniform_latent

NORMS = ("batch", "spectral")
SMALLEST = 16
# PyTorch's padding 2 and, of transposed convolutions, output_padding 1. Keras's "same"
# would put the odd pixel on the other side.
_SIDES = ((2, 1), (2, 1))


@keras.saving.register_keras_serializable(package="tfgan_models")
class DCGANGenerator(LabelledNetwork):
    """Latent to image: a projection to 4x4, then 5x5 transposed convolutions.

    Each doubles height and width. Batch normalisation and ReLU follow all but the last,
    which tanh follows; only the last has biases.

    Channels, from 4x4 on: 512, 256, 128 at 32 px, 1024, 512, 256, 128 at 64 px as in
    the paper, 1024, 1024, 512, 256, 128 at 128 px. 18,855,043 trainable parameters with
    the defaults, 4,926,595 at 32 px, 45,071,491 at 128 px.

    Args:
        resolution: Side of the images, a power of two of at least 16.
        latent_size: Of the latent.
        filters: Channels before the last convolution; doubled towards the latent, up
            to 8 times.
        channels: Of the images.
        label_size: Classes; above 0 the one-hot label is concatenated to the latent.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Inputs "latent" [N, latent_size], uniform in [-1, 1), and with classes "labels",
    one-hot [N, label_size]; output float32 [N, R, R, channels] in [-1, 1].

    Raises:
        ValueError: A size is out of range.
    """

    latent_distribution = "uniform"

    def __init__(
        self,
        resolution: int = 64,
        latent_size: int = 100,
        filters: int = 128,
        channels: int = 3,
        label_size: int = 0,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        _check_resolution(resolution)
        check_sizes(latent_size=latent_size, filters=filters, channels=channels)
        check_sizes(0, label_size=label_size)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        widths = _widths(resolution, filters)[::-1]
        latent = keras.Input((latent_size,), name="latent")
        inputs = [latent]
        x = uniform_latent(latent, policy)
        if label_size:
            labels = keras.Input((label_size,), name="labels")
            inputs = [latent, labels]
            x = layers.Concatenate(dtype=policy, name="latent_and_labels")([x, labels])

        x = layers.Dense(
            16 * widths[0],
            use_bias=False,
            kernel_initializer=keras.initializers.RandomNormal(0.0, 0.02),
            dtype=policy,
            name="project",
        )(x)
        x = layers.Reshape((4, 4, widths[0]), dtype=policy, name="project_4x4")(x)
        x = _norm_relu(x, policy, "project")
        for i, width in enumerate(widths[1:], start=1):
            x = _upsample(x, width, False, policy, f"up{i}")
            x = _norm_relu(x, policy, f"up{i}")
        x = _upsample(x, channels, True, policy, "head")
        image = layers.Activation("tanh", dtype="float32", name="image")(x)

        super().__init__(inputs=inputs, outputs=image, name=name, **kwargs)
        self.resolution = self.grown = resolution
        self.latent_size = latent_size
        self.filters = filters
        self.channels = channels
        self.label_size = label_size
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, DCGANGenerator)


@keras.saving.register_keras_serializable(package="tfgan_models")
class DCGANDiscriminator(LabelledNetwork):
    """Image to one logit: 5x5 convolutions of stride 2 down to 4x4, a dense layer.

    Leaky ReLU of slope 0.2 after each convolution. 4,315,649 trainable parameters with
    the defaults, 1,033,729 at 32 px, 10,870,273 at 128 px; 4,314,753 with spectral
    normalisation.

    Args:
        resolution: Side of the images, a power of two of at least 16.
        filters: Channels of the first convolution; doubled up to 8 times.
        channels: Of the images.
        label_size: Classes; above 0 each adds a plane to the image's channels, 1 for
            the image's class and 0 for others.
        norm: "batch": batch normalisation after all convolutions except the first,
            which alone has a bias; "spectral": spectral normalisation
            (arXiv:1802.05957) of every kernel instead.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Inputs "image" [N, R, R, channels] in [-1, 1] and with classes "labels", one-hot
    [N, label_size]; output "logits" float32 [N, 1] (no sigmoid).

    Raises:
        ValueError: An unknown `norm` or a size that cannot be.
    """

    def __init__(
        self,
        resolution: int = 64,
        filters: int = 64,
        channels: int = 3,
        label_size: int = 0,
        norm: str = "batch",
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        _check_resolution(resolution)
        check_sizes(filters=filters, channels=channels)
        check_sizes(0, label_size=label_size)
        if norm not in NORMS:
            raise ValueError(f"norm must be one of {NORMS}. Received: norm={norm!r}")
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        image = keras.Input((resolution, resolution, channels), name="image")
        inputs = [image]
        x = image
        if label_size:
            labels = keras.Input((label_size,), name="labels")
            inputs = [image, labels]
            planes = _planes(labels, resolution, policy)
            x = layers.Concatenate(dtype=policy, name="image_and_labels")(
                [image, planes]
            )

        for i, width in enumerate(_widths(resolution, filters), start=1):
            x = _downsample(x, width, norm, i == 1, policy, f"conv{i}")
        x = layers.Flatten(dtype=policy, name="flat")(x)
        dense = SpectralDense if norm == "spectral" else layers.Dense
        x = dense(
            1,
            kernel_initializer=keras.initializers.RandomNormal(0.0, 0.02),
            dtype=policy,
            name="head",
        )(x)
        logits = layers.Activation("linear", dtype="float32", name="logits")(x)

        super().__init__(inputs=inputs, outputs=logits, name=name, **kwargs)
        self.resolution = resolution
        self.filters = filters
        self.channels = channels
        self.label_size = label_size
        self.norm = norm
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, DCGANDiscriminator)


def _check_resolution(resolution: int) -> None:
    if resolution < SMALLEST or resolution & (resolution - 1):
        raise ValueError(
            f"resolution must be a power of two and at least {SMALLEST}. "
            f"Received: resolution={resolution}"
        )


def _widths(resolution: int, filters: int) -> list[int]:
    """Channels at half the resolution, at a quarter and so on, down to 4x4."""
    return [filters * min(2**i, 8) for i in range(int(math.log2(resolution)) - 2)]


def _norm_relu(x: Tensor, policy: keras.DTypePolicy, name: str) -> Tensor:
    x = blocks.normalization("batch", dtype=policy, name=f"{name}_norm")(x)
    return layers.ReLU(dtype=policy, name=f"{name}_relu")(x)


def _upsample(
    x: Tensor, filters: int, bias: bool, policy: keras.DTypePolicy, name: str
) -> Tensor:
    """Doubles height and width, [N, H, W, C] -> [N, 2H, 2W, filters]."""
    x = blocks.transposed_convolution(
        filters, 5, "valid", use_bias=bias, dtype=policy, name=f"{name}_conv"
    )(x)
    return layers.Cropping2D(_SIDES, dtype=policy, name=f"{name}_crop")(x)


def _downsample(
    x: Tensor,
    filters: int,
    norm: str,
    first: bool,
    policy: keras.DTypePolicy,
    name: str,
) -> Tensor:
    """Halves height and width, [N, H, W, C] -> [N, H/2, W/2, filters]."""
    x = layers.ZeroPadding2D(_SIDES, dtype=policy, name=f"{name}_pad")(x)
    if norm == "spectral":
        x = SpectralConv2D(
            filters,
            5,
            2,
            kernel_initializer=keras.initializers.RandomNormal(0.0, 0.02),
            dtype=policy,
            name=name,
        )(x)
    else:
        x = blocks.convolution(filters, 5, 2, use_bias=first, dtype=policy, name=name)(
            x
        )
        if not first:
            x = blocks.normalization("batch", dtype=policy, name=f"{name}_norm")(x)
    return layers.LeakyReLU(0.2, dtype=policy, name=f"{name}_relu")(x)


def _planes(labels: Tensor, resolution: int, policy: keras.DTypePolicy) -> Tensor:
    """One constant plane per class, [N, L] -> [N, resolution, resolution, L]."""
    repeat = layers.RepeatVector(resolution**2, dtype=policy, name="label_pixels")
    shape = (resolution, resolution, labels.shape[-1])
    return layers.Reshape(shape, dtype=policy, name="label_planes")(repeat(labels))
