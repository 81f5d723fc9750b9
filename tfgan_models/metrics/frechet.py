"""Frechet Inception Distance (Heusel et al., arXiv:1706.08500)."""

import numpy as np

from tfgan_models.metrics.gaussian import GaussianStatistics


def frechet_distance(first: GaussianStatistics, second: GaussianStatistics) -> float:
    """Returns the squared Frechet distance between two Gaussians.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). With fewer images than feature
    dimensions it is far above zero even between two halves of one set: then compare
    it only for the same number of images, or use the kernel distance.

    Args:
        first: Statistics of one set's features.
        second: Statistics of the other's.

    Returns:
        The distance, 0 for equal statistics.

    Raises:
        ValueError: A set has fewer than two images.
        TypeError: An argument is not statistics.
    """
    for given in (first, second):
        if not isinstance(given, GaussianStatistics):
            raise TypeError(
                "frechet_distance compares GaussianStatistics, which "
                "gaussian.gaussian(features) computes; tfgan_models.metrics.fid takes "
                f"images. Received: {type(given).__name__}"
            )
    a, b = _root(first.covariance), _root(second.covariance)
    # With S1 = a a' and S2 = b b', the trace of (S1 S2)^(1/2) is the sum of the
    # singular values of b' a. Eigenvalues of S1 S2 would lose half of the digits
    # wherever they are near zero.
    overlap = np.linalg.svd(b.T @ a, compute_uv=False).sum()
    traces = np.square(a).sum() + np.square(b).sum()
    shift = np.square(first.mean - second.mean).sum()
    return float(max(shift + traces - 2.0 * overlap, 0.0))


def _root(covariance: np.ndarray) -> np.ndarray:
    """Returns a, [D, rank], with a a' = covariance."""
    values, vectors = np.linalg.eigh(covariance)
    noise = max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps
    kept = values > noise
    return vectors[:, kept] * np.sqrt(values[kept])
