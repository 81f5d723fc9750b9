"""A text encoder that needs no download, and the image encoder it is trained with.

Small relatives of the character-level convolutional-recurrent network and its image
encoder in arXiv:1605.05395.
"""

import string
from typing import Any

import keras
from keras import layers, ops

from tfgan_models.layers.tensors import Dtype, Tensor
from tfgan_models.networks import blocks
from tfgan_models.networks.arguments import arguments
from tfgan_models.networks.labelled import check_sizes

ALPHABET = f" {string.ascii_lowercase}{string.digits}{string.punctuation}"
"""The characters of captions; the first one is number `SPACE`."""
SPACE = 1
"""The number of a space. 0 follows a caption's end."""

_NUMBERS = SPACE + len(ALPHABET)
_STRIDE = 4
_KERNEL = 4


@keras.saving.register_keras_serializable(package="tfgan_models")
class CharacterEncoder(keras.Model):
    """Maps a caption's characters to a vector.

    Two convolutions, each followed by max pooling over 2 positions, a recurrent layer,
    the mean of its outputs until the caption's end, a linear layer, and a normalisation
    to mean 0 and variance 1 over the vector.

    Args:
        embedding_size: Size D of the vectors.
        length: Characters L of a caption, a multiple of 4; longer ones are cut.
        filters: Channels of convolutions and recurrent layer.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "caption" int32 [N, L], see `tfgan_models.text_matching.characters`; output
    "embedding" float32 [N, D].

    Raises:
        ValueError: A size is too small, or not a multiple of what it must be.
    """

    def __init__(
        self,
        embedding_size: int = 128,
        length: int = 64,
        filters: int = 128,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        check_sizes(embedding_size=embedding_size, filters=filters)
        if length < _STRIDE or length % _STRIDE:
            raise ValueError(
                f"length must be a multiple of {_STRIDE}. Received: length={length}"
            )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        caption = keras.Input((length,), dtype="int32", name="caption")
        x = layers.Embedding(_NUMBERS, filters // 2 or 1, dtype=policy, name="letter")(
            caption
        )
        for i in (1, 2):
            x = layers.Conv1D(
                filters,
                _KERNEL,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                dtype=policy,
                name=f"conv_{i}",
            )(x)
            x = layers.MaxPooling1D(2, dtype=policy, name=f"pool_{i}")(x)
        x = layers.GRU(filters, return_sequences=True, dtype=policy, name="gru")(x)
        x = _mean_of_text(x, caption)
        x = layers.Dense(embedding_size, dtype=policy, name="dense")(x)
        # Whatever size matching would be content with, conditions need values of
        # about 1: their noise is N(0, 1).
        x = layers.LayerNormalization(
            center=False, scale=False, dtype="float32", name="embedding"
        )(x)
        super().__init__(inputs=caption, outputs=x, name=name, **kwargs)
        self.embedding_size = embedding_size
        self.length = length
        self.filters = filters
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, CharacterEncoder)


@keras.saving.register_keras_serializable(package="tfgan_models")
class ImageEncoder(keras.Model):
    """Turns an image into a vector, to be matched with that of its caption.

    Strided 4x4 convolutions with batch normalisation down to 4x4 pixels, then a linear
    layer.

    Args:
        embedding_size: Size D of the vectors.
        resolution: Side R of the images, a power of two of 8 or more.
        filters: Channels of the first convolution; twice as many after each.
        channels: Of the images.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "image" [N, R, R, channels] in [-1, 1]; output "embedding" float32 [N, D].

    Raises:
        ValueError: A size is too small, or no power of two.
    """

    def __init__(
        self,
        embedding_size: int = 128,
        resolution: int = 64,
        filters: int = 32,
        channels: int = 3,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        check_sizes(embedding_size=embedding_size, filters=filters, channels=channels)
        if resolution < 8 or resolution & (resolution - 1):
            raise ValueError(
                "resolution must be a power of two of 8 or more. Received: "
                f"resolution={resolution}"
            )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        image = keras.Input((resolution, resolution, channels), name="image")
        x, width = image, filters
        for side in _halvings(resolution):
            x = layers.ZeroPadding2D(1, dtype=policy, name=f"pad_{side}")(x)
            x = blocks.convolution(
                width, 4, 2, use_bias=False, dtype=policy, name=f"conv_{side}"
            )(x)
            x = blocks.normalization("batch", dtype=policy, name=f"norm_{side}")(x)
            x = layers.LeakyReLU(0.2, dtype=policy, name=f"relu_{side}")(x)
            width *= 2
        x = layers.Flatten(dtype=policy, name="flatten")(x)
        x = layers.Dense(embedding_size, dtype=policy, name="dense")(x)
        x = layers.Activation("linear", dtype="float32", name="embedding")(x)
        super().__init__(inputs=image, outputs=x, name=name, **kwargs)
        self.embedding_size = embedding_size
        self.resolution = resolution
        self.filters = filters
        self.channels = channels
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, ImageEncoder)


def _mean_of_text(x: Tensor, caption: Tensor) -> Tensor:
    """The mean over the places that a caption reaches, [N, L / 4, C] -> [N, C]."""
    length = caption.shape[1] // _STRIDE
    # Where each of the places that are pooled to one begins.
    begins = ops.reshape(caption, (-1, length, _STRIDE))[:, :, :1]
    inside = ops.cast(ops.not_equal(begins, 0), x.dtype)
    total = ops.maximum(ops.sum(inside, axis=1), 1)
    return ops.sum(x * inside, axis=1) / total


def _halvings(resolution: int) -> list[int]:
    """The sides from which convolutions halve an image to 4 pixels."""
    return [resolution >> i for i in range(resolution.bit_length() - 3)]
