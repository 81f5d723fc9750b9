"""rosinality/style-based-gan-pytorch's generator in PyTorch, to compare with.

Written from the facts of the newest version: the names and shapes of the parameters
and the order of the operations.
"""

import math

import torch
from torch import nn
from torch.nn import functional

Tensor = torch.Tensor


class Scaled(nn.Module):
    """A weight that is scaled at run time, with a gain of sqrt(2) in every layer."""

    def __init__(self, *shape: int, bias: bool = True) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None

    @property
    def weight(self) -> Tensor:
        """What is computed with."""
        return self.weight_orig * math.sqrt(2 / self.weight_orig[0].numel())


class Conv(nn.Module):
    """A convolution that keeps the size."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = Scaled(outputs, inputs, kernel, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Convolves [N, C, H, W]."""
        weight = self.conv.weight
        return functional.conv2d(
            x, weight, self.conv.bias, padding=weight.shape[-1] // 2
        )


class Linear(nn.Module):
    """A dense layer."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = Scaled(outputs, inputs)

    def forward(self, x: Tensor) -> Tensor:
        """Multiplies [N, D]."""
        return functional.linear(x, self.linear.weight, self.linear.bias)


class FusedUp(nn.Module):
    """Doubling and convolution in one transposed convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Doubles and convolves [N, C, H, W]."""
        fan_in = self.weight.shape[0] * 9
        w = functional.pad(self.weight * math.sqrt(2 / fan_in), [1, 1, 1, 1])
        w = w[..., 1:, 1:] + w[..., :-1, 1:] + w[..., 1:, :-1] + w[..., :-1, :-1]
        return functional.conv_transpose2d(x, w / 4, self.bias, stride=2, padding=1)


class Blur(nn.Module):
    """[1, 2, 1] x [1, 2, 1] / 16, kept in the state dict, and its flip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        weight = torch.outer(line, line).repeat(channels, 1, 1, 1)
        self.register_buffer("weight", weight)
        self.register_buffer("weight_flip", weight.flip(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Blurs [N, C, H, W]."""
        return functional.conv2d(x, self.weight, padding=1, groups=x.shape[1])


class Constant(nn.Module):
    """The input of the first block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, like: Tensor) -> Tensor:
        """Repeats it for each of `like` [N, ...]."""
        return self.input.repeat(len(like), 1, 1, 1)


class Noise(nn.Module):
    """The strengths of a noise, which are equalised too."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Adds noise [N, 1, H, W]."""
        return x + self.weight_orig * math.sqrt(2 / x.shape[1]) * noise


class Style(nn.Module):
    """Instance normalisation, then a scale and an offset from w."""

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.style = Linear(code, 2 * channels)
        self.style.linear.bias.data[:channels] = 1

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Styles [N, C, H, W] by w [N, code]."""
        gamma, beta = self.style(w)[:, :, None, None].chunk(2, 1)
        return gamma * functional.instance_norm(x, eps=1e-5) + beta


class Block(nn.Module):
    """The two style layers of a resolution."""

    def __init__(self, below: int | None, width: int, code: int, fused: bool) -> None:
        super().__init__()
        if below is None:
            self.conv1 = Constant(width)
        elif fused:
            self.conv1 = nn.Sequential(FusedUp(below, width), Blur(width))
        else:
            up = nn.Upsample(scale_factor=2, mode="nearest")
            self.conv1 = nn.Sequential(up, Conv(below, width), Blur(width))
        self.noise1, self.adain1 = Noise(width), Style(width, code)
        self.conv2 = Conv(width, width)
        self.noise2, self.adain2 = Noise(width), Style(width, code)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """Computes the block with one noise for both."""
        x = functional.leaky_relu(self.noise1(self.conv1(x), noise), 0.2)
        x = self.adain1(x, w)
        x = functional.leaky_relu(self.noise2(self.conv2(x), noise), 0.2)
        return self.adain2(x, w)


class Generator(nn.Module):
    """w to image, at any of the resolutions."""

    def __init__(
        self, widths: list[int], code: int, channels: int, fused_from: int
    ) -> None:
        super().__init__()
        below = [None, *widths[:-1]]
        self.progression = nn.ModuleList(
            Block(below[j], width, code, fused=4 << j >= fused_from)
            for j, width in enumerate(widths)
        )
        self.to_rgb = nn.ModuleList(Conv(width, channels, 1) for width in widths)

    def forward(self, w: Tensor, noise: list[Tensor]) -> Tensor:
        """Draws at the resolution of the last noise map."""
        x = w
        for block, maps in zip(self.progression, noise, strict=False):
            x = block(x, w, maps)
        return self.to_rgb[len(noise) - 1](x)


class StyledGenerator(nn.Module):
    """Latents to images."""

    def __init__(
        self,
        widths: list[int],
        code: int = 12,
        layers: int = 3,
        channels: int = 3,
        fused_from: int = 128,
    ) -> None:
        super().__init__()
        self.generator = Generator(widths, code, channels, fused_from)
        parts: list[nn.Module] = [nn.Identity()]
        for _ in range(layers):
            parts += [Linear(code, code), nn.LeakyReLU(0.2)]
        self.style = nn.Sequential(*parts)

    def map(self, latents: Tensor) -> Tensor:
        """Returns w [N, code]."""
        square = (latents**2).mean(1, keepdim=True)
        return self.style(latents / torch.sqrt(square + 1e-8))

    def forward(
        self,
        latents: Tensor,
        noise: list[Tensor],
        mean: Tensor | None = None,
        weight: float = 1.0,
    ) -> Tensor:
        """Draws, with every style drawn towards `mean` if that is given."""
        w = self.map(latents)
        if mean is not None:
            w = mean + weight * (w - mean)
        return self.generator(w, noise)


def train(twin: StyledGenerator, blocks: int) -> StyledGenerator:
    """Moves what starts at 0 or 1 in the first blocks, as training would."""
    generator = torch.Generator().manual_seed(1)
    parts = [*twin.generator.progression[:blocks], *twin.generator.to_rgb[:blocks]]
    with torch.no_grad():
        for part in [*parts, twin.style]:
            for name, parameter in part.named_parameters():
                if "noise" in name or "bias" in name:
                    noise = torch.randn(parameter.shape, generator=generator)
                    parameter += 0.3 * noise
    return twin
