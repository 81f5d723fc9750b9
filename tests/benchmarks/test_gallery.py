"""The gallery: what it shows can be started, and how it is made."""

import json
import subprocess
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import gallery
from tests import shown
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import run_log
from tfgan_models.systems import SYSTEMS

DOCS = shown.ROOT / "docs"
STUB = gallery.Exhibit(
    name="dots",
    title="Dots (arXiv:0000.00000)",
    task="Draw dots.",
    training=("trainers.gan", "--preset=cpu", "--dataset=my dots"),
    using=(
        ("trainers.evaluate", "--model={model}"),
        ("trainers.generate", "images", "--model={model}", "--output_dir={model}/out"),
    ),
    pictures={"samples/step_*_fakes.png": "Dots.", "out/images.png": "More dots."},
)


Start = Callable[..., None]
"""The command, given --only."""


class Commands:
    """In place of subprocess: remembers what was started and writes what it would."""

    PIPE, STDOUT = subprocess.PIPE, subprocess.STDOUT

    def __init__(self, statuses: tuple[int, ...] = (0, 0, 0)) -> None:
        self.statuses = list(statuses)
        self.started: list[list[str]] = []
        self.silent = False

    def run(
        self, command: list[str], text: bool, **streams: object
    ) -> subprocess.CompletedProcess:
        self.started.append(command[2:])
        given = dict(a.removeprefix("--").split("=") for a in command if "=" in a)
        model = Path(given.get("model_dir") or given["model"])
        if "model_dir" in given:
            # Two minutes of training.
            lines = ({"step": s, "time": 60.0 * s, "values": {"a": 1}} for s in (1, 3))
            log = "".join(f"{json.dumps(line)}\n" for line in lines)
            (model / run_log.FILE).write_text(log)
            self.draw(model / "samples/step_00000001_fakes.png", 10, "red")
            self.draw(model / "samples/step_00000003_fakes.png", 10, "blue")
            assert streams["stderr"] is self.STDOUT
        if "output_dir" in given:
            self.draw(model / "out/images.png", 500, "red")
        told = f"kid 0.1  \nWrote {model}/x.png\n"
        return subprocess.CompletedProcess(command, self.statuses.pop(0), told)

    def draw(self, path: Path, side: int, colour: str) -> None:
        if not self.silent:
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (side, side), colour).save(path)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    stub = Commands()
    monkeypatch.setattr(gallery, "subprocess", stub)
    return stub


def test_exhibits_are_of_our_systems_with_names_of_their_own() -> None:
    assert gallery.EXHIBITS
    for attribute in ("name", "title"):
        told = [getattr(exhibit, attribute) for exhibit in gallery.EXHIBITS]
        assert len(set(told)) == len(told)
    for exhibit in gallery.EXHIBITS:
        trainer, *given = exhibit.training
        assert trainer.removeprefix("trainers.") in SYSTEMS
        assert "--preset=cpu" in given
        assert exhibit.using
        assert exhibit.pictures


def test_their_commands_are_understood() -> None:
    commands = [
        gallery._text(given, "runs/mine")
        for exhibit in gallery.EXHIBITS
        for given in (exhibit.training, *exhibit.using)
    ]
    assert shown.faults(commands) == {}


@pytest.mark.skipif(not (DOCS / "gallery.md").exists(), reason="it was not made yet")
def test_the_page_in_the_docs_is_of_these_exhibits() -> None:
    page = (DOCS / "gallery.md").read_text()
    chapters = page.split("\n## ")[1:]
    assert len(chapters) == len(gallery.EXHIBITS)
    for exhibit, chapter in zip(gallery.EXHIBITS, chapters, strict=True):
        assert chapter.startswith(f"{exhibit.title}\n\n{exhibit.task}\n")
        for given in (exhibit.training, *exhibit.using):
            assert f"\n$ {gallery._text(given, 'runs/mine')}\n" in chapter
        for number, seen in enumerate(exhibit.pictures.values()):
            name = f"gallery_{exhibit.name}_{number}.png"
            assert f"![{seen}]({name})" in chapter
            with Image.open(DOCS / name) as picture:
                assert min(picture.size) >= 32
                low, high = zip(*picture.convert("RGB").getextrema(), strict=True)
                assert max(high) > min(low)


def test_show_trains_measures_and_quotes(commands: Commands, tmp_path: Path) -> None:
    chapter = gallery.show(STUB, tmp_path / "runs", tmp_path)
    model = tmp_path / "runs/dots"
    assert commands.started == [
        ["trainers.gan", "--preset=cpu", "--dataset=my dots", f"--model_dir={model}"],
        ["trainers.evaluate", f"--model={model}"],
        [
            *("trainers.generate", "images", f"--model={model}"),
            f"--output_dir={model}/out",
        ],
    ]
    assert (
        chapter
        == """\
## Dots (arXiv:0000.00000)

Draw dots.

```
$ python -m trainers.gan --preset=cpu '--dataset=my dots'
trained for 2.0 minutes
$ python -m trainers.evaluate --model=runs/mine
kid 0.1
Wrote runs/mine/x.png
$ python -m trainers.generate images --model=runs/mine --output_dir=runs/mine/out
kid 0.1
Wrote runs/mine/x.png
```

![Dots.](gallery_dots_0.png)

Dots.

![More dots.](gallery_dots_1.png)

More dots.
"""
    )
    # The newest, enlarged three times; the other is large enough.
    with Image.open(tmp_path / "gallery_dots_0.png") as newest:
        assert (newest.size, newest.getpixel((0, 0))) == ((30, 30), (0, 0, 255))
    with Image.open(tmp_path / "gallery_dots_1.png") as large:
        assert large.size == (500, 500)


@pytest.mark.parametrize("failing", [0, 1])
def test_a_command_that_fails_is_named(
    commands: Commands, tmp_path: Path, failing: int
) -> None:
    commands.statuses[failing] = 2
    with pytest.raises(FailureError, match="ended with status 2") as raised:
        gallery.show(STUB, tmp_path, tmp_path)
    assert " ".join(commands.started[failing][:1]) in str(raised.value)
    assert len(commands.started) == failing + 1


def test_a_missing_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(FailureError, match="no training log"):
        gallery._duration(tmp_path)


def test_a_missing_picture_is_named(commands: Commands, tmp_path: Path) -> None:
    commands.silent = True
    with pytest.raises(FailureError, match=r"no image .*dots/samples/step_"):
        gallery.show(STUB, tmp_path, tmp_path)


@pytest.fixture
def start(commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Start:
    """The command for two exhibits."""
    other = gallery.dataclasses.replace(STUB, name="more", title="More")
    monkeypatch.setattr(gallery, "EXHIBITS", (STUB, other))

    def main(*only: str) -> None:
        commands.statuses = [0] * 6
        given = {
            "runs_dir": str(tmp_path / "runs"),
            "docs_dir": str(tmp_path),
            "only": list(only),
        }
        stub = types.SimpleNamespace(FLAGS=types.SimpleNamespace(**given))
        monkeypatch.setattr(gallery, "flags", stub)
        gallery.main([])

    return main


def test_the_page_keeps_what_was_shown_before(start: Start, tmp_path: Path) -> None:
    start()
    page = (tmp_path / "gallery.md").read_text()
    assert page.startswith("# Gallery\n")
    assert [c.split("\n")[0] for c in page.split("\n## ")[1:]] == [STUB.title, "More"]
    start("more")
    assert (tmp_path / "gallery.md").read_text() == page


def test_only_trains_what_it_names(
    start: Start, commands: Commands, tmp_path: Path
) -> None:
    start("more")
    assert len(commands.started) == 3
    assert "## More\n" in (tmp_path / "gallery.md").read_text()
    assert STUB.title not in (tmp_path / "gallery.md").read_text()


def test_only_must_name_exhibits(start: Start, commands: Commands) -> None:
    with pytest.raises(UsageError, match=r"some of dots, more\. Received: cats, dogs"):
        start("dots", "dogs", "cats")
    assert commands.started == []


def test_its_flags() -> None:
    assert shown.faults(["python -m benchmarks.gallery --only=gan,cgan"]) == {}
