"""The two processes of a benchmark: TensorFlow with our code, PyTorch with the twin.

    python -m benchmarks.workers BENCHMARK FRAMEWORK SIZES

Each builds everything first, answers {"ready": ..., "operations": ...} and then times
what it is told to on standard input, one word a line: a task of the benchmark or
"product" (a float32 matrix product). It answers in seconds, one JSON object a line, and
sleeps in between.
"""

import dataclasses
import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from export import command

PRODUCT_SIZE = 2048


@dataclasses.dataclass(frozen=True)
class Task:
    """What is timed.

    Attributes:
        run: Does it once and returns when it is done.
        calls: Of `run` in a timed run: a short task is repeated, so that what is timed
            is not waking up.
        operations: Floating-point operations of one call, where they are counted.
    """

    run: Callable[[], object]
    calls: int = 1
    operations: int | None = None

    def seconds(self) -> float:
        """Returns the time of one call, a mean over `calls`."""
        start = time.perf_counter()
        for _ in range(self.calls):
            self.run()
        return (time.perf_counter() - start) / self.calls


Tasks: TypeAlias = dict[str, Task]


def images(batch_size: int, image_size: int, seed: int) -> np.ndarray:
    """Returns uniform noise [N, S, S, 3] in [-1, 1]."""
    shape = (batch_size, image_size, image_size, 3)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def tensorflow_product() -> Task:
    """Returns TensorFlow's matrix product."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def product(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        return tf.matmul(left, right)

    square = tf.random.normal((PRODUCT_SIZE, PRODUCT_SIZE))
    operations = 2 * PRODUCT_SIZE**3
    return Task(lambda: product(square, square).numpy(), 5, operations)


def pytorch_product() -> Task:
    """Returns PyTorch's matrix product."""
    import torch

    square = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE)
    return Task(lambda: torch.matmul(square, square), 5)


def main(benchmark: str, framework: str, sizes: str) -> None:
    """Answers until standard input closes.

    Args:
        benchmark: A module here with `tensorflow_tasks` and `pytorch_tasks`.
        framework: "tensorflow" or "pytorch".
        sizes: Their arguments, a JSON object.
    """
    if framework == "tensorflow":
        command.quiet_tensorflow()
    module = importlib.import_module(f"benchmarks.{benchmark}")
    product = {"tensorflow": tensorflow_product, "pytorch": pytorch_product}[framework]
    tasks = getattr(module, f"{framework}_tasks")(**json.loads(sizes))
    tasks["product"] = product()
    operations = {k: t.operations for k, t in tasks.items() if t.operations}
    print(json.dumps({"ready": framework, "operations": operations}), flush=True)
    for line in sys.stdin:
        seconds = tasks[line.strip()].seconds()
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
