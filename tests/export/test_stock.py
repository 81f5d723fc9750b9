"""The .keras files, in apps that have never heard of this package."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from export.signatures import write_saved_model
from export.stock import to_stock
from tests.export.generators import latents, progressive, style
from tests.networks.conformance import randomize
from tfgan_models import layers
from tfgan_models.errors import UsageError
from tfgan_models.layers import InstanceNormalization
from tfgan_models.networks import PatchDiscriminator, ResNetGenerator, UNetGenerator

NETWORKS = {
    "resnet": lambda: ResNetGenerator(filters=4, residual_blocks=2),
    "resize": lambda: ResNetGenerator(
        filters=4, residual_blocks=1, norm="batch", dropout=0.5, upsampling="resize"
    ),
    "plain": lambda: ResNetGenerator(filters=4, residual_blocks=1, norm="none"),
    "unet": lambda: UNetGenerator(downsamplings=5, filters=4),
    "unet_resize": lambda: UNetGenerator(2, 4, norm="instance", upsampling="resize"),
    "unet_instance": lambda: UNetGenerator(downsamplings=2, filters=4, norm="instance"),
    "patch": lambda: PatchDiscriminator(filters=4),
}
# Enough for the apps: JAX compiles each operation for each size anew.
IN_APPS = {"resnet": [(8, 12), (16, 8)], "resize": [(8, 12)], "unet": [(32, 64)]}
# Run where the package cannot be imported: what an app of somebody else does.
BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tfgan_models", "export", "trainers"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocker())
try:
    import tfgan_models
except ModuleNotFoundError:
    pass
else:
    sys.exit("tfgan_models could be imported")

import numpy as np
"""
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
# In batches of 2, a person's own loop; the parts are cut out by their layers' names.
LOAD_GENERATORS = """
import keras
def run(name, inputs):
    model = keras.models.load_model(f"{name}.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    return model.predict(inputs, batch_size=2, verbose=0)

def run_parts(name, inputs):
    model = keras.models.load_model(f"{name}.keras")
    mapping = keras.Model(
        {key: model.input[key] for key in ("latent", "labels")},
        model.get_layer("w").output,
    )
    return mapping.predict({key: inputs[key] for key in mapping.input}, verbose=0)
"""
GENERATORS_APP = (
    BLOCKED
    + """
for name in ("style", "progressive"):
    facts = dict(np.load(f"{name}.npz"))
    expected = facts.pop("expected")
    w = facts.pop("w", None)
    answer = run(name, facts)
    assert answer.dtype == np.float32 and answer.shape == expected.shape
    error = np.abs(answer - expected).max() / expected.std()
    assert error < 1e-4, error
    if w is not None:
        error = np.abs(run_parts(name, facts) - w).max() / w.std()
        assert error < 1e-4, error
    print(name)
"""
)
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
        to_stock(network).save(folder / f"{name}.keras")
        write_saved_model(network, folder / name)
        for i, size in enumerate(sizes):
            image = rng.uniform(-1, 1, (2, *size, 3)).astype(np.float32)
            facts[f"{name}-image-{i}"] = image
            facts[f"{name}-expected-{i}"] = network(image, training=False).numpy()
    np.savez(folder / "facts.npz", **facts)
    return folder


def run_app(code: str, folder: Path, backend: str) -> str:
    """Runs `code` in `folder`; returns what it printed."""
    environment = {**os.environ, "KERAS_BACKEND": backend}
    # JAX compiles every operation: unoptimised, in a fraction of the time.
    environment["XLA_FLAGS"] = "--xla_backend_optimization_level=0"
    environment.pop("PYTHONPATH", None)
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


COMPARED = "resize-image-0\nresnet-image-0\nresnet-image-1\nunet-image-0\n"


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_keras_files_load_without_this_package(app_folder: Path, backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    assert run_app(LOAD_KERAS + APP, app_folder, backend) == COMPARED


def test_saved_models_load_without_this_package(app_folder: Path) -> None:
    assert run_app(LOAD_SAVED_MODEL + APP, app_folder, "tensorflow") == COMPARED


def test_stock_network_is_keras_alone_and_equal(network: keras.Model) -> None:
    stock = to_stock(network)
    assert type(stock) is keras.Model or type(stock).__module__.startswith("keras.")
    assert "tfgan_models" not in stock.to_json()
    assert stock.name == network.name
    assert stock.inputs[0].name == "image"
    assert stock.count_params() == network.count_params()
    image = np.random.default_rng(1).uniform(-1, 1, (1, 32, 32, 3))
    expected = network(image, training=False).numpy()
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(
        stock(image, training=False).numpy(), expected, rtol=0, atol=1e-5
    )


def test_weights_are_copies() -> None:
    network = NETWORKS["plain"]()
    before = [weight.numpy().copy() for weight in network.weights]
    for weight in to_stock(network).weights:
        weight.assign(weight + 1)
    for weight, value in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_affine_instance_normalization() -> None:
    image = keras.Input((None, None, 3), name="image")
    layer = InstanceNormalization(epsilon=1e-3, affine=True)
    network = keras.Model(image, layer(image))
    randomize(network)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    stock = to_stock(network)
    np.testing.assert_allclose(stock(x).numpy(), network(x).numpy(), rtol=0, atol=1e-5)
    assert len(stock.weights) == 2


def test_mixed_precision_becomes_float32() -> None:
    mixed = ResNetGenerator(filters=4, residual_blocks=1, dtype="mixed_bfloat16")
    plain = ResNetGenerator(filters=4, residual_blocks=1)
    plain.set_weights(mixed.get_weights())
    stock = to_stock(mixed)
    assert {layer.compute_dtype for layer in stock.layers} == {"float32"}
    x = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(stock(x).numpy(), plain(x).numpy(), rtol=0, atol=1e-5)


def generator_inputs(network: keras.Model, count: int) -> dict[str, np.ndarray]:
    """What a functional generator takes, by name."""
    rng = np.random.default_rng(2)
    inputs = {"latent": latents(count)}
    if network.label_size:
        labels = rng.integers(network.label_size, size=count)
        inputs["labels"] = np.eye(network.label_size, dtype="float32")[labels]
    if hasattr(network, "synthesis"):
        inputs["psi"] = rng.uniform(-1, 1, (count, 1)).astype("float32")
        for i, shape in enumerate(network.synthesis.noise_shapes()):
            inputs[f"noise_{i}"] = rng.normal(size=(count, *shape)).astype("float32")
    return inputs


def draw(network: keras.Model, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """What the generator draws from the inputs of its functional model."""
    options = {"labels": inputs.get("labels")}
    if "psi" in inputs:
        maps = range(network.synthesis.num_layers)
        options["noise"] = [inputs[f"noise_{i}"] for i in maps]
        options["psi"] = inputs["psi"]
    return network(inputs["latent"], **options).numpy()


def assert_nearly_equal(answer: np.ndarray, expected: np.ndarray) -> None:
    assert expected.std() > 0.1
    np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-4 * expected.std())


GENERATORS = {
    "style": style,
    "style_labels": lambda: style(label_size=3, resolution=16, channels=1),
    "progressive": progressive,
    "progressive_labels": lambda: progressive(label_size=3),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_generators_are_keras_alone_and_equal(name: str) -> None:
    network = GENERATORS[name]()
    stock = to_stock(network.functional())
    assert "tfgan_models" not in stock.to_json()
    for count in (1, 3):
        inputs = generator_inputs(network, count)
        assert set(stock.input) == set(inputs)
        answer = np.asarray(stock(inputs))
        assert_nearly_equal(answer, draw(network, inputs))


def test_a_stock_generators_names() -> None:
    network = style(label_size=3)
    stock = to_stock(network.functional())
    assert stock.name == network.name
    names = {layer.name for layer in stock.layers}
    assert names >= {"w", "ws", "image", "latent", "labels", "psi", "noise_9"}
    for adain in network.synthesis.adains:
        affine = stock.get_layer(f"{adain.name}_affine")
        kernel, bias = affine.get_weights()
        np.testing.assert_array_equal(kernel, adain.affine.scaled_kernel())
        np.testing.assert_array_equal(bias, adain.affine.scaled_bias())
    average = stock.get_layer("truncation").get_weights()[0]
    np.testing.assert_array_equal(average[0], network.w_avg)
    kinds = {type(stock.get_layer(f"conv_{i}")).__name__ for i in (2, 4, 6, 8)}
    assert kinds == {"Conv2DTranspose"}
    assert type(stock.get_layer("conv_1")).__name__ == "Conv2D"


def test_a_stock_generators_parts() -> None:
    network = style()
    stock = to_stock(network.functional())
    z = latents(3)
    w = keras.Model(stock.input["latent"], stock.get_layer("w").output)(z)
    assert_nearly_equal(np.asarray(w), network.mapping(z).numpy())
    inputs = generator_inputs(network, 3)
    maps = {name: x for name, x in inputs.items() if name.startswith("noise")}
    ws = np.random.default_rng(0).normal(size=(3, 10, w.shape[-1])).astype("float32")
    noise = [stock.input[name] for name in maps]
    synthesis = keras.Model([stock.get_layer("ws").output, *noise], stock.output)
    expected = network.synthesis(ws, noise=list(maps.values())).numpy()
    answer = synthesis([ws, *maps.values()])
    assert_nearly_equal(np.asarray(answer), expected)


@pytest.mark.parametrize("make", [style, progressive])
def test_half_precision_generators_become_float32(make: Any) -> None:
    mixed = make(label_size=3, resolution=16, dtype="mixed_bfloat16")
    plain = make(label_size=3, resolution=16)
    stock = to_stock(mixed.functional())
    assert {layer.compute_dtype for layer in stock.layers} == {"float32"}
    assert "bfloat16" not in stock.to_json()
    inputs = generator_inputs(plain, 2)
    assert_nearly_equal(np.asarray(stock(inputs)), draw(plain, inputs))


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
    stock = to_stock(network)
    assert "tfgan_models" not in stock.to_json()
    images = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype("float32")
    assert_nearly_equal(stock(images).numpy(), network(images).numpy())


@pytest.fixture(scope="module")
def generators_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generators as .keras, and what they draw."""
    folder = tmp_path_factory.mktemp("generators")
    networks = {"style": style(label_size=3), "progressive": progressive()}
    for name, network in networks.items():
        to_stock(network.functional()).save(folder / f"{name}.keras")
        inputs = generator_inputs(network, 3)
        facts = {**inputs, "expected": draw(network, inputs)}
        if name == "style":
            w = network.mapping(inputs["latent"], inputs["labels"])
            facts["w"] = w.numpy()
        np.savez(folder / f"{name}.npz", **facts)
    return folder


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_generators_load_without_this_package(
    generators_folder: Path, backend: str
) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    printed = run_app(LOAD_GENERATORS + GENERATORS_APP, generators_folder, backend)
    assert printed == "style\nprogressive\n"


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
        to_stock(keras.Model(image, layer(image)))
