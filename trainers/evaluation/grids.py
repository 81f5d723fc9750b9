"""Grids of images for people to look at."""

import numpy as np
import tensorflow as tf

GAP = 2


def rows(*columns: tf.Tensor) -> np.ndarray:
    """Returns the images side by side, one row for each image of the batch.

    Args:
        *columns: Batches [N, H, W, C] in [-1, 1], C 1 or 3.

    Returns:
        uint8 [N (H + GAP) + GAP, columns (W + GAP) + GAP, 3], on white.
    """
    height, width = columns[0].shape[1:3]
    count = columns[0].shape[0]
    grid = np.full(
        (count * (height + GAP) + GAP, len(columns) * (width + GAP) + GAP, 3),
        255,
        np.uint8,
    )
    for x, column in enumerate(columns):
        pixels = to_uint8(column)
        left = GAP + x * (width + GAP)
        for y in range(count):
            top = GAP + y * (height + GAP)
            grid[top : top + height, left : left + width] = pixels[y]
    return grid


def to_uint8(images: tf.Tensor) -> np.ndarray:
    """Maps [-1, 1] to 0..255, rounded; grey stays one channel."""
    pixels = np.asarray(images, np.float32) * 127.5 + 127.5
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)
