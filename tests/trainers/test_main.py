"""`python -m trainers`: the list of what there is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tfgan_models.systems import SYSTEMS
from trainers.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "trainers", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def modules(folder: str, pattern: str) -> set[str]:
    """Returns the modules of a package in whose text the pattern is."""
    paths = (ROOT / folder).glob("*.py")
    return {p.stem for p in paths if re.search(pattern, p.read_text(), re.MULTILINE)}


def test_every_system_is_listed() -> None:
    assert set(SYSTEMS) == modules("trainers", r"^TRAINER = ")


def test_every_other_command_is_listed() -> None:
    runnable = {
        f"{folder}.{name}"
        for folder in ("trainers", "export")
        for name in modules(folder, r"^if __name__ == ")
    }
    packages = (ROOT / "tfgan_models").glob("*/__main__.py")
    typed = {f"tfgan_models.{path.parent.name}" for path in packages}
    run_by_them = {name.replace("tfgan_models.", "export.") for name in typed}
    trainers = {f"trainers.{name}" for name in SYSTEMS}
    others = runnable - trainers - run_by_them - {"trainers.__main__"}
    assert set(COMMANDS) == others | typed


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_paper_is_the_trainers(name: str) -> None:
    """The id is the one that the module itself begins with."""
    first_line, *_ = (ROOT / f"trainers/{name}.py").read_text().splitlines()
    assert f"`python -m trainers.{name}`" in first_line
    assert f"arXiv:{SYSTEMS[name].arxiv}" in first_line


def test_a_line_each() -> None:
    finished = run()
    assert (finished.returncode, finished.stderr) == (0, "")
    assert run("--help").stdout == finished.stdout
    for name, system in SYSTEMS.items():
        paper = re.escape(f"{system.title} (arXiv:{system.arxiv})")
        pattern = rf"^  python -m trainers\.{name} +{paper}$"
        assert len(re.findall(pattern, finished.stdout, re.MULTILINE)) == 1
    for name, words in COMMANDS.items():
        pattern = rf"^  python -m {re.escape(name)} +{re.escape(words)}$"
        assert len(re.findall(pattern, finished.stdout, re.MULTILINE)) == 1


@pytest.mark.parametrize("arguments", [["cyclegan"], ["--steps=3"], ["--help", "gan"]])
def test_anything_else_is_one_line(arguments: list[str]) -> None:
    finished = run(*arguments)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert len(finished.stderr.splitlines()) == 1
    assert f"Received: {' '.join(arguments)}." in finished.stderr


def test_the_nearest_system_is_named() -> None:
    assert run("stylgan").stderr.endswith(": python -m trainers.stylegan\n")


def test_it_is_shown_at_once() -> None:
    """Nothing that takes seconds to import is imported."""
    script = (
        "import runpy, sys\n"
        "sys.argv = ['trainers']\n"
        "try:\n"
        "    runpy.run_module('trainers', run_name='__main__')\n"
        "except SystemExit as stop:\n"
        "    assert stop.code == 0\n"
        "print(*{'tensorflow', 'keras', 'numpy'} & set(sys.modules), sep=',')\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == ""
