"""Fidelity and diversity separately: precision, recall, density, coverage.

Precision and recall: Kynkaanniemi et al., arXiv:1904.06991. Density and coverage:
Naeem et al., arXiv:2002.09797.
"""

from collections.abc import Iterator

import numpy as np

from tfgan_models.metrics.arguments import check_features

_BLOCK = 512


def precision_recall(
    real: np.ndarray, generated: np.ndarray, neighbours: int = 3
) -> tuple[float, float]:
    """Returns improved precision and recall.

    Each image's ball reaches to its k-th nearest neighbour within its own set.

    Args:
        real: Features [N, D].
        generated: Features [M, D].
        neighbours: k; 3 in the paper.

    Returns:
        The share of generated images inside any real image's ball, and the share of
        real images inside any generated image's ball.

    Raises:
        ValueError: An argument is not features, or a set has no k neighbours for
            each of its images.
    """
    check_features(real=real, generated=generated)
    real_radii = _radii(real, neighbours)
    generated_radii = _radii(generated, neighbours)
    in_real = np.zeros(len(generated), bool)
    in_generated = np.zeros(len(real), bool)
    for rows, distances in _distances(generated, real):
        in_real[rows] = (distances <= real_radii).any(axis=1)
        in_generated |= (distances <= generated_radii[rows, None]).any(axis=0)
    return float(in_real.mean()), float(in_generated.mean())


def density_coverage(
    real: np.ndarray, generated: np.ndarray, neighbours: int = 5
) -> tuple[float, float]:
    """Returns density and coverage.

    Args:
        real: Features [N, D].
        generated: Features [M, D].
        neighbours: k; 5 in the paper.

    Returns:
        Density: the mean number of real balls around a generated image, over k; it can
            be
        above 1. Coverage: the share of real images whose ball contains a generated one.

    Raises:
        ValueError: An argument is not features, or the real set has no k neighbours
            for each of its images.
    """
    check_features(real=real, generated=generated)
    radii = _radii(real, neighbours)
    inside = 0
    covered = np.zeros(len(real), bool)
    for _, distances in _distances(generated, real):
        hits = distances < radii
        inside += int(hits.sum())
        covered |= hits.any(axis=0)
    return inside / (neighbours * len(generated)), float(covered.mean())


def nearest(
    queries: np.ndarray, candidates: np.ndarray, neighbours: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the nearest candidates of each query.

    Args:
        queries: Features [N, D].
        candidates: Features [M, D].
        neighbours: Number of neighbours, nearest first.

    Returns:
        Their indices, int64 [N, neighbours], and Euclidean distances, float64.
    """
    count = min(neighbours, len(candidates))
    indices = np.empty((len(queries), count), np.int64)
    distances = np.empty((len(queries), count))
    for rows, block in _distances(queries, candidates):
        order = np.argsort(block, axis=1, kind="stable")[:, :count]
        indices[rows] = order
        distances[rows] = np.sqrt(np.take_along_axis(block, order, axis=1))
    return indices, distances


def _radii(features: np.ndarray, neighbours: int) -> np.ndarray:
    """Squared distance of each image to its k-th nearest other one, [N]."""
    if len(features) <= neighbours:
        raise ValueError(
            f"{neighbours} neighbours of each image need at least {neighbours + 1} "
            f"images. Received: {len(features)}"
        )
    radii = np.empty(len(features))
    for rows, distances in _distances(features, features):
        # An image is its own nearest neighbour, which is excluded.
        index = np.arange(rows.start, rows.stop)
        distances[index - rows.start, index] = 0.0
        radii[rows] = np.partition(distances, neighbours, axis=1)[:, neighbours]
    return radii


def _distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared distances [rows, M], for a block of rows of `x` at a time."""
    y = np.asarray(y, np.float64)
    y_norms = np.square(y).sum(axis=1)
    for start in range(0, len(x), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(x)))
        part = np.asarray(x[rows], np.float64)
        norms = np.square(part).sum(axis=1)[:, None]
        yield rows, np.maximum(norms + y_norms - 2.0 * (part @ y.T), 0.0)
