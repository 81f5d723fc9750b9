"""Versions that come and go while they are served."""

import os
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from export.serving import loading, logs
from export.serving.loading import LoadedVersion
from export.serving.models import find
from export.serving.status import Code, ServingError
from export.serving.versions import State, VersionManager, VersionStatus
from export.signatures import warmup
from tests.export.conftest import HalfPlusTwo
from tfgan_models.errors import FailureError, UsageError


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of y = x / 2 + 1."""
    directory = tmp_path_factory.mktemp("saved") / "model"
    module = HalfPlusTwo(1.0)
    tf.saved_model.save(module, str(directory), {"serving_default": module.halve})
    return directory


@pytest.fixture
def base(tmp_path: Path, saved: Path) -> Path:
    publish(saved, tmp_path / "m" / "1")
    return tmp_path


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was logged."""
    lines: list[dict[str, Any]] = []

    def log(event: str, level: str = "info", **fields: Any) -> None:
        lines.append({"event": event, "level": level, **fields})

    monkeypatch.setattr(logs, "log", log)
    return lines


@pytest.fixture
def start(told: list[Any]) -> Iterator[Callable[..., VersionManager]]:
    with ExitStack() as stack:

        def started(model_base: Path, **settings: Any) -> VersionManager:
            settings = {"poll_seconds": 0.02} | settings
            return stack.enter_context(VersionManager(model_base, **settings))

        yield started


def publish(saved: Path, directory: Path) -> None:
    """Copies a SavedModel beside and renames it, as an export does."""
    unfinished = directory.with_name(f".unfinished_{directory.name}")
    shutil.copytree(saved, unfinished)
    os.rename(unfinished, directory)


def configure(base: Path, policy: str, labels: dict[str, int] | None = None) -> None:
    written = "".join(
        f'version_labels {{ key: "{label}" value: {version} }}'
        for label, version in (labels or {}).items()
    )
    (base / "models.config").write_text(
        f'model_config_list {{ config {{ name: "m" base_path: "/models/m" {written} '
        f"model_version_policy {{ {policy} }} }} }}"
    )


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def states(manager: VersionManager, name: str = "m") -> dict[int, str]:
    return {status.version: status.state for status in manager.status(name)}


def run(loaded: LoadedVersion) -> float:
    inputs = {"x": np.array([[4.0]], np.float32)}
    return loaded.model.signature("serving_default").run(inputs)["y"].item()


def test_a_new_version_replaces_the_old_one_which_drains(
    base: Path,
    saved: Path,
    start: Callable[..., VersionManager],
    told: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load, variables = tf.saved_model.load, []

    def watched(directory: str) -> Any:
        loaded = load(directory)
        variables.append(weakref.ref(loaded.offset))
        return loaded

    monkeypatch.setattr(tf.saved_model, "load", watched)
    manager = start(base)
    assert manager.serving() == {"m": [1]}
    with manager.use("m") as old:
        publish(saved, base / "m" / "2")
        until(lambda: states(manager)[1] == "UNLOADING")
        assert states(manager) == {2: "AVAILABLE", 1: "UNLOADING"}
        with manager.use("m") as new:
            assert new.version == 2
        with pytest.raises(ServingError, match=r"Specific\(m, 1\)"):
            manager.use("m", 1).__enter__()
        time.sleep(0.1)
        assert states(manager)[1] == "UNLOADING"
        assert run(old) == 3.0
    del old, new
    until(lambda: states(manager)[1] == "END")
    until(lambda: variables[0]() is None)
    assert variables[1]() is not None
    assert manager.serving() == {"m": [2]}
    assert manager.status("m", 1) == [VersionStatus(1, State.END, None, "")]
    events = [(line["event"], line["version"]) for line in told]
    assert events[2:] == [
        ("model_loading", 2),
        ("model_loaded", 2),
        ("model_unloaded", 1),
    ]


def test_no_request_fails_while_versions_change(
    base: Path, saved: Path, start: Callable[..., VersionManager]
) -> None:
    manager = start(base)
    stop = threading.Event()
    seen = set()

    def ask() -> None:
        while not stop.is_set():
            with manager.use("m") as loaded:
                assert run(loaded) == 3.0
                seen.add(loaded.version)

    with ThreadPoolExecutor(4) as pool:
        try:
            clients = [pool.submit(ask) for _ in range(4)]
            until(lambda: seen == {1})
            for version in (2, 3):
                publish(saved, base / "m" / str(version))
                until(lambda v=version: v in seen)
        finally:
            stop.set()
        for client in clients:
            client.result()
    until(lambda: states(manager) == {3: "AVAILABLE", 2: "END", 1: "END"})


def test_loading_does_not_hold_up_requests(
    base: Path,
    saved: Path,
    start: Callable[..., VersionManager],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    manager = start(base)
    load, may_finish = loading.load, threading.Event()

    def slow(*arguments: Any) -> LoadedVersion:
        assert may_finish.wait(30)
        return load(*arguments)

    monkeypatch.setattr(loading, "load", slow)
    publish(saved, base / "m" / "2")
    until(lambda: states(manager).get(2) == "LOADING")
    with manager.use("m") as loaded:
        assert (loaded.version, run(loaded)) == (1, 3.0)
    assert states(manager) == {2: "LOADING", 1: "AVAILABLE"}
    may_finish.set()
    until(lambda: manager.serving() == {"m": [2]})


def test_a_broken_version_leaves_the_old_one_serving(
    base: Path, saved: Path, start: Callable[..., VersionManager], told: list[Any]
) -> None:
    manager = start(base)
    broken = base / "m" / "2"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"no model")
    until(lambda: states(manager).get(2) == "END")
    time.sleep(0.3)
    assert states(manager) == {2: "END", 1: "AVAILABLE"}
    (status,) = manager.status("m", 2)
    assert status.code is Code.INTERNAL
    assert f"Could not load {broken}: " in status.message
    # Tried once, not at each look.
    failures = [line for line in told if line["event"] == "model_load_failed"]
    assert [line["version"] for line in failures] == [2]
    assert failures[0]["error"] == status.message
    with manager.use("m") as loaded:
        assert loaded.version == 1
    shutil.copytree(saved, broken, dirs_exist_ok=True)
    until(lambda: states(manager) == {2: "AVAILABLE", 1: "END"})


def test_a_version_whose_warm_up_fails(
    base: Path, saved: Path, start: Callable[..., VersionManager]
) -> None:
    manager = start(base)
    directory = base / "bad"
    shutil.copytree(saved, directory)
    (directory / "assets.extra").mkdir()
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    log = PredictionLog()
    log.predict_log.request.model_spec.signature_name = "nope"
    with tf.io.TFRecordWriter(str(directory / warmup.FILE)) as records:
        records.write(log.SerializeToString())
    os.rename(directory, base / "m" / "2")
    until(lambda: states(manager).get(2) == "END")
    (status,) = manager.status("m", 2)
    assert status.code is Code.FAILED_PRECONDITION
    assert 'Serving signature name: "nope" not found' in status.message
    assert manager.serving() == {"m": [1]}


class Recorder:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self.calls.append((name, *arguments))


def test_a_version_is_warm_before_it_is_available(
    base: Path, saved: Path, start: Callable[..., VersionManager]
) -> None:
    (base / "m" / "1" / "batching_params.pbtxt").write_text("max_batch_size {value: 4}")
    (base / "m" / "1" / "assets.extra").mkdir(exist_ok=True)
    warmup.write(base / "m" / "1", "m")
    recorder = Recorder()
    manager = start(base, metrics=recorder)
    assert [call[0] for call in recorder.calls] == ["model_loaded", "warmed_up"]
    assert recorder.calls[1][2] > 0
    with manager.use("m") as loaded:
        assert loaded.batching.max_batch_size == 4
    publish(saved, base / "m" / "2")
    until(lambda: ("model_unloaded", "m", 1) in recorder.calls)


def test_models_come_and_go(
    base: Path, saved: Path, start: Callable[..., VersionManager]
) -> None:
    manager = start(base)
    for name in (".unfinished_7", "seven", "7x", "-7", str(2**63)):
        shutil.copytree(saved, base / "m" / name)
    (base / "m" / "8" / "variables").mkdir(parents=True)
    (base / "m" / "9").write_text("a file")
    shutil.copytree(saved, base / ".unfinished_new" / "1")
    (base / "new").mkdir()
    publish(saved, base / "new" / "3")
    until(lambda: manager.serving() == {"m": [1], "new": [3]})
    assert manager.names() == ["m", "new"]
    assert states(manager) == {1: "AVAILABLE"}
    shutil.rmtree(base / "new")
    until(lambda: manager.serving() == {"m": [1]})
    assert states(manager, "new") == {3: "END"}
    with pytest.raises(ServingError, match=r"Latest\(new\)"):
        manager.use("new").__enter__()
    (base / "new").mkdir()
    publish(saved, base / "new" / "3")
    until(lambda: states(manager, "new") == {3: "AVAILABLE"})


def test_a_folder_that_cannot_be_read(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (base / "lost+found").mkdir()
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path.name == "m" and access(path, mode)
    )
    assert find(base) == {"m": {1: base / "m" / "1"}}


def test_a_folder_that_is_gone_for_a_while(
    base: Path, start: Callable[..., VersionManager], told: list[Any]
) -> None:
    manager = start(base)
    os.rename(base, base.with_name("elsewhere"))
    until(lambda: told[-1]["event"] == "poll_failed")
    time.sleep(0.1)
    assert manager.serving() == {"m": [1]}
    assert sum(line["event"] == "poll_failed" for line in told) == 1
    os.rename(base.with_name("elsewhere"), base)


def test_policies_and_labels_change_while_serving(
    base: Path, saved: Path, start: Callable[..., VersionManager], told: list[Any]
) -> None:
    for version in (2, 3):
        publish(saved, base / "m" / str(version))
    configure(base, "latest { num_versions: 2 }", {"stable": 2, "canary": 3})
    manager = start(base)
    assert manager.serving() == {"m": [3, 2]}

    def labelled(label: str) -> int:
        with manager.use("m", label=label) as loaded:
            return loaded.version

    assert (labelled("stable"), labelled("canary")) == (2, 3)
    configure(base, "all {}", {"stable": 3, "old": 1, "canary": 3, "next": 9})
    until(lambda: manager.serving() == {"m": [3, 2, 1]})
    assert (labelled("stable"), labelled("old"), labelled("canary")) == (3, 1, 3)
    # As in TensorFlow Serving, a label waits for its version.
    with pytest.raises(ServingError, match="Unrecognized servable version label: next"):
        labelled("next")
    (base / "models.config").write_text("model_config_list {")
    until(lambda: told[-1]["event"] == "config_refused")
    assert manager.serving() == {"m": [3, 2, 1]}
    assert labelled("old") == 1
    configure(base, "specific { versions: 1 }", {"stable": 9})
    until(lambda: states(manager) == {3: "END", 2: "END", 1: "AVAILABLE"})
    # It stays where it was until the new version is there.
    with pytest.raises(ServingError, match=r"Specific\(m, 3\)"):
        labelled("stable")
    (base / "models.config").unlink()
    until(lambda: manager.serving() == {"m": [3]})
    with pytest.raises(ServingError, match="version label: stable"):
        labelled("stable")
    assert sum(line["event"] == "config_refused" for line in told) == 1


def test_a_label_moves_when_its_new_version_is_there(
    base: Path,
    saved: Path,
    start: Callable[..., VersionManager],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(base, "latest {}", {"stable": 1})
    manager = start(base)
    load, may_finish = loading.load, threading.Event()

    def slow(*arguments: Any) -> LoadedVersion:
        assert may_finish.wait(30)
        return load(*arguments)

    monkeypatch.setattr(loading, "load", slow)
    publish(saved, base / "m" / "2")
    configure(base, "latest {}", {"stable": 2})
    until(lambda: states(manager).get(2) == "LOADING")
    with manager.use("m", label="stable") as loaded:
        assert loaded.version == 1
    may_finish.set()
    until(lambda: states(manager) == {2: "AVAILABLE", 1: "END"})
    with manager.use("m", label="stable") as loaded:
        assert loaded.version == 2


def test_what_is_not_there(base: Path, start: Callable[..., VersionManager]) -> None:
    manager = start(base)
    for arguments, code, text in (
        (("x",), Code.NOT_FOUND, "Servable not found for request: Latest(x)"),
        (("m", 7), Code.NOT_FOUND, "Servable not found for request: Specific(m, 7)"),
        (
            ("m", None, "best"),
            Code.INVALID_ARGUMENT,
            "Unrecognized servable version label: best",
        ),
    ):
        with pytest.raises(ServingError) as raised, manager.use(*arguments):
            pass
        assert (raised.value.code, raised.value.message) == (code, text)
    for arguments, text in (
        (("x",), "Could not find any versions of model x"),
        (("m", 7), "Could not find version 7 of model m"),
    ):
        with pytest.raises(ServingError) as raised:
            manager.status(*arguments)
        assert (raised.value.code, raised.value.message) == (Code.NOT_FOUND, text)


def test_folders_that_cannot_be_served(
    base: Path, saved: Path, told: list[Any]
) -> None:
    with pytest.raises(UsageError, match="is not a folder"):
        VersionManager(base / "missing")
    (base / "empty").mkdir()
    with pytest.raises(UsageError, match="has no <name>/<version>"):
        VersionManager(base / "empty")
    with pytest.raises(UsageError, match=f"Give its parent: {base}"):
        VersionManager(base / "m")
    configure(base, "specific { versions: 7 }")
    with pytest.raises(FailureError, match="selects none of the available"):
        VersionManager(base).start()
    (base / "models.config").write_text("nonsense")
    with pytest.raises(UsageError, match="cannot be read"):
        VersionManager(base)
    (base / "models.config").unlink()
    (base / "m" / "1" / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(FailureError, match=f"Could not load {base / 'm' / '1'}: "):
        VersionManager(base).start()
    os.rename(base / "m" / "1", base / "m" / "2")
    publish(saved, base / "m" / "1")
    with pytest.raises(
        FailureError, match=r"Could not load .*m/2: .* Version 1 exists"
    ):
        VersionManager(base).start()


def test_one_broken_model_does_not_keep_others_from_being_served(
    base: Path, saved: Path, start: Callable[..., VersionManager]
) -> None:
    (base / "broken" / "1").mkdir(parents=True)
    (base / "broken" / "1" / "saved_model.pb").write_bytes(b"no model")
    manager = start(base)
    assert manager.serving() == {"m": [1]}
    assert states(manager, "broken") == {1: "END"}
