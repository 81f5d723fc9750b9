"""Every public network keeps the promises of `tfgan_models.networks`."""

import inspect
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.networks.conformance import (
    CASES,
    CONVOLUTIONAL,
    Case,
    arrays,
    leaves,
    randomize,
)
from tests.networks.examples import images
from tfgan_models import networks

ROOT = Path(__file__).parents[2]


def takes(case: Case, argument: str) -> bool:
    """Whether a network is made with an argument."""
    return argument in inspect.signature(case.network.__init__).parameters


each_network = pytest.mark.parametrize("case", CASES, ids=str)
each_convolutional = pytest.mark.parametrize("case", CONVOLUTIONAL, ids=str)
each_of_images = pytest.mark.parametrize(
    "case", [case for case in CASES if takes(case, "channels")], ids=str
)


def test_every_public_network_has_a_case() -> None:
    assert {case.network.__name__ for case in CASES} == set(networks.__all__)


@each_network
def test_config_round_trip(case: Case) -> None:
    network = case(name="round_trip")
    config = network.get_config()
    twin = case.network.from_config(config)
    assert twin.get_config() == config
    assert config.items() >= case.config.items()
    assert config["name"] == twin.name == "round_trip"
    assert [w.path for w in twin.weights] == [w.path for w in network.weights]
    assert [w.shape for w in twin.weights] == [w.shape for w in network.weights]


@each_network
def test_registered_under_the_package(case: Case) -> None:
    name = f"tfgan_models>{case.network.__name__}"
    assert keras.saving.get_registered_name(case.network) == name
    assert keras.saving.get_registered_object(name) is case.network


@pytest.mark.parametrize(
    "case", [case for case in CASES if hasattr(case.network, "functional")], ids=str
)
def test_inputs_have_their_arguments_names(case: Case) -> None:
    network = case()
    names = ["latent", "labels"]
    if case.network is networks.StyleGenerator:
        names += ["psi", *[f"noise_{i}" for i in range(6)]]
    elif case.network is networks.StackGenerator:
        names = ["embedding", "latent", "noise_one", "noise_two"]
    elif case.network is networks.StyleDiscriminator:
        names = ["image", "labels"]
    inputs = network.functional().input
    assert list(inputs) == [tensor.name for tensor in inputs.values()] == names


@each_convolutional
def test_input_is_an_image_of_any_size(case: Case) -> None:
    network = case()
    assert network.input.name == "image"
    assert network.input_shape == (None, None, None, 3)
    assert keras.backend.standardize_dtype(network.input.dtype) == "float32"


@each_of_images
@pytest.mark.parametrize("channels", [1, 4])
def test_any_number_of_channels(case: Case, channels: int) -> None:
    network = case(channels=channels)
    assert network.get_config()["channels"] == channels
    output, *_ = arrays(network(*case.inputs(network)))
    kind = type(network).__name__
    if kind == "ImageEncoder":
        channels = network.embedding_size
    assert output.shape[-1] == (1 if "Discriminator" in kind else channels)
    assert np.isfinite(output).all()


@each_convolutional
def test_symbolic_shape_is_the_eager_shape(case: Case) -> None:
    network = case()
    for height, width in ((case.size, case.size), (2 * case.size, 3 * case.size)):
        shape = (2, height, width, 3)
        symbolic = network.compute_output_shape(shape)
        traced = network(keras.KerasTensor(shape)).shape
        eager = network(np.zeros(shape, "float32")).shape
        assert tuple(symbolic) == tuple(traced) == tuple(eager)


@each_network
@pytest.mark.parametrize(
    "policy",
    [pytest.param("mixed_bfloat16", marks=pytest.mark.slow), "mixed_float16"],
)
def test_half_precision_computes_half_and_returns_float32(
    case: Case, policy: str
) -> None:
    exact, network = case(), case(dtype=policy)
    half = policy.removeprefix("mixed_")
    randomize(exact)
    network.set_weights(exact.get_weights())
    computing = [layer for layer in leaves(network) if layer.weights]
    assert {layer.compute_dtype for layer in computing} == {half}
    assert {w.dtype for w in network.weights} == {"float32"}
    twin = case.network.from_config(network.get_config())
    assert {x.compute_dtype for x in leaves(twin) if x.weights} == {half}

    inputs = case.inputs(exact)
    outputs, wanted = arrays(network(*inputs)), arrays(exact(*inputs))
    for output, expected in zip(outputs, wanted, strict=True):
        assert keras.backend.standardize_dtype(output.dtype) == "float32"
        assert np.isfinite(output).all()
        error = np.abs(output - expected)
        assert 0 < error.mean() < 0.1 * np.std(expected)


@each_network
def test_float32_by_default_and_global_policy_is_followed(case: Case) -> None:
    assert {layer.compute_dtype for layer in leaves(case())} == {"float32"}
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert list(leaves(case()))[1].compute_dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy(before)


@each_network
def test_invalid_arguments_say_what_was_received(case: Case) -> None:
    for bad in case.invalid:
        (name, value) = next(iter(bad.items()))
        with pytest.raises(ValueError, match="Received: ") as error:
            case(**bad)
        received = str(error.value).rpartition("Received: ")[2]
        assert f"{name}={value!r}" in received


@each_convolutional
def test_fresh_weights(case: Case) -> None:
    wide = case(filters=32)
    kernels = [w.numpy() for w in wide.weights if w.name == "kernel"]
    biases = [w.numpy() for w in wide.weights if w.name == "bias"]
    flat = [kernel.ravel() for kernel in kernels]
    for kernel in flat:
        # Five standard errors of a mean and of a deviation estimated from n values.
        assert abs(kernel.mean()) < 5 * case.std / kernel.size**0.5
        assert abs(kernel.std() / case.std - 1) < 5 / (2 * kernel.size) ** 0.5
    starts = [tuple(kernel[:8]) for kernel in flat]
    assert len(set(starts)) == len(starts)
    assert biases
    assert all(not bias.any() for bias in biases)


@each_network
def test_the_seed_decides_the_weights(case: Case) -> None:
    def build(seed: int) -> keras.Model:
        keras.utils.set_random_seed(seed)
        return case()

    networks = build(1), build(1), build(2)
    first, again, other = (network.get_weights() for network in networks)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    kernels = [w.name == "kernel" for w in networks[0].weights]
    pairs = list(zip(first, other, kernels, strict=True))
    assert any(kernels)
    assert not any(np.array_equal(a, b) for a, b, kernel in pairs if kernel)


@each_network
def test_inference_is_deterministic_and_leaves_weights_alone(case: Case) -> None:
    network = case()
    randomize(network)
    before, inputs = network.get_weights(), case.inputs(network)
    outputs = arrays(network(*inputs)), arrays(network(*inputs, training=False))
    assert all(np.array_equal(a, b) for a, b in zip(*outputs, strict=True))
    assert all(
        np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True)
    )


@pytest.mark.parametrize("case", [CASES[1], CASES[2]], ids=str)
def test_dropout_is_on_in_training(case: Case) -> None:
    network = case()
    randomize(network)
    x = images(2 * case.size)
    assert not np.array_equal(network(x, training=True), network(x, training=True))


def test_networks_load_from_keras_files_in_a_fresh_process(tmp_path: Path) -> None:
    for i, case in enumerate(CASES):
        network = case()
        randomize(network)
        network.save(tmp_path / f"{i:02}.keras")
        y, *_ = arrays(network(*case.inputs(network)))
        np.save(tmp_path / f"{i:02}.npy", y)
    script = (
        "import sys, pathlib, numpy as np, keras, tfgan_models.networks\n"
        "paths = sorted(pathlib.Path(sys.argv[1]).glob('*.keras'))\n"
        "networks = [keras.models.load_model(path) for path in paths]\n"
        "from tests.networks.conformance import CASES, arrays\n"
        "for case, path, network in zip(CASES, paths, networks, strict=True):\n"
        "    y, *_ = arrays(network(*case.inputs(network)))\n"
        "    error = np.abs(y - np.load(path.with_suffix('.npy'))).max()\n"
        "    print(type(network).__name__, float(error))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    loaded = [line.split() for line in result.stdout.splitlines()]
    assert [name for name, _ in loaded] == [case.network.__name__ for case in CASES]
    assert all(float(error) < 1e-6 for _, error in loaded)
