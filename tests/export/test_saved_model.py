"""Exporting: versions, whole or absent, and the command."""

import dataclasses
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from export import saved_model
from export.saved_model import export_networks
from export.serving import server_config
from export.signatures import warmup, writing
from tests.export.conftest import REPOSITORY, environment
from tests.export.generators import progressive
from tfgan_models.adversarial import weights
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.networks import ResNetGenerator
from tfgan_models.runs import checkpoints, description
from tfgan_models.runs.description import Description

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


@pytest.fixture(scope="module")
def networks() -> dict[str, keras.Model]:
    return {
        key: ResNetGenerator(filters=2, residual_blocks=0) for key in ("a2b", "b2a")
    }


SERVER_FILES = ["docker-compose.yml", "models.config", "monitoring.config"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_versions_count_up_and_stay(
    networks: dict[str, keras.Model], tmp_path: Path
) -> None:
    export_dir = tmp_path / "new" / "models"
    written = export_networks(networks, export_dir, "photo")
    assert written == [
        export_dir / "photo_a2b" / "1",
        export_dir / "photo_a2b.keras",
        export_dir / "photo_b2a" / "1",
        export_dir / "photo_b2a.keras",
    ]
    (export_dir / "photo_b2a" / "9").mkdir()
    (export_dir / "photo_b2a" / "notes").mkdir()
    written = export_networks(networks, export_dir, "photo")
    assert [path.name for path in written if path.is_dir()] == ["10", "10"]
    export_networks({"a2b": networks["a2b"]}, export_dir, "photo", version=5)
    assert names(export_dir) == [
        *SERVER_FILES,
        "photo_a2b",
        "photo_a2b.keras",
        "photo_b2a",
        "photo_b2a.keras",
    ]
    assert names(export_dir / "photo_a2b") == ["1", "10", "5"]
    for version in ("1", "5", "10"):
        loaded = tf.saved_model.load(str(export_dir / "photo_a2b" / version))
        assert set(loaded.signatures) == {"serving_default", "encoded"}
        requests = warmup.read(export_dir / "photo_a2b" / version)
        assert {r.model_spec.name for r in requests} == {"photo_a2b"}
        assert {r.model_spec.signature_name for r in requests} == set(loaded.signatures)
    keras.models.load_model(export_dir / "photo_a2b.keras")


def test_what_a_model_is_goes_into_both_files(
    networks: dict[str, keras.Model], tmp_path: Path
) -> None:
    known = Description(
        {key: description.of_network(network) for key, network in networks.items()},
        system="cyclegan",
        license="CC0",
        steps=7,
    )
    export_networks(networks, tmp_path, "photo", description=known)
    for key in networks:
        said = description.of_saved_model(tmp_path / f"photo_{key}" / "1")
        assert set(said.signatures) == {"serving_default", "encoded"}
        assert (
            said.notes
            and "License: CC0"
            in (tmp_path / f"photo_{key}/1/assets.extra/signatures.md").read_text()
        )
        plain = dataclasses.replace(said, signatures={}, notes=())
        assert plain == known.only(key)
        path = tmp_path / f"photo_{key}.keras"
        assert description.of_keras_file(path) == plain
        keras.models.load_model(path)


def test_the_server_is_told_of_what_was_exported(
    networks: dict[str, keras.Model], tmp_path: Path
) -> None:
    for newest in (1, 2):
        export_networks({"a2b": networks["a2b"]}, tmp_path, "photo")
        policy = server_config.read(tmp_path)["photo_a2b"]
        assert policy.labels == {"stable": newest, "canary": newest}
    # Images may be of any size: requests cannot be merged.
    assert server_config.batching_parameters(tmp_path / "photo_a2b" / "2") is None
    export_networks({"generator": progressive(resolution=8)}, tmp_path, "faces")
    assert set(server_config.read(tmp_path)) == {"photo_a2b", "faces_generator"}
    parameters = server_config.batching_parameters(tmp_path / "faces_generator" / "1")
    assert parameters.max_batch_size == 64


def test_a_server_under_another_user_can_read_it(
    networks: dict[str, keras.Model], tmp_path: Path
) -> None:
    umask = os.umask(0o022)
    try:
        export_networks({"a2b": networks["a2b"]}, tmp_path, "photo")
    finally:
        os.umask(umask)
    for path in tmp_path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_a_failure_midway_leaves_what_was_there(
    networks: dict[str, keras.Model],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    export_networks({"a2b": networks["a2b"]}, tmp_path, "photo")
    before = (tmp_path / "photo_a2b.keras").read_bytes()
    real = tf.saved_model.save

    def fail_at_the_second(module: object, path: str, **options: object) -> None:
        real(module, path, **options)
        assert not list(tmp_path.rglob("photo_*/2"))
        if "b2a" in path:
            raise error

    monkeypatch.setattr(tf.saved_model, "save", fail_at_the_second)
    expected = FailureError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        export_networks(networks, tmp_path, "photo")
    assert names(tmp_path) == [*SERVER_FILES, "photo_a2b", "photo_a2b.keras"]
    assert names(tmp_path / "photo_a2b") == ["1"]
    assert (tmp_path / "photo_a2b.keras").read_bytes() == before


def test_tensorflows_errors_are_failures(
    networks: dict[str, keras.Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "disk is full")

    monkeypatch.setattr(writing, "write_saved_model", refuse)
    with pytest.raises(FailureError, match=r"Could not write to .*disk is full"):
        export_networks(networks, tmp_path, "photo")
    assert names(tmp_path) == []


def test_what_cannot_be_exported(
    networks: dict[str, keras.Model], tmp_path: Path
) -> None:
    for name in ("a/b", "", "a:b", "ä", ".hidden"):
        with pytest.raises(UsageError, match="cannot name a served model"):
            export_networks(networks, tmp_path, name)
    with pytest.raises(UsageError, match="version must be 1 or more"):
        export_networks(networks, tmp_path, "photo", version=0)
    (tmp_path / "photo_b2a" / "3").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"photo_b2a/3 exists.*the next one is 4"):
        export_networks(networks, tmp_path, "photo", version=3)
    (tmp_path / "file").touch()
    with pytest.raises(FailureError, match="Could not write to"):
        export_networks(networks, tmp_path / "file", "photo")


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "export.saved_model", *arguments],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_command(networks: dict[str, keras.Model], tmp_path: Path) -> None:
    model_dir, export_dir = tmp_path / "run1", tmp_path / "models"
    model_dir.mkdir()
    checkpoints.describe_networks(model_dir, "generators", networks)
    checkpoints.save(model_dir / "checkpoints", 7, {"generators": weights(networks)})
    finished = run(
        f"--model_dir={model_dir}/", f"--export_dir={export_dir}", "--license=CC0"
    )
    assert finished.returncode == 0, finished.stderr
    said = description.of_keras_file(export_dir / "run1_a2b.keras")
    assert said is not None
    assert (said.license, said.steps) == ("CC0", 7)
    assert finished.stderr == ""
    for path in ("run1_a2b/1", "run1_a2b.keras", "run1_b2a/1", "run1_b2a.keras"):
        size = saved_model._size(export_dir / path) / 1e6
        assert f"Wrote {export_dir}/{path} ({size:.1f} MB)\n" in finished.stdout
    assert f"python -m export.serve --model_base={export_dir}" in finished.stdout
    assert f"docker compose -f {export_dir}/docker-compose.yml up" in finished.stdout
    exported = keras.models.load_model(export_dir / "run1_a2b.keras")
    for ours, theirs in zip(networks["a2b"].weights, exported.weights, strict=True):
        assert (ours.numpy() == theirs.numpy()).all()
    shutil.rmtree(model_dir / "checkpoints")
    finished = run(f"--model_dir={model_dir}", f"--export_dir={export_dir}")
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1
    assert f"--model_dir={model_dir} has no checkpoint" in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--model_dir=x",), "both required"),
        (("--model_dir=x", "--export_dir=y", "--name=a/b"), "cannot name a served"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], text: str) -> None:
    finished = run(*arguments)
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1
    assert text in finished.stderr


def test_sizes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"12345")
    (tmp_path / "y").write_bytes(b"123")
    assert saved_model._size(tmp_path) == 8
    assert saved_model._size(tmp_path / "y") == 3
