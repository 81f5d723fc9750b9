"""PixelNormalization: the formula, epsilon, float16's range."""

import numpy as np
import pytest

from tfgan_models.layers import PixelNormalization


@pytest.mark.parametrize("shape", [(3, 8), (2, 4, 5, 6), (2, 3, 3, 1)])
def test_equals_the_formula(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(2, 3, shape).astype("float32")
    exact = x.astype("float64")
    expected = exact / np.sqrt((exact**2).mean(-1, keepdims=True) + 1e-8)
    y = PixelNormalization()(x).numpy()
    np.testing.assert_allclose(y, expected, atol=2e-6)
    np.testing.assert_allclose((y**2).mean(-1), 1.0, atol=1e-5)


def test_by_hand() -> None:
    y = PixelNormalization(epsilon=0.0)(np.array([[3.0, 4.0]], "float32"))
    np.testing.assert_allclose(y, np.array([[3.0, 4.0]]) / 12.5**0.5, rtol=1e-6)
    y = PixelNormalization(epsilon=3.0)(np.array([[1.0, 1.0]], "float32"))
    np.testing.assert_allclose(y, [[0.5, 0.5]], rtol=1e-6)


def test_zeros_stay_zeros() -> None:
    assert not PixelNormalization()(np.zeros((2, 4), "float32")).numpy().any()


@pytest.mark.parametrize("size", [1e-3, 20_000.0])
def test_float16_neither_overflows_nor_vanishes(size: float) -> None:
    y = PixelNormalization(dtype="mixed_float16")(np.full((1, 64), size, "float32"))
    np.testing.assert_allclose(y, np.ones((1, 64)), rtol=6e-3)
