"""Conversion is checked, and writes all or nothing."""

import dataclasses
import logging
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from export import convert
from export.formats import samples
from tests.export.conftest import REPOSITORY, environment
from tests.export.formats import models
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import description


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write("cyclegan", tmp_path_factory.mktemp("convert") / "1")


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write("gan", tmp_path_factory.mktemp("convert_gan") / "1")


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_command_says_the_largest_difference(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "mine.onnx"
    command = [sys.executable, "-m", "export.convert", f"--model={model}"]
    finished = subprocess.run(
        [*command, "--format=onnx", f"--output={output}"],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    wrote, described, difference = finished.stdout.splitlines()
    assert wrote == f"Wrote {output}"
    assert described == f"Wrote {tmp_path}/mine.model.json"
    assert f"Largest difference from {model} in 4 requests: " in difference
    assert 0 < float(difference.split(": ")[1].split()[0]) < 1e-3
    assert finished.stderr == ""
    assert left(tmp_path) == ["mine.model.json", "mine.onnx"]
    said = description.of_text((tmp_path / "mine.model.json").read_bytes(), output)
    whole = description.of_saved_model(model)
    assert whole is not None
    kept = {"serving_default": whole.signatures["serving_default"]}
    assert said == dataclasses.replace(whole, signatures=kept)


@pytest.mark.slow
def test_openvino_writes_two_files(model: Path, tmp_path: Path) -> None:
    compared = convert.convert(model, "openvino", tmp_path / "mine.xml")
    assert (0 < compared.difference < compared.bound) and compared.requests == 4
    assert left(tmp_path) == ["mine.bin", "mine.model.json", "mine.xml"]


def test_without_a_description_none_is_written(generator: Path, tmp_path: Path) -> None:
    model, converted = tmp_path / "1", tmp_path / "converted"
    shutil.copytree(generator, model)
    (model / description.IN_SAVED_MODEL).unlink()
    converted.mkdir()
    (converted / "mine.model.json").write_text("of an earlier one")
    convert.convert(model, "openvino", converted / "mine.xml")
    assert left(converted) == ["mine.bin", "mine.xml"]


def test_litert_needs_sizes(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"image may have any.*--image_size=256"):
        convert.convert(model, "litert", tmp_path / "mine.tflite")
    assert left(tmp_path) == []
    compared = convert.convert(model, "litert", tmp_path / "mine.tflite", image_size=20)
    assert 0 < compared.difference < compared.bound
    assert left(tmp_path) == ["mine.model.json", "mine.tflite"]


def test_a_difference_above_the_bound_writes_nothing(
    generator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "mine.onnx"
    output.write_text("the last one")
    monkeypatch.setattr(convert, "BOUND", 1e-12)
    with pytest.raises(FailureError, match=r"by up to .*; 1e-12 is allowed"):
        convert.convert(generator, "onnx", output)
    assert left(tmp_path) == ["mine.onnx"]
    assert output.read_text() == "the last one"


@pytest.mark.parametrize(
    "answer",
    [
        {"image": np.full((2, 8, 8, 1), np.nan, np.float32)},
        {"image": np.zeros((2, 8, 7, 1), np.float32)},
        {"other": np.zeros((2, 8, 8, 1), np.float32)},
    ],
)
def test_answers_of_another_kind_are_no_match(
    answer: dict[str, np.ndarray],
    generator: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = fake(monkeypatch)
    module.load = lambda path: lambda inputs: answer
    with pytest.raises(FailureError, match=r"by up to (nan|inf)"):
        convert.convert(generator, "onnx", tmp_path / "mine.onnx")
    assert left(tmp_path) == []


def test_a_converted_model_that_fails_gives_one_line(
    generator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(inputs: samples.Arrays) -> samples.Arrays:
        raise RuntimeError("no kernel\nof this size")

    fake(monkeypatch).load = lambda path: run
    with pytest.raises(FailureError, match=r"converted model fails on.*no kernel of"):
        convert.convert(generator, "onnx", tmp_path / "mine.onnx")
    assert left(tmp_path) == []


def test_differences_of_levels_do_not_begin_again() -> None:
    below, above = ({"y": np.array([level], np.uint8)} for level in (4, 5))
    assert convert._difference(below, above) == 1
    assert convert._difference(above, below) == 1


def test_a_converter_that_fails_gives_one_line(
    generator: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def write(graph: object, path: Path) -> None:
        path.write_text("half")
        print("a long story")
        raise KeyError("no rule\nfor this\n" + "and so on" * 99)

    module = fake(monkeypatch)
    module.write = write
    # TensorFlow warns of tables that other tests have left in its default graph.
    caplog.set_level(logging.ERROR, logger="tensorflow")
    with pytest.raises(FailureError, match="converter to ONNX failed") as caught:
        convert.convert(generator, "onnx", tmp_path / "mine.onnx")
    assert "no rule" in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert left(tmp_path) == []
    assert capfd.readouterr() == ("", "")


def fake(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A format that writes nothing of use."""
    module = ModuleType("fake")
    module.SUFFIX, module.FIXED = ".onnx", False
    module.write = lambda graph, path: path.write_text("")
    monkeypatch.setattr(convert, "_format", lambda name: module)
    return module


def test_a_missing_package_is_named(
    generator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    monkeypatch.delitem(sys.modules, "export.formats.onnx", raising=False)
    with pytest.raises(FailureError, match=r"needs the package tf2onnx: pip install"):
        convert.convert(generator, "onnx", tmp_path / "mine.onnx")


def test_wrong_requests(generator: Path, model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mine.txt must end in .onnx"):
        convert.convert(generator, "onnx", tmp_path / "mine.txt")
    with pytest.raises(UsageError, match="no does not exist"):
        convert.convert(generator, "onnx", tmp_path / "no" / "mine.onnx")
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(UsageError, match=r"folder.onnx is a folder"):
        convert.convert(generator, "onnx", tmp_path / "folder.onnx")
    (tmp_path / "folder.onnx").rmdir()
    with pytest.raises(UsageError, match="has no image files"):
        convert.convert(model, "onnx", tmp_path / "mine.onnx", "encoded")
    with pytest.raises(
        UsageError, match=r"=\S+ does not apply.*takes latent, no image"
    ):
        convert.convert(
            generator, "onnx", tmp_path / "mine.onnx", images=tmp_path / "images"
        )
    assert left(tmp_path) == []


def test_images_of_a_folder(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def load(path: Path) -> samples.Runner:
        from export.formats import graph

        _loaded, function = graph.load(model, "serving_default")

        def run(inputs: samples.Arrays) -> samples.Arrays:
            asked.append(inputs["image"].shape)
            return {n: v.numpy() for n, v in function(**inputs).items()}

        run.loaded = _loaded
        return run

    fake(monkeypatch).load = load
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "notes.txt").write_text("no image")
    with pytest.raises(UsageError, match="no readable image"):
        convert.convert(model, "onnx", tmp_path / "mine.onnx", images=folder)
    with pytest.raises(UsageError, match=r"none is not a folder"):
        convert.convert(model, "onnx", tmp_path / "mine.onnx", images=tmp_path / "none")
    Image.new("L", (9, 5)).save(folder / "grey.png")
    Image.new("RGBA", (512, 256)).save(folder / "large.png")
    compared = convert.convert(model, "onnx", tmp_path / "mine.onnx", images=folder)
    assert compared.requests == 2 and compared.difference == 0
    assert asked == [(2, 5, 9, 3), (1, 128, 256, 3)]
