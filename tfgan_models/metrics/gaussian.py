"""Mean and covariance of features, updated by batches."""

import numpy as np

from tfgan_models.metrics.arguments import check_features


class GaussianStatistics:
    """The Gaussian fitted to features, in float64 whatever their dtype.

    It uses the memory of one covariance matrix, for any number of images. Batches are
    merged by their means and scatter matrices, so that a large mean costs no digits.

    Args:
        dimensions: Length D of a feature vector.

    Attributes:
        count: Feature vectors seen.
        mean: float64 [D].
    """

    def __init__(self, dimensions: int) -> None:
        self.count = 0
        self.mean = np.zeros(dimensions)
        self._scatter = np.zeros((dimensions, dimensions))

    def update(self, features: np.ndarray) -> None:
        """Adds feature vectors, [N, D]."""
        batch = np.asarray(features, np.float64)
        if not len(batch):
            return
        mean = batch.mean(axis=0)
        centred = batch - mean
        total = self.count + len(batch)
        shift = mean - self.mean
        self._scatter += centred.T @ centred
        self._scatter += np.outer(shift, shift) * (self.count * len(batch) / total)
        self.mean = self.mean + shift * (len(batch) / total)
        self.count = total

    @property
    def covariance(self) -> np.ndarray:
        """The unbiased covariance, float64 [D, D].

        Raises:
            ValueError: Fewer than two feature vectors were seen.
        """
        if self.count < 2:
            raise ValueError(
                f"A covariance needs at least 2 images. Received: {self.count}"
            )
        return self._scatter / (self.count - 1)


def gaussian(features: np.ndarray) -> GaussianStatistics:
    """Returns the statistics of features [N, D].

    Raises:
        ValueError: The argument is not features.
    """
    check_features(features=features)
    statistics = GaussianStatistics(features.shape[1])
    for start in range(0, len(features), 4096):
        statistics.update(features[start : start + 4096])
    return statistics
