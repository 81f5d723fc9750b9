"""Turns, summaries and the table of the endpoint's load; a tiny run of the whole."""

import base64
import http.server
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import serving, serving_workers
from benchmarks.serving_workers import Order

ADDRESSES = {
    batching: {"rest": f"a:{port}", "grpc": f"b:{port}"}
    for batching, port in ((True, 1), (False, 2))
}


class FakeWorker:
    """Takes a second an image, half of it with two threads."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def do(self, order: Order) -> dict[str, object]:
        self.log.append(f"{order.protocol or 'loop'} {order.address} {order.threads}")
        seconds = order.requests / min(order.threads, 2)
        return {"seconds": seconds, "latencies": [0.5, 1.5] * order.requests}


def test_sides() -> None:
    found = serving.sides(ADDRESSES, clients=6, requests=12)
    assert [(side.name, side.order.threads) for side in found] == [
        ("in process, 1 thread", 1),
        ("in process, 2 threads", 2),
        *[("REST, batching on", n) for n in (1, 2, 4, 6)],
        ("gRPC, batching on", 6),
        *[("REST, batching off", n) for n in (1, 2, 4, 6)],
        ("gRPC, batching off", 6),
    ]
    assert found[6].order == Order(6, 12, "grpc", "b:1")
    assert [side.worker for side in found] == ["in_process"] * 2 + ["clients"] * 10


def test_sides_take_turns() -> None:
    found, log = serving.sides({True: ADDRESSES[True]}, 1, 4), []
    workers = dict.fromkeys(("in_process", "clients"), FakeWorker(log))
    times = serving.take_turns(workers, found, runs=2)
    turn = ["loop  1", "loop  2", "rest a:1 1", "grpc b:1 1"]
    assert log == [*turn, *turn[1:], *turn[:1], *turn[2:], *turn[:2]]
    assert [len(runs) for runs in times] == [2] * 4


def test_report() -> None:
    found = serving.sides({True: ADDRESSES[True]}, 1, 4)
    workers = dict.fromkeys(("in_process", "clients"), FakeWorker([]))
    summaries = serving.summarise(found, serving.take_turns(workers, found, runs=3))
    options = vars(serving.parse(["--requests=8", "--runs=3"]))
    lines = serving.report({"options": options, "sides": summaries}).splitlines()
    assert lines[0] == (
        "CycleGAN's generator, 64 filters, 9 blocks, 256 px JPEG and PNG files, "
        "3 runs of 8 images, interleaved"
    )
    assert lines[4:8] == [
        "| in process, 1 thread | 1 | 1.00 | 1.00 - 1.00 | 1000 | 1500 | 1500 "
        "| 1.000 | 0.500 |",
        "| in process, 2 threads | 2 | 2.00 | 2.00 - 2.00 | 1000 | 1500 | 1500 "
        "| 2.000 | 1.000 |",
        "| REST, batching on | 1 | 1.00 | 1.00 - 1.00 | 1000 | 1500 | 1500 "
        "| 1.000 | 0.500 |",
        "| gRPC, batching on | 1 | 1.00 | 1.00 - 1.00 | 1000 | 1500 | 1500 "
        "| 1.000 | 0.500 |",
    ]
    assert "two threads is faster than one of one: 2.000." in lines[-1]
    assert "Percentiles are of 24 requests" in lines[-1]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--image_size=30", "--image_size must be a multiple of 4"),
        ("--runs=0", "the others 1 or more"),
        ("--requests=4", "--requests must be at least --clients"),
    ],
)
def test_options_that_cannot_be(
    argument: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        serving.parse([argument])
    assert message in capsys.readouterr().err


def test_files_are_photographs_of_the_size(tmp_path: Path) -> None:
    serving.write_files(tmp_path / "files", 64)
    files = serving_workers.image_files(tmp_path / "files")
    formats = []
    for contents in files:
        with Image.open(io.BytesIO(contents)) as image:
            formats.append(image.format)
            assert image.size == (64, 64)
            assert np.asarray(image).std() > 5
    assert formats == ["JPEG", "PNG"] * 4
    assert len(set(files)) == serving.FILES


def test_threads_share_the_requests() -> None:
    asked: list[int] = []
    both = threading.Barrier(2)

    def ask(number: int) -> bytes:
        asked.append(number)
        both.wait(timeout=30)  # Alone it would never come back.
        return b""

    result = serving_workers.timed([ask, ask], 6)
    assert sorted(asked) == list(range(6))
    assert len(result["latencies"]) == 6
    assert 0 < max(result["latencies"]) <= result["seconds"]


class Stub(http.server.BaseHTTPRequestHandler):
    """Answers with the file it was sent, reversed; "x" with an error."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        contents = base64.b64decode(sent["instances"][0]["b64"])
        made = base64.b64encode(contents[::-1]).decode()
        body = json.dumps({"predictions": [{"b64": made}]}).encode()
        assert self.path == f"/v1/models/{serving_workers.MODEL}:predict"
        self.send_response(400 if contents == b"x" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def stub() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_rest_client(stub: str) -> None:
    make = serving_workers.clients([b"abc", b"de", b"x"])
    with ExitStack() as stack:
        first, second = make(Order(2, 2, "rest", stub), stack)
        assert first(0) == b"cba"
        assert second(4) == b"ed"
        with pytest.raises(RuntimeError, match="400: "):
            first(2)


@pytest.mark.slow
def test_a_short_benchmark(tmp_path: Path) -> None:
    path = tmp_path / "made" / "result.json"
    sizes = {"image_size": 32, "filters": 2, "residual_blocks": 0}
    options = sizes | {"clients": 2, "requests": 4, "runs": 2}
    arguments = [f"--{key}={value}" for key, value in options.items()]
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving", *arguments, f"--json={path}"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    written = json.loads(path.read_text())
    assert written["options"] == options
    assert result.stdout == serving.report(written) + "\n"
    loop = written["sides"][0]["images_per_second"]
    for side in written["sides"]:
        assert len(side["runs"]) == 2
        assert side["latencies"] == 8
        waits = list(side["milliseconds"].values())
        assert 0 < waits[0] <= waits[1] <= waits[2]
        assert side["of_one_thread"] == pytest.approx(side["images_per_second"] / loop)
