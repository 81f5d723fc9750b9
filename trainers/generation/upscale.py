"""Enlarging an image file of any size with a trained network."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from export.signatures import super_resolution
from tfgan_models.errors import UsageError
from tfgan_models.networks import SRResNet
from tfgan_models.runs import checkpoints
from trainers.evaluation import grids, sources, super_resolution_task
from trainers.generation import opening

ALLOWED = (
    "a super-resolution run's --model_dir, its exported .keras file, or its "
    "SavedModel (a folder with saved_model.pb or with version numbers)"
)


@dataclasses.dataclass(frozen=True)
class Upscaler:
    """A network that enlarges RGB images of any size.

    Attributes:
        scale: The factor, in each direction.
        enlarge: Images [N, h, w, 3] in [-1, 1] to images [N, scale h, scale w, 3].
    """

    scale: int
    enlarge: super_resolution_task.Enlarge


def find(
    model: str,
    which: str = "latest",
    network: str | None = None,
    tile: int | None = None,
) -> Upscaler:
    """Loads a network that enlarges images.

    Args:
        model: A run's folder, a .keras file or a SavedModel.
        which: "latest" or "best" checkpoint of a run.
        network: A run's network, by name; None: that of the last stage.
        tile: See `super_resolution.tiled`; None: its default.

    Raises:
        UsageError: It is none of these, or does not enlarge RGB images; or `network` or
            `tile` does not apply to it.
        FailureError: It could not be read.
    """
    path = Path(model).expanduser()
    if (path / "networks.json").is_file():
        networks = checkpoints.load_networks(path, which)
        chosen = opening.choose(
            networks, lambda n: isinstance(n, SRResNet), network, default=-1
        )
        return _of_network(chosen, model, tile)
    opening.check_is_training(model, network)
    directory = sources.saved_model(path)
    if directory:
        if tile is not None:
            raise UsageError(
                f"--model={model} is a SavedModel, which has its own tiles: omit "
                "--tile."
            )
        return _saved_model(directory, model)
    loaded = opening.keras_file(path, model, ALLOWED)
    return _of_network(loaded, model, tile)


def upscale(network: Upscaler, image: Path, output_dir: Path) -> Path:
    """Enlarges an image file.

    Greyscale stays greyscale. An alpha channel is enlarged with the bicubic filter; the
    network sees the colours below it.

    Args:
        network: Enlarges it.
        image: JPEG, PNG, WebP, BMP, GIF or TIFF, of which the first frame is used.
        output_dir: The directory to write to.

    Returns:
        The PNG file written, `<name>_x<scale>.png`.

    Raises:
        UsageError: It is not such a file.
    """
    colours, alpha, is_grey = opening.image_file(image, f"--image={image}")
    pixels = colours[np.newaxis].astype(np.float32) / 127.5 - 1.0
    result = Image.fromarray(grids.to_uint8(network.enlarge(pixels)[0]))
    if is_grey:
        result = result.convert("L")
    if alpha is not None:
        result.putalpha(alpha.resize(result.size, Image.Resampling.BICUBIC))
    path = output_dir / f"{image.stem}_x{network.scale}.png"
    result.save(path)
    return path


def _of_network(network: keras.Model, model: str, tile: int | None) -> Upscaler:
    shapes = opening.image_shapes(network)
    if not shapes:
        raise UsageError(_no_upscaler(model))
    for shape in shapes:
        opening.check_channels(shape[3], model)
    try:
        scale = super_resolution.scale_of(network)
    except (ValueError, tf.errors.OpError):  # Not every network takes every size.
        scale = 1
    if scale < 2:
        raise UsageError(_no_upscaler(model))
    tiled = super_resolution.tiled(network, tile or super_resolution.TILE)
    return Upscaler(scale, super_resolution_task.compiled(tiled, 3))


def _saved_model(directory: Path, model: str) -> Upscaler:
    loaded = opening.saved_model(directory, model, ALLOWED)
    enlarge = opening.serving_default(loaded, "upscaled_image")
    if enlarge is None:
        raise UsageError(_no_upscaler(model))
    opening.check_channels(opening.channels_of(loaded), model)
    return Upscaler(enlarge(np.zeros((1, 8, 8, 3), np.float32)).shape[1] // 8, enlarge)


def _no_upscaler(model: str) -> str:
    return f"--model={model} has no network that enlarges images. Give {ALLOWED}."
