"""Directions of a generator's latent space: SeFa (Shen & Zhou, arXiv:2007.06600)."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfgan_models.errors import UsageError
from tfgan_models.tasks import synthesis
from tfgan_models.tasks.generators import StyleModel
from tfgan_models.tasks.synthesis import Setting


@dataclasses.dataclass(frozen=True)
class Directions:
    """Directions in w that change a generator's images most.

    Attributes:
        generator: The generator.
        vectors: Orthonormal, float32 [count, D], the strongest first.
        eigenvalues: Theirs, float64 [count].
        shares: Each one's share of the effect of w in `layers`, float64 [count].
        layers: The style layers that were factorised, and whose w is moved.
    """

    generator: StyleModel
    vectors: np.ndarray
    eigenvalues: np.ndarray
    shares: np.ndarray
    layers: list[int]

    def image(
        self, seed: int, index: int, strength: float, setting: Setting
    ) -> np.ndarray:
        """Returns the image [R, R, C] of a seed, moved along a direction.

        Args:
            seed: The image's seed.
            index: The direction's index.
            strength: How far, in unit lengths.
            setting: How the image is generated.
        """
        ws = synthesis.styles_of(self.generator, seed, setting)
        ws[self.layers] += np.float32(strength) * self.vectors[index]
        return synthesis.from_w(self.generator, ws, setting.noise_seed(seed))


def find(generator: StyleModel, layers: str, count: int) -> Directions:
    """Finds the strongest directions.

    Args:
        generator: Its kernels are factorised.
        layers: "all", "coarse", "middle" or "fine".
        count: Number of directions.

    Raises:
        UsageError: The generator has no such layers, or fewer directions.
    """
    if count > generator.w_avg.size:
        raise UsageError(
            f"count={count}: there are only {generator.w_avg.size} directions, the "
            "size of w."
        )
    moved = synthesis.style_layers(generator, layers)
    kernels = generator.kernels()
    vectors, eigenvalues = strongest([kernels[i] for i in moved], count)
    shares = eigenvalues / sum(np.square(kernels[i]).sum() for i in moved)
    return Directions(generator, vectors, eigenvalues, shares, moved)


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
