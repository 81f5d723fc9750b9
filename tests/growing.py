"""Small ProGANs and StyleGANs that several tests share."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgan_models.growing_gan import GrowingGAN
from tfgan_models.growth import Growth, at_step
from tfgan_models.networks import (
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    StyleDiscriminator,
    StyleGenerator,
)
from tfgan_models.optimizers import SkippingAdam
from tfgan_models.progan import ProGAN
from tfgan_models.stylegan import StyleGAN

LATENT = 4
SHAPE = {"fmap_base": 32, "fmap_max": 4}


def growth(**numbers: Any) -> Growth:
    """8 px stable, 16 px fading, 16 px stable: 2 steps of 8 images each."""
    small = {
        "resolution": 16,
        "first_resolution": 8,
        "stable_images": 16,
        "fade_images": 16,
        "total_images": 48,
        "batch_size": 8,
    }
    return Growth(**small | numbers)


def adam() -> SkippingAdam:
    """The papers' optimizer."""
    return SkippingAdam(0.001, beta_1=0.0, beta_2=0.99, epsilon=1e-8)


def proportional() -> SkippingAdam:
    """Steps about proportional to the gradient, thanks to a large epsilon.

    The papers' steps are as long for a gradient that is nothing but rounding.
    """
    return SkippingAdam(0.001, beta_1=0.0, beta_2=0.99, epsilon=1.0)


def stylegan(
    seed: int = 0,
    dtype: str | None = None,
    optimizer: Callable[[], keras.optimizers.Optimizer] = adam,
    schedule: Growth | None = None,
    label_size: int = 0,
    **options: Any,
) -> StyleGAN:
    """Returns a StyleGAN of a few hundred parameters, compiled."""
    keras.utils.set_random_seed(seed)
    schedule = schedule or growth()
    common = {
        "resolution": schedule.resolution,
        "label_size": label_size,
        "dtype": dtype,
        **SHAPE,
    }
    model = StyleGAN(
        StyleGenerator(
            latent_size=LATENT, w_size=4, mapping_layers=2, name="generator", **common
        ),
        StyleDiscriminator(name="discriminator", **common),
        schedule,
        seed=seed,
        **options,
    )
    return _compiled(model, optimizer)


def progan(
    seed: int = 0,
    dtype: str | None = None,
    optimizer: Callable[[], keras.optimizers.Optimizer] = adam,
    schedule: Growth | None = None,
    label_size: int = 0,
    **options: Any,
) -> ProGAN:
    """Returns a ProGAN of a few hundred parameters, compiled."""
    keras.utils.set_random_seed(seed)
    schedule = schedule or growth()
    common = {
        "resolution": schedule.resolution,
        "label_size": label_size,
        "dtype": dtype,
        **SHAPE,
    }
    model = ProGAN(
        ProgressiveGenerator(latent_size=LATENT, name="generator", **common),
        ProgressiveDiscriminator(name="discriminator", **common),
        schedule,
        seed=seed,
        **options,
    )
    return _compiled(model, optimizer)


MAKERS = (stylegan, progan)


def _compiled(model: GrowingGAN, optimizer: Callable[[], Any]) -> GrowingGAN:
    """Moves the weights away from the zeros and ones that they start at."""
    random = np.random.default_rng(model.seed)
    for network in (model.generator, model.discriminator):
        for variable in network.variables:
            moved = np.asarray(variable) + 0.2 * random.normal(size=variable.shape)
            variable.assign(moved)
    ema = model.ema_generators["generator"]
    ema.set_weights(model.generator.get_weights())
    model.compile(optimizer(), optimizer())
    return model


def enter(model: GrowingGAN, step: int) -> GrowingGAN:
    """Has a model stand before a step, as if all before had been done."""
    model.step.assign(step)
    model.images_seen.assign(at_step(model.phases, step).images_at(step))
    model.begin(step)
    return model


def images(count: int, side: int, seed: int = 5) -> np.ndarray:
    """Returns random images."""
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (count, side, side, 3)).astype("float32")


def batch(model: GrowingGAN, seed: int = 5) -> dict[str, tf.Tensor]:
    """Returns a batch of a model's present phase; of its classes in turn."""
    count = model.phase.batch_size
    classes = max(model.generator.label_size, 1)
    return {
        "real": tf.constant(images(count, model.phase.resolution, seed)),
        "label": tf.range(count) % classes,
    }


def train(model: GrowingGAN, steps: int, first: int = 0) -> dict[str, list[float]]:
    """Trains through the phases, not traced; returns each loss, step for step."""
    seen: dict[str, list[float]] = {name: [] for name in model.loss_names}
    for step in range(first, first + steps):
        if step == at_step(model.phases, step).first_step:
            model.begin(step)
        for metric in model.loss_metrics:
            metric.reset_state()
        logs = model.train_step(batch(model, seed=100 + step))
        for name, value in logs.items():
            seen[name].append(float(value))
    return seen


def weights(*networks: keras.Model) -> list[np.ndarray]:
    """Returns the weights of networks."""
    return [w for network in networks for w in network.get_weights()]


def state(model: GrowingGAN) -> list[np.ndarray]:
    """Returns generator, discriminator and averaged generator."""
    return weights(
        model.generator, model.discriminator, model.ema_generators["generator"]
    )


def assert_close(
    ours: list[np.ndarray], theirs: list[np.ndarray], atol: float = 1e-5
) -> None:
    """Asserts that two lists of arrays are equal but for rounding."""
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=atol)


def furthest(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """Returns the largest difference between two lists of arrays."""
    return max(
        float(np.abs(one - two).max()) for one, two in zip(ours, theirs, strict=True)
    )


def repeated(images: Any, factor: int) -> tf.Tensor:
    """Repeats pixels each way."""
    return tf.repeat(tf.repeat(images, factor, axis=1), factor, axis=2)


def pooled(images: tf.Tensor, factor: int) -> tf.Tensor:
    """Takes the mean of factor x factor pixels."""
    return tf.nn.avg_pool2d(images, factor, factor, "VALID")


def first_adam_step(weight: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """`proportional`'s first step, by section 2 of arXiv:1412.6980.

    The mean is g, the mean square 0.01 g^2, and the rate 0.001 sqrt(1 - 0.99).
    """
    g = np.asarray(gradient, np.float64)
    return weight - 0.001 * 0.1 * g / (0.1 * np.abs(g) + 1.0)
