"""What is told where a package is missing, and when."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tfgan_models import extras
from tfgan_models.errors import FailureError

ROOT = Path(__file__).parents[1]
# Importing TensorFlow, which takes many seconds, would be a traceback.
WITHOUT = """
import runpy, sys

module, package = sys.argv[1:3]
sys.modules[package] = sys.modules["tensorflow"] = None
sys.argv[1:3] = []
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def test_the_command_is_for_how_the_package_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert extras.install_command("export") == "pip install -e '.[export]'"
    monkeypatch.chdir(tmp_path)
    assert extras.install_command("export") == f"pip install -e '{ROOT}[export]'"
    monkeypatch.setattr(extras, "_ROOT", tmp_path)  # as in site-packages
    assert extras.install_command("export") == "pip install 'tfgan-models[export]'"


def test_what_is_there_is_not_refused() -> None:
    extras.require("This test", "dev", "numpy", "pytest")
    with pytest.raises(FailureError, match="This test needs the package no_such"):
        extras.require("This test", "dev", "pytest", "no_such")


def test_every_message_names_an_extra_there_is() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    known = set(setup["options.extras_require"])
    sources = [
        p
        for top in ("tfgan_models", "trainers", "export")
        for p in (ROOT / top).rglob("*.py")
    ]
    named = set()
    for path in sources:
        text = path.read_text()
        named |= set(re.findall(r'extras\.missing\([^)]*?"(\w+)",?\s*\)', text))
        named |= set(re.findall(r'extras\.require\([^,]*, "(\w+)"', text))
        if path.name != "extras.py":
            assert "pip install" not in text, path
    assert {"batch", "convert", "export", "generate", "metrics", "studio"} <= named
    assert named <= known


@pytest.mark.parametrize(
    ("module", "package", "flags"),
    [
        ("export.batch", "apache_beam", ("--model=m", "--input=i", "--output=o")),
        (
            "export.convert",
            "tf2onnx",
            ("--model=m", "--format=onnx", "--output=o"),
        ),
    ],
)
def test_a_missing_package_is_told_at_once(
    module: str, package: str, flags: tuple[str, ...]
) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", WITHOUT, module, package, *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 1
    extra = module.removeprefix("export.")
    assert finished.stderr.endswith(
        f"needs the package {package}: pip install -e '.[{extra}]'\n"
    )
    assert finished.stderr.count("\n") == 1
    assert finished.stdout == ""
