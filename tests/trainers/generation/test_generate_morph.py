"""Films: smooth loops that are written whole."""

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy.interpolate import CubicSpline

from tests.trainers.generation import networks
from tfgan_models import sampling
from tfgan_models.data.images import to_uint8
from tfgan_models.errors import UsageError
from tfgan_models.tasks import morph, synthesis
from tfgan_models.tasks.generators import LatentModel, StyleModel
from tfgan_models.tasks.synthesis import Setting

imageio = pytest.importorskip("imageio.v2")


def frames_of(path: Path) -> list[np.ndarray]:
    if path.suffix == ".gif":
        return [np.asarray(frame)[..., :3] for frame in imageio.mimread(path)]
    with imageio.get_reader(path, "FFMPEG") as reader:
        return [np.asarray(frame) for frame in reader.iter_data()]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_the_spline_is_scipys(count: int) -> None:
    knots = np.random.default_rng(0).normal(size=(count, 4))
    closed = np.concatenate([knots, knots[:1]])
    expected = CubicSpline(np.arange(count + 1), closed, bc_type="periodic")
    places = np.linspace(0, count, 101)
    found = morph.periodic_spline(knots)(places)
    np.testing.assert_allclose(found, expected(places), atol=1e-12)


def test_one_knot_stays_where_it_is() -> None:
    knots = np.ones((1, 4))
    np.testing.assert_array_equal(
        morph.periodic_spline(knots)(np.array([0.0, 0.4])), np.ones((2, 4))
    )


def test_slerp_turns_evenly() -> None:
    start, end = np.array([2.0, 0.0]), np.array([0.0, 4.0])
    third = morph.slerp(start, end, 1 / 3)
    angle = np.pi / 6
    length = 2 + 2 / 3
    np.testing.assert_allclose(
        third, [length * np.cos(angle), length * np.sin(angle)], atol=1e-12
    )
    np.testing.assert_allclose(morph.slerp(start, end, 1.0), end, atol=1e-12)
    np.testing.assert_allclose(morph.slerp(end, end, 0.5), end, atol=1e-12)


def test_a_gif_passes_through_the_seeds(model: StyleModel, tmp_path: Path) -> None:
    setting = Setting(psi=0.9)
    path = morph.Video(model, [3, 8], setting, "w", 6).save(tmp_path / "morph.gif", 10)
    frames = frames_of(path)
    assert [frame.shape for frame in frames] == [(64, 64, 3)] * 6
    for place, seed in ((0, 3), (3, 8)):
        expected = to_uint8(synthesis.from_seed(model, seed, setting))
        # A GIF has 256 colours.
        assert np.abs(frames[place].astype(int) - expected.astype(int)).mean() < 8
    # There and back on one way: the loop closes.
    assert np.abs(frames[1].astype(int) - frames[5].astype(int)).mean() < 8
    assert np.abs(frames[0].astype(int) - frames[3].astype(int)).mean() > 8
    assert sorted(file.name for file in tmp_path.iterdir()) == ["morph.gif"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_mp4_of_a_progan(latent_model: LatentModel, tmp_path: Path) -> None:
    setting = Setting(label=1)
    path = morph.Video(latent_model, [3, 8, 1], setting, "z", 12).save(
        tmp_path / "morph.mp4", 24
    )
    frames = frames_of(path)
    assert [frame.shape for frame in frames] == [(16, 16, 3)] * 12
    with imageio.get_reader(path, "FFMPEG") as reader:
        assert reader.get_meta_data()["fps"] == 24
    for place, seed in ((0, 3), (4, 8), (8, 1)):
        expected = to_uint8(synthesis.from_seed(latent_model, seed, setting))
        # Colour has half the resolution in an MP4: compare the lightness.
        difference = frames[place].mean(axis=2) - expected.mean(axis=2)
        assert np.abs(difference).mean() < 16


def test_uniform_latents_go_straight_and_stay_in_their_cube(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks.convolutional().save(tmp_path / "dcgan.keras")
    found = networks.opened(str(tmp_path / "dcgan.keras"))
    seen = []

    def paint(
        generator: Any, z: tf.Tensor, setting: Setting, noise: int | None
    ) -> np.ndarray:
        seen.append(z.numpy()[0])
        return np.zeros((9, 9, 1), np.float32)

    monkeypatch.setattr(synthesis, "from_latent", paint)
    morph.Video(found, [3, 8, 5], Setting(), "z", 24).save(tmp_path / "morph.gif", 10)
    knots = sampling.latents(tf.constant([3, 8, 5], tf.int64), 16, "uniform").numpy()
    path = np.stack(seen)
    assert path.shape == (24, 16) and np.abs(path).max() < 1.0
    np.testing.assert_allclose(path[::8], knots, atol=1e-6)
    expected = 0.25 * knots[0] + 0.75 * knots[1]
    np.testing.assert_allclose(path[6], expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_grey_mp4_of_an_odd_side(tmp_path: Path) -> None:
    networks.conditional().save(tmp_path / "cgan.keras")
    found = networks.opened(str(tmp_path / "cgan.keras"))
    setting = Setting(label=1)
    path = morph.Video(found, [3], setting, "z", 2).save(tmp_path / "morph.mp4", 10)
    expected = synthesis.to_rgb(synthesis.from_seed(found, 3, setting))
    expected = np.pad(expected, ((0, 1), (0, 1), (0, 0)), mode="edge").mean(axis=2)
    frame = frames_of(path)[0]
    assert frame.shape == (10, 10, 3)
    assert np.abs(frame.mean(axis=2) - expected).mean() < 16 < expected.std()


def test_z_is_mapped_and_truncated_too(model: StyleModel, tmp_path: Path) -> None:
    path = morph.Video(model, [3, 8], Setting(), "z", 4).save(
        tmp_path / "morph.gif", 10
    )
    z = [synthesis.latent(model, seed).numpy()[0] for seed in (3, 8)]
    middle = tf.constant(morph.slerp(*z, 0.5)[None].astype(np.float32))
    image = synthesis.from_latent(model, middle, Setting(), 0)
    difference = frames_of(path)[1].astype(int) - to_uint8(image).astype(int)
    assert np.abs(difference).mean() < 8


def test_what_is_missing_is_named(
    model: StyleModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = builtins.__import__

    def missing(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("imageio"):
            raise ImportError(f"No module named {name}", name=name)
        return plain(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UsageError, match=r"imageio.*\[generate\]"):
        morph.Video(model, [1], Setting(), "w", 2).save(tmp_path / "morph.gif", 10)
    assert not list(tmp_path.iterdir())
