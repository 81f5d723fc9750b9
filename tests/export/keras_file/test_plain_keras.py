"""The .keras files, in apps that have never heard of this package."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from export.keras_file.plain_keras import to_plain_keras
from export.signatures.writing import write_saved_model
from tests.export.apps import BACKENDS, BLOCKED, run_app
from tests.export.generators import assert_nearly_equal
from tests.networks.conformance import randomize
from tfgan_models import layers
from tfgan_models.errors import UsageError
from tfgan_models.layers import InstanceNormalization
from tfgan_models.networks import (
    PatchDiscriminator,
    ResNetGenerator,
    UNetGenerator,
)

NETWORKS = {
    "resnet": lambda: ResNetGenerator(filters=4, residual_blocks=2),
    "resize": lambda: ResNetGenerator(
        filters=4, residual_blocks=1, norm="batch", dropout=0.5, upsampling="resize"
    ),
    "affine": lambda: ResNetGenerator(4, residual_blocks=1, norm="affine_instance"),
    "plain": lambda: ResNetGenerator(filters=4, residual_blocks=1, norm="none"),
    "unet": lambda: UNetGenerator(downsamplings=5, filters=4),
    "unet_resize": lambda: UNetGenerator(2, 4, norm="instance", upsampling="resize"),
    "unet_image": lambda: UNetGenerator(2, 4, inference_norm="image"),
    "unet_instance": lambda: UNetGenerator(downsamplings=2, filters=4, norm="instance"),
    "patch": lambda: PatchDiscriminator(filters=4),
}
# Enough for the apps: JAX compiles each operation for each size anew.
IN_APPS = {"resnet": [(8, 12), (16, 8)], "resize": [(8, 12)], "unet": [(32, 64)]}
APP = (
    BLOCKED
    + """
facts = np.load("facts.npz")
for key in sorted(facts):
    if "image" in key:
        expected = facts[key.replace("image", "expected")]
        answer = run(key.split("-")[0], facts[key])
        np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-5)
        print(key)
"""
)
LOAD_KERAS = """
import keras
def run(name, image):
    model = keras.models.load_model(f"{name}.keras")
    assert type(model).__module__.startswith("keras."), type(model)
    return model.predict(image, verbose=0)
"""
LOAD_SAVED_MODEL = """
import tensorflow as tf
def run(name, image):
    loaded = tf.saved_model.load(name)
    return loaded.signatures["serving_default"](image=image)["translated_image"]
"""


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> keras.Model:
    network = NETWORKS[request.param]()
    randomize(network)
    return network


@pytest.fixture(scope="module")
def app_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks as .keras and as SavedModel, and what they answer."""
    folder = tmp_path_factory.mktemp("app")
    rng = np.random.default_rng(0)
    facts = {}
    for name, sizes in IN_APPS.items():
        network = NETWORKS[name]()
        randomize(network)
        to_plain_keras(network).save(folder / f"{name}.keras")
        write_saved_model(network, folder / name)
        for i, size in enumerate(sizes):
            image = rng.uniform(-1, 1, (2, *size, 3)).astype(np.float32)
            facts[f"{name}-image-{i}"] = image
            facts[f"{name}-expected-{i}"] = network(image, training=False).numpy()
    np.savez(folder / "facts.npz", **facts)
    return folder


COMPARED = "resize-image-0\nresnet-image-0\nresnet-image-1\nunet-image-0\n"


@pytest.mark.parametrize("backend", BACKENDS)
def test_keras_files_load_without_this_package(app_folder: Path, backend: str) -> None:
    assert run_app(LOAD_KERAS + APP, app_folder, backend) == COMPARED


def test_saved_models_load_without_this_package(app_folder: Path) -> None:
    assert run_app(LOAD_SAVED_MODEL + APP, app_folder, "tensorflow") == COMPARED


def test_plain_network_is_keras_alone_and_equal(network: keras.Model) -> None:
    twin = to_plain_keras(network)
    assert type(twin) is keras.Model or type(twin).__module__.startswith("keras.")
    assert "tfgan_models" not in twin.to_json()
    assert twin.name == network.name
    assert twin.inputs[0].name == "image"
    left_out: tuple[str, ...] = ()
    if network.get_config().get("inference_norm") == "image":
        # They have no effect there, and Keras's own layer has none.
        left_out = ("moving_mean", "moving_variance")
    kept = [weight.shape for weight in network.weights if weight.name not in left_out]
    assert [weight.shape for weight in twin.weights] == kept
    image = np.random.default_rng(1).uniform(-1, 1, (1, 32, 32, 3))
    expected = network(image, training=False).numpy()
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(
        twin(image, training=False).numpy(), expected, rtol=0, atol=1e-5
    )


def test_weights_are_copies() -> None:
    network = NETWORKS["plain"]()
    before = [weight.numpy().copy() for weight in network.weights]
    for weight in to_plain_keras(network).weights:
        weight.assign(weight + 1)
    for weight, value in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_affine_instance_normalization() -> None:
    image = keras.Input((None, None, 3), name="image")
    layer = InstanceNormalization(epsilon=1e-3, affine=True)
    network = keras.Model(image, layer(image))
    randomize(network)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    twin = to_plain_keras(network)
    np.testing.assert_allclose(twin(x).numpy(), network(x).numpy(), rtol=0, atol=1e-5)
    assert len(twin.weights) == 2


def test_dark_flat_images_are_as_exact_as_by_our_layers() -> None:
    network = ResNetGenerator(filters=4, residual_blocks=2)
    exact = ResNetGenerator(filters=4, residual_blocks=2, dtype="float64")
    exact.set_weights(network.get_weights())
    x = np.random.default_rng(0).normal(-0.95, 0.001, (1, 64, 64, 3))
    x = x.astype(np.float32)
    expected = exact(x.astype(np.float64)).numpy()

    def error(model: keras.Model) -> float:
        return np.abs(model(x).numpy() - expected).mean()

    assert expected.std() > 0.01
    assert error(to_plain_keras(network)) < 1.1 * error(network)


def test_mixed_precision_becomes_float32() -> None:
    mixed = ResNetGenerator(filters=4, residual_blocks=1, dtype="mixed_bfloat16")
    plain = ResNetGenerator(filters=4, residual_blocks=1)
    plain.set_weights(mixed.get_weights())
    twin = to_plain_keras(mixed)
    assert {layer.compute_dtype for layer in twin.layers} == {"float32"}
    x = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(twin(x).numpy(), plain(x).numpy(), rtol=0, atol=1e-5)


def test_other_layers_of_ours() -> None:
    image = keras.Input((8, 8, 3), name="image")
    x = layers.EqualizedConv2D(4, 3, resample="down")(image)
    x = layers.NearestUpsampling2D()(x)
    x = layers.AverageDownsampling2D()(layers.Blur2D()(x))
    shared = layers.EqualizedDense(4)
    x = layers.Truncation(2)(layers.ChannelBias()(shared(shared(x[:, 0, 0]))))
    network = keras.Model(image, x)
    for weight in network.weights:
        weight.assign(np.random.default_rng(0).normal(size=weight.shape))
    twin = to_plain_keras(network)
    assert "tfgan_models" not in twin.to_json()
    images = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype("float32")
    assert_nearly_equal(twin(images).numpy(), network(images).numpy())


class Strange(keras.layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs


def unusual_activation(x: Any) -> Any:
    return x


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Strange(name="odd_one"), "Cannot rebuild layer 'odd_one': Strange is neither"),
        (keras.layers.Activation(unusual_activation), "unusual_activation"),
    ],
)
def test_what_keras_does_not_know_is_named(
    layer: keras.layers.Layer, text: str
) -> None:
    image = keras.Input((None, None, 3), name="image")
    with pytest.raises(UsageError, match=text):
        to_plain_keras(keras.Model(image, layer(image)))
