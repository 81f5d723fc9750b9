"""Requests joined and taken apart again."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from export.serving.batching import Batcher
from export.serving.models import Signature
from export.serving.server_config import BatchingParameters
from export.serving.status import Code, ServingError

KEY = ("m", 1, "serving_default")


class Double:
    """y = 2 x, which notes the shapes it was called with and can be held up."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.started = threading.Semaphore(0)
        self.may_run = threading.Event()
        self.may_run.set()

    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        self.shapes.append(tuple(x.shape))
        self.started.release()
        assert self.may_run.wait(30)
        if bool(tf.reduce_any(x < 0.0)):
            raise tf.errors.InvalidArgumentError(None, None, "x is negative")
        return {"y": 2.0 * x}


def signature(function: Any, dtype: str = "float32", **changes: Any) -> Signature:
    fields = {
        "function": function,
        "inputs": {"x": dtype},
        "shapes": {"x": (None, 1)},
        "outputs": {"y": dtype},
        "batched": True,
    }
    return Signature(**(fields | changes))


def rows(*values: float) -> dict[str, np.ndarray]:
    return {"x": np.array(values, np.float32).reshape(-1, 1)}


class Clients:
    """Threads that send requests to a batcher."""

    def __init__(self, pool: ThreadPoolExecutor, **settings: Any) -> None:
        given = {"max_queue": 50, "threads": 1} | settings
        self.batcher = Batcher(**given)
        self.pool = pool
        self.double = Double()
        self.signature = signature(self.double)

    def send(
        self,
        inputs: dict[str, np.ndarray],
        parameters: BatchingParameters | None = None,
        seconds: float = 30.0,
        sig: Signature | None = None,
        key: tuple[str, int, str] = KEY,
    ) -> Future:
        before = self.batcher.waiting()
        future = self.pool.submit(
            self.batcher.run,
            key,
            sig or self.signature,
            inputs,
            parameters,
            time.monotonic() + seconds,
        )
        if not self.double.may_run.is_set():
            # Until it waits (or is refused), so that requests are in the order sent.
            until(lambda: self.batcher.waiting() > before or future.done())
        return future

    def hold(self) -> Future:
        """Keeps the only thread busy until `release`."""
        self.double.may_run.clear()
        future = self.pool.submit(
            self.batcher.run, KEY, self.signature, rows(0.5), None, float("inf")
        )
        assert self.double.started.acquire(timeout=30)
        return future

    def release(self) -> None:
        self.double.may_run.set()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture
def make() -> Iterator[Callable[..., Clients]]:
    made = []
    with ThreadPoolExecutor(32) as pool:

        def clients(**settings: Any) -> Clients:
            made.append(Clients(pool, **settings))
            return made[-1]

        yield clients
        for one in made:
            one.release()
            one.batcher.close()


def test_what_waits_is_joined_and_taken_apart(make: Callable[..., Clients]) -> None:
    clients = make()
    held = clients.hold()
    futures = [clients.send(rows(i, 10.0 * i)) for i in range(1, 4)]
    other_size = clients.send({"x": np.ones((1, 2), np.float32)})
    assert clients.batcher.waiting() == 4
    clients.release()
    assert held.result()["y"].tolist() == [[1.0]]
    for i, future in enumerate(futures, start=1):
        assert future.result()["y"].tolist() == [[2.0 * i], [20.0 * i]]
    assert other_size.result()["y"].tolist() == [[2.0, 2.0]]
    assert clients.double.shapes == [(1, 1), (6, 1), (1, 2)]
    assert clients.batcher.waiting() == 0


def test_the_answers_of_many_clients_are_their_own(
    make: Callable[..., Clients],
) -> None:
    clients = make(threads=2, max_queue=1000)
    sent = [rows(*range(i, i + 1 + i % 3)) for i in range(300)]
    futures = [clients.send(inputs) for inputs in sent]
    for inputs, future in zip(sent, futures, strict=True):
        np.testing.assert_array_equal(future.result()["y"], 2 * inputs["x"])
    assert len(clients.double.shapes) < 300


def test_what_waits_is_shared_among_free_threads(
    make: Callable[..., Clients],
) -> None:
    clients = make(threads=2)
    wait = BatchingParameters(max_batch_size=8, batch_timeout_micros=500_000)
    clients.double.may_run.clear()
    futures = [clients.send(rows(i), wait) for i in range(4)]
    for _ in range(2):
        assert clients.double.started.acquire(timeout=30)
    assert clients.double.shapes == [(2, 1), (2, 1)]
    clients.release()
    assert [f.result()["y"].item() for f in futures] == [0.0, 2.0, 4.0, 6.0]


def test_strings_are_joined(make: Callable[..., Clients]) -> None:
    clients = make()
    texts = signature(lambda x: {"y": tf.strings.join([x, x])}, "string")
    clients.hold()
    inputs = ([b"a\0"], [b"", b"\xff\0\0"])
    futures = [
        clients.send({"x": np.array(i, object)}, sig=texts, key=("m", 1, "texts"))
        for i in inputs
    ]
    clients.release()
    assert futures[0].result()["y"].tolist() == [b"a\0a\0"]
    assert futures[1].result()["y"].tolist() == [b"", b"\xff\0\0\xff\0\0"]


def test_switched_off_each_runs_alone(make: Callable[..., Clients]) -> None:
    clients = make(enabled=False)
    clients.hold()
    futures = [clients.send(rows(i), BatchingParameters(1)) for i in range(3)]
    large = clients.send(rows(1, 2, 3))
    clients.release()
    assert [f.result()["y"].item() for f in futures] == [0.0, 2.0, 4.0]
    assert large.result()["y"].ravel().tolist() == [2.0, 4.0, 6.0]
    assert clients.double.shapes == [(1, 1)] * 4 + [(3, 1)]


def test_one_bad_request_is_the_only_one_refused(make: Callable[..., Clients]) -> None:
    clients = make()
    clients.hold()
    futures = [clients.send(rows(x)) for x in (1.0, -1.0, 3.0)]
    clients.release()
    assert futures[0].result()["y"].tolist() == [[2.0]]
    assert futures[2].result()["y"].tolist() == [[6.0]]
    with pytest.raises(ServingError, match="x is negative") as raised:
        futures[1].result()
    assert raised.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("batched", [True, False])
def test_outputs_that_are_not_one_an_example(
    make: Callable[..., Clients], batched: bool
) -> None:
    clients = make()
    calls = []

    def total(x: tf.Tensor) -> dict[str, tf.Tensor]:
        calls.append(len(x))
        return {"y": tf.reduce_sum(x, 0)}

    for expected in ([4, 1, 3], [1, 3]) if batched else ([1, 3], [1, 3]):
        calls.clear()
        clients.hold()
        futures = [
            clients.send(
                rows(*values),
                sig=signature(total, batched=batched),
                key=("m", 1, "total"),
            )
            for values in ([1.0], [1.0, 2.0, 3.0])
        ]
        clients.release()
        assert [f.result()["y"].tolist() for f in futures] == [[1.0], [6.0]]
        # What has shown that it cannot be joined is not joined again.
        assert calls == expected


def test_what_has_no_common_first_dimension_runs_alone(
    make: Callable[..., Clients],
) -> None:
    clients = make()
    add = signature(
        lambda x, z: {"y": x + z},
        inputs={"x": "float32", "z": "float32"},
        shapes={"x": None, "z": None},
    )
    x = np.ones((2, 1), np.float32)
    clients.hold()
    futures = [
        clients.send({"x": x, "z": np.float32(z) * x[:1]}, sig=add) for z in (1, 2)
    ]
    scalars = clients.send({"x": np.array(1, np.float32)})
    none = [clients.send({"x": x[:0]}) for _ in range(2)]
    clients.release()
    assert [f.result()["y"].ravel().tolist() for f in futures] == [[2, 2], [3, 3]]
    assert scalars.result()["y"].tolist() == 2.0
    assert [f.result()["y"].shape for f in none] == [(0, 1), (0, 1)]


def test_a_full_queue_refuses(make: Callable[..., Clients]) -> None:
    clients = make(max_queue=2)
    clients.hold()
    futures = [clients.send(rows(i)) for i in range(2)]
    with pytest.raises(
        ServingError,
        match="The batch scheduling queue to which this task was submitted is full",
    ) as raised:
        clients.send(rows(3)).result()
    assert raised.value.code is Code.UNAVAILABLE
    clients.release()
    assert [f.result()["y"].item() for f in futures] == [0.0, 2.0]


def test_the_parameters_of_a_model(make: Callable[..., Clients]) -> None:
    clients = make()
    parameters = BatchingParameters(max_batch_size=2, max_enqueued_batches=2)
    with pytest.raises(
        ServingError, match="Task size 3 is larger than maximum input batch size 2"
    ) as raised:
        clients.send(rows(1, 2, 3), parameters).result()
    assert raised.value.code is Code.INVALID_ARGUMENT
    with pytest.raises(ServingError, match="Task size 3 is larger"):
        make(enabled=False).send(rows(1, 2, 3), parameters).result()
    clients.hold()
    futures = [clients.send(rows(i), parameters) for i in range(4)]
    with pytest.raises(ServingError, match="is full"):
        clients.send(rows(4), parameters).result()
    clients.release()
    assert [f.result()["y"].item() for f in futures] == [0.0, 2.0, 4.0, 6.0]
    assert clients.double.shapes == [(1, 1), (2, 1), (2, 1)]


def test_large_examples_are_not_joined(make: Callable[..., Clients]) -> None:
    clients = make()
    clients.hold()
    large = {"x": np.zeros((1, 3 * 2**20), np.float32)}
    futures = [clients.send(large) for _ in range(2)]
    alone = clients.send(rows(*range(40)))
    clients.release()
    for future in (*futures, alone):
        future.result()
    assert clients.double.shapes[1:] == [(1, 3 * 2**20)] * 2 + [(40, 1)]


def test_a_timeout_waits_for_company(make: Callable[..., Clients]) -> None:
    clients = make()
    parameters = BatchingParameters(max_batch_size=3, batch_timeout_micros=60_000_000)
    futures = [clients.send(rows(i), parameters) for i in range(3)]
    assert sorted(f.result()["y"].item() for f in futures) == [0.0, 2.0, 4.0]
    assert clients.double.shapes == [(3, 1)]
    short = BatchingParameters(max_batch_size=3, batch_timeout_micros=50_000)
    started = time.monotonic()
    assert clients.send(rows(1), short).result()["y"].item() == 2.0
    assert time.monotonic() - started >= 0.05


def test_the_threads_of_a_model(make: Callable[..., Clients]) -> None:
    clients = make(threads=2)
    one = BatchingParameters(max_batch_size=1, num_batch_threads=1)
    clients.double.may_run.clear()
    futures = [
        clients.pool.submit(
            clients.batcher.run, KEY, clients.signature, rows(i), one, float("inf")
        )
        for i in range(2)
    ]
    assert clients.double.started.acquire(timeout=30)
    until(lambda: clients.batcher.waiting() == 1)
    other = signature(lambda x: {"y": x})
    assert (
        clients.batcher.run(
            ("other", 1, "serving_default"), other, rows(7), None, time.monotonic() + 30
        )["y"].item()
        == 7.0
    )
    assert len(clients.double.shapes) == 1
    clients.release()
    assert sorted(f.result()["y"].item() for f in futures) == [0.0, 2.0]


def test_deadlines(make: Callable[..., Clients]) -> None:
    clients = make()
    clients.double.may_run.clear()
    running = clients.pool.submit(
        clients.batcher.run,
        KEY,
        clients.signature,
        rows(1),
        None,
        time.monotonic() + 0.3,
    )
    assert clients.double.started.acquire(timeout=30)
    waiting = clients.send(rows(2), seconds=0.1)
    for future in (waiting, running):
        with pytest.raises(ServingError) as raised:
            future.result()
        assert raised.value.code is Code.DEADLINE_EXCEEDED
    assert clients.batcher.waiting() == 0
    clients.release()
    assert clients.send(rows(4)).result()["y"].item() == 8.0
    assert clients.double.shapes == [(1, 1), (1, 1)]
    with pytest.raises(ServingError) as raised:
        clients.send(rows(5), seconds=-1.0).result()
    assert raised.value.code is Code.DEADLINE_EXCEEDED


def test_a_failure_that_is_not_tensorflows(make: Callable[..., Clients]) -> None:
    clients = make()

    def broken(x: tf.Tensor) -> dict[str, tf.Tensor]:
        raise ValueError("broken")

    for _ in range(2):
        with pytest.raises(ServingError, match="broken") as raised:
            clients.send(rows(1), sig=signature(broken), key=("b", 1, "s")).result()
        assert raised.value.code is Code.INTERNAL
    assert clients.send(rows(1)).result()["y"].item() == 2.0


def test_a_request_alone_does_not_wait(make: Callable[..., Clients]) -> None:
    clients = make(threads=2)

    def seconds(run: Callable[[], Any]) -> float:
        times = []
        for _ in range(200):
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
        return float(np.median(times))

    inputs, end = rows(1), time.monotonic() + 60
    direct = seconds(lambda: clients.signature.run(inputs))
    batched = seconds(
        lambda: clients.batcher.run(KEY, clients.signature, inputs, None, end)
    )
    assert batched < direct + 0.005


def test_closing(make: Callable[..., Clients]) -> None:
    clients = make()
    held = clients.hold()
    waiting = clients.send(rows(1))
    closing = clients.pool.submit(clients.batcher.close)
    with pytest.raises(ServingError, match="shutting down") as raised:
        waiting.result()
    assert raised.value.code is Code.UNAVAILABLE
    clients.release()
    closing.result()
    assert held.result()["y"].item() == 1.0
    with pytest.raises(ServingError, match="shutting down"):
        clients.send(rows(1)).result()


class Recorder:
    def __init__(self) -> None:
        self.runs: list[tuple[str, int, float]] = []

    def batch_run(self, model: str, size: int, seconds: float) -> None:
        self.runs.append((model, size, seconds))


def test_metrics(make: Callable[..., Clients]) -> None:
    recorder = Recorder()
    clients = make(metrics=recorder)
    clients.hold()
    futures = [clients.send(rows(1, 2)) for _ in range(3)]
    clients.release()
    for future in futures:
        future.result()
    clients.batcher.close()
    assert [run[:2] for run in recorder.runs] == [("m", 1), ("m", 6)]
    assert all(0 <= seconds < 30 for *_, seconds in recorder.runs)
