"""What one image of a size takes of time and memory in a served translation.

    python -m benchmarks.image_sizes --sizes=256,512,1024

Prints the rows of docs/serving.md's table: random weights of the papers' widths, one
call in a process of its own, after one of 256 px that loads the kernels.
"""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from export.command import quiet_tensorflow, run


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_list("sizes", ["256", "512", "1024", "2048"], "Sides in pixels.")


def main(argv: Sequence[str]) -> None:
    """Measures each network at each size."""
    del argv
    quiet_tensorflow()
    from export.signatures.writing import write_saved_model
    from tfgan_models.networks import ResNetGenerator, UNetGenerator

    print("| network | image | seconds | GB |\n|---|---|---|---|")
    for build in (UNetGenerator, ResNetGenerator):
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder) / "1"
            write_saved_model(build(), directory)
            for size in map(int, flags.FLAGS.sizes):
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    seconds, gigabytes = pool.apply(measure, (str(directory), size))
                print(
                    f"| {build.__name__} | {size} x {size} | {seconds:.1f} | "
                    f"{gigabytes:.1f} |",
                    flush=True,
                )


def measure(directory: str, size: int) -> tuple[float, float]:
    """Runs a SavedModel on one image.

    Args:
        directory: The SavedModel.
        size: Height and width of the image.

    Returns:
        Seconds of the call, and the process's most memory in GB.
    """
    quiet_tensorflow()
    import tensorflow as tf

    loaded = tf.saved_model.load(directory)
    translate = loaded.signatures["serving_default"]
    for side in (256, size):
        image = tf.zeros([1, side, side, 3])
        started = time.perf_counter()
        translate(image=image)
        seconds = time.perf_counter() - started
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    define_flags()
    run(main)
