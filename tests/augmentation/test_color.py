"""Colour matrices against what they are named for."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.augmentation import color

IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 4, 4, 3)).astype(np.float32)
PARAMETERS = np.float32([0.3, -0.7])
EACH = PARAMETERS[:, None, None, None]
LUMA = IMAGES.mean(-1, keepdims=True)
CHROMA = IMAGES - LUMA


def change(
    transform: Callable[[tf.Tensor], tf.Tensor],
    parameters: np.ndarray = PARAMETERS,
    images: np.ndarray = IMAGES,
) -> np.ndarray:
    return color.apply(images, transform(tf.constant(parameters))).numpy()


def close(actual: np.ndarray, desired: np.ndarray) -> None:
    np.testing.assert_allclose(actual, desired, atol=1e-6)


def test_brightness_adds() -> None:
    close(change(color.brightness), IMAGES + EACH)


def test_contrast_multiplies() -> None:
    close(change(color.contrast), IMAGES * EACH)


def test_luma_flip_negates_luma_and_keeps_chroma() -> None:
    flipped = change(color.luma_flip, np.float32([1, 0]))
    close(flipped[0], CHROMA[0] - LUMA[0])
    np.testing.assert_array_equal(flipped[1], IMAGES[1])


def test_saturation_multiplies_chroma_and_keeps_luma() -> None:
    close(change(color.saturation), LUMA + EACH * CHROMA)


def test_hue_keeps_luma_and_the_length_of_chroma() -> None:
    turned = change(color.hue)
    luma = turned.mean(-1, keepdims=True)
    close(luma, LUMA)
    close(np.linalg.norm(turned - luma, axis=-1), np.linalg.norm(CHROMA, axis=-1))
    cosine = np.sum((turned - luma) * CHROMA, -1) / np.sum(CHROMA**2, -1)
    close(cosine, np.broadcast_to(np.cos(EACH[..., 0]), cosine.shape))


def test_a_third_of_a_turn_of_hue_passes_the_channels_on() -> None:
    turned = change(color.hue, np.float32([2 * np.pi / 3, -2 * np.pi / 3]))
    close(turned[0], np.roll(IMAGES[0], 1, axis=-1))
    close(turned[1], np.roll(IMAGES[1], -1, axis=-1))


@pytest.mark.parametrize(
    ("transform", "neutral"),
    [
        (color.brightness, 0),
        (color.contrast, 1),
        (color.luma_flip, 0),
        (color.hue, 0),
        (color.saturation, 1),
    ],
)
def test_the_neutral_parameter_changes_no_bit(
    transform: Callable[[tf.Tensor], tf.Tensor], neutral: float
) -> None:
    same = change(transform, np.float32([neutral, neutral]))
    np.testing.assert_array_equal(same, IMAGES)


def test_transforms_apply_in_the_order_given() -> None:
    add, double = color.brightness(PARAMETERS), color.contrast(np.float32([2, 2]))
    close(color.apply(IMAGES, color.compose(add, double)), 2 * (IMAGES + EACH))
    close(color.apply(IMAGES, color.compose(double, add)), 2 * IMAGES + EACH)


def test_a_fourth_channel_stays() -> None:
    images = np.concatenate([IMAGES, IMAGES[..., :1]], axis=-1)
    changed = change(color.contrast, images=images)
    close(changed[..., :3], IMAGES * EACH)
    np.testing.assert_array_equal(changed[..., 3], images[..., 3])


def test_grey_images_change_as_grey_colours() -> None:
    grey = IMAGES[..., :1]
    transforms = color.compose(
        color.brightness(PARAMETERS),
        color.contrast(PARAMETERS),
        color.luma_flip(np.float32([1, 0])),
    )
    changed = color.apply(grey, transforms).numpy()
    as_colours = color.apply(np.repeat(grey, 3, axis=-1), transforms).numpy()
    close(np.repeat(changed, 3, axis=-1), as_colours)
