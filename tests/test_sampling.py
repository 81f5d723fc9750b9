"""Latents and noise: functions of a seed alone, normal or uniform."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfgan_models import sampling

SHAPES = [(4, 4, 1), (4, 4, 1), (8, 8, 1)]
SEEDS = [0, 7, 2**40]
# Drawn once; every machine and every release must draw the same.
LATENTS = [
    [-1.697034, -0.4813767, -0.6622369, 0.08701119],
    [-0.67417276, -0.35869256, -1.8795817, -1.4728931],
    [-0.13229863, -1.4012903, 0.0242091, 0.64921665],
]
UNIFORM_LATENTS = [
    [-0.5779691, 0.41201997, 0.60012674, 0.5415845],
    [0.49415755, 0.34436035, -0.8844409, 0.28842640],
    [-0.25726175, 0.029963493, 0.61949277, -0.9881358],
]
NOISE = [
    [[1.2064347, -1.8821639, 1.2496753, -0.5525066]],
    [[-1.2665997, -0.56045634, -0.05148948, 0.57833177]],
]


def seeds(*values: int) -> tf.Tensor:
    return tf.constant(values, tf.int64)


def test_latents_of_a_seed_are_the_same_on_every_machine() -> None:
    np.testing.assert_allclose(sampling.latents(seeds(*SEEDS), 4), LATENTS, atol=1e-6)


def test_noise_of_a_seed_is_the_same_on_every_machine() -> None:
    maps = sampling.noise(seeds(0), [(2, 2, 1)] * 2)
    assert [m.shape for m in maps] == [(1, 2, 2, 1)] * 2
    np.testing.assert_allclose(np.reshape(maps, (2, 1, 4)), NOISE, atol=1e-6)
    assert sampling.FIXED_NOISE == 0


@pytest.mark.parametrize("traced", [False, True])
def test_a_seed_draws_the_same_in_any_batch(traced: bool) -> None:
    def both(values: tf.Tensor) -> list[tf.Tensor]:
        return [sampling.latents(values, 16), *sampling.noise(values, SHAPES)]

    draw = both
    if traced:
        signature = [tf.TensorSpec((None,), tf.int64)]
        draw = tf.function(both, input_signature=signature)
    together = draw(seeds(*SEEDS))
    for i, seed in enumerate(SEEDS):
        for batch, alone in zip(together, both(seeds(seed)), strict=True):
            assert np.array_equal(batch[i : i + 1], alone)
    for ours, turned in zip(together, draw(seeds(*SEEDS[::-1])), strict=True):
        assert np.array_equal(ours[::-1], turned)


def test_shapes() -> None:
    assert sampling.latents(seeds(1, 2), 512).shape == (2, 512)
    maps = sampling.noise(seeds(1, 2), SHAPES)
    assert [tuple(m.shape) for m in maps] == [(2, *shape) for shape in SHAPES]
    assert {m.dtype for m in maps} == {tf.float32}


def test_a_lower_resolution_has_the_first_layers_noise() -> None:
    full, low = sampling.noise(seeds(3), SHAPES), sampling.noise(seeds(3), SHAPES[:2])
    assert all(np.array_equal(a, b) for a, b in zip(full, low, strict=False))


def test_neighbouring_seeds_draw_independent_normals() -> None:
    z = sampling.latents(tf.range(400, dtype=tf.int64), 256).numpy()
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.01
    n = z.size
    # Five standard errors of a mean and of a variance estimated from n values.
    assert abs(z.mean()) < 5 / n**0.5
    assert abs(z.var() - 1) < 5 * (2 / n) ** 0.5
    for other in (np.roll(z, 1, axis=0), np.roll(z, 1, axis=1)):
        assert abs((z * other).mean()) < 5 / n**0.5


def test_noise_is_normal_and_differs_from_layer_to_layer_and_from_the_latent() -> None:
    shape = (64, 64, 1)
    maps = sampling.noise(seeds(*range(8)), [shape] * 3)
    draws = [m.numpy().ravel() for m in maps]
    draws.append(sampling.latents(seeds(*range(8)), 64 * 64).numpy().ravel())
    for i, draw in enumerate(draws):
        assert stats.kstest(draw, "norm").pvalue > 0.01
        for other in draws[:i]:
            assert abs((draw * other).mean()) < 5 / draw.size**0.5


def test_uniform_latents_of_a_seed_are_the_same_on_every_machine() -> None:
    drawn = sampling.latents(seeds(*SEEDS), 4, "uniform")
    np.testing.assert_allclose(drawn, UNIFORM_LATENTS, atol=1e-6)
    for i, seed in enumerate(SEEDS):
        alone = sampling.latents(seeds(seed), 4, "uniform")
        assert np.array_equal(drawn[i : i + 1], alone)


def test_uniform_latents_fill_their_range() -> None:
    z = sampling.latents(tf.range(400, dtype=tf.int64), 256, "uniform").numpy()
    assert z.dtype == np.float32
    assert -1.0 <= z.min() < -0.9999
    assert 0.9999 < z.max() < 1.0
    assert stats.kstest(z.ravel(), "uniform", (-1, 2)).pvalue > 0.01
    for other in (np.roll(z, 1, axis=0), np.roll(z, 1, axis=1)):
        # Five standard errors: the product of two has the variance 1/9.
        assert abs((z * other).mean()) < 5 / 3 / z.size**0.5


def test_draws_do_not_depend_on_how_a_batch_is_divided() -> None:
    key = tf.constant([3, 4])
    assert set(sampling.DISTRIBUTIONS) == {"normal", "uniform"}
    for distribution in sampling.DISTRIBUTIONS:
        whole = sampling.draw([1, 6, 5], key, distribution)
        parts = sampling.draw([3, 2, 5], key, distribution)
        np.testing.assert_array_equal(np.reshape(parts, (1, 6, 5)), whole)
        again = sampling.draw([1, 6, 5], key + 1, distribution)
        assert np.abs(whole - again).max() > 0.1


def test_even_draws_become_normal_ones_cut_off_at_2() -> None:
    """Shares and deviation of N(0, 1) given that it is in [-2, 2]."""
    uniform = tf.random.stateless_uniform([200_000], [1, 2], -1.0, 1.0)
    drawn = sampling.truncated_normal(uniform).numpy()
    assert np.abs(drawn).max() <= 2.0
    assert abs(drawn.mean()) < 0.01
    assert drawn.std() == pytest.approx(0.8796, abs=0.005)
    # P(|x| < 1) = 0.6827 / 0.9545
    assert np.mean(np.abs(drawn) < 1) == pytest.approx(0.7152, abs=0.005)
    ends = sampling.truncated_normal(tf.constant([-1.0, 0.0]))
    np.testing.assert_allclose(ends, [-2.0, 0.0], rtol=1e-6)
