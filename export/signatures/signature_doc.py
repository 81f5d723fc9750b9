"""What a SavedModel's signatures take and give, in words, beside the model.

    <version>/assets.extra/signatures.md

TensorFlow Serving reads only what it knows of that folder.
"""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfgan_models import systems
from tfgan_models.layers import (
    ImageBatchNormalization,
    InstanceNormalization,
    MinibatchStdDev,
)

FILE = Path("assets.extra", "signatures.md")

_KINDS = (
    (
        ImageBatchNormalization,
        "Batch normalisation takes each image's own mean and variance, as training "
        "with one image a batch does: an image's answer depends on no other image of "
        "the request, nor on averages of the training.",
    ),
    (
        keras.layers.BatchNormalization,
        "Batch normalisation takes the averages that were kept in training: an image's "
        "answer depends on no other image of the request.",
    ),
    (
        InstanceNormalization,
        "Instance normalisation takes each image's own mean and variance: an image's "
        "answer depends on no other image of the request.",
    ),
    (
        MinibatchStdDev,
        "The standard deviation over a minibatch is that of each image alone, as in a "
        "batch of one: an image's answer depends on no other image of the request.",
    ),
    (keras.layers.Dropout, "Dropout is off; it is drawn in training alone."),
)


@dataclasses.dataclass(frozen=True)
class Doc:
    """What a module's endpoints are, in words.

    Attributes:
        signatures: What each signature does, by its name.
        values: What each input and output is and its range, by its name, which means
            the same in all signatures.
    """

    signatures: Mapping[str, str]
    values: Mapping[str, str]


def write(module: Any, network: keras.Model, directory: Path) -> None:
    """Writes the words beside a SavedModel.

    Args:
        module: What was saved: its `endpoints` by name, and their words in `doc`.
        network: What it serves.
        directory: The SavedModel's.

    Raises:
        ValueError: There are no words for a signature, an input or an output.
    """
    path = directory / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(text(module, network))


def text(module: Any, network: keras.Model) -> str:
    """Returns the words on the endpoints of `module`, see `write`."""
    name = type(network).__name__
    if found := systems.of_network(name):
        system, role = found
        paper = f"{name}, the {role} of {system.model} (arXiv:{system.arxiv})"
    else:
        paper = f"{name} {network.name!r}"
    parts = [
        f"# Signatures\n\nNetwork: {paper}.",
        "N is the number of samples in a request.",
        *behaviour(network),
        *(_section(name, module) for name in module.endpoints),
    ]
    return "\n\n".join(parts) + "\n"


def behaviour(network: keras.Model) -> list[str]:
    """Returns what the layers do that do otherwise in training, or with a batch."""
    layers = list(leaves(network))
    found = []
    for kind, note in _KINDS:
        # Ours is a kind of Keras's.
        if any(_first_kind(layer) is kind for layer in layers):
            found.append(note)
    return [*found, "The same request has the same answer every time."]


def _first_kind(layer: keras.layers.Layer) -> type | None:
    return next((kind for kind, _ in _KINDS if isinstance(layer, kind)), None)


def leaves(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the layers of a network and of the networks in it."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def _section(name: str, module: Any) -> str:
    endpoint = module.endpoints[name]
    if not hasattr(endpoint, "structured_input_signature"):
        endpoint = endpoint.get_concrete_function()
    arguments, options = endpoint.structured_input_signature
    inputs = {spec.name: spec for spec in (*arguments, *options.values())}
    rows = [
        _row(kind, key, spec, module.doc)
        for kind, specs in (("input", inputs), ("output", endpoint.structured_outputs))
        for key, spec in specs.items()
    ]
    purpose = _words(module.doc.signatures, name, "signature")
    table = "| | name | dtype | shape | |\n|---|---|---|---|---|\n" + "\n".join(rows)
    return f"## {name}\n\n{purpose}\n\n{table}"


def _row(kind: str, name: str, spec: tf.TensorSpec, doc: Doc) -> str:
    sides = ["N", *spec.shape[1:].as_list()]
    images = len(sides) == 4
    unknown = iter(("H", "W") if images else ())
    shape = ", ".join(str(next(unknown, "any") if s is None else s) for s in sides)
    words = _words(doc.values, name, kind)
    return f"| {kind} | `{name}` | {spec.dtype.name} | [{shape}] | {words} |"


def _words(known: Mapping[str, str], name: str, kind: str) -> str:
    if name not in known:
        raise ValueError(
            f"The {kind} {name!r} has no words in the module's doc. "
            f"Received: {sorted(known)}"
        )
    return inspect.cleandoc(known[name])
