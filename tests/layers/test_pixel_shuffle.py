"""PixelShuffle2D equals its paper's equation, depth_to_space and PyTorch's."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from export.keras_file.plain_keras import to_plain_keras
from tfgan_models.layers import PixelShuffle2D


def maps(*shape: int) -> np.ndarray:
    """Returns random values."""
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_equation_4_of_the_paper(scale: int) -> None:
    x = maps(2, 4, 5, 3 * scale**2)
    y = PixelShuffle2D(scale)(x)
    expected = np.zeros((2, 4 * scale, 5 * scale, 3), "float32")
    for row in range(4 * scale):
        for column in range(5 * scale):
            first = 3 * (scale * (row % scale) + column % scale)
            source = x[:, row // scale, column // scale, first : first + 3]
            expected[:, row, column] = source
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("shape", [(2, 5, 7, 12), (1, 4, 4, 4), (0, 3, 2, 8)])
def test_equals_tensorflows_depth_to_space(shape: tuple[int, ...]) -> None:
    x = maps(*shape)
    expected = tf.nn.depth_to_space(x, 2)
    np.testing.assert_array_equal(PixelShuffle2D(2)(x), expected)


def test_equals_pytorchs_with_the_channels_in_its_order() -> None:
    x = maps(2, 4, 5, 18)
    y = PixelShuffle2D(3)(x)
    theirs = x.reshape(2, 4, 5, 9, 2).transpose(0, 4, 3, 1, 2).reshape(2, 18, 4, 5)
    expected = torch.nn.PixelShuffle(3)(torch.from_numpy(theirs))
    np.testing.assert_array_equal(y, expected.permute(0, 2, 3, 1))


def test_any_height_and_width_in_a_graph() -> None:
    image = keras.Input((None, None, 8))
    network = keras.Model(image, PixelShuffle2D(2)(image))
    assert network.output_shape == (None, None, None, 2)
    signature = [tf.TensorSpec((None, None, None, 8))]
    traced = tf.function(network, input_signature=signature)
    for shape in ((1, 3, 4, 8), (2, 6, 1, 8)):
        x = maps(*shape)
        np.testing.assert_array_equal(traced(x), tf.nn.depth_to_space(x, 2))


@pytest.mark.parametrize("scale", [2, 3])
def test_rebuilt_from_keras_layers_it_is_the_same(scale: int, tmp_path: Path) -> None:
    image = keras.Input((None, None, 2 * scale**2))
    network = keras.Model(image, PixelShuffle2D(scale)(image))
    to_plain_keras(network).save(tmp_path / "plain.keras")
    loaded = keras.models.load_model(tmp_path / "plain.keras")
    kinds = {type(layer).__module__.split(".")[0] for layer in loaded.layers}
    assert kinds == {"keras"}
    for height, width in ((3, 5), (6, 2)):
        x = maps(2, height, width, 2 * scale**2)
        np.testing.assert_array_equal(loaded(x), network(x))


def test_other_channels_say_what_was_received() -> None:
    with pytest.raises(ValueError, match=r"scale=2 needs .* of 4 .*Received: 6$"):
        PixelShuffle2D(2)(maps(1, 2, 2, 6))
    layer = PixelShuffle2D(2)
    layer(maps(1, 2, 2, 8))
    with pytest.raises(ValueError, match="expected axis 3"):
        layer(maps(1, 2, 2, 12))
