"""SavedModels of networks that are neither translation networks nor generators.

Discriminators, and functional models known only by their inputs and outputs.
"""

import enum
import re
from collections.abc import Iterable, Sequence

import keras
import tensorflow as tf

from export.keras_file import plain_keras
from export.signatures import signature_doc
from export.signatures.generation import Argument, assert_all, make_endpoint
from tfgan_models.errors import UsageError
from tfgan_models.networks import (
    PatchDiscriminator,
    PixelDiscriminator,
    StyleDiscriminator,
)

SIDES = (64, 128, 256, 512, 1024)
"""Values tried for sizes that a network leaves open, smallest first."""

# Keras's names for unnamed inputs.
_UNNAMED = re.compile(r"keras_tensor(_\d+)?(CLONE)?")
_JUDGED = (
    "Images in [-1, 1]; for a discriminator of pairs, the channels of "
    "the input, then those of the image."
)
_LOGITS = (
    "higher is more real: trained with the logistic loss, real is above 0; with least "
    "squares, real is 1 and fake 0."
)
_DOCS = {
    kind: signature_doc.Doc(
        {"serving_default": f"Scores each {part} of the images."},
        {"image": _JUDGED, "logits": f"A number for each {part}{more}, {_LOGITS}"},
    )
    for kind, part, more in (
        (PatchDiscriminator, "patch", ", of which there are fewer than pixels"),
        (PixelDiscriminator, "pixel", ""),
    )
} | {
    StyleDiscriminator: signature_doc.Doc(
        {"serving_default": "Scores each image on its own."},
        {
            "image": "Images in [-1, 1].",
            "labels": "The class of each, one-hot.",
            "score": "A number for each image: above 0 is real, below 0 fake.",
        },
    )
}


class GenericModule(tf.Module):
    """A functional network behind one signature, with its inputs and outputs.

    `serving_default`: each input of the network, by its name -> each output, by the
    name of the layer that makes it; floats of half or double precision as float32. An
    input without a name is called `input`, of several `input_0`, `input_1`, ...;
    characters that names cannot have become underscores.

    Args:
        network: Functional, or with a method `functional()` that returns such a model.

    Attributes:
        endpoints: Signature name -> function, for `tf.saved_model.save`.
        side: A valid value for the network's open sizes; None: it has
            none.
        doc: The signature's documentation.

    Raises:
        UsageError: The network is not functional, or none of the sizes tried is valid.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        model = _functional(network)
        # Only the variables: the SavedModel then contains no Keras objects.
        self.weights = [variable.value for variable in model.variables]
        inputs = input_names(model)
        outputs = output_names(model, inputs)
        arguments = [
            Argument(name, tf.as_dtype(tensor.dtype), tuple(tensor.shape[1:]))
            for name, tensor in zip(inputs, model.inputs, strict=True)
        ]

        least, self.side = _sizes(model)

        def answer(**given: tf.Tensor) -> dict[str, tf.Tensor]:
            checks = [_large_enough(x, given[x.name], least) for x in arguments]
            with tf.control_dependencies(checks):
                values = [tf.identity(given[name]) for name in inputs]
            made = keras.tree.flatten(model(values, training=False))
            return {n: _served(value) for n, value in zip(outputs, made, strict=True)}

        self.endpoints = {"serving_default": make_endpoint(arguments, answer)}
        doc = _DOCS.get(type(network)) or _doc(model, inputs, outputs)
        said = {x.name: doc.values[x.name] + _told(x, least) for x in arguments}
        self.doc = signature_doc.Doc(doc.signatures, {**doc.values, **said})


def input_names(model: keras.Model) -> list[str]:
    """Returns the names of a functional model's inputs in its signature."""
    several = len(model.inputs) > 1
    names = [
        (f"input_{i}" if several else "input") if _is_unnamed(tensor) else tensor.name
        for i, tensor in enumerate(model.inputs)
    ]
    return _distinct(names, ())


def output_names(model: keras.Model, inputs: Sequence[str]) -> list[str]:
    """Returns the names of its outputs, none of them an input's, to suit REST."""
    taken = set(inputs)
    names = [_usable(name) for name in model.output_names]
    names = [f"{name}_output" if name in taken else name for name in names]
    return _distinct(names, inputs)


def _functional(network: keras.Model) -> keras.Model:
    model = plain_keras.functional(network)
    if not getattr(model, "inputs", None) or not model.outputs:
        raise UsageError(
            f"{type(network).__name__} {network.name!r} cannot be exported: its inputs "
            "and outputs are not known. Build it as keras.Model(inputs, outputs)."
        )
    # Called with a list, whatever structure its inputs have.
    return keras.Model(list(model.inputs), list(model.outputs), name=model.name)


def _is_unnamed(tensor: keras.KerasTensor) -> bool:
    return bool(_UNNAMED.fullmatch(tensor.name))


def _usable(name: str) -> str:
    name = re.sub(r"\W", "_", name, flags=re.ASCII)
    # TensorFlow's names begin with a letter.
    return name if name[:1].isalpha() else f"x{name}"


def _distinct(names: Iterable[str], others: Iterable[str]) -> list[str]:
    """Makes names valid and unique by numbering."""
    found: list[str] = []
    for name in map(_usable, names):
        number, distinct = 0, name
        while distinct in {*found, *others}:
            number += 1
            distinct = f"{name}_{number}"
        found.append(distinct)
    return found


def _large_enough(argument: Argument, value: tf.Tensor, least: int) -> tf.Operation:
    """Fails if an input is so small that nothing is left of it inside the network.

    TensorFlow's own convolutions do not fail: their result is then undefined.
    """
    sizes = tf.shape(value)
    is_open = [False, *(size is None for size in argument.shape)]
    return assert_all(
        tf.boolean_mask(sizes, is_open) >= least,
        f"{argument.name} must be at least {least} in each direction. Received the "
        "shape:",
        sizes,
    )


def _told(argument: Argument, least: int) -> str:
    small = least == 1 or None not in argument.shape
    return "" if small else f" At least {least} in each direction."


def _served(value: tf.Tensor) -> tf.Tensor:
    return tf.cast(value, tf.float32) if value.dtype.is_floating else value


def _sizes(model: keras.Model) -> tuple[int, int | None]:
    """Returns the minimum of open sizes, and a value that is certainly valid."""
    if all(None not in tensor.shape[1:] for tensor in model.inputs):
        return 1, None
    side = next((side for side in SIDES if _traced(model, side) is _Traced.TAKEN), None)
    if side is None:
        raise UsageError(
            f"{model.name!r} accepts none of the heights and widths that were tried: "
            f"{', '.join(map(str, SIDES))}. Give its inputs fixed sizes, as "
            "keras.Input((300, 300, 3))."
        )
    too_small, least = 0, side
    while least - too_small > 1:
        middle = (too_small + least) // 2
        if _traced(model, middle) is _Traced.EMPTY:
            too_small = middle
        else:
            least = middle
    return least, side


class _Traced(enum.Enum):
    """The result for inputs of a size: an output, nothing, or some other error."""

    TAKEN = enum.auto()
    EMPTY = enum.auto()
    REFUSED = enum.auto()


def _traced(model: keras.Model, side: int) -> _Traced:
    """Runs the network on just the shapes of one sample of a size."""
    specs = [
        tf.TensorSpec([1, *(side if s is None else s for s in x.shape[1:])], x.dtype)
        for x in model.inputs
    ]
    found = _Traced.TAKEN

    @tf.function(autograph=False)
    def call(values: list[tf.Tensor]) -> None:
        nonlocal found
        try:
            model(values, training=False)
        except (ValueError, tf.errors.OpError) as error:
            negative = "Negative dimension" in str(error)
            found = _Traced.EMPTY if negative else _Traced.REFUSED
        # Padding can make an empty image non-empty again.
        if _holds_nothing(values[0].graph):
            found = _Traced.EMPTY

    call.get_concrete_function(specs)
    return found


def _holds_nothing(graph: tf.Graph) -> bool:
    """Whether some image or sequence in a graph has a side of 0."""
    made = (tensor for op in graph.get_operations() for tensor in op.outputs)
    return any(
        tensor.shape.rank is not None and tensor.shape.rank > 2 and 0 in tensor.shape
        for tensor in made
    )


def _doc(
    model: keras.Model, inputs: Sequence[str], outputs: Sequence[str]
) -> signature_doc.Doc:
    given = {
        name: "The network's input "
        + ("without a name." if _is_unnamed(tensor) else f"{tensor.name!r}.")
        for name, tensor in zip(inputs, model.inputs, strict=True)
    }
    made = {
        name: f"The output of its layer {layer!r}."
        for name, layer in zip(outputs, model.output_names, strict=True)
    }
    return signature_doc.Doc({"serving_default": "Runs the network."}, given | made)
