"""What the training pipelines share: order, sharding among workers, augmentation.

It is stateless: the batch at a position follows from the seed and the position alone,
so training resumed at step k continues with the same batches.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NotRequired, TypedDict, Unpack

import numpy as np
import tensorflow as tf

from tfgan_models.errors import UsageError

MEMORY_LIMIT = 2 * 2**30
"""Size in bytes up to which all decoded and resized training images of a data set are
kept in memory. Above it, only their file names or contents are, and each image is
decoded whenever it is used."""

_LOAD_RATIO = 286 / 256
_SMALLEST = 8
_ORDER, _AUGMENT = 0, 1


class Share(TypedDict):
    """This worker's part of the endless stream of training batches.

    Attributes:
        batch_size: Images (pairs, crops) in a global batch, of all workers together.
        seed: For the order and the augmentation.
        worker: Which worker this is, from 0; 0 if omitted.
        workers: How many share a global batch, 1 if omitted; each gets its own
            `batch_size / workers` images B of it, which are consecutive.
    """

    batch_size: int
    seed: int
    worker: NotRequired[int]
    workers: NotRequired[int]


def check_image_size(image_size: int) -> None:
    """Raises UsageError for an image size that is too small."""
    if image_size < _SMALLEST:
        raise UsageError(
            f"image_size={image_size} is too small. It must be at least {_SMALLEST}."
        )


def check_batch_size(batch_size: int) -> None:
    """Raises UsageError for a batch that is empty."""
    if batch_size < 1:
        raise UsageError(
            f"batch_size={batch_size} is too small. It must be at least 1."
        )


def check_share(share: Share) -> None:
    """Raises UsageError for a batch that is empty or cannot be shared evenly."""
    batch_size, workers = share["batch_size"], share.get("workers", 1)
    check_batch_size(batch_size)
    if batch_size % workers:
        raise UsageError(
            f"batch_size={batch_size} cannot be shared by {workers} workers. It must "
            f"be a multiple of {workers}."
        )


def load_size(image_size: int) -> int:
    """Returns the size from which `image_size` is cropped: 286/256 of it."""
    return round(image_size * _LOAD_RATIO)


def resize(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes with the antialiased bicubic filter, rounding like Pillow.

    Args:
        image: uint8 [H, W, 3].
        size: The new height and width; the aspect ratio is not kept.

    Returns:
        uint8 [size, size, 3].
    """
    return resize_to(image, [size, size])


def resize_to(image: tf.Tensor, size: tf.Tensor | Sequence[int]) -> tf.Tensor:
    """Resizes as `resize` does, to `size`: a height and a width."""
    resized = tf.image.resize(image, size, "bicubic", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)


def central_square(image: tf.Tensor) -> tf.Tensor:
    """Crops an image [H, W, C] to its largest centre square."""
    height, width = tf.unstack(tf.shape(image)[:2])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def to_float(image: tf.Tensor) -> tf.Tensor:
    """Maps uint8 0..255 to float32 [-1, 1]."""
    return tf.cast(image, tf.float32) / 127.5 - 1.0


def lookup(
    records: tf.data.Dataset,
    length: int,
    load: Callable[[tf.Tensor], tf.Tensor],
    in_memory: bool,
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the function that turns an index into an image, uint8 [S, S, C].

    Args:
        records: `length` small tensors of one shape, such as files' names.
        length: Number of records.
        load: Turns one record into an image.
        in_memory: Whether to load all images immediately.
    """
    if in_memory:
        records = records.map(load, tf.data.AUTOTUNE, deterministic=True)
    # Gathered on the host: tf.data runs there, and a GPU has no memory to spare.
    with tf.device("/CPU:0"):
        table = records.batch(length).get_single_element()

    def look_up(index: tf.Tensor) -> tf.Tensor:
        return table[index] if in_memory else load(table[index])

    return look_up


def training_images(
    look_up: Callable[[tf.Tensor], tf.Tensor],
    length: int,
    *,
    image_size: int,
    domain: int,
    start_step: int,
    **share: Unpack[Share],
) -> tf.data.Dataset:
    """Makes the endless stream of one domain's shuffled and augmented images.

    Args:
        look_up: Turns an index below `length` into an image, uint8 [L, L, C].
        length: Number of images; each pass is in a new order.
        image_size: Height and width S of the crops.
        domain: Distinguishes domains that are shuffled and augmented independently.
        start_step: The step of the first batch.
        **share: See `Share`.

    Returns:
        A data set of float32 [S, S, C] in [-1, 1]; `batch_size / workers` of them in
        a row are this worker's share of a global batch.
    """
    augment = augmentation_key(share["seed"], domain)

    def prepare(position: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        key = tf.random.fold_in(augment, position)
        return to_float(_crop_and_flip(look_up(index), image_size, key))

    start = start_step * share["batch_size"]
    places = positions(length, domain, start, **share)
    return places.map(prepare, tf.data.AUTOTUNE, deterministic=True)


def positions(
    length: int, domain: int, start: int, **share: Unpack[Share]
) -> tf.data.Dataset:
    """Makes the endless stream of the image index at each position.

    Args:
        length: Number of images; each pass is in a new order.
        domain: Distinguishes domains that are shuffled independently.
        start: The position of the first batch's first image.
        **share: See `Share`.

    Returns:
        A data set of (position, index below `length`), both int64;
        `batch_size / workers` of them in a row are this worker's share of a global
        batch.
    """
    size = _size(share)
    return (
        _positions(length, _key(share["seed"], domain, _ORDER), start)
        .batch(share["batch_size"], drop_remainder=True)
        .map(functools.partial(_cut, start=share.get("worker", 0) * size, size=size))
        .unbatch()
    )


def augmentation_key(seed: int, domain: int) -> np.ndarray:
    """Returns the key to fold positions into for augmentation, int32 [2]."""
    return _key(seed, domain, _AUGMENT)


def endless_batches(images: tf.data.Dataset, **share: Unpack[Share]) -> tf.data.Dataset:
    """Batches an endless stream of this worker's images."""
    # flat_map and unbatch hide from tf.data that the stream is endless.
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    batches = images.batch(_size(share), drop_remainder=True)
    return finish(batches.apply(endless))


def finish(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Sets the options of a pipeline and prefetches."""
    options = tf.data.Options()
    options.deterministic = True
    # The workers' shares are taken already; sharding again would drop images.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    # Rewriting the graph would copy the images in memory: seconds and gigabytes.
    options.experimental_optimization.apply_default_optimizations = False
    return batches.with_options(options).prefetch(tf.data.AUTOTUNE)


def _key(seed: int, domain: int, use: int) -> np.ndarray:
    """Derives a separate key for each use of the seed, int32 [2]."""
    entropy = [seed % 2**64, domain, use]
    return np.random.SeedSequence(entropy).generate_state(2).view(np.int32)


def _positions(length: int, key: np.ndarray, start: int) -> tf.data.Dataset:
    """Yields (position, index of the image there) from position `start` on."""

    def epoch_order(epoch: tf.Tensor) -> tf.data.Dataset:
        # index_shuffle would need no memory, but with few images it is far from
        # uniform: of the 120 orders of 5 it never gives 15.
        order = tf.random.experimental.stateless_shuffle(
            tf.range(length, dtype=tf.int64), tf.random.fold_in(key, epoch)
        )
        return tf.data.Dataset.from_tensor_slices(order)

    epoch, place = divmod(start, length)
    indices = tf.data.Dataset.counter(epoch).flat_map(epoch_order).skip(place)
    return tf.data.Dataset.zip(tf.data.Dataset.counter(start), indices)


def _size(share: Share) -> int:
    """This worker's images of a batch."""
    return share["batch_size"] // share.get("workers", 1)


def _cut(
    positions: tf.Tensor, indices: tf.Tensor, start: int, size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes one worker's part of a global batch."""
    return positions[start : start + size], indices[start : start + size]


def _crop_and_flip(image: tf.Tensor, size: int, key: tf.Tensor) -> tf.Tensor:
    places = image.shape[0] - size + 1
    draws = tf.random.stateless_uniform([3], key)
    top, left = tf.unstack(tf.cast(draws[:2] * places, tf.int32))
    crop = tf.slice(image, [top, left, 0], [size, size, -1])
    return tf.where(draws[2] < 0.5, tf.reverse(crop, [1]), crop)
