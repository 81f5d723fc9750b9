"""Pictures of captions: `trainers.generate text`, from a training and a SavedModel."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.keras_file import plain_keras
from export.signatures import writing
from tests.networks.conformance import randomize
from tests.trainers.generation import networks
from tests.trainers.test_generate import run_all
from tfgan_models.errors import UsageError
from tfgan_models.loading import load
from tfgan_models.networks import CharacterEncoder, StackGenerator, StageOneGenerator
from tfgan_models.runs.description import Network
from tfgan_models.tasks.caption import embed, images_of
from trainers.evaluation import grids
from trainers.generation import captions as files_of_captions


def stack(encoder: bool) -> StackGenerator:
    """One stage of 16 px."""
    stage = StageOneGenerator(
        16, embedding_size=6, condition_size=4, latent_size=4, filters=8
    )
    made = StackGenerator(stage, None, CharacterEncoder(6, 12) if encoder else None)
    for part in (made.stage_one, made.text_encoder):
        if part is not None:
            randomize(part)
    return made


@pytest.fixture(scope="module")
def network() -> StackGenerator:
    return stack(encoder=True)


@pytest.fixture(scope="module")
def files(network: StackGenerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stack")
    networks.save_training(network, root / "training")
    writing.write_saved_model(network, root / "served" / "1")
    networks.save_training(stack(encoder=False), root / "bare")
    return root


@pytest.mark.parametrize("kind", ["training", "served"])
def test_a_picture_is_that_of_its_caption_and_seed(
    kind: str, files: Path, network: StackGenerator
) -> None:
    painter = load(files / kind)
    for caption, seed in (("red heart", 0), ("red heart", 5), ("blue car", 5)):
        embedding = embed(network, tf.constant([caption]))
        expected = images_of(network, embedding, tf.constant([seed]))
        np.testing.assert_allclose(
            painter.arrays(caption, [seed])[0], expected[0], atol=1e-5
        )


def test_a_grid_for_each_caption(tmp_path: Path) -> None:
    class Painter:
        facts = Network("Painter", resolution=4)

        def arrays(self, caption: str, seeds: list[int]) -> np.ndarray:
            levels = [(len(caption) + 10 * seed) / 127.5 - 1 for seed in seeds]
            return np.stack([np.full((4, 4, 3), v, np.float32) for v in levels])

    captions = ["red heart", "RED  heart!", "Ein Café"]
    paths = files_of_captions.write(Painter(), captions, [1, 2, 3], tmp_path)
    names = ["red_heart.png", "red_heart_2.png", "ein_caf.png"]
    assert [path.name for path in paths] == names
    step = 4 + grids.GAP
    for path, caption in zip(paths, captions, strict=True):
        pixels = np.asarray(Image.open(path))
        assert pixels.shape == (2 * step + grids.GAP, 2 * step + grids.GAP, 3)
        shown = [pixels[2 + step * (i // 2), 2 + step * (i % 2), 0] for i in range(4)]
        assert shown == [*(len(caption) + 10 * seed for seed in (1, 2, 3)), 255]


def test_models_that_draw_no_text(files: Path, tmp_path: Path) -> None:
    networks.save_training(networks.progressive(), tmp_path / "progan")
    network = load(files / "training").network
    plain_keras.to_plain_keras(network.functional()).save(tmp_path / "plain.keras")
    for model, message in (
        (files / "bare", "was trained on --embeddings and has no text encoder"),
        (tmp_path / "progan", "has no network for the task caption"),
        (tmp_path / "plain.keras", "takes embeddings, not text"),
        (tmp_path / "none", "is none of: a training run's --model_dir"),
    ):
        with pytest.raises(UsageError, match=message):
            load(model, task="caption")


def test_the_command(files: Path, tmp_path: Path) -> None:
    model, out = f"--model={files / 'training'}", f"--output_dir={tmp_path}"
    done, *errors = run_all(
        ["text", "red heart", "blue car", model, out, "--seeds=0-2"],
        ["text", model, out],
        ["text", "?!", model, out],
        ["text", "cat", model, out, "--psi=1"],
    )
    assert done.splitlines() == [
        f"Wrote {tmp_path / name}" for name in ("red_heart.png", "blue_car.png")
    ]
    messages = (
        "text needs CAPTION. Received: none",
        "must contain a letter from a to z or a digit. Received: '?!'",
        "text does not take --psi. It takes: --seeds",
    )
    for error, message in zip(errors, messages, strict=True):
        assert error.startswith("UsageError: ")
        assert message in error
