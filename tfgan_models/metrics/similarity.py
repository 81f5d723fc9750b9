"""Similarity of images, by pixels and by windows.

Images are float [N, H, W, C] in [-1, 1]; a value for each image is returned.
"""

import functools

import numpy as np
import tensorflow as tf

from tfgan_models.errors import UsageError

_RANGE = 2.0
_WINDOW = 11
_DEVIATION = 1.5
_C1, _C2 = (0.01 * _RANGE) ** 2, (0.03 * _RANGE) ** 2
# Of red, green and blue, as in ITU-R BT.601 and MATLAB's rgb2ycbcr.
_LUMA = (65.481, 128.553, 24.966)
# Wang et al. 2003, "Multiscale structural similarity": the weight of each scale.
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def l1(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Returns the mean absolute difference in [0, 2], float64 [N]."""
    difference = np.asarray(images, np.float64) - np.asarray(truth, np.float64)
    return np.abs(difference).mean(axis=(1, 2, 3))


def psnr(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Returns the peak signal-to-noise ratio in dB, float64 [N]; inf if equal."""
    difference = np.asarray(images, np.float64) - np.asarray(truth, np.float64)
    error = np.square(difference).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return 10.0 * np.log10(_RANGE**2 / error)


def ssim(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Returns the structural similarity, at most 1, float64 [N].

    Wang et al. 2004: Gaussian windows of 11 px and standard deviation 1.5, K 0.01 and
    0.03, the mean over all windows inside the image and over channels.

    Raises:
        UsageError: The images are smaller than a window.
    """
    _check_size(images)
    similarity, _ = _structure(_pixels(images), _pixels(truth))
    return similarity.numpy().mean(axis=1)


def psnr_y(images: np.ndarray, truth: np.ndarray, border: int) -> np.ndarray:
    """Returns the PSNR in dB as in papers on super-resolution, float64 [N].

    Of the luma of 8-bit images, with 255 as the peak, without the border.

    Args:
        images: [N, H, W, 3], or grey: [N, H, W, 1].
        truth: The ground truth.
        border: Pixels left out at each side: the scale.

    Raises:
        UsageError: The images have other channels, or nothing but border.
    """
    return psnr(_luma(images, border), _luma(truth, border))


def ssim_y(images: np.ndarray, truth: np.ndarray, border: int) -> np.ndarray:
    """Returns the SSIM of the images compared by `psnr_y`, float64 [N].

    Raises:
        UsageError: See `psnr_y`; or the images are smaller than a window.
    """
    return ssim(_luma(images, border), _luma(truth, border))


def scales(height: int, width: int) -> int:
    """Returns the number of scales, 1 to 5, for MS-SSIM at a size."""
    smaller = min(height, width)
    return max(
        n
        for n in range(1, len(_SCALE_WEIGHTS) + 1)
        if n == 1 or smaller >> (n - 1) >= _WINDOW
    )


def ms_ssim(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the multi-scale structural similarity, 0 to 1, float64 [N].

    Five scales need 176 px. Smaller images get as many scales as their size allows
    (see `scales`), with those scales' weights normalised to sum to 1: values are
    comparable at the same image size only.

    Raises:
        UsageError: The images are smaller than a window.
    """
    _check_size(images)
    weights = _SCALE_WEIGHTS[: scales(*images.shape[1:3])]
    first, second = _pixels(images), _pixels(others)
    factors = []
    for scale, weight in enumerate(weights):
        if scale:
            first, second = (
                tf.nn.avg_pool2d(x, 2, 2, "VALID") for x in (first, second)
            )
        similarity, contrast = _structure(first, second)
        factor = similarity if scale == len(weights) - 1 else contrast
        # Below zero, if an image is the other's negative, the power is undefined.
        factors.append(tf.nn.relu(factor) ** (weight / sum(weights)))
    return functools.reduce(tf.multiply, factors).numpy().mean(axis=1)


def diversity(images: np.ndarray, seed: int = 0) -> tuple[float, int]:
    """Returns the mean MS-SSIM of random pairs of images, and the number of pairs.

    Lower is more diverse (Odena et al., arXiv:1610.09585). Every image is in one pair.

    Args:
        images: At least 2 images.
        seed: For the pairs.

    Raises:
        UsageError: The images are smaller than a window.
        ValueError: There are fewer than 2 images.
    """
    pairs = len(images) // 2
    if not pairs:
        raise ValueError(f"A pair needs 2 images. Received: {len(images)}")
    order = np.random.RandomState(seed).permutation(len(images))[: 2 * pairs]
    total = 0.0
    for start in range(0, pairs, 32):
        part = order[2 * start : 2 * (start + 32)]
        total += ms_ssim(images[part[::2]], images[part[1::2]]).sum()
    return float(total / pairs), pairs


def _luma(images: np.ndarray, border: int) -> np.ndarray:
    """ITU-R BT.601's luma, 16 to 235, mapped from 0..255 to [-1, 1]; [N, h, w, 1]."""
    height, width, channels = images.shape[1:]
    if channels not in (1, 3) or min(height, width) <= 2 * border:
        raise UsageError(
            f"Luma is compared for greyscale or RGB images larger than {2 * border} px "
            f"each way. Received: {height} x {width} x {channels}"
        )
    levels = np.clip(np.round((np.asarray(images, np.float64) + 1.0) * 127.5), 0, 255)
    inner = levels[:, border : height - border, border : width - border]
    weights = _LUMA if channels == len(_LUMA) else [sum(_LUMA)]
    luma = 16.0 + inner @ np.array(weights) / 255.0
    return luma[..., np.newaxis] / 127.5 - 1.0


def _structure(first: tf.Tensor, second: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns SSIM, and its factor of contrast and structure, each [N, C]."""
    mean_a, mean_b = _blur(first), _blur(second)
    variances = _blur(first**2) - mean_a**2 + _blur(second**2) - mean_b**2
    covariance = _blur(first * second) - mean_a * mean_b
    contrast = (2 * covariance + _C2) / (variances + _C2)
    light = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return (
        tf.reduce_mean(light * contrast, axis=(1, 2)),
        tf.reduce_mean(contrast, axis=(1, 2)),
    )


def _blur(images: tf.Tensor) -> tf.Tensor:
    """The Gaussian mean of every window that lies inside the image."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    taps = np.exp(-np.square(offsets) / (2 * _DEVIATION**2))
    kernel = np.tile(
        (taps / taps.sum())[:, None, None, None], (1, 1, images.shape[-1], 1)
    )
    rows = tf.nn.depthwise_conv2d(images, kernel, [1, 1, 1, 1], "VALID")
    columns = kernel.transpose(1, 0, 2, 3)
    return tf.nn.depthwise_conv2d(rows, columns, [1, 1, 1, 1], "VALID")


def _pixels(images: np.ndarray) -> tf.Tensor:
    """Values from 0 up, as SSIM's luminance needs them, in float64."""
    return tf.constant(np.asarray(images, np.float64) + 1.0)


def _check_size(images: np.ndarray) -> None:
    height, width = images.shape[1:3]
    if min(height, width) < _WINDOW:
        raise UsageError(
            f"SSIM needs images of at least {_WINDOW} x {_WINDOW} px. Received: "
            f"{height} x {width}"
        )
