"""A tiny data set as a folder, and the trainer called with flags in this process."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from PIL import Image

from tfgan_models.adversarial import GANModel
from tfgan_models.cyclegan import CycleGAN
from tfgan_models.data.pipeline import Share
from trainers import cyclegan
from trainers.training import app
from trainers.training.recipe import Recipe

TINY = (
    "--generator=resnet",
    "--image_size=16",
    "--batch_size=2",
    "--filters=4",
    "--residual_blocks=1",
    "--discriminator_filters=4",
    "--discriminator_layers=1",
)


def saved(run: Path, step: int) -> dict[str, np.ndarray]:
    """Returns every tensor of a training's checkpoint."""
    reader = tf.train.load_checkpoint(str(run / f"checkpoints/step_{step:08d}/state"))
    graph = "_CHECKPOINTABLE_OBJECT_GRAPH"
    names = reader.get_variable_to_dtype_map()
    return {name: reader.get_tensor(name) for name in names if name != graph}


def alone(given: Recipe) -> Share:
    """Returns the share of the batches of a training on one worker: all."""
    return Share(batch_size=given.batch_size, seed=given.seed)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in CycleGAN's layout: 6 images of A, 5 of B, 20 px."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for split, count in (("trainA", 6), ("trainB", 5), ("testA", 2), ("testB", 2)):
        (root / split).mkdir()
        for i in range(count):
            pixels = random.integers(0, 256, (20, 20, 3), np.uint8)
            Image.fromarray(pixels).save(root / split / f"{i}.png")
    return root


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Has no step traced: the few of a test are sooner done."""
    eager = property(lambda _: True, lambda *_: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GANModel, "run_eagerly", eager)
        yield


def idle_step(model: GANModel, data: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """In place of a model's `train_step`: every weight goes a little way."""
    for network in (*model.generators.values(), *model.discriminators.values()):
        for weight in network.trainable_variables:
            weight.assign(0.99 * weight + 0.001)
    return model.finish_step(dict.fromkeys(model.loss_names, tf.constant(0.5)))


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """CycleGAN only seems to train, for tests of what happens around the steps."""
    monkeypatch.setattr(CycleGAN, "train_step", idle_step)
    grids = {name: np.zeros([4, 4, 3], np.uint8) for name in ("a2b", "b2a")}
    idle = dataclasses.replace(cyclegan.TRAINER, samples=lambda *_: grids)
    monkeypatch.setattr(cyclegan, "TRAINER", idle)


@contextlib.contextmanager
def flags_of(define: Callable[[], None]) -> Iterator[None]:
    """Has the flags of a command defined, in place of CycleGAN's."""
    _undefine()
    define()
    try:
        yield
    finally:
        _undefine()
        app.define_flags(cyclegan.TRAINER)


def _undefine() -> None:
    modules = flags.FLAGS.flags_by_module_dict().items()
    ours = [defined for name, defined in modules if name.startswith("trainers.")]
    flags.FLAGS.remove_flag_values([flag.name for each in ours for flag in each])


def run_trainer(trainer: app.Trainer, *arguments: str, traced: bool = False) -> None:
    """Runs a trainer with these flags in this process, its steps not traced."""
    with flags_of(lambda: app.define_flags(trainer)):
        flags.FLAGS([trainer.name, *arguments])
        with contextlib.nullcontext() if traced else eagerly():
            app.main(trainer)


@pytest.fixture(scope="session", autouse=True)
def _flags_are_defined() -> None:
    app.define_flags(cyclegan.TRAINER)


@pytest.fixture
def train(folder: Path) -> Callable[..., None]:
    """Runs the CycleGAN trainer on `folder` with tiny networks and these flags."""

    def run(*arguments: str, traced: bool = False) -> None:
        given = (f"--dataset=folder:{folder}", *TINY, *arguments)
        run_trainer(cyclegan.TRAINER, *given, traced=traced)

    return run
