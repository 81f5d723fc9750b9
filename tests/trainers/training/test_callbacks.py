"""What happens between steps: signals."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from trainers.training import callbacks


def test_a_signal_is_told_at_once_and_a_second_one_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(callbacks.os, "_exit", ended.append)
    before = signal.getsignal(signal.SIGTERM)
    stop = callbacks.StopOnSignal()
    stop.on_train_begin()
    stop.on_train_begin()  # of the next call of fit
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        wait_for(lambda: stop.received)
        assert (stop.received, ended) == (signal.SIGTERM, [])
        os.kill(os.getpid(), signal.SIGINT)
        wait_for(lambda: ended)
    finally:
        stop.restore_handlers()
    assert ended == [130]
    assert capsys.readouterr().out.count("Stopping after this step") == 1
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.set_wakeup_fd(-1) == -1


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
