"""ONNX, written by tf2onnx and run by ONNX Runtime."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import tf2onnx
from tf2onnx.onnx_opset import math

from export.formats.graph import Graph
from export.formats.samples import Arrays, Runner

SUFFIX = ".onnx"
FIXED = False
"""Whether sizes must be fixed for the conversion."""
OPSET = 17
"""Of 2022: today's runtimes support it."""


def write(graph: Graph, path: Path) -> None:
    """Writes a signature; inputs and outputs keep their names.

    Raises:
        Exception: What tf2onnx and onnx raise for what they cannot convert.
    """
    model, _ = tf2onnx.convert.from_function(
        graph.function(),
        list(graph.inputs.values()),
        opset=OPSET,
        custom_op_handlers=_HANDLERS,
    )
    # tf2onnx writes unknown operations as if they existed.
    onnx.checker.check_model(model)
    onnx.save(model, path)


def load(path: Path) -> Runner:
    """Returns a function that runs the result."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Arrays) -> Arrays:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run


def _floor_mod(context: Any, node: Any, *_: Any) -> None:
    if context.get_dtype(node.input[0]) in _INTEGERS:
        node.type = "Mod"
    else:
        math.FloorMod.version_7(context, node)


def _floor_div(context: Any, node: Any, *_: Any) -> None:
    """Writes a // b of integers as (a - a % b) / b.

    tf2onnx's own rounds towards 0: -201 // 4 would be -50, and the translation of an
    image smaller than the image.
    """
    dividend, divisor = node.input
    if context.get_dtype(dividend) in _INTEGERS:
        rest = context.make_node("Mod", [dividend, divisor])
        whole = context.make_node("Sub", [dividend, rest.output[0]])
        context.replace_inputs(node, [whole.output[0], divisor])
    math.FloorDiv.version_6(context, node)


_INTEGERS = {onnx.TensorProto.INT32, onnx.TensorProto.INT64}
_HANDLERS: Mapping[str, tuple[Callable[..., None], list[str]]] = {
    "FloorDiv": (_floor_div, []),
    "FloorMod": (_floor_mod, []),
}
