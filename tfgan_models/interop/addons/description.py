"""What a Keras 2 file says a model is: layers and how they are called."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from tfgan_models.errors import UsageError

MODELS = ("Functional", "Model", "Sequential")
SPECTRAL, WEIGHT = "Addons>SpectralNormalization", "Addons>WeightNormalization"
WRAPPERS = {
    SPECTRAL: ("layer", "power_iterations"),
    WEIGHT: ("layer", "data_init"),
}
"""Class of a layer around another -> its arguments."""

_MOST_NESTED = 50


@dataclasses.dataclass(eq=False)
class Layer:
    """A layer, or a nested model, as the file describes it.

    Attributes:
        name: Its name in its model.
        kind: The class, as "Conv2D" or "Addons>InstanceNormalization".
        arguments: Of its constructor.
        trainable: Whether its weights were trained.
        nodes: For each call, what it was called with.
        model: What is inside, where it is a model.
        wrapped: The layer inside, where it is a wrapper.
        arrays: Name of a weight -> value; filled by the reader.
    """

    name: str
    kind: str
    arguments: dict[str, Any]
    trainable: bool
    nodes: list[Any]
    model: "Model | None" = None
    wrapped: "Layer | None" = None
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def inner(self) -> "Layer":
        """What does the work: the layer inside, or this one."""
        return self.wrapped or self


@dataclasses.dataclass(eq=False)
class Model:
    """A functional or sequential model.

    Attributes:
        layers: In the file's order, which is that of the weights.
        inputs: References to tensors, [layer, call, output], or a dictionary of them.
        outputs: The same.
        sequential: Whether it is a stack of layers, which has no references.
    """

    layers: list[Layer]
    inputs: Any
    outputs: Any
    sequential: bool

    def weighted(self) -> list[Layer]:
        """The layers as Keras 2 counts them: a stack's input is not one."""
        if self.sequential:
            return [layer for layer in self.layers if layer.kind != "InputLayer"]
        return self.layers

    def walk(self) -> Iterator[Layer]:
        """Every layer, those of nested models in their place; no models."""
        for layer in self.layers:
            if layer.model is None:
                yield layer
            else:
                yield from layer.model.walk()


def decode(text: str | bytes) -> Any:
    """Reads JSON as Keras 2 writes it: tuples become lists.

    Args:
        text: JSON.

    Returns:
        Basic values.

    Raises:
        UsageError: It is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, object_hook=_plain)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"The file's description of its model is not valid JSON: "
            f"{type(error).__name__}: {str(error)[:100]}."
        ) from None


def _plain(value: dict[str, Any]) -> Any:
    if value.get("class_name") in ("__tuple__", "TensorShape") and "items" in value:
        return value["items"]
    return value


def parse(config: Any, depth: int = 0) -> Model:
    """Turns a file's description into layers.

    Args:
        config: {"class_name": "Functional", "config": {...}}.
        depth: Models around this one.

    Returns:
        The model.

    Raises:
        UsageError: It is not a functional or sequential model, or is malformed.
    """
    kind = config.get("class_name") if isinstance(config, dict) else None
    if kind not in MODELS:
        raise UsageError(
            f"The model is of class {kind!r}, whose code is not in the file. "
            "Only functional and sequential Keras 2 models, saved whole, are supported."
        )
    try:
        inner = config["config"]
        if isinstance(inner, list):  # Sequential, before TensorFlow 2.
            inner = {"layers": inner}
        if not inner["layers"]:
            raise KeyError("layers")
        layers = [read_layer(each, depth) for each in inner["layers"]]
        sequential = kind == "Sequential"
        if sequential:
            return Model(layers, None, None, True)
        return Model(layers, inner["input_layers"], inner["output_layers"], False)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"The file's description of its model is malformed: "
            f"{type(error).__name__}: {error}."
        ) from None


def read_layer(config: Any, depth: int) -> Layer:
    """Turns the description of one layer, {"class_name": ..., "config": ...}, into it.

    Args:
        config: From the file.
        depth: Models around it.

    Returns:
        The layer; what a wrapper wraps is its `wrapped`.

    Raises:
        UsageError: A model in it is not functional or sequential.
        KeyError: It is malformed; TypeError as well.
    """
    if depth > _MOST_NESTED:
        raise UsageError(f"The file nests more than {_MOST_NESTED} models or wrappers.")
    kind = config["class_name"]
    if not isinstance(kind, str):
        raise TypeError("a layer's class is not a string")
    model = parse(config, depth + 1) if kind in MODELS else None
    arguments = {"layers": config["config"]} if model else dict(config["config"])
    name = config.get("name") or _name(config["config"])
    if not isinstance(name, str):
        raise TypeError("a layer's name is not a string")
    nodes = config.get("inbound_nodes", [])
    trainable = bool(arguments.get("trainable", True))
    layer = Layer(name, kind, arguments, trainable, list(nodes), model)
    if kind in WRAPPERS:
        layer.wrapped = read_layer(arguments["layer"], depth + 1)
    return layer


def _name(config: Any) -> Any:
    return config.get("name") if isinstance(config, dict) else "sequential"
