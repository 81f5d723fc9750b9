"""Small SRGANs and batches that several tests share."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tests import gans
from tfgan_models.metrics.features.perceptual import Features
from tfgan_models.networks import SRDiscriminator, SRResNet
from tfgan_models.srgan import SRGAN

Optimizer = Callable[[], keras.optimizers.Optimizer]
RATE = 0.01


def sgd() -> keras.optimizers.Optimizer:
    """Steps that can be written by hand."""
    return keras.optimizers.SGD(RATE)


def edges() -> Features:
    """Returns features that are no network's: differences and products of pixels."""
    image = keras.Input((None, None, 3))
    difference = image[:, 1:] - image[:, :-1]
    network = keras.Model(image, difference * (2.0 + image[:, 1:]))
    return Features("edges", "for tests", network)


def srgan(
    first_stage_steps: int = 2,
    optimizer: Optimizer = gans.adam,
    features: Features | str | None = None,
    scale: int = 2,
    dtype: str | None = None,
    **options: object,
) -> SRGAN:
    """Returns a small SRGAN for 16 px, compiled."""
    keras.utils.set_random_seed(0)
    model = SRGAN(
        SRResNet(scale, 4, residual_blocks=2, dtype=dtype),
        SRDiscriminator(gans.SIZE, 2, dtype=dtype),
        features,
        first_stage_steps,
        **options,
    )
    model.compile(optimizer(), optimizer(), optimizer())
    model.begin(0)
    return model


def batches(count: int, halves_alike: bool = False) -> tf.data.Dataset:
    """Returns `count` batches of 4 random pairs, x2; or of 2 pairs, each twice."""
    random = np.random.default_rng(5)
    pairs = {
        key: random.uniform(-1, 1, (count, 4, size, size, 3)).astype(np.float32)
        for key, size in (("low", gans.SIZE // 2), ("high", gans.SIZE))
    }
    if halves_alike:
        pairs = {key: np.tile(x[:, :2], (1, 2, 1, 1, 1)) for key, x in pairs.items()}
    images = {key: x.reshape(-1, *x.shape[2:]) for key, x in pairs.items()}
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return tf.data.Dataset.from_tensor_slices(images).batch(4).with_options(options)


def one_batch() -> dict[str, tf.Tensor]:
    """Returns the first of `batches`."""
    return next(iter(batches(1)))


def train(model: SRGAN, data: tf.data.Dataset) -> dict[str, float]:
    """Trains without a graph, which is soon done; returns the mean losses."""
    logs = {}
    for batch in data:
        model.begin(int(model.step))
        logs = model.train_step(batch)
    return {name: float(value) for name, value in logs.items()}
