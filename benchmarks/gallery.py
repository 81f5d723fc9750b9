"""`python -m benchmarks.gallery`: what every system learns on a laptop, in images.

Trains each system with its cpu preset on bundled data, evaluates it and writes
docs/gallery.md with its images. A run found in --runs_dir is resumed.
"""

import dataclasses
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from absl import flags
from PIL import Image

from export import command
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import files

WIDTH = 800


@dataclasses.dataclass(frozen=True)
class Exhibit:
    """A system and how it is shown.

    Attributes:
        name: Name of its run's folder.
        title: Title of its chapter, with the paper.
        task: What it learns, in a sentence or two.
        training: Module and flags that train it.
        using: Commands, module and flags, that evaluate and use the result; what
            they print is quoted. "{model}" stands for the run's folder.
        pictures: Pattern, in the run's folder, of the newest file to show ->
            caption.
    """

    name: str
    title: str
    task: str
    training: tuple[str, ...]
    using: tuple[tuple[str, ...], ...]
    pictures: dict[str, str]


_EVALUATE = ("trainers.evaluate", "--model={model}")
_GENERATE = ("trainers.generate",)
_INTO = ("--model={model}", "--output_dir={model}/generated")

EXHIBITS = (
    Exhibit(
        name="gan",
        title="GAN (arXiv:1406.2661)",
        task="Digits of 8x8 pixels from noise; trained on 1617 of scikit-learn's.",
        training=("trainers.gan", "--preset=cpu"),
        using=((*_EVALUATE, "--metrics=kid1k_lite0"),),
        pictures={
            "samples/reals.png": "Training images.",
            "samples/step_*_fakes.png": "Generated images.",
        },
    ),
    Exhibit(
        name="cgan",
        title="CGAN (arXiv:1411.1784)",
        task="Emoji of a given group: `emoji/flat` at 32 px, 8 groups.",
        training=("trainers.cgan", "--preset=cpu"),
        using=(
            ("trainers.classify", "--model={model}"),
            (*_GENERATE, "images", *_INTO, "--seeds=0-11"),
        ),
        pictures={
            "generated/*.png": "One row each: smileys, people, animals, food, travel, "
            "activities, objects, symbols."
        },
    ),
    Exhibit(
        name="dcgan",
        title="DCGAN (arXiv:1511.06434)",
        task="New 3D emoji from noise: `emoji/render` at 32 px.",
        training=("trainers.dcgan", "--preset=cpu"),
        using=((*_EVALUATE, "--metrics=kid1k_lite0"),),
        pictures={
            "samples/reals.png": "Training images.",
            "samples/step_*_fakes.png": "Generated images.",
        },
    ),
    Exhibit(
        name="pix2pix",
        title="Pix2Pix (arXiv:1611.07004)",
        task="Colour for line drawings, learnt from pairs: `emoji/line2flat` at 64 px. "
        "The lines do not determine which colour.",
        training=("trainers.pix2pix", "--preset=cpu", "--dataset=emoji/line2flat"),
        using=((*_EVALUATE, "--metrics=l1,psnr,ssim,kid_lite0"),),
        pictures={
            "samples/step_*_a2b.png": "Test drawings, their translations, "
            "the ground truth."
        },
    ),
    Exhibit(
        name="srgan",
        title="SRGAN (arXiv:1609.04802)",
        task="Four times the resolution: `emoji/render`, 12 px to 48 px crops in "
        "training, whole images of 32 px to 128 px in the test.",
        training=("trainers.srgan", "--preset=cpu"),
        using=((*_EVALUATE, "--metrics=psnr_y,ssim_y,kid_lite0"),),
        pictures={
            "samples/step_*_x4.png": "Test images: low resolution, bicubic, SRResNet "
            "(the first stage), SRGAN (the second), the truth."
        },
    ),
    Exhibit(
        name="stackgan",
        title="StackGAN (arXiv:1612.03242)",
        task="Images from captions: `emoji/flat` with the emoji's names, 32 px, then "
        "64 px. The text encoder is trained first, from characters. In minutes "
        "keycaps, faces and people come out; of most other names only colours and "
        "blobs.",
        training=("trainers.stackgan", "--preset=cpu"),
        using=(
            (*_EVALUATE, "--metrics=kid1k_lite0"),
            (*_GENERATE, "text", "red heart", *_INTO),
        ),
        pictures={
            "samples/step_*_train.png": "Training captions: the emoji, then "
            "generated images, from four latents.",
            "samples/step_*_text.png": "New captions.",
        },
    ),
)


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string("runs_dir", "runs/gallery", "Directory for the runs.")
    flags.DEFINE_string("docs_dir", "docs", "Directory for the page.")
    flags.DEFINE_list("only", [], "Systems to train and evaluate; default: all.")


def main(argv: Sequence[str]) -> None:
    """Trains, evaluates and writes the page."""
    del argv
    runs, docs = Path(flags.FLAGS.runs_dir), Path(flags.FLAGS.docs_dir)
    names = [exhibit.name for exhibit in EXHIBITS]
    only = flags.FLAGS.only or names
    unknown = sorted(set(only) - set(names))
    if unknown:
        raise UsageError(
            f"--only must name some of {', '.join(names)}. Received: "
            f"{', '.join(unknown)}"
        )
    for exhibit in EXHIBITS:
        if exhibit.name in only:
            files.write_text(_chapter_file(exhibit, runs), show(exhibit, runs, docs))
    shown = [_chapter_file(exhibit, runs) for exhibit in EXHIBITS]
    chapters = [path.read_text() for path in shown if path.is_file()]
    page = docs / "gallery.md"
    files.write_text(page, "\n".join([_HEADER, *chapters]))
    print(f"Wrote {page}")


_HEADER = """\
# Gallery

Written by `make gallery` on 2 CPU cores: GAN, CGAN, DCGAN, Pix2Pix, SRGAN and \
StackGAN, each trained with its cpu preset on bundled data (CycleGAN is in the \
[README](../README.md), StyleGAN has [a page of its own](stylegan.md)). It shows that \
each learns its task in minutes, not how good it can be: that takes the papers' \
recipes (`--preset=paper`), a GPU and days. The metrics are what the commands printed; \
times are those of a machine with other work to do. \
↑ higher is better, ↓ lower. KID compares features of ImageNet's EfficientNet-Lite0: \
values are comparable with each other, but not with published ones.
"""


def show(exhibit: Exhibit, runs: Path, docs: Path) -> str:
    """Trains and evaluates a system; returns its chapter, writes its images.

    Args:
        exhibit: The system.
        runs: Directory of its run's folder.
        docs: Directory for its images.

    Raises:
        FailureError: A command failed, or wrote no image.
    """
    model = runs / exhibit.name
    model.mkdir(parents=True, exist_ok=True)
    training = (*exhibit.training, f"--model_dir={model}")
    with (model / "training.log").open("a") as log:
        _run(training, stdout=log, stderr=subprocess.STDOUT)
    lines = [f"## {exhibit.title}\n", f"{exhibit.task}\n", "```"]
    lines += [f"$ {_text(exhibit.training)}", _duration(model)]
    for given in exhibit.using:
        lines.append(f"$ {_text(given, 'runs/mine')}")
        filled = tuple(part.format(model=model) for part in given)
        printed = _run(filled, stdout=subprocess.PIPE).stdout
        told = printed.replace(str(model), "runs/mine").strip().splitlines()
        lines += [line.rstrip() for line in told]
    lines.append("```\n")
    for number, (pattern, seen) in enumerate(exhibit.pictures.items()):
        picture = f"gallery_{exhibit.name}_{number}.png"
        _enlarge(_newest(model, pattern)).save(docs / picture, optimize=True)
        lines += [f"![{seen}]({picture})\n", f"{seen}\n"]
    return "\n".join(lines)


def _chapter_file(exhibit: Exhibit, runs: Path) -> Path:
    return runs / exhibit.name / "chapter.md"


def _text(given: Sequence[str], model: str = "") -> str:
    return "python -m " + shlex.join(part.format(model=model) for part in given)


def _run(
    given: Sequence[str], stdout: IO[str] | int, stderr: int | None = None
) -> subprocess.CompletedProcess[str]:
    print(f"$ {_text(given)}", flush=True)
    command = [sys.executable, "-m", *given]
    done = subprocess.run(command, text=True, stdout=stdout, stderr=stderr)
    if done.returncode:
        raise FailureError(f"{_text(given)} ended with status {done.returncode}.")
    return done


def _duration(model: Path) -> str:
    from tfgan_models.runs import run_log

    log = run_log.load(model)
    if log is None:
        raise FailureError(f"There is no training log in {model}.")
    return f"trained for {60 * log.hours:.1f} minutes"


def _newest(model: Path, pattern: str) -> Image.Image:
    found = sorted(model.glob(pattern))
    if not found:
        raise FailureError(f"There is no image {model / pattern}.")
    return Image.open(found[-1]).convert("RGB")


def _enlarge(picture: Image.Image) -> Image.Image:
    """Repeats pixels as often as `WIDTH` allows, at most 3 times."""
    factor = max(1, min(3, WIDTH // picture.width))
    size = (factor * picture.width, factor * picture.height)
    return picture.resize(size, Image.Resampling.NEAREST)


if __name__ == "__main__":
    define_flags()
    command.run(main)
