"""Trained generators as functions, wherever they come from.

One of our networks, one of Keras's own layers and a SavedModel all become a
`StyleModel` or a `LatentModel`.
"""

import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan_models.errors import UsageError
from tfgan_models.networks import StyleGenerator
from tfgan_models.runs.description import Network, draws_from_latents
from tfgan_models.tasks.generators import (
    Generator,
    Label,
    LatentModel,
    StyleModel,
    compiled,
)


def of_network(network: Any, facts: Network) -> Generator:
    """Returns a network's generation functions.

    Args:
        network: One of ours, or a functional one with their inputs and layers.
        facts: Its facts.
    """
    if isinstance(network, StyleGenerator):
        return _style(network, facts)
    if draws_from_latents(network):

        def draw(latent: tf.Tensor, label: Label) -> tf.Tensor:
            return network(latent, labels=_one_hot(label, facts.label_size))

        return LatentModel(*_sizes(facts), draw=compiled(draw))
    return _functional(network, facts)


def of_saved_model(loaded: Any, facts: Network) -> Generator:
    """Returns the functions of a SavedModel of `export.signatures.generation`.

    Args:
        loaded: What `tf.saved_model.load` returned.
        facts: Its facts.
    """

    def of_latent(signature: str, output: str) -> Callable[..., tf.Tensor]:
        def call(latent: tf.Tensor, label: Label) -> tf.Tensor:
            given = {"latent": latent} | ({} if label is None else {"label": label})
            # The signature does not keep the variables alive; this function does.
            return loaded.signatures[signature](**given)[output]

        return compiled(call)

    if not hasattr(loaded, "noise_synthesis"):
        draw = of_latent("serving_default", "image")
        return LatentModel(*_sizes(facts), draw=draw)
    ws = loaded.signatures["synthesis"].structured_input_signature[1]["w"]
    return StyleModel(
        *_sizes(facts),
        mapping=of_latent("mapping", "w"),
        synthesis=compiled(lambda ws, noise: loaded.noise_synthesis(ws, list(noise))),
        w_avg=loaded.w_avg.numpy(),
        layers=ws.shape[1],
        noise_shapes=facts.noise_shapes,
        kernels=lambda: [kernel.numpy() for kernel in loaded.style_kernels()],
    )


def _style(network: StyleGenerator, facts: Network) -> StyleModel:
    def mapping(latent: tf.Tensor, label: Label) -> tf.Tensor:
        return network.mapping(latent, _one_hot(label, facts.label_size))

    def kernels() -> list[np.ndarray]:
        affines = [adain.affine for adain in network.synthesis.adains]
        return [affine.scaled_kernel().numpy() for affine in affines]

    return StyleModel(
        *_sizes(facts),
        mapping=compiled(mapping),
        synthesis=compiled(
            lambda ws, noise: network.synthesis(
                ws, noise=noise, resolution=facts.resolution
            )
        ),
        w_avg=network.w_avg.numpy(),
        layers=network.synthesis.num_layers,
        noise_shapes=facts.noise_shapes,
        kernels=kernels,
    )


def _functional(network: keras.Model, facts: Network) -> Generator:
    """Splits a generator's `functional()`, or its plain-Keras twin, into its parts."""
    inputs = {tensor.name: tensor for tensor in network.inputs}
    image = network.get_layer("image").output
    given = [inputs[name] for name in ("latent", "labels") if name in inputs]

    def of_latent(outputs: Any) -> Callable[[tf.Tensor, Label], tf.Tensor]:
        part = keras.Model(given, outputs)

        def call(latent: tf.Tensor, label: Label) -> tf.Tensor:
            one_hot = _one_hot(label, facts.label_size)
            return part([latent] if one_hot is None else [latent, one_hot])

        return compiled(call)

    if "psi" not in inputs:
        return LatentModel(*_sizes(facts), draw=of_latent(image))
    w, ws = network.get_layer("w").output, network.get_layer("ws").output
    maps = [inputs[f"noise_{i}"] for i in range(len(facts.noise_shapes))]
    painter = keras.Model([ws, *maps], image)
    return StyleModel(
        *_sizes(facts),
        mapping=of_latent(w),
        synthesis=compiled(lambda ws, noise: painter([ws, *noise])),
        w_avg=_average(keras.Model([w, inputs["psi"]], ws)),
        layers=ws.shape[1],
        noise_shapes=facts.noise_shapes,
        kernels=lambda: [_kernel(network, i) for i in range(len(maps))],
    )


def _sizes(facts: Network) -> tuple[int, int, int, int, str]:
    return (
        facts.resolution,
        facts.channels,
        facts.latent_size,
        facts.label_size,
        facts.latent_distribution,
    )


def _one_hot(label: Label, label_size: int) -> tf.Tensor | None:
    return None if label is None else tf.one_hot(label, label_size)


def _average(truncation: keras.Model) -> np.ndarray:
    """The average w: psi = 0 maps any w to it."""
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
        f"The model does not expose the affine function of its style layer {i}, which "
        "directions need. Give the run's --model_dir."
    )
