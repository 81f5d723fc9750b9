"""What README and docs/stylegan.md show of StyleGAN and ProGAN runs.

That their modules and flags exist is checked in test_docs.py; here they are run.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGE = (ROOT / "docs/stylegan.md").read_text()
TINY = (
    "--image_size=16",
    "--batch_size=4",
    "--batch_sizes=",
    "--kimg=0.04",
    "--kimg_per_phase=0.008",
    "--fmap_base=64",
    "--fmap_max=8",
    "--latent_size=8",
    "--w_size=8",
)


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text: str, prefix: str) -> list[list[str]]:
    lines = [line for block in blocks(text, "bash") for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith(prefix)]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    result = subprocess.run(
        [sys.executable, *command[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's folder with faces, and a training of them."""
    place = tmp_path_factory.mktemp("workplace")
    (place / "my/faces").mkdir(parents=True)
    random = np.random.default_rng(0)
    for i in range(8):
        pixels = random.integers(0, 256, (24, 20, 3), np.uint8)
        Image.fromarray(pixels).save(place / f"my/faces/{i}.png")
    Image.fromarray(pixels).save(place / "me.jpg")
    training = next(
        c for c in commands(PAGE, "python -m trainers.stylegan") if "my/faces" in str(c)
    )
    run([*training, *TINY], place)
    return place


def test_the_readmes_pictures(workplace: Path) -> None:
    training = commands(README, "python -m trainers.stylegan")[-1]
    assert "--model_dir=runs/emoji" in training
    (workplace / "runs/emoji").symlink_to(workplace / "runs/faces")
    shown = [
        command
        for command in commands(README, "python -m trainers.generate")
        if "--model=runs/emoji" in command
    ]
    assert [command[3] for command in shown] == ["images", "mix", "morph"]
    for command in shown:
        short = ["--frames=4"] if command[3] == "morph" else []
        result = run([*command, *short], workplace)
        for path in re.findall(r"Wrote (\S+)", result.stdout):
            assert (workplace / path).stat().st_size > 100


@pytest.mark.parametrize(
    "command",
    [
        *commands(README, "python -m trainers.stylegan"),
        *commands(PAGE, "python -m trainers.stylegan")[:1],
        *commands(PAGE, "python -m trainers.progan"),
    ],
    ids=" ".join,
)
def test_the_trainings_are_understood(command: list[str], workplace: Path) -> None:
    printed = run([*command, "--dry_run"], workplace).stdout
    assert '"kimg_per_phase"' in printed


def test_export_and_snippets(workplace: Path) -> None:
    (export,) = commands(PAGE, "python -m export.saved_model")
    run(export, workplace)
    assert (workplace / "models/faces_generator/1/saved_model.pb").is_file()
    for snippet in blocks(PAGE, "python"):
        run(["python", "-c", snippet], workplace)


@pytest.mark.parametrize(
    "command", commands(PAGE, "python -m trainers.generate"), ids=lambda c: c[3]
)
def test_the_pages_commands(command: list[str], workplace: Path) -> None:
    short = {"morph": ["--frames=4"], "project": ["--steps=5"]}.get(command[3], [])
    result = run([*command, *short], workplace)
    written = re.findall(r"Wrote (\S+)", result.stdout)
    assert written
    for path in written:
        assert (workplace / path).stat().st_size > 100


def test_flags_of_the_page_exist() -> None:
    from trainers import stylegan

    named = set(re.findall(r"`--(\w+)", PAGE[: PAGE.index("## Use it")]))
    recipe = set(vars(stylegan.PRESETS["paper"]))
    assert named - recipe == {"help", "dry_run", "steps"}
