"""The package as it is installed."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tfgan_models

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "tfgan_models" / "data" / "images"


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names in a wheel that is built from a copy of the tree."""
    place = tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, place)
    for name in ("tfgan_models", "trainers", "export", "benchmarks", "tests"):
        shutil.copytree(
            ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    command = ("pip", "wheel", "--no-deps", "--no-build-isolation", "-w", "out", ".")
    subprocess.run(
        [sys.executable, "-m", *command], cwd=place, check=True, capture_output=True
    )
    (wheel,) = (place / "out").glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_carries_the_images_and_licences(wheel_names: set[str]) -> None:
    images = [path for path in IMAGES.rglob("*") if path.is_file()]
    assert len(images) == 8
    for image in images:
        assert str(image.relative_to(ROOT)) in wheel_names
    for name in ("LICENSE", "NOTICE"):
        assert any(entry.endswith(f"/licenses/{name}") for entry in wheel_names)


def test_the_wheel_holds_the_packages_and_no_tests_or_benchmarks(
    wheel_names: set[str],
) -> None:
    tops = {name.split("/")[0] for name in wheel_names if ".dist-info" not in name}
    assert tops == {"tfgan_models", "trainers", "export"}
    for name in ("tfgan_models/py.typed", "trainers/cyclegan.py", "export/serve.py"):
        assert name in wheel_names


def test_every_bundled_file_is_attributed() -> None:
    notice = (ROOT / "NOTICE").read_text()
    for path in IMAGES.rglob("*"):
        if path.is_file():
            assert str(path.relative_to(ROOT)) in notice


def test_public_names_are_there_and_unknown_ones_are_not() -> None:
    for name in tfgan_models.__all__:
        assert hasattr(tfgan_models, name)
        assert name in dir(tfgan_models)
    with pytest.raises(AttributeError, match="no attribute 'NoSuchGAN'"):
        tfgan_models.NoSuchGAN  # noqa: B018


def test_import_is_light() -> None:
    script = (
        "import sys, tfgan_models\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
