"""ADA's pipeline: how often, how strongly, and to which images."""

import numpy as np
import pytest
import tensorflow as tf

from tests.augmentation.jacobian import check_gradients
from tfgan_models.augmentation import ada, color, geometry
from tfgan_models.augmentation.ada import Draws, color_matrices, geometry_maps

KEY = tf.constant([3, 14])
MANY = 20_000


def images(count: int, size: int = 8, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(size)
    return rng.uniform(-1, 1, (count, size, size, channels)).astype(np.float32)


def changed(result: tf.Tensor, before: np.ndarray) -> np.ndarray:
    """Which of the samples differ."""
    return np.any(np.asarray(result) != before, axis=(1, 2, 3))


def check_frequency(happened: np.ndarray, probability: float) -> None:
    """Four standard deviations either way: one key in 16 thousand would fail."""
    tolerance = 4 * np.sqrt(probability * (1 - probability) / happened.size)
    assert abs(happened.mean() - probability) < tolerance


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [4, 11, 32])
def test_probability_0_returns_the_images_to_the_bit(size: int, channels: int) -> None:
    batch = images(16, size, channels)
    call = tf.function(ada, autograph=False)
    np.testing.assert_array_equal(call(batch, tf.constant(0.0), KEY), batch)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_probability_1_changes_every_image(channels: int) -> None:
    batch = images(64, 8, channels)
    result = ada(batch, tf.constant(1.0), KEY)
    assert np.all(np.isfinite(result))
    assert changed(result, batch).all()


def test_every_image_changes_by_itself_and_the_key_decides_how() -> None:
    batch = np.repeat(images(1), 8, axis=0)
    p = tf.constant(1.0)
    result = ada(batch, p, KEY).numpy()
    assert len(np.unique(result.reshape(8, -1), axis=0)) == 8
    np.testing.assert_array_equal(result, ada(batch, p, KEY))
    assert changed(ada(batch, p, KEY + 1), result).all()
    # What an image becomes depends on its place alone, not on the others or how many,
    # but for the last digits, which may depend on how the sums are split.
    others = np.concatenate([batch[:3], images(2, 8)])
    np.testing.assert_allclose(ada(others, p, KEY)[:3], result[:3], atol=1e-5)


def test_one_key_is_one_set_of_transforms_for_reals_and_fakes() -> None:
    reals, fakes = images(16), images(16)[::-1] ** 2
    p = tf.constant(0.7)
    both = ada(reals, p, KEY) + ada(fakes, p, KEY)
    # Affine maps, and only one and the same, keep the middle in the middle.
    middle = ada((reals + fakes) / 2, p, KEY)
    np.testing.assert_allclose(both / 2, middle, atol=1e-5)
    other = ada(reals, p, KEY) + ada(fakes, p, KEY + 1)
    assert np.abs(other / 2 - middle).max() > 0.1


def test_is_its_maps_then_its_colours_then_a_cutout_of_half_the_side() -> None:
    batch, p = images(64), tf.constant(0.5)
    draws = Draws(KEY, 64)
    uncut = geometry.sample(batch, geometry_maps(draws, p, 8, 8))
    uncut = color.apply(uncut, color_matrices(draws, p, 3)).numpy()
    result = ada(batch, p, KEY).numpy()
    cut = np.all(result == 0, axis=-1)
    np.testing.assert_allclose(result, uncut * ~cut[..., None], atol=1e-6)
    rows, columns = cut.any(axis=2), cut.any(axis=1)
    np.testing.assert_array_equal(cut, rows[:, :, None] & columns[:, None, :])
    for sides in (rows.sum(axis=1), columns.sum(axis=1)):
        # Half of 8 pixels, or the half of it that a border leaves.
        assert set(sides[sides > 0]) == {2, 3, 4}
        assert 10 < np.count_nonzero(sides) < 54


def test_how_many_images_stay_as_they_are() -> None:
    p = 0.1
    batch = np.tile(images(1), (MANY // 4, 1, 1, 1))
    result = tf.function(ada, autograph=False)(batch, tf.constant(p), KEY)
    # Half of the mirrorings and luma flips and a quarter of the turns are none; three
    # quarters of translations by round(U(-1, 1)) pixels along both axes move.
    halves, quarters, always = (1 - p / 2) ** 2, (1 - 3 * p / 4) ** 2, 1 - p
    # Scale, rotation, aspect, translation; brightness, contrast, hue, saturation; cut.
    check_frequency(~changed(result, batch), halves * quarters * always**9)


@pytest.mark.parametrize("p", [0.2, 0.6])
def test_frequencies_and_strengths_of_geometry(p: float) -> None:
    maps = geometry_maps(Draws(KEY, MANY), tf.constant(p), 64, 64).numpy()
    linear, offset = maps[:, :2, :2].astype(np.float64), maps[:, :2, 2]
    determinant = np.linalg.det(linear)
    check_frequency(determinant < 0, p / 2)
    # Areas shrink by the square of the scale, which is 2 to the power of N(0, 0.2).
    scale = -0.5 * np.log2(np.abs(determinant))
    scaled = np.abs(scale) > 1e-4
    check_frequency(scaled, p)
    assert scale[scaled].std() == pytest.approx(0.2, rel=0.05)
    # Singular values lie apart by aspect squared on either side.
    stretch = np.linalg.svd(linear, compute_uv=False)
    aspect = 0.5 * np.log2(stretch[:, 0] / stretch[:, 1])
    stretched = aspect > 1e-4
    check_frequency(stretched, p)
    assert np.sqrt(np.mean(aspect[stretched] ** 2)) == pytest.approx(0.2, rel=0.05)
    # Without an arbitrary rotation two of the four entries are 0.
    check_frequency(np.all(np.abs(linear) > 1e-5, axis=(1, 2)), p)
    check_frequency(np.any(offset != 0, axis=1), 1 - (1 - p) * (1 - p * (1 - 1 / 256)))


def test_translations_have_the_papers_strengths() -> None:
    maps = geometry_maps(Draws(KEY, MANY), tf.constant(0.1), 64, 64).numpy()
    plain = np.all(maps[:, :2, :2] == np.eye(2), axis=(1, 2))
    offsets = maps[plain][:, :2, 2]
    whole = np.all(offsets == np.round(offsets), axis=1) & np.any(offsets, axis=1)
    assert whole.sum() > 500
    np.testing.assert_array_equal(offsets[whole].min(axis=0), [-8, -8])
    np.testing.assert_array_equal(offsets[whole].max(axis=0), [8, 8])
    fractional = offsets[np.any(offsets != np.round(offsets), axis=1)]
    # One in ten of these has a whole translation, of variance 64 / 3, on top.
    expected = np.sqrt(8**2 + 0.1 * 64 / 3)
    assert fractional.std() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("p", [0.2, 0.6])
def test_frequencies_and_strengths_of_colour(p: float) -> None:
    draws = Draws(KEY, MANY)
    matrices = color_matrices(draws, tf.constant(p), 3).numpy().astype(np.float64)
    rgb, offset = matrices[:, :3, :3], matrices[:, :3, 3]
    check_frequency(offset[:, 0] != 0, p)
    # Grey stays grey: its factor is that of contrast, and negative where luma flips.
    grey = rgb.sum(axis=-1)
    np.testing.assert_allclose(grey, grey[:, :1] * [[1, 1, 1]], rtol=1e-4)
    check_frequency(grey[:, 0] < 0, p / 2)
    contrast = np.log2(np.abs(grey[:, 0]))
    contrasted = np.abs(contrast) > 1e-5
    check_frequency(contrasted, p)
    assert contrast[contrasted].std() == pytest.approx(0.5, rel=0.05)
    # Chroma is multiplied by contrast and saturation, and turned by hue.
    red = rgb @ [1, 0, 0] - (rgb @ [1, 0, 0]).mean(axis=-1, keepdims=True)
    length = np.log2(np.linalg.norm(red, axis=-1) / np.sqrt(2 / 3)) - contrast
    saturated = np.abs(length) > 1e-4
    check_frequency(saturated, p)
    assert length[saturated].std() == pytest.approx(1.0, rel=0.05)
    angle = np.arctan2((red[:, 1] - red[:, 2]) / np.sqrt(2), red[:, 0] * np.sqrt(1.5))
    turned = np.abs(angle) > 1e-5
    check_frequency(turned, p)
    assert angle[turned].std() == pytest.approx(2 * np.pi / np.sqrt(12), rel=0.05)
    offset = offset[:, 0] / grey[:, 0]
    assert offset[offset != 0].std() == pytest.approx(0.2, rel=0.05)


def test_grey_images_spend_no_draws_on_hue() -> None:
    matrices = color_matrices(Draws(KEY, 100), tf.constant(1.0), 1).numpy()
    off_diagonal = matrices[:, 0, 1] - matrices[:, 0, 2]
    np.testing.assert_allclose(off_diagonal, 0.0, atol=1e-7)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: tf.DType) -> None:
    batch, p = tf.cast(images(8), dtype), tf.constant(0.8)
    result = ada(batch, p, KEY)
    assert result.dtype == dtype
    wide = ada(tf.cast(batch, tf.float32), p, KEY)
    np.testing.assert_array_equal(result, tf.cast(wide, dtype))


def test_the_number_of_images_may_be_unknown() -> None:
    spec = tf.TensorSpec([None, 8, 8, 3])
    call = tf.function(
        lambda x: ada(x, tf.constant(0.5), KEY),
        input_signature=[spec],
        autograph=False,
    )
    for count in (2, 5):
        expected = ada(images(count), tf.constant(0.5), KEY)
        np.testing.assert_allclose(call(images(count)), expected, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gradients_are_exact(channels: int) -> None:
    check_gradients(lambda x: ada(x, tf.constant(0.8), KEY), channels)
