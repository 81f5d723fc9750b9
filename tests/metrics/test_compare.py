"""Figures of images and folders in one call."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfgan_models import metrics
from tfgan_models.errors import UsageError
from tfgan_models.metrics import compare, frechet, gaussian, kernel, manifold


class Corners:
    """An extractor whose features are the first pixels."""

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, None]:
        assert images.dtype == np.float32
        return images.reshape(len(images), -1)[:, :3], None


@pytest.fixture(autouse=True)
def corners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "_extractor", lambda name: {"lite0": Corners()}[name])


def levels(count: int, seed: int, size: int = 8) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, size, size, 3), np.uint8)


def floats(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 127.5 - 1


def results(real: object, generated: object) -> list[object]:
    return [
        metrics.fid(real, generated),
        metrics.kid(real, generated),
        metrics.precision_recall(real, generated),
    ]


def test_are_those_of_the_features() -> None:
    real, generated = levels(40, 0), levels(35, 1) // 2
    first, second = (Corners()(floats(x))[0] for x in (real, generated))
    expected = [
        frechet.frechet_distance(gaussian.gaussian(first), gaussian.gaussian(second)),
        kernel.kernel_distance(first, second, subset_size=17)[0],
        manifold.precision_recall(first, second),
    ]
    assert results(real, generated) == expected
    assert results(floats(real), floats(generated)) == expected
    assert expected[0] > 0.1


def test_folders_are_their_images(tmp_path: Path) -> None:
    """Of any sizes, a chunk or more of each."""
    pictures = [*levels(3, 0), *levels(35, 1, 9), *levels(3, 2)]
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / f"{i:02}.png")
    generated = levels(6, 3)
    corner = np.stack([picture.reshape(-1)[:3] for picture in pictures])
    real = np.broadcast_to(corner[:, None, None], (len(corner), 1, 1, 3))
    assert results(tmp_path, generated) == results(real, generated)
    assert metrics.fid(str(tmp_path), generated) == metrics.fid(real, generated)
    with pytest.raises(UsageError, match="nosuch cannot be read: No such file"):
        metrics.fid(tmp_path / "nosuch", generated)


@pytest.mark.parametrize(
    "function",
    [kernel.kernel_distance, manifold.precision_recall, manifold.density_coverage],
)
def test_what_is_no_features_is_refused(function: object) -> None:
    for wrong in (floats(levels(4, 0)), np.zeros([4, 7]), "folder"):
        with pytest.raises(
            ValueError, match=r"arrays \[N, D\] with the same D.*Received: rea"
        ):
            function(np.zeros([9, 3]), wrong)


def test_frechet_distance_names_what_it_wants() -> None:
    with pytest.raises(TypeError, match=r"gaussian\(features\).*Received: ndarray"):
        frechet.frechet_distance(np.zeros([9, 3]), np.zeros([9, 3]))
    with pytest.raises(ValueError, match=r"Received: features ndarray \(4, 8, 8, 3\)"):
        gaussian.gaussian(floats(levels(4, 0)))
