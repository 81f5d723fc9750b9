"""Still pictures: their places in grids, and which styles and noise are in them."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.trainers.generation import networks
from tfgan_models import sampling
from tfgan_models.data.images import to_uint8
from tfgan_models.errors import UsageError
from tfgan_models.tasks import synthesis
from tfgan_models.tasks.generators import LatentModel, StyleModel
from tfgan_models.tasks.synthesis import Setting
from trainers.evaluation import grids
from trainers.generation import commands

SIDE = 64
STEP = SIDE + grids.GAP


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def cell(path: Path, row: int, column: int, side: int = SIDE) -> np.ndarray:
    top, left = (grids.GAP + i * (side + grids.GAP) for i in (row, column))
    return read(path)[top : top + side, left : left + side]


def direct(
    network: keras.Model, seed: int, noise: int | None = 0, **options: float
) -> np.ndarray:
    """The picture of a seed by one call of the network, as pixels."""
    latents = sampling.latents(tf.constant([seed], tf.int64), 16)
    maps = None
    if noise is not None:
        shapes = network.synthesis.noise_shapes()
        maps = sampling.noise(tf.constant([noise], tf.int64), shapes)
    return to_uint8(network(latents, noise=maps, **options))[0]


def assert_alike(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for what rounding to 8 bits makes of the last digit of a float."""
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1


def test_images_are_in_their_places(
    model: StyleModel, style: keras.Model, tmp_path: Path
) -> None:
    seeds = [7, 0, 3, 100, 1]
    (path,) = commands.images(model, seeds, Setting(), "grid", tmp_path)
    assert read(path).shape == (2 * STEP + grids.GAP, 3 * STEP + grids.GAP, 3)
    for i, seed in enumerate(seeds):
        assert_alike(cell(path, i // 3, i % 3), direct(style, seed, psi=0.7))
    assert (cell(path, 1, 2) == 255).all()
    assert not (cell(path, 0, 0) == cell(path, 0, 1)).all()


def test_a_seeds_picture_is_the_same_in_any_company(
    model: StyleModel, tmp_path: Path
) -> None:
    setting = Setting(noise="random")
    (path,) = commands.images(model, [9, 5, 8, 5], setting, "grid", tmp_path)
    written = commands.images(model, [5], setting, "files", tmp_path)
    assert [file.name for file in written] == ["seed_0005.png"]
    for place in ((0, 1), (1, 1)):
        np.testing.assert_array_equal(cell(path, *place), read(written[0]))


def test_noise_is_shared_own_or_none(
    model: StyleModel, style: keras.Model, tmp_path: Path
) -> None:
    found = []
    for noise, seed in (("const", sampling.FIXED_NOISE), ("random", 3), ("none", None)):
        (path,) = commands.images(model, [3], Setting(noise=noise), "files", tmp_path)
        found.append(read(path))
        assert_alike(found[-1], direct(style, 3, seed, psi=0.7))
    assert not (found[0] == found[1]).all()
    assert not (found[0] == found[2]).all()


def test_grey_pictures_of_classes(
    labelled: keras.Model, labelled_files: Path, tmp_path: Path
) -> None:
    model = networks.opened(str(labelled_files / "own.keras"))
    (path,) = commands.images(model, [4], Setting(label=2, psi=1.0), "grid", tmp_path)
    latents = sampling.latents(tf.constant([4], tf.int64), 16)
    noise = sampling.noise(
        tf.constant([0], tf.int64), labelled.synthesis.noise_shapes()
    )
    image = labelled(latents, labels=tf.one_hot([2], 3), noise=noise)
    assert_alike(cell(path, 0, 0, 16)[..., :1], to_uint8(image)[0])


def test_images_of_a_progan(
    latent_model: LatentModel, progressive: keras.Model, tmp_path: Path
) -> None:
    setting = Setting(label=1)
    (path,) = commands.images(latent_model, [4, 6], setting, "grid", tmp_path)
    latents = sampling.latents(tf.constant([6], tf.int64), 16)
    image = progressive(latents, labels=tf.one_hot([1], 3))
    assert_alike(cell(path, 0, 1, 16), to_uint8(image)[0])


@pytest.mark.parametrize(
    ("styles", "taken"),
    [("coarse", range(4)), ("middle", range(4, 8)), ("fine", range(8, 10))],
)
def test_a_mix_takes_its_styles_from_the_column(
    model: StyleModel, style: keras.Model, tmp_path: Path, styles: str, taken: range
) -> None:
    rows, columns = [1, 2], [3, 4, 5]
    setting = Setting(psi=0.5)
    (path,) = commands.mix(model, rows, columns, styles, setting, tmp_path)
    assert read(path).shape == (3 * STEP + grids.GAP, 4 * STEP + grids.GAP, 3)
    assert (cell(path, 0, 0) == 255).all()
    for i, seed in enumerate(columns):
        assert_alike(cell(path, 0, i + 1), direct(style, seed, psi=0.5))
    for i, seed in enumerate(rows):
        assert_alike(cell(path, i + 1, 0), direct(style, seed, psi=0.5))
    latents = sampling.latents(tf.constant([2, 5], tf.int64), 16)
    own, other = style.truncation(style.mapping(latents), psi=0.5).numpy()
    own[list(taken)] = other[list(taken)]
    noise = sampling.noise(tf.constant([0], tf.int64), model.noise_shapes)
    image = style.synthesis(tf.constant(own[None]), noise=noise)
    assert_alike(cell(path, 2, 3), to_uint8(image)[0])
    assert not (cell(path, 2, 3) == cell(path, 2, 0)).all()


def test_styles_that_a_small_model_has_not(
    labelled_files: Path, tmp_path: Path
) -> None:
    model = networks.opened(str(labelled_files / "own.keras"))
    setting = Setting(label=0)
    with pytest.raises(UsageError, match="fine styles are those of 64 px and more"):
        commands.mix(model, [0], [1], "fine", setting, tmp_path)
    assert synthesis.style_layers(model, "coarse") == [0, 1, 2, 3]
    assert synthesis.style_layers(model, "middle") == [4, 5]
    assert synthesis.style_layers(model, "all") == [0, 1, 2, 3, 4, 5]


def test_truncation_goes_through_the_average(
    model: StyleModel, style: keras.Model, tmp_path: Path
) -> None:
    psis = [-1.0, 0.0, 1.0]
    (path,) = commands.truncation(model, 3, psis, Setting(), tmp_path)
    assert read(path).shape == (STEP + grids.GAP, 3 * STEP + grids.GAP, 3)
    latents = sampling.latents(tf.constant([3], tf.int64), 16)
    w, average = style.mapping(latents), style.w_avg.numpy()
    noise = sampling.noise(tf.constant([0], tf.int64), model.noise_shapes)
    for i, psi in enumerate(psis):
        ws = tf.repeat((average + psi * (w - average))[:, None], 10, axis=1)
        image = style.synthesis(ws, noise=noise)
        assert_alike(cell(path, 0, i), to_uint8(image)[0])
    assert not (cell(path, 0, 1) == cell(path, 0, 2)).all()


def test_noise_grid_mean_and_deviation(
    model: StyleModel,
    style: keras.Model,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    grid, mean, deviation = commands.noise(model, 3, 4, Setting(psi=1.0), tmp_path)
    latents = sampling.latents(tf.constant([3] * 4, tf.int64), 16)
    seeds = tf.range(4, dtype=tf.int64)
    noise = sampling.noise(seeds, model.noise_shapes)
    made = style(latents, noise=noise).numpy()
    for i in range(4):
        assert_alike(cell(grid, i // 2, i % 2), to_uint8(made[i]))
    assert_alike(read(mean), to_uint8(made.mean(axis=0)))
    expected = np.sqrt(np.square(made - made.mean(axis=0)).mean(axis=(0, 3)))
    shown = read(deviation)
    assert shown.max() == 255
    assert_alike(shown[..., 0], np.round(expected / expected.max() * 255))
    assert f"{expected.max():.5f} at most" in capsys.readouterr().out


def test_noise_without_a_use_for_it_changes_nothing(tmp_path: Path) -> None:
    network = networks.style(16)
    for injection in network.synthesis.noises:
        injection.scale.assign(tf.zeros_like(injection.scale))
    network.save(tmp_path / "quiet.keras")
    model = networks.opened(str(tmp_path / "quiet.keras"))
    grid, mean, deviation = commands.noise(model, 3, 3, Setting(), tmp_path)
    assert (read(deviation) == 0).all()
    np.testing.assert_array_equal(read(mean), cell(grid, 1, 0, 16))


def test_a_grid_has_an_end(model: StyleModel, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at most 65536 images of 64 px"):
        commands.images(model, range(65537), Setting(), "grid", tmp_path)
