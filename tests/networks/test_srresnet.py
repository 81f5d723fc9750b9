"""SRGAN's networks: the paper's layers, equal to an independent PyTorch twin."""

import itertools
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from torch import nn

from export.keras_file.plain_keras import to_plain_keras
from tests import precision
from tests.networks.conformance import randomize
from tests.networks.examples import images
from tfgan_models.layers import PixelShuffle2D
from tfgan_models.networks import SRDiscriminator, SRResNet


class Block(nn.Module):
    """The residual block of the paper's figure 4."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n, n, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(n)
        self.prelu = nn.PReLU(n)
        self.conv2 = nn.Conv2d(n, n, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(n)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.prelu(self.norm1(self.conv1(x)))
        return x + self.norm2(self.conv2(y))


class Resnet(nn.Module):
    """The paper's generator; images in [-1, 1], [N, C, H, W]."""

    def __init__(self, scale: int, n: int, count: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, n, 9, padding=4), nn.PReLU(n))
        self.blocks = nn.Sequential(*[Block(n) for _ in range(count)])
        self.last = nn.Sequential(
            nn.Conv2d(n, n, 3, padding=1, bias=False), nn.BatchNorm2d(n)
        )
        ups: list[nn.Module] = []
        while scale > 1:
            ups += [nn.Conv2d(n, 4 * n, 3, padding=1), nn.PixelShuffle(2), nn.PReLU(n)]
            scale //= 2
        self.ups = nn.Sequential(*ups)
        self.out = nn.Conv2d(n, channels, 9, padding=4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.first((image + 1) / 2)
        return self.out(self.ups(x + self.last(self.blocks(x))))


def discriminator(size: int, n: int, channels: int) -> nn.Sequential:
    """The paper's discriminator."""
    parts: list[nn.Module] = [nn.Conv2d(channels, n, 3, 1, 1), nn.LeakyReLU(0.2)]
    width = n
    for multiple, stride in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
        parts += [
            nn.Conv2d(width, multiple * n, 3, stride, 1, bias=False),
            nn.BatchNorm2d(multiple * n),
            nn.LeakyReLU(0.2),
        ]
        width = multiple * n
    hidden = nn.Linear(width * (size // 16) ** 2, 16 * n)
    head = [nn.Flatten(), hidden, nn.LeakyReLU(0.2), nn.Linear(16 * n, 1)]
    return nn.Sequential(*parts, *head)


def shuffled(kernel: np.ndarray) -> np.ndarray:
    """Moves the last axis from our pixel shuffle's order to PyTorch's."""
    blocks = kernel.reshape(*kernel.shape[:-1], 4, -1)
    return np.swapaxes(blocks, -1, -2).reshape(kernel.shape)


def copy_weights(network: keras.Model, twin: nn.Module) -> None:
    """Gives the twin our weights, layer by layer."""
    sources = [layer for layer in network.layers if layer.weights]
    targets = [m for m in twin.modules() if next(m.parameters(False), None) is not None]
    side = network.input_shape[1] // 16 if network.input_shape[1] else 0
    for layer, module in zip(sources, targets, strict=True):
        values = [w.numpy() for w in layer.weights]
        if isinstance(layer, keras.layers.Conv2D):
            if layer.name.startswith("up"):
                values = [shuffled(value) for value in values]
            values[0] = values[0].transpose(3, 2, 0, 1)
        elif layer.name == "hidden_dense":
            # Ours flattens rows, columns, channels; PyTorch's channels first.
            kernel = values[0].reshape(side, side, -1, values[0].shape[-1])
            values[0] = kernel.transpose(3, 2, 0, 1).reshape(values[0].shape[::-1])
        elif isinstance(layer, keras.layers.Dense):
            values[0] = values[0].T
        names = ("weight", "bias", "running_mean", "running_var")
        for name, value in zip(names, values, strict=False):
            tensor = getattr(module, name)
            assert tensor.numel() == value.size
            tensor.data.copy_(torch.from_numpy(value.reshape(tensor.shape).copy()))


def compare(
    network: keras.Model, twin: nn.Module, x: np.ndarray, training: bool
) -> None:
    """Both give the same in float64, and in training the same averages."""
    network = precision.in_float64(network)
    randomize(network)
    copy_weights(network, twin)
    ours = np.asarray(network(x, training=training))
    with torch.no_grad():
        pixels = torch.from_numpy(x).permute(0, 3, 1, 2)
        theirs = twin.double().train(training)(pixels.double())
    if theirs.ndim == 4:
        theirs = theirs.permute(0, 2, 3, 1)
    assert ours.shape == tuple(theirs.shape)
    assert ours.std() > 0.01
    # Random weights make the output as large as hundreds.
    error = np.abs(ours - theirs.numpy()).max() / max(1.0, ours.std())
    assert error < 1e-6
    means = [b for n, b in twin.named_buffers() if n.endswith("mean")]
    averages = [w for w in network.weights if w.name == "moving_mean"]
    assert len(means) == len(averages) > 0
    for average, mean in zip(averages, means, strict=True):
        np.testing.assert_allclose(average.numpy(), mean, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize(
    ("scale", "size", "channels"),
    [(2, (12, 9), 3), (4, (7, 16), 3), (8, (5, 6), 1)],
)
def test_the_generator_equals_its_twin(
    scale: int, size: tuple[int, int], channels: int, training: bool
) -> None:
    network = SRResNet(scale, 8, residual_blocks=3, channels=channels)
    x = np.random.default_rng(3).uniform(-1, 1, (2, *size, channels)).astype("float32")
    compare(network, Resnet(scale, 8, 3, channels), x, training)


def test_the_papers_generator_equals_its_twin() -> None:
    x = images(16, batch=1)
    compare(SRResNet(), Resnet(4, 64, 16, 3), x, training=False)


@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize(("size", "channels"), [(32, 3), (48, 1)])
def test_the_discriminator_equals_its_twin(
    size: int, channels: int, training: bool
) -> None:
    network = SRDiscriminator(size, 8, channels)
    x = images(size, channels, batch=4)
    compare(network, discriminator(size, 8, channels), x, training)


def convolution(kernel: int, before: int, after: int, bias: bool) -> int:
    return kernel**2 * before * after + after * bias


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_parameters_of_the_papers_generator(scale: int) -> None:
    slopes, norm = 64, 2 * 64
    block = 2 * convolution(3, 64, 64, False) + 2 * norm + slopes
    up = convolution(3, 64, 256, True) + slopes
    trainable = (
        convolution(9, 3, 64, True)
        + slopes
        + 16 * block
        + convolution(3, 64, 64, False)
        + norm
        + {2: 1, 4: 2, 8: 3}[scale] * up
        + convolution(9, 64, 3, True)
    )
    network = SRResNet(scale)
    assert count(network.trainable_weights) == trainable
    assert count(network.non_trainable_weights) == 33 * norm == 4_224
    assert trainable == {2: 1_400_771, 4: 1_548_547, 8: 1_696_323}[scale]
    assert f"{trainable:,}" in SRResNet.__doc__


def test_parameters_of_the_papers_discriminator() -> None:
    widths = [64, 64, 128, 128, 256, 256, 512, 512]
    pairs = itertools.pairwise(widths)
    convolutions = [convolution(3, before, after, False) for before, after in pairs]
    trainable = (
        convolution(3, 3, 64, True)
        + sum(convolutions)
        + 2 * sum(widths[1:])
        + (6 * 6 * 512 + 1) * 1024
        + 1024
        + 1
    )
    network = SRDiscriminator()
    assert count(network.trainable_weights) == trainable == 23_563_649
    assert count(network.non_trainable_weights) == 2 * sum(widths[1:]) == 3_712
    assert "23,563,649" in SRDiscriminator.__doc__


def count(weights: list[keras.Variable]) -> int:
    return sum(int(np.prod(w.shape)) for w in weights)


def test_the_papers_generator_has_its_layers() -> None:
    network = SRResNet()
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds.count("Conv2D") == 2 + 2 * 16 + 1 + 2
    assert kinds.count("BatchNormalization") == 33
    assert kinds.count("PReLU") == 1 + 16 + 2
    assert kinds.count("Add") == 17
    norms = [x for x in network.layers if type(x).__name__ == "BatchNormalization"]
    assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.9, 1e-5)}
    assert sum(isinstance(layer, PixelShuffle2D) for layer in network.layers) == 2


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_any_size_is_upscaled(scale: int) -> None:
    network = SRResNet(scale, 4, residual_blocks=1)
    assert network.output_names == ["upscaled_image"]
    for height, width in ((1, 1), (7, 5), (12, 33)):
        image = np.zeros((1, height, width, 3), "float32")
        assert network(image).shape == (1, scale * height, scale * width, 3)


def test_the_output_is_linear() -> None:
    network = SRResNet(2, 4, residual_blocks=0)
    network.get_layer("head_conv").bias.assign([3.0, -3.0, 0.0])
    corner = network(np.zeros((1, 4, 4, 3), "float32"))[0, 4, 4].numpy()
    assert corner[0] > 2 and corner[1] < -2


def test_rebuilt_from_keras_layers_it_is_the_same(tmp_path: Path) -> None:
    network = SRResNet(4, 6, residual_blocks=2)
    randomize(network)
    rebuilt = to_plain_keras(network)
    rebuilt.save(tmp_path / "plain.keras")
    loaded = keras.models.load_model(tmp_path / "plain.keras")
    assert {type(x).__module__.split(".")[0] for x in loaded.layers} == {"keras"}
    for height, width in ((6, 9), (13, 4)):
        x = np.random.default_rng(1).uniform(-1, 1, (2, height, width, 3))
        expected = network(x.astype("float32"))
        np.testing.assert_allclose(loaded(x.astype("float32")), expected, atol=1e-5)


def test_grey_images_of_one_size_only_are_judged() -> None:
    network = SRDiscriminator(32, 4, channels=1)
    assert network(images(32, 1)).shape == (2, 1)
    with pytest.raises(ValueError, match=r"expected shape=\(None, 32, 32, 1\)"):
        network(images(48, 1))
    with pytest.raises(ValueError, match=r"multiple of 16.*Received: image_size=100"):
        SRDiscriminator(100)
