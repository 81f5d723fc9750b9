"""Parameter counts and map sizes of the published networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks.examples import images
from tfgan_models.layers import InstanceNormalization
from tfgan_models.networks import (
    PatchDiscriminator,
    PixelDiscriminator,
    ProgressiveDiscriminator,
    ProgressiveGenerator,
    ResNetGenerator,
    StyleDiscriminator,
    StyleGenerator,
    StyleMapping,
    UNetGenerator,
)


@pytest.mark.parametrize(
    ("network", "arguments", "parameters"),
    [
        (ResNetGenerator, {}, 11_378_179),
        (ResNetGenerator, {"norm": "affine_instance"}, 11_388_675),
        (ResNetGenerator, {"norm": "batch"}, 11_383_427),
        (ResNetGenerator, {"residual_blocks": 6}, 7_837_699),
        (UNetGenerator, {}, 54_413_955),
        (UNetGenerator, {"downsamplings": 7}, 41_828_995),
        (PatchDiscriminator, {}, 2_764_737),
        (PatchDiscriminator, {"norm": "affine_instance"}, 2_766_529),
        (PatchDiscriminator, {"channels": 6, "norm": "batch"}, 2_768_705),
        (PixelDiscriminator, {}, 8_705),
        (PixelDiscriminator, {"channels": 6, "norm": "batch"}, 9_024),
        (StyleMapping, {}, 2_101_248),
        (StyleGenerator, {"resolution": 64}, 25_137_935),
        (StyleGenerator, {"resolution": 128}, 25_843_858),
        (StyleGenerator, {"resolution": 256}, 26_086_229),
        (StyleGenerator, {}, 26_219_627),
        (StyleDiscriminator, {"resolution": 64}, 22_498_049),
        (StyleDiscriminator, {"resolution": 128}, 22_941_313),
        (StyleDiscriminator, {"resolution": 256}, 23_052_353),
        (StyleDiscriminator, {}, 23_087_249),
        (ProgressiveGenerator, {"resolution": 64}, 22_490_383),
        (ProgressiveGenerator, {}, 23_079_115),
        (ProgressiveDiscriminator, {}, 23_087_249),
    ],
)
def test_trainable_parameters(
    network: type[keras.Model], arguments: dict[str, object], parameters: int
) -> None:
    weights = network(**arguments).trainable_weights
    assert sum(int(np.prod(w.shape)) for w in weights) == parameters


@pytest.mark.parametrize(
    ("layers", "side"), [(1, 126), (2, 62), (3, 30), (4, 14), (5, 6), (6, 2)]
)
def test_patch_map_at_256(layers: int, side: int) -> None:
    network = PatchDiscriminator(filters=2, layers=layers)
    assert network(images(256, batch=1)).shape == (1, side, side, 1)


@pytest.mark.parametrize(
    ("layers", "field"), [(1, 16), (2, 34), (3, 70), (4, 142), (5, 286), (6, 574)]
)
def test_patch_receptive_field(layers: int, field: int) -> None:
    """Pixels that one logit depends on; without norms, which see everything."""
    network = PatchDiscriminator(filters=1, layers=layers, channels=1, norm="none")
    for w in network.weights:
        w.assign(np.full(w.shape, 0.1 if w.name == "kernel" else 0.0))
    image = tf.ones((1, 1280, 1280, 1))
    with tf.GradientTape() as tape:
        tape.watch(image)
        logits = network(image)
        middle = logits.shape[1] // 2
        logit = logits[0, middle, middle, 0]
    rows = np.flatnonzero(np.abs(tape.gradient(logit, image)).sum((0, 2, 3)))
    assert rows[-1] - rows[0] + 1 == len(rows) == field


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("downsamplings", [2, 5])
def test_unet_never_normalises_a_single_pixel(norm: str, downsamplings: int) -> None:
    network = UNetGenerator(downsamplings=downsamplings, filters=2, norm=norm)
    kinds = (InstanceNormalization, keras.layers.BatchNormalization)
    norms = [layer for layer in network.layers if isinstance(layer, kinds)]
    probe = keras.Model(network.input, [layer.output for layer in norms])
    sizes = [y.shape[1] for y in probe(images(2**downsamplings, batch=1))]
    assert len(sizes) == 2 * downsamplings - 3
    assert min(sizes) > 1


def test_unet_skips() -> None:
    network = UNetGenerator(filters=2)
    assert sum(isinstance(x, keras.layers.Concatenate) for x in network.layers) == 7


@pytest.mark.parametrize(
    ("downsamplings", "blocks"), [(8, "876"), (7, "765"), (6, "65"), (5, "5"), (4, "")]
)
def test_unet_dropout(downsamplings: int, blocks: str) -> None:
    """CD512-CD512-CD512-C512-...: the decoder's first three (the paper, appendix)."""
    network = UNetGenerator(downsamplings, filters=2)
    names = [layer.name for layer in network.layers]
    found = [n for n in names if n.endswith("_dropout")]
    assert found == [f"up{block}_dropout" for block in blocks]
