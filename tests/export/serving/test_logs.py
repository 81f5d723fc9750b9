"""The JSON lines on stderr."""

import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from export.serving import logs


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    handlers = logging.root.handlers
    yield
    logging.captureWarnings(False)
    logging.root.handlers = handlers


def entries(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_an_object_with_time_level_and_event(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.log("model_loaded", name="half", version=12)
    (entry,) = entries(capsys)
    age = datetime.now(UTC) - datetime.fromisoformat(entry.pop("time"))
    assert 0 <= age.total_seconds() < 60
    expected = {"level": "info", "event": "model_loaded", "name": "half", "version": 12}
    assert entry == expected


def test_whatever_is_in_a_text_it_stays_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = 'a\nb\u2028"\x00\udcff'
    logs.log("x", "error", error=text, target="y" * 5000)
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert written.isascii()
    entry = json.loads(written)
    assert entry["error"] == text
    assert entry["target"] == "y" * 500 + "..."


def test_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    logs.request("REST", "POST", "/v1/models/half:predict", 200, 0.0123, 40, 30)
    (entry,) = entries(capsys)
    del entry["time"]
    assert entry == {
        "level": "info",
        "event": "request",
        "protocol": "REST",
        "method": "POST",
        "target": "/v1/models/half:predict",
        "status": 200,
        "ms": 12.3,
        "bytes_in": 40,
        "bytes_out": 30,
    }


def test_only_what_goes_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_info_shown", True)
    logs.show_info(False)
    logs.request("gRPC", "Predict", "half", "OK", 0.1, 1, 1)
    logs.log("model_loaded")
    logs.log("model_load_failed", "error")
    assert [entry["event"] for entry in entries(capsys)] == ["model_load_failed"]


def test_threads_do_not_mix_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    def write() -> None:
        for i in range(50):
            logs.log("x", i=i)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entries(capsys)) == 400


def test_a_closed_stderr_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    logs.log("x")
    logs.request("REST", "GET", "/", 404, 0.0, 0, 0)
    assert sys.stderr.closed


def test_logging_and_warnings_become_lines(
    capsys: pytest.CaptureFixture[str], logging_as_before: None
) -> None:
    logs.take_over_logging()
    logging.getLogger("uvicorn.error").warning("Invalid %s", "request")
    logging.getLogger("uvicorn.access").info("not shown")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("grpc").exception("Exception calling application")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("Old", DeprecationWarning, stacklevel=1)
    first, second, third = entries(capsys)
    assert (first["level"], first["logger"]) == ("warning", "uvicorn.error")
    assert first["message"] == "Invalid request"
    assert second["message"].endswith(r"application: ValueError('two\nlines')")
    assert second["level"] == "error"
    assert "DeprecationWarning: Old" in third["message"]


ABORTED = """
import os
from export.serving import logs
with logs.stderr_as_json():
    logs.log("started")
    os.write(2, b"I0000 00:00:1 2 a.cc:1] told\\nE0000 00:00:1 2 a.cc:1] failed\\n")
    os.write(2, b"2026-01-01 10:00:00.5: W a:1] odd\\n\\nF0000 00:00:1 2 a.cc:1] end")
    os.abort()
"""


def test_what_is_written_past_python_and_last_words() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", ABORTED], capture_output=True, text=True, timeout=60
    )
    assert finished.returncode < 0
    entries = [json.loads(line) for line in finished.stderr.splitlines()]
    assert entries[0]["event"] == "started"
    assert [(e["level"], e["message"].split()[-1]) for e in entries[1:]] == [
        ("info", "told"),
        ("error", "failed"),
        ("warning", "odd"),
        ("error", "end"),
    ]


def test_stderr_is_as_before_in_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    logs.show_info(False)
    try:
        with logs.stderr_as_json():
            os.write(2, b"I0000 00:00:1 2 a.cc:1] told\nno level\n")
    finally:
        logs.show_info(True)
    os.write(2, b"plain\n")
    entry, plain = capfd.readouterr().err.splitlines()
    assert json.loads(entry)["message"] == "no level"
    assert plain == "plain"
