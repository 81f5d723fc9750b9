"""Distances between two images, with a gradient."""

from collections.abc import Callable

import keras
import tensorflow as tf

from tfgan_models.errors import UsageError
from tfgan_models.metrics import extractors

Distance = Callable[[tf.Tensor], tf.Tensor]
_SMALLEST = 4


def distance(target: tf.Tensor) -> tuple[Distance, str]:
    """Returns the distance of images from a target, and a description of it.

    Pixels at several sizes and, where the extra "metrics" is installed, features.

    Args:
        target: [1, R, R, C] in [-1, 1], C = 1 or 3.

    Returns:
        A function of images [1, R, R, C] to a number, 0 for the target.
    """
    pixels = pixel_distance(target)
    try:
        network = extractors.extractor("lite0").network
    except UsageError:
        return pixels, "pixels at several sizes"
    features = feature_distance(network, target)

    def both(images: tf.Tensor) -> tf.Tensor:
        return features(images) + pixels(images)

    return both, "features of EfficientNet-Lite0 and pixels at several sizes"


def pixel_distance(target: tf.Tensor) -> Distance:
    """Returns the mean squared difference, summed over the sizes R, R / 2, ... 4."""

    def pixels(images: tf.Tensor) -> tf.Tensor:
        difference = images - target
        total = tf.reduce_mean(tf.square(difference))
        while difference.shape[1] > _SMALLEST:
            difference = tf.nn.avg_pool2d(difference, 2, 2, "VALID")
            total += tf.reduce_mean(tf.square(difference))
        return total

    return pixels


def feature_distance(network: keras.Model, target: tf.Tensor) -> Distance:
    """Returns LPIPS's distance (arXiv:1801.03924) without its learned weights.

    That of `Extractor.distance`, but the target's features are computed once, and
    values beyond [-1, 1] are not clipped: there they would have no gradient.

    Args:
        network: From pixels [N, size, size, 3] in 0..255 to a dictionary with stages.
        target: [1, R, R, C] in [-1, 1].
    """
    size = network.input.shape[1:3]
    stages = [name for name in network.output if name.startswith("stage")]

    def maps(images: tf.Tensor) -> list[tf.Tensor]:
        pixels = tf.image.resize(images, size, "bicubic", antialias=True)
        pixels = tf.broadcast_to(pixels * 127.5 + 127.5, [1, *size, 3])
        outputs = network(pixels, training=False)
        return [_unit(outputs[stage]) for stage in stages]

    wanted = maps(target)

    def features(images: tf.Tensor) -> tf.Tensor:
        squares = [
            tf.reduce_mean(tf.reduce_sum(tf.square(a - b), axis=3))
            for a, b in zip(maps(images), wanted, strict=True)
        ]
        return tf.add_n(squares)

    return features


def _unit(x: tf.Tensor) -> tf.Tensor:
    """Scales the channels at each pixel to length 1, with a finite gradient at 0."""
    return x * tf.math.rsqrt(tf.reduce_sum(tf.square(x), axis=3, keepdims=True) + 1e-10)
