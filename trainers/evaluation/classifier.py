"""A small classifier, to check whether generated images have the class asked for."""

import dataclasses
import math
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from tfgan_models.data import labelled
from tfgan_models.data.source import LabelledSource
from tfgan_models.errors import UsageError
from tfgan_models.tasks.generators import Generator
from tfgan_models.tasks.synthesis import untruncated

LARGEST_SIDE = 32
"""Larger images are halved until they are not larger."""
STEPS = 600
BATCH = 64

_RATE = 2e-3
_SMALLEST = 4
"""Maximum side of the features that are averaged."""


@dataclasses.dataclass(frozen=True)
class Images:
    """Images and their classes, actual or asked for.

    Attributes:
        pixels: float32 [N, S, S, C] in [-1, 1].
        labels: int64 [N].
    """

    pixels: np.ndarray
    labels: np.ndarray


def side_of(generator: Generator) -> int:
    """Returns the side at which the generator's images are classified."""
    side = generator.resolution
    while side > LARGEST_SIDE and side % 2 == 0:
        side //= 2
    return side


def real(source: LabelledSource, generator: Generator) -> Images:
    """Reads the labelled images at the generator's size and number of channels.

    Raises:
        UsageError: There are none.
    """
    batches = labelled.test_batches(
        source,
        image_size=generator.resolution,
        batch_size=BATCH,
        grey=generator.channels == 1,
    )
    side = side_of(generator)
    pixels = np.concatenate([_reduced(batch, side) for batch in batches])
    known = source.labels >= 0
    if not known.any():
        raise UsageError(f"{source.images.name} has no labelled image.")
    return Images(pixels[known], source.labels[known].astype(np.int64))


def generated(generator: Generator, count: int, seed: int) -> Images:
    """Generates images of random classes, all equally likely, without truncation.

    Args:
        generator: Has classes.
        count: Images.
        seed: For the classes and the images' seeds.
    """
    random = np.random.default_rng(seed)
    labels = random.integers(generator.label_size, size=count)
    seeds = random.integers(2**62, size=count)
    side = side_of(generator)
    batches = [
        _reduced(
            untruncated(
                generator,
                tf.constant(seeds[i : i + BATCH]),
                tf.constant(labels[i : i + BATCH]),
            ),
            side,
        )
        for i in range(0, count, BATCH)
    ]
    return Images(np.clip(np.concatenate(batches), -1.0, 1.0), labels)


def _reduced(images: tf.Tensor, side: int) -> np.ndarray:
    """Halves images by averaging 2x2 pixels down to a side."""
    factor = images.shape[1] // side
    return tf.nn.avg_pool2d(images, factor, factor, "VALID").numpy()


def network(side: int, channels: int, classes: int) -> keras.Model:
    """Returns an untrained classifier: convolutions that each halve the image.

    Args:
        side: S of the images.
        channels: C of the images.
        classes: Number of classes.

    Input: images [N, S, S, C]; output: logits [N, classes].
    """
    image = keras.Input((side, side, channels))
    x, width = image, 16
    while True:
        x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
        if x.shape[1] <= _SMALLEST:
            break
        x = keras.layers.MaxPooling2D(padding="same")(x)
        width = min(2 * width, 128)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(image, keras.layers.Dense(classes)(x))


def train(images: Images, classes: int, seed: int, steps: int = STEPS) -> keras.Model:
    """Trains a classifier on images shifted by up to an eighth of their side.

    They are not flipped: flipped digits or letters are not of their class.

    Args:
        images: Images of all classes.
        classes: Number of classes.
        seed: For the weights, the order, the shifts and the dropout.
        steps: Steps of `BATCH` images.

    Returns:
        The trained network.
    """
    keras.utils.set_random_seed(seed)
    side, channels = images.pixels.shape[1], images.pixels.shape[3]
    model = network(side, channels, classes)
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(_RATE, steps), weight_decay=1e-3
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    for pixels, labels in _batches(images, seed, steps):
        model.train_on_batch(pixels, labels)
    return model


def _batches(
    images: Images, seed: int, steps: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields batches of shifted images in random order; edges are repeated."""
    random = np.random.default_rng(seed)
    side = images.pixels.shape[1]
    places = np.arange(side)
    for _ in range(steps):
        chosen = random.integers(len(images.labels), size=BATCH)
        shifts = random.integers(-(side // 8), side // 8 + 1, (2, BATCH, 1))
        rows, columns = np.clip(places + shifts, 0, side - 1)
        shifted = (chosen[:, None, None], rows[:, :, None], columns[:, None, :])
        yield images.pixels[shifted], images.labels[chosen]


def accuracy(model: keras.Model, images: Images) -> float:
    """Returns the share of images classified as their label."""
    found = model.predict(images.pixels, batch_size=BATCH, verbose=0).argmax(axis=1)
    return float((found == images.labels).mean())


def deviation(share: float, count: int) -> float:
    """Returns the standard error of a share of this many images."""
    return math.sqrt(share * (1.0 - share) / count)
