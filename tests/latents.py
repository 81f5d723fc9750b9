"""What the tests of GAN, CGAN and DCGAN share: batches, and steps written by hand."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import gans
from tfgan_models.adversarial import GANModel

SIZE = 16
CLASSES = 3
RATE = 0.05
LOG2 = float(np.log(2.0))


def sgd() -> keras.optimizers.Optimizer:
    """Steps that show in single precision."""
    return keras.optimizers.SGD(RATE)


def batches(count: int, channels: int = 1, halves: bool = False) -> tf.data.Dataset:
    """Returns `count` batches of 4 random images; with `halves` of 2, repeated."""
    random = np.random.default_rng(5)
    shape = (count, 4, SIZE, SIZE, channels)
    real = random.uniform(-1, 1, shape).astype(np.float32)
    label = random.integers(0, CLASSES, (count, 4)).astype(np.int32)
    if halves:
        real[:, 2:], label[:, 2:] = real[:, :2], label[:, :2]
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    data = {"real": real, "label": label}
    return tf.data.Dataset.from_tensor_slices(data).with_options(options)


def one_batch(channels: int = 1) -> dict[str, tf.Tensor]:
    return next(iter(batches(1, channels)))


def enlarged(network: keras.Model, factor: float) -> keras.Model:
    """Multiplies the weights: the papers' first ones are so small that little moves."""
    for weight in network.trainable_variables:
        weight.assign(weight * factor)
    return network


def latents(model: GANModel, purpose: int, count: int = 4) -> tf.Tensor:
    """What a model of one replica draws at its step."""
    generator = model.generator
    return model.draw_samples(
        purpose,
        count,
        generator.latent_size,
        distribution=generator.latent_distribution,
    )


def descend(loss: Callable[[], tf.Tensor], network: keras.Model) -> float:
    """Moves the weights of a network down the slope; returns the loss of before."""
    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, network.trainable_variables)
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        variable.assign_sub(RATE * gradient)
    return float(value)


def assert_same_step(model: GANModel, twin: GANModel, start: list[np.ndarray]) -> None:
    """Both went the same way, and somewhere: no kernel stayed where it was."""
    gans.assert_moved_alike(gans.weights(model), gans.weights(twin), start)
    for manual, before in zip(gans.weights(twin), start, strict=True):
        if manual.ndim > 1:
            assert np.abs(manual - before).max() > 1e-5


def assert_graph_is_eager(
    eager: GANModel, graph: GANModel, data: tf.data.Dataset
) -> None:
    start = gans.weights(eager)
    for batch in data:
        eager.train_step(batch)
    gans.train(graph, data)
    assert int(graph.step) == int(eager.step) > 0
    gans.assert_moved_alike(gans.weights(graph), gans.weights(eager), start)


def assert_two_replicas_are_one(
    make: Callable[[], GANModel],
    mirrored: tf.distribute.MirroredStrategy,
    data: tf.data.Dataset,
) -> None:
    """Weights, averaged generators and logs after these steps."""
    single = make()
    start = gans.weights(single)
    with mirrored.scope():
        double = make()
    logs, double_logs = (gans.train_eagerly(m, data) for m in (single, double))
    assert double_logs == pytest.approx(logs, rel=1e-5, abs=1e-6)
    gans.assert_moved_alike(gans.weights(double), gans.weights(single), start)
    averages = [m.ema_generators["generator"].get_weights() for m in (double, single)]
    gans.assert_moved_alike(*averages, start[: len(averages[0])])


def penalty(
    judge: Callable[[tf.Tensor], tf.Tensor],
    real: tf.Tensor,
    fake: tf.Tensor,
    places: tf.Tensor,
) -> tf.Tensor:
    """WGAN-GP's, written out; `places` in [0, 1), 0 is real."""
    places = tf.reshape(places, [-1, 1, 1, 1])
    between = (1 - places) * real + places * fake
    with tf.GradientTape() as tape:
        tape.watch(between)
        scores = judge(between)
    slopes = tf.reshape(tape.gradient(scores, between), [len(between), -1])
    return tf.reduce_mean((tf.norm(slopes, axis=1) - 1.0) ** 2)
