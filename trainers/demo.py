"""`python -m trainers.demo`: train, export, serve and show CycleGAN on a laptop.

It prints the commands it runs, which are those a user would type.
"""

import math
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import flags
from PIL import Image, ImageDraw, ImageFont

from export import client, command
from tfgan_models.errors import FailureError
from trainers.evaluation import baselines

if TYPE_CHECKING:
    from tfgan_models.data.source import ImageSource

DATASET = "earth/satellite2relief"
SIZE = 64
MINUTES = 6
# Six different places: coasts, deep and shallow sea, snow and desert.
SHOWN = (9, 27, 30, 26, 43, 8)
ZOOM = 3
METRICS = (
    "KID, maps",
    "KID, photos",
    "there and back",
    "sea and land",
    "checkerboard",
)
COLUMNS = ("satellite", "translated", "back again", "the true relief map")


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string("output_dir", "runs/demo", "Directory for everything.")
    flags.DEFINE_string("data_dir", None, "Directory for TFDS's prepared data sets.")
    flags.DEFINE_integer("steps", None, "Training steps, for a shorter demo.")


def main(argv: Sequence[str]) -> None:
    """Runs the demo and prints its metrics."""
    del argv
    command.quiet_tensorflow()
    output = Path(flags.FLAGS.output_dir)
    models = output / "models"
    _train(output / "cyclegan", models)
    windows = _windows()
    with _endpoint(models) as url:
        a2b, b2a = (f"{url}/v1/models/cyclegan_{way}" for way in ("a2b", "b2a"))
        translated = _translate(a2b, windows["test_a"])
        back = _translate(b2a, translated)
        reverse = _translate(b2a, windows["test_b"])
    rows = _metrics(windows, translated, back, reverse)
    print(_table(rows, len(translated)))
    picture = output / "demo.png"
    columns = (windows["test_a"], translated, back, windows["test_b"])
    _draw(columns, _caption(rows)).save(picture)
    print(f"\nWrote {picture}")


def _train(model_dir: Path, export_dir: Path) -> None:
    arguments = [
        "-m",
        "trainers.cyclegan",
        "--preset=cpu",
        f"--dataset={DATASET}",
        f"--image_size={SIZE}",
        f"--max_minutes={MINUTES}",
        f"--model_dir={model_dir}",
        f"--export_dir={export_dir}",
    ]
    if flags.FLAGS.data_dir:
        arguments.append(f"--data_dir={flags.FLAGS.data_dir}")
    if flags.FLAGS.steps is not None:
        arguments.append(f"--steps={flags.FLAGS.steps}")
    print(f"$ python {shlex.join(arguments)}", flush=True)
    status = subprocess.run([sys.executable, *arguments]).returncode
    if status:
        raise FailureError(f"Training ended with status {status}.")


def _windows() -> dict[str, np.ndarray]:
    """Satellite images (a) and relief maps (b), uint8; test pairs are aligned."""
    from tfgan_models.data import catalog, unpaired
    from tfgan_models.data.images import to_uint8

    splits = catalog.unpaired(DATASET, flags.FLAGS.data_dir)

    def read(source: "ImageSource") -> np.ndarray:
        batches = unpaired.test_batches(source, image_size=SIZE, batch_size=64)
        return to_uint8(np.concatenate(list(batches.as_numpy_iterator())))

    names = ("train_a", "train_b", "test_a", "test_b")
    return {name: read(getattr(splits, name)) for name in names}


@contextmanager
def _endpoint(model_base: Path) -> Iterator[str]:
    """Starts the local endpoint and returns its address."""
    arguments = ["-m", "export.serve", f"--model_base={model_base}"]
    arguments += ["--rest_port=0", "--grpc_port=0", "--request_log=false"]
    print(f"\n$ python {shlex.join(arguments)}", flush=True)
    server = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        ready = server.stdout.readline() if server.stdout else ""
        print(ready.strip(), flush=True)
        if "http://" not in ready:
            raise FailureError("The endpoint did not start.")
        yield "http://" + ready.split("http://")[1].split("/")[0]
    finally:
        server.terminate()
        server.wait()


def _translate(model_url: str, images: np.ndarray) -> np.ndarray:
    print(f"POST {model_url}:predict ({len(images)} images, signature encoded)")
    sys.stdout.flush()
    return client.translate(model_url, images)


def _metrics(
    windows: dict[str, np.ndarray],
    translated: np.ndarray,
    back: np.ndarray,
    reverse: np.ndarray,
) -> dict[str, tuple[float, ...]]:
    """What was measured, the baselines next to it: a row of `METRICS` by name."""
    from tfgan_models.metrics import extractors, kernel

    names = ("test_a", "test_b", "train_a", "train_b")
    a, b, other_a, other_b = (_to_float(windows[name]) for name in names)
    match = baselines.histogram_matching
    pairs = {
        "CycleGAN, served": (_to_float(translated), _to_float(reverse)),
        "untranslated": (a, b),
        "histogram matching": (match(a, other_b), match(b, other_a)),
        "real, of other places": (other_b[: len(b)], other_a[: len(a)]),
    }
    extractor = extractors.extractor("lite0")
    features = {
        name: [extractor(images)[0] for images in pair] for name, pair in pairs.items()
    }

    def kid(name: str, side: int) -> float:
        """Of what a row has, to the real ones of the test on the other side."""
        real, generated = features["untranslated"][1 - side], features[name][side]
        size = kernel.fitting_subset(real, generated)
        return kernel.kernel_distance(real, generated, subset_size=size)[0]

    rows = {
        name: (
            kid(name, 0),
            kid(name, 1),
            math.nan,
            baselines.sea_and_land_agreement(maps, b),
            baselines.checkerboard(maps),
        )
        for name, (maps, _) in pairs.items()
    }
    served = list(rows["CycleGAN, served"])
    served[2] = baselines.l1(_to_float(back), a)
    return rows | {"CycleGAN, served": tuple(served)}


def _table(rows: dict[str, tuple[float, ...]], count: int) -> str:
    lines = [f"\n{count} test windows of {SIZE} px:"]
    lines.append(f"{'':22}" + "".join(f"{name:>16}" for name in METRICS))
    for name, row in rows.items():
        kid_maps, kid_photographs, back, share, lattice = row
        if name.startswith("real"):  # Of other places: nothing is where it should be.
            share = math.nan
        cells = (
            f"{kid_maps:.3f}",
            f"{kid_photographs:.3f}",
            f"{back:.3f}",
            f"{share:.1%}",
            f"{lattice:.4f}",
        )
        told = ("-" if "nan" in cell else cell for cell in cells)
        lines.append(f"{name:22}" + "".join(f"{cell:>16}" for cell in told))
    return "\n".join(lines)


def _caption(rows: dict[str, tuple[float, ...]]) -> str:
    (kid, *_, share, _), (plain, *_) = rows["CycleGAN, served"], rows["untranslated"]
    return (
        f"KID to true maps {kid:.3f}, untranslated {plain:.3f}; sea and land in place "
        f"on {share:.1%} of pixels"
    )


def _draw(columns: tuple[np.ndarray, ...], caption: str) -> Image.Image:
    """One row a window: satellite, translated, back again, true map."""
    gap, band, side = 6, 26, SIZE * ZOOM
    width = len(columns) * (side + gap) + gap
    height = len(SHOWN) * (side + gap) + gap + 2 * band
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(15)
    for x, (title, images) in enumerate(zip(COLUMNS, columns, strict=True)):
        left = gap + x * (side + gap)
        draw.text((left + side / 2, band / 2), title, "black", font, anchor="mm")
        for y, index in enumerate(SHOWN):
            tile = Image.fromarray(images[index]).resize(
                (side, side), Image.Resampling.NEAREST
            )
            picture.paste(tile, (left, band + gap + y * (side + gap)))
    draw.text((width / 2, height - band / 2), caption, "black", font, anchor="mm")
    return picture


def _to_float(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 127.5 - 1.0


if __name__ == "__main__":
    define_flags()
    command.run(main)
