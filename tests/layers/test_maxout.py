"""Maxout: the largest of each unit's linear pieces."""

import keras
import numpy as np

from tfgan_models.layers import Maxout


def values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_by_hand() -> None:
    layer = Maxout(2, 3)
    layer.build((None, 1))
    layer.set_weights(
        [np.array([[1.0, -1, 0, 2, 0, 0]]), np.array([0.0, 0, 1, 0, 0, 7])]
    )
    # Unit 0 is max(x, -x, 1), unit 1 is max(2x, 0, 7).
    x = np.array([[0.5], [-3.0], [4.0]], "float32")
    np.testing.assert_array_equal(layer(x), [[1, 7], [3, 7], [4, 8]])


def test_the_largest_of_separate_dense_layers() -> None:
    layer = Maxout(4, 5)
    layer.build((None, 7))
    kernel, bias = values(7, 20, seed=1), values(20, seed=2)
    layer.set_weights([kernel, bias])
    x = values(3, 7)
    pieces = [x @ kernel[:, i::5] + bias[i::5] for i in range(5)]
    np.testing.assert_allclose(layer(x), np.max(pieces, axis=0), atol=1e-5)


def test_one_piece_is_a_dense_layer() -> None:
    layer, dense = Maxout(4, 1), keras.layers.Dense(4)
    x = values(3, 7)
    layer(x)
    dense(x)
    dense.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer(x), dense(x), atol=1e-6)


def test_axes_before_the_last_one_are_kept() -> None:
    layer = Maxout(4, 2)
    x = values(2, 3, 5, 7)
    y = np.asarray(layer(x))
    assert y.shape == layer.compute_output_shape(x.shape) == (2, 3, 5, 4)
    np.testing.assert_allclose(y[1, 2], layer(x[1, 2]), atol=1e-6)


def test_parameters_and_initialisation() -> None:
    layer = Maxout(
        240, 5, kernel_initializer=keras.initializers.RandomUniform(-0.005, 0.005)
    )
    layer.build((None, 784))
    assert layer.count_params() == 942_000
    kernel = layer.kernel.numpy()
    assert 0.00499 < np.abs(kernel).max() <= 0.005
    # Five standard errors of the deviation of 940,800 uniform numbers.
    assert abs(kernel.std() / (0.005 / 3**0.5) - 1) < 5 * (0.2 / kernel.size) ** 0.5
    assert not layer.bias.numpy().any()
    twin = Maxout.from_config(layer.get_config())
    assert twin.kernel_initializer.maxval == 0.005
