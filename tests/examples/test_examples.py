"""Each program gives the picture that the SavedModel does."""

import ast
import io
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from export.convert import convert
from export.saved_model import export_networks
from tests.export.conftest import REPOSITORY
from tests.export.formats.models import SYSTEMS

EXAMPLES = REPOSITORY / "examples"
OURS = {"tfgan_models", "export", "trainers", "tests", "benchmarks"}


def run(*command: object, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    environment["PYTHONPATH"] = os.environ["PYTHONPATH"].split(os.pathsep)[0]
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def run_example(name: str, model: Path, tiny: Path, folder: Path) -> np.ndarray:
    """Runs a program; returns the levels of the picture that it wrote."""
    output, program = folder / "out.png", EXAMPLES / name
    finished = run(
        sys.executable, program, model, tiny / "photo.png", output, folder=folder
    )
    assert finished.returncode == 0, finished.stderr
    with Image.open(output) as image:
        return np.asarray(image).astype(int)


def translated(model: Path, photo: bytes) -> np.ndarray:
    """The levels of the SavedModel's own answer."""
    loaded = tf.saved_model.load(str(model))
    answer = loaded.signatures["encoded"](image_bytes=tf.constant([photo]))
    (files,) = answer.values()
    return np.asarray(Image.open(io.BytesIO(files.numpy()[0]))).astype(int)


@pytest.fixture(scope="module")
def expected(tiny: Path) -> np.ndarray:
    photo = (tiny / "photo.png").read_bytes()
    levels = translated(tiny / "mine_a2b" / "1", photo)
    assert levels.shape == (17, 22, 3) and np.ptp(levels) > 100
    return levels


def assert_same_picture(levels: np.ndarray, expected: np.ndarray) -> None:
    assert levels.shape == expected.shape
    assert np.abs(levels - expected).max() <= 1


@pytest.mark.parametrize(
    ("program", "model"),
    [("keras_app.py", "mine_a2b.keras"), ("tfsm_layer.py", "mine_a2b/1")],
)
def test_what_is_exported(
    program: str, model: str, tiny: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    levels = run_example(program, tiny / model, tiny, tmp_path)
    assert_same_picture(levels, expected)


@pytest.mark.parametrize(("system", "multiple"), [("pix2pix", "8"), ("srgan", "1")])
def test_keras_files_of_other_systems(
    system: str, multiple: str, tiny: Path, tmp_path: Path
) -> None:
    export_networks({"net": SYSTEMS[system]()}, tmp_path, "mine")
    photo, output = tiny / "photo.png", tmp_path / "out.png"
    program = runpy.run_path(str(EXAMPLES / "keras_app.py"))
    program["main"](tmp_path / "mine_net.keras", photo, output, multiple)
    expected = translated(tmp_path / "mine_net" / "1", photo.read_bytes())
    with Image.open(output) as image:
        assert_same_picture(np.asarray(image).astype(int), expected)


@pytest.mark.parametrize(
    ("program", "format", "suffix"),
    [
        ("onnx_app.py", "onnx", ".onnx"),
        pytest.param("openvino_app.py", "openvino", ".xml", marks=pytest.mark.slow),
    ],
)
def test_what_is_converted(
    program: str,
    format: str,
    suffix: str,
    tiny: Path,
    expected: np.ndarray,
    tmp_path: Path,
) -> None:
    model = tmp_path / f"mine{suffix}"
    convert(tiny / "mine_a2b" / "1", format, model)
    assert_same_picture(run_example(program, model, tiny, tmp_path), expected)


@pytest.mark.slow
def test_litert_takes_one_size(tiny: Path, tmp_path: Path) -> None:
    model = tmp_path / "mine.tflite"
    convert(tiny / "mine_a2b" / "1", "litert", model, image_size=16)
    levels = run_example("litert_app.py", model, tiny, tmp_path)
    fitted = io.BytesIO()
    with Image.open(tiny / "photo.png") as photo:
        ImageOps.fit(photo, (16, 16)).save(fitted, "PNG")
    model = tiny / "mine_a2b" / "1"
    assert_same_picture(levels, translated(model, fitted.getvalue()))


@pytest.mark.slow
def test_c_program(tiny: Path, expected: np.ndarray, tmp_path: Path) -> None:
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("there is no make or no C compiler")
    folder = tmp_path / "c_api"
    shutil.copytree(EXAMPLES / "c_api", folder)
    made = run(
        "make",
        "CFLAGS=-Wall -Wextra -Werror",
        f"PYTHON={sys.executable}",
        folder=folder,
    )
    assert made.returncode == 0, made.stderr
    program, output = folder / "translate", tmp_path / "out.png"
    assert "libpython" not in run("ldd", program, folder=folder).stdout
    model = tiny / "mine_a2b" / "1"
    finished = run(program, model, tiny / "photo.png", output, folder=folder)
    assert finished.returncode == 0, finished.stderr
    with Image.open(output) as image:
        assert_same_picture(np.asarray(image).astype(int), expected)
    (tmp_path / "bad.png").write_bytes(b"no image")
    for photo, text in (("bad.png", "Unknown image file format"), ("no.png", "opened")):
        failed = run(program, model, tmp_path / photo, output, folder=folder)
        assert failed.returncode == 1
        assert text in failed.stderr
    assert run(program, folder=folder).returncode == 2


def test_too_few_arguments_show_how_to_run_it(tmp_path: Path) -> None:
    shown = run(sys.executable, EXAMPLES / "onnx_app.py", "mine.onnx", folder=tmp_path)
    assert shown.returncode == 1
    assert "python examples/onnx_app.py mine.onnx photo.jpg" in shown.stderr


@pytest.mark.parametrize(
    "program", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name
)
def test_programs_stand_alone(program: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(program.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
    assert imported
    assert not imported & OURS


def test_every_program_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    programs = [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*/*.c")]
    assert len(programs) >= 6
    for program in programs:
        assert f"({program.relative_to(EXAMPLES)})" in listed
