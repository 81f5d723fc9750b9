"""The processes beside the endpoint in `benchmarks.serving`: in-process, and clients.

    python -m benchmarks.serving_workers in_process|clients FOLDER [MODEL]

FOLDER holds the image files. Each answers "ready" and then one JSON object a line for
every line of standard input, an `Order`; in between it sleeps.
"""

import base64
import http.client
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export import command

MODEL = "cyclegan_a2b"
SECONDS = 300
Ask = Callable[[int], bytes]
"""Number of an image file -> the PNG file that comes back."""
Make = Callable[["Order", ExitStack], list[Ask]]
"""An order, and what closes the connections -> an asker for each thread."""


@dataclass(frozen=True)
class Order:
    """What a worker is told to do.

    Attributes:
        threads: That ask at the same time, each for one image after the other.
        requests: Images, of all threads together.
        protocol: "rest", "grpc"; "" in process.
        address: "host:port"; "" in process.
        answers: A folder where the answer for each image file is written, untimed;
            "": the requests are timed instead.
    """

    threads: int = 1
    requests: int = 1
    protocol: str = ""
    address: str = ""
    answers: str = ""


def image_files(folder: Path) -> list[bytes]:
    """Returns the contents of a folder's files, in the order of their names."""
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def timed(askers: list[Ask], requests: int) -> dict[str, Any]:
    """Asks for images from as many threads as there are askers.

    Args:
        askers: One for each thread.
        requests: Images, of all together.

    Returns:
        "seconds" from the first question to the last answer, and the "latencies".
    """
    numbers, taking = itertools.count(), threading.Lock()
    started = threading.Barrier(len(askers) + 1)

    def work(ask: Ask) -> list[float]:
        latencies: list[float] = []
        started.wait()
        while True:
            with taking:
                number = next(numbers)
            if number >= requests:
                return latencies
            start = time.perf_counter()
            ask(number)
            latencies.append(time.perf_counter() - start)

    with ThreadPoolExecutor(len(askers)) as pool:
        running = [pool.submit(work, ask) for ask in askers]
        started.wait()
        start = time.perf_counter()
        latencies = [seconds for part in running for seconds in part.result()]
        elapsed = time.perf_counter() - start
    return {"seconds": elapsed, "latencies": latencies}


def in_process(files: list[bytes], model: Path) -> Make:
    """Returns what makes askers that call the SavedModel's `encoded` themselves."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(model))

    def ask(number: int) -> bytes:
        contents = tf.constant([files[number % len(files)]])
        outputs = loaded.signatures["encoded"](image_bytes=contents)
        return next(iter(outputs.values())).numpy()[0]

    return lambda order, stack: [ask] * order.threads


def clients(files: list[bytes]) -> Make:
    """Returns what makes askers of an endpoint, each with a connection of its own."""
    bodies = {"rest": _rest_bodies(files), "grpc": _grpc_messages(files)}
    makers = {"rest": _rest_asker, "grpc": _grpc_asker}

    def askers(order: Order, stack: ExitStack) -> list[Ask]:
        make, sent = makers[order.protocol], bodies[order.protocol]
        return [make(order.address, sent, stack) for _ in range(order.threads)]

    return askers


def _rest_bodies(files: list[bytes]) -> list[bytes]:
    return [
        json.dumps(
            {
                "signature_name": "encoded",
                "instances": [{"b64": base64.b64encode(contents).decode()}],
            }
        ).encode()
        for contents in files
    ]


def _rest_asker(address: str, bodies: list[bytes], stack: ExitStack) -> Ask:
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    stack.enter_context(closing(connection))
    connection.connect()

    def ask(number: int) -> bytes:
        body = bodies[number % len(bodies)]
        connection.request("POST", f"/v1/models/{MODEL}:predict", body)
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {content[:500]!r}")
        return base64.b64decode(json.loads(content)["predictions"][0]["b64"])

    return ask


def _grpc_messages(files: list[bytes]) -> list[bytes]:
    from tensorflow_serving.apis import predict_pb2

    messages = []
    for contents in files:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = MODEL
        request.model_spec.signature_name = "encoded"
        tensor = request.inputs["image_bytes"]
        tensor.dtype = 7  # DT_STRING
        tensor.tensor_shape.dim.add(size=1)
        tensor.string_val.append(contents)
        messages.append(request.SerializeToString())
    return messages


def _grpc_asker(address: str, messages: list[bytes], stack: ExitStack) -> Ask:
    import grpc
    from tensorflow_serving.apis import predict_pb2

    # Without this all channels of a process share one connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channel = stack.enter_context(grpc.insecure_channel(address, options))
    grpc.channel_ready_future(channel).result(SECONDS)
    predict: grpc.UnaryUnaryMultiCallable[bytes, Any] = channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        response_deserializer=predict_pb2.PredictResponse.FromString,
    )

    def ask(number: int) -> bytes:
        outputs = predict(messages[number % len(messages)], timeout=SECONDS).outputs
        return next(iter(outputs.values())).string_val[0]

    return ask


def answer(order: Order, askers: list[Ask], files: int) -> dict[str, Any]:
    """Does what an order says.

    Args:
        order: The order.
        askers: Made for it.
        files: How many image files there are.
    """
    if not order.answers:
        return timed(askers, order.requests)
    folder = Path(order.answers)
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"{number}.png").write_bytes(askers[0](number))
    return {}


def main(role: str, folder: str, model: str = "") -> None:
    """Answers until standard input closes.

    Args:
        role: "in_process" or "clients".
        folder: Of the image files.
        model: The SavedModel, for "in_process".
    """
    command.quiet_tensorflow()
    files = image_files(Path(folder))
    make = in_process(files, Path(model)) if role == "in_process" else clients(files)
    print("ready", flush=True)
    for line in sys.stdin:
        order = Order(**json.loads(line))
        with ExitStack() as stack:
            done = answer(order, make(order, stack), len(files))
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
