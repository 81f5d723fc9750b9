"""Small generators none of whose weights is zero, and where they are kept."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfgan_models.adversarial import weights
from tfgan_models.loading import load
from tfgan_models.networks import (
    ConditionalMLPGenerator,
    DCGANGenerator,
    MLPGenerator,
    ProgressiveGenerator,
    StyleGenerator,
)
from tfgan_models.runs import checkpoints

CLASSES = 3


def style(resolution: int = 64, label_size: int = 0, channels: int = 3) -> keras.Model:
    """A StyleGenerator; what training starts at 0 or 1 is random too."""
    keras.utils.set_random_seed(5)
    network = StyleGenerator(
        resolution,
        channels,
        label_size=label_size,
        latent_size=16,
        w_size=16,
        mapping_layers=2,
        fmap_max=8,
    )
    random = np.random.default_rng(6)
    for weight in network.weights:
        if len(weight.shape) == 1 or weight.name == "constant":
            weight.assign(random.normal(0.0, 0.5, weight.shape))
    # Few values beyond [-1, 1]: pictures that are cut off look alike.
    for to_rgb in network.synthesis.to_rgbs:
        to_rgb.kernel.assign(to_rgb.kernel * 0.15)
        to_rgb.bias.assign(to_rgb.bias * 0.3)
    return network


def progressive(label_size: int = 0) -> keras.Model:
    """A ProgressiveGenerator of 16 px."""
    keras.utils.set_random_seed(7)
    return ProgressiveGenerator(16, label_size=label_size, latent_size=16, fmap_max=8)


def dense() -> keras.Model:
    """GAN's generator of 8 px, grey, of normal latents."""
    return _random(MLPGenerator(8, latent_size=16, units=8))


def conditional() -> keras.Model:
    """CGAN's generator of 9 px, grey, with classes, of uniform latents."""
    return _random(ConditionalMLPGenerator(9, latent_size=16, label_size=CLASSES))


def convolutional(label_size: int = 0) -> keras.Model:
    """DCGAN's generator of 16 px, of uniform latents."""
    return _random(DCGANGenerator(16, 16, filters=4, label_size=label_size))


def _random(network: keras.Model) -> keras.Model:
    """Gives every weight a value; moving variances stay positive."""
    random = np.random.default_rng(8)
    for weight in network.weights:
        values = random.normal(0.0, 0.3, weight.shape)
        weight.assign(abs(values) if weight.name == "moving_variance" else values)
    return network


def save_training(network: keras.Model, model_dir: Path) -> Path:
    """Keeps a network as a training would."""
    networks = {"generator": network}
    model_dir.mkdir()
    checkpoints.describe_networks(model_dir, "networks", networks)
    checkpoints.save(model_dir / "checkpoints", 7, {"networks": weights(networks)})
    return model_dir


def opened(path: Path | str) -> Any:
    """The functions of a generator, as the commands see it."""
    return load(path, task="generate").generator
