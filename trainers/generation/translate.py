"""Translating image files of any size with a trained network, without a server."""

import collections
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from export.signatures.translation import TranslationModule
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.folders import files
from tfgan_models.runs import checkpoints
from trainers.evaluation import grids, sources
from trainers.generation import opening

ALLOWED = (
    "a translation run's --model_dir, its exported .keras file, or its SavedModel (a "
    "folder with saved_model.pb or with version numbers)"
)
_MULTIPLES = tuple(2**n for n in range(11))

Translate = opening.Images
"""To images of the same size; any size will do."""


def find(model: str, which: str = "latest", network: str | None = None) -> Translate:
    """Loads a network that translates images.

    Args:
        model: A run's folder, a .keras file or a SavedModel.
        which: "latest" or "best" checkpoint of a run.
        network: A run's network, such as "b2a"; None: the first.

    Raises:
        UsageError: It is none of these, or does not translate RGB images.
        FailureError: It could not be read.
    """
    path = Path(model).expanduser()
    if (path / "networks.json").is_file():
        networks = checkpoints.load_networks(path, which)
        return _of_network(opening.choose(networks, _multiple, network, 0), model)
    opening.check_is_training(model, network)
    directory = sources.saved_model(path)
    if directory:
        return _exported(opening.saved_model(directory, model, ALLOWED), model)
    return _of_network(opening.keras_file(path, model, ALLOWED), model)


def translate(
    translator: Translate, images: Sequence[Path], output_dir: Path
) -> list[Path]:
    """Translates image files and those of folders, each at its own size.

    An alpha channel is kept; the network sees the colours below it. Files in a folder
    that cannot be read are named and skipped.

    Args:
        translator: Translates them.
        images: Files and folders.
        output_dir: An existing folder. Images of a folder keep their relative paths
            below it.

    Returns:
        The PNG files written.

    Raises:
        UsageError: There is no image, or one that was given cannot be read.
        FailureError: Some could not be read; all others were written.
    """
    found = list(_listed(images))
    if not found:
        raise UsageError(f"There are no images in {', '.join(map(str, images))}.")
    twice = collections.Counter(name.with_suffix("") for _, name, _ in found)
    written, unread = [], []
    for path, name, is_given in found:
        try:
            colours, alpha, _ = opening.image_file(path, str(path))
        except UsageError as error:
            if is_given:
                raise
            print(f"Skipped: {error}", flush=True)
            unread.append(path)
            continue
        made = translator(colours[np.newaxis].astype(np.float32) / 127.5 - 1.0)[0]
        pixels = grids.to_uint8(made)
        result = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        if alpha is not None:
            result.putalpha(alpha)
        # Two that differ only in their extension keep it.
        plain = name.with_suffix("")
        target = output_dir / f"{name if twice[plain] > 1 else plain}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        result.save(target)
        written.append(target)
    if unread:
        raise FailureError(
            f"{len(unread)} of {len(found)} images could not be read; the others were "
            f"translated to {output_dir}."
        )
    return written


def _listed(images: Iterable[Path]) -> Iterator[tuple[Path, Path, bool]]:
    """Each image file, the name of its translation, and whether it was given itself."""
    for path in images:
        if path.is_dir():
            for file in files.walk(path).images:
                yield file.path, file.path.relative_to(path), False
        else:
            yield path, Path(path.name), True


def _multiple(network: keras.Model) -> int:
    """The multiple that H and W must be of; 0: it is not a translation network."""
    shapes = opening.image_shapes(network)
    if not shapes:
        return 0
    if hasattr(network, "size_multiple"):
        return network.size_multiple
    # An odd multiple, for which few smaller ones would do as well.
    fits = (m for m in _MULTIPLES if _keeps_size(network, 3 * m, shapes[0][3]))
    return next(fits, 0)


def _keeps_size(network: keras.Model, side: int, channels: int | None) -> bool:
    """Whether an image gives one of the same size, according to the shapes."""
    shape = [1, side, side, channels]

    @tf.function(input_signature=[tf.TensorSpec(shape)], autograph=False)
    def call(image: tf.Tensor) -> tf.Tensor:
        return network(image, training=False)

    try:
        made = call.get_concrete_function().structured_outputs
    except (ValueError, tf.errors.OpError):
        return False
    return made.shape[:3].as_list() == shape[:3]


def _of_network(network: keras.Model | None, model: str) -> Translate:
    multiple = network is not None and _multiple(network)
    if network is None or not multiple:
        raise UsageError(f"--model={model} does not translate images. Give {ALLOWED}.")
    opening.check_channels(network.inputs[0].shape[3], model)
    # The exported form, so that the results are the same.
    endpoint = TranslationModule(network, multiple).endpoints["serving_default"]
    return lambda images: endpoint(tf.constant(images))["translated_image"].numpy()


def _exported(loaded: tf.Module, model: str) -> Translate:
    translate = opening.serving_default(loaded, "translated_image")
    if translate is None:
        raise UsageError(f"--model={model} does not translate images. Give {ALLOWED}.")
    opening.check_channels(opening.channels_of(loaded), model)
    return translate
