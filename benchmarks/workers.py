"""The two processes of a benchmark: TensorFlow with our code, PyTorch with the twin.

Each builds everything first, answers {"ready": ...} and then times what it is told to
on standard input, one word a line: "step", "inference" or "product" (a float32 matrix
product). It answers in seconds, one JSON object a line, and sleeps in between.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from export import command

PRODUCT_SIZE = 2048
# Calls in a run: a short task is repeated, so that what is timed is not waking up.
CALLS = {"step": 1, "inference": 5, "product": 5}
# Those of the paper (arXiv:1703.10593, appendix 7.1).
ADAM = {"learning_rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999, "epsilon": 1e-8}

Tasks = dict[str, Callable[[], Any]]


def images(batch_size: int, image_size: int, seed: int) -> np.ndarray:
    """Returns uniform noise [N, S, S, 3] in [-1, 1]."""
    shape = (batch_size, image_size, image_size, 3)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def tensorflow_tasks(image_size: int, blocks: int, batch_size: int) -> Tasks:
    """Returns our training step, our generator in a tf.function, TensorFlow's product.

    Args:
        image_size: Side of the images in pixels.
        blocks: Residual blocks of each generator.
        batch_size: Images of each domain in a step, and in an inference call.
    """
    command.quiet_tensorflow()
    import keras
    import tensorflow as tf

    from tfgan_models.cyclegan import CycleGAN
    from tfgan_models.networks import PatchDiscriminator, ResNetGenerator

    model = CycleGAN(
        ResNetGenerator(residual_blocks=blocks),
        ResNetGenerator(residual_blocks=blocks),
        PatchDiscriminator(),
        PatchDiscriminator(),
        image_size=image_size,
        pool_size=0,
    )
    model.compile(keras.optimizers.Adam(**ADAM), keras.optimizers.Adam(**ADAM))
    train = model.make_train_function()
    real_a = tf.constant(images(batch_size, image_size, 0))
    real_b = tf.constant(images(batch_size, image_size, 1))
    dataset = tf.data.Dataset.from_tensors({"real_a": real_a, "real_b": real_b})
    iterator = iter(dataset.repeat())

    @tf.function(autograph=False)
    def translate(image: tf.Tensor) -> tf.Tensor:
        return model.generator_a2b(image, training=False)

    @tf.function(autograph=False)
    def product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        return tf.matmul(left, right)

    square = tf.random.normal((PRODUCT_SIZE, PRODUCT_SIZE))
    return {
        "step": lambda: {k: v.numpy() for k, v in train(iterator).items()},
        "inference": lambda: translate(real_a).numpy(),
        "product": lambda: product(square, square).numpy(),
    }


def pytorch_tasks(image_size: int, blocks: int, batch_size: int) -> Tasks:
    """Returns the same of the twin in PyTorch; arguments as `tensorflow_tasks`."""
    import torch

    from benchmarks import torch_twin

    def batch(seed: int) -> torch.Tensor:
        photographs = torch.from_numpy(images(batch_size, image_size, seed))
        return photographs.permute(0, 3, 1, 2).contiguous()

    # Contiguous, not channels_last: measured 7 % faster here, in step and inference.
    model = torch_twin.CycleGAN(
        torch_twin.resnet_generator(residual_blocks=blocks),
        torch_twin.resnet_generator(residual_blocks=blocks),
        torch_twin.patch_discriminator(),
        torch_twin.patch_discriminator(),
    )
    real_a, real_b = batch(0), batch(1)
    square = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE)

    @torch.inference_mode()
    def translate() -> torch.Tensor:
        return model.generator_a2b(real_a)

    return {
        "step": lambda: model.train_step(real_a, real_b),
        "inference": translate,
        "product": lambda: torch.matmul(square, square),
    }


def main(framework: str, image_size: str, blocks: str, batch_size: str) -> None:
    """Answers until standard input closes."""
    build = {"tensorflow": tensorflow_tasks, "pytorch": pytorch_tasks}[framework]
    tasks = build(int(image_size), int(blocks), int(batch_size))
    print(json.dumps({"ready": framework}), flush=True)
    for line in sys.stdin:
        task = line.strip()
        start = time.perf_counter()
        for _ in range(CALLS[task]):
            tasks[task]()
        seconds = (time.perf_counter() - start) / CALLS[task]
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
