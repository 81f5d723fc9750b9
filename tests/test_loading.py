"""`tfgan_models.load`: the same object whatever a model is kept as."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import tfgan_models as gm
from export.saved_model import export_networks
from tests.networks.conformance import randomize
from tests.trainers.generation import networks
from tests.trainers.generation.test_generate_text import stack
from tests.trainers.generation.test_generate_upscale import photo, save_training
from tfgan_models.errors import UsageError
from tfgan_models.networks import ResNetGenerator, SRResNet
from tfgan_models.tasks import images


def random(network: keras.Model) -> keras.Model:
    randomize(network)
    return network


@pytest.fixture(scope="module")
def translations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of two translations, and what is exported of it."""
    folder = tmp_path_factory.mktemp("translations")
    made = {"a2b": random(ResNetGenerator(4, 1)), "b2a": random(ResNetGenerator(6, 1))}
    save_training(made, folder / "mine")
    export_networks(made, folder / "models", "mine")
    return folder


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("style") / "faces.keras"
    networks.style(16).save(path)
    return path


PLACES = ("mine", "models/mine_a2b", "models/mine_a2b/1", "models/mine_a2b.keras")


@pytest.mark.parametrize("place", PLACES)
def test_a_translation_from_anywhere(translations: Path, place: str) -> None:
    model, training = gm.load(translations / place), gm.load(translations / "mine")
    assert model.facts.task == "translate"
    pixels = photo(9, 14)
    made = np.asarray(model(pixels)).astype(int)
    assert made.shape == (9, 14, 3)
    assert np.abs(made - np.asarray(training(pixels)).astype(int)).max() <= 1
    other = gm.load(translations / "mine", network="b2a")(pixels)
    assert np.abs(made - np.asarray(other).astype(int)).max() > 1


def test_images_of_every_kind_are_the_same_image(
    translations: Path, tmp_path: Path
) -> None:
    model = gm.load(translations / "mine")
    pixels = photo(8, 12)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "photo.png")
    floats = pixels.astype(np.float32) / 127.5 - 1
    expected = np.asarray(model(pixels))
    tensor = tf.constant(floats)
    path = tmp_path / "photo.png"
    for given in (path, str(path), image, floats, tensor):
        np.testing.assert_array_equal(np.asarray(model(given)), expected)
    for several in ([pixels, image], np.stack([pixels, pixels])):
        made = model(several)
        assert len(made) == 2
        np.testing.assert_array_equal(np.asarray(made[1]), expected)
    (made,) = model(tmp_path)
    np.testing.assert_array_equal(np.asarray(made), expected)
    clear = image.copy()
    clear.putalpha(77)
    made = model(clear)
    assert made.mode == "RGBA" and set(np.asarray(made)[..., 3].ravel()) == {77}
    np.testing.assert_array_equal(np.asarray(made)[..., :3], expected)


def test_an_image_is_turned_upright_however_it_is_given(tmp_path: Path) -> None:
    image = Image.fromarray(photo(6, 9))
    image.getexif()[0x0112] = 6  # the camera was held upright
    image.save(tmp_path / "turned.tif", exif=image.getexif())
    expected = images.read(tmp_path / "turned.tif").colours
    assert expected.shape == (9, 6, 3)
    with Image.open(tmp_path / "turned.tif") as opened:
        np.testing.assert_array_equal(images.read(opened).colours, expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.full((4, 4, 3), 200.0), "float64 .* from 200.0 to 200.0"),
        (np.full((4, 4, 3), np.nan), "from nan to nan"),
        (np.zeros((0, 4, 3), np.uint8), r"Received: uint8 \[0, 4, 3\]"),
        (np.zeros((4, 4, 3), np.int64), "Received: int64"),
        (5, "Received: int"),
        ([[0.0, 1.0]], "Received: list"),
        (Image.new("F", (4, 4)), "its values have 32 bits"),
        ("~nobody-of-this-name/a.png", "cannot be read"),
    ],
)
def test_what_is_no_image_is_told(given: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        images.read(given)


def test_the_network_is_there_for_surgery(translations: Path) -> None:
    assert isinstance(gm.load(translations / "mine").network, ResNetGenerator)
    plain = gm.load(translations / "models/mine_a2b.keras").network
    assert type(plain).__module__.startswith("keras.")
    with pytest.raises(UsageError, match=r"Open the \.keras file next to it"):
        _ = gm.load(translations / "models/mine_a2b").network


def test_a_generator_of_styles(style: Path, tmp_path: Path) -> None:
    faces = gm.load(style)
    made = faces.generate(seeds=range(3), psi=0.5)
    assert [image.size for image in made] == [(16, 16)] * 3
    arrays = faces.arrays(seeds=[0, 1, 2], psi=0.5)
    assert arrays.shape == (3, 16, 16, 3) and arrays.dtype == np.float32
    np.testing.assert_array_equal(
        np.asarray(made[2]),
        np.clip(np.round(arrays[2] * 127.5 + 127.5), 0, 255).astype(np.uint8),
    )
    mixed = [
        np.asarray(faces.mix(1, 2, styles=styles)) for styles in ("coarse", "middle")
    ]
    own = np.asarray(faces.generate([1])[0])
    assert all(np.abs(m.astype(int) - own).max() > 1 for m in mixed)
    assert (mixed[0] != mixed[1]).any()
    video = faces.morph([1, 7, 9], frames=4)
    assert video.save(tmp_path / "video.gif").stat().st_size > 100
    with pytest.raises(UsageError, match=r"end in \.mp4 or \.gif"):
        video.save(tmp_path / "video.avi")
    found = faces.directions(count=2)
    assert found.vectors.shape == (2, 16)
    projected = faces.project(made[0], steps=2)
    assert projected.image.shape == (16, 16, 3) and len(projected.losses) == 2


def test_a_generator_without_a_w_says_what_it_lacks(tmp_path: Path) -> None:
    networks.conditional().save(tmp_path / "digits.keras")
    digits = gm.load(tmp_path / "digits.keras")
    assert digits.generate([0, 1], label=2)[1].size == (9, 9)
    with pytest.raises(
        UsageError, match="has no w, which only generators with styles have"
    ):
        digits.mix(1, 2, label=0)
    with pytest.raises(UsageError, match="has no psi"):
        digits.generate([0], psi=0.5, label=0)
    with pytest.raises(UsageError, match=r"3 classes: give 0 to 2\. Received: none"):
        digits.generate([0])
    with pytest.raises(UsageError, match="Received: cat"):
        digits.generate([0], label="cat")


def test_what_cannot_be_opened_is_told(translations: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"none of: a training run's .* does not exist\."
    ):
        gm.load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="does not exist"):
        gm.load("~nobody-of-this-name/run")
    with pytest.raises(UsageError, match="the run has only a2b and b2a"):
        gm.load(translations / "mine", network="c")
    with pytest.raises(UsageError, match="is a single network, not a run"):
        gm.load(translations / "models/mine_a2b", network="a2b")
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(tmp_path / "dense.keras")
    with pytest.raises(UsageError, match="has no network for a task of this package"):
        gm.load(tmp_path / "dense.keras")
    with pytest.raises(UsageError, match="for the task upscale"):
        gm.load(translations / "mine", task="upscale")


def test_an_upscaler_keeps_grey(tmp_path: Path) -> None:
    made = {name: random(SRResNet(2, 4, 1)) for name in ("srresnet", "srgan")}
    save_training(made, tmp_path / "photos")
    big = gm.load(tmp_path / "photos")
    assert (big.name, big.scale) == ("srgan", 2)
    grey = Image.fromarray(photo(6, 5)[..., 0])
    made = big(grey)
    assert (made.mode, made.size) == ("L", (10, 12))


def test_the_program_of_the_docs_runs(
    translations: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[1] / "docs/keras.md").read_text()
    program = page[page.index("import tfgan_models as gm") :].partition("```")[0]
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/horses").symlink_to(translations / "mine")
    export_networks({"generator": networks.style(64)}, tmp_path / "models", "faces")
    save_training({"srgan": random(SRResNet(2, 4, 1))}, tmp_path / "runs/photos")
    networks.save_training(stack(encoder=True), tmp_path / "runs/captions")
    for name in ("horse.jpg", "me.jpg"):
        Image.fromarray(photo(20, 30)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(program, "docs/keras.md", "exec"), names)
    sizes = {}
    for path in tmp_path.iterdir():
        if path.suffix in (".png", ".gif"):
            with Image.open(path) as image:
                sizes[path.name] = image.size
    assert sizes == {
        "zebra.png": (30, 20),
        "mix.png": (64, 64),
        "morph.gif": (64, 64),
        "horse_x2.png": (60, 40),
    }
    assert names["heart"].size == (16, 16) and len(names["images"]) == 8
