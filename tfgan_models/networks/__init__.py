"""Networks on keras and keras.ops alone: TensorFlow, JAX and PyTorch backends."""

from tfgan_models.networks.patchgan import PatchDiscriminator, PixelDiscriminator
from tfgan_models.networks.resnet import ResNetGenerator
from tfgan_models.networks.unet import UNetGenerator

__all__ = [
    "PatchDiscriminator",
    "PixelDiscriminator",
    "ResNetGenerator",
    "UNetGenerator",
]
