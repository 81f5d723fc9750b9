"""StyleGAN and ProGAN in PyTorch: what our networks must equal and are timed against.

Written from the papers (arXiv:1812.04948, arXiv:1710.10196) and the hyperparameters
published with them. Images are [N, C, H, W] in [-1, 1], labels one-hot; resolutions are
powers of two from 4, and alpha fades the current one in.
"""

import itertools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.style_twin_layers import (
    Blur,
    EqualizedConv2d,
    EqualizedLinear,
    downsample,
    leaky_relu,
    minibatch_stddev,
    pixel_norm,
    upsample,
)

if TYPE_CHECKING:
    import keras

    from tfgan_models import networks


def width(stage: int, fmap_base: int, fmap_max: int) -> int:
    """Returns the feature maps of a stage; resolution 2**r is stage r - 1."""
    return min(fmap_base // 2**stage, fmap_max)


class Mapping(nn.Module):
    """Latents [N, latent_size] and labels to w [N, w_size]."""

    def __init__(
        self, latent_size: int, w_size: int, layers: int, label_size: int
    ) -> None:
        super().__init__()
        self.label_embedding = None
        inputs = latent_size
        if label_size:
            self.label_embedding = nn.Parameter(torch.randn(label_size, latent_size))
            inputs += latent_size
        self.denses = nn.ModuleList(
            EqualizedLinear(inputs if i == 0 else w_size, w_size, lr_multiplier=0.01)
            for i in range(layers)
        )

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Maps latent [N, latent_size], labels [N, label_size]."""
        if self.label_embedding is not None:
            latent = torch.cat([latent, labels @ self.label_embedding], dim=1)
        x = pixel_norm(latent)
        for dense in self.denses:
            x = leaky_relu(dense(x))
        return x


class StyleLayer(nn.Module):
    """Convolution (or None), noise, bias, leaky ReLU, instance norm, style."""

    def __init__(
        self, conv: EqualizedConv2d | None, channels: int, w_size: int
    ) -> None:
        super().__init__()
        self.conv = conv
        self.blur = Blur() if conv is not None and conv.resample else nn.Identity()
        self.noise_scale = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.affine = EqualizedLinear(w_size, 2 * channels, gain=1.0)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """Computes the layer from x, w [N, w_size] and noise [N, 1, H, W]."""
        if self.conv is not None:
            x = self.blur(self.conv(x))
        if noise is None:
            noise = x.new_empty(x.shape[0], 1, *x.shape[2:]).normal_()
        x = x + noise * self.noise_scale[:, None, None]
        x = leaky_relu(x + self.bias[:, None, None])
        x = functional.instance_norm(x, eps=1e-8)
        scale, offset = self.affine(w)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(offset, x, scale + 1)


class Synthesis(nn.Module):
    """Styles ws [N, num_layers, w_size] to images."""

    def __init__(
        self,
        resolution: int,
        channels: int = 3,
        w_size: int = 512,
        fmap_base: int = 8192,
        fmap_max: int = 512,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        levels = int(math.log2(resolution)) - 1
        widths = [width(j + 1, fmap_base, fmap_max) for j in range(levels)]
        self.num_layers = 2 * levels
        self.constant = nn.Parameter(torch.ones(1, widths[0], 4, 4))
        layers = []
        for j, c in enumerate(widths):
            up = None
            if j:
                up = EqualizedConv2d(widths[j - 1], c, bias=False, resample="up")
            same = EqualizedConv2d(c, c, bias=False)
            layers += [StyleLayer(up, c, w_size), StyleLayer(same, c, w_size)]
        self.layers = nn.ModuleList(layers)
        self.to_rgbs = nn.ModuleList(
            EqualizedConv2d(c, channels, 1, gain=1.0) for c in widths
        )

    def forward(
        self,
        ws: Tensor,
        noise: list[Tensor] | None = None,
        resolution: int | None = None,
        alpha: float = 1.0,
    ) -> Tensor:
        """Draws images of `resolution`; noise is one map [N, 1, h, w] a layer."""
        last = int(math.log2(resolution or self.resolution)) - 2
        maps = noise or [None] * self.num_layers
        x = self.constant.expand(ws.shape[0], -1, -1, -1)
        before = x
        for i in range(2 * last + 2):
            if i == 2 * last:
                before = x
            x = self.layers[i](x, ws[:, i], maps[i])
        return _faded_rgb(self.to_rgbs, last, before, x, alpha)


def _faded_rgb(
    to_rgbs: nn.ModuleList, last: int, before: Tensor, x: Tensor, alpha: float
) -> Tensor:
    image = to_rgbs[last](x)
    if last == 0 or alpha == 1:
        return image
    return torch.lerp(upsample(to_rgbs[last - 1](before)), image, alpha)


class StyleGenerator(nn.Module):
    """StyleGAN's generator, with the average w of training for truncation."""

    def __init__(
        self,
        resolution: int = 1024,
        channels: int = 3,
        label_size: int = 0,
        latent_size: int = 512,
        w_size: int = 512,
        mapping_layers: int = 8,
        fmap_base: int = 8192,
        fmap_max: int = 512,
    ) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.mapping = Mapping(latent_size, w_size, mapping_layers, label_size)
        self.synthesis = Synthesis(resolution, channels, w_size, fmap_base, fmap_max)
        self.register_buffer("w_avg", torch.zeros(w_size))

    def forward(
        self,
        latent: Tensor,
        labels: Tensor | None = None,
        noise: list[Tensor] | None = None,
        psi: float = 1.0,
        cutoff: int = 8,
        resolution: int | None = None,
        alpha: float = 1.0,
    ) -> Tensor:
        """Draws images; layers below `cutoff` are truncated by psi."""
        w = self.mapping(latent, labels)
        ws = w[:, None].repeat(1, self.synthesis.num_layers, 1)
        if psi != 1:
            ws[:, :cutoff] = torch.lerp(self.w_avg, ws[:, :cutoff], psi)
        return self.synthesis(ws, noise, resolution, alpha)


class _Discriminator(nn.Module):
    """The body of both discriminators: images to the last layer's outputs."""

    def __init__(
        self,
        outputs: int,
        blur: bool,
        resolution: int = 1024,
        channels: int = 3,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        group_size: int = 4,
    ) -> None:
        super().__init__()
        levels = int(math.log2(resolution)) - 1
        widths = [width(j + 1, fmap_base, fmap_max) for j in range(levels)]
        dense = width(0, fmap_base, fmap_max)
        self.group_size = group_size
        self.blur = Blur() if blur else nn.Identity()
        self.from_rgbs = nn.ModuleList(EqualizedConv2d(channels, c, 1) for c in widths)
        self.convs = nn.ModuleList(EqualizedConv2d(c, c) for c in widths[1:])
        self.down_convs = nn.ModuleList(
            EqualizedConv2d(c, below, resample="down")
            for below, c in itertools.pairwise(widths)
        )
        self.last_conv = EqualizedConv2d(widths[0] + 1, widths[0])
        self.last_dense = EqualizedLinear(16 * widths[0], dense)
        self.score = EqualizedLinear(dense, outputs, gain=1.0)

    def body(self, images: Tensor, alpha: float) -> Tensor:
        """Returns [N, outputs] for images of any resolution up to the full one."""
        last = int(math.log2(images.shape[-1])) - 2
        x = leaky_relu(self.from_rgbs[last](images))
        for j in range(last, 0, -1):
            x = leaky_relu(self.convs[j - 1](x))
            x = leaky_relu(self.down_convs[j - 1](self.blur(x)))
            if j == last and alpha != 1:
                faded = leaky_relu(self.from_rgbs[j - 1](downsample(images)))
                x = torch.lerp(faded, x, alpha)
        x = minibatch_stddev(x, self.group_size)
        x = leaky_relu(self.last_conv(x))
        return self.score(leaky_relu(self.last_dense(x.flatten(1))))


class StyleDiscriminator(_Discriminator):
    """StyleGAN's discriminator; with labels, one score a label, of which one counts."""

    def __init__(self, *, label_size: int = 0, **sizes: int) -> None:
        super().__init__(max(label_size, 1), blur=True, **sizes)

    def forward(
        self, images: Tensor, labels: Tensor | None = None, alpha: float = 1.0
    ) -> Tensor:
        """Returns the scores [N, 1]."""
        scores = self.body(images, alpha)
        return scores if labels is None else (scores * labels).sum(1, keepdim=True)


class ProgressiveDiscriminator(_Discriminator):
    """ProGAN's discriminator: no blur, and with labels AC-GAN's classifier."""

    def __init__(self, *, label_size: int = 0, **sizes: int) -> None:
        super().__init__(1 + label_size, blur=False, **sizes)

    def forward(
        self, images: Tensor, alpha: float = 1.0
    ) -> tuple[Tensor, Tensor | None]:
        """Returns the scores [N, 1] and the class logits [N, label_size], if any."""
        outputs = self.body(images, alpha)
        logits = outputs[:, 1:]
        return outputs[:, :1], logits if logits.shape[1] else None


class ProgressiveGenerator(nn.Module):
    """ProGAN's generator: every leaky ReLU is followed by pixel normalisation."""

    def __init__(
        self,
        resolution: int = 1024,
        channels: int = 3,
        label_size: int = 0,
        latent_size: int = 512,
        fmap_base: int = 8192,
        fmap_max: int = 512,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        levels = int(math.log2(resolution)) - 1
        widths = [width(j + 1, fmap_base, fmap_max) for j in range(levels)]
        self.first_dense = EqualizedLinear(
            latent_size + label_size, 16 * widths[0], math.sqrt(2) / 4, bias=False
        )
        self.first_bias = nn.Parameter(torch.zeros(widths[0]))
        convs = [EqualizedConv2d(widths[0], widths[0])]
        for before, c in itertools.pairwise(widths):
            convs += [EqualizedConv2d(before, c, resample="up"), EqualizedConv2d(c, c)]
        self.convs = nn.ModuleList(convs)
        self.to_rgbs = nn.ModuleList(
            EqualizedConv2d(c, channels, 1, gain=1.0) for c in widths
        )

    def forward(
        self,
        latent: Tensor,
        labels: Tensor | None = None,
        resolution: int | None = None,
        alpha: float = 1.0,
    ) -> Tensor:
        """Draws images of `resolution` from latent [N, latent_size]."""
        last = int(math.log2(resolution or self.resolution)) - 2
        if labels is not None:
            latent = torch.cat([latent, labels], dim=1)
        x = self.first_dense(pixel_norm(latent)).reshape(len(latent), -1, 4, 4)
        x = pixel_norm(leaky_relu(x + self.first_bias[:, None, None]))
        before = x
        for i in range(2 * last + 1):
            if i == 2 * last - 1:
                before = x
            x = pixel_norm(leaky_relu(self.convs[i](x)))
        return _faded_rgb(self.to_rgbs, last, before, x, alpha)


def copy_style_generator(
    network: "networks.StyleGenerator", twin: StyleGenerator
) -> None:
    """Copies the weights of our StyleGenerator."""
    mapping, synthesis = network.mapping, network.synthesis
    if mapping.label_embedding is not None:
        _assign(twin.mapping.label_embedding, mapping.label_embedding.kernel)
    _copy_all(mapping.denses, twin.mapping.denses)
    constant = synthesis.constant.constant.numpy()
    _assign(
        twin.synthesis.constant, constant.reshape(4, 4, -1).transpose(2, 0, 1)[None]
    )
    layers = list(twin.synthesis.layers)
    _copy_all(synthesis.convs, [layer.conv for layer in layers[1:]])
    _copy_all(
        [adain.affine for adain in synthesis.adains], [layer.affine for layer in layers]
    )
    for i, layer in enumerate(layers):
        _assign(layer.noise_scale, synthesis.noises[i].strengths())
        _assign(layer.bias, synthesis.biases[i].bias)
    _copy_all(synthesis.to_rgbs, twin.synthesis.to_rgbs)
    _assign(twin.w_avg, network.w_avg)


def copy_progressive_generator(
    network: "networks.ProgressiveGenerator", twin: ProgressiveGenerator
) -> None:
    """Copies the weights of our ProgressiveGenerator."""
    # Shaped into [4, 4, C] in ours, into [C, 4, 4] in the twin.
    kernel = network.first_dense.kernel.numpy()
    kernel = kernel.reshape(len(kernel), 4, 4, -1).transpose(3, 1, 2, 0)
    _assign(twin.first_dense.weight, kernel.reshape(-1, kernel.shape[-1]))
    _assign(twin.first_bias, network.first_bias.bias)
    _copy_all(network.convs, twin.convs)
    _copy_all(network.to_rgbs, twin.to_rgbs)


def copy_style_discriminator(
    network: "networks.StyleDiscriminator", twin: StyleDiscriminator
) -> None:
    """Copies the weights of our StyleDiscriminator."""
    _copy_discriminator(network, twin)


def copy_progressive_discriminator(
    network: "networks.ProgressiveDiscriminator", twin: ProgressiveDiscriminator
) -> None:
    """Copies the weights of our ProgressiveDiscriminator."""
    _copy_discriminator(network, twin)


def _copy_discriminator(
    network: "networks.ProgressiveDiscriminator | networks.StyleDiscriminator",
    twin: _Discriminator,
) -> None:
    for name in ("from_rgbs", "convs", "down_convs"):
        _copy_all(getattr(network, name), getattr(twin, name))
    _copy_all([network.last_conv, network.score], [twin.last_conv, twin.score])
    # Flattened from [4, 4, C] in ours, from [C, 4, 4] in the twin.
    kernel = network.last_dense.kernel.numpy()
    kernel = kernel.reshape(4, 4, -1, kernel.shape[-1]).transpose(3, 2, 0, 1)
    _assign(twin.last_dense.weight, kernel.reshape(len(kernel), -1))
    _assign(twin.last_dense.bias, network.last_dense.bias)


def _copy_all(sources: Iterable["keras.Layer"], targets: Iterable[nn.Module]) -> None:
    for source, target in zip(sources, targets, strict=True):
        kernel = source.kernel.numpy()
        # HWIO -> OIHW, and for dense layers [in, out] -> [out, in].
        axes = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
        _assign(target.weight, kernel.transpose(axes))
        if target.bias is not None:
            _assign(target.bias, source.bias)


def _assign(target: Tensor, value: "np.ndarray | keras.Variable") -> None:
    """Assigns an array, or a Keras variable's."""
    array = value if isinstance(value, np.ndarray) else value.numpy()
    if tuple(target.shape) != array.shape:
        raise ValueError(
            "a weight does not fit. Received: "
            f"{array.shape} in Keras, {tuple(target.shape)} in PyTorch"
        )
    target.data.copy_(torch.from_numpy(array.copy()))
