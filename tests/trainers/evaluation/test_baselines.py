"""The demo's results on images whose answers are known."""

import numpy as np
import pytest

from trainers.evaluation import baselines

RANDOM = np.random.default_rng(0)
SEA, LAND = np.array([-0.6, 0.2, 0.9]), np.array([0.5, 0.3, -0.2])


def maps(count: int = 4, size: int = 16) -> np.ndarray:
    """Sea on the left half, land on the right, both with a little noise."""
    images = np.empty((count, size, size, 3))
    images[:, :, : size // 2] = SEA
    images[:, :, size // 2 :] = LAND
    return images + RANDOM.normal(0, 0.02, images.shape)


def test_histogram_matching_gives_the_references_distribution() -> None:
    images = RANDOM.uniform(-1, 0, (3, 32, 32, 3))
    reference = RANDOM.normal(0.3, 0.1, (5, 40, 40, 3))
    matched = baselines.histogram_matching(images, reference)
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    for channel in range(3):
        np.testing.assert_allclose(
            np.quantile(matched[..., channel], levels),
            np.quantile(reference[..., channel], levels),
            atol=0.01,
        )
        before = np.argsort(images[..., channel].ravel())
        assert (np.diff(matched[..., channel].ravel()[before]) >= 0).all()


def test_mean_colour_is_flat() -> None:
    reference = maps()
    flat = baselines.mean_colour(np.zeros((2, 8, 8, 3)), reference)
    assert flat.shape == (2, 8, 8, 3)
    np.testing.assert_allclose(flat[1, 3, 5], (SEA + LAND) / 2, atol=0.01)
    assert flat.std(axis=(0, 1, 2)).max() < 1e-12


def test_l1() -> None:
    assert (
        baselines.l1(np.full((1, 2, 2, 3), 0.25), np.full((1, 2, 2, 3), -0.5)) == 0.75
    )


def test_sea_and_land_agreement() -> None:
    truth = maps()
    assert baselines.sea_and_land_agreement(truth, truth) == 1.0
    assert baselines.sea_and_land_agreement(truth[:, :, ::-1], truth) == 0.0
    all_land = np.broadcast_to(LAND, truth.shape)
    assert baselines.sea_and_land_agreement(all_land, truth) == 0.5


@pytest.mark.parametrize("period", [2, 4])
def test_checkerboard_finds_a_lattice_and_nothing_else(period: int) -> None:
    noise = RANDOM.normal(0, 0.3, (8, 64, 64, 3))
    rows, columns = np.indices((64, 64))
    lattice = np.where((rows % period == 0) & (columns % period == 0), 0.2, 0.0)
    assert baselines.checkerboard(noise) < 0.01
    # A share p of the places is 0.2, the others 0: deviation 0.2 sqrt(p (1 - p)).
    share = 1 / period**2
    expected = 0.2 * np.sqrt(share * (1 - share))
    drawn = baselines.checkerboard(noise + lattice[None, :, :, None])
    assert drawn == pytest.approx(expected, abs=0.01)
