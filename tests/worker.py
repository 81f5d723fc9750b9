"""One of several workers: `python -m tests.worker OUTPUT`, described by TF_CONFIG."""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests import gans
from tfgan_models.errors import FailureError
from trainers import devices

STEPS = 5
BATCH = 4


def share(context: tf.distribute.InputContext) -> tf.data.Dataset:
    """This worker's contiguous part of each global batch."""
    size = BATCH // context.num_input_pipelines
    first = context.input_pipeline_id * size
    return gans.batches(STEPS, BATCH).map(
        lambda batch: {k: v[first : first + size] for k, v in batch.items()}
    )


def main(output: str) -> None:
    """Trains and writes the weights and losses as NPZ."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        model = gans.cyclegan(optimizer=gans.sgd, pool_size=0, ema_decay=0.9)
    data = strategy.distribute_datasets_from_function(share)
    history = model.fit(data, steps_per_epoch=STEPS, shuffle=False, verbose=0)
    losses = {name: values[-1] for name, values in history.history.items()}
    weights = {f"w{i}": w for i, w in enumerate(gans.weights(model))}
    step = int(model.step.read_value())
    devices.check_same_step(step, Path(output), strategy)
    try:
        devices.check_same_step(devices.worker(strategy), Path(output), strategy)
    except FailureError as error:
        message = str(error)
    np.savez(output, step=step, message=message, **weights, **losses)


if __name__ == "__main__":
    main(sys.argv[1])
