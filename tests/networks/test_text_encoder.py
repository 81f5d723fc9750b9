"""The text encoder and the image encoder, beyond what conformance tests."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.keras_file import plain_keras
from tests.networks.conformance import randomize
from tests.networks.examples import captions, images
from tfgan_models import text_matching
from tfgan_models.networks import CharacterEncoder, ImageEncoder
from tfgan_models.networks.text_encoder import ALPHABET


def test_parameters() -> None:
    """Letters 70 x 64; 4-tap convolutions; GRU with two biases; dense layer."""
    assert len(set(ALPHABET)) == 69
    convolutions = (4 * 64 + 1) * 128 + (4 * 128 + 1) * 128
    gru = 3 * 128 * (128 + 128 + 2)
    assert CharacterEncoder().count_params() == (
        70 * 64 + convolutions + gru + (128 + 1) * 128
    )
    # Halved from 64 to 4 pixels by 32, 64, 128, 256 channels.
    convolutions = 16 * (3 * 32 + 32 * 64 + 64 * 128 + 128 * 256)
    trained = sum(int(np.prod(w.shape)) for w in ImageEncoder().trainable_weights)
    assert trained == convolutions + 2 * 480 + (4 * 4 * 256 + 1) * 128


def test_shapes_and_names() -> None:
    text = CharacterEncoder(5, 40)
    assert text.input.name == "caption"
    assert keras.backend.standardize_dtype(text.input.dtype) == "int32"
    assert text.input_shape == (None, 40)
    assert text.output_shape == (None, 5)
    image = ImageEncoder(5, 32, channels=1)
    assert image.input.name == "image"
    assert image.input_shape == (None, 32, 32, 1)
    assert image.output_shape == (None, 5)


def test_order_and_every_character_count_and_what_follows_the_end_does_not() -> None:
    network = CharacterEncoder(8, 24, filters=16)
    randomize(network)
    texts = ["cat on mat", "mat on cat", "cat on hat", "cat on mat!"]
    vectors = network(text_matching.characters(tf.constant(texts), 24)).numpy()
    for i in range(4):
        for j in range(i):
            assert np.abs(vectors[i] - vectors[j]).max() > 1e-3
    # The mean is over a caption's own places, not those behind its end: 6 of 6, 3 of 6.
    states = keras.Model(network.input, network.get_layer("gru").output)
    mean = keras.Model(network.input, network.get_layer("dense").input)
    (numbers,) = captions(network)
    steps, means = states(numbers).numpy(), mean(numbers).numpy()
    np.testing.assert_allclose(means[0], steps[0].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(means[1], steps[1, :3].mean(axis=0), atol=1e-6)
    empty = network(np.zeros((1, 24), "int32")).numpy()
    assert np.isfinite(empty).all()


@pytest.mark.parametrize("kind", [CharacterEncoder, ImageEncoder])
def test_rebuilt_from_keras_layers(kind: type) -> None:
    network = kind(6, 16, filters=8)
    randomize(network)
    twin = plain_keras.to_plain_keras(network)
    assert type(twin).__module__.startswith("keras.")
    given = captions(network)[0] if kind is CharacterEncoder else images(16)
    np.testing.assert_allclose(twin(given), network(given), atol=1e-6)
