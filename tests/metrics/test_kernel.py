"""KID against its definition, torch-fidelity and a known expectation."""

from types import ModuleType

import numpy as np
import pytest
import torch

from tfgan_models.metrics.kernel import kernel_distance


def cloud(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1.0, (count, 16))


def test_equals_its_definition_written_with_loops() -> None:
    x, y = cloud(6, 0), cloud(6, 1, 0.3)

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (float(np.dot(a, b)) / 16 + 1) ** 3

    others = [(i, j) for i in range(6) for j in range(6) if i != j]
    expected = (
        sum(kernel(x[i], x[j]) for i, j in others) / 30
        + sum(kernel(y[i], y[j]) for i, j in others) / 30
        - 2 * sum(kernel(a, b) for a in x for b in y) / 36
    )
    mean, deviation = kernel_distance(x, y, subsets=3, subset_size=6)
    assert mean == pytest.approx(expected, rel=1e-12)
    assert deviation == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("seed", [0, 2020])
def test_equals_torch_fidelity_subset_by_subset(
    torch_fidelity: ModuleType, seed: int
) -> None:
    kid = torch_fidelity.metric_kid
    generated, real = cloud(70, 2), cloud(90, 3, 0.2)
    expected = kid.kid_features_to_metric(
        torch.from_numpy(generated),
        torch.from_numpy(real),
        kid_subsets=20,
        kid_subset_size=50,
        rng_seed=seed,
        verbose=False,
    )
    mean, deviation = kernel_distance(
        real, generated, subsets=20, subset_size=50, seed=seed
    )
    assert mean == pytest.approx(expected[kid.KEY_METRIC_KID_MEAN], rel=1e-6)
    assert deviation == pytest.approx(expected[kid.KEY_METRIC_KID_STD], rel=1e-6)


def test_is_unbiased() -> None:
    """Between two sets of one distribution it is zero on average, not above."""
    values = [
        kernel_distance(
            cloud(40, 2 * i), cloud(40, 2 * i + 1), subsets=1, subset_size=40
        )[0]
        for i in range(300)
    ]
    error = np.std(values) / len(values) ** 0.5
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0 < max(values)


def test_grows_with_the_distance() -> None:
    near, far = (
        kernel_distance(cloud(100, 4), cloud(100, 5, shift), subset_size=50)[0]
        for shift in (0.2, 0.5)
    )
    assert 0.01 < near < far


@pytest.mark.parametrize("size", [1, 31])
def test_refuses_subsets_that_cannot_be_drawn(size: int) -> None:
    with pytest.raises(ValueError, match=rf"subset_size={size}, 40 real and 30"):
        kernel_distance(cloud(40, 0), cloud(30, 1), subset_size=size)
