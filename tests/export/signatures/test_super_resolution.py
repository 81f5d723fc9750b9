"""Enlarging networks behind signatures, and their tiles."""

import io
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.keras_file.plain_keras import to_plain_keras
from export.saved_model import export_networks
from export.signatures.super_resolution import SuperResolutionModule
from export.signatures.writing import write_saved_model
from tests.networks.conformance import randomize
from tfgan_models.networks import SRResNet
from tfgan_models.runs import upgrade_exports
from tfgan_models.runs.description import of_network
from tfgan_models.tasks.upscale import TILE, reach, tiled


def network(scale: int = 4, **options: object) -> keras.Model:
    made = SRResNet(scale, filters=4, residual_blocks=1, **options)
    randomize(made)
    return made


def images(height: int, width: int, channels: int = 3, batch: int = 1) -> np.ndarray:
    rng = np.random.default_rng(height * width)
    return rng.uniform(-1, 1, (batch, height, width, channels)).astype(np.float32)


def whole(model: keras.Model, image: np.ndarray) -> np.ndarray:
    return np.clip(model(image, training=False).numpy(), -1, 1)


def file(pixels: np.ndarray) -> bytes:
    contents = io.BytesIO()
    Image.fromarray(pixels).save(contents, "PNG")
    return contents.getvalue()


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(60, 45), (1, 90), (47, 8), (34, 34), (35, 34)])
def test_tiles_join_without_seams(scale: int, size: tuple[int, int]) -> None:
    model = network(scale)
    image = images(*size)
    expected = whole(model, image)
    assert expected.std() > 0.1
    upscale = tf.function(tiled(model, scale, tile=8), autograph=False)
    enlarged = upscale(tf.constant(image)).numpy()
    assert enlarged.shape == expected.shape == (1, scale * size[0], scale * size[1], 3)
    np.testing.assert_allclose(enlarged, expected, rtol=0, atol=1e-5)


def test_the_network_sees_one_window_at_a_time() -> None:
    seen: list[tuple[int, ...]] = []

    class Watched(keras.layers.Layer):
        def call(self, x: tf.Tensor) -> tf.Tensor:
            tf.numpy_function(
                lambda shape: seen.append(tuple(shape)), [tf.shape(x)], []
            )
            return x

    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(3, 5, padding="same")(Watched()(inputs))
    model = keras.Model(inputs, keras.layers.UpSampling2D(2)(x))
    assert reach(model) == 2
    upscale = tiled(model, 2, tile=10)
    seen.clear()
    image = images(30, 14, batch=2)
    enlarged = upscale(tf.constant(image)).numpy()
    assert seen == [(1, 14, 14, 3)] * 6
    np.testing.assert_allclose(enlarged, whole(model, image), rtol=0, atol=1e-5)


def test_nothing_is_reached_from_further_away() -> None:
    model = network(2)
    far = reach(model)
    image = images(1, 2 * far + 3)
    other = image.copy()
    other[:, :, 0] += 1.0
    changed = np.abs(model(image) - model(other)).max(axis=(0, 1, 3)) > 0
    assert changed[0]
    assert np.flatnonzero(changed).max() // 2 <= far
    # No more than a few pixels are seen in vain.
    assert np.flatnonzero(changed).max() // 2 >= far - 3


def test_the_papers_network_is_reached_from_43_px() -> None:
    assert reach(SRResNet()) == 4 + 2 * 16 + 1 + 2 + 4


def test_scale_and_reach_of_the_plain_twin() -> None:
    model = network(4)
    twin = to_plain_keras(model)
    assert upgrade_exports.of_keras_model(twin, of_network(twin)).scale == 4
    assert reach(model) <= reach(twin) <= reach(model) + 2
    image = images(50, 41)
    enlarged = tiled(twin, 4, tile=8)(tf.constant(image))
    np.testing.assert_allclose(enlarged, whole(model, image), rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return network(2)


@pytest.fixture(scope="module")
def directory(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("saved") / "1"
    write_saved_model(model, made)
    return made


@pytest.fixture(scope="module")
def loaded(directory: Path) -> object:
    return tf.saved_model.load(str(directory))


def test_names_and_types(loaded: object, directory: Path) -> None:
    floats, files = (loaded.signatures[k] for k in ("serving_default", "encoded"))
    assert floats.structured_input_signature[1] == {
        "image": tf.TensorSpec([None, None, None, 3], tf.float32, "image")
    }
    output = floats.structured_outputs["upscaled_image"]
    assert (output.dtype, output.shape.rank, output.shape[3]) == (tf.float32, 4, 3)
    assert files.structured_input_signature[1] == {
        "image_bytes": tf.TensorSpec([None], tf.string, "image_bytes")
    }
    assert files.structured_outputs["upscaled_bytes"].dtype == tf.string
    words = (directory / "assets.extra/signatures.md").read_text()
    assert "SRGAN (arXiv:1609.04802)" in words
    assert "moving averages from training" in words


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (33, 20)])
def test_any_size(loaded: object, model: keras.Model, size: tuple[int, int]) -> None:
    image = images(*size, batch=2)
    served = loaded.signatures["serving_default"](image=tf.constant(image))
    np.testing.assert_allclose(
        served["upscaled_image"], whole(model, image), rtol=0, atol=1e-5
    )


def test_what_leaves_the_range_is_clipped(model: keras.Model) -> None:
    image = 30 * images(9, 9)
    assert np.abs(model(image)).max() > 1.5
    made = SuperResolutionModule(model, model.scale).endpoints["serving_default"](
        tf.constant(image)
    )
    assert np.abs(made["upscaled_image"]).max() == 1.0


def test_large_images_are_tiled_in_the_served_graph(
    model: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert TILE == 256
    image = images(270, 5)
    many = SuperResolutionModule(model, model.scale, tile=64).endpoints[
        "serving_default"
    ]
    np.testing.assert_allclose(
        many(tf.constant(image))["upscaled_image"],
        whole(model, image),
        rtol=0,
        atol=1e-5,
    )


def test_files_of_different_sizes(loaded: object, model: keras.Model) -> None:
    rng = np.random.default_rng(0)
    color, grey = (rng.integers(0, 256, s, np.uint8) for s in ((9, 14, 3), (5, 4)))
    served = loaded.signatures["encoded"](
        image_bytes=tf.constant([file(color), file(grey)])
    )["upscaled_bytes"].numpy()
    for source, result in zip((color, np.stack([grey] * 3, -1)), served, strict=True):
        image = source[np.newaxis].astype(np.float32) / 127.5 - 1
        expected = np.round((whole(model, image)[0] + 1) * 127.5)
        pixels = np.asarray(Image.open(io.BytesIO(result)))
        assert pixels.shape == (2 * source.shape[0], 2 * source.shape[1], 3)
        assert np.abs(pixels - expected).max() <= 1


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (1, 0, 8, 3), (1, 8, 0, 3)])
def test_no_image_is_an_error(loaded: object, shape: tuple[int, ...]) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="There is no image"):
        loaded.signatures["serving_default"](image=tf.zeros(shape))


def test_channels_that_no_file_has_are_served_as_floats_only() -> None:
    assert set(SuperResolutionModule(network(2, channels=5), 2).endpoints) == {
        "serving_default"
    }


_OTHER_PROGRAM = """
import sys, keras, numpy as np
model = keras.models.load_model(sys.argv[1])
assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
assert {layer.compute_dtype for layer in model.layers} == {"float32"}
np.save(sys.argv[3], model.predict(np.load(sys.argv[2]), verbose=0))
assert "tfgan_models" not in sys.modules
"""


def test_the_plain_file_works_in_another_program(tmp_path: Path) -> None:
    model = network(4, dtype="mixed_bfloat16")
    paths = export_networks({"srresnet": model}, tmp_path, "mine", version=3)
    assert [str(p.relative_to(tmp_path)) for p in paths] == [
        "mine_srresnet/3",
        "mine_srresnet.keras",
    ]
    image = images(11, 6)
    np.save(tmp_path / "image.npy", image)
    subprocess.run(
        [sys.executable, "-c", _OTHER_PROGRAM, str(paths[1])]
        + [str(tmp_path / name) for name in ("image.npy", "made.npy")],
        check=True,
        cwd=tmp_path,
    )
    made = np.load(tmp_path / "made.npy")
    assert made.dtype == np.float32
    full = SRResNet.from_config(model.get_config() | {"dtype": "float32"})
    full.set_weights(model.get_weights())
    np.testing.assert_allclose(made, full(image), rtol=0, atol=1e-4)
