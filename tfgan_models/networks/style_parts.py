"""The two halves of StyleGAN's generator (Karras et al., arXiv:1812.04948)."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfgan_models.layers import (
    AdaIN,
    Blur2D,
    ChannelBias,
    EqualizedConv2D,
    EqualizedDense,
    LearnedConstant,
    NearestUpsampling2D,
    NoiseInjection,
    PixelNormalization,
)
from tfgan_models.layers.tensors import Dtype, Tensor
from tfgan_models.networks import growing
from tfgan_models.networks.arguments import arguments
from tfgan_models.networks.growing import leaky_relu


@keras.saving.register_keras_serializable(package="tfgan_models")
class StyleMapping(keras.Model):
    """Latent z to w: a normalised latent through dense layers with a low learning rate.

    Args:
        latent_size: Of z.
        w_size: Of w and of every layer.
        layers: Dense layers; 8 in the paper.
        label_size: Classes; above 0 an embedding of the label is appended to z.
        lr_multiplier: Learning rate relative to the rest of the network.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "latent" [N, latent_size] and labels, one-hot [N, label_size], where there
    are any; output w, float32 [N, w_size].
    """

    def __init__(
        self,
        latent_size: int = 512,
        w_size: int = 512,
        layers: int = 8,
        label_size: int = 0,
        lr_multiplier: float = 0.01,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        if min(latent_size, w_size, layers) < 1 or label_size < 0:
            raise ValueError(
                "latent_size, w_size and layers must be 1 or more and label_size 0 or "
                f"more. Received: latent_size={latent_size}, w_size={w_size}, "
                f"layers={layers}, label_size={label_size}"
            )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        super().__init__(name=name, autocast=False, **kwargs)
        self.latent_size = latent_size
        self.w_size = w_size
        self.label_size = label_size
        self.lr_multiplier = lr_multiplier
        self.policy = policy
        self.normalization = PixelNormalization(dtype=policy, name="normalization")
        self.label_embedding = None
        if label_size:
            self.label_embedding = keras.layers.Dense(
                latent_size,
                use_bias=False,
                kernel_initializer=keras.initializers.RandomNormal(0.0, 1.0),
                dtype=policy,
                name="label_embedding",
            )
        self.denses = [
            EqualizedDense(
                w_size, lr_multiplier=lr_multiplier, dtype=policy, name=f"dense_{i}"
            )
            for i in range(layers)
        ]
        self.call(
            keras.Input((latent_size,), name="latent"),
            keras.Input((label_size,), name="labels") if label_size else None,
        )
        self.built = True

    def call(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Maps `latent` [N, latent_size], and one-hot `labels`, to w [N, w_size].

        Raises:
            ValueError: Labels are missing, or not supported.
        """
        growing.check_labels(self.label_size, labels)
        x = latent
        if self.label_embedding is not None:
            embedded = self.label_embedding(labels)
            x = ops.concatenate([ops.cast(latent, embedded.dtype), embedded], axis=-1)
        x = self.normalization(x)
        for dense in self.denses:
            x = leaky_relu(dense(x))
        return ops.cast(x, "float32")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, StyleMapping, layers=len(self.denses))


@keras.saving.register_keras_serializable(package="tfgan_models")
class StyleSynthesis(keras.Model):
    """One w per style layer to an image, from a learned constant upwards.

    There are two style layers at each resolution from 4 to `resolution`; each adds
    noise and a bias, then leaky ReLU, then AdaIN. It is preceded by a 3x3 convolution
    (except for the first), which in the first of each resolution doubles height and
    width and is blurred.

    Args:
        resolution: Side of the images, a power of two of at least 8.
        channels: Of the images.
        w_size: Of each w.
        fmap_base: Channels at resolution R are `2 * fmap_base / R` ...
        fmap_max: ... and never more than this.
        grown: The resolution that training has reached, at which images are generated;
            None: the full one.
        noise_lr_multiplier: Learning rate of the noise's strengths relative to the rest
            of the network; 1 in the paper.
        norm_epsilon: Added to the variance that `AdaIN` divides by.
        bias_before_blur: Whether the bias of the doubling convolutions is added before
            the blur, which darkens it at the border, instead of after the noise as in
            the paper. Some PyTorch implementations do.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "ws" [N, num_layers, w_size]; output float32 [N, R, R, channels], about
    [-1, 1] and not bounded.

    Attributes:
        num_layers: Style layers, 2 log2(resolution) - 2.

    Raises:
        ValueError: A size is out of range.
    """

    def __init__(
        self,
        resolution: int = 1024,
        channels: int = 3,
        w_size: int = 512,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        grown: int | None = None,
        noise_lr_multiplier: float = 1.0,
        norm_epsilon: float = 1e-8,
        bias_before_blur: bool = False,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        growing.check(
            resolution, 8, fmap_base, fmap_max, channels=channels, w_size=w_size
        )
        growing.check_grown(grown, resolution)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        super().__init__(name=name, autocast=False, **kwargs)
        self.resolution = resolution
        self.channels = channels
        self.w_size = w_size
        self.fmap_base = fmap_base
        self.fmap_max = fmap_max
        self.grown = grown or resolution
        self.noise_lr_multiplier = noise_lr_multiplier
        self.norm_epsilon = norm_epsilon
        self.bias_before_blur = bias_before_blur
        self.policy = policy
        self.num_layers = num_layers(resolution)
        self._make_layers()
        ws = keras.Input((self.num_layers, w_size), name="ws")
        for side in growing.resolutions(resolution):
            noise = [keras.Input(shape) for shape in self.noise_shapes(side)]
            self.call(ws, noise, resolution=side)
        self.built = True

    def _make_layers(self) -> None:
        options = {"dtype": self.policy}
        ladder = growing.resolutions(self.resolution)
        widths = [growing.features(r, self.fmap_base, self.fmap_max) for r in ladder]
        self.constant = LearnedConstant((4, 4, widths[0]), name="constant", **options)
        # convs[i] precedes style layer i + 1.
        self.convs = [
            EqualizedConv2D(
                widths[i // 2],
                3,
                use_bias=False,
                resample=None if i % 2 else "up",
                name=f"conv_{i}",
                **options,
            )
            for i in range(1, self.num_layers)
        ]
        self.blur = Blur2D(name="blur", **options)
        numbers = range(self.num_layers)
        self.noises = [
            NoiseInjection(
                self.noise_lr_multiplier, name=f"noise_injection_{i}", **options
            )
            for i in numbers
        ]
        self.biases = [ChannelBias(name=f"bias_{i}", **options) for i in numbers]
        self.adains = [
            AdaIN(self.norm_epsilon, name=f"adain_{i}", **options) for i in numbers
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
        ws: Tensor,
        noise: Sequence[Tensor] | None = None,
        resolution: int | None = None,
        alpha: float | Tensor = 1.0,
    ) -> Tensor:
        """Generates images.

        Args:
            ws: [N, num_layers, w_size].
            noise: A map per style layer (see `noise_shapes`); None for none.
            resolution: The side to stop at; None: `grown`.
            alpha: Fade-in of that resolution, 0 to 1; a Python 1.0 skips
                the fade.

        Returns:
            float32 [N, resolution, resolution, channels].

        Raises:
            ValueError: The resolution is not one of the network's.
        """
        last = growing.stage(resolution or self.grown, self.resolution)
        x = below = self._style(self.constant(ws), 0, ws, noise)
        for i in range(1, 2 * last + 2):
            if i == 2 * last:
                below = x
            x = self.convs[i - 1](x)
            if i % 2 == 0:
                x = self.blur(self.biases[i](x) if self.bias_before_blur else x)
            x = self._style(x, i, ws, noise)
        return growing.to_image(self.to_rgbs, self.upsampling, last, x, below, alpha)

    def _style(
        self, x: Tensor, i: int, ws: Tensor, noise: Sequence[Tensor] | None
    ) -> Tensor:
        """Style layer i: noise, bias, leaky ReLU, AdaIN."""
        if noise is not None:
            x = self.noises[i](x, noise[i])
        is_blurred = i > 0 and i % 2 == 0
        if not (self.bias_before_blur and is_blurred):
            x = self.biases[i](x)
        return self.adains[i](leaky_relu(x), ws[:, i])

    def noise_shapes(self, resolution: int | None = None) -> list[tuple[int, int, int]]:
        """Returns the shape [h, w, 1] of each style layer's noise map.

        Args:
            resolution: The side of the images; None: `grown`.
        """
        count = num_layers(resolution or self.grown)
        return [(2 ** (i // 2 + 2), 2 ** (i // 2 + 2), 1) for i in range(count)]

    def noise_inputs(self) -> list[Tensor]:
        """Returns a `keras.Input` per style layer's noise: "noise_0", ..."""
        return [
            keras.Input(shape, name=f"noise_{i}")
            for i, shape in enumerate(self.noise_shapes())
        ]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, StyleSynthesis)


def num_layers(resolution: int) -> int:
    """Returns the number of style layers up to a resolution: two per resolution."""
    return 2 * int(math.log2(resolution)) - 2
