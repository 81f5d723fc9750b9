"""The .keras files of generators from latents, and of networks with labels."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from export.keras_file.plain_keras import to_plain_keras
from tests.export.apps import BACKENDS, BLOCKED, run_app
from tests.export.generators import assert_nearly_equal, latents, progressive, style
from tests.export.signatures.test_captions import stack
from tests.networks.conformance import randomize
from tfgan_models.layers import InstanceNormalization
from tfgan_models.networks import (
    ConditionalMLPDiscriminator,
    ConditionalMLPGenerator,
    DCGANDiscriminator,
    DCGANGenerator,
    MLPDiscriminator,
    MLPGenerator,
    SRResNet,
)

# In batches of 2, a person's own loop; the parts are cut out by their layers' names.
LOAD_GENERATORS = """
import keras
def run(name, inputs):
    model = keras.models.load_model(f"{name}.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    inputs = inputs["image"] if list(inputs) == ["image"] else inputs
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
for name in ("style", "progressive", "dcgan", "maxout", "stack", "upscale", "flat"):
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


GENERATORS = {
    "style": style,
    "style_labels": lambda: style(label_size=3, resolution=16, channels=1),
    "style_options": lambda: style(norm_epsilon=0.1, bias_before_blur=True),
    "progressive": progressive,
    "progressive_labels": lambda: progressive(label_size=3),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_generators_are_keras_alone_and_equal(name: str) -> None:
    network = GENERATORS[name]()
    twin = to_plain_keras(network.functional())
    assert "tfgan_models" not in twin.to_json()
    for count in (1, 3):
        inputs = generator_inputs(network, count)
        assert set(twin.input) == set(inputs)
        answer = np.asarray(twin(inputs))
        assert_nearly_equal(answer, draw(network, inputs))


def test_a_plain_generators_names() -> None:
    network = style(label_size=3)
    twin = to_plain_keras(network.functional())
    assert twin.name == network.name
    names = {layer.name for layer in twin.layers}
    assert names >= {"w", "ws", "image", "latent", "labels", "psi", "noise_9"}
    for adain in network.synthesis.adains:
        affine = twin.get_layer(f"{adain.name}_affine")
        kernel, bias = affine.get_weights()
        np.testing.assert_array_equal(kernel, adain.affine.scaled_kernel())
        np.testing.assert_array_equal(bias, adain.affine.scaled_bias())
    average = twin.get_layer("truncation").get_weights()[0]
    np.testing.assert_array_equal(average[0], network.w_avg)
    kinds = {type(twin.get_layer(f"conv_{i}")).__name__ for i in (2, 4, 6, 8)}
    assert kinds == {"Conv2DTranspose"}
    assert type(twin.get_layer("conv_1")).__name__ == "Conv2D"


def test_a_plain_generators_parts() -> None:
    network = style()
    twin = to_plain_keras(network.functional())
    z = latents(3)
    w = keras.Model(twin.input["latent"], twin.get_layer("w").output)(z)
    assert_nearly_equal(np.asarray(w), network.mapping(z).numpy())
    inputs = generator_inputs(network, 3)
    maps = {name: x for name, x in inputs.items() if name.startswith("noise")}
    ws = np.random.default_rng(0).normal(size=(3, 10, w.shape[-1])).astype("float32")
    noise = [twin.input[name] for name in maps]
    synthesis = keras.Model([twin.get_layer("ws").output, *noise], twin.output)
    expected = network.synthesis(ws, noise=list(maps.values())).numpy()
    answer = synthesis([ws, *maps.values()])
    assert_nearly_equal(np.asarray(answer), expected)


@pytest.mark.parametrize("make", [style, progressive])
def test_half_precision_generators_become_float32(make: Any) -> None:
    mixed = make(label_size=3, resolution=16, dtype="mixed_bfloat16")
    plain = make(label_size=3, resolution=16)
    twin = to_plain_keras(mixed.functional())
    assert {layer.compute_dtype for layer in twin.layers} == {"float32"}
    assert "bfloat16" not in twin.to_json()
    inputs = generator_inputs(plain, 2)
    assert_nearly_equal(np.asarray(twin(inputs)), draw(plain, inputs))


LABELLED = {
    "mlp": lambda: MLPGenerator(6, latent_size=4, units=12),
    "mlp_judge": lambda: MLPDiscriminator(6, units=12),
    "conditional": lambda: ConditionalMLPGenerator(6, latent_size=4, label_size=3),
    "maxout": lambda: ConditionalMLPDiscriminator(6, label_size=3),
    "dcgan": lambda: DCGANGenerator(16, latent_size=4, filters=4, label_size=3),
    "dcgan_judge": lambda: DCGANDiscriminator(16, filters=4, label_size=3),
    "spectral": lambda: DCGANDiscriminator(16, filters=4, norm="spectral"),
    "half": lambda: DCGANDiscriminator(16, 4, norm="spectral", dtype="mixed_bfloat16"),
}


def labelled(name: str) -> tuple[keras.Model, dict[str, np.ndarray]]:
    """A network of LABELLED after some training-mode calls, and inputs by name."""
    network = LABELLED[name]()
    randomize(network)
    rng = np.random.default_rng(3)
    inputs = {
        tensor.name: rng.uniform(-1, 1, (3, *tensor.shape[1:])).astype("float32")
        for tensor in network.inputs
    }
    for _ in range(3):
        network(inputs, training=True)
    return network, inputs


@pytest.mark.parametrize("name", LABELLED)
def test_networks_with_labels_are_keras_alone_and_equal(name: str) -> None:
    network, inputs = labelled(name)
    twin = to_plain_keras(network)
    assert "tfgan_models" not in twin.to_json()
    assert [x.name for x in twin.inputs] == [x.name for x in network.inputs]
    kept = [w for w in network.weights if w.name not in ("u", "v")]
    assert [w.shape for w in twin.weights] == [w.shape for w in kept]
    exact = type(network).from_config(network.get_config() | {"dtype": "float32"})
    exact.set_weights(network.get_weights())
    expected = exact(*inputs.values()).numpy()
    assert expected.std() > 0.01
    answer = twin.predict(inputs, verbose=0)
    np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def generators_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generators as .keras, and what they draw."""
    folder = tmp_path_factory.mktemp("generators")
    networks = {"style": style(label_size=3), "progressive": progressive()}
    for name in ("dcgan", "maxout"):
        network, inputs = labelled(name)
        to_plain_keras(network).save(folder / f"{name}.keras")
        expected = network(inputs).numpy()
        np.savez(folder / f"{name}.npz", expected=expected, **inputs)
    others = {"stack": stack(encoder=False).functional(), "upscale": SRResNet(2, 4, 1)}
    randomize(others["upscale"])
    rng = np.random.default_rng(4)
    for name, network in others.items():
        to_plain_keras(network).save(folder / f"{name}.keras")
        inputs = {
            tensor.name: rng.uniform(-1, 1, [3, *(s or 8 for s in tensor.shape[1:])])
            for tensor in network.inputs
        }
        given = inputs if name == "stack" else inputs["image"]
        np.savez(folder / f"{name}.npz", expected=network(given), **inputs)
    # A flat image, by float64: the scaled mean of it has none of these digits.
    x = (1 + rng.normal(0, 1e-4, (2, 8, 8, 3))).astype("float32")
    image = keras.Input((None, None, 3), name="image")
    flat = keras.Model(image, InstanceNormalization(epsilon=1e-9)(image))
    to_plain_keras(flat).save(folder / "flat.keras")
    mean, variance = (f(x, (1, 2), "float64", keepdims=True) for f in (np.mean, np.var))
    np.savez(
        folder / "flat.npz", image=x, expected=(x - mean) / np.sqrt(variance + 1e-9)
    )
    for name, network in networks.items():
        to_plain_keras(network.functional()).save(folder / f"{name}.keras")
        inputs = generator_inputs(network, 3)
        facts = {**inputs, "expected": draw(network, inputs)}
        if name == "style":
            w = network.mapping(inputs["latent"], inputs["labels"])
            facts["w"] = w.numpy()
        np.savez(folder / f"{name}.npz", **facts)
    return folder


@pytest.mark.parametrize("backend", BACKENDS)
def test_generators_load_without_this_package(
    generators_folder: Path, backend: str
) -> None:
    printed = run_app(LOAD_GENERATORS + GENERATORS_APP, generators_folder, backend)
    assert printed == "style\nprogressive\ndcgan\nmaxout\nstack\nupscale\nflat\n"
