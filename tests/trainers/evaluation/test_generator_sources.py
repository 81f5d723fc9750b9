"""Exported generators as what is evaluated: GAN, CGAN, DCGAN, SRGAN and StackGAN."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from export import client
from export.signatures.writing import write_saved_model
from tests.networks.conformance import randomize
from tests.trainers.generation import networks
from tfgan_models import sampling
from tfgan_models.data import catalog, digits, superres
from tfgan_models.errors import UsageError
from tfgan_models.networks import (
    CharacterEncoder,
    SRResNet,
    StackGenerator,
    StageOneGenerator,
)
from tfgan_models.tasks.caption import embed, images_of
from trainers.evaluation import sources


def subject(network: keras.Model, folder: Path, **options: object) -> sources.Subject:
    write_saved_model(network, folder / "model" / "1")
    return asked(folder, **options)


def asked(folder: Path, **options: object) -> sources.Subject:
    request = {"dataset": "digits", "data_dir": str(folder / "tfds"), **options}
    return sources.find(sources.Request(str(folder / "model"), **request))


def test_a_grey_generator_is_compared_with_grey_images(tmp_path: Path) -> None:
    network = networks.dense()
    [task] = subject(network, tmp_path, image_size=16).tasks
    made = np.concatenate([batch["generated"] for batch in task.batches(40)])
    z = sampling.latents(tf.range(40, dtype=tf.int64), 16, "normal")
    expected = np.repeat(np.repeat(network(z).numpy(), 2, axis=1), 2, axis=2)
    np.testing.assert_allclose(made, expected, atol=1e-4)
    [first, *_] = task.real(32)
    assert first.shape == (32, 16, 16, 1) and made.shape == (40, 16, 16, 1)


def test_classes_are_those_of_the_training_images(tmp_path: Path) -> None:
    network = networks.ConditionalMLPGenerator(8, 1, 16, 10)
    [task] = subject(network, tmp_path, image_size=8).tasks
    made = np.concatenate([batch["generated"] for batch in task.batches(32)])
    labels = np.delete(digits.read()[1], np.s_[::10])[:32]
    z = sampling.latents(tf.range(32, dtype=tf.int64), 16, "uniform")
    expected = network(z, labels=tf.one_hot(labels, 10)).numpy()
    np.testing.assert_allclose(made, expected, atol=1e-4)
    [real, *_] = task.real(32)
    train = catalog.labelled("digits", str(tmp_path / "tfds")).train
    first = next(iter(train.images.images())).numpy()[..., :1]
    np.testing.assert_allclose((real[0] + 1) * 127.5, first, atol=1e-3)


def test_a_generator_in_colour(tmp_path: Path) -> None:
    [task] = subject(networks.convolutional(), tmp_path, image_size=16).tasks
    [batch] = task.batches(5)
    [real] = task.real(5)
    assert batch["generated"].shape == real.shape == (5, 16, 16, 3)


def test_what_does_not_go_with_the_generator(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"images have 16 px, and --image_size must"):
        subject(networks.convolutional(), tmp_path, image_size=24)
    random = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for i in range(3):
        pixels = random.integers(0, 256, (9, 9, 3), np.uint8)
        keras.utils.save_img(tmp_path / "data" / f"{i}.png", pixels)
    options = {"dataset": f"folder:{tmp_path / 'data'}", "image_size": 9}
    with pytest.raises(
        UsageError, match=r"classes and the data set folder:.* has none"
    ):
        subject(networks.conditional(), tmp_path / "cgan", **options)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Four images of 32 px, each with a caption."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for i, colour in enumerate(("red", "green", "blue", "grey")):
        pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
        keras.utils.save_img(folder / f"{i}.png", pixels)
        (folder / f"{i}.txt").write_text(f"a {colour} thing\n")
    return f"folder:{folder}"


def test_super_resolution_enlarges_whole_test_images(
    photos: str, tmp_path: Path
) -> None:
    network = SRResNet(2, filters=4, residual_blocks=1)
    randomize(network)
    found = subject(network, tmp_path, dataset=photos)
    [task] = found.tasks
    assert (found.image_size, task.border) == (None, 2)
    [batch] = task.batches(3)
    [pairs] = superres.test_batches(
        catalog.superres(photos, 2).test, batch_size=3, limit=3
    )
    expected = np.clip(network(pairs["low"]), -1, 1)
    np.testing.assert_allclose(batch["generated"], expected, atol=1e-5)
    np.testing.assert_array_equal(batch["truth"], pairs["high"])
    assert set(task.baselines) == {"bicubic"}
    with pytest.raises(UsageError, match=r"--dataset is needed .* dataset=None"):
        subject(network, tmp_path / "nothing", dataset=None)


def stack(encoder: bool) -> StackGenerator:
    """One stage of 16 px."""
    stage = StageOneGenerator(
        16, embedding_size=6, condition_size=4, latent_size=4, filters=8
    )
    text_encoder = CharacterEncoder(6, 12, filters=8) if encoder else None
    for part in (stage, text_encoder):
        if part is not None:
            randomize(part)
    return StackGenerator(stage, None, text_encoder)


def test_a_text_generator_draws_the_training_captions(
    photos: str, tmp_path: Path
) -> None:
    network = stack(encoder=True)
    [task] = subject(network, tmp_path, dataset=photos, image_size=32).tasks
    made = np.concatenate([batch["generated"] for batch in task.batches(5)])
    texts = [f"a {colour} thing" for colour in ("red", "green", "blue", "grey", "red")]
    embedding = embed(network, tf.constant(texts))
    drawn = images_of(network, embedding, tf.range(5, dtype=tf.int64)).numpy()
    expected = np.repeat(np.repeat(drawn, 2, axis=1), 2, axis=2)
    np.testing.assert_allclose(made, expected, atol=1e-4)
    assert np.abs(drawn[0] - drawn[1]).max() > 0.01
    assert np.abs(drawn[0] - drawn[4]).max() > 0.01


def test_what_does_not_go_with_a_text_generator(photos: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"images have 16 px, and --image_size must"):
        subject(stack(encoder=True), tmp_path, dataset=photos, image_size=24)
    with pytest.raises(UsageError, match=r"dataset=digits .*caption"):
        asked(tmp_path, image_size=16)
    other = tmp_path / "bare"
    with pytest.raises(UsageError, match="has no text encoder"):
        subject(stack(encoder=False), other, dataset=photos, image_size=16)


def test_an_endpoint_that_enlarges_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def enlarge(url: str, images: np.ndarray) -> np.ndarray:
        return np.repeat(np.repeat(images, 2, axis=1), 2, axis=2)

    monkeypatch.setattr(client, "is_served", lambda url: True)
    monkeypatch.setattr(client, "translate", enlarge)
    for domain in ("trainA", "trainB"):
        (tmp_path / domain).mkdir()
        keras.utils.save_img(tmp_path / domain / "0.png", np.zeros((16, 16, 3)))
    url = "http://localhost:1/v1/models/photos_srgan"
    found = sources.find(sources.Request(url, f"folder:{tmp_path}", image_size=16))
    with pytest.raises(UsageError, match=r"16 x 16 px by 32 x 32 px: it does not tra"):
        list(found.tasks[0].batches(2))
