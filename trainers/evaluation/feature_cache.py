"""Features of real images, cached on disk under the hash of their inputs."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tfgan_models import caches
from tfgan_models.metrics.extractors import Extractor
from trainers.evaluation import measurement


def default_directory() -> Path:
    """Returns `tfgan_models/features` in the user's cache folder."""
    return caches.directory("features")


class FeatureCache:
    """Extracts the features of real images once for all runs and evaluations.

    The name of a file is the SHA-256 of the images' pixels and of the extractor's
    fingerprint: changed images, sizes or weights change the name. A folder that
    cannot be written only costs time.

    Args:
        directory: The files' directory; created when the first is written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(
        self, images: Callable[[], Iterable[np.ndarray]], extractor: Extractor
    ) -> np.ndarray:
        """Returns the features of all images, float32 [N, D].

        Args:
            images: Returns the images in batches, the same on every call.
            extractor: Extracts their features.
        """
        path = self.directory / f"{content_key(images(), extractor)}.npy"
        features = _read(path)
        if features is None:
            features = measurement.extract(images, extractor)
            caches.keep(
                path, lambda written: np.save(written, features, allow_pickle=False)
            )
        return features


def content_key(images: Iterable[np.ndarray], extractor: Extractor) -> str:
    """Returns the hash of images, however they are batched, and an extractor."""
    digest = hashlib.sha256(extractor.fingerprint.encode())
    for batch in images:
        for image in np.asarray(batch, np.float32):
            digest.update(str(image.shape).encode())
            digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _read(path: Path) -> np.ndarray | None:
    try:
        features = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return features if features.ndim == 2 else None
