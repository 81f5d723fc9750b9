"""The client, against endpoints that refuse as they are told, and against ours."""

import functools
import io
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export import client
from export.clients import jobs, retries
from export.clients.image_files import ImageError
from export.clients.jobs import Job, Outcome
from export.clients.retries import Retries, TransientError, UnreachableError
from export.signatures.writing import write_saved_model
from tests.export import endpoints
from tests.export.conftest import REPOSITORY, endpoint, environment
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.networks import ResNetGenerator

BUSY = {
    endpoints.rest: [429, 503, 504],
    endpoints.rpc: [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    ],
}
WRONG = {endpoints.rest: 400, endpoints.rpc: grpc.StatusCode.INVALID_ARGUMENT}

both = pytest.mark.parametrize("protocol", [endpoints.rest, endpoints.rpc])
Protocol = Callable[..., Iterator[tuple[endpoints.Script, str]]]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0.01)


def picture(seed: int = 0, size: tuple[int, int] = (5, 7)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def photos(folder: Path, count: int) -> list[Job]:
    folder.mkdir(exist_ok=True)
    for i in range(count):
        (folder / f"{i}.png").write_bytes(picture(i))
    return jobs.find([str(folder)], None, "translated")


def command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "export.client", *arguments],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@both
def test_a_busy_endpoint_is_asked_again(protocol: Protocol) -> None:
    with protocol() as (script, url), client.connect(url) as model:
        assert model.describe() == ("image_bytes", "translated_bytes")
        script.refusals = list(BUSY[protocol])
        answer = Retries(3).call(functools.partial(model.run, picture()))
        assert answer == picture()
        assert script.received == [picture()] * 4
        script.refusals = list(BUSY[protocol])
        with pytest.raises(TransientError, match="as told"):
            Retries(2).call(functools.partial(model.run, picture()))


@both
def test_a_wrong_picture_is_not_sent_again(protocol: Protocol) -> None:
    with protocol() as (script, url), client.connect(url) as model:
        script.refusals = [WRONG[protocol]]
        with pytest.raises(ImageError, match=r"answered \w+: as told"):
            Retries(3).call(functools.partial(model.run, picture()))
        assert len(script.received) == 1


@both
def test_a_wrong_picture_of_several_is_named(
    protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PARALLEL", 1)
    with protocol() as (script, url):
        script.refusals = [None, None, WRONG[protocol]]
        with pytest.raises(UsageError, match=r"^images\[2\]: .*answered \w+: as told"):
            client.translate(url, np.zeros((4, 2, 3, 3), np.uint8))


@both
def test_a_model_that_is_not_served_is_told_of(protocol: Protocol) -> None:
    with (
        protocol() as (_, url),
        client.connect(f"{url}2") as model,
        pytest.raises(UsageError, match="answered"),
    ):
        model.describe()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/v1/models/m", "grpc://127.0.0.1:{}/m"]
)
def test_an_endpoint_that_is_not_there_ends_the_run(tmp_path: Path, url: str) -> None:
    found = photos(tmp_path / "in", 20)
    url = url.format(free_port())
    with client.connect(url) as model:
        with pytest.raises(UnreachableError, match="does not respond"):
            model.run(picture())
        with pytest.raises(FailureError, match=r"does not respond .*--skip_existing"):
            list(jobs.run(model, found, retries=1, parallel=2))
    with pytest.raises(FailureError, match="does not respond"):
        client.is_served(url)
    assert not (tmp_path / "in_translated").exists()


@both
def test_an_endpoint_that_comes_late_is_waited_for(protocol: Protocol) -> None:
    port = free_port()
    with protocol(port) as (_, url):
        pass
    answers = []

    def ask() -> None:
        with client.connect(url) as model:
            answers.append(Retries(10).call(functools.partial(model.run, picture())))

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.1)
    with protocol(port):
        thread.join()
    assert answers == [picture()]


def test_pauses_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for number, longest in [(0, 0.5), (1, 1), (2, 2), (3, 4), (50, 30)]:
        pauses = [retries.pause(number) for _ in range(100)]
        assert longest / 2 <= min(pauses) < max(pauses) <= longest


def test_a_bad_picture_spoils_no_other(tmp_path: Path) -> None:
    found = photos(tmp_path / "in", 5)
    found[1].picture.write_bytes(b"")
    found[3].picture.write_bytes(b"hello")
    with endpoints.rest() as (script, url), client.connect(url) as model:
        script.refusals = [400]
        outcomes = list(jobs.run(model, found, retries=0, parallel=1))
    assert [outcome.job for outcome in outcomes] == found
    faults = [outcome.fault for outcome in outcomes]
    assert [fault is None for fault in faults] == [False, False, True, False, True]
    assert "as told" in faults[0]
    assert "empty" in faults[1]
    assert "Not a JPEG" in faults[3]
    for i in (2, 4):
        assert found[i].target == tmp_path / "in_translated" / f"{i}.png.png"
        assert found[i].target.read_bytes() == picture(i)
    assert len(list((tmp_path / "in_translated").iterdir())) == 2


@both
def test_several_requests_are_in_flight(tmp_path: Path, protocol: Protocol) -> None:
    found = photos(tmp_path / "in", 8)
    with protocol() as (script, url), client.connect(url, 3) as model:
        script.seconds = 0.1
        assert all(o.fault is None for o in jobs.run(model, found, 0, parallel=3))
        assert script.most_at_once == 3
        assert sorted(script.received) == sorted(picture(i) for i in range(8))


def test_large_messages_and_versions_go_through_grpc() -> None:
    large = picture(size=(1300, 1300))
    assert len(large) > 4 * 2**20
    with endpoints.rpc() as (script, url):
        for end in ("", "/versions/7", "/labels/stable"):
            with client.connect(url + end) as model:
                assert model.run(large) == large
    assert [spec.name for spec in script.specs] == ["m"] * 3
    assert [spec.HasField("version") for spec in script.specs] == [False, True, False]
    assert script.specs[1].version.value == 7
    assert script.specs[2].version_label == "stable"


@pytest.mark.parametrize(
    "url", ["grpc://localhost:8500", "grpc://localhost:8500/m/versions/x", "ftp://a/b"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with (
        pytest.raises(UsageError, match="is not a"),
        client.connect(url) as model,
    ):
        model.run(picture())


def test_where_answers_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos(tmp_path / "in", 1)
    photos(tmp_path / "in" / "sub", 2)
    monkeypatch.chdir(tmp_path)

    def targets(*inputs: str, output: str | None = None) -> list[str]:
        found = jobs.find(inputs, output, "translated")
        return [str(job.target.absolute().relative_to(tmp_path)) for job in found]

    names = ["0.png.png", "sub/0.png.png", "sub/1.png.png"]
    assert targets("in") == [f"in_translated/{name}" for name in names]
    assert targets("in", output="out") == [f"out/{name}" for name in names]
    assert targets("in/0.png") == ["in/0_translated.png"]
    assert targets("in/0.png", output="x.png") == ["x.png"]
    assert targets("in/0.png", output="out") == ["out/0.png.png"]
    (tmp_path / "in/out").mkdir()
    (tmp_path / "in/out/0.png.png").touch()
    assert targets("in", output="in/out") == [f"in/out/{name}" for name in names]


def test_inputs_that_cannot_be_answered_are_refused(tmp_path: Path) -> None:
    photos(tmp_path / "in", 1)
    photos(tmp_path / "in" / "sub", 1)
    (tmp_path / "none").mkdir()
    first, second = str(tmp_path / "in/0.png"), str(tmp_path / "in/sub/0.png")
    for inputs, output, reason in [
        ([str(tmp_path / "nobody.png")], None, "neither a file nor a folder"),
        ([str(tmp_path / "none")], None, "There is no image"),
        ([first, second], str(tmp_path), "would both be written to"),
        ([first], first, "would replace the image"),
        ([first], "answer.jpg", "the result is a PNG file"),
    ]:
        with pytest.raises(UsageError, match=reason):
            jobs.find(inputs, output, "translated")


def test_the_command_names_what_failed_and_can_be_run_again(tmp_path: Path) -> None:
    found = photos(tmp_path / "in", 3)
    found[1].picture.write_bytes(b"hello")
    with endpoints.rest() as (script, url):
        arguments = ("translate", str(tmp_path / "in"), f"--url={url}")
        finished = command(*arguments)
        assert finished.returncode == 1
        assert finished.stdout == f"Wrote 2 images to {tmp_path}/in_translated\n"
        bad, end = finished.stderr.splitlines()
        assert (
            bad == f"{found[1].picture}: Not a JPEG, PNG, WebP, BMP, GIF or TIFF image."
        )
        assert end.endswith("1 of 3 images failed.")
        found[1].picture.write_bytes(picture(9))
        finished = command(*arguments, "--skip_existing")
        assert (finished.returncode, finished.stderr) == (0, "")
        assert found[1].target.read_bytes() == picture(9)
        assert len(script.received) == 3
        for wrong in (["enhance", "x.png", f"--url={url}"], ["translate", "x.png"]):
            finished = command(*wrong)
            assert finished.returncode == 2
            assert "Give a command, images" in finished.stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stderr", [Terminal, io.StringIO])
def test_progress_is_shown_where_somebody_looks(
    stderr: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr())
    job = Job(Path("a.png"), Path("b.png"))
    outcomes = [Outcome(job, None), Outcome(job, "no picture")]
    assert list(client._faults(iter(outcomes), 2)) == outcomes[1:]
    assert "a.png: no picture\n" in sys.stderr.getvalue()
    assert ("2/2" in sys.stderr.getvalue()) == sys.stderr.isatty()


def as_soon_as_it_listens(url: str) -> tuple[float, bytes]:
    """When that was, and the answer to a request of that moment, sent once."""
    port = int(url.split(":")[2].split("/")[0])
    give_up = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            assert time.monotonic() < give_up
            time.sleep(0.02)
    since = time.monotonic()
    with client.connect(url) as model:
        return since, model.run(picture())


def test_our_endpoint_translates(tmp_path: Path) -> None:
    network = ResNetGenerator(filters=2, residual_blocks=1)
    write_saved_model(network, tmp_path / "models" / "mine_a2b" / "1")
    found = photos(tmp_path / "in", 2)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 5, 7, 3), np.uint8)
    loaded = tf.saved_model.load(str(tmp_path / "models/mine_a2b/1"))
    encoded = loaded.signatures["encoded"]
    expected = [
        next(iter(encoded(image_bytes=tf.constant([picture(i)])).values())).numpy()
        for i in range(2)
    ]
    rest, rpc = free_port(), free_port()
    urls = (
        f"http://127.0.0.1:{rest}/v1/models/mine_a2b",
        f"grpc://127.0.0.1:{rpc}/mine_a2b/versions/1",
    )
    flags = (f"--rest_port={rest}", f"--grpc_port={rpc}")
    with ThreadPoolExecutor() as pool:
        early = [pool.submit(as_soon_as_it_listens, url) for url in urls]
        with endpoint(f"--model_base={tmp_path / 'models'}", *flags):
            ready = time.monotonic()
            (rest_since, first), (rpc_since, second) = (e.result() for e in early)
            assert [first, second] == [expected[0]] * 2
            # Both are there before TensorFlow is imported: a restart is short.
            assert abs(rpc_since - rest_since) < ready - max(rest_since, rpc_since)
            for url in urls:
                with client.connect(url) as model:
                    assert model.is_served()
                    list(jobs.run(model, found, 0, 2))
                assert [job.target.read_bytes() for job in found] == expected
                for job in found:
                    job.target.unlink()
                assert not client.is_served(url.replace("mine", "nobody"))
                with pytest.raises(UsageError, match="answered"):
                    client.translate(url.replace("mine", "nobody"), pixels)
            assert client.translate(url, pixels).shape == (1, 5, 7, 3)
