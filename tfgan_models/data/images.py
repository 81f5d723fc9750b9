"""Image files in tf.data pipelines."""

import io
import os
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from PIL import Image

from tfgan_models.errors import FailureError
from tfgan_models.folders.contents import shown
from tfgan_models.folders.decoding import SUFFIXES, decode_image
from tfgan_models.folders.headers import fault

__all__ = [
    "SUFFIXES",
    "Examples",
    "decode_image",
    "decode_path",
    "decode_tensor",
    "encode_png",
    "to_uint8",
]

Examples: TypeAlias = Iterator[tuple[int, Mapping[str, bytes | int | str | np.ndarray]]]
"""Output of a TFDS builder: keys, and encoded images and facts by feature."""


def to_uint8(images: np.ndarray | tf.Tensor) -> np.ndarray:
    """Maps [-1, 1] to 0..255, rounded; grey stays one channel."""
    pixels = np.asarray(images, np.float32) * 127.5 + 127.5
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


def encode_png(image: np.ndarray) -> bytes:
    """Encodes an image as PNG, optimised for speed rather than size.

    Args:
        image: uint8 [H, W, 3], or [H, W] for grey.

    Returns:
        The file's content.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png", compress_level=1)
    return file.getvalue()


def decode_tensor(data: tf.Tensor) -> tf.Tensor:
    """Decodes one image file inside a tf.data pipeline.

    Args:
        data: The file's content, a scalar string.

    Returns:
        The image, uint8 [H, W, 3].
    """
    image = tf.numpy_function(decode_image, [data], tf.uint8)
    return tf.ensure_shape(image, [None, None, 3])


def decode_path(path: tf.Tensor) -> tf.Tensor:
    """Reads and decodes one image file inside a tf.data pipeline.

    If it cannot be decoded though its header is valid, the command ends with a
    line that names it (see `export.command.run`).

    Args:
        path: The file's path, a scalar string.

    Returns:
        The image, uint8 [H, W, 3].
    """
    image = tf.numpy_function(_decode_file, [path], tf.uint8)
    return tf.ensure_shape(image, [None, None, 3])


def _decode_file(path: bytes) -> np.ndarray:
    try:
        with open(os.fsdecode(path), "rb") as file:
            return decode_image(file.read())
    # Damaged files raise OSError, SyntaxError, ValueError, struct.error and more.
    except Exception as error:
        raise FailureError(
            f"{shown(os.fsdecode(path))} cannot be decoded: {fault(error)}. Replace or "
            "remove it, and run again."
        ) from error
