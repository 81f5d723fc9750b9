"""Runs compared: figures, tables, pages, and what is passed over."""

import builtins
import html
import io
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.export.conftest import REPOSITORY, environment
from tfgan_models.errors import UsageError
from tfgan_models.runs import run_log
from trainers import plot

HOSTILE = "<script>alert(1)<"


def make_run(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    values: Mapping[int, Mapping[str, float]],
    batch_size: int | None = 4,
    about: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """A run that logs every 90 seconds."""
    folder.mkdir(parents=True)
    if batch_size is not None:
        (folder / "recipe.json").write_text(json.dumps({"batch_size": batch_size}))
    for line, (step, numbers) in enumerate(values.items()):
        monkeypatch.setattr(run_log.time, "time", lambda line=line: 1e9 + 90.0 * line)
        run_log.append(folder, step, numbers, about)
    return folder


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs, a folder without a log and a file."""
    root = tmp_path / "runs"
    make_run(
        root / "first",
        monkeypatch,
        {
            100: {"losses/g": 4.0, "images_per_second": 10.0},
            200: {"losses/g": 2.0, "images_per_second": 30.0, "metrics/fid": 50.0},
            300: {"losses/g": 1.0, "images_per_second": 14.0, "metrics/fid": 40.125},
            400: {"losses/g": 0.5, "metrics/fid": 45.0, "metrics/psnr/a2b": 20.0},
            500: {"metrics/psnr/a2b": 18.5},
        },
        about={"metrics/fid": {"images": 64, "std": 0.5}},
    )
    make_run(
        root / HOSTILE,
        monkeypatch,
        {10: {"losses/d": 1.0}, 20: {"losses/d": 2.0, "metrics/fid": 1e-5}},
        batch_size=16,
        about={"metrics/fid": {"images": 8}},
    )
    (root / "empty").mkdir()
    (root / "notes.txt").write_text("notes")
    return root


def axes_of(figure: Any) -> dict[str, Any]:
    return {axes.get_title(loc="left"): axes for axes in figure.get_axes()}


def test_the_tables_numbers_are_right(runs: Path) -> None:
    loaded = {name: run_log.load(runs / name) for name in ("first", HOSTILE)}
    table = plot.table({name: run for name, run in loaded.items() if run})
    assert table.header == [
        *("run", "steps", "images", "hours", "images/s"),
        *("fid last", "fid best", "psnr/a2b last", "psnr/a2b best"),
    ]
    assert table.rows == [
        [
            *("first", "500", "2000", "0.10", "14"),
            *("45 @ 400", "40.12 @ 300", "18.5 @ 500", "20 @ 400"),
        ],
        [HOSTILE, "20", "320", "0.03", "-", "1e-05 @ 20", "1e-05 @ 20", "-", "-"],
    ]


@pytest.mark.parametrize(
    ("metric", "best"),
    [
        ("fid", 1.0),
        ("msssim", 1.0),
        ("metrics/kid", 1.0),
        ("kid5k_lite0/a2b", 1.0),
        ("own/is", 1.0),
        ("isometry", 1.0),
        ("is300_lite0/a2b", 3.0),
        ("precision10k_lite0/a2b", 3.0),
        ("ssim", 3.0),
        ("metrics/psnr_y", 3.0),
        ("precision", 3.0),
        ("recall", 3.0),
        ("density", 3.0),
        ("coverage", 3.0),
    ],
)
def test_which_value_is_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metric: str, best: float
) -> None:
    numbers = {1: 2.0, 2: 1.0, 3: 3.0, 4: 1.0, 5: 3.0, 6: 2.0}
    folder = make_run(
        tmp_path / "run", monkeypatch, {s: {metric: v} for s, v in numbers.items()}
    )
    run = run_log.load(folder)
    assert run is not None
    (row,) = plot.table({"run": run}).rows
    step = {1.0: 2, 3.0: 3}[best]
    assert row[-2:] == ["2 @ 6", f"{best:g} @ {step}"]


def test_panels_lines_and_colours(runs: Path) -> None:
    drawn = plot.figure({"first": runs / "first", "_$x$": runs / HOSTILE})
    panels = axes_of(drawn)
    assert list(panels) == [
        *("fid (lower is better)", "psnr/a2b (higher is better)"),
        *("losses/g", "losses/d", "images_per_second"),
    ]
    first, second = panels["fid (lower is better)"].get_lines()
    assert first.get_xdata().tolist() == [800, 1200, 1600]
    assert list(first.get_ydata()) == [50.0, 40.125, 45.0]
    assert second.get_xdata().tolist() == [320]
    raw, smoothed = panels["losses/d"].get_lines()
    assert raw.get_alpha() == 0.25
    assert {raw.get_color(), smoothed.get_color()} == {second.get_color()}
    assert first.get_color() != second.get_color()
    (legend,) = drawn.legends
    assert [text.get_text() for text in legend.get_texts()] == ["first", "_$x$"]
    assert drawn.get_supxlabel() == "training images seen"
    assert {axes.get_xlim() for axes in panels.values()} == {(0, 1.02 * 2000)}


def test_steps_where_a_recipe_is_missing(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_run(runs / "other", monkeypatch, {7: {"losses/g": 1.0}}, None)
    drawn = plot.figure({"first": runs / "first", "other": other}, prefix="losses/")
    assert drawn.get_supxlabel() == "steps"
    (axes,) = drawn.get_axes()
    assert axes.get_lines()[0].get_xdata().tolist() == [100, 200, 300, 400]
    run = run_log.load(other)
    assert run is not None
    assert plot.table({"other": run}).rows[0][2] == "-"


def test_smoothing() -> None:
    np.testing.assert_array_equal(plot.smooth(np.arange(9.0)), np.arange(9.0))
    values = np.zeros(30)
    values[10], values[29] = 3.0, 2.0
    smoothed = plot.smooth(values)  # 3 wide
    assert smoothed[8:13].tolist() == [0, 1, 1, 1, 0]
    assert smoothed[[27, 28, 29]] == pytest.approx([0, 2 / 3, 1])
    assert len(plot.smooth(np.ones(1))) == 1


def test_long_runs_are_thinned_to_their_last_point(
    tmp_path: Path,
) -> None:
    lines = (
        json.dumps({"step": step, "time": 0, "values": {"losses/g": step % 7}})
        for step in range(1, 9004)
    )
    (tmp_path / run_log.FILE).write_text("\n".join(lines))
    (axes,) = plot.figure({"long": tmp_path}).get_axes()
    for line in axes.get_lines():
        assert 2000 <= len(line.get_xdata()) < 4000
        assert line.get_xdata()[-1] == 9003


@pytest.mark.parametrize(
    ("prefix", "columns", "rows"), [("losses/g", 1, 1), ("", 3, 2)]
)
def test_the_picture_has_its_size_and_is_not_blank(
    runs: Path, prefix: str, columns: int, rows: int
) -> None:
    # Letters that the font has not give no warning, dollars are no formula.
    names = {"漢字": runs / "first", r"$\nope$": runs / HOSTILE}
    drawn = plot.figure(names, prefix)
    with Image.open(io.BytesIO(plot.to_png(drawn))) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    # 4.6 by 3.1 inches a panel, 0.75 for a row of the legend, 110 dots an inch.
    assert pixels.shape == (
        82 + 341 * rows,
        506 * columns,
        3,
    )
    for colour in ("#0072B2", "#D55E00")[: 1 if rows == 1 else 2]:
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        assert (abs(pixels.astype(int) - wanted).max(axis=2) < 8).sum() > 100


def test_the_legend_keeps_inside_the_picture(runs: Path) -> None:
    names = {f"run {i} {'of a long name ' * (i % 3) * 3}": i for i in range(12)}
    drawn = plot.figure(dict.fromkeys(names, runs / "first"), "losses/")
    plot.to_png(drawn)
    box = drawn.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= drawn.bbox.width
    assert box.y1 <= drawn.bbox.height
    styles = {(t.get_color(), t.get_linestyle()) for t in drawn.legends[0].get_lines()}
    assert len(styles) == 12


def test_comparison_is_written_and_printed(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "some" / "plots"
    plot.compare([*sorted(runs.iterdir()), *sorted(runs.iterdir())], output)
    assert sorted(p.name for p in output.iterdir()) == [
        "comparison.html",
        "comparison.png",
    ]
    page = (output / "comparison.html").read_text()
    assert "<script" not in page
    assert html.escape(HOSTILE) in page
    assert "40.12 @ 300" in page
    assert "images=64" in page
    assert "images=8" in page
    assert "std=0.5" not in page
    printed = capsys.readouterr().out
    assert printed.count(f"Skipped {runs / 'empty'}: it has no metrics.jsonl") == 1
    assert f"Skipped {runs / 'notes.txt'}: it has no metrics.jsonl" in printed
    assert printed.count("40.12 @ 300") == 1
    assert printed.endswith(
        f"Wrote {output / 'comparison.png'}\nWrote {output / 'comparison.html'}\n"
    )


def test_runs_of_one_name_are_told_apart(
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = make_run(tmp_path / "old/first", monkeypatch, {1: {"losses/g": 1.0}})
    plot.compare([runs / "first", other], tmp_path / "plots")
    printed = capsys.readouterr().out
    assert "\nruns/first " in printed
    assert "\nold/first " in printed


def test_what_cannot_be_compared_is_told(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Usage: python -m trainers.plot runs/\*"):
        plot.compare([], tmp_path)
    with pytest.raises(UsageError, match="None of the 2 paths given is a run"):
        plot.compare([runs / "empty", runs / "absent"], tmp_path)
    with pytest.raises(UsageError, match=r"--output_dir=\S*notes.txt cannot be writ"):
        plot.compare([runs / "first"], runs / "notes.txt")
    with pytest.raises(UsageError, match="no value to draw"):
        plot.figure({"first": runs / "first"}, prefix="nothing")


def test_without_matplotlib(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UsageError, match=r"pip install -e .*\[metrics\]"):
        plot.figure({"first": runs / "first"})


def test_the_command(runs: Path, tmp_path: Path) -> None:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "trainers.plot", *arguments],
            cwd=REPOSITORY,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )

    finished = call(str(runs / "first"), f"--output_dir={tmp_path / 'out'}")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert (tmp_path / "out/comparison.png").read_bytes()[:4] == b"\x89PNG"
    finished = call()
    assert finished.returncode == 2
    assert finished.stderr.count("\n") == 1
    assert "Usage: python -m trainers.plot" in finished.stderr
