"""Data sets that are folders of image files."""

from pathlib import Path

import tensorflow as tf

from tfgan_models.data import images
from tfgan_models.data.source import ImageSource, UnpairedSplits
from tfgan_models.errors import UsageError

STAND_IN_TEST_IMAGES = 16
"""Where testA/ or testB/ is missing, this many training images stand in for it: the
first ones by path. They stay in the training split, so they show how training goes
and measure nothing."""

_LAYOUT = "trainA/ trainB/ and, if there are any, testA/ testB/, each with images"


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
    if not path.is_dir():
        raise UsageError(
            f"dataset=folder:{path} is not a folder. It must be one that holds "
            f"{_LAYOUT}."
        )
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
    return first_images(train, STAND_IN_TEST_IMAGES)


def first_images(source: ImageSource, count: int) -> ImageSource:
    """Takes the first images of a source.

    Args:
        source: The images to choose from.
        count: How many to take at most.

    Returns:
        A source of the first `count` images, or of all if there are fewer.
    """
    length = min(count, source.length)

    def records() -> tf.data.Dataset:
        return source.records().take(length)

    return ImageSource(f"{source.name} [:{length}]", length, records, source.decode)


def _source(folder: Path, paths: list[Path]) -> ImageSource:
    names = [str(path) for path in paths]

    def records() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(names)

    return ImageSource(str(folder), len(names), records, images.decode_path)


def _found(path: Path) -> str:
    folders = sorted(child.name + "/" for child in path.iterdir() if child.is_dir())
    direct = sum(
        child.suffix.lower() in images.SUFFIXES
        for child in path.iterdir()
        if child.is_file()
    )
    shown = ", ".join(folders[:8]) + (", ..." if len(folders) > 8 else "")
    return f"{direct} images and {f'folders {shown}' if folders else 'no folder'}"
