"""Data sets that are folders of image files."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import tensorflow as tf

from tfgan_models.data import images
from tfgan_models.data.source import (
    ImageSource,
    LabelledSource,
    LabelledSplits,
    PairedSplits,
    PairSource,
    UnpairedSplits,
)
from tfgan_models.folders import contents, layouts
from tfgan_models.folders.contents import STAND_IN_TEST_IMAGES, Contents, Split

Source = TypeVar("Source", ImageSource, PairSource)


def image_source(folder: Path, limit: int | None = None) -> ImageSource:
    """Makes a source of the readable images of a folder.

    Args:
        folder: The folder of the images; its sub-folders are included.
        limit: Maximum number of images, the first ones by path.

    Returns:
        The source, in the order of the sorted paths.

    Raises:
        UsageError: There is no readable image.
    """
    return _source(folder, contents.read_images(folder).paths[:limit])


def unpaired(path: Path) -> UnpairedSplits:
    """Reads the splits of an unpaired data set from a folder.

    Args:
        path: See `layouts.unpaired`. Training images are used if test images are
            missing (see `STAND_IN_TEST_IMAGES`).

    Returns:
        The four splits.

    Raises:
        UsageError: See `layouts.unpaired`.
    """
    found = layouts.unpaired(path)
    train_a, train_b = map(_images, found.train)
    test_a, test_b = (
        _images(split) if split else first(own, STAND_IN_TEST_IMAGES)
        for split, own in zip(found.test, (train_a, train_b), strict=True)
    )
    return UnpairedSplits(train_a, train_b, test_a, test_b, contents=found)


def first(source: Source, count: int) -> Source:
    """Takes the first images, or pairs, of a source.

    Args:
        source: What to choose from.
        count: How many to take at most.

    Returns:
        A source of the first `count`, or of all if there are fewer.
    """
    length = min(count, source.length)

    def records() -> tf.data.Dataset:
        return source.records().take(length)

    name = f"{source.name} [:{length}]"
    return dataclasses.replace(source, name=name, length=length, records=records)


def paired(path: Path) -> PairedSplits:
    """Reads the splits of a paired data set from a folder.

    Args:
        path: See `layouts.paired`. Training pairs are used if test pairs are missing
            (see `STAND_IN_TEST_IMAGES`).

    Returns:
        Both splits.

    Raises:
        UsageError: See `layouts.paired`.
    """
    found = layouts.paired(path)
    train, test = _pairs(found.train[0]), found.test[0]
    return PairedSplits(
        train,
        _pairs(test) if test else first(train, STAND_IN_TEST_IMAGES),
        contents=found,
    )


def labelled(found: Contents) -> LabelledSplits:
    """Returns the splits of a data set of single images in a folder.

    Args:
        found: The folder's contents, from `layouts.labelled` or `layouts.captioned`.
            Training images are used if test images are missing (see
            `STAND_IN_TEST_IMAGES`).
    """
    train, test = _labelled(found.train[0]), found.test[0]
    return LabelledSplits(
        train,
        _labelled(test) if test else first_labelled(train, STAND_IN_TEST_IMAGES),
        contents=found,
    )


def first_labelled(source: LabelledSource, count: int) -> LabelledSource:
    """Takes the first images of a source and their labels.

    Args:
        source: What to choose from.
        count: How many to take at most.

    Returns:
        A source of the first `count`, or of all if there are fewer.
    """
    return dataclasses.replace(
        source, images=first(source.images, count), labels=source.labels[:count]
    )


def _labelled(split: Split) -> LabelledSource:
    labels = np.array(split.labels, np.int32)
    return LabelledSource(_images(split), labels, split.classes)


def _images(split: Split) -> ImageSource:
    return _source(split.images.folder, split.images.paths)


def _source(folder: Path, paths: Sequence[Path]) -> ImageSource:
    # Names need not be UTF-8.
    names = [os.fsencode(path) for path in paths]

    def records() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(names)

    return ImageSource(contents.shown(folder), len(names), records, images.decode_path)


def _pairs(split: Split) -> PairSource:
    if split.targets:
        return _matched(split.images, split.targets)
    return _side_by_side(_images(split))


def _matched(inputs: contents.Images, targets: contents.Images) -> PairSource:
    """Makes a source of the files at the same indices."""
    names = [
        [os.fsencode(first), os.fsencode(second)]
        for first, second in zip(inputs.paths, targets.paths, strict=True)
    ]

    def records() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(names)

    def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return images.decode_path(record[0]), images.decode_path(record[1])

    name = f"{inputs.folder} and {targets.folder}"
    return PairSource(contents.shown(name), len(names), records, decode)


def _side_by_side(both: ImageSource) -> PairSource:
    """Makes a source of the left and right halves of images."""

    def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = both.decode(record)
        half = tf.shape(image)[1] // 2
        return image[:, :half], image[:, half:]

    return PairSource(both.name, both.length, both.records, decode)
