"""Arguments to call the networks of the conformance tests with."""

from typing import Any

import keras
import numpy as np


def images(size: int, channels: int = 3, batch: int = 2, seed: int = 0) -> np.ndarray:
    """Returns random images [batch, size, size, channels] in [-1, 1]."""
    shape = (batch, size, size, channels)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Returns N(0, 1)."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def one_hot(network: keras.Model, batch: int = 2) -> np.ndarray:
    """Returns the last classes, one-hot."""
    return np.eye(network.label_size, dtype="float32")[-batch:]


def noise(synthesis: keras.Model, batch: int = 2) -> list[np.ndarray]:
    """Returns a noise map for each style layer."""
    shapes = synthesis.noise_shapes()
    return [normal(batch, *shape, seed=i) for i, shape in enumerate(shapes)]


def latent_and_labels(network: keras.Model) -> tuple[Any, ...]:
    """Returns arguments of StyleMapping and of generators with classes."""
    return normal(2, network.latent_size), one_hot(network)


def ws_and_noise(network: keras.Model) -> tuple[Any, ...]:
    """Returns arguments of StyleSynthesis."""
    return normal(2, network.num_layers, network.w_size), noise(network)


def latent(network: keras.Model) -> tuple[Any, ...]:
    """Returns the argument of generators without classes."""
    return (normal(2, network.latent_size),)


def everything(network: keras.Model) -> tuple[Any, ...]:
    """Returns arguments of StyleGenerator: latent, labels, noise, psi."""
    psi = np.array([[0.7], [0.2]], "float32")
    return *latent_and_labels(network), noise(network.synthesis), psi


def image_of_resolution(network: keras.Model) -> tuple[Any, ...]:
    """Returns images of two contrasts at the discriminator's full size."""
    contrast = np.array([0.3, 1.0], "float32").reshape(-1, 1, 1, 1)
    return (images(network.resolution, network.channels) * contrast,)


def image_of_size(network: keras.Model) -> tuple[Any, ...]:
    """Returns a dark and a light image at the discriminator's size."""
    light = np.array([-0.5, 0.5], "float32").reshape(-1, 1, 1, 1)
    return (0.5 * images(network.image_size, network.channels) + light,)


def image_and_labels(network: keras.Model) -> tuple[Any, ...]:
    """Returns arguments of discriminators with classes."""
    return *image_of_resolution(network), one_hot(network)


def embedding_latent_noise(network: keras.Model) -> tuple[Any, ...]:
    """Returns arguments of StageOneGenerator."""
    sizes = network.embedding_size, network.latent_size, network.condition_size
    return tuple(normal(2, size, seed=i) for i, size in enumerate(sizes))


def embedding_latent_noises(network: keras.Model) -> tuple[Any, ...]:
    """Returns arguments of StackGenerator."""
    first = embedding_latent_noise(network)
    return *first, normal(2, network.condition_size, seed=3)


def image_embedding_noise(network: keras.Model) -> tuple[Any, ...]:
    """Returns arguments of StageTwoGenerator."""
    sizes = network.embedding_size, network.condition_size
    vectors = [normal(2, size, seed=i) for i, size in enumerate(sizes)]
    return images(network.input_resolution, network.channels), *vectors


def image_and_embedding(network: keras.Model) -> tuple[Any, ...]:
    """Returns arguments of StackGAN's discriminators."""
    return *image_of_resolution(network), normal(2, network.embedding_size)


def captions(network: keras.Model) -> tuple[Any, ...]:
    """Returns two captions' characters, of which the second ends before the place."""
    numbers = np.random.default_rng(0).integers(1, 60, (2, network.length))
    numbers[1, network.length // 2 :] = 0
    return (numbers.astype("int32"),)
