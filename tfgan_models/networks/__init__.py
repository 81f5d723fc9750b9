"""Networks on keras and keras.ops alone: TensorFlow, JAX and PyTorch backends."""

from tfgan_models.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from tfgan_models.networks.mlp import (
    ConditionalMLPDiscriminator,
    ConditionalMLPGenerator,
    MLPDiscriminator,
    MLPGenerator,
)
from tfgan_models.networks.patchgan import PatchDiscriminator, PixelDiscriminator
from tfgan_models.networks.progressive import (
    ProgressiveDiscriminator,
    ProgressiveGenerator,
)
from tfgan_models.networks.resnet import ResNetGenerator
from tfgan_models.networks.srresnet import SRDiscriminator, SRResNet
from tfgan_models.networks.stackgan import (
    StackGenerator,
    StageOneGenerator,
    StageTwoGenerator,
)
from tfgan_models.networks.stackgan_discriminator import (
    StageOneDiscriminator,
    StageTwoDiscriminator,
)
from tfgan_models.networks.style import StyleDiscriminator, StyleGenerator
from tfgan_models.networks.style_parts import StyleMapping, StyleSynthesis
from tfgan_models.networks.text_encoder import CharacterEncoder, ImageEncoder
from tfgan_models.networks.unet import UNetGenerator

__all__ = [
    "CharacterEncoder",
    "ConditionalMLPDiscriminator",
    "ConditionalMLPGenerator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "ImageEncoder",
    "MLPDiscriminator",
    "MLPGenerator",
    "PatchDiscriminator",
    "PixelDiscriminator",
    "ProgressiveDiscriminator",
    "ProgressiveGenerator",
    "ResNetGenerator",
    "SRDiscriminator",
    "SRResNet",
    "StackGenerator",
    "StageOneDiscriminator",
    "StageOneGenerator",
    "StageTwoDiscriminator",
    "StageTwoGenerator",
    "StyleDiscriminator",
    "StyleGenerator",
    "StyleMapping",
    "StyleSynthesis",
    "UNetGenerator",
]
