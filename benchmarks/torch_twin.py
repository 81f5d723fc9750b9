"""The networks and the CycleGAN training step in PyTorch: what ours must equal.

Written from the papers (arXiv:1703.10593, arXiv:1611.07004) and their published layer
tables: the yardstick of the parity tests and of the speed benchmark. Images are
[N, C, H, W] in [-1, 1]. Dropout is left out: parity is measured at inference.
"""

import itertools
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    import keras
    import numpy as np

BETAS = (0.5, 0.999)
LEARNING_RATE = 2e-4
CYCLE_WEIGHT = 10.0
IDENTITY_WEIGHT = 0.5


def _norm(norm: str, channels: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "none":
        return nn.Identity()
    return nn.InstanceNorm2d(channels, affine=norm == "affine_instance")


def _resize_conv(inputs: int, outputs: int, bias: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect", bias=bias),
    )


class ResidualBlock(nn.Module):
    """x + (two reflection-padded 3x3 convolutions)."""

    def __init__(self, channels: int, norm: str) -> None:
        super().__init__()
        reflect: dict[str, Any] = {"padding": 1, "padding_mode": "reflect"}
        bias = norm != "batch"
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, bias=bias, **reflect),
            _norm(norm, channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, bias=bias, **reflect),
            _norm(norm, channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns x + body(x)."""
        return x + self.body(x)


def resnet_generator(
    filters: int = 64,
    residual_blocks: int = 9,
    channels: int = 3,
    output_channels: int | None = None,
    norm: str = "instance",
    upsampling: str = "transposed",
) -> nn.Sequential:
    """Returns CycleGAN's generator; arguments as in our ResNetGenerator."""
    bias = norm != "batch"

    def stage(convolution: nn.Module, width: int) -> list[nn.Module]:
        return [convolution, _norm(norm, width), nn.ReLU(inplace=True)]

    f = filters
    stem = nn.Conv2d(channels, f, 7, padding=3, padding_mode="reflect", bias=bias)
    body = stage(stem, width=f)
    for width in (2 * f, 4 * f):
        down = nn.Conv2d(width // 2, width, 3, 2, padding=1, bias=bias)
        body += stage(down, width=width)
    body += [ResidualBlock(4 * f, norm) for _ in range(residual_blocks)]
    for width in (2 * f, f):
        if upsampling == "resize":
            up = _resize_conv(2 * width, width, bias)
        else:
            up = nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1, bias=bias)
        body += stage(up, width=width)
    head = nn.Conv2d(
        f, output_channels or channels, 7, padding=3, padding_mode="reflect"
    )
    return nn.Sequential(*body, head, nn.Tanh())


class UNetGenerator(nn.Module):
    """pix2pix's generator; arguments as in our UNetGenerator."""

    def __init__(
        self,
        downsamplings: int = 8,
        filters: int = 64,
        channels: int = 3,
        output_channels: int | None = None,
        norm: str = "batch",
        upsampling: str = "transposed",
    ) -> None:
        super().__init__()
        bias = norm != "batch"

        def upsample(inputs: int, outputs: int, bias: bool) -> nn.Module:
            if upsampling == "resize":
                return _resize_conv(inputs, outputs, bias)
            return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=bias)

        widths = [filters * min(2**i, 8) for i in range(downsamplings)]
        downs = [nn.Conv2d(channels, widths[0], 4, 2, 1, bias=bias)]
        for i in range(1, downsamplings):
            inner = norm if i < downsamplings - 1 else "none"
            downs.append(
                nn.Sequential(
                    nn.LeakyReLU(0.2),
                    nn.Conv2d(widths[i - 1], widths[i], 4, 2, 1, bias=bias),
                    _norm(inner, widths[i]),
                )
            )
        ups = []
        for i in reversed(range(1, downsamplings)):
            inputs = widths[i] * (1 if i == downsamplings - 1 else 2)
            ups.append(
                nn.Sequential(
                    nn.ReLU(),
                    upsample(inputs, widths[i - 1], bias),
                    _norm(norm, widths[i - 1]),
                )
            )
        self.downs = nn.ModuleList(downs)
        self.ups = nn.ModuleList(ups)
        outputs = output_channels or channels
        # With resizing, two convolutions at full size see the image as well.
        self.sees_image = upsampling == "resize"
        if self.sees_image:
            seen = 2 * widths[0] + channels
            self.head = nn.Sequential(
                nn.Conv2d(seen, filters, 3, padding=1, padding_mode="reflect"),
                nn.ReLU(),
                nn.Conv2d(filters, outputs, 3, padding=1, padding_mode="reflect"),
                nn.Tanh(),
            )
        else:
            self.head = nn.Sequential(
                nn.ReLU(), upsample(2 * widths[0], outputs, True), nn.Tanh()
            )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Translates image [N, C, H, W]."""
        x = image
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        skips.pop()
        for up in self.ups:
            x = torch.cat([skips.pop(), up(x)], dim=1)
        if self.sees_image:
            x = nn.functional.interpolate(x.relu(), scale_factor=2, mode="nearest")
            x = torch.cat([image, x], dim=1)
        return self.head(x)


def patch_discriminator(
    filters: int = 64, layers: int = 3, channels: int = 3, norm: str = "instance"
) -> nn.Sequential:
    """Returns the patch discriminator; arguments as in our PatchDiscriminator."""
    widths = [filters * min(2**i, 8) for i in range(layers + 1)]
    body: list[nn.Module] = [
        nn.Conv2d(channels, filters, 4, 2, 1),
        nn.LeakyReLU(0.2, inplace=True),
    ]
    for i in range(1, layers + 1):
        stride = 2 if i < layers else 1
        body += [
            nn.Conv2d(widths[i - 1], widths[i], 4, stride, 1, bias=norm != "batch"),
            _norm(norm, widths[i]),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    return nn.Sequential(*body, nn.Conv2d(widths[-1], 1, 4, 1, 1))


def pixel_discriminator(
    filters: int = 64, channels: int = 3, norm: str = "instance"
) -> nn.Sequential:
    """Returns the pixel discriminator; arguments as in our PixelDiscriminator."""
    bias = norm != "batch"
    return nn.Sequential(
        nn.Conv2d(channels, filters, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(filters, 2 * filters, 1, bias=bias),
        _norm(norm, 2 * filters),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * filters, 1, 1, bias=bias),
    )


def copy_weights(keras_network: "keras.Model", torch_module: nn.Module) -> None:
    """Copies a Keras network's weights into its PyTorch twin, layer by layer in order.

    Args:
        keras_network: A network of `tfgan_models.networks`.
        torch_module: The twin, built with the same arguments.

    Raises:
        ValueError: The two have not the same weighted layers.
    """
    sources = [layer for layer in keras_network.layers if layer.weights]
    targets = [
        m for m in torch_module.modules() if next(m.parameters(False), None) is not None
    ]
    if len(sources) != len(targets):
        raise ValueError(
            "the networks differ in weighted layers. Received: "
            f"{len(sources)} in Keras, {len(targets)} in PyTorch"
        )
    for source, target in zip(sources, targets, strict=True):
        for name, value in _torch_state(source).items():
            tensor = (
                target.get_parameter(name)
                if name in dict(target.named_parameters())
                else target.get_buffer(name)
            )
            if tuple(tensor.shape) != value.shape:
                raise ValueError(
                    f"{source.name} does not fit. Received: {name} of shape "
                    f"{value.shape} in Keras, {tuple(tensor.shape)} in PyTorch"
                )
            tensor.data.copy_(torch.from_numpy(value.copy()))


def _torch_state(layer: "keras.Layer") -> "dict[str, np.ndarray]":
    """Returns a Keras layer's weights under PyTorch's names and in its layout."""
    names = {"gamma": "weight", "beta": "bias", "kernel": "weight"}
    names |= {"moving_mean": "running_mean", "moving_variance": "running_var"}
    state = {names.get(w.name, w.name): w.numpy() for w in layer.weights}
    if state["weight"].ndim == 4:
        # HWIO -> OIHW, and for the transposed HWOI -> IOHW: the same permutation.
        state["weight"] = state["weight"].transpose(3, 2, 0, 1)
    return state


class CycleGAN:
    """CycleGAN's training step: least squares, no image pool.

    One Adam step of both generators, then one of both discriminators on the fakes
    made before it.
    """

    def __init__(
        self,
        generator_a2b: nn.Module,
        generator_b2a: nn.Module,
        discriminator_a: nn.Module,
        discriminator_b: nn.Module,
    ) -> None:
        self.generator_a2b, self.generator_b2a = generator_a2b, generator_b2a
        self.discriminator_a, self.discriminator_b = discriminator_a, discriminator_b
        generators = (generator_a2b, generator_b2a)
        discriminators = (discriminator_a, discriminator_b)
        self.generator_optimizer = _adam(generators)
        self.discriminator_optimizer = _adam(discriminators)
        self.discriminator_parameters = [
            p for module in discriminators for p in module.parameters()
        ]

    def train_step(
        self, real_a: torch.Tensor, real_b: torch.Tensor
    ) -> dict[str, float]:
        """Trains on one batch of each domain, [N, C, H, W] in [-1, 1]; the losses."""
        fake_b, fake_a = self.generator_a2b(real_a), self.generator_b2a(real_b)

        self._require_discriminator_gradients(False)
        self.generator_optimizer.zero_grad(set_to_none=True)
        generator_loss = self._generator_loss(real_a, real_b, fake_a, fake_b)
        generator_loss.backward()
        self.generator_optimizer.step()

        self._require_discriminator_gradients(True)
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        loss_a = _real_fake_loss(self.discriminator_a, real_a, fake_a.detach())
        loss_b = _real_fake_loss(self.discriminator_b, real_b, fake_b.detach())
        (loss_a + loss_b).backward()
        self.discriminator_optimizer.step()
        return {
            "generator_loss": generator_loss.item(),
            "discriminator_loss": (loss_a + loss_b).item(),
        }

    def _generator_loss(
        self,
        real_a: torch.Tensor,
        real_b: torch.Tensor,
        fake_a: torch.Tensor,
        fake_b: torch.Tensor,
    ) -> torch.Tensor:
        adversarial = _squared_error(self.discriminator_b(fake_b), 1.0)
        adversarial = adversarial + _squared_error(self.discriminator_a(fake_a), 1.0)
        cycle = functional.l1_loss(self.generator_b2a(fake_b), real_a)
        cycle = cycle + functional.l1_loss(self.generator_a2b(fake_a), real_b)
        identity = functional.l1_loss(self.generator_a2b(real_b), real_b)
        identity = identity + functional.l1_loss(self.generator_b2a(real_a), real_a)
        return adversarial + CYCLE_WEIGHT * (cycle + IDENTITY_WEIGHT * identity)

    def _require_discriminator_gradients(self, required: bool) -> None:
        for parameter in self.discriminator_parameters:
            parameter.requires_grad_(required)


def _adam(modules: tuple[nn.Module, ...]) -> torch.optim.Adam:
    parameters = itertools.chain(*(module.parameters() for module in modules))
    return torch.optim.Adam(parameters, lr=LEARNING_RATE, betas=BETAS, fused=True)


def _squared_error(logits: torch.Tensor, target: float) -> torch.Tensor:
    return (logits - target).square().mean()


def _real_fake_loss(
    discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor
) -> torch.Tensor:
    real_loss = _squared_error(discriminator(real), 1.0)
    return 0.5 * (real_loss + _squared_error(discriminator(fake), 0.0))
