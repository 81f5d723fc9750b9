"""Our networks rebuilt from Keras's own layers, for apps without this package."""

import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from export.keras_file import plain_layers
from tfgan_models.errors import UsageError
from tfgan_models.layers.tensors import Tensor

_HALVES = ("float16", "bfloat16")
_NEWER = {
    **dict.fromkeys(("quantization_config", "renorm_clipping"), None),
    **dict.fromkeys(("input_axes", "output_axes", "ragged"), None),
    **{"renorm": False, "renorm_momentum": 0.99},
}
"""Settings that Keras 3.8 does not have, and their neutral values."""


def to_plain_keras(network: keras.Model) -> keras.Model:
    """Rebuilds a network from Keras's own layers and operations.

    The result, saved as .keras, loads with `keras.models.load_model` alone on each of
    Keras's backends. It computes in float32 whatever the network's dtype policy.

    Args:
        network: Built functionally: `keras.Model(inputs, outputs)`, a subclass which
            passes these to its base, or what a generator's `functional()` returns.

    Returns:
        A plain functional model with copies of the weights.

    Raises:
        UsageError: A layer or part of its configuration is neither Keras's nor
            replaceable here.
    """
    clones: dict[int, tuple[keras.layers.Layer, list[np.ndarray]]] = {}

    def clone(operation: keras.Operation) -> keras.Operation:
        if not isinstance(operation, keras.layers.Layer):
            return operation
        if type(operation) in plain_layers.EXPANSIONS:
            return operation  # Replaced where it is called.
        if id(operation) not in clones:
            clones[id(operation)] = _plain_layer(operation)
        return clones[id(operation)][0]

    plain = keras.models.clone_model(network, clone_function=clone, call_function=_call)
    for layer, weights in clones.values():
        layer.set_weights(weights)
    for operation in plain.operations:
        config = _config_of_old(operation)
        operation.get_config = functools.partial(dict, config)
    return plain


def functional(network: keras.Model) -> keras.Model:
    """Returns a network as a functional model, if it provides one."""
    return network.functional() if hasattr(network, "functional") else network


def _call(operation: keras.Operation, *args: Any, **kwargs: Any) -> Tensor:
    expansion = plain_layers.EXPANSIONS.get(type(operation))
    if expansion is not None:
        return expansion(operation, *args, **kwargs)
    # To the network's compute dtype. The class has no public name.
    if type(operation).__name__ == "Cast" and operation.dtype in _HALVES:
        return keras.ops.cast(args[0], "float32")
    if isinstance(operation, keras.layers.GroupNormalization):
        return operation(plain_layers.centred(operation, args[0]))
    return operation(*args, **kwargs)


def _config_of_old(operation: keras.Operation) -> dict[str, Any]:
    """How an operation is saved so that Keras 3.8 can read it."""
    config = operation.get_config()
    if not isinstance(operation, keras.layers.Layer):
        # They have none before Keras 3.11.
        config.pop("name", None)
    return _without_newer(config)


def _without_newer(config: Any) -> Any:
    if isinstance(config, dict):
        return {
            key: _without_newer(value)
            for key, value in config.items()
            if key not in _NEWER or value != _NEWER[key]
        }
    if isinstance(config, list | tuple):
        return type(config)(map(_without_newer, config))
    return config


def _plain_layer(
    layer: keras.layers.Layer,
) -> tuple[keras.layers.Layer, list[np.ndarray]]:
    """A new Keras layer that does what `layer` does, in float32; its weights."""
    replacement = plain_layers.REPLACEMENTS.get(type(layer))
    if replacement is not None:
        return replacement(layer)
    if not type(layer).__module__.startswith("keras."):
        raise UsageError(
            f"Cannot rebuild layer {layer.name!r}: {type(layer).__name__} is neither "
            "Keras's own nor one that export.keras_file can replace."
        )
    config = {**layer.get_config(), "dtype": "float32"}
    foreign = list(_foreign_objects(config))
    if foreign:
        raise UsageError(
            f"Cannot rebuild layer {layer.name!r}: its configuration has "
            f"{', '.join(foreign)}, which is not Keras's own."
        )
    return type(layer).from_config(config), layer.get_weights()


def _foreign_objects(config: object) -> Iterator[str]:
    """Names in a configuration that loading would look up outside Keras."""
    if isinstance(config, dict):
        module = config.get("module")
        if isinstance(module, str) and module.split(".")[0] != "keras":
            yield f"{module}.{config.get('class_name')} {config.get('config')}"
        for value in config.values():
            yield from _foreign_objects(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _foreign_objects(value)
