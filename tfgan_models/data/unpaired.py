"""The input pipeline of unpaired translation, as in CycleGAN (arXiv:1703.10593).

It is stateless: the batch at a position follows from the seed and the position alone,
so training resumed at step k continues with the same batches.
"""

from collections.abc import Callable
from typing import Unpack

import tensorflow as tf

from tfgan_models.data import pipeline
from tfgan_models.data.pipeline import MEMORY_LIMIT, Share, resize
from tfgan_models.data.source import ImageSource, UnpairedSplits


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
    pipeline.check_batch_size(batch_size)
    longer = max(splits.train_a.length, splits.train_b.length)
    return max(1, longer // batch_size)


def train_batches(
    splits: UnpairedSplits,
    *,
    image_size: int,
    start_step: int = 0,
    **share: Unpack[Share],
) -> tf.data.Dataset:
    """Makes the endless stream of training batches.

    Each domain is reshuffled independently whenever it is exhausted: the two
    are not aligned, and the shorter one repeats. Images are resized to 286/256 of
    `image_size`, cropped at random and flipped with probability 0.5.

    The images are read here, before the first batch, if they fit in `MEMORY_LIMIT`.

    Args:
        splits: The data set.
        image_size: Height and width S of the batches.
        start_step: The step of the first batch. Starting late costs nothing.
        **share: See `pipeline.Share`.

    Returns:
        A data set of dicts with `real_a` and `real_b`, float32 [B, S, S, 3] in
        [-1, 1]. It is not to be sharded again.

    Raises:
        UsageError: A size is too small, or the batch cannot be shared evenly.
    """
    pipeline.check_image_size(image_size)
    pipeline.check_share(share)
    load_size = pipeline.load_size(image_size)
    sources = (splits.train_a, splits.train_b)
    pixels = load_size * load_size * 3 * sum(source.length for source in sources)
    domains = [
        pipeline.training_images(
            _lookup(source, load_size, in_memory=pixels <= MEMORY_LIMIT),
            source.length,
            image_size=image_size,
            domain=domain,
            start_step=start_step,
            **share,
        )
        for domain, source in enumerate(sources)
    ]
    images = tf.data.Dataset.zip({"real_a": domains[0], "real_b": domains[1]})
    return pipeline.endless_batches(images, **share)


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
    pipeline.check_image_size(image_size)
    pipeline.check_batch_size(batch_size)

    def prepare(image: tf.Tensor) -> tf.Tensor:
        return pipeline.to_float(resize(image, image_size))

    images = source.images() if limit is None else source.images().take(limit)
    images = images.map(prepare, tf.data.AUTOTUNE, deterministic=True)
    return pipeline.finish(images.batch(batch_size))


# pytest would otherwise collect it wherever a test module imports it by name.
test_batches.__test__ = False  # type: ignore[attr-defined]


def _lookup(
    source: ImageSource, size: int, in_memory: bool
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the function that turns an index into an image, uint8 [size, size, 3]."""

    def load(record: tf.Tensor) -> tf.Tensor:
        return resize(source.decode(record), size)

    return pipeline.lookup(source.records(), source.length, load, in_memory)
