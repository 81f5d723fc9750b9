"""DCGAN's networks: the paper's guidelines, and equality with PyTorch twins."""

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

from tests.networks.conformance import randomize
from tests.networks.examples import images, one_hot
from tfgan_models.layers import SpectralConv2D, SpectralDense
from tfgan_models.networks import DCGANDiscriminator, DCGANGenerator


class TorchGenerator(nn.Module):
    """DCGAN's generator; the projection as a transposed convolution of one pixel."""

    def __init__(self, resolution: int, filters: int, latent: int, colors: int) -> None:
        super().__init__()
        steps = int(math.log2(resolution // 4))
        widths = [min(filters * 2**i, 8 * filters) for i in reversed(range(steps))]
        layers = [
            nn.ConvTranspose2d(latent, widths[0], 4, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        for i, before in enumerate(widths, start=1):
            last = i == steps
            after = colors if last else widths[i]
            layers.append(
                nn.ConvTranspose2d(
                    before, after, 5, 2, padding=2, output_padding=1, bias=last
                )
            )
            layers += [nn.Tanh()] if last else [nn.BatchNorm2d(after), nn.ReLU()]
        self.body = nn.Sequential(*layers)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        return self.body(latent[:, :, None, None]).permute(0, 2, 3, 1)


class TorchDiscriminator(nn.Module):
    """DCGAN's discriminator; the dense layer as a convolution of 4x4 pixels."""

    def __init__(self, resolution: int, filters: int, colors: int, norm: str) -> None:
        super().__init__()
        spectral = nn.utils.spectral_norm if norm == "spectral" else lambda x: x
        layers: list[nn.Module] = []
        width, side = colors, resolution
        while side > 4:
            first = side == resolution
            wider = filters if first else min(2 * width, 8 * filters)
            bias = first or norm == "spectral"
            layers.append(spectral(nn.Conv2d(width, wider, 5, 2, padding=2, bias=bias)))
            if not bias:
                layers.append(nn.BatchNorm2d(wider))
            layers.append(nn.LeakyReLU(0.2))
            width, side = wider, side // 2
        layers.append(spectral(nn.Conv2d(width, 1, 4)))
        self.body = nn.Sequential(*layers)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.body(image.permute(0, 3, 1, 2)).flatten(1)


def torch_state(layer: keras.layers.Layer) -> dict[str, np.ndarray]:
    """A Keras layer's weights under PyTorch's names and in its order of axes."""
    state = {w.name: w.numpy() for w in layer.weights}
    if "kernel" not in state:
        names = ("weight", "bias", "running_mean", "running_var")
        ours = ("gamma", "beta", "moving_mean", "moving_variance")
        return {theirs: state[our] for theirs, our in zip(names, ours, strict=True)}
    kernel = state.pop("kernel")
    if layer.name == "project":
        # [latent, 4 * 4 * C] -> [latent, C, 4, 4]
        kernel = kernel.reshape(len(kernel), 4, 4, -1).transpose(0, 3, 1, 2)
    elif kernel.ndim == 2:
        # [4 * 4 * C, 1] -> [1, C, 4, 4]
        kernel = kernel.reshape(4, 4, -1, 1).transpose(3, 2, 0, 1)
    else:
        # [h, w, in, out] -> [out, in, h, w]; transposed: both ends exchanged in both.
        kernel = kernel.transpose(3, 2, 0, 1)
    if "v" not in state:
        return {"weight": kernel, **state}
    inputs = kernel.shape[1]
    v = state["v"].reshape(*kernel.shape[2:], inputs).transpose(2, 0, 1).ravel()
    return {
        "weight_orig": kernel,
        "bias": state["bias"],
        "weight_u": state["u"],
        "weight_v": v,
    }


def copy_weights(network: keras.Model, twin: nn.Module) -> None:
    """Copies all weights and averages, layer by layer."""
    sources = [layer for layer in network.layers if layer.weights]
    targets = [layer for layer in twin.body if layer.state_dict()]
    for source, target in zip(sources, targets, strict=True):
        state = {k: torch.from_numpy(v.copy()) for k, v in torch_state(source).items()}
        result = target.load_state_dict(state, strict=False)
        assert set(result.missing_keys) <= {"num_batches_tracked"}
        assert not result.unexpected_keys


def generator_pair(resolution: int, **options: Any) -> tuple[keras.Model, nn.Module]:
    options |= {"dtype": "float64"}
    network = DCGANGenerator(resolution, latent_size=12, filters=6, **options)
    randomize(network)
    spread_dense(network.get_layer("project"), 1.0)
    latent = 12 + network.label_size
    twin = TorchGenerator(resolution, 6, latent, network.channels).double()
    copy_weights(network, twin)
    return network, twin


def discriminator_pair(
    resolution: int, norm: str = "batch", **options: Any
) -> tuple[keras.Model, nn.Module]:
    options |= {"dtype": "float64"}
    network = DCGANDiscriminator(resolution, filters=6, norm=norm, **options)
    randomize(network)
    spread_dense(network.get_layer("head"), 2.0)
    for layer in network.layers:
        if isinstance(layer, SpectralConv2D | SpectralDense):
            estimate(layer)
    colors = network.channels + network.label_size
    twin = TorchDiscriminator(resolution, 6, colors, norm).double()
    copy_weights(network, twin)
    return network, twin


def spread_dense(layer: keras.layers.Layer, scale: float) -> None:
    """Gives a dense layer outputs of deviation `scale`."""
    inputs = layer.kernel.shape[0]
    values = np.random.default_rng(8).normal(size=layer.kernel.shape)
    layer.kernel.assign(values * scale / inputs**0.5)


def estimate(layer: keras.layers.Layer) -> None:
    """Gives u and v the values of a training's beginning."""
    matrix = layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1])
    u = np.random.default_rng(7).normal(size=matrix.shape[1])
    v = matrix @ u
    layer.u.assign(u / np.linalg.norm(u))
    layer.v.assign(v / np.linalg.norm(v))


def uniform(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, shape).astype("float32")


def assert_equal_outputs(
    network: keras.Model, twin: nn.Module, x: np.ndarray, training: bool
) -> None:
    ours = np.asarray(network(x, training=training))
    with torch.no_grad():
        theirs = twin.train(training)(torch.from_numpy(x).double()).numpy()
    assert ours.shape == theirs.shape
    assert ours.std() > 0.02
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("resolution", "channels"), [(32, 3), (64, 3), (64, 1)])
def test_generator_equals_pytorchs(
    resolution: int, channels: int, training: bool
) -> None:
    network, twin = generator_pair(resolution, channels=channels)
    assert_equal_outputs(network, twin, uniform(4, 12), training)
    if training:
        assert_equal_averages(network, twin)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("norm", ["batch", "spectral"])
@pytest.mark.parametrize(("resolution", "channels"), [(32, 3), (64, 3), (64, 1)])
def test_discriminator_equals_pytorchs(
    resolution: int, channels: int, norm: str, training: bool
) -> None:
    network, twin = discriminator_pair(resolution, norm, channels=channels)
    x = images(resolution, channels, batch=4)
    for _ in range(2 if training else 1):
        assert_equal_outputs(network, twin, x, training)
    if training and norm == "batch":
        assert_equal_averages(network, twin)


def assert_equal_averages(network: keras.Model, twin: nn.Module) -> None:
    means = [b.numpy() for n, b in twin.named_buffers() if n.endswith("mean")]
    ours = [w.numpy() for w in network.weights if w.name == "moving_mean"]
    assert len(ours) == len(means) > 0
    for value, expected in zip(ours, means, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("training", [False, True])
def test_networks_with_labels_equal_pytorchs(training: bool) -> None:
    network, twin = generator_pair(32, label_size=5)
    z, labels = uniform(4, 12), one_hot(network, 4)
    ours = network(z, labels=labels, training=training)
    joined = torch.from_numpy(np.concatenate([z, labels], axis=1))
    with torch.no_grad():
        theirs = twin.train(training)(joined.double())
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)

    network, twin = discriminator_pair(32, label_size=5)
    x = images(32, batch=4)
    ours = network(x, labels=labels, training=training)
    planes = np.broadcast_to(labels[:, None, None], (4, 32, 32, 5))
    joined = torch.from_numpy(np.concatenate([x, planes], axis=-1))
    with torch.no_grad():
        theirs = twin.train(training)(joined.double())
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("network", "options", "parameters"),
    [
        (DCGANGenerator, {}, 18_855_043),
        (DCGANGenerator, {"resolution": 32}, 4_926_595),
        (DCGANGenerator, {"resolution": 128}, 45_071_491),
        (DCGANGenerator, {"label_size": 10}, 18_855_043 + 10 * 16 * 1024),
        (DCGANDiscriminator, {}, 4_315_649),
        (DCGANDiscriminator, {"resolution": 32}, 1_033_729),
        (DCGANDiscriminator, {"resolution": 128}, 10_870_273),
        (DCGANDiscriminator, {"norm": "spectral"}, 4_314_753),
        (DCGANDiscriminator, {"label_size": 10}, 4_315_649 + 10 * 25 * 64),
    ],
)
def test_trainable_parameters(
    network: type[keras.Model], options: dict[str, Any], parameters: int
) -> None:
    weights = network(**options).trainable_weights
    assert sum(int(np.prod(w.shape)) for w in weights) == parameters
    if "label_size" not in options:
        assert f"{parameters:,}" in network.__doc__


def kinds(network: keras.Model, kind: type[keras.layers.Layer]) -> list[Any]:
    return [layer for layer in network.layers if isinstance(layer, kind)]


@pytest.mark.parametrize(
    ("resolution", "widths"),
    [
        (16, [8, 4]),
        (32, [16, 8, 4]),
        (64, [32, 16, 8, 4]),
        (128, [32, 32, 16, 8, 4]),
        (256, [32, 32, 32, 16, 8, 4]),
    ],
)
def test_widths(resolution: int, widths: list[int]) -> None:
    generator = DCGANGenerator(resolution, latent_size=3, filters=4)
    norms = kinds(generator, keras.layers.BatchNormalization)
    assert [layer.gamma.shape[0] for layer in norms] == widths
    convs = kinds(generator, keras.layers.Conv2DTranspose)
    assert [conv.filters for conv in convs] == [*widths[1:], 3]
    assert [conv.use_bias for conv in convs] == [False] * (len(widths) - 1) + [True]
    assert not generator.get_layer("project").use_bias
    sides = [layer.output.shape[1] for layer in norms]
    assert sides == [4 * 2**i for i in range(len(widths))]
    assert generator.output_shape == (None, resolution, resolution, 3)
    discriminator = DCGANDiscriminator(resolution, filters=4)
    convs = kinds(discriminator, keras.layers.Conv2D)
    assert [conv.filters for conv in convs] == widths[::-1]
    assert convs[-1].output.shape[1:3] == (4, 4)
    assert discriminator.output_shape == (None, 1)


def test_the_papers_guidelines() -> None:
    generator = DCGANGenerator(latent_size=3, filters=4)
    discriminator = DCGANDiscriminator(filters=4)
    convs = [
        *kinds(generator, keras.layers.Conv2DTranspose),
        *kinds(discriminator, keras.layers.Conv2D),
    ]
    assert {(c.kernel_size, c.strides) for c in convs} == {((5, 5), (2, 2))}
    leaks = kinds(discriminator, keras.layers.LeakyReLU)
    assert [leak.negative_slope for leak in leaks] == [np.float32(0.2)] * 4
    assert len(kinds(generator, keras.layers.ReLU)) == 4
    norms = [
        *kinds(generator, keras.layers.BatchNormalization),
        *kinds(discriminator, keras.layers.BatchNormalization),
    ]
    assert len(norms) == 4 + 3
    assert {(n.momentum, n.epsilon) for n in norms} == {(0.9, 1e-5)}
    assert discriminator.get_layer("conv1").use_bias
    assert generator.latent_distribution == "uniform"
    assert generator.resolution == generator.grown == 64


def test_fresh_weights() -> None:
    networks = [
        DCGANGenerator(32, filters=32),
        DCGANDiscriminator(32, filters=32),
        DCGANDiscriminator(32, filters=32, norm="spectral"),
    ]
    kernels = [w for n in networks for w in n.weights if w.name == "kernel"]
    assert len(kernels) == 4 + 4 + 4
    for weight in kernels:
        values = weight.numpy()
        # Five standard errors of a mean and of a deviation estimated from n values.
        assert abs(values.mean()) < 5 * 0.02 / values.size**0.5
        assert abs(values.std() / 0.02 - 1) < 5 / (2 * values.size) ** 0.5
    assert len({float(w.numpy().ravel()[0]) for w in kernels}) == len(kernels)


def test_spectral_normalisation_of_every_kernel() -> None:
    network = DCGANDiscriminator(32, filters=4, norm="spectral")
    assert not kinds(network, keras.layers.BatchNormalization)
    kernels = [w.path for w in network.weights if w.name == "kernel"]
    normalized = kinds(network, SpectralConv2D) + kinds(network, SpectralDense)
    assert [layer.kernel.path for layer in normalized] == kernels
    assert len(normalized) == 4
    x = images(32)
    for _ in range(200):
        network(x, training=True)
    for layer in normalized:
        kernel = layer.normalized_kernel().numpy().reshape(-1, layer.kernel.shape[-1])
        assert abs(np.linalg.svd(kernel, compute_uv=False)[0] - 1) < 5e-3


def test_spectral_discriminator_trains_on_its_kernels() -> None:
    network = DCGANDiscriminator(16, filters=4, norm="spectral")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(network(images(16), training=True) ** 2)
    variables = [w.value for w in network.trainable_weights]
    gradients = tape.gradient(loss, variables)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_a_class_is_a_plane() -> None:
    network = DCGANDiscriminator(16, filters=4, label_size=3)
    probe = keras.Model(network.inputs, network.get_layer("image_and_labels").output)
    labels = one_hot(network)
    x = images(16)
    joined = np.asarray(probe([x, labels]))
    np.testing.assert_array_equal(joined[..., :3], x)
    np.testing.assert_array_equal(
        joined[..., 3:], np.broadcast_to(labels[:, None, None], (2, 16, 16, 3))
    )
    randomize(network)
    here, there = (np.asarray(network(x, y)) for y in (labels, labels[::-1]))
    assert np.abs(here - there).min() > 1e-4
