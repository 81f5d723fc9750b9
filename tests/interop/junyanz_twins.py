"""The networks of pytorch-CycleGAN-and-pix2pix in PyTorch, with its tensors' names.

Written from its layer tables: a name is a place in a Sequential, so that places count,
also those of layers without weights.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
import torch
from torch import nn

from tfgan_models.errors import UsageError
from tfgan_models.interop import junyanz

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "instance": nn.InstanceNorm2d,
    "affine_instance": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "batch": nn.BatchNorm2d,
    "none": lambda channels: nn.Identity(),
}


def _biased(norm: str) -> bool:
    return norm in ("instance", "affine_instance")


class Sum(nn.Module):
    """A residual block: x + conv_block(x)."""

    def __init__(self, width: int, norm: str, dropout: bool, padding: str) -> None:
        super().__init__()
        halves = []
        for _ in range(2):
            pads = [nn.ReflectionPad2d(1)] if padding == "reflect" else []
            inside = 0 if pads else 1
            conv = nn.Conv2d(width, width, 3, 1, inside, bias=_biased(norm))
            halves.append([*pads, conv, NORMS[norm](width)])
        between = [nn.ReLU(), *([nn.Dropout(0.5)] if dropout else [])]
        self.conv_block = nn.Sequential(*halves[0], *between, *halves[1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Adds the block's result to x."""
        return x + self.conv_block(x)


class Resnet(nn.Module):
    """The resnet generator, [N, C, H, W] -> [N, C', H, W] in [-1, 1]."""

    def __init__(
        self,
        blocks: int,
        ngf: int = 4,
        norm: str = "instance",
        dropout: bool = False,
        channels: int = 3,
        outputs: int = 3,
        padding: str = "reflect",
    ) -> None:
        super().__init__()
        bias = _biased(norm)

        def stage(conv: nn.Module, width: int) -> list[nn.Module]:
            return [conv, NORMS[norm](width), nn.ReLU()]

        body: list[nn.Module] = [nn.ReflectionPad2d(3)]
        body += stage(nn.Conv2d(channels, ngf, 7, bias=bias), ngf)
        for width in (2 * ngf, 4 * ngf):
            body += stage(nn.Conv2d(width // 2, width, 3, 2, 1, bias=bias), width)
        body += [Sum(4 * ngf, norm, dropout, padding) for _ in range(blocks)]
        for width in (2 * ngf, ngf):
            up = nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1, bias=bias)
            body += stage(up, width)
        body += [nn.ReflectionPad2d(3), nn.Conv2d(ngf, outputs, 7), nn.Tanh()]
        self.model = nn.Sequential(*body)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Translates an image."""
        return self.model(x)


class Level(nn.Module):
    """A level of the U-Net, which holds the next one and hands its input on beside."""

    def __init__(self, layers: list[nn.Module], outermost: bool) -> None:
        super().__init__()
        self.outermost = outermost
        self.model = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what is inside, but at the outermost level beside x."""
        y = self.model(x)
        return y if self.outermost else torch.cat([x, y], dim=1)


class UNet(nn.Module):
    """The U-Net generator, [N, C, H, W] -> [N, C', H, W] in [-1, 1]."""

    def __init__(
        self,
        depth: int,
        ngf: int = 4,
        norm: str = "batch",
        dropout: bool = False,
        channels: int = 3,
        outputs: int = 3,
    ) -> None:
        super().__init__()
        bias, norms = _biased(norm), NORMS[norm]
        widths = [ngf * min(2**i, 8) for i in range(depth)]
        level: list[nn.Module] = []
        for i in range(depth - 1, 0, -1):
            outer, inner = widths[i - 1], widths[i]
            down = [nn.LeakyReLU(0.2), nn.Conv2d(outer, inner, 4, 2, 1, bias=bias)]
            if level:
                down.append(norms(inner))
            seen = 2 * inner if level else inner
            up = [nn.ReLU(), nn.ConvTranspose2d(seen, outer, 4, 2, 1, bias=bias)]
            # The three levels (of eight) between the innermost and those that widen.
            last = [nn.Dropout(0.5)] if dropout and 4 <= i < depth - 1 else []
            level = [Level([*down, *level, *up, norms(outer), *last], False)]
        first = nn.Conv2d(channels, ngf, 4, 2, 1, bias=bias)
        head = nn.ConvTranspose2d(2 * ngf, outputs, 4, 2, 1)
        self.model = Level([first, *level, nn.ReLU(), head, nn.Tanh()], True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Translates an image."""
        return self.model(x)


class Patch(nn.Module):
    """The n_layers discriminator (basic: 3), [N, C, H, W] -> logits [N, 1, h, w]."""

    def __init__(
        self, layers: int = 3, ndf: int = 4, norm: str = "instance", channels: int = 3
    ) -> None:
        super().__init__()
        body: list[nn.Module] = [nn.Conv2d(channels, ndf, 4, 2, 1), nn.LeakyReLU(0.2)]
        widths = [ndf * min(2**i, 8) for i in range(layers + 1)]
        for i in range(1, layers + 1):
            stride = 2 if i < layers else 1
            conv = nn.Conv2d(widths[i - 1], widths[i], 4, stride, 1, bias=_biased(norm))
            body += [conv, NORMS[norm](widths[i]), nn.LeakyReLU(0.2)]
        self.model = nn.Sequential(*body, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Judges patches."""
        return self.model(x)


class Pixel(nn.Module):
    """The pixel discriminator, [N, C, H, W] -> logits [N, 1, H, W]."""

    def __init__(self, ndf: int = 4, norm: str = "instance", channels: int = 3) -> None:
        super().__init__()
        bias = _biased(norm)
        self.net = nn.Sequential(
            nn.Conv2d(channels, ndf, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(ndf, 2 * ndf, 1, bias=bias),
            NORMS[norm](2 * ndf),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * ndf, 1, 1, bias=bias),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Judges pixels."""
        return self.net(x)


def trained(module: nn.Module, seed: int = 0) -> nn.Module:
    """Gives a network weights as after some training: nothing at its first value.

    Kernels keep the size of activations, so that a mistake anywhere shows.
    """
    draw = torch.Generator().manual_seed(seed)
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            # A residual block adds to what is there: nine of them would overflow tanh.
            power = 0.5 if ".conv_block." in name else 1.5
            taps = part.kernel_size[0] * part.kernel_size[1]
            if isinstance(part, nn.ConvTranspose2d):
                taps /= 4
            deviation = (power / (part.in_channels * taps)) ** 0.5
            part.weight.data.normal_(0, deviation, generator=draw)
            if part.bias is not None:
                part.bias.data.normal_(0, 0.2, generator=draw)
        elif isinstance(part, nn.BatchNorm2d | nn.InstanceNorm2d):
            for kind, value in part.state_dict().items():
                if kind in ("weight", "running_var"):
                    value.uniform_(0.5, 1.5, generator=draw)
                elif kind in ("bias", "running_mean"):
                    value.normal_(0, 0.3, generator=draw)
                else:
                    value.fill_(1234)
    return module


def with_old_statistics(module: nn.Module) -> dict[str, torch.Tensor]:
    """Returns a state dict with the running statistics of old instance norms."""
    state = module.state_dict()
    for name, part in module.named_modules():
        if isinstance(part, nn.InstanceNorm2d):
            state[f"{name}.running_mean"] = torch.full((part.num_features,), 3.0)
            state[f"{name}.running_var"] = torch.full((part.num_features,), 9.0)
    return state


def saved(twin: nn.Module, folder: Path, **options: Any) -> Path:
    """Writes a state dict as their training does."""
    path = folder / "latest_net_G.pth"
    torch.save(twin.state_dict(), path, **options)
    return path


def converted(path: Path, **options: Any) -> keras.Model:
    """Returns the one network that a file becomes."""
    (network,) = junyanz.load(path, **options).networks.values()
    return network


def refused(path: Path, **options: Any) -> str:
    """Returns the line with which a file is refused."""
    with pytest.raises(UsageError) as error:
        junyanz.load(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)
