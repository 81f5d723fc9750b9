"""Refuses images too large for the timeout before they are decoded."""

import functools
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from export.serving.models import Signature
from export.serving.status import invalid


def check_images(
    signature: Signature,
    inputs: Mapping[str, np.ndarray],
    max_pixels: int,
    deadline: float,
) -> None:
    """Refuses images of more than `max_pixels` pixels.

    Arrays are images if the signature leaves height and width open, strings are image
    files if the input's name ends in `_bytes`. Anything else is left to the model.

    Args:
        signature: What they are for.
        inputs: Arrays of the dtypes of the signature.
        max_pixels: Maximum of each image.
        deadline: By `time.monotonic()`; no file is checked later.

    Raises:
        ServingError: One is larger.
    """
    for name, array in inputs.items():
        shape = signature.shapes[name]
        if name.endswith("_bytes") and signature.inputs[name] == "string":
            _check_files(name, array, max_pixels, deadline)
        elif shape and len(shape) == array.ndim == 4 and shape[1:3] == (None, None):
            _check(array.shape[2], array.shape[1], max_pixels)


def size(contents: bytes) -> tuple[int, int] | None:
    """Returns the width and height in an image file's header.

    The first call is slow: it traces a graph.

    Args:
        contents: The file's contents. If it is not an image file, None is returned.
    """
    import tensorflow as tf

    try:
        with tf.device("CPU:0"):
            width, height = _measure()(tf.constant(contents))
    except tf.errors.InvalidArgumentError:
        return None
    return int(width), int(height)


def _check_files(
    name: str, files: np.ndarray, max_pixels: int, deadline: float
) -> None:
    for i, contents in enumerate(files.flat):
        found = size(contents) if time.monotonic() < deadline else None
        if found is None:
            # The model fails on a damaged file, and says what is wrong with it.
            return
        _check(*found, max_pixels, f"{name}[{i}]: " if files.size > 1 else "")


@functools.cache
def _measure() -> Any:
    import tensorflow as tf

    from export.signatures import image_headers

    return tf.function(
        image_headers.measured,
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )


def _check(width: int, height: int, max_pixels: int, place: str = "") -> None:
    from export.signatures.image_headers import SHORTEST_SIDE

    if max(width, SHORTEST_SIDE) * max(height, SHORTEST_SIDE) > max_pixels:
        raise invalid(
            f"{place}An image of {width} x {height} pixels is larger than "
            f"{max_pixels} pixels, the limit of this endpoint (a side below "
            f"{SHORTEST_SIDE} counts as {SHORTEST_SIDE}). Make it smaller first, or "
            "start the endpoint with a larger --max_pixels."
        )
