"""A trained generator as functions, for the commands that generate images."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf

Label: TypeAlias = tf.Tensor | None
"""Classes, int64 [N], or None where there are none."""


@dataclasses.dataclass(frozen=True)
class _Generator:
    """The facts of every generator.

    Attributes:
        resolution: Side of the images in pixels; in mid-growth the one reached.
        channels: Of the images.
        latent_size: Of a latent.
        label_size: Classes; 0 for none.
        distribution: Of the latents, one of `sampling.DISTRIBUTIONS`.
    """

    resolution: int
    channels: int
    latent_size: int
    label_size: int
    distribution: str


@dataclasses.dataclass(frozen=True)
class LatentModel(_Generator):
    """A generator from latent to image without w: GAN to ProGAN.

    Attributes:
        draw: (latent [N, latent_size], label) -> images [N, R, R, channels].
    """

    draw: Callable[[tf.Tensor, Label], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class StyleModel(_Generator):
    """A generator with w: StyleGAN.

    Attributes:
        mapping: (latent [N, latent_size], label) -> w [N, D].
        synthesis: (ws [N, layers, D], noise maps [N, h, w, 1]) -> images
            [N, R, R, channels]; differentiable.
        w_avg: The average w, [D].
        layers: Style layers, including those that training has not grown to.
        noise_shapes: [h, w, 1] for each style layer up to `resolution`.
        kernels: Returns the kernel [D, 2C] of each style layer's affine function.
    """

    mapping: Callable[[tf.Tensor, Label], tf.Tensor]
    synthesis: Callable[[tf.Tensor, Sequence[tf.Tensor]], tf.Tensor]
    w_avg: np.ndarray
    layers: int
    noise_shapes: Sequence[tuple[int, int, int]]
    kernels: Callable[[], list[np.ndarray]]


Generator: TypeAlias = LatentModel | StyleModel


def compiled(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Traces a function, with float32 output."""

    @tf.function(autograph=False)
    def call(*arguments: tf.Tensor) -> tf.Tensor:
        return tf.cast(function(*arguments), tf.float32)

    return call
