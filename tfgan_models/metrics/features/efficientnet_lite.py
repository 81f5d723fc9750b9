"""EfficientNet-Lite0: EfficientNet-B0 (arXiv:1905.11946) for small devices.

The lite variant has no squeeze-and-excitation and ReLU6 in place of swish.
"""

from typing import NamedTuple

import keras
from keras import layers

from tfgan_models.metrics.features.precision import float32_layers

IMAGE_SIZE = 224
FEATURES = 1280
CLASSES = 1000


class _Stage(NamedTuple):
    """A row of the paper's table 1: inverted residual blocks of one width."""

    blocks: int
    kernel: int
    strides: int
    expansion: int
    filters: int


_STEM_FILTERS = 32
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


@float32_layers()
def efficientnet_lite0() -> keras.Model:
    """Builds the network with random weights: 4,694,024, of which 42,016 are moments.

    Returns:
        A model from "pixels", float32 [N, 224, 224, 3] in 0..255, to a dictionary:
        "features" [N, 1280], the head's average over all positions; "logits"
        [N, 1000]; "stage1" to "stage5", the last map [N, H, W, C] of each
        resolution, H = W = 112, 56, 28, 14, 7.
    """
    pixels = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="pixels")
    # The scale these weights were trained with: (x - 127) / 128.
    x = layers.Rescaling(1 / 128, -127 / 128, name="scale")(pixels)
    x = layers.Conv2D(
        _STEM_FILTERS, 3, 2, padding="same", use_bias=False, name="stem_conv"
    )(x)
    x = _norm_relu(x, "stem")
    maps, block = [], 0
    for stage in _STAGES:
        for i in range(stage.blocks):
            strides = stage.strides if i == 0 else 1
            if strides > 1:
                maps.append(x)
            x = _inverted_residual(x, stage, strides, f"block{block}")
            block += 1
    maps.append(x)
    x = layers.Conv2D(FEATURES, 1, use_bias=False, name="head_conv")(x)
    x = _norm_relu(x, "head")
    features = layers.GlobalAveragePooling2D(name="features")(x)
    logits = layers.Dense(CLASSES, name="logits")(features)
    stages = {f"stage{i}": x for i, x in enumerate(maps, start=1)}
    return keras.Model(
        pixels,
        {"features": features, "logits": logits} | stages,
        name="efficientnet_lite0",
    )


def _inverted_residual(
    x: keras.KerasTensor, stage: _Stage, strides: int, name: str
) -> keras.KerasTensor:
    """Expansion, depthwise convolution, linear projection; residual if shapes match."""
    y, channels = x, x.shape[-1]
    if stage.expansion > 1:
        y = layers.Conv2D(
            stage.expansion * channels, 1, use_bias=False, name=f"{name}_expand_conv"
        )(y)
        y = _norm_relu(y, f"{name}_expand")
    # TensorFlow's "same": with stride 2 the odd row of padding is the last one.
    y = layers.DepthwiseConv2D(
        stage.kernel,
        strides,
        padding="same",
        use_bias=False,
        name=f"{name}_depthwise_conv",
    )(y)
    y = _norm_relu(y, f"{name}_depthwise")
    y = layers.Conv2D(stage.filters, 1, use_bias=False, name=f"{name}_project_conv")(y)
    y = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_project_norm")(y)
    if strides == 1 and channels == stage.filters:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def _norm_relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)
