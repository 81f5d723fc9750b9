"""Features depend on the picture alone: not on its type, batch or file."""

import dataclasses
import io
import re
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
import skimage.data
import tensorflow as tf
from PIL import Image

from tfgan_models.errors import UsageError
from tfgan_models.metrics import extractors
from tfgan_models.metrics.extractors import Extractor, extractor
from tfgan_models.metrics.features import efficientnet, inception_v3


@pytest.fixture(scope="module")
def lite0() -> Extractor:
    return extractor("lite0")


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of keras.applications's InceptionV3 without top."""
    path = tmp_path_factory.mktemp("weights") / "inception.weights.h5"
    network = inception_v3.inception_v3(inception_v3.KERAS, top=False)
    inception_v3.body(network).save_weights(path)
    return path


@cache
def levels(count: int = 4, size: int = 64) -> np.ndarray:
    """Crops of a photograph, uint8."""
    photograph = skimage.data.astronaut()
    corners = np.random.default_rng(0).integers(0, 512 - size, (count, 2))
    return np.stack([photograph[y : y + size, x : x + size] for y, x in corners])


def images(count: int = 4, size: int = 64) -> np.ndarray:
    return levels(count, size).astype(np.float32) / 127.5 - 1


def noisy(x: np.ndarray, strength: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=x.shape)
    return np.clip(x + strength * noise, -1, 1).astype(np.float32)


def test_features_of_a_photograph_name_it(lite0: Extractor) -> None:
    cat = skimage.data.chelsea()[None].astype(np.float32) / 127.5 - 1
    features, logits = lite0(cat)
    assert features.shape == (1, 1280)
    assert logits.shape == (1, 1000)
    assert features.dtype == logits.dtype == np.float32
    assert logits[0].argmax() == 285  # Egyptian cat
    np.testing.assert_allclose(
        features @ lite0.network.get_layer("logits").kernel
        + lite0.network.get_layer("logits").bias,
        logits,
        atol=1e-4,
    )


def test_a_png_gives_the_same_features(lite0: Extractor) -> None:
    generated = np.tanh(noisy(images(), 0.1) * 2)
    decoded = []
    for image in generated:
        file = io.BytesIO()
        pixels = np.round(image * 127.5 + 127.5).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(file, "png")
        decoded.append(np.asarray(Image.open(file)).astype(np.float32) / 127.5 - 1)
    assert np.abs(np.stack(decoded) - generated).max() > 1e-3
    for ours, theirs in zip(lite0(generated), lite0(np.stack(decoded)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_grey_is_repeated(lite0: Extractor) -> None:
    grey = images().mean(axis=3, keepdims=True)
    np.testing.assert_array_equal(lite0(grey)[0], lite0(np.repeat(grey, 3, axis=3))[0])
    np.testing.assert_array_equal(
        lite0.distance(grey, -grey),
        lite0.distance(*(np.tile(x, 3) for x in (grey, -grey))),
    )


def test_batches_of_any_size_and_kind(
    lite0: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extractors, "CHUNK", 4)
    x = images(2 * extractors.CHUNK + 3, 32)
    features, logits = lite0(x)
    assert features.shape == (len(x), 1280)
    assert logits.shape == (len(x), 1000)
    for i in (0, extractors.CHUNK, len(x) - 1):
        np.testing.assert_allclose(lite0(x[i : i + 1])[0][0], features[i], atol=1e-4)
    tensor = tf.constant(x[:3])
    np.testing.assert_array_equal(lite0(tensor)[0], lite0(x[:3])[0])
    half = tf.cast(tensor, tf.bfloat16)
    np.testing.assert_array_equal(
        lite0(half)[0], lite0(half.numpy().astype(np.float64))[0]
    )
    distances = lite0.distance(x, x[::-1])
    assert distances.shape == (len(x),)
    np.testing.assert_allclose(distances, distances[::-1], rtol=1e-4)


def test_shrinking_is_antialiased(lite0: Extractor) -> None:
    # A board of single black and white pixels shrinks to grey.
    size = 5 * 224
    board = (np.indices((size, size)).sum(axis=0) % 2 * 2.0 - 1).astype(np.float32)
    grey = np.zeros((1, size, size, 1), np.float32)
    features = lite0(board[None, ..., None])[0]
    np.testing.assert_allclose(features, lite0(grey)[0], atol=0.02)
    aliased = board[::5, ::5][None, ..., None]
    assert np.abs(lite0(aliased)[0] - features).max() > 0.5


def test_resizing_stays_inside_the_levels(lite0: Extractor) -> None:
    # Bicubic kernels overshoot at edges.
    edge = np.ones((1, 8, 8, 1), np.float32)
    edge[:, :, 4:] = -1
    levels_of_edge = edge * 127.5 + 127.5
    pixels = tf.image.resize(levels_of_edge, (224, 224), "bicubic", antialias=True)
    assert float(tf.reduce_max(pixels)) > 260
    clipped = np.clip(np.repeat(pixels, 3, axis=3), 0, 255)
    expected = lite0.network(clipped)["features"]
    np.testing.assert_allclose(lite0(edge)[0], expected, atol=1e-4)


def test_distance_is_lpips_without_weights(lite0: Extractor) -> None:
    a, b = images(3, 224), noisy(images(3, 224), 0.2)
    outputs = [lite0.network((x + 1) * 127.5) for x in (a, b)]
    expected = np.zeros(3)
    for i in range(1, 6):
        x, y = (output[f"stage{i}"].numpy() for output in outputs)
        x /= np.sqrt((x**2).sum(axis=3, keepdims=True))
        y /= np.sqrt((y**2).sum(axis=3, keepdims=True))
        expected += ((x - y) ** 2).sum(axis=3).mean(axis=(1, 2))
    np.testing.assert_allclose(lite0.distance(a, b), expected, rtol=1e-4)


def test_distance_grows_with_noise(lite0: Extractor) -> None:
    x = images()
    np.testing.assert_array_equal(lite0.distance(x, x), np.zeros(len(x)))
    strengths = (0.02, 0.05, 0.1, 0.2, 0.4)
    far = np.stack([lite0.distance(x, noisy(x, strength)) for strength in strengths])
    assert (np.diff(far, axis=0) > 0).all()
    assert (far[0] > 0).all()
    swapped = lite0.distance(noisy(x, 0.1), x)
    np.testing.assert_allclose(swapped, far[2], rtol=1e-5)


def test_distance_sees_less_than_a_level(lite0: Extractor) -> None:
    # Path lengths divide the distance of near images by their distance squared.
    x = 0.9 * images()[1:]
    direction = noisy(np.zeros_like(x), 0.3)
    quotients = [
        lite0.distance(x, x + step * direction) / step**2 for step in (1e-3, 1e-4)
    ]
    np.testing.assert_allclose(quotients[0], quotients[1], rtol=0.05)
    assert quotients[0].min() > 100


def test_inception_without_top(inception_file: Path) -> None:
    extract = extractor("inception", inception_file)
    features, logits = extract(images(2))
    assert extract.name == "inception"
    assert features.shape == (2, 2048)
    assert logits is None
    pixels = tf.image.resize(levels(2), (299, 299), "bicubic", antialias=True)
    expected = extract.network(tf.clip_by_value(pixels, 0, 255))["features"]
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-6)
    with pytest.raises(UsageError, match=r"=inception has no perceptual .*: lite0\."):
        extract.distance(images(2), images(2))


def test_the_fid_papers_network_has_its_own_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pixels = keras.Input((8, 8, 3))
    features = keras.layers.GlobalAveragePooling2D()(pixels)
    network = keras.Model(pixels, {"features": features}, name="inception_2015")
    monkeypatch.setattr(extractors, "load_inception", lambda path: network)
    extract = extractor("inception", tmp_path / "pt_inception.pth")
    assert extract.name == "inception2015"
    assert "2015-12-05" in extract.description
    assert "8x8 px" in extract.description


def test_descriptions_and_fingerprints(
    lite0: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lite0.description == (
        "EfficientNet-Lite0, ImageNet weights; 1280 features before the classifier; "
        "224x224 px, antialiased bicubic resize of the 8-bit image, clipped to 0..255"
    )
    assert re.fullmatch("[0-9a-f]{64}", lite0.fingerprint)
    again = extractor("lite0")
    assert again.fingerprint == lite0.fingerprint
    assert again == lite0
    network = efficientnet.load_lite0()
    bias = network.get_layer("logits").bias
    bias.assign_add(np.eye(1, 1000)[0] * 1e-3)
    monkeypatch.setattr(extractors, "load_lite0", lambda: network)
    assert extractor("lite0").fingerprint != lite0.fingerprint
    with pytest.raises(dataclasses.FrozenInstanceError):
        lite0.name = "other"


@pytest.mark.parametrize(
    ("x", "received"),
    [
        (np.zeros((1, 8, 8, 4), np.float32), r"float32 \(1, 8, 8, 4\)"),
        (np.zeros((8, 8, 3), np.float32), r"float32 \(8, 8, 3\)"),
        (np.zeros((0, 8, 8, 3), np.float32), r"float32 \(0, 8, 8, 3\)"),
        (np.zeros((1, 8, 8, 3), np.uint8), r"uint8 \(1, 8, 8, 3\)"),
        (np.full((1, 8, 8, 3), np.nan, np.float32), "NaN or infinite"),
    ],
    ids=["channels", "rank", "none", "uint8", "nan"],
)
def test_what_is_no_batch_of_images(
    lite0: Extractor, x: np.ndarray, received: str
) -> None:
    with pytest.raises(UsageError, match=f"Received: {received}"):
        lite0(x)
    with pytest.raises(UsageError, match=f"Received: {received}"):
        lite0.distance(x, x)


def test_refuses_floats_of_another_range(lite0: Extractor) -> None:
    with pytest.raises(UsageError, match=r"values from \d.* to 2\d\d.*/ 127.5 - 1"):
        lite0(levels().astype(np.float32))


def test_usage_errors(lite0: Extractor, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"=vgg is not known\. .* lite0, inception\."):
        extractor("vgg")
    with pytest.raises(UsageError, match=r"\(2, 64, 64, 3\) and \(1, 64, 64, 3\)"):
        lite0.distance(images(2), images(2)[:1])
    with pytest.raises(UsageError, match="not a file"):
        extractor("inception", tmp_path / "missing.pth")
