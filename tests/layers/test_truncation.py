"""Truncation: psi, cutoff, and the average that training tracks."""

import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.layers import Truncation

AVERAGE = np.array([1.0, -2.0], "float32")
W = np.array([[3.0, 4.0], [-1.0, 0.0], [1.0, 1.0]], "float32")
DECAY = 0.9
# Batches of w and the average after each, by hand: 0.9 of it and 0.1 of the mean.
TRACK = [
    ([[1.0, 2.0], [3.0, 4.0]], [0.2, 0.3]),
    ([[0.0, 1.0], [0.0, 1.0]], [0.18, 0.37]),
    ([[-9.0, 5.0], [1.0, 5.0]], [-0.238, 0.833]),
]


def tracked(layers: int = 4) -> Truncation:
    """Returns a layer with an average that is not zero."""
    layer = Truncation(layers)
    layer.build((None, 2))
    layer.average.assign(AVERAGE)
    return layer


def expected(psi: list[float], cutoff: int, layers: int = 4) -> np.ndarray:
    """Each sample's and style layer's w, one by one."""
    ws = np.empty((len(W), layers, 2), "float32")
    for n, w in enumerate(W):
        for i in range(layers):
            ws[n, i] = AVERAGE + psi[n] * (w - AVERAGE) if i < cutoff else w
    return ws


def test_without_psi_every_style_layer_gets_w() -> None:
    assert np.array_equal(tracked()(W), np.stack([W] * 4, axis=1))


@pytest.mark.parametrize("cutoff", [0, 1, 3, 4, 8])
@pytest.mark.parametrize("psi", [0.0, 0.7, 1.0, -1.0, 1.5])
def test_psi_and_cutoff(psi: float, cutoff: int) -> None:
    ws = tracked()(W, psi=psi, cutoff=cutoff)
    np.testing.assert_allclose(ws, expected([psi] * 3, cutoff), atol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_a_psi_for_each_sample(shape: tuple[int, ...]) -> None:
    psi = np.array([0.0, 0.5, 1.0], "float32")
    ws = tracked()(W, psi=psi.reshape(shape), cutoff=2)
    np.testing.assert_allclose(ws, expected(list(psi), 2), atol=1e-6)


def test_eight_style_layers_are_truncated_by_default() -> None:
    ws = tracked(10)(W, psi=0.0)
    assert np.array_equal(ws, expected([0.0] * 3, 8, 10))


def test_by_hand() -> None:
    ws = tracked()(W[:1], psi=0.5)
    assert np.array_equal(ws[0, 0], [2.0, 1.0])


def test_the_average_starts_at_zero_and_is_not_trained() -> None:
    layer = Truncation(4)
    layer(W)
    assert not layer.average.numpy().any()
    assert layer.trainable_weights == []
    assert layer.decay == 0.995


@pytest.mark.parametrize("traced", [False, True])
def test_track_by_hand(traced: bool) -> None:
    layer = Truncation(4, decay=DECAY)
    layer.build((None, 2))
    track = tf.function(layer.track) if traced else layer.track
    for w, average in TRACK:
        track(tf.constant(w))
        np.testing.assert_allclose(layer.average, average, atol=1e-6)


def test_track_averages_over_replicas(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    """Each replica sees one row of each batch; both end with the same average."""
    with mirrored.scope():
        layer = Truncation(4, decay=DECAY)
        layer.build((None, 2))

    @tf.function
    def step(w: tf.Tensor) -> None:
        mirrored.run(layer.track, (w,))

    for w, average in TRACK:
        rows = tf.constant(w)
        step(
            mirrored.experimental_distribute_values_from_function(
                lambda context, rows=rows: rows[
                    context.replica_id_in_sync_group : context.replica_id_in_sync_group
                    + 1
                ]
            )
        )
        copies = mirrored.experimental_local_results(layer.average.value)
        assert len(copies) == 2
        for copy in copies:
            np.testing.assert_allclose(copy, average, atol=1e-6)


def test_track_takes_the_mean_of_half_precision_in_float32() -> None:
    layer = Truncation(4, decay=0.0, dtype="mixed_bfloat16")
    layer.build((None, 1))
    w = tf.cast(np.arange(256.0).reshape(-1, 1), "bfloat16")
    layer.track(w)
    assert np.array_equal(layer.average, [127.5])
    layer.average.assign([127.6])
    layer.track(w)
    assert layer.average.dtype == "float32"
