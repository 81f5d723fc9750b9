"""A transform's derivatives against its Jacobian, written out column by column."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def check_gradients(transform: Callable[[tf.Tensor], tf.Tensor], channels: int) -> None:
    """Compares first and second derivatives of an affine transform of images.

    The penalty whose gradient is the second derivative is R1's: the squared gradient
    with respect to the images before the transform.
    """
    shape = (2, 4, 4, channels)
    rng = np.random.default_rng(0)
    images, direction = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    call = tf.function(transform, autograph=False)

    @tf.function(autograph=False)
    def derivatives(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                score = tf.reduce_sum(direction * transform(x) ** 2)
            first = inner.gradient(score, x)
            penalty = tf.reduce_sum(first**2)
        return first, outer.gradient(penalty, x)

    at_zero = call(tf.zeros(shape)).numpy().ravel()
    basis = np.eye(images.size, dtype=np.float32).reshape(-1, *shape)
    columns = [call(column).numpy().ravel() - at_zero for column in basis]
    jacobian = np.stack(columns, axis=1).astype(np.float64)
    assert np.linalg.matrix_rank(jacobian) > 1

    outputs = jacobian @ images.ravel() + at_zero
    first = jacobian.T @ (2 * direction.ravel() * outputs)
    second = jacobian.T @ (4 * direction.ravel() * (jacobian @ first))
    for ours, exact in zip(derivatives(images), (first, second), strict=True):
        scale = np.abs(exact).max()
        np.testing.assert_allclose(ours.numpy().ravel(), exact, atol=2e-5 * scale)
