"""Precision, recall, density and coverage against scikit-learn and torch-fidelity."""

import tracemalloc
from types import ModuleType

import numpy as np
import pytest
import torch
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

from tfgan_models.metrics import manifold


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray]:
    """Real and generated features, more than a block of each."""
    monkeypatch.setattr(manifold, "_BLOCK", 64)
    random = np.random.default_rng(0)
    return random.normal(0, 1, (150, 6)), random.normal(0.5, 0.7, (130, 6))


def radii(features: np.ndarray, k: int) -> np.ndarray:
    """Distance to the k-th other neighbour, by scikit-learn."""
    found = NearestNeighbors(n_neighbors=k + 1).fit(features).kneighbors(features)
    return found[0][:, -1]


def test_precision_and_recall(sets: tuple[np.ndarray, np.ndarray]) -> None:
    real, generated = sets
    distances = pairwise_distances(real, generated)
    precision = (distances <= radii(real, 3)[:, None]).any(axis=0).mean()
    recall = (distances <= radii(generated, 3)).any(axis=1).mean()
    assert 0.2 < recall < precision < 1.0
    actual = manifold.precision_recall(real, generated)
    assert actual == pytest.approx((precision, recall), rel=1e-12)


def test_precision_and_recall_equal_torch_fidelity(
    torch_fidelity: ModuleType, sets: tuple[np.ndarray, np.ndarray]
) -> None:
    real, generated = sets
    prc = torch_fidelity.metric_prc
    expected = prc.prc_features_to_metric(
        torch.from_numpy(generated),
        torch.from_numpy(real),
        prc_neighborhood=3,
        prc_batch_size=1000,
        verbose=False,
    )
    actual = manifold.precision_recall(real, generated)
    keys = (prc.KEY_METRIC_PRECISION, prc.KEY_METRIC_RECALL)
    assert actual == pytest.approx([expected[key] for key in keys], rel=1e-6)


def test_density_and_coverage(sets: tuple[np.ndarray, np.ndarray]) -> None:
    real, generated = sets
    inside = pairwise_distances(real, generated) < radii(real, 5)[:, None]
    density = inside.sum(axis=0).mean() / 5
    coverage = inside.any(axis=1).mean()
    assert 0.2 < coverage < 1.0 < density
    actual = manifold.density_coverage(real, generated)
    assert actual == pytest.approx((density, coverage), rel=1e-12)


def test_of_equal_and_of_distant_sets() -> None:
    features = np.random.default_rng(1).normal(size=(50, 4))
    assert manifold.precision_recall(features, features) == (1.0, 1.0)
    assert manifold.density_coverage(features, features)[1] == 1.0
    assert manifold.precision_recall(features, features + 100) == (0.0, 0.0)
    assert manifold.density_coverage(features, features + 100) == (0.0, 0.0)


def test_one_repeated_image_has_no_recall() -> None:
    real = np.random.default_rng(2).normal(size=(50, 4))
    collapsed = np.repeat(real[:1], 50, axis=0) + 1e-3
    precision, recall = manifold.precision_recall(real, collapsed)
    assert (precision, recall) == (1.0, 0.0)


def test_nearest(sets: tuple[np.ndarray, np.ndarray]) -> None:
    candidates, queries = sets
    expected = NearestNeighbors(n_neighbors=3).fit(candidates).kneighbors(queries)
    indices, distances = manifold.nearest(queries, candidates, 3)
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_allclose(distances, expected[0], rtol=1e-9)
    assert manifold.nearest(queries, candidates[:2], 3)[0].shape == (130, 2)


def test_refuses_too_few_images() -> None:
    with pytest.raises(ValueError, match=r"at least 4 images\. Received: 3"):
        manifold.precision_recall(np.zeros((3, 2)), np.zeros((9, 2)))


def test_memory_is_that_of_a_block_of_rows() -> None:
    """All distances of 6000 images at once would be 288 MB."""
    features = np.random.default_rng(3).normal(size=(6000, 8)).astype(np.float32)
    tracemalloc.start()
    try:
        manifold.precision_recall(features, features[::-1])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 144e6
