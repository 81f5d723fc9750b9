"""Decoding of image files of every common kind to uint8 RGB."""

import io
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps, UnidentifiedImageError

from tfgan_models.errors import UsageError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
"""File name endings, in lower case, that make a file an image."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
"""Pillow's names of the kinds of files that are decoded."""


def decode_image(data: bytes) -> np.ndarray:
    """Decodes a JPEG, PNG, WebP, BMP or GIF file.

    The first frame counts. Transparency is laid over white, 16-bit values are scaled
    to 8 bits, and the image is turned upright where EXIF says that it lies on its
    side.

    Args:
        data: The file's content.

    Returns:
        A uint8 array, [H, W, 3].

    Raises:
        Exception: Whatever Pillow raises for a damaged file; the kinds differ from
            format to format.
    """
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return np.array(_to_rgb(image))


def encode_png(image: np.ndarray) -> bytes:
    """Encodes an image as PNG, quickly rather than to the last byte.

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

    Args:
        path: Where the file is, a scalar string.

    Returns:
        The image, uint8 [H, W, 3].
    """
    return decode_tensor(tf.io.read_file(path))


def list_images(folder: Path) -> list[Path]:
    """Lists the image files in a folder and the folders below it.

    Hidden files are left out: systems put broken twins of images (`._x.jpg`) there.

    Args:
        folder: Where to look.

    Returns:
        The files whose name has one of `SUFFIXES`, sorted by path.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and path.is_file()
    )


def readable_images(folder: Path) -> list[Path]:
    """Lists the images of a folder that can be decoded.

    Every file is decoded once. Those that cannot be are named, each with the reason,
    in one warning.

    Args:
        folder: Where to look; folders below it count too.

    Returns:
        The readable files, sorted by path.

    Raises:
        UsageError: There is no readable image.
    """
    paths = list_images(folder)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = list(pool.map(_fault, paths))
    good = [path for path, fault in zip(paths, faults, strict=True) if fault is None]
    bad = [
        f"{path.relative_to(folder)} ({fault})"
        for path, fault in zip(paths, faults, strict=True)
        if fault is not None
    ]
    if not good:
        raise UsageError(_no_images(folder, bad))
    if bad:
        warnings.warn(
            f"{folder}: skipped {len(bad)} of {len(paths)} images that cannot be "
            f"read: {', '.join(bad)}",
            stacklevel=2,
        )
    return good


def _no_images(folder: Path, bad: Sequence[str]) -> str:
    if bad:
        found = f"none of its {len(bad)} images can be read: {', '.join(bad)}"
    else:
        found = "it holds no image"
    allowed = " ".join(SUFFIXES)
    return f"{folder} cannot be used: {found}. Put readable images there ({allowed})."


def _fault(path: Path) -> str | None:
    try:
        data = path.read_bytes()
        if not data:
            return "empty file"
        decode_image(data)
    except UnidentifiedImageError:
        return "not a JPEG, PNG, WebP, BMP or GIF image"
    # Damaged files raise OSError, SyntaxError, ValueError, struct.error and more.
    except Exception as error:
        return " ".join(str(error).split()) or type(error).__name__
    return None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _scale_16_bit(image).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _scale_16_bit(image: Image.Image) -> Image.Image:
    # Pillow's own conversion to 8 bits cuts every value above 255.
    values = np.asarray(image).astype(np.int64)
    return Image.fromarray(((values + 128) // 257).clip(0, 255).astype(np.uint8))
