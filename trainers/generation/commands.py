"""The commands that generate still images: images, mix, truncation, noise."""

import dataclasses
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfgan_models.runs import files
from tfgan_models.tasks import synthesis
from tfgan_models.tasks.directions import Directions
from tfgan_models.tasks.generators import Generator, StyleModel
from tfgan_models.tasks.synthesis import Setting
from trainers.generation import page, sheets

COLUMNS = 8
"""Images per class if no seeds are given."""
STRENGTHS = (-3, -2, -1, 0, 1, 2, 3)


def images(
    generator: Generator,
    seeds: Sequence[int],
    setting: Setting,
    layout: str,
    output_dir: Path,
) -> list[Path]:
    """Writes the images of seeds.

    Args:
        generator: The generator.
        seeds: One for each image.
        setting: How images are generated.
        layout: "grid": one file images.png; "files": seed_0000.png, ...
        output_dir: An existing folder.

    Returns:
        The files.
    """
    if layout == "files":
        return [
            sheets.write(
                output_dir / f"seed_{seed:04d}.png",
                synthesis.from_seed(generator, seed, setting),
            )
            for seed in seeds
        ]
    sheets.check_grid(generator, len(seeds))
    made = [synthesis.from_seed(generator, seed, setting) for seed in seeds]
    return [sheets.write(output_dir / "images.png", _square(made))]


def class_images(
    generator: Generator,
    seeds: Sequence[int],
    setting: Setting,
    layout: str,
    output_dir: Path,
) -> list[Path]:
    """Writes the images of seeds in every class.

    Args:
        generator: A generator with classes.
        seeds: One for each column.
        setting: How images are generated; its class is not used.
        layout: "grid": one file images.png, a row for each class; "files":
            class_000_seed_0000.png, ...
        output_dir: An existing folder.

    Returns:
        The files.

    Raises:
        UsageError: There are too many images for a grid.
    """
    if layout == "grid":
        sheets.check_grid(generator, generator.label_size * len(seeds))
    written, rows = [], []
    for label in range(generator.label_size):
        own = dataclasses.replace(setting, label=label)
        row = (synthesis.from_seed(generator, seed, own) for seed in seeds)
        if layout == "grid":
            rows.append(list(row))
            continue
        written += [
            sheets.write(output_dir / f"class_{label:03d}_seed_{seed:04d}.png", picture)
            for seed, picture in zip(seeds, row, strict=True)
        ]
    if layout == "files":
        return written
    return [sheets.write(output_dir / "images.png", sheets.tile(rows))]


def mix(
    generator: StyleModel,
    rows: Sequence[int],
    columns: Sequence[int],
    styles: str,
    setting: Setting,
    output_dir: Path,
) -> list[Path]:
    """Writes mix.png: each row's image with the columns' coarse, ... styles.

    The first column shows the rows' own images, the first row the columns'.

    Args:
        generator: The generator.
        rows: Seeds.
        columns: Seeds.
        styles: "coarse", "middle" or "fine": the styles taken from the column's seed.
        setting: How images are generated; random noise is that of the row's seed.
        output_dir: An existing folder.

    Returns:
        The file.

    Raises:
        UsageError: The generator has no such styles, or there are too many images.
    """
    taken = synthesis.style_layers(generator, styles)
    sheets.check_grid(generator, (len(rows) + 1) * (len(columns) + 1))

    across = [(seed, synthesis.styles_of(generator, seed, setting)) for seed in columns]
    heads = [
        synthesis.from_w(generator, ws, setting.noise_seed(seed)) for seed, ws in across
    ]
    cells: list[list[np.ndarray | None]] = [[None, *heads]]
    for seed in rows:
        own = synthesis.styles_of(generator, seed, setting)
        noise = setting.noise_seed(seed)
        row: list[np.ndarray | None] = [synthesis.from_w(generator, own, noise)]
        for _, other in across:
            ws = own.copy()
            ws[taken] = other[taken]
            row.append(synthesis.from_w(generator, ws, noise))
        cells.append(row)
    return [sheets.write(output_dir / "mix.png", sheets.tile(cells))]


def truncation(
    generator: StyleModel,
    seed: int,
    psis: Sequence[float],
    setting: Setting,
    output_dir: Path,
) -> list[Path]:
    """Writes truncation.png: a seed's images at values of psi, left to right.

    All style layers are truncated, so that psi = 0 is the image of the average w.

    Args:
        generator: The generator.
        seed: The image's seed.
        psis: The values.
        setting: Class and noise.
        output_dir: An existing folder.

    Returns:
        The file.
    """
    w = synthesis.map_seed(generator, seed, setting.label)
    row = [
        synthesis.from_w(
            generator,
            synthesis.truncate(generator, w, psi, generator.layers),
            setting.noise_seed(seed),
        )
        for psi in psis
    ]
    return [sheets.write(output_dir / "truncation.png", sheets.tile([row]))]


def noise(
    generator: StyleModel, seed: int, count: int, setting: Setting, output_dir: Path
) -> list[Path]:
    """Writes what noise affects: noise.png, noise_mean.png and noise_std.png.

    The standard deviation is over the images, its root mean square over the channels;
    in the file, white is its maximum, which is printed.

    Args:
        generator: The generator.
        seed: The latent's seed.
        count: Images, with the noise seeds 0, 1, ...
        setting: Class and psi.
        output_dir: An existing folder.

    Returns:
        The files.

    Raises:
        UsageError: There are too many images for a grid.
    """
    sheets.check_grid(generator, count)
    ws = synthesis.styles_of(generator, seed, setting)
    made = [synthesis.from_w(generator, ws, i) for i in range(count)]
    mean = np.stack(made).mean(axis=0, dtype=np.float64)
    deviation = np.sqrt(np.var(made, axis=0, dtype=np.float64).mean(axis=2))
    largest = float(deviation.max())
    print(
        f"Standard deviation over {count} noise seeds: {deviation.mean():.5f} on "
        f"average, {largest:.5f} at most (images are in [-1, 1])"
    )
    shown = deviation / (largest or 1.0) * 2.0 - 1.0
    return [
        sheets.write(output_dir / "noise.png", _square(made)),
        sheets.write(output_dir / "noise_mean.png", mean),
        sheets.write(output_dir / "noise_std.png", shown[..., None]),
    ]


def write_directions(
    found: Directions, seed: int, setting: Setting, output_dir: Path
) -> list[Path]:
    """Writes directions.html, a slider for each direction, and directions.npz.

    Args:
        found: The directions.
        seed: The seed of the image that is changed.
        setting: How the image is generated.
        output_dir: An existing folder.

    Returns:
        The files.
    """
    strips = [
        [found.image(seed, i, strength, setting) for strength in STRENGTHS]
        for i in range(len(found.vectors))
    ]
    arrays = io.BytesIO()
    np.savez(
        arrays,
        directions=found.vectors,
        eigenvalues=found.eigenvalues,
        layers=np.array(found.layers),
    )
    files.write_bytes(output_dir / "directions.npz", arrays.getvalue())
    titles = [f"Direction {i + 1} ({part:.1%})" for i, part in enumerate(found.shares)]
    note = (
        f"Seed {seed}. w is moved by -3 to 3 times a unit direction in the "
        f"style layers {found.layers[0]} to {found.layers[-1]}; the percentage is its "
        "share of the effect of w there."
    )
    path = output_dir / "directions.html"
    page.write(path, "Directions", note, titles, strips, STRENGTHS)
    return [path, output_dir / "directions.npz"]


def _square(made: Sequence[np.ndarray]) -> np.ndarray:
    """Images row by row in a grid as wide as high, or a little wider."""
    columns = math.ceil(math.sqrt(len(made)))
    padded = [*made, *[None] * (-len(made) % columns)]
    rows = [padded[i : i + columns] for i in range(0, len(padded), columns)]
    return sheets.tile(rows)
