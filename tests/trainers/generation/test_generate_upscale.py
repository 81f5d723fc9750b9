"""The command `upscale`: any image, by a network from anywhere."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from export.keras_file import plain_keras
from export.signatures import writing
from tests.networks.conformance import randomize
from tests.trainers.test_generate import run_all
from tfgan_models.adversarial import weights
from tfgan_models.errors import UsageError
from tfgan_models.loading import load
from tfgan_models.networks import ResNetGenerator, SRResNet, UNetGenerator
from tfgan_models.runs import checkpoints
from trainers.generation import image_files

KINDS = ("training", "own.keras", "plain.keras", "saved_model")


def network(factor: float = 1.0) -> keras.Model:
    made = SRResNet(2, filters=4, residual_blocks=1)
    randomize(made)
    made.set_weights([factor * weight for weight in made.get_weights()])
    return made


def save_training(networks: dict[str, keras.Model], folder: Path) -> Path:
    folder.mkdir(parents=True)
    checkpoints.describe_networks(folder, "generators", networks)
    state = {"generators": weights(networks)}
    checkpoints.save(checkpoints.folder(folder), 7, state)
    return folder


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return network()


@pytest.fixture(scope="module")
def files(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model` in each of `KINDS`; in the training as "srgan"."""
    folder = tmp_path_factory.mktemp("models")
    save_training({"srresnet": network(0.8), "srgan": model}, folder / "training")
    model.save(folder / "own.keras")
    plain_keras.to_plain_keras(model).save(folder / "plain.keras")
    writing.write_saved_model(model, folder / "saved_model" / "1")
    return folder


def opened_model(model: Path | str, network: str | None = None) -> Any:
    return load(model, network=network, task="upscale")


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def levels(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """What the network makes of an image in one piece."""
    made = model(pixels[np.newaxis].astype(np.float32) / 127.5 - 1, training=False)
    return np.clip(np.round((made.numpy()[0] + 1) * 127.5), 0, 255)


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def assert_near(image: Image.Image, expected: np.ndarray) -> None:
    difference = np.abs(np.asarray(image).astype(float) - expected)
    assert difference.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_any_size_by_a_network_of_any_form(
    files: Path, model: keras.Model, kind: str, tmp_path: Path
) -> None:
    found = opened_model(str(files / kind))
    assert found.scale == 2
    for size in ((1, 1), (57, 31)):
        pixels = photo(*size)
        Image.fromarray(pixels).save(tmp_path / "my.photo.png")
        written = image_files.upscale(found, tmp_path / "my.photo.png", tmp_path)
        assert written == tmp_path / "my.photo_x2.png"
        result = opened(written)
        assert (result.format, result.mode) == ("PNG", "RGB")
        assert_near(result, levels(model, pixels))


@pytest.mark.parametrize("kind", KINDS[:3])
def test_tiles_change_nothing(files: Path, kind: str) -> None:
    images = photo(70, 45)[np.newaxis].astype(np.float32) / 127.5 - 1
    whole = opened_model(str(files / kind)).arrays(images)
    model = opened_model(files / kind)
    model.in_tiles(8)
    tiled = model.arrays(images)
    assert whole.std() > 0.1
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)


def test_a_training_has_two_networks(files: Path, tmp_path: Path) -> None:
    training = str(files / "training")
    images = photo(9, 9)[np.newaxis].astype(np.float32) / 127.5 - 1
    made = {n: opened_model(training, network=n) for n in (None, "srgan", "srresnet")}
    results = {name: found.arrays(images) for name, found in made.items()}
    np.testing.assert_array_equal(results[None], results["srgan"])
    assert np.abs(results["srresnet"] - results["srgan"]).max() > 0.1
    young = str(save_training({"srresnet": network(0.8)}, tmp_path / "young"))
    np.testing.assert_array_equal(
        opened_model(young).arrays(images), results["srresnet"]
    )
    with pytest.raises(UsageError, match=r"--network=srgan: the run has only srres"):
        opened_model(young, network="srgan")


def test_grey_stays_grey(files: Path, model: keras.Model, tmp_path: Path) -> None:
    grey = photo(12, 9)[..., 0]
    for name, pixels in (("8", grey), ("16", grey.astype(np.uint16) * 257)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        written = image_files.upscale(
            opened_model(str(files / "own.keras")), tmp_path / f"{name}.png", tmp_path
        )
        result = opened(written)
        assert (result.mode, result.size) == ("L", (18, 24))
        colours = levels(model, np.stack([grey] * 3, -1))
        luma = colours @ [0.299, 0.587, 0.114]
        assert np.abs(np.asarray(result) - luma).max() <= 2


def test_alpha_is_enlarged_beside_the_colours(
    files: Path, model: keras.Model, tmp_path: Path
) -> None:
    colours = photo(20, 20)
    alpha = np.full((20, 20), 255, np.uint8)
    alpha[:, 10:] = 0
    Image.fromarray(np.dstack([colours, alpha])).save(tmp_path / "sign.png")
    found = opened_model(str(files / "own.keras"))
    result = opened(image_files.upscale(found, tmp_path / "sign.png", tmp_path))
    assert result.mode == "RGBA"
    assert_near(result.convert("RGB"), levels(model, colours))
    enlarged = np.asarray(result.getchannel("A"))
    assert (enlarged[:, :16] == 255).all()
    assert (enlarged[:, 24:] == 0).all()
    # Grey with alpha keeps both.
    Image.fromarray(np.dstack([colours[..., 0], alpha])).save(tmp_path / "la.png")
    result = opened(image_files.upscale(found, tmp_path / "la.png", tmp_path))
    assert result.mode == "LA"


def test_images_that_lie_on_their_side_are_turned(files: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo(8, 20)).save(tmp_path / "side.jpg", exif=exif)
    found = opened_model(str(files / "own.keras"))
    result = opened(image_files.upscale(found, tmp_path / "side.jpg", tmp_path))
    assert result.size == (16, 40)


def test_images_that_cannot_be_read(files: Path, tmp_path: Path) -> None:
    found = opened_model(str(files / "own.keras"))
    for name, contents, message in (
        ("none.png", None, "No such file or directory"),
        ("text.png", b"text", "not a readable JPEG, PNG, WebP, BMP, GIF or TIFF image"),
    ):
        if contents is not None:
            (tmp_path / name).write_bytes(contents)
        with pytest.raises(UsageError, match=rf"{name} cannot be read: {message}"):
            image_files.upscale(found, tmp_path / name, tmp_path)


def test_models_that_enlarge_nothing(files: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere is none of: a training"):
        opened_model(str(tmp_path / "nowhere"))
    for i, other in enumerate(
        (ResNetGenerator(4, 1), UNetGenerator(downsamplings=8, filters=2))
    ):
        other.save(tmp_path / f"{i}.keras")
        with pytest.raises(UsageError, match=r"has no network for the task upscale"):
            opened_model(str(tmp_path / f"{i}.keras"))
    writing.write_saved_model(ResNetGenerator(4, 1), tmp_path / "translation" / "1")
    with pytest.raises(UsageError, match=r"has no network for the task upscale"):
        opened_model(str(tmp_path / "translation"))
    training = save_training({"a2b": ResNetGenerator(4, 1)}, tmp_path / "training")
    with pytest.raises(UsageError, match=r"has no network for the task upscale"):
        opened_model(str(training))
    SRResNet(2, 4, 1, channels=2).save(tmp_path / "two.keras")
    with pytest.raises(UsageError, match=r"images of 2 channels, and files have 1 or"):
        opened_model(tmp_path / "two.keras")(photo(4, 4))
    SRResNet(2, 4, 1, channels=1).save(tmp_path / "grey.keras")
    assert opened_model(tmp_path / "grey.keras")(photo(4, 5)).size == (10, 8)
    (tmp_path / "noise.keras").write_bytes(b"noise")
    with pytest.raises(UsageError, match=r"noise\.keras cannot be loaded"):
        opened_model(str(tmp_path / "noise.keras"))
    with pytest.raises(UsageError, match="a SavedModel, which has no Keras model"):
        opened_model(files / "saved_model").in_tiles(64)
    with pytest.raises(UsageError, match="omit --network"):
        opened_model(str(files / "own.keras"), network="srgan")


def test_the_command(files: Path, tmp_path: Path) -> None:
    Image.fromarray(photo(40, 30)).save(tmp_path / "photo.jpg")
    model, output = f"--model={files / 'training'}", f"--output_dir={tmp_path}"
    image = f"--image={tmp_path / 'photo.jpg'}"
    small = ["upscale", model, output, image, "--tile=16", "--network=srresnet"]
    done, missing, wrong = run_all(
        small,
        ["upscale", model, output],
        ["upscale", model, output, image, "--seed=3"],
    )
    assert done == f"Wrote {tmp_path / 'photo_x2.png'}\n"
    assert opened(tmp_path / "photo_x2.png").size == (60, 80)
    assert missing == "UsageError: upscale needs --image, the file to enlarge."
    assert wrong.startswith("UsageError: upscale does not take --seed. It takes: --im")
