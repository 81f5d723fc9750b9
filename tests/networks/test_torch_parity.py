"""Equal weights give PyTorch's outputs: same padding, constants and layer order."""

from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from benchmarks import torch_twin
from tests import precision
from tests.networks.conformance import randomize
from tests.networks.examples import images
from tfgan_models import data, networks
from tfgan_models.networks import blocks

TWINS = {
    networks.ResNetGenerator: torch_twin.resnet_generator,
    networks.UNetGenerator: torch_twin.UNetGenerator,
    networks.PatchDiscriminator: torch_twin.patch_discriminator,
    networks.PixelDiscriminator: torch_twin.pixel_discriminator,
}
# Ours rounds its output to float32.
TOLERANCE = 1e-6
EARTH = Path(data.__path__[0]) / "images" / "earth" / "satellite.jpg"

RESNET = (networks.ResNetGenerator, {"filters": 8, "residual_blocks": 2})
UNET = (networks.UNetGenerator, {"filters": 6, "downsamplings": 6})
PATCH = (networks.PatchDiscriminator, {"filters": 8})
PIXEL = (networks.PixelDiscriminator, {"filters": 8})


@cache
def _earth() -> np.ndarray:
    image = tf.io.decode_jpeg(tf.io.read_file(str(EARTH)))
    return (image.numpy() / 127.5 - 1).astype("float32")


def photographs(height: int, width: int, channels: int) -> np.ndarray:
    """Returns two crops of the bundled satellite image, [2, H, W, channels]."""
    crops = [
        _earth()[y : y + height, x : x + width] for y, x in ((330, 1500), (500, 400))
    ]
    return np.tile(np.stack(crops), (1, 1, 1, 2))[..., :channels]


def compare(
    network: keras.Model, twin: torch.nn.Module, x: np.ndarray, training: bool = False
) -> np.ndarray:
    """Returns the absolute difference of both outputs, given equal weights."""
    twin.to(getattr(torch, network.weights[0].dtype))
    torch_twin.copy_weights(network, twin)
    ours = np.asarray(network(x, training=training))
    with torch.no_grad():
        pixels = torch.from_numpy(x).permute(0, 3, 1, 2)
        theirs = twin.train(training)(pixels.to(next(twin.parameters()).dtype))
    theirs = theirs.permute(0, 2, 3, 1).numpy()
    assert ours.shape == theirs.shape
    assert ours.std() > 0.01
    return np.abs(ours - theirs)


def build(kind: tuple[Any, dict[str, Any]], **options: Any) -> tuple[Any, Any]:
    """Returns a network with random weights and its twin, in float64."""
    cls, tiny = kind
    arguments = {"dtype": "float64"} | tiny | options
    twin = TWINS[cls](**{k: v for k, v in arguments.items() if k != "dtype"})
    if issubclass(cls, networks.UNetGenerator):
        arguments["dropout"] = 0.0
    network = cls(**arguments)
    randomize(network)
    return network, twin


@pytest.mark.parametrize("norm", blocks.NORMS)
@pytest.mark.parametrize(
    ("kind", "options", "size"),
    [
        (RESNET, {}, (32, 48)),
        (RESNET, {"upsampling": "resize"}, (32, 48)),
        (RESNET, {"channels": 1, "output_channels": 2}, (16, 16)),
        (UNET, {}, (64, 128)),
        (UNET, {"upsampling": "resize"}, (64, 64)),
        (UNET, {"downsamplings": 2, "channels": 4}, (16, 24)),
        (PATCH, {}, (64, 64)),
        (PATCH, {"channels": 6}, (65, 47)),
        (PATCH, {"layers": 1}, (33, 32)),
        (PATCH, {"layers": 5}, (161, 171)),
        (PIXEL, {}, (16, 16)),
        (PIXEL, {"channels": 6}, (7, 11)),
    ],
)
def test_same_output_at_inference(
    kind: tuple[Any, dict[str, Any]],
    options: dict[str, Any],
    size: tuple[int, int],
    norm: str,
) -> None:
    network, twin = build(kind, norm=norm, **options)
    x = photographs(*size, options.get("channels", 3))
    assert compare(network, twin, x).max() < TOLERANCE


@pytest.mark.numerics
@pytest.mark.parametrize("kind", [RESNET, UNET, PATCH, PIXEL])
def test_batch_normalisation_in_training(kind: tuple[Any, dict[str, Any]]) -> None:
    network, twin = build(kind, norm="batch")
    x = images(64)
    assert compare(network, twin, x, training=True).max() < TOLERANCE
    means = {n: b.numpy() for n, b in twin.named_buffers() if n.endswith("mean")}
    ours = [w.numpy() for w in network.weights if w.name == "moving_mean"]
    assert len(ours) == len(means) > 0
    for value, expected in zip(ours, means.values(), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-9)


@pytest.mark.numerics
def test_the_papers_generator_rounds_as_pytorchs() -> None:
    """In float64 they are equal; in float32 each is as far from that as the other."""
    kind, x = (networks.ResNetGenerator, {}), photographs(32, 32, 3)
    network, twin = build(kind)
    assert compare(network, twin, x).max() < TOLERANCE
    exact = np.asarray(network(x))
    network, twin = build(kind, dtype="float32")
    apart = compare(network, twin, x)
    ours = precision.rms(network(x) - exact)
    assert 0 < precision.rms(apart) < 4 * ours
    theirs = twin(torch.from_numpy(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert ours < 3 * precision.rms(theirs.detach().numpy() - exact)


def test_copying_refuses_another_network() -> None:
    network, _ = build(RESNET)
    fewer = torch_twin.resnet_generator(filters=8, residual_blocks=1)
    with pytest.raises(ValueError, match="Received: 10 in Keras, 8 in PyTorch"):
        torch_twin.copy_weights(network, fewer)
    wider = torch_twin.resnet_generator(filters=16, residual_blocks=2)
    with pytest.raises(ValueError, match="stem_conv does not fit"):
        torch_twin.copy_weights(network, wider)
