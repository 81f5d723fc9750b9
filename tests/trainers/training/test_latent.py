"""The trainers of GAN, CGAN and DCGAN from recipes to files, in this process."""

import dataclasses
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export import saved_model
from tests.trainers.conftest import alone, eagerly
from tests.trainers.training.test_growing import class_folder
from tfgan_models import losses
from tfgan_models.errors import UsageError
from tfgan_models.runs import checkpoints
from trainers import cgan, dcgan, gan
from trainers.training import latent, loop
from trainers.training.latent import LatentRecipe
from trainers.training.recipe import LOSSES

MODULES = [gan, cgan, dcgan]
STEPS = 4
TINY = {
    "image_size": 16,
    "batch_size": 4,
    "steps": STEPS,
    "latent_size": 4,
}
OWN = {
    gan: {"units": 8, "discriminator_units": 4},
    cgan: {"filters": 4, "discriminator_filters": 4},
    dcgan: {"filters": 4, "discriminator_filters": 4},
}
Run = tuple[ModuleType, Any, Path]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("classes"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images without classes."""
    root = tmp_path_factory.mktemp("plain")
    for i in range(8):
        Image.new("RGB", (20, 20), (i, 2 * i, 3 * i)).save(root / f"{i}.png")
    return root


def recipe_of(module: ModuleType, photos: Path, **numbers: Any) -> LatentRecipe:
    given = TINY | OWN[module] | {"dataset": f"folder:{photos}"} | numbers
    return dataclasses.replace(module.PRESETS["cpu"], **given)


def train(module: ModuleType, recipe: LatentRecipe, run: Path) -> loop.Outcome:
    if module.TRAINER.check:
        module.TRAINER.check(recipe)
    with eagerly():
        return loop.train(
            module.TRAINER,
            recipe,
            module.TRAINER.load_data(recipe, None),
            tf.distribute.OneDeviceStrategy("CPU:0"),
            run,
            loop.Cadence(checkpoint_every=2, eval_every=STEPS),
        )


@pytest.fixture(scope="module", params=MODULES, ids=lambda m: m.TRAINER.name)
def trained(
    request: pytest.FixtureRequest,
    photos: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    module, run = request.param, tmp_path_factory.mktemp("run")
    outcome = train(module, recipe_of(module, photos), run)
    assert outcome.step == STEPS
    return module, outcome.model, run


def test_the_grids(trained: Run) -> None:
    """8 columns, or one for each class; 16 px are shown as 32."""
    module, _, run = trained
    columns = 2 if module is cgan else 8
    with Image.open(run / f"samples/step_{STEPS:08d}_fakes.png") as grid:
        assert grid.size == (columns * 34 + 2, 6 * 34 + 2)
        pixels = np.asarray(grid)
    assert pixels[2:-2, 2:-2].std() > 1
    np.testing.assert_array_equal(pixels[2:34:2, 2:34], pixels[3:34:2, 2:34])
    with Image.open(run / "samples/reals.png") as grid:
        assert grid.size == (8 * 34 + 2, 2 * 34 + 2)
        pixels = np.asarray(grid)[2:34, 2:34].astype(int)
    grey = np.abs(pixels - pixels[..., :1]).max() == 0
    assert grey == (module is gan)


def test_what_is_exported_draws_what_was_trained(trained: Run, tmp_path: Path) -> None:
    module, model, run = trained
    network = checkpoints.load_networks(run)["generator"]
    np.testing.assert_array_equal(
        network.get_weights()[0],
        model.exported_networks["generator"].get_weights()[0],
    )
    saved_model.export_networks(model.exported_networks, tmp_path, "run")
    served = tf.saved_model.load(str(tmp_path / "run_generator/1"))
    noise = tf.random.stateless_uniform([3, 4], [0, 1], -1.0)
    given = {"latent": noise}
    labels = None
    if module is cgan:
        given["label"] = tf.constant([0, 1, 1], tf.int64)
        labels = tf.one_hot(given["label"], 2)
    images = served.signatures["serving_default"](**given)["image"]
    assert images.shape == (3, 16, 16, 1 if module is gan else 3)
    np.testing.assert_allclose(images, network(noise, labels=labels), atol=1e-5)
    twin = keras.models.load_model(tmp_path / "run_generator.keras", compile=False)
    inputs = noise if labels is None else {"latent": noise, "labels": labels}
    np.testing.assert_allclose(twin(inputs), images, atol=1e-5)


def test_the_task_compares_with_training_images(trained: Run, photos: Path) -> None:
    module, model, _ = trained
    recipe = recipe_of(module, photos)
    splits = module.TRAINER.load_data(recipe, None)
    (task,) = module.TRAINER.tasks(model.exported_networks, splits, recipe)
    channels = 1 if module is gan else 3
    made = np.concatenate([b["generated"] for b in task.batches(20)])
    assert made.shape == (20, 16, 16, channels)
    assert 0 < np.abs(made).max() <= 1.0
    real = np.concatenate(list(task.real(6)))
    assert real.shape == (6, 16, 16, channels)


@pytest.mark.parametrize("module", MODULES)
def test_batches_are_the_recipes(module: ModuleType, photos: Path) -> None:
    """Starting at step 2 gives what step 2 saw."""
    recipe = recipe_of(module, photos)
    splits = module.TRAINER.load_data(recipe, None)
    all_of = (
        latent.batches(splits, recipe, 0, alone(recipe)).take(4).as_numpy_iterator()
    )
    batches = list(all_of)
    assert batches[0]["real"].shape == (4, 16, 16, 1 if module is gan else 3)
    assert set(np.concatenate([b["label"] for b in batches])) == {0, 1}
    again = next(iter(latent.batches(splits, recipe, 2, alone(recipe))))
    np.testing.assert_array_equal(again["real"], batches[2]["real"])


def test_a_dense_cgan_trains(photos: Path, tmp_path: Path) -> None:
    recipe = recipe_of(
        cgan, photos, network="mlp", grey=True, optimizer="sgd", learning_rate=0.1
    )
    outcome = train(cgan, dataclasses.replace(recipe, steps=1), tmp_path)
    generator = outcome.model.exported_networks["generator"]
    assert (generator.label_size, generator.channels) == (2, 1)


def test_the_papers_numbers() -> None:
    first, conditional, deep = (module.PRESETS["paper"] for module in MODULES)
    for paper in (first, conditional):
        assert (paper.dataset, paper.image_size, paper.batch_size) == ("mnist", 28, 100)
        assert (paper.loss, paper.latent_size, paper.dropout) == ("minimax", 100, 0.5)
        assert (paper.optimizer, paper.grey, paper.mirror) == ("sgd", True, False)
    assert first.learning_rate_decay == 1.000004
    assert conditional.learning_rate_decay == 1.00004
    assert conditional.network == "mlp"
    assert (deep.image_size, deep.batch_size, deep.latent_size) == (64, 128, 100)
    assert (deep.learning_rate, deep.beta_1, deep.norm) == (2e-4, 0.5, "batch")
    assert (deep.filters, deep.loss, deep.mirror) == (128, "non_saturating", False)
    assert set(LOSSES) == set(losses.ADVERSARIAL)


def test_the_papers_networks_and_optimizers() -> None:
    paper = gan.build_model(gan.PRESETS["paper"])
    assert paper.generator.count_params() == 2_503_984
    for optimizer in (paper.generator_optimizer, paper.discriminator_optimizer):
        rates = [float(optimizer._learning_rate(step)) for step in (0, 10**7)]
        assert rates == pytest.approx([0.1, 1e-6])
        momenta = (optimizer.momentum, optimizer.final_momentum, optimizer.rise_steps)
        assert momenta == (0.5, 0.7, 150_000)
    ten = dataclasses.replace(cgan.PRESETS["paper"], classes=10)
    assert cgan.build_model(ten).generator.count_params() == 2_413_984
    deep = dataclasses.replace(dcgan.PRESETS["paper"], image_size=32, filters=16)
    optimizer = dcgan.build_model(deep).generator_optimizer
    assert (optimizer.beta_1, optimizer.epsilon) == (0.5, 1e-8)
    assert float(optimizer.learning_rate) == pytest.approx(2e-4)


WRONG: dict[str, tuple[ModuleType, dict[str, Any], str]] = {
    "side": (
        dcgan,
        {"image_size": 48},
        "--image_size must be a power of two and at least 16: 32, 64, 128. "
        "Received: 48",
    ),
    "conditional side": (cgan, {"image_size": 8}, "at least 16: 32, 64, 128. "),
    "rate": (gan, {"learning_rate": 0.0}, "--learning_rate must be above 0."),
    "units": (gan, {"units": 0}, "units must be 1 or more. Received: units=0"),
    "dropout": (gan, {"dropout": 1.0}, "Received: dropout=1.0"),
    "momentum": (
        gan,
        {"optimizer": "sgd", "momentum_steps": 0},
        "rise_steps 1 or more",
    ),
    "weight": (dcgan, {"gp_weight": -1.0}, "gp_weight must be 0 or more."),
    "batch": (dcgan, {"batch_size": 16}, "fewer images (12) than a batch"),
    "classes": (
        cgan,
        {"classes": 5},
        "which has 2 (cat, dog). Omit it.",
    ),
}


@pytest.mark.parametrize(("module", "wrong", "message"), WRONG.values(), ids=WRONG)
def test_a_usage_error_is_one_line_and_writes_nothing(
    module: ModuleType,
    wrong: dict[str, Any],
    message: str,
    photos: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError) as error:
        train(module, recipe_of(module, photos, **wrong), tmp_path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_cgan_needs_labels(
    plain: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"^CGAN needs labels, and .* has none\. Give"):
        cgan.load_data(recipe_of(cgan, plain), None)
    recipe = recipe_of(cgan, photos)
    splits = cgan.load_data(recipe, None)
    unknown = splits.train.labels.copy()
    unknown[:3] = -1
    monkeypatch.setattr(
        latent,
        "load_data",
        lambda *_: dataclasses.replace(
            splits, train=dataclasses.replace(splits.train, labels=unknown)
        ),
    )
    with pytest.raises(UsageError, match=r"and 3 of the 12 images of .* \(-1\)"):
        cgan.load_data(recipe, None)
