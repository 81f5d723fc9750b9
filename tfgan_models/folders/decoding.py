"""Decoding of common image files to uint8 RGB."""

import io

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""Extensions, in lower case, of image files."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""Pillow's names of the formats that are decoded."""


def decode_image(data: bytes) -> np.ndarray:
    """Decodes a JPEG, PNG, WebP, BMP, GIF or TIFF file.

    The first frame is used. Transparency is composited on white, 16-bit values are
    scaled to 8 bits, and the image is rotated upright according to EXIF.

    Args:
        data: The file's content.

    Returns:
        A uint8 array, [H, W, 3].

    Raises:
        Exception: Whatever Pillow raises for a damaged file; the types differ by
            format.
    """
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return np.array(to_rgb(image))


def to_rgb(image: Image.Image) -> Image.Image:
    """Returns an image of any mode as RGB of 8 bits; see `decode_image`.

    Raises:
        ValueError: Its values have 32 bits.
    """
    if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
        # Their white level is unknown.
        raise ValueError("its values have 32 bits, 8 or 16 are read")
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _scale_16_bit(image).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _scale_16_bit(image: Image.Image) -> Image.Image:
    # Pillow's own conversion to 8 bits clips every value above 255.
    values = np.asarray(image).astype(np.int64)
    return Image.fromarray(((values + 128) // 257).clip(0, 255).astype(np.uint8))
