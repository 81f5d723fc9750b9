"""Layers on keras and keras.ops alone: TensorFlow, JAX and PyTorch backends."""

from tfgan_models.layers.adain import AdaIN
from tfgan_models.layers.constant import LearnedConstant
from tfgan_models.layers.equalized import ChannelBias, EqualizedConv2D, EqualizedDense
from tfgan_models.layers.image_batch_norm import ImageBatchNormalization
from tfgan_models.layers.instance_norm import InstanceNormalization
from tfgan_models.layers.maxout import Maxout
from tfgan_models.layers.minibatch_stddev import MinibatchStdDev
from tfgan_models.layers.noise import NoiseInjection
from tfgan_models.layers.padding import ReflectionPadding2D
from tfgan_models.layers.pixel_norm import PixelNormalization
from tfgan_models.layers.pixel_shuffle import PixelShuffle2D
from tfgan_models.layers.resample import (
    AverageDownsampling2D,
    Blur2D,
    NearestUpsampling2D,
)
from tfgan_models.layers.spectral_norm import SpectralConv2D, SpectralDense
from tfgan_models.layers.truncation import Truncation

__all__ = [
    "AdaIN",
    "AverageDownsampling2D",
    "Blur2D",
    "ChannelBias",
    "EqualizedConv2D",
    "EqualizedDense",
    "ImageBatchNormalization",
    "InstanceNormalization",
    "LearnedConstant",
    "Maxout",
    "MinibatchStdDev",
    "NearestUpsampling2D",
    "NoiseInjection",
    "PixelNormalization",
    "PixelShuffle2D",
    "ReflectionPadding2D",
    "SpectralConv2D",
    "SpectralDense",
    "Truncation",
]
