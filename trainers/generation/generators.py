"""Trained generators as functions, wherever they come from.

A training's folder, a .keras file (ours or of Keras's own layers) and a SavedModel all
become a `StyleModel` or a `LatentModel`.
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from export.signatures.generation import draws_from_latents, latent_distribution
from tfgan_models.data import catalog
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.networks import StyleGenerator
from tfgan_models.networks.labelled import UNIFORM
from tfgan_models.runs import checkpoints
from trainers.evaluation import sources
from trainers.generation import exported, opening
from trainers.generation.models import (
    ALLOWED,
    Generator,
    Label,
    LatentModel,
    StyleModel,
    compiled,
)


def find(model: str, which: str = "latest", data_dir: str | None = None) -> Generator:
    """Loads a generator.

    Args:
        model: A training's folder, a .keras file or a SavedModel.
        which: "latest" or "best" checkpoint of a training.
        data_dir: Where TFDS keeps the data set whose classes have names.

    Raises:
        UsageError: It is none of these, or holds no generator of grey or RGB images
            from latents.
        FailureError: It could not be read.
    """
    generator = _load(Path(model).expanduser(), model, which, data_dir)
    if generator.channels not in (1, 3):
        raise UsageError(
            f"--model={model} draws images of {generator.channels} channels. Allowed: "
            "1 or 3."
        )
    return generator


def _load(path: Path, model: str, which: str, data_dir: str | None) -> Generator:
    if (path / "networks.json").is_file():
        networks = checkpoints.load_networks(path, which)
        return _of_network(
            networks.get("generator"), model, lambda: _class_names(path, data_dir)
        )
    directory = sources.saved_model(path)
    if directory:
        return exported.load(directory)
    network = opening.keras_file(path, model, ALLOWED)
    return _of_network(network, model, tuple)


def _of_network(
    network: keras.Model | None, model: str, classes: Callable[[], Sequence[str]]
) -> Generator:
    if isinstance(network, StyleGenerator):
        return _style(network, classes)
    if draws_from_latents(network):
        return _latent(network, classes)
    if isinstance(network, keras.Model) and _is_functional(network):
        return _functional(network)
    raise UsageError(
        f"--model={model} holds no generator that draws from latents. Give {ALLOWED}."
    )


def _style(network: StyleGenerator, classes: Callable[[], Sequence[str]]) -> StyleModel:
    def mapping(latent: tf.Tensor, label: Label) -> tf.Tensor:
        return network.mapping(latent, _one_hot(label, network.label_size))

    def synthesis(ws: tf.Tensor, noise: Sequence[tf.Tensor]) -> tf.Tensor:
        return network.synthesis(ws, noise=noise, resolution=network.grown)

    def kernels() -> list[np.ndarray]:
        affines = [adain.affine for adain in network.synthesis.adains]
        return [affine.scaled_kernel().numpy() for affine in affines]

    return StyleModel(
        network.grown,
        network.channels,
        network.latent_size,
        network.label_size,
        classes,
        mapping=compiled(mapping),
        synthesis=compiled(synthesis),
        w_avg=network.w_avg.numpy(),
        layers=network.synthesis.num_layers,
        noise_shapes=network.synthesis.noise_shapes(),
        kernels=kernels,
    )


def _latent(network: keras.Model, classes: Callable[[], Sequence[str]]) -> LatentModel:
    def draw(latent: tf.Tensor, label: Label) -> tf.Tensor:
        return network(latent, labels=_one_hot(label, network.label_size))

    return LatentModel(
        network.grown,
        network.channels,
        network.latent_size,
        network.label_size,
        classes,
        draw=compiled(draw),
        distribution=latent_distribution(network),
    )


def _is_functional(network: keras.Model) -> bool:
    inputs = {tensor.name for tensor in getattr(network, "inputs", None) or []}
    return "latent" in inputs and "image" in {layer.name for layer in network.layers}


def _functional(network: keras.Model) -> Generator:
    """Takes apart what a generator's `functional()` makes, or its plain-Keras twin."""
    inputs = {tensor.name: tensor for tensor in network.inputs}
    image = network.get_layer("image").output
    label_size = inputs["labels"].shape[1] if "labels" in inputs else 0
    given = [inputs[name] for name in ("latent", "labels") if name in inputs]

    def of_latent(
        outputs: keras.KerasTensor,
    ) -> Callable[[tf.Tensor, Label], tf.Tensor]:
        part = keras.Model(given, outputs)

        def call(latent: tf.Tensor, label: Label) -> tf.Tensor:
            one_hot = _one_hot(label, label_size)
            return part([latent] if one_hot is None else [latent, one_hot])

        return compiled(call)

    facts = (image.shape[1], image.shape[3], inputs["latent"].shape[1], label_size)
    if "psi" not in inputs:
        uniform = any(layer.name == UNIFORM for layer in network.layers)
        return LatentModel(
            *facts,
            tuple,
            draw=of_latent(image),
            distribution="uniform" if uniform else "normal",
        )
    w, ws = network.get_layer("w").output, network.get_layer("ws").output
    noise = [inputs[f"noise_{i}"] for i in range(2 * int(math.log2(facts[0])) - 2)]
    painter = keras.Model([ws, *noise], image)

    def synthesis(ws: tf.Tensor, noise: Sequence[tf.Tensor]) -> tf.Tensor:
        return painter([ws, *noise])

    return StyleModel(
        *facts,
        tuple,
        mapping=of_latent(w),
        synthesis=compiled(synthesis),
        w_avg=_average(keras.Model([w, inputs["psi"]], ws)),
        layers=ws.shape[1],
        noise_shapes=[tuple(tensor.shape[1:]) for tensor in noise],
        kernels=lambda: [_kernel(network, i) for i in range(len(noise))],
    )


def _one_hot(label: Label, label_size: int) -> tf.Tensor | None:
    return None if label is None else tf.one_hot(label, label_size)


def _average(truncation: keras.Model) -> np.ndarray:
    """The w that psi = 0 leaves of any w."""
    size = truncation.inputs[0].shape[1]
    ws = truncation([tf.zeros([1, size]), tf.zeros([1, 1])])
    return ws[0, 0].numpy()


def _kernel(network: keras.Model, i: int) -> np.ndarray:
    """The kernel [D, 2C] of the affine function of style layer i."""
    for layer in network.layers:
        if re.fullmatch(rf"adain_{i}(_affine)?", layer.name):
            affine = getattr(layer, "affine", layer)
            scaled = getattr(affine, "scaled_kernel", lambda a=affine: a.kernel)
            return scaled().numpy()
    raise UsageError(
        f"The model does not show the affine function of its style layer {i}, which "
        "directions are found in. Give the training's --model_dir."
    )


def _class_names(model_dir: Path, data_dir: str | None) -> Sequence[str]:
    """The names of the classes of the data set that a training was given."""
    try:
        dataset = json.loads((model_dir / "recipe.json").read_text())["dataset"]
        return catalog.labelled(dataset, data_dir).train.classes
    except (OSError, ValueError, KeyError, FailureError):
        return ()
