"""Networks on keras and keras.ops alone: TensorFlow, JAX and PyTorch backends."""

from tfgan_models.networks.patchgan import PatchDiscriminator, PixelDiscriminator
from tfgan_models.networks.progressive import (
    ProgressiveDiscriminator,
    ProgressiveGenerator,
)
from tfgan_models.networks.resnet import ResNetGenerator
from tfgan_models.networks.style import StyleDiscriminator, StyleGenerator
from tfgan_models.networks.style_parts import StyleMapping, StyleSynthesis
from tfgan_models.networks.unet import UNetGenerator

__all__ = [
    "PatchDiscriminator",
    "PixelDiscriminator",
    "ProgressiveDiscriminator",
    "ProgressiveGenerator",
    "ResNetGenerator",
    "StyleDiscriminator",
    "StyleGenerator",
    "StyleMapping",
    "StyleSynthesis",
    "UNetGenerator",
]
