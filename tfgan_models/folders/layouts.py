"""Layouts of image folders: which images are for training and which for testing."""

import collections
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from tfgan_models.errors import UsageError
from tfgan_models.folders import files
from tfgan_models.folders.contents import (
    Contents,
    Images,
    Split,
    few,
    read_images,
    shown,
)
from tfgan_models.folders.decoding import SUFFIXES

CAPTION_ENDING = ".txt"
"""The extension of a text file next to an image."""

_TESTS = ("test", "val")
"""Names of folders of test images; the first that exists is used."""

_UNPAIRED = "trainA/ trainB/ and optionally testA/ testB/, each with images"
_PAIRED = (
    "trainA/ trainB/ with images of the same names (optionally testA/ testB/), "
    "or train/ with images that show input and target side by side (test/ or val/)"
)
_LABELLED = "images, or one folder of images per class, there or in train/"


def of_name(dataset: str) -> Path | None:
    """Returns the folder of a data set's name, `folder:PATH`; else None."""
    kind, _, path = dataset.partition(":")
    return Path(path).expanduser() if kind == "folder" and path else None


def unpaired(path: Path) -> Contents:
    """Reads the contents of a folder of two domains.

    Args:
        path: A folder with trainA/ and trainB/; testA/ and testB/, or valA/ and valB/,
            may be missing.

    Returns:
        The training splits of A and B and their tests.

    Raises:
        UsageError: The folder is missing, has another layout, or has a split
            without a readable image.
    """
    _check_folder(path, _UNPAIRED)
    if not _has(path, "trainA", "trainB"):
        raise UsageError(
            f"dataset=folder:{shown(path)} has no trainA/ and trainB/, which unpaired "
            f"training needs. Found: {_found(path)}. Lay it out as {_UNPAIRED}."
        )
    train, test = [], []
    for domain in "AB":
        train.append(_split(path, f"train{domain}"))
        names = [f"{name}{domain}" for name in _TESTS if _has(path, f"{name}{domain}")]
        test.append(_split(path, names[0]) if names else None)
    return _contents(path, train, test)


def paired(path: Path) -> Contents:
    """Reads the contents of a folder of pairs.

    Args:
        path: A folder with trainA/ and trainB/, whose files of the same names,
            extensions aside, are pairs; or with train/, whose files show the input in
            the left half and the target in the right one. Tests likewise, in testA/ and
            testB/ or valA/ and valB/, or in test/ or val/; they may be missing.

    Returns:
        The training split and its tests.

    Raises:
        UsageError: The folder is missing or has another layout, a file has no
            partner, or a split has no readable pair.
    """
    _check_folder(path, _PAIRED)
    if _has(path, "trainA", "trainB"):
        names = [name for name in _TESTS if _has(path, f"{name}A", f"{name}B")]
        read = _matched_split
    elif _has(path, "train"):
        names = [name for name in _TESTS if _has(path, name)]
        read = _side_by_side_split
    else:
        raise UsageError(
            f"dataset=folder:{shown(path)} has no pairs, which paired training needs. "
            f"Found: {_found(path)}. Lay it out as {_PAIRED}."
        )
    test = read(path, names[0]) if names else None
    return _contents(path, [read(path, "train")], [test])


def labelled(path: Path) -> Contents:
    """Reads the contents of a folder of single images.

    Args:
        path: A folder with images or with one folder of images per class; or with
            such a train/ and optionally test/ or val/.

    Returns:
        The training split and its tests.

    Raises:
        UsageError: The folder is missing, a split has no readable image or has images
            next to folders of images, or tests have classes of their own.
    """
    _check_folder(path, _LABELLED)
    if not _has(path, "train"):
        train = _labelled_split("train", read_images(path))
        return Contents(path, (train,), (None,))
    train = _labelled_split("train", read_images(path / "train"))
    names = [name for name in _TESTS if _has(path, name)]
    test = None
    if names:
        test = _labelled_split(names[0], read_images(path / names[0]), train.classes)
    return _contents(path, [train], [test])


def captioned(path: Path) -> Contents:
    """Reads the contents of a folder as `labelled` does, with text files.

    Args:
        path: The folder.

    Returns:
        The training split and its tests.

    Raises:
        UsageError: See `labelled`.
    """
    return dataclasses.replace(labelled(path), used=(CAPTION_ENDING,))


def _contents(
    path: Path, train: Sequence[Split], test: Sequence[Split | None]
) -> Contents:
    """Adds what lies next to the splits' folders."""
    used = {
        images.folder.name
        for split in (*train, *filter(None, test))
        for images in filter(None, (split.images, split.targets))
    }
    beside: collections.Counter[str] = collections.Counter()
    for child in path.iterdir():
        if child.is_dir():
            beside.update([f"{child.name}/"] if child.name not in used else [])
        elif files.is_system(child.name):
            beside["hidden files"] += 1
        else:
            beside[child.suffix.lower() or "without an extension"] += 1
    return Contents(path, tuple(train), tuple(test), dict(beside))


def _split(path: Path, name: str) -> Split:
    images = read_images(path / name)
    return Split(name, images, labels=(0,) * len(images.paths))


def _matched_split(path: Path, name: str) -> Split:
    """Pairs the files of the same names in two folders, such as trainA/ and trainB/."""
    inputs, targets = (read_images(path / f"{name}{domain}") for domain in "AB")
    first, second = _by_stem(inputs), _by_stem(targets)
    for stem in sorted(first.keys() ^ second.keys()):
        alone, other = (first, targets) if stem in first else (second, inputs)
        raise UsageError(
            f"{shown(alone[stem][0])} has no partner: there is no "
            f"{shown(other.folder / stem)} with an image's extension "
            f"({' '.join(SUFFIXES)}). Add it, or remove the first."
        )
    places = [
        (first[stem][1], second[stem][1])
        for stem in sorted(first)
        if first[stem][1] is not None and second[stem][1] is not None
    ]
    if not places:
        raise UsageError(
            f"{shown(inputs.folder)} and {shown(targets.folder)} cannot be used: in "
            "each pair an image cannot be read. Put readable images there."
        )
    ours, theirs = zip(*places, strict=True)
    return Split(
        f"{name}A and {name}B",
        inputs.only(ours),
        targets.only(theirs),
        labels=(0,) * len(places),
    )


def _by_stem(images: Images) -> dict[Path, tuple[Path, int | None]]:
    """Maps names without extensions to readable files and their indices."""
    found: dict[Path, tuple[Path, int | None]] = {}
    places: dict[Path, int | None] = {p: i for i, p in enumerate(images.paths)}
    for path in sorted([*images.paths, *images.broken]):
        stem = path.relative_to(images.folder).with_suffix("")
        if stem in found:
            raise UsageError(
                f"{shown(found[stem][0])} and {shown(path)} have the same name, so "
                "it is not known which of them belongs to the pair. Remove one."
            )
        found[stem] = path, places.get(path)
    return found


def _side_by_side_split(path: Path, name: str) -> Split:
    split = _split(path, name)
    for file, (_, width) in zip(split.images.paths, split.images.shapes, strict=True):
        if width % 2:
            raise UsageError(
                f"{shown(file)} does not show input and target side by side: its width "
                f"must be even. Received: {width} px. Lay it out as {_PAIRED}."
            )
    return split


def _labelled_split(
    name: str, images: Images, known: tuple[str, ...] | None = None
) -> Split:
    """Uses the images' folders as classes.

    Args:
        name: The split's.
        images: Its images.
        known: The allowed classes; by default those that exist, by name.
    """
    parts = [path.relative_to(images.folder).parts for path in images.paths]
    classes = _classes(images.folder, parts) if known is None else known
    if not classes:
        return Split(name, images, labels=(0,) * len(parts))
    places = {name: place for place, name in enumerate(classes)}
    for path, part in zip(images.paths, parts, strict=True):
        if part[0] not in places:
            raise UsageError(
                f"{shown(path)} is of a class that training does not have. Allowed in "
                f"{shown(images.folder)}: {_listed(classes)}. Move it, or remove it."
            )
    labels = tuple(places[part[0]] for part in parts)
    return Split(name, images, classes=classes, labels=labels)


def _classes(folder: Path, parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Lists the folders among the first parts of paths: all of them or none."""
    folders = sorted({part[0] for part in parts if len(part) > 1})
    alone = [part[0] for part in parts if len(part) == 1]
    if folders and alone:
        raise UsageError(
            f"{shown(folder)} has images, such as {shown(alone[0])}, next to folders "
            f"of images: {_listed(folders)}. So it is not known whether these are "
            "classes. Move the images into the folder of their class, or all of them "
            "to one place."
        )
    for name in folders:
        if shown(name) != name:
            raise UsageError(
                f"{shown(folder / name)} is a class, and its name is not UTF-8. "
                "Rename it."
            )
    return tuple(folders)


def _check_folder(path: Path, layout: str) -> None:
    if not path.is_dir():
        raise UsageError(
            f"dataset=folder:{shown(path)} is not a folder. It must be one that holds "
            f"{layout}."
        )


def _has(path: Path, *names: str) -> bool:
    return all((path / name).is_dir() for name in names)


def _found(path: Path) -> str:
    """Describes the contents of a folder with another layout."""
    folders = sorted(
        child.name
        for child in path.iterdir()
        if child.is_dir() and not files.is_system(child.name)
    )
    direct = sum(
        child.suffix.lower() in SUFFIXES for child in path.iterdir() if child.is_file()
    )
    below = f"folders {_listed(folders)}" if folders else "no folder"
    return f"{direct} images and {below}"


def _listed(folders: Sequence[str]) -> str:
    return few([f"{shown(name)}/" for name in folders])
