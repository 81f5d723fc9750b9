"""What TensorFlow Serving is told of a folder of models."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from tensorflow.core.framework.types_pb2 import DT_FLOAT, DT_STRING
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from export import server_files
from export.serving import server_config
from tests.export.conftest import REPOSITORY, environment
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import files


def save(
    directory: Path,
    inputs: Sequence[int] | None,
    outputs: Sequence[int] = (-1, 8, 8, 3),
) -> None:
    """Writes a SavedModel of one signature and no graph; -1: any size."""
    model = SavedModel()
    signature = SignatureDef()
    for tensors, sizes in ((signature.inputs, inputs), (signature.outputs, outputs)):
        tensors["x"].dtype = DT_FLOAT
        tensors["x"].tensor_shape.unknown_rank = sizes is None
        for size in sizes or ():
            tensors["x"].tensor_shape.dim.add(size=size)
    signature.outputs["files"].dtype = DT_STRING
    signature.outputs["files"].tensor_shape.dim.add(size=-1)
    model.meta_graphs.add().signature_def["serving_default"].CopyFrom(signature)
    directory.mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(model.SerializeToString())


@pytest.fixture
def model_base(tmp_path: Path) -> Path:
    for version in (1, 2, 10):
        save(tmp_path / "photo" / str(version), [-1, -1, -1, 3])
    save(tmp_path / "faces" / "4", [-1, 5])
    (tmp_path / "photo" / "notes").mkdir()
    (tmp_path / "photo.keras").touch()
    return tmp_path


def test_both_labels_are_the_newest_versions(model_base: Path) -> None:
    written = server_files.write(model_base)
    assert [path.relative_to(model_base).as_posix() for path in written] == [
        "faces/4/batching_params.pbtxt",
        "monitoring.config",
        "docker-compose.yml",
        "models.config",
    ]
    policies = server_config.read(model_base)
    assert list(policies) == ["faces", "photo"]
    assert policies["photo"].labels == {"stable": 10, "canary": 10}
    assert policies["photo"].aspired([1, 2, 10]) == {2, 10}
    assert policies["faces"].labels == {"stable": 4, "canary": 4}
    text = (model_base / "models.config").read_text()
    assert 'base_path: "/models/photo"' in text
    assert 'model_platform: "tensorflow"' in text
    monitoring = (model_base / "monitoring.config").read_text()
    assert 'path: "/monitoring/prometheus/metrics"' in monitoring


@pytest.mark.parametrize(("canary", "stable"), [(10, 2), (2, 10)])
def test_a_canary(model_base: Path, canary: int, stable: int) -> None:
    server_files.write(model_base, ("photo", canary))
    policies = server_config.read(model_base)
    assert policies["photo"].labels == {"stable": stable, "canary": canary}
    assert policies["faces"].labels == {"stable": 4, "canary": 4}
    server_files.write(model_base)
    assert server_config.read(model_base)["photo"].labels["canary"] == 10


@pytest.mark.parametrize("canary", [None, 2, 10])
def test_labels_point_to_loaded_versions_all_through_an_export(
    model_base: Path, canary: int | None
) -> None:
    server_files.write(model_base)
    before = server_config.read(model_base)["photo"]
    versions = {1, 2, 10}
    server_files.write(model_base, canary and ("photo", canary))
    asked = server_config.read(model_base)["photo"]
    # The server takes the file only if what is loaded by the old one is enough.
    assert before.aspired(versions) >= set(asked.labels.values())
    assert asked.aspired(versions) >= set(before.labels.values())
    save(model_base / "photo" / "11", [-1, -1, -1, 3])
    found = asked.aspired(versions | {11})
    assert found >= {11} | set(asked.labels.values())
    server_files.write(model_base)
    after = server_config.read(model_base)["photo"]
    assert found >= set(after.labels.values()) == {11}


@pytest.mark.parametrize(
    ("canary", "text"),
    [
        (("photo", 1), "one of the two newest.*There are: 10, 2, 1"),
        (("photo", 7), "Version 7 of photo cannot be its canary"),
        (("faces", 4), "Version 4 of faces cannot be its canary"),
        (("other", 1), "There is no model 'other' in .*There are: faces, photo"),
    ],
)
def test_what_cannot_be_a_canary(
    model_base: Path, canary: tuple[str, int], text: str
) -> None:
    with pytest.raises(UsageError, match=text):
        server_files.write(model_base, canary)
    assert not (model_base / "models.config").exists()


def test_the_flag_of_the_canary() -> None:
    assert server_files.parse_canary("mine_a2b:12") == ("mine_a2b", 12)
    for text in ("mine", "mine:", ":3", "mine:x", "mine:-1", "mine:²"):
        with pytest.raises(UsageError, match="is not NAME:VERSION"):
            server_files.parse_canary(text)


@pytest.mark.parametrize(
    ("side", "sizes"),
    [(8, [1, 2, 4, 8, 16, 32, 64]), (512, [1, 2, 4, 8, 16]), (4096, [1])],
)
def test_batches_fit_the_memory(tmp_path: Path, side: int, sizes: list[int]) -> None:
    save(tmp_path / "faces" / "1", [-1, 5], [-1, side, side, 3])
    server_files.write(tmp_path)
    directory = tmp_path / "faces" / "1"
    parameters = server_config.batching_parameters(directory)
    assert parameters.max_batch_size == sizes[-1]
    assert parameters.batch_timeout_micros == 2000
    assert parameters.max_enqueued_batches == 100
    text = (directory / "batching_params.pbtxt").read_text()
    allowed = [line.split()[1] for line in text.splitlines() if "allowed" in line]
    assert allowed == [str(size) for size in sizes]


@pytest.mark.parametrize("inputs", [[-1, -1, 5], [], [3, 5], None])
def test_what_the_server_could_not_merge_is_not_batched(
    tmp_path: Path, inputs: list[int] | None
) -> None:
    save(tmp_path / "faces" / "1", inputs)
    assert server_files.batching(tmp_path / "faces" / "1") is None
    server_files.write(tmp_path)
    assert not (tmp_path / "faces" / "1" / "batching_params.pbtxt").exists()


def test_a_persons_own_batching_stays(model_base: Path) -> None:
    path = model_base / "faces" / "4" / "batching_params.pbtxt"
    path.write_text("max_batch_size { value: 3 }\n")
    assert path not in server_files.write(model_base)
    assert server_config.batching_parameters(path.parent).max_batch_size == 3


def test_a_damaged_version_keeps_no_other_from_being_served(model_base: Path) -> None:
    (model_base / "faces" / "4" / "saved_model.pb").write_bytes(b"noise")
    server_files.write(model_base)
    assert list(server_config.read(model_base)) == ["faces", "photo"]


def test_a_failure_leaves_what_was_there(
    model_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_files.write(model_base)
    before = (model_base / "models.config").read_text()
    save(model_base / "photo" / "11", [-1, -1, -1, 3])
    real = files.write_text

    def full(path: Path, text: str) -> None:
        if path.name == "docker-compose.yml":
            raise OSError("no space left")
        real(path, text)

    monkeypatch.setattr(files, "write_text", full)
    with pytest.raises(FailureError, match=r"Could not write to .*no space left"):
        server_files.write(model_base)
    assert (model_base / "models.config").read_text() == before


def test_a_folder_without_models(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="Export a model there first"):
            server_files.write(folder)


def compose(model_base: Path) -> dict:
    server_files.write(model_base)
    text = (model_base / "docker-compose.yml").read_text()
    return yaml.safe_load(text)["services"]["serving"]


def test_the_compose_file(model_base: Path) -> None:
    service = compose(model_base)
    assert service["image"].startswith("tensorflow/serving:")
    assert [port.split(":", 2)[-1][-9:] for port in service["ports"]] == [
        "8500:8500",
        "8501:8501",
    ]
    assert all(port.startswith("${SERVING_ADDRESS:-127.0") for port in service["ports"])
    assert service["volumes"] == [".:/models:ro"]
    flags = dict(flag.removeprefix("--").split("=") for flag in service["command"])
    for key, path in flags.items():
        if key.endswith("_file"):
            assert (model_base / path.removeprefix("/models/")).is_file()
    assert flags["allow_version_labels_for_unavailable_models"] == "true"
    assert flags["enable_per_model_batching_parameters"] == "true"
    assert int(flags["model_config_file_poll_wait_seconds"]) > 0


@contextmanager
def answering(states: dict[str, str]) -> Iterator[int]:
    """A server that tells of the states of models; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state = states[self.path.removeprefix("/v1/models/")]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f'{{"state": "{state}"}}'.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def healthy(model_base: Path, port: int) -> bool:
    kind, *command, script = compose(model_base)["healthcheck"]["test"]
    assert kind == "CMD"
    # As docker compose and the container would have it.
    script = script.replace("$$", "$").replace("8501", str(port))
    script = script.replace("/models/models.config", str(model_base / "models.config"))
    finished = subprocess.run([*command, script], capture_output=True, timeout=20)
    return finished.returncode == 0


def test_healthy_is_when_every_model_is_available(model_base: Path) -> None:
    states = {"photo": "AVAILABLE", "faces": "AVAILABLE"}
    with answering(states) as port:
        assert healthy(model_base, port)
        states["photo"] = "LOADING"
        assert not healthy(model_base, port)
    assert not healthy(model_base, port)


def test_command(model_base: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "export.server_files", *arguments],
            cwd=REPOSITORY,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )

    finished = run(f"--model_base={model_base}", "--canary=photo:10")
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    assert f"Wrote {model_base}/models.config\n" in finished.stdout
    assert server_config.read(model_base)["photo"].labels["stable"] == 2
    finished = run("--canary=photo:10")
    assert finished.returncode == 2
    assert "--model_base is required" in finished.stderr
