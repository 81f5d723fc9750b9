"""Runs signatures in a few threads, batching the requests of several clients.

Requests waiting for the same signature with examples of the same shapes are joined
along the first axis, run at once and split again. No request is delayed to fill a batch
unless the model's own parameters ask for it: a free thread takes whatever is waiting.
"""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from export.serving.models import Signature
from export.serving.server_config import BatchingParameters
from export.serving.status import Code, ServingError, invalid

if TYPE_CHECKING:
    from export.serving.metrics import Metrics

Key: TypeAlias = tuple[str, int, str]
"""Model name, version and signature name."""

Arrays: TypeAlias = Mapping[str, np.ndarray]

_CLOSED = (Code.UNAVAILABLE, "The server is shutting down")
_GRACE_SECONDS = 10

# Bytes of one call's inputs: a network's activations take many times more.
_MAX_JOINED_BYTES = 16 * 2**20

# If the model has no parameters; larger requests are not refused, they run alone.
_DEFAULT = BatchingParameters(max_batch_size=16)


@dataclass(eq=False)
class _Task:
    """A waiting or running request; `eq=False`: compared by identity.

    Args:
        key: What it requests.
        signature: The signature to run.
        inputs: Of the request.
        size: Its number of examples; None: it cannot be batched.
        parameters: The model's batching parameters.
        deadline: When nobody waits for the response any more.
    """

    key: Key
    signature: Signature
    inputs: Arrays
    size: int | None
    parameters: BatchingParameters
    deadline: float

    def __post_init__(self) -> None:
        self.since = time.monotonic()
        self.done = threading.Event()
        self.outputs: Arrays = {}
        # Not the exception: in a reference cycle, it would keep its arrays alive.
        self.failure: tuple[Code, str] | None = None
        shapes = ((n, a.dtype, a.shape[1:]) for n, a in sorted(self.inputs.items()))
        self.group = object() if self.size is None else (self.key, tuple(shapes))


class Batcher:
    """Runs signatures in its own threads; safe to use from several threads.

    Args:
        max_queue: Maximum number of waiting requests; further ones are refused.
        threads: Threads running TensorFlow, so concurrent calls: memory grows with
            them.
        enabled: Whether requests are batched. If not, each runs alone; one larger than
            the model's max_batch_size is still refused.
        metrics: Counts each call.
    """

    def __init__(
        self,
        max_queue: int,
        threads: int,
        enabled: bool = True,
        metrics: "Metrics | None" = None,
    ) -> None:
        self._max_queue = max_queue
        self._enabled = enabled
        self._metrics = metrics
        self._changed = threading.Condition()
        self._waiting: list[_Task] = []
        self._running: Counter[tuple[str, int]] = Counter()
        self._alone: set[Key] = set()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch_{i}", daemon=True)
            for i in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def run(
        self,
        key: Key,
        signature: Signature,
        inputs: Arrays,
        parameters: BatchingParameters | None,
        deadline: float,
    ) -> dict[str, np.ndarray]:
        """Runs `signature` on `inputs`, possibly batched with other requests.

        Args:
            key: Names the signature; requests with the same key may be batched.
            signature: What is run.
            inputs: Arrays of exactly the dtypes of the signature.
            parameters: Those of the model; None: the defaults, with which a large
                request is not refused but runs alone.
            deadline: By the clock of `time.monotonic`; infinity: none.

        Returns:
            The outputs for these inputs alone.

        Raises:
            ServingError: The signature failed on these inputs; the queue is full, the
                deadline has passed or the batcher is closed.
        """
        size = _examples(signature, inputs)
        if parameters and size is not None and size > parameters.max_batch_size:
            raise invalid(
                f"Task size {size} is larger than maximum input batch size "
                f"{parameters.max_batch_size}"
            )
        if not self._enabled or key in self._alone:
            size = parameters = None
        task = _Task(key, signature, inputs, size, parameters or _DEFAULT, deadline)
        self._enqueue(task, bounded=parameters is not None)
        left = deadline - time.monotonic()
        if not task.done.wait(min(left, threading.TIMEOUT_MAX)):
            self._abandon(task)
        if task.failure is not None:
            raise ServingError(*task.failure)
        return dict(task.outputs)

    def waiting(self) -> int:
        """Returns the number of waiting requests, without those that run."""
        with self._changed:
            return len(self._waiting)

    def close(self) -> None:
        """Stops the threads after their present calls; refuses waiting requests."""
        with self._changed:
            self._closed = True
            refused, self._waiting = self._waiting, []
            self._changed.notify_all()
        for task in refused:
            task.failure = _CLOSED
            task.done.set()
        give_up = time.monotonic() + _GRACE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, give_up - time.monotonic()))

    def _enqueue(self, task: _Task, bounded: bool) -> None:
        with self._changed:
            if self._closed:
                raise ServingError(*_CLOSED)
            full = len(self._waiting) >= self._max_queue
            if bounded:
                most = task.parameters.max_enqueued_batches
                queued = sum(t.size or 0 for t in self._waiting if t.key == task.key)
                full |= queued >= most * task.parameters.max_batch_size
            if full:
                raise ServingError(
                    Code.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is "
                    "full",
                )
            self._waiting.append(task)
            self._changed.notify()

    def _abandon(self, task: _Task) -> None:
        """Nobody waits for `task` any more; what runs cannot be stopped."""
        with self._changed:
            queued = task in self._waiting
            if queued:
                self._waiting.remove(task)
        raise ServingError(
            Code.DEADLINE_EXCEEDED,
            "Run() timeout exceeded while waiting in batching queue"
            if queued
            else "Timed out waiting for notification",
        )

    def _work(self) -> None:
        while batch := self._next_batch():
            self._run_batch(batch)
            with self._changed:
                self._running.subtract([batch[0].key[:2]])
                self._running = +self._running
            # While waiting, a thread must not hold a model that may be unloaded.
            del batch

    def _next_batch(self) -> list[_Task]:
        """Waits for requests that can run now; [] when the batcher is closed."""
        with self._changed:
            while not self._closed:
                batch, due = self._ready_batch()
                if batch:
                    self._waiting = [t for t in self._waiting if t not in batch]
                    self._running[batch[0].key[:2]] += 1
                    # The next batch may be due before this one is finished.
                    self._changed.notify()
                    return batch
                self._changed.wait(None if due is None else due - time.monotonic())
        return []

    def _ready_batch(self) -> tuple[list[_Task], float | None]:
        """The oldest batch that can run now, or none and when the first is due."""
        first_due = None
        seen = set()
        for task in self._waiting:
            threads = task.parameters.num_batch_threads
            free = len(self._threads) - self._running.total()
            if threads is not None:
                free = min(free, threads - self._running[task.key[:2]])
            if free < 1 or task.group in seen:
                continue
            seen.add(task.group)
            batch, full = self._batch_of(task)
            wait = 0.0 if full else task.parameters.batch_timeout_micros / 1e6
            due = task.since + wait
            if due <= time.monotonic():
                # No thread should be idle while another runs a long batch.
                share = len(batch) if full else -(-len(batch) // free)
                return batch[:share], None
            first_due = due if first_due is None else min(due, first_due)
        return [], first_due

    def _batch_of(self, first: _Task) -> tuple[list[_Task], bool]:
        """What can be batched with `first`, and whether the batch is full."""
        if first.size is None:
            return [first], True
        most = first.parameters.max_batch_size
        of_one = sum(a.nbytes for a in first.inputs.values()) // first.size
        most = min(most, _MAX_JOINED_BYTES // max(of_one, 1))
        batch: list[_Task] = []
        size = 0
        for task in self._waiting:
            if task.group != first.group or task.size is None:
                continue
            if batch and size + task.size > most:
                return batch, True
            batch.append(task)
            size += task.size
        return batch, size >= most

    def _run_batch(self, batch: list[_Task]) -> None:
        """Runs requests together; one by one if that fails, as one may be the cause."""
        if len(batch) > 1 and self._run_together(batch):
            return
        for task in batch:
            if task.deadline <= time.monotonic():
                continue
            try:
                task.outputs = self._call(task, task.inputs, task.size or 1)
            except ServingError as error:
                task.failure = (error.code, self._place(task) + error.message)
            task.done.set()

    def _place(self, task: _Task) -> str:
        """Which of several files a request failed on, "image_bytes[2]: "; or ""."""
        size = _examples(task.signature, task.inputs) or 1
        files = [n for n, dtype in task.signature.inputs.items() if dtype == "string"]
        if size == 1 or not files:
            return ""
        for i in range(size):
            if task.deadline <= time.monotonic():
                break
            one = {name: array[i : i + 1] for name, array in task.inputs.items()}
            try:
                self._call(task, one, 1)
            except ServingError:
                return f"{files[0]}[{i}]: "
        return ""

    def _run_together(self, batch: list[_Task]) -> bool:
        """Returns whether every request has its response."""
        first = batch[0]
        ends = np.cumsum([task.size for task in batch])
        try:
            joined = {
                name: np.concatenate([task.inputs[name] for task in batch])
                for name in first.inputs
            }
            outputs = self._call(first, joined, int(ends[-1]))
        except Exception:
            # Run alone, each reports its own error.
            return False
        if any(array.shape[:1] != (ends[-1],) for array in outputs.values()):
            self._alone.add(first.key)
            return False
        parts = {name: np.split(array, ends[:-1]) for name, array in outputs.items()}
        for i, task in enumerate(batch):
            task.outputs = {name: arrays[i] for name, arrays in parts.items()}
            task.done.set()
        return True

    def _call(self, task: _Task, inputs: Arrays, size: int) -> Arrays:
        started = time.monotonic()
        try:
            return task.signature.run(inputs)
        except ServingError:
            raise
        except Exception as error:
            # A dead thread would never run another request.
            raise ServingError(Code.INTERNAL, str(error)) from error
        finally:
            if self._metrics is not None:
                self._metrics.batch_run(task.key[0], size, time.monotonic() - started)


def _examples(signature: Signature, inputs: Arrays) -> int | None:
    """The number of examples of `inputs`; None if they cannot be batched."""
    sizes = {array.shape[:1] for array in inputs.values()}
    if not signature.batched or len(sizes) != 1 or sizes & {(), (0,)}:
        return None
    return next(iter(sizes))[0]
