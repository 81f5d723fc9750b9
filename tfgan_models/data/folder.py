"""Data sets that are folders of image files."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import tensorflow as tf
from PIL import Image

from tfgan_models.data import images
from tfgan_models.data.source import (
    ImageSource,
    LabelledSource,
    LabelledSplits,
    PairedSplits,
    PairSource,
    UnpairedSplits,
)
from tfgan_models.errors import UsageError

STAND_IN_TEST_IMAGES = 16
"""Where testA/ or testB/ is missing, this many training images stand in for it: the
first ones by path. They stay in the training split, so they show how training goes
and measure nothing."""

Source = TypeVar("Source", ImageSource, PairSource)

_LAYOUT = "trainA/ trainB/ and, if there are any, testA/ testB/, each with images"
_PAIRED_LAYOUT = (
    "trainA/ trainB/ with images of the same names (testA/ testB/ if there are any), "
    "or train/ with images that show input and target side by side (test/ or val/)"
)
_LABELLED_LAYOUT = "images, or a folder of images for each class, there or in train/"


def image_source(folder: Path, limit: int | None = None) -> ImageSource:
    """Makes a source of the readable images of a folder.

    Args:
        folder: Where the images are; folders below it count too.
        limit: Take only this many, the first ones by path.

    Returns:
        The source, in the order of the sorted paths.

    Raises:
        UsageError: There is no readable image.
    """
    return _source(folder, images.readable_images(folder)[:limit])


def unpaired(path: Path) -> UnpairedSplits:
    """Reads the splits of an unpaired data set from a folder.

    Args:
        path: A folder with trainA/ and trainB/; testA/ and testB/ may be missing
            (see `STAND_IN_TEST_IMAGES`).

    Returns:
        The four splits.

    Raises:
        UsageError: The folder is missing, is laid out in another way, or has a split
            without a readable image.
    """
    _check_folder(path, _LAYOUT)
    if not (path / "trainA").is_dir() or not (path / "trainB").is_dir():
        raise UsageError(
            f"dataset=folder:{path} has no trainA/ and trainB/, which unpaired "
            f"training needs. Found: {_found(path)}. Lay it out as {_LAYOUT}."
        )
    train_a, train_b = image_source(path / "trainA"), image_source(path / "trainB")
    return UnpairedSplits(
        train_a, train_b, _test(path / "testA", train_a), _test(path / "testB", train_b)
    )


def _test(folder: Path, train: ImageSource) -> ImageSource:
    if folder.is_dir():
        return image_source(folder)
    return first(train, STAND_IN_TEST_IMAGES)


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
        path: A folder with trainA/ and trainB/, whose files of the same names, endings
            aside, are pairs; or with train/, whose files show the input in the left
            half and the target in the right one. Tests likewise, in testA/ and testB/
            or in test/ or val/; they may be missing (see `STAND_IN_TEST_IMAGES`).

    Returns:
        Both splits.

    Raises:
        UsageError: The folder is missing or laid out in another way, a file has no
            partner, or a split has no readable pair.
    """
    _check_folder(path, _PAIRED_LAYOUT)
    if (path / "trainA").is_dir() and (path / "trainB").is_dir():
        train = matched_pairs(path / "trainA", path / "trainB")
        if (path / "testA").is_dir() and (path / "testB").is_dir():
            return PairedSplits(train, matched_pairs(path / "testA", path / "testB"))
    elif (path / "train").is_dir():
        train = side_by_side_pairs(path / "train")
        for name in ("test", "val"):
            if (path / name).is_dir():
                return PairedSplits(train, side_by_side_pairs(path / name))
    else:
        raise UsageError(
            f"dataset=folder:{path} has no pairs, which paired training needs. "
            f"Found: {_found(path)}. Lay it out as {_PAIRED_LAYOUT}."
        )
    return PairedSplits(train, first(train, STAND_IN_TEST_IMAGES))


def matched_pairs(inputs: Path, targets: Path) -> PairSource:
    """Makes a source of the files of the same names in two folders.

    Args:
        inputs: Where the inputs are; folders below it count too.
        targets: Where the targets are, in folders of the same names.

    Returns:
        The source, in the order of the sorted names, without the pairs of which an
        image cannot be read.

    Raises:
        UsageError: A file has no partner, or there is no readable pair.
    """
    first, second = _by_stem(inputs), _by_stem(targets)
    for stem in sorted(first.keys() ^ second.keys()):
        alone, other = (first, targets) if stem in first else (second, inputs)
        raise UsageError(
            f"{alone[stem]} has no partner: there is no {other / stem} with an image's "
            f"ending ({' '.join(images.SUFFIXES)}). Add it, or remove the first."
        )
    readable = {*images.readable_images(inputs), *images.readable_images(targets)}
    names = [
        [str(first[stem]), str(second[stem])]
        for stem in sorted(first)
        if first[stem] in readable and second[stem] in readable
    ]
    if not names:
        raise UsageError(
            f"{inputs} and {targets} cannot be used: of each pair an image cannot be "
            "read. Put readable images there."
        )

    def records() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(names)

    def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return images.decode_path(record[0]), images.decode_path(record[1])

    return PairSource(f"{inputs} and {targets}", len(names), records, decode)


def side_by_side_pairs(folder: Path) -> PairSource:
    """Makes a source of images whose halves are input (left) and target (right).

    Args:
        folder: Where the images are; folders below it count too.

    Returns:
        The source, in the order of the sorted paths.

    Raises:
        UsageError: There is no readable image, or one of an odd width.
    """
    paths = images.readable_images(folder)
    for path in paths:
        with Image.open(path) as image:
            width = image.width
        if width % 2:
            raise UsageError(
                f"{path} does not show input and target side by side: its width must "
                f"be even. Received: {width} px. Lay it out as {_PAIRED_LAYOUT}."
            )
    both = _source(folder, paths)

    def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = both.decode(record)
        half = tf.shape(image)[1] // 2
        return image[:, :half], image[:, half:]

    return PairSource(both.name, both.length, both.records, decode)


def labelled(path: Path) -> LabelledSplits:
    """Reads the splits of a data set of single images from a folder.

    Args:
        path: A folder with images or with a folder of images for each class; or with
            train/ of that kind and, if there is one, test/ (see
            `STAND_IN_TEST_IMAGES`).

    Returns:
        Both splits.

    Raises:
        UsageError: The folder is missing, a split has no readable image or has images
            beside folders of images, or tests have classes of their own.
    """
    _check_folder(path, _LABELLED_LAYOUT)
    has_splits = (path / "train").is_dir()
    train = labelled_source(path / "train" if has_splits else path)
    if has_splits and (path / "test").is_dir():
        return LabelledSplits(train, labelled_source(path / "test", train.classes))
    return LabelledSplits(train, first_labelled(train, STAND_IN_TEST_IMAGES))


def labelled_source(
    folder: Path, known: tuple[str, ...] | None = None
) -> LabelledSource:
    """Makes a source of the images of a folder, or of one folder for each class.

    Args:
        folder: Where the images are, or the folders that are named like the classes;
            folders below these count too.
        known: The classes that may be there; by default those that are, by name.

    Returns:
        The source, in the order of the sorted paths.

    Raises:
        UsageError: There is no readable image, images are beside folders of images,
            or an image is in none of the known classes.
    """
    paths = images.readable_images(folder)
    source = _source(folder, paths)
    parts = [path.relative_to(folder).parts for path in paths]
    classes = _classes(folder, parts) if known is None else known
    if not classes:
        return LabelledSource(source, np.zeros(source.length, np.int32))
    places = {name: place for place, name in enumerate(classes)}
    for path, part in zip(paths, parts, strict=True):
        if part[0] not in places:
            raise UsageError(
                f"{path} is of no class that training has. Allowed in {folder}: "
                f"{_shown(classes)}. Move it, or remove it."
            )
    labels = np.array([places[part[0]] for part in parts], np.int32)
    return LabelledSource(source, labels, classes)


def _classes(folder: Path, parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Lists the folders among the first parts of paths: all of them or none."""
    folders = sorted({part[0] for part in parts if len(part) > 1})
    alone = [part[0] for part in parts if len(part) == 1]
    if folders and alone:
        raise UsageError(
            f"{folder} has images, such as {alone[0]}, beside folders of images: "
            f"{_shown(folders)}. So it is not known whether these are classes. Move "
            "the images into the folder of their class, or all of them to one place."
        )
    return tuple(folders)


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


def _by_stem(folder: Path) -> dict[Path, Path]:
    """Maps names relative to `folder`, without their endings, to image files."""
    found: dict[Path, Path] = {}
    for path in images.list_images(folder):
        stem = path.relative_to(folder).with_suffix("")
        if stem in found:
            raise UsageError(
                f"{found[stem]} and {path} have the same name, so that it is not known "
                "which of them belongs to the pair. Remove one."
            )
        found[stem] = path
    return found


def _check_folder(path: Path, layout: str) -> None:
    if not path.is_dir():
        raise UsageError(
            f"dataset=folder:{path} is not a folder. It must be one that holds "
            f"{layout}."
        )


def _source(folder: Path, paths: list[Path]) -> ImageSource:
    names = [str(path) for path in paths]

    def records() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(names)

    return ImageSource(str(folder), len(names), records, images.decode_path)


def _found(path: Path) -> str:
    folders = sorted(child.name for child in path.iterdir() if child.is_dir())
    direct = sum(
        child.suffix.lower() in images.SUFFIXES
        for child in path.iterdir()
        if child.is_file()
    )
    shown = f"folders {_shown(folders)}" if folders else "no folder"
    return f"{direct} images and {shown}"


def _shown(folders: Sequence[str]) -> str:
    return ", ".join(f"{name}/" for name in folders[:8]) + ", ..." * (len(folders) > 8)
