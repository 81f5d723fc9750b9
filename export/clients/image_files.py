"""Picture files on their way to a model, without TensorFlow."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from export.signatures.image_signature import MAX_PIXELS
from tfgan_models.folders.decoding import FORMATS, SUFFIXES

MAX_BYTES = 2**28
"""Of one file. No picture of `MAX_PIXELS` needs so many."""

_CHUNK = 2**20
_ORIENTATION = 0x0112
_UPRIGHT = 1
# What a PNG file can hold as it is.
_PNG_MODES = ("1", "L", "P", "RGB", "I", "I;16")


class ImageError(Exception):
    """A picture that cannot be used, and why, in words."""


def is_image(name: str) -> bool:
    """Tells whether a file is a picture by its name.

    Hidden files are none: systems put broken twins of pictures (`._x.jpg`) there.
    """
    base = name.rpartition("/")[2]
    return base.lower().endswith(SUFFIXES) and not base.startswith(".")


def walk(
    folder: Path,
    besides: Path | None = None,
    onerror: Callable[[OSError], None] | None = None,
    wanted: Callable[[str], object] = is_image,
) -> Iterator[Path]:
    """Lists the pictures in a folder and the folders below it, one at a time.

    Args:
        folder: Where to look.
        besides: A folder that is left out.
        onerror: Is told of a folder that cannot be listed.
        wanted: Tells of a path whether it is listed.

    Yields:
        Paths that begin with `folder`; sorted within each folder.
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
    """Reads a picture file, of any size without filling the memory.

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
    """Reads a picture file.

    Raises:
        ImageError: As `read`, or it cannot be read.
    """
    # Opening a named pipe would wait for ever.
    if path.exists() and not path.is_file():
        raise ImageError("It is not a file.")
    try:
        with path.open("rb") as file:
            return read(file)
    except OSError as error:
        raise ImageError(f"Cannot be read: {error.strerror}") from error


def prepared(contents: bytes) -> bytes:
    """Returns a picture file as a trained model should see it.

    Exported models know nothing of EXIF, GIF and TIFF and drop transparency; in
    training, pictures were turned upright and laid over white. A file that needs none
    of this is returned as it is.

    Args:
        contents: A JPEG, PNG, WebP, BMP, GIF or TIFF file.

    Returns:
        The same, or a PNG file.

    Raises:
        ImageError: It is no such file, is damaged, or has more than `MAX_PIXELS`.
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
    # Pillow would cut 16 bits to 8 if it laid them over white.
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
    """Encodes an image, quickly rather than to the last byte."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()
