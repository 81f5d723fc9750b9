"""Feature extractors for metrics, with one way of preparing images.

The resizing of images changes FID more than many an improvement of a GAN
(arXiv:2104.11222): here there is one, antialiased, named in each description.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf

from tfgan_models.errors import UsageError
from tfgan_models.metrics.features.efficientnet import load_lite0
from tfgan_models.metrics.features.inception import load_inception

Images: TypeAlias = np.ndarray | tf.Tensor

NAMES = ("lite0", "inception")
"""What `extractor` takes."""

CHUNK = 32
"""Images processed at once, which bounds the memory."""

_FURTHEST = 1.5
"""Absolute values allowed: sharpening filters leave [-1, 1] by less."""

_RESIZE = "antialiased bicubic resize of the 8-bit image, clipped to 0..255"
_PIXELS = tf.TensorSpec([None, None, None, None], tf.float32)
_STAGES = tuple(f"stage{i}" for i in range(1, 6))


@dataclasses.dataclass(frozen=True)
class Extractor:
    """A network that computes features of images; created by `extractor`.

    Attributes:
        name: "lite0", "inception" (Keras's weights) or "inception2015" (the FID
            paper's).
        description: One line: network, weights, layer, size, resizing.
        fingerprint: SHA-256 in hex of the description and every weight: metrics with
            equal fingerprints are comparable, and cached features reusable.
        network: From pixels [N, size, size, 3] in 0..255 to a dictionary with
            "features" and, if it has them, "logits" and stages.
    """

    name: str
    description: str
    fingerprint: str
    network: keras.Model = dataclasses.field(repr=False, compare=False)

    def __call__(self, images: Images) -> tuple[np.ndarray, np.ndarray | None]:
        """Extracts the features of images.

        Images are rounded to the 8-bit levels that a PNG would store, so that
        files and images in memory give the same values.

        Args:
            images: [N, H, W, C] in [-1, 1], C = 1 or 3; grey is repeated.

        Returns:
            Features, float32 [N, D], and logits, float32 [N, K], or None if the
            network's file had none.

        Raises:
            UsageError: The images have another shape, are not floats, are not finite,
                or are in another range.
        """
        count = _check(images)
        parts = [
            self._features(_pixels(_in_range(images[i : i + CHUNK]), rounded=True))
            for i in range(0, count, CHUNK)
        ]
        features = np.concatenate([part["features"] for part in parts])
        if "logits" not in parts[0]:
            return features, None
        return features, np.concatenate([part["logits"] for part in parts])

    def distance(self, a: Images, b: Images) -> np.ndarray:
        """Computes the perceptual distance of two batches of images, pair by pair.

        LPIPS's formula (arXiv:1801.03924) without its learned weights: the channels
        of each stage are scaled to length 1, their squared differences summed over
        channels, averaged over positions and summed over the stages. The images are not
        rounded to 8 bits: a path length depends on differences smaller than a level.

        Args:
            a: Images [N, H, W, C] in [-1, 1], C = 1 or 3.
            b: The same number, of the same size.

        Returns:
            Distances, float32 [N], 0 for equal images.

        Raises:
            UsageError: The extractor has no stages (only lite0 has), or the images
                are not as `__call__` requires or differ in shape.
        """
        if not set(_STAGES) <= set(self.network.output):
            raise UsageError(
                f"extractor={self.name} has no perceptual distance. Allowed: lite0."
            )
        count = _check(a)
        if _check(b) != count or tuple(a.shape) != tuple(b.shape):
            raise UsageError(
                "A distance needs two batches of the same shape. Received: "
                f"{tuple(a.shape)} and {tuple(b.shape)}"
            )
        parts = [
            self._distances(
                _pixels(a[i : i + CHUNK], rounded=False),
                _pixels(b[i : i + CHUNK], rounded=False),
            )
            for i in range(0, count, CHUNK)
        ]
        return np.concatenate(parts)

    @functools.cached_property
    def _features(self) -> Callable[[np.ndarray], dict[str, tf.Tensor]]:
        wanted = [key for key in ("features", "logits") if key in self.network.output]

        @tf.function(input_signature=[_PIXELS], autograph=False)
        def features(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = self._run(pixels)
            return {key: outputs[key] for key in wanted}

        return features

    @functools.cached_property
    def _distances(self) -> Callable[[np.ndarray, np.ndarray], tf.Tensor]:
        @tf.function(input_signature=[_PIXELS, _PIXELS], autograph=False)
        def distances(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            maps_a, maps_b = self._run(a), self._run(b)
            return tf.add_n([_stage_distance(maps_a[s], maps_b[s]) for s in _STAGES])

        return distances

    def _run(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        size = self.network.input.shape[1:3]
        pixels = tf.image.resize(pixels, size, "bicubic", antialias=True)
        pixels = tf.clip_by_value(pixels, 0.0, 255.0)
        pixels = tf.broadcast_to(pixels, [tf.shape(pixels)[0], *size, 3])
        return self.network(pixels, training=False)


def extractor(name: str, inception_weights: Path | None = None) -> Extractor:
    """Loads a feature extractor.

    Args:
        name: "lite0": EfficientNet-Lite0, whose weights come with the extra
            "metrics"; "inception": InceptionV3, the network of published FIDs.
        inception_weights: A file for "inception", see `load_inception`; None:
            Keras's, downloaded.

    Returns:
        The extractor.

    Raises:
        UsageError: Another name, or weights that are missing or another network's.
        FailureError: The weights could not be downloaded.
    """
    if name == "lite0":
        return _described(name, "EfficientNet-Lite0, ImageNet weights", load_lite0())
    if name == "inception":
        network = load_inception(inception_weights)
        if network.name == "inception_2015":
            weights = "weights and graph of 2015-12-05 (the FID paper's)"
            return _described("inception2015", f"InceptionV3, {weights}", network)
        weights = "weights of keras.applications"
        return _described("inception", f"InceptionV3, {weights}", network)
    raise UsageError(f"extractor={name} is not known. Allowed: {', '.join(NAMES)}.")


def _described(name: str, weights: str, network: keras.Model) -> Extractor:
    size = network.input.shape[1]
    layer = f"{network.output['features'].shape[-1]} features before the classifier"
    description = f"{weights}; {layer}; {size}x{size} px, {_RESIZE}"
    digest = hashlib.sha256(description.encode())
    for value in network.get_weights():
        digest.update(f"{value.shape}{value.dtype}".encode())
        digest.update(np.ascontiguousarray(value).data)
    return Extractor(name, description, digest.hexdigest(), network)


def _check(images: Images) -> int:
    """Returns the number of images, after a check of shape and type."""
    shape, kind = tuple(images.shape), _dtype(images).name
    if len(shape) != 4 or shape[0] < 1 or shape[3] not in (1, 3) or "float" not in kind:
        raise UsageError(
            "Images must be float [N, H, W, C] in [-1, 1], with 1 or 3 "
            f"channels, and at least one image. Received: {kind} {shape}"
        )
    return shape[0]


def _dtype(images: Images) -> np.dtype:
    return np.dtype(getattr(images.dtype, "as_numpy_dtype", images.dtype))


def _in_range(images: Images) -> Images:
    """Returns images if no value is far from [-1, 1]."""
    low, high = float(np.min(images)), float(np.max(images))
    # Neither holds for NaN, which is refused elsewhere.
    if low < -_FURTHEST or high > _FURTHEST:
        raise UsageError(
            "Images must be in [-1, 1]. Received: values from "
            f"{low:g} to {high:g}. Convert bytes with images / 127.5 - 1; clip what a "
            "generator outputs beyond that range."
        )
    return images


def _pixels(images: Images, rounded: bool) -> np.ndarray:
    """Maps [-1, 1] to 0..255, float32, as `rounded` to whole levels."""
    pixels = np.asarray(images).astype(np.float32) * 127.5 + 127.5
    if not np.isfinite(pixels).all():
        raise UsageError(
            "Images must be finite. Received: NaN or infinite values; "
            "has the generator diverged?"
        )
    pixels = np.clip(pixels, 0.0, 255.0)
    return np.round(pixels) if rounded else pixels


def _stage_distance(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    difference = _unit(a) - _unit(b)
    return tf.reduce_mean(tf.reduce_sum(tf.square(difference), axis=3), axis=(1, 2))


def _unit(x: tf.Tensor) -> tf.Tensor:
    """Scales the channels at each place to length 1."""
    # If all channels are 0, the norm has no gradient and the quotient no value.
    return x / (tf.norm(x, axis=3, keepdims=True) + 1e-10)
