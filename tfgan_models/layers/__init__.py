"""Layers on keras and keras.ops alone: TensorFlow, JAX and PyTorch backends."""

from tfgan_models.layers.instance_norm import InstanceNormalization
from tfgan_models.layers.padding import ReflectionPadding2D

__all__ = ["InstanceNormalization", "ReflectionPadding2D"]
