"""PSNR, SSIM and MS-SSIM against scikit-image and a version written here."""

import numpy as np
import pytest
import scipy.ndimage
import skimage.color
import skimage.data
import skimage.metrics

from tfgan_models.errors import UsageError
from tfgan_models.metrics import similarity


def photographs(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Two crops of a photograph and noisy versions of them, [2, S, S, 3]."""
    photo = skimage.data.astronaut() / 127.5 - 1.0
    clean = np.stack([photo[:size, 150 : 150 + size], photo[-size:, :size]])
    noise = np.random.default_rng(0).normal(0, 0.2, clean.shape)
    return clean, np.clip(clean + noise, -1, 1)


def test_l1_and_psnr_are_known() -> None:
    images = np.zeros((2, 16, 16, 3))
    others = np.stack([np.full((16, 16, 3), 0.5), np.zeros((16, 16, 3))])
    np.testing.assert_allclose(similarity.l1(images, others), [0.5, 0.0])
    expected = [10 * np.log10(4 / 0.25), np.inf]
    np.testing.assert_allclose(similarity.psnr(images, others), expected)


def test_psnr_and_ssim_equal_scikit_image() -> None:
    clean, noisy = photographs(64)
    psnr, ssim = similarity.psnr(noisy, clean), similarity.ssim(noisy, clean)
    for i in range(2):
        expected = skimage.metrics.peak_signal_noise_ratio(
            clean[i], noisy[i], data_range=2.0
        )
        assert psnr[i] == pytest.approx(expected, rel=1e-6)
        expected = skimage.metrics.structural_similarity(
            clean[i] + 1.0,  # SSIM's luminance is meant for values from 0 on
            noisy[i] + 1.0,
            data_range=2.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert 0.2 < ssim[i] < 0.95
        assert ssim[i] == pytest.approx(expected, rel=1e-6)


def reference_ms_ssim(a: np.ndarray, b: np.ndarray, weights: list[float]) -> float:
    """MS-SSIM of one channel, from its paper."""

    def blur(image: np.ndarray) -> np.ndarray:
        full = scipy.ndimage.gaussian_filter(image, 1.5, radius=5)
        return full[5:-5, 5:-5]

    product = 1.0
    for scale, weight in enumerate(weights):
        mean_a, mean_b = blur(a), blur(b)
        variances = blur(a * a) - mean_a**2 + blur(b * b) - mean_b**2
        covariance = blur(a * b) - mean_a * mean_b
        contrast = (2 * covariance + 0.06**2) / (variances + 0.06**2)
        light = (2 * mean_a * mean_b + 0.02**2) / (mean_a**2 + mean_b**2 + 0.02**2)
        last = scale == len(weights) - 1
        product *= (contrast * light if last else contrast).mean() ** weight
        a, b = (
            x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2).mean((1, 3))
            for x in (a, b)
        )
    return product


@pytest.mark.parametrize(("size", "count"), [(192, 5), (64, 3), (16, 1)])
def test_ms_ssim_equals_the_paper(size: int, count: int) -> None:
    clean, noisy = photographs(size)
    assert similarity.scales(size, size) == count
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:count])
    actual = similarity.ms_ssim(noisy, clean)
    for i in range(2):
        expected = np.mean(
            [
                reference_ms_ssim(
                    noisy[i, ..., c] + 1, clean[i, ..., c] + 1, weights / weights.sum()
                )
                for c in range(3)
            ]
        )
        assert actual[i] == pytest.approx(expected, rel=1e-6)


def test_diversity_tells_one_picture_from_many() -> None:
    clean, _ = photographs(32)
    same = np.repeat(clean[:1], 7, axis=0)
    value, pairs = similarity.diversity(same)
    assert pairs == 3
    assert value == pytest.approx(1.0)
    noise = np.random.default_rng(1).uniform(-1, 1, (80, 32, 32, 3))
    value, pairs = similarity.diversity(noise)
    assert pairs == 40
    assert value < 0.2


def test_diversity_is_the_mean_over_the_pairs_of_a_seed() -> None:
    clean, noisy = photographs(32)
    images = np.concatenate([clean, noisy])
    seen = {round(similarity.diversity(images, seed)[0], 9) for seed in range(12)}
    pairings = [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
    expected = {
        round(
            float(
                np.mean(
                    [
                        similarity.ms_ssim(images[[a]], images[[b]])[0]
                        for a, b in pairing
                    ]
                )
            ),
            9,
        )
        for pairing in pairings
    }
    assert seen <= expected
    assert len(seen) > 1


def test_refuses_images_smaller_than_a_window() -> None:
    images = np.zeros((2, 10, 16, 3))
    with pytest.raises(UsageError, match="Received: 10 x 16"):
        similarity.ssim(images, images)
    with pytest.raises(UsageError, match="Received: 10 x 16"):
        similarity.diversity(images)
    with pytest.raises(ValueError, match=r"needs 2 images\. Received: 1"):
        similarity.diversity(np.zeros((1, 16, 16, 3)))


@pytest.mark.parametrize("border", [0, 4])
def test_luma_is_compared_as_papers_on_super_resolution_do(border: int) -> None:
    clean, noisy = (
        np.round(x * 127.5 + 127.5).astype(np.uint8) for x in photographs(64)
    )
    # 8-bit levels are what is compared, whatever was made.
    images = noisy / 127.5 - 1.0 + 0.3 / 127.5
    truth = clean / 127.5 - 1.0
    psnr = similarity.psnr_y(images, truth, border)
    ssim = similarity.ssim_y(images, truth, border)
    inner = slice(border, 64 - border)
    for i in range(2):
        expected, made = (
            skimage.color.rgb2ycbcr(x[i])[inner, inner, 0] for x in (clean, noisy)
        )
        assert psnr[i] == pytest.approx(
            skimage.metrics.peak_signal_noise_ratio(expected, made, data_range=255),
            abs=1e-4,
        )
        assert ssim[i] == pytest.approx(
            skimage.metrics.structural_similarity(
                expected,
                made,
                data_range=255,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            ),
            abs=1e-3,
        )
    assert (psnr > similarity.psnr(images, truth) + 1).all()


def test_luma_of_grey_is_that_of_equal_channels() -> None:
    clean, noisy = (x[..., :1] for x in photographs(32))
    for function in (similarity.psnr_y, similarity.ssim_y):
        np.testing.assert_allclose(
            function(noisy, clean, 2),
            function(noisy.repeat(3, -1), clean.repeat(3, -1), 2),
            rtol=1e-9,
        )


@pytest.mark.parametrize("shape", [(1, 16, 16, 2), (1, 8, 16, 3)])
def test_luma_of_what_has_none_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"larger than 8 px each way\. Received: "):
        similarity.psnr_y(np.zeros(shape), np.zeros(shape), 4)
