"""InceptionV3's weights: Keras's own, or the FID paper's from a PyTorch file."""

from pathlib import Path

import keras
import numpy as np

from tfgan_models.errors import UsageError
from tfgan_models.interop import torch_file
from tfgan_models.metrics.features import downloads, inception_v3

WEIGHTS_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
    "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"
)
"""The address of its ImageNet weights in keras.applications."""

_MD5 = "9a0d58056eeedaa3f26cb7ebd46da564"
_KERAS_SUFFIXES = (".h5", ".keras")
_TORCH_SUFFIXES = (".pth", ".pt")

_STEM = (
    "Conv2d_1a_3x3",
    "Conv2d_2a_3x3",
    "Conv2d_2b_3x3",
    "Conv2d_3b_1x1",
    "Conv2d_4a_3x3",
)
_BRANCHES = {
    "35x35": "1x1 5x5_1 5x5_2 3x3dbl_1 3x3dbl_2 3x3dbl_3 _pool",
    "35to17": "3x3 3x3dbl_1 3x3dbl_2 3x3dbl_3",
    "17x17": (
        "1x1 7x7_1 7x7_2 7x7_3 7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5 _pool"
    ),
    "17to8": "3x3_1 3x3_2 7x7x3_1 7x7x3_2 7x7x3_3 7x7x3_4",
    "8x8": "1x1 3x3_1 3x3_2a 3x3_2b 3x3dbl_1 3x3dbl_2 3x3dbl_3a 3x3dbl_3b _pool",
}
_BLOCKS = {
    "Mixed_5b": "35x35",
    "Mixed_5c": "35x35",
    "Mixed_5d": "35x35",
    "Mixed_6a": "35to17",
    "Mixed_6b": "17x17",
    "Mixed_6c": "17x17",
    "Mixed_6d": "17x17",
    "Mixed_6e": "17x17",
    "Mixed_7a": "17to8",
    "Mixed_7b": "8x8",
    "Mixed_7c": "8x8",
}


def load_inception(path: Path | None = None) -> keras.Model:
    """Builds InceptionV3 with the weights of a file.

    Args:
        path: `.h5`, `.weights.h5` or `.keras` of keras.applications.InceptionV3, with
            or without its top; or `.pth` of the FID paper's graph of 2015-12-05, with
            the names `Conv2d_1a_3x3.conv.weight`, ..., `fc.weight`. None: Keras's
            ImageNet weights, from Keras's cache or downloaded.

    Returns:
        The network of `inception_v3`, by the name "inception_keras" or
        "inception_2015"; without "logits" if the file has no top.

    Raises:
        UsageError: The file is none of these.
        FailureError: The weights are not in the cache and could not be downloaded.
    """
    if path is None:
        return _from_keras(_downloaded())
    if not path.is_file():
        raise UsageError(f"{path} is not a file. {_allowed()}")
    if path.suffix in _KERAS_SUFFIXES:
        return _from_keras(path)
    if path.suffix in _TORCH_SUFFIXES:
        return _from_torch(path)
    raise UsageError(f"{path} is not a file of InceptionV3 weights. {_allowed()}")


def _allowed() -> str:
    return (
        "Allowed: .h5, .weights.h5 or .keras of keras.applications.InceptionV3, or "
        "the .pth of the FID paper's network (pt_inception-2015-12-05-6726825d.pth)."
    )


def _from_keras(path: Path) -> keras.Model:
    fault = None
    for top in (True, False):
        network = inception_v3.inception_v3(inception_v3.KERAS, top)
        try:
            inception_v3.body(network).load_weights(path)
            return network
        # Keras passes on whatever h5py, zipfile and its own checks raise.
        except Exception as error:
            fault = fault or error
    reason = " ".join(str(fault).split())[:200]
    raise UsageError(
        f"{path} does not have the weights of InceptionV3 ({reason}). {_allowed()}"
    )


def _from_torch(path: Path) -> keras.Model:
    arrays = torch_file.read(path)
    network = inception_v3.inception_v3(inception_v3.GRAPH_2015)
    pairs = inception_v3.convolutions(network)
    for name, (convolution, norm) in zip(_names(), pairs, strict=True):
        height, width, before, after = convolution.kernel.shape
        shape = (after, before, height, width)
        kernel = _get(arrays, f"{name}.conv.weight", shape, path)
        gamma, beta, mean, variance = (
            _get(arrays, f"{name}.bn.{part}", (after,), path)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        # Ours has no gamma: scaling the normalised values and their mean does the same.
        convolution.set_weights([kernel.transpose(2, 3, 1, 0) * gamma])
        norm.set_weights([beta, mean * gamma, variance])
    top = inception_v3.body(network).get_layer("predictions")
    features, classes = top.kernel.shape
    weight = _get(arrays, "fc.weight", (classes, features), path)
    # The Inception Score of its paper multiplies by the matrix and adds no bias.
    top.set_weights([weight.T, np.zeros(classes, np.float32)])
    return network


def _names() -> list[str]:
    """Lists PyTorch's names of the convolutions in `convolutions`'s order."""
    mixed = [
        f"{block}.branch{branch}"
        for block, kind in _BLOCKS.items()
        for branch in _BRANCHES[kind].split()
    ]
    return [*_STEM, *mixed]


def _get(
    arrays: dict[str, np.ndarray], name: str, shape: tuple[int, ...], path: Path
) -> np.ndarray:
    if name not in arrays or arrays[name].shape != shape:
        found = arrays[name].shape if name in arrays else "nothing"
        raise UsageError(
            f"{path} is not the FID paper's InceptionV3: {name} must have the shape "
            f"{shape}. Received: {found}. {_allowed()}"
        )
    return arrays[name]


def _downloaded() -> Path:
    """Returns Keras's ImageNet weights, from its cache if they are there."""
    return downloads.cached(
        WEIGHTS_URL,
        _MD5,
        "InceptionV3",
        "Download them where there is a network and pass them with "
        "--inception_weights=FILE.",
    )
