"""The command `translate`: images and folders, by a network from anywhere."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from export.keras_file import plain_keras
from export.signatures import writing
from tests.networks.conformance import randomize
from tests.trainers.generation.test_generate_upscale import (
    opened,
    photo,
    save_training,
)
from tests.trainers.test_generate import run_all
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.loading import load
from tfgan_models.networks import ResNetGenerator, SRResNet, UNetGenerator
from tfgan_models.runs import upgrade_exports
from tfgan_models.runs.description import of_network
from trainers.generation import image_files

KINDS = ("training", "own.keras", "plain.keras", "saved_model")


def made(network: keras.Model) -> keras.Model:
    randomize(network)
    return network


def opened_model(model: Path | str, network: str | None = None) -> Any:
    return load(model, network=network, task="translate")


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return made(UNetGenerator(3, 4, norm="instance", dropout=0.0))


@pytest.fixture(scope="module")
def files(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model` in each of `KINDS`; in the training as "a2b"."""
    folder = tmp_path_factory.mktemp("models")
    networks = {"a2b": model, "b2a": made(ResNetGenerator(4, 1))}
    save_training(networks, folder / "training")
    model.save(folder / "own.keras")
    plain_keras.to_plain_keras(model).save(folder / "plain.keras")
    writing.write_saved_model(model, folder / "saved_model" / "1")
    return folder


@pytest.mark.parametrize("size", [(1, 1), (24, 40), (57, 31)])
def test_any_size_by_a_network_of_any_form(files: Path, size: tuple[int, int]) -> None:
    images = photo(*size)[np.newaxis].astype(np.float32) / 127.5 - 1
    exported = opened_model(str(files / "saved_model")).arrays(images)
    assert exported.shape == images.shape
    assert size == (1, 1) or exported.std() > 0.1
    for kind in KINDS[:3]:
        found = opened_model(str(files / kind)).arrays(images)
        np.testing.assert_allclose(found, exported, rtol=0, atol=1e-4)


def test_a_size_that_the_network_takes_is_not_padded(
    files: Path, model: keras.Model
) -> None:
    images = photo(24, 40)[np.newaxis].astype(np.float32) / 127.5 - 1
    found = opened_model(str(files / "plain.keras")).arrays(images)
    expected = model(images, training=False)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_the_multiple_of_a_network_that_does_not_tell_it() -> None:
    for network, multiple in (
        (UNetGenerator(4, 2, norm="none"), 16),
        (ResNetGenerator(2, 1), 4),
    ):
        plain = plain_keras.to_plain_keras(network)
        assert not hasattr(plain, "size_multiple")
        facts = upgrade_exports.of_keras_model(plain, of_network(plain))
        assert (facts.task, facts.size_multiple) == ("translate", multiple)
    plain = plain_keras.to_plain_keras(SRResNet(2, 2, 1))
    facts = upgrade_exports.of_keras_model(plain, of_network(plain))
    assert (facts.task, facts.scale) == ("upscale", 2)


def test_files_and_folders(
    files: Path, model: keras.Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = tmp_path / "my photos", tmp_path / "out"
    (photos / "below").mkdir(parents=True)
    out.mkdir()
    pixels = {"below/a.png": photo(8, 16), "b.png": photo(16, 8), "b.bmp": photo(8, 8)}
    for name, image in pixels.items():
        Image.fromarray(image).save(photos / name)
    Image.new("RGBA", (9, 5), (1, 2, 3, 77)).save(tmp_path / "clear.png")
    found = opened_model(str(files / "own.keras"))
    written = image_files.translate(found, [photos, tmp_path / "clear.png"], out)
    names = [path.relative_to(out).as_posix() for path in written]
    assert names == ["b.bmp.png", "b.png.png", "below/a.png", "clear.png"]
    images = pixels["below/a.png"][np.newaxis].astype(np.float32) / 127.5 - 1
    levels = (model(images, training=False).numpy()[0] + 1) * 127.5
    got = np.asarray(opened(out / "below/a.png")).astype(float)
    assert np.abs(got - np.clip(np.round(levels), 0, 255)).max() <= 1
    clear = opened(out / "clear.png")
    assert (clear.mode, clear.size) == ("RGBA", (9, 5))
    assert set(np.asarray(clear.getchannel("A")).ravel()) == {77}

    (photos / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(FailureError, match="1 of 4 images could not be read; the"):
        image_files.translate(found, [photos], out)
    assert f"Skipped: {photos / 'broken.jpg'} cannot be" in capsys.readouterr().out
    with pytest.raises(UsageError, match=r"broken\.jpg cannot be read: not a readable"):
        image_files.translate(found, [photos / "broken.jpg"], out)
    with pytest.raises(UsageError, match="There are no images in"):
        image_files.translate(found, [files / "training"], out)


def test_models_that_translate_nothing(files: Path, tmp_path: Path) -> None:
    SRResNet(2, 2, 1).save(tmp_path / "larger.keras")
    writing.write_saved_model(SRResNet(2, 2, 1), tmp_path / "exported" / "1")
    training = save_training({"srgan": SRResNet(2, 2, 1)}, tmp_path / "training")
    for model, message in (
        (tmp_path / "nowhere", "is none of: a training run's --model_dir"),
        (tmp_path / "larger.keras", "has no network for the task translate"),
        (tmp_path / "exported", "has no network for the task translate"),
        (training, "has no network for the task translate"),
    ):
        with pytest.raises(UsageError, match=message):
            opened_model(str(model))
    with pytest.raises(UsageError, match="omit --network"):
        opened_model(str(files / "own.keras"), network="b2a")


def test_the_command(files: Path, tmp_path: Path) -> None:
    Image.fromarray(photo(12, 20)).save(tmp_path / "photo.jpg")
    model, output = f"--model={files / 'training'}", f"--output_dir={tmp_path / 'out'}"
    command = ["translate", str(tmp_path / "photo.jpg"), model, output]
    done, other, nothing, missing, wrong = run_all(
        command,
        [*command, "--network=b2a"],
        ["translate", model],
        ["translate", "none.jpg", model],
        [*command, "--network=c"],
    )
    wrote = f"Wrote {tmp_path / 'out' / 'photo.png'}\n"
    assert done == f"Network: a2b (of a2b, b2a; --network selects another)\n{wrote}"
    assert other == wrote
    assert opened(tmp_path / "out" / "photo.png").size == (20, 12)
    assert nothing.startswith("UsageError: translate needs IMAGE. Received: none.")
    assert missing.endswith("image files and folders. none.jpg does not exist.")
    assert wrong.startswith("UsageError: --network=c: the run has only a2b and b2a")
