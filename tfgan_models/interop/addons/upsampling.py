"""Keras 2's UpSampling2D, for images of unknown size too."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from tfgan_models.errors import UsageError
from tfgan_models.layers.tensors import Shape, Tensor

_LARGEST = 16


def upsampling(
    shape: Shape,
    size: int | Sequence[int] = (2, 2),
    data_format: str | None = None,
    interpolation: str = "nearest",
    **rest: Any,
) -> Callable[[Tensor], Tensor]:
    """Makes the layer, or a function that does the same.

    Args:
        shape: Of the input.
        size: How many times as high and wide.
        data_format: "channels_first" or, at None too, "channels_last".
        interpolation: "nearest", "bilinear" or what Keras has besides.
        **rest: `name` and `dtype`.

    Returns:
        Keras's layer where the size is known or the nearest pixel is taken; else a
        function for bilinear interpolation, as Keras's layer cannot be exported then.

    Raises:
        UsageError: Another interpolation, or a larger one, for an unknown size.
    """
    if interpolation == "nearest" or None not in shape[1:]:
        return keras.layers.UpSampling2D(
            size, data_format=data_format, interpolation=interpolation, **rest
        )
    times = [size, size] if isinstance(size, int) else list(size)
    if interpolation != "bilinear" or max(times) > _LARGEST:
        raise UsageError(
            f"Layer {rest['name']!r} enlarges images of unknown size {times} times by "
            f"{interpolation} interpolation. Allowed: nearest, or bilinear up to "
            f"{_LARGEST} times; or give the model's input a size."
        )
    axes = (2, 3) if data_format == "channels_first" else (1, 2)

    def enlarge(x: Tensor) -> Tensor:
        for axis, count in zip(axes, times, strict=True):
            x = _averaged(ops.repeat(x, count, axis=axis), axis, count)
        return x

    return enlarge


def _averaged(x: Tensor, axis: int, count: int) -> Tensor:
    """Means of `count` pixels in a row: bilinear, from each repeated `count` times.

    An even number of pixels has its middle between two: half of the first and last.
    """
    reach = count // 2
    pads = [[0, 0]] * axis + [[reach, reach]] + [[0, 0]] * (3 - axis)
    # The border repeated: each of its pixels is there `count` times already.
    padded = ops.pad(x, pads, mode="symmetric") if reach else x
    total = 0.0
    for start in range(2 * reach + 1):
        stop = start - 2 * reach
        window = [slice(None)] * axis + [slice(start, stop or None)]
        half = count % 2 == 0 and start in (0, 2 * reach)
        total = total + padded[tuple(window)] * ((0.5 if half else 1.0) / count)
    return total
