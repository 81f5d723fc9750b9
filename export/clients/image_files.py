"""Image files on their way to a model, without TensorFlow."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from export.signatures.image_signature import MAX_PIXELS
from tfgan_models.folders.decoding import FORMATS, SUFFIXES

MAX_BYTES = 2**28
"""Of one file. No image of `MAX_PIXELS` needs as many."""

_CHUNK = 2**20
_ORIENTATION = 0x0112
_UPRIGHT = 1
# What a PNG file can store unchanged.
_PNG_MODES = ("1", "L", "P", "RGB", "I", "I;16")


class ImageError(Exception):
    """The reason why an image cannot be used."""


def is_image(name: str) -> bool:
    """Says whether a file is an image, by its name.

    Hidden files are not: some systems write broken twins of images (`._x.jpg`).
    """
    base = name.rpartition("/")[2]
    return base.lower().endswith(SUFFIXES) and not base.startswith(".")


def walk(
    folder: Path,
    besides: Path | None = None,
    onerror: Callable[[OSError], None] | None = None,
    wanted: Callable[[str], object] = is_image,
) -> Iterator[Path]:
    """Lists the images in a folder and its sub-folders, one at a time.

    Args:
        folder: The folder.
        besides: A folder to leave out.
        onerror: Receives the error of a folder that cannot be listed.
        wanted: Says whether a path is listed.

    Yields:
        Paths that start with `folder`, sorted within each folder.
    """
    left_out = os.path.realpath(besides) if besides else None
    for root, folders, names in os.walk(folder, onerror=onerror):
        folders[:] = sorted(
            name
            for name in folders
            if os.path.realpath(os.path.join(root, name)) != left_out
        )
        for name in sorted(names):
            path = Path(root, name)
            if wanted(str(path)):
                yield path


def read(file: BinaryIO) -> bytes:
    """Reads an image file, without filling the memory if it is huge.

    Raises:
        ImageError: It is empty, or larger than `MAX_BYTES`.
    """
    chunks, size = [], 0
    while chunk := file.read(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BYTES:
            raise ImageError(f"The file is larger than {MAX_BYTES} bytes.")
    if not chunks:
        raise ImageError("The file is empty.")
    return b"".join(chunks)


def read_path(path: Path) -> bytes:
    """Reads an image file.

    Raises:
        ImageError: As `read`, or it cannot be read.
    """
    # Opening a named pipe would wait forever.
    if path.exists() and not path.is_file():
        raise ImageError("It is not a file.")
    try:
        with path.open("rb") as file:
            return read(file)
    except OSError as error:
        raise ImageError(f"Cannot be read: {error.strerror}") from error


def prepared(contents: bytes) -> bytes:
    """Returns an image file as a trained model should see it.

    Exported models do not support EXIF, GIF and TIFF, and drop transparency; in
    training, images were rotated upright and composited on white. A file that needs
    none of this is returned unchanged.

    Args:
        contents: A JPEG, PNG, WebP, BMP, GIF or TIFF file.

    Returns:
        The same, or a PNG file.

    Raises:
        ImageError: It is not such a file, is damaged, or has more than `MAX_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(contents), formats=FORMATS) as image:
            return _prepared(image) or contents
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError("Not a JPEG, PNG, WebP, BMP, GIF or TIFF image.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"The image has more pixels than {MAX_PIXELS}. Make it smaller."
        ) from error
    # Damaged files raise OSError, SyntaxError, ValueError, struct.error and more.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"The image is damaged: {reason}") from error


def _prepared(image: Image.Image) -> bytes | None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"The image has {width} x {height} pixels, more than {MAX_PIXELS}. Make it "
            "smaller."
        )
    turned = image.getexif().get(_ORIENTATION, _UPRIGHT) != _UPRIGHT
    # Pillow would reduce 16 bits to 8 when compositing on white.
    transparent = image.has_transparency_data and not image.mode.startswith("I")
    if image.format == "TIFF" and image.mode in ("I", "F"):
        raise ImageError("Its values have 32 bits; 8 or 16 are read.")
    if not (turned or transparent or image.format in ("GIF", "TIFF")):
        return None
    image = ImageOps.exif_transpose(image)
    if transparent:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode not in _PNG_MODES:
        image = image.convert("RGB")
    return to_png(image)


def to_png(image: Image.Image) -> bytes:
    """Encodes an image, optimised for speed rather than size."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
