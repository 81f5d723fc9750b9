"""The Pix2Pix trainer from its flags to its files."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.trainers.conftest import alone, run_trainer
from tfgan_models.errors import UsageError
from tfgan_models.runs import checkpoints
from trainers import pix2pix
from trainers.pix2pix import PRESETS, Pix2PixRecipe

TINY = (
    "--image_size=32",
    "--batch_size=2",
    "--filters=2",
    "--downsamplings=5",
    "--discriminator_filters=2",
    "--discriminator_layers=1",
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six training and two test pairs, side by side: noise, and plain red."""
    root = tmp_path_factory.mktemp("pairs")
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 2)):
        (root / split).mkdir()
        for i in range(count):
            both = random.integers(0, 256, (20, 40, 3), np.uint8)
            both[:, 20:] = (255, 0, 0)
            Image.fromarray(both).save(root / split / f"{i}.png")
    return root


def test_the_papers_numbers() -> None:
    paper = PRESETS["paper"]
    assert (paper.image_size, paper.batch_size, paper.epochs) == (256, 1, 200)
    assert (paper.filters, paper.downsamplings, paper.dropout) == (64, 8, 0.5)
    assert (paper.norm, paper.upsampling) == ("batch", "transposed")
    assert (paper.discriminator, paper.discriminator_layers) == ("patch", 3)
    assert paper.discriminator_filters == 64
    assert (paper.l1_weight, paper.learning_rate, paper.beta_1) == (100.0, 2e-4, 0.5)
    assert (paper.ema_decay, paper.direction) == (0.0, "a2b")


def test_the_papers_networks_and_schedule() -> None:
    model = pix2pix.build_model(dataclasses.replace(PRESETS["paper"], steps=100))
    assert model.generator.count_params() > 54_413_955  # and batch norm's averages
    assert model.discriminator.input_shape == (None, None, None, 6)
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        rate = optimizer._learning_rate
        assert [float(rate(step)) for step in (0, 50, 75)] == pytest.approx(
            [2e-4, 2e-4, 1e-4]
        )
        assert (optimizer.beta_1, optimizer.epsilon) == (0.5, 1e-8)


def test_trains_and_exports_the_generator(pairs: Path, tmp_path: Path) -> None:
    model_dir, models = tmp_path / "run", tmp_path / "models"
    folders = (f"--model_dir={model_dir}", f"--export_dir={models}")
    given = (f"--dataset=folder:{pairs}", *TINY, "--steps=2")
    run_trainer(pix2pix.TRAINER, *given, *folders)
    with Image.open(model_dir / "samples/step_00000002_a2b.png") as grid:
        assert grid.size == (3 * 34 + 2, 2 * 34 + 2)
        target = np.asarray(grid)[2:34, 70:102]
    np.testing.assert_array_equal(target, np.broadcast_to((255, 0, 0), (32, 32, 3)))
    network = checkpoints.load_networks(model_dir)["generator"]
    image = tf.random.stateless_uniform([1, 32, 32, 3], [0, 1], -1.0)
    served = tf.saved_model.load(str(models / "run_generator/1"))
    translated = served.signatures["serving_default"](image=image)["translated_image"]
    np.testing.assert_allclose(translated, network(image), atol=1e-5)
    twin = keras.models.load_model(models / "run_generator.keras", compile=False)
    np.testing.assert_allclose(twin(image), network(image), atol=1e-5)


def test_dry_run_prints_the_recipe_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = (f"--model_dir={tmp_path / 'run'}", "--dry_run", "--direction=b2a")
    run_trainer(pix2pix.TRAINER, "--preset=cpu", *flags)
    recipe = json.loads(capsys.readouterr().out)
    assert recipe["model"] == "pix2pix"
    cpu = PRESETS["cpu"]
    assert (recipe["direction"], recipe["steps"]) == ("b2a", cpu.steps)
    assert not (tmp_path / "run").exists()


def test_data_without_pairs_are_refused(tmp_path: Path) -> None:
    flags = ("--dataset=emoji/flat", "--preset=cpu", f"--model_dir={tmp_path}")
    with pytest.raises(UsageError, match="dataset=emoji/flat has no pairs") as error:
        run_trainer(pix2pix.TRAINER, *flags)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 100}, "image_size=100 is not a multiple of 16, which"),
        ({"downsamplings": 1}, "downsamplings=1"),
        ({"l1_weight": -1.0}, "l1_weight=-1.0"),
        ({"discriminator_layers": 7}, "layers=7"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
    ],
)
def test_numbers_that_do_not_go_together(
    options: dict[str, float], message: str
) -> None:
    small = {"downsamplings": 4, "filters": 2, "steps": 10}
    recipe = Pix2PixRecipe(**(small | options))
    with pytest.raises(ValueError) as caught:
        pix2pix.check(recipe)
        pix2pix.build_model(recipe)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_b2a_swaps_input_and_target(pairs: Path) -> None:
    recipes = [
        Pix2PixRecipe(dataset=f"folder:{pairs}", direction=d, image_size=16)
        for d in ("a2b", "b2a")
    ]
    there, back = (
        next(iter(pix2pix.batches(pix2pix.load_data(r, None), r, 0, alone(r))))
        for r in recipes
    )
    red = tf.broadcast_to([1.0, -1.0, -1.0], (1, 16, 16, 3))
    np.testing.assert_array_equal(there["real_b"], red)
    np.testing.assert_array_equal(back["real_a"], red)
    np.testing.assert_array_equal(there["real_a"], back["real_b"])


def test_a_pixel_discriminator() -> None:
    recipe = Pix2PixRecipe(discriminator="pixel", downsamplings=2, filters=2, steps=10)
    model = pix2pix.build_model(recipe)
    trainable = model.discriminator.trainable_variables
    assert sum(int(np.prod(v.shape)) for v in trainable) == 9_024
