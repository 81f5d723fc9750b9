"""Baselines of translation, and metrics of how well maps are translated.

Images are float arrays [N, H, W, C] in [-1, 1].
"""

import numpy as np

SEA_BLUE_OVER_RED = 40 / 127.5
LATTICE = 4


def histogram_matching(images: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Matches each channel's histogram to that of the reference.

    Args:
        images: The images to recolour; all share one mapping per channel.
        reference: Images of the target domain, of any number and size.

    Returns:
        The recoloured images, the shape of `images`.
    """
    matched = np.empty_like(images)
    for channel in range(images.shape[-1]):
        _, where, counts = np.unique(
            images[..., channel], return_inverse=True, return_counts=True
        )
        quantiles = (np.cumsum(counts) - 0.5 * counts) / counts.sum()
        mapped = np.quantile(reference[..., channel], quantiles)
        matched[..., channel] = mapped[where.reshape(images.shape[:-1])]
    return matched


def mean_colour(images: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Returns uniform images of the reference's mean colour, the shape of `images`."""
    return np.broadcast_to(reference.mean(axis=(0, 1, 2)), images.shape)


def l1(images: np.ndarray, truth: np.ndarray) -> float:
    """Returns the mean absolute difference."""
    return float(np.abs(images - truth).mean())


def sea_and_land_agreement(images: np.ndarray, truth: np.ndarray) -> float:
    """Returns the share of pixels that are sea or land as in the truth.

    The truth's sea is where blue exceeds red by 40 of 255 levels. A pixel, of either
    side, counts as sea if it is closer to the mean colour of the truth's sea than
    to that of its land.

    Args:
        images: Translated maps.
        truth: The relief maps of the same places.
    """
    sea = truth[..., 2] - truth[..., 0] > SEA_BLUE_OVER_RED
    sea_colour, land_colour = truth[sea].mean(axis=0), truth[~sea].mean(axis=0)

    def is_sea(maps: np.ndarray) -> np.ndarray:
        to_sea = np.square(maps - sea_colour).sum(axis=-1)
        to_land = np.square(maps - land_colour).sum(axis=-1)
        return to_sea < to_land

    return float((is_sea(images) == is_sea(truth)).mean())


def checkerboard(images: np.ndarray) -> float:
    """Returns the strength of a pattern that repeats with the pixel lattice.

    The standard deviation, over the 4 x 4 positions of a pixel modulo 4, of the mean of
    all pixels at that position: nothing in a scene depends on that lattice, but uneven
    upsampling does.

    Args:
        images: H and W multiples of 4.
    """
    count, height, width, channels = images.shape
    tiles = images.reshape(
        count, height // LATTICE, LATTICE, width // LATTICE, LATTICE, channels
    )
    return float(tiles.mean(axis=(0, 1, 3)).std(axis=(0, 1)).mean())
