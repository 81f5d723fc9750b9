"""Small StackGANs and batches that several tests share."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.networks.conformance import randomize
from tfgan_models.networks import (
    CharacterEncoder,
    ImageEncoder,
    StackGenerator,
    StageOneDiscriminator,
    StageOneGenerator,
    StageTwoDiscriminator,
    StageTwoGenerator,
)
from tfgan_models.stackgan import StackGAN

SMALL = {"embedding_size": 6, "condition_size": 3, "filters": 4}
RATE = 0.01
FIRST = 2
"""Steps of stage one in the models here."""


def sgd() -> keras.optimizers.Optimizer:
    """Steps that can be written by hand."""
    return keras.optimizers.SGD(RATE)


def stackgan(
    optimizer: Callable[[], keras.optimizers.Optimizer] = sgd,
    text: bool = False,
    rates: Any = None,
    dtype: str | None = None,
    **options: Any,
) -> StackGAN:
    """Returns a small StackGAN of 16 and 32 px, compiled, away from its first weights.

    Args:
        optimizer: Makes both optimizers.
        text: Whether there is a stage 0, of 2 steps.
        rates: See `StackGAN.compile`.
        dtype: Of the networks.
        **options: More of the model's arguments.
    """
    keras.utils.set_random_seed(0)
    small = SMALL | {"dtype": dtype}
    encoder = None
    if text:
        encoder = CharacterEncoder(6, length=8, filters=4, name="text", dtype=dtype)
        image_encoder = ImageEncoder(6, 16, 4, dtype=dtype)
        options |= {"image_encoder": image_encoder, "matching_steps": 2}
    one = StageOneGenerator(16, latent_size=5, name="one", **small)
    two = StageTwoGenerator(32, 16, residual_blocks=1, name="two", **small)
    generator = StackGenerator(one, two, encoder, name="generator")
    judges = StageOneDiscriminator(16, **small), StageTwoDiscriminator(32, **small)
    for network in (generator, *judges):
        randomize(network)
    model = StackGAN(generator, *judges, **{"first_stage_steps": FIRST} | options)
    for key, ema in model.ema_generators.items():
        ema.set_weights(model.generators[key].get_weights())
    model.compile(optimizer(), optimizer(), rates)
    return model


def at(step: int, **options: Any) -> StackGAN:
    """Returns a model that stands before a step."""
    model = stackgan(**options)
    model.step.assign(step)
    model.begin(step)
    return model


def batches(
    count: int, size: int = 32, text: bool = False, halves: bool = False
) -> tf.data.Dataset:
    """Returns `count` batches of 4; with `halves`, of 2 samples twice."""
    random = np.random.default_rng(5)
    own = 2 * count if halves else 4 * count
    shape = (own, size, size, 3)
    data = {
        "real": random.uniform(-1, 1, shape).astype("float32"),
        "wrong": random.uniform(-1, 1, shape).astype("float32"),
    }
    if text:
        data["caption"] = random.integers(1, 60, (own, 8)).astype("int32")
    else:
        data["embedding"] = random.normal(size=(own, 6)).astype("float32")
    if halves:
        order = np.arange(own).reshape(-1, 2).repeat(2, axis=0).ravel()
        data = {key: value[order] for key, value in data.items()}
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return tf.data.Dataset.from_tensor_slices(data).batch(4).with_options(options)


def one_batch(**options: Any) -> dict[str, tf.Tensor]:
    """Returns the first of `batches`."""
    return next(iter(batches(1, **options)))
