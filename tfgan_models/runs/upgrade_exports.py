"""Descriptions of exports without any: from earlier versions, or other projects."""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgan_models.networks.labelled import UNIFORM
from tfgan_models.runs.description import Description, Network, Value

_MULTIPLES = tuple(2**n for n in range(11))


def of_saved_model(loaded: Any) -> Description:
    """Returns the facts that a SavedModel's signatures show.

    Args:
        loaded: What `tf.saved_model.load` returned.
    """
    inputs = {n: _specs(s.structured_input_signature[1]) for n, s in _all(loaded)}
    outputs = {n: _specs(s.structured_outputs) for n, s in _all(loaded)}
    given, made = inputs.get("serving_default", {}), outputs.get("serving_default", {})
    image = next((v.shape[-1] for v in made.values() if len(v.shape) == 4), 0) or 0
    facts = Network("SavedModel", "", given, made, channels=image)
    if "caption" in given or "embedding" in given:
        side, reads_text = made["image"].shape[1] or 0, "caption" in given
        facts = dataclasses.replace(
            facts, task="caption", resolution=side, reads_text=reads_text
        )
    elif "latent" in given and "generate" in inputs:
        facts = _generator(loaded, facts)
    elif "upscaled_image" in made and len(given) == 1:
        answer = loaded.signatures["serving_default"](
            image=tf.zeros([1, 8, 8, given["image"].shape[-1]])
        )
        scale = answer["upscaled_image"].shape[1] // 8
        facts = dataclasses.replace(facts, task="upscale", scale=scale)
    elif list(given) == ["image"] and "translated_image" in made:
        facts = dataclasses.replace(facts, task="translate")
    return Description({"network": facts})


def of_keras_model(network: keras.Model, facts: Network) -> Network:
    """Returns the facts about its task that a functional model's layers show.

    Args:
        network: Possibly one of Keras's own layers, like exported .keras files.
        facts: The facts already known.
    """
    names = {layer.name for layer in getattr(network, "layers", [])}
    if "embedding" in facts.inputs:
        return dataclasses.replace(facts, task="caption")
    if "latent" in facts.inputs and "image" in names:
        return _functional_generator(network, facts, UNIFORM in names)
    if {len(v.shape) for v in (*facts.inputs.values(), *facts.outputs.values())} != {4}:
        return facts
    ends = (*facts.inputs.values(), *facts.outputs.values())
    if len(ends) != 2 or any(v.shape[:3] != (None, None, None) for v in ends):
        return facts
    channels = ends[0].shape[3] or 0
    for multiple in _MULTIPLES:
        # An odd multiple, for which few smaller ones would do as well.
        scale = _scale(network, 3 * multiple, channels)
        if scale == 1:
            return dataclasses.replace(facts, task="translate", size_multiple=multiple)
        if scale:
            return dataclasses.replace(facts, task="upscale", scale=scale)
    return facts


def _functional_generator(
    network: keras.Model, facts: Network, uniform: bool
) -> Network:
    image = network.get_layer("image").output
    label = facts.inputs.get("labels")
    noise = [n for n in facts.inputs if re.fullmatch(r"noise_\d+", n)]
    sides = [facts.inputs[f"noise_{i}"].shape[1] or 0 for i in range(len(noise))]
    return dataclasses.replace(
        facts,
        task="generate",
        channels=image.shape[3],
        resolution=image.shape[1],
        latent_size=facts.inputs["latent"].shape[1] or 0,
        latent_distribution="uniform" if uniform else "normal",
        label_size=(label.shape[1] or 0) if label else 0,
        noise_shapes=tuple((side, side, 1) for side in sides),
    )


def _generator(loaded: Any, facts: Network) -> Network:
    """The facts of a generator of which only signatures are known."""
    side = facts.outputs["image"].shape[1] or 0
    distribution = "normal"  # of exports from before there were others
    if hasattr(loaded, "latent_distribution"):
        distribution = loaded.latent_distribution().numpy().decode()
    count = 2 * int(math.log2(side)) - 2 if hasattr(loaded, "noise_synthesis") else 0
    sides = [2 ** (i // 2 + 2) for i in range(count)]
    return dataclasses.replace(
        facts,
        task="generate",
        resolution=side,
        latent_size=facts.inputs["latent"].shape[1] or 0,
        latent_distribution=distribution,
        label_size=_label_size(loaded, facts) if "label" in facts.inputs else 0,
        noise_shapes=tuple((side, side, 1) for side in sides),
    )


def _label_size(loaded: Any, facts: Network) -> int:
    """The number of classes, which only the error for a wrong class shows."""
    latent = tf.zeros([1, facts.inputs["latent"].shape[1]])
    try:
        loaded.signatures["serving_default"](
            latent=latent, label=tf.constant([-1], tf.int64)
        )
    except tf.errors.InvalidArgumentError as error:
        allowed = re.search(r"label must be from 0 to (\d+)", error.message)
        if allowed:
            return int(allowed[1]) + 1
    return 0


def _scale(network: keras.Model, side: int, channels: int) -> int:
    """A network's scale at a side; 0: it does not accept that side."""

    @tf.function(
        input_signature=[tf.TensorSpec([1, side, side, channels])], autograph=False
    )
    def call(image: tf.Tensor) -> tf.Tensor:
        return network(image, training=False)

    # Traced, it needs only shapes.
    try:
        made = call.get_concrete_function().structured_outputs
    except (ValueError, tf.errors.OpError):
        return 0
    height, width = made.shape[1:3]
    is_whole = height == width and height is not None and height % side == 0
    return height // side if is_whole else 0


def _all(loaded: Any) -> list[tuple[str, Any]]:
    return [(name, loaded.signatures[name]) for name in loaded.signatures]


def _specs(specs: Mapping[str, tf.TensorSpec]) -> dict[str, Value]:
    return {name: Value(tuple(spec.shape.as_list())) for name, spec in specs.items()}
