"""Features for a perceptual loss.

The pixels' mean squared error is minimised by the average of all plausible images,
which is blurred; that of an ImageNet network's features asks for the texture of one of
them (SRGAN, arXiv:1609.04802).
"""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfgan_models import connectivity
from tfgan_models.errors import UsageError
from tfgan_models.metrics.features import downloads
from tfgan_models.metrics.features.efficientnet import load_lite0
from tfgan_models.metrics.features.precision import float32_layers

NAMES = ("vgg54", "lite0")
"""What `features` takes."""

VGG_URL = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
    "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
"""The address of VGG19's ImageNet weights in keras.applications, without its top."""

_VGG_MD5 = "253f8cb515780f3b799900260a226db6"
_VGG_LAYER = "block5_conv4"
_VGG_SCALE = 1 / 12.75
_BGR_MEAN = (103.939, 116.779, 123.68)

_LITE0_LAYER = "block5_expand_relu"
_LITE0_SCALE = 1 / 8.7


@dataclasses.dataclass(frozen=True)
class Features:
    """A frozen network that computes feature maps of images; created by `features`.

    Attributes:
        name: "vgg54" or "lite0".
        description: One line: network, layer, stride, scale.
        network: From images [N, H, W, 1 or 3] in [-1, 1] to maps, not trainable.
    """

    name: str
    description: str
    network: keras.Model = dataclasses.field(repr=False, compare=False)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Extracts the features of images, differentiably.

        Args:
            images: [N, H, W, C] in [-1, 1], C = 1 or 3, any H and W from 16; grey is
                repeated. Values beyond [-1, 1] are not clipped, since they
                would then have no gradient.

        Returns:
            float32 maps [N, h, w, D], h = H / stride.
        """
        images = tf.cast(images, tf.float32)
        if images.shape[-1] == 1:
            images = tf.repeat(images, 3, axis=-1)
        return self.network(images, training=False)


def features(name: str, weights: Path | None = None) -> Features:
    """Loads the features that a perceptual loss compares.

    The mean squared error of either is of the order of that of the pixels in [-1, 1].
    lite0's scale is set for that: for crops of the bundled satellite image against
    their bicubic enlargements, x2 and x4, it is 0.5 to 2.5 times theirs, depending on
    the crops, and about the same on average.

    Args:
        name: "vgg54", the paper's: VGG19 (arXiv:1409.1556), fourth convolution before
            the fifth pool, after its activation, times 1 / 12.75; 512 maps, stride 16.
            "lite0": EfficientNet-Lite0, whose weights come with the extra "metrics",
            the last activation before its fourth halving, times 1 / 8.7; 240 maps,
            stride 8.
        weights: A file for "vgg54": `.h5`, `.weights.h5` or `.keras` of
            keras.applications.VGG19 without its top. None: Keras's ImageNet weights,
            from Keras's cache or downloaded.

    Returns:
        The features.

    Raises:
        UsageError: Another name, a file for "lite0", or weights that are missing or
            another network's.
        FailureError: The weights are not in the cache and could not be downloaded.
    """
    if name not in NAMES:
        raise UsageError(
            f"perceptual={name} is not known. Allowed: {', '.join(NAMES)}."
        )
    if name == "vgg54":
        network = _vgg54(weights or _downloaded())
        told = f"VGG19, ImageNet weights; {_VGG_LAYER} after its activation; stride 16"
        return Features(name, f"{told}; times 1/12.75", network)
    if weights is not None:
        raise UsageError(
            "perceptual=lite0 gets its weights from its package and takes no file. "
            f"Received: {weights}. Omit it, or use --perceptual=vgg54."
        )
    told = f"EfficientNet-Lite0, ImageNet weights; {_LITE0_LAYER}; stride 8"
    return Features(name, f"{told}; times 1/8.7", _lite0())


@float32_layers()
def _vgg54(path: Path) -> keras.Model:
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    if not path.is_file():
        raise UsageError(f"{path} is not a file. {_allowed()}")
    try:
        vgg.load_weights(path)
    # Keras passes on whatever h5py, zipfile and its own checks raise.
    except Exception as error:
        raise UsageError(
            f"{path} does not have the weights of VGG19 "
            f"({connectivity.reason(error)}). {_allowed()}"
        ) from error
    images = keras.Input((None, None, 3), name="image")
    # As in these weights' training: 0..255, BGR, mean subtracted.
    pixels = images[..., ::-1] * 127.5 + (127.5 - np.array(_BGR_MEAN, "float32"))
    maps = keras.Model(vgg.input, vgg.get_layer(_VGG_LAYER).output)(pixels)
    return _frozen(keras.Model(images, maps * _VGG_SCALE, name="vgg54"))


@float32_layers()
def _lite0() -> keras.Model:
    whole = load_lite0()
    body = keras.Model(whole.input, whole.get_layer(_LITE0_LAYER).output)
    images = keras.Input((None, None, 3), name="image")
    # The original has a fixed size.
    any_size = keras.models.clone_model(
        body, input_tensors=keras.Input((None, None, 3), name="pixels")
    )
    any_size.set_weights(body.get_weights())
    maps = any_size(images * 127.5 + 127.5)
    return _frozen(keras.Model(images, maps * _LITE0_SCALE, name="lite0"))


def _frozen(network: keras.Model) -> keras.Model:
    network.trainable = False
    return network


def _allowed() -> str:
    return (
        "Allowed: .h5, .weights.h5 or .keras of keras.applications.VGG19 without its "
        "top (include_top=False). Offline, take --perceptual=lite0."
    )


def _downloaded() -> Path:
    """Returns VGG19's ImageNet weights, from Keras's cache if they are there."""
    return downloads.cached(
        VGG_URL,
        _VGG_MD5,
        "VGG19",
        "Train with --perceptual=lite0, which needs no download.",
    )
