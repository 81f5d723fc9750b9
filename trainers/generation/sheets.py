"""Sheets of images: rows and columns in one file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfgan_models.data import images as image_files
from tfgan_models.data.images import to_uint8
from tfgan_models.errors import UsageError
from tfgan_models.runs import files
from tfgan_models.tasks.generators import Generator
from tfgan_models.tasks.synthesis import to_rgb
from trainers.evaluation.grids import GAP

MOST_PIXELS = 2**28


def tile(cells: Sequence[Sequence[np.ndarray | None]]) -> np.ndarray:
    """Returns images in rows and columns, on white.

    Args:
        cells: Rows with the same number of images [R, R, C]; None stays white.

    Returns:
        uint8 [rows (R + GAP) + GAP, columns (R + GAP) + GAP, 3].
    """
    side = next(cell.shape[0] for row in cells for cell in row if cell is not None)
    step = side + GAP
    sizes = (len(cells) * step + GAP, len(cells[0]) * step + GAP)
    picture = np.full((*sizes, 3), 255, np.uint8)
    for y, row in enumerate(cells):
        for x, cell in enumerate(row):
            if cell is not None:
                top, left = GAP + y * step, GAP + x * step
                place = picture[top : top + side, left : left + side]
                place[:] = to_uint8(cell)
    return picture


def check_grid(generator: Generator, count: int) -> None:
    """Raises UsageError if a grid has more images than fit in a file."""
    most = MOST_PIXELS // generator.resolution**2
    if count > most:
        raise UsageError(
            f"A grid holds at most {most} images of {generator.resolution} px. "
            f"Received: {count}. Take fewer, or files (images --layout=files)."
        )


def write(path: Path, image: np.ndarray) -> Path:
    """Writes uint8 [H, W, 3], or an image [R, R, C] in [-1, 1], as PNG."""
    pixels = image if image.dtype == np.uint8 else to_rgb(image)
    files.write_bytes(path, image_files.encode_png(pixels))
    return path
