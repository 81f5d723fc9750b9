"""What a data set's folder holds, as plain data and as text."""

import collections
import dataclasses
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from tfgan_models.errors import UsageError
from tfgan_models.folders import files, headers
from tfgan_models.folders.decoding import SUFFIXES

STAND_IN_TEST_IMAGES = 16
"""Without test images, this many training images are used instead: the first ones by
path. They stay in the training split, so they show progress but measure nothing."""


@dataclasses.dataclass(frozen=True)
class Images:
    """The readable images of a folder and its sub-folders.

    Attributes:
        folder: The folder.
        paths: The images, sorted.
        shapes: Height and width of each in pixels, upright.
        broken: Image files that cannot be read.
        passed_over: See `files.Listing`.
    """

    folder: Path
    paths: tuple[Path, ...]
    shapes: tuple[tuple[int, int], ...]
    broken: tuple[Path, ...] = ()
    passed_over: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def only(self, places: Sequence[int]) -> "Images":
        """Returns those at some indices."""
        return dataclasses.replace(
            self,
            paths=tuple(self.paths[place] for place in places),
            shapes=tuple(self.shapes[place] for place in places),
        )


class Facts(TypedDict):
    """What is printed about a split; shapes are [height, width] in pixels."""

    name: str
    images: int
    smallest: list[int]
    largest: list[int]
    classes: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Split:
    """Images to train on, or to test with.

    Attributes:
        name: Of the folder in the data set's, or a description of the images.
        images: The images; for pairs the inputs, or both side by side.
        targets: For pairs of files the targets, in the order of the inputs.
        classes: The names of the classes, or () if there are none.
        labels: Each image's index in `classes`; 0 if there are none.
    """

    name: str
    images: Images
    targets: Images | None = None
    classes: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()

    def facts(self) -> Facts:
        """Returns what is printed, as plain data."""
        shapes = self.images.shapes
        counts = collections.Counter(self.labels)
        return {
            "name": self.name,
            "images": len(shapes),
            "smallest": list(min(shapes, key=math.prod)),
            "largest": list(max(shapes, key=math.prod)),
            "classes": {name: counts[i] for i, name in enumerate(self.classes)},
        }


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a data set's folder holds.

    Attributes:
        folder: The folder.
        train: The training splits: one, or one per domain.
        test: The test split of each; None: the first `STAND_IN_TEST_IMAGES` of
            training are used.
        passed_over: Unused contents of the folder itself, see
            `files.Listing`.
        used: Extensions of files that are used though not images.
    """

    folder: Path
    train: tuple[Split, ...]
    test: tuple[Split | None, ...]
    passed_over: Mapping[str, int] = dataclasses.field(default_factory=dict)
    used: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Describes the contents in a few lines."""
        told = [f"Found in {shown(self.folder)}:"]
        told += [f"  {_described(split)}" for split in self.train]
        told += [f"  {_described(split)}" for split in self.test if split]
        missing = [
            f"the first {min(STAND_IN_TEST_IMAGES, len(train.images.paths))} of "
            f"{train.name}"
            for split, train in zip(self.test, self.train, strict=True)
            if split is None
        ]
        if missing:
            told.append(f"  no test images: {' and '.join(missing)} are used instead")
        left = self._left()
        if left:
            told.append(f"  skipped: {left}")
        return told

    def _left(self) -> str:
        counts = dict(self.passed_over)
        for split in (*self.train, *filter(None, self.test)):
            for images in filter(None, (split.images, split.targets)):
                for what, count in images.passed_over.items():
                    counts[what] = counts.get(what, 0) + count
        words = [
            what if "/" in what else f"{count} {what}"
            for what, count in sorted(counts.items(), key=lambda c: ("/" in c[0], c))
            if what not in self.used
        ]
        return shown(few(words))


def read_images(folder: Path) -> Images:
    """Finds the readable images of a folder.

    The others are named, each with the reason, in one warning.

    Args:
        folder: The folder; its sub-folders are included.

    Raises:
        UsageError: There is no readable image.
    """
    listing = files.walk(folder)
    found = headers.read_all(folder, listing.images)
    both = list(zip(listing.images, found, strict=True))
    good = [(file, header) for file, header in both if header.fault is None]
    bad = [
        shown(f"{file.path.relative_to(folder)} ({header.fault})")
        for file, header in both
        if header.fault is not None
    ]
    if not good:
        raise UsageError(_no_images(folder, bad, listing.passed_over))
    if bad:
        warnings.warn(
            f"{shown(folder)}: skipped {len(bad)} of {len(both)} images that cannot be "
            f"read: {', '.join(bad)}",
            stacklevel=2,
        )
    return Images(
        folder,
        tuple(file.path for file, _ in good),
        tuple(header[:2] for _, header in good),
        tuple(file.path for file, header in both if header.fault is not None),
        listing.passed_over,
    )


def shown(path: Path | str) -> str:
    """Returns a path, or a text with one, as printable text."""
    return os.fsencode(path).decode("utf-8", "replace")


def _no_images(folder: Path, bad: Sequence[str], others: Mapping[str, int]) -> str:
    if bad:
        found = f"none of its {len(bad)} images can be read: {', '.join(bad)}"
    else:
        found = "it has no image"
        if others:
            found += f", but {few([f'{n} {k}' for k, n in others.items()])}"
    return (
        f"{shown(folder)} cannot be used: {found}. Put readable images there "
        f"({' '.join(SUFFIXES)})."
    )


def _described(split: Split) -> str:
    facts = split.facts()
    smallest, largest = (f"{w} x {h}" for h, w in (facts["smallest"], facts["largest"]))
    sizes = smallest if smallest == largest else f"{smallest} to {largest}"
    count = facts["images"]
    kind = ("pair" if split.targets else "image") + "s" * (count != 1)
    told = f"{split.name}: {count:,} {kind}, {sizes} px"
    if split.classes:
        counts = [f"{shown(name)} {n:,}" for name, n in facts["classes"].items()]
        told += f"; {len(counts)} classes: {few(counts)}"
    return told


def few(words: Sequence[str], most: int = 8) -> str:
    """Returns the first words of a list, such as "a, b, ..."."""
    return ", ".join([*words[:most], *(["..."] if len(words) > most else [])])
