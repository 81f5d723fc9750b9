"""The input pipeline of text-to-image GANs (arXiv:1605.05396).

It is stateless: the batch at a position follows from the seed and the position alone,
so training resumed after n images continues with the same batches.
"""

from collections.abc import Callable
from typing import Unpack

import numpy as np
import tensorflow as tf

from tfgan_models import text_matching
from tfgan_models.data import pipeline
from tfgan_models.data.pipeline import MEMORY_LIMIT, Share
from tfgan_models.data.source import CaptionedSource, ImageSource
from tfgan_models.errors import UsageError

MOST_EMBEDDINGS = 4
"""An image with several captions is used with the mean embedding of up to this many,
as in the code of arXiv:1612.03242."""

_LOAD_RATIO = 76 / 64
_REAL, _WRONG, _CAPTION, _PARTNER = range(4)


def make_source(
    images: ImageSource,
    captions: list[tuple[str, ...]],
    names: tuple[str, ...] = (),
    labels: np.ndarray | None = None,
) -> CaptionedSource:
    """Returns a source of images and their captions.

    Args:
        images: The images.
        captions: Of each image; () if it has none.
        names: See `CaptionedSource`.
        labels: The class of each image, int32 [length], if there are classes.
            Otherwise, images with the same captions form a group.
    """
    if labels is None:
        kinds: dict[tuple[str, ...], int] = {}
        # Images without captions yet are groups of their own.
        labels = np.array(
            [
                kinds.setdefault(texts or ("", str(i)), len(kinds))
                for i, texts in enumerate(captions)
            ]
        )
    return CaptionedSource(
        images,
        tuple(text for texts in captions for text in texts),
        np.cumsum([0, *map(len, captions)], dtype=np.int64),
        np.asarray(labels, np.int64),
        names,
    )


def check(source: CaptionedSource, batch_size: int) -> None:
    """Refuses a data set from which batches cannot be made.

    Raises:
        UsageError: It has fewer images than a batch, an image without a caption, or
            images of one group only.
    """
    name, length = source.images.name, source.images.length
    if length < batch_size:
        raise UsageError(
            f"{name} has fewer images ({length}) than a batch: "
            f"batch_size={batch_size}. It must be at most {length}. Lower it, or add "
            "images."
        )
    check_captions(source)
    if len(np.unique(source.groups)) < 2:
        raise UsageError(
            f"{name} has images of one class or caption only. Text-to-image training "
            "needs two or more, to provide mismatching images."
        )


def check_captions(source: CaptionedSource) -> None:
    """Raises UsageError for a data set with an image without a caption."""
    bare = np.flatnonzero(np.diff(source.starts) == 0)
    if len(bare):
        raise UsageError(
            f"{len(bare)} of the {source.images.length} images of "
            f"{source.images.name} have no caption. The first "
            f"is {_shown(source, bare[0])}. Add them, or give --embeddings=FILE."
        )


def load_size(image_size: int) -> int:
    """Returns the size from which `image_size` is cropped: 76/64 of it."""
    return round(image_size * _LOAD_RATIO)


def train_batches(
    source: CaptionedSource,
    *,
    image_size: int,
    length: int | None = None,
    start_image: int = 0,
    mirror: bool = True,
    crop: bool = True,
    **share: Unpack[Share],
) -> tf.data.Dataset:
    """Makes the endless stream of training batches.

    The images are reshuffled in every pass, centre-cropped to squares and
    resized; each is augmented independently, also the wrong ones.

    The images are read here, before the first batch, if they fit in `MEMORY_LIMIT`.

    Args:
        source: The images, their captions and possibly the captions' embeddings.
        image_size: Height and width S of the batches.
        length: Characters L of a caption; None if `source` has embeddings.
        start_image: Number of images before the first batch. Starting late costs
            nothing.
        mirror: Whether to mirror left and right with probability 0.5.
        crop: Whether to crop the images randomly from 76/64 of their size.
        **share: See `pipeline.Share`.

    Returns:
        A data set of dicts with `real` and `wrong`, float32 [B, S, S, 3] in [-1, 1];
        and `caption` of `real`, int32 [B, L] (see `text_matching.characters`), one of
        the image's, or `embedding`, float32 [B, D], the mean of up to
        `MOST_EMBEDDINGS` of the image's. `wrong` is an image of another group. It is
        not to be sharded again.

    Raises:
        UsageError: See `check`; or a size is too small, or the batch cannot be shared
            evenly.
        ValueError: There are neither embeddings nor a `length`.
    """
    pipeline.check_image_size(image_size)
    pipeline.check_share(share)
    check(source, share["batch_size"])
    text = _caption_lookup(source, length)
    side = load_size(image_size) if crop else image_size
    look_up = _image_lookup(source.images, side)
    partner = _partner_lookup(source.groups)
    own = pipeline.augmentation_key(share["seed"], domain=0)

    def prepare(position: tf.Tensor, index: tf.Tensor) -> dict[str, tf.Tensor]:
        key = tf.random.fold_in(own, position)

        def augmented(which: tf.Tensor, use: int) -> tf.Tensor:
            image = look_up(which)
            cut = _cut(image, image_size, mirror, tf.random.fold_in(key, use))
            return pipeline.to_float(cut)

        other = partner(index, tf.random.fold_in(key, _PARTNER))
        images = {"real": augmented(index, _REAL), "wrong": augmented(other, _WRONG)}
        return images | text(index, tf.random.fold_in(key, _CAPTION))

    positions = pipeline.positions(source.images.length, 0, start_image, **share)
    examples = positions.map(prepare, tf.data.AUTOTUNE, deterministic=True)
    return pipeline.endless_batches(examples, **share)


def _image_lookup(source: ImageSource, side: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """The function from an index to an image, uint8 [side, side, 3]."""

    def load(record: tf.Tensor) -> tf.Tensor:
        square = pipeline.central_square(source.decode(record))
        return pipeline.resize(square, side)

    in_memory = side * side * 3 * source.length <= MEMORY_LIMIT
    return pipeline.lookup(source.records(), source.length, load, in_memory)


def _partner_lookup(
    groups: np.ndarray,
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """The function from an index and a key to an image of another group, uniformly."""
    order = np.argsort(groups, kind="stable")
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)[place]
    others = len(groups) - sizes[place]

    def partner(index: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        most = tf.gather(others, index)
        draw = tf.random.stateless_uniform([], key, 0, most, tf.int64)
        # In the order by groups they follow, round the end, on the image's own.
        return tf.gather(order, (tf.gather(ends, index) + draw) % len(groups))

    return partner


def _caption_lookup(
    source: CaptionedSource, length: int | None
) -> Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]:
    """The function from an index and a key to a caption or an embedding, by name."""
    if source.vectors is not None:
        table = source.vectors
    elif length:
        texts = tf.constant(source.captions)
        table = text_matching.characters(texts, length).numpy()
    else:
        raise ValueError(f"Captions need a length. Received: length={length}")

    def of(index: tf.Tensor, key: tf.Tensor) -> dict[str, tf.Tensor]:
        start, end = (
            tf.gather(source.starts, index),
            tf.gather(source.starts, index + 1),
        )
        order = tf.random.experimental.stateless_shuffle(tf.range(start, end), key)
        if source.vectors is None:
            return {"caption": tf.gather(table, order[0])}
        chosen = tf.gather(table, order[:MOST_EMBEDDINGS])
        return {"embedding": tf.reduce_mean(chosen, axis=0)}

    return of


def _cut(image: tf.Tensor, size: int, mirror: bool, key: tf.Tensor) -> tf.Tensor:
    """Takes a random crop of an image, and flips half of them."""
    places = image.shape[0] - size + 1
    draws = tf.random.stateless_uniform([3], key)
    top, left = tf.unstack(tf.cast(draws[:2] * places, tf.int32))
    square = tf.slice(image, [top, left, 0], [size, size, -1])
    if not mirror:
        return square
    return tf.where(draws[2] < 0.5, tf.reverse(square, [1]), square)


def _shown(source: CaptionedSource, index: int) -> str:
    return source.names[index] if source.names else f"number {index}"
