"""InceptionV3 equals keras.applications's and the one of PyTorch's FID packages.

No real weights: random ones make every layer and its place count.
"""

import functools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest
import torch

from tfgan_models import connectivity
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.metrics.features import inception as interop
from tfgan_models.metrics.features import inception_v3

SIZE = inception_v3.IMAGE_SIZE
build_inception = inception_v3.inception_v3


@pytest.fixture(scope="module", autouse=True)
def built_once() -> Iterator[None]:
    """Each of our networks is built once, a second long, and emptied for each test."""
    build = functools.cache(build_inception)

    def emptied(convention: str, top: bool = True) -> keras.Model:
        network = build(convention, top)
        for weight in network.weights:
            weight.assign(keras.ops.zeros_like(weight))
        return network

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception_v3, "inception_v3", emptied)
        yield


def pixels(count: int = 2) -> np.ndarray:
    """Images with structure at every scale, whole levels in 0..255."""
    random, image = np.random.default_rng(0), np.zeros((count, SIZE, SIZE, 3))
    for cells in (1, 4, 16, 64, SIZE):
        block = random.uniform(-40, 40, (count, cells, cells, 3))
        index = np.arange(SIZE) * cells // SIZE
        image += block[:, index][:, :, index]
    return np.clip(np.round(image + 127), 0, 255).astype(np.float32)


def randomize(module: torch.nn.Module) -> None:
    """Gives a PyTorch network weights that keep the signal and break symmetries."""
    generator = torch.Generator().manual_seed(1)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.weight.data.uniform_(0.5, 1.5, generator=generator)
            part.bias.data.normal_(0.2, 0.2, generator=generator)
            part.running_mean.normal_(0, 0.2, generator=generator)
            part.running_var.uniform_(0.5, 1.5, generator=generator)
        elif isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
            fan_in = part.weight[0].numel()
            part.weight.data.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
            if part.bias is not None:
                part.bias.data.normal_(generator=generator)


@pytest.fixture(scope="module")
def twin(
    torch_fidelity: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> tuple[torch.nn.Module, Path]:
    """torch-fidelity's network with random weights, and its file."""
    cls = sys.modules[
        "torch_fidelity.feature_extractor_inceptionv3"
    ].FeatureExtractorInceptionV3
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    with pytest.MonkeyPatch.context() as patch:
        # It has no constructor without weights.
        patch.setattr(torch, "load", lambda *_, **__: {})
        patch.setattr(cls, "load_state_dict", lambda *_, **__: None)
        network = cls("twin", ["2048", "logits_unbiased"], str(path))
    randomize(network)
    torch.save(network.state_dict(), path)
    return cls("twin", ["2048", "logits_unbiased"], str(path)), path


def test_the_fid_papers_network_equals_torch_fidelitys(
    twin: tuple[torch.nn.Module, Path],
) -> None:
    theirs, path = twin
    network = interop.load_inception(path)
    assert network.name == "inception_2015"
    x = pixels()
    ours = network(x)
    # At 299 px its own resize returns the image as it is.
    images = torch.from_numpy(x.astype(np.uint8)).permute(0, 3, 1, 2)
    with torch.no_grad():
        features, logits = (value.numpy() for value in theirs(images))
    assert ours["features"].shape == (2, 2048)
    assert ours["logits"].shape == (2, 1008)
    assert features.std(axis=0).max() > 0.01 * features.max()
    for value, expected in ((ours["features"], features), (ours["logits"], logits)):
        error = np.abs(value.numpy() - expected).max()
        assert error < 1e-4 * np.abs(expected).max()


def test_the_last_pool_is_the_only_difference_of_the_graphs() -> None:
    kinds = {}
    for convention in (inception_v3.KERAS, inception_v3.GRAPH_2015):
        body = inception_v3.body(inception_v3.inception_v3(convention))
        kinds[convention] = [type(layer).__name__ for layer in body.layers]
    pairs = zip(kinds["keras"], kinds["2015"], strict=True)
    changed = [(a, b) for a, b in pairs if a != b]
    assert changed == [("AveragePooling2D", "MaxPooling2D")]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("fc.weight", torch.zeros(1000, 2048)), r"fc\.weight .*\(1008, 2048\)"),
        (("Mixed_7c.branch_pool.bn.weight", None), r"7c.*\(192,\). Received: nothing"),
    ],
    ids=["torchvision", "missing"],
)
def test_other_state_dicts_are_refused(
    twin: tuple[torch.nn.Module, Path],
    tmp_path: Path,
    change: tuple[str, torch.Tensor | None],
    what: str,
) -> None:
    name, value = change
    state = dict(twin[0].state_dict())
    assert name in state
    state[name] = value
    torch.save({k: v for k, v in state.items() if v is not None}, tmp_path / "a.pth")
    with pytest.raises(UsageError, match=f"not the FID paper's InceptionV3: .*{what}"):
        interop.load_inception(tmp_path / "a.pth")


@functools.cache
def applications(top: bool) -> keras.Model:
    """keras.applications's network with random weights and moments."""
    model = keras.applications.InceptionV3(
        weights=None,
        include_top=top,
        input_shape=(SIZE, SIZE, 3),
        pooling=None if top else "avg",
    )
    random = np.random.default_rng(2)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.beta.shape
            layer.set_weights(
                [
                    random.normal(0.2, 0.2, shape),
                    random.normal(0, 0.2, shape),
                    random.uniform(0.5, 1.5, shape),
                ]
            )
    return model


@pytest.mark.parametrize(
    ("top", "suffix"),
    [
        (True, ".keras"),
        (False, ".h5"),
        pytest.param(True, ".h5", marks=pytest.mark.slow),
        pytest.param(False, ".weights.h5", marks=pytest.mark.slow),
    ],
)
def test_files_of_keras_applications(tmp_path: Path, top: bool, suffix: str) -> None:
    theirs = applications(top)
    path = tmp_path / f"inception{suffix}"
    if suffix == ".weights.h5":
        theirs.save_weights(path)
    elif suffix == ".keras":
        theirs.save(path)
    else:
        write_legacy_h5(theirs, path)
    network = interop.load_inception(path)
    assert network.name == "inception_keras"
    x = pixels(1)
    ours = network(x)
    expected = theirs(keras.layers.Rescaling(1 / 127.5, -1)(x)).numpy()
    if expected.shape == (1, 1000):
        assert set(ours) == {"features", "logits"}
        probabilities = keras.ops.softmax(ours["logits"])
        np.testing.assert_allclose(probabilities, expected, rtol=1e-5)
    else:
        assert set(ours) == {"features"}
        np.testing.assert_array_equal(ours["features"], expected)


def write_legacy_h5(model: keras.Model, path: Path) -> None:
    """Writes the format of the files that keras.applications downloads."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def test_another_networks_keras_file(tmp_path: Path) -> None:
    path = tmp_path / "small.weights.h5"
    small = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    small.save_weights(path)
    with pytest.raises(UsageError, match="does not have the weights of InceptionV3"):
        interop.load_inception(path)


def test_it_computes_in_float32_whatever_the_policy() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = build_inception(inception_v3.GRAPH_2015)
        layers = [*network.layers, *inception_v3.body(network).layers]
        assert {layer.compute_dtype for layer in layers} == {"float32"}
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.pth is not a file\. Allowed: \.h5"):
        interop.load_inception(tmp_path / "missing.pth")
    path = tmp_path / "inception.onnx"
    path.write_text("")
    with pytest.raises(UsageError, match=r"\.onnx is not a file .* Allowed: \.h5"):
        interop.load_inception(path)
    with pytest.raises(ValueError, match=r"one of keras, 2015\. Received: 2016"):
        inception_v3.inception_v3("2016")


def test_offline_it_fails_fast_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(interop, "WEIGHTS_URL", "http://127.0.0.1:9/weights.h5")
    start = time.monotonic()
    with pytest.raises(FailureError, match="--inception_weights=FILE") as caught:
        interop.load_inception()
    assert time.monotonic() - start < connectivity.SECONDS + 2
    assert "127.0.0.1:9" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_keras_cache_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    theirs = applications(True)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    name = interop.WEIGHTS_URL.rpartition("/")[2]
    write_legacy_h5(theirs, tmp_path / "models" / name)
    network = interop.load_inception()
    ours = inception_v3.body(network).get_layer("predictions").get_weights()
    for value, expected in zip(ours, theirs.layers[-1].get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)
