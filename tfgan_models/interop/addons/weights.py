"""Which weights a layer of Keras 2 has, in the order and by the names of its files."""

from typing import NamedTuple, TypeAlias

from tfgan_models.errors import UsageError
from tfgan_models.interop.addons import addon_layers, keras_layers
from tfgan_models.interop.addons.description import SPECTRAL, WEIGHT, Layer
from tfgan_models.interop.messages import listed

_MOST_NAMED = 8

KINDS = {**keras_layers.KINDS, **addon_layers.KINDS}


class Slot(NamedTuple):
    """One weight of a layer.

    Attributes:
        name: As in `Layer.arrays`.
        label: The end of its name in a .h5 file.
        path: Where a checkpoint has it below the layer.
    """

    name: str
    label: str
    path: tuple[str, ...]


Place: TypeAlias = tuple[Layer, Slot]


def _slot(name: str, *path: str) -> Slot:
    return Slot(name, name, path or (name,))


def slots(layer: Layer) -> tuple[list[Slot], list[Slot]]:
    """The weights of a layer.

    Args:
        layer: No nested model.

    Returns:
        Those that are trained and those that are not, in Keras 2's order.
    """
    if layer.kind == SPECTRAL:
        kernel, *bias = _inner(layer)
        rest = [_slot("sn_u")]
        if not layer.trainable:
            return [], [kernel, *rest, *bias]
        return [kernel, *bias], rest
    if layer.kind == WEIGHT:
        _, *bias = _inner(layer)
        own, rest = [_slot("g"), _slot("kernel", "v")], [_slot("initialized")]
        if layer.arguments.get("data_init", True):
            names = ["kernel", *(slot.name for slot in bias)]
            clones = [
                Slot(f"unused_{name}", name, ("_naked_clone_layer", name))
                for name in names
            ]
        else:
            clones = []
        if not layer.trainable:
            return [], [*own, *rest, *bias, *clones]
        return [*own, *bias], [*rest, *clones]
    kind = KINDS.get(layer.kind)
    if kind is None:
        return [], []
    trained = [_slot(name) for name in kind.weights(layer.arguments)]
    rest = [_slot(name) for name in kind.statistics]
    return (trained, rest) if layer.trainable else ([], trained + rest)


def _inner(layer: Layer) -> list[Slot]:
    kind = KINDS[layer.inner.kind]
    names = kind.weights(layer.inner.arguments)
    return [_slot(name, "layer", name) for name in names]


def ordered(layer: Layer) -> list[Place]:
    """The weights of a layer or nested model as a .h5 file lists them.

    Args:
        layer: Of the outermost model.

    Returns:
        Layer and weight: all that are trained, then the others.
    """
    trained, rest = _split(layer)
    return trained + rest


def _split(layer: Layer) -> tuple[list[Place], list[Place]]:
    if layer.model is None:
        trained, rest = slots(layer)
        return [(layer, slot) for slot in trained], [(layer, slot) for slot in rest]
    halves = [_split(each) for each in layer.model.weighted()]
    return [place for half, _ in halves for place in half], [
        place for _, half in halves for place in half
    ]


def check_names(layer: Layer, expected: list[str], found: list[str]) -> None:
    """Holds the names of a layer's weights against those in the file.

    Args:
        layer: For the message.
        expected: Ends of names.
        found: Names.

    Raises:
        UsageError: They differ.
    """
    ends = [name.split("/")[-1].split(":")[0] for name in found]
    if ends != expected:
        raise UsageError(
            f"The weights of layer {layer.name!r} ({layer.kind}) in the file are not "
            f"those of its description: {listed(ends, _MOST_NAMED)}; expected "
            f"{listed(expected, _MOST_NAMED)}."
        )
