"""What happens between training steps."""

import math
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, SupportsFloat, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from tfgan_models.adversarial import GANModel
from tfgan_models.errors import FailureError
from tfgan_models.runs import checkpoints, description
from tfgan_models.runs.description import Description
from trainers.training import progress
from trainers.training.describing import Describer
from trainers.training.extras import Extras

LOG_EVERY = 20
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
Logs: TypeAlias = Mapping[str, SupportsFloat]
"""What Keras tells of a step: losses by name."""

Grids: TypeAlias = Mapping[str, np.ndarray]


class Checkpoints(keras.callbacks.Callback):
    """Saves the full state at regular intervals and at the end.

    Args:
        directory: The folder of the checkpoints.
        every: Steps between two checkpoints.
        step: The step at which this run starts.
        describer: Says what the model is.
    """

    def __init__(
        self, directory: Path, every: int, step: int, describer: Describer
    ) -> None:
        super().__init__()
        self.directory = directory
        self.describer = describer
        self.every = every
        self.step = step
        self.saved: int | None = step or None

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Counts the step; saves where it is due."""
        self.step += 1
        if self.step % self.every == 0:
            self.save()

    def save(self) -> None:
        """Saves the current state, unless it is saved already.

        Raises:
            FailureError: A network's weights are not finite.
        """
        if self.saved == self.step:
            return
        bad = _not_finite(self.model)
        if bad:
            raise FailureError(
                f"Stopped at step {self.step}: the weights of {bad} are not finite. "
                f"{_last_good(self.saved)}"
            )
        said = self.describer.at(self.step, self.model)
        save_model(self.directory, self.step, self.model, said)
        self.saved = self.step
        self.describer.write(self.step, self.model)


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops when a loss is NaN or infinite; list it before `Checkpoints`.

    Args:
        checkpoint: Knows the step and what is saved.
    """

    def __init__(self, checkpoint: Checkpoints) -> None:
        super().__init__()
        self.checkpoint = checkpoint

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Raises FailureError naming the losses that are not finite."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        bad = [k for k, value in values.items() if not math.isfinite(value)]
        if bad:
            terms = ", ".join(f"{k}={values[k]}" for k in bad)
            raise FailureError(
                f"Stopped at step {self.checkpoint.step + 1}: {terms}. "
                f"{_last_good(self.checkpoint.saved)} A lower --learning_rate or "
                "--mixed_precision=float32 may help."
            )


class StopOnSignal(keras.callbacks.Callback):
    """Ends the training after the current step on Ctrl-C or SIGTERM.

    A line says so at once, even during minutes of tracing. A second
    signal ends the process. `received` is the signal's number or None.
    """

    def __init__(self) -> None:
        super().__init__()
        self.received: int | None = None
        self._previous: dict[int, Any] = {}
        self._previous_fd = -1
        self._written = -1

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Installs the handlers, once for all calls of `fit`."""
        if self._previous:
            return
        numbers, self._written = os.pipe()
        os.set_blocking(self._written, False)
        # Python's own handlers wait until the main thread comes back from TensorFlow.
        self._previous_fd = signal.set_wakeup_fd(
            self._written, warn_on_full_buffer=False
        )
        threading.Thread(target=self._listen, args=[numbers], daemon=True).start()
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, _leave_to_the_listener)

    def _listen(self, numbers: int) -> None:
        with open(numbers, "rb", buffering=0) as signals:
            while number := signals.read(1):
                if number[0] not in _SIGNALS:
                    continue
                if self.received is None:
                    self.received = number[0]
                    progress.say(
                        "Stopping after this step; once more to stop immediately."
                    )
                else:
                    os._exit(128 + number[0])

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Asks `fit` to stop if a signal has come."""
        if self.received is not None:
            self.model.stop_training = True

    def restore_handlers(self) -> None:
        """Restores the previous handlers."""
        if not self._previous:
            return
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
        signal.set_wakeup_fd(self._previous_fd)
        os.close(self._written)


def _leave_to_the_listener(number: int, frame: FrameType | None) -> None:
    """Keeps a signal from having its default effect."""


class StopAtTime(keras.callbacks.Callback):
    """Ends the training after a number of seconds.

    Args:
        seconds: Wall-clock time since the first step.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self._end = math.inf

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Starts the clock, once for all calls of `fit`."""
        self._end = min(self._end, time.monotonic() + self.seconds)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Asks `fit` to stop when the time is over."""
        if time.monotonic() >= self._end:
            self.model.stop_training = True


class Progress(keras.callbacks.Callback):
    """Scalars every `LOG_EVERY` steps; sample grids as PNG and in TensorBoard.

    List it before `Checkpoints`: a run killed after a checkpoint then
    has the grids of its step.

    Args:
        extras: Writes them.
        samples: Makes the model's sample grids, uint8 [H, W, 3] by name.
        every: Steps between two grids.
        step: The step at which this run starts.
        images_at: Step -> images seen before it.
        ends: Further steps with sample grids.
        reals: Makes a grid of real images, saved as `samples/reals.png`; or None.
    """

    def __init__(
        self,
        extras: Extras,
        samples: Callable[[GANModel], Grids],
        every: int,
        step: int,
        images_at: Callable[[int], int],
        ends: Collection[int] = (),
        reals: Callable[[], np.ndarray] | None = None,
    ) -> None:
        super().__init__()
        self.extras = extras
        self.samples = samples
        self.every = every
        self.step = step
        self.images_at = images_at
        self.ends = ends
        self.reals = reals
        self._since = (time.monotonic(), images_at(step))
        self._seconds_per_kimg = math.nan
        self._drawn: int | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Starts the clock for images per second; writes the real images once."""
        if self.reals is not None and not self.extras.path("reals").exists():
            self.extras.grid("reals", self.reals())
        self._since = (time.monotonic(), self.images_at(self.step))

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Writes what is due at this step."""
        self.step += 1
        if self.step % LOG_EVERY == 0:
            self._write_scalars(logs or {})
        if self.step % self.every == 0 or self.step in self.ends:
            self._write_grids()
        if self.step % self.every == 0:
            self._print_status()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Writes the grids of a run that was stopped before its end."""
        # Only then: `fit` ends at other steps in a run that is killed and resumed.
        if self.model.stop_training:
            self._write_grids()

    def _write_scalars(self, logs: Logs) -> None:
        then, first = self._since
        now, images = time.monotonic(), self.images_at(self.step)
        speed = (images - first) / max(now - then, 1e-9)
        self._since = (now, images)
        values = {f"losses/{name}": float(value) for name, value in logs.items()}
        values |= {f"status/{k}": v for k, v in self.model.status().items()}
        values["images_per_second"] = speed
        self._seconds_per_kimg = values["seconds_per_kimg"] = 1000 / max(speed, 1e-9)
        values["peak_memory_gb"] = _peak_memory() / 1e9
        self.extras.scalars(self.step, values)

    def _print_status(self) -> None:
        status = self.model.status()
        if status:
            status |= {"seconds_per_kimg": self._seconds_per_kimg}
            told = ", ".join(f"{name} {value:.4g}" for name, value in status.items())
            progress.say(f"step {self.step}: {told}")

    def _write_grids(self) -> None:
        if self._drawn == self.step:
            return
        self._drawn = self.step
        self.extras.grids(self.step, self.samples(self.model))


def described(
    model: GANModel,
) -> tuple[str, dict[str, keras.Model], dict[str, keras.Model]]:
    """Returns what `checkpoints.describe` is to describe of a model."""
    group = "ema_generators" if model.ema_generators else "generators"
    return group, model.exported_networks, model.discriminators


def save_model(
    directory: Path,
    step: int,
    model: GANModel,
    said: Description,
    kept: int = checkpoints.KEPT,
) -> None:
    """Writes a checkpoint of a model and what it is, see `checkpoints.save`."""
    texts = {
        checkpoints.NETWORKS: checkpoints.describe(*described(model)),
        description.FILE: said.to_text(),
    }
    checkpoints.save(directory, step, model.training_state(), kept, texts)


def _peak_memory() -> float:
    """Returns the peak memory in bytes, on the fullest GPU or, without one, here."""
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        return max(
            tf.config.experimental.get_memory_info(gpu.name.split("device:")[-1])[
                "peak"
            ]
            for gpu in gpus
        )
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _not_finite(model: GANModel) -> str:
    """Returns the names of the networks with a weight that is not finite."""
    networks = {**model.generators, **model.discriminators, **model.ema_generators}
    return ", ".join(
        name
        for name, network in networks.items()
        if not all(
            bool(tf.reduce_all(tf.math.is_finite(v.value))) for v in network.weights
        )
    )


def _last_good(saved: int | None) -> str:
    if saved is None:
        return "No checkpoint had been written yet."
    return f"The checkpoint of step {saved} is kept."
