"""Documentation of a SavedModel's signatures: model.json, and text written from it.

    <version>/assets.extra/signatures.md

TensorFlow Serving reads only what it knows of that folder.
"""

import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import keras
import tensorflow as tf

from tfgan_models import systems
from tfgan_models.layers import (
    ImageBatchNormalization,
    InstanceNormalization,
    MinibatchStdDev,
)
from tfgan_models.runs.description import (
    RANGE,
    Description,
    Network,
    Signature,
    Value,
    leaves,
)

FILE = Path("assets.extra", "signatures.md")

_KINDS = (
    (
        ImageBatchNormalization,
        "Batch normalisation uses each image's own mean and variance, as in training "
        "with batches of one: an image's result depends neither on other images of "
        "the request nor on averages from training.",
    ),
    (
        keras.layers.BatchNormalization,
        "Batch normalisation uses the moving averages from training: an image's "
        "result does not depend on other images of the request.",
    ),
    (
        InstanceNormalization,
        "Instance normalisation uses each image's own mean and variance: an image's "
        "result does not depend on other images of the request.",
    ),
    (
        MinibatchStdDev,
        "The minibatch standard deviation is that of each image alone, as in a "
        "batch of one: an image's result does not depend on other images of the "
        "request.",
    ),
    (keras.layers.Dropout, "Dropout is off; it is active in training only."),
)


@dataclasses.dataclass(frozen=True)
class Doc:
    """The documentation of a module's endpoints.

    Attributes:
        signatures: What each signature does, by its name.
        values: What each input and output is, and its range, by its name, which means
            the same in all signatures.
    """

    signatures: Mapping[str, str]
    values: Mapping[str, str]


class Documented(Protocol):
    """A module to export: its functions by signature name, and their documentation."""

    @property
    def endpoints(self) -> Mapping[str, Any]:
        """TensorFlow functions, concrete or with an input signature."""

    @property
    def doc(self) -> Doc:
        """Of all signatures."""


def signatures(module: Documented) -> dict[str, Signature]:
    """Returns the inputs and outputs of a module's endpoints, by name.

    Args:
        module: Its `endpoints` by name, and their documentation in `doc`.

    Raises:
        ValueError: A signature, an input or an output is not documented.
    """
    return {name: _signature(name, module) for name in module.endpoints}


def write(description: Description, directory: Path) -> None:
    """Writes the documentation next to a SavedModel."""
    path = directory / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(text(description))


def text(description: Description) -> str:
    """Returns the documentation of a SavedModel.

    Args:
        description: Its model.json.
    """
    parts = [
        "# Signatures",
        _network(description.network),
        *_told(description),
        "N is the number of samples in a request.",
        *description.notes,
        *(_section(name, found) for name, found in description.signatures.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _network(network: Network) -> str:
    if found := systems.of_network(network.kind):
        system, role = found
        paper = f"the {role} of {system.model} (arXiv:{system.arxiv})"
        return f"Network: {network.kind}, {paper}."
    return f"Network: {network.kind} {network.name!r}."


def _told(description: Description) -> list[str]:
    """What is known about a model's origin, one line each."""
    system = systems.SYSTEMS.get(description.system)
    lines = {
        "System": f"{system.model} (arXiv:{system.arxiv})" if system else "",
        "Description": description.description,
        "License": description.license,
        "Data set": description.dataset,
        "Classes, from 0": ", ".join(description.classes),
    }
    # A user's own line could start a heading, or a table.
    return [f"{name}: {' '.join(line.split())}" for name, line in lines.items() if line]


def behaviour(network: keras.Model) -> list[str]:
    """Returns what layers do that behave differently in training, or with a batch."""
    layers = list(leaves(network))
    found = []
    for kind, note in _KINDS:
        # Ours is a subclass of Keras's.
        if any(_first_kind(layer) is kind for layer in layers):
            found.append(note)
    return [*found, "The same request always has the same response."]


def _first_kind(layer: keras.layers.Layer) -> type | None:
    return next((kind for kind, _ in _KINDS if isinstance(layer, kind)), None)


def _signature(name: str, module: Documented) -> Signature:
    endpoint = module.endpoints[name]
    if not hasattr(endpoint, "structured_input_signature"):
        endpoint = endpoint.get_concrete_function()
    arguments, options = endpoint.structured_input_signature
    inputs = {spec.name: spec for spec in (*arguments, *options.values())}
    values = [
        {key: _value(kind, key, spec, module.doc) for key, spec in specs.items()}
        for kind, specs in (("input", inputs), ("output", endpoint.structured_outputs))
    ]
    return Signature(_words(module.doc.signatures, name, "signature"), *values)


def _value(kind: str, name: str, spec: tf.TensorSpec, doc: Doc) -> Value:
    shape = tuple(spec.shape.as_list())
    limits = RANGE if len(shape) == 4 else None
    return Value(shape, limits, spec.dtype.name, _words(doc.values, name, kind))


def _section(name: str, signature: Signature) -> str:
    rows = [
        _row(kind, key, value)
        for kind, values in (("input", signature.inputs), ("output", signature.outputs))
        for key, value in values.items()
    ]
    table = "| | name | dtype | shape | |\n|---|---|---|---|---|\n" + "\n".join(rows)
    return f"## {name}\n\n{signature.purpose}\n\n{table}"


def _row(kind: str, name: str, value: Value) -> str:
    sides = ["N", *value.shape[1:]]
    unknown = iter(("H", "W") if len(sides) == 4 else ())
    shape = ", ".join(str(next(unknown, "any") if s is None else s) for s in sides)
    return f"| {kind} | `{name}` | {value.dtype} | [{shape}] | {value.words} |"


def _words(known: Mapping[str, str], name: str, kind: str) -> str:
    if name not in known:
        raise ValueError(
            f"The {kind} {name!r} is missing in the module's doc. "
            f"Received: {sorted(known)}"
        )
    return inspect.cleandoc(known[name])
