"""Types for layers: tensors, shapes, dtypes, initializers."""

from typing import Any, TypeAlias

import keras

Tensor: TypeAlias = Any
"""A tensor of Keras's backend, or a symbolic one: they share no class."""

Shape: TypeAlias = tuple[int | None, ...]
"""A tensor's shape; None for an unknown size."""

Dtype: TypeAlias = str | dict[str, Any] | keras.DTypePolicy | None
"""What Keras accepts as a dtype; None is its default policy."""

Initializer: TypeAlias = str | dict[str, Any] | keras.Initializer
"""What Keras accepts as an initializer."""


def known_channels(layer: keras.Layer, shape: Shape) -> int:
    """Returns the size of a shape's last axis.

    Raises:
        ValueError: It is not known.
    """
    channels = shape[-1]
    if channels is None:
        raise ValueError(
            f"{type(layer).__name__} needs a known size of the input's last axis. "
            f"Received: input_shape={shape}"
        )
    return channels
