"""Directions of a generator's latent space: SeFa (Shen & Zhou, arXiv:2007.06600)."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfgan_models.errors import UsageError
from tfgan_models.runs import files
from trainers.generation import page, synthesis
from trainers.generation.models import StyleModel
from trainers.generation.synthesis import Setting

STRENGTHS = (-3, -2, -1, 0, 1, 2, 3)


def directions(
    generator: StyleModel,
    seed: int,
    layers: str,
    count: int,
    setting: Setting,
    output_dir: Path,
) -> list[Path]:
    """Writes directions.html, a slider for each direction, and directions.npz.

    Args:
        generator: The generator.
        seed: The seed of the image that is changed.
        layers: "all", "coarse", "middle" or "fine": the layers whose kernels are
            factorised and whose w is moved.
        count: Number of directions, the strongest first.
        setting: How the image is generated.
        output_dir: An existing folder.

    Returns:
        The files.

    Raises:
        UsageError: The generator has no such layers, or fewer directions.
    """
    if count > generator.w_avg.size:
        raise UsageError(
            f"--count={count}: there are only {generator.w_avg.size} directions, the "
            "size of w."
        )
    moved = synthesis.style_layers(generator, layers)
    kernels = generator.kernels()
    found, eigenvalues = strongest([kernels[i] for i in moved], count)
    w = synthesis.map_seed(generator, seed, setting.label)
    ws = synthesis.truncate(generator, w, setting.psi)
    strips = []
    for direction in found:
        strip = []
        for strength in STRENGTHS:
            changed = ws.copy()
            changed[moved] += np.float32(strength) * direction
            strip.append(synthesis.from_w(generator, changed, setting.noise_seed(seed)))
        strips.append(strip)
    arrays = io.BytesIO()
    np.savez(arrays, directions=found, eigenvalues=eigenvalues, layers=np.array(moved))
    files.write_bytes(output_dir / "directions.npz", arrays.getvalue())
    share = eigenvalues / sum(np.square(kernels[i]).sum() for i in moved)
    titles = [f"Direction {i + 1} ({part:.1%})" for i, part in enumerate(share)]
    note = (
        f"Seed {seed}. w is moved by -3 to 3 times a unit direction in the "
        f"style layers {moved[0]} to {moved[-1]}; the percentage is its share of "
        "the effect of w there."
    )
    path = output_dir / "directions.html"
    page.write(path, "Directions", note, titles, strips, STRENGTHS)
    return [path, output_dir / "directions.npz"]


def strongest(
    kernels: Sequence[np.ndarray], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the directions in w that change the styles most.

    They are the eigenvectors with the largest eigenvalues of A^T A, where A stacks the
    layers' affine functions.

    Args:
        kernels: Of the affine functions, each [D, 2C].
        count: Number of directions.

    Returns:
        Orthonormal directions, float32 [count, D], the strongest first, each with its
        largest component positive; and their eigenvalues, float64 [count].
    """
    transposed = np.concatenate(kernels, axis=1).astype(np.float64)
    eigenvalues, vectors = np.linalg.eigh(transposed @ transposed.T)
    found = vectors.T[::-1][:count]
    largest = np.abs(found).argmax(axis=1)
    found = found * np.sign(found[np.arange(len(found)), largest])[:, None]
    return found.astype(np.float32), eigenvalues[::-1][:count]
