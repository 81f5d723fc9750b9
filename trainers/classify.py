"""`python -m trainers.classify`: do a generator's images have the class asked for?

    python -m trainers.classify --model=runs/digits
    python -m trainers.classify --model=models/digits_generator --dataset=digits

Trains a small classifier on the real training images, prints its accuracy on
real test images and on generated ones, next to chance, and writes
<output_dir>/classification.json.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from export import command
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import files

if TYPE_CHECKING:
    from tfgan_models.data.source import LabelledSplits
    from tfgan_models.tasks.generators import Generator
    from trainers.evaluation.report import Table


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string(
        "model",
        None,
        "A generator with classes: a training run's --model_dir, its exported .keras "
        "file or its SavedModel. Required.",
    )
    flags.DEFINE_string(
        "dataset", None, "The real images. Default: the training run's data set."
    )
    flags.DEFINE_string("data_dir", None, "Directory for TFDS's prepared data sets.")
    flags.DEFINE_enum(
        "which", "latest", ["latest", "best"], "Which checkpoint of a training run."
    )
    flags.DEFINE_integer("samples", 1000, "Images to generate.", lower_bound=1)
    flags.DEFINE_integer(
        "seed", 0, "Seed for the classifier, the classes and the images.", lower_bound=0
    )
    flags.DEFINE_string(
        "output_dir",
        None,
        "Directory for the JSON file. Default: <model>/evaluation for a training run, "
        "else evaluation.",
    )


def main(argv: Sequence[str]) -> None:
    """Classifies what the flags name."""
    del argv
    values = flags.FLAGS
    if not values.model:
        raise UsageError(
            "--model is required: the --model_dir of a training run with classes, its "
            "exported .keras file or its SavedModel."
        )
    model_dir = Path(values.model).expanduser()
    command.quiet_tensorflow()
    from tfgan_models.data import catalog
    from tfgan_models.loading import load
    from trainers.evaluation import report

    model = load(values.model, values.which, task="generate")
    generator = model.generator
    dataset = values.dataset or model.description.dataset
    if not dataset:
        raise UsageError(
            f"--dataset is needed: --model={values.model} does not say what it was "
            "trained on."
        )
    if not generator.label_size:
        raise UsageError(
            f"--model={values.model} has no classes. Give a model with classes."
        )
    splits = catalog.labelled(dataset, values.data_dir)
    known = len(splits.train.classes)
    if known != generator.label_size:
        raise UsageError(
            f"The generator has {generator.label_size} classes and the data set "
            f"{dataset} {known}. Give the data set that it was trained on."
        )
    output_dir = _make_folder(values.output_dir, model_dir)
    results = measure(generator, splits, values.samples, values.seed)
    print(report.to_text(table(results)))
    path = output_dir / "classification.json"
    facts = {"model": values.model, "dataset": dataset, "seed": values.seed}
    files.write_text(path, json.dumps({**facts, **results}, indent=1) + "\n")
    print(f"Wrote {path}")


def measure(
    generator: "Generator", splits: "LabelledSplits", samples: int, seed: int
) -> dict[str, Any]:
    """Trains the classifier and classifies the generated images.

    Args:
        generator: Has the classes of `splits`.
        splits: The classifier is trained on its training images.
        samples: Images to generate, of random classes.
        seed: For the classifier, the classes and the images.

    Returns:
        The metrics by name, as in the JSON file.
    """
    import numpy as np

    from trainers.evaluation import classifier

    test = classifier.real(splits.test, generator)
    model = classifier.train(
        classifier.real(splits.train, generator), generator.label_size, seed
    )
    drawn = classifier.generated(generator, samples, seed)
    largest = np.bincount(test.labels).max() / len(test.labels)
    results: dict[str, Any] = {
        "classes": generator.label_size,
        "side": classifier.side_of(generator),
    }
    for name, images in (("generated", drawn), ("real", test)):
        share, count = classifier.accuracy(model, images), len(images.labels)
        results[name] = {
            "accuracy": share,
            "std": classifier.deviation(share, count),
            "images": count,
        }
    # Every class is equally likely.
    chance = {"generated": 1.0 / generator.label_size, "real": float(largest)}
    return {**results, "chance": chance}


def table(results: Mapping[str, Any]) -> "Table":
    """Returns the metrics as a table."""
    from trainers.evaluation.report import Table

    rows = [
        [
            title,
            f"{results[name]['accuracy']:.3f} ± {results[name]['std']:.3f}",
            f"{results['chance'][name]:.3f}",
            str(results[name]["images"]),
        ]
        for title, name in (
            ("generated, of the class asked for", "generated"),
            ("real test images", "real"),
        )
    ]
    return Table(
        f"Accuracy of a small classifier, {results['classes']} classes, "
        f"{results['side']} px",
        ["", "accuracy", "chance", "images"],
        rows,
        "Chance: 1 / classes for generated images, all equally likely; the share of "
        "the largest class for test images.",
    )


def _make_folder(given: str | None, model_dir: Path) -> Path:
    is_training = (model_dir / "networks.json").is_file()
    default = model_dir / "evaluation" if is_training else "evaluation"
    output_dir = Path(given or default).expanduser()
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
