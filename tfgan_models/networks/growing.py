"""What ProGAN's and StyleGAN's networks share: progressive growing.

Every block exists from the start. A network runs at the requested resolution, using the
blocks up to it; while a new resolution is faded in, `alpha` goes from 0 to 1.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfgan_models.layers import (
    AverageDownsampling2D,
    Blur2D,
    EqualizedConv2D,
    EqualizedDense,
    MinibatchStdDev,
)
from tfgan_models.layers.tensors import Dtype, Tensor

LEAK = 0.2


def resolutions(resolution: int) -> list[int]:
    """Returns 4, 8, ... up to `resolution`, sides in pixels."""
    return [2**i for i in range(2, int(math.log2(resolution)) + 1)]


def features(resolution: int, fmap_base: int, fmap_max: int) -> int:
    """Returns the channels of the block at a resolution.

    Args:
        resolution: Side of the block's output in pixels.
        fmap_base: Channels are `2 * fmap_base / resolution` ...
        fmap_max: ... and never more than this.
    """
    return min(2 * fmap_base // resolution, fmap_max)


def check(
    resolution: int,
    smallest: int,
    fmap_base: int,
    fmap_max: int,
    label_size: int = 0,
    **sizes: int,
) -> None:
    """Raises ValueError for sizes out of range."""
    if resolution < smallest or resolution & (resolution - 1):
        raise ValueError(
            f"resolution must be a power of two and at least {smallest}. "
            f"Received: resolution={resolution}"
        )
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be 1 or more. Received: {name}={size}")
    if label_size < 0:
        raise ValueError(
            f"label_size must be 0 or more. Received: label_size={label_size}"
        )
    if features(resolution, fmap_base, fmap_max) < 1:
        raise ValueError(
            f"At {resolution} px fmap_base must be at least {resolution // 2} and "
            f"fmap_max at least 1. Received: fmap_base={fmap_base}, "
            f"fmap_max={fmap_max}"
        )


def check_labels(label_size: int, labels: Tensor) -> None:
    """Raises ValueError if labels are missing, or not supported."""
    if (labels is None) != (label_size == 0):
        raise ValueError(
            f"label_size={label_size}, so labels are "
            f"{'required' if label_size else 'not taken'}. Received: "
            f"labels={labels if labels is None else labels.shape}"
        )


def stage(resolution: int | None, full: int) -> int:
    """Returns the index of a resolution in the ladder; None: of the full one.

    Raises:
        ValueError: The resolution is not one of the ladder's.
    """
    ladder = resolutions(full)
    if resolution is None:
        return len(ladder) - 1
    if resolution not in ladder:
        raise ValueError(
            f"resolution must be one of {ladder}. Received: resolution={resolution}"
        )
    return ladder.index(resolution)


def check_grown(grown: int | None, resolution: int) -> None:
    """Raises ValueError unless `grown` is None or on the ladder to `resolution`."""
    if grown is not None and grown not in resolutions(resolution):
        raise ValueError(
            f"grown must be one of {resolutions(resolution)}. Received: grown={grown}"
        )


def leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2."""
    return ops.leaky_relu(x, LEAK)


def mix(old: Tensor, new: Tensor, alpha: float | Tensor) -> Tensor:
    """Returns `old` at alpha 0, `new` at 1, and interpolates between."""
    return old + (new - old) * ops.cast(alpha, new.dtype)


def is_whole(alpha: float | Tensor) -> bool:
    """Whether a fade is over: alpha is a Python 1.0, not a tensor."""
    return isinstance(alpha, float) and alpha == 1.0


def to_image(
    to_rgbs: Sequence[Tensor],
    upsampling: Tensor,
    last: int,
    x: Tensor,
    below: Tensor,
    alpha: float | Tensor,
) -> Tensor:
    """Returns a generator's image, float32, faded in from the next lower resolution.

    Args:
        to_rgbs: The last layer of each resolution.
        upsampling: Doubles height and width.
        last: The index of the resolution in the ladder.
        x: Its features.
        below: Those of the resolution below; unused if there is none.
        alpha: The fade-in of the resolution.
    """
    image = ops.cast(to_rgbs[last](x), "float32")
    if last == 0 or is_whole(alpha):
        return image
    old = ops.cast(upsampling(to_rgbs[last - 1](below)), "float32")
    return mix(old, image, alpha)


class GrowingDiscriminator(keras.Model):
    """The discriminator of ProGAN and StyleGAN, which differ in blur and head.

    At each resolution an image enters through a 1x1 convolution; two 3x3
    convolutions, the second one halving, lead to the next resolution; at 4x4 come the
    minibatch standard deviation, a convolution and two dense layers.

    Args:
        resolution: Of the full-size images, a power of two of at least 8.
        channels: Of the images.
        label_size: Classes; 0 for none.
        outputs: Outputs of the last dense layer.
        blur: Whether to blur before halving.
        fmap_base: See `features`.
        fmap_max: See `features`.
        group_size: See `MinibatchStdDev`.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.

    Raises:
        ValueError: A size is out of range.
    """

    def __init__(
        self,
        resolution: int,
        channels: int,
        label_size: int,
        outputs: int,
        blur: bool,
        fmap_base: int,
        fmap_max: int,
        group_size: int,
        name: str | None,
        dtype: Dtype,
        **kwargs: Any,
    ) -> None:
        check(resolution, 8, fmap_base, fmap_max, label_size, channels=channels)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        super().__init__(name=name, autocast=False, **kwargs)
        self.resolution = resolution
        self.channels = channels
        self.label_size = label_size
        self.fmap_base = fmap_base
        self.fmap_max = fmap_max
        self.group_size = group_size
        self.policy = policy
        ladder = resolutions(resolution)
        width = {r: features(r, fmap_base, fmap_max) for r in ladder}
        options = {"dtype": policy}
        self.from_rgbs = [
            EqualizedConv2D(width[r], 1, name=f"from_rgb_{r}", **options)
            for r in ladder
        ]
        self.convs = [
            EqualizedConv2D(width[r], 3, name=f"conv_{r}", **options)
            for r in ladder[1:]
        ]
        self.down_convs = [
            EqualizedConv2D(
                width[r // 2], 3, resample="down", name=f"down_conv_{r}", **options
            )
            for r in ladder[1:]
        ]
        self.blur = Blur2D(name="blur", **options) if blur else None
        self.downsampling = AverageDownsampling2D(name="downsampling", **options)
        self.stddev = MinibatchStdDev(group_size, name="stddev", **options)
        self.last_conv = EqualizedConv2D(width[4], 3, name="last_conv", **options)
        self.last_dense = EqualizedDense(
            min(fmap_base, fmap_max), name="last_dense", **options
        )
        self.score = EqualizedDense(outputs, gain=1.0, name="scores", **options)

        for side, from_rgb in zip(ladder, self.from_rgbs, strict=True):
            image = keras.Input((side, side, channels), name="image")
            from_rgb(image)
        self.body(image)
        self.built = True

    def body(
        self, images: Tensor, alpha: float | Tensor = 1.0, stddev: Tensor | None = None
    ) -> Tensor:
        """Returns the last dense layer's outputs, float32 [N, outputs].

        Args:
            images: [N, R, R, channels], R one of the resolutions.
            alpha: Fade-in of R, 0 to 1; a Python 1.0 skips the fade.
            stddev: A `MinibatchStdDev` to use; None: the network's own.
        """
        last = int(math.log2(images.shape[1])) - 2
        x = leaky_relu(self.from_rgbs[last](images))
        for i in range(last, 0, -1):
            x = leaky_relu(self.convs[i - 1](x))
            if self.blur is not None:
                x = self.blur(x)
            x = leaky_relu(self.down_convs[i - 1](x))
            if i == last and not is_whole(alpha):
                small = self.downsampling(images)
                x = mix(leaky_relu(self.from_rgbs[i - 1](small)), x, alpha)
        x = leaky_relu(self.last_conv((stddev or self.stddev)(x)))
        x = ops.reshape(x, (-1, 16 * x.shape[-1]))
        return ops.cast(self.score(leaky_relu(self.last_dense(x))), "float32")

    def check_images(self, images: Tensor) -> None:
        """Raises ValueError unless images are [N, R, R, channels] with a known R."""
        shape = tuple(images.shape)
        ladder = resolutions(self.resolution)
        if (
            len(shape) != 4
            or shape[1] not in ladder
            or shape[1] != shape[2]
            or shape[3] != self.channels
        ):
            raise ValueError(
                f"{type(self).__name__} takes images [N, R, R, {self.channels}] with R "
                f"one of {ladder}. Received: shape {shape}"
            )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "resolution": self.resolution,
            "channels": self.channels,
            "label_size": self.label_size,
            "fmap_base": self.fmap_base,
            "fmap_max": self.fmap_max,
            "group_size": self.group_size,
            "name": self.name,
            "dtype": self.policy.name,
        }
