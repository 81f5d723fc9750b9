"""One of several workers: `python -m tests.worker OUTPUT`, described by TF_CONFIG."""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests import gans
from tfgan_models.cyclegan import CycleGAN
from tfgan_models.runs import checkpoints
from trainers.training import devices, resuming

STEPS = 5
BATCH = 4


def share(context: tf.distribute.InputContext) -> tf.data.Dataset:
    """This worker's contiguous part of each global batch."""
    size = BATCH // context.num_input_pipelines
    first = context.input_pipeline_id * size
    return gans.batches(STEPS, BATCH).map(
        lambda batch: {k: v[first : first + size] for k, v in batch.items()}
    )


def model() -> CycleGAN:
    """Returns what is trained."""
    return gans.cyclegan(
        optimizer=gans.sgd, pool_size=0, ema_decay=0.9, dtype="float64"
    )


def main(output: str) -> None:
    """Trains and writes the weights and losses as NPZ."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        network = model()
    data = strategy.distribute_datasets_from_function(share)
    history = network.fit(data, steps_per_epoch=STEPS, shuffle=False, verbose=0)
    losses = {name: values[-1] for name, values in history.history.items()}
    weights = {f"w{i}": w for i, w in enumerate(gans.weights(network))}
    step = int(network.step.read_value())
    folder, own = Path(output), devices.worker(strategy)
    for saved in range(1, 3 + own):  # the second worker is one ahead
        checkpoints.save(folder, saved, network.training_state())
    resumed = resuming.restore(folder, network.training_state(), strategy)
    np.savez(output, step=step, resumed=resumed, **weights, **losses)


if __name__ == "__main__":
    main(sys.argv[1])
