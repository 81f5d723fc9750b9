"""What the README shows: its commands run, its flags exist, its files are there."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags
from PIL import Image

from tests.trainers.conftest import TINY
from trainers import cyclegan
from trainers.training import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
METRICS, TRANSLATION = (
    (ROOT / f"docs/{name}.md").read_text() for name in ("metrics", "translation")
)
SHORT = ("--steps=2", *TINY)


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def commands(prefix: str) -> list[list[str]]:
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [
        shlex.split(line, comments=True) for line in lines if line.startswith(prefix)
    ]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *command[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def workplace(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's folder, with pictures of their own in my/photos."""
    place = tmp_path_factory.mktemp("workplace")
    (place / "my").mkdir()
    (place / "my/photos").symlink_to(folder)
    (place / "my/translated").symlink_to(folder / "testB")
    (place / "my/pairs").mkdir()
    for name in ("A", "B"):
        (place / f"my/pairs/train{name}").symlink_to(folder / f"test{name}")
    return place


def of(module: str, *words: str) -> list[str]:
    """The one command of a module that has these words."""
    found = commands(f"python -m {module}")
    (command,) = [c for c in found if all(w in " ".join(c) for w in words)]
    return command


@pytest.fixture(scope="module")
def exported(workplace: Path) -> Path:
    """`workplace` after the README's trainings and exports."""
    trainings = commands("python -m trainers.cyclegan --dataset=folder")
    assert [" --metrics=" in " ".join(c) for c in trainings] == [False, True]
    exports = commands("python -m export.saved_model")
    assert ["--which=best" in c for c in exports] == [True, False]
    for command in [[*training, *SHORT] for training in trainings] + exports:
        result = run(command, workplace)
        assert result.returncode == 0, result.stderr
    return workplace


def test_what_was_exported_is_loaded_as_the_readme_says(exported: Path) -> None:
    for line in ("models/mine_a2b/1/saved_model.pb", "models/mine_a2b.keras"):
        assert f"`{line}`" in README
        assert (exported / line).is_file()
    # One process for all: the first is of a person who has not imported our package.
    snippets = [*blocks("python"), *blocks("python", METRICS)]
    each = f"for snippet in {snippets!r}: exec(snippet, {{}})"
    result = run(["python", "-c", each], exported)
    assert result.returncode == 0, result.stderr


# The others are told apart in test_evaluate.py.
@pytest.mark.parametrize(
    "model",
    [
        "runs/mine",
        pytest.param("models/mine_a2b", marks=pytest.mark.slow),
        pytest.param("my/translated", marks=pytest.mark.slow),
    ],
)
def test_evaluate_as_the_readme_says(exported: Path, model: str) -> None:
    result = run(of("trainers.evaluate", f"--model={model}"), exported)
    assert result.returncode == 0, result.stderr
    assert "kid5k_lite0" in result.stdout
    written = re.search(r"Wrote (\S+html) and (\S+json)", result.stdout)
    for path in written.groups():
        assert (exported / path).stat().st_size > 500


def test_plot_as_the_readme_says(exported: Path) -> None:
    (command,) = commands("python -m trainers.plot")
    assert command[-1] == "runs/*"  # which a shell replaces
    result = run([*command[:-1], "runs/mine"], exported)
    assert result.returncode == 0, result.stderr
    assert (exported / "plots/comparison.html").is_file()


def test_check_and_translate_folders_as_the_readme_says(exported: Path) -> None:
    result = run(of("export.check"), exported)
    assert result.returncode == 0, result.stderr
    assert "mine_a2b" in result.stdout
    result = run([*of("export.batch"), "--output=by_beam"], exported)
    assert result.returncode == 0, result.stderr
    pictures = [path for path in (exported / "my/photos").rglob("*") if path.suffix]
    assert len(list((exported / "by_beam").rglob("*.png"))) == len(pictures) > 4


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_serve_and_ask_as_the_readme_says(exported: Path) -> None:
    (serve,) = commands("python -m export.serve")
    (ask,) = [block for block in blocks("bash") if "curl" in block]
    Image.effect_noise((50, 30), 80).convert("RGB").save(exported / "photo.jpg")
    server = subprocess.Popen(
        [sys.executable, *serve[1:], "--rest_port=0", "--grpc_port=0"],
        cwd=exported,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.search(r"http://([\d.:]+)/", server.stdout.readline()).group(1)
        evaluate = of("trainers.evaluate", "--model=http://localhost:8501/")
        asked = [word.replace("localhost:8501", address) for word in evaluate]
        result = run(asked, exported)
        assert result.returncode == 0, result.stderr
        translate = of("export.client", "my/photos", "--output=translated")
        asked = [word.replace("localhost:8501", address) for word in translate]
        result = run(asked, exported)
        assert result.returncode == 0, result.stderr
        subprocess.run(
            ["bash", "-c", ask.replace("localhost:8501", address)],
            cwd=exported,
            check=True,
            timeout=60,
        )
    finally:
        server.terminate()
        server.communicate()
    assert len(list((exported / "translated").rglob("*.png"))) > 4
    with Image.open(exported / "translated.png") as translated:
        assert (translated.format, translated.size) == ("PNG", (50, 30))


@pytest.mark.parametrize(
    "command",
    [
        command
        for module in ("cyclegan", "pix2pix")
        for command in commands(f"python -m trainers.{module}")
        if "my/photos" not in " ".join(command)
    ],
    ids=" ".join,
)
def test_the_other_trainings_are_understood(
    command: list[str], workplace: Path
) -> None:
    result = run([*command, "--batch_size=2", "--dry_run"], workplace)
    assert result.returncode == 0, result.stderr


def flag_rows() -> dict[str, list[str]]:
    """The tables of the run's flags, and of the recipe of CycleGAN."""
    tables = README + TRANSLATION
    rows = re.findall(r"^\| `--(\w+)` \|(.*)\|$", tables, re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def test_the_tables_of_flags_are_complete() -> None:
    modules = flags.FLAGS.flags_by_module_dict()
    defined = {
        f.name for m in (app.__name__, "trainers.training.recipe") for f in modules[m]
    }
    assert set(flag_rows()) == defined


def test_help_shows_every_flag(workplace: Path) -> None:
    result = run(["python", "-m", "trainers.cyclegan", "--help"], workplace)
    assert result.returncode == 0, result.stderr
    shown = set(re.findall(r"^  --(?:\[no\])?(\w+):", result.stdout, re.MULTILINE))
    assert set(flag_rows()) <= shown


def test_the_recipes_in_the_table_are_the_presets() -> None:
    paper, cpu = cyclegan.PRESETS["paper"], cyclegan.PRESETS["cpu"]
    for name in vars(paper):
        values = [str(getattr(paper, name)), str(getattr(cpu, name))]
        assert flag_rows()[name][:2] == values, name


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE)
    assert {"demo", "test", "bench", "quality", "gallery"} <= set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
