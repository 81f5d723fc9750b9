"""ImageBatchNormalization: Keras's in training, each image's own afterwards."""

import keras
import numpy as np
import pytest

from export.keras_file.plain_keras import to_plain_keras
from tfgan_models.layers import ImageBatchNormalization
from tfgan_models.networks import UNetGenerator

OPTIONS = {"momentum": 0.8, "epsilon": 1e-4}


def images(count: int = 3) -> np.ndarray:
    """Returns images of another mean and contrast each."""
    random = np.random.default_rng(0)
    contrast = random.uniform(0.5, 2.0, (count, 1, 1, 1))
    offset = random.normal(size=(count, 1, 1, 5))
    x = random.normal(size=(count, 6, 7, 5)) * contrast + offset
    return x.astype("float32")


def pair() -> tuple[ImageBatchNormalization, keras.layers.BatchNormalization]:
    """Ours and Keras's, with the same scale, offset and averages."""
    random = np.random.default_rng(1)
    layers = (
        ImageBatchNormalization(**OPTIONS),
        keras.layers.BatchNormalization(**OPTIONS),
    )
    values = [random.uniform(0.5, 1.5, 5) for _ in range(4)]
    for layer in layers:
        layer.build((None, None, None, 5))
        layer.set_weights(values)
    return layers


def test_in_training_it_is_kerass() -> None:
    ours, theirs = pair()
    x = images()
    np.testing.assert_array_equal(ours(x, training=True), theirs(x, training=True))
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("frozen", [False, True])
def test_afterwards_it_is_training_with_the_image_alone(frozen: bool) -> None:
    ours, theirs = pair()
    x = images()
    alone = [theirs(x[i : i + 1], training=True) for i in range(3)]
    before = ours.get_weights()
    ours.trainable = not frozen
    found = ours(x, training=frozen)
    np.testing.assert_allclose(found, np.concatenate(alone), atol=1e-5)
    for one, other in zip(before, ours.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_papers_generator_answers_as_it_was_trained() -> None:
    """With one image a batch, and without dropout."""
    sizes = {"downsamplings": 3, "filters": 4, "dropout": 0.0}
    x = np.random.default_rng(2).uniform(-1, 1, (2, 16, 24, 3)).astype("float32")
    by_image = UNetGenerator(**sizes, inference_norm="image")
    by_averages = UNetGenerator(**sizes)
    for weight in by_image.weights:
        if weight.name in ("gamma", "beta", "kernel"):
            value = np.random.default_rng(3).normal(weight, 0.2)
            weight.assign(value.astype("float32"))
    by_averages.set_weights(by_image.get_weights())
    trained = np.concatenate([by_image(x[i : i + 1], training=True) for i in range(2)])
    answer = by_image(x, training=False)
    np.testing.assert_allclose(answer, trained, atol=1e-5)
    twin = to_plain_keras(by_image)
    np.testing.assert_allclose(twin(x, training=False), answer, atol=1e-5)
    assert np.abs(by_averages(x, training=False) - trained).max() > 0.05
