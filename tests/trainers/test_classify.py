"""The classifier, of generators that are right, wrong or at chance."""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from tests.trainers.generation import networks
from tfgan_models.data import catalog, digits
from tfgan_models.data.source import LabelledSplits
from tfgan_models.errors import UsageError
from tfgan_models.runs.description import of_network
from tfgan_models.tasks import generator_networks
from tfgan_models.tasks.generators import LatentModel, StyleModel
from trainers import classify
from trainers.evaluation import classifier, report

STEPS = 150


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("tfds"))


@pytest.fixture(scope="module")
def splits(data_dir: str) -> LabelledSplits:
    return catalog.labelled("digits", data_dir)


def copying(change: Callable[[tf.Tensor], tf.Tensor]) -> LatentModel:
    """A "generator" of digits that shows a real one of a changed class."""
    pixels, labels = digits.read()
    images = tf.constant(pixels[..., None] / 127.5 - 1.0, tf.float32)
    first = tf.constant([np.flatnonzero(labels == i)[:20] for i in range(10)])

    def draw(latent: tf.Tensor, label: tf.Tensor | None) -> tf.Tensor:
        which = tf.cast((latent[:, 0] + 1.0) * 10.0, tf.int64)
        places = tf.stack([change(label), which], axis=1)
        return tf.gather(images, tf.gather_nd(first, places))

    return LatentModel(8, 1, 4, 10, "uniform", draw=draw)


@pytest.fixture(scope="module")
def trained(splits: LabelledSplits) -> keras.Model:
    images = classifier.real(splits.train, copying(tf.identity))
    return classifier.train(images, 10, seed=0, steps=STEPS)


def test_real_digits_are_told_apart(
    trained: keras.Model, splits: LabelledSplits
) -> None:
    test = classifier.real(splits.test, copying(tf.identity))
    assert test.pixels.shape == (180, 8, 8, 1)
    np.testing.assert_array_equal(test.labels, splits.test.labels)
    assert classifier.accuracy(trained, test) > 0.9
    moved = classifier.Images(test.pixels, (test.labels + 1) % 10)
    assert classifier.accuracy(trained, moved) < 0.05


def test_generators_that_are_right_wrong_and_at_chance(trained: keras.Model) -> None:
    found = {}
    for name, change in {
        "right": tf.identity,
        "wrong": lambda label: (label + 1) % 10,
        "one": tf.zeros_like,
    }.items():
        drawn = classifier.generated(copying(change), 500, seed=3)
        assert np.bincount(drawn.labels, minlength=10).min() > 25
        found[name] = classifier.accuracy(trained, drawn)
    assert found["right"] > 0.9
    assert found["wrong"] < 0.05
    assert 0.05 < found["one"] < 0.16


def test_the_seed_decides(splits: LabelledSplits) -> None:
    generator = copying(tf.identity)
    drawn = [classifier.generated(generator, 70, seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(drawn[0].pixels, drawn[1].pixels)
    np.testing.assert_array_equal(drawn[0].labels, drawn[1].labels)
    assert drawn[0].pixels.shape == (70, 8, 8, 1)
    assert (drawn[0].labels != drawn[2].labels).any()
    images = classifier.real(splits.test, generator)
    first, again, other = (
        classifier.train(images, 10, seed, steps=2).get_weights() for seed in (1, 1, 2)
    )
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_shifted_images_keep_their_labels() -> None:
    pixels = np.zeros((10, 16, 16, 1), np.float32)
    pixels[np.arange(10), 8, 8, 0] = np.arange(10) + 1
    images = classifier.Images(pixels, np.arange(10))
    places = set()
    for batch, labels in classifier._batches(images, 0, 20):
        assert batch.shape == (classifier.BATCH, 16, 16, 1)
        np.testing.assert_array_equal(batch.sum(axis=(1, 2, 3)), labels + 1)
        places |= set(map(tuple, np.argwhere(batch)[:, 1:3]))
    assert places == {(y, x) for y in range(6, 11) for x in range(6, 11)}


def test_large_images_are_halved_and_style_is_drawn_with_its_noise() -> None:
    network = networks.style(64, networks.CLASSES)
    model = generator_networks.of_network(network, of_network(network))
    assert isinstance(model, StyleModel) and classifier.side_of(model) == 32
    drawn = classifier.generated(model, 3, seed=5)
    random = np.random.default_rng(5)
    labels, seeds = random.integers(3, size=3), random.integers(2**62, size=3)
    np.testing.assert_array_equal(drawn.labels, labels)
    from trainers.evaluation import latent_samples

    full = latent_samples.draw(network, tf.constant(seeds), tf.one_hot(labels, 3))
    halved = full.numpy().reshape(3, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(drawn.pixels, np.clip(halved, -1, 1), atol=1e-4)


def test_images_of_unknown_class_are_left_out(splits: LabelledSplits) -> None:
    labels = splits.test.labels.copy()
    labels[:170] = -1
    some = type(splits.test)(splits.test.images, labels, splits.test.classes)
    found = classifier.real(some, copying(tf.identity))
    np.testing.assert_array_equal(found.labels, labels[170:])
    assert found.pixels.shape == (10, 8, 8, 1)
    labels[:] = -1
    with pytest.raises(UsageError, match="has no labelled image"):
        classifier.real(some, copying(tf.identity))


def test_the_table_has_both_chances() -> None:
    results = {
        "classes": 10,
        "side": 8,
        "generated": {"accuracy": 0.9, "std": 0.003, "images": 1000},
        "real": {"accuracy": 0.975, "std": 0.012, "images": 180},
        "chance": {"generated": 0.1, "real": 0.1722},
    }
    lines = report.to_text(classify.table(results)).splitlines()
    assert lines[0] == "Accuracy of a small classifier, 10 classes, 8 px"
    assert lines[2].split()[-5:] == ["0.900", "±", "0.003", "0.100", "1000"]
    assert lines[3].split()[-5:] == ["0.975", "±", "0.012", "0.172", "180"]


@pytest.fixture
def command(data_dir: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the command line in this process, with a short training."""
    monkeypatch.setattr(flags, "FLAGS", flags.FlagValues())
    values = flags.FLAGS
    for name in ("string", "enum", "integer"):
        define = getattr(flags, f"DEFINE_{name}")
        monkeypatch.setattr(
            flags,
            f"DEFINE_{name}",
            lambda *args, define=define, **options: define(
                *args, flag_values=values, **options
            ),
        )
    classify.define_flags()
    train = classifier.train
    monkeypatch.setattr(
        classifier, "train", lambda images, n, seed: train(images, n, seed, steps=5)
    )

    def run(*arguments: str) -> None:
        values.unparse_flags()
        values(["classify", f"--data_dir={data_dir}", *arguments])
        classify.main(["classify"])

    return run


def digits_network() -> keras.Model:
    return networks.ConditionalMLPGenerator(8, 1, 16, 10)


def test_a_training_is_judged_on_its_own_data(
    tmp_path: Path, command: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    run = networks.save_training(digits_network(), tmp_path / "run")
    (run / "recipe.json").write_text(json.dumps({"model": "cgan", "dataset": "digits"}))
    command(f"--model={run}", "--samples=40", "--seed=2")
    path = run / "evaluation" / "classification.json"
    written = json.loads(path.read_text())
    assert (written["dataset"], written["seed"], written["classes"]) == (
        "digits",
        2,
        10,
    )
    assert (written["generated"]["images"], written["real"]["images"]) == (40, 180)
    assert written["chance"]["generated"] == 0.1
    labels = digits.read()[1][::10]
    assert written["chance"]["real"] == np.bincount(labels).max() / 180
    for name in ("generated", "real"):
        share, count = written[name]["accuracy"], written[name]["images"]
        assert 0.0 <= share <= 1.0
        assert np.isclose(written[name]["std"], (share * (1 - share) / count) ** 0.5)
    printed = capsys.readouterr().out
    assert f"{written['generated']['accuracy']:.3f} ±" in printed
    assert printed.endswith(f"Wrote {path}\n")


def test_what_cannot_be_judged(tmp_path: Path, command: Callable[..., None]) -> None:
    networks.dense().save(tmp_path / "gan.keras")
    networks.conditional().save(tmp_path / "three.keras")
    for arguments, message in {
        (): "--model is required",
        (f"--model={tmp_path / 'gan.keras'}",): "--dataset is needed",
        (
            f"--model={tmp_path / 'gan.keras'}",
            "--dataset=digits",
        ): "gan.keras has no classes",
        (
            f"--model={tmp_path / 'three.keras'}",
            "--dataset=digits",
        ): "The generator has 3 classes and the data set digits 10. Give",
    }.items():
        with pytest.raises(UsageError) as caught:
            command(*arguments)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
