"""Grids of images for people to look at."""

import numpy as np
import tensorflow as tf

from trainers.evaluation import grids


def test_rows_puts_each_image_in_its_place() -> None:
    left = tf.fill([2, 4, 4, 3], -1.0)
    right = tf.concat([tf.fill([1, 4, 4, 3], 1.0), tf.fill([1, 4, 4, 3], 0.0)], axis=0)
    grid = grids.rows(left, right)
    assert grid.shape == (2 * 6 + 2, 2 * 6 + 2, 3)
    assert grid.dtype == np.uint8
    assert (grid[2:6, 2:6] == 0).all()
    assert (grid[2:6, 8:12] == 255).all()
    assert (grid[8:12, 8:12] == 128).all()
    assert (grid[:2] == 255).all()
    assert (grid[:, 6:8] == 255).all()


def test_grey_images_are_shown_in_grey() -> None:
    grid = grids.rows(tf.fill([1, 4, 4, 1], -1.0))
    assert (grid[2:6, 2:6] == 0).all()
