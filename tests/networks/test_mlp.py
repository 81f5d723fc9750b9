"""The dense networks of GAN and CGAN: the papers' layers, calls with labels."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks.conformance import randomize
from tests.networks.examples import images, normal, one_hot
from tfgan_models.networks import (
    ConditionalMLPDiscriminator,
    ConditionalMLPGenerator,
    MLPDiscriminator,
    MLPGenerator,
)

KINDS = [
    MLPGenerator,
    MLPDiscriminator,
    ConditionalMLPGenerator,
    ConditionalMLPDiscriminator,
]
CONDITIONAL = KINDS[2:]


def first_input(network: keras.Model) -> np.ndarray:
    if "Generator" in type(network).__name__:
        return normal(3, network.latent_size)
    return images(network.resolution, network.channels, batch=3)


def made(network: type[keras.Model], **options: Any) -> keras.Model:
    """Returns a network with random weights whose outputs are not saturated."""
    made = network(**options)
    randomize(made)
    for weight in made.weights:
        weight.assign(weight / max(1.0, 0.3 * weight.shape[0] ** 0.5))
    return made


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        (MLPGenerator, 2_503_984),
        (MLPDiscriminator, 942_000 + 289_200 + 241),
        (ConditionalMLPGenerator, 2_413_984),
        (ConditionalMLPDiscriminator, 1_224_351),
    ],
)
def test_parameters(network: type[keras.Model], parameters: int) -> None:
    assert network().count_params() == parameters
    assert f"{parameters:,} parameters" in network.__doc__


@pytest.mark.parametrize("network", KINDS)
def test_fresh_weights(network: type[keras.Model]) -> None:
    limit = 0.05 if "Generator" in network.__name__ else 0.005
    kernels = [w.numpy() for w in network().weights if w.name == "kernel"]
    biases = [w.numpy() for w in network().weights if w.name == "bias"]
    assert len(kernels) == len(biases) > 2
    for kernel in kernels:
        assert np.abs(kernel).max() <= limit
        # Five standard errors of the deviation of uniform numbers.
        spread = kernel.std() / (limit / 3**0.5)
        assert abs(spread - 1) < 5 * (0.2 / kernel.size) ** 0.5
    assert not any(bias.any() for bias in biases)
    assert len({float(kernel.ravel()[0]) for kernel in kernels}) == len(kernels)


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def largest(x: np.ndarray, pieces: int) -> np.ndarray:
    return x.reshape(len(x), -1, pieces).max(-1)


def sigmoid_image(x: np.ndarray, side: int, channels: int) -> np.ndarray:
    return (2 / (1 + np.exp(-x)) - 1).reshape(-1, side, side, channels)


def affine(network: keras.Model) -> Any:
    """Returns a function of a layer's name and x: x times kernel plus bias."""

    def apply(name: str, x: np.ndarray) -> np.ndarray:
        kernel, bias = network.get_layer(name).get_weights()
        return x @ kernel + bias

    return apply


def test_generator_by_its_formula() -> None:
    network = made(MLPGenerator, image_size=5, channels=2, units=30, layers=3)
    z, f = normal(3, 100), affine(network)
    x = z
    for i in (1, 2, 3):
        x = relu(f(f"hidden{i}", x))
    expected = sigmoid_image(f("pixels", x), 5, 2)
    assert expected.std() > 0.05
    np.testing.assert_allclose(network(z), expected, atol=1e-5)


def test_discriminator_by_its_formula() -> None:
    network = made(MLPDiscriminator, image_size=5, channels=2, units=30, pieces=4)
    image, f = images(5, 2, batch=3), affine(network)
    x = image.reshape(3, 50)
    for i in (1, 2):
        x = largest(f(f"hidden{i}", x), 4)
    np.testing.assert_allclose(network(image), f("head", x), atol=1e-5)


def test_conditional_generator_by_its_formula() -> None:
    network = made(ConditionalMLPGenerator, image_size=5, channels=2, label_size=4)
    z, y, f = normal(3, 100), one_hot(network, 3), affine(network)
    parts = [relu(f("hidden_latent", z)), relu(f("hidden_labels", y))]
    assert [part.shape[1] for part in parts] == [200, 1000]
    x = relu(f("hidden_joint", np.concatenate(parts, 1)))
    expected = sigmoid_image(f("pixels", x), 5, 2)
    assert expected.std() > 0.05
    np.testing.assert_allclose(network(z, labels=y), expected, atol=1e-5)


def test_conditional_discriminator_by_its_formula() -> None:
    network = made(ConditionalMLPDiscriminator, image_size=5, channels=2, label_size=4)
    image, y, f = images(5, 2, batch=3), one_hot(network, 3), affine(network)
    pixels = image.reshape(3, 50)
    parts = [
        largest(f("hidden_image", pixels), 5),
        largest(f("hidden_labels", y), 5),
    ]
    assert [part.shape[1] for part in parts] == [240, 50]
    x = largest(f("hidden_joint", np.concatenate(parts, 1)), 4)
    np.testing.assert_allclose(
        network(image, labels=y), f("head", x), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("network", "rates"),
    [
        (MLPGenerator, []),
        (MLPDiscriminator, [0.2, 0.5, 0.5]),
        (ConditionalMLPGenerator, [0.5, 0.5, 0.5]),
        (ConditionalMLPDiscriminator, [0.5, 0.5, 0.5]),
    ],
)
def test_dropout(network: type[keras.Model], rates: list[float]) -> None:
    def found(network: keras.Model) -> list[float]:
        kind = keras.layers.Dropout
        return [layer.rate for layer in network.layers if isinstance(layer, kind)]

    assert found(network()) == rates
    if rates:
        assert found(network(dropout=0.0)) == []
        random = network()
        inputs = [first_input(random)]
        if random.label_size:
            inputs.append(one_hot(random, 3))
        first, second = (np.asarray(random(*inputs, training=True)) for _ in range(2))
        assert not np.array_equal(first, second)


@pytest.mark.parametrize("network", KINDS)
def test_attributes(network: type[keras.Model]) -> None:
    made = network(image_size=12, channels=3)
    assert (made.resolution, made.channels) == (12, 3)
    assert made.label_size == (10 if network in CONDITIONAL else 0)
    if "Generator" in network.__name__:
        assert made.grown == 12
        assert made.latent_distribution == (
            "uniform" if network in CONDITIONAL else "normal"
        )


@pytest.mark.parametrize("network", CONDITIONAL)
def test_ways_to_call_with_labels(network: type[keras.Model]) -> None:
    model = made(network, image_size=6, label_size=4)
    x, labels = first_input(model), one_hot(model, 3)
    expected = np.asarray(model(x, labels=labels))
    names = [tensor.name for tensor in model.inputs]
    assert names[1] == "labels"
    spec = [tf.TensorSpec((None, *a.shape[1:])) for a in (x, labels)]
    traced = tf.function(
        lambda x, y: model(x, labels=y, training=False), input_signature=spec
    )
    for output in (
        model(x, labels),
        model([x, labels]),
        traced(x, labels),
        model.predict([x, labels], verbose=0),
        model.predict(dict(zip(names, (x, labels), strict=True)), verbose=0),
    ):
        np.testing.assert_allclose(output, expected, atol=1e-5, rtol=1e-5)
    turned = np.asarray(model(x, labels=labels[::-1]))
    assert np.abs(turned - expected)[0].max() > 1e-3


@pytest.mark.parametrize("network", CONDITIONAL)
def test_in_another_functional_model(network: type[keras.Model]) -> None:
    model = made(network, image_size=6, label_size=4)
    x, labels = first_input(model), one_hot(model, 3)
    inputs = [keras.Input(x.shape[1:]), keras.Input(labels.shape[1:])]
    outer = keras.Model(inputs, model(inputs[0], labels=inputs[1]))
    np.testing.assert_allclose(
        outer([x, labels]), model(x, labels=labels), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("network", KINDS)
def test_labels_missing_or_without_use(network: type[keras.Model]) -> None:
    model = network()
    x = first_input(model)
    wrong = None if model.label_size else np.eye(10, dtype="float32")[:3]
    text = "required. Received: labels=None" if wrong is None else r"labels=\(3, 10\)"
    with pytest.raises(ValueError, match=text):
        model(x, labels=wrong)
