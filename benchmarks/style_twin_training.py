"""StyleGAN's training step in PyTorch, which ours is timed against.

Non-saturating logistic loss with R1 on every step, style mixing, Adam(0, 0.99), moving
averages of the weights and of w (arXiv:1812.04948). Images are [N, C, H, W] in [-1, 1].
"""

import random

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.style_twin import StyleDiscriminator, StyleGenerator

BETAS = (0.0, 0.99)
GAMMA = 10.0
MIXING_PROBABILITY = 0.9
W_AVERAGE_DECAY = 0.995
HALF_LIFE_IMAGES = 10_000


def r1_penalty(scores: Tensor, images: Tensor) -> Tensor:
    """Returns the mean over N of the squared norm of d(scores)/d(images)."""
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


class StyleGAN:
    """A step of the discriminator on new fakes, then one of the generator.

    Nothing in a step waits for the device: losses come back as tensors.
    """

    def __init__(
        self,
        generator: StyleGenerator,
        discriminator: StyleDiscriminator,
        batch_size: int,
        learning_rate: float = 1e-3,
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        decay = 0.5 ** (batch_size / HALF_LIFE_IMAGES)
        # Buffers, of which w_avg is one, are copied.
        self.average = AveragedModel(
            generator, multi_avg_fn=get_ema_multi_avg_fn(decay)
        )
        self.generator_optimizer = _adam(generator, learning_rate)
        self.discriminator_optimizer = _adam(discriminator, learning_rate)

    def train_step(
        self, real: Tensor, labels: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Trains on real images [N, C, R, R] at their resolution; the losses."""
        discriminator_loss = self._discriminator_step(real, labels)
        self.average.update_parameters(self.generator)
        generator_loss = self._generator_step(real, labels)
        return {
            "generator_loss": generator_loss,
            "discriminator_loss": discriminator_loss,
        }

    def _discriminator_step(self, real: Tensor, labels: Tensor | None) -> Tensor:
        with torch.no_grad():
            fake = self._draw(real, labels)
        real = real.detach().requires_grad_(True)
        self.discriminator_optimizer.zero_grad(set_to_none=True)
        scores = self.discriminator(real, labels)
        loss = softplus(self.discriminator(fake, labels)).mean()
        loss = loss + softplus(-scores).mean()
        loss = loss + GAMMA / 2 * r1_penalty(scores, real)
        loss.backward()
        self.discriminator_optimizer.step()
        return loss.detach()

    def _generator_step(self, real: Tensor, labels: Tensor | None) -> Tensor:
        self.discriminator.requires_grad_(False)
        self.generator_optimizer.zero_grad(set_to_none=True)
        fake = self._draw(real, labels)
        loss = softplus(-self.discriminator(fake, labels)).mean()
        loss.backward()
        self.generator_optimizer.step()
        self.discriminator.requires_grad_(True)
        return loss.detach()

    def _draw(self, real: Tensor, labels: Tensor | None) -> Tensor:
        """Draws as many images as there are real ones, with styles mixed."""
        generator = self.generator
        resolution = real.shape[-1]
        active = 2 * (resolution.bit_length() - 2)
        latent = real.new_empty(2, len(real), generator.latent_size).normal_()
        w = generator.mapping(latent[0], labels)
        with torch.no_grad():
            generator.w_avg.lerp_(w.mean(0), 1 - W_AVERAGE_DECAY)
        ws = w[:, None].expand(-1, generator.synthesis.num_layers, -1)
        if random.random() < MIXING_PROBABILITY:
            cutoff = random.randrange(1, active)
            mixed = generator.mapping(latent[1], labels)[:, None].expand_as(ws)
            ws = torch.cat([ws[:, :cutoff], mixed[:, cutoff:]], dim=1)
        return generator.synthesis(ws, resolution=resolution)


def _adam(module: nn.Module, learning_rate: float) -> torch.optim.Adam:
    return torch.optim.Adam(
        module.parameters(), lr=learning_rate, betas=BETAS, eps=1e-8, fused=True
    )
