"""Projecting an image to a generator's w (arXiv:1912.04958, appendix D)."""

import dataclasses
import io
import math
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfgan_models import sampling
from tfgan_models.data import images as image_files
from tfgan_models.data import pipeline
from tfgan_models.errors import UsageError
from tfgan_models.runs import files
from trainers.generation import image_distance, synthesis
from trainers.generation.models import StyleModel
from trainers.generation.synthesis import Setting

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
    """

    ws: np.ndarray
    image: np.ndarray
    losses: list[float]
    start: float
    end: float


def project(
    generator: StyleModel,
    image: Path,
    space: str,
    steps: int,
    seed: int,
    setting: Setting,
    output_dir: Path,
) -> list[Path]:
    """Writes projection.png (target | projection), the loss's curve and w.npz.

    Args:
        generator: The generator.
        image: The image file; its centre square is taken.
        space: "w": one w for all style layers; "w+": one for each.
        steps: Of the optimisation.
        seed: For the noise on w.
        setting: Class and noise of the image.
        output_dir: An existing folder.

    Returns:
        The files.

    Raises:
        UsageError: The image cannot be read.
    """
    target = read_image(image, generator)
    measure, made_of = image_distance.distance(tf.constant(target[None]))
    print(f"Loss: {made_of}", flush=True)
    found = fit(generator, measure, space, steps, seed, setting)
    print(f"Loss {found.start:.5f} at the start, {found.end:.5f} at the end")
    arrays = io.BytesIO()
    np.savez(arrays, w=found.ws if space == "w+" else found.ws[0], ws=found.ws)
    files.write_bytes(output_dir / "w.npz", arrays.getvalue())
    pair = synthesis.tile([[target, found.image]])
    return [
        synthesis.write(output_dir / "projection.png", pair),
        write_curve(output_dir, found.losses),
        output_dir / "w.npz",
    ]


def read_image(path: Path, generator: StyleModel) -> np.ndarray:
    """Returns an image file's centre square, prepared as for training, [R, R, C].

    Raises:
        UsageError: It cannot be read.
    """
    try:
        pixels = image_files.decode_image(path.read_bytes())
    # Damaged files raise OSError, SyntaxError, ValueError, struct.error and more.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"--image={path} cannot be read: {reason}. Give a JPEG, PNG, WebP, BMP or "
            "GIF file."
        ) from error
    square = pipeline.central_square(tf.constant(pixels))
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


def write_curve(output_dir: Path, losses: Sequence[float]) -> Path:
    """Writes loss.png, or loss.csv if matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        lines = [f"{step},{loss:.8g}" for step, loss in enumerate(losses)]
        files.write_text(output_dir / "loss.csv", "\n".join(["step,loss", *lines, ""]))
        return output_dir / "loss.csv"
    figure = Figure(figsize=(6.4, 4.0), dpi=110, layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss", yscale="log")
    axes.plot(losses)
    axes.grid(alpha=0.25)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    files.write_bytes(output_dir / "loss.png", file.getvalue())
    return output_dir / "loss.png"
