"""Data sets for super-resolution: single images, or pairs of two resolutions."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfgan_models.data import folder, labelled_sources, prepared
from tfgan_models.data.earth import Earth, EarthImages
from tfgan_models.data.source import (
    ImageSource,
    PairSource,
    SuperResSource,
    SuperResSplits,
)
from tfgan_models.data.superres import to_text
from tfgan_models.errors import UsageError
from tfgan_models.folders import layouts
from tfgan_models.folders.contents import STAND_IN_TEST_IMAGES

_EARTH_IMAGES = tuple(f"earth/{c.name}" for c in EarthImages.BUILDER_CONFIGS)

BUNDLED = (*_EARTH_IMAGES, *labelled_sources.EMOJI)
"""Names of the data sets for super-resolution that come with the package."""

TASK = prepared.Task(
    BUNDLED,
    "a TFDS name with the image features lr and hr, such as div2k/bicubic_x4, or with "
    "an image feature image, and a split train; or folder:PATH with images",
    family="div2k",
)


def find(name: str, scale: int, data_dir: str | None = None) -> SuperResSplits:
    """Reads the splits of a TFDS data set, preparing it if necessary.

    Args:
        name: One of `BUNDLED`, or a TFDS name with a split `train` and the image
            features `lr` and `hr`, or `image`, which is then downscaled. If `test` and
            `validation` are missing, training images are used.
        scale: The factor between the two resolutions.
        data_dir: Where prepared data sets are; by default where TFDS puts them.

    Returns:
        Both splits.

    Raises:
        UsageError: TFDS does not know the name, it holds no such images, or its
            images do not match the scale.
        FailureError: It could not be downloaded or prepared.
    """
    found = name
    if name.partition(":")[0] in _EARTH_IMAGES:
        found = f"{EarthImages.name}{name.removeprefix(Earth.name)}"
    builder = prepared.prepared_builder(found, data_dir, TASK)
    features, splits = dict(builder.info.features.items()), builder.info.splits
    if "train" in splits and {"lr", "hr"} <= set(features):
        train_pairs, test_pairs = _splits(
            splits, lambda split: prepared.pair_source(builder, split, ("lr", "hr"))
        )
        return SuperResSplits(of_pairs(train_pairs, scale), of_pairs(test_pairs, scale))
    if "train" in splits and isinstance(features.get("image"), tfds.features.Image):
        train, test = _splits(
            splits, lambda split: prepared.image_source(builder, split)
        )
        return SuperResSplits(of_images(train, scale), of_images(test, scale))
    raise UsageError(
        f"dataset={name} has no image features lr and hr, nor image, or no split "
        f"train. Found: {', '.join(features)}; {', '.join(splits) or 'no split'}. "
        f"Allowed: {', '.join(BUNDLED)}, {TASK.others}."
    )


def of_folder(path: Path, scale: int) -> SuperResSplits:
    """Reads the splits of a folder of images at high resolution.

    Args:
        path: See `layouts.labelled`.
        scale: The factor between the two resolutions.

    Returns:
        Both splits.

    Raises:
        UsageError: See `layouts.labelled` and `of_images`.
    """
    found = layouts.labelled(path)
    splits = folder.labelled(found)
    train = np.array(found.train[0].images.shapes, np.int64)
    test = np.array(found.test[0].images.shapes, np.int64) if found.test[0] else train
    return SuperResSplits(
        of_images(splits.train.images, scale, train),
        of_images(splits.test.images, scale, test[: splits.test.images.length]),
        contents=found,
    )


def of_images(
    source: ImageSource, scale: int, sizes: np.ndarray | None = None
) -> SuperResSource:
    """Makes a source of images whose low resolution is computed.

    Args:
        source: The images at high resolution.
        scale: The factor between the two resolutions.
        sizes: Height and width of each, int64 [N, 2]; without them each image is
            decoded once.

    Returns:
        The source.

    Raises:
        UsageError: The scale is below 2, or an image smaller than it.
    """

    def decode(record: tf.Tensor) -> tuple[None, tf.Tensor]:
        return None, source.decode(record)

    def size(record: tf.Tensor) -> tf.Tensor:
        return tf.shape(source.decode(record), tf.int64)[:2]

    if sizes is None:
        sizes = _gather(source.records().map(size, tf.data.AUTOTUNE), source.length)
    _check_scale(source.name, sizes, scale)
    return SuperResSource(
        source.name, source.length, source.records, decode, scale, sizes
    )


def of_pairs(source: PairSource, scale: int) -> SuperResSource:
    """Makes a source of images that the data set has at both resolutions.

    Args:
        source: Pairs of low and high resolution. Each is decoded once, for its sizes.
        scale: The factor between the two resolutions.

    Returns:
        The source.

    Raises:
        UsageError: The scale is below 2, or the sizes of a pair differ by another
            factor.
    """

    def size(record: tf.Tensor) -> tf.Tensor:
        return tf.stack([tf.shape(x, tf.int64)[:2] for x in source.decode(record)])

    sizes = _gather(source.records().map(size, tf.data.AUTOTUNE), source.length)
    low, high = sizes[:, 0], sizes[:, 1]
    _check_scale(source.name, high, scale)
    wrong = np.flatnonzero((low * scale != high).any(axis=1))
    if wrong.size:
        place = wrong[0]
        raise UsageError(
            f"{source.name} has pairs of different sizes: image {place} is "
            f"{to_text(low[place])} px at low and {to_text(high[place])} px at high "
            f"resolution. With scale={scale} they must be 1 to {scale}. Give the scale "
            "that the data set was made for, or another data set."
        )
    return SuperResSource(
        source.name, source.length, source.records, source.decode, scale, high
    )


def _splits(
    names: Iterable[str], make: Callable[[str], folder.Source]
) -> tuple[folder.Source, folder.Source]:
    """The training source, and that of the test images or their substitute."""
    train = make("train")
    test = next((name for name in ("test", "validation") if name in names), None)
    return train, (make(test) if test else folder.first(train, STAND_IN_TEST_IMAGES))


def _gather(sizes: tf.data.Dataset, length: int) -> np.ndarray:
    return sizes.batch(length).get_single_element().numpy()


def _check_scale(name: str, sizes: np.ndarray, scale: int) -> None:
    if scale < 2:
        raise UsageError(f"scale={scale} enlarges nothing. It must be 2 or more.")
    if sizes.min() < scale:
        raise UsageError(
            f"{name} has an image of {to_text(sizes[sizes.min(axis=1).argmin()])} px, "
            f"too small for scale={scale}. Remove it."
        )
