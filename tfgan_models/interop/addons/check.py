"""What is not supported of a Keras 2 model."""

from collections.abc import Iterator
from pathlib import Path

from tfgan_models.errors import UsageError
from tfgan_models.interop.addons import activations, operations
from tfgan_models.interop.addons.description import (
    SPECTRAL,
    WEIGHT,
    WRAPPERS,
    Layer,
    Model,
)
from tfgan_models.interop.addons.weights import KINDS
from tfgan_models.interop.messages import listed

FUNCTION_LAYERS = ("TFOpLambda", "SlicingOpLambda")
NODE_LAYER = "TensorFlowOpLayer"
_EVERYWHERE = {"name", "trainable", "dtype", "batch_input_shape", "autocast", "fused"}
_OF_TRAINING = ("_initializer", "_regularizer", "_constraint")
_MOST_NAMED = 8


def refuse_unknown(model: Model, path: Path) -> None:
    """Refuses a model that holds anything which cannot be rebuilt exactly.

    Args:
        model: From the file.
        path: The file, for the message.

    Raises:
        UsageError: Naming every such layer, up to eight of them.
    """
    found = [problem for layer in model.walk() for problem in _problems(layer)]
    if not found:
        return
    raise UsageError(
        f"{path} holds what cannot be converted: {listed(found, _MOST_NAMED)}. Code in "
        "a file is never run: replace these layers where the model was made, and save "
        "it again."
    )


def _problems(layer: Layer) -> Iterator[str]:
    name, kind = repr(layer.name)[:60], layer.kind[:60]
    if kind in FUNCTION_LAYERS:
        function = operations.function_name(layer.arguments)
        if function not in operations.FUNCTIONS:
            yield f"layer {name} ({kind} of tf.{function[:60]})"
    elif kind == NODE_LAYER:
        node = operations.node_name(layer.arguments)
        if node not in operations.NODES:
            yield f"layer {name} ({kind} of {node[:60]})"
    elif kind == "InputLayer":
        if layer.arguments.get("sparse") or layer.arguments.get("ragged"):
            yield f"layer {name} (a sparse or ragged {kind})"
    elif kind in WRAPPERS:
        yield from _unknown(layer, {*WRAPPERS[kind]})
        yield from _wrapped_problems(layer)
    elif kind in KINDS:
        known = KINDS[kind]
        yield from _unknown(layer, {*known.arguments, *known.ignored, *known.renamed})
        activation = activations.name_of(layer.arguments.get("activation"))
        if activation not in activations.KERAS and activation not in activations.OWN:
            yield f"layer {name} ({kind} with activation {activation[:60]!r})"
    else:
        yield f"layer {name} ({kind})"
    if any(_in_training(node) for node in layer.nodes):
        yield f"layer {name} ({kind} called with training=True)"


def _wrapped_problems(layer: Layer) -> Iterator[str]:
    inner = layer.inner
    normalized = {SPECTRAL: ("kernel", "embeddings"), WEIGHT: ("kernel",)}[layer.kind]
    names = KINDS[inner.kind].weights(inner.arguments) if inner.kind in KINDS else [""]
    if not names or names[0] not in normalized:
        yield f"layer {layer.name!r} ({layer.kind} of {inner.kind[:60]})"
    elif inner.trainable != layer.trainable:
        yield f"layer {layer.name!r} ({layer.kind}, trainable in part)"
    else:
        yield from _problems(inner)


def _unknown(layer: Layer, known: set[str]) -> Iterator[str]:
    """Arguments that are set and not supported."""
    for argument, value in layer.arguments.items():
        ignored = argument in _EVERYWHERE or argument.endswith(_OF_TRAINING)
        if ignored or argument in known or value is None or value is False:
            continue
        yield f"layer {layer.name!r} ({layer.kind} with {argument[:40]!r})"


def _in_training(value: object) -> bool:
    if isinstance(value, dict):
        return bool(value.get("training"))
    return isinstance(value, list) and any(_in_training(each) for each in value)
