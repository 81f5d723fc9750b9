"""Our networks rebuilt from Keras's own layers, for apps that do not know us."""

from collections.abc import Iterator
from typing import Any

import keras

from tfgan_models.errors import UsageError
from tfgan_models.layers import InstanceNormalization, ReflectionPadding2D


def to_stock(network: keras.Model) -> keras.Model:
    """Rebuilds a network from Keras's own layers and operations.

    The result, saved as .keras, loads with `keras.models.load_model` alone on each of
    Keras's backends. It computes in float32 whatever the network's dtype policy.

    Args:
        network: Built functionally: `keras.Model(inputs, outputs)` or a subclass which
            passes these to its base.

    Returns:
        A plain functional model with copies of the weights.

    Raises:
        UsageError: A layer or something in its configuration is neither Keras's nor
            known here.
    """
    clones: list[tuple[keras.layers.Layer, keras.layers.Layer]] = []

    def clone(operation: Any) -> Any:
        if not isinstance(operation, keras.layers.Layer):
            return operation
        if isinstance(operation, ReflectionPadding2D):
            return operation  # Replaced where it is called.
        stock = _stock_layer(operation)
        clones.append((operation, stock))
        return stock

    stock = keras.models.clone_model(network, clone_function=clone, call_function=_call)
    for ours, layer in clones:
        layer.set_weights(ours.get_weights())
    return stock


def _call(operation: Any, *args: Any, **kwargs: Any) -> Any:
    if isinstance(operation, ReflectionPadding2D):
        sides = [operation.padding, operation.padding]
        return keras.ops.pad(*args, [[0, 0], sides, sides, [0, 0]], mode="reflect")
    return operation(*args, **kwargs)


def _stock_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """A new layer of Keras's own that does what `layer` does, in float32."""
    if isinstance(layer, InstanceNormalization):
        return keras.layers.GroupNormalization(
            groups=-1,
            epsilon=layer.epsilon,
            center=layer.affine,
            scale=layer.affine,
            dtype="float32",
            name=layer.name,
        )
    if not type(layer).__module__.startswith("keras."):
        raise UsageError(
            f"Cannot rebuild layer {layer.name!r}: {type(layer).__name__} is neither "
            "Keras's own nor one that export.stock knows how to replace."
        )
    config = {**layer.get_config(), "dtype": "float32"}
    foreign = list(_foreign_objects(config))
    if foreign:
        raise UsageError(
            f"Cannot rebuild layer {layer.name!r}: its configuration holds "
            f"{', '.join(foreign)}, which is not Keras's own."
        )
    return type(layer).from_config(config)


def _foreign_objects(config: Any) -> Iterator[str]:
    """Names in a configuration which loading would look for outside of Keras."""
    if isinstance(config, dict):
        module = config.get("module")
        if isinstance(module, str) and module.split(".")[0] != "keras":
            yield f"{module}.{config.get('class_name')} {config.get('config')}"
        for value in config.values():
            yield from _foreign_objects(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from _foreign_objects(value)
