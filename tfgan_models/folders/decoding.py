"""Decoding of image files of every common kind to uint8 RGB."""

import io

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""File name endings, in lower case, that make a file an image."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""Pillow's names of the kinds of files that are decoded."""


def decode_image(data: bytes) -> np.ndarray:
    """Decodes a JPEG, PNG, WebP, BMP, GIF or TIFF file.

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


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        # Nothing says which of their values is white.
        raise ValueError("its values have 32 bits, 8 or 16 are read")
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
