"""`python -m trainers.demo`: train, export, serve and show CycleGAN on a laptop.

The commands it runs are those that a person would type; it prints them.
"""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from PIL import Image, ImageDraw, ImageFont

from export import client, command
from tfgan_models.errors import FailureError
from trainers import baselines

DATASET = "earth/satellite2relief"
SIZE = 64
MINUTES = 6
# Six different places: coasts, deep and shallow sea, snow and desert.
SHOWN = (9, 27, 30, 26, 43, 8)
ZOOM = 3
COLUMNS = ("satellite", "translated", "back again", "the true relief map")


def define_flags() -> None:
    """Defines the flags of this command."""
    flags.DEFINE_string("output_dir", "runs/demo", "Where everything is written.")
    flags.DEFINE_string("data_dir", None, "Where TFDS keeps its prepared data sets.")
    flags.DEFINE_integer("steps", None, "Training steps, for a shorter demo.")


def main(argv: list[str]) -> None:
    """Runs the demo and prints its figures."""
    del argv
    command.quiet_tensorflow()
    output = Path(flags.FLAGS.output_dir)
    models = output / "models"
    _train(output / "cyclegan", models)
    satellite, truth, reference = _test_windows()
    with _endpoint(models) as url:
        translated = _translate(f"{url}/v1/models/cyclegan_a2b", satellite)
        back = _translate(f"{url}/v1/models/cyclegan_b2a", translated)
    figures = _figures(_to_float(satellite), _to_float(translated), truth, reference)
    print(figures)
    picture = output / "demo.png"
    _draw(
        (satellite, translated, back, _to_uint8(truth)),
        _caption(_to_float(translated), truth),
    ).save(picture)
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
        raise FailureError(f"The training ended with status {status}.")


def _test_windows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Test satellite images (uint8), their true maps and training maps (floats)."""
    from tfgan_models.data import catalog, unpaired

    splits = catalog.unpaired(DATASET, flags.FLAGS.data_dir)

    def read(source: Any) -> np.ndarray:
        batches = unpaired.test_batches(source, image_size=SIZE, batch_size=64)
        return np.concatenate(list(batches.as_numpy_iterator()))

    satellite, truth, reference = map(
        read, (splits.test_a, splits.test_b, splits.train_b)
    )
    return _to_uint8(satellite), truth, reference


@contextmanager
def _endpoint(model_base: Path) -> Iterator[str]:
    """Starts the local endpoint and gives its address."""
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


def _figures(
    satellite: np.ndarray,
    translated: np.ndarray,
    truth: np.ndarray,
    reference: np.ndarray,
) -> str:
    """The table of what was measured, the baselines beside it."""
    rows = {
        "CycleGAN, served": translated,
        "untranslated": satellite,
        "histogram matching": baselines.histogram_matching(satellite, reference),
        "mean colour": baselines.mean_colour(satellite, reference),
        "the true map itself": truth,
    }
    lines = [
        f"\n{len(truth)} test windows, {SIZE} px, against the true relief map "
        "([-1, 1]):",
        f"{'':22}{'L1':>8}{'sea and land':>15}{'checkerboard':>15}",
    ]
    for name, images in rows.items():
        lines.append(
            f"{name:22}{baselines.l1(images, truth):8.3f}"
            f"{baselines.sea_and_land_agreement(images, truth):15.1%}"
            f"{baselines.checkerboard(images):15.4f}"
        )
    return "\n".join(lines)


def _caption(translated: np.ndarray, truth: np.ndarray) -> str:
    return (
        f"L1 to the true map {baselines.l1(translated, truth):.3f}, sea and land in "
        f"place on {baselines.sea_and_land_agreement(translated, truth):.1%} of pixels "
        f"({len(truth)} test windows)"
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
            tile = Image.fromarray(images[index]).resize((side, side), Image.NEAREST)
            picture.paste(tile, (left, band + gap + y * (side + gap)))
    draw.text((width / 2, height - band / 2), caption, "black", font, anchor="mm")
    return picture


def _to_float(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 127.5 - 1.0


def _to_uint8(images: np.ndarray) -> np.ndarray:
    from trainers import grids

    return grids.to_uint8(images)


if __name__ == "__main__":
    define_flags()
    command.run(main)
