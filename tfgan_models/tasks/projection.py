"""Projecting an image to a generator's w (arXiv:1912.04958, appendix D)."""

import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf

from tfgan_models import sampling
from tfgan_models.data import pipeline
from tfgan_models.data.images import to_uint8
from tfgan_models.tasks import image_distance, images, synthesis
from tfgan_models.tasks.generators import StyleModel
from tfgan_models.tasks.images import Given
from tfgan_models.tasks.synthesis import Setting

LEARNING_RATE = 0.1
NOISE = 0.05
"""The standard deviation of the noise on w at the start, relative to that of w."""

_NOISE_END, _RAMP_UP, _RAMP_DOWN = 0.75, 0.05, 0.25
_SAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class Projection:
    """The result of a projection.

    Attributes:
        ws: A w for each style layer, [layers, D].
        image: The image generated from them, [R, R, C].
        losses: At each step, with that step's noise on w.
        start: The loss of the average w.
        end: The loss of `ws`.
        target: The target image, at the generator's size.
        made_of: A description of the loss.
    """

    ws: np.ndarray
    image: np.ndarray
    losses: list[float]
    start: float
    end: float
    target: np.ndarray | None = None
    made_of: str = ""


def project(
    generator: StyleModel,
    image: Given,
    space: str,
    steps: int,
    seed: int,
    setting: Setting,
) -> Projection:
    """Projects an image to w; see `fit`.

    Args:
        generator: The generator.
        image: Its centre square is taken.
        space: "w": one w for all style layers; "w+": one for each.
        steps: Optimisation steps.
        seed: For the noise on w.
        setting: Class and noise of the image.

    Raises:
        UsageError: The image cannot be read.
    """
    target = read_image(image, generator)
    measure, made_of = image_distance.distance(tf.constant(target[None]))
    found = fit(generator, measure, space, steps, seed, setting)
    return dataclasses.replace(found, target=target, made_of=made_of)


def read_image(image: Given, generator: StyleModel) -> np.ndarray:
    """Returns an image's centre square, prepared as for training, [R, R, C].

    Raises:
        UsageError: It cannot be read.
    """
    picture = images.read(image)
    pixels = picture.colours
    if picture.alpha is not None:  # over white, as in training
        alpha = np.asarray(picture.alpha, np.float32)[..., np.newaxis] / 255.0
        pixels = pixels * alpha + (1.0 - alpha)
    square = pipeline.central_square(tf.constant(to_uint8(pixels)))
    values = pipeline.to_float(pipeline.resize(square, generator.resolution)).numpy()
    return values if generator.channels == 3 else values.mean(axis=2, keepdims=True)


def fit(
    generator: StyleModel,
    measure: image_distance.Distance,
    space: str,
    steps: int,
    seed: int,
    setting: Setting,
) -> Projection:
    """Optimises w with Adam, starting from the average and with noise that fades.

    Args:
        generator: The generator.
        measure: The loss of images [1, R, R, C].
        space: "w" or "w+".
        steps: 1 or more.
        seed: For the noise on w.
        setting: Class and noise of the image.
    """
    rows = generator.layers if space == "w+" else 1
    w = keras.Variable(np.repeat(generator.w_avg[None], rows, axis=0))
    maps = synthesis.noise_maps(generator, setting.noise_seed(seed))
    deviation = NOISE * w_deviation(generator, setting.label)

    def repeated(w: tf.Tensor) -> tf.Tensor:
        return tf.broadcast_to(w, [1, generator.layers, w.shape[-1]])

    def loss_of(w: tf.Tensor) -> tf.Tensor:
        return measure(generator.synthesis(repeated(w), maps))

    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    optimizer.build([w])

    @tf.function(autograph=False)
    def step(number: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
        key = tf.stack([tf.constant(seed, tf.int64), number])
        noise = tf.random.stateless_normal(w.shape, key, alg="philox")
        with tf.GradientTape() as tape:
            loss = loss_of(w.value + noise * scale)
        optimizer.apply([tape.gradient(loss, w.value)], [w])
        return loss

    start = float(loss_of(w.value))
    losses = []
    for number in range(steps):
        optimizer.learning_rate = learning_rate(number / steps)
        fade = max(0.0, 1.0 - number / steps / _NOISE_END) ** 2
        scale = tf.constant(deviation * fade, tf.float32)
        losses.append(float(step(tf.constant(number, tf.int64), scale)))
    ws = repeated(w.value).numpy()[0]
    image = synthesis.from_w(generator, ws, setting.noise_seed(seed))
    end = float(measure(tf.constant(image[None])))
    return Projection(ws, image, losses, start, end)


def learning_rate(progress: float) -> float:
    """Returns the learning rate at a fraction, 0 to 1, of the steps.

    It rises linearly over the first twentieth and decays as a cosine over the last
    quarter.
    """
    up = min(1.0, progress / _RAMP_UP)
    down = min(1.0, (1.0 - progress) / _RAMP_DOWN)
    return LEARNING_RATE * up * (0.5 - 0.5 * math.cos(math.pi * down))


def w_deviation(generator: StyleModel, label: int | None) -> float:
    """Returns the deviation of w: the root of its mean squared distance to the mean."""
    # Traced, because it generates seed by seed.
    draw = tf.function(sampling.latents, autograph=False)
    latents = draw(tf.range(_SAMPLES, dtype=tf.int64), generator.latent_size)
    w = generator.mapping(latents, synthesis.labels(label, _SAMPLES)).numpy()
    return float(np.sqrt(np.square(w - w.mean(axis=0)).sum(axis=1).mean()))
