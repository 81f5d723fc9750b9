"""Generators of every form give what the network itself gives."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.signatures.generation import LatentModule
from tests.trainers.generation import networks
from tests.trainers.generation.conftest import KINDS
from tfgan_models import sampling
from tfgan_models.errors import UsageError
from tfgan_models.networks import ResNetGenerator
from tfgan_models.tasks import synthesis
from tfgan_models.tasks.generators import LatentModel, StyleModel
from tfgan_models.tasks.synthesis import Setting

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
SEEDS = tf.constant([3, 4], tf.int64)


@pytest.mark.parametrize("kind", KINDS)
def test_styles_are_those_of_the_network(
    style: keras.Model, style_files: Path, kind: str
) -> None:
    found = networks.opened(str(style_files / kind))
    assert isinstance(found, StyleModel)
    sizes = (found.resolution, found.channels, found.latent_size, found.label_size)
    assert sizes == (64, 3, 16, 0)
    assert found.layers == 10
    assert list(found.noise_shapes) == style.synthesis.noise_shapes()
    np.testing.assert_array_equal(found.w_avg, style.w_avg.numpy())
    latents = sampling.latents(SEEDS, 16)
    w = found.mapping(latents, None)
    np.testing.assert_allclose(w, style.mapping(latents), **CLOSE)
    random = np.random.default_rng(0)
    ws = tf.constant(random.normal(size=(2, 10, 16)), tf.float32)
    noise = sampling.noise(SEEDS, found.noise_shapes)
    expected = style.synthesis(ws, noise=noise)
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(found.synthesis(ws, noise), expected, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_are_those_of_the_styles(
    style: keras.Model, style_files: Path, kind: str
) -> None:
    found = networks.opened(str(style_files / kind)).kernels()
    adains = style.synthesis.adains
    assert len(found) == len(adains) == 10
    w = tf.constant(np.eye(16, dtype=np.float32))
    for kernel, adain in zip(found, adains, strict=True):
        plain = adain.affine(w) - adain.affine(tf.zeros_like(w))
        np.testing.assert_allclose(kernel, plain, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_images_can_be_differentiated(style_files: Path, kind: str) -> None:
    found = networks.opened(str(style_files / kind))
    ws = tf.constant(np.random.default_rng(0).normal(size=(1, 10, 16)), tf.float32)
    noise = sampling.noise(SEEDS[:1], found.noise_shapes)
    with tf.GradientTape() as tape:
        tape.watch(ws)
        total = tf.reduce_sum(tf.square(found.synthesis(ws, noise)))
    gradient = tape.gradient(total, ws).numpy()
    assert (np.abs(gradient).sum(axis=-1) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_classes_choose_the_w(
    labelled: keras.Model, labelled_files: Path, kind: str
) -> None:
    found = networks.opened(str(labelled_files / kind))
    assert isinstance(found, StyleModel)
    assert (found.label_size, found.channels) == (networks.CLASSES, 1)
    latents = sampling.latents(SEEDS, 16)
    expected = labelled.mapping(latents, tf.one_hot([2, 0], 3))
    w = found.mapping(latents, tf.constant([2, 0], tf.int64))
    np.testing.assert_allclose(w, expected, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_progan_draws_what_the_network_does(
    progressive: keras.Model, progressive_files: Path, kind: str
) -> None:
    found = networks.opened(str(progressive_files / kind))
    assert isinstance(found, LatentModel)
    sizes = (found.resolution, found.channels, found.latent_size, found.label_size)
    assert sizes == (16, 3, 16, networks.CLASSES)
    latents = sampling.latents(SEEDS, 16)
    expected = progressive(latents, labels=tf.one_hot([1, 2], 3))
    images = found.draw(latents, tf.constant([1, 2], tf.int64))
    np.testing.assert_allclose(images, expected, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_plain_generators_draw_what_the_network_does(
    plain: tuple[keras.Model, Path], kind: str
) -> None:
    network, folder = plain
    found = networks.opened(str(folder / kind))
    assert isinstance(found, LatentModel)
    assert (found.resolution, found.channels, found.latent_size, found.label_size) == (
        network.resolution,
        network.channels,
        network.latent_size,
        network.label_size,
    )
    assert found.distribution == network.latent_distribution
    label = labels = None
    setting = Setting()
    if network.label_size:
        label, labels = tf.constant([1, 2], tf.int64), tf.one_hot([1, 2], 3)
        setting = Setting(label=1)
    latents = sampling.latents(SEEDS, 16, found.distribution)
    expected = network(latents, labels=labels).numpy()
    assert expected.std() > 0.05 and np.abs(expected[0] - expected[1]).max() > 0.01
    np.testing.assert_allclose(found.draw(latents, label), expected, **CLOSE)
    # What a seed draws is a latent of that distribution, and the same in all forms.
    image = synthesis.from_seed(found, 3, setting)
    np.testing.assert_allclose(image, expected[0], **CLOSE)


def test_older_savedmodels_have_normal_latents(tmp_path: Path) -> None:
    module = LatentModule(networks.dense())
    del module.latent_distribution
    path = str(tmp_path / "1")
    tf.saved_model.save(module, path, signatures=dict(module.endpoints))
    assert networks.opened(path).distribution == "normal"


def test_in_mid_growth_pictures_have_the_resolution_reached(tmp_path: Path) -> None:
    network = networks.style(32)
    network.grown = 16
    network.save(tmp_path / "young.keras")
    found = networks.opened(str(tmp_path / "young.keras"))
    assert (found.resolution, found.layers, len(found.noise_shapes)) == (16, 8, 6)
    noise = [tf.zeros([1, *shape]) for shape in found.noise_shapes]
    assert found.synthesis(tf.zeros([1, 8, 16]), noise).shape == (1, 16, 16, 3)


def test_what_is_no_generator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere is none of: a training run"):
        networks.opened(str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="is none of"):
        networks.opened(str(tmp_path))
    (tmp_path / "noise.keras").write_bytes(b"noise")
    with pytest.raises(UsageError, match=r"noise\.keras cannot be loaded"):
        networks.opened(str(tmp_path / "noise.keras"))
    ResNetGenerator(4, 1).save(tmp_path / "other.keras")
    with pytest.raises(UsageError, match=r"other\.keras has no network for the"):
        networks.opened(str(tmp_path / "other.keras"))
    networks.style(8, channels=4).save(tmp_path / "four.keras")
    with pytest.raises(UsageError, match=r"4 channels\. Allowed: 1 or 3"):
        networks.opened(str(tmp_path / "four.keras"))


def test_savedmodels_of_others_are_refused(tmp_path: Path) -> None:
    class Other(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
        def double(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"y": 2.0 * x}

    other = Other()
    signatures = {"serving_default": other.double}
    tf.saved_model.save(other, str(tmp_path / "other"), signatures=signatures)
    with pytest.raises(UsageError, match="has no network for the task generate"):
        networks.opened(str(tmp_path / "other"))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"noise")
    with pytest.raises(UsageError, match="damaged cannot be loaded"):
        networks.opened(str(tmp_path / "damaged"))
