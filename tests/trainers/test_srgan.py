"""The SRGAN trainer: both stages by one command, and what they are measured on."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.trainers.conftest import run_trainer
from tfgan_models.errors import UsageError
from tfgan_models.metrics import similarity, spec
from tfgan_models.networks import SRResNet
from tfgan_models.runs import checkpoints
from tfgan_models.tasks.images import compiled
from tfgan_models.tasks.upscale import tiled
from trainers import evaluate, srgan
from trainers.evaluation import measurement, sources, super_resolution_task, translation
from trainers.srgan import PRESETS, SRGANRecipe
from trainers.training.recipe import Span

TINY = (
    "--preset=cpu",
    "--scale=2",
    "--image_size=16",
    "--batch_size=2",
    "--filters=2",
    "--residual_blocks=1",
    "--discriminator_filters=2",
    "--mse_steps=3",
    "--adversarial_steps=3",
)
RECIPE = dataclasses.replace(
    PRESETS["cpu"],
    scale=2,
    image_size=16,
    batch_size=2,
    filters=2,
    residual_blocks=1,
    discriminator_filters=2,
    mse_steps=3,
    adversarial_steps=3,
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five training and three test images of different sizes."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for split, count in (("train", 5), ("test", 3)):
        (root / split).mkdir()
        for i in range(count):
            coarse = random.integers(0, 256, (8, 8, 3), np.uint8)
            image = Image.fromarray(coarse).resize((40 + i, 37), Image.BICUBIC)
            image.save(root / split / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def recipe(photos: Path) -> SRGANRecipe:
    return dataclasses.replace(RECIPE, dataset=f"folder:{photos}")


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of both stages and its exports."""
    root = tmp_path_factory.mktemp("trained")
    run_trainer(
        srgan.TRAINER,
        *TINY,
        f"--dataset=folder:{photos}",
        f"--model_dir={root / 'whole'}",
        f"--export_dir={root / 'models'}",
        "--metrics=psnr_y,ssim_y",
        "--eval_every=3",
    )
    return root


def test_the_papers_numbers() -> None:
    paper = PRESETS["paper"]
    assert (paper.dataset, paper.scale) == ("div2k/bicubic_x4", 4)
    assert (paper.image_size, paper.batch_size) == (96, 16)
    assert (paper.filters, paper.residual_blocks) == (64, 16)
    assert (paper.mse_steps, paper.adversarial_steps) == (10**6, 2 * 10**5)
    assert (paper.learning_rate, paper.beta_1) == (1e-4, 0.9)
    assert (paper.perceptual, paper.adversarial_weight) == ("vgg54", 1e-3)


def test_rates_are_those_of_the_stages() -> None:
    recipe = dataclasses.replace(RECIPE, adversarial_steps=6, learning_rate=1e-4)
    model = srgan.build_model(dataclasses.replace(recipe, perceptual="lite0"))
    assert float(model.first_stage_optimizer.learning_rate) == pytest.approx(1e-4)
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        rates = []
        for step in (0, 2, 4, 5):
            optimizer.iterations.assign(step)
            rates.append(float(optimizer.learning_rate))
        assert rates == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5])


def test_both_stages_are_spans(recipe: SRGANRecipe) -> None:
    splits = srgan.load_data(recipe, None)
    assert srgan.plan(splits, recipe) == [Span(0, 3, 2, 2), Span(3, 3, 2, 2, 6)]
    one = dataclasses.replace(recipe, adversarial_steps=0)
    assert srgan.plan(splits, one) == [Span(0, 3, 2, 2)]
    none = dataclasses.replace(one, mse_steps=0)
    with pytest.raises(
        UsageError, match=r"one of them above 0\. Received: mse_steps=0"
    ):
        srgan.check(none)


def test_without_a_second_stage_no_features_are_loaded() -> None:
    one = dataclasses.replace(RECIPE, adversarial_steps=0, perceptual="vgg54")
    assert srgan.build_model(one).features is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": 3}, r"--scale must be 2 or 4\. Received: 3"),
        ({"image_size": 18, "scale": 4}, "image_size=18 is not a multiple of scale=4"),
        ({"image_size": 48}, r"images smaller than image_size=48: one is \d+ x 37 px"),
    ],
)
def test_data_that_does_not_go_with_the_recipe(
    recipe: SRGANRecipe, changes: dict, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        changed = dataclasses.replace(recipe, **changes)
        srgan.check(changed)
        srgan.load_data(changed, None)


def test_networks_that_cannot_be() -> None:
    with pytest.raises(ValueError, match=r"image_size must be a multiple of 16"):
        srgan.build_model(dataclasses.replace(RECIPE, image_size=24))


def test_what_is_measured_is_what_the_network_makes(recipe: SRGANRecipe) -> None:
    splits = srgan.load_data(recipe, None)
    network = SRResNet(2, filters=2, residual_blocks=1)
    (task,) = srgan.tasks({"srresnet": network}, splits, recipe)
    assert task.name == "srresnet"
    batches = list(task.batches(100))
    # Of different sizes, so one by one; rows that the scale leaves over are cut off.
    assert [b["truth"].shape for b in batches] == [
        (1, 36, width, 3) for width in (40, 40, 42)
    ]
    names = ["psnr", "psnr_y", "ssim_y"]
    measured = measurement.measure(task, [spec.parse(n) for n in names], {})
    expected = [
        np.mean([function(b["generated"], b["truth"])[0] for b in batches])
        for function in (
            similarity.psnr,
            lambda *x: similarity.psnr_y(*x, 2),
            lambda *x: similarity.ssim_y(*x, 2),
        )
    ]
    assert [f.value for f in measured] == pytest.approx(expected)
    assert [len(b["truth"]) for b in task.batches(2)] == [1, 1]


def test_bicubic_is_the_baseline(recipe: SRGANRecipe) -> None:
    splits = srgan.load_data(recipe, None)

    def flat(low: np.ndarray) -> np.ndarray:
        return np.zeros((*np.multiply(low.shape, (1, 2, 2, 1)),), np.float32)

    task = super_resolution_task.task("flat", flat, splits)
    systems = translation.baseline_tasks(task, 3)
    assert list(systems) == ["bicubic", "training images"]
    (bicubic,) = measurement.measure(systems["bicubic"], [spec.parse("psnr_y")], {})
    (own,) = measurement.measure(task, [spec.parse("psnr_y")], {})
    assert bicubic.value > own.value + 5
    for batch in systems["bicubic"].batches(9):
        np.testing.assert_array_equal(batch["generated"], batch["input"])
        assert np.abs(batch["generated"] - batch["truth"]).mean() < 0.1


def test_figures_of_luma_are_for_enlargements_alone() -> None:
    task = measurement.Task("a2b", iter, iter, iter, has=("input", "truth"))
    with pytest.raises(UsageError, match=r"psnr_y cannot .* does not enlarge images"):
        measurement.check([task], [spec.parse("psnr_y")], "maps")


def test_large_images_are_enlarged_in_tiles() -> None:
    network = SRResNet(2, filters=2, residual_blocks=0)
    enlarge = compiled(tiled(network, network.scale, tile=8), 3)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 50, 9, 3)).astype(np.float32)
    expected = np.clip(network(image, training=False), -1, 1)
    np.testing.assert_allclose(enlarge(image), expected, rtol=0, atol=1e-5)


def test_samples_show_all_that_there_is(recipe: SRGANRecipe) -> None:
    splits = srgan.load_data(recipe, None)
    model = srgan.build_model(recipe)
    model.begin(0)
    for columns, step in ((4, 0), (5, 3)):
        model.begin(step)
        (grid,) = srgan.samples(model, splits, recipe).values()
        assert grid.shape == (3 * 34 + 2, columns * 34 + 2, 3)
        cells = (
            grid[2:].reshape(3, 34, -1, 3)[:, :32, 2:].reshape(3, 32, columns, 34, 3)
        )
        low, truth = cells[:, :, 0, :32], cells[:, :, -1, :32]
        assert (low[:, ::2, ::2] == low[:, 1::2, 1::2]).all()
        assert np.abs(low.astype(int) - truth).mean() < 30


def test_one_command_trains_and_exports_both(trained: Path) -> None:
    whole, models = trained / "whole", trained / "models"
    networks = json.loads((whole / "networks.json").read_text())
    assert networks["group"] == "ema_generators"
    assert sorted(checkpoints.load_networks(whole)) == ["srgan", "srresnet"]
    assert {path.name for path in models.glob("whole_*")} == {
        f"whole_{name}{ending}"
        for name in ("srgan", "srresnet")
        for ending in ("", ".keras")
    }
    served = tf.saved_model.load(str(models / "whole_srgan" / "1"))
    made = served.signatures["serving_default"](image=tf.zeros([1, 5, 7, 3]))
    assert made["upscaled_image"].shape == (1, 10, 14, 3)
    lines = (whole / "metrics.jsonl").read_text().splitlines()
    names = {name for line in lines for name in json.loads(line)["values"]}
    assert {"psnr_y/srresnet", "ssim_y/srresnet", "psnr_y/srgan"} <= names
    # At the end of each stage; between them `fit` ends where it does by chance.
    assert sorted(path.name for path in (whole / "samples").iterdir()) == [
        f"step_{step:08d}_x2.png" for step in (3, 6)
    ]


def test_the_evaluation_prints_bicubic_beside_ours(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    subject = sources.find(sources.Request(str(trained / "whole")))
    assert [task.name for task in subject.tasks] == ["srresnet", "srgan"]
    specs = spec.parse_list("psnr_y,ssim_y")
    results = evaluate.evaluate(subject, specs, {}, 0, tmp_path, "ours")
    printed = capsys.readouterr().out
    heads = [line.split()[:2] for line in printed.splitlines()]
    assert heads.count(["model", "bicubic"]) == 2
    for name in ("srresnet", "srgan"):
        ours, bicubic = (results[name][k][0].value for k in ("model", "bicubic"))
        assert 0 < ours < bicubic  # after three steps
    assert (tmp_path / "evaluation.html").stat().st_size > 1000
