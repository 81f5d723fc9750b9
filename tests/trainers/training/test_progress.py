"""What a training shows: its preset, its steps, and what to do next."""

import io
import json
import math
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainers.training import progress
from trainers.training.progress import Steps

Train = Callable[..., None]


class Terminal(io.StringIO):
    """A terminal's output, kept."""

    def isatty(self) -> bool:
        return True


def stepped(steps: Steps, count: int) -> None:
    for batch in range(count):
        steps.on_train_batch_end(batch, {"g_loss": 0.12345})


@pytest.mark.usefixtures("idle")
def test_a_training_says_what_it_does(
    train: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "_SECONDS", math.inf)  # however slow it is
    run = tmp_path / "my run"
    train(f"--model_dir={run}", "--steps=7")
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert lines[0] == (
        "No GPU: the small cpu recipe, 16 px; --preset=paper for the full one, 256 px."
    )
    recipe = json.loads(printed[printed.index("{") : printed.index("}") + 1])
    assert (recipe["preset"], recipe["steps"]) == ("cpu", 7)
    assert "epochs" not in recipe
    assert "preset" not in json.loads((run / "recipe.json").read_text())
    building = "Building the graph: the first step takes longest, minutes for large "
    shown = lines[lines.index(f"{building}networks.") :]
    assert re.match(r"step 1 of 7, \d\d:\d\d so far, \? left, .*loss=", shown[1])
    # Two calls of fit, of 3 steps an epoch; one display of all.
    assert shown[2].startswith("step 7 of 7, ")
    assert shown[3].startswith(f"Trained to step 7. {run} holds checkpoints")
    assert shown[4:] == [
        f"  python -m trainers.generate translate photo.jpg --model='{run}'",
        f"  python -m export.saved_model --model_dir='{run}' --export_dir=models",
        f"  python -m trainers.evaluate --model='{run}'",
    ]


def test_where_epochs_rule_steps_are_not_shown(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(f"--model_dir={tmp_path}", "--dry_run", "--preset=paper")
    printed = capsys.readouterr()
    recipe = json.loads(printed.out)
    assert (recipe["preset"], recipe["epochs"]) == ("paper", 200)
    assert "steps" not in recipe
    assert printed.err.startswith("The paper recipe, 16 px.\nFound in ")


def test_a_file_has_a_line_a_percent_at_most(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_SECONDS", 0.0)
    steps = Steps(total=5000, step=2500)
    stepped(steps, 2500)
    steps.close()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 51
    assert lines[0].startswith("step 2501 of 5000, ")
    assert lines[-1].startswith("step 5000 of 5000, ")
    assert "\r" not in "".join(lines)


def test_a_file_has_few_lines_of_a_fast_training(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(total=5000, step=0)
    # The first one, which builds the graph, tells nothing of the rest.
    monkeypatch.setattr(steps._meter._bar, "start_t", time.time() - 500.0)
    stepped(steps, 1)
    assert capsys.readouterr().out.startswith("step 1 of 5000, 08:20 so far, ? left")
    for count in (1, 697, 1):
        stepped(steps, count)
        time.sleep(0.2)
    steps.close()
    (last,) = capsys.readouterr().out.splitlines()
    assert re.match(r"step 700 of 5000, 08:20 so far, 00:0\d left, g_loss=0.123", last)


def test_a_stage_begins_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    steps = Steps(total=5000, step=0)
    for _ in range(2):
        steps.on_train_begin()
        stepped(steps, 20)
    steps.close()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        f"step {step} of 5000" for step in (1, 21, 40)
    ]


def test_images_are_counted_as_they_are_taken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = [np.zeros((3, 2, 2, 3)), np.zeros((2, 2, 2, 3))]
    named = [{"generated": batch} for batch in batches]
    assert list(progress.counted("fast", lambda most: batches[:most])(1)) == batches[:1]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "_SECONDS", 0.0)
    assert list(progress.counted("slow", lambda most: named)(9)) == named
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "slow: 3 images",
        "slow: 5 images",
    ]


def test_a_terminal_has_one_line_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    steps = Steps(total=300, step=200)
    stepped(steps, 50)
    progress.say("A line.")
    stepped(steps, 50)
    steps.close()
    shown = terminal.getvalue()
    assert "step 200 of 300" in shown
    assert shown.splitlines()[-1].rsplit("\r")[-1].count("step 300 of 300") == 1
    assert "\rA line.\n" in shown
    assert shown.count("\n") == 2
