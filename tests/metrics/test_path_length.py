"""Perceptual path length against generators whose paths have known lengths."""

from typing import Any

import numpy as np
import pytest

from tfgan_models.metrics.path_length import perceptual_path_length, trimmed_mean

LATENT = 8


def latents(count: int, random: np.random.RandomState) -> np.ndarray:
    return random.normal(size=(count, LATENT))


def identity(z: np.ndarray) -> np.ndarray:
    return z


def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.square(a - b).sum(axis=-1)


def measure(**options: Any) -> float:
    settings = {
        "latents": latents,
        "mapping": identity,
        "synthesis": lambda w, random: w,
        "distance": squared,
        "space": "w",
        "sampling": "full",
        "count": 300,
    }
    return perceptual_path_length(**(settings | options))


def drawn(count: int = 300, batch: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends as drawn for seed 0 and sampling "end"."""
    random = np.random.RandomState(0)
    pairs = [
        (latents(n, random), latents(n, random))
        for n in [min(batch, count - i) for i in range(0, count, batch)]
    ]
    return tuple(np.concatenate(side) for side in zip(*pairs, strict=True))


def test_straight_paths_of_a_linear_generator() -> None:
    """|A (w2 - w1)|^2 wherever on the path, without the outer hundredths."""
    matrix = np.random.default_rng(0).normal(size=(LATENT, 5))
    starts, ends = drawn()
    expected = trimmed_mean(np.square((ends - starts) @ matrix).sum(axis=1))
    actual = measure(sampling="end", synthesis=lambda w, random: w @ matrix)
    assert actual == pytest.approx(expected, rel=1e-6)


def test_the_mapping_comes_before_the_path_in_w() -> None:
    starts, ends = drawn()
    expected = trimmed_mean(np.square(ends**3 - starts**3).sum(axis=1))
    actual = measure(sampling="end", mapping=lambda z: z**3)
    assert actual == pytest.approx(expected, rel=1e-6)


def test_spherical_paths_turn_at_a_constant_rate() -> None:
    """On the unit sphere the squared length is the squared angle, all along."""

    def normalised(count: int, random: np.random.RandomState) -> np.ndarray:
        z = latents(count, random)
        return z / np.linalg.norm(z, axis=1, keepdims=True)

    starts, ends = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in drawn())
    angles = np.arccos((starts * ends).sum(axis=1))
    expected = trimmed_mean(angles**2)
    actual = measure(latents=normalised, space="z", sampling="end")
    assert actual == pytest.approx(expected, rel=1e-4)
    anywhere = measure(latents=normalised, space="z", sampling="full")
    assert anywhere == pytest.approx(np.mean(angles**2), rel=0.1)


def test_full_sees_the_bend_that_the_end_does_not() -> None:
    """Where an image moves only past the middle of the path."""

    def one_dimension(count: int, random: np.random.RandomState) -> np.ndarray:
        random.uniform(size=count)
        return np.zeros((count, 1))

    calls = []

    def ends_at_one(z: np.ndarray) -> np.ndarray:
        calls.append(len(z))
        return z + len(calls) % 2 - 1.0 + (len(calls) % 2 == 0) * 2.0

    options = {"latents": one_dimension, "mapping": ends_at_one}

    def late(w: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        return np.maximum(w - 0.5, 0.0)

    end = measure(sampling="end", synthesis=late, **options)
    full = measure(sampling="full", synthesis=late, **options)
    assert end == pytest.approx(0.0, abs=1e-9)
    assert full == pytest.approx(0.5, abs=0.08)


def test_both_ends_of_a_step_go_through_one_call_and_the_seed_decides() -> None:
    seen = []

    def synthesis(w: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        seen.append(len(w))
        return w

    first = measure(synthesis=synthesis, count=10, batch_size=4)
    assert seen == [8, 8, 4]
    assert measure(count=10, batch_size=4) == first
    assert measure(count=10, batch_size=4, seed=1) != first


def test_the_outer_hundredths_are_left_out() -> None:
    lengths = np.arange(201.0)
    lengths[-1] = 1e9
    assert trimmed_mean(lengths) == pytest.approx(np.mean(np.arange(2, 199)))


@pytest.mark.parametrize(
    "wrong", [{"space": "x"}, {"sampling": "middle"}, {"count": 0}]
)
def test_refuses_other_paths(wrong: dict[str, Any]) -> None:
    (value,) = wrong.values()
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}={value!r}"):
        measure(**wrong)
