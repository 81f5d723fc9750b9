"""`python -m benchmarks.quality`: our systems against each other and baselines.

Trains the systems of each contest on bundled data with the same number of images,
evaluates them and their baselines on the same test images with the same metrics, and
writes docs/quality.md. Run again, it resumes.
"""

import dataclasses
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from absl import flags
from PIL import Image

from export import command
from tfgan_models.errors import FailureError
from tfgan_models.runs import files

if TYPE_CHECKING:
    from trainers.evaluation.measurement import Result, Task
    from trainers.evaluation.report import Table

SEED = 0
SHOWN = 6


@dataclasses.dataclass(frozen=True)
class Contender:
    """A system in a contest.

    Args:
        title: Name in the tables.
        trainer: Its module in `trainers`.
        options: Flags besides those that all contenders share.
    """

    title: str
    trainer: str
    options: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """The name of its run's folder."""
        return "-".join([self.trainer, *(o.strip("-") for o in self.options)])


@dataclasses.dataclass(frozen=True)
class Contest:
    """Systems that learn the same thing from the same number of images.

    Args:
        name: Name of its folder and images.
        title: Title of its chapter.
        dataset: Name of the data set.
        image_size: Side in pixels.
        steps: Training steps, in each of which they see `batch_size` images.
        batch_size: Images of each domain in a step.
        metrics: The metrics.
        contenders: The systems; a new one takes one more line.
    """

    name: str
    title: str
    dataset: str
    image_size: int
    steps: int
    batch_size: int
    metrics: str
    contenders: tuple[Contender, ...]


CONTESTS = (
    Contest(
        name="maps",
        title="Satellite photos to relief maps and back",
        dataset="earth/satellite2relief",
        image_size=64,
        steps=1200,
        batch_size=4,
        metrics="kid_lite0,l1,psnr,ssim,pr_lite0,dc_lite0,cycle",
        contenders=(
            Contender("CycleGAN (unpaired)", "cyclegan"),
            Contender("Pix2Pix (paired)", "pix2pix", ("--direction=a2b",)),
            Contender("Pix2Pix (paired)", "pix2pix", ("--direction=b2a",)),
        ),
    ),
)


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string("runs_dir", "runs/quality", "Directory of the runs.")
    flags.DEFINE_string("docs_dir", "docs", "Directory for the report.")
    flags.DEFINE_integer("steps", None, "Training steps of each, for a shorter run.")


def main(argv: Sequence[str]) -> None:
    """Holds the contests and writes the report."""
    del argv
    command.quiet_tensorflow()
    runs, docs = Path(flags.FLAGS.runs_dir), Path(flags.FLAGS.docs_dir)
    docs.mkdir(parents=True, exist_ok=True)
    chapters = []
    for contest in CONTESTS:
        if flags.FLAGS.steps:
            contest = dataclasses.replace(contest, steps=flags.FLAGS.steps)
        chapters.append(hold(contest, runs / contest.name, docs))
    page = docs / "quality.md"
    files.write_text(page, _HEADER + "\n".join(chapters))
    print(f"\nWrote {page}")


_HEADER = """\
# Quality on bundled data

Written by `make quality`, on 2 CPU cores. ↑ higher is \
better, ↓ lower. KID, precision, recall, density and coverage compare features of \
ImageNet's EfficientNet-Lite0, so values are comparable with each other, but not with \
published ones. "Training images" are real images of the target domain, of other \
places: about the best score to expect.

"""


def hold(contest: Contest, runs: Path, docs: Path) -> str:
    """Trains and evaluates the contenders; returns the chapter, writes its images."""
    from trainers import plot
    from trainers.evaluation import report

    for contender in contest.contenders:
        _train(contest, contender, runs / contender.folder)
    systems, pictures = _measure(contest, runs)
    chapter = [f"## {contest.title}\n", _budget(contest, runs)]
    for task, measured in systems.items():
        table = _table(task, measured)
        print(f"\n{report.to_text(table)}", flush=True)
        chapter += [report.to_markdown(table), _verdict(contest, measured)]
        name = f"quality_{contest.name}_{task}.png"
        Image.fromarray(pictures[task][0]).save(docs / name)
        chapter.append(f"![{task}]({name})\n\n{pictures[task][1]}\n")
    name = f"quality_{contest.name}_curves.png"
    folders = {c.folder: runs / c.folder for c in contest.contenders}
    curves = plot.figure(folders, contest.metrics.split(",")[0])
    files.write_bytes(docs / name, plot.to_png(curves))
    chapter.append(f"![While training]({name})\n")
    return "\n".join(chapter)


def _train(contest: Contest, contender: Contender, model_dir: Path) -> None:
    arguments = [
        "-m",
        f"trainers.{contender.trainer}",
        "--preset=cpu",
        f"--dataset={contest.dataset}",
        f"--image_size={contest.image_size}",
        f"--steps={contest.steps}",
        f"--batch_size={contest.batch_size}",
        f"--seed={SEED}",
        f"--model_dir={model_dir}",
        f"--metrics={contest.metrics.split(',')[0]}",
        f"--eval_every={max(contest.steps // 8, 1)}",
        *contender.options,
    ]
    print(f"$ python {shlex.join(arguments)}", flush=True)
    model_dir.mkdir(parents=True, exist_ok=True)
    with (model_dir / "training.log").open("a") as log:
        status = subprocess.run([sys.executable, *arguments], stdout=log).returncode
    if status:
        raise FailureError(
            f"The training ended with status {status}; see {model_dir}/training.log."
        )


Measured: TypeAlias = dict[str, dict[str, "Result"]]
"""System -> metric -> its result."""

REAL = "training images"


def _measure(
    contest: Contest, runs: Path
) -> tuple[dict[str, Measured], dict[str, tuple[np.ndarray, str]]]:
    """Evaluates contenders and baselines; returns metrics and an image by task."""
    from tfgan_models.metrics import spec
    from trainers.evaluation import feature_cache, measurement, sources, translation

    specs = spec.parse_list(contest.metrics)
    extractors = measurement.extractors_of(specs)
    cache = feature_cache.FeatureCache(feature_cache.default_directory())
    tasks: dict[str, dict[str, Task]] = {}
    for contender in contest.contenders:
        for task in sources.find(sources.Request(str(runs / contender.folder))).tasks:
            tasks.setdefault(task.name, {})[contender.title] = task

    def measure(task: Task) -> dict[str, Result]:
        results = measurement.measure(task, specs, extractors, SEED, cache)
        return {result.name: result for result in results}

    systems, pictures = {}, {}
    for name, contenders in tasks.items():
        first = next(iter(contenders.values()))
        measured = {title: measure(task) for title, task in contenders.items()}
        results = next(iter(measured.values())).values()
        count = max(result.about["generated"] for result in results)
        baselines = translation.baseline_tasks(first, count)
        measured |= {title: measure(task) for title, task in baselines.items()}
        systems[name] = measured
        pictures[name] = _picture(contenders)
    return systems, pictures


def _picture(contenders: Mapping[str, "Task"]) -> tuple[np.ndarray, str]:
    """The same images from all contenders side by side, and the columns' names."""
    from trainers.evaluation import grids

    columns: dict[str, np.ndarray] = {}
    truth: dict[str, np.ndarray] = {}
    for title, task in contenders.items():
        batch = {
            key: images[:SHOWN]
            for key, images in next(iter(task.batches(SHOWN))).items()
        }
        if "input" in batch:
            columns.setdefault("input", batch["input"])
        columns[title] = batch["generated"]
        if "truth" in batch:
            truth["truth"] = batch["truth"]
    columns |= truth
    grid = Image.fromarray(grids.rows(*columns.values()))
    enlarged = grid.resize((2 * grid.width, 2 * grid.height), Image.Resampling.NEAREST)
    return np.asarray(enlarged), " | ".join(columns)


def _budget(contest: Contest, runs: Path) -> str:
    from tfgan_models.runs import run_log

    took = []
    for contender in contest.contenders:
        log = run_log.load(runs / contender.folder)
        title = " ".join([contender.title, *contender.options])
        took.append(f"{title} {60 * log.hours:.0f}" if log else title)
    return (
        f"`{contest.dataset}` at {contest.image_size} px; each system saw "
        f"{contest.steps} batches of {contest.batch_size} images of each domain, seed "
        f"{SEED}. Minutes of training, evaluations included: "
        f"{'; '.join(took)}.\n"
    )


def _table(task: str, measured: Measured) -> "Table":
    from trainers import evaluate

    results = {system: list(found.values()) for system, found in measured.items()}
    return evaluate.table(task, results)


def _verdict(contest: Contest, measured: Measured) -> str:
    """Says of each contender where it is no better than a baseline."""
    titles = {contender.title for contender in contest.contenders}
    rivals = {s: found for s, found in measured.items() if s not in titles | {REAL}}
    lines = []
    for title in (system for system in measured if system in titles):
        worse = [
            f"{result.name} ({', '.join(better)})"
            for result in measured[title].values()
            if (better := _no_worse(result, rivals))
        ]
        said = (
            f"no better than a baseline in {'; '.join(worse)}"
            if worse
            else ("better than every baseline in every metric")
        )
        lines.append(f"- {title}: {said}.")
    return "\n".join(lines) + "\n"


def _no_worse(result: "Result", rivals: Measured) -> list[str]:
    """The baselines that a metric does not beat."""
    from tfgan_models.metrics.spec import is_higher_better

    sign = 1 if is_higher_better(result.name) else -1
    return [
        system
        for system, found in rivals.items()
        if result.name in found
        and sign * found[result.name].value >= sign * result.value
    ]


if __name__ == "__main__":
    define_flags()
    command.run(main)
