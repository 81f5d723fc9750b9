"""Files with images from captions."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfgan_models.errors import UsageError
from tfgan_models.tasks.caption import CaptionPainter
from trainers.generation import sheets


def write(
    painter: CaptionPainter,
    captions: Sequence[str],
    seeds: Sequence[int],
    output_dir: Path,
) -> list[Path]:
    """Writes a grid of images for each caption, for example red_heart.png.

    Args:
        painter: Generates the images.
        captions: The captions.
        seeds: One for each image of a grid.
        output_dir: An existing folder.

    Returns:
        The files, one for each caption.

    Raises:
        UsageError: There are more images than fit in a file.
    """
    names = _names(captions)
    columns = math.ceil(math.sqrt(len(seeds)))
    written = []
    for caption, name in zip(captions, names, strict=True):
        _check_count(len(seeds), painter.facts.resolution)
        made: list[np.ndarray | None] = list(painter.arrays(caption, seeds))
        made += [None] * (-len(made) % columns)
        rows = [made[i : i + columns] for i in range(0, len(made), columns)]
        written.append(sheets.write(output_dir / name, sheets.tile(rows)))
    return written


def _names(captions: Sequence[str]) -> list[str]:
    """Unique file names made from the captions."""
    names: list[str] = []
    for caption in captions:
        name = re.sub("[^a-z0-9]+", "_", caption.lower()).strip("_")[:60]
        number = 1
        while f"{name}{f'_{number}' if number > 1 else ''}.png" in names:
            number += 1
        names.append(f"{name}{f'_{number}' if number > 1 else ''}.png")
    return names


def _check_count(count: int, side: int) -> None:
    most = sheets.MOST_PIXELS // side**2
    if count > most:
        raise UsageError(
            f"A grid holds at most {most} images of {side} px. Received: {count}. "
            "Take fewer --seeds."
        )
