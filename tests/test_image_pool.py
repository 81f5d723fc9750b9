"""The image pool against its description, one image at a time."""

import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.image_pool import ImagePool, query


def images(*values: float) -> tf.Tensor:
    return tf.constant(values, tf.float32)[:, None, None, None]


def one_at_a_time(
    pool: list[float], capacity: int, batch: list[float], seed: tf.Tensor
) -> list[float]:
    """The rule as CycleGAN states it, in plain Python, with the same draws."""
    coin_seed, slot_seed = tf.unstack(tf.random.split(seed))
    coins = tf.random.stateless_uniform([len(batch)], coin_seed).numpy()
    slots = tf.random.stateless_uniform(
        [len(batch)], slot_seed, maxval=capacity, dtype=tf.int32
    ).numpy()
    shown = []
    for image, coin, slot in zip(batch, coins, slots, strict=True):
        if len(pool) < capacity:
            pool.append(image)
            shown.append(image)
        elif coin > 0.5:
            shown.append(pool[slot])
            pool[slot] = image
        else:
            shown.append(image)
    return shown


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_same_as_one_at_a_time(batch_size: int) -> None:
    capacity = 5
    pool = ImagePool(capacity, (1, 1, 1))
    expected_pool: list[float] = []
    call = tf.function(pool)
    swapped = 0
    for step in range(40):
        batch = [float(step * batch_size + i) for i in range(batch_size)]
        seed = tf.constant([9, step])
        shown = call(images(*batch), seed).numpy().ravel().tolist()
        assert shown == one_at_a_time(expected_pool, capacity, batch, seed)
        stored = int(pool.stored)
        assert stored == len(expected_pool)
        assert pool.images.numpy().ravel()[:stored].tolist() == expected_pool
        swapped += sum(a != b for a, b in zip(shown, batch, strict=True))
    assert swapped > 10


def test_half_of_the_images_come_from_a_full_pool() -> None:
    full = images(*[-1.0] * 50)
    shown, _, stored = query(
        full, tf.constant(50), images(*range(2000)), tf.constant([1, 2])
    )
    old = np.mean(shown.numpy().ravel() != np.arange(2000))
    assert abs(old - 0.5) < 0.04
    assert int(stored) == 50


def test_without_capacity_images_pass_through() -> None:
    pool = ImagePool(0, (1, 1, 1))
    batch = images(1.0, 2.0)
    assert pool(batch, tf.constant([0, 0])) is batch
    assert not pool.variables
