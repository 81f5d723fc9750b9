"""Perceptual path length (Karras et al., arXiv:1812.04948, section 4.1)."""

from collections.abc import Callable, Iterator

import numpy as np

EPSILON = 1e-4
_DISCARDED = (1.0, 99.0)

Array = np.ndarray


def perceptual_path_length(
    latents: Callable[[int, np.random.RandomState], Array],
    mapping: Callable[[Array], Array],
    synthesis: Callable[[Array, np.random.RandomState], Array],
    distance: Callable[[Array, Array], Array],
    *,
    space: str,
    sampling: str,
    count: int,
    batch_size: int = 8,
    epsilon: float = EPSILON,
    seed: int = 0,
) -> float:
    """Returns the rate of change of the image along a path between two latents.

    The mean of d(G(t), G(t + epsilon)) / epsilon^2, without the lowest and the highest
    hundredth. Lower is smoother. In z the path is spherical, in w straight.

    Args:
        latents: (count, random) -> latents z [count, Z].
        mapping: z [N, Z] -> w [N, W]. A generator without a mapping returns z.
        synthesis: (w [2N, W], random) -> images [2N, H, W, C]. The two halves are the
            two ends of N short steps; noise inputs must be equal in both.
        distance: Perceptual distance of two batches, [N].
        space: "z" or "w", where the path is.
        sampling: "full", anywhere on the path, or "end", at its start.
        count: Number of paths.
        batch_size: Paths at a time.
        epsilon: Length of a step, 1 being the whole path.
        seed: For latents and positions.

    Raises:
        ValueError: `space` or `sampling` is none of those, or `count` is below 1.
    """
    if space not in ("z", "w") or sampling not in ("full", "end") or count < 1:
        raise ValueError(
            'space must be "z" or "w", sampling "full" or "end" and count at least 1. '
            f"Received: space={space!r}, sampling={sampling!r}, count={count}"
        )
    random = np.random.RandomState(seed)
    lengths = []
    for size in _sizes(count, batch_size):
        starts, ends = latents(size, random), latents(size, random)
        places = random.uniform(0.0, 1.0, (size, 1)) if sampling == "full" else 0.0
        near, far = places, places + epsilon
        if space == "z":
            points = [mapping(_slerp(starts, ends, t)) for t in (near, far)]
        else:
            starts, ends = mapping(starts), mapping(ends)
            points = [_lerp(starts, ends, t) for t in (near, far)]
        images = synthesis(np.concatenate(points), random)
        lengths.append(distance(images[:size], images[size:]) / epsilon**2)
    return trimmed_mean(np.concatenate(lengths))


def trimmed_mean(lengths: Array) -> float:
    """Returns the mean without values below the 1st or above the 99th percentile."""
    low = np.percentile(lengths, _DISCARDED[0], method="lower")
    high = np.percentile(lengths, _DISCARDED[1], method="higher")
    return float(lengths[(lengths >= low) & (lengths <= high)].mean())


def _sizes(count: int, batch_size: int) -> Iterator[int]:
    for start in range(0, count, batch_size):
        yield min(batch_size, count - start)


def _lerp(starts: Array, ends: Array, places: Array | float) -> Array:
    # In double precision: a step of 1e-4 is near what float32 resolves.
    starts, ends = np.asarray(starts, np.float64), np.asarray(ends, np.float64)
    return starts + (ends - starts) * _over_axes(places, starts.ndim)


def _slerp(starts: Array, ends: Array, places: Array | float) -> Array:
    """Rotates at a constant rate, with linearly interpolated length."""
    starts, ends = np.asarray(starts, np.float64), np.asarray(ends, np.float64)
    start_norms = np.linalg.norm(starts, axis=-1, keepdims=True)
    end_norms = np.linalg.norm(ends, axis=-1, keepdims=True)
    a, b = starts / start_norms, ends / end_norms
    angle = np.arccos(np.clip((a * b).sum(axis=-1, keepdims=True), -1.0, 1.0))
    across = b - (a * b).sum(axis=-1, keepdims=True) * a
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-12)
    direction = a * np.cos(places * angle) + across * np.sin(places * angle)
    return direction * _lerp(start_norms, end_norms, places)


def _over_axes(places: Array | float, axes: int) -> Array | float:
    if isinstance(places, float):
        return places
    return places.reshape(places.shape[0], *[1] * (axes - 1))
