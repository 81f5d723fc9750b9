"""Inception Score against known values and torch-fidelity."""

from types import ModuleType

import numpy as np
import pytest
import torch

from tfgan_models.metrics.inception_score import inception_score


def test_of_certain_and_evenly_spread_classes_is_their_number() -> None:
    logits = 100.0 * np.eye(5)[np.arange(200) % 5]
    mean, deviation = inception_score(logits, splits=1)
    assert mean == pytest.approx(5.0, rel=1e-12)
    assert deviation == 0.0


def test_of_one_class_or_of_no_opinion_is_one() -> None:
    one = np.tile([50.0, 0.0, 0.0], (100, 1))
    assert inception_score(one)[0] == pytest.approx(1.0, abs=1e-12)
    assert inception_score(np.zeros((100, 3)))[0] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("seed", [0, 2020])
def test_equals_torch_fidelity(torch_fidelity: ModuleType, seed: int) -> None:
    isc = torch_fidelity.metric_isc
    logits = np.random.default_rng(1).normal(0, 3, (203, 11))
    expected = isc.isc_features_to_metric(torch.from_numpy(logits), rng_seed=seed)
    mean, deviation = inception_score(logits, seed=seed)
    assert mean == pytest.approx(expected[isc.KEY_METRIC_ISC_MEAN], rel=1e-6)
    assert deviation == pytest.approx(expected[isc.KEY_METRIC_ISC_STD], rel=1e-6)


def test_refuses_fewer_images_than_splits() -> None:
    with pytest.raises(ValueError, match=r"at least 10 images\. Received: 9"):
        inception_score(np.zeros((9, 4)))
