"""Opening what a command of `trainers.generate` is given, with errors of one line."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from tfgan_models.errors import UsageError
from tfgan_models.folders.decoding import FORMATS, decode_image

Images = Callable[[np.ndarray], np.ndarray]
"""Images [N, H, W, C] in [-1, 1] to images."""


def choose(
    networks: Mapping[str, keras.Model],
    is_one: Callable[[keras.Model], object],
    wanted: str | None,
    default: int,
) -> keras.Model | None:
    """Returns a network of a training; where there was a choice, it is printed.

    Args:
        networks: All of the training, by name.
        is_one: Whether a network is of the kind that is needed.
        wanted: Its name; None: the one at `default` among those of that kind.
        default: A place, or one from the end.

    Returns:
        The network; None where none is of that kind.

    Raises:
        UsageError: There is no such network.
    """
    known = [name for name, network in networks.items() if is_one(network)]
    if not known:
        return None
    if wanted is not None and wanted not in known:
        raise UsageError(
            f"--network={wanted}: the training holds {' and '.join(known)} alone. Give "
            "that, or train on."
        )
    name = wanted or known[default]
    if wanted is None and len(known) > 1:
        print(f"Network: {name} (of {', '.join(known)}; --network takes another)")
    return networks[name]


def keras_file(path: Path, model: str, allowed: str) -> keras.Model:
    """Loads a `.keras` file.

    Args:
        path: The file.
        model: As it was given.
        allowed: What may be given.

    Raises:
        UsageError: It cannot be loaded.
    """
    if not path.is_file():
        raise UsageError(f"--model={model} is none of: {allowed}.")
    try:
        return keras.saving.load_model(path, compile=False)
    # A file of another kind makes the loader raise almost anything.
    except Exception as error:
        raise _unreadable(model, allowed, error) from error


def saved_model(directory: Path, model: str, allowed: str) -> tf.Module:
    """Loads a SavedModel; see `keras_file`."""
    try:
        return tf.saved_model.load(str(directory))
    # A damaged file makes the loader raise almost anything.
    except Exception as error:
        raise _unreadable(model, allowed, error) from error


def image_shapes(network: keras.Model) -> list[tuple[int | None, ...]]:
    """Returns a network's shapes, [None, None, None, C] of its input and its output.

    [] of what is not from one image of any size to one image.
    """
    inputs, outputs = (getattr(network, s, None) or [] for s in ("inputs", "outputs"))
    shapes = [tuple(tensor.shape) for tensor in (*inputs, *outputs)]
    if len(shapes) == 2 and all(s[:-1] == (None,) * 3 for s in shapes):
        return shapes
    return []


def serving_default(loaded: tf.Module, output: str) -> Images | None:
    """Returns a SavedModel's signature from images to images, as a function of arrays.

    Args:
        loaded: What `saved_model` returned.
        output: The output's name.

    Returns:
        The function; None where the signature has no such output.
    """
    function = loaded.signatures.get("serving_default")
    if function is None or output not in function.structured_outputs:
        return None

    def call(images: np.ndarray) -> np.ndarray:
        # The signature does not keep the model's variables alive; this function does.
        made = loaded.signatures["serving_default"](image=tf.constant(images))
        return made[output].numpy()

    return call


def check_is_training(model: str, network: str | None) -> None:
    """Raises UsageError where a network is named of what is no training."""
    if network is not None:
        raise UsageError(
            f"--model={model} is one network, not a training: leave --network out."
        )


def check_channels(channels: int | None, model: str) -> None:
    """Raises UsageError for a model that is not for RGB images."""
    if channels != 3:
        raise UsageError(
            f"--model={model} is for images of {channels or 'any number of'} "
            "channels. Allowed: 3."
        )


def channels_of(loaded: tf.Module) -> int:
    """Returns the channels of the images that a SavedModel's signature takes."""
    function = loaded.signatures["serving_default"]
    return function.structured_input_signature[1]["image"].shape[-1]


def image_file(path: Path, given: str) -> tuple[np.ndarray, Image.Image | None, bool]:
    """Reads an image file.

    The colours are those of `decode_image`, but for what alpha would mix them with.

    Args:
        path: JPEG, PNG, WebP, BMP, GIF or TIFF, of which the first frame counts.
        given: How it was given, such as "--image=photo.jpg".

    Returns:
        The colours, uint8 [H, W, 3]; alpha, if there is any; whether all is grey.

    Raises:
        UsageError: It is no such file.
    """
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            is_grey = image.mode in ("1", "L", "LA", "I") or image.mode.startswith("I;")
            if image.has_transparency_data:
                ImageOps.exif_transpose(image, in_place=True)
                full = image.convert("RGBA")
                return np.array(full.convert("RGB")), full.getchannel("A"), is_grey
        return decode_image(data), None, is_grey
    except OSError as error:
        reason = (
            error.strerror or "not a readable JPEG, PNG, WebP, BMP, GIF or TIFF image"
        )
        raise UsageError(f"{given} cannot be read: {reason}.") from error
    # What else damaged files, and those of billions of pixels, make Pillow raise.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{given} cannot be read: {reason}.") from error


def _unreadable(model: str, allowed: str, error: Exception) -> UsageError:
    reason = " ".join(str(error).split())[:200]
    return UsageError(f"--model={model} cannot be loaded: {reason}. Give {allowed}.")
