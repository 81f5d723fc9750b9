"""Floating-point operations of a tf.function, counted in its graph.

Convolutions and matrix products, their gradients and the gradients of these: 2 for each
weight and each place where it is used, padding included. What is computed for each
number alone (activations, normalisation, noise, optimizers) is not counted.
"""

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import tensorflow as tf

Place: TypeAlias = Callable[[tf.Operation], tf.Tensor]

# Where to find the kernel, and the map with a point for each place it is used at.
_CONVOLUTIONS: Mapping[str, tuple[Place, Place]] = {
    "": (lambda op: op.inputs[1], lambda op: op.outputs[0]),
    "BackpropInput": (lambda op: op.inputs[1], lambda op: op.inputs[2]),
    "BackpropFilter": (lambda op: op.outputs[0], lambda op: op.inputs[2]),
}
_PRODUCTS = {"MatMul": "transpose_a", "BatchMatMulV2": "adj_x"}


def count(
    function: tf.types.experimental.PolymorphicFunction,
    *arguments: tf.TensorSpec | tf.Tensor,
) -> int:
    """Returns the operations of one call.

    Args:
        function: A tf.function.
        *arguments: What it is called with.

    Raises:
        ValueError: There is something in it that cannot be counted.
    """
    graph = function.get_concrete_function(*arguments).graph
    for inner in graph.as_graph_def().library.function:
        kinds = {node.op for node in inner.node_def}
        if any(_is_counted(kind) for kind in kinds):
            raise ValueError(
                "Operations of loops, conditions and called functions are not counted. "
                f"Received: {inner.signature.name} with {sorted(kinds)}"
            )
    return sum(_operations(op) for op in _used(graph))


def _used(graph: tf.Graph) -> set[tf.Operation]:
    """Returns what the outputs or effects need; the rest is never run.

    Gradients of weights that nobody asked for are such a rest.
    """
    waiting = [*(tensor.op for tensor in graph.outputs), *graph.control_outputs]
    used: set[tf.Operation] = set()
    while waiting:
        op = waiting.pop()
        if op not in used:
            used.add(op)
            waiting += [*(tensor.op for tensor in op.inputs), *op.control_inputs]
    return used


def _is_counted(kind: str) -> bool:
    return kind in _PRODUCTS or _convolution(kind) is not None


def _convolution(kind: str) -> tuple[Place, Place] | None:
    for start in ("Conv2D", "DepthwiseConv2dNative"):
        if kind.startswith(start):
            return _CONVOLUTIONS.get(kind.removeprefix(start))
    return None


def _operations(op: tf.Operation) -> int:
    if op.type in _PRODUCTS:
        left, product = op.inputs[0].shape, op.outputs[0].shape
        summed = left[-2 if op.get_attr(_PRODUCTS[op.type]) else -1]
        return _product(op, [2, summed, *product])
    convolution = _convolution(op.type)
    if convolution is None:
        return 0
    kernel, places = (find(op).shape for find in convolution)
    return _product(op, [2, *kernel, *places[:-1]])


def _product(op: tf.Operation, sizes: list[int | None]) -> int:
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        raise ValueError(
            f"Every size must be known to count operations. Received: {sizes} in "
            f"{op.type} {op.name}"
        )
    return math.prod(known)
