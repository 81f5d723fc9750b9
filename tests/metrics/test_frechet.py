"""FID against closed forms, torch-fidelity and scipy."""

from types import ModuleType

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from tfgan_models.metrics.frechet import frechet_distance
from tfgan_models.metrics.gaussian import GaussianStatistics, gaussian


def exact(covariance: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Returns vectors whose sample mean and covariance are exactly these."""
    size = len(mean)
    random = np.random.default_rng(0).normal(size=(4 * size, size))
    random -= random.mean(axis=0)
    whiten = np.linalg.inv(np.linalg.cholesky(np.cov(random, rowvar=False))).T
    return random @ whiten @ np.linalg.cholesky(covariance).T + mean


def cloud(count: int, size: int, seed: int, shift: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(size, size)) / size**0.5
    return random.normal(size=(count, size)) @ mixing + shift


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_batches_add_up_to_the_whole(batch: int) -> None:
    features = cloud(100, 5, 0, shift=1e4)
    statistics = GaussianStatistics(5)
    for start in range(0, 100, batch):
        statistics.update(features[start : start + batch])
    statistics.update(features[:0])
    assert statistics.count == 100
    np.testing.assert_allclose(statistics.mean, features.mean(axis=0), rtol=1e-14)
    expected = np.cov(features, rowvar=False)
    np.testing.assert_allclose(statistics.covariance, expected, rtol=1e-9)


def test_one_image_has_no_covariance() -> None:
    with pytest.raises(ValueError, match=r"at least 2 images\. Received: 1"):
        _ = gaussian(np.ones((1, 3))).covariance


@given(
    st.lists(st.floats(0.1, 5.0), min_size=3, max_size=3),
    st.lists(st.floats(0.1, 5.0), min_size=3, max_size=3),
    st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=3),
)
def test_of_axis_aligned_gaussians_is_known(
    a: list[float], b: list[float], shift: list[float]
) -> None:
    """With diagonal covariances: |shift|^2 + sum (s1 - s2)^2."""
    first = gaussian(exact(np.diag(np.square(a)), np.zeros(3)))
    second = gaussian(exact(np.diag(np.square(b)), np.array(shift)))
    expected = np.square(shift).sum() + np.square(np.subtract(a, b)).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, abs=1e-9)


def test_of_turned_gaussians_is_known() -> None:
    """N(0, diag(4, 1)) against the same turned by 90 degrees: 2 (2 - 1)^2."""
    first = gaussian(exact(np.diag([4.0, 1.0]), np.zeros(2)))
    second = gaussian(exact(np.diag([1.0, 4.0]), np.zeros(2)))
    assert frechet_distance(first, second) == pytest.approx(2.0, rel=1e-12)


def test_equals_the_formula_with_a_matrix_square_root() -> None:
    first, second = cloud(500, 24, 1), cloud(300, 24, 2, shift=0.1)
    product = np.cov(first, rowvar=False) @ np.cov(second, rowvar=False)
    root = scipy.linalg.sqrtm(product).real
    expected = (
        np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
        + np.trace(np.cov(first, rowvar=False))
        + np.trace(np.cov(second, rowvar=False))
        - 2 * np.trace(root)
    )
    actual = frechet_distance(gaussian(first), gaussian(second))
    assert actual == pytest.approx(expected, rel=1e-9)


def test_equals_torch_fidelity(torch_fidelity: ModuleType) -> None:
    fid = torch_fidelity.metric_fid
    first, second = cloud(400, 32, 3), cloud(400, 32, 4, shift=0.2)
    statistics = [
        fid.fid_features_to_statistics(torch.from_numpy(f)) for f in (first, second)
    ]
    expected = fid.fid_statistics_to_metric(*statistics, verbose=False)
    actual = frechet_distance(gaussian(first), gaussian(second))
    assert actual == pytest.approx(expected[fid.KEY_METRIC_FID], rel=1e-6)


def test_of_fewer_images_than_dimensions() -> None:
    """The trace of the root is exact where the covariances have no full rank."""
    few = cloud(20, 64, 5)
    assert frechet_distance(gaussian(few), gaussian(few)) == pytest.approx(0, abs=1e-9)
    halves = frechet_distance(gaussian(few[:10]), gaussian(few[10:]))
    traces = sum(np.trace(np.cov(h, rowvar=False)) for h in (few[:10], few[10:]))
    # The root of a product of ranks 9 through the Gram matrix of the two halves.
    a, b = (h - h.mean(axis=0) for h in (few[:10], few[10:]))
    overlap = np.linalg.svd(a @ b.T / 9, compute_uv=False).sum()
    shift = np.square(few[:10].mean(axis=0) - few[10:].mean(axis=0)).sum()
    assert halves == pytest.approx(shift + traces - 2 * overlap, rel=1e-9)
