"""The serving signatures of image-to-image networks."""

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.signatures.translation import TranslationModule
from export.signatures.writing import write_saved_model
from tests import precision
from tests.networks.conformance import randomize
from tfgan_models.networks import ResNetGenerator, UNetGenerator

SIZES = [(33, 31), (7, 5), (64, 20), (1, 1), (1, 50), (64, 64)]


def resnet(**options: Any) -> keras.Model:
    return ResNetGenerator(filters=4, residual_blocks=1, **options)


def unet(**options: Any) -> keras.Model:
    return UNetGenerator(downsamplings=3, filters=4, **options)


def images(height: int, width: int, channels: int = 3, batch: int = 2) -> np.ndarray:
    rng = np.random.default_rng(height * width)
    return rng.uniform(-1, 1, (batch, height, width, channels)).astype(np.float32)


def file(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    contents = io.BytesIO()
    Image.fromarray(pixels).save(contents, kind)
    return contents.getvalue()


def pixels(contents: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(contents)))


def to_levels(image: np.ndarray) -> np.ndarray:
    return np.clip(np.round((image + 1) * 127.5), 0, 255).astype(np.uint8)


class Served:
    """A network with random weights, and its SavedModel loaded."""

    def __init__(self, network: keras.Model, directory: Path) -> None:
        randomize(network)
        self.network = network
        self.exact = precision.in_float64(network)
        self.directory = directory
        write_saved_model(network, directory)
        self.loaded = tf.saved_model.load(str(directory))

    def translate(self, image: np.ndarray) -> np.ndarray:
        function = self.loaded.signatures["serving_default"]
        return function(image=tf.constant(image))["translated_image"].numpy()

    def translate_files(self, contents: list[bytes]) -> list[bytes]:
        function = self.loaded.signatures["encoded"]
        encoded = tf.constant(contents, tf.string, shape=[len(contents)])
        return function(image_bytes=encoded)["translated_bytes"].numpy().tolist()


@pytest.fixture(scope="module", params=[resnet, unet])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Served:
    return Served(request.param(), tmp_path_factory.mktemp("saved") / "1")


def test_names_and_types(served: Served) -> None:
    image = served.loaded.signatures["serving_default"]
    specs = image.structured_input_signature[1]
    assert specs == {"image": tf.TensorSpec([None, None, None, 3], tf.float32, "image")}
    translated = image.structured_outputs["translated_image"]
    assert translated.dtype == tf.float32
    assert translated.shape.as_list() == [None, None, None, 3]
    encoded = served.loaded.signatures["encoded"]
    specs = encoded.structured_input_signature[1]
    assert specs == {"image_bytes": tf.TensorSpec([None], tf.string, "image_bytes")}
    assert encoded.structured_outputs["translated_bytes"].dtype == tf.string


@pytest.mark.numerics
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_any_size_equals_the_network_on_the_mirrored_image(
    served: Served, height: int, width: int
) -> None:
    image = images(height, width)
    multiple = served.network.size_multiple
    smallest = 8  # Both networks': the ResNet's reflections need 2 px at a quarter.
    target = [
        max(-(-size // multiple) * multiple, smallest) for size in (height, width)
    ]
    after = [
        (0, larger - size)
        for larger, size in zip(target, image.shape[1:3], strict=True)
    ]
    padded = np.pad(image, [(0, 0), *after, (0, 0)], mode="symmetric")
    expected, exact = (
        network(padded, training=False)[:, :height, :width]
        for network in (served.network, served.exact)
    )
    translated = served.translate(image)
    assert translated.dtype == np.float32
    assert translated.shape == image.shape
    precision.assert_rounds_alike(translated, expected, exact)


@pytest.mark.numerics
def test_multiples_are_exactly_the_networks_output(served: Served) -> None:
    image = images(64, 24)
    expected = served.network(image, training=False).numpy()
    assert np.ptp(expected) > 0.1
    exact = served.exact(image, training=False)
    precision.assert_rounds_alike(served.translate(image), expected, exact)


def test_a_batch_of_files_of_different_sizes_and_kinds(served: Served) -> None:
    rng = np.random.default_rng(0)
    color, grey, alpha, lossy = (
        rng.integers(0, 256, shape, np.uint8)
        for shape in ((33, 31, 3), (7, 5), (64, 20, 4), (9, 16, 3))
    )
    deep = rng.integers(0, 2**16, (8, 8), np.uint16)
    files = [file(color), file(grey), file(alpha), file(lossy, "JPEG"), file(deep)]
    decoded = [
        color,
        np.stack([grey] * 3, -1),
        alpha[..., :3],
        tf.io.decode_jpeg(files[3]).numpy(),  # Decoders differ by a level or two.
        np.stack([deep >> 8] * 3, -1),
    ]
    translated = [pixels(contents) for contents in served.translate_files(files)]
    for source, result in zip(decoded, translated, strict=True):
        image = source[np.newaxis].astype(np.float32) / 127.5 - 1
        expected = to_levels(served.translate(image)[0])
        assert result.dtype == np.uint8
        assert result.shape == source.shape
        # The loop's graph may round a level's half the other way.
        assert np.abs(result.astype(int) - expected).max() <= 1


def test_an_empty_batch_of_files(served: Served) -> None:
    assert served.translate_files([]) == []


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (1, 0, 8, 3), (1, 8, 0, 3)])
def test_no_image_is_an_error(served: Served, shape: tuple[int, ...]) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="There is no image"):
        served.translate(np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    "contents", [b"", b"no image", file(np.zeros((9, 9, 3), "u1"))[:60]]
)
def test_what_is_no_image_file_is_an_error(served: Served, contents: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        served.translate_files([contents])


def test_keras_can_use_it_as_a_layer(served: Served) -> None:
    layer = keras.layers.TFSMLayer(served.directory, call_endpoint="serving_default")
    image = images(12, 9)
    translated = layer(image)["translated_image"].numpy()
    np.testing.assert_array_equal(translated, served.translate(image))


def test_white_and_black_stay() -> None:
    identity = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Identity()])
    module = TranslationModule(identity, 4)
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    translated = module.endpoints["encoded"](tf.constant([file(levels)]))
    contents = translated["translated_bytes"].numpy()[0]
    np.testing.assert_array_equal(pixels(contents), levels)


@pytest.mark.numerics
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_networks_answer_float32(policy: str, tmp_path: Path) -> None:
    served = Served(resnet(dtype=policy), tmp_path / "1")
    image = images(8, 12)
    expected = served.network(image, training=False).numpy()
    translated = served.translate(image)
    assert translated.dtype == np.float32
    exact = served.exact(image)
    assert precision.rms(expected - exact) > 1e-5  # of half precision
    precision.assert_rounds_alike(translated, expected, exact)


def test_one_channel(tmp_path: Path) -> None:
    served = Served(resnet(channels=1), tmp_path / "1")
    grey = np.random.default_rng(0).integers(0, 256, (6, 11), np.uint8)
    image = grey[np.newaxis, ..., np.newaxis].astype(np.float32) / 127.5 - 1
    expected = to_levels(served.translate(image)[0, ..., 0])
    result = pixels(served.translate_files([file(grey)])[0])
    assert result.shape == grey.shape
    assert np.abs(result.astype(int) - expected).max() <= 1


def test_channels_that_no_file_has_are_served_as_floats_only(tmp_path: Path) -> None:
    served = Served(resnet(channels=5, output_channels=2), tmp_path / "1")
    assert set(served.loaded.signatures) == {"serving_default"}
    assert served.translate(images(5, 6, channels=5)).shape == (2, 5, 6, 2)
