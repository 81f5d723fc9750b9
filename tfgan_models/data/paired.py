"""The input pipeline of paired translation, as in pix2pix (arXiv:1611.07004).

It is stateless: the batch at a position follows from the seed and the position alone,
so training resumed at step k continues with the same batches.
"""

from typing import Unpack

import tensorflow as tf

from tfgan_models.data import pipeline
from tfgan_models.data.pipeline import MEMORY_LIMIT, Share
from tfgan_models.data.source import PairedSplits, PairSource


def steps_per_epoch(splits: PairedSplits, batch_size: int) -> int:
    """Counts the full batches in one pass over the training pairs.

    Args:
        splits: The data set.
        batch_size: Pairs in a global batch.

    Returns:
        The number of steps, at least 1.

    Raises:
        UsageError: The batch size is below 1.
    """
    pipeline.check_batch_size(batch_size)
    return max(1, splits.train.length // batch_size)


def train_batches(
    splits: PairedSplits,
    *,
    image_size: int,
    start_step: int = 0,
    **share: Unpack[Share],
) -> tf.data.Dataset:
    """Makes the endless stream of training batches.

    The pairs are reshuffled in every pass. Both images of a pair are resized to
    286/256 of `image_size`, cropped at the same random place and flipped, with
    probability 0.5, together.

    The images are read here, before the first batch, if they fit in `MEMORY_LIMIT`.

    Args:
        splits: The data set.
        image_size: Height and width S of the batches.
        start_step: The step of the first batch. Starting late costs nothing.
        **share: See `pipeline.Share`.

    Returns:
        A data set of dicts with `real_a`, the inputs, and `real_b`, float32
        [-1, 1]. It is not to be sharded again.

    Raises:
        UsageError: A size is too small, or the batch cannot be shared evenly.
    """
    pipeline.check_image_size(image_size)
    pipeline.check_share(share)
    source = splits.train
    load_size = pipeline.load_size(image_size)

    def load(record: tf.Tensor) -> tf.Tensor:
        # One image of 6 channels: the target is transformed like the input.
        return tf.concat(_resized(source, record, load_size), axis=-1)

    in_memory = load_size * load_size * 6 * source.length <= MEMORY_LIMIT
    images = pipeline.training_images(
        pipeline.lookup(source.records(), source.length, load, in_memory),
        source.length,
        image_size=image_size,
        domain=0,
        start_step=start_step,
        **share,
    )
    return pipeline.endless_batches(images.map(_split), **share)


def test_batches(
    source: PairSource,
    *,
    image_size: int,
    batch_size: int,
    limit: int | None = None,
) -> tf.data.Dataset:
    """Makes one pass over test pairs in their order, without augmentation.

    Args:
        source: The pairs.
        image_size: Height and width S to resize to.
        batch_size: Pairs in a batch; the last one may be smaller.
        limit: Take only this many pairs, the first ones.

    Returns:
        A data set of dicts with `real_a`, the inputs, and `real_b`, float32
        [-1, 1].

    Raises:
        UsageError: A size is too small.
    """
    pipeline.check_image_size(image_size)
    pipeline.check_batch_size(batch_size)

    def prepare(record: tf.Tensor) -> dict[str, tf.Tensor]:
        image, target = _resized(source, record, image_size)
        return {"real_a": pipeline.to_float(image), "real_b": pipeline.to_float(target)}

    records = source.records() if limit is None else source.records().take(limit)
    pairs = records.map(prepare, tf.data.AUTOTUNE, deterministic=True)
    return pipeline.finish(pairs.batch(batch_size))


# pytest would otherwise collect it wherever a test module imports it by name.
test_batches.__test__ = False  # type: ignore[attr-defined]


def _resized(
    source: PairSource, record: tf.Tensor, size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a pair and resizes it, uint8 [size, size, 3] each."""
    image, target = source.decode(record)
    return pipeline.resize(image, size), pipeline.resize(target, size)


def _split(both: tf.Tensor) -> dict[str, tf.Tensor]:
    """Splits input and target from the 6 channels."""
    return {"real_a": both[..., :3], "real_b": both[..., 3:]}
