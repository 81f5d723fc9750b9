"""Kernel Inception Distance (Binkowski et al., arXiv:1801.01401)."""

import numpy as np

from tfgan_models.metrics.arguments import check_features

SUBSETS = 100
SUBSET_SIZE = 1000


def kernel_distance(
    real: np.ndarray,
    generated: np.ndarray,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the squared maximum mean discrepancy: its mean and standard deviation.

    The kernel is (x.y / D + 1)^3. Each subset's estimate is unbiased, so that the
    mean does not depend on the number of images, and can be below zero.

    Args:
        real: Features [N, D].
        generated: Features [M, D].
        subsets: Random subsets of both sets to estimate from.
        subset_size: Images of each set in a subset.
        seed: For the subsets.

    Returns:
        Mean and standard deviation over the subsets. Published figures are often
        these times 1000.

    Raises:
        ValueError: An argument is not features, a set has fewer images than a subset,
            or a subset has fewer than 2.
    """
    check_features(real=real, generated=generated)
    if not 2 <= subset_size <= min(len(real), len(generated)):
        raise ValueError(
            "subset_size must be at least 2 and at most the images of either set. "
            f"Received: subset_size={subset_size}, {len(real)} real and "
            f"{len(generated)} generated images"
        )
    random = np.random.RandomState(seed)
    estimates = [
        _unbiased(
            *(
                np.asarray(
                    features[random.choice(len(features), subset_size, replace=False)],
                    np.float64,
                )
                for features in (generated, real)
            )
        )
        for _ in range(subsets)
    ]
    return float(np.mean(estimates)), float(np.std(estimates))


def fitting_subset(real: np.ndarray, generated: np.ndarray) -> int:
    """Returns a `subset_size` for two sets: half of the smaller one at most.

    With subsets of all images there would be no deviation.
    """
    return min(SUBSET_SIZE, max(min(len(real), len(generated)) // 2, 2))


def _unbiased(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate from [N, D] and [N, D]."""
    count = len(x)

    def within(features: np.ndarray) -> float:
        kernel = _kernel(features, features)
        return (kernel.sum() - np.trace(kernel)) / (count * (count - 1))

    return within(x) + within(y) - 2.0 * _kernel(x, y).mean()


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1.0) ** 3
