"""`python -m trainers.evaluate`: a model's metrics, next to baselines.

    python -m trainers.evaluate --model=runs/mine
    python -m trainers.evaluate --model=models/mine_a2b
    python -m trainers.evaluate --model=http://localhost:8501/v1/models/mine_a2b ...
    python -m trainers.evaluate --model=my/generated/images ...

Prints a table, writes <output_dir>/evaluation.json and evaluation.html.
"""

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from export import command
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import files

if TYPE_CHECKING:
    from tfgan_models.metrics.extractors import Extractor
    from tfgan_models.metrics.spec import Spec
    from trainers.evaluation import report
    from trainers.evaluation.measurement import Result, Task
    from trainers.evaluation.sources import Subject

DEFAULT = "kid5k_lite0,fid5k_lite0,l1,psnr,ssim,psnr_y,ssim_y,cycle"
FEW = 100
"""With fewer real images metrics vary a lot, and FID says little but their number."""
Results = dict[str, dict[str, list["Result"]]]
"""Task -> system ("model" or a baseline) -> its metrics."""


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "model",
        None,
        "What to evaluate: a training run's --model_dir, an exported model, a folder "
        "of images, or the URL of a served model. Required.",
    )
    flags.DEFINE_string(
        "dataset", None, "The real images. Default: the training run's data set."
    )
    flags.DEFINE_string("data_dir", None, "Directory for TFDS's prepared data sets.")
    flags.DEFINE_integer(
        "image_size", None, "Image size in pixels. Default: as in training."
    )
    flags.DEFINE_enum(
        "direction",
        "a2b",
        ["a2b", "b2a"],
        "Direction of a folder of images, or of a model whose name does not say.",
    )
    flags.DEFINE_enum(
        "which", "latest", ["latest", "best"], "Which checkpoint of a training run."
    )
    flags.DEFINE_bool(
        "aligned",
        None,
        "Test images of A and B show the same scenes, in the order of their names: "
        "they are the ground truth. Default: yes for aligned bundled data sets.",
    )
    flags.DEFINE_string(
        "metrics",
        None,
        f"Metrics to compute, see docs/metrics.md. Default: those of {DEFAULT} that "
        f"apply to the model, and fid5k_lite0 with {FEW} real images or more.",
    )
    flags.DEFINE_string(
        "inception_weights",
        None,
        "InceptionV3 weights, a Keras or PyTorch file. Default: those of "
        "keras.applications.",
    )
    flags.DEFINE_integer("seed", 0, "Seed for subsets, pairs and paths.")
    flags.DEFINE_string(
        "output_dir",
        None,
        "Directory for the report. Default: <model>/evaluation for a training run, "
        "else evaluation.",
    )


def main(argv: Sequence[str]) -> None:
    """Evaluates what the flags name."""
    del argv
    values = flags.FLAGS
    if not values.model:
        raise UsageError(
            "--model is required: a training run's --model_dir, an exported model, a "
            "folder of images, or the URL of a served model."
        )
    print(f"Loading {values.model}", file=sys.stderr, flush=True)
    command.quiet_tensorflow()
    from tfgan_models.metrics import spec
    from trainers.evaluation import measurement, sources

    specs = spec.parse_list(values.metrics or DEFAULT)
    extractors = measurement.extractors_of(specs, values.inception_weights)
    subject = sources.find(
        sources.Request(
            values.model,
            values.dataset,
            values.data_dir,
            values.image_size,
            values.direction,
            values.which,
            values.aligned,
        )
    )
    if values.metrics:
        measurement.check(subject.tasks, specs, subject.dataset)
    output = _output_dir(values.output_dir, subject)
    left_out = None if values.metrics else _note_left_out
    evaluate(subject, specs, extractors, values.seed, output, values.model, left_out)


def evaluate(
    subject: "Subject",
    specs: Sequence["Spec"],
    extractors: Mapping[str, "Extractor"],
    seed: int,
    output_dir: Path,
    name: str,
    left_out: Callable[[str], None] | None = None,
) -> Results:
    """Evaluates a model and its baselines, prints and writes the report.

    Args:
        subject: What to evaluate.
        specs: The metrics; those that do not apply to a task are left out.
        extractors: By the names used in the specs.
        seed: For subsets, pairs and paths.
        output_dir: An existing folder for evaluation.json and evaluation.html.
        name: What to call the model.
        left_out: See `measurement.measure`.

    Returns:
        All metrics.

    Raises:
        UsageError: There are too few images for a metric.
    """
    from trainers.evaluation import report

    results: Results = {}
    parts: list[report.Table | report.Picture] = []
    for task in map(_shown, subject.tasks):
        chosen = _worthwhile(task, specs, left_out)
        results[task.name], shown = _measure(task, chosen, extractors, seed, left_out)
        summary = table(task.name, results[task.name])
        print(f"\n{report.to_text(summary)}", flush=True)
        parts += [summary, *shown]
    if subject.model_dir:
        parts += _curves(subject.model_dir)
    facts = {
        "model": name,
        "kind": subject.kind,
        "step": "unknown" if subject.step is None else str(subject.step),
        "data set": subject.dataset,
        "image size": f"{subject.image_size} px" if subject.image_size else "any",
        "seed": str(seed),
    }
    page = output_dir / "evaluation.html"
    report.write(page, f"Evaluation of {name}", facts, parts)
    files.write_text(
        output_dir / "evaluation.json",
        json.dumps({**facts, "tasks": _to_json(results)}, indent=1) + "\n",
    )
    print(f"\nWrote {page} and {output_dir / 'evaluation.json'}")
    return results


def _shown(task: "Task") -> "Task":
    """The task, showing its progress."""
    from trainers.training import progress

    return dataclasses.replace(
        task,
        batches=progress.counted(f"{task.name}: generated", task.batches),
        real=progress.counted(f"{task.name}: real", task.real),
        train=progress.counted(f"{task.name}: training", task.train),
    )


def _worthwhile(
    task: "Task", specs: Sequence["Spec"], left_out: Callable[[str], None] | None
) -> Sequence["Spec"]:
    """Warns if there are few real images; leaves FID out unless it was asked for."""
    from trainers.training import progress

    real = sum(map(len, task.real(FEW)))
    if real >= FEW:
        return specs
    progress.say(
        f"Warning: {task.name} has {real} real images to compare with. Metrics of "
        f"fewer than {FEW} vary a lot: compare them only with metrics of the same "
        "images."
    )
    if left_out is None:
        return specs
    for spec in specs:
        if spec.kind == "fid":
            left_out(
                f"{spec.text} of {task.name}: it needs at least {FEW} real images: "
                "with few images it is biased upwards. KID is not."
            )
    return [spec for spec in specs if spec.kind != "fid"]


def _measure(
    task: "Task",
    specs: Sequence["Spec"],
    extractors: Mapping[str, "Extractor"],
    seed: int,
    left_out: Callable[[str], None] | None,
) -> tuple[dict[str, list["Result"]], list["report.Table | report.Picture"]]:
    """A task's metrics by system, and what else its report shows."""
    from trainers.evaluation import feature_cache, gallery, measurement, translation
    from trainers.training import progress

    cache = feature_cache.FeatureCache(feature_cache.default_directory())
    kept = gallery.Gallery(task)
    progress.say(f"{task.name}: evaluating the model", sys.stderr)
    model = measurement.measure(
        task, specs, extractors, seed, cache, kept.watch, left_out
    )
    systems = {"model": model}
    told = {result.spec for result in model}
    for name, baseline in translation.baseline_tasks(task, kept.seen).items():
        progress.say(f"{task.name}: evaluating a baseline, {name}", sys.stderr)
        systems[name] = measurement.measure(
            baseline, [s for s in specs if s in told], extractors, seed, cache
        )
    shown: list[report.Table | report.Picture] = [*kept.pictures(task)]
    for extractor in list(extractors.values())[:1]:
        progress.say(
            f"{task.name}: searching for the nearest training images", sys.stderr
        )
        memory = gallery.memorising(task, kept.samples, extractor, cache)
        shown += [memory.table, memory.picture]
    return systems, shown


def table(task: str, systems: Mapping[str, list["Result"]]) -> "report.Table":
    """Makes a table: a row per metric, naming its extractor, and a column per system.

    Args:
        task: The table's title.
        systems: The metrics of each system; the first one's are shown, and where the
            others have none there is a dash.
    """
    from tfgan_models.metrics.spec import is_higher_better
    from trainers.evaluation import report

    by_system = {s: {f.name: f for f in found} for s, found in systems.items()}
    rows = []
    shown = next(iter(systems.values()))
    for result in shown:
        arrow = "↑" if is_higher_better(result.name) else "↓"
        cells = [_cell(measured.get(result.name)) for measured in by_system.values()]
        rows.append([f"{result.name} {arrow}", *cells, _made_of(result.about)])
    extractors = dict.fromkeys(f.about.get("extractor") for f in shown)
    note = " ".join(f"{text}." for text in extractors if text)
    return report.Table(task, ["", *systems, "made of"], rows, note)


def _cell(result: "Result | None") -> str:
    if result is None:
        return "-"
    deviation = result.about.get("std")
    if result.name.startswith("kid") and deviation is not None:
        return f"{result.value:.4f} ± {deviation:.4f}"
    return f"{result.value:.4g}"


def _made_of(about: Mapping[str, Any]) -> str:
    words = {
        "generated": "generated",
        "real": "real",
        "subset_size": "a subset",
        "pairs": "pairs",
        "scales": "scales",
        "paths": "paths",
        "seed": "seed",
    }
    said = [f"{about[key]} {word}" for key, word in words.items() if key in about]
    return ", ".join([*said[:-1], f"seed {about['seed']}"])


def _note_left_out(reason: str) -> None:
    from trainers.training import progress

    progress.say(f"Left out: {reason}")


def _curves(model_dir: Path) -> list["report.Picture"]:
    """The run's curves, if it has a log."""
    from trainers import plot
    from trainers.evaluation import report

    try:
        drawn = plot.to_png(plot.figure({model_dir.name: model_dir}))
    except UsageError as error:
        print(f"No curves: {error}")
        return []
    return [report.Picture("Training", drawn)]


def _to_json(results: Results) -> dict[str, Any]:
    return {
        task: {
            system: {
                # JSON has no infinity, the PSNR of identical images.
                f.name: {"value": f.value if math.isfinite(f.value) else None}
                | {**f.about}
                for f in found
            }
            for system, found in systems.items()
        }
        for task, systems in results.items()
    }


def _output_dir(given: str | None, subject: "Subject") -> Path:
    default = subject.model_dir / "evaluation" if subject.model_dir else "evaluation"
    output_dir = Path(given or default)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FailureError(
            f"--output_dir={output_dir} cannot be created: {error.strerror}."
        ) from error
    return output_dir


if __name__ == "__main__":
    define_flags()
    command.run(main)
