"""Products of affine maps, one for every image of a batch."""

import functools

import tensorflow as tf


def product(*matrices: tf.Tensor) -> tf.Tensor:
    """Multiplies square matrices from left to right, sample by sample.

    Args:
        *matrices: [N, K, K] each.

    Returns:
        [N, K, K].
    """
    return functools.reduce(_multiply, matrices)


def _multiply(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    # tf.matmul rounds float32 to ten bits on GPUs with TensorFloat-32.
    return tf.reduce_sum(left[:, :, :, tf.newaxis] * right[:, tf.newaxis], axis=2)
