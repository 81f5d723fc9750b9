"""The trainers of ProGAN and StyleGAN from recipes to files, in this process."""

import dataclasses
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.trainers import kills
from tests.trainers.conftest import eagerly, saved
from tfgan_models.errors import UsageError
from tfgan_models.growing_gan import GrowingGAN
from tfgan_models.runs import checkpoints, run_log
from trainers import progan, stylegan
from trainers.evaluation import latent_samples
from trainers.training import callbacks, growing, loop
from trainers.training.growing import GrowingRecipe

TINY = {
    "image_size": 16,
    "batch_size": 8,
    "batch_sizes": "",
    "kimg": 0.064,
    "kimg_per_phase": 0.016,
    "latent_size": 4,
    "fmap_base": 32,
    "fmap_max": 4,
}
STEPS = 8
"""2 at the smallest resolution, 2 of fading to the full one, 4 at this."""
STYLE = {"w_size": 4, "mapping_layers": 2}
Run = tuple[ModuleType, GrowingGAN, Path, list[int]]


def class_folder(root: Path) -> Path:
    """Makes a folder of 12 images of noise, 20 px, of two classes."""
    random = np.random.default_rng(0)
    for i in range(12):
        folder = root / ("cat" if i < 7 else "dog")
        folder.mkdir(exist_ok=True)
        pixels = random.integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("classes"))


def recipe_of(module: ModuleType, photos: Path, **numbers: Any) -> GrowingRecipe:
    own = STYLE if module is stylegan else {"image_size": 8}
    given = TINY | own | {"dataset": f"folder:{photos}"} | numbers
    return dataclasses.replace(module.PRESETS["cpu"], **given)


def module_side(module: ModuleType) -> int:
    """Returns the full resolution, twice the smallest one."""
    return 2 * module.PRESETS["paper"].smallest


def train(
    module: ModuleType,
    recipe: GrowingRecipe,
    run: Path,
    trainer: Any = None,
    every: int = 1,
    strategy: tf.distribute.Strategy | None = None,
) -> loop.Outcome:
    with eagerly():
        return loop.train(
            trainer or module.TRAINER,
            recipe,
            growing.load_data(recipe, None),
            strategy or tf.distribute.OneDeviceStrategy("CPU:0"),
            run,
            loop.Cadence(checkpoint_every=every, eval_every=3),
        )


@pytest.fixture(scope="module")
def patched() -> Iterator[None]:
    """Every checkpoint is kept, and scalars are written at every other step."""
    save = partial(callbacks.save_model, kept=99)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks, "LOG_EVERY", 2)
        patch.setattr(callbacks, "save_model", save)
        yield


@pytest.fixture(scope="module", params=[stylegan, progan], ids=["stylegan", "progan"])
def trained(
    request: pytest.FixtureRequest,
    photos: Path,
    tmp_path_factory: pytest.TempPathFactory,
    patched: None,
) -> Run:
    """A finished training, conditional for StyleGAN, and how often reals were drawn."""
    module = request.param
    run = tmp_path_factory.mktemp("run")
    drawn: list[int] = []

    def reals(*arguments: Any) -> np.ndarray:
        drawn.append(1)
        return latent_samples.reals(*arguments)

    trainer = dataclasses.replace(module.TRAINER, reals=reals)
    recipe = recipe_of(module, photos, classes=2 if module is stylegan else 0)
    outcome = train(module, recipe, run, trainer)
    assert outcome.step == STEPS
    return module, outcome.model, run, drawn


def test_the_grids(trained: Run) -> None:
    """Every 3 steps, and at the end of each phase."""
    module, _, run, drawn = trained
    side = module_side(module)
    names = {f"step_{s:08d}_fakes.png" for s in (2, 3, 4, 6, 8)}
    # A row for each resolution: from two on.
    names |= {f"step_{s:08d}_resolutions.png" for s in (3, 4, 6, 8)}
    assert {p.name for p in (run / "samples").iterdir()} == names | {"reals.png"}
    assert len(drawn) == 1
    # 12 reals fill one row and half of the next.
    for name, rows in {"fakes": 6, "reals": 2, "resolutions": 2}.items():
        (path, *_) = sorted((run / "samples").glob(f"*{name}.png"), reverse=True)
        with Image.open(path) as grid:
            assert grid.size == (8 * (side + 2) + 2, rows * (side + 2) + 2)
            assert np.asarray(grid)[2:-2, 2:-2].std() > 10
    with Image.open(run / "samples/reals.png") as grid:
        pixels = np.asarray(grid)
    half = 4 * (side + 2)
    assert pixels[side + 4 :, half + 2 :].min() == 255
    assert pixels[side + 4 : -2, :half].min() < 100
    with Image.open(run / "samples/step_00000002_fakes.png") as grid:
        pixels = np.asarray(grid)
    # Small images are shown with their pixels repeated.
    one, two = (pixels[i : side + 2 : 2, 2 : side + 2] for i in (2, 3))
    np.testing.assert_array_equal(one, two)


def test_the_log(trained: Run) -> None:
    module, model, run, _ = trained
    entries = {entry.step: entry.values for entry in run_log.read(run)}
    assert list(entries) == [2, 4, 6, 8]
    for step, values in entries.items():
        assert values["status/images_seen"] == 8 * step
        assert values["status/skipped_steps"] == 0
        assert {f"losses/{name}" for name in model.loss_names} < set(values)
        assert values["seconds_per_kimg"] > 0
        assert values["images_per_second"] == pytest.approx(
            1000 / values["seconds_per_kimg"]
        )
        assert 0.1 < values["peak_memory_gb"] < 100
    side = module_side(module)
    sides = [values["status/resolution"] for values in entries.values()]
    assert sides == [side // 2, side, side, side]
    assert all(values["status/alpha"] == 1.0 for values in entries.values())


def test_every_checkpoint_tells_how_far_it_has_grown(
    trained: Run, tmp_path: Path
) -> None:
    """And gives the averaged generator of its step."""
    module, model, run, _ = trained
    directory = run / "checkpoints"
    assert checkpoints.steps(directory) == list(range(1, STEPS + 1))
    side = module_side(module)
    grown = [side // 2] * 4 + [side] * 4
    shutil.copytree(run, tmp_path / "run")
    for step in range(STEPS, 0, -1):
        generator = checkpoints.load_networks(tmp_path / "run")["generator"]
        assert generator.grown == grown[step - 1], step
        state = saved(run, step)
        names = [n for n in state if n.startswith("ema_generators/")]
        sums = sorted(float(np.sum(np.abs(state[n]))) for n in names)
        found = sorted(float(np.sum(np.abs(w))) for w in generator.get_weights())
        np.testing.assert_allclose(found, sums, rtol=1e-6)
        shutil.rmtree(tmp_path / f"run/checkpoints/step_{step:08d}")
        if step in (1, STEPS):
            seeds = tf.range(3, dtype=tf.int64)
            labels = tf.one_hot([0, 1, 0], 2) if module is stylegan else None
            images = latent_samples.draw(generator, seeds, labels)
            assert images.shape == (3, *[grown[step - 1]] * 2, 3)
            if step == STEPS:
                ours = latent_samples.draw(
                    model.exported_networks["generator"], seeds, labels
                )
                np.testing.assert_array_equal(images, ours)
                raw = latent_samples.draw(model.generator, seeds, labels)
                assert np.abs(images - raw).max() > 1e-5


def test_goes_on_bit_for_bit_between_phases_and_within(
    trained: Run, photos: Path, tmp_path: Path
) -> None:
    """From exactly the end of StyleGAN's fade, and from the middle of ProGAN's."""
    module, _, run, _ = trained
    left = 4 if module is stylegan else 3
    shutil.copytree(run, tmp_path / "run")
    for step in range(left + 1, STEPS + 1):
        shutil.rmtree(tmp_path / f"run/checkpoints/step_{step:08d}")
    recipe = recipe_of(module, photos, classes=2 if module is stylegan else 0)
    train(module, recipe, tmp_path / "run", every=STEPS)
    kills.assert_same(run, tmp_path / "run", STEPS)


def test_tasks_draw_the_data_sets_classes(trained: Run, photos: Path) -> None:
    module, model, _, _ = trained
    recipe = recipe_of(module, photos)
    (task,) = latent_samples.tasks(
        model.exported_networks, growing.load_data(recipe, None), recipe
    )
    made = np.concatenate([b["generated"] for b in task.batches(40)])
    side = module_side(module)
    assert made.shape == (40, side, side, 3)
    assert np.abs(made).max() <= 1.0
    real = np.concatenate(list(task.real(12)))
    assert real.shape == (12, side, side, 3)
    assert task.path is None  # neither with classes nor without a mapping


def test_a_finished_training_is_as_it_was(trained: Run, photos: Path) -> None:
    """Started again it trains no more; its generator is still the full one."""
    module, model, run, drawn = trained
    recipe = recipe_of(module, photos, classes=2 if module is stylegan else 0)
    outcome = train(module, recipe, run)
    assert outcome.step == STEPS
    generator = outcome.model.exported_networks["generator"]
    assert generator.grown == module_side(module)
    for ours, theirs in zip(
        generator.get_weights(),
        model.exported_networks["generator"].get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert len(drawn) == 1


PLANS: dict[str, tuple[dict[str, Any], str]] = {
    "not a power of two": (
        {"image_size": 48},
        "--image_size must be a power of two and at least 8. Received: 48",
    ),
    "too small": (
        {"image_size": 4},
        "--image_size must be a power of two and at least 8. Received: 4",
    ),
    "large batch": ({"batch_sizes": "8:16"}, "fewer images (12) than a batch: "),
    "classes": ({"classes": 5}, "which has 2 (cat, dog). Give --classes=2."),
    "no number": ({"batch_sizes": "8:x"}, "--batch_sizes lists a number"),
    "no table": ({"batch_sizes": "8"}, "Received: '8' in '8'"),
    "no rate": ({"learning_rates": "8:0.1:2"}, "--learning_rates lists a number"),
    "no batch": ({"batch_sizes": "8:0"}, "Received: 0 at 8 px"),
    "no time": ({"kimg_per_phase": 0.0}, "must be 1 or more"),
    "micro batch": ({"micro_batch": 3}, "multiple of micro_batch=3"),
    "channels": ({"fmap_base": 2}, "fmap_base must be at least"),
    "half life": ({"ema_kimg": 0.0}, "ema_half_life=0.0"),
}


@pytest.mark.parametrize(("wrong", "message"), PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("module", [stylegan, progan])
def test_a_usage_error_is_one_line_and_writes_nothing(
    module: ModuleType, photos: Path, tmp_path: Path, wrong: dict, message: str
) -> None:
    recipe = recipe_of(module, photos, **wrong)
    with pytest.raises(UsageError) as error:
        train(module, recipe, tmp_path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", [stylegan, progan])
def test_each_batch_is_divided_among_the_replicas(
    module: ModuleType,
    photos: Path,
    tmp_path: Path,
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    recipe = recipe_of(module, photos, batch_sizes="8:9")
    with pytest.raises(UsageError, match=r"of the 2 replicas\. Received: 9"):
        train(module, recipe, tmp_path, strategy=mirrored)


def test_growth_of_the_papers_recipes() -> None:
    """Appendix A of ProGAN, appendix C of StyleGAN."""
    for module, first, total in ((stylegan, 8, 25_000_000), (progan, 4, 12_000_000)):
        recipe = module.PRESETS["paper"]
        growth = growing.schedule(recipe)
        assert (growth.resolution, growth.first_resolution) == (1024, first)
        assert growth.total_images == total
        assert growth.stable_images == growth.fade_images == 600_000
        sides = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
        batches = [growth.batch_size_at(r) for r in sides]
        assert batches == [512, 256, 128, 64, 32, 32, 32, 32, 32]
        rates = [growth.learning_rate_at(r) for r in sides]
        assert rates == [0.001] * 5 + [0.0015, 0.002, 0.003, 0.003]
        options = growing.gan_options(recipe)
        assert options["ema_half_life"] == 10_000
        assert options["ada_speed"] == 500_000
        optimizer = growing.optimizer(recipe)
        assert (optimizer.beta_1, optimizer.beta_2) == (0.0, 0.99)
        assert optimizer.epsilon == 1e-8
        whole = dataclasses.replace(recipe, no_growing=True)
        assert growing.schedule(whole).first_resolution == 1024
    assert stylegan.PRESETS["paper"].r1_gamma == 10.0
    assert stylegan.PRESETS["paper"].mixing_probability == 0.9
    paper = progan.PRESETS["paper"]
    assert (paper.gp_weight, paper.drift_weight, paper.label_weight) == (10, 0.001, 1)
