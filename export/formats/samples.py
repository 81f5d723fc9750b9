"""Inputs for comparing a converted model with its SavedModel: real images, latents."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps, UnidentifiedImageError

import tfgan_models.data
from export.formats import graph
from tfgan_models.errors import UsageError

Arrays: TypeAlias = Mapping[str, np.ndarray]
Runner: TypeAlias = Callable[[Arrays], Arrays]
"""Inputs by name to outputs by name."""

LARGEST = 256
"""Images are scaled down to this side in pixels, unless a size is given."""
MOST_IMAGES = 16
"""Number of images taken of a folder, the first by name."""
_BUNDLED = {
    "satellite.jpg": (256, 256),
    "relief.jpg": (201, 150),
    "antique.jpg": (97, 131),
    "night.jpg": (64, 64),
}
"""Bundled image -> width and height of the centre crop."""


def requests(
    inputs: Mapping[str, tf.TensorSpec], loaded: tf.Module, images: Path | None
) -> list[Arrays]:
    """Returns requests for a signature.

    If a request may have several samples, the first one has two.

    Args:
        inputs: Of the signature, with the chosen sizes.
        loaded: The SavedModel.
        images: Folder of images; None: bundled ones.

    Raises:
        UsageError: There is no image in the folder, or the signature takes none.
    """
    photos = [spec for spec in inputs.values() if graph.is_image(spec)]
    if not photos:
        if images is not None:
            raise UsageError(
                f"--images={images} does not apply: the signature takes "
                f"{', '.join(sorted(inputs))}, no image. Omit it."
            )
        rng = np.random.default_rng(0)
        return [
            {name: _drawn(spec, loaded, rng, n) for name, spec in inputs.items()}
            for n in (2, 1, 1, 1)
        ]
    pictures = list(_bundled() if images is None else _of_folder(images))
    return [
        {
            name: _array(picture, spec, i == 0)
            if graph.is_image(spec)
            else _drawn(spec, loaded, np.random.default_rng(i), 1 + (i == 0))
            for name, spec in inputs.items()
        }
        for i, picture in enumerate(pictures)
    ]


def _drawn(
    spec: tf.TensorSpec, loaded: tf.Module, rng: np.random.Generator, samples: int
) -> np.ndarray:
    """Random numbers as generators take them: latents, w; classes 0 and 1."""
    shape = [1 if size is None else size for size in spec.shape]
    if spec.shape.rank and spec.shape[0] is None:
        shape[0] = samples
    if spec.dtype.is_integer:
        return (np.arange(np.prod(shape)) % 2).reshape(shape).astype(spec.dtype.name)
    told = getattr(loaded, "latent_distribution", None)
    if spec.name == "latent" and told is not None and told() == b"uniform":
        return rng.uniform(-1, 1, shape).astype(spec.dtype.name)
    return rng.normal(size=shape).astype(spec.dtype.name)


def _array(picture: Image.Image, spec: tf.TensorSpec, first: bool) -> np.ndarray:
    """An image as the input takes it, [N, H, W, C]: in [-1, 1], or levels."""
    batch, height, width, channels = spec.shape
    if height is not None:
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    # As many channels as it takes, by repeating these.
    pixels = pixels[..., np.arange(channels) % pixels.shape[-1]]
    image = pixels if spec.dtype.is_integer else pixels / 127.5 - 1
    image = image.astype(spec.dtype.as_numpy_dtype)
    turned = image[::-1, ::-1]
    return np.stack([image, turned] if first and batch is None else [image])


def _bundled() -> Iterator[Image.Image]:
    folder = Path(tfgan_models.data.__file__).parent / "images" / "earth"
    for name, (width, height) in _BUNDLED.items():
        with Image.open(folder / name) as image:
            left, top = (image.width - width) // 2, (image.height - height) // 2
            yield image.crop((left, top, left + width, top + height))


def _of_folder(folder: Path) -> Iterator[Image.Image]:
    taken = 0
    for path in _files(folder):
        try:
            with Image.open(path) as image:
                upright = ImageOps.exif_transpose(image).convert("RGB")
        except (UnidentifiedImageError, OSError):
            continue
        upright.thumbnail((LARGEST, LARGEST))
        yield upright
        taken += 1
        if taken == MOST_IMAGES:
            return
    if not taken:
        raise UsageError(
            f"--images={folder} has no readable image. Give a folder of "
            "JPEG, PNG, WebP, BMP, GIF or TIFF files, or omit it for bundled ones."
        )


def _files(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        raise UsageError(f"--images={folder} is not a folder.")
    return sorted(path for path in folder.iterdir() if path.is_file())
