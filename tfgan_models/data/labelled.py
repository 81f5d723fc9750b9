"""The input pipeline of GANs with latents (arXiv:1406.2661 and on).

It is stateless: the image at a position follows from the seed and the position alone,
so training resumed after n images continues with the same images, whatever the batch
sizes were.
"""

import dataclasses
from typing import Unpack

import tensorflow as tf

from tfgan_models.data import pipeline, unpaired
from tfgan_models.data.pipeline import MEMORY_LIMIT, Share
from tfgan_models.data.source import ImageSource, LabelledSource
from tfgan_models.errors import UsageError


def check_length(source: LabelledSource, batch_size: int) -> None:
    """Raises UsageError for a data set of fewer images than a batch."""
    if source.images.length < batch_size:
        raise UsageError(
            f"{source.images.name} has fewer images ({source.images.length}) than a "
            f"batch: batch_size={batch_size}. It must be at most "
            f"{source.images.length}. Lower it, or add images."
        )


def train_batches(
    source: LabelledSource,
    *,
    image_size: int,
    resolution: int,
    start_image: int = 0,
    mirror: bool = True,
    grey: bool = False,
    **share: Unpack[Share],
) -> tf.data.Dataset:
    """Makes the endless stream of training batches.

    The images are reshuffled in every pass. They are centre-cropped to a
    square, resized to `image_size`, flipped, and reduced to `resolution` by the mean
    over blocks of pixels: halved again and again with a 2x2 box filter. Phases of a
    run, of any resolutions and batch sizes, go through the images in one order
    if each starts where the previous one ended.

    The images are read here, before the first batch, if they fit in `MEMORY_LIMIT`.

    Args:
        source: The images and their labels.
        image_size: Height and width that the training ends with.
        resolution: Height and width R of the batches.
        start_image: Number of images before the first batch. Starting late costs
            nothing.
        mirror: Whether to mirror left and right with probability 0.5.
        grey: Whether to return only the luminance: C is 1 instead of 3.
        **share: See `pipeline.Share`.

    Returns:
        A data set of dicts with `real`, float32 [B, R, R, C] in [-1, 1], and `label`,
        int32 [B]. It is not to be sharded again.

    Raises:
        UsageError: A size is too small, or the batch cannot be shared evenly.
        ValueError: `image_size` is not `resolution` times a power of two.
    """
    pipeline.check_image_size(image_size)
    pipeline.check_share(share)
    _check_resolution(resolution, image_size)
    squares = _squares(source.images)

    def load(record: tf.Tensor) -> tf.Tensor:
        return pipeline.resize(squares.decode(record), image_size)

    length = squares.length
    in_memory = image_size * image_size * 3 * length <= MEMORY_LIMIT
    look_up = pipeline.lookup(squares.records(), length, load, in_memory)
    augment = pipeline.augmentation_key(share["seed"], domain=0)

    def prepare(position: tf.Tensor, index: tf.Tensor) -> dict[str, tf.Tensor]:
        image = pipeline.to_float(_block_mean(look_up(index), resolution))
        if grey:
            image = _luminance(image)
        if mirror:
            draw = tf.random.stateless_uniform([], tf.random.fold_in(augment, position))
            image = tf.where(draw < 0.5, tf.reverse(image, [1]), image)
        return {"real": image, "label": tf.gather(source.labels, index)}

    positions = pipeline.positions(length, 0, start_image, **share)
    images = positions.map(prepare, tf.data.AUTOTUNE, deterministic=True)
    return pipeline.endless_batches(images, **share)


def test_batches(
    source: LabelledSource,
    *,
    image_size: int,
    batch_size: int,
    limit: int | None = None,
    grey: bool = False,
) -> tf.data.Dataset:
    """Makes one pass over images in their order, without augmentation.

    Args:
        source: The images; also training images, if they are to be evaluated.
        image_size: Height and width S to resize to, after the crop to a square.
        batch_size: Images in a batch; the last one may be smaller.
        limit: Take only this many images, the first ones.
        grey: As for `train_batches`.

    Returns:
        A data set of float32 [B, S, S, C] in [-1, 1].

    Raises:
        UsageError: A size is too small.
    """
    images = unpaired.test_batches(
        _squares(source.images),
        image_size=image_size,
        batch_size=batch_size,
        limit=limit,
    )
    return images.map(_luminance) if grey else images


# pytest would otherwise collect it wherever a test module imports it by name.
test_batches.__test__ = False  # type: ignore[attr-defined]


def _check_resolution(resolution: int, image_size: int) -> None:
    block, rest = divmod(image_size, resolution) if resolution > 0 else (0, 0)
    if rest or block.bit_count() != 1:
        raise ValueError(
            f"resolution={resolution} is not image_size={image_size} halved a number "
            "of times. Give image_size, image_size / 2, image_size / 4, ..."
        )


def _squares(source: ImageSource) -> ImageSource:
    """Returns the same images, centre-cropped to squares."""

    def decode(record: tf.Tensor) -> tf.Tensor:
        return pipeline.central_square(source.decode(record))

    return dataclasses.replace(source, decode=decode)


def _luminance(images: tf.Tensor) -> tf.Tensor:
    """Reduces [..., 3] to [..., 1] by the weights of ITU-R BT.601."""
    # TensorFlow's own sum up to 0.9999: grey images would not stay as they are.
    return tf.tensordot(images, tf.constant([[0.299], [0.587], [0.114]]), 1)


def _block_mean(image: tf.Tensor, size: int) -> tf.Tensor:
    """Reduces uint8 [S, S, 3] to float32 [size, size, 3] by the mean over blocks."""
    block = image.shape[0] // size
    blocks = tf.reshape(image, [size, block, size, block, 3])
    return tf.reduce_mean(tf.cast(blocks, tf.float32), [1, 3])
