"""`python -m trainers.plot runs/*`: compare training runs by their logs.

Writes <output_dir>/comparison.png and comparison.html and prints the table.
"""

import io
import math
import os
import statistics
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import flags

from export import command
from tfgan_models import extras
from tfgan_models.errors import UsageError
from tfgan_models.metrics.spec import is_higher_better
from tfgan_models.runs import files, run_log
from trainers.evaluation import report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSSES = "losses/"
SPEED = "images_per_second"
DPI = 110
_COLUMNS = 3
_PANEL = (4.6, 3.1)
_SHOWN_POINTS = 2000
# Okabe and Ito's colour-blind-safe palette, without yellow, which is faint on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_TICKS = (1, 2, 2.5, 5, 10)
_DASHES = ("-", "--", ":", "-.")


def figure(runs: Mapping[str, Path], prefix: str | None = None) -> "Figure":
    """Draws a panel for each value that any of the runs has logged.

    Metrics come first, then losses (raw and smoothed), then images per second. The x
    axis is training images seen, or steps if a run has no readable recipe.

    Args:
        runs: The runs' folders by their names in the legend.
        prefix: Only values whose names start with it; None: all.

    Returns:
        The figure, for `to_png`.

    Raises:
        UsageError: There is nothing to draw, or no matplotlib.
    """
    loaded = {name: run_log.load(folder) for name, folder in runs.items()}
    return _draw({name: run for name, run in loaded.items() if run}, prefix)


def to_png(figure: "Figure") -> bytes:
    """Returns a figure as a PNG file's contents."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A run's name may be in a script that the font lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(file, format="png", dpi=figure.dpi)
    return file.getvalue()


def table(runs: Mapping[str, run_log.Run]) -> report.Table:
    """Returns a row for each run: length, speed, each metric's last and best value."""
    logged = {name: run_log.series(run.entries) for name, run in runs.items()}
    metrics = [name for name in _names(logged.values()) if _group(name) == 0]
    header = ["run", "steps", "images", "hours", "images/s"]
    for metric in metrics:
        header += [f"{_title(metric)} last", f"{_title(metric)} best"]
    rows = []
    for name, run in runs.items():
        series = logged[name]
        images = run.batch_size and run.steps * run.batch_size
        _, speeds = series.get(SPEED, ([], []))
        row = [
            name,
            str(run.steps),
            "-" if images is None else str(images),
            f"{run.hours:.2f}",
            _number(statistics.median(speeds)) if speeds else "-",
        ]
        for metric in metrics:
            row += _last_and_best(metric, series.get(metric))
        rows.append(row)
    return report.Table(
        "Runs",
        header,
        rows,
        "Values are given with their step (value @ step). Hours leave out "
        "stops of more than 10 minutes; images/s is the median.",
    )


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string("output_dir", "plots", "Directory for the comparison.")


def main(argv: Sequence[str]) -> None:
    """Compares the runs in the folders named on the command line."""
    compare([Path(folder) for folder in argv[1:]], Path(flags.FLAGS.output_dir))


def compare(folders: Sequence[Path], output_dir: Path) -> None:
    """Writes comparison.png and comparison.html, prints the table and the paths.

    Args:
        folders: The runs' folders; those without a log are skipped, with a note.
        output_dir: Where to write.

    Raises:
        UsageError: No folder holds a log, the output cannot be written, or matplotlib
            is not installed.
    """
    runs = _load_all(folders)
    picture = to_png(_draw(runs, None))
    compared = table(runs)
    page = output_dir / "comparison.html"
    drawn = page.with_suffix(".png")
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        files.write_bytes(drawn, picture)
        report.write(
            page,
            "Comparison of runs",
            {"Runs": ", ".join(runs)},
            [compared, *_how_computed(runs), report.Picture("Curves", picture)],
        )
    except OSError as error:
        raise UsageError(
            f"--output_dir={output_dir} cannot be written: {error.strerror}. Give a "
            "writable folder."
        ) from error
    print(report.to_text(compared))
    print(f"\nWrote {drawn}\nWrote {page}")


def _load_all(folders: Sequence[Path]) -> dict[str, run_log.Run]:
    """The runs by their folders' names, or by paths where two names are equal."""
    if not folders:
        raise UsageError(
            "Name the folders of the runs to compare. Usage: python -m trainers.plot "
            "runs/* [--output_dir=plots]. Received: none"
        )
    found: dict[Path, run_log.Run] = {}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        run = run_log.load(folder)
        if run is None:
            print(f"Skipped {folder}: it has no {run_log.FILE}, or an empty one")
        else:
            found[folder] = run
    if not found:
        raise UsageError(
            f"None of the {len(folders)} paths given is a run with a {run_log.FILE}. "
            f"Give --model_dir folders of training runs. Received: {folders[0]}, ..."
        )
    if len({folder.name for folder in found}) == len(found):
        return {folder.name: run for folder, run in found.items()}
    above = os.path.commonpath(found)
    return {os.path.relpath(folder, above): run for folder, run in found.items()}


def _how_computed(runs: Mapping[str, run_log.Run]) -> list[report.Table]:
    """How the runs' metrics were computed, if they say so."""
    told: dict[tuple[str, str], list[str]] = {}
    for name, run in runs.items():
        for entry in run.entries:
            for metric, how in entry.about.items():
                # A metric's spread is a result, not a setting.
                chosen = {k: v for k, v in how.items() if k != "std"}
                text = ", ".join(f"{key}={value}" for key, value in chosen.items())
                names = told.setdefault((_title(metric), text), [])
                if name not in names:
                    names.append(name)
    rows = [[metric, how, ", ".join(names)] for (metric, how), names in told.items()]
    if not rows:
        return []
    return [
        report.Table(
            "How the metrics were computed",
            ("metric", "how", "runs"),
            sorted(rows),
            "Values of a metric that were computed differently are not comparable.",
        )
    ]


def _last_and_best(
    metric: str, series: tuple[Sequence[int], Sequence[float]] | None
) -> list[str]:
    if series is None:
        return ["-", "-"]
    steps, values = series
    best = (max if _higher_is_better(metric) else min)(values)
    step = steps[values.index(best)]
    return [f"{_number(values[-1])} @ {steps[-1]}", f"{_number(best)} @ {step}"]


def _number(value: float) -> str:
    return f"{value:.4g}"


def _names(logged: Iterable[Mapping[str, Any]]) -> list[str]:
    """All values' names: metrics, losses, images per second."""
    names = dict.fromkeys(name for series in logged for name in series)
    return sorted(names, key=_group)


def _group(name: str) -> int:
    if name.startswith(LOSSES):
        return 1
    return 2 if name == SPEED else 0


def _title(name: str) -> str:
    return name.removeprefix("metrics/")


def _higher_is_better(metric: str) -> bool:
    """Which way is better; "" for names, such as a user's own, that do not say."""
    figure, *_ = _title(metric).split("/")
    try:
        return is_higher_better(figure)
    except UsageError:
        return False


def _direction(metric: str) -> str:
    if _title(metric).startswith("msssim"):
        return "lower is more diverse"
    return f"{'higher' if _higher_is_better(metric) else 'lower'} is better"


def _draw(runs: Mapping[str, run_log.Run], prefix: str | None) -> "Figure":
    logged = {name: run_log.series(run.entries) for name, run in runs.items()}
    values = [n for n in _names(logged.values()) if n.startswith(prefix or "")]
    if not values:
        raise UsageError(
            f"There is no value to draw. Received: {len(runs)} runs with a log, "
            f"names starting with {prefix or ''!r}"
        )
    scales = _scales(runs)
    end = max(scales[name] * run.steps for name, run in runs.items())
    drawn, rows, columns = _blank(len(values), list(runs))
    for place, value in enumerate(values, 1):
        axes = drawn.add_subplot(rows, columns, place)
        for index, name in enumerate(runs):
            if value in logged[name]:
                steps, numbers = logged[name][value]
                _draw_line(axes, value, scales[name] * np.array(steps), numbers, index)
        _dress(axes, value, end)
    by_images = all(run.batch_size for run in runs.values())
    drawn.supxlabel("training images seen" if by_images else "steps", fontsize=11)
    return drawn


def _scales(runs: Mapping[str, run_log.Run]) -> dict[str, int]:
    """Images per step by run; 1 for all if they are not known for every run."""
    sizes = {name: run.batch_size for name, run in runs.items()}
    known = {name: size for name, size in sizes.items() if size is not None}
    return known if len(known) == len(runs) else dict.fromkeys(runs, 1)


def _blank(panels: int, names: Sequence[str]) -> tuple["Figure", int, int]:
    """A figure for this many panels with the runs' legend, and its rows and columns."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
        from matplotlib.lines import Line2D
    except ImportError as error:
        raise UsageError(extras.missing("A plot", "matplotlib", "metrics")) from error
    rows, columns = math.ceil(panels / _COLUMNS), min(panels, _COLUMNS)
    width = columns * _PANEL[0]
    # In inches: a letter of the legend, and a line's sample with its gaps.
    letter, sample = 0.095, 0.75
    letters = int((width - sample) / letter)
    labels = [n if len(n) <= letters else f"…{n[1 - letters :]}" for n in names]
    longest = letter * max(map(len, labels)) + sample
    abreast = min(len(names), max(1, int(width / longest)))
    height = rows * _PANEL[1] + 0.25 * math.ceil(len(names) / abreast) + 0.5
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1)
    drawn = Figure(figsize=(width, height), dpi=DPI, layout=layout)
    legend = drawn.legend(
        [Line2D([], [], linewidth=2.5, **_style(i)) for i in range(len(names))],
        labels,
        loc="outside upper center",
        ncols=abreast,
        frameon=False,
        fontsize=11,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return drawn, rows, columns


def _draw_line(
    axes: "Axes", name: str, x: np.ndarray, y: Sequence[float], run: int
) -> None:
    style = _style(run)
    if _group(name) == 0:
        axes.plot(x, y, marker="o", markersize=4, linewidth=1.6, **style)
        return
    raw = np.array(y)
    # No more points than can be seen, including the last.
    shown = slice((len(raw) - 1) % _stride(len(raw)), None, _stride(len(raw)))
    axes.plot(x[shown], raw[shown], linewidth=0.8, alpha=0.25, color=style["color"])
    axes.plot(x[shown], smooth(raw)[shown], linewidth=1.8, **style)


def _stride(points: int) -> int:
    return max(1, points // _SHOWN_POINTS)


def smooth(values: np.ndarray) -> np.ndarray:
    """Returns the mean over each value's neighbourhood.

    Args:
        values: [N].

    Returns:
        [N]; the neighbourhood is N / 10 wide, narrower at the ends.
    """
    window = np.ones(len(values) // 10 | 1)
    sums = np.convolve(values, window, "same")
    return sums / np.convolve(np.ones(len(values)), window, "same")


def _style(run: int) -> dict[str, Any]:
    repeat, colour = divmod(run, len(_COLOURS))
    return {"color": _COLOURS[colour], "linestyle": _DASHES[repeat % len(_DASHES)]}


def _dress(axes: "Axes", name: str, end: int) -> None:
    """A panel's title, limits, grid and numbers."""
    from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

    title = f"{_title(name)} ({_direction(name)})" if _group(name) == 0 else name
    axes.set_title(title, fontsize=11, loc="left", parse_math=False)
    axes.set_xlim(0, 1.02 * (end or 1))
    if name == SPEED:
        axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=_TICKS))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=_TICKS))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(labelsize=9.5)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    define_flags()
    command.run(main, arguments=True)
