"""Small networks of every system, and their SavedModels."""

from pathlib import Path

import keras

from export.signatures.writing import write_saved_model
from tests.export import generators
from tests.export.signatures.test_captions import stack
from tests.networks.conformance import randomize
from tfgan_models.networks import (
    ConditionalMLPGenerator,
    DCGANGenerator,
    MLPGenerator,
    ResNetGenerator,
    SRResNet,
    UNetGenerator,
)

LATENT = generators.LATENT
SYSTEMS = {
    "gan": lambda: _random(MLPGenerator(8, latent_size=LATENT, units=8)),
    "cgan": lambda: _random(
        ConditionalMLPGenerator(8, latent_size=LATENT, label_size=3)
    ),
    "dcgan": lambda: _random(DCGANGenerator(16, LATENT, filters=4)),
    "stackgan": stack,
    "pix2pix": lambda: _random(UNetGenerator(downsamplings=3, filters=4)),
    "cyclegan": lambda: _random(ResNetGenerator(filters=4, residual_blocks=1)),
    "srgan": lambda: _random(SRResNet(filters=4, residual_blocks=1)),
    "progan": generators.progressive,
    "stylegan": lambda: generators.style(label_size=3, resolution=16),
}


def _random(network: keras.Model) -> keras.Model:
    randomize(network)
    return network


def write(system: str, directory: Path) -> Path:
    """Writes a system's SavedModel into a folder that does not exist; returns it."""
    write_saved_model(SYSTEMS[system](), directory)
    return directory
