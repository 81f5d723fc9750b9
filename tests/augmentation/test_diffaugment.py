"""DiffAugment against its paper's description, one image at a time."""

import numpy as np
import pytest
import tensorflow as tf

from tests.augmentation.jacobian import check_gradients
from tfgan_models.augmentation import diffaugment

KEY = tf.constant([3, 14])


def images(count: int, size: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng(size)
    return rng.uniform(-1, 1, (count, size, size, channels)).astype(np.float32)


def one_at_a_time(image: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """The transforms of one image [H, W, C], written as loops over pixels."""
    size = image.shape[0]
    color = image[..., :3] + (draws[0] - 0.5)
    if color.shape[-1] == 3:
        grey = color.mean(-1, keepdims=True)
        color = (color - grey) * (2 * draws[1]) + grey
    color = (color - color.mean()) * (draws[2] + 0.5) + color.mean()
    image = np.concatenate([color, image[..., 3:]], axis=-1)

    limit, side = int(size / 8 + 0.5), int(size / 2 + 0.5)
    right, down = (int(draw * (2 * limit + 1)) - limit for draw in draws[3:5])
    left, top = (int(draw * (size + 1 - side % 2)) - side // 2 for draw in draws[5:])
    result = np.zeros_like(image)
    for y in range(size):
        for x in range(size):
            inside = 0 <= y - down < size and 0 <= x - right < size
            cut = top <= y < top + side and left <= x < left + side
            if inside and not cut:
                result[y, x] = image[y - down, x - right]
    return result


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [4, 5, 11, 16])
def test_same_as_one_at_a_time(size: int, channels: int) -> None:
    batch = images(6, size, channels)
    draws = tf.random.stateless_uniform([6, 7], KEY).numpy()
    result = tf.function(diffaugment, autograph=False)(batch, KEY)
    for image, draw, actual in zip(batch, draws, result, strict=True):
        np.testing.assert_allclose(actual, one_at_a_time(image, draw), atol=1e-6)


def test_every_image_changes_by_itself_and_the_key_decides_how() -> None:
    batch = np.repeat(images(1, 8, 3), 8, axis=0)
    result = diffaugment(batch, KEY).numpy()
    assert len(np.unique(result.reshape(8, -1), axis=0)) == 8
    np.testing.assert_array_equal(result, diffaugment(batch, KEY))
    assert np.all(np.any(result != diffaugment(batch, KEY + 1), axis=(1, 2, 3)))
    # What an image becomes does not depend on those after it.
    np.testing.assert_allclose(diffaugment(batch[:3], KEY), result[:3], atol=1e-6)


def test_translations_and_cutouts_reach_their_limits() -> None:
    # The fourth channel, which no colour transform touches, numbers the columns.
    batch = np.zeros((2000, 16, 16, 4), np.float32)
    batch[..., 3] = np.arange(1, 17)
    seen = diffaugment(batch, KEY).numpy()[..., 3]
    offsets = np.where(seen > 0, np.arange(1, 17) - seen, 0)
    assert (offsets.min(), offsets.max()) == (-2, 2)
    cut = np.sum(seen == 0, axis=(1, 2))
    # A quarter of the 8 x 8 square, where it is centred on a corner; all of it, and two
    # columns and two rows of zeros that moved in.
    assert (cut.min(), cut.max()) == (16, 64 + 2 * 16 + 2 * 14)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: tf.DType) -> None:
    batch = tf.cast(images(4, 8, 3), dtype)
    result = diffaugment(batch, KEY)
    assert result.dtype == dtype
    wide = diffaugment(tf.cast(batch, tf.float32), KEY)
    np.testing.assert_array_equal(result, tf.cast(wide, dtype))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gradients_are_exact(channels: int) -> None:
    check_gradients(lambda x: diffaugment(x, KEY), channels)
