"""Times StyleGAN's training step and generation against the same in PyTorch.

    python -m benchmarks.stylegan --image_size=64 --batch_size=4 --runs=10

Ours is the step that `fit` calls at the full resolution (noise, style mixing, R1, both
Adams, the averages of weights and of w) and the generator in a tf.function, as in an
exported SavedModel. The twin is plain PyTorch: eager, fused Adam, contiguous tensors.
How they are timed is told in `benchmarks.interleaved`.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import interleaved
from benchmarks.workers import Task, Tasks, images

if TYPE_CHECKING:
    from benchmarks import style_twin_training
    from tfgan_models.stylegan import StyleGAN

BENCHMARK = interleaved.Benchmark(
    module="stylegan",
    title="StyleGAN, {image_size} px, fmap_base {fmap_base}, fmap_max {fmap_max}",
    aims={"step": 0.85, "generate": 0.85},
)
GENERATE_CALLS = 5
LATENT_SIZE = 512
# Those of the paper (arXiv:1812.04948, appendix C).
ADAM = {"learning_rate": 1e-3, "beta_1": 0.0, "beta_2": 0.99, "epsilon": 1e-8}
# As what is exported draws.
TRUNCATION_PSI, TRUNCATION_CUTOFF = 0.7, 8
GROUP = 4


def tensorflow_model(
    image_size: int, batch_size: int, fmap_base: int, fmap_max: int
) -> "StyleGAN":
    """Returns our model, at the full resolution from the start, compiled."""
    from tfgan_models.growth import Growth
    from tfgan_models.networks import StyleDiscriminator, StyleGenerator
    from tfgan_models.optimizers import SkippingAdam
    from tfgan_models.stylegan import StyleGAN

    sizes: dict[str, Any] = {"fmap_base": fmap_base, "fmap_max": fmap_max}
    schedule = Growth(
        resolution=image_size,
        first_resolution=image_size,
        stable_images=1,
        fade_images=1,
        total_images=1_000_000_000,
        batch_size=batch_size,
    )
    model = StyleGAN(
        StyleGenerator(image_size, latent_size=LATENT_SIZE, **sizes),
        StyleDiscriminator(image_size, **sizes),
        schedule,
    )
    model.compile(SkippingAdam(**ADAM), SkippingAdam(**ADAM))
    return model


def pytorch_model(
    image_size: int, batch_size: int, fmap_base: int, fmap_max: int
) -> "style_twin_training.StyleGAN":
    """Returns the twin."""
    from benchmarks import style_twin, style_twin_training

    sizes: dict[str, Any] = {"fmap_base": fmap_base, "fmap_max": fmap_max}
    return style_twin_training.StyleGAN(
        style_twin.StyleGenerator(image_size, **sizes),
        style_twin.StyleDiscriminator(resolution=image_size, **sizes),
        batch_size,
        ADAM["learning_rate"],
    )


def tensorflow_tasks(
    image_size: int, batch_size: int, fmap_base: int, fmap_max: int
) -> Tasks:
    """Returns our training step and our generator in a tf.function.

    Args:
        image_size: Side of the images in pixels.
        batch_size: Images in a step, and in a call of the generator.
        fmap_base: See `StyleGenerator`.
        fmap_max: See `StyleGenerator`.
    """
    import tensorflow as tf

    from benchmarks import flops

    model = tensorflow_model(image_size, batch_size, fmap_base, fmap_max)
    train = model.make_train_function()
    batch = {
        "real": images(batch_size, image_size, 0),
        "label": np.zeros(batch_size, np.int32),
    }
    iterator = iter(tf.data.Dataset.from_tensors(batch).repeat())
    generator = model.exported_networks["generator"]
    latent = tf.constant(normal(batch_size, LATENT_SIZE))
    shapes = generator.synthesis.noise_shapes()
    noise = [tf.constant(normal(1, *shape)) for shape in shapes]

    @tf.function(autograph=False)
    def generate(latent: tf.Tensor) -> tf.Tensor:
        return generator(
            latent, noise=noise, psi=TRUNCATION_PSI, cutoff=TRUNCATION_CUTOFF
        )

    return {
        "step": Task(
            lambda: {k: v.numpy() for k, v in train(iterator).items()},
            operations=flops.count(train, iterator),
        ),
        "generate": Task(
            lambda: generate(latent).numpy(),
            GENERATE_CALLS,
            flops.count(generate, latent),
        ),
    }


def pytorch_tasks(
    image_size: int, batch_size: int, fmap_base: int, fmap_max: int
) -> Tasks:
    """Returns the same of the twin in PyTorch; arguments as `tensorflow_tasks`."""
    import torch

    model = pytorch_model(image_size, batch_size, fmap_base, fmap_max)
    real = torch.from_numpy(images(batch_size, image_size, 0))
    # Contiguous, not channels_last: measured 2 % faster here, generation 7 %.
    real = real.permute(0, 3, 1, 2).contiguous()
    generator = model.average.module
    latent = torch.from_numpy(normal(batch_size, LATENT_SIZE))
    sides = [2 ** (i // 2 + 2) for i in range(generator.synthesis.num_layers)]
    noise = [torch.from_numpy(normal(1, 1, side, side)) for side in sides]

    @torch.inference_mode()
    def generate() -> torch.Tensor:
        return generator(
            latent, noise=noise, psi=TRUNCATION_PSI, cutoff=TRUNCATION_CUTOFF
        )

    return {
        "step": Task(lambda: model.train_step(real)),
        "generate": Task(generate, GENERATE_CALLS),
    }


def normal(*shape: int) -> np.ndarray:
    """Draws N(0, 1), float32, always the same."""
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = interleaved.parser("stylegan", __doc__, image_size=64)
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--fmap_base", type=int, default=8192)
    parser.add_argument("--fmap_max", type=int, default=512)
    options = parser.parse_args(arguments)
    size, batch = options.image_size, options.batch_size
    if size < 8 or size & (size - 1) or options.fmap_base < size // 2:
        parser.error(
            "--image_size must be a power of two and 8 or more, --fmap_base at least "
            f"half of it. Received: {size}, {options.fmap_base}"
        )
    if min(batch, options.fmap_max, options.runs) < 1 or batch % min(batch, GROUP):
        parser.error(
            "--batch_size must be 1, 2, 3 or a multiple of 4, --fmap_max and --runs 1 "
            f"or more. Received: {batch}, {options.fmap_max}, {options.runs}"
        )
    return options


if __name__ == "__main__":
    interleaved.main(BENCHMARK, parse())
