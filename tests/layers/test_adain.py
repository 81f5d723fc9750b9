"""AdaIN: the formula, its affine function of the style, use in anybody's model."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tfgan_models.layers import AdaIN


def pair(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns images [3, 6, 5, 4], channels unlike each other, and styles [3, 7]."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 6, 5, 4)) * rng.uniform(0.5, 3, 4) + rng.normal(size=4)
    return x.astype("float32"), rng.normal(size=(3, 7)).astype("float32")


def normalized(x: np.ndarray, epsilon: float = 1e-8) -> np.ndarray:
    """Each channel of each image at mean 0 and variance 1, in float64."""
    x = x.astype("float64")
    variance = x.var((1, 2), keepdims=True)
    return (x - x.mean((1, 2), keepdims=True)) / np.sqrt(variance + epsilon)


def test_equals_the_formula() -> None:
    x, style = pair()
    layer = AdaIN()
    layer(x, style)
    rng = np.random.default_rng(1)
    kernel, bias = rng.normal(size=(7, 8)), rng.normal(size=8)
    layer.set_weights([kernel, bias])
    # gain 1: the scale at run time is 1 / sqrt(7).
    wanted = (style @ kernel / 7**0.5 + bias).reshape(3, 1, 1, 8)
    expected = normalized(x) * (1 + wanted[..., :4]) + wanted[..., 4:]
    y = layer(x, style)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    # What a style asks for is what the channels then have.
    np.testing.assert_allclose(np.mean(y, (1, 2)), wanted[:, 0, 0, 4:], atol=1e-5)
    np.testing.assert_allclose(
        np.std(y, (1, 2)), np.abs(1 + wanted[:, 0, 0, :4]), atol=1e-5
    )


def test_fresh_affine() -> None:
    """Bias 0: a style of zeros only normalises. The kernel starts at N(0, 1)."""
    x, style = pair()
    layer = AdaIN()
    y = layer(x, 0 * style)
    np.testing.assert_allclose(y, normalized(x), atol=1e-5)
    layer = AdaIN()
    layer.build((None, 4, 4, 64), (None, 512))
    assert [w.shape for w in layer.weights] == [(512, 128), (128,)]
    assert abs(layer.affine.kernel.numpy().std() - 1) < 0.02
    assert layer.affine.gain == 1.0


def test_epsilon_and_a_constant_image() -> None:
    x, style = np.full((1, 4, 4, 2), 5.0, "float32"), np.zeros((1, 3), "float32")
    assert np.array_equal(AdaIN()(x, style), np.zeros(x.shape))
    x, style = pair()
    y = AdaIN(epsilon=2.0)(x, 0 * style)
    np.testing.assert_allclose(y, normalized(x, 2.0), atol=1e-5)


def test_float16_neither_overflows_nor_vanishes() -> None:
    x, style = pair()
    for size in (1e-2, 4000.0):
        half = (x * size).astype("float16")
        y = AdaIN(dtype="mixed_float16")(half, 0 * style)
        np.testing.assert_allclose(y, normalized(half), atol=5e-3)


def test_in_a_model_of_ones_own(tmp_path: Path) -> None:
    image = keras.Input((None, None, 3), name="image")
    style = keras.Input((7,), name="style")
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    x = keras.layers.ReLU()(AdaIN()(x, style))
    model = keras.Model({"image": image, "style": style}, keras.layers.Conv2D(3, 1)(x))
    assert model.output_shape == (None, None, None, 3)

    pictures, styles = pair()
    inputs = {"image": pictures[..., :3], "style": styles}
    target = np.zeros((3, 6, 5, 3), "float32")
    keras.utils.set_random_seed(0)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    history = model.fit(inputs, target, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert np.array_equal(loaded(inputs), model(inputs))
    larger = {"image": np.ones((1, 9, 4, 3), "float32"), "style": styles[:1]}
    assert loaded(larger).shape == (1, 9, 4, 3)


@pytest.mark.parametrize(
    "shapes",
    [((2, 4, 3), (2, 7)), ((2, 4, 4, None), (2, 7)), ((2, 4, 4, 3), (2, 1, 7))],
)
def test_wrong_inputs_say_what_was_received(shapes: tuple[tuple, tuple]) -> None:
    with pytest.raises(ValueError, match="Received: ") as error:
        AdaIN().build(*shapes)
    received = f"inputs_shape={shapes[0]}, style_shape={shapes[1]}"
    assert str(error.value).endswith(received)
