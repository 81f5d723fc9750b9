"""What every paper's model must do; adding one is one `Case` in `CASES`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests import gans, growing
from tfgan_models.adversarial import GANModel
from tfgan_models.cgan import CGAN
from tfgan_models.dcgan import DCGAN
from tfgan_models.gan import GAN
from tfgan_models.networks import (
    CharacterEncoder,
    ConditionalMLPDiscriminator,
    ConditionalMLPGenerator,
    DCGANDiscriminator,
    DCGANGenerator,
    ImageEncoder,
    MLPDiscriminator,
    MLPGenerator,
    PatchDiscriminator,
    SRDiscriminator,
    SRResNet,
    StackGenerator,
    StageOneDiscriminator,
    StageOneGenerator,
    StageTwoDiscriminator,
    StageTwoGenerator,
    UNetGenerator,
)
from tfgan_models.pix2pix import Pix2Pix
from tfgan_models.srgan import SRGAN
from tfgan_models.stackgan import StackGAN

Batch = dict[str, tf.Tensor]
Optimizer = Callable[[], keras.optimizers.Optimizer]


@dataclass(frozen=True)
class Case:
    """A paper's model at the smallest size that has all its parts.

    Attributes:
        model: Its class's name.
        build: (seed, dtype, optimizer, **options) -> the model, compiled. Without
            arguments: seed 0, float32, the paper's optimizer with a rate that moves
            everything.
        batch: (model, seed) -> a batch of the stage that the model is in.
        stages: The steps at which a stage begins.
        steps: Of a training through all stages; its half is inside or between two.
        steady: An optimizer whose steps are proportional to the gradient.
        ema: Options that have the generators averaged.
        side: Of the images that its generators take, in pixels.
        unused: Layers that no stage trains.
        draws: Whether training draws anything.
    """

    model: str
    build: Callable[..., GANModel]
    batch: Callable[[GANModel, int], Batch]
    stages: tuple[int, ...] = (0,)
    steps: int = 4
    steady: Optimizer = field(default=lambda: keras.optimizers.SGD(1e-3))
    ema: Mapping[str, Any] = field(default_factory=lambda: {"ema_decay": 0.5})
    side: int = 16
    unused: tuple[str, ...] = ()
    draws: bool = True

    def __str__(self) -> str:
        """Names the case in a test's id."""
        return self.model


def adam() -> keras.optimizers.Optimizer:
    """The papers' optimizer, a bit faster."""
    return keras.optimizers.Adam(1e-3, beta_1=0.5, epsilon=1e-8)


def images(seed: int, count: int, side: int, channels: int = 3) -> tf.Tensor:
    """Returns random images [count, side, side, channels] in [-1, 1]."""
    random = np.random.default_rng(seed)
    shape = (count, side, side, channels)
    return tf.constant(random.uniform(-1, 1, shape), tf.float32)


def classes(count: int, label_size: int = 3) -> tf.Tensor:
    """Returns all classes in turn, int32 [count]."""
    return tf.range(count) % label_size


def _cyclegan(seed: int = 0, optimizer: Optimizer = adam, **options: Any) -> GANModel:
    # A pool that is full, and so draws, from the second step on.
    return gans.cyclegan(seed, optimizer=optimizer, pool_size=2, **options)


def _domains(_: GANModel, seed: int) -> Batch:
    return {"real_a": images(seed, 2, 16), "real_b": images(seed + 1000, 2, 16)}


def _pix2pix(
    seed: int = 0,
    dtype: str | None = None,
    optimizer: Optimizer = adam,
    **options: Any,
) -> GANModel:
    keras.utils.set_random_seed(seed)
    model = Pix2Pix(
        UNetGenerator(5, 2, dtype=dtype),
        PatchDiscriminator(2, layers=1, channels=6, norm="batch", dtype=dtype),
        seed=seed,
        **options,
    )
    model.compile(optimizer(), optimizer())
    return model


def _pairs(_: GANModel, seed: int) -> Batch:
    return {"real_a": images(seed, 2, 32), "real_b": images(seed + 1000, 2, 32)}


def _small(
    model: type[GANModel],
    generator: Callable[..., keras.Model],
    discriminator: Callable[..., keras.Model],
) -> Callable[..., GANModel]:
    """Builds a model of one generator and one discriminator."""

    def build(
        seed: int = 0,
        dtype: str | None = None,
        optimizer: Optimizer = adam,
        **options: Any,
    ) -> GANModel:
        keras.utils.set_random_seed(seed)
        networks = generator(dtype=dtype), discriminator(dtype=dtype)
        gan = model(*networks, seed=seed, **options)
        gan.compile(optimizer(), optimizer())
        return gan

    return build


def _labelled(side: int, channels: int = 3) -> Callable[[GANModel, int], Batch]:
    """Makes batches of images of three classes."""

    def batch(_: GANModel, seed: int) -> Batch:
        return {"real": images(seed, 4, side, channels), "label": classes(4)}

    return batch


def _srgan(
    seed: int = 0,
    dtype: str | None = None,
    optimizer: Optimizer = adam,
    **options: Any,
) -> GANModel:
    keras.utils.set_random_seed(seed)
    model = SRGAN(
        SRResNet(2, filters=2, residual_blocks=1, dtype=dtype),
        SRDiscriminator(16, filters=2, dtype=dtype),
        features=None,
        first_stage_steps=2,
        seed=seed,
        **options,
    )
    model.compile(optimizer(), optimizer(), optimizer())
    return model


def _low_and_high(_: GANModel, seed: int) -> Batch:
    return {"low": images(seed, 2, 8), "high": images(seed + 1000, 2, 16)}


def _stackgan(
    seed: int = 0,
    dtype: str | None = None,
    optimizer: Optimizer = adam,
    **options: Any,
) -> GANModel:
    keras.utils.set_random_seed(seed)
    sizes = {"embedding_size": 4, "condition_size": 3, "dtype": dtype}
    model = StackGAN(
        StackGenerator(
            StageOneGenerator(16, latent_size=4, filters=4, **sizes),
            StageTwoGenerator(32, 16, filters=4, residual_blocks=1, **sizes),
            CharacterEncoder(4, length=8, filters=4, dtype=dtype),
        ),
        StageOneDiscriminator(16, filters=4, **sizes),
        StageTwoDiscriminator(32, filters=4, **sizes),
        ImageEncoder(4, resolution=16, filters=2, dtype=dtype),
        matching_steps=2,
        first_stage_steps=2,
        seed=seed,
        **options,
    )
    model.compile(optimizer(), optimizer())
    return model


def _captioned(_: GANModel, seed: int) -> Batch:
    letters = np.random.default_rng(seed).integers(1, 30, (4, 8))
    return {
        "real": images(seed, 4, 32),
        "wrong": images(seed + 1000, 4, 32),
        "caption": tf.constant(letters, tf.int32),
    }


_DENSE = {"image_size": 6, "channels": 1}
_LABELS = {"label_size": 3}


def _growing(make: Callable[..., GANModel], **numbers: Any) -> Callable[..., GANModel]:
    def build(seed: int = 0, **options: Any) -> GANModel:
        schedule = growing.growth(**numbers)
        return make(seed, schedule=schedule, label_size=3, **options)

    return build


def _two_resolutions(
    model: str, build: Callable[..., GANModel], unused: tuple[str, ...] = ()
) -> Case:
    return Case(
        model,
        build,
        growing.batch,
        stages=(0, 2, 4),
        steps=6,
        steady=growing.proportional,
        ema={},
        unused=unused,
    )


CASES = [
    Case(
        "GAN",
        _small(
            GAN,
            partial(MLPGenerator, latent_size=4, units=8, **_DENSE),
            partial(MLPDiscriminator, units=8, pieces=2, **_DENSE),
        ),
        _labelled(6, 1),
        steady=partial(keras.optimizers.SGD, 0.1),
    ),
    Case(
        "CGAN",
        _small(
            CGAN,
            partial(ConditionalMLPGenerator, latent_size=4, **_DENSE, **_LABELS),
            partial(ConditionalMLPDiscriminator, **_DENSE, **_LABELS),
        ),
        _labelled(6, 1),
        steady=partial(keras.optimizers.SGD, 0.1),
    ),
    Case(
        "DCGAN",
        _small(
            DCGAN,
            partial(DCGANGenerator, 32, latent_size=4, filters=2),
            partial(DCGANDiscriminator, 32, filters=2),
        ),
        _labelled(32),
    ),
    Case("SRGAN", _srgan, _low_and_high, stages=(0, 2), draws=False),
    Case("StackGAN", _stackgan, _captioned, stages=(0, 2, 4), steps=6),
    Case("CycleGAN", _cyclegan, _domains),
    Case("Pix2Pix", _pix2pix, _pairs, side=32),
    _two_resolutions(
        "ProGAN", _growing(growing.progan, resolution=8, first_resolution=4)
    ),
    _two_resolutions(
        "StyleGAN", _growing(growing.stylegan), ("to_rgb_4", "from_rgb_4")
    ),
]


def begin(case: Case, model: GANModel, step: int, first: int) -> None:
    """Has a model begin its stage, as a trainer does."""
    if step == first or step in case.stages:
        model.begin(step)


def train(
    case: Case, model: GANModel, steps: int | None = None, first: int = 0
) -> list[dict[str, float]]:
    """Trains step by step, not traced; returns what each step logged."""
    logs = []
    for step in range(first, first + (steps or case.steps)):
        begin(case, model, step, first)
        for metric in model.loss_metrics:
            metric.reset_state()
        logs.append(model.train_step(case.batch(model, 100 + step)))
    return [{name: float(value) for name, value in log.items()} for log in logs]


def train_traced(case: Case, model: GANModel, steps: int) -> dict[str, tf.Tensor]:
    """Trains as `fit` does, by the compiled function; returns what it logged last."""
    logs: dict[str, tf.Tensor] = {}
    for step in range(steps):
        begin(case, model, step, 0)
        for metric in model.loss_metrics:
            metric.reset_state()
        batch = tf.data.Dataset.from_tensors(case.batch(model, 100 + step))
        logs = model.make_train_function()(iter(batch))
    return logs


def networks(model: GANModel) -> dict[str, keras.Model]:
    """Returns all networks of a model, by group and name."""
    groups = ("generators", "discriminators", "ema_generators")
    return {
        f"{group}/{name}": network
        for group in groups
        for name, network in getattr(model, group).items()
    }


def values(model: GANModel) -> dict[str, np.ndarray]:
    """Returns the weights of all networks, by where they are."""
    return {
        f"{name}/{i}/{weight.path}": weight.numpy()
        for name, network in networks(model).items()
        for i, weight in enumerate(network.weights)
    }


def assign(model: GANModel, given: dict[str, np.ndarray]) -> None:
    """Gives all networks the weights that `values` returned."""
    left = iter(given.values())
    for network in networks(model).values():
        network.set_weights([next(left) for _ in network.weights])


def answers(network: keras.Model, side: int) -> list[np.ndarray]:
    """Returns what a network gives for random inputs."""
    functional = network.functional() if hasattr(network, "functional") else network
    random = np.random.default_rng(0)
    inputs = keras.tree.map_structure(
        lambda tensor: random.uniform(
            -1, 1, [2, *(s or side for s in tensor.shape[1:])]
        ).astype("float32"),
        functional.input,
    )
    return [np.asarray(y) for y in keras.tree.flatten(functional(inputs))]
