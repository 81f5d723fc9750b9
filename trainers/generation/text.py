"""Images of captions, from a StackGAN run or SavedModel."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from export.signatures import captions as export_captions
from tfgan_models.errors import UsageError
from tfgan_models.networks import StackGenerator
from tfgan_models.runs import checkpoints
from trainers.evaluation import sources
from trainers.generation import opening, synthesis

ALLOWED = (
    "a text-to-image run's --model_dir or its SavedModel (a folder with "
    "saved_model.pb or with version numbers)"
)

Painter = Callable[[str, int], np.ndarray]
"""A caption and a seed to an image, float32 [R, R, C] in [-1, 1]."""


def find(model: str, which: str = "latest") -> Painter:
    """Loads a StackGAN.

    Args:
        model: A run's folder or a SavedModel.
        which: "latest" or "best" checkpoint of a run.

    Raises:
        UsageError: It is none of these, or has no text encoder.
        FailureError: It could not be read.
    """
    path = Path(model).expanduser()
    if (path / "networks.json").is_file():
        return _trained(checkpoints.load_networks(path, which).get("generator"), model)
    directory = sources.saved_model(path)
    if directory:
        return _served(directory, model)
    if path.suffix == ".keras":
        raise UsageError(
            f"--model={model}: a .keras file takes embeddings, not text. Give "
            f"{ALLOWED}."
        )
    raise UsageError(f"--model={model} is not {ALLOWED}.")


def write(
    painter: Painter, captions: Sequence[str], seeds: Sequence[int], output_dir: Path
) -> list[Path]:
    """Writes a grid of images for each caption, for example red_heart.png.

    Args:
        painter: Generates the images.
        captions: The captions.
        seeds: One for each image of a grid.
        output_dir: An existing folder.

    Returns:
        The files, one for each caption.

    Raises:
        UsageError: There are more images than fit in a file.
    """
    names = _names(captions)
    columns = math.ceil(math.sqrt(len(seeds)))
    written = []
    for caption, name in zip(captions, names, strict=True):
        first = painter(caption, seeds[0])
        _check_count(len(seeds), first.shape[0])
        made: list[np.ndarray | None] = [first]
        made += [painter(caption, seed) for seed in seeds[1:]]
        made += [None] * (-len(made) % columns)
        rows = [made[i : i + columns] for i in range(0, len(made), columns)]
        written.append(synthesis.write(output_dir / name, synthesis.tile(rows)))
    return written


def _trained(network: object, model: str) -> Painter:
    if not isinstance(network, StackGenerator):
        raise UsageError(
            f"--model={model} does not generate images from captions. Give {ALLOWED}."
        )
    if network.text_encoder is None:
        raise UsageError(_no_encoder(model))

    @tf.function(autograph=False)
    def draw(caption: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        embedding = export_captions.embed(network, caption)
        return export_captions.pictures(network, embedding, seed)

    return lambda caption, seed: draw(*_inputs(caption, seed))[0].numpy()


def _served(directory: Path, model: str) -> Painter:
    loaded = opening.saved_model(directory, model, ALLOWED)
    inputs = [
        set(function.structured_input_signature[1])
        for function in loaded.signatures.values()
    ]
    if {"caption", "seed"} not in inputs:
        if any("embedding" in names for names in inputs):
            raise UsageError(_no_encoder(model))
        raise UsageError(
            f"--model={model} does not generate images from captions. Give {ALLOWED}."
        )

    def paint(caption: str, seed: int) -> np.ndarray:
        texts, seeds = _inputs(caption, seed)
        drawn = loaded.signatures["generate"](caption=texts, seed=seeds)
        return drawn["image"][0].numpy()

    return paint


def _inputs(caption: str, seed: int) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.constant([caption]), tf.constant([seed], tf.int64)


def _no_encoder(model: str) -> str:
    return (
        f"--model={model} was trained on --embeddings and has no text encoder: it "
        "takes vectors from the encoder that made them, by the signature embedding of "
        "its SavedModel."
    )


def _names(captions: Sequence[str]) -> list[str]:
    """Unique file names made from the captions."""
    names: list[str] = []
    for caption in captions:
        name = re.sub("[^a-z0-9]+", "_", caption.lower()).strip("_")[:60]
        number = 1
        while f"{name}{f'_{number}' if number > 1 else ''}.png" in names:
            number += 1
        names.append(f"{name}{f'_{number}' if number > 1 else ''}.png")
    return names


def _check_count(count: int, side: int) -> None:
    most = synthesis.MOST_PIXELS // side**2
    if count > most:
        raise UsageError(
            f"A grid holds at most {most} images of {side} px. Received: {count}. "
            "Take fewer --seeds."
        )
