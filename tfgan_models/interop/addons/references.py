"""The order in which a functional model's layers are called, and with what."""

import graphlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from tfgan_models.errors import UsageError
from tfgan_models.interop.addons.description import Layer, Model

Key: TypeAlias = tuple[str, int]
Reference: TypeAlias = list[Any]
"""[layer, call, output], or a value marked as one."""

_CONSTANT = "_CONSTANT_VALUE"


class Call(NamedTuple):
    """One call of a layer.

    Attributes:
        layer: Which.
        key: By which its outputs are referred to: the layer's name, the call's number.
        first: What it is called with, of references and values.
        others: Arguments by name, of the same.
    """

    layer: Layer
    key: Key
    first: Any
    others: dict[str, Any]


def in_order(model: Model) -> list[Call]:
    """The calls of a functional model, each after those whose outputs it takes.

    Args:
        model: Not sequential.

    Returns:
        Every call but those of input layers.

    Raises:
        UsageError: Some depend on what is not there, or on themselves.
    """
    calls = {call.key: call for layer in model.layers for call in _calls(layer)}
    known = {layer.name for layer in model.layers}
    given = {(layer.name, 0) for layer in model.layers if layer.kind == "InputLayer"}
    needed = {
        key: set(_keys((call.first, call.others), known)) - given
        for key, call in calls.items()
    }
    try:
        return [calls[key] for key in graphlib.TopologicalSorter(needed).static_order()]
    except graphlib.CycleError as error:
        stuck = error.args[1][0][0]
    except KeyError as error:
        stuck = next(
            name for (name, _), keys in needed.items() if error.args[0] in keys
        )
    raise UsageError(
        f"Layer {stuck!r} is called with a tensor that the file does not have."
    )


def _calls(layer: Layer) -> Iterator[Call]:
    if layer.kind == "InputLayer":
        return
    for number, node in enumerate(layer.nodes, start=_first_call(layer)):
        first, others = _unfold(node)
        yield Call(layer, (layer.name, number), first, others)


def _first_call(layer: Layer) -> int:
    """Keras 2 counts the making of a nested model as its first call."""
    if layer.model is None:
        return 0
    if layer.model.sequential and layer.model.layers[0].kind != "InputLayer":
        return 0
    return 1


def _unfold(node: Any) -> tuple[Any, dict[str, Any]]:
    """What a layer is called with: Keras 2 stores the arguments with each tensor."""
    if isinstance(node, list) and len(node) == 4 and isinstance(node[0], str):
        return node[:3], _dictionary(node[3])
    if isinstance(node, list) and node and all(isinstance(each, list) for each in node):
        others = _dictionary(node[0][3]) if len(node[0]) > 3 else {}
        return [each[:3] for each in node], others
    raise UsageError(f"A layer is called in an unknown way: {str(node)[:80]}.")


def _dictionary(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_reference(value: Any, known: set[str]) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str)
        and (value[0] == _CONSTANT or value[0] in known)
    )


def _keys(value: Any, known: set[str]) -> Iterator[Key]:
    if _is_reference(value, known):
        if value[0] != _CONSTANT:
            yield value[0], value[1]
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _keys(each, known)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _keys(each, known)


def resolve(value: Any, known: set[str], tensor: Callable[[Reference], Any]) -> Any:
    """Puts tensors in the place of references.

    Args:
        value: Of references and plain values.
        known: Names of layers.
        tensor: Gives the tensor of a reference.

    Returns:
        The same structure.
    """
    if _is_reference(value, known):
        return value[2] if value[0] == _CONSTANT else tensor(value)
    if isinstance(value, list):
        return [resolve(each, known, tensor) for each in value]
    if isinstance(value, dict):
        return {key: resolve(each, known, tensor) for key, each in value.items()}
    return value


def flat(references: Any) -> list[Reference]:
    """The references to a model's inputs or outputs, dictionaries by sorted keys.

    Args:
        references: One, a list or a dictionary of them.

    Returns:
        A list.

    Raises:
        UsageError: It is something else.
    """
    if isinstance(references, dict):
        return [each for key in sorted(references) for each in flat(references[key])]
    if isinstance(references, list):
        if len(references) == 3 and isinstance(references[0], str):
            return [references]
        return [each for part in references for each in flat(part)]
    raise UsageError(f"The file refers to tensors by {str(references)[:80]}.")
