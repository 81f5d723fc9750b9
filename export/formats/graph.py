"""A SavedModel's signature as one graph of constants, ready for a converter."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

from tfgan_models.errors import FailureError, UsageError


@dataclass(frozen=True)
class Graph:
    """A signature without variables, without checks, and with its constants computed.

    Args:
        definition: The graph; each loop is one operation with its body in the library.
        inputs: Name -> its spec, in the order of `definition`'s signature.
        outputs: Name -> tensor in `definition`.
    """

    definition: tf.compat.v1.GraphDef
    inputs: Mapping[str, tf.TensorSpec]
    outputs: Mapping[str, str]

    def function(self) -> tf.types.experimental.PolymorphicFunction:
        """Returns it as a tf.function of the inputs, to a dict of the outputs."""
        specs = list(self.inputs.values())

        @tf.function(input_signature=specs, autograph=False)
        def function(*values: tf.Tensor) -> dict[str, tf.Tensor]:
            fed = {f"{n}:0": v for n, v in zip(self.inputs, values, strict=True)}
            tensors = tf.graph_util.import_graph_def(
                self.definition, fed, list(self.outputs.values()), name=""
            )
            return dict(zip(self.outputs, tensors, strict=True))

        return function

    def operations(self) -> set[str]:
        """Returns the types of its operations, including those in loop bodies."""
        used, functions = set(), {f.signature.name: f for f in self._library}
        waiting = [self.definition.node]
        seen: set[str] = set()
        while waiting:
            for node in waiting.pop():
                used.add(node.op)
                for name in _functions_of(node):
                    if name in functions and name not in seen:
                        seen.add(name)
                        waiting.append(functions[name].node_def)
        return used - set(functions)

    @property
    def _library(self) -> Iterable[Any]:
        return self.definition.library.function


def read(
    directory: Path,
    signature: str,
    image_size: int | None = None,
    batch: int | None = None,
) -> Graph:
    """Reads a signature.

    Args:
        directory: Of the SavedModel.
        signature: Its name.
        image_size: Height and width of images; None: any.
        batch: Number of samples of a request; None: any.

    Raises:
        UsageError: There is no such signature, or it takes no image whose size could
            be chosen.
        FailureError: The SavedModel cannot be loaded.
    """
    loaded, function = load(directory, signature)
    specs = {
        name: tf.TensorSpec(_shape(spec, image_size, batch), spec.dtype, name)
        for name, spec in function.structured_input_signature[1].items()
    }
    if image_size and not any(is_image(spec) for spec in specs.values()):
        raise UsageError(
            f"--image_size={image_size} does not apply: the signature "
            f"{signature!r} takes {', '.join(sorted(specs))}, no image. Omit it."
        )
    if signature == "serving_default":
        # SRGAN's: the same without the loop over tiles, which no format supports.
        function = getattr(loaded, "untiled", function)

    @tf.function(autograph=False)
    def traced(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return function(**inputs)

    concrete = traced.get_concrete_function(**specs)
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        concrete, lower_control_flow=False
    )
    names = sorted(concrete.structured_outputs)
    outputs = dict(zip(names, (t.name for t in frozen.outputs), strict=True))
    definition = _needed(frozen.graph.as_graph_def(), outputs.values())
    given = [tensor.op.name for tensor in frozen.inputs]
    return Graph(
        _computed(definition, set(outputs.values())),
        {name: specs[name] for name in given},
        outputs,
    )


def load(
    directory: Path, signature: str
) -> tuple[tf.Module, tf.types.experimental.ConcreteFunction]:
    """Loads a SavedModel; returns it, to keep it alive, and one of its signatures.

    Raises:
        UsageError: It is not a SavedModel, or has no such signature.
        FailureError: It cannot be loaded.
    """
    loaded = _load(directory)
    if signature not in loaded.signatures:
        raise UsageError(
            f"--signature={signature} is not in {directory}. "
            f"There are: {', '.join(loaded.signatures)}."
        )
    return loaded, loaded.signatures[signature]


def signatures(directory: Path) -> list[str]:
    """Returns the names of a SavedModel's signatures."""
    return list(_load(directory).signatures)


def _load(directory: Path) -> tf.Module:
    if not (directory / "saved_model.pb").is_file():
        raise UsageError(
            f"--model={directory} is not a SavedModel: it has no saved_model.pb. "
            "Give the folder of a version, such as models/mine_a2b/1."
        )
    try:
        return tf.saved_model.load(str(directory))
    except (tf.errors.OpError, OSError, ValueError) as error:
        raise FailureError(f"Could not load {directory}: {error}") from error


def is_image(spec: tf.TensorSpec) -> bool:
    """Whether an input is images [N, H, W, C]."""
    return len(spec.shape) == 4


def _shape(
    spec: tf.TensorSpec, image_size: int | None, batch: int | None
) -> list[int | None]:
    shape = spec.shape.as_list()
    if image_size and is_image(spec):
        shape[1:3] = [image_size, image_size]
    if batch and shape and shape[0] is None:
        shape[0] = batch
    return shape


def _functions_of(node: tf.compat.v1.NodeDef) -> Iterator[str]:
    """Names of the functions that an operation calls."""
    yield node.op
    for value in node.attr.values():
        for function in (value.func, *value.list.func):
            yield function.name


def _needed(
    definition: tf.compat.v1.GraphDef, outputs: Iterable[str]
) -> tf.compat.v1.GraphDef:
    """The part of a graph that outputs need, without checks, unsupported in formats."""
    nodes = {node.name: node for node in definition.node}
    waiting = [output.split(":")[0] for output in outputs]
    reached = set(waiting)
    while waiting:
        for source in _sources(nodes[waiting.pop()]):
            if source not in reached:
                reached.add(source)
                waiting.append(source)
    # Inputs stay whether they are used or not.
    kept = [n for n in definition.node if n.name in reached or n.op == "Placeholder"]
    return _with_nodes(definition, kept)


def _sources(node: tf.compat.v1.NodeDef) -> Iterator[str]:
    """Names of the operations whose outputs an operation uses."""
    for tensor in node.input:
        if not tensor.startswith("^"):
            yield tensor.split(":")[0]


def _with_nodes(
    definition: tf.compat.v1.GraphDef, nodes: Iterable[tf.compat.v1.NodeDef]
) -> tf.compat.v1.GraphDef:
    """The graph with other operations, in topologically unspecified order."""
    made = tf.compat.v1.GraphDef()
    made.versions.CopyFrom(definition.versions)
    functions = {f.signature.name: f for f in definition.library.function}
    waiting: list[tf.compat.v1.NodeDef] = list(nodes)
    for node in waiting:
        copy = made.node.add()
        copy.CopyFrom(node)
        del copy.input[:]
        copy.input.extend(i for i in node.input if not i.startswith("^"))
    while waiting:
        for name in _functions_of(waiting.pop()):
            if name in functions:
                function = functions.pop(name)
                made.library.function.add().CopyFrom(function)
                waiting.extend(function.node_def)
    return made


def _computed(
    definition: tf.compat.v1.GraphDef, outputs: set[str]
) -> tf.compat.v1.GraphDef:
    """The graph with everything independent of the inputs replaced by its value.

    The noise of StyleGAN's `serving_default`, which is generated in every call, then
    needs no random operations of a format.
    """
    known = _independent(definition)
    left = _left(definition, known - {output.split(":")[0] for output in outputs})
    used = {tensor for node in left.values() for tensor in node.input}
    names = {
        tensor: tensor.replace(":", "_value_")
        for tensor in used
        if tensor.split(":")[0] not in left
    }
    values = _values(definition, known, list(names))
    computed = _with_nodes(definition, left.values())
    for node in computed.node:
        inputs = [names.get(tensor, tensor) for tensor in node.input]
        del node.input[:]
        node.input.extend(inputs)
    for tensor, value in values.items():
        node = computed.node.add(name=names[tensor], op="Const")
        node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return computed


def _left(
    definition: tf.compat.v1.GraphDef, known: set[str]
) -> dict[str, tf.compat.v1.NodeDef]:
    """The operations that stay, by name: those that depend on an input, and constants.

    If they use a non-array, such as a loop's list, the operation that makes it stays.
    """
    with tf.Graph().as_default() as imported:
        tf.graph_util.import_graph_def(definition, name="")
    lists = {
        operation.name
        for operation in imported.get_operations()
        if any(t.dtype in (tf.variant, tf.resource) for t in operation.outputs)
    }
    nodes = {node.name: node for node in definition.node}
    left = {
        name: node
        for name, node in nodes.items()
        if name not in known or node.op == "Const"
    }
    waiting = list(left.values())
    while waiting:
        for source in _sources(waiting.pop()):
            if source in lists and source not in left:
                left[source] = nodes[source]
                waiting.append(nodes[source])
    return left


def _independent(definition: tf.compat.v1.GraphDef) -> set[str]:
    """Names of the operations that depend on no input."""
    readers: dict[str, list[str]] = {}
    for node in definition.node:
        for source in _sources(node):
            readers.setdefault(source, []).append(node.name)
    waiting = [node.name for node in definition.node if node.op == "Placeholder"]
    dependent = set(waiting)
    while waiting:
        for name in readers.get(waiting.pop(), []):
            if name not in dependent:
                dependent.add(name)
                waiting.append(name)
    return {node.name for node in definition.node} - dependent


def _values(
    definition: tf.compat.v1.GraphDef, known: set[str], tensors: list[str]
) -> dict[str, np.ndarray]:
    """Computes tensors that depend on no input."""
    if not tensors:
        return {}
    alone = _with_nodes(definition, [n for n in definition.node if n.name in known])
    fetched = [tensor if ":" in tensor else f"{tensor}:0" for tensor in tensors]

    @tf.function(autograph=False)
    def compute() -> list[tf.Tensor]:
        return tf.graph_util.import_graph_def(alone, return_elements=fetched, name="")

    return {t: v.numpy() for t, v in zip(tensors, compute(), strict=True)}
