"""Batches in parts, for networks whose memory does not hold them at once."""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import tensorflow as tf

Tensors: TypeAlias = dict[str, Any]
"""A batch: tensors, or lists of them, by name; each has N as its first axis."""
N = TypeVar("N")


def average(
    function: Callable[[Tensors], N],
    batch: Tensors,
    count: int,
    size: int,
    group: int,
) -> N:
    """Calls a function of a batch for parts of it, and averages what it returns.

    The parts hold whole groups of the minibatch standard deviation of the batch.

    Args:
        function: Batch to nested tensors.
        batch: Its tensors.
        count: Parts.
        size: Samples of each; N is so many times `count`.
        group: Samples in a group, of which a part is a multiple.
    """
    if count == 1:
        return function(batch)

    def cut(tensor: tf.Tensor) -> tf.Tensor:
        rest = tensor.shape[1:]
        parts = tf.reshape(tensor, [group, count, size // group, *rest])
        order = [1, 0, *range(2, parts.shape.rank)]
        return tf.reshape(tf.transpose(parts, order), [count, size, *rest])

    def add(total: N, part: Tensors) -> N:
        return tf.nest.map_structure(tf.add, total, function(part))

    parts = tf.nest.map_structure(cut, batch)
    first = function(tf.nest.map_structure(lambda x: x[0], parts))
    rest = tf.nest.map_structure(lambda x: x[1:], parts)
    total = tf.foldl(add, rest, initializer=first, parallel_iterations=1)
    return tf.nest.map_structure(lambda x: x / count, total)
