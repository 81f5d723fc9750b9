"""Users' images: files, folders, Pillow's images and arrays, in both directions."""

import dataclasses
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from tfgan_models.data.images import to_uint8
from tfgan_models.errors import UsageError
from tfgan_models.folders import files
from tfgan_models.folders.decoding import FORMATS, decode_image, to_rgb
from tfgan_models.tasks.model import Model

Given = str | Path | Image.Image | np.ndarray
"""An image: a file, Pillow's, or an array uint8 or float (in [-1, 1]) [H, W, C]."""

Images = Callable[[np.ndarray], np.ndarray]
"""Images [N, H, W, C] in [-1, 1] to images."""

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image as it was read.

    Attributes:
        colours: float32 [H, W, 3] in [-1, 1]; with alpha, those below it.
        alpha: The alpha channel, if there is one.
        is_grey: Whether the image is greyscale.
    """

    colours: np.ndarray
    alpha: Image.Image | None
    is_grey: bool


class ImageModel(Model):
    """A network from images of any size to images.

    Attributes:
        arrays: Images float32 [N, H, W, C] in [-1, 1] to images.
    """

    arrays: Images

    def __call__(
        self, images: Given | Sequence[Given]
    ) -> Image.Image | list[Image.Image]:
        """Returns the network's result for an image, or a list for several.

        An alpha channel is kept.

        Args:
            images: A file, an image of Pillow, an array uint8 or float (in [-1, 1])
                [H, W, C]; or several: a list, an array [N, H, W, C], or a folder.

        Raises:
            UsageError: There is none, or one cannot be read.
        """
        if _is_array(images):
            images = np.asarray(images)
        if isinstance(images, str | Path) and os.path.isdir(os.path.expanduser(images)):
            paths = [path for path, _ in listed(Path(images).expanduser())]
            if not paths:
                raise UsageError(f"There are no images in {images}.")
            return [self.of_picture(read(path)) for path in paths]
        if isinstance(images, Sequence) and not isinstance(images, str):
            return [self.of_picture(read(image)) for image in images]
        if isinstance(images, np.ndarray) and images.ndim == 4:
            return [self.of_picture(read(image)) for image in images]
        return self.of_picture(read(images))

    def of_picture(self, picture: Picture) -> Image.Image:
        """Returns the network's result for an image that was read."""
        (given,) = self.facts.inputs.values()
        channels, pixels = given.shape[-1], picture.colours
        if channels not in (1, 3):
            raise UsageError(
                f"{self.where} is for images of {channels} channels, and files have 1 "
                "or 3. Give arrays to its method arrays."
            )
        if channels == 1:
            pixels = (pixels @ _LUMINANCE)[..., np.newaxis]
        result = to_image(self.arrays(pixels[np.newaxis])[0])
        if picture.alpha is not None:
            alpha = picture.alpha
            if alpha.size != result.size:
                alpha = alpha.resize(result.size, Image.Resampling.BICUBIC)
            result.putalpha(alpha)
        return result


def compiled(function: Callable[[tf.Tensor], tf.Tensor], channels: int) -> Images:
    """Makes a function of arrays from one of tensors [N, H, W, channels]."""
    shape = [None, None, None, channels]

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)], autograph=False)
    def call(images: tf.Tensor) -> tf.Tensor:
        return function(images)

    return lambda images: call(tf.constant(images, tf.float32)).numpy()


def signature(loaded: Any, output: str) -> Images:
    """Makes a function of arrays from `serving_default` of a SavedModel."""

    def call(images: np.ndarray) -> np.ndarray:
        # The signature does not keep the model's variables alive; this function does.
        made = loaded.signatures["serving_default"](
            image=tf.constant(images, tf.float32)
        )
        return made[output].numpy()

    return call


def listed(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yields the image files below a folder, and their paths inside it."""
    for file in files.walk(folder).images:
        yield file.path, file.path.relative_to(folder)


def read(given: Given) -> Picture:
    """Reads an image.

    The colours are those of `decode_image`, without compositing by alpha.

    Args:
        given: An image; of a file, the first frame.

    Raises:
        UsageError: It is not an image.
    """
    if _is_array(given):
        return _of_array(given)
    if not isinstance(given, str | Path | Image.Image):
        raise UsageError(
            "An image is a file, an array or an image of Pillow. Received: "
            f"{type(given).__name__}"
        )
    try:
        if isinstance(given, Image.Image):
            return _of_image(given, lambda: to_rgb(_upright(given)))
        data = Path(given).expanduser().read_bytes()
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return _of_image(image, lambda: Image.fromarray(decode_image(data)))
    except OSError as error:
        reason = (
            error.strerror or "not a readable JPEG, PNG, WebP, BMP, GIF or TIFF image"
        )
        raise UsageError(f"{given} cannot be read: {reason}.") from error
    # Other errors that Pillow raises for damaged files, or billions of pixels.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{given} cannot be read: {reason}.") from error


def to_image(pixels: np.ndarray) -> Image.Image:
    """Returns pixels [H, W, C] in [-1, 1] as an image of 8 bits, C = 1, 3 or 4."""
    levels = to_uint8(pixels)
    return Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)


def _of_image(image: Image.Image, opaque: Callable[[], Image.Image]) -> Picture:
    is_grey = image.mode in ("1", "L", "LA", "I") or image.mode.startswith("I;")
    if not image.has_transparency_data:
        return Picture(_floats(np.asarray(opaque())), None, is_grey)
    full = ImageOps.exif_transpose(image).convert("RGBA")
    colours = _floats(np.asarray(full.convert("RGB")))
    return Picture(colours, full.getchannel("A"), is_grey)


def _upright(image: Image.Image) -> Image.Image:
    """Rotates an image according to EXIF."""
    upright = ImageOps.exif_transpose(image)
    upright.format = image.format  # a copy has none, and `to_rgb` looks at it
    return upright


def _is_array(given: Any) -> bool:
    """Whether it is NumPy's array, or a tensor."""
    return hasattr(given, "__array__") and not isinstance(given, Image.Image)


def _of_array(given: Any) -> Picture:
    image = np.asarray(given)
    if image.ndim == 2:
        image = image[..., np.newaxis]
    is_read = image.dtype == np.uint8 or np.issubdtype(image.dtype, np.floating)
    fits = image.ndim == 3 and image.shape[-1] in (1, 3) and image.size > 0
    # Interpolation may overshoot; values to 255, or NaNs, are no such image.
    inside = image.dtype == np.uint8 or (fits and is_read and np.abs(image).max() <= 2)
    if not (fits and is_read and inside):
        values = f" from {image.min()} to {image.max()}" if fits and is_read else ""
        raise UsageError(
            "An image is uint8 (0 to 255) or float (-1 to 1) [H, W, 3] or [H, W, 1]. "
            f"Received: {image.dtype} {list(image.shape)}{values}"
        )
    is_grey = image.shape[-1] == 1
    colours = np.repeat(image, 3, axis=-1) if is_grey else image
    if image.dtype == np.uint8:
        return Picture(_floats(colours), None, is_grey)
    return Picture(colours.astype(np.float32), None, is_grey)


def _floats(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 127.5 - 1.0
