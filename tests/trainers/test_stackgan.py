"""The StackGAN trainer from a recipe to files, in this process."""

import dataclasses
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.trainers import kills
from tests.trainers.conftest import alone, eagerly
from tfgan_models.errors import UsageError
from tfgan_models.runs import checkpoints
from tfgan_models.tasks.caption import images_of
from trainers import stackgan
from trainers.evaluation import captioned_images
from trainers.stackgan import PRESETS, StackGANRecipe
from trainers.training import callbacks, loop, recipe

STEPS = 6
TINY = {
    "image_size": 32,
    "stage_one_size": 16,
    "batch_size": 4,
    "matching_steps": 2,
    "first_stage_steps": 2,
    "second_stage_steps": 2,
    "embedding_size": 6,
    "caption_length": 12,
    "condition_size": 4,
    "latent_size": 4,
    "filters": 4,
    "residual_blocks": 1,
    "discriminator_filters": 4,
    "captions": "red one; blue one",
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images of noise, each with a caption."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for i in range(12):
        pixels = random.integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"{i:02}.png")
        (root / f"{i:02}.txt").write_text(f"number {i}")
    return root


def recipe_of(photos: Path, **numbers: Any) -> StackGANRecipe:
    given = TINY | {"dataset": f"folder:{photos}"} | numbers
    return dataclasses.replace(PRESETS["cpu"], **given)


def train(given: StackGANRecipe, run: Path) -> loop.Outcome:
    with eagerly():
        return loop.train(
            stackgan.TRAINER,
            given,
            stackgan.load_data(given, None),
            tf.distribute.OneDeviceStrategy("CPU:0"),
            run,
            loop.Cadence(checkpoint_every=1, eval_every=2),
        )


@pytest.fixture(scope="module")
def kept() -> Iterator[None]:
    """Every checkpoint is kept."""
    save = partial(callbacks.save_model, kept=99)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks, "save_model", save)
        yield


@pytest.fixture(scope="module")
def trained(
    photos: Path, tmp_path_factory: pytest.TempPathFactory, kept: None
) -> tuple[Any, Path]:
    run = tmp_path_factory.mktemp("run")
    outcome = train(recipe_of(photos), run)
    assert outcome.step == STEPS
    return outcome.model, run


def test_the_papers_numbers() -> None:
    paper = PRESETS["paper"]
    assert (paper.dataset, paper.batch_size) == ("caltech_birds2011", 64)
    assert (paper.image_size, paper.stage_one_size) == (256, 64)
    assert (paper.first_stage_epochs, paper.second_stage_epochs) == (600, 600)
    assert (paper.condition_size, paper.latent_size) == (128, 100)
    assert (paper.filters, paper.discriminator_filters) == (128, 64)
    assert (paper.residual_blocks, paper.kl_weight) == (4, 2.0)
    assert (paper.learning_rate, paper.beta_1, paper.ema_decay) == (2e-4, 0.5, 0.0)
    assert paper.mirror and paper.crop


def test_stages_in_steps_and_their_rates(photos: Path) -> None:
    given = recipe_of(
        photos,
        first_stage_steps=0,
        second_stage_steps=0,
        first_stage_epochs=600,
        second_stage_epochs=600,
        first_stage_halvings=11,
        second_stage_halvings=5,
    )
    splits = stackgan.load_data(given, None)
    spans = stackgan.plan(splits, given)
    # 12 images are 3 steps of 4.
    assert [(s.first_step, s.steps, s.epoch, s.first_image) for s in spans] == [
        (0, 2, 3, 0),
        (2, 1800, 3, 8),
        (1802, 1800, 3, 7208),
    ]
    model = stackgan.build_model(stackgan.completed(splits, given))
    for begin, every in ((2, 150), (1802, 300)):
        model.begin(begin)
        for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
            rate = optimizer._learning_rate
            found = [float(rate(step)) for step in (0, every - 1, every, 2 * every)]
            assert found == pytest.approx([2e-4, 2e-4, 1e-4, 5e-5])
            assert (optimizer.beta_1, optimizer.epsilon) == (0.5, 1e-8)
    model.begin(0)
    assert float(model.generator_optimizer._learning_rate(1)) == pytest.approx(7e-4)


def test_batches_are_of_the_stages_size(photos: Path) -> None:
    given = recipe_of(photos)
    splits = stackgan.load_data(given, None)
    for step, side in ((0, 16), (3, 16), (4, 32)):
        batch = next(iter(stackgan.batches(splits, given, step, alone(given))))
        assert batch["real"].shape == batch["wrong"].shape == (4, side, side, 3)
        assert batch["caption"].shape == (4, 12)


def test_the_grids(trained: tuple[Any, Path]) -> None:
    _, run = trained
    # A row: the picture, 14 pixels of text, 2 between; 34 pixels a column and 2.
    expected = {"step_00000002_matching.png": (5 * 34 + 2, 8 * 48 + 2)}
    for step, stages in ((4, 1), (6, 2)):
        columns = 4 * stages
        for name in ("train", "test"):
            expected[f"step_{step:08d}_{name}.png"] = (
                (1 + columns) * 34 + 2,
                8 * 48 + 2,
            )
        expected[f"step_{step:08d}_text.png"] = (columns * 34 + 2, 2 * 48 + 2)
    found = {}
    for path in (run / "samples").iterdir():
        with Image.open(path) as grid:
            found[path.name] = grid.size
            pixels = np.asarray(grid)
        # There is text below the first row.
        assert pixels[36:48].min() < 100
    assert found == expected


def test_goes_on_bit_for_bit_from_the_end_of_a_stage(
    trained: tuple[Any, Path], photos: Path, tmp_path: Path
) -> None:
    """As test_systems.py has it from within one."""
    _, run = trained
    again = tmp_path / "run"
    shutil.copytree(run, again)
    for step in (5, 6):
        shutil.rmtree(again / f"checkpoints/step_{step:08d}")
    train(recipe_of(photos), again)
    kills.assert_same(run, again, STEPS)


def test_checkpoints_tell_the_stage_reached(
    trained: tuple[Any, Path], tmp_path: Path
) -> None:
    _, run = trained
    shutil.copytree(run, tmp_path / "run")
    for step in (6, 4):
        network = checkpoints.load_networks(tmp_path / "run")["generator"]
        assert network.resolution == (32 if step == 6 else 16)
        for after in range(4 if step == 6 else 0, step):
            shutil.rmtree(tmp_path / f"run/checkpoints/step_{after + 1:08d}")


def test_the_task_draws_the_training_images_captions(
    trained: tuple[Any, Path], photos: Path
) -> None:
    model, _ = trained
    given = recipe_of(photos)
    splits = stackgan.load_data(given, None)
    network = model.exported_networks["generator"]
    (task,) = stackgan.tasks({"generator": network}, splits, given)
    made = np.concatenate([b["generated"] for b in task.batches(14)])
    assert made.shape == (14, 32, 32, 3)
    embedding = captioned_images.embeddings(network, splits.train, [1])
    again = images_of(network, embedding, tf.constant([13], tf.int64))
    np.testing.assert_allclose(made[13], again[0], atol=1e-5)
    real = np.concatenate(list(task.real(12)))
    assert real.shape == (12, 32, 32, 3)


def test_trains_on_embeddings(photos: Path, tmp_path: Path) -> None:
    names = [f"{i:02}.png" for i in range(12) for _ in range(2)]
    vectors = np.random.default_rng(0).normal(size=(24, 5)).astype(np.float32)
    captions = np.array([f"text {i}" for i in range(24)])
    path = tmp_path / "vectors.npz"
    np.savez(path, caption=captions, vector=vectors, image=np.array(names))
    given = recipe_of(photos, embeddings=str(path))
    (tmp_path / "run").mkdir()
    outcome = train(given, tmp_path / "run")
    assert outcome.step == 4
    assert outcome.model.image_encoder is None
    network = outcome.model.exported_networks["generator"]
    assert network.text_encoder is None
    assert network.embedding_size == 5
    names = {p.name[14:] for p in (tmp_path / "run/samples").iterdir()}
    assert names == {"train.png", "test.png"}
    splits = stackgan.load_data(given, None)
    found = captioned_images.embeddings(network, splits.train, [0, 3])
    expected = vectors.reshape(12, 2, 5).mean(axis=1)[[0, 3]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_captions_without_embeddings(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        stackgan.load_data(PRESETS["paper"], str(tmp_path))
    assert str(caught.value).startswith(
        "dataset=caltech_birds2011 has images without captions. Give --embeddings=FILE"
    )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matching_steps": 0}, "--matching_steps must be 1 or more"),
        ({"first_stage_steps": -1}, "--first_stage_epochs must be 1 or more"),
        ({"second_stage_steps": 0, "second_stage_epochs": 0}, "--second_stage_epochs"),
        ({"image_size": 48}, "resolution=48"),
        ({"image_size": 16}, "resolution=16"),
        ({"stage_one_size": 24}, "resolution=24"),
        ({"caption_length": 30}, "length=30"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"first_stage_halvings": -1}, "Received: -1"),
        ({"kl_weight": -1.0}, "kl_weight=-1.0"),
    ],
)
def test_numbers_that_do_not_go_together(
    options: dict[str, Any], message: str, photos: Path
) -> None:
    given = recipe_of(photos, **options)
    splits = stackgan.load_data(recipe_of(photos), None)
    with pytest.raises(ValueError) as caught:
        stackgan.build_model(stackgan.completed(splits, given))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_recipes_are_written_as_json(photos: Path, trained: tuple[Any, Path]) -> None:
    _, run = trained
    assert not recipe.differences(recipe.read(run), "stackgan", recipe_of(photos))
    other = recipe_of(photos, captions="a cat")
    assert len(recipe.differences(recipe.read(run), "stackgan", other)) == 1
