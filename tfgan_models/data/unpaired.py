"""The input pipeline of unpaired translation, as in CycleGAN (arXiv:1703.10593).

Nothing in it has a state: the batch at a position follows from the seed and the
position alone, so that training resumed at step k sees what it would have seen.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfgan_models.data.source import ImageSource, UnpairedSplits
from tfgan_models.errors import UsageError

MEMORY_LIMIT = 2 * 2**30
"""Bytes of decoded and resized training images, of both domains together, up to which
they are kept in memory. Above it only their files' names or contents are, and each
image is decoded again whenever it is used."""

_LOAD_RATIO = 286 / 256
_SMALLEST = 8
_ORDER, _AUGMENT = 0, 1


def steps_per_epoch(splits: UnpairedSplits, batch_size: int) -> int:
    """Counts the full batches in one pass over the larger of the training sets.

    Args:
        splits: The data set.
        batch_size: Images of each domain in a global batch.

    Returns:
        The number of steps, at least 1.

    Raises:
        UsageError: The batch size is below 1.
    """
    _check_batch_size(batch_size)
    longer = max(splits.train_a.length, splits.train_b.length)
    return max(1, longer // batch_size)


def train_batches(
    splits: UnpairedSplits,
    *,
    image_size: int,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    worker: int = 0,
    workers: int = 1,
) -> tf.data.Dataset:
    """Makes the endless stream of training batches.

    Each domain is shuffled anew whenever it has been used up, on its own: the two
    are not aligned, and the shorter one repeats. Images are resized to 286/256 of
    `image_size`, cropped at random and flipped with probability 0.5.

    The images are read here, before the first batch, if they fit in `MEMORY_LIMIT`.

    Args:
        splits: The data set.
        image_size: Height and width S of the batches.
        batch_size: Images of each domain in a global batch, of all workers together.
        seed: Decides the order, the crops and the flips.
        start_step: The step of the first batch. It costs nothing to start late.
        worker: Which worker this is, from 0.
        workers: How many workers share a global batch; each gets its own
            `batch_size / workers` images B of it, which lie side by side.

    Returns:
        A data set of dicts with `real_a` and `real_b`, float32 [B, S, S, 3] in
        [-1, 1]. It is not to be sharded again.

    Raises:
        UsageError: A size is too small, or the batch cannot be shared evenly.
    """
    _check_image_size(image_size)
    _check_batch_size(batch_size)
    if batch_size % workers:
        raise UsageError(
            f"batch_size={batch_size} cannot be shared by {workers} workers. It must "
            f"be a multiple of {workers}."
        )
    local = batch_size // workers
    load_size = round(image_size * _LOAD_RATIO)
    sources = (splits.train_a, splits.train_b)
    pixels = load_size * load_size * 3 * sum(source.length for source in sources)
    domains = [
        _training_images(
            _lookup(source, load_size, in_memory=pixels <= MEMORY_LIMIT),
            _positions(source.length, seed, domain, start_step * batch_size)
            .batch(batch_size, drop_remainder=True)
            .map(functools.partial(_share, start=worker * local, size=local))
            .unbatch(),
            image_size,
            _key(seed, domain, _AUGMENT),
        )
        for domain, source in enumerate(sources)
    ]
    images = tf.data.Dataset.zip({"real_a": domains[0], "real_b": domains[1]})
    batches = images.batch(local, drop_remainder=True)
    # flat_map and unbatch hide from tf.data that there is no end.
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return _finish(batches.apply(endless))


def test_batches(
    source: ImageSource,
    *,
    image_size: int,
    batch_size: int,
    limit: int | None = None,
) -> tf.data.Dataset:
    """Makes one pass over test images in their order, without augmentation.

    Args:
        source: The images.
        image_size: Height and width S to resize to.
        batch_size: Images in a batch; the last one may be smaller.
        limit: Take only this many images, the first ones.

    Returns:
        A data set of float32 [B, S, S, 3] in [-1, 1].

    Raises:
        UsageError: A size is too small.
    """
    _check_image_size(image_size)
    _check_batch_size(batch_size)

    def prepare(image: tf.Tensor) -> tf.Tensor:
        return _to_float(resize(image, image_size))

    images = source.images() if limit is None else source.images().take(limit)
    images = images.map(prepare, tf.data.AUTOTUNE, deterministic=True)
    return _finish(images.batch(batch_size))


def resize(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes with the antialiased bicubic filter, to whole values as Pillow does.

    Args:
        image: uint8 [H, W, 3].
        size: The new height and width; the aspect ratio is not kept.

    Returns:
        uint8 [size, size, 3].
    """
    resized = tf.image.resize(image, [size, size], "bicubic", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)


# pytest would otherwise collect it wherever a test module imports it by name.
test_batches.__test__ = False


def _check_image_size(image_size: int) -> None:
    if image_size < _SMALLEST:
        raise UsageError(
            f"image_size={image_size} is too small. It must be at least {_SMALLEST}."
        )


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise UsageError(
            f"batch_size={batch_size} is too small. It must be at least 1."
        )


def _key(seed: int, domain: int, use: int) -> np.ndarray:
    """Mixes a key of its own for each use of the seed, int32 [2]."""
    entropy = [seed % 2**64, domain, use]
    return np.random.SeedSequence(entropy).generate_state(2).view(np.int32)


def _positions(length: int, seed: int, domain: int, start: int) -> tf.data.Dataset:
    """Gives (position, index of the image there) from position `start` on."""
    key = _key(seed, domain, _ORDER)

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


def _share(
    positions: tf.Tensor, indices: tf.Tensor, start: int, size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts one worker's part out of a global batch."""
    return positions[start : start + size], indices[start : start + size]


def _lookup(
    source: ImageSource, size: int, in_memory: bool
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the function that turns an index into an image, uint8 [size, size, 3]."""

    def load(record: tf.Tensor) -> tf.Tensor:
        return resize(source.decode(record), size)

    records = source.records()
    if in_memory:
        records = records.map(load, tf.data.AUTOTUNE, deterministic=True)
    # Gathered on the host: tf.data runs there, and a GPU has no memory to spare.
    with tf.device("/CPU:0"):
        table = records.batch(source.length).get_single_element()

    def look_up(index: tf.Tensor) -> tf.Tensor:
        return table[index] if in_memory else load(table[index])

    return look_up


def _training_images(
    look_up: Callable[[tf.Tensor], tf.Tensor],
    positions: tf.data.Dataset,
    size: int,
    key: np.ndarray,
) -> tf.data.Dataset:
    def prepare(position: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        image = look_up(index)
        return _to_float(_crop_and_flip(image, size, tf.random.fold_in(key, position)))

    return positions.map(prepare, tf.data.AUTOTUNE, deterministic=True)


def _crop_and_flip(image: tf.Tensor, size: int, key: tf.Tensor) -> tf.Tensor:
    places = image.shape[0] - size + 1
    draws = tf.random.stateless_uniform([3], key)
    top, left = tf.unstack(tf.cast(draws[:2] * places, tf.int32))
    crop = tf.slice(image, [top, left, 0], [size, size, 3])
    return tf.where(draws[2] < 0.5, tf.reverse(crop, [1]), crop)


def _to_float(image: tf.Tensor) -> tf.Tensor:
    return tf.cast(image, tf.float32) / 127.5 - 1.0


def _finish(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # The workers' shares are cut above; sharding once more would drop images.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    # Rewriting the graph would copy the images in memory: seconds and gigabytes.
    options.experimental_optimization.apply_default_optimizations = False
    return batches.with_options(options).prefetch(tf.data.AUTOTUNE)
