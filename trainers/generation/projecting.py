"""The command `project`: its files."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfgan_models.runs import files
from tfgan_models.tasks import projection
from tfgan_models.tasks.generators import StyleModel
from tfgan_models.tasks.synthesis import Setting
from trainers.generation import sheets


def project(
    generator: StyleModel,
    image: Path,
    space: str,
    steps: int,
    seed: int,
    setting: Setting,
    output_dir: Path,
) -> list[Path]:
    """Writes projection.png (target | projection), the loss's curve and w.npz.

    Args:
        generator: Paints.
        image: The image file; its centre square is taken.
        space: "w": one w for all style layers; "w+": one for each.
        steps: Of the search.
        seed: Draws the noise on w.
        setting: Class and noise of the image.
        output_dir: An existing folder.

    Returns:
        The files.

    Raises:
        UsageError: The image cannot be read.
    """
    found = projection.project(generator, image, space, steps, seed, setting)
    print(f"Loss: {found.made_of}")
    print(f"Loss {found.start:.5f} at the start, {found.end:.5f} at the end")
    arrays = io.BytesIO()
    np.savez(arrays, w=found.ws if space == "w+" else found.ws[0], ws=found.ws)
    files.write_bytes(output_dir / "w.npz", arrays.getvalue())
    pair = sheets.tile([[found.target, found.image]])
    return [
        sheets.write(output_dir / "projection.png", pair),
        write_curve(output_dir, found.losses),
        output_dir / "w.npz",
    ]


def write_curve(output_dir: Path, losses: Sequence[float]) -> Path:
    """Writes loss.png, or loss.csv where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        lines = [f"{step},{loss:.8g}" for step, loss in enumerate(losses)]
        files.write_text(output_dir / "loss.csv", "\n".join(["step,loss", *lines, ""]))
        return output_dir / "loss.csv"
    figure = Figure(figsize=(6.4, 4.0), dpi=110, layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss", yscale="log")
    axes.plot(losses)
    axes.grid(alpha=0.25)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    files.write_bytes(output_dir / "loss.png", file.getvalue())
    return output_dir / "loss.png"
