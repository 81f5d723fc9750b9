"""The dense networks of the first GAN (arXiv:1406.2661) and CGAN (arXiv:1411.1784)."""

from typing import Any

import keras
from keras import layers as keras_layers

from tfgan_models.layers import Maxout
from tfgan_models.layers.tensors import Dtype, Tensor
from tfgan_models.networks.arguments import arguments
from tfgan_models.networks.labelled import (
    LabelledNetwork,
    check_dropout,
    check_sizes,
    uniform_latent,
)

GENERATOR_RANGE = 0.05
"""Generators' weights start uniform in [-this, this]."""
DISCRIMINATOR_RANGE = 0.005
"""Discriminators' weights start uniform in [-this, this]."""
INPUT_DROPOUT = 0.2
"""Dropout rate on the images of the first GAN's discriminator."""


@keras.saving.register_keras_serializable(package="tfgan_models")
class MLPGenerator(LabelledNetwork):
    """Latent to image: dense layers with ReLU, then one sigmoid per pixel.

    2,503,984 parameters with the defaults, those of the paper's MNIST network.

    Args:
        image_size: Side of the images in pixels.
        channels: Of the images.
        latent_size: Of the latent.
        units: Of each hidden layer.
        layers: Hidden layers, 1 or more.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "latent" [N, latent_size], N(0, 1); output float32
    [N, image_size, image_size, channels] in [-1, 1].

    Raises:
        ValueError: A size is less than 1.
    """

    latent_distribution = "normal"

    def __init__(
        self,
        image_size: int = 28,
        channels: int = 1,
        latent_size: int = 100,
        units: int = 1200,
        layers: int = 2,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        check_sizes(
            image_size=image_size,
            channels=channels,
            latent_size=latent_size,
            units=units,
            layers=layers,
        )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        latent = keras.Input((latent_size,), name="latent")
        x = latent
        for i in range(1, layers + 1):
            x = _dense_relu(x, units, policy, f"hidden{i}")
        image = _to_image(x, image_size, channels, policy)

        super().__init__(inputs=[latent], outputs=image, name=name, **kwargs)
        self.resolution = self.grown = image_size
        self.channels = channels
        self.latent_size = latent_size
        self.units = units
        self.hidden_layers = layers
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(
            self, MLPGenerator, image_size=self.resolution, layers=self.hidden_layers
        )


@keras.saving.register_keras_serializable(package="tfgan_models")
class MLPDiscriminator(LabelledNetwork):
    """Image to one logit: maxout layers with dropout.

    1,231,441 parameters with the defaults, those of the paper's MNIST network.

    Args:
        image_size: Side of the images in pixels.
        channels: Of the images.
        units: Of each maxout layer.
        pieces: See `Maxout`.
        layers: Maxout layers, 1 or more.
        dropout: Dropout rate after each of them; the image's is 0.2. 0 for none
            anywhere.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Input "image" [N, image_size, image_size, channels] in [-1, 1]; output "logits"
    float32 [N, 1] (no sigmoid).

    Raises:
        ValueError: A size is less than 1, or `dropout` not in [0, 1).
    """

    def __init__(
        self,
        image_size: int = 28,
        channels: int = 1,
        units: int = 240,
        pieces: int = 5,
        layers: int = 2,
        dropout: float = 0.5,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        check_sizes(
            image_size=image_size,
            channels=channels,
            units=units,
            pieces=pieces,
            layers=layers,
        )
        check_dropout(dropout)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        image = keras.Input((image_size, image_size, channels), name="image")
        x = keras_layers.Flatten(dtype=policy, name="pixels")(image)
        if dropout:
            x = keras_layers.Dropout(
                INPUT_DROPOUT, dtype=policy, name="pixels_dropout"
            )(x)
        for i in range(1, layers + 1):
            x = _maxout(x, units, pieces, dropout, policy, f"hidden{i}")
        logits = _to_logit(x, policy)

        super().__init__(inputs=[image], outputs=logits, name=name, **kwargs)
        self.resolution = image_size
        self.channels = channels
        self.units = units
        self.pieces = pieces
        self.hidden_layers = layers
        self.dropout = dropout
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(
            self,
            MLPDiscriminator,
            image_size=self.resolution,
            layers=self.hidden_layers,
        )


@keras.saving.register_keras_serializable(package="tfgan_models")
class ConditionalMLPGenerator(LabelledNetwork):
    """Latent and label to image: 200 and 1000 ReLUs, joined by 1200, sigmoid pixels.

    2,413,984 parameters with the defaults, those of CGAN's MNIST network.

    Args:
        image_size: Side of the images in pixels.
        channels: Of the images.
        latent_size: Of the latent.
        label_size: Classes.
        dropout: Rate of the dropout after each hidden layer; 0 for none.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Inputs "latent" [N, latent_size], uniform in [-1, 1), and "labels", one-hot
    [N, label_size]; output float32 [N, image_size, image_size, channels] in [-1, 1].

    Raises:
        ValueError: A size is less than 1, or `dropout` not in [0, 1).
    """

    latent_distribution = "uniform"

    def __init__(
        self,
        image_size: int = 28,
        channels: int = 1,
        latent_size: int = 100,
        label_size: int = 10,
        dropout: float = 0.5,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        check_sizes(
            image_size=image_size,
            channels=channels,
            latent_size=latent_size,
            label_size=label_size,
        )
        check_dropout(dropout)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        latent = keras.Input((latent_size,), name="latent")
        labels = keras.Input((label_size,), name="labels")
        parts = [
            _dropout(_dense_relu(x, units, policy, name), dropout, policy, name)
            for x, units, name in (
                (uniform_latent(latent, policy), 200, "hidden_latent"),
                (labels, 1000, "hidden_labels"),
            )
        ]
        x = keras_layers.Concatenate(dtype=policy, name="join")(parts)
        x = _dense_relu(x, 1200, policy, "hidden_joint")
        x = _dropout(x, dropout, policy, "hidden_joint")
        image = _to_image(x, image_size, channels, policy)

        super().__init__(inputs=[latent, labels], outputs=image, name=name, **kwargs)
        self.resolution = self.grown = image_size
        self.channels = channels
        self.latent_size = latent_size
        self.label_size = label_size
        self.dropout = dropout
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, ConditionalMLPGenerator, image_size=self.resolution)


@keras.saving.register_keras_serializable(package="tfgan_models")
class ConditionalMLPDiscriminator(LabelledNetwork):
    """Image and label to one logit: maxout layers for each, one for both.

    240 units of 5 pieces for the image, 50 of 5 for the label, 240 of 4 for both.
    1,224,351 parameters with the defaults, those of CGAN's MNIST network.

    Args:
        image_size: Side of the images in pixels.
        channels: Of the images.
        label_size: Classes.
        dropout: Rate of the dropout after each maxout layer; 0 for none.
        name: Name of the network.
        dtype: Dtype policy of its layers; None: the global policy.
        **kwargs: Those of `keras.Model`.

    Inputs "image" [N, image_size, image_size, channels] in [-1, 1] and "labels",
    one-hot [N, label_size]; output "logits" float32 [N, 1] (no sigmoid).

    Raises:
        ValueError: A size is less than 1, or `dropout` not in [0, 1).
    """

    def __init__(
        self,
        image_size: int = 28,
        channels: int = 1,
        label_size: int = 10,
        dropout: float = 0.5,
        name: str | None = None,
        dtype: Dtype = None,
        **kwargs: Any,
    ) -> None:
        check_sizes(image_size=image_size, channels=channels, label_size=label_size)
        check_dropout(dropout)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        image = keras.Input((image_size, image_size, channels), name="image")
        labels = keras.Input((label_size,), name="labels")
        pixels = keras_layers.Flatten(dtype=policy, name="pixels")(image)
        parts = [
            _maxout(pixels, 240, 5, dropout, policy, "hidden_image"),
            _maxout(labels, 50, 5, dropout, policy, "hidden_labels"),
        ]
        x = keras_layers.Concatenate(dtype=policy, name="join")(parts)
        x = _maxout(x, 240, 4, dropout, policy, "hidden_joint")
        logits = _to_logit(x, policy)

        super().__init__(inputs=[image, labels], outputs=logits, name=name, **kwargs)
        self.resolution = image_size
        self.channels = channels
        self.label_size = label_size
        self.dropout = dropout
        self.policy = policy

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return arguments(self, ConditionalMLPDiscriminator, image_size=self.resolution)


def _uniform(limit: float) -> keras.initializers.Initializer:
    """Returns a new initializer: a reused one would repeat its values."""
    return keras.initializers.RandomUniform(-limit, limit)


def _dense_relu(x: Tensor, units: int, policy: keras.DTypePolicy, name: str) -> Tensor:
    x = keras_layers.Dense(
        units, kernel_initializer=_uniform(GENERATOR_RANGE), dtype=policy, name=name
    )(x)
    return keras_layers.ReLU(dtype=policy, name=f"{name}_relu")(x)


def _maxout(
    x: Tensor,
    units: int,
    pieces: int,
    dropout: float,
    policy: keras.DTypePolicy,
    name: str,
) -> Tensor:
    initializer = _uniform(DISCRIMINATOR_RANGE)
    x = Maxout(units, pieces, kernel_initializer=initializer, dtype=policy, name=name)(
        x
    )
    return _dropout(x, dropout, policy, name)


def _dropout(x: Tensor, rate: float, policy: keras.DTypePolicy, name: str) -> Tensor:
    if not rate:
        return x
    return keras_layers.Dropout(rate, dtype=policy, name=f"{name}_dropout")(x)


def _to_image(
    x: Tensor, image_size: int, channels: int, policy: keras.DTypePolicy
) -> Tensor:
    """The last layer: [N, D] -> float32 [N, image_size, image_size, channels]."""
    shape = (image_size, image_size, channels)
    x = keras_layers.Dense(
        image_size * image_size * channels,
        kernel_initializer=_uniform(GENERATOR_RANGE),
        dtype=policy,
        name="pixels",
    )(x)
    x = keras_layers.Activation("sigmoid", dtype="float32", name="pixels_sigmoid")(x)
    x = keras_layers.Rescaling(2.0, -1.0, dtype="float32", name="pixels_range")(x)
    return keras_layers.Reshape(shape, dtype="float32", name="image")(x)


def _to_logit(x: Tensor, policy: keras.DTypePolicy) -> Tensor:
    x = keras_layers.Dense(
        1, kernel_initializer=_uniform(DISCRIMINATOR_RANGE), dtype=policy, name="head"
    )(x)
    return keras_layers.Activation("linear", dtype="float32", name="logits")(x)
