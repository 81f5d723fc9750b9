"""Pictures in batches, through Apache Beam, on a tiny network."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from apache_beam.io.filesystem import FileMetadata
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.localfilesystem import LocalFileSystem
from PIL import Image

from export import batch
from export.batches import listing, models, pipeline
from export.batches.listing import Fault
from export.batches.models import Answer
from export.clients import image_files
from export.signatures.writing import write_saved_model
from tests.export.clients.test_image_files import bomb, encoded, lying
from tests.export.conftest import REPOSITORY, environment
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.networks import ResNetGenerator

MANY = 20


class Shelf(LocalFileSystem):
    """An object store: shelf://x is the file x below a folder; folders are not."""

    root = ""

    @classmethod
    def scheme(cls) -> str:
        return "shelf"

    def has_dirs(self) -> bool:
        return False

    def join(self, basepath: str, *paths: str) -> str:
        return "/".join([basepath, *paths])

    def place(self, path: str) -> str:
        return path.replace("shelf://", f"{self.root}/")

    def _list(self, dir_or_prefix: str) -> Iterator[FileMetadata]:
        for path in Path(self.root).rglob("*"):
            address = f"shelf://{path.relative_to(self.root)}"
            if path.is_file() and address.startswith(dir_or_prefix):
                yield FileMetadata(address, path.stat().st_size)

    def _path_open(self, path: str, *arguments: object) -> object:
        return super()._path_open(self.place(path), *arguments)

    def create(self, path: str, *arguments: object, **named: object) -> object:
        return super().create(self.place(path), *arguments, **named)

    def rename(self, source_file_names: list, destination_file_names: list) -> None:
        super().rename(
            [self.place(path) for path in source_file_names],
            [self.place(path) for path in destination_file_names],
        )

    def exists(self, path: str) -> bool:
        return Path(self.place(path)).is_file()


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return encoded(Image.fromarray(pixels), "PNG")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "mine_a2b"
    write_saved_model(ResNetGenerator(filters=2, residual_blocks=1), directory / "2")
    return directory


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def letters(output: Path) -> dict[str, str]:
    """Input -> reason, of a dead-letter file in which no input is twice."""
    lines = (output / pipeline.DEAD_LETTERS).read_text().splitlines()
    found = {line["input"]: line["reason"] for line in map(json.loads, lines)}
    assert len(found) == len(lines)
    return found


def test_every_input_is_answered_or_a_dead_letter(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    odd = os.fsdecode(b"\xff.png")
    good = {f"many/{i}.png": picture(i) for i in range(MANY)}
    good |= {"a.png": picture(30), "sub/a.png": picture(31), "a.webp": picture(32)}
    good |= {"lying.jpg": lying("JPEG"), "x[1]*.png": picture(33), odd: picture(34)}
    bad = {
        "empty.png": (b"", "The file is empty."),
        "text.png": (b"hello", "Not a JPEG, PNG"),
        "bomb.png": (bomb(30_000), "more pixels than"),
        "sub/cut.png": (picture(0)[:-30], ""),
    }
    for name, contents in {**good, **{n: c for n, (c, _) in bad.items()}}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(contents)
    (folder / "gone.png").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.png")
    (folder / "notes.txt").write_text("not an input")
    in_memory, most = [0], [0]
    prepared, write = image_files.prepared, pipeline._write

    def counted(contents: bytes) -> bytes:
        contents = prepared(contents)
        in_memory[0] += 1
        most[0] = max(most[0], in_memory[0])
        return contents

    def forgotten(path: str, parts: list[bytes]) -> None:
        write(path, parts)
        in_memory[0] -= not path.endswith(".jsonl")

    monkeypatch.setattr(image_files, "prepared", counted)
    monkeypatch.setattr(pipeline, "_write", forgotten)
    output = folder / "translated"
    counts = batch.translate(str(model), str(folder), str(output))
    assert counts == (len(good), 0, len(bad) + 2)
    # One more for each that the model refused.
    assert most[0] <= models.IMAGES_AT_ONCE + 1
    found = letters(output)
    assert set(found) == {str(folder / n) for n in (*bad, "gone.png", "pipe.png")}
    for name, (_, reason) in bad.items():
        assert reason in found[str(folder / name)]
    files = [path for path in output.rglob("*") if path.is_file()]
    assert len(files) == len(good) + 1
    encode = tf.saved_model.load(str(model / "2")).signatures["encoded"]
    for name, contents in good.items():
        given = tf.constant([prepared(contents)])
        (expected,) = encode(image_bytes=given)["translated_bytes"].numpy()
        assert (output / f"{name}.png").read_bytes() == expected
    assert size(output / "lying.jpg.png") == (4, 6)

    (folder / "text.png").write_bytes(picture(40))
    (folder / "gone.png").unlink()
    (output / "a.png.png").write_bytes(b"kept")
    counts = batch.translate(str(model / "2"), str(folder), str(output))
    assert counts == (1, len(good), len(bad))
    assert set(letters(output)) == set(found) - {
        str(folder / "text.png"),
        str(folder / "gone.png"),
    }
    assert (output / "a.png.png").read_bytes() == b"kept"


def test_globs_on_a_file_system_of_another_kind(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shelf, "root", str(tmp_path))
    for name in ("in/1.png", "in/2.jpg", "in/deep/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(picture(0))
    (tmp_path / "in/deep/4.png").write_bytes(b"")
    counts = batch.translate(str(model), "shelf://in/**.png", "shelf://in/out")
    assert counts == (2, 0, 1)
    assert set(letters(tmp_path / "in/out")) == {"shelf://in/deep/4.png"}
    assert size(tmp_path / "in/out/1.png.png") == (5, 4)
    assert size(tmp_path / "in/out/deep/3.png.png") == (5, 4)
    for given in ("shelf://in", "shelf://in/"):
        source = listing.find_source(given)
        names = listing.names(source, "shelf://in/out")
        assert sorted(names) == [b"1.png", b"2.jpg", b"deep/3.png", b"deep/4.png"]


@pytest.mark.parametrize(
    "flags",
    [
        ["--direct_running_mode=in_memory"],
        pytest.param(
            ["--direct_running_mode=multi_processing", "--direct_num_workers=2"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_command_says_what_it_did(
    model: Path, tmp_path: Path, flags: list[str]
) -> None:
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(picture(i) if i else b"")
    finished = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "export.batch"),
            f"--model={model}",
            f"--input={tmp_path}/[0-9].png",
            "--output",
            str(tmp_path / "out"),
            "--runner",
            "DirectRunner",
            *flags,
        ],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 3
    # Beam's worker processes tell of themselves.
    assert finished.stderr == "" or len(flags) > 1
    assert finished.stdout.splitlines() == [
        f"Wrote 2 images to {tmp_path}/out",
        f"1 of 3 could not be translated; the reasons are in {tmp_path}/out/"
        "dead_letters.jsonl",
    ]
    assert (tmp_path / "out/2.png.png").is_file()


def test_ctrl_c_is_no_failure(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
) -> None:
    for i in range(MANY):
        (tmp_path / f"{i}.png").write_bytes(picture(i))
    whole = models.ImageHandler._answer

    def interrupted(*arguments: Any) -> Answer:
        if len(list(output.glob("*.png"))) >= 3:
            signal.raise_signal(signal.SIGINT)
        return whole(*arguments)

    output = tmp_path / "out"
    given = (str(model), f"{tmp_path}/*.png", str(output))
    before = signal.signal(signal.SIGINT, batch._interrupt)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(models.ImageHandler, "_answer", interrupted)
            with pytest.raises(KeyboardInterrupt):
                batch.translate(*given)
    finally:
        signal.signal(signal.SIGINT, before)
        logging.disable(logging.NOTSET)
    assert capfd.readouterr().err == ""
    # Nothing is half-written, and the next run does the rest.
    done = sorted(path.name for path in output.iterdir())
    assert 3 <= len(done) < MANY
    assert set(done) < {f"{i}.png.png" for i in range(MANY)}
    assert batch.translate(*given) == (MANY - len(done), len(done), 0)


def test_what_cannot_be_done_is_refused(
    model: Path, model_base: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    given = str(tmp_path / "in")
    out = str(tmp_path / "out")
    inside_a_file = str(model / "2/saved_model.pb/out")
    for arguments, reason in [
        ((str(model), given, out, ["--ouput=x"]), "has a flag '--ouput=x'"),
        ((str(model), given, out, ["b.jpg"]), "Globs need quotes"),
        ((str(model), str(tmp_path / "nobody"), out), "does not exist"),
        ((str(model), given, given), "is the folder of the inputs"),
        ((str(model), given, inside_a_file), "cannot be written: Not"),
        ((str(tmp_path), given, out), "is not an exported model"),
        ((str(model_base / "half"), given, out), "does not take image files"),
        ((str(model), "nobody://x", out), "Unable to get filesystem"),
    ]:
        with pytest.raises(UsageError, match=reason):
            batch.translate(*arguments)


def test_a_model_that_cannot_be_loaded_ends_the_run(
    model: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(model / "2", tmp_path / "broken")
    (broken / "variables" / "variables.index").write_bytes(b"")
    (tmp_path / "1.png").write_bytes(picture(1))
    with pytest.raises(FailureError, match=r"did not finish: .*too short"):
        batch.translate(str(broken), f"{tmp_path}/*.png", str(tmp_path / "out"))


def test_globs_and_files_are_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.png", "a/b/2.png", "a/n.txt", "a/[x].png", "a/x.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def names(given: str) -> list[str]:
        source = listing.find_source(given)
        found = [os.fsdecode(name) for name in listing.names(source, "out")]
        assert all(Path(source.base, name).is_file() for name in found)
        return found

    assert names("a") == ["1.png", "[x].png", "x.png", "b/2.png"]
    assert names("./a/*.png") == ["1.png", "[x].png", "x.png"]
    assert names("a/**.png") == ["1.png", "[x].png", "x.png", "b/2.png"]
    assert names("*/*/*.png") == ["a/b/2.png"]
    assert names(str(tmp_path / "a/n*")) == ["n.txt"]
    assert names("a/[x].png") == ["[x].png"]
    assert names("a/b/2.png") == ["2.png"]
    assert listing.find_source("/no*/x.png") == ("/", "/no*/x.png")


def test_a_folder_that_cannot_be_listed_is_a_dead_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open/1.png").touch()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    source = listing.find_source(str(tmp_path))
    assert list(listing.names(source, "out")) == [
        b"open/1.png",
        Fault(str(tmp_path / "closed"), "Cannot be listed: Permission denied"),
    ]


def test_writing_twice_is_writing_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = pipeline._Write("in", str(tmp_path))
    for _ in range(2):
        assert list(step.process((b"a/1.jpg", Answer(b"png", None)))) == []
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["1.jpg.png"]

    def fail(*_: object) -> None:
        raise OSError("The disk is full")

    monkeypatch.setattr(FileSystems, "rename", fail)
    (fault,) = step.process((b"a/2.jpg", Answer(b"png", None)))
    assert fault.input == "in/a/2.jpg"
    assert "The disk is full" in fault.reason
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["1.jpg.png"]
