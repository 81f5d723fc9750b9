"""Small models and batches that several tests share."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfgan_models.adversarial import GANModel
from tfgan_models.cyclegan import CycleGAN
from tfgan_models.networks import PatchDiscriminator, ResNetGenerator

SIZE = 16


def adam() -> keras.optimizers.Optimizer:
    """The paper's optimizer."""
    return keras.optimizers.Adam(2e-4, beta_1=0.5, epsilon=1e-8)


def sgd() -> keras.optimizers.Optimizer:
    """Steps as long as the paper's, but proportional to the gradient.

    Adam divides by the gradient's size, and that of a bias which instance
    normalisation cancels is nothing but rounding.
    """
    return keras.optimizers.SGD(1e-4)


def cyclegan(
    seed: int = 0,
    dtype: str | None = None,
    optimizer: Callable[[], keras.optimizers.Optimizer] = adam,
    norm: str = "instance",
    **options: object,
) -> CycleGAN:
    """Returns a CycleGAN of a few thousand parameters, compiled."""
    keras.utils.set_random_seed(seed)
    model = CycleGAN(
        ResNetGenerator(4, 1, norm=norm, dtype=dtype),
        ResNetGenerator(4, 1, norm=norm, dtype=dtype),
        PatchDiscriminator(4, layers=1, norm=norm, dtype=dtype),
        PatchDiscriminator(4, layers=1, norm=norm, dtype=dtype),
        image_size=SIZE,
        seed=seed,
        **options,
    )
    model.compile(optimizer(), optimizer())
    return model


def batches(count: int, batch_size: int = 4, seed: int = 5) -> tf.data.Dataset:
    """Returns `count` batches of random images, the same for the same seed."""
    random = np.random.default_rng(seed)
    shape = (count * batch_size, SIZE, SIZE, 3)
    images = {
        key: random.uniform(-1, 1, shape).astype(np.float32)
        for key in ("real_a", "real_b")
    }
    dataset = tf.data.Dataset.from_tensor_slices(images)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return dataset.batch(batch_size, drop_remainder=True).with_options(options)


def train(model: GANModel, data: tf.data.Dataset) -> dict[str, float]:
    """Trains one epoch on `data` and returns its mean losses."""
    history = model.fit(data, shuffle=False, verbose=0)
    return {name: values[-1] for name, values in history.history.items()}


def train_eagerly(model: GANModel, data: tf.data.Dataset) -> dict[str, float]:
    """Trains on `data` on all replicas, not traced; returns the mean losses."""
    strategy = model.distribute_strategy
    for batch in strategy.experimental_distribute_dataset(data):
        logs = strategy.run(model.train_step, args=(batch,))
    return {
        name: float(strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None))
        for name, value in logs.items()
    }


def weights(model: GANModel) -> list[np.ndarray]:
    """Returns the weights of all networks."""
    networks = (*model.generators.values(), *model.discriminators.values())
    return [w for network in networks for w in network.get_weights()]


def assert_moved_alike(
    ours: list[np.ndarray],
    theirs: list[np.ndarray],
    start: list[np.ndarray],
    share: float = 1e-5,
) -> None:
    """Asserts that two trainings took float64 weights from `start` to the same place.

    In float32 a value beside a kink (ReLU, L1) is on the side that the last bit says,
    and a gradient with it: how far two computations of the same then are apart is the
    machine's. In float64 only images, logits and losses are rounded to float32.

    Args:
        ours: Weights of one.
        theirs: Of the other.
        start: Of both before.
        share: Of how far each weight went, the largest difference.
    """
    assert {w.dtype for w in ours if w.dtype.kind == "f"} == {np.dtype("float64")}
    moved = [
        float(np.abs(after - before).max())
        for after, before in zip(theirs, start, strict=True)
    ]
    # Of what hardly moves, such as a bias that is normalised away, the rest's.
    least = max(moved) / 10
    assert least > 0
    for one, other, distance in zip(ours, theirs, moved, strict=True):
        atol = share * max(distance, least)
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def cross_entropy(logits: tf.Tensor, label: float) -> tf.Tensor:
    """Returns the mean of TensorFlow's own against a label for all."""
    labels = tf.fill(tf.shape(logits), label)
    return tf.reduce_mean(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    )
