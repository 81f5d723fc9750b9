"""Generating images from captions: StackGAN (arXiv:1612.03242)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from tfgan_models import sampling, text_matching
from tfgan_models.errors import UsageError
from tfgan_models.networks import StackGenerator
from tfgan_models.runs.opening import Opened
from tfgan_models.tasks.images import to_image
from tfgan_models.tasks.model import Model


class CaptionPainter(Model):
    """A network that generates images from captions."""

    _draw: Any

    def __call__(
        self, captions: str | Sequence[str], seeds: Sequence[int] = (0,)
    ) -> list[Image.Image]:
        """Returns an image for each caption and seed, seeds first.

        Args:
            captions: One or several, each with a letter or digit.
            seeds: A seed gives the same image on every machine.
        """
        texts = [captions] if isinstance(captions, str) else captions
        return [to_image(image) for text in texts for image in self.arrays(text, seeds)]

    def arrays(self, caption: str, seeds: Sequence[int] = (0,)) -> np.ndarray:
        """Returns the images of a caption, float32 [N, R, R, C] in [-1, 1].

        Args:
            caption: With a letter or digit.
            seeds: One per image; an image does not depend on the others.
        """
        return np.stack([self.batch([caption], [seed])[0] for seed in seeds])

    def batch(
        self, captions: Sequence[str], seeds: Sequence[int] | np.ndarray
    ) -> np.ndarray:
        """Returns an image for each caption with the seed at the same index."""
        return self._draw(
            tf.constant(list(captions)), tf.constant(seeds, tf.int64)
        ).numpy()


def opened(found: Opened, name: str) -> CaptionPainter:
    """Returns a network that generates images from captions.

    Raises:
        UsageError: It has no text encoder.
    """
    model = CaptionPainter(found, name)
    if found.loaded is None and not isinstance(model.network, StackGenerator):
        raise UsageError(
            f"{found.where} takes embeddings, not text, as exported .keras files do. "
            "Give the run's --model_dir or its SavedModel."
        )
    if not model.facts.reads_text:
        raise UsageError(
            f"{found.where} was trained on --embeddings and has no text encoder: it "
            "takes vectors from the encoder that made them, by the signature embedding "
            "of its SavedModel."
        )
    if found.loaded is not None:

        def draw(captions: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
            given = {"caption": captions, "seed": seeds}
            return found.loaded.signatures["generate"](**given)["image"]

        model._draw = draw
        return model
    network = model.network

    @tf.function(autograph=False)
    def traced(captions: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        return images_of(network, embed(network, captions), seeds)

    model._draw = traced
    return model


def embed(network: StackGenerator, captions: tf.Tensor) -> tf.Tensor:
    """Converts captions to embeddings.

    Args:
        network: A network with a text encoder.
        captions: string [N].

    Returns:
        float32 [N, D]. A graph fails if a caption has neither letter nor digit.

    Raises:
        ValueError: The network has no text encoder.
    """
    encoder = network.text_encoder
    if encoder is None:
        raise ValueError(f"{network.name} has no text encoder: give it embeddings.")
    with tf.device("/CPU:0"):
        told = tf.strings.regex_full_match(captions, "(?s).*[a-zA-Z0-9].*")
        message = "Each caption must contain a letter or a digit. Received:"
        check = tf.debugging.Assert(
            tf.reduce_all(told), [message, captions], summarize=16
        )
    with tf.control_dependencies([check]):
        numbers = text_matching.characters(captions, encoder.length)
    return encoder(numbers, training=False)


def images_of(
    network: StackGenerator, embedding: tf.Tensor, seeds: tf.Tensor
) -> tf.Tensor:
    """Generates an image from each embedding; its random numbers follow from its seed.

    Args:
        network: The generator.
        embedding: float32 [N, D].
        seeds: int64 [N].

    Returns:
        float32 [N, R, R, C] in [-1, 1].
    """
    latent = sampling.latents(seeds, network.latent_size)
    noise = [
        # From N(0, 1) via (-1, 1) to the truncated normal distribution.
        sampling.truncated_normal(tf.math.erf(draw[:, 0, 0] * math.sqrt(0.5)))
        for draw in sampling.noise(seeds, [(1, 1, network.condition_size)] * 2)
    ]
    return tf.cast(network(embedding, latent, *noise, training=False), tf.float32)
