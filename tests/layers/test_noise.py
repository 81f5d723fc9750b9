"""NoiseInjection: nothing at the start, then a strength for each channel."""

import keras
import numpy as np
import pytest

from tfgan_models.layers import NoiseInjection


def pair() -> tuple[np.ndarray, np.ndarray]:
    """Returns images [2, 4, 5, 3] and noise [2, 4, 5, 1]."""
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 4, 5, 3)), rng.normal(size=(2, 4, 5, 1))
    return x.astype("float32"), noise.astype("float32")


def test_fresh_layer_is_the_identity() -> None:
    x, noise = pair()
    layer = NoiseInjection()
    assert np.array_equal(layer(x, noise), x)
    assert layer.scale.shape == (3,)


def test_equals_the_formula() -> None:
    x, noise = pair()
    layer = NoiseInjection()
    layer(x, noise)
    scale = np.array([0.5, -2.0, 0.0], "float32")
    layer.scale.assign(scale)
    y = layer(x, noise)
    np.testing.assert_allclose(y, x + noise * scale, atol=1e-6)
    assert np.array_equal(y[..., 2], x[..., 2])


def test_the_docstring_example_with_any_height_and_width() -> None:
    image = keras.Input((None, None, 3), name="image")
    noise = keras.Input((None, None, 1), name="noise")
    layer = NoiseInjection()
    model = keras.Model([image, noise], layer(image, noise))
    layer.scale.assign([1.0, 2.0, 3.0])
    assert model.output_shape == (None, None, None, 3)
    x, z = pair()
    expected = x + z * np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(model([x, z]), expected, atol=1e-6)


def test_noise_of_several_channels_says_what_was_received() -> None:
    with pytest.raises(ValueError, match=r"Received: noise_shape=\(2, 4, 5, 3\)$"):
        NoiseInjection().build((2, 4, 5, 3), (2, 4, 5, 3))


def test_a_learning_rate_of_its_own() -> None:
    x, noise = np.zeros((1, 2, 2, 3), "float32"), np.ones((1, 2, 2, 1), "float32")
    layer = NoiseInjection(lr_multiplier=0.1)
    layer(x, noise)
    layer.scale.assign([1.0, 2.0, -3.0])
    np.testing.assert_allclose(layer(x, noise)[0, 0, 0], [0.1, 0.2, -0.3], rtol=1e-6)
    assert NoiseInjection.from_config(layer.get_config()).lr_multiplier == 0.1
