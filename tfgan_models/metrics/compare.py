"""FID, KID, precision and recall of two sets of images, in one call each."""

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from tfgan_models.folders import contents, decoding
from tfgan_models.metrics import extractors, frechet, gaussian, kernel, manifold

Images: TypeAlias = np.ndarray | tf.Tensor | str | Path
"""Images [N, H, W, C], C = 1 or 3, uint8 or float in [-1, 1]; or the path of a folder
of images of any sizes."""


def fid(real: Images, generated: Images, extractor: str = "lite0") -> float:
    """Returns the Frechet distance of two sets of images, 0 for equal sets.

    Args:
        real: Images, or a folder; see `Images`.
        generated: Likewise.
        extractor: Its features are compared, see `extractors.extractor`; values from
            different ones, or different numbers of images, are not comparable.

    Raises:
        UsageError: An argument is not a set of images.
        ValueError: A set has fewer than two images.
    """
    sets = (gaussian.gaussian(each) for each in _features(real, generated, extractor))
    return frechet.frechet_distance(*sets)


def kid(
    real: Images, generated: Images, extractor: str = "lite0", seed: int = 0
) -> float:
    """Returns the unbiased kernel distance of two sets of images; 0: no difference.

    Args:
        real: Images, or a folder; see `Images`.
        generated: Likewise.
        extractor: See `fid`.
        seed: For the 100 subsets that it is averaged over.

    Raises:
        UsageError: An argument is not a set of images.
        ValueError: A set has fewer than two images.
    """
    sets = _features(real, generated, extractor)
    size = kernel.fitting_subset(*sets)
    return kernel.kernel_distance(*sets, subset_size=size, seed=seed)[0]


def precision_recall(
    real: Images, generated: Images, extractor: str = "lite0"
) -> tuple[float, float]:
    """Returns improved precision and recall of two sets of images, 0 to 1.

    Args:
        real: Images, or a folder; see `Images`.
        generated: Likewise.
        extractor: See `fid`.

    Raises:
        UsageError: An argument is not a set of images.
        ValueError: A set has fewer than four images.
    """
    return manifold.precision_recall(*_features(real, generated, extractor))


def _features(
    real: Images, generated: Images, name: str
) -> tuple[np.ndarray, np.ndarray]:
    extract = _extractor(name)
    first, second = (
        np.concatenate([extract(batch)[0] for batch in _batches(images)])
        for images in (real, generated)
    )
    return first, second


@functools.cache
def _extractor(name: str) -> extractors.Extractor:
    return extractors.extractor(name)


def _batches(images: Images) -> Iterator[np.ndarray]:
    """Yields images of one size, a few at a time, in [-1, 1]."""
    if isinstance(images, str | Path):
        for _, alike in itertools.groupby(_pictures(Path(images)), np.shape):
            while batch := list(itertools.islice(alike, extractors.CHUNK)):
                yield _floats(np.stack(batch))
        return
    images = np.asarray(images)
    if not images.ndim or not len(images):
        yield images  # The extractor refuses it.
    for start in range(0, len(images), extractors.CHUNK):
        yield _floats(images[start : start + extractors.CHUNK])


def _pictures(folder: Path) -> Iterator[np.ndarray]:
    for path in contents.read_images(folder).paths:
        yield decoding.decode_image(path.read_bytes())


def _floats(images: np.ndarray) -> np.ndarray:
    if images.dtype != np.uint8:
        return images
    return images.astype(np.float32) / 127.5 - 1.0
