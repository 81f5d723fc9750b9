"""The layers of StyleGAN and ProGAN in PyTorch: what our own must equal.

Written from the papers (arXiv:1812.04948, arXiv:1710.10196). As in the original,
resampling is fused into the convolution at 128 px and above only.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

FUSED_FROM = 128


def pixel_norm(x: Tensor) -> Tensor:
    """Divides every pixel's (or row's) features by their root mean square."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


def leaky_relu(x: Tensor) -> Tensor:
    """Returns x, or 0.2 x where that is negative."""
    return functional.leaky_relu(x, 0.2)


def upsample(x: Tensor) -> Tensor:
    """Repeats every pixel twice in both directions."""
    return functional.interpolate(x, scale_factor=2, mode="nearest")


def downsample(x: Tensor) -> Tensor:
    """Returns the means of 2x2 pixels."""
    return functional.avg_pool2d(x, 2)


def minibatch_stddev(x: Tensor, group_size: int = 4) -> Tensor:
    """Appends a map of the group's mean standard deviation to x [N, C, H, W]."""
    n, c, h, w = x.shape
    group = min(group_size, n)
    spread = x.reshape(group, n // group, c, h, w).var(dim=0, correction=0)
    deviation = (spread + 1e-8).sqrt().mean(dim=(1, 2, 3))
    maps = deviation.repeat(group).reshape(n, 1, 1, 1).expand(n, 1, h, w)
    return torch.cat([x, maps], dim=1)


class EqualizedConv2d(nn.Module):
    """A convolution with He's scale applied at run time, "same" padding.

    `resample` is "up" (pixels repeated before it), "down" (averaged after it) or None.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel_size: int = 3,
        gain: float = math.sqrt(2),
        bias: bool = True,
        resample: str | None = None,
    ) -> None:
        super().__init__()
        shape = (outputs, inputs, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = gain / math.sqrt(inputs * kernel_size**2)
        self.padding = kernel_size // 2
        self.resample = resample

    def forward(self, x: Tensor) -> Tensor:
        """Convolves x [N, C, H, W]."""
        kernel = self.weight * self.scale
        if self.resample == "up":
            if 2 * x.shape[-1] >= FUSED_FROM:
                kernel = _spread(kernel.flip(2, 3)).transpose(0, 1)
                return functional.conv_transpose2d(x, kernel, self.bias, 2, 1)
            x = upsample(x)
        if self.resample == "down":
            if x.shape[-1] >= FUSED_FROM:
                return functional.conv2d(x, _spread(kernel) / 4, self.bias, 2, 1)
            x = downsample(functional.conv2d(x, kernel, padding=self.padding))
            return x if self.bias is None else x + self.bias[:, None, None]
        return functional.conv2d(x, kernel, self.bias, padding=self.padding)


def _spread(kernel: Tensor) -> Tensor:
    """Returns the [4, 4] kernel: the [3, 3] one and a box of 2x2 ones in one."""
    padded = functional.pad(kernel, (1, 1, 1, 1))
    rows = padded[..., 1:, :] + padded[..., :-1, :]
    return rows[..., 1:] + rows[..., :-1]


class EqualizedLinear(nn.Module):
    """A dense layer with He's scale, and a learning rate of its own, at run time."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        gain: float = math.sqrt(2),
        lr_multiplier: float = 1.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = gain / math.sqrt(inputs) * lr_multiplier
        self.lr_multiplier = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """Maps x [N, inputs]."""
        bias = None if self.bias is None else self.bias * self.lr_multiplier
        return functional.linear(x, self.weight * self.scale, bias)


class Blur(nn.Module):
    """The filter [1, 2, 1] in both directions, zero padded."""

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("taps", torch.outer(taps, taps)[None, None], False)

    def forward(self, x: Tensor) -> Tensor:
        """Blurs x [N, C, H, W]."""
        channels = x.shape[1]
        kernel = self.taps.expand(channels, 1, 3, 3)
        return functional.conv2d(x, kernel, padding=1, groups=channels)
