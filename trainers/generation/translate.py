"""Translating image files of any size with a trained network, without a server."""

import collections
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

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
    "a translation's --model_dir, its exported .keras file, or its SavedModel (a "
    "folder with saved_model.pb or with version numbers)"
)
_MULTIPLES = tuple(2**n for n in range(11))

Translate = Callable[[np.ndarray], np.ndarray]
"""Images [N, H, W, 3] in [-1, 1] to images [N, H, W, C], of any size."""


def find(model: str, which: str = "latest", network: str | None = None) -> Translate:
    """Loads a network that translates images.

    Args:
        model: A training's folder, a .keras file or a SavedModel.
        which: "latest" or "best" checkpoint of a training.
        network: Of a training, such as "b2a"; None: the first there is.

    Raises:
        UsageError: It is none of these, or translates no RGB images.
        FailureError: It could not be read.
    """
    path = Path(model).expanduser()
    if (path / "networks.json").is_file():
        networks = checkpoints.load_networks(path, which)
        return _of_network(opening.choose(networks, _multiple, network, 0), model)
    if network is not None:
        raise UsageError(
            f"--model={model} is one network, not a training: leave --network out."
        )
    directory = sources.saved_model(path)
    if directory:
        return _exported(opening.saved_model(directory, model, ALLOWED), model)
    return _of_network(opening.keras_file(path, model, ALLOWED), model)


def translate(
    translator: Translate, images: Sequence[Path], output_dir: Path
) -> list[Path]:
    """Translates image files and those of folders, each at its own size.

    An alpha channel is kept; the network sees the colours below it. What cannot be read
    in a folder is named and passed over.

    Args:
        translator: What translates them.
        images: Files and folders.
        output_dir: An existing folder. Those of a folder go to the same places below
            it.

    Returns:
        The PNG files written.

    Raises:
        UsageError: There is no image, or one that was given cannot be read.
        FailureError: All others were written.
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
            print(f"Passed over: {error}", flush=True)
            unread.append(path)
            continue
        made = translator(colours[np.newaxis].astype(np.float32) / 127.5 - 1.0)[0]
        pixels = grids.to_uint8(made)
        result = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        if alpha is not None:
            result.putalpha(alpha)
        # Two that differ by their ending alone keep it.
        plain = name.with_suffix("")
        target = output_dir / f"{name if twice[plain] > 1 else plain}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        result.save(target)
        written.append(target)
    if unread:
        raise FailureError(
            f"{len(unread)} of {len(found)} images could not be read; the others are "
            f"translated in {output_dir}."
        )
    return written


def _listed(images: Iterable[Path]) -> Iterator[tuple[Path, Path, bool]]:
    """Each image file, the name that its translation has, whether it was given."""
    for path in images:
        if path.is_dir():
            for file in files.walk(path).images:
                yield file.path, file.path.relative_to(path), False
        else:
            yield path, Path(path.name), True


def _multiple(network: Any) -> int:
    """What H and W that a network takes are multiples of; 0: it translates nothing."""
    inputs, outputs = (getattr(network, s, None) or [] for s in ("inputs", "outputs"))
    shapes = [tuple(tensor.shape) for tensor in (*inputs, *outputs)]
    if len(shapes) != 2 or any(s[:3] != (None,) * 3 or len(s) != 4 for s in shapes):
        return 0
    if hasattr(network, "size_multiple"):
        return network.size_multiple
    for multiple in _MULTIPLES:
        # An odd multiple, of which there are few smaller ones that would do as well.
        sides = [1, 3 * multiple, 3 * multiple]
        try:
            made = network(tf.zeros([*sides, shapes[0][3]]), training=False)
        except (ValueError, tf.errors.OpError):
            continue
        if list(made.shape[:3]) == sides:
            return multiple
    return 0


def _of_network(network: keras.Model | None, model: str) -> Translate:
    multiple = network is not None and _multiple(network)
    if network is None or not multiple:
        raise UsageError(f"--model={model} translates no images. Give {ALLOWED}.")
    _check_channels(network.inputs[0].shape[3], model)
    # What is exported, so that the answers are the same.
    endpoint = TranslationModule(network, multiple).endpoints["serving_default"]
    return lambda images: endpoint(tf.constant(images))["translated_image"].numpy()


def _exported(loaded: Any, model: str) -> Translate:
    function = loaded.signatures.get("serving_default")
    if function is None or "translated_image" not in function.structured_outputs:
        raise UsageError(f"--model={model} translates no images. Give {ALLOWED}.")
    _check_channels(function.structured_input_signature[1]["image"].shape[-1], model)

    def translate(images: np.ndarray) -> np.ndarray:
        # The signature does not keep the model's variables alive; this function does.
        made = loaded.signatures["serving_default"](image=tf.constant(images))
        return made["translated_image"].numpy()

    return translate


def _check_channels(channels: int, model: str) -> None:
    if channels != 3:
        raise UsageError(
            f"--model={model} is for images of {channels} channels. Allowed: 3."
        )
