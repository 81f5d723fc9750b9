"""Geometric maps and sampling against examples made by other means."""

import numpy as np
import pytest
import tensorflow as tf

from tests.augmentation.jacobian import check_gradients
from tfgan_models.augmentation import geometry

IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, 5, 5, 3)).astype(np.float32)
RAMP = np.tile(np.arange(4, dtype=np.float32), (1, 4, 1))[..., None]


def each(*values: float) -> tf.Tensor:
    return tf.constant(values, tf.float32)


def moved(image: np.ndarray, right: int, down: int, mode: str) -> np.ndarray:
    """The image moved by whole pixels, the outside made by np.pad."""
    size = image.shape[0]
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)), mode=mode)
    return padded[4 - down :, 4 - right :][:size, :size]


def test_flip_reverses_columns_where_asked() -> None:
    flipped = geometry.sample(IMAGES, geometry.flip(each(1, 0, 1, 0))).numpy()
    np.testing.assert_array_equal(flipped[::2], IMAGES[::2, :, ::-1])
    np.testing.assert_array_equal(flipped[1::2], IMAGES[1::2])


def test_quarter_turns_are_tf_image_rot90() -> None:
    turned = geometry.sample(IMAGES, geometry.quarter_turns(each(0, 1, 2, 3)))
    for turns in range(4):
        expected = tf.image.rot90(IMAGES[turns], turns)
        np.testing.assert_array_equal(turned[turns], expected)


def test_rotation_turns_the_same_way() -> None:
    angles = each(0, np.pi / 2, np.pi, -np.pi / 2)
    turned = geometry.sample(IMAGES, geometry.rotation(angles))
    expected = geometry.sample(IMAGES, geometry.quarter_turns(each(0, 1, 2, 3)))
    np.testing.assert_allclose(turned, expected, atol=1e-5)


def test_rotation_by_any_angle_turns_a_ramp() -> None:
    # A plane a * x + b * y stays one: sampling is exact on it, inside the image.
    y, x = np.mgrid[-4:5, -4:5].astype(np.float32)
    plane = (0.2 * x - 0.1 * y)[None, :, :, None]
    turned = geometry.sample(plane, geometry.rotation(each(0.4))).numpy()
    cosine, sine = np.cos(0.4), np.sin(0.4)
    # Counter-clockwise with y down: the content now at (x, y) was at this place.
    was_x, was_y = cosine * x - sine * y, sine * x + cosine * y
    expected = (0.2 * was_x - 0.1 * was_y)[None, :, :, None]
    inside = np.s_[:, 2:-2, 2:-2]
    np.testing.assert_allclose(turned[inside], expected[inside], atol=1e-5)


def test_whole_translation_reflects() -> None:
    rights, downs = (1, -2, 0, 4), (0, 1, -3, -4)
    result = geometry.sample(IMAGES, geometry.translation(each(*rights), each(*downs)))
    for image, actual, right, down in zip(IMAGES, result, rights, downs, strict=True):
        np.testing.assert_array_equal(actual, moved(image, right, down, "reflect"))


def test_translation_far_outside_goes_on_reflecting() -> None:
    # Two mirrors 4 pixels apart: everything repeats after 8.
    far = geometry.sample(
        IMAGES, geometry.translation(each(*[81.0] * 4), each(*[0] * 4))
    )
    near = geometry.sample(
        IMAGES, geometry.translation(each(*[1.0] * 4), each(*[0] * 4))
    )
    np.testing.assert_array_equal(far, near)


def test_half_a_pixel_of_translation_is_the_mean_of_neighbours() -> None:
    result = geometry.sample(RAMP, geometry.translation(each(-0.5), each(0.25)))
    # The last shows the middle of pixel 3 and of its mirror image, pixel 2.
    np.testing.assert_allclose(result[0, :, :, 0], [[0.5, 1.5, 2.5, 2.5]] * 4)


@pytest.mark.parametrize(
    ("octaves", "expected"),
    [(1.0, [0.75, 1.25, 1.75, 2.25]), (-1.0, [1.5, 0.5, 2.5, 1.5])],
)
def test_scaling_keeps_the_centre(octaves: float, expected: list[float]) -> None:
    wide = geometry.sample(RAMP, geometry.scaling(each(octaves), each(0.0)))
    np.testing.assert_allclose(wide[0, :, :, 0], [expected] * 4, atol=1e-6)
    tall = np.swapaxes(RAMP, 1, 2)
    high = geometry.sample(tall, geometry.scaling(each(0.0), each(octaves)))
    np.testing.assert_allclose(high[0, :, :, 0].numpy().T, [expected] * 4, atol=1e-6)


def test_transforms_apply_in_the_order_given() -> None:
    zeros = each(0, 0, 0, 0)
    mirror = geometry.flip(each(1, 1, 1, 1))
    right = geometry.translation(each(1, 1, 1, 1), zeros)
    for first, second in ((mirror, right), (right, mirror)):
        once = geometry.sample(IMAGES, geometry.compose(first, second))
        twice = geometry.sample(geometry.sample(IMAGES, first), second)
        np.testing.assert_array_equal(once, twice)


def test_neutral_parameters_give_the_identity_to_the_bit() -> None:
    zero = each(0.0)
    neutral = geometry.compose(
        geometry.flip(zero),
        geometry.quarter_turns(zero),
        geometry.translation(zero, zero),
        geometry.scaling(zero, zero),
        geometry.rotation(zero),
    )
    np.testing.assert_array_equal(neutral[0], np.eye(3))


def test_oblong_images_keep_their_shape() -> None:
    oblong = np.arange(24, dtype=np.float32).reshape(1, 4, 6, 1)
    flipped = geometry.sample(oblong, geometry.flip(each(1.0)))
    np.testing.assert_array_equal(flipped, oblong[:, :, ::-1])
    down = geometry.sample(oblong, geometry.translation(each(0.0), each(2.0)))
    np.testing.assert_array_equal(down[0, :, :, 0], oblong[0, [2, 1, 0, 1], :, 0])


def test_shift_fills_with_zeros() -> None:
    rights, downs = (1, -2, 0, 4), (0, 1, -3, -4)
    result = geometry.shift(IMAGES, tf.constant(rights), tf.constant(downs))
    for image, actual, right, down in zip(IMAGES, result, rights, downs, strict=True):
        np.testing.assert_array_equal(actual, moved(image, right, down, "constant"))


def test_cutout_zeroes_what_lies_inside() -> None:
    centers = each(2.0, 0.5, 4.0, 2.0), each(2.0, 1.5, 0.0, 2.0)
    sides = each(3.0, 2.0, 3.0, 0.0), each(1.0, 4.0, 3.0, 0.0)
    result = geometry.cutout(IMAGES, centers, sides)
    expected = IMAGES.copy()
    expected[0, 2:3, 1:4] = 0
    expected[1, 0:4, 0:2] = 0
    expected[2, 0:2, 3:5] = 0
    np.testing.assert_array_equal(result, expected)


def test_gradients_of_sampling_are_exact() -> None:
    maps = geometry.compose(
        geometry.rotation(each(0.7, -2.0)),
        geometry.scaling(each(0.4, -1.3), each(-0.3, -0.7)),
        geometry.translation(each(0.3, -3.2), each(-0.6, 5.1)),
    )
    check_gradients(lambda x: geometry.sample(x, maps), channels=1)
