"""The input pipeline of super-resolution, as in SRGAN (arXiv:1609.04802).

It is stateless: the batch at a position follows from the seed and the position alone,
so training resumed at step k continues with the same batches.
"""

from collections.abc import Callable
from typing import Unpack

import numpy as np
import tensorflow as tf

from tfgan_models.data import pipeline
from tfgan_models.data.pipeline import MEMORY_LIMIT, Share
from tfgan_models.data.source import SuperResSource
from tfgan_models.errors import UsageError

_BATCHED_PIXELS = 256 * 256

Look = Callable[[tf.Tensor], tuple[tf.Tensor | None, tf.Tensor]]


def steps_per_epoch(source: SuperResSource, batch_size: int) -> int:
    """Counts the full batches in one pass over the training images, at least 1.

    Raises:
        UsageError: The batch size is below 1.
    """
    pipeline.check_batch_size(batch_size)
    return max(1, source.length // batch_size)


def train_batches(
    source: SuperResSource,
    *,
    image_size: int,
    start_step: int = 0,
    **share: Unpack[Share],
) -> tf.data.Dataset:
    """Makes the endless stream of training batches.

    The images are reshuffled in every pass. A crop is taken at a random place and
    flipped with probability 0.5; if the data set has no low resolution of its own,
    the crop is downscaled with the antialiased bicubic filter and rounded to 8 bits.

    The images are read here, before the first batch, if they fit in `MEMORY_LIMIT`.

    Args:
        source: The images.
        image_size: Height and width S of the crops at high resolution.
        start_step: The step of the first batch. Starting late costs nothing.
        **share: See `pipeline.Share`.

    Returns:
        A data set of dicts with `low`, float32 [B, S / scale, S / scale, 3], and
        `high`, [B, S, S, 3], both in [-1, 1]. It is not to be sharded again.

    Raises:
        UsageError: A size is too small or not a multiple of the scale, an image is
            smaller than the crops, or the batch cannot be shared evenly.
    """
    pipeline.check_share(share)
    check_crop(source, image_size)
    look_up = _lookup(source)
    augment = pipeline.augmentation_key(share["seed"], domain=0)

    def prepare(position: tf.Tensor, index: tf.Tensor) -> dict[str, tf.Tensor]:
        low, high = look_up(index)
        draws = tf.random.stateless_uniform([3], tf.random.fold_in(augment, position))
        low, high = _crop(low, high, image_size, source.scale, draws[:2])
        low, high = (
            tf.where(draws[2] < 0.5, tf.reverse(image, [1]), image)
            for image in (low, high)
        )
        return {"low": pipeline.to_float(low), "high": pipeline.to_float(high)}

    positions = pipeline.positions(
        source.length, 0, start_step * share["batch_size"], **share
    )
    crops = positions.map(prepare, tf.data.AUTOTUNE, deterministic=True)
    return pipeline.endless_batches(crops, **share)


def test_batches(
    source: SuperResSource,
    *,
    batch_size: int,
    limit: int | None = None,
    crop: int | None = None,
) -> tf.data.Dataset:
    """Makes one pass over images in their order, without augmentation.

    Whole images, without the last rows and columns if a side is not a
    multiple of the scale.

    Args:
        source: The images.
        batch_size: Images in a batch; the last one may be smaller. Large images, and
            those of a set with different sizes, come one by one.
        limit: Take only this many images, the first ones.
        crop: Take a centre square of at most this side from each image.

    Returns:
        A data set of dicts with `low`, float32 [B, H / scale, W / scale, 3], and
        `high`, [B, H, W, 3], both in [-1, 1].

    Raises:
        UsageError: The batch size is below 1.
    """
    pipeline.check_batch_size(batch_size)
    sizes = source.sizes // source.scale * source.scale
    if crop is not None:
        side = min(crop // source.scale * source.scale, int(sizes.min()))
        sizes = np.full_like(sizes, side)
    elif len(np.unique(sizes, axis=0)) > 1 or sizes[0].prod() > _BATCHED_PIXELS:
        batch_size = 1

    def prepare(record: tf.Tensor) -> dict[str, tf.Tensor]:
        low, high = source.decode(record)
        if crop is None:
            low, high = _whole(low, high, source.scale)
        else:
            low, high = _crop(low, high, side, source.scale, tf.constant([0.5, 0.5]))
        return {"low": pipeline.to_float(low), "high": pipeline.to_float(high)}

    records = source.records() if limit is None else source.records().take(limit)
    images = records.map(prepare, tf.data.AUTOTUNE, deterministic=True)
    return pipeline.finish(images.batch(batch_size))


# pytest would otherwise collect it wherever a test module imports it by name.
test_batches.__test__ = False  # type: ignore[attr-defined]


def check_crop(source: SuperResSource, image_size: int) -> None:
    """Raises UsageError if crops of `image_size` cannot be taken from the images."""
    pipeline.check_image_size(image_size)
    if image_size % source.scale:
        raise UsageError(
            f"image_size={image_size} is not a multiple of scale={source.scale}: the "
            "low resolution would not be of whole pixels. Give "
            f"{image_size // source.scale * source.scale} or another multiple."
        )
    smallest = source.sizes[source.sizes.min(axis=1).argmin()]
    if smallest.min() < image_size:
        raise UsageError(
            f"{source.name} has images smaller than image_size={image_size}: one is "
            f"{to_text(smallest)} px. Lower image_size to {smallest.min()} or less, or "
            "remove such images."
        )


def enlarge(low: tf.Tensor, scale: int) -> tf.Tensor:
    """Enlarges images [N, h, w, C] with the bicubic filter, clipped to [-1, 1]."""
    size = scale * tf.shape(low)[1:3]
    return tf.clip_by_value(tf.image.resize(low, size, "bicubic"), -1.0, 1.0)


def to_text(size: np.ndarray) -> str:
    """Writes height and width with width first, as is usual."""
    return f"{size[1]} x {size[0]}"


def _lookup(source: SuperResSource) -> Look:
    """Makes the function that turns an index into (low or None, high), uint8."""
    in_memory = 3 * source.sizes.prod(axis=1).sum() <= MEMORY_LIMIT

    def load(record: tf.Tensor) -> tf.Tensor:
        # As strings, images of different sizes fit in one tensor.
        low, high = source.decode(record)
        images = [high] if low is None else [low, high]
        return tf.stack([tf.io.serialize_tensor(image) for image in images])

    def unpack(strings: tf.Tensor) -> tuple[tf.Tensor | None, tf.Tensor]:
        images = [
            tf.ensure_shape(tf.io.parse_tensor(string, tf.uint8), [None, None, 3])
            for string in tf.unstack(strings)
        ]
        return (None, *images) if len(images) == 1 else tuple(images)

    records = source.records()
    if in_memory:
        records = records.map(load, tf.data.AUTOTUNE, deterministic=True)
    # Gathered on the host: tf.data runs there, and a GPU has no strings.
    with tf.device("/CPU:0"):
        table = records.batch(source.length).get_single_element()

    def look_up(index: tf.Tensor) -> tuple[tf.Tensor | None, tf.Tensor]:
        return unpack(table[index]) if in_memory else source.decode(table[index])

    return look_up


def _crop(
    low: tf.Tensor | None,
    high: tf.Tensor,
    size: int,
    scale: int,
    place: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Crops both to the same square, at `place`: [2] from 0 to below 1."""
    # Whole pixels of what the data set has: of both, or only of the high resolution.
    step = 1 if low is None else scale
    places = (tf.shape(high)[:2] - size) // step + 1
    top, left = tf.unstack(tf.cast(place * tf.cast(places, tf.float32), tf.int32))
    cut = tf.slice(high, [step * top, step * left, 0], [size, size, 3])
    side = size // scale
    if low is None:
        return pipeline.resize(cut, side), cut
    return tf.slice(low, [top, left, 0], [side, side, 3]), cut


def _whole(
    low: tf.Tensor | None, high: tf.Tensor, scale: int
) -> tuple[tf.Tensor, tf.Tensor]:
    size = tf.shape(high)[:2] // scale
    high = high[: scale * size[0], : scale * size[1]]
    return (pipeline.resize_to(high, size) if low is None else low), high
