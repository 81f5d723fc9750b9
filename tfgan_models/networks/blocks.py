"""What the image-to-image networks share: initialisation, convolution, norm.

Weights start at N(0, 0.02) and batch normalisation scales at N(1, 0.02), as in
DCGAN (arXiv:1511.06434), pix2pix (arXiv:1611.07004) and CycleGAN (arXiv:1703.10593).
"""

from typing import Any

import keras
from keras import layers

from tfgan_models.layers import (
    ImageBatchNormalization,
    InstanceNormalization,
    ReflectionPadding2D,
)
from tfgan_models.layers.tensors import Tensor

NORMS = ("instance", "affine_instance", "batch", "none")
UPSAMPLINGS = ("transposed", "resize")
INFERENCE_NORMS = ("averages", "image")


def check_norm(norm: str) -> None:
    """Raises ValueError unless `norm` is one of `NORMS`."""
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {NORMS}. Received: norm={norm!r}")


def check_inference_norm(inference_norm: str) -> None:
    """Raises ValueError unless `inference_norm` is one of `INFERENCE_NORMS`."""
    if inference_norm not in INFERENCE_NORMS:
        raise ValueError(
            f"inference_norm must be one of {INFERENCE_NORMS}. "
            f"Received: inference_norm={inference_norm!r}"
        )


def check_upsampling(upsampling: str) -> None:
    """Raises ValueError unless `upsampling` is one of `UPSAMPLINGS`."""
    if upsampling not in UPSAMPLINGS:
        raise ValueError(
            f"upsampling must be one of {UPSAMPLINGS}. "
            f"Received: upsampling={upsampling!r}"
        )


def normalization(
    norm: str, by_image: bool = False, **kwargs: Any
) -> keras.layers.Layer:
    """Returns a normalisation layer with PyTorch's constants.

    Args:
        norm: "instance", "affine_instance" (epsilon 1e-5), "batch" (momentum 0.9,
            epsilon 1e-5) or "none".
        by_image: Whether "batch" takes each image's own statistics at inference.
        **kwargs: Passed to the layer (`name`, `dtype`).
    """
    if norm in ("instance", "affine_instance"):
        affine = norm == "affine_instance"
        return InstanceNormalization(epsilon=1e-5, affine=affine, **kwargs)
    if norm == "batch":
        kind = ImageBatchNormalization if by_image else layers.BatchNormalization
        return kind(
            momentum=0.9,
            epsilon=1e-5,
            gamma_initializer=keras.initializers.RandomNormal(1.0, 0.02),
            **kwargs,
        )
    return layers.Activation("linear", **kwargs)


def convolution(
    filters: int, kernel_size: int, strides: int = 1, **kwargs: Any
) -> keras.layers.Layer:
    """Returns a valid (unpadded) convolution with N(0, 0.02) weights.

    Args:
        filters: Output channels.
        kernel_size: Side of the kernel in pixels.
        strides: Stride in pixels.
        **kwargs: Passed to `keras.layers.Conv2D`.
    """
    return layers.Conv2D(
        filters, kernel_size, strides, kernel_initializer=_initializer(), **kwargs
    )


def transposed_convolution(
    filters: int, kernel_size: int, padding: str, **kwargs: Any
) -> keras.layers.Layer:
    """Returns a transposed convolution of stride 2 with N(0, 0.02) weights.

    Args:
        filters: Output channels.
        kernel_size: Side of the kernel in pixels.
        padding: "valid" or "same".
        **kwargs: Passed to `keras.layers.Conv2DTranspose`.
    """
    return layers.Conv2DTranspose(
        filters,
        kernel_size,
        strides=2,
        padding=padding,
        kernel_initializer=_initializer(),
        **kwargs,
    )


def resize_convolution(x: Tensor, filters: int, name: str, **kwargs: Any) -> Tensor:
    """Doubles height and width without checkerboard artefacts (Odena et al., 2016).

    Nearest neighbour, then a reflection-padded 3x3 convolution.

    Args:
        x: [N, H, W, C].
        filters: Output channels.
        name: Prefix of the layers' names.
        **kwargs: Passed to the convolution; its `dtype` to all layers.

    Returns:
        [N, 2H, 2W, filters].
    """
    dtype = kwargs.get("dtype")
    x = layers.UpSampling2D(2, dtype=dtype, name=f"{name}_resize")(x)
    x = ReflectionPadding2D(1, dtype=dtype, name=f"{name}_pad")(x)
    return convolution(filters, 3, name=f"{name}_conv", **kwargs)(x)


def _initializer() -> keras.initializers.Initializer:
    """Returns a new N(0, 0.02) initializer: a reused one would repeat its values."""
    return keras.initializers.RandomNormal(0.0, 0.02)
