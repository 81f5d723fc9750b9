"""tensorflow-addons' layers, from Keras's own."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tfgan_models.errors import UsageError
from tfgan_models.interop.addons import keras_layers
from tfgan_models.interop.addons.description import Layer
from tfgan_models.interop.addons.keras_layers import Kind
from tfgan_models.layers.tensors import Shape, Tensor

_MOST_BINS = 256
"""Bins of a pooling for unknown sizes: each is an operation of the graph."""


def _normalization(
    shape: Shape,
    groups: int = 32,
    axis: int = -1,
    epsilon: float = 1e-3,
    center: bool = True,
    scale: bool = True,
    **rest: Any,
) -> keras.layers.Layer:
    """Keras's own sums in the order of tensorflow-addons, to the last digits."""
    if axis != -1 and not 0 < axis < len(shape):
        raise UsageError(
            f"Layer {rest['name']!r} normalises along axis {axis}; tensorflow-addons "
            "does this right only with -1 or a positive axis of the input."
        )
    return keras.layers.GroupNormalization(
        groups=groups, axis=axis, epsilon=epsilon, center=center, scale=scale, **rest
    )


def _instance_normalization(shape: Shape, **arguments: Any) -> keras.layers.Layer:
    return _normalization(shape, groups=-1, **arguments)


def _gelu(
    shape: Shape, approximate: bool = True, **rest: Any
) -> Callable[[Tensor], Tensor]:
    del shape, rest
    return lambda x: ops.gelu(x, approximate=approximate)


def _adaptive_average(
    shape: Shape,
    output_size: int | Sequence[int],
    data_format: str | None = None,
    **rest: Any,
) -> Callable[[Tensor], Tensor]:
    sizes = [output_size] * 2 if isinstance(output_size, int) else output_size
    axes = (2, 3) if data_format == "channels_first" else (1, 2)
    bins = dict(zip(axes, sizes, strict=True))
    for axis, parts in bins.items():
        length = shape[axis]
        if not 1 <= parts <= _MOST_BINS or (length is not None and length % parts):
            raise UsageError(
                f"Layer {rest['name']!r} pools {length or 'any number of'} pixels to "
                f"{parts}; it takes 1 to {_MOST_BINS} parts of equal size."
            )
    return functools.partial(_part_means, bins)


def _part_means(bins: dict[int, int], x: Tensor) -> Tensor:
    """Means over so many equal parts of each axis."""
    for axis, count in bins.items():
        parts = ops.split(x, count, axis=axis) if count > 1 else [x]
        means = [ops.mean(part, axis=axis, keepdims=True) for part in parts]
        x = ops.concatenate(means, axis=axis) if count > 1 else means[0]
    return x


def plain_kernel(layer: Layer) -> np.ndarray:
    """The kernel that a weight normalisation computes with.

    Args:
        layer: With its arrays: kernel (a direction), g (a length), initialized.

    Returns:
        The kernel, float32.

    Raises:
        UsageError: Its lengths are to be computed from data that was never seen.
    """
    direction = layer.arrays["kernel"].astype("float64")
    if not layer.arrays["initialized"]:
        if layer.arguments.get("data_init", True):
            raise UsageError(
                f"Layer {layer.name!r}, a WeightNormalization, was never called: it "
                "takes its scale from the first batch it sees. Call the model once on "
                "training data and save it again."
            )
        return layer.arrays["kernel"]
    axes = tuple(range(direction.ndim - 1))
    square = np.square(direction).sum(axes)
    kernel = direction / np.sqrt(np.maximum(square, 1e-12)) * layer.arrays["g"]
    return kernel.astype("float32")


KINDS: dict[str, Kind] = {
    "Addons>InstanceNormalization": Kind(
        ("axis", "epsilon", "center", "scale"),
        _instance_normalization,
        keras_layers.affine,
        ignored=("groups",),
    ),
    "Addons>GroupNormalization": Kind(
        ("groups", "axis", "epsilon", "center", "scale"),
        _normalization,
        keras_layers.affine,
    ),
    "Addons>AdaptiveAveragePooling2D": Kind(
        ("output_size", "data_format"), _adaptive_average
    ),
    "Addons>GELU": Kind(("approximate",), _gelu),
}
"""Class -> how it is rebuilt."""
