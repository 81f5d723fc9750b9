"""ProGAN's networks (Karras et al., arXiv:1710.10196)."""

import math
from typing import Any

import keras
from keras import layers, ops

from tfgan_models.layers import (
    ChannelBias,
    EqualizedConv2D,
    EqualizedDense,
    NearestUpsampling2D,
    PixelNormalization,
)
from tfgan_models.layers.tensors import Dtype, Tensor
from tfgan_models.networks import growing
from tfgan_models.networks.arguments import arguments
from tfgan_models.networks.growing import GrowingDiscriminator, leaky_relu


@keras.saving.register_keras_serializable(package="tfgan_models")
class ProgressiveGenerator(keras.Model):
    """Latent to image: 4x4, then two 3x3 convolutions per doubling.

    Leaky ReLU and pixel normalisation follow every convolution. 23,079,115 trainable
    parameters with the defaults.

    Args:
        resolution: Side of the images, a power of two of at least 8.
        channels: Of the images.
        label_size: Classes; above 0 the one-hot label is appended to the latent.
        latent_size: Of the latent.
        fmap_base: Channels at resolution R are `2 * fmap_base / R` ...
        fmap_max: ... and never more than this.
        grown: The resolution that training has reached, at which images are generated;
            None: the full one.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "latent" [N, latent_size], N(0, 1); output float32 [N, R, R, channels], about
    [-1, 1] and not bounded.

    Raises:
        ValueError: A size is out of range.
    """

    smallest_resolution = 4

    def __init__(
        self,
        resolution: int = 1024,
        channels: int = 3,
        label_size: int = 0,
        latent_size: int = 512,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        grown: int | None = None,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        growing.check(
            resolution,
            8,
            fmap_base,
            fmap_max,
            label_size,
            channels=channels,
            latent_size=latent_size,
        )
        growing.check_grown(grown, resolution)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        super().__init__(name=name, autocast=False, **kwargs)
        self.resolution = resolution
        self.channels = channels
        self.label_size = label_size
        self.latent_size = latent_size
        self.fmap_base = fmap_base
        self.fmap_max = fmap_max
        self.grown = grown or resolution
        self.policy = policy
        self._make_layers()
        latent = keras.Input((latent_size,), name="latent")
        labels = keras.Input((label_size,), name="labels") if label_size else None
        for side in growing.resolutions(resolution):
            self.call(latent, labels, resolution=side)
        self.built = True

    def _make_layers(self) -> None:
        options = {"dtype": self.policy}
        ladder = growing.resolutions(self.resolution)
        widths = [growing.features(r, self.fmap_base, self.fmap_max) for r in ladder]
        self.normalization = PixelNormalization(name="normalization", **options)
        self.first_dense = EqualizedDense(
            16 * widths[0],
            gain=math.sqrt(2.0) / 4,  # as for a 4x4 convolution of the latent
            use_bias=False,
            name="first_dense",
            **options,
        )
        self.first_bias = ChannelBias(name="first_bias", **options)
        self.convs = [EqualizedConv2D(widths[0], 3, name="conv_4", **options)]
        for side, width in zip(ladder[1:], widths[1:], strict=True):
            self.convs += [
                EqualizedConv2D(
                    width, 3, resample="up", name=f"up_conv_{side}", **options
                ),
                EqualizedConv2D(width, 3, name=f"conv_{side}", **options),
            ]
        self.to_rgbs = [
            EqualizedConv2D(
                self.channels, 1, gain=1.0, name=f"to_rgb_{side}", **options
            )
            for side in ladder
        ]
        self.upsampling = NearestUpsampling2D(name="upsampling", **options)

    def call(
        self,
        latent: Tensor,
        labels: Tensor | None = None,
        resolution: int | None = None,
        alpha: float | Tensor = 1.0,
    ) -> Tensor:
        """Generates images.

        Args:
            latent: [N, latent_size].
            labels: One-hot [N, label_size], if there are classes.
            resolution: The side to stop at; None: `grown`.
            alpha: Fade-in of that resolution, 0 to 1; a Python 1.0 skips
                the fade.

        Returns:
            float32 [N, resolution, resolution, channels].

        Raises:
            ValueError: Labels are missing, or not supported, or the
                resolution is not one of the network's.
        """
        growing.check_labels(self.label_size, labels)
        last = growing.stage(resolution or self.grown, self.resolution)
        x = latent
        if labels is not None:
            x = ops.concatenate([latent, ops.cast(labels, latent.dtype)], axis=-1)
        x = self.first_dense(self.normalization(x))
        x = ops.reshape(x, (-1, 4, 4, x.shape[-1] // 16))
        x = self._activate(self.first_bias(x))
        x = below = self._activate(self.convs[0](x))
        for i in range(1, last + 1):
            below = x
            x = self._activate(self.convs[2 * i - 1](x))
            x = self._activate(self.convs[2 * i](x))
        return growing.to_image(self.to_rgbs, self.upsampling, last, x, below, alpha)

    def _activate(self, x: Tensor) -> Tensor:
        return self.normalization(leaky_relu(x))

    def functional(self) -> keras.Model:
        """Returns a functional model on the same layers, for export.

        Its inputs, by name: "latent" [N, latent_size] and, if there are classes,
        "labels" [N, label_size].
        """
        inputs = {"latent": keras.Input((self.latent_size,), name="latent")}
        if self.label_size:
            inputs["labels"] = keras.Input((self.label_size,), name="labels")
        image = self.call(inputs["latent"], inputs.get("labels"))
        image = layers.Activation("linear", dtype="float32", name="image")(image)
        return keras.Model(inputs, image, name=self.name)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, ProgressiveGenerator)


@keras.saving.register_keras_serializable(package="tfgan_models")
class ProgressiveDiscriminator(GrowingDiscriminator):
    """ProGAN's discriminator, which with classes also predicts the label (AC-GAN).

    23,087,249 parameters with the defaults.

    Args:
        resolution: Of the full-size images, a power of two of at least 8.
        channels: Of the images.
        label_size: Classes; 0 for none.
        fmap_base: See `ProgressiveGenerator`.
        fmap_max: See `ProgressiveGenerator`.
        group_size: See `MinibatchStdDev`.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "image" [N, R, R, channels] in [-1, 1], R any power of two from 4 to
    `resolution`; output: scores, float32 [N, 1], and logits of the classes
    [N, label_size].
    """

    def __init__(
        self,
        resolution: int = 1024,
        channels: int = 3,
        label_size: int = 0,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        group_size: int = 4,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            resolution,
            channels,
            label_size,
            outputs=1 + label_size,
            blur=False,
            fmap_base=fmap_base,
            fmap_max=fmap_max,
            group_size=group_size,
            name=name,
            dtype=dtype,
            **kwargs,
        )

    def call(
        self, images: Tensor, alpha: float | Tensor = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Scores images.

        Args:
            images: [N, R, R, channels].
            alpha: Fade-in of R, 0 to 1; a Python 1.0 skips the fade.

        Returns:
            Scores [N, 1], higher is more real, and class logits [N, label_size],
            float32.
        """
        self.check_images(images)
        outputs = self.body(images, alpha)
        return outputs[:, :1], outputs[:, 1:]
