"""Data sets by name, one function for each kind of task."""

from pathlib import Path

from tfgan_models.data import folder, prepared
from tfgan_models.data.source import LabelledSplits, PairedSplits, UnpairedSplits

UNPAIRED_BUNDLED = prepared.UNPAIRED_BUNDLED
"""Names of the unpaired data sets that come with the package."""

PAIRED_BUNDLED = prepared.PAIRED_BUNDLED
"""Names of the paired data sets that come with the package."""

LABELLED_BUNDLED = prepared.LABELLED_BUNDLED
"""Names of the data sets of single images that come with the package."""


def unpaired(name: str, data_dir: str | None = None) -> UnpairedSplits:
    """Finds an unpaired data set and makes it ready to be read.

    Args:
        name: One of `UNPAIRED_BUNDLED`; any other TFDS name with splits trainA and
            trainB, e.g. `cycle_gan/monet2photo`; or `folder:PATH`, where PATH holds
            trainA/ and trainB/. Where testA or testB is missing, the first
            `folder.STAND_IN_TEST_IMAGES` training images stand in for it.
        data_dir: Where TFDS keeps prepared data sets; by default `$TFDS_DATA_DIR`,
            else `~/tensorflow_datasets`.

    Returns:
        The four splits.

    Raises:
        UsageError: The name is not known, or is not that of an unpaired data set.
        FailureError: The data set could not be downloaded or prepared.
    """
    kind, _, path = name.partition(":")
    if kind == "folder" and path:
        return folder.unpaired(Path(path).expanduser())
    return prepared.unpaired(name, data_dir)


def paired(name: str, data_dir: str | None = None) -> PairedSplits:
    """Finds a data set of aligned pairs and makes it ready to be read.

    Args:
        name: One of `PAIRED_BUNDLED`; any other TFDS name with the image features
            `input` and `target`; or `folder:PATH`, where PATH holds either trainA/
            and trainB/ with files of the same names, or train/ with files that show
            input and target side by side. Tests are in testA/ and testB/, or in test/
            or val/; where they are missing, the first `folder.STAND_IN_TEST_IMAGES`
            training pairs stand in for them.
        data_dir: As for `unpaired`.

    Returns:
        Both splits.

    Raises:
        UsageError: The name is not known, or is not that of a paired data set.
        FailureError: The data set could not be downloaded or prepared.
    """
    kind, _, path = name.partition(":")
    if kind == "folder" and path:
        return folder.paired(Path(path).expanduser())
    return prepared.paired(name, data_dir)


def labelled(name: str, data_dir: str | None = None) -> LabelledSplits:
    """Finds a data set of single images and makes it ready to be read.

    Args:
        name: One of `LABELLED_BUNDLED`; any other TFDS name with an image feature
            `image` and a split train, e.g. `cifar10`, whose classes are those of its
            feature `label`, or else of its only ClassLabel; or `folder:PATH`, where
            PATH, or PATH/train, holds images (no classes) or one folder of images for
            each class. Tests are in the split test or validation, or in PATH/test;
            where they are missing, the first `folder.STAND_IN_TEST_IMAGES` training
            images stand in for them.
        data_dir: As for `unpaired`.

    Returns:
        Both splits.

    Raises:
        UsageError: The name is not known, or is not that of a set of single images.
        FailureError: The data set could not be downloaded or prepared.
    """
    kind, _, path = name.partition(":")
    if kind == "folder" and path:
        return folder.labelled(Path(path).expanduser())
    return prepared.labelled(name, data_dir)
