"""Blur2D, NearestUpsampling2D and AverageDownsampling2D against SciPy and NumPy."""

import numpy as np
import pytest
from scipy import ndimage

from tfgan_models.layers import AverageDownsampling2D, Blur2D, NearestUpsampling2D

FILTER = np.outer([1, 2, 1], [1, 2, 1]) / 16


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    "shape", [(2, 6, 8, 3), (1, 5, 7, 2), (1, 1, 1, 1), (2, 2, 1, 4)]
)
def test_blur_equals_scipy_with_zeros_around(shape: tuple[int, ...]) -> None:
    x = images(*shape)
    expected = ndimage.convolve(
        x.astype("float64"), FILTER.reshape(1, 3, 3, 1), mode="constant"
    )
    np.testing.assert_allclose(Blur2D()(x), expected, atol=1e-6)


def test_blur_of_a_pixel_is_the_filter_and_of_a_plane_the_plane() -> None:
    pixel = np.zeros((1, 5, 5, 1), "float32")
    pixel[0, 2, 2] = 1
    assert np.array_equal(Blur2D()(pixel)[0, 1:4, 1:4, 0], FILTER)
    plane = Blur2D()(np.ones((1, 5, 5, 1), "float32"))[0, :, :, 0]
    assert np.array_equal(plane[1:-1, 1:-1], np.ones((3, 3)))
    assert plane[0, 0] == 9 / 16
    assert plane[0, 2] == 12 / 16


def test_blur_in_float16_does_not_overflow() -> None:
    x = np.full((1, 4, 4, 1), 16_000.0, "float32")
    y = Blur2D(dtype="mixed_float16")(x)
    assert np.array_equal(y[0, 1:3, 1:3, 0], np.full((2, 2), 16_000.0))


@pytest.mark.parametrize("shape", [(2, 4, 6, 3), (1, 3, 5, 2), (1, 1, 1, 1)])
def test_nearest_repeats_each_pixel(shape: tuple[int, ...]) -> None:
    x = images(*shape)
    y = NearestUpsampling2D()(x)
    assert np.array_equal(y, x.repeat(2, axis=1).repeat(2, axis=2))
    assert np.array_equal(AverageDownsampling2D()(y), x)


def test_average_by_hand() -> None:
    x = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    y = AverageDownsampling2D()(x)
    assert np.array_equal(y[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])


def test_average_of_every_channel_and_sample() -> None:
    x = images(3, 6, 4, 2)
    expected = x.astype("float64").reshape(3, 3, 2, 2, 2, 2).mean((2, 4))
    np.testing.assert_allclose(AverageDownsampling2D()(x), expected, atol=1e-6)
